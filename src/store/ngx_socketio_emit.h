
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Messages and changes from the backend to sockets.  One hold gives a message
 * its number and its place in every queue concerned: the outbox of a polling
 * session, the mailbox of the workers that have websockets.
 *
 * "frames" are the bytes that a revision 4 websocket receives, headers
 * included.  NGX_ERROR: the zone is full, nothing has happened.
 */


#ifndef _NGX_SOCKETIO_EMIT_H_INCLUDED_
#define _NGX_SOCKETIO_EMIT_H_INCLUDED_


#include "store/ngx_socketio_room.h"


/* a room, or a socket by its public id: both are rooms to Socket.IO */

typedef struct {
    ngx_socketio_name_t        name;
    ngx_socketio_id_t          socket;      /* ref 0: not the text of one */
    u_char                     secret[NGX_SOCKETIO_SECRET];
    u_char                     sid[NGX_SOCKETIO_SID];
    unsigned                   client:1;    /* "sid" is set: see below */
    unsigned                   only:1;      /* a socket, and no room */
} ngx_socketio_word_t;


typedef struct {
    ngx_socketio_name_t        nsp;
    ngx_socketio_word_t       *in;          /* union */
    ngx_uint_t                 nin;
    ngx_socketio_word_t       *except;
    ngx_uint_t                 nexcept;
    uint64_t                   token;       /* of an emit that is kept for
                                               lost sockets; 0: it is not */
    ngx_socketio_id_t          key;         /* of its command, which has run
                                               when all have it; ref 0: none */
    unsigned                   all:1;       /* of the namespace */
} ngx_socketio_target_t;


typedef enum {
    NGX_SOCKETIO_DO_JOIN = 0,
    NGX_SOCKETIO_DO_LEAVE,
    NGX_SOCKETIO_DO_DISCONNECT,             /* the namespace */
    NGX_SOCKETIO_DO_CLOSE                   /* the connection */
} ngx_socketio_do_e;


typedef struct ngx_socketio_ask_s  ngx_socketio_ask_t;


/*
 * Clients of revision 3 know their sockets by ids that they make themselves:
 * the session's sid, from 2.0 on with the namespace and "#" before it unless
 * that is "/" (socket.io, behaviour 23).  Such words are sockets, too.
 */
void ngx_socketio_word_set(ngx_socketio_word_t *word, ngx_str_t *text);
/* the room that it names, of a namespace; 0: there is none, or must not be */
ngx_socketio_ref_t ngx_socketio_word_room_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t nsp, ngx_socketio_word_t *word);
/* whether it may name a socket, apart from a room */
#define ngx_socketio_word_is_socket(word)                                     \
    ((word)->socket.ref != 0 || (word)->client)
/* that socket, if it is connected to the namespace; NGX_OK, NGX_DECLINED */
ngx_int_t ngx_socketio_word_socket(ngx_socketio_zone_t *zone,
    ngx_socketio_name_t *nsp, ngx_socketio_word_t *word,
    ngx_socketio_id_t *socket);
/* for store/: the connected socket of the namespace that it names; 0: none */
ngx_socketio_ref_t ngx_socketio_word_socket_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t nsp, ngx_socketio_word_t *word);

/* for store/: marks the sockets that are excepted */
void ngx_socketio_target_except_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_target_t *target, ngx_socketio_ref_t nsp, uint64_t mark);

/*
 * To all of the target, or, if this worker dies on the way, to nobody.
 * NGX_OK or NGX_ERROR; *count: sockets reached.
 */
ngx_int_t ngx_socketio_emit(ngx_socketio_zone_t *zone,
    ngx_socketio_target_t *target, u_char *frames, size_t len,
    ngx_uint_t flags, ngx_socketio_ask_t *ask, ngx_uint_t *count);

/*
 * Changes sockets in steps of 256 a hold.  frames: for DISCONNECT and CLOSE
 * the "41" packet of the namespace.  rooms: for JOIN and LEAVE; more than
 * rooms_max a socket are not joined.
 */
ngx_int_t ngx_socketio_select(ngx_socketio_zone_t *zone,
    ngx_socketio_target_t *target, ngx_socketio_do_e what,
    ngx_socketio_name_t *rooms, ngx_uint_t nrooms, ngx_uint_t rooms_max,
    u_char *frames, size_t len, ngx_uint_t *count);

/*
 * Answers to a socket.  Who cannot be given one is closed: frames of NULL with
 * a len are those that there was no memory for.
 */

/*
 * The answer to a pending connect.  Accepted: it joins its namespace and the
 * rooms, then gets frames, unless len is 0: in a raw session nothing is said.
 * If the client is gone meanwhile, the disconnect goes to the inbox.  NGX_OK;
 * NGX_DECLINED: answered before, or unknown; NGX_ERROR: zone full, the session
 * has been closed.
 */
ngx_int_t ngx_socketio_accept(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, ngx_socketio_name_t *rooms, ngx_uint_t nrooms,
    ngx_str_t *data, u_char *frames, size_t len);
/* "heard": the backend may have accepted it and gets a disconnect; without
   frames the session is closed, in good order */
ngx_int_t ngx_socketio_reject(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, u_char *frames, size_t len, ngx_uint_t heard);

/* frames, the "41", to a connected socket, and its end; codes as below */
ngx_int_t ngx_socketio_dismiss(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, u_char *frames, size_t len);

/* to one connected socket: an ack; NGX_DECLINED: it is gone; NGX_ERROR: it has
   been closed, as there was no memory */
ngx_int_t ngx_socketio_reply(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, u_char *frames, size_t len);
/* to a session, whatever its sockets: CONNECT_ERROR of an unknown namespace */
ngx_int_t ngx_socketio_reply_session(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *session, u_char *frames, size_t len);

/* session data, JSON; empty: none.  NGX_OK, NGX_DECLINED, NGX_ERROR */
ngx_int_t ngx_socketio_set_data(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, ngx_str_t *data);

/* the secret in the text of a socket's id; NGX_OK, NGX_DECLINED: it is gone */
ngx_int_t ngx_socketio_socket_secret(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, u_char *secret);
/* the namespace of a socket, copied to p of size; 0: it is gone */
size_t ngx_socketio_socket_nsp(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, u_char *p, size_t size);


#endif /* _NGX_SOCKETIO_EMIT_H_INCLUDED_ */
