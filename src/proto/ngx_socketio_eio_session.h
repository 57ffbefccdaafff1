
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The life of an Engine.IO session as a pure state machine: what a GET, a
 * POST, a packet, a probing websocket, a lost connection, a server's close or
 * the clock mean, in any order.  It lives by value in the session record; a
 * step is made under the zone's lock, by whichever worker has cause, and its
 * effect on other connections of the session is a bell to their worker, which
 * asks ngx_socketio_eio_answer() what to write.
 *
 * Times are milliseconds of one monotonic clock.
 */


#ifndef _NGX_SOCKETIO_EIO_SESSION_H_INCLUDED_
#define _NGX_SOCKETIO_EIO_SESSION_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


enum {
    NGX_SOCKETIO_EIO_OPENED = 0,
    /* sockets are closed, what is queued and the close packet may be fetched */
    NGX_SOCKETIO_EIO_LINGERS,
    /* the sid is forgotten; the record waits for its hooks and connections */
    NGX_SOCKETIO_EIO_CLOSED
};


enum {
    NGX_SOCKETIO_EIO_POLLING = 0,
    NGX_SOCKETIO_EIO_WEBSOCKET
};


enum {
    NGX_SOCKETIO_EIO_NO_PROBE = 0,
    NGX_SOCKETIO_EIO_PROBE_OPENED,
    NGX_SOCKETIO_EIO_PROBED
};


/* why a session or a socket ended, in Socket.IO's own words */

typedef enum {
    NGX_SOCKETIO_REASON_NONE = 0,
    NGX_SOCKETIO_REASON_TRANSPORT_CLOSE,
    NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
    NGX_SOCKETIO_REASON_PARSE_ERROR,
    NGX_SOCKETIO_REASON_PING_TIMEOUT,
    NGX_SOCKETIO_REASON_FORCED,
    NGX_SOCKETIO_REASON_FORCED_SERVER,
    NGX_SOCKETIO_REASON_CLIENT_NSP,
    NGX_SOCKETIO_REASON_SERVER_NSP,
    NGX_SOCKETIO_REASON_SHUTDOWN,
    NGX_SOCKETIO_REASON_LAST
} ngx_socketio_reason_e;


typedef enum {
    NGX_SOCKETIO_EIO_EV_GET = 0,        /* a GET arrived */
    NGX_SOCKETIO_EIO_EV_GET_PENDING,    /* the same, and packets are queued */
    NGX_SOCKETIO_EIO_EV_GET_GONE,       /* the parked GET's client left */
    NGX_SOCKETIO_EIO_EV_POST,           /* a POST's header arrived */
    NGX_SOCKETIO_EIO_EV_POST_DONE,      /* all its packets are handed over */
    NGX_SOCKETIO_EIO_EV_POST_GONE,      /* its client left before the end */
    NGX_SOCKETIO_EIO_EV_POST_BAD,       /* content that revision 4 forbids */
    NGX_SOCKETIO_EIO_EV_PARSE_ERROR,    /* a packet or payload is malformed */
    NGX_SOCKETIO_EIO_EV_BAD_PACKET,     /* a Socket.IO packet is malformed */
    NGX_SOCKETIO_EIO_EV_BAD_STATE,      /* a valid one at the wrong moment */
    NGX_SOCKETIO_EIO_EV_CLOSE,          /* packet types from the client */
    NGX_SOCKETIO_EIO_EV_PING,
    NGX_SOCKETIO_EIO_EV_PONG,
    NGX_SOCKETIO_EIO_EV_MESSAGE,
    NGX_SOCKETIO_EIO_EV_PROBE_OPEN,     /* a websocket with this sid */
    NGX_SOCKETIO_EIO_EV_PROBE_PING,     /* "2probe" on it */
    NGX_SOCKETIO_EIO_EV_PROBE_UPGRADE,  /* "5" on it */
    NGX_SOCKETIO_EIO_EV_PROBE_LOST,     /* closed, timed out, other packet */
    NGX_SOCKETIO_EIO_EV_WS_CLOSE,       /* the websocket: Close or EOF */
    NGX_SOCKETIO_EIO_EV_WS_ERROR,       /* ... with an error */
    NGX_SOCKETIO_EIO_EV_KICK,           /* the server closes it in good order */
    NGX_SOCKETIO_EIO_EV_TIME            /* a deadline may have passed */
} ngx_socketio_eio_event_e;


/* what the caller does; several may be set */

/* this request or connection */
#define NGX_SOCKETIO_EIO_PARK           0x0001  /* GET: keep it */
#define NGX_SOCKETIO_EIO_PARK_SHORT     0x0002  /* ... 100 ms at the most */
#define NGX_SOCKETIO_EIO_ANSWER         0x0004  /* GET: answer() now */
#define NGX_SOCKETIO_EIO_ACCEPT         0x0008  /* POST: read it; message:
                                                   hand it over */
