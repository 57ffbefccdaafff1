
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Scenarios after the Autobahn test suite, categories 1 to 7 and 9.  Each is
 * fed whole, cut in two at every byte, and byte by byte, and must come out the
 * same; to compare, spans are put together and written down as text:
 *
 *   T"hello" B"\01"        messages ('z' in front: compressed)
 *   P"x" O"x"              ping, pong; @n: after n bytes of an open message
 *   C1000"bye"             close
 *   E1002                  failure
 *   ...                    an end inside a frame or a message
 *   !line                  a rule of the header file broken, see check()
 */


#include "tap.h"
#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_ws_frame.c"
#include "proto/ngx_socketio_ws_message.c"


#define UNMASKED    0x100       /* what a server would send */
#define RAW         0x200       /* bytes as they are */
#define FILL        0x400       /* data[0], len times */

#define S(text)     text, sizeof(text) - 1

#define LOG_SIZE    2048
#define DATA_SIZE   (1024 * 1024)


typedef struct {
    unsigned                   first;       /* byte of the frame | flags */
    const char                *data;
    size_t                     len;
} part_t;


typedef struct {
    const char                *name;
    const char                *expected;
    part_t                     parts[10];   /* up to data == NULL */

    size_t                     max_payload;
    ngx_uint_t                 max_fragments;
    unsigned                   rsv1;
} scenario_t;


typedef struct {
    ngx_socketio_ws_message_t  m;
    ngx_socketio_ws_limits_t   limits;

    char                       log[LOG_SIZE];
    size_t                     used;

    u_char                    *data;
    size_t                     len;         /* of the message */
    size_t                     size;        /* as announced */
    ngx_uint_t                 open;        /* has begun */
    ngx_uint_t                 fin;
    ngx_uint_t                 opcode;

    u_char                     control[NGX_SOCKETIO_WS_CONTROL_MAX];
    size_t                     control_len;
    ngx_uint_t                 control_open;

    ngx_uint_t                 over;
} run_t;


static const u_char  key[4] = { 0x37, 0xfa, 0x21, 0x3d };


#define check(r, good)  if (!(good)) { put(r, " !%d", __LINE__); }


static void
put(run_t *r, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    r->used += vsnprintf(r->log + r->used, LOG_SIZE - r->used, fmt, args);
    va_end(args);

    if (r->used >= LOG_SIZE) {
        printf("Bail out! log too small\n");
        exit(1);
    }
}


static void
put_bytes(run_t *r, u_char *p, size_t len)
{
    size_t    i;
    unsigned  hash;

    if (len > 64) {
        hash = 2166136261;

        for (i = 0; i < len; i++) {
            hash = (hash ^ p[i]) * 16777619;
        }

        put(r, "%zu:%08x", len, hash);
        return;
    }

    put(r, "\"");

    for (i = 0; i < len; i++) {
        put(r, (p[i] < ' ' || p[i] > '~') ? "\\%02x" : "%c", p[i]);
    }

    put(r, "\"");
}


static void
on_data(run_t *r, ngx_socketio_ws_event_t *ev)
{
    check(r, ev->first == !r->open);
    check(r, r->open ? ev->opcode == r->opcode : 1);
    check(r, ev->offset == r->len);
    check(r, ev->size >= r->size && ev->size >= r->len + ev->data.len);
    check(r, ev->size <= ngx_socketio_ws_message_limit(&r->limits,
                                                       ev->compressed));
    check(r, !r->fin || (ev->fin && ev->size == r->size));
    check(r, !ev->last || (ev->fin && ev->size == r->len + ev->data.len));
    check(r, ev->last || ev->data.len);
    check(r, ev->code == 0 && ev->error == NULL);

    if (r->len + ev->data.len > DATA_SIZE) {
        check(r, 0);
        return;
    }

    memcpy(r->data + r->len, ev->data.data, ev->data.len);
    r->len += ev->data.len;
    r->size = ev->size;
    r->open = 1;
    r->fin = ev->fin;
    r->opcode = ev->opcode;

    if (ev->last) {
        put(r, "%s%s%c", r->used ? " " : "", ev->compressed ? "z" : "",
            ev->opcode == NGX_SOCKETIO_WS_TEXT ? 'T' : 'B');
        put_bytes(r, r->data, r->len);

        r->open = 0;
        r->fin = 0;
        r->len = 0;
        r->size = 0;
    }
}


