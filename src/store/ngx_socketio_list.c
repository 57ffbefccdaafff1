
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_list.h"


#define NGX_SOCKETIO_NEXT  0
#define NGX_SOCKETIO_PREV  1


#define ngx_socketio_list_link(zone, ref, at)                                 \
    ((ngx_socketio_ref_t *) ((u_char *) ngx_socketio_rec(zone, ref) + (at)))


void
ngx_socketio_list_push_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t ref, size_t at)
{
    ngx_socketio_ref_t  *link;

    link = ngx_socketio_list_link(zone, ref, at);

    link[NGX_SOCKETIO_PREV] = 0;
    link[NGX_SOCKETIO_NEXT] = *head;

    if (*head) {
        ngx_socketio_list_link(zone, *head, at)[NGX_SOCKETIO_PREV] = ref;
    }

    *head = ref;
}


void
ngx_socketio_list_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t *tail,
    ngx_socketio_ref_t ref, size_t at)
{
    ngx_socketio_ref_t  *link;

    link = ngx_socketio_list_link(zone, ref, at);

    link[NGX_SOCKETIO_NEXT] = 0;
    link[NGX_SOCKETIO_PREV] = *tail;

    if (*tail) {
        ngx_socketio_list_link(zone, *tail, at)[NGX_SOCKETIO_NEXT] = ref;

    } else {
        *head = ref;
    }

    *tail = ref;
}


void
ngx_socketio_list_cut_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t *tail,
    ngx_socketio_ref_t ref, size_t at)
{
    ngx_socketio_ref_t  next, prev, *link;

    link = ngx_socketio_list_link(zone, ref, at);

    next = link[NGX_SOCKETIO_NEXT];
    prev = link[NGX_SOCKETIO_PREV];

    if (prev) {
        ngx_socketio_list_link(zone, prev, at)[NGX_SOCKETIO_NEXT] = next;

    } else {
        *head = next;
    }

    if (next) {
        ngx_socketio_list_link(zone, next, at)[NGX_SOCKETIO_PREV] = prev;

    } else if (tail) {
        *tail = prev;
    }
}
