
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_lane_internal.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_json.h"


#define NGX_HTTP_SOCKETIO_BATCH_PEEK  16
#define NGX_HTTP_SOCKETIO_BATCH_POOL  4096


static ngx_int_t ngx_http_socketio_batch_entries(
    ngx_http_socketio_lane_t *lane, ngx_http_socketio_loc_conf_t *conf,
    ngx_http_socketio_batch_t **batch, ngx_http_socketio_owned_t *session);
static ngx_int_t ngx_http_socketio_batch_entry(
    ngx_http_socketio_lane_t *lane, ngx_http_socketio_loc_conf_t *conf,
    ngx_http_socketio_batch_t **batch, ngx_http_socketio_owned_t *session,
    ngx_socketio_entry_t *entry);
static ngx_http_socketio_hook_t *ngx_http_socketio_batch_hook(
    ngx_http_socketio_loc_conf_t *conf, ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry);
static ngx_http_socketio_batch_t *ngx_http_socketio_batch_create(
    ngx_http_socketio_lane_t *lane, ngx_http_socketio_loc_conf_t *conf,
    ngx_http_socketio_owned_t *session);
static ngx_int_t ngx_http_socketio_batch_add(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_loc_conf_t *conf,
    ngx_http_socketio_owned_t *session, ngx_socketio_entry_t *entry);
static ngx_int_t ngx_http_socketio_batch_write(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_event_t *event,
    size_t len);
static ngx_int_t ngx_http_socketio_batch_ask(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_owned_t *session, ngx_http_socketio_event_t *event);
static ngx_int_t ngx_http_socketio_batch_address(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_event_t *event,
    ngx_pool_t *pool);
static ngx_int_t ngx_http_socketio_batch_text(
    ngx_http_socketio_batch_t *batch, char *text, size_t len);


static ngx_http_socketio_lane_event_t  ngx_http_socketio_batched;
static ngx_uint_t                      ngx_http_socketio_batch_number;


ngx_int_t
ngx_http_socketio_batch_take(ngx_http_socketio_lane_t *lane,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_batch_t **batch,
    ngx_http_socketio_owned_t *session)
{
    size_t                      size;
    ngx_int_t                   rc;
    ngx_uint_t                  nasked;
    ngx_chain_t               **last;
    ngx_http_socketio_batch_t  *b;

    if (conf == NULL) {
        return ngx_http_socketio_result_abandon(session);
    }

    session->n = 0;
    session->keep = NGX_MAX_INT_T_VALUE;

    b = *batch;

    last = b ? b->last : NULL;
    size = b ? b->size : 0;
    nasked = b ? b->asked.nelts : 0;

    rc = ngx_http_socketio_batch_entries(lane, conf, batch, session);

    b = *batch;

    if (rc == NGX_DONE || b == NULL || session->n == 0) {

        if (b && b->asked.nelts == 0) {
            ngx_destroy_pool(b->pool);
            *batch = NULL;
        }

        return rc;
    }

    /* what was read is only worth something if it still was ours */

    if (rc == NGX_OK
        && ngx_socketio_inbox_still_mine(session->zone, &session->id,
                                         session->tenure)
           == NGX_OK)
    {
        ngx_queue_insert_tail(&b->sessions, &session->queue);
        return NGX_OK;
    }

    if (last == NULL) {
        ngx_destroy_pool(b->pool);
        *batch = NULL;

    } else {
        *last = NULL;
        b->last = last;
        b->size = size;
        b->asked.nelts = nasked;
        b->items.nelts = nasked;
    }

    ngx_http_socketio_lane_forget(session);

    return NGX_DONE;
}


/*
 * NGX_OK with session->n entries added; NGX_ABORT: the same, but it is not
 * ours any more; else as ..._take()
 */

static ngx_int_t
ngx_http_socketio_batch_entries(ngx_http_socketio_lane_t *lane,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_batch_t **batch,
    ngx_http_socketio_owned_t *session)
{
    ngx_int_t             rc;
    ngx_uint_t            i, n;
    ngx_socketio_entry_t  entries[NGX_HTTP_SOCKETIO_BATCH_PEEK];

    for ( ;; ) {
        n = NGX_HTTP_SOCKETIO_BATCH_PEEK;

        rc = ngx_socketio_inbox_peek(session->zone, &session->id,
                                     session->tenure, session->n, entries, &n);

        if (rc == NGX_OK && n == 0) {

            if (session->n) {
                return NGX_OK;
            }

            /* nothing waits: let it go; it may have been filled meanwhile */

            rc = ngx_socketio_inbox_done(session->zone, &session->id,
                                         session->tenure, 0);
            if (rc == NGX_AGAIN) {
                continue;
            }
        }

        if (n == 0) {

            if (session->n) {
                return NGX_ABORT;
            }

            ngx_http_socketio_lane_forget(session);

            return NGX_DONE;
        }

        for (i = 0; i < n; i++) {
            rc = ngx_http_socketio_batch_entry(lane, conf, batch, session,
                                               &entries[i]);

            if (rc == NGX_DECLINED) {
                /* it needed no request */
                rc = ngx_http_socketio_result_drop(session, &entries[i], 1);

            } else if (rc == NGX_ABORT) {
                rc = ngx_http_socketio_result_drop(session, &entries[i], 0);
            }

            if (rc == NGX_DONE) {
                return NGX_DONE;
            }

            if (rc != NGX_OK) {
                return session->n ? NGX_OK : rc;
            }
        }
    }
}


