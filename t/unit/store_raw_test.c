
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Sessions without Socket.IO, and those of revision 3, in the fewest steps:
 * what waits for the answer to open, what a rejected client fetches, whose
 * requests are refused, how long a client lives.  The header of each test
 * says which mistake makes it fail.
 */


#include "store_case.h"


#define NSP  "engine.io"


static ngx_socketio_zone_t  *z = &zones[1];
static ngx_socketio_open_t   opened;


static ngx_socketio_id_t
open_peer(ngx_uint_t transport, ngx_uint_t hooked, ngx_uint_t revision,
    ngx_uint_t raw)
{
    ngx_memzero(&opened, sizeof(opened));
    opened.transport = transport;
    opened.hooked = hooked;
    opened.key.revision = revision;
    opened.peer.raw = raw;

    return open_with(z, &opened);
}


static ngx_int_t
incoming(ngx_socketio_id_t *id, ngx_uint_t kind, char *nsp, char *body,
    ngx_uint_t attachments, ngx_socketio_id_t *socket)
{
    ngx_int_t                rc;
    ngx_socketio_incoming_t  in;

    ngx_memzero(&in, sizeof(in));
    in.kind = kind;
    in.namespaces_max = 10;
    in.attachments = attachments;
    in.body.data = (u_char *) body;
    in.body.len = strlen(body);
    name_of(&in.nsp, nsp);

    rc = ngx_socketio_incoming(z, id, &in, ngx_current_msec);

    if (socket) {
        *socket = in.socket;
    }

    return rc;
}


/* an open, as the backend is asked for it */

static ngx_socketio_id_t
asked(ngx_socketio_id_t *id)
{
    ngx_uint_t            n;
    ngx_socketio_entry_t  entry;

    must(incoming(id, NGX_SOCKETIO_EVENT_CONNECT, NSP, "", 0, NULL)
         == NGX_OK);

    n = 1;
    must(ngx_socketio_inbox_peek(z, id, owned_tenure, 0, &entry, &n)
         == NGX_OK && n == 1);
    must(entry.type == NGX_SOCKETIO_ENTRY_CONNECT && entry.peer.raw);

    return entry.socket;
}


static ngx_uint_t
get(ngx_socketio_taken_t *taken)
{
    must(ngx_socketio_get(z, &opened.key, 1, taken, ngx_current_msec)
         == NGX_OK);

    return taken->actions;
}


static void
raw_begin(void)
{
    begin(50);
    must(ngx_socketio_slot_claim(z, 0) == NGX_OK);
}


/* that of who joins no namespace: these tests are about another clock */

static void
no_deadline(ngx_socketio_id_t *id)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(z, id->ref);
    session->deadline = 0;
}


static ngx_uint_t
bells(void)
{
    ngx_socketio_letters_t  letters;

    ngx_socketio_slot_take(z, &letters, ngx_current_msec);

    return letters.nbells;
}


/*
 * Fails if a request of another revision or location has an effect, or tells
 * whether there is such a session elsewhere.
 */

static void
test_key(void)
{
    ngx_uint_t            i;
    ngx_socketio_id_t     id, other;
    ngx_socketio_key_t    key;
    ngx_socketio_taken_t  taken;

    raw_begin();

    for (i = 3; i <= 4; i++) {
        id = open_peer(NGX_SOCKETIO_EIO_POLLING, 0, i, 0);
        key = opened.key;
        key.revision = 7 - i;

        ok(ngx_socketio_get(z, &key, 1, &taken, ngx_current_msec) == NGX_ABORT
           && ngx_socketio_post(z, &key, 1, &taken, ngx_current_msec)
              == NGX_ABORT
           && ngx_socketio_probe(z, &key, 1, &other, ngx_current_msec)
              == NGX_ABORT
           && ngx_socketio_known(z, &key) == NGX_ABORT,
           "revision %u: another one", (unsigned) i);

        key.location++;
        ok(ngx_socketio_get(z, &key, 1, &taken, ngx_current_msec)
           == NGX_DECLINED
           && ngx_socketio_known(z, &key) == NGX_DECLINED,
           "another location knows nothing");
        key.location--;

        ok(ngx_socketio_known(z, &opened.key) == NGX_OK, "its own");
        ok(get(&taken) == NGX_SOCKETIO_EIO_PARK
           && taken.peer.revision == i && !taken.peer.raw,
           "nothing has happened to it");

        ngx_socketio_end(z, &id, NGX_SOCKETIO_REASON_FORCED,
                         ngx_current_msec);
        ok(ngx_socketio_known(z, &key) == NGX_DECLINED
           && ngx_socketio_known(z, &opened.key) == NGX_DECLINED,
           "gone for all");
        ngx_socketio_get_gone(z, &id, 1, ngx_current_msec);
    }

    ok(end(), "nothing is left");
}


