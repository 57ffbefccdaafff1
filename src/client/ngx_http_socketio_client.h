
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Packets of a client, whatever brought them: Engine.IO types, Socket.IO
 * dispatch, and the frames of what is sent back.
 */


#ifndef _NGX_HTTP_SOCKETIO_CLIENT_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_CLIENT_H_INCLUDED_


#include "ngx_http_socketio.h"
#include "store/ngx_socketio_inbox.h"
#include "store/ngx_socketio_exchange.h"
#include "store/ngx_socketio_budget.h"


typedef struct {
    ngx_socketio_zone_t            *zone;
    ngx_socketio_id_t               id;
    ngx_socketio_peer_t             peer;   /* its revision, and raw */
    ngx_http_socketio_loc_conf_t   *conf;
    ngx_log_t                      *log;

    /*
     * A payload's: the namespace that an earlier packet of it has left.  What
     * the client had sent before it knew is dropped (socket.io, 4); zeroed at
     * the start of each payload or frame.  Points into the payload.
     */
    ngx_str_t                       left;
} ngx_http_socketio_client_t;


/*
 * A new session: one of revision 3 is connected to "/" without asking for it,
 * and a raw one to its backend.  NGX_OK; NGX_ERROR: logged, the session has
 * been closed.
 */
ngx_int_t ngx_http_socketio_client_open(ngx_http_socketio_client_t *client);

/*
 * Before a packet of so many bytes is handed over, whatever it is; once.
 * NGX_OK; NGX_AGAIN: not before *wait ms have passed.
 */
ngx_int_t ngx_http_socketio_client_pay(ngx_http_socketio_client_t *client,
    size_t bytes, ngx_msec_t *wait);

/*
 * One Engine.IO packet in text form ("4...", "3", "b..."); one with its type
 * as a number in the first byte, as revision 3 has it in binary payloads and
 * frames; or the data of a binary message.
 *
 * NGX_OK     done; read on
 * NGX_AGAIN  nothing has happened: the inbox or the zone is full; stop
 *            reading, offer the same packet again when rung for
 * NGX_DONE   the session is closed, perhaps for this packet: discard the rest
 */
ngx_int_t ngx_http_socketio_client_text(ngx_http_socketio_client_t *client,
    u_char *p, u_char *last);
ngx_int_t ngx_http_socketio_client_typed(ngx_http_socketio_client_t *client,
    u_char *p, size_t len);
ngx_int_t ngx_http_socketio_client_binary(ngx_http_socketio_client_t *client,
    u_char *p, size_t len);


/*
 * Frames: the bytes that a revision 4 websocket receives for a Socket.IO
 * packet with attachments.  Measured if p is NULL.  "json" is the part behind
 * the header; args: it is written as [event,args] or [args].
 */

typedef struct {
    ngx_uint_t                      type;   /* NGX_SOCKETIO_SIO_... */
    ngx_str_t                       nsp;
    ngx_str_t                       json;
    uint64_t                        ack;    /* id + 1; 0: none */
    ngx_str_t                      *attachments;    /* raw */
    ngx_uint_t                      nattachments;
    unsigned                        raw:1;  /* no header: json is any text, or
                                               the attachment is all */
} ngx_http_socketio_packet_t;

size_t ngx_http_socketio_frames(u_char *p, ngx_http_socketio_packet_t *packet);
/* allocates with ngx_alloc(); NULL data: no memory; free with ngx_free() */
ngx_str_t ngx_http_socketio_frames_alloc(ngx_http_socketio_packet_t *packet,
    ngx_log_t *log);

/*
 * 40{"sid":...}, 44{"message":...,"data":...}, or what the peer understands
 * instead; NGX_OK, ... as store's emit.h
 */
ngx_int_t ngx_http_socketio_client_accept(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, ngx_socketio_peer_t *peer, u_char *text,
    ngx_str_t *nsp, ngx_socketio_name_t *rooms, ngx_uint_t nrooms,
    ngx_str_t *data, ngx_log_t *log);
/*
 * For a CONNECT with this auth, if it has pid and offset: NGX_OK, the caller
 * frees recover->frames.data; NGX_DECLINED: it is as any other.
 */
ngx_int_t ngx_http_socketio_client_recover(ngx_socketio_recover_t *recover,
    ngx_str_t *nsp, ngx_str_t *auth, ngx_log_t *log);
/* 41, to a socket that has been connected before it was rejected */
ngx_int_t ngx_http_socketio_client_dismiss(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, ngx_str_t *nsp, ngx_log_t *log);
/* message and data are JSON; data may be empty */
ngx_int_t ngx_http_socketio_client_reject(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, ngx_socketio_peer_t *peer, ngx_str_t *nsp,
    ngx_str_t *message, ngx_str_t *data, ngx_uint_t heard, ngx_log_t *log);

/* 44 as above; free with ngx_free(), NULL data: no memory */
ngx_str_t ngx_http_socketio_error_frames(ngx_socketio_peer_t *peer,
    ngx_str_t *nsp, ngx_str_t *message, ngx_str_t *data, ngx_log_t *log);

/*
 * Copies to the pool what a chain of the zone holds; and the attachments of a
 * packet, each behind its length.  NGX_OK; NGX_DECLINED: it is not there, who
 * owned it has lost it; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_socketio_bytes_read(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t bytes, size_t len, ngx_str_t *text, ngx_pool_t *pool);
ngx_int_t ngx_http_socketio_attachments_read(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t attached, size_t len, ngx_uint_t n,
    ngx_str_t **attachments, ngx_pool_t *pool);

/* the hook that gets the events of a namespace; NULL: none */
ngx_http_socketio_hook_t *ngx_http_socketio_client_hook(
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *nsp);
/* 1: this location accepts the namespace */
ngx_uint_t ngx_http_socketio_client_nsp(ngx_http_socketio_loc_conf_t *conf,
    ngx_str_t *nsp);

/* from the kernel, for what nobody may guess; NGX_OK, NGX_ERROR: logged */
ngx_int_t ngx_http_socketio_random(u_char *p, size_t len, ngx_log_t *log);


extern ngx_str_t  ngx_http_socketio_raw_nsp;


#endif /* _NGX_HTTP_SOCKETIO_CLIENT_H_INCLUDED_ */
