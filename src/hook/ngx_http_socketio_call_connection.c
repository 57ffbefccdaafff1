
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_call_internal.h"

#include <nginx.h>


static void ngx_http_socketio_call_init_events(ngx_http_socketio_call_t *call);
static void ngx_http_socketio_call_init_addrs(ngx_http_socketio_call_t *call,
    ngx_http_socketio_call_conf_t *conf);
static socklen_t ngx_http_socketio_call_copy_addr(ngx_sockaddr_t *dst,
    struct sockaddr *sa, socklen_t socklen);
static void ngx_http_socketio_call_event_handler(ngx_event_t *ev);
static u_char *ngx_http_socketio_call_log_error(ngx_log_t *log, u_char *buf,
    size_t len);
static ssize_t ngx_http_socketio_call_recv(ngx_connection_t *c, u_char *buf,
    size_t size);
static ssize_t ngx_http_socketio_call_recv_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static ssize_t ngx_http_socketio_call_send(ngx_connection_t *c, u_char *buf,
    size_t size);
static ngx_chain_t *ngx_http_socketio_call_send_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);


/* not used by nginx itself for such a request, but never NULL elsewhere */
static ngx_listening_t  ngx_http_socketio_call_listening;


ngx_int_t
ngx_http_socketio_call_connect(ngx_http_socketio_call_t *call,
    ngx_http_socketio_call_conf_t *conf, ngx_log_t *log)
{
    ngx_connection_t          *c;
    ngx_http_core_srv_conf_t  *cscf;

    c = &call->connection;

    call->start = ngx_current_msec;
    call->handler = conf->handler;
    call->part = conf->part;
    call->data = conf->data;
    call->event = conf->event;
    call->said = conf->said;
    call->zone = conf->zone;
    call->max_answer = conf->max_answer ? conf->max_answer
                                        : NGX_HTTP_SOCKETIO_CALL_MAX_ANSWER;
    call->answer.retry_after = -1;
    call->answer.content_type.data = call->content_type;

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);

    call->log = *log;
    call->log.connection = c->number;
    call->log.handler = ngx_http_socketio_call_log_error;
    call->log.data = &call->log_ctx;
    call->log.action = NULL;
    call->log_ctx.connection = c;

    ngx_http_socketio_call_init_events(call);
    ngx_http_socketio_call_init_addrs(call, conf);

    cscf = conf->conf_ctx->srv_conf[ngx_http_core_module.ctx_index];

    call->addr_conf.default_server = cscf;
    call->hc.addr_conf = &call->addr_conf;
    call->hc.conf_ctx = conf->conf_ctx;

    c->data = &call->hc;
    c->log = &call->log;
    c->log_error = NGX_ERROR_INFO;
    c->buffer = &call->header_in;
    c->listening = &ngx_http_socketio_call_listening;
#if (nginx_version >= 1019010)
    c->start_time = ngx_current_msec;
#endif

    c->pool = ngx_create_pool(cscf->connection_pool_size, c->log);

    return c->pool ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_socketio_call_init_events(ngx_http_socketio_call_t *call)
{
    ngx_connection_t  *c;

    c = &call->connection;

    c->fd = (ngx_socket_t) -1;
    c->type = SOCK_STREAM;
    c->read = &call->read;
    c->write = &call->write;
    c->recv = ngx_http_socketio_call_recv;
    c->send = ngx_http_socketio_call_send;
    c->recv_chain = ngx_http_socketio_call_recv_chain;
    c->send_chain = ngx_http_socketio_call_send_chain;

    /* otherwise unbuffered proxying calls setsockopt() */
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;
    c->sndlowat = 1;

    /*
     * ngx_handle_read_event() and ngx_handle_write_event() must find nothing
     * to do: "active" keeps edge-triggered methods from adding the descriptor,
     * while level-triggered ones would delete what is active and ready.
     */

    call->read.active = 1;
    call->write.active = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? 1 : 0;
    call->write.ready = 1;
    call->write.write = 1;

    /* nobody sends more: no lingering close, even if it is set to "always" */
    call->read.eof = 1;

    call->read.data = c;
    call->read.log = &call->log;
    call->read.index = NGX_INVALID_INDEX;
    call->read.handler = ngx_http_socketio_call_event_handler;

    call->write.data = c;
    call->write.log = &call->log;
    call->write.index = NGX_INVALID_INDEX;
    call->write.handler = ngx_http_socketio_call_event_handler;
}


