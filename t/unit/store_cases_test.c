
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Mistakes that the store has made, each in the fewest steps, and what the
 * model of store_model.h does not vary.  The header of each test says which
 * mistake makes it fail.
 */


#include "store_case.h"


/* leaves so many free pages */

static void
fill(ngx_socketio_zone_t *zone, uint32_t pages)
{
    ngx_socketio_zone_lock(zone);

    while (zone->sh->free_pages > pages) {
        must(ngx_socketio_message_alloc_locked(zone, 4000) != 0);
    }

    ngx_socketio_zone_unlock(zone);
}


static void
empty(ngx_socketio_zone_t *zone)
{
    ngx_socketio_zone_lock(zone);

    while (zone->slots[zone->slot].messages) {
        ngx_socketio_message_release_locked(zone,
                                         zone->slots[zone->slot].messages);
    }

    ngx_socketio_zone_unlock(zone);
}


/* all nodes but so many */

static void
fill_nodes(ngx_socketio_zone_t *zone, uint32_t nodes)
{
    ngx_socketio_ref_t    ref;
    ngx_socketio_slot_t  *slot;

    ngx_socketio_zone_lock(zone);

    slot = &zone->slots[zone->slot];

    while (zone->sh->nfree[NGX_SOCKETIO_NODE] > nodes
           || zone->sh->free_pages)
    {
        ref = ngx_socketio_node_alloc_locked(zone, 0, NGX_SOCKETIO_LEFT);
        must(ref != 0);
        ((ngx_socketio_node_t *) ngx_socketio_rec(zone, ref))->owner =
                                             (ngx_socketio_ref_t) zone->slot;
        ngx_socketio_used(ngx_socketio_rec(zone, ref));
        ngx_socketio_nodes_add_locked(zone, &slot->held, &slot->held_tail,
                                      ref);
        ngx_socketio_tally(zone, NGX_SOCKETIO_N_HELD, 1);
    }

    ngx_socketio_zone_unlock(zone);
}


static void
empty_nodes(ngx_socketio_zone_t *zone)
{
    ngx_socketio_slot_t  *slot;

    ngx_socketio_zone_lock(zone);

    slot = &zone->slots[zone->slot];
    ngx_socketio_nodes_free_locked(zone, &slot->held, &slot->held_tail);
    zone->counters->n[NGX_SOCKETIO_N_HELD] = 0;

    ngx_socketio_zone_unlock(zone);
}


/*
 * A worker, the only one, is killed with an inbox; its successor buries it,
 * then claims its slot.  Fails if the inbox is left without an owner, as it
 * was: the process had no slot yet when it took the inbox over.
 */

static void
test_successor(void)
{
    ngx_uint_t              n;
    ngx_socketio_id_t       id;
    ngx_socketio_grave_t    grave;
    ngx_socketio_entry_t    entry;
    ngx_socketio_letters_t  letters;
    int64_t                 handles[NGX_SOCKETIO_CONNS];
    uint32_t                tenure;

    begin(50);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    id = open_session(&zones[1], NGX_SOCKETIO_EIO_WEBSOCKET, 1, 10);
    connect_socket(&zones[1], &id, "/", NULL);
    ok(nowned == 1 && owned_by == &zones[1], "the worker owns the inbox");

    check_dead = 1;
    ngx_memzero(&grave, sizeof(grave));
    ok(ngx_socketio_slot_claim(&zones[2], 0) == NGX_BUSY, "dead, not buried");
    while (ngx_socketio_slot_bury(&zones[2], 0, &grave, ngx_current_msec)
           == NGX_AGAIN)
    { /* void */ }

    nowned = 0;
    check_dead = 0;
    ok(ngx_socketio_slot_claim(&zones[2], 0) == NGX_OK, "claimed");
    ok(nowned == 0, "but nothing is told before the caller is ready");

    ngx_socketio_slot_take(&zones[2], &letters, ngx_current_msec);
    ok(letters.nbells == 1 && letters.bells[0].gen == id.gen, "then a bell");

    ngx_socketio_mine(&zones[2], &id, handles, &tenure);
    n = 1;
    ok(tenure && ngx_socketio_inbox_peek(&zones[2], &id, tenure, 0, &entry,
                                         &n)
                 == NGX_OK
       && n == 1 && entry.type == NGX_SOCKETIO_ENTRY_CONNECT,
       "the inbox is its successor's");

    frames[0] = 'x';
    ngx_socketio_accept(&zones[2], &entry.socket, NULL, 0, NULL, frames, 5);
    ok(ngx_socketio_inbox_done(&zones[2], &id, tenure, 1) == NGX_AGAIN,
       "one connect");
    n = 1;
    ngx_socketio_inbox_peek(&zones[2], &id, tenure, 0, &entry, &n);
    ok(n == 1 && entry.type == NGX_SOCKETIO_ENTRY_DISCONNECT,
       "one disconnect");
    ok(ngx_socketio_inbox_done(&zones[2], &id, tenure, 1) == NGX_OK, "done");
    ok(state_of(&id) == 9, "the session is freed");

    zones[0].slot_gen = 0;
    zones[1].slot_gen = 0;
    ok(end(), "nothing is left");
}


