'use strict';

/*
 * What clients, backend and publishers did and saw, in one order (all of them are in
 * this process), and afterwards whether a server that keeps its promises could have
 * been in between.
 *
 * tick() is a clock of its own: if a.end < b.start, a was over before b began.  What is
 * not known to be over may still happen, so whoever may be in a room or not is asked
 * nothing.  A message that was commanded twice, because the backend's first answer was
 * not heard to its end, may come twice; all others may not.
 */

/* of a batch: it does not come again */
const DONE = ['ok', '500'];

class Record {
    constructor() {
        this.clock = 0;
        this.keys = new Map();
        this.lives = new Map(); /* by key: a connection of a client and its namespace */
        this.sids = new Map(); /* what the backend knows of a life */
        this.batches = new Map();
        this.refused = new Set(); /* connections that did not come about */
        this.events = new Map();
        this.messages = new Map();
        this.problems = [];
        this.figures = { batches: 0, repeats: 0, failed: 0, receipts: 0, outcomes: 0 };
    }

    tick() {
        return ++this.clock;
    }

    problem(what, about) {
        this.problems.push(`${what}: ${about}`);
    }

    /* ---- clients ---- */

    connected(key, how) {
        if (this.lives.has(key)) {
            this.problem('connected twice', key);
        }
        const life = { key, how, born: this.tick(), emits: [], got: [], said: new Map() };
        this.lives.set(key, life);
        const s = this.keys.get(key);
        if (!s || !s.accepting) {
            this.problem('connected without the backend', key);
        } else {
            s.life = life;
            life.s = s;
            s.accepting.forEach((op) => this.witnessed(op));
        }
        return life;
    }

    disconnected(life, reason) {
        life.ended = this.tick();
        life.reason = reason;
    }

    emitted(life, ack) {
        const e = { n: life.emits.length + 1, ack, acks: 0, tick: this.tick() };
        life.emits.push(e);
        return e;
    }

    acked(life, e, args) {
        e.acks++;
        if (args[0] !== e.n || e.acks > 1 || !e.ack) {
            this.problem('ack', `${life.key} event ${e.n}: ${JSON.stringify(args)} x ${e.acks}`);
        }
        if (e.event) {
            e.event.plan.filter((op) => op.op === 'ack').forEach((op) => this.witnessed(op));
        }
    }

    received(life, key) {
        const m = this.messages.get(key);
        this.figures.receipts++;
        if (!m) {
            this.problem('received from nobody', `${life.key}: ${key}`);
            return;
        }
        life.got.push({ m, tick: this.tick() });
        this.witnessed(m);
    }

    said(life, key, value) {
        life.said.set(key, { value, tick: this.tick() });
    }

    /* ---- commands, and "before" each the one before it in the same answer ---- */

    /* may: it is not known whether it is read to here */
    sent(op, may) {
        op.times = (op.times || 0) + 1;
        op.start = op.start || this.tick();
        op.end = op.end || Infinity;
        op.sure = op.sure || !may;
        op.open = true;
        op.changes = op.changes || [];
        for (const { s, room, kind } of op.moves || []) {
            const x = { kind, start: this.tick(), end: Infinity, may };
            s.rooms.set(room, (s.rooms.get(room) || []).concat(x));
            op.changes.push(x);
        }
    }

    /* it has been done, and what is before it, too */
    over(op) {
        for (let o = op; o && o.open; o = o.before) {
            const now = this.tick();
            o.open = false;
            o.end = Math.min(o.end, now);
            o.changes.forEach((x) => (x.end = Math.min(x.end, now)));
        }
    }

    /* who saw its effect, which is not that of another time */
    witnessed(op) {
        if (op.times === 1) {
            this.over(op);
        }
    }

    /* in, out or maybe, at any time between start and end */
    member(s, word, start, end) {
        if (word === s.sid) {
            return 'in';
        }
        const ops = (s.rooms.get(word) || []).filter((x) => x.start < end);
        const sure = ops.filter((x) => !x.may && x.end < start);
        const last = ops.filter((x) => !sure.some((y) => y.start > x.end));
        const ins = last.filter((x) => x.kind === 'join').length;
        if (ins === 0) {
            return 'out';
        }
        return ins === last.length && last.some((x) => sure.includes(x)) ? 'in' : 'maybe';
    }

