
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Arguments of the directives that nginx has no setter for. */


#include "ngx_http_socketio_conf.h"
#include "transport/ngx_http_socketio_transport.h"
#include "api/ngx_http_socketio_publish.h"
#include "delivery/ngx_socketio_worker.h"


#define NGX_HTTP_SOCKETIO_ZONE_MIN  (1024 * 1024)


/* what shm_zone->data points to; the zone must be first */

typedef struct {
    ngx_socketio_zone_t   zone;
    ngx_cycle_t          *cycle;
} ngx_http_socketio_zone_t;


typedef struct {
    ngx_str_t             name;         /* with "=" */
    size_t                offset;
    ngx_uint_t            off;          /* "off" may be said: 0 */
} ngx_http_socketio_limit_t;


static ngx_int_t ngx_http_socketio_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static char *ngx_http_socketio_conf_handler(ngx_conf_t *cf,
    ngx_http_handler_pt handler);
static char *ngx_http_socketio_conf_nsp(ngx_conf_t *cf, ngx_str_t *value,
    ngx_array_t *nsps);
#if (NGX_PCRE)
static char *ngx_http_socketio_conf_regex(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_nsp_t *nsp);
#endif
static char *ngx_http_socketio_conf_events_size(ngx_conf_t *cf,
    ngx_uint_t *events, size_t *size);
static char *ngx_http_socketio_conf_header(ngx_conf_t *cf, ngx_str_t *value,
    ngx_array_t *headers);
static char *ngx_http_socketio_conf_origin(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_origin_t *origin);
static char *ngx_http_socketio_conf_limit(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_loc_conf_t *slcf);


static ngx_http_socketio_limit_t  ngx_http_socketio_limits[] = {
    { ngx_string("sessions="),
      offsetof(ngx_http_socketio_loc_conf_t, max_sessions), 1 },

    { ngx_string("namespaces="),
      offsetof(ngx_http_socketio_loc_conf_t, max_namespaces), 0 },

    { ngx_string("rooms="),
      offsetof(ngx_http_socketio_loc_conf_t, max_rooms), 0 },

    { ngx_string("attachments="),
      offsetof(ngx_http_socketio_loc_conf_t, max_attachments), 0 },

    { ngx_null_string, 0, 0 }
};


static ngx_str_t  ngx_http_socketio_headers[] = {
    ngx_string("cookie"),
    ngx_string("authorization"),
    ngx_string("user-agent"),
    ngx_string("origin"),
    ngx_string("host")
};


