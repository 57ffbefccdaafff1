
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * permessage-deflate with whatever a client sends.  The first byte of the
 * input: bits 0-1 what the rest is, bits 2-7 a size for all kinds of pieces.
 *
 *   0  offers: others around them must not change what is agreed on
 *   1  a deflated message: the same into buffers of any size, within its
 *      limits, as zlib itself has it, and once more there and back
 *   2  a message: deflated in pieces, and inflated by zlib
 */


#include <stdio.h>
#include <stdlib.h>

#include "proto/ngx_socketio_ws_deflate.c"


#define MAX  200000


#define check(good)                                                           \
    if (!(good)) {                                                            \
        fprintf(stderr, "line %d: %s\n", __LINE__, #good);                    \
        abort();                                                              \
    }


static ngx_socketio_ws_inflate_t  inf;
static ngx_socketio_ws_deflate_t  def[NGX_SOCKETIO_WS_WINDOW_MAX + 1];


/* "before", the offers, "after", in memory of that size */

static ngx_int_t
negotiate(const char *before, const uint8_t *p, size_t len,
    const char *after, ngx_uint_t window, char *text)
{
    u_char      answer[NGX_SOCKETIO_WS_DEFLATE_ANSWER];
    ngx_int_t   rc;
    ngx_str_t   offers, got;

    offers.len = strlen(before) + len + strlen(after);
    offers.data = malloc(offers.len);

    memcpy(offers.data, before, strlen(before));
    memcpy(offers.data + strlen(before), p, len);
    memcpy(offers.data + strlen(before) + len, after, strlen(after));

    got.data = answer;
    got.len = 0;

    rc = ngx_socketio_ws_deflate_negotiate(&offers, window, &got);

    check(rc == NGX_OK || rc == NGX_DECLINED || rc == NGX_ERROR);
    check(got.len < sizeof(answer));
    check(rc != NGX_OK || got.len >= 18);

    memcpy(text, answer, got.len);
    text[got.len] = '\0';

    free(offers.data);

    return rc;
}


static void
fuzz_offers(const uint8_t *p, size_t len, unsigned how)
{
    char        one[128], two[128];
    ngx_int_t   rc;
    ngx_uint_t  window;

    window = NGX_SOCKETIO_WS_WINDOW_MIN + how % 7;

    rc = negotiate("", p, len, "", window, one);

    check(negotiate("x; y=\"\\\", permessage-deflate\", ,", p, len, "\t,",
                    window, two) == rc);
    check(rc != NGX_OK || strcmp(one, two) == 0);

    check(negotiate("permessage-deflate; x, ", p, len, ", z", window, two)
          == rc);
    check(rc != NGX_OK || strcmp(one, two) == 0);

    if (rc == NGX_OK) {

        /* what we answer could be offered, and is the same then */

        check(strncmp(one, "permessage-deflate; server_no_", 30) == 0);
        check(negotiate("", (uint8_t *) one, strlen(one), "", window, two)
              == NGX_OK);
        check(strcmp(one, two) == 0);

    } else if (rc == NGX_DECLINED) {
        check(negotiate("", p, len, ", permessage-deflate", window, two)
              == NGX_OK);
    }
}


/* into buffers that grow by "step"; the result is the caller's to free */

static ngx_int_t
inflate_by(const uint8_t *p, size_t len, size_t max, size_t step,
    u_char **out, size_t *n)
{
    u_char     *pos, *grown;
    size_t      size;
    ngx_int_t   rc;
    ngx_str_t   payload;

    payload.data = malloc(len);
    payload.len = len;
    memcpy(payload.data, p, len);

    size = ngx_min(step, max);
    *out = malloc(size);
    pos = *out;

    ngx_socketio_ws_inflate_begin(&inf, &payload, max);

    for ( ;; ) {
        rc = ngx_socketio_ws_inflate(&inf, &pos, *out + size);
        *n = pos - *out;

        check(*n <= size);

        if (rc != NGX_AGAIN) {
            break;
        }

        check(*n == size && size < max);

        size = ngx_min(size + step, max);
        grown = malloc(size);
        memcpy(grown, *out, *n);
        free(*out);
        *out = grown;
        pos = grown + *n;
    }

    check(rc == NGX_OK || rc == NGX_DECLINED || rc == NGX_ABORT);

    free(payload.data);

    return rc;
}


/* payload and tail in one piece, and a new stream behind each final block */

static void
zlib_agrees(const uint8_t *p, size_t len, int window, u_char *want,
    size_t wanted)
{
    int       rc;
    u_char   *in, *out;
    z_stream  z;

    in = malloc(len + 4);
    memcpy(in, p, len);
    memcpy(in + len, "\x00\x00\xff\xff", 4);
    out = malloc(wanted + 1);

    memset(&z, 0, sizeof(z));
    check(inflateInit2(&z, -window) == Z_OK);

    z.next_in = in;
    z.avail_in = len + 4;
    z.next_out = out;
    z.avail_out = wanted + 1;

    do {
        rc = inflate(&z, Z_SYNC_FLUSH);
    } while (rc == Z_STREAM_END && z.avail_in && inflateReset(&z) == Z_OK);

    /* the block that the tail ends may be a final one */

    check((rc == Z_OK || rc == Z_STREAM_END) && z.avail_in == 0);
    check(z.next_out == out + wanted && memcmp(out, want, wanted) == 0);

    inflateEnd(&z);
    free(in);
    free(out);
}


static void
fuzz_message(const uint8_t *p, size_t len, unsigned how)
{
    u_char                     *z, *part;
    size_t                      i, n, step, size;
    ngx_int_t                   rc;
    ngx_uint_t                  window;
    ngx_socketio_ws_deflate_t  *d;

    window = NGX_SOCKETIO_WS_WINDOW_MIN + how % 7;
    step = 1 + how * how;
    d = &def[window];

    if (!d->ready) {
        check(ngx_socketio_ws_deflate_init(d, window) == NGX_OK);
    }

    z = malloc(len + NGX_SOCKETIO_WS_DEFLATE_SLACK);

    ngx_socketio_ws_deflate_begin(d, z, len);

    rc = NGX_OK;

    for (i = 0; i < len && rc == NGX_OK; i += n) {
        n = ngx_min(step, len - i);
        part = malloc(n);
        memcpy(part, p + i, n);
        rc = ngx_socketio_ws_deflate_add(d, part, n);
        free(part);
    }

    if (rc == NGX_OK) {
        rc = ngx_socketio_ws_deflate_finish(d, &size);
    }

    check(rc == NGX_OK || rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        check(size < len);
        zlib_agrees(z, size, window, (u_char *) p, len);
    }

    free(z);
}


static void
fuzz_inflate(const uint8_t *p, size_t len, unsigned how)
{
    u_char     *one, *two;
    size_t      n, m, max;
    ngx_int_t   rc;

    max = (how & 1) ? MAX : 1 + how * 8;

    rc = inflate_by(p, len, max, max, &one, &n);

    check(n <= max);
    check(n <= NGX_SOCKETIO_WS_INFLATE_FREE
          || n <= len * NGX_SOCKETIO_WS_INFLATE_RATIO);

    check(inflate_by(p, len, max, max / (1 + how) + 1, &two, &m) == rc);
    check(rc != NGX_OK || (n == m && memcmp(one, two, n) == 0));

    free(two);

    if (rc == NGX_OK) {

        if (len) {
            zlib_agrees(p, len, 15, one, n);
        }

        fuzz_message(one, n, how);
    }

    free(one);
}


int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    unsigned  how;

    if (len == 0) {
        return 0;
    }

    if (!inf.ready) {
        check(ngx_socketio_ws_inflate_init(&inf) == NGX_OK);
    }

    how = bytes[0] >> 2;

    switch (bytes[0] & 3) {
    case 0:
        fuzz_offers(bytes + 1, len - 1, how);
        break;
    case 1:
        fuzz_inflate(bytes + 1, len - 1, how);
        break;
    case 2:
        fuzz_message(bytes + 1, len - 1, how);
        break;
    }

    return 0;
}
