
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Everything that the status shows; README.md has each metric.  No label has
 * values of clients, such as rooms or addresses: the number of series is
 * bounded.
 */


#include "api/ngx_http_socketio_publish.h"
#include "api/ngx_http_socketio_status_internal.h"


/* the order of each list is that of what it names */

static char  *ngx_http_socketio_status_types[] = {
    "session", "socket", "room", "member", "node", "message", "event", "ack",
    "key", "pass", "log", "address", "budget", "bytes_64", "bytes_128",
    "bytes_256", "bytes_512", "bytes_1024", "bytes_2048", "bytes_4096", NULL
};

static char  *ngx_http_socketio_status_kinds[] = {
    "polling_3", "polling_4", "websocket_3", "websocket_4", NULL
};

static char  *ngx_http_socketio_status_kind_labels[] = {
    "transport=\"polling\",eio=\"3\"", "transport=\"polling\",eio=\"4\"",
    "transport=\"websocket\",eio=\"3\"", "transport=\"websocket\",eio=\"4\""
};

static char  *ngx_http_socketio_status_errors[] = {
    "unknown_transport", "unknown_sid", "bad_method", "bad_request",
    "forbidden", "unsupported_version", "sessions_limit", "zone_full",
    "no_slot", "address_limit", NULL
};

static char  *ngx_http_socketio_status_states[] = {
    "pending", "connected", "ended", "orphan", "refused", "lost", NULL
};

static char  *ngx_http_socketio_status_events[] = {
    "connect", "event", "ack", "disconnect", "open", "message", "close", NULL
};

static char  *ngx_http_socketio_status_transports[] = {
    "polling", "websocket", NULL
};

static char  *ngx_http_socketio_status_outcomes[] = {
    "answered", "timeout", "disconnected", NULL
};

static char  *ngx_http_socketio_status_results[] = {
    "ok", "3xx", "4xx", "5xx", "timeout", "unavailable", "incomplete", NULL
};

static char  *ngx_http_socketio_status_latencies[] = {
    "0.001", "0.002", "0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5",
    "1", "2", "5", "10", "+Inf", NULL
};

static char  *ngx_http_socketio_status_sizes[] = {
    "1", "2", "5", "10", "20", "50", "100", "200", "500", "1000", "+Inf", NULL
};

static char  *ngx_http_socketio_status_codes[NGX_SOCKETIO_PUBLISH_CODES + 1];
static char  *ngx_http_socketio_status_reasons[NGX_SOCKETIO_REASON_LAST];


