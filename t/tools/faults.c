
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A worker that dies at a chosen store of a hold, i.e. in the middle of a
 * change to the zone.  Linked into the module by build-faults.sh, which also
 * has clang call us before each store in src/store.
 *
 * SOCKETIO_FAULTS names a file of four native 32-bit numbers, mapped when the
 * module is loaded and shared by all workers, so that a test changes them as
 * it likes:
 *
 *   0  pid      of the worker that is meant; 0: any
 *   1  left     it dies before this store to the zone, counted from 1, and
 *               this becomes 0; 0: nobody dies
 *   2  signal   by which; 0: SIGKILL
 *   3  counted  stores of the worker that is meant, for a test to look at
 *
 * What comes before the dirty word is set is not counted: nobody notices it.
 */


#include "store/ngx_socketio_records.h"

#include <sys/mman.h>


typedef struct {
    uint32_t              pid;
    uint32_t              left;
    uint32_t              signal;
    uint32_t              counted;
} ngx_socketio_faults_t;


void __real_ngx_socketio_zone_lock(ngx_socketio_zone_t *zone);
void __wrap_ngx_socketio_zone_lock(ngx_socketio_zone_t *zone);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);
void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop);


static void ngx_socketio_faults_init(void) __attribute__((constructor));
static void ngx_socketio_faults_store(void *p);


static ngx_socketio_zone_t              *ngx_socketio_faults_zone;
static volatile ngx_socketio_faults_t   *ngx_socketio_faults;


static void
ngx_socketio_faults_init(void)
{
    int    fd;
    char  *name;
    void  *p;

    name = getenv("SOCKETIO_FAULTS");
    if (name == NULL) {
        return;
    }

    fd = open(name, O_RDWR);
    if (fd == -1) {
        return;
    }

    p = mmap(NULL, sizeof(ngx_socketio_faults_t), PROT_READ|PROT_WRITE,
             MAP_SHARED, fd, 0);

    if (p != MAP_FAILED) {
        ngx_socketio_faults = p;
    }

    close(fd);
}


void
__wrap_ngx_socketio_zone_lock(ngx_socketio_zone_t *zone)
{
    /* before: making the zone good again has stores, too */

    ngx_socketio_faults_zone = zone;

    __real_ngx_socketio_zone_lock(zone);
}


static void
ngx_socketio_faults_store(void *p)
{
    u_char               *zone;
    ngx_slab_pool_t      *shpool;

    if (ngx_socketio_faults == NULL || ngx_socketio_faults_zone == NULL) {
        return;
    }

    shpool = ngx_socketio_faults_zone->shpool;
    zone = (u_char *) ngx_socketio_faults_zone->sh;

    if ((u_char *) p < zone
        || (u_char *) p >= shpool->end
        || *shpool->mutex.lock != (ngx_atomic_t) ngx_pid
        || ngx_socketio_faults_zone->sh->dirty == 0
        || (ngx_socketio_faults->pid
            && ngx_socketio_faults->pid != (uint32_t) ngx_pid))
    {
        return;
    }

    ngx_socketio_faults->counted++;

    if (ngx_socketio_faults->left == 0 || --ngx_socketio_faults->left) {
        return;
    }

    (void) kill(ngx_pid, ngx_socketio_faults->signal
                         ? (int) ngx_socketio_faults->signal : SIGKILL);

    for ( ;; ) {
        /* not one store more */
        pause();
    }
}


#define ngx_socketio_faults_of(n, type)                                       \
                                                                              \
    void __sanitizer_cov_store##n(type *p);                                   \
                                                                              \
    void                                                                      \
    __sanitizer_cov_store##n(type *p)                                         \
    {                                                                         \
        ngx_socketio_faults_store(p);                                         \
    }

ngx_socketio_faults_of(1, uint8_t)
ngx_socketio_faults_of(2, uint16_t)
ngx_socketio_faults_of(4, uint32_t)
ngx_socketio_faults_of(8, uint64_t)
ngx_socketio_faults_of(16, __uint128_t)


/* clang has no stores without these */

void
__sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
    (void) guard;
}


void
__sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop)
{
    (void) start;
    (void) stop;
}
