#!/usr/bin/env node
'use strict';

/*
 * Churn for a long time, and does anything grow?  Clients of all eras and
 * transports come, speak, are told, and leave in every way that there is, while
 * memory, descriptors and processes are measured; then a line is laid through
 * what each of these was after the warm-up.
 *
 *   make soak TIME=600              seconds
 *   make soak TIME=600 RELOAD=10    and a reload every ten seconds
 *
 * CLIENTS (40) are there at a time, with WORKERS (2).  LEAK=1 opens sessions and
 * leaves them: it has to fail then.  Ends with 1 if anything grows: by more than
 * its noise, and by more than 3% and what is of no interest.
 */

const fs = require('node:fs');
const path = require('node:path');

const {
    Backend,
    ERAS,
    MODES,
    Nginx,
    chat,
    client,
    closeAll,
    open
} = require(path.resolve(__dirname, '../node/lib'));

const TIME = Number(process.argv[2] || 600);
const RELOAD = Number(process.env.RELOAD || 0);
const CLIENTS = Number(process.env.CLIENTS || 40);
const WORKERS = Number(process.env.WORKERS || 2);
const LEAK = Boolean(process.env.LEAK);

const EVERY = 1000; /* ms between samples */
const BINS = 20; /* of samples, so that neighbours are not taken for news */
const ERRORS = 5; /* standard errors that a slope has to be above none */

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const random = (a, b) => a + Math.random() * (b - a);
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const sum = (list) => list.reduce((a, b) => a + b, 0);
const mean = (list) => sum(list) / list.length;

let ending = false;
const done = { sessions: 0, recovered: 0, acks: 0, events: 0, failed: 0, reloads: 0, publishes: 0 };

/* Bytes that are of no interest, or how many of something else */
const METRICS = {
    'RSS of a worker': { floor: 512 * 1024, unit: 1024, name: 'KB' },
    'RSS of the master': { floor: 256 * 1024, unit: 1024, name: 'KB' },
    'zone in use': { floor: 256 * 1024, unit: 1024, name: 'KB' },
    'fds of a worker': { floor: 6, unit: 1, name: '' },
    'fds of the master': { floor: 2, unit: 1, name: '' },
    processes: { floor: 2, unit: 1, name: '' },
    sessions: { floor: 8, unit: 1, name: '' },
    rooms: { floor: 8, unit: 1, name: '' }
};

/* not the zone, of which each process has what it happened to touch */
function anonymous(pid) {
    const m = /^RssAnon:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
    return m ? Number(m[1]) * 1024 : 0;
}

const descriptors = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

/* Workers may end while they are looked at. */
function ofWorkers(pids, fn) {
    const values = pids.flatMap((pid) => {
        try {
            return [fn(pid)];
        } catch {
            return [];
        }
    });
    return mean(values);
}

async function sample(nginx) {
    const status = JSON.parse((await nginx.get('/_status')).text);
    const all = nginx.children();
    const pids = all.slice(-WORKERS);
    const { pid } = nginx.child;
    return {
        'RSS of a worker': ofWorkers(pids, anonymous),
        'RSS of the master': anonymous(pid),
        'zone in use': status.zone.bytes - status.zone.free,
        'fds of a worker': ofWorkers(pids, descriptors),
        'fds of the master': descriptors(pid),
        processes: all.length,
        sessions: status.sessions.polling + status.sessions.websocket,
        rooms: status.sockets.rooms
    };
}

/* One client after the other, each for some seconds. */
async function visitor(nginx, backend) {
    while (!ending) {
        const era = pick(Object.keys(ERAS));
        const c = { auth: { test: backend.soak.id } };
        const socket = client(nginx, pick(MODES), {
            era,
            ...(ERAS[era].eio === 3 ? { query: c.auth } : c),
            reconnection: Math.random() < 0.5,
            reconnectionDelay: 50,
            reconnectionDelayMax: 100
        });
        socket.on('connect', () => {
            done.sessions++;
            done.recovered += Boolean(socket.recovered);
        });
        socket.on('connect_error', () => {
            done.failed++;
        });
        socket.on('n', () => {
            done.events++;
        });
        socket.on('q', (x, fn) => fn(x));

        const end = Date.now() + random(200, 4000);
        while (Date.now() < end && !ending) {
            await sleep(random(10, 300));
            if (socket.connected) {
                act(socket);
            }
        }
        leave(socket);
        await sleep(random(0, 50));
    }
}

function act(socket) {
    const text = 'x'.repeat(random(0, Math.random() < 0.05 ? 60000 : 400));
    const ack = () => {
        done.acks++;
    };
    pick([
        () => socket.emit('say', text, ack),
        () => socket.emit('say', Buffer.alloc(random(1, 5000)), ack),
        () => socket.emit('say', text),
        () => socket.emit('room', `r${Math.floor(random(0, 40))}`),
        () => socket.emit('all', text.slice(0, 100)),
        () => socket.emit('kick')
    ])();
}

/* politely, or cut off, perhaps to come back */
function leave(socket) {
    if (Math.random() < 0.3) {
        const { engine } = socket.io;
        engine?.transport?.ws?.terminate?.();
        socket.io.opts.agent?.cut?.();
    }
    setTimeout(() => socket.disconnect(), random(0, 400));
    open.clear(); /* what closeAll() would keep for ever */
}

