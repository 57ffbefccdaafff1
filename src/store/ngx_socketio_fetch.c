
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_fetch.h"
#include "store/ngx_socketio_inbox.h"
#include "store/ngx_socketio_bytes.h"


#define NGX_SOCKETIO_FETCH_LOOK   2048      /* members a hold, and a socket's */
#define NGX_SOCKETIO_FETCH_PAGES  16        /* of rooms, a hold */


static ngx_int_t ngx_socketio_fetch_hold(ngx_socketio_fetch_t *fetch,
    ngx_uint_t (*take)(ngx_socketio_fetch_t *fetch, ngx_socketio_ref_t ref));
static ngx_int_t ngx_socketio_fetch_ready(ngx_socketio_fetch_t *fetch);
static ngx_socketio_ref_t ngx_socketio_fetch_next_locked(
    ngx_socketio_fetch_t *fetch);
static ngx_uint_t ngx_socketio_fetch_socket_locked(
    ngx_socketio_fetch_t *fetch, ngx_socketio_ref_t ref);
static size_t ngx_socketio_fetch_measure_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t ref);
static void ngx_socketio_fetch_copy_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t bytes, size_t len, ngx_str_t *copy);
static void ngx_socketio_fetch_names_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t ref, ngx_str_t *names);
static void ngx_socketio_fetch_name_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_room_t *room);
static ngx_uint_t ngx_socketio_fetch_socket_rooms_locked(
    ngx_socketio_fetch_t *fetch, ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_fetch_all_rooms(ngx_socketio_fetch_t *fetch);
static ngx_int_t ngx_socketio_fetch_all_rooms_locked(
    ngx_socketio_fetch_t *fetch);
static ngx_uint_t ngx_socketio_fetch_room_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t ref);
static ngx_uint_t ngx_socketio_fetch_own_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_room_t *room, ngx_socketio_ref_t socket);
static ngx_uint_t ngx_socketio_fetch_alone_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t room);


void
ngx_socketio_fetch_init(ngx_socketio_fetch_t *fetch,
    ngx_socketio_zone_t *zone, ngx_socketio_target_t *target,
    ngx_uint_t fields)
{
    ngx_memzero(fetch, sizeof(ngx_socketio_fetch_t));
    ngx_socketio_scan_init(&fetch->scan, zone, target);

    fetch->fields = fields;
}


void
ngx_socketio_fetch_free(ngx_socketio_fetch_t *fetch)
{
    ngx_socketio_scan_free(&fetch->scan);
    ngx_socketio_refs_free(&fetch->met);

    if (fetch->buf) {
        ngx_free(fetch->buf);
        fetch->buf = NULL;
    }
}


ngx_int_t
ngx_socketio_fetch_sockets(ngx_socketio_fetch_t *fetch)
{
    return ngx_socketio_fetch_hold(fetch, ngx_socketio_fetch_socket_locked);
}


ngx_int_t
ngx_socketio_fetch_rooms(ngx_socketio_fetch_t *fetch)
{
    ngx_socketio_target_t  *target;

    target = fetch->scan.target;

    if (target->all && target->nexcept == 0) {
        return ngx_socketio_fetch_all_rooms(fetch);
    }

    return ngx_socketio_fetch_hold(fetch,
                                   ngx_socketio_fetch_socket_rooms_locked);
}


/* "take" returns 0 if there is no room for the socket in this hold */

