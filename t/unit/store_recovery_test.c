
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Recovery where memory, time and bounds decide.  Fails if a socket is told
 * that it has missed nothing when something was not kept, if what is kept
 * grows without a bound or keeps others from their memory, or if a secret is
 * taken for another one.
 */


#include "store_case.h"


#define RECOVERY  5000


static ngx_socketio_id_t  session, lost;
static uint64_t           offset;           /* of the last emit */


static void
on(void)
{
    ngx_uint_t  i;

    for (i = 0; i <= SLOTS; i++) {
        zones[i].recovery = RECOVERY;
    }

    must(ngx_socketio_slot_claim(&zones[1], 0) == NGX_OK);
}


/* to the room "r"; NGX_OK, or why not */

static ngx_int_t
emit(size_t len)
{
    ngx_str_t              text;
    ngx_int_t              rc;
    ngx_uint_t             count;
    ngx_socketio_word_t    word;
    ngx_socketio_target_t  t;

    static u_char  large[100000];

    ngx_memzero(&t, sizeof(t));
    ngx_str_set(&text, "r");
    name_of(&t.nsp, "/");
    ngx_socketio_word_set(&word, &text);
    t.in = &word;
    t.nin = 1;
    t.token = ngx_socketio_token(&zones[1]);

    rc = ngx_socketio_emit(&zones[1], &t, large, len, 0, NULL, &count);
    offset = t.token;

    return rc;
}


static void
close_session(ngx_socketio_id_t *id)
{
    ngx_socketio_end(&zones[1], id, NGX_SOCKETIO_REASON_TRANSPORT_CLOSE,
                     ngx_current_msec);
}


/* a socket in "r" whose key is 'k', with one message, lost */

static void
lose(void)
{
    u_char                   key[NGX_SOCKETIO_PASS_KEY];
    ngx_socketio_name_t      room;
    ngx_socketio_incoming_t  in;

    session = open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0, 10);

    ngx_memzero(&in, sizeof(in));
    in.kind = NGX_SOCKETIO_EVENT_CONNECT;
    in.namespaces_max = 10;
    name_of(&in.nsp, "/");
    name_of(&room, "r");

    must(ngx_socketio_incoming(&zones[1], &session, &in, ngx_current_msec)
         == NGX_DONE);

    lost = in.socket;
    ngx_memset(key, 'k', NGX_SOCKETIO_PASS_KEY);
    must(ngx_socketio_pass(&zones[1], &lost, key) == NGX_OK);
    must(ngx_socketio_accept(&zones[1], &lost, &room, 1, NULL, frames, 10)
         == NGX_OK);
    must(emit(10) == NGX_OK);

    close_session(&session);
}


/* how many messages it gets with its answer in a new session; 0: it is new */

static ngx_uint_t
recover(uint64_t token)
{
    ngx_uint_t               n;
    ngx_socketio_id_t        id;
    ngx_socketio_recover_t   r;
    ngx_socketio_session_t  *s;
    ngx_socketio_incoming_t  in;

    id = open_session(&zones[1], NGX_SOCKETIO_EIO_POLLING, 0, 10);

    ngx_memzero(&in, sizeof(in));
    ngx_memzero(&r, sizeof(r));
    in.kind = NGX_SOCKETIO_EVENT_CONNECT;
    in.namespaces_max = 10;
    in.recover = &r;
    name_of(&in.nsp, "/");
    r.socket = lost;
    r.token = token;
    r.frames.data = frames;
    r.frames.len = 10;
    ngx_memset(r.key, 'k', NGX_SOCKETIO_PASS_KEY);

    n = (ngx_socketio_incoming(&zones[1], &id, &in, ngx_current_msec)
         == NGX_OK);

    s = ngx_socketio_rec(&zones[1], id.ref);
    n = n ? s->outbox_n : 0;
    must(n == 0 || s->deadline == 0);

    if (n == 0 && in.socket.ref) {
        must(ngx_socketio_accept(&zones[1], &in.socket, NULL, 0, NULL, frames,
                                 10)
             == NGX_OK);
    }

    close_session(&id);

    return n;
}


static void
turn(ngx_uint_t ms)
{
    stub_clock(ngx_current_msec + ms);
    ngx_socketio_recovery_turn(&zones[1], ngx_current_msec);
}


static void
forget(void)
{
    zones[1].recovery = 0;
    turn(2000);
    must(zones[1].sh->log == 0 && zones[1].sh->lost == 0);
}