#define NGX_SOCKETIO_EIO_REFUSE         0x0010  /* 400, error code 3 */
#define NGX_SOCKETIO_EIO_REFUSE_EMPTY   0x0020  /* 400 without a body */
#define NGX_SOCKETIO_EIO_PROBE_PONG     0x0040  /* send "3probe" */
#define NGX_SOCKETIO_EIO_SWITCH         0x0080  /* the probe is the transport */
#define NGX_SOCKETIO_EIO_DROP           0x0100  /* close this websocket */
/* others of the session */
#define NGX_SOCKETIO_EIO_RING_GET       0x0200  /* the parked GET */
#define NGX_SOCKETIO_EIO_RING_POST      0x0400  /* the POST being received */
#define NGX_SOCKETIO_EIO_RING_WS        0x0800  /* websocket or probe */
/* the session */
#define NGX_SOCKETIO_EIO_END            0x1000  /* sockets end with s->reason */
#define NGX_SOCKETIO_EIO_FORGET         0x2000  /* the sid leaves the table */


/* what a GET is answered with, or a websocket told */

typedef enum {
    NGX_SOCKETIO_EIO_STAY = 0,          /* nothing: it stays parked */
    NGX_SOCKETIO_EIO_SEND,              /* what is queued, the ping */
    NGX_SOCKETIO_EIO_SEND_NOOP,         /* "6" */
    NGX_SOCKETIO_EIO_SEND_CLOSE,        /* "1"; websocket: Close frame */
    NGX_SOCKETIO_EIO_SEND_NOOP_CLOSE    /* "6" and "1": nothing was parked */
} ngx_socketio_eio_answer_e;


typedef struct {
    ngx_msec_t                interval;
    ngx_msec_t                timeout;
} ngx_socketio_eio_conf_t;


/*
 * Heartbeat.  Revision 4: the server pings, the client must answer in time.
 * Revision 3: the client pings; any packet of it puts off its end.
 */

typedef struct {
    uint64_t                  at;       /* of the ping, or for the pong */
    uint8_t                   waiting;  /* a pong is awaited */
    uint8_t                   extended; /* another packet bought time, once */
    uint8_t                   revision; /* of the session: 3 or 4 */
} ngx_socketio_eio_beat_t;


typedef struct {
    ngx_socketio_eio_beat_t   beat;
    uint8_t                   state;
    uint8_t                   transport;
    uint8_t                   probe;
    uint8_t                   reason;
    uint8_t                   get;      /* parked */
    uint8_t                   post;     /* being received or handed over */
    uint8_t                   ping;     /* "2", or for revision 3 "3", waits
                                           for the next GET */
    uint8_t                   polite;   /* closed by the client's "1" */
} ngx_socketio_eio_session_t;


void ngx_socketio_eio_begin(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, ngx_uint_t revision, ngx_uint_t transport,
    uint64_t now);
ngx_uint_t ngx_socketio_eio_step(ngx_socketio_eio_session_t *s,
    ngx_socketio_eio_conf_t *conf, ngx_socketio_eio_event_e event,
    uint64_t now);
/* ends the session at once for a reason of the caller's */
ngx_uint_t ngx_socketio_eio_end(ngx_socketio_eio_session_t *s,
    ngx_uint_t reason);

/*
 * "pending": packets are queued.  Called in the hold that takes the queue,
 * for the parked GET; clears what it answers.
 */
ngx_socketio_eio_answer_e ngx_socketio_eio_answer(
    ngx_socketio_eio_session_t *s, ngx_uint_t pending, ngx_uint_t parked,
    ngx_uint_t *ping);

/*
 * The heartbeat alone, for a websocket's copy in its worker.  NGX_OK: nothing
 * due, look again at beat->at; NGX_AGAIN: send "2"; NGX_DONE: timed out.
 */
void ngx_socketio_eio_beat_begin(ngx_socketio_eio_beat_t *beat,
    ngx_socketio_eio_conf_t *conf, ngx_uint_t revision, uint64_t now);
ngx_int_t ngx_socketio_eio_beat(ngx_socketio_eio_beat_t *beat,
    ngx_socketio_eio_conf_t *conf, uint64_t now);
void ngx_socketio_eio_pong(ngx_socketio_eio_beat_t *beat,
    ngx_socketio_eio_conf_t *conf, uint64_t now);
void ngx_socketio_eio_heard(ngx_socketio_eio_beat_t *beat,
    ngx_socketio_eio_conf_t *conf, uint64_t now);

ngx_str_t *ngx_socketio_reason(ngx_uint_t reason);
/* the same in the words of Engine.IO alone (engine.io, 12) */
ngx_str_t *ngx_socketio_eio_reason(ngx_uint_t reason);

/*
 * A deadline that is looked at this late had nobody to keep it: the machine
 * was suspended, the process stopped.  What a client has sent meanwhile may
 * not have been read.  Returns how many ms more it has, "most" at the most;
 * 0: it is over.
 */
uint64_t ngx_socketio_eio_grace(uint64_t due, uint64_t now, uint64_t most);


#endif /* _NGX_SOCKETIO_EIO_SESSION_H_INCLUDED_ */
