
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * JSON: the checker, and what relies on it.  The first byte of the input
 * chooses the depth, the rest is the text and, taken as it is, a string to
 * escape and a path.
 */


#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_json_pick.c"
#include "proto/ngx_socketio_json_mend.c"


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        abort();                                                              \
    }


static void fuzz_valid(u_char *p, u_char *last, ngx_str_t *path);
static void fuzz_infinite(u_char *p, u_char *text, size_t len);
static void fuzz_mend(u_char *p, size_t len);
static void fuzz_any(u_char *p, u_char *last, ngx_str_t *path);
static void fuzz_escape(u_char *p, size_t len);
static void fuzz_ascii(u_char *token, size_t len, u_char *p, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t      len, cut;
    u_char     *text;
    ngx_int_t   rc;
    ngx_str_t   path;
    ngx_uint_t  depth;

    if (size < 2) {
        return 0;
    }

    depth = data[0];
    len = size - 1;

    text = malloc(len);
    must(text != NULL);
    memcpy(text, data + 1, len);

    /* the last bytes are the path, in memory of its own */

    path.len = ngx_min(len, (size_t) data[0] % 8);
    path.data = malloc(path.len);
    memcpy(path.data, text + len - path.len, path.len);

    rc = ngx_socketio_json_check(text, text + len, depth);

    must((ngx_socketio_json_where(text, text + len) == NULL)
         == (ngx_socketio_json_check(text, text + len,
                                     NGX_SOCKETIO_JSON_MAX_DEPTH)
             == NGX_OK));

    must(rc == NGX_OK || rc == NGX_ERROR || rc == NGX_DECLINED);

    if (rc == NGX_OK) {
        must(ngx_socketio_json_check(text, text + len, depth + 1) == NGX_OK);
        fuzz_valid(text, text + len, &path);
        fuzz_mend(text, len);

        /* whole text ends with a bracket: no beginning is valid */

        if (text[len - 1] == ']' || text[len - 1] == '}') {
            cut = data[0] % len;
            must(ngx_socketio_json_check(text, text + cut, depth)
                 == NGX_ERROR);
        }
    }

    fuzz_any(text, text + len, &path);
    fuzz_escape(text, len);

    free(path.data);
    free(text);

    return 0;
}


static void
fuzz_valid(u_char *p, u_char *last, ngx_str_t *path)
{
    size_t     len;
    u_char    *start, *end, *text;
    uint32_t   utf8;
    ngx_str_t  value;

    start = ngx_socketio_json_space(p, last);
    end = ngx_socketio_json_skip(p, last);

    must(end > start && ngx_socketio_json_space(end, last) == last);
    must(ngx_socketio_json_check(start, end, NGX_SOCKETIO_JSON_MAX_DEPTH)
         == NGX_OK);

    if (ngx_socketio_json_pick(p, last, path, &value) == NGX_OK) {
        must(value.data >= p && value.data + value.len <= last);
        must(ngx_socketio_json_check(value.data, value.data + value.len,
                                     NGX_SOCKETIO_JSON_MAX_DEPTH)
             == NGX_OK);
    }

    if (*start != '"') {
        must(ngx_socketio_json_string(NULL, &len, start, end) == NGX_ERROR);
        return;
    }

    text = malloc(end - start);
    must(ngx_socketio_json_string(text, &len, start, end) == NGX_OK);
    must(len <= (size_t) (end - start) - 2);
    must(ngx_socketio_json_equal(start, end, text, len));

    utf8 = 0;
    must(ngx_socketio_utf8_check(&utf8, text, text + len) == NGX_OK
         && utf8 == 0);

    fuzz_escape(text, len);
    free(text);
}


/* a text that is a number, as libc reads it */

static void
fuzz_infinite(u_char *p, u_char *text, size_t len)
{
    char    *number;
    double   value;

    if (len == 0 || (*p != '-' && !ngx_socketio_is_digit(*p))) {
        return;
    }

    number = malloc(len + 1);
    must(number != NULL);
    memcpy(number, p, len);
    number[len] = '\0';

    value = strtod(number, NULL);
    free(number);

    if (isinf(value)) {
        must(memcmp(text, "null", 4) == 0);

    } else if (fabs(value) < DBL_MAX) {
        must(memcmp(text, p, len) == 0);
    }
}


/* what is mended is valid, and says what decoding made of it before */

static void
fuzz_mend(u_char *p, size_t len)
{
    size_t   n, m;
    u_char  *text, *was, *is;

    text = malloc(len);
    was = malloc(len);
    is = malloc(len);
    must(text != NULL && was != NULL && is != NULL);

    memcpy(text, p, len);
    ngx_socketio_json_mend(text, text + len);

    must(ngx_socketio_json_check(text, text + len,
                                 NGX_SOCKETIO_JSON_MAX_DEPTH)
         == NGX_OK);

    fuzz_infinite(p, text, len);

    if (ngx_socketio_json_string(was, &n, p, p + len) == NGX_OK) {
        must(ngx_socketio_json_string(is, &m, text, text + len) == NGX_OK);
        must(n == m && memcmp(was, is, n) == 0);
    }

    free(text);
    free(was);
    free(is);
}


/* what was not checked must still keep to its bounds */

static void
fuzz_any(u_char *p, u_char *last, ngx_str_t *path)
{
    size_t     len;
    u_char    *end, *text;
    ngx_str_t  value;

    end = ngx_socketio_json_skip(p, last);
    must(end >= p && end <= last);

    if (ngx_socketio_json_pick(p, last, path, &value) == NGX_OK) {
        must(value.data >= p && value.data + value.len <= last);
    }

    text = malloc(last - p);

    if (ngx_socketio_json_string(text, &len, p, last) == NGX_OK) {
        must(len <= (size_t) (last - p));
    }

    (void) ngx_socketio_json_equal(p, last, path->data, path->len);

    free(text);
}


static void
fuzz_escape(u_char *p, size_t len)
{
    size_t    n, len2;
    u_char   *token, *text;
    uint32_t  utf8;

    n = ngx_socketio_json_escape(NULL, p, len);
    token = malloc(n + 2);
    text = malloc(n + 2);

    token[0] = token[n + 1] = '"';
    must(ngx_socketio_json_escape(token + 1, p, len) == n);

    utf8 = 0;

    if (ngx_socketio_utf8_check(&utf8, p, p + len) == NGX_OK && utf8 == 0) {
        must(ngx_socketio_json_check(token, token + n + 2, 0) == NGX_OK);

    } else {
        must(ngx_socketio_json_check(token, token + n + 2, 0) == NGX_ERROR);
    }

    must(ngx_socketio_json_string(text, &len2, token, token + n + 2)
         == NGX_OK);
    must(len2 == len && memcmp(text, p, len) == 0);
    must(ngx_socketio_json_equal(token, token + n + 2, p, len));

    if (ngx_socketio_json_check(token, token + n + 2, 0) == NGX_OK) {
        fuzz_ascii(token, n + 2, p, len);
    }

    free(token);
    free(text);
}


/* a string token in ASCII is the same string */

static void
fuzz_ascii(u_char *token, size_t len, u_char *p, size_t size)
{
    size_t   n;
    u_char  *text;

    n = ngx_socketio_json_ascii(NULL, token, len);
    text = malloc(n);

    must(ngx_socketio_json_ascii(text, token, len) == n);
    must(ngx_socketio_utf8_ascii(text, text + n) == text + n);
    must(ngx_socketio_json_equal(text, text + n, p, size));

    free(text);
}
