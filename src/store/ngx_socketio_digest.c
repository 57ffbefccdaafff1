
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What matters of a zone in one number: what each record says, the order of
 * lists that have one, who is on the others, counts.  For builds that rebuild
 * zones which are whole, to see whether anything changes.
 */


#include "store/ngx_socketio_rebuild.h"


#if (NGX_SOCKETIO_REBUILD)


static uint64_t ngx_socketio_digest_mix(uint64_t h, uint64_t n);
static uint64_t ngx_socketio_digest_list_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, size_t at, ngx_uint_t ordered);
static uint64_t ngx_socketio_digest_inbox_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static uint64_t ngx_socketio_digest_sessions_locked(
    ngx_socketio_zone_t *zone);
static uint64_t ngx_socketio_digest_sockets_locked(ngx_socketio_zone_t *zone);
static uint64_t ngx_socketio_digest_rooms_locked(ngx_socketio_zone_t *zone);
static uint64_t ngx_socketio_digest_acks_locked(ngx_socketio_zone_t *zone);
static uint64_t ngx_socketio_digest_slots_locked(ngx_socketio_zone_t *zone);


#define ngx_socketio_digest_ordered(zone, ref, type, link)                    \
    ngx_socketio_digest_list_locked(zone, ref, offsetof(type, link), 1)
#define ngx_socketio_digest_set(zone, ref, type, link)                        \
    ngx_socketio_digest_list_locked(zone, ref, offsetof(type, link), 0)


uint64_t
ngx_socketio_digest_locked(ngx_socketio_zone_t *zone)
{
    uint64_t                 h;
    ngx_uint_t               i;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;
    h = sh->free_pages;

    for (i = 0; i < NGX_SOCKETIO_TYPES; i++) {
        h = ngx_socketio_digest_mix(h, sh->nfree[i]);
    }

    h = ngx_socketio_digest_mix(h, ngx_socketio_digest_sessions_locked(zone));
    h = ngx_socketio_digest_mix(h, ngx_socketio_digest_sockets_locked(zone));
    h = ngx_socketio_digest_mix(h, ngx_socketio_digest_rooms_locked(zone));
    h = ngx_socketio_digest_mix(h, ngx_socketio_digest_acks_locked(zone));
    h = ngx_socketio_digest_mix(h, ngx_socketio_digest_slots_locked(zone));

    h = ngx_socketio_digest_mix(h, ngx_socketio_digest_ordered(zone, sh->log,
                                               ngx_socketio_log_t, next));
    h = ngx_socketio_digest_mix(h, ngx_socketio_digest_set(zone, sh->lost,
                                               ngx_socketio_pass_t, next));
    h = ngx_socketio_digest_mix(h, ngx_socketio_digest_set(zone, sh->key,
                                               ngx_socketio_keyed_t, next));

    h = ngx_socketio_digest_mix(h, sh->log_n);
    h = ngx_socketio_digest_mix(h, sh->log_bytes);
    h = ngx_socketio_digest_mix(h, sh->nkeys);
    h = ngx_socketio_digest_mix(h, sh->seq);
    h = ngx_socketio_digest_mix(h, sh->stats.sessions);
    h = ngx_socketio_digest_mix(h, sh->stats.sockets);

    return ngx_socketio_digest_mix(h, sh->stats.rooms);
}


static uint64_t
ngx_socketio_digest_mix(uint64_t h, uint64_t n)
{
    h = (h ^ n) * 0x9e3779b97f4a7c15;

    return h ^ h >> 29;
}


/* "at" is where the link is; of a list without order: who is on it */

static uint64_t
ngx_socketio_digest_list_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, size_t at, ngx_uint_t ordered)
{
    uint64_t  h;

    for (h = 1; ref; /* void */ ) {
        h = ordered ? ngx_socketio_digest_mix(h, ref)
                    : h + ngx_socketio_digest_mix(1, ref);

        ref = *(ngx_socketio_ref_t *) ((u_char *) ngx_socketio_rec(zone, ref)
                                       + at);
    }

    return h;
}