/*
 * Fails if a message overtakes its open, if nobody is rung when it may be
 * sent, or if text and bytes, also none, change places.
 */

static void
test_open_waits(void)
{
    ngx_uint_t            n;
    ngx_socketio_id_t     id, socket;
    ngx_socketio_taken_t  taken;
    ngx_socketio_entry_t  e[5];

    raw_begin();

    id = open_peer(NGX_SOCKETIO_EIO_POLLING, 1, 4, 1);
    socket = asked(&id);
    must(ngx_socketio_post(z, &opened.key, 2, &taken, ngx_current_msec)
         == NGX_OK && taken.peer.raw);

    ok(incoming(&id, NGX_SOCKETIO_EVENT_TEXT, NSP, "a", 0, NULL) == NGX_AGAIN,
       "text waits");
    ok(incoming(&id, NGX_SOCKETIO_EVENT_BINARY, NSP, "a", 0, NULL)
       == NGX_AGAIN, "binary waits");
    (void) bells();

    ok(ngx_socketio_accept(z, &socket, NULL, 0, NULL, NULL, 0) == NGX_OK,
       "accepted without a word");
    ok(get(&taken) == NGX_SOCKETIO_EIO_PARK, "nothing to fetch");
    ok(bells() == 0, "nobody is rung yet");
    ok(ngx_socketio_inbox_done(z, &id, owned_tenure, 1) == NGX_OK
       && bells() == 1, "the one who waits is rung");

    ok(incoming(&id, NGX_SOCKETIO_EVENT_TEXT, NSP, "a", 0, NULL) == NGX_OK
       && incoming(&id, NGX_SOCKETIO_EVENT_BINARY, NSP, "b", 0, NULL)
          == NGX_OK
       && incoming(&id, NGX_SOCKETIO_EVENT_TEXT, NSP, "", 0, NULL) == NGX_OK
       && incoming(&id, NGX_SOCKETIO_EVENT_BINARY, NSP, "", 0, NULL)
          == NGX_OK, "messages");

    n = 5;
    must(ngx_socketio_inbox_peek(z, &id, owned_tenure, 0, e, &n) == NGX_OK);
    ok(n == 4
       && e[0].seq == 1 && e[0].body_len == 1 && !e[0].binary
       && e[1].seq == 2 && e[1].body_len == 1 && e[1].binary
       && e[2].seq == 3 && e[2].body_len == 0 && !e[2].binary
       && e[3].seq == 4 && e[3].body_len == 0 && e[3].binary,
       "in order, as they were");

    must(ngx_socketio_inbox_done(z, &id, owned_tenure, 4) == NGX_OK);
    ngx_socketio_post_end(z, &id, 2, NGX_SOCKETIO_EIO_EV_POST_DONE,
                          ngx_current_msec);
    ngx_socketio_get_gone(z, &id, 1, ngx_current_msec);
    n = 1;
    must(ngx_socketio_inbox_peek(z, &id, owned_tenure, 0, e, &n) == NGX_OK);
    ok(n == 1 && e[0].type == NGX_SOCKETIO_ENTRY_DISCONNECT && e[0].seq == 5
       && e[0].reason == NGX_SOCKETIO_REASON_TRANSPORT_ERROR, "close");
    must(ngx_socketio_inbox_done(z, &id, owned_tenure, 1) == NGX_OK);

    ok(end(), "nothing is left");
}


