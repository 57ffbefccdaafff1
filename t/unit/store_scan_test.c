
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Walks over the sockets of a target, in many holds: each socket once, whatever
 * happens between the holds, and no more work than there are members.  Fails
 * if a hold begins at the head of a list again, if an upgrade or another walk
 * makes one of its sockets come twice or not at all, if a room that is made
 * anew comes under its name again, or if a hold copies too much.
 */


#include "store_case.h"


#define MEMBERS  2000


static ngx_socketio_id_t    sessions[MEMBERS];
static ngx_socketio_id_t    sockets[MEMBERS];
static uint8_t              met[MEMBERS];
static uint32_t             first;          /* sid of the first session */
static ngx_uint_t           holds;
static ngx_uint_t           upgraded;
static ngx_socketio_scan_t *lost;


/* polling, in "/", each second in "half"; no walk through the zone for each */

static void
crowd(ngx_uint_t n)
{
    ngx_uint_t           i;
    ngx_socketio_name_t  room;

    stub_unlocking = NULL;
    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    first = sids + 1;

    for (i = 0; i < n; i++) {
        sessions[i] = open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0, 10);
        sockets[i] = connect_socket(&zones[1], &sessions[i], "/", "r");

        if (i % 2) {
            name_of(&room, "half");
            ngx_socketio_zone_lock(&zones[1]);
            must(ngx_socketio_join_name_locked(&zones[1], sockets[i].ref,
                                               &room, 10)
                 == NGX_OK);
            ngx_socketio_zone_unlock(&zones[1]);
        }
    }

    stub_unlocking = unlocking;
}


static ngx_uint_t
number(ngx_socketio_ref_t ref)
{
    ngx_uint_t  i;

    for (i = 0; i < MEMBERS; i++) {
        if (sockets[i].ref == ref) {
            return i;
        }
    }

    check_failed("a socket of ours", __FILE__, __LINE__);

    return 0;
}


/* all holds, with something done to each socket, and between holds */

static void
walk(ngx_socketio_scan_t *scan, ngx_socketio_target_t *t,
    void (*each)(ngx_socketio_ref_t ref), void (*between)(ngx_uint_t hold))
{
    ngx_int_t           rc;
    ngx_socketio_ref_t  ref;

    ngx_memzero(met, sizeof(met));
    ngx_socketio_scan_init(scan, &zones[1], t);
    holds = 0;

    do {
        must(ngx_socketio_scan_ready(scan) == NGX_OK);
        ngx_socketio_zone_lock(&zones[1]);
        ngx_socketio_scan_begin_locked(scan);

        for ( ;; ) {
            ref = ngx_socketio_scan_next_locked(scan);
            if (ref == 0) {
                break;
            }

            met[number(ref)]++;

            if (each) {
                each(ref);
            }
        }

        rc = ngx_socketio_scan_end_locked(scan);
        ngx_socketio_zone_unlock(&zones[1]);
        holds++;

        if (between && rc == NGX_AGAIN) {
            between(holds);
        }
    } while (rc == NGX_AGAIN);

    must(rc == NGX_OK);
    ngx_socketio_scan_free(scan);
}


/* how many were met, and -1 if one was more than once */

static int
once(void)
{
    int         n;
    ngx_uint_t  i;

    for (n = 0, i = 0; i < MEMBERS; i++) {
        if (met[i] > 1) {
            return -1;
        }

        n += met[i];
    }

    return n;
}


static void
leave(ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t   nsp;
    ngx_socketio_name_t  name;

    name_of(&name, "/");
    nsp = ngx_socketio_room_find_locked(&zones[1], 0, &name);
    name_of(&name, "r");
    must(ngx_socketio_leave_locked(&zones[1], ref,
                     ngx_socketio_room_find_locked(&zones[1], nsp, &name))
         == NGX_OK);
}