ngx_http_socketio_status_family_t  ngx_http_socketio_status_families[] = {
    { "zone", "bytes", "socketio_zone_bytes",
      "Memory of the zone for records.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, bytes),
      NULL, NULL, NULL },

    { "zone", "free", "socketio_zone_free_bytes",
      "Memory in pages without any record.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, free),
      NULL, NULL, NULL },

    { "zone", "pages", "socketio_zone_pages",
      "Pages of 4 KB with records, by type.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, now.pages[NGX_SOCKETIO_SESSION]),
      "type", ngx_http_socketio_status_types, NULL },

    { "zone", "refused", "socketio_zone_full_total",
      "What was refused because the zone was full.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.full),
      NULL, NULL, NULL },

    { "zone", "emptied", "socketio_zone_emptied_total",
      "Times that all was lost to a worker's death amid a change.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.emptied),
      NULL, NULL, NULL },

    { "zone", "rebuilt", "socketio_zone_rebuilt_total",
      "Times that a worker died in the middle of a change.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.rebuilt),
      NULL, NULL, NULL },

    { "zone", "workers", "socketio_workers",
      "Worker processes, also those that are shutting down.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, nworkers),
      NULL, NULL, NULL },

    { "zone", "exiting", "socketio_workers_exiting",
      "Worker processes that are shutting down.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, exiting),
      NULL, NULL, NULL },

    { "zone", "keys", "socketio_publish_keys",
      "Keys of the publish API that are remembered.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, keys),
      NULL, NULL, NULL },

    { "zone", "forgotten", "socketio_publish_keys_forgotten_total",
      "Keys forgotten before their time, for want of memory.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.forgotten),
      NULL, NULL, NULL },

    { "zone", "logged", "socketio_recovery_messages",
      "Messages kept for sockets that come back.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, logged),
      NULL, NULL, NULL },

    { "zone", "logged_bytes", "socketio_recovery_bytes",
      "What these messages take.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, logged_bytes),
      NULL, NULL, NULL },

    { "sessions", "polling", NULL,
      "",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, polling),
      NULL, NULL, NULL },

    { "sessions", "websocket", NULL,
      "",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, websockets),
      NULL, NULL, NULL },

    { "sessions", "by", "socketio_sessions",
      "Engine.IO sessions that are open.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, now.sessions),
      NULL,
      ngx_http_socketio_status_kinds,
      ngx_http_socketio_status_kind_labels },

    { "sessions", "opened", "socketio_sessions_opened_total",
      "Sessions opened.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.opened),
      NULL, NULL, NULL },

    { "sessions", "slow", "socketio_sessions_slow_total",
      "Sessions closed because socketio_send_queue was full.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.slow),
      NULL, NULL, NULL },

    { "sessions", "recovered", "socketio_sockets_recovered_total",
      "Sockets that came back after their connection was lost.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.recovered),
      NULL, NULL, NULL },

    { "sessions", "refused", "socketio_requests_refused_total",
      "Requests refused, by what is wrong with them, or here.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_REFUSED]),
      "error", ngx_http_socketio_status_errors, NULL },

    { "sessions", "paused", "socketio_sessions_paused_total",
      "Times that a client was not read from, for its rate.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_PAUSED]),
      NULL, NULL, NULL },

    { "sessions", "unfinished", "socketio_sessions_unfinished_total",
      "Sessions closed for socketio_message_timeout.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_UNFINISHED]),
      NULL, NULL, NULL },

    { "closed", NULL, "socketio_sessions_closed_total",
      "Sessions that have ended.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.closed[1]),
      "reason", ngx_http_socketio_status_reasons, NULL },

    { "sockets", "now", NULL,
      "",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, stats.sockets),
      NULL, NULL, NULL },

    { "sockets", "by", "socketio_sockets",
      "Sockets: sessions in namespaces, and lost ones.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, now.sockets),
      "state", ngx_http_socketio_status_states, NULL },

    { "sockets", "rooms", "socketio_rooms",
      "Rooms, without namespaces.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, stats.rooms),
      NULL, NULL, NULL },

    { "sockets", "namespaces", "socketio_namespaces",
      "Namespaces that have sockets.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, now.namespaces),
      NULL, NULL, NULL },

    { "messages", "in", NULL,
      "",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.events),
      NULL, NULL, NULL },

    { "messages", "events", "socketio_events_total",
      "Entries for the backend.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_CONNECT]),
      "type", ngx_http_socketio_status_events, NULL },

    { "messages", "event_bytes", "socketio_event_bytes_total",
      "Arguments and attachments of these.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_EVENT_BYTES]),
      NULL, NULL, NULL },

    { "messages", "dropped", "socketio_events_dropped_total",
      "Events that socketio_hook_events leaves out.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.dropped),
      NULL, NULL, NULL },

    { "messages", "packets", "socketio_packets_received_total",
      "Engine.IO packets of clients.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_PACKETS]),
      "transport", ngx_http_socketio_status_transports, NULL },

    { "messages", "received", "socketio_received_bytes_total",
      "Bytes of these, without framing.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_BYTES]),
      "transport", ngx_http_socketio_status_transports, NULL },

    { "messages", "out", "socketio_emits_total",
      "Emits, however many sockets they reached.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, stats.messages),
      NULL, NULL, NULL },

    { "messages", "delivered", "socketio_messages_delivered_total",
      "Messages given to clients, one for each of them.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_DELIVERED]),
      "transport", ngx_http_socketio_status_transports, NULL },

    { "messages", "sent", "socketio_sent_bytes_total",
      "Bytes written: payloads of GETs, frames of websockets.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_SENT]),
      "transport", ngx_http_socketio_status_transports, NULL },

    { "messages", "volatile", "socketio_volatile_dropped_total",
      "Volatile messages not given to a client.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_VOLATILE]),
      NULL, NULL, NULL },

    { "queues", "inbox", "socketio_inbox_entries",
      "Entries that wait for the backend.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, now.inbox_n),
      NULL, NULL, NULL },

    { "queues", "inbox_bytes", "socketio_inbox_bytes",
      "Arguments and attachments of these.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, now.inbox_bytes),
      NULL, NULL, NULL },

    { "queues", "outbox", "socketio_outbox_messages",
      "Messages that wait for polling clients.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, now.outbox_n),
      NULL, NULL, NULL },

    { "queues", "outbox_bytes", "socketio_outbox_bytes",
      "Bytes of these, one message counted for each client.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, now.outbox_bytes),
      NULL, NULL, NULL },

    { "queues", "mailbox", "socketio_mailbox_records",
      "Records that wait for workers.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, mailboxes),
      NULL, NULL, NULL },

    { "queues", "held", "socketio_held_records",
      "Records that workers have taken and not given back.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_HELD]),
      NULL, NULL, NULL },

    { "queues", "wakes", "socketio_wakes_total",
      "Times that a worker woke another one.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_WAKES]),
      NULL, NULL, NULL },

    { "queues", "bells", "socketio_bells_total",
      "Sessions that a worker was told to look at.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_BELLS]),
      NULL, NULL, NULL },

    { "queues", "waits", "socketio_behind_waits_total",
      "Times that commands or hooks waited for a worker that was behind.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_WAITS]),
      NULL, NULL, NULL },

    { "queues", "overrun", "socketio_mailboxes_overrun_total",
      "Workers that did not read, and closed their websockets.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_OVERRUN]),
      NULL, NULL, NULL },

    { "acks", "awaited", "socketio_acks_awaited",
      "Acks that clients have not sent yet.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, now.awaited),
      NULL, NULL, NULL },

    { "acks", "asked", "socketio_acks_asked_total",
      "Acks that clients were asked for.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_ASKED]),
      NULL, NULL, NULL },

    { "acks", "settled", "socketio_acks_settled_total",
      "What has come of them.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_ANSWERED]),
      "result", ngx_http_socketio_status_outcomes, NULL },

    { "hook", "requests", "socketio_hook_requests_total",
      "Requests to hooks that have ended, by their result.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_HOOK_OK]),
      "result", ngx_http_socketio_status_results, NULL },

    { "hook", "in_flight", "socketio_hook_requests_in_flight",
      "Requests to hooks that have not ended yet.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_IN_FLIGHT]),
      NULL, NULL, NULL },

    { "hook", "retries", "socketio_hook_retries_total",
      "Requests that sent a batch again.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_HOOK_RETRIES]),
      NULL, NULL, NULL },

    { "hook", "invalid", "socketio_hook_invalid_commands_total",
      "Commands in answers that are none, and answers that are not JSON.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_HOOK_INVALID]),
      NULL, NULL, NULL },

    { "hook", "failed", "socketio_hook_batches_failed_total",
      "Batches given up.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_HOOK_FAILED]),
      NULL, NULL, NULL },

    { "hook", "lost", "socketio_hook_events_lost_total",
      "Events of these that are not sent again.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_HOOK_LOST]),
      NULL, NULL, NULL },

    { "hook", "duration", "socketio_hook_request_duration_seconds",
      "How long requests to hooks take.",
      NGX_HTTP_SOCKETIO_STATUS_HISTOGRAM, 1,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_LATENCY]),
      "le", ngx_http_socketio_status_latencies, NULL },

    { "hook", "batch", "socketio_hook_batch_events",
      "Events in a batch.",
      NGX_HTTP_SOCKETIO_STATUS_HISTOGRAM, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_SIZE]),
      "le", ngx_http_socketio_status_sizes, NULL },

    { "publish", "requests", "socketio_publish_requests_total",
      "Requests to the publish API.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_PUBLISH]),
      NULL, NULL, NULL },

    { "publish", "commands", "socketio_publish_commands_total",
      "Commands of these, also failed ones.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_PUBLISHED]),
      NULL, NULL, NULL },

    { "publish", "errors", "socketio_publish_errors_total",
      "Commands that failed, by code.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t,
               counters.n[NGX_SOCKETIO_N_PUBLISH_ERRORS]),
      "error", ngx_http_socketio_status_codes, NULL },

    { "log", "suppressed", "socketio_log_lines_suppressed_total",
      "Lines left out of the error log, being repetitions.",
      NGX_HTTP_SOCKETIO_STATUS_COUNTER, 0,
      offsetof(ngx_socketio_status_t, counters.n[NGX_SOCKETIO_N_UNSAID]),
      NULL, NULL, NULL },

    { NULL, NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL }
};