static ngx_int_t
ngx_socketio_fetch_hold(ngx_socketio_fetch_t *fetch,
    ngx_uint_t (*take)(ngx_socketio_fetch_t *fetch, ngx_socketio_ref_t ref))
{
    ngx_int_t               rc;
    ngx_socketio_ref_t      ref;
    ngx_socketio_socket_t  *socket;

    if (ngx_socketio_fetch_ready(fetch) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_socketio_zone_lock(fetch->scan.zone);
    ngx_socketio_scan_begin_locked(&fetch->scan);

    while (fetch->nlooks < NGX_SOCKETIO_FETCH_LOOK) {

        ref = ngx_socketio_fetch_next_locked(fetch);
        if (ref == 0) {
            break;
        }

        if (!take(fetch, ref)) {
            socket = ngx_socketio_rec(fetch->scan.zone, ref);
            fetch->pending.ref = ref;
            fetch->pending.gen = socket->rec.gen;
            break;
        }
    }

    rc = ngx_socketio_scan_end_locked(&fetch->scan);

    ngx_socketio_zone_unlock(fetch->scan.zone);

    return fetch->pending.ref ? NGX_AGAIN : rc;
}


static ngx_int_t
ngx_socketio_fetch_ready(ngx_socketio_fetch_t *fetch)
{
    size_t   size;
    u_char  *buf;

    fetch->n = 0;
    fetch->len = 0;
    fetch->nlooks = 0;

    if (ngx_socketio_scan_ready(&fetch->scan) != NGX_OK
        || ngx_socketio_refs_ready(&fetch->met) != NGX_OK)
    {
        return NGX_ERROR;
    }

    size = ngx_max(fetch->need, NGX_SOCKETIO_FETCH_BYTES);

    if (size <= fetch->size) {
        return NGX_OK;
    }

    buf = ngx_alloc(size, ngx_cycle->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    if (fetch->buf) {
        ngx_free(fetch->buf);
    }

    fetch->buf = buf;
    fetch->size = size;

    return NGX_OK;
}


static ngx_socketio_ref_t
ngx_socketio_fetch_next_locked(ngx_socketio_fetch_t *fetch)
{
    ngx_socketio_id_t       id;
    ngx_socketio_socket_t  *socket;

    id = fetch->pending;
    fetch->pending.ref = 0;

    if (id.ref) {
        socket = ngx_socketio_find_locked(fetch->scan.zone,
                                          NGX_SOCKETIO_SOCKET, id.ref,
                                          id.gen);

        if (socket && socket->state == NGX_SOCKETIO_SOCKET_CONNECTED) {
            return id.ref;
        }
    }

    return ngx_socketio_scan_next_locked(&fetch->scan);
}


static ngx_uint_t
ngx_socketio_fetch_socket_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_zone_t     *zone;
    ngx_socketio_found_t    *found;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    zone = fetch->scan.zone;

    fetch->need = ngx_socketio_fetch_measure_locked(fetch, ref);

    if (fetch->len + fetch->need > fetch->size
        || (fetch->len
            && fetch->len + fetch->need > NGX_SOCKETIO_FETCH_BYTES))
    {
        return 0;
    }

    socket = ngx_socketio_rec(zone, ref);
    session = ngx_socketio_rec(zone, socket->session);
    found = &fetch->found[fetch->n++];

    found->socket.ref = ref;
    found->socket.gen = socket->rec.gen;
    ngx_memcpy(found->secret, socket->secret, NGX_SOCKETIO_SECRET);

    ngx_str_null(&found->handshake);
    ngx_str_null(&found->data);
    ngx_str_null(&found->rooms);

    if (fetch->fields & NGX_SOCKETIO_FETCH_HANDSHAKE) {
        ngx_socketio_fetch_copy_locked(fetch, session->handshake,
                                       session->handshake_len,
                                       &found->handshake);
    }

    if (fetch->fields & NGX_SOCKETIO_FETCH_DATA) {
        ngx_socketio_fetch_copy_locked(fetch, socket->data, socket->data_len,
                                       &found->data);
    }

    if (fetch->fields & NGX_SOCKETIO_FETCH_ROOMS) {
        ngx_socketio_fetch_names_locked(fetch, ref, &found->rooms);
    }

    return 1;
}


/* the bytes that ..._socket_locked() copies, or a few more */

static size_t
ngx_socketio_fetch_measure_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t ref)
{
    size_t                   len;
    ngx_socketio_ref_t       m;
    ngx_socketio_room_t     *room;
    ngx_socketio_zone_t     *zone;
    ngx_socketio_member_t   *member;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    zone = fetch->scan.zone;
    socket = ngx_socketio_rec(zone, ref);
    session = ngx_socketio_rec(zone, socket->session);
    len = 0;

    if (fetch->fields & NGX_SOCKETIO_FETCH_HANDSHAKE) {
        len += session->handshake_len;
    }

    if (fetch->fields & NGX_SOCKETIO_FETCH_DATA) {
        len += socket->data_len;
    }

    if (fetch->fields & NGX_SOCKETIO_FETCH_ROOMS) {
        for (m = socket->members; m; m = member->socket_next) {
            member = ngx_socketio_rec(zone, m);
            room = ngx_socketio_rec(zone, member->room);
            len += sizeof(uint32_t) + room->name_len;
            fetch->nlooks++;
        }
    }

    return len;
}


static void
ngx_socketio_fetch_copy_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t bytes, size_t len, ngx_str_t *copy)
{
    copy->data = fetch->buf + fetch->len;
    copy->len = ngx_socketio_bytes_read(fetch->scan.zone, bytes, copy->data,
                                        len);
    fetch->len += copy->len;
}


static void
ngx_socketio_fetch_names_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t ref, ngx_str_t *names)
{
    ngx_socketio_ref_t      m;
    ngx_socketio_room_t    *room;
    ngx_socketio_zone_t    *zone;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;

    zone = fetch->scan.zone;
    socket = ngx_socketio_rec(zone, ref);
    names->data = fetch->buf + fetch->len;

    for (m = socket->members; m; m = member->socket_next) {
        member = ngx_socketio_rec(zone, m);
        room = ngx_socketio_rec(zone, member->room);

        if (room->parent && !ngx_socketio_fetch_own_locked(zone, room, ref)) {
            ngx_socketio_fetch_name_locked(fetch, room);
        }
    }

    names->len = fetch->buf + fetch->len - names->data;
}


/* there must be room for it */

static void
ngx_socketio_fetch_name_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_room_t *room)
{
    uint32_t   len;
    ngx_str_t  name;

    len = room->name_len;

    ngx_memcpy(fetch->buf + fetch->len, &len, sizeof(uint32_t));
    fetch->len += sizeof(uint32_t);

    ngx_socketio_fetch_copy_locked(fetch, room->name, len, &name);
}


