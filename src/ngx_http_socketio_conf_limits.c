
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Numbers and sizes: limits, queues, batches, compression. */


#include "ngx_http_socketio_conf.h"
#include "proto/ngx_socketio_ws_deflate.h"


#define NGX_HTTP_SOCKETIO_DEFLATE_THRESHOLD  1024
#define NGX_HTTP_SOCKETIO_DEFLATE_WINDOW     12     /* a message is small */


typedef struct {
    ngx_str_t             name;         /* with "=" */
    size_t                offset;
    ngx_uint_t            off;          /* "off" may be said: 0 */
    ngx_uint_t            max;
} ngx_http_socketio_limit_t;


static char *ngx_http_socketio_conf_events_size(ngx_conf_t *cf,
    ngx_uint_t *events, size_t *size);
static char *ngx_http_socketio_conf_limit(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_loc_conf_t *slcf);
static char *ngx_http_socketio_conf_number(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_limit_t *limit, ngx_http_socketio_loc_conf_t *slcf);
static char *ngx_http_socketio_conf_rate(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_loc_conf_t *slcf);
static char *ngx_http_socketio_conf_bytes(ngx_conf_t *cf, ngx_str_t *value,
    size_t *field, size_t name, ssize_t min, size_t off);
static char *ngx_http_socketio_conf_deflate_param(ngx_conf_t *cf,
    ngx_str_t *value, ngx_http_socketio_loc_conf_t *slcf);


static ngx_http_socketio_limit_t  ngx_http_socketio_limits[] = {
    { ngx_string("sessions="),
      offsetof(ngx_http_socketio_loc_conf_t, max_sessions), 1,
      NGX_MAX_INT32_VALUE },

    { ngx_string("per_ip="),
      offsetof(ngx_http_socketio_loc_conf_t, max_per_ip), 1,
      NGX_MAX_INT32_VALUE },

    { ngx_string("burst="),
      offsetof(ngx_http_socketio_loc_conf_t, burst), 0, 1000000 },

    { ngx_string("namespaces="),
      offsetof(ngx_http_socketio_loc_conf_t, max_namespaces), 0, 65535 },

    { ngx_string("rooms="),
      offsetof(ngx_http_socketio_loc_conf_t, max_rooms), 0, 65535 },

    { ngx_string("attachments="),
      offsetof(ngx_http_socketio_loc_conf_t, max_attachments), 0, 65535 },

    { ngx_string("acks="),
      offsetof(ngx_http_socketio_loc_conf_t, max_acks), 0, 65535 },

    { ngx_null_string, 0, 0, 0 }
};


char *
ngx_http_socketio_conf_hook_batch(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t  *value;

    if (slcf->batch_events != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2) {

        if (ngx_strcmp(value[1].data, "off") != 0) {
            return ngx_http_socketio_conf_error(cf, &value[1],
                                 "must be \"off\" or a number and a size");
        }

        slcf->batch_events = 0;
        slcf->batch_bytes = 0;

        return NGX_CONF_OK;
    }

    return ngx_http_socketio_conf_events_size(cf, &slcf->batch_events,
                                              &slcf->batch_bytes);
}


char *
ngx_http_socketio_conf_queue(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_uint_t  *n;

    /* socketio_hook_queue, socketio_send_queue: cmd->offset is of the first */

    n = (ngx_uint_t *) ((u_char *) conf + cmd->offset);

    if (*n != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    return ngx_http_socketio_conf_events_size(cf, n,
                                   n == &slcf->send_packets
                                                        ? &slcf->send_bytes
                                                        : &slcf->queue_bytes);
}


static char *
ngx_http_socketio_conf_events_size(ngx_conf_t *cf, ngx_uint_t *events,
    size_t *size)
{
    ssize_t     bytes;
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n == 0 || n > NGX_MAX_INT32_VALUE) {
        return ngx_http_socketio_conf_error(cf, &value[1],
                                            "must be a number, 1 at least");
    }

    bytes = ngx_parse_size(&value[2]);

    if (bytes == NGX_ERROR || bytes == 0 || bytes > NGX_MAX_INT32_VALUE) {
        return ngx_http_socketio_conf_error(cf, &value[2],
                                          "must be a size, 1 to 2g");
    }

    *events = n;
    *size = bytes;

    return NGX_CONF_OK;
}


