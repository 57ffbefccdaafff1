
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_budget.h"
#include "store/ngx_socketio_slot.h"
#include "store/ngx_socketio_bytes.h"


/* the part of a state machine that a hold changes in one store */

typedef uint64_t __attribute__((may_alias))  ngx_socketio_eio_word_t;


static ngx_socketio_ref_t *ngx_socketio_sid_bucket_locked(
    ngx_socketio_zone_t *zone, u_char *sid);
static void ngx_socketio_sid_remove_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session);
static void ngx_socketio_inbox_type_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t entry);
static uint64_t *ngx_socketio_session_gauge_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session);
static void ngx_socketio_session_ended_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, uint64_t now);


static ngx_socketio_ref_t *
ngx_socketio_sid_bucket_locked(ngx_socketio_zone_t *zone, u_char *sid)
{
    uint32_t  hash;

    /*
     * The sid is random: any of its bytes are a hash.  Time may tell whether a
     * bucket is empty: a few bits of some sid, of 128.
     */

    ngx_memcpy(&hash, sid, sizeof(uint32_t));

    return &zone->sids[hash & (zone->sh->nbuckets - 1)];
}


ngx_socketio_session_t *
ngx_socketio_sid_find_locked(ngx_socketio_zone_t *zone, u_char *sid,
    ngx_socketio_ref_t *ref)
{
    u_char                   diff;
    ngx_uint_t               i;
    ngx_socketio_session_t  *session;

    *ref = *ngx_socketio_sid_bucket_locked(zone, sid);

    for ( /* void */ ; *ref; *ref = session->hash_next) {
        session = ngx_socketio_rec(zone, *ref);

        /* a secret: the time must not tell how much of it is right */

        for (diff = 0, i = 0; i < NGX_SOCKETIO_SID; i++) {
            diff |= session->sid[i] ^ sid[i];
        }

        if (diff == 0) {
            return session;
        }
    }

    return NULL;
}


void
ngx_socketio_sid_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t      *bucket;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);
    bucket = ngx_socketio_sid_bucket_locked(zone, session->sid);

    session->hash_next = *bucket;
    *bucket = ref;

    zone->sh->stats.sessions++;
    (*ngx_socketio_session_gauge_locked(zone, session))++;
}


/* where those are counted that are what this one is now */

static uint64_t *
ngx_socketio_session_gauge_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session)
{
    return &zone->sh->now.sessions[session->eio.transport]
                                  [session->eio.beat.revision != 3];
}


static void
ngx_socketio_sid_remove_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t      *p;
    ngx_socketio_session_t  *session, *other;

    session = ngx_socketio_rec(zone, ref);
    p = ngx_socketio_sid_bucket_locked(zone, session->sid);

    while (*p != ref) {
        other = ngx_socketio_rec(zone, *p);
        p = &other->hash_next;
    }

    *p = session->hash_next;
    session->hash_next = 0;

    zone->sh->stats.sessions--;
    (*ngx_socketio_session_gauge_locked(zone, session))--;
}


ngx_uint_t
ngx_socketio_session_step_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_eio_event_e event, uint64_t now)
{
    uint64_t                    *gauge;
    ngx_uint_t                   actions, transport;
    ngx_socketio_session_t      *session;
    ngx_socketio_eio_conf_t      conf;
    ngx_socketio_eio_session_t   eio;

    session = ngx_socketio_rec(zone, ref);

    conf.interval = session->interval;
    conf.timeout = session->timeout;

    gauge = ngx_socketio_session_gauge_locked(zone, session);
    transport = session->eio.transport;

    eio = session->eio;
    actions = ngx_socketio_eio_step(&eio, &conf, event, now);
    ngx_socketio_session_eio_locked(session, &eio);

    if (session->eio.transport != transport) {
        (*gauge)--;
        (*ngx_socketio_session_gauge_locked(zone, session))++;
    }

    ngx_socketio_session_act_locked(zone, ref, actions, now);

    return actions;
}


