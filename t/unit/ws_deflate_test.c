
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * permessage-deflate: what is agreed on for each kind of offer, the examples
 * of RFC 7692, section 7.2.3, messages that are cut short or go on too long,
 * bombs, and what is deflated, by zlib itself.
 */


#include <unistd.h>

#include "tap.h"
#include "proto/ngx_socketio_ws_deflate.c"


#define NAME    "permessage-deflate"
#define ANSWER  NAME "; server_no_context_takeover; client_no_context_takeover"

#define S(text)  (u_char *) text, sizeof(text) - 1


typedef struct {
    ngx_uint_t   window;
    const char  *offers;
    const char  *answer;            /* NULL: declined, "": malformed */
} offer_t;


static offer_t  offers[] = {
    { 12, "", NULL },
    { 12, " , ,\t,", NULL },
    { 12, NAME, ANSWER },
    { 12, NAME "; client_max_window_bits", ANSWER },    /* browsers, ws */
    { 12, "\t" NAME "\t;\tclient_max_window_bits\t", ANSWER },
    { 12, NAME ";client_max_window_bits", ANSWER },
    { 12, NAME "; server_no_context_takeover", ANSWER },
    { 12, NAME "; client_no_context_takeover", ANSWER },
    { 12, NAME "; client_no_context_takeover; server_no_context_takeover"
          "; client_max_window_bits=9; server_max_window_bits=15",
      ANSWER "; server_max_window_bits=12" },

    /* the server's window */
    { 12, NAME "; server_max_window_bits", NULL },
    { 12, NAME "; server_max_window_bits=7", NULL },
    { 12, NAME "; server_max_window_bits=8", NULL },
    { 12, NAME "; server_max_window_bits=9", NULL },
    { 12, NAME "; server_max_window_bits=10", NULL },
    { 12, NAME "; server_max_window_bits=11", NULL },
    { 12, NAME "; server_max_window_bits=12",
      ANSWER "; server_max_window_bits=12" },
    { 12, NAME "; server_max_window_bits=13",
      ANSWER "; server_max_window_bits=12" },
    { 12, NAME "; server_max_window_bits=14",
      ANSWER "; server_max_window_bits=12" },
    { 12, NAME "; server_max_window_bits=15",
      ANSWER "; server_max_window_bits=12" },
    { 12, NAME "; server_max_window_bits=16", NULL },
    { 9, NAME "; server_max_window_bits=8", NULL },
    { 9, NAME "; server_max_window_bits=9",
      ANSWER "; server_max_window_bits=9" },
    { 10, NAME "; server_max_window_bits=10",
      ANSWER "; server_max_window_bits=10" },
    { 15, NAME "; server_max_window_bits=14", NULL },
    { 15, NAME "; server_max_window_bits=15",
      ANSWER "; server_max_window_bits=15" },
    { 12, NAME "; server_max_window_bits=012", NULL },
    { 12, NAME "; server_max_window_bits=+12", NULL },
    { 12, NAME "; server_max_window_bits=12.0", NULL },
    { 12, NAME "; server_max_window_bits=0x0f", NULL },
    { 12, NAME "; server_max_window_bits=1", NULL },
    { 12, NAME "; server_max_window_bits=20", NULL },
    { 12, NAME "; server_max_window_bits=1f", NULL },
    { 12, NAME "; server_max_window_bits=150", NULL },
    { 12, NAME "; server_max_window_bits=-9", NULL },
    { 12, NAME "; server_max_window_bits=4294967308", NULL },

    /* the client's window */
    { 12, NAME "; client_max_window_bits=8", ANSWER },
    { 12, NAME "; client_max_window_bits=15", ANSWER },
    { 12, NAME "; client_max_window_bits=7", NULL },
    { 12, NAME "; client_max_window_bits=16", NULL },
    { 12, NAME "; client_max_window_bits=09", NULL },
    { 12, NAME "; client_max_window_bits=x", NULL },

    /* no values, or none at all */
    { 12, NAME "; server_no_context_takeover=1", NULL },
    { 12, NAME "; client_no_context_takeover=true", NULL },
    { 12, NAME "; client_no_context_takeover=\"\"", NULL },

    /* quoted */
    { 12, NAME "; server_max_window_bits=\"13\"",
      ANSWER "; server_max_window_bits=12" },
    { 12, NAME "; server_max_window_bits=\"1\\3\"",
      ANSWER "; server_max_window_bits=12" },
    { 12, NAME "; client_max_window_bits=\"\"", NULL },
    { 12, NAME "; client_max_window_bits=\"1,5\"", NULL },
    { 12, NAME "; client_max_window_bits=\"15 \"", NULL },
    { 12, NAME "; server_max_window_bits = \"15\" ",
      ANSWER "; server_max_window_bits=12" },
    { 12, "x; a=\"" NAME "\"", NULL },
    { 12, "x; a=\", " NAME "\"", NULL },
    { 12, "x; a=\"\\\", " NAME "; \\\\\", " NAME, ANSWER },

    /* unknown and repeated ones */
    { 12, NAME "; x", NULL },
    { 12, NAME "; x=1; client_max_window_bits", NULL },
    { 12, NAME "; client_max_window_bits; x", NULL },
    { 12, NAME "; Client_max_window_bits", NULL },
    { 12, NAME "; client_max_window_bit", NULL },
    { 12, NAME "; client_max_window_bitss", NULL },
    { 12, NAME "; client_max_window_bits; client_max_window_bits", NULL },
    { 12, NAME "; client_max_window_bits=9; client_max_window_bits=9", NULL },
    { 12, NAME "; server_max_window_bits=15; server_max_window_bits=15",
      NULL },
    { 12, NAME "; server_no_context_takeover; server_no_context_takeover",
      NULL },
    { 12, NAME "; client_no_context_takeover; client_no_context_takeover",
      NULL },

    /* others */
    { 12, "permessage-deflat", NULL },
    { 12, "permessage-deflate2", NULL },
    { 12, "PerMessage-Deflate", NULL },
    { 12, "x-webkit-deflate-frame", NULL },
    { 12, "x-webkit-deflate-frame, " NAME, ANSWER },
    { 12, "foo; bar=baz; " NAME ", " NAME "; client_max_window_bits",
      ANSWER },
    { 12, "permessage-bzip2; client_max_window_bits=99,," NAME ",,", ANSWER },

    /* several offers: the first that can be accepted */
    { 12, NAME ", " NAME "; server_max_window_bits=12", ANSWER },
    { 12, NAME "; server_max_window_bits=10," NAME, ANSWER },
    { 12, NAME "; server_max_window_bits=10; client_max_window_bits,"
          NAME "; server_max_window_bits=14," NAME,
      ANSWER "; server_max_window_bits=12" },
    { 12, NAME "; x," NAME "; server_max_window_bits=8," NAME
          "; client_max_window_bits=0", NULL },
    { 12, NAME "; server_max_window_bits=15; x, " NAME, ANSWER },

    /* malformed, whatever else is there */
    { 12, ";", "" },
    { 12, "=", "" },
    { 12, NAME ";", "" },
    { 12, NAME "; ;", "" },
    { 12, NAME "; client_max_window_bits;", "" },
    { 12, NAME "; client_max_window_bits=", "" },
    { 12, NAME "; client_max_window_bits=,", "" },
    { 12, NAME "; client_max_window_bits=\"15", "" },
    { 12, NAME "; client_max_window_bits=\"15\\", "" },
    { 12, NAME "; client_max_window_bits=\"15\\\"", "" },
    { 12, NAME "; client_max_window_bits=\"15\"15", "" },
    { 12, NAME "; client_max_window_bits 15", "" },
    { 12, NAME "; =15", "" },
    { 12, NAME " x", "" },
    { 12, NAME "=1", "" },
    { 12, "\"" NAME "\"", "" },
    { 12, NAME ", (x)", "" },
    { 12, NAME ", x; y=", "" },
    { 12, NAME "\x01", "" },
    { 12, NAME "\x80", "" },
    { 12, NAME ", \x7f", "" }
};


