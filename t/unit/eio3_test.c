
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Payloads of Engine.IO revision 3.  Fails if lengths of text are bytes or
 * code points, if a payload yields a packet after a bad one or loses one
 * before it, if a length is believed that is no number or that leads beyond
 * the body or into a character, if the bytes of entries differ from those of
 * other servers, or if the ASCII form touches more than the JSON.
 */


#include "tap.h"

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_base64.c"
#include "proto/ngx_socketio_sio.c"
#include "proto/ngx_socketio_eio.c"
#include "proto/ngx_socketio_eio3.c"


#define nelts(a)  (sizeof(a) / sizeof((a)[0]))

#define EURO      "\xe2\x82\xac"
#define SMILE     "\xf0\x9f\x98\x80"
#define ZEROS10   "\0\0\0\0\0\0\0\0\0\0"


typedef ngx_int_t (*next_pt)(u_char **pos, u_char *last,
    ngx_socketio_eio3_packet_t *pkt);


/*
 * Decodes a body of exact size to "(packet)" for text and "<packet>" for raw
 * packets, the byte of the type as its digit, with "!" at an error.  Returns
 * how many packets there were.
 */

static size_t
decode(next_pt next, const void *body, size_t len, char *got, size_t *got_len)
{
    char                        *d;
    size_t                       n;
    u_char                      *p, *pos, *again;
    ngx_int_t                    rc;
    ngx_socketio_eio3_packet_t   pkt, pkt2;

    p = tap_copy(body, len);
    pos = p;
    d = got;

    for (n = 0; /* void */ ; n++) {
        again = pos;
        rc = next(&pos, p + len, &pkt);

        if (rc != NGX_OK) {
            break;
        }

        /* a POST that is held comes back to a packet */

        if (next(&again, p + len, &pkt2) != NGX_OK || again != pos
            || pkt2.data != pkt.data || pkt2.len != pkt.len
            || pkt2.raw != pkt.raw)
        {
            d = stpcpy(d, "?again?");
        }

        if ((pos == NULL) != (pkt.data + pkt.len == p + len)) {
            d = stpcpy(d, "?last?");
        }

        *d++ = pkt.raw ? '<' : '(';
        memcpy(d, pkt.data, pkt.len);
        *d += pkt.raw ? '0' : 0;
        d += pkt.len;
        *d++ = pkt.raw ? '>' : ')';
    }

    if (rc == NGX_DONE) {
        if (pos != NULL || next(&pos, p + len, &pkt) != NGX_DONE) {
            d = stpcpy(d, "?done?");
        }

    } else {
        *d++ = '!';
    }

    *got_len = d - got;

    free(p);

    return n;
}


static void
payload(next_pt next, const char *body, size_t len, const char *expected,
    size_t expected_len, const char *name)
{
    char    *got;
    size_t   n;

    got = malloc(4 * len + 16);

    (void) decode(next, body, len, got, &n);

    ok(n == expected_len && memcmp(got, expected, n) == 0, "%s", name);

    free(got);
}


#define text(body, expected, name)                                            \
    payload(ngx_socketio_eio3_text_next, body, sizeof(body) - 1, expected,    \
            sizeof(expected) - 1, name)

#define binary(body, expected, name)                                          \
    payload(ngx_socketio_eio3_binary_next, body, sizeof(body) - 1, expected,  \
            sizeof(expected) - 1, name)


