
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * An entry of an inbox as the backend gets it: one JSON object on a line of
 * its own, or variables.
 */


#ifndef _NGX_HTTP_SOCKETIO_EVENT_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_EVENT_H_INCLUDED_


#include "hook/ngx_http_socketio_lane.h"


/* Private copies: what is measured is what is written. */

typedef struct {
    ngx_socketio_entry_e            type;
    ngx_http_socketio_event_id_t    id;
    ngx_str_t                       id_text;
    ngx_str_t                       sid;
    ngx_str_t                       nsp;
    uint64_t                        time;
    ngx_str_t                      *reason;
    ngx_str_t                      *failed;     /* of an ack; NULL: it came */
    ngx_uint_t                      websocket;
    ngx_socketio_peer_t             peer;

    ngx_str_t                       data;       /* JSON; empty: none */
    ngx_str_t                       handshake;  /* JSON members */
    ngx_str_t                       auth;       /* JSON object */
    ngx_str_t                       event;      /* JSON token: its name, or
                                                   an ack's "token" */
    ngx_str_t                       args;       /* JSON, without brackets */
    ngx_str_t                       message;    /* of a raw session */
    ngx_str_t                      *attachments;    /* raw */
    ngx_uint_t                      nattachments;
    ngx_str_t                      *rooms;
    ngx_uint_t                      nrooms;

    unsigned                        binary:1;   /* attachments, message */
    unsigned                        recovered:1;
} ngx_http_socketio_event_t;


/*
 * Copies from the zone to the pool what the entry refers to.  "handshake":
 * it is wanted even if the event is not a connect.  NGX_DECLINED: that is
 * not there, since another worker owns the inbox now; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_socketio_event_read(ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry, ngx_uint_t handshake,
    ngx_http_socketio_event_t *event, ngx_pool_t *pool);

/* returns the length, writes if p is not NULL; no line breaks within */
size_t ngx_http_socketio_event_json(u_char *p,
    ngx_http_socketio_event_t *event);

/* everything is copied to the pool; NULL: no memory */
ngx_http_socketio_lane_event_t *ngx_http_socketio_event_variables(
    ngx_http_socketio_event_t *event, ngx_pool_t *pool);

/* a member of the handshake, raw JSON; NGX_DECLINED: there is none */
ngx_int_t ngx_http_socketio_event_handshake(ngx_http_socketio_event_t *event,
    char *name, ngx_str_t *value, ngx_pool_t *pool);


#endif /* _NGX_HTTP_SOCKETIO_EVENT_H_INCLUDED_ */
