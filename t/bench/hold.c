
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * How long an emit to a room of polling clients holds the zone's lock: the
 * store alone, no nginx.  Prints the time of one emit and of a member.
 *
 *   hold [MEMBERS ...]
 *   hold rebuild           how long who finds a full zone dirty has the lock
 */


#include "ngx_stub.h"

#include <stdio.h>
#include <time.h>

#include "proto/ngx_socketio_base64.c"
#include "proto/ngx_socketio_eio_session.c"
#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_sio.c"
#include "proto/ngx_socketio_ws_frame.c"
#include "store/ngx_socketio_zone.c"
#include "store/ngx_socketio_page.c"
#include "store/ngx_socketio_bytes.c"
#include "store/ngx_socketio_list.c"
#include "store/ngx_socketio_message.c"
#include "store/ngx_socketio_room.c"
#include "store/ngx_socketio_socket.c"
#include "store/ngx_socketio_slot.c"
#include "store/ngx_socketio_bury.c"
#include "store/ngx_socketio_wheel.c"
#include "store/ngx_socketio_session.c"
#include "store/ngx_socketio_exchange.c"
#include "store/ngx_socketio_upgrade.c"
#include "store/ngx_socketio_incoming.c"
#include "store/ngx_socketio_inbox.c"
#include "store/ngx_socketio_emit.c"
#include "store/ngx_socketio_word.c"
#include "store/ngx_socketio_scan.c"
#include "store/ngx_socketio_fetch.c"
#include "store/ngx_socketio_select.c"
#include "store/ngx_socketio_answer.c"
#include "store/ngx_socketio_ack.c"
#include "store/ngx_socketio_ask.c"
#include "store/ngx_socketio_recovery.c"
#include "store/ngx_socketio_log.c"
#include "store/ngx_socketio_key.c"
#include "store/ngx_socketio_rebuild.c"
#include "store/ngx_socketio_rebuild_truths.c"
#include "store/ngx_socketio_rebuild_entries.c"
#include "store/ngx_socketio_rebuild_chains.c"
#include "store/ngx_socketio_rebuild_links.c"
#include "store/ngx_socketio_rebuild_order.c"
#include "store/ngx_socketio_digest.c"
#include "store/ngx_socketio_budget.c"
#include "store/ngx_socketio_status.c"
#include "store/ngx_socketio_say.c"


#define ZONE    ((size_t) 256 << 20)
#define EMITS   50
#define FULL    ((size_t) 64 << 20)         /* the zone that is rebuilt */
#define NODES   100000                      /* in one mailbox */


static ngx_slab_pool_t      pool;
static ngx_shm_zone_t       shm;
static ngx_socketio_zone_t  zone;


static void
nothing(ngx_socketio_zone_t *z, ngx_uint_t slot)
{
    (void) z;
    (void) slot;
}


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}


static void
member(unsigned n)
{
    ngx_str_t                room = ngx_string("room"), nsp = ngx_string("/");
    ngx_socketio_id_t        id;
    ngx_socketio_name_t      name;
    ngx_socketio_open_t      open;
    ngx_socketio_incoming_t  in;

    memset(&open, 0, sizeof(open));
    memcpy(open.key.sid, &n, sizeof(n));
    memset(&in, 0, sizeof(in));

    open.interval = 25000;
    open.timeout = 20000;
    open.connect_timeout = 45000;
    open.outbox_max = 1024;
    open.outbox_max_bytes = 1 << 20;
    in.namespaces_max = 16;

    ngx_socketio_name_set(&in.nsp, &nsp);
    ngx_socketio_name_set(&name, &room);

    if (ngx_socketio_open(&zone, &open, &id, 1000) != NGX_OK
        || ngx_socketio_incoming(&zone, &id, &in, 1000) != NGX_DONE
        || ngx_socketio_accept(&zone, &in.socket, &name, 1, NULL,
                               (u_char *) "\x81\x02" "40", 4) != NGX_OK)
    {
        fprintf(stderr, "zone full at %u\n", n);
        exit(2);
    }
}


/* each client fetches, as clients do */

static void
drain(unsigned from, unsigned members)
{
    unsigned              i;
    ngx_socketio_key_t    key;
    ngx_socketio_ref_t    node;
    ngx_socketio_taken_t  taken;
    ngx_socketio_slot_t  *slot;

    memset(&key, 0, sizeof(key));
    slot = &zone.slots[zone.slot];

    for (i = from; i < members; i++) {
        memcpy(key.sid, &i, sizeof(i));
        ngx_socketio_get(&zone, &key, 0, &taken, 1000);

        while (slot->held) {
            node = slot->held;
            ngx_socketio_slot_give_back(&zone, &node, 1);
        }
    }
}


