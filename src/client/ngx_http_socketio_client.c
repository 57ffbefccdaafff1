
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "client/ngx_http_socketio_client.h"
#include "store/ngx_socketio_emit.h"
#include "proto/ngx_socketio_base64.h"
#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_sio.h"

#include <sys/random.h>


static ngx_int_t ngx_http_socketio_client_fault(
    ngx_http_socketio_client_t *client, ngx_socketio_eio_event_e event,
    char *what);
static ngx_int_t ngx_http_socketio_client_control(
    ngx_http_socketio_client_t *client, ngx_uint_t type);
static ngx_int_t ngx_http_socketio_client_raw(
    ngx_http_socketio_client_t *client, ngx_uint_t kind, ngx_str_t *data);
static ngx_int_t ngx_http_socketio_client_message(
    ngx_http_socketio_client_t *client, u_char *p, u_char *last);
static ngx_int_t ngx_http_socketio_client_split(
    ngx_http_socketio_client_t *client, ngx_socketio_sio_packet_t *pkt);
static ngx_int_t ngx_http_socketio_client_connect(
    ngx_http_socketio_client_t *client, ngx_socketio_sio_packet_t *pkt);
static ngx_int_t ngx_http_socketio_client_refuse(
    ngx_http_socketio_client_t *client, ngx_str_t *nsp, char *why);
static ngx_int_t ngx_http_socketio_client_event(
    ngx_http_socketio_client_t *client, ngx_socketio_sio_packet_t *pkt);
static ngx_uint_t ngx_http_socketio_client_wanted(
    ngx_http_socketio_client_t *client, ngx_socketio_sio_packet_t *pkt);
static ngx_int_t ngx_http_socketio_client_result(
    ngx_http_socketio_client_t *client, ngx_int_t rc);


/* where raw sessions are: no namespace of Socket.IO is without a slash */

ngx_str_t  ngx_http_socketio_raw_nsp = ngx_string("engine.io");


ngx_int_t
ngx_http_socketio_client_pay(ngx_http_socketio_client_t *client, size_t bytes,
    ngx_msec_t *wait)
{
    if (!client->peer.limited) {
        return NGX_OK;
    }

    /* of a session that is gone its packets will tell */

    return ngx_socketio_spend(client->zone, &client->id, bytes,
                              client->conf->message_timeout, wait,
                              ngx_current_msec)
           == NGX_AGAIN ? NGX_AGAIN : NGX_OK;
}


ngx_int_t
ngx_http_socketio_client_text(ngx_http_socketio_client_t *client, u_char *p,
    u_char *last)
{
    size_t                      len;
    u_char                     *raw;
    ngx_int_t                   rc;
    ngx_socketio_eio_packet_t   pkt;

    if (ngx_socketio_eio_parse(&pkt, p, last, client->peer.revision)
        != NGX_OK)
    {
        return ngx_http_socketio_client_fault(client,
                                              NGX_SOCKETIO_EIO_EV_PARSE_ERROR,
                                              "malformed Engine.IO packet");
    }

    if (pkt.type != NGX_SOCKETIO_EIO_MESSAGE) {
        return ngx_http_socketio_client_control(client, pkt.type);
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

    if (client->peer.raw) {
        return ngx_http_socketio_client_raw(client, NGX_SOCKETIO_EVENT_TEXT,
                                            &pkt.data);
    }

    return ngx_http_socketio_client_message(client, pkt.data.data,
                                            pkt.data.data + pkt.data.len);
}


ngx_int_t
ngx_http_socketio_client_typed(ngx_http_socketio_client_t *client, u_char *p,
    size_t len)
{
    if (len == 0 || *p > NGX_SOCKETIO_EIO_NOOP) {
        return ngx_http_socketio_client_fault(client,
                                              NGX_SOCKETIO_EIO_EV_PARSE_ERROR,
                                              "malformed Engine.IO packet");
    }

    if (*p != NGX_SOCKETIO_EIO_MESSAGE) {
        return ngx_http_socketio_client_control(client, *p);
    }

    return ngx_http_socketio_client_binary(client, p + 1, len - 1);
}


static ngx_int_t
ngx_http_socketio_client_control(ngx_http_socketio_client_t *client,
    ngx_uint_t type)
{
    ngx_socketio_eio_event_e  event;

    switch (type) {

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
        /* OPEN, UPGRADE, NOOP: nothing but signs of life (engine.io, 5) */
        event = NGX_SOCKETIO_EIO_EV_MESSAGE;
        break;
    }

    return ngx_socketio_packet(client->zone, &client->id, event,
                               ngx_current_msec);
}


ngx_int_t
ngx_http_socketio_client_binary(ngx_http_socketio_client_t *client, u_char *p,
    size_t len)
{
    ngx_int_t  rc;
    ngx_str_t  data;

    if (client->peer.raw) {
        data.len = len;
        data.data = p;
        return ngx_http_socketio_client_raw(client, NGX_SOCKETIO_EVENT_BINARY,
                                            &data);
    }

    rc = ngx_socketio_incoming_attachment(client->zone, &client->id, p, len,
                                          client->conf->max_attached,
                                          client->conf->message_timeout,
                                          ngx_current_msec);

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_INFO, client->log, 0,
                      "client sent more than \"socketio_limits "
                      "attached=%uz\"", client->conf->max_attached);
    }

    return ngx_http_socketio_client_result(client, rc);
}


