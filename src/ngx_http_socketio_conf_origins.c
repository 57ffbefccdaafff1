
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Which pages may connect. */


#include "ngx_http_socketio_conf.h"


static char *ngx_http_socketio_conf_origin(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_origin_t *origin);


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
