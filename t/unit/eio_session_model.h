
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A session as its machine and what is around it: the parked GET, the POST,
 * the websocket, messages that wait, bells that have been rung and not been
 * heard yet.  A move is what one of them may do now, done as the store and the
 * transports do it; afterwards all that must hold always is examined:
 *
 *   one thing at most is done with a request, and a closed session asks for
 *   nothing but to let go; END and FORGET come once, FORGET last;
 *   there is one GET, one POST, and one websocket, which is a probe or the
 *   transport, at most, and the machine knows of them;
 *   who waits and has cause is rung: a parked GET for anything that would
 *   answer it, POST and websocket for the end;
 *   a GET that a probe would keep from ending is rung or parked briefly;
 *   messages go out before the close that the server has decided on;
 *   as long as a session polls another upgrade may succeed;
 *   a client that does nothing times out; in revision 4 one that does
 *   everything but answer pings, too.
 *
 * Whoever includes it defines must(), and includes the machine.
 */


#ifndef _EIO_SESSION_MODEL_H_INCLUDED_
#define _EIO_SESSION_MODEL_H_INCLUDED_


#define MODEL_STEP   50             /* ms */
#define MODEL_BEGIN  1000000        /* ms */

#define MODEL_REQUEST                                                         \
    (NGX_SOCKETIO_EIO_PARK|NGX_SOCKETIO_EIO_PARK_SHORT                        \
     |NGX_SOCKETIO_EIO_ANSWER|NGX_SOCKETIO_EIO_ACCEPT                         \
     |NGX_SOCKETIO_EIO_REFUSE|NGX_SOCKETIO_EIO_REFUSE_EMPTY                   \
     |NGX_SOCKETIO_EIO_PROBE_PONG|NGX_SOCKETIO_EIO_SWITCH                     \
     |NGX_SOCKETIO_EIO_DROP)


enum {
    MODEL_NONE = 0,
    MODEL_PROBE,
    MODEL_WEBSOCKET
};


typedef enum {
    MODEL_GET = 0,
    MODEL_GET_LEAVES,
    MODEL_GET_LOOKS,                /* it has been rung */
    MODEL_GET_BRIEF,                /* its 100 ms are over */
    MODEL_POST,
    MODEL_POST_DONE,
    MODEL_POST_LEAVES,
    MODEL_POST_BAD,
    MODEL_POST_LOOKS,
    MODEL_PARSE_ERROR,              /* packets, by POST or websocket */
    MODEL_BAD_PACKET,
    MODEL_BAD_STATE,
    MODEL_CLOSE,
    MODEL_PING,
    MODEL_PONG,
    MODEL_MESSAGE,
    MODEL_OPEN,                     /* a websocket with this sid */
    MODEL_2PROBE,
    MODEL_5,
    MODEL_WS_CLOSE,                 /* of the probe, too */
    MODEL_WS_ERROR,
    MODEL_WS_LOOKS,
    MODEL_EMIT,
    MODEL_KICK,
    MODEL_TIME,
    MODEL_LINGERED,                 /* nobody came for the close packet */
    MODEL_MOVES
} model_move_e;


static const char  *model_moves[] = {
    "GET", "GET leaves", "GET looks", "100 ms", "POST", "POST done",
    "POST leaves", "POST bad", "POST looks", "parse error", "bad packet",
    "bad state", "1", "2", "3", "4", "websocket", "2probe", "5", "Close",
    "reset", "websocket looks", "emit", "kick", "50 ms", "lingered"
};


typedef struct {
    ngx_socketio_eio_session_t  s;
    uint64_t                    now;

    uint8_t                     queued;
    uint8_t                     get;        /* parked */
    uint8_t                     get_rung;
    uint8_t                     brief;
    uint8_t                     post;
    uint8_t                     post_rung;
    uint8_t                     ws;
    uint8_t                     ws_rung;
    uint8_t                     ends;
    uint8_t                     forgets;
} model_t;


static ngx_socketio_eio_conf_t  model_conf = { 250, 200 };
static ngx_uint_t               model_queue = 2;


static ngx_uint_t model_step(model_t *m, ngx_socketio_eio_event_e event);


