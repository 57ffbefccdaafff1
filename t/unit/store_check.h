
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Walks the whole zone and dies where it contradicts itself: pages and free
 * lists, owners and links in both directions, counts, references, hash
 * chains, the wheel, who owns an inbox, and that each record is reached from
 * its owner exactly once, i.e. nothing leaks.  To be called with the lock
 * held, at the end of any hold.
 */


#ifndef _STORE_CHECK_H_INCLUDED_
#define _STORE_CHECK_H_INCLUDED_


#include "store_sources.h"


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        check_failed(#cond, __FILE__, __LINE__);                              \
    }

#define check_rec(ref, what)  ((void *) check_used(ref, what))


static void                (*check_hint)(void);
static ngx_socketio_zone_t  *check_zone;
static uint8_t              *check_seen;    /* of each record */
static uint32_t             *check_counts;  /* nodes of messages, ... */
static uint64_t              check_dead;    /* slots of dead workers */
static ngx_uint_t            check_alive;   /* workers that take inboxes */


static void
check_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: violated: %s\n", file, line, what);

    if (check_hint) {
        check_hint();
    }

    abort();
}


static void *
check_used(ngx_socketio_ref_t ref, ngx_uint_t type)
{
    uint32_t             page;
    ngx_socketio_rec_t  *rec;

    page = ref >> 8;

    must(page > 0 && page <= check_zone->sh->npages);
    must(check_zone->table[page - 1].type == type);
    must((ref & 0xff)
         < NGX_SOCKETIO_PAGE / (uint32_t) ngx_socketio_record_sizes[type]);

    rec = ngx_socketio_rec(check_zone, ref);
    must(rec->used == 1);

    return rec;
}


/* of the address sanitizer's */

void
__asan_on_error(void)
{
    if (check_hint) {
        check_hint();
    }
}


/* reached from its owner */

static void *
check_reach(ngx_socketio_ref_t ref, ngx_uint_t type)
{
    void  *rec;

    rec = check_used(ref, type);
    must(check_seen[ref] == 0);
    check_seen[ref] = 1;

    return rec;
}


static void
check_bytes(ngx_socketio_ref_t ref, ngx_socketio_ref_t owner, size_t len)
{
    size_t                 pos;
    ngx_uint_t             type;
    ngx_socketio_chunk_t  *chunk;

    for (pos = 0; ref; ref = chunk->next) {
        must(ref >> 8 && ref >> 8 <= check_zone->sh->npages);
        type = ngx_socketio_type(check_zone, ref);
        must(type >= NGX_SOCKETIO_BYTES);

        chunk = check_reach(ref, type);
        must(chunk->owner == owner);
        must(chunk->len > 0 && chunk->len
             <= ngx_socketio_record_sizes[type]
                - sizeof(ngx_socketio_chunk_t));
        pos += chunk->len;
    }

    must(pos == len);
}


static void
check_pages(void)
{
    uint32_t                 p, prev, i, n, used, left;
    uint32_t                 nfree[NGX_SOCKETIO_TYPES];
    ngx_uint_t               type;
    ngx_socketio_rec_t      *rec;
    ngx_socketio_page_t     *pg;
    ngx_socketio_zone_sh_t  *sh;

    sh = check_zone->sh;
    ngx_memzero(nfree, sizeof(nfree));

    for (left = 0, p = sh->free_page; p; p = pg->next) {
        must(p <= sh->npages && ++left <= sh->npages);
        pg = &check_zone->table[p - 1];
        must(pg->type == NGX_SOCKETIO_FREE);
    }

    must(left == sh->free_pages);

    for (p = 1; p <= sh->npages; p++) {
        pg = &check_zone->table[p - 1];

        if (pg->type == NGX_SOCKETIO_FREE) {
            left--;
            continue;
        }

        must(pg->type < NGX_SOCKETIO_TYPES);
        n = NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[pg->type];

        for (used = 0, i = 0; i < n; i++) {
            rec = ngx_socketio_rec(check_zone, p << 8 | i);
            must(rec->used <= 1);
            used += rec->used;
        }

        must(used == pg->used && used > 0);
        nfree[pg->type] += n - used;
        must(pg->linked == (used < n));

        for (i = pg->free; i != NGX_SOCKETIO_LAST; i = rec->link) {
            must(i < n && used++ < n);
            rec = ngx_socketio_rec(check_zone, p << 8 | i);
            must(rec->used == 0);
        }

        must(used == n);
    }

    must(left == 0);

    for (type = 1; type < NGX_SOCKETIO_TYPES; type++) {
        must(nfree[type] == sh->nfree[type]);

        for (prev = 0, p = sh->partial[type]; p; prev = p, p = pg->next) {
            pg = &check_zone->table[p - 1];
            must(pg->type == type && pg->linked == 1 && pg->prev == prev);
            nfree[type] -= NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[type]
                           - pg->used;
        }

        must(nfree[type] == 0);
    }
}


