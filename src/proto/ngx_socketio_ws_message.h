
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * WebSocket messages as a server receives them, RFC 6455, sections 5.4-5.6,
 * 7 and 8.1.  The caller reads into a buffer of its own; payload is unmasked
 * where it lies and handed back in spans of that buffer, which live as long as
 * the caller keeps the bytes.  Nothing is stored here but positions.
 */


#ifndef _NGX_SOCKETIO_WS_MESSAGE_H_INCLUDED_
#define _NGX_SOCKETIO_WS_MESSAGE_H_INCLUDED_


#include "proto/ngx_socketio_core.h"
#include "proto/ngx_socketio_ws_frame.h"


typedef struct {
    size_t                    max_payload;      /* bytes of a message */
    ngx_uint_t                max_fragments;    /* frames of a message, >= 1 */

    /*
     * permessage-deflate is in use, RFC 7692: data messages may have RSV1.
     * Of these it is the deflated size that is seen here, and deflate makes
     * incompressible data longer, so a little more than max_payload is let
     * through (see ngx_socketio_ws_message_limit()); whoever inflates applies
     * max_payload to the result and checks text for UTF-8.
     */
    unsigned                  rsv1:1;
} ngx_socketio_ws_limits_t;


/* a zeroed struct waits for the first byte after the handshake */

typedef struct {
    ngx_socketio_ws_frame_t   frame;
    uint64_t                  rest;             /* of the frame's payload */
    size_t                    size;             /* see ev->size */
    ngx_uint_t                fragments;        /* of the message so far */
    uint32_t                  utf8;             /* of the text, or reason */

    unsigned                  state:2;
    unsigned                  opcode:4;         /* of the message; 0: none */
    unsigned                  compressed:1;     /* the message is */
    unsigned                  started:1;        /* has had its first event */
    unsigned                  control:1;        /* control frame has had it */
    unsigned                  code:16;          /* of the close frame */
} ngx_socketio_ws_message_t;


/*
 * One span.  The spans of a message, of a ping, a pong or a close, in order,
 * are its payload (of a close: the reason alone).  The first has "first", the
 * final one "last"; it may be one and the same, and it may be empty.  Control
 * frames come between the spans of a message but never between their own.
 *
 * A caller that gets a span without "last" must keep a copy if it has use for
 * the payload.  No control payload is above NGX_SOCKETIO_WS_CONTROL_MAX.
 */

typedef struct {
    ngx_uint_t                opcode;       /* never CONTINUATION */
    ngx_str_t                 data;

    size_t                    offset;       /* of data in the payload */

    /*
     * payload announced so far, what is to come of the current frame
     * included; final if "fin", else more frames follow
     */
    size_t                    size;

    /* CLOSE: the peer's code, 1005 if none; NGX_ERROR: the code to send */
    ngx_uint_t                code;

    ngx_uint_t                fragments;    /* frames of the data message */

    char                     *error;        /* NGX_ERROR: for the log */

    unsigned                  first:1;
    unsigned                  last:1;
    unsigned                  fin:1;
    unsigned                  compressed:1;
} ngx_socketio_ws_event_t;


/*
 * Returns one span of what lies in *pos .. last and advances *pos to behind
 * it.  Call until it returns anything but NGX_OK.
 *
 *   NGX_OK     ev is a span
 *   NGX_AGAIN  *pos == last; ev means nothing
 *   NGX_ERROR  fail the connection with ev->code, 1002, 1007, 1008 or 1009;
 *              a message or control frame not yet "last" is void
 *   NGX_DONE   a complete CLOSE or NGX_ERROR has been returned before: what
 *              comes now must be discarded (section 1.4, 5.5.1); *pos is left
 *
 * A CLOSE is to be obeyed when it is "last": until then its reason may yet
 * turn out not to be UTF-8.
 *
 * The limits may change from call to call, but count from the next frame.
 */
ngx_int_t ngx_socketio_ws_message_next(ngx_socketio_ws_message_t *m,
    ngx_socketio_ws_limits_t *limits, u_char **pos, u_char *last,
    ngx_socketio_ws_event_t *ev);

/* the greatest ev->size of a data message: max_payload unless compressed */
size_t ngx_socketio_ws_message_limit(ngx_socketio_ws_limits_t *limits,
    ngx_uint_t compressed);

/* NGX_OK if a peer may send the code (section 7.4), else NGX_ERROR */
ngx_int_t ngx_socketio_ws_close_code(ngx_uint_t code);


/*
 * Whether a connection that ends here ends inside a frame or message; such an
 * end, or any without a CLOSE, is a 1006 (section 7.1.5).
 */
#define ngx_socketio_ws_message_idle(m)                                       \
    ((m)->opcode == 0 && (m)->state == 0 && (m)->frame.state == 0)


#endif /* _NGX_SOCKETIO_WS_MESSAGE_H_INCLUDED_ */
