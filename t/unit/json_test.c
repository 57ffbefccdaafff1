
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * JSON.  Fails if the checker takes what RFC 8259 does not or refuses what
 * it does, if a cut-off text passes, if the limit of depth is off by one, if
 * skipping ends elsewhere than the value, if escapes do not round-trip, or if
 * JSON made ASCII is no longer the same value.
 */


#include "tap.h"

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_json_pick.c"
#include "proto/ngx_socketio_json_mend.c"


typedef struct {
    const char  *text;
    size_t       len;
} text_t;

#define v(text)     { text, sizeof(text) - 1 }
#define nelts(a)    (sizeof(a) / sizeof((a)[0]))


static text_t  valid[] = {
    v("0"), v("-0"), v("1"), v("-1"), v("10"), v("1.5"), v("-0.0"),
    v("1e5"), v("1E+5"), v("1e-05"), v("0e0"), v("123456789012345678901234"),
    v("true"), v("false"), v("null"),
    v("\"\""), v("\"a\""), v("\"\x7f\""), v("\"\xc2\x80\""),
    v("\"\xe2\x80\xa8\""), v("\"\xf0\x9f\x98\x80\""),
    v("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    v("\"\\u0000\\uD83D\\ude00\\uFFFF\""), v("\"\\ud800\""),
    v("[]"), v("{}"), v("[[]]"), v("[{}]"), v("{\"\":[]}"),
    v(" \t\r\n[ ] \t\r\n"), v(" { } "), v("[1]"), v("[1,2]"),
    v("[ 1 , \"a\" , null , { \"b\" : [ true , false ] } ]"),
    v("{\"a\":1,\"a\":2}"), v("{ \"a\" : { \"b\" : { } } , \"c\" : [ ] }"),
    v("[\"message\",1,\"2\",{\"3\":[true]}]"),
    v("[[],[],{},{},[[[]]]]"), v("{\"]\":\"}\",\"[\":\"{\"}"),
    v("[\"\\\\\",\"\\\"\"]")
};


static text_t  invalid[] = {
    v(""), v(" "), v("\t\n"), v("a"), v("tru"), v("truE"), v("True"),
    v("truex"), v("nul"), v("nulll"), v("fals"), v("NaN"), v("Infinity"),
    v("undefined"), v("'a'"),
    v("+1"), v("-"), v("01"), v("-01"), v("00"), v("1."), v(".5"), v("-.5"),
    v("1e"), v("1e+"), v("1E-"), v("1.e5"), v("0x10"), v("1 2"), v("--1"),
    v("1.2.3"), v("1e5.5"), v("1e5e5"), v("-a"),
    v("\""), v("\"a"), v("\"\\\""), v("\"\\"), v("\"\\x\""), v("\"\\u\""),
    v("\"\\u123\""), v("\"\\u123g\""), v("\"\\u12\xc3\xa9\""), v("\"\\U0041\""),
    v("\"\\u00:0\""), v("\"\\u00/0\""), v("\"\\u00`0\""), v("\"\\u00@0\""),
    v("\"\n\""), v("\"\t\""), v("\"\0\""), v("\"\x1e\""), v("\"\x1f\""),
    v("\"a\"b"), v("\"a\" \"b\""), v("\"\\\n\""),
    v("\"\x80\""), v("\"\xc0\xaf\""), v("\"\xed\xa0\x80\""), v("\"\xff\""),
    v("\"\xe2\x82\""), v("\"\xf4\x90\x80\x80\""), v("\xc2\xa0" "1"),
    v("\xef\xbb\xbf[]"), v("[1]\xc3\xa9"), v("\x0b[]"), v("\x0c[]"), v("[\0]"),
    v("["), v("]"), v("[1"), v("[1,"), v("[1,]"), v("[,]"), v("[,1]"),
    v("[1,,2]"), v("[1 2]"), v("[1}"), v("[]]"), v("[[]"), v("[:]"),
    v("[\"a\":1]"), v("[1:2]"), v("[]["), v("[],"), v("1,2"), v(","), v(":"),
    v("{"), v("}"), v("{]"), v("{,}"), v("{1}"), v("{1:2}"), v("{a:1}"),
    v("{\"a\"}"), v("{\"a\":}"), v("{\"a\":1"), v("{\"a\":1,}"),
    v("{\"a\",1}"), v("{\"a\" 1}"), v("{\"a\"::1}"), v("{\"a\":1 \"b\":2}"),
    v("{\"a\":1,,\"b\":2}"), v("{\"a\":1]"), v("{}{}"), v("{\"a\":1}x"),
    v("{\"a\":[}"), v("[{\"a\":1]}"), v("{\"a\":1:2}"), v("{\"a\":\"b\":1}"),
    v("{[]:1}"), v("{null:1}"), v("[1]/**/"), v("[1]\0"), v("\"a\"\0")
};


