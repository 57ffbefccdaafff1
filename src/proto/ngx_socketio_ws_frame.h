
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * WebSocket frames, RFC 6455, section 5: headers and masking.  What a header
 * may say at a given moment is the business of ngx_socketio_ws_message.h.
 */


#ifndef _NGX_SOCKETIO_WS_FRAME_H_INCLUDED_
#define _NGX_SOCKETIO_WS_FRAME_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


/* section 5.2; opcodes with NGX_SOCKETIO_WS_CONTROL are control frames */

typedef enum {
    NGX_SOCKETIO_WS_CONTINUATION = 0x0,
    NGX_SOCKETIO_WS_TEXT = 0x1,
    NGX_SOCKETIO_WS_BINARY = 0x2,
    NGX_SOCKETIO_WS_CLOSE = 0x8,
    NGX_SOCKETIO_WS_PING = 0x9,
    NGX_SOCKETIO_WS_PONG = 0xa
} ngx_socketio_ws_opcode_e;


#define NGX_SOCKETIO_WS_CONTROL             0x08

/* to be or-ed to an opcode: the first byte of a header */
#define NGX_SOCKETIO_WS_FIN                 0x80
#define NGX_SOCKETIO_WS_RSV1                0x40

/* ngx_socketio_ws_frame_t.rsv: RSV1 is the highest of the three bits */
#define NGX_SOCKETIO_WS_FRAME_RSV1          4

/* the longest header that a server writes, and that a client does */
#define NGX_SOCKETIO_WS_HEADER_MAX          10
#define NGX_SOCKETIO_WS_MASKED_HEADER_MAX   14

/* section 5.5 */
#define NGX_SOCKETIO_WS_CONTROL_MAX         125


/* section 7.4.1 and the IANA registry it created */

typedef enum {
    NGX_SOCKETIO_WS_CLOSE_NORMAL = 1000,
    NGX_SOCKETIO_WS_CLOSE_GOING_AWAY = 1001,
    NGX_SOCKETIO_WS_CLOSE_PROTOCOL = 1002,
    NGX_SOCKETIO_WS_CLOSE_UNSUPPORTED = 1003,
    NGX_SOCKETIO_WS_CLOSE_NO_STATUS = 1005,         /* never on the wire */
    NGX_SOCKETIO_WS_CLOSE_ABNORMAL = 1006,          /* never on the wire */
    NGX_SOCKETIO_WS_CLOSE_INVALID_DATA = 1007,
    NGX_SOCKETIO_WS_CLOSE_POLICY = 1008,
    NGX_SOCKETIO_WS_CLOSE_TOO_BIG = 1009,
    NGX_SOCKETIO_WS_CLOSE_EXTENSION = 1010,
    NGX_SOCKETIO_WS_CLOSE_INTERNAL = 1011,
    NGX_SOCKETIO_WS_CLOSE_RESTART = 1012,
    NGX_SOCKETIO_WS_CLOSE_TRY_LATER = 1013,
    NGX_SOCKETIO_WS_CLOSE_BAD_GATEWAY = 1014,
    NGX_SOCKETIO_WS_CLOSE_TLS = 1015                /* never on the wire */
} ngx_socketio_ws_close_e;


/* a zeroed struct waits for the first byte of a header */

typedef struct {
    uint64_t    length;
    u_char      mask[4];                /* zeros unless masked */

    unsigned    fin:1;
    unsigned    rsv:3;
    unsigned    opcode:4;
    unsigned    masked:1;

    unsigned    state:3;
    unsigned    need:4;                 /* bytes that the state still wants */
} ngx_socketio_ws_frame_t;


/*
 * Takes header bytes from *pos on and advances it; never touches payload.
 *
 *   NGX_OK     header complete, *pos at the payload; the next call starts a
 *              new header
 *   NGX_AGAIN  *pos == last
 *   NGX_ERROR  a length not in its minimal form, or of more than 63 bits: fail
 *              with 1002; all further calls say the same
 */
ngx_int_t ngx_socketio_ws_frame_parse(ngx_socketio_ws_frame_t *f,
    u_char **pos, u_char *last);

/*
 * Header of an unmasked frame, as servers send them (section 5.1): returns
 * its length (2, 4 or 10) and writes it to p unless p is NULL.  The first
 * byte is the opcode or-ed with NGX_SOCKETIO_WS_FIN and _RSV1 as needed; len
 * has at most 63 bits.
 */
size_t ngx_socketio_ws_frame_header(u_char *p, ngx_uint_t opcode_and_fin,
    uint64_t len);

/*
 * Section 5.3; masks and unmasks.  offset is the position of src[0] in the
 * payload of its frame.  dst may be src, else they must not overlap.
 */
void ngx_socketio_ws_unmask(u_char *dst, u_char *src, size_t len,
    u_char mask[4], size_t offset);


#endif /* _NGX_SOCKETIO_WS_FRAME_H_INCLUDED_ */
