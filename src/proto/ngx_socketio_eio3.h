
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_SOCKETIO_EIO3_H_INCLUDED_
#define _NGX_SOCKETIO_EIO3_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


/*
 * Engine.IO revision 3, the payloads of long polling.  There are two kinds,
 * told apart by the Content-Type:
 *
 *   text    "<n>:<packet>" repeated, n in UTF-16 code units; binary packets
 *           are "b4<base64>"
 *   binary  0x00 (a text packet) or 0x01 (a binary one), the length in bytes
 *           as decimal digits 0x00 to 0x09, 0xff, the packet; repeated
 */


/* the most digits that a length may have, leading zeros included */

#define NGX_SOCKETIO_EIO3_DIGITS  20

/* no header of an entry is longer */

#define NGX_SOCKETIO_EIO3_HEADER  (NGX_SOCKETIO_EIO3_DIGITS + 2)


/*
 * data points into the payload.  Of text the type is not checked yet, see
 * ngx_socketio_eio_parse(); it is not empty, and valid UTF-8.  Raw data has
 * its type, 0 to 6, as the first byte, and then the bytes as they are; a
 * message is 4 there, not '4'.
 */

typedef struct {
    u_char      *data;
    size_t       len;
    unsigned     raw:1;
} ngx_socketio_eio3_packet_t;


/*
 * These take the next packet off a payload.  *pos is the start of the body
 * for the first call, not NULL even if the body is empty; it becomes NULL
 * where the body ends, mostly with its last packet.  There is no other
 * state: a call with an earlier *pos gives the same again.
 *
 * NGX_OK     *pkt is set
 * NGX_DONE   no more packets
 * NGX_ERROR  malformed; the packets before were good, nothing after counts
 *
 * Text: an entry "0:" is none and is skipped, so that a payload of nothing
 * else is NGX_DONE at once; but an empty body is an error.  So is all that
 * is not a decimal number, a number without colon or beyond the body, and a
 * packet that ends within a character or is not UTF-8: what is to become
 * U+FFFD must do so before, since it counts as one.
 *
 * Binary: an empty body has no packets.  An empty entry is an error for both
 * kinds, as it has no type: clients never write one.  Other errors are a
 * first byte that is neither 0x00 nor 0x01 (Node.js takes those as binary),
 * no digits or too many, a length beyond the body (which Node.js cuts), text
 * that is not UTF-8, and a binary packet of an unknown type.
 */
ngx_int_t ngx_socketio_eio3_text_next(u_char **pos, u_char *last,
    ngx_socketio_eio3_packet_t *pkt);
ngx_int_t ngx_socketio_eio3_binary_next(u_char **pos, u_char *last,
    ngx_socketio_eio3_packet_t *pkt);


/*
 * Encoders return the length of their output and write it only if p is not
 * NULL.
 */

/*
 * "<n>:", before a packet of n UTF-16 code units with its type: see
 * ngx_socketio_utf8_units(); "b4<base64>" counts as any other text.
 */
size_t ngx_socketio_eio3_text_header(u_char *p, size_t n);

/*
 * Before an entry of n bytes in a binary payload: with raw a binary one, and
 * then n counts the byte of its type, which is the caller's to write, too.
 */
size_t ngx_socketio_eio3_binary_header(u_char *p, ngx_uint_t raw, size_t n);

/*
 * The text of a packet with a Socket.IO packet in it, from its '4' on, such
 * that its JSON is ASCII: all other characters there become \uXXXX.  That is
 * for clients 1.x, which encode UTF-8 twice (engine.io, 8).  What stands
 * before the JSON, such as a namespace, is copied; so are other packets.
 * Bytes that are not UTF-8 become \ufffd.
 */
size_t ngx_socketio_eio3_ascii(u_char *p, u_char *src, size_t len);


#endif /* _NGX_SOCKETIO_EIO3_H_INCLUDED_ */
