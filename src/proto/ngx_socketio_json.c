
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* JSON text as it comes: checked, skipped. */


#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_utf8.h"


static ngx_int_t ngx_socketio_json_walk(u_char **pos, u_char *last,
    ngx_uint_t depth);
static u_char *ngx_socketio_json_scan_name(u_char *p, u_char *last);
static u_char *ngx_socketio_json_scan_scalar(u_char *p, u_char *last);
static u_char *ngx_socketio_json_scan_string(u_char *p, u_char *last);
static u_char *ngx_socketio_json_scan_number(u_char *p, u_char *last);
static u_char *ngx_socketio_json_scan_digits(u_char *p, u_char *last);
static u_char *ngx_socketio_json_skip_string(u_char *p, u_char *last);


ngx_int_t
ngx_socketio_json_check(u_char *p, u_char *last, ngx_uint_t depth)
{
    uint32_t  utf8;

    utf8 = 0;

    if (ngx_socketio_utf8_check(&utf8, p, last) != NGX_OK || utf8 != 0) {
        return NGX_ERROR;
    }

    return ngx_socketio_json_walk(&p, last, depth);
}


u_char *
ngx_socketio_json_where(u_char *p, u_char *last)
{
    u_char    *pos, *bad;
    uint32_t   utf8;

    utf8 = 0;

    for (bad = p; bad < last; bad++) {
        if (ngx_socketio_utf8_check(&utf8, bad, bad + 1) != NGX_OK) {
            break;
        }
    }

    pos = p;

    if (ngx_socketio_json_walk(&pos, bad, NGX_SOCKETIO_JSON_MAX_DEPTH)
        != NGX_OK)
    {
        return pos;
    }

    return (bad < last || utf8 != 0) ? bad : NULL;
}


/* but for UTF-8; *pos becomes the token, or the end, where it is no JSON */

static ngx_int_t
ngx_socketio_json_walk(u_char **pos, u_char *last, ngx_uint_t depth)
{
    u_char                   *p, ch, object;
    ngx_uint_t                level;
    ngx_socketio_json_bits_t  objects;
    enum {
        sw_value = 0,
        sw_first_value,
        sw_name,
        sw_first_name,
        sw_after_value
    } state;

    p = *pos;

    /* a bit for every open container, set if it is an object */

    ngx_memzero(objects, sizeof(objects));

    depth = ngx_min(depth, NGX_SOCKETIO_JSON_MAX_DEPTH);
    level = 0;
    object = 0;
    state = sw_value;

    for ( ;; ) {
        p = ngx_socketio_json_space(p, last);
        *pos = p;

        if (p == last) {
            break;
        }

        ch = *p;

        if (level != 0 && state != sw_value && state != sw_name
            && ch == (object ? '}' : ']'))
        {
            p++;
            level--;
            object = level ? ngx_socketio_json_bit(objects, level - 1) : 0;
            state = sw_after_value;
            continue;
        }

        switch (state) {

        case sw_value:
        case sw_first_value:

            if (ch != '{' && ch != '[') {
                p = ngx_socketio_json_scan_scalar(p, last);
                state = sw_after_value;
                break;
            }

            if (level == depth) {
                return NGX_DECLINED;
            }

            p++;
            object = (ch == '{');
            ngx_socketio_json_bit_put(objects, level, object);
            level++;
            state = object ? sw_first_name : sw_first_value;
            break;

        case sw_name:
        case sw_first_name:
            p = ngx_socketio_json_scan_name(p, last);
            state = sw_value;
            break;

        case sw_after_value:
            p = (level != 0 && ch == ',') ? p + 1 : NULL;
            state = object ? sw_name : sw_value;
            break;
        }

        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    return (state == sw_after_value && level == 0) ? NGX_OK : NGX_ERROR;
}


/* scan functions return the first byte after what they scan, NULL if bad */

static u_char *
ngx_socketio_json_scan_name(u_char *p, u_char *last)
{
    if (*p != '"') {
        return NULL;
    }

    p = ngx_socketio_json_scan_string(p, last);

    if (p == NULL) {
        return NULL;
    }

    p = ngx_socketio_json_space(p, last);

    return (p < last && *p == ':') ? p + 1 : NULL;
}


static u_char *
ngx_socketio_json_scan_scalar(u_char *p, u_char *last)
{
    size_t   len;
    u_char  *word;

    switch (*p) {

    case '"':
        return ngx_socketio_json_scan_string(p, last);

    case 't':
        word = (u_char *) "true";
        len = 4;
        break;

    case 'f':
        word = (u_char *) "false";
        len = 5;
        break;

    case 'n':
        word = (u_char *) "null";
        len = 4;
        break;

    default:
        return ngx_socketio_json_scan_number(p, last);
    }

    if ((size_t) (last - p) < len || ngx_memcmp(p, word, len) != 0) {
        return NULL;
    }

    return p + len;
}


static u_char *
ngx_socketio_json_scan_string(u_char *p, u_char *last)
{
    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p < 0x20) {
            return NULL;
        }

        if (*p != '\\') {
            continue;
        }

        if (++p == last) {
            return NULL;
        }

        switch (*p) {

        case '"':
        case '\\':
        case '/':
        case 'b':
        case 'f':
        case 'n':
        case 'r':
        case 't':
            break;

        case 'u':
            if (ngx_socketio_json_hex4(p + 1, last) > 0xffff) {
                return NULL;
            }

            p += 4;
            break;

        default:
            return NULL;
        }
    }

    return NULL;
}


static u_char *
ngx_socketio_json_scan_number(u_char *p, u_char *last)
{
    if (*p == '-' && ++p == last) {
        return NULL;
    }

    /* RFC 8259, 6: no leading zeros */

    if (*p == '0') {
        p++;

    } else {
        p = ngx_socketio_json_scan_digits(p, last);
    }

    if (p != NULL && p < last && *p == '.') {
        p = ngx_socketio_json_scan_digits(p + 1, last);
    }

    if (p != NULL && p < last && (*p == 'e' || *p == 'E')) {
        p++;

        if (p < last && (*p == '+' || *p == '-')) {
            p++;
        }

        p = ngx_socketio_json_scan_digits(p, last);
    }

    return p;
}


static u_char *
ngx_socketio_json_scan_digits(u_char *p, u_char *last)
{
    if (p == last || !ngx_socketio_is_digit(*p)) {
        return NULL;
    }

    while (p < last && ngx_socketio_is_digit(*p)) {
        p++;
    }

    return p;
}


u_char *
ngx_socketio_json_space(u_char *p, u_char *last)
{
    while (p < last
           && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
    {
        p++;
    }

    return p;
}


u_char *
ngx_socketio_json_skip(u_char *p, u_char *last)
{
    ngx_uint_t  level;

    level = 0;
    p = ngx_socketio_json_space(p, last);

    /*
     * The brackets of valid text match, so that counting them is enough;
     * a scalar ends at white space or at a mark of the container around it.
     */

    while (p < last) {

        switch (*p) {

        case '"':
            p = ngx_socketio_json_skip_string(p, last);

            if (level == 0) {
                return p;
            }

            break;

        case '{':
        case '[':
            p++;
            level++;
            break;

        case '}':
        case ']':
            if (level == 0) {
                return p;
            }

            p++;

            if (--level == 0) {
                return p;
            }

            break;

        case ',':
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            if (level == 0) {
                return p;
            }

            /* fall through */

        default:
            p++;
            break;
        }
    }

    return last;
}


static u_char *
ngx_socketio_json_skip_string(u_char *p, u_char *last)
{
    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\' && ++p == last) {
            break;
        }
    }

    return last;
}