static uint64_t
ngx_socketio_digest_inbox_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    uint64_t  h;

    for (h = 1; ref; ref = *ngx_socketio_entry_link_locked(zone, ref)) {
        h = ngx_socketio_digest_mix(h, ref);
        h = ngx_socketio_digest_mix(h, ngx_socketio_entry_order_locked(zone,
                                                                      ref));
    }

    return h;
}


static uint64_t
ngx_socketio_digest_sessions_locked(ngx_socketio_zone_t *zone)
{
    uint64_t                 h, sum;
    ngx_socketio_ref_t       ref, found;
    ngx_socketio_session_t  *session;

    sum = 0;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SESSION, ref) {
        session = ngx_socketio_rec(zone, ref);

        h = ngx_socketio_digest_mix(session->rec.gen, ref);
        h = ngx_socketio_digest_mix(h, session->eio.state);
        h = ngx_socketio_digest_mix(h, session->nsockets);
        h = ngx_socketio_digest_mix(h, session->outbox_n);
        h = ngx_socketio_digest_mix(h, session->outbox_bytes);
        h = ngx_socketio_digest_mix(h, session->outbox_tail);
        h = ngx_socketio_digest_mix(h, session->inbox_n);
        h = ngx_socketio_digest_mix(h, session->inbox_bytes);
        h = ngx_socketio_digest_mix(h, session->inbox_tail);
        h = ngx_socketio_digest_mix(h, session->partial);
        h = ngx_socketio_digest_mix(h, session->owner_gen);
        h = ngx_socketio_digest_mix(h, session->deadline);

        h = ngx_socketio_digest_mix(h, ngx_socketio_digest_ordered(zone,
                             session->outbox, ngx_socketio_node_t, next));
        h = ngx_socketio_digest_mix(h, ngx_socketio_digest_set(zone,
                             session->sockets, ngx_socketio_socket_t, next));
        h = ngx_socketio_digest_mix(h, ngx_socketio_digest_inbox_locked(zone,
                                                           session->inbox));

        (void) ngx_socketio_sid_find_locked(zone, session->sid, &found);

        sum += ngx_socketio_digest_mix(h, found == ref);
    }

    return sum;
}


static uint64_t
ngx_socketio_digest_sockets_locked(ngx_socketio_zone_t *zone)
{
    uint64_t                h, sum;
    ngx_socketio_ref_t      ref;
    ngx_socketio_socket_t  *socket;

    sum = 0;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SOCKET, ref) {
        socket = ngx_socketio_rec(zone, ref);

        h = ngx_socketio_digest_mix(socket->rec.gen, ref);
        h = ngx_socketio_digest_mix(h, socket->session);
        h = ngx_socketio_digest_mix(h, socket->state);
        h = ngx_socketio_digest_mix(h, socket->seq);
        h = ngx_socketio_digest_mix(h, socket->data);
        h = ngx_socketio_digest_mix(h, socket->data_len);
        h = ngx_socketio_digest_mix(h, socket->pass);
        h = ngx_socketio_digest_mix(h, socket->nrooms);
        h = ngx_socketio_digest_mix(h, socket->nawaited);

        h = ngx_socketio_digest_mix(h, ngx_socketio_digest_ordered(zone,
                       socket->members, ngx_socketio_member_t, socket_next));

        sum += ngx_socketio_digest_mix(h, ngx_socketio_digest_ordered(zone,
                             socket->awaited, ngx_socketio_event_t, next));
    }

    return sum;
}


static uint64_t
ngx_socketio_digest_rooms_locked(ngx_socketio_zone_t *zone)
{
    uint64_t                 h, sum;
    ngx_uint_t               i, list;
    ngx_socketio_ref_t       ref;
    ngx_socketio_room_t     *room;
    ngx_socketio_message_t  *message;

    sum = 0;

    for (i = 0; i < zone->sh->nbuckets; i++) {

        for (ref = zone->rooms[i]; ref; ref = room->hash_next) {
            room = ngx_socketio_rec(zone, ref);

            h = ngx_socketio_digest_mix(room->rec.gen, ref);
            h = ngx_socketio_digest_mix(h, room->refs);
            h = ngx_socketio_digest_mix(h, i);

            for (list = 0; list < 2; list++) {
                h = ngx_socketio_digest_mix(h, room->n[list]);
                h = ngx_socketio_digest_mix(h, ngx_socketio_digest_set(zone,
                             room->list[list], ngx_socketio_member_t, next));
            }

            sum += h;
        }
    }

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_MESSAGE, ref) {
        message = ngx_socketio_rec(zone, ref);

        h = ngx_socketio_digest_mix(message->rec.gen, ref);
        h = ngx_socketio_digest_mix(h, message->nodes);

        sum += ngx_socketio_digest_mix(h, message->owner);
    }

    return sum;
}