static void
test_text(void)
{
    text("1:2", "(2)", "one packet");
    text("2:4a2:4b2:4c", "(4a)(4b)(4c)", "three packets");
    text("2:4" EURO, "(4" EURO ")", "eio 79: a euro is one unit");
    text("3:4" SMILE, "(4" SMILE ")", "eio 79: a smile is two units");
    text("5:4a" EURO SMILE "2:4z", "(4a" EURO SMILE ")(4z)",
         "eio 79: the next packet is found behind both");
    text("11:4abcdefgh" EURO "i4:4\xc3\xa9" "a:", "(4abcdefgh" EURO "i)"
         "(4\xc3\xa9" "a:)", "eio 79: text longer than a word");
    text("6:b4AAT/", "(b4AAT/)", "eio 84: binary as text");
    text("1:61:1", "(6)(1)", "eio 90: noop and close");
    text("1:1", "(1)", "eio 91: close");
    text("4:42:a3:4:b", "(42:a)(4:b)", "colons within");
    text("7:4a\x1e" "b\n\0c", "(4a\x1e" "b\n\0c)",
         "separators of the other revision, newline, zero");
    text("02:4a", "(4a)", "a leading zero");
    text("00000000000000000002:4a", "(4a)", "20 digits");
    text("3:xyz", "(xyz)", "types are looked at elsewhere");

    text("0:", "", "eio 86: an empty list of packets");
    text("0:0:", "", "eio 86: two of them");
    text("0:2:4a0:2:4b0:", "(4a)(4b)", "eio 86: between packets");
    text("00:2:4a", "(4a)", "eio 86: with more zeros");
    text("", "!", "eio 86: an empty body");

    text("3:4a", "!", "eio 87: beyond the body");
    text("2:4a1", "(4a)!", "eio 87: a digit is left over");
    text("2:4ab", "(4a)!", "eio 87: a letter is left over");
    text("2:4a1:", "(4a)!", "eio 87: nothing behind the colon");
    text("2:4a:4b", "(4a)!", "eio 87: a colon only, then");
    text(":4a", "!", "eio 87: no number");
    text(":", "!", "eio 87: a colon only");
    text("-1:4a", "!", "eio 87: minus");
    text("+2:4a", "!", "eio 87: plus");
    text("x", "!", "eio 87: a letter");
    text("2", "!", "eio 87: a number only");
    text("24a", "!", "eio 87: no colon");
    text(" 2:4a", "!", "eio 87: a space before");
    text("2 :4a", "!", "eio 87: a space behind");
    text("0x2:4a", "!", "eio 87: hexadecimal");
    text("2e0:4a", "!", "eio 87: an exponent");
    text("2.0:4a", "!", "eio 87: a point");
    text("2/4a", "!", "eio 87: the byte before the digits");
    text("2;4a", "!", "eio 87: the byte behind a colon");
    text("000000000000000000002:4a", "!", "eio 87: 21 digits");
    text("18446744073709551618:4a", "!", "eio 87: 2^64 + 2");
    text("4294967298:4a", "!", "eio 87: 2^32 + 2");
    text("99999999999999999999:4a", "!", "eio 87: all nines");
    text("\xef\xbb\xbf" "2:4a", "!", "eio 87: a byte order mark");

    text("2:4" SMILE, "!", "eio 79: within a surrogate pair");
    text("2:4a2:4" SMILE "2:4b", "(4a)!", "eio 79: the same behind a packet");
    text("4:4" EURO, "!", "eio 79: bytes instead of units");
    text("2:4\xff", "!", "no UTF-8");
    text("2:4\xe2\x82", "!", "half a character");
    text("2:4\xe2\x82" "3:4ab", "!", "half a character before a packet");
    text("2:4" EURO EURO, "(4" EURO ")!", "a character is left over");
    text("3:4a\x80" "2:4b", "!", "a stray continuation");
    text("4:4\xed\xa0\x80", "!", "a surrogate");
}


