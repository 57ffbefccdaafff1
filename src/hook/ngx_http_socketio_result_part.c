
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * An answer of lines, applied as it comes.  What can be told from an object on
 * a line of its own is never taken back by what follows, unless the batch has
 * connects, which are answered before all else and are accepted by nothing but
 * a valid answer: as long as one is open, other commands wait for it.
 */


#include "hook/ngx_http_socketio_lane_internal.h"
#include "proto/ngx_socketio_commands.h"
#include "proto/ngx_socketio_json.h"


static ngx_uint_t ngx_http_socketio_result_line(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_loc_conf_t *conf,
    ngx_str_t *text, ngx_str_t *held, ngx_uint_t lost);
static ngx_uint_t ngx_http_socketio_result_open(
    ngx_http_socketio_batch_t *batch);


size_t
ngx_http_socketio_result_part(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *body)
{
    size_t       done;
    u_char      *p, *eol, *last;
    ngx_str_t    text, held;
    ngx_uint_t   lost;

    if (batch->whole) {
        return 0;
    }

    last = body->data + body->len;
    eol = ngx_strlchr(body->data + batch->seen, last, LF);
    lost = eol ? ngx_http_socketio_result_ownership(batch) : 0;
    done = 0;

    for ( /* void */ ; eol; eol = ngx_strlchr(eol + 1, last, LF)) {

        p = ngx_socketio_json_space(body->data + batch->held, eol);

        if (p < eol) {

            if (*p != '{'
                || ngx_socketio_json_check(p, eol,
                                           NGX_HTTP_SOCKETIO_COMMAND_DEPTH)
                   != NGX_OK)
            {
                batch->whole = 1;
                break;
            }

            text.data = p;
            text.len = eol - p;

            held.data = body->data + done;
            held.len = batch->held - done;

            batch->lines = 1;

            if (!ngx_http_socketio_result_line(batch, conf, &text, &held,
                                               lost))
            {
                done = eol + 1 - body->data;
            }

        } else if (batch->held == done) {
            done = eol + 1 - body->data;
        }

        batch->held = eol + 1 - body->data;
    }

    /* what is not done stays, and so does what has no end yet */

    batch->held -= done;
    batch->seen = body->len - done;

    return done;
}


/*
 * The next line, behind those that are held.  1: it is held too, or is an
 * answer to a connect and others are missing; 0: nothing is held any more,
 * also if the connects that were missing are another worker's by now.
 */

static ngx_uint_t
ngx_http_socketio_result_line(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *text, ngx_str_t *held,
    ngx_uint_t lost)
{
    ngx_str_t                 line;
    ngx_uint_t                connect;
    ngx_socketio_commands_t   commands;

    connect = ngx_http_socketio_result_to_connect(text);

    if (connect) {
        batch->bad += ngx_http_socketio_result_command(batch, conf, text,
                                                       lost);
    }

    if (ngx_http_socketio_result_open(batch)) {
        return 1;
    }

    ngx_socketio_commands_init(&commands, held->data, held->data + held->len,
                               NGX_HTTP_SOCKETIO_COMMAND_DEPTH);
    commands.form = NGX_SOCKETIO_COMMANDS_LINES;

    while (ngx_socketio_commands_next(&commands, &line) == NGX_OK) {
        if (!ngx_http_socketio_result_to_connect(&line)) {
            (void) ngx_http_socketio_result_command(batch, conf, &line, lost);
        }
    }

    if (!connect) {
        (void) ngx_http_socketio_result_command(batch, conf, text, lost);
    }

    return 0;
}


/* whether a connect has no answer so far, and ours is the one that counts */

static ngx_uint_t
ngx_http_socketio_result_open(ngx_http_socketio_batch_t *batch)
{
    ngx_uint_t                  i;
    ngx_http_socketio_item_t   *items;
    ngx_http_socketio_asked_t  *asked;

    items = batch->items.elts;
    asked = batch->asked.elts;

    for (i = 0; i < batch->asked.nelts; i++) {
        if (asked[i].connect && !asked[i].answered && !items[i].session->lost)
        {
            return 1;
        }
    }

    return 0;
}
