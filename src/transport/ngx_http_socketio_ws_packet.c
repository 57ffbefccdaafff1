
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Engine.IO packets on a websocket: those of the transport itself are dealt
 * with here, messages go to the client layer.
 */


#include "transport/ngx_http_socketio_websocket.h"
#include "proto/ngx_socketio_eio.h"


#define NGX_HTTP_SOCKETIO_WS_ROOMS  32      /* of most sessions */


static ngx_int_t ngx_http_socketio_ws_text(ngx_http_socketio_ws_t *ws,
    u_char *p, size_t len);
static ngx_int_t ngx_http_socketio_ws_binary(ngx_http_socketio_ws_t *ws,
    u_char *p, size_t len);
static ngx_int_t ngx_http_socketio_ws_type(ngx_http_socketio_ws_t *ws,
    ngx_uint_t type);
static ngx_int_t ngx_http_socketio_ws_message(ngx_http_socketio_ws_t *ws,
    ngx_uint_t binary, u_char *p, size_t len);
static ngx_int_t ngx_http_socketio_ws_control(ngx_http_socketio_ws_t *ws,
    ngx_socketio_eio_event_e event);
static void ngx_http_socketio_ws_pong(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_heard(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_probe(ngx_http_socketio_ws_t *ws,
    ngx_uint_t opcode, u_char *p, size_t len);
static void ngx_http_socketio_ws_upgrade(ngx_http_socketio_ws_t *ws);
static ngx_int_t ngx_http_socketio_ws_switch(ngx_http_socketio_ws_t *ws,
    ngx_socketio_upgrade_t *up);
static ngx_int_t ngx_http_socketio_ws_queue(ngx_http_socketio_ws_t *ws,
    ngx_socketio_taken_t *taken);


ngx_int_t
ngx_http_socketio_ws_packet(ngx_http_socketio_ws_t *ws, ngx_uint_t opcode,
    u_char *p, size_t len)
{
    if (ws->closing || ws->finish || ws->error) {
        return NGX_OK;
    }

    if (!ws->established) {
        ngx_http_socketio_ws_probe(ws, opcode, p, len);
        return NGX_OK;
    }

    if (opcode == NGX_SOCKETIO_WS_BINARY) {
        return ngx_http_socketio_ws_binary(ws, p, len);
    }

    return ngx_http_socketio_ws_text(ws, p, len);
}


/* revision 3 has the type in front, as a number (engine.io, 9) */

static ngx_int_t
ngx_http_socketio_ws_binary(ngx_http_socketio_ws_t *ws, u_char *p, size_t len)
{
    if (ws->beat.revision != 3) {
        return ngx_http_socketio_ws_message(ws, 1, p, len);
    }

    if (len == 0) {
        ngx_http_socketio_ws_heard(ws);
        return NGX_OK;
    }

    if (*p == NGX_SOCKETIO_EIO_MESSAGE) {
        return ngx_http_socketio_ws_message(ws, 1, p + 1, len - 1);
    }

    if (*p > NGX_SOCKETIO_EIO_NOOP) {
        return ngx_http_socketio_ws_control(ws,
                                            NGX_SOCKETIO_EIO_EV_PARSE_ERROR);
    }

    return ngx_http_socketio_ws_type(ws, *p);
}


static ngx_int_t
ngx_http_socketio_ws_text(ngx_http_socketio_ws_t *ws, u_char *p, size_t len)
{
    if (len == 0) {
        return ngx_http_socketio_ws_control(ws,
                                            NGX_SOCKETIO_EIO_EV_PARSE_ERROR);
    }

    if (*p == '4') {
        return ngx_http_socketio_ws_message(ws, 0, p, len);
    }

    if (*p < '0' || *p > '6') {
        return ngx_http_socketio_ws_control(ws,
                                            NGX_SOCKETIO_EIO_EV_PARSE_ERROR);
    }

    return ngx_http_socketio_ws_type(ws, *p - '0');
}


/* all types but messages */

static ngx_int_t
ngx_http_socketio_ws_type(ngx_http_socketio_ws_t *ws, ngx_uint_t type)
{
    switch (type) {

    case NGX_SOCKETIO_EIO_PONG:
        ngx_http_socketio_ws_pong(ws);
        return NGX_OK;

    case NGX_SOCKETIO_EIO_PING:

        if (ws->beat.revision != 3) {
            return ngx_http_socketio_ws_control(ws, NGX_SOCKETIO_EIO_EV_PING);
        }

        /* its data is not echoed, other than a probe's */

        ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_TEXT, (u_char *) "3",
                                   1);
        break;

    default:
        /* without meaning on a websocket (engine.io, 5) */
        break;
    }

    ngx_http_socketio_ws_heard(ws);

    return NGX_OK;
}


void
ngx_http_socketio_ws_client(ngx_http_socketio_ws_t *ws,
    ngx_http_socketio_client_t *client)
{
    ngx_memzero(client, sizeof(ngx_http_socketio_client_t));

    client->zone = ws->local.zone;
    client->id = ws->local.session;
    client->conf = ws->conf;
    client->log = ws->connection->log;
    client->peer.revision = ws->beat.revision;
    client->peer.raw = ws->raw;
    client->peer.limited = ws->limited;
}


ngx_int_t
ngx_http_socketio_ws_pay(ngx_http_socketio_ws_t *ws, size_t cost)
{
    ngx_msec_t                  wait;
    ngx_http_socketio_ws_in_t  *in;
    ngx_http_socketio_client_t  client;

    if (!ws->limited || cost == 0
        || ws->closing || ws->finish || ws->away)
    {
        return NGX_OK;
    }

    ngx_http_socketio_ws_client(ws, &client);

    if (ngx_http_socketio_client_pay(&client, cost, &wait) == NGX_OK) {

        if (ws->in) {
            ws->in->cost = 0;
        }

        return NGX_OK;
    }

    in = ngx_http_socketio_ws_in(ws);

    if (in) {
        in->cost = cost;
        in->until = ngx_http_socketio_ws_now() + wait;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_socketio_ws_message(ngx_http_socketio_ws_t *ws, ngx_uint_t binary,
    u_char *p, size_t len)
{
    ngx_int_t                   rc;
    ngx_http_socketio_client_t  client;

    ngx_http_socketio_ws_heard(ws);

    ngx_http_socketio_ws_client(ws, &client);

    rc = binary ? ngx_http_socketio_client_binary(&client, p, len)
                : ngx_http_socketio_client_text(&client, p, p + len);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_WS_CLOSE);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_ws_control(ngx_http_socketio_ws_t *ws,
    ngx_socketio_eio_event_e event)
{
    ngx_int_t  rc;

    rc = ngx_socketio_packet(ws->local.zone, &ws->local.session, event,
                             ngx_http_socketio_ws_now());

    if (rc != NGX_OK) {
        ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_WS_CLOSE);
    }

    return NGX_OK;
}


static void
ngx_http_socketio_ws_pong(ngx_http_socketio_ws_t *ws)
{
    ngx_socketio_eio_conf_t  conf;

    conf.interval = ws->conf->ping_interval;
    conf.timeout = ws->conf->ping_timeout;

    if (ws->away) {
        return;
    }

    ngx_socketio_eio_pong(&ws->beat, &conf, ngx_http_socketio_ws_now());
}


static void
ngx_http_socketio_ws_heard(ngx_http_socketio_ws_t *ws)
{
    ngx_socketio_eio_conf_t  conf;

    conf.interval = ws->conf->ping_interval;
    conf.timeout = ws->conf->ping_timeout;

    if (ws->away) {
        return;
    }

    ngx_socketio_eio_heard(&ws->beat, &conf, ngx_http_socketio_ws_now());
}


static void
ngx_http_socketio_ws_probe(ngx_http_socketio_ws_t *ws, ngx_uint_t opcode,
    u_char *p, size_t len)
{
    if (opcode == NGX_SOCKETIO_WS_TEXT) {

        if (len == 1 && *p == '5') {
            ngx_http_socketio_ws_upgrade(ws);
            return;
        }

        if (len == 6
            && ngx_memcmp(p, "2probe", 6) == 0
            && ngx_socketio_probe_ping(ws->local.zone, &ws->local.session,
                                       ws->local.handle,
                                       ngx_http_socketio_ws_now())
               == NGX_OK)
        {
            ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_TEXT,
                                       (u_char *) "3probe", 6);
            return;
        }
    }

    ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_PROBE_LOST);
}


