
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A text of commands: the first bytes choose how deep, how long and how it is
 * cut, the rest is the text.  In pieces, each time in memory of exactly its
 * size, it must give the very commands and errors that it gives as a whole;
 * and each command must be an object.
 */


#include <stdlib.h>

#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_commands.c"


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        abort();                                                              \
    }


typedef struct {
    const uint8_t            *data;         /* not given yet */
    size_t                    left;
    size_t                    piece;
    u_char                   *buf;
    ngx_socketio_commands_t   commands;
} fuzz_text_t;


static ngx_int_t fuzz_next(fuzz_text_t *t, ngx_str_t *text);
static void fuzz_more(fuzz_text_t *t);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char       *copy;
    ngx_int_t     rc;
    ngx_str_t     a, b;
    fuzz_text_t   whole, pieces;

    if (size < 3) {
        return 0;
    }

    memset(&whole, 0, sizeof(fuzz_text_t));

    whole.data = data + 3;
    whole.left = size - 3;
    whole.piece = size;
    whole.commands.depth = data[0] % 8;
    whole.commands.max = data[1];

    pieces = whole;
    pieces.piece = 1 + data[2] % 64;

    for ( ;; ) {
        rc = fuzz_next(&whole, &a);
        copy = NULL;

        if (rc == NGX_OK) {
            must(a.len <= whole.commands.max && a.data[0] == '{');
            must(ngx_socketio_json_check(a.data, a.data + a.len, 8) == NGX_OK);

            copy = malloc(a.len);
            memcpy(copy, a.data, a.len);
        }

        must(fuzz_next(&pieces, &b) == rc);

        if (rc == NGX_OK) {
            must(a.len == b.len && memcmp(copy, b.data, a.len) == 0);
        }

        free(copy);

        must(pieces.commands.form == whole.commands.form
             || rc == NGX_ABORT);

        if (rc == NGX_DONE
            || whole.commands.form == NGX_SOCKETIO_COMMANDS_NONE)
        {
            break;
        }
    }

    free(whole.buf);
    free(pieces.buf);

    return 0;
}


static ngx_int_t
fuzz_next(fuzz_text_t *t, ngx_str_t *text)
{
    ngx_int_t  rc;

    for ( ;; ) {
        rc = ngx_socketio_commands_next(&t->commands, text);

        if (rc != NGX_AGAIN) {
            return rc;
        }

        must(!t->commands.ended);
        fuzz_more(t);
    }
}


static void
fuzz_more(fuzz_text_t *t)
{
    u_char  *p;
    size_t   n, kept;

    n = ngx_min(t->left, t->piece);
    kept = t->commands.last - t->commands.pos;

    if (n == 0) {
        t->commands.ended = 1;
        return;
    }

    p = malloc(kept + n);

    if (kept) {
        memcpy(p, t->commands.pos, kept);
    }

    memcpy(p + kept, t->data, n);
    free(t->buf);

    t->buf = p;
    t->data += n;
    t->left -= n;
    t->commands.pos = p;
    t->commands.last = p + kept + n;
}
