'use strict';

/*
 * A hook backend: an HTTP server that answers batches, and remembers them.
 *
 * Tests share it: each takes a case(), connects with auth { test: case.id }, or
 * that in the query, and the events of that socket go to the handlers of the case.  At the end check()
 * says what in all batches broke the rules that hold for any of them.
 */

const http = require('node:http');
const { cleanup, until } = require('./tap');

const RAW = new Set(['open', 'message', 'close']);
const FIRST = new Set(['connect', 'open']);
const LAST = new Set(['disconnect', 'close']);

const list = (v) => (v === undefined || v === null ? [] : Array.isArray(v) ? v : [v]);

class Case {
    constructor(backend, id) {
        this.backend = backend;
        this.id = id;
        this.handlers = {};
        this.events = [];
    }

    /* name: "connect", "disconnect", or that of an event; fn gives commands */
    on(name, fn) {
        this.handlers[name] = fn;
        return this;
    }

    get auth() {
        return { test: this.id };
    }

    of(name, sid) {
        return this.events.filter(
            (e) => (e.type === name || e.event === name) && (!sid || e.sid === sid)
        );
    }

    /* the n-th event of this name, as soon as there is one */
    wait(name, { n = 1, sid, ms } = {}) {
        return until(
            () => this.of(name, sid)[n - 1],
            () =>
                `${n} × "${name}" at the backend, only:\n` +
                this.events.map((e) => JSON.stringify(e).slice(0, 300)).join('\n'),
            ms
        );
    }
}

class Backend {
    constructor() {
        this.cases = new Map();
        this.sids = new Map();
        this.batches = [];
        this.problems = [];
        this.seen = new Map();
        this.ids = new Set();
        this.answered = new Set();
        this.accepted = new Set();
        this.n = 0;

        /* before anything else, gets (events, req, res); true if it answered */
        this.intercept = null;
    }

    async start() {
        this.server = http.createServer((req, res) => this.request(req, res));
        this.server.keepAliveTimeout = 60000;
        await new Promise((resolve, reject) => {
            this.server.on('error', reject).listen(0, '127.0.0.1', resolve);
        });
        this.port = this.server.address().port;
        cleanup(() => this.stop());
        return this;
    }

    stop() {
        this.server.close();
        this.server.closeAllConnections();
    }

    case() {
        const c = new Case(this, `t${++this.n}`);
        this.cases.set(c.id, c);
        return c;
    }

    request(req, res) {
        const chunks = [];
        req.on('data', (c) => chunks.push(c));
        req.on('end', () =>
            this.batch(req, res, Buffer.concat(chunks).toString()).catch((e) => {
                this.problems.push(e.stack);
                res.writeHead(500).end();
            })
        );
    }

    async batch(req, res, body) {
        let events;
        try {
            events = JSON.parse(body);
        } catch (e) {
            this.problems.push(`batch is not JSON (${e.message}): ${body.slice(0, 1000)}`);
            res.writeHead(500).end();
            return;
        }
        const batch = { headers: req.headers, events, body, time: Date.now() };
        this.batches.push(batch);
        this.rules(req, batch);

        if (this.intercept && (await this.intercept(events, req, res))) {
            return;
        }
        const out = [];
        for (const e of events) {
            const commands = await this.event(e);
            if (FIRST.has(e.type) && !commands.some((x) => x.op === 'reject')) {
                this.accepted.add(e.sid);
            }
            out.push(...commands);
            this.answered.add(e.id);
        }
        res.writeHead(200, { 'Content-Type': 'application/json' });
        res.end(JSON.stringify(out));
    }

    /* A repeated event gets the same commands: at least once, says the rule. */
    async event(e) {
        if (FIRST.has(e.type)) {
            const { auth, query } = e.handshake;
            this.sids.set(e.sid, this.cases.get(auth?.test ?? query.test));
        }
        const c = this.sids.get(e.sid);
        if (!c) {
            return [];
        }
        c.events.push(e);
        const fn = c.handlers[e.type === 'event' ? e.event : e.type];
        const commands = fn ? await fn(e, c) : undefined;
        if (FIRST.has(e.type) && commands === undefined) {
            return [{ op: 'accept', id: e.id }];
        }
        return list(commands).map((x) => ({ id: e.id, ...x }));
    }