/*
 * NGX_OK: it is in the batch.  Otherwise nothing has happened, and it is the
 * session's first if NGX_DECLINED (there is no hook) or NGX_ABORT (its bytes
 * are not there: if it still is ours, it never can be sent).  Else, as
 * ..._take(), it has to wait.
 */

static ngx_int_t
ngx_http_socketio_batch_entry(ngx_http_socketio_lane_t *lane,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_batch_t **batch,
    ngx_http_socketio_owned_t *session, ngx_socketio_entry_t *entry)
{
    ngx_int_t                  rc;
    ngx_uint_t                 max;
    ngx_http_socketio_hook_t  *hook;

    hook = ngx_http_socketio_batch_hook(conf, session->zone, entry);

    if (session->n == 0) {

        if (hook == NULL) {
            return NGX_DECLINED;
        }

        session->hook = hook;

        if (entry->type != NGX_SOCKETIO_ENTRY_DISCONNECT) {
            session->left = 0;
        }
    }

    if (hook != session->hook
        || (session->left && entry->type != NGX_SOCKETIO_ENTRY_DISCONNECT)
        || (*batch && ((*batch)->hook != hook
                       || (*batch)->left != session->left)))
    {
        return NGX_AGAIN;
    }

    if (*batch == NULL) {
        *batch = ngx_http_socketio_batch_create(lane, conf, session);
        if (*batch == NULL) {
            return NGX_ERROR;
        }
    }

    max = conf->batch_events ? conf->batch_events : 1;

    if ((*batch)->asked.nelts >= max) {
        (*batch)->full = 1;
    }

    if ((*batch)->full) {
        return NGX_BUSY;
    }

    rc = ngx_http_socketio_batch_add(*batch, conf, session, entry);

    if (rc == NGX_DECLINED) {
        return session->n ? NGX_AGAIN : NGX_ABORT;
    }

    return rc;
}


static ngx_http_socketio_hook_t *
ngx_http_socketio_batch_hook(ngx_http_socketio_loc_conf_t *conf,
    ngx_socketio_zone_t *zone, ngx_socketio_entry_t *entry)
{
    u_char     name[NGX_HTTP_SOCKETIO_NAME_MAX];
    ngx_str_t  nsp;

    nsp.data = name;
    nsp.len = ngx_socketio_bytes_read(zone, entry->nsp, name,
                                      ngx_min(entry->nsp_len, sizeof(name)));

    return ngx_http_socketio_client_hook(conf, &nsp);
}


