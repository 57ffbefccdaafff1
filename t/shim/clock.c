
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Clocks that a test sets, by LD_PRELOAD: two 64-bit offsets in nanoseconds,
 * of the wall and of the monotonic clock, in the file that SOCKETIO_CLOCK
 * names.  The test writes them while nginx runs.  Timeouts of epoll_wait()
 * and the like are the kernel's: who sleeps when a clock is set looks at it
 * when its sleep is over.
 */


#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


#define BILLION  1000000000LL


enum { WALL = 0, MONOTONIC, CLOCKS };


static void init(void) __attribute__((constructor));


static volatile int64_t *offsets;


static void
init(void)
{
    int          fd;
    void        *p;
    const char  *name;

    name = getenv("SOCKETIO_CLOCK");

    if (name == NULL) {
        return;
    }

    fd = open(name, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        abort();
    }

    p = mmap(NULL, CLOCKS * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        abort();
    }

    close(fd);
    offsets = p;
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int64_t  ns;

    if (syscall(SYS_clock_gettime, id, ts) == -1) {
        return -1;
    }

    if (offsets == NULL) {
        return 0;
    }

    ns = (int64_t) ts->tv_sec * BILLION + ts->tv_nsec;

    switch (id) {

    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        ns += offsets[WALL];
        break;

    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
        ns += offsets[MONOTONIC];
        break;

    default:
        break;
    }

    ts->tv_sec = (time_t) (ns / BILLION);
    ts->tv_nsec = (long) (ns % BILLION);

    return 0;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;
    clock_gettime(CLOCK_REALTIME, &ts);

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}


time_t
time(time_t *t)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
