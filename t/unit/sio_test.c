
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Socket.IO packets.  Fails if a packet that JavaScript servers close the
 * connection for is accepted, or one that clients do send is refused; if a
 * part of a packet begins or ends elsewhere; if a reserved name passes in
 * disguise; if a placeholder escapes its check, or an ordinary object is
 * taken for one.
 */


#include "tap.h"

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_sio.c"


#define nelts(a)  (sizeof(a) / sizeof((a)[0]))


static ngx_socketio_sio_limits_t  v5 = { 10, 16, 5 };
static ngx_socketio_sio_limits_t  v4 = { 10, 16, 4 };


static int
is(ngx_str_t *s, const char *text)
{
    return s->len == strlen(text)
           && (s->len == 0 || memcmp(s->data, text, s->len) == 0);
}


static struct {
    const char  *text;
    ngx_uint_t   type;
    ngx_uint_t   attachments;
    const char  *nsp;
    long long    id;           /* -1: none */
    const char  *data;
    const char  *event;
    const char  *args;
} good[] = {
    { "0", 0, 0, "/", -1, "", "", "" },
    { "0{\"token\":\"123\"}", 0, 0, "/", -1, "{\"token\":\"123\"}", "", "" },
    { "0{}", 0, 0, "/", -1, "{}", "", "" },
    { "0 { } ", 0, 0, "/", -1, "{ }", "", "" },
    { "0/custom", 0, 0, "/custom", -1, "", "", "" },
    { "0/custom,", 0, 0, "/custom", -1, "", "", "" },
    { "0/custom,{\"token\":\"abc\"}", 0, 0, "/custom", -1,
      "{\"token\":\"abc\"}", "", "" },
    { "0/", 0, 0, "/", -1, "", "", "" },
    { "0/,", 0, 0, "/", -1, "", "", "" },
    { "0/custom?x=1,", 0, 0, "/custom?x=1", -1, "", "", "" },
    { "0/custom,5{\"a\":1}", 0, 0, "/custom", 5, "{\"a\":1}", "", "" },
    { "0{\"token\":\"\xc3\xa9\xf0\x9f\x98\x80\"}", 0, 0, "/", -1,
      "{\"token\":\"\xc3\xa9\xf0\x9f\x98\x80\"}", "", "" },
    { "0/\xc3\xa9 {\"[,", 0, 0, "/\xc3\xa9 {\"[", -1, "", "", "" },
    { "0/__proto__,", 0, 0, "/__proto__", -1, "", "", "" },

    { "1", 1, 0, "/", -1, "", "", "" },
    { "1/custom", 1, 0, "/custom", -1, "", "", "" },
    { "1/custom,", 1, 0, "/custom", -1, "", "", "" },

    { "2[\"message\",1,\"2\",{\"3\":[true]}]", 2, 0, "/", -1,
      "[\"message\",1,\"2\",{\"3\":[true]}]", "\"message\"",
      "1,\"2\",{\"3\":[true]}" },
    { "2[\"noarg\"]", 2, 0, "/", -1, "[\"noarg\"]", "\"noarg\"", "" },
    { "2[\"m\",null,false,[[]],\"\"]", 2, 0, "/", -1,
      "[\"m\",null,false,[[]],\"\"]", "\"m\"", "null,false,[[]],\"\"" },
    { "2[\"m\",\"utf8 \xe2\x80\x94 string\"]", 2, 0, "/", -1,
      "[\"m\",\"utf8 \xe2\x80\x94 string\"]", "\"m\"",
      "\"utf8 \xe2\x80\x94 string\"" },
    { "2[\"m\",\"\\u001e\"]", 2, 0, "/", -1, "[\"m\",\"\\u001e\"]", "\"m\"",
      "\"\\u001e\"" },
    { "2[1]", 2, 0, "/", -1, "[1]", "1", "" },
    { "2[-1.5e3,2]", 2, 0, "/", -1, "[-1.5e3,2]", "-1.5e3", "2" },
    { "2[\"error\",\"x\"]", 2, 0, "/", -1, "[\"error\",\"x\"]", "\"error\"",
      "\"x\"" },
    { "2[\"a]\\\",\",1]", 2, 0, "/", -1, "[\"a]\\\",\",1]", "\"a]\\\",\"",
      "1" },
    { "2[\"\"]", 2, 0, "/", -1, "[\"\"]", "\"\"", "" },
    { "2 [ \"m\" , 1 , [ 2 ] ] ", 2, 0, "/", -1, "[ \"m\" , 1 , [ 2 ] ]",
      "\"m\"", "1 , [ 2 ]" },
    { "2[\"m\",1\t]\r", 2, 0, "/", -1, "[\"m\",1\t]", "\"m\"", "1" },
    { "2[\"m\",1\r\n]\t", 2, 0, "/", -1, "[\"m\",1\r\n]", "\"m\"", "1" },
    { "2\n[\t\"m\"\r]", 2, 0, "/", -1, "[\t\"m\"\r]", "\"m\"", "" },
    { "2456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]", 2, 0, "/", 456,
      "[\"message-with-ack\",1,\"2\",{\"3\":[false]}]",
      "\"message-with-ack\"", "1,\"2\",{\"3\":[false]}" },
    { "20[\"ack\"]", 2, 0, "/", 0, "[\"ack\"]", "\"ack\"", "" },
    { "2007[\"ack\"]", 2, 0, "/", 7, "[\"ack\"]", "\"ack\"", "" },
    { "2/custom,9[\"ack\",\"z\"]", 2, 0, "/custom", 9, "[\"ack\",\"z\"]",
      "\"ack\"", "\"z\"" },
    { "2/,3[\"ack\",5]", 2, 0, "/", 3, "[\"ack\",5]", "\"ack\"", "5" },
    { "29007199254740991[\"a\"]", 2, 0, "/", 9007199254740991LL, "[\"a\"]",
      "\"a\"", "" },
    { "2[\"m\",{\"_placeholder\":true,\"num\":9}]", 2, 0, "/", -1,
      "[\"m\",{\"_placeholder\":true,\"num\":9}]", "\"m\"",
      "{\"_placeholder\":true,\"num\":9}" },
    { "2[\"Connect\"]", 2, 0, "/", -1, "[\"Connect\"]", "\"Connect\"", "" },
    { "2[\"connect \"]", 2, 0, "/", -1, "[\"connect \"]", "\"connect \"", "" },
    { "2[\"reconnect\"]", 2, 0, "/", -1, "[\"reconnect\"]", "\"reconnect\"",
      "" },

    { "31[1,\"x\"]", 3, 0, "/", 1, "[1,\"x\"]", "", "1,\"x\"" },
    { "30[]", 3, 0, "/", 0, "[]", "", "" },
    { "312[ ]", 3, 0, "/", 12, "[ ]", "", "" },
    { "3/custom,9[\"z\"]", 3, 0, "/custom", 9, "[\"z\"]", "", "\"z\"" },

    { "51-[\"q\",{\"_placeholder\":true,\"num\":0}]", 5, 1, "/", -1,
      "[\"q\",{\"_placeholder\":true,\"num\":0}]", "\"q\"",
      "{\"_placeholder\":true,\"num\":0}" },
    { "52-/admin,[\"b\",1]", 5, 2, "/admin", -1, "[\"b\",1]", "\"b\"", "1" },
    { "52-/admin,13[\"b\"]", 5, 2, "/admin", 13, "[\"b\"]", "\"b\"", "" },
    { "51-7[\"ack\"]", 5, 1, "/", 7, "[\"ack\"]", "\"ack\"", "" },
    { "510-[\"x\"]", 5, 10, "/", -1, "[\"x\"]", "\"x\"", "" },
    { "61-5[{\"_placeholder\":true,\"num\":0}]", 6, 1, "/", 5,
      "[{\"_placeholder\":true,\"num\":0}]", "",
      "{\"_placeholder\":true,\"num\":0}" },
    { "61-/a,5[]", 6, 1, "/a", 5, "[]", "", "" }
};


