
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Messages lie in the zone as websockets of revision 4 receive them.  Others
 * differ in their binary frames, and get a copy that all of the same kind
 * share.
 */


#include "transport/ngx_http_socketio_websocket.h"
#include "transport/ngx_http_socketio_payload.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_base64.h"
#include "proto/ngx_socketio_eio.h"


/* kinds, or-ed (engine.io, 9), of one byte: ..._deflated() adds to them */
#define NGX_HTTP_SOCKETIO_WS_TYPED   0x01   /* 0x04 in front, revision 3 */
#define NGX_HTTP_SOCKETIO_WS_BASE64  0x02   /* "b...", or "b4..." if typed */


static ngx_int_t ngx_http_socketio_ws_plain(ngx_socketio_pin_t *pin);
static ngx_int_t ngx_http_socketio_ws_recode(u_char *p, u_char *src,
    u_char *last, ngx_uint_t kind, size_t *len);
static size_t ngx_http_socketio_ws_recode_binary(u_char *p,
    ngx_str_t *payload, ngx_uint_t kind);


ngx_int_t
ngx_http_socketio_ws_variant(ngx_http_socketio_ws_t *ws,
    ngx_socketio_pin_t *pin, ngx_socketio_variant_t **variant)
{
    size_t      len;
    u_char     *src, *copy;
    ngx_int_t   rc;
    ngx_uint_t  kind;

    *variant = NULL;

    kind = (ws->beat.revision == 3 ? NGX_HTTP_SOCKETIO_WS_TYPED : 0)
           | (ws->base64 ? NGX_HTTP_SOCKETIO_WS_BASE64 : 0);

    if (kind == 0 || ngx_http_socketio_ws_plain(pin) == NGX_OK) {
        return NGX_OK;
    }

    *variant = ngx_socketio_pin_variant(pin, kind);

    if (*variant) {
        return NGX_OK;
    }

    src = pin->data;
    copy = NULL;

    if (src == NULL) {
        copy = ngx_alloc(pin->len, ws->connection->log);

        if (copy == NULL
            || ngx_socketio_bytes_read(pin->zone, pin->bytes, copy, pin->len)
               != pin->len)
        {
            rc = NGX_ERROR;
            goto done;
        }

        src = copy;
    }

    rc = ngx_http_socketio_ws_recode(NULL, src, src + pin->len, kind, &len);

    if (rc != NGX_OK) {
        goto done;
    }

    *variant = ngx_socketio_pin_variant_add(pin, kind, len);

    if (*variant == NULL) {
        rc = NGX_ERROR;
        goto done;
    }

    rc = ngx_http_socketio_ws_recode((*variant)->data, src, src + pin->len,
                                     kind, &len);

done:

    if (copy) {
        ngx_free(copy);
    }

    return rc;
}


/* NGX_OK: it has no binary frames, as most have not */

static ngx_int_t
ngx_http_socketio_ws_plain(ngx_socketio_pin_t *pin)
{
    u_char                   *p;
    size_t                    len;
    ngx_socketio_ref_t        next;
    ngx_socketio_ws_frame_t   f;

    p = ngx_socketio_bytes_span(pin->zone, pin->bytes, &len, &next);

    ngx_memzero(&f, sizeof(ngx_socketio_ws_frame_t));

    if (ngx_socketio_ws_frame_parse(&f, &p, p + len) != NGX_OK
        || f.opcode != NGX_SOCKETIO_WS_TEXT)
    {
        return NGX_DECLINED;
    }

    len = ngx_socketio_ws_frame_header(NULL, NGX_SOCKETIO_WS_TEXT, f.length);

    return (len + f.length == pin->len) ? NGX_OK : NGX_DECLINED;
}


/* measures if p is NULL */

static ngx_int_t
ngx_http_socketio_ws_recode(u_char *p, u_char *src, u_char *last,
    ngx_uint_t kind, size_t *len)
{
    size_t      n;
    ngx_int_t   rc;
    ngx_str_t   payload;
    ngx_uint_t  binary;

    *len = 0;

    for ( ;; ) {
        rc = ngx_http_socketio_frame_next(&src, last, &payload, &binary);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
        }

        if (binary) {
            n = ngx_http_socketio_ws_recode_binary(p, &payload, kind);

        } else {
            n = ngx_socketio_ws_frame_header(p,
                                 NGX_SOCKETIO_WS_FIN|NGX_SOCKETIO_WS_TEXT,
                                 payload.len);
            if (p) {
                ngx_memcpy(p + n, payload.data, payload.len);
            }

            n += payload.len;
        }

        p = p ? p + n : NULL;
        *len += n;
    }
}


static size_t
ngx_http_socketio_ws_recode_binary(u_char *p, ngx_str_t *payload,
    ngx_uint_t kind)
{
    size_t      n, len;
    ngx_uint_t  typed, base64;

    typed = (kind & NGX_HTTP_SOCKETIO_WS_TYPED) != 0;
    base64 = (kind & NGX_HTTP_SOCKETIO_WS_BASE64) != 0;

    len = typed + base64
          + (base64 ? ngx_socketio_base64_encoded_length(payload->len)
                    : payload->len);

    n = ngx_socketio_ws_frame_header(p,
                                 NGX_SOCKETIO_WS_FIN
                                 | (base64 ? NGX_SOCKETIO_WS_TEXT
                                           : NGX_SOCKETIO_WS_BINARY),
                                 len);
    if (p == NULL) {
        return n + len;
    }

    p += n;

    if (base64) {
        *p++ = 'b';
    }

    if (typed) {
        *p++ = base64 ? '0' + NGX_SOCKETIO_EIO_MESSAGE
                      : NGX_SOCKETIO_EIO_MESSAGE;
    }

    if (base64) {
        ngx_socketio_base64_encode(p, payload->data, payload->len);

    } else if (payload->len) {
        ngx_memcpy(p, payload->data, payload->len);
    }

    return n + len;
}
