
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What a worker does with its mailbox and its bells, as src/delivery does.
 */


#ifndef _STORE_LETTERS_H_INCLUDED_
#define _STORE_LETTERS_H_INCLUDED_


#include "store_asks.h"


static void
model_deliver(model_worker_t *w, model_local_t *local,
    ngx_socketio_node_t *node)
{
    if (!local->websocket) {
        must(local->kind != MODEL_WS || !local->nseats);
        return;
    }

    if (local->session->id.gen != local->id.gen) {
        /* others have it closed, of which this worker does not know yet */
        must(w->robbed);
        return;
    }

    model_receive(local->session, node->message, local->session->open);
}


static ngx_uint_t
model_seated(model_local_t *local, ngx_socketio_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < local->nseats; i++) {
        if (local->seats[i].room == node->room
            && local->seats[i].room_gen == node->room_gen)
        {
            return 1;
        }
    }

    return 0;
}


static void
model_seat(model_local_t *local, ngx_socketio_ref_t socket,
    ngx_socketio_ref_t room, uint32_t gen)
{
    must(local->nseats < MODEL_SEATS);
    local->seats[local->nseats].socket = socket;
    local->seats[local->nseats].room = room;
    local->seats[local->nseats++].room_gen = gen;
}


static void
model_unseat(model_local_t *local, ngx_socketio_ref_t socket,
    ngx_socketio_ref_t room)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < local->nseats; i++) {
        if (local->seats[i].socket == socket
            && (room == 0 || local->seats[i].room == room))
        {
            continue;
        }

        local->seats[n++] = local->seats[i];
    }

    local->nseats = n;
}


static void
model_node(model_worker_t *w)
{
    ngx_uint_t            i;
    model_local_t        *local;
    ngx_socketio_ref_t    ref;
    ngx_socketio_node_t  *node;

    ref = w->letters.nodes;
    node = check_rec(ref, NGX_SOCKETIO_NODE);

    switch (node->rec.kind) {

    case NGX_SOCKETIO_TO_ROOM:
    case NGX_SOCKETIO_NOT_ROOM:

        for (i = 0; i < MODEL_LOCALS; i++) {
            local = &w->locals[i];

            if (local->kind != MODEL_WS || !model_seated(local, node)) {
                continue;
            }

            if (node->rec.kind == NGX_SOCKETIO_NOT_ROOM) {
                local->mark = node->seq;

            } else if (node->seq > local->from_seq
                       && local->mark != node->seq)
            {
                local->mark = node->seq;
                model_seen[1]++;
                model_deliver(w, local, node);
            }
        }

        break;

    default:
        must(node->conn < MODEL_LOCALS);
        local = &w->locals[node->conn];

        if (local->kind != MODEL_WS
            || local->id.gen != node->session_gen
            || node->seq <= local->from_seq)
        {
            break;
        }

        if (node->rec.kind == NGX_SOCKETIO_JOINED) {
            model_seat(local, node->socket, node->room, node->room_gen);

        } else if (node->rec.kind == NGX_SOCKETIO_LEFT) {
            model_unseat(local, node->socket, node->room);

        } else {
            local->mark = node->seq;

            if (node->rec.kind == NGX_SOCKETIO_TO_SOCKET) {
                model_deliver(w, local, node);
            }
        }
    }

    w->letters.nodes = node->next;
    w->left--;
    model_back(w, ref);
}


static void
model_look_get(model_worker_t *w, model_local_t *local, ngx_uint_t noop)
{
    ngx_int_t             rc;
    ngx_socketio_taken_t  taken;

    rc = ngx_socketio_get_look(&w->zone, &local->id, model_handle(w, local),
                               noop, &taken, model_now);

    if (rc == NGX_AGAIN) {
        must(!noop);
        return;
    }

    if (rc == NGX_OK) {
        local->kind = 0;

        if (!model_gone()) {
            model_answer(w, local->session, &taken);
        }

        return;
    }

    must(model_gone() || w->robbed);
    local->kind = 0;
}


/* a reader that was stopped may go on when the inbox is half empty */

static ngx_uint_t
model_writable(ngx_socketio_id_t *id)
{
    ngx_socketio_session_t  *rec;

    rec = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SESSION, id->ref,
                                   id->gen);

    return rec == NULL || !rec->stuffed;
}


static void
model_look(model_worker_t *w, model_local_t *local)
{
    ngx_int_t   rc;
    ngx_uint_t  reason;

    switch (local->kind) {

    case MODEL_GET:
        model_look_get(w, local, 0);
        break;

    case MODEL_WAIT:
        model_wait_look(w, local);
        break;

    case MODEL_POST:
        rc = ngx_socketio_websocket_look(&w->zone, &local->id, &reason);

        if (rc == NGX_DONE) {
            ngx_socketio_post_end(&w->zone, &local->id,
                                  model_handle(w, local),
                                  NGX_SOCKETIO_EIO_EV_POST_DONE, model_now);
            local->kind = 0;

        } else if (model_writable(&local->id)) {
            local->stalled = 0;
        }

        break;

    case MODEL_WS:
        rc = ngx_socketio_websocket_look(&w->zone, &local->id, &reason);

        if (rc == NGX_DONE) {

            /* all that was queued has been seen: letters before bells */

            model_websocket_close(w, local, local->websocket
                                            ? NGX_SOCKETIO_EIO_EV_WS_CLOSE
                                            : NGX_SOCKETIO_EIO_EV_PROBE_LOST);

        } else if (model_writable(&local->id)) {
            local->stalled = 0;
        }
    }
}