char *
ngx_http_socketio_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_main_conf_t *smcf = conf;

    ssize_t                     size;
    ngx_str_t                  *value;
    ngx_shm_zone_t             *shm_zone;
    ngx_socketio_zone_t       **zonep;
    ngx_http_socketio_zone_t   *zone;

    value = cf->args->elts;

    if (value[1].len == 0) {
        return ngx_http_socketio_conf_error(cf, &value[1],
                                            "is not a name");
    }

    size = ngx_parse_size(&value[2]);

    if (size == NGX_ERROR) {
        return ngx_http_socketio_conf_error(cf, &value[2], "is not a size");
    }

    if (size < NGX_HTTP_SOCKETIO_ZONE_MIN) {
        return ngx_http_socketio_conf_error(cf, &value[2],
                                            "must be 1m at least");
    }

    shm_zone = ngx_shared_memory_add(cf, &value[1], size,
                                     &ngx_http_socketio_module);
    if (shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (shm_zone->data) {
        return ngx_http_socketio_conf_error(cf, &value[1], "is duplicate");
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_socketio_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->cycle = cf->cycle;

    shm_zone->init = ngx_http_socketio_init_zone;
    shm_zone->data = zone;

    zonep = ngx_array_push(&smcf->zones);
    if (zonep == NULL) {
        return NGX_CONF_ERROR;
    }

    *zonep = &zone->zone;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_socketio_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_socketio_zone_t  *zone;

    zone = shm_zone->data;

    return ngx_socketio_zone_init(&zone->zone, shm_zone, data,
                                  ngx_socketio_worker_slots(zone->cycle));
}


char *
ngx_http_socketio_conf_socketio(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    u_char                          kind;
    ngx_str_t                      *value;
    ngx_http_core_srv_conf_t       *cscf;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_socketio_loc_conf_t  **slcfp;
    ngx_http_socketio_main_conf_t  *smcf;

    if (slcf->shm_zone) {
        return "is duplicate";
    }

    if (ngx_http_socketio_conf_handler(cf, ngx_http_socketio_handler)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    slcf->shm_zone = ngx_shared_memory_add(cf, &value[1], 0,
                                           &ngx_http_socketio_module);
    if (slcf->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    slcf->ctx = cscf->ctx;
    slcf->path = clcf->name;

    /* its number begins with the kind of the location */

    kind = clcf->exact_match ? '=' : '/';
#if (NGX_PCRE)
    kind = clcf->regex ? '~' : kind;
#endif
    ngx_crc32_init(slcf->number);
    ngx_crc32_update(&slcf->number, &kind, 1);

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_socketio_module);

    slcfp = ngx_array_push(&smcf->locations);
    if (slcfp == NULL) {
        return NGX_CONF_ERROR;
    }

    *slcfp = slcf;

    return NGX_CONF_OK;
}


static char *
ngx_http_socketio_conf_handler(ngx_conf_t *cf, ngx_http_handler_pt handler)
{
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        value = cf->args->elts;
        return ngx_http_socketio_conf_error(cf, &value[1],
                       "in a location that has another content handler");
    }

    clcf->handler = handler;

    return NGX_CONF_OK;
}


char *
ngx_http_socketio_conf_publish(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value, *key;
    ngx_uint_t   i;

    if (slcf->publish) {
        return "is duplicate";
    }

    if (ngx_http_socketio_conf_handler(cf, ngx_http_socketio_publish_handler)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    slcf->publish = ngx_shared_memory_add(cf, &value[1], 0,
                                          &ngx_http_socketio_module);
    if (slcf->publish == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "open") == 0) {
            slcf->open = 1;
            continue;
        }

        if (ngx_strncmp(value[i].data, "bearer=", 7) != 0) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                                "is not known");
        }

        if (value[i].len == 7) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                                "has an empty key");
        }

        if (slcf->bearers == NULL) {
            slcf->bearers = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
            if (slcf->bearers == NULL) {
                return NGX_CONF_ERROR;
            }
        }

        key = ngx_array_push(slcf->bearers);
        if (key == NULL) {
            return NGX_CONF_ERROR;
        }

        key->len = value[i].len - 7;
        key->data = value[i].data + 7;
    }

    if (slcf->open && slcf->bearers) {
        return ngx_http_socketio_conf_error(cf, &value[1],
                                      "is either \"open\" or has a \"bearer\"");
    }

    return NGX_CONF_OK;
}