ngx_int_t
ngx_socketio_fetch_name(u_char **p, u_char *last, ngx_str_t *name)
{
    uint32_t  len;

    if (*p == last) {
        return NGX_DONE;
    }

    ngx_memcpy(&len, *p, sizeof(uint32_t));

    name->data = *p + sizeof(uint32_t);
    name->len = len;
    *p = name->data + len;

    return NGX_OK;
}


/* 0: the next hold begins with this socket again, past what is met by then */

static ngx_uint_t
ngx_socketio_fetch_socket_rooms_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t      m;
    ngx_socketio_room_t    *room;
    ngx_socketio_zone_t    *zone;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;

    zone = fetch->scan.zone;
    socket = ngx_socketio_rec(zone, ref);

    for (m = socket->members; m; m = member->socket_next) {
        member = ngx_socketio_rec(zone, m);
        room = ngx_socketio_rec(zone, member->room);
        fetch->nlooks++;

        if (room->parent
            && !ngx_socketio_fetch_own_locked(zone, room, ref)
            && !ngx_socketio_fetch_room_locked(fetch, member->room))
        {
            return 0;
        }
    }

    return 1;
}


/* without a walk over their members */

static ngx_int_t
ngx_socketio_fetch_all_rooms(ngx_socketio_fetch_t *fetch)
{
    ngx_int_t  rc;

    if (ngx_socketio_fetch_ready(fetch) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_socketio_zone_lock(fetch->scan.zone);
    ngx_socketio_scan_begin_locked(&fetch->scan);

    rc = fetch->scan.done ? NGX_OK
                          : ngx_socketio_fetch_all_rooms_locked(fetch);

    (void) ngx_socketio_scan_end_locked(&fetch->scan);
    ngx_socketio_zone_unlock(fetch->scan.zone);

    return rc;
}


static ngx_int_t
ngx_socketio_fetch_all_rooms_locked(ngx_socketio_fetch_t *fetch)
{
    ngx_uint_t            pages;
    ngx_socketio_ref_t    ref;
    ngx_socketio_room_t  *room;
    ngx_socketio_zone_t  *zone;

    zone = fetch->scan.zone;
    pages = NGX_SOCKETIO_FETCH_PAGES;

    do {
        ref = ngx_socketio_walk_locked(zone, NGX_SOCKETIO_ROOM,
                                       fetch->cursor, &pages);
        if (ref == 0) {
            return NGX_OK;
        }

        room = ngx_socketio_rec(zone, ref);

        if (room->rec.used
            && room->parent == fetch->scan.nsp
            && room->n[0] + room->n[1]
            && !ngx_socketio_fetch_alone_locked(zone, ref)
            && !ngx_socketio_fetch_room_locked(fetch, ref))
        {
            return NGX_AGAIN;
        }

        fetch->cursor = ref;

    } while (pages);

    return NGX_AGAIN;
}


/*
 * A room that is younger than the fetch is left out: another one of its name
 * may be in it already.  0: it must wait for the next hold.
 */

static ngx_uint_t
ngx_socketio_fetch_room_locked(ngx_socketio_fetch_t *fetch,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_room_t  *room;

    room = ngx_socketio_rec(fetch->scan.zone, ref);

    if ((int32_t) (room->rec.gen - fetch->scan.stamp) > 0) {
        return 1;
    }

    fetch->need = sizeof(uint32_t) + room->name_len;

    if (fetch->n == NGX_SOCKETIO_SCAN_HOLD
        || fetch->len + fetch->need > fetch->size)
    {
        return 0;
    }

    if (ngx_socketio_refs_add(&fetch->met, ref)) {
        ngx_socketio_fetch_name_locked(fetch, room);
        fetch->n++;
    }

    return 1;
}


/* whether the room has the name of this socket's id */

static ngx_uint_t
ngx_socketio_fetch_own_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_room_t *room, ngx_socketio_ref_t ref)
{
    u_char                  text[NGX_SOCKETIO_SOCKET_TEXT];
    ngx_socketio_id_t       id;
    ngx_socketio_socket_t  *socket;

    if (room->name_len != NGX_SOCKETIO_SOCKET_TEXT) {
        return 0;
    }

    socket = ngx_socketio_rec(zone, ref);

    id.ref = ref;
    id.gen = socket->rec.gen;
    ngx_socketio_socket_text(text, &id, socket->secret);

    return ngx_socketio_bytes_equal(zone, room->name, text,
                                    NGX_SOCKETIO_SOCKET_TEXT);
}


/* whether its only member is the socket that it has its name of */

static ngx_uint_t
ngx_socketio_fetch_alone_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;

    room = ngx_socketio_rec(zone, ref);

    if (room->n[0] + room->n[1] != 1) {
        return 0;
    }

    member = ngx_socketio_rec(zone, room->list[0] ? room->list[0]
                                                  : room->list[1]);

    return ngx_socketio_fetch_own_locked(zone, room, member->socket);
}
