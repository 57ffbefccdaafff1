#!/usr/bin/env node
'use strict';

/*
 * Sixty clients, a backend and publishers talk through four workers while something
 * goes wrong, and lib/history.js judges what each of them saw: nothing lost, repeated,
 * out of order, and every socket that was accepted says goodbye once, last.
 *
 * HISTORY_SECONDS=300 goes through the phases again until that time is over;
 * HISTORY_PHASES=kill,stop takes some of them, HISTORY_CLIENTS=n other than 60.
 */

const SECONDS = Number(process.env.HISTORY_SECONDS || 0);

process.env.TEST_WATCHDOG = process.env.TEST_WATCHDOG || String(SECONDS + 180);

const http = require('node:http');
const net = require('node:net');
const { BAD, Nginx, assert, cleanup, client, diag, main, sleep, test, until } = require('./lib');
const { History, KINDS } = require('./lib/history');
const { Listener } = require('./lib/listener');
const { freeze, ports, thaw, workers } = require('./lib/workers');

const CLIENTS = Number(process.env.HISTORY_CLIENTS || 60);
const ROOMS = ['r0', 'r1', 'r2'];
const MODES = ['polling', 'websocket', 'upgrade'];
const WORKERS = 4;
const PHASE = 5000;

const history = new History(ROOMS);

const chance = (p) => Math.random() < p;
const below = (n) => Math.floor(Math.random() * n);
const pick = (list) => list[below(list.length)];

let busy = false; /* clients and publishers do things */

/* ---- the backend ---- */

class Backend extends Listener {
    constructor() {
        super((req, res) => this.request(req, res));
        this.dead = new Set();
        this.opened = (c) => {
            c.dead = this.dead.has(c.remotePort);
        };
    }

    /* These ports were those of a worker that has been killed. */
    bury(ports) {
        this.dead = ports; /* for those that are not accepted yet */
        for (const c of this.connections) {
            c.dead = c.dead || ports.has(c.remotePort);
        }
    }

    async restart(ms) {
        this.stop();
        history.restarted = history.tick();
        for (const b of history.pending) {
            history.answered(b, 'closed');
        }
        await sleep(ms);
        await this.listen();
        history.restarted = history.tick();
    }

    request(req, res) {
        const chunks = [];
        req.on('data', (c) => chunks.push(c));
        req.on('end', () => {
            const h = req.headers;
            const events = JSON.parse(Buffer.concat(chunks));
            const attempt = Number(h['x-socketio-attempt']);
            const b = history.batch(h['x-socketio-batch'], attempt, events, req.socket);

            res.on('close', () => history.answered(b, 'closed'));
            if (busy && chance(0.01)) {
                history.answered(b, 'failed');
                res.writeHead(503).end();
            } else if (chance(0.3)) {
                setTimeout(() => this.answer(b, events, req, res), below(30));
            } else {
                this.answer(b, events, req, res);
            }
        });
        req.on('error', () => {});
    }

    answer(b, events, req, res) {
        if (b.outcome !== 'pending') {
            return;
        }
        if (busy && chance(0.01)) {
            history.answered(b, 'closed');
            req.socket.destroy();
            return;
        }
        history.answered(b, 'answered');
        const out = events.flatMap((e) => this.commands(e).map((c) => ({ id: e.id, ...c })));
        res.writeHead(200, { 'Content-Type': 'application/json' });
        res.end(JSON.stringify(out));
    }

    commands(e) {
        const s = history.sids.get(e.sid);
        if (e.type === 'connect') {
            s.rooms = ROOMS.filter(() => chance(0.4));
            s.rooms.forEach((room) => history.joining(e.sid, room));
            return [{ op: 'accept', rooms: s.rooms }];
        }
        if (e.type === 'disconnect') {
            return [];
        }
        const [n, arg] = e.args;
        const out = [];
        let ack = [n];

        if (e.event === 'join' || e.event === 'leave') {
            if (e.event === 'join') {
                history.joining(e.sid, arg);
            }
            out.push({ op: e.event, room: arg });
        } else if (e.event === 'say' || e.event === 'tell') {
            s.k = (s.k || 0) + 1;
            const m = history.message(
                e.sid,
                s.k,
                e.event === 'say' ? { room: arg } : { sid: pick([...history.lives.keys()]) }
            );
            out.push(emit(m));
            ack = [n, m.key];
        } else if (e.event === 'bytes') {
            if (Buffer.from(e.attachments[0], 'base64').toString() !== `bytes ${n}`) {
                history.problem('other', `attachment of ${n}: ${e.attachments}`);
            }
        }
        if (e.ack) {
            out.push({ op: 'ack', args: ack });
        }
        return out;
    }
}

