
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * UTF-8.  Fails if a range of RFC 3629, 4 is off by one, if a bad byte is
 * noticed later than it could be, if the state between pieces loses
 * anything, if the fast path for ASCII reads or skips too much, or if a
 * character is decoded or counted as another one.
 */


#include "tap.h"

#include "proto/ngx_socketio_utf8.c"


#define INCOMPLETE  NGX_AGAIN


typedef struct {
    const char  *text;
    size_t       len;
    ngx_int_t    rc;
    const char  *name;
} vector_t;

#define v(text, rc, name)  { text, sizeof(text) - 1, rc, name }


static vector_t  vectors[] = {
    v("", NGX_OK, "empty"),
    v("a", NGX_OK, "one letter"),
    v("a\0b", NGX_OK, "zero byte"),
    v("0123456789abcdef0123", NGX_OK, "ASCII longer than a word"),
    v("\x7f\xc2\x80", NGX_OK, "U+0080"),
    v("\xdf\xbf", NGX_OK, "U+07FF"),
    v("\xe0\xa0\x80", NGX_OK, "U+0800"),
    v("\xed\x9f\xbf", NGX_OK, "U+D7FF"),
    v("\xee\x80\x80", NGX_OK, "U+E000"),
    v("\xef\xbf\xbf", NGX_OK, "U+FFFF"),
    v("\xf0\x90\x80\x80", NGX_OK, "U+10000"),
    v("\xf4\x8f\xbf\xbf", NGX_OK, "U+10FFFF"),
    v("utf8 \xe2\x80\x94 string \xf0\x9f\x98\x80!", NGX_OK, "mixed text"),

    v("\x80", NGX_ERROR, "stray continuation"),
    v("a\xbf", NGX_ERROR, "stray continuation after a letter"),
    v("\xc0", NGX_ERROR, "overlong lead c0"),
    v("\xc1", NGX_ERROR, "overlong lead c1"),
    v("\xc0\xaf", NGX_ERROR, "overlong slash, 2 bytes"),
    v("\xe0\x80", NGX_ERROR, "overlong, 3 bytes, at the second"),
    v("\xe0\x9f\xbf", NGX_ERROR, "overlong U+07FF"),
    v("\xf0\x80", NGX_ERROR, "overlong, 4 bytes, at the second"),
    v("\xf0\x8f\xbf\xbf", NGX_ERROR, "overlong U+FFFF"),
    v("\xed\xa0", NGX_ERROR, "first surrogate at the second byte"),
    v("\xed\xa0\x80", NGX_ERROR, "U+D800"),
    v("\xed\xbf\xbf", NGX_ERROR, "U+DFFF"),
    v("\xf4\x90", NGX_ERROR, "above U+10FFFF at the second byte"),
    v("\xf4\x90\x80\x80", NGX_ERROR, "U+110000"),
    v("\xf5", NGX_ERROR, "lead f5"),
    v("\xf8\x88\x80\x80\x80", NGX_ERROR, "5 bytes"),
    v("\xfe", NGX_ERROR, "fe"),
    v("\xff", NGX_ERROR, "ff"),
    v("\xc3(", NGX_ERROR, "letter in place of a continuation"),
    v("\xe2\x82(", NGX_ERROR, "letter in place of the last one"),
    v("\xf0\x9f\x98\xc3", NGX_ERROR, "lead in place of the last one"),
    v("01234567\xff", NGX_ERROR, "bad byte after a whole word"),
    v("0123456\xff" "8", NGX_ERROR, "bad byte at the end of a word"),

    v("\xc3", INCOMPLETE, "1 of 2"),
    v("\xe2\x82", INCOMPLETE, "2 of 3"),
    v("\xf0", INCOMPLETE, "1 of 4"),
    v("\xf0\x9f\x98", INCOMPLETE, "3 of 4"),
    v("01234567\xf0\x9f", INCOMPLETE, "2 of 4 after a word")
};


/* every beginning of every character, from an encoder of its own */

static u_char  begins1[256], begins2[1 << 16], begins3[1 << 24];


static ngx_int_t
result(uint32_t *state, u_char *p, u_char *last)
{
    if (ngx_socketio_utf8_check(state, p, last) != NGX_OK) {
        return NGX_ERROR;
    }

    return *state ? INCOMPLETE : NGX_OK;
}