void
ngx_socketio_session_end_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t reason, uint64_t now)
{
    ngx_uint_t                   actions;
    ngx_socketio_session_t      *session;
    ngx_socketio_eio_session_t   eio;

    session = ngx_socketio_rec(zone, ref);

    eio = session->eio;
    actions = ngx_socketio_eio_end(&eio, reason);
    ngx_socketio_session_eio_locked(session, &eio);

    ngx_socketio_session_act_locked(zone, ref, actions, now);
}


/*
 * A step is one store, but for the heartbeat: what has to follow an end is
 * done by whoever finds it undone.
 */

void
ngx_socketio_session_eio_locked(ngx_socketio_session_t *session,
    ngx_socketio_eio_session_t *eio)
{
    uint64_t  word;

    session->eio.beat = eio->beat;
    ngx_memcpy(&word, &eio->state, sizeof(uint64_t));

    ngx_socketio_order();
    *(volatile ngx_socketio_eio_word_t *) &session->eio.state = word;
    ngx_socketio_order();
}


void
ngx_socketio_session_act_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t actions, uint64_t now)
{
    ngx_socketio_session_t  *session;

    if ((actions & (NGX_SOCKETIO_EIO_RING_GET|NGX_SOCKETIO_EIO_RING_POST
                    |NGX_SOCKETIO_EIO_RING_WS|NGX_SOCKETIO_EIO_END
                    |NGX_SOCKETIO_EIO_FORGET))
        == 0)
    {
        return;
    }

    session = ngx_socketio_rec(zone, ref);

    if (actions & NGX_SOCKETIO_EIO_RING_GET) {
        ngx_socketio_conn_bell_locked(zone, ref, NGX_SOCKETIO_CONN_GET);
    }

    if (actions & NGX_SOCKETIO_EIO_RING_POST) {
        ngx_socketio_conn_bell_locked(zone, ref, NGX_SOCKETIO_CONN_POST);
    }

    if (actions & NGX_SOCKETIO_EIO_RING_WS) {
        ngx_socketio_conn_bell_locked(zone, ref, NGX_SOCKETIO_CONN_WS);
    }

    if (actions & NGX_SOCKETIO_EIO_END) {
        ngx_socketio_session_ended_locked(zone, session, now);
    }

    if (actions & NGX_SOCKETIO_EIO_FORGET) {
        session->deadline = 0;
        ngx_socketio_sid_remove_locked(zone, ref);
        ngx_socketio_nodes_free_locked(zone, &session->outbox,
                                       &session->outbox_tail);
        ngx_socketio_outbox_emptied_locked(zone, session);

    } else if (actions & NGX_SOCKETIO_EIO_END) {
        session->deadline = now + NGX_SOCKETIO_LINGER;
    }

    if (actions & (NGX_SOCKETIO_EIO_END|NGX_SOCKETIO_EIO_FORGET)) {
        ngx_socketio_wheel_set_locked(zone, ref);
    }
}


static void
ngx_socketio_session_ended_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, uint64_t now)
{
    ngx_socketio_ref_t      ref, next;
    ngx_socketio_socket_t  *socket;

    zone->sh->stats.closed[session->eio.reason]++;

    if (session->partial) {
        ngx_socketio_event_free_locked(zone, session->partial);
        session->partial = 0;
    }

    session->lacking = 0;

    for (ref = session->sockets; ref; ref = next) {
        socket = ngx_socketio_rec(zone, ref);
        next = socket->next;
        ngx_socketio_socket_end_locked(zone, ref, session->eio.reason, now);
    }
}


void
ngx_socketio_heard_locked(ngx_socketio_session_t *session, uint64_t now)
{
    ngx_socketio_eio_conf_t  conf;

    if (session->eio.transport == NGX_SOCKETIO_EIO_POLLING) {
        conf.interval = session->interval;
        conf.timeout = session->timeout;
        ngx_socketio_eio_heard(&session->eio.beat, &conf, now);
    }
}


void
ngx_socketio_joined_locked(ngx_socketio_session_t *session)
{
    if (session->partial) {
        /* one of revision 3 may have begun with a packet that lacks some */
        session->lacking = 1;
        return;
    }

    session->deadline = 0;
}