/* a message of a session without Socket.IO, which has one socket */

static ngx_int_t
ngx_http_socketio_client_raw(ngx_http_socketio_client_t *client,
    ngx_uint_t kind, ngx_str_t *data)
{
    ngx_socketio_incoming_t  in;

    ngx_memzero(&in, sizeof(ngx_socketio_incoming_t));

    in.kind = kind;
    in.body = *data;
    ngx_socketio_name_set(&in.nsp, &ngx_http_socketio_raw_nsp);

    return ngx_http_socketio_client_result(client,
                      ngx_socketio_incoming(client->zone, &client->id, &in,
                                            ngx_current_msec));
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
    limits.revision = (client->peer.revision == 3) ? 4 : 5;

    if (ngx_socketio_sio_parse(&pkt, p, last, &limits) != NGX_OK
        || ngx_http_socketio_client_split(client, &pkt) != NGX_OK
        || pkt.event.len > NGX_HTTP_SOCKETIO_EVENT_MAX
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

    default:
        return ngx_http_socketio_client_event(client, &pkt);
    }
}


/*
 * A CONNECT of revision 3 has the query of its namespace behind the name
 * (socket.io, 3): it becomes the data.  NGX_OK, NGX_ERROR: too long.
 */

static ngx_int_t
ngx_http_socketio_client_split(ngx_http_socketio_client_t *client,
    ngx_socketio_sio_packet_t *pkt)
{
    u_char  *p, *last;

    if (client->peer.revision == 3 && pkt->type == NGX_SOCKETIO_SIO_CONNECT) {

        last = pkt->nsp.data + pkt->nsp.len;
        p = ngx_strlchr(pkt->nsp.data, last, '?');

        pkt->data.data = p ? p + 1 : last;
        pkt->data.len = last - pkt->data.data;

        if (p) {
            pkt->nsp.len = p - pkt->nsp.data;
        }

        if (pkt->data.len > NGX_HTTP_SOCKETIO_HANDSHAKE_MAX) {
            return NGX_ERROR;
        }
    }

    return (pkt->nsp.len > NGX_HTTP_SOCKETIO_NAME_MAX) ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_http_socketio_client_open(ngx_http_socketio_client_t *client)
{
    ngx_socketio_sio_packet_t  pkt;

    if (!client->peer.raw && client->peer.revision != 3) {
        return NGX_OK;
    }

    ngx_memzero(&pkt, sizeof(ngx_socketio_sio_packet_t));

    if (client->peer.raw) {
        pkt.nsp = ngx_http_socketio_raw_nsp;

    } else {
        ngx_str_set(&pkt.nsp, "/");
    }

    if (ngx_http_socketio_client_connect(client, &pkt) == NGX_OK) {
        return NGX_OK;
    }

    ngx_socketio_end(client->zone, &client->id,
                     NGX_SOCKETIO_REASON_FORCED_SERVER, ngx_current_msec);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_socketio_client_connect(ngx_http_socketio_client_t *client,
    ngx_socketio_sio_packet_t *pkt)
{
    u_char                   text[NGX_SOCKETIO_SOCKET_TEXT];
    ngx_int_t                rc;
    ngx_socketio_recover_t   recover;
    ngx_socketio_incoming_t  in;

    if (!client->peer.raw
        && !ngx_http_socketio_client_nsp(client->conf, &pkt->nsp))
    {
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

    ngx_str_null(&recover.frames);

    if (client->zone->recovery
        && !client->peer.raw && client->peer.revision != 3
        && ngx_http_socketio_client_recover(&recover, &pkt->nsp, &pkt->data,
                                            client->log)
           == NGX_OK)
    {
        in.recover = &recover;
    }

    rc = ngx_socketio_incoming(client->zone, &client->id, &in,
                               ngx_current_msec);

    if (recover.frames.data) {
        ngx_free(recover.frames.data);
    }

    if (rc == NGX_ERROR) {
        return ngx_http_socketio_client_refuse(client, &pkt->nsp,
                                               "Too many namespaces");
    }

    if (rc == NGX_DONE && in.socket.ref) {
        /* no backend to ask */

        ngx_socketio_socket_text(text, &in.socket, in.secret);

        rc = ngx_http_socketio_client_accept(client->zone, &in.socket,
                                             &client->peer, text, &pkt->nsp,
                                             NULL, 0, NULL, client->log);

        return (rc == NGX_ERROR) ? NGX_DONE : NGX_OK;
    }

    return ngx_http_socketio_client_result(client, rc);
}


/* CONNECT_ERROR; the connection stays */

static ngx_int_t
ngx_http_socketio_client_refuse(ngx_http_socketio_client_t *client,
    ngx_str_t *nsp, char *why)
{
    ngx_int_t   rc;
    ngx_str_t   message, frames;
    u_char      json[64];

    /* what is not handed over is a sign of life all the same */

    if (ngx_socketio_packet(client->zone, &client->id,
                            NGX_SOCKETIO_EIO_EV_MESSAGE, ngx_current_msec)
        != NGX_OK)
    {
        return NGX_DONE;
    }

    message.data = json;
    message.len = ngx_sprintf(json, "\"%s\"", why) - json;

    frames = ngx_http_socketio_error_frames(&client->peer, nsp, &message, NULL,
                                            client->log);
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

    in.kind = (pkt->type == NGX_SOCKETIO_SIO_ACK
               || pkt->type == NGX_SOCKETIO_SIO_BINARY_ACK)
              ? NGX_SOCKETIO_EVENT_ACK : NGX_SOCKETIO_EVENT_EVENT;

    if (in.kind == NGX_SOCKETIO_EVENT_ACK
        || ngx_http_socketio_client_wanted(client, pkt))
    {
        in.body = pkt->data;

    } else {
        in.kind = NGX_SOCKETIO_EVENT_DROPPED;
    }

    in.ack = pkt->has_id ? pkt->id + 1 : 0;
    in.attachments = pkt->attachments;
    in.timeout = client->conf->message_timeout;
    ngx_socketio_name_set(&in.nsp, &pkt->nsp);

    return ngx_http_socketio_client_result(client,
                      ngx_socketio_incoming(client->zone, &client->id, &in,
                                            ngx_current_msec));
}


/* socketio_hook_events; a name that is a number is its own text */

static ngx_uint_t
ngx_http_socketio_client_wanted(ngx_http_socketio_client_t *client,
    ngx_socketio_sio_packet_t *pkt)
{
    u_char      *p, *last;
    ngx_str_t   *name;
    ngx_uint_t   i;

    if (client->conf->events == NULL) {
        return 1;
    }

    p = pkt->event.data;
    last = p + pkt->event.len;
    name = client->conf->events->elts;

    for (i = 0; i < client->conf->events->nelts; i++) {

        if (*p == '"'
            ? ngx_socketio_json_equal(p, last, name[i].data, name[i].len)
            : (pkt->event.len == name[i].len
               && ngx_memcmp(p, name[i].data, name[i].len) == 0))
        {
            return 1;
        }
    }

    return 0;
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
