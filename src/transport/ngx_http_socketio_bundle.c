
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The client's own files below the path of Engine.IO, as Node's server has
 * them there (socket.io, 9).  All but their names and types is as in
 * ngx_http_static_module.
 */


#include "transport/ngx_http_socketio_transport.h"


static ngx_int_t ngx_http_socketio_bundle_name(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *name, ngx_uint_t *map);
static ngx_int_t ngx_http_socketio_bundle_open(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *path,
    ngx_open_file_info_t *of);
static ngx_int_t ngx_http_socketio_bundle_header(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_uint_t map, ngx_open_file_info_t *of);
static ngx_int_t ngx_http_socketio_bundle_send(ngx_http_request_t *r,
    ngx_str_t *path, ngx_open_file_info_t *of);


static ngx_str_t  ngx_http_socketio_bundle_names[] = {
    ngx_string("socket.io.js"),
    ngx_string("socket.io.min.js"),
    ngx_string("socket.io.esm.min.js"),
    ngx_string("socket.io.msgpack.min.js"),
    ngx_null_string
};


ngx_int_t
ngx_http_socketio_bundle(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx)
{
    u_char                *p;
    ngx_int_t              rc;
    ngx_str_t              name, path;
    ngx_uint_t             map;
    ngx_open_file_info_t   of;

    if (conf->client.len == 0
        || ngx_http_socketio_bundle_name(r, conf, &name, &map) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    path.len = conf->client.len + 1 + name.len;

    p = ngx_pnalloc(r->pool, path.len + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    path.data = p;
    ngx_sprintf(p, "%V/%V%Z", &conf->client, &name);

    rc = ngx_http_socketio_bundle_open(r, conf, &path, &of);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_socketio_bundle_header(r, conf, ctx, map, &of) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_socketio_bundle_send(r, &path, &of);
}


/* *name is of the file, directly below the location's path; NGX_DECLINED */

static ngx_int_t
ngx_http_socketio_bundle_name(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *name, ngx_uint_t *map)
{
    size_t      len;
    ngx_str_t  *file;

    if (r->uri.len <= conf->path.len
        || ngx_memcmp(r->uri.data, conf->path.data, conf->path.len) != 0)
    {
        return NGX_DECLINED;
    }

    name->len = r->uri.len - conf->path.len;
    name->data = r->uri.data + conf->path.len;

    /* of a location without the final slash */

    if (*name->data == '/') {
        name->len--;
        name->data++;
    }

    len = name->len;
    *map = 0;

    if (len > 4 && ngx_memcmp(name->data + len - 4, ".map", 4) == 0) {
        len -= 4;
        *map = 1;
    }

    for (file = ngx_http_socketio_bundle_names; file->len; file++) {

        if (file->len == len && ngx_memcmp(file->data, name->data, len) == 0)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* NGX_OK, or the code of an answer */

static ngx_int_t
ngx_http_socketio_bundle_open(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *path,
    ngx_open_file_info_t *of)
{
    char                      *more;
    ngx_int_t                  rc;
    ngx_uint_t                 level;
    ngx_socketio_zone_t       *zone;
    ngx_http_core_loc_conf_t  *clcf;

    static ngx_socketio_said_t  irregular, failed;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    zone = conf->shm_zone->data;

    ngx_memzero(of, sizeof(ngx_open_file_info_t));

    of->read_ahead = clcf->read_ahead;
    of->directio = clcf->directio;
    of->valid = clcf->open_file_cache_valid;
    of->min_uses = clcf->open_file_cache_min_uses;
    of->errors = clcf->open_file_cache_errors;
    of->events = clcf->open_file_cache_events;

    if (ngx_http_set_disable_symlinks(r, clcf, path, of) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_open_cached_file(clcf->open_file_cache, path, of, r->pool)
        == NGX_OK)
    {
        if (of->is_file) {
            return NGX_OK;
        }

        more = ngx_socketio_say(&irregular, zone->counters);

        if (more) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "\"%s\" is not a regular file%s", path->data,
                          more);
        }

        return NGX_HTTP_NOT_FOUND;
    }

    level = NGX_LOG_ERR;

    switch (of->err) {

    case 0:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    case NGX_ENOENT:
    case NGX_ENOTDIR:
    case NGX_ENAMETOOLONG:
        rc = NGX_HTTP_NOT_FOUND;
        break;

    case NGX_EACCES:
#if (NGX_HAVE_OPENAT)
    case NGX_EMLINK:
    case NGX_ELOOP:
#endif
        rc = NGX_HTTP_FORBIDDEN;
        break;

    default:
        level = NGX_LOG_CRIT;
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_HTTP_NOT_FOUND || clcf->log_not_found) {
        more = ngx_socketio_say(&failed, zone->counters);

        if (more) {
            ngx_log_error(level, r->connection->log, of->err,
                          "%s \"%s\" failed%s", of->failed, path->data,
                          more);
        }
    }

    return rc;
}


static ngx_int_t
ngx_http_socketio_bundle_header(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_uint_t map, ngx_open_file_info_t *of)
{
    ngx_str_t                    value;
    ngx_http_socketio_origin_t  *origin;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = of->size;
    r->headers_out.last_modified_time = of->mtime;
    r->allow_ranges = 1;

    if (ngx_http_set_etag(r) != NGX_OK) {
        return NGX_ERROR;
    }

    if (map) {
        ngx_str_set(&r->headers_out.content_type,
                    "application/json; charset=utf-8");
        r->headers_out.content_type_len = sizeof("application/json") - 1;

    } else {
        ngx_str_set(&r->headers_out.content_type,
                    "application/javascript; charset=utf-8");
        r->headers_out.content_type_len = sizeof("application/javascript") - 1;
    }

    r->headers_out.content_type_lowcase = NULL;

    ngx_str_set(&value, "public, max-age=0");

    if (ngx_http_socketio_add_header(r, "Cache-Control", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    /*
     * Caches keep these, and must tell the answers to two origins apart: also
     * those without the headers of CORS, which "*" gives to all.
     */

    origin = conf->origins ? conf->origins->elts : NULL;

    if (origin == NULL || origin->any || ctx->listed) {
        return NGX_OK;
    }

    ngx_str_set(&value, "Origin");

    return ngx_http_socketio_add_header(r, "Vary", &value);
}


static ngx_int_t
ngx_http_socketio_bundle_send(ngx_http_request_t *r, ngx_str_t *path,
    ngx_open_file_info_t *of)
{
    ngx_buf_t    *b;
    ngx_int_t     rc;
    ngx_chain_t   out;

    /* all memory before the header is sent */

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
    if (b->file == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->connection->log->action = "sending response to client";

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->file_last = of->size;
    b->in_file = (of->size != 0);
    b->last_buf = 1;
    b->last_in_chain = 1;

    b->file->fd = of->fd;
    b->file->name = *path;
    b->file->log = r->connection->log;
    b->file->directio = of->is_directio;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
