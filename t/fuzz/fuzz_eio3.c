
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Engine.IO revision 3: payloads against a decoder that goes byte by byte,
 * packets encoded and decoded again; JSONP; packets in ASCII.  The input is
 * a payload, a script of packets to write, a form, a text to answer with and
 * a packet.
 */


#include <stdlib.h>

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_sio.c"
#include "proto/ngx_socketio_eio3.c"
#include "proto/ngx_socketio_jsonp.c"


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        abort();                                                              \
    }


typedef ngx_int_t (*fuzz_next_pt)(u_char **pos, u_char *last,
    ngx_socketio_eio3_packet_t *pkt);


static void fuzz_payload(u_char *p, u_char *last, ngx_uint_t text);
static u_char *fuzz_entry(u_char *p, u_char *last, ngx_uint_t text,
    u_char **end);
static u_char *fuzz_length(u_char *p, u_char *last, u_char zero, u_char stop,
    uint64_t *len);
static void fuzz_round_trip(u_char *p, u_char *last, ngx_uint_t text);
static u_char *fuzz_packet(u_char *p, u_char *last, ngx_uint_t text,
    ngx_socketio_eio3_packet_t *pkt);
static void fuzz_form(u_char *p, size_t len);
static void fuzz_answer(u_char *p, size_t len);
static void fuzz_ascii(u_char *p, size_t len);
static ngx_uint_t fuzz_utf8(u_char *p, size_t len);
static u_char *fuzz_copy(u_char *p, size_t len);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char      *p;
    ngx_uint_t   text;

    p = fuzz_copy((u_char *) data, size);

    for (text = 0; text < 2; text++) {
        fuzz_payload(p, p + size, text);
        fuzz_round_trip(p, p + size, text);
    }

    fuzz_form(p, size);
    fuzz_answer(p, size);
    fuzz_ascii(p, size);

    free(p);

    return 0;
}


static fuzz_next_pt
fuzz_next(ngx_uint_t text)
{
    return text ? ngx_socketio_eio3_text_next : ngx_socketio_eio3_binary_next;
}


static void
fuzz_payload(u_char *p, u_char *last, ngx_uint_t text)
{
    u_char                      *pos, *at, *data, *end;
    ngx_int_t                    rc;
    ngx_socketio_eio3_packet_t   pkt;

    pos = p;
    at = p;

    for ( ;; ) {
        rc = fuzz_next(text)(&pos, last, &pkt);

        /* a list without packets, unless there is nothing at all */

        do {
            end = at;
            data = fuzz_entry(at, last, text, &end);
            at = end;
        } while (text && data != NULL && data == end);

        if (rc != NGX_OK) {
            break;
        }

        must(data == pkt.data && end == pkt.data + pkt.len && pkt.len != 0);
        must(pos == (end < last ? end : NULL));
    }

    if (rc == NGX_DONE) {
        must(at == last && pos == NULL && (p != last || !text));
        must(fuzz_next(text)(&pos, last, &pkt) == NGX_DONE);

    } else {
        must(rc == NGX_ERROR && data == NULL);
        must(at != last || (p == last && text));
    }
}


/*
 * The data of the entry at p, and its end; NULL if there is none, and *end is
 * as it was
 */

static u_char *
fuzz_entry(u_char *p, u_char *last, ngx_uint_t text, u_char **end)
{
    u_char    *data;
    uint32_t   state;
    uint64_t   len, n;

    if (p == last || (!text && *p > 1)) {
        return NULL;
    }

    data = text ? fuzz_length(p, last, '0', ':', &len)
                : fuzz_length(p + 1, last, 0, 0xff, &len);

    if (data == NULL || (len == 0 && !text)) {
        return NULL;
    }

    if (!text && *p == 1) {

        if (len > (uint64_t) (last - data) || *data > 6) {
            return NULL;
        }

        *end = data + len;

        return data;
    }

    state = 0;
    n = 0;

    for (p = data; n < len || state != 0; p++) {

        if (p == last || n > len
            || ngx_socketio_utf8_check(&state, p, p + 1) != NGX_OK)
        {
            return NULL;
        }

        n += text ? ngx_socketio_utf8_units(p, p + 1) : 1;
    }

    if (n != len) {
        return NULL;
    }

    *end = p;

    return data;
}


static u_char *
fuzz_length(u_char *p, u_char *last, u_char zero, u_char stop, uint64_t *len)
{
    ngx_uint_t  i;

    *len = 0;

    for (i = 0; p < last && *p >= zero && *p <= zero + 9; p++, i++) {

        if (i == 20 || *len > UINT32_MAX) {
            return NULL;
        }

        *len = *len * 10 + (*p - zero);
    }

    return i != 0 && p < last && *p == stop ? p + 1 : NULL;
}


/* packets as the input tells, written and read again */

static void
fuzz_round_trip(u_char *p, u_char *last, ngx_uint_t text)
{
    size_t                       n, len, header;
    u_char                      *body, *at, *pos;
    ngx_socketio_eio3_packet_t   pkt, got;

    body = malloc(1);
    len = 0;

    for (at = p; (at = fuzz_packet(at, last, text, &pkt)) != NULL; ) {

        n = text ? ngx_socketio_utf8_units(pkt.data, pkt.data + pkt.len)
                 : pkt.len;
        header = text ? ngx_socketio_eio3_text_header(NULL, n)
                      : ngx_socketio_eio3_binary_header(NULL, pkt.raw, n);
        must(header <= NGX_SOCKETIO_EIO3_HEADER);

        body = realloc(body, len + header + pkt.len);

        n = text ? ngx_socketio_eio3_text_header(body + len, n)
                 : ngx_socketio_eio3_binary_header(body + len, pkt.raw, n);
        must(n == header);

        ngx_memcpy(body + len + header, pkt.data, pkt.len);
        len += header + pkt.len;
    }

    pos = len ? body : NULL;

    for (at = p; (at = fuzz_packet(at, last, text, &pkt)) != NULL; ) {
        must(fuzz_next(text)(&pos, body + len, &got) == NGX_OK);
        must(got.raw == pkt.raw && got.len == pkt.len);
        must(memcmp(got.data, pkt.data, pkt.len) == 0);
    }

    must(fuzz_next(text)(&pos, body + len, &got) == NGX_DONE);

    free(body);
}


