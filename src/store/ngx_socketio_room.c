
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_room.h"
#include "store/ngx_socketio_bytes.h"
#include "store/ngx_socketio_list.h"


uint64_t  ngx_socketio_name_seed = 0xcbf29ce484222325;


static ngx_socketio_ref_t *ngx_socketio_room_bucket_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_ref_t parent, uint32_t hash);


void
ngx_socketio_name_set(ngx_socketio_name_t *name, ngx_str_t *text)
{
    size_t    i;
    uint64_t  hash;

    hash = ngx_socketio_name_seed;

    for (i = 0; i < text->len; i++) {
        hash = (hash ^ text->data[i]) * 0x100000001b3;
    }

    hash ^= hash >> 29;

    name->name = *text;
    name->hash = (uint32_t) (hash ^ hash >> 32);
}


static ngx_socketio_ref_t *
ngx_socketio_room_bucket_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t parent, uint32_t hash)
{
    hash ^= parent * 0x9e3779b1;

    return &zone->rooms[hash & (zone->sh->nbuckets - 1)];
}


ngx_socketio_ref_t
ngx_socketio_room_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t parent, ngx_socketio_name_t *name)
{
    ngx_socketio_ref_t    ref;
    ngx_socketio_room_t  *room;

    ref = *ngx_socketio_room_bucket_locked(zone, parent, name->hash);

    for ( /* void */ ; ref; ref = room->hash_next) {
        room = ngx_socketio_rec(zone, ref);

        if (room->hash == name->hash
            && room->parent == parent
            && room->name_len == name->name.len
            && ngx_socketio_bytes_equal(zone, room->name, name->name.data,
                                        name->name.len))
        {
            return ref;
        }
    }

    return 0;
}


ngx_socketio_ref_t
ngx_socketio_room_make_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t parent, ngx_socketio_name_t *name)
{
    ngx_socketio_ref_t    ref;
    ngx_socketio_room_t  *room;

    ref = ngx_socketio_room_find_locked(zone, parent, name);
    if (ref) {
        return ref;
    }

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_ROOM);
    if (ref == 0) {
        return 0;
    }

    room = ngx_socketio_rec(zone, ref);

    if (name->name.len) {
        room->name = ngx_socketio_bytes_alloc_locked(zone, ref,
                                                     name->name.len, NULL);
        if (room->name == 0) {
            ngx_socketio_free_locked(zone, ref);
            return 0;
        }

        ngx_socketio_bytes_write(zone, room->name, &name->name, 1);
    }

    room->name_len = (uint32_t) name->name.len;
    room->hash = name->hash;
    room->parent = parent;

    ngx_socketio_room_link_locked(zone, ref);

    ngx_socketio_used(room);

    if (parent) {
        ngx_socketio_room_ref_locked(zone, parent);
        zone->sh->stats.rooms++;

    } else {
        zone->sh->now.namespaces++;
    }

    return ref;
}


void
ngx_socketio_room_link_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t   *bucket;
    ngx_socketio_room_t  *room;

    room = ngx_socketio_rec(zone, ref);
    bucket = ngx_socketio_room_bucket_locked(zone, room->parent, room->hash);

    room->hash_next = *bucket;
    *bucket = ref;
}


void
ngx_socketio_room_ref_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ((ngx_socketio_room_t *) ngx_socketio_rec(zone, ref))->refs++;
}


void
ngx_socketio_room_unref_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ((ngx_socketio_room_t *) ngx_socketio_rec(zone, ref))->refs--;

    ngx_socketio_room_drop_locked(zone, ref);
}


void
ngx_socketio_room_drop_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t    parent, *p;
    ngx_socketio_room_t  *room;

    room = ngx_socketio_rec(zone, ref);

    if (room->refs) {
        return;
    }

    parent = room->parent;
    p = ngx_socketio_room_bucket_locked(zone, parent, room->hash);

    while (*p != ref) {
        p = &((ngx_socketio_room_t *) ngx_socketio_rec(zone, *p))->hash_next;
    }

    *p = room->hash_next;

    ngx_socketio_unused(room);
    ngx_socketio_bytes_free_locked(zone, room->name);
    ngx_socketio_free_locked(zone, ref);

    if (parent) {
        zone->sh->stats.rooms--;
        ngx_socketio_room_unref_locked(zone, parent);

    } else {
        zone->sh->now.namespaces--;
    }
}


ngx_socketio_ref_t
ngx_socketio_member_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket, ngx_socketio_ref_t room)
{
    ngx_socketio_ref_t      ref;
    ngx_socketio_member_t  *member;

    for (ref = socket->members; ref; ref = member->socket_next) {
        member = ngx_socketio_rec(zone, ref);

        if (member->room == room) {
            return ref;
        }
    }

    return 0;
}


ngx_socketio_ref_t
ngx_socketio_member_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket_ref, ngx_socketio_ref_t room, ngx_uint_t list)
{
    ngx_socketio_ref_t      ref;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_MEMBER);
    if (ref == 0) {
        return 0;
    }

    member = ngx_socketio_rec(zone, ref);
    socket = ngx_socketio_rec(zone, socket_ref);

    member->socket = socket_ref;
    member->room = room;
    member->socket_next = socket->members;
    socket->members = ref;
    socket->nrooms++;

    ngx_socketio_member_show_locked(zone, ref, list);
    ngx_socketio_room_ref_locked(zone, room);
    ngx_socketio_used(member);

    return ref;
}


void
ngx_socketio_member_show_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t list)
{
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;

    member = ngx_socketio_rec(zone, ref);
    room = ngx_socketio_rec(zone, member->room);

    member->rec.kind = (uint8_t) list;

    ngx_socketio_list_push_locked(zone, &room->list[list], ref,
                                  offsetof(ngx_socketio_member_t, next));
    room->n[list]++;
}


void
ngx_socketio_member_hide_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_uint_t              list;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;

    member = ngx_socketio_rec(zone, ref);
    list = member->rec.kind;

    if (list == NGX_SOCKETIO_HIDDEN) {
        return;
    }

    room = ngx_socketio_rec(zone, member->room);

    ngx_socketio_list_cut_locked(zone, &room->list[list], NULL, ref,
                                 offsetof(ngx_socketio_member_t, next));
    room->n[list]--;
    member->rec.kind = NGX_SOCKETIO_HIDDEN;
    member->next = 0;
    member->prev = 0;
}


void
ngx_socketio_member_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t      room, *p;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;

    member = ngx_socketio_rec(zone, ref);
    socket = ngx_socketio_rec(zone, member->socket);

    ngx_socketio_member_hide_locked(zone, ref);

    p = &socket->members;

    while (*p != ref) {
        p = &((ngx_socketio_member_t *) ngx_socketio_rec(zone, *p))
                ->socket_next;
    }

    *p = member->socket_next;
    socket->nrooms--;
    room = member->room;

    ngx_socketio_free_locked(zone, ref);
    ngx_socketio_room_unref_locked(zone, room);
}


void
ngx_socketio_member_move_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_member_t  *member;

    member = ngx_socketio_rec(zone, ref);

    if (member->rec.kind == 0) {
        ngx_socketio_member_hide_locked(zone, ref);
        ngx_socketio_member_show_locked(zone, ref, 1);
    }
}
