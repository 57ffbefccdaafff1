
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * "socketio_drain": a worker that shuts down closes its websockets evenly over
 * a time, each after all that was emitted to it, with one timer for all.
 */


#include "transport/ngx_http_socketio_websocket.h"


#define NGX_HTTP_SOCKETIO_DRAIN_TURN    64      /* then others have theirs */
#define NGX_HTTP_SOCKETIO_DRAIN_HURRY   3000    /* ms: its slot is needed */


/* the websockets that leave within the same time */

typedef struct ngx_http_socketio_drain_s  ngx_http_socketio_drain_t;

struct ngx_http_socketio_drain_s {
    ngx_http_socketio_drain_t      *next;
    ngx_queue_t                     queue;
    ngx_uint_t                      n;          /* of them */
    ngx_msec_t                      time;
    uint64_t                        end;        /* ms */
    uint64_t                        at;         /* ms: the first one's turn */
};


static ngx_http_socketio_drain_t *ngx_http_socketio_drain_get(
    ngx_msec_t time);
static void ngx_http_socketio_drain_next(ngx_http_socketio_drain_t *drain,
    uint64_t now);
static void ngx_http_socketio_drain_arm(void);
static void ngx_http_socketio_drain_handler(ngx_event_t *ev);
static void ngx_http_socketio_drain_run(ngx_http_socketio_drain_t *drain,
    uint64_t now);


static ngx_http_socketio_drain_t  *ngx_http_socketio_drains;
static ngx_event_t                 ngx_http_socketio_drain_event;
static ngx_connection_t            ngx_http_socketio_drain_ident;
static ngx_uint_t                  ngx_http_socketio_drain_hurried;


void
ngx_http_socketio_ws_drain(ngx_http_socketio_ws_t *ws)
{
    ngx_msec_t                  time;
    ngx_http_socketio_drain_t  *drain;

    time = ws->conf->drain;

    if (ngx_http_socketio_drain_hurried
        && (time == 0 || time > NGX_HTTP_SOCKETIO_DRAIN_HURRY))
    {
        time = NGX_HTTP_SOCKETIO_DRAIN_HURRY;
    }

    if (time == 0 || !ws->detached || !ws->established || ws->closing
        || ws->finish || ws->away || ws->error)
    {
        return;
    }

    drain = ngx_http_socketio_drain_get(time);

    if (drain == NULL || drain == ws->drain) {
        return;
    }

    ngx_http_socketio_ws_undrain(ws);

    ws->drain = drain;
    ngx_queue_insert_tail(&drain->queue, &ws->drains);

    /* each that comes makes the steps of the others shorter */

    drain->n++;
    ngx_http_socketio_drain_next(drain, ngx_http_socketio_ws_now());
    ngx_http_socketio_drain_arm();
}


void
ngx_http_socketio_ws_undrain(ngx_http_socketio_ws_t *ws)
{
    ngx_http_socketio_drain_t  *drain;

    drain = ws->drain;

    if (drain) {
        ngx_queue_remove(&ws->drains);
        drain->n--;
        ws->drain = NULL;
    }
}


void
ngx_http_socketio_drain_hurry(void)
{
    ngx_http_socketio_drain_hurried = 1;
}


/* NULL: no memory, they stay as long as without the directive */

static ngx_http_socketio_drain_t *
ngx_http_socketio_drain_get(ngx_msec_t time)
{
    ngx_http_socketio_drain_t  *drain;

    for (drain = ngx_http_socketio_drains; drain; drain = drain->next) {
        if (drain->time == time) {
            return drain;
        }
    }

    drain = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_http_socketio_drain_t));
    if (drain == NULL) {
        return NULL;
    }

    ngx_queue_init(&drain->queue);
    drain->time = time;
    drain->end = ngx_http_socketio_ws_now() + time;

    drain->next = ngx_http_socketio_drains;
    ngx_http_socketio_drains = drain;

    return drain;
}


/*
 * As if each of n had chosen its own moment of what is left of the time: so
 * neither workers nor machines close in step, whether they have one or many.
 */

static void
ngx_http_socketio_drain_next(ngx_http_socketio_drain_t *drain, uint64_t now)
{
    uint64_t  step;

    drain->at = now;

    if (now >= drain->end || drain->n == 0) {
        return;
    }

    step = (drain->end - now) * 2 * ((uint64_t) ngx_random() % 1024)
           / (1024 * (drain->n + 1));

    drain->at = ngx_min(now + step, drain->end);
}


static void
ngx_http_socketio_drain_arm(void)
{
    uint64_t                    at, now;
    ngx_event_t                *ev;
    ngx_http_socketio_drain_t  *drain;

    ev = &ngx_http_socketio_drain_event;
    now = ngx_http_socketio_ws_now();
    at = 0;

    for (drain = ngx_http_socketio_drains; drain; drain = drain->next) {
        if (drain->n && (at == 0 || drain->at < at)) {
            at = drain->at;
        }
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    if (at == 0) {
        return;
    }

    /* each websocket has a timer, which keeps the worker */

    ev->handler = ngx_http_socketio_drain_handler;
    ev->data = &ngx_http_socketio_drain_ident;
    ev->log = ngx_cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, at > now ? (ngx_msec_t) (at - now) : 1);
}


static void
ngx_http_socketio_drain_handler(ngx_event_t *ev)
{
    uint64_t                    now;
    ngx_http_socketio_drain_t  *drain;

    now = ngx_http_socketio_ws_now();

    for (drain = ngx_http_socketio_drains; drain; drain = drain->next) {
        ngx_http_socketio_drain_run(drain, now);
    }

    ngx_http_socketio_drain_arm();
}


static void
ngx_http_socketio_drain_run(ngx_http_socketio_drain_t *drain, uint64_t now)
{
    ngx_uint_t               i;
    ngx_queue_t             *q;
    ngx_http_socketio_ws_t  *ws;

    for (i = 0;
         i < NGX_HTTP_SOCKETIO_DRAIN_TURN && drain->n && drain->at <= now;
         i++)
    {
        q = ngx_queue_head(&drain->queue);
        ws = ngx_queue_data(q, ngx_http_socketio_ws_t, drains);

        /* what was emitted before goes before; if there is too much, later */

        if (ngx_socketio_local_catch_up(&ws->local) != NGX_OK
            && now < drain->end)
        {
            return;
        }

        /* that may have ended it, or others */

        if (drain->n == 0) {
            return;
        }

        q = ngx_queue_head(&drain->queue);
        ws = ngx_queue_data(q, ngx_http_socketio_ws_t, drains);

        ngx_http_socketio_ws_undrain(ws);
        ngx_http_socketio_drain_next(drain, now);
        ngx_http_socketio_ws_go_away(ws);
    }
}