static ngx_uint_t
check_nodes(ngx_socketio_ref_t ref, ngx_socketio_ref_t tail,
    ngx_socketio_ref_t owner, ngx_uint_t ordered, size_t *bytes)
{
    uint64_t                 seq;
    ngx_uint_t               n;
    ngx_socketio_ref_t       prev;
    ngx_socketio_node_t     *node;
    ngx_socketio_message_t  *message;

    seq = 0;
    prev = 0;
    *bytes = 0;

    for (n = 0; ref; n++, prev = ref, ref = node->next) {
        node = check_reach(ref, NGX_SOCKETIO_NODE);
        must(node->owner == owner && node->prev == prev);
        must(!ordered || node->seq >= seq);
        seq = node->seq;

        must((node->message != 0) == (node->rec.kind <= NGX_SOCKETIO_TO_ROOM));

        if (node->message) {
            message = check_rec(node->message, NGX_SOCKETIO_MESSAGE);
            *bytes += message->len;
            check_counts[node->message]++;
        }
    }

    must(prev == tail);

    return n;
}


static void
check_event(ngx_socketio_ref_t ref, ngx_socketio_ref_t session,
    ngx_uint_t partial)
{
    ngx_socketio_event_t   *event;
    ngx_socketio_socket_t  *socket;

    event = check_reach(ref, NGX_SOCKETIO_EVENT);
    must(event->session == session);
    check_bytes(event->body, ref, event->body_len);
    check_bytes(event->attached, ref, event->attached_len);

    if (!partial && event->rec.kind >= NGX_SOCKETIO_EVENT_ACK) {
        must(event->rec.kind <= NGX_SOCKETIO_EVENT_ACK_GONE);
        (void) check_rec((ngx_socketio_ref_t) event->ack, NGX_SOCKETIO_ACK);
        check_counts[event->ack]++;
    }

    if (event->socket) {
        socket = check_rec(event->socket, NGX_SOCKETIO_SOCKET);
        must(socket->session == session);

        if (!partial && event->rec.kind == NGX_SOCKETIO_EVENT_CONNECT) {
            check_counts[event->socket]++;
        }
    }

    must(event->socket || partial);
    must(partial ? event->got < event->attachments
                 : event->got == event->attachments);
}


