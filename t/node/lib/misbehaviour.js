'use strict';

/*
 * A backend for lib/ledger.js that does what it should, or, if mode says so, something
 * else; and clients that do not read.
 */

const net = require('node:net');
const { Listener } = require('./listener');
const { request } = require('./nginx');
const { sleep } = require('./tap');

/* of an answer that has not all come: must not run */
const NEVER = { event: 'never', args: [] };

const WAYS = {
    ok(w, b, res) {
        if (w.choose.chance(0.3)) {
            setTimeout(() => w.answer(b, res), w.choose.below(30));
        } else {
            w.answer(b, res);
        }
    },
    slow(w, b, res) {
        setTimeout(() => w.answer(b, res), 500 + w.choose.below(1500));
    },
    hang() {},
    500(w, b, res) {
        w.ledger.answered(b, 'dropped');
        res.writeHead(500).end('{}');
    },
    garbage(w, b, res) {
        w.ledger.answered(b, 'dropped');
        res.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>{"op":[</html>');
    },
    unavailable(w, b, res) {
        w.ledger.answered(b, 'failed');
        res.writeHead(503, { 'Retry-After': '1' }).end();
    },
    truncated(w, b, res) {
        w.ledger.answered(b, 'failed');
        const text = JSON.stringify(b.rows.map((r) => ({ id: r.e.id, ...NEVER })));
        res.writeHead(200, { 'Content-Length': text.length });
        res.write(text.slice(0, -1), () => res.destroy());
    },
    reset(w, b, res) {
        w.ledger.answered(b, 'failed');
        res.socket.resetAndDestroy();
    },
    /* 2 MB of it */
    huge(w, b, res) {
        w.answer(b, res, ' '.repeat(2 << 20));
    },
    random(w, b, res) {
        const names = Object.keys(WAYS).filter((x) => x !== 'random');
        const way = w.choose.chance(0.6) ? 'ok' : w.choose.pick(names);
        WAYS[way](w, b, res);
    }
};

class Backend extends Listener {
    constructor(ledger, choose, rooms) {
        super((req, res) => this.request(req, res));
        this.ledger = ledger;
        this.choose = choose;
        this.rooms = rooms;
        this.mode = 'ok';
    }

    /* Nobody is there for a while. */
    async away(ms) {
        this.stop();
        for (const b of this.ledger.pending) {
            this.ledger.answered(b, 'failed');
        }
        await sleep(ms);
        await this.listen();
    }

    request(req, res) {
        const chunks = [];
        req.on('data', (c) => chunks.push(c));
        req.on('end', () => {
            const events = JSON.parse(Buffer.concat(chunks));
            const b = this.ledger.batch(req.headers, events, req.socket);
            res.on('close', () => this.ledger.answered(b, 'failed'));
            WAYS[this.mode](this, b, res);
        });
        req.on('error', () => {});
        res.on('error', () => {});
    }

    answer(b, res, before = '') {
        if (b.outcome !== 'pending') {
            return;
        }
        this.ledger.answered(b, 'answered');
        res.writeHead(200, { 'Content-Type': 'application/json' });
        res.end(before + JSON.stringify(this.commands(b)));
    }

    commands(b) {
        return b.rows.flatMap((r, i) =>
            this.event(r, b.events[i]).map((c) => ({ id: r.e.id, ...c }))
        );
    }

    event(r, e) {
        const { s } = r;
        const out = [];
        if (e.type === 'connect') {
            if (!s.rooms) {
                s.room = `u${s.c >> 1}`;
                s.rooms = String(s.c).startsWith('bad') ? ['bad'] : [...this.some(), s.room];
            }
            out.push({ op: 'accept', rooms: s.rooms });
            out.push({ event: 'hello', args: [s.sid, s.rooms] });
        } else if (e.type === 'event') {
            if (e.event === 'say') {
                out.push(message({ room: s.room }, this.ledger.say(r), r.k % 5 === 0));
            }
            if (e.ack) {
                out.push({ op: 'ack', args: [r.n] });
            }
        }
        return out;
    }

    some() {
        const first = this.choose.below(this.rooms.length);
        const second = this.choose.below(this.rooms.length - 1);
        return [first, second + (second >= first ? 1 : 0)].map((i) => this.rooms[i]);
    }
}

/* args: of lib/streams.js; some have an attachment, some are large */
function message(target, args, attached, size = 0) {
    const command = { event: 'm', args: [...args], ...target };
    if (attached) {
        command.args.push({ _placeholder: true, num: 0 });
        command.attachments = [Buffer.from(`${args[0]} ${args[1]}`).toString('base64')];
    } else if (size) {
        command.args.push('x'.repeat(size));
    }
    return command;
}

/* ---- clients that do not read ---- */

const ask = (n, kind) =>
    `GET /socket.io/?EIO=4&transport=websocket&c=bad${n} HTTP/1.1\r\nHost: x\r\n` +
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Kind: ${kind}\r\n\r\n`;

/* masked with zeros */
function frame(text) {
    const body = Buffer.from(text);
    return Buffer.concat([Buffer.from([0x81, 0x80 | body.length, 0, 0, 0, 0]), body]);
}

/*
 * silent: a websocket that reads nothing; flood: that, and asks for answers all the time;
 * poll: a polling client that never polls.  Who is closed comes again.
 */
class Laggard {
    constructor(port, n) {
        Object.assign(this, { port, n, kind: ['silent', 'flood', 'poll'][n % 3], times: 0 });
        this.open();
    }

    open() {
        this.times++;
        if (this.kind === 'poll') {
            this.poll().catch(() => this.again());
            return;
        }
        const c = net.connect(this.port, '127.0.0.1');
        this.c = c;
        c.once('connect', () => c.write(ask(this.n, this.kind)));
        c.once('data', () => {
            c.pause();
            c.write(frame('40'));
            if (this.kind === 'flood') {
                this.timer = setInterval(() => {
                    for (let i = 0; i < 20; i++) {
                        c.write(frame('421["flood",1]'));
                    }
                }, 100);
            }
            /* only who reads sees the end */
            this.later = setTimeout(() => c.destroy(), 15000);
        });
        c.on('error', () => {});
        c.on('close', () => {
            clearInterval(this.timer);
            clearTimeout(this.later);
            this.again();
        });
    }

    again() {
        if (!this.over) {
            setTimeout(() => this.over || this.open(), 500);
        }
    }

    async poll() {
        const uri = `/socket.io/?EIO=4&transport=polling&c=bad${this.n}`;
        const { text } = await request(this.port, uri);
        const { sid } = JSON.parse(text.slice(1));
        await request(this.port, `${uri}&sid=${sid}`, { body: '40' });
        await sleep(5000);
        this.again();
    }

    stop() {
        this.over = true;
        if (this.c) {
            this.c.destroy();
        }
    }
}

module.exports = { Backend, Laggard, WAYS, message };
