
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Commands that change sockets: join, leave, disconnect, data. */


#include "client/ngx_http_socketio_command_internal.h"
#include "store/ngx_socketio_scan.h"
#include "proto/ngx_socketio_sio.h"


static ngx_int_t ngx_http_socketio_command_change(ngx_http_socketio_run_t *run,
    ngx_socketio_do_e what);
static ngx_socketio_selector_t *ngx_http_socketio_command_selector(
    ngx_http_socketio_run_t *run, ngx_socketio_do_e what);
static ngx_int_t ngx_http_socketio_command_select(
    ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_select_more(
    ngx_http_socketio_run_t *run);
static void ngx_http_socketio_command_select_end(
    ngx_http_socketio_run_t *run);


ngx_int_t
ngx_http_socketio_command_join(ngx_http_socketio_run_t *run)
{
    return ngx_http_socketio_command_change(run, NGX_SOCKETIO_DO_JOIN);
}


ngx_int_t
ngx_http_socketio_command_leave(ngx_http_socketio_run_t *run)
{
    return ngx_http_socketio_command_change(run, NGX_SOCKETIO_DO_LEAVE);
}


static ngx_int_t
ngx_http_socketio_command_change(ngx_http_socketio_run_t *run,
    ngx_socketio_do_e what)
{
    ngx_int_t                 rc;
    ngx_array_t               rooms;
    ngx_socketio_selector_t  *selector;

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

    selector = ngx_http_socketio_command_selector(run, what);

    if (selector == NULL) {
        return NGX_BUSY;
    }

    selector->rooms = rooms.elts;
    selector->nrooms = rooms.nelts;
    selector->rooms_max = run->command->max_rooms;

    return ngx_http_socketio_command_select(run);
}


/* in run->data; freed by run->end */

static ngx_socketio_selector_t *
ngx_http_socketio_command_selector(ngx_http_socketio_run_t *run,
    ngx_socketio_do_e what)
{
    ngx_socketio_selector_t  *selector;

    selector = ngx_pcalloc(run->pool, sizeof(ngx_socketio_selector_t));

    if (selector == NULL) {
        return NULL;
    }

    ngx_socketio_scan_init(&selector->scan, run->command->zone, &run->target);

    selector->what = what;

    run->data = selector;
    run->more = ngx_http_socketio_command_select_more;
    run->end = ngx_http_socketio_command_select_end;

    return selector;
}


/* what answers an event is done before the next command */

static ngx_int_t
ngx_http_socketio_command_select(ngx_http_socketio_run_t *run)
{
    ngx_int_t  rc;

    do {
        rc = ngx_http_socketio_command_select_more(run);
    } while (rc == NGX_AGAIN && run->command->hook);

    return rc;
}


static ngx_int_t
ngx_http_socketio_command_select_more(ngx_http_socketio_run_t *run)
{
    ngx_int_t                 rc;
    ngx_socketio_selector_t  *selector;

    selector = run->data;

    rc = ngx_socketio_select_step(selector);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    selector->scan.done = 1;

    return ngx_http_socketio_command_done(run, rc, selector->n);
}


/* a command that was begun is not left half done, though nobody waits for it */

static void
ngx_http_socketio_command_select_end(ngx_http_socketio_run_t *run)
{
    ngx_socketio_selector_t  *selector;

    selector = run->data;

    while (!selector->scan.done
           && ngx_socketio_select_step(selector) == NGX_AGAIN)
    {
        /* void */
    }

    ngx_socketio_scan_free(&selector->scan);

    if (selector->frames.data) {
        ngx_free(selector->frames.data);
    }
}


ngx_int_t
ngx_http_socketio_command_disconnect(ngx_http_socketio_run_t *run)
{
    ngx_int_t                    rc;
    ngx_str_t                    frames;
    ngx_uint_t                   whole;
    ngx_socketio_selector_t     *selector;
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

    selector = ngx_http_socketio_command_selector(run,
                                            whole ? NGX_SOCKETIO_DO_CLOSE
                                                  : NGX_SOCKETIO_DO_DISCONNECT);
    if (selector == NULL) {

        if (frames.data) {
            ngx_free(frames.data);
        }

        return NGX_BUSY;
    }

    selector->frames = frames;

    return ngx_http_socketio_command_select(run);
}


ngx_int_t
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
