
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_say.h"
#include "proto/ngx_socketio_json.h"


char *
ngx_socketio_say(ngx_socketio_said_t *said, ngx_socketio_counters_t *counters)
{
    u_char      *p;
    ngx_uint_t   now, passed, unsaid;

    static u_char  more[sizeof(" ( more in the last  s)") + 2 * NGX_INT_T_LEN];

    now = (ngx_uint_t) ngx_time();

    /* also if the clock was set back */

    passed = now - said->at;

    if (said->at && now >= said->at && passed < NGX_SOCKETIO_SAY_INTERVAL) {
        said->unsaid++;
        counters->n[NGX_SOCKETIO_N_UNSAID]++;
        return NULL;
    }

    unsaid = said->unsaid;

    said->at = now;
    said->unsaid = 0;
    p = more;

    if (unsaid) {
        p = ngx_cpymem(p, " (", 2);
        p += ngx_socketio_json_uint(p, unsaid);
        p = ngx_cpymem(p, " more in the last ", 18);
        p += ngx_socketio_json_uint(p, passed);
        p = ngx_cpymem(p, " s)", 3);
    }

    *p = '\0';

    return (char *) more;
}
