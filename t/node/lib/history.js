'use strict';

/*
 * What clients, backend and publishers saw, in one order (all of them are in this
 * process), and whether it could have happened on a server that keeps its promises.
 *
 * tick() is a clock of its own: if a.end < b.start, then a was over before b began.
 * Nothing is judged by what usually happens; what a fault excuses is said where the
 * excuse is made.
 */

const KINDS = ['lost', 'duplicated', 'reordered', 'disconnects', 'other'];

/* Before an end that nobody wished for, what is older than this must have come. */
const MARGIN = 4000;

/* How long after the kill of its worker a client may notice. */
const NOTICE = 5000;

/* A connection of a client: it begins and ends with its socket's id. */
class Life {
    constructor(client, sid, tick) {
        this.client = client;
        this.sid = sid;
        this.born = tick;
        this.rooms = new Map();
        this.got = new Set();
        this.last = new Map();
        this.seen = 0; /* all that was over before this tick has been received */
        this.emits = [];
        this.asked = new Map();
        this.unanswered = 0;
        this.intent = null; /* why it is going to end, if anybody wants that */
        this.ended = 0;
        this.trace = [];
    }

    note(text) {
        this.trace.push(`${new Date().toISOString().slice(14, 23)} ${text}`);
        if (this.trace.length > 120) {
            this.trace.splice(0, 60);
        }
    }
}

class History {
    constructor(rooms) {
        this.clock = 0;
        this.rooms = rooms;
        this.messages = new Map();
        this.published = Object.fromEntries(rooms.map((r) => [r, []]));
        this.maybe = Object.fromEntries(rooms.map((r) => [r, new Set()]));
        this.joins = Object.fromEntries(rooms.map((r) => [r, 0]));
        this.lives = new Map();
        this.sids = new Map();
        this.batches = new Map();
        this.pending = new Set();
        this.killed = 0; /* ticks of the last of each */
        this.restarted = 0;
        this.calm = true; /* no fault that may end a connection */
        this.suspects = null;
        this.voided = 0;
        this.begin();
    }

    tick() {
        return ++this.clock;
    }

    begin() {
        this.figures = {
            lives: 0,
            ended: 0,
            emits: 0,
            events: 0,
            batches: 0,
            repeats: 0,
            messages: 0,
            receipts: 0,
            acks: 0
        };
        this.counts = Object.fromEntries(KINDS.map((k) => [k, 0]));
        this.shown = [];
        this.prune();
    }

    /* All is settled: whatever comes of before is a mistake, known or not. */
    prune() {
        this.messages.clear();
        for (const room of this.rooms) {
            this.published[room] = [];
        }
        for (const s of this.sids.values()) {
            if (s.gone) {
                s.ids.clear();
            }
        }
        for (const life of this.lives.values()) {
            life.got.clear();
            for (const m of life.rooms.values()) {
                m.from = 0;
                m.to = m.to === undefined ? undefined : 0;
            }
        }
    }

    problem(kind, text, life) {
        const by = life ? ` (${life.client.name}, ${life.client.mode})` : '';
        const p = { kind, text: text + by, trace: life ? [...life.trace] : [] };
        if (this.suspects) {
            this.suspects.push(p);
        } else {
            this.blame(p);
        }
    }

    blame(p) {
        this.counts[p.kind]++;
        if (this.shown.length < 15) {
            const trace = this.shown.length < 3 ? p.trace.slice(-50) : [];
            this.shown.push(`${p.kind}: ${p.text}` + trace.map((l) => `\n      ${l}`).join(''));
        }
    }

    /*
     * A worker was killed.  Had it the lock, the zone is emptied, a log line says so,
     * and all sessions are gone without a word: until that is known, problems wait.
     */
    suspect() {
        this.suspects = this.suspects || [];
        this.killed = this.tick();
    }

    acquit(emptied) {
        const suspects = this.suspects || [];
        this.suspects = null;
        if (!emptied) {
            suspects.forEach((p) => this.blame(p));
            return;
        }
        this.voided++;
        for (const s of this.sids.values()) {
            s.void = true;
        }
        for (const life of this.lives.values()) {
            life.void = true;
        }
        for (const room of this.rooms) {
            this.maybe[room].clear();
        }
    }

    /* ---- clients ---- */

    connected(client, sid) {
        const life = new Life(client, sid, this.tick());
        this.figures.lives++;
        if (this.lives.has(sid)) {
            this.problem('other', `socket id ${sid} given twice`, life);
        }
        this.lives.set(sid, life);
        const s = this.sids.get(sid);
        if (!s) {
            this.problem('other', `connected, unknown to the backend: ${sid}`, life);
        }
        life.note(`connected ${client.name} ${sid}`);
        for (const room of (s && s.rooms) || []) {
            this.entered(life, room);
        }
        return life;
    }