/*
 * The same next to a live worker in slot 0.  Fails if the successor, which is
 * in no slot, takes inboxes over in the name of slot 0.
 */

static void
test_neighbour(void)
{
    uint32_t                tenure;
    ngx_socketio_id_t       id;
    ngx_socketio_grave_t    grave;
    ngx_socketio_letters_t  letters;
    int64_t                 handles[NGX_SOCKETIO_CONNS];

    begin(50);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    must(ngx_socketio_slot_claim(&zones[2], 1) == NGX_OK);
    id = open_session(&zones[2], NGX_SOCKETIO_EIO_WEBSOCKET, 1, 10);
    connect_socket(&zones[2], &id, "/", NULL);

    nowned = 0;
    ngx_memzero(&grave, sizeof(grave));
    check_dead = 2;
    must(ngx_socketio_slot_claim(&zones[3], 1) == NGX_BUSY);
    while (ngx_socketio_slot_bury(&zones[3], 1, &grave, ngx_current_msec)
           == NGX_AGAIN)
    { /* void */ }
    check_dead = 0;
    must(ngx_socketio_slot_claim(&zones[3], 1) == NGX_OK);
    zones[2].slot_gen = 0;

    ok(nowned == 0, "not to who has no slot");
    ngx_socketio_slot_take(&zones[1], &letters, ngx_current_msec);
    ngx_socketio_mine(&zones[1], &id, handles, &tenure);
    ok(letters.nbells == 1 && tenure, "a live worker has got it, and a bell");

    (void) end();
}


/*
 * A worker is stopped, with a websocket and an inbox; another one robs it
 * after 30 s, and it comes back.  Fails if it is robbed too early, or twice,
 * if it still owns what others have taken over, or goes on as if nothing had
 * happened.
 */

