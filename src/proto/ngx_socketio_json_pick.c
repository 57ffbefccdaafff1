
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* A value of a JSON text, by its path. */


#include "proto/ngx_socketio_json.h"


static u_char *ngx_socketio_json_member(u_char *p, u_char *last, u_char *name,
    size_t len);
static u_char *ngx_socketio_json_element(u_char *p, u_char *last,
    u_char *name, size_t len);


ngx_int_t
ngx_socketio_json_pick(u_char *p, u_char *last, ngx_str_t *path,
    ngx_str_t *value)
{
    size_t  i, start;

    p = ngx_socketio_json_space(p, last);

    for (start = 0; start < path->len; start = i + 1) {

        for (i = start; i < path->len && path->data[i] != '.'; i++) {
            /* void */
        }

        /* an empty name: "", "a..b", or "a." with the dot as the last byte */

        if (i == start || i + 1 == path->len) {
            return NGX_DECLINED;
        }

        if (p == last) {
            return NGX_DECLINED;
        }

        switch (*p) {

        case '{':
            p = ngx_socketio_json_member(p, last, path->data + start,
                                         i - start);
            break;

        case '[':
            p = ngx_socketio_json_element(p, last, path->data + start,
                                          i - start);
            break;

        default:
            return NGX_DECLINED;
        }

        if (p == NULL) {
            return NGX_DECLINED;
        }
    }

    value->data = p;
    value->len = ngx_socketio_json_skip(p, last) - p;

    return NGX_OK;
}


/* the value of a member of the object at p, NULL if there is none */

static u_char *
ngx_socketio_json_member(u_char *p, u_char *last, u_char *name, size_t len)
{
    u_char  *key, *key_last, *found;

    found = NULL;
    p = ngx_socketio_json_space(p + 1, last);

    while (p < last && *p == '"') {
        key = p;
        key_last = ngx_socketio_json_skip(p, last);
        p = ngx_socketio_json_space(key_last, last);

        if (p == last) {
            break;
        }

        p = ngx_socketio_json_space(p + 1, last);

        if (ngx_socketio_json_equal(key, key_last, name, len)) {
            found = p;
        }

        p = ngx_socketio_json_skip(p, last);
        p = ngx_socketio_json_space(p, last);

        if (p == last || *p != ',') {
            break;
        }

        p = ngx_socketio_json_space(p + 1, last);
    }

    return found;
}


/* the element of the array at p with a decimal index, NULL if none */

static u_char *
ngx_socketio_json_element(u_char *p, u_char *last, u_char *name, size_t len)
{
    size_t    i;
    uint64_t  index;

    /* no text has so many elements, and no overflow is possible below */

    if (len > 15 || (len > 1 && *name == '0')) {
        return NULL;
    }

    index = 0;

    for (i = 0; i < len; i++) {
        if (!ngx_socketio_is_digit(name[i])) {
            return NULL;
        }

        index = index * 10 + (name[i] - '0');
    }

    p = ngx_socketio_json_space(p + 1, last);

    while (p < last && *p != ']') {

        if (index-- == 0) {
            return p;
        }

        p = ngx_socketio_json_skip(p, last);
        p = ngx_socketio_json_space(p, last);

        if (p == last || *p != ',') {
            break;
        }

        p = ngx_socketio_json_space(p + 1, last);
    }

    return NULL;
}
