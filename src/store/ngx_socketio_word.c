
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Words of a target that name sockets. */


#include "store/ngx_socketio_emit.h"
#include "store/ngx_socketio_inbox.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_base64.h"


static ngx_int_t ngx_socketio_word_client(ngx_socketio_word_t *word,
    ngx_str_t *text);
static ngx_socketio_ref_t ngx_socketio_word_client_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_ref_t nsp,
    ngx_socketio_word_t *word);


void
ngx_socketio_word_set(ngx_socketio_word_t *word, ngx_str_t *text)
{
    ngx_socketio_name_set(&word->name, text);

    if (ngx_socketio_socket_parse(text, &word->socket, word->secret)
        != NGX_OK)
    {
        word->socket.ref = 0;
    }

    word->client = (ngx_socketio_word_client(word, text) == NGX_OK);
    word->only = 0;
}


ngx_socketio_ref_t
ngx_socketio_word_room_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t nsp, ngx_socketio_word_t *word)
{
    return word->only ? 0
                      : ngx_socketio_room_find_locked(zone, nsp, &word->name);
}


static ngx_int_t
ngx_socketio_word_client(ngx_socketio_word_t *word, ngx_str_t *text)
{
    u_char  *p, raw[NGX_SOCKETIO_SID_TEXT];
    size_t   len;

    if (text->len < NGX_SOCKETIO_SID_TEXT) {
        return NGX_DECLINED;
    }

    p = text->data + text->len - NGX_SOCKETIO_SID_TEXT;

    if ((p != text->data && p[-1] != '#')
        || ngx_socketio_base64url_decode(raw, &len, p,
                                         p + NGX_SOCKETIO_SID_TEXT)
           != NGX_OK
        || len != NGX_SOCKETIO_SID)
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(word->sid, raw, NGX_SOCKETIO_SID);

    return NGX_OK;
}


ngx_socketio_ref_t
ngx_socketio_word_socket_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t nsp, ngx_socketio_word_t *word)
{
    ngx_socketio_socket_t  *socket;

    if (word->client) {
        return ngx_socketio_word_client_locked(zone, nsp, word);
    }

    if (word->socket.ref == 0) {
        return 0;
    }

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET,
                                      word->socket.ref, word->socket.gen);

    if (socket == NULL
        || socket->nsp != nsp
        || socket->state != NGX_SOCKETIO_SOCKET_CONNECTED
        || ngx_memcmp(socket->secret, word->secret, NGX_SOCKETIO_SECRET) != 0)
    {
        return 0;
    }

    return word->socket.ref;
}


/*
 * The session's socket in this very namespace, which "/custom#..." must name.
 * Clients 1.x have the bare sid in all namespaces.
 */

static ngx_socketio_ref_t
ngx_socketio_word_client_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t nsp, ngx_socketio_word_t *word)
{
    size_t                   len;
    ngx_socketio_ref_t       ref;
    ngx_socketio_room_t     *room;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    len = word->name.name.len - NGX_SOCKETIO_SID_TEXT;

    if (len) {
        room = ngx_socketio_rec(zone, nsp);

        if (room->name_len != len - 1
            || !ngx_socketio_bytes_equal(zone, room->name,
                                         word->name.name.data, len - 1))
        {
            return 0;
        }
    }

    session = ngx_socketio_sid_find_locked(zone, word->sid, &ref);

    if (session == NULL || session->raw || session->eio.beat.revision != 3) {
        return 0;
    }

    ref = ngx_socketio_socket_find_locked(zone, session, nsp);

    if (ref) {
        socket = ngx_socketio_rec(zone, ref);

        if (socket->state == NGX_SOCKETIO_SOCKET_CONNECTED) {
            return ref;
        }
    }

    return 0;
}


ngx_int_t
ngx_socketio_word_socket(ngx_socketio_zone_t *zone, ngx_socketio_name_t *name,
    ngx_socketio_word_t *word, ngx_socketio_id_t *socket)
{
    ngx_socketio_ref_t   nsp;
    ngx_socketio_rec_t  *rec;

    socket->ref = 0;

    ngx_socketio_zone_lock(zone);

    nsp = ngx_socketio_room_find_locked(zone, 0, name);

    if (nsp) {
        socket->ref = ngx_socketio_word_socket_locked(zone, nsp, word);
    }

    if (socket->ref) {
        rec = ngx_socketio_rec(zone, socket->ref);
        socket->gen = rec->gen;
    }

    ngx_socketio_zone_unlock(zone);

    return socket->ref ? NGX_OK : NGX_DECLINED;
}
