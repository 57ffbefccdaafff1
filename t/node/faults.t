#!/usr/bin/env node
'use strict';

/*
 * Many clients of all eras and transports, in processes of their own, a backend and
 * publishers, while one thing after the other goes wrong; lib/ledger.js judges what each
 * of them saw.  Nothing may be lost, come twice or out of order, every socket that was
 * accepted says goodbye once, last, and who loses a connection is one of those whom the
 * fault explains: its rule is beside it, below.  Afterwards nothing is left in the zone,
 * of descriptors, or in the error log.
 *
 * As a test it takes a few seconds for some faults; "make faults" all of them:
 *
 *   TIME=3      seconds for each          CLIENTS=60   WORKERS=4
 *   FAULTS=...  with commas, by default those that history.t has not
 *   EVENTS=150  a second, of all clients  SEED=        the same choices again
 */

const TIME = Number(process.env.TIME || 3);
const CLIENTS = Number(process.env.CLIENTS || 60);
const WORKERS = Number(process.env.WORKERS || 4);
const EVENTS = Number(process.env.EVENTS || 150);
const SEED = Number(process.env.SEED || Date.now() % 1e6);
const DEFAULT = 'none,500,garbage,truncated,reset,laggards,full,files';

process.env.TEST_WATCHDOG = process.env.TEST_WATCHDOG || String(40 * (TIME + 300));

const { fork } = require('node:child_process');
const net = require('node:net');
const path = require('node:path');
const { BAD, Nginx, assert, cleanup, diag, main, sleep, test, until } = require('./lib');
const { request } = require('./lib/nginx');
const { KINDS, Ledger } = require('./lib/ledger');
const { Backend, Laggard, message } = require('./lib/misbehaviour');
const { now, random } = require('./lib/streams');
const { freeze, limitFiles, ports, thaw, usage, workers } = require('./lib/workers');

const EACH = 500; /* clients of a process */
const PUBLISHERS = ['p0', 'p1', 'p2'];
const SLOTS = 256;

/* Others may use this machine, and thousands of clients take their time. */
const PATIENCE = 60000 + CLIENTS * 20;

const choose = random(SEED);
const ledger = new Ledger();
const ROOMS = Array.from({ length: Math.max(3, Math.floor(CLIENTS / 40)) }, (_, i) => `r${i}`);
const table = [];

/* ---- the world of one fault ---- */

class World {
    constructor(fault, children, backend) {
        Object.assign(this, { fault, children, backend });
        this.incidents = []; /* { t, till, ports } of workers that were harmed */
        this.reloads = [];
        this.laggards = [];
        this.restarts = 0;
        this.busy = false;
        this.over = false;
        this.idle = new Set();
    }

    async start() {
        const { conf = {} } = this.fault;
        this.nginx = new Nginx({ conf: configuration(this.backend.port, conf), workers: WORKERS });
        await this.nginx.start();
        this.pids = workers(this.nginx);
        await this.rest();
        this.empty = { fds: this.most('fds'), status: await this.status() };
    }

    /* With many slots, which nginx has for as many workers as it is started with */
    async rest() {
        if (this.fault.conf && this.fault.conf.slots) {
            const { nginx } = this;
            nginx.template = nginx.template.replace(/^worker_processes .*/m, `worker_processes ${WORKERS};`);
            require('node:fs').writeFileSync(
                path.join(nginx.dir, 'nginx.conf'),
                nginx.template.replaceAll('%%PORT%%', nginx.port)
            );
            nginx.child.kill('SIGHUP');
            await until(() => workers(nginx).length === WORKERS, 'many workers leave', 30000);
        }
    }

    /* of the workers that there are */
    most(what) {
        const all = workers(this.nginx).map(usage).filter(Boolean);
        return Math.max(...all.map((u) => u[what]));
    }

    async status() {
        const { text } = await request(this.nginx.port, '/_status', { timeout: 30000 });
        return JSON.parse(text);
    }

    tell(order) {
        this.children.forEach((c) => c.send(order));
    }

    async connect() {
        let from = 0;
        this.children.forEach((c, i) => {
            const to = Math.floor((CLIENTS * (i + 1)) / this.children.length);
            const seed = SEED + i;
            const order = { do: 'start', port: this.nginx.port, from, to, seed, publishers: PUBLISHERS };
            c.send(order);
            from = to;
        });
        PUBLISHERS.forEach((name) => publisher(this, name));
    }

