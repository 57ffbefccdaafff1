
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_eio_session.h"


#define NGX_SOCKETIO_EIO_LATE    50         /* ms: what a wheel may be late */
#define NGX_SOCKETIO_EIO_ASLEEP  1000       /* ... and what it cannot be */


static ngx_uint_t ngx_socketio_eio_get(ngx_socketio_eio_session_t *s,
    ngx_uint_t pending);
static ngx_uint_t ngx_socketio_eio_post(ngx_socketio_eio_session_t *s);
static ngx_uint_t ngx_socketio_eio_polling_gone(
    ngx_socketio_eio_session_t *s);
static ngx_uint_t ngx_socketio_eio_packet(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, ngx_socketio_eio_event_e event,
    uint64_t now);
static ngx_uint_t ngx_socketio_eio_ping(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, uint64_t now);
static ngx_uint_t ngx_socketio_eio_probe(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_event_e event);
static ngx_uint_t ngx_socketio_eio_kick(ngx_socketio_eio_session_t *s,
    ngx_uint_t reason);
static ngx_uint_t ngx_socketio_eio_time(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, uint64_t now);


static ngx_str_t  ngx_socketio_reasons[] = {
    ngx_string(""),
    ngx_string("transport close"),
    ngx_string("transport error"),
    ngx_string("parse error"),
    ngx_string("ping timeout"),
    ngx_string("forced close"),
    ngx_string("forced server close"),
    ngx_string("client namespace disconnect"),
    ngx_string("server namespace disconnect"),
    ngx_string("server shutting down")
};


ngx_str_t *
ngx_socketio_reason(ngx_uint_t reason)
{
    if (reason >= NGX_SOCKETIO_REASON_LAST) {
        reason = NGX_SOCKETIO_REASON_NONE;
    }

    return &ngx_socketio_reasons[reason];
}


ngx_str_t *
ngx_socketio_eio_reason(ngx_uint_t reason)
{
    switch (reason) {

    case NGX_SOCKETIO_REASON_FORCED_SERVER:
    case NGX_SOCKETIO_REASON_SERVER_NSP:
    case NGX_SOCKETIO_REASON_SHUTDOWN:
        reason = NGX_SOCKETIO_REASON_FORCED;
        break;

    default:
        break;
    }

    return ngx_socketio_reason(reason);
}


void
ngx_socketio_eio_begin(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, ngx_uint_t revision, ngx_uint_t transport,
    uint64_t now)
{
    ngx_memzero(s, sizeof(ngx_socketio_eio_session_t));

    s->transport = (uint8_t) transport;

    ngx_socketio_eio_beat_begin(&s->beat, conf, revision, now);
}


ngx_uint_t
ngx_socketio_eio_step(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, ngx_socketio_eio_event_e event,
    uint64_t now)
{
    switch (event) {

    case NGX_SOCKETIO_EIO_EV_GET:
    case NGX_SOCKETIO_EIO_EV_GET_PENDING:
        return ngx_socketio_eio_get(s,
                                    event == NGX_SOCKETIO_EIO_EV_GET_PENDING);

    case NGX_SOCKETIO_EIO_EV_GET_GONE:
        s->get = 0;
        return ngx_socketio_eio_polling_gone(s);

    case NGX_SOCKETIO_EIO_EV_POST:
        return ngx_socketio_eio_post(s);

    case NGX_SOCKETIO_EIO_EV_POST_DONE:
        s->post = 0;
        return 0;

    case NGX_SOCKETIO_EIO_EV_POST_GONE:
    case NGX_SOCKETIO_EIO_EV_POST_BAD:
        s->post = 0;
        return ngx_socketio_eio_polling_gone(s);

    case NGX_SOCKETIO_EIO_EV_PARSE_ERROR:
        return ngx_socketio_eio_end(s, NGX_SOCKETIO_REASON_PARSE_ERROR);

    case NGX_SOCKETIO_EIO_EV_BAD_PACKET:
        return ngx_socketio_eio_kick(s, NGX_SOCKETIO_REASON_FORCED);

    case NGX_SOCKETIO_EIO_EV_BAD_STATE:
        return ngx_socketio_eio_kick(s, NGX_SOCKETIO_REASON_FORCED_SERVER);

    case NGX_SOCKETIO_EIO_EV_CLOSE:
    case NGX_SOCKETIO_EIO_EV_PING:
    case NGX_SOCKETIO_EIO_EV_PONG:
    case NGX_SOCKETIO_EIO_EV_MESSAGE:
        return ngx_socketio_eio_packet(s, conf, event, now);

    case NGX_SOCKETIO_EIO_EV_PROBE_OPEN:
    case NGX_SOCKETIO_EIO_EV_PROBE_PING:
    case NGX_SOCKETIO_EIO_EV_PROBE_UPGRADE:
    case NGX_SOCKETIO_EIO_EV_PROBE_LOST:
        return ngx_socketio_eio_probe(s, event);

    case NGX_SOCKETIO_EIO_EV_WS_CLOSE:
        return ngx_socketio_eio_end(s, NGX_SOCKETIO_REASON_TRANSPORT_CLOSE);

    case NGX_SOCKETIO_EIO_EV_WS_ERROR:
        return ngx_socketio_eio_end(s, NGX_SOCKETIO_REASON_TRANSPORT_ERROR);

    case NGX_SOCKETIO_EIO_EV_KICK:
        return ngx_socketio_eio_kick(s, NGX_SOCKETIO_REASON_SERVER_NSP);

    case NGX_SOCKETIO_EIO_EV_TIME:
        return ngx_socketio_eio_time(s, conf, now);
    }

    return 0;
}


