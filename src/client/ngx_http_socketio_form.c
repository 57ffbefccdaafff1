
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Text that clients wrote: queries, and bytes that should be UTF-8. */


#include "client/ngx_http_socketio_form.h"
#include "proto/ngx_socketio_jsonp.h"
#include "proto/ngx_socketio_utf8.h"


static ngx_int_t ngx_http_socketio_form_utf8(ngx_pool_t *pool,
    ngx_str_t *text);
static size_t ngx_http_socketio_utf8_copy(u_char *dst, u_char *p,
    u_char *last);
static size_t ngx_http_socketio_utf8_char(u_char *p, u_char *last,
    ngx_uint_t *valid);


ngx_int_t
ngx_http_socketio_form_next(u_char **pos, u_char *last, u_char **dst,
    ngx_str_t *key, ngx_str_t *value, ngx_str_t *raw)
{
    u_char  *p, *end, *eq;

    p = *pos;

    while (p < last && *p == '&') {
        p++;
    }

    if (p == last) {
        *pos = p;
        return NGX_DONE;
    }

    end = ngx_strlchr(p, last, '&');
    if (end == NULL) {
        end = last;
    }

    eq = ngx_strlchr(p, end, '=');
    if (eq == NULL) {
        eq = end;
    }

    key->data = *dst;
    *dst = ngx_socketio_form_decode(*dst, p, eq);
    key->len = *dst - key->data;

    raw->data = (eq < end) ? eq + 1 : end;
    raw->len = end - raw->data;

    value->data = *dst;
    *dst = ngx_socketio_form_decode(*dst, raw->data, end);
    value->len = *dst - value->data;

    *pos = end;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_form_pairs(ngx_pool_t *pool, ngx_str_t *query,
    ngx_http_socketio_form_pair_t *pairs, ngx_uint_t *n, ngx_uint_t *cut)
{
    u_char                         *p, *last, *dst;
    ngx_str_t                       raw;
    ngx_uint_t                      i;
    ngx_http_socketio_form_pair_t   pair;

    *n = 0;
    *cut = 0;

    if (query->len == 0) {
        return NGX_OK;
    }

    p = query->data;
    last = p + query->len;

    dst = ngx_pnalloc(pool, query->len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    while (ngx_http_socketio_form_next(&p, last, &dst, &pair.name,
                                       &pair.value, &raw)
           == NGX_OK)
    {
        if (*n == NGX_HTTP_SOCKETIO_FORM_PAIRS) {
            *cut = 1;
            break;
        }

        if (ngx_http_socketio_form_utf8(pool, &pair.name) != NGX_OK
            || ngx_http_socketio_form_utf8(pool, &pair.value) != NGX_OK)
        {
            return NGX_ERROR;
        }

        for (i = 0; i < *n; i++) {
            if (pairs[i].name.len == pair.name.len
                && ngx_memcmp(pairs[i].name.data, pair.name.data,
                              pair.name.len)
                   == 0)
            {
                break;
            }
        }

        *n += (i == *n);
        pairs[i] = pair;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_form_utf8(ngx_pool_t *pool, ngx_str_t *text)
{
    u_char  *p, *last;

    p = text->data;
    last = p + text->len;

    if (ngx_http_socketio_utf8(pool, &p, &last) != NGX_OK) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = last - p;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_utf8(ngx_pool_t *pool, u_char **p, u_char **last)
{
    u_char    *dst;
    size_t     len;
    uint32_t   state;

    state = 0;

    if (ngx_socketio_utf8_check(&state, *p, *last) == NGX_OK && state == 0) {
        return NGX_OK;
    }

    len = ngx_http_socketio_utf8_copy(NULL, *p, *last);

    dst = ngx_pnalloc(pool, len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    ngx_http_socketio_utf8_copy(dst, *p, *last);

    *p = dst;
    *last = dst + len;

    return NGX_OK;
}


/* returns the length; measured only if dst is NULL */

static size_t
ngx_http_socketio_utf8_copy(u_char *dst, u_char *p, u_char *last)
{
    size_t      n, len;
    ngx_uint_t  valid;

    len = 0;

    while (p < last) {
        n = ngx_http_socketio_utf8_char(p, last, &valid);

        if (dst) {
            dst = valid ? ngx_cpymem(dst, p, n)
                        : ngx_cpymem(dst, "\xef\xbf\xbd", 3);
        }

        len += valid ? n : 3;
        p += n;
    }

    return len;
}


/*
 * The length of the character at p or, if it is none, of what one U+FFFD
 * stands for: the longest part of it that a valid one begins with (Unicode,
 * 3.9, "U+FFFD substitution of maximal subparts").
 */

static size_t
ngx_http_socketio_utf8_char(u_char *p, u_char *last, ngx_uint_t *valid)
{
    size_t    n;
    uint32_t  state;

    *valid = 0;
    state = 0;

    for (n = 0; p + n < last; n++) {

        if (ngx_socketio_utf8_check(&state, p + n, p + n + 1) != NGX_OK) {
            return n ? n : 1;
        }

        if (state == 0) {
            *valid = 1;
            return n + 1;
        }
    }

    return n;
}
