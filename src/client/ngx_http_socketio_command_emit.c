
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Commands that carry something to clients: emit, send. */


#include "client/ngx_http_socketio_command_internal.h"
#include "proto/ngx_socketio_sio.h"


/* the length of a message has 32 bits */
#define NGX_HTTP_SOCKETIO_COMMAND_MAX  0x7fffffff


static ngx_int_t ngx_http_socketio_command_call(ngx_http_socketio_run_t *run,
    ngx_socketio_ask_t *ask, ngx_http_socketio_packet_t *packet);
static ngx_int_t ngx_http_socketio_command_give(ngx_http_socketio_run_t *run,
    ngx_str_t *frames, ngx_socketio_ask_t *ask);
static ngx_int_t ngx_http_socketio_command_flags(ngx_http_socketio_run_t *run,
    ngx_uint_t *flags);


ngx_int_t
ngx_http_socketio_command_emit(ngx_http_socketio_run_t *run)
{
    ngx_int_t                    rc;
    ngx_str_t                    frames;
    ngx_socketio_ask_t           ask;
    ngx_http_socketio_packet_t   packet;

    ngx_memzero(&packet, sizeof(ngx_http_socketio_packet_t));

    rc = ngx_http_socketio_command_target(run, "room");

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_command_packet(run, 0, &packet);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_command_ask(run, &ask);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    packet.nsp = run->nsp;

    if (ask.timeout) {
        packet.ack = ask.number + 1;

    } else {
        rc = ngx_http_socketio_command_offset(run, &packet.json);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ask.timeout && ask.token.len == 0) {
        return ngx_http_socketio_command_call(run, &ask, &packet);
    }

    if (run->nobody) {
        return NGX_OK;
    }

    rc = ngx_http_socketio_command_frames(run, &packet, &frames);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_socketio_command_give(run, &frames,
                                          ask.timeout ? &ask : NULL);
}


/* an emit whose answers are the result of the command */

static ngx_int_t
ngx_http_socketio_command_call(ngx_http_socketio_run_t *run,
    ngx_socketio_ask_t *ask, ngx_http_socketio_packet_t *packet)
{
    ngx_int_t  rc;
    ngx_str_t  frames;

    rc = ngx_http_socketio_command_wait(run, ask);

    if (rc == NGX_OK && !run->nobody) {
        rc = ngx_http_socketio_command_frames(run, packet, &frames);

        if (rc == NGX_OK) {
            rc = ngx_http_socketio_command_give(run, &frames, ask);
        }
    }

    return (rc == NGX_OK) ? ngx_http_socketio_command_acks(run, ask)
                          : rc;
}


/* a message as it is, to raw sessions */

ngx_int_t
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

    return ngx_http_socketio_command_give(run, &frames, NULL);
}


/* to the target; frees the frames; "ask" may be NULL */

static ngx_int_t
ngx_http_socketio_command_give(ngx_http_socketio_run_t *run,
    ngx_str_t *frames, ngx_socketio_ask_t *ask)
{
    ngx_int_t   rc;
    ngx_uint_t  flags, count;

    rc = ngx_http_socketio_command_flags(run, &flags);

    if (rc != NGX_OK) {
        ngx_free(frames->data);
        return rc;
    }

    if (run->keyed) {
        run->target.key = run->key;
    }

    count = 0;
    rc = ngx_socketio_emit(run->command->zone, &run->target, frames->data,
                           frames->len, flags, ask, &count);
    ngx_free(frames->data);

    return ngx_http_socketio_command_done(run, rc, count);
}


/* "local" says what is so anyway: there are no other nodes */

static ngx_int_t
ngx_http_socketio_command_flags(ngx_http_socketio_run_t *run,
    ngx_uint_t *flags)
{
    ngx_int_t   rc;
    ngx_uint_t  is_volatile, compress, local;

    is_volatile = 0;
    compress = 1;

    rc = ngx_http_socketio_command_flag(run, "volatile", &is_volatile);

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_command_flag(run, "local", &local);
    }

    if (rc == NGX_OK && json_object_get(run->object, "compress") != NULL) {
        rc = ngx_http_socketio_command_flag(run, "compress", &compress);
    }

    *flags = (is_volatile ? NGX_SOCKETIO_VOLATILE : 0)
             | (compress ? 0 : NGX_SOCKETIO_PLAIN);

    return rc;
}


ngx_int_t
ngx_http_socketio_command_frames(ngx_http_socketio_run_t *run,
    ngx_http_socketio_packet_t *packet, ngx_str_t *frames)
{
    size_t  len, size;

    ngx_str_null(frames);

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
