
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The body of a POST, read as it comes: in one piece it stays where it was
 * read to, else it is gathered in a copy.
 */


#include "transport/ngx_http_socketio_transport.h"


#define NGX_HTTP_SOCKETIO_BODY_FIRST  4096


static ngx_int_t ngx_http_socketio_body_take(ngx_http_request_t *r,
    ngx_http_socketio_body_t *body);
static ngx_int_t ngx_http_socketio_body_append(ngx_http_request_t *r,
    ngx_http_socketio_body_t *body, ngx_buf_t *b);
static ngx_int_t ngx_http_socketio_body_grow(ngx_http_request_t *r,
    ngx_http_socketio_body_t *body, size_t len);


ngx_int_t
ngx_http_socketio_body_read(ngx_http_request_t *r,
    ngx_http_socketio_body_t *body)
{
    ngx_int_t  rc;

    for ( ;; ) {
        rc = ngx_http_socketio_body_take(r, body);

        if (rc != NGX_OK) {
            return rc;
        }

        if (!r->reading_body) {
            break;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        if (r->reading_body
            && (r->request_body == NULL || r->request_body->bufs == NULL))
        {
            return NGX_AGAIN;
        }
    }

    if (body->pos == NULL) {
        body->pos = body->data ? body->data : (u_char *) "";
        body->last = body->pos + body->len;
    }

    /* as for TextDecoder: what is not UTF-8 is no error (engine.io, 7) */

    if (!body->binary
        && ngx_http_socketio_utf8(r->pool, &body->pos, &body->last) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->read_event_handler = ngx_http_block_reading;

    return NGX_OK;
}


/* takes over what has been read by now, and enforces the maximum */

static ngx_int_t
ngx_http_socketio_body_take(ngx_http_request_t *r,
    ngx_http_socketio_body_t *body)
{
    size_t        max;
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *next;

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    max = body->max;

    cl = r->request_body->bufs;
    r->request_body->bufs = NULL;

    if (cl && cl->next == NULL && !r->reading_body && body->data == NULL
        && ngx_buf_in_memory(cl->buf)
        && (size_t) (cl->buf->last - cl->buf->pos) <= max)
    {
        /* all of it came in one piece */

        body->pos = cl->buf->pos;
        body->last = cl->buf->last;

        return NGX_OK;
    }

    for ( /* void */ ; cl; cl = next) {
        next = cl->next;
        b = cl->buf;

        if ((uint64_t) ngx_buf_size(b) > max - body->len) {

            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "socketio: POST beyond \"socketio_max_payload\", "
                          "%uz", max);

            return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        }

        rc = ngx_http_socketio_body_append(r, body, b);

        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        b->pos = b->last;
        ngx_free_chain(r->pool, cl);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_body_append(ngx_http_request_t *r,
    ngx_http_socketio_body_t *body, ngx_buf_t *b)
{
    ssize_t  n;
    size_t   len;

    len = (size_t) ngx_buf_size(b);

    if (len == 0) {
        return NGX_OK;
    }

    if (ngx_http_socketio_body_grow(r, body, len) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_buf_in_memory(b)) {
        ngx_memcpy(body->data + body->len, b->pos, len);

    } else {

        /* somebody else had the body read before us */

        n = ngx_read_file(b->file, body->data + body->len, len, b->file_pos);

        if (n != (ssize_t) len) {
            return NGX_ERROR;
        }

        b->file_pos = b->file_last;
    }

    body->len += len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_body_grow(ngx_http_request_t *r,
    ngx_http_socketio_body_t *body, size_t len)
{
    off_t    length;
    size_t   size;
    u_char  *p;

    if (body->data != NULL && body->size - body->len >= len) {
        return NGX_OK;
    }

    length = r->headers_in.content_length_n;

    if (length > 0 && (size_t) length >= body->len + len) {
        size = (size_t) length;

    } else {
        size = ngx_max(body->size * 2, body->len + len);
        size = ngx_max(size, NGX_HTTP_SOCKETIO_BODY_FIRST);
    }

    p = ngx_palloc(r->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (body->data) {
        ngx_memcpy(p, body->data, body->len);
        (void) ngx_pfree(r->pool, body->data);
    }

    body->data = p;
    body->size = size;

    return NGX_OK;
}
