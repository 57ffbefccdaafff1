
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The zone: one block of shared memory cut into 4 KB pages, each of one
 * record type.  Nothing in it points anywhere: links are references (page and
 * position), 0 is none.  A record exists while its "used" byte is set: last
 * to be set, first to be cleared.  Each names its owner, so that lists can be
 * rebuilt from the records.
 *
 * One lock, shpool->mutex: the only one that the master releases when a
 * worker dies holding it.  Functions ending in _locked want it held; no other
 * function of store/ may be called with it held.  It is never held over I/O
 * or logging.  Slots that have something new to look at are noted with
 * ngx_socketio_zone_ring_locked() and woken by ngx_socketio_zone_unlock().
 */


#ifndef _NGX_SOCKETIO_ZONE_H_INCLUDED_
#define _NGX_SOCKETIO_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "store/ngx_socketio_counters.h"
#include "store/ngx_socketio_say.h"
#include "proto/ngx_socketio_eio_session.h"


#define NGX_SOCKETIO_LAYOUT          8      /* of everything in shared memory */
#define NGX_SOCKETIO_PAGE            4096
#define NGX_SOCKETIO_RESERVE         16     /* of the zone, for who is in */
#define NGX_SOCKETIO_SLOTS_MAX       256
#define NGX_SOCKETIO_WHEEL           1024   /* buckets of 10 ms: 10 s */
#define NGX_SOCKETIO_WHEEL_MSEC      10


#define NGX_SOCKETIO_LAST            0xffff     /* ends a page's free list */


typedef uint32_t  ngx_socketio_ref_t;


/* a reference from outside the zone, or one that may outlive its record */

typedef struct {
    ngx_socketio_ref_t         ref;
    uint32_t                   gen;
} ngx_socketio_id_t;


typedef enum {
    NGX_SOCKETIO_FREE = 0,
    NGX_SOCKETIO_SESSION,
    NGX_SOCKETIO_SOCKET,
    NGX_SOCKETIO_ROOM,
    NGX_SOCKETIO_MEMBER,
    NGX_SOCKETIO_NODE,
    NGX_SOCKETIO_MESSAGE,
    NGX_SOCKETIO_EVENT,
    NGX_SOCKETIO_ACK,
    NGX_SOCKETIO_KEY,
    NGX_SOCKETIO_PASS,
    NGX_SOCKETIO_LOG,
    NGX_SOCKETIO_ADDRESS,
    NGX_SOCKETIO_BUDGET,
    NGX_SOCKETIO_BYTES,                     /* 7 sizes: 64, 128 ... 4096 */
    NGX_SOCKETIO_TYPES = NGX_SOCKETIO_BYTES + 7
} ngx_socketio_type_e;


/* every record begins with this */

typedef struct {
    uint8_t                    used;
    uint8_t                    kind;
    uint16_t                   link;        /* while free: the next free one */
    uint32_t                   gen;         /* never the same for two lives */
} ngx_socketio_rec_t;


typedef struct {
    uint8_t                    type;
    uint8_t                    linked;      /* in its type's list of pages
                                               with free records */
    uint16_t                   used;
    uint16_t                   free;        /* first free record, 0xffff */
    uint16_t                   unused;
    uint32_t                   next;
    uint32_t                   prev;
} ngx_socketio_page_t;


typedef struct ngx_socketio_slot_s  ngx_socketio_slot_t;


typedef struct {
    uint64_t                   sessions;    /* now */
    uint64_t                   sockets;
    uint64_t                   opened;      /* since the zone is there */
    uint64_t                   events;
    uint64_t                   dropped;     /* events no backend wants */
    uint64_t                   messages;
    uint64_t                   full;        /* refused for lack of memory */
    uint64_t                   slow;        /* closed: send queue */
    uint64_t                   forgotten;   /* keys, before their time */
    uint64_t                   emptied;
    uint64_t                   recovered;   /* connections */
    uint64_t                   rooms;       /* now, without namespaces */
    uint64_t                   closed[NGX_SOCKETIO_REASON_LAST]; /* sessions */
    uint64_t                   rebuilt;
} ngx_socketio_stats_t;


/* what is there now, by kinds: as the records have it */

typedef struct {
    uint64_t                   sessions[2][2];  /* polling, websocket;
                                                   revision 3, 4 */
    uint64_t                   sockets[6];  /* by state */
    uint64_t                   namespaces;
    uint64_t                   inbox_n;     /* entries, bytes; all inboxes */
    uint64_t                   inbox_bytes;
    uint64_t                   outbox_n;    /* nodes, bytes */
    uint64_t                   outbox_bytes;
    uint64_t                   awaited;     /* acks */
    uint64_t                   pages[NGX_SOCKETIO_TYPES];
} ngx_socketio_gauges_t;