static uint64_t
ngx_socketio_digest_acks_locked(ngx_socketio_zone_t *zone)
{
    uint64_t               h, sum;
    ngx_socketio_ref_t     ref;
    ngx_socketio_ack_t    *ack;
    ngx_socketio_event_t  *event;

    sum = 0;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_ACK, ref) {
        ack = ngx_socketio_rec(zone, ref);

        h = ngx_socketio_digest_mix(ack->rec.gen, ref);
        h = ngx_socketio_digest_mix(h, ack->refs);
        h = ngx_socketio_digest_mix(h, ack->expected);
        h = ngx_socketio_digest_mix(h, (ack->token || ack->sending)
                                       ? 0 : ack->received);
        h = ngx_socketio_digest_mix(h, ngx_socketio_digest_set(zone,
                            ack->awaited, ngx_socketio_event_t, ack_next));

        sum += ngx_socketio_digest_mix(h, ngx_socketio_digest_ordered(zone,
                                ack->answers, ngx_socketio_event_t, next));
    }

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_EVENT, ref) {
        event = ngx_socketio_rec(zone, ref);

        h = ngx_socketio_digest_mix(event->rec.gen, ref);
        h = ngx_socketio_digest_mix(h, event->rec.kind);
        h = ngx_socketio_digest_mix(h, event->body);
        h = ngx_socketio_digest_mix(h, event->attached);

        sum += ngx_socketio_digest_mix(h, event->attached_len);
    }

    return sum;
}


static uint64_t
ngx_socketio_digest_slots_locked(ngx_socketio_zone_t *zone)
{
    uint64_t              h;
    ngx_uint_t            i;
    ngx_socketio_slot_t  *slot;

    for (h = 0, i = 0; i < zone->sh->nslots; i++) {
        slot = &zone->slots[i];

        h = ngx_socketio_digest_mix(h, slot->gen);
        h = ngx_socketio_digest_mix(h, slot->mailbox_n);
        h = ngx_socketio_digest_mix(h, slot->mailbox_tail);
        h = ngx_socketio_digest_mix(h, slot->held_tail);

        h = ngx_socketio_digest_mix(h, ngx_socketio_digest_ordered(zone,
                               slot->mailbox, ngx_socketio_node_t, next));
        h = ngx_socketio_digest_mix(h, ngx_socketio_digest_ordered(zone,
                                  slot->held, ngx_socketio_node_t, next));
        h = ngx_socketio_digest_mix(h, ngx_socketio_digest_set(zone,
                           slot->messages, ngx_socketio_message_t, next));
        h = ngx_socketio_digest_mix(h, ngx_socketio_digest_set(zone,
                                   slot->acks, ngx_socketio_ack_t, next));
    }

    return h;
}


void
ngx_socketio_rebuild_check_locked(ngx_socketio_zone_t *zone)
{
    uint64_t    before, tick;
    ngx_uint_t  earlier;

    tick = zone->tick;
    earlier = zone->earlier;
    before = ngx_socketio_digest_locked(zone);

    zone->discarded = 0;
    zone->ended = 0;

    ngx_socketio_rebuild_locked(zone);

    zone->tick = tick;
    zone->earlier = earlier;

    if (ngx_socketio_digest_locked(zone) != before
        || zone->discarded || zone->ended)
    {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "zone \"%V\" is not what its records say: "
                      "%ui records discarded",
                      &zone->shm_zone->shm.name, zone->discarded);
        ngx_abort();
    }
}


#endif