static void
test_missed(void)
{
    uint64_t  first;

    begin(60);
    on();
    lose();
    first = offset;

    ok(emit(10) == NGX_OK && emit(10) == NGX_OK, "emits that it misses");
    ok(recover(first) == 3, "both, and the answer");
    ok(recover(offset) == 1, "lost again, and nothing missed");
    ok(zones[1].sh->stats.recovered == 2, "counted");

    forget();
    ok(end(), "nothing is left");
}


/* the log has no memory for a message that went out */

static void
test_gap(void)
{
    uint64_t               first, full;
    ngx_uint_t             i;
    ngx_socketio_ref_t     refs[2000], n;

    begin(60);
    on();
    lose();
    first = offset;

    /* all but one page, which the message takes */

    ngx_socketio_zone_lock(&zones[1]);

    for (n = 0; zones[1].sh->free_pages > 4; n++) {
        refs[n] = ngx_socketio_message_alloc_locked(&zones[1], 4000);
        must(refs[n]);
    }

    while (zones[1].sh->nfree[NGX_SOCKETIO_LOG]) {
        refs[n] = ngx_socketio_alloc_locked(&zones[1], NGX_SOCKETIO_LOG);
        ((ngx_socketio_rec_t *) ngx_socketio_rec(&zones[1], refs[n++]))->used
                                                                         = 2;
    }

    stub_unlocking = NULL;
    ngx_socketio_zone_unlock(&zones[1]);

    full = zones[1].sh->stats.full;
    ok(emit(4 * 4080) == NGX_OK, "an emit takes the last pages");
    ok(zones[1].sh->stats.full == full + 1, "counted");

    ngx_socketio_zone_lock(&zones[1]);

    for (i = 0; i < n; i++) {
        if (ngx_socketio_type(&zones[1], refs[i]) == NGX_SOCKETIO_LOG) {
            ngx_socketio_free_locked(&zones[1], refs[i]);
        } else {
            ngx_socketio_message_release_locked(&zones[1], refs[i]);
        }
    }

    stub_unlocking = unlocking;
    ngx_socketio_zone_unlock(&zones[1]);

    ok(recover(first) == 0, "what was not kept is not passed over");

    lose();
    ok(recover(offset) == 1, "and afterwards it goes on");

    forget();
    ok(end(), "nothing is left");
}


static void
test_bounds(void)
{
    uint64_t    first;
    ngx_uint_t  i, max;

    begin(60);
    on();
    lose();
    first = offset;
    max = 0;

    for (i = 0; i < 100; i++) {
        must(emit(3000) == NGX_OK);
        max = ngx_max(max, zones[1].sh->log_bytes);
    }

    ok(max <= 60 * NGX_SOCKETIO_PAGE / 8, "an eighth of the zone");
    ok(recover(first) == 0, "the oldest has gone");

    must(emit(100000) == NGX_OK);
    ok(zones[1].sh->log == 0, "one beyond the bound is not kept");

    lose();
    first = offset;

    for (i = 0; i < 9; i++) {
        must(emit(10) == NGX_OK);
    }

    ok(recover(first) == 10, "what the queue takes");

    for (i = 0; i < 10; i++) {
        must(emit(10) == NGX_OK);
    }

    ok(recover(offset) == 1, "lost, and again");

    lose();
    first = offset;

    for (i = 0; i < 10; i++) {
        must(emit(10) == NGX_OK);
    }

    ok(recover(first) == 0, "more than the queue takes");

    forget();
    ok(end(), "nothing is left");
}


static void
test_time(void)
{
    uint64_t  first;

    begin(60);
    on();
    lose();
    first = offset;

    turn(RECOVERY);
    ok(recover(first) == 1, "just in time");
    turn(RECOVERY + 1);
    ok(zones[1].sh->lost == 0, "forgotten when its time is over");
    ok(recover(first) == 0, "and a new one");
    ok(zones[1].sh->log != 0, "while memory is left, old offsets are known");

    forget();
    ok(end(), "nothing is left");
}


/* memory is for those who are there */

