
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What the transports do to a session, each call in one hold of the lock.
 * A connection is known to the zone by this worker's slot and a "handle" of
 * the worker's; it stays noted with the session until ..._gone(), ..._done()
 * or an answer, and the session's record lives as long.
 *
 * Common return codes: NGX_DECLINED, the session is unknown or gone, or
 * another location's; NGX_ABORT, it is of another revision.
 */


#ifndef _NGX_SOCKETIO_EXCHANGE_H_INCLUDED_
#define _NGX_SOCKETIO_EXCHANGE_H_INCLUDED_


#include "store/ngx_socketio_room.h"


/* what a request says of its session; all of it must be true */

typedef struct {
    u_char                     sid[NGX_SOCKETIO_SID];
    uint32_t                   location;
    ngx_uint_t                 revision;
} ngx_socketio_key_t;


typedef struct {
    ngx_socketio_key_t         key;
    ngx_uint_t                 transport;   /* NGX_SOCKETIO_EIO_... */
    uint32_t                   handle;      /* of the websocket */
    ngx_msec_t                 interval;
    ngx_msec_t                 timeout;
    ngx_msec_t                 connect_timeout;
    ngx_uint_t                 outbox_max;
    size_t                     outbox_max_bytes;
    ngx_uint_t                 inbox_max;
    size_t                     inbox_max_bytes;
    ngx_str_t                  handshake;   /* JSON members, 4 KB at most */
    ngx_uint_t                 sessions_max; /* of the zone; 0: off */
    ngx_uint_t                 per_ip;      /* of the address; 0: off */
    ngx_socketio_name_t        address;
    ngx_uint_t                 rate;        /* events a minute; 0: off */
    ngx_uint_t                 burst;
    size_t                     bytes_rate;  /* a second; 0: off */
    ngx_socketio_peer_t        peer;
    unsigned                   hooked:1;
} ngx_socketio_open_t;


/*
 * What a connection has got.  The nodes are on this slot's held list from
 * "nodes" on, n of them, and given back by the caller when written.
 */

typedef struct {
    ngx_socketio_id_t          id;
    ngx_socketio_peer_t        peer;
    ngx_uint_t                 actions;     /* NGX_SOCKETIO_EIO_..., a mask */
    ngx_socketio_eio_answer_e  answer;
    ngx_uint_t                 ping;        /* "2", or "3", goes with it */
    ngx_socketio_ref_t         nodes;
    ngx_uint_t                 n;
} ngx_socketio_taken_t;


typedef struct {
    ngx_socketio_ref_t         socket;
    ngx_socketio_ref_t         room;
    uint32_t                   room_gen;
} ngx_socketio_membership_t;


typedef struct {
    ngx_socketio_taken_t       taken;
    ngx_socketio_eio_beat_t    beat;
    uint64_t                   from_seq;
    ngx_socketio_membership_t *members;     /* the caller's, room for... */
    ngx_uint_t                 nmembers;    /* so many; set to the need */
} ngx_socketio_upgrade_t;


/* NGX_OK; NGX_ERROR: zone full; NGX_BUSY: sessions_max; NGX_DECLINED: per_ip */
ngx_int_t ngx_socketio_open(ngx_socketio_zone_t *zone,
    ngx_socketio_open_t *open, ngx_socketio_id_t *id, uint64_t now);

/* whether there is such a session, without any effect on it */
ngx_int_t ngx_socketio_known(ngx_socketio_zone_t *zone,
    ngx_socketio_key_t *key);

/*
 * A GET: taken->actions has REFUSE, REFUSE_EMPTY, PARK, PARK_SHORT (it is
 * noted with the session) or ANSWER, for which the rest of taken is set.
 */
ngx_int_t ngx_socketio_get(ngx_socketio_zone_t *zone, ngx_socketio_key_t *key,
    uint32_t handle, ngx_socketio_taken_t *taken, uint64_t now);
/*
 * The parked GET was rung for, or has waited long enough ("noop").  NGX_OK:
 * answer it with *taken, it is parked no more; NGX_AGAIN: it stays;
 * NGX_DECLINED: the record is gone, answer with a close packet.  The peer is
 * what ..._get() has said, and not set again.
 */
ngx_int_t ngx_socketio_get_look(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, uint32_t handle, ngx_uint_t noop,
    ngx_socketio_taken_t *taken, uint64_t now);
void ngx_socketio_get_gone(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t handle, uint64_t now);

/* actions: REFUSE, REFUSE_EMPTY or ACCEPT (it is noted with the session) */
ngx_int_t ngx_socketio_post(ngx_socketio_zone_t *zone,
    ngx_socketio_key_t *key, uint32_t handle, ngx_socketio_taken_t *taken,
    uint64_t now);
/* event: POST_DONE, POST_GONE or POST_BAD */
void ngx_socketio_post_end(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t handle, ngx_socketio_eio_event_e event, uint64_t now);

/*
 * A packet, or a fault, without content for anybody else: CLOSE, PING, PONG,
 * MESSAGE (that it was heard), PARSE_ERROR, BAD_PACKET, BAD_STATE.
 * NGX_OK: the session is open; NGX_DONE: it is not, or not any more.
 */
ngx_int_t ngx_socketio_packet(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_eio_event_e event, uint64_t now);

/* NGX_OK: a probe now, noted; NGX_BUSY: not now, answer 101 and Close */
ngx_int_t ngx_socketio_probe(ngx_socketio_zone_t *zone,
    ngx_socketio_key_t *key, uint32_t handle, ngx_socketio_id_t *id,
    uint64_t now);
/* "2probe": NGX_OK: send "3probe"; NGX_DONE: close this websocket */
ngx_int_t ngx_socketio_probe_ping(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, uint32_t handle, uint64_t now);
/*
 * "5", in one hold: the outbox to the held list, the rooms to up->members,
 * members to the websocket lists, from_seq.  NGX_OK; NGX_AGAIN: up->nmembers
 * are needed, nothing has happened; NGX_DONE: close this websocket.
 */
ngx_int_t ngx_socketio_upgrade(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, uint32_t handle, ngx_socketio_upgrade_t *up,
    uint64_t now);
/* event: PROBE_LOST, WS_CLOSE or WS_ERROR */
void ngx_socketio_websocket_gone(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, uint32_t handle, ngx_socketio_eio_event_e event,
    uint64_t now);
/*
 * The websocket was rung for.  NGX_OK: the session is open; NGX_DONE: say
 * what is queued, then close.  *reason is set in the latter case.
 */
ngx_int_t ngx_socketio_websocket_look(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_uint_t *reason);

/* for store/: the session with this sid, *id set; NGX_OK, ... as above */
ngx_int_t ngx_socketio_known_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_key_t *key, ngx_socketio_id_t *id,
    ngx_socketio_session_t **session, uint64_t now);
/* for store/: the outbox to this worker's held list */
void ngx_socketio_take_outbox_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_taken_t *taken);

/* ends the session: ping timeout of a websocket, a slow reader */
void ngx_socketio_end(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_uint_t reason, uint64_t now);

/*
 * For bells: which of this worker's handles the session has.  Sets handles[]
 * of NGX_SOCKETIO_CONN_..., -1 where there is none, and *tenure if its inbox
 * has been handed to this worker, which has not looked at it yet, else 0.
 */
ngx_int_t ngx_socketio_mine(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    int64_t *handles, uint32_t *tenure);


#endif /* _NGX_SOCKETIO_EXCHANGE_H_INCLUDED_ */
