
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Results, in the form that the commands had, and how they get out: with a
 * length if they are complete at once, else as they come.
 */


#include "api/ngx_http_socketio_publish_internal.h"
#include "client/ngx_http_socketio_header.h"
#include "proto/ngx_socketio_json.h"


#define NGX_HTTP_SOCKETIO_PUBLISH_FIRST  512    /* most are one result */


static void ngx_http_socketio_publish_tally(
    ngx_http_socketio_command_t *command);
static ngx_int_t ngx_http_socketio_publish_begin(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_write(
    ngx_http_socketio_publish_t *publish, u_char *p, size_t len);
static ngx_int_t ngx_http_socketio_publish_more(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_header(
    ngx_http_socketio_publish_t *publish, off_t length);
static ngx_int_t ngx_http_socketio_publish_send(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_blocked(
    ngx_http_socketio_publish_t *publish);


static ngx_str_t  ngx_http_socketio_publish_second = ngx_string("1");


char  *ngx_http_socketio_publish_codes[] = {
    "bad_op",
    "no_target",
    "bad_target",
    "bad_args",
    "bad_attachments",
    "reserved_event",
    "bad_json",
    "too_deep",
    "too_large",
    "timeout",
    "busy",
    "other",
    NULL
};


ngx_int_t
ngx_http_socketio_publish_result(ngx_http_socketio_publish_t *publish)
{
    u_char                       *p, *last, buf[512];
    ngx_uint_t                    array;
    ngx_http_socketio_command_t  *command;

    command = &publish->command;
    array = (publish->commands.form == NGX_SOCKETIO_COMMANDS_ARRAY);
    p = buf;
    last = buf + sizeof(buf);

    ngx_http_socketio_publish_tally(command);

    if (command->error == NULL) {

        if (ngx_http_socketio_publish_begin(publish) != NGX_OK) {
            return NGX_ERROR;
        }

        p = ngx_slprintf(p, last, ",\"count\":%ui%s}", command->count,
                         command->dup ? ",\"dup\":true" : "");

    } else {

        if (publish->begun) {
            return NGX_ERROR;
        }

        if (array) {
            *p++ = publish->n ? ',' : '[';
        }

        /* codes and messages are static and need no escaping */

        p = ngx_slprintf(p, last,
                         "{\"ok\":false,\"error\":\"%s\",\"message\":\"%s\"",
                         command->error, command->message);

        if (publish->offset != -1) {
            p = ngx_slprintf(p, last, ",\"offset\":%i", publish->offset);
        }

        if (array) {
            p = ngx_slprintf(p, last, ",\"index\":%ui", publish->n);
        }

        p = ngx_slprintf(p, last, "}");
    }

    if (publish->commands.form == NGX_SOCKETIO_COMMANDS_LINES) {
        *p++ = '\n';
    }

    /* if this is the only command its error is the status of the request */

    publish->held = (!array && publish->n == 0 && command->error != NULL);
    publish->begun = 0;
    publish->offset = -1;
    publish->n++;

    return ngx_http_socketio_publish_write(publish, buf, p - buf);
}


static void
ngx_http_socketio_publish_tally(ngx_http_socketio_command_t *command)
{
    ngx_uint_t  i;

    ngx_socketio_tally(command->zone, NGX_SOCKETIO_N_PUBLISHED, 1);

    if (command->error == NULL) {
        return;
    }

    for (i = 0; i < NGX_SOCKETIO_PUBLISH_CODES - 1; i++) {
        if (ngx_strcmp(command->error, ngx_http_socketio_publish_codes[i])
            == 0)
        {
            break;
        }
    }

    ngx_socketio_tally(command->zone, NGX_SOCKETIO_N_PUBLISH_ERRORS + i, 1);
}


ngx_int_t
ngx_http_socketio_publish_invalid(ngx_http_socketio_publish_t *publish,
    ngx_int_t rc, ngx_str_t *text, char *message)
{
    u_char  *where;

    switch (rc) {

    case NGX_DECLINED:
        return ngx_http_socketio_publish_error(publish, "too_deep",
                                             "more than 256 levels of nesting");

    case NGX_ABORT:
        return ngx_http_socketio_publish_error(publish, "too_large",
                   "a line of more than client_max_body_size, or than 16 MB");

    case NGX_ERROR:
        where = ngx_socketio_json_where(text->data, text->data + text->len);

        if (where != NULL) {
            publish->offset = where - text->data;
        }

        return ngx_http_socketio_publish_error(publish, "bad_json", message);

    default: /* NGX_DONE: nothing */
        return ngx_http_socketio_publish_error(publish, "bad_json", message);
    }
}


ngx_int_t
ngx_http_socketio_publish_error(ngx_http_socketio_publish_t *publish,
    char *code, char *message)
{
    publish->command.error = code;
    publish->command.message = message;

    return ngx_http_socketio_publish_result(publish);
}


/* command.write: from here on it is known that the command succeeds */

ngx_int_t
ngx_http_socketio_publish_part(void *data, u_char *p, size_t len)
{
    ngx_http_socketio_publish_t  *publish = data;

    if (ngx_http_socketio_publish_begin(publish) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_socketio_publish_write(publish, p, len);
}


static ngx_int_t
ngx_http_socketio_publish_begin(ngx_http_socketio_publish_t *publish)
{
    u_char  *p, buf[128];

    if (publish->begun) {
        return NGX_OK;
    }

    publish->begun = 1;
    publish->held = 0;
    p = buf;

    if (publish->commands.form == NGX_SOCKETIO_COMMANDS_ARRAY) {
        *p++ = publish->n ? ',' : '[';
    }

    p = ngx_slprintf(p, buf + sizeof(buf), "{\"ok\":true,\"op\":\"%s\"",
                     publish->command.op);

    return ngx_http_socketio_publish_write(publish, buf, p - buf);
}


static ngx_int_t
ngx_http_socketio_publish_write(ngx_http_socketio_publish_t *publish,
    u_char *p, size_t len)
{
    size_t      n;
    ngx_buf_t  *b;

    publish->pending += len;

    while (len) {
        b = publish->buf;

        if (b == NULL || b->last == b->end) {

            if (ngx_http_socketio_publish_more(publish) != NGX_OK) {
                return NGX_ERROR;
            }

            b = publish->buf;
        }

        n = ngx_min(len, (size_t) (b->end - b->last));
        b->last = ngx_cpymem(b->last, p, n);
        p += n;
        len -= n;
    }

    return NGX_OK;
}


/* one buffer more: those that have been sent are used again */

static ngx_int_t
ngx_http_socketio_publish_more(ngx_http_socketio_publish_t *publish)
{
    size_t        size;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;
    ngx_pool_t   *pool;

    pool = publish->request->pool;
    cl = publish->free;

    if (cl != NULL) {
        publish->free = cl->next;
        b = cl->buf;

    } else {
        size = (publish->buf || publish->sent
                || publish->commands.form == NGX_SOCKETIO_COMMANDS_LINES)
               ? NGX_HTTP_SOCKETIO_PUBLISH_BUF
               : NGX_HTTP_SOCKETIO_PUBLISH_FIRST;

        b = ngx_create_temp_buf(pool, size);
        cl = ngx_alloc_chain_link(pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        b->tag = (ngx_buf_tag_t) &ngx_http_socketio_module;
        cl->buf = b;
    }

    b->flush = 0;
    cl->next = NULL;

    *publish->last = cl;
    publish->last = &cl->next;
    publish->buf = b;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_publish_flush(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t  rc;

    if (publish->held || (publish->out == NULL && publish->busy == NULL)) {
        return NGX_OK;
    }

    if (!publish->sent) {
        rc = ngx_http_socketio_publish_header(publish, -1);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (publish->buf) {
        publish->buf->flush = 1;
    }

    return ngx_http_socketio_publish_send(publish);
}


ngx_int_t
ngx_http_socketio_publish_finish(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = publish->request;

    if (publish->commands.form == NGX_SOCKETIO_COMMANDS_ARRAY
        && ngx_http_socketio_publish_write(publish,
                                           publish->n ? (u_char *) "]"
                                                      : (u_char *) "[]",
                                           publish->n ? 1 : 2)
           != NGX_OK)
    {
        return publish->sent ? NGX_ERROR : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!publish->sent) {

        if (publish->held) {
            publish->status = (ngx_strcmp(publish->command.error, "busy") == 0)
                              ? NGX_HTTP_SERVICE_UNAVAILABLE
                              : NGX_HTTP_BAD_REQUEST;
        }

        rc = ngx_http_socketio_publish_header(publish,
                                              (off_t) publish->pending);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (r->header_only) {
        return NGX_OK;
    }

    if (publish->out == NULL) {
        return ngx_http_send_special(r, (r == r->main) ? NGX_HTTP_LAST : 0);
    }

    publish->buf->last_buf = (r == r->main) ? 1 : 0;
    publish->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, publish->out);
}


/* NGX_OK, or what the request is to be finalized with */

static ngx_int_t
ngx_http_socketio_publish_header(ngx_http_socketio_publish_t *publish,
    off_t length)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = publish->request;

    if (publish->status == NGX_HTTP_SERVICE_UNAVAILABLE
        && ngx_http_socketio_header_add(r, "Retry-After",
                                        &ngx_http_socketio_publish_second)
           == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = publish->status;
    r->headers_out.content_length_n = length;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    publish->sent = 1;

    rc = ngx_http_send_header(r);

    return (rc == NGX_ERROR || rc > NGX_OK) ? rc : NGX_OK;
}


static ngx_int_t
ngx_http_socketio_publish_send(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t            rc;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = publish->request;

    if (r->header_only) {
        /* a mirrored request: its commands run, nobody reads the results */

        for (cl = publish->out; cl; cl = cl->next) {
            cl->buf->pos = cl->buf->last;
        }

        rc = NGX_OK;

    } else {
        rc = ngx_http_output_filter(r, publish->out);
    }

    ngx_chain_update_chains(r->pool, &publish->free, &publish->busy,
                            &publish->out,
                            (ngx_buf_tag_t) &ngx_http_socketio_module);

    publish->out = NULL;
    publish->last = &publish->out;
    publish->buf = NULL;
    publish->pending = 0;

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    rc = ngx_http_socketio_publish_blocked(publish);

    if (rc == NGX_AGAIN) {
        ngx_http_socketio_publish_wait(publish,
                                       NGX_HTTP_SOCKETIO_PUBLISH_WRITE);
    }

    return rc;
}


/* NGX_AGAIN: the client does not take any more for now; NGX_ERROR */

static ngx_int_t
ngx_http_socketio_publish_blocked(ngx_http_socketio_publish_t *publish)
{
    ngx_event_t               *wev;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = publish->request;
    wev = r->connection->write;

    if (publish->busy == NULL) {

        if (wev->timer_set && !wev->delayed) {
            ngx_del_timer(wev);
        }

        return NGX_OK;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* with "limit_rate" the timer is the filter's */

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_socketio_publish_writable(ngx_http_socketio_publish_t *publish)
{
    ngx_chain_t       *out;
    ngx_connection_t  *c;

    c = publish->request->connection;

    if (c->write->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "the results of a publisher are not read");
        c->timedout = 1;
        return NGX_HTTP_REQUEST_TIME_OUT;
    }

    if (publish->busy == NULL && !c->buffered) {
        return NGX_OK;
    }

    if (ngx_http_output_filter(publish->request, NULL) == NGX_ERROR) {
        return NGX_ERROR;
    }

    /* "out" has not been sent */

    out = NULL;

    ngx_chain_update_chains(publish->request->pool, &publish->free,
                            &publish->busy, &out,
                            (ngx_buf_tag_t) &ngx_http_socketio_module);

    return ngx_http_socketio_publish_blocked(publish);
}
