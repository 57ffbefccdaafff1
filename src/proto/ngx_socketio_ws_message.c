
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_core.h"
#include "proto/ngx_socketio_utf8.h"
#include "proto/ngx_socketio_ws_frame.h"
#include "proto/ngx_socketio_ws_message.h"


enum {
    sw_header = 0,      /* a zeroed struct is here */
    sw_payload,
    sw_done
};


static ngx_int_t ngx_socketio_ws_message_frame(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_limits_t *limits, ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_socketio_ws_message_frame_control(
    ngx_socketio_ws_message_t *m, ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_socketio_ws_message_frame_data(
    ngx_socketio_ws_message_t *m, ngx_socketio_ws_limits_t *limits,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_socketio_ws_message_span(ngx_socketio_ws_message_t *m,
    u_char **pos, u_char *last, ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_socketio_ws_message_data(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_socketio_ws_message_close(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_socketio_ws_message_control(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_socketio_ws_message_utf8(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_socketio_ws_message_fail(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev, ngx_uint_t code, char *error);


ngx_int_t
ngx_socketio_ws_message_next(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_limits_t *limits, u_char **pos, u_char *last,
    ngx_socketio_ws_event_t *ev)
{
    ngx_int_t  rc;

    for ( ;; ) {

        if (m->state == sw_done) {
            return NGX_DONE;
        }

        if (m->state == sw_header) {
            rc = ngx_socketio_ws_frame_parse(&m->frame, pos, last);

            if (rc == NGX_AGAIN) {
                return NGX_AGAIN;
            }

            if (rc == NGX_ERROR) {
                return ngx_socketio_ws_message_fail(m, ev,
                                             NGX_SOCKETIO_WS_CLOSE_PROTOCOL,
                                             "invalid frame length");
            }

            rc = ngx_socketio_ws_message_frame(m, limits, ev);

            if (rc != NGX_OK) {
                return rc;
            }
        }

        rc = ngx_socketio_ws_message_span(m, pos, last, ev);

        if (rc != NGX_DECLINED) {
            return rc;
        }

        /* a frame that ended with nothing to tell */
    }
}


/* Policy on a complete header, before any of the payload is looked at. */

static ngx_int_t
ngx_socketio_ws_message_frame(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_limits_t *limits, ngx_socketio_ws_event_t *ev)
{
    ngx_uint_t                rsv;
    ngx_socketio_ws_frame_t  *f;

    f = &m->frame;
    rsv = f->rsv;

    /* RFC 7692, section 6: the bit is for the first frame of a data message */

    if (limits->rsv1
        && (f->opcode == NGX_SOCKETIO_WS_TEXT
            || f->opcode == NGX_SOCKETIO_WS_BINARY))
    {
        rsv &= ~NGX_SOCKETIO_WS_FRAME_RSV1;
    }

    if (rsv) {
        return ngx_socketio_ws_message_fail(m, ev,
                                            NGX_SOCKETIO_WS_CLOSE_PROTOCOL,
                                            "reserved bits set");
    }

    /* section 5.1 */

    if (!f->masked) {
        return ngx_socketio_ws_message_fail(m, ev,
                                            NGX_SOCKETIO_WS_CLOSE_PROTOCOL,
                                            "frame not masked");
    }

    m->rest = f->length;
    m->state = sw_payload;

    if (f->opcode & NGX_SOCKETIO_WS_CONTROL) {
        return ngx_socketio_ws_message_frame_control(m, ev);
    }

    return ngx_socketio_ws_message_frame_data(m, limits, ev);
}


static ngx_int_t
ngx_socketio_ws_message_frame_control(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev)
{
    char                     *error;
    ngx_socketio_ws_frame_t  *f;

    f = &m->frame;

    if (f->opcode > NGX_SOCKETIO_WS_PONG) {
        error = "reserved opcode";

    } else if (!f->fin) {
        error = "fragmented control frame";

    } else if (f->length > NGX_SOCKETIO_WS_CONTROL_MAX) {
        error = "control frame too long";

    } else if (f->opcode == NGX_SOCKETIO_WS_CLOSE && f->length == 1) {
        error = "close frame with half a code";

    } else {
        m->control = 0;

        if (f->opcode == NGX_SOCKETIO_WS_CLOSE) {
            /* no message goes on after it: utf8 is free to serve the reason */
            m->utf8 = 0;
            m->code = f->length ? 0 : NGX_SOCKETIO_WS_CLOSE_NO_STATUS;
        }

        return NGX_OK;
    }

    return ngx_socketio_ws_message_fail(m, ev, NGX_SOCKETIO_WS_CLOSE_PROTOCOL,
                                        error);
}


static ngx_int_t
ngx_socketio_ws_message_frame_data(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_limits_t *limits, ngx_socketio_ws_event_t *ev)
{
    char                     *error;
    size_t                    limit;
    ngx_socketio_ws_frame_t  *f;

    f = &m->frame;
    error = NULL;

    if (f->opcode > NGX_SOCKETIO_WS_BINARY) {
        error = "reserved opcode";

    } else if (f->opcode == NGX_SOCKETIO_WS_CONTINUATION) {

        if (m->opcode == 0) {
            error = "continuation of no message";
        }

    } else if (m->opcode) {
        error = "new message inside a fragmented one";

    } else {
        m->opcode = f->opcode;
        m->compressed = f->rsv ? 1 : 0;
        m->started = 0;
        m->utf8 = 0;
        m->size = 0;
        m->fragments = 0;
    }

    if (error) {
        return ngx_socketio_ws_message_fail(m, ev,
                                            NGX_SOCKETIO_WS_CLOSE_PROTOCOL,
                                            error);
    }

    /* empty ones count, else a message could go on for ever */

    if (m->fragments >= limits->max_fragments) {
        return ngx_socketio_ws_message_fail(m, ev,
                                            NGX_SOCKETIO_WS_CLOSE_POLICY,
                                            "too many fragments");
    }

    limit = ngx_socketio_ws_message_limit(limits, m->compressed);

    if (f->length > limit || m->size > limit - f->length) {
        return ngx_socketio_ws_message_fail(m, ev,
                                            NGX_SOCKETIO_WS_CLOSE_TOO_BIG,
                                            "message too big");
    }

    m->fragments++;
    m->size += (size_t) f->length;

    return NGX_OK;
}


/*
 * Takes what there is of the frame's payload.  NGX_DECLINED: the frame is
 * over and makes no event.
 */

static ngx_int_t
ngx_socketio_ws_message_span(ngx_socketio_ws_message_t *m, u_char **pos,
    u_char *last, ngx_socketio_ws_event_t *ev)
{
    size_t  n;

    n = last - *pos;

    if (m->rest == 0) {
        n = 0;

    } else if (n == 0) {
        return NGX_AGAIN;

    } else if (m->rest < n) {
        n = (size_t) m->rest;
    }

    ngx_memzero(ev, sizeof(ngx_socketio_ws_event_t));

    ev->data.data = *pos;
    ev->data.len = n;
    ev->offset = (size_t) (m->frame.length - m->rest);

    ngx_socketio_ws_unmask(*pos, *pos, n, m->frame.mask, ev->offset);

    *pos += n;
    m->rest -= n;

    ev->fin = m->frame.fin;

    if (m->rest == 0) {
        m->state = sw_header;
        ev->last = m->frame.fin;
    }

    if (!(m->frame.opcode & NGX_SOCKETIO_WS_CONTROL)) {
        return ngx_socketio_ws_message_data(m, ev);
    }

    ev->opcode = m->frame.opcode;
    ev->size = (size_t) m->frame.length;

    if (ev->opcode == NGX_SOCKETIO_WS_CLOSE) {
        return ngx_socketio_ws_message_close(m, ev);
    }

    return ngx_socketio_ws_message_control(m, ev);
}


static ngx_int_t
ngx_socketio_ws_message_data(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev)
{
    ev->opcode = m->opcode;
    ev->compressed = m->compressed;
    ev->offset += m->size - (size_t) m->frame.length;
    ev->size = m->size;
    ev->fragments = m->fragments;

    if (m->opcode == NGX_SOCKETIO_WS_TEXT
        && !m->compressed
        && ngx_socketio_ws_message_utf8(m, ev) != NGX_OK)
    {
        return ngx_socketio_ws_message_fail(m, ev,
                                            NGX_SOCKETIO_WS_CLOSE_INVALID_DATA,
                                            "text is not UTF-8");
    }

    if (ev->data.len == 0 && !ev->last) {
        return NGX_DECLINED;
    }

    ev->first = !m->started;
    m->started = 1;

    if (ev->last) {
        m->opcode = 0;
    }

    return NGX_OK;
}


/* Section 5.5.1: two bytes of code, then the reason; or nothing at all. */

static ngx_int_t
ngx_socketio_ws_message_close(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev)
{
    while (ev->offset < 2 && ev->data.len) {
        m->code = ((m->code & 0xff) << 8) | *ev->data.data;

        ev->data.data++;
        ev->data.len--;
        ev->offset++;
    }

    if (ev->size) {

        if (ev->offset < 2) {
            return NGX_AGAIN;
        }

        if (ngx_socketio_ws_close_code(m->code) != NGX_OK) {
            return ngx_socketio_ws_message_fail(m, ev,
                                                NGX_SOCKETIO_WS_CLOSE_PROTOCOL,
                                                "invalid close code");
        }

        ev->offset -= 2;
        ev->size -= 2;
    }

    if (ngx_socketio_ws_message_utf8(m, ev) != NGX_OK) {
        return ngx_socketio_ws_message_fail(m, ev,
                                            NGX_SOCKETIO_WS_CLOSE_PROTOCOL,
                                            "close reason is not UTF-8");
    }

    if (ev->data.len == 0 && !ev->last) {
        return NGX_AGAIN;
    }

    if (ev->last) {
        m->state = sw_done;
    }

    ev->code = m->code;

    return ngx_socketio_ws_message_control(m, ev);
}


static ngx_int_t
ngx_socketio_ws_message_control(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev)
{
    ev->first = !m->control;
    m->control = 1;

    return NGX_OK;
}


/* Fails at the first byte that cannot be, and at an end inside a character. */

static ngx_int_t
ngx_socketio_ws_message_utf8(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev)
{
    u_char  *p;

    p = ev->data.data;

    if (ngx_socketio_utf8_check(&m->utf8, p, p + ev->data.len) != NGX_OK) {
        return NGX_ERROR;
    }

    return (ev->last && m->utf8 != 0) ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_socketio_ws_message_fail(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_event_t *ev, ngx_uint_t code, char *error)
{
    m->state = sw_done;

    ngx_memzero(ev, sizeof(ngx_socketio_ws_event_t));

    ev->code = code;
    ev->error = error;

    return NGX_ERROR;
}


size_t
ngx_socketio_ws_message_limit(ngx_socketio_ws_limits_t *limits,
    ngx_uint_t compressed)
{
    size_t  slack;

    if (!compressed) {
        return limits->max_payload;
    }

    /* above what zlib's deflateBound() allows for, at any of its settings */

    slack = limits->max_payload / 4 + 64;

    if (slack > (size_t) -1 - limits->max_payload) {
        return (size_t) -1;
    }

    return limits->max_payload + slack;
}


ngx_int_t
ngx_socketio_ws_close_code(ngx_uint_t code)
{
    /* 1004 has no meaning; 1005, 1006 and 1015 are for the local side only */

    if (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) {
        return NGX_OK;
    }

    /* section 7.4.2: registered, and private use */

    if (code >= 3000 && code <= 4999) {
        return NGX_OK;
    }

    return NGX_ERROR;
}