/* refused in revisions 4 and 5 */

static const char  *bad[] = {
    "", "7", "9", "abc", "7[\"a\"]", "-1", " 0", "\x30\xff",
    "0{", "0custom", "0,", "0x{}", "0{}{}", "0{}x", "0-1{}", "0/a,x",
    "0/a,{", "0/\xff,", "0/\xc3,", "0/\xed\xa0\x80,",
    "1{}", "1\"x\"", "1[]", "1null", "1/custom,{}", "1 ", "1x",
    "2", "21", "2/custom", "2/custom,", "2{}", "2[]", "2[ ]", "2[null]",
    "2[{}]", "2[[]]", "2[true]", "2\"x\"", "2null", "2\"a\"1", "21 2",
    "2[\"hello\"", "2[\"a\"]x", "2[\"a\",]", "2[\"a\"]]", "2[\"a\" 1]",
    "2[\"\xff\"]", "2[\"\x1e\"]", "2[\"\n\"]", "2[\"a\",\xc3\xa9]",
    "2abc[\"message-with-ack\",1]", "2-1[\"a\"]", "2+1[\"a\"]",
    "21.5[\"a\"]", "21e3[\"a\"]", "20x1[\"a\"]", "21,[\"a\"]",
    "29007199254740992[\"a\"]", "299999999999999999999[\"a\"]",
    "218446744073709551616[\"a\"]", "2custom,[\"a\"]",
    "21-[\"a\"]", "2,[\"a\"]",
    "3", "30", "3[]", "3[1]", "31{}", "31\"x\"", "31null", "31[", "3/a,[]",
    "3/a,5",
    "4", "4{\"message\":\"x\"}", "4\"x\"", "4/a,{\"message\":\"x\"}",
    "5[\"x\"]", "5-[\"x\"]", "51.5-[\"x\"]", "5-1-[\"x\"]", "511-[\"x\"]",
    "50-", "50-[]", "50-1",
    "50[\"x\"]", "51e0-[\"x\"]", "51[\"x\"]", "51", "51-",
    "5+1-[\"x\"]", "5 1-[\"x\"]", "51 -[\"x\"]", "5/a,1-[\"x\"]",
    "599999999999999999999999-[\"x\"]", "518446744073709551617-[\"x\"]",
    "51-[]", "51-{}", "51-1-[\"x\"]",
    "6[]", "60-[]", "60-1{}", "61-[]", "61-1{}", "61-1", "611-1[]", "6-1[]",
    "2[\"m\",[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"
};


