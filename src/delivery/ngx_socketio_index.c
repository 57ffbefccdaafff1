
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "delivery/ngx_socketio_index.h"


static ngx_int_t ngx_socketio_index_grow(ngx_socketio_index_t *index);
static ngx_socketio_desk_t *ngx_socketio_desk_add(ngx_socketio_index_t *index,
    ngx_socketio_ref_t room, uint32_t gen);
static void ngx_socketio_desk_remove(ngx_socketio_index_t *index,
    ngx_socketio_desk_t *desk);


/* seats come and go in great numbers, and are kept for the next ones */

static ngx_socketio_seat_t  *ngx_socketio_free_seats;


/* no local sits anywhere any more */

void
ngx_socketio_index_destroy(ngx_socketio_index_t *index)
{
    ngx_socketio_seat_t  *seat;

    if (index->buckets) {
        ngx_free(index->buckets);
    }

    while (ngx_socketio_free_seats) {
        seat = ngx_socketio_free_seats;
        ngx_socketio_free_seats = seat->next;
        ngx_free(seat);
    }
}


ngx_socketio_desk_t *
ngx_socketio_desk(ngx_socketio_index_t *index, ngx_socketio_ref_t room,
    uint32_t gen)
{
    ngx_socketio_desk_t  *desk;

    if (index->nbuckets == 0) {
        return NULL;
    }

    desk = index->buckets[room * 0x9e3779b1 & (index->nbuckets - 1)];

    while (desk && (desk->room != room || desk->gen != gen)) {
        desk = desk->next;
    }

    return desk;
}


static ngx_socketio_desk_t *
ngx_socketio_desk_add(ngx_socketio_index_t *index, ngx_socketio_ref_t room,
    uint32_t gen)
{
    ngx_socketio_desk_t  *desk, **bucket;

    if (index->ndesks >= index->nbuckets
        && ngx_socketio_index_grow(index) != NGX_OK)
    {
        return NULL;
    }

    desk = ngx_alloc(sizeof(ngx_socketio_desk_t), ngx_cycle->log);
    if (desk == NULL) {
        return NULL;
    }

    bucket = &index->buckets[room * 0x9e3779b1 & (index->nbuckets - 1)];

    desk->room = room;
    desk->gen = gen;
    desk->next = *bucket;
    *bucket = desk;
    index->ndesks++;

    ngx_queue_init(&desk->seats);

    return desk;
}


static ngx_int_t
ngx_socketio_index_grow(ngx_socketio_index_t *index)
{
    ngx_uint_t            i, n;
    ngx_socketio_desk_t  *desk, *next, **buckets, **bucket;

    n = index->nbuckets ? index->nbuckets * 2 : 64;

    buckets = ngx_calloc(n * sizeof(ngx_socketio_desk_t *), ngx_cycle->log);
    if (buckets == NULL) {
        return index->nbuckets ? NGX_OK : NGX_ERROR;
    }

    for (i = 0; i < index->nbuckets; i++) {
        for (desk = index->buckets[i]; desk; desk = next) {
            next = desk->next;
            bucket = &buckets[desk->room * 0x9e3779b1 & (n - 1)];
            desk->next = *bucket;
            *bucket = desk;
        }
    }

    if (index->buckets) {
        ngx_free(index->buckets);
    }

    index->buckets = buckets;
    index->nbuckets = n;

    return NGX_OK;
}


static void
ngx_socketio_desk_remove(ngx_socketio_index_t *index,
    ngx_socketio_desk_t *desk)
{
    ngx_socketio_desk_t  **p;

    p = &index->buckets[desk->room * 0x9e3779b1 & (index->nbuckets - 1)];

    while (*p != desk) {
        p = &(*p)->next;
    }

    *p = desk->next;
    index->ndesks--;
    ngx_free(desk);
}


ngx_int_t
ngx_socketio_seat(ngx_socketio_index_t *index, ngx_socketio_local_t *local,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t room, uint32_t gen)
{
    ngx_socketio_desk_t  *desk;
    ngx_socketio_seat_t  *seat;

    desk = ngx_socketio_desk(index, room, gen);

    if (desk) {
        for (seat = local->seats; seat; seat = seat->next) {
            if (seat->desk == desk && seat->socket == socket) {
                return NGX_OK;
            }
        }

    } else {
        desk = ngx_socketio_desk_add(index, room, gen);
        if (desk == NULL) {
            return NGX_ERROR;
        }
    }

    seat = ngx_socketio_free_seats;

    if (seat) {
        ngx_socketio_free_seats = seat->next;

    } else {
        seat = ngx_alloc(sizeof(ngx_socketio_seat_t), ngx_cycle->log);
        if (seat == NULL) {
            if (ngx_queue_empty(&desk->seats)) {
                ngx_socketio_desk_remove(index, desk);
            }

            return NGX_ERROR;
        }
    }

    seat->local = local;
    seat->desk = desk;
    seat->socket = socket;
    seat->next = local->seats;
    local->seats = seat;

    ngx_queue_insert_tail(&desk->seats, &seat->queue);

    return NGX_OK;
}


void
ngx_socketio_unseat(ngx_socketio_index_t *index, ngx_socketio_local_t *local,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t room)
{
    ngx_socketio_desk_t  *desk;
    ngx_socketio_seat_t  *seat, **p;

    p = &local->seats;

    while (*p) {
        seat = *p;
        desk = seat->desk;

        if ((socket && seat->socket != socket) || (room && desk->room != room))
        {
            p = &seat->next;
            continue;
        }

        *p = seat->next;
        ngx_queue_remove(&seat->queue);

        seat->next = ngx_socketio_free_seats;
        ngx_socketio_free_seats = seat;

        if (ngx_queue_empty(&desk->seats)) {
            ngx_socketio_desk_remove(index, desk);
        }
    }
}
