
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The log: messages that lost sockets may have missed, in the order of their
 * emits, with whom they are for.  Its bounds are a count, an eighth of the
 * zone, and, when memory gets scarce, the recovery time; until then what is
 * older stays, so that a client that had not been sent anything for long
 * still has an offset that is known.
 */


#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_message.h"
#include "store/ngx_socketio_bytes.h"


#define NGX_SOCKETIO_LOG_MAX    16384       /* entries */
#define NGX_SOCKETIO_LOG_STEP   64          /* freed in the hold of an emit */


static ngx_uint_t ngx_socketio_log_words_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t nsp, ngx_socketio_word_t *names, ngx_uint_t n,
    ngx_socketio_id_t *words, ngx_uint_t i);
static ngx_socketio_ref_t ngx_socketio_log_make_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_ref_t nsp,
    ngx_socketio_id_t *words, ngx_uint_t nin, ngx_uint_t nexcept);
static ngx_uint_t ngx_socketio_log_match_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_log_t *log, ngx_socketio_ref_t socket);
static ngx_uint_t ngx_socketio_log_over_locked(ngx_socketio_zone_t *zone,
    uint64_t now);
static void ngx_socketio_log_free_locked(ngx_socketio_zone_t *zone);


void
ngx_socketio_log_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_target_t *target, ngx_socketio_ref_t nsp,
    ngx_socketio_ref_t message, uint64_t now)
{
    ngx_uint_t               nin, n;
    ngx_socketio_ref_t       ref;
    ngx_socketio_log_t      *log;
    ngx_socketio_zone_sh_t  *sh;
    ngx_socketio_id_t        words[NGX_SOCKETIO_LOG_NAMES];

    sh = zone->sh;

    if (zone->recovery == 0 || target->token == 0) {
        return;
    }

    nin = 0;

    if (!target->all) {
        nin = ngx_socketio_log_words_locked(zone, nsp, target->in,
                                            target->nin, words, 0);
        if (nin == 0) {
            return;
        }
    }

    n = ngx_socketio_log_words_locked(zone, nsp, target->except,
                                      target->nexcept, words, nin);
    ref = 0;

    if (!sh->log_gap && n < NGX_SOCKETIO_LOG_NAMES) {
        ref = ngx_socketio_log_make_locked(zone, nsp, words, nin, n - nin);
    }

    if (ref == 0) {
        /* who has missed this one must not be told that it was all */
        sh->stats.full += !sh->log_gap;
        sh->log_gap = 1;
        (void) ngx_socketio_log_trim_locked(zone, NGX_SOCKETIO_LOG_STEP, now);
        return;
    }

    ngx_socketio_message_hold_locked(zone, message);

    log = ngx_socketio_rec(zone, ref);
    log->token = target->token;
    log->time = now;
    log->message = message;

    ngx_socketio_list_add_locked(zone, &sh->log, &sh->log_tail, ref,
                                 offsetof(ngx_socketio_log_t, next));
    sh->log_n++;
    sh->log_bytes += ((ngx_socketio_message_t *)
                      ngx_socketio_rec(zone, message))->len;

    ngx_socketio_used(log);

    (void) ngx_socketio_log_trim_locked(zone, NGX_SOCKETIO_LOG_STEP, now);
}


/*
 * The rooms and sockets that these names are, from words[i] on.  Returns i
 * and their number; NGX_SOCKETIO_LOG_NAMES: that may be too many.
 */

