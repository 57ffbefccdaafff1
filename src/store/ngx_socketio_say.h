
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What clients or backends can cause at will is logged once an interval by
 * each worker, for each condition of a zone or location: a flood of faults must
 * not become one of lines.  What was left out is counted, and said with the
 * next line.
 */


#ifndef _NGX_SOCKETIO_SAY_H_INCLUDED_
#define _NGX_SOCKETIO_SAY_H_INCLUDED_


#include "store/ngx_socketio_counters.h"


#define NGX_SOCKETIO_SAY_INTERVAL  60       /* seconds */


/* of a condition, in worker memory; zeroed at first */

typedef struct {
    ngx_uint_t                 at;          /* seconds; 0: never said */
    ngx_uint_t                 unsaid;      /* since then */
} ngx_socketio_said_t;


/*
 * NULL: not now; it is counted.  Else what to put behind the message, "" or how
 * many were left out, good until the next call.
 */
char *ngx_socketio_say(ngx_socketio_said_t *said,
    ngx_socketio_counters_t *counters);


#endif /* _NGX_SOCKETIO_SAY_H_INCLUDED_ */
