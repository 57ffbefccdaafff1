
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_core.h"
#include "proto/ngx_socketio_ws_frame.h"


enum {
    sw_opcode = 0,      /* a zeroed struct is here */
    sw_length,
    sw_length16,
    sw_length64,
    sw_mask,
    sw_dead
};


static ngx_int_t ngx_socketio_ws_frame_length(ngx_socketio_ws_frame_t *f,
    u_char ch);
static ngx_int_t ngx_socketio_ws_frame_extended(ngx_socketio_ws_frame_t *f,
    u_char ch);
static ngx_int_t ngx_socketio_ws_frame_mask(ngx_socketio_ws_frame_t *f);


ngx_int_t
ngx_socketio_ws_frame_parse(ngx_socketio_ws_frame_t *f, u_char **pos,
    u_char *last)
{
    u_char     ch;
    ngx_int_t  rc;

    if (f->state == sw_dead) {
        return NGX_ERROR;
    }

    while (*pos < last) {
        ch = *(*pos)++;

        switch (f->state) {

        case sw_opcode:
            ngx_memzero(f, sizeof(ngx_socketio_ws_frame_t));

            f->fin = ch >> 7;
            f->rsv = (ch >> 4) & 0x7;
            f->opcode = ch & 0xf;
            f->state = sw_length;

            rc = NGX_AGAIN;
            break;

        case sw_length:
            rc = ngx_socketio_ws_frame_length(f, ch);
            break;

        case sw_length16:
        case sw_length64:
            rc = ngx_socketio_ws_frame_extended(f, ch);
            break;

        default: /* sw_mask */
            f->mask[4 - f->need] = ch;
            f->need--;

            rc = f->need ? NGX_AGAIN : NGX_OK;
            break;
        }

        if (rc == NGX_AGAIN) {
            continue;
        }

        f->state = (rc == NGX_OK) ? sw_opcode : sw_dead;

        return rc;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_socketio_ws_frame_length(ngx_socketio_ws_frame_t *f, u_char ch)
{
    f->masked = ch >> 7;

    switch (ch & 0x7f) {

    case 126:
        f->need = 2;
        f->state = sw_length16;
        return NGX_AGAIN;

    case 127:
        f->need = 8;
        f->state = sw_length64;
        return NGX_AGAIN;

    default:
        f->length = ch & 0x7f;
        return ngx_socketio_ws_frame_mask(f);
    }
}


/*
 * Section 5.2: "the most significant bit MUST be 0", and "the minimal number
 * of bytes MUST be used to encode the length".
 */

static ngx_int_t
ngx_socketio_ws_frame_extended(ngx_socketio_ws_frame_t *f, u_char ch)
{
    if (f->need == 8 && (ch & 0x80)) {
        return NGX_ERROR;
    }

    f->length = (f->length << 8) | ch;
    f->need--;

    if (f->need) {
        return NGX_AGAIN;
    }

    if (f->length < (f->state == sw_length16 ? 126 : 65536)) {
        return NGX_ERROR;
    }

    return ngx_socketio_ws_frame_mask(f);
}


static ngx_int_t
ngx_socketio_ws_frame_mask(ngx_socketio_ws_frame_t *f)
{
    if (!f->masked) {
        return NGX_OK;
    }

    f->need = 4;
    f->state = sw_mask;

    return NGX_AGAIN;
}


size_t
ngx_socketio_ws_frame_header(u_char *p, ngx_uint_t opcode_and_fin,
    uint64_t len)
{
    size_t      i, n;
    ngx_uint_t  form;

    if (len < 126) {
        n = 0;
        form = (ngx_uint_t) len;

    } else if (len < 65536) {
        n = 2;
        form = 126;

    } else {
        n = 8;
        form = 127;
    }

    if (p == NULL) {
        return 2 + n;
    }

    *p++ = (u_char) opcode_and_fin;
    *p++ = (u_char) form;

    for (i = n; i > 0; i--) {
        *p++ = (u_char) (len >> ((i - 1) * 8));
    }

    return 2 + n;
}


void
ngx_socketio_ws_unmask(u_char *dst, u_char *src, size_t len, u_char mask[4],
    size_t offset)
{
    size_t    i;
    u_char    key[8];
    uint64_t  word, pattern;

    /* what is xored in memory order needs no thought about endianness */

    for (i = 0; i < 8; i++) {
        key[i] = mask[(offset + i) & 3];
    }

    ngx_memcpy(&pattern, key, 8);

    while (len >= 8) {
        ngx_memcpy(&word, src, 8);
        word ^= pattern;
        ngx_memcpy(dst, &word, 8);

        src += 8;
        dst += 8;
        len -= 8;
    }

    for (i = 0; i < len; i++) {
        dst[i] = src[i] ^ key[i];
    }
}