    meant(s, m) {
        const end = m.times > 1 ? Infinity : m.end;
        const any = (words) => {
            const all = words.map((w) => this.member(s, w, m.start, end));
            return all.includes('in') ? 'in' : all.includes('maybe') ? 'maybe' : 'out';
        };
        if (s.nsp !== m.nsp || !s.accepting || s.accepting[0].start > end) {
            return 'out';
        }
        const to = m.words ? any(m.words) : 'in';
        const not = any(m.except || []);
        if (to === 'out' || not === 'in') {
            return 'out';
        }
        return to === 'in' && not === 'out' && s.life && s.life.born < m.start ? 'in' : 'maybe';
    }

    /* ---- the backend ---- */

    batch(id, attempt, events) {
        const b = { id, attempt, tick: this.tick(), outcome: 'pending' };
        const before = this.batches.get(id);
        this.figures.batches++;
        if (before && (attempt <= before.attempt || DONE.includes(before.outcome))) {
            this.problem('batch', `${id}: ${attempt} after ${before.attempt}, ${before.outcome}`);
        }
        this.batches.set(id, b);
        b.events = events.map((e) => this.delivered(b, e));
        return b;
    }

    delivered(b, e) {
        let s = this.sids.get(e.sid);
        const where = `${e.sid} ${e.type} seq ${e.seq} in ${b.id}#${b.attempt}`;

        if (!s) {
            s = { sid: e.sid, nsp: e.nsp, seq: -1, rooms: new Map(), events: [], sets: [], outcomes: [] };
            this.sids.set(e.sid, s);
        }
        let r = this.events.get(e.id);
        if (r) {
            this.figures.repeats++;
            const o = r.batch;
            /* is told again, and so is what the session had behind it */
            r.told =
                r.told ||
                (o.outcome === '500' &&
                    o.events
                        .slice(0, o.events.indexOf(r) + 1)
                        .some((x) => x.type === 'disconnect' && x.s.query.c === s.query.c));
            if (r.seq !== e.seq || r.type !== e.type || r.s !== s) {
                this.problem('repeated as another', where);
            }
            if (!r.told && (o.id !== b.id || DONE.includes(o.outcome))) {
                this.problem('duplicate', `${where}, was in ${o.id}, ${o.outcome}`);
            }
            r.batch = b;
            for (const op of (r.plan || []).filter((x) => x.changes)) {
                op.changes.forEach((x) => (x.end = Math.min(x.end, this.tick())));
            }
            return r;
        }
        if (e.seq !== s.seq + 1 || (e.seq === 0) !== (e.type === 'connect') || e.nsp !== s.nsp) {
            this.problem('seq', `${where} after ${s.seq}`);
        }
        if (s.gone) {
            this.problem('after its disconnect', where);
        }
        const last = s.events[s.events.length - 1];
        if (last && last.batch !== b) {
            if (![...DONE, 'late'].includes(last.batch.outcome)) {
                this.problem('not answered before', `${where}, ${last.batch.outcome}`);
            }
            /* what its answer said has been done */
            (last.plan || []).forEach((op) => this.over(op));
        }
        const data = this.dataFor(s, b).map((x) => JSON.stringify(x));
        if (!data.includes(JSON.stringify(e.data))) {
            this.problem('data', `${where}: ${JSON.stringify(e.data)}, not ${data}`);
        }
        r = { id: e.id, seq: e.seq, type: e.type, s, batch: b, oks: 0 };
        s.seq = e.seq;
        s.events.push(r);
        this.events.set(e.id, r);
        this[`on_${e.type}`](s, e, r, where);
        return r;
    }

    /*
     * As the last command of the batches before this one has set it, unless the socket
     * had ended by then: its end keeps what was there.
     */
    dataFor(s, b) {
        const set = s.sets.filter((r) => r.batch !== b && r.oks).slice(-20);
        const all = [undefined, ...set.map((r) => r.data)];
        const leaving = (s.life && s.life.leaving) || Infinity;
        const sure = set.filter((r) => r.plan.every((op) => op.end < leaving));
        return all.slice(sure.length);
    }

    on_connect(s, e) {
        s.key = `${e.handshake.query.c} ${e.nsp}`;
        s.query = e.handshake.query;
        this.keys.set(s.key, s);
    }

    on_event(s, e, r, where) {
        const n = (s.nevents = (s.nevents || 0) + 1);
        const x = s.life && s.life.emits[n - 1];
        if (!x || e.args[0] !== n || e.event !== 'e' || Boolean(e.ack) !== x.ack) {
            this.problem('event', `${where}: ${JSON.stringify(e.args).slice(0, 60)}, not ${n}`);
            return;
        }
        if (x.bytes && Buffer.from(e.attachments[0], 'base64').toString() !== `bytes ${n}`) {
            this.problem('attachment', where);
        }
        x.event = r;
    }

