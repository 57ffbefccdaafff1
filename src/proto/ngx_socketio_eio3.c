
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_eio3.h"
#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_sio.h"
#include "proto/ngx_socketio_utf8.h"


static ngx_int_t ngx_socketio_eio3_length(u_char **pos, u_char *last,
    u_char zero, u_char stop, size_t *len);
static u_char *ngx_socketio_eio3_skip(u_char *p, u_char *last, size_t n);


ngx_int_t
ngx_socketio_eio3_text_next(u_char **pos, u_char *last,
    ngx_socketio_eio3_packet_t *pkt)
{
    size_t   n;
    u_char  *p, *end;

    p = *pos;

    if (p == NULL) {
        return NGX_DONE;
    }

    do {
        if (ngx_socketio_eio3_length(&p, last, '0', ':', &n) != NGX_OK) {
            return NGX_ERROR;
        }

    } while (n == 0 && p < last);

    if (n == 0) {
        *pos = NULL;
        return NGX_DONE;
    }

    end = ngx_socketio_eio3_skip(p, last, n);

    if (end == NULL) {
        return NGX_ERROR;
    }

    pkt->data = p;
    pkt->len = end - p;
    pkt->raw = 0;

    *pos = (end < last) ? end : NULL;

    return NGX_OK;
}


ngx_int_t
ngx_socketio_eio3_binary_next(u_char **pos, u_char *last,
    ngx_socketio_eio3_packet_t *pkt)
{
    size_t      len;
    u_char     *p;
    uint32_t    utf8;
    ngx_uint_t  raw;

    p = *pos;

    if (p == NULL || p == last) {
        *pos = NULL;
        return NGX_DONE;
    }

    raw = *p++;

    if (raw > 1
        || ngx_socketio_eio3_length(&p, last, 0, 0xff, &len) != NGX_OK
        || len == 0)
    {
        return NGX_ERROR;
    }

    utf8 = 0;

    if (raw ? *p > NGX_SOCKETIO_EIO_NOOP
            : ngx_socketio_utf8_check(&utf8, p, p + len) != NGX_OK
              || utf8 != 0)
    {
        return NGX_ERROR;
    }

    pkt->data = p;
    pkt->len = len;
    pkt->raw = raw;

    p += len;
    *pos = (p < last) ? p : NULL;

    return NGX_OK;
}


/*
 * Takes digits, counted from "zero", and "stop".  No more than the bytes left
 * can follow, of whatever the length is counted in: that is its bound, too.
 */

static ngx_int_t
ngx_socketio_eio3_length(u_char **pos, u_char *last, u_char zero, u_char stop,
    size_t *len)
{
    size_t       n;
    u_char      *p, digit;
    ngx_uint_t   i;

    n = 0;
    p = *pos;

    for (i = 0; p < last; i++) {
        digit = (u_char) (*p - zero);

        if (digit > 9) {
            break;
        }

        if (i == NGX_SOCKETIO_EIO3_DIGITS || n > (size_t) (last - p)) {
            return NGX_ERROR;
        }

        n = n * 10 + digit;
        p++;
    }

    if (i == 0 || p == last || *p++ != stop || n > (size_t) (last - p)) {
        return NGX_ERROR;
    }

    *len = n;
    *pos = p;

    return NGX_OK;
}


/*
 * The end of n UTF-16 code units, or NULL if there are less, if they end
 * within a character or if they are not UTF-8
 */

static u_char *
ngx_socketio_eio3_skip(u_char *p, u_char *last, size_t n)
{
    size_t    units;
    u_char   *end;
    uint32_t  code;

    for ( ;; ) {
        end = p + ngx_min(n, (size_t) (last - p));
        end = ngx_socketio_utf8_ascii(p, end);
        n -= end - p;
        p = end;

        while (n != 0 && p < last && *p >= 0x80) {
            code = ngx_socketio_utf8_decode(&p, last);
            units = (code > 0xffff) ? 2 : 1;

            if (code == NGX_SOCKETIO_UTF8_INVALID || units > n) {
                return NULL;
            }

            n -= units;
        }

        if (n == 0) {
            return p;
        }

        if (p == last) {
            return NULL;
        }
    }
}


size_t
ngx_socketio_eio3_text_header(u_char *p, size_t n)
{
    size_t  len;

    len = ngx_socketio_json_uint(p, n);

    if (p != NULL) {
        p[len] = ':';
    }

    return len + 1;
}


size_t
ngx_socketio_eio3_binary_header(u_char *p, ngx_uint_t raw, size_t n)
{
    size_t  len, i;

    if (p == NULL) {
        return ngx_socketio_json_uint(NULL, n) + 2;
    }

    *p++ = raw ? 1 : 0;

    len = ngx_socketio_json_uint(p, n);

    for (i = 0; i < len; i++) {
        p[i] -= '0';
    }

    p[len] = 0xff;

    return len + 2;
}


size_t
ngx_socketio_eio3_ascii(u_char *p, u_char *src, size_t len)
{
    size_t  n;

    n = len;

    if (len != 0 && *src == '0' + NGX_SOCKETIO_EIO_MESSAGE) {
        n = ngx_socketio_sio_json(src + 1, src + len) - src;
    }

    if (p != NULL) {
        p = ngx_cpymem(p, src, n);
    }

    return n + ngx_socketio_json_ascii(p, src + n, len - n);
}
