#!/usr/bin/env node
'use strict';

/*
 * A reload every second while 200 clients of all eras and transports work:
 * nobody is disconnected, and what each gets and says is complete, once, and in
 * order; some upgrade in the middle of it.  Fails if a reload loses a parked
 * poll, a request to the backend, a wake-up between workers of two generations,
 * or an old worker that should have gone.  Then the same with socketio_drain:
 * all websockets of old workers leave, come back by themselves as the same
 * sockets, and have missed nothing.
 *
 * RELOAD_SECONDS (5, and 3 with drain): for so long; RELOAD_CLIENTS (200).
 */

const fs = require('node:fs');
const {
    Backend,
    ERAS,
    Nginx,
    assert,
    chat,
    closeAll,
    combinations,
    connect,
    main,
    sleep,
    test,
    until
} = require('./lib');

const WORKERS = 2;
const CLIENTS = Number(process.env.RELOAD_CLIENTS || 200);
const UPGRADES = Math.min(20, CLIENTS / 4);

/* One that counts: what it gets, what it says and what that is answered with. */
class Client {
    constructor(backend) {
        this.got = [];
        this.said = 0;
        this.heard = 0;
        this.ends = [];
        this.recoveries = 0;
        this.case = backend.case().on('say', (e) => ({ op: 'ack', args: e.args }));
    }

    async start(nginx, mode, options) {
        const { auth } = this.case;
        const old = ERAS[options.era].eio === 3;
        this.socket = await connect(nginx, mode, {
            ...(old ? { query: { test: auth.test } } : { auth }),
            ...options
        });
        this.socket.on('n', (n) => this.got.push(n));
        this.socket.on('disconnect', (reason) => this.ends.push(reason));
        this.socket.on('connect', () => {
            this.recoveries += Boolean(this.socket.recovered);
        });
        this.going = true;
        this.done = this.talk();
    }

    /* one at a time: an answer that is missing ends it */
    async talk() {
        while (this.going) {
            const n = ++this.said;
            await new Promise((resolve) => {
                this.socket.emit('say', n, (x) => {
                    assert.equal(x, n);
                    this.heard++;
                    resolve();
                });
            });
            await sleep(100 + Math.random() * 200);
        }
    }

    whole(last) {
        const { got } = this;
        const k = got.findIndex((n, i) => n !== got[0] + i);
        assert.equal(k, -1, `${got[k - 1]} was followed by ${got[k]}`);
        assert.equal(got.at(-1), last);
    }
}

class Publisher {
    constructor(nginx) {
        this.nginx = nginx;
        this.last = 0;
        this.counts = [];
        this.going = true;
        this.done = this.run();
    }

    async run() {
        while (this.going) {
            const n = ++this.last;
            const { count } = await this.nginx.publish({ all: true, event: 'n', args: [n] });
            this.counts.push(count);
            await sleep(40);
        }
    }

    async stop() {
        this.going = false;
        await this.done;
        return this.last;
    }
}

async function storm(seconds, { nginx }) {
    for (let i = 0; i < seconds; i++) {
        nginx.child.kill('SIGHUP');
        await sleep(1000);
    }
}

/* ticks of the processor that a process has used */
const ticks = (pid) =>
    fs
        .readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/.*\) /, '')
        .split(' ')
        .slice(11, 13)
        .reduce((a, b) => a + Number(b), 0);

async function world({ socketio, zone }) {
    const backend = await new Backend().start();
    /* a machine that is slow repeats nothing */
    const http = chat(backend.port, '', zone)
        .replace('socketio chat;', `socketio chat; socketio_hook_timeout 60s; ${socketio}`)
        .replace('proxy_read_timeout 5s', 'proxy_read_timeout 50s');
    const nginx = new Nginx({ http, workers: WORKERS });
    nginx.template = nginx.template.replace('worker_shutdown_timeout 5s;', '');
    await nginx.start();
    return { backend, nginx, evidence: () => `${backend.evidence()}\n${nginx.evidence()}` };
}

async function finish({ backend, nginx, evidence }, name) {
    closeAll();
    await test(`${name}: every accepted socket said goodbye`, () =>
        until(
            () => backend.present().length === 0,
            () => backend.present().join(' '),
            10000
        )
    );
    await test(`${name}: old workers leave with their websockets`, () =>
        until(
            () => nginx.children().length === WORKERS,
            () => `only ${WORKERS} workers, not ${nginx.children().length}`,
            10000
        )
    );
    await nginx.finish(name);
    await test(
        `${name}: every batch kept the rules`,
        () => assert.equal(backend.check().length, 0, backend.check().join('\n')),
        { evidence }
    );
    backend.stop();
}