ngx_uint_t
ngx_socketio_eio_end(ngx_socketio_eio_session_t *s, ngx_uint_t reason)
{
    ngx_uint_t  actions;

    if (s->state == NGX_SOCKETIO_EIO_CLOSED) {
        return 0;
    }

    actions = NGX_SOCKETIO_EIO_FORGET;

    if (s->state == NGX_SOCKETIO_EIO_OPENED) {
        s->reason = (uint8_t) reason;
        actions |= NGX_SOCKETIO_EIO_END;
    }

    s->state = NGX_SOCKETIO_EIO_CLOSED;

    if (s->get) {
        actions |= NGX_SOCKETIO_EIO_RING_GET;
    }

    if (s->post) {
        actions |= NGX_SOCKETIO_EIO_RING_POST;
    }

    if (s->probe || s->transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        actions |= NGX_SOCKETIO_EIO_RING_WS;
    }

    return actions;
}


static ngx_uint_t
ngx_socketio_eio_get(ngx_socketio_eio_session_t *s, ngx_uint_t pending)
{
    if (s->transport != NGX_SOCKETIO_EIO_POLLING) {
        return NGX_SOCKETIO_EIO_REFUSE;
    }

    if (s->get) {
        /* a second GET: both end, and so does the session (engine.io, 6) */
        return NGX_SOCKETIO_EIO_REFUSE_EMPTY
               |ngx_socketio_eio_end(s, NGX_SOCKETIO_REASON_TRANSPORT_ERROR);
    }

    if (pending || s->ping || s->state != NGX_SOCKETIO_EIO_OPENED) {
        return NGX_SOCKETIO_EIO_ANSWER;
    }

    s->get = 1;

    /* a client that upgrades finishes its GET first: it must not wait long */

    return s->probe ? NGX_SOCKETIO_EIO_PARK_SHORT : NGX_SOCKETIO_EIO_PARK;
}


static ngx_uint_t
ngx_socketio_eio_post(ngx_socketio_eio_session_t *s)
{
    if (s->transport != NGX_SOCKETIO_EIO_POLLING) {
        return NGX_SOCKETIO_EIO_REFUSE;
    }

    if (s->post) {
        return NGX_SOCKETIO_EIO_REFUSE_EMPTY
               |ngx_socketio_eio_end(s, NGX_SOCKETIO_REASON_TRANSPORT_ERROR);
    }

    s->post = 1;

    return NGX_SOCKETIO_EIO_ACCEPT;
}


/* after the upgrade what is left of polling does not matter any more */

static ngx_uint_t
ngx_socketio_eio_polling_gone(ngx_socketio_eio_session_t *s)
{
    if (s->transport != NGX_SOCKETIO_EIO_POLLING) {
        return 0;
    }

    return ngx_socketio_eio_end(s, NGX_SOCKETIO_REASON_TRANSPORT_ERROR);
}


