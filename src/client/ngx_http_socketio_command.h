
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Commands of a backend, from a hook's answer or the publish API: one JSON
 * object each.  What steers is looked at with jansson; what is only carried
 * (event, args, attachments, data, message) is copied as it was written, but
 * for space between tokens, so that numbers of any size stay what they are.
 */


#ifndef _NGX_HTTP_SOCKETIO_COMMAND_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_COMMAND_H_INCLUDED_


#include "client/ngx_http_socketio_client.h"

#include <jansson.h>


/*
 * An event's id as the backend sees it: "boot-socket-gen-seq", hex, with
 * "-ack" behind it if the client wants one.  It carries all that an answer
 * needs, so there is no table: a stale one is a no-op.  Numbers have one form
 * only (lower case, no leading zeros), so that equal events are equal texts.
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
    ngx_socketio_peer_t             peer;
    unsigned                        connect:1;
    unsigned                        recovered:1;    /* a connect: connected */
    unsigned                        answered:1; /* accept, reject, ack ran */
} ngx_http_socketio_asked_t;


typedef struct ngx_http_socketio_run_s  ngx_http_socketio_run_t;


/* Zero it, then fill it in: once for many commands, one after another. */

typedef struct {
    ngx_socketio_zone_t            *zone;
    ngx_log_t                      *log;
    ngx_uint_t                      max_rooms;
    ngx_uint_t                      max_attachments;
    ngx_uint_t                      max_acks;   /* that a socket may owe */
    /* hook: the events of the batch; if sole, "id" may be missing */
    ngx_http_socketio_asked_t      *asked;
    ngx_uint_t                      nasked;
    unsigned                        hook:1;
    unsigned                        sole:1; /* socketio_hook_batch off */

    /*
     * Publish API: "write" takes what a result has beyond its count, members
     * of a JSON object with a comma before each, as they come; NGX_ERROR: no
     * memory.  "wake" is called once for a command that waits; ..._more() must
     * not be called from within.  NULL in hooks.
     */
    ngx_int_t                     (*write)(void *data, u_char *p, size_t len);
    void                          (*wake)(void *data);
    void                           *data;

    /* results */
    char                           *op;     /* name, static */
    char                           *error;  /* code, static; NULL: none */
    char                           *message;    /* static text for people */
    ngx_uint_t                      count;

    unsigned                        dup:1;  /* of the first one of its key */
    unsigned                        waits:1;    /* for wake(), if NGX_AGAIN */
    ngx_http_socketio_run_t        *run;    /* of a command that goes on */
} ngx_http_socketio_command_t;


/*
 * Runs a command: the text of an object that ngx_socketio_json_check()
 * passed; it need not stay.  "op" is NULL if it is not known.
 *
 * NGX_OK        done, command->count sockets were reached
 * NGX_DECLINED  invalid, command->error says how, nothing has happened
 * NGX_BUSY      the zone is full, or no memory; command->error is "busy"
 * NGX_AGAIN     publish API: it goes on with ..._more(), now or, if
 *               command->waits is set, when wake() has been called
 * NGX_ERROR     write() failed: half a result is out
 */
ngx_int_t ngx_http_socketio_command_text(ngx_http_socketio_command_t *command,
    ngx_str_t *text);
/* the same codes; NGX_DECLINED and NGX_BUSY only if nothing was written */
ngx_int_t ngx_http_socketio_command_more(ngx_http_socketio_command_t *command);
/* one that goes on is not wanted any more; may be called for any */
void ngx_http_socketio_command_end(ngx_http_socketio_command_t *command);


#endif /* _NGX_HTTP_SOCKETIO_COMMAND_H_INCLUDED_ */