static void
test_binary(void)
{
    binary("", "", "eio 86: an empty body");
    binary("\x00\x01\xff" "2", "(2)", "one text");
    binary("\x00\x09\xff" "4a" EURO SMILE "\x01\x04\xff\x04\x00\x04\xff"
           "\x00\x02\xff" "4z", "(4a" EURO SMILE ")<4\x00\x04\xff>(4z)",
           "eio 80: text, binary, text");
    binary("\x00\x05\xff" "4a" EURO "\x01\x04\xff\x04\x01\x02\x03",
           "(4a" EURO ")<4\x01\x02\x03>", "eio 83: text and binary");
    binary("\x01\x01\x00\xff\x04" "123456789", "<4123456789>",
           "eio 85: two digits");
    binary("\x00\x01\x00\xff" "4123456789" EURO,
           "(4123456789)!", "eio 85: two digits, and more bytes");
    binary("\x01\x00\x00\x02\xff\x04z", "<4z>", "leading zeros");
    binary("\x01" ZEROS10 "\0\0\0\0\0\0\0\0\0\x02\xff\x04z", "<4z>",
           "20 digits");
    binary("\x01\x01\xff\x04", "<4>", "an empty message");
    binary("\x01\x01\xff\x00\x01\x01\xff\x02\x01\x01\xff\x06", "<0><2><6>",
           "other types");
    binary("\x01\x03\xff\x04\xff\xff\x00\x02\xff" "4a", "<4\xff\xff>(4a)",
           "bytes like those of headers");
    binary("\x00\x06\xff" "b4AAT/", "(b4AAT/)", "binary as text in binary");

    binary("\x00\x02" "4a", "!", "eio 88: no 0xff");
    binary("\x00\x02\xff" "4a\x00\x01", "(4a)!", "eio 88: cut in the length");
    binary("\x00\x02\xff" "4a\x01", "(4a)!", "eio 88: cut behind the first");
    binary("\x00", "!", "eio 88: a first byte only");
    binary("\x00\x02\xff", "!", "a length only");
    binary("\x00\x02\xff" "4", "!", "text beyond the body");
    binary("\x01\x02\xff\x04", "!", "binary beyond the body");
    binary("\x01\x02\xff\x04z\x01\x03\xff\x04z", "<4z>!",
           "beyond the body behind a packet");
    binary("\x00\xff" "4a", "!", "no digits");
    binary("\x00\x00\xff", "!", "an empty text");
    binary("\x01\x00\xff", "!", "an empty binary packet");
    binary("\x01\x00\xff\x01\x01\xff\x04", "!", "the same before a packet");
    binary("\x00\x0a\xff" "4123456789", "!", "no digit 10");
    binary("\x00" "2\xff" "4a", "!", "ASCII digits");
    binary("\x00\x02:4a", "!", "a colon");
    binary("\x00\x02\xfe" "4a", "!", "0xfe");
    binary("\x02\x02\xff\x04z", "!", "no such kind");
    binary("\x02\x02\xff" "4a", "!", "no such kind, with text");
    binary("\xff\x02\xff" "4a", "!", "0xff for a kind");
    binary("2:4a", "!", "a text payload");
    binary("\x01\x02\xff\x07z", "!", "no such type");
    binary("\x01\x02\xff" "4z", "!", "a type in ASCII");
    binary("\x01\x04\x02\x09\x04\x09\x06\x07\x02\x09\x08\xff\x04z", "!",
           "2^32 + 2");
    binary("\x01\x01\x08\x04\x04\x06\x07\x04\x04\x00\x07\x03\x07\x00\x09"
           "\x05\x05\x01\x06\x01\x08\xff\x04z", "!", "2^64 + 2");
    binary("\x01" ZEROS10 ZEROS10 "\x02\xff\x04z", "!", "21 digits");

    binary("\x00\x02\xff" "4\xff", "!", "eio 89: no UTF-8");
    binary("\x00\x02\xff" "4a\x00\x03\xff" "4\xe2\x82\x00\x02\xff" "4b",
           "(4a)!", "eio 89: half a character, behind a packet");
}


/* far more digits than the number has, with and without an end */

static void
test_many_digits(void)
{
    char    body[600], got[4];
    size_t  i, n, good;
    u_char  zero;

    good = 1;

    for (i = 0; i < 8; i++) {
        zero = (i & 1) ? '0' : 0;
        memset(body, zero + (i & 2 ? 9 : 0), sizeof(body));
        body[0] = (i & 1) ? '0' : 1;
        body[sizeof(body) - 3] = (i & 4) ? (i & 1 ? ':' : '\xff') : zero;

        (void) decode((i & 1) ? ngx_socketio_eio3_text_next
                              : ngx_socketio_eio3_binary_next,
                      body, sizeof(body), got, &n);
        good &= (n == 1 && got[0] == '!');
    }

    ok(good, "eio 88: 600 bytes of digits");
}


/*
 * Whatever is cut off, the packets before the cut are there and, unless it
 * is between two packets, an error is.
 */

static void
cuts(next_pt next, const char *body, size_t len, size_t *ends, size_t npackets,
    const char *name)
{
    char    got[256];
    size_t  i, n, k, good, got_len;

    good = 1;
    n = 0;

    for (i = 1; i <= len; i++) {

        for (k = 0; k < npackets && ends[k] <= i; k++) { /* void */ }

        n = decode(next, body, i, got, &got_len);

        good &= (n == k);
        good &= (got[got_len - 1] == '!') != (k != 0 && ends[k - 1] == i);
    }

    ok(good && n == npackets, "%s, cut anywhere", name);
}


