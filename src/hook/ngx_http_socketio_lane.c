
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_lane_internal.h"


#define NGX_HTTP_SOCKETIO_LANE_KNOWN  1024

/* sessions of other batches that are passed over while one is made */
#define NGX_HTTP_SOCKETIO_LANE_SKIP   256


static ngx_http_socketio_owned_t *ngx_http_socketio_lane_find(
    ngx_socketio_zone_t *zone, ngx_socketio_id_t *id, uint32_t tenure);
static void ngx_http_socketio_lane_arrived(ngx_event_t *ev);
static ngx_int_t ngx_http_socketio_lane_enter(
    ngx_http_socketio_owned_t *session);
static ngx_int_t ngx_http_socketio_lane_pass_on(
    ngx_http_socketio_owned_t *session);
static void ngx_http_socketio_lane_pass_on_queue(ngx_queue_t *queue);
static ngx_http_socketio_lanes_t *ngx_http_socketio_lane_get(
    ngx_socketio_zone_t *zone, ngx_http_socketio_loc_conf_t *conf);
static void ngx_http_socketio_lane_post(ngx_http_socketio_lane_t *lane);
static void ngx_http_socketio_lane_run(ngx_event_t *ev);
static ngx_int_t ngx_http_socketio_lane_gather(
    ngx_http_socketio_lane_t *lane);
static void ngx_http_socketio_lane_send(ngx_http_socketio_lane_t *lane);
static ngx_http_socketio_call_t *ngx_http_socketio_lane_call(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_loc_conf_t *conf);
static void ngx_http_socketio_lane_answer(ngx_http_socketio_call_t *call,
    void *data);
static ngx_int_t ngx_http_socketio_lane_again(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_loc_conf_t *conf,
    time_t retry_after);
static void ngx_http_socketio_lane_retry(ngx_event_t *ev);
static void ngx_http_socketio_lane_repeat(ngx_event_t *ev);
static void ngx_http_socketio_lane_done(ngx_http_socketio_batch_t *batch);
static void ngx_http_socketio_lane_failed(ngx_http_socketio_batch_t *batch);
static void ngx_http_socketio_lane_settle(ngx_http_socketio_lane_t *lane,
    ngx_http_socketio_owned_t *session, ngx_uint_t n);
static void ngx_http_socketio_lane_free(ngx_http_socketio_batch_t *batch);


static ngx_queue_t  ngx_http_socketio_lane_all;
static ngx_queue_t  ngx_http_socketio_lane_new;
static ngx_queue_t  ngx_http_socketio_lane_known[
                                               NGX_HTTP_SOCKETIO_LANE_KNOWN];
static ngx_event_t  ngx_http_socketio_lane_new_event;
static ngx_uint_t   ngx_http_socketio_lane_leaving;


#define ngx_http_socketio_lane_hash(id)                                       \
    (((id)->ref * 0x9e3779b1u ^ (id)->gen * 0x85ebca6bu) >> 8)


/*
 * May be called from within anything that lets go of the zone's lock, also
 * by what an answer does: all is left to a posted event, which runs before
 * the worker sleeps.
 */

void
ngx_http_socketio_lane_inbox(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, uint32_t tenure)
{
    ngx_uint_t                  i;
    ngx_http_socketio_owned_t  *session;

    if (ngx_http_socketio_lane_all.next == NULL) {
        ngx_queue_init(&ngx_http_socketio_lane_all);
        ngx_queue_init(&ngx_http_socketio_lane_new);

        for (i = 0; i < NGX_HTTP_SOCKETIO_LANE_KNOWN; i++) {
            ngx_queue_init(&ngx_http_socketio_lane_known[i]);
        }
    }

    /* a bell may be rung twice */

    if (ngx_http_socketio_lane_find(zone, id, tenure)) {
        return;
    }

    session = ngx_calloc(sizeof(ngx_http_socketio_owned_t), ngx_cycle->log);
    if (session == NULL) {
        (void) ngx_socketio_inbox_pass_on(zone, id, tenure);
        return;
    }

    session->zone = zone;
    session->id = *id;
    session->tenure = tenure;

    i = ngx_http_socketio_lane_hash(id) % NGX_HTTP_SOCKETIO_LANE_KNOWN;

    ngx_queue_insert_head(&ngx_http_socketio_lane_known[i], &session->known);
    ngx_queue_insert_tail(&ngx_http_socketio_lane_new, &session->queue);

    ngx_http_socketio_lane_new_event.handler = ngx_http_socketio_lane_arrived;
    ngx_http_socketio_lane_new_event.log = ngx_cycle->log;
    ngx_http_socketio_lane_new_event.data = &ngx_http_socketio_lane_known;

    ngx_post_event(&ngx_http_socketio_lane_new_event, &ngx_posted_events);
}


