
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Which records of a dirty zone are what they say.  Owners come before what
 * they own: rooms, sessions, sockets, then the rest; at last the chunks of
 * bytes that no chain has reached.  A record that is no good takes its
 * session's connection along, if a client could notice.
 */


#include "store/ngx_socketio_rebuild.h"
#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_bytes.h"


typedef ngx_int_t (*ngx_socketio_truth_pt)(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);


static void ngx_socketio_truths_pages_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_truths_of_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t type, ngx_socketio_truth_pt good);
static ngx_int_t ngx_socketio_truth_room_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_below_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_session_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_address_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_budget_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_socket_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_pass_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_lost_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_member_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_message_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_log_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static void ngx_socketio_truth_emit_locked(ngx_socketio_zone_t *zone);
static ngx_int_t ngx_socketio_truth_node_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_truth_key_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_socketio_room_t *ngx_socketio_truth_nsp_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref);


void
ngx_socketio_rebuild_truths_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_truths_pages_locked(zone);
    ngx_socketio_truth_emit_locked(zone);

    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_ROOM,
                                  ngx_socketio_truth_room_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_ROOM,
                                  ngx_socketio_truth_below_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_SESSION,
                                  ngx_socketio_truth_session_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_ADDRESS,
                                  ngx_socketio_truth_address_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_BUDGET,
                                  ngx_socketio_truth_budget_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_SOCKET,
                                  ngx_socketio_truth_socket_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_PASS,
                                  ngx_socketio_truth_pass_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_SOCKET,
                                  ngx_socketio_truth_lost_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_MEMBER,
                                  ngx_socketio_truth_member_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_ACK,
                                  ngx_socketio_truth_ack_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_EVENT,
                                  ngx_socketio_truth_event_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_MESSAGE,
                                  ngx_socketio_truth_message_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_LOG,
                                  ngx_socketio_truth_log_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_NODE,
                                  ngx_socketio_truth_node_locked);
    ngx_socketio_truths_of_locked(zone, NGX_SOCKETIO_KEY,
                                  ngx_socketio_truth_key_locked);

    ngx_socketio_truths_chunks_locked(zone);
}


static void
ngx_socketio_truths_of_locked(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_socketio_truth_pt good)
{
    ngx_socketio_ref_t  ref;

    ngx_socketio_rebuild_each(zone, type, ref) {
        if (good(zone, ref) != NGX_OK) {
            ngx_socketio_rebuild_discard_locked(zone,
                                                ngx_socketio_rec(zone, ref));
        }
    }
}


/* also what a rebuild that was cut short has left */

static void
ngx_socketio_truths_pages_locked(ngx_socketio_zone_t *zone)
{
    uint32_t              page;
    ngx_uint_t            i, n;
    ngx_socketio_rec_t   *rec;
    ngx_socketio_page_t  *pg;

    for (page = 1; page <= zone->sh->npages; page++) {
        pg = &zone->table[page - 1];

        if (pg->type >= NGX_SOCKETIO_TYPES) {
            pg->type = NGX_SOCKETIO_FREE;
        }

        if (pg->type == NGX_SOCKETIO_FREE) {
            continue;
        }

        n = NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[pg->type];

        for (i = 0; i < n; i++) {
            rec = ngx_socketio_rec(zone, page << 8 | (uint32_t) i);

            if (rec->used > 1) {
                rec->used = 1;
            }
        }
    }
}


static ngx_int_t
ngx_socketio_truth_room_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_room_t  *room;

    room = ngx_socketio_rec(zone, ref);

    return ngx_socketio_chain_of_locked(zone, room->name, ref,
                                        room->name_len);
}


static ngx_int_t
ngx_socketio_truth_below_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_room_t  *room;

    room = ngx_socketio_rec(zone, ref);

    return (room->parent == 0
            || ngx_socketio_truth_nsp_locked(zone, room->parent))
           ? NGX_OK : NGX_ERROR;
}


/* always kept: what cannot be is closed */