/*
 * Fails if a rejected client is not told, if its messages are taken, or if
 * the backend hears of an end that it has ordered itself.
 */

static void
test_reject(ngx_uint_t heard, ngx_uint_t parked)
{
    ngx_uint_t            n;
    ngx_socketio_id_t     id, socket;
    ngx_socketio_taken_t  taken;
    ngx_socketio_entry_t  e[3];

    raw_begin();

    id = open_peer(NGX_SOCKETIO_EIO_POLLING, 1, 4, 1);
    socket = asked(&id);

    if (parked) {
        must(get(&taken) == NGX_SOCKETIO_EIO_PARK);
    }

    ok(ngx_socketio_reject(z, &socket, NULL, 0, heard) == NGX_OK,
       "rejected, heard %u, parked %u", (unsigned) heard, (unsigned) parked);
    ok(state_of(&id) == NGX_SOCKETIO_EIO_LINGERS, "closed in good order");
    ok(zones[0].sh->stats.full == 0, "not for lack of memory");
    ok(incoming(&id, NGX_SOCKETIO_EVENT_TEXT, NSP, "a", 0, NULL)
       == NGX_DECLINED, "its messages are not taken");
    ok(ngx_socketio_accept(z, &socket, NULL, 0, NULL, NULL, 0)
       == NGX_DECLINED
       && ngx_socketio_reject(z, &socket, NULL, 0, 1) == NGX_DECLINED,
       "once");

    n = 3;
    must(ngx_socketio_inbox_peek(z, &id, owned_tenure, 0, e, &n) == NGX_OK);
    ok(n == 1 + heard
       && (!heard || e[1].type == NGX_SOCKETIO_ENTRY_DISCONNECT),
       "what the backend hears");
    must(ngx_socketio_inbox_done(z, &id, owned_tenure, n) == NGX_OK);

    if (parked) {
        ok(bells() == 1
           && ngx_socketio_get_look(z, &id, 1, 0, &taken, ngx_current_msec)
              == NGX_OK
           && taken.answer == NGX_SOCKETIO_EIO_SEND_CLOSE, "close");
    } else {
        ok(get(&taken) == NGX_SOCKETIO_EIO_ANSWER
           && taken.answer == NGX_SOCKETIO_EIO_SEND_NOOP_CLOSE,
           "noop and close");
    }

    ok(end(), "nothing is left");
}


/*
 * Its client leaves before the answer.  Fails if the backend hears of the end
 * of one that it has rejected, or not of one that it has accepted.
 */

static void
test_left(ngx_uint_t accept)
{
    ngx_uint_t            n;
    ngx_socketio_id_t     id, socket;
    ngx_socketio_entry_t  e[3];

    raw_begin();

    id = open_peer(NGX_SOCKETIO_EIO_WEBSOCKET, 1, 3, 1);
    socket = asked(&id);
    ngx_socketio_websocket_gone(z, &id, 0, NGX_SOCKETIO_EIO_EV_WS_CLOSE,
                                ngx_current_msec);

    n = 3;
    must(ngx_socketio_inbox_peek(z, &id, owned_tenure, 0, e, &n) == NGX_OK);
    ok(n == 1, "left: nothing more to tell yet");

    ok((accept ? ngx_socketio_accept(z, &socket, NULL, 0, NULL, NULL, 0)
               : ngx_socketio_reject(z, &socket, NULL, 0, 0))
       == NGX_OK, accept ? "accepted" : "rejected");

    n = 3;
    must(ngx_socketio_inbox_peek(z, &id, owned_tenure, 0, e, &n) == NGX_OK);
    ok(n == 1 + accept
       && (!accept || e[1].reason == NGX_SOCKETIO_REASON_TRANSPORT_CLOSE),
       "what the backend hears");
    must(ngx_socketio_inbox_done(z, &id, owned_tenure, n) == NGX_OK);

    ok(end(), "nothing is left");
}


