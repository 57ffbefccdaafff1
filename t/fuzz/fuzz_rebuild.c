
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A zone in which a worker died, whatever it had written.  The input takes one
 * of a few zones that the model's workers have filled, and overwrites bytes of
 * it, truths and the page table, too; all that is left alone is what never
 * changes once the zone is there.  Then it is rebuilt as by who locks next.
 * Whatever the bytes, that ends and stays within the zone, and so does the
 * burial of all workers after it.  With REBUILD_STRICT in the environment the
 * walker of store_check.h goes through the zone, too: it finds truths that no
 * death can leave, and that a rebuild does not look at.
 *
 *   byte      zone
 *   n times:  how, 2 bytes where, 1 byte at which offset, 4 bytes what
 */


#include "store_model.h"


#define ZONES   4
#define PAGES   48
#define STEPS   400


enum {
    AT_RECORD = 0,                          /* a used one: the n-th */
    AT_PAGE,                                /* any bytes of a page */
    AT_TABLE,                               /* its entry */
    AT_SLOT,
    AT_HEADER,
    AT_HASHES,
    AT_LAST
};


static uint64_t             seed;
static u_char              *images[ZONES];
static uint64_t             deads[ZONES];
static uint64_t             clocks[ZONES];
static size_t               image_size;
static ngx_socketio_zone_t  mourner;

static ngx_uint_t           nrefs[ZONES];
static ngx_socketio_ref_t  *refs[ZONES];


