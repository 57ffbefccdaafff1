
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What hooks are told of a handshake.  It stays in the zone as long as its
 * session, so that it has a limit: first headers are left out, whole ones,
 * then keys of the query, then the query of the url.  What is not the
 * client's to say, headers with values, has its room before all these.
 */


#include "transport/ngx_http_socketio_transport.h"
#include "proto/ngx_socketio_json.h"


typedef struct {
    ngx_pool_t   *pool;
    u_char       *p;
    u_char       *last;
    unsigned      full:1;
    unsigned      cut:1;
} ngx_http_socketio_json_t;


/* bytes that a client cannot fill */
#define NGX_HTTP_SOCKETIO_JSON_VALUES  (NGX_HTTP_SOCKETIO_HANDSHAKE_MAX / 2)


static void ngx_http_socketio_json_raw(ngx_http_socketio_json_t *j,
    char *text);
static ngx_int_t ngx_http_socketio_json_string(ngx_http_socketio_json_t *j,
    ngx_str_t *text);
static ngx_int_t ngx_http_socketio_json_member(ngx_http_socketio_json_t *j,
    ngx_str_t *name, ngx_str_t *value, ngx_uint_t *first);
static ngx_int_t ngx_http_socketio_json_fixed(ngx_http_socketio_json_t *j,
    ngx_http_request_t *r, ngx_http_socketio_request_t *req);
