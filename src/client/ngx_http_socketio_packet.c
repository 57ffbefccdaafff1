
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "client/ngx_http_socketio_client.h"
#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_sio.h"
#include "proto/ngx_socketio_ws_frame.h"


static ngx_str_t ngx_http_socketio_accept_frames(ngx_str_t *nsp, u_char *text,
    u_char *pid, ngx_log_t *log);
static ngx_int_t ngx_http_socketio_recover_text(ngx_str_t *auth, char *name,
    ngx_str_t *text);
static size_t ngx_http_socketio_packet_header(u_char *p,
    ngx_http_socketio_packet_t *packet);
static ngx_uint_t ngx_http_socketio_nsp_match(ngx_array_t *nsps,
    ngx_str_t *name);


size_t
ngx_http_socketio_frames(u_char *p, ngx_http_socketio_packet_t *packet)
{
    size_t       len, size;
    ngx_uint_t   i;
    ngx_str_t   *attachment;

    size = 0;

    if (!packet->raw || packet->nattachments == 0) {
        len = 1 + ngx_http_socketio_packet_header(NULL, packet)
              + packet->json.len;

        size = ngx_socketio_ws_frame_header(p,
                                 NGX_SOCKETIO_WS_FIN|NGX_SOCKETIO_WS_TEXT, len)
               + len;

        if (p) {
            p += size - len;
            *p++ = '0' + NGX_SOCKETIO_EIO_MESSAGE;
            p += ngx_http_socketio_packet_header(p, packet);

            if (packet->json.len) {
                p = ngx_cpymem(p, packet->json.data, packet->json.len);
            }
        }
    }

    for (i = 0; i < packet->nattachments; i++) {
        attachment = &packet->attachments[i];

        len = ngx_socketio_ws_frame_header(p,
                             NGX_SOCKETIO_WS_FIN|NGX_SOCKETIO_WS_BINARY,
                             attachment->len);
        if (p) {
            p = ngx_cpymem(p + len, attachment->data, attachment->len);
        }

        size += len + attachment->len;
    }

    return size;
}


static size_t
ngx_http_socketio_packet_header(u_char *p, ngx_http_socketio_packet_t *packet)
{
    if (packet->raw) {
        return 0;
    }

    return ngx_socketio_sio_header(p, packet->type, packet->nattachments,
                                   &packet->nsp, packet->ack != 0,
                                   packet->ack - 1);
}


ngx_str_t
ngx_http_socketio_frames_alloc(ngx_http_socketio_packet_t *packet,
    ngx_log_t *log)
{
    ngx_str_t  frames;

    frames.len = ngx_http_socketio_frames(NULL, packet);
    frames.data = ngx_alloc(frames.len, log);

    if (frames.data) {
        (void) ngx_http_socketio_frames(frames.data, packet);
    }

    return frames;
}


ngx_int_t
ngx_http_socketio_client_accept(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, ngx_socketio_peer_t *peer, u_char *text,
    ngx_str_t *nsp, ngx_socketio_name_t *rooms, ngx_uint_t nrooms,
    ngx_str_t *data, ngx_log_t *log)
{
    u_char     *pid;
    ngx_int_t   rc;
    ngx_str_t   frames;
    u_char      key[NGX_SOCKETIO_PASS_KEY], pid_text[NGX_SOCKETIO_PID_TEXT];

    pid = NULL;

    if (zone->recovery
        && !peer->raw && peer->revision != 3
        && ngx_http_socketio_random(key, NGX_SOCKETIO_PASS_KEY, log) == NGX_OK
        && ngx_socketio_pass(zone, socket, key) == NGX_OK)
    {
        (void) ngx_socketio_pid_text(pid_text, text, key);
        pid = pid_text;
    }

    ngx_str_null(&frames);

    if (!peer->raw) {
        /* revision 3: the client makes its id of the session's */

        frames = ngx_http_socketio_accept_frames(nsp,
                                      (peer->revision == 3) ? NULL : text,
                                      pid, log);
    }

    rc = ngx_socketio_accept(zone, socket, rooms, nrooms, data, frames.data,
                             frames.len);

    if (frames.data) {
        ngx_free(frames.data);
    }

    if (rc == NGX_ERROR) {
        ngx_socketio_zone_full(zone, log, "a connect");
    }

    return rc;
}


/* the answer to a CONNECT: without text and pid, or with text alone, or both */