    /* What all processes see at this moment */
    async look(final = false) {
        const streams = [...ledger.streams].map(([stream, { k, begun }]) => [stream, [k, begun]]);
        const says = ledger.says();
        const all = await Promise.all(
            this.children.map(
                (c) =>
                    new Promise((resolve) => {
                        c.looked = resolve;
                        c.send({ do: 'look', streams, says, final });
                    })
            )
        );
        const lives = new Map();
        const behind = [];
        let connected = 0;
        for (const x of all) {
            x.lives.forEach(([sid, n]) => lives.set(sid, n));
            x.figures.forEach((f) => ledger.add(f));
            connected += x.connected;
            behind.push(...x.behind);
            x.problems.forEach(([sid, who, list]) => ledger.problems(sid, who, list));
        }
        return { lives, behind, connected };
    }

    set(busy) {
        this.busy = busy;
        this.tell({ do: 'busy', rate: busy ? EVENTS / this.children.length : 0 });
    }

    /* Nobody begins anything: what is missing, in words; none if all is well */
    async missing(final) {
        const { lives, behind, connected } = await this.look(final);
        const out = behind
            .filter(([sid, , acks]) => !(this.fault.outside && !sid) && !ledger.answerless(sid, acks))
            .map(([, text]) => text);
        this.connected = connected;
        if (this.idle.size < PUBLISHERS.length) {
            out.push('publishers are waiting');
        }
        return out.concat(ledger.unsettled(lives));
    }

    async settle() {
        const end = now() + PATIENCE;
        let out = [];
        do {
            await sleep(300);
            out = await this.missing(false);
        } while (out.length && now() < end);
        if (out.length) {
            ledger.problem('lost', `not settled: ${out.slice(0, 8).join('\n    ')}`, out.length);
        }
        await this.look(true);
        return out;
    }

    reload() {
        if (workers(this.nginx).length <= this.slots - 2 * WORKERS) {
            this.nginx.child.kill('SIGHUP');
            this.reloads.push(now());
            this.restarts++;
        }
    }

    get slots() {
        return this.fault.conf && this.fault.conf.slots ? SLOTS : 64;
    }

    /* A worker dies, or stands still for so long. */
    async harm(signal, ms = 0) {
        const pid = await freeze(this.nginx, choose.pick);
        const incident = { t: now(), till: 0, ports: ports(pid).clients };
        this.incidents.push(incident);
        if (signal) {
            ledger.died = now();
            process.kill(pid, signal);
            this.restarts++;
        } else {
            await sleep(ms);
        }
        try {
            thaw(pid);
        } catch {
            /* that was SIGKILL */
        }
        incident.till = now();
        if (signal) {
            ledger.died = now();
        }
    }

    /* pending: a connection that nobody answered counts, too */
    victim(end, pending = false) {
        const i = this.incidents.find(
            (x) =>
                x.t < end.t &&
                end.t < x.till + NOTICE &&
                end.connections.some(
                    (c) =>
                        (!c.closed || c.closed > x.t - 10) &&
                        ((c.opened < x.t + 10 && x.ports.has(c.port)) ||
                            (pending && !c.answered && c.opened < x.till))
                )
        );
        if (i) {
            end.since = i.t;
        }
        return Boolean(i);
    }

    /* A websocket of a worker that had been told to end worker_shutdown_timeout before */
    outdated(end) {
        return (
            end.mode !== 'polling' &&
            this.reloads.some(
                (t) =>
                    end.t - t > SHUTDOWN - 500 &&
                    end.connections.some(
                        (c) => c.opened < t + 2000 && (!c.closed || c.closed > end.t - 2000)
                    )
            )
        );
    }
}

/* How long after the death of its worker a client may notice. */
const NOTICE = 25000;

const SHUTDOWN = 5000; /* worker_shutdown_timeout */

const configuration = (port, { slots, main = '', zone = '64m', queue = '', reuseport = 'reuseport' }) => `
worker_processes ${slots ? SLOTS / 4 : WORKERS};
${main}
error_log error.log info;
pid nginx.pid;
events { worker_connections ${Math.max(1024, CLIENTS * 2)}; }
http {
    client_body_temp_path temp-client_body; proxy_temp_path temp-proxy;
    fastcgi_temp_path temp-fastcgi; uwsgi_temp_path temp-uwsgi; scgi_temp_path temp-scgi;
    access_log off;
    socketio_zone chat ${zone};
    upstream app { server 127.0.0.1:${port} max_fails=0; keepalive ${KEEPALIVE}; }
    server {
        listen 127.0.0.1:%%PORT%% ${reuseport} backlog=4096;
        location = /up { return 200 up; }
        location /socket.io/ {
            socketio chat;
            socketio_hook /_hook;
            socketio_hook_timeout 60s;
            socketio_ping_interval 10s;
            socketio_ping_timeout 12s;
            ${queue}
        }
        location = /_hook {
            internal;
            proxy_pass http://app/events; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_read_timeout 3s;
        }
        location = /_publish { socketio_publish chat; client_max_body_size 4m; }
        location = /_status { socketio_status chat; }
    }
}
`;