static ngx_int_t
ngx_socketio_truth_session_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_uint_t               i;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);
    session->budget = 0;
    session->partial = 0;

    if (session->eio.state > NGX_SOCKETIO_EIO_CLOSED
        || session->eio.transport > NGX_SOCKETIO_EIO_WEBSOCKET
        || session->eio.reason >= NGX_SOCKETIO_REASON_LAST)
    {
        session->eio.transport = NGX_SOCKETIO_EIO_POLLING;
        session->eio.state = NGX_SOCKETIO_EIO_OPENED;
        ngx_socketio_truth_break_locked(zone, ref);
    }

    if (ngx_socketio_chain_of_locked(zone, session->handshake, ref,
                                     session->handshake_len)
        != NGX_OK)
    {
        session->handshake = 0;
        session->handshake_len = 0;
        ngx_socketio_truth_break_locked(zone, ref);
    }

    for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {
        if (session->conns[i].slot >= zone->sh->nslots) {
            session->conns[i].slot = 0;
            session->conns[i].gen = 0;
        }
    }

    if (session->owner >= zone->sh->nslots) {
        session->owner = 0;
        session->owner_gen = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_truth_address_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_address_t  *address;

    address = ngx_socketio_rec(zone, ref);
    address->n = 0;

    return (address->len <= NGX_SOCKETIO_ADDRESS_MAX) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_socketio_truth_budget_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_budget_t   *budget;
    ngx_socketio_address_t  *address;
    ngx_socketio_session_t  *session;

    budget = ngx_socketio_rec(zone, ref);
    address = ngx_socketio_used_locked(zone, NGX_SOCKETIO_ADDRESS,
                                       budget->address);
    session = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SESSION,
                                       budget->session);

    if (session == NULL
        || session->budget
        || (budget->address && address == NULL))
    {
        return NGX_ERROR;
    }

    session->budget = ref;

    if (address) {
        address->n++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_truth_socket_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    size_t                   len;
    ngx_int_t                rc;
    ngx_socketio_ref_t       last;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(zone, ref);
    socket->pass = 0;

    session = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SESSION,
                                       socket->session);

    if (socket->state == NGX_SOCKETIO_SOCKET_LOST) {
        socket->session = 0;

    } else if (session == NULL) {
        return NGX_ERROR;
    }

    if (socket->state > NGX_SOCKETIO_SOCKET_LOST
        || ngx_socketio_truth_nsp_locked(zone, socket->nsp) == NULL)
    {
        ngx_socketio_truth_break_locked(zone, socket->session);
        return NGX_ERROR;
    }

    rc = ngx_socketio_chain_locked(zone, socket->data, ref, &len, &last);

    if (rc == NGX_OK && len > 65535) {
        ngx_socketio_chain_leave_locked(zone, socket->data, (ngx_uint_t) -1);
        rc = NGX_ERROR;
    }

    if (rc != NGX_OK) {
        socket->data = 0;
        len = 0;
        ngx_socketio_truth_break_locked(zone, socket->session);
    }

    socket->data_len = (uint16_t) len;

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_truth_pass_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_pass_t    *pass;
    ngx_socketio_socket_t  *socket;

    pass = ngx_socketio_rec(zone, ref);
    socket = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SOCKET,
                                      pass->socket);

    if (socket == NULL || socket->pass) {
        return NGX_ERROR;
    }

    socket->pass = ref;

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_truth_lost_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, ref);

    return (socket->pass || socket->state != NGX_SOCKETIO_SOCKET_LOST)
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_socketio_truth_member_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;

    member = ngx_socketio_rec(zone, ref);
    room = ngx_socketio_used_locked(zone, NGX_SOCKETIO_ROOM, member->room);
    socket = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SOCKET,
                                      member->socket);

    return (room && socket
            && (member->room == socket->nsp || room->parent == socket->nsp))
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_socketio_truth_message_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_message_t  *message;

    message = ngx_socketio_rec(zone, ref);

    if (message->owner > zone->sh->nslots
        || (message->owner && zone->slots[message->owner - 1].gen == 0))
    {
        message->owner = 0;
    }

    if (message->len == 0) {
        return NGX_ERROR;
    }

    return ngx_socketio_chain_of_locked(zone, message->bytes, ref,
                                        message->len);
}


/* without it nobody may be told that he has missed nothing */

