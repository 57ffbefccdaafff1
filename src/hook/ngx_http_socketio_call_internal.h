
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* private to the files of backend calls */


#ifndef _NGX_HTTP_SOCKETIO_CALL_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_CALL_INTERNAL_H_INCLUDED_


#include "hook/ngx_http_socketio_call.h"


/*
 * "connection" is first: nginx sees the call as a connection, which is how it
 * is found again from a request, and debug logging takes the data of any
 * event for a connection.  A call is never given back to malloc, so that a
 * late look at the connection finds it "destroyed" and not somebody else's.
 */

struct ngx_http_socketio_call_s {
    ngx_connection_t                 connection;
    ngx_event_t                      read;
    ngx_event_t                      write;
    ngx_event_t                      deadline;
    ngx_event_t                      done;

    ngx_log_t                        log;
    ngx_http_log_ctx_t               log_ctx;
    ngx_http_connection_t            hc;
    ngx_http_addr_conf_t             addr_conf;
    ngx_buf_t                        header_in;

    ngx_sockaddr_t                   sockaddr;
    ngx_sockaddr_t                   local_sockaddr;
    u_char                           addr_text[NGX_SOCKADDR_STRLEN];
    u_char                           content_type[128];

    ngx_queue_t                      queue;

    /* main request, NULL as soon as its pool goes */
    ngx_http_request_t              *request;

    ngx_http_socketio_call_pt        handler;
    ngx_http_socketio_call_part_pt   part;
    void                            *data;
    void                            *event;
    ngx_socketio_said_t             *said;
    ngx_socketio_zone_t             *zone;
    ngx_str_t                        label;      /* in the request's pool */

    ngx_msec_t                       start;
    off_t                            size;       /* of the body */
    size_t                           max_answer;
    size_t                           buf_size;
    ngx_http_socketio_call_answer_t  answer;

    unsigned                         starting:1;
    unsigned                         terminated:1;
    unsigned                         finished:1;
};


/*
 * Makes a zeroed call a connection that nginx can work with, though there is
 * no socket; c->pool is the caller's to destroy.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_socketio_call_connect(ngx_http_socketio_call_t *call,
    ngx_http_socketio_call_conf_t *conf, ngx_log_t *log);

/* the call which a request or subrequest belongs to, or NULL */
ngx_http_socketio_call_t *ngx_http_socketio_call_get(ngx_http_request_t *r);

/* the status that nginx is about to send, into the answer */
void ngx_http_socketio_call_status(ngx_http_socketio_call_t *call,
    ngx_http_request_t *r);

/*
 * Makes a request fresh from ngx_http_create_request() the POST described by
 * "conf", as if it had been read from a client, body included.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_socketio_call_request_init(ngx_http_request_t *r,
    ngx_http_socketio_call_conf_t *conf);


#endif /* _NGX_HTTP_SOCKETIO_CALL_INTERNAL_H_INCLUDED_ */
