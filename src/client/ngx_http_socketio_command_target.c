
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Whom a command means: event ids, namespaces, rooms and sockets.
 */


#include "client/ngx_http_socketio_command_internal.h"


static ngx_int_t ngx_http_socketio_command_id_parse(
    ngx_http_socketio_run_t *run, json_t *value);
static ngx_int_t ngx_http_socketio_command_nsp(ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_in(ngx_http_socketio_run_t *run,
    char *room, ngx_array_t *words);
static ngx_int_t ngx_http_socketio_command_words(ngx_http_socketio_run_t *run,
    char *field, ngx_array_t *words);
static ngx_int_t ngx_http_socketio_command_all(ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_own(ngx_http_socketio_run_t *run,
    ngx_array_t *words);
static ngx_int_t ngx_http_socketio_command_name(ngx_http_socketio_run_t *run,
    json_t *value, char *code, ngx_str_t *name);


ngx_int_t
ngx_http_socketio_command_id(ngx_http_socketio_run_t *run)
{
    json_t                       *value;
    ngx_int_t                     rc;
    ngx_http_socketio_command_t  *command;

    command = run->command;
    value = json_object_get(run->object, "id");

    if (value != NULL) {
        rc = ngx_http_socketio_command_id_parse(run, value);

        if (rc != NGX_OK) {
            return rc;
        }

    } else if (command->sole && command->nasked == 1) {
        run->asked = &command->asked[0];
        run->id = run->asked->id;
        run->named = 1;
    }

    return ngx_http_socketio_command_nsp(run);
}


static ngx_int_t
ngx_http_socketio_command_id_parse(ngx_http_socketio_run_t *run,
    json_t *value)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i;
    ngx_http_socketio_asked_t    *asked;
    ngx_http_socketio_command_t  *command;

    command = run->command;
    rc = NGX_ERROR;

    if (json_is_string(value)) {
        rc = ngx_http_socketio_event_id_parse(command->zone,
                                          (u_char *) json_string_value(value),
                                          json_string_length(value), &run->id);
    }

    if (rc != NGX_OK) {
        return ngx_http_socketio_command_error(run, "bad_target",
                                               "id is not one of an event");
    }

    run->named = 1;

    for (i = 0; i < command->nasked; i++) {
        asked = &command->asked[i];

        if (asked->id.socket.ref == run->id.socket.ref
            && asked->id.socket.gen == run->id.socket.gen
            && asked->id.seq == run->id.seq)
        {
            run->asked = asked;
            break;
        }
    }

    return NGX_OK;
}


/*
 * The namespace that is named, else the event's, else the op's own, which
 * run->nsp is set to.  That of an event whose socket is gone meanwhile is not
 * known: nobody is meant then, since "/" would be a wrong guess.
 */

static ngx_int_t
ngx_http_socketio_command_nsp(ngx_http_socketio_run_t *run)
{
    json_t     *value;
    ngx_int_t   rc;

    value = json_object_get(run->object, "nsp");

    if (value != NULL) {
        rc = ngx_http_socketio_command_name(run, value, "bad_target",
                                            &run->nsp);
        if (rc == NGX_OK && run->nsp.data[0] != '/'
            && !ngx_http_socketio_command_raw(run))
        {
            return ngx_http_socketio_command_error(run, "bad_target",
                                                   "nsp begins with a slash");
        }

        return rc;
    }

    if (run->asked != NULL) {
        run->nsp = run->asked->nsp;
        return NGX_OK;
    }

    if (!run->named) {
        return NGX_OK;
    }

    run->nsp.data = run->space;
    run->nsp.len = ngx_socketio_socket_nsp(run->command->zone,
                                           &run->id.socket, run->space,
                                           NGX_HTTP_SOCKETIO_NAME_MAX);
    if (run->nsp.len == 0) {
        run->nobody = 1;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_command_target(ngx_http_socketio_run_t *run, char *room)
{
    ngx_int_t               rc;
    ngx_array_t             words, except;
    ngx_socketio_target_t  *target;

    target = &run->target;

    if (ngx_array_init(&words, run->pool, 4, sizeof(ngx_socketio_word_t))
        != NGX_OK
        || ngx_array_init(&except, run->pool, 4, sizeof(ngx_socketio_word_t))
           != NGX_OK)
    {
        return NGX_BUSY;
    }

    rc = ngx_http_socketio_command_in(run, room, &words);

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_command_words(run, "except", &except);
    }

    if (rc != NGX_OK && rc != NGX_DONE) {
        return rc;
    }

    if (!target->all && words.nelts == 0) {
        run->nobody = 1;
    }

    ngx_socketio_name_set(&target->nsp, &run->nsp);

    target->in = words.elts;
    target->nin = words.nelts;
    target->except = except.elts;
    target->nexcept = except.nelts;

    return NGX_OK;
}


/* rooms and sids, all, or the socket of the event */

static ngx_int_t
ngx_http_socketio_command_in(ngx_http_socketio_run_t *run, char *room,
    ngx_array_t *words)
{
    char        *fields[3];
    ngx_int_t    rc;
    ngx_uint_t   i, given;

    given = 0;

    fields[0] = room;
    fields[1] = "in";
    fields[2] = "sid";

    for (i = 0; i < 3; i++) {
        rc = ngx_http_socketio_command_words(run, fields[i], words);

        if (rc == NGX_OK) {
            given = 1;

        } else if (rc != NGX_DONE) {
            return rc;
        }
    }

    rc = ngx_http_socketio_command_all(run);

    if (rc != NGX_OK) {
        return rc;
    }

    if (run->target.all && given) {
        return ngx_http_socketio_command_error(run, "bad_target",
                                       "all is given beside rooms or sids");
    }

    if (run->target.all || given) {
        return NGX_OK;
    }

    return ngx_http_socketio_command_own(run, words);
}


/* NGX_DONE: no such field */

static ngx_int_t
ngx_http_socketio_command_words(ngx_http_socketio_run_t *run, char *field,
    ngx_array_t *words)
{
    ngx_int_t             rc;
    ngx_str_t            *name;
    ngx_uint_t            i, sids;
    ngx_array_t           names;
    ngx_socketio_word_t  *word;

    if (field == NULL) {
        return NGX_DONE;
    }

    rc = ngx_http_socketio_command_names(run, field, "bad_target", &names);

    if (rc != NGX_OK) {
        return rc;
    }

    sids = (ngx_strcmp(field, "sid") == 0);
    name = names.elts;

    for (i = 0; i < names.nelts; i++) {
        word = ngx_array_push(words);

        if (word == NULL) {
            return NGX_BUSY;
        }

        ngx_socketio_word_set(word, &name[i]);

        /*
         * A "sid" is that socket.  As in Node, "room" is also whoever joined a
         * room of that name, which backends may let clients choose.
         */

        word->only = sids;

        if (sids && !ngx_socketio_word_is_socket(word)) {
            words->nelts--;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_command_all(ngx_http_socketio_run_t *run)
{
    json_t  *value;

    value = json_object_get(run->object, "all");

    if (value != NULL && !json_is_boolean(value)) {
        return ngx_http_socketio_command_error(run, "bad_target",
                                               "all is true or false");
    }

    run->target.all = (value != NULL && json_is_true(value));

    return NGX_OK;
}


/* the socket of the event that "id" names */

static ngx_int_t
ngx_http_socketio_command_own(ngx_http_socketio_run_t *run,
    ngx_array_t *words)
{
    u_char                secret[NGX_SOCKETIO_SECRET];
    ngx_str_t             text;
    ngx_socketio_word_t  *word;

    if (!run->named) {
        return ngx_http_socketio_command_error(run, "no_target",
                                     "neither room, in, sid, all nor id");
    }

    text.data = run->text;
    text.len = NGX_SOCKETIO_SOCKET_TEXT;

    if (run->asked != NULL) {
        ngx_memcpy(run->text, run->asked->text, NGX_SOCKETIO_SOCKET_TEXT);

    } else if (ngx_socketio_socket_secret(run->command->zone,
                                          &run->id.socket, secret)
               == NGX_OK)
    {
        ngx_socketio_socket_text(run->text, &run->id.socket, secret);

    } else {
        run->nobody = 1;
        return NGX_OK;
    }

    word = ngx_array_push(words);

    if (word == NULL) {
        return NGX_BUSY;
    }

    ngx_socketio_word_set(word, &text);
    word->only = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_command_socket(ngx_http_socketio_run_t *run,
    ngx_socketio_id_t *socket)
{
    size_t                  len;
    u_char                  secret[NGX_SOCKETIO_SECRET];
    u_char                  nsp[NGX_HTTP_SOCKETIO_NAME_MAX];
    ngx_int_t               rc;
    ngx_socketio_word_t    *word;
    ngx_socketio_target_t  *target;

    rc = ngx_http_socketio_command_target(run, "room");

    if (rc != NGX_OK) {
        return rc;
    }

    target = &run->target;

    if (target->all
        || target->nin > 1
        || json_object_get(run->object, "room") != NULL
        || json_object_get(run->object, "in") != NULL)
    {
        return ngx_http_socketio_command_error(run, "bad_target",
                                               "the target is not one sid");
    }

    if (run->nobody) {
        return NGX_OK;
    }

    word = &target->in[0];

    if (word->client) {
        if (ngx_socketio_word_socket(run->command->zone, &target->nsp, word,
                                     socket)
            != NGX_OK)
        {
            run->nobody = 1;
        }

        return NGX_OK;
    }

    *socket = word->socket;

    /* as for other commands: it must be the very socket, in that namespace */

    if (ngx_socketio_socket_secret(run->command->zone, socket, secret)
        != NGX_OK
        || ngx_memcmp(secret, word->secret, NGX_SOCKETIO_SECRET) != 0)
    {
        run->nobody = 1;
        return NGX_OK;
    }

    if (json_object_get(run->object, "sid") != NULL) {
        len = ngx_socketio_socket_nsp(run->command->zone, socket, nsp,
                                      NGX_HTTP_SOCKETIO_NAME_MAX);

        if (len != run->nsp.len || ngx_memcmp(nsp, run->nsp.data, len) != 0)
        {
            run->nobody = 1;
        }
    }

    return NGX_OK;
}


/* names->elts are ngx_str_t; NGX_DONE: no such field */

ngx_int_t
ngx_http_socketio_command_names(ngx_http_socketio_run_t *run, char *field,
    char *code, ngx_array_t *names)
{
    size_t      i, n;
    json_t     *value, *item;
    ngx_int_t   rc;
    ngx_str_t  *name;

    value = json_object_get(run->object, field);

    if (value == NULL) {
        return NGX_DONE;
    }

    n = json_is_array(value) ? json_array_size(value) : 1;

    if (n > NGX_HTTP_SOCKETIO_COMMAND_NAMES) {
        return ngx_http_socketio_command_error(run, "too_large",
                                               "more than 256 names");
    }

    if (ngx_array_init(names, run->pool, n ? n : 1, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_BUSY;
    }

    for (i = 0; i < n; i++) {
        item = json_is_array(value) ? json_array_get(value, i) : value;
        name = ngx_array_push(names);

        if (name == NULL) {
            return NGX_BUSY;
        }

        rc = ngx_http_socketio_command_name(run, item, code, name);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_command_name(ngx_http_socketio_run_t *run, json_t *value,
    char *code, ngx_str_t *name)
{
    if (!json_is_string(value)) {
        return ngx_http_socketio_command_error(run, code,
                                               "a name is not a string");
    }

    name->data = (u_char *) json_string_value(value);
    name->len = json_string_length(value);

    if (name->len == 0) {
        return ngx_http_socketio_command_error(run, code, "a name is empty");
    }

    if (name->len > NGX_HTTP_SOCKETIO_NAME_MAX) {
        return ngx_http_socketio_command_error(run, "too_large",
                                         "a name is longer than 1024 bytes");
    }

    return NGX_OK;
}
