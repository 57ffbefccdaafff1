
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_event.h"
#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_base64.h"


typedef struct {
    u_char                         *p;          /* NULL: measure */
    size_t                          len;
} ngx_http_socketio_event_out_t;


typedef void (*ngx_http_socketio_event_put_pt)(
    ngx_http_socketio_event_out_t *out, ngx_http_socketio_event_t *event);


static void ngx_http_socketio_event_put(ngx_http_socketio_event_out_t *out,
    u_char *data, size_t len);
static void ngx_http_socketio_event_put_quoted(
    ngx_http_socketio_event_out_t *out, ngx_str_t *text);
static void ngx_http_socketio_event_put_uint(
    ngx_http_socketio_event_out_t *out, uint64_t n);
static void ngx_http_socketio_event_put_connect(
    ngx_http_socketio_event_out_t *out, ngx_http_socketio_event_t *event);
static void ngx_http_socketio_event_put_ack(
    ngx_http_socketio_event_out_t *out, ngx_http_socketio_event_t *event);
static void ngx_http_socketio_event_put_name(
    ngx_http_socketio_event_out_t *out, ngx_http_socketio_event_t *event);
static void ngx_http_socketio_event_put_base64(
    ngx_http_socketio_event_out_t *out, ngx_str_t *bytes);
static void ngx_http_socketio_event_put_message(
    ngx_http_socketio_event_out_t *out, ngx_http_socketio_event_t *event);
static void ngx_http_socketio_event_put_attachments(
    ngx_http_socketio_event_out_t *out, ngx_http_socketio_event_t *event);
static void ngx_http_socketio_event_put_rooms(
    ngx_http_socketio_event_out_t *out, ngx_http_socketio_event_t *event);
static void ngx_http_socketio_event_put_visible(
    ngx_http_socketio_event_out_t *out, u_char *p, size_t len);
