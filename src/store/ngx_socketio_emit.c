
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_slot.h"


#define NGX_SOCKETIO_WALK_SLOTS  16         /* websockets of a room */


typedef struct {
    ngx_socketio_zone_t       *zone;
    ngx_socketio_target_t     *target;
    ngx_socketio_ref_t         message;
    ngx_socketio_ref_t         nsp;
    ngx_uint_t                 flags;
    ngx_uint_t                 count;
    uint64_t                   seq;
    uint64_t                   now;
    uint64_t                   slots[NGX_SOCKETIO_SLOTS_MAX / 64];
} ngx_socketio_fanout_t;


static void ngx_socketio_emit_begin_locked(ngx_socketio_fanout_t *f);
static void ngx_socketio_emit_end_locked(ngx_socketio_fanout_t *f,
    ngx_int_t rc);
static ngx_int_t ngx_socketio_emit_asked_locked(ngx_socketio_fanout_t *f,
    ngx_socketio_ask_t *ask);
static ngx_int_t ngx_socketio_emit_target_locked(ngx_socketio_fanout_t *f);
static ngx_int_t ngx_socketio_emit_room_locked(ngx_socketio_fanout_t *f,
    ngx_socketio_ref_t room);
static ngx_int_t ngx_socketio_emit_union_locked(ngx_socketio_fanout_t *f);
static void ngx_socketio_emit_union_slot_locked(ngx_socketio_fanout_t *f,
    ngx_uint_t slot);
static void ngx_socketio_emit_members_locked(ngx_socketio_fanout_t *f,
    ngx_socketio_ref_t room);
static void ngx_socketio_emit_one_locked(ngx_socketio_fanout_t *f,
    ngx_socketio_ref_t socket);
static void ngx_socketio_emit_slot_locked(ngx_socketio_fanout_t *f,
    ngx_uint_t slot);
static void ngx_socketio_emit_node_locked(ngx_socketio_fanout_t *f,
    ngx_uint_t slot, ngx_uint_t kind, ngx_socketio_ref_t room);
static void ngx_socketio_emit_not_locked(ngx_socketio_fanout_t *f,
    ngx_uint_t slot, ngx_socketio_ref_t socket);
static void ngx_socketio_emit_slots_locked(ngx_socketio_fanout_t *f,
    ngx_socketio_room_t *room);
static ngx_uint_t ngx_socketio_emit_nodes_locked(ngx_socketio_fanout_t *f);


ngx_int_t
ngx_socketio_emit(ngx_socketio_zone_t *zone, ngx_socketio_target_t *target,
    u_char *frames, size_t len, ngx_uint_t flags, ngx_socketio_ask_t *ask,
    ngx_uint_t *count)
{
    ngx_int_t              rc;
    ngx_str_t              part;
    ngx_socketio_fanout_t  f;

    *count = 0;
    part.data = frames;
    part.len = len;

    ngx_memzero(&f, sizeof(ngx_socketio_fanout_t));
    f.zone = zone;
    f.target = target;
    f.flags = flags;
    f.now = ngx_current_msec;

    f.message = ngx_socketio_message_try_lock(zone, &part, 1);

    if (f.message == 0) {
        return NGX_ERROR;
    }

    ngx_socketio_emit_begin_locked(&f);

    zone->sh->stats.messages++;
    f.nsp = ngx_socketio_room_find_locked(zone, 0, &target->nsp);

    if (f.nsp) {
        /* it must not go with its last socket, closed for being too slow */
        ngx_socketio_room_ref_locked(zone, f.nsp);
    }

    rc = f.nsp ? ngx_socketio_emit_asked_locked(&f, ask) : NGX_OK;

    if (f.nsp && rc == NGX_OK) {
        ngx_socketio_log_add_locked(zone, target, f.nsp, f.message, f.now);
    }

    ngx_socketio_emit_end_locked(&f, rc);

    if (rc == NGX_ERROR) {
        zone->sh->stats.full++;

    } else if (f.nsp && ask) {
        ngx_socketio_ack_sent_locked(zone, ask);
    }

    if (f.nsp) {
        ngx_socketio_room_unref_locked(zone, f.nsp);
    }

    ngx_socketio_message_release_locked(zone, f.message);
    ngx_socketio_zone_unlock(zone);

    *count = f.count;

    return rc;
}


/*
 * The message must not be given to some.  What a dead worker's emit had done
 * is found by it, and undone; its publisher, or the batch, comes again.
 */

