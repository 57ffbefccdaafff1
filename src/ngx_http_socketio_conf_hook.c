
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Hooks: where they are, for which namespaces, what they are told. */


#include "ngx_http_socketio_conf.h"
#include "hook/ngx_http_socketio_sign.h"
#include "proto/ngx_socketio_sio.h"


static char *ngx_http_socketio_conf_hook_off(ngx_conf_t *cf,
    ngx_http_socketio_loc_conf_t *slcf);
static ngx_array_t *ngx_http_socketio_conf_nsps(ngx_conf_t *cf,
    ngx_uint_t first);
static char *ngx_http_socketio_conf_nsp(ngx_conf_t *cf, ngx_str_t *value,
    ngx_array_t *nsps);
#if (NGX_PCRE)
static char *ngx_http_socketio_conf_regex(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_socketio_nsp_t *nsp);
#endif
static char *ngx_http_socketio_conf_header(ngx_conf_t *cf, ngx_str_t *value,
    ngx_array_t *headers);
static ngx_array_t *ngx_http_socketio_conf_words(ngx_conf_t *cf);


static ngx_str_t  ngx_http_socketio_headers[] = {
    ngx_string("cookie"),
    ngx_string("authorization"),
    ngx_string("user-agent"),
    ngx_string("origin"),
    ngx_string("host")
};


char *
ngx_http_socketio_conf_hook(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_socketio_hook_t  *hook;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return ngx_http_socketio_conf_hook_off(cf, slcf);
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

    hook->nsps = ngx_http_socketio_conf_nsps(cf, 2);

    return hook->nsps ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_socketio_conf_hook_off(ngx_conf_t *cf,
    ngx_http_socketio_loc_conf_t *slcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

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


char *
ngx_http_socketio_conf_namespaces(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    if (slcf->nsps != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    slcf->nsps = ngx_http_socketio_conf_nsps(cf, 1);

    return slcf->nsps ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* the arguments from this one on; NULL: one of them is wrong, or no memory */

static ngx_array_t *
ngx_http_socketio_conf_nsps(ngx_conf_t *cf, ngx_uint_t first)
{
    ngx_str_t    *value;
    ngx_uint_t    i;
    ngx_array_t  *nsps;

    nsps = ngx_array_create(cf->pool, cf->args->nelts - first,
                            sizeof(ngx_http_socketio_nsp_t));
    if (nsps == NULL) {
        return NULL;
    }

    value = cf->args->elts;

    for (i = first; i < cf->args->nelts; i++) {
        if (ngx_http_socketio_conf_nsp(cf, &value[i], nsps) != NGX_CONF_OK) {
            return NULL;
        }
    }

    return nsps;
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
ngx_http_socketio_conf_hook_secret(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
#if (NGX_HTTP_SOCKETIO_SIGN)

    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (slcf->secrets != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (value[i].len < NGX_HTTP_SOCKETIO_SIGN_KEY) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                       "must have 16 bytes at least");
        }
    }

    slcf->secrets = ngx_http_socketio_conf_words(cf);

    return slcf->secrets ? NGX_CONF_OK : NGX_CONF_ERROR;

#else

    return "needs an nginx with OpenSSL 1.1.0 or later";

#endif
}


char *
ngx_http_socketio_conf_hook_events(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_socketio_loc_conf_t *slcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (slcf->events != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_socketio_sio_reserved(value[i].data, value[i].len)) {
            return ngx_http_socketio_conf_error(cf, &value[i],
                                       "is no event that clients can send");
        }
    }

    slcf->events = ngx_http_socketio_conf_words(cf);

    return slcf->events ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* all arguments; NULL: one is there twice, or no memory */

static ngx_array_t *
ngx_http_socketio_conf_words(ngx_conf_t *cf)
{
    ngx_str_t    *value, *word;
    ngx_uint_t    i, k;
    ngx_array_t  *words;

    words = ngx_array_create(cf->pool, cf->args->nelts - 1,
                             sizeof(ngx_str_t));
    if (words == NULL) {
        return NULL;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        for (k = 1; k < i; k++) {
            if (value[k].len == value[i].len
                && ngx_memcmp(value[k].data, value[i].data, value[i].len) == 0)
            {
                (void) ngx_http_socketio_conf_error(cf, &value[i],
                                                    "is duplicate");
                return NULL;
            }
        }

        word = ngx_array_push(words);
        if (word == NULL) {
            return NULL;
        }

        *word = value[i];
    }

    return words;
}
