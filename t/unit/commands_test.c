
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Texts of commands, as a whole and cut into pieces at each byte and at any
 * two.  Fails if a form is told apart otherwise, if a cut changes a command
 * or an error, if a line that is too long takes another with it, or if bytes
 * are kept that are no part of a command.
 */


#include "tap.h"

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_commands.c"


#define TEST_DEPTH  4
#define TEST_MAX    40
#define TEST_OUT    1024


typedef struct {
    const char  *text;
    const char  *commands;      /* "(text)", E, D or A for errors, "." the end,
                                   N behind them: it is about all */
    char         form;
} text_t;


static text_t  texts[] = {
    { "", ".", 'N' },
    { " \t\r\n \n", ".", 'N' },
    { "{}", "({}).", 'O' },
    { " \n {\"a\":1} ", "({\"a\":1}).", 'O' },
    { "{\"a\":\n1}", "({\"a\":\n1}).", 'O' },
    { "{\n}\n", "({\n}).", 'O' },
    { "{\"a\":\"\\n\"}", "({\"a\":\"\\n\"}).", 'O' },
    { "{}\n", "({}).", 'L' },
    { "{}\n \n", "({}).", 'L' },
    { "\n\n{}\r\n{} \n", "({}\r)({} ).", 'L' },
    { "{}\n\n\n{}", "({})({}).", 'L' },
    { "{}\n  {\"a\":[]}\n\n", "({})({\"a\":[]}).", 'L' },
    { "{}\n[{}]\n{}", "({})E({}).", 'L' },
    { "{}\n{} {}\n7\n{}", "({})EE({}).", 'L' },
    { "{}\n{\n}\n{}", "({})EE({}).", 'L' },
    { "{}\n[[[[[]]]]]\n{}", "({})D({}).", 'L' },
    { "{}\n{\"a\":\"\xff\"}\n{}", "({})E({}).", 'L' },
    { "[]", ".", 'A' },
    { " [ ] \n", ".", 'A' },
    { "[{}]\n", "({}).", 'A' },
    { "[{},\n{\"a\":[1]} , 7,[{}],{}]", "({})({\"a\":[1]})EE({}).", 'A' },
    { "[[],{}]", "E({}).", 'A' },
    { "{", "EN", 'N' },
    { "{}{}", "EN", 'N' },
    { "{}x\n{}", "EN", 'N' },
    { "{\"a\":1\n{}", "EN", 'N' },
    { "7", "EN", 'N' },
    { "x\n{}", "EN", 'N' },
    { "[{},", "EN", 'N' },
    { "[{}]\n{}", "EN", 'N' },
    { "[[[[[]]]]]", "DN", 'N' },
    { "{\"a\":[[[[]]]]}", "DN", 'N' },
    { "{}\n{\"a\":\"0123456789012345678901234567890123\"}\n{}",
      "({})A({}).", 'L' },
    { "{}\n{\"a\":\"012345678901234567890123456789012\"}\n{}",
      "({})A({}).", 'L' },
    { "{}\n{\"a\":\"01234567890123456789012345678901\"}\n{}",
      "({})({\"a\":\"01234567890123456789012345678901\"})({}).", 'L' },
    { "{}\n{\"a\":\"01234567890123456789012345678901\"}   ", "({})A.", 'L' },
    { "{}\n{\"a\":\"01234567890123456789012345678901234567890123456789",
      "({})A.", 'L' },
    { "{\"a\":\"012345678901234567890123456789012\"}", "AN", 'N' },
    { "{\"a\":\"012345678901234567890123456789012\"}\n{}", "AN", 'N' },
    { "{\"a\":\n\"012345678901234567890123456789012\"}", "AN", 'N' },
    { "[{},{},{},{},{},{},{},{},{},{},{},{},{},{}]", "AN", 'N' },
    { "                                            {}", "({}).", 'O' }
};

#define nelts(a)    (sizeof(a) / sizeof((a)[0]))


/* what comes of a text in pieces that end at a, at b, and at its end */

static char
run(const char *text, size_t len, size_t a, size_t b, char *out)
{
    char                     *p;
    u_char                   *buf, *copy;
    size_t                    given, kept, n;
    ngx_int_t                 rc;
    ngx_str_t                 str;
    ngx_socketio_commands_t   commands;

    memset(&commands, 0, sizeof(commands));
    commands.max = TEST_MAX;
    commands.depth = TEST_DEPTH;

    p = out;
    buf = NULL;
    given = 0;

    for ( ;; ) {
        rc = ngx_socketio_commands_next(&commands, &str);

        if (rc == NGX_AGAIN) {
            if (given == len) {
                commands.ended = 1;
                continue;
            }

            n = ((given < a) ? a : (given < b) ? b : len) - given;
            kept = commands.last - commands.pos;

            if (kept > TEST_MAX) {
                *p++ = '!';
            }

            copy = malloc(kept + n);

            if (kept) {
                memcpy(copy, commands.pos, kept);
            }

            memcpy(copy + kept, text + given, n);
            free(buf);

            buf = copy;
            given += n;
            commands.pos = copy;
            commands.last = copy + kept + n;
            continue;
        }

        if (rc == NGX_OK) {
            p += sprintf(p, "(%.*s)", (int) str.len, str.data);
            continue;
        }

        *p++ = (rc == NGX_DONE) ? '.' : (rc == NGX_ERROR) ? 'E'
               : (rc == NGX_DECLINED) ? 'D' : (rc == NGX_ABORT) ? 'A' : '?';

        if (rc == NGX_DONE) {
            break;
        }

        if (commands.form == NGX_SOCKETIO_COMMANDS_NONE) {
            *p++ = 'N';
            break;
        }
    }

    *p = '\0';
    free(buf);

    return "N?OAL"[commands.form];
}


/* as one line of TAP */

static char *
name(char *out)
{
    char  *p;

    for (p = out; *p; p++) {
        if (*p < ' ' || *p == '#') {
            *p = '_';
        }
    }

    return out;
}


int
main(void)
{
    char         out[TEST_OUT], form;
    size_t       a, b, len, bad;
    ngx_uint_t   i;
    const char  *text;

    for (i = 0; i < nelts(texts); i++) {
        text = texts[i].text;
        len = strlen(text);

        form = run(text, len, len, len, out);

        bad = strcmp(out, texts[i].commands) != 0 || form != texts[i].form;

        ok(!bad, "%s", name(out));

        for (bad = 0, a = 0; a <= len; a++) {
            for (b = a; b <= len; b++) {
                form = run(text, len, a, b, out);
                bad += strcmp(out, texts[i].commands) != 0
                       || form != texts[i].form;
            }
        }

        ok(bad == 0, "the same however it is cut");
    }

    return tap_done();
}