static void
model_begin(model_t *m, ngx_uint_t revision, ngx_uint_t transport)
{
    memset(m, 0, sizeof(model_t));

    m->now = MODEL_BEGIN;
    m->ws = transport == NGX_SOCKETIO_EIO_WEBSOCKET ? MODEL_WEBSOCKET
                                                    : MODEL_NONE;

    ngx_socketio_eio_begin(&m->s, &model_conf, revision, transport, m->now);

    /* the first ping is the server's, or waited for all the longer */

    must(m->s.beat.at == m->now + model_conf.interval
                         + (revision == 3 ? model_conf.timeout : 0));
    must(m->s.transport == transport);
}


/* callers know which of their connections they have */

static ngx_uint_t
model_possible(model_t *m, model_move_e move)
{
    ngx_uint_t  opened, known;

    opened = (m->s.state == NGX_SOCKETIO_EIO_OPENED);
    known = (m->s.state != NGX_SOCKETIO_EIO_CLOSED);

    switch (move) {

    case MODEL_GET:
    case MODEL_POST:
    case MODEL_OPEN:
        return known;

    case MODEL_GET_LEAVES:
        return m->get;

    case MODEL_GET_LOOKS:
        return m->get && m->get_rung;

    case MODEL_GET_BRIEF:
        return m->get && m->brief;

    case MODEL_POST_DONE:
    case MODEL_POST_LEAVES:
    case MODEL_POST_BAD:
        return m->post;

    case MODEL_POST_LOOKS:
        return m->post && m->post_rung;

    case MODEL_PARSE_ERROR:
    case MODEL_BAD_PACKET:
    case MODEL_BAD_STATE:
    case MODEL_CLOSE:
    case MODEL_PING:
    case MODEL_PONG:
    case MODEL_MESSAGE:
        return m->post || m->ws == MODEL_WEBSOCKET;

    case MODEL_2PROBE:
    case MODEL_5:
        return m->ws == MODEL_PROBE;

    case MODEL_WS_CLOSE:
    case MODEL_WS_ERROR:
        return m->ws;

    case MODEL_WS_LOOKS:
        return m->ws && m->ws_rung;

    case MODEL_EMIT:
        return opened && m->queued < model_queue;

    case MODEL_LINGERED:
        return known && !opened;

    default:
        return 1;
    }
}


/* END and FORGET are done, bells rung */

static void
model_act(model_t *m, ngx_uint_t actions)
{
    ngx_socketio_eio_session_t  *s;

    s = &m->s;

    m->ends += (actions & NGX_SOCKETIO_EIO_END) != 0;
    m->forgets += (actions & NGX_SOCKETIO_EIO_FORGET) != 0;

    must(m->ends == (s->state != NGX_SOCKETIO_EIO_OPENED));
    must(m->forgets == (s->state == NGX_SOCKETIO_EIO_CLOSED));

    if (actions & NGX_SOCKETIO_EIO_FORGET) {
        m->queued = 0;
    }

    if (actions & NGX_SOCKETIO_EIO_RING_GET) {
        must(m->get);
        m->get_rung = 1;
    }

    if (actions & NGX_SOCKETIO_EIO_RING_POST) {
        must(m->post);
        m->post_rung = 1;
    }

    /* one that has just gone is rung by nobody */

    if ((actions & NGX_SOCKETIO_EIO_RING_WS) && m->ws) {
        m->ws_rung = 1;
    }
}


static ngx_uint_t
model_step(model_t *m, ngx_socketio_eio_event_e event)
{
    ngx_uint_t                   actions, mine;
    ngx_socketio_eio_session_t  *s, old;

    s = &m->s;
    old = *s;

    actions = ngx_socketio_eio_step(s, &model_conf, event, m->now);
    mine = actions & MODEL_REQUEST;

    must((mine & (mine - 1)) == 0);
    must(s->state >= old.state);

    if (old.state != NGX_SOCKETIO_EIO_OPENED) {
        must(s->reason == old.reason && s->polite == old.polite);
        must((actions & (NGX_SOCKETIO_EIO_END|NGX_SOCKETIO_EIO_PARK
                         |NGX_SOCKETIO_EIO_PARK_SHORT)) == 0);
    }

    if (old.state == NGX_SOCKETIO_EIO_CLOSED) {
        must((actions & ~NGX_SOCKETIO_EIO_DROP) == 0);
    }

    if (s->transport != old.transport) {
        must(event == NGX_SOCKETIO_EIO_EV_PROBE_UPGRADE);
        must(mine == NGX_SOCKETIO_EIO_SWITCH && s->ping == old.ping);
    }

    /* a message is taken from an open session, and from no other */

    if (event == NGX_SOCKETIO_EIO_EV_MESSAGE) {
        must((actions == NGX_SOCKETIO_EIO_ACCEPT)
             == (old.state == NGX_SOCKETIO_EIO_OPENED));
    }

    model_act(m, actions);

    return mine;
}


