
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_call_internal.h"


/* what an idle call may keep of its answer buffer */
#define NGX_HTTP_SOCKETIO_CALL_KEEP  (64 * 1024)


static ngx_http_socketio_call_t *ngx_http_socketio_call_alloc(void);
static void ngx_http_socketio_call_free(ngx_http_socketio_call_t *call);
static ngx_http_request_t *ngx_http_socketio_call_create_request(
    ngx_http_socketio_call_t *call, ngx_http_socketio_call_conf_t *conf);
static ngx_int_t ngx_http_socketio_call_init_request(
    ngx_http_socketio_call_t *call, ngx_http_socketio_call_conf_t *conf);
static void ngx_http_socketio_call_terminate(ngx_http_socketio_call_t *call,
    ngx_uint_t status);
static void ngx_http_socketio_call_deadline_handler(ngx_event_t *ev);
static void ngx_http_socketio_call_done_handler(ngx_event_t *ev);
static void ngx_http_socketio_call_finish(void *data);
static void ngx_http_socketio_call_detach(void *data);
static void ngx_http_socketio_call_closed(void *data);


static ngx_queue_t  ngx_http_socketio_call_busy_queue;
static ngx_queue_t  ngx_http_socketio_call_free_queue;
static ngx_uint_t   ngx_http_socketio_call_nbusy;

/* log_level is 0: nothing is written */
static ngx_log_t    ngx_http_socketio_call_silent_log;


#if !(NGX_STAT_STUB)

/*
 * A module built without the stub_status module may be loaded by an nginx
 * with it (the module signature does not tell), which then counts calls too.
 */

extern ngx_atomic_t  *ngx_stat_reading __attribute__((weak));
extern ngx_atomic_t  *ngx_stat_requests __attribute__((weak));
extern ngx_atomic_t  *ngx_stat_active __attribute__((weak));

#define ngx_http_socketio_call_stat(counter, n)                               \
    do {                                                                      \
        if (&counter != NULL) {                                               \
            (void) ngx_atomic_fetch_add(counter, n);                          \
        }                                                                     \
    } while (0)

#else

#define ngx_http_socketio_call_stat(counter, n)                               \
    (void) ngx_atomic_fetch_add(counter, n)

#endif


ngx_http_socketio_call_t *
ngx_http_socketio_call_start(ngx_http_socketio_call_conf_t *conf,
    ngx_log_t *log)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_socketio_call_t  *call;

    call = ngx_http_socketio_call_alloc();
    if (call == NULL) {
        return NULL;
    }

    if (ngx_http_socketio_call_connect(call, conf, log) != NGX_OK) {
        ngx_http_socketio_call_free(call);
        return NULL;
    }

    c = &call->connection;

    call->deadline.data = c;
    call->deadline.log = c->log;
    call->deadline.handler = ngx_http_socketio_call_deadline_handler;

    call->done.data = c;
    call->done.log = c->log;
    call->done.handler = ngx_http_socketio_call_done_handler;

    r = ngx_http_socketio_call_create_request(call, conf);
    if (r == NULL) {
        ngx_destroy_pool(c->pool);
        ngx_http_socketio_call_free(call);
        return NULL;
    }

    ngx_queue_insert_tail(&ngx_http_socketio_call_busy_queue, &call->queue);
    ngx_http_socketio_call_nbusy++;

    /* undone by ngx_http_close_connection() */
    ngx_http_socketio_call_stat(ngx_stat_active, 1);

    /*
     * Not cancelable, and deleted only when the handler is about to be called:
     * a worker that shuts down does not exit before.
     */
    ngx_add_timer(&call->deadline,
                  conf->timeout ? conf->timeout
                                : NGX_HTTP_SOCKETIO_CALL_TIMEOUT);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "socketio call start \"%V\" %V", &r->unparsed_uri,
                   &call->label);

    call->starting = 1;

    /*
     * client_max_body_size is for clients, and is compared where nginx finds
     * the location: the length is told when that is done.
     */

    call->size = r->headers_in.content_length_n;
    r->headers_in.content_length_n = 0;

    ngx_http_handler(r);
    ngx_http_run_posted_requests(c);

    call->starting = 0;

    return call;
}


void
ngx_http_socketio_call_abort(ngx_http_socketio_call_t *call)
{
    call->answer.aborted = 1;

    ngx_http_socketio_call_terminate(call, NGX_HTTP_CLIENT_CLOSED_REQUEST);
}