static void
on_control(run_t *r, ngx_socketio_ws_event_t *ev)
{
    check(r, ev->first == !r->control_open);
    check(r, ev->offset == r->control_len);
    check(r, ev->fin && !ev->compressed && ev->error == NULL);
    check(r, ev->last == (ev->size == r->control_len + ev->data.len));
    check(r, ev->last || ev->data.len);

    if (r->control_len + ev->data.len > sizeof(r->control)) {
        check(r, 0);
        return;
    }

    memcpy(r->control + r->control_len, ev->data.data, ev->data.len);
    r->control_len += ev->data.len;
    r->control_open = 1;

    if (!ev->last) {
        return;
    }

    put(r, "%s", r->used ? " " : "");

    switch (ev->opcode) {

    case NGX_SOCKETIO_WS_PING:
        put(r, "P");
        break;

    case NGX_SOCKETIO_WS_PONG:
        put(r, "O");
        break;

    case NGX_SOCKETIO_WS_CLOSE:
        put(r, "C%u", (unsigned) ev->code);
        r->over = 1;
        break;

    default:
        check(r, 0);
    }

    put_bytes(r, r->control, r->control_len);

    if (r->open) {
        put(r, "@%zu", r->len);
    }

    r->control_open = 0;
    r->control_len = 0;
}


static void
feed(run_t *r, u_char *bytes, size_t len)
{
    u_char                   *part, *pos, *last, *before;
    ngx_int_t                 rc;
    ngx_socketio_ws_event_t   ev;

    part = malloc(len);
    memcpy(part, bytes, len);

    pos = part;
    last = part + len;

    for ( ;; ) {
        before = pos;
        memset(&ev, 0xa5, sizeof(ev));

        rc = ngx_socketio_ws_message_next(&r->m, &r->limits, &pos, last, &ev);

        check(r, r->over == (rc == NGX_DONE));
        check(r, pos >= before && pos <= last);

        if (rc != NGX_OK) {
            break;
        }

        check(r, ev.data.data >= before && ev.data.data + ev.data.len == pos);

        if (ev.opcode & NGX_SOCKETIO_WS_CONTROL) {
            on_control(r, &ev);

        } else {
            check(r, !r->control_open);
            on_data(r, &ev);
        }
    }

    if (rc == NGX_AGAIN) {
        check(r, pos == last);

    } else if (rc == NGX_DONE) {
        check(r, pos == before);

    } else {
        check(r, rc == NGX_ERROR && ev.error != NULL);
        put(r, "%sE%u", r->used ? " " : "", (unsigned) ev.code);
        r->over = 1;

        before = pos;
        check(r, ngx_socketio_ws_message_next(&r->m, &r->limits, &pos, last,
                                              &ev)
                 == NGX_DONE && pos == before);
    }

    free(part);
}


static void
start(run_t *r, scenario_t *s)
{
    static u_char  *data;

    if (data == NULL) {
        data = malloc(DATA_SIZE);
    }

    memset(r, 0, sizeof(run_t));

    r->data = data;
    r->limits.max_payload = s->max_payload ? s->max_payload : DATA_SIZE;
    r->limits.max_fragments = s->max_fragments ? s->max_fragments : 100;
    r->limits.rsv1 = s->rsv1;
}


static void
finish(run_t *r)
{
    if (!r->over && !ngx_socketio_ws_message_idle(&r->m)) {
        put(r, "%s...", r->used ? " " : "");
    }
}


static u_char *
build(scenario_t *s, size_t *len)
{
    size_t   i;
    u_char  *bytes, *p;
    part_t  *part;

    *len = 0;

    for (part = s->parts; part->data; part++) {
        *len += part->len + NGX_SOCKETIO_WS_MASKED_HEADER_MAX;
    }

    bytes = malloc(*len);
    p = bytes;

    for (part = s->parts; part->data; part++) {

        if (!(part->first & RAW)) {
            p += ngx_socketio_ws_frame_header(p, part->first, part->len);
        }

        if (!(part->first & (RAW|UNMASKED))) {
            i = part->len < 126 ? 1 : part->len < 65536 ? 3 : 9;
            p[-(ssize_t) i] |= 0x80;
            memcpy(p, key, 4);
            p += 4;
        }

        for (i = 0; i < part->len; i++) {
            *p = part->data[(part->first & FILL) ? 0 : i];

            if (!(part->first & (RAW|UNMASKED))) {
                *p ^= key[i % 4];
            }

            p++;
        }
    }

    *len = p - bytes;

    return bytes;
}


/* first a part of "split" bytes, then parts of "step" */

static void
run(run_t *r, scenario_t *s, u_char *bytes, size_t len, size_t split,
    size_t step)
{
    size_t  n, done;

    start(r, s);

    for (done = 0; done < len; done += n) {
        n = ngx_min(done ? step : split, len - done);
        feed(r, bytes + done, n);
    }

    finish(r);
}


