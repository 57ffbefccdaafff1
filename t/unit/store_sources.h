
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * All of src/store in one unit.  Free records are poisoned for the address
 * sanitizer, but for the header that free lists need, so that who looks at
 * one is caught at once; who allocates or frees must hold the lock.
 */


#ifndef _STORE_SOURCES_H_INCLUDED_
#define _STORE_SOURCES_H_INCLUDED_


#include "ngx_stub.h"

#include <sanitizer/asan_interface.h>

#include "proto/ngx_socketio_base64.c"
#include "proto/ngx_socketio_eio_session.c"
#include "proto/ngx_socketio_utf8.c"
#include "proto/ngx_socketio_json.c"
#include "proto/ngx_socketio_json_string.c"
#include "proto/ngx_socketio_sio.c"
#include "proto/ngx_socketio_ws_frame.c"
#include "store/ngx_socketio_zone.c"
#include "store/ngx_socketio_page.c"


static void
store_poison(u_char *p, size_t size)
{
    ASAN_POISON_MEMORY_REGION(p + sizeof(ngx_socketio_rec_t),
                              size - sizeof(ngx_socketio_rec_t));
}


static void
store_poison_all(ngx_socketio_zone_t *zone)
{
    ASAN_POISON_MEMORY_REGION(zone->pages, (size_t) zone->sh->npages
                                           * NGX_SOCKETIO_PAGE);
}


static void
store_unpoison_all(ngx_socketio_zone_t *zone)
{
    ASAN_UNPOISON_MEMORY_REGION(zone->pages, (size_t) zone->sh->npages
                                             * NGX_SOCKETIO_PAGE);
}


static ngx_socketio_ref_t
store_alloc_locked(ngx_socketio_zone_t *zone, ngx_uint_t type)
{
    u_char              *p;
    size_t               size;
    uint32_t             page;
    ngx_uint_t           i, n;
    ngx_socketio_ref_t   ref;

    assert(stub_held);

    size = ngx_socketio_record_sizes[type];
    n = NGX_SOCKETIO_PAGE / size;
    p = NULL;
    page = zone->sh->partial[type];

    if (page) {
        ref = page << 8 | zone->table[page - 1].free;
        ASAN_UNPOISON_MEMORY_REGION(ngx_socketio_rec(zone, ref), size);

        return ngx_socketio_alloc_locked(zone, type);
    }

    page = zone->sh->free_page;

    if (page) {
        p = zone->pages + (size_t) (page - 1) * NGX_SOCKETIO_PAGE;
        ASAN_UNPOISON_MEMORY_REGION(p, NGX_SOCKETIO_PAGE);
    }

    ref = ngx_socketio_alloc_locked(zone, type);

    if (ref) {
        assert(ref >> 8 == page);

        for (i = 0; i < n; i++) {
            if (i != (ref & 0xff)) {
                store_poison(p + i * size, size);
            }
        }
    }

    return ref;
}


static void
store_free_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref)
{
    u_char      *p;
    size_t       size;
    ngx_uint_t   type;

    assert(stub_held);

    type = ngx_socketio_type(zone, ref);
    assert(type != NGX_SOCKETIO_FREE);

    size = ngx_socketio_record_sizes[type];
    p = ngx_socketio_rec(zone, ref);

    ngx_socketio_free_locked(zone, ref);

    if (ngx_socketio_type(zone, ref) == NGX_SOCKETIO_FREE) {
        p = zone->pages + (size_t) ((ref >> 8) - 1) * NGX_SOCKETIO_PAGE;
        ASAN_POISON_MEMORY_REGION(p, NGX_SOCKETIO_PAGE);

    } else {
        store_poison(p, size);
    }
}


/* whose hold it is */

static ngx_socketio_zone_t  *store_locker;


static void
store_zone_lock(ngx_socketio_zone_t *zone)
{
    store_locker = zone;
    ngx_socketio_zone_lock(zone);
}


#define ngx_socketio_zone_lock     store_zone_lock
#define ngx_socketio_alloc_locked  store_alloc_locked
#define ngx_socketio_free_locked   store_free_locked

#include "store/ngx_socketio_slot.h"

/* so that mailboxes are overrun, too */

#undef NGX_SOCKETIO_MAILBOX_MAX
#define NGX_SOCKETIO_MAILBOX_MAX   store_mailbox_max

static ngx_uint_t  store_mailbox_max = 48;

#include "store/ngx_socketio_fetch.h"

/* so that a few sockets need several holds */

#undef NGX_SOCKETIO_SCAN_HOLD
#undef NGX_SOCKETIO_SCAN_LOOK
#define NGX_SOCKETIO_SCAN_HOLD     store_scan_hold
#define NGX_SOCKETIO_SCAN_LOOK     store_scan_look

static ngx_uint_t  store_scan_hold = 256;
static ngx_uint_t  store_scan_look = 1024;

/* and the asks of the dead are buried in steps */

#include "store/ngx_socketio_ack.h"

#undef NGX_SOCKETIO_ACK_HOLD
#define NGX_SOCKETIO_ACK_HOLD      store_ack_hold

static ngx_uint_t  store_ack_hold = 1;

#include "store/ngx_socketio_bytes.c"
#include "store/ngx_socketio_list.c"
#include "store/ngx_socketio_message.c"
#include "store/ngx_socketio_room.c"
#include "store/ngx_socketio_socket.c"
#include "store/ngx_socketio_budget.c"
#include "store/ngx_socketio_session.c"
#include "store/ngx_socketio_slot.c"
#include "store/ngx_socketio_bury.c"
#include "store/ngx_socketio_wheel.c"
#include "store/ngx_socketio_exchange.c"
#include "store/ngx_socketio_upgrade.c"
#include "store/ngx_socketio_incoming.c"
#include "store/ngx_socketio_inbox.c"
#include "store/ngx_socketio_emit.c"
#include "store/ngx_socketio_ack.c"
#include "store/ngx_socketio_ask.c"
#include "store/ngx_socketio_word.c"
#include "store/ngx_socketio_scan.c"
#include "store/ngx_socketio_fetch.c"
#include "store/ngx_socketio_select.c"
#include "store/ngx_socketio_answer.c"
#include "store/ngx_socketio_key.c"
#include "store/ngx_socketio_log.c"
#include "store/ngx_socketio_recovery.c"
#include "store/ngx_socketio_status.c"
#include "store/ngx_socketio_say.c"
#include "store/ngx_socketio_rebuild.c"
#include "store/ngx_socketio_rebuild_truths.c"
#include "store/ngx_socketio_rebuild_entries.c"
#include "store/ngx_socketio_rebuild_chains.c"
#include "store/ngx_socketio_rebuild_links.c"
#include "store/ngx_socketio_rebuild_order.c"
#include "store/ngx_socketio_digest.c"


#endif /* _STORE_SOURCES_H_INCLUDED_ */