const KEEPALIVE = 16;

/* ---- publishers: one command at a time, so that each has an order ---- */

async function publisher(world, name) {
    const every = 250; /* ms */
    for (let order = 1; !world.over; ) {
        await sleep(choose.below(2 * every));
        if (!world.busy) {
            world.idle.add(name);
            continue;
        }
        world.idle.delete(name);
        const all = choose.chance(Math.min(0.05, 20 / CLIENTS));
        const room = all ? '*' : choose.pick(ROOMS);
        const args = ledger.publish(name, room, order++);
        const size = choose.chance(0.03) ? choose.below(30000) : 0;
        const command = message(all ? { all: true } : { room }, args, choose.chance(0.1), size);
        await insist(world, name, { ...command, key: `${name}/${order}` });
        ledger.published(args);
        const sids = choose.chance(0.03) && [...ledger.sids.keys()];
        if (sids && sids.length) {
            const sid = choose.pick(sids);
            ledger.sentence(sid);
            await insist(world, name, { op: 'disconnect', sid, close: choose.chance(0.3) });
        }
    }
    world.idle.add(name);
}

/* Again until it has been done: the key has it done once. */
async function insist(world, name, command) {
    const body = JSON.stringify(command);
    for (;;) {
        try {
            const res = await request(world.nginx.port, '/_publish', { body, timeout: 5000 });
            if (res.status === 200) {
                return;
            }
            if (res.status !== 503 || !world.fault.unwell) {
                ledger.problem('other', `${name}: ${res.status} ${res.text}`);
                return;
            }
        } catch (e) {
            if (!world.fault.unwell) {
                ledger.problem('other', `${name}: ${e.message}`);
                return;
            }
        }
        await sleep(100);
    }
}

/* Sessions that nobody uses, until there is no memory for any more. */
async function fill(world) {
    const hog = async () => {
        const uri = '/socket.io/?EIO=4&transport=polling&c=bad';
        const pad = 'x'.repeat(2000);
        let res;
        do {
            res = await request(world.nginx.port, uri, { headers: { Cookie: pad } });
        } while (res.status === 200);
        return res.status;
    };
    const all = await Promise.all([hog(), hog(), hog(), hog()]);
    assert.deepEqual(all, [503, 503, 503, 503]);
}

/* ---- the faults ---- */

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
        proof: logged(/sessions of the stopped worker in slot/)
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
    500: backend('500', refusing),
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
        /* until their pings are overdue */
        heal: () => seconds(25),
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

/* ---- one of them ---- */

async function one(name, children, backendServer) {
    const fault = FAULTS[name];
    const world = new World(fault, children, backendServer);
    const began = now();
    const judge = (f) => (f ? (x) => f(world, x) : undefined);

    let done = false;
    let progress;

    backendServer.mode = 'ok';
    ledger.begin({ ...fault, excuse: judge(fault.excuse), refuse: judge(fault.refuse) });
    await world.start();
    try {
        await world.connect();
        await until(async () => (await world.missing()).length === 0, 'all connect', PATIENCE);
        const before = world.most('kb');
        const took = ((now() - began) / 1000).toFixed(1);
        diag(`${name}: ${world.connected} clients are there after ${took} s`);

        world.set(true);
        const start = now();
        if (fault.begin) {
            await fault.begin(world);
        }
        progress = setInterval(() => tick(name, start), 10000);
        do {
            await fault.run(world);
        } while (now() - start < TIME * 1000);
        world.set(false);
        const duration = (now() - start) / 1000;
        if (fault.heal) {
            await fault.heal(world);
        }
        await world.settle();
        const after = world.most('kb');
        await leave(world);
        row(name, duration, world, before, after);
        if (fault.proof) {
            const what = await fault.proof(world);
            assert.ok(what, 'the fault has come about');
            diag(`${name}: ${what}`);
        }
        done = true;
    } finally {
        clearInterval(progress);
        world.over = true;
        world.set(false);
        world.laggards.forEach((x) => x.stop());
        world.tell({ do: 'leave' });
        if (!done) {
            world.nginx.kill();
            await until(() => world.nginx.exited, 'nginx ends', 20000);
        }
    }
    await world.nginx.stop();
    complaints(world);
    assert.equal(ledger.verdict(), '');
}

