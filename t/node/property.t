#!/usr/bin/env node
'use strict';

/*
 * Clients of three eras on all transports, in two namespaces and three rooms, do
 * thousands of things by dice, while the backend answers by dice, too: late, 500, 503,
 * never, or with half of an answer.  lib/property.js then proves from what all sides saw:
 *
 *   no event and no message is lost, but those of a batch that the backend answered with
 *   500; none is doubled, but what was commanded twice; of each socket all are in order,
 *   and any two clients got what both got in the same order;
 *   the backend sees each seq of a socket once, and for each connect that it accepted one
 *   disconnect, last; session data are those of the last answer;
 *   each acknowledgement has one outcome, the one that the client gave; what a publisher
 *   is told who waits is what clients answered.
 *
 * SEED=n makes the same choices again (not at the same moments), PROPERTY_SECONDS=300
 * goes on with the next seeds for so long, PROPERTY_WORKERS=1,4 takes those numbers,
 * PROPERTY_RELOAD=n reloads each n milliseconds.
 */

const SECONDS = Number(process.env.PROPERTY_SECONDS || 0);
const ROUND = 6000;
const NUMBERS = (process.env.PROPERTY_WORKERS || '1,2,4').split(',').map(Number);
const RELOAD = Number(process.env.PROPERTY_RELOAD || 0);
let seed = Number(process.env.SEED || Date.now() % 1e9);

process.env.TEST_WATCHDOG = process.env.TEST_WATCHDOG || String(SECONDS + NUMBERS.length * 60);

const http = require('node:http');
const { Nginx, assert, cleanup, client, diag, main, request, sleep, test } = require('./lib');
const { Record } = require('./lib/property');

const CLIENTS = 24;
const PUBLISHERS = 4;
const ERAS = ['4.8', '1.7', '2.5', '4.8'];
const MODES = ['polling', 'websocket', 'upgrade'];
const ROOMS = ['r0', 'r1', 'r2'];
const NSPS = ['/', '/a'];
const PATIENCE = 15000; /* timeout of acks that are to come */

