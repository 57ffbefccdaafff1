
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_commands.h"
#include "proto/ngx_socketio_json.h"


static ngx_int_t ngx_socketio_commands_begin(
    ngx_socketio_commands_t *commands, ngx_str_t *text);
static ngx_int_t ngx_socketio_commands_whole(
    ngx_socketio_commands_t *commands, ngx_str_t *text);
static ngx_int_t ngx_socketio_commands_element(
    ngx_socketio_commands_t *commands, ngx_str_t *text);
static ngx_int_t ngx_socketio_commands_line(
    ngx_socketio_commands_t *commands, ngx_str_t *text);
static u_char *ngx_socketio_commands_eol(ngx_socketio_commands_t *commands);
static ngx_int_t ngx_socketio_commands_none(
    ngx_socketio_commands_t *commands);


void
ngx_socketio_commands_init(ngx_socketio_commands_t *commands, u_char *p,
    u_char *last, ngx_uint_t depth)
{
    ngx_memzero(commands, sizeof(ngx_socketio_commands_t));

    commands->pos = p;
    commands->last = last;
    commands->max = last - p;
    commands->depth = depth;
    commands->ended = 1;
}


ngx_int_t
ngx_socketio_commands_next(ngx_socketio_commands_t *commands,
    ngx_str_t *text)
{
    switch (commands->form) {

    case NGX_SOCKETIO_COMMANDS_NONE:
        return ngx_socketio_commands_begin(commands, text);

    case NGX_SOCKETIO_COMMANDS_WHOLE:
        return ngx_socketio_commands_whole(commands, text);

    case NGX_SOCKETIO_COMMANDS_LINES:
        return ngx_socketio_commands_line(commands, text);

    default: /* an object or an array */
        return ngx_socketio_commands_element(commands, text);
    }
}


static ngx_int_t
ngx_socketio_commands_begin(ngx_socketio_commands_t *commands,
    ngx_str_t *text)
{
    u_char  *eol;

    if (ngx_socketio_commands_none(commands)) {
        return commands->ended ? NGX_DONE : NGX_AGAIN;
    }

    if (*commands->pos == '{') {
        eol = ngx_socketio_commands_eol(commands);

        if ((size_t) ((eol ? eol : commands->last) - commands->pos)
            > commands->max)
        {
            return NGX_ABORT;
        }

        if (eol == NULL && !commands->ended) {
            return NGX_AGAIN;
        }

        /* an object that ends where its first line does */

        if (eol != NULL
            && ngx_socketio_json_check(commands->pos, eol, commands->depth)
               == NGX_OK)
        {
            commands->form = NGX_SOCKETIO_COMMANDS_LINES;

            text->data = commands->pos;
            text->len = eol - commands->pos;

            commands->pos = eol;
            commands->scanned = 0;

            return NGX_OK;
        }
    }

    commands->form = NGX_SOCKETIO_COMMANDS_WHOLE;

    return ngx_socketio_commands_whole(commands, text);
}


static ngx_int_t
ngx_socketio_commands_whole(ngx_socketio_commands_t *commands,
    ngx_str_t *text)
{
    ngx_int_t  rc;

    if ((size_t) (commands->last - commands->pos) > commands->max) {
        commands->form = NGX_SOCKETIO_COMMANDS_NONE;
        return NGX_ABORT;
    }

    if (!commands->ended) {
        return NGX_AGAIN;
    }

    commands->form = NGX_SOCKETIO_COMMANDS_NONE;

    text->data = commands->pos;
    text->len = commands->last - commands->pos;

    rc = ngx_socketio_json_check(commands->pos, commands->last,
                                 commands->depth);
    if (rc != NGX_OK) {
        return rc;
    }

    switch (*commands->pos) {

    case '{':
        commands->form = NGX_SOCKETIO_COMMANDS_OBJECT;
        break;

    case '[':
        commands->form = NGX_SOCKETIO_COMMANDS_ARRAY;
        commands->pos++;
        break;

    default:
        return NGX_ERROR;
    }

    return ngx_socketio_commands_element(commands, text);
}


/* of text that has been checked as a whole */

static ngx_int_t
ngx_socketio_commands_element(ngx_socketio_commands_t *commands,
    ngx_str_t *text)
{
    u_char  *p;

    p = ngx_socketio_json_space(commands->pos, commands->last);

    if (p < commands->last && *p == ',') {
        p = ngx_socketio_json_space(p + 1, commands->last);
    }

    if (p == commands->last || *p == ']') {
        commands->pos = commands->last;
        return NGX_DONE;
    }

    commands->pos = ngx_socketio_json_skip(p, commands->last);

    text->data = p;
    text->len = commands->pos - p;

    return (*p == '{') ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_socketio_commands_line(ngx_socketio_commands_t *commands,
    ngx_str_t *text)
{
    u_char     *eol;
    ngx_int_t   rc;

    if (commands->skip) {
        eol = ngx_socketio_commands_eol(commands);

        commands->skip = (eol == NULL);
        commands->pos = eol ? eol : commands->last;
        commands->scanned = 0;
    }

    if (ngx_socketio_commands_none(commands)) {
        return commands->ended ? NGX_DONE : NGX_AGAIN;
    }

    eol = ngx_socketio_commands_eol(commands);

    text->data = commands->pos;
    text->len = (eol ? eol : commands->last) - commands->pos;

    if (eol == NULL && !commands->ended && text->len <= commands->max) {
        return NGX_AGAIN;
    }

    commands->pos = eol ? eol : commands->last;
    commands->scanned = 0;

    if (text->len > commands->max) {
        commands->skip = (eol == NULL);
        return NGX_ABORT;
    }

    rc = ngx_socketio_json_check(text->data, text->data + text->len,
                                 commands->depth);

    if (rc != NGX_OK) {
        return rc;
    }

    return (*text->data == '{') ? NGX_OK : NGX_ERROR;
}


/* the next LF, NULL if it is not there yet; nothing is looked at twice */

static u_char *
ngx_socketio_commands_eol(ngx_socketio_commands_t *commands)
{
    size_t   size;
    u_char  *eol;

    size = commands->last - commands->pos;
    eol = memchr(commands->pos + commands->scanned, '\n',
                 size - commands->scanned);

    commands->scanned = eol ? (size_t) (eol - commands->pos) : size;

    return eol;
}


/* 1: nothing but space is left, empty lines included */

static ngx_int_t
ngx_socketio_commands_none(ngx_socketio_commands_t *commands)
{
    u_char  *p;

    p = ngx_socketio_json_space(commands->pos, commands->last);

    if (p != commands->pos) {
        commands->pos = p;
        commands->scanned = 0;
    }

    return p == commands->last;
}