static const char  document[] =
    "{ \"a\\u00e9\" : [ 1 , -2.5e+10 , true , false , null , \"x\\\\\" ] ,"
    "\"\xe2\x82\xac\":{\"\":{},\"e\":[[],[[\"\\\"]\"]],{\"k\":\"\\ud83d\\ude00"
    "\"}]},\"n\":0 }";


static ngx_int_t
check(const char *text, size_t len, ngx_uint_t depth)
{
    u_char     *p;
    ngx_int_t   rc;

    p = tap_copy(text, len);
    rc = ngx_socketio_json_check(p, p + len, depth);
    free(p);

    return rc;
}


static void
test_check(void)
{
    size_t  i, bad;
    char    changed[sizeof(document)];

    for (i = 0; i < nelts(valid); i++) {
        ok(check(valid[i].text, valid[i].len, 8) == NGX_OK,
           "valid: %zu", i);
    }

    for (i = 0; i < nelts(invalid); i++) {
        ok(check(invalid[i].text, invalid[i].len, 8) == NGX_ERROR,
           "invalid: %zu", i);
    }

    ok(check(document, sizeof(document) - 1, 8) == NGX_OK, "a document");

    bad = 0;

    for (i = 0; i < sizeof(document) - 1; i++) {
        bad += check(document, i, 8) != NGX_ERROR;
    }

    ok(bad == 0, "no beginning of it passes");

    bad = 0;

    for (i = 0; i < sizeof(document) - 1; i++) {
        memcpy(changed, document, sizeof(document));
        changed[i] = '\x01';
        bad += check(changed, sizeof(document) - 1, 8) != NGX_ERROR;
    }

    ok(bad == 0, "no byte of it may be a control character");
}


static void
nest(char *buf, size_t n, int object)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        memcpy(buf + i * 5, object ? "{\"a\":" : "    [", 5);
    }

    memcpy(buf + n * 5, "1", 1);

    for (i = 0; i < n; i++) {
        buf[n * 5 + 1 + i] = object ? '}' : ']';
    }
}


static void
test_depth(void)
{
    size_t       i, max;
    static char  buf[8192];

    max = NGX_SOCKETIO_JSON_MAX_DEPTH;

    ok(check("1", 1, 0) == NGX_OK, "depth 0: a scalar");
    ok(check("[]", 2, 0) == NGX_DECLINED, "depth 0: an array");
    ok(check("{}", 2, 0) == NGX_DECLINED, "depth 0: an object");
    ok(check("[[[[", 4, 3) == NGX_DECLINED, "too deep before it is wrong");
    ok(check("[[],[],[]]", 10, 2) == NGX_OK, "siblings do not add up");

    for (i = 0; i < 2; i++) {
        nest(buf, 17, i);
        ok(check(buf, 17 * 6 + 1, 17) == NGX_OK, "17 of 17");
        ok(check(buf, 17 * 6 + 1, 16) == NGX_DECLINED, "17 of 16");

        nest(buf, max, i);
        ok(check(buf, max * 6 + 1, max) == NGX_OK, "the maximum");
        ok(check(buf, max * 6 + 1, max - 1) == NGX_DECLINED, "one less");

        buf[max * 6] = i ? ']' : '}';
        ok(check(buf, max * 6 + 1, max) == NGX_ERROR, "wrong outermost");

        nest(buf, max, i);
        buf[max * 5 + 1 + 7] = i ? ']' : '}';
        ok(check(buf, max * 6 + 1, max) == NGX_ERROR, "wrong one within");

        nest(buf, max + 1, i);
        ok(check(buf, (max + 1) * 6 + 1, 100000) == NGX_DECLINED,
           "no depth is above the maximum");
    }
}