void
ngx_socketio_conn_bell_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t which)
{
    ngx_socketio_conn_t     *conn;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);
    conn = &session->conns[which];

    if (conn->gen) {
        ngx_socketio_bell_locked(zone, conn->slot, conn->gen, ref);
    }
}


void
ngx_socketio_session_release_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);

    if (session->eio.state != NGX_SOCKETIO_EIO_CLOSED
        || session->inbox
        || session->owner_gen
        || session->sockets
        || session->conns[NGX_SOCKETIO_CONN_GET].gen
        || session->conns[NGX_SOCKETIO_CONN_POST].gen
        || session->conns[NGX_SOCKETIO_CONN_WS].gen)
    {
        return;
    }

    ngx_socketio_wheel_cut_locked(zone, ref);
    ngx_socketio_unused(session);

    ngx_socketio_nodes_free_locked(zone, &session->outbox,
                                   &session->outbox_tail);
    ngx_socketio_outbox_emptied_locked(zone, session);
    ngx_socketio_bytes_free_locked(zone, session->handshake);
    ngx_socketio_budget_free_locked(zone, session->budget);
    ngx_socketio_free_locked(zone, ref);
}


void
ngx_socketio_outbox_emptied_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session)
{
    zone->sh->now.outbox_n -= session->outbox_n;
    zone->sh->now.outbox_bytes -= session->outbox_bytes;

    session->outbox_n = 0;
    session->outbox_bytes = 0;
}


ngx_int_t
ngx_socketio_give_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t message, ngx_uint_t flags,
    uint64_t seq, uint64_t now)
{
    uint32_t                 len;
    ngx_socketio_ref_t       node_ref;
    ngx_socketio_conn_t     *conn;
    ngx_socketio_node_t     *node;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);

    if (session->eio.state != NGX_SOCKETIO_EIO_OPENED) {
        return NGX_DECLINED;
    }

    len = ((ngx_socketio_message_t *) ngx_socketio_rec(zone, message))->len;

    if (session->eio.transport == NGX_SOCKETIO_EIO_POLLING) {

        if ((flags & NGX_SOCKETIO_VOLATILE)
            && (!session->eio.get || session->outbox))
        {
            ngx_socketio_tally(zone, NGX_SOCKETIO_N_VOLATILE, 1);
            return NGX_DECLINED;
        }

        if (session->outbox_n >= session->outbox_max
            || (session->outbox_n
                && session->outbox_bytes + len > session->outbox_max_bytes))
        {
            zone->sh->stats.slow++;
            goto close;
        }
    }

    node_ref = ngx_socketio_node_alloc_locked(zone, message,
                                              NGX_SOCKETIO_TO_SOCKET);
    if (node_ref == 0) {
        zone->sh->stats.full++;
        goto close;
    }

    node = ngx_socketio_rec(zone, node_ref);
    node->rec.link = (uint16_t) flags;
    node->seq = seq;
    node->socket = socket;

    if (session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        conn = &session->conns[NGX_SOCKETIO_CONN_WS];
        node->conn = conn->handle;
        node->session_gen = session->rec.gen;
        ngx_socketio_mailbox_put_locked(zone, conn->slot, node_ref);
        return NGX_OK;
    }

    node->owner = ref;
    ngx_socketio_used(node);

    ngx_socketio_nodes_add_locked(zone, &session->outbox,
                                  &session->outbox_tail, node_ref);
    session->outbox_bytes += len;
    zone->sh->now.outbox_bytes += len;
    zone->sh->now.outbox_n++;

    if (session->outbox_n++ == 0 && session->eio.get) {
        ngx_socketio_conn_bell_locked(zone, ref, NGX_SOCKETIO_CONN_GET);
    }

    return NGX_OK;

close:

    /* never a gap: who cannot be given a packet is closed */

    ngx_socketio_session_end_locked(zone, ref,
                                    NGX_SOCKETIO_REASON_TRANSPORT_ERROR, now);
    return NGX_ERROR;
}