static void
test(scenario_t *s)
{
    size_t    len, split, stride;
    u_char   *bytes;
    run_t     whole, r;

    bytes = build(s, &len);

    run(&whole, s, bytes, len, len, len);

    if (!ok(strcmp(whole.log, s->expected) == 0, "%s", s->name)) {
        printf("#  got       %s\n#  expected  %s\n", whole.log, s->expected);
    }

    /* of the long ones, every byte near either end and some between */

    for (split = 1; split < len; split += stride) {
        stride = (len > 4000 && split > 300 && split + 300 < len) ? 499 : 1;

        run(&r, s, bytes, len, split, len);

        if (strcmp(r.log, whole.log) != 0) {
            break;
        }
    }

    if (!ok(split >= len, "%s: in two parts", s->name)) {
        printf("#  at %zu     %s\n", split, r.log);
    }

    run(&r, s, bytes, len, 1, 1);

    if (!ok(strcmp(r.log, whole.log) == 0, "%s: byte by byte", s->name)) {
        printf("#  got       %s\n", r.log);
    }

    free(bytes);
}


#define X25   "xxxxxxxxxxxxxxxxxxxxxxxxx"
#define X125  X25 X25 X25 X25 X25
#define K     "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"    /* κόσμε */
#define KX    "\\ce\\ba\\e1\\bd\\b9\\cf\\83\\ce\\bc\\ce\\b5"