static ngx_int_t
whole(const void *text, size_t len)
{
    u_char     *p;
    uint32_t    state;
    ngx_int_t   rc;

    state = 0;
    p = tap_copy(text, len);
    rc = result(&state, p, p + len);
    free(p);

    return rc;
}


/* in three pieces, each in memory of its own */

static ngx_int_t
pieces(const char *text, size_t len, size_t i, size_t j)
{
    size_t      k, at[4] = { 0, i, j, len };
    u_char     *p;
    uint32_t    state;
    ngx_int_t   rc;

    state = 0;
    rc = NGX_OK;

    for (k = 0; k < 3 && rc != NGX_ERROR; k++) {
        p = tap_copy(text + at[k], at[k + 1] - at[k]);
        rc = result(&state, p, p + at[k + 1] - at[k]);
        free(p);
    }

    return rc;
}


static size_t
encode(u_char *b, uint32_t c)
{
    if (c < 0x80) {
        b[0] = c;
        return 1;
    }

    if (c < 0x800) {
        b[0] = 0xc0 + c / 64;
        b[1] = 0x80 + c % 64;
        return 2;
    }

    if (c < 0x10000) {
        b[0] = 0xe0 + c / 4096;
        b[1] = 0x80 + c / 64 % 64;
        b[2] = 0x80 + c % 64;
        return 3;
    }

    b[0] = 0xf0 + c / 262144;
    b[1] = 0x80 + c / 4096 % 64;
    b[2] = 0x80 + c / 64 % 64;
    b[3] = 0x80 + c % 64;
    return 4;
}


static void
make_begins(void)
{
    u_char    b[4];
    size_t    len;
    uint32_t  c;

    for (c = 0x80; c < 0x110000; c++) {

        if (c >= 0xd800 && c <= 0xdfff) {
            continue;
        }

        len = encode(b, c);

        begins1[b[0]] = 1;
        begins2[b[0] * 256 + b[1]] = (len == 2) ? 2 : 1;

        if (len > 2) {
            begins3[(b[0] * 256 + b[1]) * 256 + b[2]] = (len == 3) ? 2 : 1;
        }
    }
}


static ngx_int_t
reference(u_char *p, size_t len)
{
    size_t  i;
    u_char  one, two, three;

    for (i = 0; i < len; /* void */ ) {

        if (p[i] < 0x80) {
            i++;
            continue;
        }

        one = begins1[p[i]];

        if (one == 0 || i + 1 == len) {
            return one ? INCOMPLETE : NGX_ERROR;
        }

        two = begins2[p[i] * 256 + p[i + 1]];

        if (two == 2) {
            i += 2;
            continue;
        }

        if (two == 0 || i + 2 == len) {
            return two ? INCOMPLETE : NGX_ERROR;
        }

        three = begins3[(p[i] * 256 + p[i + 1]) * 256 + p[i + 2]];

        if (three == 2) {
            i += 3;
            continue;
        }

        if (three == 0 || i + 3 == len) {
            return three ? INCOMPLETE : NGX_ERROR;
        }

        if (p[i + 3] < 0x80 || p[i + 3] > 0xbf) {
            return NGX_ERROR;
        }

        i += 4;
    }

    return NGX_OK;
}


/* whether the first character is decoded if and only if there is one */

static int
decodes(u_char *b, size_t len)
{
    size_t     n;
    u_char    *p, *q;
    uint32_t   c;
    ngx_int_t  rc;

    rc = NGX_AGAIN;

    for (n = 1; n <= len; n++) {
        rc = reference(b, n);

        if (rc != INCOMPLETE) {
            break;
        }
    }

    p = tap_copy(b, len);
    q = p;
    c = ngx_socketio_utf8_decode(&q, p + len);
    len = q - p;
    free(p);

    return c == NGX_SOCKETIO_UTF8_INVALID ? rc != NGX_OK && len == 0
                                          : rc == NGX_OK && len == n;
}


