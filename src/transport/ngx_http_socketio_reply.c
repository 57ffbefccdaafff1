
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Answers of the HTTP kind. */


#include "transport/ngx_http_socketio_transport.h"


static ngx_int_t ngx_http_socketio_plain(ngx_http_request_t *r,
    ngx_uint_t code);
static ngx_int_t ngx_http_socketio_refused(ngx_http_request_t *r,
    ngx_uint_t code, char *context);


ngx_http_socketio_ctx_t *
ngx_http_socketio_ctx(ngx_http_request_t *r)
{
    ngx_http_socketio_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_socketio_ctx_t));
        if (ctx == NULL) {
            return NULL;
        }

        ngx_http_set_ctx(r, ctx, ngx_http_socketio_module);
    }

    return ctx;
}


ngx_int_t
ngx_http_socketio_add_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value)
{
    return ngx_http_socketio_header_add(r, name, value) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_socketio_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, size_t length, ngx_chain_t *body)
{
    off_t         len;
    ngx_int_t     rc;
    ngx_str_t     value;
    ngx_chain_t  *cl;

    len = 0;

    for (cl = body; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);

        if (cl->next == NULL) {
            cl->buf->last_buf = 1;
            cl->buf->last_in_chain = 1;
        }
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = length;
    r->headers_out.content_type_lowcase = NULL;

    if (status == NGX_HTTP_OK) {
        ngx_str_set(&value, "no-store");

        if (ngx_http_socketio_add_header(r, "Cache-Control", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, body);
}


ngx_int_t
ngx_http_socketio_empty(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        ngx_str_set(&value, "1");

        if (ngx_http_socketio_add_header(r, "Retry-After", &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    return ngx_http_send_header(r);
}


ngx_int_t
ngx_http_socketio_error(ngx_http_request_t *r, ngx_uint_t code, char *context)
{
    ngx_int_t                 rc;
    ngx_str_t                 type;
    ngx_buf_t                *b;
    ngx_chain_t               out;
    ngx_http_socketio_ctx_t  *ctx;

    if (ngx_http_socketio_refused(r, code, context) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);

    if (ctx && ctx->upgrade) {
        return ngx_http_socketio_plain(r, code);
    }

    b = ngx_create_temp_buf(r->pool, ngx_socketio_eio_error(NULL, code));
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last += ngx_socketio_eio_error(b->last, code);

    out.buf = b;
    out.next = NULL;

    ngx_str_set(&type, "application/json");

    return ngx_http_socketio_reply(r, ngx_socketio_eio_status(code), &type,
                                    type.len, &out);
}


/* what "ws" in Node writes to a websocket that it refuses (engine.io, 3) */

static ngx_int_t
ngx_http_socketio_plain(ngx_http_request_t *r, ngx_uint_t code)
{
    ngx_buf_t    *b;
    ngx_str_t     type, *text;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    text = &ngx_socketio_eio_errors[code < NGX_SOCKETIO_EIO_NERRORS
                                    ? code : NGX_SOCKETIO_EIO_BAD_REQUEST];

    b->memory = 1;
    b->pos = text->data;
    b->last = text->data + text->len;

    out.buf = b;
    out.next = NULL;

    r->keepalive = 0;
    ngx_str_set(&type, "text/html");

    return ngx_http_socketio_reply(r, ngx_socketio_eio_status(code), &type,
                                    type.len, &out);
}


static ngx_int_t
ngx_http_socketio_refused(ngx_http_request_t *r, ngx_uint_t code,
    char *context)
{
    u_char                   *p;
    ngx_str_t                *text;
    ngx_http_socketio_ctx_t  *ctx;

    text = &ngx_socketio_eio_errors[code < NGX_SOCKETIO_EIO_NERRORS
                                    ? code : NGX_SOCKETIO_EIO_BAD_REQUEST];

    if (context == NULL) {
        context = "";
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "socketio refused with code %ui \"%V\"%s%s", code, text,
                  *context ? ": " : "", context);

    ctx = ngx_http_socketio_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->pool, text->len + 2 + ngx_strlen(context));
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->error.data = p;
    p = ngx_sprintf(p, "%V%s%s", text, *context ? ": " : "", context);
    ctx->error.len = p - ctx->error.data;

    return NGX_OK;
}
