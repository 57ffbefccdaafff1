
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Sessions and their sockets: the table of sids, the wheel of deadlines, what
 * an end means.  All functions are called by store/ with the lock held.
 */


#ifndef _NGX_SOCKETIO_SESSION_H_INCLUDED_
#define _NGX_SOCKETIO_SESSION_H_INCLUDED_


#include "store/ngx_socketio_room.h"


#define NGX_SOCKETIO_LINGER  30000          /* ms: for the next GET */


ngx_socketio_session_t *ngx_socketio_sid_find_locked(
    ngx_socketio_zone_t *zone, u_char *sid, ngx_socketio_ref_t *ref);
/* into the table, where it counts */
void ngx_socketio_sid_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session);

/* a packet came; of a websocket its worker knows */
void ngx_socketio_heard_locked(ngx_socketio_session_t *session, uint64_t now);
/* the first namespace: this deadline is met */
void ngx_socketio_joined_locked(ngx_socketio_session_t *session);

void ngx_socketio_peer_locked(ngx_socketio_session_t *session,
    ngx_socketio_peer_t *peer);

/* "look at this session" to the worker of that connection, if there is one */
void ngx_socketio_conn_bell_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_uint_t which);
/* notes one of this worker's connections: "which" is NGX_SOCKETIO_CONN_... */
void ngx_socketio_conn_note_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_uint_t which, uint32_t handle);
/* the session, if it has this very connection noted, else NULL */
ngx_socketio_session_t *ngx_socketio_conn_session_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_id_t *id, ngx_uint_t which,
    uint32_t handle);

/* does what a step of the state machine asks for, other connections' part */
void ngx_socketio_session_act_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_uint_t actions, uint64_t now);
/* one step and its actions; returns them */
ngx_uint_t ngx_socketio_session_step_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_socketio_eio_event_e event, uint64_t now);
/* what a step has made of its state machine; for who does the step itself */
void ngx_socketio_session_eio_locked(ngx_socketio_session_t *session,
    ngx_socketio_eio_session_t *eio);
/* ends it for this reason */
void ngx_socketio_session_end_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_uint_t reason, uint64_t now);
/* its nodes have gone elsewhere, or are free */
void ngx_socketio_outbox_emptied_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session);
/* frees the record if it is closed and nothing waits for it any more */
void ngx_socketio_session_release_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session);

/* a session, or an ack */
void ngx_socketio_wheel_set_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
void ngx_socketio_wheel_cut_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
/* all that is due; lets go of the lock between batches */
void ngx_socketio_wheel_turn(ngx_socketio_zone_t *zone, uint64_t now);
/* ms until the next bucket in use, 1000 at the most; needs no lock */
ngx_msec_t ngx_socketio_wheel_next(ngx_socketio_zone_t *zone, uint64_t now);

/*
 * A message for one session.  NGX_OK; NGX_DECLINED: dropped, because it is
 * volatile; NGX_ERROR: no memory, or its queue is full: it has been closed.
 */
ngx_int_t ngx_socketio_give_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_socketio_ref_t socket,
    ngx_socketio_ref_t message, ngx_uint_t flags, uint64_t seq, uint64_t now);
/* a record for the websocket of a session about one of its sockets */
ngx_int_t ngx_socketio_tell_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_uint_t kind,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t room);

/* a live socket of this namespace: pending or connected; 0: none */
ngx_socketio_ref_t ngx_socketio_socket_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t nsp);
ngx_socketio_ref_t ngx_socketio_socket_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_socketio_name_t *nsp, u_char *secret);
void ngx_socketio_socket_become_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket, ngx_uint_t state);
/* on the session's list, where it counts, and off it */
void ngx_socketio_socket_link_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t session);
void ngx_socketio_socket_cut_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket);
/* the slot of its websocket */
ngx_uint_t ngx_socketio_socket_slot_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket);
void ngx_socketio_socket_end_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_uint_t reason, uint64_t now);
/* its two halves, of one that has a backend, for who does what is between */
void ngx_socketio_socket_ended_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket);
void ngx_socketio_socket_entry_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket);
void ngx_socketio_socket_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket);
/* NGX_OK; NGX_DECLINED: was or was not there; NGX_ERROR: no memory */
ngx_int_t ngx_socketio_join_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t room);
/* as above, by its name; NGX_DECLINED also: in too many rooms */
ngx_int_t ngx_socketio_join_name_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_name_t *name,
    ngx_uint_t rooms_max);
ngx_int_t ngx_socketio_leave_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t room);

/*
 * An event, or a socket that has ended, whose order is 0 by then; its number
 * is set, and the socket's next one is what follows once it is in.  An inbox
 * that waits has an owner.
 */
void ngx_socketio_inbox_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_socketio_ref_t entry, size_t bytes);
void ngx_socketio_inbox_own_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session);
/* where an entry has the next one; its place among others of its inbox */
ngx_socketio_ref_t *ngx_socketio_entry_link_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t entry);
uint32_t ngx_socketio_entry_order_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t entry);
/* to the worker of this slot, with a bell */
void ngx_socketio_inbox_hand_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_uint_t slot);
void ngx_socketio_event_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t event);


#endif /* _NGX_SOCKETIO_SESSION_H_INCLUDED_ */
