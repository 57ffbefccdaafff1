
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "tap.h"
#include "proto/ngx_socketio_ws_frame.c"


typedef struct {
    const char  *name;
    const char  *bytes;
    size_t       len;
    ngx_int_t    rc;
    unsigned     fin;
    unsigned     rsv;
    unsigned     opcode;
    unsigned     masked;
    uint64_t     length;
} vector_t;


#define S(text)  text, sizeof(text) - 1


static vector_t  vectors[] = {

    /* section 5.7 */

    { "unmasked text", S("\x81\x05"), NGX_OK, 1, 0, 1, 0, 5 },
    { "masked text", S("\x81\x85\x37\xfa\x21\x3d"), NGX_OK, 1, 0, 1, 1, 5 },
    { "first fragment", S("\x01\x03"), NGX_OK, 0, 0, 1, 0, 3 },
    { "last fragment", S("\x80\x02"), NGX_OK, 1, 0, 0, 0, 2 },
    { "ping", S("\x89\x05"), NGX_OK, 1, 0, 9, 0, 5 },
    { "256 bytes", S("\x82\x7e\x01\x00"), NGX_OK, 1, 0, 2, 0, 256 },
    { "64K", S("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"), NGX_OK,
      1, 0, 2, 0, 65536 },

    { "empty", S("\x82\x80\x01\x02\x03\x04"), NGX_OK, 1, 0, 2, 1, 0 },
    { "125", S("\x82\xfd\x01\x02\x03\x04"), NGX_OK, 1, 0, 2, 1, 125 },
    { "126", S("\x82\xfe\x00\x7e\x01\x02\x03\x04"), NGX_OK, 1, 0, 2, 1, 126 },
    { "65535", S("\x82\xfe\xff\xff\x01\x02\x03\x04"), NGX_OK,
      1, 0, 2, 1, 65535 },
    { "65536 masked",
      S("\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00\xff\xfe\xfd\x00"),
      NGX_OK, 1, 0, 2, 1, 65536 },
    { "63 bits", S("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"),
      NGX_OK, 1, 0, 2, 1, 0x7fffffffffffffff },
    { "every bit",
      S("\xff\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"),
      NGX_OK, 1, 7, 15, 1, 0x0102030405060708 },
    { "no bit", S("\x00\x00"), NGX_OK, 0, 0, 0, 0, 0 },
    { "RSV1", S("\xc1\x00"), NGX_OK, 1, NGX_SOCKETIO_WS_FRAME_RSV1, 1, 0, 0 },
    { "RSV3", S("\x90\x00"), NGX_OK, 1, 1, 0, 0, 0 },
    { "ping of 126 is not judged here", S("\x89\xfe\x00\x7e\x01\x02\x03\x04"),
      NGX_OK, 1, 0, 9, 1, 126 },

    { "125 in 16 bits", S("\x82\xfe\x00\x7d"), NGX_ERROR, 0, 0, 0, 0, 0 },
    { "0 in 16 bits", S("\x82\x7e\x00\x00"), NGX_ERROR, 0, 0, 0, 0, 0 },
    { "65535 in 64 bits", S("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff"),
      NGX_ERROR, 0, 0, 0, 0, 0 },
    { "1 in 64 bits", S("\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01"),
      NGX_ERROR, 0, 0, 0, 0, 0 },
    { "64 bits", S("\x82\xff\x80"), NGX_ERROR, 0, 0, 0, 0, 0 },
    { "64 bits, all", S("\x82\x7f\xff"), NGX_ERROR, 0, 0, 0, 0, 0 }
};


/*
 * Feeds v->bytes and tail, the first part being of "split" bytes, then parts
 * of "step"; each in memory of its own size.  Returns whether the header is as
 * it should be and the tail untouched.
 */

static int
feed(vector_t *v, const char *tail, size_t split, size_t step)
{
    size_t                    n, total, done;
    u_char                   *part, *pos, bytes[64];
    ngx_int_t                 rc;
    ngx_socketio_ws_frame_t   f;

    memset(&f, 0, sizeof(f));
    memcpy(bytes, v->bytes, v->len);
    memcpy(bytes + v->len, tail, strlen(tail));
    total = v->len + strlen(tail);

    rc = NGX_AGAIN;

    for (done = 0; rc == NGX_AGAIN && done < total; /* void */ ) {
        n = done ? step : split;
        n = ngx_min(n, total - done);

        part = malloc(n);
        memcpy(part, bytes + done, n);
        pos = part;

        rc = ngx_socketio_ws_frame_parse(&f, &pos, part + n);

        if (rc == NGX_AGAIN && pos != part + n) {
            rc = NGX_ABORT;
        }

        done += pos - part;
        free(part);

        split = step;
    }

    if (rc != v->rc || done != v->len) {
        return 0;
    }

    if (rc == NGX_ERROR) {
        pos = bytes;
        return ngx_socketio_ws_frame_parse(&f, &pos, bytes + 1) == NGX_ERROR
               && pos == bytes;
    }

    return f.fin == v->fin && f.rsv == v->rsv && f.opcode == v->opcode
           && f.masked == v->masked && f.length == v->length
           && memcmp(f.mask, v->masked ? v->bytes + v->len - 4 : "\0\0\0\0", 4)
              == 0;
}


