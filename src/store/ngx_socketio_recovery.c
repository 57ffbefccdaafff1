
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Sockets that are lost, and come back; ids and offsets as clients see them. */


#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_message.h"
#include "store/ngx_socketio_bytes.h"
#include "store/ngx_socketio_list.h"
#include "proto/ngx_socketio_base64.h"


#define NGX_SOCKETIO_RECOVERY_STEP   64     /* of each, in a hold */
#define NGX_SOCKETIO_RECOVERY_LOOK   1000   /* ms */
#define NGX_SOCKETIO_RECOVERY_PAGES  4      /* for all but nodes */


static ngx_uint_t ngx_socketio_recovery_for(ngx_uint_t reason);
static ngx_int_t ngx_socketio_recover_room_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_socket_t *socket,
    ngx_uint_t missed);
static void ngx_socketio_recover_give_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_socketio_ref_t socket,
    ngx_socketio_ref_t after, ngx_socketio_ref_t answer, uint64_t now);
static ngx_uint_t ngx_socketio_differ(u_char *a, u_char *b, size_t len);
static ngx_uint_t ngx_socketio_lost_trim_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t n, uint64_t now);
static void ngx_socketio_lost_cut_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t pass);


ngx_int_t
ngx_socketio_pass(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *key)
{
    ngx_int_t               rc;
    ngx_socketio_ref_t      ref;
    ngx_socketio_pass_t    *pass;
    ngx_socketio_socket_t  *socket;

    rc = NGX_DECLINED;

    ngx_socketio_zone_lock(zone);

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET, id->ref,
                                      id->gen);

    if (socket == NULL || socket->state != NGX_SOCKETIO_SOCKET_PENDING) {
        goto done;
    }

    ref = socket->pass ? socket->pass
                       : ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_PASS);
    if (ref == 0) {
        goto done;
    }

    pass = ngx_socketio_rec(zone, ref);
    pass->socket = id->ref;
    ngx_memcpy(pass->key, key, NGX_SOCKETIO_PASS_KEY);
    ngx_socketio_used(pass);

    socket->pass = ref;

    rc = NGX_OK;

done:

    ngx_socketio_zone_unlock(zone);

    return rc;
}


void
ngx_socketio_pass_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket)
{
    if (socket->state == NGX_SOCKETIO_SOCKET_LOST) {
        ngx_socketio_lost_cut_locked(zone, socket->pass);
    }

    ngx_socketio_free_locked(zone, socket->pass);
    socket->pass = 0;
}


u_char *
ngx_socketio_pid_text(u_char *p, u_char *socket, u_char *key)
{
    p = ngx_cpymem(p, socket, NGX_SOCKETIO_SOCKET_TEXT);

    return p + ngx_socketio_base64url_encode(p, key, NGX_SOCKETIO_PASS_KEY);
}


uint64_t
ngx_socketio_token(ngx_socketio_zone_t *zone)
{
    return (uint64_t) zone->slot_gen << 32 | ++zone->tokens;
}


void
ngx_socketio_token_text(u_char *p, uint64_t token)
{
    u_char      raw[8];
    ngx_uint_t  i;

    for (i = 0; i < 8; i++) {
        raw[i] = (u_char) (token >> (56 - 8 * i));
    }

    (void) ngx_socketio_base64url_encode(p, raw, sizeof(raw));
}


ngx_int_t
ngx_socketio_recover_parse(ngx_socketio_recover_t *recover, ngx_str_t *pid,
    ngx_str_t *offset)
{
    size_t      len;
    u_char     *key, raw[NGX_SOCKETIO_PID_TEXT];
    ngx_str_t   socket;
    ngx_uint_t  i;

    if (pid->len != NGX_SOCKETIO_PID_TEXT
        || offset->len != NGX_SOCKETIO_TOKEN_TEXT)
    {
        return NGX_ERROR;
    }

    socket.data = pid->data;
    socket.len = NGX_SOCKETIO_SOCKET_TEXT;
    key = pid->data + NGX_SOCKETIO_SOCKET_TEXT;

    if (ngx_socketio_socket_parse(&socket, &recover->socket, recover->secret)
        != NGX_OK
        || ngx_socketio_base64url_decode(raw, &len, key,
                                         pid->data + pid->len)
           != NGX_OK
        || len != NGX_SOCKETIO_PASS_KEY)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(recover->key, raw, NGX_SOCKETIO_PASS_KEY);

    if (ngx_socketio_base64url_decode(raw, &len, offset->data,
                                      offset->data + offset->len)
        != NGX_OK
        || len != 8)
    {
        return NGX_ERROR;
    }

    for (recover->token = 0, i = 0; i < 8; i++) {
        recover->token = recover->token << 8 | raw[i];
    }

    return NGX_OK;
}