static void
test_linear(void)
{
    ngx_uint_t             count;
    ngx_socketio_word_t    in[2], except;
    ngx_socketio_scan_t    scan;
    ngx_socketio_target_t  t;

    begin(500);
    crowd(MEMBERS);

    target_of(&t, "/", in, "r");
    walk(&scan, &t, NULL, NULL);
    ok(once() == MEMBERS, "each member of a room once");
    ok(scan.steps == MEMBERS, "looked at once: %u", (unsigned) scan.steps);
    ok(holds <= MEMBERS / 256 + 1, "256 a hold: %u", (unsigned) holds);

    word_of(&in[1], "half");
    t.nin = 2;
    walk(&scan, &t, NULL, NULL);
    ok(once() == MEMBERS, "a union");
    ok(scan.steps == MEMBERS + MEMBERS / 2, "its steps: %u",
       (unsigned) scan.steps);

    target_of(&t, "/", in, NULL);
    word_of(&except, "half");
    t.except = &except;
    t.nexcept = 1;
    walk(&scan, &t, NULL, NULL);
    ok(once() == MEMBERS / 2, "all but a room");
    ok(scan.steps == MEMBERS + MEMBERS / 2, "its steps: %u",
       (unsigned) scan.steps);

    /* those that stay are at the head, and are not passed each time */

    target_of(&t, "/", in, "r");
    t.except = &except;
    t.nexcept = 1;
    walk(&scan, &t, leave, NULL);
    ok(once() == MEMBERS / 2, "leaving one by one");
    ok(scan.steps <= MEMBERS + MEMBERS / 2 + 2 * holds, "its steps: %u",
       (unsigned) scan.steps);

    target_of(&t, "/", in, NULL);
    ok(ngx_socketio_select(&zones[1], &t, NGX_SOCKETIO_DO_DISCONNECT, NULL, 0,
                           10, frames, 10, &count)
       == NGX_OK && count == MEMBERS, "all are disconnected");
    ok(end(), "nothing is left");
}


/* a websocket of its own, in the same worker */

static void
upgrade(ngx_uint_t i)
{
    uint32_t                   sid;
    ngx_socketio_id_t          id;
    ngx_socketio_key_t         key;
    ngx_socketio_upgrade_t     up;
    ngx_socketio_membership_t  members[8];

    ngx_memzero(&key, sizeof(key));
    ngx_memzero(&up, sizeof(up));
    sid = first + (uint32_t) i;
    ngx_memcpy(key.sid, &sid, sizeof(sid));
    key.revision = 4;
    up.members = members;
    up.nmembers = 8;

    must(ngx_socketio_probe(&zones[1], &key, (uint32_t) i, &id,
                            ngx_current_msec)
         == NGX_OK);
    must(ngx_socketio_probe_ping(&zones[1], &id, (uint32_t) i,
                                 ngx_current_msec)
         == NGX_OK);
    must(ngx_socketio_upgrade(&zones[1], &id, (uint32_t) i, &up,
                              ngx_current_msec)
         == NGX_OK);
}


/*
 * Some that were met are upgraded, and some that were not; who stands where
 * the next hold would go on leaves; another walk meets some of them.
 */

static void
unrest(ngx_uint_t hold)
{
    ngx_uint_t             i, n, count;
    ngx_socketio_word_t    word, except;
    ngx_socketio_target_t  t;

    stub_unlocking = NULL;

    for (n = 0, i = hold % 3; i < MEMBERS && n < 40; i += 7) {
        if (met[i] == hold % 2 && sessions[i].ref) {
            upgrade(i);
            sessions[i].ref = 0;
            upgraded++;
            n++;
        }
    }

    target_of(&t, "/", &word, NULL);
    word_of(&except, "half");
    t.except = &except;
    t.nexcept = 1;

    must(ngx_socketio_emit(&zones[1], &t, frames, 10, NGX_SOCKETIO_VOLATILE,
                           NULL, &count)
         == NGX_OK);

    stub_unlocking = unlocking;
}


/* the members at the place of the walk, and around it, are gone */

static void
lose(ngx_uint_t hold)
{
    ngx_uint_t              i;
    ngx_socketio_id_t       ids[2];
    ngx_socketio_member_t  *member;

    ids[0] = lost->next;
    ids[1] = lost->last;

    ngx_socketio_zone_lock(&zones[1]);

    for (i = 0; i < 1 + hold % 2; i++) {
        member = ngx_socketio_find_locked(&zones[1], NGX_SOCKETIO_MEMBER,
                                          ids[i].ref, ids[i].gen);
        must(member);

        if (member) {
            /* not to be met any more, or met before */
            met[number(member->socket)] = 1;
            leave(member->socket);
        }
    }

    ngx_socketio_zone_unlock(&zones[1]);
}