static void
test_skip(void)
{
    size_t       i, j, len;
    u_char      *p, *end;
    const char  *tails[] = { "", ",", "]", "}", " ", ",1]", " \n]x", "\t," };

    for (i = 0; i < nelts(valid); i++) {

        /* the value itself ends before white space */

        for (len = valid[i].len; strchr(" \t\r\n", valid[i].text[len - 1]);
             len--)
        {
            /* void */
        }

        for (j = 0; j < nelts(tails); j++) {
            p = malloc(len + strlen(tails[j]));
            memcpy(p, valid[i].text, len);
            memcpy(p + len, tails[j], strlen(tails[j]));
            end = p + len + strlen(tails[j]);

            ok(ngx_socketio_json_skip(p, end) == p + len,
               "skip %zu before \"%s\"", i, j == 6 ? " \\n]x" : tails[j]);

            free(p);
        }
    }

    /* no contract but the bounds, which the sanitizer minds */

    for (i = 0; i < nelts(invalid); i++) {
        p = tap_copy(invalid[i].text, invalid[i].len);
        end = ngx_socketio_json_skip(p, p + invalid[i].len);
        ok(end >= p && end <= p + invalid[i].len, "skip invalid %zu", i);
        free(p);
    }
}


static void
test_string(void)
{
    size_t         i, len;
    u_char        *p, *dst;
    static struct {
        text_t  token;
        text_t  text;
    } t[] = {
        { v("\"\""), v("") },
        { v("\"abc\""), v("abc") },
        { v("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), v("\"\\/\b\f\n\r\t") },
        { v("\"\\u0041\\u00e9\\u20AC\""), v("A\xc3\xa9\xe2\x82\xac") },
        { v("\"\\u0000\\u007f\\u0080\""), v("\0\x7f\xc2\x80") },
        { v("\"\\u07ff\\u0800\\uffff\""),
          v("\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf") },
        { v("\"\\ud83d\\ude00\""), v("\xf0\x9f\x98\x80") },
        { v("\"\\ud800\\udc00\\uDBFF\\uDFFF\""),
          v("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") },
        { v("\"\\ud83d\""), v("\xef\xbf\xbd") },
        { v("\"\\ude00x\""), v("\xef\xbf\xbdx") },
        { v("\"\\ud83dx\""), v("\xef\xbf\xbdx") },
        { v("\"\\ud800\""), v("\xef\xbf\xbd") },
        { v("\"\\udfff\""), v("\xef\xbf\xbd") },
        { v("\"\\ud7ff\\ue000\""), v("\xed\x9f\xbf\xee\x80\x80") },
        { v("\"\\ud83d\\ue000\""), v("\xef\xbf\xbd\xee\x80\x80") },
        { v("\"\\ud83d\\udbff\""), v("\xef\xbf\xbd\xef\xbf\xbd") },
        { v("\"\\ud83d0ude00\""), v("\xef\xbf\xbd" "0ude00") },
        { v("\"\\ud83d\\nde00\""), v("\xef\xbf\xbd\nde00") },
        { v("\"\\ud83d\\n\""), v("\xef\xbf\xbd\n") },
        { v("\"\\ud83d\\u0041\""), v("\xef\xbf\xbd" "A") },
        { v("\"\\ud83d\\ud83d\\ude00\""),
          v("\xef\xbf\xbd\xf0\x9f\x98\x80") },
        { v("\"\\ude00\\ud83d\""), v("\xef\xbf\xbd\xef\xbf\xbd") },
        { v("\"\xf0\x9f\x98\x80\\u001e\""), v("\xf0\x9f\x98\x80\x1e") }
    };
    static text_t  bad[] = {
        v(""), v("\""), v("1"), v("11"), v("\"1"), v("1\"")
    };

    for (i = 0; i < nelts(t); i++) {
        p = tap_copy(t[i].token.text, t[i].token.len);
        dst = malloc(t[i].token.len);

        ok(ngx_socketio_json_string(dst, &len, p, p + t[i].token.len)
           == NGX_OK
           && len == t[i].text.len && memcmp(dst, t[i].text.text, len) == 0,
           "string %zu", i);

        ok(ngx_socketio_json_equal(p, p + t[i].token.len,
                                   (u_char *) t[i].text.text, t[i].text.len),
           "string %zu: equal to its text", i);

        ok(!ngx_socketio_json_equal(p, p + t[i].token.len,
                                    (u_char *) "abcd", 4),
           "string %zu: not to another", i);

        ok(ngx_socketio_json_string(p, &len, p, p + t[i].token.len)
           == NGX_OK
           && len == t[i].text.len && memcmp(p, t[i].text.text, len) == 0,
           "string %zu: in place", i);

        free(p);
        free(dst);
    }

    for (i = 0; i < nelts(bad); i++) {
        p = tap_copy(bad[i].text, bad[i].len);
        dst = malloc(bad[i].len);

        ok(ngx_socketio_json_string(dst, &len, p, p + bad[i].len)
           == NGX_ERROR
           && !ngx_socketio_json_equal(p, p + bad[i].len, (u_char *) "1", 1),
           "not a string: %zu", i);

        free(p);
        free(dst);
    }

    p = tap_copy("\"abc\"", 5);

    ok(!ngx_socketio_json_equal(p, p + 5, (u_char *) "ab", 2)
       && !ngx_socketio_json_equal(p, p + 5, (u_char *) "abcd", 4)
       && !ngx_socketio_json_equal(p, p + 5, NULL, 0),
       "neither a beginning nor a longer text is equal");

    free(p);
}