void
ngx_http_socketio_call_abort_all(void)
{
    ngx_queue_t               *q, *next;
    ngx_http_socketio_call_t  *call;

    if (ngx_http_socketio_call_nbusy == 0) {
        return;
    }

    /* handlers are called later, nothing leaves the queue meanwhile */

    for (q = ngx_queue_head(&ngx_http_socketio_call_busy_queue);
         q != ngx_queue_sentinel(&ngx_http_socketio_call_busy_queue);
         q = next)
    {
        next = ngx_queue_next(q);
        call = ngx_queue_data(q, ngx_http_socketio_call_t, queue);

        ngx_http_socketio_call_abort(call);
    }
}


ngx_http_socketio_call_answer_t *
ngx_http_socketio_call_answer(ngx_http_socketio_call_t *call)
{
    return &call->answer;
}


void *
ngx_http_socketio_call_event(ngx_http_request_t *r)
{
    ngx_http_socketio_call_t  *call;

    call = ngx_http_socketio_call_get(r);

    return call ? call->event : NULL;
}


static ngx_http_socketio_call_t *
ngx_http_socketio_call_alloc(void)
{
    size_t                     buf_size;
    u_char                    *buf;
    ngx_queue_t               *q;
    ngx_http_socketio_call_t  *call;

    if (ngx_http_socketio_call_free_queue.prev == NULL) {
        ngx_queue_init(&ngx_http_socketio_call_free_queue);
        ngx_queue_init(&ngx_http_socketio_call_busy_queue);
    }

    if (ngx_queue_empty(&ngx_http_socketio_call_free_queue)) {
        return ngx_calloc(sizeof(ngx_http_socketio_call_t), ngx_cycle->log);
    }

    q = ngx_queue_head(&ngx_http_socketio_call_free_queue);
    ngx_queue_remove(q);

    call = ngx_queue_data(q, ngx_http_socketio_call_t, queue);

    buf = call->answer.body.data;
    buf_size = call->buf_size;

    ngx_memzero(call, sizeof(ngx_http_socketio_call_t));

    call->answer.body.data = buf;
    call->buf_size = buf_size;

    return call;
}


static void
ngx_http_socketio_call_free(ngx_http_socketio_call_t *call)
{
    if (call->buf_size > NGX_HTTP_SOCKETIO_CALL_KEEP) {
        ngx_free(call->answer.body.data);
        call->answer.body.data = NULL;
        call->buf_size = 0;
    }

    ngx_queue_insert_head(&ngx_http_socketio_call_free_queue, &call->queue);
}


void
ngx_http_socketio_call_exit(void)
{
    ngx_queue_t               *q;
    ngx_http_socketio_call_t  *call;

    if (ngx_http_socketio_call_free_queue.prev == NULL) {
        return;
    }

    while (!ngx_queue_empty(&ngx_http_socketio_call_free_queue)) {

        q = ngx_queue_head(&ngx_http_socketio_call_free_queue);
        ngx_queue_remove(q);

        call = ngx_queue_data(q, ngx_http_socketio_call_t, queue);

        if (call->answer.body.data) {
            ngx_free(call->answer.body.data);
        }

        ngx_free(call);
    }
}


/*
 * The last steps of nginx with a request are, in this order: cleanups of the
 * request, log phase, r->pool, ngx_close_connection(), c->pool.  Each of the
 * three that we hook is registered before anything else, hence runs last.
 */

static ngx_http_request_t *
ngx_http_socketio_call_create_request(ngx_http_socketio_call_t *call,
    ngx_http_socketio_call_conf_t *conf)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;
    ngx_pool_cleanup_t  *ccln, *rcln;
    ngx_http_cleanup_t  *cln;

    c = &call->connection;

    ccln = ngx_pool_cleanup_add(c->pool, 0);
    if (ccln == NULL) {
        return NULL;
    }

    r = ngx_http_create_request(c);
    if (r == NULL) {
        return NULL;
    }

    /* calls are not what stub_status calls requests */

    ngx_http_socketio_call_stat(ngx_stat_requests, -1);
    ngx_http_socketio_call_stat(ngx_stat_reading, -1);
    r->stat_reading = 0;

    c->data = r;
    call->request = r;

    rcln = ngx_pool_cleanup_add(r->pool, 0);
    cln = ngx_http_cleanup_add(r, 0);

    if (rcln == NULL || cln == NULL
        || ngx_http_socketio_call_init_request(call, conf) != NGX_OK)
    {
        r->logged = 1;
        ngx_http_free_request(r, 0);
        return NULL;
    }

    ccln->handler = ngx_http_socketio_call_closed;
    ccln->data = call;

    rcln->handler = ngx_http_socketio_call_detach;
    rcln->data = call;

    cln->handler = ngx_http_socketio_call_finish;
    cln->data = call;

    return r;
}