/* Fails if anything waits for a backend that is not there. */

static void
test_no_backend(void)
{
    ngx_uint_t            count;
    ngx_socketio_id_t     id, socket;
    ngx_socketio_taken_t  taken;
    ngx_socketio_word_t   word;
    ngx_socketio_target_t t;

    raw_begin();

    id = open_peer(NGX_SOCKETIO_EIO_POLLING, 0, 4, 1);
    ok(incoming(&id, NGX_SOCKETIO_EVENT_CONNECT, NSP, "", 0, &socket)
       == NGX_DONE && socket.ref, "to be accepted at once");
    must(ngx_socketio_accept(z, &socket, NULL, 0, NULL, NULL, 0) == NGX_OK);
    ok(incoming(&id, NGX_SOCKETIO_EVENT_TEXT, NSP, "a", 0, NULL) == NGX_DONE,
       "messages are dropped");
    ok(nowned == 0, "no inbox");

    ngx_memzero(&t, sizeof(t));
    ngx_memzero(&word, sizeof(word));
    name_of(&t.nsp, NSP);
    t.all = 1;

    ok(ngx_socketio_select(z, &t, NGX_SOCKETIO_DO_CLOSE, NULL, 0, 0, NULL, 0,
                           &count)
       == NGX_OK && count == 1, "closed by the server");
    ok(state_of(&id) == NGX_SOCKETIO_EIO_LINGERS
       && get(&taken) == NGX_SOCKETIO_EIO_ANSWER
       && taken.answer == NGX_SOCKETIO_EIO_SEND_NOOP_CLOSE && taken.n == 0,
       "without a word");
    ok(end(), "nothing is left");
}


/* Fails if clients of their time are closed for what servers let pass. */

static void
test_old(void)
{
    u_char               byte;
    ngx_socketio_id_t    id, socket;
    ngx_socketio_name_t  name;

    raw_begin();

    id = open_peer(NGX_SOCKETIO_EIO_POLLING, 1, 3, 0);
    must(incoming(&id, NGX_SOCKETIO_EVENT_CONNECT, "/", "", 0, NULL)
         == NGX_OK);
    ok(incoming(&id, NGX_SOCKETIO_EVENT_CONNECT, "/", "", 0, &socket)
       == NGX_DONE && socket.ref == 0, "connects again while it waits");

    ok(incoming(&id, NGX_SOCKETIO_EVENT_EVENT, "/", "[1]", 0, NULL)
       == NGX_DONE
       && incoming(&id, NGX_SOCKETIO_EVENT_EVENT, "/x", "[1]", 0, NULL)
          == NGX_DONE, "an event too early, one to where it is not");

    byte = 7;
    ok(incoming(&id, NGX_SOCKETIO_EVENT_EVENT, "/x", "[1]", 1, NULL) == NGX_OK
       && ngx_socketio_incoming_attachment(z, &id, &byte, 1, 1, 0,
                                           ngx_current_msec)
          == NGX_OK, "one with an attachment");

    name_of(&name, "/x");
    ok(ngx_socketio_incoming_disconnect(z, &id, &name, ngx_current_msec)
       == NGX_OK
       && incoming(&id, NGX_SOCKETIO_EVENT_ACK, "/", "[1]", 0, NULL)
          == NGX_DONE, "a disconnect, an ack");
    ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED, "it is open still");

    ngx_socketio_end(z, &id, NGX_SOCKETIO_REASON_FORCED, ngx_current_msec);
    must(ngx_socketio_inbox_done(z, &id, owned_tenure, 1) == NGX_OK
         || state_of(&id) == NGX_SOCKETIO_EIO_CLOSED);
    (void) end();
}


/*
 * A POST that is held is offered again each second.  Fails if its client is
 * closed because its pong cannot come, or lives on when it has gone.
 */