static void
test_escape(void)
{
    size_t         i, n, len;
    u_char         all[256], *out;
    static struct {
        text_t  text;
        text_t  token;
    } t[] = {
        { v(""), v("") },
        { v("plain"), v("plain") },
        { v("\"\\/"), v("\\\"\\\\/") },
        { v("\b\f\n\r\t"), v("\\b\\f\\n\\r\\t") },
        { v("\0\x01\x0b\x1e\x1f\x20\x7f"),
          v("\\u0000\\u0001\\u000b\\u001e\\u001f\x20\x7f") },
        { v("\xc3\xa9\xf0\x9f\x98\x80"), v("\xc3\xa9\xf0\x9f\x98\x80") }
    };

    for (i = 0; i < nelts(t); i++) {
        n = ngx_socketio_json_escape(NULL, (u_char *) t[i].text.text,
                                     t[i].text.len);
        out = malloc(n);

        ok(n == t[i].token.len
           && ngx_socketio_json_escape(out, (u_char *) t[i].text.text,
                                       t[i].text.len)
              == n
           && memcmp(out, t[i].token.text, n) == 0, "escape %zu", i);

        free(out);
    }

    for (i = 0; i < 128; i++) {
        all[i] = i;
    }

    n = ngx_socketio_json_escape_len(all, 128);
    out = malloc(n + 2);
    out[0] = out[n + 1] = '"';

    ok(ngx_socketio_json_escape(out + 1, all, 128) == n
       && ngx_socketio_json_check(out, out + n + 2, 0) == NGX_OK
       && ngx_socketio_json_string(out, &len, out, out + n + 2) == NGX_OK
       && len == 128 && memcmp(out, all, 128) == 0, "escapes round-trip");

    free(out);
}


static void
test_ascii(void)
{
    size_t         i, n, len;
    u_char        *p, *out, *back;
    static struct {
        text_t      text;
        text_t      ascii;
        ngx_uint_t  invalid;
    } t[] = {
        { v(""), v(""), 0 },
        { v("[\"plain\",1]"), v("[\"plain\",1]"), 0 },
        { v("\"\xc2\x80\xc3\xa9\xdf\xbf\""),
          v("\"\\u0080\\u00e9\\u07ff\""), 0 },
        { v("\"\xe2\x82\xac\xef\xbf\xbf\""), v("\"\\u20ac\\uffff\""), 0 },
        { v("\"\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\""),
          v("\"\\ud800\\udc00\\ud83d\\ude00\\udbff\\udfff\""), 0 },
        { v("\"\\u00e9\\\\\xc3\xa9\""), v("\"\\u00e9\\\\\\u00e9\""), 0 },
        { v("\"12345678\xc3\xa9" "12345678\""),
          v("\"12345678\\u00e9" "12345678\""), 0 },
        { v("\xff"), v("\\ufffd"), 1 },
        { v("\xc3"), v("\\ufffd"), 1 },
        { v("\xf0\x9f\x98"), v("\\ufffd\\ufffd\\ufffd"), 1 },
        { v("\xe2\x82(\xc3\xa9"), v("\\ufffd\\ufffd(\\u00e9"), 1 }
    };

    for (i = 0; i < nelts(t); i++) {
        p = tap_copy(t[i].text.text, t[i].text.len);
        n = ngx_socketio_json_ascii(NULL, p, t[i].text.len);
        out = malloc(n);

        ok(n == t[i].ascii.len
           && ngx_socketio_json_ascii(out, p, t[i].text.len) == n
           && memcmp(out, t[i].ascii.text, n) == 0, "ASCII %zu", i);

        if (!t[i].invalid && t[i].text.len && p[0] == '"') {
            back = malloc(n);
            ok(ngx_socketio_json_string(back, &len, out, out + n) == NGX_OK
               && ngx_socketio_json_equal(p, p + t[i].text.len, back, len),
               "ASCII %zu: the same string", i);
            free(back);
        }

        free(out);
        free(p);
    }
}