static void
ngx_http_socketio_ws_upgrade(ngx_http_socketio_ws_t *ws)
{
    ngx_int_t                   rc;
    ngx_uint_t                  n, reason;
    ngx_socketio_upgrade_t      up;
    ngx_socketio_membership_t   members[NGX_HTTP_SOCKETIO_WS_ROOMS];

    up.members = members;
    n = NGX_HTTP_SOCKETIO_WS_ROOMS;

    for ( ;; ) {
        up.nmembers = n;

        rc = ngx_socketio_upgrade(ws->local.zone, &ws->local.session,
                                  ws->local.handle, &up,
                                  ngx_http_socketio_ws_now());

        if (rc != NGX_AGAIN) {
            break;
        }

        if (up.members != members) {
            ngx_free(up.members);
        }

        /* somebody may join more of them meanwhile */

        n = up.nmembers + NGX_HTTP_SOCKETIO_WS_ROOMS;

        up.members = ngx_alloc(n * sizeof(ngx_socketio_membership_t),
                               ws->connection->log);
        if (up.members == NULL) {
            ngx_http_socketio_ws_close(ws, 0,
                                       NGX_SOCKETIO_EIO_EV_PROBE_LOST);
            return;
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_ws_switch(ws, &up);

    } else {
        ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_PROBE_LOST);
    }

    if (up.members != members) {
        ngx_free(up.members);
    }

    /* one that lingered has waited for this */

    if (rc == NGX_OK
        && ngx_socketio_websocket_look(ws->local.zone, &ws->local.session,
                                       &reason)
           == NGX_DONE)
    {
        ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_WS_CLOSE);
    }
}


