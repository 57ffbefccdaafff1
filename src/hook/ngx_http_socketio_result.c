
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_lane_internal.h"
#include "store/ngx_socketio_bytes.h"
#include "store/ngx_socketio_exchange.h"
#include "proto/ngx_socketio_commands.h"
#include "proto/ngx_socketio_json.h"


static ngx_int_t ngx_http_socketio_result_parse(
    ngx_http_socketio_batch_t *batch, ngx_str_t *body, ngx_array_t *texts,
    ngx_uint_t *bad);
static ngx_uint_t ngx_http_socketio_result_strange(ngx_array_t *texts);
static ngx_uint_t ngx_http_socketio_result_is(ngx_str_t *text, char *name);
static ngx_uint_t ngx_http_socketio_result_lost(
    ngx_http_socketio_batch_t *batch, ngx_str_t *text);
static ngx_uint_t ngx_http_socketio_result_commands(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_loc_conf_t *conf,
    ngx_array_t *texts, u_char *connects, ngx_uint_t lost);
static void ngx_http_socketio_result_invalid(ngx_http_socketio_batch_t *batch,
    char *error, char *message);
static void ngx_http_socketio_result_connects(
    ngx_http_socketio_batch_t *batch, ngx_uint_t accept, ngx_str_t *message,
    ngx_str_t *data, ngx_uint_t heard);
static void ngx_http_socketio_result_local(ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry, ngx_uint_t accept);
static void ngx_http_socketio_result_log(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_call_answer_t *answer, ngx_uint_t final);


static ngx_str_t  ngx_http_socketio_result_none = ngx_null_string;
static ngx_str_t  ngx_http_socketio_result_wrong =
    ngx_string("\"invalid answer of the backend\"");
static ngx_str_t  ngx_http_socketio_result_unavailable =
    ngx_string("\"service unavailable\"");


/*
 * CONNECT is answered first, other commands follow: so that whatever comes
 * with an accept, before or behind it, reaches the socket.  If lines of the
 * answer have run before the others came, there were no connects to wait for,
 * or all of them are answered; else only accepts and rejects have.
 */

void
ngx_http_socketio_result_run(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *body, ngx_uint_t complete)
{
    char         *error;
    ngx_int_t     rc;
    ngx_uint_t    bad, lost;
    ngx_array_t   texts;

    lost = ngx_http_socketio_result_ownership(batch);

    error = "too_large";
    bad = 0;
    rc = NGX_ERROR;

    if (complete) {
        error = "bad_json";
        rc = ngx_http_socketio_result_parse(batch, body, &texts, &bad);
    }

    if (rc != NGX_OK) {
        ngx_http_socketio_result_invalid(batch, error, NULL);
        ngx_http_socketio_result_connects(batch, 0,
                                          &ngx_http_socketio_result_wrong,
                                          &ngx_http_socketio_result_none, 0);
        return;
    }

    if (bad) {
        ngx_http_socketio_result_invalid(batch, error, NULL);
    }

    bad += batch->bad;
    bad += ngx_http_socketio_result_commands(batch, conf, &texts,
                                             body->data + batch->held, lost);

    /*
     * No login by a stray page, nor by a reject that was misspelt.  The
     * backend may think that it has accepted, and hears of the end.
     */

    ngx_http_socketio_result_connects(batch,
                               bad + ngx_http_socketio_result_strange(&texts)
                               == 0,
                               &ngx_http_socketio_result_wrong,
                               &ngx_http_socketio_result_none, 1);

    (void) ngx_http_socketio_result_commands(batch, conf, &texts, NULL, lost);
}


/* the texts of commands; *bad: what is none.  NGX_ERROR: it is not JSON */

