
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Connection state recovery (socket.io, 7): a socket whose connection was
 * lost keeps its id, rooms and data for a while, and gets what it missed when
 * its client comes back, on any worker, over any transport.
 *
 * The client knows its socket by a pid, and the last message that it got by
 * an offset: the last argument of each message that is logged.  Between two
 * of them none may be missing, so a log that cannot keep a message forgets
 * all of them.
 */


#ifndef _NGX_SOCKETIO_RECOVERY_H_INCLUDED_
#define _NGX_SOCKETIO_RECOVERY_H_INCLUDED_


#include "store/ngx_socketio_emit.h"
#include "store/ngx_socketio_inbox.h"


/* base64url of the socket's id and of the pass's key; of a token */
#define NGX_SOCKETIO_PID_TEXT    (NGX_SOCKETIO_SOCKET_TEXT + 16)
#define NGX_SOCKETIO_TOKEN_TEXT  11


/*
 * Before the connect of a pending socket is accepted: that it can be
 * recovered, by this key.  NGX_OK; NGX_DECLINED: it is not pending any more,
 * or the zone is full.
 */
ngx_int_t ngx_socketio_pass(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *key);
/* returns the end of what was written */
u_char *ngx_socketio_pid_text(u_char *p, u_char *socket, u_char *key);

/* for an emit: never the same twice; needs no lock */
uint64_t ngx_socketio_token(ngx_socketio_zone_t *zone);
void ngx_socketio_token_text(u_char *p, uint64_t token);

/* fills in all but the frames; NGX_OK; NGX_ERROR: not such texts */
ngx_int_t ngx_socketio_recover_parse(ngx_socketio_recover_t *recover,
    ngx_str_t *pid, ngx_str_t *offset);


/* The rest is for store/. */

/* nobody need hear of its end any more: it is lost, if it may be, or freed */
void ngx_socketio_socket_done_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket);
void ngx_socketio_pass_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket);

/* the lost socket of the namespace that a CONNECT means; 0: none */
ngx_socketio_ref_t ngx_socketio_recover_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t nsp,
    ngx_socketio_incoming_t *in, uint64_t now);
/*
 * Connects it to the session "id": what it missed, then the answer, then
 * whatever is emitted from now on.  NGX_OK: the message with the body is 0 if
 * it was used; NGX_DECLINED: what it missed is not known, or too much, or the
 * zone is full.  The socket is no more then: one try.
 */
ngx_int_t ngx_socketio_recover_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_incoming_t *in,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t *body, uint64_t now);

/* what is too old, or too much; lets go of the lock between steps */
void ngx_socketio_recovery_turn(ngx_socketio_zone_t *zone, uint64_t now);


/* what the log has for a socket */

typedef struct {
    ngx_uint_t                 n;           /* at the most; set to how many */
    size_t                     bytes;       /* same */
    ngx_socketio_ref_t         after;       /* the entry with the token */
} ngx_socketio_missed_t;

#define NGX_SOCKETIO_LOG_NAMES  1024        /* words of an entry */

/* all of its words, in "space" for so many if need be */
ngx_socketio_id_t *ngx_socketio_log_read_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_log_t *log, ngx_socketio_id_t *space);
/* in the hold in which the message was given to all who are there */
void ngx_socketio_log_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_target_t *target, ngx_socketio_ref_t nsp,
    ngx_socketio_ref_t message, uint64_t now);
/*
 * What a socket has missed since the message with the token.  NGX_OK;
 * NGX_DECLINED: that is not in the log, or there is more than missed allows.
 */
ngx_int_t ngx_socketio_log_missed_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, uint64_t token, ngx_socketio_missed_t *missed);
/* the next of them behind *entry, which is set; 0: no more */
ngx_socketio_ref_t ngx_socketio_log_next_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t *entry);
/* up to n entries that are too old or too much; 1: there are more */
ngx_uint_t ngx_socketio_log_trim_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t n, uint64_t now);


#endif /* _NGX_SOCKETIO_RECOVERY_H_INCLUDED_ */