static void
test_stopped(void)
{
    uint32_t                tenure, mine;
    ngx_socketio_id_t       id;
    ngx_socketio_grave_t    grave;
    ngx_socketio_letters_t  letters;
    int64_t                 handles[NGX_SOCKETIO_CONNS];

    begin(50);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    must(ngx_socketio_slot_claim(&zones[2], 1) == NGX_OK);
    id = open_session(&zones[1], NGX_SOCKETIO_EIO_WEBSOCKET, 1, 10);
    connect_socket(&zones[1], &id, "/", NULL);
    must(nowned == 1 && owned_by == &zones[1]);
    mine = ((ngx_socketio_session_t *) ngx_socketio_rec(&zones[0], id.ref))
               ->tenure;
    nowned = 0;

    ngx_memzero(&grave, sizeof(grave));
    grave.gen = zones[1].slot_gen;

    stub_clock(ngx_current_msec + NGX_SOCKETIO_STALE - 1);
    ngx_socketio_slot_rob(&zones[2], 0, &grave, ngx_current_msec);
    ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED, "not before its time");

    stub_clock(ngx_current_msec + 1);
    while (ngx_socketio_slot_rob(&zones[2], 0, &grave, ngx_current_msec)
           == NGX_AGAIN)
    { /* void */ }

    ok(state_of(&id) == NGX_SOCKETIO_EIO_CLOSED, "the websocket's session");
    ok(nowned == 1 && owned_by == &zones[2], "the inbox is the other's");
    ok(ngx_socketio_inbox_still_mine(&zones[1], &id, mine) == NGX_DECLINED,
       "and not its own any more");

    nowned = 0;
    grave.cursor = 0;
    ok(ngx_socketio_slot_rob(&zones[2], 0, &grave, ngx_current_msec)
       == NGX_OK && nowned == 0, "once");

    ngx_socketio_slot_take(&zones[1], &letters, ngx_current_msec);
    ok(letters.overrun && letters.all, "it finds the mark");
    ngx_socketio_slot_take(&zones[1], &letters, ngx_current_msec);
    ok(!letters.overrun && !letters.all, "and works again");

    (void) ngx_socketio_mine(&zones[1], &id, handles, &tenure);
    ok(tenure == 0 && handles[NGX_SOCKETIO_CONN_WS] == -1,
       "without the session");

    (void) end();
}


/*
 * Two sweep the same slot.  Fails if the slower goes on to bury the worker
 * that has claimed the slot meanwhile.
 */

static void
test_two_sweepers(void)
{
    uint32_t            gen;
    ngx_uint_t          i;
    ngx_socketio_id_t   id;
    ngx_socketio_grave_t  one, two;

    begin(70);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    must(ngx_socketio_slot_claim(&zones[2], 1) == NGX_OK);

    /* more sessions than one step looks at */

    for (i = 0; i < 400; i++) {
        open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0, 1);
    }

    check_dead = 2;
    ngx_memzero(&one, sizeof(one));
    ngx_memzero(&two, sizeof(two));
    ok(ngx_socketio_slot_bury(&zones[1], 1, &one, ngx_current_msec)
       == NGX_AGAIN, "one begins");

    while (ngx_socketio_slot_bury(&zones[0], 1, &two, ngx_current_msec)
           == NGX_AGAIN)
    { /* void */ }

    check_dead = 0;
    must(ngx_socketio_slot_claim(&zones[3], 1) == NGX_OK);
    gen = zones[3].slot_gen;
    id = open_session(&zones[3], NGX_SOCKETIO_EIO_WEBSOCKET, 0, 1);

    ok(ngx_socketio_slot_bury(&zones[1], 1, &one, ngx_current_msec) == NGX_OK,
       "the other has done it");
    ok(zones[0].slots[1].gen == gen && !zones[0].slots[1].exiting
       && state_of(&id) == NGX_SOCKETIO_EIO_OPENED, "the new one lives");

    zones[2].slot_gen = 0;
    ok(end(), "nothing is left");
}


/*
 * A condition that is met at each second.  Fails if it is said more than once
 * in an interval, or what was left out is forgotten, or said twice.
 */

static void
test_say(void)
{
    char                     *more;
    ngx_uint_t                i;
    ngx_socketio_said_t       said;
    ngx_socketio_counters_t   counters;

    ngx_memzero(&said, sizeof(said));
    ngx_memzero(&counters, sizeof(counters));

    stub_time.sec = 1000;
    more = ngx_socketio_say(&said, &counters);
    ok(more && *more == '\0', "the first one is said");

    for (i = 1; i < NGX_SOCKETIO_SAY_INTERVAL; i++) {
        stub_time.sec++;
        must(ngx_socketio_say(&said, &counters) == NULL);
    }

    ok(counters.n[NGX_SOCKETIO_N_UNSAID] == i - 1, "the others are counted");

    stub_time.sec += 3;
    more = ngx_socketio_say(&said, &counters);
    ok(more && strcmp(more, " (59 more in the last 62 s)") == 0,
       "and said with the next line");

    stub_time.sec += NGX_SOCKETIO_SAY_INTERVAL;
    more = ngx_socketio_say(&said, &counters);
    ok(more && *more == '\0', "once");

    stub_time.sec -= 500;
    more = ngx_socketio_say(&said, &counters);
    ok(more != NULL, "a clock that is set back keeps nobody quiet");
}


