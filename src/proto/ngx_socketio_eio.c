
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_json.h"


#define ngx_socketio_eio_literal(p, text)                                     \
    ngx_socketio_eio_put(p, (u_char *) text, sizeof(text) - 1)


static size_t ngx_socketio_eio_put(u_char **p, u_char *text, size_t len);
static size_t ngx_socketio_eio_number(u_char **p, uint64_t n);


ngx_str_t  ngx_socketio_eio_errors[NGX_SOCKETIO_EIO_NERRORS] = {
    ngx_string("Transport unknown"),
    ngx_string("Session ID unknown"),
    ngx_string("Bad handshake method"),
    ngx_string("Bad request"),
    ngx_string("Forbidden"),
    ngx_string("Unsupported protocol version")
};


ngx_int_t
ngx_socketio_eio_parse(ngx_socketio_eio_packet_t *pkt, u_char *p,
    u_char *last, ngx_uint_t revision)
{
    pkt->binary = (p < last && *p == 'b');

    if (pkt->binary) {
        p++;
    }

    if (pkt->binary && revision >= 4) {
        pkt->type = NGX_SOCKETIO_EIO_MESSAGE;

    } else {

        if (p == last || *p < '0' || *p > '0' + NGX_SOCKETIO_EIO_NOOP) {
            return NGX_ERROR;
        }

        pkt->type = *p++ - '0';
    }

    pkt->data.data = p;
    pkt->data.len = last - p;

    return NGX_OK;
}


ngx_int_t
ngx_socketio_eio_payload_next(u_char **pos, u_char *last,
    ngx_socketio_eio_packet_t *pkt)
{
    u_char  *p, *end;

    p = *pos;

    if (p == NULL) {
        return NGX_DONE;
    }

    end = (p == last) ? NULL
                      : memchr(p, NGX_SOCKETIO_EIO_SEPARATOR, last - p);

    if (end == NULL) {
        *pos = NULL;
        return ngx_socketio_eio_parse(pkt, p, last, 4);
    }

    /* with a final separator the next call finds an empty packet */

    *pos = end + 1;

    return ngx_socketio_eio_parse(pkt, p, end, 4);
}


ngx_uint_t
ngx_socketio_eio_status(ngx_uint_t code)
{
    return code == NGX_SOCKETIO_EIO_FORBIDDEN ? 403 : 400;
}


size_t
ngx_socketio_eio_error(u_char *p, ngx_uint_t code)
{
    if (code >= NGX_SOCKETIO_EIO_NERRORS) {
        code = NGX_SOCKETIO_EIO_BAD_REQUEST;
    }

    return ngx_socketio_eio_error_text(p, code,
                                       &ngx_socketio_eio_errors[code]);
}


size_t
ngx_socketio_eio_error_text(u_char *p, ngx_uint_t code, ngx_str_t *text)
{
    size_t  n, len;

    if (code >= NGX_SOCKETIO_EIO_NERRORS) {
        code = NGX_SOCKETIO_EIO_BAD_REQUEST;
    }

    len = ngx_socketio_eio_literal(&p, "{\"code\":");
    len += ngx_socketio_eio_number(&p, code);
    len += ngx_socketio_eio_literal(&p, ",\"message\":\"");

    n = ngx_socketio_json_escape(p, text->data, text->len);
    p = (p != NULL) ? p + n : NULL;

    return len + n + ngx_socketio_eio_literal(&p, "\"}");
}


size_t
ngx_socketio_eio_open(u_char *p, ngx_socketio_eio_open_t *o)
{
    size_t  len;

    /* the order in which Engine.IO servers have always written the members */

    len = ngx_socketio_eio_literal(&p, "0{\"sid\":\"");
    len += ngx_socketio_eio_put(&p, o->sid.data, o->sid.len);
    len += ngx_socketio_eio_literal(&p, "\",\"upgrades\":[");

    if (o->upgrade) {
        len += ngx_socketio_eio_literal(&p, "\"websocket\"");
    }

    len += ngx_socketio_eio_literal(&p, "],\"pingInterval\":");
    len += ngx_socketio_eio_number(&p, o->ping_interval);
    len += ngx_socketio_eio_literal(&p, ",\"pingTimeout\":");
    len += ngx_socketio_eio_number(&p, o->ping_timeout);

    if (!o->revision3) {
        len += ngx_socketio_eio_literal(&p, ",\"maxPayload\":");
        len += ngx_socketio_eio_number(&p, o->max_payload);
    }

    return len + ngx_socketio_eio_literal(&p, "}");
}


/* these append at *p and move it, unless it is NULL */

static size_t
ngx_socketio_eio_put(u_char **p, u_char *text, size_t len)
{
    if (*p != NULL && len != 0) {
        *p = ngx_cpymem(*p, text, len);
    }

    return len;
}


static size_t
ngx_socketio_eio_number(u_char **p, uint64_t n)
{
    size_t  len;

    len = ngx_socketio_json_uint(*p, n);

    if (*p != NULL) {
        *p += len;
    }

    return len;
}
