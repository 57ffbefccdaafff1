
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Lists, tables, counts and references made anew from good records.  Here
 * lists are only gathered; ngx_socketio_rebuild_order.c sorts them.
 */


#include "store/ngx_socketio_rebuild.h"
#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_key.h"
#include "store/ngx_socketio_list.h"


/* "used" of a node on a held list that is good as it is */

#define NGX_SOCKETIO_KEPT  2


static void ngx_socketio_links_none_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_slots_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_sessions_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_rooms_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_addresses_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_sockets_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_entry_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_socketio_ref_t ref, size_t bytes);
static void ngx_socketio_links_members_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_acks_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_events_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_event_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static void ngx_socketio_links_messages_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_log_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_nodes_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_held_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_links_hold_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t slot, ngx_uint_t n);
static void ngx_socketio_links_keys_locked(ngx_socketio_zone_t *zone);


void
ngx_socketio_rebuild_links_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_links_none_locked(zone);
    ngx_socketio_links_rooms_locked(zone);
    ngx_socketio_links_sessions_locked(zone);
    ngx_socketio_links_addresses_locked(zone);
    ngx_socketio_links_sockets_locked(zone);
    ngx_socketio_links_members_locked(zone);
    ngx_socketio_links_acks_locked(zone);
    ngx_socketio_links_events_locked(zone);
    ngx_socketio_links_messages_locked(zone);
    ngx_socketio_links_log_locked(zone);
    ngx_socketio_links_held_locked(zone);
    ngx_socketio_links_nodes_locked(zone);
    ngx_socketio_links_keys_locked(zone);
}


static void
ngx_socketio_links_none_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;

    ngx_memzero(zone->sids, sh->nbuckets * sizeof(ngx_socketio_ref_t));
    ngx_memzero(zone->rooms, sh->nbuckets * sizeof(ngx_socketio_ref_t));
    ngx_memzero(zone->keys, sh->nbuckets * sizeof(ngx_socketio_ref_t));
    ngx_memzero(zone->addresses, sh->nbuckets * sizeof(ngx_socketio_ref_t));

    ngx_memzero(sh->wheel, sizeof(sh->wheel));
    ngx_memzero(sh->wheel_map, sizeof(sh->wheel_map));

    sh->key = sh->key_tail = sh->nkeys = 0;
    sh->log = sh->log_tail = sh->log_n = 0;
    sh->log_bytes = 0;
    sh->lost = sh->lost_tail = 0;

    sh->stats.sessions = 0;
    sh->stats.sockets = 0;
    sh->stats.rooms = 0;

    ngx_socketio_links_slots_locked(zone);
}


/* but for the held lists, which their workers read */

static void
ngx_socketio_links_slots_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t            i;
    ngx_socketio_slot_t  *slot;

    for (i = 0; i < zone->sh->nslots; i++) {
        slot = &zone->slots[i];

        slot->mailbox = slot->mailbox_tail = slot->mailbox_n = 0;
        slot->messages = 0;
        slot->acks = 0;
        slot->websockets = 0;
    }
}


static void
ngx_socketio_links_rooms_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t    ref;
    ngx_socketio_room_t  *room;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_ROOM, ref) {
        room = ngx_socketio_rec(zone, ref);

        room->refs = 0;
        room->list[0] = room->list[1] = 0;
        room->n[0] = room->n[1] = 0;

        ngx_socketio_room_link_locked(zone, ref);
    }

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_ROOM, ref) {
        room = ngx_socketio_rec(zone, ref);

        if (room->parent) {
            ngx_socketio_room_ref_locked(zone, room->parent);
            zone->sh->stats.rooms++;
        }
    }
}


static void
ngx_socketio_links_sessions_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_conn_t     *conn;
    ngx_socketio_session_t  *session;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SESSION, ref) {
        session = ngx_socketio_rec(zone, ref);

        session->hash_next = 0;
        session->wheel = 0;
        session->wheel_next = session->wheel_prev = 0;
        session->sockets = 0;
        session->nsockets = 0;
        session->partial = 0;
        session->outbox = session->outbox_tail = 0;
        session->outbox_n = session->outbox_bytes = 0;
        session->inbox = session->inbox_tail = 0;
        session->inbox_n = session->inbox_bytes = 0;

        if (session->eio.state != NGX_SOCKETIO_EIO_CLOSED) {
            ngx_socketio_sid_add_locked(zone, ref);
        }

        conn = &session->conns[NGX_SOCKETIO_CONN_WS];
        slot = &zone->slots[conn->slot];

        if (conn->gen && conn->gen == slot->gen
            && session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET)
        {
            slot->websockets++;
        }
    }
}


/* counted with the budgets */

static void
ngx_socketio_links_addresses_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t       ref, *bucket;
    ngx_socketio_budget_t   *budget;
    ngx_socketio_address_t  *address;
    ngx_socketio_session_t  *session;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_ADDRESS, ref) {
        address = ngx_socketio_rec(zone, ref);

        if (address->n == 0) {
            ngx_socketio_rebuild_discard_locked(zone, address);
            continue;
        }

        bucket = &zone->addresses[address->hash & (zone->sh->nbuckets - 1)];
        address->hash_next = *bucket;
        *bucket = ref;
    }

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SESSION, ref) {
        session = ngx_socketio_rec(zone, ref);
        session->limited = 0;

        if (session->budget) {
            budget = ngx_socketio_rec(zone, session->budget);
            session->limited = (budget->rate != 0 || budget->bytes_rate != 0);
        }
    }
}


