
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_scan.h"
#include "store/ngx_socketio_session.h"


static ngx_socketio_ref_t ngx_socketio_scan_look_locked(
    ngx_socketio_scan_t *scan);
static ngx_socketio_word_t *ngx_socketio_scan_word(ngx_socketio_scan_t *scan);
static ngx_socketio_ref_t ngx_socketio_scan_socket_locked(
    ngx_socketio_scan_t *scan);
static ngx_socketio_ref_t ngx_socketio_scan_member_locked(
    ngx_socketio_scan_t *scan);
static void ngx_socketio_scan_enter_locked(ngx_socketio_scan_t *scan);
static ngx_socketio_ref_t ngx_socketio_scan_resume_locked(
    ngx_socketio_scan_t *scan);
static ngx_socketio_member_t *ngx_socketio_scan_still_locked(
    ngx_socketio_scan_t *scan, ngx_socketio_id_t *id);
static void ngx_socketio_scan_part_locked(ngx_socketio_scan_t *scan);
static void ngx_socketio_scan_leave_locked(ngx_socketio_scan_t *scan);
static ngx_uint_t ngx_socketio_count_locked(ngx_socketio_scan_t *scan,
    ngx_uint_t *count);
static ngx_uint_t ngx_socketio_refs_slot(ngx_socketio_refs_t *set,
    ngx_socketio_ref_t ref);


void
ngx_socketio_scan_init(ngx_socketio_scan_t *scan, ngx_socketio_zone_t *zone,
    ngx_socketio_target_t *target)
{
    ngx_memzero(scan, sizeof(ngx_socketio_scan_t));

    scan->zone = zone;
    scan->target = target;
}


void
ngx_socketio_scan_free(ngx_socketio_scan_t *scan)
{
    ngx_socketio_refs_free(&scan->met);
}


ngx_int_t
ngx_socketio_scan_ready(ngx_socketio_scan_t *scan)
{
    return ngx_socketio_refs_ready(&scan->met);
}


void
ngx_socketio_scan_begin_locked(ngx_socketio_scan_t *scan)
{
    ngx_socketio_zone_sh_t  *sh;

    sh = scan->zone->sh;

    if (scan->stamp == 0) {
        scan->stamp = sh->stamp;
        scan->epoch = sh->stats.emptied;
        scan->rebuilt = sh->stats.rebuilt;
    }

    if (scan->rebuilt != sh->stats.rebuilt) {
        /* others are behind that member now: all once more, it knows them */
        scan->rebuilt = sh->stats.rebuilt;
        scan->begun = 0;
    }

    scan->nmet = 0;
    scan->nlooks = 0;
    scan->room = 0;
    scan->nsp = 0;

    if (scan->epoch == sh->stats.emptied) {
        scan->nsp = ngx_socketio_room_find_locked(scan->zone, 0,
                                                  &scan->target->nsp);
    }

    if (scan->nsp) {
        /* it must not go while its last socket is disconnected */
        ngx_socketio_room_ref_locked(scan->zone, scan->nsp);

    } else {
        scan->done = 1;
    }
}


ngx_int_t
ngx_socketio_scan_end_locked(ngx_socketio_scan_t *scan)
{
    ngx_socketio_rec_t  *rec;

    if (scan->room) {
        scan->next.ref = scan->at;

        if (scan->at) {
            rec = ngx_socketio_rec(scan->zone, scan->at);
            scan->next.gen = rec->gen;
        }

        ngx_socketio_scan_leave_locked(scan);
    }

    if (scan->nsp) {
        ngx_socketio_room_unref_locked(scan->zone, scan->nsp);
    }

    return scan->done ? NGX_OK : NGX_AGAIN;
}


ngx_socketio_ref_t
ngx_socketio_scan_next_locked(ngx_socketio_scan_t *scan)
{
    ngx_socketio_ref_t  ref;

    while (!scan->done
           && scan->nmet < NGX_SOCKETIO_SCAN_HOLD
           && scan->nlooks < NGX_SOCKETIO_SCAN_LOOK)
    {
        scan->nlooks++;

        ref = ngx_socketio_scan_look_locked(scan);

        if (ref == 0 || !ngx_socketio_refs_add(&scan->met, ref)) {
            continue;
        }

        scan->nmet++;

        if (scan->word >= scan->target->nexcept) {
            return ref;
        }
    }

    return 0;
}


