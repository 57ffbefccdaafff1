
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * $socketio_...: in a hook location the event of a batch of one, in a
 * "socketio" location what its access log wants to know.
 */


#include "ngx_http_socketio_conf.h"
#include "transport/ngx_http_socketio_transport.h"
#include "hook/ngx_http_socketio_lane.h"


typedef struct {
    ngx_str_t    name;
    ngx_int_t    event;     /* offset in the event of a hook call, -1: none */
    ngx_int_t    ctx;       /* offset in the ctx of a client's request */
    ngx_str_t    none;      /* of a hook call that has no such thing */
} ngx_http_socketio_variable_t;


static ngx_int_t ngx_http_socketio_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_socketio_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_socketio_variable_batched(ngx_http_request_t *r,
    ngx_http_socketio_variable_t *var);


#define ngx_http_socketio_event_offset(field)                                 \
    (ngx_int_t) offsetof(ngx_http_socketio_lane_event_t, field)

#define ngx_http_socketio_ctx_offset(field)                                   \
    (ngx_int_t) offsetof(ngx_http_socketio_ctx_t, field)


/* in the ctx of a client's request, uint64_t */

static ngx_http_variable_t  ngx_http_socketio_variable_numbers[] = {

    { ngx_string("socketio_packets_in"), NULL,
      ngx_http_socketio_variable_number,
      offsetof(ngx_http_socketio_ctx_t, packets_in), 0, 0 },

    { ngx_string("socketio_packets_out"), NULL,
      ngx_http_socketio_variable_number,
      offsetof(ngx_http_socketio_ctx_t, packets_out), 0, 0 },

    { ngx_string("socketio_bytes_in"), NULL,
      ngx_http_socketio_variable_number,
      offsetof(ngx_http_socketio_ctx_t, bytes_in), 0, 0 },

      ngx_http_null_variable
};


static ngx_http_socketio_variable_t  ngx_http_socketio_variables[] = {

    { ngx_string("socketio_args"),
      ngx_http_socketio_event_offset(args), -1, ngx_string("[]") },

    { ngx_string("socketio_attachments"),
      ngx_http_socketio_event_offset(attachments), -1, ngx_string("[]") },

    { ngx_string("socketio_message"),
      ngx_http_socketio_event_offset(message), -1,
      ngx_string("\"text\":\"\"") },

    { ngx_string("socketio_data"),
      ngx_http_socketio_event_offset(data), -1, ngx_string("null") },

    { ngx_string("socketio_handshake"),
      ngx_http_socketio_event_offset(handshake), -1, ngx_string("null") },

    { ngx_string("socketio_event"),
      ngx_http_socketio_event_offset(event), -1, ngx_null_string },

    { ngx_string("socketio_nsp"),
      ngx_http_socketio_event_offset(nsp), -1, ngx_null_string },

    { ngx_string("socketio_type"),
      ngx_http_socketio_event_offset(type), -1, ngx_null_string },

    { ngx_string("socketio_id"),
      ngx_http_socketio_event_offset(id), -1, ngx_null_string },

    { ngx_string("socketio_sid"),
      ngx_http_socketio_event_offset(sid), -1, ngx_null_string },

    { ngx_string("socketio_ack"),
      ngx_http_socketio_event_offset(ack), -1, ngx_null_string },

    { ngx_string("socketio_reason"),
      ngx_http_socketio_event_offset(reason),
      ngx_http_socketio_ctx_offset(reason), ngx_null_string },

    { ngx_string("socketio_transport"),
      ngx_http_socketio_event_offset(transport),
      ngx_http_socketio_ctx_offset(transport), ngx_null_string },

    { ngx_string("socketio_eio"),
      ngx_http_socketio_event_offset(eio),
      ngx_http_socketio_ctx_offset(eio), ngx_null_string },

    { ngx_string("socketio_error"),
      -1,
      ngx_http_socketio_ctx_offset(error), ngx_null_string },

    { ngx_null_string, -1, -1, ngx_null_string }
};


ngx_int_t
ngx_http_socketio_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t           *var, *n;
    ngx_http_socketio_variable_t  *v;

    for (v = ngx_http_socketio_variables; v->name.len; v++) {

        /* what they show of a request changes while it is served */

        var = ngx_http_add_variable(cf, &v->name, NGX_HTTP_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_socketio_variable;
        var->data = (uintptr_t) v;
    }

    for (n = ngx_http_socketio_variable_numbers; n->name.len; n++) {

        var = ngx_http_add_variable(cf, &n->name, NGX_HTTP_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = n->get_handler;
        var->data = n->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_socketio_variable_t  *var = (ngx_http_socketio_variable_t *) data;

    ngx_str_t                       *value;
    ngx_http_socketio_ctx_t         *ctx;
    ngx_http_socketio_lane_event_t  *event;

    value = NULL;
    event = ngx_http_socketio_lane_event(r);

    if (event) {

        if (event->batched) {
            ngx_http_socketio_variable_batched(r, var);

        } else if (var->event != -1) {
            value = (ngx_str_t *) ((u_char *) event + var->event);
        }

        if (value == NULL || value->len == 0) {
            value = &var->none;
        }

    } else if (var->ctx != -1) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);

        if (ctx) {
            value = (ngx_str_t *) ((u_char *) ctx + var->ctx);
        }

    } else if (var->none.len) {
        value = &var->none;
    }

    if (value == NULL || (value->len == 0 && event == NULL)) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = value->len;
    v->data = value->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                   *p;
    ngx_http_socketio_ctx_t  *ctx;

    /* a call of a hook has a request without such a ctx */

    ctx = ngx_http_socketio_lane_event(r)
          ? NULL : ngx_http_get_module_ctx(r, ngx_http_socketio_module);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%uL", *(uint64_t *) ((u_char *) ctx + data)) - p;
    v->data = p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* a mistake of the configuration, but seen only now: once is enough */

static void
ngx_http_socketio_variable_batched(ngx_http_request_t *r,
    ngx_http_socketio_variable_t *var)
{
    static ngx_uint_t  logged;

    if (logged) {
        return;
    }

    logged = 1;

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "\"$%V\" is empty in a hook that gets batches: variables "
                  "need \"socketio_hook_batch off\"", &var->name);
}
