
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A publish request while it runs.  One thing at a time is waited for: its
 * turn, more of the body, room for results, or a command that goes on; while
 * one of them is, nothing of the body is run, and of it no more is read than
 * a piece.  So neither side needs more memory the longer a body is.
 */


#include "api/ngx_http_socketio_access.h"
#include "api/ngx_http_socketio_publish.h"
#include "api/ngx_http_socketio_publish_internal.h"
#include "client/ngx_http_socketio_header.h"
#include "delivery/ngx_socketio_worker.h"
#include "store/ngx_socketio_slot.h"


#define NGX_HTTP_SOCKETIO_PUBLISH_STAY   3600000    /* ms */
#define NGX_HTTP_SOCKETIO_PUBLISH_LOOK   64         /* commands */
#define NGX_HTTP_SOCKETIO_PUBLISH_SLICE  100    /* commands at a time */
#define NGX_HTTP_SOCKETIO_PUBLISH_STEP   10     /* one of a command's counts */
#define NGX_HTTP_SOCKETIO_PUBLISH_REACH  1000   /* sockets count as one more */


static void ngx_http_socketio_publish_start(ngx_http_request_t *r);
static ngx_http_socketio_publish_t *ngx_http_socketio_publish_create(
    ngx_http_request_t *r);
static ngx_http_socketio_publish_t *ngx_http_socketio_publish_of(
    ngx_http_request_t *r);
static void ngx_http_socketio_publish_cleanup(void *data);
static void ngx_http_socketio_publish_stay(ngx_event_t *ev);

static void ngx_http_socketio_publish_turn(ngx_event_t *ev);
static void ngx_http_socketio_publish_readable(ngx_http_request_t *r);
static void ngx_http_socketio_publish_write_event(ngx_http_request_t *r);
static void ngx_http_socketio_publish_wake(void *data);

static void ngx_http_socketio_publish_go(ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_next(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_behind(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_ran(
    ngx_http_socketio_publish_t *publish, ngx_int_t rc);
static ngx_int_t ngx_http_socketio_publish_on(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_none(
    ngx_http_socketio_publish_t *publish, ngx_int_t rc, ngx_str_t *text);
static ngx_int_t ngx_http_socketio_publish_broken(
    ngx_http_socketio_publish_t *publish, ngx_int_t status);
static ngx_int_t ngx_http_socketio_publish_end(
    ngx_http_socketio_publish_t *publish, ngx_int_t rc);


static ngx_str_t  ngx_http_socketio_publish_post = ngx_string("POST");


ngx_int_t
ngx_http_socketio_publish_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_str_t                     *encoding;
    ngx_http_socketio_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    rc = ngx_http_socketio_access(r, "socketio_publish", conf->bearers,
                                  conf->open == 1);
    if (rc != NGX_OK) {
        return rc;
    }

    if (r->method != NGX_HTTP_POST) {
        if (ngx_http_socketio_header_add(r, "Allow",
                                         &ngx_http_socketio_publish_post)
            == NULL)
        {
            return NGX_ERROR;
        }

        return NGX_HTTP_NOT_ALLOWED;
    }

    encoding = ngx_http_socketio_header(r, "content-encoding",
                                        sizeof("content-encoding") - 1);

    if (encoding != NULL
        && (encoding->len != sizeof("identity") - 1
            || ngx_strncasecmp(encoding->data, (u_char *) "identity",
                               sizeof("identity") - 1)
               != 0))
    {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "refused by \"socketio_publish\": body is compressed");
        return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_socketio_publish_start);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_socketio_publish_start(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_socketio_publish_t  *publish;

    publish = ngx_http_socketio_publish_create(r);

    if (publish == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_socketio_publish_input(publish);

    r->write_event_handler = ngx_http_socketio_publish_write_event;
    ngx_socketio_tally(publish->command.zone, NGX_SOCKETIO_N_PUBLISH, 1);

    if (ngx_socketio_worker_ready(publish->command.zone) != NGX_OK) {
        rc = ngx_http_socketio_publish_error(publish, "busy",
                                             "this worker is not ready");
        if (rc == NGX_OK) {
            rc = ngx_http_socketio_publish_finish(publish);
        }

        ngx_http_finalize_request(r, rc);
        return;
    }

    ngx_http_socketio_publish_go(publish);
}


static ngx_http_socketio_publish_t *
ngx_http_socketio_publish_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t            *cln;
    ngx_http_socketio_publish_t   *publish;
    ngx_http_socketio_loc_conf_t  *conf;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_socketio_publish_t));

    if (cln == NULL) {
        return NULL;
    }

    publish = cln->data;
    ngx_memzero(publish, sizeof(ngx_http_socketio_publish_t));

    cln->handler = ngx_http_socketio_publish_cleanup;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    publish->request = r;
    publish->offset = -1;
    publish->status = NGX_HTTP_OK;
    publish->last = &publish->out;

    publish->event.handler = ngx_http_socketio_publish_turn;
    publish->event.data = publish;
    publish->event.log = r->connection->log;

    publish->stay.handler = ngx_http_socketio_publish_stay;
    publish->stay.data = publish;
    publish->stay.log = r->connection->log;

    publish->command.zone = conf->publish->data;
    publish->command.log = r->connection->log;
    publish->command.max_rooms = conf->max_rooms;
    publish->command.max_attachments = conf->max_attachments;
    publish->command.max_acks = conf->max_acks;
    publish->command.write = ngx_http_socketio_publish_part;
    publish->command.wake = ngx_http_socketio_publish_wake;
    publish->command.data = publish;

    return publish;
}


/* the module's ctx is that of "socketio" locations, which variables look at */

static ngx_http_socketio_publish_t *
ngx_http_socketio_publish_of(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t           *cln;
    ngx_http_socketio_publish_t  *publish;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        publish = cln->data;

        if (cln->handler == ngx_http_socketio_publish_cleanup
            && publish->request == r)
        {
            return publish;
        }
    }

    return NULL;
}


