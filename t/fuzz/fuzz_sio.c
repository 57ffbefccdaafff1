
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Socket.IO packets.  The first byte of the input chooses the limits, the
 * rest is the packet.
 */


#include <stdlib.h>

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_json_pick.c"
#include "proto/ngx_socketio_sio.c"


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        abort();                                                              \
    }


static void fuzz_within(ngx_str_t *s, u_char *p, u_char *last);
static void fuzz_packet(ngx_socketio_sio_packet_t *pkt,
    ngx_socketio_sio_limits_t *limits);
static void fuzz_args(ngx_socketio_sio_packet_t *pkt);
static void fuzz_round_trip(ngx_socketio_sio_packet_t *pkt,
    ngx_socketio_sio_limits_t *limits);
static ngx_uint_t fuzz_same(ngx_str_t *a, ngx_str_t *b);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                      len;
    u_char                     *p, *json;
    ngx_int_t                   rc;
    ngx_socketio_sio_packet_t   pkt;
    ngx_socketio_sio_limits_t   limits;

    if (size < 1) {
        return 0;
    }

    limits.revision = (data[0] & 1) ? 5 : 4;
    limits.attachments = data[0] >> 4;
    limits.depth = (data[0] & 2) ? 4 : NGX_SOCKETIO_JSON_MAX_DEPTH;

    len = size - 1;
    p = malloc(len);
    must(p != NULL);

    if (len) {
        memcpy(p, data + 1, len);
    }

    rc = ngx_socketio_sio_parse(&pkt, p, p + len, &limits);
    must(rc == NGX_OK || rc == NGX_ERROR);

    if (rc == NGX_OK) {
        must(pkt.type == (ngx_uint_t) p[0] - '0'
             || (limits.revision == 4
                 && pkt.type + 3 == (ngx_uint_t) p[0] - '0'));

        if (pkt.nsp.len != 1) {
            fuzz_within(&pkt.nsp, p, p + len);
        }

        fuzz_within(&pkt.data, p, p + len);
        fuzz_within(&pkt.event, p, p + len);
        fuzz_within(&pkt.args, p, p + len);

        fuzz_packet(&pkt, &limits);
        fuzz_round_trip(&pkt, &limits);
    }

    /* on any text: bounds only */

    (void) ngx_socketio_sio_placeholders(p, p + len, limits.attachments);
    (void) ngx_socketio_sio_reserved(p, len);

    json = ngx_socketio_sio_json(p, p + len);
    must(json >= p && json <= p + len);

    free(p);

    return 0;
}


static void
fuzz_within(ngx_str_t *s, u_char *p, u_char *last)
{
    if (s->len != 0) {
        must(s->data >= p && s->data + s->len <= last);
    }
}


static void
fuzz_packet(ngx_socketio_sio_packet_t *pkt, ngx_socketio_sio_limits_t *limits)
{
    ngx_uint_t  binary;

    binary = (pkt->type == NGX_SOCKETIO_SIO_BINARY_EVENT
              || pkt->type == NGX_SOCKETIO_SIO_BINARY_ACK);

    must(pkt->type != NGX_SOCKETIO_SIO_CONNECT_ERROR);
    must(binary == (pkt->attachments != 0));
    must(pkt->attachments <= limits->attachments);
    must(pkt->nsp.len != 0 && pkt->nsp.data[0] == '/');
    must(memchr(pkt->nsp.data, ',', pkt->nsp.len) == NULL);
    must(!pkt->has_id || pkt->id <= NGX_SOCKETIO_SIO_MAX_ID);

    if (pkt->data.len != 0) {
        must(ngx_socketio_json_check(pkt->data.data,
                                     pkt->data.data + pkt->data.len,
                                     limits->depth)
             == NGX_OK);
        must(ngx_socketio_json_skip(pkt->data.data,
                                    pkt->data.data + pkt->data.len)
             == pkt->data.data + pkt->data.len);
    }

    switch (pkt->type) {

    case NGX_SOCKETIO_SIO_CONNECT:
        must(limits->revision == 4 || pkt->data.len == 0
             || pkt->data.data[0] == '{');
        break;

    case NGX_SOCKETIO_SIO_DISCONNECT:
        must(pkt->data.len == 0);
        break;

    default:
        fuzz_args(pkt);
        break;
    }
}


