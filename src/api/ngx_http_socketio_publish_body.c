
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The body of a publish request, as it comes.  Each piece is copied behind
 * what is left of the one before, i.e. behind a part of a command: an object
 * or an array is gathered, of lines never more than one is kept.
 */


#include "api/ngx_http_socketio_publish_internal.h"


/* one command of more than this is nothing that a client could be sent */
#define NGX_HTTP_SOCKETIO_PUBLISH_MAX  (16 * 1024 * 1024)


static ngx_int_t ngx_http_socketio_publish_take(
    ngx_http_socketio_publish_t *publish);
static ngx_int_t ngx_http_socketio_publish_room(
    ngx_http_socketio_publish_t *publish, size_t n);


void
ngx_http_socketio_publish_input(ngx_http_socketio_publish_t *publish)
{
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = publish->request;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    publish->commands.depth = NGX_HTTP_SOCKETIO_COMMAND_DEPTH;
    publish->commands.max = NGX_HTTP_SOCKETIO_PUBLISH_MAX;

    if (clcf->client_max_body_size
        && clcf->client_max_body_size < NGX_HTTP_SOCKETIO_PUBLISH_MAX)
    {
        publish->commands.max = (size_t) clcf->client_max_body_size;
    }

    /* else it was read by somebody else, who may look at it again */

    publish->unbuffered = r->reading_body;

    if (r->request_body == NULL) {
        return;
    }

    publish->in = r->request_body->bufs;

    if (publish->unbuffered) {
        r->request_body->bufs = NULL;
    }
}


ngx_int_t
ngx_http_socketio_publish_read(ngx_http_socketio_publish_t *publish)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = publish->request;

    for ( ;; ) {

        while (publish->in) {
            rc = ngx_http_socketio_publish_take(publish);

            if (rc != NGX_DECLINED) {
                return rc;
            }
        }

        if (!r->reading_body) {
            publish->commands.ended = 1;
            return NGX_OK;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc != NGX_OK && rc != NGX_AGAIN) {
            return (rc == NGX_ERROR) ? NGX_HTTP_INTERNAL_SERVER_ERROR : rc;
        }

        publish->in = r->request_body->bufs;
        r->request_body->bufs = NULL;

        if (publish->in == NULL && r->reading_body) {
            return NGX_AGAIN;
        }
    }
}


/* NGX_OK; NGX_DECLINED: that buffer had nothing more */

static ngx_int_t
ngx_http_socketio_publish_take(ngx_http_socketio_publish_t *publish)
{
    size_t        n;
    off_t         left;
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    cl = publish->in;
    b = cl->buf;
    left = ngx_buf_size(b) - publish->used;

    if (left <= 0) {
        publish->in = cl->next;
        publish->used = 0;

        if (publish->unbuffered) {
            b->pos = b->last;
            ngx_free_chain(publish->request->pool, cl);
        }

        return NGX_DECLINED;
    }

    n = (size_t) ngx_min(left, NGX_HTTP_SOCKETIO_PUBLISH_BUF);

    if (ngx_http_socketio_publish_room(publish, n) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = publish->commands.last;

    if (ngx_buf_in_memory(b)) {
        ngx_memcpy(p, b->pos + publish->used, n);

    } else if (ngx_read_file(b->file, p, n, b->file_pos + publish->used)
               != (ssize_t) n)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    publish->commands.last += n;
    publish->used += n;

    return NGX_OK;
}


/* for n bytes behind those that wait, which may be moved */

static ngx_int_t
ngx_http_socketio_publish_room(ngx_http_socketio_publish_t *publish, size_t n)
{
    off_t                     length;
    size_t                    kept, size;
    u_char                   *p;
    ngx_http_request_t       *r;
    ngx_socketio_commands_t  *commands;

    r = publish->request;
    commands = &publish->commands;
    kept = commands->last - commands->pos;
    p = publish->text;

    if (publish->size - kept < n) {
        size = ngx_max(publish->size * 2, kept + n);
        length = r->headers_in.content_length_n;

        if (commands->form == NGX_SOCKETIO_COMMANDS_WHOLE
            && !r->headers_in.chunked
            && length > (off_t) size && length <= (off_t) commands->max)
        {
            size = (size_t) length;
        }

        p = ngx_palloc(r->pool, size);

        if (p == NULL) {
            return NGX_ERROR;
        }

        publish->size = size;
    }

    if (kept && p != commands->pos) {
        ngx_memmove(p, commands->pos, kept);
    }

    if (p != publish->text) {

        if (publish->text) {
            (void) ngx_pfree(r->pool, publish->text);
        }

        publish->text = p;
    }

    commands->pos = p;
    commands->last = p + kept;

    return NGX_OK;
}
