
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "api/ngx_http_socketio_access.h"
#include "api/ngx_http_socketio_publish.h"
#include "client/ngx_http_socketio_command.h"
#include "client/ngx_http_socketio_header.h"
#include "delivery/ngx_socketio_worker.h"
#include "proto/ngx_socketio_json.h"


#define NGX_HTTP_SOCKETIO_PUBLISH_BUF    16384
#define NGX_HTTP_SOCKETIO_PUBLISH_SLICE  100    /* commands at a time */


/* a body of commands while they run; in the pool of the request */

typedef struct {
    ngx_http_request_t             *request;
    ngx_http_socketio_command_t     command;
    ngx_http_socketio_commands_t    commands;
    ngx_uint_t                      n;          /* results so far */

    ngx_event_t                     event;      /* the next slice */
    unsigned                        more:1;     /* a command goes on */
    unsigned                        open:1;     /* its result is begun */

    ngx_uint_t                      status;
    ngx_chain_t                    *out;
    ngx_chain_t                   **last;
    ngx_buf_t                      *buf;        /* NULL: none yet */
    off_t                           size;
} ngx_http_socketio_publish_t;


static void ngx_http_socketio_publish_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_publish_text(ngx_http_request_t *r,
    ngx_str_t *text);
static ngx_int_t ngx_http_socketio_publish_start(
    ngx_http_socketio_publish_t *publish);
