
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "client/ngx_http_socketio_command_internal.h"


#define NGX_HTTP_SOCKETIO_COMMAND_HOOK     0x01
#define NGX_HTTP_SOCKETIO_COMMAND_PUBLISH  0x02
#define NGX_HTTP_SOCKETIO_COMMAND_BOTH     0x03

/* of one protocol alone; others are of both */
#define NGX_HTTP_SOCKETIO_COMMAND_SIO      0x04
#define NGX_HTTP_SOCKETIO_COMMAND_RAW      0x08

/* "key" is looked at: what only looks may be repeated anyway, and an answer
   to an event is its own */
#define NGX_HTTP_SOCKETIO_COMMAND_KEY      0x10
/* twice is as once: one that was given up midway may run again */
#define NGX_HTTP_SOCKETIO_COMMAND_AGAIN    0x20

#define NGX_HTTP_SOCKETIO_COMMAND_POOL     4096


typedef struct {
    char                           *name;
    ngx_uint_t                      where;
    ngx_int_t                     (*run)(ngx_http_socketio_run_t *run);
} ngx_http_socketio_command_op_t;


static ngx_int_t ngx_http_socketio_command_do(ngx_http_socketio_run_t *run);
static ngx_http_socketio_command_op_t *ngx_http_socketio_command_op(
    ngx_http_socketio_run_t *run);
static ngx_http_socketio_command_op_t *ngx_http_socketio_command_find(
    const char *name);
static ngx_int_t ngx_http_socketio_command_goes_on(
    ngx_http_socketio_run_t *run, ngx_int_t rc);


static ngx_http_socketio_command_op_t  ngx_http_socketio_command_ops[] = {
    { "emit", NGX_HTTP_SOCKETIO_COMMAND_BOTH|NGX_HTTP_SOCKETIO_COMMAND_SIO
      |NGX_HTTP_SOCKETIO_COMMAND_KEY,
      ngx_http_socketio_command_emit },
    { "ack", NGX_HTTP_SOCKETIO_COMMAND_HOOK|NGX_HTTP_SOCKETIO_COMMAND_SIO,
      ngx_http_socketio_command_ack },
    { "send", NGX_HTTP_SOCKETIO_COMMAND_BOTH|NGX_HTTP_SOCKETIO_COMMAND_RAW
      |NGX_HTTP_SOCKETIO_COMMAND_KEY,
      ngx_http_socketio_command_send },
    { "accept", NGX_HTTP_SOCKETIO_COMMAND_HOOK,
      ngx_http_socketio_command_accept },
    { "reject", NGX_HTTP_SOCKETIO_COMMAND_HOOK,
      ngx_http_socketio_command_reject },
    { "join", NGX_HTTP_SOCKETIO_COMMAND_BOTH
      |NGX_HTTP_SOCKETIO_COMMAND_KEY|NGX_HTTP_SOCKETIO_COMMAND_AGAIN,
      ngx_http_socketio_command_join },
    { "leave", NGX_HTTP_SOCKETIO_COMMAND_BOTH
      |NGX_HTTP_SOCKETIO_COMMAND_KEY|NGX_HTTP_SOCKETIO_COMMAND_AGAIN,
      ngx_http_socketio_command_leave },
    { "disconnect", NGX_HTTP_SOCKETIO_COMMAND_BOTH
      |NGX_HTTP_SOCKETIO_COMMAND_KEY|NGX_HTTP_SOCKETIO_COMMAND_AGAIN,
      ngx_http_socketio_command_disconnect },
    { "data", NGX_HTTP_SOCKETIO_COMMAND_BOTH
      |NGX_HTTP_SOCKETIO_COMMAND_KEY|NGX_HTTP_SOCKETIO_COMMAND_AGAIN,
      ngx_http_socketio_command_data },
    { "fetch", NGX_HTTP_SOCKETIO_COMMAND_PUBLISH,
      ngx_http_socketio_command_fetch },
    { "rooms", NGX_HTTP_SOCKETIO_COMMAND_PUBLISH,
      ngx_http_socketio_command_rooms },
    { "count", NGX_HTTP_SOCKETIO_COMMAND_PUBLISH,
      ngx_http_socketio_command_count },
    { NULL, 0, NULL }
};


ngx_int_t
ngx_http_socketio_command_run(ngx_http_socketio_command_t *command,
    json_t *object, ngx_str_t *text)
{
    ngx_pool_t               *pool;
    ngx_http_socketio_run_t  *run;

    command->op = NULL;
    command->error = NULL;
    command->message = NULL;
    command->count = 0;
    command->dup = 0;
    command->waits = 0;
    command->run = NULL;

    pool = ngx_create_pool(NGX_HTTP_SOCKETIO_COMMAND_POOL, command->log);

    if (pool == NULL) {
        return ngx_http_socketio_command_no_memory(command);
    }

    run = ngx_pcalloc(pool, sizeof(ngx_http_socketio_run_t));

    if (run == NULL) {
        ngx_destroy_pool(pool);
        return ngx_http_socketio_command_no_memory(command);
    }

    run->command = command;
    run->object = json_incref(object);
    run->pool = pool;
    run->raw = *text;

    return ngx_http_socketio_command_goes_on(run,
                                           ngx_http_socketio_command_do(run));
}


/* frees the run unless it goes on */

static ngx_int_t
ngx_http_socketio_command_goes_on(ngx_http_socketio_run_t *run, ngx_int_t rc)
{
    ngx_http_socketio_command_t  *command;

    command = run->command;
    command->run = run;

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ngx_http_socketio_command_key_end(run, rc);
    ngx_http_socketio_command_end(command);

    if (rc == NGX_BUSY && command->error == NULL) {
        return ngx_http_socketio_command_no_memory(command);
    }

    return rc;
}