/* Some are large, some have an attachment. */
function emit(m) {
    const command = { event: 'm', args: [m.key] };
    if (chance(0.03)) {
        command.args.push('x'.repeat(below(30000)));
    } else if (chance(0.1)) {
        command.args.push({ _placeholder: true, num: 0 });
        command.attachments = [Buffer.from(m.key).toString('base64')];
    }
    return { ...command, ...(m.room ? { room: m.room } : { sid: m.sid }) };
}

/* ---- clients ---- */

class Client {
    constructor(nginx, i) {
        this.name = `c${i}`;
        this.mode = MODES[i % 3];
        this.connections = new Set();
        this.life = null;
        this.n = 0;

        /* a connection for each request: what is open is being served */
        const agent = new http.Agent({ keepAlive: false });
        agent.createConnection = (options) => {
            const c = net.connect(options);
            this.connections.add(c);
            c.on('close', () => this.connections.delete(c));
            return c;
        };
        this.socket = client(nginx, this.mode, {
            agent,
            reconnection: true,
            reconnectionDelay: 50,
            reconnectionDelayMax: 300,
            timeout: 20000
        });
        this.socket.on('connect', () => {
            const life = history.connected(this, this.socket.id);
            this.life = life;
            this.socket.io.engine.on('close', (reason, e) => {
                life.note(`connection closed: ${reason} ${e ? e.message || e.description : ''}`);
            });
        });
        this.socket.on('disconnect', (reason) => this.gone(reason));
        this.socket.on('connect_error', (e) => {
            if (!this.socket.active || (history.calm && !this.victim)) {
                history.problem('other', `${this.name} does not connect: ${e.message}`);
            }
            this.again();
        });
        this.socket.io.on('packet', (p) => this.packet(p));
        this.later();
    }

    gone(reason) {
        if (this.life) {
            history.disconnected(this.life, reason);
            this.life = null;
        }
        this.again();
    }

    /* for ends after which the client does not try again by itself */
    again() {
        if (!this.over && !this.socket.active) {
            setTimeout(() => this.over || this.socket.connect(), 20 + below(300));
        }
    }

    packet(p) {
        if (!this.life) {
            return;
        }
        if (p.type === 2 || p.type === 5) {
            history.received(this.life, p.data[1]);
            const bytes = p.type === 5 && p.data[2];
            if (bytes && bytes.toString() !== p.data[1]) {
                history.problem('other', `attachment of ${p.data[1]}`, this.life);
            }
        } else if (p.type === 3 || p.type === 6) {
            history.acked(this.life, p.id, p.data);
        }
    }

    emit(what, arg, ack = true) {
        const n = ++this.n;
        const id = ack ? this.socket.ids : undefined;
        history.emitted(this.life, n, what, { ack: id, room: typeof arg === 'string' ? arg : '' });
        const args = [what, n];
        if (what === 'bytes') {
            args.push(Buffer.from(`bytes ${n}`));
        } else if (arg !== undefined) {
            args.push(arg);
        }
        if (ack) {
            args.push(() => {});
        }
        this.socket.emit(...args);
    }

    later() {
        setTimeout(() => {
            /* engine.close() waits for what is written; what is emitted meanwhile is dropped */
            if (busy && this.life && this.life.intent !== 'abrupt') {
                this.act();
            }
            if (!this.over) {
                this.later();
            }
        }, 10 + below(250));
    }

    act() {
        const { rooms } = this.life;
        const p = Math.random();

        if (p < 0.03) {
            this.life.intent = 'clean';
            this.life.both = this.life.sentenced;
            this.socket.disconnect();
        } else if (p < 0.04) {
            this.life.both = this.life.intent;
            this.life.intent = 'abrupt';
            const { engine } = this.socket.io;
            if (engine.transport.ws) {
                engine.transport.ws.terminate();
            } else {
                engine.close();
            }
        } else if (p < 0.12) {
            const room = pick(ROOMS);
            const m = rooms.get(room);
            if (!m) {
                this.emit('join', room);
            } else if (m.state === 'in') {
                this.emit('leave', room);
            }
        } else if (p < 0.2) {
            this.emit('say', pick(ROOMS), chance(0.8));
        } else if (p < 0.28) {
            this.emit('tell', undefined, chance(0.8));
        } else if (p < 0.35) {
            this.emit('bytes', undefined, chance(0.5));
        } else {
            for (let n = chance(0.1) ? 10 : 1; n > 0; n--) {
                this.emit('e', undefined, chance(0.5));
            }
        }
    }