static ngx_int_t
ngx_http_socketio_result_parse(ngx_http_socketio_batch_t *batch,
    ngx_str_t *body, ngx_array_t *texts, ngx_uint_t *bad)
{
    ngx_int_t                 rc;
    ngx_str_t                 text, *t;
    ngx_socketio_commands_t   commands;

    if (ngx_array_init(texts, batch->pool, 8, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_socketio_commands_init(&commands, body->data, body->data + body->len,
                               NGX_HTTP_SOCKETIO_COMMAND_DEPTH);

    if (batch->lines) {
        commands.form = NGX_SOCKETIO_COMMANDS_LINES;
    }

    for ( ;; ) {
        rc = ngx_socketio_commands_next(&commands, &text);

        if (rc == NGX_DONE) {
            return NGX_OK;
        }

        if (rc != NGX_OK) {

            if (commands.form == NGX_SOCKETIO_COMMANDS_NONE) {
                return NGX_ERROR;
            }

            (*bad)++;
            continue;
        }

        t = ngx_array_push(texts);
        if (t == NULL) {
            return NGX_ERROR;
        }

        *t = text;
    }
}


/*
 * How many commands cannot be meant for a hook's answer at all.  Others turn
 * out to be invalid when they run, too late for a connect that they belong
 * to.
 */

static ngx_uint_t
ngx_http_socketio_result_strange(ngx_array_t *texts)
{
    ngx_str_t   *text, value;
    ngx_uint_t   i, n, strange;

    static ngx_str_t  op = ngx_string("op");
    static ngx_str_t  event = ngx_string("event");
    static char      *ops[] = {
        "accept", "reject", "ack", "emit", "join", "leave", "disconnect",
        "data", "send"
    };

    text = texts->elts;
    strange = 0;

    for (i = 0; i < texts->nelts; i++) {

        if (ngx_socketio_json_pick(text[i].data, text[i].data + text[i].len,
                                   &op, &value)
            != NGX_OK)
        {
            strange += (ngx_socketio_json_pick(text[i].data,
                                               text[i].data + text[i].len,
                                               &event, &value)
                        != NGX_OK);
            continue;
        }

        for (n = 0; n < sizeof(ops) / sizeof(ops[0]); n++) {
            if (ngx_http_socketio_result_is(&text[i], ops[n])) {
                break;
            }
        }

        strange += (n == sizeof(ops) / sizeof(ops[0]));
    }

    return strange;
}


static ngx_uint_t
ngx_http_socketio_result_is(ngx_str_t *text, char *name)
{
    ngx_str_t  value;

    static ngx_str_t  op = ngx_string("op");

    return ngx_socketio_json_pick(text->data, text->data + text->len, &op,
                                  &value)
           == NGX_OK
           && ngx_socketio_json_equal(value.data, value.data + value.len,
                                      (u_char *) name, ngx_strlen(name));
}


ngx_uint_t
ngx_http_socketio_result_to_connect(ngx_str_t *text)
{
    return ngx_http_socketio_result_is(text, "accept")
           || ngx_http_socketio_result_is(text, "reject");
}


ngx_uint_t
ngx_http_socketio_result_ownership(ngx_http_socketio_batch_t *batch)
{
    ngx_uint_t                  lost;
    ngx_queue_t                *q;
    ngx_http_socketio_owned_t  *session;

    lost = 0;

    for (q = ngx_queue_head(&batch->sessions);
         q != ngx_queue_sentinel(&batch->sessions);
         q = ngx_queue_next(q))
    {
        session = ngx_queue_data(q, ngx_http_socketio_owned_t, queue);

        if (ngx_socketio_inbox_still_mine(session->zone, &session->id,
                                          session->tenure)
            != NGX_OK)
        {
            session->lost = 1;
            lost = 1;
        }
    }

    return lost;
}


/* Its new owner sends the event again: that answer is the one that counts. */

static ngx_uint_t
ngx_http_socketio_result_lost(ngx_http_socketio_batch_t *batch,
    ngx_str_t *text)
{
    ngx_str_t                      value;
    ngx_uint_t                     i;
    ngx_http_socketio_item_t      *items;
    ngx_http_socketio_asked_t     *asked;
    ngx_http_socketio_event_id_t   id;

    static ngx_str_t  path = ngx_string("id");

    items = batch->items.elts;
    asked = batch->asked.elts;

    if (batch->sole) {
        return items[0].session->lost;
    }

    /* an id has nothing that JSON could escape */

    if (ngx_socketio_json_pick(text->data, text->data + text->len, &path,
                               &value)
        != NGX_OK
        || value.len < 2
        || ngx_http_socketio_event_id_parse(batch->lane->lanes->zone,
                                            value.data + 1, value.len - 2,
                                            &id)
           != NGX_OK)
    {
        return 0;
    }

    for (i = 0; i < batch->asked.nelts; i++) {
        if (asked[i].id.socket.ref == id.socket.ref
            && asked[i].id.socket.gen == id.socket.gen)
        {
            return items[i].session->lost;
        }
    }

    return 0;
}


/* "connects": those that answer one, from there on, else, NULL, all others;
   returns how many are invalid */

static ngx_uint_t
ngx_http_socketio_result_commands(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_array_t *texts,
    u_char *connects, ngx_uint_t lost)
{
    ngx_str_t   *text;
    ngx_uint_t   i, bad;

    text = texts->elts;
    bad = 0;

    for (i = 0; i < texts->nelts; i++) {

        if (ngx_http_socketio_result_to_connect(&text[i])
            ? (connects == NULL || text[i].data < connects)
            : (connects != NULL))
        {
            continue;
        }

        bad += ngx_http_socketio_result_command(batch, conf, &text[i], lost);
    }

    return bad;
}


ngx_uint_t
ngx_http_socketio_result_command(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *text, ngx_uint_t lost)
{
    ngx_int_t                     rc;
    ngx_http_socketio_command_t   command;

    if (lost && ngx_http_socketio_result_lost(batch, text)) {
        return 0;
    }

    ngx_memzero(&command, sizeof(ngx_http_socketio_command_t));

    command.zone = batch->lane->lanes->zone;
    command.log = ngx_cycle->log;
    command.max_rooms = conf->max_rooms;
    command.max_attachments = conf->max_attachments;
    command.max_acks = conf->max_acks;
    command.asked = batch->asked.elts;
    command.nasked = batch->asked.nelts;
    command.hook = 1;
    command.sole = batch->sole;

    rc = ngx_http_socketio_command_text(&command, text);

    if (rc == NGX_DECLINED) {
        ngx_http_socketio_result_invalid(batch, command.error,
                                         command.message);
        return 1;
    }

    /* NGX_BUSY has been logged */

    return 0;
}


static void
ngx_http_socketio_result_invalid(ngx_http_socketio_batch_t *batch,
    char *error, char *message)
{
    char  *more;

    ngx_socketio_tally(batch->lane->lanes->zone, NGX_SOCKETIO_N_HOOK_INVALID,
                       1);

    more = ngx_http_socketio_lane_say(batch->lane,
                             ngx_http_socketio_lane_fault(batch->lane,
                                               message ? message : error));
    if (more == NULL) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "socketio hook \"%V\" answered batch %V with an invalid "
                  "command: %s%s%s%s",
                  &batch->hook->uri, &batch->id, error ? error : "unknown",
                  message ? ", " : "", message ? message : "", more);
}


/*
 * All connects without an answer so far, but for those behind a disconnect
 * that will be repeated: they come again with it.
 */

static void
ngx_http_socketio_result_connects(ngx_http_socketio_batch_t *batch,
    ngx_uint_t accept, ngx_str_t *message, ngx_str_t *data, ngx_uint_t heard)
{
    ngx_uint_t                  i;
    ngx_socketio_zone_t        *zone;
    ngx_http_socketio_item_t   *items;
    ngx_http_socketio_asked_t  *asked;

    zone = batch->lane->lanes->zone;
    items = batch->items.elts;
    asked = batch->asked.elts;

    for (i = 0; i < batch->asked.nelts; i++) {

        if (!asked[i].connect || asked[i].answered || items[i].session->lost) {
            continue;
        }

        asked[i].answered = 1;

        if (asked[i].recovered) {

            if (!accept) {
                (void) ngx_http_socketio_client_dismiss(zone,
                                                        &asked[i].id.socket,
                                                        &asked[i].nsp,
                                                        ngx_cycle->log);
            }

            continue;
        }

        if (accept) {
            (void) ngx_http_socketio_client_accept(zone, &asked[i].id.socket,
                                       &asked[i].peer, asked[i].text,
                                       &asked[i].nsp, NULL, 0, data,
                                       ngx_cycle->log);
            continue;
        }

        (void) ngx_http_socketio_client_reject(zone, &asked[i].id.socket,
                                               &asked[i].peer, &asked[i].nsp,
                                               message, data, heard,
                                               ngx_cycle->log);
    }
}


void
ngx_http_socketio_result_fail(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf,
    ngx_http_socketio_call_answer_t *answer, ngx_uint_t final)
{
    u_char                     *last;
    ngx_str_t                   message, data, path;
    ngx_uint_t                  i;
    ngx_http_socketio_item_t   *items;
    ngx_http_socketio_asked_t  *asked;

    ngx_http_socketio_result_log(batch, answer, final);
    (void) ngx_http_socketio_result_ownership(batch);

    items = batch->items.elts;
    asked = batch->asked.elts;

    for (i = 0; i < batch->items.nelts; i++) {

        /* a recovered one is connected: without any answer it stays so */

        if (items[i].index >= items[i].session->keep
            || (asked[i].recovered && !final))
        {
            asked[i].answered = 1;
        }
    }

    message = ngx_http_socketio_result_unavailable;
    data = ngx_http_socketio_result_none;

    if (!final) {
        ngx_http_socketio_result_connects(batch, conf->connect_fail, &message,
                                          &data, batch->heard);
        return;
    }

    last = answer->body.data + answer->body.len;

    if (answer->complete
        && ngx_socketio_json_check(answer->body.data, last,
                                   NGX_HTTP_SOCKETIO_COMMAND_DEPTH)
           == NGX_OK)
    {
        ngx_str_set(&path, "message");
        (void) ngx_socketio_json_pick(answer->body.data, last, &path,
                                      &message);

        if (message.data[0] == '"') {
            ngx_str_set(&path, "data");
            (void) ngx_socketio_json_pick(answer->body.data, last, &path,
                                          &data);

        } else {
            message = ngx_http_socketio_result_unavailable;
        }
    }

    ngx_http_socketio_result_connects(batch, 0, &message, &data,
                                      batch->heard);
}


static void
ngx_http_socketio_result_log(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_call_answer_t *answer, ngx_uint_t final)
{
    char        *more;
    ngx_uint_t   condition;

    condition = NGX_HTTP_SOCKETIO_SAID_UNANSWERED;

    if (final) {
        condition = NGX_HTTP_SOCKETIO_SAID_FAILED
                    + ngx_min(ngx_max(answer->status, 200), 599) / 100 - 2;
    }

    more = ngx_http_socketio_lane_say(batch->lane, condition);

    if (more == NULL) {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "socketio hook \"%V\" failed batch %V of %ui events: "
                  "status %ui, attempt %ui%s%s",
                  &batch->hook->uri, &batch->id, batch->asked.nelts,
                  answer->status, batch->attempt,
                  final ? "" : ", time is up", more);
}


ngx_int_t
ngx_http_socketio_result_drop(ngx_http_socketio_owned_t *session,
    ngx_socketio_entry_t *entry, ngx_uint_t accept)
{
    ngx_int_t  rc;

    rc = ngx_socketio_inbox_still_mine(session->zone, &session->id,
                                       session->tenure);

    if (rc == NGX_OK) {
        ngx_http_socketio_result_local(session->zone, entry, accept);

        rc = ngx_socketio_inbox_done(session->zone, &session->id,
                                     session->tenure, 1);
    }

    if (rc == NGX_AGAIN) {
        return NGX_OK;
    }

    ngx_http_socketio_lane_forget(session);

    return NGX_DONE;
}


ngx_int_t
ngx_http_socketio_result_abandon(ngx_http_socketio_owned_t *session)
{
    ngx_uint_t            n;
    ngx_socketio_entry_t  entry;

    ngx_socketio_end(session->zone, &session->id,
                     NGX_SOCKETIO_REASON_FORCED_SERVER, ngx_current_msec);

    for ( ;; ) {
        n = 1;

        if (ngx_socketio_inbox_peek(session->zone, &session->id,
                                    session->tenure, 0, &entry, &n)
            != NGX_OK)
        {
            ngx_http_socketio_lane_forget(session);
            return NGX_DONE;
        }

        if (n == 0) {
            (void) ngx_socketio_inbox_done(session->zone, &session->id,
                                           session->tenure, 0);
            ngx_http_socketio_lane_forget(session);
            return NGX_DONE;
        }

        if (ngx_http_socketio_result_drop(session, &entry, 0) == NGX_DONE) {
            return NGX_DONE;
        }
    }
}


static void
ngx_http_socketio_result_local(ngx_socketio_zone_t *zone,
    ngx_socketio_entry_t *entry, ngx_uint_t accept)
{
    u_char     name[NGX_HTTP_SOCKETIO_NAME_MAX];
    ngx_str_t  nsp;

    if (entry->type != NGX_SOCKETIO_ENTRY_CONNECT) {
        return;
    }

    nsp.data = name;
    nsp.len = ngx_socketio_bytes_read(zone, entry->nsp, name,
                                      ngx_min(entry->nsp_len, sizeof(name)));

    if (accept) {
        (void) ngx_http_socketio_client_accept(zone, &entry->socket,
                                       &entry->peer, entry->text, &nsp, NULL,
                                       0,
                                       &ngx_http_socketio_result_none,
                                       ngx_cycle->log);
        return;
    }

    (void) ngx_http_socketio_client_reject(zone, &entry->socket,
                                       &entry->peer, &nsp,
                                       &ngx_http_socketio_result_unavailable,
                                       &ngx_http_socketio_result_none, 0,
                                       ngx_cycle->log);
}
