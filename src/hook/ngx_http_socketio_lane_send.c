
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_lane_internal.h"
#include "hook/ngx_http_socketio_sign.h"


static ngx_http_socketio_call_t *ngx_http_socketio_lane_call(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_loc_conf_t *conf);
static size_t ngx_http_socketio_lane_part(ngx_http_socketio_call_t *call,
    void *data);
static void ngx_http_socketio_lane_answer(ngx_http_socketio_call_t *call,
    void *data);
static void ngx_http_socketio_lane_sent(ngx_http_socketio_batch_t *batch);
static void ngx_http_socketio_lane_answered(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_call_answer_t *answer);
static ngx_uint_t ngx_http_socketio_lane_retriable(
    ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_call_answer_t *answer);
static ngx_int_t ngx_http_socketio_lane_again(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_loc_conf_t *conf,
    time_t retry_after);
static ngx_msec_t ngx_http_socketio_lane_jitter(ngx_msec_t delay);
static void ngx_http_socketio_lane_done(ngx_http_socketio_batch_t *batch);
static void ngx_http_socketio_lane_failed(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf);


void
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
    batch->seen = 0;
    batch->held = 0;
    batch->bad = 0;
    batch->lines = 0;
    batch->whole = 0;

    if (ngx_http_socketio_lane_call(batch, conf) == NULL) {

        /* no memory; the handler will not be called */

        batch->attempt--;
        ngx_add_timer(&lane->retry, NGX_HTTP_SOCKETIO_LANE_DELAY);
        return;
    }

    ngx_http_socketio_lane_sent(batch);
}


/* for the status */

static void
ngx_http_socketio_lane_sent(ngx_http_socketio_batch_t *batch)
{
    ngx_uint_t            n;
    ngx_socketio_zone_t  *zone;

    zone = batch->lane->lanes->zone;
    n = batch->asked.nelts;

    ngx_socketio_tally(zone, NGX_SOCKETIO_N_IN_FLIGHT, 1);

    if (batch->attempt > 1) {
        ngx_socketio_tally(zone, NGX_SOCKETIO_N_HOOK_RETRIES, 1);
        return;
    }

    ngx_socketio_tally(zone, NGX_SOCKETIO_N_SIZE
                             + ngx_socketio_bucket(n, NGX_SOCKETIO_SIZES), 1);
    ngx_socketio_tally(zone, NGX_SOCKETIO_N_SIZE_SUM, n);
}


static void
ngx_http_socketio_lane_answered(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_call_answer_t *answer)
{
    ngx_uint_t            what, n;
    ngx_socketio_zone_t  *zone;

    zone = batch->lane->lanes->zone;

    ngx_socketio_tally(zone, NGX_SOCKETIO_N_IN_FLIGHT, -(uint64_t) 1);

    if (answer->aborted) {
        return;
    }

    if (answer->timed_out
        || (answer->own && answer->status == NGX_HTTP_GATEWAY_TIME_OUT))
    {
        what = NGX_SOCKETIO_N_HOOK_TIMEOUT;

    } else if (answer->local
               || (answer->own && answer->status == NGX_HTTP_BAD_GATEWAY))
    {
        what = NGX_SOCKETIO_N_HOOK_UNAVAILABLE;

    } else if (answer->status >= NGX_HTTP_OK
               && answer->complete
               && !answer->too_large)
    {
        what = NGX_SOCKETIO_N_HOOK_OK
               + ngx_min(answer->status, 599) / 100 - 2;

    } else {
        what = NGX_SOCKETIO_N_HOOK_INCOMPLETE;
    }

    n = ngx_socketio_bucket(answer->elapsed, NGX_SOCKETIO_LATENCIES);

    ngx_socketio_tally(zone, what, 1);
    ngx_socketio_tally(zone, NGX_SOCKETIO_N_LATENCY + n, 1);
    ngx_socketio_tally(zone, NGX_SOCKETIO_N_LATENCY_SUM, answer->elapsed);
}


static ngx_http_socketio_call_t *
ngx_http_socketio_lane_call(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf)
{
    u_char                          node[sizeof("00000000")];
    u_char                          attempt[NGX_INT_T_LEN];
    u_char                          signature[NGX_HTTP_SOCKETIO_SIGN_LEN];
    ngx_msec_t                      elapsed;
    ngx_keyval_t                    headers[6];
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

    ngx_str_set(&headers[5].key, "X-Socketio-Signature");
    headers[5].value.data = signature;

    if (conf->secrets
        && ngx_http_socketio_sign(&headers[5].value, conf->secrets,
                                  batch->body, ngx_cycle->log)
           != NGX_OK)
    {
        return NULL;
    }

    elapsed = ngx_current_msec - batch->start;

    ngx_memzero(&call, sizeof(ngx_http_socketio_call_conf_t));

    call.conf_ctx = conf->ctx;
    call.uri = batch->hook->uri;
    call.headers = headers;
    call.nheaders = conf->secrets ? 6 : 5;
    call.body = batch->body;
    call.sockaddr = batch->sockaddr;
    call.socklen = batch->socklen;
    call.addr_text = batch->addr_text;
    call.label = batch->id;
    call.timeout = (conf->hook_timeout > elapsed)
                   ? conf->hook_timeout - elapsed : 1;
    call.max_answer = ngx_http_socketio_lane_max_answer(conf);
    call.handler = ngx_http_socketio_lane_answer;
    call.part = ngx_http_socketio_lane_part;
    call.data = batch;
    call.event = batch->event;
    call.said = &batch->lane->lanes->said[NGX_HTTP_SOCKETIO_SAID_CALL];
    call.zone = batch->lane->lanes->zone;

    return ngx_http_socketio_call_start(&call, ngx_cycle->log);
}