static ngx_http_socketio_owned_t *
ngx_http_socketio_lane_find(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t tenure)
{
    ngx_queue_t                *q, *bucket;
    ngx_http_socketio_owned_t  *session;

    bucket = &ngx_http_socketio_lane_known[ngx_http_socketio_lane_hash(id)
                                           % NGX_HTTP_SOCKETIO_LANE_KNOWN];

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        session = ngx_queue_data(q, ngx_http_socketio_owned_t, known);

        if (session->zone == zone
            && session->id.ref == id->ref
            && session->id.gen == id->gen
            && session->tenure == tenure)
        {
            return session;
        }
    }

    return NULL;
}


/* it must be on no list */

void
ngx_http_socketio_lane_forget(ngx_http_socketio_owned_t *session)
{
    ngx_queue_remove(&session->known);
    ngx_free(session);
}


static void
ngx_http_socketio_lane_arrived(ngx_event_t *ev)
{
    ngx_queue_t                *q;
    ngx_http_socketio_owned_t  *session;

    while (!ngx_queue_empty(&ngx_http_socketio_lane_new)) {

        q = ngx_queue_head(&ngx_http_socketio_lane_new);
        ngx_queue_remove(q);

        session = ngx_queue_data(q, ngx_http_socketio_owned_t, queue);

        if (ngx_http_socketio_lane_enter(session) != NGX_OK) {
            ngx_queue_insert_head(&ngx_http_socketio_lane_new, q);

            if (!ev->timer_set) {
                ngx_add_timer(ev, NGX_HTTP_SOCKETIO_LANE_DELAY);
            }

            return;
        }
    }
}


/* NGX_ERROR: no memory, it is on no list */

static ngx_int_t
ngx_http_socketio_lane_enter(ngx_http_socketio_owned_t *session)
{
    ngx_uint_t                     n;
    ngx_socketio_entry_t           entry;
    ngx_http_socketio_lane_t      *lane;
    ngx_http_socketio_lanes_t     *lanes;
    ngx_http_socketio_loc_conf_t  *conf;

    if ((ngx_exiting || ngx_http_socketio_lane_leaving)
        && ngx_http_socketio_lane_pass_on(session) == NGX_OK)
    {
        return NGX_OK;
    }

    n = 1;

    if (ngx_socketio_inbox_peek(session->zone, &session->id, session->tenure,
                                0, &entry, &n)
        != NGX_OK
        || (n == 0
            && ngx_socketio_inbox_done(session->zone, &session->id,
                                       session->tenure, 0)
               != NGX_AGAIN))
    {
        ngx_http_socketio_lane_forget(session);
        return NGX_OK;
    }

    if (n == 0) {
        return NGX_ERROR;
    }

    conf = ngx_http_socketio_location(session->zone, entry.location);

    if (conf == NULL) {
        (void) ngx_http_socketio_batch_take(NULL, NULL, NULL, session);
        return NGX_OK;
    }

    lanes = ngx_http_socketio_lane_get(session->zone, conf);
    if (lanes == NULL) {
        return NGX_ERROR;
    }

    lane = &lanes->lane[ngx_http_socketio_lane_hash(&session->id) % lanes->n];

    ngx_queue_insert_tail(&lane->waiting, &session->queue);
    ngx_http_socketio_lane_post(lane);

    return NGX_OK;
}


/* NGX_OK: it has been freed; NGX_DECLINED: nobody else takes it */