static scenario_t  scenarios[] = {

    /* 1: framing */

    { "1.1.1 empty text", "T\"\"", { { 0x81, S("") } }, 0, 0, 0 },
    { "1.1.2 text of 125", "T125:b5ab3a37", { { 0x81, S(X125) } }, 0, 0, 0 },
    { "1.1.3 text of 126", "T126:4b8cca5d", { { 0x81|FILL, "x", 126 } },
      0, 0, 0 },
    { "1.1.6 text of 65535", "T65535:4c03da3f", { { 0x81|FILL, "x", 65535 } },
      0, 0, 0 },
    { "1.1.7 text of 65536", "T65536:f1109dc5", { { 0x81|FILL, "x", 65536 } },
      0, 0, 0 },
    { "1.2.1 empty binary", "B\"\"", { { 0x82, S("") } }, 0, 0, 0 },
    { "1.2 binary of any bytes", "B\"\\00\\ff\\fe\\80\\c0\\01\"",
      { { 0x82, S("\0\xff\xfe\x80\xc0\1") } }, 0, 0, 0 },
    { "1.2.7 binary of 65536", "B65536:f1109dc5",
      { { 0x82|FILL, "x", 65536 } }, 0, 0, 0 },
    { "messages in a row", "T\"0\" B\"b\" T\"\" T\"2probe\"",
      { { 0x81, S("0") }, { 0x82, S("b") }, { 0x81, S("") },
        { 0x81, S("2probe") } }, 0, 0, 0 },
    { "cut in a header", "T\"a\" ...",
      { { 0x81, S("a") }, { RAW, S("\x81") } }, 0, 0, 0 },
    { "cut in a mask", "...", { { RAW, S("\x81\x80\1\2\3") } }, 0, 0, 0 },
    { "cut in a payload", "...", { { RAW, S("\x81\x82\1\2\3\4x") } }, 0, 0, 0 },
    { "cut in a message", "...", { { 0x01, S("a") } }, 0, 0, 0 },
    { "nothing", "", { { RAW, S("") } }, 0, 0, 0 },

    /* 2: pings and pongs */

    { "2.1 empty ping", "P\"\"", { { 0x89, S("") } }, 0, 0, 0 },
    { "2.2 ping", "P\"Hello\"", { { 0x89, S("Hello") } }, 0, 0, 0 },
    { "2.3 ping of bytes that are not text", "P\"\\00\\ff\\fe\"",
      { { 0x89, S("\0\xff\xfe") } }, 0, 0, 0 },
    { "2.4 ping of 125", "P125:b5ab3a37", { { 0x89, S(X125) } }, 0, 0, 0 },
    { "2.5 ping of 126", "E1002", { { 0x89|FILL, "x", 126 } }, 0, 0, 0 },
    { "ping of 65536", "E1002", { { 0x89|FILL, "x", 65536 } }, 0, 0, 0 },
    { "2.7 unsolicited pong", "O\"\"", { { 0x8a, S("") } }, 0, 0, 0 },
    { "2.8 pong of 125", "O125:b5ab3a37", { { 0x8a, S(X125) } }, 0, 0, 0 },
    { "pong of 126", "E1002", { { 0x8a|FILL, "x", 126 } }, 0, 0, 0 },
    { "2.10 pings in a row", "P\"a\" P\"\" O\"b\" P\"c\"",
      { { 0x89, S("a") }, { 0x89, S("") }, { 0x8a, S("b") },
        { 0x89, S("c") } }, 0, 0, 0 },

    /* 3: reserved bits */

    { "3.1 RSV3", "E1002", { { 0x91, S("a") } }, 0, 0, 0 },
    { "3.2 RSV2 after a message", "T\"a\" E1002",
      { { 0x81, S("a") }, { 0xa1, S("a") }, { 0x89, S("") } }, 0, 0, 0 },
    { "3.4 RSV1", "E1002", { { 0xc1, S("a") } }, 0, 0, 0 },
    { "3.5 RSV1 of binary", "E1002", { { 0xc2, S("a") } }, 0, 0, 0 },
    { "3.6 RSV of a ping", "E1002", { { 0xd9, S("a") } }, 0, 0, 0 },
    { "3.7 RSV of a close", "E1002", { { 0xf8, S("") } }, 0, 0, 0 },
    { "RSV of a continuation", "E1002",
      { { 0x01, S("a") }, { 0x90, S("a") } }, 0, 0, 0 },

    /* 4: reserved opcodes */

    { "4.1.1 opcode 3", "E1002", { { 0x83, S("") } }, 0, 0, 0 },
    { "4.1.5 opcode 7 after a message", "T\"a\" E1002",
      { { 0x81, S("a") }, { 0x87, S("a") }, { 0x89, S("") } }, 0, 0, 0 },
    { "4.2.1 opcode 11", "E1002", { { 0x8b, S("") } }, 0, 0, 0 },
    { "4.2.5 opcode 15", "E1002", { { 0x8f, S("a") } }, 0, 0, 0 },
    { "opcode 3 within a message", "E1002",
      { { 0x01, S("a") }, { 0x83, S("") } }, 0, 0, 0 },

    /* 5: fragments */

    { "5.1 fragmented ping", "E1002",
      { { 0x09, S("a") }, { 0x80, S("b") } }, 0, 0, 0 },
    { "5.2 fragmented pong", "E1002",
      { { 0x0a, S("a") }, { 0x80, S("b") } }, 0, 0, 0 },
    { "fragmented close", "E1002", { { 0x08, S("") } }, 0, 0, 0 },
    { "5.3 text in two", "T\"fragment1fragment2\"",
      { { 0x01, S("fragment1") }, { 0x80, S("fragment2") } }, 0, 0, 0 },
    { "binary in three", "B\"abc\"",
      { { 0x02, S("a") }, { 0x00, S("b") }, { 0x80, S("c") } }, 0, 0, 0 },
    { "5.6 ping between", "P\"x\"@1 T\"ab\"",
      { { 0x01, S("a") }, { 0x89, S("x") }, { 0x80, S("b") } }, 0, 0, 0 },
    { "pings and pongs between", "P\"\"@1 O\"y\"@3 P\"z\"@3 T\"abcd\" P\"\"",
      { { 0x01, S("a") }, { 0x89, S("") }, { 0x00, S("bc") },
        { 0x8a, S("y") }, { 0x89, S("z") }, { 0x00, S("") },
        { 0x80, S("d") }, { 0x89, S("") } }, 0, 0, 0 },
    { "ping after an empty fragment", "P\"x\" T\"b\"",
      { { 0x01, S("") }, { 0x89, S("x") }, { 0x80, S("b") } }, 0, 0, 0 },
    { "ping amid a character", "P\"\\ce\\ba\"@1 T\"\\ce\\ba\"",
      { { 0x01, S("\xce") }, { 0x89, S("\xce\xba") }, { 0x80, S("\xba") } },
      0, 0, 0 },
    { "5.9 continuation of nothing", "E1002",
      { { 0x80, S("a") }, { 0x81, S("b") } }, 0, 0, 0 },
    { "5.10 continuation of what is over", "T\"a\" E1002",
      { { 0x81, S("a") }, { 0x80, S("a") } }, 0, 0, 0 },
    { "5.12 continuation without FIN", "E1002", { { 0x00, S("a") } },
      0, 0, 0 },
    { "continuation after a ping", "P\"a\" E1002",
      { { 0x89, S("a") }, { 0x80, S("a") } }, 0, 0, 0 },
    { "5.18 text within a text", "E1002",
      { { 0x01, S("a") }, { 0x81, S("b") } }, 0, 0, 0 },
    { "binary within a text", "E1002",
      { { 0x01, S("a") }, { 0x02, S("b") } }, 0, 0, 0 },
    { "text within an empty text", "E1002",
      { { 0x01, S("") }, { 0x81, S("") } }, 0, 0, 0 },
    { "5.19 five and pings", "P\"1\"@2 P\"2\"@4 T\"aabbccddee\"",
      { { 0x01, S("aa") }, { 0x00, S("") }, { 0x89, S("1") },
        { 0x00, S("bb") }, { 0x89, S("2") }, { 0x00, S("ccdd") },
        { 0x80, S("ee") } }, 0, 0, 0 },

    /* 6: UTF-8 */

    { "6.1.1 empty text", "T\"\"", { { 0x81, S("") } }, 0, 0, 0 },
    { "6.1.2 three empty fragments", "T\"\"",
      { { 0x01, S("") }, { 0x00, S("") }, { 0x80, S("") } }, 0, 0, 0 },
    { "6.1.3 the middle one not empty", "T\"m\"",
      { { 0x01, S("") }, { 0x00, S("m") }, { 0x80, S("") } }, 0, 0, 0 },
    { "6.2.1 text", "T\"" KX "\"", { { 0x81, S(K) } }, 0, 0, 0 },
    { "6.2.3 character in fragments", "T\"\\e1\\bd\\b9\"",
      { { 0x01, S("\xe1") }, { 0x00, S("\xbd") }, { 0x80, S("\xb9") } },
      0, 0, 0 },
    { "character about an empty fragment", "T\"\\ce\\ba\"",
      { { 0x01, S("\xce") }, { 0x00, S("") }, { 0x80, S("\xba") } },
      0, 0, 0 },
    { "6.3.1 surrogate", "E1007", { { 0x81, S(K "\xed\xa0\x80" "edited") } },
      0, 0, 0 },
    { "6.3.2 surrogate in fragments", "E1007",
      { { 0x01, S(K "\xed") }, { 0x00, S("\xa0") }, { 0x80, S("\x80") } },
      0, 0, 0 },
    { "6.4 bad, and no FIN", "E1007", { { 0x01, S(K "\xf4\x90") } }, 0, 0, 0 },
    { "6.4 bad, and no end of frame", "E1007",
      { { RAW, S("\x81\x8a\0\0\0\0\xf4\x90") } }, 0, 0, 0 },
    { "6.6.1 half a character", "E1007", { { 0x81, S("\xce") } }, 0, 0, 0 },
    { "half a character and an empty end", "E1007",
      { { 0x01, S("\xce") }, { 0x80, S("") } }, 0, 0, 0 },
    { "half a character, then another message", "B\"\\ce\" T\"\\ce\\ba\" E1007",
      { { 0x82, S("\xce") }, { 0x81, S("\xce\xba") }, { 0x81, S("\xba") } },
      0, 0, 0 },
    { "6.10 overlong", "E1007", { { 0x81, S("\xc0\x80") } }, 0, 0, 0 },
    { "6.22 last of the planes", "T\"\\f4\\8f\\bf\\bf\"",
      { { 0x81, S("\xf4\x8f\xbf\xbf") } }, 0, 0, 0 },
    { "byte order mark", "T\"\\ef\\bb\\bf\"", { { 0x81, S("\xef\xbb\xbf") } },
      0, 0, 0 },
    { "bad byte within a message, a ping before", "P\"x\"@1 E1007",
      { { 0x01, S("a") }, { 0x89, S("x") }, { 0x80, S("\xff") } }, 0, 0, 0 },

    /* 7: close */

    { "7.1.1 message and close", "T\"a\" C1000\"\"",
      { { 0x81, S("a") }, { 0x88, S("\x03\xe8") } }, 0, 0, 0 },
    { "7.1.2 two of them", "C1000\"\"",
      { { 0x88, S("\x03\xe8") }, { 0x88, S("\x03\xe9") } }, 0, 0, 0 },
    { "7.1.3 ping after it", "C1005\"\"",
      { { 0x88, S("") }, { 0x89, S("x") } }, 0, 0, 0 },
    { "7.1.4 text after it", "C1005\"\"",
      { { 0x88, S("") }, { 0x81, S("x") } }, 0, 0, 0 },
    { "7.1.5 within a message", "C1000\"\"@1",
      { { 0x01, S("a") }, { 0x88, S("\x03\xe8") }, { 0x80, S("b") } },
      0, 0, 0 },
    { "within a character", "C1000\"x\"@1",
      { { 0x01, S("\xce") }, { 0x88, S("\x03\xe8x") } }, 0, 0, 0 },
    { "bytes of no meaning after it", "C1005\"\"",
      { { 0x88, S("") }, { RAW, S("\xff\xff\xff\xff") } }, 0, 0, 0 },
    { "7.3.1 empty", "C1005\"\"", { { 0x88, S("") } }, 0, 0, 0 },
    { "7.3.2 one byte", "E1002", { { 0x88, S("\x03") } }, 0, 0, 0 },
    { "7.3.3 code", "C1000\"\"", { { 0x88, S("\x03\xe8") } }, 0, 0, 0 },
    { "7.3.4 reason", "C1001\"bye " KX "\"",
      { { 0x88, S("\x03\xe9" "bye " K) } }, 0, 0, 0 },
    { "7.3.5 125 bytes", "C1000123:568ccd6f",
      { { 0x88, S("\x03\xe8" X25 X25 X25 X25 "xxxxxxxxxxxxxxxxxxxxxxx") } },
      0, 0, 0 },
    { "7.3.6 126 bytes", "E1002", { { 0x88|FILL, "\x03", 126 } }, 0, 0, 0 },
    { "7.5.1 reason not UTF-8", "E1002",
      { { 0x88, S("\x03\xe8" K "\xed\xa0\x80" "edited") } }, 0, 0, 0 },
    { "reason with half a character", "E1002",
      { { 0x88, S("\x03\xe8\xce") } }, 0, 0, 0 },
    { "code before the end of a reason", "E1002",
      { { RAW, S("\x88\xfd\0\0\0\0\x03\xed") } }, 0, 0, 0 },
    { "cut in a close", "...", { { RAW, S("\x88\x82\0\0\0\0\x03") } },
      0, 0, 0 },
    { "7.7 code 1014", "C1014\"\"", { { 0x88, S("\x03\xf6") } }, 0, 0, 0 },
    { "7.7 code 3000", "C3000\"\"", { { 0x88, S("\x0b\xb8") } }, 0, 0, 0 },
    { "7.7 code 4999", "C4999\"\"", { { 0x88, S("\x13\x87") } }, 0, 0, 0 },
    { "7.9 code 0", "E1002", { { 0x88, S("\0\0") } }, 0, 0, 0 },
    { "7.9 code 1005", "E1002", { { 0x88, S("\x03\xed") } }, 0, 0, 0 },
    { "7.9 code 2999", "E1002", { { 0x88, S("\x0b\xb7x") } }, 0, 0, 0 },
    { "7.13 code 5000", "E1002", { { 0x88, S("\x13\x88") } }, 0, 0, 0 },
    { "7.13 code 65535", "E1002", { { 0x88, S("\xff\xff") } }, 0, 0, 0 },

    /* headers and masks */

    { "text not masked", "E1002", { { 0x81|UNMASKED, S("a") } }, 0, 0, 0 },
    { "ping not masked", "E1002", { { 0x89|UNMASKED, S("") } }, 0, 0, 0 },
    { "second message not masked", "T\"a\" E1002",
      { { 0x81, S("a") }, { 0x81|UNMASKED, S("a") } }, 0, 0, 0 },
    { "length not minimal", "E1002", { { RAW, S("\x82\xfe\x00\x7d") } },
      0, 0, 0 },
    { "length of 64 bits", "E1002", { { RAW, S("\x82\xff\xff") } }, 0, 0, 0 },
    { "a mask of zeros, then others", "T\"abcde\" B\"abc\"",
      { { RAW, S("\x81\x85\0\0\0\0" "abcde") },
        { RAW, S("\x02\x81\1\1\1\1" "\x60") },
        { RAW, S("\x80\x82\2\3\0\0" "\x60\x60") } }, 0, 0, 0 },

    /* limits; a payload never looked at is never sent */

    { "exactly the limit", "T\"1234567890\" B\"1234567890\"",
      { { 0x81, S("1234567890") }, { 0x02, S("12345678") },
        { 0x80, S("90") } }, 10, 0, 0 },
    { "one more", "E1009", { { RAW, S("\x81\x8b\1\2\3\4") } }, 10, 0, 0 },
    { "one more in a fragment", "E1009",
      { { 0x02, S("12345678") }, { RAW, S("\x80\x83\1\2\3\4") } }, 10, 0, 0 },
    { "63 bits", "E1009",
      { { RAW, S("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4") } },
      0, 0, 0 },
    { "a sum that would wrap", "E1009",
      { { 0x02, S("12") },
        { RAW, S("\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4") } },
      (size_t) -1 >> 1, 0, 0 },
    { "no limit", "...",
      { { RAW, S("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4") } },
      (size_t) -1, 0, 0 },
    { "the limit is of one message, not of all", "T\"123\" T\"123\" T\"123\"",
      { { 0x81, S("123") }, { 0x81, S("123") }, { 0x81, S("123") } },
      3, 0, 0 },
    { "control frames are not under it", "P\"12345\"@3 T\"123\" C1000\"bye\"",
      { { 0x01, S("123") }, { 0x89, S("12345") }, { 0x80, S("") },
        { 0x88, S("\x03\xe8" "bye") } }, 3, 0, 0 },
    { "fragments at the limit", "T\"abc\" T\"d\" T\"efg\"",
      { { 0x01, S("a") }, { 0x00, S("b") }, { 0x80, S("c") },
        { 0x81, S("d") }, { 0x01, S("e") }, { 0x00, S("f") },
        { 0x80, S("g") } }, 0, 3, 0 },
    { "fragments above it", "E1008",
      { { 0x01, S("a") }, { 0x00, S("b") }, { 0x00, S("c") },
        { 0x80, S("d") } }, 0, 3, 0 },
    { "empty fragments count", "E1008",
      { { 0x01, S("") }, { 0x00, S("") }, { 0x00, S("") },
        { RAW, S("\x80\x80\1\2\3\4") } }, 0, 3, 0 },
    { "pings do not", "P\"\"@1 P\"\"@1 P\"\"@1 T\"ab\"",
      { { 0x01, S("a") }, { 0x89, S("") }, { 0x89, S("") },
        { 0x89, S("") }, { 0x80, S("b") } }, 0, 2, 0 },
    { "one fragment", "T\"a\" E1008",
      { { 0x81, S("a") }, { 0x01, S("a") }, { 0x80, S("a") } }, 0, 1, 0 },

    /* permessage-deflate, RFC 7692 */

    { "compressed text is not judged", "zT\"\\ff\\ce\" T\"a\" zB\"\\00\"",
      { { 0xc1, S("\xff\xce") }, { 0x81, S("a") }, { 0xc2, S("\0") } },
      0, 0, 1 },
    { "compressed in two, a ping between", "P\"x\"@1 zT\"\\ff\\fe\" E1007",
      { { 0x41, S("\xff") }, { 0x89, S("x") }, { 0x80, S("\xfe") },
        { 0x81, S("\xff") } }, 0, 0, 1 },
    { "RSV1 of a continuation", "E1002",
      { { 0x41, S("a") }, { 0xc0, S("b") } }, 0, 0, 1 },
    { "RSV1 of a ping, negotiated", "E1002", { { 0xc9, S("") } }, 0, 0, 1 },
    { "RSV1 of a close, negotiated", "E1002", { { 0xc8, S("") } }, 0, 0, 1 },
    { "RSV1 and RSV2", "E1002", { { 0xe1, S("a") } }, 0, 0, 1 },
    { "RSV1 of opcode 3", "E1002", { { 0xc3, S("a") } }, 0, 0, 1 },
    { "compressed may be longer", "zB\"12345\" E1009",
      { { 0xc2, S("12345") }, { 0x82, S("12345") } }, 4, 0, 1 },
    { "but not by much", "E1009", { { 0xc2|FILL, "x", 70 } }, 4, 0, 1 }
};


