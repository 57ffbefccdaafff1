
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* A command's text made an object of what steers. */


#include "client/ngx_http_socketio_command_internal.h"
#include "proto/ngx_socketio_json.h"


static ngx_int_t ngx_http_socketio_command_load(json_t *object,
    ngx_str_t *text);
static char *ngx_http_socketio_command_steering(u_char *p, u_char *last);


/* fields that are looked into; a tree of the others is not worth its memory */

static char  *ngx_http_socketio_command_fields[] = {
    "op", "id", "key", "nsp", "room", "in", "sid", "all", "except", "rooms",
    "volatile", "close", "ack", "timeout", "fields", "local", "compress", NULL
};


ngx_int_t
ngx_http_socketio_command_text(ngx_http_socketio_command_t *command,
    ngx_str_t *text)
{
    json_t     *object;
    ngx_int_t   rc;

    object = json_object();

    if (object == NULL
        || ngx_http_socketio_command_load(object, text) != NGX_OK)
    {
        json_decref(object);

        command->op = NULL;
        command->count = 0;

        return ngx_http_socketio_command_no_memory(command);
    }

    rc = ngx_http_socketio_command_run(command, object, text);

    json_decref(object);

    return rc;
}


/* NGX_ERROR: no memory */

static ngx_int_t
ngx_http_socketio_command_load(json_t *object, ngx_str_t *text)
{
    char    *name;
    u_char  *p, *last, *key, *key_last, *end;
    json_t  *value;

    last = text->data + text->len;
    p = ngx_socketio_json_space(text->data + 1, last);

    while (p < last && *p == '"') {
        key = p;
        key_last = ngx_socketio_json_skip(p, last);

        p = ngx_socketio_json_space(key_last, last);

        if (p == last) {
            break;
        }

        p = ngx_socketio_json_space(p + 1, last);       /* behind ":" */
        end = ngx_socketio_json_skip(p, last);

        name = ngx_http_socketio_command_steering(key, key_last);

        if (name != NULL) {
            value = json_loadb((char *) p, end - p,
                               JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);

            /*
             * What jansson does not hold (a number out of range, half a
             * surrogate pair) is not right for any of these fields.
             */

            if (value == NULL) {
                value = json_null();
            }

            if (json_object_set_new(object, name, value) != 0) {
                return NGX_ERROR;
            }
        }

        p = ngx_socketio_json_space(end, last);

        if (p < last && *p == ',') {
            p = ngx_socketio_json_space(p + 1, last);
        }
    }

    return NGX_OK;
}


static char *
ngx_http_socketio_command_steering(u_char *p, u_char *last)
{
    char  **name;

    for (name = ngx_http_socketio_command_fields; *name; name++) {
        if (ngx_socketio_json_equal(p, last, (u_char *) *name,
                                    ngx_strlen(*name)))
        {
            return *name;
        }
    }

    return NULL;
}