void
ngx_socketio_socket_done_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_pass_t      *pass;
    ngx_socketio_socket_t    *socket;
    ngx_socketio_session_t   *session;
    ngx_socketio_zone_sh_t   *sh;

    socket = ngx_socketio_rec(zone, ref);

    /* one that was never told its pid has no time */

    if (zone->recovery == 0
        || socket->pass == 0
        || ((ngx_socketio_pass_t *) ngx_socketio_rec(zone, socket->pass))->time
           == 0
        || !ngx_socketio_recovery_for(socket->reason))
    {
        ngx_socketio_socket_free_locked(zone, ref);
        return;
    }

    sh = zone->sh;
    session = ngx_socketio_rec(zone, socket->session);

    pass = ngx_socketio_rec(zone, socket->pass);
    pass->location = session->location;

    ngx_socketio_order();
    ngx_socketio_socket_become_locked(zone, socket,
                                      NGX_SOCKETIO_SOCKET_LOST);
    ngx_socketio_order();

    ngx_socketio_list_add_locked(zone, &sh->lost, &sh->lost_tail,
                                 socket->pass,
                                 offsetof(ngx_socketio_pass_t, next));

    ngx_socketio_socket_cut_locked(zone, ref);

    socket->inbox_next = 0;
}


/* reasons after which Node's server keeps a session (socket.io, 7) */

static ngx_uint_t
ngx_socketio_recovery_for(ngx_uint_t reason)
{
    switch (reason) {

    case NGX_SOCKETIO_REASON_TRANSPORT_CLOSE:
    case NGX_SOCKETIO_REASON_TRANSPORT_ERROR:
    case NGX_SOCKETIO_REASON_PING_TIMEOUT:
    case NGX_SOCKETIO_REASON_FORCED:
    case NGX_SOCKETIO_REASON_FORCED_SERVER:
    case NGX_SOCKETIO_REASON_SHUTDOWN:
        return 1;

    default:
        return 0;
    }
}


/* The location must be the same: another one may let others in. */

ngx_socketio_ref_t
ngx_socketio_recover_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t nsp,
    ngx_socketio_incoming_t *in, uint64_t now)
{
    ngx_socketio_pass_t     *pass;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_recover_t  *recover;

    recover = in->recover;

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET,
                                      recover->socket.ref,
                                      recover->socket.gen);

    if (socket == NULL
        || socket->nsp != nsp
        || socket->state != NGX_SOCKETIO_SOCKET_LOST)
    {
        return 0;
    }

    pass = ngx_socketio_rec(zone, socket->pass);

    if (pass->location != session->location
        || pass->time + zone->recovery < now
        || ngx_socketio_differ(socket->secret, recover->secret,
                               NGX_SOCKETIO_SECRET)
        || ngx_socketio_differ(pass->key, recover->key, NGX_SOCKETIO_PASS_KEY))
    {
        return 0;
    }

    return recover->socket.ref;
}


/* secrets: the time must not tell how much of them is right */

static ngx_uint_t
ngx_socketio_differ(u_char *a, u_char *b, size_t len)
{
    u_char  diff;
    size_t  i;

    for (diff = 0, i = 0; i < len; i++) {
        diff |= a[i] ^ b[i];
    }

    return diff;
}


ngx_int_t
ngx_socketio_recover_locked(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_incoming_t *in, ngx_socketio_ref_t ref,
    ngx_socketio_ref_t *body, uint64_t now)
{
    ngx_str_t               *frames;
    ngx_socketio_ref_t       answer;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_missed_t    missed;
    ngx_socketio_message_t  *message;
    ngx_socketio_session_t  *session;

    frames = &in->recover->frames;
    socket = ngx_socketio_rec(zone, ref);
    session = ngx_socketio_rec(zone, id->ref);

    answer = ngx_socketio_message_alloc_locked(zone, frames->len);

    if (answer == 0
        || session->outbox_n >= session->outbox_max
        || session->outbox_bytes + frames->len > session->outbox_max_bytes)
    {
        goto failed;
    }

    message = ngx_socketio_rec(zone, answer);
    ngx_socketio_bytes_write(zone, message->bytes, frames, 1);

    zone->sh->doubt = id->ref;
    ngx_socketio_order();

    missed.n = session->outbox_max - session->outbox_n - 1;
    missed.bytes = session->outbox_max_bytes - session->outbox_bytes
                   - frames->len;

    if (ngx_socketio_log_missed_locked(zone, ref, in->recover->token, &missed)
        != NGX_OK
        || ngx_socketio_recover_room_locked(zone, session, socket, missed.n)
           != NGX_OK)
    {
        goto failed;
    }

    if (session->hooked) {
        in->kind = NGX_SOCKETIO_EVENT_RECOVERED;

        if (ngx_socketio_incoming_add_locked(zone, id, in, ref, *body)
            != NGX_OK)
        {
            in->kind = NGX_SOCKETIO_EVENT_CONNECT;
            goto failed;
        }

        *body = 0;
    }

    /* nothing fails from here on */

    ngx_socketio_lost_cut_locked(zone, socket->pass);
    ngx_socketio_socket_link_locked(zone, ref, id->ref);

    ngx_socketio_order();
    ngx_socketio_socket_become_locked(zone, socket,
                                      NGX_SOCKETIO_SOCKET_CONNECTED);
    ngx_socketio_joined_locked(session);

    ngx_socketio_recover_give_locked(zone, id->ref, ref, missed.after, answer,
                                     now);

    ngx_socketio_message_release_locked(zone, answer);
    ngx_socketio_wheel_set_locked(zone, id->ref);

    ngx_socketio_order();
    zone->sh->doubt = 0;

    zone->sh->stats.recovered++;

    return NGX_OK;

failed:

    zone->sh->doubt = 0;

    if (answer) {
        ngx_socketio_message_release_locked(zone, answer);
    }

    ngx_socketio_socket_free_locked(zone, ref);

    return NGX_DECLINED;
}


