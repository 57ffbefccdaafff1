
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "client/ngx_http_socketio_client.h"
#include "store/ngx_socketio_emit.h"
#include "proto/ngx_socketio_base64.h"
#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_sio.h"

#include <sys/random.h>


static ngx_int_t ngx_http_socketio_client_fault(
    ngx_http_socketio_client_t *client, ngx_socketio_eio_event_e event,
    char *what);
static ngx_int_t ngx_http_socketio_client_message(
    ngx_http_socketio_client_t *client, u_char *p, u_char *last);
static ngx_int_t ngx_http_socketio_client_connect(
    ngx_http_socketio_client_t *client, ngx_socketio_sio_packet_t *pkt);
static ngx_int_t ngx_http_socketio_client_refuse(
    ngx_http_socketio_client_t *client, ngx_str_t *nsp, char *why);
static ngx_int_t ngx_http_socketio_client_event(
    ngx_http_socketio_client_t *client, ngx_socketio_sio_packet_t *pkt);
static ngx_int_t ngx_http_socketio_client_result(
    ngx_http_socketio_client_t *client, ngx_int_t rc);


ngx_int_t
ngx_http_socketio_client_text(ngx_http_socketio_client_t *client, u_char *p,
    u_char *last)
{
    size_t                      len;
    u_char                     *raw;
    ngx_int_t                   rc;
    ngx_socketio_eio_event_e    event;
    ngx_socketio_eio_packet_t   pkt;

    if (ngx_socketio_eio_parse(&pkt, p, last, 4) != NGX_OK) {
        return ngx_http_socketio_client_fault(client,
                                              NGX_SOCKETIO_EIO_EV_PARSE_ERROR,
                                              "malformed Engine.IO packet");
    }

    if (pkt.binary) {
        /* not in place: the packet may be offered again */

        len = ngx_socketio_base64_decoded_length(pkt.data.len);

        raw = ngx_alloc(len + 1, client->log);
        if (raw == NULL) {
            return NGX_AGAIN;
        }

        (void) ngx_socketio_base64_decode(raw, &len, pkt.data.data,
                                          pkt.data.data + pkt.data.len);

        rc = ngx_http_socketio_client_binary(client, raw, len);

        ngx_free(raw);

        return rc;
    }

    switch (pkt.type) {

    case NGX_SOCKETIO_EIO_MESSAGE:
        return ngx_http_socketio_client_message(client, pkt.data.data,
                                             pkt.data.data + pkt.data.len);

    case NGX_SOCKETIO_EIO_CLOSE:
        event = NGX_SOCKETIO_EIO_EV_CLOSE;
        break;

    case NGX_SOCKETIO_EIO_PING:
        event = NGX_SOCKETIO_EIO_EV_PING;
        break;

    case NGX_SOCKETIO_EIO_PONG:
        event = NGX_SOCKETIO_EIO_EV_PONG;
        break;

    default:
        /* OPEN, UPGRADE, NOOP: ignored on an open session (engine.io, 5) */
        return NGX_OK;
    }

    return ngx_socketio_packet(client->zone, &client->id, event,
                               ngx_current_msec);
}


ngx_int_t
ngx_http_socketio_client_binary(ngx_http_socketio_client_t *client, u_char *p,
    size_t len)
{
    ngx_int_t  rc;

    rc = ngx_socketio_incoming_attachment(client->zone, &client->id, p, len,
                                          ngx_current_msec);

    return ngx_http_socketio_client_result(client, rc);
}


