
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_event.h"
#include "client/ngx_http_socketio_form.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_json.h"


/* far beyond any limit: what an inconsistent chain could make us read */
#define NGX_HTTP_SOCKETIO_EVENT_ROOMS  65536


static ngx_int_t ngx_http_socketio_event_read_type(ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry, ngx_http_socketio_event_t *event,
    ngx_str_t *body, ngx_pool_t *pool);
static ngx_str_t *ngx_http_socketio_event_failed(ngx_uint_t outcome);
static ngx_int_t ngx_http_socketio_event_body(
    ngx_http_socketio_event_t *event, ngx_str_t *body);
static ngx_int_t ngx_http_socketio_event_query(
    ngx_http_socketio_event_t *event, ngx_str_t *query, ngx_pool_t *pool);
static u_char *ngx_http_socketio_event_query_kept(u_char *p, u_char *pos,
    u_char *last, ngx_http_socketio_form_pair_t *pairs, ngx_uint_t n);
static u_char *ngx_http_socketio_event_query_string(u_char *p,
    ngx_str_t *text);
static ngx_int_t ngx_http_socketio_event_read_attachments(
    ngx_socketio_zone_t *zone, ngx_socketio_entry_t *entry,
    ngx_http_socketio_event_t *event, ngx_pool_t *pool);
static ngx_int_t ngx_http_socketio_event_read_rooms(ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry, ngx_http_socketio_event_t *event,
    ngx_pool_t *pool);