/* what store/ answers a GET with; a noop: rather than nothing */

static void
model_answer(model_t *m, ngx_uint_t parked, ngx_uint_t noop)
{
    ngx_uint_t                   ping;
    ngx_socketio_eio_answer_e    answer;
    ngx_socketio_eio_session_t  *s;

    s = &m->s;
    answer = ngx_socketio_eio_answer(s, m->queued != 0, parked, &ping);

    must(!ping || answer == NGX_SOCKETIO_EIO_SEND);

    switch (answer) {

    case NGX_SOCKETIO_EIO_STAY:
        must(parked && s->get && m->queued == 0 && !s->ping);
        must(s->state == NGX_SOCKETIO_EIO_OPENED);

        if (!noop) {
            return;
        }

        s->get = 0;
        break;

    case NGX_SOCKETIO_EIO_SEND:
        must(m->queued || ping);
        must(!s->ping && s->transport == NGX_SOCKETIO_EIO_POLLING);
        m->queued = 0;
        break;

    case NGX_SOCKETIO_EIO_SEND_NOOP:
        must(s->polite || s->probe == NGX_SOCKETIO_EIO_PROBED);
        must(s->polite || s->state == NGX_SOCKETIO_EIO_OPENED);
        break;

    default:
        must(s->state != NGX_SOCKETIO_EIO_OPENED
             || s->transport == NGX_SOCKETIO_EIO_WEBSOCKET);
        must((answer == NGX_SOCKETIO_EIO_SEND_NOOP_CLOSE) <= !parked);

        if (s->state == NGX_SOCKETIO_EIO_LINGERS) {
            must(m->queued == 0);
            model_act(m, ngx_socketio_eio_end(s, s->reason));
        }
    }

    must(!s->get);

    m->get = 0;
    m->get_rung = 0;
    m->brief = 0;
}


/* a request that is not taken: too late, or the second of its kind */

static void
model_refused(model_t *m, ngx_uint_t mine, ngx_uint_t second)
{
    if (mine == NGX_SOCKETIO_EIO_REFUSE) {
        must(m->s.transport == NGX_SOCKETIO_EIO_WEBSOCKET);
        return;
    }

    must(mine == NGX_SOCKETIO_EIO_REFUSE_EMPTY && second);
    must(m->s.state == NGX_SOCKETIO_EIO_CLOSED);
}


static void
model_get(model_t *m)
{
    ngx_uint_t  mine, second;

    second = m->get;

    /* before the step: model_act() believes in a GET that is parked only */

    mine = model_step(m, m->queued ? NGX_SOCKETIO_EIO_EV_GET_PENDING
                                   : NGX_SOCKETIO_EIO_EV_GET);

    switch (mine) {

    case NGX_SOCKETIO_EIO_PARK:
    case NGX_SOCKETIO_EIO_PARK_SHORT:
        must(!second && m->s.get && m->queued == 0 && !m->s.ping);
        must((mine == NGX_SOCKETIO_EIO_PARK_SHORT) == (m->s.probe != 0));
        m->get = 1;
        m->get_rung = 0;
        m->brief = (mine == NGX_SOCKETIO_EIO_PARK_SHORT);
        break;

    case NGX_SOCKETIO_EIO_ANSWER:
        must(!second);
        model_answer(m, 0, 0);
        must(!m->s.get);
        break;

    default:
        model_refused(m, mine, second);
    }
}


static void
model_post(model_t *m)
{
    ngx_uint_t  mine, second;

    second = m->post;
    mine = model_step(m, NGX_SOCKETIO_EIO_EV_POST);

    if (mine == NGX_SOCKETIO_EIO_ACCEPT) {
        must(!second);
        m->post = 1;
        m->post_rung = 0;
        return;
    }

    model_refused(m, mine, second);
}


/* as ngx_socketio_websocket_gone() does it */

