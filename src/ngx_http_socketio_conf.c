
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* The directives, their defaults, and what is wrong with them together. */


#include "ngx_http_socketio_conf.h"
#include "transport/ngx_http_socketio_transport.h"
#include "api/ngx_http_socketio_publish.h"
#include "delivery/ngx_socketio_worker.h"


#define NGX_HTTP_SOCKETIO_ANY_CONF                                            \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF

#define NGX_HTTP_SOCKETIO_TIME_MAX   86400000
#define NGX_HTTP_SOCKETIO_LANES_MAX  1024


static char *ngx_http_socketio_conf_time(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_socketio_conf_size(ngx_conf_t *cf, void *post,
    void *data);
static char *ngx_http_socketio_conf_lanes(ngx_conf_t *cf, void *post,
    void *data);
static uint32_t ngx_http_socketio_number(ngx_http_core_main_conf_t *cmcf,
    ngx_http_socketio_loc_conf_t *slcf);
static void ngx_http_socketio_listen_text(ngx_http_core_main_conf_t *cmcf,
    ngx_http_core_srv_conf_t *cscf, ngx_str_t *text, u_char *buf);
static ngx_int_t ngx_http_socketio_merge_handler(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_socketio_loc_conf_t *prev,
    ngx_http_socketio_loc_conf_t *conf);
static char *ngx_http_socketio_merge_values(ngx_conf_t *cf,
    ngx_http_socketio_loc_conf_t *prev, ngx_http_socketio_loc_conf_t *conf);
static char *ngx_http_socketio_check(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_socketio_loc_conf_t *conf);
static char *ngx_http_socketio_check_zone(ngx_conf_t *cf, char *directive,
    ngx_shm_zone_t *shm_zone);


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


ngx_command_t  ngx_http_socketio_commands[] = {

    { ngx_string("socketio_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
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
      ngx_http_socketio_conf_eio,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

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

    { ngx_string("socketio_origins"),
      NGX_HTTP_SOCKETIO_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_socketio_conf_origins,
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
ngx_http_socketio_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_socketio_main_conf_t *smcf = conf;

    uint32_t                        number;
    ngx_uint_t                      i, k;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_socketio_loc_conf_t  **slcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    slcf = smcf->locations.elts;

    for (i = 0; i < smcf->locations.nelts; i++) {
        number = ngx_http_socketio_number(cmcf, slcf[i]);

        /* the same number twice is settled by the order in the file */

        k = 0;

        while (k < i) {
            if (slcf[k]->number == number) {
                number++;
                k = 0;
                continue;
            }

            k++;
        }

        slcf[i]->number = number;
    }

    return NGX_CONF_OK;
}


/*
 * Sessions outlive a configuration: a location is the same one after a reload
 * if its server's name and address and its own name are.
 */

static uint32_t
ngx_http_socketio_number(ngx_http_core_main_conf_t *cmcf,
    ngx_http_socketio_loc_conf_t *slcf)
{
    u_char                     buf[NGX_SOCKADDR_STRLEN];
    uint32_t                   crc;
    ngx_str_t                  text;
    ngx_http_server_name_t    *sn;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = slcf->ctx->srv_conf[ngx_http_core_module.ctx_index];

    /* the directive left the kind of the location there */

    crc = slcf->number;

    if (cscf->server_names.nelts) {
        sn = cscf->server_names.elts;
        ngx_crc32_update(&crc, sn[0].name.data, sn[0].name.len);
    }

    ngx_http_socketio_listen_text(cmcf, cscf, &text, buf);
    ngx_crc32_update(&crc, (u_char *) "\n", 1);
    ngx_crc32_update(&crc, text.data, text.len);
    ngx_crc32_update(&crc, (u_char *) "\n", 1);
    ngx_crc32_update(&crc, slcf->path.data, slcf->path.len);

    ngx_crc32_final(crc);

    return crc;
}


/* of the addresses of a server the first in order of their text */

static void
ngx_http_socketio_listen_text(ngx_http_core_main_conf_t *cmcf,
    ngx_http_core_srv_conf_t *cscf, ngx_str_t *text, u_char *buf)
{
    size_t                      len;
    u_char                      p[NGX_SOCKADDR_STRLEN];
    ngx_uint_t                  i, k, n;
    ngx_http_conf_addr_t       *addr;
    ngx_http_conf_port_t       *port;
    ngx_http_core_srv_conf_t  **servers;

    text->len = 0;
    text->data = buf;

    if (cmcf->ports == NULL) {
        return;
    }

    port = cmcf->ports->elts;

    for (i = 0; i < cmcf->ports->nelts; i++) {
        addr = port[i].addrs.elts;

        for (k = 0; k < port[i].addrs.nelts; k++) {
            servers = addr[k].servers.elts;

            for (n = 0; n < addr[k].servers.nelts; n++) {
                if (servers[n] == cscf) {
                    break;
                }
            }

            if (n == addr[k].servers.nelts) {
                continue;
            }

            len = ngx_sock_ntop(addr[k].opt.sockaddr, addr[k].opt.socklen, p,
                                NGX_SOCKADDR_STRLEN, 1);

            if (text->len == 0 || ngx_memn2cmp(p, buf, len, text->len) < 0) {
                ngx_memcpy(buf, p, len);
                text->len = len;
            }
        }
    }
}


void *
ngx_http_socketio_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_socketio_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_socketio_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->shm_zone = NULL;
     *     conf->number = 0;
     *     conf->ctx = NULL;
     *     conf->path = { 0, NULL };
     *     conf->transports = 0;
     *     conf->publish = NULL;
     *     conf->bearers = NULL;
     *     conf->open = 0;
     */

    conf->hooks = NGX_CONF_UNSET_PTR;
    conf->hook_off = NGX_CONF_UNSET;
    conf->nsps = NGX_CONF_UNSET_PTR;
    conf->origins = NGX_CONF_UNSET_PTR;
    conf->headers = NGX_CONF_UNSET_PTR;

    conf->ping_interval = NGX_CONF_UNSET_MSEC;
    conf->ping_timeout = NGX_CONF_UNSET_MSEC;
    conf->upgrade_timeout = NGX_CONF_UNSET_MSEC;
    conf->connect_timeout = NGX_CONF_UNSET_MSEC;
    conf->max_payload = NGX_CONF_UNSET_SIZE;

    conf->send_packets = NGX_CONF_UNSET_UINT;
    conf->send_bytes = NGX_CONF_UNSET_SIZE;

    conf->batch_events = NGX_CONF_UNSET_UINT;
    conf->batch_bytes = NGX_CONF_UNSET_SIZE;
    conf->lanes = NGX_CONF_UNSET_UINT;
    conf->queue_events = NGX_CONF_UNSET_UINT;
    conf->queue_bytes = NGX_CONF_UNSET_SIZE;
    conf->hook_timeout = NGX_CONF_UNSET_MSEC;
    conf->connect_fail = NGX_CONF_UNSET_UINT;

    conf->max_sessions = NGX_CONF_UNSET_UINT;
    conf->max_namespaces = NGX_CONF_UNSET_UINT;
    conf->max_rooms = NGX_CONF_UNSET_UINT;
    conf->max_attachments = NGX_CONF_UNSET_UINT;

    return conf;
}


char *
ngx_http_socketio_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_socketio_loc_conf_t *prev = parent;
    ngx_http_socketio_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->shm_zone
        && conf->transports == NGX_HTTP_SOCKETIO_POLLING
        && conf->upgrade_timeout != NGX_CONF_UNSET_MSEC)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_upgrade_timeout\" is "
                           "useless with \"socketio_transports polling\"",
                           &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_socketio_merge_values(cf, prev, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_socketio_merge_handler(cf, clcf, prev, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->shm_zone == NULL && conf->publish == NULL) {
        return NGX_CONF_OK;
    }

    return ngx_http_socketio_check(cf, clcf, conf);
}


/* an "if" or limit_except block stands for the location around it */

static ngx_int_t
ngx_http_socketio_merge_handler(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_socketio_loc_conf_t *prev,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_http_socketio_loc_conf_t  **slcf;
    ngx_http_socketio_main_conf_t  *smcf;

    if ((!clcf->noname && !clcf->lmt_excpt) || clcf->handler != NULL) {
        return NGX_OK;
    }

    if (prev->publish) {
        conf->publish = prev->publish;
        conf->bearers = prev->bearers;
        conf->open = prev->open;
        clcf->handler = ngx_http_socketio_publish_handler;
    }

    if (prev->shm_zone == NULL) {
        return NGX_OK;
    }

    conf->shm_zone = prev->shm_zone;
    conf->number = prev->number;
    conf->ctx = prev->ctx;
    conf->path = prev->path;
    clcf->handler = ngx_http_socketio_handler;

    /* behind its location, which is the one that its number finds */

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_socketio_module);

    slcf = ngx_array_push(&smcf->locations);
    if (slcf == NULL) {
        return NGX_ERROR;
    }

    *slcf = conf;

    return NGX_OK;
}


static char *
ngx_http_socketio_merge_values(ngx_conf_t *cf,
    ngx_http_socketio_loc_conf_t *prev, ngx_http_socketio_loc_conf_t *conf)
{
    if (conf->hooks == NGX_CONF_UNSET_PTR
        && conf->hook_off == NGX_CONF_UNSET)
    {
        conf->hooks = prev->hooks;
        conf->hook_off = prev->hook_off;
    }

    ngx_conf_merge_ptr_value(conf->hooks, NGX_CONF_UNSET_PTR, NULL);
    ngx_conf_merge_value(conf->hook_off, NGX_CONF_UNSET, 0);

    ngx_conf_merge_ptr_value(conf->nsps, prev->nsps, NULL);
    ngx_conf_merge_ptr_value(conf->origins, prev->origins, NULL);

    if (conf->headers == NGX_CONF_UNSET_PTR) {
        conf->headers = (prev->headers == NGX_CONF_UNSET_PTR)
                        ? ngx_http_socketio_conf_default_headers(cf)
                        : prev->headers;

        if (conf->headers == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->transports == 0) {
        conf->transports = prev->transports
                           ? prev->transports
                           : NGX_HTTP_SOCKETIO_POLLING
                             |NGX_HTTP_SOCKETIO_WEBSOCKET;
    }

    ngx_conf_merge_msec_value(conf->ping_interval, prev->ping_interval,
                              25000);
    ngx_conf_merge_msec_value(conf->ping_timeout, prev->ping_timeout, 20000);
    ngx_conf_merge_msec_value(conf->upgrade_timeout, prev->upgrade_timeout,
                              10000);
    ngx_conf_merge_msec_value(conf->connect_timeout, prev->connect_timeout,
                              45000);
    ngx_conf_merge_size_value(conf->max_payload, prev->max_payload, 1000000);

    ngx_conf_merge_uint_value(conf->send_packets, prev->send_packets, 1024);
    ngx_conf_merge_size_value(conf->send_bytes, prev->send_bytes,
                              1024 * 1024);

    ngx_conf_merge_uint_value(conf->batch_events, prev->batch_events, 100);
    ngx_conf_merge_size_value(conf->batch_bytes, prev->batch_bytes,
                              256 * 1024);
    ngx_conf_merge_uint_value(conf->lanes, prev->lanes, 4);
    ngx_conf_merge_uint_value(conf->queue_events, prev->queue_events, 64);
    ngx_conf_merge_size_value(conf->queue_bytes, prev->queue_bytes,
                              256 * 1024);
    ngx_conf_merge_msec_value(conf->hook_timeout, prev->hook_timeout, 10000);
    ngx_conf_merge_uint_value(conf->connect_fail, prev->connect_fail, 0);

    ngx_conf_merge_uint_value(conf->max_sessions, prev->max_sessions, 0);
    ngx_conf_merge_uint_value(conf->max_namespaces, prev->max_namespaces, 16);
    ngx_conf_merge_uint_value(conf->max_rooms, prev->max_rooms, 256);
    ngx_conf_merge_uint_value(conf->max_attachments, prev->max_attachments,
                              10);

    return NGX_CONF_OK;
}


/*
 * What the hooks name is accepted; "/" unless anything was said.  Done when
 * all is merged: what a nested location inherits is what was written.
 */

ngx_int_t
ngx_http_socketio_add_hook_nsps(ngx_conf_t *cf,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_uint_t                 i, k;
    ngx_array_t               *nsps, *from;
    ngx_http_socketio_nsp_t   *nsp, *src;
    ngx_http_socketio_hook_t  *hook;

    nsps = ngx_array_create(cf->pool, 4, sizeof(ngx_http_socketio_nsp_t));
    if (nsps == NULL) {
        return NGX_ERROR;
    }

    if (conf->nsps == NULL) {
        nsp = ngx_array_push(nsps);
        if (nsp == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(nsp, sizeof(ngx_http_socketio_nsp_t));
        ngx_str_set(&nsp->name, "/");
    }

    hook = conf->hooks ? conf->hooks->elts : NULL;
    from = conf->nsps;

    for (i = 0; /* void */ ; i++) {

        src = from ? from->elts : NULL;

        for (k = 0; from && k < from->nelts; k++) {
            nsp = ngx_array_push(nsps);
            if (nsp == NULL) {
                return NGX_ERROR;
            }

            *nsp = src[k];
        }

        if (hook == NULL || i == conf->hooks->nelts) {
            break;
        }

        from = hook[i].nsps;
    }

    conf->nsps = nsps;

    return NGX_OK;
}


static char *
ngx_http_socketio_check(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_http_handler_pt  handler;

    if (conf->publish) {
        return ngx_http_socketio_check_zone(cf, "socketio_publish",
                                            conf->publish);
    }

    if (ngx_http_socketio_check_zone(cf, "socketio", conf->shm_zone)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    handler = clcf->handler;

    if (handler != ngx_http_socketio_handler) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio %V\" and another "
                           "content handler", &clcf->name,
                           &conf->shm_zone->shm.name);
        return NGX_CONF_ERROR;
    }

    if (conf->max_payload > conf->shm_zone->shm.size) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_max_payload\" %uz is "
                           "more than zone \"%V\" has", &clcf->name,
                           conf->max_payload, &conf->shm_zone->shm.name);
        return NGX_CONF_ERROR;
    }

    if (conf->hooks == NULL && !conf->hook_off && !clcf->noname
        && !clcf->lmt_excpt)
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "location \"%V\": no \"socketio_hook\": every "
                           "client is accepted, events go nowhere",
                           &clcf->name);
    }

    /* polling enforces max_payload while it reads, and answers differently */

    clcf->client_max_body_size = 0;

    return NGX_CONF_OK;
}


static char *
ngx_http_socketio_check_zone(ngx_conf_t *cf, char *directive,
    ngx_shm_zone_t *shm_zone)
{
    if (shm_zone->data) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s %V\": there is no \"socketio_zone %V\"",
                       directive, &shm_zone->shm.name, &shm_zone->shm.name);

    return NGX_CONF_ERROR;
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