char *
ngx_http_socketio_conf_hook(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_socketio_hook_t  *hook;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {

        if (cf->args->nelts > 2) {
            return ngx_http_socketio_conf_error(cf, &value[2],
                                                "makes no sense with \"off\"");
        }

        if (slcf->hooks != NGX_CONF_UNSET_PTR
            || slcf->hook_off != NGX_CONF_UNSET)
        {
            return "\"off\" and other hooks at the same level";
        }

        slcf->hook_off = 1;

        return NGX_CONF_OK;
    }

    if (slcf->hook_off == 1) {
        return "\"off\" and other hooks at the same level";
    }

    if (value[1].data[0] != '/') {
        return ngx_http_socketio_conf_error(cf, &value[1],
                       "must be \"off\" or begin with \"/\"");
    }

    if (ngx_strlchr(value[1].data, value[1].data + value[1].len, '$')) {
        return ngx_http_socketio_conf_error(cf, &value[1],
                                            "must be without variables");
    }

    if (slcf->hooks == NGX_CONF_UNSET_PTR) {
        slcf->hooks = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_http_socketio_hook_t));
        if (slcf->hooks == NULL) {
            slcf->hooks = NGX_CONF_UNSET_PTR;
            return NGX_CONF_ERROR;
        }
    }

    hook = slcf->hooks->elts;

    for (i = 0; i < slcf->hooks->nelts; i++) {
        if (hook[i].nsps == NULL && cf->args->nelts == 2) {
            return ngx_http_socketio_conf_error(cf, &value[1],
                                 "is a second hook for all other namespaces");
        }
    }

    hook = ngx_array_push(slcf->hooks);
    if (hook == NULL) {
        return NGX_CONF_ERROR;
    }

    hook->uri = value[1];
    hook->nsps = NULL;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    hook->nsps = ngx_array_create(cf->pool, cf->args->nelts - 2,
                                  sizeof(ngx_http_socketio_nsp_t));
    if (hook->nsps == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_socketio_conf_nsp(cf, &value[i], hook->nsps)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_socketio_conf_nsp(ngx_conf_t *cf, ngx_str_t *value,
    ngx_array_t *nsps)
{
    ngx_http_socketio_nsp_t  *nsp;

    nsp = ngx_array_push(nsps);
    if (nsp == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(nsp, sizeof(ngx_http_socketio_nsp_t));

    nsp->name = *value;

    if (value->len == 1 && value->data[0] == '*') {
        nsp->any = 1;
        return NGX_CONF_OK;
    }

    if (value->len > 1 && value->data[0] == '~') {
#if (NGX_PCRE)
        return ngx_http_socketio_conf_regex(cf, value, nsp);
#else
        return ngx_http_socketio_conf_error(cf, value,
                                            "needs an nginx with PCRE");
#endif
    }

    if (value->len == 0 || value->data[0] != '/') {
        return ngx_http_socketio_conf_error(cf, value,
                       "is not a namespace: \"/name\", \"~regex\" or \"*\"");
    }

    if (value->len > NGX_HTTP_SOCKETIO_NAME_MAX) {
        return ngx_http_socketio_conf_error(cf, value, "is too long");
    }

    /* a comma ends the name in a packet (Socket.IO protocol, encoding) */

    if (ngx_strlchr(value->data, value->data + value->len, ',')) {
        return ngx_http_socketio_conf_error(cf, value,
                                            "has a comma, which no client "
                                            "can send");
    }

    return NGX_CONF_OK;
}


#if (NGX_PCRE)


static char *
ngx_http_socketio_conf_regex(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_nsp_t *nsp)
{
    u_char               errstr[NGX_MAX_CONF_ERRSTR];
    ngx_regex_compile_t  rc;

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pattern.len = value->len - 1;
    rc.pattern.data = value->data + 1;
    rc.pool = cf->pool;
    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = errstr;

    if (ngx_regex_compile(&rc) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V", &rc.err);
        return NGX_CONF_ERROR;
    }

    nsp->regex = rc.regex;

    return NGX_CONF_OK;
}

#endif


char *
ngx_http_socketio_conf_namespaces(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (slcf->nsps != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    slcf->nsps = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                  sizeof(ngx_http_socketio_nsp_t));
    if (slcf->nsps == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_socketio_conf_nsp(cf, &value[i], slcf->nsps)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


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
ngx_http_socketio_conf_hook_headers(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (slcf->headers != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    slcf->headers = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                     sizeof(ngx_http_socketio_header_t));
    if (slcf->headers == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_socketio_conf_header(cf, &value[i], slcf->headers)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_socketio_conf_header(ngx_conf_t *cf, ngx_str_t *value,
    ngx_array_t *headers)
{
    u_char                            *p, *last;
    ngx_str_t                          name, text;
    ngx_uint_t                         i;
    ngx_http_socketio_header_t        *header;
    ngx_http_compile_complex_value_t   ccv;

    last = value->data + value->len;
    p = ngx_strlchr(value->data, last, '=');

    name.len = (p ? p : last) - value->data;
    name.data = ngx_pnalloc(cf->pool, name.len + 1);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_strlow(name.data, value->data, name.len);

    for (i = 0; i < name.len; i++) {
        if ((name.data[i] < 'a' || name.data[i] > 'z')
            && (name.data[i] < '0' || name.data[i] > '9')
            && name.data[i] != '-' && name.data[i] != '_')
        {
            break;
        }
    }

    if (name.len == 0 || i < name.len) {
        return ngx_http_socketio_conf_error(cf, value,
                                            "is not the name of a header");
    }

    header = headers->elts;

    for (i = 0; i < headers->nelts; i++) {
        if (header[i].name.len == name.len
            && ngx_memcmp(header[i].name.data, name.data, name.len) == 0)
        {
            return ngx_http_socketio_conf_error(cf, value, "is duplicate");
        }
    }

    header = ngx_array_push(headers);
    if (header == NULL) {
        return NGX_CONF_ERROR;
    }

    header->name = name;
    header->value = NULL;

    if (p == NULL) {
        return NGX_CONF_OK;
    }

    text.len = last - (p + 1);
    text.data = p + 1;

    header->value = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (header->value == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &text;
    ccv.complex_value = header->value;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_array_t *
ngx_http_socketio_conf_default_headers(ngx_conf_t *cf)
{
    ngx_uint_t                   i, n;
    ngx_array_t                 *headers;
    ngx_http_socketio_header_t  *header;

    n = sizeof(ngx_http_socketio_headers) / sizeof(ngx_str_t);

    headers = ngx_array_create(cf->pool, n,
                               sizeof(ngx_http_socketio_header_t));
    if (headers == NULL) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        header = ngx_array_push(headers);
        if (header == NULL) {
            return NULL;
        }

        header->name = ngx_http_socketio_headers[i];
        header->value = NULL;
    }

    return headers;
}


char *
ngx_http_socketio_conf_transports(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i, transport;

    if (slcf->transports) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "polling") == 0) {
            transport = NGX_HTTP_SOCKETIO_POLLING;

        } else if (ngx_strcmp(value[i].data, "websocket") == 0) {
            transport = NGX_HTTP_SOCKETIO_WEBSOCKET;

        } else {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                                "is neither \"polling\" nor "
                                                "\"websocket\"");
        }

        if (slcf->transports & transport) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                                "is duplicate");
        }

        slcf->transports |= transport;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_socketio_conf_eio(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "3") == 0) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                           "(clients of Socket.IO 1.x and 2.x) is not "
                           "supported yet");
        }

        if (ngx_strcmp(value[i].data, "4") != 0) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                                "is no protocol revision");
        }

        if (i == 2) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                                "is duplicate");
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_socketio_conf_origins(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_socketio_origin_t  *origin;

    if (slcf->origins != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    slcf->origins = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                     sizeof(ngx_http_socketio_origin_t));
    if (slcf->origins == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        origin = ngx_array_push(slcf->origins);
        if (origin == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_socketio_conf_origin(cf, &value[i], origin)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (origin->any && cf->args->nelts > 2) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                      "makes no sense with other origins");
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_socketio_conf_origin(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_origin_t *origin)
{
    u_char      *p, *last;
    ngx_str_t   *host;
    ngx_uint_t   port;

    ngx_memzero(origin, sizeof(ngx_http_socketio_origin_t));

    if (ngx_strcmp(value->data, "same") == 0) {
        origin->same = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value->data, "*") == 0) {
        origin->any = 1;
        return NGX_CONF_OK;
    }

    host = &origin->host;

    if (ngx_strcmp(value->data, "null") == 0) {
        *host = *value;
        return NGX_CONF_OK;
    }

    last = value->data + value->len;
    p = ngx_strnstr(value->data, "://", value->len);

    if (p == NULL || p == value->data || last - p == 3) {
        return ngx_http_socketio_conf_error(cf, value,
                           "is no origin, as \"https://app.example\"");
    }

    origin->scheme.len = p - value->data;
    origin->scheme.data = value->data;

    host->data = p + 3;
    host->len = last - host->data;

    if (host->len > 2 && host->data[0] == '*' && host->data[1] == '.') {
        origin->wildcard = 1;
    }

    for (p = host->data + origin->wildcard; p < last; p++) {
        if (*p <= ' ' || *p >= 0x7f || ngx_strchr("/?#@*,\"'\\$", *p)) {
            return ngx_http_socketio_conf_error(cf, value,
                       "is no origin: scheme, host and port only, \"*.\" "
                       "before the host");
        }
    }

    /* browsers leave out the port of the scheme */

    port = (origin->scheme.len == 4
            && ngx_strncasecmp(value->data, (u_char *) "http", 4) == 0)
           ? 80
           : (origin->scheme.len == 5
              && ngx_strncasecmp(value->data, (u_char *) "https", 5) == 0)
             ? 443 : 0;

    if (port == 80 && host->len > 3
        && ngx_strncmp(last - 3, ":80", 3) == 0)
    {
        host->len -= 3;
    }

    if (port == 443 && host->len > 4
        && ngx_strncmp(last - 4, ":443", 4) == 0)
    {
        host->len -= 4;
    }

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
    u_char                     *p;
    size_t                      len;
    ngx_int_t                   n;
    ngx_uint_t                 *field;
    ngx_http_socketio_limit_t  *limit;

    for (limit = ngx_http_socketio_limits; limit->name.len; limit++) {

        if (value->len < limit->name.len
            || ngx_strncmp(value->data, limit->name.data, limit->name.len)
               != 0)
        {
            continue;
        }

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

        if (n == NGX_ERROR || n == 0 || (!limit->off && n > 65535)) {
            return ngx_http_socketio_conf_error(cf, value,
                                       limit->off
                                       ? "is neither \"off\" nor a number"
                                       : "must be 1 to 65535");
        }

        *field = n;

        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "per_ip=", 7) == 0
        || ngx_strncmp(value->data, "rate=", 5) == 0
        || ngx_strncmp(value->data, "bytes=", 6) == 0
        || ngx_strncmp(value->data, "burst=", 6) == 0)
    {
        return ngx_http_socketio_conf_error(cf, value,
                                            "is not supported yet");
    }

    return ngx_http_socketio_conf_error(cf, value, "is not known");
}