static void
test_cuts(void)
{
    static char    text[] = "5:4a" EURO SMILE "1:26:b4AAT/10:4123456789";
    static size_t  text_ends[] = { 11, 14, 22, 35 };
    static char    binary[] = "\x00\x09\xff" "4a" EURO SMILE
                              "\x01\x01\x00\xff\x04" "123456789"
                              "\x00\x01\xff" "2";
    static size_t  binary_ends[] = { 12, 26, 30 };

    cuts(ngx_socketio_eio3_text_next, text, sizeof(text) - 1, text_ends,
         nelts(text_ends), "text");
    cuts(ngx_socketio_eio3_binary_next, binary, sizeof(binary) - 1,
         binary_ends, nelts(binary_ends), "binary");
}


static size_t
header(u_char *p, int form, const char *data, size_t n)
{
    if (form != ':') {
        return ngx_socketio_eio3_binary_header(p, form, n);
    }

    return ngx_socketio_eio3_text_header(p,
                                         ngx_socketio_utf8_units(
                                             (u_char *) data,
                                             (u_char *) data + n));
}


/*
 * An entry is appended to a body, in memory of exactly its length.  The form
 * is ':' for a text payload, else the first byte of the entry.
 */

static u_char *
entry(u_char *body, size_t *len, int form, const char *data, size_t n)
{
    size_t  k;

    k = header(NULL, form, data, n);
    body = realloc(body, *len + k + n);

    if (header(body + *len, form, data, n) != k) {
        ok(0, "a header is as long as measured");
    }

    memcpy(body + *len + k, data, n);
    *len += k + n;

    return body;
}


static void
test_headers(void)
{
    size_t   len;
    u_char  *body, p[NGX_SOCKETIO_EIO3_HEADER];

    body = NULL;
    len = 0;
    body = entry(body, &len, 0, "4a" EURO SMILE, 9);
    body = entry(body, &len, 1, "\x04\x00\x04\xff", 4);
    body = entry(body, &len, 0, "4z", 2);

    ok(len == 24 && memcmp(body, "\x00\x09\xff" "4a" EURO SMILE
                           "\x01\x04\xff\x04\x00\x04\xff\x00\x02\xff" "4z", 24)
                    == 0, "eio 80: the bytes of text, binary, text");
    free(body);

    body = NULL;
    len = 0;
    body = entry(body, &len, ':', "4" EURO, 4);
    body = entry(body, &len, ':', "4" SMILE, 5);
    body = entry(body, &len, ':', "b4AAT/", 6);
    body = entry(body, &len, ':', "41234567890", 11);

    ok(len == 35 && memcmp(body, "2:4" EURO "3:4" SMILE "6:b4AAT/"
                           "11:41234567890", 35) == 0,
       "eio 79, 82: the bytes of a text payload");
    free(body);

    ok(ngx_socketio_eio3_binary_header(NULL, 1, 10) == 4
       && ngx_socketio_eio3_binary_header(p, 1, 10) == 4
       && memcmp(p, "\x01\x01\x00\xff", 4) == 0, "eio 85: two digits");

    ok(ngx_socketio_eio3_text_header(p, 0) == 2 && memcmp(p, "0:", 2) == 0,
       "eio 86: no packets");

    ok(ngx_socketio_eio3_binary_header(p, 0, SIZE_MAX) == sizeof(p)
       && ngx_socketio_eio3_text_header(p, SIZE_MAX) == sizeof(p) - 1,
       "no header is longer");
}


/* what is written is read again, at every length around those of words */

static void
test_round_trip(next_pt next, int form)
{
    char          data[128], got[512], expected[512];
    size_t        i, n, k, len, got_len, want, good;
    u_char       *body;
    static char  *fill[] = { "a", "\xc3\xa9", EURO, SMILE, ("abcdefg" EURO) };

    good = 1;

    for (i = 0; i < nelts(fill); i++) {
        for (n = 1; n < 28; n++) {
            k = 1;

            while (k < n) {
                k = stpcpy(data + k, fill[i]) - data;
            }

            body = NULL;
            len = 0;
            data[0] = (form == 1) ? 4 : '4';
            body = entry(body, &len, form, data, k);
            body = entry(body, &len, form == 1 ? 0 : form, "4z", 2);

            data[0] = '4';
            want = snprintf(expected, sizeof(expected),
                            form == 1 ? "<%.*s>(4z)" : "(%.*s)(4z)", (int) k,
                            data);

            (void) decode(next, body, len, got, &got_len);

            good &= (got_len == want && memcmp(got, expected, want) == 0);

            free(body);
        }
    }

    ok(good, "entries come back, form %d", form);
}


