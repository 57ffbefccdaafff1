
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Shared by the files of one thing, running a command; not for others.
 */


#ifndef _NGX_HTTP_SOCKETIO_COMMAND_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_COMMAND_INTERNAL_H_INCLUDED_


#include "client/ngx_http_socketio_command.h"
#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_recovery.h"


#define NGX_HTTP_SOCKETIO_COMMAND_NAMES  256    /* in one list */


/* a command while it runs; lives in its own pool */

struct ngx_http_socketio_run_s {
    ngx_http_socketio_command_t    *command;
    json_t                         *object;
    ngx_str_t                       raw;
    ngx_pool_t                     *pool;

    ngx_http_socketio_event_id_t    id;
    ngx_http_socketio_asked_t      *asked;  /* NULL: not of this batch */
    ngx_str_t                       nsp;

    ngx_socketio_target_t           target;
    ngx_socketio_id_t               key;

    unsigned                        named:1;    /* it has an id */
    unsigned                        nobody:1;   /* valid, but nobody is there */
    unsigned                        keyed:1;    /* "key" has been taken */
    unsigned                        again:1;    /* may run twice */

    u_char                          text[NGX_SOCKETIO_SOCKET_TEXT];
    u_char                          space[NGX_HTTP_SOCKETIO_NAME_MAX];

    /*
     * Of one that returned NGX_AGAIN: its next step, with the same codes, and
     * what is to be undone in the end, NULL if nothing.  "raw" is gone by then.
     */
    ngx_int_t                     (*more)(ngx_http_socketio_run_t *run);
    void                          (*end)(ngx_http_socketio_run_t *run);
    void                           *data;
};


/*
 * "text" is the object's own; jansson's object has the fields that steer.
 * Codes as ngx_http_socketio_command_text().
 */
ngx_int_t ngx_http_socketio_command_run(ngx_http_socketio_command_t *command,
    json_t *object, ngx_str_t *text);
/* always NGX_BUSY */
ngx_int_t ngx_http_socketio_command_no_memory(
    ngx_http_socketio_command_t *command);
/* that of an op, static; NULL: there is none */
char *ngx_http_socketio_command_op_name(u_char *text);

/*
 * NGX_OK: run it; NGX_DONE: it ran before, the result is that one's; or
 * NGX_DECLINED or NGX_BUSY with the error set
 */
ngx_int_t ngx_http_socketio_command_key(ngx_http_socketio_run_t *run);
/* the command has ended with this code */
void ngx_http_socketio_command_key_end(ngx_http_socketio_run_t *run,
    ngx_int_t rc);


/*
 * All return NGX_OK, NGX_DECLINED with the error set, or NGX_BUSY without
 * memory.
 */

/* sets run->id, asked, named and nsp, which is a default before */
ngx_int_t ngx_http_socketio_command_id(ngx_http_socketio_run_t *run);
/*
 * Sets run->target, or run->nobody.  "room" is what the field for rooms is
 * called beside "in"; NULL: nothing else.
 */
ngx_int_t ngx_http_socketio_command_target(ngx_http_socketio_run_t *run,
    char *room);
/* the one socket that is meant, or run->nobody */
ngx_int_t ngx_http_socketio_command_socket(ngx_http_socketio_run_t *run,
    ngx_socketio_id_t *socket);
/* a string or an array of them, to ngx_str_t; NGX_DONE: no such field */
ngx_int_t ngx_http_socketio_command_names(ngx_http_socketio_run_t *run,
    char *field, char *code, ngx_array_t *names);

ngx_int_t ngx_http_socketio_command_flag(ngx_http_socketio_run_t *run,
    char *field, ngx_uint_t *flag);
/* the raw text of a field; len 0: there is none */
void ngx_http_socketio_command_field(ngx_http_socketio_run_t *run,
    char *field, ngx_str_t *value);
/* same, and null is none, too */
void ngx_http_socketio_command_value(ngx_http_socketio_run_t *run,
    char *field, ngx_str_t *value);
/* 1: the namespace is that of raw sessions */
ngx_uint_t ngx_http_socketio_command_raw(ngx_http_socketio_run_t *run);
/* the text, or the one attachment, of a raw message */
ngx_int_t ngx_http_socketio_command_message(ngx_http_socketio_run_t *run,
    ngx_http_socketio_packet_t *packet);
/* json and attachments of an EVENT or ACK, and its type */
ngx_int_t ngx_http_socketio_command_packet(ngx_http_socketio_run_t *run,
    ngx_uint_t ack, ngx_http_socketio_packet_t *packet);

/*
 * What an emit asks for: NGX_OK with ask->timeout 0: no acks.  A token goes to
 * the backend; else this command waits.
 */
ngx_int_t ngx_http_socketio_command_ask(ngx_http_socketio_run_t *run,
    ngx_socketio_ask_t *ask);
/* before the emit: this worker can be rung; NGX_OK, NGX_BUSY */
ngx_int_t ngx_http_socketio_command_wait(ngx_http_socketio_run_t *run,
    ngx_socketio_ask_t *ask);
/* its first step, after the emit */
ngx_int_t ngx_http_socketio_command_acks(ngx_http_socketio_run_t *run,
    ngx_socketio_ask_t *ask);
/*
 * What recovery is on for, but volatile ones: the packet's json gets one
 * argument more, the offset, and the target its token.  Once.
 */
ngx_int_t ngx_http_socketio_command_offset(ngx_http_socketio_run_t *run,
    ngx_str_t *json);

/* to ngx_socketio_name_t; NGX_DONE: no such field */
ngx_int_t ngx_http_socketio_command_room_list(ngx_http_socketio_run_t *run,
    char *field, ngx_array_t *rooms);
/* brings a value to the form that is kept with a socket */
ngx_int_t ngx_http_socketio_command_kept(ngx_http_socketio_run_t *run,
    ngx_str_t *data);
/* the caller frees frames->data */
ngx_int_t ngx_http_socketio_command_frames(ngx_http_socketio_run_t *run,
    ngx_http_socketio_packet_t *packet, ngx_str_t *frames);

/* the commands; those of hooks answer an event */
ngx_int_t ngx_http_socketio_command_emit(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_send(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_join(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_leave(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_disconnect(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_data(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_fetch(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_rooms(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_count(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_accept(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_reject(ngx_http_socketio_run_t *run);
ngx_int_t ngx_http_socketio_command_ack(ngx_http_socketio_run_t *run);

/* the result, from what the store returned; "count": if that is NGX_OK */
ngx_int_t ngx_http_socketio_command_done(ngx_http_socketio_run_t *run,
    ngx_int_t rc, ngx_uint_t count);
/* always NGX_DECLINED */
ngx_int_t ngx_http_socketio_command_error(ngx_http_socketio_run_t *run,
    char *code, char *message);


#endif /* _NGX_HTTP_SOCKETIO_COMMAND_INTERNAL_H_INCLUDED_ */
