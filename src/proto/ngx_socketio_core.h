
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What the pure layer may know of nginx: integer and string types, return
 * codes and memory macros.  Within nginx they are nginx's own; with
 * -DNGX_SOCKETIO_STANDALONE=1 (unit tests, fuzzers) libc stands in, so that
 * whatever else a file of this layer uses fails to compile there.
 */


#ifndef _NGX_SOCKETIO_CORE_H_INCLUDED_
#define _NGX_SOCKETIO_CORE_H_INCLUDED_


#if !(NGX_SOCKETIO_STANDALONE)

#include <ngx_config.h>
#include <ngx_core.h>

#else

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>


typedef intptr_t   ngx_int_t;
typedef uintptr_t  ngx_uint_t;
typedef ngx_uint_t ngx_msec_t;

typedef struct {
    size_t    len;
    u_char   *data;
} ngx_str_t;


#define NGX_OK           0
#define NGX_ERROR       -1
#define NGX_AGAIN       -2
#define NGX_BUSY        -3
#define NGX_DONE        -4
#define NGX_DECLINED    -5
#define NGX_ABORT       -6

#define ngx_inline       inline

#define ngx_string(s)    { sizeof(s) - 1, (u_char *) s }
#define ngx_null_string  { 0, NULL }
#define ngx_str_set(s, text)                                                  \
    (s)->len = sizeof(text) - 1; (s)->data = (u_char *) text
#define ngx_str_null(s)  (s)->len = 0; (s)->data = NULL

#define ngx_memzero(b, n)      (void) memset(b, 0, n)
#define ngx_memset(b, c, n)    (void) memset(b, c, n)
#define ngx_memcpy(d, s, n)    (void) memcpy(d, s, n)
#define ngx_cpymem(d, s, n)    (((u_char *) memcpy(d, s, n)) + (n))
#define ngx_memmove(d, s, n)   (void) memmove(d, s, n)
#define ngx_memcmp(a, b, n)    memcmp(a, b, n)
#define ngx_strncmp(a, b, n)   strncmp((const char *) a, (const char *) b, n)

#define ngx_min(a, b)    ((a) > (b) ? (b) : (a))
#define ngx_max(a, b)    ((a) < (b) ? (b) : (a))

#endif


#define ngx_socketio_is_digit(ch)  ((ch) >= '0' && (ch) <= '9')


#endif /* _NGX_SOCKETIO_CORE_H_INCLUDED_ */
