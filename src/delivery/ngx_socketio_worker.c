
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "delivery/ngx_socketio_office.h"
#include "store/ngx_socketio_key.h"
#include "store/ngx_socketio_room.h"
#include "store/ngx_socketio_session.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>


#define NGX_SOCKETIO_TICK        1000       /* ms */
#define NGX_SOCKETIO_BURY_STEPS  32         /* a tick */

/* until one more is asked to go: who was has 3 s, its clients 5 s more */
#define NGX_SOCKETIO_ASK_TICKS   10


static ngx_int_t ngx_socketio_worker_listen(ngx_cycle_t *cycle);
static ngx_int_t ngx_socketio_worker_rebind(ngx_socketio_zone_t *zone);
static void ngx_socketio_worker_claim(ngx_cycle_t *cycle);
static void ngx_socketio_worker_make_room(ngx_cycle_t *cycle);
static ngx_int_t ngx_socketio_worker_claim_zones(ngx_uint_t slot);
static ngx_int_t ngx_socketio_slot_lock(ngx_uint_t slot);
static ngx_uint_t ngx_socketio_slot_alive(ngx_uint_t slot);
static void ngx_socketio_worker_wake(ngx_socketio_zone_t *zone,
    ngx_uint_t slot);
static void ngx_socketio_worker_ignore(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *session, uint32_t tenure);
static void ngx_socketio_worker_rung(ngx_event_t *rev);
static void ngx_socketio_worker_early(ngx_socketio_zone_t *zone);
static void ngx_socketio_worker_tick(ngx_event_t *ev);
static ngx_int_t ngx_socketio_worker_sweep(ngx_socketio_zone_t *zone);
static ngx_int_t ngx_socketio_worker_stale(ngx_socketio_office_t *office,
    ngx_uint_t slot);
static ngx_int_t ngx_socketio_worker_take_over(ngx_socketio_zone_t *zone,
    ngx_uint_t slot, ngx_socketio_grave_t *grave, ngx_uint_t alive);


/*
 * Made once, in the master, and inherited by all workers of all generations:
 * an eventfd for each slot, and a file whose bytes they lock while they live.
 */

static int                    ngx_socketio_memfd = -1;
static int                   *ngx_socketio_eventfds;
static ngx_uint_t             ngx_socketio_nslots;

/* of this worker */

static ngx_int_t              ngx_socketio_slot = -1;
static ngx_uint_t             ngx_socketio_slotless;    /* ticks without */
static ngx_connection_t      *ngx_socketio_bell;
static ngx_event_t            ngx_socketio_tick;
static ngx_connection_t       ngx_socketio_tick_ident;  /* debug log: its fd */
static ngx_msec_t             ngx_socketio_swept;
static ngx_socketio_zone_t  **ngx_socketio_zones;
static ngx_uint_t             ngx_socketio_nzones;


ngx_uint_t
ngx_socketio_worker_slots(ngx_cycle_t *cycle)
{
    ngx_uint_t        n;
    ngx_core_conf_t  *ccf;

    if (ngx_socketio_nslots) {
        return ngx_socketio_nslots;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    n = (ccf->worker_processes > 0) ? (ngx_uint_t) ccf->worker_processes : 1;
    n = ngx_max(64, 4 * n);

    return ngx_min(n, NGX_SOCKETIO_SLOTS_MAX);
}


ngx_int_t
ngx_socketio_worker_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t  i, n;

    if (ngx_socketio_memfd != -1 || ngx_test_config) {
        return NGX_OK;
    }

    n = ngx_socketio_worker_slots(cycle);

    ngx_socketio_eventfds = ngx_alloc(n * sizeof(int), cycle->log);
    if (ngx_socketio_eventfds == NULL) {
        return NGX_ERROR;
    }

    if (getrandom(&ngx_socketio_name_seed, sizeof(uint64_t), 0)
        != sizeof(uint64_t))
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "getrandom() failed");
        return NGX_ERROR;
    }

    ngx_socketio_memfd = memfd_create("ngx_socketio", MFD_CLOEXEC);

    if (ngx_socketio_memfd == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "memfd_create() failed");
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        ngx_socketio_eventfds[i] = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (ngx_socketio_eventfds[i] == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "eventfd() failed");
            return NGX_ERROR;
        }
    }

    ngx_socketio_nslots = n;

    return NGX_OK;
}