ngx_http_socketio_status_family_t  ngx_http_socketio_status_workers[] = {
    { "workers", "slot", NULL,
      "",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_worker_t, slot),
      NULL, NULL, NULL },

    { "workers", "pid", NULL,
      "",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_worker_t, pid),
      NULL, NULL, NULL },

    { "workers", "generation", NULL,
      "",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_worker_t, generation),
      NULL, NULL, NULL },

    { "workers", "exiting", "socketio_worker_exiting",
      "1: this worker is shutting down.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_worker_t, exiting),
      NULL, NULL, NULL },

    { "workers", "age", "socketio_worker_age_seconds",
      "Since a worker has last looked at the zone.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 1,
      offsetof(ngx_socketio_status_worker_t, age),
      NULL, NULL, NULL },

    { "workers", "lag", "socketio_worker_lag_seconds",
      "How late it was then, doing other things.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 1,
      offsetof(ngx_socketio_status_worker_t, lag),
      NULL, NULL, NULL },

    { "workers", "websockets", "socketio_worker_websockets",
      "Websockets that this worker serves.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_worker_t, websockets),
      NULL, NULL, NULL },

    { "workers", "mailbox", "socketio_worker_mailbox_records",
      "Records that wait for this worker.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_worker_t, mailbox),
      NULL, NULL, NULL },

    { "workers", "held", "socketio_worker_held_records",
      "Records that it has taken and not given back.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_worker_t, held),
      NULL, NULL, NULL },

    { "workers", "in_flight", "socketio_worker_hook_requests_in_flight",
      "Requests to hooks that it has not seen the end of.",
      NGX_HTTP_SOCKETIO_STATUS_GAUGE, 0,
      offsetof(ngx_socketio_status_worker_t, in_flight),
      NULL, NULL, NULL },

    { NULL, NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL }
};


void
ngx_http_socketio_status_names(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_SOCKETIO_PUBLISH_CODES; i++) {
        ngx_http_socketio_status_codes[i] = ngx_http_socketio_publish_codes[i];
    }

    for (i = 1; i < NGX_SOCKETIO_REASON_LAST; i++) {
        ngx_http_socketio_status_reasons[i - 1] =
                                       (char *) ngx_socketio_reason(i)->data;
    }
}