static ngx_int_t
ngx_http_socketio_ws_switch(ngx_http_socketio_ws_t *ws,
    ngx_socketio_upgrade_t *up)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_socketio_membership_t  *member;

    ws->established = 1;
    ws->raw = up->taken.peer.raw;
    ws->limited = up->taken.peer.limited;
    ws->beat = up->beat;
    ws->local.from_seq = up->from_seq;

    rc = ngx_http_socketio_ws_queue(ws, &up->taken);

    for (i = 0; rc == NGX_OK && i < up->nmembers; i++) {
        member = &up->members[i];

        rc = ngx_socketio_local_seat(&ws->local, member->socket, member->room,
                                     member->room_gen);
    }

    if (rc != NGX_OK) {
        /* rather none than one with a gap */
        ngx_http_socketio_ws_close(ws, NGX_SOCKETIO_WS_CLOSE_INTERNAL,
                                   NGX_SOCKETIO_EIO_EV_WS_ERROR);
        return NGX_ERROR;
    }

    if (ngx_exiting) {
        ngx_http_socketio_ws_drain(ws);
    }

    if (up->taken.ping) {
        ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_TEXT,
                          (u_char *) (ws->beat.revision == 3 ? "3" : "2"), 1);
    }

    return NGX_OK;
}


/* What waited for a GET goes first: the mailbox brings only later messages. */

static ngx_int_t
ngx_http_socketio_ws_queue(ngx_http_socketio_ws_t *ws,
    ngx_socketio_taken_t *taken)
{
    ngx_uint_t           n;
    ngx_socketio_ref_t   node;
    ngx_socketio_pin_t  *pin;

    node = taken->nodes;

    for (n = taken->n; n; n--) {
        pin = ngx_socketio_pin(ws->local.zone, &node);

        if (pin == NULL) {
            ngx_socketio_pin_none(ws->local.zone, node, n - 1);
            return NGX_ERROR;
        }

        ngx_http_socketio_ws_pin(ws, pin);
    }

    return NGX_OK;
}
