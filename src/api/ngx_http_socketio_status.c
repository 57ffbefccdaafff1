
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "api/ngx_http_socketio_access.h"
#include "api/ngx_http_socketio_status.h"
#include "client/ngx_http_socketio_header.h"
#include "store/ngx_socketio_exchange.h"
#include "proto/ngx_socketio_json.h"


#define NGX_HTTP_SOCKETIO_STATUS_TEXT  "text/plain; version=0.0.4"


/*
 * One number: in JSON a member of an object, for Prometheus a sample, the
 * first of its name with HELP and TYPE before it.
 */

typedef struct {
    char                           *group;
    char                           *member;
    char                           *metric;
    char                           *label;      /* beside the zone's; or "" */
    char                           *help;
    ngx_uint_t                      counter;    /* else a gauge */
    size_t                          offset;     /* of a uint64_t */
} ngx_http_socketio_status_row_t;


typedef struct {
    u_char                         *p;          /* NULL: measure */
    size_t                          len;
    ngx_str_t                       zone;
    ngx_socketio_status_t           status;
} ngx_http_socketio_status_out_t;


static ngx_uint_t ngx_http_socketio_status_json_wanted(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf);
static void ngx_http_socketio_status_json(
    ngx_http_socketio_status_out_t *out);
static void ngx_http_socketio_status_prometheus(
    ngx_http_socketio_status_out_t *out);
static void ngx_http_socketio_status_head(ngx_http_socketio_status_out_t *out,
    char *metric, char *help, ngx_uint_t counter);
static void ngx_http_socketio_status_sample(
    ngx_http_socketio_status_out_t *out, char *metric, char *label,
    uint64_t value);
static void ngx_http_socketio_status_put(ngx_http_socketio_status_out_t *out,
    char *text);
static void ngx_http_socketio_status_uint(ngx_http_socketio_status_out_t *out,
    uint64_t value);
static void ngx_http_socketio_status_name(ngx_http_socketio_status_out_t *out);
static ngx_int_t ngx_http_socketio_status_send(ngx_http_request_t *r,
    ngx_http_socketio_status_out_t *out, ngx_uint_t json);


#define ngx_http_socketio_status_value(status, row)                           \
    (*(uint64_t *) ((u_char *) (status) + (row)->offset))

#define ngx_http_socketio_status_field(name)                                  \
    offsetof(ngx_socketio_status_t, name)


/* rows of a group, and those of a metric, are next to each other */

static ngx_http_socketio_status_row_t  ngx_http_socketio_status_rows[] = {

    { "zone", "bytes", "socketio_zone_bytes", "",
      "Memory of the zone for records.", 0,
      ngx_http_socketio_status_field(bytes) },

    { "zone", "free", "socketio_zone_free_bytes", "",
      "Memory in pages without any record.", 0,
      ngx_http_socketio_status_field(free) },

    { "zone", "refused", "socketio_zone_full_total", "",
      "What was refused because the zone was full.", 1,
      ngx_http_socketio_status_field(stats.full) },

    { "zone", "emptied", "socketio_zone_emptied_total", "",
      "Times that a worker died in the middle of a change.", 1,
      ngx_http_socketio_status_field(stats.emptied) },

    { "zone", "workers", "socketio_workers", "",
      "Worker processes, also those that are shutting down.", 0,
      ngx_http_socketio_status_field(workers) },

    { "zone", "keys", "socketio_publish_keys", "",
      "Keys of the publish API that are remembered.", 0,
      ngx_http_socketio_status_field(keys) },

    { "zone", "forgotten", "socketio_publish_keys_forgotten_total", "",
      "Keys forgotten before their time, for want of memory.", 1,
      ngx_http_socketio_status_field(stats.forgotten) },

    { "zone", "logged", "socketio_recovery_messages", "",
      "Messages kept for sockets that come back.", 0,
      ngx_http_socketio_status_field(logged) },

    { "sessions", "polling", "socketio_sessions", ",transport=\"polling\"",
      "Engine.IO sessions that are open.", 0,
      ngx_http_socketio_status_field(polling) },

    { "sessions", "websocket", "socketio_sessions",
      ",transport=\"websocket\"",
      "", 0,
      ngx_http_socketio_status_field(websockets) },

    { "sessions", "opened", "socketio_sessions_opened_total", "",
      "Sessions opened.", 1,
      ngx_http_socketio_status_field(stats.opened) },

    { "sessions", "slow", "socketio_sessions_slow_total", "",
      "Sessions closed because socketio_send_queue was full.", 1,
      ngx_http_socketio_status_field(stats.slow) },

    { "sessions", "recovered", "socketio_sockets_recovered_total", "",
      "Sockets that came back after their connection was lost.", 1,
      ngx_http_socketio_status_field(stats.recovered) },

    { "sockets", "now", "socketio_sockets", "",
      "Sockets: sessions in namespaces.", 0,
      ngx_http_socketio_status_field(stats.sockets) },

    { "sockets", "rooms", "socketio_rooms", "",
      "Rooms, without namespaces.", 0,
      ngx_http_socketio_status_field(stats.rooms) },

    { "messages", "in", "socketio_events_total", "",
      "Events of clients for the backend.", 1,
      ngx_http_socketio_status_field(stats.events) },

    { "messages", "dropped", "socketio_events_dropped_total", "",
      "Events that socketio_hook_events leaves out.", 1,
      ngx_http_socketio_status_field(stats.dropped) },

    { "messages", "out", "socketio_emits_total", "",
      "Emits, however many sockets they reached.", 1,
      ngx_http_socketio_status_field(stats.messages) },

    { NULL, NULL, NULL, NULL, NULL, 0, 0 }
};


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
    ngx_socketio_status(zone, &out.status);

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
    char                            *group;
    ngx_uint_t                       i;
    ngx_http_socketio_status_row_t  *row;

    group = ngx_http_socketio_status_rows[0].group;

    ngx_http_socketio_status_put(out, "{\"");
    ngx_http_socketio_status_put(out, group);
    ngx_http_socketio_status_put(out, "\":{\"name\":\"");
    ngx_http_socketio_status_name(out);
    ngx_http_socketio_status_put(out, "\"");

    for (row = ngx_http_socketio_status_rows; row->metric; row++) {

        if (ngx_strcmp(row->group, group) == 0) {
            ngx_http_socketio_status_put(out, ",\"");

        } else {
            group = row->group;
            ngx_http_socketio_status_put(out, "},\"");
            ngx_http_socketio_status_put(out, group);
            ngx_http_socketio_status_put(out, "\":{\"");
        }

        ngx_http_socketio_status_put(out, row->member);
        ngx_http_socketio_status_put(out, "\":");
        ngx_http_socketio_status_uint(out,
                          ngx_http_socketio_status_value(&out->status, row));
    }

    ngx_http_socketio_status_put(out, "},\"closed\":{");

    for (i = 1; i < NGX_SOCKETIO_REASON_LAST; i++) {
        ngx_http_socketio_status_put(out, (i == 1) ? "\"" : ",\"");
        ngx_http_socketio_status_put(out,
                                     (char *) ngx_socketio_reason(i)->data);
        ngx_http_socketio_status_put(out, "\":");
        ngx_http_socketio_status_uint(out, out->status.stats.closed[i]);
    }

    ngx_http_socketio_status_put(out, "}}\n");
}


