
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Keys of commands.  Fails if of two takers both may run, if a repetition is
 * told another result or runs within its time, if a key stays when its time is
 * up or its command has failed, if keys take more than an eighth of the zone,
 * if they make others' memory, or leak.  After each hold the whole zone is
 * walked.
 */


#include "store_case.h"


static ngx_socketio_key_result_t  told;


static ngx_int_t
take(ngx_socketio_zone_t *zone, const char *key, ngx_socketio_id_t *id)
{
    ngx_str_t            s;
    ngx_socketio_name_t  name;

    s.data = (u_char *) key;
    s.len = strlen(key);
    ngx_socketio_name_set(&name, &s);
    ngx_memzero(&told, sizeof(told));

    return ngx_socketio_key_take(zone, &name, id, &told, ngx_current_msec);
}


static void
ran(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id, const char *op,
    uint32_t count)
{
    ngx_socketio_key_result_t  result;

    ngx_memzero(&result, sizeof(result));
    strcpy((char *) result.op, op);
    result.count = count;

    ngx_socketio_key_ran(zone, id, &result, ngx_current_msec);
}


static ngx_uint_t
is_told(const char *op, uint32_t count)
{
    return strcmp((char *) told.op, op) == 0 && told.count == count;
}


static ngx_uint_t
pages(void)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < zones[0].sh->npages; i++) {
        n += zones[0].table[i].type == NGX_SOCKETIO_KEY;
    }

    return n;
}


static void
forget(void)
{
    stub_clock(ngx_current_msec + NGX_SOCKETIO_KEY_MSEC);
    ngx_socketio_key_expire(&zones[0], ngx_current_msec);

    ok(end(), "nothing is left");
}


static void
test_once(void)
{
    char               longest[NGX_SOCKETIO_KEY_MAX + 1];
    ngx_socketio_id_t  a, b, c;

    begin(40);

    ok(take(&zones[0], "a", &a) == NGX_OK, "a new key is taken");
    ok(take(&zones[1], "a", &b) == NGX_DECLINED, "... and runs meanwhile");
    ok(take(&zones[1], "b", &b) == NGX_OK, "another one does not wait");

    ran(&zones[0], &a, "emit", 7);

    ok(take(&zones[1], "a", &c) == NGX_DONE && is_told("emit", 7),
       "a repetition is told");
    ok(take(&zones[0], "b", &c) == NGX_DECLINED, "each has its own");

    ngx_socketio_key_drop(&zones[1], &b);

    ok(take(&zones[0], "b", &c) == NGX_OK, "one that failed may run again");

    ngx_socketio_key_drop(&zones[1], &b);
    ran(&zones[1], &b, "join", 1);

    ok(take(&zones[1], "b", &b) == NGX_DECLINED,
       "who failed has nothing to do with it any more");

    ran(&zones[0], &c, "disconnect", 0);

    ok(take(&zones[1], "b", &b) == NGX_DONE && is_told("disconnect", 0),
       "a repetition is told of the one that ran");

    memset(longest, 'k', NGX_SOCKETIO_KEY_MAX);
    longest[NGX_SOCKETIO_KEY_MAX] = '\0';

    ok(take(&zones[0], longest, &a) == NGX_OK, "the longest");
    longest[NGX_SOCKETIO_KEY_MAX - 1] = '\0';
    ok(take(&zones[0], longest, &a) == NGX_OK, "... is not one byte less");

    forget();
}


static void
test_time(void)
{
    uint64_t           now;
    ngx_socketio_id_t  a, b;

    begin(40);
    now = ngx_current_msec;

    (void) take(&zones[0], "a", &a);
    stub_clock(now + 30000);
    (void) take(&zones[0], "dies", &b);
    ran(&zones[0], &a, "emit", 1);

    stub_clock(now + 30000 + NGX_SOCKETIO_KEY_MSEC - 1);
    ngx_socketio_key_expire(&zones[1], ngx_current_msec);

    ok(take(&zones[1], "a", &a) == NGX_DONE, "for 60 s behind its command");
    ok(take(&zones[1], "dies", &b) == NGX_DECLINED,
       "of a dead worker: it is not run again");

    stub_clock(now + 30000 + NGX_SOCKETIO_KEY_MSEC);

    ok(take(&zones[1], "a", &a) == NGX_OK, "then it is new again");
    ok(take(&zones[1], "dies", &b) == NGX_OK, "that of the dead one, too");

    ran(&zones[1], &a, "emit", 2);
    stub_clock(ngx_current_msec + NGX_SOCKETIO_KEY_MSEC);
    ngx_socketio_key_expire(&zones[0], ngx_current_msec);

    ok(zones[0].sh->nkeys == 0 && pages() == 0, "the tick forgets all");

    ran(&zones[1], &b, "emit", 3);

    ok(zones[0].sh->nkeys == 0, "one that ends later does not bring it back");

    forget();
}


/* each use forgets some: all of them go also where no tick comes */