/*
 * Slots for a generation to come.  Fails if a worker in service is told to
 * hurry, if it is not the oldest of the others, or if one is told twice.
 */

static void
test_make_room(void)
{
    ngx_uint_t               i, told[4];
    ngx_socketio_letters_t   letters;

    begin(40);

    /* as their generations go, which wrap: 2 is older than 0, 1 serves */

    zones[0].sh->stamp = (uint32_t) -2;
    must(ngx_socketio_slot_claim(&zones[2], 2) == NGX_OK);
    must(ngx_socketio_slot_claim(&zones[0], 0) == NGX_OK);
    must(ngx_socketio_slot_claim(&zones[1], 1) == NGX_OK);
    ngx_socketio_slot_exiting(&zones[0]);
    ngx_socketio_slot_exiting(&zones[2]);

    ok(ngx_socketio_slot_make_room(&zones[1], 1) == 0, "one is free");
    told[0] = ngx_socketio_slot_make_room(&zones[1], 2);
    told[1] = ngx_socketio_slot_make_room(&zones[1], 2);
    ok(told[0] == 1 && told[1] == 0, "two: one is asked, once");

    ngx_socketio_slot_take(&zones[2], &letters, ngx_current_msec);
    i = letters.hurry;
    ngx_socketio_slot_take(&zones[0], &letters, ngx_current_msec);
    ok(i && !letters.hurry, "the oldest");

    told[2] = ngx_socketio_slot_make_room(&zones[SLOTS], 0);
    told[3] = ngx_socketio_slot_make_room(&zones[SLOTS], 0);
    ok(told[2] == 1 && told[3] == 0,
       "one more for who has none, never one in service");

    must(ngx_socketio_slot_claim(&zones[3], 3) == NGX_OK);
    ngx_socketio_slot_leave(&zones[2]);
    must(ngx_socketio_slot_claim(&zones[2], 2) == NGX_OK);
    ngx_socketio_slot_take(&zones[2], &letters, ngx_current_msec);
    ok(!letters.hurry, "the next one in its slot is at ease");

    ok(end(), "nothing is left");
}


/*
 * No memory for the JOINED record of a new room.  Fails if the room, freed
 * with its first member, is freed again.
 */

static void
test_half_a_join(void)
{
    ngx_uint_t              count;
    ngx_socketio_id_t       id;
    ngx_socketio_name_t     room;
    ngx_socketio_word_t     word;
    ngx_socketio_target_t   t;

    begin(20);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    id = open_session(&zones[1], NGX_SOCKETIO_EIO_WEBSOCKET, 0, 10);
    connect_socket(&zones[1], &id, "/", "a");
    target_of(&t, "/", &word, "a");
    name_of(&room, "new");
    fill_nodes(&zones[1], 0);

    ok(ngx_socketio_select(&zones[1], &t, NGX_SOCKETIO_DO_JOIN, &room, 1, 10,
                           NULL, 0, &count)
       == NGX_ERROR, "no memory");
    ok(ngx_socketio_room_find_locked(&zones[1],
           ngx_socketio_room_find_locked(&zones[1], 0, &t.nsp), &room) == 0,
       "no such room");
    ok(end(), "nothing is left");
}


/*
 * Without a backend, a client that is too slow is closed by its farewell, and
 * its sockets are freed at once.  Fails if the selector goes on with them.
 */

