
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The life of a session: any string of events, as callers may make them, of
 * connections that look when they are rung.  What must hold always:
 *
 *   one thing at most is done with a request, and a closed session asks for
 *   nothing but to let go; END and FORGET come once, FORGET last;
 *   s->get is the parked GET, s->post the POST;
 *   who waits and has cause is rung: a parked GET for anything that would
 *   answer it, POST and websocket for the end;
 *   a GET that has been answered may not be answered again.
 */


#include <stdlib.h>

#include "proto/ngx_socketio_eio_session.c"


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        abort();                                                              \
    }

#define REQUEST  (NGX_SOCKETIO_EIO_PARK|NGX_SOCKETIO_EIO_PARK_SHORT           \
                  |NGX_SOCKETIO_EIO_ANSWER|NGX_SOCKETIO_EIO_ACCEPT            \
                  |NGX_SOCKETIO_EIO_REFUSE|NGX_SOCKETIO_EIO_REFUSE_EMPTY      \
                  |NGX_SOCKETIO_EIO_PROBE_PONG|NGX_SOCKETIO_EIO_SWITCH        \
                  |NGX_SOCKETIO_EIO_DROP)


typedef struct {
    ngx_socketio_eio_session_t   s;
    ngx_socketio_eio_conf_t      conf;
    uint64_t                     now;
    ngx_uint_t                   queued;
    ngx_uint_t                   get;       /* parked */
    ngx_uint_t                   rung;      /* and has not looked yet */
    ngx_uint_t                   ends;
    ngx_uint_t                   forgets;
} fuzz_t;


static void fuzz_step(fuzz_t *f, ngx_socketio_eio_event_e event);
static void fuzz_actions(fuzz_t *f, ngx_socketio_eio_event_e event,
    ngx_socketio_eio_session_t *old, ngx_uint_t actions);
static void fuzz_answer(fuzz_t *f, ngx_uint_t parked);
static void fuzz_rung(fuzz_t *f);
static ngx_uint_t fuzz_possible(fuzz_t *f, ngx_socketio_eio_event_e event);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t      i;
    ngx_uint_t  op;
    fuzz_t      f;

    memset(&f, 0, sizeof(f));
    f.conf.interval = 250;
    f.conf.timeout = 200;
    f.now = 1000;

    ngx_socketio_eio_begin(&f.s, &f.conf, size & 2 ? 3 : 4, size & 1, f.now);

    /* the first ping is the server's, or waited for all the longer */

    must(f.s.beat.at == (size & 2 ? 1450 : 1250));
    must(f.s.transport == (size & 1));

    for (i = 0; i < size; i++) {
        op = data[i] & 31;
        f.now += (data[i] >> 5) * 20;

        if (op <= NGX_SOCKETIO_EIO_EV_TIME) {

            if (fuzz_possible(&f, op)) {
                fuzz_step(&f, op);
            }

        } else if (op < 28) {

            if (f.s.state == NGX_SOCKETIO_EIO_OPENED) {

                /* what store/ does: rings for the first that is queued */

                f.queued++;
                f.rung |= f.get && f.queued == 1;
            }

        } else if (f.get && f.rung) {
            fuzz_answer(&f, 1);
        }

        fuzz_rung(&f);
    }

    return 0;
}


/* callers know which of their connections they have */

static ngx_uint_t
fuzz_possible(fuzz_t *f, ngx_socketio_eio_event_e event)
{
    ngx_socketio_eio_session_t  *s;

    s = &f->s;

    switch (event) {

    case NGX_SOCKETIO_EIO_EV_GET:
        return f->forgets == 0 && f->queued == 0;

    case NGX_SOCKETIO_EIO_EV_GET_PENDING:
        return f->forgets == 0 && f->queued;

    case NGX_SOCKETIO_EIO_EV_POST:
    case NGX_SOCKETIO_EIO_EV_PROBE_OPEN:
        return f->forgets == 0;

    case NGX_SOCKETIO_EIO_EV_GET_GONE:
        return f->get;

    case NGX_SOCKETIO_EIO_EV_POST_DONE:
    case NGX_SOCKETIO_EIO_EV_POST_GONE:
    case NGX_SOCKETIO_EIO_EV_POST_BAD:
        return s->post;

    case NGX_SOCKETIO_EIO_EV_PROBE_PING:
    case NGX_SOCKETIO_EIO_EV_PROBE_UPGRADE:
    case NGX_SOCKETIO_EIO_EV_PROBE_LOST:
        return s->probe;

    case NGX_SOCKETIO_EIO_EV_WS_CLOSE:
    case NGX_SOCKETIO_EIO_EV_WS_ERROR:
        return s->transport == NGX_SOCKETIO_EIO_WEBSOCKET;

    default:
        return 1;
    }
}


static void
fuzz_step(fuzz_t *f, ngx_socketio_eio_event_e event)
{
    ngx_uint_t                   actions;
    ngx_socketio_eio_session_t   old;

    old = f->s;

    if (event == NGX_SOCKETIO_EIO_EV_GET_GONE) {
        f->get = 0;
        f->rung = 0;
    }

    actions = ngx_socketio_eio_step(&f->s, &f->conf, event, f->now);

    fuzz_actions(f, event, &old, actions);

    if (actions & (NGX_SOCKETIO_EIO_PARK|NGX_SOCKETIO_EIO_PARK_SHORT)) {
        must(!f->get && f->s.get);
        must(((actions & NGX_SOCKETIO_EIO_PARK_SHORT) != 0)
             == (f->s.probe != 0));
        f->get = 1;
        f->rung = 0;
    }

    if (actions & NGX_SOCKETIO_EIO_RING_GET) {
        must(f->get);
        f->rung = 1;
    }

    if (actions & NGX_SOCKETIO_EIO_ANSWER) {
        must(!f->get);
        fuzz_answer(f, 0);
    }

    must(f->s.get == f->get);
}