static ngx_int_t ngx_http_socketio_event_value(ngx_str_t *value,
    ngx_http_socketio_event_put_pt put, ngx_http_socketio_event_t *event,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_socketio_event_variables_event(
    ngx_http_socketio_lane_event_t *v, ngx_http_socketio_event_t *event,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_socketio_event_copy(ngx_str_t *dst, ngx_str_t *src,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_socketio_event_visible(ngx_str_t *dst,
    ngx_str_t *src, ngx_pool_t *pool);


#define ngx_http_socketio_event_put_text(out, text)                           \
    ngx_http_socketio_event_put(out, (u_char *) text, sizeof(text) - 1)


static ngx_str_t  ngx_http_socketio_event_types[][4] = {
    { ngx_string("connect"), ngx_string("event"), ngx_string("disconnect"),
      ngx_string("ack") },
    { ngx_string("open"), ngx_string("message"), ngx_string("close"),
      ngx_null_string }
};


size_t
ngx_http_socketio_event_json(u_char *p, ngx_http_socketio_event_t *event)
{
    ngx_http_socketio_event_out_t  out;

    out.p = p;
    out.len = 0;

    ngx_http_socketio_event_put_text(&out, "{\"id\":");
    ngx_http_socketio_event_put_quoted(&out, &event->id_text);
    ngx_http_socketio_event_put_text(&out, ",\"type\":");
    ngx_http_socketio_event_put_quoted(&out,
                 &ngx_http_socketio_event_types[event->peer.raw][event->type]);
    ngx_http_socketio_event_put_text(&out, ",\"sid\":");
    ngx_http_socketio_event_put_quoted(&out, &event->sid);

    if (!event->peer.raw) {
        ngx_http_socketio_event_put_text(&out, ",\"nsp\":");
        ngx_http_socketio_event_put_quoted(&out, &event->nsp);
    }

    ngx_http_socketio_event_put_text(&out, ",\"seq\":");
    ngx_http_socketio_event_put_uint(&out, event->id.seq);
    ngx_http_socketio_event_put_text(&out, ",\"time\":");
    ngx_http_socketio_event_put_uint(&out, event->time);

    switch (event->type) {

    case NGX_SOCKETIO_ENTRY_CONNECT:
        ngx_http_socketio_event_put_text(&out, ",\"handshake\":");
        ngx_http_socketio_event_put_connect(&out, event);

        if (event->recovered) {
            ngx_http_socketio_event_put_text(&out, ",\"recovered\":true");

        } else {
            ngx_http_socketio_event_put_text(&out, ",\"recovered\":false");
        }

        break;

    case NGX_SOCKETIO_ENTRY_EVENT:

        if (event->peer.raw) {
            ngx_http_socketio_event_put_text(&out, ",");
            ngx_http_socketio_event_put_message(&out, event);
            break;
        }

        ngx_http_socketio_event_put_text(&out, ",\"event\":");
        ngx_http_socketio_event_put_name(&out, event);
        ngx_http_socketio_event_put_text(&out, ",\"args\":[");
        ngx_http_socketio_event_put(&out, event->args.data, event->args.len);

        if (event->id.ack) {
            ngx_http_socketio_event_put_text(&out, "],\"ack\":true");

        } else {
            ngx_http_socketio_event_put_text(&out, "],\"ack\":false");
        }

        if (event->binary) {
            ngx_http_socketio_event_put_text(&out, ",\"attachments\":");
            ngx_http_socketio_event_put_attachments(&out, event);
        }

        break;

    case NGX_SOCKETIO_ENTRY_ACK:
        ngx_http_socketio_event_put_ack(&out, event);
        break;

    default: /* NGX_SOCKETIO_ENTRY_DISCONNECT */
        ngx_http_socketio_event_put_text(&out, ",\"reason\":");
        ngx_http_socketio_event_put_quoted(&out, event->reason);
        ngx_http_socketio_event_put_text(&out, ",\"rooms\":");
        ngx_http_socketio_event_put_rooms(&out, event);
        break;
    }

    if (event->data.len) {
        ngx_http_socketio_event_put_text(&out, ",\"data\":");
        ngx_http_socketio_event_put(&out, event->data.data, event->data.len);
    }

    ngx_http_socketio_event_put_text(&out, "}");

    return out.len;
}


static void
ngx_http_socketio_event_put(ngx_http_socketio_event_out_t *out, u_char *data,
    size_t len)
{
    if (out->p && len) {
        ngx_memcpy(out->p + out->len, data, len);
    }

    out->len += len;
}


static void
ngx_http_socketio_event_put_quoted(ngx_http_socketio_event_out_t *out,
    ngx_str_t *text)
{
    ngx_http_socketio_event_put_text(out, "\"");
    out->len += ngx_socketio_json_escape(out->p ? out->p + out->len : NULL,
                                         text->data, text->len);
    ngx_http_socketio_event_put_text(out, "\"");
}


static void
ngx_http_socketio_event_put_uint(ngx_http_socketio_event_out_t *out,
    uint64_t n)
{
    out->len += ngx_socketio_json_uint(out->p ? out->p + out->len : NULL, n);
}


static void
ngx_http_socketio_event_put_connect(ngx_http_socketio_event_out_t *out,
    ngx_http_socketio_event_t *event)
{
    ngx_http_socketio_event_put_text(out, "{");

    if (event->handshake.len) {
        ngx_http_socketio_event_put(out, event->handshake.data,
                                    event->handshake.len);
        ngx_http_socketio_event_put_text(out, ",");
    }

    ngx_http_socketio_event_put_text(out, "\"auth\":");

    if (event->auth.len) {
        ngx_http_socketio_event_put(out, event->auth.data, event->auth.len);

    } else {
        ngx_http_socketio_event_put_text(out, "{}");
    }

    ngx_http_socketio_event_put_text(out, "}");
}


static void
ngx_http_socketio_event_put_ack(ngx_http_socketio_event_out_t *out,
    ngx_http_socketio_event_t *event)
{
    ngx_http_socketio_event_put_text(out, ",\"token\":");
    ngx_http_socketio_event_put(out, event->event.data, event->event.len);

    if (event->failed) {
        ngx_http_socketio_event_put_text(out, ",\"error\":");
        ngx_http_socketio_event_put_quoted(out, event->failed);
        return;
    }

    ngx_http_socketio_event_put_text(out, ",\"args\":[");
    ngx_http_socketio_event_put(out, event->args.data, event->args.len);
    ngx_http_socketio_event_put_text(out, "]");

    if (event->binary) {
        ngx_http_socketio_event_put_text(out, ",\"attachments\":");
        ngx_http_socketio_event_put_attachments(out, event);
    }
}


/* a number may be a name (socket.io, 4); typed backends expect a string */

static void
ngx_http_socketio_event_put_name(ngx_http_socketio_event_out_t *out,
    ngx_http_socketio_event_t *event)
{
    if (event->event.data[0] == '"') {
        ngx_http_socketio_event_put(out, event->event.data, event->event.len);

    } else {
        ngx_http_socketio_event_put_quoted(out, &event->event);
    }
}


static void
ngx_http_socketio_event_put_base64(ngx_http_socketio_event_out_t *out,
    ngx_str_t *bytes)
{
    ngx_http_socketio_event_put_text(out, "\"");
    out->len += ngx_socketio_base64_encode(out->p ? out->p + out->len : NULL,
                                           bytes->data, bytes->len);
    ngx_http_socketio_event_put_text(out, "\"");
}


/* a member, as the command "send" has it */

static void
ngx_http_socketio_event_put_message(ngx_http_socketio_event_out_t *out,
    ngx_http_socketio_event_t *event)
{
    if (event->binary) {
        ngx_http_socketio_event_put_text(out, "\"binary\":");
        ngx_http_socketio_event_put_base64(out, &event->message);
        return;
    }

    ngx_http_socketio_event_put_text(out, "\"text\":");
    ngx_http_socketio_event_put_quoted(out, &event->message);
}


static void
ngx_http_socketio_event_put_attachments(ngx_http_socketio_event_out_t *out,
    ngx_http_socketio_event_t *event)
{
    ngx_str_t   *a;
    ngx_uint_t   i;

    ngx_http_socketio_event_put_text(out, "[");

    for (i = 0; i < event->nattachments; i++) {
        a = &event->attachments[i];

        if (i) {
            ngx_http_socketio_event_put_text(out, ",");
        }

        ngx_http_socketio_event_put_base64(out, a);
    }

    ngx_http_socketio_event_put_text(out, "]");
}


static void
ngx_http_socketio_event_put_rooms(ngx_http_socketio_event_out_t *out,
    ngx_http_socketio_event_t *event)
{
    ngx_uint_t  i;

    ngx_http_socketio_event_put_text(out, "[");

    for (i = 0; i < event->nrooms; i++) {
        if (i) {
            ngx_http_socketio_event_put_text(out, ",");
        }

        ngx_http_socketio_event_put_quoted(out, &event->rooms[i]);
    }

    ngx_http_socketio_event_put_text(out, "]");
}


/* Only control characters are escaped: fit for a header, or an "if". */

static void
ngx_http_socketio_event_put_visible(ngx_http_socketio_event_out_t *out,
    u_char *p, size_t len)
{
    u_char  *last, escaped[sizeof("\\u0000")];

    for (last = p + len; p < last; p++) {

        if (*p >= 0x20 && *p != 0x7f) {
            ngx_http_socketio_event_put(out, p, 1);
            continue;
        }

        if (*p == 0x7f) {
            ngx_http_socketio_event_put_text(out, "\\u007f");
            continue;
        }

        ngx_http_socketio_event_put(out, escaped,
                                    ngx_socketio_json_escape(escaped, p, 1));
    }
}


ngx_http_socketio_lane_event_t *
ngx_http_socketio_event_variables(ngx_http_socketio_event_t *event,
    ngx_pool_t *pool)
{
    ngx_http_socketio_lane_event_t  *v;

    v = ngx_pcalloc(pool, sizeof(ngx_http_socketio_lane_event_t));
    if (v == NULL) {
        return NULL;
    }

    v->type = ngx_http_socketio_event_types[event->peer.raw][event->type];

    ngx_str_set(&v->args, "[]");
    ngx_str_set(&v->message, "\"text\":\"\"");
    ngx_str_set(&v->attachments, "[]");
    ngx_str_set(&v->data, "null");
    ngx_str_set(&v->handshake, "null");

    if (event->websocket) {
        ngx_str_set(&v->transport, "websocket");

    } else {
        ngx_str_set(&v->transport, "polling");
    }

    if (event->peer.revision == 3) {
        ngx_str_set(&v->eio, "3");

    } else {
        ngx_str_set(&v->eio, "4");
    }

    if (ngx_http_socketio_event_copy(&v->id, &event->id_text, pool) != NGX_OK
        || ngx_http_socketio_event_copy(&v->sid, &event->sid, pool) != NGX_OK
        || ngx_http_socketio_event_visible(&v->nsp, &event->nsp, pool)
           != NGX_OK)
    {
        return NULL;
    }

    if (event->data.len
        && ngx_http_socketio_event_copy(&v->data, &event->data, pool)
           != NGX_OK)
    {
        return NULL;
    }

    switch (event->type) {

    case NGX_SOCKETIO_ENTRY_CONNECT:
        if (ngx_http_socketio_event_value(&v->handshake,
                                          ngx_http_socketio_event_put_connect,
                                          event, pool)
            != NGX_OK)
        {
            return NULL;
        }

        break;

    case NGX_SOCKETIO_ENTRY_EVENT:
        if ((event->peer.raw
             ? ngx_http_socketio_event_value(&v->message,
                                          ngx_http_socketio_event_put_message,
                                          event, pool)
             : ngx_http_socketio_event_variables_event(v, event, pool))
            != NGX_OK)
        {
            return NULL;
        }

        break;

    case NGX_SOCKETIO_ENTRY_ACK:
        if (ngx_http_socketio_event_variables_event(v, event, pool) != NGX_OK)
        {
            return NULL;
        }

        if (event->failed) {
            v->reason = *event->failed;
        }

        break;

    default: /* NGX_SOCKETIO_ENTRY_DISCONNECT */
        v->reason = *event->reason;
        break;
    }

    return v;
}


/* what "put" writes of the event, in memory of its own */

static ngx_int_t
ngx_http_socketio_event_value(ngx_str_t *value,
    ngx_http_socketio_event_put_pt put, ngx_http_socketio_event_t *event,
    ngx_pool_t *pool)
{
    ngx_http_socketio_event_out_t  out;

    out.p = NULL;
    out.len = 0;
    put(&out, event);

    out.p = ngx_pnalloc(pool, out.len);
    if (out.p == NULL) {
        return NGX_ERROR;
    }

    out.len = 0;
    put(&out, event);

    value->len = out.len;
    value->data = out.p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_event_variables_event(ngx_http_socketio_lane_event_t *v,
    ngx_http_socketio_event_t *event, ngx_pool_t *pool)
{
    ngx_str_t                      name;
    ngx_http_socketio_event_out_t  out;

    if (event->id.ack) {
        ngx_str_set(&v->ack, "1");
    }

    /* a name that is a number is its own text */

    name = event->event;

    if (name.data[0] == '"') {
        name.data = ngx_pnalloc(pool, name.len);
        if (name.data == NULL) {
            return NGX_ERROR;
        }

        if (ngx_socketio_json_string(name.data, &name.len, event->event.data,
                                     event->event.data + event->event.len)
            != NGX_OK)
        {
            name.len = 0;
        }
    }

    if (ngx_http_socketio_event_visible(&v->event, &name, pool) != NGX_OK) {
        return NGX_ERROR;
    }

    out.p = NULL;
    out.len = 0;
    ngx_http_socketio_event_put_attachments(&out, event);

    out.p = ngx_pnalloc(pool, out.len + event->args.len + 2);
    if (out.p == NULL) {
        return NGX_ERROR;
    }

    out.len = 0;
    ngx_http_socketio_event_put_attachments(&out, event);

    v->attachments.len = out.len;
    v->attachments.data = out.p;

    v->args.len = event->args.len + 2;
    v->args.data = out.p + out.len;

    ngx_http_socketio_event_put_text(&out, "[");
    ngx_http_socketio_event_put(&out, event->args.data, event->args.len);
    ngx_http_socketio_event_put_text(&out, "]");

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_event_copy(ngx_str_t *dst, ngx_str_t *src, ngx_pool_t *pool)
{
    dst->len = src->len;
    dst->data = ngx_pnalloc(pool, src->len + 1);

    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, src->data, src->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_event_visible(ngx_str_t *dst, ngx_str_t *src,
    ngx_pool_t *pool)
{
    ngx_http_socketio_event_out_t  out;

    out.p = NULL;
    out.len = 0;
    ngx_http_socketio_event_put_visible(&out, src->data, src->len);

    out.p = ngx_pnalloc(pool, out.len + 1);
    if (out.p == NULL) {
        return NGX_ERROR;
    }

    out.len = 0;
    ngx_http_socketio_event_put_visible(&out, src->data, src->len);

    dst->len = out.len;
    dst->data = out.p;

    return NGX_OK;
}
