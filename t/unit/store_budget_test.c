
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What a session may use: how many of an address, how much it may send, and
 * how long what it has begun to send may be incomplete.  Each test says which
 * mistake makes it fail; all of them do if a count is wrong after any hold.
 */


#include "store_case.h"


static ngx_socketio_zone_t  *z = &zones[0];
static ngx_socketio_open_t   opened;
static ngx_msec_t            wait_ms;


static ngx_int_t
open_limited(ngx_socketio_id_t *id, char *address, ngx_uint_t per_ip,
    ngx_uint_t rate, ngx_uint_t burst, size_t bytes)
{
    ngx_memzero(&opened, sizeof(opened));

    ++sids;
    ngx_memcpy(opened.key.sid, &sids, sizeof(sids));
    opened.key.revision = 4;
    opened.interval = 25000;
    opened.timeout = 20000;
    opened.connect_timeout = 45000;
    opened.outbox_max = 10;
    opened.outbox_max_bytes = 100000;
    opened.inbox_max = 10;
    opened.inbox_max_bytes = 100000;
    opened.per_ip = per_ip;
    opened.rate = rate;
    opened.burst = burst;
    opened.bytes_rate = bytes;
    name_of(&opened.address, address);

    return ngx_socketio_open(z, &opened, id, ngx_current_msec);
}


static void
close_session(ngx_socketio_id_t *id)
{
    ngx_socketio_end(z, id, NGX_SOCKETIO_REASON_FORCED, ngx_current_msec);
}


static ngx_int_t
spend(ngx_socketio_id_t *id, size_t bytes)
{
    return ngx_socketio_spend(z, id, bytes, 1000, &wait_ms, ngx_current_msec);
}


static void
later(ngx_msec_t ms)
{
    stub_clock(ngx_current_msec + ms);
}


/* fails if addresses are mixed up, or one that has gone counts on */

static void
test_address(void)
{
    ngx_socketio_id_t  a[3], b;

    begin(50);
    must(ngx_socketio_slot_claim(z, 0) == NGX_OK);

    must(open_limited(&a[0], "\1\2\3\4", 2, 0, 0, 0) == NGX_OK);
    must(open_limited(&a[1], "\1\2\3\4", 2, 0, 0, 0) == NGX_OK);
    ok(open_limited(&a[2], "\1\2\3\4", 2, 0, 0, 0) == NGX_DECLINED
       && z->sh->stats.full == 0,
       "a third session of an address");
    ok(open_limited(&b, "\1\2\3\5", 2, 0, 0, 0) == NGX_OK,
       "one of another address");
    ok(open_limited(&a[2], "\1\2\3\4", 3, 0, 0, 0) == NGX_OK,
       "a location that allows more counts the same ones");
    ok(spend(&b, 10000) == NGX_OK && spend(&b, 10000) == NGX_OK,
       "without a rate nothing is charged");

    close_session(&a[0]);
    close_session(&a[1]);
    ok(open_limited(&a[0], "\1\2\3\4", 2, 0, 0, 0) == NGX_OK,
       "who has gone does not count");

    ok(end(), "nothing is left");
}


/* fails if a session is forgotten while its end waits for the backend */

static void
test_address_waits(void)
{
    ngx_socketio_id_t        a, b;
    ngx_socketio_session_t  *session;

    begin(50);
    must(ngx_socketio_slot_claim(z, 0) == NGX_OK);

    must(open_limited(&a, "", 1, 0, 0, 0) == NGX_OK);
    session = ngx_socketio_rec(z, a.ref);
    session->hooked = 1;
    connect_socket(z, &a, "/", NULL);
    close_session(&a);

    ok(open_limited(&b, "", 1, 0, 0, 0) == NGX_DECLINED,
       "a closed one that the backend has not heard of");

    must(ngx_socketio_inbox_done(z, &owned_id, owned_tenure, 9) == NGX_OK);
    ok(open_limited(&b, "", 1, 0, 0, 0) == NGX_OK, "... and has");

    ok(end(), "nothing is left");
}


/* fails if those of a worker that died count on */

static void
test_address_dead(void)
{
    ngx_uint_t            i;
    ngx_socketio_id_t     id;
    ngx_socketio_open_t   o;
    ngx_socketio_grave_t  grave;

    begin(50);
    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    must(ngx_socketio_slot_claim(z, 1) == NGX_OK);

    for (i = 0; i < 3; i++) {
        ngx_memzero(&o, sizeof(o));
        o.transport = NGX_SOCKETIO_EIO_WEBSOCKET;
        o.handle = i;
        o.per_ip = 3;
        name_of(&o.address, "abcdefgh");
        (void) open_with(&zones[1], &o);
    }

    ok(open_limited(&id, "abcdefgh", 3, 0, 0, 0) == NGX_DECLINED,
       "three are there");

    check_dead = 1;
    ngx_memzero(&grave, sizeof(grave));

    while (ngx_socketio_slot_bury(z, 0, &grave, ngx_current_msec)
           == NGX_AGAIN)
    { /* void */ }

    check_dead = 0;
    ok(open_limited(&id, "abcdefgh", 3, 0, 0, 0) == NGX_OK,
       "their worker has died");

    ok(end(), "nothing is left");
}


