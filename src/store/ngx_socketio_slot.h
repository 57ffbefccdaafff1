
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Slots: what a worker process is to the zone.  Others put records into its
 * mailbox and ring its bell; it takes both in one hold, keeps the records on
 * its held list while it writes them, and gives them back in batches.
 */


#ifndef _NGX_SOCKETIO_SLOT_H_INCLUDED_
#define _NGX_SOCKETIO_SLOT_H_INCLUDED_


#include "store/ngx_socketio_message.h"


#define NGX_SOCKETIO_MAILBOX_MAX  65536     /* records, or an eighth of all */
#define NGX_SOCKETIO_STALE        30000     /* ms without a tick */
#define NGX_SOCKETIO_HEEDED       5000      /* ... and nobody waits for it */
#define NGX_SOCKETIO_BEHIND_WAIT  10        /* ms: then ask again */


typedef struct {
    /* records to handle in order: the first; those behind it by ->next */
    ngx_socketio_ref_t         nodes;
    ngx_uint_t                 n;           /* of them */
    ngx_uint_t                 nbells;
    ngx_socketio_id_t          bells[NGX_SOCKETIO_RING];
    unsigned                   all:1;       /* bells were lost */
    unsigned                   overrun:1;   /* records were: start afresh */
    unsigned                   emptied:1;   /* the zone was */
    unsigned                   hurry:1;     /* others need this slot */
} ngx_socketio_letters_t;


/*
 * Zeroed before the first step.  Who has no lock on the slot's byte sets gen
 * to what the slot's was before it was seen dead: it may be claimed again.
 */

typedef struct {
    uint32_t                   gen;         /* 0: whose it is now */
    ngx_socketio_ref_t         cursor;
} ngx_socketio_grave_t;


/* "look at this session"; a slot whose generation has passed is left alone */
void ngx_socketio_bell_locked(ngx_socketio_zone_t *zone, ngx_uint_t slot,
    uint32_t gen, ngx_socketio_ref_t session);
void ngx_socketio_mailbox_put_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t slot, ngx_socketio_ref_t node);
/*
 * Whether a worker is at work that has half of what it may have in its mailbox,
 * and is overrun if that goes on: who has more for clients waits.  By a glance,
 * without the lock.
 */
ngx_uint_t ngx_socketio_behind(ngx_socketio_zone_t *zone, uint64_t now);
/* for store/: all of it to the held list */
void ngx_socketio_mailbox_hold_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_slot_t *slot);
/* for store/: what it has not read is freed, it starts afresh */
void ngx_socketio_slot_overrun_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_slot_t *slot);
/* another slot that takes inboxes; nslots if there is none */
ngx_uint_t ngx_socketio_slot_other_locked(ngx_socketio_zone_t *zone);

/* NGX_OK, or NGX_BUSY: a dead worker's, to be swept first */
ngx_int_t ngx_socketio_slot_claim(ngx_socketio_zone_t *zone, ngx_uint_t slot);
void ngx_socketio_slot_leave(ngx_socketio_zone_t *zone);
void ngx_socketio_slot_exiting(ngx_socketio_zone_t *zone);
/*
 * So that n slots are free, now or soon, the oldest of those whose workers are
 * shutting down are told to hurry; n 0: one more of them.  For processes
 * without a slot, too.  How many were told now.
 */
ngx_uint_t ngx_socketio_slot_make_room(ngx_socketio_zone_t *zone,
    ngx_uint_t n);

void ngx_socketio_slot_take(ngx_socketio_zone_t *zone,
    ngx_socketio_letters_t *letters, uint64_t now);
/* records that are written, or were nothing to write */
void ngx_socketio_slot_give_back(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *nodes, ngx_uint_t n);

/*
 * One bounded step of burying a dead worker: its connections' sessions are
 * closed, probes forgotten, inboxes taken over, then its lists freed.
 * NGX_AGAIN: more to do; NGX_OK: done, by this one or another.
 */
ngx_int_t ngx_socketio_slot_bury(ngx_socketio_zone_t *zone, ngx_uint_t slot,
    ngx_socketio_grave_t *grave, uint64_t now);

/*
 * The same for a worker that lives but does nothing: stopped, swapped, in a
 * debugger.  Its mailbox is freed and gets no more, its held list stays, since
 * it may be inside of a writev().  When it comes back it finds the mark, and
 * starts afresh.  NGX_OK also if it is back, or was robbed before.
 */
ngx_int_t ngx_socketio_slot_rob(ngx_socketio_zone_t *zone, ngx_uint_t slot,
    ngx_socketio_grave_t *grave, uint64_t now);


#endif /* _NGX_SOCKETIO_SLOT_H_INCLUDED_ */
