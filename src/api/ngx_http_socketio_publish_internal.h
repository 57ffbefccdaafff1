
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Shared by the files of one thing, a body of commands while it runs; not for
 * others.
 */


#ifndef _NGX_HTTP_SOCKETIO_PUBLISH_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_PUBLISH_INTERNAL_H_INCLUDED_


#include "client/ngx_http_socketio_command.h"
#include "proto/ngx_socketio_commands.h"


#define NGX_HTTP_SOCKETIO_PUBLISH_BUF  16384


/* what it waits for */

typedef enum {
    NGX_HTTP_SOCKETIO_PUBLISH_TURN = 0,     /* its event has been posted */
    NGX_HTTP_SOCKETIO_PUBLISH_READ,
    NGX_HTTP_SOCKETIO_PUBLISH_WRITE,
    NGX_HTTP_SOCKETIO_PUBLISH_WAKE          /* the command's wake() */
} ngx_http_socketio_publish_e;


/* in the pool of the request */

typedef struct {
    ngx_http_request_t             *request;
    ngx_http_socketio_command_t     command;
    ngx_uint_t                      n;          /* results so far */
    ngx_int_t                       rc;         /* for the finalization */
    ngx_int_t                       offset;     /* of a mistake; -1: unknown */
    ngx_http_socketio_publish_e     state;
    ngx_event_t                     event;
    ngx_event_t                     stay;       /* its timer keeps the worker */

    /* input: nginx's buffers, and what has been copied out of them */

    ngx_socketio_commands_t         commands;
    ngx_chain_t                    *in;
    off_t                           used;       /* of the first one */
    u_char                         *text;
    size_t                          size;

    /* output */

    ngx_uint_t                      status;
    ngx_buf_t                      *buf;        /* last of "out" */
    ngx_chain_t                    *out;
    ngx_chain_t                   **last;
    ngx_chain_t                    *busy;
    ngx_chain_t                    *free;
    size_t                          pending;    /* bytes in "out" */

    unsigned                        unbuffered:1;
    unsigned                        woken:1;
    unsigned                        begun:1;    /* half a result is out */
    unsigned                        held:1;     /* the status is not known */
    unsigned                        sent:1;     /* the header */
} ngx_http_socketio_publish_t;


void ngx_http_socketio_publish_wait(ngx_http_socketio_publish_t *publish,
    ngx_http_socketio_publish_e state);

/* what has been read so far, and the limit of a command */
void ngx_http_socketio_publish_input(ngx_http_socketio_publish_t *publish);
/*
 * NGX_OK: there are more bytes, or publish->commands.ended is set; NGX_AGAIN:
 * a read event will come; else the status of an error.
 */
ngx_int_t ngx_http_socketio_publish_read(ngx_http_socketio_publish_t *publish);

/* all return NGX_OK or NGX_ERROR: publish->command's result */
ngx_int_t ngx_http_socketio_publish_result(
    ngx_http_socketio_publish_t *publish);
/* of what did not get as far as a command */
ngx_int_t ngx_http_socketio_publish_error(
    ngx_http_socketio_publish_t *publish, char *code, char *message);
/* "rc" is what ngx_socketio_commands_next() said of the text */
ngx_int_t ngx_http_socketio_publish_invalid(
    ngx_http_socketio_publish_t *publish, ngx_int_t rc, ngx_str_t *text,
    char *message);
/* command.write: a part of a result */
ngx_int_t ngx_http_socketio_publish_part(void *data, u_char *p, size_t len);
/*
 * Sends what there is, unless it is held.  NGX_OK; NGX_AGAIN: waits until it
 * can be written; else what the request is to be finalized with.
 */
ngx_int_t ngx_http_socketio_publish_flush(
    ngx_http_socketio_publish_t *publish);
/* ... and nothing comes behind it; what the request is finalized with */
ngx_int_t ngx_http_socketio_publish_finish(
    ngx_http_socketio_publish_t *publish);
/* a write event; the same codes */
ngx_int_t ngx_http_socketio_publish_writable(
    ngx_http_socketio_publish_t *publish);


#endif /* _NGX_HTTP_SOCKETIO_PUBLISH_INTERNAL_H_INCLUDED_ */