static size_t
ngx_http_socketio_lane_part(ngx_http_socketio_call_t *call, void *data)
{
    ngx_http_socketio_batch_t *batch = data;

    ngx_http_socketio_lanes_t     *lanes;
    ngx_http_socketio_loc_conf_t  *conf;

    lanes = batch->lane->lanes;
    conf = ngx_http_socketio_location(lanes->zone, lanes->location);

    if (conf == NULL) {
        return 0;
    }

    return ngx_http_socketio_result_part(batch, conf,
                                  &ngx_http_socketio_call_answer(call)->body);
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

    ngx_http_socketio_lane_answered(batch, answer);

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

    retry = ngx_http_socketio_lane_retriable(batch, answer);

    if (retry
        && ngx_http_socketio_lane_again(batch, conf, answer->retry_after)
           == NGX_OK)
    {
        return;
    }

    if (!retry && answer->status >= 200 && answer->status < 300) {
        ngx_http_socketio_result_run(batch, conf, &answer->body,
                                     answer->complete && !answer->too_large);
        ngx_http_socketio_lane_done(batch);

    } else {
        ngx_http_socketio_result_fail(batch, conf, answer, !retry);
        ngx_http_socketio_lane_failed(batch, conf);
    }

    ngx_http_socketio_lane_free(batch);
    ngx_http_socketio_lane_post(lane);
}


/* 1: the table of answers says, again; notes whether it may have been heard */

static ngx_uint_t
ngx_http_socketio_lane_retriable(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_call_answer_t *answer)
{
    switch (answer->status) {

    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return 1;

    /* nginx says so if nobody answered: who knows what was done */

    case NGX_HTTP_BAD_GATEWAY:
    case NGX_HTTP_GATEWAY_TIME_OUT:
        batch->heard = 1;
        return 1;
    }

    if (answer->status == 0
        || answer->local
        || (answer->status < 300
            && !answer->complete
            && !answer->too_large))
    {
        batch->heard = 1;
        return 1;
    }

    return 0;
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

    delay = ngx_http_socketio_lane_jitter(batch->delay);
    batch->delay = ngx_min(2 * batch->delay,
                           NGX_HTTP_SOCKETIO_LANE_MAX_DELAY);

    if (retry_after >= 0) {

        if ((ngx_msec_t) retry_after >= (left + 999) / 1000) {
            return NGX_DECLINED;
        }

        /* not before, and not all at that moment */

        delay = ngx_max(delay, (ngx_msec_t) retry_after * 1000
                               + (ngx_msec_t) ngx_random()
                                 % NGX_HTTP_SOCKETIO_LANE_DELAY);
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


/*
 * Lanes and workers that failed together do not come back together: from
 * three quarters of a delay to all of it.
 */

static ngx_msec_t
ngx_http_socketio_lane_jitter(ngx_msec_t delay)
{
    return delay - (ngx_msec_t) ngx_random() % (delay / 4 + 1);
}


void
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


void
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
ngx_http_socketio_lane_failed(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_msec_t                  limit;
    ngx_uint_t                  n;
    ngx_queue_t                *q;
    ngx_http_socketio_lane_t   *lane;
    ngx_http_socketio_owned_t  *session;

    lane = batch->lane;

    ngx_socketio_tally(lane->lanes->zone, NGX_SOCKETIO_N_HOOK_FAILED, 1);

    /* an exit that nobody else takes over from is not held for a minute */

    limit = NGX_HTTP_SOCKETIO_LANE_DISCONNECT;

    if (ngx_exiting) {
        limit = ngx_min(limit, conf->hook_timeout);
    }

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
                   >= limit)
        {
            n = session->n;
            session->left = 0;
            session->attempts = 0;

        } else {
            session->attempts = batch->attempt;
        }

        ngx_socketio_tally(lane->lanes->zone, NGX_SOCKETIO_N_HOOK_LOST, n);
        ngx_http_socketio_lane_settle(lane, session, n);
    }

    if (!ngx_queue_empty(&lane->left) && !lane->repeat.timer_set) {

        lane->left_delay = lane->left_delay
                           ? ngx_min(2 * lane->left_delay,
                                     NGX_HTTP_SOCKETIO_LANE_MAX_DELAY)
                           : NGX_HTTP_SOCKETIO_LANE_DELAY;

        ngx_add_timer(&lane->repeat,
                      ngx_http_socketio_lane_jitter(lane->left_delay));
    }
}
