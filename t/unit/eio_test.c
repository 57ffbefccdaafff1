
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Engine.IO packets of both revisions, and what is of revision 4.  Fails if a
 * type is taken that does not exist, if a binary packet is taken for one of
 * the other revision, if a payload yields a packet after a bad one or loses
 * one before it, if the end of a payload is mistaken for an empty packet or
 * the reverse, or if the bytes of errors and of the open packet differ from
 * those that servers send.
 */


#include "tap.h"

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_eio.c"


#define nelts(a)  (sizeof(a) / sizeof((a)[0]))


static int
is(ngx_str_t *s, const char *text)
{
    return s->len == strlen(text) && memcmp(s->data, text, s->len) == 0;
}


static void
test_parse(void)
{
    size_t                      i, k, len;
    u_char                     *p;
    char                        text[2];
    ngx_int_t                   rc;
    ngx_uint_t                  revision;
    ngx_socketio_eio_packet_t   pkt;
    static struct {
        const char  *text;
        ngx_uint_t   revisions;      /* 7: alike in both */
        ngx_uint_t   type;
        unsigned     binary;
        const char  *data;
    } t[] = {
        { "0", 7, NGX_SOCKETIO_EIO_OPEN, 0, "" },
        { "1", 7, NGX_SOCKETIO_EIO_CLOSE, 0, "" },
        { "2probe", 7, NGX_SOCKETIO_EIO_PING, 0, "probe" },
        { "3probe", 7, NGX_SOCKETIO_EIO_PONG, 0, "probe" },
        { "3", 7, NGX_SOCKETIO_EIO_PONG, 0, "" },
        { "4", 7, NGX_SOCKETIO_EIO_MESSAGE, 0, "" },
        { "4abc", 7, NGX_SOCKETIO_EIO_MESSAGE, 0, "abc" },
        { "42[\"\xe2\x82\xac\"]", 7, NGX_SOCKETIO_EIO_MESSAGE, 0,
          "2[\"\xe2\x82\xac\"]" },
        { "5", 7, NGX_SOCKETIO_EIO_UPGRADE, 0, "" },
        { "6", 7, NGX_SOCKETIO_EIO_NOOP, 0, "" },
        { "4b4AQID", 7, NGX_SOCKETIO_EIO_MESSAGE, 0, "b4AQID" },
        { "bAQID", 4, NGX_SOCKETIO_EIO_MESSAGE, 1, "AQID" },
        { "bAQIDBA==", 4, NGX_SOCKETIO_EIO_MESSAGE, 1, "AQIDBA==" },
        { "b4AQID", 4, NGX_SOCKETIO_EIO_MESSAGE, 1, "4AQID" },
        { "b", 4, NGX_SOCKETIO_EIO_MESSAGE, 1, "" },
        { "b4AAT/", 3, NGX_SOCKETIO_EIO_MESSAGE, 1, "AAT/" },
        { "b4", 3, NGX_SOCKETIO_EIO_MESSAGE, 1, "" },
        { "b44AQI=", 3, NGX_SOCKETIO_EIO_MESSAGE, 1, "4AQI=" },
        { "b2AQI=", 3, NGX_SOCKETIO_EIO_PING, 1, "AQI=" },
        { "b0", 3, NGX_SOCKETIO_EIO_OPEN, 1, "" },
        { "b6", 3, NGX_SOCKETIO_EIO_NOOP, 1, "" }
    };
    static char  *bad3[] = { "b", "bAQID", "b7", "b/AAA", "bb4" };

    for (i = 0; i < 2 * nelts(t); i++) {
        k = i / 2;
        revision = 3 + i % 2;

        if (t[k].revisions != 7 && t[k].revisions != revision) {
            continue;
        }

        len = strlen(t[k].text);
        p = tap_copy(t[k].text, len);
        memset(&pkt, 0xff, sizeof(pkt));

        ok(ngx_socketio_eio_parse(&pkt, p, p + len, revision) == NGX_OK
           && pkt.type == t[k].type && pkt.binary == t[k].binary
           && is(&pkt.data, t[k].data), "revision %u: packet %s",
           (unsigned) revision, t[k].text);

        free(p);
    }

    for (i = 0; i < nelts(bad3); i++) {
        len = strlen(bad3[i]);
        p = tap_copy(bad3[i], len);

        ok(ngx_socketio_eio_parse(&pkt, p, p + len, 3) == NGX_ERROR,
           "revision 3: not %s", bad3[i]);

        free(p);
    }

    p = tap_copy("", 0);
    ok(ngx_socketio_eio_parse(&pkt, p, p, 3) == NGX_ERROR
       && ngx_socketio_eio_parse(&pkt, p, p, 4) == NGX_ERROR, "nothing");
    free(p);

    for (i = 0; i < 2 * 256; i++) {
        revision = 3 + i % 2;
        text[0] = (char) (i / 2);
        text[1] = '4';
        p = tap_copy(text, 2);
        rc = ngx_socketio_eio_parse(&pkt, p, p + 2, revision);

        ok(rc == (memchr("0123456b", text[0], 8) ? NGX_OK : NGX_ERROR),
           "revision %u: first byte %zu", (unsigned) revision, i / 2);

        free(p);
    }
}


/* the packets of a payload in one line, "." in place of its separators */

