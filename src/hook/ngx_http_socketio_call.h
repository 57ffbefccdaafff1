
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A backend call that belongs to the worker and not to a client: a POST run
 * through a location of the configuration, so that proxy_pass, fastcgi_pass,
 * return and everything around them work as for any other request.  To nginx
 * it looks like an internal redirect in the server given: "internal" locations
 * are reachable, access rules, limits, client_max_body_size, error_page and
 * access_log of that server and location apply.
 */


#ifndef _NGX_HTTP_SOCKETIO_CALL_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_CALL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "store/ngx_socketio_zone.h"


#define NGX_HTTP_SOCKETIO_CALL_TIMEOUT     60000
#define NGX_HTTP_SOCKETIO_CALL_MAX_ANSWER  (1024 * 1024)


/* what is logged of calls, see ngx_socketio_say() */

enum {
    NGX_HTTP_SOCKETIO_CALL_SAID_TIMEOUT = 0,
    NGX_HTTP_SOCKETIO_CALL_SAID_TOO_LARGE,
    NGX_HTTP_SOCKETIO_CALL_SAID_STATUS,
    NGX_HTTP_SOCKETIO_CALL_SAID_LAST
};


typedef struct ngx_http_socketio_call_s  ngx_http_socketio_call_t;

typedef void (*ngx_http_socketio_call_pt)(ngx_http_socketio_call_t *call,
    void *data);

/*
 * More of an answer with a status of 2xx has come, and it is not the end:
 * "body" of the answer has it, without what earlier calls took.  Returns how
 * many bytes from its beginning are taken: they are forgotten, and count in
 * max_answer no more.  Called by the request's own processing, also from
 * inside of start(): it may neither abort the call nor free what it needs.
 */
typedef size_t (*ngx_http_socketio_call_part_pt)(
    ngx_http_socketio_call_t *call, void *data);


/*
 * Zero it, then fill it in.  Everything is copied by start(), except for what
 * the chain "body" points to and "event": these must live until the handler
 * is called, because a retry on another upstream server sends the body again.
 */

typedef struct {
    ngx_http_conf_ctx_t        *conf_ctx;     /* cscf->ctx of the server */

    ngx_str_t                   uri;          /* "/path" or "/path?args" */
    ngx_str_t                   host;         /* "": the server's name */

    /* without Host, Content-Length, Connection, Transfer-Encoding */
    ngx_keyval_t               *headers;
    ngx_uint_t                  nheaders;

    /* buffers in memory; neither they nor the links are changed */
    ngx_chain_t                *body;

    /* addresses to show; NULL: 127.0.0.1 */
    struct sockaddr            *sockaddr;
    socklen_t                   socklen;
    ngx_str_t                   addr_text;    /* "": made from sockaddr */

    struct sockaddr            *local_sockaddr;
    socklen_t                   local_socklen;

    ngx_str_t                   label;        /* for error_log, may be "" */

    ngx_msec_t                  timeout;      /* of the whole call; 0: 60s */
    size_t                      max_answer;   /* bytes of body; 0: 1m */

    ngx_http_socketio_call_pt   handler;
    ngx_http_socketio_call_part_pt
                                part;         /* NULL: the answer as a whole */
    void                       *data;
    void                       *event;        /* see ..._call_event() */

    /* ..._CALL_SAID_LAST of them; these two stay the caller's */
    ngx_socketio_said_t        *said;
    ngx_socketio_zone_t        *zone;
} ngx_http_socketio_call_conf_t;


/*
 * Valid while the handler runs; the strings point into the call.  Only an
 * answer that is "complete" came whole: one cut short may carry status 200.
 */

typedef struct {
    ngx_uint_t                  status;       /* 0: there was no answer */
    ngx_str_t                   body;         /* contiguous */
    ngx_str_t                   content_type; /* with charset, 128 at most */
    time_t                      retry_after;  /* seconds, -1: not given */
    ngx_msec_t                  elapsed;

    unsigned                    complete:1;
    unsigned                    timed_out:1;  /* "timeout" was over */
    unsigned                    aborted:1;    /* by ..._call_abort() */
    unsigned                    too_large:1;  /* more than "max_answer" */
    unsigned                    local:1;      /* status 500 is nginx's own: no
                                                 descriptor, no connection, no
                                                 memory for the upstream */
    unsigned                    own:1;        /* not an upstream's: nginx says
                                                 so of it */
} ngx_http_socketio_call_answer_t;


/*
 * NULL: no memory, the handler will not be called.  Otherwise it is called
 * exactly once, from a posted event, never from inside of start(), also when
 * the call is aborted, and while a worker shuts down gracefully.  The call is
 * invalid after the handler has returned.  The handler may start other calls.
 *
 * A call ends when all of its request has ended: where the location has a
 * mirror, that is not with the answer.  What "timeout" then ends is a call
 * with a complete answer.
 */
ngx_http_socketio_call_t *ngx_http_socketio_call_start(
    ngx_http_socketio_call_conf_t *conf, ngx_log_t *log);

/*
 * May be repeated, and called from anywhere outside of the request's own
 * processing (that is, not from a variable of this call).
 */
void ngx_http_socketio_call_abort(ngx_http_socketio_call_t *call);

/* for worker_shutdown_timeout, which does not see the calls of a worker */
void ngx_http_socketio_call_abort_all(void);

ngx_http_socketio_call_answer_t *ngx_http_socketio_call_answer(
    ngx_http_socketio_call_t *call);

/* the worker exits: frees what calls that are over have left */
void ngx_http_socketio_call_exit(void);

/*
 * "event" of the call which a request or subrequest belongs to; NULL for an
 * ordinary request, whatever internal redirects it went through.
 */
void *ngx_http_socketio_call_event(ngx_http_request_t *r);

/* to be called from the module's postconfiguration */
ngx_int_t ngx_http_socketio_call_filter_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_SOCKETIO_CALL_H_INCLUDED_ */