/* one socket, or a step towards one: 0 */

static ngx_socketio_ref_t
ngx_socketio_scan_look_locked(ngx_socketio_scan_t *scan)
{
    ngx_uint_t  words;

    words = scan->target->nexcept
            + (scan->target->all ? 1 : scan->target->nin);

    if (scan->word == words) {
        scan->done = 1;
        return 0;
    }

    if (scan->part == 0) {
        return ngx_socketio_scan_socket_locked(scan);
    }

    return ngx_socketio_scan_member_locked(scan);
}


/* NULL: the namespace */

static ngx_socketio_word_t *
ngx_socketio_scan_word(ngx_socketio_scan_t *scan)
{
    ngx_socketio_target_t  *target;

    target = scan->target;

    if (scan->word < target->nexcept) {
        return &target->except[scan->word];
    }

    return target->all ? NULL : &target->in[scan->word - target->nexcept];
}


static ngx_socketio_ref_t
ngx_socketio_scan_socket_locked(ngx_socketio_scan_t *scan)
{
    ngx_socketio_word_t  *word;

    word = ngx_socketio_scan_word(scan);
    scan->part = 1;

    return word ? ngx_socketio_word_socket_locked(scan->zone, scan->nsp, word)
                : 0;
}


static ngx_socketio_ref_t
ngx_socketio_scan_member_locked(ngx_socketio_scan_t *scan)
{
    ngx_socketio_member_t  *member;

    if (scan->room == 0) {
        ngx_socketio_scan_enter_locked(scan);
    }

    if (scan->at == 0) {
        ngx_socketio_scan_part_locked(scan);
        return 0;
    }

    member = ngx_socketio_rec(scan->zone, scan->at);

    scan->last.ref = scan->at;
    scan->last.gen = member->rec.gen;
    scan->begun = 1;
    scan->at = member->next;
    scan->steps++;

    return member->socket;
}


static void
ngx_socketio_scan_enter_locked(ngx_socketio_scan_t *scan)
{
    ngx_socketio_word_t  *word;

    word = ngx_socketio_scan_word(scan);

    scan->at = 0;
    scan->room = word ? ngx_socketio_word_room_locked(scan->zone, scan->nsp,
                                                      word)
                      : scan->nsp;
    if (scan->room) {
        /* a leave may take its last member */
        ngx_socketio_room_ref_locked(scan->zone, scan->room);
        scan->at = ngx_socketio_scan_resume_locked(scan);

    } else {
        scan->part = 2;
    }
}


static ngx_socketio_ref_t
ngx_socketio_scan_resume_locked(ngx_socketio_scan_t *scan)
{
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;

    if (scan->begun) {

        if (scan->next.ref == 0
            || ngx_socketio_scan_still_locked(scan, &scan->next))
        {
            return scan->next.ref;
        }

        member = ngx_socketio_scan_still_locked(scan, &scan->last);

        if (member) {
            return member->next;
        }
    }

    room = ngx_socketio_rec(scan->zone, scan->room);

    return room->list[scan->part - 1];
}


/* NULL: it has left the room, or that list of it */

static ngx_socketio_member_t *
ngx_socketio_scan_still_locked(ngx_socketio_scan_t *scan,
    ngx_socketio_id_t *id)
{
    ngx_socketio_member_t  *member;

    member = ngx_socketio_find_locked(scan->zone, NGX_SOCKETIO_MEMBER,
                                      id->ref, id->gen);

    if (member == NULL
        || member->room != scan->room
        || member->rec.kind != scan->part - 1)
    {
        return NULL;
    }

    return member;
}


/*
 * The polling list comes first: an upgrade moves a member from there to the
 * other one, where it is met, or has been met before.
 */