static ngx_int_t
ngx_http_socketio_client_fault(ngx_http_socketio_client_t *client,
    ngx_socketio_eio_event_e event, char *what)
{
    ngx_log_error(NGX_LOG_INFO, client->log, 0, "client sent %s", what);

    (void) ngx_socketio_packet(client->zone, &client->id, event,
                               ngx_current_msec);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_socketio_client_result(ngx_http_socketio_client_t *client,
    ngx_int_t rc)
{
    switch (rc) {

    case NGX_OK:
    case NGX_DONE:
        return NGX_OK;

    case NGX_AGAIN:
        return NGX_AGAIN;

    case NGX_BUSY:
        ngx_socketio_zone_full(client->zone, client->log, "an event");
        return NGX_AGAIN;

    case NGX_ABORT:
        ngx_log_error(NGX_LOG_INFO, client->log, 0,
                      "client sent a Socket.IO packet at the wrong moment");
        return NGX_DONE;

    default: /* NGX_DECLINED */
        return NGX_DONE;
    }
}


static ngx_int_t
ngx_http_socketio_client_message(ngx_http_socketio_client_t *client,
    u_char *p, u_char *last)
{
    ngx_int_t                   rc;
    ngx_socketio_name_t         nsp;
    ngx_socketio_sio_limits_t   limits;
    ngx_socketio_sio_packet_t   pkt;

    limits.attachments = client->conf->max_attachments;
    limits.depth = NGX_HTTP_SOCKETIO_JSON_DEPTH;
    limits.revision = 5;

    if (ngx_socketio_sio_parse(&pkt, p, last, &limits) != NGX_OK
        || pkt.nsp.len > NGX_HTTP_SOCKETIO_NAME_MAX
        || (pkt.attachments
            && ngx_socketio_sio_placeholders(pkt.data.data,
                                             pkt.data.data + pkt.data.len,
                                             pkt.attachments)
               != NGX_OK))
    {
        return ngx_http_socketio_client_fault(client,
                                              NGX_SOCKETIO_EIO_EV_BAD_PACKET,
                                              "malformed Socket.IO packet");
    }

    if (client->left.len
        && pkt.type != NGX_SOCKETIO_SIO_CONNECT
        && pkt.attachments == 0
        && pkt.nsp.len == client->left.len
        && ngx_memcmp(pkt.nsp.data, client->left.data, pkt.nsp.len) == 0)
    {
        return NGX_OK;
    }

    switch (pkt.type) {

    case NGX_SOCKETIO_SIO_CONNECT:
        client->left.len = 0;
        return ngx_http_socketio_client_connect(client, &pkt);

    case NGX_SOCKETIO_SIO_DISCONNECT:
        ngx_socketio_name_set(&nsp, &pkt.nsp);
        rc = ngx_socketio_incoming_disconnect(client->zone, &client->id, &nsp,
                                              ngx_current_msec);
        client->left = pkt.nsp;
        return ngx_http_socketio_client_result(client, rc);

    case NGX_SOCKETIO_SIO_ACK:
        ngx_socketio_name_set(&nsp, &pkt.nsp);
        rc = ngx_socketio_incoming_ack(client->zone, &client->id, &nsp,
                                       ngx_current_msec);
        return ngx_http_socketio_client_result(client, rc);

    default:
        return ngx_http_socketio_client_event(client, &pkt);
    }
}


static ngx_int_t
ngx_http_socketio_client_connect(ngx_http_socketio_client_t *client,
    ngx_socketio_sio_packet_t *pkt)
{
    u_char                   text[NGX_SOCKETIO_SOCKET_TEXT];
    ngx_int_t                rc;
    ngx_socketio_incoming_t  in;

    if (!ngx_http_socketio_client_nsp(client->conf, &pkt->nsp)) {
        return ngx_http_socketio_client_refuse(client, &pkt->nsp,
                                               "Invalid namespace");
    }

    ngx_memzero(&in, sizeof(ngx_socketio_incoming_t));

    if (ngx_http_socketio_random(in.secret, NGX_SOCKETIO_SECRET, client->log)
        != NGX_OK)
    {
        return NGX_AGAIN;
    }

    in.kind = NGX_SOCKETIO_EVENT_CONNECT;
    in.body = pkt->data;
    in.namespaces_max = client->conf->max_namespaces;
    ngx_socketio_name_set(&in.nsp, &pkt->nsp);

    rc = ngx_socketio_incoming(client->zone, &client->id, &in,
                               ngx_current_msec);

    if (rc == NGX_ERROR) {
        return ngx_http_socketio_client_refuse(client, &pkt->nsp,
                                               "Too many namespaces");
    }

    if (rc == NGX_DONE && in.socket.ref) {
        /* no backend to ask */

        ngx_socketio_socket_text(text, &in.socket, in.secret);

        rc = ngx_http_socketio_client_accept(client->zone, &in.socket, text,
                                             &pkt->nsp, NULL, 0, NULL,
                                             client->log);

        return (rc == NGX_ERROR) ? NGX_DONE : NGX_OK;
    }

    return ngx_http_socketio_client_result(client, rc);
}


/* CONNECT_ERROR; the connection stays */

static ngx_int_t
ngx_http_socketio_client_refuse(ngx_http_socketio_client_t *client,
    ngx_str_t *nsp, char *why)
{
    ngx_int_t                    rc;
    ngx_str_t                    frames;
    ngx_http_socketio_packet_t   packet;
    u_char                       json[64];

    ngx_memzero(&packet, sizeof(ngx_http_socketio_packet_t));

    packet.type = NGX_SOCKETIO_SIO_CONNECT_ERROR;
    packet.nsp = *nsp;
    packet.json.data = json;
    packet.json.len = ngx_sprintf(json, "{\"message\":\"%s\"}", why) - json;

    frames = ngx_http_socketio_frames_alloc(&packet, client->log);
    if (frames.data == NULL) {
        return NGX_AGAIN;
    }

    rc = ngx_socketio_reply_session(client->zone, &client->id, frames.data,
                                    frames.len);
    ngx_free(frames.data);

    if (rc == NGX_ERROR) {
        ngx_socketio_zone_full(client->zone, client->log, "a packet");
        return NGX_AGAIN;
    }

    return (rc == NGX_OK) ? NGX_OK : NGX_DONE;
}


static ngx_int_t
ngx_http_socketio_client_event(ngx_http_socketio_client_t *client,
    ngx_socketio_sio_packet_t *pkt)
{
    ngx_socketio_incoming_t  in;

    ngx_memzero(&in, sizeof(ngx_socketio_incoming_t));

    in.kind = (pkt->type == NGX_SOCKETIO_SIO_BINARY_ACK)
              ? NGX_SOCKETIO_EVENT_ACK : NGX_SOCKETIO_EVENT_EVENT;
    in.body = pkt->data;
    in.ack = pkt->has_id ? pkt->id + 1 : 0;
    in.attachments = pkt->attachments;
    ngx_socketio_name_set(&in.nsp, &pkt->nsp);

    return ngx_http_socketio_client_result(client,
                      ngx_socketio_incoming(client->zone, &client->id, &in,
                                            ngx_current_msec));
}


ngx_int_t
ngx_http_socketio_random(u_char *p, size_t len, ngx_log_t *log)
{
    ssize_t  n;

    while (len) {
        n = getrandom(p, len, 0);

        if (n <= 0) {
            if (n == -1 && ngx_errno == NGX_EINTR) {
                continue;
            }

            ngx_log_error(NGX_LOG_ALERT, log, ngx_errno, "getrandom() failed");
            return NGX_ERROR;
        }

        p += n;
        len -= n;
    }

    return NGX_OK;
}
