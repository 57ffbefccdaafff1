
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Values: their defaults, and what is wrong with them together. */


#include "ngx_http_socketio_conf.h"
#include "transport/ngx_http_socketio_transport.h"
#include "api/ngx_http_socketio_publish.h"
#include "api/ngx_http_socketio_status.h"


static ngx_int_t ngx_http_socketio_merge_names(ngx_conf_t *cf,
    ngx_http_socketio_loc_conf_t *conf);
static char *ngx_http_socketio_check_useless(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_socketio_loc_conf_t *conf);
static ngx_int_t ngx_http_socketio_merge_handler(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_socketio_loc_conf_t *prev,
    ngx_http_socketio_loc_conf_t *conf);
static char *ngx_http_socketio_check_raw(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_socketio_loc_conf_t *prev,
    ngx_http_socketio_loc_conf_t *conf);
static char *ngx_http_socketio_merge_values(ngx_conf_t *cf,
    ngx_http_socketio_loc_conf_t *prev, ngx_http_socketio_loc_conf_t *conf);
static char *ngx_http_socketio_check(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_socketio_loc_conf_t *conf);
static char *ngx_http_socketio_check_hooks(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_socketio_loc_conf_t *conf);
static char *ngx_http_socketio_check_zone(ngx_conf_t *cf, char *directive,
    ngx_shm_zone_t *shm_zone);


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
     *     conf->client = { 0, NULL };
     *     conf->transports = 0;
     *     conf->revisions = 0;
     *     conf->publish = NULL;
     *     conf->status = NULL;
     *     conf->bearers = NULL;
     *     conf->names = NULL;
     *     conf->open = 0;
     */

    conf->hooks = NGX_CONF_UNSET_PTR;
    conf->hook_off = NGX_CONF_UNSET;
    conf->nsps = NGX_CONF_UNSET_PTR;
    conf->origins = NGX_CONF_UNSET_PTR;
    conf->headers = NGX_CONF_UNSET_PTR;
    conf->secrets = NGX_CONF_UNSET_PTR;
    conf->events = NGX_CONF_UNSET_PTR;
    conf->cookie = NGX_CONF_UNSET_PTR;

    conf->raw = NGX_CONF_UNSET_UINT;
    conf->ping_interval = NGX_CONF_UNSET_MSEC;
    conf->ping_timeout = NGX_CONF_UNSET_MSEC;
    conf->upgrade_timeout = NGX_CONF_UNSET_MSEC;
    conf->connect_timeout = NGX_CONF_UNSET_MSEC;
    conf->drain = NGX_CONF_UNSET_MSEC;
    conf->message_timeout = NGX_CONF_UNSET_MSEC;
    conf->max_payload = NGX_CONF_UNSET_SIZE;

    conf->send_packets = NGX_CONF_UNSET_UINT;
    conf->send_bytes = NGX_CONF_UNSET_SIZE;

    conf->deflate = NGX_CONF_UNSET;
    conf->deflate_threshold = NGX_CONF_UNSET_SIZE;
    conf->deflate_window = NGX_CONF_UNSET_UINT;

    conf->batch_events = NGX_CONF_UNSET_UINT;
    conf->batch_bytes = NGX_CONF_UNSET_SIZE;
    conf->lanes = NGX_CONF_UNSET_UINT;
    conf->queue_events = NGX_CONF_UNSET_UINT;
    conf->queue_bytes = NGX_CONF_UNSET_SIZE;
    conf->hook_timeout = NGX_CONF_UNSET_MSEC;
    conf->connect_fail = NGX_CONF_UNSET_UINT;

    conf->max_sessions = NGX_CONF_UNSET_UINT;
    conf->max_per_ip = NGX_CONF_UNSET_UINT;
    conf->rate = NGX_CONF_UNSET_UINT;
    conf->burst = NGX_CONF_UNSET_UINT;
    conf->bytes_rate = NGX_CONF_UNSET_SIZE;
    conf->max_namespaces = NGX_CONF_UNSET_UINT;
    conf->max_rooms = NGX_CONF_UNSET_UINT;
    conf->max_attachments = NGX_CONF_UNSET_UINT;
    conf->max_acks = NGX_CONF_UNSET_UINT;
    conf->max_attached = NGX_CONF_UNSET_SIZE;

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
        && (ngx_http_socketio_check_useless(cf, clcf, conf) != NGX_CONF_OK
            || ngx_http_socketio_check_burst(cf, &clcf->name, prev, conf)
               != NGX_CONF_OK
            || ngx_http_socketio_check_raw(cf, clcf, prev, conf)
               != NGX_CONF_OK))
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_socketio_merge_values(cf, prev, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_socketio_merge_handler(cf, clcf, prev, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (conf->shm_zone == NULL && conf->publish == NULL
        && conf->status == NULL)
    {
        return NGX_CONF_OK;
    }

    if ((conf->publish || conf->status)
        && ngx_http_socketio_merge_names(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_socketio_check(cf, clcf, conf);
}


/* nginx keeps them only while it reads its configuration */

static ngx_int_t
ngx_http_socketio_merge_names(ngx_conf_t *cf,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_uint_t                 i;
    ngx_http_server_name_t    *name, *copy;
    ngx_http_core_srv_conf_t  *cscf;

    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    conf->names = ngx_array_create(cf->pool, cscf->server_names.nelts + 1,
                                   sizeof(ngx_http_server_name_t));
    if (conf->names == NULL) {
        return NGX_ERROR;
    }

    name = cscf->server_names.elts;

    for (i = 0; i < cscf->server_names.nelts; i++) {
        copy = ngx_array_push(conf->names);
        if (copy == NULL) {
            return NGX_ERROR;
        }

        *copy = name[i];
    }

    return NGX_OK;
}


/* what was written at this very level, before anything is inherited */

static char *
ngx_http_socketio_check_useless(ngx_conf_t *cf,
    ngx_http_core_loc_conf_t *clcf, ngx_http_socketio_loc_conf_t *conf)
{
    if (conf->transports == NGX_HTTP_SOCKETIO_POLLING
        && conf->upgrade_timeout != NGX_CONF_UNSET_MSEC)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_upgrade_timeout\" is "
                           "useless with \"socketio_transports polling\"",
                           &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (conf->transports == NGX_HTTP_SOCKETIO_POLLING && conf->deflate == 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_deflate on\" is "
                           "useless with \"socketio_transports polling\"",
                           &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (conf->transports == NGX_HTTP_SOCKETIO_POLLING
        && conf->drain != NGX_CONF_UNSET_MSEC && conf->drain)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_drain\" is "
                           "useless with \"socketio_transports polling\"",
                           &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (conf->transports == NGX_HTTP_SOCKETIO_WEBSOCKET
        && conf->cookie != NGX_CONF_UNSET_PTR && conf->cookie != NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_cookie\" is "
                           "useless with \"socketio_transports websocket\"",
                           &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (conf->client.len && clcf->exact_match) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"= %V\": \"socketio_client\" is "
                           "useless where nothing is below the path",
                           &clcf->name);
        return NGX_CONF_ERROR;
    }

#if (NGX_PCRE)
    if (conf->client.len && clcf->regex) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"~ %V\": \"socketio_client\" is "
                           "useless in a location by regular expression",
                           &clcf->name);
        return NGX_CONF_ERROR;
    }
#endif

    return NGX_CONF_OK;
}


/* the same where there is no Socket.IO */

static char *
ngx_http_socketio_check_raw(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_socketio_loc_conf_t *prev, ngx_http_socketio_loc_conf_t *conf)
{
    char                     *directive;
    ngx_str_t                 value, *event;
    ngx_uint_t                raw;
    ngx_http_socketio_nsp_t  *nsp;

    raw = (conf->raw == NGX_CONF_UNSET_UINT) ? prev->raw : conf->raw;

    if (raw != 1) {
        return NGX_CONF_OK;
    }

    directive = "socketio_limits";

    if (conf->nsps != NGX_CONF_UNSET_PTR) {
        nsp = conf->nsps->elts;
        directive = "socketio_namespaces";
        value = nsp[0].name;

    } else if (conf->events != NGX_CONF_UNSET_PTR) {
        event = conf->events->elts;
        directive = "socketio_hook_events";
        value = event[0];

    } else if (conf->max_namespaces != NGX_CONF_UNSET_UINT) {
        ngx_str_set(&value, "namespaces=");

    } else if (conf->max_attachments != NGX_CONF_UNSET_UINT) {
        ngx_str_set(&value, "attachments=");

    } else if (conf->max_acks != NGX_CONF_UNSET_UINT) {
        ngx_str_set(&value, "acks=");

    } else if (conf->max_attached != NGX_CONF_UNSET_SIZE) {
        ngx_str_set(&value, "attached=");

    } else {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "location \"%V\": \"%s %V\" is useless with "
                       "\"socketio_protocol engine.io\"",
                       &clcf->name, directive, &value);

    return NGX_CONF_ERROR;
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

    if (prev->status) {
        conf->status = prev->status;
        conf->status_format = prev->status_format;
        conf->open = prev->open;
        clcf->handler = ngx_http_socketio_status_handler;
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
    ngx_conf_merge_ptr_value(conf->secrets, prev->secrets, NULL);
    ngx_conf_merge_ptr_value(conf->events, prev->events, NULL);
    ngx_conf_merge_ptr_value(conf->cookie, prev->cookie, NULL);
    ngx_conf_merge_str_value(conf->client, prev->client, "");

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

    ngx_conf_merge_bitmask_value(conf->revisions, prev->revisions,
                                 (NGX_CONF_BITMASK_SET
                                  |NGX_HTTP_SOCKETIO_EIO3
                                  |NGX_HTTP_SOCKETIO_EIO4));
    ngx_conf_merge_uint_value(conf->raw, prev->raw, 0);

    ngx_conf_merge_msec_value(conf->ping_interval, prev->ping_interval,
                              25000);
    ngx_conf_merge_msec_value(conf->ping_timeout, prev->ping_timeout, 20000);
    ngx_conf_merge_msec_value(conf->upgrade_timeout, prev->upgrade_timeout,
                              10000);
    ngx_conf_merge_msec_value(conf->connect_timeout, prev->connect_timeout,
                              45000);
    ngx_conf_merge_msec_value(conf->drain, prev->drain, 0);
    ngx_conf_merge_msec_value(conf->message_timeout, prev->message_timeout,
                              60000);
    ngx_conf_merge_size_value(conf->max_payload, prev->max_payload, 1000000);

    ngx_conf_merge_uint_value(conf->send_packets, prev->send_packets, 1024);
    ngx_conf_merge_size_value(conf->send_bytes, prev->send_bytes,
                              1024 * 1024);

    if (conf->deflate == NGX_CONF_UNSET) {
        conf->deflate = prev->deflate;
        conf->deflate_threshold = prev->deflate_threshold;
        conf->deflate_window = prev->deflate_window;
    }

    ngx_conf_init_value(conf->deflate, 0);

    ngx_conf_merge_uint_value(conf->batch_events, prev->batch_events, 100);
    ngx_conf_merge_size_value(conf->batch_bytes, prev->batch_bytes,
                              256 * 1024);
    ngx_conf_merge_uint_value(conf->lanes, prev->lanes, 4);
    ngx_conf_merge_uint_value(conf->queue_events, prev->queue_events, 64);
    ngx_conf_merge_size_value(conf->queue_bytes, prev->queue_bytes,
                              256 * 1024);
    ngx_conf_merge_msec_value(conf->hook_timeout, prev->hook_timeout, 10000);
    ngx_conf_merge_uint_value(conf->connect_fail, prev->connect_fail, 0);

    ngx_http_socketio_merge_limits(prev, conf);

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

    if (conf->status) {
        return ngx_http_socketio_check_zone(cf, "socketio_status",
                                            conf->status);
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

    if (conf->deflate
        && conf->deflate_threshold > conf->shm_zone->shm.size)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_deflate "
                           "threshold=%uz\" is more than zone \"%V\" has",
                           &clcf->name, conf->deflate_threshold,
                           &conf->shm_zone->shm.name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_socketio_check_limits(cf, &clcf->name, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_socketio_check_hooks(cf, clcf, conf) != NGX_CONF_OK) {
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


/* Also inherited ones: their events would go nowhere. */

static char *
ngx_http_socketio_check_hooks(ngx_conf_t *cf, ngx_http_core_loc_conf_t *clcf,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_uint_t                 i;
    ngx_http_socketio_nsp_t   *nsp;
    ngx_http_socketio_hook_t  *hook;

    if (!conf->raw || conf->hooks == NULL) {
        return NGX_CONF_OK;
    }

    hook = conf->hooks->elts;

    for (i = 0; i < conf->hooks->nelts; i++) {

        if (hook[i].nsps == NULL) {
            continue;
        }

        nsp = hook[i].nsps->elts;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "location \"%V\": \"socketio_hook %V %V\" names a "
                           "namespace, which \"socketio_protocol engine.io\" "
                           "does not have", &clcf->name, &hook[i].uri,
                           &nsp[0].name);
        return NGX_CONF_ERROR;
    }

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
