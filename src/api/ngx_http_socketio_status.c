
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "api/ngx_http_socketio_access.h"
#include "api/ngx_http_socketio_status.h"
#include "api/ngx_http_socketio_status_internal.h"
#include "client/ngx_http_socketio_header.h"
#include "proto/ngx_socketio_json.h"


#define NGX_HTTP_SOCKETIO_STATUS_TEXT  "text/plain; version=0.0.4"


typedef struct {
    u_char                         *p;          /* NULL: measure */
    size_t                          len;
    ngx_str_t                       zone;
    ngx_socketio_status_t           status;
    ngx_socketio_status_worker_t   *workers;
} ngx_http_socketio_status_out_t;


static ngx_uint_t ngx_http_socketio_status_json_wanted(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf);
static void ngx_http_socketio_status_json(
    ngx_http_socketio_status_out_t *out);
static void ngx_http_socketio_status_json_workers(
    ngx_http_socketio_status_out_t *out);
static void ngx_http_socketio_status_json_family(
    ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f, void *status);
static void ngx_http_socketio_status_json_histogram(
    ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f, uint64_t *n);
static void ngx_http_socketio_status_prometheus(
    ngx_http_socketio_status_out_t *out);
static void ngx_http_socketio_status_prometheus_workers(
    ngx_http_socketio_status_out_t *out);
static void ngx_http_socketio_status_head(ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f);
static void ngx_http_socketio_status_family(
    ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f);
static void ngx_http_socketio_status_histogram(
    ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f, uint64_t *n);
static void ngx_http_socketio_status_sample(
    ngx_http_socketio_status_out_t *out, char *metric, char *suffix);
static void ngx_http_socketio_status_put(ngx_http_socketio_status_out_t *out,
    char *text);
static void ngx_http_socketio_status_puts(ngx_http_socketio_status_out_t *out,
    char *a, char *b, char *c);
static void ngx_http_socketio_status_value(ngx_http_socketio_status_out_t *out,
    uint64_t value, ngx_uint_t msec);
static void ngx_http_socketio_status_name(ngx_http_socketio_status_out_t *out);
static ngx_int_t ngx_http_socketio_status_send(ngx_http_request_t *r,
    ngx_http_socketio_status_out_t *out, ngx_uint_t json);


#define ngx_http_socketio_status_at(status, f)                                \
    ((uint64_t *) ((u_char *) (status) + (f)->offset))


static ngx_str_t  ngx_http_socketio_status_allow = ngx_string("GET, HEAD");


ngx_int_t
ngx_http_socketio_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_uint_t                       json;
    ngx_socketio_zone_t             *zone;
    ngx_http_socketio_loc_conf_t    *conf;
    ngx_http_socketio_status_out_t   out;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    rc = ngx_http_socketio_access(r, "socketio_status", NULL, conf->open == 1);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return (ngx_http_socketio_header_add(r, "Allow",
                                             &ngx_http_socketio_status_allow)
                != NULL)
               ? NGX_HTTP_NOT_ALLOWED : NGX_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    zone = conf->status->data;
    json = ngx_http_socketio_status_json_wanted(r, conf);

    ngx_memzero(&out, sizeof(ngx_http_socketio_status_out_t));

    out.zone = conf->status->shm.name;
    out.workers = ngx_palloc(r->pool, zone->sh->nslots
                                    * sizeof(ngx_socketio_status_worker_t));
    if (out.workers == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_socketio_status_names();
    ngx_socketio_status(zone, &out.status, out.workers,
                        (uint64_t) ngx_current_msec);

    return ngx_http_socketio_status_send(r, &out, json);
}


/* scrapers name the formats of text that they read; others get JSON */

static ngx_uint_t
ngx_http_socketio_status_json_wanted(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_str_t  *accept;

    if (conf->status_format != NGX_HTTP_SOCKETIO_STATUS_ASKED) {
        return conf->status_format == NGX_HTTP_SOCKETIO_STATUS_JSON;
    }

    accept = ngx_http_socketio_header(r, "accept", sizeof("accept") - 1);

    return accept == NULL
           || (ngx_strlcasestrn(accept->data, accept->data + accept->len,
                                (u_char *) "text/plain",
                                sizeof("text/plain") - 2)
               == NULL
               && ngx_strlcasestrn(accept->data, accept->data + accept->len,
                                   (u_char *) "openmetrics",
                                   sizeof("openmetrics") - 2)
                  == NULL);
}