static void
check_inbox(ngx_socketio_ref_t session_ref, ngx_socketio_session_t *session)
{
    size_t                   bytes;
    ngx_uint_t               n;
    ngx_socketio_ref_t       ref, last;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_event_t    *event;
    ngx_socketio_socket_t   *socket;

    bytes = 0;
    last = 0;
    ref = session->inbox;

    for (n = 0; ref; n++) {
        last = ref;

        if (ngx_socketio_type(check_zone, ref) == NGX_SOCKETIO_SOCKET) {
            socket = check_rec(ref, NGX_SOCKETIO_SOCKET);
            must(socket->session == session_ref);
            must(socket->state == NGX_SOCKETIO_SOCKET_ENDED);
            must((check_counts[ref] & 0x10000) == 0);
            check_counts[ref] |= 0x10000;
            ref = socket->inbox_next;
            continue;
        }

        check_event(ref, session_ref, 0);
        event = ngx_socketio_rec(check_zone, ref);

        /* all its events are before its disconnect entry */
        must((check_counts[event->socket] & 0x10000) == 0);
        bytes += event->body_len + event->attached_len;
        ref = event->next;
    }

    must(last == session->inbox_tail);
    must(n == session->inbox_n);
    must(bytes == session->inbox_bytes);
    must(n == 0 || session->hooked);

    if (n == 0) {
        must(session->owner_gen == 0);
        return;
    }

    /* a waiting inbox has an owner, if there is anybody */

    if (session->owner_gen == 0) {
        must(check_alive == 0);
        return;
    }

    slot = &check_zone->slots[session->owner];
    must(slot->gen == session->owner_gen);
}


static void
check_conns(ngx_socketio_ref_t ref, ngx_socketio_session_t *session)
{
    ngx_uint_t                   i;
    ngx_socketio_conn_t         *conn;
    ngx_socketio_eio_session_t  *eio;

    eio = &session->eio;
    conn = session->conns;

    for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {
        must(conn[i].gen == 0
             || check_zone->slots[conn[i].slot].gen == conn[i].gen);
    }

    must(!eio->get || conn[NGX_SOCKETIO_CONN_GET].gen);
    must(!eio->post || conn[NGX_SOCKETIO_CONN_POST].gen);
    must(!eio->probe || conn[NGX_SOCKETIO_CONN_WS].gen);

    if (eio->state != NGX_SOCKETIO_EIO_CLOSED) {
        must(eio->get == (conn[NGX_SOCKETIO_CONN_GET].gen != 0));
        must(eio->post == (conn[NGX_SOCKETIO_CONN_POST].gen != 0));
        must((eio->probe || eio->transport == NGX_SOCKETIO_EIO_WEBSOCKET)
             == (conn[NGX_SOCKETIO_CONN_WS].gen != 0));
    }

    /* nobody will come for it any more: it is freed, or the wheel does */

    if (eio->state == NGX_SOCKETIO_EIO_CLOSED
        && session->inbox == 0 && session->sockets == 0
        && !conn[0].gen && !conn[1].gen && !conn[2].gen)
    {
        must(session->wheel);
    }

    if (eio->state == NGX_SOCKETIO_EIO_LINGERS
        || (eio->state == NGX_SOCKETIO_EIO_OPENED
            && (eio->transport == NGX_SOCKETIO_EIO_POLLING
                || session->deadline)))
    {
        must(session->wheel);
    }

    (void) ref;
}


/* what a socket has, on whatever list it is; "kind" of its members */

static void
check_socket(ngx_socketio_ref_t ref, ngx_socketio_socket_t *socket,
    ngx_uint_t kind)
{
    ngx_uint_t              rooms;
    ngx_socketio_ref_t      m;
    ngx_socketio_pass_t    *pass;
    ngx_socketio_member_t  *member;

    check_bytes(socket->data, ref, socket->data_len);

    (void) check_rec(socket->nsp, NGX_SOCKETIO_ROOM);
    check_counts[socket->nsp]++;

    if (socket->pass) {
        pass = check_reach(socket->pass, NGX_SOCKETIO_PASS);
        must(pass->socket == ref);
        must(socket->state == NGX_SOCKETIO_SOCKET_LOST
             || (!pass->next && !pass->prev));
    }

    for (rooms = 0, m = socket->members; m; m = member->socket_next) {
        member = check_reach(m, NGX_SOCKETIO_MEMBER);
        must(member->socket == ref && member->rec.kind == kind);
        must(++rooms <= socket->nrooms);

        (void) check_rec(member->room, NGX_SOCKETIO_ROOM);
        check_counts[member->room]++;
        must(member->room == socket->nsp
             || ((ngx_socketio_room_t *)
                 ngx_socketio_rec(check_zone, member->room))->parent
                == socket->nsp);
    }

    must(rooms == socket->nrooms);
}