static ngx_http_socketio_batch_t *
ngx_http_socketio_batch_create(ngx_http_socketio_lane_t *lane,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_owned_t *session)
{
    ngx_pool_t                 *pool;
    ngx_http_socketio_batch_t  *batch;

    pool = ngx_create_pool(NGX_HTTP_SOCKETIO_BATCH_POOL, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    batch = ngx_pcalloc(pool, sizeof(ngx_http_socketio_batch_t));
    if (batch == NULL) {
        goto failed;
    }

    batch->lane = lane;
    batch->pool = pool;
    batch->hook = session->hook;
    batch->left = session->left;
    batch->sole = (conf->batch_events == 0);
    batch->last = &batch->body;
    ngx_queue_init(&batch->sessions);

    ngx_http_socketio_batched.batched = 1;
    batch->event = &ngx_http_socketio_batched;

    if (ngx_array_init(&batch->asked, pool, 4,
                       sizeof(ngx_http_socketio_asked_t))
        != NGX_OK
        || ngx_array_init(&batch->items, pool, 4,
                          sizeof(ngx_http_socketio_item_t))
           != NGX_OK
        || ngx_http_socketio_batch_text(batch, "[\n", 2) != NGX_OK)
    {
        goto failed;
    }

    return batch;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


/*
 * NGX_OK; NGX_BUSY: it is full; NGX_DECLINED: the entry cannot be read;
 * NGX_ERROR: no memory
 */

static ngx_int_t
ngx_http_socketio_batch_add(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_owned_t *session,
    ngx_socketio_entry_t *entry)
{
    size_t                      len;
    ngx_int_t                   rc;
    ngx_pool_t                 *pool;
    ngx_http_socketio_event_t   event;

    /* most events are small: what cannot fit is not even read */

    if (batch->asked.nelts
        && batch->size + entry->body_len + entry->attached_len
           > conf->batch_bytes)
    {
        batch->full = 1;
        return NGX_BUSY;
    }

    pool = ngx_create_pool(NGX_HTTP_SOCKETIO_BATCH_POOL, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_socketio_event_read(session->zone, entry, batch->sole,
                                      &event, pool);
    if (rc != NGX_OK) {
        goto done;
    }

    len = ngx_http_socketio_event_json(NULL, &event);

    if (batch->asked.nelts && batch->size + len > conf->batch_bytes) {
        batch->full = 1;
        rc = NGX_BUSY;
        goto done;
    }

    rc = NGX_ERROR;

    if (batch->sole) {
        batch->event = ngx_http_socketio_event_variables(&event, batch->pool);
        if (batch->event == NULL
            || ngx_http_socketio_batch_address(batch, &event, pool) != NGX_OK)
        {
            goto done;
        }
    }

    if (ngx_http_socketio_batch_ask(batch, session, &event) != NGX_OK) {
        goto done;
    }

    if (ngx_http_socketio_batch_write(batch, &event, len) != NGX_OK) {
        batch->asked.nelts--;
        batch->items.nelts--;
        goto done;
    }

    if (entry->type == NGX_SOCKETIO_ENTRY_DISCONNECT
        && session->keep == NGX_MAX_INT_T_VALUE)
    {
        session->keep = session->n;
    }

    session->n++;
    rc = NGX_OK;

done:

    ngx_destroy_pool(pool);

    return rc;
}


static ngx_int_t
ngx_http_socketio_batch_write(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_event_t *event, size_t len)
{
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_create_temp_buf(batch->pool, len + 2);
    if (b == NULL) {
        return NGX_ERROR;
    }

    cl = ngx_alloc_chain_link(batch->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    p = b->last;

    if (batch->asked.nelts > 1) {
        *p++ = ',';
        *p++ = LF;
    }

    p += ngx_http_socketio_event_json(p, event);

    batch->size += p - b->last;
    b->last = p;

    cl->buf = b;
    cl->next = NULL;

    *batch->last = cl;
    batch->last = &cl->next;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_batch_ask(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_owned_t *session, ngx_http_socketio_event_t *event)
{
    ngx_str_t                   nsp;
    ngx_http_socketio_item_t   *item;
    ngx_http_socketio_asked_t  *asked;

    nsp.len = event->nsp.len;
    nsp.data = ngx_pstrdup(batch->pool, &event->nsp);

    if (nsp.data == NULL) {
        return NGX_ERROR;
    }

    item = ngx_array_push(&batch->items);
    if (item == NULL) {
        return NGX_ERROR;
    }

    asked = ngx_array_push(&batch->asked);
    if (asked == NULL) {
        batch->items.nelts--;
        return NGX_ERROR;
    }

    item->session = session;
    item->index = session->n;

    ngx_memzero(asked, sizeof(ngx_http_socketio_asked_t));

    asked->id = event->id;
    asked->nsp = nsp;
    asked->peer = event->peer;
    asked->connect = (event->type == NGX_SOCKETIO_ENTRY_CONNECT);
    asked->recovered = event->recovered;
    ngx_memcpy(asked->text, event->sid.data, NGX_SOCKETIO_SOCKET_TEXT);

    return NGX_OK;
}


/* whose $remote_addr it is; without one that is an address, 127.0.0.1 */

static ngx_int_t
ngx_http_socketio_batch_address(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_event_t *event, ngx_pool_t *pool)
{
    u_char      *p;
    size_t       len;
    ngx_str_t    json;
    ngx_addr_t   addr;

    if (ngx_http_socketio_event_handshake(event, "address", &json, pool)
        != NGX_OK)
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(batch->pool, json.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ngx_socketio_json_string(p, &len, json.data, json.data + json.len)
        != NGX_OK
        || ngx_parse_addr(batch->pool, &addr, p, len) != NGX_OK)
    {
        return NGX_OK;
    }

    batch->sockaddr = addr.sockaddr;
    batch->socklen = addr.socklen;
    batch->addr_text.len = len;
    batch->addr_text.data = p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_batch_text(ngx_http_socketio_batch_t *batch, char *text,
    size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_calloc_buf(batch->pool);
    cl = ngx_alloc_chain_link(batch->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->start = (u_char *) text;
    b->pos = b->start;
    b->last = b->start + len;
    b->end = b->last;

    cl->buf = b;
    cl->next = NULL;

    *batch->last = cl;
    batch->last = &cl->next;
    batch->size += len;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_batch_close(ngx_http_socketio_batch_t *batch)
{
    u_char               *p;
    ngx_socketio_zone_t  *zone;

    zone = batch->lane->lanes->zone;

    p = ngx_pnalloc(batch->pool, NGX_INT64_LEN + sizeof("00000000-00000000-"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* a slot's generation is never given twice, unlike the slot */

    batch->id.data = p;
    batch->id.len = ngx_sprintf(p, "%08xD-%xD-%ui", zone->sh->boot,
                                zone->slot_gen,
                                ++ngx_http_socketio_batch_number)
                    - p;

    return ngx_http_socketio_batch_text(batch, "\n]", 2);
}