static void
test_pressure(void)
{
    ngx_uint_t          i, n;
    ngx_socketio_ref_t  refs[100];

    begin(60);
    on();
    lose();
    must(zones[1].sh->log && zones[1].sh->lost);

    ngx_socketio_zone_lock(&zones[1]);

    for (n = 0; zones[1].sh->free_pages >= 60 / 2; n++) {
        refs[n] = ngx_socketio_message_alloc_locked(&zones[1], 4000);
    }

    ngx_socketio_zone_unlock(&zones[1]);

    turn(2000);
    ok(zones[1].sh->log && zones[1].sh->lost, "half of it");
    turn(RECOVERY + 1);
    ok(zones[1].sh->log == 0, "half of it, and old");

    lose();

    /* freeing the log gives a page back, at first */

    for (i = 0; i < 2; i++) {
        ngx_socketio_zone_lock(&zones[1]);

        for ( /* void */ ; zones[1].sh->free_pages >= 60 / 16; n++) {
            refs[n] = ngx_socketio_message_alloc_locked(&zones[1], 4000);
        }

        ngx_socketio_zone_unlock(&zones[1]);

        turn(2000);
        ok(i ? zones[1].sh->lost == 0 : zones[1].sh->log == 0,
           "nearly all of it");
    }

    ngx_socketio_zone_lock(&zones[1]);

    while (n--) {
        ngx_socketio_message_release_locked(&zones[1], refs[n]);
    }

    ngx_socketio_zone_unlock(&zones[1]);

    forget();
    ok(end(), "nothing is left");
}


/* of more rooms than an entry has place for, and than it may have */

static void
test_many_names(void)
{
    uint64_t               first;
    ngx_str_t              text;
    ngx_uint_t             i, count;
    ngx_socketio_word_t    words[1100];
    ngx_socketio_target_t  t;

    static ngx_uint_t      n[] = { 4, 5, 100, 1000, 1100 };

    begin(200);
    on();
    lose();
    first = offset;

    ngx_memzero(&t, sizeof(t));
    ngx_str_set(&text, "r");
    name_of(&t.nsp, "/");
    t.in = words;

    for (i = 0; i < 1100; i++) {
        ngx_socketio_word_set(&words[i], &text);
    }

    for (i = 0; i < 5; i++) {

        if (i == 4) {
            ok(recover(first) == 5, "all are kept");
        }

        t.nin = n[i];
        t.token = ngx_socketio_token(&zones[1]);
        must(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, NULL,
                               &count)
             == NGX_OK);
    }

    ok(recover(first) == 0, "but for one of too many names");

    forget();
    ok(end(), "nothing is left");
}


static void
test_texts(void)
{
    u_char                  key[NGX_SOCKETIO_PASS_KEY], secret[7], sid[20];
    u_char                  pid[NGX_SOCKETIO_PID_TEXT];
    u_char                  token[NGX_SOCKETIO_TOKEN_TEXT];
    ngx_str_t               p, t;
    ngx_uint_t              i, bad;
    ngx_socketio_id_t       id;
    ngx_socketio_recover_t  r;

    id.ref = 0x12345678;
    id.gen = 0x9abcdef0;
    ngx_memset(key, 0xfe, sizeof(key));
    ngx_memset(secret, 0x81, sizeof(secret));

    ngx_socketio_socket_text(sid, &id, secret);
    ok(ngx_socketio_pid_text(pid, sid, key) == pid + sizeof(pid), "a pid");
    ngx_socketio_token_text(token, 0xfedcba9876543210);

    p.data = pid;
    p.len = sizeof(pid);
    t.data = token;
    t.len = sizeof(token);

    ok(ngx_socketio_recover_parse(&r, &p, &t) == NGX_OK
       && r.socket.ref == id.ref && r.socket.gen == id.gen
       && r.token == 0xfedcba9876543210
       && ngx_memcmp(r.key, key, sizeof(key)) == 0
       && ngx_memcmp(r.secret, secret, sizeof(secret)) == 0, "and back");

    for (bad = 0, i = 0; i < sizeof(pid); i++) {
        pid[i] ^= 0x80;
        bad += (ngx_socketio_recover_parse(&r, &p, &t) == NGX_OK);
        pid[i] ^= 0x80;
    }

    for (i = 0; i < sizeof(token); i++) {
        token[i] ^= 0x80;
        bad += (ngx_socketio_recover_parse(&r, &p, &t) == NGX_OK);
        token[i] ^= 0x80;
    }

    p.len--;
    bad += (ngx_socketio_recover_parse(&r, &p, &t) == NGX_OK);
    p.len++;
    t.len = 0;
    bad += (ngx_socketio_recover_parse(&r, &p, &t) == NGX_OK);
    ok(bad == 0, "nothing else is one");
}


int
main(void)
{
    test_missed();
    test_gap();
    test_bounds();
    test_time();
    test_pressure();
    test_many_names();
    test_texts();

    return tap_done();
}
