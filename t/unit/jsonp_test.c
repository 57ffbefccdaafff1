
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * JSONP.  Fails if a form is decoded as no browser wrote it, if backslashes
 * before an "n" are taken one for another, if a field is found that is none,
 * or if the answer is no string of JavaScript, not the payload, or depends on
 * where its pieces end.
 */


#include "tap.h"

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_jsonp.c"


#define nelts(a)  (sizeof(a) / sizeof((a)[0]))


typedef struct {
    const char  *text;
    size_t       len;
    const char  *out;
    size_t       out_len;
} vector_t;

#define v(text, out)  { text, sizeof(text) - 1, out, sizeof(out) - 1 }


static void
test_index(void)
{
    size_t         i, len;
    u_char        *p, *out;
    uint32_t       j;
    static struct {
        const char  *query;
        const char  *start;
    } t[] = {
        { "0", "___eio[0](\"" },
        { "7", "___eio[7](\"" },
        { "7x8", "___eio[78](\"" },
        { "", "___eio[](\"" },
        { "x", "___eio[](\"" },
        { "alert(1);//", "___eio[1](\"" },
        { "](<script>", "___eio[](\"" },
        { "-3\n", "___eio[3](\"" },
        { "4294967294", "___eio[4294967294](\"" },
        { "4294967295", NULL },
        { "18446744073709551617", NULL },
        { "9999999999999999999999999", NULL }
    };

    for (i = 0; i < nelts(t); i++) {
        len = strlen(t[i].query);
        p = tap_copy(t[i].query, len);

        if (t[i].start == NULL) {
            ok(ngx_socketio_jsonp_index(&j, p, p + len) == NGX_ERROR,
               "eio 95: j=%s is too large", t[i].query);
            free(p);
            continue;
        }

        ok(ngx_socketio_jsonp_index(&j, p, p + len) == NGX_OK,
           "j number %zu", i);

        free(p);

        len = ngx_socketio_jsonp_start(NULL, j);
        out = malloc(len);

        ok(len == strlen(t[i].start) && len <= NGX_SOCKETIO_JSONP_START
           && ngx_socketio_jsonp_start(out, j) == len
           && memcmp(out, t[i].start, len) == 0, "eio 95: %s", t[i].start);

        free(out);
    }
}


static vector_t  forms[] = {
    v("d=4a", "4a"),
    v("d=4a%5Cnb%5C%5Cnc", "4a\nb\\nc"),
    v("d=4a%5cnb%5c%5cnc", "4a\nb\\nc"),
    v("d=4a\\nb\\\\nc", "4a\nb\\nc"),
    v("d=4a+b%2Bc%20d", "4a b+c d"),
    v("d=2%3A4%E2%82%AC", "2:4\xe2\x82\xac"),
    v("d=4a%0Ab%0D%0a", "4a\nb\r\n"),
    v("d=%00", "\0"),
    v("d=", ""),
    v("d", ""),
    v("d&d=4a", ""),
    v("d=4a&d=4b", "4a"),
    v("x=1&d=4a&y=2", "4a"),
    v("&&d=4a", "4a"),
    v("=d&d=4a", "4a"),
    v("%64=4a", "4a"),
    v("d=4a=b==", "4a=b=="),
    v("d=4%26a%3Db", "4&a=b"),

    v("d=%", "%"),
    v("d=%4", "%4"),
    v("d=%4g%g4%%34", "%4g%g4%4"),
    v("d=%/0%:0%@0%G0%`0%g0", "%/0%:0%@0%G0%`0%g0"),
    v("d=%aF%Af", "\xaf\xaf"),
    v("d=4%2&1", "4%2"),
    v("d=%ff%C3", "\xff\xc3"),

    v("d=\\", "\\"),
    v("d=\\\\", "\\\\"),
    v("d=n", "n"),
    v("d=\\n", "\n"),
    v("d=\\\\n", "\\n"),
    v("d=\\\\\\n", "\\\\n"),
    v("d=\\\\\\\\n", "\\\\\\n"),
    v("d=\\n\\n", "\n\n"),
    v("d=\\n\\\\n\\n", "\n\\n\n"),
    v("d=\\\\n\\\\n", "\\n\\n"),
    v("d=\\a\\\\an\\\"", "\\a\\\\an\\\""),
    v("d=\\%0an", "\\\nn"),
    v("d=42[\"a\\\\\"]", "42[\"a\\\\\"]")
};