static ngx_str_t
ngx_http_socketio_accept_frames(ngx_str_t *nsp, u_char *text, u_char *pid,
    ngx_log_t *log)
{
    u_char                      *p;
    ngx_http_socketio_packet_t   packet;
    u_char                       json[sizeof("{\"sid\":\"\",\"pid\":\"\"}")
                                      + NGX_SOCKETIO_SOCKET_TEXT
                                      + NGX_SOCKETIO_PID_TEXT];

    ngx_memzero(&packet, sizeof(ngx_http_socketio_packet_t));

    p = json;

    if (text) {
        p = ngx_cpymem(p, "{\"sid\":\"", sizeof("{\"sid\":\"") - 1);
        p = ngx_cpymem(p, text, NGX_SOCKETIO_SOCKET_TEXT);

        if (pid) {
            p = ngx_cpymem(p, "\",\"pid\":\"", sizeof("\",\"pid\":\"") - 1);
            p = ngx_cpymem(p, pid, NGX_SOCKETIO_PID_TEXT);
        }

        p = ngx_cpymem(p, "\"}", sizeof("\"}") - 1);
    }

    packet.type = NGX_SOCKETIO_SIO_CONNECT;
    packet.nsp = *nsp;
    packet.json.data = json;
    packet.json.len = p - json;

    return ngx_http_socketio_frames_alloc(&packet, log);
}