    entered(life, room) {
        const from = this.published[room].length;
        life.rooms.set(room, { state: 'in', since: this.tick(), from });
    }

    emitted(life, n, what, { ack, room } = {}) {
        const e = { n, what, room, tick: this.tick(), ms: Date.now(), acks: 0 };
        this.figures.emits++;
        life.emits.push(e);
        life.note(`emits ${n} ${what} ${room || ''} ${ack === undefined ? '' : `ack ${ack}`}`);
        if (ack !== undefined) {
            life.asked.set(ack, e);
            life.unanswered++;
        }
        if (what === 'join') {
            life.rooms.set(room, { state: 'joining' });
        } else if (what === 'leave') {
            const m = life.rooms.get(room);
            m.state = 'leaving';
            m.till = e.tick;
            m.to = this.published[room].length;
        }
        return e;
    }

    acked(life, id, args) {
        const e = life.asked.get(id);
        this.figures.acks++;
        if (!e || args[0] !== e.n) {
            this.problem('other', `ack ${id} ${JSON.stringify(args)} to ${e && e.n}`, life);
            return;
        }
        life.note(`ack ${id} of ${e.n}`);
        if (e.acks++ > 0) {
            /* commands come again if a worker died between them and its notice of it */
            if (e.acks > e.answers) {
                this.problem('duplicated', `ack ${id} of ${e.n}`, life);
            }
            return;
        }
        life.unanswered--;
        life.seen = Math.max(life.seen, e.tick);
        const m = args[1] && this.messages.get(args[1]);
        if (m) {
            this.over(m);
        }
        if (e.what === 'join') {
            this.entered(life, e.room);
        } else if (e.what === 'leave') {
            this.complete(life, e.room, `though "leave" is acknowledged`);
            life.rooms.delete(e.room);
            if (!life.void) {
                this.maybe[e.room].delete(life.sid);
            }
        }
    }

    received(life, key) {
        const m = this.messages.get(key);
        this.figures.receipts++;
        life.note(`receives ${key}`);
        if (!m) {
            this.problem('duplicated', `${key} is of long ago, or of nobody`, life);
            return;
        }
        if (life.got.has(m)) {
            this.problem('duplicated', `${key}`, life);
            return;
        }
        if (m.end < life.seen || m.k <= (life.last.get(m.by) || 0)) {
            this.problem('reordered', `${key} after what began when it was over`, life);
        }
        if (m.room ? !life.rooms.has(m.room) : m.sid !== life.sid) {
            this.problem('other', `${key} to ${m.room || m.sid}, not there`, life);
        }
        life.got.add(m);
        life.last.set(m.by, m.k);
        life.seen = Math.max(life.seen, m.start);
    }

    /* What of a room was over in time, and is not there. */
    missing(life, room, { before = Infinity, ms = 0 }) {
        const m = life.rooms.get(room);
        if (m.since === undefined || life.void) {
            return [];
        }
        const all = this.published[room];
        const to = m.to === undefined ? all.length : m.to;
        const till = m.till || Infinity;
        const out = [];
        for (let i = m.from; i < to; i++) {
            const x = all[i];
            if (
                x.start > m.since &&
                x.end < till &&
                (x.end < before || x.ms < ms) &&
                !life.got.has(x)
            ) {
                out.push(x.key);
            }
        }
        return out;
    }

    complete(life, room, why, limits = {}) {
        const keys = this.missing(life, room, limits);
        if (keys.length) {
            this.problem(
                'lost',
                `${keys.length} messages to ${room}, ${keys.slice(0, 5)}, ${why}`,
                life
            );
        }
    }

    victim(client) {
        return Date.now() - (client.victim || 0) < NOTICE;
    }

    /* life.intent: clean, abrupt, server; else nobody wanted it */
    disconnected(life, reason) {
        const s = this.sids.get(life.sid);
        life.ended = this.tick();
        life.ms = Date.now();
        life.harmed = this.victim(life.client);
        this.figures.ended++;
        life.note(`disconnected: ${reason}, intent ${life.intent}`);
        if (!life.intent && !life.void && !(life.harmed && !this.calm)) {
            this.problem('disconnects', `of a client that nothing happened to: ${reason}`, life);
        }
        if (reason === 'io server disconnect' && life.intent === 'server') {
            life.seen = Math.max(life.seen, life.sentenced);
        }
        for (const room of life.rooms.keys()) {
            this.complete(life, room, `and disconnected: ${reason}`, {
                before: life.seen,
                ms: Math.min(life.ms, life.sentencedMs || Infinity) - MARGIN
            });
        }
        if (s && s.gone) {
            this.farewell(life, s);
        }
        life.got.clear();
    }

