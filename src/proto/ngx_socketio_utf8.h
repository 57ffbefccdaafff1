
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_SOCKETIO_UTF8_H_INCLUDED_
#define _NGX_SOCKETIO_UTF8_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


/*
 * Validates UTF-8 as RFC 3629, 4 defines it, in as many pieces as it comes
 * in.  *state is 0 before the first piece and is kept between the pieces; a
 * text is complete only if *state is 0 after the last one.
 *
 * NGX_OK     valid up to "last", perhaps in the middle of a character
 * NGX_ERROR  a byte that no continuation can make valid: overlong forms,
 *            surrogates and code points above U+10FFFF are refused at the
 *            first byte that gives them away (RFC 6455, 8.1 lets us fail
 *            before the end of the message); *state is unspecified then
 */
ngx_int_t ngx_socketio_utf8_check(uint32_t *state, u_char *p, u_char *last);

/*
 * Takes the character at *pos, which is before last, and moves *pos behind
 * it.  Returns its code point, or NGX_SOCKETIO_UTF8_INVALID and leaves *pos,
 * if there is no valid one or if it does not end before last.
 */
uint32_t ngx_socketio_utf8_decode(u_char **pos, u_char *last);

#define NGX_SOCKETIO_UTF8_INVALID  0xffffffff

/* the first byte above 0x7f, or last: then the text is all ASCII */
u_char *ngx_socketio_utf8_ascii(u_char *p, u_char *last);

/*
 * The length of valid UTF-8 in UTF-16 code units, as JavaScript counts.  The
 * lengths of the pieces of a text add up, wherever it is cut.
 */
size_t ngx_socketio_utf8_units(u_char *p, u_char *last);


#endif /* _NGX_SOCKETIO_UTF8_H_INCLUDED_ */