static void
ngx_socketio_emit_begin_locked(ngx_socketio_fanout_t *f)
{
    ngx_socketio_zone_sh_t  *sh;

    sh = f->zone->sh;

    sh->emit_key = 0;

    if (f->target->key.ref
        && ngx_socketio_find_locked(f->zone, NGX_SOCKETIO_KEY,
                                    f->target->key.ref, f->target->key.gen))
    {
        sh->emit_key = f->target->key.ref;
    }

    ngx_socketio_order();
    sh->emitting = f->message;
    ngx_socketio_order();
}


/* one store says that all have it and, to who repeats it, that it ran */

static void
ngx_socketio_emit_end_locked(ngx_socketio_fanout_t *f, ngx_int_t rc)
{
    ngx_socketio_keyed_t    *keyed;
    ngx_socketio_zone_sh_t  *sh;

    sh = f->zone->sh;

    ngx_socketio_order();

    if (sh->emit_key && rc == NGX_OK) {
        keyed = ngx_socketio_rec(f->zone, sh->emit_key);
        keyed->count = (uint32_t) f->count;
        ngx_socketio_order();
        keyed->rec.kind = NGX_SOCKETIO_KEY_SENT;
        ngx_socketio_order();
    }

    sh->emitting = 0;
    ngx_socketio_order();
}


/* in the hold of the packet: no answer can come before it is awaited */

static ngx_int_t
ngx_socketio_emit_asked_locked(ngx_socketio_fanout_t *f,
    ngx_socketio_ask_t *ask)
{
    ngx_int_t  rc;

    if (ask == NULL) {
        return ngx_socketio_emit_target_locked(f);
    }

    if (ngx_socketio_ack_open_locked(f->zone, ask, f->target, f->nsp, f->now)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_socketio_emit_target_locked(f);

    if (rc == NGX_ERROR) {
        ngx_socketio_ack_undo_locked(f->zone, ask->id.ref);
    }

    return rc;
}


static ngx_int_t
ngx_socketio_emit_target_locked(ngx_socketio_fanout_t *f)
{
    ngx_socketio_ref_t      room, socket;
    ngx_socketio_target_t  *target;

    target = f->target;

    if (target->nexcept || (!target->all && target->nin > 1)) {
        return ngx_socketio_emit_union_locked(f);
    }

    if (target->all) {
        return ngx_socketio_emit_room_locked(f, f->nsp);
    }

    if (target->nin == 0) {
        return NGX_OK;
    }

    room = ngx_socketio_word_room_locked(f->zone, f->nsp, &target->in[0]);
    socket = ngx_socketio_word_socket_locked(f->zone, f->nsp, &target->in[0]);

    if (room && socket) {
        /* others joined a room that has the name of a socket's own */
        return ngx_socketio_emit_union_locked(f);
    }

    if (room) {
        return ngx_socketio_emit_room_locked(f, room);
    }

    if (socket == 0) {
        return NGX_OK;
    }

    if (!ngx_socketio_room_for_locked(f->zone, NGX_SOCKETIO_NODE, 1)) {
        return NGX_ERROR;
    }

    f->seq = ++f->zone->sh->seq;
    ngx_socketio_emit_one_locked(f, socket);

    return NGX_OK;
}


/* The common case walks the polling members only. */

static ngx_int_t
ngx_socketio_emit_room_locked(ngx_socketio_fanout_t *f,
    ngx_socketio_ref_t ref)
{
    uint64_t                bits;
    ngx_uint_t              i, n;
    ngx_socketio_ref_t      m, next;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;

    room = ngx_socketio_rec(f->zone, ref);

    ngx_socketio_emit_slots_locked(f, room);

    for (n = room->n[0], i = 0; i < NGX_SOCKETIO_SLOTS_MAX / 64; i++) {
        n += __builtin_popcountll(f->slots[i]);
    }

    if (!ngx_socketio_room_for_locked(f->zone, NGX_SOCKETIO_NODE, n)) {
        return NGX_ERROR;
    }

    f->seq = ++f->zone->sh->seq;
    f->count = room->n[1];

    for (m = room->list[0]; m; m = next) {
        member = ngx_socketio_rec(f->zone, m);
        next = member->next;
        ngx_socketio_emit_one_locked(f, member->socket);
    }

    for (i = 0; i < NGX_SOCKETIO_SLOTS_MAX / 64; i++) {
        for (bits = f->slots[i]; bits; bits &= bits - 1) {
            ngx_socketio_emit_node_locked(f, i * 64 + __builtin_ctzll(bits),
                                          NGX_SOCKETIO_TO_ROOM, ref);
        }
    }

    return NGX_OK;
}


/* slots whose websockets are in the room, or, of a big one, may be */

static void
ngx_socketio_emit_slots_locked(ngx_socketio_fanout_t *f,
    ngx_socketio_room_t *room)
{
    ngx_uint_t              i;
    ngx_socketio_ref_t      m;
    ngx_socketio_member_t  *member;

    if (room->n[1] > NGX_SOCKETIO_WALK_SLOTS) {

        for (i = 0; i < f->zone->sh->nslots; i++) {
            if (f->zone->slots[i].websockets) {
                f->slots[i / 64] |= (uint64_t) 1 << (i % 64);
            }
        }

        return;
    }

    for (m = room->list[1]; m; m = member->next) {
        member = ngx_socketio_rec(f->zone, m);
        ngx_socketio_emit_slot_locked(f, ngx_socketio_socket_slot_locked(
                                                    f->zone, member->socket));
    }
}


static void
ngx_socketio_emit_slot_locked(ngx_socketio_fanout_t *f, ngx_uint_t slot)
{
    f->slots[slot / 64] |= (uint64_t) 1 << (slot % 64);
}


static void
ngx_socketio_emit_one_locked(ngx_socketio_fanout_t *f, ngx_socketio_ref_t ref)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(f->zone, ref);

    if (ngx_socketio_give_locked(f->zone, socket->session, ref, f->message,
                                 f->flags, f->seq, f->now)
        == NGX_OK)
    {
        f->count++;
    }
}


