
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Emits that clients acknowledge: who is told, or waits. */


#include "client/ngx_http_socketio_command_internal.h"
#include "store/ngx_socketio_bytes.h"
#include "delivery/ngx_socketio_worker.h"
#include "proto/ngx_socketio_base64.h"


#define NGX_HTTP_SOCKETIO_ACK_TOKEN    256      /* bytes of JSON */
#define NGX_HTTP_SOCKETIO_ACK_TIMEOUT  5000     /* ms */
#define NGX_HTTP_SOCKETIO_ACK_LONGEST  3600000

/* answers written before the output has its turn */
#define NGX_HTTP_SOCKETIO_ACK_STEP     100

#define NGX_HTTP_SOCKETIO_ACK_POOL     1024


/* a command that waits; lives in the pool of its run */

typedef struct {
    ngx_socketio_local_t            local;      /* "session" is the ack's id */
    ngx_http_socketio_run_t        *run;
    ngx_socketio_acks_t             acks;
    ngx_socketio_ref_t              next;       /* answer to be written */
    ngx_uint_t                      written;
    unsigned                        started:1;
    unsigned                        binary:1;   /* some have attachments, */
    unsigned                        attachments:1;  /* which come now */
} ngx_http_socketio_wait_t;


static ngx_int_t ngx_http_socketio_command_timeout(
    ngx_http_socketio_run_t *run, ngx_msec_t *timeout);