/* lost sockets, and the log of what they have missed */

static void
check_recovery(void)
{
    uint32_t                 i, n;
    uint64_t                 bytes;
    ngx_socketio_id_t       *words, space[NGX_SOCKETIO_LOG_NAMES];
    ngx_socketio_ref_t       ref, prev;
    ngx_socketio_log_t      *log;
    ngx_socketio_pass_t     *pass;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_message_t  *message;
    ngx_socketio_zone_sh_t  *sh;

    sh = check_zone->sh;
    prev = 0;

    for (ref = sh->lost; ref; prev = ref, ref = pass->next) {
        pass = check_rec(ref, NGX_SOCKETIO_PASS);
        must(pass->prev == prev);

        socket = check_reach(pass->socket, NGX_SOCKETIO_SOCKET);
        must(socket->state == NGX_SOCKETIO_SOCKET_LOST);
        must(socket->pass == ref && socket->session == 0);
        must(socket->next == 0 && socket->inbox_next == 0);
        check_socket(pass->socket, socket, NGX_SOCKETIO_HIDDEN);
    }

    must(prev == sh->lost_tail);

    n = 0;
    bytes = 0;
    prev = 0;

    for (ref = sh->log; ref; prev = ref, ref = log->next) {
        log = check_reach(ref, NGX_SOCKETIO_LOG);
        must(log->prev == prev);

        message = check_rec(log->message, NGX_SOCKETIO_MESSAGE);
        check_counts[log->message]++;
        bytes += message->len;
        n++;

        check_bytes(log->more, ref, log->more
                    ? (log->nin + log->nexcept) * sizeof(ngx_socketio_id_t)
                    : 0);

        (void) check_rec(log->nsp, NGX_SOCKETIO_ROOM);
        check_counts[log->nsp]++;
        words = ngx_socketio_log_read_locked(check_zone, log, space);

        for (i = 0; i < (uint32_t) log->nin + log->nexcept; i++) {
            if (words[i].gen == 0) {
                (void) check_rec(words[i].ref, NGX_SOCKETIO_ROOM);
                check_counts[words[i].ref]++;
            }
        }
    }

    must(prev == sh->log_tail);
    must(n == sh->log_n && bytes == sh->log_bytes);
    must(n || !sh->log_gap);
}


static void
check_awaited(ngx_socketio_ref_t socket_ref, ngx_socketio_socket_t *socket)
{
    ngx_uint_t             n;
    ngx_socketio_ref_t     ref;
    ngx_socketio_ack_t    *ack;
    ngx_socketio_event_t  *event;

    n = 0;

    for (ref = socket->awaited; ref; ref = event->next) {
        event = check_reach(ref, NGX_SOCKETIO_EVENT);
        must(event->rec.kind == NGX_SOCKETIO_EVENT_ACK);
        must(event->socket == socket_ref && event->session == socket->session);
        must(event->body == 0 && event->attached == 0);

        ack = check_rec((ngx_socketio_ref_t) event->ack, NGX_SOCKETIO_ACK);
        must(event->ack_prev || ack->awaited == ref);
        check_counts[event->ack]++;
        n++;
    }

    must(n == socket->nawaited);
    must(n == 0 || socket->state == NGX_SOCKETIO_SOCKET_CONNECTED);
}


