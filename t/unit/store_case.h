
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What tests of single cases share: a zone that is walked for contradictions
 * after each hold, workers, sessions, sockets.
 */


#ifndef _STORE_CASE_H_INCLUDED_
#define _STORE_CASE_H_INCLUDED_


#include "tap.h"
#include "store_check.h"


#define SLOTS  4


static ngx_socketio_zone_t  zones[SLOTS + 1];
static ngx_shm_zone_t       shm;
static ngx_slab_pool_t      pool;
static ngx_log_t            the_log;
static u_char               frames[300];
static ngx_uint_t           nowned;
static ngx_socketio_id_t    owned_id;
static uint32_t             owned_tenure;
static ngx_socketio_zone_t *owned_by;
static uint32_t             sids;           /* the last session's */
static ngx_uint_t           spoil;          /* at so many unlocks more */


static void
wake(ngx_socketio_zone_t *zone, ngx_uint_t slot)
{
    (void) zone;
    (void) slot;
}


static void
inbox(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id, uint32_t tenure)
{
    nowned++;
    owned_by = zone;
    owned_id = *id;
    owned_tenure = tenure;
}


static void
unlocking(void)
{
    check_all(&zones[0]);

    if (spoil && --spoil == 0) {
        zones[0].sh->dirty = 1;
        zones[0].sh->attempts = NGX_SOCKETIO_ATTEMPTS;
    }
}


static void
begin(uint32_t npages)
{
    ngx_uint_t  i;

    ngx_memzero(zones, sizeof(zones));
    ngx_memzero(&pool, sizeof(pool));
    stub_clock(1000000);

    shm.shm.addr = (u_char *) &pool;
    shm.shm.log = &the_log;
    shm.shm.exists = 0;
    pool.pfree = npages + 80;
    check_dead = 0;
    nowned = 0;
    spoil = 0;

    must(ngx_socketio_zone_init(&zones[0], &shm, NULL, SLOTS) == NGX_OK);

    zones[0].sh->npages = npages;
    ngx_socketio_zone_layout(&zones[0], 0);
    ngx_socketio_zone_empty_locked(&zones[0]);
    zones[0].sh->stats.emptied = 0;

    for (i = 0; i <= SLOTS; i++) {
        must(ngx_socketio_zone_init(&zones[i], &shm, &zones[0], 0) == NGX_OK);
        zones[i].wake = wake;
        zones[i].inbox = inbox;
    }

    store_poison_all(&zones[0]);
    stub_unlocking = unlocking;
}


/* all else has gone: nothing may be left */

static ngx_uint_t
end(void)
{
    ngx_uint_t               i, pages;
    ngx_socketio_id_t        id;
    ngx_socketio_session_t  *s;

    zones[SLOTS].slot_gen = 0;
    check_dead = ~(uint64_t) 0;

    for (i = 0; i < SLOTS; i++) {
        if (zones[i].slot_gen) {
            ngx_socketio_slot_leave(&zones[i]);
        }
    }

    for ( ;; ) {
        pages = 0;
        id.ref = ngx_socketio_walk_locked(&zones[0], NGX_SOCKETIO_SESSION, 0,
                                          &pages);
        if (id.ref == 0) {
            break;
        }

        s = ngx_socketio_rec(&zones[0], id.ref);
        id.gen = s->rec.gen;

        if (s->eio.state == NGX_SOCKETIO_EIO_CLOSED) {
            break;
        }

        ngx_socketio_end(&zones[0], &id, NGX_SOCKETIO_REASON_FORCED,
                         ngx_current_msec);
    }

    stub_clock(ngx_current_msec + 200);
    ngx_socketio_wheel_turn(&zones[0], ngx_current_msec);

    i = zones[0].sh->free_pages == zones[0].sh->npages;

    stub_unlocking = NULL;
    store_unpoison_all(&zones[0]);
    free(stub_block);
    stub_block = NULL;

    return i;
}


/* with a sid of its own, and defaults for what is not set */

static ngx_socketio_id_t
open_with(ngx_socketio_zone_t *zone, ngx_socketio_open_t *o)
{
    ngx_socketio_id_t  id;

    ++sids;
    ngx_memcpy(o->key.sid, &sids, sizeof(sids));
    o->key.revision = o->key.revision ? o->key.revision : 4;
    o->peer.revision = o->key.revision;
    o->interval = 25000;
    o->timeout = 20000;
    o->connect_timeout = 45000;
    o->outbox_max = o->outbox_max ? o->outbox_max : 10;
    o->outbox_max_bytes = 100000;
    o->inbox_max = 10;
    o->inbox_max_bytes = 100000;

    must(ngx_socketio_open(zone, o, &id, ngx_current_msec) == NGX_OK);

    return id;
}


static ngx_inline ngx_socketio_id_t
open_session(ngx_socketio_zone_t *zone, ngx_uint_t transport,
    ngx_uint_t hooked, ngx_uint_t outbox)
{
    ngx_socketio_open_t  o;

    ngx_memzero(&o, sizeof(o));
    o.transport = transport;
    o.outbox_max = outbox;
    o.hooked = hooked;

    return open_with(zone, &o);
}


static void
name_of(ngx_socketio_name_t *name, char *text)
{
    ngx_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);
    ngx_socketio_name_set(name, &s);
}


static ngx_inline void
word_of(ngx_socketio_word_t *word, char *text)
{
    ngx_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);
    ngx_socketio_word_set(word, &s);
}


/* one word, or all of the namespace */

static ngx_inline void
target_of(ngx_socketio_target_t *t, char *nsp, ngx_socketio_word_t *word,
    char *text)
{
    ngx_memzero(t, sizeof(*t));
    name_of(&t->nsp, nsp);
    t->in = word;

    if (text == NULL) {
        t->all = 1;
        return;
    }

    word_of(word, text);
    t->nin = 1;
}


/* without a backend; in this room, if any */

static ngx_inline ngx_socketio_id_t
connect_socket(ngx_socketio_zone_t *zone, ngx_socketio_id_t *session,
    char *nsp, char *room)
{
    ngx_int_t                rc;
    ngx_socketio_name_t      name;
    ngx_socketio_incoming_t  in;

    ngx_memzero(&in, sizeof(in));
    in.kind = NGX_SOCKETIO_EVENT_CONNECT;
    in.namespaces_max = 10;
    name_of(&in.nsp, nsp);

    rc = ngx_socketio_incoming(zone, session, &in, ngx_current_msec);

    if (rc == NGX_DONE) {
        if (room) {
            name_of(&name, room);
        }

        must(ngx_socketio_accept(zone, &in.socket, &name, room != NULL, NULL,
                                 frames, 10)
             == NGX_OK);

    } else {
        must(rc == NGX_OK);
    }

    return in.socket;
}


static ngx_inline ngx_uint_t
state_of(ngx_socketio_id_t *id)
{
    ngx_socketio_session_t  *s;

    s = ngx_socketio_find_locked(&zones[0], NGX_SOCKETIO_SESSION, id->ref,
                                 id->gen);

    return s ? s->eio.state : 9;
}


#endif /* _STORE_CASE_H_INCLUDED_ */