static void
ngx_socketio_links_sockets_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_pass_t     *pass;
    ngx_socketio_socket_t   *socket;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SOCKET, ref) {
        socket = ngx_socketio_rec(zone, ref);

        socket->next = 0;
        socket->members = 0;
        socket->nrooms = 0;
        socket->awaited = 0;
        socket->nawaited = 0;
        socket->inbox_next = 0;

        ngx_socketio_room_ref_locked(zone, socket->nsp);

        pass = socket->pass ? ngx_socketio_rec(zone, socket->pass) : NULL;

        if (pass) {
            pass->next = pass->prev = 0;
        }

        /* a number that was taken is never given again */

        if (socket->mark
            && (socket->state == NGX_SOCKETIO_SOCKET_ENDED
                || socket->state == NGX_SOCKETIO_SOCKET_LOST))
        {
            socket->seq = ngx_max(socket->seq, socket->end_seq + 1);
        }

        if (socket->state == NGX_SOCKETIO_SOCKET_LOST) {
            pass->next = zone->sh->lost;
            zone->sh->lost = socket->pass;
            continue;
        }

        ngx_socketio_socket_link_locked(zone, ref, socket->session);

        if (socket->state == NGX_SOCKETIO_SOCKET_ENDED && socket->mark) {
            ngx_socketio_links_entry_locked(zone, socket->session, ref, 0);
        }
    }
}


static void
ngx_socketio_links_entry_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session_ref, ngx_socketio_ref_t ref, size_t bytes)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, session_ref);

    *ngx_socketio_entry_link_locked(zone, ref) = session->inbox;
    session->inbox = ref;
    session->inbox_n++;
    session->inbox_bytes += bytes;
}


/* on which list of its room a member is, its socket and session say */

static void
ngx_socketio_links_members_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_member_t   *member;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_MEMBER, ref) {
        member = ngx_socketio_rec(zone, ref);
        socket = ngx_socketio_rec(zone, member->socket);

        member->socket_next = socket->members;
        socket->members = ref;
        socket->nrooms++;

        member->next = 0;
        member->prev = 0;
        member->rec.kind = NGX_SOCKETIO_HIDDEN;

        ngx_socketio_room_ref_locked(zone, member->room);

        if (socket->state == NGX_SOCKETIO_SOCKET_CONNECTED) {
            session = ngx_socketio_rec(zone, socket->session);
            ngx_socketio_member_show_locked(zone, ref,
                                            session->eio.transport);
        }
    }
}


static void
ngx_socketio_links_acks_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t   ref;
    ngx_socketio_ack_t  *ack;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_ACK, ref) {
        ack = ngx_socketio_rec(zone, ref);

        ack->awaited = 0;
        ack->answers = ack->answers_tail = 0;
        ack->refs = 0;
        ack->wheel = 0;
        ack->wheel_next = ack->wheel_prev = 0;

        if (ack->token == 0) {
            ack->received = 0;
            ngx_socketio_list_push_locked(zone,
                                          &zone->slots[ack->conn.slot].acks,
                                          ref,
                                          offsetof(ngx_socketio_ack_t, next));
        }
    }
}


static void
ngx_socketio_links_events_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t     ref;
    ngx_socketio_event_t  *event;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_EVENT, ref) {
        event = ngx_socketio_rec(zone, ref);

        event->next = 0;
        event->ack_next = event->ack_prev = 0;

        ngx_socketio_links_event_locked(zone, ref);
    }
}


static void
ngx_socketio_links_event_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ack_t      *ack;
    ngx_socketio_event_t    *event;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    event = ngx_socketio_rec(zone, ref);
    ack = NULL;

    if (event->rec.kind >= NGX_SOCKETIO_EVENT_ACK
        && event->rec.kind <= NGX_SOCKETIO_EVENT_ACK_GONE)
    {
        ack = ngx_socketio_rec(zone, (ngx_socketio_ref_t) event->ack);
        ack->refs++;
    }

    if (event->session == 0) {
        event->next = ack->answers;
        ack->answers = ref;
        ack->received++;
        return;
    }

    if (event->order) {
        socket = ngx_socketio_rec(zone, event->socket);
        socket->seq = ngx_max(socket->seq, event->seq + 1);

        ngx_socketio_links_entry_locked(zone, event->session, ref,
                                        event->body_len + event->attached_len);
        return;
    }

    if (ack) {
        socket = ngx_socketio_rec(zone, event->socket);
        event->next = socket->awaited;
        socket->awaited = ref;
        socket->nawaited++;

        ngx_socketio_list_push_locked(zone, &ack->awaited, ref,
                                      offsetof(ngx_socketio_event_t,
                                               ack_next));
        return;
    }

    session = ngx_socketio_rec(zone, event->session);
    session->partial = ref;
}