static void
fuzz_actions(fuzz_t *f, ngx_socketio_eio_event_e event,
    ngx_socketio_eio_session_t *old, ngx_uint_t actions)
{
    ngx_uint_t                   mine;
    ngx_socketio_eio_session_t  *s;

    s = &f->s;
    mine = actions & REQUEST;

    must((mine & (mine - 1)) == 0);
    must(s->state >= old->state);

    f->ends += (actions & NGX_SOCKETIO_EIO_END) != 0;
    f->forgets += (actions & NGX_SOCKETIO_EIO_FORGET) != 0;

    must(f->ends == (s->state != NGX_SOCKETIO_EIO_OPENED));
    must(f->forgets == (s->state == NGX_SOCKETIO_EIO_CLOSED));
    must((s->reason != 0) == (s->state != NGX_SOCKETIO_EIO_OPENED));
    must(ngx_socketio_reason(s->reason)->len
         == (s->state ? strlen((char *) ngx_socketio_reason(s->reason)->data)
                      : 0));

    if (old->state != NGX_SOCKETIO_EIO_OPENED) {
        must(s->reason == old->reason && s->polite == old->polite);
        must((actions & (NGX_SOCKETIO_EIO_END|NGX_SOCKETIO_EIO_PARK
                         |NGX_SOCKETIO_EIO_PARK_SHORT)) == 0);
    }

    if (old->state == NGX_SOCKETIO_EIO_CLOSED) {
        must((actions & ~NGX_SOCKETIO_EIO_DROP) == 0);
    }

    if (actions & NGX_SOCKETIO_EIO_FORGET) {
        f->queued = 0;

        must(((actions & NGX_SOCKETIO_EIO_RING_GET) != 0) == s->get);
        must(((actions & NGX_SOCKETIO_EIO_RING_POST) != 0) == s->post);
        must(((actions & NGX_SOCKETIO_EIO_RING_WS) != 0)
             == (s->probe || s->transport == NGX_SOCKETIO_EIO_WEBSOCKET));
    }

    if (s->transport != old->transport) {
        must(actions & NGX_SOCKETIO_EIO_SWITCH);
        must(event == NGX_SOCKETIO_EIO_EV_PROBE_UPGRADE);
        must(s->ping == old->ping && !s->probe);
        f->queued = 0;
    }

    /* a message is taken from an open session, and from no other */

    if (event == NGX_SOCKETIO_EIO_EV_MESSAGE) {
        must((actions == NGX_SOCKETIO_EIO_ACCEPT)
             == (old->state == NGX_SOCKETIO_EIO_OPENED));
    }
}


static void
fuzz_answer(fuzz_t *f, ngx_uint_t parked)
{
    ngx_uint_t                   ping;
    ngx_socketio_eio_answer_e    answer;
    ngx_socketio_eio_session_t  *s;

    s = &f->s;
    f->rung = 0;
    answer = ngx_socketio_eio_answer(s, f->queued != 0, parked, &ping);

    must(!ping || answer == NGX_SOCKETIO_EIO_SEND);

    if (answer == NGX_SOCKETIO_EIO_STAY) {
        must(parked && s->get && f->queued == 0 && !s->ping);
        must(s->state == NGX_SOCKETIO_EIO_OPENED);
        return;
    }

    must(!s->get);
    f->get = 0;

    switch (answer) {

    case NGX_SOCKETIO_EIO_SEND:
        must(f->queued || ping);
        must(!s->ping && s->transport == NGX_SOCKETIO_EIO_POLLING);
        f->queued = 0;
        break;

    case NGX_SOCKETIO_EIO_SEND_NOOP:
        must(s->polite || s->probe == NGX_SOCKETIO_EIO_PROBED);
        break;

    default:
        must(s->state != NGX_SOCKETIO_EIO_OPENED
             || s->transport == NGX_SOCKETIO_EIO_WEBSOCKET);
        must((answer == NGX_SOCKETIO_EIO_SEND_NOOP_CLOSE) <= !parked);

        if (s->state == NGX_SOCKETIO_EIO_LINGERS
            && s->transport == NGX_SOCKETIO_EIO_POLLING)
        {
            /* what store/ does: it has got its close packet */
            must((ngx_socketio_eio_end(s, s->reason)
                  & ~NGX_SOCKETIO_EIO_RING_POST & ~NGX_SOCKETIO_EIO_RING_WS)
                 == NGX_SOCKETIO_EIO_FORGET);
            f->forgets++;
            f->queued = 0;
        }
    }
}


/* a parked GET that would be answered, but for a noop, has been rung */

static void
fuzz_rung(fuzz_t *f)
{
    ngx_uint_t                   ping;
    ngx_socketio_eio_answer_e    answer;
    ngx_socketio_eio_session_t   s;

    if (!f->get || f->rung) {
        return;
    }

    s = f->s;
    answer = ngx_socketio_eio_answer(&s, f->queued != 0, 1, &ping);

    must(answer == NGX_SOCKETIO_EIO_STAY
         || (answer == NGX_SOCKETIO_EIO_SEND_NOOP
             && s.probe == NGX_SOCKETIO_EIO_PROBED));
}
