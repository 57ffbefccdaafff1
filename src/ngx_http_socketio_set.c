
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * set_socketio_json, set_socketio_quote.  Text of a client passes from the one
 * to the other through an nginx variable, which may become a header on its
 * way.  Therefore control characters stay as JSON escapes in it, and so does
 * the backslash, or an escape could not be told from the same text; quoting
 * keeps the escapes that it finds.
 */


#include "ngx_http_socketio_conf.h"
#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_utf8.h"


#if (NDK)

#ifndef NDK_SET_VAR
#define NDK_SET_VAR  1
#endif

#include <ndk.h>


static ngx_int_t ngx_http_socketio_set_json(ngx_http_request_t *r,
    ngx_str_t *value, ngx_http_variable_value_t *v);
static ngx_int_t ngx_http_socketio_set_text(ngx_http_request_t *r,
    ngx_str_t *value, ngx_str_t *token);
static ngx_int_t ngx_http_socketio_set_quote(ngx_http_request_t *r,
    ngx_str_t *value, ngx_http_variable_value_t *v);
static size_t ngx_http_socketio_set_escape(u_char *dst, u_char *p,
    u_char *last);
static size_t ngx_http_socketio_set_escaped(u_char *p, u_char *last);
static ngx_uint_t ngx_http_socketio_set_is_json(u_char *p, u_char *last);


char *
ngx_http_socketio_conf_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t      *value;
    ndk_set_var_t   filter;

    value = cf->args->elts;

    ngx_memzero(&filter, sizeof(ndk_set_var_t));

    filter.type = NDK_SET_VAR_MULTI_VALUE;
    filter.size = cf->args->nelts - 2;
    filter.func = (filter.size == 2)
                  ? (void *) ngx_http_socketio_set_json
                  : (void *) ngx_http_socketio_set_quote;

    return ndk_set_var_multi_value_core(cf, &value[1], &value[2], &filter);
}


static ngx_int_t
ngx_http_socketio_set_json(ngx_http_request_t *r, ngx_str_t *value,
    ngx_http_variable_value_t *v)
{
    u_char     *p, *last;
    ngx_str_t   path;

    p = v[0].data;
    last = p + v[0].len;

    path.len = v[1].len;
    path.data = v[1].data;

    ngx_str_null(value);

    if (p == last
        || ngx_socketio_json_check(p, last, NGX_HTTP_SOCKETIO_COMMAND_DEPTH)
           != NGX_OK)
    {
        return NGX_OK;
    }

    if (ngx_socketio_json_pick(p, last, &path, value) != NGX_OK) {
        ngx_str_null(value);
        return NGX_OK;
    }

    if (value->data[0] == '"') {
        return ngx_http_socketio_set_text(r, value, value);
    }

    return NGX_OK;
}


/* decodes a string token, but for control characters and backslashes */

static ngx_int_t
ngx_http_socketio_set_text(ngx_http_request_t *r, ngx_str_t *value,
    ngx_str_t *token)
{
    u_char  *p, *dst, *text;
    size_t   i, len;

    text = ngx_pnalloc(r->pool, token->len);
    if (text == NULL) {
        return NGX_ERROR;
    }

    if (ngx_socketio_json_string(text, &len, token->data,
                                 token->data + token->len)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* an escape takes six bytes at the most */

    dst = ngx_pnalloc(r->pool, len * 6 + 1);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    p = dst;

    for (i = 0; i < len; i++) {

        if (text[i] < 0x20 || text[i] == '\\') {
            p += ngx_socketio_json_escape(p, &text[i], 1);

        } else if (text[i] == 0x7f) {
            p = ngx_cpymem(p, "\\u007f", 6);

        } else {
            *p++ = text[i];
        }
    }

    value->data = dst;
    value->len = p - dst;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_set_quote(ngx_http_request_t *r, ngx_str_t *value,
    ngx_http_variable_value_t *v)
{
    size_t      len, n;
    u_char     *p, *last, *dst;
    uint32_t    state;
    ngx_uint_t  whole;

    p = v->data;
    last = p + v->len;

    /* not text at all: rather nothing than an answer that is no JSON */

    state = 0;

    if (ngx_socketio_utf8_check(&state, p, last) != NGX_OK || state != 0) {
        last = p;
    }

    /* an object or array is a text of its own, whose escapes are its own */

    whole = ngx_http_socketio_set_is_json(p, last);

    len = whole ? ngx_socketio_json_escape(NULL, p, last - p)
                : ngx_http_socketio_set_escape(NULL, p, last);

    dst = ngx_pnalloc(r->pool, len + 2);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    value->data = dst;
    value->len = len + 2;

    *dst++ = '"';

    n = whole ? ngx_socketio_json_escape(dst, p, last - p)
              : ngx_http_socketio_set_escape(dst, p, last);

    dst[n] = '"';

    return NGX_OK;
}


static ngx_uint_t
ngx_http_socketio_set_is_json(u_char *p, u_char *last)
{
    if (p == last || (*p != '{' && *p != '[')) {
        return 0;
    }

    return ngx_socketio_json_check(p, last, NGX_HTTP_SOCKETIO_COMMAND_DEPTH)
           == NGX_OK;
}


/* returns the length; measured only if dst is NULL */

static size_t
ngx_http_socketio_set_escape(u_char *dst, u_char *p, u_char *last)
{
    size_t  n, len;

    len = 0;

    while (p < last) {
        n = ngx_http_socketio_set_escaped(p, last);

        if (n) {
            if (dst) {
                dst = ngx_cpymem(dst, p, n);
            }

            p += n;
            len += n;

            continue;
        }

        n = ngx_socketio_json_escape(dst, p, 1);

        if (dst) {
            dst += n;
        }

        p++;
        len += n;
    }

    return len;
}


/* the length of the JSON escape at p (RFC 8259, 7), 0 if it is none */

static size_t
ngx_http_socketio_set_escaped(u_char *p, u_char *last)
{
    if (last - p < 2 || *p != '\\') {
        return 0;
    }

    if (p[1] == 'u') {
        return (last - p >= 6 && ngx_hextoi(p + 2, 4) != NGX_ERROR) ? 6 : 0;
    }

    return (p[1] != '\0' && ngx_strchr("\"\\/bfnrt", p[1])) ? 2 : 0;
}

#endif