static ngx_int_t
ngx_socketio_truth_log_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_uint_t            i, n;
    ngx_socketio_id_t    *words;
    ngx_socketio_log_t   *log;
    ngx_socketio_room_t  *room;
    ngx_socketio_id_t     space[NGX_SOCKETIO_LOG_NAMES];

    log = ngx_socketio_rec(zone, ref);
    n = (ngx_uint_t) log->nin + log->nexcept;

    if (log->message == zone->sh->emitting) {
        return NGX_ERROR;
    }

    if (n > (log->more ? NGX_SOCKETIO_LOG_NAMES : NGX_SOCKETIO_LOG_WORDS)
        || ngx_socketio_chain_of_locked(zone, log->more, ref, log->more
                                        ? n * sizeof(ngx_socketio_id_t) : 0)
           != NGX_OK
        || !ngx_socketio_used_locked(zone, NGX_SOCKETIO_MESSAGE, log->message)
        || !ngx_socketio_truth_nsp_locked(zone, log->nsp))
    {
        goto gap;
    }

    words = ngx_socketio_log_read_locked(zone, log, space);

    for (i = 0; i < n; i++) {

        if (words[i].gen) {
            continue;
        }

        room = ngx_socketio_used_locked(zone, NGX_SOCKETIO_ROOM,
                                        words[i].ref);

        if (room == NULL || room->parent != log->nsp) {
            goto gap;
        }
    }

    return NGX_OK;

gap:

    zone->sh->log_gap = 1;

    return NGX_ERROR;
}


/* the last store of an emit may have been that of its key */

static void
ngx_socketio_truth_emit_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_keyed_t  *keyed;

    keyed = ngx_socketio_used_locked(zone, NGX_SOCKETIO_KEY,
                                     zone->sh->emit_key);

    if (keyed && keyed->rec.kind != NGX_SOCKETIO_KEY_RUNS) {
        zone->sh->emitting = 0;
    }
}


static ngx_int_t
ngx_socketio_truth_node_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_uint_t               good;
    ngx_socketio_node_t     *node;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_session_t  *session;

    node = ngx_socketio_rec(zone, ref);

    if (node->message && node->message == zone->sh->emitting) {
        return NGX_ERROR;
    }

    good = (node->rec.kind <= NGX_SOCKETIO_TO_ROOM)
           ? ngx_socketio_used_locked(zone, NGX_SOCKETIO_MESSAGE,
                                      node->message) != NULL
           : node->rec.kind <= NGX_SOCKETIO_LEFT && node->message == 0;

    if (node->owner < zone->sh->nslots) {
        slot = &zone->slots[node->owner];

        if (!good && slot->gen && !ngx_socketio_node_held(slot, node)) {
            /* its worker starts afresh */
            slot->overrun = 1;
        }

        return (good && slot->gen
                && (!slot->overrun || ngx_socketio_node_held(slot, node)))
               ? NGX_OK : NGX_ERROR;
    }

    session = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SESSION,
                                       node->owner);

    if (session == NULL || session->eio.state == NGX_SOCKETIO_EIO_CLOSED) {
        return NGX_ERROR;
    }

    if (!good
        || node->message == 0
        || session->eio.transport != NGX_SOCKETIO_EIO_POLLING)
    {
        ngx_socketio_truth_break_locked(zone, node->owner);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_truth_key_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_keyed_t  *keyed;

    keyed = ngx_socketio_rec(zone, ref);

    return (keyed->len && keyed->len <= NGX_SOCKETIO_KEY_MAX
            && keyed->rec.kind <= NGX_SOCKETIO_KEY_RAN)
           ? NGX_OK : NGX_ERROR;
}


/* NULL: that is no namespace */

static ngx_socketio_room_t *
ngx_socketio_truth_nsp_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_room_t  *room;

    room = ngx_socketio_used_locked(zone, NGX_SOCKETIO_ROOM, ref);

    return (room && room->parent == 0) ? room : NULL;
}


/* closes a session, if it is one; what that means is done by who mends */

void
ngx_socketio_truth_break_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SESSION, ref);

    if (session && session->eio.state != NGX_SOCKETIO_EIO_CLOSED) {

        if (session->eio.state == NGX_SOCKETIO_EIO_OPENED) {
            session->eio.reason = NGX_SOCKETIO_REASON_TRANSPORT_ERROR;
        }

        session->eio.state = NGX_SOCKETIO_EIO_CLOSED;
        zone->ended++;
    }
}
