
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What of a zone is not truth, field by field: rubbish is written over it,
 * and what a rebuild makes of that is compared with what was there.  A field
 * that is not in these tables is truth, and must stay as it is to the bit.
 *
 *   CACHE   must come back as it was
 *   LINK    of a list that is a set, or a place on the wheel: is compared by
 *           the digest and the walker of store_check.h
 */


#ifndef _STORE_SCRAMBLE_H_INCLUDED_
#define _STORE_SCRAMBLE_H_INCLUDED_


#include "store_model.h"


typedef enum {
    CACHE = 0,
    LINK
} scramble_kind_e;


typedef struct {
    ngx_uint_t        type;
    const char       *name;
    size_t            at;
    size_t            size;
    scramble_kind_e   kind;
} scramble_field_t;


#define FIELD(type, record, field, kind)                                      \
    { type, #record "." #field, offsetof(ngx_socketio_##record##_t, field),   \
      sizeof(((ngx_socketio_##record##_t *) 0)->field), kind }


static scramble_field_t  scramble_records[] = {
    FIELD(NGX_SOCKETIO_SESSION, session, hash_next, LINK),
    FIELD(NGX_SOCKETIO_SESSION, session, budget, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, wheel_next, LINK),
    FIELD(NGX_SOCKETIO_SESSION, session, wheel_prev, LINK),
    FIELD(NGX_SOCKETIO_SESSION, session, wheel, LINK),
    FIELD(NGX_SOCKETIO_SESSION, session, nsockets, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, outbox, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, outbox_tail, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, outbox_n, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, outbox_bytes, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, inbox, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, inbox_tail, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, inbox_n, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, inbox_bytes, CACHE),
    FIELD(NGX_SOCKETIO_SESSION, session, sockets, LINK),
    FIELD(NGX_SOCKETIO_SESSION, session, partial, CACHE),

    FIELD(NGX_SOCKETIO_SOCKET, socket, next, LINK),
    FIELD(NGX_SOCKETIO_SOCKET, socket, members, CACHE),
    FIELD(NGX_SOCKETIO_SOCKET, socket, inbox_next, CACHE),
    FIELD(NGX_SOCKETIO_SOCKET, socket, data_len, CACHE),
    FIELD(NGX_SOCKETIO_SOCKET, socket, nrooms, CACHE),
    FIELD(NGX_SOCKETIO_SOCKET, socket, pass, CACHE),
    FIELD(NGX_SOCKETIO_SOCKET, socket, awaited, CACHE),
    FIELD(NGX_SOCKETIO_SOCKET, socket, nawaited, CACHE),

    FIELD(NGX_SOCKETIO_PASS, pass, next, LINK),
    FIELD(NGX_SOCKETIO_PASS, pass, prev, LINK),

    FIELD(NGX_SOCKETIO_ROOM, room, hash_next, LINK),
    FIELD(NGX_SOCKETIO_ROOM, room, refs, CACHE),
    FIELD(NGX_SOCKETIO_ROOM, room, list[0], LINK),
    FIELD(NGX_SOCKETIO_ROOM, room, list[1], LINK),
    FIELD(NGX_SOCKETIO_ROOM, room, n[0], CACHE),
    FIELD(NGX_SOCKETIO_ROOM, room, n[1], CACHE),

    FIELD(NGX_SOCKETIO_MEMBER, member, rec.kind, CACHE),
    FIELD(NGX_SOCKETIO_MEMBER, member, next, LINK),
    FIELD(NGX_SOCKETIO_MEMBER, member, prev, LINK),
    FIELD(NGX_SOCKETIO_MEMBER, member, socket_next, CACHE),

    FIELD(NGX_SOCKETIO_NODE, node, next, CACHE),
    FIELD(NGX_SOCKETIO_NODE, node, prev, CACHE),

    FIELD(NGX_SOCKETIO_MESSAGE, message, nodes, CACHE),
    FIELD(NGX_SOCKETIO_MESSAGE, message, next, LINK),
    FIELD(NGX_SOCKETIO_MESSAGE, message, prev, LINK),

    FIELD(NGX_SOCKETIO_EVENT, event, next, CACHE),
    FIELD(NGX_SOCKETIO_EVENT, event, ack_next, LINK),
    FIELD(NGX_SOCKETIO_EVENT, event, ack_prev, LINK),
    FIELD(NGX_SOCKETIO_EVENT, event, attached_tail, CACHE),

    FIELD(NGX_SOCKETIO_ACK, ack, awaited, LINK),
    FIELD(NGX_SOCKETIO_ACK, ack, answers, CACHE),
    FIELD(NGX_SOCKETIO_ACK, ack, answers_tail, CACHE),
    FIELD(NGX_SOCKETIO_ACK, ack, refs, CACHE),
    FIELD(NGX_SOCKETIO_ACK, ack, wheel, LINK),
    FIELD(NGX_SOCKETIO_ACK, ack, wheel_next, LINK),
    FIELD(NGX_SOCKETIO_ACK, ack, wheel_prev, LINK),
    FIELD(NGX_SOCKETIO_ACK, ack, next, LINK),
    FIELD(NGX_SOCKETIO_ACK, ack, prev, LINK),

    FIELD(NGX_SOCKETIO_KEY, keyed, next, LINK),
    FIELD(NGX_SOCKETIO_KEY, keyed, prev, LINK),
    FIELD(NGX_SOCKETIO_KEY, keyed, hash_next, LINK),

    FIELD(NGX_SOCKETIO_LOG, log, next, CACHE),
    FIELD(NGX_SOCKETIO_LOG, log, prev, CACHE),

    FIELD(NGX_SOCKETIO_ADDRESS, address, hash_next, LINK),
    FIELD(NGX_SOCKETIO_ADDRESS, address, n, CACHE)
};

static scramble_field_t  scramble_header[] = {
    FIELD(0, zone_sh, free_pages, CACHE),
    FIELD(0, zone_sh, free_page, LINK),
    FIELD(0, zone_sh, key, LINK),
    FIELD(0, zone_sh, key_tail, LINK),
    FIELD(0, zone_sh, nkeys, CACHE),
    FIELD(0, zone_sh, partial, LINK),
    FIELD(0, zone_sh, nfree, CACHE),
    FIELD(0, zone_sh, wheel, LINK),
    FIELD(0, zone_sh, wheel_map, LINK),
    FIELD(0, zone_sh, log, CACHE),
    FIELD(0, zone_sh, log_tail, CACHE),
    FIELD(0, zone_sh, log_n, CACHE),
    FIELD(0, zone_sh, log_bytes, CACHE),
    FIELD(0, zone_sh, lost, LINK),
    FIELD(0, zone_sh, lost_tail, LINK),
    FIELD(0, zone_sh, stats.sessions, CACHE),
    FIELD(0, zone_sh, stats.sockets, CACHE),
    FIELD(0, zone_sh, stats.rooms, CACHE),
    FIELD(0, zone_sh, holds, LINK),
    FIELD(0, zone_sh, now, CACHE)
};

static scramble_field_t  scramble_slots[] = {
    FIELD(0, slot, websockets, CACHE),
    FIELD(0, slot, mailbox, CACHE),
    FIELD(0, slot, mailbox_tail, CACHE),
    FIELD(0, slot, mailbox_n, CACHE),
    FIELD(0, slot, messages, LINK),
    FIELD(0, slot, acks, LINK)
};

/* the walker sees to the order of pages and of what is free on them */

static scramble_field_t  scramble_pages[] = {
    FIELD(0, page, linked, CACHE),
    FIELD(0, page, used, CACHE),
    FIELD(0, page, free, LINK),
    FIELD(0, page, next, LINK),
    FIELD(0, page, prev, LINK)
};

#define SCRAMBLE_N(fields)  (sizeof(fields) / sizeof(fields[0]))


static uint32_t   (*scramble_random)(uint32_t n);
static ngx_uint_t   scramble_share;         /* one of so many fields */
static ngx_uint_t   scramble_hit[SCRAMBLE_N(scramble_records)];
static u_char      *scramble_copy;
static size_t       scramble_size;
static ngx_uint_t   scramble_mended;        /* slots are rung, too */


static u_char *
scramble_base(void)
{
    return (u_char *) model_zone.sh;
}


/* where the same is in the copy */

static void *
scramble_was(void *p)
{
    return scramble_copy + ((u_char *) p - scramble_base());
}


static uint64_t
scramble_rubbish(void)
{
    switch (scramble_random(5)) {

    case 0:
        return 0;

    case 1:
        return UINT64_MAX;

    case 2:
        /* a reference that might be one */
        return (1 + scramble_random(model_zone.sh->npages)) << 8
               | scramble_random(16);

    case 3:
        return scramble_random(4);

    default:
        return (uint64_t) scramble_random(0x7fffffff) * 0x9e3779b97f4a7c15;
    }
}


static void
scramble_write(u_char *p, size_t size)
{
    size_t    n;
    uint64_t  rubbish;

    for ( /* void */ ; size; size -= n, p += n) {
        rubbish = scramble_rubbish();
        n = ngx_min(size, sizeof(rubbish));
        ngx_memcpy(p, &rubbish, n);
    }
}


static void
scramble_fields(void *p, scramble_field_t *fields, ngx_uint_t n,
    ngx_uint_t type, ngx_uint_t *hit)
{
    u_char      *field;
    ngx_uint_t   i;

    static u_char  none[sizeof(ngx_socketio_gauges_t)];

    for (i = 0; i < n; i++) {
        field = (u_char *) p + fields[i].at;

        if (fields[i].type != type || scramble_random(scramble_share)) {
            continue;
        }

        if (hit) {
            hit[i] += memcmp(field, none, fields[i].size) != 0;
        }

        scramble_write(field, fields[i].size);
    }
}


/* on the held list of one that lives: its links are truth */

static ngx_uint_t
scramble_kept(ngx_socketio_node_t *node)
{
    return node->owner < model_zone.sh->nslots
           && ngx_socketio_node_held(&model_zone.slots[node->owner], node)
           && !(check_dead & (uint64_t) 1 << node->owner);
}


static ngx_uint_t
scramble_held_dead(ngx_socketio_node_t *node)
{
    return node->owner < model_zone.sh->nslots
           && ngx_socketio_node_held(&model_zone.slots[node->owner], node)
           && check_dead & (uint64_t) 1 << node->owner;
}


static void
scramble_record(ngx_socketio_ref_t ref, ngx_uint_t type)
{
    ngx_socketio_ack_t      *ack;
    ngx_socketio_rec_t      *rec;
    ngx_socketio_session_t  *session;

    rec = ngx_socketio_rec(&model_zone, ref);

    if (!rec->used) {
        scramble_write(&rec->kind, sizeof(*rec) - offsetof(ngx_socketio_rec_t,
                                                           kind));
        return;
    }

    if (type == NGX_SOCKETIO_NODE
        && scramble_kept((ngx_socketio_node_t *) rec))
    {
        return;
    }

    scramble_fields(rec, scramble_records, SCRAMBLE_N(scramble_records), type,
                    scramble_hit);

    if (type == NGX_SOCKETIO_SESSION) {
        session = (ngx_socketio_session_t *) rec;
        session->limited = scramble_random(2);
    }

    /* what the backend is told of answers is nowhere else */

    if (type == NGX_SOCKETIO_ACK) {
        ack = (ngx_socketio_ack_t *) rec;

        if (ack->token == 0) {
            ack->received = (uint32_t) scramble_rubbish();
        }
    }
}


static void
scramble_all(void)
{
    uint32_t               page;
    ngx_uint_t             i, type;
    ngx_socketio_slot_t   *slot;

    static size_t  tables[] = { offsetof(ngx_socketio_zone_t, sids),
                                offsetof(ngx_socketio_zone_t, rooms),
                                offsetof(ngx_socketio_zone_t, keys),
                                offsetof(ngx_socketio_zone_t, addresses) };

    static ngx_uint_t  shares[] = { 1, 2, 16 };

    scramble_share = shares[scramble_random(3)];

    for (page = 1; page <= model_zone.sh->npages; page++) {
        type = model_zone.table[page - 1].type;

        for (i = 0;
             type != NGX_SOCKETIO_FREE
             && i < NGX_SOCKETIO_PAGE
                    / (ngx_uint_t) ngx_socketio_record_sizes[type];
             i++)
        {
            scramble_record(page << 8 | (uint32_t) i, type);
        }

        scramble_fields(&model_zone.table[page - 1], scramble_pages,
                        SCRAMBLE_N(scramble_pages), 0, NULL);
    }

    for (i = 0; i < model_zone.sh->nslots; i++) {
        slot = &model_zone.slots[i];

        scramble_fields(slot, scramble_slots, SCRAMBLE_N(scramble_slots), 0,
                        NULL);

        ngx_socketio_slot_counters(&model_zone, i)->n[NGX_SOCKETIO_N_HELD] =
                                                          scramble_rubbish();

        if (check_dead & (uint64_t) 1 << i) {
            slot->held = (ngx_socketio_ref_t) scramble_rubbish();
            slot->held_tail = (ngx_socketio_ref_t) scramble_rubbish();
        }
    }

    for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        scramble_write(*(u_char **) ((u_char *) &model_zone + tables[i]),
                       model_zone.sh->nbuckets * sizeof(ngx_socketio_ref_t));
    }

    scramble_fields(model_zone.sh, scramble_header,
                    SCRAMBLE_N(scramble_header), 0, NULL);
}


/* used records only: free ones are poisoned, and of no matter */

static void
scramble_save(void)
{
    size_t               head, size;
    uint32_t             page;
    ngx_uint_t           i, type;
    ngx_socketio_rec_t  *rec;

    head = (size_t) (model_zone.pages - scramble_base());
    size = head + (size_t) model_zone.sh->npages * NGX_SOCKETIO_PAGE;

    if (size > scramble_size) {
        free(scramble_copy);
        scramble_copy = malloc(size);
        must(scramble_copy != NULL);
        scramble_size = size;
    }

    ngx_memcpy(scramble_copy, scramble_base(), head);

    for (page = 1; page <= model_zone.sh->npages; page++) {
        type = model_zone.table[page - 1].type;

        if (type == NGX_SOCKETIO_FREE) {
            continue;
        }

        size = ngx_socketio_record_sizes[type];

        for (i = 0; i < NGX_SOCKETIO_PAGE / size; i++) {
            rec = ngx_socketio_rec(&model_zone, page << 8 | (uint32_t) i);
            ngx_memcpy(scramble_was(rec), rec,
                       rec->used ? size : sizeof(*rec));
        }
    }
}


static void
scramble_differ(const char *what, ngx_socketio_ref_t ref, u_char *now,
    u_char *was, size_t size)
{
    size_t  i;

    if (memcmp(now, was, size) == 0) {
        return;
    }

    for (i = 0; now[i] == was[i]; i++) { /* void */ }

    fprintf(stderr, "%s %x differs at %u: %02x, was %02x\n", what,
            (unsigned) ref, (unsigned) i, now[i], was[i]);
    must(!"as it was");
}


static void
scramble_compare_fields(const char *what, ngx_socketio_ref_t ref, void *p,
    size_t size, scramble_field_t *fields, ngx_uint_t n, ngx_uint_t type)
{
    ngx_uint_t  i;
    u_char      now[sizeof(ngx_socketio_zone_sh_t)];
    u_char      was[sizeof(ngx_socketio_zone_sh_t)];

    ngx_memcpy(now, p, size);
    ngx_memcpy(was, scramble_was(p), size);

    for (i = 0; i < n; i++) {
        if (fields[i].type == type && fields[i].kind == LINK) {
            ngx_memzero(now + fields[i].at, fields[i].size);
            ngx_memzero(was + fields[i].at, fields[i].size);
        }
    }

    scramble_differ(what, ref, now, was, size);
}


static void
scramble_compare_record(ngx_socketio_ref_t ref, ngx_uint_t type)
{
    char                   what[16];
    ngx_socketio_rec_t    *rec, *was;
    ngx_socketio_node_t   *node;
    ngx_socketio_event_t  *event;

    rec = ngx_socketio_rec(&model_zone, ref);
    was = scramble_was(rec);

    must(rec->used == was->used);

    if (!rec->used) {
        return;
    }

    if (type == NGX_SOCKETIO_NODE
        && scramble_held_dead((ngx_socketio_node_t *) rec))
    {
        node = (ngx_socketio_node_t *) was;
        node->next = ((ngx_socketio_node_t *) rec)->next;
        node->prev = ((ngx_socketio_node_t *) rec)->prev;
    }

    /* whose answers are being forgotten, one after the other */

    if (type == NGX_SOCKETIO_ACK && ((ngx_socketio_ack_t *) rec)->sending) {
        ((ngx_socketio_ack_t *) was)->received =
                                        ((ngx_socketio_ack_t *) rec)->received;
    }

    /* of one that has all its attachments nobody looks for the last one */

    if (type == NGX_SOCKETIO_EVENT) {
        event = (ngx_socketio_event_t *) rec;

        if (event->got == event->attachments) {
            ((ngx_socketio_event_t *) was)->attached_tail =
                                                         event->attached_tail;
        }
    }

    snprintf(what, sizeof(what), "type %u", (unsigned) type);

    if (type >= NGX_SOCKETIO_BYTES) {
        scramble_differ(what, ref, (u_char *) rec, (u_char *) was,
                        ngx_socketio_record_sizes[type]);
        return;
    }

    scramble_compare_fields(what, ref, rec, ngx_socketio_record_sizes[type],
                            scramble_records, SCRAMBLE_N(scramble_records),
                            type);
}


/* the held list of a dead worker is buried in any order */

static uint64_t
scramble_digest(void)
{
    uint64_t             digest;
    ngx_uint_t           i;
    ngx_socketio_ref_t   held[MODEL_SLOTS], tail[MODEL_SLOTS];
    ngx_socketio_slot_t *slots;

    slots = model_zone.slots;

    for (i = 0; i < MODEL_SLOTS; i++) {
        held[i] = slots[i].held;
        tail[i] = slots[i].held_tail;

        if (check_dead & (uint64_t) 1 << i) {
            slots[i].held = slots[i].held_tail = 0;
        }
    }

    digest = ngx_socketio_digest_locked(&model_zone);

    for (i = 0; i < MODEL_SLOTS; i++) {
        slots[i].held = held[i];
        slots[i].held_tail = tail[i];
    }

    return digest;
}


static void
scramble_compare_slot(ngx_uint_t i)
{
    ngx_uint_t                dead;
    ngx_socketio_slot_t      *slot, *was;
    ngx_socketio_counters_t  *counters, *before;

    slot = &model_zone.slots[i];
    was = scramble_was(slot);
    counters = ngx_socketio_slot_counters(&model_zone, i);
    before = scramble_was(counters);
    dead = (check_dead >> i) & 1;

    if (dead) {
        was->held = slot->held;
        was->held_tail = slot->held_tail;
        was->websockets = slot->websockets;
    }

    if (dead || slot->exiting || slot->gen == 0) {
        before->n[NGX_SOCKETIO_N_HELD] = counters->n[NGX_SOCKETIO_N_HELD];
    }

    if (scramble_mended) {
        was->all = (slot->gen != 0);
        was->ring_head = was->ring_tail = 0;
    }

    scramble_compare_fields("slot", (ngx_socketio_ref_t) i, slot,
                            sizeof(ngx_socketio_slot_t), scramble_slots,
                            SCRAMBLE_N(scramble_slots), 0);

    scramble_differ("counters", (ngx_socketio_ref_t) i, (u_char *) counters,
                    (u_char *) before, sizeof(ngx_socketio_counters_t));
}


static void
scramble_compare(void)
{
    uint32_t              page;
    ngx_uint_t            i, type;
    ngx_socketio_page_t  *pg, *was;

    scramble_compare_fields("header", 0, model_zone.sh,
                            sizeof(ngx_socketio_zone_sh_t), scramble_header,
                            SCRAMBLE_N(scramble_header), 0);

    for (i = 0; i < model_zone.sh->nslots; i++) {
        scramble_compare_slot(i);
    }

    for (page = 1; page <= model_zone.sh->npages; page++) {
        pg = &model_zone.table[page - 1];
        was = scramble_was(pg);
        type = pg->type;
        must(type == was->type);

        if (type == NGX_SOCKETIO_FREE) {
            continue;
        }

        scramble_compare_fields("page", page, pg, sizeof(*pg), scramble_pages,
                                SCRAMBLE_N(scramble_pages), 0);

        for (i = 0; i < NGX_SOCKETIO_PAGE
                        / (ngx_uint_t) ngx_socketio_record_sizes[type]; i++)
        {
            scramble_compare_record(page << 8 | (uint32_t) i, type);
        }
    }
}


#endif /* _STORE_SCRAMBLE_H_INCLUDED_ */
