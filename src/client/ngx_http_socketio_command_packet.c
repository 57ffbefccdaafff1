
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What a command carries: taken from its text, every token as it was written,
 * without the space between them.
 */


#include "client/ngx_http_socketio_command_internal.h"
#include "proto/ngx_socketio_base64.h"
#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_sio.h"


/* no reserved name is longer than this, even if written in \u escapes */

/* ,"token" */
#define NGX_HTTP_SOCKETIO_COMMAND_OFFSET    (NGX_SOCKETIO_TOKEN_TEXT + 3)

#define NGX_HTTP_SOCKETIO_COMMAND_RESERVED  128


static ngx_int_t ngx_http_socketio_command_event(ngx_http_socketio_run_t *run,
    ngx_str_t *event);
static ngx_int_t ngx_http_socketio_command_plain(ngx_http_socketio_run_t *run,
    ngx_str_t *value, ngx_str_t *text);
static ngx_int_t ngx_http_socketio_command_args(ngx_http_socketio_run_t *run,
    ngx_str_t *args);
static ngx_int_t ngx_http_socketio_command_json(ngx_http_socketio_run_t *run,
    ngx_str_t *event, ngx_str_t *args, ngx_str_t *json);
static u_char *ngx_http_socketio_command_compact(u_char *p, ngx_str_t *text);
static ngx_int_t ngx_http_socketio_command_attachments(
    ngx_http_socketio_run_t *run, ngx_array_t *attachments);
static ngx_int_t ngx_http_socketio_command_attachment(
    ngx_http_socketio_run_t *run, u_char *p, u_char *last,
    ngx_array_t *attachments);
static ngx_uint_t ngx_http_socketio_command_base64(u_char *p, size_t len);


void
ngx_http_socketio_command_field(ngx_http_socketio_run_t *run, char *field,
    ngx_str_t *value)
{
    ngx_str_t  path;

    path.data = (u_char *) field;
    path.len = ngx_strlen(field);

    if (ngx_socketio_json_pick(run->raw.data, run->raw.data + run->raw.len,
                               &path, value)
        != NGX_OK)
    {
        ngx_str_set(value, "");
    }
}


void
ngx_http_socketio_command_value(ngx_http_socketio_run_t *run, char *field,
    ngx_str_t *value)
{
    ngx_http_socketio_command_field(run, field, value);

    if (value->len && value->data[0] == 'n') {
        ngx_str_set(value, "");
    }
}


