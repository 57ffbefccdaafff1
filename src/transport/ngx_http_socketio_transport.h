
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_HTTP_SOCKETIO_TRANSPORT_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_TRANSPORT_H_INCLUDED_


#include "client/ngx_http_socketio_client.h"
#include "client/ngx_http_socketio_form.h"
#include "client/ngx_http_socketio_header.h"
#include "delivery/ngx_socketio_worker.h"
#include "proto/ngx_socketio_eio.h"


/* what the query of a request says */

typedef struct {
    ngx_uint_t                      transport;  /* NGX_HTTP_SOCKETIO_... */
    unsigned                        has_sid:1;
    unsigned                        sid_ok:1;   /* of the sid's grammar */
    unsigned                        bad_j:1;    /* "j" is no number of ours */
    unsigned                        bad_origin:1; /* that is none of HTTP's */
    ngx_socketio_key_t              key;        /* revision: 0 if unknown */
    ngx_socketio_peer_t             peer;       /* of a new transport */
} ngx_http_socketio_request_t;


/*
 * The module's ctx of a request in a "socketio" location; what the variables
 * show in its access log.  A websocket's log request is made anew: its owner
 * sets these again.
 */

typedef struct {
    ngx_str_t                       transport;
    ngx_str_t                       eio;
    ngx_str_t                       reason;
    ngx_str_t                       error;
    uint64_t                        packets_in;     /* Engine.IO packets */
    uint64_t                        packets_out;
    uint64_t                        bytes_in;       /* of those */
    ngx_str_t                       sent_transport; /* as the client sent it */
    ngx_str_t                       sent_eio;
    void                           *data;       /* the transport's own */
    unsigned                        upgrade:1;  /* a websocket handshake */
    unsigned                        foreign:1;  /* of a page of another host */
    unsigned                        listed:1;   /* its origin is */
} ngx_http_socketio_ctx_t;


/* a request's body; zeroed by the caller, but for "max" and "binary" */

typedef struct {
    size_t                          max;        /* bytes */
    u_char                         *pos;        /* all of it, when read */
    u_char                         *last;
    u_char                         *data;       /* what came by now, a copy */
    size_t                          len;
    size_t                          size;
    unsigned                        binary:1;
} ngx_http_socketio_body_t;


/* the ctx, made if there is none; NULL: no memory */
ngx_http_socketio_ctx_t *ngx_http_socketio_ctx(ngx_http_request_t *r);

/* the content handler of a "socketio" location */
ngx_int_t ngx_http_socketio_handler(ngx_http_request_t *r);

/*
 * A JSON error, or for websockets a plain one; returns what a handler may.
 * "context", static text, says more to the log: of code 3 the name that Node
 * has for it.
 */
ngx_int_t ngx_http_socketio_error(ngx_http_request_t *r, ngx_uint_t code,
    char *context);
/* an empty answer with this status; 503 has a Retry-After */
ngx_int_t ngx_http_socketio_empty(ngx_http_request_t *r, ngx_uint_t status);

/* no session: the answer to NGX_SOCKETIO_N_REFUSED_..., counted and logged */
ngx_int_t ngx_http_socketio_unopened(ngx_http_request_t *r,
    ngx_socketio_zone_t *zone, ngx_uint_t why);
/* the same of a code of ngx_socketio_open() */
ngx_uint_t ngx_http_socketio_why(ngx_int_t rc);

/*
 * A request refused because of its session: rc is the store's, which says
 * what is wrong with the key; NGX_OK: it is "context".
 */
ngx_int_t ngx_http_socketio_unfit(ngx_http_request_t *r, ngx_int_t rc,
    char *context);

/*
 * A new session: fills in open from the configuration and the request's
 * handshake, with a new sid.  NGX_OK, NGX_ERROR.
 */
ngx_int_t ngx_http_socketio_handshake(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req,
    ngx_socketio_open_t *open);
/* the open packet; sid_text is the caller's, NGX_SOCKETIO_SID_TEXT bytes */
void ngx_http_socketio_open_packet(ngx_http_socketio_loc_conf_t *conf,
    ngx_socketio_open_t *open, u_char *sid_text,
    ngx_socketio_eio_open_t *packet);

ngx_int_t ngx_http_socketio_polling_open(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req);
ngx_int_t ngx_http_socketio_polling_get(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req);
ngx_int_t ngx_http_socketio_polling_post(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req);

/*
 * An answer with this body, which must live as long as r->pool; "no-store"
 * goes with it.  "length" is of the type without its parameters.
 */
ngx_int_t ngx_http_socketio_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, size_t length, ngx_chain_t *body);
/* Set-Cookie, if there is a socketio_cookie; NGX_OK; NGX_ERROR: no memory */
ngx_int_t ngx_http_socketio_cookie(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *sid);
/* NGX_OK; NGX_ERROR: no memory.  The strings are not copied. */
ngx_int_t ngx_http_socketio_add_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value);

/*
 * Whether a page of the request's Origin may connect; by JSONP, which any page
 * can read as a script, only if the page is known.  Adds the headers of CORS,
 * whatever the answer will be, and sets ctx->foreign.
 * NGX_OK; NGX_DECLINED: it may not; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_socketio_origin(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_http_socketio_request_t *req);

/*
 * A file of socketio_client: returns what a handler may.  NGX_DECLINED: the
 * request is not for one.
 */
ngx_int_t ngx_http_socketio_bundle(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx);

/* reads the query and hides the session id in it; NGX_OK, NGX_ERROR */
ngx_int_t ngx_http_socketio_query(ngx_http_request_t *r,
    ngx_http_socketio_request_t *req, ngx_http_socketio_ctx_t *ctx);
/* the same before a request is logged that never came to the handler */
ngx_int_t ngx_http_socketio_log_handler(ngx_http_request_t *r);
/* the same in the error log, from the rewrite phase on */
ngx_int_t ngx_http_socketio_rewrite_handler(ngx_http_request_t *r);

/*
 * Reads the body of a request that has request_body_no_buffering, and makes
 * it UTF-8 unless it is binary.  NGX_OK: pos..last is all of it; NGX_AGAIN:
 * call again when there is more; else the code of an answer.
 */
ngx_int_t ngx_http_socketio_body_read(ngx_http_request_t *r,
    ngx_http_socketio_body_t *body);

/* the handshake as the hooks see it, JSON members, 4 KB at most */
ngx_int_t ngx_http_socketio_handshake_json(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req,
    ngx_str_t *json);

ngx_int_t ngx_http_socketio_websocket(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req);
/*
 * From now on a websocket that is told that the worker leaves has little time,
 * whatever "socketio_drain" is.
 */
void ngx_http_socketio_drain_hurry(void);


#endif /* _NGX_HTTP_SOCKETIO_TRANSPORT_H_INCLUDED_ */
