
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Workers, clients and a backend that do anything in any order to one zone,
 * next to a naive model of what must come of it.  Each worker is a private
 * ngx_socketio_zone_t with a slot of its own; what it does with letters is
 * what src/delivery does.  Checked:
 *
 *   each session receives exactly the messages meant for it, in order, as
 *   long as it is open, over polling, an upgrade, and a websocket;
 *   the backend hears of each socket: connect, events in order and without a
 *   gap, then, if it accepted, exactly one disconnect, whatever dies;
 *   each ack that an emit asks for has one outcome (store_asks.h);
 *   who comes back to a lost socket gets what it missed, all of it and once,
 *   or is a new one;
 *   rooms, counts of emits and selectors, refusals, what is seen by looking at
 *   sockets and rooms, are as the model says;
 *   nobody who has something to do has not been woken;
 *   the zone does not contradict itself (store_check.h), and is empty when
 *   all have gone.
 *
 * model_run() is driven by model_choose(), a generator or a fuzzer's bytes.
 */


#ifndef _STORE_MODEL_H_INCLUDED_
#define _STORE_MODEL_H_INCLUDED_


#include "store_client.h"
#include "store_recover.h"


/*
 * Takes nearly all memory, as messages that this worker fills and writes, or
 * gives it back.
 */

static void
model_op_hoard(model_worker_t *w)
{
    ngx_uint_t               i, left;
    ngx_socketio_ref_t       ref, node;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_node_t     *n;

    if (model_nhoard) {
        for (i = 0; i < model_nhoard; i++) {
            if (model_hoarder->alive
                && ngx_socketio_find_locked(&w->zone, NGX_SOCKETIO_NODE,
                                            model_hoard[i].ref,
                                            model_hoard[i].gen))
            {
                ngx_socketio_slot_give_back(&model_hoarder->zone,
                                            &model_hoard[i].ref, 1);
            }

            if (model_gone()) {
                break;
            }
        }

        model_nhoard = 0;
        return;
    }

    left = model_choose(4);
    model_hoarder = w;

    ngx_socketio_zone_lock(&w->zone);

    slot = &w->zone.slots[w->zone.slot];

    while (!model_gone() && model_nhoard < MODEL_HOARD
           && (w->zone.sh->free_pages > left / 2
               || w->zone.sh->nfree[NGX_SOCKETIO_NODE] > left))
    {
        ref = ngx_socketio_message_alloc_locked(&w->zone,
                               w->zone.sh->free_pages > 4 ? 4000 : 5);
        if (ref == 0) {
            break;
        }

        node = ngx_socketio_node_alloc_locked(&w->zone, ref,
                                              NGX_SOCKETIO_TO_SOCKET);
        if (node) {
            n = ngx_socketio_rec(&w->zone, node);
            n->owner = (ngx_socketio_ref_t) w->zone.slot;
            ngx_socketio_used(n);
            ngx_socketio_nodes_add_locked(&w->zone, &slot->held,
                                          &slot->held_tail, node);
            ngx_socketio_tally(&w->zone, NGX_SOCKETIO_N_HELD, 1);
            model_hoard[model_nhoard].ref = node;
            model_hoard[model_nhoard++].gen = n->rec.gen;
        }

        ngx_socketio_message_release_locked(&w->zone, ref);

        if (node == 0) {
            break;
        }
    }

    ngx_socketio_zone_unlock(&w->zone);
}


/* more bells than a ring keeps */

static void
model_op_bells(model_worker_t *w)
{
    ngx_uint_t                i;
    ngx_socketio_slot_t      *slot;
    ngx_socketio_session_t   *rec;

    ngx_socketio_zone_lock(&w->zone);

    for (i = 0; i < 150 && !model_gone(); i++) {
        slot = &w->zone.slots[w->zone.slot];
        rec = model_record(&model_sessions[i % MODEL_SESSIONS]);

        if (slot->gen && rec) {
            ngx_socketio_bell_locked(&w->zone, w->zone.slot, slot->gen,
                                  model_sessions[i % MODEL_SESSIONS].id.ref);
        }
    }

    ngx_socketio_zone_unlock(&w->zone);
}


