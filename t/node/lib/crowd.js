'use strict';

/*
 * A process full of clients, of all eras and transports.  They do what people do, and say
 * what they saw: each life of a client, a connection, is one report, at its end, and a
 * line while all is quiet.  Nothing here grows with time but these.
 *
 *   parent                          this process
 *   start { port, from, to, ... }   opens clients from..to
 *   busy { rate }                   so many of them a second do something; 0: none
 *   look { streams, says }          looks: what is not settled yet; streams: of publishers,
 *                                   [number, begun] of the last of each; says: by room,
 *                                   of the sockets that are there
 *   leave                           all clients go
 *                                   end: a life has ended
 *                                   refused: a connection did not come about
 */

const net = require('node:net');
const http = require('node:http');
const { ERAS, MODES, create } = require('./client');
const { Streams, now, random } = require('./streams');

/* How long ends of connections, and emits, are remembered. */
const MEMORY = 60000;

const ERA_NAMES = Object.keys(ERAS);

let config = null;
let choose = null;
let rate = 0;
let opening = null;
const members = [];
let reports = [];

function report(r) {
    if (reports.push(r) === 1) {
        setTimeout(() => {
            process.send({ reports });
            reports = [];
        }, 50);
    }
}

/* ---- connections: each serves one request, so what is open is being served ---- */

class Connections extends http.Agent {
    constructor() {
        super({ keepAlive: false });
        this.all = [];
    }

    createConnection(options) {
        const c = net.connect(options);
        const x = { c, opened: now(), closed: 0 };
        const forget = x.opened - MEMORY;
        this.all = this.all.filter((y) => !y.closed || y.closed > forget);
        if (this.all.length > 100) {
            this.all.splice(0, 20);
        }
        this.all.push(x);
        c.once('connect', () => {
            x.port = c.localPort;
        });
        c.once('data', () => {
            x.answered = now();
        });
        c.once('close', () => {
            x.closed = now();
            x.c = null;
        });
        return c;
    }

    cut() {
        this.all.forEach((x) => x.c && x.c.destroy());
    }

    list() {
        return this.all.map(({ port, opened, closed, answered }) => ({
            port,
            opened,
            closed,
            answered: answered || 0
        }));
    }
}

/* ---- a connection of a client ---- */

class Life {
    constructor() {
        this.sid = null; /* as the backend has it, who says it first */
        this.rooms = [];
        this.born = now();
        this.n = 0;
        this.emits = []; /* [n, time], of late */
        this.asked = new Map();
        this.answered = 0;
        this.acks = 0;
        this.intent = null;
        this.streams = new Streams(this.born);
        this.found = [];
    }

    packet(p) {
        if (p.type === 3 || p.type === 6) {
            this.acked(p.id, p.data);
            return;
        }
        if (p.type !== 2 && p.type !== 5) {
            return;
        }
        const [name, ...args] = p.data;
        if (name === 'hello') {
            if (this.sid) {
                this.found.push(['doubled', 'hello', 0, 0]);
            }
            [this.sid, this.rooms] = args;
            return;
        }
        if (name !== 'm') {
            this.found.push(['other', name, 0, 0]);
            return;
        }
        const [stream, k, before, sender, order, bytes] = args;
        this.streams.receive(stream, k, before, sender, order);
        if (p.type === 5 && bytes.toString() !== `${stream} ${k}`) {
            this.found.push(['other', `attachment of ${stream}`, k, k]);
        }
    }

    acked(id, args) {
        const n = this.asked.get(id);
        this.acks++;
        if (n === undefined) {
            this.found.push(['doubled', 'ack', args[0], args[0]]);
            return;
        }
        this.asked.delete(id);
        if (args[0] !== n) {
            this.found.push(['other', `ack ${args[0]} to`, n, n]);
        } else if (n < this.answered) {
            this.found.push(['reordered', 'ack', n, n]);
        }
        this.answered = n;
    }

    /* What is wrong, once; acks that are missing only if nothing can bring them */
    problems(over) {
        const out = this.found.concat(this.streams.problems());
        this.found = [];
        if (over) {
            this.asked.forEach((n) => out.push(['lost', 'ack', n, n]));
        }
        return out;
    }