static void
check_acks(void)
{
    ngx_uint_t             n, pages, received;
    ngx_socketio_ref_t     ref, e, prev;
    ngx_socketio_ack_t    *ack;
    ngx_socketio_event_t  *event;

    pages = 0;

    for (ref = 0; /* void */ ; /* void */) {
        ref = ngx_socketio_walk_locked(check_zone, NGX_SOCKETIO_ACK, ref,
                                       &pages);
        if (ref == 0) {
            return;
        }

        ack = check_reach(ref, NGX_SOCKETIO_ACK);
        check_bytes(ack->token, ref, ack->token_len);
        must((ack->token != 0) == (ack->token_len != 0));

        prev = 0;
        n = 0;

        for (e = ack->awaited; e; prev = e, e = event->ack_next) {
            event = check_rec(e, NGX_SOCKETIO_EVENT);
            must(event->ack == ref && event->ack_prev == prev);
            must(++n <= ack->refs);
        }

        must(n <= ack->expected - ack->received);

        received = 0;

        for (prev = 0, e = ack->answers; e; prev = e, e = event->next) {
            event = check_reach(e, NGX_SOCKETIO_EVENT);
            must(event->rec.kind == NGX_SOCKETIO_EVENT_ACK);
            must(event->session == 0 && event->socket == 0);
            must(event->ack == ref && event->ack_next == 0);
            check_bytes(event->body, e, event->body_len);
            check_bytes(event->attached, e, event->attached_len);
            check_counts[ref]++;
            received++;
        }

        must(ack->sending || (prev == ack->answers_tail));
        must(ack->token ? received == 0
                        : ack->sending || received == ack->received);
        must(ack->refs == check_counts[ref]);
        must(ack->refs || ack->token == 0);
        check_counts[ref] = 0;

        /* it ends in time; who waits is told when nobody is left */
        must(ack->sending || (ack->wheel != 0) == (ack->awaited != 0));
        must(ack->token
             || (ack->conn.gen
                 && check_zone->slots[ack->conn.slot].gen == ack->conn.gen));
    }
}


static void
check_sockets(ngx_socketio_ref_t session_ref, ngx_socketio_session_t *session)
{
    ngx_uint_t              n, kind, in;
    ngx_socketio_ref_t      ref;
    ngx_socketio_socket_t  *socket;

    n = 0;

    for (ref = session->sockets; ref; ref = socket->next) {
        socket = check_reach(ref, NGX_SOCKETIO_SOCKET);
        must(socket->session == session_ref);
        must(++n <= session->nsockets);
        check_awaited(ref, socket);

        in = check_counts[ref];
        check_counts[ref] = 0;

        switch (socket->state) {

        case NGX_SOCKETIO_SOCKET_PENDING:
            must(session->eio.state == NGX_SOCKETIO_EIO_OPENED);
            must(in == (session->hooked ? 1 : 0));
            break;

        case NGX_SOCKETIO_SOCKET_CONNECTED:
            must(session->eio.state == NGX_SOCKETIO_EIO_OPENED);
            must(in <= 1);
            break;

        case NGX_SOCKETIO_SOCKET_ENDED:
            must(session->hooked && (in == 0x10000 || in == 0x10001));
            break;

        default:
            must(session->hooked && in == 1);
        }

        kind = NGX_SOCKETIO_HIDDEN;

        if (socket->state == NGX_SOCKETIO_SOCKET_CONNECTED) {
            kind = session->eio.transport;
            must(socket->members);
        }

        /* one is all that a raw session ever has */
        must(!session->raw || session->nsockets == 1);

        check_socket(ref, socket, kind);
    }

    must(n == session->nsockets);
}


/* the budget of a session, and its place among those of its address */

static void
check_budget(ngx_socketio_ref_t session_ref, ngx_socketio_session_t *session)
{
    ngx_socketio_budget_t  *budget;

    if (session->budget == 0) {
        must(!session->limited);
        return;
    }

    budget = check_reach(session->budget, NGX_SOCKETIO_BUDGET);
    must(budget->session == session_ref);
    must(session->limited == (budget->rate || budget->bytes_rate));
    must(budget->address || session->limited);
    must(budget->events <= (int64_t) budget->burst
                           * NGX_SOCKETIO_BUDGET_EVENT);
    must(budget->rate == 0 || budget->events >= 0);

    if (budget->address) {
        (void) check_rec(budget->address, NGX_SOCKETIO_ADDRESS);
        check_counts[budget->address]++;
    }
}