static ngx_socketio_ws_inflate_t  inf;


static ngx_int_t
negotiate(const char *text, size_t len, ngx_uint_t window, ngx_str_t *answer)
{
    ngx_int_t  rc;
    ngx_str_t  offer;

    offer.data = tap_copy(text, len);
    offer.len = len;

    answer->data = malloc(NGX_SOCKETIO_WS_DEFLATE_ANSWER);
    answer->len = 0;

    rc = ngx_socketio_ws_deflate_negotiate(&offer, window, answer);

    free(offer.data);

    return rc;
}


static void
test_offers(void)
{
    size_t      i, k;
    int         good;
    ngx_int_t   rc;
    offer_t    *o;
    ngx_str_t   answer;

    for (i = 0; i < sizeof(offers) / sizeof(offer_t); i++) {
        o = &offers[i];

        rc = negotiate(o->offers, strlen(o->offers), o->window, &answer);

        if (o->answer && *o->answer) {
            good = rc == NGX_OK
                   && answer.len == strlen(o->answer)
                   && memcmp(answer.data, o->answer, answer.len) == 0;

        } else {
            good = rc == (o->answer ? NGX_ERROR : NGX_DECLINED);
        }

        free(answer.data);

        /* what has been cut off must not be looked at */

        for (k = 0; k < strlen(o->offers); k++) {
            (void) negotiate(o->offers, k, o->window, &answer);
            free(answer.data);
        }

        ok(good, "offer \"%s\", window %u: %s", o->offers,
           (unsigned) o->window,
           o->answer == NULL ? "declined" : *o->answer ? o->answer
                                                       : "malformed");
    }
}


