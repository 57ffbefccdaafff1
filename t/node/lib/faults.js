'use strict';

/*
 * What may go wrong, and whom it may harm.  Of each fault:
 *
 *   run(world)          it happens, once; this is repeated for TIME seconds
 *   begin, heal         before the first time, after the last one
 *   excuse(world, end)  why this client may have been disconnected, if it may
 *   refuse(world, r)    why this one may not have been connected, if it may
 *   unwell              publishers may get no answer, or 503: they try again
 *   outside             some clients cannot get in, at the end, too
 *   margin              ms: what is younger at the end of a connection may be on its way
 *   log                 alerts that it explains
 *   proof(world)        text if it has come about
 *   conf                of configuration() in lib/world.js; modules, shim, needs: of nginx
 */

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { Laggard, message } = require('./misbehaviour');
const { ROOT } = require('./nginx');
const { now } = require('./streams');
const { sleep } = require('./tap');
const { limitFiles, usage, workers } = require('./workers');
const { CLIENTS, SHUTDOWN, TIME, WORKERS, choose, empty, fill, insist, ledger } =
    require('./world');

const seconds = (n) => sleep(n * 1000);

/* The backend is so for some seconds, then well, again and again. */
function backend(mode, more = {}) {
    return {
        unwell: true,
        margin: Infinity,
        async run(world) {
            world.backend.mode = mode;
            await seconds(2 + choose.below(3));
            world.backend.mode = 'ok';
            await seconds(1.5);
        },
        ...more
    };
}

/* Of the events that the backend refuses none is lost by anybody else. */
const refusing = {
    refuse: () => 'refused by the backend',
    proof: () => ledger.figures.dropped && `${ledger.figures.dropped} events were refused`
};

/* and nginx counts them as we do */
async function counted(world) {
    const { hook } = await world.status();
    if (hook && hook.lost !== undefined) {
        assert.equal(hook.lost, ledger.refusals, 'as many events are lost as were refused');
    }
    return refusing.proof();
}

const repeating = {
    proof: () => ledger.figures.repeats && `${ledger.figures.repeats} events came again`
};

/* lines in the error log */
const logged = (re) => (world) => {
    const n = world.nginx.log().split('\n').filter((l) => re.test(l)).length;
    return n && `${n} lines ${re}`;
};

const KILLED =
    /shared memory zone "chat" was locked by|zone "chat" was (emptied|rebuilt): a worker/;

const FAULTS_BUILD = path.join(ROOT, 'build/faults');
const CLOCK = path.join(ROOT, 'build/shim/clock.so');