static void
measure(unsigned from, unsigned members)
{
    double                   t, best;
    unsigned                 i;
    ngx_str_t                room = ngx_string("room"), nsp = ngx_string("/");
    ngx_uint_t               count;
    ngx_socketio_word_t      word;
    ngx_socketio_target_t    target;
    u_char                   frame[102];

    for (i = from; i < members; i++) {
        member(i);
    }

    drain(from, members);

    memset(&target, 0, sizeof(target));
    memset(frame, 'x', sizeof(frame));
    ngx_socketio_word_set(&word, &room);
    ngx_socketio_name_set(&target.nsp, &nsp);
    target.in = &word;
    target.nin = 1;

    for (best = 1e9, i = 0; i < EMITS; i++) {
        t = now();

        if (ngx_socketio_emit(&zone, &target, frame, sizeof(frame), 0, NULL,
                              &count)
            != NGX_OK || count != members)
        {
            fprintf(stderr, "emit reached %u\n", (unsigned) count);
            exit(2);
        }

        t = now() - t;
        best = ngx_min(best, t);

        if (i % 8 == 7) {
            drain(0, members);
        }
    }

    drain(0, members);

    printf("%6u polling members: the lock is held for %.1f us, "
           "%.3f us a member\n", members, best, best / members);
}


static void
rebuild(const char *what)
{
    double  t;

    zone.sh->dirty = 1;
    t = now();
    ngx_socketio_zone_lock(&zone);
    t = now() - t;

    printf("%s, %u of %u pages used: rebuilt in %.1f ms, %u records "
           "discarded\n", what,
           (unsigned) (zone.sh->npages - zone.sh->free_pages),
           (unsigned) zone.sh->npages, t / 1000, (unsigned) zone.discarded);

    ngx_socketio_zone_unlock(&zone);
}


/* one mailbox that is long, then sessions, sockets, members, events */

static void
rebuild_full(void)
{
    unsigned              i;
    ngx_str_t             text = ngx_string("\x81\x01x");
    ngx_socketio_ref_t    ref, message;
    ngx_socketio_node_t  *node;
    ngx_socketio_slot_t  *slot;

    message = ngx_socketio_message_make_lock(&zone, &text, 1);
    slot = &zone.slots[zone.slot];

    for (i = 0; i < NODES; i++) {
        ref = ngx_socketio_node_alloc_locked(&zone, message,
                                             NGX_SOCKETIO_TO_ROOM);
        node = ngx_socketio_rec(&zone, ref);
        node->owner = (ngx_socketio_ref_t) zone.slot;
        node->seq = ++zone.sh->seq;
        ngx_socketio_used(node);
        ngx_socketio_nodes_add_locked(&zone, &slot->mailbox,
                                      &slot->mailbox_tail, ref);
        slot->mailbox_n++;
    }

    ngx_socketio_message_release_locked(&zone, message);
    ngx_socketio_zone_unlock(&zone);

    rebuild("100000 nodes in a mailbox");

    /* a part is kept for who is in */

    for (i = 0; zone.sh->free_pages > zone.sh->npages / 12; i++) {
        member(i);
    }

    rebuild("... and as many sessions as there is room for");
}


int
main(int argc, char **argv)
{
    int       i;
    unsigned  from, full, n;

    static unsigned  sizes[] = { 100, 1000, 10000 };

    stub_clock(1000);
    full = argc > 1 && strcmp(argv[1], "rebuild") == 0;
    pool.pfree = (full ? FULL : ZONE) / 4096;
    shm.shm.addr = (u_char *) &pool;
    zone.wake = nothing;

    if (ngx_socketio_zone_init(&zone, &shm, NULL, 64) != NGX_OK
        || ngx_socketio_slot_claim(&zone, 0) != NGX_OK)
    {
        return 2;
    }

    if (full) {
        rebuild_full();
        return 0;
    }

    for (from = 0, i = 0; i < (argc > 1 ? argc - 1 : 3); i++) {
        n = argc > 1 ? (unsigned) atoi(argv[i + 1]) : sizes[i];
        measure(from, n);
        from = n;
    }

    return 0;
}
