
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Engine.IO revision 4.  Fails if a type is taken that does not exist, if a
 * payload yields a packet after a bad one or loses one before it, if the end
 * of a payload is mistaken for an empty packet or the reverse, or if the
 * bytes of errors and of the open packet differ from those that servers send.
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
    size_t                      i, len;
    u_char                     *p;
    char                        text[2];
    ngx_int_t                   rc;
    ngx_socketio_eio_packet_t   pkt;
    static struct {
        const char  *text;
        ngx_uint_t   type;
        unsigned     binary;
        const char  *data;
    } t[] = {
        { "0", NGX_SOCKETIO_EIO_OPEN, 0, "" },
        { "1", NGX_SOCKETIO_EIO_CLOSE, 0, "" },
        { "2probe", NGX_SOCKETIO_EIO_PING, 0, "probe" },
        { "3probe", NGX_SOCKETIO_EIO_PONG, 0, "probe" },
        { "3", NGX_SOCKETIO_EIO_PONG, 0, "" },
        { "4", NGX_SOCKETIO_EIO_MESSAGE, 0, "" },
        { "4abc", NGX_SOCKETIO_EIO_MESSAGE, 0, "abc" },
        { "42[\"\xe2\x82\xac\"]", NGX_SOCKETIO_EIO_MESSAGE, 0,
          "2[\"\xe2\x82\xac\"]" },
        { "5", NGX_SOCKETIO_EIO_UPGRADE, 0, "" },
        { "6", NGX_SOCKETIO_EIO_NOOP, 0, "" },
        { "bAQID", NGX_SOCKETIO_EIO_MESSAGE, 1, "AQID" },
        { "bAQIDBA==", NGX_SOCKETIO_EIO_MESSAGE, 1, "AQIDBA==" },
        { "b4AQID", NGX_SOCKETIO_EIO_MESSAGE, 1, "4AQID" },
        { "b", NGX_SOCKETIO_EIO_MESSAGE, 1, "" }
    };

    for (i = 0; i < nelts(t); i++) {
        len = strlen(t[i].text);
        p = tap_copy(t[i].text, len);
        memset(&pkt, 0xff, sizeof(pkt));

        ok(ngx_socketio_eio_parse(&pkt, p, p + len) == NGX_OK
           && pkt.type == t[i].type && pkt.binary == t[i].binary
           && is(&pkt.data, t[i].data), "packet %s", t[i].text);

        free(p);
    }

    p = tap_copy("", 0);
    ok(ngx_socketio_eio_parse(&pkt, p, p) == NGX_ERROR, "nothing");
    free(p);

    for (i = 0; i < 256; i++) {
        text[0] = (char) i;
        text[1] = '4';
        p = tap_copy(text, 2);
        rc = ngx_socketio_eio_parse(&pkt, p, p + 2);

        ok(rc == (strchr("0123456b", (int) i) && i ? NGX_OK : NGX_ERROR),
           "first byte %zu", i);

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
        "\"maxPayload\":1000000}"
    };

    memset(&o, 0, sizeof(o));
    ngx_str_set(&o.sid, "lv_VI97HAXpY6yYWAAAC");
    o.ping_interval = 25000;
    o.ping_timeout = 20000;
    o.max_payload = 1000000;

    for (i = 0; i < 2; i++) {
        o.upgrade = i;
        len = ngx_socketio_eio_open(NULL, &o);
        p = malloc(len);

        ok(len == strlen(packets[i])
           && ngx_socketio_eio_open(p, &o) == len
           && memcmp(p, packets[i], len) == 0
           && ngx_socketio_json_check(p + 1, p + len, 2) == NGX_OK,
           "open, upgrade %zu", i);

        free(p);
    }

    /* as a Node.js server counts it */

    ok(len == 118, "Content-Length of the usual handshake");
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
