
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_SOCKETIO_EIO_H_INCLUDED_
#define _NGX_SOCKETIO_EIO_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


/*
 * Engine.IO: the packets of revisions 3 and 4, and what is alike in both; the
 * payloads of long polling of revision 4.
 */


typedef enum {
    NGX_SOCKETIO_EIO_OPEN = 0,
    NGX_SOCKETIO_EIO_CLOSE,
    NGX_SOCKETIO_EIO_PING,
    NGX_SOCKETIO_EIO_PONG,
    NGX_SOCKETIO_EIO_MESSAGE,
    NGX_SOCKETIO_EIO_UPGRADE,
    NGX_SOCKETIO_EIO_NOOP
} ngx_socketio_eio_type_e;


/* the values are the "code" that clients see */

typedef enum {
    NGX_SOCKETIO_EIO_UNKNOWN_TRANSPORT = 0,
    NGX_SOCKETIO_EIO_UNKNOWN_SID,
    NGX_SOCKETIO_EIO_BAD_HANDSHAKE_METHOD,
    NGX_SOCKETIO_EIO_BAD_REQUEST,
    NGX_SOCKETIO_EIO_FORBIDDEN,
    NGX_SOCKETIO_EIO_UNSUPPORTED_VERSION
} ngx_socketio_eio_error_e;

#define NGX_SOCKETIO_EIO_NERRORS   6

#define NGX_SOCKETIO_EIO_SEPARATOR 0x1e


/*
 * data points into the parsed text.  That of a binary packet is still base64;
 * in revision 4 it is always a message.
 */

typedef struct {
    ngx_uint_t   type;           /* ngx_socketio_eio_type_e */
    ngx_str_t    data;
    unsigned     binary:1;
} ngx_socketio_eio_packet_t;


/* ping_interval and ping_timeout are in milliseconds */

typedef struct {
    ngx_str_t    sid;            /* of the base64url alphabet: not escaped */
    ngx_msec_t   ping_interval;
    ngx_msec_t   ping_timeout;
    size_t       max_payload;
    unsigned     upgrade:1;
    unsigned     revision3:1;    /* without maxPayload */
} ngx_socketio_eio_open_t;


/*
 * Parses one text packet of a revision, 3 or 4: "4abc", or for a binary one
 * "bAQID" in revision 4 and "b4AQID", with its type, in revision 3.
 *
 * NGX_OK     *pkt is set
 * NGX_ERROR  nothing, or no type where it should be
 */
ngx_int_t ngx_socketio_eio_parse(ngx_socketio_eio_packet_t *pkt, u_char *p,
    u_char *last, ngx_uint_t revision);

/*
 * Takes the next packet off a polling payload.  *pos is the start of the
 * body for the first call, not NULL even if the body is empty; it becomes
 * NULL with the last packet.
 *
 * NGX_OK     *pkt is set
 * NGX_DONE   no more packets
 * NGX_ERROR  an empty body, an empty packet, a final separator or an unknown
 *            type; the packets before it were good, nothing after it counts
 */
ngx_int_t ngx_socketio_eio_payload_next(u_char **pos, u_char *last,
    ngx_socketio_eio_packet_t *pkt);

/* the HTTP status of a plain request that fails with "code" */
ngx_uint_t ngx_socketio_eio_status(ngx_uint_t code);


/*
 * Encoders return the length of their output and write it only if p is not
 * NULL.
 */

/*
 * The JSON body of an error; a code that does not exist is written as 3.
 * The second form has a text of its own (UTF-8) in place of the usual one.
 */
size_t ngx_socketio_eio_error(u_char *p, ngx_uint_t code);
size_t ngx_socketio_eio_error_text(u_char *p, ngx_uint_t code,
    ngx_str_t *text);

/* the open packet, with its type */
size_t ngx_socketio_eio_open(u_char *p, ngx_socketio_eio_open_t *o);


/* the messages of the errors, by code */
extern ngx_str_t  ngx_socketio_eio_errors[NGX_SOCKETIO_EIO_NERRORS];


#endif /* _NGX_SOCKETIO_EIO_H_INCLUDED_ */
