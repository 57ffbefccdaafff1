
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_call_internal.h"


#define NGX_HTTP_SOCKETIO_CALL_FIRST  1024


static ngx_int_t ngx_http_socketio_call_length(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_call_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_call_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_uint_t ngx_http_socketio_call_in_parts(
    ngx_http_socketio_call_t *call);
static ngx_int_t ngx_http_socketio_call_capture(ngx_http_socketio_call_t *call,
    ngx_buf_t *b);
static void ngx_http_socketio_call_take(ngx_http_socketio_call_t *call);
static ngx_int_t ngx_http_socketio_call_reserve(ngx_http_socketio_call_t *call,
    size_t size);
static ngx_int_t ngx_http_socketio_call_too_large(
    ngx_http_socketio_call_t *call);
static time_t ngx_http_socketio_call_retry_after(ngx_http_request_t *r);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


/* preaccess phase: the location is found, see ..._call_start() */

static ngx_int_t
ngx_http_socketio_call_length(ngx_http_request_t *r)
{
    ngx_http_socketio_call_t  *call;

    call = ngx_http_socketio_call_get(r);

    if (call && r == r->main && r->request_body) {
        r->headers_in.content_length_n = call->size;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_socketio_call_header_filter(ngx_http_request_t *r)
{
    char                             *more;
    size_t                            len;
    ngx_http_socketio_call_t         *call;
    ngx_http_socketio_call_answer_t  *a;

    call = ngx_http_socketio_call_get(r);

    if (call == NULL || r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    /* as the last header filter does, which this one replaces */

    r->header_sent = 1;

    a = &call->answer;
    ngx_http_socketio_call_status(call, r);

    /*
     * 101 would wait for a connection to upgrade, 0 is an HTTP/0.9 answer:
     * that is, anything.
     */

    if (a->status < NGX_HTTP_OK) {
        more = ngx_socketio_say(
                            &call->said[NGX_HTTP_SOCKETIO_CALL_SAID_STATUS],
                            call->zone->counters);
        if (more) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "socketio call: unexpected status %ui%s", a->status,
                          more);
        }

        return NGX_ERROR;
    }

    len = ngx_min(r->headers_out.content_type.len, sizeof(call->content_type));
    ngx_memcpy(call->content_type, r->headers_out.content_type.data, len);
    a->content_type.len = len;

    a->retry_after = ngx_http_socketio_call_retry_after(r);

    if (a->status == NGX_HTTP_NO_CONTENT || a->status == NGX_HTTP_NOT_MODIFIED)
    {
        r->header_only = 1;
    }

    if (r->header_only) {
        a->complete = 1;
        return NGX_OK;
    }

    /* the copy filter reads files, e.g. of a buffered upstream answer */
    r->main_filter_need_in_memory = 1;

    if (r->headers_out.content_length_n > (off_t) call->max_answer) {

        /* what is taken part by part may be as long as it likes */

        return ngx_http_socketio_call_in_parts(call)
               ? NGX_OK : ngx_http_socketio_call_too_large(call);
    }

    if (r->headers_out.content_length_n > 0) {
        return ngx_http_socketio_call_reserve(call,
                                    (size_t) r->headers_out.content_length_n);
    }

    return NGX_OK;
}


/*
 * A 500 without an answer of the upstream server is what nginx says when it
 * cannot open a connection to it (ngx_http_upstream_connect()).
 */

void
ngx_http_socketio_call_status(ngx_http_socketio_call_t *call,
    ngx_http_request_t *r)
{
    call->answer.status = r->headers_out.status;

    call->answer.own = r->upstream
                       && r->upstream->headers_in.status_n
                          != r->headers_out.status;

    call->answer.local = r->headers_out.status
                         == NGX_HTTP_INTERNAL_SERVER_ERROR
                         && r->upstream
                         && r->upstream->headers_in.status_n == 0;
}


static ngx_uint_t
ngx_http_socketio_call_in_parts(ngx_http_socketio_call_t *call)
{
    return call->part != NULL
           && call->answer.status < NGX_HTTP_SPECIAL_RESPONSE
           && !call->finished && !call->terminated;
}


static ngx_int_t
ngx_http_socketio_call_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                 *b;
    ngx_http_socketio_call_t  *call;

    call = ngx_http_socketio_call_get(r);

    if (call == NULL || r != r->main) {
        return ngx_http_next_body_filter(r, in);
    }

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        if (!call->finished && !call->answer.complete
            && ngx_http_socketio_call_capture(call, b) != NGX_OK)
        {
            return NGX_ERROR;
        }

        b->pos = b->last;
        b->file_pos = b->file_last;
    }

    if (!call->answer.complete) {
        ngx_http_socketio_call_take(call);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_call_capture(ngx_http_socketio_call_t *call, ngx_buf_t *b)
{
    size_t      size;
    ngx_str_t  *body;

    body = &call->answer.body;

    if (ngx_buf_in_memory(b)) {
        size = b->last - b->pos;

        if (size > call->max_answer - body->len) {
            ngx_http_socketio_call_take(call);
        }

        if (size > call->max_answer - body->len) {
            return ngx_http_socketio_call_too_large(call);
        }

        if (ngx_http_socketio_call_reserve(call, body->len + size) != NGX_OK) {
            return NGX_ERROR;
        }

        if (size) {
            ngx_memcpy(body->data + body->len, b->pos, size);
            body->len += size;
        }

        /* $bytes_sent */
        call->connection.sent += size;

    } else if (ngx_buf_size(b)) {
        ngx_log_error(NGX_LOG_ALERT, call->connection.log, 0,
                      "socketio call: answer is not in memory");
        return NGX_ERROR;
    }

    if (b->last_buf) {
        call->answer.complete = 1;
    }

    return NGX_OK;
}


static void
ngx_http_socketio_call_take(ngx_http_socketio_call_t *call)
{
    size_t      n;
    ngx_str_t  *body;

    body = &call->answer.body;

    if (body->len == 0 || !ngx_http_socketio_call_in_parts(call)) {
        return;
    }

    n = call->part(call, call->data);

    if (n) {
        body->len -= n;
        ngx_memmove(body->data, body->data + n, body->len);
    }
}


/* "size" is not above max_answer */

static ngx_int_t
ngx_http_socketio_call_reserve(ngx_http_socketio_call_t *call, size_t size)
{
    size_t      n;
    u_char     *p;
    ngx_str_t  *body;

    if (size <= call->buf_size) {
        return NGX_OK;
    }

    body = &call->answer.body;

    n = ngx_max(2 * call->buf_size, NGX_HTTP_SOCKETIO_CALL_FIRST);
    n = ngx_max(ngx_min(n, call->max_answer), size);

    p = ngx_alloc(n, call->connection.log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (body->data) {
        ngx_memcpy(p, body->data, body->len);
        ngx_free(body->data);
    }

    body->data = p;
    call->buf_size = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_call_too_large(ngx_http_socketio_call_t *call)
{
    char  *more;

    more = ngx_socketio_say(
                         &call->said[NGX_HTTP_SOCKETIO_CALL_SAID_TOO_LARGE],
                         call->zone->counters);
    if (more) {
        ngx_log_error(NGX_LOG_ERR, call->connection.log, 0,
                      "socketio call: answer is larger than %uz bytes%s",
                      call->max_answer, more);
    }

    call->answer.too_large = 1;

    return NGX_ERROR;
}


/* RFC 9110, 10.2.3: seconds or a date */

static time_t
ngx_http_socketio_call_retry_after(ngx_http_request_t *r)
{
    time_t            t;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_out.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return -1;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].hash == 0
            || h[i].key.len != sizeof("Retry-After") - 1
            || ngx_strncasecmp(h[i].key.data, (u_char *) "Retry-After",
                               sizeof("Retry-After") - 1)
               != 0)
        {
            continue;
        }

        t = ngx_atotm(h[i].value.data, h[i].value.len);

        if (t != (time_t) NGX_ERROR) {
            return t;
        }

        t = ngx_parse_http_time(h[i].value.data, h[i].value.len);

        if (t != (time_t) NGX_ERROR) {
            return ngx_max(t - ngx_time(), 0);
        }
    }
}


ngx_int_t
ngx_http_socketio_call_filter_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_socketio_call_length;

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_socketio_call_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_socketio_call_body_filter;

    return NGX_OK;
}
