
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_base64.h"


#define NGX_SOCKETIO_BASE64_NONE  77


static size_t ngx_socketio_base64_write(u_char *p, u_char *src, size_t len,
    u_char *alphabet);
static ngx_uint_t ngx_socketio_base64_digit(u_char ch);


static u_char  ngx_socketio_base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static u_char  ngx_socketio_base64url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* both alphabets */

static u_char  ngx_socketio_base64_digits[128] = {
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77,
    77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 77, 62, 77, 62, 77, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 77, 77, 77, 77, 77, 77,
    77,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 77, 77, 77, 77, 63,
    77, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 77, 77, 77, 77, 77
};


size_t
ngx_socketio_base64_encode(u_char *p, u_char *src, size_t len)
{
    size_t  n;

    if (p == NULL) {
        return ngx_socketio_base64_encoded_length(len);
    }

    n = ngx_socketio_base64_write(p, src, len, ngx_socketio_base64_alphabet);

    while (n % 4) {
        p[n++] = '=';
    }

    return n;
}


size_t
ngx_socketio_base64url_encode(u_char *p, u_char *src, size_t len)
{
    if (p == NULL) {
        return ngx_socketio_base64url_encoded_length(len);
    }

    return ngx_socketio_base64_write(p, src, len,
                                     ngx_socketio_base64url_alphabet);
}


static size_t
ngx_socketio_base64_write(u_char *p, u_char *src, size_t len,
    u_char *alphabet)
{
    u_char  *start;

    start = p;

    while (len >= 3) {
        *p++ = alphabet[src[0] >> 2];
        *p++ = alphabet[((src[0] & 0x03) << 4) | (src[1] >> 4)];
        *p++ = alphabet[((src[1] & 0x0f) << 2) | (src[2] >> 6)];
        *p++ = alphabet[src[2] & 0x3f];

        src += 3;
        len -= 3;
    }

    if (len == 1) {
        *p++ = alphabet[src[0] >> 2];
        *p++ = alphabet[(src[0] & 0x03) << 4];

    } else if (len == 2) {
        *p++ = alphabet[src[0] >> 2];
        *p++ = alphabet[((src[0] & 0x03) << 4) | (src[1] >> 4)];
        *p++ = alphabet[(src[1] & 0x0f) << 2];
    }

    return p - start;
}


ngx_int_t
ngx_socketio_base64_decode(u_char *dst, size_t *len, u_char *src,
    u_char *last)
{
    u_char      *start;
    uint32_t     acc;
    ngx_uint_t   bits, digit;

    start = dst;
    acc = 0;
    bits = 0;

    while (src < last) {

        /* Node.js stops at the first padding, wherever it is */

        if (*src == '=') {
            break;
        }

        digit = ngx_socketio_base64_digit(*src++);

        if (digit == NGX_SOCKETIO_BASE64_NONE) {
            continue;
        }

        acc = (acc << 6) | (uint32_t) digit;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            *dst++ = (u_char) (acc >> bits);
            acc &= ((uint32_t) 1 << bits) - 1;
        }
    }

    *len = dst - start;

    return NGX_OK;
}


ngx_int_t
ngx_socketio_base64url_decode(u_char *dst, size_t *len, u_char *src,
    u_char *last)
{
    u_char      *start;
    uint32_t     acc;
    ngx_uint_t   bits, digit;

    start = dst;
    acc = 0;
    bits = 0;

    while (src < last) {

        if (*src == '+' || *src == '/') {
            return NGX_ERROR;
        }

        digit = ngx_socketio_base64_digit(*src++);

        if (digit == NGX_SOCKETIO_BASE64_NONE) {
            return NGX_ERROR;
        }

        acc = (acc << 6) | (uint32_t) digit;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            *dst++ = (u_char) (acc >> bits);
            acc &= ((uint32_t) 1 << bits) - 1;
        }
    }

    /* a single digit left over, or bits that the encoder leaves zero */

    if (bits == 6 || acc != 0) {
        return NGX_ERROR;
    }

    *len = dst - start;

    return NGX_OK;
}


static ngx_uint_t
ngx_socketio_base64_digit(u_char ch)
{
    return ch < 128 ? ngx_socketio_base64_digits[ch]
                    : NGX_SOCKETIO_BASE64_NONE;
}
