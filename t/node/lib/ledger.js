'use strict';

/*
 * What a backend and publishers see of thousands of clients, and the judge of what those
 * report (lib/crowd.js).  A socket is a few numbers here, not lists: which event is next,
 * and of the last hundred what became of them, since only those may come again.
 *
 * Each contradiction is a problem, unless one of the rules says why it may be: excuse()
 * of the fault that is on, or one of these, which hold always:
 *
 *   twice     what the answer to an event makes may come twice if the event was answered
 *             twice, and an event may come again if it was not answered with success, or
 *             a worker has died since
 *   dropped   what the backend refused (500, no JSON) has no ack
 *   margin    of a connection that ends without a word what is younger than that may be
 *             on its way for ever; in both directions
 *   void      the backend was told that the zone is a new one (X-Socketio-Node)
 */

const { now } = require('./streams');

const KINDS = ['lost', 'doubled', 'reordered', 'disconnects', 'other'];

/* More than that may wait in no inbox (socketio_hook_queue), nor twice that come again. */
const RECENT = 200;

/* A disconnect is repeated for 60 s. */
const REMEMBER = 100000;

class Ledger {
    constructor() {
        this.begin({});
    }

    /* A new nginx.  excuse(end): the name of a rule, or undefined */
    begin({ excuse = () => undefined, refuse = () => undefined, margin = 4000, unwell }) {
        this.excuse = excuse;
        this.refuse = refuse;
        this.margin = margin;
        this.unwell = unwell;
        this.node = null;
        this.nodes = 0;
        this.renewal = 0;
        this.refusals = 0; /* entries that the backend refused */
        this.sids = new Map();
        this.streams = new Map();
        this.pending = new Set();
        this.twice = new Set();
        this.dropped = new Set();
        this.sentenced = new Map();
        this.died = 0; /* when a worker did that last */
        this.counts = Object.fromEntries(KINDS.map((k) => [k, 0]));
        this.shown = [];
        this.allowed = {};
        this.waiting = 0;
        this.figures = {
            events: 0,
            batches: 0,
            repeats: 0,
            dropped: 0,
            published: 0,
            receipts: 0,
            acks: 0,
            emits: 0,
            lives: 0,
            wanted: 0,
            refused: 0
        };
    }

    problem(kind, what, n = 1) {
        this.counts[kind] += n;
        if (this.shown.length < 12) {
            this.shown.push(`${kind}: ${what}`);
        }
    }

    allow(rule) {
        this.allowed[rule] = (this.allowed[rule] || 0) + 1;
    }

    /* ---- the backend: events ---- */

    /* conn: what the batch came by */
    batch(headers, events, conn) {
        const id = headers['x-socketio-batch'];
        const attempt = Number(headers['x-socketio-attempt']);
        const b = { id, attempt, events, conn, t: now(), outcome: 'pending', rows: [] };
        const node = headers['x-socketio-node'];

        if (node !== this.node) {
            this.renewed(node);
        }
        this.figures.batches++;
        this.pending.add(b);
        for (const e of events) {
            const r = this.delivered(b, e);
            r.b = b;
            b.rows.push(r);
        }
        return b;
    }

    /* A new zone: nobody of the one before is known there. */
    renewed(node) {
        this.node = node;
        this.nodes++;
        this.renewal = now();
        for (const s of this.sids.values()) {
            s.void = true;
        }
    }