    end() {
        this.over = true;
        if (this.life) {
            this.life.intent = 'clean';
        }
        this.socket.disconnect();
    }
}

/* ---- publishers ---- */

function publish(port, command) {
    return new Promise((resolve, reject) => {
        const req = http.request(
            { host: '127.0.0.1', port, path: '/_publish', method: 'POST', agent: false },
            (res) => {
                const chunks = [];
                res.on('data', (c) => chunks.push(c));
                res.on('error', reject);
                res.on('end', () => {
                    const text = Buffer.concat(chunks).toString();
                    if (res.statusCode === 200) {
                        resolve(JSON.parse(text));
                    } else {
                        reject(new Error(`${res.statusCode} ${text}`));
                    }
                });
            }
        );
        req.on('error', reject);
        req.end(JSON.stringify(command));
    });
}

/* One at a time: so each has an order of its own. */
async function publisher(nginx, name, publishers) {
    for (let k = 1; !publishers.over; ) {
        await sleep(10 + below(30));
        if (!busy) {
            publishers.idle.add(name);
            continue;
        }
        publishers.idle.delete(name);
        const p = Math.random();
        const sid = pick([...history.lives.keys()]);
        try {
            if (p < 0.03 && sid) {
                await sentence(nginx, history.lives.get(sid));
            } else if (p < 0.15 && sid) {
                await say(nginx, history.message(name, k++, { sid }));
            } else {
                await say(nginx, history.message(name, k++, { room: pick(ROOMS) }));
            }
        } catch (e) {
            /* of a request that was in the hands of a killed worker nobody knows */
            if (history.calm || !/ECONNRESET|socket hang up/.test(e.message)) {
                history.problem('other', `${name}: ${e.message}`);
            }
        }
    }
}

async function say(nginx, m) {
    const res = await publish(nginx.port, emit(m));
    history.over(m);
    history.counted(m, res.count);
}

async function sentence(nginx, life) {
    if (life.intent || life.ended) {
        return;
    }
    life.intent = 'server';
    life.sentenced = history.tick();
    life.sentencedMs = Date.now();
    life.note('disconnected by command');
    const op = { op: 'disconnect', sid: life.sid, ...(chance(0.3) && { close: true }) };
    await publish(nginx.port, op);
}

/* ---- faults ---- */

/*
 * Stopped, so that it takes no connection between the look and its death.  A client
 * none of whose connections is there must not notice.
 */
async function kill({ nginx, clients, backend }) {
    const pid = await freeze(nginx, pick);
    const there = ports(pid);
    history.suspect();
    process.kill(pid, 'SIGKILL');
    backend.bury(there.backend);
    for (const c of clients) {
        if ([...c.connections].some((x) => x.connecting || there.clients.has(x.localPort))) {
            c.victim = Date.now();
            if (c.life) {
                c.life.note(`worker ${pid} is killed`);
            }
        }
    }
}

/* What a kill may lead to, in the error log; emptied() counts the last of these. */
const KILLED =
    /exited on signal 9$|shared memory zone "chat" was locked by|zone "chat" was emptied: a worker/;

const emptied = (nginx) => nginx.log().split(' was emptied').length;

const FAULTS = {
    none: () => sleep(500),

    async reload({ nginx }) {
        /* as many workers as the zone has slots for, says the README */
        if (workers(nginx).length <= 64 - 2 * WORKERS) {
            nginx.child.kill('SIGHUP');
        }
        await sleep(500);
    },

    async kill(world) {
        const { nginx, clients } = world;
        const before = emptied(nginx);
        await kill(world);
        await sleep(900);
        const hit = emptied(nginx) > before;
        history.acquit(hit);
        if (hit) {
            diag('the worker had the lock: the zone was emptied');
            history.uncertain = true;
            for (const c of clients.filter((x) => x.life && x.life.void)) {
                c.life.intent = 'clean';
                c.socket.disconnect();
            }
        }
        await sleep(100);
    },

    async backend({ backend }) {
        await sleep(500);
        await backend.restart(1000);
        await sleep(1500);
    },

    async stop({ nginx }) {
        const pid = await freeze(nginx, pick);
        await sleep(2000);
        thaw(pid);
        await sleep(500);
    },

    /* late for a moment, again and again: what meets there comes all at once */
    async stutter({ nginx }) {
        const pid = await freeze(nginx, pick);
        await sleep(10 + below(90));
        thaw(pid);
        await sleep(below(20));
    },

    /* all that nginx has to survive by itself, at once */
    async chaos(world) {
        await FAULTS.stutter(world);
        await FAULTS.stutter(world);
        await FAULTS.reload(world);
        await FAULTS.kill(world);
    }
};