static void
test_use(void)
{
    char               key[16];
    ngx_uint_t         i;
    ngx_socketio_id_t  id;

    begin(400);

    for (i = 0; i < 300; i++) {
        sprintf(key, "k%u", (unsigned) i);
        (void) take(&zones[0], key, &id);
    }

    stub_clock(ngx_current_msec + NGX_SOCKETIO_KEY_MSEC);

    ok(take(&zones[0], "k299", &id) == NGX_OK,
       "one whose time is up is new, whoever is before it");

    for (i = 0; i < 100; i++) {
        sprintf(key, "n%u", (unsigned) i);
        (void) take(&zones[0], key, &id);
    }

    ok(zones[0].sh->nkeys == 101, "%u left", (unsigned) zones[0].sh->nkeys);
    ok(zones[0].sh->stats.forgotten == 0, "none before its time");

    forget();
}


static void
test_bound(void)
{
    char               key[16];
    ngx_uint_t         i, max;
    ngx_socketio_id_t  id, first;

    begin(80);

    max = 10 * NGX_SOCKETIO_KEY_PAGE;

    (void) take(&zones[0], "first", &first);

    for (i = 1; i < max; i++) {
        sprintf(key, "k%u", (unsigned) i);
        (void) take(&zones[0], key, &id);
        ran(&zones[0], &id, "emit", (uint32_t) i);
    }

    ok(pages() == 10 && zones[0].sh->nkeys == max, "an eighth of the zone");
    ok(take(&zones[0], "k1", &id) == NGX_DONE && is_told("emit", 1),
       "all are known");

    ok(take(&zones[0], "more", &id) == NGX_OK, "one more");
    ok(pages() == 10 && zones[0].sh->stats.forgotten == 1,
       "one is forgotten instead");
    ok(take(&zones[0], "k1", &id) == NGX_DONE, "not this one");

    /* a running one has no other place in the list */

    ngx_socketio_key_drop(&zones[0], &first);
    ok(take(&zones[0], "first", &first) == NGX_OK, "but the oldest");
    ok(take(&zones[0], "k1", &id) == NGX_OK, "and so on");

    forget();
}


static void
test_full(void)
{
    ngx_socketio_id_t  a, b;

    begin(40);

    must(ngx_socketio_slot_claim(&zones[0], 0) == NGX_OK);
    ngx_socketio_zone_lock(&zones[0]);

    while (zones[0].sh->free_pages) {
        must(ngx_socketio_message_alloc_locked(&zones[0], 4000) != 0);
    }

    ngx_socketio_zone_unlock(&zones[0]);

    ok(take(&zones[0], "a", &a) == NGX_BUSY, "the zone is full");
    ok(zones[0].sh->stats.full == 1, "... which is counted");

    ngx_socketio_zone_lock(&zones[0]);
    ngx_socketio_message_release_locked(&zones[0],
                                        zones[0].slots[0].messages);
    ngx_socketio_zone_unlock(&zones[0]);

    ok(take(&zones[0], "a", &a) == NGX_OK, "not any more");

    ngx_socketio_zone_lock(&zones[0]);

    while (zones[0].sh->free_pages) {
        must(ngx_socketio_message_alloc_locked(&zones[0], 4000) != 0);
    }

    ngx_socketio_zone_unlock(&zones[0]);

    ngx_socketio_zone_lock(&zones[0]);
    ngx_socketio_zone_empty_locked(&zones[0]);
    store_poison_all(&zones[0]);
    ngx_socketio_zone_unlock(&zones[0]);

    ran(&zones[0], &a, "emit", 1);
    ok(zones[0].sh->nkeys == 0, "an emptied zone knows none");
    ok(take(&zones[0], "a", &b) == NGX_OK, "and takes it anew");

    forget();
}


/*
 * The worker that runs a command dies.  Fails if its key lets nobody run it
 * for as long as a key is kept, or if an emit that all have got runs again.
 */

static void
test_left(void)
{
    ngx_uint_t             count;
    ngx_socketio_id_t      session, a, b;
    ngx_socketio_word_t    in;
    ngx_socketio_target_t  t;

    begin(40);

    must(ngx_socketio_slot_claim(&zones[0], 0) == NGX_OK);
    must(ngx_socketio_slot_claim(&zones[1], 1) == NGX_OK);
    session = open_session(&zones[0], NGX_SOCKETIO_EIO_POLLING, 0, 10);
    connect_socket(&zones[0], &session, "/", "room");

    must(take(&zones[1], "before", &a) == NGX_OK);
    must(take(&zones[1], "after", &b) == NGX_OK);

    target_of(&t, "/", &in, "room");
    t.key = b;
    must(ngx_socketio_emit(&zones[1], &t, frames, 10, 0, NULL, &count)
         == NGX_OK && count == 1);

    ok(take(&zones[0], "before", &a) == NGX_DECLINED, "it lives");
    ngx_socketio_slot_leave(&zones[1]);

    ok(take(&zones[0], "before", &a) == NGX_OK,
       "it is dead: the command may run");
    ok(take(&zones[0], "after", &b) == NGX_DONE && told.count == 1,
       "what had run is not run again");

    forget();
}


int
main(void)
{
    test_once();
    test_left();
    test_time();
    test_use();
    test_bound();
    test_full();

    return tap_done();
}
