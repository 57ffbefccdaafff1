
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A websocket behind its handshake: a connection without a request, of which
 * nothing is kept while it idles but this object.  Private to the files
 * ngx_http_socketio_websocket.c and ngx_http_socketio_ws_*.c.
 *
 * Only ..._settle() destroys the object, and it is the last thing that each
 * handler does: everything below it just leaves marks.
 */


#ifndef _NGX_HTTP_SOCKETIO_WEBSOCKET_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_WEBSOCKET_H_INCLUDED_


#include "transport/ngx_http_socketio_transport.h"
#include "proto/ngx_socketio_ws_frame.h"
#include "proto/ngx_socketio_ws_message.h"


#define NGX_HTTP_SOCKETIO_WS_CLOSING    5000    /* for the Close handshake */
#define NGX_HTTP_SOCKETIO_WS_RETRY      500     /* of a held message */
#define NGX_HTTP_SOCKETIO_WS_FRAGMENTS  1024
#define NGX_HTTP_SOCKETIO_WS_OVERHEAD   64      /* bytes a frame is charged */


typedef struct ngx_http_socketio_ws_out_s  ngx_http_socketio_ws_out_t;


/*
 * What is left to write of a frame of our own, or of a message: pos .. last,
 * then "left" bytes from the chunk "next" on.
 */

struct ngx_http_socketio_ws_out_s {
    ngx_http_socketio_ws_out_t     *link;
    ngx_socketio_pin_t             *pin;        /* a user of it, or NULL */
    u_char                         *pos;
    u_char                         *last;
    ngx_socketio_ref_t              next;
    uint32_t                        left;
    u_char                         *data;       /* allocated; NULL: small */
    u_char                          small[8];
};


/* of a websocket that is in the middle of something, else not there */

typedef struct {
    ngx_socketio_ws_message_t       parser;

    /* a message that is incomplete, or held because nobody takes it now */
    u_char                         *data;
    size_t                          len;
    size_t                          size;
    ngx_uint_t                      opcode;
    unsigned                        held:1;
    unsigned                        pinged:1;   /* it is the ping that is */
    unsigned                        pong:1;     /* ... or a pong */
    size_t                          cost;       /* bytes to be paid for it */
    uint64_t                        until;      /* ms: not before */
    uint64_t                        due;        /* ms: the end of what is
                                                   incomplete; 0: nothing */

    /* what was read behind it and is not parsed yet */
    u_char                         *rest;
    u_char                         *pos;
    u_char                         *last;

    size_t                          nping;
    u_char                          ping[NGX_SOCKETIO_WS_CONTROL_MAX];
} ngx_http_socketio_ws_in_t;


typedef struct {
    ngx_socketio_local_t            local;      /* must be first */

    ngx_connection_t               *connection;
    ngx_http_socketio_loc_conf_t   *conf;
    void                          **loc_conf;
    ngx_http_connection_t          *hc;

    ngx_http_socketio_ws_in_t      *in;

    ngx_http_socketio_ws_out_t     *out;
    ngx_http_socketio_ws_out_t    **out_last;
    ngx_http_socketio_ws_out_t     *pong;       /* queued, not begun */
    size_t                          out_bytes;
    uint32_t                        out_n;

    /* of its life, for the access log */
    uint32_t                        packets_in;
    uint32_t                        packets_out;
    uint64_t                        bytes_in;

    unsigned                        noted:1;    /* by the session */
    unsigned                        detached:1; /* from its request */
    unsigned                        established:1; /* not a probe */
    unsigned                        deflate:1;  /* agreed on */
    unsigned                        closing:1;  /* Close is queued or sent */
    unsigned                        finish:1;   /* close when flushed */
    unsigned                        deaf:1;     /* nothing more is parsed */
    unsigned                        shut:1;     /* written all there will be */
    unsigned                        slow:1;
    unsigned                        error:1;    /* close now */
    unsigned                        base64:1;   /* takes no binary frames */
    unsigned                        raw:1;      /* no Socket.IO */
    unsigned                        away:1;     /* Close 1001 is queued, what
                                                   the peer sends before its
                                                   own is still taken */
    unsigned                        limited:1;  /* what it sends is charged */
    unsigned                        reason:8;   /* for the access log */

    /* of a worker that shuts down; NULL: it stays */
    struct ngx_http_socketio_drain_s  *drain;
    ngx_queue_t                     drains;

    /* "at" is also the deadline of a probe and of a Close */
    ngx_socketio_eio_beat_t         beat;

    /* for the access log, too */
    time_t                          start_sec;
    ngx_msec_t                      start_msec;
    ngx_str_t                       line;       /* lies behind this */
} ngx_http_socketio_ws_t;


/* connection, heartbeat, end: ngx_http_socketio_ws_events.c */

extern ngx_socketio_local_ops_t  ngx_http_socketio_ws_ops;

void ngx_http_socketio_ws_read_handler(ngx_event_t *rev);
void ngx_http_socketio_ws_write_handler(ngx_event_t *wev);
/* writes, arms the timer, destroys what is at its end */
void ngx_http_socketio_ws_settle(ngx_http_socketio_ws_t *ws);
/* the session and this connection part; once */
void ngx_http_socketio_ws_part(ngx_http_socketio_ws_t *ws,
    ngx_socketio_eio_event_e event);
