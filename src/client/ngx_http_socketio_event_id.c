
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "client/ngx_http_socketio_command.h"
#include "proto/ngx_socketio_sio.h"


static u_char *ngx_http_socketio_event_id_hex(u_char *p, u_char *last,
    uint64_t max, uint64_t *value);
static u_char *ngx_http_socketio_event_id_field(u_char *p, u_char *last,
    uint32_t *value);


u_char *
ngx_http_socketio_event_id(u_char *p, ngx_socketio_zone_t *zone,
    ngx_http_socketio_event_id_t *id)
{
    p = ngx_sprintf(p, "%xD-%xD-%xD-%xD", zone->sh->boot, id->socket.ref,
                    id->socket.gen, id->seq);

    return id->ack ? ngx_sprintf(p, "-%xL", id->ack) : p;
}


ngx_int_t
ngx_http_socketio_event_id_parse(ngx_socketio_zone_t *zone, u_char *p,
    size_t len, ngx_http_socketio_event_id_t *id)
{
    u_char    *last;
    uint32_t   boot;

    if (len > NGX_HTTP_SOCKETIO_EVENT_ID_MAX) {
        return NGX_ERROR;
    }

    last = p + len;

    p = ngx_http_socketio_event_id_field(p, last, &boot);
    p = ngx_http_socketio_event_id_field(p, last, &id->socket.ref);
    p = ngx_http_socketio_event_id_field(p, last, &id->socket.gen);

    if (p == NULL || boot != zone->sh->boot || id->socket.ref == 0) {
        return NGX_ERROR;
    }

    p = ngx_http_socketio_event_id_field(p, last, &id->seq);

    id->ack = 0;

    if (p == NULL || p == last) {
        /* a dash behind which nothing comes is eaten by ..._field() */
        return (p == NULL || p[-1] == '-') ? NGX_ERROR : NGX_OK;
    }

    p = ngx_http_socketio_event_id_hex(p, last, NGX_SOCKETIO_SIO_MAX_ID + 1,
                                       &id->ack);

    return (p == last && id->ack != 0) ? NGX_OK : NGX_ERROR;
}


/* a number and the dash behind it, if there is one; NULL: bad, or was so */

static u_char *
ngx_http_socketio_event_id_field(u_char *p, u_char *last, uint32_t *value)
{
    uint64_t  n;

    if (p == NULL) {
        return NULL;
    }

    p = ngx_http_socketio_event_id_hex(p, last, 0xffffffff, &n);

    if (p == NULL) {
        return NULL;
    }

    *value = (uint32_t) n;

    if (p == last) {
        return p;
    }

    return (*p == '-') ? p + 1 : NULL;
}


static u_char *
ngx_http_socketio_event_id_hex(u_char *p, u_char *last, uint64_t max,
    uint64_t *value)
{
    u_char    *start;
    uint64_t   n, digit;

    start = p;
    n = 0;

    for ( /* void */ ; p < last; p++) {

        if (*p >= '0' && *p <= '9') {
            digit = *p - '0';

        } else if (*p >= 'a' && *p <= 'f') {
            digit = *p - 'a' + 10;

        } else {
            break;
        }

        /* max has spare bits above: n cannot wrap before it is noticed */

        n = n * 16 + digit;

        if (n > max) {
            return NULL;
        }
    }

    if (p == start || (*start == '0' && p - start > 1)) {
        return NULL;
    }

    *value = n;

    return p;
}
