
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_call_internal.h"

#include <nginx.h>


typedef struct {
    ngx_str_t   name;
    size_t      offset;
} ngx_http_socketio_call_header_t;


static ngx_int_t ngx_http_socketio_call_init_line(ngx_http_request_t *r,
    ngx_str_t *uri);
static ngx_int_t ngx_http_socketio_call_init_body(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_socketio_call_init_host(ngx_http_request_t *r,
    ngx_str_t *host);
static ngx_int_t ngx_http_socketio_call_init_length(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_call_init_headers(ngx_http_request_t *r,
    ngx_http_socketio_call_conf_t *conf);
static ngx_uint_t ngx_http_socketio_call_own_header(ngx_str_t *key);
static ngx_table_elt_t *ngx_http_socketio_call_add_header(
    ngx_http_request_t *r, ngx_str_t *key, ngx_str_t *value);
static ngx_int_t ngx_http_socketio_call_link_header(ngx_http_request_t *r,
    ngx_table_elt_t *h);
static ngx_http_socketio_call_header_t *ngx_http_socketio_call_find_header(
    ngx_http_socketio_call_header_t *known, ngx_table_elt_t *h);


/* what we set ourselves, or what is about a connection that does not exist */

static ngx_str_t  ngx_http_socketio_call_own_headers[] = {
    ngx_string("host"),
    ngx_string("content-length"),
    ngx_string("transfer-encoding"),
    ngx_string("connection"),
    ngx_string("keep-alive"),
    ngx_string("te"),
    ngx_string("trailer"),
    ngx_string("upgrade"),
    ngx_string("expect"),
    ngx_null_string
};


/* headers which variables and modules take from r->headers_in */

static ngx_http_socketio_call_header_t  ngx_http_socketio_call_headers[] = {
    { ngx_string("content-type"),
      offsetof(ngx_http_headers_in_t, content_type) },
    { ngx_string("user-agent"),
      offsetof(ngx_http_headers_in_t, user_agent) },
    { ngx_string("referer"),
      offsetof(ngx_http_headers_in_t, referer) },
    { ngx_string("authorization"),
      offsetof(ngx_http_headers_in_t, authorization) },
#if (nginx_version >= 1023000)
    { ngx_string("cookie"),
      offsetof(ngx_http_headers_in_t, cookie) },
#if (NGX_HTTP_X_FORWARDED_FOR)
    { ngx_string("x-forwarded-for"),
      offsetof(ngx_http_headers_in_t, x_forwarded_for) },
#endif
#endif
    { ngx_null_string, 0 }
};


#if (nginx_version < 1023000)

/* the same for those that are arrays of pointers there */

static ngx_http_socketio_call_header_t  ngx_http_socketio_call_arrays[] = {
    { ngx_string("cookie"),
      offsetof(ngx_http_headers_in_t, cookies) },
#if (NGX_HTTP_X_FORWARDED_FOR)
    { ngx_string("x-forwarded-for"),
      offsetof(ngx_http_headers_in_t, x_forwarded_for) },
#endif
    { ngx_null_string, 0 }
};

#endif


static ngx_str_t  ngx_http_socketio_call_host = ngx_string("Host");
static ngx_str_t  ngx_http_socketio_call_length = ngx_string("Content-Length");
static ngx_str_t  ngx_http_socketio_call_post = ngx_string("POST");


ngx_int_t
ngx_http_socketio_call_request_init(ngx_http_request_t *r,
    ngx_http_socketio_call_conf_t *conf)
{
    if (ngx_http_socketio_call_init_line(r, &conf->uri) != NGX_OK
        || ngx_http_socketio_call_init_body(r, conf->body) != NGX_OK
        || ngx_list_init(&r->headers_in.headers, r->pool, conf->nheaders + 2,
                         sizeof(ngx_table_elt_t))
           != NGX_OK
        || ngx_http_socketio_call_init_host(r, &conf->host) != NGX_OK
        || ngx_http_socketio_call_init_length(r) != NGX_OK
        || ngx_http_socketio_call_init_headers(r, conf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /*
     * Internal: no post-read phase, no keepalive, and "internal" locations may
     * be used.
     */

    r->internal = 1;
    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_call_init_line(ngx_http_request_t *r, ngx_str_t *uri)
{
    u_char  *p, *args;

    r->method = NGX_HTTP_POST;
    r->method_name = ngx_http_socketio_call_post;
    r->http_version = NGX_HTTP_VERSION_11;
    ngx_str_set(&r->http_protocol, "HTTP/1.1");
    ngx_str_set(&r->schema, "http");

    p = ngx_pnalloc(r->pool, uri->len + sizeof("POST  HTTP/1.1"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    r->request_line.data = p;

    p = ngx_cpymem(p, "POST ", sizeof("POST ") - 1);

    r->unparsed_uri.data = p;
    r->unparsed_uri.len = uri->len;
    r->uri = r->unparsed_uri;

    p = ngx_cpymem(p, uri->data, uri->len);

    args = ngx_strlchr(r->uri.data, p, '?');
    if (args) {
        r->uri.len = args - r->uri.data;
        r->args.data = args + 1;
        r->args.len = p - r->args.data;
    }

    p = ngx_cpymem(p, " HTTP/1.1", sizeof(" HTTP/1.1"));

    r->request_line.len = p - 1 - r->request_line.data;
    r->request_length = r->request_line.len + sizeof(CRLF) - 1;

    ngx_http_set_exten(r);

    return NGX_OK;
}


/*
 * The buffers are copied, not what is in them: nginx sets "pos" back to
 * "start" for the next upstream server.  A body that is set is not read.
 */

static ngx_int_t
ngx_http_socketio_call_init_body(ngx_http_request_t *r, ngx_chain_t *in)
{
    off_t                     size;
    ngx_buf_t                *b;
    ngx_chain_t              *cl, **ll;
    ngx_http_request_body_t  *rb;

    rb = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    if (rb == NULL) {
        return NGX_ERROR;
    }

    b = NULL;
    ll = &rb->bufs;
    size = 0;

    for ( /* void */ ; in; in = in->next) {

        if (in->buf->last == in->buf->pos) {
            continue;
        }

        b = ngx_calloc_buf(r->pool);
        cl = ngx_alloc_chain_link(r->pool);

        if (b == NULL || cl == NULL) {
            return NGX_ERROR;
        }

        b->pos = in->buf->pos;
        b->start = b->pos;
        b->last = in->buf->last;
        b->end = b->last;
        b->memory = 1;

        size += b->last - b->pos;

        cl->buf = b;
        cl->next = NULL;
        *ll = cl;
        ll = &cl->next;
    }

    if (b) {
        b->last_buf = 1;
    }

    r->request_body = rb;
    r->headers_in.content_length_n = size;
    r->request_length += size;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_call_init_host(ngx_http_request_t *r, ngx_str_t *host)
{
    u_char                    *p;
    ngx_str_t                  name;
    ngx_table_elt_t           *h;
    ngx_http_core_srv_conf_t  *cscf;

    if (host->len == 0) {
        cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
        host = &cscf->server_name;

        if (host->len == 0) {
            return NGX_OK;
        }
    }

    h = ngx_http_socketio_call_add_header(r, &ngx_http_socketio_call_host,
                                          host);
    if (h == NULL) {
        return NGX_ERROR;
    }

    r->headers_in.host = h;

    /* $host is without the port, but with the brackets of an IPv6 address */

    name = h->value;

    if (name.data[0] == '[') {
        p = ngx_strlchr(name.data, name.data + name.len, ']');

        if (p) {
            name.len = p + 1 - name.data;
        }

    } else {
        p = ngx_strlchr(name.data, name.data + name.len, ':');

        if (p) {
            name.len = p - name.data;
        }
    }

    r->headers_in.server = name;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_call_init_length(ngx_http_request_t *r)
{
    u_char            buf[NGX_OFF_T_LEN];
    ngx_str_t         value;
    ngx_table_elt_t  *h;

    value.data = buf;
    value.len = ngx_sprintf(buf, "%O", r->headers_in.content_length_n) - buf;

    h = ngx_http_socketio_call_add_header(r, &ngx_http_socketio_call_length,
                                          &value);
    if (h == NULL) {
        return NGX_ERROR;
    }

    r->headers_in.content_length = h;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_call_init_headers(ngx_http_request_t *r,
    ngx_http_socketio_call_conf_t *conf)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    for (i = 0; i < conf->nheaders; i++) {

        if (ngx_http_socketio_call_own_header(&conf->headers[i].key)) {
            continue;
        }

        h = ngx_http_socketio_call_add_header(r, &conf->headers[i].key,
                                              &conf->headers[i].value);
        if (h == NULL) {
            return NGX_ERROR;
        }

        if (ngx_http_socketio_call_link_header(r, h) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_socketio_call_own_header(ngx_str_t *key)
{
    ngx_str_t  *own;

    for (own = ngx_http_socketio_call_own_headers; own->len; own++) {

        if (own->len == key->len
            && ngx_strncasecmp(own->data, key->data, key->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_table_elt_t *
ngx_http_socketio_call_add_header(ngx_http_request_t *r, ngx_str_t *key,
    ngx_str_t *value)
{
    u_char           *p;
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NULL;
    }

    /* nginx ends names and values with a zero for modules that rely on it */

    p = ngx_pnalloc(r->pool, 2 * key->len + 1 + value->len + 1);
    if (p == NULL) {
        return NULL;
    }

    h->key.len = key->len;
    h->key.data = p;
    p = ngx_cpymem(p, key->data, key->len);
    *p++ = '\0';

    h->value.len = value->len;
    h->value.data = p;
    p = ngx_cpymem(p, value->data, value->len);
    *p++ = '\0';

    h->lowcase_key = p;
    h->hash = ngx_hash_strlow(p, key->data, key->len);

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    r->request_length += key->len + value->len + sizeof(": " CRLF) - 1;

    return h;
}


static ngx_int_t
ngx_http_socketio_call_link_header(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    ngx_table_elt_t                  **ph;
    ngx_http_socketio_call_header_t   *known;
#if (nginx_version < 1023000)
    ngx_array_t                       *a;
#endif

    known = ngx_http_socketio_call_find_header(ngx_http_socketio_call_headers,
                                               h);
    if (known) {
        ph = (ngx_table_elt_t **) ((char *) &r->headers_in + known->offset);

#if (nginx_version >= 1023000)
        while (*ph) {
            ph = &(*ph)->next;
        }
#endif

        if (*ph == NULL) {
            *ph = h;
        }
    }

#if (nginx_version < 1023000)

    known = ngx_http_socketio_call_find_header(ngx_http_socketio_call_arrays,
                                               h);
    if (known) {
        a = (ngx_array_t *) ((char *) &r->headers_in + known->offset);

        if (a->elts == NULL
            && ngx_array_init(a, r->pool, 1, sizeof(ngx_table_elt_t *))
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        ph = ngx_array_push(a);
        if (ph == NULL) {
            return NGX_ERROR;
        }

        *ph = h;
    }

#endif

    return NGX_OK;
}


static ngx_http_socketio_call_header_t *
ngx_http_socketio_call_find_header(ngx_http_socketio_call_header_t *known,
    ngx_table_elt_t *h)
{
    for ( /* void */ ; known->name.len; known++) {

        if (known->name.len == h->key.len
            && ngx_strncmp(known->name.data, h->lowcase_key, h->key.len) == 0)
        {
            return known;
        }
    }

    return NULL;
}
