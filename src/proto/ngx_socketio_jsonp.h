
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_SOCKETIO_JSONP_H_INCLUDED_
#define _NGX_SOCKETIO_JSONP_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


/* Long polling by script elements and forms, of either revision */


/* a "j" without digits: "___eio[](" */

#define NGX_SOCKETIO_JSONP_NONE  0xffffffff


/*
 * The number in a "j" of the query: its digits, whatever stands between.
 *
 * NGX_OK     *j is set, to NGX_SOCKETIO_JSONP_NONE if there are no digits
 * NGX_ERROR  NGX_SOCKETIO_JSONP_NONE or more
 */
ngx_int_t ngx_socketio_jsonp_index(uint32_t *j, u_char *p, u_char *last);

/*
 * Takes the payload out of the body of a POST, p..last, in place: the first
 * field "d" of a form, decoded; then its backslash-n become newlines, unless
 * more backslashes are before them: then there is one less (engine.io, 8).
 * What is in p..last besides the payload is unspecified afterwards.
 *
 * NGX_OK        *payload is set, perhaps empty, within p..last, and has not
 *               been checked to be UTF-8
 * NGX_DECLINED  no such field
 */
ngx_int_t ngx_socketio_jsonp_payload(ngx_str_t *payload, u_char *p,
    u_char *last);

/*
 * Decodes a name or a value of application/x-www-form-urlencoded, to dst,
 * which has room for last - p bytes and may be p itself or before it.
 * Percent signs without two digits stay.  Returns the end of the output.
 */
u_char *ngx_socketio_form_decode(u_char *dst, u_char *p, u_char *last);


/*
 * The answer to a GET is a start, the payload, in as many pieces as it comes
 * in, and an end: ___eio[0]("...");
 *
 * These return the length of their output and write it only if p is not
 * NULL.  *state is 0 before the first piece and kept between the pieces,
 * which may end anywhere, even within a character.  Who measures first does
 * so with a state of its own, over the same pieces.
 *
 * A piece of n bytes has at most 6 * n + 2 bytes of output.  Together they
 * are what JSON.stringify() writes, with U+2028 and U+2029 escaped, too, as
 * old browsers take those as ends of lines.
 */
size_t ngx_socketio_jsonp_start(u_char *p, uint32_t j);
size_t ngx_socketio_jsonp_escape(u_char *p, uint32_t *state, u_char *src,
    size_t len);
size_t ngx_socketio_jsonp_end(u_char *p, uint32_t *state);

/* no start, no end is longer */

#define NGX_SOCKETIO_JSONP_START  (sizeof("___eio[4294967295](\"") - 1)
#define NGX_SOCKETIO_JSONP_END    (2 + sizeof("\");") - 1)


#endif /* _NGX_SOCKETIO_JSONP_H_INCLUDED_ */
