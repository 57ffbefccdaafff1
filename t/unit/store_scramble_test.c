
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Links are cache: the histories of store_model.h, and at some holds rubbish
 * is written over all of a zone that a rebuild has to make anew
 * (store_scramble.h).  Then it is rebuilt, and must be what it was: each
 * record to the bit but for its place on lists without order, and those by
 * the digest and the walker; the history goes on with it.  Fails if a rebuild
 * believes a field that is not truth, or forgets to write one.
 *
 *   store_scramble_test [SEED PAGES [HOLD]]
 *
 * STORE_SCRAMBLES: how many, by default 4000.
 */


#define NGX_SOCKETIO_REBUILD  100000000     /* none of its own */

#include "tap.h"
#include "store_scramble.h"


#define CROWD        600                    /* keys; sessions try to open */
#define CROWD_SHARE  3                      /* ... from one address */


static uint64_t    seed;
static uint64_t    dice;                    /* not the history's */
static ngx_uint_t  last[2];
static ngx_uint_t  hold, only_hold;
static ngx_uint_t  scrambled, mended;


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


static uint32_t
roll(uint32_t n)
{
    return random_of(&dice, n);
}


static void
hint(void)
{
    fprintf(stderr, "with %u %u %u\n", (unsigned) last[0], (unsigned) last[1],
            (unsigned) hold);
}


/* by whoever has the lock, as zone_lock() would; who does it is not told */

static void
rebuild(ngx_socketio_zone_t *zone)
{
    uint64_t    before, tick;
    ngx_uint_t  earlier;

    tick = zone->tick;
    earlier = zone->earlier;
    before = scramble_digest();

    scramble_save();
    scramble_all();

    zone->discarded = 0;
    zone->ended = 0;
    scramble_mended = 0;

    ngx_socketio_rebuild_locked(zone);

    must(zone->discarded == 0 && zone->ended == 0);
    scramble_compare();
    check_all(&model_zone);
    must(scramble_digest() == before);
    scrambled++;

    zone->tick = tick;
    zone->earlier = earlier;
}


/* an ask that its worker goes on forgetting is forgotten at once */

static ngx_uint_t
half_done(void)
{
    ngx_socketio_ref_t   ref;
    ngx_socketio_ack_t  *ack;

    ngx_socketio_rebuild_each(&model_zone, NGX_SOCKETIO_ACK, ref) {
        ack = ngx_socketio_rec(&model_zone, ref);

        if (ack->sending) {
            return 1;
        }
    }

    return 0;
}


/* nothing was half done: but that all are told to look, nothing changes */

static void
mend(ngx_socketio_zone_t *zone)
{
    uint64_t    tick;
    ngx_uint_t  i, earlier;

    tick = zone->tick;
    earlier = zone->earlier;

    zone->sh->told = 0;
    scramble_save();
    scramble_mended = 1;

    ngx_socketio_rebuild_mend_locked(zone);

    must(zone->discarded == 0 && zone->ended == 0);
    scramble_compare();
    check_all(&model_zone);
    mended++;

    for (i = 0; i < zone->sh->nslots; i++) {
        ngx_socketio_zone_ring_locked(zone, i);
    }

    zone->tick = tick;
    zone->earlier = earlier;
}