static void
test_slow_farewell(ngx_uint_t what)
{
    ngx_uint_t              count;
    ngx_socketio_id_t       id;
    ngx_socketio_word_t     word;
    ngx_socketio_target_t   t;

    begin(50);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);

    /* the packets of two connects, and, for a close, one farewell */

    id = open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0,
                      what == NGX_SOCKETIO_DO_CLOSE ? 4 : 2);
    connect_socket(&zones[1], &id, "/", NULL);
    connect_socket(&zones[1], &id, "/chat", NULL);

    if (what == NGX_SOCKETIO_DO_CLOSE) {
        connect_socket(&zones[1], &id, "/news", NULL);
    }

    target_of(&t, "/", &word, NULL);

    ok(ngx_socketio_select(&zones[1], &t, what, NULL, 0, 10, frames, 10,
                           &count)
       == NGX_OK && count == 1, "one socket");
    ok(state_of(&id) == NGX_SOCKETIO_EIO_CLOSED, "the session is closed");
    ok(zones[0].sh->stats.slow == 1 && zones[0].sh->stats.sockets == 0,
       "with all its sockets");
    ok(end(), "nothing is left");
}


/*
 * The only members of a room are too slow.  Fails if room or namespace are
 * used after they went with them.
 */

static void
test_slow_room(void)
{
    ngx_str_t              text;
    ngx_uint_t             count;
    ngx_socketio_id_t      id;
    ngx_socketio_word_t    in[2];
    ngx_socketio_target_t  t;

    begin(50);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    id = open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0, 1);
    connect_socket(&zones[1], &id, "/", "a");
    target_of(&t, "/", in, "a");
    text.data = (u_char *) "b";
    text.len = 1;
    ngx_socketio_word_set(&in[1], &text);
    t.nin = 2;

    ok(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, NULL, &count) == NGX_OK
       && count == 0, "nobody is reached");
    ok(state_of(&id) == NGX_SOCKETIO_EIO_CLOSED, "it is closed");
    ok(end(), "nothing is left");
}


/*
 * Somebody joins a room whose name is a socket's id.  Fails if an emit to the
 * id reaches him only.
 */

static void
test_id_as_room(void)
{
    char                    text[NGX_SOCKETIO_SOCKET_TEXT + 1];
    ngx_uint_t              count;
    ngx_socketio_id_t       id, other, socket;
    ngx_socketio_word_t     word;
    ngx_socketio_socket_t  *rec;
    ngx_socketio_target_t   t;

    begin(50);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    id = open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0, 10);
    other = open_session(&zones[1], NGX_SOCKETIO_EIO_WEBSOCKET, 0, 10);
    socket = connect_socket(&zones[1], &id, "/", NULL);
    rec = ngx_socketio_rec(&zones[1], socket.ref);
    ngx_socketio_socket_text((u_char *) text, &socket, rec->secret);
    text[NGX_SOCKETIO_SOCKET_TEXT] = '\0';

    target_of(&t, "/", &word, text);
    ok(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, NULL, &count) == NGX_OK
       && count == 1, "a socket by its id");

    connect_socket(&zones[1], &other, "/", text);
    ok(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, NULL, &count) == NGX_OK
       && count == 2, "and who joined it");

    ok(end(), "nothing is left");
}


/*
 * A connect is refused and there is no memory for the packet that says so.
 * Fails if the client is left to wait.
 */

static void
test_refusal_without_memory(void)
{
    ngx_uint_t             n;
    ngx_socketio_id_t      id;
    ngx_socketio_entry_t   entry;

    begin(20);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    id = open_session(&zones[1], NGX_SOCKETIO_EIO_WEBSOCKET, 1, 10);
    connect_socket(&zones[1], &id, "/", NULL);
    fill(&zones[1], 0);

    n = 1;
    ngx_socketio_inbox_peek(&zones[1], &id, owned_tenure, 0, &entry, &n);
    ok(ngx_socketio_reject(&zones[1], &entry.socket, frames, 300, 0) == NGX_OK,
       "refused");
    ok(state_of(&id) == NGX_SOCKETIO_EIO_CLOSED, "who cannot be told, closed");
    ok(ngx_socketio_inbox_done(&zones[1], &id, owned_tenure, 1) == NGX_OK,
       "no disconnect");
    empty(&zones[1]);
    ok(end(), "nothing is left");
}


