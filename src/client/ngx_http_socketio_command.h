
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Commands of a backend, from a hook's answer or the publish API: one JSON
 * object each, looked into with jansson.
 */


#ifndef _NGX_HTTP_SOCKETIO_COMMAND_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_COMMAND_H_INCLUDED_


#include <jansson.h>

#include "client/ngx_http_socketio_client.h"


/*
 * An event's id as the backend sees it: "boot-socket-gen-seq", hex, with
 * "-ack" behind it if the client wants one.  It carries all that an answer
 * needs, so there is no table: a stale one is a no-op.
 */

typedef struct {
    ngx_socketio_id_t               socket;
    uint32_t                        seq;
    uint64_t                        ack;    /* client's id + 1; 0: none */
} ngx_http_socketio_event_id_t;

#define NGX_HTTP_SOCKETIO_EVENT_ID_MAX  64

/* returns the end of what was written */
u_char *ngx_http_socketio_event_id(u_char *p, ngx_socketio_zone_t *zone,
    ngx_http_socketio_event_id_t *id);
/* NGX_OK; NGX_ERROR: not one of this zone's */
ngx_int_t ngx_http_socketio_event_id_parse(ngx_socketio_zone_t *zone,
    u_char *p, size_t len, ngx_http_socketio_event_id_t *id);


/* what a hook's answer may refer to; publish has none */

typedef struct {
    ngx_http_socketio_event_id_t    id;
    u_char                          text[NGX_SOCKETIO_SOCKET_TEXT];
    ngx_str_t                       nsp;
    unsigned                        connect:1;
    unsigned                        answered:1; /* accept, reject, ack ran */
} ngx_http_socketio_asked_t;


typedef struct {
    ngx_socketio_zone_t            *zone;
    ngx_log_t                      *log;
    ngx_uint_t                      max_rooms;
    ngx_uint_t                      max_attachments;
    /* hook: the events of the batch; if sole, "id" may be missing */
    ngx_http_socketio_asked_t      *asked;
    ngx_uint_t                      nasked;
    unsigned                        hook:1;
    unsigned                        sole:1; /* socketio_hook_batch off */

    /* results */
    char                           *op;     /* name, static */
    char                           *error;  /* code, static; NULL: none */
    char                           *message;    /* static text for people */
    ngx_uint_t                      count;
} ngx_http_socketio_command_t;


/*
 * NGX_OK: done, command->count sockets were reached; NGX_DECLINED: invalid,
 * command->error says how, nothing has happened; NGX_BUSY: the zone is full.
 */
ngx_int_t ngx_http_socketio_command_run(ngx_http_socketio_command_t *command,
    json_t *object);


#endif /* _NGX_HTTP_SOCKETIO_COMMAND_H_INCLUDED_ */
