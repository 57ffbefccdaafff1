
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_status.h"


static void ngx_socketio_status_worker_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t n, ngx_socketio_status_t *status,
    ngx_socketio_status_worker_t *worker, uint64_t now);
static void ngx_socketio_gauges_record(ngx_uint_t type, void *record,
    ngx_socketio_gauges_t *now);


void
ngx_socketio_status(ngx_socketio_zone_t *zone, ngx_socketio_status_t *status,
    ngx_socketio_status_worker_t *workers, uint64_t now)
{
    ngx_uint_t               i;
    ngx_socketio_zone_sh_t  *sh;

    ngx_memzero(status, sizeof(ngx_socketio_status_t));

    ngx_socketio_zone_lock(zone);

    sh = zone->sh;

    status->stats = sh->stats;
    status->now = sh->now;
    status->counters = sh->retired;
    status->keys = sh->nkeys;
    status->logged = sh->log_n;
    status->logged_bytes = sh->log_bytes;
    status->bytes = (uint64_t) sh->npages * NGX_SOCKETIO_PAGE;
    status->free = (uint64_t) sh->free_pages * NGX_SOCKETIO_PAGE;

    for (i = 0; i < sh->nslots; i++) {

        if (zone->slots[i].gen == 0) {
            continue;
        }

        ngx_socketio_status_worker_locked(zone, i, status,
                                          &workers[status->nworkers++], now);
    }

    ngx_socketio_zone_unlock(zone);

    for (i = 0; i < 2; i++) {
        status->polling += status->now.sessions[0][i];
        status->websockets += status->now.sessions[1][i];
    }
}


static void
ngx_socketio_status_worker_locked(ngx_socketio_zone_t *zone, ngx_uint_t n,
    ngx_socketio_status_t *status, ngx_socketio_status_worker_t *worker,
    uint64_t now)
{
    ngx_uint_t                i;
    ngx_socketio_slot_t      *slot;
    ngx_socketio_counters_t  *counters;

    slot = &zone->slots[n];
    counters = ngx_socketio_slot_counters(zone, n);

    for (i = 0; i < NGX_SOCKETIO_N_LAST; i++) {
        status->counters.n[i] += counters->n[i];
    }

    worker->slot = n;
    worker->pid = slot->pid;
    worker->generation = slot->gen;
    worker->exiting = slot->exiting;
    status->exiting += slot->exiting;
    worker->age = (now > slot->tick) ? now - slot->tick : 0;
    worker->lag = slot->lag;
    worker->websockets = slot->websockets;
    worker->mailbox = slot->mailbox_n;
    worker->held = counters->n[NGX_SOCKETIO_N_HELD];
    worker->in_flight = counters->n[NGX_SOCKETIO_N_IN_FLIGHT];

    status->mailboxes += slot->mailbox_n;
}


void
ngx_socketio_gauges_count_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_gauges_t *now)
{
    u_char              *p;
    ngx_uint_t           i, n, size, type;
    ngx_socketio_rec_t  *rec;

    ngx_memzero(now, sizeof(ngx_socketio_gauges_t));

    for (i = 0; i < zone->sh->npages; i++) {
        type = zone->table[i].type;

        if (type == NGX_SOCKETIO_FREE) {
            continue;
        }

        now->pages[type]++;

        if (type >= NGX_SOCKETIO_BYTES) {
            continue;
        }

        size = ngx_socketio_record_sizes[type];
        p = zone->pages + i * NGX_SOCKETIO_PAGE;

        for (n = NGX_SOCKETIO_PAGE / size; n; n--, p += size) {
            rec = (ngx_socketio_rec_t *) p;

            if (rec->used) {
                ngx_socketio_gauges_record(type, rec, now);
            }
        }
    }
}


static void
ngx_socketio_gauges_record(ngx_uint_t type, void *record,
    ngx_socketio_gauges_t *now)
{
    ngx_socketio_room_t     *room;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    switch (type) {

    case NGX_SOCKETIO_SESSION:
        session = record;

        if (session->eio.state != NGX_SOCKETIO_EIO_CLOSED) {
            now->sessions[session->eio.transport]
                         [session->eio.beat.revision != 3]++;
        }

        now->inbox_n += session->inbox_n;
        now->inbox_bytes += session->inbox_bytes;
        now->outbox_n += session->outbox_n;
        now->outbox_bytes += session->outbox_bytes;
        break;

    case NGX_SOCKETIO_SOCKET:
        socket = record;
        now->sockets[socket->state]++;
        now->awaited += socket->nawaited;
        break;

    case NGX_SOCKETIO_ROOM:
        room = record;
        now->namespaces += (room->parent == 0);
        break;
    }
}