    on_ack(s, e, r, where) {
        const m = this.messages.get(e.token);
        this.figures.outcomes++;
        if (!m || m.ask !== 'token') {
            this.problem('ack of nobody', where);
            return;
        }
        this.witnessed(m);
        s.outcomes.push({ m, args: e.args, error: e.error, attachments: e.attachments, where });
    }

    on_disconnect(s, e) {
        s.gone = this.tick();
        s.reason = e.reason;
    }

    /* ---- the verdict ---- */

    alive(life) {
        return !life.ended && !life.intent;
    }

    /* of clients that are still there: what has not come yet */
    missing() {
        const out = [];
        for (const b of this.batches.values()) {
            if (b.outcome === 'pending') {
                out.push(`batch ${b.id} is not answered`);
            }
        }
        for (const life of this.lives.values()) {
            if (!this.alive(life) || !life.s) {
                continue;
            }
            for (const e of life.emits) {
                if (!e.event) {
                    out.push(`lost: event ${e.n} of ${life.key}`);
                } else if (e.ack && e.acks !== (e.event.batch.outcome === '500' ? 0 : 1)) {
                    out.push(`ack of event ${e.n} of ${life.key}, ${e.acks}, ${e.event.batch.outcome}`);
                }
            }
        }
        return out.length ? out : this.holes().concat(this.unanswered(true));
    }

    /* who was meant for certain, and has got what began later, or is still there */
    holes() {
        const out = [];
        for (const life of this.lives.values()) {
            const got = new Set(life.got.map((g) => g.m));
            const till = this.alive(life)
                ? Infinity
                : Math.max(0, ...life.got.filter((g) => g.m.times === 1).map((g) => g.m.start));
            for (const m of life.s ? this.messages.values() : []) {
                if (
                    !m.volatile &&
                    m.sure &&
                    m.end < till &&
                    !got.has(m) &&
                    this.meant(life.s, m) === 'in' &&
                    !(life.s.gone && life.s.gone < m.end)
                ) {
                    out.push(`lost: ${m.key} to ${life.key}, ${life.how}`);
                }
            }
        }
        return out;
    }

    receipts() {
        const after = new Map();
        for (const life of this.lives.values()) {
            const counts = new Map();
            let seen = 0;
            let prev = null;
            for (const { m } of life.got) {
                const n = (counts.get(m) || 0) + 1;
                counts.set(m, n);
                if (n > m.times) {
                    this.problem('duplicate', `${m.key} to ${life.key}, ${life.how}`);
                }
                if (life.s && this.meant(life.s, m) === 'out') {
                    this.problem('not for it', `${m.key} to ${life.key}`);
                }
                if (m.times !== 1) {
                    continue;
                }
                if (m.end < seen) {
                    this.problem('order', `${m.key} to ${life.key} after what began later`);
                }
                seen = Math.max(seen, m.start);
                if (prev) {
                    after.set(prev, (after.get(prev) || new Set()).add(m));
                }
                prev = m;
            }
        }
        this.total(after);
    }

    /* one order for all: whoever got two of them got them in that one */
    total(after) {
        const before = new Map();
        for (const [m, next] of after) {
            before.set(m, before.get(m) || 0);
            next.forEach((x) => before.set(x, (before.get(x) || 0) + 1));
        }
        const free = [...before.keys()].filter((m) => before.get(m) === 0);
        let n = 0;
        while (free.length) {
            const m = free.pop();
            n++;
            for (const x of after.get(m) || []) {
                before.set(x, before.get(x) - 1);
                if (before.get(x) === 0) {
                    free.push(x);
                }
            }
        }
        if (n < before.size) {
            this.problem('order', `${before.size - n} messages are in no common order`);
        }
    }

    /* args: what a client is said to have answered */
    answer(life, m, args, attachments, where) {
        const said = life && life.said.get(m.key);
        if (!said || args[0] !== life.key || args[1] !== m.key) {
            this.problem('answer', `${where}: ${JSON.stringify(args)}`);
            return;
        }
        const bytes = attachments && attachments.length ? attachments[0] : undefined;
        if (Boolean(bytes) !== said.value.length > 2) {
            this.problem('answer', `${where}: attachments ${attachments}`);
        } else if (bytes && Buffer.from(bytes, 'base64').toString() !== m.key) {
            this.problem('answer', `${where}: bytes`);
        }
    }