static void
test_pick(void)
{
    size_t         i;
    u_char        *p;
    ngx_str_t      path, value;
    ngx_int_t      rc;
    static char    json[] =
        " { \"a\" : { \"b\" : [ 10 , \"x,]\" , { \"c\" : null } ] , \"\": 1 }"
        ", \"k\\u0065y\" : true , \"d.e\" : 1 , \"dup\" : 1 , \"dup\" : [ 2 ]"
        ", \"list\" : [ ] , \"num\" : -1.5e3 , \"o\" : { } , \"a.\" : 1"
        ", \"n\" : { \"a\" : 5 } , \"q\\\"\" : \"}\" } ";
    static char    compact[] = "{\"x\":0,\"a\":{\"b\":[5,{\"c\":42}]}}";
    static struct {
        const char  *path;
        const char  *value;
    } t[] = {
        { "a.b.0", "10" },
        { "a.b.1", "\"x,]\"" },
        { "a.b.2", "{ \"c\" : null }" },
        { "a.b.2.c", "null" },
        { "a.b", "[ 10 , \"x,]\" , { \"c\" : null } ]" },
        { "key", "true" },
        { "dup", "[ 2 ]" },
        { "dup.0", "2" },
        { "num", "-1.5e3" },
        { "o", "{ }" },
        { "n.a", "5" },
        { "q\"", "\"}\"" },
        { "a.b.3", NULL },
        { "a.b.00", NULL },
        { "a.b.01", NULL },
        { "a.b.-1", NULL },
        { "a.b.+0", NULL },
        { "a.b.x", NULL },
        { "a.b.99999999999999999999", NULL },
        { "a.b.18446744073709551616", NULL },
        { "a.b.0.0", NULL },
        { "a.c", NULL },
        { "b", NULL },
        { "A", NULL },
        { "ke", NULL },
        { "keyy", NULL },
        { "k\\u0065y", NULL },
        { "d.e", NULL },
        { "list.0", NULL },
        { "o.a", NULL },
        { "a.", NULL },
        { ".a", NULL },
        { ".", NULL },
        { "a..b", NULL },
        { "num.0", NULL },
        { "10", NULL }
    };

    p = tap_copy(json, sizeof(json) - 1);

    ok(ngx_socketio_json_check(p, p + sizeof(json) - 1, 8) == NGX_OK,
       "pick: the text is valid");

    for (i = 0; i < nelts(t); i++) {
        path.data = tap_copy(t[i].path, strlen(t[i].path));
        path.len = strlen(t[i].path);
        ngx_str_null(&value);

        rc = ngx_socketio_json_pick(p, p + sizeof(json) - 1, &path, &value);

        if (t[i].value == NULL) {
            ok(rc == NGX_DECLINED && value.data == NULL,
               "pick %s: nothing", t[i].path);

        } else {
            ok(rc == NGX_OK && value.len == strlen(t[i].value)
               && memcmp(value.data, t[i].value, value.len) == 0,
               "pick %s", t[i].path);
        }

        free(path.data);
    }

    ngx_str_set(&path, "a.b.1.c");
    ok(ngx_socketio_json_pick((u_char *) compact,
                              (u_char *) compact + sizeof(compact) - 1,
                              &path, &value)
       == NGX_OK
       && value.len == 2 && memcmp(value.data, "42", 2) == 0,
       "pick: without white space");

    ngx_str_null(&path);
    ok(ngx_socketio_json_pick(p, p + sizeof(json) - 1, &path, &value)
       == NGX_OK
       && value.data == p + 1 && value.len == sizeof(json) - 3,
       "pick: the empty path is everything");

    free(p);
}


