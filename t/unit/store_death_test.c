
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Death at each store.  The histories of store_model.h; at some holds the
 * process forks, once to see how the hold ends, and once for each of its
 * stores, before which the worker dies: clang calls us there.  Then another
 * worker finds the zone dirty and rebuilds it, perhaps dying in that, too, and
 * the third one finishes.  Fails if then the zone contradicts itself or leaks
 * (store_check.h), if what others see is neither as before nor as after nor
 * between (store_death.h), if some have got what was to be emitted to more, if
 * a number of an event is missing or twice, or if anything is left when all
 * have gone.
 *
 *   store_death_test [SEED PAGES [HOLD STORE]]
 *
 * STORE_DEATHS: how many, by default 500.
 */


#define NGX_SOCKETIO_REBUILD  211

#include "tap.h"
#include "store_death.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>


#define SHORT   48                          /* stores of a hold: try all */
#define SOME    10                          /* ... else so many */


int __llvm_profile_write_file(void) __attribute__((weak));
/* counters of "make coverage" are stores, too: this one's would not end */
static void stored(void *p) __attribute__((no_sanitize("coverage")));

void __sanitizer_cov_store1(uint8_t *p);
void __sanitizer_cov_store2(uint16_t *p);
void __sanitizer_cov_store4(uint32_t *p);
void __sanitizer_cov_store8(uint64_t *p);
void __sanitizer_cov_store16(__uint128_t *p);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);
void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop);


typedef struct {
    ngx_uint_t     stores;                  /* of the hold */
    ngx_uint_t     deaths;
    ngx_uint_t     twice;                   /* ... and in the rebuild */
    ngx_uint_t     closed;                  /* sessions, for their sake */
    death_view_t   after;
} shared_t;


static uint64_t     seed;
static uint64_t     dice;                   /* not the history's */
static ngx_uint_t   last[2];
static ngx_uint_t   hold, store, only_hold, only_store;
static ngx_uint_t   every;                  /* holds: the mean distance */
static ngx_uint_t   counting, left, dying;
static ngx_uint_t   victim;                 /* this process dies */
static shared_t    *shared;
static death_view_t before, now;
static ngx_socketio_zone_t  mourner;


static uint32_t
random_of(uint64_t *state, uint32_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;

    return (uint32_t) (*state >> 33) % n;
}


static uint32_t
choose(uint32_t n)
{
    return random_of(&seed, n);
}


static void
hint(void)
{
    fprintf(stderr, "with %u %u %u %u\n", (unsigned) last[0],
            (unsigned) last[1], (unsigned) hold, (unsigned) store);
}


static void
nothing_woken(ngx_socketio_zone_t *zone, ngx_uint_t slot)
{
    (void) zone;
    (void) slot;
}


static void
nothing_owned(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t tenure)
{
    (void) zone;
    (void) id;
    (void) tenure;
}


static void
poison_free(void)
{
    uint32_t              p, n, i;
    ngx_uint_t            type;
    ngx_socketio_rec_t   *rec;

    for (p = 1; p <= model_zone.sh->npages; p++) {
        type = model_zone.table[p - 1].type;

        if (type == NGX_SOCKETIO_FREE) {
            ASAN_POISON_MEMORY_REGION(model_zone.pages
                                      + (size_t) (p - 1) * NGX_SOCKETIO_PAGE,
                                      NGX_SOCKETIO_PAGE);
            continue;
        }

        n = NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[type];

        for (i = 0; i < n; i++) {
            rec = ngx_socketio_rec(&model_zone, p << 8 | i);

            if (!rec->used) {
                store_poison((u_char *) rec, ngx_socketio_record_sizes[type]);
            }
        }
    }
}


/* no number is missing, none is given twice */

static void
check_numbers(void)
{
    uint32_t                 seq;
    ngx_uint_t               any;
    ngx_socketio_ref_t       ref, e;
    ngx_socketio_event_t    *event;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    ngx_socketio_rebuild_each(&model_zone, NGX_SOCKETIO_SOCKET, ref) {
        socket = ngx_socketio_rec(&model_zone, ref);

        if (socket->session == 0) {
            continue;
        }

        session = ngx_socketio_rec(&model_zone, socket->session);
        any = 0;
        seq = 0;

        for (e = session->inbox;
             e;
             e = *ngx_socketio_entry_link_locked(&model_zone, e))
        {
            if (ngx_socketio_type(&model_zone, e) == NGX_SOCKETIO_SOCKET) {

                if (e == ref) {
                    must(!any || socket->end_seq == seq);
                    seq = socket->end_seq + 1;
                    any = 1;
                }

                continue;
            }

            event = ngx_socketio_rec(&model_zone, e);

            if (event->socket == ref) {
                must(!any || event->seq == seq);
                seq = event->seq + 1;
                any = 1;
            }
        }

        must(!any || socket->seq == seq);
    }
}


/* an emit that was not done has reached nobody */