static void
model_websocket_close(model_worker_t *w, model_local_t *local,
    ngx_socketio_eio_event_e event)
{
    if (local->websocket) {
        local->session->may_close = 1;
    }

    local->kind = 0;
    ngx_socketio_websocket_gone(&w->zone, &local->id, model_handle(w, local),
                                event, model_now);
}


static void
model_own(model_worker_t *w, ngx_socketio_id_t *id, uint32_t tenure)
{
    ngx_uint_t  i;

    for (i = 0; i < w->nowned; i++) {
        must(w->owned[i].id.gen != id->gen || w->owned[i].tenure != tenure);
    }

    must(w->nowned < MODEL_OWNED);

    w->owned[w->nowned].id = *id;
    w->owned[w->nowned].n = 0;
    w->owned[w->nowned++].tenure = tenure;
}


static void
model_bell(model_worker_t *w, ngx_socketio_id_t *id)
{
    int64_t     handles[NGX_SOCKETIO_CONNS];
    uint32_t    tenure;
    ngx_uint_t  i;

    if (ngx_socketio_mine(&w->zone, id, handles, &tenure) != NGX_OK) {
        return;
    }

    for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {

        if (handles[i] < 0) {
            continue;
        }

        must(handles[i] < MODEL_LOCALS);

        if (w->locals[handles[i]].kind & (((ngx_uint_t) 1 << i) | MODEL_WAIT)
            && w->locals[handles[i]].id.gen == id->gen)
        {
            model_look(w, &w->locals[handles[i]]);
        }
    }

    if (tenure) {
        model_own(w, id, tenure);
    }
}


static void
model_drop(model_worker_t *w, ngx_uint_t kinds)
{
    ngx_uint_t      i;
    model_local_t  *local;

    for (i = 0; i < MODEL_LOCALS; i++) {
        local = &w->locals[i];

        if ((local->kind & kinds) == 0) {
            continue;
        }

        local->session->may_close = 1;
        ngx_socketio_end(&w->zone, &local->id,
                         NGX_SOCKETIO_REASON_TRANSPORT_ERROR, model_now);

        if (local->kind == MODEL_WS) {
            model_websocket_close(w, local, NGX_SOCKETIO_EIO_EV_WS_ERROR);
        }

        local->kind = 0;
    }
}


/*
 * Whoever took a worker's sessions has forgotten its POSTs and probes, too,
 * of sessions that outlived that.  Their ends change nothing any more.
 */

static void
model_forgotten(model_worker_t *w)
{
    ngx_uint_t      i;
    model_local_t  *local;

    for (i = 0; w->robbed && i < MODEL_LOCALS; i++) {
        local = &w->locals[i];

        if (!local->forgotten) {
            continue;
        }

        if (local->kind == MODEL_POST) {
            ngx_socketio_post_end(&w->zone, &local->id, model_handle(w, local),
                                  NGX_SOCKETIO_EIO_EV_POST_GONE, model_now);
            local->kind = 0;

        } else if (local->kind == MODEL_WS && !local->websocket) {
            model_websocket_close(w, local, NGX_SOCKETIO_EIO_EV_PROBE_LOST);
        }
    }

    w->robbed = 0;
}


static void
model_take(model_worker_t *w)
{
    uint32_t            tenure;
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_socketio_id_t   id;
    ngx_socketio_ref_t  cursor;

    w->woken = 0;
    ngx_socketio_slot_take(&w->zone, &w->letters, model_now);

    if (model_gone()) {
        return;
    }

    w->left = w->letters.n;
    w->bells = 0;

    must(!w->letters.emptied);

    if (w->letters.overrun) {
        model_seen[2]++;
        model_drop(w, MODEL_WS);
    }

    if (!w->letters.all) {
        return;
    }

    model_seen[3]++;

    for (i = 0; i < MODEL_LOCALS; i++) {
        if (w->locals[i].kind) {
            model_look(w, &w->locals[i]);
        }
    }

    cursor = 0;

    do {
        rc = ngx_socketio_inbox_handed(&w->zone, &cursor, &id, &tenure);

        if (rc == NGX_OK) {
            model_own(w, &id, tenure);
        }
    } while (rc != NGX_DONE);

    model_forgotten(w);
}


/* as src/delivery: what was taken before, in order, bells after records */

static void
model_letters(model_worker_t *w, ngx_uint_t n)
{
    if (w->left == 0 && w->bells == w->letters.nbells) {
        model_take(w);
    }

    for ( /* void */ ; n && !model_gone(); n--) {

        if (w->left) {
            model_node(w);

        } else if (w->bells < w->letters.nbells) {
            model_bell(w, &w->letters.bells[w->bells++]);

        } else {
            break;
        }
    }
}


#endif /* _STORE_LETTERS_H_INCLUDED_ */
