
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * From clients to the backend: events wait in their session's inbox, in
 * order, from before the client is told "ok" until the backend's commands
 * have run.  A waiting inbox always has an owner, (slot, generation, tenure);
 * each of the owner's holds first asks whether it still is.
 */


#ifndef _NGX_SOCKETIO_INBOX_H_INCLUDED_
#define _NGX_SOCKETIO_INBOX_H_INCLUDED_


#include "store/ngx_socketio_room.h"


/* a CONNECT with the pid of a socket that may be recovered: see recovery.h */

typedef struct {
    ngx_socketio_id_t          socket;
    u_char                     secret[NGX_SOCKETIO_SECRET];
    u_char                     key[NGX_SOCKETIO_PASS_KEY];
    uint64_t                   token;       /* of the last message it got */
    ngx_str_t                  frames;      /* the answer, if it is */
} ngx_socketio_recover_t;


typedef struct {
    ngx_uint_t                 kind;        /* NGX_SOCKETIO_EVENT_... */
    ngx_socketio_name_t        nsp;
    ngx_str_t                  body;        /* JSON as it came, may be empty */
    uint64_t                   ack;         /* client's id + 1; 0: none.  ACK:
                                               that of the emit + 1 */
    ngx_uint_t                 attachments; /* to come */
    ngx_uint_t                 namespaces_max;
    ngx_msec_t                 timeout;     /* for each attachment; 0: none */
    u_char                     secret[NGX_SOCKETIO_SECRET];
    ngx_socketio_recover_t    *recover;     /* CONNECT; NULL: as a new one */
    /* set for CONNECT */
    ngx_socketio_id_t          socket;
    /* for store/, of an ACK: the event that it answers */
    ngx_socketio_ref_t         awaited;
} ngx_socketio_incoming_t;


/*
 * A CONNECT, an event, or an ACK, also one that waits for attachments.  An ACK
 * that nobody waits for is ignored.
 *
 * NGX_OK        it is in the inbox, or waits for attachments; or a socket
 *               has been recovered, of which the backend, if any, hears
 * NGX_DONE      there is no backend: a CONNECT is to be accepted by the
 *               caller, an event has been dropped, as one of that kind
 *               always is; or, with in->socket.ref
 *               0, the same CONNECT waits for its answer already
 * NGX_AGAIN     the inbox is full: stop reading, try again when rung
 * NGX_BUSY      the zone is full: as above, until a deadline
 * NGX_ABORT     not allowed now; the session has been closed for it
 * NGX_ERROR     a CONNECT beyond namespaces_max
 * NGX_DECLINED  the session is gone
 */
ngx_int_t ngx_socketio_incoming(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_incoming_t *in, uint64_t now);
/*
 * The next attachment, raw; same codes, but NGX_ERROR: more than max bytes of
 * them, the session has been closed for it.
 */
ngx_int_t ngx_socketio_incoming_attachment(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, u_char *p, size_t len, size_t max,
    ngx_msec_t timeout, uint64_t now);
/* DISCONNECT from the client; NGX_OK, NGX_ABORT, NGX_DECLINED */
ngx_int_t ngx_socketio_incoming_disconnect(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_name_t *nsp, uint64_t now);


/*
 * For store/: a checked one into the inbox.  NGX_OK: the message with its
 * body, if any, is used up; NGX_BUSY: nothing has happened.
 */
ngx_int_t ngx_socketio_incoming_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_incoming_t *in,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t message);


typedef enum {
    NGX_SOCKETIO_ENTRY_CONNECT = 0,
    NGX_SOCKETIO_ENTRY_EVENT,
    NGX_SOCKETIO_ENTRY_DISCONNECT,
    NGX_SOCKETIO_ENTRY_ACK
} ngx_socketio_entry_e;


/*
 * A copy of what the owner needs of an entry.  The byte chains may be read
 * without the lock as long as this worker owns the inbox: only the owner
 * removes entries.
 */

typedef struct {
    ngx_socketio_entry_e       type;
    ngx_socketio_ref_t         ref;         /* of the entry */
    ngx_socketio_id_t          session;
    ngx_socketio_id_t          socket;
    u_char                     text[NGX_SOCKETIO_SOCKET_TEXT];
    uint32_t                   seq;
    uint64_t                   time;
    uint64_t                   ack;
    ngx_socketio_ref_t         body;
    uint32_t                   body_len;
    ngx_socketio_ref_t         attached;
    uint32_t                   attached_len;
    ngx_uint_t                 attachments;
    ngx_socketio_ref_t         nsp;         /* bytes: its name */
    uint32_t                   nsp_len;
    ngx_socketio_ref_t         handshake;
    uint32_t                   handshake_len;
    ngx_socketio_ref_t         rooms;       /* first member */
    ngx_uint_t                 reason;
    uint32_t                   location;
    ngx_uint_t                 transport;
    ngx_socketio_peer_t        peer;
    ngx_socketio_ref_t         data;        /* session data: see ..._data() */
    uint32_t                   data_len;
    ngx_socketio_ref_t         token;       /* bytes: of an ack, JSON */
    uint32_t                   token_len;
    ngx_uint_t                 outcome;     /* NGX_SOCKETIO_EVENT_ACK... */
    unsigned                   binary:1;    /* a message of a raw session */
    unsigned                   recovered:1; /* a connect: it is connected */
} ngx_socketio_entry_t;


/*
 * The entries of an inbox from "skip" on, n at most; *n is set.  NGX_OK;
 * NGX_DECLINED: this worker does not own it (any more).
 */
ngx_int_t ngx_socketio_inbox_peek(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *session, uint32_t tenure, ngx_uint_t skip,
    ngx_socketio_entry_t *entries, ngx_uint_t *n);
/*
 * Removes the first n entries, whose commands have run.  NGX_OK: empty, let
 * go; NGX_AGAIN: more wait; NGX_DECLINED: owned by another one now.
 */
ngx_int_t ngx_socketio_inbox_done(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *session, uint32_t tenure, ngx_uint_t n);
ngx_int_t ngx_socketio_inbox_still_mine(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *session, uint32_t tenure);
/* this worker shuts down: another one takes it; NGX_DECLINED: none is there */
ngx_int_t ngx_socketio_inbox_pass_on(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *session, uint32_t tenure);
/* no memory to look after it now: it is handed to this worker once more, with
   its next tick */
void ngx_socketio_inbox_later(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *session, uint32_t tenure);
/*
 * Bells were lost: the next inbox handed to this worker behind *cursor, 0 at
 * the start.  NGX_OK; NGX_AGAIN: none found yet; NGX_DONE: there is none.
 */
ngx_int_t ngx_socketio_inbox_handed(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *cursor, ngx_socketio_id_t *id, uint32_t *tenure);

/* the session data of a socket, 4 KB at most; returns the length */
size_t ngx_socketio_socket_data(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, u_char *p, size_t size);
/* NULL at the end; copies the name of the room, cut at size */
ngx_socketio_ref_t ngx_socketio_entry_room(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t member, u_char *p, size_t size, size_t *len);


/* the text of a socket's id, and back: NGX_OK, NGX_ERROR */
void ngx_socketio_socket_text(u_char *p, ngx_socketio_id_t *socket,
    u_char *secret);
ngx_int_t ngx_socketio_socket_parse(ngx_str_t *text, ngx_socketio_id_t *socket,
    u_char *secret);


#endif /* _NGX_SOCKETIO_INBOX_H_INCLUDED_ */