typedef struct {
    uint32_t                   layout;
    uint32_t                   dirty;       /* somebody holds the lock */
    uint32_t                   stamp;       /* last generation given */
    uint32_t                   boot;        /* random, part of event ids */
    uint32_t                   attempts;    /* to rebuild it, unfinished */

    /*
     * Sessions, for who finds the dirty word set.  In doubt: what a hold does
     * to this one is not done, and cannot be told from half done.  Told: the
     * last of this hold whose worker was sent records of joins and leaves.
     */
    ngx_socketio_ref_t         doubt;
    ngx_socketio_ref_t         told;

    /*
     * A message that has not been given to all: nobody gets it.  But if there
     * is a key, and it says that its command ran, all have it.
     */
    ngx_socketio_ref_t         emitting;
    ngx_socketio_ref_t         emit_key;

    uint64_t                   seq;         /* the one order of emits */
    ngx_atomic_t               acks;        /* numbers given */
    uint64_t                   wheel_at;    /* buckets turned, 10 ms each */

    uint32_t                   npages;
    uint32_t                   free_pages;
    uint32_t                   free_page;   /* list, page number + 1 */
    uint32_t                   nslots;
    uint32_t                   nbuckets;    /* of each hash, a power of two */

    ngx_socketio_ref_t         key;         /* the first to be forgotten */
    ngx_socketio_ref_t         key_tail;
    uint32_t                   nkeys;

    uint32_t                   partial[NGX_SOCKETIO_TYPES];
    uint32_t                   nfree[NGX_SOCKETIO_TYPES];

    ngx_socketio_ref_t         wheel[NGX_SOCKETIO_WHEEL];
    uint64_t                   wheel_map[NGX_SOCKETIO_WHEEL / 64];

    uint64_t                   log_bytes;
    uint64_t                   recovery_at; /* ms: when the next two are
                                               looked at */
    ngx_socketio_ref_t         log;         /* messages, oldest first */
    ngx_socketio_ref_t         log_tail;
    uint32_t                   log_n;
    uint32_t                   log_gap;     /* one is missing: all must go */
    ngx_socketio_ref_t         lost;        /* passes, oldest first */
    ngx_socketio_ref_t         lost_tail;

    ngx_socketio_stats_t       stats;

    uint64_t                   holds;       /* of the lock, ever; a rebuild
                                               counts as many */
    ngx_socketio_gauges_t      now;
    ngx_socketio_counters_t    retired;     /* of slots that are no more */
} ngx_socketio_zone_sh_t;


typedef struct ngx_socketio_zone_s  ngx_socketio_zone_t;

typedef void (*ngx_socketio_wake_pt)(ngx_socketio_zone_t *zone,
    ngx_uint_t slot);
typedef void (*ngx_socketio_inbox_pt)(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *session, uint32_t tenure);

typedef void (*ngx_socketio_leave_pt)(ngx_socketio_zone_t *zone);

typedef void (*ngx_socketio_hurry_pt)(ngx_socketio_zone_t *zone);

typedef void (*ngx_socketio_early_pt)(ngx_socketio_zone_t *zone);

#define NGX_SOCKETIO_OWNED           16     /* sessions owned in one hold */


enum {                                      /* conditions that are logged */
    NGX_SOCKETIO_SAID_FULL = 0,
    NGX_SOCKETIO_SAID_OVERRUN,
    NGX_SOCKETIO_SAID_LAST
};


struct ngx_socketio_zone_s {                /* private to a process */
    ngx_socketio_zone_sh_t    *sh;
    ngx_slab_pool_t           *shpool;
    ngx_socketio_slot_t       *slots;
    u_char                    *counts;      /* counters, by slot */
    ngx_socketio_counters_t   *counters;    /* this process's own */
    ngx_socketio_ref_t        *sids;
    ngx_socketio_ref_t        *rooms;
    ngx_socketio_ref_t        *keys;
    ngx_socketio_ref_t        *addresses;
    ngx_socketio_page_t       *table;
    u_char                    *pages;

