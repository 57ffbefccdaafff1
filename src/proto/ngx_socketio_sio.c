
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "proto/ngx_socketio_sio.h"
#include "proto/ngx_socketio_json.h"
#include "proto/ngx_socketio_utf8.h"


#define ngx_socketio_sio_is_binary(type)                                      \
    ((type) == NGX_SOCKETIO_SIO_BINARY_EVENT                                  \
     || (type) == NGX_SOCKETIO_SIO_BINARY_ACK)


/*
 * What is known of the objects that are open: "legal" is whether the last
 * "num" was good.
 */

typedef struct {
    ngx_uint_t                level;
    ngx_socketio_json_bits_t  placeholder;
    ngx_socketio_json_bits_t  legal;
} ngx_socketio_sio_objects_t;


static ngx_int_t ngx_socketio_sio_parse_attachments(
    ngx_socketio_sio_packet_t *pkt, u_char **pos, u_char *last,
    ngx_socketio_sio_limits_t *limits);
static ngx_int_t ngx_socketio_sio_parse_nsp(ngx_socketio_sio_packet_t *pkt,
    u_char **pos, u_char *last);
static ngx_int_t ngx_socketio_sio_parse_id(ngx_socketio_sio_packet_t *pkt,
    u_char **pos, u_char *last);
static ngx_int_t ngx_socketio_sio_parse_data(ngx_socketio_sio_packet_t *pkt,
    u_char *p, u_char *last, ngx_socketio_sio_limits_t *limits);
static ngx_int_t ngx_socketio_sio_parse_event(ngx_socketio_sio_packet_t *pkt,
    ngx_socketio_sio_limits_t *limits);
static ngx_int_t ngx_socketio_sio_parse_ack(ngx_socketio_sio_packet_t *pkt);
static void ngx_socketio_sio_trim(ngx_str_t *s, u_char *p, u_char *last);
static void ngx_socketio_sio_member(ngx_socketio_sio_objects_t *objects,
    u_char *name, u_char *name_last, u_char *value, u_char *last,
    ngx_uint_t n);
static ngx_uint_t ngx_socketio_sio_num(u_char *p, u_char *last,
    ngx_uint_t n);
static u_char *ngx_socketio_sio_digits(u_char *p, u_char *last);


/* the events of the sockets and emitters of the JavaScript libraries */

static ngx_str_t  ngx_socketio_sio_reserved_names[] = {
    ngx_string("connect"),
    ngx_string("connect_error"),
    ngx_string("disconnect"),
    ngx_string("disconnecting"),
    ngx_string("newListener"),
    ngx_string("removeListener"),
    ngx_null_string
};


