
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* private to the files of lanes */


#ifndef _NGX_HTTP_SOCKETIO_LANE_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_LANE_INTERNAL_H_INCLUDED_


#include "hook/ngx_http_socketio_event.h"
#include "hook/ngx_http_socketio_call.h"


#define NGX_HTTP_SOCKETIO_LANE_DELAY       100
#define NGX_HTTP_SOCKETIO_LANE_MAX_DELAY   5000
#define NGX_HTTP_SOCKETIO_LANE_DISCONNECT  60000    /* ms: is repeated */

/*
 * The longest answer of a hook.  One event may be of max_payload, and it is
 * common to emit and acknowledge it: twice, in base64.  1m is for the rest.
 */
#define ngx_http_socketio_lane_max_answer(conf)                               \
    (1024 * 1024 + 4 * (conf)->max_payload)

typedef struct ngx_http_socketio_lane_s   ngx_http_socketio_lane_t;
typedef struct ngx_http_socketio_lanes_s  ngx_http_socketio_lanes_t;


/* a session whose inbox this worker owns */

typedef struct {
    ngx_queue_t                     queue;  /* arrived, waiting, left, or in
                                               a batch */
    ngx_queue_t                     known;
    ngx_socketio_zone_t            *zone;
    ngx_socketio_id_t               id;
    uint32_t                        tenure;

    /* of its first entry, once that was looked at */
    ngx_http_socketio_hook_t       *hook;

    ngx_uint_t                      n;      /* entries in the batch */
    ngx_uint_t                      keep;   /* ... before a disconnect */

    /* its first entry is a disconnect that failed and is repeated */
    ngx_msec_t                      since;
    ngx_uint_t                      attempts;
    unsigned                        left:1;

    unsigned                        lost:1; /* taken over meanwhile */
} ngx_http_socketio_owned_t;


typedef struct {
    ngx_http_socketio_owned_t      *session;
    ngx_uint_t                      index;  /* of the entry */
} ngx_http_socketio_item_t;


typedef struct {
    ngx_http_socketio_lane_t       *lane;
    ngx_pool_t                     *pool;
    ngx_http_socketio_hook_t       *hook;
    ngx_queue_t                     sessions;

    ngx_array_t                     asked;  /* ngx_http_socketio_asked_t */
    ngx_array_t                     items;  /* the same entries */

    ngx_chain_t                    *body;
    ngx_chain_t                   **last;
    size_t                          size;

    ngx_http_socketio_lane_event_t *event;  /* variables, or batched */
    struct sockaddr                *sockaddr;   /* batch off */
    socklen_t                       socklen;
    ngx_str_t                       addr_text;

    ngx_str_t                       id;
    ngx_msec_t                      start;  /* first attempt */
    ngx_msec_t                      delay;
    ngx_uint_t                      attempt;

    /* of the answer to this attempt, as far as it has come */
    size_t                          seen;   /* bytes without another LF */
    size_t                          held;   /* ... of lines that are to wait */
    ngx_uint_t                      bad;    /* accepts and rejects */
    unsigned                        lines:1;    /* of which some have come */
    unsigned                        whole:1;    /* the rest is no such line */

    unsigned                        full:1;
    unsigned                        sole:1; /* batch off */
    unsigned                        left:1; /* repeated disconnects only */
    unsigned                        heard:1;    /* an attempt may have got
                                                   through unanswered */
} ngx_http_socketio_batch_t;


/* different faults of commands that are logged of a location */
#define NGX_HTTP_SOCKETIO_LANE_FAULTS      16


/* conditions that are logged, see ngx_socketio_say() */

enum {
    NGX_HTTP_SOCKETIO_SAID_UNANSWERED = 0,
    NGX_HTTP_SOCKETIO_SAID_FAILED,          /* 2xx, 3xx, 4xx, 5xx */
    NGX_HTTP_SOCKETIO_SAID_INVALID = NGX_HTTP_SOCKETIO_SAID_FAILED + 4,
    NGX_HTTP_SOCKETIO_SAID_CALL = NGX_HTTP_SOCKETIO_SAID_INVALID
                                  + NGX_HTTP_SOCKETIO_LANE_FAULTS,
    NGX_HTTP_SOCKETIO_SAID_LAST = NGX_HTTP_SOCKETIO_SAID_CALL
                                  + NGX_HTTP_SOCKETIO_CALL_SAID_LAST
};