static void
ngx_http_socketio_status_prometheus(ngx_http_socketio_status_out_t *out)
{
    char                            *metric;
    u_char                           label[64];
    ngx_uint_t                       i;
    ngx_http_socketio_status_row_t  *row;

    metric = "";

    for (row = ngx_http_socketio_status_rows; row->metric; row++) {

        if (ngx_strcmp(row->metric, metric) != 0) {
            metric = row->metric;
            ngx_http_socketio_status_head(out, metric, row->help,
                                          row->counter);
        }

        ngx_http_socketio_status_sample(out, metric, row->label,
                          ngx_http_socketio_status_value(&out->status, row));
    }

    metric = "socketio_sessions_closed_total";

    ngx_http_socketio_status_head(out, metric, "Sessions that have ended.", 1);

    for (i = 1; i < NGX_SOCKETIO_REASON_LAST; i++) {
        (void) ngx_snprintf(label, sizeof(label), ",reason=\"%V\"%Z",
                            ngx_socketio_reason(i));
        ngx_http_socketio_status_sample(out, metric, (char *) label,
                                        out->status.stats.closed[i]);
    }
}


static void
ngx_http_socketio_status_head(ngx_http_socketio_status_out_t *out,
    char *metric, char *help, ngx_uint_t counter)
{
    ngx_http_socketio_status_put(out, "# HELP ");
    ngx_http_socketio_status_put(out, metric);
    ngx_http_socketio_status_put(out, " ");
    ngx_http_socketio_status_put(out, help);
    ngx_http_socketio_status_put(out, "\n# TYPE ");
    ngx_http_socketio_status_put(out, metric);
    ngx_http_socketio_status_put(out, counter ? " counter\n" : " gauge\n");
}


static void
ngx_http_socketio_status_sample(ngx_http_socketio_status_out_t *out,
    char *metric, char *label, uint64_t value)
{
    ngx_http_socketio_status_put(out, metric);
    ngx_http_socketio_status_put(out, "{zone=\"");
    ngx_http_socketio_status_name(out);
    ngx_http_socketio_status_put(out, "\"");
    ngx_http_socketio_status_put(out, label);
    ngx_http_socketio_status_put(out, "} ");
    ngx_http_socketio_status_uint(out, value);
    ngx_http_socketio_status_put(out, "\n");
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
ngx_http_socketio_status_uint(ngx_http_socketio_status_out_t *out,
    uint64_t value)
{
    out->len += ngx_socketio_json_uint(out->p ? out->p + out->len : NULL,
                                       value);
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
