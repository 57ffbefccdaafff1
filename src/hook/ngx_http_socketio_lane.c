
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_lane_internal.h"
#include "store/ngx_socketio_slot.h"


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
static void ngx_http_socketio_lane_quiet(ngx_http_socketio_lane_t *lane);
static ngx_http_socketio_lanes_t *ngx_http_socketio_lane_get(
    ngx_socketio_zone_t *zone, ngx_http_socketio_loc_conf_t *conf);
static void ngx_http_socketio_lane_run(ngx_event_t *ev);
static ngx_int_t ngx_http_socketio_lane_gather(
    ngx_http_socketio_lane_t *lane);


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
        ngx_socketio_inbox_later(zone, id, tenure);
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

            if (!lanes->lane[i].repeat.timer_set) {
                continue;
            }

            ngx_del_timer(&lanes->lane[i].repeat);

            if (!ngx_queue_empty(&lanes->lane[i].left)) {
                lanes->lane[i].left_delay = 0;
                ngx_add_timer(&lanes->lane[i].repeat,
                              NGX_HTTP_SOCKETIO_LANE_DELAY);
            }
        }
    }
}


void
ngx_http_socketio_lane_stop(void)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q;
    ngx_http_socketio_lane_t   *lane;
    ngx_http_socketio_lanes_t  *lanes;

    /* what is in flight comes back as aborted, and is left alone then */

    ngx_http_socketio_call_abort_all();

    if (ngx_http_socketio_lane_all.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_http_socketio_lane_all);
         q != ngx_queue_sentinel(&ngx_http_socketio_lane_all);
         q = ngx_queue_next(q))
    {
        lanes = ngx_queue_data(q, ngx_http_socketio_lanes_t, queue);

        for (i = 0; i < lanes->n; i++) {
            lane = &lanes->lane[i];

            if (lane->retry.timer_set) {
                ngx_del_timer(&lane->retry);

                if (lane->batch) {
                    ngx_http_socketio_lane_free(lane->batch);
                }
            }

            if (lane->repeat.timer_set) {
                ngx_del_timer(&lane->repeat);
            }
        }
    }

    ngx_http_socketio_lane_leave();
}


/* nothing happens on this lane any more */

static void
ngx_http_socketio_lane_quiet(ngx_http_socketio_lane_t *lane)
{
    if (lane->retry.timer_set) {
        ngx_del_timer(&lane->retry);
    }

    if (lane->repeat.timer_set) {
        ngx_del_timer(&lane->repeat);
    }

    if (lane->post.posted) {
        ngx_delete_posted_event(&lane->post);
    }
}


void
ngx_http_socketio_lane_exit(void)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q, *bucket;
    ngx_http_socketio_lanes_t  *lanes;
    ngx_http_socketio_owned_t  *session;

    ngx_http_socketio_lane_leave();
    ngx_http_socketio_call_exit();

    if (ngx_http_socketio_lane_all.next == NULL) {
        return;
    }

    for (i = 0; i < NGX_HTTP_SOCKETIO_LANE_KNOWN; i++) {
        bucket = &ngx_http_socketio_lane_known[i];

        while (!ngx_queue_empty(bucket)) {
            session = ngx_queue_data(ngx_queue_head(bucket),
                                     ngx_http_socketio_owned_t, known);
            ngx_http_socketio_lane_forget(session);
        }
    }

    while (!ngx_queue_empty(&ngx_http_socketio_lane_all)) {
        q = ngx_queue_head(&ngx_http_socketio_lane_all);
        ngx_queue_remove(q);

        lanes = ngx_queue_data(q, ngx_http_socketio_lanes_t, queue);

        for (i = 0; i < lanes->n; i++) {
            ngx_http_socketio_lane_quiet(&lanes->lane[i]);

            if (lanes->lane[i].batch) {
                ngx_destroy_pool(lanes->lane[i].batch->pool);
            }
        }

        ngx_free(lanes);
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


void
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

    /* events make messages: no more of them for workers that are behind */

    if (!ngx_exiting
        && !ngx_queue_empty(&lane->waiting)
        && ngx_socketio_behind(lane->lanes->zone, ngx_current_msec))
    {
        if (!lane->retry.timer_set) {
            ngx_add_timer(&lane->retry, NGX_SOCKETIO_BEHIND_WAIT);
        }

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

        /* the timer of an earlier turn, which had no memory or had to wait */

        if (lane->retry.timer_set) {
            ngx_del_timer(&lane->retry);
        }

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


/* n entries are done with; the session is on no list */

void
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

void
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


/* the first ones have a condition of their own, all others share the last */

ngx_uint_t
ngx_http_socketio_lane_fault(ngx_http_socketio_lane_t *lane, char *message)
{
    char        **faults;
    ngx_uint_t    i;

    faults = lane->lanes->faults;

    for (i = 0; i < NGX_HTTP_SOCKETIO_LANE_FAULTS - 1; i++) {

        if (faults[i] == NULL) {
            faults[i] = message;
        }

        if (faults[i] == message) {
            break;
        }
    }

    return NGX_HTTP_SOCKETIO_SAID_INVALID + i;
}


char *
ngx_http_socketio_lane_say(ngx_http_socketio_lane_t *lane,
    ngx_uint_t condition)
{
    return ngx_socketio_say(&lane->lanes->said[condition],
                            lane->lanes->zone->counters);
}


ngx_http_socketio_lane_event_t *
ngx_http_socketio_lane_event(ngx_http_request_t *r)
{
    return ngx_http_socketio_call_event(r);
}