async function nobodyLeaves(seconds) {
    const w = await world({ socketio: '' });
    const { backend, nginx, evidence } = w;
    const kinds = combinations(ERAS);
    const clients = [];

    await test(
        `${CLIENTS} clients, a reload a second for ${seconds} s`,
        async () => {
            for (let i = 0; i < CLIENTS - UPGRADES; i++) {
                clients.push(new Client(backend));
                if (i % 20 === 19 || i === CLIENTS - UPGRADES - 1) {
                    const some = clients.slice(i - (i % 20));
                    await Promise.all(
                        some.map((c, k) => {
                            const { mode, era } = kinds[(i - (i % 20) + k) % kinds.length];
                            return c.start(nginx, mode, { era });
                        })
                    );
                }
            }

            /* these upgrade one after the other while it reloads */
            const later = Array.from({ length: UPGRADES }, () => new Client(backend));
            await Promise.all(
                later.map((c, i) =>
                    c.start(nginx, 'upgrade', {
                        era: '4.8',
                        soon: true,
                        hold: sleep(((i + 0.5) * seconds * 1000) / UPGRADES)
                    })
                )
            );
            clients.push(...later);

            const publisher = new Publisher(nginx);
            await storm(seconds, w);
            const last = await publisher.stop();
            clients.forEach((c) => {
                c.going = false;
            });
            await Promise.all(clients.map((c) => c.done));
            await until(
                () => clients.every((c) => c.got.at(-1) === last),
                () => `the last event, missing for ${clients.filter((c) => c.got.at(-1) !== last).length}`,
                10000
            );

            assert.deepEqual(clients.flatMap((c) => c.ends), [], 'disconnected');
            clients.forEach((c) => c.whole(last));
            clients.forEach((c) => assert.equal(c.heard, c.said));
            assert.ok(publisher.counts.every((n) => n === CLIENTS), publisher.counts.join(' '));
            for (const c of clients) {
                const numbers = c.case.of('say').map((e) => e.args[0]);
                assert.deepEqual(
                    numbers,
                    numbers.map((_, i) => i + 1)
                );
            }
            const open = later.filter((c) => c.socket.io.engine.transport.name === 'websocket');
            assert.equal(open.length, UPGRADES, 'upgraded');
        },
        { timeout: 60000 + seconds * 1000, evidence }
    );

    await test(
        'old workers with idle websockets do nothing',
        async () => {
            const old = nginx.children().slice(0, -WORKERS);
            const start = old.map(ticks);
            await sleep(1500);
            const used = old.map((pid, i) => ticks(pid) - start[i]);
            assert.ok(old.length > 0);
            /* one that spins uses 150 of them */
            assert.ok(Math.max(...used) < 75, used.join(' '));
        },
        { evidence }
    );

    await finish(w, 'without drain');
}

async function drained(seconds) {
    const w = await world({ socketio: 'socketio_drain 1s;', zone: '32m recovery=1m' });
    const { backend, nginx, evidence } = w;

    await test(
        `the same with socketio_drain and recovery, ${seconds} s`,
        async () => {
            const clients = Array.from({ length: 40 }, () => new Client(backend));
            const publisher = new Publisher(nginx);
            await Promise.all(
                clients.map((c, i) =>
                    c.start(nginx, i % 2 ? 'websocket' : 'upgrade', {
                        era: '4.8',
                        reconnection: true,
                        reconnectionDelay: 500,
                        reconnectionDelayMax: 700
                    })
                )
            );
            await until(() => clients.every((c) => c.got.length), 'a first event for all');
            await storm(seconds, w);
            await sleep(1500);
            const last = await publisher.stop();
            await until(
                () => clients.every((c) => c.got.at(-1) === last),
                () => `the last event, missing for ${clients.filter((c) => c.got.at(-1) !== last).length}`,
                10000
            );
            clients.forEach((c) => {
                c.going = false;
                c.whole(last);
                assert.ok(c.ends.length > 0, 'nobody stays');
                assert.ok(
                    c.ends.every((reason) => reason === 'transport close'),
                    c.ends.join()
                );
            });
            assert.ok(clients.every((c) => c.recoveries === c.ends.length));
            const reasons = clients.flatMap((c) => c.case.of('disconnect')).map((e) => e.reason);
            assert.ok(
                reasons.every((r) => r === 'server shutting down'),
                reasons.join()
            );
        },
        { timeout: 60000 + seconds * 1000, evidence }
    );

    await finish(w, 'with drain');
}

main(async () => {
    const seconds = Number(process.env.RELOAD_SECONDS || 0);
    await nobodyLeaves(seconds || 5);
    await drained(seconds || 3);
});