/* refused in revision 5 only */

static const char  *bad5[] = {
    "0\"x\"", "0[]", "0null", "0 1", "0/a,\"x\"",
    "2[\"connect\"]", "2[\"connect_error\",1]", "2[\"disconnect\"]",
    "2[\"disconnecting\"]", "2[\"newListener\"]", "2[\"removeListener\"]",
    "2[ \"connect\" ]", "2[\"\\u0063onnect\"]", "2[\"connec\\u0074\",1]",
    "51-[\"disconnect\",{\"_placeholder\":true,\"num\":0}]",
    "2/a,1[\"new\\u004cistener\"]",
    "50-[\"x\"]", "500-/a,1[\"x\",{\"_placeholder\":true,\"num\":0}]",
    "60-1[]"
};


static void
test_good(void)
{
    size_t                       i, len;
    u_char                      *p;
    ngx_int_t                    rc;
    ngx_socketio_sio_packet_t    pkt;

    for (i = 0; i < nelts(good); i++) {
        len = strlen(good[i].text);
        p = tap_copy(good[i].text, len);
        memset(&pkt, 0xff, sizeof(pkt));
        rc = ngx_socketio_sio_parse(&pkt, p, p + len, &v5);

        ok(rc == NGX_OK && pkt.type == good[i].type
           && pkt.attachments == good[i].attachments
           && is(&pkt.nsp, good[i].nsp)
           && pkt.has_id == (good[i].id >= 0)
           && (!pkt.has_id || pkt.id == (uint64_t) good[i].id),
           "header of good %zu", i);

        ok(rc == NGX_OK && is(&pkt.data, good[i].data)
           && is(&pkt.event, good[i].event) && is(&pkt.args, good[i].args),
           "data of good %zu", i);

        ok(ngx_socketio_sio_parse(&pkt, p, p + len, &v4) == NGX_OK,
           "revision 4 takes good %zu", i);

        free(p);
    }
}