const FAULTS = {
    none: { run: () => seconds(0.5) },

    /* nobody notices any of them */
    reload: {
        conf: { slots: true },
        async run(world) {
            world.reload();
            await seconds(1);
        }
    },

    /* websockets of before are closed, five seconds after */
    shutdown: {
        conf: { main: 'worker_shutdown_timeout 5s;' },
        excuse: (w, end) => w.outdated(end) && 'worker_shutdown_timeout',
        refuse: (w, r) => w.outdated(r) && 'worker_shutdown_timeout',
        async run(world) {
            world.reload();
            setTimeout(() => {
                ledger.died = now() + 1000;
            }, SHUTDOWN);
            await seconds(2.5);
        },
        heal: () => seconds(6)
    },

    /* whose connection it had */
    kill: {
        unwell: true,
        excuse: (w, end) => w.victim(end) && 'killed',
        refuse: (w, r) => w.victim(r) && 'killed',
        log: [/exited on signal 9$/, KILLED],
        proof: logged(/exited on signal 9$/),
        async run(world) {
            await world.harm('SIGKILL');
            await seconds(3);
        }
    },

    segv: {
        unwell: true,
        excuse: (w, end) => w.victim(end) && 'killed',
        refuse: (w, r) => w.victim(r) && 'killed',
        log: [/exited on signal 11/, KILLED],
        proof: logged(/exited on signal 11/),
        async run(world) {
            await world.harm('SIGSEGV');
            await seconds(3);
        }
    },

    /* in the middle of a change to the zone */
    hold: {
        needs: path.join(FAULTS_BUILD, 'ngx_http_socketio_module.so'),
        modules: FAULTS_BUILD,
        shim: (file) => ({ SOCKETIO_FAULTS: file }),
        unwell: true,
        excuse: (w, end) => w.victim(end) && 'killed',
        refuse: (w, r) => w.victim(r) && 'killed',
        log: [/exited on signal 9$/, KILLED],
        proof: logged(/exited on signal 9$/),
        async run(world) {
            await world.dieInside();
            await seconds(2);
        }
    },

    /*
     * The wall clock is set, by seconds and hours; the other one goes on five seconds, as
     * of a machine that slept: longer than an answer of the backend may take.
     */
    clock: {
        needs: CLOCK,
        shim: (file) => ({ SOCKETIO_CLOCK: file, LD_PRELOAD: CLOCK }),
        margin: 10000,
        async run(world) {
            const s = 1000000000n;
            const wall = choose.pick([-86400n, -3600n, -10n, 10n, 3600n, 86400n]) * s;
            if (choose.chance(0.2)) {
                world.slept = (world.slept || 0n) + 5n * s;
                ledger.died = now() + 500; /* requests in flight seem to time out */
            }
            const f = fs.openSync(world.file, 'r+');
            fs.writeSync(f, Buffer.from(BigInt64Array.from([wall, world.slept || 0n]).buffer));
            fs.closeSync(f);
            await seconds(1);
        }
    },

    /* late, and nothing more */
    stop: {
        unwell: true,
        margin: 10000,
        async run(world) {
            await world.harm(null, 2000);
            await seconds(2);
        }
    },

    /*
     * Its clients are given up, those of others are not: without reuseport, with which a
     * part of all new connections would wait for it.
     */
    long_stop: {
        conf: { reuseport: '' },
        unwell: true,
        margin: Infinity,
        excuse: (w, end) => w.victim(end, true) && 'stopped',
        refuse: (w, r) => w.victim(r, true) && 'stopped',
        async run(world) {
            ledger.died = Infinity;
            await world.harm(null, 40000);
            await seconds(5);
        },
        proof: logged(/this worker did not read its mailbox|stopped worker/)
    },

    refused: backend('ok', {
        proof: logged(/connect\(\) failed \(111/),
        async run(world) {
            await world.backend.away(2000 + choose.below(2000));
            await seconds(1.5);
        }
    }),
    slow: backend('slow'),
    hang: backend('hang', repeating),
    unavailable: backend('unavailable', repeating),
    500: backend('500', { ...refusing, proof: counted }),
    garbage: backend('garbage', refusing),
    truncated: backend('truncated', repeating),
    huge: backend('huge'),
    reset: backend('reset', repeating),
    random: backend('random', refusing),

    /* clients that do not read: others do not notice */
    laggards: {
        conf: { queue: 'socketio_send_queue 64 256k;' },
        unwell: true,
        async begin(world) {
            const n = Math.min(30, Math.max(6, Math.floor(CLIENTS / 20)));
            for (let i = 0; i < n; i++) {
                world.laggards.push(new Laggard(world.nginx.port, i));
            }
        },
        async run(world) {
            const args = ['', 0, 0, '', 0];
            const command = message({ room: 'bad' }, args, false, 60000);
            await insist(world, 'p', { ...command, key: `bad/${now()}` });
            await seconds(0.1);
        },
        heal(world) {
            world.laggards.forEach((x) => x.stop());
        },
        async proof(world) {
            const { sessions } = await world.status();
            return (sessions.slow || TIME < 20) && `${sessions.slow} were too slow`;
        }
    },

    /* who is in stays, and loses nothing; others are told */
    full: {
        conf: { zone: `${1024 + CLIENTS * 3}k` },
        unwell: true,
        outside: true,
        margin: Infinity,
        refuse: (w, r) => /503|xhr poll error|websocket error/.test(r.reason) && 'zone full',
        async run(world) {
            await fill(world);
            await seconds(0.2);
        },
        heal: (world) => empty(world),
        async proof(world) {
            const { zone } = await world.status();
            return zone.refused && `${zone.refused} times refused`;
        }
    },

    /* websockets stay; who needs another connection waits */
    files: {
        unwell: true,
        margin: 10000,
        log: [/Too many open files/],
        proof: logged(/Too many open files/),
        async begin(world) {
            world.holders = [];
        },
        async run(world) {
            const pids = workers(world.nginx);
            const was = 20000;
            pids.forEach((pid) => limitFiles(pid, usage(pid).fds + 3));
            for (let i = 0; i < WORKERS * 30; i++) {
                const c = net.connect(world.nginx.port, '127.0.0.1');
                c.on('error', () => {});
                world.holders.push(c);
            }
            await seconds(1.5);
            world.holders.splice(0).forEach((c) => c.destroy());
            await seconds(0.5);
            pids.forEach((pid) => limitFiles(pid, was));
            await seconds(2);
        }
    },

    /* all that a worker can come to, and the backend, and bad clients, at once */
    chaos: {
        conf: { main: 'worker_shutdown_timeout 5s;', queue: 'socketio_send_queue 64 256k;' },
        unwell: true,
        margin: Infinity,
        excuse: (w, end) =>
            (w.victim(end, true) && 'killed') || (w.outdated(end) && 'worker_shutdown_timeout'),
        refuse: () => 'chaos',
        log: [/exited on signal (9|11)/, KILLED],
        async begin(world) {
            await FAULTS.laggards.begin(world);
            ledger.died = Infinity;
        },
        async run(world) {
            world.backend.mode = 'random';
            world.reload();
            await world.harm(null, 20 + choose.below(1500));
            await FAULTS.laggards.run(world);
            await world.harm(choose.pick(['SIGKILL', 'SIGSEGV']));
            ledger.died = Infinity;
            await seconds(1);
            world.backend.mode = 'ok';
            await seconds(1);
        },
        async heal(world) {
            FAULTS.laggards.heal(world);
            await seconds(6);
        }
    }
};

module.exports = { FAULTS };