ngx_int_t
ngx_http_socketio_client_recover(ngx_socketio_recover_t *recover,
    ngx_str_t *nsp, ngx_str_t *auth, ngx_log_t *log)
{
    ngx_str_t  pid, offset;

    if (ngx_http_socketio_recover_text(auth, "pid", &pid) != NGX_OK
        || ngx_http_socketio_recover_text(auth, "offset", &offset) != NGX_OK
        || ngx_socketio_recover_parse(recover, &pid, &offset) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    /* the id of the socket begins the pid */

    recover->frames = ngx_http_socketio_accept_frames(nsp, pid.data, pid.data,
                                                      log);

    return (recover->frames.data != NULL) ? NGX_OK : NGX_DECLINED;
}


/* what is between the quotes; neither text needs an escape */

static ngx_int_t
ngx_http_socketio_recover_text(ngx_str_t *auth, char *name, ngx_str_t *text)
{
    ngx_str_t  path;

    path.data = (u_char *) name;
    path.len = ngx_strlen(name);

    if (ngx_socketio_json_pick(auth->data, auth->data + auth->len, &path,
                               text)
        != NGX_OK
        || text->len < 2 || text->data[0] != '"')
    {
        return NGX_DECLINED;
    }

    text->data++;
    text->len -= 2;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_client_dismiss(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, ngx_str_t *nsp, ngx_log_t *log)
{
    ngx_int_t                    rc;
    ngx_str_t                    frames;
    ngx_http_socketio_packet_t   packet;

    ngx_memzero(&packet, sizeof(ngx_http_socketio_packet_t));

    packet.type = NGX_SOCKETIO_SIO_DISCONNECT;
    packet.nsp = *nsp;
    ngx_str_set(&packet.json, "");

    frames = ngx_http_socketio_frames_alloc(&packet, log);

    rc = ngx_socketio_dismiss(zone, socket, frames.data, frames.len);

    if (frames.data) {
        ngx_free(frames.data);
    }

    if (rc == NGX_ERROR) {
        ngx_socketio_zone_full(zone, log, "a disconnect");
    }

    return rc;
}


ngx_int_t
ngx_http_socketio_client_reject(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *socket, ngx_socketio_peer_t *peer, ngx_str_t *nsp,
    ngx_str_t *message, ngx_str_t *data, ngx_uint_t heard, ngx_log_t *log)
{
    ngx_int_t  rc;
    ngx_str_t  frames;

    ngx_str_null(&frames);

    if (!peer->raw) {
        frames = ngx_http_socketio_error_frames(peer, nsp, message, data, log);
        if (frames.data == NULL) {
            frames.len = 1;
        }
    }

    rc = ngx_socketio_reject(zone, socket, frames.data, frames.len, heard);

    if (frames.data) {
        ngx_free(frames.data);
    }

    return rc;
}


ngx_str_t
ngx_http_socketio_error_frames(ngx_socketio_peer_t *peer, ngx_str_t *nsp,
    ngx_str_t *message, ngx_str_t *data, ngx_log_t *log)
{
    u_char                      *p;
    ngx_str_t                    frames;
    ngx_http_socketio_packet_t   packet;

    ngx_memzero(&packet, sizeof(ngx_http_socketio_packet_t));

    packet.type = NGX_SOCKETIO_SIO_CONNECT_ERROR;
    packet.nsp = *nsp;

    if (peer->revision == 3) {
        /* the message alone or, if there is any, the data */
        packet.json = (data && data->len) ? *data : *message;
        return ngx_http_socketio_frames_alloc(&packet, log);
    }

    packet.json.len = sizeof("{\"message\":}") - 1 + message->len;

    if (data && data->len) {
        packet.json.len += sizeof(",\"data\":") - 1 + data->len;
    }

    packet.json.data = ngx_alloc(packet.json.len, log);
    if (packet.json.data == NULL) {
        ngx_str_null(&frames);
        return frames;
    }

    p = ngx_cpymem(packet.json.data, "{\"message\":",
                   sizeof("{\"message\":") - 1);
    p = ngx_cpymem(p, message->data, message->len);

    if (data && data->len) {
        p = ngx_cpymem(p, ",\"data\":", sizeof(",\"data\":") - 1);
        p = ngx_cpymem(p, data->data, data->len);
    }

    *p = '}';

    frames = ngx_http_socketio_frames_alloc(&packet, log);

    ngx_free(packet.json.data);

    return frames;
}


ngx_http_socketio_hook_t *
ngx_http_socketio_client_hook(ngx_http_socketio_loc_conf_t *conf,
    ngx_str_t *nsp)
{
    ngx_uint_t                 i;
    ngx_http_socketio_hook_t  *hook, *rest;

    if (conf->hooks == NULL) {
        return NULL;
    }

    hook = conf->hooks->elts;
    rest = NULL;

    for (i = 0; i < conf->hooks->nelts; i++) {

        if (hook[i].nsps == NULL) {
            rest = &hook[i];

        } else if (ngx_http_socketio_nsp_match(hook[i].nsps, nsp)) {
            return &hook[i];
        }
    }

    return rest;
}


ngx_uint_t
ngx_http_socketio_client_nsp(ngx_http_socketio_loc_conf_t *conf,
    ngx_str_t *nsp)
{
    ngx_uint_t                 i;
    ngx_http_socketio_hook_t  *hook;

    if (conf->nsps && ngx_http_socketio_nsp_match(conf->nsps, nsp)) {
        return 1;
    }

    if (conf->hooks) {
        hook = conf->hooks->elts;

        for (i = 0; i < conf->hooks->nelts; i++) {
            if (hook[i].nsps
                && ngx_http_socketio_nsp_match(hook[i].nsps, nsp))
            {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_socketio_nsp_match(ngx_array_t *nsps, ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_http_socketio_nsp_t  *nsp;

    nsp = nsps->elts;

    for (i = 0; i < nsps->nelts; i++) {

        if (nsp[i].any) {
            return 1;
        }

#if (NGX_PCRE)
        if (nsp[i].regex) {
            if (ngx_regex_exec(nsp[i].regex, name, NULL, 0) >= 0) {
                return 1;
            }

            continue;
        }
#endif

        if (nsp[i].name.len == name->len
            && ngx_memcmp(nsp[i].name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_socketio_bytes_read(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t bytes, size_t len, ngx_str_t *text, ngx_pool_t *pool)
{
    text->len = len;

    if (len == 0) {
        text->data = (u_char *) "";
        return NGX_OK;
    }

    text->data = ngx_pnalloc(pool, len);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    return (ngx_socketio_bytes_read(zone, bytes, text->data, len) == len)
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_socketio_attachments_read(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t attached, size_t len, ngx_uint_t n,
    ngx_str_t **attachments, ngx_pool_t *pool)
{
    u_char      *p, *last;
    uint32_t     size;
    ngx_int_t    rc;
    ngx_str_t    text, *a;
    ngx_uint_t   i;

    rc = ngx_http_socketio_bytes_read(zone, attached, len, &text, pool);
    if (rc != NGX_OK) {
        return rc;
    }

    a = ngx_palloc(pool, n * sizeof(ngx_str_t));
    if (a == NULL) {
        return NGX_ERROR;
    }

    *attachments = a;

    p = text.data;
    last = p + text.len;

    for (i = 0; i < n; i++) {

        if ((size_t) (last - p) < sizeof(uint32_t)) {
            return NGX_DECLINED;
        }

        ngx_memcpy(&size, p, sizeof(uint32_t));
        p += sizeof(uint32_t);

        if ((size_t) (last - p) < size) {
            return NGX_DECLINED;
        }

        a[i].len = size;
        a[i].data = p;
        p += size;
    }

    return NGX_OK;
}