static void
test_held(ngx_uint_t revision)
{
    ngx_uint_t            i;
    ngx_socketio_id_t     id;

    raw_begin();

    id = open_peer(NGX_SOCKETIO_EIO_POLLING, 1, revision, 1);
    (void) asked(&id);

    no_deadline(&id);

    for (i = 0; i < 300; i++) {
        stub_clock(ngx_current_msec + 1000);
        ngx_socketio_wheel_turn(z, ngx_current_msec);
        must(incoming(&id, NGX_SOCKETIO_EVENT_TEXT, NSP, "a", 0, NULL)
             == NGX_AGAIN);
    }

    ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED,
       "revision %u: held for 300 s", (unsigned) revision);

    /* a clock that jumped would have the client excused */

    for (i = 0; i < 134; i++) {
        stub_clock(ngx_current_msec + 500);
        ngx_socketio_wheel_turn(z, ngx_current_msec);
    }

    ok(state_of(&id) == NGX_SOCKETIO_EIO_CLOSED, "silent");

    must(ngx_socketio_inbox_done(z, &id, owned_tenure, 1) == NGX_OK);
    ok(end(), "nothing is left");
}


/*
 * The heartbeat of revision 3 by polling: the client pings.  Fails if the
 * server does, if a ping is not answered, by an upgrade's websocket either,
 * or if anything else but packets puts off the end.
 */

static void
test_beat(void)
{
    ngx_int_t               rc;
    ngx_socketio_id_t       id;
    ngx_socketio_taken_t    taken;
    ngx_socketio_upgrade_t  up;

    raw_begin();

    id = open_peer(NGX_SOCKETIO_EIO_POLLING, 0, 3, 0);
    no_deadline(&id);
    must(get(&taken) == NGX_SOCKETIO_EIO_PARK);

    stub_clock(ngx_current_msec + 44000);
    ngx_socketio_wheel_turn(z, ngx_current_msec);
    ok(bells() == 0, "no ping of the server's");

    rc = ngx_socketio_packet(z, &id, NGX_SOCKETIO_EIO_EV_PING,
                             ngx_current_msec);
    ok(rc == NGX_OK && bells() == 1
       && ngx_socketio_get_look(z, &id, 1, 0, &taken, ngx_current_msec)
          == NGX_OK
       && taken.answer == NGX_SOCKETIO_EIO_SEND && taken.ping
       && taken.n == 0, "a ping is answered by the parked GET");

    stub_clock(ngx_current_msec + 44000);
    ngx_socketio_wheel_turn(z, ngx_current_msec);
    ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED, "and puts off the end");

    must(ngx_socketio_packet(z, &id, NGX_SOCKETIO_EIO_EV_PING,
                             ngx_current_msec) == NGX_OK);
    must(ngx_socketio_probe(z, &opened.key, 2, &id, ngx_current_msec)
         == NGX_OK);
    ngx_memzero(&up, sizeof(up));
    ok(ngx_socketio_upgrade(z, &id, 2, &up, ngx_current_msec) == NGX_OK
       && up.taken.ping && up.beat.revision == 3
       && up.beat.at == ngx_current_msec + 45000,
       "one that no GET came for goes with the upgrade");
    ngx_socketio_websocket_gone(z, &id, 2, NGX_SOCKETIO_EIO_EV_WS_CLOSE,
                                ngx_current_msec);

    id = open_peer(NGX_SOCKETIO_EIO_POLLING, 0, 3, 0);
    no_deadline(&id);
    stub_clock(ngx_current_msec + 44000);
    must(get(&taken) == NGX_SOCKETIO_EIO_PARK);
    stub_clock(ngx_current_msec + 1100);
    ngx_socketio_wheel_turn(z, ngx_current_msec);
    ok(state_of(&id) == NGX_SOCKETIO_EIO_CLOSED, "a GET is no sign of life");
    ngx_socketio_get_gone(z, &id, 1, ngx_current_msec);

    ok(end(), "nothing is left");
}


int
main(void)
{
    test_key();
    test_open_waits();
    test_reject(0, 0);
    test_reject(1, 0);
    test_reject(0, 1);
    test_reject(1, 1);
    test_left(0);
    test_left(1);
    test_no_backend();
    test_old();
    test_held(3);
    test_held(4);
    test_beat();

    return tap_done();
}
