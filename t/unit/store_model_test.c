
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The store against the model of store_model.h, in zones of several sizes,
 * from fixed seeds.  Fails if a message is lost, doubled or out of order, a
 * disconnect of the backend's is missing or doubled, somebody is not woken, a
 * count is wrong, a record leaks or is used after it was freed.
 *
 *   store_model_test [SEED PAGES [STEPS]]     one run, checked at each hold
 */


#include "tap.h"
#include "store_model.h"


static uint64_t    seed;
static ngx_uint_t  last[2];


static uint32_t
choose(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (uint32_t) (seed >> 33) % n;
}


static void
hint(void)
{
    fprintf(stderr, "with seed %u in %u pages\n", (unsigned) last[0],
            (unsigned) last[1]);
}


int
main(int argc, char **argv)
{
    ngx_uint_t  i, n;

    static ngx_uint_t   pages[] = { 13, 16, 20, 25, 200 };
    static const char  *covered[] = {
        "messages received", "messages of a room, by a websocket",
        "mailboxes overrun", "rings too full", "disconnects", "events",
        "refused connects", "emits without memory", "slow ones closed",
        "sockets reached", "connections closed by the backend",
        "joins and leaves without memory", "accepted connects",
        "connects without memory", "accepted when gone",
        "accepted again", "sessions", "events with attachments", "upgrades",
        "slots buried by their claimant", "workers killed", "workers left",
        "slots buried by others", "killed in a hold", "all quiet",
        "raw sessions", "sessions of revision 3", "of another revision",
        "raw messages", "messages that wait for open",
        "events of revision 3 dropped", "rejected opens",
        "events that come too early", "sockets counted", "rooms listed",
        "asks", "answers", "answers with attachments", "given up", "timeouts",
        "gone", "not awaited for a worker", "waits that end",
        "waits given up", "waits that go with their worker",
        "asks without memory", "answers to nobody", "workers robbed",
        "lost sockets", "recovered sockets", "missed messages",
        "sockets not recovered"
    };

    model_choose = choose;
    check_hint = hint;
    store_mailbox_max = 12;
    store_scan_hold = 3;
    store_scan_look = 5;

    if (argc > 2) {
        check_hint = NULL;
        seed = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
        model_run(strtoul(argv[2], NULL, 10), 1,
                  argc > 3 ? strtoul(argv[3], NULL, 10) : 3000);
        return 0;
    }

    for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {

        for (n = 0; n < 30; n++) {
            last[0] = n;
            last[1] = pages[i];
            seed = n * 0x9e3779b97f4a7c15 + 1;
            model_run(pages[i], 16, 3000);
        }

        ok(1, "%u pages", (unsigned) pages[i]);
    }

    /* a test that does not get anywhere must not pass */

    for (i = 0; i < sizeof(covered) / sizeof(covered[0]); i++) {
        ok(model_seen[i] > 0, "%s", covered[i]);
    }

    return tap_done();
}