static void
check_addresses(void)
{
    uint32_t                 i;
    ngx_socketio_ref_t       ref;
    ngx_socketio_address_t  *address;

    for (i = 0; i < check_zone->sh->nbuckets; i++) {

        for (ref = check_zone->addresses[i]; ref; ref = address->hash_next) {
            address = check_reach(ref, NGX_SOCKETIO_ADDRESS);
            must((address->hash & (check_zone->sh->nbuckets - 1)) == i);
            must(address->n > 0 && address->n == check_counts[ref]);
            check_counts[ref] = 0;
        }
    }
}


static void
check_sessions(void)
{
    size_t                   bytes;
    ngx_uint_t               n, open, pages;
    ngx_socketio_ref_t       ref;
    ngx_socketio_session_t  *session;

    n = 0;
    open = 0;
    pages = 0;

    for (ref = 0; /* void */ ; /* void */) {
        ref = ngx_socketio_walk_locked(check_zone, NGX_SOCKETIO_SESSION, ref,
                                       &pages);
        if (ref == 0) {
            break;
        }

        session = check_reach(ref, NGX_SOCKETIO_SESSION);
        check_bytes(session->handshake, ref, session->handshake_len);

        must(check_nodes(session->outbox, session->outbox_tail, ref, 1,
                         &bytes)
             == session->outbox_n);
        must(bytes == session->outbox_bytes);
        must(session->outbox_n <= session->outbox_max);
        must(session->outbox == 0
             || session->eio.transport == NGX_SOCKETIO_EIO_POLLING);
        must(session->outbox == 0
             || session->eio.state != NGX_SOCKETIO_EIO_CLOSED);

        if (session->partial) {
            must(session->eio.state == NGX_SOCKETIO_EIO_OPENED);
            check_event(session->partial, ref, 1);
        }

        must(!session->lacking || session->partial);

        check_budget(ref, session);
        check_inbox(ref, session);
        check_conns(ref, session);
        check_sockets(ref, session);

        n += session->nsockets;
        open += (session->eio.state != NGX_SOCKETIO_EIO_CLOSED);
    }

    must(open == check_zone->sh->stats.sessions);
    must(n == check_zone->sh->stats.sockets);
}


/* what the status shows is what the records say */

static void
check_gauges(void)
{
    ngx_socketio_gauges_t  now;

    ngx_socketio_gauges_count_locked(check_zone, &now);

    must(memcmp(&now, &check_zone->sh->now, sizeof(now)) == 0);
}


