
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The same input for our code and for another one that should come to the
 * same result: JSON and Jansson, which commands of backends go through as
 * well; UTF-8, forms and headers of websockets and the simplest program that
 * does what their specification says.
 */


#define _GNU_SOURCE

#include <stdlib.h>
#include <strings.h>

#include <jansson.h>

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_json_mend.c"
#include "proto/ngx_socketio_jsonp.c"
#include "proto/ngx_socketio_ws_handshake.c"


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        abort();                                                              \
    }


static void fuzz_json(u_char *p, size_t len);
static ngx_uint_t fuzz_nul(u_char *p, size_t len);
static void fuzz_utf8(u_char *p, size_t len);
static ngx_uint_t fuzz_character(u_char *p, size_t left);
static void fuzz_form(u_char *p, size_t len);
static void fuzz_header(u_char *p, size_t len);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char  *p;

    p = malloc(size);
    must(p != NULL);

    if (size) {
        memcpy(p, data, size);
    }

    fuzz_json(p, size);
    fuzz_utf8(p, size);
    fuzz_form(p, size);
    fuzz_header(p, size);

    free(p);

    return 0;
}


/*
 * Jansson takes what we take, once it has been mended, but for names with NUL
 * in them, and we all that it takes, but for a NUL, at which it ends
 */

static void
fuzz_json(u_char *p, size_t len)
{
    size_t         n;
    u_char        *copy, *text;
    json_t        *value;
    ngx_int_t      rc;
    json_error_t   error;

    rc = ngx_socketio_json_check(p, p + len, NGX_SOCKETIO_JSON_MAX_DEPTH);

    copy = malloc(len + 1);
    memcpy(copy, p, len);

    if (rc == NGX_OK) {
        ngx_socketio_json_mend(copy, copy + len);
    }

    value = json_loadb((char *) copy, len,
                       JSON_DECODE_ANY|JSON_ALLOW_NUL|JSON_DECODE_INT_AS_REAL,
                       &error);

    if (rc == NGX_OK) {
        must(value != NULL || fuzz_nul(p, len));

    } else if (rc == NGX_ERROR && memchr(p, '\0', len) == NULL) {
        must(value == NULL);
    }

    if (rc == NGX_OK && json_is_string(value)) {
        text = malloc(len);
        n = len;

        while (copy[n - 1] != '"') {
            n--;
        }

        must(ngx_socketio_json_string(text, &n,
                                      ngx_socketio_json_space(copy,
                                                              copy + len),
                                      copy + n)
             == NGX_OK);
        must(n == json_string_length(value));
        must(memcmp(text, json_string_value(value), n) == 0);
        free(text);
    }

    json_decref(value);
    free(copy);
}


static ngx_uint_t
fuzz_nul(u_char *p, size_t len)
{
    return memmem(p, len, "\\u0000", 6) != NULL;
}


static void
fuzz_utf8(u_char *p, size_t len)
{
    size_t      i, n;
    u_char     *pos;
    uint32_t    state, ch;
    ngx_int_t   rc;
    ngx_uint_t  units;

    units = 0;

    for (i = 0; i < len; i += n) {
        n = fuzz_character(p + i, len - i);

        if (n == 0) {
            break;
        }

        pos = p + i;
        ch = ngx_socketio_utf8_decode(&pos, p + len);

        must(pos == p + i + n);
        must(n == 1 ? ch == p[i] : ch >= (n == 2 ? 0x80u
                                          : n == 3 ? 0x800u : 0x10000u));
        units += 1 + (n == 4);
    }

    state = 0;
    rc = ngx_socketio_utf8_check(&state, p, p + len);

    must((rc == NGX_OK && state == 0) == (i == len));

    if (i == len) {
        must(ngx_socketio_utf8_units(p, p + len) == units);
    }
}


/* how long the one at p is, as Unicode's table 3-7 has it; 0: none */

static ngx_uint_t
fuzz_character(u_char *p, size_t left)
{
    size_t      i;
    ngx_uint_t  row;

    static const struct {
        u_char  len, first[2], second[2];
    } rows[] = {
        { 1, { 0x00, 0x7f }, { 0, 0 } },
        { 2, { 0xc2, 0xdf }, { 0x80, 0xbf } },
        { 3, { 0xe0, 0xe0 }, { 0xa0, 0xbf } },
        { 3, { 0xe1, 0xec }, { 0x80, 0xbf } },
        { 3, { 0xed, 0xed }, { 0x80, 0x9f } },
        { 3, { 0xee, 0xef }, { 0x80, 0xbf } },
        { 4, { 0xf0, 0xf0 }, { 0x90, 0xbf } },
        { 4, { 0xf1, 0xf3 }, { 0x80, 0xbf } },
        { 4, { 0xf4, 0xf4 }, { 0x80, 0x8f } }
    };

    for (row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {

        if (p[0] < rows[row].first[0] || p[0] > rows[row].first[1]) {
            continue;
        }

        if (rows[row].len > left) {
            return 0;
        }

        for (i = 1; i < rows[row].len; i++) {
            if (p[i] < (i == 1 ? rows[row].second[0] : 0x80)
                || p[i] > (i == 1 ? rows[row].second[1] : 0xbf))
            {
                return 0;
            }
        }

        return rows[row].len;
    }

    return 0;
}


/* elsewhere as in place, and as strtoul() reads it */

static void
fuzz_form(u_char *p, size_t len)
{
    char     digits[3];
    size_t   i, n;
    u_char  *a, *b;

    a = malloc(len + 1);
    b = malloc(len + 1);
    memcpy(b, p, len);

    for (n = 0, i = 0; i < len; i++) {
        a[n] = p[i] == '+' ? ' ' : p[i];

        if (p[i] == '%' && i + 2 < len
            && strchr("0123456789abcdefABCDEF", p[i + 1]) && p[i + 1]
            && strchr("0123456789abcdefABCDEF", p[i + 2]) && p[i + 2])
        {
            digits[0] = (char) p[i + 1];
            digits[1] = (char) p[i + 2];
            digits[2] = '\0';
            a[n] = (u_char) strtoul(digits, NULL, 16);
            i += 2;
        }

        n++;
    }

    must(ngx_socketio_form_decode(b, b, b + len) == b + n);
    must(memcmp(a, b, n) == 0);

    free(a);
    free(b);
}


static void
fuzz_header(u_char *p, size_t len)
{
    char       *text, *word, *next;
    size_t      n;
    ngx_str_t   value;
    ngx_uint_t  upgrade;

    value.data = p;
    value.len = len;
    upgrade = 0;

    (void) ngx_socketio_ws_check_upgrade(&value);
    (void) ngx_socketio_ws_check_version(&value);

    /* a header has no NUL in it */

    if (len && memchr(p, '\0', len) != NULL) {
        return;
    }

    text = malloc(len + 1);
    memcpy(text, p, len);
    text[len] = '\0';

    must((ngx_socketio_ws_check_key(&value) == NGX_OK)
         == (len == 24 && strcmp(text + 22, "==") == 0
             && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"
                             "nopqrstuvwxyz0123456789+/") == 22));

    for (next = text; (word = strsep(&next, ",")) != NULL; ) {
        word += strspn(word, " \t");

        for (n = strlen(word); n && strchr(" \t", word[n - 1]); n--) {
            word[n - 1] = '\0';
        }

        upgrade |= (strcasecmp(word, "upgrade") == 0);
    }

    must((ngx_socketio_ws_check_connection(&value) == NGX_OK) == upgrade);

    free(text);
}