/* "[" event "," args "]" is the data again, but for white space */

static void
fuzz_args(ngx_socketio_sio_packet_t *pkt)
{
    size_t      len;
    u_char     *text, *p;
    ngx_str_t   path, value;
    ngx_uint_t  is_event;

    is_event = (pkt->type == NGX_SOCKETIO_SIO_EVENT
                || pkt->type == NGX_SOCKETIO_SIO_BINARY_EVENT);

    must(is_event == (pkt->event.len != 0));
    must(is_event || pkt->has_id);

    text = malloc(pkt->event.len + pkt->args.len + 3);
    p = text;
    *p++ = '[';

    if (pkt->args.len) {
        p = ngx_cpymem(p, pkt->args.data, pkt->args.len);
    }

    *p++ = ']';

    must(ngx_socketio_json_check(text, p, NGX_SOCKETIO_JSON_MAX_DEPTH)
         == NGX_OK);

    if (is_event) {
        ngx_str_set(&path, "0");
        must(ngx_socketio_json_pick(pkt->data.data,
                                    pkt->data.data + pkt->data.len, &path,
                                    &value)
             == NGX_OK);
        must(fuzz_same(&value, &pkt->event));

        if (pkt->event.data[0] == '"') {
            must(ngx_socketio_json_string(text, &len, pkt->event.data,
                                          pkt->event.data + pkt->event.len)
                 == NGX_OK);
        }

        /* the first argument is the second element */

        ngx_str_set(&path, "1");

        if (ngx_socketio_json_pick(pkt->data.data,
                                   pkt->data.data + pkt->data.len, &path,
                                   &value)
            == NGX_OK)
        {
            must(value.data == pkt->args.data);

        } else {
            must(pkt->args.len == 0);
        }
    }

    free(text);
}


static void
fuzz_round_trip(ngx_socketio_sio_packet_t *pkt,
    ngx_socketio_sio_limits_t *limits)
{
    size_t                      len;
    u_char                     *text, *last;
    ngx_socketio_sio_packet_t   again;

    /* servers send no bare number, and it would be read as part of the id */

    if (pkt->data.len && *pkt->data.data >= '0' && *pkt->data.data <= '9') {
        return;
    }

    len = ngx_socketio_sio_header(NULL, pkt->type, pkt->attachments,
                                  &pkt->nsp, pkt->has_id, pkt->id);
    text = malloc(len + pkt->data.len);
    must(ngx_socketio_sio_header(text, pkt->type, pkt->attachments, &pkt->nsp,
                                 pkt->has_id, pkt->id)
         == len);

    last = text + len;

    if (pkt->data.len) {
        last = ngx_cpymem(last, pkt->data.data, pkt->data.len);
    }

    must(ngx_socketio_sio_parse(&again, text, last, limits) == NGX_OK);
    must(again.type == pkt->type && again.attachments == pkt->attachments);
    must(again.has_id == pkt->has_id && again.id == pkt->id);
    must(fuzz_same(&again.nsp, &pkt->nsp));
    must(fuzz_same(&again.data, &pkt->data));
    must(fuzz_same(&again.event, &pkt->event));
    must(fuzz_same(&again.args, &pkt->args));

    must(ngx_socketio_sio_json(text, last) == text + len);

    if (pkt->data.len) {
        must(ngx_socketio_sio_placeholders(pkt->data.data,
                                           pkt->data.data + pkt->data.len, 10)
             == ngx_socketio_sio_placeholders(last - pkt->data.len, last, 10));
    }

    free(text);
}


static ngx_uint_t
fuzz_same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}