static void
check_emit(ngx_socketio_ref_t emitting)
{
    ngx_socketio_ref_t    ref;
    ngx_socketio_log_t   *log;
    ngx_socketio_node_t  *node;

    if (emitting == 0) {
        return;
    }

    ngx_socketio_rebuild_each(&model_zone, NGX_SOCKETIO_NODE, ref) {
        node = ngx_socketio_rec(&model_zone, ref);
        must(node->message != emitting);
    }

    ngx_socketio_rebuild_each(&model_zone, NGX_SOCKETIO_LOG, ref) {
        log = ngx_socketio_rec(&model_zone, ref);
        must(log->message != emitting);
    }
}


/* everybody goes: burials, ends, the backend hears of all */

static void
drain(ngx_uint_t slot)
{
    uint32_t                 tenure;
    ngx_int_t                rc;
    ngx_uint_t               i, pass;
    ngx_socketio_id_t        id;
    ngx_socketio_ref_t       ref;
    ngx_socketio_grave_t     grave;
    ngx_socketio_letters_t   letters;
    ngx_socketio_session_t  *session;

    if (mourner.slot_gen == 0) {

        while (ngx_socketio_slot_claim(&mourner, slot) == NGX_BUSY) {
            ngx_memzero(&grave, sizeof(grave));

            do {
                rc = ngx_socketio_slot_bury(&mourner, slot, &grave,
                                            model_now);
            } while (rc == NGX_AGAIN);
        }
    }

    for (i = 0; i < MODEL_SLOTS; i++) {

        if (i == mourner.slot) {
            continue;
        }

        ngx_memzero(&grave, sizeof(grave));

        do {
            rc = ngx_socketio_slot_bury(&mourner, i, &grave, model_now);
        } while (rc == NGX_AGAIN);
    }

    mourner.recovery = 0;

    for (pass = 0; pass < 3; pass++) {

        for (i = 0; i < DEATH_SESSIONS; i++) {
            ngx_socketio_zone_lock(&mourner);

            ref = 0;

            ngx_socketio_rebuild_each(&mourner, NGX_SOCKETIO_SESSION, ref) {
                session = ngx_socketio_rec(&mourner, ref);

                if (session->eio.state != NGX_SOCKETIO_EIO_CLOSED
                    || session->inbox)
                {
                    break;
                }
            }

            if (ref == 0) {
                ngx_socketio_zone_unlock(&mourner);
                break;
            }

            id.ref = ref;
            id.gen = session->rec.gen;
            must(session->inbox == 0
                 || (session->owner_gen == mourner.slot_gen
                     && session->owner == mourner.slot));

            ngx_socketio_zone_unlock(&mourner);

            ngx_socketio_end(&mourner, &id, NGX_SOCKETIO_REASON_FORCED,
                             model_now);

            ngx_socketio_zone_lock(&mourner);
            session = ngx_socketio_find_locked(&mourner, NGX_SOCKETIO_SESSION,
                                               id.ref, id.gen);
            tenure = session ? session->tenure : 0;
            ngx_socketio_zone_unlock(&mourner);

            (void) ngx_socketio_inbox_done(&mourner, &id, tenure,
                                           DEATH_QUEUE);
        }

        model_now += 200000;
        stub_clock(model_now);
        ngx_socketio_slot_take(&mourner, &letters, model_now);
        ngx_socketio_wheel_turn(&mourner, model_now);
        ngx_socketio_key_expire(&mourner, model_now);
    }

    ngx_socketio_slot_leave(&mourner);

    ngx_socketio_zone_lock(&mourner);
    check_all(&model_zone);
    must(model_zone.sh->free_pages == model_zone.sh->npages);
    ngx_socketio_zone_unlock(&mourner);
}


/* not by exit(), but what has been reached counts: "make coverage" */

static void
leave(void)
{
    if (__llvm_profile_write_file) {
        (void) __llvm_profile_write_file();
    }

    _exit(0);
}


/* the one that was in the hold is no more */

static void
die(void)
{
    ngx_uint_t           i, slot;
    model_worker_t      *w;
    ngx_socketio_ref_t   emitting;

    dying++;
    left = 0;
    stub_held = 0;
    stub_locking = NULL;
    stub_unlocking = NULL;
    slot = store_locker->slot_gen ? store_locker->slot : 0;

    if (dying == 1) {
        model_zone.tick = 0;

        for (i = 0; i < MODEL_SLOTS; i++) {
            w = &model_workers[i];

            if (&w->zone == store_locker) {
                check_dead |= (uint64_t) 1 << i;
                w->alive = 0;
            }
        }
    }

    ngx_memzero(&mourner, sizeof(mourner));
    must(ngx_socketio_zone_init(&mourner, &model_shm, &model_zone, 0)
         == NGX_OK);
    mourner.wake = nothing_woken;
    mourner.inbox = nothing_owned;
    mourner.recovery = model_recovery;

    /* one that lives, or one that is just beginning */

    i = random_of(&dice, 2 * MODEL_SLOTS);

    if (i < MODEL_SLOTS && model_workers[i].alive) {
        mourner.slot = i;
        mourner.slot_gen = model_workers[i].zone.slot_gen;
    }

    if (dying == 1 && random_of(&dice, 8) == 0) {
        left = 1 + random_of(&dice, 400);
    }

    emitting = model_zone.sh->emitting;

    counting = 1;
    ngx_socketio_zone_lock(&mourner);
    counting = 0;
    left = 0;

    poison_free();

    if (dying > 1) {
        shared->twice++;
    }

    must(model_zone.sh->dirty);
    check_all(&model_zone);
    check_numbers();
    check_emit(emitting);
    death_see(&now);
    death_compare(&before, &now, &shared->after);
    shared->closed += now.closed;
    shared->deaths++;

    ngx_socketio_zone_unlock(&mourner);

    drain(slot);
    leave();
}