static ngx_int_t ngx_http_socketio_json_url(ngx_http_socketio_json_t *j,
    ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_json_query(ngx_http_socketio_json_t *j,
    ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_json_values(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, u_char *done, ngx_str_t *values);
static ngx_int_t ngx_http_socketio_json_headers(ngx_http_socketio_json_t *j,
    ngx_http_request_t *r, ngx_http_socketio_loc_conf_t *conf, u_char *done,
    ngx_str_t *values);
static ngx_int_t ngx_http_socketio_json_header(ngx_http_socketio_json_t *j,
    ngx_http_request_t *r, ngx_http_socketio_header_t *header,
    ngx_uint_t *first, u_char *done);
static ngx_int_t ngx_http_socketio_json_value(ngx_http_request_t *r,
    ngx_http_socketio_header_t *header, ngx_str_t *value);
static ngx_uint_t ngx_http_socketio_json_private(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_socketio_json_cookies(ngx_http_request_t *r,
    ngx_str_t *value);


ngx_int_t
ngx_http_socketio_handshake_json(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req,
    ngx_str_t *json)
{
    u_char                    *buf, *done;
    ngx_str_t                  values;
    ngx_http_socketio_json_t   j;

    buf = ngx_pnalloc(r->pool, NGX_HTTP_SOCKETIO_HANDSHAKE_MAX);
    done = ngx_pcalloc(r->pool, conf->headers->nelts);

    if (buf == NULL || done == NULL
        || ngx_http_socketio_json_values(r, conf, done, &values) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&j, sizeof(ngx_http_socketio_json_t));

    /* room for what must follow a cut: the ends of "query" and "headers" */

    j.pool = r->pool;
    j.p = buf;
    j.last = buf + NGX_HTTP_SOCKETIO_HANDSHAKE_MAX
             - sizeof(",\"url\":\"\",\"query\":{},\"headers\":{}")
             - values.len;

    if (ngx_http_socketio_json_fixed(&j, r, req) != NGX_OK
        || ngx_http_socketio_json_url(&j, r) != NGX_OK
        || ngx_http_socketio_json_query(&j, r) != NGX_OK
        || ngx_http_socketio_json_headers(&j, r, conf, done, &values)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (j.cut) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "socketio: the handshake is longer than %d bytes, "
                      "the hook gets a part of it",
                      NGX_HTTP_SOCKETIO_HANDSHAKE_MAX);
    }

    json->data = buf;
    json->len = j.p - buf;

    return NGX_OK;
}


/* literals of ours: beyond "last" only where room was left for them */

static void
ngx_http_socketio_json_raw(ngx_http_socketio_json_t *j, char *text)
{
    j->p = ngx_cpymem(j->p, text, ngx_strlen(text));
}


/* with its quotes; sets j->full, and writes nothing, if there is no room */

static ngx_int_t
ngx_http_socketio_json_string(ngx_http_socketio_json_t *j, ngx_str_t *text)
{
    u_char  *p, *last;
    size_t   len;

    p = text->data;
    last = p + text->len;

    if (text->len > NGX_HTTP_SOCKETIO_HANDSHAKE_MAX) {
        j->full = 1;
        return NGX_OK;
    }

    if (ngx_http_socketio_utf8(j->pool, &p, &last) != NGX_OK) {
        return NGX_ERROR;
    }

    len = ngx_socketio_json_escape_len(p, last - p);

    if (len + 2 > (size_t) (j->last - j->p) || j->p > j->last) {
        j->full = 1;
        return NGX_OK;
    }

    *j->p++ = '"';
    j->p += ngx_socketio_json_escape(j->p, p, last - p);
    *j->p++ = '"';

    return NGX_OK;
}


/* a whole member, *first cleared, or nothing of it */

static ngx_int_t
ngx_http_socketio_json_member(ngx_http_socketio_json_t *j, ngx_str_t *name,
    ngx_str_t *value, ngx_uint_t *first)
{
    u_char  *start;

    start = j->p;
    j->full = 0;

    if (j->last - j->p < 2) {
        j->cut = 1;
        return NGX_OK;
    }

    if (!*first) {
        *j->p++ = ',';
    }

    if (ngx_http_socketio_json_string(j, name) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!j->full && j->p < j->last) {
        *j->p++ = ':';

        if (ngx_http_socketio_json_string(j, value) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        j->full = 1;
    }

    if (j->full) {
        j->p = start;
        j->cut = 1;
        return NGX_OK;
    }

    *first = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_json_fixed(ngx_http_socketio_json_t *j,
    ngx_http_request_t *r, ngx_http_socketio_request_t *req)
{
    uint64_t     ms;
    ngx_time_t  *tp;

    ngx_http_socketio_json_raw(j, "\"address\":");

    if (ngx_http_socketio_json_string(j, &r->connection->addr_text)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

#if (NGX_HTTP_SSL)
    ngx_http_socketio_json_raw(j, r->connection->ssl ? ",\"secure\":true"
                                                     : ",\"secure\":false");
#else
    ngx_http_socketio_json_raw(j, ",\"secure\":false");
#endif

    tp = ngx_timeofday();
    ms = (uint64_t) tp->sec * 1000 + tp->msec;

    ngx_http_socketio_json_raw(j, ",\"time\":");
    j->p += ngx_socketio_json_uint(j->p, ms);

    ngx_http_socketio_json_raw(j, ",\"transport\":");
    ngx_http_socketio_json_raw(j,
                               req->transport == NGX_HTTP_SOCKETIO_WEBSOCKET
                               ? "\"websocket\"" : "\"polling\"");
    ngx_http_socketio_json_raw(j, req->key.revision == 3 ? ",\"eio\":3"
                                                         : ",\"eio\":4");

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_json_url(ngx_http_socketio_json_t *j, ngx_http_request_t *r)
{
    u_char     *p;
    ngx_str_t   url;

    url = r->unparsed_uri;

    ngx_http_socketio_json_raw(j, ",\"url\":");

    /* the query comes once more: half of the space is for the first one */

    j->full = (url.len > NGX_HTTP_SOCKETIO_HANDSHAKE_MAX / 2);

    if (!j->full && ngx_http_socketio_json_string(j, &url) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!j->full) {
        return NGX_OK;
    }

    j->cut = 1;
    j->full = 0;

    p = ngx_strlchr(url.data, url.data + url.len, '?');
    if (p) {
        url.len = p - url.data;
    }

    url.len = ngx_min(url.len, NGX_HTTP_SOCKETIO_HANDSHAKE_MAX / 8);

    return ngx_http_socketio_json_string(j, &url);
}


static ngx_int_t
ngx_http_socketio_json_query(ngx_http_socketio_json_t *j,
    ngx_http_request_t *r)
{
    ngx_str_t                      *name;
    ngx_uint_t                      i, n, cut, first;
    ngx_http_socketio_form_pair_t   pairs[NGX_HTTP_SOCKETIO_FORM_PAIRS];

    ngx_http_socketio_json_raw(j, ",\"query\":{");

    if (ngx_http_socketio_form_pairs(j->pool, &r->args, pairs, &n, &cut)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    j->cut |= cut;
    first = 1;

    for (i = 0; i < n; i++) {
        name = &pairs[i].name;

        if (name->len == 3 && ngx_memcmp(name->data, "sid", 3) == 0) {
            continue;
        }

        if (ngx_http_socketio_json_member(j, name, &pairs[i].value, &first)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_socketio_json_raw(j, "}");

    return NGX_OK;
}


/* headers with values, as far as they have room for sure */

static ngx_int_t
ngx_http_socketio_json_values(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, u_char *done, ngx_str_t *values)
{
    ngx_uint_t                   i, first;
    ngx_http_socketio_json_t     j;
    ngx_http_socketio_header_t  *header;

    ngx_str_set(values, "");
    ngx_memzero(&j, sizeof(ngx_http_socketio_json_t));

    first = 1;
    header = conf->headers->elts;

    for (i = 0; i < conf->headers->nelts; i++) {

        if (header[i].value == NULL) {
            continue;
        }

        if (j.p == NULL) {
            j.pool = r->pool;
            j.p = ngx_pnalloc(r->pool, NGX_HTTP_SOCKETIO_JSON_VALUES);
            if (j.p == NULL) {
                return NGX_ERROR;
            }

            j.last = j.p + NGX_HTTP_SOCKETIO_JSON_VALUES;
            values->data = j.p;
        }

        if (ngx_http_socketio_json_header(&j, r, &header[i], &first, &done[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        values->len = j.p - values->data;
    }

    return NGX_OK;
}


/* those that are not done; "values" are, and their room is not in j */

static ngx_int_t
ngx_http_socketio_json_headers(ngx_http_socketio_json_t *j,
    ngx_http_request_t *r, ngx_http_socketio_loc_conf_t *conf, u_char *done,
    ngx_str_t *values)
{
    ngx_uint_t                   i, first;
    ngx_http_socketio_header_t  *header;

    ngx_http_socketio_json_raw(j, ",\"headers\":{");

    j->p = ngx_cpymem(j->p, values->data, values->len);
    j->last += values->len;

    first = (values->len == 0);
    header = conf->headers->elts;

    for (i = 0; i < conf->headers->nelts; i++) {

        if (!done[i]
            && ngx_http_socketio_json_header(j, r, &header[i], &first,
                                             &done[i])
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_socketio_json_raw(j, "}");

    return NGX_OK;
}


/* a member, *done, or nothing if it has no room; NGX_ERROR: no memory */

static ngx_int_t
ngx_http_socketio_json_header(ngx_http_socketio_json_t *j,
    ngx_http_request_t *r, ngx_http_socketio_header_t *header,
    ngx_uint_t *first, u_char *done)
{
    u_char     *start;
    ngx_int_t   rc;
    ngx_str_t   value;

    rc = ngx_http_socketio_json_value(r, header, &value);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    start = j->p;

    if (rc != NGX_OK
        || ngx_http_socketio_json_member(j, &header->name, &value, first)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    *done = (j->p != start);

    return NGX_OK;
}


/* NGX_DECLINED: there is none, or it is nothing for the backend */

static ngx_int_t
ngx_http_socketio_json_value(ngx_http_request_t *r,
    ngx_http_socketio_header_t *header, ngx_str_t *value)
{
    ngx_int_t  rc;

    if (header->value) {
        return ngx_http_complex_value(r, header->value, value);
    }

    rc = ngx_http_socketio_header_joined(r, &header->name, value);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_socketio_json_private(r, &header->name, value)) {
        return NGX_DECLINED;
    }

    if (header->name.len == 6
        && ngx_memcmp(header->name.data, "cookie", 6) == 0)
    {
        return ngx_http_socketio_json_cookies(r, value);
    }

    return NGX_OK;
}


/*
 * Without the cookie of "socketio_cookie", which is the sid of a session that
 * may be open in another tab.  NGX_OK; NGX_DECLINED: there is no other;
 * NGX_ERROR: no memory.
 */

static ngx_int_t
ngx_http_socketio_json_cookies(ngx_http_request_t *r, ngx_str_t *value)
{
    u_char                        *p, *end, *last, *out;
    ngx_str_t                     *name;
    ngx_http_socketio_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    if (conf->cookie == NULL) {
        return NGX_OK;
    }

    name = &conf->cookie->name;

    out = ngx_pnalloc(r->pool, value->len + 2);
    if (out == NULL) {
        return NGX_ERROR;
    }

    p = value->data;
    last = p + value->len;

    value->data = out;

    for ( /* void */ ; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, ';');
        if (end == NULL) {
            end = last;
        }

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        if (p == end
            || ((size_t) (end - p) > name->len
                && ngx_memcmp(p, name->data, name->len) == 0
                && p[name->len] == '='))
        {
            continue;
        }

        if (out != value->data) {
            *out++ = ';';
            *out++ = ' ';
        }

        out = ngx_cpymem(out, p, end - p);
    }

    value->len = out - value->data;

    return value->len ? NGX_OK : NGX_DECLINED;
}


/*
 * With "socketio_origins *" a page of another host may connect, but must not
 * act for its visitor: what the browser adds by itself is not passed on.
 */

static ngx_uint_t
ngx_http_socketio_json_private(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_uint_t                     i;
    ngx_http_socketio_ctx_t       *ctx;
    ngx_http_socketio_origin_t    *origin;
    ngx_http_socketio_loc_conf_t  *conf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);
    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    if (ctx == NULL || !ctx->foreign || conf->origins == NULL) {
        return 0;
    }

    origin = conf->origins->elts;

    for (i = 0; i < conf->origins->nelts; i++) {
        if (origin[i].any) {
            break;
        }
    }

    if (i == conf->origins->nelts) {
        return 0;
    }

    if (name->len == 6 && ngx_memcmp(name->data, "cookie", 6) == 0) {
        return 1;
    }

    if (name->len == 13 && ngx_memcmp(name->data, "authorization", 13) == 0) {
        return value->len < 7
               || ngx_strncasecmp(value->data, (u_char *) "bearer ", 7) != 0;
    }

    return 0;
}