/*
 * A worker dies in a hold while another one fills a message.  Fails if the
 * message is used although the zone was emptied, or something of before is
 * found.
 */

static void
test_emptied_while_filling(void)
{
    ngx_int_t                rc;
    ngx_uint_t               count;
    ngx_socketio_id_t        id;
    ngx_socketio_word_t      word;
    ngx_socketio_target_t    t;
    ngx_socketio_letters_t   letters;

    begin(50);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    id = open_session(&zones[1], NGX_SOCKETIO_EIO_WEBSOCKET, 0, 10);
    connect_socket(&zones[1], &id, "/", NULL);
    target_of(&t, "/", &word, NULL);

    spoil = 1;
    rc = ngx_socketio_emit(&zones[1], &t, frames, 300, 0, NULL, &count);
    ok(rc == NGX_ERROR && count == 0, "nobody is reached");
    ok(zones[0].sh->stats.emptied == 1 && state_of(&id) == 9, "emptied");
    ok(zones[0].sh->free_pages == zones[0].sh->npages, "quite");

    ngx_socketio_slot_take(&zones[1], &letters, ngx_current_msec);
    ok(letters.emptied && letters.n == 0 && letters.nbells == 0,
       "its worker is told");
    ngx_socketio_slot_take(&zones[1], &letters, ngx_current_msec);
    ok(!letters.emptied, "once");
    ok(end(), "nothing is left");
}


/*
 * The zone was emptied, and a worker that has not noticed yet takes what is
 * queued for a new session.  Fails if it holds that for ever: it gives
 * nothing back that it took before it noticed.
 */

static void
test_taken_before_noticed(void)
{
    ngx_socketio_id_t         id;
    ngx_socketio_key_t        key;
    ngx_socketio_taken_t      taken;
    ngx_socketio_letters_t    letters;

    begin(50);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    zones[0].sh->dirty = 1;
    zones[0].sh->attempts = NGX_SOCKETIO_ATTEMPTS;

    id = open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0, 10);
    connect_socket(&zones[1], &id, "/", NULL);
    ngx_memzero(&key, sizeof(key));
    ngx_memcpy(key.sid, &sids, sizeof(sids));
    key.revision = 4;
    ok(ngx_socketio_get(&zones[1], &key, 0, &taken, ngx_current_msec)
       == NGX_OK && taken.n == 1, "one packet is taken");
    ngx_socketio_slot_give_back(&zones[1], &taken.nodes, 1);

    ngx_socketio_slot_take(&zones[1], &letters, ngx_current_msec);
    ok(letters.emptied && zones[0].slots[0].held == 0, "nothing is held");
    ok(end(), "nothing is left");
}


/*
 * Fails if an emit to one socket without memory for its record closes the
 * session instead of refusing the emit.
 */

static void
test_emit_without_memory(void)
{
    char                    text[NGX_SOCKETIO_SOCKET_TEXT + 1];
    ngx_uint_t              count;
    ngx_socketio_id_t       id, socket;
    ngx_socketio_word_t     word;
    ngx_socketio_socket_t  *rec;
    ngx_socketio_target_t   t;

    begin(30);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    id = open_session(&zones[1], NGX_SOCKETIO_EIO_WEBSOCKET, 0, 10);
    socket = connect_socket(&zones[1], &id, "/", NULL);
    rec = ngx_socketio_rec(&zones[1], socket.ref);
    ngx_socketio_socket_text((u_char *) text, &socket, rec->secret);
    text[NGX_SOCKETIO_SOCKET_TEXT] = '\0';
    target_of(&t, "/", &word, text);
    fill_nodes(&zones[1], 0);

    ok(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, NULL, &count)
       == NGX_ERROR && count == 0, "refused");
    ok(state_of(&id) == NGX_SOCKETIO_EIO_OPENED, "the session stays open");
    ok(end(), "nothing is left");
}


