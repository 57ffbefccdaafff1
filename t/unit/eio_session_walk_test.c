
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Every order in which the clients, connections, workers and the clock of one
 * session may do what they do: all states that are reachable, each with every
 * move that is possible there.  Time goes in steps of 50 ms and two messages
 * at most wait, so there is an end.  See eio_session_model.h for what must
 * hold; a failure is shown as the shortest way there.
 */


#include "tap.h"

#include "proto/ngx_socketio_eio_session.c"


static void failed(const char *what, int line);


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        failed(#cond, __LINE__);                                              \
    }

#include "eio_session_model.h"


#define BUCKETS  (1 << 20)


typedef struct {
    model_t     m;
    unsigned    next;               /* in its bucket */
    unsigned    from;
    unsigned    move;
} state_t;


static state_t   *states;
static unsigned   nstates, allocated;
static unsigned  *buckets;

static unsigned   at, doing;
static unsigned   failures;
static unsigned   seen[MODEL_MOVES];


static void
way(unsigned n)
{
    if (n <= 1) {
        return;
    }

    way(states[n].from);
    printf(" %s,", model_moves[states[n].move]);
}


static void
failed(const char *what, int line)
{
    if (failures++ >= 5) {
        return;
    }

    printf("# line %d: %s\n#  ", line, what);
    way(at);
    printf(" %s\n", doing < MODEL_MOVES ? model_moves[doing] : "and then");
}


/* the clock stands still, and beats move instead */

static void
normalize(model_t *m)
{
    int64_t  left;

    left = (int64_t) (m->s.beat.at - m->now);

    if (left < -MODEL_STEP) {
        /* nobody looks at it any more */
        left = -MODEL_STEP;
    }

    m->now = MODEL_BEGIN;
    m->s.beat.at = m->now + left;
}


static void
add(model_t *m, unsigned from, unsigned move)
{
    size_t          i;
    unsigned        n, hash;
    unsigned char  *p;

    normalize(m);

    hash = 2166136261;
    p = (unsigned char *) m;

    for (i = 0; i < sizeof(model_t); i++) {
        hash = (hash ^ p[i]) * 16777619;
    }

    hash %= BUCKETS;

    for (n = buckets[hash]; n; n = states[n].next) {
        if (memcmp(&states[n].m, m, sizeof(model_t)) == 0) {
            return;
        }
    }

    if (nstates == allocated) {
        allocated *= 2;
        states = realloc(states, allocated * sizeof(state_t));
    }

    n = nstates++;
    states[n].m = *m;
    states[n].from = from;
    states[n].move = move;
    states[n].next = buckets[hash];
    buckets[hash] = n;
}


static void
walk(ngx_uint_t revision, ngx_uint_t transport, const char *name)
{
    model_t   m;
    unsigned  before;

    allocated = 1024;
    states = malloc(allocated * sizeof(state_t));
    buckets = calloc(BUCKETS, sizeof(unsigned));
    nstates = 1;                    /* 0 is none */
    before = failures;

    at = 0;
    doing = MODEL_MOVES;
    model_begin(&m, revision, transport);
    add(&m, 0, MODEL_MOVES);

    for (at = 1; at < nstates && failures == before; at++) {

        doing = MODEL_MOVES;
        model_check_future(&states[at].m);

        for (doing = 0; doing < MODEL_MOVES; doing++) {

            m = states[at].m;

            if (!model_possible(&m, doing)) {
                continue;
            }

            seen[doing]++;
            model_do(&m, doing);
            model_check(&m);
            add(&m, at, doing);
        }
    }

    ok(failures == before, "revision %u, from %s: %u states",
       (unsigned) revision, name, nstates - 1);

    free(states);
    free(buckets);
}


int
main(void)
{
    unsigned  i, missing, revision;

    for (revision = 3; revision <= 4; revision++) {
        walk(revision, NGX_SOCKETIO_EIO_POLLING, "polling");
        walk(revision, NGX_SOCKETIO_EIO_WEBSOCKET, "a websocket");
    }

    missing = 0;

    for (i = 0; i < MODEL_MOVES; i++) {
        if (seen[i] == 0) {
            printf("# never: %s\n", model_moves[i]);
            missing++;
        }
    }

    ok(missing == 0, "all moves were made");

    return tap_done();
}