static ngx_uint_t
ngx_socketio_eio_packet(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, ngx_socketio_eio_event_e event,
    uint64_t now)
{
    if (s->state != NGX_SOCKETIO_EIO_OPENED) {
        return 0;
    }

    switch (event) {

    case NGX_SOCKETIO_EIO_EV_CLOSE:

        if (s->transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
            /* clients close the websocket instead (engine.io, 5) */
            return 0;
        }

        s->polite = 1;
        return ngx_socketio_eio_end(s, NGX_SOCKETIO_REASON_TRANSPORT_CLOSE);

    case NGX_SOCKETIO_EIO_EV_PING:
        return ngx_socketio_eio_ping(s, conf, now);

    case NGX_SOCKETIO_EIO_EV_PONG:

        if (s->beat.revision != 3) {
            s->ping = 0;
        }

        ngx_socketio_eio_pong(&s->beat, conf, now);
        return 0;

    default: /* NGX_SOCKETIO_EIO_EV_MESSAGE */
        ngx_socketio_eio_heard(&s->beat, conf, now);
        return NGX_SOCKETIO_EIO_ACCEPT;
    }
}


/* who pings is fixed by the revision (engine.io, 10) */

static ngx_uint_t
ngx_socketio_eio_ping(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, uint64_t now)
{
    if (s->beat.revision != 3) {
        return ngx_socketio_eio_end(s, NGX_SOCKETIO_REASON_TRANSPORT_ERROR);
    }

    ngx_socketio_eio_heard(&s->beat, conf, now);

    if (s->transport != NGX_SOCKETIO_EIO_POLLING) {
        return 0;
    }

    s->ping = 1;

    return s->get ? NGX_SOCKETIO_EIO_RING_GET : 0;
}


static ngx_uint_t
ngx_socketio_eio_probe(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_event_e event)
{
    ngx_uint_t  actions;

    actions = s->get ? NGX_SOCKETIO_EIO_RING_GET : 0;

    switch (event) {

    case NGX_SOCKETIO_EIO_EV_PROBE_OPEN:

        if (s->state != NGX_SOCKETIO_EIO_OPENED
            || s->transport != NGX_SOCKETIO_EIO_POLLING
            || s->probe)
        {
            return NGX_SOCKETIO_EIO_DROP;
        }

        s->probe = NGX_SOCKETIO_EIO_PROBE_OPENED;
        return NGX_SOCKETIO_EIO_ACCEPT;

    case NGX_SOCKETIO_EIO_EV_PROBE_PING:

        if (s->state == NGX_SOCKETIO_EIO_CLOSED) {
            return NGX_SOCKETIO_EIO_DROP;
        }

        s->probe = NGX_SOCKETIO_EIO_PROBED;
        return NGX_SOCKETIO_EIO_PROBE_PONG|actions;

    case NGX_SOCKETIO_EIO_EV_PROBE_UPGRADE:

        s->probe = NGX_SOCKETIO_EIO_NO_PROBE;

        if (s->state == NGX_SOCKETIO_EIO_CLOSED) {
            return NGX_SOCKETIO_EIO_DROP;
        }

        /* a ping that no GET took goes out on the websocket: s->ping stays */

        s->transport = NGX_SOCKETIO_EIO_WEBSOCKET;
        return NGX_SOCKETIO_EIO_SWITCH|actions;

    default: /* NGX_SOCKETIO_EIO_EV_PROBE_LOST */
        s->probe = NGX_SOCKETIO_EIO_NO_PROBE;
        return NGX_SOCKETIO_EIO_DROP;
    }
}


/*
 * The sockets end at once; what is queued goes out first, then the close.
 * A polling client without a GET may come for it until the caller's deadline.
 */

static ngx_uint_t
ngx_socketio_eio_kick(ngx_socketio_eio_session_t *s, ngx_uint_t reason)
{
    ngx_uint_t  actions;

    if (s->state != NGX_SOCKETIO_EIO_OPENED) {
        return 0;
    }

    s->state = NGX_SOCKETIO_EIO_LINGERS;
    s->reason = (uint8_t) reason;

    actions = NGX_SOCKETIO_EIO_END;

    if (s->get) {
        actions |= NGX_SOCKETIO_EIO_RING_GET;
    }

    if (s->transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        actions |= NGX_SOCKETIO_EIO_RING_WS;
    }

    return actions;
}