static void
test_decode(void)
{
    u_char    b[4], *p;
    size_t    len;
    uint32_t  c, bad;

    bad = 0;

    for (c = 0; c < 0x110000; c++) {

        if (c >= 0xd800 && c <= 0xdfff) {
            continue;
        }

        len = encode(b, c);
        p = b;

        bad += ngx_socketio_utf8_decode(&p, b + len) != c || p != b + len;
        bad += ngx_socketio_utf8_units(b, b + len) != (c < 0x10000 ? 1 : 2);
        bad += ngx_socketio_utf8_ascii(b, b + len) != (len == 1 ? b + 1 : b);
    }

    ok(bad == 0, "all characters are decoded and counted");
}


/* how much is ASCII, how long all is, and that pieces add up */

static void
units(const char *text, size_t len, size_t expected)
{
    size_t   i, good, n;
    u_char  *p, *first, *second;

    p = tap_copy(text, len);

    for (n = 0; n < len && p[n] < 0x80; n++) { /* void */ }

    ok(ngx_socketio_utf8_ascii(p, p + len) == p + n, "%s: its ASCII", text);
    ok(ngx_socketio_utf8_units(p, p + len) == expected,
       "eio 79: %s is %zu units", text, expected);

    good = 1;

    for (i = 0; i <= len; i++) {
        first = tap_copy(text, i);
        second = tap_copy(text + i, len - i);
        good &= ngx_socketio_utf8_units(first, first + i)
                + ngx_socketio_utf8_units(second, second + len - i)
                == expected;
        free(first);
        free(second);
    }

    ok(good, "%s: in any two pieces", text);

    free(p);
}


#define u(text, n)  units(text, sizeof(text) - 1, n)


static void
test_units(void)
{
    u("", 0);
    u("a", 1);
    u("12345678", 8);
    u("123456789", 9);
    u("\xc3\xa9", 1);
    u("\xe2\x82\xac", 1);
    u("\xf0\x9f\x98\x80", 2);
    u("4a\xe2\x82\xac\xf0\x9f\x98\x80", 5);
    u("12345678\xc3\xa9" "12345678\xf0\x9f\x98\x80" "1234567", 26);
}


static void
test_reference(void)
{
    u_char         b[4];
    size_t         len;
    uint32_t       n, state, differ;
    static u_char  edge[] = {
        0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1,
        0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3,
        0xf4, 0xf5, 0xff
    };

    make_begins();

    differ = 0;

    for (n = 0; n < 256 + 65536; n++) {
        b[0] = n < 256 ? n : (n - 256) / 256;
        b[1] = (n - 256) % 256;
        len = n < 256 ? 1 : 2;
        state = 0;
        differ += result(&state, b, b + len) != reference(b, len);
        differ += !decodes(b, len);
    }

    ok(differ == 0, "all of 1 and 2 bytes as the reference says");

    differ = 0;

    for (n = 0; n < 2 * 25 * 25 * 25 * 25; n++) {
        b[0] = edge[n / 2 % 25];
        b[1] = edge[n / 50 % 25];
        b[2] = edge[n / 1250 % 25];
        b[3] = edge[n / 31250 % 25];
        len = 3 + n % 2;
        state = 0;
        differ += result(&state, b, b + len) != reference(b, len);
        differ += !decodes(b, len);
    }

    ok(differ == 0, "3 and 4 bytes of every edge as the reference says");
}


static void
test_offsets(void)
{
    char    text[40];
    size_t  i;

    for (i = 0; i < 32; i++) {
        memset(text, 'a', sizeof(text));
        memcpy(text + i, "\xf0\x9f\x98\x80", 4);

        ok(whole(text, sizeof(text)) == NGX_OK, "a character at %zu", i);

        text[i + 3] = 'a';

        ok(whole(text, sizeof(text)) == NGX_ERROR, "a torn one at %zu", i);
    }
}


int
main(void)
{
    size_t     i, j, k, good;
    vector_t  *t;

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        t = &vectors[i];

        ok(whole(t->text, t->len) == t->rc, "%s", t->name);

        good = 1;

        for (j = 0; j <= t->len; j++) {
            for (k = j; k <= t->len; k++) {
                good &= pieces(t->text, t->len, j, k) == t->rc;
            }
        }

        ok(good, "%s, in any three pieces", t->name);
    }

    test_offsets();
    test_reference();
    test_decode();
    test_units();

    return tap_done();
}