function hook(backend) {
    const c = backend.case();
    c.on('say', (e) => {
        const echo = { event: 'n', args: e.args, attachments: e.attachments };
        return e.ack ? { op: 'ack', args: [1] } : echo;
    });
    c.on('room', (e) => [
        { op: 'join', room: e.args },
        { room: e.args, event: 'n', args: [1] },
        ...(Math.random() < 0.5 ? [{ op: 'leave', room: e.args }] : [])
    ]);
    c.on('all', (e) => ({ all: true, event: 'n', args: e.args, id: undefined }));
    c.on('kick', (e) => (Math.random() < 0.1 ? { op: 'disconnect', sid: e.sid } : []));
    c.events.push = () => 0; /* nothing is remembered */
    backend.rules = () => {};
    backend.batches.push = () => 0;
    return c;
}

async function publisher(nginx) {
    for (let i = 0; !ending; i++) {
        const command = pick([
            { all: true, event: 'n', args: [i] },
            { all: true, event: 'n', args: [i], key: `k${i % 100}` },
            { room: `r${i % 40}`, event: 'n', args: ['y'.repeat(i % 3000)] },
            { room: `r${i % 40}`, event: 'q', args: [i], ack: true, timeout: 500 },
            { op: 'fetch', room: `r${i % 40}` },
            { op: 'count', all: true },
            { op: 'data', room: `r${i % 40}`, data: { i } }
        ]);
        await nginx.get('/_publish', { body: JSON.stringify(command) }).catch(() => {
            done.failed++;
        });
        done.publishes++;
        await sleep(30);
    }
}

async function reloader(nginx) {
    while (RELOAD && !ending) {
        await sleep(RELOAD * 1000);
        nginx.child.kill('SIGHUP');
        done.reloads++;
    }
}

async function leaker(nginx) {
    while (LEAK && !ending) {
        await nginx.get('/socket.io/?EIO=4&transport=polling');
        await sleep(50);
    }
}

/* The line through means of bins: its slope, and the error of that. */
function line(values) {
    const size = Math.max(1, Math.floor(values.length / BINS));
    const y = [];
    for (let i = 0; i + size <= values.length; i += size) {
        y.push(mean(values.slice(i, i + size)));
    }
    const x = y.map((_, i) => (i + 0.5) * size);
    const [mx, my] = [mean(x), mean(y)];
    const sxx = sum(x.map((a) => (a - mx) ** 2));
    const slope = sum(x.map((a, i) => (a - mx) * (y[i] - my))) / sxx;
    const rest = sum(x.map((a, i) => (y[i] - my - slope * (a - mx)) ** 2));
    return { mean: my, slope, error: Math.sqrt(rest / Math.max(1, y.length - 2) / sxx) };
}

function judge(samples) {
    let grows = 0;
    const show = (s, n) => String(s).padStart(n);
    console.log(`${''.padEnd(20)}${show('mean', 12)}${show('slope/hour', 14)}${show('+-', 10)}`);
    for (const [name, { floor, unit, name: u }] of Object.entries(METRICS)) {
        const l = line(samples.map((s) => s[name]));
        const hour = (3600 * 1000) / EVERY / unit;
        const growth = l.slope * samples.length;
        const bad = l.slope > ERRORS * l.error && growth > Math.max(floor, 0.03 * l.mean);
        grows += bad;
        console.log(
            name.padEnd(20) +
                show((l.mean / unit).toFixed(1), 12) +
                show((l.slope * hour).toFixed(1), 14) +
                show((l.error * hour).toFixed(1), 10) +
                ` ${u.padEnd(3)} ${bad ? 'GROWS' : 'ok'}`
        );
    }
    return grows;
}

async function main() {
    const backend = await new Backend().start();
    backend.soak = hook(backend);
    const http = chat(
        backend.port,
        'location = /_status { socketio_status chat json; }',
        '8m recovery=5s'
    ).replace('socketio chat;', 'socketio chat; socketio_drain 3s; socketio_deflate on;');
    const nginx = new Nginx({ http, workers: WORKERS });
    nginx.template = nginx.template
        .replace('error.log info', 'error.log notice')
        .replace('access_log access.log test', 'access_log off');
    await nginx.start();

    const tasks = [publisher(nginx), reloader(nginx), leaker(nginx)];
    for (let i = 0; i < CLIENTS; i++) {
        tasks.push(visitor(nginx, backend));
    }

    /* keys are known for 60 s; what recovery is for goes when half the zone is used */
    const warm = Math.min(TIME / 2, 90);
    const samples = [];
    const begin = Date.now();

    for (let i = 1; i * EVERY <= TIME * 1000; i++) {
        await sleep(begin + i * EVERY - Date.now());
        const s = await sample(nginx);
        if (i * EVERY > warm * 1000) {
            samples.push(s);
        }
        if (i % 60 === 0) {
            console.log(`${i} s: ${JSON.stringify(s)}`);
        }
    }

    ending = true;
    await Promise.race([Promise.all(tasks), sleep(10000)]);
    closeAll();
    console.log(JSON.stringify(done));
    const grows = judge(samples);
    await sleep(5000);
    const last = await sample(nginx);
    console.log(`when all have left: ${JSON.stringify(last)}`);
    const bad = nginx
        .log()
        .split('\n')
        .filter((l) => /\[(error|crit|alert|emerg)\]|Sanitizer/.test(l));
    console.log(bad.slice(0, 10).join('\n'));
    await nginx.stop();
    backend.stop();
    console.log(grows || bad.length ? 'FAIL' : 'PASS');
    process.exit(grows || bad.length ? 1 : 0);
}

main().catch((e) => {
    console.error(e);
    process.exit(1);
});