    problem(what, about) {
        if (this.problems.length < 20) {
            this.problems.push(`${what}: ${JSON.stringify(about).slice(0, 600)}`);
        }
    }

    rules(req, { headers, events, body }) {
        const h = { method: req.method, ...headers };
        if (req.method !== 'POST') {
            this.problem('not a POST', h);
        }
        if (headers['content-type'] !== 'application/json') {
            this.problem('Content-Type', h);
        }
        if (Number(headers['content-length']) !== Buffer.byteLength(body)) {
            this.problem('Content-Length', h);
        }
        if (
            headers['x-socketio-version'] !== '1' ||
            !headers['x-socketio-node'] ||
            !headers['x-socketio-batch'] ||
            !/^[1-9]\d*$/.test(headers['x-socketio-attempt'])
        ) {
            this.problem('X-Socketio-… headers', h);
        }
        for (const name of [
            'upgrade',
            'cookie',
            'authorization',
            'origin',
            'sec-websocket-key',
            'accept-encoding'
        ]) {
            if (name in headers) {
                this.problem(`header of a client on a batch: ${name}`, h);
            }
        }
        if (!Array.isArray(events) || events.length === 0) {
            this.problem('not an array of events', body);
            return;
        }
        /* "one object per line": a backend may split by lines */
        const lines = body
            .split('\n')
            .map((l) => l.replace(/^\[|,$|\]$/g, ''))
            .filter((l) => l);
        if (
            lines.length !== events.length ||
            lines.some((l, i) => {
                try {
                    return JSON.parse(l).id !== events[i].id;
                } catch {
                    return true;
                }
            })
        ) {
            this.problem('not one object per line', body);
        }
        for (const e of events) {
            if (!this.ids.has(e.id)) {
                this.ids.add(e.id);
                this.order(e);
            } else if (this.answered.has(e.id)) {
                this.problem('repeated, though it was answered', e);
            }
            if (
                typeof e.id !== 'string' ||
                typeof e.sid !== 'string' ||
                e.nsp?.[0] !== (RAW.has(e.type) ? undefined : '/') ||
                Math.abs(e.time - Date.now()) > 60000 ||
                !Number.isInteger(e.seq)
            ) {
                this.problem('id, sid, nsp, seq, time', e);
            }
            if (
                e.type === 'event' &&
                (typeof e.event !== 'string' ||
                    !Array.isArray(e.args) ||
                    typeof e.ack !== 'boolean')
            ) {
                this.problem('event, args, ack', e);
            }
            if (
                e.type === 'message' &&
                (typeof (e.text ?? e.binary) !== 'string' || ('text' in e && 'binary' in e))
            ) {
                this.problem('text or binary', e);
            }
            if (
                LAST.has(e.type) &&
                (typeof e.reason !== 'string' || !e.reason || !Array.isArray(e.rooms))
            ) {
                this.problem('reason, rooms', e);
            }
        }
    }

    order(e) {
        const s = this.seen.get(e.sid);
        if (!s) {
            this.seen.set(e.sid, { seq: 0, nsp: e.nsp, gone: false });
            if (!FIRST.has(e.type) || e.seq !== 0) {
                this.problem('the first of a socket is not connect with seq 0', e);
            }
            return;
        }
        /* a lost one may come back, and is then connected again */
        const again = s.gone && FIRST.has(e.type) && e.recovered;
        if (
            e.seq !== s.seq + 1 ||
            e.nsp !== s.nsp ||
            (!again && (s.gone || FIRST.has(e.type)))
        ) {
            this.problem(`after seq ${s.seq}${s.gone ? ', disconnect' : ''}`, e);
        }
        s.seq = e.seq;
        s.gone = LAST.has(e.type);
    }

    /* Sockets that were accepted, and have not said goodbye. */
    present() {
        return [...this.accepted].filter((sid) => !this.seen.get(sid).gone);
    }

    check() {
        return this.problems;
    }

    evidence(n = 12) {
        return [
            '--- last batches at the backend',
            ...this.batches
                .slice(-n)
                .map((b) => `attempt ${b.headers['x-socketio-attempt']} ` + b.body.slice(0, 700))
        ].join('\n');
    }
}

module.exports = { Backend };
