
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_utf8.h"


/*
 * The state is how many continuation bytes are missing, and the range of the
 * next one: only the first continuation byte may have a range of its own
 * (RFC 3629, 4).
 */

#define ngx_socketio_utf8_state(need, low, high)                              \
    ((uint32_t) (need) | (uint32_t) (low) << 8 | (uint32_t) (high) << 16)

#define NGX_SOCKETIO_UTF8_HIGH_BITS  0x8080808080808080ULL


static uint32_t ngx_socketio_utf8_lead(u_char ch);


ngx_int_t
ngx_socketio_utf8_check(uint32_t *state, u_char *p, u_char *last)
{
    u_char    ch;
    uint32_t  s, need;

    s = *state;

    while (p < last) {

        if (s == 0) {
            p = ngx_socketio_utf8_ascii(p, last);

            if (p == last) {
                break;
            }

            s = ngx_socketio_utf8_lead(*p++);

            if (s == 0) {
                return NGX_ERROR;
            }

            continue;
        }

        ch = *p++;

        if (ch < ((s >> 8) & 0xff) || ch > (s >> 16)) {
            return NGX_ERROR;
        }

        need = (s & 0xff) - 1;
        s = need ? ngx_socketio_utf8_state(need, 0x80, 0xbf) : 0;
    }

    *state = s;

    return NGX_OK;
}


uint32_t
ngx_socketio_utf8_decode(u_char **pos, u_char *last)
{
    u_char    *p;
    uint32_t   s, code, need, low, high;

    p = *pos;
    code = *p++;

    if (code < 0x80) {
        *pos = p;
        return code;
    }

    s = ngx_socketio_utf8_lead((u_char) code);
    need = s & 0xff;
    low = (s >> 8) & 0xff;
    high = s >> 16;

    if (need == 0 || (size_t) (last - p) < need) {
        return NGX_SOCKETIO_UTF8_INVALID;
    }

    /* the first byte has one bit less for each byte that follows */

    code &= 0x3f >> need;

    while (need--) {

        if (*p < low || *p > high) {
            return NGX_SOCKETIO_UTF8_INVALID;
        }

        code = code << 6 | (*p++ & 0x3f);
        low = 0x80;
        high = 0xbf;
    }

    *pos = p;

    return code;
}


/* the state after a first byte above 0x7f, 0 if there is no such first byte */

static uint32_t
ngx_socketio_utf8_lead(u_char ch)
{
    if (ch < 0xc2) {
        return 0;
    }

    if (ch < 0xe0) {
        return ngx_socketio_utf8_state(1, 0x80, 0xbf);
    }

    if (ch < 0xf0) {
        return ngx_socketio_utf8_state(2, ch == 0xe0 ? 0xa0 : 0x80,
                                       ch == 0xed ? 0x9f : 0xbf);
    }

    if (ch < 0xf5) {
        return ngx_socketio_utf8_state(3, ch == 0xf0 ? 0x90 : 0x80,
                                       ch == 0xf4 ? 0x8f : 0xbf);
    }

    return 0;
}


u_char *
ngx_socketio_utf8_ascii(u_char *p, u_char *last)
{
    uint64_t  word;

    while (last - p >= 8) {
        ngx_memcpy(&word, p, 8);

        if (word & NGX_SOCKETIO_UTF8_HIGH_BITS) {
            break;
        }

        p += 8;
    }

    while (p < last && *p < 0x80) {
        p++;
    }

    return p;
}


size_t
ngx_socketio_utf8_units(u_char *p, u_char *last)
{
    size_t   n;
    u_char  *end;

    n = 0;

    while (p < last) {
        end = ngx_socketio_utf8_ascii(p, last);
        n += end - p;

        /* one for each first byte, two for those of 4 byte characters */

        for (p = end; p < last && *p >= 0x80; p++) {
            n += (*p >= 0xc0) + (*p >= 0xf0);
        }
    }

    return n;
}
