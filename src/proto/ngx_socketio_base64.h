
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_SOCKETIO_BASE64_H_INCLUDED_
#define _NGX_SOCKETIO_BASE64_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


/* exact lengths of the encoded forms, without a final zero */

#define ngx_socketio_base64_encoded_length(len)     (((len) + 2) / 3 * 4)

#define ngx_socketio_base64url_encoded_length(len)                            \
    ((len) / 3 * 4 + ((len) % 3 ? (len) % 3 + 1 : 0))

/* what "len" encoded bytes decode to at most */

#define ngx_socketio_base64_decoded_length(len)     (((len) + 3) / 4 * 3)


/*
 * Encoders return the length of their output and write it only if p is not
 * NULL.  The first is RFC 4648, 4 with padding, as in the payloads; the
 * second is RFC 4648, 5 without padding, as in the identifiers.
 */
size_t ngx_socketio_base64_encode(u_char *p, u_char *src, size_t len);
size_t ngx_socketio_base64url_encode(u_char *p, u_char *src, size_t len);

/*
 * Decodes as the Buffer.from() of Node.js does, since clients were tested
 * against it: both alphabets, padding optional and final, foreign bytes
 * skipped, an incomplete last byte dropped.  Never fails.  dst has room for
 * ngx_socketio_base64_decoded_length() and may be src itself.
 *
 * NGX_OK     *len bytes are in dst
 */
ngx_int_t ngx_socketio_base64_decode(u_char *dst, size_t *len, u_char *src,
    u_char *last);

/*
 * Decodes what ngx_socketio_base64url_encode() makes and nothing else, so
 * that two different texts never are the same identifier.  dst may be src.
 *
 * NGX_OK     *len bytes are in dst
 * NGX_ERROR  a byte outside of the alphabet, padding, an impossible length
 *            or non-zero spare bits; dst may have been written to
 */
ngx_int_t ngx_socketio_base64url_decode(u_char *dst, size_t *len, u_char *src,
    u_char *last);


#endif /* _NGX_SOCKETIO_BASE64_H_INCLUDED_ */