ngx_int_t
ngx_socketio_tell_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_uint_t kind,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t room)
{
    ngx_socketio_ref_t    ref;
    ngx_socketio_conn_t  *conn;
    ngx_socketio_node_t  *node;

    ref = ngx_socketio_node_alloc_locked(zone, 0, kind);
    if (ref == 0) {
        zone->sh->stats.full++;
        return NGX_ERROR;
    }

    conn = &session->conns[NGX_SOCKETIO_CONN_WS];
    node = ngx_socketio_rec(zone, ref);

    node->seq = ++zone->sh->seq;
    node->socket = socket;
    node->conn = conn->handle;
    node->session_gen = session->rec.gen;
    node->room = room;

    if (room) {
        node->room_gen =
                   ((ngx_socketio_rec_t *) ngx_socketio_rec(zone, room))->gen;
    }

    ngx_socketio_mailbox_put_locked(zone, conn->slot, ref);

    return NGX_OK;
}


void
ngx_socketio_inbox_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_ref_t entry, size_t bytes)
{
    uint32_t                 order;
    ngx_socketio_ref_t      *link;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);
    link = &session->inbox;
    order = 1;

    if (session->inbox_tail) {
        link = ngx_socketio_entry_link_locked(zone, session->inbox_tail);
        order = ngx_socketio_entry_order_locked(zone, session->inbox_tail) + 1;
        order += (order == 0);
    }

    /* from here on it is an entry */

    ngx_socketio_order();

    if (ngx_socketio_type(zone, entry) == NGX_SOCKETIO_SOCKET) {
        ((ngx_socketio_socket_t *) ngx_socketio_rec(zone, entry))->mark =
                                                                        order;
    } else {
        ((ngx_socketio_event_t *) ngx_socketio_rec(zone, entry))->order =
                                                                        order;
    }

    ngx_socketio_order();

    *link = entry;
    session->inbox_tail = entry;
    session->inbox_n++;
    session->inbox_bytes += bytes;

    zone->sh->now.inbox_n++;
    zone->sh->now.inbox_bytes += bytes;
    ngx_socketio_inbox_type_locked(zone, session, entry);
    ngx_socketio_tally(zone, NGX_SOCKETIO_N_EVENT_BYTES, bytes);

    if (session->owner_gen == 0) {
        ngx_socketio_inbox_own_locked(zone, ref);
    }
}


/* counts the entry as what the backend will be told */

static void
ngx_socketio_inbox_type_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t entry)
{
    ngx_uint_t           what;
    ngx_socketio_rec_t  *rec;

    if (ngx_socketio_type(zone, entry) == NGX_SOCKETIO_SOCKET) {
        what = session->raw ? NGX_SOCKETIO_N_CLOSE
                            : NGX_SOCKETIO_N_DISCONNECT;

    } else {
        rec = ngx_socketio_rec(zone, entry);

        switch (rec->kind) {

        case NGX_SOCKETIO_EVENT_CONNECT:
        case NGX_SOCKETIO_EVENT_RECOVERED:
            what = session->raw ? NGX_SOCKETIO_N_OPEN
                                : NGX_SOCKETIO_N_CONNECT;
            break;

        case NGX_SOCKETIO_EVENT_EVENT:
            what = session->raw ? NGX_SOCKETIO_N_MESSAGE
                                : NGX_SOCKETIO_N_EVENT;
            break;

        case NGX_SOCKETIO_EVENT_TEXT:
        case NGX_SOCKETIO_EVENT_BINARY:
            what = NGX_SOCKETIO_N_MESSAGE;
            break;

        default:
            what = NGX_SOCKETIO_N_ACK;
        }
    }

    ngx_socketio_tally(zone, what, 1);
}


ngx_socketio_ref_t *
ngx_socketio_entry_link_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t entry)
{
    if (ngx_socketio_type(zone, entry) == NGX_SOCKETIO_SOCKET) {
        return &((ngx_socketio_socket_t *) ngx_socketio_rec(zone, entry))
                    ->inbox_next;
    }

    return &((ngx_socketio_event_t *) ngx_socketio_rec(zone, entry))->next;
}