    figures() {
        const out = { receipts: this.streams.count, acks: this.acks, emits: this.n };
        const { told = { receipts: 0, acks: 0, emits: 0 } } = this;
        this.told = out;
        return {
            receipts: out.receipts - told.receipts,
            acks: out.acks - told.acks,
            emits: out.emits - told.emits
        };
    }
}

/* ---- a client: one life after the other ---- */

class Member {
    constructor(i) {
        this.i = i;
        this.era = ERA_NAMES[i % ERA_NAMES.length];
        this.mode = MODES[Math.floor(i / ERA_NAMES.length) % MODES.length];
        this.modern = ERAS[this.era].eio === 4;
        this.life = null;
        this.connections = new Connections();
        this.open();
    }

    open() {
        this.timer = null;
        if (this.over) {
            return;
        }
        const socket = create({ url: `http://127.0.0.1:${config.port}` }, this.mode, {
            era: this.era,
            agent: this.connections,
            query: { c: this.i },
            timeout: 30000
        });
        this.socket = socket;
        this.begun = now();
        socket.on('connect', () => {
            this.life = new Life();
        });
        socket.on('disconnect', (reason) => this.ended(socket, reason));
        for (const name of ['connect_error', 'connect_timeout', 'error']) {
            socket.on(name, (e) => this.refused(socket, `${name} ${text(e)}`));
        }
        socket.io.on('packet', (p) => this.life && this.socket === socket && this.life.packet(p));
    }

    refused(socket, why) {
        if (this.socket !== socket || this.life) {
            return;
        }
        report({
            is: 'refused',
            who: `c${this.i}, ${this.era}, ${this.mode}`,
            mode: this.mode,
            reason: why,
            born: this.begun,
            t: now(),
            connections: this.connections.list()
        });
        this.again(socket, 300 + choose.below(1000));
    }

    ended(socket, reason) {
        const { life } = this;
        if (this.socket !== socket || !life) {
            this.refused(socket, `disconnect ${reason}`);
            return;
        }
        this.life = null;
        report({
            is: 'end',
            who: `c${this.i}, ${this.era}, ${this.mode}`,
            mode: this.mode,
            modern: this.modern,
            sid: life.sid,
            reason,
            intent: life.intent,
            born: life.born,
            t: now(),
            n: life.n,
            answered: life.answered,
            emits: life.emits,
            rooms: life.rooms,
            at: [...life.streams.at],
            problems: life.problems(false),
            figures: life.figures(),
            connections: this.connections.list()
        });
        this.again(socket, 50 + choose.below(500));
    }

    again(socket, ms) {
        this.socket = null;
        socket.disconnect();
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.open(), ms);
    }

    emit(what, ...more) {
        const { life, socket } = this;
        const n = ++life.n;
        const ack = what === 'last' || choose.chance(0.7);
        const t = now();
        life.emits.push([n, t]);
        if (life.emits.length > 50 && life.emits[0][1] < t - MEMORY) {
            life.emits.splice(0, 25);
        }
        if (ack) {
            life.asked.set(socket.ids, n);
            more.push(() => {});
        }
        socket.emit(what, n, ...more);
    }

    act() {
        const { life } = this;
        if (!life || life.intent || life.leaving || !life.sid) {
            return;
        }
        const p = choose.next();
        if (p < 0.01) {
            this.leave();
        } else if (p < 0.015) {
            life.intent = 'abrupt';
            this.connections.cut();
        } else if (p < 0.12) {
            this.emit('say');
        } else if (p < 0.17) {
            this.emit('bytes', Buffer.from(`bytes ${life.n + 1}`));
        } else {
            for (let i = choose.chance(0.05) ? 8 : 1; i > 0; i--) {
                this.emit('e');
            }
        }
    }

    /*
     * All that was said arrives before the end.  Clients 1.x and 2.x may leave a request
     * that has it, so these wait for an answer first.
     */
    leave() {
        const { life, socket } = this;
        const go = () => {
            if (this.life === life) {
                life.intent = 'clean';
                socket.disconnect();
            }
        };
        if (this.modern && choose.chance(0.5)) {
            go();
            return;
        }
        this.emit('last');
        life.leaving = now();
        const wait = () => {
            if (this.life === life) {
                if (life.asked.size === 0) {
                    go();
                } else {
                    setTimeout(wait, 50);
                }
            }
        };
        wait();
    }

    stop() {
        this.over = true;
        clearTimeout(this.timer);
        if (this.life) {
            this.life.intent = this.life.intent || 'clean';
        }
        if (this.socket) {
            this.socket.disconnect();
        }
    }
}

