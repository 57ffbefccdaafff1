#!/usr/bin/env node
// app.js [port]: a Socket.IO application behind proxy_pass.  A batch of events
// comes in, an array; commands go out, another one.

const { createHmac, timingSafeEqual } = require('node:crypto');
const { createServer } = require('node:http');
const { buffer } = require('node:stream/consumers');

const USERS = new Map(Object.entries({ 'ann-token': 'ann', 'bob-token': 'bob' }));
const SECRET = process.env.SIO_SECRET; // socketio_hook_secret

function genuine(header, body) {
    const [t, ...macs] = Array.from(header.matchAll(/\b(?:t|v1)=([0-9a-f]+)/g), (x) => x[1]);
    const mac = createHmac('sha256', SECRET).update(`${t}.`).update(body).digest('hex');
    const same = (m) => m.length === mac.length && timingSafeEqual(Buffer.from(m), Buffer.from(mac));
    return Math.abs(Date.now() / 1000 - t) <= 300 && macs.some(same);
}

function commands({ type, event, sid, token, handshake, data, args = [], attachments }) {
    const say = { event, args: [data?.user, ...args], attachments };
    const name = typeof args[0] === 'string' && args[0];
    if (type === 'connect') {
        const user = USERS.get(handshake.auth.token);
        return user
            ? [{ op: 'accept', data: { user }, rooms: ['lobby', `user:${user}`] }]
            : [{ op: 'reject', message: 'not authorized' }];
    }
    if (type === 'disconnect' && data) return [{ ...say, room: 'lobby', event: 'left' }];
    if (type === 'ack') return [{ ...say, sid: token, event: 'answer' }]; // to "question"
    if (event === 'msg') return [{ ...say, room: 'lobby', except: sid }, { op: 'ack', args: ['ok'] }];
    if (event === 'join' && name) return [{ op: 'join', room: `room:${name}` }];
    if (event === 'echo') return [say];
    if (event !== 'ask' || !name) return [];
    return [{ ...say, room: `user:${name}`, event: 'question', ack: sid }];
}

async function answer(req, res) {
    const body = await buffer(req);
    const ok = !SECRET || genuine(req.headers['x-socketio-signature'] ?? '', body);
    const events = ok ? JSON.parse(body) : [];
    const out = events.flatMap((e) => commands(e).map((c) => ({ id: e.id, ...c })));
    res.writeHead(ok ? 200 : 401).end(JSON.stringify(out));
}

const server = createServer((req, res) => answer(req, res).catch(() => res.writeHead(500).end()));
server.keepAliveTimeout = 65000; // longer than nginx keeps a connection to it
server.listen(process.argv[2], '127.0.0.1');