static ngx_uint_t
ngx_socketio_log_words_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t nsp, ngx_socketio_word_t *names, ngx_uint_t n,
    ngx_socketio_id_t *words, ngx_uint_t i)
{
    ngx_socketio_ref_t      ref;
    ngx_socketio_word_t    *name;
    ngx_socketio_socket_t  *socket;

    for (name = names; name < names + n; name++) {

        if (i + 2 > NGX_SOCKETIO_LOG_NAMES) {
            return NGX_SOCKETIO_LOG_NAMES;
        }

        ref = ngx_socketio_word_room_locked(zone, nsp, name);

        if (ref) {
            words[i].ref = ref;
            words[i++].gen = 0;
        }

        if (name->socket.ref == 0) {
            continue;
        }

        /* also one that is ended: it may be lost later */

        socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET,
                                          name->socket.ref, name->socket.gen);
        if (socket
            && socket->pass
            && socket->nsp == nsp
            && ngx_memcmp(socket->secret, name->secret, NGX_SOCKETIO_SECRET)
               == 0)
        {
            words[i++] = name->socket;
        }
    }

    return i;
}


/* 0: the zone is full */

static ngx_socketio_ref_t
ngx_socketio_log_make_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t nsp, ngx_socketio_id_t *words, ngx_uint_t nin,
    ngx_uint_t nexcept)
{
    ngx_str_t            text;
    ngx_uint_t           i, n;
    ngx_socketio_ref_t   ref;
    ngx_socketio_log_t  *log;

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_LOG);
    if (ref == 0) {
        return 0;
    }

    log = ngx_socketio_rec(zone, ref);
    n = nin + nexcept;

    text.data = (u_char *) words;
    text.len = n * sizeof(ngx_socketio_id_t);

    if (n <= NGX_SOCKETIO_LOG_WORDS) {
        ngx_memcpy(log->words, words, text.len);

    } else {
        log->more = ngx_socketio_bytes_alloc_locked(zone, ref, text.len,
                                                    NULL);
        if (log->more == 0) {
            ngx_socketio_free_locked(zone, ref);
            return 0;
        }

        ngx_socketio_bytes_write(zone, log->more, &text, 1);
    }

    log->nin = (uint16_t) nin;
    log->nexcept = (uint16_t) nexcept;
    log->nsp = nsp;

    ngx_socketio_room_ref_locked(zone, nsp);

    for (i = 0; i < n; i++) {
        if (words[i].gen == 0) {
            ngx_socketio_room_ref_locked(zone, words[i].ref);
        }
    }

    return ref;
}


ngx_socketio_id_t *
ngx_socketio_log_read_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_log_t *log, ngx_socketio_id_t *space)
{
    if (log->more == 0) {
        return log->words;
    }

    (void) ngx_socketio_bytes_read(zone, log->more, (u_char *) space,
                   (log->nin + log->nexcept) * sizeof(ngx_socketio_id_t));

    return space;
}


ngx_int_t
ngx_socketio_log_missed_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket_ref, uint64_t token,
    ngx_socketio_missed_t *missed)
{
    size_t                   bytes;
    ngx_uint_t               n;
    ngx_socketio_ref_t       ref, m;
    ngx_socketio_log_t      *log;
    ngx_socketio_room_t     *room;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_member_t   *member;
    ngx_socketio_message_t  *message;

    if (zone->sh->log_gap) {
        return NGX_DECLINED;
    }

    socket = ngx_socketio_rec(zone, socket_ref);
    socket->mark = ++zone->sh->seq;

    for (m = socket->members; m; m = member->socket_next) {
        member = ngx_socketio_rec(zone, m);
        room = ngx_socketio_rec(zone, member->room);
        room->mark = socket->mark;
    }

    n = 0;
    bytes = 0;

    /* from the newest one: clients that come back are not far behind */

    for (ref = zone->sh->log_tail; ref; ref = log->prev) {
        log = ngx_socketio_rec(zone, ref);

        if (log->token == token) {
            missed->n = n;
            missed->bytes = bytes;
            missed->after = ref;
            return NGX_OK;
        }

        if (!ngx_socketio_log_match_locked(zone, log, socket_ref)) {
            continue;
        }

        message = ngx_socketio_rec(zone, log->message);
        bytes += message->len;

        if (++n > missed->n || bytes > missed->bytes) {
            break;
        }
    }

    return NGX_DECLINED;
}


/* the socket's rooms have its mark */

