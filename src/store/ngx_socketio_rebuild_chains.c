
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Chains of bytes: whose are whole, and chunks that are in none. */


#include "store/ngx_socketio_rebuild.h"
#include "store/ngx_socketio_bytes.h"


/* "used" of a chunk that its owner's chain has */

#define NGX_SOCKETIO_REACHED  2


static ngx_uint_t ngx_socketio_chunk_owned_locked(ngx_socketio_zone_t *zone,
    void *record);
static ngx_socketio_chunk_t *ngx_socketio_chunk_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref);


void
ngx_socketio_truths_chunks_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t           type;
    ngx_socketio_ref_t   ref;
    ngx_socketio_rec_t  *rec;

    for (type = NGX_SOCKETIO_BYTES; type < NGX_SOCKETIO_TYPES; type++) {

        ngx_socketio_rebuild_each(zone, type, ref) {
            rec = ngx_socketio_rec(zone, ref);

            if (rec->used == NGX_SOCKETIO_REACHED
                && ngx_socketio_chunk_owned_locked(zone, rec))
            {
                rec->used = 1;

            } else {
                ngx_socketio_rebuild_discard_locked(zone, rec);
            }
        }
    }
}


/* 0: its owner was found to be good, and then not */

static ngx_uint_t
ngx_socketio_chunk_owned_locked(ngx_socketio_zone_t *zone, void *record)
{
    ngx_socketio_chunk_t  *chunk;

    chunk = record;

    return ((ngx_socketio_rec_t *) ngx_socketio_rec(zone, chunk->owner))->used;
}


ngx_int_t
ngx_socketio_chain_of_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_ref_t owner, size_t len)
{
    size_t              n;
    ngx_socketio_ref_t  last;

    if (ngx_socketio_chain_locked(zone, ref, owner, &n, &last) != NGX_OK) {
        return NGX_ERROR;
    }

    if (n != len) {
        ngx_socketio_chain_leave_locked(zone, ref, (ngx_uint_t) -1);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * Whether all of a chain is its owner's, in order; those of attachments, each
 * of which begins at 0, follow one another.  Chains are never changed while
 * they are read, which takes no lock, so neither are they here.
 */

ngx_int_t
ngx_socketio_chain_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t head,
    ngx_socketio_ref_t owner, size_t *len, ngx_socketio_ref_t *last)
{
    size_t                 pos;
    ngx_uint_t             n;
    ngx_socketio_ref_t     ref;
    ngx_socketio_chunk_t  *chunk;

    *len = 0;
    *last = 0;
    pos = 0;
    n = 0;

    for (ref = head; ref; ref = chunk->next) {
        chunk = ngx_socketio_chunk_locked(zone, ref);

        if (chunk == NULL
            || chunk->owner != owner
            || (chunk->pos != pos && chunk->pos != 0))
        {
            break;
        }

        pos = chunk->pos + chunk->len;
        *len += chunk->len;
        *last = ref;
        n++;

        chunk->used = NGX_SOCKETIO_REACHED;
    }

    if (ref == 0) {
        return NGX_OK;
    }

    ngx_socketio_chain_leave_locked(zone, head, n);

    return NGX_ERROR;
}


/* n at the most: they are freed with all others that nobody has */

void
ngx_socketio_chain_leave_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t n)
{
    ngx_socketio_chunk_t  *chunk;

    for ( /* void */ ; ref && n--; ref = chunk->next) {
        chunk = ngx_socketio_rec(zone, ref);
        chunk->used = 1;
    }
}


/* NULL: there is none, or another chain has it */

static ngx_socketio_chunk_t *
ngx_socketio_chunk_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref)
{
    uint32_t               page;
    ngx_uint_t             type;
    ngx_socketio_chunk_t  *chunk;

    page = ref >> 8;

    if (page == 0 || page > zone->sh->npages) {
        return NULL;
    }

    type = zone->table[page - 1].type;

    if (type < NGX_SOCKETIO_BYTES) {
        return NULL;
    }

    chunk = ngx_socketio_used_locked(zone, type, ref);

    return (chunk
            && chunk->used == 1
            && chunk->len
            && chunk->len <= ngx_socketio_record_sizes[type]
                             - sizeof(ngx_socketio_chunk_t))
           ? chunk : NULL;
}
