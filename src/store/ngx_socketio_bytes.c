
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_records.h"
#include "store/ngx_socketio_bytes.h"


static ngx_uint_t ngx_socketio_bytes_type(size_t len);


/*
 * The smallest chunk that holds the rest if it is small or nearly fills one,
 * else the largest that it fills: at most five chunks behind the last page.
 */

static ngx_uint_t
ngx_socketio_bytes_type(size_t len)
{
    size_t      size;
    ngx_uint_t  i;

    for (i = 0; i < 6; i++) {
        size = ((size_t) 64 << i) - sizeof(ngx_socketio_chunk_t);

        if (len <= size) {
            /* more than half of a big chunk would be left empty? */
            return NGX_SOCKETIO_BYTES
                   + ((i > 3 && len < size / 4 * 3) ? i - 1 : i);
        }
    }

    size = NGX_SOCKETIO_PAGE - sizeof(ngx_socketio_chunk_t);

    return NGX_SOCKETIO_BYTES + (len < size / 4 * 3 ? 5 : 6);
}


ngx_socketio_ref_t
ngx_socketio_bytes_alloc_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t owner, size_t len, ngx_socketio_ref_t *tail)
{
    size_t                 size, pos;
    ngx_uint_t             type;
    ngx_socketio_ref_t     head, last, ref;
    ngx_socketio_chunk_t  *chunk, *prev;

    head = 0;
    last = 0;
    prev = NULL;

    for (pos = 0; pos < len; pos += size) {

        type = ngx_socketio_bytes_type(len - pos);
        ref = ngx_socketio_alloc_locked(zone, type);

        if (ref == 0) {
            if (head) {
                ngx_socketio_bytes_free_locked(zone, head);
            }

            return 0;
        }

        size = ngx_min(len - pos, ngx_socketio_record_sizes[type]
                                  - sizeof(ngx_socketio_chunk_t));

        chunk = ngx_socketio_rec(zone, ref);
        chunk->len = (uint16_t) size;
        chunk->owner = owner;
        chunk->next = 0;
        chunk->pos = (uint32_t) pos;
        chunk->unused = 0;
        ngx_socketio_used(chunk);

        if (prev) {
            prev->next = ref;

        } else {
            head = ref;
        }

        prev = chunk;
        last = ref;
    }

    if (tail) {
        *tail = last;
    }

    return head;
}


void
ngx_socketio_bytes_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t bytes)
{
    ngx_socketio_ref_t     next;
    ngx_socketio_chunk_t  *chunk;

    for ( /* void */ ; bytes; bytes = next) {
        chunk = ngx_socketio_rec(zone, bytes);
        next = chunk->next;
        ngx_socketio_free_locked(zone, bytes);
    }
}


u_char *
ngx_socketio_bytes_span(ngx_socketio_zone_t *zone, ngx_socketio_ref_t chunk,
    size_t *len, ngx_socketio_ref_t *next)
{
    size_t                 size;
    uint32_t               page;
    ngx_uint_t             type;
    ngx_socketio_chunk_t  *c;

    *len = 0;
    *next = 0;

    page = chunk >> 8;

    if (page == 0 || page > zone->sh->npages) {
        return NULL;
    }

    type = zone->table[page - 1].type;

    if (type < NGX_SOCKETIO_BYTES || type >= NGX_SOCKETIO_TYPES) {
        return NULL;
    }

    size = ngx_socketio_record_sizes[type];

    if ((chunk & 0xff) >= NGX_SOCKETIO_PAGE / size) {
        return NULL;
    }

    c = ngx_socketio_rec(zone, chunk);

    *len = ngx_min(c->len, size - sizeof(ngx_socketio_chunk_t));
    *next = c->next;

    return (u_char *) c + sizeof(ngx_socketio_chunk_t);
}


ngx_socketio_ref_t
ngx_socketio_bytes_own_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t bytes, ngx_socketio_ref_t owner)
{
    ngx_socketio_ref_t     last;
    ngx_socketio_chunk_t  *chunk;

    for (last = 0; bytes; bytes = chunk->next) {
        chunk = ngx_socketio_rec(zone, bytes);
        chunk->owner = owner;
        last = bytes;
    }

    return last;
}


void
ngx_socketio_bytes_write(ngx_socketio_zone_t *zone, ngx_socketio_ref_t bytes,
    ngx_str_t *parts, ngx_uint_t n)
{
    u_char              *dst, *src;
    size_t               room, left, size;
    ngx_uint_t           i;
    ngx_socketio_ref_t   next;

    dst = NULL;
    room = 0;
    next = bytes;

    for (i = 0; i < n; i++) {
        src = parts[i].data;

        for (left = parts[i].len; left; left -= size) {

            if (room == 0) {
                dst = ngx_socketio_bytes_span(zone, next, &room, &next);
                if (room == 0) {
                    return;
                }
            }

            size = ngx_min(room, left);
            dst = ngx_cpymem(dst, src, size);
            src += size;
            room -= size;
        }
    }
}


size_t
ngx_socketio_bytes_read(ngx_socketio_zone_t *zone, ngx_socketio_ref_t bytes,
    u_char *p, size_t len)
{
    u_char              *src;
    size_t               size, left;
    ngx_socketio_ref_t   next;

    left = len;

    for ( /* void */ ; left && bytes; bytes = next) {
        src = ngx_socketio_bytes_span(zone, bytes, &size, &next);

        if (size == 0) {
            break;
        }

        size = ngx_min(size, left);
        p = ngx_cpymem(p, src, size);
        left -= size;
    }

    return len - left;
}


ngx_int_t
ngx_socketio_bytes_equal(ngx_socketio_zone_t *zone, ngx_socketio_ref_t bytes,
    u_char *p, size_t len)
{
    u_char              *src;
    size_t               size;
    ngx_socketio_ref_t   next;

    for ( /* void */ ; len && bytes; bytes = next) {
        src = ngx_socketio_bytes_span(zone, bytes, &size, &next);

        if (size == 0 || size > len || ngx_memcmp(src, p, size) != 0) {
            return 0;
        }

        p += size;
        len -= size;
    }

    return len == 0 && bytes == 0;
}