ngx_int_t
ngx_socketio_worker_init(ngx_cycle_t *cycle, ngx_socketio_zone_t **zones,
    ngx_uint_t nzones)
{
    ngx_uint_t  i, again;

    if ((ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
        || nzones == 0)
    {
        return NGX_OK;
    }

    again = (ngx_socketio_nzones != 0);

    for (i = 0; i < nzones; i++) {
        zones[i]->wake = ngx_socketio_worker_wake;
        zones[i]->early = ngx_socketio_worker_early;

        if (ngx_socketio_worker_rebind(zones[i]) == NGX_OK) {
            continue;
        }

        zones[i]->data = ngx_socketio_office_create(zones[i]);

        if (zones[i]->data == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_socketio_zones = zones;
    ngx_socketio_nzones = nzones;

    if (again) {
        return (ngx_socketio_slot == -1) ? NGX_OK
                           : ngx_socketio_worker_claim_zones(ngx_socketio_slot);
    }

    ngx_socketio_tick.handler = ngx_socketio_worker_tick;
    ngx_socketio_tick.log = cycle->log;
    ngx_socketio_tick.data = &ngx_socketio_tick_ident;
    ngx_socketio_tick.cancelable = 1;

    ngx_socketio_worker_claim(cycle);

    ngx_add_timer(&ngx_socketio_tick, NGX_SOCKETIO_WHEEL_MSEC);

    return NGX_OK;
}


/*
 * A single process reloads its configuration without a new worker: its slot
 * and its connections go on, under a new zone of the same memory.
 */

static ngx_int_t
ngx_socketio_worker_rebind(ngx_socketio_zone_t *zone)
{
    ngx_uint_t            i;
    ngx_socketio_zone_t  *old;

    for (i = 0; i < ngx_socketio_nzones; i++) {
        old = ngx_socketio_zones[i];

        if (old->sh == zone->sh && old->slot_gen) {
            zone->slot = old->slot;
            zone->slot_gen = old->slot_gen;
            zone->emptied = old->emptied;
            zone->data = old->data;
            ((ngx_socketio_office_t *) zone->data)->zone = zone;

            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* without a slot requests are answered 503, and each tick tries again */

static void
ngx_socketio_worker_claim(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    for (i = 0; i < ngx_socketio_nslots; i++) {

        if (ngx_socketio_slot_lock(i) != NGX_OK) {
            continue;
        }

        if (ngx_socketio_worker_claim_zones(i) == NGX_OK) {
            ngx_socketio_slot = i;
            break;
        }
    }

    ngx_socketio_worker_make_room(cycle);

    if (ngx_socketio_slot == -1) {

        if (ngx_socketio_slotless++ == 0) {
            ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                          "all %ui worker slots are taken: this worker "
                          "refuses clients until one is free",
                          ngx_socketio_nslots);
        }

        return;
    }

    if (ngx_socketio_slotless) {
        ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0,
                      "a worker slot is free: this worker serves clients");
    }

    if (ngx_socketio_worker_listen(cycle) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                      "no connection for the worker's eventfd: increase "
                      "\"worker_connections\"");
    }
}


/*
 * Before a reload finds no slot free the oldest workers make room for its
 * workers, unless even two generations do not fit.  Who has none asks for one,
 * and if that does not help for one more.
 */

static void
ngx_socketio_worker_make_room(ngx_cycle_t *cycle)
{
    ngx_uint_t        i, n;
    ngx_core_conf_t  *ccf;

    n = 0;

    if (ngx_socketio_slot != -1) {
        ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                               ngx_core_module);
        n = (ngx_uint_t) ngx_max(ccf->worker_processes, 1);

        if (4 * n > ngx_socketio_nslots) {
            return;
        }

    } else if (ngx_socketio_slotless % NGX_SOCKETIO_ASK_TICKS) {
        return;
    }

    for (i = 0; i < ngx_socketio_nzones; i++) {
        (void) ngx_socketio_slot_make_room(ngx_socketio_zones[i], n);
    }
}


/* the byte is ours, so what a zone has under this slot is a dead worker's */

static ngx_int_t
ngx_socketio_worker_claim_zones(ngx_uint_t slot)
{
    ngx_uint_t            i;
    ngx_socketio_zone_t  *zone;
    ngx_socketio_grave_t  grave;

    for (i = 0; i < ngx_socketio_nzones; i++) {
        zone = ngx_socketio_zones[i];

        if (slot >= zone->sh->nslots) {
            return NGX_DECLINED;
        }

        if (zone->slot_gen) {
            continue;
        }

        while (ngx_socketio_slot_claim(zone, slot) == NGX_BUSY) {
            ngx_memzero(&grave, sizeof(ngx_socketio_grave_t));

            while (ngx_socketio_slot_bury(zone, slot, &grave,
                                          ngx_current_msec)
                   == NGX_AGAIN)
            { /* void */ }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_slot_lock(ngx_uint_t slot)
{
    struct flock  fl;

    ngx_memzero(&fl, sizeof(struct flock));
    fl.l_type = F_WRLCK;
    fl.l_whence = SEEK_SET;
    fl.l_start = slot;
    fl.l_len = 1;

    return (fcntl(ngx_socketio_memfd, F_SETLK, &fl) == -1) ? NGX_BUSY : NGX_OK;
}


/* gone within a millisecond of kill -9, unlike the pid */

static ngx_uint_t
ngx_socketio_slot_alive(ngx_uint_t slot)
{
    struct flock  fl;

    ngx_memzero(&fl, sizeof(struct flock));
    fl.l_type = F_WRLCK;
    fl.l_whence = SEEK_SET;
    fl.l_start = slot;
    fl.l_len = 1;

    return fcntl(ngx_socketio_memfd, F_GETLK, &fl) == -1
           || fl.l_type != F_UNLCK;
}


/*
 * "channel" spares the connection the alert and the timer at exit, "idle"
 * makes nginx call the handler when a graceful shutdown begins.
 */

static ngx_int_t
ngx_socketio_worker_listen(ngx_cycle_t *cycle)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(ngx_socketio_eventfds[ngx_socketio_slot],
                           cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->log = cycle->log;
    c->pool = cycle->pool;
    c->idle = 1;
    c->read->log = cycle->log;
    c->write->log = cycle->log;
    c->read->channel = 1;
    c->read->handler = ngx_socketio_worker_rung;

    ngx_socketio_bell = c;

    if (ngx_add_event(c->read, NGX_READ_EVENT, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_socketio_worker_ready(ngx_socketio_zone_t *zone)
{
    return zone->slot_gen ? NGX_OK : NGX_DECLINED;
}


static void
ngx_socketio_worker_wake(ngx_socketio_zone_t *zone, ngx_uint_t slot)
{
    char       *more;
    uint64_t    one;
    ngx_err_t   err;

    static ngx_socketio_said_t  said;

    if (zone->slot_gen && slot == zone->slot) {
        ngx_socketio_office_post(zone->data);
        return;
    }

    one = 1;
    ngx_socketio_tally(zone, NGX_SOCKETIO_N_WAKES, 1);

    if (write(ngx_socketio_eventfds[slot], &one, sizeof(uint64_t)) != -1
        || ngx_errno == NGX_EAGAIN)
    {
        return;
    }

    err = ngx_errno;
    more = ngx_socketio_say(&said, zone->counters);

    if (more) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err,
                      "write() to the eventfd of slot %ui failed%s", slot,
                      more);
    }
}


static void
ngx_socketio_worker_rung(ngx_event_t *rev)
{
    uint64_t           n;
    ngx_uint_t         i;
    ngx_connection_t  *c;

    c = rev->data;

    if (c->close) {
        /* a graceful shutdown begins; mailbox and hooks go on until its end */

        c->close = 0;
        c->idle = 0;

        for (i = 0; i < ngx_socketio_nzones; i++) {
            ngx_socketio_office_leave(ngx_socketio_zones[i]->data);
        }

        return;
    }

    if (read(c->fd, &n, sizeof(uint64_t)) == -1 && ngx_errno != NGX_EAGAIN) {
        ngx_log_error(NGX_LOG_ERR, rev->log, ngx_errno,
                      "read() from an eventfd failed");
    }

    for (i = 0; i < ngx_socketio_nzones; i++) {
        ngx_socketio_office_run(ngx_socketio_zones[i]->data);
    }
}


/*
 * Deadlines, dead workers, and what a wake-up lost with its waker left in
 * the mailbox.
 */

static void
ngx_socketio_worker_tick(ngx_event_t *ev)
{
    ngx_msec_t            next, ms;
    ngx_uint_t            i, sweep;
    ngx_socketio_zone_t  *zone;

    /* deadlines may be close to each other, deaths are rare */

    sweep = (ngx_msec_int_t) (ngx_current_msec - ngx_socketio_swept)
            >= NGX_SOCKETIO_TICK / 2;

    if (sweep) {
        ngx_socketio_swept = ngx_current_msec;
    }

    if (ngx_socketio_slot == -1 && !ngx_exiting) {
        ngx_socketio_worker_claim((ngx_cycle_t *) ngx_cycle);
    }

    next = NGX_SOCKETIO_TICK;

    for (i = 0; i < ngx_socketio_nzones; i++) {
        zone = ngx_socketio_zones[i];

        if (zone->slot_gen == 0) {
            continue;
        }

        zone->lag = (zone->tick && ngx_current_msec > zone->tick)
                    ? ngx_current_msec - zone->tick : 0;

        ngx_socketio_office_run(zone->data);
        ngx_socketio_wheel_turn(zone, ngx_current_msec);
        ngx_socketio_key_expire(zone, ngx_current_msec);

        if (sweep && ngx_socketio_worker_sweep(zone) == NGX_AGAIN) {
            ngx_socketio_swept = ngx_current_msec - NGX_SOCKETIO_TICK;
            next = 1;
            continue;
        }

        ms = ngx_socketio_wheel_next(zone, ngx_current_msec);
        next = ngx_min(next, ms);
    }

    for (i = 0; i < ngx_socketio_nzones; i++) {
        ngx_socketio_zones[i]->tick = ngx_current_msec + next;
    }

    ngx_add_timer(ev, next);
}


/* a session has a deadline that the timer, as it is set, would be late for */

static void
ngx_socketio_worker_early(ngx_socketio_zone_t *zone)
{
    if (!ngx_socketio_tick.timer_set) {
        /* in the middle of a tick: it looks when the next one is due */
        return;
    }

    /* nginx moves no timer by less than 300 ms */

    ngx_del_timer(&ngx_socketio_tick);

    ngx_add_timer(&ngx_socketio_tick,
                  (zone->tick > ngx_current_msec)
                  ? (ngx_msec_t) (zone->tick - ngx_current_msec) : 1);
}


/* NGX_AGAIN: a dead worker is not buried yet */

static ngx_int_t
ngx_socketio_worker_sweep(ngx_socketio_zone_t *zone)
{
    uint32_t                gen;
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_socketio_grave_t   *grave;
    ngx_socketio_office_t  *office;

    office = zone->data;

    for (i = 0; i < zone->sh->nslots; i++) {

        gen = *(volatile uint32_t *) &zone->slots[i].gen;

        if (i == zone->slot || gen == 0) {
            continue;
        }

        grave = &office->graves[i];

        if (grave->gen != gen) {
            grave->gen = gen;
            grave->cursor = 0;
            office->silent[i] = 0;
        }

        if (ngx_socketio_slot_alive(i)) {
            rc = ngx_socketio_worker_stale(office, i);

        } else {
            rc = ngx_socketio_worker_take_over(zone, i, grave, 0);
        }

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }
    }

    return NGX_OK;
}


/*
 * A worker whose tick stands still.  It must have done so for several ticks
 * of this one too: after the machine has slept all have an old one.
 */

static ngx_int_t
ngx_socketio_worker_stale(ngx_socketio_office_t *office, ngx_uint_t slot)
{
    uint64_t              tick;
    ngx_socketio_zone_t  *zone;

    zone = office->zone;
    tick = *(volatile uint64_t *) &zone->slots[slot].tick;

    if ((uint64_t) ngx_current_msec < tick + NGX_SOCKETIO_STALE) {
        office->silent[slot] = 0;
        return NGX_OK;
    }

    if (zone->slots[slot].robbed) {
        return NGX_OK;
    }

    if (office->silent[slot] == 0) {
        office->silent[slot] = (uint64_t) ngx_current_msec;
        office->graves[slot].cursor = 0;
    }

    if ((uint64_t) ngx_current_msec - office->silent[slot]
        < 3 * NGX_SOCKETIO_TICK)
    {
        return NGX_OK;
    }

    return ngx_socketio_worker_take_over(zone, slot, &office->graves[slot], 1);
}


static ngx_int_t
ngx_socketio_worker_take_over(ngx_socketio_zone_t *zone, ngx_uint_t slot,
    ngx_socketio_grave_t *grave, ngx_uint_t alive)
{
    ngx_int_t   rc;
    ngx_uint_t  n, level;

    level = alive ? NGX_LOG_ERR : NGX_LOG_NOTICE;

    for (n = 0; n < NGX_SOCKETIO_BURY_STEPS; n++) {

        rc = alive ? ngx_socketio_slot_rob(zone, slot, grave,
                                           ngx_current_msec)
                   : ngx_socketio_slot_bury(zone, slot, grave,
                                            ngx_current_msec);

        if (rc == NGX_OK) {
            ngx_log_error(level, ngx_cycle->log, 0,
                          "sessions of the %s worker in slot %ui of zone "
                          "\"%V\" were taken over",
                          alive ? "stopped" : "dead", slot,
                          &zone->shm_zone->shm.name);
            return NGX_OK;
        }
    }

    return NGX_AGAIN;
}


/* the last worker of all leaves inboxes in the zone, for the next one */

static void
ngx_socketio_worker_ignore(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t tenure)
{
    /* void */
}


void
ngx_socketio_worker_exit(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    if (ngx_socketio_tick.timer_set) {
        ngx_del_timer(&ngx_socketio_tick);
    }

    for (i = 0; i < ngx_socketio_nzones; i++) {

        ngx_socketio_zones[i]->inbox = ngx_socketio_worker_ignore;

        if (ngx_socketio_zones[i]->slot_gen) {
            ngx_socketio_slot_leave(ngx_socketio_zones[i]);
        }

        ngx_socketio_office_destroy(ngx_socketio_zones[i]->data);
        ngx_socketio_zones[i]->data = NULL;
    }

    ngx_socketio_nzones = 0;
}