static void
test_bad(void)
{
    size_t                      i, j, len, passed;
    u_char                     *p;
    ngx_socketio_sio_packet_t   pkt;
    static char                 nested[] =
        "2[\"m\",[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]";

    for (i = 0; i < nelts(bad); i++) {
        len = strlen(bad[i]);
        p = tap_copy(bad[i], len);

        ok(ngx_socketio_sio_parse(&pkt, p, p + len, &v5) == NGX_ERROR
           && ngx_socketio_sio_parse(&pkt, p, p + len, &v4) == NGX_ERROR,
           "bad %zu", i);

        free(p);
    }

    for (i = 0; i < nelts(bad5); i++) {
        len = strlen(bad5[i]);
        p = tap_copy(bad5[i], len);

        ok(ngx_socketio_sio_parse(&pkt, p, p + len, &v5) == NGX_ERROR,
           "bad in revision 5: %zu", i);
        ok(ngx_socketio_sio_parse(&pkt, p, p + len, &v4) == NGX_OK
           && (pkt.attachments != 0
               ? pkt.type > NGX_SOCKETIO_SIO_CONNECT_ERROR
               : pkt.type < NGX_SOCKETIO_SIO_CONNECT_ERROR),
           "good in revision 4: %zu", i);

        free(p);
    }

    p = tap_copy(nested, sizeof(nested) - 1);
    ok(ngx_socketio_sio_parse(&pkt, p, p + sizeof(nested) - 1, &v5)
       == NGX_OK, "16 levels of 16");
    free(p);

    /* no packet with an array is a beginning of another */

    passed = 0;

    for (i = 0; i < nelts(good); i++) {

        if (good[i].data[0] != '[') {
            continue;
        }

        len = strlen(good[i].text);

        while (good[i].text[len - 1] != ']') {
            len--;
        }

        for (j = 0; j < len; j++) {
            p = tap_copy(good[i].text, j);
            passed += ngx_socketio_sio_parse(&pkt, p, p + j, &v5) == NGX_OK;
            free(p);
        }
    }

    ok(passed == 0, "no beginning of a packet passes");
}


static void
test_limits(void)
{
    u_char                     *p;
    ngx_socketio_sio_packet_t   pkt;
    ngx_socketio_sio_limits_t   limits;

    p = tap_copy("512-[\"x\"]", 9);
    limits = v5;

    limits.attachments = 0;
    ok(ngx_socketio_sio_parse(&pkt, p, p + 9, &limits) == NGX_ERROR,
       "12 attachments of 0");

    limits.attachments = 11;
    ok(ngx_socketio_sio_parse(&pkt, p, p + 9, &limits) == NGX_ERROR,
       "12 attachments of 11");

    limits.attachments = 12;
    ok(ngx_socketio_sio_parse(&pkt, p, p + 9, &limits) == NGX_OK
       && pkt.attachments == 12, "12 attachments of 12");

    limits.attachments = (ngx_uint_t) -1;
    ok(ngx_socketio_sio_parse(&pkt, p, p + 9, &limits) == NGX_OK
       && pkt.attachments == 12, "12 attachments without a limit");

    limits.depth = 0;
    ok(ngx_socketio_sio_parse(&pkt, p, p + 9, &limits) == NGX_ERROR,
       "depth 0");

    free(p);

    p = tap_copy("518446744073709551616-[\"x\"]", 26);
    ok(ngx_socketio_sio_parse(&pkt, p, p + 26, &limits) == NGX_ERROR,
       "a number of attachments does not wrap around");
    free(p);
}