/* begins the Close handshake; code 0: without one */
void ngx_http_socketio_ws_close(ngx_http_socketio_ws_t *ws, ngx_uint_t code,
    ngx_socketio_eio_event_e event);
/* the worker wants it to leave: begins the Close handshake; settles it */
void ngx_http_socketio_ws_go_away(ngx_http_socketio_ws_t *ws);
/* frees the object of a websocket that is not, or no more, connected */
void ngx_http_socketio_ws_free(ngx_http_socketio_ws_t *ws);

/*
 * ngx_http_socketio_ws_drain.c: the worker shuts down; it will leave in its
 * turn, if it is to.  Again if it was too early for that, or the time is
 * another one.
 */

void ngx_http_socketio_ws_drain(ngx_http_socketio_ws_t *ws);
void ngx_http_socketio_ws_undrain(ngx_http_socketio_ws_t *ws);

/* ngx_http_socketio_ws_read.c */

void ngx_http_socketio_ws_read(ngx_http_socketio_ws_t *ws);
/* a held message again, what is behind it, then the socket */
void ngx_http_socketio_ws_resume(ngx_http_socketio_ws_t *ws);
/* bytes that have been read already; a copy is taken */
ngx_int_t ngx_http_socketio_ws_rest(ngx_http_socketio_ws_t *ws, u_char *p,
    u_char *last);
void ngx_http_socketio_ws_in_free(ngx_http_socketio_ws_t *ws);
/* made if there is none; NULL: no memory, ws->error is set */
ngx_http_socketio_ws_in_t *ngx_http_socketio_ws_in(ngx_http_socketio_ws_t *ws);
/* the peer broke the protocol: ev has the code and why */
void ngx_http_socketio_ws_fail(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev);

/*
 * ngx_http_socketio_ws_data.c: a span of a message.  *inflated grows by what
 * was inflated.  NGX_OK; NGX_AGAIN: the message is held, parse no further;
 * NGX_ERROR: ws->error is set.
 */

ngx_int_t ngx_http_socketio_ws_data(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev, size_t *inflated);
void ngx_http_socketio_ws_data_free(ngx_http_socketio_ws_in_t *in);

/*
 * Before a message or ping of so many bytes is handed on, 0: it has been paid
 * for.  NGX_OK; NGX_AGAIN: hold it, ws->in says until when.
 */
ngx_int_t ngx_http_socketio_ws_pay(ngx_http_socketio_ws_t *ws, size_t cost);

/* the client whose packets come on it */
void ngx_http_socketio_ws_client(ngx_http_socketio_ws_t *ws,
    ngx_http_socketio_client_t *client);

/*
 * ngx_http_socketio_ws_packet.c: one message, "b..." as the binary one that
 * it is; NGX_OK, NGX_AGAIN: hold it
 */

ngx_int_t ngx_http_socketio_ws_packet(ngx_http_socketio_ws_t *ws,
    ngx_uint_t opcode, u_char *p, size_t len);

/*
 * ngx_http_socketio_ws_deflate.c: NGX_OK: the answer to its offers, which may
 * be empty; NGX_DECLINED: malformed; NGX_ERROR
 */

ngx_int_t ngx_http_socketio_ws_negotiate(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *answer);
/*
 * Inflates a whole message, which then is in memory of the worker, until
 * ..._inflated() says that it is done with.  NGX_OK; NGX_DECLINED: ev has code
 * and error; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_socketio_ws_inflate(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev, ngx_str_t *message);
void ngx_http_socketio_ws_inflated(void);
/*
 * What this peer gets in place of the message, or of a variant of it: that, or
 * its deflated one.
 */
ngx_socketio_variant_t *ngx_http_socketio_ws_deflated(
    ngx_http_socketio_ws_t *ws, ngx_socketio_pin_t *pin,
    ngx_socketio_variant_t *variant);

/* ngx_http_socketio_ws_write.c; no memory: ws->error is set */

void ngx_http_socketio_ws_frame(ngx_http_socketio_ws_t *ws, ngx_uint_t opcode,
    u_char *p, size_t len);
void ngx_http_socketio_ws_close_frame(ngx_http_socketio_ws_t *ws,
    ngx_uint_t code);
/* takes over one user of the pin */
void ngx_http_socketio_ws_pin(ngx_http_socketio_ws_t *ws,
    ngx_socketio_pin_t *pin);
/* NGX_OK: all is written; NGX_AGAIN; NGX_ERROR */
ngx_int_t ngx_http_socketio_ws_write(ngx_http_socketio_ws_t *ws);
void ngx_http_socketio_ws_out_free(ngx_http_socketio_ws_t *ws);


/*
 * ngx_http_socketio_ws_variant.c: what this peer gets in place of the message,
 * NULL for the message as it is.  NGX_OK, NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_socketio_ws_variant(ngx_http_socketio_ws_t *ws,
    ngx_socketio_pin_t *pin, ngx_socketio_variant_t **variant);


#define ngx_http_socketio_ws_now()  ((uint64_t) ngx_current_msec)

/* output waits for the socket, not just for its turn */
#define ngx_http_socketio_ws_blocked(ws)                                      \
    (!(ws)->connection->write->ready || (ws)->connection->buffered)


#endif /* _NGX_HTTP_SOCKETIO_WEBSOCKET_H_INCLUDED_ */