static void
locking(void)
{
    hold++;

    if ((only_hold ? hold != only_hold : roll(40) != 0)
        || model_zone.sh->dirty)
    {
        return;
    }

    rebuild(store_locker);

    if (roll(4) == 0
        && store_locker->slot_gen && check_dead == 0 && !half_done())
    {
        mend(store_locker);
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


/* what a history has none of, or not enough to share a bucket */

static void
crowd_open(ngx_uint_t n)
{
    uint32_t             address;
    ngx_str_t            name;
    ngx_socketio_id_t    id;
    ngx_socketio_open_t  open;

    ngx_memzero(&open, sizeof(open));
    ngx_memcpy(open.key.sid, &n, sizeof(n));
    open.key.revision = open.peer.revision = 4;
    open.interval = 25000;
    open.timeout = 20000;
    open.per_ip = 1;

    address = (uint32_t) (n / CROWD_SHARE) * 0x9e3779b1;
    name.data = (u_char *) &address;
    name.len = sizeof(address);
    ngx_socketio_name_set(&open.address, &name);

    must(ngx_socketio_open(&model_workers[n & 1].zone, &open, &id, model_now)
         == (n % CROWD_SHARE ? NGX_DECLINED : NGX_OK));
}


/* NGX_OK: nobody had it */

static ngx_int_t
crowd_key(ngx_uint_t n, ngx_socketio_id_t *id)
{
    u_char                     text[4];
    ngx_str_t                  name;
    ngx_socketio_name_t        key;
    ngx_socketio_key_result_t  result;

    text[0] = (u_char) n;
    text[1] = (u_char) (n >> 8);
    name.data = text;
    name.len = 2;
    ngx_socketio_name_set(&key, &name);

    return ngx_socketio_key_take(&model_workers[0].zone, &key, id, &result,
                                 model_now);
}


static void
crowd(void)
{
    ngx_uint_t                 i;
    ngx_str_t                  text;
    ngx_socketio_id_t          id;
    ngx_socketio_key_result_t  result;

    static u_char  frame[] = "\x81\x01x";

    seed = dice = 7;
    model_begin(300, 0);

    hold = 0;
    stub_locking = locking;
    ngx_memzero(&result, sizeof(result));
    text.data = frame;
    text.len = sizeof(frame) - 1;

    for (i = 0; i < CROWD; i++) {
        crowd_open(i);

        must(crowd_key(i, &id) == NGX_OK);

        if (i % 3 == 0) {
            ngx_socketio_key_ran(&model_workers[0].zone, &id, &result,
                                 model_now);
        }

        /* being filled: a worker has one at a time, but nothing says so */

        must(ngx_socketio_message_make_lock(&model_workers[i & 1].zone, &text,
                                            1)
             != 0);
        ngx_socketio_zone_unlock(&model_workers[i & 1].zone);

        model_now++;
        stub_clock(model_now);
    }

    for (i = 0; i < CROWD; i++) {
        must(crowd_key(i, &id) == (i % 3 ? NGX_DECLINED : NGX_DONE));
    }

    /* forgotten by their deadlines, the oldest first */

    model_now += NGX_SOCKETIO_KEY_MSEC - CROWD / 2;
    ngx_socketio_key_expire(&model_workers[0].zone, model_now);
    must(model_zone.sh->nkeys > 0 && model_zone.sh->nkeys < CROWD);

    stub_locking = NULL;
    model_end();
}


int
main(int argc, char **argv)
{
    char        *env;
    ngx_uint_t   i, n, max;

    static ngx_uint_t  pages[] = { 25, 60, 16 };

    model_choose = choose;
    scramble_random = roll;
    check_hint = hint;
    store_mailbox_max = 12;
    store_scan_hold = 3;
    store_scan_look = 5;

    env = getenv("STORE_SCRAMBLES");
    max = env ? strtoul(env, NULL, 10) : 4000;

    if (argc > 2) {
        only_hold = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
        history(strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10));
        return 0;
    }

    crowd();
    ok(scrambled > 0, "a crowd scrambled %u times", (unsigned) scrambled);

    for (n = 0; scrambled < max; n++) {
        history(n, pages[n % (sizeof(pages) / sizeof(pages[0]))]);
    }

    ok(scrambled >= max, "%u zones scrambled in %u histories",
       (unsigned) scrambled, (unsigned) n);
    ok(mended > 0, "%u mended, too", (unsigned) mended);

    /* of a field that was never anything but 0 nothing has been shown */

    for (i = 0; i < SCRAMBLE_N(scramble_records); i++) {
        ok(scramble_hit[i] > 0, "%s", scramble_records[i].name);
    }

    return tap_done();
}