    delivered(b, e) {
        let s = this.sids.get(e.sid);
        const bad = (kind, what, n) => {
            const text = JSON.stringify(e).slice(0, 200);
            this.problem(kind, `${what}: ${text} in ${b.id}#${b.attempt}`, n);
        };

        this.figures.events++;
        if (!s) {
            s = {
                sid: e.sid,
                seq: -1,
                n: 0,
                recent: new Map(),
                ks: 0,
                kbegun: 0,
                room: null,
                void: false
            };
            this.sids.set(e.sid, s);
            this.forget();
        }
        let r = s.recent.get(e.id);
        if (r) {
            this.repeated(b, r, bad);
            return r;
        }
        if (s.gone) {
            bad('disconnects', 'after its disconnect');
        }
        if (e.seq !== s.seq + 1) {
            const n = Math.abs(e.seq - s.seq - 1);
            bad(e.seq <= s.seq ? 'doubled' : 'lost', `after seq ${s.seq}`, n);
        } else if ((e.seq === 0) !== (e.type === 'connect')) {
            bad('other', 'a connect is the first');
        }
        r = { s, e: { id: e.id, type: e.type }, seq: e.seq, answers: 0 };
        s.recent.set(e.id, r);
        s.seq = Math.max(s.seq, e.seq);
        if (s.recent.size > RECENT) {
            for (const [id, x] of s.recent) {
                if (x.seq < s.seq - RECENT / 2) {
                    s.recent.delete(id);
                }
            }
        }
        if (e.type === 'connect') {
            s.c = e.handshake.query.c;
        } else if (e.type === 'event') {
            this.said(s, e, r, bad);
        } else if (e.type === 'disconnect') {
            s.gone = now();
            s.reason = e.reason;
            this.farewell(s);
        }
        return r;
    }

    said(s, e, r, bad) {
        const [n] = e.args;
        r.n = n;
        if (e.event === 'flood') {
            return;
        }
        if (n !== s.n + 1) {
            bad(n > s.n ? 'lost' : 'reordered', `after event ${s.n}`, Math.abs(n - s.n - 1));
        }
        s.n = Math.max(s.n, n);
        if (
            e.event === 'bytes' &&
            Buffer.from(e.attachments[0], 'base64').toString() !== `bytes ${n}`
        ) {
            bad('other', 'attachment');
        }
    }

    repeated(b, r, bad) {
        this.figures.repeats++;
        if (r.b.outcome === 'answered' && this.died < r.b.t) {
            this.unheard(r.b, () => bad('doubled', `answered in ${r.b.id}#${r.b.attempt}`));
        } else if (r.b.outcome === 'pending' && r.b.id === b.id && b.attempt <= r.b.attempt) {
            bad('doubled', `attempt ${b.attempt} after ${r.b.attempt}`);
        }
    }

    /* Where all is not well an answer may be cut, and the connection with it. */
    unheard(b, bad) {
        this.waiting++;
        setTimeout(() => {
            this.waiting--;
            if (!this.unwell || !b.conn.destroyed) {
                bad();
            }
        }, 500);
    }

    /* outcome: answered; dropped: refused for good; failed: to come again */
    answered(b, outcome) {
        if (!this.pending.delete(b)) {
            return;
        }
        b.outcome = outcome;
        if (outcome === 'dropped') {
            this.refusals += b.rows.filter((r) => r.e.type !== 'disconnect').length;
        }
        for (const r of b.rows) {
            if (outcome === 'answered') {
                r.answers++;
                this.settledRow(r);
            } else if (outcome === 'dropped' && r.n) {
                /* whatever was answered before: it has not been heard, or not to its end */
                this.figures.dropped++;
                this.dropped.add(`${r.s.sid} ack ${r.n}`);
                this.dropped.add(`s${r.s.sid} ${r.k}`);
            } else if (outcome === 'dropped' && r.e.type === 'connect') {
                r.s.refused = true;
            }
        }
    }

    settledRow(r) {
        if (r.answers > 1) {
            this.twice.add(`${r.s.sid} ack ${r.n}`);
            this.twice.add(`s${r.s.sid} ${r.k}`);
            this.twice.add(`${r.s.sid} hello 0`);
        }
        if (r.e.type === 'connect') {
            r.s.accepted = true;
        }
    }

    /* The number of what a socket says to others: none if its event was refused */
    say(r) {
        const { s } = r;
        if (r.k === undefined) {
            r.before = s.kbegun;
            r.k = ++s.ks;
            s.kbegun = now();
        }
        return [`s${s.sid}`, r.k, r.before, s.sid, r.k];
    }

