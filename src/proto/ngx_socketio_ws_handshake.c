
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_core.h"
#include "proto/ngx_socketio_ws_handshake.h"


static ngx_int_t ngx_socketio_ws_same(u_char *p, ngx_str_t *token);
static ngx_int_t ngx_socketio_ws_base64(u_char ch);


ngx_int_t
ngx_socketio_ws_check_connection(ngx_str_t *value)
{
    static ngx_str_t  token = ngx_string("upgrade");

    return ngx_socketio_ws_list_has(value, &token);
}


ngx_int_t
ngx_socketio_ws_check_upgrade(ngx_str_t *value)
{
    static ngx_str_t  token = ngx_string("websocket");

    return ngx_socketio_ws_list_has(value, &token);
}


/*
 * 22 digits hold 132 bits, four more than the key has.  Encoders leave them
 * zero, but decoders need not insist (RFC 4648, section 3.5), and other
 * servers do not.
 */

ngx_int_t
ngx_socketio_ws_check_key(ngx_str_t *value)
{
    size_t  i;

    if (value->len != NGX_SOCKETIO_WS_KEY_LEN) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_SOCKETIO_WS_KEY_LEN - 2; i++) {
        if (!ngx_socketio_ws_base64(value->data[i])) {
            return NGX_DECLINED;
        }
    }

    if (value->data[i] != '=' || value->data[i + 1] != '=') {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_socketio_ws_check_version(ngx_str_t *value)
{
    /* section 4.1: leading zeros are no part of the grammar */

    if (value->len == 2 && value->data[0] == '1' && value->data[1] == '3') {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


/*
 * RFC 9110, section 5.6.1: elements are separated by commas, with optional
 * white space on either side; empty ones are ignored.
 */

ngx_int_t
ngx_socketio_ws_list_has(ngx_str_t *value, ngx_str_t *token)
{
    size_t   i, start, end;
    u_char  *p;

    p = value->data;

    for (i = 0; i < value->len; i++) {

        start = i;

        while (i < value->len && p[i] != ',') {
            i++;
        }

        end = i;

        while (start < end && (p[start] == ' ' || p[start] == '\t')) {
            start++;
        }

        while (start < end && (p[end - 1] == ' ' || p[end - 1] == '\t')) {
            end--;
        }

        if (end - start == token->len
            && ngx_socketio_ws_same(p + start, token) == NGX_OK)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_socketio_ws_same(u_char *p, ngx_str_t *token)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < token->len; i++) {
        ch = p[i];

        if (ch >= 'A' && ch <= 'Z') {
            ch |= 0x20;
        }

        if (ch != token->data[i]) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_ws_base64(u_char ch)
{
    return (ch >= 'A' && ch <= 'Z')
           || (ch >= 'a' && ch <= 'z')
           || (ch >= '0' && ch <= '9')
           || ch == '+'
           || ch == '/';
}