static ngx_int_t
ngx_http_socketio_lane_pass_on(ngx_http_socketio_owned_t *session)
{
    if (ngx_socketio_inbox_pass_on(session->zone, &session->id,
                                   session->tenure)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_http_socketio_lane_forget(session);

    return NGX_OK;
}


void
ngx_http_socketio_lane_leave(void)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q;
    ngx_http_socketio_lanes_t  *lanes;

    ngx_http_socketio_lane_leaving = 1;

    if (ngx_http_socketio_lane_all.next == NULL) {
        return;
    }

    ngx_http_socketio_lane_pass_on_queue(&ngx_http_socketio_lane_new);

    for (q = ngx_queue_head(&ngx_http_socketio_lane_all);
         q != ngx_queue_sentinel(&ngx_http_socketio_lane_all);
         q = ngx_queue_next(q))
    {
        lanes = ngx_queue_data(q, ngx_http_socketio_lanes_t, queue);

        for (i = 0; i < lanes->n; i++) {
            ngx_http_socketio_lane_pass_on_queue(&lanes->lane[i].waiting);
            ngx_http_socketio_lane_pass_on_queue(&lanes->lane[i].left);

            if (ngx_queue_empty(&lanes->lane[i].left)
                && lanes->lane[i].repeat.timer_set)
            {
                ngx_del_timer(&lanes->lane[i].repeat);
            }
        }
    }
}


static void
ngx_http_socketio_lane_pass_on_queue(ngx_queue_t *queue)
{
    ngx_queue_t                *q;
    ngx_http_socketio_owned_t  *session;

    while (!ngx_queue_empty(queue)) {

        q = ngx_queue_head(queue);
        ngx_queue_remove(q);

        session = ngx_queue_data(q, ngx_http_socketio_owned_t, queue);

        if (ngx_http_socketio_lane_pass_on(session) != NGX_OK) {
            ngx_queue_insert_head(queue, q);
            return;
        }
    }
}


static ngx_http_socketio_lanes_t *
ngx_http_socketio_lane_get(ngx_socketio_zone_t *zone,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q;
    ngx_http_socketio_lane_t   *lane;
    ngx_http_socketio_lanes_t  *lanes;

    for (q = ngx_queue_head(&ngx_http_socketio_lane_all);
         q != ngx_queue_sentinel(&ngx_http_socketio_lane_all);
         q = ngx_queue_next(q))
    {
        lanes = ngx_queue_data(q, ngx_http_socketio_lanes_t, queue);

        if (lanes->zone == zone && lanes->location == conf->number) {
            return lanes;
        }
    }

    lanes = ngx_calloc(sizeof(ngx_http_socketio_lanes_t)
                       + (conf->lanes - 1) * sizeof(ngx_http_socketio_lane_t),
                       ngx_cycle->log);
    if (lanes == NULL) {
        return NULL;
    }

    lanes->zone = zone;
    lanes->location = conf->number;
    lanes->n = conf->lanes;

    for (i = 0; i < lanes->n; i++) {
        lane = &lanes->lane[i];
        lane->lanes = lanes;

        ngx_queue_init(&lane->waiting);
        ngx_queue_init(&lane->left);

        lane->post.handler = ngx_http_socketio_lane_run;
        lane->post.log = ngx_cycle->log;
        lane->post.data = lane;

        /* not cancelable: a worker that shuts down finishes its batches */

        lane->retry.handler = ngx_http_socketio_lane_retry;
        lane->retry.log = ngx_cycle->log;
        lane->retry.data = lane;

        lane->repeat.handler = ngx_http_socketio_lane_repeat;
        lane->repeat.log = ngx_cycle->log;
        lane->repeat.data = lane;
    }

    ngx_queue_insert_tail(&ngx_http_socketio_lane_all, &lanes->queue);

    return lanes;
}


static void
ngx_http_socketio_lane_post(ngx_http_socketio_lane_t *lane)
{
    if (lane->batch == NULL) {
        ngx_post_event(&lane->post, &ngx_posted_events);
    }
}


static void
ngx_http_socketio_lane_run(ngx_event_t *ev)
{
    ngx_http_socketio_lane_t  *lane;

    lane = ev->data;

    if (lane->batch) {
        return;
    }

    if (ngx_http_socketio_lane_gather(lane) != NGX_OK) {

        /* no memory */

        if (!lane->retry.timer_set) {
            ngx_add_timer(&lane->retry, NGX_HTTP_SOCKETIO_LANE_DELAY);
        }

        return;
    }

    if (lane->batch) {
        ngx_http_socketio_lane_send(lane);
    }
}


/* The next batch; sessions that belong to another one keep their place. */

