
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Zones, the locations that use them, and how a location is known again. */


#include "ngx_http_socketio_conf.h"
#include "transport/ngx_http_socketio_transport.h"
#include "api/ngx_http_socketio_publish.h"
#include "api/ngx_http_socketio_status.h"
#include "delivery/ngx_socketio_worker.h"


#define NGX_HTTP_SOCKETIO_ZONE_MIN  (1024 * 1024)


/* what shm_zone->data points to; the zone must be first */

typedef struct {
    ngx_socketio_zone_t   zone;
    ngx_cycle_t          *cycle;
} ngx_http_socketio_zone_t;


static char *ngx_http_socketio_conf_recovery(ngx_conf_t *cf, ngx_str_t *value,
    ngx_msec_t *recovery);
static ngx_int_t ngx_http_socketio_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_socketio_check_drain(ngx_shm_zone_t *shm_zone,
    ngx_cycle_t *cycle);
static char *ngx_http_socketio_conf_handler(ngx_conf_t *cf,
    ngx_http_handler_pt handler);
static uint32_t ngx_http_socketio_number(ngx_http_core_main_conf_t *cmcf,
    ngx_http_socketio_loc_conf_t *slcf);
static void ngx_http_socketio_listen_text(ngx_http_core_main_conf_t *cmcf,
    ngx_http_core_srv_conf_t *cscf, ngx_str_t *text, u_char *buf);


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

    if (cf->args->nelts == 4
        && ngx_http_socketio_conf_recovery(cf, &value[3],
                                           &zone->zone.recovery)
           != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    shm_zone->init = ngx_http_socketio_init_zone;
    shm_zone->data = zone;

    zonep = ngx_array_push(&smcf->zones);
    if (zonep == NULL) {
        return NGX_CONF_ERROR;
    }

    *zonep = &zone->zone;

    return NGX_CONF_OK;
}


/* recovery=time */

static char *
ngx_http_socketio_conf_recovery(ngx_conf_t *cf, ngx_str_t *value,
    ngx_msec_t *recovery)
{
    ngx_str_t   text;
    ngx_msec_t  ms;

    if (ngx_strncmp(value->data, "recovery=", 9) != 0) {
        return ngx_http_socketio_conf_error(cf, value,
                                            "is not \"recovery=time\"");
    }

    text.len = value->len - 9;
    text.data = value->data + 9;

    ms = (ngx_msec_t) ngx_parse_time(&text, 0);

    if (ms == (ngx_msec_t) NGX_ERROR || ms > NGX_HTTP_SOCKETIO_TIME_MAX) {
        return ngx_http_socketio_conf_error(cf, value,
                                            "is not a time of a day or less");
    }

    *recovery = ms;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_socketio_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_socketio_zone_t  *zone;

    zone = shm_zone->data;

    if (ngx_http_socketio_check_drain(shm_zone, zone->cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_socketio_zone_init(&zone->zone, shm_zone, data,
                                  ngx_socketio_worker_slots(zone->cycle));
}


/*
 * "worker_shutdown_timeout" may stand behind the http block: this is the
 * first moment when it is known, and the last one that can refuse a reload.
 */

static ngx_int_t
ngx_http_socketio_check_drain(ngx_shm_zone_t *shm_zone, ngx_cycle_t *cycle)
{
    ngx_uint_t                      i;
    ngx_core_conf_t                *ccf;
    ngx_http_socketio_loc_conf_t  **slcf;
    ngx_http_socketio_main_conf_t  *smcf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    smcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_socketio_module);
    slcf = smcf->locations.elts;

    for (i = 0; ccf->shutdown_timeout && i < smcf->locations.nelts; i++) {

        if (slcf[i]->shm_zone == shm_zone
            && slcf[i]->drain >= ccf->shutdown_timeout)
        {
            ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                          "location \"%V\": \"socketio_drain\" %Mms must be "
                          "less than \"worker_shutdown_timeout\" %Mms",
                          &slcf[i]->path, slcf[i]->drain,
                          ccf->shutdown_timeout);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
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
ngx_http_socketio_conf_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i, format;

    if (slcf->status) {
        return "is duplicate";
    }

    if (ngx_http_socketio_conf_handler(cf, ngx_http_socketio_status_handler)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    slcf->status = ngx_shared_memory_add(cf, &value[1], 0,
                                         &ngx_http_socketio_module);
    if (slcf->status == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "open") == 0) {

            if (slcf->open) {
                return ngx_http_socketio_conf_error(cf, &value[i],
                                                    "is duplicate");
            }

            slcf->open = 1;
            continue;
        }

        if (ngx_strcmp(value[i].data, "json") == 0) {
            format = NGX_HTTP_SOCKETIO_STATUS_JSON;

        } else if (ngx_strcmp(value[i].data, "prometheus") == 0) {
            format = NGX_HTTP_SOCKETIO_STATUS_PROMETHEUS;

        } else {
            return ngx_http_socketio_conf_error(cf, &value[i],
                          "is not \"json\", \"prometheus\" or \"open\"");
        }

        if (slcf->status_format) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                                "is duplicate");
        }

        slcf->status_format = format;
    }

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