ngx_int_t
ngx_socketio_sio_parse(ngx_socketio_sio_packet_t *pkt, u_char *p,
    u_char *last, ngx_socketio_sio_limits_t *limits)
{
    ngx_memzero(pkt, sizeof(ngx_socketio_sio_packet_t));

    if (p == last || *p < '0' || *p > '0' + NGX_SOCKETIO_SIO_BINARY_ACK) {
        return NGX_ERROR;
    }

    pkt->type = *p++ - '0';

    if (ngx_socketio_sio_is_binary(pkt->type)
        && ngx_socketio_sio_parse_attachments(pkt, &p, last, limits)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_socketio_sio_parse_nsp(pkt, &p, last) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_socketio_sio_parse_id(pkt, &p, last) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_socketio_sio_parse_data(pkt, p, last, limits);
}


static ngx_int_t
ngx_socketio_sio_parse_attachments(ngx_socketio_sio_packet_t *pkt,
    u_char **pos, u_char *last, ngx_socketio_sio_limits_t *limits)
{
    u_char      *p;
    ngx_uint_t   n;

    n = 0;

    for (p = *pos; p < last && ngx_socketio_is_digit(*p); p++) {

        if (n > limits->attachments / 10) {
            return NGX_ERROR;
        }

        n = n * 10 + (*p - '0');
    }

    if (p == *pos || p == last || *p != '-' || n > limits->attachments) {
        return NGX_ERROR;
    }

    if (n == 0) {

        if (limits->revision >= 5) {
            return NGX_ERROR;
        }

        /* clients 2.x have a flag that makes anything "binary" (2) */

        pkt->type -= NGX_SOCKETIO_SIO_BINARY_EVENT - NGX_SOCKETIO_SIO_EVENT;
    }

    pkt->attachments = n;
    *pos = p + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_sio_parse_nsp(ngx_socketio_sio_packet_t *pkt, u_char **pos,
    u_char *last)
{
    u_char    *p, *end;
    uint32_t   utf8;

    p = *pos;

    if (p == last || *p != '/') {
        ngx_str_set(&pkt->nsp, "/");
        return NGX_OK;
    }

    end = memchr(p, ',', last - p);

    if (end == NULL) {
        *pos = last;
        end = last;

    } else {
        *pos = end + 1;
    }

    /* the name is sent back, and a text frame must not hold anything else */

    utf8 = 0;

    if (ngx_socketio_utf8_check(&utf8, p, end) != NGX_OK || utf8 != 0) {
        return NGX_ERROR;
    }

    pkt->nsp.data = p;
    pkt->nsp.len = end - p;

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_sio_parse_id(ngx_socketio_sio_packet_t *pkt, u_char **pos,
    u_char *last)
{
    u_char    *p;
    uint64_t   id;

    id = 0;

    for (p = *pos; p < last && ngx_socketio_is_digit(*p); p++) {

        /* 2^53 and more are not exact in JavaScript: not the same id there */

        if (id > (NGX_SOCKETIO_SIO_MAX_ID - (*p - '0')) / 10) {
            return NGX_ERROR;
        }

        id = id * 10 + (*p - '0');
    }

    pkt->has_id = (p != *pos);
    pkt->id = id;
    *pos = p;

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_sio_parse_data(ngx_socketio_sio_packet_t *pkt, u_char *p,
    u_char *last, ngx_socketio_sio_limits_t *limits)
{
    if (p != last) {

        if (ngx_socketio_json_check(p, last, limits->depth) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_socketio_sio_trim(&pkt->data, p, last);
    }

    switch (pkt->type) {

    case NGX_SOCKETIO_SIO_CONNECT:

        /* revision 4 has its authentication data in the query of the nsp */

        if (limits->revision >= 5
            && pkt->data.len != 0 && pkt->data.data[0] != '{')
        {
            return NGX_ERROR;
        }

        return NGX_OK;

    case NGX_SOCKETIO_SIO_DISCONNECT:
        return pkt->data.len == 0 ? NGX_OK : NGX_ERROR;

    case NGX_SOCKETIO_SIO_EVENT:
    case NGX_SOCKETIO_SIO_BINARY_EVENT:
        return ngx_socketio_sio_parse_event(pkt, limits);

    case NGX_SOCKETIO_SIO_ACK:
    case NGX_SOCKETIO_SIO_BINARY_ACK:
        return ngx_socketio_sio_parse_ack(pkt);

    default: /* NGX_SOCKETIO_SIO_CONNECT_ERROR is for servers to send */
        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_socketio_sio_parse_event(ngx_socketio_sio_packet_t *pkt,
    ngx_socketio_sio_limits_t *limits)
{
    u_char     *p, *end, *last;
    ngx_str_t  *name;

    if (pkt->data.len == 0 || pkt->data.data[0] != '[') {
        return NGX_ERROR;
    }

    last = pkt->data.data + pkt->data.len - 1;
    p = ngx_socketio_json_space(pkt->data.data + 1, last);

    if (p == last
        || (*p != '"' && *p != '-' && !ngx_socketio_is_digit(*p)))
    {
        return NGX_ERROR;
    }

    end = ngx_socketio_json_skip(p, last);

    if (limits->revision >= 5) {
        for (name = ngx_socketio_sio_reserved_names; name->len; name++) {
            if (ngx_socketio_json_equal(p, end, name->data, name->len)) {
                return NGX_ERROR;
            }
        }
    }

    pkt->event.data = p;
    pkt->event.len = end - p;

    p = ngx_socketio_json_space(end, last);

    if (p < last) {
        p++;
    }

    ngx_socketio_sio_trim(&pkt->args, p, last);

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_sio_parse_ack(ngx_socketio_sio_packet_t *pkt)
{
    if (!pkt->has_id || pkt->data.len == 0 || pkt->data.data[0] != '[') {
        return NGX_ERROR;
    }

    ngx_socketio_sio_trim(&pkt->args, pkt->data.data + 1,
                          pkt->data.data + pkt->data.len - 1);

    return NGX_OK;
}


static void
ngx_socketio_sio_trim(ngx_str_t *s, u_char *p, u_char *last)
{
    p = ngx_socketio_json_space(p, last);

    while (last > p && (last[-1] == ' ' || last[-1] == '\t'
                        || last[-1] == '\r' || last[-1] == '\n'))
    {
        last--;
    }

    s->data = p;
    s->len = last - p;
}


ngx_int_t
ngx_socketio_sio_placeholders(u_char *p, u_char *last, ngx_uint_t n)
{
    u_char                      *token, *token_last;
    ngx_uint_t                   level;
    ngx_socketio_sio_objects_t   objects;

    ngx_memzero(&objects, sizeof(ngx_socketio_sio_objects_t));
    level = 0;

    /*
     * Strings, brackets and braces tell everything: a string before a colon
     * is a name, and its value is looked at from there.  Arrays count as
     * levels, so that the bits of the objects around them stay apart.
     */

    while (p < last) {

        switch (*p) {

        case '{':
        case '[':
            if (level == NGX_SOCKETIO_JSON_MAX_DEPTH) {
                return NGX_ERROR;
            }

            ngx_socketio_json_bit_put(objects.placeholder, level, 0);
            ngx_socketio_json_bit_put(objects.legal, level, 0);
            level++;
            p++;
            break;

        case '}':
        case ']':
            if (level == 0) {
                return NGX_ERROR;
            }

            level--;

            if (ngx_socketio_json_bit(objects.placeholder, level)
                && !ngx_socketio_json_bit(objects.legal, level))
            {
                return NGX_ERROR;
            }

            p++;
            break;

        case '"':
            token = p;
            token_last = ngx_socketio_json_skip(p, last);
            p = ngx_socketio_json_space(token_last, last);

            if (p < last && *p == ':' && level != 0) {
                p = ngx_socketio_json_space(p + 1, last);
                objects.level = level - 1;
                ngx_socketio_sio_member(&objects, token, token_last, p, last,
                                        n);
            }

            break;

        default:
            p++;
            break;
        }
    }

    return NGX_OK;
}


/* takes notice of a member of the innermost object; later ones override */

static void
ngx_socketio_sio_member(ngx_socketio_sio_objects_t *objects, u_char *name,
    u_char *name_last, u_char *value, u_char *last, ngx_uint_t n)
{
    ngx_uint_t  on;

    if (ngx_socketio_json_equal(name, name_last, (u_char *) "_placeholder",
                                sizeof("_placeholder") - 1))
    {
        /* no other value of valid JSON begins with a "t" */

        on = (value < last && *value == 't');
        ngx_socketio_json_bit_put(objects->placeholder, objects->level, on);
        return;
    }

    if (ngx_socketio_json_equal(name, name_last, (u_char *) "num",
                                sizeof("num") - 1))
    {
        on = ngx_socketio_sio_num(value, last, n);
        ngx_socketio_json_bit_put(objects->legal, objects->level, on);
    }
}


/* whether the value at p is an integer from 0 to n - 1 */

static ngx_uint_t
ngx_socketio_sio_num(u_char *p, u_char *last, ngx_uint_t n)
{
    uint64_t  num;

    if (p == last || !ngx_socketio_is_digit(*p)) {
        return 0;
    }

    for (num = 0; p < last && ngx_socketio_is_digit(*p); p++) {
        num = num * 10 + (*p - '0');

        if (num >= n) {
            return 0;
        }
    }

    return p == last || (*p != '.' && *p != 'e' && *p != 'E');
}


ngx_uint_t
ngx_socketio_sio_reserved(u_char *p, size_t len)
{
    ngx_str_t  *name;

    for (name = ngx_socketio_sio_reserved_names; name->len; name++) {
        if (name->len == len && ngx_memcmp(name->data, p, len) == 0) {
            return 1;
        }
    }

    return 0;
}


u_char *
ngx_socketio_sio_json(u_char *p, u_char *last)
{
    ngx_uint_t  type;

    if (p == last) {
        return last;
    }

    type = *p++ - '0';

    if (ngx_socketio_sio_is_binary(type)) {
        p = ngx_socketio_sio_digits(p, last);

        if (p < last && *p == '-') {
            p++;
        }
    }

    if (p < last && *p == '/') {
        p = memchr(p, ',', last - p);

        if (p == NULL) {
            return last;
        }

        p++;
    }

    return ngx_socketio_sio_digits(p, last);
}


static u_char *
ngx_socketio_sio_digits(u_char *p, u_char *last)
{
    while (p < last && ngx_socketio_is_digit(*p)) {
        p++;
    }

    return p;
}


size_t
ngx_socketio_sio_header(u_char *p, ngx_uint_t type, ngx_uint_t attachments,
    ngx_str_t *nsp, ngx_uint_t has_id, uint64_t id)
{
    size_t  n, len;

    if (p != NULL) {
        *p++ = (u_char) ('0' + type);
    }

    len = 1;

    if (ngx_socketio_sio_is_binary(type)) {
        n = ngx_socketio_json_uint(p, attachments);
        len += n + 1;

        if (p != NULL) {
            p += n;
            *p++ = '-';
        }
    }

    if (nsp != NULL && nsp->len != 0
        && (nsp->len != 1 || nsp->data[0] != '/'))
    {
        len += nsp->len + 1;

        if (p != NULL) {
            p = ngx_cpymem(p, nsp->data, nsp->len);
            *p++ = ',';
        }
    }

    if (has_id) {
        len += ngx_socketio_json_uint(p, id);
    }

    return len;
}