/*
 * Every first byte, masked or not, in and out of a message, with and without
 * permessage-deflate, against the rules written down once more.
 */

static const char *
first_byte(unsigned ch, unsigned masked, unsigned within, unsigned rsv1)
{
    unsigned  fin, rsv, opcode;

    fin = ch & 0x80;
    rsv = ch & 0x70;
    opcode = ch & 0x0f;

    if (!masked || (rsv & 0x30)) {
        return "E1002";
    }

    if (rsv && (!rsv1 || (opcode != 1 && opcode != 2))) {
        return "E1002";
    }

    switch (opcode) {

    case 0:
        return !within ? "E1002" : fin ? "T\"a\"" : "...";

    case 1:
        return within ? "E1002" : !fin ? "..." : rsv ? "zT\"\"" : "T\"\"";

    case 2:
        return within ? "E1002" : !fin ? "..." : rsv ? "zB\"\"" : "B\"\"";

    case 8:
        return !fin ? "E1002" : within ? "C1005\"\"@1" : "C1005\"\"";

    case 9:
        return !fin ? "E1002" : within ? "P\"\"@1 ..." : "P\"\"";

    case 10:
        return !fin ? "E1002" : within ? "O\"\"@1 ..." : "O\"\"";
    }

    return "E1002";
}