/* NGX_OK: no node will be missing, whatever the event takes; NGX_BUSY */

static ngx_int_t
ngx_socketio_recover_room_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_socket_t *socket,
    ngx_uint_t missed)
{
    ngx_uint_t  n;

    n = missed + 1;

    if (session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        n += socket->nrooms;
    }

    n += NGX_SOCKETIO_RECOVERY_PAGES
         * (NGX_SOCKETIO_PAGE / sizeof(ngx_socketio_node_t));

    return ngx_socketio_room_for_locked(zone, NGX_SOCKETIO_NODE, n)
           ? NGX_OK : NGX_BUSY;
}


/*
 * First what it missed, then the answer (socket.io, 7), then its rooms are
 * its again: later emits come behind, and in the mailbox of a websocket's
 * worker all has its place in the one order, too.
 */

static void
ngx_socketio_recover_give_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session_ref, ngx_socketio_ref_t ref,
    ngx_socketio_ref_t after, ngx_socketio_ref_t answer, uint64_t now)
{
    ngx_uint_t               websocket;
    ngx_socketio_ref_t       m, message;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_member_t   *member;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(zone, ref);
    session = ngx_socketio_rec(zone, session_ref);
    websocket = (session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET);

    do {
        message = ngx_socketio_log_next_locked(zone, ref, &after);

        (void) ngx_socketio_give_locked(zone, session_ref, ref,
                                        message ? message : answer, 0,
                                        ++zone->sh->seq, now);
    } while (message);

    for (m = socket->members; m; m = member->socket_next) {
        member = ngx_socketio_rec(zone, m);
        ngx_socketio_member_show_locked(zone, m, websocket);

        if (websocket) {
            (void) ngx_socketio_tell_locked(zone, session,
                                            NGX_SOCKETIO_JOINED, ref,
                                            member->room);
        }
    }
}


/* The sockets go with a few of their rooms, the oldest first. */

static ngx_uint_t
ngx_socketio_lost_trim_locked(ngx_socketio_zone_t *zone, ngx_uint_t n,
    uint64_t now)
{
    ngx_socketio_pass_t     *pass;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;

    while (sh->lost) {
        pass = ngx_socketio_rec(zone, sh->lost);

        if (pass->time + zone->recovery >= now
            && sh->free_pages >= sh->npages / NGX_SOCKETIO_RESERVE)
        {
            return 0;
        }

        if (n-- == 0) {
            return 1;
        }

        ngx_socketio_socket_free_locked(zone, pass->socket);
    }

    return 0;
}


static void
ngx_socketio_lost_cut_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_pass_t  *pass;

    ngx_socketio_list_cut_locked(zone, &zone->sh->lost, &zone->sh->lost_tail,
                                 ref, offsetof(ngx_socketio_pass_t, next));

    pass = ngx_socketio_rec(zone, ref);
    pass->next = 0;
    pass->prev = 0;
}


void
ngx_socketio_recovery_turn(ngx_socketio_zone_t *zone, uint64_t now)
{
    ngx_uint_t               more;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;

    if (now < *(volatile uint64_t *) &sh->recovery_at
        || (sh->log == 0 && sh->lost == 0))
    {
        return;
    }

    do {
        ngx_socketio_zone_lock(zone);

        sh->recovery_at = now + NGX_SOCKETIO_RECOVERY_LOOK;

        more = ngx_socketio_log_trim_locked(zone, NGX_SOCKETIO_RECOVERY_STEP,
                                            now);
        more |= ngx_socketio_lost_trim_locked(zone,
                                              NGX_SOCKETIO_RECOVERY_STEP,
                                              now);
        ngx_socketio_zone_unlock(zone);

    } while (more);
}