uint32_t
ngx_socketio_entry_order_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t entry)
{
    if (ngx_socketio_type(zone, entry) == NGX_SOCKETIO_SOCKET) {
        return (uint32_t) ((ngx_socketio_socket_t *)
                           ngx_socketio_rec(zone, entry))->mark;
    }

    return ((ngx_socketio_event_t *) ngx_socketio_rec(zone, entry))->order;
}


/*
 * This worker takes it.  One that shuts down gives it to another at once, and
 * so does a process that has no slot, burying the one it is about to claim:
 * with nobody there it waits for that claim.
 */

void
ngx_socketio_inbox_own_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_uint_t               slot;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);

    if (zone->slot_gen == 0 || zone->slots[zone->slot].exiting) {
        slot = ngx_socketio_slot_other_locked(zone);

        if (slot < zone->sh->nslots) {
            ngx_socketio_inbox_hand_locked(zone, ref, slot);
            return;
        }

        if (zone->slot_gen == 0) {
            session->owner_gen = 0;
            return;
        }
    }

    if (zone->nowned == NGX_SOCKETIO_OWNED) {
        ngx_socketio_inbox_hand_locked(zone, ref, zone->slot);
        return;
    }

    session->owner_gen = 0;
    ngx_socketio_order();

    session->owner = (uint16_t) zone->slot;
    session->tenure++;
    session->handed = 0;

    ngx_socketio_order();
    session->owner_gen = zone->slot_gen;

    zone->owned[zone->nowned].ref = ref;
    zone->owned[zone->nowned].gen = session->rec.gen;
    zone->tenures[zone->nowned] = session->tenure;
    zone->nowned++;
}


void
ngx_socketio_inbox_hand_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t slot)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);

    /* nobody's in between: half handed over is handed over again */

    session->owner_gen = 0;
    ngx_socketio_order();

    session->owner = (uint16_t) slot;
    session->tenure++;
    session->handed = 1;

    ngx_socketio_order();
    session->owner_gen = zone->slots[slot].gen;

    ngx_socketio_bell_locked(zone, slot, session->owner_gen, ref);
}


void
ngx_socketio_event_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_event_t  *event;

    event = ngx_socketio_rec(zone, ref);
    ngx_socketio_unused(event);

    if (event->rec.kind >= NGX_SOCKETIO_EVENT_ACK
        && event->rec.kind <= NGX_SOCKETIO_EVENT_ACK_GONE)
    {
        ngx_socketio_ack_unref_locked(zone, (ngx_socketio_ref_t) event->ack);
    }

    ngx_socketio_bytes_free_locked(zone, event->body);
    ngx_socketio_bytes_free_locked(zone, event->attached);
    ngx_socketio_free_locked(zone, ref);
}


void
ngx_socketio_conn_note_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_uint_t which, uint32_t handle)
{
    ngx_socketio_conn_t  *conn;

    conn = &session->conns[which];

    conn->gen = 0;
    ngx_socketio_order();

    conn->slot = (uint16_t) zone->slot;
    conn->handle = handle;

    ngx_socketio_order();
    conn->gen = zone->slot_gen;
}


ngx_socketio_session_t *
ngx_socketio_conn_session_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_uint_t which, uint32_t handle)
{
    ngx_socketio_conn_t     *conn;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SESSION, id->ref,
                                       id->gen);
    if (session == NULL) {
        return NULL;
    }

    conn = &session->conns[which];

    return (conn->gen == zone->slot_gen
            && conn->slot == zone->slot
            && conn->handle == handle)
           ? session : NULL;
}


void
ngx_socketio_peer_locked(ngx_socketio_session_t *session,
    ngx_socketio_peer_t *peer)
{
    peer->revision = session->eio.beat.revision;
    peer->jsonp = session->jsonp;
    peer->base64 = session->base64;
    peer->raw = session->raw;
    peer->limited = session->limited;
}
