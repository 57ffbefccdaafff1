
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_HTTP_SOCKETIO_LANE_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_LANE_H_INCLUDED_


#include "client/ngx_http_socketio_command.h"


/*
 * This worker owns the inbox of a session, which waits: the session is put
 * on a lane of its location.  The zone's "inbox" callback.
 */
void ngx_http_socketio_lane_inbox(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *session, uint32_t tenure);
/* the worker shuts down: what is not in flight is passed on */
void ngx_http_socketio_lane_leave(void);
/*
 * worker_shutdown_timeout: calls are aborted, nothing is repeated any more;
 * what nobody else takes is left to whoever claims this worker's slot.
 */
void ngx_http_socketio_lane_stop(void);

/* ... and exits: frees the lanes; sessions are left to whoever comes */
void ngx_http_socketio_lane_exit(void);

/* the event of a batch of one, for variables; NULL: not in such a call */
typedef struct {
    ngx_str_t                       type;
    ngx_str_t                       id;
    ngx_str_t                       sid;
    ngx_str_t                       nsp;
    ngx_str_t                       event;      /* JSON-escaped, no quotes */
    ngx_str_t                       args;       /* JSON array */
    ngx_str_t                       attachments; /* JSON array of base64 */
    ngx_str_t                       message;    /* JSON member */
    ngx_str_t                       data;       /* JSON */
    ngx_str_t                       handshake;  /* JSON object or null */
    ngx_str_t                       reason;
    ngx_str_t                       ack;        /* "1" or empty */
    ngx_str_t                       transport;
    ngx_str_t                       eio;
    unsigned                        batched:1;  /* a batch: nothing is set */
} ngx_http_socketio_lane_event_t;

ngx_http_socketio_lane_event_t *ngx_http_socketio_lane_event(
    ngx_http_request_t *r);


#endif /* _NGX_HTTP_SOCKETIO_LANE_H_INCLUDED_ */
