
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A text of commands cut into objects, also while it is still coming: one
 * object, an array of them, or one on each line, told apart by their bytes.
 * However the text is cut into pieces, its commands are the same.
 */


#ifndef _NGX_SOCKETIO_COMMANDS_H_INCLUDED_
#define _NGX_SOCKETIO_COMMANDS_H_INCLUDED_


#include "proto/ngx_socketio_core.h"


typedef enum {
    NGX_SOCKETIO_COMMANDS_NONE = 0,         /* not known, or it is neither */
    NGX_SOCKETIO_COMMANDS_WHOLE,            /* no lines: it is needed whole */
    NGX_SOCKETIO_COMMANDS_OBJECT,
    NGX_SOCKETIO_COMMANDS_ARRAY,
    NGX_SOCKETIO_COMMANDS_LINES             /* also of one, if a LF ends it */
} ngx_socketio_commands_e;


/*
 * Zero it and set "max", "depth".  The caller keeps the bytes pos..last; it
 * may move them, put more behind, and says in "ended" that no more come.
 */

typedef struct {
    ngx_socketio_commands_e    form;
    u_char                    *pos;
    u_char                    *last;
    size_t                     max;         /* of a line, object or array */
    size_t                     scanned;     /* from pos on, without a LF */
    ngx_uint_t                 depth;
    unsigned                   ended:1;
    unsigned                   skip:1;      /* up to the next LF */
} ngx_socketio_commands_t;


/* a text that is there as a whole */
void ngx_socketio_commands_init(ngx_socketio_commands_t *commands, u_char *p,
    u_char *last, ngx_uint_t depth);

/*
 * NGX_OK        *text is an object, checked; it is not in pos..last any more
 * NGX_AGAIN     more bytes are needed, or "ended"
 * NGX_DONE      no more; with COMMANDS_NONE there was nothing but space
 *
 * With COMMANDS_NONE these are about the text, and nothing of it has been
 * returned; else about this one command, behind which others may follow:
 *
 * NGX_ERROR     not JSON, or not an object; *text is what there is
 * NGX_DECLINED  nested too deep
 * NGX_ABORT     longer than "max"; *text is not set
 */
ngx_int_t ngx_socketio_commands_next(ngx_socketio_commands_t *commands,
    ngx_str_t *text);


#endif /* _NGX_SOCKETIO_COMMANDS_H_INCLUDED_ */