/* fails if a handshake that the zone has no memory for leaves anything */

static void
test_full(void)
{
    ngx_int_t                rc;
    ngx_uint_t               n;
    ngx_socketio_id_t        id;
    char                     address[9];

    begin(3);
    must(ngx_socketio_slot_claim(z, 0) == NGX_OK);

    for (n = 0; n < 200; n++) {
        sprintf(address, "%08u", (unsigned) n);
        rc = open_limited(&id, address, 1, 60, 1, 0);

        if (rc != NGX_OK) {
            break;
        }
    }

    ok(n > 0 && rc == NGX_ERROR && z->sh->stats.full == 1,
       "%u sessions fill three pages", (unsigned) n);
    ok(end(), "nothing is left");
}


/* fails if tokens are lost, or more gather than the burst has */

static void
test_rate(void)
{
    ngx_uint_t         n;
    ngx_socketio_id_t  id;

    begin(50);
    must(ngx_socketio_slot_claim(z, 0) == NGX_OK);

    /* ten a second */
    must(open_limited(&id, "", 0, 600, 3, 0) == NGX_OK);

    for (n = 0; n < 9 && spend(&id, 1 << 20) == NGX_OK; n++) { /* void */ }

    ok(n == 3 && wait_ms == 100, "the burst is three, then one each 100 ms");
    ok(z->counters->n[NGX_SOCKETIO_N_PAUSED] == 1, "it is counted");

    later(wait_ms - 1);
    ok(spend(&id, 1) == NGX_AGAIN && wait_ms == 1, "a millisecond too early");
    ok(z->counters->n[NGX_SOCKETIO_N_PAUSED] == 1, "the same pause");
    later(1);
    ok(spend(&id, 1) == NGX_OK, "in time");
    ok(spend(&id, 1) == NGX_AGAIN && wait_ms == 100
       && z->counters->n[NGX_SOCKETIO_N_PAUSED] == 2, "one alone");

    later(250);
    must(spend(&id, 1) == NGX_OK && spend(&id, 1) == NGX_OK);
    ok(spend(&id, 1) == NGX_AGAIN && wait_ms == 50, "nothing is rounded off");

    later((ngx_msec_t) 40 * 24 * 3600 * 1000);
    z->counters->n[NGX_SOCKETIO_N_PAUSED] = 0;
    for (n = 0; n < 9 && spend(&id, 1) == NGX_OK; n++) { /* void */ }
    ok(n == 3, "a long time makes no more than the burst");

    ngx_current_msec -= 50;
    ok(spend(&id, 1) == NGX_AGAIN && wait_ms == 100,
       "a worker whose clock is behind");
    ngx_current_msec += 50;

    close_session(&id);
    ok(spend(&id, 1) == NGX_DECLINED, "one that has gone");
    ok(end(), "nothing is left");
}


/* fails if a rate of less than one each second is rounded */

static void
test_slow_rate(void)
{
    ngx_uint_t         n, ms;
    ngx_socketio_id_t  id;

    begin(50);
    must(ngx_socketio_slot_claim(z, 0) == NGX_OK);

    must(open_limited(&id, "", 0, 7, 1, 0) == NGX_OK);
    must(spend(&id, 1) == NGX_OK);

    for (n = 0, ms = 0; n < 7; n++) {
        must(spend(&id, 1) == NGX_AGAIN);
        ms += wait_ms;
        later(wait_ms);
        must(spend(&id, 1) == NGX_OK);
    }

    ok(ms >= 60000 && ms < 60007, "7 r/m are 7 in a minute: %u ms",
       (unsigned) ms);
    ok(end(), "nothing is left");
}


/* fails if a message that is larger than a second's worth never gets in */

static void
test_bytes(void)
{
    ngx_socketio_id_t  id;

    begin(50);
    must(ngx_socketio_slot_claim(z, 0) == NGX_OK);
    must(open_limited(&id, "", 0, 0, 0, 1000) == NGX_OK);

    ok(spend(&id, 5000) == NGX_OK, "one that is larger");
    ok(spend(&id, 1) == NGX_AGAIN && wait_ms == 4001, "is paid for");
    later(4000);
    ok(spend(&id, 1) == NGX_AGAIN && wait_ms == 1, "to the last byte");
    later(1);
    ok(spend(&id, 1000) == NGX_OK, "then another one");

    ok(end(), "nothing is left");
}


static ngx_int_t
binary(ngx_socketio_id_t *id, ngx_uint_t attachments, ngx_msec_t timeout)
{
    ngx_socketio_incoming_t  in;

    ngx_memzero(&in, sizeof(in));
    in.kind = NGX_SOCKETIO_EVENT_EVENT;
    in.attachments = attachments;
    in.timeout = timeout;
    name_of(&in.nsp, "/");

    return ngx_socketio_incoming(z, id, &in, ngx_current_msec);
}


