
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Engine.IO: payloads of revision 4, the base64 within, and the encoders
 * with the input as their strings.
 */


#include <stdlib.h>

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_base64.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_json_pick.c"
#include "proto/ngx_socketio_eio.c"


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        abort();                                                              \
    }


static void fuzz_payload(u_char *p, u_char *last);
static void fuzz_base64(u_char *p, size_t len);
static void fuzz_encoders(u_char *p, size_t len);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char  *p;

    p = malloc(size);
    must(p != NULL);

    if (size) {
        memcpy(p, data, size);
    }

    fuzz_payload(p, p + size);
    fuzz_base64(p, size);
    fuzz_encoders(p, size);

    free(p);

    return 0;
}


/* the packets, put together again, are the payload up to the first bad one */

static void
fuzz_payload(u_char *p, u_char *last)
{
    u_char                     *pos, *next;
    ngx_int_t                   rc;
    ngx_socketio_eio_packet_t   pkt;

    pos = p;
    next = p;

    for ( ;; ) {
        rc = ngx_socketio_eio_payload_next(&pos, last, &pkt);

        if (rc != NGX_OK) {
            break;
        }

        must(pkt.data.data == next + 1);
        must(pkt.type <= NGX_SOCKETIO_EIO_NOOP);
        must(*next == (pkt.binary ? 'b' : '0' + pkt.type));
        must(!pkt.binary || pkt.type == NGX_SOCKETIO_EIO_MESSAGE);

        next = pkt.data.data + pkt.data.len;
        must(next <= last);

        if (next < last) {
            must(*next == NGX_SOCKETIO_EIO_SEPARATOR && pos == next + 1);
            next++;

        } else {
            must(pos == NULL);
        }
    }

    if (rc == NGX_DONE) {
        must(next == last && p != last);
        must(last[-1] != NGX_SOCKETIO_EIO_SEPARATOR);
        must(ngx_socketio_eio_payload_next(&pos, last, &pkt) == NGX_DONE);

    } else {
        must(rc == NGX_ERROR);
        must(next == last || memchr("0123456b", *next, 8) == NULL);
    }
}


static void
fuzz_base64(u_char *p, size_t len)
{
    size_t   n, len2, len3;
    u_char  *text, *back;

    /* any bytes, encoded and back */

    n = ngx_socketio_base64_encode(NULL, p, len);
    text = malloc(n);
    back = malloc(ngx_socketio_base64_decoded_length(n));
    must(ngx_socketio_base64_encode(text, p, len) == n);
    must(ngx_socketio_base64_decode(back, &len2, text, text + n) == NGX_OK);
    must(len2 == len && memcmp(back, p, len) == 0);
    free(text);
    free(back);

    /* any text, decoded elsewhere and in place */

    back = malloc(ngx_socketio_base64_decoded_length(len));
    text = malloc(len);
    ngx_memcpy(text, p, len);
    must(ngx_socketio_base64_decode(back, &len2, p, p + len) == NGX_OK);
    must(len2 <= ngx_socketio_base64_decoded_length(len));
    must(ngx_socketio_base64_decode(text, &len3, text, text + len) == NGX_OK);
    must(len2 == len3 && memcmp(back, text, len2) == 0);
    free(text);

    /* the strict decoder takes only what the encoder writes */

    if (ngx_socketio_base64url_decode(back, &len2, p, p + len) == NGX_OK) {
        n = ngx_socketio_base64url_encode(NULL, back, len2);
        text = malloc(n);
        must(ngx_socketio_base64url_encode(text, back, len2) == n);
        must(n == len && memcmp(text, p, len) == 0);
        free(text);
    }

    free(back);
}


static void
fuzz_encoders(u_char *p, size_t len)
{
    size_t                    n, len2;
    u_char                   *text;
    uint32_t                  utf8;
    ngx_str_t                 message, path, value;
    ngx_uint_t                code;
    ngx_socketio_eio_open_t   o;

    message.data = p;
    message.len = len;
    code = len % 8;
    utf8 = 0;

    n = ngx_socketio_eio_error_text(NULL, code, &message);
    text = malloc(n);
    must(ngx_socketio_eio_error_text(text, code, &message) == n);

    if (ngx_socketio_utf8_check(&utf8, p, p + len) == NGX_OK && utf8 == 0) {
        must(ngx_socketio_json_check(text, text + n, 1) == NGX_OK);
        ngx_str_set(&path, "message");
        must(ngx_socketio_json_pick(text, text + n, &path, &value) == NGX_OK);
        must(ngx_socketio_json_equal(value.data, value.data + value.len, p,
                                     len));
    }

    free(text);

    memset(&o, 0, sizeof(o));
    ngx_memcpy(&o.ping_interval, p, ngx_min(len, sizeof(o.ping_interval)));
    ngx_memcpy(&o.max_payload, p, ngx_min(len, sizeof(o.max_payload)));
    o.ping_timeout = len;
    o.upgrade = len & 1;
    o.revision3 = (len >> 1) & 1;

    o.sid.len = ngx_socketio_base64url_encode(NULL, p, len);
    o.sid.data = malloc(o.sid.len);
    ngx_socketio_base64url_encode(o.sid.data, p, len);

    n = ngx_socketio_eio_open(NULL, &o);
    text = malloc(n);
    must(ngx_socketio_eio_open(text, &o) == n && text[0] == '0');
    must(ngx_socketio_json_check(text + 1, text + n, 2) == NGX_OK);
    ngx_str_set(&path, "sid");
    must(ngx_socketio_json_pick(text + 1, text + n, &path, &value) == NGX_OK);
    must(ngx_socketio_json_string(text, &len2, value.data,
                                  value.data + value.len)
         == NGX_OK);
    must(len2 == o.sid.len && memcmp(text, o.sid.data, len2) == 0);

    free(o.sid.data);
    free(text);
}