ngx_int_t
ngx_http_socketio_command_more(ngx_http_socketio_command_t *command)
{
    command->waits = 0;

    return ngx_http_socketio_command_goes_on(command->run,
                                           command->run->more(command->run));
}


void
ngx_http_socketio_command_end(ngx_http_socketio_command_t *command)
{
    ngx_http_socketio_run_t  *run;

    run = command->run;

    if (run == NULL) {
        return;
    }

    command->run = NULL;

    /* given up midway: what clients have been sent is not sent again */
    ngx_http_socketio_command_key_end(run, run->again ? NGX_BUSY : NGX_OK);

    if (run->end) {
        run->end(run);
    }

    json_decref(run->object);
    ngx_destroy_pool(run->pool);
}


ngx_int_t
ngx_http_socketio_command_no_memory(ngx_http_socketio_command_t *command)
{
    command->error = "busy";
    command->message = "out of memory";

    return NGX_BUSY;
}


static ngx_int_t
ngx_http_socketio_command_do(ngx_http_socketio_run_t *run)
{
    ngx_int_t                        rc;
    ngx_uint_t                       where;
    ngx_http_socketio_command_op_t  *op;

    op = ngx_http_socketio_command_op(run);

    if (op == NULL) {
        return ngx_http_socketio_command_error(run, "bad_op",
                                               "op is missing or unknown");
    }

    run->command->op = op->name;

    where = run->command->hook ? NGX_HTTP_SOCKETIO_COMMAND_HOOK
                               : NGX_HTTP_SOCKETIO_COMMAND_PUBLISH;

    if (!(op->where & where)) {
        return ngx_http_socketio_command_error(run, "bad_op",
                          run->command->hook
                          ? "op is for the publish API only"
                          : "op is for answers of hooks only");
    }

    run->nsp = ngx_http_socketio_raw_nsp;

    if (!(op->where & NGX_HTTP_SOCKETIO_COMMAND_RAW)) {
        ngx_str_set(&run->nsp, "/");
    }

    rc = ngx_http_socketio_command_id(run);

    if (rc != NGX_OK) {
        return rc;
    }

    if ((op->where & NGX_HTTP_SOCKETIO_COMMAND_RAW)
        && !ngx_http_socketio_command_raw(run) && !run->nobody)
    {
        return ngx_http_socketio_command_error(run, "bad_op",
                                   "op is for socketio_protocol engine.io");
    }

    if ((op->where & NGX_HTTP_SOCKETIO_COMMAND_SIO)
        && ngx_http_socketio_command_raw(run))
    {
        return ngx_http_socketio_command_error(run, "bad_op",
                                   "op is for socketio_protocol socket.io");
    }

    run->again = (op->where & NGX_HTTP_SOCKETIO_COMMAND_AGAIN) ? 1 : 0;

    if (op->where & NGX_HTTP_SOCKETIO_COMMAND_KEY) {
        rc = ngx_http_socketio_command_key(run);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : rc;
        }
    }

    return op->run(run);
}


ngx_uint_t
ngx_http_socketio_command_raw(ngx_http_socketio_run_t *run)
{
    return run->nsp.len == ngx_http_socketio_raw_nsp.len
           && ngx_memcmp(run->nsp.data, ngx_http_socketio_raw_nsp.data,
                         run->nsp.len)
              == 0;
}


static ngx_http_socketio_command_op_t *
ngx_http_socketio_command_find(const char *name)
{
    ngx_http_socketio_command_op_t  *op;

    for (op = ngx_http_socketio_command_ops; op->name; op++) {
        if (ngx_strcmp(name, op->name) == 0) {
            return op;
        }
    }

    return NULL;
}


char *
ngx_http_socketio_command_op_name(u_char *text)
{
    ngx_http_socketio_command_op_t  *op;

    op = ngx_http_socketio_command_find((const char *) text);

    return op ? op->name : NULL;
}


static ngx_http_socketio_command_op_t *
ngx_http_socketio_command_op(ngx_http_socketio_run_t *run)
{
    json_t      *value;
    const char  *name;
    ngx_str_t    event;

    value = json_object_get(run->object, "op");

    if (value == NULL) {
        ngx_http_socketio_command_field(run, "event", &event);
        name = event.len ? "emit" : NULL;

    } else {
        name = json_string_value(value);

        /* with a NUL in it, it is not that of a command */

        if (name != NULL && ngx_strlen(name) != json_string_length(value)) {
            name = NULL;
        }
    }

    return (name != NULL) ? ngx_http_socketio_command_find(name) : NULL;
}


ngx_int_t
ngx_http_socketio_command_done(ngx_http_socketio_run_t *run, ngx_int_t rc,
    ngx_uint_t count)
{
    switch (rc) {

    case NGX_OK:
        run->command->count = count;
        return NGX_OK;

    case NGX_ERROR:
        ngx_socketio_zone_full(run->command->zone, run->command->log,
                               "a command");
        run->command->error = "busy";
        run->command->message = "the zone is full";
        return NGX_BUSY;

    default: /* NGX_DECLINED: the socket is gone */
        return NGX_OK;
    }
}


ngx_int_t
ngx_http_socketio_command_error(ngx_http_socketio_run_t *run, char *code,
    char *message)
{
    run->command->error = code;
    run->command->message = message;

    return NGX_DECLINED;
}
