
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_SOCKETIO_JSON_H_INCLUDED_
#define _NGX_SOCKETIO_JSON_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


/* containers within containers; bounds the bit stacks on the C stack */

#define NGX_SOCKETIO_JSON_MAX_DEPTH  1024


/* a bit for every level of nesting, 0 the outermost */

typedef u_char  ngx_socketio_json_bits_t[NGX_SOCKETIO_JSON_MAX_DEPTH / 8];

#define ngx_socketio_json_bit(bits, n)  (((bits)[(n) / 8] >> ((n) % 8)) & 1)

#define ngx_socketio_json_bit_put(bits, n, on)                                \
    (bits)[(n) / 8] = (u_char) (((bits)[(n) / 8] & ~(1 << ((n) % 8)))         \
                                | ((on) ? 1 << ((n) % 8) : 0))


/*
 * Checks that p..last is exactly one RFC 8259 value, white space around it
 * allowed.  "depth" is how many containers may be open at once: 0 admits
 * scalars only, "[]" needs 1; above NGX_SOCKETIO_JSON_MAX_DEPTH it counts
 * as that.
 *
 * NGX_OK        one value
 * NGX_ERROR     anything else, invalid UTF-8 included
 * NGX_DECLINED  deeper than "depth"; the rest was not looked at
 */
ngx_int_t ngx_socketio_json_check(u_char *p, u_char *last, ngx_uint_t depth);

/*
 * Of text that is not JSON, the first token that cannot be there, or the byte
 * that is not UTF-8, or last if more was expected; NULL: it is JSON.
 */
u_char *ngx_socketio_json_where(u_char *p, u_char *last);

/*
 * All below expect text that ngx_socketio_json_check() passed, or a span of
 * it.  With other text the result is unspecified, but nothing outside of
 * p..last is ever read.
 */

/* the first byte that is not white space, or last */
u_char *ngx_socketio_json_space(u_char *p, u_char *last);

/* the first byte after the value at p; white space before it is allowed */
u_char *ngx_socketio_json_skip(u_char *p, u_char *last);

/*
 * Decodes a string token, from its opening quote at p up to its closing one
 * at last - 1.  dst has room for last - p bytes and may be p itself.  A lone
 * surrogate, which JSON can spell and UTF-8 cannot, becomes U+FFFD.
 *
 * NGX_OK     *len bytes are in dst
 * NGX_ERROR  not a string token
 */
ngx_int_t ngx_socketio_json_string(u_char *dst, size_t *len, u_char *p,
    u_char *last);

/*
 * What many programs refuse, or cannot write again, and with it all that is
 * in the same text, is replaced in its place: half a surrogate pair, which
 * JSON can spell and UTF-8 cannot, by \ufffd; numbers that JavaScript reads as
 * Infinity by null, which it writes for that.
 */
void ngx_socketio_json_mend(u_char *p, u_char *last);

/* the value of 4 hexadecimal digits; above 0xffff if they are none */
uint32_t ngx_socketio_json_hex4(u_char *p, u_char *last);

/*
 * Whether the string token p..last, quotes included, decodes to the "len"
 * bytes at "text".  Needs no memory, however long the token is.
 */
ngx_uint_t ngx_socketio_json_equal(u_char *p, u_char *last, u_char *text,
    size_t len);

/*
 * Finds the value at a path such as "a.b.0": names of members and decimal
 * indices of elements, with dots between them.  A name with a dot in it or
 * an empty one cannot be reached.  The empty path is the whole text.  Of
 * members with the same name the last one counts, as in JSON.parse().
 *
 * NGX_OK        *value is the raw JSON of the value, without white space
 *               around it, within p..last
 * NGX_DECLINED  there is none; *value is unchanged
 */
ngx_int_t ngx_socketio_json_pick(u_char *p, u_char *last, ngx_str_t *path,
    ngx_str_t *value);


/*
 * Encoders return the length of their output and write it only if p is not
 * NULL.
 */

/*
 * The inside of a JSON string, without the quotes: src must be UTF-8, which
 * is copied as it is.
 */
size_t ngx_socketio_json_escape(u_char *p, u_char *src, size_t len);

#define ngx_socketio_json_escape_len(src, len)                                \
    ngx_socketio_json_escape(NULL, src, len)

/*
 * JSON text, or a span of it, in ASCII: \uXXXX in place of other characters,
 * two of them above U+FFFF; \ufffd for bytes that are not UTF-8.
 */
size_t ngx_socketio_json_ascii(u_char *p, u_char *src, size_t len);

/* a number in decimal */
size_t ngx_socketio_json_uint(u_char *p, uint64_t n);


#endif /* _NGX_SOCKETIO_JSON_H_INCLUDED_ */