static void
check_hashes(void)
{
    uint32_t                 i, n, nrooms, nsessions;
    ngx_uint_t               bucket, list;
    ngx_socketio_ref_t       ref, prev, m;
    ngx_socketio_room_t     *room;
    ngx_socketio_spoke_t     spoke;
    ngx_socketio_member_t   *member;
    ngx_socketio_session_t  *session;

    nrooms = 0;
    nsessions = 0;

    for (i = 0; i < check_zone->sh->nbuckets; i++) {

        for (ref = check_zone->sids[i]; ref; ref = session->hash_next) {
            session = check_rec(ref, NGX_SOCKETIO_SESSION);
            must(session->eio.state != NGX_SOCKETIO_EIO_CLOSED);
            must(++nsessions <= check_zone->sh->stats.sessions);
        }

        for (ref = check_zone->rooms[i]; ref; ref = room->hash_next) {
            room = check_reach(ref, NGX_SOCKETIO_ROOM);
            check_bytes(room->name, ref, room->name_len);

            if (room->parent) {
                nrooms++;
                (void) check_rec(room->parent, NGX_SOCKETIO_ROOM);
                check_counts[room->parent]++;
            }

            for (list = 0; list < 2; list++) {
                prev = 0;
                n = 0;

                for (m = room->list[list]; m; prev = m, m = member->next) {
                    member = check_rec(m, NGX_SOCKETIO_MEMBER);
                    must(member->room == ref && member->rec.kind == list);
                    must(member->prev == prev);
                    must(++n <= room->n[list]);
                }

                must(n == room->n[list]);
            }
        }
    }

    must(nsessions == check_zone->sh->stats.sessions);
    must(nrooms == check_zone->sh->stats.rooms);

    for (i = 0; i < check_zone->sh->nbuckets; i++) {
        for (ref = check_zone->rooms[i]; ref; ref = room->hash_next) {
            room = ngx_socketio_rec(check_zone, ref);
            must(room->refs > 0 && room->refs == check_counts[ref]);
            check_counts[ref] = 0;
        }
    }

    for (bucket = 0; bucket < NGX_SOCKETIO_WHEEL; bucket++) {
        prev = 0;
        ref = check_zone->sh->wheel[bucket];

        must((ref != 0) == ((check_zone->sh->wheel_map[bucket / 64]
                             >> (bucket % 64)) & 1));

        for ( /* void */ ; ref; prev = ref, ref = *spoke.next) {
            must(ngx_socketio_type(check_zone, ref) == NGX_SOCKETIO_SESSION
                 || ngx_socketio_type(check_zone, ref) == NGX_SOCKETIO_ACK);
            must(((ngx_socketio_rec_t *) ngx_socketio_rec(check_zone, ref))
                     ->used);
            ngx_socketio_wheel_spoke_locked(check_zone, ref, &spoke);
            must(*spoke.bucket == bucket + 1);
            must(*spoke.prev == prev);
            check_seen[ref] |= 2;
        }
    }
}


static void
check_keys(void)
{
    uint32_t               i, n;
    uint64_t               deadline;
    ngx_socketio_ref_t     ref, prev;
    ngx_socketio_keyed_t  *keyed;

    n = 0;
    prev = 0;
    deadline = 0;

    for (ref = check_zone->sh->key; ref; prev = ref, ref = keyed->next) {
        keyed = check_reach(ref, NGX_SOCKETIO_KEY);
        must(keyed->prev == prev && keyed->deadline >= deadline);
        must(keyed->len >= 1 && keyed->len <= NGX_SOCKETIO_KEY_MAX);
        must(keyed->rec.kind <= NGX_SOCKETIO_KEY_RAN);
        deadline = keyed->deadline;
        n++;
    }

    must(prev == check_zone->sh->key_tail && n == check_zone->sh->nkeys);

    for (i = 0; i < check_zone->sh->nbuckets; i++) {

        for (ref = check_zone->keys[i]; ref; ref = keyed->hash_next) {
            keyed = check_rec(ref, NGX_SOCKETIO_KEY);
            must((keyed->hash & (check_zone->sh->nbuckets - 1)) == i);
            must(n-- > 0);
        }
    }

    must(n == 0);
}


