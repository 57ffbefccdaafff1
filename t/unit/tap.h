
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * TAP for the unit tests of src/proto.  A test includes the .c files that it
 * examines, reports with ok() and ends with "return tap_done();": the plan is
 * printed last, so that a test that dies half-way fails under prove.
 */


#ifndef _TAP_H_INCLUDED_
#define _TAP_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static unsigned  tap_run, tap_failed;


static inline int
tap_ok(int good, const char *file, int line, const char *fmt, ...)
{
    va_list  args;

    tap_run++;
    tap_failed += !good;

    printf("%sok %u - ", good ? "" : "not ", tap_run);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");

    if (!good) {
        printf("#   at %s line %d\n", file, line);
    }

    fflush(stdout);

    return good;
}


static inline int
tap_done(void)
{
    printf("1..%u\n", tap_run);
    return tap_failed || tap_run == 0;
}


/*
 * A copy in memory of exactly its size, the caller's to free: one byte read
 * past the end of the input is a report of the address sanitizer.
 */

static inline unsigned char *
tap_copy(const void *text, size_t len)
{
    unsigned char  *p;

    p = malloc(len);

    if (len) {
        memcpy(p, text, len);
    }

    return p;
}


#define ok(good, ...)  tap_ok(!!(good), __FILE__, __LINE__, __VA_ARGS__)


#endif /* _TAP_H_INCLUDED_ */