/* they are upgraded, and so on the other list */

static void
shift(ngx_uint_t hold)
{
    ngx_uint_t              i, k;
    ngx_socketio_id_t       ids[2];
    ngx_socketio_member_t  *member;

    ids[0] = lost->next;
    ids[1] = lost->last;
    stub_unlocking = NULL;

    for (i = 0; i < 1 + hold % 2; i++) {
        member = ngx_socketio_find_locked(&zones[1], NGX_SOCKETIO_MEMBER,
                                          ids[i].ref, ids[i].gen);
        must(member);
        k = number(member->socket);

        if (sessions[k].ref) {
            upgrade(k);
            sessions[k].ref = 0;
        }
    }

    stub_unlocking = unlocking;
}


static void
test_unrest(void)
{
    ngx_uint_t             count;
    ngx_socketio_word_t    in[2];
    ngx_socketio_scan_t    scan;
    ngx_socketio_target_t  t;

    begin(500);
    crowd(MEMBERS);

    target_of(&t, "/", in, "r");
    lost = &scan;
    walk(&scan, &t, NULL, shift);
    ok(once() == MEMBERS, "its place is on the other list: each once");

    walk(&scan, &t, NULL, unrest);
    ok(once() == MEMBERS && upgraded > 100, "%u upgrades: each once",
       (unsigned) upgraded);

    word_of(&in[1], "half");
    t.nin = 2;
    walk(&scan, &t, NULL, unrest);
    ok(once() == MEMBERS, "of a union, too");

    target_of(&t, "/", in, "r");
    walk(&scan, &t, NULL, lose);
    ok(once() == MEMBERS, "its place is gone: each once");
    ok(scan.steps <= 3 * MEMBERS, "its steps: %u", (unsigned) scan.steps);

    target_of(&t, "/", in, NULL);
    ok(ngx_socketio_select(&zones[1], &t, NGX_SOCKETIO_DO_CLOSE, NULL, 0, 10,
                           NULL, 0, &count)
       == NGX_OK && count == MEMBERS, "all are closed");

    ok(end(), "nothing is left");
}


static void
test_count(void)
{
    char                   text[NGX_SOCKETIO_SOCKET_TEXT + 1];
    ngx_uint_t             i, count;
    ngx_socketio_word_t    in[2], except;
    ngx_socketio_scan_t    scan;
    ngx_socketio_socket_t *socket;
    ngx_socketio_target_t  t;

    static ngx_uint_t  want[] = { 300, 300, 300, 150, 0, 2 };

    begin(100);
    crowd(300);

    for (i = 0; i < 6; i++) {
        target_of(&t, "/", in, i ? "r" : NULL);

        switch (i) {
        case 2:
            word_of(&in[1], "half");
            t.nin = 2;
            break;

        case 3:
            word_of(&except, "half");
            t.except = &except;
            t.nexcept = 1;
            break;

        case 4:
            name_of(&t.nsp, "/nobody");
            break;

        case 5:
            /* its own id, as a room that another one has joined */
            socket = ngx_socketio_rec(&zones[1], sockets[0].ref);
            ngx_socketio_socket_text((u_char *) text, &sockets[0],
                                     socket->secret);
            text[NGX_SOCKETIO_SOCKET_TEXT] = '\0';
            name_of(&t.nsp, text);
            ngx_socketio_zone_lock(&zones[1]);
            must(ngx_socketio_join_name_locked(&zones[1], sockets[1].ref,
                                               &t.nsp, 10)
                 == NGX_OK);
            ngx_socketio_zone_unlock(&zones[1]);
            target_of(&t, "/", in, text);
            break;
        }

        ngx_socketio_scan_init(&scan, &zones[1], &t);
        count = 0;

        while (ngx_socketio_count(&scan, &count) == NGX_AGAIN) { /* void */ }

        ok(count == want[i] && (i == 2 || i == 3 || scan.steps == 0),
           "count %u: %u in %u steps", (unsigned) i, (unsigned) count,
           (unsigned) scan.steps);
        ngx_socketio_scan_free(&scan);
    }

    ok(end(), "nothing is left");
}