/* quadratic work would take hours of what is allowed here */

static void
test_huge(void)
{
    char             *text;
    size_t            i, n, len;
    ngx_int_t         rc;
    ngx_str_t         answer;
    static const char  *parts[] = {
        NAME "; x,", ",", " ", NAME "; client_max_window_bits=1234567890,",
        "x; y=\"\\\\\\\"\", ", NAME "; server_no_context_takeover;"
        " server_no_context_takeover,", "xxxxxxxx,"
    };

    text = malloc(4000000 + sizeof(NAME));

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        n = strlen(parts[i]);

        for (len = 0; len + n < 4000000; len += n) {
            memcpy(text + len, parts[i], n);
        }

        rc = negotiate(text, len, 12, &answer);
        ok(rc == NGX_DECLINED, "4 MB of \"%s\"", parts[i]);
        free(answer.data);

        memcpy(text + len, NAME, sizeof(NAME) - 1);

        rc = negotiate(text, len + sizeof(NAME) - 1, 12, &answer);
        ok(rc == NGX_OK, "and an offer behind it");
        free(answer.data);
    }

    memset(text, '"', 4000000);
    rc = negotiate(text, 4000000, 12, &answer);
    ok(rc == NGX_ERROR, "4 MB of quotes");
    free(answer.data);

    free(text);
}


/*
 * Inflates into buffers that grow by "step" bytes (0: has all the room at
 * once), and wants it to be the same.  *out is the caller's to free.
 */

static ngx_int_t
inflate_by(const u_char *p, size_t len, size_t max, size_t step, u_char **out,
    size_t *n)
{
    u_char     *pos, *grown;
    size_t      size;
    ngx_int_t   rc;
    ngx_str_t   payload;

    payload.data = tap_copy(p, len);
    payload.len = len;

    size = step ? ngx_min(step, max) : max;
    *out = malloc(size);
    pos = *out;

    ngx_socketio_ws_inflate_begin(&inf, &payload, max);

    for ( ;; ) {
        rc = ngx_socketio_ws_inflate(&inf, &pos, *out + size);
        *n = pos - *out;

        if (rc != NGX_AGAIN) {
            break;
        }

        if (*n != size || size == max) {
            rc = -100;
            break;
        }

        size = ngx_min(size + step, max);
        grown = malloc(size);
        memcpy(grown, *out, *n);
        free(*out);
        *out = grown;
        pos = *out + *n;
    }

    free(payload.data);

    return rc;
}