static void
check_slots(void)
{
    size_t                   bytes;
    uint32_t                 i, n, websockets, pages;
    ngx_uint_t               walk;
    ngx_socketio_ref_t       ref, prev;
    ngx_socketio_ack_t      *ack;
    ngx_socketio_conn_t     *conn;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_spoke_t     spoke;
    ngx_socketio_message_t  *message;
    ngx_socketio_session_t  *session;

    pages = check_zone->sh->npages;

    for (i = 0; i < check_zone->sh->nslots; i++) {
        slot = &check_zone->slots[i];

        must(slot->gen || (!slot->mailbox && !slot->held && !slot->messages
                           && !slot->acks));
        must(check_nodes(slot->mailbox, slot->mailbox_tail, i, 1, &bytes)
             == slot->mailbox_n);
        n = check_nodes(slot->held, slot->held_tail, i, 0, &bytes);
        must(slot->exiting
             || n == ngx_socketio_slot_counters(check_zone, i)
                         ->n[NGX_SOCKETIO_N_HELD]);
        must(slot->ring_tail - slot->ring_head <= NGX_SOCKETIO_RING);

        prev = 0;

        for (ref = slot->messages; ref; prev = ref, ref = message->next) {
            message = check_rec(ref, NGX_SOCKETIO_MESSAGE);
            must(message->owner == i + 1 && message->prev == prev);
            check_seen[ref] |= 4;
        }

        prev = 0;

        for (ref = slot->acks; ref; prev = ref, ref = ack->next) {
            ack = check_rec(ref, NGX_SOCKETIO_ACK);
            must(ack->conn.slot == i && ack->prev == prev);
            check_seen[ref] |= 4;
        }

        if (slot->gen == 0 || check_dead & (uint64_t) 1 << i) {
            continue;
        }

        websockets = 0;
        walk = 0;
        ref = 0;

        for ( ;; ) {
            ref = ngx_socketio_walk_locked(check_zone, NGX_SOCKETIO_SESSION,
                                           ref, &walk);
            if (ref == 0) {
                break;
            }

            session = ngx_socketio_rec(check_zone, ref);
            conn = &session->conns[NGX_SOCKETIO_CONN_WS];
            websockets += conn->gen == slot->gen && conn->slot == i
                          && session->eio.transport
                             == NGX_SOCKETIO_EIO_WEBSOCKET;
        }

        must(websockets == slot->websockets);
    }

    /* what was reached from nowhere leaks */

    for (n = 1; n <= pages; n++) {
        walk = check_zone->table[n - 1].type;

        if (walk == NGX_SOCKETIO_FREE) {
            continue;
        }

        for (i = 0; i < NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[walk];
             i++)
        {
            ref = n << 8 | i;

            if (!((ngx_socketio_rec_t *) ngx_socketio_rec(check_zone, ref))
                  ->used)
            {
                continue;
            }

            if (walk == NGX_SOCKETIO_MESSAGE) {
                message = ngx_socketio_rec(check_zone, ref);
                must(message->nodes == check_counts[ref]);
                check_counts[ref] = 0;
                must(message->nodes || message->owner);
                must((message->owner != 0) == ((check_seen[ref] & 4) != 0));
                check_seen[ref] |= 1;
                check_bytes(message->bytes, ref, message->len);
            }

            if (walk == NGX_SOCKETIO_SESSION || walk == NGX_SOCKETIO_ACK) {
                ngx_socketio_wheel_spoke_locked(check_zone, ref, &spoke);
                must((*spoke.bucket != 0) == ((check_seen[ref] & 2) != 0));
            }

            if (walk == NGX_SOCKETIO_ACK) {
                ack = ngx_socketio_rec(check_zone, ref);
                must((ack->token == 0) == ((check_seen[ref] & 4) != 0));
            }
        }
    }

    for (n = 1; n <= pages; n++) {
        walk = check_zone->table[n - 1].type;

        for (i = 0; walk != NGX_SOCKETIO_FREE
                    && i < NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[walk];
             i++)
        {
            ref = n << 8 | i;
            must(((ngx_socketio_rec_t *) ngx_socketio_rec(check_zone, ref))
                     ->used
                 == (check_seen[ref] & 1));
            must(check_counts[ref] == 0);
        }
    }
}


static void
check_all(ngx_socketio_zone_t *zone)
{
    size_t      n;
    ngx_uint_t  i;

    check_zone = zone;
    n = ((size_t) zone->sh->npages + 1) << 8;

    check_seen = calloc(n, 1);
    check_counts = calloc(n, sizeof(uint32_t));

    if (check_seen == NULL || check_counts == NULL) {
        abort();
    }

    for (check_alive = 0, i = 0; i < zone->sh->nslots; i++) {
        check_alive += zone->slots[i].gen && !zone->slots[i].exiting;
    }

    check_pages();
    check_sessions();
    check_addresses();
    check_acks();
    check_recovery();
    check_hashes();
    check_gauges();
    check_keys();
    check_slots();

    free(check_seen);
    free(check_counts);
}


#endif /* _STORE_CHECK_H_INCLUDED_ */
