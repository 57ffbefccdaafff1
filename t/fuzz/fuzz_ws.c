
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What a client sends after the handshake, whole and in chunks: both must
 * make the same messages, within the limits and the rules of the header file,
 * and text must be UTF-8 by a second opinion.
 *
 * The first byte of the input: bits 0-5 the chunks (see chunk()), bit 6
 * permessage-deflate, bit 7 narrow limits.
 */


#include <stdio.h>
#include <stdlib.h>

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_ws_frame.c"
#include "proto/ngx_socketio_ws_message.c"


typedef struct {
    ngx_socketio_ws_message_t  m;
    ngx_socketio_ws_limits_t   limits;

    u_char                    *log;         /* what is complete */
    size_t                     used;
    size_t                     room;

    u_char                    *data;        /* of the open message */
    size_t                     len;
    size_t                     size;
    ngx_uint_t                 open;
    ngx_uint_t                 fin;

    u_char                     control[NGX_SOCKETIO_WS_CONTROL_MAX];
    size_t                     control_len;
    ngx_uint_t                 control_open;

    ngx_uint_t                 over;
} run_t;


#define check(good)                                                           \
    if (!(good)) {                                                            \
        fprintf(stderr, "line %d: %s\n", __LINE__, #good);                    \
        abort();                                                              \
    }


static void
put(run_t *r, const void *p, size_t len)
{
    check(len <= r->room - r->used);

    if (len) {
        memcpy(r->log + r->used, p, len);
        r->used += len;
    }
}


static void
put_event(run_t *r, ngx_uint_t type, ngx_uint_t code, u_char *p, size_t len)
{
    uint32_t  head[4];

    head[0] = type;
    head[1] = code;
    head[2] = len;

    /* spans before the bad byte of a text are only seen if chunks end there */

    head[3] = (r->open && type) ? r->len : 0xffffffff;

    put(r, head, sizeof(head));
    put(r, p, len);
}


/* by decoding and encoding back, unlike the code examined */

static int
is_utf8(u_char *p, size_t len)
{
    size_t    i, k, n;
    uint32_t  c;

    for (i = 0; i < len; i += n) {
        c = p[i];
        n = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3
            : c < 0xf8 ? 4 : 0;

        if (n == 0 || n > len - i) {
            return 0;
        }

        if (n > 1) {
            c &= 0x7f >> n;
        }

        for (k = 1; k < n; k++) {
            if (p[i + k] >> 6 != 2) {
                return 0;
            }

            c = c << 6 | (p[i + k] & 0x3f);
        }

        k = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

        if (k != n || c > 0x10ffff || c >> 11 == 0xd800 >> 11) {
            return 0;
        }
    }

    return 1;
}


static void
on_data(run_t *r, ngx_socketio_ws_event_t *ev)
{
    size_t  limit;

    limit = ngx_socketio_ws_message_limit(&r->limits, ev->compressed);

    check(ev->opcode == NGX_SOCKETIO_WS_TEXT
          || ev->opcode == NGX_SOCKETIO_WS_BINARY);
    check(!ev->compressed || r->limits.rsv1);
    check(ev->first == !r->open);
    check(ev->offset == r->len);
    check(ev->size <= limit && ev->size >= r->size);
    check(ev->data.len <= ev->size && ev->offset <= ev->size - ev->data.len);
    check(!r->fin || (ev->fin && ev->size == r->size));
    check(!ev->last || (ev->fin && ev->size == r->len + ev->data.len));
    check(ev->last || ev->data.len);

    memcpy(r->data + r->len, ev->data.data, ev->data.len);

    r->len += ev->data.len;
    r->size = ev->size;
    r->open = 1;
    r->fin = ev->fin;

    if (ev->last) {
        check(ev->opcode != NGX_SOCKETIO_WS_TEXT || ev->compressed
              || is_utf8(r->data, r->len));

        put_event(r, ev->opcode, ev->compressed, r->data, r->len);

        r->open = 0;
        r->fin = 0;
        r->len = 0;
        r->size = 0;
    }
}


static void
on_control(run_t *r, ngx_socketio_ws_event_t *ev)
{
    check(ev->opcode >= NGX_SOCKETIO_WS_CLOSE
          && ev->opcode <= NGX_SOCKETIO_WS_PONG);
    check(ev->first == !r->control_open);
    check(ev->offset == r->control_len);
    check(ev->data.len <= sizeof(r->control) - r->control_len);
    check(ev->last == (ev->size == r->control_len + ev->data.len));
    check(ev->last || ev->data.len);

    memcpy(r->control + r->control_len, ev->data.data, ev->data.len);

    r->control_len += ev->data.len;
    r->control_open = 1;

    if (!ev->last) {
        return;
    }

    if (ev->opcode == NGX_SOCKETIO_WS_CLOSE) {
        check(is_utf8(r->control, r->control_len));
        check(ev->code == NGX_SOCKETIO_WS_CLOSE_NO_STATUS
              || ngx_socketio_ws_close_code(ev->code) == NGX_OK);
        r->over = 1;
    }

    put_event(r, ev->opcode, ev->code, r->control, r->control_len);

    r->control_open = 0;
    r->control_len = 0;
}


static void
feed(run_t *r, const uint8_t *bytes, size_t len)
{
    u_char                   *part, *pos, *last, *before;
    ngx_int_t                 rc;
    ngx_socketio_ws_event_t   ev;

    part = malloc(len);
    memcpy(part, bytes, len);

    pos = part;
    last = part + len;

    for ( ;; ) {
        before = pos;

        rc = ngx_socketio_ws_message_next(&r->m, &r->limits, &pos, last, &ev);

        check(r->over == (rc == NGX_DONE));
        check(pos >= before && pos <= last);

        if (rc != NGX_OK) {
            break;
        }

        check(ev.data.data >= before && ev.data.data + ev.data.len == pos);

        if (ev.opcode & NGX_SOCKETIO_WS_CONTROL) {
            on_control(r, &ev);

        } else {
            check(!r->control_open);
            on_data(r, &ev);
        }
    }

    if (rc == NGX_AGAIN) {
        check(pos == last);

    } else if (rc == NGX_DONE) {
        check(pos == before);

    } else {
        check(rc == NGX_ERROR && ev.error != NULL);
        check(ev.code == 1002 || (ev.code >= 1007 && ev.code <= 1009));
        put_event(r, 0, ev.code, NULL, 0);
        r->over = 1;
    }

    free(part);
}


/* 0: whole, 1-47: of that size, 48-63: of changing sizes */

static size_t
chunk(unsigned how, size_t i, size_t left)
{
    size_t  n;

    if (how == 0) {
        return left;
    }

    n = how < 48 ? how : 1 + (i * (how - 46) + i / 3) % (how - 30);

    return ngx_min(n, left);
}


static void
run(run_t *r, const uint8_t *bytes, size_t len, unsigned config, unsigned how)
{
    size_t  n, i, done;

    memset(r, 0, sizeof(run_t));

    r->limits.rsv1 = (config >> 6) & 1;
    r->limits.max_payload = (config >> 7) ? 24 : 100000;
    r->limits.max_fragments = (config >> 7) ? 3 : 50;

    /* an event takes 16 bytes and its payload, and comes of 2 bytes or more */

    r->room = len * 16 + 64;
    r->log = malloc(r->room);
    r->data = malloc(len + 1);

    i = 0;

    for (done = 0; done < len; done += n) {
        n = chunk(how, i++, len - done);
        feed(r, bytes + done, n);
    }

    i = ngx_socketio_ws_message_idle(&r->m);

    check(!i || (!r->open && !r->control_open && !r->over));
    put(r, &i, sizeof(i));
}


int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    run_t  whole, parts;

    if (len == 0) {
        return 0;
    }

    run(&whole, bytes + 1, len - 1, bytes[0], 0);
    run(&parts, bytes + 1, len - 1, bytes[0], bytes[0] & 0x3f);

    check(whole.used == parts.used
          && memcmp(whole.log, parts.log, whole.used) == 0);

    free(whole.log);
    free(whole.data);
    free(parts.log);
    free(parts.data);

    return 0;
}
