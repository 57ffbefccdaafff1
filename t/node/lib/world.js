'use strict';

/* What all faults of faults.t happen to: an nginx, clients, publishers, a backend. */

const TIME = Number(process.env.TIME || 2);
const CLIENTS = Number(process.env.CLIENTS || 60);
const WORKERS = Number(process.env.WORKERS || 4);
const EVENTS = Number(process.env.EVENTS || 150);
const SEED = Number(process.env.SEED || Date.now() % 1e6);

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { Ledger } = require('./ledger');
const { message } = require('./misbehaviour');
const { Nginx, request } = require('./nginx');
const { now, random } = require('./streams');
const { sleep, until } = require('./tap');
const { freeze, ports, state, thaw, usage, workers } = require('./workers');

const PUBLISHERS = ['p0', 'p1', 'p2'];
const ROOMS = Array.from({ length: Math.max(3, Math.floor(CLIENTS / 40)) }, (_, i) => `r${i}`);
const SLOTS = 256;
const KEEPALIVE = 16;

/* Others may use this machine, and thousands of clients take their time. */
const PATIENCE = 60000 + CLIENTS * 20;

/* How long after the death of its worker a client may notice. */
const NOTICE = 25000;

const SHUTDOWN = 5000; /* worker_shutdown_timeout */

const choose = random(SEED);
const ledger = new Ledger();

class World {
    constructor(fault, children, backend) {
        Object.assign(this, { fault, children, backend });
        this.incidents = []; /* { t, till, ports } of workers that were harmed */
        this.reloads = [];
        this.laggards = [];
        this.hogs = [];
        this.restarts = 0;
        this.busy = false;
        this.over = false;
        this.idle = new Set();
    }

    async start() {
        const { conf = {}, modules, shim } = this.fault;
        const env = {};
        this.nginx = new Nginx({
            conf: configuration(this.backend.port, conf),
            workers: WORKERS,
            modules,
            env
        });
        if (shim) {
            this.file = path.join(this.nginx.dir, 'shim');
            fs.writeFileSync(this.file, Buffer.alloc(16));
            Object.assign(env, shim(this.file));
        }
        await this.nginx.start();
        this.pids = workers(this.nginx);
        await this.rest();
        this.empty = { fds: this.most('fds'), status: await this.status() };
    }

    /* With many slots, which nginx has for as many workers as it is started with */
    async rest() {
        if (this.fault.conf && this.fault.conf.slots) {
            const { nginx } = this;
            nginx.template = nginx.template.replace(
                /^worker_processes .*/m,
                `worker_processes ${WORKERS};`
            );
            fs.writeFileSync(
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
            const { port } = this.nginx;
            c.send({ do: 'start', port, from, to, seed, publishers: PUBLISHERS });
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
            connected += x.lives.length;
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
            .filter(([sid, , keys]) => !(this.fault.outside && !sid) && !ledger.refusedAll(keys))
            .map(([, text]) => text);
        this.connected = connected;
        if (connected < CLIENTS && !this.fault.outside) {
            out.push(`${connected} clients are there, of ${CLIENTS}`);
        }
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
        const incident = { t: now(), till: Infinity, ports: ports(pid).clients };
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
            await this.emptied();
        }
    }

    /* A worker that died in a hold: then the zone is a new one, and a line says so. */
    async emptied() {
        for (let i = 0; i < 4; i++) {
            await sleep(300);
            const n = this.nginx.log().split('" was emptied').length;
            if (n > (this.zones || 1)) {
                this.zones = n;
                ledger.renewed(ledger.node);
            }
        }
    }

    /* A worker dies at one of its next stores to the zone, with the lock held. */
    async dieInside() {
        const pid = choose.pick(workers(this.nginx));
        const write = (...n) => {
            const f = fs.openSync(this.file, 'r+');
            fs.writeSync(f, Buffer.from(Uint32Array.from(n).buffer));
            fs.closeSync(f);
        };
        write(pid, 1 + choose.below(800), 19 /* SIGSTOP */, 0);
        for (let i = 0; i < 5000 && state(pid) !== 'T'; i++) {
            await sleep(1);
        }
        write(0, 0, 0, 0);
        if (state(pid) === 'T') {
            const incident = { t: now(), till: 0, ports: ports(pid).clients };
            this.incidents.push(incident);
            ledger.died = now();
            process.kill(pid, 'SIGKILL');
            this.restarts++;
            incident.till = ledger.died = now();
            await this.emptied();
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

const configuration = (
    port,
    { slots, main = '', zone = '64m', queue = '', reuseport = 'reuseport' }
) => `
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

const HOG = '/socket.io/?EIO=4&transport=polling&c=bad';

/* Sessions that nobody uses, until there is no memory for any more. */
async function fill(world) {
    const hog = async () => {
        const headers = { Cookie: 'x'.repeat(2000) };
        for (;;) {
            const res = await request(world.nginx.port, HOG, { headers });
            if (res.status !== 200) {
                return res.status;
            }
            world.hogs.push(JSON.parse(res.text.slice(1)).sid);
        }
    };
    const all = await Promise.all([hog(), hog(), hog(), hog()]);
    assert.deepEqual(all, [503, 503, 503, 503]);
}

/* and they leave */
async function empty(world) {
    const end = async () => {
        while (world.hogs.length) {
            await request(world.nginx.port, `${HOG}&sid=${world.hogs.pop()}`, { body: '1' });
        }
    };
    await Promise.all([end(), end(), end(), end()]);
}

module.exports = {
    CLIENTS,
    KEEPALIVE,
    PATIENCE,
    ROOMS,
    SEED,
    SHUTDOWN,
    TIME,
    WORKERS,
    World,
    choose,
    empty,
    fill,
    insist,
    ledger
};