static void
ngx_socketio_emit_node_locked(ngx_socketio_fanout_t *f, ngx_uint_t slot,
    ngx_uint_t kind, ngx_socketio_ref_t room)
{
    ngx_socketio_ref_t    ref;
    ngx_socketio_node_t  *node;

    ref = ngx_socketio_node_alloc_locked(f->zone,
                        kind == NGX_SOCKETIO_TO_ROOM ? f->message : 0, kind);
    if (ref == 0) {
        /* was reserved */
        return;
    }

    node = ngx_socketio_rec(f->zone, ref);
    node->rec.link = (uint16_t) f->flags;
    node->seq = f->seq;
    node->room = room;
    node->room_gen = ((ngx_socketio_rec_t *) ngx_socketio_rec(f->zone, room))
                         ->gen;

    ngx_socketio_mailbox_put_locked(f->zone, slot, ref);
}


static void
ngx_socketio_emit_not_locked(ngx_socketio_fanout_t *f, ngx_uint_t slot,
    ngx_socketio_ref_t socket_ref)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_node_t     *node;
    ngx_socketio_conn_t     *conn;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(f->zone, socket_ref);
    session = ngx_socketio_rec(f->zone, socket->session);
    conn = &session->conns[NGX_SOCKETIO_CONN_WS];

    if (session->eio.transport != NGX_SOCKETIO_EIO_WEBSOCKET
        || conn->slot != slot)
    {
        return;
    }

    ref = ngx_socketio_node_alloc_locked(f->zone, 0, NGX_SOCKETIO_NOT_SOCKET);
    if (ref == 0) {
        return;
    }

    node = ngx_socketio_rec(f->zone, ref);
    node->seq = f->seq;
    node->socket = socket_ref;
    node->conn = conn->handle;
    node->session_gen = session->rec.gen;

    ngx_socketio_mailbox_put_locked(f->zone, slot, ref);
}


/*
 * Each socket once, and none that is excepted: sockets carry the number of
 * the last emit that met them, excepts first.  Workers do the same with the
 * records of their mailbox.
 */

static ngx_int_t
ngx_socketio_emit_union_locked(ngx_socketio_fanout_t *f)
{
    uint64_t                bits;
    ngx_uint_t              i;
    ngx_socketio_ref_t      ref;
    ngx_socketio_zone_t    *zone;
    ngx_socketio_socket_t  *socket;
    ngx_socketio_target_t  *target;

    zone = f->zone;
    target = f->target;

    if (!ngx_socketio_room_for_locked(zone, NGX_SOCKETIO_NODE,
                                      ngx_socketio_emit_nodes_locked(f)))
    {
        return NGX_ERROR;
    }

    f->seq = ++zone->sh->seq;

    ngx_socketio_target_except_locked(zone, target, f->nsp, f->seq);

    /* single sockets first: their records mark them in their workers too */

    for (i = 0; i < target->nin; i++) {
        ref = ngx_socketio_word_socket_locked(zone, f->nsp, &target->in[i]);

        if (ref) {
            socket = ngx_socketio_rec(zone, ref);

            if (socket->mark != f->seq) {
                socket->mark = f->seq;
                ngx_socketio_emit_one_locked(f, ref);
            }
        }
    }

    if (target->all) {
        ngx_socketio_emit_members_locked(f, f->nsp);
    }

    for (i = 0; i < target->nin; i++) {
        ref = ngx_socketio_word_room_locked(zone, f->nsp, &target->in[i]);
        if (ref) {
            ngx_socketio_emit_members_locked(f, ref);
        }
    }

    for (i = 0; i < NGX_SOCKETIO_SLOTS_MAX / 64; i++) {
        for (bits = f->slots[i]; bits; bits &= bits - 1) {
            ngx_socketio_emit_union_slot_locked(f, i * 64
                                                   + __builtin_ctzll(bits));
        }
    }

    return NGX_OK;
}