/* ---- */

const conf = (port) => `
worker_processes ${WORKERS};
error_log error.log info;
pid nginx.pid;
events { worker_connections 1024; }
http {
    client_body_temp_path temp-client_body; proxy_temp_path temp-proxy;
    fastcgi_temp_path temp-fastcgi; uwsgi_temp_path temp-uwsgi; scgi_temp_path temp-scgi;
    access_log off;
    socketio_zone chat 32m;
    upstream app { server 127.0.0.1:${port}; keepalive 16; }
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location = /up { return 200 up; }
        location /socket.io/ {
            socketio chat;
            socketio_hook /_hook;
            socketio_ping_interval 6s;
            socketio_ping_timeout 8s;
        }
        location = /_hook {
            internal;
            proxy_pass http://app/events; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_read_timeout 5s;
        }
        location = /_publish { socketio_publish chat; }
    }
}
`;

async function phase(name, world, label) {
    const { clients, publishers } = world;
    history.begin();
    history.calm = !['kill', 'chaos'].includes(name);
    history.uncertain = false;
    const start = Date.now();
    busy = true;
    while (Date.now() - start < PHASE) {
        await FAULTS[name](world);
    }
    busy = false;
    const seconds = (Date.now() - start) / 1000;

    const settled = () =>
        publishers.idle.size === publishers.n &&
        clients.every((c) => c.life) &&
        history.unsettled().length === 0;
    const end = Date.now() + 15000;
    while (!settled() && Date.now() < end) {
        await sleep(50);
    }
    history.unsettledAll();
    history.calm = true;
    clients.forEach((c) => (c.victim = 0));

    const f = history.figures;
    diag(
        `${label}: ${clients.length} clients x ${seconds.toFixed(1)} s, ${f.lives} connections, ` +
            `${f.emits} events (${f.batches} batches, ${f.repeats} repeats), ${f.acks} acks, ` +
            `${f.messages} messages, ${f.receipts} received; ` +
            KINDS.map((k) => `${k} ${history.counts[k]}`).join(', ')
    );
    verdict();
    assert.ok(f.receipts > 100 && f.acks > 100, 'something happened');
    assert.ok(clients.every((c) => c.life), 'all clients are connected');
}

function verdict() {
    const n = KINDS.reduce((sum, k) => sum + history.counts[k], 0);
    assert.equal(n, 0, `${n} contradictions\n  ${history.shown.join('\n  ')}`);
}

main(async () => {
    const backend = await new Backend().start(below);
    cleanup(() => backend.server.close());
    const nginx = new Nginx({ conf: conf(backend.port), workers: WORKERS });
    const world = { backend, nginx, clients: [], publishers: { n: 3, idle: new Set() } };
    const { clients, publishers } = world;
    const evidence = () => nginx.evidence();
    const phases = (process.env.HISTORY_PHASES || Object.keys(FAULTS).join()).split(',');

    const started = await test('clients connect', async () => {
        await nginx.start();
        for (let i = 0; i < CLIENTS; i++) {
            clients.push(new Client(nginx, i));
        }
        await until(() => clients.every((c) => c.life), 'all are connected', 10000);
        for (let i = 0; i < publishers.n; i++) {
            publisher(nginx, `p${i}`, publishers);
        }
    });
    const start = Date.now();
    for (let round = 1; started; round++) {
        for (const name of phases) {
            const label = `${name}${round > 1 ? `, round ${round}` : ''}`;
            await test(label, () => phase(name, world, label), { timeout: 40000, evidence });
        }
        if (Date.now() - start > SECONDS * 1000) {
            break;
        }
    }

    await test(
        'every socket that was accepted says goodbye once',
        async () => {
            history.begin();
            publishers.over = true;
            clients.forEach((c) => c.end());
            /* those that nobody told that their client is gone time out */
            await until(
                () => history.present().length === 0,
                () => history.present().map((s) => s.sid).join(),
                30000
            );
            verdict();
        },
        { timeout: 40000, evidence }
    );

    await test(
        'nginx ends and has nothing to complain of',
        async () => {
            await nginx.stop();
            await sleep(20);
            const bad = (nginx.log() + nginx.stderr)
                .split('\n')
                .filter((l) => BAD.test(l) && !KILLED.test(l));
            assert.equal(bad.length, 0, bad.slice(0, 20).join('\n'));
        },
        { timeout: 20000, evidence }
    );
});
