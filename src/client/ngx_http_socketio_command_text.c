
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* A command's text made an object of what steers. */


#include "client/ngx_http_socketio_command_internal.h"
#include "proto/ngx_socketio_json.h"


static ngx_int_t ngx_http_socketio_command_load(json_t *object,
    ngx_str_t *text);
static json_t *ngx_http_socketio_command_json(u_char *p, u_char *last);
static json_t *ngx_http_socketio_command_list(u_char *p, u_char *last);
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
            value = (*p == '[') ? ngx_http_socketio_command_list(p, end)
                                : ngx_http_socketio_command_json(p, end);

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


/*
 * Anything but a list.  What jansson does not hold (a number out of range,
 * half a surrogate pair) is not right for any of these fields; nor is an
 * object, whose tree would take many times the memory of its text.
 */

static json_t *
ngx_http_socketio_command_json(u_char *p, u_char *last)
{
    json_t  *value;

    if (*p == '{' || *p == '[') {
        return json_object();
    }

    value = json_loadb((char *) p, last - p, JSON_DECODE_ANY|JSON_ALLOW_NUL,
                       NULL);

    return value ? value : json_null();
}


/* of a list one name more than there may be; NULL: no memory */

static json_t *
ngx_http_socketio_command_list(u_char *p, u_char *last)
{
    u_char  *end;
    json_t  *list;

    list = json_array();
    p = ngx_socketio_json_space(p + 1, last);

    while (list != NULL && p < last && *p != ']'
           && json_array_size(list) <= NGX_HTTP_SOCKETIO_COMMAND_NAMES)
    {
        end = ngx_socketio_json_skip(p, last);

        if (json_array_append_new(list,
                                  ngx_http_socketio_command_json(p, end))
            != 0)
        {
            json_decref(list);
            return NULL;
        }

        p = ngx_socketio_json_space(end, last);

        if (p < last && *p == ',') {
            p = ngx_socketio_json_space(p + 1, last);
        }
    }

    return list;
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