static void ngx_http_socketio_wait_look(ngx_socketio_local_t *local);
static void ngx_http_socketio_wait_end(ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_wait_step(ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_wait_answers(
    ngx_http_socketio_wait_t *wait);
static ngx_int_t ngx_http_socketio_wait_answer(ngx_http_socketio_wait_t *wait,
    ngx_socketio_answer_t *answer);
static ngx_int_t ngx_http_socketio_wait_body(ngx_http_socketio_wait_t *wait,
    ngx_socketio_answer_t *answer, ngx_pool_t *pool);
static ngx_int_t ngx_http_socketio_wait_attachments(
    ngx_http_socketio_wait_t *wait, ngx_socketio_answer_t *answer,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_socketio_wait_done(ngx_http_socketio_wait_t *wait);
static ngx_int_t ngx_http_socketio_wait_write(ngx_http_socketio_wait_t *wait,
    u_char *p, size_t len);


#define ngx_http_socketio_wait_text(wait, text)                               \
    ngx_http_socketio_wait_write(wait, (u_char *) text, sizeof(text) - 1)


static ngx_socketio_local_ops_t  ngx_http_socketio_wait_ops = {
    ngx_http_socketio_wait_look,
    NULL,                                   /* deliver: not a websocket */
    NULL,                                   /* flush */
    ngx_http_socketio_wait_look,            /* drop: the next step sees it */
    NULL                                    /* leave: it is waited for */
};


ngx_int_t
ngx_http_socketio_command_ask(ngx_http_socketio_run_t *run,
    ngx_socketio_ask_t *ask)
{
    json_t     *value;
    ngx_int_t   rc;

    ngx_memzero(ask, sizeof(ngx_socketio_ask_t));

    value = json_object_get(run->object, "ack");

    if (value == NULL || json_is_false(value) || json_is_null(value)) {
        return NGX_OK;
    }

    if (json_is_string(value)) {
        ngx_http_socketio_command_field(run, "ack", &ask->token);

        if (ask->token.len > NGX_HTTP_SOCKETIO_ACK_TOKEN) {
            return ngx_http_socketio_command_error(run, "too_large",
                                            "ack is longer than 256 bytes");
        }

    } else if (!json_is_true(value)) {
        return ngx_http_socketio_command_error(run, "bad_args",
                                               "ack is neither true nor text");

    } else if (run->command->write == NULL) {
        return ngx_http_socketio_command_error(run, "bad_args",
                                  "ack is a text here: hooks do not wait");
    }

    rc = ngx_http_socketio_command_timeout(run, &ask->timeout);

    if (rc == NGX_OK) {
        ask->number = ngx_socketio_ack_number(run->command->zone);
        ask->max = run->command->max_acks;
    }

    return rc;
}


static ngx_int_t
ngx_http_socketio_command_timeout(ngx_http_socketio_run_t *run,
    ngx_msec_t *timeout)
{
    json_t  *value;

    *timeout = NGX_HTTP_SOCKETIO_ACK_TIMEOUT;

    value = json_object_get(run->object, "timeout");

    if (value == NULL) {
        return NGX_OK;
    }

    if (!json_is_integer(value)
        || json_integer_value(value) < 1
        || json_integer_value(value) > NGX_HTTP_SOCKETIO_ACK_LONGEST)
    {
        return ngx_http_socketio_command_error(run, "bad_args",
                                 "timeout is 1 to 3600000 milliseconds");
    }

    *timeout = (ngx_msec_t) json_integer_value(value);

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_command_wait(ngx_http_socketio_run_t *run,
    ngx_socketio_ask_t *ask)
{
    ngx_http_socketio_wait_t  *wait;

    wait = ngx_pcalloc(run->pool, sizeof(ngx_http_socketio_wait_t));

    if (wait == NULL) {
        return NGX_BUSY;
    }

    wait->run = run;
    wait->local.zone = run->command->zone;
    wait->local.ops = &ngx_http_socketio_wait_ops;

    if (ngx_socketio_local_add(&wait->local) != NGX_OK) {
        return NGX_BUSY;
    }

    ask->handle = wait->local.handle;

    run->data = wait;
    run->more = ngx_http_socketio_wait_step;
    run->end = ngx_http_socketio_wait_end;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_command_acks(ngx_http_socketio_run_t *run,
    ngx_socketio_ask_t *ask)
{
    ngx_http_socketio_wait_t  *wait;

    wait = run->data;
    wait->local.session = ask->id;

    return ngx_http_socketio_wait_step(run);
}


static void
ngx_http_socketio_wait_look(ngx_socketio_local_t *local)
{
    ngx_http_socketio_wait_t     *wait;
    ngx_http_socketio_command_t  *command;

    wait = ngx_queue_data(local, ngx_http_socketio_wait_t, local);
    command = wait->run->command;

    if (command->waits) {
        command->waits = 0;
        command->wake(command->data);
    }
}


static void
ngx_http_socketio_wait_end(ngx_http_socketio_run_t *run)
{
    ngx_http_socketio_wait_t  *wait;

    wait = run->data;

    if (wait->local.session.ref) {
        ngx_socketio_ack_free(wait->local.zone, &wait->local.session);
    }

    ngx_socketio_local_remove(&wait->local);
}


static ngx_int_t
ngx_http_socketio_wait_step(ngx_http_socketio_run_t *run)
{
    ngx_int_t                  rc;
    ngx_http_socketio_wait_t  *wait;

    wait = run->data;

    if (wait->local.session.ref && !wait->started) {

        rc = ngx_socketio_ack_look(wait->local.zone, &wait->local.session,
                                   &wait->acks);
        if (rc == NGX_AGAIN) {
            run->command->waits = 1;
            return NGX_AGAIN;
        }

        if (rc != NGX_OK) {
            run->command->error = "busy";
            run->command->message = "the zone was emptied";
            return NGX_BUSY;
        }
    }

    if (!wait->started) {
        wait->started = 1;
        wait->next = wait->acks.first;

        if (ngx_http_socketio_wait_text(wait, ",\"acks\":[") != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rc = ngx_http_socketio_wait_answers(wait);

    return (rc == NGX_OK) ? ngx_http_socketio_wait_done(wait) : rc;
}


/*
 * All texts come first, then, if any client sent some, all attachments.
 * NGX_OK: all is written; NGX_AGAIN; NGX_ERROR.
 */

static ngx_int_t
ngx_http_socketio_wait_answers(ngx_http_socketio_wait_t *wait)
{
    ngx_uint_t             n;
    ngx_socketio_answer_t  answer;

    n = NGX_HTTP_SOCKETIO_ACK_STEP;

    for ( ;; ) {

        for ( /* void */ ; wait->next; wait->next = answer.next) {

            if (n-- == 0) {
                return NGX_AGAIN;
            }

            if (ngx_socketio_ack_answer(wait->local.zone, &wait->local.session,
                                        wait->next, &answer)
                != NGX_OK
                || ngx_http_socketio_wait_answer(wait, &answer) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        if (ngx_http_socketio_wait_text(wait, "]") != NGX_OK) {
            return NGX_ERROR;
        }

        if (!wait->binary || wait->attachments) {
            return NGX_OK;
        }

        if (ngx_http_socketio_wait_text(wait, ",\"attachments\":[")
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        wait->attachments = 1;
        wait->written = 0;
        wait->next = wait->acks.first;
    }
}


static ngx_int_t
ngx_http_socketio_wait_answer(ngx_http_socketio_wait_t *wait,
    ngx_socketio_answer_t *answer)
{
    ngx_int_t    rc;
    ngx_pool_t  *pool;

    if (wait->written++ && ngx_http_socketio_wait_text(wait, ",") != NGX_OK) {
        return NGX_ERROR;
    }

    pool = ngx_create_pool(NGX_HTTP_SOCKETIO_ACK_POOL,
                           wait->run->command->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    rc = wait->attachments
         ? ngx_http_socketio_wait_attachments(wait, answer, pool)
         : ngx_http_socketio_wait_body(wait, answer, pool);

    ngx_destroy_pool(pool);

    return rc;
}


static ngx_int_t
ngx_http_socketio_wait_body(ngx_http_socketio_wait_t *wait,
    ngx_socketio_answer_t *answer, ngx_pool_t *pool)
{
    u_char  *p;
    size_t   i;

    if (answer->attachments) {
        wait->binary = 1;
    }

    if (answer->body_len == 0) {
        return ngx_http_socketio_wait_text(wait, "[]");
    }

    p = ngx_pnalloc(pool, answer->body_len);

    if (p == NULL
        || ngx_socketio_bytes_read(wait->local.zone, answer->body, p,
                                   answer->body_len)
           != answer->body_len)
    {
        return NGX_ERROR;
    }

    /* white space of the client's, but a result is one line */

    for (i = 0; i < answer->body_len; i++) {
        if (p[i] == LF || p[i] == CR) {
            p[i] = ' ';
        }
    }

    return ngx_http_socketio_wait_write(wait, p, answer->body_len);
}


static ngx_int_t
ngx_http_socketio_wait_attachments(ngx_http_socketio_wait_t *wait,
    ngx_socketio_answer_t *answer, ngx_pool_t *pool)
{
    u_char      *p, *text;
    size_t       size;
    ngx_str_t   *a;
    ngx_uint_t   i;

    if (ngx_http_socketio_attachments_read(wait->local.zone, answer->attached,
                                           answer->attached_len,
                                           answer->attachments, &a, pool)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    size = sizeof("[]") - 1;

    for (i = 0; i < answer->attachments; i++) {
        size += ngx_base64_encoded_length(a[i].len) + sizeof("\"\",") - 1;
    }

    text = ngx_pnalloc(pool, size);

    if (text == NULL) {
        return NGX_ERROR;
    }

    p = text;
    *p++ = '[';

    for (i = 0; i < answer->attachments; i++) {

        if (i) {
            *p++ = ',';
        }

        *p++ = '"';
        p += ngx_socketio_base64_encode(p, a[i].data, a[i].len);
        *p++ = '"';
    }

    *p++ = ']';

    return ngx_http_socketio_wait_write(wait, text, p - text);
}


static ngx_int_t
ngx_http_socketio_wait_done(ngx_http_socketio_wait_t *wait)
{
    u_char  *p, buf[sizeof(",\"expected\":,\"received\":")
                    + 2 * NGX_INT_T_LEN];

    p = ngx_sprintf(buf, ",\"expected\":%ui,\"received\":%ui",
                    wait->acks.expected, wait->acks.received);

    return ngx_http_socketio_wait_write(wait, buf, p - buf);
}


static ngx_int_t
ngx_http_socketio_wait_write(ngx_http_socketio_wait_t *wait, u_char *p,
    size_t len)
{
    ngx_http_socketio_command_t  *command;

    command = wait->run->command;

    return command->write(command->data, p, len);
}