static void
ngx_socketio_links_messages_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_message_t  *message;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_MESSAGE, ref) {
        message = ngx_socketio_rec(zone, ref);

        message->nodes = 0;
        message->next = message->prev = 0;

        if (message->owner) {
            ngx_socketio_list_push_locked(zone,
                                    &zone->slots[message->owner - 1].messages,
                                    ref,
                                    offsetof(ngx_socketio_message_t, next));
        }
    }
}


static void
ngx_socketio_links_log_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t               i;
    ngx_socketio_id_t       *words;
    ngx_socketio_ref_t       ref;
    ngx_socketio_log_t      *log;
    ngx_socketio_message_t  *message;
    ngx_socketio_zone_sh_t  *sh;
    ngx_socketio_id_t        space[NGX_SOCKETIO_LOG_NAMES];

    sh = zone->sh;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_LOG, ref) {
        log = ngx_socketio_rec(zone, ref);
        message = ngx_socketio_rec(zone, log->message);

        log->next = sh->log;
        sh->log = ref;
        sh->log_n++;
        sh->log_bytes += message->len;
        message->nodes++;

        ngx_socketio_room_ref_locked(zone, log->nsp);
        words = ngx_socketio_log_read_locked(zone, log, space);

        for (i = 0; i < (ngx_uint_t) log->nin + log->nexcept; i++) {
            if (words[i].gen == 0) {
                ngx_socketio_room_ref_locked(zone, words[i].ref);
            }
        }
    }

    if (sh->log == 0) {
        sh->log_gap = 0;
    }
}


/*
 * Only their own workers change held lists, and who buries a dead one.  Those
 * of the living are whole, and they walk along them without the lock: the
 * links of such a list must stay, and it is kept if it has all its nodes.
 */

static void
ngx_socketio_links_held_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t            i, n[NGX_SOCKETIO_SLOTS_MAX];
    ngx_socketio_ref_t    ref;
    ngx_socketio_node_t  *node;

    ngx_memzero(n, sizeof(n));

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_NODE, ref) {
        node = ngx_socketio_rec(zone, ref);

        if (node->owner < zone->sh->nslots
            && ngx_socketio_node_held(&zone->slots[node->owner], node))
        {
            n[node->owner]++;
        }
    }

    for (i = 0; i < zone->sh->nslots; i++) {
        ngx_socketio_slot_counters(zone, i)->n[NGX_SOCKETIO_N_HELD] = n[i];
        ngx_socketio_links_hold_locked(zone, i, n[i]);
    }
}


/* n: of the nodes that it should have */

static void
ngx_socketio_links_hold_locked(ngx_socketio_zone_t *zone, ngx_uint_t i,
    ngx_uint_t n)
{
    ngx_uint_t            k;
    ngx_socketio_ref_t    ref, prev;
    ngx_socketio_node_t  *node;
    ngx_socketio_slot_t  *slot;

    slot = &zone->slots[i];
    prev = 0;
    ref = slot->held;

    for (k = 0; ref && k < n; k++) {
        node = ngx_socketio_used_locked(zone, NGX_SOCKETIO_NODE, ref);

        if (node == NULL
            || node->rec.used != 1
            || node->owner != i
            || !ngx_socketio_node_held(slot, node)
            || node->prev != prev)
        {
            break;
        }

        node->rec.used = NGX_SOCKETIO_KEPT;
        prev = ref;
        ref = node->next;
    }

    if (k == n && ref == 0 && slot->held_tail == prev) {
        return;
    }

    for (ref = slot->held; k--; ref = node->next) {
        node = ngx_socketio_rec(zone, ref);
        node->rec.used = 1;
    }

    /* no tail: it is to be sorted */

    slot->held = slot->held_tail = 0;
}


static void
ngx_socketio_links_nodes_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t       ref, *head;
    ngx_socketio_node_t     *node;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_message_t  *message;
    ngx_socketio_session_t  *session;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_NODE, ref) {
        node = ngx_socketio_rec(zone, ref);
        message = NULL;

        if (node->message) {
            message = ngx_socketio_rec(zone, node->message);
            message->nodes++;
        }

        if (node->rec.used == NGX_SOCKETIO_KEPT) {
            node->rec.used = 1;
            continue;
        }

        if (node->owner < zone->sh->nslots) {
            slot = &zone->slots[node->owner];
            head = &slot->held;

            if (!ngx_socketio_node_held(slot, node)) {
                slot->mailbox_n++;
                head = &slot->mailbox;
            }

        } else {
            session = ngx_socketio_rec(zone, node->owner);
            session->outbox_n++;
            session->outbox_bytes += message->len;
            head = &session->outbox;
        }

        node->next = *head;
        *head = ref;
    }
}


static void
ngx_socketio_links_keys_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_keyed_t    *keyed;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_KEY, ref) {
        keyed = ngx_socketio_rec(zone, ref);

        ngx_socketio_key_link_locked(zone, ref);

        keyed->next = sh->key;
        sh->key = ref;
        sh->nkeys++;
    }
}