static ngx_uint_t
model_alive(void)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < MODEL_SLOTS; i++) {
        n += model_workers[i].alive;
    }

    return n;
}


static void
model_start(ngx_uint_t slot)
{
    ngx_int_t           rc;
    model_worker_t     *w;
    ngx_socketio_grave_t  grave;

    w = &model_workers[slot];
    must(!w->alive);

    ngx_memzero(w, sizeof(model_worker_t));
    must(ngx_socketio_zone_init(&w->zone, &model_shm, &model_zone, 0)
         == NGX_OK);
    w->zone.wake = model_wake;
    w->zone.inbox = model_inbox;
    w->zone.recovery = model_recovery;
    w->alive = 1;

    while (ngx_socketio_slot_claim(&w->zone, slot) == NGX_BUSY) {
        ngx_memzero(&grave, sizeof(grave));
        model_any_close = 1;
        model_seen[19]++;

        do {
            rc = ngx_socketio_slot_bury(&w->zone, slot, &grave, model_now);
        } while (rc == NGX_AGAIN);
    }

    check_dead &= ~((uint64_t) 1 << slot);
    ngx_memzero(&model_graves[slot], sizeof(model_graves[slot]));
}


/* somebody finds one that has been stopped for long; then it goes on */

static void
model_op_rob(model_worker_t *w)
{
    ngx_int_t             rc;
    ngx_uint_t            i, k;
    ngx_socketio_grave_t  grave;

    i = model_choose(MODEL_SLOTS);

    if (!model_workers[i].alive || w == &model_workers[i]) {
        return;
    }

    if (model_choose(2)) {
        model_now = ngx_max(model_now,
                            model_zone.slots[i].tick + NGX_SOCKETIO_STALE);
        stub_clock(model_now);
    }

    ngx_memzero(&grave, sizeof(grave));
    grave.gen = model_workers[i].zone.slot_gen;
    model_any_close = 1;

    do {
        rc = ngx_socketio_slot_rob(&w->zone, i, &grave, model_now);
    } while (rc == NGX_AGAIN && !model_gone());

    if (!model_gone() && model_zone.slots[i].robbed) {
        model_workers[i].woken = 1;
        model_workers[i].robbed = 1;

        for (k = 0; k < MODEL_LOCALS; k++) {
            model_workers[i].locals[k].forgotten = 1;
        }

        model_seen[47]++;
    }
}


static void
model_op_worker(model_worker_t *w)
{
    ngx_int_t   rc;
    ngx_uint_t  i, slot;

    slot = w - model_workers;

    switch (model_choose(7)) {

    case 0:
        /* kill -9 */
        w->alive = 0;
        check_dead |= (uint64_t) 1 << slot;
        model_seen[20]++;
        return;

    case 1:
        ngx_socketio_slot_exiting(&w->zone);
        w->exiting = 1;

        for (i = 0; i < MODEL_LOCALS && !model_gone(); i++) {
            if (w->locals[i].kind == MODEL_GET) {
                model_look_get(w, &w->locals[i], 1);
            }
        }

        return;

    case 2:
        if (!w->exiting) {
            return;
        }

        model_any_close = 1;
        model_return(w);
        ngx_socketio_slot_leave(&w->zone);
        w->alive = 0;
        model_seen[21]++;
        return;

    case 3:
        /* somebody finds a dead one */

        for (i = 0; i < MODEL_SLOTS; i++) {
            if (check_dead & (uint64_t) 1 << i) {
                model_any_close = 1;
                model_seen[22]++;
                rc = ngx_socketio_slot_bury(&w->zone, i, &model_graves[i],
                                            model_now);
                if (rc == NGX_OK) {
                    check_dead &= ~((uint64_t) 1 << i);
                    ngx_memzero(&model_graves[i],
                                sizeof(model_graves[i]));
                }

                return;
            }
        }

        return;

    case 4:
        if (w->exiting && w->nowned) {
            i = model_choose(w->nowned);
            rc = ngx_socketio_inbox_pass_on(&w->zone, &w->owned[i].id,
                                            w->owned[i].tenure);
            if (rc == NGX_OK) {
                model_disown(w, i);
            }
        }

        return;

    case 5:
        model_op_rob(w);
        return;

    default:
        /* dies holding the lock, some holds later */
        if (model_choose(8) == 0) {
            model_die = 1 + model_choose(3);
        }
    }
}