static void
payload(const char *body, const char *expected)
{
    size_t                      i, len, n;
    char                        got[256], text[256];
    u_char                     *p, *pos;
    ngx_int_t                   rc;
    ngx_socketio_eio_packet_t   pkt;

    len = strlen(body);
    p = tap_copy(body, len);

    for (i = 0; i < len; i++) {
        p[i] = p[i] == '.' ? 0x1e : p[i];
    }

    pos = p;
    n = 0;

    while ((rc = ngx_socketio_eio_payload_next(&pos, p + len, &pkt)) == NGX_OK
           && n < 128)
    {
        snprintf(text, sizeof(text), "%.*s", (int) pkt.data.len,
                 pkt.data.data);
        n += snprintf(got + n, sizeof(got) - n, "%s%u(%s)",
                      pkt.binary ? "b" : "", (unsigned) pkt.type, text);
    }

    snprintf(got + n, sizeof(got) - n, "%s",
             rc == NGX_DONE ? "" : rc == NGX_ERROR ? "!" : "?");

    ok(strcmp(got, expected) == 0, "payload \"%s\": %s", body, got);

    if (rc == NGX_DONE) {
        ok(ngx_socketio_eio_payload_next(&pos, p + len, &pkt) == NGX_DONE,
           "payload \"%s\": done for good", body);
    }

    free(p);
}


static void
test_payload(void)
{
    payload("4a", "4(a)");
    payload("4a.4b", "4(a)4(b)");
    payload("4a.2.bAQID.4", "4(a)2()b4(AQID)4()");
    payload("b", "b4()");
    payload("b.b", "b4()b4()");
    payload("451-[\"x\",{}].bAQIDBA==", "4(51-[\"x\",{}])b4(AQIDBA==)");
    payload("", "!");
    payload(".", "!");
    payload(".4a", "!");
    payload("4a.", "4(a)!");
    payload("4a..4b", "4(a)!");
    payload("4a.7.4b", "4(a)!");
    payload("4a.4b.x", "4(a)4(b)!");
    payload("abc", "!");
    payload("10:4abcdefgh", "1(0:4abcdefgh)");
}


static void
test_error(void)
{
    size_t         i, len;
    u_char        *p;
    ngx_str_t      text;
    static char   *bodies[] = {
        "{\"code\":0,\"message\":\"Transport unknown\"}",
        "{\"code\":1,\"message\":\"Session ID unknown\"}",
        "{\"code\":2,\"message\":\"Bad handshake method\"}",
        "{\"code\":3,\"message\":\"Bad request\"}",
        "{\"code\":4,\"message\":\"Forbidden\"}",
        "{\"code\":5,\"message\":\"Unsupported protocol version\"}"
    };

    ok(nelts(bodies) == NGX_SOCKETIO_EIO_NERRORS, "six errors");

    for (i = 0; i < 8; i++) {
        len = ngx_socketio_eio_error(NULL, i);
        p = malloc(len);

        ok(len == strlen(bodies[i < 6 ? i : 3])
           && ngx_socketio_eio_error(p, i) == len
           && memcmp(p, bodies[i < 6 ? i : 3], len) == 0, "error %zu", i);

        ok(ngx_socketio_eio_status(i) == (i == 4 ? 403 : 400),
           "error %zu: status", i);

        free(p);
    }

    ngx_str_set(&text, "no \"way\"\n");
    len = ngx_socketio_eio_error_text(NULL, 4, &text);
    p = malloc(len);

    ok(ngx_socketio_eio_error_text(p, 4, &text) == len
       && len == strlen("{\"code\":4,\"message\":\"no \\\"way\\\"\\n\"}")
       && memcmp(p, "{\"code\":4,\"message\":\"no \\\"way\\\"\\n\"}", len)
          == 0, "an error with a text of its own is escaped");

    free(p);

    ngx_str_null(&text);
    len = ngx_socketio_eio_error_text(NULL, 6, &text);
    p = malloc(len);

    ok(ngx_socketio_eio_error_text(p, 6, &text) == len
       && len == strlen("{\"code\":3,\"message\":\"\"}")
       && memcmp(p, "{\"code\":3,\"message\":\"\"}", len) == 0,
       "an empty text, an unknown code");

    free(p);
}


static void
test_open(void)
{
    size_t                    i, len;
    u_char                   *p;
    ngx_socketio_eio_open_t   o;
    static char              *packets[] = {
        "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[],"
        "\"pingInterval\":25000,\"pingTimeout\":20000,"
        "\"maxPayload\":1000000}",
        "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],"
        "\"pingInterval\":25000,\"pingTimeout\":20000,"
        "\"maxPayload\":1000000}",
        "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[],"
        "\"pingInterval\":25000,\"pingTimeout\":20000}",
        "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],"
        "\"pingInterval\":25000,\"pingTimeout\":20000}"
    };
    static size_t             lengths[] = { 107, 118, 86, 97 };

    memset(&o, 0, sizeof(o));
    ngx_str_set(&o.sid, "lv_VI97HAXpY6yYWAAAC");
    o.ping_interval = 25000;
    o.ping_timeout = 20000;
    o.max_payload = 1000000;

    for (i = 0; i < 4; i++) {
        o.upgrade = i & 1;
        o.revision3 = i >> 1;
        len = ngx_socketio_eio_open(NULL, &o);
        p = malloc(len);

        ok(len == strlen(packets[i])
           && ngx_socketio_eio_open(p, &o) == len
           && memcmp(p, packets[i], len) == 0
           && ngx_socketio_json_check(p + 1, p + len, 2) == NGX_OK,
           "open, upgrade %zu, revision 3 %zu", i & 1, i >> 1);

        /* as Node.js servers count it, 2 and 4 of Socket.IO */

        ok(len == lengths[i], "length of the usual handshake");

        free(p);
    }
}


int
main(void)
{
    test_parse();
    test_payload();
    test_error();
    test_open();

    return tap_done();
}
