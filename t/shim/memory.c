
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Memory that runs out when a test wants it, by LD_PRELOAD.  The file that
 * SOCKETIO_MEMORY names holds four 32-bit words, which the test writes while
 * nginx runs:
 *
 *   pid    whose allocations are counted; 0: nobody's
 *   count  of them so far
 *   first  the number of the one that fails, from 1
 *   last   ... and of the last one that does
 *
 * With SOCKETIO_MEMORY_TRACE the stack of each that fails goes to stderr.
 */


#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


enum { PID = 0, COUNT, FIRST, LAST, WORDS };


extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);


static void init(void) __attribute__((constructor));


static volatile uint32_t *words;


static void
init(void)
{
    int          fd;
    void        *p;
    const char  *name;

    name = getenv("SOCKETIO_MEMORY");

    if (name == NULL) {
        return;
    }

    fd = open(name, O_RDWR|O_CLOEXEC);

    if (fd == -1) {
        abort();
    }

    p = mmap(NULL, WORDS * sizeof(uint32_t), PROT_READ|PROT_WRITE, MAP_SHARED,
             fd, 0);

    if (p == MAP_FAILED) {
        abort();
    }

    close(fd);
    words = p;
}


static int
fails(void)
{
    void      *stack[32];
    uint32_t   n;

    if (words == NULL || words[PID] == 0 || words[PID] != (uint32_t) getpid())
    {
        return 0;
    }

    n = ++words[COUNT];

    if (n < words[FIRST] || n > words[LAST]) {
        return 0;
    }

    if (getenv("SOCKETIO_MEMORY_TRACE")) {
        words[PID] = 0;
        backtrace_symbols_fd(stack, backtrace(stack, 32), STDERR_FILENO);
        words[PID] = (uint32_t) getpid();
    }

    return 1;
}


void *
malloc(size_t size)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    if (fails()) {
        errno = ENOMEM;
        return NULL;
    }

    return __libc_realloc(p, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    if (fails()) {
        return ENOMEM;
    }

    *p = __libc_memalign(alignment, size);

    return *p ? 0 : ENOMEM;
}