    /* Sockets long gone are not asked about any more. */
    forget() {
        if (this.sids.size % 500 === 0) {
            const t = now() - REMEMBER;
            for (const [sid, s] of this.sids) {
                if ((s.gone && s.gone < t) || (s.void && s.end && s.end.t < t)) {
                    this.sids.delete(sid);
                }
            }
        }
    }

    /* ---- publishers ---- */

    publish(name, room, order) {
        const stream = `${name}:${room}`;
        let x = this.streams.get(stream);
        if (!x) {
            x = { k: 0, begun: 0, over: [] };
            this.streams.set(stream, x);
        }
        const args = [stream, ++x.k, x.begun, name, order];
        x.begun = now();
        return args;
    }

    published([stream, k]) {
        const { over } = this.streams.get(stream);
        const t = now();
        this.figures.published++;
        over.push([k, t]);
        while (over[0][1] < t - 30000) {
            over.shift();
        }
    }

    /* The publisher disconnects a socket. */
    sentence(sid) {
        this.sentenced.set(sid, now());
    }

    /* ---- reports of clients ---- */

    refused(r) {
        this.waiting++;
        setTimeout(() => {
            this.waiting--;
            const rule = this.nodes > 1 && r.born < this.renewal ? 'void' : this.refuse(r);
            this.figures.refused++;
            if (rule) {
                this.allow(rule);
            } else {
                this.problem('other', `${r.who} does not get in: ${r.reason}`);
            }
        }, 1500);
    }

    /* Judged a moment later, when it is known what has been done to workers. */
    ended(end) {
        this.waiting++;
        this.add(end.figures);
        this.figures.lives++;
        setTimeout(() => {
            this.waiting--;
            this.judge(end);
        }, end.intent ? 0 : 1500);
    }

    add(f) {
        for (const k of ['receipts', 'acks', 'emits']) {
            this.figures[k] += f[k];
        }
    }

    judge(end) {
        const s = this.sids.get(end.sid);
        if (!end.intent && this.sentenced.has(end.sid)) {
            end.intent = 'server';
            end.sure = this.sentenced.get(end.sid);
        }
        if (end.intent) {
            this.figures.wanted++;
        } else {
            const gone = s ? s.void : this.nodes > 1 && end.born < this.renewal;
            const rule = gone ? 'void' : this.excuse(end);
            if (rule) {
                this.allow(rule);
                end.rule = rule;
            } else {
                const ms = Math.round(end.t - end.born);
                const last = end.connections.filter((x) => !x.closed || x.closed > end.t - 500);
                this.problem(
                    'disconnects',
                    `of ${end.who} to whom nothing happened: ${end.reason}, after ${ms} ms, ` +
                        `${end.sid}, ${JSON.stringify(last)}`
                );
            }
        }
        this.problems(end.sid, end.who, end.problems, end.rule);
        if (!s) {
            return;
        }
        s.end = end;
        this.tail(end, s);
        if (s.gone) {
            this.farewell(s);
        }
    }

    /* What was over before a client's own end has come. */
    tail(end, s) {
        if (end.intent !== 'clean' || s.void || this.excuse(end)) {
            return;
        }
        const at = new Map(end.at);
        for (const [stream, { over }] of this.streams) {
            const room = stream.slice(stream.indexOf(':') + 1);
            if (room !== '*' && !end.rooms.includes(room)) {
                continue;
            }
            const last = at.get(stream) || 0;
            for (let i = over.length - 1; i >= 0; i--) {
                const [k, t] = over[i];
                if (t < end.t - this.margin) {
                    if (k > last && (last || t - 2000 > end.born)) {
                        this.problem('lost', `${stream} ${k}, of ${last}, when ${end.who} left`);
                    }
                    break;
                }
            }
        }
    }