static int
inflates(const u_char *p, size_t len, size_t max, const u_char *want,
    size_t wanted)
{
    u_char     *out;
    size_t      i, n, steps[] = { 0, 1, 7, wanted / 3 + 1, wanted };
    ngx_int_t   rc;

    for (i = 0; i < 5; i++) {

        if (steps[i] && wanted / steps[i] > 10000) {
            continue;
        }

        rc = inflate_by(p, len, max, steps[i], &out, &n);

        if (rc != NGX_OK || n != wanted || memcmp(out, want, n) != 0) {
            printf("# step %u: rc %d, %u bytes\n", (unsigned) steps[i],
                   (int) rc, (unsigned) n);
            free(out);
            return 0;
        }

        free(out);
    }

    return 1;
}


static int
refused(const u_char *p, size_t len, size_t max, ngx_int_t rc)
{
    u_char     *out;
    size_t      i, n, steps[] = { 0, 1, 100, max / 7 + 1 };
    ngx_int_t   got;

    for (i = 0; i < 4; i++) {

        if (steps[i] && max / steps[i] > 10000) {
            continue;
        }

        got = inflate_by(p, len, max, steps[i], &out, &n);
        free(out);

        if (got != rc) {
            printf("# step %u: rc %d\n", (unsigned) steps[i], (int) got);
            return 0;
        }
    }

    /* and the next one does not suffer */

    return inflates(S("\xf2\x48\xcd\xc9\xc9\x07\x00"), 100, S("Hello"));
}