static void
ngx_http_socketio_call_init_addrs(ngx_http_socketio_call_t *call,
    ngx_http_socketio_call_conf_t *conf)
{
    size_t             len;
    ngx_connection_t  *c;

    c = &call->connection;

    c->sockaddr = &call->sockaddr.sockaddr;
    c->socklen = ngx_http_socketio_call_copy_addr(&call->sockaddr,
                                                  conf->sockaddr,
                                                  conf->socklen);

    c->local_sockaddr = &call->local_sockaddr.sockaddr;
    c->local_socklen = ngx_http_socketio_call_copy_addr(&call->local_sockaddr,
                                                        conf->local_sockaddr,
                                                        conf->local_socklen);

    /* a wildcard address would have nginx ask the kernel for the real one */

    if (ngx_inet_wildcard(c->local_sockaddr)) {
        switch (c->local_sockaddr->sa_family) {

#if (NGX_HAVE_INET6)
        case AF_INET6:
            call->local_sockaddr.sockaddr_in6.sin6_addr.s6_addr[15] = 1;
            break;
#endif

        default:
            call->local_sockaddr.sockaddr_in.sin_addr.s_addr =
                                                       htonl(INADDR_LOOPBACK);
        }
    }

    if (conf->addr_text.len) {
        len = ngx_min(conf->addr_text.len, NGX_SOCKADDR_STRLEN);
        ngx_memcpy(call->addr_text, conf->addr_text.data, len);

    } else {
        len = ngx_sock_ntop(c->sockaddr, c->socklen, call->addr_text,
                            NGX_SOCKADDR_STRLEN, 0);
    }

    c->addr_text.len = len;
    c->addr_text.data = call->addr_text;
}


static socklen_t
ngx_http_socketio_call_copy_addr(ngx_sockaddr_t *dst, struct sockaddr *sa,
    socklen_t socklen)
{
    if (sa && socklen && socklen <= (socklen_t) sizeof(ngx_sockaddr_t)) {
        ngx_memcpy(dst, sa, socklen);
        return socklen;
    }

    dst->sockaddr_in.sin_family = AF_INET;
    dst->sockaddr_in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    return sizeof(struct sockaddr_in);
}


/*
 * A module context would not do: internal redirects clear them.
 */

ngx_http_socketio_call_t *
ngx_http_socketio_call_get(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    if (c->recv != ngx_http_socketio_call_recv) {
        return NULL;
    }

    return (ngx_http_socketio_call_t *) c;
}


/* ngx_http_request_handler(), which nginx does not export */

static void
ngx_http_socketio_call_event_handler(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_socketio_call_t  *call;

    c = ev->data;
    r = c->data;

    call = (ngx_http_socketio_call_t *) c;
    call->log_ctx.current_request = r;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "socketio call run \"%V?%V\"", &r->uri, &r->args);

    if (ev->delayed && ev->timedout) {
        ev->delayed = 0;
        ev->timedout = 0;
    }

    if (ev->write) {
        r->write_event_handler(r);

    } else {
        r->read_event_handler(r);
    }

    ngx_http_run_posted_requests(c);
}


static u_char *
ngx_http_socketio_call_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                    *p;
    ngx_http_request_t        *r;
    ngx_http_log_ctx_t        *ctx;
    ngx_http_socketio_call_t  *call;

    ctx = log->data;
    call = (ngx_http_socketio_call_t *) ctx->connection;
    p = buf;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    if (call->label.len) {
        p = ngx_snprintf(buf, len, ", socketio call: %V", &call->label);
        len -= p - buf;
        buf = p;
    }

    p = ngx_snprintf(buf, len, ", client: %V", &ctx->connection->addr_text);
    len -= p - buf;

    r = ctx->request;

    return r ? r->log_handler(r, ctx->current_request, p, len) : p;
}


static ssize_t
ngx_http_socketio_call_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    return NGX_AGAIN;
}


static ssize_t
ngx_http_socketio_call_recv_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    return NGX_AGAIN;
}


static ssize_t
ngx_http_socketio_call_send(ngx_connection_t *c, u_char *buf, size_t size)
{
    return size;
}


/* what is not captured, e.g. from subrequests: taken and forgotten */

static ngx_chain_t *
ngx_http_socketio_call_send_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    for ( /* void */ ; in; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }

    return NULL;
}