char *
ngx_http_socketio_conf_limits(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_socketio_conf_limit(cf, &value[i], slcf)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_socketio_conf_limit(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_loc_conf_t *slcf)
{
    ngx_http_socketio_limit_t  *limit;

    for (limit = ngx_http_socketio_limits; limit->name.len; limit++) {

        if (value->len >= limit->name.len
            && ngx_strncmp(value->data, limit->name.data, limit->name.len)
               == 0)
        {
            return ngx_http_socketio_conf_number(cf, value, limit, slcf);
        }
    }

    if (ngx_strncmp(value->data, "rate=", 5) == 0) {
        return ngx_http_socketio_conf_rate(cf, value, slcf);
    }

    if (ngx_strncmp(value->data, "bytes=", 6) == 0) {
        return ngx_http_socketio_conf_bytes(cf, value, &slcf->bytes_rate,
                                            sizeof("bytes=") - 1, 1024, 0);
    }

    if (ngx_strncmp(value->data, "attached=", 9) == 0) {
        return ngx_http_socketio_conf_bytes(cf, value, &slcf->max_attached,
                                            sizeof("attached=") - 1, 1,
                                            NGX_MAX_INT32_VALUE);
    }

    return ngx_http_socketio_conf_error(cf, value, "is not known");
}


static char *
ngx_http_socketio_conf_number(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_limit_t *limit, ngx_http_socketio_loc_conf_t *slcf)
{
    u_char      *p;
    size_t       len;
    ngx_int_t    n;
    ngx_uint_t  *field;

    field = (ngx_uint_t *) ((u_char *) slcf + limit->offset);

    if (*field != NGX_CONF_UNSET_UINT) {
        return ngx_http_socketio_conf_error(cf, value, "is duplicate");
    }

    p = value->data + limit->name.len;
    len = value->len - limit->name.len;

    if (limit->off && len == 3 && ngx_strncmp(p, "off", 3) == 0) {
        *field = 0;
        return NGX_CONF_OK;
    }

    n = ngx_atoi(p, len);

    /* namespaces, rooms and attachments are counted in 16 bits */

    if (n == NGX_ERROR || n == 0 || (ngx_uint_t) n > limit->max) {
        return ngx_http_socketio_conf_error(cf, value,
                                       limit->off
                                       ? "is neither \"off\" nor a number"
                                       : limit->max == 65535
                                         ? "must be 1 to 65535"
                                         : "must be 1 to 1000000");
    }

    *field = n;

    return NGX_CONF_OK;
}


/* as of limit_req_zone: "100r/s", "30r/m"; kept as of a minute */

static char *
ngx_http_socketio_conf_rate(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_loc_conf_t *slcf)
{
    u_char      *p;
    size_t       len;
    ngx_int_t    n;
    ngx_uint_t   scale;

    if (slcf->rate != NGX_CONF_UNSET_UINT) {
        return ngx_http_socketio_conf_error(cf, value, "is duplicate");
    }

    p = value->data + sizeof("rate=") - 1;
    len = value->len - (sizeof("rate=") - 1);

    if (len == 3 && ngx_strncmp(p, "off", 3) == 0) {
        slcf->rate = 0;
        return NGX_CONF_OK;
    }

    n = NGX_ERROR;
    scale = 1;

    if (len > 3) {

        if (ngx_strncmp(p + len - 3, "r/s", 3) == 0) {
            scale = 60;
            n = ngx_atoi(p, len - 3);

        } else if (ngx_strncmp(p + len - 3, "r/m", 3) == 0) {
            n = ngx_atoi(p, len - 3);
        }
    }

    if (n == NGX_ERROR || n == 0 || n > 1000000) {
        return ngx_http_socketio_conf_error(cf, value,
                                   "is neither \"off\" nor a rate such as "
                                   "100r/s or 30r/m, 1 to 1000000");
    }

    slcf->rate = n * scale;

    return NGX_CONF_OK;
}


/* "off" stands for this value */

static char *
ngx_http_socketio_conf_bytes(ngx_conf_t *cf, ngx_str_t *value, size_t *field,
    size_t name, ssize_t min, size_t off)
{
    ssize_t    size;
    ngx_str_t  s;

    if (*field != NGX_CONF_UNSET_SIZE) {
        return ngx_http_socketio_conf_error(cf, value, "is duplicate");
    }

    s.data = value->data + name;
    s.len = value->len - name;

    if (s.len == 3 && ngx_strncmp(s.data, "off", 3) == 0) {
        *field = off;
        return NGX_CONF_OK;
    }

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR || size < min || size > NGX_MAX_INT32_VALUE) {
        return ngx_http_socketio_conf_error(cf, value,
                             min == 1
                             ? "is neither \"off\" nor a size to 2g"
                             : "is neither \"off\" nor a size, 1k to 2g");
    }

    *field = size;

    return NGX_CONF_OK;
}


void
ngx_http_socketio_merge_limits(ngx_http_socketio_loc_conf_t *prev,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_conf_merge_uint_value(conf->max_sessions, prev->max_sessions, 0);
    ngx_conf_merge_uint_value(conf->max_per_ip, prev->max_per_ip, 0);
    ngx_conf_merge_uint_value(conf->rate, prev->rate, 0);
    ngx_conf_merge_uint_value(conf->burst, prev->burst, 0);
    ngx_conf_merge_size_value(conf->bytes_rate, prev->bytes_rate, 0);
    ngx_conf_merge_uint_value(conf->max_namespaces, prev->max_namespaces, 16);
    ngx_conf_merge_uint_value(conf->max_rooms, prev->max_rooms, 256);
    ngx_conf_merge_uint_value(conf->max_attachments, prev->max_attachments,
                              10);
    ngx_conf_merge_uint_value(conf->max_acks, prev->max_acks, 100);
    ngx_conf_merge_size_value(conf->max_attached, prev->max_attached,
                              NGX_MAX_INT32_VALUE);
}