static void
model_ws_gone(model_t *m, ngx_socketio_eio_event_e event)
{
    m->ws = MODEL_NONE;
    m->ws_rung = 0;

    if (m->s.transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        model_step(m, event);
        must(m->s.state == NGX_SOCKETIO_EIO_CLOSED);
        return;
    }

    must(model_step(m, NGX_SOCKETIO_EIO_EV_PROBE_LOST)
         == NGX_SOCKETIO_EIO_DROP);
}


static void
model_probe(model_t *m, model_move_e move)
{
    ngx_uint_t  mine;

    if (move == MODEL_OPEN) {
        mine = model_step(m, NGX_SOCKETIO_EIO_EV_PROBE_OPEN);

        if (mine == NGX_SOCKETIO_EIO_ACCEPT) {
            must(m->ws == MODEL_NONE);
            must(m->s.state == NGX_SOCKETIO_EIO_OPENED);
            m->ws = MODEL_PROBE;
            return;
        }

        must(mine == NGX_SOCKETIO_EIO_DROP);
        must(m->ws || m->s.state != NGX_SOCKETIO_EIO_OPENED);
        return;
    }

    mine = model_step(m, move == MODEL_5 ? NGX_SOCKETIO_EIO_EV_PROBE_UPGRADE
                                         : NGX_SOCKETIO_EIO_EV_PROBE_PING);

    if (mine == NGX_SOCKETIO_EIO_DROP) {
        must(m->s.state == NGX_SOCKETIO_EIO_CLOSED);
        model_ws_gone(m, NGX_SOCKETIO_EIO_EV_PROBE_LOST);
        return;
    }

    if (mine == NGX_SOCKETIO_EIO_SWITCH) {
        must(move == MODEL_5);

        m->ws = MODEL_WEBSOCKET;
        m->queued = 0;
        m->s.ping = 0;

        /* it looks by itself */
        m->ws_rung = 1;
        return;
    }

    must(mine == NGX_SOCKETIO_EIO_PROBE_PONG && move == MODEL_2PROBE);
}


static void
model_emit(model_t *m)
{
    if (m->s.transport == NGX_SOCKETIO_EIO_POLLING) {

        /* as ngx_socketio_give_locked() does it */

        m->queued++;
        m->get_rung |= (m->get && m->queued == 1);
    }
}


static void
model_do(model_t *m, model_move_e move)
{
    switch (move) {

    case MODEL_GET:
        model_get(m);
        break;

    case MODEL_GET_LEAVES:
        m->get = 0;
        m->get_rung = 0;
        m->brief = 0;
        model_step(m, NGX_SOCKETIO_EIO_EV_GET_GONE);
        break;

    case MODEL_GET_LOOKS:
        m->get_rung = 0;
        model_answer(m, 1, 0);
        break;

    case MODEL_GET_BRIEF:
        model_answer(m, 1, 1);
        break;

    case MODEL_POST:
        model_post(m);
        break;

    case MODEL_POST_DONE:
    case MODEL_POST_LEAVES:
    case MODEL_POST_BAD:
        m->post = 0;
        m->post_rung = 0;
        model_step(m, NGX_SOCKETIO_EIO_EV_POST_DONE + move - MODEL_POST_DONE);
        break;

    case MODEL_POST_LOOKS:
        m->post_rung = 0;
        must(m->s.state == NGX_SOCKETIO_EIO_CLOSED);
        m->post = 0;
        model_step(m, NGX_SOCKETIO_EIO_EV_POST_GONE);
        break;

    case MODEL_PARSE_ERROR:
    case MODEL_BAD_PACKET:
    case MODEL_BAD_STATE:
    case MODEL_CLOSE:
    case MODEL_PING:
    case MODEL_PONG:
    case MODEL_MESSAGE:
        model_step(m, NGX_SOCKETIO_EIO_EV_PARSE_ERROR
                      + move - MODEL_PARSE_ERROR);
        break;

    case MODEL_OPEN:
    case MODEL_2PROBE:
    case MODEL_5:
        model_probe(m, move);
        break;

    case MODEL_WS_CLOSE:
    case MODEL_WS_ERROR:
        model_ws_gone(m, NGX_SOCKETIO_EIO_EV_WS_CLOSE
                         + move - MODEL_WS_CLOSE);
        break;

    case MODEL_WS_LOOKS:
        m->ws_rung = 0;

        if (m->s.state != NGX_SOCKETIO_EIO_OPENED) {
            model_ws_gone(m, NGX_SOCKETIO_EIO_EV_WS_CLOSE);
        }

        break;

    case MODEL_EMIT:
        model_emit(m);
        break;

    case MODEL_KICK:
        model_step(m, NGX_SOCKETIO_EIO_EV_KICK);
        break;

    case MODEL_TIME:
        m->now += MODEL_STEP;
        model_step(m, NGX_SOCKETIO_EIO_EV_TIME);
        break;

    default: /* MODEL_LINGERED */
        model_act(m, ngx_socketio_eio_end(&m->s,
                                       NGX_SOCKETIO_REASON_FORCED_SERVER));
    }
}


