
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_jsonp.h"
#include "proto/ngx_socketio_json.h"


/* what of U+2028 and U+2029, e2 80 a8 and e2 80 a9, is held back */

static u_char  ngx_socketio_jsonp_held[] = { 0xe2, 0x80 };


static size_t ngx_socketio_jsonp_put(u_char **p, void *text, size_t len);
static u_char *ngx_socketio_jsonp_unescape(u_char *p, u_char *last);
static ngx_uint_t ngx_socketio_form_hex(u_char ch);


ngx_int_t
ngx_socketio_jsonp_index(uint32_t *j, u_char *p, u_char *last)
{
    uint64_t    n;
    ngx_uint_t  digits;

    n = 0;
    digits = 0;

    for ( /* void */ ; p < last; p++) {

        if (!ngx_socketio_is_digit(*p)) {
            continue;
        }

        n = n * 10 + (*p - '0');
        digits = 1;

        if (n >= NGX_SOCKETIO_JSONP_NONE) {
            return NGX_ERROR;
        }
    }

    *j = digits ? (uint32_t) n : NGX_SOCKETIO_JSONP_NONE;

    return NGX_OK;
}


ngx_int_t
ngx_socketio_jsonp_payload(ngx_str_t *payload, u_char *p, u_char *last)
{
    u_char  *end, *value, *name_last;

    while (p < last) {
        end = memchr(p, '&', last - p);
        end = (end != NULL) ? end : last;

        value = memchr(p, '=', end - p);
        value = (value != NULL) ? value : end;

        name_last = ngx_socketio_form_decode(p, p, value);

        if (name_last - p == 1 && *p == 'd') {
            value += (value < end);
            end = ngx_socketio_form_decode(value, value, end);

            payload->data = value;
            payload->len = ngx_socketio_jsonp_unescape(value, end) - value;

            return NGX_OK;
        }

        p = (end < last) ? end + 1 : last;
    }

    return NGX_DECLINED;
}


/*
 * In place, returns the new end.  Node.js replaces twice: "\n" that has no
 * backslash before it, then one of two backslashes before an "n".  So of a
 * row of backslashes before an "n" a single one and it become a newline, and
 * a longer row loses one; which one does not matter.
 */

static u_char *
ngx_socketio_jsonp_unescape(u_char *p, u_char *last)
{
    u_char  ch, *dst;

    dst = p;

    while (p < last) {
        ch = *p++;

        if (ch != '\\') {
            *dst++ = ch;
            continue;
        }

        if (p < last && *p == 'n') {
            *dst++ = '\n';
            p++;
            continue;
        }

        /* the rest of the row, and its first unless that is lost */

        while (p < last && *p == '\\') {
            *dst++ = *p++;
        }

        if (p == last || *p != 'n') {
            *dst++ = ch;
        }
    }

    return dst;
}


u_char *
ngx_socketio_form_decode(u_char *dst, u_char *p, u_char *last)
{
    ngx_uint_t  high, low;

    while (p < last) {

        if (*p == '%' && last - p > 2) {
            high = ngx_socketio_form_hex(p[1]);
            low = ngx_socketio_form_hex(p[2]);

            if (high < 16 && low < 16) {
                *dst++ = (u_char) (high << 4 | low);
                p += 3;
                continue;
            }
        }

        *dst++ = (*p == '+') ? ' ' : *p;
        p++;
    }

    return dst;
}


/* 16 or more if it is none */

static ngx_uint_t
ngx_socketio_form_hex(u_char ch)
{
    if (ngx_socketio_is_digit(ch)) {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : 16;
}


size_t
ngx_socketio_jsonp_start(u_char *p, uint32_t j)
{
    size_t  n, len;

    len = ngx_socketio_jsonp_put(&p, "___eio[", sizeof("___eio[") - 1);

    if (j != NGX_SOCKETIO_JSONP_NONE) {
        n = ngx_socketio_json_uint(p, j);
        p = (p != NULL) ? p + n : NULL;
        len += n;
    }

    return len + ngx_socketio_jsonp_put(&p, "](\"", sizeof("](\"") - 1);
}


size_t
ngx_socketio_jsonp_escape(u_char *p, uint32_t *state, u_char *src, size_t len)
{
    size_t   n, total;
    u_char  *end, *last;

    /* *state is how many bytes are held back */

    total = 0;
    last = src + len;

    while (src < last) {

        if (*state == 1 && *src == ngx_socketio_jsonp_held[1]) {
            *state = 2;
            src++;
            continue;
        }

        if (*state == 2 && (*src == 0xa8 || *src == 0xa9)) {
            total += ngx_socketio_jsonp_put(&p, *src == 0xa8 ? "\\u2028"
                                                             : "\\u2029", 6);
            *state = 0;
            src++;
            continue;
        }

        total += ngx_socketio_jsonp_put(&p, ngx_socketio_jsonp_held, *state);

        end = memchr(src, ngx_socketio_jsonp_held[0], last - src);
        *state = (end != NULL);
        end = (end != NULL) ? end : last;

        n = ngx_socketio_json_escape(p, src, end - src);
        p = (p != NULL) ? p + n : NULL;
        total += n;

        src = end + *state;
    }

    return total;
}


size_t
ngx_socketio_jsonp_end(u_char *p, uint32_t *state)
{
    size_t  len;

    /* UTF-8 that is complete leaves nothing behind */

    len = ngx_socketio_jsonp_put(&p, ngx_socketio_jsonp_held, *state);
    *state = 0;

    return len + ngx_socketio_jsonp_put(&p, "\");", sizeof("\");") - 1);
}


/* appends at *p and moves it, unless it is NULL */

static size_t
ngx_socketio_jsonp_put(u_char **p, void *text, size_t len)
{
    if (*p != NULL && len != 0) {
        *p = ngx_cpymem(*p, text, len);
    }

    return len;
}