static ngx_uint_t
ngx_socketio_eio_time(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, uint64_t now)
{
    uint64_t  due;

    if (s->state != NGX_SOCKETIO_EIO_OPENED
        || s->transport != NGX_SOCKETIO_EIO_POLLING)
    {
        return 0;
    }

    due = s->beat.at;

    switch (ngx_socketio_eio_beat(&s->beat, conf, now)) {

    case NGX_AGAIN:
        s->ping = 1;

        if (now - due < NGX_SOCKETIO_EIO_LATE) {
            /* the wheel's delay: the sum of two would be seen */
            s->beat.at = due + conf->timeout;
        }

        return s->get ? NGX_SOCKETIO_EIO_RING_GET : 0;

    case NGX_DONE:
        return ngx_socketio_eio_end(s, NGX_SOCKETIO_REASON_PING_TIMEOUT);

    default:
        return 0;
    }
}


ngx_socketio_eio_answer_e
ngx_socketio_eio_answer(ngx_socketio_eio_session_t *s, ngx_uint_t pending,
    ngx_uint_t parked, ngx_uint_t *ping)
{
    *ping = 0;

    if (s->state == NGX_SOCKETIO_EIO_CLOSED) {
        s->get = 0;
        return s->polite ? NGX_SOCKETIO_EIO_SEND_NOOP
                         : NGX_SOCKETIO_EIO_SEND_CLOSE;
    }

    if (s->transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        /* parked when "5" came: the outbox belongs to the websocket */
        s->get = 0;
        return NGX_SOCKETIO_EIO_SEND_CLOSE;
    }

    if (pending || (s->ping && s->state == NGX_SOCKETIO_EIO_OPENED)) {
        *ping = s->ping;
        s->ping = 0;
        s->get = 0;
        return NGX_SOCKETIO_EIO_SEND;
    }

    if (s->state == NGX_SOCKETIO_EIO_LINGERS) {
        s->get = 0;
        return parked ? NGX_SOCKETIO_EIO_SEND_CLOSE
                      : NGX_SOCKETIO_EIO_SEND_NOOP_CLOSE;
    }

    if (s->probe == NGX_SOCKETIO_EIO_PROBED) {
        s->get = 0;
        return NGX_SOCKETIO_EIO_SEND_NOOP;
    }

    return NGX_SOCKETIO_EIO_STAY;
}


void
ngx_socketio_eio_beat_begin(ngx_socketio_eio_beat_t *beat,
    ngx_socketio_eio_conf_t *conf, ngx_uint_t revision, uint64_t now)
{
    ngx_memzero(beat, sizeof(ngx_socketio_eio_beat_t));

    beat->revision = (uint8_t) revision;
    beat->at = now + conf->interval + (revision == 3 ? conf->timeout : 0);
}


ngx_int_t
ngx_socketio_eio_beat(ngx_socketio_eio_beat_t *beat,
    ngx_socketio_eio_conf_t *conf, uint64_t now)
{
    uint64_t  grace;

    if (now < beat->at) {
        return NGX_OK;
    }

    if (beat->waiting || beat->revision == 3) {

        grace = ngx_socketio_eio_grace(beat->at, now, conf->timeout);

        if (grace == 0) {
            return NGX_DONE;
        }

        beat->at = now + grace;

        return NGX_OK;
    }

    beat->waiting = 1;
    beat->extended = 0;
    beat->at = now + conf->timeout;

    return NGX_AGAIN;
}


/*
 * An unsolicited pong moves the schedule too (engine.io, 10).  In revision 3
 * it is a packet like any other, where Node's later servers close.
 */

void
ngx_socketio_eio_pong(ngx_socketio_eio_beat_t *beat,
    ngx_socketio_eio_conf_t *conf, uint64_t now)
{
    if (beat->revision == 3) {
        ngx_socketio_eio_heard(beat, conf, now);
        return;
    }

    beat->waiting = 0;
    beat->at = now + conf->interval;
}


/*
 * The first other packet while a pong is awaited restarts its deadline.  Who
 * sends anything in revision 3 is alive, as engine.io 3 had it: version 6
 * counts pings alone, and closes clients in the middle of a long upload.
 */

void
ngx_socketio_eio_heard(ngx_socketio_eio_beat_t *beat,
    ngx_socketio_eio_conf_t *conf, uint64_t now)
{
    if (beat->revision == 3) {
        beat->at = now + conf->interval + conf->timeout;
        return;
    }

    if (beat->waiting && !beat->extended) {
        beat->extended = 1;
        beat->at = now + conf->timeout;
    }
}


uint64_t
ngx_socketio_eio_grace(uint64_t due, uint64_t now, uint64_t most)
{
    if (now < due + NGX_SOCKETIO_EIO_ASLEEP) {
        return 0;
    }

    return (now - due < most) ? now - due : most;
}