static void
ngx_http_socketio_status_json(ngx_http_socketio_status_out_t *out)
{
    char                               *group;
    ngx_http_socketio_status_family_t  *f;

    f = ngx_http_socketio_status_families;
    group = f->group;

    ngx_http_socketio_status_puts(out, "{\"", group, "\":{\"name\":\"");
    ngx_http_socketio_status_name(out);
    ngx_http_socketio_status_put(out, "\"");

    for ( /* void */ ; f->group; f++) {

        if (ngx_strcmp(f->group, group) != 0) {
            group = f->group;
            ngx_http_socketio_status_puts(out, "},\"", group, "\":");

            if (f->member == NULL) {
                /* the group is all of the family */
                ngx_http_socketio_status_json_family(out, f, &out->status);
                out->len--;                         /* its "}" */
                continue;
            }

            ngx_http_socketio_status_put(out, "{");

        } else {
            ngx_http_socketio_status_put(out, ",");
        }

        ngx_http_socketio_status_puts(out, "\"", f->member, "\":");
        ngx_http_socketio_status_json_family(out, f, &out->status);
    }

    ngx_http_socketio_status_put(out, "},\"workers\":[");
    ngx_http_socketio_status_json_workers(out);
    ngx_http_socketio_status_put(out, "]}\n");
}


static void
ngx_http_socketio_status_json_workers(ngx_http_socketio_status_out_t *out)
{
    ngx_uint_t                          i;
    ngx_http_socketio_status_family_t  *f;

    for (i = 0; i < out->status.nworkers; i++) {
        ngx_http_socketio_status_put(out, i ? ",{" : "{");

        for (f = ngx_http_socketio_status_workers; f->group; f++) {
            ngx_http_socketio_status_puts(out,
                     f == ngx_http_socketio_status_workers ? "\"" : ",\"",
                     f->member, "\":");
            ngx_http_socketio_status_json_family(out, f, &out->workers[i]);
        }

        ngx_http_socketio_status_put(out, "}");
    }
}


/* a number, or an object of them */

static void
ngx_http_socketio_status_json_family(ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f, void *status)
{
    uint64_t    *n;
    ngx_uint_t   i;

    n = ngx_http_socketio_status_at(status, f);

    if (f->type == NGX_HTTP_SOCKETIO_STATUS_HISTOGRAM) {
        ngx_http_socketio_status_json_histogram(out, f, n);
        return;
    }

    if (f->names == NULL) {
        ngx_http_socketio_status_value(out, *n, f->msec);
        return;
    }

    for (i = 0; f->names[i]; i++) {
        ngx_http_socketio_status_puts(out, i ? ",\"" : "{\"", f->names[i],
                                      "\":");
        ngx_http_socketio_status_value(out, n[i], f->msec);
    }

    ngx_http_socketio_status_put(out, "}");
}


/* the same numbers as for Prometheus: of each bucket with those below it */

static void
ngx_http_socketio_status_json_histogram(ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f, uint64_t *n)
{
    uint64_t    count;
    ngx_uint_t  i;

    ngx_http_socketio_status_put(out, "{\"buckets\":{");

    for (count = 0, i = 0; f->names[i]; i++) {
        count += n[i];
        ngx_http_socketio_status_puts(out, i ? ",\"" : "\"", f->names[i],
                                      "\":");
        ngx_http_socketio_status_value(out, count, 0);
    }

    ngx_http_socketio_status_put(out, "},\"sum\":");
    ngx_http_socketio_status_value(out, n[i], f->msec);
    ngx_http_socketio_status_put(out, ",\"count\":");
    ngx_http_socketio_status_value(out, count, 0);
    ngx_http_socketio_status_put(out, "}");
}


static void
ngx_http_socketio_status_prometheus(ngx_http_socketio_status_out_t *out)
{
    ngx_http_socketio_status_family_t  *f;

    for (f = ngx_http_socketio_status_families; f->group; f++) {

        if (f->metric) {
            ngx_http_socketio_status_head(out, f);
            ngx_http_socketio_status_family(out, f);
        }
    }

    ngx_http_socketio_status_prometheus_workers(out);
}


static void
ngx_http_socketio_status_prometheus_workers(
    ngx_http_socketio_status_out_t *out)
{
    u_char                              slot[sizeof(",slot=\"\"")
                                             + NGX_INT64_LEN];
    ngx_uint_t                          i;
    ngx_socketio_status_worker_t       *worker;
    ngx_http_socketio_status_family_t  *f;

    for (f = ngx_http_socketio_status_workers; f->group; f++) {

        if (f->metric == NULL || out->status.nworkers == 0) {
            continue;
        }

        ngx_http_socketio_status_head(out, f);

        for (i = 0; i < out->status.nworkers; i++) {
            worker = &out->workers[i];
            (void) ngx_sprintf(slot, ",slot=\"%uL\"%Z", worker->slot);

            ngx_http_socketio_status_sample(out, f->metric, "");
            ngx_http_socketio_status_puts(out, (char *) slot, "} ", "");
            ngx_http_socketio_status_value(out,
                         *ngx_http_socketio_status_at(worker, f), f->msec);
            ngx_http_socketio_status_put(out, "\n");
        }
    }
}


static void
ngx_http_socketio_status_head(ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f)
{
    static char  *types[] = { " gauge\n", " counter\n", " histogram\n" };

    ngx_http_socketio_status_puts(out, "# HELP ", f->metric, " ");
    ngx_http_socketio_status_puts(out, f->help, "\n# TYPE ", f->metric);
    ngx_http_socketio_status_put(out, types[f->type]);
}


