
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_SOCKETIO_SIO_H_INCLUDED_
#define _NGX_SOCKETIO_SIO_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


/*
 * Socket.IO packets, revisions 4 and 5: the text of an Engine.IO message,
 * without the type of the latter.
 */


typedef enum {
    NGX_SOCKETIO_SIO_CONNECT = 0,
    NGX_SOCKETIO_SIO_DISCONNECT,
    NGX_SOCKETIO_SIO_EVENT,
    NGX_SOCKETIO_SIO_ACK,
    NGX_SOCKETIO_SIO_CONNECT_ERROR,
    NGX_SOCKETIO_SIO_BINARY_EVENT,
    NGX_SOCKETIO_SIO_BINARY_ACK
} ngx_socketio_sio_type_e;


/* the largest integer that JavaScript counts with: 2^53 - 1 */

#define NGX_SOCKETIO_SIO_MAX_ID  9007199254740991ULL


/*
 * The strings point into the parsed text, but for the nsp "/" of a packet
 * that names none.  Those that do not apply are empty.
 */

typedef struct {
    ngx_uint_t   type;           /* ngx_socketio_sio_type_e */
    ngx_uint_t   attachments;    /* 0 if not BINARY_EVENT or BINARY_ACK */
    ngx_str_t    nsp;            /* UTF-8; revision 4: with its query */
    uint64_t     id;
    ngx_str_t    data;           /* JSON, no white space around it */
    ngx_str_t    event;          /* JSON token: a string or a number */
    ngx_str_t    args;           /* "[" args "]" is the array of arguments */
    unsigned     has_id:1;
} ngx_socketio_sio_packet_t;


typedef struct {
    ngx_uint_t   attachments;    /* the most that a packet may announce */
    ngx_uint_t   depth;          /* see ngx_socketio_json_check() */
    ngx_uint_t   revision;       /* of the Socket.IO protocol: 4 or 5 */
} ngx_socketio_sio_limits_t;


/*
 * Parses and checks a packet that a client sent.  The placeholders of a
 * binary packet are not checked: see ngx_socketio_sio_placeholders().  One
 * with 0 attachments, which revision 5 refuses, is not of a binary type.
 *
 * NGX_OK     *pkt is set
 * NGX_ERROR  invalid packet; *pkt is unspecified
 */
ngx_int_t ngx_socketio_sio_parse(ngx_socketio_sio_packet_t *pkt, u_char *p,
    u_char *last, ngx_socketio_sio_limits_t *limits);

/*
 * Checks the objects with "_placeholder":true, wherever they are, in the
 * JSON text of a packet with n attachments: their "num" must be an integer
 * from 0 to n - 1.  p..last has passed ngx_socketio_json_check().  Linear
 * in the length of the text.
 *
 * NGX_OK     none of them is illegal; perhaps there are none
 * NGX_ERROR  illegal attachments
 */
ngx_int_t ngx_socketio_sio_placeholders(u_char *p, u_char *last,
    ngx_uint_t n);

/* whether clients and applications may not use this (decoded) event name */
ngx_uint_t ngx_socketio_sio_reserved(u_char *p, size_t len);


/*
 * Where the JSON text of a packet begins, last if there is none.  For packets
 * that need no check, as they are our own; of others nothing outside of
 * p..last is read.
 */
u_char *ngx_socketio_sio_json(u_char *p, u_char *last);


/*
 * Writes everything that comes before the JSON text: "2", "51-/admin,13".
 * attachments count in binary types only; an nsp that is NULL, empty or "/"
 * is omitted.  Returns the length, and writes only if p is not NULL.
 */
size_t ngx_socketio_sio_header(u_char *p, ngx_uint_t type,
    ngx_uint_t attachments, ngx_str_t *nsp, ngx_uint_t has_id, uint64_t id);


#endif /* _NGX_SOCKETIO_SIO_H_INCLUDED_ */