static void
test_mend(void)
{
    size_t         i, len;
    u_char        *p;
    static struct {
        const char  *text;
        const char  *mended;
    } t[] = {
        { "\"plain\"", NULL }, { "\"\"", NULL }, { "1", NULL }, { "", NULL },
        { "[\"\\ud83d\\ude00\",\"\\uDBFF\\uDFFF\"]", NULL },
        { "\"\\\\ud83d\"", NULL }, { "\"\\u00e9\\n\\ufffd\"", NULL },
        { "\"\\ud83d\"", "\"\\ufffd\"" },
        { "\"\\uD83D\"", "\"\\ufffd\"" },
        { "\"\\ude00\"", "\"\\ufffd\"" },
        { "\"\\ude00\\ud83d\"", "\"\\ufffd\\ufffd\"" },
        { "\"\\ud83d\\ud83d\\ude00\"", "\"\\ufffd\\ud83d\\ude00\"" },
        { "\"\\ud83d\\u0041\"", "\"\\ufffd\\u0041\"" },
        { "\"\\ud83d\\nude00\"", "\"\\ufffd\\nude00\"" },
        { "\"\\ud83dxude00\"", "\"\\ufffdxude00\"" },
        { "\"\\\\\\udfff\\\"\"", "\"\\\\\\ufffd\\\"\"" },
        { "{\"\\ud83d\":\"\\ude00\"}", "{\"\\ufffd\":\"\\ufffd\"}" },

        { "[0,-0,1.5,-1e-400,1E+308,0e999,0.0e999]", NULL },
        { "1.7976931348623157e+308", NULL },
        { "-1.7976931348623158e308", NULL },
        { "0.00017976931348623157e312", NULL },
        { "17976931348623157000000000000000000e274", NULL },
        { "\"1e999\"", NULL }, { "{\"1e999\":1}", NULL },
        { "1e309", "null " }, { "2e308", "null " }, { "-2E308", "null  " },
        { "[1e999,-1e+999]", "[null ,null   ]" },
        { "{\"a\":1.8e308}", "{\"a\":null   }" },
        { "0.001e312", "null     " },
        { "1e99999999999999999999999", "null                     " },
        { "1e-99999999999999999999999", NULL },
        { "179.76931348623157e306", NULL },
        { "1797.6931348623157e306", "null                  " }
    };

    for (i = 0; i < nelts(t); i++) {
        len = strlen(t[i].text);
        p = tap_copy(t[i].text, len);
        ngx_socketio_json_mend(p, p + len);

        ok(memcmp(p, t[i].mended ? t[i].mended : t[i].text, len) == 0,
           "mend %zu", i);

        free(p);
    }
}


static void
test_number(void)
{
    size_t         i;
    u_char         out[20];
    static struct {
        uint64_t     n;
        const char  *text;
    } t[] = {
        { 0, "0" }, { 9, "9" }, { 10, "10" }, { 25000, "25000" },
        { 9007199254740991ULL, "9007199254740991" },
        { UINT64_MAX, "18446744073709551615" }
    };

    for (i = 0; i < nelts(t); i++) {
        ok(ngx_socketio_json_uint(NULL, t[i].n) == strlen(t[i].text)
           && ngx_socketio_json_uint(out, t[i].n) == strlen(t[i].text)
           && memcmp(out, t[i].text, strlen(t[i].text)) == 0,
           "number %s", t[i].text);
    }
}


static void
test_where(void)
{
    size_t       i, len;
    u_char      *p, *where;

    static struct {
        const char  *text;
        int          at;            /* -1: it is JSON */
    } cases[] = {
        { "{\"a\":1}", -1 },
        { " [1,2] ", -1 },
        { "", 0 },
        { "  ", 2 },
        { "{", 1 },
        { "{\"a\":1", 6 },
        { "{\"a\" 1}", 1 },
        { "{\"a\":nope}", 5 },
        { "{\"a\":1,}", 7 },
        { "[1,2}", 4 },
        { "[1]x", 3 },
        { "{} {}", 3 },
        { "[\"abc", 1 },
        { "[\"a\xff\"]", 1 },
        { "[1, \xff]", 4 },
        { "[1]\xc3", 3 }
    };

    for (i = 0; i < nelts(cases); i++) {
        len = strlen(cases[i].text);
        p = tap_copy(cases[i].text, len);
        where = ngx_socketio_json_where(p, p + len);

        ok(cases[i].at == -1 ? where == NULL : where == p + cases[i].at,
           "where it is no JSON: %u", (unsigned) i);
        ok((where == NULL)
           == (ngx_socketio_json_check(p, p + len, 64) == NGX_OK),
           "if it is none");

        free(p);
    }
}


int
main(void)
{
    test_check();
    test_where();
    test_depth();
    test_skip();
    test_string();
    test_escape();
    test_ascii();
    test_pick();
    test_mend();
    test_number();

    return tap_done();
}
