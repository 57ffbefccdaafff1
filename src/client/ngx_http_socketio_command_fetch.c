
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Commands that look: fetch, rooms, count.  Each step is one hold of the
 * store, written before the next one.
 */


#include "client/ngx_http_socketio_command_internal.h"
#include "store/ngx_socketio_fetch.h"
#include "store/ngx_socketio_inbox.h"
#include "proto/ngx_socketio_json.h"


/* all bytes of a name may have to be escaped */
#define NGX_HTTP_SOCKETIO_COMMAND_ESCAPED  (6 * NGX_HTTP_SOCKETIO_NAME_MAX)


/* in run->data */

typedef struct {
    ngx_socketio_fetch_t            fetch;
    ngx_uint_t                      n;          /* written */
    unsigned                        begun:1;
} ngx_http_socketio_look_t;


static ngx_int_t ngx_http_socketio_command_look(ngx_http_socketio_run_t *run,
    ngx_uint_t fields, ngx_int_t (*more)(ngx_http_socketio_run_t *run));
static void ngx_http_socketio_command_look_end(ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_fields_set(
    ngx_http_socketio_run_t *run, ngx_uint_t *fields);
static ngx_int_t ngx_http_socketio_command_fetch_more(
    ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_rooms_more(
    ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_count_more(
    ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_step(ngx_http_socketio_run_t *run,
    ngx_int_t rc, char *begin,
    ngx_int_t (*put)(ngx_http_socketio_run_t *run));
static ngx_int_t ngx_http_socketio_command_put_sockets(
    ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_put_socket(
    ngx_http_socketio_run_t *run, ngx_socketio_found_t *found);
static ngx_int_t ngx_http_socketio_command_put_rooms(
    ngx_http_socketio_run_t *run);
static ngx_int_t ngx_http_socketio_command_put_names(
    ngx_http_socketio_run_t *run, u_char *p, u_char *last, ngx_uint_t *n);
static ngx_int_t ngx_http_socketio_command_put(ngx_http_socketio_run_t *run,
    char *before, ngx_str_t *text, char *after);


ngx_int_t
ngx_http_socketio_command_fetch(ngx_http_socketio_run_t *run)
{
    ngx_int_t   rc;
    ngx_uint_t  fields;

    rc = ngx_http_socketio_command_fields_set(run, &fields);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_socketio_command_look(run, fields,
                                        ngx_http_socketio_command_fetch_more);
}


ngx_int_t
ngx_http_socketio_command_rooms(ngx_http_socketio_run_t *run)
{
    return ngx_http_socketio_command_look(run, 0,
                                        ngx_http_socketio_command_rooms_more);
}


ngx_int_t
ngx_http_socketio_command_count(ngx_http_socketio_run_t *run)
{
    return ngx_http_socketio_command_look(run, 0,
                                        ngx_http_socketio_command_count_more);
}


static ngx_int_t
ngx_http_socketio_command_look(ngx_http_socketio_run_t *run,
    ngx_uint_t fields, ngx_int_t (*more)(ngx_http_socketio_run_t *run))
{
    ngx_int_t                  rc;
    ngx_http_socketio_look_t  *look;

    rc = ngx_http_socketio_command_target(run, "room");

    if (rc != NGX_OK) {
        return rc;
    }

    if (run->nobody) {
        /* the same empty result as of a target without sockets */
        run->target.all = 0;
        run->target.nin = 0;
    }

    look = ngx_palloc(run->pool, sizeof(ngx_http_socketio_look_t));

    if (look == NULL) {
        return NGX_BUSY;
    }

    ngx_socketio_fetch_init(&look->fetch, run->command->zone, &run->target,
                            fields);
    look->n = 0;
    look->begun = 0;

    run->data = look;
    run->more = more;
    run->end = ngx_http_socketio_command_look_end;

    return more(run);
}


static void
ngx_http_socketio_command_look_end(ngx_http_socketio_run_t *run)
{
    ngx_http_socketio_look_t  *look;

    look = run->data;

    ngx_socketio_fetch_free(&look->fetch);
}


static ngx_int_t
ngx_http_socketio_command_fields_set(ngx_http_socketio_run_t *run,
    ngx_uint_t *fields)
{
    ngx_int_t     rc;
    ngx_str_t    *name;
    ngx_uint_t    i, k;
    ngx_array_t   names;

    static ngx_str_t  known[] = {
        ngx_string("handshake"),            /* in the order of the bits */
        ngx_string("data"),
        ngx_string("rooms")
    };

    *fields = 0;

    rc = ngx_http_socketio_command_names(run, "fields", "bad_args", &names);

    if (rc != NGX_OK) {
        return (rc == NGX_DONE) ? NGX_OK : rc;
    }

    name = names.elts;

    for (i = 0; i < names.nelts; i++) {

        for (k = 0; k < 3; k++) {
            if (name[i].len == known[k].len
                && ngx_memcmp(name[i].data, known[k].data, known[k].len) == 0)
            {
                *fields |= (ngx_uint_t) 1 << k;
                break;
            }
        }

        if (k == 3) {
            return ngx_http_socketio_command_error(run, "bad_args",
                                    "fields are handshake, rooms and data");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_command_fetch_more(ngx_http_socketio_run_t *run)
{
    ngx_int_t                  rc;
    ngx_http_socketio_look_t  *look;

    look = run->data;
    rc = ngx_socketio_fetch_sockets(&look->fetch);

    return ngx_http_socketio_command_step(run, rc, ",\"sockets\":[",
                                       ngx_http_socketio_command_put_sockets);
}


static ngx_int_t
ngx_http_socketio_command_rooms_more(ngx_http_socketio_run_t *run)
{
    ngx_int_t                  rc;
    ngx_http_socketio_look_t  *look;

    look = run->data;
    rc = ngx_socketio_fetch_rooms(&look->fetch);

    return ngx_http_socketio_command_step(run, rc, ",\"rooms\":[",
                                         ngx_http_socketio_command_put_rooms);
}


static ngx_int_t
ngx_http_socketio_command_count_more(ngx_http_socketio_run_t *run)
{
    ngx_int_t                  rc;
    ngx_http_socketio_look_t  *look;

    look = run->data;
    rc = ngx_socketio_count(&look->fetch.scan, &look->n);
    run->command->count = look->n;

    return (rc == NGX_ERROR) ? NGX_BUSY : rc;
}


/*
 * What the store found in a hold.  Without memory it is "busy", unless half of
 * the result has been written.
 */

static ngx_int_t
ngx_http_socketio_command_step(ngx_http_socketio_run_t *run, ngx_int_t rc,
    char *begin, ngx_int_t (*put)(ngx_http_socketio_run_t *run))
{
    ngx_http_socketio_look_t  *look;

    look = run->data;

    if (rc == NGX_ERROR) {
        return look->begun ? NGX_ERROR : NGX_BUSY;
    }

    if (!look->begun) {
        look->begun = 1;

        if (ngx_http_socketio_command_put(run, begin, NULL, NULL) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (put(run) != NGX_OK
        || (rc == NGX_OK
            && ngx_http_socketio_command_put(run, "]", NULL, NULL) != NGX_OK))
    {
        return NGX_ERROR;
    }

    run->command->count = look->n;

    return rc;
}


static ngx_int_t
ngx_http_socketio_command_put_sockets(ngx_http_socketio_run_t *run)
{
    ngx_uint_t                 i;
    ngx_http_socketio_look_t  *look;

    look = run->data;

    for (i = 0; i < look->fetch.n; i++) {
        if (ngx_http_socketio_command_put_socket(run, &look->fetch.found[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_command_put_socket(ngx_http_socketio_run_t *run,
    ngx_socketio_found_t *found)
{
    u_char                     text[NGX_SOCKETIO_SOCKET_TEXT];
    ngx_int_t                  rc;
    ngx_str_t                  sid;
    ngx_uint_t                 fields, n;
    ngx_http_socketio_look_t  *look;

    look = run->data;
    fields = look->fetch.fields;
    sid.data = text;
    sid.len = NGX_SOCKETIO_SOCKET_TEXT;

    ngx_socketio_socket_text(text, &found->socket, found->secret);

    rc = ngx_http_socketio_command_put(run, look->n++ ? ",{\"sid\":\""
                                                      : "{\"sid\":\"",
                                       &sid, "\"");

    if (rc == NGX_OK && (fields & NGX_SOCKETIO_FETCH_HANDSHAKE)) {
        rc = ngx_http_socketio_command_put(run, ",\"handshake\":{",
                                           &found->handshake, "}");
    }

    if (rc == NGX_OK && (fields & NGX_SOCKETIO_FETCH_ROOMS)) {
        n = 0;
        rc = ngx_http_socketio_command_put(run, ",\"rooms\":[", NULL, NULL);

        if (rc == NGX_OK) {
            rc = ngx_http_socketio_command_put_names(run, found->rooms.data,
                             found->rooms.data + found->rooms.len, &n);
        }

        if (rc == NGX_OK) {
            rc = ngx_http_socketio_command_put(run, "]", NULL, NULL);
        }
    }

    if (rc == NGX_OK && (fields & NGX_SOCKETIO_FETCH_DATA)) {
        rc = ngx_http_socketio_command_put(run, ",\"data\":",
                                           found->data.len ? &found->data
                                                           : NULL,
                                           found->data.len ? NULL : "null");
    }

    return (rc == NGX_OK) ? ngx_http_socketio_command_put(run, "}", NULL, NULL)
                          : rc;
}


static ngx_int_t
ngx_http_socketio_command_put_rooms(ngx_http_socketio_run_t *run)
{
    ngx_http_socketio_look_t  *look;

    look = run->data;

    return ngx_http_socketio_command_put_names(run, look->fetch.buf,
                              look->fetch.buf + look->fetch.len, &look->n);
}


static ngx_int_t
ngx_http_socketio_command_put_names(ngx_http_socketio_run_t *run, u_char *p,
    u_char *last, ngx_uint_t *n)
{
    u_char     escaped[NGX_HTTP_SOCKETIO_COMMAND_ESCAPED];
    ngx_str_t  name;

    while (ngx_socketio_fetch_name(&p, last, &name) == NGX_OK) {
        name.len = ngx_socketio_json_escape(escaped, name.data,
                                 ngx_min(name.len, NGX_HTTP_SOCKETIO_NAME_MAX));
        name.data = escaped;

        if (ngx_http_socketio_command_put(run, (*n)++ ? ",\"" : "\"", &name,
                                          "\"")
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* each of them may be NULL */

static ngx_int_t
ngx_http_socketio_command_put(ngx_http_socketio_run_t *run, char *before,
    ngx_str_t *text, char *after)
{
    ngx_http_socketio_command_t  *command;

    command = run->command;

    if ((before
         && command->write(command->data, (u_char *) before,
                           ngx_strlen(before))
            != NGX_OK)
        || (text && text->len
            && command->write(command->data, text->data, text->len) != NGX_OK)
        || (after
            && command->write(command->data, (u_char *) after,
                              ngx_strlen(after))
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