/* binary in a text payload, down to its bytes */

static void
test_base64(void)
{
    size_t                       len;
    u_char                      *p, *pos, raw[8];
    ngx_socketio_eio_packet_t    pkt;
    ngx_socketio_eio3_packet_t   entry;

    p = tap_copy("6:b4AAT/", 8);
    pos = p;

    ok(ngx_socketio_eio3_text_next(&pos, p + 8, &entry) == NGX_OK
       && ngx_socketio_eio_parse(&pkt, entry.data, entry.data + entry.len, 3)
          == NGX_OK
       && pkt.binary && pkt.type == NGX_SOCKETIO_EIO_MESSAGE
       && ngx_socketio_base64_decode(raw, &len, pkt.data.data,
                                     pkt.data.data + pkt.data.len)
          == NGX_OK
       && len == 3 && memcmp(raw, "\x00\x04\xff", 3) == 0,
       "eio 84: b4AAT/ is 00 04 ff");

    free(p);
}


static void
test_ascii(void)
{
    size_t         i, k, n;
    u_char        *p, *out;
    static struct {
        const char  *text;
        const char  *ascii;
    } t[] = {
        { "42[\"plain\"]", "42[\"plain\"]" },
        { "42[\"\xc3\xa9\"]", "42[\"\\u00e9\"]" },
        { "42/\xc3\xa9,1[\"\xc3\xa9" SMILE "\"]",
          "42/\xc3\xa9,1[\"\\u00e9\\ud83d\\ude00\"]" },
        { "451-/a,13[\"" EURO "\",{\"_placeholder\":true,\"num\":0}]",
          "451-/a,13[\"\\u20ac\",{\"_placeholder\":true,\"num\":0}]" },
        { "430[\"" EURO "\"]", "430[\"\\u20ac\"]" },
        { "44/\xc3\xa9,{\"message\":\"\xc3\xa9\"}",
          "44/\xc3\xa9,{\"message\":\"\\u00e9\"}" },
        { "44\"\xc3\xa9\"", "44\"\\u00e9\"" },
        { "40/\xc3\xa9,", "40/\xc3\xa9," },
        { "40/\xc3\xa9", "40/\xc3\xa9" },
        { "41", "41" },
        { "4", "4" },
        { "2\xc3\xa9", "2\xc3\xa9" },
        { "b4AAT/", "b4AAT/" },
        { "42[\"\xff\"]", "42[\"\\ufffd\"]" },
        { "42[\"\xc3", "42[\"\\ufffd" }
    };

    for (i = 0; i < nelts(t); i++) {
        p = tap_copy(t[i].text, strlen(t[i].text));
        n = ngx_socketio_eio3_ascii(NULL, p, strlen(t[i].text));
        out = malloc(n);

        ok(n == strlen(t[i].ascii)
           && ngx_socketio_eio3_ascii(out, p, strlen(t[i].text)) == n
           && memcmp(out, t[i].ascii, n) == 0, "eio 93: %s", t[i].ascii);

        free(out);
        free(p);

        /* cut off anywhere, for the sanitizer */

        for (k = 0; k < strlen(t[i].text); k++) {
            p = tap_copy(t[i].text, k);
            n = ngx_socketio_eio3_ascii(NULL, p, k);
            out = malloc(n);

            if (ngx_socketio_eio3_ascii(out, p, k) != n) {
                ok(0, "%zu bytes of %s", k, t[i].ascii);
            }

            free(out);
            free(p);
        }
    }
}


int
main(void)
{
    test_text();
    test_binary();
    test_many_digits();
    test_cuts();
    test_headers();
    test_round_trip(ngx_socketio_eio3_text_next, ':');
    test_round_trip(ngx_socketio_eio3_binary_next, 0);
    test_round_trip(ngx_socketio_eio3_binary_next, 1);
    test_base64();
    test_ascii();

    return tap_done();
}