static void
test_forms(void)
{
    size_t         i, k, len;
    u_char        *p;
    ngx_int_t      rc;
    ngx_str_t      payload;
    static char   *none[] = {
        "", "&", "=", "&&&", "D=4a", "dd=4a", "x=d", "x=d=4a", "=d", "%6=4a",
        "d%20=4a", "+d=4a", "4a"
    };

    for (i = 0; i < nelts(forms); i++) {
        len = forms[i].len;
        p = tap_copy(forms[i].text, len);

        ok(ngx_socketio_jsonp_payload(&payload, p, p + len) == NGX_OK
           && payload.data >= p && payload.data + payload.len <= p + len
           && payload.len == forms[i].out_len
           && memcmp(payload.data, forms[i].out, payload.len) == 0,
           "eio 97: %s", forms[i].text);

        free(p);

        /* cut off anywhere: the sanitizer looks, and nothing is invented */

        for (k = 0; k < len; k++) {
            p = tap_copy(forms[i].text, k);
            rc = ngx_socketio_jsonp_payload(&payload, p, p + k);

            if (rc == NGX_OK ? payload.data < p
                               || payload.data + payload.len > p + k
                             : rc != NGX_DECLINED)
            {
                ok(0, "eio 97: %zu bytes of %s", k, forms[i].text);
            }

            free(p);
        }
    }

    for (i = 0; i < nelts(none); i++) {
        len = strlen(none[i]);
        p = tap_copy(none[i], len);

        ok(ngx_socketio_jsonp_payload(&payload, p, p + len) == NGX_DECLINED,
           "eio 98: no \"d\" in \"%s\"", none[i]);

        free(p);
    }
}


/* the two replacements of Node.js, one after the other */

static size_t
replaced(char *out, const char *text)
{
    char    tmp[16];
    size_t  i, n;

    n = 0;

    /* /(\\)?\\n/g: with the group as it is, else a newline */

    for (i = 0; text[i]; /* void */ ) {

        if (strncmp(text + i, "\\\\n", 3) == 0) {
            memcpy(tmp + n, text + i, 3);
            n += 3;
            i += 3;

        } else if (strncmp(text + i, "\\n", 2) == 0) {
            tmp[n++] = '\n';
            i += 2;

        } else {
            tmp[n++] = text[i++];
        }
    }

    tmp[n] = '\0';
    n = 0;

    /* /\\\\n/g: without the first backslash */

    for (i = 0; tmp[i]; /* void */ ) {
        i += (strncmp(tmp + i, "\\\\n", 3) == 0);

        if (strncmp(tmp + i, "\\n", 2) == 0) {
            out[n++] = tmp[i++];
        }

        out[n++] = tmp[i++];
    }

    return n;
}


/* all texts of up to 8 of those letters */

static void
test_replaced(void)
{
    char         text[16], expected[16];
    size_t       i, k, n, len, of_len, bad;
    u_char      *p;
    ngx_str_t    payload;
    const char  *letters = "\\na";

    bad = 0;
    len = 2;
    of_len = 1;

    for (i = 0; len <= 10; i++) {

        if (i == of_len) {
            i = 0;
            of_len *= 3;
            len++;
        }

        memcpy(text, "d=", 2);

        for (k = 2, n = i; k < len; k++, n /= 3) {
            text[k] = letters[n % 3];
        }

        text[len] = '\0';

        p = tap_copy(text, len);
        n = replaced(expected, text + 2);

        bad += ngx_socketio_jsonp_payload(&payload, p, p + len) != NGX_OK
               || payload.len != n
               || memcmp(payload.data, expected, n) != 0;

        free(p);
    }

    ok(bad == 0, "eio 97: backslashes as Node.js replaces them");
}