/* the same to the workers: its excepts first, then whom it is for */

static void
ngx_socketio_emit_union_slot_locked(ngx_socketio_fanout_t *f, ngx_uint_t slot)
{
    ngx_uint_t              i;
    ngx_socketio_ref_t      ref;
    ngx_socketio_word_t    *word;
    ngx_socketio_target_t  *target;

    target = f->target;

    for (i = 0; i < target->nexcept; i++) {
        word = &target->except[i];

        ref = ngx_socketio_word_room_locked(f->zone, f->nsp, word);

        if (ref) {
            ngx_socketio_emit_node_locked(f, slot, NGX_SOCKETIO_NOT_ROOM,
                                          ref);
        }

        ref = ngx_socketio_word_socket_locked(f->zone, f->nsp, word);

        if (ref) {
            ngx_socketio_emit_not_locked(f, slot, ref);
        }
    }

    if (target->all) {
        ngx_socketio_emit_node_locked(f, slot, NGX_SOCKETIO_TO_ROOM, f->nsp);
    }

    for (i = 0; i < target->nin; i++) {
        word = &target->in[i];

        ref = ngx_socketio_word_room_locked(f->zone, f->nsp, word);

        if (ref) {
            ngx_socketio_emit_node_locked(f, slot, NGX_SOCKETIO_TO_ROOM, ref);
        }
    }
}


/* how many nodes a union needs at the most */

static ngx_uint_t
ngx_socketio_emit_nodes_locked(ngx_socketio_fanout_t *f)
{
    ngx_uint_t              i, n, slots;
    ngx_socketio_ref_t      ref;
    ngx_socketio_room_t    *room;
    ngx_socketio_target_t  *target;

    target = f->target;
    n = target->nin;

    for (slots = 0, i = 0; i < f->zone->sh->nslots; i++) {
        slots += (f->zone->slots[i].websockets != 0);
    }

    for (i = 0; i < target->nin; i++) {
        ref = ngx_socketio_word_room_locked(f->zone, f->nsp,
                                            &target->in[i]);
        if (ref) {
            room = ngx_socketio_rec(f->zone, ref);
            n += room->n[0];
        }
    }

    if (target->all) {
        room = ngx_socketio_rec(f->zone, f->nsp);
        n += room->n[0];
    }

    return n + slots * (2 * target->nexcept + target->nin + 1);
}


void
ngx_socketio_target_except_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_target_t *target, ngx_socketio_ref_t nsp, uint64_t mark)
{
    ngx_uint_t              i, list;
    ngx_socketio_ref_t      ref, m;
    ngx_socketio_word_t    *word;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;

    for (i = 0; i < target->nexcept; i++) {
        word = &target->except[i];

        ref = ngx_socketio_word_socket_locked(zone, nsp, word);
        if (ref) {
            socket = ngx_socketio_rec(zone, ref);
            socket->mark = mark;
        }

        ref = ngx_socketio_word_room_locked(zone, nsp, word);
        if (ref == 0) {
            continue;
        }

        room = ngx_socketio_rec(zone, ref);

        for (list = 0; list < 2; list++) {
            for (m = room->list[list]; m; m = member->next) {
                member = ngx_socketio_rec(zone, m);
                socket = ngx_socketio_rec(zone, member->socket);
                socket->mark = mark;
            }
        }
    }
}


static void
ngx_socketio_emit_members_locked(ngx_socketio_fanout_t *f,
    ngx_socketio_ref_t ref)
{
    ngx_uint_t              list;
    ngx_socketio_ref_t      m, next;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;

    /* who is too slow is closed, and may have been its last member */

    ngx_socketio_room_ref_locked(f->zone, ref);
    room = ngx_socketio_rec(f->zone, ref);

    for (list = 0; list < 2; list++) {
        for (m = room->list[list]; m; m = next) {
            member = ngx_socketio_rec(f->zone, m);
            next = member->next;
            socket = ngx_socketio_rec(f->zone, member->socket);

            if (socket->mark == f->seq) {
                continue;
            }

            socket->mark = f->seq;

            if (list == 0) {
                ngx_socketio_emit_one_locked(f, member->socket);
                continue;
            }

            ngx_socketio_emit_slot_locked(f, ngx_socketio_socket_slot_locked(
                                                    f->zone, member->socket));
            f->count++;
        }
    }

    ngx_socketio_room_unref_locked(f->zone, ref);
}