static void
test_first_byte(void)
{
    run_t        r;
    u_char       bytes[16], *p;
    unsigned     ch, i, bad;
    scenario_t   s;
    const char  *expected;

    memset(&s, 0, sizeof(s));
    bad = 0;

    for (ch = 0; ch < 256; ch++) {
        for (i = 0; i < 8; i++) {
            p = bytes;

            if (i & 1) {
                memcpy(p, "\x01\x81\0\0\0\0a", 7);
                p += 7;
            }

            *p++ = ch;
            *p++ = (i & 2) ? 0x80 : 0;

            if (i & 2) {
                memset(p, 0xff, 4);
                p += 4;
            }

            s.rsv1 = (i & 4) ? 1 : 0;
            expected = first_byte(ch, i & 2, i & 1, i & 4);

            run(&r, &s, bytes, p - bytes, p - bytes, p - bytes);

            if (strcmp(r.log, expected) != 0) {
                printf("#  %02x, %u: %s, not %s\n", ch, i, r.log, expected);
                bad++;
            }
        }
    }

    ok(bad == 0, "all first bytes");
}


static void
test_close_codes(void)
{
    char         expected[32];
    run_t        r;
    u_char       bytes[8] = { 0x88, 0x82, 0, 0, 0, 0, 0, 0 };
    unsigned     code, good, bad;
    scenario_t   s;

    memset(&s, 0, sizeof(s));
    bad = 0;
    good = 0;

    for (code = 0; code < 65536; code++) {
        bytes[6] = code >> 8;
        bytes[7] = code & 0xff;

        switch (code) {

        case 1000: case 1001: case 1002: case 1003:
        case 1007: case 1008: case 1009: case 1010: case 1011:
        case 1012: case 1013: case 1014:
            sprintf(expected, "C%u\"\"", code);
            good++;
            break;

        default:
            if (code / 1000 == 3 || code / 1000 == 4) {
                sprintf(expected, "C%u\"\"", code);
                good++;

            } else {
                sprintf(expected, "E1002");
            }
        }

        run(&r, &s, bytes, 8, 1 + code % 7, 8);
        bad += (strcmp(r.log, expected) != 0);
    }

    ok(bad == 0 && good == 2012, "all close codes: %u are valid", good);
    ok(ngx_socketio_ws_close_code(65536 + 1000) == NGX_ERROR, "65536 + 1000");
}