static ngx_uint_t
ngx_socketio_log_match_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_log_t *log, ngx_socketio_ref_t ref)
{
    ngx_uint_t              i, in, hit;
    ngx_socketio_id_t      *words;
    ngx_socketio_room_t    *room;
    ngx_socketio_socket_t  *socket;
    ngx_socketio_id_t       space[NGX_SOCKETIO_LOG_NAMES];

    socket = ngx_socketio_rec(zone, ref);

    if (log->nsp != socket->nsp) {
        return 0;
    }

    in = (log->nin == 0);
    words = ngx_socketio_log_read_locked(zone, log, space);

    for (i = 0; i < (ngx_uint_t) log->nin + log->nexcept; i++) {

        if (words[i].gen) {
            hit = (words[i].ref == ref && words[i].gen == socket->rec.gen);

        } else {
            room = ngx_socketio_rec(zone, words[i].ref);
            hit = (room->mark == socket->mark);
        }

        if (i < log->nin) {
            in |= hit;

        } else if (hit) {
            return 0;
        }
    }

    return in;
}


ngx_socketio_ref_t
ngx_socketio_log_next_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t *entry)
{
    ngx_socketio_log_t  *log;

    log = ngx_socketio_rec(zone, *entry);

    while (log->next) {
        *entry = log->next;
        log = ngx_socketio_rec(zone, *entry);

        if (ngx_socketio_log_match_locked(zone, log, socket)) {
            return log->message;
        }
    }

    return 0;
}


ngx_uint_t
ngx_socketio_log_trim_locked(ngx_socketio_zone_t *zone, ngx_uint_t n,
    uint64_t now)
{
    while (zone->sh->log && ngx_socketio_log_over_locked(zone, now)) {

        if (n-- == 0) {
            return 1;
        }

        ngx_socketio_log_free_locked(zone);
    }

    if (zone->sh->log == 0) {
        zone->sh->log_gap = 0;
    }

    return 0;
}


/* 1: the oldest entry has to go */

static ngx_uint_t
ngx_socketio_log_over_locked(ngx_socketio_zone_t *zone, uint64_t now)
{
    ngx_socketio_log_t      *log;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;

    if (sh->log_gap
        || zone->recovery == 0
        || sh->log_n > NGX_SOCKETIO_LOG_MAX
        || sh->log_bytes > (uint64_t) sh->npages * NGX_SOCKETIO_PAGE / 8
        || sh->free_pages < sh->npages / NGX_SOCKETIO_RESERVE)
    {
        return 1;
    }

    log = ngx_socketio_rec(zone, sh->log);

    return sh->free_pages < sh->npages / 2 && log->time + zone->recovery < now;
}


/* the oldest */

static void
ngx_socketio_log_free_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t               i;
    ngx_socketio_id_t       *words;
    ngx_socketio_ref_t       ref, nsp;
    ngx_socketio_log_t      *log;
    ngx_socketio_zone_sh_t  *sh;
    ngx_socketio_id_t        space[NGX_SOCKETIO_LOG_NAMES];

    sh = zone->sh;
    ref = sh->log;
    log = ngx_socketio_rec(zone, ref);
    nsp = log->nsp;
    ngx_socketio_unused(log);

    ngx_socketio_list_cut_locked(zone, &sh->log, &sh->log_tail, ref,
                                 offsetof(ngx_socketio_log_t, next));
    sh->log_n--;
    sh->log_bytes -= ((ngx_socketio_message_t *)
                      ngx_socketio_rec(zone, log->message))->len;

    ngx_socketio_message_drop_locked(zone, log->message);

    words = ngx_socketio_log_read_locked(zone, log, space);

    for (i = 0; i < (ngx_uint_t) log->nin + log->nexcept; i++) {
        if (words[i].gen == 0) {
            ngx_socketio_room_unref_locked(zone, words[i].ref);
        }
    }

    ngx_socketio_bytes_free_locked(zone, log->more);
    ngx_socketio_free_locked(zone, ref);
    ngx_socketio_room_unref_locked(zone, nsp);
}