static void
test_header(void)
{
    size_t         i, len;
    u_char        *p;
    ngx_str_t      nsp;
    static struct {
        ngx_uint_t   type;
        ngx_uint_t   attachments;
        const char  *nsp;
        ngx_uint_t   has_id;
        uint64_t     id;
        const char  *text;
    } t[] = {
        { 0, 0, NULL, 0, 0, "0" },
        { 0, 0, "/", 0, 0, "0" },
        { 0, 0, "", 0, 0, "0" },
        { 0, 0, "/custom", 0, 0, "0/custom," },
        { 0, 0, "x", 0, 0, "0x," },
        { 1, 0, "/custom", 0, 0, "1/custom," },
        { 2, 0, "/", 0, 5, "2" },
        { 2, 7, "/", 1, 0, "20" },
        { 3, 0, "/custom", 1, 9, "3/custom,9" },
        { 3, 0, "/", 1, 9007199254740991ULL, "39007199254740991" },
        { 4, 0, "/deny", 0, 0, "4/deny," },
        { 5, 1, "/", 0, 0, "51-" },
        { 5, 2, "/admin", 1, 13, "52-/admin,13" },
        { 5, 0, "/", 0, 0, "50-" },
        { 6, 10, NULL, 1, 5, "610-5" }
    };

    for (i = 0; i < nelts(t); i++) {

        if (t[i].nsp) {
            nsp.data = (u_char *) t[i].nsp;
            nsp.len = strlen(t[i].nsp);
        }

        len = ngx_socketio_sio_header(NULL, t[i].type, t[i].attachments,
                                      t[i].nsp ? &nsp : NULL, t[i].has_id,
                                      t[i].id);
        p = malloc(len);

        ok(len == strlen(t[i].text)
           && ngx_socketio_sio_header(p, t[i].type, t[i].attachments,
                                      t[i].nsp ? &nsp : NULL, t[i].has_id,
                                      t[i].id)
              == len
           && memcmp(p, t[i].text, len) == 0, "header %s", t[i].text);

        free(p);
    }
}


static void
test_json(void)
{
    size_t         i, k, at, len;
    u_char        *p;
    char           text[64];
    static struct {
        const char  *header;
        const char  *json;
    } t[] = {
        { "", "" },
        { "0", "" },
        { "0", "{\"sid\":\"a,b\"}" },
        { "0/custom,", "" },
        { "0/admin?token=1-2&x=/,", "" },
        { "0/custom", "" },
        { "1/custom,", "" },
        { "2", "[\"1-\",\"/a,1[\"]" },
        { "20", "[5]" },
        { "212", "[\"x\"]" },
        { "2/\xc3\xa9,7", "[\"\xc3\xa9\"]" },
        { "3/custom,9007199254740991", "[]" },
        { "4/deny,", "{\"message\":\"no\"}" },
        { "4", "\"no\"" },
        { "4", "-1" },
        { "51-", "[{\"_placeholder\":true,\"num\":0}]" },
        { "52-/admin,13", "[1,2]" },
        { "610-5", "[-1]" }
    };

    for (i = 0; i < nelts(t); i++) {
        len = snprintf(text, sizeof(text), "%s%s", t[i].header, t[i].json);
        p = tap_copy(text, len);

        ok(ngx_socketio_sio_json(p, p + len) == p + strlen(t[i].header),
           "the JSON of \"%s\"", text);

        free(p);

        /* cut off anywhere: within, for the sanitizer to see */

        for (k = 0; k <= len; k++) {
            p = tap_copy(text, k);
            at = ngx_socketio_sio_json(p, p + k) - p;

            if (at > k || at > strlen(t[i].header)) {
                ok(0, "the JSON of %zu bytes of \"%s\"", k, text);
            }

            free(p);
        }
    }
}