struct ngx_http_socketio_lane_s {
    ngx_http_socketio_lanes_t      *lanes;
    ngx_queue_t                     waiting;
    ngx_queue_t                     left;
    ngx_msec_t                      left_delay;
    ngx_http_socketio_batch_t      *batch;  /* in flight, or to be retried */
    ngx_event_t                     post;
    ngx_event_t                     retry;
    ngx_event_t                     repeat;
};


struct ngx_http_socketio_lanes_s {
    ngx_queue_t                     queue;
    ngx_socketio_zone_t            *zone;
    uint32_t                        location;
    ngx_socketio_said_t             said[NGX_HTTP_SOCKETIO_SAID_LAST];
    char                           *faults[NGX_HTTP_SOCKETIO_LANE_FAULTS - 1];
    ngx_uint_t                      n;
    ngx_http_socketio_lane_t        lane[1];
};


/*
 * The next session's entries into the batch, which is made if *batch is NULL.
 *
 * NGX_OK        some are in it; the session is on its list
 * NGX_DONE      nothing of it waits here any more: it has been freed
 * NGX_AGAIN     it belongs to another batch; nothing has happened
 * NGX_BUSY      the batch is full; nothing has happened
 * NGX_ERROR     no memory; nothing has happened
 */
ngx_int_t ngx_http_socketio_batch_take(ngx_http_socketio_lane_t *lane,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_batch_t **batch,
    ngx_http_socketio_owned_t *session);
/* closes the JSON array and gives it an id */
ngx_int_t ngx_http_socketio_batch_close(ngx_http_socketio_batch_t *batch);

/*
 * Lines of an answer that is still coming are run as far as they may be;
 * returns how many bytes of it are done with.
 */
size_t ngx_http_socketio_result_part(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *body);
/* Runs the commands of an answer with a status of 2xx, or what is left of it;
   "complete": all of it is there */
void ngx_http_socketio_result_run(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *body, ngx_uint_t complete);
/* one command; 1: it is invalid.  "lost": as ..._ownership() says */
ngx_uint_t ngx_http_socketio_result_command(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *text, ngx_uint_t lost);
/* whether it is an accept or a reject */
ngx_uint_t ngx_http_socketio_result_to_connect(ngx_str_t *text);
/* 1: another worker has taken over some session of the batch */
ngx_uint_t ngx_http_socketio_result_ownership(
    ngx_http_socketio_batch_t *batch);
/* Connects are answered, as far as they are not behind a disconnect, which
   is repeated.  "final": a status that is not to be retried. */
void ngx_http_socketio_result_fail(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf,
    ngx_http_socketio_call_answer_t *answer, ngx_uint_t final);
/*
 * The session's first entry gets no request: a connect is accepted or refused
 * here.  NGX_OK: more wait; NGX_DONE: the session has been freed.
 */
ngx_int_t ngx_http_socketio_result_drop(ngx_http_socketio_owned_t *session,
    ngx_socketio_entry_t *entry, ngx_uint_t accept);
/* its location is gone from the configuration: ends and frees it; NGX_DONE */
ngx_int_t ngx_http_socketio_result_abandon(
    ngx_http_socketio_owned_t *session);

/* looks for the next batch soon, unless one is in flight */
void ngx_http_socketio_lane_post(ngx_http_socketio_lane_t *lane);
/* lane->batch, once more */
void ngx_http_socketio_lane_send(ngx_http_socketio_lane_t *lane);
void ngx_http_socketio_lane_retry(ngx_event_t *ev);
void ngx_http_socketio_lane_repeat(ngx_event_t *ev);
/* n entries are done with; the session is on no list */
void ngx_http_socketio_lane_settle(ngx_http_socketio_lane_t *lane,
    ngx_http_socketio_owned_t *session, ngx_uint_t n);
/* sessions still in it wait again, as if it had not been */
void ngx_http_socketio_lane_free(ngx_http_socketio_batch_t *batch);

/* it must be on no list */
void ngx_http_socketio_lane_forget(ngx_http_socketio_owned_t *session);
/* the condition that an invalid command is, by its static message */
ngx_uint_t ngx_http_socketio_lane_fault(ngx_http_socketio_lane_t *lane,
    char *message);
/* as ngx_socketio_say() */
char *ngx_http_socketio_lane_say(ngx_http_socketio_lane_t *lane,
    ngx_uint_t condition);


#endif /* _NGX_HTTP_SOCKETIO_LANE_INTERNAL_H_INCLUDED_ */