    /* ---- messages ---- */

    message(by, k, target) {
        const m = { by, k, key: `${by}/${k}`, ...target, start: this.tick(), end: Infinity };
        this.figures.messages++;
        this.messages.set(m.key, m);
        if (m.room) {
            this.published[m.room].push(m);
            m.size = this.maybe[m.room].size;
            m.joins = this.joins[m.room];
        }
        return m;
    }

    over(m) {
        if (m.end === Infinity) {
            m.end = this.tick();
            m.ms = Date.now();
        }
    }

    /* The publisher was told how many sockets it reached. */
    counted(m, count) {
        let [low, high] = [0, 0];
        const certain = (life) =>
            life && !life.ended && !life.intent && !life.void && !this.victim(life.client);

        if (m.room) {
            high = m.size + this.joins[m.room] - m.joins;
            for (const life of this.lives.values()) {
                const r = life.rooms.get(m.room);
                low += certain(life) && r && r.state === 'in' && r.since < m.start ? 1 : 0;
            }
        } else {
            const life = this.lives.get(m.sid);
            low = certain(life) ? 1 : 0;
            high = this.sids.get(m.sid).gone && this.sids.get(m.sid).gone < m.start ? 0 : 1;
        }
        if ((count < low || count > high) && !this.uncertain) {
            this.problem('lost', `${m.key} to ${m.room || m.sid}: ${count}, not ${low} to ${high}`);
        }
    }

    /* ---- the backend ---- */

    /* conn.dead: the worker at its other end was killed */
    batch(id, attempt, events, conn) {
        const b = {
            id,
            attempt,
            conn,
            tick: this.tick(),
            outcome: 'pending',
            events: [],
            sids: new Set()
        };
        const before = this.batches.get(id);
        const seqs = new Map();
        this.figures.batches++;

        const was = before ? before.attempt : 0;
        /* attempts that a backend which is not there does not see */
        if (attempt <= was || (attempt > was + 1 && this.restarted <= (before ? before.tick : 0))) {
            this.problem('other', `batch ${id}, attempt ${attempt} after ${was}`);
        }
        this.batches.set(id, b);
        this.pending.add(b);
        for (const e of events) {
            const seq = seqs.get(e.sid);
            if (seq !== undefined && e.seq !== seq + 1) {
                this.problem('reordered', `${e.seq} after ${seq} in batch ${id}`);
            }
            seqs.set(e.sid, e.seq);
            this.delivered(b, e);
        }
        return b;
    }

    delivered(b, e) {
        let s = this.sids.get(e.sid);
        const life = this.lives.get(e.sid);
        const note = (text) => life && life.note(text);
        const bad = (kind, text) =>
            this.problem(kind, `${text}: ${JSON.stringify(e).slice(0, 200)} in ${b.id}`, life);

        note(`backend gets seq ${e.seq} ${e.type} ${e.event || ''} in ${b.id}#${b.attempt}`);
        this.figures.events++;
        if (!s) {
            s = { sid: e.sid, seq: -1, pos: 0, ids: new Map(), rooms: [] };
            this.sids.set(e.sid, s);
        }
        b.sids.add(s);
        let r = s.ids.get(e.id);
        if (r) {
            this.repeated(b, e, r, bad);
            r.batch = b;
            b.events.push(r);
            return;
        }
        if (s.gone) {
            bad('disconnects', 'after its disconnect');
        }
        if (e.seq !== s.seq + 1 || (e.seq === 0) !== (e.type === 'connect')) {
            bad(e.seq <= s.seq ? 'duplicated' : 'lost', `after seq ${s.seq}`);
        }
        const prev = s.prev;
        if (prev && !prev.answers && prev.batch !== b && !s.void) {
            /* a connect that was sent and never answered has but its disconnect */
            if (!(prev.type === 'connect' && e.type === 'disconnect')) {
                bad('lost', `before seq ${prev.seq} was answered (${prev.batch.outcome})`);
            }
        }
        r = { id: e.id, seq: e.seq, type: e.type, batch: b, answers: 0 };
        b.events.push(r);
        s.ids.set(e.id, r);
        s.seq = e.seq;
        s.prev = r;
        if (prev && prev.answers) {
            s.old = prev;
        }
        if (e.type === 'event') {
            r.emit = this.matched(s, e, life, bad);
        } else if (e.type === 'disconnect') {
            s.gone = this.tick();
            s.reason = e.reason;
            note(`gone: ${e.reason}`);
            for (const room of this.rooms) {
                this.maybe[room].delete(e.sid);
            }
            if (life && life.ended) {
                this.farewell(life, s);
            }
        }
    }