static ngx_int_t
ngx_http_socketio_call_init_request(ngx_http_socketio_call_t *call,
    ngx_http_socketio_call_conf_t *conf)
{
    ngx_http_request_t  *r;

    r = call->request;

    if (conf->label.len) {
        call->label.data = ngx_pstrdup(r->pool, &conf->label);
        if (call->label.data == NULL) {
            return NGX_ERROR;
        }

        call->label.len = conf->label.len;
    }

    return ngx_http_socketio_call_request_init(r, conf);
}


static void
ngx_http_socketio_call_terminate(ngx_http_socketio_call_t *call,
    ngx_uint_t status)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = call->request;

    if (r == NULL || call->terminated) {
        return;
    }

    c = &call->connection;

    call->terminated = 1;
    call->log_ctx.current_request = r;

    c->error = 1;

    /* nginx does so only as long as nothing is sent, $bytes_sent being 0 */
    r->headers_out.status = status;

    /* no post_action: it would be done with c->error set, and not be ended */

    r->post_action = 1;
    r->uri_changes = 0;

    /*
     * The reference is for the cleanup of an upstream, which finalizes with
     * NGX_DONE: without it that would be the last one, and the request freed
     * while ngx_http_terminate_request() still walks its cleanups.
     */

    r->count++;

    ngx_http_finalize_request(r, status);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_socketio_call_deadline_handler(ngx_event_t *ev)
{
    char                      *more;
    ngx_http_socketio_call_t  *call;

    call = ev->data;

    if (call->request == NULL || call->terminated) {
        return;
    }

    more = ngx_socketio_say(&call->said[NGX_HTTP_SOCKETIO_CALL_SAID_TIMEOUT],
                            call->zone->counters);

    if (more) {
        ngx_log_error(NGX_LOG_ERR, call->connection.log, NGX_ETIMEDOUT,
                      "socketio call timed out%s", more);
    }

    call->answer.timed_out = 1;

    ngx_http_socketio_call_terminate(call, NGX_HTTP_GATEWAY_TIME_OUT);
}


static void
ngx_http_socketio_call_done_handler(ngx_event_t *ev)
{
    ngx_http_socketio_call_t  *call;

    call = ev->data;

    if (call->deadline.timer_set) {
        ngx_del_timer(&call->deadline);
    }

    ngx_queue_remove(&call->queue);
    ngx_http_socketio_call_nbusy--;

    call->answer.elapsed = ngx_current_msec - call->start;

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, &call->log, 0,
                   "socketio call done: %ui, %uz bytes, complete:%d, %Mms",
                   call->answer.status, call->answer.body.len,
                   call->answer.complete, call->answer.elapsed);

    call->handler(call, call->data);

    ngx_http_socketio_call_free(call);
}


/* r->cleanup: the request has ended or is being terminated */

static void
ngx_http_socketio_call_finish(void *data)
{
    ngx_http_socketio_call_t *call = data;

    ngx_http_request_t  *r;

    r = call->request;

    if (!r->header_sent && !call->terminated) {
        ngx_http_socketio_call_status(call, r);
    }

    call->finished = 1;

    /*
     * Set by "return 444" and send_timeout: with reset_timedout_connection
     * nginx would set SO_LINGER on a socket that does not exist.
     */

    call->connection.timedout = 0;
}


/* r->pool */

static void
ngx_http_socketio_call_detach(void *data)
{
    ngx_http_socketio_call_t *call = data;

    call->request = NULL;
    ngx_str_null(&call->label);

    /* "connection already closed": it is right, the descriptor is -1 */

    call->connection.log = &ngx_http_socketio_call_silent_log;
}


/*
 * c->pool: nginx is about to do nothing more with the call.  Callers up the
 * stack may still look at c->destroyed, so the call is not reused before the
 * next round of posted events.
 */

static void
ngx_http_socketio_call_closed(void *data)
{
    ngx_http_socketio_call_t *call = data;

    /* ngx_close_connection() has not come so far */

    if (call->read.timer_set) {
        ngx_del_timer(&call->read);
    }

    if (call->write.timer_set) {
        ngx_del_timer(&call->write);
    }

    if (call->read.posted) {
        ngx_delete_posted_event(&call->read);
    }

    if (call->write.posted) {
        ngx_delete_posted_event(&call->write);
    }

    /*
     * A location that answers by itself would let handlers that start the next
     * call run forever: nginx empties ngx_posted_events before it looks at
     * other connections.
     */

    if (call->starting) {
        ngx_post_event(&call->done, &ngx_posted_next_events);

    } else {
        ngx_post_event(&call->done, &ngx_posted_events);
    }
}
