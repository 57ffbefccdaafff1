
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Commands that answer an event: accept, reject, ack.
 */


#include "client/ngx_http_socketio_command_internal.h"


static ngx_int_t ngx_http_socketio_command_asked(
    ngx_http_socketio_run_t *run);


ngx_int_t
ngx_http_socketio_command_accept(ngx_http_socketio_run_t *run)
{
    ngx_int_t                   rc;
    ngx_str_t                   data;
    ngx_array_t                 rooms;
    ngx_http_socketio_asked_t  *asked;

    rc = ngx_http_socketio_command_asked(run);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_socketio_command_value(run, "data", &data);

    rc = ngx_http_socketio_command_kept(run, &data);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_socketio_command_room_list(run, "rooms", &rooms);

    if (rc != NGX_OK && rc != NGX_DONE) {
        return rc;
    }

    if (rooms.nelts > run->command->max_rooms) {
        return ngx_http_socketio_command_error(run, "too_large",
                                   "more rooms than socketio_limits allows");
    }

    asked = run->asked;

    if (asked->answered) {
        return NGX_OK;
    }

    asked->answered = 1;

    rc = ngx_http_socketio_client_accept(run->command->zone,
                                         &asked->id.socket, &asked->peer,
                                         asked->text, &asked->nsp, rooms.elts,
                                         rooms.nelts, &data,
                                         run->command->log);

    return ngx_http_socketio_command_done(run, rc, 1);
}


ngx_int_t
ngx_http_socketio_command_reject(ngx_http_socketio_run_t *run)
{
    ngx_int_t                   rc;
    ngx_str_t                   message, data;
    ngx_http_socketio_asked_t  *asked;

    rc = ngx_http_socketio_command_asked(run);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_socketio_command_value(run, "message", &message);
    ngx_http_socketio_command_value(run, "data", &data);

    if (message.len == 0) {
        ngx_str_set(&message, "\"Rejected\"");

    } else if (message.data[0] != '"') {
        return ngx_http_socketio_command_error(run, "bad_args",
                                               "message is not a string");
    }

    asked = run->asked;

    if (asked->answered) {
        return NGX_OK;
    }

    asked->answered = 1;

    if (asked->recovered) {
        rc = ngx_http_socketio_client_dismiss(run->command->zone,
                                              &asked->id.socket, &asked->nsp,
                                              run->command->log);

        return ngx_http_socketio_command_done(run, rc, 1);
    }

    rc = ngx_http_socketio_client_reject(run->command->zone,
                                         &asked->id.socket, &asked->peer,
                                         &asked->nsp, &message, &data, 0,
                                         run->command->log);

    return ngx_http_socketio_command_done(run, rc, 1);
}


ngx_int_t
ngx_http_socketio_command_ack(ngx_http_socketio_run_t *run)
{
    ngx_int_t                    rc;
    ngx_str_t                    frames;
    ngx_http_socketio_packet_t   packet;

    if (!run->named) {
        return ngx_http_socketio_command_error(run, "no_target",
                                               "id is missing");
    }

    ngx_memzero(&packet, sizeof(ngx_http_socketio_packet_t));

    rc = ngx_http_socketio_command_packet(run, 1, &packet);

    if (rc != NGX_OK) {
        return rc;
    }

    if (run->nobody
        || run->id.ack == 0
        || (run->asked != NULL
            && (run->asked->answered || run->asked->id.ack != run->id.ack)))
    {
        return NGX_OK;
    }

    packet.nsp = run->nsp;
    packet.ack = run->id.ack;

    rc = ngx_http_socketio_command_frames(run, &packet, &frames);

    if (rc == NGX_BUSY) {
        (void) ngx_socketio_reply(run->command->zone, &run->id.socket, NULL,
                                  0);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_socketio_reply(run->command->zone, &run->id.socket, frames.data,
                            frames.len);
    ngx_free(frames.data);

    if (rc != NGX_ERROR && run->asked != NULL) {
        run->asked->answered = 1;
    }

    return ngx_http_socketio_command_done(run, rc, 1);
}


/* accept and reject are for a connect that waits for this very answer */

static ngx_int_t
ngx_http_socketio_command_asked(ngx_http_socketio_run_t *run)
{
    if (!run->named) {
        return ngx_http_socketio_command_error(run, "no_target",
                                               "id is missing");
    }

    if (run->asked == NULL || !run->asked->connect) {
        return ngx_http_socketio_command_error(run, "bad_target",
                                     "id is not a connect of this batch");
    }

    return NGX_OK;
}