static void
model_unlocking(void)
{
    model_unlocks++;

    if (model_every && model_unlocks % model_every == 0) {
        check_all(&model_zone);
    }

    if (model_die && --model_die == 0) {
        /*
         * All of the hold is done.  To be told anew takes memory, without
         * which one is closed: store_death_test.c has that.
         */
        model_zone.sh->dirty = 1;
        model_zone.sh->told = 0;
        model_seen[23]++;
    }
}


static void
model_reset(void)
{
    ngx_uint_t       i;
    model_worker_t  *w;

    /* what was made after it, in the same step, goes too */

    model_zone.sh->dirty = 1;
    model_zone.sh->attempts = NGX_SOCKETIO_ATTEMPTS;
    model_zone.wake = model_wake;
    ngx_socketio_zone_lock(&model_zone);
    ngx_socketio_zone_unlock(&model_zone);

    must(model_zone.sh->free_pages == model_zone.sh->npages);
    must(model_zone.sh->stats.sessions == 0);

    model_emptied = model_zone.sh->stats.emptied;
    model_nhoard = 0;

    for (i = 0; i < MODEL_SLOTS; i++) {
        w = &model_workers[i];

        if (!w->alive) {
            continue;
        }

        ngx_memzero(w->locals, sizeof(w->locals));
        w->nowned = 0;
        w->nback = 0;
        w->left = 0;
        w->woken = 0;

        ngx_socketio_slot_take(&w->zone, &w->letters, model_now);
        must(w->letters.n == 0 && w->letters.emptied);
        w->bells = w->letters.nbells;
    }

    ngx_memzero(model_sessions, sizeof(model_sessions));
    ngx_memzero(model_asks, sizeof(model_asks));
    ngx_memzero(model_lost, sizeof(model_lost));
    model_nlog = 0;

    for (i = 0; i < MODEL_SLOTS; i++) {
        check_dead &= ~((uint64_t) 1 << i);
        check_dead |= (uint64_t) (model_zone.slots[i].gen
                                  && !model_workers[i].alive) << i;
        ngx_memzero(&model_graves[i], sizeof(model_graves[i]));
    }
}


static void
model_sync_socket(model_session_t *s, model_socket_t *m)
{
    ngx_uint_t              n;
    ngx_socketio_ref_t      ref;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;
    char                    name[24];

    static uint8_t  states[] = {
        NGX_SOCKETIO_SOCKET_PENDING, NGX_SOCKETIO_SOCKET_CONNECTED,
        NGX_SOCKETIO_SOCKET_ENDED, NGX_SOCKETIO_SOCKET_ORPHAN,
        NGX_SOCKETIO_SOCKET_REFUSED
    };

    socket = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SOCKET,
                                      m->id.ref, m->id.gen);
    must(socket != NULL);
    must(socket->session == s->id.ref);
    must(socket->state == states[m->state]);
    must(m->state != MODEL_CONNECTED
         || socket->nrooms == 1 + model_room_count(m));

    n = 0;

    for (ref = socket->members; ref; ref = member->socket_next) {
        member = check_rec(ref, NGX_SOCKETIO_MEMBER);
        room = check_rec(member->room, NGX_SOCKETIO_ROOM);

        if (room->parent) {
            n = ngx_socketio_bytes_read(&model_zone, room->name,
                                        (u_char *) name, 22);
            name[n] = 0;
            must(m->state != MODEL_CONNECTED || model_in(m, name));
        }
    }
}


