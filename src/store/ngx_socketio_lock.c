
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The lock of the zone, taken with an eye on who has it.
 *
 * A hold takes microseconds, so that who is found in the same one for seconds
 * has been stopped there: by a signal, a debugger, a frozen cgroup.  All other
 * workers wait for it, and nginx with them.  It is killed; the master releases
 * its lock and starts another, and who locks next repairs the zone.
 */


#include "store/ngx_socketio_records.h"

#include <sched.h>


/*
 * Time is what this process has slept, not what a clock says: after all have
 * been stopped together, or the machine, nobody is to blame.
 */

#ifndef NGX_SOCKETIO_STUCK
#define NGX_SOCKETIO_STUCK       10000000   /* us: a hold is over by then */
#endif

#define NGX_SOCKETIO_STUCK_STEP  1000000    /* ... from then on, each */
#define NGX_SOCKETIO_YIELDS      16
#define NGX_SOCKETIO_NAP_MIN     50         /* us */
#define NGX_SOCKETIO_NAP_MAX     1000


static ngx_uint_t ngx_socketio_mutex_spin(ngx_shmtx_t *mutex);
static void ngx_socketio_mutex_wait(ngx_socketio_zone_t *zone);
static void ngx_socketio_mutex_stuck(ngx_socketio_zone_t *zone, ngx_pid_t pid);


void
ngx_socketio_mutex_lock(ngx_socketio_zone_t *zone)
{
    ngx_shmtx_t  *mutex;

    mutex = &zone->shpool->mutex;

    if (!ngx_shmtx_trylock(mutex) && !ngx_socketio_mutex_spin(mutex)) {
        ngx_socketio_mutex_wait(zone);
    }

    zone->sh->holds++;
}


/* as ngx_shmtx_lock() does; 1: locked */

static ngx_uint_t
ngx_socketio_mutex_spin(ngx_shmtx_t *mutex)
{
    ngx_uint_t  i, n;

    if (ngx_ncpu == 1) {
        return 0;
    }

    for (n = 1; n < mutex->spin; n <<= 1) {

        for (i = 0; i < n; i++) {
            ngx_cpu_pause();
        }

        if (*mutex->lock == 0 && ngx_shmtx_trylock(mutex)) {
            return 1;
        }
    }

    return 0;
}


/*
 * Not on the semaphore, which may be waited for without end only, or by a
 * clock that may be set.
 */

static void
ngx_socketio_mutex_wait(ngx_socketio_zone_t *zone)
{
    uint64_t      hold;
    ngx_pid_t     pid, holder;
    ngx_uint_t    i, nap, slept;
    ngx_shmtx_t  *mutex;

    mutex = &zone->shpool->mutex;

    holder = 0;
    hold = 0;
    slept = 0;
    nap = NGX_SOCKETIO_NAP_MIN;

    for (i = 0; /* void */ ; i++) {

        pid = (ngx_pid_t) *mutex->lock;

        if (pid == 0 && ngx_shmtx_trylock(mutex)) {
            return;
        }

        if (i < NGX_SOCKETIO_YIELDS) {
            ngx_sched_yield();
            continue;
        }

        if (pid != holder
            || hold != *(volatile uint64_t *) &zone->sh->holds)
        {
            holder = pid;
            hold = *(volatile uint64_t *) &zone->sh->holds;
            slept = 0;
            nap = NGX_SOCKETIO_NAP_MIN;
        }

        (void) usleep(nap);

        slept += nap;
        nap = ngx_min(2 * nap, NGX_SOCKETIO_NAP_MAX);

        if (slept >= NGX_SOCKETIO_STUCK) {
            slept = NGX_SOCKETIO_STUCK - NGX_SOCKETIO_STUCK_STEP;
            ngx_socketio_mutex_stuck(zone, holder);
        }
    }
}


/*
 * The holder is a worker, under the same user; its slot tells that the number
 * is not just any process's.  Without a master nobody releases the lock of
 * one that is dead already.
 */

static void
ngx_socketio_mutex_stuck(ngx_socketio_zone_t *zone, ngx_pid_t pid)
{
    ngx_uint_t  i;

    if (pid == 0 || pid == ngx_pid) {
        return;
    }

    if (kill(pid, 0) == -1) {

        if (ngx_errno == NGX_ESRCH) {
            (void) ngx_shmtx_force_unlock(&zone->shpool->mutex, pid);
        }

        return;
    }

    for (i = 0; i < zone->sh->nslots; i++) {

        if (zone->slots[i].gen == 0 || zone->slots[i].pid != (uint64_t) pid) {
            continue;
        }

        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "worker process %P has held the lock of zone \"%V\" "
                      "for seconds, stopped: it is killed",
                      pid, &zone->shm_zone->shm.name);

        (void) kill(pid, SIGKILL);
        return;
    }
}