/* the next packet of the script at p, which ends where NULL is returned */

static u_char *
fuzz_packet(u_char *p, u_char *last, ngx_uint_t text,
    ngx_socketio_eio3_packet_t *pkt)
{
    size_t  len;

    for ( /* void */ ; p < last; p += len) {
        len = *p & 0x3f;
        pkt->raw = !text && *p >= 0x80;
        p++;

        len = ngx_min(len, (size_t) (last - p));

        if (len != 0
            && (pkt->raw ? *p <= 6 : fuzz_utf8(p, len)))
        {
            pkt->data = p;
            pkt->len = len;

            return p + len;
        }
    }

    return NULL;
}


static void
fuzz_form(u_char *p, size_t len)
{
    size_t      i;
    u_char     *form;
    ngx_int_t   rc;
    ngx_str_t   payload;

    form = fuzz_copy(p, len);
    rc = ngx_socketio_jsonp_payload(&payload, form, form + len);

    if (rc == NGX_OK) {
        must(payload.data > form && payload.data <= form + len);
        must(payload.len <= (size_t) (form + len - payload.data));

    } else {
        must(rc == NGX_DECLINED);
    }

    free(form);

    /* any text, percent-encoded: only the backslashes count */

    form = malloc(2 + 3 * len);
    ngx_memcpy(form, "d=", 2);

    for (i = 0; i < len; i++) {
        form[2 + 3 * i] = '%';
        form[3 + 3 * i] = "0123456789abcdef"[p[i] >> 4];
        form[4 + 3 * i] = "0123456789ABCDEF"[p[i] & 0xf];
    }

    must(ngx_socketio_jsonp_payload(&payload, form, form + 2 + 3 * len)
         == NGX_OK);
    must(payload.len <= len);

    if (len == 0 || memchr(p, '\\', len) == NULL) {
        must(payload.len == len && memcmp(payload.data, p, len) == 0);
    }

    free(form);
}


/* in two pieces as in one, and JSON.parse() would have it back */

static void
fuzz_answer(u_char *p, size_t len)
{
    size_t     n, m, cut;
    u_char    *whole, *text, *piece;
    uint32_t   state;

    whole = malloc(NGX_SOCKETIO_JSONP_START + 6 * len
                   + NGX_SOCKETIO_JSONP_END);
    text = malloc(6 * len + NGX_SOCKETIO_JSONP_END);

    n = ngx_socketio_jsonp_start(whole, len);
    state = 0;
    m = ngx_socketio_jsonp_escape(whole + n, &state, p, len);
    m += ngx_socketio_jsonp_end(whole + n + m, &state);
    must(memcmp(whole + n + m - 3, "\");", 3) == 0);

    if (fuzz_utf8(p, len)) {
        must(ngx_socketio_json_check(whole + n - 1, whole + n + m - 2, 0)
             == NGX_OK);
        must(ngx_socketio_json_equal(whole + n - 1, whole + n + m - 2, p,
                                     len));
    }

    cut = len ? *p % len : 0;
    piece = fuzz_copy(p, cut);
    n = ngx_socketio_jsonp_escape(text, &state, piece, cut);
    free(piece);

    n += ngx_socketio_jsonp_escape(text + n, &state, p + cut, len - cut);
    n += ngx_socketio_jsonp_end(text + n, &state);
    must(n == m);
    must(memcmp(text, whole + ngx_socketio_jsonp_start(NULL, len), n) == 0);

    free(whole);
    free(text);
}


/* what stands before the JSON is left alone, the rest is one text in ASCII */

static void
fuzz_ascii(u_char *p, size_t len)
{
    size_t   n;
    u_char  *text, *json, *ascii;

    n = ngx_socketio_eio3_ascii(NULL, p, len);
    text = malloc(n);
    must(ngx_socketio_eio3_ascii(text, p, len) == n);

    if (len == 0 || *p != '4') {
        must(n == len && memcmp(text, p, len) == 0);
        free(text);
        return;
    }

    json = ngx_socketio_sio_json(p + 1, p + len);
    ascii = text + (json - p);

    must(memcmp(text, p, json - p) == 0);
    must(ngx_socketio_utf8_ascii(ascii, text + n) == text + n);
    must(ngx_socketio_sio_json(text + 1, text + n) == ascii);

    if (ngx_socketio_json_check(json, p + len, 8) == NGX_OK) {
        must(ngx_socketio_json_check(ascii, text + n, 8) == NGX_OK);
    }

    free(text);
}


static ngx_uint_t
fuzz_utf8(u_char *p, size_t len)
{
    uint32_t  state;

    state = 0;

    return ngx_socketio_utf8_check(&state, p, p + len) == NGX_OK && state == 0;
}


static u_char *
fuzz_copy(u_char *p, size_t len)
{
    u_char  *copy;

    copy = malloc(len);
    must(copy != NULL);

    if (len) {
        memcpy(copy, p, len);
    }

    return copy;
}