static ngx_uint_t
owed(ngx_socketio_id_t *socket)
{
    return ((ngx_socketio_socket_t *)
            ngx_socketio_rec(&zones[0], socket->ref))->nawaited;
}


/*
 * A socket owes as many acks as it may when there is no memory for an emit that
 * asks for one more.  Fails if the oldest is given up for an emit that has not
 * happened, as it was.
 */

static void
test_ask_without_memory(void)
{
    ngx_uint_t              count;
    ngx_socketio_id_t       id, socket, first;
    ngx_socketio_ask_t      ask;
    ngx_socketio_acks_t     acks;
    ngx_socketio_word_t     word;
    ngx_socketio_target_t   t;

    begin(20);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    id = open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0, 10);
    socket = connect_socket(&zones[1], &id, "/", NULL);
    target_of(&t, "/", &word, NULL);

    ngx_memzero(&ask, sizeof(ask));
    ask.number = ngx_socketio_ack_number(&zones[1]);
    ask.timeout = 1000;
    ask.max = 1;
    must(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, &ask, &count)
         == NGX_OK);
    first = ask.id;

    fill_nodes(&zones[1], 0);
    ask.number = ngx_socketio_ack_number(&zones[1]);
    ok(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, &ask, &count)
       == NGX_ERROR, "refused");
    ok(owed(&socket) == 1
       && ngx_socketio_ack_look(&zones[1], &first, &acks) == NGX_AGAIN,
       "the first one is still awaited");

    empty_nodes(&zones[1]);
    ask.number = ngx_socketio_ack_number(&zones[1]);
    ok(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, &ask, &count)
       == NGX_OK, "with memory again");
    ok(owed(&socket) == 1
       && ngx_socketio_ack_look(&zones[1], &first, &acks) == NGX_OK
       && acks.expected == 1 && acks.received == 0, "it is given up");

    ngx_socketio_ack_free(&zones[1], &first);
    ngx_socketio_ack_free(&zones[1], &ask.id);
    ok(end(), "nothing is left");
}


/*
 * There is memory for some of those who are asked.  Fails if these are left
 * owing an answer to what they have not got.
 */

static void
test_ask_half_without_memory(void)
{
    ngx_uint_t              i, count;
    ngx_socketio_id_t       id, sockets[100];
    ngx_socketio_ask_t      ask;
    ngx_socketio_word_t     word;
    ngx_socketio_target_t   t;

    begin(60);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);

    for (i = 0; i < 100; i++) {
        id = open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0, 10);
        sockets[i] = connect_socket(&zones[1], &id, "/", i ? NULL : "one");
    }

    target_of(&t, "/", &word, "one");
    ngx_memzero(&ask, sizeof(ask));
    ask.number = ngx_socketio_ack_number(&zones[1]);
    ask.timeout = 1000;
    ask.max = 10;
    must(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, &ask, &count)
         == NGX_OK && owed(&sockets[0]) == 1);
    id = ask.id;

    /* nodes for all, but no page for more events */

    fill_nodes(&zones[1], 110);
    target_of(&t, "/", &word, NULL);
    ask.number = ngx_socketio_ack_number(&zones[1]);
    ok(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, &ask, &count)
       == NGX_ERROR && count == 0, "refused");

    for (count = 0, i = 0; i < 100; i++) {
        count += owed(&sockets[i]);
    }

    ok(count == 1, "nobody owes an answer");

    empty_nodes(&zones[1]);
    ngx_socketio_ack_free(&zones[1], &id);
    ok(end(), "nothing is left");
}