    ngx_shm_zone_t            *shm_zone;
    ngx_uint_t                 slot;        /* this worker's */
    uint32_t                   slot_gen;    /* 0: none claimed */
    uint32_t                   emptied;     /* stats.emptied last seen */
    ngx_uint_t                 nwakes;
    ngx_uint_t                 nowned;
    ngx_socketio_wake_pt       wake;        /* after unlocking: slot rung */
    ngx_socketio_inbox_pt      inbox;       /* ... this worker owns one now */
    ngx_socketio_leave_pt      leave;       /* this worker begins to leave */
    ngx_socketio_hurry_pt      hurry;       /* ... others need its slot */
    ngx_socketio_early_pt      early;       /* ... "tick" is earlier now */
    uint64_t                   tick;        /* ms: when this worker turns the
                                               wheel next */
    uint64_t                   lag;         /* ms: the last tick was late */
    ngx_uint_t                 earlier;     /* set in this hold */
    uint64_t                   wakes[NGX_SOCKETIO_SLOTS_MAX / 64];
    ngx_socketio_id_t          owned[NGX_SOCKETIO_OWNED];
    uint32_t                   tenures[NGX_SOCKETIO_OWNED];
    ngx_msec_t                 recovery;    /* 0: off */
    uint32_t                   tokens;      /* given by this process */
    ngx_socketio_said_t        said[NGX_SOCKETIO_SAID_LAST];
    void                      *data;        /* the layers' above */
    ngx_socketio_counters_t    none;        /* while it has no slot */

    /* of a rebuild, for the log, after unlocking */
    ngx_uint_t                 rebuilt;     /* 1: done, 2: it was emptied */
    ngx_uint_t                 usec;
    ngx_uint_t                 discarded;   /* records */
    ngx_uint_t                 ended;       /* sessions */
};


extern uint16_t  ngx_socketio_record_sizes[NGX_SOCKETIO_TYPES];


/* nslots: only for a new zone; an adopted one keeps what it has */
ngx_int_t ngx_socketio_zone_init(ngx_socketio_zone_t *zone,
    ngx_shm_zone_t *shm_zone, ngx_socketio_zone_t *old, ngx_uint_t nslots);

/*
 * The dirty word stands from lock to unlock: all changes are of more than one
 * store.  Who locks and finds it set, because a worker died in there, rebuilds
 * the zone from its records; if that does not come to its end either, the zone
 * is emptied: all references are gone, all clients reconnect.
 */
void ngx_socketio_zone_lock(ngx_socketio_zone_t *zone);
void ngx_socketio_zone_unlock(ngx_socketio_zone_t *zone);
/* of zone_lock() alone: the mutex, if need be from who is stopped with it */
void ngx_socketio_mutex_lock(ngx_socketio_zone_t *zone);
void ngx_socketio_zone_ring_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t slot);
/* for the log, without the lock: store/ has told that something was refused,
   and has counted it */
void ngx_socketio_zone_full(ngx_socketio_zone_t *zone, ngx_log_t *log,
    char *what);

/* 0: the zone is full.  The record is zeroed, its generation set, unused. */
ngx_socketio_ref_t ngx_socketio_alloc_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t type);
void ngx_socketio_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
/* a page into its type's list of those with free records */
void ngx_socketio_page_link_locked(ngx_socketio_zone_t *zone, uint32_t page);
/* how many records of the type can be had for sure */
ngx_uint_t ngx_socketio_room_for_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t type, ngx_uint_t n);

/* NULL: there is no used record of this type; its life may be another one */
void *ngx_socketio_used_locked(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_socketio_ref_t ref);
/* NULL: no such record now; a normal answer */
void *ngx_socketio_find_locked(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_socketio_ref_t ref, uint32_t gen);
/*
 * The used records of a type, page by page: position starts at 0, NULL ends.
 * Looks at no more than "pages" pages a call and sets *more accordingly.
 */
ngx_socketio_ref_t ngx_socketio_walk_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t type, ngx_socketio_ref_t after, ngx_uint_t *pages);


#define ngx_socketio_slot_counters(zone, n)                                   \
    ((ngx_socketio_counters_t *) ((zone)->counts                              \
                                  + (n) * NGX_SOCKETIO_COUNTERS))


static ngx_inline void *
ngx_socketio_rec(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref)
{
    uint32_t  page;

    page = ref >> 8;

    return zone->pages + (size_t) (page - 1) * NGX_SOCKETIO_PAGE
           + (ref & 0xff) * ngx_socketio_record_sizes[zone->table[page - 1]
                                                          .type];
}


static ngx_inline ngx_uint_t
ngx_socketio_type(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref)
{
    return zone->table[(ref >> 8) - 1].type;
}


/*
 * The compiler keeps the order of stores before it and behind it.  That is
 * all it takes: whoever reads what a dead process has left holds the lock.
 */
#define ngx_socketio_order()  __asm__ volatile ("" : : : "memory")


static ngx_inline void
ngx_socketio_used(void *record)
{
    ngx_memory_barrier();
    ((volatile ngx_socketio_rec_t *) record)->used = 1;
}


/* first of all that is done to end it */

static ngx_inline void
ngx_socketio_unused(void *record)
{
    ((volatile ngx_socketio_rec_t *) record)->used = 0;
    ngx_socketio_order();
}


#endif /* _NGX_SOCKETIO_ZONE_H_INCLUDED_ */