/* socket i joins, or leaves */

static void
change(ngx_uint_t i, ngx_socketio_do_e what, char *room)
{
    char                   text[NGX_SOCKETIO_SOCKET_TEXT + 1];
    ngx_uint_t             count;
    ngx_socketio_name_t    name;
    ngx_socketio_word_t    word;
    ngx_socketio_socket_t *socket;
    ngx_socketio_target_t  t;

    socket = ngx_socketio_rec(&zones[1], sockets[i].ref);
    ngx_socketio_socket_text((u_char *) text, &sockets[i], socket->secret);
    text[NGX_SOCKETIO_SOCKET_TEXT] = '\0';
    target_of(&t, "/", &word, text);
    name_of(&name, room);

    must(ngx_socketio_select(&zones[1], &t, what, &name, 1, 1000, NULL, 0,
                             &count)
         == NGX_OK && count == 1);
}


/* all names are "room N": how often each is among those of this hold */

static void
named(u_char *p, u_char *last)
{
    ngx_str_t  name;

    while (ngx_socketio_fetch_name(&p, last, &name) == NGX_OK) {
        if (name.len == 8) {
            must(ngx_strncmp(name.data, "room ", 5) == 0);
            met[100 * (name.data[5] - 48) + 10 * (name.data[6] - 48)
                + name.data[7] - 48]++;
        }
    }
}


/* Between holds, all rooms are left and joined again, in another order. */

static void
test_rooms(ngx_uint_t all)
{
    char                         room[16];
    ngx_int_t                    rc;
    ngx_uint_t                   i, k;
    ngx_socketio_word_t          word;
    ngx_socketio_target_t        t;
    static ngx_socketio_fetch_t  fetch;

    begin(200);
    crowd(600);
    stub_unlocking = NULL;
    ngx_memzero(met, sizeof(met));

    for (i = 0; i < 600; i++) {
        sprintf(room, "room %03u", (unsigned) i);
        change(i, NGX_SOCKETIO_DO_JOIN, room);
    }

    target_of(&t, "/", &word, all ? NULL : "r");
    ngx_socketio_fetch_init(&fetch, &zones[1], &t, 0);
    holds = 0;

    do {
        stub_unlocking = unlocking;
        rc = ngx_socketio_fetch_rooms(&fetch);
        stub_unlocking = NULL;
        named(fetch.buf, fetch.buf + fetch.len);
        must(fetch.len <= NGX_SOCKETIO_FETCH_BYTES);
        holds++;

        for (i = 0; i < 600 && holds == 1; i++) {
            k = 599 - i;
            sprintf(room, "room %03u", (unsigned) k);

            if (k % 2) {
                change(k, NGX_SOCKETIO_DO_LEAVE, room);
            }
        }

        for (i = 0; i < 600 && holds == 1; i++) {
            k = 599 - i;
            sprintf(room, "room %03u", (unsigned) k);
            change(k, NGX_SOCKETIO_DO_JOIN, room);
        }
    } while (rc == NGX_AGAIN);

    ngx_socketio_fetch_free(&fetch);

    for (k = 1, i = 0; i < 600; i++) {
        k &= (met[i] == 1 || (met[i] == 0 && i % 2));
    }

    ok(rc == NGX_OK && holds > 1 && k, "rooms of %s: each once, %u holds",
       all ? "all" : "a room", (unsigned) holds);
    ok(end(), "nothing is left");
}


/* what is copied in a hold, of sockets that have much, or very much */