/* of a "socketio" location, when all is merged */

char *
ngx_http_socketio_check_limits(ngx_conf_t *cf, ngx_str_t *location,
    ngx_http_socketio_loc_conf_t *conf)
{
    if (conf->max_sessions && conf->max_per_ip > conf->max_sessions) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_limits per_ip=%ui\" "
                           "is useless with \"sessions=%ui\"", location,
                           conf->max_per_ip, conf->max_sessions);
        return NGX_CONF_ERROR;
    }

    /* each ping has its pong, which is an event as any other */

    if (conf->rate
        && (uint64_t) conf->rate * conf->ping_interval < 2 * 60000)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_limits rate=\" of "
                           "%ui events a minute is less than twice the pings "
                           "of \"socketio_ping_interval\"", location,
                           conf->rate);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_socketio_check_burst(ngx_conf_t *cf, ngx_str_t *location,
    ngx_http_socketio_loc_conf_t *prev, ngx_http_socketio_loc_conf_t *conf)
{
    ngx_uint_t  rate;

    rate = (conf->rate == NGX_CONF_UNSET_UINT) ? prev->rate : conf->rate;

    if (conf->burst == NGX_CONF_UNSET_UINT
        || (rate != 0 && rate != NGX_CONF_UNSET_UINT))
    {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "location \"%V\": \"socketio_limits burst=%ui\" is "
                       "useless without \"rate=\"", location, conf->burst);

    return NGX_CONF_ERROR;
}


/* what is not said has its default here: all of it is inherited together */

char *
ngx_http_socketio_conf_deflate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (slcf->deflate != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            return ngx_http_socketio_conf_error(cf, &value[2],
                                                "is useless with \"off\"");
        }

        slcf->deflate = 0;

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "on") != 0) {
        return ngx_http_socketio_conf_error(cf, &value[1],
                                            "must be \"on\" or \"off\"");
    }

    slcf->deflate = 1;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_socketio_conf_deflate_param(cf, &value[i], slcf)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    ngx_conf_init_size_value(slcf->deflate_threshold,
                             NGX_HTTP_SOCKETIO_DEFLATE_THRESHOLD);
    ngx_conf_init_uint_value(slcf->deflate_window,
                             NGX_HTTP_SOCKETIO_DEFLATE_WINDOW);

    return NGX_CONF_OK;
}


static char *
ngx_http_socketio_conf_deflate_param(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_loc_conf_t *slcf)
{
    ssize_t    size;
    ngx_int_t  n;
    ngx_str_t  s;

    if (ngx_strncmp(value->data, "threshold=", 10) == 0) {

        if (slcf->deflate_threshold != NGX_CONF_UNSET_SIZE) {
            return ngx_http_socketio_conf_error(cf, value, "is duplicate");
        }

        s.data = value->data + 10;
        s.len = value->len - 10;
        size = ngx_parse_size(&s);

        if (size == NGX_ERROR || size == 0 || size > NGX_MAX_INT32_VALUE) {
            return ngx_http_socketio_conf_error(cf, value,
                                                "must be a size, 1 to 2g");
        }

        slcf->deflate_threshold = size;

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "window=", 7) == 0) {

        if (slcf->deflate_window != NGX_CONF_UNSET_UINT) {
            return ngx_http_socketio_conf_error(cf, value, "is duplicate");
        }

        n = ngx_atoi(value->data + 7, value->len - 7);

        if (n < NGX_SOCKETIO_WS_WINDOW_MIN || n > NGX_SOCKETIO_WS_WINDOW_MAX) {
            return ngx_http_socketio_conf_error(cf, value, "must be 9 to 15");
        }

        slcf->deflate_window = n;

        return NGX_CONF_OK;
    }

    return ngx_http_socketio_conf_error(cf, value, "is not known");
}


char *
ngx_http_socketio_conf_drain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value;
    ngx_msec_t   ms;

    if (slcf->drain != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        slcf->drain = 0;
        return NGX_CONF_OK;
    }

    ms = (ngx_msec_t) ngx_parse_time(&value[1], 0);

    if (ms == (ngx_msec_t) NGX_ERROR || ms == 0
        || ms > NGX_HTTP_SOCKETIO_TIME_MAX)
    {
        return ngx_http_socketio_conf_error(cf, &value[1],
                                   "must be a time, a day or less, or \"off\"");
    }

    slcf->drain = ms;

    return NGX_CONF_OK;
}
