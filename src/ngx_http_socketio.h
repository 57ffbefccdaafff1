
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Types of the configuration: the one header that all HTTP layers share.
 */


#ifndef _NGX_HTTP_SOCKETIO_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "store/ngx_socketio_zone.h"


#define NGX_HTTP_SOCKETIO_POLLING    0x0001
#define NGX_HTTP_SOCKETIO_WEBSOCKET  0x0002

#define NGX_HTTP_SOCKETIO_EIO3       0x0001
#define NGX_HTTP_SOCKETIO_EIO4       0x0002

/*
 * Levels of nesting that clients may use, and backends: what a client sent may
 * come back within more, and must not spoil an answer that is also for others
 */

#define NGX_HTTP_SOCKETIO_JSON_DEPTH     64
#define NGX_HTTP_SOCKETIO_COMMAND_DEPTH  256

#define NGX_HTTP_SOCKETIO_HANDSHAKE_MAX  4096
#define NGX_HTTP_SOCKETIO_DATA_MAX       4096
#define NGX_HTTP_SOCKETIO_NAME_MAX       1024   /* namespace, room */
#define NGX_HTTP_SOCKETIO_EVENT_MAX      1024   /* name of one, as JSON */


typedef struct {
    ngx_str_t                   name;
#if (NGX_PCRE)
    ngx_regex_t                *regex;
#endif
    unsigned                    any:1;      /* "*" */
} ngx_http_socketio_nsp_t;


typedef struct {
    ngx_str_t                   uri;
    ngx_array_t                *nsps;       /* ngx_http_socketio_nsp_t; NULL:
                                               those of no other hook */
} ngx_http_socketio_hook_t;


typedef struct {
    ngx_str_t                   name;       /* lower case */
    ngx_http_complex_value_t   *value;      /* NULL: as the client sent it */
} ngx_http_socketio_header_t;


typedef struct {
    ngx_str_t                   scheme;     /* empty: whole is compared */
    ngx_str_t                   host;       /* with port, as given */
    unsigned                    wildcard:1; /* host begins with "*." */
    unsigned                    same:1;
    unsigned                    any:1;
} ngx_http_socketio_origin_t;


typedef struct {
    ngx_str_t                   name;
    ngx_str_t                   tail[2];    /* "; Path=/..."; [1]: with TLS */
} ngx_http_socketio_cookie_t;


/* of "socketio_status" */

typedef enum {
    NGX_HTTP_SOCKETIO_STATUS_ASKED = 0,     /* by the Accept header */
    NGX_HTTP_SOCKETIO_STATUS_JSON,
    NGX_HTTP_SOCKETIO_STATUS_PROMETHEUS
} ngx_http_socketio_status_e;


typedef struct ngx_http_socketio_loc_conf_s  ngx_http_socketio_loc_conf_t;


typedef struct {
    ngx_array_t                 zones;      /* ngx_socketio_zone_t * */
    ngx_array_t                 locations;  /* ngx_http_socketio_loc_conf_t *
                                               with "socketio" */
} ngx_http_socketio_main_conf_t;


struct ngx_http_socketio_loc_conf_s {
    ngx_shm_zone_t             *shm_zone;   /* "socketio"; NULL: not here */
    uint32_t                    number;     /* of the location, stable */
    ngx_http_conf_ctx_t        *ctx;        /* of its server */
    ngx_str_t                   path;       /* the location's */

    ngx_array_t                *hooks;      /* ngx_http_socketio_hook_t */
    ngx_flag_t                  hook_off;
    ngx_array_t                *nsps;       /* ngx_http_socketio_nsp_t */
    ngx_array_t                *origins;    /* ngx_http_socketio_origin_t */
    ngx_array_t                *headers;    /* ngx_http_socketio_header_t */
    ngx_array_t                *secrets;    /* ngx_str_t; NULL: unsigned */
    ngx_array_t                *events;     /* ngx_str_t; NULL: all */
    ngx_http_socketio_cookie_t *cookie;     /* NULL: off */
    ngx_str_t                   client;     /* directory; empty: off */

    ngx_uint_t                  transports;
    ngx_uint_t                  revisions;  /* of Engine.IO */
    ngx_uint_t                  raw;        /* "socketio_protocol engine.io" */
    ngx_msec_t                  ping_interval;
    ngx_msec_t                  ping_timeout;
    ngx_msec_t                  upgrade_timeout;
    ngx_msec_t                  connect_timeout;
    ngx_msec_t                  drain;      /* 0: off */
    ngx_msec_t                  message_timeout;
    size_t                      max_payload;

    ngx_uint_t                  send_packets;
    size_t                      send_bytes;

    ngx_flag_t                  deflate;
    size_t                      deflate_threshold;  /* bytes of a frame */
    ngx_uint_t                  deflate_window;     /* bits */

    ngx_uint_t                  batch_events;   /* 0: batch off */
    size_t                      batch_bytes;
    ngx_uint_t                  lanes;
    ngx_uint_t                  queue_events;
    size_t                      queue_bytes;
    ngx_msec_t                  hook_timeout;
    ngx_uint_t                  connect_fail;   /* 0 reject, 1 accept */

    ngx_uint_t                  max_sessions;   /* "socketio_limits"; 0: off */
    ngx_uint_t                  max_per_ip;     /* 0: off */
    ngx_uint_t                  rate;           /* events a minute; 0: off */
    ngx_uint_t                  burst;          /* events */
    size_t                      bytes_rate;     /* a second; 0: off */
    ngx_uint_t                  max_namespaces;
    ngx_uint_t                  max_rooms;
    ngx_uint_t                  max_attachments;
    ngx_uint_t                  max_acks;
    size_t                      max_attached;   /* together; bytes */

    ngx_shm_zone_t             *publish;    /* "socketio_publish" */
    ngx_array_t                *bearers;    /* ngx_str_t */
    ngx_flag_t                  open;       /* of this, or of the next */
    ngx_array_t                *names;      /* ngx_http_server_name_t of its
                                               server, for these two */

    ngx_shm_zone_t             *status;     /* "socketio_status" */
    ngx_uint_t                  status_format;
};


/* NULL: a location that this configuration does not have any more */
ngx_http_socketio_loc_conf_t *ngx_http_socketio_location(
    ngx_socketio_zone_t *zone, uint32_t number);


extern ngx_module_t  ngx_http_socketio_module;


#endif /* _NGX_HTTP_SOCKETIO_H_INCLUDED_ */