static ngx_int_t
ngx_http_socketio_lane_gather(ngx_http_socketio_lane_t *lane)
{
    ngx_int_t                      rc;
    ngx_uint_t                     n;
    ngx_queue_t                   *q, skipped;
    ngx_http_socketio_batch_t     *batch;
    ngx_http_socketio_owned_t     *session;
    ngx_http_socketio_loc_conf_t  *conf;

    conf = ngx_http_socketio_location(lane->lanes->zone,
                                      lane->lanes->location);
    batch = NULL;
    rc = NGX_OK;
    n = 0;

    ngx_queue_init(&skipped);

    while (!ngx_queue_empty(&lane->waiting)
           && n < NGX_HTTP_SOCKETIO_LANE_SKIP)
    {
        q = ngx_queue_head(&lane->waiting);
        ngx_queue_remove(q);

        session = ngx_queue_data(q, ngx_http_socketio_owned_t, queue);

        rc = ngx_http_socketio_batch_take(lane, conf, &batch, session);

        if (rc == NGX_AGAIN) {
            ngx_queue_insert_tail(&skipped, q);
            n++;

        } else if (rc != NGX_OK && rc != NGX_DONE) {
            ngx_queue_insert_head(&lane->waiting, q);
            break;

        } else if (rc == NGX_OK) {
            batch->attempt = ngx_max(batch->attempt, session->attempts);
        }

        if (batch && batch->full) {
            break;
        }
    }

    if (!ngx_queue_empty(&skipped)) {
        ngx_queue_add(&skipped, &lane->waiting);
        ngx_queue_init(&lane->waiting);
        ngx_queue_add(&lane->waiting, &skipped);
    }

    if (batch == NULL) {
        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_OK;
    }

    batch->start = ngx_current_msec;
    batch->delay = NGX_HTTP_SOCKETIO_LANE_DELAY;
    lane->batch = batch;

    if (ngx_http_socketio_batch_close(batch) != NGX_OK) {
        ngx_http_socketio_lane_free(batch);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_socketio_lane_send(ngx_http_socketio_lane_t *lane)
{
    ngx_http_socketio_batch_t     *batch;
    ngx_http_socketio_loc_conf_t  *conf;

    batch = lane->batch;
    conf = ngx_http_socketio_location(lane->lanes->zone,
                                      lane->lanes->location);
    if (conf == NULL) {
        ngx_http_socketio_lane_free(batch);
        ngx_http_socketio_lane_post(lane);
        return;
    }

    batch->attempt++;

    if (ngx_http_socketio_lane_call(batch, conf) == NULL) {

        /* no memory; the handler will not be called */

        batch->attempt--;
        ngx_add_timer(&lane->retry, NGX_HTTP_SOCKETIO_LANE_DELAY);
    }
}


static ngx_http_socketio_call_t *
ngx_http_socketio_lane_call(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf)
{
    u_char                          node[sizeof("00000000")];
    u_char                          attempt[NGX_INT_T_LEN];
    ngx_msec_t                      elapsed;
    ngx_keyval_t                    headers[5];
    ngx_http_socketio_call_conf_t   call;

    ngx_str_set(&headers[0].key, "Content-Type");
    ngx_str_set(&headers[0].value, "application/json");

    ngx_str_set(&headers[1].key, "X-Socketio-Version");
    ngx_str_set(&headers[1].value, "1");

    ngx_str_set(&headers[2].key, "X-Socketio-Node");
    headers[2].value.data = node;
    headers[2].value.len = ngx_sprintf(node, "%08xD",
                                       batch->lane->lanes->zone->sh->boot)
                           - node;

    ngx_str_set(&headers[3].key, "X-Socketio-Batch");
    headers[3].value = batch->id;

    ngx_str_set(&headers[4].key, "X-Socketio-Attempt");
    headers[4].value.data = attempt;
    headers[4].value.len = ngx_sprintf(attempt, "%ui", batch->attempt)
                           - attempt;

    elapsed = ngx_current_msec - batch->start;

    ngx_memzero(&call, sizeof(ngx_http_socketio_call_conf_t));

    call.conf_ctx = conf->ctx;
    call.uri = batch->hook->uri;
    call.headers = headers;
    call.nheaders = 5;
    call.body = batch->body;
    call.sockaddr = batch->sockaddr;
    call.socklen = batch->socklen;
    call.addr_text = batch->addr_text;
    call.label = batch->id;
    call.timeout = (conf->hook_timeout > elapsed)
                   ? conf->hook_timeout - elapsed : 1;
    call.max_answer = NGX_HTTP_SOCKETIO_LANE_ANSWER;
    call.handler = ngx_http_socketio_lane_answer;
    call.data = batch;
    call.event = batch->event;

    return ngx_http_socketio_call_start(&call, ngx_cycle->log);
}


static void
ngx_http_socketio_lane_answer(ngx_http_socketio_call_t *call, void *data)
{
    ngx_http_socketio_batch_t *batch = data;

    ngx_uint_t                        retry;
    ngx_http_socketio_lane_t         *lane;
    ngx_http_socketio_loc_conf_t     *conf;
    ngx_http_socketio_call_answer_t  *answer;

    lane = batch->lane;
    answer = ngx_http_socketio_call_answer(call);
    conf = ngx_http_socketio_location(lane->lanes->zone,
                                      lane->lanes->location);

    if (answer->aborted) {

        /* this worker is about to end: others take what it leaves */

        ngx_http_socketio_lane_free(batch);
        return;
    }

    if (conf == NULL) {
        ngx_http_socketio_lane_free(batch);
        ngx_http_socketio_lane_post(lane);
        return;
    }

    retry = 0;

    switch (answer->status) {

    /* nginx says the first two if nobody answered: who knows what was done */

    case NGX_HTTP_BAD_GATEWAY:
    case NGX_HTTP_GATEWAY_TIME_OUT:
        batch->heard = 1;

        /* fall through */

    case NGX_HTTP_SERVICE_UNAVAILABLE:
    case NGX_HTTP_TOO_MANY_REQUESTS:
        retry = 1;
        break;

    default:

        if (answer->status == 0
            || (answer->status < 300
                && !answer->complete
                && !answer->too_large))
        {
            batch->heard = 1;
            retry = 1;
        }
    }

    if (retry
        && ngx_http_socketio_lane_again(batch, conf, answer->retry_after)
           == NGX_OK)
    {
        return;
    }

    if (!retry && answer->status >= 200 && answer->status < 300) {
        ngx_http_socketio_answer_run(batch, conf, &answer->body,
                                     answer->complete && !answer->too_large);
        ngx_http_socketio_lane_done(batch);

    } else {
        ngx_http_socketio_answer_fail(batch, conf, answer, !retry);
        ngx_http_socketio_lane_failed(batch);
    }

    ngx_http_socketio_lane_free(batch);
    ngx_http_socketio_lane_post(lane);
}


/* NGX_DECLINED: time is up */

static ngx_int_t
ngx_http_socketio_lane_again(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, time_t retry_after)
{
    ngx_msec_t  elapsed, left, delay;

    elapsed = ngx_current_msec - batch->start;

    /* those have 60 s, but do not hold up the lane */

    if (batch->left || elapsed >= conf->hook_timeout) {
        return NGX_DECLINED;
    }

    left = conf->hook_timeout - elapsed;

    delay = batch->delay;
    batch->delay = ngx_min(2 * delay, NGX_HTTP_SOCKETIO_LANE_MAX_DELAY);

    if (retry_after >= 0) {

        if ((ngx_msec_t) retry_after >= (left + 999) / 1000) {
            return NGX_DECLINED;
        }

        delay = ngx_max(delay, (ngx_msec_t) retry_after * 1000);
    }

    if (delay >= left) {

        /* a last attempt, if there is time for an answer to it */

        if (left <= 2 * NGX_HTTP_SOCKETIO_LANE_DELAY) {
            return NGX_DECLINED;
        }

        delay = left - NGX_HTTP_SOCKETIO_LANE_DELAY;
    }

    ngx_add_timer(&batch->lane->retry, delay);

    return NGX_OK;
}


static void
ngx_http_socketio_lane_retry(ngx_event_t *ev)
{
    ngx_http_socketio_lane_t  *lane;

    lane = ev->data;

    if (lane->batch) {
        ngx_http_socketio_lane_send(lane);
        return;
    }

    ngx_http_socketio_lane_post(lane);
}


static void
ngx_http_socketio_lane_repeat(ngx_event_t *ev)
{
    ngx_http_socketio_lane_t  *lane;

    lane = ev->data;

    if (!ngx_queue_empty(&lane->left)) {
        ngx_queue_add(&lane->waiting, &lane->left);
        ngx_queue_init(&lane->left);
    }

    ngx_http_socketio_lane_post(lane);
}


/* the commands of the answer have run: now, and not before, entries go */

static void
ngx_http_socketio_lane_done(ngx_http_socketio_batch_t *batch)
{
    ngx_queue_t                *q;
    ngx_http_socketio_owned_t  *session;

    if (batch->left) {
        batch->lane->left_delay = 0;
    }

    while (!ngx_queue_empty(&batch->sessions)) {

        q = ngx_queue_head(&batch->sessions);
        ngx_queue_remove(q);

        session = ngx_queue_data(q, ngx_http_socketio_owned_t, queue);

        session->left = 0;
        session->attempts = 0;

        ngx_http_socketio_lane_settle(batch->lane, session, session->n);
    }
}


/*
 * Events are dropped.  A disconnect is what a backend's idea of who is there
 * depends on: it is repeated, with what is behind it in the same session,
 * while the lane goes on with others.
 */

static void
ngx_http_socketio_lane_failed(ngx_http_socketio_batch_t *batch)
{
    ngx_uint_t                  n;
    ngx_queue_t                *q;
    ngx_http_socketio_lane_t   *lane;
    ngx_http_socketio_owned_t  *session;

    lane = batch->lane;

    while (!ngx_queue_empty(&batch->sessions)) {

        q = ngx_queue_head(&batch->sessions);
        ngx_queue_remove(q);

        session = ngx_queue_data(q, ngx_http_socketio_owned_t, queue);
        n = ngx_min(session->keep, session->n);

        if (n == session->n) {
            session->attempts = 0;

        } else if (!session->left) {
            session->left = 1;
            session->since = batch->start;
            session->attempts = batch->attempt;

        } else if (ngx_current_msec - session->since
                   >= NGX_HTTP_SOCKETIO_LANE_DISCONNECT)
        {
            n = session->n;
            session->left = 0;
            session->attempts = 0;

        } else {
            session->attempts = batch->attempt;
        }

        ngx_http_socketio_lane_settle(lane, session, n);
    }

    if (!ngx_queue_empty(&lane->left) && !lane->repeat.timer_set) {

        lane->left_delay = lane->left_delay
                           ? ngx_min(2 * lane->left_delay,
                                     NGX_HTTP_SOCKETIO_LANE_MAX_DELAY)
                           : NGX_HTTP_SOCKETIO_LANE_DELAY;

        ngx_add_timer(&lane->repeat, lane->left_delay);
    }
}


/* n entries are done with; the session is on no list */

static void
ngx_http_socketio_lane_settle(ngx_http_socketio_lane_t *lane,
    ngx_http_socketio_owned_t *session, ngx_uint_t n)
{
    if (ngx_socketio_inbox_done(session->zone, &session->id, session->tenure,
                                n)
        != NGX_AGAIN)
    {
        ngx_http_socketio_lane_forget(session);
        return;
    }

    session->n = 0;
    session->hook = NULL;

    if ((ngx_exiting || ngx_http_socketio_lane_leaving)
        && ngx_http_socketio_lane_pass_on(session) == NGX_OK)
    {
        return;
    }

    ngx_queue_insert_tail(session->left ? &lane->left : &lane->waiting,
                          &session->queue);
}


/* sessions still in it wait again, as if it had not been */

static void
ngx_http_socketio_lane_free(ngx_http_socketio_batch_t *batch)
{
    ngx_queue_t                *q;
    ngx_http_socketio_lane_t   *lane;
    ngx_http_socketio_owned_t  *session;

    lane = batch->lane;

    while (!ngx_queue_empty(&batch->sessions)) {

        q = ngx_queue_last(&batch->sessions);
        ngx_queue_remove(q);

        session = ngx_queue_data(q, ngx_http_socketio_owned_t, queue);

        if ((ngx_exiting || ngx_http_socketio_lane_leaving)
            && ngx_http_socketio_lane_pass_on(session) == NGX_OK)
        {
            continue;
        }

        ngx_queue_insert_head(&lane->waiting, q);
    }

    lane->batch = NULL;
    ngx_destroy_pool(batch->pool);
}


ngx_uint_t
ngx_http_socketio_lane_may_say(ngx_http_socketio_lane_t *lane,
    ngx_uint_t condition, ngx_uint_t *skipped)
{
    ngx_http_socketio_said_t  *said;

    said = &lane->said[condition];

    if (ngx_time() - said->since >= 60 || ngx_time() < said->since) {
        said->since = ngx_time();
        said->lines = 0;
    }

    if (said->lines >= NGX_HTTP_SOCKETIO_LANE_LINES) {
        said->skipped++;
        return 0;
    }

    *skipped = said->skipped;

    said->lines++;
    said->skipped = 0;

    return 1;
}


ngx_http_socketio_lane_event_t *
ngx_http_socketio_lane_event(ngx_http_request_t *r)
{
    return ngx_http_socketio_call_event(r);
}