ngx_int_t
ngx_http_socketio_event_read(ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry, ngx_uint_t handshake,
    ngx_http_socketio_event_t *event, ngx_pool_t *pool)
{
    u_char     *p;
    ngx_int_t   rc;
    ngx_str_t   body;

    ngx_memzero(event, sizeof(ngx_http_socketio_event_t));

    event->type = entry->type;
    event->id.socket = entry->socket;
    event->id.seq = entry->seq;
    event->id.ack = entry->ack;
    event->time = entry->time;
    event->reason = entry->peer.raw ? ngx_socketio_eio_reason(entry->reason)
                                    : ngx_socketio_reason(entry->reason);
    event->websocket = (entry->transport == NGX_SOCKETIO_EIO_WEBSOCKET);
    event->peer = entry->peer;
    event->recovered = entry->recovered;

    p = ngx_pnalloc(pool, NGX_HTTP_SOCKETIO_EVENT_ID_MAX
                          + NGX_SOCKETIO_SOCKET_TEXT);
    if (p == NULL) {
        return NGX_ERROR;
    }

    event->sid.len = NGX_SOCKETIO_SOCKET_TEXT;
    event->sid.data = p;
    p = ngx_cpymem(p, entry->text, NGX_SOCKETIO_SOCKET_TEXT);

    event->id_text.data = p;
    event->id_text.len = ngx_http_socketio_event_id(p, zone, &event->id) - p;

    rc = ngx_http_socketio_bytes_read(zone, entry->nsp, entry->nsp_len,
                                      &event->nsp, pool);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_socketio_bytes_read(zone, entry->body, entry->body_len,
                                      &body, pool);
    if (rc != NGX_OK) {
        return rc;
    }

    if (handshake || entry->type == NGX_SOCKETIO_ENTRY_CONNECT) {
        rc = ngx_http_socketio_bytes_read(zone, entry->handshake,
                                          entry->handshake_len,
                                          &event->handshake, pool);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (entry->data_len) {
        event->data.data = ngx_pnalloc(pool, NGX_HTTP_SOCKETIO_DATA_MAX);
        if (event->data.data == NULL) {
            return NGX_ERROR;
        }

        event->data.len = ngx_socketio_socket_data(zone, &entry->socket,
                                                   event->data.data,
                                                   NGX_HTTP_SOCKETIO_DATA_MAX);
    }

    return ngx_http_socketio_event_read_type(zone, entry, event, &body, pool);
}


/* what one type has and others have not */

static ngx_int_t
ngx_http_socketio_event_read_type(ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry, ngx_http_socketio_event_t *event,
    ngx_str_t *body, ngx_pool_t *pool)
{
    ngx_int_t  rc;

    switch (entry->type) {

    case NGX_SOCKETIO_ENTRY_CONNECT:

        if (event->peer.revision == 3) {
            return ngx_http_socketio_event_query(event, body, pool);
        }

        event->auth = *body;
        return ngx_http_socketio_event_body(event, body);

    case NGX_SOCKETIO_ENTRY_EVENT:

        if (event->peer.raw) {
            event->message = *body;
            event->binary = entry->binary;
            return NGX_OK;
        }

        rc = ngx_http_socketio_event_body(event, body);
        if (rc != NGX_OK) {
            return rc;
        }

        return ngx_http_socketio_event_read_attachments(zone, entry, event,
                                                        pool);

    case NGX_SOCKETIO_ENTRY_ACK:
        rc = ngx_http_socketio_bytes_read(zone, entry->token, entry->token_len,
                                          &event->event, pool);

        if (rc == NGX_OK) {
            rc = ngx_http_socketio_event_body(event, body);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        event->failed = ngx_http_socketio_event_failed(entry->outcome);

        return ngx_http_socketio_event_read_attachments(zone, entry, event,
                                                        pool);

    default: /* NGX_SOCKETIO_ENTRY_DISCONNECT */
        return ngx_http_socketio_event_read_rooms(zone, entry, event, pool);
    }
}


/* NULL: the client has answered */

static ngx_str_t *
ngx_http_socketio_event_failed(ngx_uint_t outcome)
{
    static ngx_str_t  timeout = ngx_string("timeout");
    static ngx_str_t  disconnected = ngx_string("disconnected");

    switch (outcome) {

    case NGX_SOCKETIO_EVENT_ACK_TIMEOUT:
        return &timeout;

    case NGX_SOCKETIO_EVENT_ACK_GONE:
        return &disconnected;

    default: /* NGX_SOCKETIO_EVENT_ACK */
        return NULL;
    }
}


/*
 * Line breaks are white space in JSON text that was checked, and would end
 * the line for a backend that reads by lines.  What programs fail to read or
 * to write would cost all that share the request their answers.
 */

static ngx_int_t
ngx_http_socketio_event_body(ngx_http_socketio_event_t *event,
    ngx_str_t *body)
{
    u_char  *p, *last;

    last = body->data + body->len;

    for (p = body->data; p < last; p++) {
        if (*p == LF || *p == CR) {
            *p = ' ';
        }
    }

    ngx_socketio_json_mend(body->data, last);

    if (event->type == NGX_SOCKETIO_ENTRY_CONNECT) {
        return NGX_OK;
    }

    if (event->type == NGX_SOCKETIO_ENTRY_ACK && body->len == 0) {
        return NGX_OK;
    }

    /* ["name",a,b], or, of an ack, [a,b] */

    if (body->len < 2 || body->data[0] != '[' || last[-1] != ']') {
        return NGX_DECLINED;
    }

    last--;
    p = ngx_socketio_json_space(body->data + 1, last);

    if (event->type == NGX_SOCKETIO_ENTRY_ACK) {
        event->args.data = p;
        event->args.len = last - p;
        return NGX_OK;
    }

    event->event.data = p;
    p = ngx_socketio_json_skip(p, last);
    event->event.len = p - event->event.data;

    p = ngx_socketio_json_space(p, last);

    if (p < last && *p == ',') {
        event->args.data = p + 1;
        event->args.len = last - (p + 1);
    }

    return event->event.len ? NGX_OK : NGX_DECLINED;
}


/*
 * In revision 3 a namespace has a query of its own.  What it says joins the
 * query of the handshake and comes before it: no name is there twice, of which
 * parsers of JSON think differently.
 */

static ngx_int_t
ngx_http_socketio_event_query(ngx_http_socketio_event_t *event,
    ngx_str_t *query, ngx_pool_t *pool)
{
    u_char                         *p, *text, *last;
    ngx_str_t                       path, value, *handshake;
    ngx_uint_t                      i, n, cut;
    ngx_http_socketio_form_pair_t   pairs[NGX_HTTP_SOCKETIO_FORM_PAIRS];

    handshake = &event->handshake;

    if (query->len == 0) {
        return NGX_OK;
    }

    if (ngx_http_socketio_form_pairs(pool, query, pairs, &n, &cut) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a member has quotes, colon and comma; an escape has 6 bytes of one */

    text = ngx_pnalloc(pool, handshake->len + 2);
    p = ngx_pnalloc(pool, handshake->len + 12 * query->len + 6);

    if (text == NULL || p == NULL) {
        return NGX_ERROR;
    }

    *text = '{';
    last = ngx_cpymem(text + 1, handshake->data, handshake->len);
    *last = '}';

    ngx_str_set(&path, "query");

    if (ngx_socketio_json_pick(text, last + 1, &path, &value) != NGX_OK
        || value.len < 2)
    {
        return NGX_OK;
    }

    handshake->data = p;

    p = ngx_cpymem(p, text + 1, value.data + 1 - (text + 1));

    p = ngx_http_socketio_event_query_kept(p, value.data + 1,
                                           value.data + value.len - 1, pairs,
                                           n);

    for (i = 0; i < n; i++) {
        p = ngx_http_socketio_event_query_string(p, &pairs[i].name);
        *p++ = ':';
        p = ngx_http_socketio_event_query_string(p, &pairs[i].value);
        *p++ = ',';
    }

    p -= (p[-1] == ',');

    text = value.data + value.len - 1;
    p = ngx_cpymem(p, text, last - text);

    handshake->len = p - handshake->data;

    return NGX_OK;
}


/*
 * The members pos..last of a query, each with a comma behind it, but for those
 * with the name of a pair.  Handshakes have no white space (they are ours).
 */

static u_char *
ngx_http_socketio_event_query_kept(u_char *p, u_char *pos, u_char *last,
    ngx_http_socketio_form_pair_t *pairs, ngx_uint_t n)
{
    u_char      *end, *next;
    ngx_uint_t   i;

    while (pos < last) {
        end = ngx_socketio_json_skip(pos, last);
        next = ngx_socketio_json_skip(ngx_min(end + 1, last), last);

        for (i = 0; i < n; i++) {
            if (ngx_socketio_json_equal(pos, end, pairs[i].name.data,
                                        pairs[i].name.len))
            {
                break;
            }
        }

        if (i == n) {
            p = ngx_cpymem(p, pos, next - pos);
            *p++ = ',';
        }

        pos = next + 1;
    }

    return p;
}


static u_char *
ngx_http_socketio_event_query_string(u_char *p, ngx_str_t *text)
{
    *p++ = '"';
    p += ngx_socketio_json_escape(p, text->data, text->len);
    *p++ = '"';

    return p;
}


static ngx_int_t
ngx_http_socketio_event_read_attachments(ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry, ngx_http_socketio_event_t *event,
    ngx_pool_t *pool)
{
    if (entry->attachments == 0) {
        return NGX_OK;
    }

    event->binary = 1;
    event->nattachments = entry->attachments;

    return ngx_http_socketio_attachments_read(zone, entry->attached,
                                              entry->attached_len,
                                              entry->attachments,
                                              &event->attachments, pool);
}


static ngx_int_t
ngx_http_socketio_event_read_rooms(ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry, ngx_http_socketio_event_t *event,
    ngx_pool_t *pool)
{
    size_t               len;
    u_char               name[NGX_HTTP_SOCKETIO_NAME_MAX];
    ngx_str_t           *room;
    ngx_uint_t           n;
    ngx_array_t          rooms;
    ngx_socketio_ref_t   member;

    if (ngx_array_init(&rooms, pool, 8, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    member = entry->rooms;

    for (n = 0; member && n < NGX_HTTP_SOCKETIO_EVENT_ROOMS; n++) {

        member = ngx_socketio_entry_room(zone, member, name, sizeof(name),
                                         &len);
        if (len == 0) {
            /* the namespace */
            continue;
        }

        room = ngx_array_push(&rooms);
        if (room == NULL) {
            return NGX_ERROR;
        }

        room->len = len;
        room->data = ngx_pnalloc(pool, len);
        if (room->data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(room->data, name, len);
    }

    event->rooms = rooms.elts;
    event->nrooms = rooms.nelts;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_event_handshake(ngx_http_socketio_event_t *event,
    char *name, ngx_str_t *value, ngx_pool_t *pool)
{
    u_char     *p, *last;
    ngx_str_t   path;

    p = ngx_pnalloc(pool, event->handshake.len + 2);
    if (p == NULL) {
        return NGX_DECLINED;
    }

    *p = '{';
    last = ngx_cpymem(p + 1, event->handshake.data, event->handshake.len);
    *last++ = '}';

    path.len = ngx_strlen(name);
    path.data = (u_char *) name;

    return ngx_socketio_json_pick(p, last, &path, value);
}