    /* All of it is of events that the backend refused. */
    refusedAll(keys) {
        return keys.length > 0 && keys.every((k) => this.dropped.has(k));
    }

    problems(sid, who, list, rule) {
        const s = this.sids.get(sid);
        for (const [kind, stream, from, to] of list) {
            const about = stream === 'ack' || stream === 'hello' ? `${sid} ${stream}` : stream;
            const known = kind === 'doubled' ? this.twice : kind === 'lost' ? this.dropped : null;
            let n = 0;
            for (let k = from; k <= to; k++) {
                if (known && known.has(`${about} ${k}`)) {
                    this.allow(kind === 'doubled' ? 'twice' : 'dropped');
                } else if (s && s.void) {
                    this.allow('void');
                } else {
                    n++;
                }
            }
            if (n) {
                this.problem(kind, `${stream} ${from}..${to} at ${who} (${sid}) ${rule || ''}`, n);
            }
        }
    }

    /* Both sides know that it is over: has all arrived that was said? */
    farewell(s) {
        const { end } = s;
        if (!end || s.void || s.judged) {
            return;
        }
        s.judged = true;
        const harmed = this.excuse(end);
        let sure = end.answered;
        const heard = end.modern || s.reason === 'client namespace disconnect';
        if (end.intent === 'clean' && !harmed && heard) {
            sure = end.n;
        } else {
            const t = Math.min(end.since || end.t, end.sure || Infinity) - this.margin;
            for (const [n, when] of end.emits) {
                if (when < t) {
                    sure = Math.max(sure, n);
                }
            }
        }
        if (s.n < sure) {
            const what = `events ${s.n + 1}..${sure} of ${end.who}, ${s.reason}`;
            this.problem('lost', what, sure - s.n);
        } else if (s.n > end.n) {
            this.problem('other', `event ${s.n} of ${end.who}, who sent ${end.n}`);
        }
        const reasons = {
            clean: /^(client namespace disconnect|transport close)$/,
            server: /^(server namespace disconnect|client namespace disconnect|transport close)$/,
            abrupt: /^transport (close|error)$/
        }[end.intent];
        if (reasons && !reasons.test(s.reason) && !harmed) {
            this.problem('disconnects', `${s.reason}, of ${end.who} whose end was ${end.intent}`);
        }
    }

    /* ---- is all as it should be, while nobody says anything? ---- */

    /* says: of the sockets that are there, for "look" */
    says() {
        const out = [];
        for (const s of this.sids.values()) {
            if (!s.gone && !s.void && s.ks && s.room) {
                out.push([`s${s.sid}`, s.room, s.ks, s.kbegun]);
            }
        }
        return out;
    }

    present() {
        return [...this.sids.values()].filter((s) => s.accepted && !s.gone && !s.void);
    }

    /* lives: Map of the sids that clients have, with how many events they sent */
    unsettled(lives) {
        const out = [];
        if (this.pending.size) {
            out.push(`${this.pending.size} batches are not answered`);
        }
        if (this.waiting) {
            out.push(`${this.waiting} ends are not judged`);
        }
        for (const s of this.present()) {
            if (!lives.has(s.sid) && !String(s.c).startsWith('bad')) {
                out.push(`stuck: ${s.sid} of c${s.c} is there, and its client is not`);
            }
        }
        for (const [sid, n] of lives) {
            const s = this.sids.get(sid);
            if (!s || s.gone) {
                const why = s ? `c${s.c} is gone (${s.reason})` : 'nobody';
                out.push(`${sid} of ${why}, and its client does not know`);
            } else if (s.n !== n && !s.void) {
                out.push(`event ${s.n + 1} of ${n} of c${s.c} (${sid}) is not at the backend`);
            }
        }
        return out;
    }

    verdict() {
        const n = KINDS.reduce((sum, k) => sum + this.counts[k], 0);
        return n ? `${n} contradictions\n  ${this.shown.join('\n  ')}` : '';
    }
}

module.exports = { KINDS, Ledger };
