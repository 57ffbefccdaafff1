
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The little of nginx's core that src/store uses, against nginx's headers:
 * a mutex that knows whether it is held, a slab that is one block, a clock
 * that stands still unless it is set.
 */


#ifndef _NGX_STUB_H_INCLUDED_
#define _NGX_STUB_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <assert.h>

#include "store/ngx_socketio_zone.h"


volatile ngx_msec_t   ngx_current_msec;
volatile ngx_time_t  *ngx_cached_time;
ngx_uint_t            ngx_pagesize = 4096;
ngx_pid_t             ngx_pid = 1;

static ngx_log_t      stub_log;
static ngx_cycle_t    stub_cycle = { .log = &stub_log };
volatile ngx_cycle_t *ngx_cycle = &stub_cycle;

static ngx_time_t     stub_time;
static ngx_uint_t     stub_held;
static void          *stub_block;

/* called with the lock held, before and after all changes of a hold */
static void         (*stub_locking)(void);
static void         (*stub_unlocking)(void);


static void
stub_clock(uint64_t msec)
{
    ngx_current_msec = (ngx_msec_t) msec;
    stub_time.sec = (time_t) (msec / 1000);
    stub_time.msec = msec % 1000;
    ngx_cached_time = &stub_time;
}


void
ngx_socketio_mutex_lock(ngx_socketio_zone_t *zone)
{
    (void) zone;

    assert(!stub_held);
    stub_held = 1;

    if (stub_locking) {
        stub_locking();
    }
}


void
ngx_shmtx_unlock(ngx_shmtx_t *mtx)
{
    (void) mtx;

    assert(stub_held);

    if (stub_unlocking) {
        stub_unlocking();
    }

    stub_held = 0;
}


void *
ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size)
{
    (void) pool;

    assert(stub_block == NULL);

    if (posix_memalign(&stub_block, 4096, size) != 0) {
        stub_block = NULL;
    }

    return stub_block;
}


void *
ngx_alloc(size_t size, ngx_log_t *log)
{
    (void) log;

    assert(!stub_held);

    return malloc(size);
}


void *
ngx_calloc(size_t size, ngx_log_t *log)
{
    void  *p;

    p = ngx_alloc(size, log);

    return p ? memset(p, 0, size) : NULL;
}


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    (void) level;
    (void) log;
    (void) err;
    (void) fmt;
}


#endif /* _NGX_STUB_H_INCLUDED_ */