/* closed sessions; all else must be as the model thinks */

static void
model_sync(void)
{
    ngx_uint_t               i, k, may;
    model_session_t         *s;
    ngx_socketio_session_t  *rec;

    if (model_gone()) {
        return;
    }

    check_zone = &model_zone;
    may = model_any_close || model_full != model_zone.sh->stats.full
          || model_slow != model_zone.sh->stats.slow;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        s = &model_sessions[i];

        if (!s->used) {
            continue;
        }

        rec = model_record(s);

        if (s->open
            && (rec == NULL || rec->eio.state != NGX_SOCKETIO_EIO_OPENED))
        {
            must(s->may_close || may);
            s->open = 0;
            s->missing = 0;
            s->partial_socket = NULL;

            for (k = 0; k < MODEL_SOCKETS; k++) {
                if (s->sockets[k].used) {
                    model_socket_end(s, &s->sockets[k]);
                }
            }
        }

        if (rec == NULL) {

            /* nothing was left to be told to anybody */

            must(model_nsockets(s) == 0);
            s->used = 0;
            continue;
        }

        must(!s->open || rec->eio.state == NGX_SOCKETIO_EIO_OPENED);

        s->may_close = 0;

        for (k = 0; k < MODEL_SOCKETS; k++) {
            if (s->sockets[k].used) {
                model_sync_socket(s, &s->sockets[k]);
            }
        }
    }

    model_asks_sync();
    for (i = 0; i < MODEL_LOST; i++) {
        if (model_lost[i].used) {
            (void) model_lost_record(&model_lost[i]);
        }
    }

    model_any_close = 0;
    model_full = model_zone.sh->stats.full;
    model_slow = model_zone.sh->stats.slow;
}


/*
 * Everybody who was woken does what there is to do.  Then nobody may have
 * something to do, of which he was not told.
 */

static void
model_quiet(void)
{
    ngx_uint_t               i, k, busy;
    model_local_t           *local;
    model_worker_t          *w;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_session_t  *rec;

    do {
        busy = 0;

        for (i = 0; i < MODEL_SLOTS; i++) {
            w = &model_workers[i];

            if (w->alive
                && (w->woken || w->left || w->bells < w->letters.nbells))
            {
                busy = 1;
                model_letters(w, 1000);
                model_sync();

                if (model_gone()) {
                    return;
                }
            }
        }
    } while (busy);

    for (i = 0; i < MODEL_SLOTS; i++) {
        w = &model_workers[i];

        if (!w->alive) {
            continue;
        }

        slot = &model_zone.slots[i];
        must(slot->mailbox == 0 && slot->ring_head == slot->ring_tail);
        must(!slot->overrun && !slot->all);

        for (k = 0; k < MODEL_LOCALS; k++) {
            local = &w->locals[k];

            if (local->kind == 0) {
                continue;
            }

            if (local->kind == MODEL_WAIT) {
                must(local->ready == (local->ask->left == 0));
                continue;
            }

            rec = model_record(local->session);
            must(rec != NULL && local->session->id.gen == local->id.gen);
            must(rec->eio.state != NGX_SOCKETIO_EIO_CLOSED);

            if (local->kind == MODEL_GET) {
                must(rec->eio.state == NGX_SOCKETIO_EIO_OPENED);
                must(rec->eio.transport == NGX_SOCKETIO_EIO_POLLING);
                must(!rec->outbox && !rec->eio.ping);
            }

            if (local->kind == MODEL_WS && local->websocket) {
                must(rec->eio.state == NGX_SOCKETIO_EIO_OPENED);
                must(local->session->head == local->session->tail);
            }

            if (local->stalled) {
                must(rec->stuffed);
                must(model_opening(local->session)
                     || rec->inbox_n > rec->inbox_max / 2
                     || rec->inbox_bytes > rec->inbox_max_bytes / 2);
            }
        }
    }

    for (i = 0; i < MODEL_SESSIONS; i++) {

        if (!model_sessions[i].used) {
            continue;
        }

        rec = model_record(&model_sessions[i]);

        if (rec == NULL || rec->owner_gen == 0
            || !model_workers[rec->owner].alive
            || model_zone.slots[rec->owner].gen != rec->owner_gen)
        {
            continue;
        }

        w = &model_workers[rec->owner];

        for (k = 0; k < w->nowned; k++) {
            if (w->owned[k].id.gen == rec->rec.gen
                && w->owned[k].tenure == rec->tenure)
            {
                break;
            }
        }

        must(k < w->nowned);
    }

    model_seen[24]++;
}


