
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* shared by the files of the status */


#ifndef _NGX_HTTP_SOCKETIO_STATUS_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_STATUS_INTERNAL_H_INCLUDED_


#include "ngx_http_socketio.h"
#include "store/ngx_socketio_status.h"


enum {
    NGX_HTTP_SOCKETIO_STATUS_GAUGE = 0,
    NGX_HTTP_SOCKETIO_STATUS_COUNTER,
    NGX_HTTP_SOCKETIO_STATUS_HISTOGRAM
};


/*
 * What is shown under one name, as one number, or as one for each of "names":
 * uint64_t of the status, next to each other.  In JSON a member of an object,
 * whose families are next to each other, too; for Prometheus a metric.
 *
 * Of a histogram names are the upper bounds, a number for each of them is what
 * is above the one before; then comes their sum.
 */

typedef struct {
    char                           *group;
    char                           *member;     /* NULL: not in JSON */
    char                           *metric;     /* NULL: not for Prometheus */
    char                           *help;
    ngx_uint_t                      type;
    ngx_uint_t                      msec;       /* shown in seconds */
    size_t                          offset;
    char                           *label;      /* whose values names are */
    char                          **names;      /* NULL ends them */
    char                          **labels;     /* instead, if one label does
                                                   not tell them apart */
} ngx_http_socketio_status_family_t;


/* the ends have no group */
extern ngx_http_socketio_status_family_t  ngx_http_socketio_status_families[];
/* of each worker: offsets into ngx_socketio_status_worker_t */
extern ngx_http_socketio_status_family_t  ngx_http_socketio_status_workers[];

/* fills in the names that others have; before the tables are used */
void ngx_http_socketio_status_names(void);


#endif /* _NGX_HTTP_SOCKETIO_STATUS_INTERNAL_H_INCLUDED_ */