/* what must hold now */

static void
model_check(model_t *m)
{
    ngx_uint_t                   opened, closed;
    ngx_socketio_eio_session_t  *s;

    s = &m->s;
    opened = (s->state == NGX_SOCKETIO_EIO_OPENED);
    closed = (s->state == NGX_SOCKETIO_EIO_CLOSED);

    must(s->get == m->get && s->post == m->post);
    must((s->reason != 0) == !opened);
    must(s->polite <= closed);
    must((ngx_socketio_reason(s->reason)->len != 0) == !opened);

    if (!closed) {
        must((s->probe != 0) == (m->ws == MODEL_PROBE));
        must((s->transport == NGX_SOCKETIO_EIO_WEBSOCKET)
             == (m->ws == MODEL_WEBSOCKET));
    }

    must(s->transport == NGX_SOCKETIO_EIO_POLLING
         || (s->probe == 0 && m->queued == 0 && s->ping == 0));

    /* nobody is forgotten */

    if (closed) {
        must(!m->get || m->get_rung);
        must(!m->post || m->post_rung);
        must(!m->ws || m->ws_rung);
        return;
    }

    if (m->get) {
        must(m->get_rung || (opened && m->queued == 0 && s->ping == 0));
        must(m->get_rung || s->transport == NGX_SOCKETIO_EIO_POLLING);
        must(m->get_rung || m->brief
             || s->probe != NGX_SOCKETIO_EIO_PROBED);
    }

    must(opened || m->ws != MODEL_WEBSOCKET || m->ws_rung);
}


/* what must be possible, or come, from here */

static void
model_check_future(model_t *now)
{
    model_t     m;
    ngx_uint_t  i, talks;

    if (now->s.state == NGX_SOCKETIO_EIO_CLOSED) {

        m = *now;

        for (i = MODEL_GET_LOOKS; i <= MODEL_WS_LOOKS; i++) {
            if ((i == MODEL_GET_LOOKS || i == MODEL_POST_LOOKS
                 || i == MODEL_WS_LOOKS)
                && model_possible(&m, i))
            {
                model_do(&m, i);
            }
        }

        must(!m.get && !m.post && !m.ws);
        return;
    }

    if (now->s.state != NGX_SOCKETIO_EIO_OPENED
        || now->s.transport != NGX_SOCKETIO_EIO_POLLING)
    {
        return;
    }

    m = *now;

    if (m.ws) {
        model_do(&m, MODEL_WS_CLOSE);
        model_check(&m);
    }

    model_do(&m, MODEL_OPEN);
    must(m.ws == MODEL_PROBE);
    model_do(&m, MODEL_2PROBE);
    model_check(&m);
    model_do(&m, MODEL_5);
    must(m.ws == MODEL_WEBSOCKET);
    model_check(&m);

    /* an interval, a timeout that may be extended, the wheel's delay */

    for (talks = 0; talks < 2; talks++) {

        if (talks && now->s.beat.revision == 3) {
            break;
        }

        m = *now;

        for (i = 0; m.s.state == NGX_SOCKETIO_EIO_OPENED; i += MODEL_STEP) {

            if (i > model_conf.interval + 2 * model_conf.timeout + MODEL_STEP)
            {
                must(!"it times out");
                return;
            }

            if (talks) {
                model_step(&m, NGX_SOCKETIO_EIO_EV_MESSAGE);
            }

            model_do(&m, MODEL_TIME);
        }

        must(m.s.reason == NGX_SOCKETIO_REASON_PING_TIMEOUT);
    }
}


#endif /* _EIO_SESSION_MODEL_H_INCLUDED_ */