static void ngx_http_socketio_publish_resume(ngx_event_t *ev);
static void ngx_http_socketio_publish_cleanup(void *data);
static ngx_int_t ngx_http_socketio_publish_slice(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_run(
    ngx_http_socketio_publish_t *publish, ngx_int_t rc, ngx_str_t *text);
static void ngx_http_socketio_publish_invalid(
    ngx_http_socketio_publish_t *publish, ngx_int_t rc, char *message);
static ngx_int_t ngx_http_socketio_publish_member(void *data, u_char *p,
    size_t len);
static ngx_int_t ngx_http_socketio_publish_begin(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_result(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_write(
    ngx_http_socketio_publish_t *publish, u_char *p, size_t len);
static ngx_int_t ngx_http_socketio_publish_refuse(
    ngx_http_socketio_publish_t *publish, ngx_uint_t status);
static ngx_int_t ngx_http_socketio_publish_send(
    ngx_http_socketio_publish_t *publish);


static ngx_str_t  ngx_http_socketio_publish_post = ngx_string("POST");
static ngx_str_t  ngx_http_socketio_publish_second = ngx_string("1");


ngx_int_t
ngx_http_socketio_publish_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_str_t                     *encoding;
    ngx_http_socketio_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    rc = ngx_http_socketio_access(r, "socketio_publish", conf->bearers,
                                  conf->open == 1);
    if (rc != NGX_OK) {
        return rc;
    }

    if (r->method != NGX_HTTP_POST) {
        if (ngx_http_socketio_header_add(r, "Allow",
                                         &ngx_http_socketio_publish_post)
            == NULL)
        {
            return NGX_ERROR;
        }

        return NGX_HTTP_NOT_ALLOWED;
    }

    encoding = ngx_http_socketio_header(r, "content-encoding",
                                        sizeof("content-encoding") - 1);

    if (encoding != NULL
        && (encoding->len != sizeof("identity") - 1
            || ngx_strncasecmp(encoding->data, (u_char *) "identity",
                               sizeof("identity") - 1)
               != 0))
    {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "refused by \"socketio_publish\": body is compressed");
        return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_socketio_publish_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_socketio_publish_body(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_str_t                      text;
    ngx_http_socketio_publish_t   *publish;
    ngx_http_socketio_loc_conf_t  *conf;

    publish = ngx_pcalloc(r->pool, sizeof(ngx_http_socketio_publish_t));

    if (publish == NULL
        || ngx_http_socketio_publish_text(r, &text) != NGX_OK)
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    publish->request = r;
    publish->status = NGX_HTTP_OK;
    publish->last = &publish->out;
    publish->command.zone = conf->publish->data;
    publish->command.log = r->connection->log;
    publish->command.max_rooms = conf->max_rooms;
    publish->command.max_attachments = conf->max_attachments;
    publish->command.max_acks = conf->max_acks;
    publish->command.write = ngx_http_socketio_publish_member;
    publish->command.data = publish;

    if (ngx_socketio_worker_ready(publish->command.zone) != NGX_OK) {
        publish->command.error = "busy";
        publish->command.message = "this worker is not ready";

        rc = ngx_http_socketio_publish_refuse(publish,
                                              NGX_HTTP_SERVICE_UNAVAILABLE);
        ngx_http_finalize_request(r, rc);
        return;
    }

    rc = ngx_http_socketio_commands_init(&publish->commands, text.data,
                                         text.data + text.len);

    if (rc == NGX_OK
        && publish->commands.form == NGX_HTTP_SOCKETIO_COMMANDS_NONE)
    {
        rc = NGX_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_http_socketio_publish_invalid(publish, rc,
                         "the body is not an object, an array or lines");

        rc = ngx_http_socketio_publish_refuse(publish, NGX_HTTP_BAD_REQUEST);
        ngx_http_finalize_request(r, rc);
        return;
    }

    rc = ngx_http_socketio_publish_start(publish);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


/* the body in one piece, wherever nginx has put it */

static ngx_int_t
ngx_http_socketio_publish_text(ngx_http_request_t *r, ngx_str_t *text)
{
    off_t         len;
    u_char       *p;
    size_t        size;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    ngx_str_null(text);

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL && ngx_buf_in_memory(cl->buf)) {
        text->data = cl->buf->pos;
        text->len = cl->buf->last - cl->buf->pos;
        return NGX_OK;
    }

    for (len = 0; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    p = ngx_palloc(r->pool, (size_t) len);

    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = (size_t) len;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;
        size = (size_t) ngx_buf_size(b);

        if (ngx_buf_in_memory(b)) {
            ngx_memcpy(p, b->pos, size);

        } else if (size
                   && ngx_read_file(b->file, p, size, b->file_pos)
                      != (ssize_t) size)
        {
            return NGX_ERROR;
        }

        p += size;
    }

    return NGX_OK;
}


/* NGX_DONE: more slices follow, the last one finalizes the request */

static ngx_int_t
ngx_http_socketio_publish_start(ngx_http_socketio_publish_t *publish)
{
    ngx_http_request_t  *r;
    ngx_pool_cleanup_t  *cln;

    r = publish->request;

    if (publish->commands.form == NGX_HTTP_SOCKETIO_COMMANDS_ARRAY
        && ngx_http_socketio_publish_write(publish, (u_char *) "[", 1)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_socketio_publish_cleanup;
    cln->data = publish;

    publish->event.handler = ngx_http_socketio_publish_resume;
    publish->event.data = publish;
    publish->event.log = r->connection->log;

    r->write_event_handler = ngx_http_request_empty_handler;

    return ngx_http_socketio_publish_slice(publish);
}


static void
ngx_http_socketio_publish_cleanup(void *data)
{
    ngx_http_socketio_publish_t  *publish = data;

    if (publish->event.posted) {
        ngx_delete_posted_event(&publish->event);
    }

    ngx_http_socketio_command_end(&publish->command);
}


static void
ngx_http_socketio_publish_resume(ngx_event_t *ev)
{
    ngx_int_t                     rc;
    ngx_connection_t             *c;
    ngx_http_request_t           *r;
    ngx_http_socketio_publish_t  *publish;

    publish = ev->data;
    r = publish->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_socketio_publish_slice(publish);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
        ngx_http_run_posted_requests(c);
    }
}


/*
 * This worker's other connections get their turn between two slices.
 * NGX_DONE: another one follows; else what the request is finalized with,
 * NGX_AGAIN included.
 */

static ngx_int_t
ngx_http_socketio_publish_slice(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t   rc;
    ngx_str_t   text;
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_SOCKETIO_PUBLISH_SLICE; i++) {

        if (!publish->more) {
            rc = ngx_http_socketio_commands_next(&publish->commands, &text);

            if (rc == NGX_DONE) {
                return ngx_http_socketio_publish_send(publish);
            }

            publish->open = 0;
            rc = ngx_http_socketio_publish_run(publish, rc, &text);

        } else {
            rc = ngx_http_socketio_command_more(&publish->command);
        }

        publish->more = (rc == NGX_AGAIN);

        if (publish->more) {
            continue;
        }

        if (rc == NGX_ERROR
            || ngx_http_socketio_publish_result(publish) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (publish->commands.form == NGX_HTTP_SOCKETIO_COMMANDS_OBJECT) {

            if (rc == NGX_DECLINED) {
                publish->status = NGX_HTTP_BAD_REQUEST;

            } else if (rc == NGX_BUSY) {
                publish->status = NGX_HTTP_SERVICE_UNAVAILABLE;
            }
        }

        publish->n++;
    }

    ngx_post_event(&publish->event, &ngx_posted_next_events);

    return NGX_DONE;
}


static ngx_int_t
ngx_http_socketio_publish_run(ngx_http_socketio_publish_t *publish,
    ngx_int_t rc, ngx_str_t *text)
{
    if (rc != NGX_OK) {
        ngx_http_socketio_publish_invalid(publish, rc, "not an object");
        return NGX_DECLINED;
    }

    return ngx_http_socketio_command_text(&publish->command, text);
}


/* what does not reach a command: NGX_ERROR or NGX_DECLINED of a parser */

static void
ngx_http_socketio_publish_invalid(ngx_http_socketio_publish_t *publish,
    ngx_int_t rc, char *message)
{
    if (rc == NGX_DECLINED) {
        publish->command.error = "too_deep";
        publish->command.message = "more than 256 levels of nesting";

    } else {
        publish->command.error = "bad_json";
        publish->command.message = message;
    }
}


/* members of the result, as a command finds them */

static ngx_int_t
ngx_http_socketio_publish_member(void *data, u_char *p, size_t len)
{
    ngx_http_socketio_publish_t  *publish = data;

    if (!publish->open
        && ngx_http_socketio_publish_begin(publish) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_socketio_publish_write(publish, p, len);
}


static ngx_int_t
ngx_http_socketio_publish_begin(ngx_http_socketio_publish_t *publish)
{
    u_char      *p, buf[128];
    ngx_uint_t   array;

    array = (publish->commands.form == NGX_HTTP_SOCKETIO_COMMANDS_ARRAY);
    publish->open = 1;

    p = ngx_slprintf(buf, buf + sizeof(buf), "%s{\"ok\":true,\"op\":\"%s\"",
                     (array && publish->n) ? "," : "", publish->command.op);

    return ngx_http_socketio_publish_write(publish, buf, p - buf);
}


static ngx_int_t
ngx_http_socketio_publish_result(ngx_http_socketio_publish_t *publish)
{
    u_char                        *p, buf[512];
    ngx_uint_t                     array;
    ngx_http_socketio_command_t   *command;

    command = &publish->command;
    array = (publish->commands.form == NGX_HTTP_SOCKETIO_COMMANDS_ARRAY);
    p = buf;

    /* codes and messages are static and need no escaping */

    if (command->error == NULL) {

        if (!publish->open
            && ngx_http_socketio_publish_begin(publish) != NGX_OK)
        {
            return NGX_ERROR;
        }

        p = ngx_slprintf(p, buf + sizeof(buf), ",\"count\":%ui}",
                         command->count);

    } else {
        p = ngx_slprintf(p, buf + sizeof(buf),
                         "%s{\"ok\":false,\"error\":\"%s\",\"message\":\"%s\"",
                         (array && publish->n) ? "," : "", command->error,
                         command->message);

        if (array) {
            p = ngx_slprintf(p, buf + sizeof(buf), ",\"index\":%ui",
                             publish->n);
        }

        p = ngx_slprintf(p, buf + sizeof(buf), "}");
    }

    if (publish->commands.form == NGX_HTTP_SOCKETIO_COMMANDS_LINES) {
        p = ngx_slprintf(p, buf + sizeof(buf), "\n");
    }

    return ngx_http_socketio_publish_write(publish, buf, p - buf);
}


static ngx_int_t
ngx_http_socketio_publish_write(ngx_http_socketio_publish_t *publish,
    u_char *p, size_t len)
{
    size_t        size;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    while (len) {
        b = publish->buf;

        if (b == NULL || b->last == b->end) {

            /* most answers are one result */

            b = ngx_create_temp_buf(publish->request->pool,
                                    (b == NULL) ? 512
                                              : NGX_HTTP_SOCKETIO_PUBLISH_BUF);
            cl = ngx_alloc_chain_link(publish->request->pool);

            if (b == NULL || cl == NULL) {
                return NGX_ERROR;
            }

            cl->buf = b;
            cl->next = NULL;

            *publish->last = cl;
            publish->last = &cl->next;
            publish->buf = b;
        }

        size = ngx_min(len, (size_t) (b->end - b->last));
        b->last = ngx_cpymem(b->last, p, size);
        publish->size += size;
        p += size;
        len -= size;
    }

    return NGX_OK;
}


/* one error for the whole body: command->error */

static ngx_int_t
ngx_http_socketio_publish_refuse(ngx_http_socketio_publish_t *publish,
    ngx_uint_t status)
{
    publish->status = status;
    publish->commands.form = NGX_HTTP_SOCKETIO_COMMANDS_NONE;

    if (ngx_http_socketio_publish_result(publish) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_socketio_publish_send(publish);
}


static ngx_int_t
ngx_http_socketio_publish_send(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = publish->request;

    if (publish->commands.form == NGX_HTTP_SOCKETIO_COMMANDS_ARRAY
        && ngx_http_socketio_publish_write(publish, (u_char *) "]", 1)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (publish->status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_socketio_header_add(r, "Retry-After",
                                        &ngx_http_socketio_publish_second)
           == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = publish->status;
    r->headers_out.content_length_n = publish->size;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    publish->buf->last_buf = (r == r->main) ? 1 : 0;
    publish->buf->last_in_chain = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, publish->out);
}