function text(e) {
    if (!e || typeof e !== 'object') {
        return String(e || '');
    }
    const { description: d, message, type } = e;
    const more = d && (typeof d === 'object' ? d.status || d.message : d);
    return `${message || type || JSON.stringify(e)} ${more || ''}`.slice(0, 200);
}

/* ---- orders ---- */

/* Members come a few at a time, so that connecting is no fault of its own. */
function start(m) {
    config = m;
    choose = random(m.seed);
    let i = m.from;
    const more = () => {
        for (let k = 0; k < 5 && i < m.to; k++) {
            members.push(new Member(i++));
        }
        if (i < m.to) {
            opening = setTimeout(more, 30);
        }
    };
    more();
}

/* What of the streams in its rooms a life has not got: [stream, from, to] */
function missing(life, streams, says) {
    const out = [];
    const check = (stream, k, begun) => {
        const n = life.streams.behind(stream, k, begun);
        if (n > 0) {
            out.push([stream, k - n + 1, k]);
        }
    };
    for (const room of ['*', ...life.rooms]) {
        for (const p of config.publishers) {
            const stream = `${p}:${room}`;
            if (streams.has(stream)) {
                check(stream, ...streams.get(stream));
            }
        }
        (says.get(room) || []).forEach((x) => check(...x));
    }
    return out;
}

/* Why a member is not at rest */
function restless({ life }) {
    return !life
        ? 'is not connected'
        : life.intent
          ? `is leaving (${life.intent})`
          : life.sid
            ? null
            : 'has no hello';
}

function look(m) {
    const out = { lives: [], behind: [], figures: [], problems: [] };
    const streams = new Map(m.streams);
    const says = new Map();
    for (const [stream, room, k, begun] of m.says) {
        says.set(room, (says.get(room) || []).concat([[stream, k, begun]]));
    }
    for (const { i, era, mode, life, ...rest } of members) {
        const who = `c${i}, ${era}, ${mode}`;
        const why = restless({ life, ...rest });
        if (why) {
            out.behind.push([life && life.sid, `${who}: ${why}`, []]);
            continue;
        }
        out.lives.push([life.sid, life.n]);
        out.figures.push(life.figures());
        for (const [stream, from, to] of missing(life, streams, says)) {
            const keys = Array.from({ length: to - from + 1 }, (_, k) => `${stream} ${from + k}`);
            out.behind.push([life.sid, `${who}: ${stream} ${from}..${to} is missing`, keys]);
            if (m.final) {
                life.found.push(['lost', stream, from, to]);
            }
        }
        const asked = [...life.asked.values()];
        if (asked.length) {
            const keys = asked.map((n) => `${life.sid} ack ${n}`);
            out.behind.push([life.sid, `${who}: acks of ${asked.slice(0, 9)} are missing`, keys]);
        }
        const problems = m.final ? life.problems(true) : [];
        if (problems.length) {
            out.problems.push([life.sid, who, problems]);
        }
    }
    process.send({ looked: out });
}

/* Randomly chosen members act, as many as time has passed for. */
let owed = 0;
let then = now();
setInterval(() => {
    const t = now();
    owed = rate ? Math.min(owed + (rate * (t - then)) / 1000, rate) : 0;
    then = t;
    for (; owed >= 1 && members.length; owed--) {
        choose.pick(members).act();
    }
}, 20);

const ORDERS = {
    start,
    look,
    busy(m) {
        rate = m.rate;
    },
    leave() {
        clearTimeout(opening);
        members.forEach((m) => m.stop());
        members.length = 0;
    }
};

process.on('message', (m) => ORDERS[m.do](m));
process.on('disconnect', () => process.exit(0));
process.on('uncaughtException', (e) => {
    process.send({ crashed: e.stack });
});
