
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What a server checks in an opening handshake, RFC 6455, section 4.2.1.
 * Values come without white space around them, as nginx parses header lines.
 */


#ifndef _NGX_SOCKETIO_WS_HANDSHAKE_H_INCLUDED_
#define _NGX_SOCKETIO_WS_HANDSHAKE_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


#define NGX_SOCKETIO_WS_KEY_LEN   24

/* appended to the key before SHA-1, section 1.3 */
#define NGX_SOCKETIO_WS_GUID      "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


/*
 * All return NGX_OK or NGX_DECLINED.  A header that is absent is passed as an
 * empty string.  One that came in several lines is their list joined with
 * commas (RFC 9110, section 5.3): it has the token if any line has.
 */

/* "Connection" has the token "upgrade" */
ngx_int_t ngx_socketio_ws_check_connection(ngx_str_t *value);

/* "Upgrade" has the token "websocket" */
ngx_int_t ngx_socketio_ws_check_upgrade(ngx_str_t *value);

/* "Sec-WebSocket-Key" is the base64 of 16 bytes */
ngx_int_t ngx_socketio_ws_check_key(ngx_str_t *value);

/* "Sec-WebSocket-Version" is 13; if not: 426 and the header, section 4.4 */
ngx_int_t ngx_socketio_ws_check_version(ngx_str_t *value);

/* a comma list has the token, in whatever case; token is in lower case */
ngx_int_t ngx_socketio_ws_list_has(ngx_str_t *value, ngx_str_t *token);


#endif /* _NGX_SOCKETIO_WS_HANDSHAKE_H_INCLUDED_ */