/*
 * Section 8.1 in Autobahn's strict reading: the failure comes with the first
 * byte that makes it certain, not at the end of the character or frame.
 */

static void
test_fail_fast(void)
{
    static struct {
        const char  *text;
        size_t       len;
        size_t       bad;           /* index of the byte; len: the end */
    } v[] = {
        { S("abc\x80" "def"), 3 },
        { S("\xc1\x81"), 0 },
        { S("\xe0\x9f\xbf"), 1 },
        { S("\xf0\x8f\xbf\xbf"), 1 },
        { S(K "\xed\xa0\x80" "edited"), 12 },
        { S(K "\xf4\x90\x80\x80" "edited"), 12 },
        { S("\xf5\x80\x80\x80"), 0 },
        { S("\xf8\x88\x80\x80\x80"), 0 },
        { S("\xe1\xbd" "x"), 2 },
        { S(K "\xe1\xbd"), 12 }     /* good but incomplete */
    };

    run_t        r;
    size_t       i, n, len;
    u_char      *bytes;
    scenario_t   s;

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        memset(&s, 0, sizeof(s));
        s.parts[0].first = 0x81;
        s.parts[0].data = v[i].text;
        s.parts[0].len = v[i].len;

        bytes = build(&s, &len);
        start(&r, &s);

        for (n = 0; n < len && !r.over; n++) {
            feed(&r, bytes + n, 1);
        }

        ok(n == len - v[i].len + v[i].bad + 1 && strcmp(r.log, "E1007") == 0,
           "fails at byte %zu of text %zu", v[i].bad, i);

        free(bytes);
    }
}


