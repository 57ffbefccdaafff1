
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* The directives. */


#include "ngx_http_socketio_conf.h"


#define NGX_HTTP_SOCKETIO_ANY_CONF                                            \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF

#define NGX_HTTP_SOCKETIO_LANES_MAX  1024


static char *ngx_http_socketio_conf_time(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_socketio_conf_size(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_socketio_conf_lanes(ngx_conf_t *cf, void *post,
    void *data);


static ngx_conf_post_t  ngx_http_socketio_post_time = {
    ngx_http_socketio_conf_time
};

static ngx_conf_post_t  ngx_http_socketio_post_size = {
    ngx_http_socketio_conf_size
};

static ngx_conf_post_t  ngx_http_socketio_post_lanes = {
    ngx_http_socketio_conf_lanes
};

static ngx_conf_enum_t  ngx_http_socketio_connect_fail[] = {
    { ngx_string("reject"), 0 },
    { ngx_string("accept"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_bitmask_t  ngx_http_socketio_revisions[] = {
    { ngx_string("3"), NGX_HTTP_SOCKETIO_EIO3 },
    { ngx_string("4"), NGX_HTTP_SOCKETIO_EIO4 },
    { ngx_null_string, 0 }
};

static ngx_conf_enum_t  ngx_http_socketio_protocol[] = {
    { ngx_string("socket.io"), 0 },
    { ngx_string("engine.io"), 1 },
    { ngx_null_string, 0 }
};


ngx_command_t  ngx_http_socketio_commands[] = {

    { ngx_string("socketio_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE23,
      ngx_http_socketio_conf_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_socketio_conf_socketio,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_publish"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_socketio_conf_publish,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE123,
      ngx_http_socketio_conf_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_hook"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_socketio_conf_hook,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_hook_batch"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_socketio_conf_hook_batch,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_hook_lanes"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, lanes),
      &ngx_http_socketio_post_lanes },

    { ngx_string("socketio_hook_queue"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE2,
      ngx_http_socketio_conf_queue,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, queue_events),
      NULL },

    { ngx_string("socketio_hook_timeout"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, hook_timeout),
      &ngx_http_socketio_post_time },

    { ngx_string("socketio_hook_connect_fail"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, connect_fail),
      &ngx_http_socketio_connect_fail },

    { ngx_string("socketio_hook_headers"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_socketio_conf_hook_headers,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_hook_secret"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_socketio_conf_hook_secret,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_hook_events"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_socketio_conf_hook_events,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_namespaces"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_socketio_conf_namespaces,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_transports"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_socketio_conf_transports,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_eio"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE12,
      ngx_conf_set_bitmask_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, revisions),
      &ngx_http_socketio_revisions },

    { ngx_string("socketio_protocol"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, raw),
      &ngx_http_socketio_protocol },

    { ngx_string("socketio_ping_interval"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, ping_interval),
      &ngx_http_socketio_post_time },

    { ngx_string("socketio_ping_timeout"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, ping_timeout),
      &ngx_http_socketio_post_time },

    { ngx_string("socketio_upgrade_timeout"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, upgrade_timeout),
      &ngx_http_socketio_post_time },

    { ngx_string("socketio_connect_timeout"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, connect_timeout),
      &ngx_http_socketio_post_time },

    { ngx_string("socketio_drain"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_socketio_conf_drain,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_message_timeout"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, message_timeout),
      &ngx_http_socketio_post_time },

    { ngx_string("socketio_max_payload"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, max_payload),
      &ngx_http_socketio_post_size },

    { ngx_string("socketio_send_queue"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE2,
      ngx_http_socketio_conf_queue,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_socketio_loc_conf_t, send_packets),
      NULL },

    { ngx_string("socketio_deflate"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE123,
      ngx_http_socketio_conf_deflate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_origins"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_socketio_conf_origins,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_cookie"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_socketio_conf_cookie,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_client"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_socketio_conf_client,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("socketio_limits"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_socketio_conf_limits,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

#if (NDK)

    { ngx_string("set_socketio_json"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_SIF_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                       |NGX_CONF_TAKE3,
      ngx_http_socketio_conf_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("set_socketio_quote"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_SIF_CONF|NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF
                       |NGX_CONF_TAKE2,
      ngx_http_socketio_conf_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

#endif

      ngx_null_command
};


void *
ngx_http_socketio_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_socketio_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_socketio_main_conf_t));
    if (smcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&smcf->zones, cf->pool, 2,
                       sizeof(ngx_socketio_zone_t *))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&smcf->locations, cf->pool, 4,
                       sizeof(ngx_http_socketio_loc_conf_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return smcf;
}


char *
ngx_http_socketio_conf_error(ngx_conf_t *cf, ngx_str_t *value, char *what)
{
    ngx_str_t  *args;

    args = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\": \"%V\" %s", &args[0],
                       value, what);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_socketio_conf_time(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t *value = data;

    ngx_str_t  *args;

    args = cf->args->elts;

    if (*value == 0) {
        return ngx_http_socketio_conf_error(cf, &args[1],
                                            "must be more than zero");
    }

    if (*value > NGX_HTTP_SOCKETIO_TIME_MAX) {
        return ngx_http_socketio_conf_error(cf, &args[1],
                                            "must be one day at the most");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_socketio_conf_size(ngx_conf_t *cf, void *post, void *data)
{
    size_t *value = data;

    ngx_str_t  *args;

    args = cf->args->elts;

    if (*value == 0 || *value > NGX_MAX_INT32_VALUE) {
        return ngx_http_socketio_conf_error(cf, &args[1],
                                          "must be more than zero, below 2g");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_socketio_conf_lanes(ngx_conf_t *cf, void *post, void *data)
{
    ngx_int_t *value = data;

    ngx_str_t  *args;

    args = cf->args->elts;

    if (*value == 0 || *value > NGX_HTTP_SOCKETIO_LANES_MAX) {
        return ngx_http_socketio_conf_error(cf, &args[1],
                                            "must be 1 to 1024");
    }

    return NGX_CONF_OK;
}
