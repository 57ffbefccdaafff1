
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "hook/ngx_http_socketio_lane_internal.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_json.h"


static json_t *ngx_http_socketio_answer_parse(ngx_str_t *body,
    ngx_uint_t *bad);
static void ngx_http_socketio_answer_add(json_t *list, u_char *p, u_char *last,
    ngx_uint_t *bad);
static ngx_uint_t ngx_http_socketio_answer_strange(json_t *object);
static ngx_uint_t ngx_http_socketio_answer_is(json_t *object, char *op);
static ngx_uint_t ngx_http_socketio_answer_to_connect(json_t *object);
static ngx_uint_t ngx_http_socketio_answer_ownership(
    ngx_http_socketio_batch_t *batch);
static ngx_uint_t ngx_http_socketio_answer_lost(
    ngx_http_socketio_batch_t *batch, json_t *object);
static ngx_uint_t ngx_http_socketio_answer_commands(
    ngx_http_socketio_batch_t *batch, ngx_http_socketio_loc_conf_t *conf,
    json_t *list, ngx_uint_t connects, ngx_uint_t lost);
static void ngx_http_socketio_answer_invalid(ngx_http_socketio_batch_t *batch,
    char *error, char *message);
static void ngx_http_socketio_answer_connects(
    ngx_http_socketio_batch_t *batch, ngx_uint_t accept, ngx_str_t *message,
    ngx_str_t *data, ngx_uint_t heard);
static void ngx_http_socketio_answer_log(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_call_answer_t *answer, ngx_uint_t final);


static ngx_str_t  ngx_http_socketio_answer_none = ngx_null_string;
static ngx_str_t  ngx_http_socketio_answer_wrong =
    ngx_string("\"invalid answer of the backend\"");
static ngx_str_t  ngx_http_socketio_answer_unavailable =
    ngx_string("\"service unavailable\"");


/*
 * CONNECT is answered first, other commands follow: so that whatever comes
 * with an accept, before or behind it, reaches the socket.
 */

void
ngx_http_socketio_answer_run(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *body, ngx_uint_t complete)
{
    json_t      *list;
    size_t       i;
    ngx_uint_t   bad, lost;

    lost = ngx_http_socketio_answer_ownership(batch);

    bad = 0;
    list = complete ? ngx_http_socketio_answer_parse(body, &bad) : NULL;

    if (list == NULL) {
        ngx_http_socketio_answer_invalid(batch, complete ? "bad_json"
                                                         : "too_large", NULL);
        ngx_http_socketio_answer_connects(batch, 0,
                                          &ngx_http_socketio_answer_wrong,
                                          &ngx_http_socketio_answer_none, 0);
        return;
    }

    if (bad) {
        ngx_http_socketio_answer_invalid(batch, "bad_json", NULL);
    }

    for (i = 0; i < json_array_size(list); i++) {
        bad += ngx_http_socketio_answer_strange(json_array_get(list, i));
    }

    bad += ngx_http_socketio_answer_commands(batch, conf, list, 1, lost);

    /*
     * No login by a stray page, nor by a reject that was misspelt.  The
     * backend may think that it has accepted, and hears of the end.
     */

    ngx_http_socketio_answer_connects(batch, bad == 0,
                                      &ngx_http_socketio_answer_wrong,
                                      &ngx_http_socketio_answer_none, 1);

    (void) ngx_http_socketio_answer_commands(batch, conf, list, 0, lost);

    json_decref(list);
}


/*
 * A list of commands: elements that JSON allows but jansson cannot hold
 * are counted as bad.  NULL: the whole is not JSON.
 */