static ngx_int_t
attachment(ngx_socketio_id_t *id, ngx_msec_t timeout)
{
    return ngx_socketio_incoming_attachment(z, id, (u_char *) "x", 1, 100,
                                            timeout, ngx_current_msec);
}


static void
turn(ngx_msec_t ms)
{
    while (ms--) {
        later(1);
        ngx_socketio_wheel_turn(z, ngx_current_msec);
    }
}


/*
 * Fails if attachments that never come are waited for as long as their client
 * answers pings; if those that come in time do not put it off; or if one that
 * is complete is closed.
 */

static void
test_lacking(ngx_uint_t transport, ngx_uint_t rate)
{
    ngx_socketio_id_t     id;
    ngx_socketio_open_t   o;

    begin(50);
    must(ngx_socketio_slot_claim(z, 0) == NGX_OK);

    ngx_memzero(&o, sizeof(o));
    o.transport = transport;
    o.rate = rate;
    o.burst = 1;
    id = open_with(z, &o);
    connect_socket(z, &id, "/", NULL);

    must(binary(&id, 2, 1000) == NGX_OK);
    turn(900);
    must(attachment(&id, 1000) == NGX_OK);
    turn(900);
    ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED, "each has its own time");
    must(attachment(&id, 1000) == NGX_OK);
    turn(3000);
    ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED, "all are there");

    must(binary(&id, 1, 1000) == NGX_OK);
    turn(500);

    if (rate) {
        /* a minute each: it may not send what it lacks */
        must(spend(&id, 1) == NGX_OK);
        must(spend(&id, 1) == NGX_AGAIN);
        turn(wait_ms);
        ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED, "it had to wait");
        turn(500);
    }

    must(ngx_socketio_packet(z, &id, NGX_SOCKETIO_EIO_EV_MESSAGE,
                             ngx_current_msec)
         == NGX_OK);
    turn(490);
    ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED
       && z->counters->n[NGX_SOCKETIO_N_UNFINISHED] == 0, "there is time left");
    turn(30);
    ok(state_of(&id) != NGX_SOCKETIO_EIO_OPENED
       && z->counters->n[NGX_SOCKETIO_N_UNFINISHED] == 1
       && z->sh->stats.closed[NGX_SOCKETIO_REASON_FORCED] == 1,
       "too late");

    if (transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        ngx_socketio_websocket_gone(z, &id, 0, NGX_SOCKETIO_EIO_EV_WS_CLOSE,
                                    ngx_current_msec);
    } else {
        turn(NGX_SOCKETIO_LINGER + 20);
    }

    ok(end(), "nothing is left");
}


/* fails if who joins another namespace may wait for ever */

static void
test_lacking_joins(void)
{
    ngx_socketio_id_t        id, pending;
    ngx_socketio_open_t      o;
    ngx_socketio_incoming_t  in;

    begin(50);
    must(ngx_socketio_slot_claim(z, 0) == NGX_OK);

    ngx_memzero(&o, sizeof(o));
    o.hooked = 1;
    o.key.revision = 3;
    id = open_with(z, &o);

    ngx_memzero(&in, sizeof(in));
    in.kind = NGX_SOCKETIO_EVENT_CONNECT;
    in.namespaces_max = 10;
    name_of(&in.nsp, "/");
    must(ngx_socketio_incoming(z, &id, &in, ngx_current_msec) == NGX_OK);

    pending.ref = ((ngx_socketio_session_t *) ngx_socketio_rec(z, id.ref))
                  ->sockets;
    pending.gen = ((ngx_socketio_rec_t *) ngx_socketio_rec(z, pending.ref))
                  ->gen;

    /* before it is connected: what is dropped has to be whole, too */

    must(binary(&id, 1, 1000) == NGX_OK);
    must(ngx_socketio_accept(z, &pending, NULL, 0, NULL, frames, 10)
         == NGX_OK);

    turn(1000);
    ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED, "the earlier deadline");

    must(ngx_socketio_packet(z, &id, NGX_SOCKETIO_EIO_EV_MESSAGE,
                             ngx_current_msec)
         == NGX_OK);
    turn(44100);
    ok(state_of(&id) != NGX_SOCKETIO_EIO_OPENED, "is one");
    ok(z->counters->n[NGX_SOCKETIO_N_UNFINISHED] == 1, "... for what it lacks");

    turn(NGX_SOCKETIO_LINGER + 20);
    must(ngx_socketio_inbox_done(z, &owned_id, owned_tenure, 9) == NGX_OK);

    ok(end(), "nothing is left");
}


int
main(void)
{
    test_address();
    test_address_waits();
    test_address_dead();
    test_full();
    test_rate();
    test_slow_rate();
    test_bytes();
    test_lacking(NGX_SOCKETIO_EIO_POLLING, 0);
    test_lacking(NGX_SOCKETIO_EIO_WEBSOCKET, 0);
    test_lacking(NGX_SOCKETIO_EIO_POLLING, 60);
    test_lacking_joins();

    return tap_done();
}