static void
test_rfc_examples(void)
{
    ok(inflates(S("\xf2\x48\xcd\xc9\xc9\x07\x00"), 5, S("Hello")),
       "7.2.3.1: one block");
    ok(refused(S("\xf2\x00\x11\x00\x00"), 100, NGX_DECLINED),
       "7.2.3.2: a message that needs the one before");
    ok(inflates(S("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), 5,
                S("Hello")),
       "7.2.3.3: a block without compression");
    ok(inflates(S("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 5, S("Hello")),
       "7.2.3.4: BFINAL");
    ok(inflates(S("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), 5,
                S("Hello")),
       "7.2.3.5: two blocks");
    ok(inflates(S("\x00"), 5, S("")), "7.2.3.6: an empty message");
    ok(inflates(S(""), 5, S("")), "an empty message of nothing at all");
}


static void
test_final(void)
{
    ok(inflates(S("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00"
                  "\x00"), 10, S("HelloHello")),
       "BFINAL twice");
    ok(inflates(S("\x03\x00\x03\x00\x03\x00\x00"), 5, S("")),
       "BFINAL in blocks of nothing");
    ok(inflates(S("\x01\x02\x00\xfd\xffHi\xf2\x48\xcd\xc9\xc9\x07\x00"), 7,
                S("HiHello")),
       "a stored block with BFINAL, and one without");
    ok(inflates(S("\xf2\x48\xcd\xc9\xc9\x07\x04"), 5, S("Hello")),
       "BFINAL in the block that was cut off");
    ok(inflates(S("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x01"), 5,
                S("Hello")),
       "the same, without compression");
    ok(refused(S("\xf3\x48\xcd\xc9\xc9\x07\x00"), 100, NGX_DECLINED),
       "BFINAL at the end, where a block has to begin");
    ok(refused(S("\xf3\x48\xcd\xc9\xc9\x07\x00\xff\xff"), 100, NGX_DECLINED),
       "garbage behind BFINAL");
    ok(refused(S("\xf3\x48\xcd\xc9\xc9\x07\x00garbage"), 100, NGX_DECLINED),
       "text behind BFINAL");
    ok(refused(S("\xf3\x48\xcd\xc9\xc9\x07\x00\x02\x07\x00\x00"), 100,
               NGX_DECLINED),
       "a match before the begin of what comes behind BFINAL");
}


static void
test_broken(void)
{
    ok(refused(S("\x07"), 100, NGX_DECLINED), "block of type 3");
    ok(refused(S("\xff\xff\xff\xff"), 100, NGX_DECLINED), "ff ff ff ff");
    ok(refused(S("\x00\x05\x00\xfb\xff\x48\x65\x6c\x6c\x6f\x00"), 100,
               NGX_DECLINED),
       "a length and what is not its complement");
    ok(refused(S("\x00\x05\x00\xfa\xff\x48"), 100, NGX_DECLINED),
       "a block without compression that lacks four bytes");
    ok(inflates(S("\x9a\x30\x69\xca\xb4\x19\xb3\x00\x00"), 6,
                S("\x90\x92\x94\x96\x98\x9a"))
       && refused(S("\x9a\x30\x69\xca\xb4\x19\xb3"), 100, NGX_DECLINED),
       "two bytes too many cut off, the tail ends the block before");
    ok(refused(S("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"), 100,
               NGX_DECLINED),
       "the tail is there already");
    ok(refused(S("\xf2\x48\xcd\xc9\xc9\x07\x00\x00"), 100, NGX_DECLINED),
       "a byte too many");
    ok(refused(S("\x78\x9c\xf2\x48\xcd\xc9\xc9\x07\x00"), 100, NGX_DECLINED),
       "a header of zlib");
}


/* by zlib itself: whatever its settings, with one flush at the end */

static size_t
deflated(u_char *out, size_t size, const u_char *p, size_t len, int level,
    int window, int flush)
{
    z_stream  z;

    memset(&z, 0, sizeof(z));
    deflateInit2(&z, level, Z_DEFLATED, -window, 8, Z_DEFAULT_STRATEGY);

    z.next_in = (u_char *) p;
    z.avail_in = len;
    z.next_out = out;
    z.avail_out = size;

    (void) deflate(&z, flush);

    size -= z.avail_out;
    deflateEnd(&z);

    return flush == Z_SYNC_FLUSH ? size - 4 : size;
}


/* text of some words, so that there is something to find again */

static void
fill(u_char *p, size_t len, unsigned seed)
{
    size_t        i, k, n;
    static const char  *words[] = {
        "{\"user\":", "\"alice\"", ",\"text\":[", "null", "]}", "\xc3\xa9",
        "true,", "0.125", "socket", "engine"
    };

    for (i = 0; i < len; i += n) {
        seed = seed * 1103515245 + 12345;
        k = seed >> 16;
        n = ngx_min(strlen(words[k % 10]), len - i);
        memcpy(p + i, words[k % 10], n);

        if (k % 7 == 0 && i + n < len) {
            p[i + n] = (u_char) ('0' + k % 75);
            n++;
        }
    }
}


static void
test_settings(void)
{
    int      level, window;
    u_char  *p, *z;
    size_t   i, n, sizes[] = { 1, 2, 100, 5000, 131072, 300000 };

    p = malloc(300000);
    z = malloc(400000);

    fill(p, 300000, 1);

    for (i = 0; i < 6; i++) {
        for (level = 0; level <= 9; level += 3) {
            for (window = 9; window <= 15; window += 2) {
                n = deflated(z, 400000, p, sizes[i], level, window,
                             Z_SYNC_FLUSH);

                ok(inflates(z, n, sizes[i], p, sizes[i]),
                   "%u bytes of zlib's level %d, window %d",
                   (unsigned) sizes[i], level, window);
            }
        }

        n = deflated(z, 400000, p, sizes[i], 6, 15, Z_FINISH);
        z[n++] = 0;

        ok(inflates(z, n, sizes[i], p, sizes[i]), "%u bytes with BFINAL",
           (unsigned) sizes[i]);
    }

    free(p);
    free(z);
}


static void
test_cut(void)
{
    int       level, bad;
    u_char   *p, *z, *out;
    size_t    i, n, m;

    p = malloc(3000);
    z = malloc(4000);

    fill(p, 3000, 2);

    for (level = 0; level <= 9; level += 3) {
        n = deflated(z, 4000, p, 3000, level, 15, Z_SYNC_FLUSH);

        /* the first byte of level 0 is that of any block: a message */

        for (i = level ? 1 : 2, bad = 0; i < n; i++) {
            bad += inflate_by(z, i, 10000, 0, &out, &m) != NGX_DECLINED;
            free(out);
        }

        ok(bad == 0, "level %d, cut behind each of %u bytes", level,
           (unsigned) n);
    }

    free(p);
    free(z);
}


static void
test_limits(void)
{
    u_char  *p, *z;
    size_t   n, len;

    len = 2000000;
    p = calloc(len, 1);
    z = malloc(100000);

    fill(p, 70000, 3);
    n = deflated(z, 100000, p, 70000, 6, 15, Z_SYNC_FLUSH);

    ok(inflates(z, n, 70000, p, 70000), "as much as is allowed");
    ok(refused(z, n, 69999, NGX_ABORT), "a byte more");
    ok(refused(z, n, 1, NGX_ABORT), "much more");
    ok(refused(S("\xf2\x48\xcd\xc9\xc9\x07\x00"), 4, NGX_ABORT),
       "a byte more, of few");

    memset(p, 0, 70000);
    n = deflated(z, 100000, p, 20001, 6, 15, Z_SYNC_FLUSH);

    ok(inflates(z, n, 20001, p, 20001)
       && n * NGX_SOCKETIO_WS_INFLATE_RATIO < 20000
       && refused(z, n, 20000, NGX_ABORT),
       "a byte more than is allowed, and small enough not to be a bomb");

    n = deflated(z, 100000, p, len, 9, 15, Z_SYNC_FLUSH);
    ok(len / n > 1000, "a bomb: %u bytes for %u", (unsigned) n,
       (unsigned) len);
    ok(refused(z, n, 1000000, NGX_ABORT), "is too big");
    ok(refused(z, n, len, NGX_ABORT), "would be if it were not");

    n = deflated(z, 100000, p, NGX_SOCKETIO_WS_INFLATE_FREE, 9, 15,
                 Z_SYNC_FLUSH);
    ok(inflates(z, n, len, p, NGX_SOCKETIO_WS_INFLATE_FREE),
       "%u zeros are no bomb", NGX_SOCKETIO_WS_INFLATE_FREE);

    n = deflated(z, 100000, p, NGX_SOCKETIO_WS_INFLATE_FREE + 1, 9, 15,
                 Z_SYNC_FLUSH);
    ok(refused(z, n, len, NGX_ABORT), "one more is one");

    free(p);
    free(z);
}


/*
 * A bomb of "len" zeros in exactly "total" bytes, by empty blocks before it;
 * 0: they do not come out even.
 */

static int
bomb(u_char *z, size_t total, const u_char *zeros, size_t len)
{
    size_t  i, n;

    n = deflated(z, total, zeros, len, 9, 15, Z_SYNC_FLUSH);

    if (n > total || (total - n) % 5) {
        return 0;
    }

    memmove(z + total - n, z, n);

    for (i = 0; i < total - n; i += 5) {
        memcpy(z + i, "\x00\x00\x00\xff\xff", 5);
    }

    return 1;
}


static void
test_ratio(void)
{
    u_char  *zeros, *z;
    size_t   n, len, least;

    /* where the ratio begins to count */

    least = NGX_SOCKETIO_WS_INFLATE_FREE / NGX_SOCKETIO_WS_INFLATE_RATIO + 1;

    zeros = calloc((least + 10) * NGX_SOCKETIO_WS_INFLATE_RATIO, 1);
    z = malloc(least + 10);

    for (n = least; n < least + 9; n++) {
        len = n * NGX_SOCKETIO_WS_INFLATE_RATIO;

        if (bomb(z, n, zeros, len)) {
            break;
        }
    }

    ok(n < least + 9 && inflates(z, n, 2 * len, zeros, len), "%u bytes of %u",
       (unsigned) len, (unsigned) n);
    ok(bomb(z, n, zeros, len + 1) && refused(z, n, 2 * len, NGX_ABORT),
       "one byte more of %u", (unsigned) n);

    free(zeros);
    free(z);
}


/* zlib itself, which in small pieces looks no further back than was said */

static int
zlib_reads(u_char *p, size_t len, ngx_uint_t window, u_char *want,
    size_t wanted)
{
    int       rc, good;
    u_char   *in, out[100];
    size_t    n;
    z_stream  z;

    in = malloc(len + 4);
    memcpy(in, p, len);
    memcpy(in + len, "\x00\x00\xff\xff", 4);

    memset(&z, 0, sizeof(z));
    inflateInit2(&z, - (int) window);

    z.next_in = in;
    z.avail_in = len + 4;

    do {
        z.next_out = out;
        z.avail_out = sizeof(out);
        rc = inflate(&z, Z_SYNC_FLUSH);

        n = sizeof(out) - z.avail_out;
        good = rc == Z_OK && n <= wanted && memcmp(out, want, n) == 0;

        want += n;
        wanted -= n;
    } while (good && (z.avail_in || wanted));

    inflateEnd(&z);
    free(in);

    return good;
}


/* in parts of "step" bytes; what it was, by zlib and by our own reader */

static ngx_int_t
round_trip(ngx_socketio_ws_deflate_t *d, ngx_uint_t window, u_char *p,
    size_t len, size_t step)
{
    u_char     *out, *part;
    size_t      i, n, m;
    ngx_int_t   rc;

    out = malloc(len + NGX_SOCKETIO_WS_DEFLATE_SLACK);

    ngx_socketio_ws_deflate_begin(d, out, len);

    rc = NGX_OK;

    for (i = 0; i < len && rc == NGX_OK; i += n) {
        n = ngx_min(step, len - i);
        part = tap_copy(p + i, n);
        rc = ngx_socketio_ws_deflate_add(d, part, n);
        free(part);
    }

    if (rc == NGX_OK) {
        rc = ngx_socketio_ws_deflate_finish(d, &m);
    }

    if (rc == NGX_OK
        && (m >= len || !zlib_reads(out, m, window, p, len)
            || (len <= m * NGX_SOCKETIO_WS_INFLATE_RATIO
                && !inflates(out, m, len, p, len))))
    {
        rc = NGX_ERROR;
    }

    free(out);

    return rc;
}


static void
test_deflate(void)
{
    u_char                     *p;
    size_t                      i, k, bad, worse;
    ngx_uint_t                  window;
    ngx_socketio_ws_deflate_t   d;
    size_t                      sizes[] = { 60, 200, 1024, 5000, 70000,
                                            300000 };

    p = malloc(300000);

    for (window = 9; window <= 15; window++) {
        ok(ngx_socketio_ws_deflate_init(&d, window) == NGX_OK,
           "a stream of window %u", (unsigned) window);

        for (i = 0; i < 6; i++) {
            fill(p, sizes[i], 10 + i);

            ok(round_trip(&d, window, p, sizes[i], sizes[i]) == NGX_OK
               && round_trip(&d, window, p, sizes[i], 4000) == NGX_OK
               && round_trip(&d, window, p, sizes[i], 13) == NGX_OK,
               "%u bytes, there and back", (unsigned) sizes[i]);
        }

        /* what does not get smaller is refused, and never overflows */

        srandom(4);

        for (i = 0, bad = 0; i < 3000; i++) {
            for (k = 0; k < i; k++) {
                p[k] = (u_char) random();
            }

            bad += round_trip(&d, window, p, i, 1000) != NGX_DECLINED;
        }

        ok(bad == 0, "0 to 2999 bytes of noise: left alone");

        for (i = 0, bad = 0, worse = 0; i < 600; i++) {
            fill(p, i, i);

            switch (round_trip(&d, window, p, i, 50)) {
            case NGX_OK:
                break;
            case NGX_DECLINED:
                worse += i >= 100;
                break;
            default:
                bad++;
            }
        }

        ok(bad == 0, "0 to 599 bytes of text: right or left alone");
        ok(worse == 0, "from 100 on always deflated");

        memset(p, 'x', 300000);
        ok(round_trip(&d, window, p, 300000, 4000) != NGX_ERROR,
           "300000 times the same");

        ngx_socketio_ws_deflate_end(&d);
    }

    free(p);
}


int
main(void)
{
    alarm(120);

    test_offers();
    test_huge();

    ok(ngx_socketio_ws_inflate_init(&inf) == NGX_OK, "a stream to inflate");

    test_rfc_examples();
    test_final();
    test_broken();
    test_settings();
    test_cut();
    test_limits();
    test_ratio();

    test_deflate();

    ngx_socketio_ws_inflate_end(&inf);

    return tap_done();
}