ngx_int_t
ngx_http_socketio_command_kept(ngx_http_socketio_run_t *run, ngx_str_t *data)
{
    u_char  *p;

    if (data->len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(run->pool, data->len);

    if (p == NULL) {
        return NGX_BUSY;
    }

    /* hook requests have an object a line: data must not break it */

    data->len = ngx_http_socketio_command_compact(p, data) - p;
    data->data = p;

    if (data->len > NGX_HTTP_SOCKETIO_DATA_MAX) {
        return ngx_http_socketio_command_error(run, "too_large",
                                               "data is larger than 4 KB");
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_command_flag(ngx_http_socketio_run_t *run, char *field,
    ngx_uint_t *flag)
{
    json_t  *value;

    value = json_object_get(run->object, field);
    *flag = (value != NULL && json_is_true(value));

    if (value != NULL && !json_is_boolean(value)) {
        return ngx_http_socketio_command_error(run, "bad_args",
                                               "a flag is true or false");
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_command_packet(ngx_http_socketio_run_t *run,
    ngx_uint_t ack, ngx_http_socketio_packet_t *packet)
{
    ngx_int_t    rc;
    ngx_str_t    event, args;
    ngx_array_t  attachments;

    ngx_str_set(&event, "");

    if (!ack) {
        rc = ngx_http_socketio_command_event(run, &event);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = ngx_http_socketio_command_args(run, &args);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_socketio_command_json(run, &event, &args, &packet->json);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_socketio_command_attachments(run, &attachments);

    if (rc != NGX_OK) {
        return rc;
    }

    packet->attachments = attachments.elts;
    packet->nattachments = attachments.nelts;

    if (attachments.nelts == 0) {
        packet->type = ack ? NGX_SOCKETIO_SIO_ACK : NGX_SOCKETIO_SIO_EVENT;
        return NGX_OK;
    }

    packet->type = ack ? NGX_SOCKETIO_SIO_BINARY_ACK
                       : NGX_SOCKETIO_SIO_BINARY_EVENT;

    if (ngx_socketio_sio_placeholders(packet->json.data,
                                      packet->json.data + packet->json.len,
                                      attachments.nelts)
        != NGX_OK)
    {
        return ngx_http_socketio_command_error(run, "bad_attachments",
                                 "a placeholder without its attachment");
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_command_message(ngx_http_socketio_run_t *run,
    ngx_http_socketio_packet_t *packet)
{
    ngx_int_t    rc;
    ngx_str_t    text, binary;
    ngx_array_t  attachments;

    ngx_http_socketio_command_field(run, "text", &text);
    ngx_http_socketio_command_field(run, "binary", &binary);

    if ((text.len == 0) == (binary.len == 0)) {
        return ngx_http_socketio_command_error(run, "bad_args",
                                        "send has either text or binary");
    }

    if (text.len) {
        return ngx_http_socketio_command_plain(run, &text, &packet->json);
    }

    if (ngx_array_init(&attachments, run->pool, 1, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_BUSY;
    }

    rc = ngx_http_socketio_command_attachment(run, binary.data,
                                              binary.data + binary.len,
                                              &attachments);
    if (rc != NGX_OK) {
        return rc;
    }

    packet->attachments = attachments.elts;
    packet->nattachments = 1;

    return NGX_OK;
}


/*
 * The text of a raw message.  U+001E stands between the packets of a polling
 * payload: what is behind it would be a packet of its own, written by whoever
 * wrote the text.
 */

static ngx_int_t
ngx_http_socketio_command_plain(ngx_http_socketio_run_t *run,
    ngx_str_t *value, ngx_str_t *text)
{
    text->data = ngx_pnalloc(run->pool, value->len);

    if (text->data == NULL) {
        return NGX_BUSY;
    }

    if (ngx_socketio_json_string(text->data, &text->len, value->data,
                                 value->data + value->len)
        != NGX_OK)
    {
        return ngx_http_socketio_command_error(run, "bad_args",
                                               "text is not a string");
    }

    if (ngx_strlchr(text->data, text->data + text->len,
                    NGX_SOCKETIO_EIO_SEPARATOR))
    {
        return ngx_http_socketio_command_error(run, "bad_args",
                                     "text with U+001E cannot be polled");
    }

    return NGX_OK;
}


/* the token; clients may use numbers, so a backend may answer with one */

static ngx_int_t
ngx_http_socketio_command_event(ngx_http_socketio_run_t *run,
    ngx_str_t *event)
{
    u_char  ch, name[NGX_HTTP_SOCKETIO_COMMAND_RESERVED];
    size_t  len;

    ngx_http_socketio_command_field(run, "event", event);

    ch = event->len ? event->data[0] : 0;

    if (ch == '-' || (ch >= '0' && ch <= '9')) {
        return NGX_OK;
    }

    if (ch != '"') {
        return ngx_http_socketio_command_error(run, "bad_args",
                                               "event is not a string");
    }

    if (event->len <= NGX_HTTP_SOCKETIO_COMMAND_RESERVED
        && ngx_socketio_json_string(name, &len, event->data,
                                    event->data + event->len) == NGX_OK
        && ngx_socketio_sio_reserved(name, len))
    {
        return ngx_http_socketio_command_error(run, "reserved_event",
                             "events of this name are made by clients only");
    }

    return NGX_OK;
}


/* what is within the brackets */

static ngx_int_t
ngx_http_socketio_command_args(ngx_http_socketio_run_t *run, ngx_str_t *args)
{
    u_char  *p, *last;

    ngx_http_socketio_command_field(run, "args", args);

    if (args->len == 0) {
        return NGX_OK;
    }

    if (args->data[0] != '[') {
        return ngx_http_socketio_command_error(run, "bad_args",
                                               "args is not an array");
    }

    last = args->data + args->len - 1;
    p = ngx_socketio_json_space(args->data + 1, last);

    args->data = p;
    args->len = last - p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_command_json(ngx_http_socketio_run_t *run,
    ngx_str_t *event, ngx_str_t *args, ngx_str_t *json)
{
    u_char  *p;

    p = ngx_pnalloc(run->pool, event->len + args->len + sizeof("[,]") - 1
                               + NGX_HTTP_SOCKETIO_COMMAND_OFFSET);

    if (p == NULL) {
        return NGX_BUSY;
    }

    json->data = p;

    *p++ = '[';
    p = ngx_cpymem(p, event->data, event->len);

    if (event->len && args->len) {
        *p++ = ',';
    }

    p = ngx_http_socketio_command_compact(p, args);
    *p++ = ']';

    json->len = p - json->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_command_offset(ngx_http_socketio_run_t *run,
    ngx_str_t *json)
{
    u_char      *p;
    ngx_int_t    rc;
    ngx_uint_t   is_volatile;

    is_volatile = 0;
    rc = ngx_http_socketio_command_flag(run, "volatile", &is_volatile);

    if (rc != NGX_OK || is_volatile || run->command->zone->recovery == 0) {
        return rc;
    }

    run->target.token = ngx_socketio_token(run->command->zone);

    /* "json" is ["event",...], with room behind it */

    p = json->data + json->len - 1;

    *p++ = ',';
    *p++ = '"';
    ngx_socketio_token_text(p, run->target.token);
    p += NGX_SOCKETIO_TOKEN_TEXT;
    *p++ = '"';
    *p++ = ']';

    json->len = p - json->data;

    return NGX_OK;
}


/* backends indent their JSON; the copies go to many clients */

static u_char *
ngx_http_socketio_command_compact(u_char *p, ngx_str_t *text)
{
    u_char      *src, *last;
    ngx_uint_t   quoted;

    src = text->data;
    last = src + text->len;
    quoted = 0;

    for ( /* void */ ; src < last; src++) {

        if (*src == '"') {
            quoted = !quoted;

        } else if (quoted) {

            if (*src == '\\') {
                *p++ = *src++;
            }

        } else if (*src == ' ' || *src == '\t' || *src == CR || *src == LF) {
            continue;
        }

        *p++ = *src;
    }

    return p;
}


static ngx_int_t
ngx_http_socketio_command_attachments(ngx_http_socketio_run_t *run,
    ngx_array_t *attachments)
{
    u_char     *p, *end, *last;
    ngx_int_t   rc;
    ngx_str_t   value;

    if (ngx_array_init(attachments, run->pool, 1, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_BUSY;
    }

    ngx_http_socketio_command_field(run, "attachments", &value);

    if (value.len == 0) {
        return NGX_OK;
    }

    if (value.data[0] != '[') {
        return ngx_http_socketio_command_error(run, "bad_attachments",
                                             "attachments is not an array");
    }

    last = value.data + value.len - 1;
    p = ngx_socketio_json_space(value.data + 1, last);

    while (p < last) {
        end = ngx_socketio_json_skip(p, last);

        rc = ngx_http_socketio_command_attachment(run, p, end, attachments);

        if (rc != NGX_OK) {
            return rc;
        }

        p = ngx_socketio_json_space(end, last);

        if (p < last) {
            p = ngx_socketio_json_space(p + 1, last);   /* behind "," */
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_command_attachment(ngx_http_socketio_run_t *run, u_char *p,
    u_char *last, ngx_array_t *attachments)
{
    size_t      len;
    u_char     *dst;
    ngx_str_t  *attachment;

    if (attachments->nelts == run->command->max_attachments) {
        return ngx_http_socketio_command_error(run, "bad_attachments",
                             "more attachments than socketio_limits allows");
    }

    dst = ngx_pnalloc(run->pool, ngx_max(last - p, 4));
    attachment = ngx_array_push(attachments);

    if (dst == NULL || attachment == NULL) {
        return NGX_BUSY;
    }

    if (ngx_socketio_json_string(dst, &len, p, last) != NGX_OK
        || !ngx_http_socketio_command_base64(dst, len))
    {
        return ngx_http_socketio_command_error(run, "bad_attachments",
                                       "an attachment is not base64 text");
    }

    /* the text of n bytes is longer than n, and dst has two more for quotes */

    (void) ngx_socketio_base64_decode(dst, &attachment->len, dst, dst + len);

    attachment->data = dst;

    return NGX_OK;
}


/* RFC 4648, 4; the padding may be missing.  The decoder takes anything. */

static ngx_uint_t
ngx_http_socketio_command_base64(u_char *p, size_t len)
{
    size_t  i, n;

    n = len;

    while (n > 0 && len - n < 2 && p[n - 1] == '=') {
        n--;
    }

    if ((n < len && len % 4 != 0) || n % 4 == 1) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        if ((p[i] < 'A' || p[i] > 'Z')
            && (p[i] < 'a' || p[i] > 'z')
            && (p[i] < '0' || p[i] > '9')
            && p[i] != '+' && p[i] != '/')
        {
            return 0;
        }
    }

    return 1;
}
