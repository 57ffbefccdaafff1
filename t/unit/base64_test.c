
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Base64.  Fails if a group, an alphabet or the padding is wrong, if the
 * lenient decoder parts from Buffer.from() of Node.js 20 (the expectations
 * were printed by it), if the strict one lets two texts be one identifier,
 * or if decoding in place overwrites what was not read yet.
 */


#include "tap.h"

#include "proto/ngx_socketio_base64.c"


#define v(text)  text, sizeof(text) - 1


static struct {
    const char  *text;
    size_t       len;
    const char  *bytes;
    size_t       nbytes;
} lenient[] = {
    { v(""), v("") },
    { v("Zg=="), v("f") },
    { v("Zm8="), v("fo") },
    { v("Zm9v"), v("foo") },
    { v("AQIDBA=="), v("\1\2\3\4") },
    { v("AQID"), v("\1\2\3") },
    { v("AAT/"), v("\0\4\xff") },
    { v("Zg"), v("f") },
    { v("Zm8"), v("fo") },
    { v("A"), v("") },
    { v("AA"), v("\0") },
    { v("AAA"), v("\0\0") },
    { v("AAAA="), v("\0\0\0") },
    { v("AAAAA"), v("\0\0\0") },
    { v("YW-_"), v("ao\xbf") },
    { v("YW+/"), v("ao\xbf") },
    { v("Y W\nJ*j"), v("abc") },
    { v("Y\xc3\xa9WJj"), v("abc") },
    { v("YQ==YQ=="), v("a") },
    { v("YQ==Yg"), v("a") },
    { v("Y=Q"), v("") },
    { v("===="), v("") },
    { v("=YWJj"), v("") },
    { v("YWJj=YWJj"), v("abc") },
    { v("YWJjZA==YWJj"), v("abcd") },
    { v("YWJjZA=YWJj"), v("abcd") },
    { v("YWJjYQ=\n="), v("abca") },
    { v("\xff\x80\0@[`{"), v("") }
};


static const char  *strict_bad[] = {
    "A", "AAAAA", "AA==", "AA=", "=", "AA+A", "AA/A", "AA A", "AAA\n",
    "AB", "AP", "AAB", "AAD", "A\303\251A", "AA.A", "~AAA"
};


static void
test_lenient(void)
{
    size_t   i, len, max;
    u_char  *src, *dst;

    for (i = 0; i < sizeof(lenient) / sizeof(lenient[0]); i++) {
        src = tap_copy(lenient[i].text, lenient[i].len);
        max = ngx_socketio_base64_decoded_length(lenient[i].len);
        dst = malloc(max);
        len = 12345;

        ok(ngx_socketio_base64_decode(dst, &len, src, src + lenient[i].len)
           == NGX_OK
           && len == lenient[i].nbytes && len <= max
           && memcmp(dst, lenient[i].bytes, len) == 0,
           "lenient %zu: as Node.js", i);

        len = 12345;

        ok(ngx_socketio_base64_decode(src, &len, src, src + lenient[i].len)
           == NGX_OK
           && len == lenient[i].nbytes
           && memcmp(src, lenient[i].bytes, len) == 0,
           "lenient %zu: in place", i);

        free(src);
        free(dst);
    }
}


static void
test_strict(void)
{
    size_t   i, n, len;
    u_char  *src, dst[16];

    for (i = 0; i < sizeof(strict_bad) / sizeof(strict_bad[0]); i++) {
        n = strlen(strict_bad[i]);
        src = tap_copy(strict_bad[i], n);

        ok(ngx_socketio_base64url_decode(dst, &len, src, src + n)
           == NGX_ERROR, "strict: bad %zu", i);

        free(src);
    }

    src = tap_copy("-_8", 3);

    ok(ngx_socketio_base64url_decode(dst, &len, src, src + 3) == NGX_OK
       && len == 2 && memcmp(dst, "\xfb\xff", 2) == 0, "strict: - and _");

    free(src);
}


static void
test_encode(void)
{
    size_t         i;
    u_char         out[16];
    static struct {
        const char  *bytes;
        const char  *plain;
        const char  *url;
    } t[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
        { "\xfb\xff\xbf", "+/+/", "-_-_" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        ok(ngx_socketio_base64_encode(out, (u_char *) t[i].bytes,
                                      strlen(t[i].bytes))
           == strlen(t[i].plain)
           && memcmp(out, t[i].plain, strlen(t[i].plain)) == 0,
           "encode \"%s\"", t[i].plain);

        ok(ngx_socketio_base64url_encode(out, (u_char *) t[i].bytes,
                                         strlen(t[i].bytes))
           == strlen(t[i].url)
           && memcmp(out, t[i].url, strlen(t[i].url)) == 0,
           "encode \"%s\" for URLs", t[i].url);
    }
}


/* memory of exactly the length that was measured, both ways */

static int
round_trip(u_char *bytes, size_t n)
{
    int      good;
    size_t   len, len2;
    u_char  *text, *back;

    len = ngx_socketio_base64_encode(NULL, bytes, n);
    text = malloc(len);
    back = malloc(ngx_socketio_base64_decoded_length(len));
    good = ngx_socketio_base64_encode(text, bytes, n) == len
           && ngx_socketio_base64_decode(back, &len2, text, text + len)
              == NGX_OK
           && len2 == n && memcmp(back, bytes, n) == 0;
    free(text);
    free(back);

    len = ngx_socketio_base64url_encode(NULL, bytes, n);
    text = malloc(len);
    back = malloc(n);
    good = good && ngx_socketio_base64url_encode(text, bytes, n) == len
           && ngx_socketio_base64url_decode(back, &len2, text, text + len)
              == NGX_OK
           && len2 == n && memcmp(back, bytes, n) == 0;

    if (good && len) {

        /* any other last digit is refused or is another identifier */

        text[len - 1] = text[len - 1] == 'A' ? 'B' : text[len - 1] - 1;
        good = ngx_socketio_base64url_decode(back, &len2, text, text + len)
               == NGX_ERROR
               || len2 != n || memcmp(back, bytes, n) != 0;
    }

    free(text);
    free(back);

    return good;
}


int
main(void)
{
    size_t    n, i;
    u_char    bytes[64];
    uint32_t  seed;

    test_encode();
    test_lenient();
    test_strict();

    seed = 1;

    for (n = 0; n <= sizeof(bytes); n++) {
        for (i = 0; i < n; i++) {
            seed = seed * 1103515245 + 12345;
            bytes[i] = seed >> 16;
        }

        ok(round_trip(bytes, n), "round trip of %zu bytes", n);
    }

    return tap_done();
}