static void
ngx_http_socketio_status_family(ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f)
{
    uint64_t    *n;
    ngx_uint_t   i;

    n = ngx_http_socketio_status_at(&out->status, f);

    if (f->type == NGX_HTTP_SOCKETIO_STATUS_HISTOGRAM) {
        ngx_http_socketio_status_histogram(out, f, n);
        return;
    }

    for (i = 0; f->names == NULL || f->names[i]; i++) {
        ngx_http_socketio_status_sample(out, f->metric, "");

        if (f->labels) {
            ngx_http_socketio_status_puts(out, ",", f->labels[i], "");

        } else if (f->names) {
            ngx_http_socketio_status_puts(out, ",", f->label, "=\"");
            ngx_http_socketio_status_puts(out, f->names[i], "\"", "");
        }

        ngx_http_socketio_status_put(out, "} ");
        ngx_http_socketio_status_value(out, n[i], f->msec);
        ngx_http_socketio_status_put(out, "\n");

        if (f->names == NULL) {
            break;
        }
    }
}


static void
ngx_http_socketio_status_histogram(ngx_http_socketio_status_out_t *out,
    ngx_http_socketio_status_family_t *f, uint64_t *n)
{
    uint64_t    count;
    ngx_uint_t  i;

    for (count = 0, i = 0; f->names[i]; i++) {
        count += n[i];

        ngx_http_socketio_status_sample(out, f->metric, "_bucket");
        ngx_http_socketio_status_puts(out, ",le=\"", f->names[i], "\"} ");
        ngx_http_socketio_status_value(out, count, 0);
        ngx_http_socketio_status_put(out, "\n");
    }

    ngx_http_socketio_status_sample(out, f->metric, "_sum");
    ngx_http_socketio_status_put(out, "} ");
    ngx_http_socketio_status_value(out, n[i], f->msec);
    ngx_http_socketio_status_put(out, "\n");

    ngx_http_socketio_status_sample(out, f->metric, "_count");
    ngx_http_socketio_status_put(out, "} ");
    ngx_http_socketio_status_value(out, count, 0);
    ngx_http_socketio_status_put(out, "\n");
}


/* up to the label of the zone */

static void
ngx_http_socketio_status_sample(ngx_http_socketio_status_out_t *out,
    char *metric, char *suffix)
{
    ngx_http_socketio_status_puts(out, metric, suffix, "{zone=\"");
    ngx_http_socketio_status_name(out);
    ngx_http_socketio_status_put(out, "\"");
}


static void
ngx_http_socketio_status_puts(ngx_http_socketio_status_out_t *out, char *a,
    char *b, char *c)
{
    ngx_http_socketio_status_put(out, a);
    ngx_http_socketio_status_put(out, b);
    ngx_http_socketio_status_put(out, c);
}


static void
ngx_http_socketio_status_put(ngx_http_socketio_status_out_t *out, char *text)
{
    size_t  len;

    len = ngx_strlen(text);

    if (out->p) {
        ngx_memcpy(out->p + out->len, text, len);
    }

    out->len += len;
}


static void
ngx_http_socketio_status_value(ngx_http_socketio_status_out_t *out,
    uint64_t value, ngx_uint_t msec)
{
    u_char  buf[NGX_INT64_LEN + sizeof(".000")];

    if (msec) {
        (void) ngx_sprintf(buf, "%uL.%03uL%Z", value / 1000, value % 1000);

    } else {
        (void) ngx_sprintf(buf, "%uL%Z", value);
    }

    ngx_http_socketio_status_put(out, (char *) buf);
}


/* within quotes; what JSON escapes Prometheus escapes likewise */

static void
ngx_http_socketio_status_name(ngx_http_socketio_status_out_t *out)
{
    out->len += ngx_socketio_json_escape(out->p ? out->p + out->len : NULL,
                                         out->zone.data, out->zone.len);
}


/* measured and written by the same code */

static ngx_int_t
ngx_http_socketio_status_send(ngx_http_request_t *r,
    ngx_http_socketio_status_out_t *out, ngx_uint_t json)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   cl;

    static void  (*formats[])(ngx_http_socketio_status_out_t *out) = {
        ngx_http_socketio_status_prometheus,
        ngx_http_socketio_status_json
    };

    formats[json](out);

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = out->len;

    if (json) {
        ngx_str_set(&r->headers_out.content_type, "application/json");

    } else {
        ngx_str_set(&r->headers_out.content_type,
                    NGX_HTTP_SOCKETIO_STATUS_TEXT);
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_create_temp_buf(r->pool, out->len);

    if (b == NULL) {
        return NGX_ERROR;
    }

    out->p = b->last;
    out->len = 0;
    formats[json](out);

    b->last += out->len;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    cl.buf = b;
    cl.next = NULL;

    return ngx_http_output_filter(r, &cl);
}