#define P(rest)  "{\"_placeholder\":true," rest "}"


static void
test_placeholders(void)
{
    size_t         i, len;
    u_char        *p;
    static char    deep[4096];
    static struct {
        const char  *json;
        ngx_uint_t   n;
        ngx_int_t    rc;
    } t[] = {
        { "[\"m\"," P("\"num\":0") "]", 1, NGX_OK },
        { "[\"m\"," P("\"num\":1") "," P("\"num\":0") "]", 2, NGX_OK },
        { "[\"m\"," P("\"num\":0") "," P("\"num\":0") "]", 1, NGX_OK },
        { "[\"m\",{\"a\":[null," P("\"num\":0") ",null]}]", 1, NGX_OK },
        { "[\"message\",1]", 2, NGX_OK },
        { "[\"m\",{\"num\":0,\"_placeholder\":true}]", 1, NGX_OK },
        { "[ { \"_placeholder\" : true , \"num\" : 9 } ]", 10, NGX_OK },
        { "[{\"_placeholder\":true,\"x\":{\"num\":5},\"num\":0}]", 1,
          NGX_OK },
        { "[{\"_placeholder\":true,\"num\":0,\"x\":[1,{\"num\":5}]}]", 1,
          NGX_OK },
        { "[" P("\"n\\u0075m\":0") "]", 1, NGX_OK },
        { "[" P("\"num\":5,\"num\":0") "]", 1, NGX_OK },
        { "[{\"_placeholder\":true,\"_placeholder\":1,\"num\":5}]", 1,
          NGX_OK },
        { "[{\"_placeholder\":false,\"num\":5}]", 1, NGX_OK },
        { "[{\"_placeholder\":\"true\",\"num\":5}]", 1, NGX_OK },
        { "[{\"_placeholder\":1,\"num\":5}]", 1, NGX_OK },
        { "[{\"_placeholder\":null}]", 1, NGX_OK },
        { "[{\"_placeholder\":[true],\"num\":5}]", 1, NGX_OK },
        { "[{\"num\":5}]", 1, NGX_OK },
        { "[{\"_placeholde\":true}]", 1, NGX_OK },
        { "[{\"_placeholderr\":true}]", 1, NGX_OK },
        { "[\"_placeholder\",true]", 1, NGX_OK },
        { "[\"_placeholder\",\":true\",\"_placeholder\"]", 1, NGX_OK },
        { "[{\"x\":\"_placeholder\",\"y\":true}]", 1, NGX_OK },
        { "[\"{\\\"_placeholder\\\":true}\"]", 1, NGX_OK },
        { "{\"a\":{}}", 1, NGX_OK },
        { "1", 1, NGX_OK },

        { "[" P("\"num\":1") "]", 1, NGX_ERROR },
        { "[" P("\"num\":0") "]", 0, NGX_ERROR },
        { "[" P("\"num\":2") "]", 2, NGX_ERROR },
        { "[" P("\"num\":10") "]", 10, NGX_ERROR },
        { "[" P("\"num\":-1") "]", 1, NGX_ERROR },
        { "[" P("\"num\":-0") "]", 1, NGX_ERROR },
        { "[" P("\"num\":0.5") "]", 1, NGX_ERROR },
        { "[" P("\"num\":0e1") "]", 1, NGX_ERROR },
        { "[" P("\"num\":0E1") "]", 1, NGX_ERROR },
        { "[" P("\"num\":\"0\"") "]", 1, NGX_ERROR },
        { "[" P("\"num\":null") "]", 1, NGX_ERROR },
        { "[" P("\"num\":[0]") "]", 1, NGX_ERROR },
        { "[" P("\"num\":{}") "]", 1, NGX_ERROR },
        { "[" P("\"num\":18446744073709551616") "]", 1, NGX_ERROR },
        { "[" P("\"num\":4294967296") "]", 1, NGX_ERROR },
        { "[" P("\"num\":0,\"num\":5") "]", 1, NGX_ERROR },
        { "[{\"_placeholder\":true}]", 1, NGX_ERROR },
        { "[{\"_placeholder\":false,\"num\":5,\"_placeholder\":true}]", 1,
          NGX_ERROR },
        { "[{\"num\":5,\"_placeholder\":true}]", 1, NGX_ERROR },
        { "[{\"\\u005fplaceholder\":true,\"num\":5}]", 1, NGX_ERROR },
        { "[{\"_placeholder\" :\ttrue, \"num\"\n: 5}]", 1, NGX_ERROR },
        { "[{\"_placeholder\":true,\"x\":{\"num\":0}}]", 1, NGX_ERROR },
        { "[{\"_placeholder\":true,\"x\":[{\"num\":0}]}]", 1, NGX_ERROR },
        { "[{\"a\":{\"_placeholder\":true},\"num\":0}]", 1, NGX_ERROR },
        { "[" P("\"num\":0") ",{\"_placeholder\":true}]", 1, NGX_ERROR },
        { "[" P("\"num\":0") "," P("\"num\":1") "]", 1, NGX_ERROR },
        { "[[[[{\"a\":{\"b\":[" P("\"num\":1") "]}}]]]]", 1, NGX_ERROR },
        { "{\"_placeholder\":true,\"num\":1}", 1, NGX_ERROR }
    };

    for (i = 0; i < nelts(t); i++) {
        len = strlen(t[i].json);
        p = tap_copy(t[i].json, len);

        ok(ngx_socketio_json_check(p, p + len, 16) == NGX_OK
           && ngx_socketio_sio_placeholders(p, p + len, t[i].n) == t[i].rc,
           "placeholders %zu", i);

        free(p);
    }

    /* as deep as the checker lets anything be, and deeper */

    len = NGX_SOCKETIO_JSON_MAX_DEPTH;
    memset(deep, '[', len);
    memset(deep + len, ']', len);
    p = tap_copy(deep, 2 * len);
    ok(ngx_socketio_sio_placeholders(p, p + 2 * len, 1) == NGX_OK,
       "placeholders: the maximum depth");
    free(p);

    memset(deep, '[', len + 1);
    p = tap_copy(deep, len + 1);
    ok(ngx_socketio_sio_placeholders(p, p + len + 1, 1) == NGX_ERROR,
       "placeholders: deeper than that");
    free(p);
}


static void
test_reserved(void)
{
    size_t              i;
    u_char             *p;
    static const char  *yes[] = { "connect", "connect_error", "disconnect",
                                  "disconnecting", "newListener",
                                  "removeListener" };
    static const char  *no[] = { "", "error", "message", "connec", "connects",
                                 "Connect", "newlistener", "disconnec",
                                 "__proto__", "connect_" };

    for (i = 0; i < nelts(yes); i++) {
        p = tap_copy(yes[i], strlen(yes[i]));
        ok(ngx_socketio_sio_reserved(p, strlen(yes[i])),
           "%s is reserved", yes[i]);
        free(p);
    }

    for (i = 0; i < nelts(no); i++) {
        p = tap_copy(no[i], strlen(no[i]));
        ok(!ngx_socketio_sio_reserved(p, strlen(no[i])),
           "\"%s\" is not reserved", no[i]);
        free(p);
    }
}


int
main(void)
{
    test_good();
    test_bad();
    test_limits();
    test_header();
    test_json();
    test_placeholders();
    test_reserved();

    return tap_done();
}
