
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Emits that clients are to acknowledge (socket.io, 4).  Each answer ends in
 * one of three ways: it comes, its time is up, or its socket ends before.  The
 * backend gets that as an entry of the socket's inbox, with the token; or a
 * worker that waits is rung when nobody is left to answer.
 */


#ifndef _NGX_SOCKETIO_ACK_H_INCLUDED_
#define _NGX_SOCKETIO_ACK_H_INCLUDED_


#include "store/ngx_socketio_emit.h"


#define NGX_SOCKETIO_ACK_HOLD  256          /* events freed or timed out in
                                               one hold */


/* what an emit asks for; to be zeroed and filled in */

struct ngx_socketio_ask_s {
    uint64_t                   number;      /* ngx_socketio_ack_number() */
    ngx_str_t                  token;       /* JSON; empty: a worker waits */
    uint32_t                   handle;      /* its local's, to be rung */
    ngx_msec_t                 timeout;
    ngx_uint_t                 max;         /* that a socket may owe; beyond
                                               it the oldest is given up */
    /* set by the emit: who waits looks at this; ref 0: nobody is asked */
    ngx_socketio_id_t          id;
};


typedef struct {
    ngx_uint_t                 expected;
    ngx_uint_t                 received;
    ngx_socketio_ref_t         first;       /* answer */
} ngx_socketio_acks_t;


/*
 * An answer of a client.  The byte chains may be read without the lock until
 * ngx_socketio_ack_free(): only who waits changes them.
 */

typedef struct {
    ngx_socketio_ref_t         body;        /* bytes: a JSON array */
    uint32_t                   body_len;
    ngx_socketio_ref_t         attached;    /* as in an entry */
    uint32_t                   attached_len;
    ngx_uint_t                 attachments;
    ngx_socketio_ref_t         next;
} ngx_socketio_answer_t;


/* the id on the wire: no two emits of a zone have the same (socket.io, 4) */
uint64_t ngx_socketio_ack_number(ngx_socketio_zone_t *zone);

/* NGX_OK: nobody is left to answer; NGX_AGAIN: not yet; NGX_DECLINED: it is
   gone, with the zone */
ngx_int_t ngx_socketio_ack_look(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_acks_t *acks);
/* NGX_OK, NGX_DECLINED as above; ref: acks.first or answer.next */
ngx_int_t ngx_socketio_ack_answer(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_ref_t ref,
    ngx_socketio_answer_t *answer);
/* nobody waits any more */
void ngx_socketio_ack_free(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id);


/*
 * For store/, with the lock held.  Everybody whom the target means now owes an
 * answer; ..._sent() follows when all have been given the packet, or
 * ..._undo().  NGX_OK; NGX_ERROR: the zone is full, nothing has happened.
 */
ngx_int_t ngx_socketio_ack_open_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask, ngx_socketio_target_t *target,
    ngx_socketio_ref_t nsp, uint64_t now);
void ngx_socketio_ack_sent_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask);
void ngx_socketio_ack_undo_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ack);

/* the event that a socket owes for this number; 0: none */
ngx_socketio_ref_t ngx_socketio_ack_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, uint64_t number);
/* 1: the backend gets it, else a worker */
ngx_uint_t ngx_socketio_ack_hooked_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t event);
/* it is answered, or will not be: NGX_SOCKETIO_EVENT_ACK... */
void ngx_socketio_ack_settle_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t event, ngx_uint_t kind);
/* nobody is left to answer: who waits is rung, or the record is freed */
void ngx_socketio_ack_finish_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ack);
/* all that a socket owes: it has ended */
void ngx_socketio_ack_gone_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket);
/* time is up; NGX_AGAIN: enough for one hold */
ngx_int_t ngx_socketio_ack_expire_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ack);
/* an event that names it is freed */
void ngx_socketio_ack_unref_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ack);
/* the worker that waited is dead; NGX_AGAIN: more is to be freed */
ngx_int_t ngx_socketio_ack_bury_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_slot_t *slot);


#endif /* _NGX_SOCKETIO_ACK_H_INCLUDED_ */