static void
test_parse(void)
{
    int        good;
    size_t     i, split;
    vector_t  *v;

    for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        v = &vectors[i];

        good = 1;

        for (split = 1; split <= v->len; split++) {
            good &= feed(v, "", split, v->len);
            good &= feed(v, "tail", split, v->len + 4);
        }

        ok(good, "%s, in two parts", v->name);
        ok(feed(v, "", 1, 1), "%s, byte by byte", v->name);
        ok(feed(v, "tail", v->len + 4, 1), "%s, with payload", v->name);
    }
}


/* a parser that is not cleared keeps the mask or length of the last header */

static void
test_reuse(void)
{
    u_char                    bytes[] = "\x82\xfe\x01\x00" "abcd" "\x01\x02";
    u_char                   *pos, *last;
    ngx_socketio_ws_frame_t   f;

    memset(&f, 0, sizeof(f));

    pos = bytes;
    last = bytes + sizeof(bytes) - 1;

    ok(ngx_socketio_ws_frame_parse(&f, &pos, last) == NGX_OK
       && f.length == 256 && f.masked && memcmp(f.mask, "abcd", 4) == 0,
       "first header");
    ok(ngx_socketio_ws_frame_parse(&f, &pos, last) == NGX_OK
       && f.length == 2 && !f.masked && !f.fin && f.opcode == 1
       && memcmp(f.mask, "\0\0\0\0", 4) == 0,
       "second header");
    ok(ngx_socketio_ws_frame_parse(&f, &pos, last) == NGX_AGAIN, "no third");
    ok(sizeof(f) == 16, "16 bytes of state");
}


static void
test_header(void)
{
    static struct {
        uint64_t     len;
        size_t       size;
        const char  *bytes;
    } v[] = {
        { 0, 2, "\x81\x00" },
        { 1, 2, "\x81\x01" },
        { 125, 2, "\x81\x7d" },
        { 126, 4, "\x81\x7e\x00\x7e" },
        { 256, 4, "\x81\x7e\x01\x00" },
        { 65535, 4, "\x81\x7e\xff\xff" },
        { 65536, 10, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" },
        { 0x0102030405060708, 10, "\x81\x7f\x01\x02\x03\x04\x05\x06\x07\x08" },
        { 0x7fffffffffffffff, 10, "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff" }
    };

    size_t                    i, n, written;
    u_char                   *p, *pos;
    ngx_socketio_ws_frame_t   f;

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        n = ngx_socketio_ws_frame_header(NULL, 0x81, v[i].len);
        p = malloc(n);
        written = ngx_socketio_ws_frame_header(p, 0x81, v[i].len);

        ok(n == v[i].size && n <= NGX_SOCKETIO_WS_HEADER_MAX && written == n
           && memcmp(p, v[i].bytes, n) == 0,
           "header of %llu", (unsigned long long) v[i].len);

        memset(&f, 0, sizeof(f));
        pos = p;

        ok(ngx_socketio_ws_frame_parse(&f, &pos, p + n) == NGX_OK
           && pos == p + n && f.length == v[i].len && f.fin && !f.masked,
           "is read back");

        free(p);
    }

    p = malloc(2);
    ngx_socketio_ws_frame_header(p, NGX_SOCKETIO_WS_FIN|NGX_SOCKETIO_WS_RSV1
                                    |NGX_SOCKETIO_WS_BINARY, 3);
    ok(memcmp(p, "\xc2\x03", 2) == 0, "FIN, RSV1, binary");
    free(p);
}


/* all lengths, offsets and alignments about the word size, by the definition */

static void
test_unmask(void)
{
    int      good, same;
    size_t   len, offset, align, i, cut;
    u_char  *src, *dst, mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
    u_char   expected[64], text[64];

    good = 1;
    same = 1;

    for (i = 0; i < 64; i++) {
        text[i] = i * 7 + 1;
    }

    for (len = 0; len < 36; len++) {
        for (offset = 0; offset < 9; offset++) {
            for (align = 0; align < 8; align++) {

                for (i = 0; i < len; i++) {
                    expected[i] = text[i] ^ mask[(offset + i) % 4];
                }

                src = malloc(align + len);
                dst = malloc(len);
                memcpy(src + align, text, len);

                ngx_socketio_ws_unmask(dst, src + align, len, mask, offset);
                good &= (memcmp(dst, expected, len) == 0);
                good &= (memcmp(src + align, text, len) == 0);

                cut = len * 3 / 5;
                ngx_socketio_ws_unmask(src + align, src + align, cut, mask,
                                       offset);
                ngx_socketio_ws_unmask(src + align + cut, src + align + cut,
                                       len - cut, mask, offset + cut);
                same &= (memcmp(src + align, expected, len) == 0);

                free(src);
                free(dst);
            }
        }
    }

    ok(good, "unmask elsewhere");
    ok(same, "unmask in place, in two parts");

    memcpy(text, "\x7f\x9f\x4d\x51\x58", 5);
    ngx_socketio_ws_unmask(text, text, 5, mask, 0);
    ok(memcmp(text, "Hello", 5) == 0, "Hello of section 5.7");

    ngx_socketio_ws_unmask(text, text, 5, mask, ~(size_t) 3);
    ok(memcmp(text, "\x7f\x9f\x4d\x51\x58", 5) == 0, "an offset about to wrap");
}


int
main(void)
{
    test_parse();
    test_reuse();
    test_header();
    test_unmask();

    return tap_done();
}