static void
model_step(void)
{
    ngx_uint_t        n;
    model_worker_t   *w;
    model_session_t  *s;

    n = model_choose(MODEL_SLOTS);
    w = &model_workers[n];

    if (!w->alive) {

        if (model_alive() == 0 || model_choose(3) == 0) {
            model_start(n);
            model_sync();
        }

        return;
    }

    s = &model_sessions[model_choose(MODEL_SESSIONS)];
    n = model_choose(112);

    if (n < 3 || (!s->used && n < 40)) {
        model_op_open(w);

    } else if (n < 18) {
        model_letters(w, 1 + model_choose(20));

    } else if (n < 20) {
        model_return(w);

    } else if (n < 32) {
        model_op_emit(w);

    } else if (n < 36) {
        model_op_select(w);

    } else if (n < 38) {
        model_op_post_end();

    } else if (n < 48) {
        if (w->nowned) {
            model_hook(w, model_choose(w->nowned));
        }

    } else if (n == 48) {
        model_op_time(w);

    } else if (n == 49 && model_choose(4) == 0) {
        model_op_hoard(w);

    } else if (n == 50 && model_choose(8) == 0) {
        model_op_bells(w);

    } else if (n == 51) {
        model_op_worker(w);

    } else if (n == 52) {
        model_op_get_end();

    } else if (n >= 108) {
        model_op_wait();

    } else if (n < 54) {
        model_quiet();

    } else if (n >= 104) {
        model_op_fetch(w);

    } else if (!s->used) {
        return;

    } else if (n < 64) {
        model_op_get(w, s);

    } else if (n < 70 || n >= 100) {
        model_op_websocket(w, s);

    } else if (n < 72) {
        model_op_reply(w, s);

    } else if (n == 73) {
        model_op_stranger(w, s);

    } else if (n < 78) {
        model_op_recover(w, s);

    } else if (n == 72) {
        s->may_close = 1;
        ngx_socketio_end(&w->zone, &s->id,
                         NGX_SOCKETIO_REASON_TRANSPORT_ERROR, model_now);
    } else {
        model_op_client(w, s);
    }
}


/* all go, and leave nothing */