static void
ngx_socketio_scan_part_locked(ngx_socketio_scan_t *scan)
{
    ngx_socketio_room_t  *room;

    scan->begun = 0;

    if (++scan->part < 3) {
        room = ngx_socketio_rec(scan->zone, scan->room);
        scan->at = room->list[scan->part - 1];
        return;
    }

    scan->part = 0;
    scan->word++;

    ngx_socketio_scan_leave_locked(scan);
}


static void
ngx_socketio_scan_leave_locked(ngx_socketio_scan_t *scan)
{
    if (scan->room) {
        ngx_socketio_room_unref_locked(scan->zone, scan->room);
        scan->room = 0;
    }
}


ngx_int_t
ngx_socketio_count(ngx_socketio_scan_t *scan, ngx_uint_t *count)
{
    ngx_int_t  rc;

    if (ngx_socketio_scan_ready(scan) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_socketio_zone_lock(scan->zone);
    ngx_socketio_scan_begin_locked(scan);

    if (!scan->done && !ngx_socketio_count_locked(scan, count)) {
        while (ngx_socketio_scan_next_locked(scan)) {
            (*count)++;
        }
    }

    rc = ngx_socketio_scan_end_locked(scan);
    ngx_socketio_zone_unlock(scan->zone);

    return rc;
}


/* 1: it is known without a walk */

static ngx_uint_t
ngx_socketio_count_locked(ngx_socketio_scan_t *scan, ngx_uint_t *count)
{
    ngx_socketio_ref_t      socket, ref;
    ngx_socketio_room_t    *room;
    ngx_socketio_word_t    *word;
    ngx_socketio_target_t  *target;

    target = scan->target;

    if (target->nexcept || (!target->all && target->nin != 1)) {
        return 0;
    }

    word = ngx_socketio_scan_word(scan);
    socket = 0;
    ref = scan->nsp;

    if (word) {
        socket = ngx_socketio_word_socket_locked(scan->zone, scan->nsp, word);
        ref = ngx_socketio_word_room_locked(scan->zone, scan->nsp, word);
    }

    if (ref) {
        room = ngx_socketio_rec(scan->zone, ref);
        *count = room->n[0] + room->n[1];
    }

    if (socket
        && (ref == 0
            || !ngx_socketio_member_find_locked(scan->zone,
                                  ngx_socketio_rec(scan->zone, socket), ref)))
    {
        (*count)++;
    }

    scan->done = 1;

    return 1;
}


ngx_int_t
ngx_socketio_refs_ready(ngx_socketio_refs_t *set)
{
    ngx_uint_t            i, size;
    ngx_socketio_refs_t   more;

    size = set->size ? set->size : 1024;

    while (size < 2 * (set->n + NGX_SOCKETIO_SCAN_HOLD)) {
        size *= 2;
    }

    if (size == set->size) {
        return NGX_OK;
    }

    more.refs = ngx_calloc(size * sizeof(ngx_socketio_ref_t), ngx_cycle->log);
    more.n = 0;
    more.size = size;

    if (more.refs == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < set->size; i++) {
        if (set->refs[i]) {
            (void) ngx_socketio_refs_add(&more, set->refs[i]);
        }
    }

    ngx_socketio_refs_free(set);
    *set = more;

    return NGX_OK;
}


ngx_uint_t
ngx_socketio_refs_add(ngx_socketio_refs_t *set, ngx_socketio_ref_t ref)
{
    ngx_uint_t  i;

    i = ngx_socketio_refs_slot(set, ref);

    if (set->refs[i]) {
        return 0;
    }

    set->refs[i] = ref;
    set->n++;

    return 1;
}


/* where it is, or belongs: at most half of them are taken */

static ngx_uint_t
ngx_socketio_refs_slot(ngx_socketio_refs_t *set, ngx_socketio_ref_t ref)
{
    uint32_t  hash;

    hash = ref * 0x9e3779b1;
    hash ^= hash >> 15;

    for ( ;; ) {
        hash &= set->size - 1;

        if (set->refs[hash] == 0 || set->refs[hash] == ref) {
            return hash;
        }

        hash++;
    }
}


void
ngx_socketio_refs_free(ngx_socketio_refs_t *set)
{
    if (set->refs) {
        ngx_free(set->refs);
    }

    ngx_memzero(set, sizeof(ngx_socketio_refs_t));
}