static json_t *
ngx_http_socketio_answer_parse(ngx_str_t *body, ngx_uint_t *bad)
{
    u_char     *p, *end, *last;
    json_t     *list;
    ngx_int_t   rc;

    last = body->data + body->len;
    p = ngx_socketio_json_space(body->data, last);

    list = json_array();

    if (list == NULL || p == last) {
        return list;
    }

    rc = ngx_socketio_json_check(p, last, NGX_HTTP_SOCKETIO_JSON_DEPTH);

    if (rc == NGX_OK && *p != '[') {
        ngx_http_socketio_answer_add(list, p, last, bad);
        return list;
    }

    if (rc == NGX_OK) {

        p = ngx_socketio_json_space(p + 1, last);

        while (p < last && *p != ']') {
            end = ngx_socketio_json_skip(p, last);
            ngx_http_socketio_answer_add(list, p, end, bad);

            p = ngx_socketio_json_space(end, last);

            if (p < last && *p == ',') {
                p++;
            }
        }

        return list;
    }

    /* a line that is cut or wrong does not invalidate those before it */

    while (p < last && *p == '{') {

        end = memchr(p, LF, last - p);
        if (end == NULL) {
            end = last;
        }

        if (ngx_socketio_json_check(p, end, NGX_HTTP_SOCKETIO_JSON_DEPTH)
            == NGX_OK)
        {
            ngx_http_socketio_answer_add(list, p, end, bad);

        } else {
            (*bad)++;
        }

        p = ngx_socketio_json_space(end, last);
    }

    if (p != last) {
        (*bad)++;
    }

    if (json_array_size(list) == 0) {
        json_decref(list);
        return NULL;
    }

    return list;
}


static void
ngx_http_socketio_answer_add(json_t *list, u_char *p, u_char *last,
    ngx_uint_t *bad)
{
    json_t        *object;
    json_error_t   error;

    p = ngx_socketio_json_space(p, last);

    object = (p < last && *p == '{')
             ? json_loadb((char *) p, last - p, JSON_ALLOW_NUL, &error)
             : NULL;

    if (object == NULL || json_array_append_new(list, object) != 0) {
        (*bad)++;
    }
}


/*
 * Whether a command cannot be meant for a hook's answer at all.  Others turn
 * out to be invalid when they run, too late for a connect that they belong
 * to.
 */

