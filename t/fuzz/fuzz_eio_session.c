
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The life of a session: any string of moves of those who take part in it,
 * longer than t/unit/eio_session_walk_test.c goes, with more messages, and
 * with a clock that is not on time.  What must hold is in the model.
 */


#include <stdlib.h>
#include <string.h>

#include "proto/ngx_socketio_eio_session.c"


#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        abort();                                                              \
    }

#include "../unit/eio_session_model.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t      i;
    model_t     m;
    ngx_uint_t  move;

    model_queue = 200;
    model_begin(&m, size & 2 ? 3 : 4, size & 1);

    for (i = 0; i < size; i++) {
        move = data[i] & 31;
        m.now += (data[i] >> 5) * 20;

        if (move >= MODEL_MOVES || !model_possible(&m, move)) {
            continue;
        }

        model_do(&m, move);
        model_check(&m);
        model_check_future(&m);
    }

    return 0;
}
