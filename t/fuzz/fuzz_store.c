
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The store against its model (t/unit/store_model.h): the input chooses what
 * workers, clients and the backend do.
 */


#include "store_model.h"


static const uint8_t  *fuzz_pos, *fuzz_last;


static uint32_t
fuzz_choose(uint32_t n)
{
    if (fuzz_pos == fuzz_last) {
        model_over = 1;
        return 0;
    }

    return *fuzz_pos++ % n;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }

    fuzz_pos = data + 1;
    fuzz_last = data + size;
    model_choose = fuzz_choose;
    store_mailbox_max = 12;
    store_scan_hold = 3;
    store_scan_look = 5;

    model_run(13 + data[0] % 16, 8, 3000);

    return 0;
}