static void
stored(void *p)
{
    u_char  *base;

    base = (u_char *) stub_block;

    if (!counting || !stub_held
        || (u_char *) p < base
        || (u_char *) p >= model_zone.pages
                           + (size_t) model_zone.sh->npages * NGX_SOCKETIO_PAGE
        /* our own, or what only tests store */
        || p == (void *) &model_zone.sh->dirty)
    {
        return;
    }

    shared->stores += !victim;

    if (left && --left == 0) {
        counting = 0;
        die();
    }
}


void
__sanitizer_cov_store1(uint8_t *p)
{
    stored(p);
}


void
__sanitizer_cov_store2(uint16_t *p)
{
    stored(p);
}


void
__sanitizer_cov_store4(uint32_t *p)
{
    stored(p);
}


void
__sanitizer_cov_store8(uint64_t *p)
{
    stored(p);
}


void
__sanitizer_cov_store16(__uint128_t *p)
{
    stored(p);
}


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


static void
wait_for(pid_t pid)
{
    int  status;

    must(waitpid(pid, &status, 0) == pid);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "a death at store %u is not mended\n",
                (unsigned) store);
        hint();
        exit(1);
    }
}


/* how the hold ends: in a process of its own */

static void
scout_unlocking(void)
{
    counting = 0;
    death_see(&shared->after);
    leave();
}


static void
victim_unlocking(void)
{
    fprintf(stderr, "a hold is not what it was\n");
    abort();
}


static void
locking(void)
{
    pid_t       pid;
    ngx_uint_t  i, n;

    hold++;

    if (only_hold ? hold != only_hold : random_of(&dice, every) != 0) {
        return;
    }

    if (model_zone.sh->dirty) {
        return;
    }

    death_see(&before);
    shared->stores = 0;
    store = 0;

    pid = fork();
    must(pid != -1);

    if (pid == 0) {
        stub_locking = NULL;
        stub_unlocking = scout_unlocking;
        counting = 1;
        return;
    }

    wait_for(pid);
    n = shared->stores;

    for (i = 1; i <= n; i++) {

        if (only_store ? i != only_store
                       : n > SHORT && random_of(&dice, n) >= SOME)
        {
            continue;
        }

        store = i;
        (void) random_of(&dice, 2);
        pid = fork();
        must(pid != -1);

        if (pid == 0) {
            stub_locking = NULL;
            stub_unlocking = victim_unlocking;
            victim = 1;
            counting = 1;
            left = i;
            return;
        }

        wait_for(pid);
    }
}


static void
history(ngx_uint_t n, ngx_uint_t pages)
{
    last[0] = n;
    last[1] = pages;
    seed = n * 0x9e3779b97f4a7c15 + 1;
    dice = n * 0xbf58476d1ce4e5b9 + 3;
    hold = 0;

    stub_locking = locking;
    model_run(pages, 0, 3000);
    stub_locking = NULL;
}


int
main(int argc, char **argv)
{
    char        *deaths;
    ngx_uint_t   i, n, max;

    static ngx_uint_t  pages[] = { 200, 16, 25 };

    model_choose = choose;
    check_hint = hint;
    store_mailbox_max = 12;
    store_scan_hold = 3;
    store_scan_look = 5;

    shared = mmap(NULL, sizeof(shared_t), PROT_READ|PROT_WRITE,
                  MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    must(shared != MAP_FAILED);

    deaths = getenv("STORE_DEATHS");
    max = deaths ? strtoul(deaths, NULL, 10) : 500;
    every = 180;

    if (argc > 2) {
        if (argc > 4) {
            only_hold = strtoul(argv[3], NULL, 10);
            only_store = strtoul(argv[4], NULL, 10);
        }

        history(strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10));
        return 0;
    }

    for (n = 0; shared->deaths < max || n < 3; n++) {
        i = n % (sizeof(pages) / sizeof(pages[0]));
        history(n, pages[i]);
    }

    ok(shared->deaths >= max, "%u deaths in %u histories",
       (unsigned) shared->deaths, (unsigned) n);
    ok(shared->twice > 0, "%u died in the rebuild, too",
       (unsigned) shared->twice);
    ok(shared->closed * 3 < shared->deaths, "%u sessions closed for it",
       (unsigned) shared->closed);

    return tap_done();
}