static vector_t  answers[] = {
    v("", ""),
    v("97:0{\"sid\":\"x\"}", "97:0{\\\"sid\\\":\\\"x\\\"}"),
    v("a\\b\"c\n\r\t\b\f", "a\\\\b\\\"c\\n\\r\\t\\b\\f"),
    v("\x01\x1f\x7f\0z", "\\u0001\\u001f\x7f\\u0000z"),
    v("</script><!--/", "</script><!--/"),
    v("4a\x1e" "4b", "4a\\u001e4b"),
    v("6:b4AAT/", "6:b4AAT/"),
    v("\xc3\xa9\xf0\x9f\x98\x80", "\xc3\xa9\xf0\x9f\x98\x80"),
    v("\xe2\x80\xa8", "\\u2028"),
    v("\xe2\x80\xa9", "\\u2029"),
    v("a\xe2\x80\xa8" "b\xe2\x80\xa9\xe2\x80\xa8\"", "a\\u2028b\\u2029\\u2028"
      "\\\""),
    v("\xe2\x82\xac\xe2\x80\x94\xe2\x80\xa7\xe2\x80\xaa",
      "\xe2\x82\xac\xe2\x80\x94\xe2\x80\xa7\xe2\x80\xaa"),
    v("\xe3\x80\xa8\xe2\x81\xa8", "\xe3\x80\xa8\xe2\x81\xa8"),
    v("\xe2", "\xe2"),
    v("\xe2\x80", "\xe2\x80"),
    v("\xe2\xe2\x80\x80\xa8", "\xe2\xe2\x80\x80\xa8"),
    v("\xe2\x80\xe2\x80\xa8", "\xe2\x80\\u2028"),
    v("\xe2\"\xe2\x80\"", "\xe2\\\"\xe2\x80\\\"")
};


/* three pieces, each in and to memory of its own */

static size_t
pieces(char *out, const vector_t *t, size_t i, size_t k)
{
    size_t     n, m, part, at[4] = { 0, i, k, t->len };
    u_char    *p, *piece;
    uint32_t   state, measuring;

    m = ngx_socketio_jsonp_start((u_char *) out, 0);
    state = 0;
    measuring = 0;

    for (part = 0; part < 3; part++) {
        n = at[part + 1] - at[part];
        p = tap_copy(t->text + at[part], n);

        piece = malloc(ngx_socketio_jsonp_escape(NULL, &measuring, p, n));
        n = ngx_socketio_jsonp_escape(piece, &state, p, n);

        memcpy(out + m, piece, n);
        m += n;

        free(piece);
        free(p);
    }

    n = ngx_socketio_jsonp_end(NULL, &measuring);
    part = ngx_socketio_jsonp_end((u_char *) out + m, &state);

    return n == part && n <= NGX_SOCKETIO_JSONP_END && state == 0
           && measuring == 0 ? m + n : 0;
}


static void
test_answers(void)
{
    char       got[256], expected[256];
    size_t     i, k, m, n, len, good;
    u_char    *p, *back;
    vector_t  *t;

    for (i = 0; i < nelts(answers); i++) {
        t = &answers[i];

        len = sprintf(expected, "___eio[0](\"");
        memcpy(expected + len, t->out, t->out_len);
        len += t->out_len;
        memcpy(expected + len, "\");", 3);
        len += 3;

        good = 1;

        for (k = 0; k <= t->len; k++) {
            for (m = k; m <= t->len; m++) {
                n = pieces(got, t, k, m);
                good &= (n == len && memcmp(got, expected, n) == 0);
            }
        }

        ok(good, "eio 96: answer %zu, in any three pieces", i);

        /* and back, as far as it is JSON */

        n = len - sizeof("___eio[0](") + 1 - sizeof(");") + 1;
        p = tap_copy(expected + sizeof("___eio[0](") - 1, n);

        if (ngx_socketio_json_check(p, p + n, 0) == NGX_OK) {
            back = malloc(n);
            ok(ngx_socketio_json_string(back, &m, p, p + n) == NGX_OK
               && m == t->len && memcmp(back, t->text, m) == 0,
               "eio 94, 99, 100: answer %zu is the payload again", i);
            free(back);
        }

        free(p);
    }
}


int
main(void)
{
    test_index();
    test_forms();
    test_replaced();
    test_answers();

    return tap_done();
}