/* the announced size, for a caller who makes room at the first span */

static void
test_size(void)
{
    u_char                      bytes[] = "\x82\x85\0\0\0\0" "ab" "cde"
                                          "\x02\x83\0\0\0\0" "abc"
                                          "\x80\x82\0\0\0\0" "d" "e"
                                          "\x88\x85\0\0\0\0" "\x03\xe8" "bye";
    u_char                     *pos;
    ngx_socketio_ws_event_t     ev;
    ngx_socketio_ws_limits_t    limits;
    ngx_socketio_ws_message_t   m;

    memset(&m, 0, sizeof(m));
    memset(&limits, 0, sizeof(limits));

    limits.max_payload = 5;
    limits.max_fragments = 2;

#define next(n)                                                               \
    ngx_socketio_ws_message_next(&m, &limits, &pos, bytes + n, &ev)

    pos = bytes;

    ok(next(6) == NGX_AGAIN, "no event for a header alone");

    ok(next(8) == NGX_OK && ev.first && ev.fin && !ev.last && ev.size == 5
       && ev.offset == 0 && ev.data.len == 2 && ev.data.data == bytes + 6,
       "first span of a single frame: the size is final");
    ok(next(8) == NGX_AGAIN, "no more");
    ok(next(11) == NGX_OK && !ev.first && ev.fin && ev.last && ev.size == 5
       && ev.offset == 2 && ev.data.len == 3,
       "last span");

    ok(next(20) == NGX_OK && ev.first && !ev.fin && !ev.last && ev.size == 3,
       "first fragment: the size is what is known");
    ok(next(27) == NGX_OK && !ev.first && ev.fin && !ev.last && ev.size == 5
       && ev.offset == 3,
       "last fragment: the size is final");
    ok(next(28) == NGX_OK && ev.last && ev.offset == 4, "its second span");

    ok(next(36) == NGX_AGAIN, "no event for the code of a close");
    ok(next(38) == NGX_OK && ev.first && !ev.last && ev.code == 1000
       && ev.size == 3 && ev.offset == 0 && memcmp(ev.data.data, "by", 2) == 0,
       "reason");
    ok(next(39) == NGX_OK && !ev.first && ev.last && ev.code == 1000
       && ev.offset == 2 && ev.data.len == 1,
       "its end");
    ok(next(39) == NGX_DONE, "done");

#undef next

    ok(sizeof(m) <= 64, "%zu bytes of state", sizeof(m));
}


static void
test_limit(void)
{
    ngx_socketio_ws_limits_t  limits;

    memset(&limits, 0, sizeof(limits));

    limits.max_payload = 1000000;

    ok(ngx_socketio_ws_message_limit(&limits, 0) == 1000000, "limit");
    ok(ngx_socketio_ws_message_limit(&limits, 1) == 1250064,
       "limit of compressed");

    limits.max_payload = (size_t) -1 - 10;

    ok(ngx_socketio_ws_message_limit(&limits, 1) == (size_t) -1,
       "it does not wrap");
}


int
main(void)
{
    size_t  i;

    for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        test(&scenarios[i]);
    }

    test_first_byte();
    test_close_codes();
    test_fail_fast();
    test_size();
    test_limit();

    return tap_done();
}