static ngx_uint_t
ngx_http_socketio_answer_strange(json_t *object)
{
    ngx_uint_t  i;

    static char  *ops[] = {
        "accept", "reject", "ack", "emit", "join", "leave", "disconnect",
        "data", "send"
    };

    if (json_object_get(object, "op") == NULL) {
        return json_object_get(object, "event") == NULL;
    }

    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (ngx_http_socketio_answer_is(object, ops[i])) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_http_socketio_answer_is(json_t *object, char *op)
{
    json_t  *value;

    value = json_object_get(object, "op");

    return json_is_string(value)
           && ngx_strcmp(json_string_value(value), op) == 0;
}


static ngx_uint_t
ngx_http_socketio_answer_to_connect(json_t *object)
{
    return ngx_http_socketio_answer_is(object, "accept")
           || ngx_http_socketio_answer_is(object, "reject");
}


/* 1: another worker has taken over some session of the batch */

static ngx_uint_t
ngx_http_socketio_answer_ownership(ngx_http_socketio_batch_t *batch)
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
ngx_http_socketio_answer_lost(ngx_http_socketio_batch_t *batch,
    json_t *object)
{
    json_t                        *value;
    ngx_uint_t                     i;
    ngx_http_socketio_item_t      *items;
    ngx_http_socketio_asked_t     *asked;
    ngx_http_socketio_event_id_t   id;

    items = batch->items.elts;
    asked = batch->asked.elts;

    if (batch->sole) {
        return items[0].session->lost;
    }

    value = json_object_get(object, "id");

    if (!json_is_string(value)
        || ngx_http_socketio_event_id_parse(batch->lane->lanes->zone,
                                        (u_char *) json_string_value(value),
                                        json_string_length(value), &id)
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


/* "connects": those that answer one, else all others; returns how many are
   invalid */

static ngx_uint_t
ngx_http_socketio_answer_commands(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf, json_t *list, ngx_uint_t connects,
    ngx_uint_t lost)
{
    size_t                        i;
    json_t                       *object;
    ngx_int_t                     rc;
    ngx_uint_t                    bad;
    ngx_http_socketio_command_t   command;

    bad = 0;

    for (i = 0; i < json_array_size(list); i++) {
        object = json_array_get(list, i);

        if (ngx_http_socketio_answer_to_connect(object) != connects
            || (lost && ngx_http_socketio_answer_lost(batch, object)))
        {
            continue;
        }

        ngx_memzero(&command, sizeof(ngx_http_socketio_command_t));

        command.zone = batch->lane->lanes->zone;
        command.log = ngx_cycle->log;
        command.max_rooms = conf->max_rooms;
        command.max_attachments = conf->max_attachments;
        command.asked = batch->asked.elts;
        command.nasked = batch->asked.nelts;
        command.hook = 1;
        command.sole = batch->sole;

        rc = ngx_http_socketio_command_run(&command, object);

        if (rc == NGX_DECLINED) {
            ngx_http_socketio_answer_invalid(batch, command.error,
                                             command.message);
            bad++;

        } else if (rc != NGX_OK) {
            ngx_socketio_zone_full(command.zone, command.log, "command");
        }
    }

    return bad;
}


static void
ngx_http_socketio_answer_invalid(ngx_http_socketio_batch_t *batch,
    char *error, char *message)
{
    ngx_uint_t  skipped;

    if (!ngx_http_socketio_lane_may_say(batch->lane,
                                        NGX_HTTP_SOCKETIO_SAID_INVALID,
                                        &skipped))
    {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "socketio hook \"%V\" answered batch %V with an invalid "
                  "command: %s%s%s, %ui more before",
                  &batch->hook->uri, &batch->id, error ? error : "unknown",
                  message ? ", " : "", message ? message : "", skipped);
}


/*
 * All connects without an answer so far, but for those behind a disconnect
 * that will be repeated: they come again with it.
 */

static void
ngx_http_socketio_answer_connects(ngx_http_socketio_batch_t *batch,
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

        if (accept) {
            (void) ngx_http_socketio_client_accept(zone, &asked[i].id.socket,
                                       asked[i].text, &asked[i].nsp, NULL, 0,
                                       data, ngx_cycle->log);
            continue;
        }

        (void) ngx_http_socketio_client_reject(zone, &asked[i].id.socket,
                                               &asked[i].nsp, message, data,
                                               heard, ngx_cycle->log);
    }
}


void
ngx_http_socketio_answer_fail(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_loc_conf_t *conf,
    ngx_http_socketio_call_answer_t *answer, ngx_uint_t final)
{
    u_char                     *last;
    ngx_str_t                   message, data, path;
    ngx_uint_t                  i;
    ngx_http_socketio_item_t   *items;
    ngx_http_socketio_asked_t  *asked;

    ngx_http_socketio_answer_log(batch, answer, final);
    (void) ngx_http_socketio_answer_ownership(batch);

    items = batch->items.elts;
    asked = batch->asked.elts;

    for (i = 0; i < batch->items.nelts; i++) {
        if (items[i].index >= items[i].session->keep) {
            asked[i].answered = 1;
        }
    }

    message = ngx_http_socketio_answer_unavailable;
    data = ngx_http_socketio_answer_none;

    if (!final) {
        ngx_http_socketio_answer_connects(batch, conf->connect_fail, &message,
                                          &data, batch->heard);
        return;
    }

    last = answer->body.data + answer->body.len;

    if (answer->complete
        && ngx_socketio_json_check(answer->body.data, last,
                                   NGX_HTTP_SOCKETIO_JSON_DEPTH)
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
            message = ngx_http_socketio_answer_unavailable;
        }
    }

    ngx_http_socketio_answer_connects(batch, 0, &message, &data,
                                      batch->heard);
}


static void
ngx_http_socketio_answer_log(ngx_http_socketio_batch_t *batch,
    ngx_http_socketio_call_answer_t *answer, ngx_uint_t final)
{
    ngx_uint_t  skipped;

    if (!ngx_http_socketio_lane_may_say(batch->lane,
                                 final ? NGX_HTTP_SOCKETIO_SAID_FAILED
                                       : NGX_HTTP_SOCKETIO_SAID_UNANSWERED,
                                 &skipped))
    {
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "socketio hook \"%V\" failed batch %V of %ui events: "
                  "status %ui, attempt %ui%s, %ui more before",
                  &batch->hook->uri, &batch->id, batch->asked.nelts,
                  answer->status, batch->attempt,
                  final ? "" : ", time is up", skipped);
}


void
ngx_http_socketio_answer_local(ngx_socketio_zone_t *zone,
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
                                       entry->text, &nsp, NULL, 0,
                                       &ngx_http_socketio_answer_none,
                                       ngx_cycle->log);
        return;
    }

    (void) ngx_http_socketio_client_reject(zone, &entry->socket, &nsp,
                                       &ngx_http_socketio_answer_unavailable,
                                       &ngx_http_socketio_answer_none, 0,
                                       ngx_cycle->log);
}