    repeated(b, e, r, bad) {
        const o = r.batch;
        this.figures.repeats++;
        if (r.seq !== e.seq || r.type !== e.type) {
            bad('other', `repeated as another`);
        }
        /* who took over may be read from before the dead one is */
        if (o.conn.dead || b.conn.dead) {
            return;
        }
        if (o.outcome !== 'answered' && Math.max(this.killed, this.restarted) > o.tick) {
            return;
        }
        if (o.id !== b.id || b.attempt <= o.attempt) {
            bad('duplicated', `repeated, was in ${o.id}#${o.attempt}, ${o.outcome}`);
        } else if (o.outcome === 'answered' && !(this.restarted > o.tick)) {
            bad('duplicated', 'repeated, though it was answered');
        } else if (o.outcome === 'pending') {
            bad('duplicated', 'repeated before it was answered');
        }
    }

    matched(s, e, life, bad) {
        const x = life && life.emits[s.pos];
        if (!x || x.n !== e.args[0] || x.what !== e.event) {
            bad('lost', `expected ${x && x.n}`);
            /* go on behind it */
            const i = life ? life.emits.findIndex((y) => y.n === e.args[0]) : -1;
            s.pos = Math.max(s.pos, i + 1);
            return i < 0 ? undefined : life.emits[i];
        }
        s.pos++;
        return x;
    }

    /* outcome: answered, failed (503), closed (no answer) */
    answered(b, outcome) {
        this.pending.delete(b);
        if (b.outcome !== 'pending') {
            return;
        }
        b.outcome = outcome;
        if (outcome !== 'answered') {
            return;
        }
        for (const r of b.events) {
            r.answers++;
            if (r.emit) {
                r.emit.answers = (r.emit.answers || 0) + 1;
            }
        }
        for (const s of b.sids) {
            s.accepted = true;
        }
    }

    /* Both sides know that it is over. */
    farewell(life, s) {
        const left = life.emits.slice(s.pos);
        const harmed = life.harmed || this.victim(life.client);
        const till = Math.min(life.ms, life.sentencedMs || Infinity) - MARGIN;
        /* who is told to go and does not hear of it may go by itself: both */
        const lost =
            life.intent === 'clean' && !life.both && !harmed
                ? left
                : left.filter((e) => e.ms < till);

        if (life.void || s.void) {
            this.lives.delete(life.sid);
            return;
        }
        if (lost.length) {
            this.problem(
                'lost',
                `${lost.length} events, ${lost[0].n} first, ${life.intent}, ${s.reason}`,
                life
            );
        }
        const reasons = {
            clean: ['client namespace disconnect'],
            server: ['server namespace disconnect'],
            abrupt: ['transport close', 'transport error']
        }[life.intent];
        if (reasons && !harmed && !reasons.includes(s.reason) && !life.both) {
            this.problem('disconnects', `${s.reason}, was ${life.intent}`, life);
        }
        this.lives.delete(life.sid);
    }

    /* A room that a command of the backend puts sid into, whatever comes of it. */
    joining(sid, room) {
        if (!this.sids.get(sid).gone) {
            this.joins[room]++;
            this.maybe[room].add(sid);
        }
    }

    /* ---- the end of a phase: nothing more is begun, and this must become empty ---- */

    unsettled() {
        const out = [];
        for (const b of this.pending) {
            out.push([`batch ${b.id} is not answered`]);
        }
        for (const s of this.sids.values()) {
            if (s.prev && !s.prev.answers && !s.void) {
                out.push([`${s.sid}: seq ${s.prev.seq} was never answered`, this.lives.get(s.sid)]);
            }
        }
        for (const life of this.lives.values()) {
            const s = this.sids.get(life.sid);
            if (life.ended || life.void) {
                continue;
            }
            if (!s || s.gone) {
                out.push([`${life.sid} is gone (${s && s.reason}), and does not know`, life]);
                continue;
            }
            if (s.pos !== life.emits.length) {
                out.push([`event ${life.emits[s.pos].n} is not at the backend`, life]);
            }
            if (life.unanswered) {
                out.push([`${life.unanswered} acks have not come`, life]);
            }
            for (const room of life.rooms.keys()) {
                const keys = this.missing(life, room, {});
                if (keys.length) {
                    out.push([`${keys.length} messages, ${keys[0]}, to ${room}`, life]);
                }
            }
        }
        return out;
    }

    unsettledAll() {
        for (const [text, life] of this.unsettled()) {
            this.problem('lost', text, life);
        }
        this.batches.clear();
    }

    /* Accepted, and no disconnect. */
    present() {
        return [...this.sids.values()].filter((s) => s.accepted && !s.gone && !s.void);
    }
}

module.exports = { History, KINDS };
