
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * permessage-deflate, RFC 7692, without context takeover in either direction:
 * a message is deflated and inflated by itself, so nothing has to be kept for
 * a connection, and what is deflated once serves all who receive it.
 *
 * The streams of zlib are the caller's, one for each purpose, to be used again
 * for the next message.  zlib's own malloc() serves them.
 */


#ifndef _NGX_SOCKETIO_WS_DEFLATE_H_INCLUDED_
#define _NGX_SOCKETIO_WS_DEFLATE_H_INCLUDED_


#include "proto/ngx_socketio_core.h"
#include <zlib.h>


/* base-2 logarithm; zlib cannot deflate with 8, which the RFC has, too */
#define NGX_SOCKETIO_WS_WINDOW_MIN      9
#define NGX_SOCKETIO_WS_WINDOW_MAX      15

/* more than an answer has */
#define NGX_SOCKETIO_WS_DEFLATE_ANSWER  128

/*
 * An inflated message may have so many bytes, or so many times its deflated
 * size, whichever is more: a quarter of the 1032 that deflate can do.  JSON
 * with much repetition in it comes to 50 or 100; a list of zeros, such as an
 * empty grid, comes to 500, but is seldom larger than this.
 */
#define NGX_SOCKETIO_WS_INFLATE_FREE    262144
#define NGX_SOCKETIO_WS_INFLATE_RATIO   256

/* room that deflating needs behind its result, for what is cut off */
#define NGX_SOCKETIO_WS_DEFLATE_SLACK   4


/* zeroed structs may be ended; they are ready after ..._init() */

typedef struct {
    z_stream      z;
    size_t        left;             /* bytes that may come yet */
    unsigned      ready:1;
    unsigned      tail:1;           /* the payload is used up */
} ngx_socketio_ws_inflate_t;


typedef struct {
    z_stream      z;
    size_t        size;             /* of the output, slack included */
    unsigned      ready:1;
} ngx_socketio_ws_deflate_t;


/*
 * Chooses among the offers in "Sec-WebSocket-Extensions", which may be empty,
 * or several lines joined with commas.  "window" is what the server deflates
 * with.  answer->data has NGX_SOCKETIO_WS_DEFLATE_ANSWER bytes and becomes the
 * header of the response.
 *
 *   NGX_OK        agreed
 *   NGX_DECLINED  no offer of it, or none that can be accepted
 *   NGX_ERROR     malformed: RFC 6455, section 9.1 wants the handshake failed
 */
ngx_int_t ngx_socketio_ws_deflate_negotiate(ngx_str_t *offers,
    ngx_uint_t window, ngx_str_t *answer);


/* NGX_OK, NGX_ERROR: no memory */
ngx_int_t ngx_socketio_ws_inflate_init(ngx_socketio_ws_inflate_t *inf);
void ngx_socketio_ws_inflate_end(ngx_socketio_ws_inflate_t *inf);

/*
 * A message of which the whole deflated payload is there, and stays there
 * until it is inflated.  "max" bounds the result, as does its ratio.
 */
void ngx_socketio_ws_inflate_begin(ngx_socketio_ws_inflate_t *inf,
    ngx_str_t *payload, size_t max);

/*
 * Writes to *pos .. last, and advances *pos.
 *
 *   NGX_OK        that was all
 *   NGX_AGAIN     *pos == last: again, with more room; max is always enough
 *   NGX_DECLINED  it is not deflated data, or not all of it: 1007
 *   NGX_ABORT     the result is too big, see above: 1009
 *   NGX_ERROR     no memory
 */
ngx_int_t ngx_socketio_ws_inflate(ngx_socketio_ws_inflate_t *inf,
    u_char **pos, u_char *last);


/* NGX_OK, NGX_ERROR: no memory */
ngx_int_t ngx_socketio_ws_deflate_init(ngx_socketio_ws_deflate_t *d,
    ngx_uint_t window);
void ngx_socketio_ws_deflate_end(ngx_socketio_ws_deflate_t *d);

/*
 * A message of len bytes, that come in parts.  "out" has room for as many and
 * NGX_SOCKETIO_WS_DEFLATE_SLACK.
 *
 *   NGX_OK        from ..._finish(): *len bytes, less than there were
 *   NGX_DECLINED  from both: it does not get smaller, send it as it is
 */
void ngx_socketio_ws_deflate_begin(ngx_socketio_ws_deflate_t *d, u_char *out,
    size_t len);
ngx_int_t ngx_socketio_ws_deflate_add(ngx_socketio_ws_deflate_t *d, u_char *p,
    size_t len);
ngx_int_t ngx_socketio_ws_deflate_finish(ngx_socketio_ws_deflate_t *d,
    size_t *len);


#endif /* _NGX_SOCKETIO_WS_DEFLATE_H_INCLUDED_ */