    /* of those who were asked for certain */
    unanswered(alive) {
        const out = [];
        const asked = [...this.messages.values()].filter((m) => m.ask === 'token' && m.sure);
        for (const life of this.lives.values()) {
            const { s } = life;
            if (!s || (alive && !this.alive(life))) {
                continue;
            }
            const told = new Set(s.outcomes.map((o) => o.m));
            for (const m of asked) {
                if (!told.has(m) && this.meant(s, m) === 'in' && this.stays(s, m)) {
                    out.push(`no outcome of ${m.key} for ${s.key}`);
                }
            }
        }
        return out;
    }

    tokens() {
        for (const s of this.sids.values()) {
            const counts = new Map();
            for (const o of s.outcomes) {
                counts.set(o.m, (counts.get(o.m) || 0) + 1);
                this.outcome(s, o);
            }
            for (const [m, n] of counts) {
                const meant = this.meant(s, m);
                if (n > m.times || meant === 'out') {
                    this.problem('outcomes', `${n} of ${m.key} for ${s.key}, ${meant}`);
                }
            }
        }
        this.problems.push(...this.unanswered());
    }

    outcome(s, o) {
        const where = `${o.where}, ${o.m.key} for ${s.key}`;
        if (o.args) {
            this.answer(s.life, o.m, o.args, o.attachments, where);
        } else if (
            !['timeout', 'disconnected'].includes(o.error) ||
            (o.error === 'disconnected' && !s.gone)
        ) {
            this.problem('outcome', `${where}: ${o.error}`);
        } else if (
            /* what a client said before it left comes before that */
            o.m.patient &&
            o.m.times === 1 &&
            s.life &&
            s.life.said.has(o.m.key) &&
            this.orderly(s)
        ) {
            this.problem('outcome', `${where}: ${o.error}, but it answered`);
        }
    }

    /* what a publisher was told that waited */
    results() {
        for (const m of this.messages.values()) {
            if (m.ask !== 'wait' || !m.result) {
                continue;
            }
            const { acks, expected, received, attachments } = m.result;
            const all = [...this.sids.values()];
            const meant = all.map((s) => this.meant(s, m));
            const low = all.filter(
                (s, i) => meant[i] === 'in' && this.stays(s, m)
            );
            const high = meant.filter((x) => x !== 'out').length;
            const keys = acks.map((a) => a[0]);
            acks.forEach((a, i) =>
                this.answer(this.lives.get(a[0]), m, a, attachments && attachments[i], m.key)
            );
            if (
                acks.length !== received ||
                received > expected ||
                expected < low.length ||
                expected > high ||
                new Set(keys).size !== keys.length
            ) {
                this.problem('result', `${m.key}: ${expected}, ${received}, ${keys}; ${low.length} to ${high}`);
            }
            for (const s of low) {
                if (
                    m.patient &&
                    s.life.said.has(m.key) &&
                    this.until(s) > m.done &&
                    !keys.includes(s.key)
                ) {
                    this.problem('result', `${m.key} without ${s.key}, which answered`);
                }
            }
        }
    }

    stays(s, m) {
        return this.until(s) > m.end;
    }

    /*
     * All that the client said before its end has come before that.  Clients 1.x and 2.x
     * may leave a request that has it, and their end with it.
     */
    orderly({ life, reason }) {
        return (
            life.intent === 'clean' &&
            (life.how.startsWith('4') || reason === 'client namespace disconnect')
        );
    }

    until({ gone, life }) {
        return Math.min(gone || Infinity, life.ended || Infinity, life.leaving || Infinity);
    }

    /* all clients have gone, and the backend knows */
    ends() {
        for (const label of this.refused) {
            if (
                ![...this.sids.values()].some(
                    (s) => s.query.c === label && s.events[0].batch.outcome === '500'
                )
            ) {
                this.problem('refused', label);
            }
        }
        for (const s of this.sids.values()) {
            const oks = s.events[0].oks;
            if (oks && !s.gone) {
                this.problem('no disconnect', s.key);
            }
            const { life } = s;
            if (!life) {
                continue;
            }
            if (!life.intent) {
                this.problem('disconnected', `${life.key}, ${life.how}: ${life.reason}, ${s.reason}`);
            }
            const left = life.emits.filter((e) => !e.event);
            if (left.length && this.orderly(s)) {
                this.problem('lost', `event ${left[0].n} of ${life.key}, ${life.how}, ${s.reason}`);
            }
            for (const e of life.emits) {
                if (e.event && e.event.batch.outcome === '500' && e.acks) {
                    this.problem('ack', `of ${e.n} of ${life.key}, which failed`);
                }
            }
        }
    }

    verdict() {
        this.receipts();
        this.problems.push(...this.holes());
        this.tokens();
        this.results();
        this.ends();
        return this.problems;
    }
}

module.exports = { Record };