static void
ngx_http_socketio_publish_cleanup(void *data)
{
    ngx_http_socketio_publish_t  *publish = data;

    ngx_http_socketio_command_end(&publish->command);

    if (publish->event.timer_set) {
        ngx_del_timer(&publish->event);
    }

    if (publish->event.posted) {
        ngx_delete_posted_event(&publish->event);
    }

    if (publish->stay.timer_set) {
        ngx_del_timer(&publish->stay);
    }
}


static void
ngx_http_socketio_publish_stay(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_HTTP_SOCKETIO_PUBLISH_STAY);
}


void
ngx_http_socketio_publish_wait(ngx_http_socketio_publish_t *publish,
    ngx_http_socketio_publish_e state)
{
    ngx_event_t         *rev;
    ngx_http_request_t  *r;

    r = publish->request;
    publish->state = state;

    switch (state) {

    case NGX_HTTP_SOCKETIO_PUBLISH_READ:
        r->read_event_handler = ngx_http_socketio_publish_readable;
        return;

    case NGX_HTTP_SOCKETIO_PUBLISH_WAKE:
        /* it may take long, and be for nothing */
        r->read_event_handler = ngx_http_test_reading;
        break;

    default:
        r->read_event_handler = ngx_http_block_reading;
        break;
    }

    /* the time that this takes is not the client's */

    rev = r->connection->read;

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

    /* but a worker that shuts down ends when it has no timer any more */

    if (!publish->stay.timer_set) {
        ngx_add_timer(&publish->stay, NGX_HTTP_SOCKETIO_PUBLISH_STAY);
    }
}


