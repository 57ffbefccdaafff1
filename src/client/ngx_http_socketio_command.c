
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "client/ngx_http_socketio_command_internal.h"
#include "proto/ngx_socketio_sio.h"


#define NGX_HTTP_SOCKETIO_COMMAND_HOOK     0x01
#define NGX_HTTP_SOCKETIO_COMMAND_PUBLISH  0x02
#define NGX_HTTP_SOCKETIO_COMMAND_BOTH     0x03

/* of one protocol alone; others are of both */
#define NGX_HTTP_SOCKETIO_COMMAND_SIO      0x04
#define NGX_HTTP_SOCKETIO_COMMAND_RAW      0x08

#define NGX_HTTP_SOCKETIO_COMMAND_POOL     4096

/* the length of a message has 32 bits */
#define NGX_HTTP_SOCKETIO_COMMAND_MAX      0x7fffffff


typedef struct {
    char                           *name;
    ngx_uint_t                      where;
    ngx_int_t                     (*run)(ngx_http_socketio_run_t *run);
} ngx_http_socketio_command_op_t;


static ngx_int_t ngx_http_socketio_command_do(ngx_http_socketio_run_t *run);
static ngx_http_socketio_command_op_t *ngx_http_socketio_command_op(
    ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_emit(ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_send(ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_give(ngx_http_socketio_run_t *run,
    ngx_str_t *frames);
static ngx_int_t ngx_http_socketio_command_join(ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_leave(
    ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_rooms(ngx_http_socketio_run_t *run,
    ngx_socketio_do_e what);
static ngx_int_t ngx_http_socketio_command_disconnect(
    ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_data(ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_count(
    ngx_http_socketio_run_t *run);


static ngx_http_socketio_command_op_t  ngx_http_socketio_command_ops[] = {
    { "emit", NGX_HTTP_SOCKETIO_COMMAND_BOTH|NGX_HTTP_SOCKETIO_COMMAND_SIO,
      ngx_http_socketio_command_emit },
    { "ack", NGX_HTTP_SOCKETIO_COMMAND_HOOK|NGX_HTTP_SOCKETIO_COMMAND_SIO,
      ngx_http_socketio_command_ack },
    { "send", NGX_HTTP_SOCKETIO_COMMAND_BOTH|NGX_HTTP_SOCKETIO_COMMAND_RAW,
      ngx_http_socketio_command_send },
    { "accept", NGX_HTTP_SOCKETIO_COMMAND_HOOK,
      ngx_http_socketio_command_accept },
    { "reject", NGX_HTTP_SOCKETIO_COMMAND_HOOK,
      ngx_http_socketio_command_reject },
    { "join", NGX_HTTP_SOCKETIO_COMMAND_BOTH,
      ngx_http_socketio_command_join },
    { "leave", NGX_HTTP_SOCKETIO_COMMAND_BOTH,
      ngx_http_socketio_command_leave },
    { "disconnect", NGX_HTTP_SOCKETIO_COMMAND_BOTH,
      ngx_http_socketio_command_disconnect },
    { "data", NGX_HTTP_SOCKETIO_COMMAND_BOTH,
      ngx_http_socketio_command_data },
    { "count", NGX_HTTP_SOCKETIO_COMMAND_PUBLISH,
      ngx_http_socketio_command_count },
    { NULL, 0, NULL }
};


ngx_int_t
ngx_http_socketio_command_run(ngx_http_socketio_command_t *command,
    json_t *object)
{
    char                     *text;
    ngx_int_t                 rc;
    ngx_pool_t               *pool;
    ngx_http_socketio_run_t  *run;

    command->op = NULL;
    command->error = NULL;
    command->message = NULL;
    command->count = 0;

    text = NULL;
    rc = NGX_BUSY;

    pool = ngx_create_pool(NGX_HTTP_SOCKETIO_COMMAND_POOL, command->log);

    if (pool == NULL) {
        goto done;
    }

    run = ngx_pcalloc(pool, sizeof(ngx_http_socketio_run_t));

    if (run == NULL) {
        goto done;
    }

    run->command = command;
    run->object = object;
    run->pool = pool;
    run->raw = command->raw;

    if (!json_is_object(object)) {
        rc = ngx_http_socketio_command_error(run, "bad_json",
                                             "a command is not an object");
        goto done;
    }

    if (run->raw.len == 0) {
        text = json_dumps(object, JSON_COMPACT|JSON_REAL_PRECISION(17));

        if (text == NULL) {
            goto done;
        }

        run->raw.data = (u_char *) text;
        run->raw.len = ngx_strlen(text);
    }

    rc = ngx_http_socketio_command_do(run);

done:

    if (rc == NGX_BUSY && command->error == NULL) {
        command->error = "busy";
        command->message = "out of memory";
    }

    free(text);

    if (pool != NULL) {
        ngx_destroy_pool(pool);
    }

    return rc;
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
ngx_http_socketio_command_op(ngx_http_socketio_run_t *run)
{
    json_t                          *value;
    const char                      *name;
    ngx_str_t                        event;
    ngx_http_socketio_command_op_t  *op;

    value = json_object_get(run->object, "op");

    if (value == NULL) {
        ngx_http_socketio_command_field(run, "event", &event);
        name = event.len ? "emit" : NULL;

    } else {
        name = json_string_value(value);
    }

    if (name == NULL) {
        return NULL;
    }

    for (op = ngx_http_socketio_command_ops; op->name; op++) {
        if (ngx_strcmp(name, op->name) == 0) {
            return op;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_socketio_command_emit(ngx_http_socketio_run_t *run)
{
    ngx_int_t                    rc;
    ngx_str_t                    frames;
    ngx_http_socketio_packet_t   packet;

    ngx_memzero(&packet, sizeof(ngx_http_socketio_packet_t));

    rc = ngx_http_socketio_command_target(run, "room");

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_command_packet(run, 0, &packet);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    /* whoever waits for answers must not wait in vain */

    if (json_is_string(json_object_get(run->object, "ack"))
        || json_is_true(json_object_get(run->object, "ack")))
    {
        return ngx_http_socketio_command_error(run, "bad_args",
                                  "ack is not supported yet for emits");
    }

    if (run->nobody) {
        return NGX_OK;
    }

    packet.nsp = run->nsp;

    rc = ngx_http_socketio_command_frames(run, &packet, &frames);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_socketio_command_give(run, &frames);
}


/* a message as it is, to raw sessions */

static ngx_int_t
ngx_http_socketio_command_send(ngx_http_socketio_run_t *run)
{
    ngx_int_t                    rc;
    ngx_str_t                    frames;
    ngx_http_socketio_packet_t   packet;

    ngx_memzero(&packet, sizeof(ngx_http_socketio_packet_t));

    packet.raw = 1;

    rc = ngx_http_socketio_command_target(run, "room");

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_command_message(run, &packet);
    }

    if (rc != NGX_OK || run->nobody) {
        return rc;
    }

    rc = ngx_http_socketio_command_frames(run, &packet, &frames);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_socketio_command_give(run, &frames);
}


/* to the target; frees the frames */

static ngx_int_t
ngx_http_socketio_command_give(ngx_http_socketio_run_t *run,
    ngx_str_t *frames)
{
    ngx_int_t   rc;
    ngx_uint_t  is_volatile, count;

    rc = ngx_http_socketio_command_flag(run, "volatile", &is_volatile);

    if (rc != NGX_OK) {
        ngx_free(frames->data);
        return rc;
    }

    count = 0;
    rc = ngx_socketio_emit(run->command->zone, &run->target, frames->data,
                           frames->len,
                           is_volatile ? NGX_SOCKETIO_VOLATILE : 0, &count);
    ngx_free(frames->data);

    return ngx_http_socketio_command_done(run, rc, count);
}


static ngx_int_t
ngx_http_socketio_command_join(ngx_http_socketio_run_t *run)
{
    return ngx_http_socketio_command_rooms(run, NGX_SOCKETIO_DO_JOIN);
}


static ngx_int_t
ngx_http_socketio_command_leave(ngx_http_socketio_run_t *run)
{
    return ngx_http_socketio_command_rooms(run, NGX_SOCKETIO_DO_LEAVE);
}


static ngx_int_t
ngx_http_socketio_command_rooms(ngx_http_socketio_run_t *run,
    ngx_socketio_do_e what)
{
    ngx_int_t    rc;
    ngx_uint_t   count;
    ngx_array_t  rooms;

    rc = ngx_http_socketio_command_target(run, NULL);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_socketio_command_room_list(run, "room", &rooms);

    if (rc == NGX_DONE) {
        return ngx_http_socketio_command_error(run, "bad_args",
                                               "room is missing");
    }

    if (rc != NGX_OK || run->nobody) {
        return rc;
    }

    count = 0;
    rc = ngx_socketio_select(run->command->zone, &run->target, what,
                             rooms.elts, rooms.nelts, run->command->max_rooms,
                             NULL, 0, &count);

    return ngx_http_socketio_command_done(run, rc, count);
}


static ngx_int_t
ngx_http_socketio_command_disconnect(ngx_http_socketio_run_t *run)
{
    ngx_int_t                    rc;
    ngx_str_t                    frames;
    ngx_uint_t                   whole, count;
    ngx_http_socketio_packet_t   packet;

    rc = ngx_http_socketio_command_target(run, "room");

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_command_flag(run, "close", &whole);
    }

    if (rc != NGX_OK || run->nobody) {
        return rc;
    }

    ngx_str_null(&frames);

    if (ngx_http_socketio_command_raw(run)) {
        whole = 1;

    } else {
        ngx_memzero(&packet, sizeof(ngx_http_socketio_packet_t));

        packet.type = NGX_SOCKETIO_SIO_DISCONNECT;
        packet.nsp = run->nsp;
        ngx_str_set(&packet.json, "");

        rc = ngx_http_socketio_command_frames(run, &packet, &frames);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    count = 0;
    rc = ngx_socketio_select(run->command->zone, &run->target,
                             whole ? NGX_SOCKETIO_DO_CLOSE
                                   : NGX_SOCKETIO_DO_DISCONNECT,
                             NULL, 0, 0, frames.data, frames.len, &count);

    if (frames.data) {
        ngx_free(frames.data);
    }

    return ngx_http_socketio_command_done(run, rc, count);
}


static ngx_int_t
ngx_http_socketio_command_data(ngx_http_socketio_run_t *run)
{
    ngx_int_t          rc;
    ngx_str_t          data;
    ngx_socketio_id_t  socket;

    ngx_http_socketio_command_field(run, "data", &data);

    if (data.len == 0) {
        return ngx_http_socketio_command_error(run, "bad_args",
                                               "data is missing");
    }

    ngx_http_socketio_command_value(run, "data", &data);

    rc = ngx_http_socketio_command_kept(run, &data);

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_command_socket(run, &socket);
    }

    if (rc != NGX_OK || run->nobody) {
        return rc;
    }

    rc = ngx_socketio_set_data(run->command->zone, &socket, &data);

    return ngx_http_socketio_command_done(run, rc, 1);
}


/* leaving no room changes nothing, but says how many sockets are meant */

static ngx_int_t
ngx_http_socketio_command_count(ngx_http_socketio_run_t *run)
{
    ngx_int_t   rc;
    ngx_uint_t  count;

    rc = ngx_http_socketio_command_target(run, "room");

    if (rc != NGX_OK || run->nobody) {
        return rc;
    }

    count = 0;
    rc = ngx_socketio_select(run->command->zone, &run->target,
                             NGX_SOCKETIO_DO_LEAVE, NULL, 0, 0, NULL, 0,
                             &count);

    return ngx_http_socketio_command_done(run, rc, count);
}


ngx_int_t
ngx_http_socketio_command_room_list(ngx_http_socketio_run_t *run, char *field,
    ngx_array_t *rooms)
{
    ngx_int_t             rc;
    ngx_str_t            *text;
    ngx_uint_t            i;
    ngx_array_t           names;
    ngx_socketio_name_t  *name;

    ngx_memzero(rooms, sizeof(ngx_array_t));

    rc = ngx_http_socketio_command_names(run, field, "bad_args", &names);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_array_init(rooms, run->pool, names.nelts ? names.nelts : 1,
                       sizeof(ngx_socketio_name_t))
        != NGX_OK)
    {
        return NGX_BUSY;
    }

    text = names.elts;

    for (i = 0; i < names.nelts; i++) {
        name = ngx_array_push(rooms);

        if (name == NULL) {
            return NGX_BUSY;
        }

        ngx_socketio_name_set(name, &text[i]);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_command_frames(ngx_http_socketio_run_t *run,
    ngx_http_socketio_packet_t *packet, ngx_str_t *frames)
{
    size_t  len, size;

    len = ngx_http_socketio_frames(NULL, packet);
    size = (size_t) run->command->zone->sh->npages * NGX_SOCKETIO_PAGE;

    /* "busy" would invite to try again what can never fit */

    if (len > size || len > NGX_HTTP_SOCKETIO_COMMAND_MAX) {
        return ngx_http_socketio_command_error(run, "too_large",
                                               "the message is too large");
    }

    *frames = ngx_http_socketio_frames_alloc(packet, run->command->log);

    return (frames->data != NULL) ? NGX_OK : NGX_BUSY;
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