/* mulberry32: each who chooses has one of its own */
function dice(name) {
    let a = seed;
    for (const c of name) {
        a = Math.imul(a ^ c.charCodeAt(0), 0x9e3779b1) >>> 0;
    }
    const random = () => {
        a = (a + 0x6d2b79f5) | 0;
        let t = Math.imul(a ^ (a >>> 15), 1 | a);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    const below = (n) => Math.floor(random() * n);
    return { chance: (p) => random() < p, below, pick: (list) => list[below(list.length)], random };
}

/* ---- what is said to clients, by backend and publishers ---- */

/* a message for some of a namespace; ask: token, wait */
function message(world, d, key, nsp, own, { ask } = {}) {
    const { record } = world;
    const m = { key, nsp, op: 'emit', ask };
    const here = [...record.sids.values()].filter((s) => s.nsp === nsp && s.life && !s.gone);
    const other = here.length ? d.pick(here).sid : undefined;
    const p = d.random();
    const args = [key];
    const c = { event: ask ? 'q' : 'm', args, nsp };

    if (p < 0.2 && other) {
        c.sid = other;
        m.words = [other];
    } else if (p < 0.55) {
        c.room = d.pick(ROOMS);
        m.words = [c.room];
    } else if (p < 0.75) {
        c.room = [d.pick(ROOMS), d.pick(ROOMS)];
        m.words = [...c.room];
        if (other && d.chance(0.3)) {
            c.sid = other;
            m.words.push(other);
        }
    } else {
        c.all = true;
    }
    if (d.chance(0.3)) {
        c.except = d.pick([d.pick(ROOMS), own || other || 'nobody', [d.pick(ROOMS), 'nobody']]);
        m.except = [].concat(c.except);
    }
    if (ask) {
        m.patient = d.chance(0.7);
        args.push(m.patient ? d.pick(['now', 'later', 'bytes', 'twice']) : d.pick(['never', 'some']));
        c.ack = ask === 'token' ? key : true;
        c.timeout = m.patient ? PATIENCE : 300;
    } else if (d.chance(0.1)) {
        args.push({ _placeholder: true, num: 0 });
        c.attachments = [Buffer.from(key).toString('base64')];
    } else if (d.chance(0.05)) {
        args.push('x'.repeat(d.below(20000)));
    } else if (d.chance(0.05)) {
        c.volatile = m.volatile = true;
    }
    m.command = c;
    record.messages.set(key, m);
    return m;
}

/* ---- the backend ---- */

class Backend {
    constructor(world) {
        this.world = world;
        this.record = world.record;
        this.d = dice(`backend ${world.workers}`);
        this.stalled = 0;
        this.beaten = Date.now();
        this.timer = setInterval(() => this.beat(), 50);
    }

    /* this process was not there for so long that nginx may have given up a request */
    beat() {
        const now = Date.now();
        this.stalled = now - this.beaten > 700 ? now : this.stalled;
        this.beaten = now;
    }

    async start() {
        this.server = http.createServer((req, res) => this.request(req, res));
        this.server.keepAliveTimeout = 60000;
        await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
        this.port = this.server.address().port;
        cleanup(() => this.stop());
    }

    stop() {
        clearInterval(this.timer);
        this.server.close();
        this.server.closeAllConnections();
    }

    request(req, res) {
        this.beat();
        const fate = this.world.busy ? this.d.random() : 1;
        if (fate < 0.01) {
            req.socket.destroy(); /* unread */
            return;
        }
        const chunks = [];
        req.on('error', () => {});
        res.on('error', () => {});
        req.on('data', (c) => chunks.push(c));
        req.on('end', () => {
            const h = req.headers;
            const events = JSON.parse(Buffer.concat(chunks));
            const attempt = Number(h['x-socketio-attempt']);
            const b = this.record.batch(h['x-socketio-batch'], attempt, events);
            this.plans(b, events);
            if (fate < 0.25) {
                this.fail(b, fate, req, res);
            } else if (fate < 0.4) {
                setTimeout(() => this.answer(b, req, res), 1 + this.d.below(60));
            } else {
                this.answer(b, req, res);
            }
        });
    }

    fail(b, fate, req, res) {
        this.record.figures.failed++;
        if (fate < 0.02) {
            b.outcome = '500';
            res.writeHead(500).end();
        } else if (fate < 0.04) {
            b.outcome = '503';
            res.writeHead(503, { 'Retry-After': this.d.below(2) }).end();
        } else if (fate < 0.045) {
            b.outcome = 'hung';
        } else if (fate < 0.055) {
            b.outcome = 'reset';
            req.socket.resetAndDestroy();
        } else if (fate < 0.075) {
            this.cut(b, res);
        } else {
            setTimeout(() => this.answer(b, req, res), this.d.below(300));
        }
    }

    text(ops, lines) {
        const all = ops.map((op) => JSON.stringify({ id: op.id, ...op.command }));
        return lines ? all.map((t) => `${t}\n`).join('') : `[${all.join(',\n')}]`;
    }

    ops(b) {
        return b.events.flatMap((r) => r.plan).sort((x, y) => (y.op === 'accept') - (x.op === 'accept'));
    }

    /* of lines those that are complete run; an array is nothing without its end */
    cut(b, res) {
        const ops = this.ops(b);
        const lines = this.d.chance(0.5);
        const text = this.text(ops, lines);
        const part = text.slice(0, this.d.below(text.length));
        b.outcome = 'cut';
        if (lines) {
            ops.slice(0, part.split('\n').length - 1).forEach((op) => this.record.sent(op, true));
        }
        res.writeHead(200, {
            'Content-Type': 'application/json',
            'Content-Length': Buffer.byteLength(text) + 1
        });
        res.write(part, () => setTimeout(() => res.socket && res.socket.destroy(), 5));
    }

    answer(b, req, res) {
        if (b.outcome !== 'pending' || req.socket.destroyed) {
            b.outcome = b.outcome === 'pending' ? 'gone' : b.outcome;
            return;
        }
        const ops = this.ops(b);
        let before;
        for (const op of ops) {
            op.before = before;
            before = op;
            this.record.sent(op);
        }
        for (const r of b.events) {
            r.oks++;
        }
        this.beat();
        b.outcome = Date.now() - this.stalled < 5000 ? 'late' : 'ok';
        res.writeHead(200, { 'Content-Type': 'application/json' });
        res.end(this.text(ops, this.d.chance(0.5)));
    }

    /* The same commands each time: drop repeats by id, says the README. */
    plans(b, events) {
        b.events.forEach((r, i) => {
            r.plan = r.plan || this.plan(r, events[i]).map((op) => ({ id: r.id, ...op }));
            for (const op of r.plan.filter((x) => x.op === 'emit')) {
                this.record.messages.set(op.key, op);
            }
            if (r.type === 'connect') {
                r.s.accepting = r.plan.slice(0, 1);
            }
        });
    }

    plan(r, e) {
        const { d, world } = this;
        const { s } = r;
        const out = [];
        const join = (room, kind = 'join') => ({ s, room, kind });

        if (r.type === 'connect') {
            const rooms = ROOMS.filter(() => d.chance(0.4));
            const command = { op: 'accept', rooms };
            if (d.chance(0.3)) {
                command.data = r.data = [s.key];
                r.sets = s.sets.push(r);
            }
            out.push({ op: 'accept', command, moves: rooms.map((x) => join(x)) });
        }
        const p = d.random();
        if (p < 0.35) {
            out.push(message(world, d, `${r.id}`, s.nsp, s.sid));
        } else if (p < 0.45 && r.type !== 'ack') {
            out.push(message(world, d, `${r.id}`, s.nsp, s.sid, { ask: 'token' }));
        } else if (p < 0.6 && r.type === 'event') {
            const room = d.pick(ROOMS);
            const kind = d.pick(['join', 'leave']);
            out.push({ op: kind, command: { op: kind, room }, moves: [join(room, kind)] });
        } else if (p < 0.7 && r.type === 'event') {
            const data = d.chance(0.2) ? null : { n: e.args[0] };
            r.data = data === null ? undefined : data;
            r.sets = s.sets.push(r);
            out.push({ op: 'data', command: { op: 'data', data } });
        }
        if (r.type === 'event' && e.ack) {
            out.push({ op: 'ack', command: { op: 'ack', args: e.args.slice(0, 1) } });
        }
        return out;
    }
}

/* ---- clients ---- */

class Client {
    constructor(world, i) {
        this.world = world;
        this.name = `c${i}`;
        this.era = ERAS[i % ERAS.length];
        this.mode = MODES[Math.floor(i / ERAS.length) % MODES.length];
        this.d = dice(`${this.name} ${world.workers}`);
        this.n = 0;
        this.open();
        this.act();
    }

    /* a connection, with one namespace or both */
    open() {
        const { nginx } = this.world;
        const label = `${this.name}.${++this.n}`;
        const conn = { label, lives: new Map(), over: false };
        const old = this.era < '4';
        const first = old || this.d.chance(0.6) ? '/' : '/a';

        this.conn = conn;
        const socket = client(nginx, this.mode, {
            era: this.era,
            nsp: first,
            query: { c: label },
            timeout: 20000
        });
        conn.manager = socket.io;
        conn.sockets = [socket];
        if (this.d.chance(0.5)) {
            conn.sockets.push(conn.manager.socket(first === '/' ? '/a' : '/'));
        }
        conn.sockets.forEach((x) => this.listen(conn, x));
    }

    listen(conn, socket) {
        const { record } = this.world;
        const key = `${conn.label} ${socket.nsp}`;
        socket.on('connect', () => {
            const life = record.connected(key, `${this.era} ${this.mode}`);
            life.socket = socket;
            life.intent = conn.over ? 'clean' : null;
            conn.lives.set(key, life);
        });
        socket.on('disconnect', (reason) => {
            const life = conn.lives.get(key);
            if (life) {
                record.disconnected(life, reason);
                conn.lives.delete(key);
            }
            this.left(conn);
        });
        const refused = () => {
            conn.refused = true;
            record.refused.add(conn.label);
            this.left(conn);
        };
        socket.on('connect_error', refused);
        socket.on('error', refused);
        socket.on('m', (id, bytes) => {
            this.got(conn, key, id);
            if (typeof bytes === 'object' && Buffer.from(bytes).toString() !== id) {
                record.problem('attachment', `of ${id} to ${key}`);
            }
        });
        socket.on('q', (id, how, fn) => this.asked(conn, key, id, how, fn));
    }

    got(conn, key, id) {
        const life = conn.lives.get(key);
        if (life) {
            this.world.record.received(life, id);
        } else {
            this.world.record.problem('received out of life', `${key}: ${id}`);
        }
        return life;
    }

    asked(conn, key, id, how, fn) {
        const life = this.got(conn, key, id);
        const say = () => {
            const value = how === 'bytes' ? [key, id, Buffer.from(id)] : [key, id];
            if (conn.lives.get(key) === life && !life.intent) {
                this.world.record.said(life, id, value);
                fn(...value);
            }
        };
        if (!life || how === 'never' || (how === 'some' && this.d.chance(0.5))) {
            return;
        }
        if (how === 'later') {
            setTimeout(say, this.d.below(100));
        } else {
            say();
            if (how === 'twice') {
                say();
            }
        }
    }

    /* nothing is left of the connection: another one */
    left(conn) {
        if (conn.over || (conn.lives.size && !conn.refused)) {
            return;
        }
        conn.over = true;
        for (const life of conn.lives.values()) {
            life.intent = life.intent || 'clean';
        }
        setTimeout(() => {
            conn.sockets.forEach((s) => s.disconnect());
            if (!this.over) {
                this.open();
            }
        }, 10 + this.d.below(200));
    }

    act() {
        setTimeout(() => {
            if (this.world.busy) {
                this.something();
            }
            if (!this.over) {
                this.act();
            }
        }, 5 + this.d.below(100));
    }

    something() {
        const { record } = this.world;
        const lives = [...this.conn.lives.values()].filter((x) => !x.intent);
        if (!lives.length || this.conn.over) {
            return;
        }
        const life = this.d.pick(lives);
        const p = this.d.random();
        if (p < 0.015) {
            life.intent = 'clean';
            life.leaving = record.tick();
            life.socket.disconnect();
        } else if (p < 0.022) {
            this.break();
        } else {
            for (let n = this.d.chance(0.1) ? 8 : 1; n > 0; n--) {
                this.emit(life);
            }
        }
    }

    break() {
        for (const life of this.conn.lives.values()) {
            life.intent = 'abrupt';
            life.leaving = this.world.record.tick();
        }
        const { engine } = this.conn.manager;
        if (engine.transport.ws && engine.transport.ws.terminate) {
            engine.transport.ws.terminate();
        } else {
            engine.close();
        }
    }

    emit(life) {
        const { record } = this.world;
        const e = record.emitted(life, this.d.chance(0.5));
        const args = ['e', e.n];
        if (this.d.chance(0.15)) {
            e.bytes = true;
            args.push(Buffer.from(`bytes ${e.n}`));
        } else if (this.d.chance(0.05)) {
            args.push('y'.repeat(this.d.below(20000)));
        }
        if (e.ack) {
            args.push((...answer) => record.acked(life, e, answer));
        }
        life.socket.emit(...args);
    }

    end() {
        this.over = true;
        this.conn.over = true;
        for (const life of this.conn.lives.values()) {
            life.intent = life.intent || 'clean';
            life.leaving = life.leaving || this.world.record.tick();
        }
        this.conn.sockets.forEach((s) => s.disconnect());
    }
}

/* ---- publishers ---- */

async function publisher(world, i) {
    const { record, nginx } = world;
    const d = dice(`p${i} ${world.workers}`);
    for (let k = 1; !world.over; k++) {
        await sleep(5 + d.below(40));
        if (!world.busy) {
            world.idle.add(i);
            continue;
        }
        world.idle.delete(i);
        const s = d.pick([
            undefined,
            ...[...record.sids.values()].filter(
                (x) => x.life && !x.gone && !x.life.intent && x.events[0].batch.outcome === 'ok'
            )
        ]);
        const p = d.random();
        const nsp = d.pick(NSPS);
        let op;
        if (p < 0.1 && s) {
            const room = d.pick(ROOMS);
            const kind = d.pick(['join', 'leave']);
            op = { command: { op: kind, nsp: s.nsp, sid: s.sid, room }, moves: [{ s, room, kind }] };
        } else if (p < 0.12 && s) {
            s.life.intent = 'server';
            s.life.leaving = record.tick();
            op = { command: { op: 'disconnect', nsp: s.nsp, sid: s.sid } };
        } else {
            op = message(world, d, `p${i}/${k}`, nsp, s && s.sid, { ask: p < 0.35 && 'wait' });
        }
        record.sent(op);
        const body = JSON.stringify(op.command);
        const { text } = await request(nginx.port, '/_publish', { body, timeout: 30000 });
        op.result = JSON.parse(text);
        op.done = record.tick();
        if (op.result.ok !== true) {
            record.problem('publish', `${body}: ${text}`);
        }
        record.over(op);
    }
    world.idle.add(i);
}

/* ---- */

const conf = (workers, port) => `
worker_processes ${workers};
error_log error.log info;
pid nginx.pid;
events { worker_connections 1024; }
http {
    client_body_temp_path temp-client_body; proxy_temp_path temp-proxy;
    fastcgi_temp_path temp-fastcgi; uwsgi_temp_path temp-uwsgi; scgi_temp_path temp-scgi;
    access_log off;
    socketio_zone chat 32m;
    upstream app { server 127.0.0.1:${port} max_fails=0; keepalive 16; }
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location = /up { return 200 up; }
        location /socket.io/ {
            socketio chat;
            socketio_namespaces / /a;
            socketio_limits acks=1000;
            socketio_hook /_hook;
            socketio_hook_timeout 60s;
            socketio_hook_lanes 8;
            socketio_ping_interval 6s;
            socketio_ping_timeout 30s;
        }
        location = /_hook {
            internal;
            proxy_pass http://app/events; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_read_timeout 3s;
            proxy_next_upstream off;
        }
        location = /_publish { socketio_publish chat; }
    }
}
`;

async function quiet(cond, ms) {
    const end = Date.now() + ms;
    let left = cond();
    while (left.length && Date.now() < end) {
        await sleep(200);
        left = cond();
    }
    return left;
}

async function run(workers) {
    const record = new Record();
    const world = { record, workers, busy: false, idle: new Set(), clients: [] };
    const backend = new Backend(world);
    await backend.start();
    const nginx = new Nginx({ conf: conf(workers, backend.port), workers });
    world.nginx = nginx;
    const evidence = () => nginx.evidence();
    const name = `${workers} worker${workers > 1 ? 's' : ''}`;
    const show = (list) => `${list.length}:\n  ${list.slice(0, 15).join('\n  ')}`;

    await test(
        `${name}: what must come has come`,
        async () => {
            await nginx.start();
            for (let i = 0; i < CLIENTS; i++) {
                world.clients.push(new Client(world, i));
            }
            const publishers = [...Array(PUBLISHERS).keys()].map((i) => publisher(world, i));
            world.busy = true;
            const end = Date.now() + ROUND;
            while (Date.now() < end) {
                await sleep(Math.min(RELOAD || 1000, end - Date.now()));
                if (RELOAD) {
                    nginx.child.kill('SIGHUP');
                }
            }
            world.busy = false;
            const left = await quiet(
                () => (world.idle.size < PUBLISHERS ? ['a publisher waits'] : record.missing()),
                20000
            );
            world.over = true;
            await Promise.all(publishers);
            assert.equal(left.length, 0, show(left));
            assert.equal(record.problems.length, 0, show(record.problems));
        },
        { timeout: ROUND + 40000, evidence }
    );
    await test(
        `${name}: nothing else has`,
        async () => {
            world.clients.forEach((c) => c.end());
            await quiet(
                () => [...record.sids.values()].filter((s) => s.events[0].oks && !s.gone),
                20000
            );
            const problems = record.verdict();
            assert.equal(problems.length, 0, show(problems));
        },
        { timeout: 40000, evidence }
    );
    const { figures: f } = record;
    const lives = [...record.lives.values()];
    diag(
        `${name}, SEED=${seed}: ${lives.length} connects, ` +
            `${lives.reduce((n, x) => n + x.emits.length, 0)} events, ${f.batches} batches, ` +
            `${f.failed} failed or late, ${f.repeats} events repeated, ` +
            `${record.messages.size} messages, ${f.receipts} received, ${f.outcomes} acks by token, ` +
            `${[...record.messages.values()].filter((m) => m.ask === 'wait').length} waited for`
    );
    assert.ok(f.receipts > 500 && f.outcomes > 50 && f.failed > 5, 'something happened');
    await nginx.finish(name);
    backend.stop();
}

main(async () => {
    const end = Date.now() + SECONDS * 1000;
    do {
        diag(`SEED=${seed}`);
        for (const workers of NUMBERS) {
            await run(workers);
        }
        seed++;
    } while (Date.now() < end);
});