function tick(name, start) {
    const f = ledger.figures;
    diag(
        `${name}: ${((now() - start) / 1000).toFixed(0)} s, ${f.events} events, ` +
            `${f.lives} ends, ${KINDS.map((k) => `${k} ${ledger.counts[k]}`).join(', ')}`
    );
}

/* All go: what they had is free again. */
async function leave(world) {
    world.over = true;
    world.tell({ do: 'leave' });
    let s = null;
    const empty = async () => {
        s = await world.status();
        return (
            s.sessions.polling + s.sessions.websocket + s.sockets.now + s.sockets.rooms === 0 &&
            ledger.present().length === 0 &&
            ledger.waiting === 0
        );
    };
    const left = () =>
        `${JSON.stringify(s)}; at the backend: ${ledger.present().map((x) => x.sid).slice(0, 9)}`;
    await until(empty, () => `nothing is left of the clients: ${left()}`, PATIENCE);
    /* keys of publishers stay for a minute */
    if (TIME >= 30) {
        await until(
            async () => {
                s = await world.status();
                return s.zone.keys + s.zone.bytes - s.zone.free === 0;
            },
            () => `nothing is left in the zone: ${left()}`,
            PATIENCE + 80000
        );
    }
    await until(
        () => workers(world.nginx).length === WORKERS,
        () => `${workers(world.nginx).length} workers`,
        PATIENCE
    );
    await until(
        () => world.most('fds') <= world.empty.fds + KEEPALIVE,
        () => `${world.most('fds')} descriptors, were ${world.empty.fds}`,
        PATIENCE
    );
}

function complaints(world) {
    const { log = [] } = world.fault;
    const bad = (world.nginx.log() + world.nginx.stderr)
        .split('\n')
        .filter((l) => BAD.test(l) && !log.some((re) => re.test(l)));
    assert.equal(bad.length, 0, bad.slice(0, 20).join('\n'));
}

function row(name, duration, world, before, after) {
    const f = ledger.figures;
    const c = ledger.counts;
    const allowed = Object.values(ledger.allowed).reduce((a, b) => a + b, 0);
    table.push([
        name,
        CLIENTS,
        duration.toFixed(0),
        f.events,
        f.receipts,
        f.acks,
        `${f.lives - f.wanted - c.disconnects}/${c.disconnects}`,
        c.lost,
        c.doubled,
        c.reordered,
        c.other,
        world.restarts
    ]);
    diag(
        `${name}: ${f.batches} batches, ${f.repeats} repeats, ${f.dropped} dropped, ` +
            `${f.published} published, ${f.lives} ends (${f.wanted} wanted), ` +
            `${f.refused} refused, ${ledger.nodes} zones, ` +
            `allowed ${allowed}: ${JSON.stringify(ledger.allowed)}, ` +
            `a worker has ${before} to ${after} kB, this process ` +
            `${Math.round(process.memoryUsage().rss / 1024)} kB`
    );
}

const HEAD = [
    'fault',
    'clients',
    'seconds',
    'events',
    'receipts',
    'acks',
    'disconnects (allowed/not)',
    'lost',
    'doubled',
    'reordered',
    'other',
    'restarts'
];

function show() {
    const all = [HEAD, ...table].map((r) => r.map(String));
    const widths = HEAD.map((_, i) => Math.max(...all.map((r) => r[i].length)));
    for (const r of all) {
        diag(r.map((x, i) => x.padStart(widths[i])).join(' | '));
    }
}

function processes() {
    const n = Math.max(2, Math.ceil(CLIENTS / EACH));
    return Array.from({ length: n }, () => {
        const c = fork(path.join(__dirname, 'lib/crowd.js'));
        cleanup(() => c.kill());
        c.on('message', (m) => {
            if (m.reports) {
                m.reports.forEach((r) => (r.is === 'end' ? ledger.ended(r) : ledger.refused(r)));
            } else if (m.looked) {
                c.looked(m.looked);
            } else if (m.crashed) {
                ledger.problem('other', m.crashed);
            }
        });
        return c;
    });
}

main(async () => {
    const names = (process.env.FAULTS || DEFAULT).split(',');
    const server = await new Backend(ledger, choose, ROOMS).start(choose.below);
    const children = processes();
    cleanup(() => server.stop());
    diag(`SEED=${SEED}`);
    for (const name of names) {
        assert.ok(FAULTS[name], `no such fault: ${name}`);
        await test(name, () => one(name, children, server), {
            timeout: (TIME + 100) * 1000 + 5 * PATIENCE
        });
    }
    show();
});
