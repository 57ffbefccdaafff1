
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Pages of records: given, taken back, found, walked. */


#include "store/ngx_socketio_records.h"


static ngx_int_t ngx_socketio_page_alloc_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t type);
static void ngx_socketio_page_unlink_locked(ngx_socketio_zone_t *zone,
    uint32_t page);


ngx_socketio_ref_t
ngx_socketio_alloc_locked(ngx_socketio_zone_t *zone, ngx_uint_t type)
{
    uint32_t             page;
    ngx_uint_t           i;
    ngx_socketio_rec_t  *rec;
    ngx_socketio_ref_t   ref;
    ngx_socketio_page_t *pg;

    if (zone->sh->partial[type] == 0
        && ngx_socketio_page_alloc_locked(zone, type) != NGX_OK)
    {
        return 0;
    }

    page = zone->sh->partial[type];
    pg = &zone->table[page - 1];
    i = pg->free;
    ref = page << 8 | (uint32_t) i;
    rec = ngx_socketio_rec(zone, ref);

    pg->free = rec->link;
    pg->used++;
    zone->sh->nfree[type]--;

    if (pg->free == NGX_SOCKETIO_LAST) {
        ngx_socketio_page_unlink_locked(zone, page);
    }

    if (type < NGX_SOCKETIO_BYTES) {
        ngx_memzero(rec, ngx_socketio_record_sizes[type]);

        if (++zone->sh->stamp == 0) {
            zone->sh->stamp = 1;
        }

        rec->gen = zone->sh->stamp;
    }

    return ref;
}


void
ngx_socketio_free_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref)
{
    uint32_t                 page;
    ngx_uint_t               type;
    ngx_socketio_rec_t      *rec;
    ngx_socketio_page_t     *pg;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;
    page = ref >> 8;
    pg = &zone->table[page - 1];
    type = pg->type;
    rec = ngx_socketio_rec(zone, ref);

    ((volatile ngx_socketio_rec_t *) rec)->used = 0;
    ngx_memory_barrier();

    rec->link = pg->free;
    pg->free = ref & 0xff;
    pg->used--;
    sh->nfree[type]++;

    if (pg->used) {
        if (!pg->linked) {
            ngx_socketio_page_link_locked(zone, page);
        }

        return;
    }

    if (pg->linked) {
        ngx_socketio_page_unlink_locked(zone, page);
    }

    sh->nfree[type] -= NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[type];
    pg->type = NGX_SOCKETIO_FREE;
    pg->next = sh->free_page;
    sh->free_page = page;
    sh->free_pages++;
    sh->now.pages[type]--;
}


ngx_uint_t
ngx_socketio_room_for_locked(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_uint_t n)
{
    return zone->sh->nfree[type]
           + (ngx_uint_t) zone->sh->free_pages
             * (NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[type]) >= n;
}


static ngx_int_t
ngx_socketio_page_alloc_locked(ngx_socketio_zone_t *zone, ngx_uint_t type)
{
    u_char                  *p;
    uint32_t                 page;
    ngx_uint_t               i, n, size;
    ngx_socketio_rec_t      *rec;
    ngx_socketio_page_t     *pg;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;
    page = sh->free_page;

    if (page == 0) {
        return NGX_ERROR;
    }

    pg = &zone->table[page - 1];
    sh->free_page = pg->next;
    sh->free_pages--;
    sh->now.pages[type]++;

    size = ngx_socketio_record_sizes[type];
    n = NGX_SOCKETIO_PAGE / size;
    p = zone->pages + (size_t) (page - 1) * NGX_SOCKETIO_PAGE;

    for (i = 0; i < n; i++) {
        rec = (ngx_socketio_rec_t *) (p + i * size);
        rec->used = 0;
        rec->link = (i + 1 < n) ? i + 1 : NGX_SOCKETIO_LAST;
    }

    pg->free = 0;
    pg->used = 0;
    sh->nfree[type] += n;

    ngx_memory_barrier();
    pg->type = type;

    ngx_socketio_page_link_locked(zone, page);

    return NGX_OK;
}


void
ngx_socketio_page_link_locked(ngx_socketio_zone_t *zone, uint32_t page)
{
    uint32_t             *head;
    ngx_socketio_page_t  *pg;

    pg = &zone->table[page - 1];
    head = &zone->sh->partial[pg->type];

    pg->linked = 1;
    pg->prev = 0;
    pg->next = *head;

    if (*head) {
        zone->table[*head - 1].prev = page;
    }

    *head = page;
}


static void
ngx_socketio_page_unlink_locked(ngx_socketio_zone_t *zone, uint32_t page)
{
    ngx_socketio_page_t  *pg;

    pg = &zone->table[page - 1];

    if (pg->prev) {
        zone->table[pg->prev - 1].next = pg->next;

    } else {
        zone->sh->partial[pg->type] = pg->next;
    }

    if (pg->next) {
        zone->table[pg->next - 1].prev = pg->prev;
    }

    pg->linked = 0;
}


void *
ngx_socketio_used_locked(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_socketio_ref_t ref)
{
    uint32_t             page;
    ngx_socketio_rec_t  *rec;

    page = ref >> 8;

    if (page == 0
        || page > zone->sh->npages
        || zone->table[page - 1].type != type
        || (ref & 0xff)
           >= NGX_SOCKETIO_PAGE / (ngx_uint_t) ngx_socketio_record_sizes[type])
    {
        return NULL;
    }

    rec = ngx_socketio_rec(zone, ref);

    return rec->used ? rec : NULL;
}


void *
ngx_socketio_find_locked(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_socketio_ref_t ref, uint32_t gen)
{
    ngx_socketio_rec_t  *rec;

    rec = ngx_socketio_used_locked(zone, type, ref);

    return (rec && rec->gen == gen) ? rec : NULL;
}


ngx_socketio_ref_t
ngx_socketio_walk_locked(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_socketio_ref_t after, ngx_uint_t *pages)
{
    uint32_t             page;
    ngx_uint_t           i, n;
    ngx_socketio_rec_t  *rec;
    ngx_socketio_ref_t   ref;

    n = NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[type];
    page = after ? after >> 8 : 1;
    i = after ? (after & 0xff) + 1 : 0;

    for ( /* void */ ; page <= zone->sh->npages; page++, i = 0) {

        if (zone->table[page - 1].type != type) {
            continue;
        }

        for ( /* void */ ; i < n; i++) {
            ref = page << 8 | (uint32_t) i;
            rec = ngx_socketio_rec(zone, ref);

            if (rec->used) {
                return ref;
            }
        }

        if (*pages && --*pages == 0) {
            return page << 8 | (uint32_t) (n - 1);
        }
    }

    return 0;
}