static void
model_finish(void)
{
    ngx_uint_t       i, busy;
    model_worker_t  *w;

    model_die = 0;

    if (!model_workers[0].alive) {
        model_start(0);
    }

    model_any_close = 1;

    for (i = 1; i < MODEL_SLOTS; i++) {
        if (check_dead & (uint64_t) 1 << i) {
            model_start(i);
        }
    }

    model_sync();
    model_any_close = 1;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        if (model_sessions[i].used) {
            ngx_socketio_end(&model_workers[0].zone, &model_sessions[i].id,
                             NGX_SOCKETIO_REASON_FORCED, model_now);
        }
    }

    model_sync();

    do {
        busy = 0;
        model_quiet();

        for (i = 0; i < MODEL_LOCALS; i++) {
            model_op_wait();
            model_sync();
        }

        for (i = 0; i < MODEL_SLOTS; i++) {
            w = &model_workers[i];

            while (w->alive && w->nowned) {
                busy = 1;
                model_hook(w, 0);
                model_sync();
            }
        }
    } while (busy);

    model_now += 100;
    stub_clock(model_now);
    model_turned = 1;
    ngx_socketio_wheel_turn(&model_workers[0].zone, model_now);
    model_sync();

    for (i = 0; i < MODEL_SESSIONS; i++) {
        must(!model_sessions[i].used);
    }

    for (i = 0; i < MODEL_ASKS; i++) {
        must(!model_asks[i].used);
    }
    model_forget(&model_workers[0]);

    for (i = 0; i < MODEL_SLOTS; i++) {
        if (model_workers[i].alive) {
            model_return(&model_workers[i]);
            ngx_socketio_slot_leave(&model_workers[i].zone);
            model_workers[i].alive = 0;
        }
    }

    check_all(&model_zone);
    must(model_zone.sh->free_pages == model_zone.sh->npages);
    must(model_zone.sh->stats.sessions == 0);
    must(model_zone.sh->stats.sockets == 0);
}


/* a zone, and two workers */

static void
model_begin(ngx_uint_t npages, ngx_uint_t every)
{
    ngx_memzero(model_workers, sizeof(model_workers));
    ngx_memzero(model_sessions, sizeof(model_sessions));
    ngx_memzero(model_graves, sizeof(model_graves));
    ngx_memzero(model_asks, sizeof(model_asks));
    ngx_memzero(&model_zone, sizeof(model_zone));
    ngx_memzero(&model_pool, sizeof(model_pool));

    model_now = 1000000;
    stub_clock(model_now);

    model_shm.shm.addr = (u_char *) &model_pool;
    model_shm.shm.log = &model_log;
    model_shm.shm.exists = 0;
    model_pool.pfree = npages + 64;
    model_over = 0;
    model_turned = 0;
    model_die = 0;
    model_nhoard = 0;
    model_nlog = 0;
    ngx_memzero(model_lost, sizeof(model_lost));
    model_recovery = model_choose(4) ? 20000 : 0;
    model_unlocks = 0;
    model_every = every;
    model_serial = 0;
    model_full = 0;
    model_slow = 0;
    model_emptied = 0;
    check_dead = 0;
    check_zone = &model_zone;
    stub_unlocking = NULL;

    must(ngx_socketio_zone_init(&model_zone, &model_shm, NULL, MODEL_SLOTS)
         == NGX_OK);

    /* fewer pages than a zone may have, so that memory runs out */

    must(npages <= model_zone.sh->npages);
    model_zone.sh->npages = (uint32_t) npages;
    ngx_socketio_zone_layout(&model_zone, 0);
    ngx_socketio_zone_empty_locked(&model_zone);
    model_zone.sh->stats.emptied = 0;

    store_poison_all(&model_zone);
    stub_unlocking = model_unlocking;

    model_start(0);
    model_start(1);
}


static void
model_end(void)
{
    store_unpoison_all(&model_zone);
    stub_unlocking = NULL;
    free(stub_block);
    stub_block = NULL;
}


static void
model_run(ngx_uint_t npages, ngx_uint_t every, ngx_uint_t steps)
{
    ngx_uint_t  i;

    model_begin(npages, every);

    for (i = 0; i < steps && !model_over; i++) {
        model_step();
        model_sync();

        if (model_gone()) {
            model_reset();
        }
    }

    model_die = 0;

    if (!model_workers[0].alive) {
        model_start(0);
    }

    if (model_nhoard) {
        model_op_hoard(&model_workers[0]);
    }

    model_letters(&model_workers[0], 0);
    model_letters(&model_workers[0], 1000);
    model_sync();

    if (model_gone()) {
        model_reset();
    }

    model_finish();
    model_end();
}


#endif /* _STORE_MODEL_H_INCLUDED_ */