static void
ngx_http_socketio_publish_turn(ngx_event_t *ev)
{
    ngx_connection_t             *c;
    ngx_http_request_t           *r;
    ngx_http_socketio_publish_t  *publish;

    publish = ev->data;
    r = publish->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_socketio_publish_go(publish);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_socketio_publish_readable(ngx_http_request_t *r)
{
    ngx_http_socketio_publish_go(ngx_http_socketio_publish_of(r));
}


static void
ngx_http_socketio_publish_write_event(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_socketio_publish_t  *publish;

    publish = ngx_http_socketio_publish_of(r);

    rc = ngx_http_socketio_publish_writable(publish);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    if (publish->state == NGX_HTTP_SOCKETIO_PUBLISH_WRITE) {
        ngx_http_socketio_publish_go(publish);
    }
}


/* command.wake: the command must not be called from here */

static void
ngx_http_socketio_publish_wake(void *data)
{
    ngx_http_socketio_publish_t  *publish = data;

    publish->woken = 1;

    if (publish->state == NGX_HTTP_SOCKETIO_PUBLISH_WAKE) {
        ngx_http_socketio_publish_wait(publish,
                                       NGX_HTTP_SOCKETIO_PUBLISH_TURN);
        ngx_post_event(&publish->event, &ngx_posted_events);
    }
}


/* may finalize the request; this worker's others get their turn in between */

static void
ngx_http_socketio_publish_go(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    rc = NGX_OK;

    for (i = 0; i < NGX_HTTP_SOCKETIO_PUBLISH_SLICE && rc == NGX_OK; i++) {

        if (publish->busy
            || publish->pending >= NGX_HTTP_SOCKETIO_PUBLISH_BUF)
        {
            rc = ngx_http_socketio_publish_flush(publish);

            if (rc == NGX_AGAIN) {
                return;
            }

            if (rc != NGX_OK) {
                rc = ngx_http_socketio_publish_end(publish, rc);
                break;
            }
        }

        rc = ngx_http_socketio_publish_next(publish);

        if (publish->command.run) {
            i += NGX_HTTP_SOCKETIO_PUBLISH_STEP;

        } else {
            i += publish->command.count / NGX_HTTP_SOCKETIO_PUBLISH_REACH;
        }
    }

    switch (rc) {

    case NGX_OK:
        ngx_http_socketio_publish_wait(publish,
                                       NGX_HTTP_SOCKETIO_PUBLISH_TURN);
        ngx_post_event(&publish->event, &ngx_posted_next_events);
        return;

    case NGX_AGAIN:
        return;

    default: /* NGX_DONE */
        ngx_http_finalize_request(publish->request, publish->rc);
        return;
    }
}


/*
 * One command, or a step of it.  NGX_OK: go on; NGX_AGAIN: not before the
 * next event; NGX_DONE: publish->rc is what the request is finalized with.
 */

static ngx_int_t
ngx_http_socketio_publish_next(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    publish->woken = 0;

    if (publish->command.run) {
        rc = ngx_http_socketio_command_more(&publish->command);
        return ngx_http_socketio_publish_ran(publish, rc);
    }

    /* messages that workers cannot write as fast would be their end */

    if (publish->n % NGX_HTTP_SOCKETIO_PUBLISH_LOOK == 0
        && ngx_socketio_behind(publish->command.zone, ngx_current_msec))
    {
        return ngx_http_socketio_publish_behind(publish);
    }

    for ( ;; ) {
        rc = ngx_socketio_commands_next(&publish->commands, &text);

        if (rc != NGX_AGAIN) {
            break;
        }

        rc = ngx_http_socketio_publish_read(publish);

        if (rc == NGX_AGAIN) {
            ngx_http_socketio_publish_wait(publish,
                                           NGX_HTTP_SOCKETIO_PUBLISH_READ);

            rc = ngx_http_socketio_publish_flush(publish);

            return (rc == NGX_OK || rc == NGX_AGAIN)
                   ? NGX_AGAIN : ngx_http_socketio_publish_end(publish, rc);
        }

        if (rc != NGX_OK) {
            return ngx_http_socketio_publish_broken(publish, rc);
        }
    }

    if (publish->commands.form == NGX_SOCKETIO_COMMANDS_NONE) {
        return ngx_http_socketio_publish_none(publish, rc, &text);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_command_text(&publish->command, &text);
        return ngx_http_socketio_publish_ran(publish, rc);
    }

    if (rc != NGX_DONE) {
        rc = ngx_http_socketio_publish_invalid(publish, rc, &text,
                                               "not an object");

        return (rc == NGX_OK) ? NGX_OK
                              : ngx_http_socketio_publish_end(publish, rc);
    }

    return ngx_http_socketio_publish_end(publish,
                                    ngx_http_socketio_publish_finish(publish));
}


/* what is before it gets out meanwhile */

static ngx_int_t
ngx_http_socketio_publish_behind(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t  rc;

    rc = ngx_http_socketio_publish_flush(publish);

    if (rc == NGX_AGAIN) {
        /* it goes on when that is written, and looks again */
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        return ngx_http_socketio_publish_end(publish, rc);
    }

    ngx_http_socketio_publish_wait(publish, NGX_HTTP_SOCKETIO_PUBLISH_TURN);
    ngx_add_timer(&publish->event, NGX_SOCKETIO_BEHIND_WAIT);

    return NGX_AGAIN;
}


/* codes of ngx_http_socketio_command_text() to those of ..._next() */

static ngx_int_t
ngx_http_socketio_publish_ran(ngx_http_socketio_publish_t *publish,
    ngx_int_t rc)
{
    switch (rc) {

    case NGX_AGAIN:
        return ngx_http_socketio_publish_on(publish);

    case NGX_ERROR:
        break;

    default:
        if (ngx_http_socketio_publish_result(publish) == NGX_OK) {
            return NGX_OK;
        }

        break;
    }

    return ngx_http_socketio_publish_end(publish, NGX_ERROR);
}


/* a command goes on: if it waits, what is before it gets out */

static ngx_int_t
ngx_http_socketio_publish_on(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t  rc;

    if (publish->command.waits && !publish->woken) {

        rc = ngx_http_socketio_publish_flush(publish);

        if (rc != NGX_OK && rc != NGX_AGAIN) {
            return ngx_http_socketio_publish_end(publish, rc);
        }

        /* also if not all could be written: that goes on meanwhile */

        ngx_http_socketio_publish_wait(publish,
                                       NGX_HTTP_SOCKETIO_PUBLISH_WAKE);
        return NGX_AGAIN;
    }

    return NGX_OK;
}


/* a body without a command, by what ngx_socketio_commands_next() said */

static ngx_int_t
ngx_http_socketio_publish_none(ngx_http_socketio_publish_t *publish,
    ngx_int_t rc, ngx_str_t *text)
{
    if (rc == NGX_ABORT) {
        ngx_log_error(NGX_LOG_INFO, publish->request->connection->log, 0,
                      "publish: a command of more than %uz bytes",
                      publish->commands.max);

        return ngx_http_socketio_publish_end(publish,
                                            NGX_HTTP_REQUEST_ENTITY_TOO_LARGE);
    }

    rc = ngx_http_socketio_publish_invalid(publish, rc, text,
                              "the body is not an object, an array or lines");
    if (rc == NGX_OK) {
        rc = ngx_http_socketio_publish_finish(publish);
    }

    return ngx_http_socketio_publish_end(publish, rc);
}


/* the body broke off: of lines those before have run, which is to be said */

static ngx_int_t
ngx_http_socketio_publish_broken(ngx_http_socketio_publish_t *publish,
    ngx_int_t status)
{
    ngx_int_t  rc;

    if (publish->request->connection->error || publish->n == 0) {
        return ngx_http_socketio_publish_end(publish, status);
    }

    switch (status) {

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        rc = ngx_http_socketio_publish_error(publish, "too_large",
                                          "more than client_max_body_size");
        break;

    case NGX_HTTP_REQUEST_TIME_OUT:
        rc = ngx_http_socketio_publish_error(publish, "timeout",
                               "nothing came for all of client_body_timeout");
        break;

    default:
        rc = ngx_http_socketio_publish_error(publish, "bad_json",
                                             "the body broke off");
    }

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_publish_finish(publish);
    }

    return ngx_http_socketio_publish_end(publish, rc);
}


/* always NGX_DONE */

static ngx_int_t
ngx_http_socketio_publish_end(ngx_http_socketio_publish_t *publish,
    ngx_int_t rc)
{
    if (publish->request->header_sent) {
        /* what is out cannot be taken back: the connection says it */
        publish->rc = (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? NGX_ERROR : rc;

    } else {
        publish->rc = (rc == NGX_ERROR) ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
    }

    return NGX_DONE;
}