/*
 * A worker that waits for acks is stopped and robbed.  Fails if what clients
 * answer meanwhile is lost, or it is not told when it comes back.
 */

static void
test_robbed_wait(void)
{
    ngx_uint_t               count;
    ngx_socketio_id_t        id;
    ngx_socketio_ask_t       ask;
    ngx_socketio_acks_t      acks;
    ngx_socketio_word_t      word;
    ngx_socketio_grave_t     grave;
    ngx_socketio_target_t    t;
    ngx_socketio_letters_t   letters;
    ngx_socketio_incoming_t  in;

    begin(30);

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    must(ngx_socketio_slot_claim(&zones[2], 1) == NGX_OK);
    id = open_session(&zones[2], NGX_SOCKETIO_EIO_POLLING, 0, 10);
    connect_socket(&zones[2], &id, "/", NULL);
    target_of(&t, "/", &word, NULL);

    ngx_memzero(&ask, sizeof(ask));
    ask.number = ngx_socketio_ack_number(&zones[1]);
    ask.timeout = 100000;
    ask.max = 1;
    must(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, &ask, &count)
         == NGX_OK);

    stub_clock(ngx_current_msec + NGX_SOCKETIO_STALE);
    ngx_memzero(&grave, sizeof(grave));
    grave.gen = zones[1].slot_gen;

    while (ngx_socketio_slot_rob(&zones[2], 0, &grave, ngx_current_msec)
           == NGX_AGAIN)
    { /* void */ }

    ngx_memzero(&in, sizeof(in));
    in.kind = NGX_SOCKETIO_EVENT_ACK;
    in.ack = ask.number + 1;
    in.body.data = (u_char *) "[1]";
    in.body.len = 3;
    name_of(&in.nsp, "/");
    ok(ngx_socketio_incoming(&zones[2], &id, &in, ngx_current_msec) == NGX_OK,
       "the client answers");

    ngx_socketio_slot_take(&zones[1], &letters, ngx_current_msec);
    ok(letters.all || letters.nbells, "the worker looks");
    ok(ngx_socketio_ack_look(&zones[1], &ask.id, &acks) == NGX_OK
       && acks.received == 1 && acks.first != 0, "and has the answer");

    ngx_socketio_ack_free(&zones[1], &ask.id);
    ok(end(), "nothing is left");
}


/* Fails if a zone of another version, or one that is too small, is used. */

static void
test_zone(void)
{
    ngx_socketio_zone_t  zone;

    begin(50);

    ngx_memzero(&zone, sizeof(zone));
    zones[0].sh->layout++;
    ok(ngx_socketio_zone_init(&zone, &shm, &zones[0], 0) == NGX_ERROR,
       "another layout");
    zones[0].sh->layout--;

    shm.shm.exists = 1;
    ok(ngx_socketio_zone_init(&zone, &shm, NULL, 0) == NGX_OK
       && zone.pages == zones[0].pages, "found again");
    (void) end();

    ngx_memzero(&zone, sizeof(zone));
    ngx_memzero(&pool, sizeof(pool));
    shm.shm.exists = 0;
    pool.pfree = 20;
    ok(ngx_socketio_zone_init(&zone, &shm, NULL, SLOTS) == NGX_ERROR,
       "too small");
    free(stub_block);
    stub_block = NULL;
}


int
main(void)
{
    test_successor();
    test_neighbour();
    test_stopped();
    test_two_sweepers();
    test_say();
    test_make_room();
    test_half_a_join();
    test_slow_farewell(NGX_SOCKETIO_DO_DISCONNECT);
    test_slow_farewell(NGX_SOCKETIO_DO_CLOSE);
    test_slow_room();
    test_id_as_room();
    test_refusal_without_memory();
    test_emptied_while_filling();
    test_taken_before_noticed();
    test_emit_without_memory();
    test_ask_without_memory();
    test_ask_half_without_memory();
    test_robbed_wait();
    test_zone();

    return tap_done();
}