static void
test_bytes(void)
{
    char                         name[1001];
    ngx_int_t                    rc;
    ngx_str_t                    data;
    ngx_uint_t                   i, n, big, most;
    ngx_socketio_word_t          word;
    ngx_socketio_target_t        t;
    static u_char                bytes[4096];
    static ngx_socketio_fetch_t  fetch;

    begin(400);
    crowd(100);
    stub_unlocking = NULL;
    data.data = bytes;
    data.len = sizeof(bytes);
    ngx_memset(bytes, 'd', sizeof(bytes));

    for (i = 0; i < 100; i += 3) {
        must(ngx_socketio_set_data(&zones[1], &sockets[i], &data) == NGX_OK);
    }

    /* sprintf of the number makes the names differ */

    for (i = 0; i < 100; i++) {
        ngx_memset(name, 'n', 1000);
        name[1000] = '\0';
        name[sprintf(name, "%u", (unsigned) i)] = '.';
        change(50, NGX_SOCKETIO_DO_JOIN, name);
    }

    target_of(&t, "/", &word, NULL);
    ngx_socketio_fetch_init(&fetch, &zones[1], &t,
                            NGX_SOCKETIO_FETCH_DATA|NGX_SOCKETIO_FETCH_ROOMS);
    n = 0;
    big = 0;
    most = 0;

    do {
        rc = ngx_socketio_fetch_sockets(&fetch);

        for (i = 0; i < fetch.n; i++) {
            n++;
            must(fetch.found[i].data.len
                 == (number(fetch.found[i].socket.ref) % 3 ? 0 : 4096));
            big += (fetch.found[i].rooms.len > 100000);
        }

        if (fetch.n != 1) {
            most = ngx_max(most, fetch.len);
        }
    } while (rc == NGX_AGAIN);

    ngx_socketio_fetch_free(&fetch);

    ok(rc == NGX_OK && n == 100 && big == 1, "all, also who has much");
    ok(most > 4096 && most <= NGX_SOCKETIO_FETCH_BYTES,
       "%u bytes a hold, of more than one", (unsigned) most);
    stub_unlocking = unlocking;
    ok(end(), "nothing is left");
}


/* what clients of revision 3 call their sockets, and those of 4 must not */

static void
test_words(ngx_uint_t revision)
{
    char                   text[40];
    ngx_uint_t             i;
    ngx_socketio_id_t      id, socket, found;
    ngx_socketio_word_t    word;
    ngx_socketio_open_t    o;
    ngx_socketio_name_t    nsp;

    static struct {
        char        *before;
        char        *nsp;
        ngx_uint_t   ok;
    } cases[] = {
        { "", "/", 1 },
        { "", "/custom", 1 },               /* of clients 1.x */
        { "/custom#", "/custom", 1 },
        { "/#", "/", 1 },
        { "/custom#", "/", 0 },
        { "/#", "/custom", 0 },
        { "/custo#", "/custom", 0 },
        { "#", "/", 0 },
        { "", "/other", 0 },
        { "/other#", "/other", 0 },
        { "x", "/", 0 }
    };

    begin(50);
    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
    ngx_memzero(&o, sizeof(o));
    o.transport = NGX_SOCKETIO_EIO_POLLING;
    o.key.revision = revision;
    id = open_with(&zones[1], &o);
    connect_socket(&zones[1], &id, "/", NULL);
    socket = connect_socket(&zones[1], &id, "/custom", NULL);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        strcpy(text, cases[i].before);
        text[strlen(text)
             + ngx_socketio_base64url_encode((u_char *) text + strlen(text),
                                             o.key.sid, NGX_SOCKETIO_SID)]
            = '\0';
        word_of(&word, text);
        name_of(&nsp, cases[i].nsp);

        ok((ngx_socketio_word_socket(&zones[1], &nsp, &word, &found) == NGX_OK)
           == (cases[i].ok && revision == 3), "sio 23: revision %u: \"%s\", %s",
           (unsigned) revision, cases[i].before, cases[i].nsp);
    }

    word_of(&word, text + 1);
    name_of(&nsp, "/custom");
    must(ngx_socketio_word_socket(&zones[1], &nsp, &word, &found)
         == (revision == 3 ? NGX_OK : NGX_DECLINED));
    ok(revision != 3 || (found.ref == socket.ref && found.gen == socket.gen),
       "that very socket");
    ok(end(), "nothing is left");
}


int
main(void)
{
    test_linear();
    test_unrest();
    test_count();
    test_rooms(0);
    test_rooms(1);
    test_bytes();
    test_words(3);
    test_words(4);

    return tap_done();
}