static uint32_t
choose(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (uint32_t) (seed >> 33) % n;
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
image_refs(ngx_uint_t n)
{
    uint32_t    page;
    ngx_uint_t  i, type;

    refs[n] = calloc(PAGES * 64, sizeof(ngx_socketio_ref_t));
    must(refs[n] != NULL);

    for (page = 1; page <= PAGES; page++) {
        type = model_zone.table[page - 1].type;

        for (i = 0;
             type != NGX_SOCKETIO_FREE && nrefs[n] < PAGES * 64
             && i < NGX_SOCKETIO_PAGE
                    / (ngx_uint_t) ngx_socketio_record_sizes[type];
             i++)
        {
            if (ngx_socketio_used_locked(&model_zone, type,
                                         page << 8 | (uint32_t) i))
            {
                refs[n][nrefs[n]++] = page << 8 | (uint32_t) i;
            }
        }
    }
}


/* the block stays, so that what is private to a process fits all of them */

static void
image(ngx_uint_t n)
{
    ngx_uint_t  i;

    static void  *block;

    seed = (n + 1) * 0x9e3779b97f4a7c15 + 1;
    model_choose = choose;
    stub_block = NULL;
    model_begin(PAGES, 0);

    for (i = 0; i < STEPS || nrefs[n] < 200; i++) {
        model_step();
        model_sync();
        must(!model_gone() && i < 100 * STEPS);

        nrefs[n] = (ngx_uint_t) model_zone.sh->npages
                   - model_zone.sh->free_pages > 30 ? 200 : 0;
    }

    nrefs[n] = 0;
    store_unpoison_all(&model_zone);
    image_refs(n);

    image_size = (size_t) (model_zone.pages - (u_char *) model_zone.sh)
                 + PAGES * NGX_SOCKETIO_PAGE;
    images[n] = malloc(image_size);
    must(images[n] != NULL);
    ngx_memcpy(images[n], model_zone.sh, image_size);

    deads[n] = check_dead;
    clocks[n] = model_now;
    stub_unlocking = NULL;

    if (n) {
        free(stub_block);
        stub_block = block;

    } else {
        block = stub_block;
    }
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    ngx_uint_t            n;
    ngx_socketio_zone_t   zone;

    (void) model_run;                       /* that is another fuzzer */
    (void) argc;
    (void) argv;

    store_mailbox_max = 12;
    store_scan_hold = 3;
    store_scan_look = 5;

    for (n = 0; n < ZONES; n++) {
        image(n);

        if (n == 0) {
            zone = model_zone;
        }
    }

    model_zone = zone;
    model_pool.data = zone.sh;

    /* beyond the last page nothing is anybody's */

    ASAN_POISON_MEMORY_REGION((u_char *) zone.sh + image_size,
                              (PAGES + 64) * NGX_SOCKETIO_PAGE - image_size);

    return 0;
}


/* where the input says; *len: how much there is */

static u_char *
spot(ngx_uint_t zone, ngx_uint_t how, uint32_t where, uint32_t at, size_t *len)
{
    size_t                   off;
    ngx_socketio_ref_t       ref;
    ngx_socketio_zone_sh_t  *sh;

    sh = model_zone.sh;

    switch (how % AT_LAST) {

    case AT_RECORD:
        ref = refs[zone][where % nrefs[zone]];

        /* its page may be of another type by now */

        if (model_zone.table[(ref >> 8) - 1].type < NGX_SOCKETIO_TYPES) {
            *len = ngx_socketio_record_sizes[ngx_socketio_type(&model_zone,
                                                               ref)];
            off = at % *len;

            if ((ref & 0xff) < NGX_SOCKETIO_PAGE / *len) {
                *len -= off;
                return (u_char *) ngx_socketio_rec(&model_zone, ref) + off;
            }
        }

        *len = 1;
        return model_zone.pages + ((ref >> 8) - 1) * NGX_SOCKETIO_PAGE;

    case AT_PAGE:
        off = ((where << 8) | at) % (PAGES * NGX_SOCKETIO_PAGE);
        *len = PAGES * NGX_SOCKETIO_PAGE - off;
        return model_zone.pages + off;

    case AT_TABLE:
        off = ((where << 8) | at) % (PAGES * sizeof(ngx_socketio_page_t));
        *len = PAGES * sizeof(ngx_socketio_page_t) - off;
        return (u_char *) model_zone.table + off;

    case AT_SLOT:
        off = ((where << 8) | at) % (MODEL_SLOTS * sizeof(ngx_socketio_slot_t));
        *len = MODEL_SLOTS * sizeof(ngx_socketio_slot_t) - off;
        return (u_char *) model_zone.slots + off;

    case AT_HEADER:

        /* but for what is never written, and the number of attempts */

        off = offsetof(ngx_socketio_zone_sh_t, free_pages);
        if (where & 1) {
            off = offsetof(ngx_socketio_zone_sh_t, key);
        } else if (where & 2) {
            off = offsetof(ngx_socketio_zone_sh_t, doubt);
        }

        *len = 8;

        if (off == offsetof(ngx_socketio_zone_sh_t, key)) {
            *len = sizeof(*sh) - off;
            off += ((where << 8) | at) % *len;
            *len = sizeof(*sh) - off;
        }

        return (u_char *) sh + off;

    default:
        off = ((where << 8) | at) % (4 * sh->nbuckets
                                   * sizeof(ngx_socketio_ref_t));
        *len = 4 * sh->nbuckets * sizeof(ngx_socketio_ref_t) - off;
        return (u_char *) model_zone.sids + off;
    }
}


static void
spoil(ngx_uint_t zone, const uint8_t *data)
{
    u_char    *p;
    size_t     len;
    uint32_t   what, where;

    where = data[1] | (uint32_t) data[2] << 8;
    ngx_memcpy(&what, data + 4, sizeof(what));

    p = spot(zone, data[0] & 0x0f, where, data[3], &len);

    switch ((data[0] >> 4) & 3) {

    case 0:
        break;

    case 1:
        /* some record */
        what = refs[zone][what % nrefs[zone]];
        break;

    case 2:
        /* all along */
        len = ngx_min(len, ((what >> 8) & 0x1ff));
        ngx_memset(p, what & 0xff, len);
        return;

    default:
        len = ngx_min(len, 1);
    }

    ngx_memcpy(p, &what, ngx_min(len, sizeof(what)));
}


static void
bury_all(void)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_socketio_grave_t  grave;

    for (i = 0; i < MODEL_SLOTS; i++) {

        if (i == mourner.slot && mourner.slot_gen) {
            continue;
        }

        ngx_memzero(&grave, sizeof(grave));

        do {
            rc = ngx_socketio_slot_bury(&mourner, i, &grave, model_now);
        } while (rc == NGX_AGAIN);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t  n;

    if (size == 0) {
        return 0;
    }

    n = data[0] % ZONES;

    store_unpoison_all(&model_zone);
    ngx_memcpy(model_zone.sh, images[n], image_size);
    check_dead = deads[n];
    model_now = clocks[n];
    stub_clock(model_now);

    for (data++, size--; size >= 8; data += 8, size -= 8) {
        spoil(n, data);
    }

    model_zone.sh->dirty = 1;

    ngx_memzero(&mourner, sizeof(mourner));
    must(ngx_socketio_zone_init(&mourner, &model_shm, &model_zone, 0)
         == NGX_OK);
    mourner.wake = nothing_woken;
    mourner.inbox = nothing_owned;

    ngx_socketio_zone_lock(&mourner);
    must(mourner.rebuilt);

    if (getenv("REBUILD_STRICT")) {
        check_all(&model_zone);
    }

    ngx_socketio_zone_unlock(&mourner);

    bury_all();

    return 0;
}
