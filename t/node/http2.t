#!/usr/bin/env node
'use strict';

/*
 * Long polling over HTTP/2, with TLS and without: requests of several sessions
 * on one connection, streams that are reset, and what there is in HTTP/1 only.
 */

const http2 = require('node:http2');
const net = require('node:net');
const path = require('node:path');
const tls = require('node:tls');
const {
    assert,
    Backend,
    certificate,
    chat,
    freePort,
    load,
    main,
    MODULES,
    Nginx,
    once,
    sleep,
    test,
    until
} = require('./lib');

const QUERY = '/socket.io/?EIO=4&transport=polling';
const TEXT = 'text/plain; charset=UTF-8';

/* One HTTP/2 connection. */
class Connection {
    static all = [];

    constructor(url) {
        const { hostname: host, port, protocol } = new URL(url);
        this.socket =
            protocol === 'https:'
                ? tls.connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
                : net.connect({ host, port });
        this.h2 = http2.connect(url, { createConnection: () => this.socket });
        this.h2.on('error', () => {});
        Connection.all.push(this);
    }

    /* The stream at once; its answer by response(). */
    start(path, headers = {}, body) {
        const method = body === undefined ? 'GET' : 'POST';
        const stream = this.h2.request(
            { ':path': path, ':method': method, ...headers },
            { endStream: body === undefined || body === '' }
        );
        stream.status = 0;
        stream.text = '';
        stream.setEncoding('utf8');
        stream.on('response', (h) => {
            stream.status = h[':status'];
            stream.headers = h;
        });
        stream.on('data', (d) => {
            stream.text += d;
        });
        stream.on('error', () => {});
        if (body) {
            stream.end(body);
        }
        return stream;
    }

    request(path, headers, body) {
        return response(this.start(path, headers, body));
    }
}

async function response(stream) {
    if (!stream.closed) {
        await once(stream, 'close');
    }
    const { status, headers, text } = stream;
    return { status, headers, text };
}

/* An Engine.IO session; GETs and POSTs on connections of choice. */
class Session {
    constructor(get, post) {
        this.get = get;
        this.post = post;
    }

    async open(path = QUERY) {
        this.res = await this.get.request(path);
        assert.equal(this.res.status, 200, this.res.text);
        this.url = `${path}&sid=${JSON.parse(this.res.text.slice(1)).sid}`;
        return this;
    }

    async connect(auth) {
        await this.send(`40${auth ? JSON.stringify(auth) : ''}`);
        this.id = JSON.parse((await this.body()).slice(2)).sid;
        return this;
    }

    async send(body, headers) {
        const res = await this.post.request(this.url, headers, body);
        assert.equal(`${res.status} ${res.text}`, '200 ok');
        return res;
    }

    park() {
        return this.get.start(this.url);
    }

    async body() {
        const res = await this.get.request(this.url);
        assert.equal(res.status, 200, res.text);
        return res.text;
    }

    /* code 3 while it lives, code 1 afterwards, and no effect on it */
    async alive() {
        const path = this.url.replace('=polling', '=websocket');
        return JSON.parse((await this.post.request(path)).text).code === 3;
    }
}

/* Nothing comes, for a moment. */
async function parked(stream) {
    await sleep(200);
    assert.equal(stream.status, 0);
    assert.equal(stream.closed, false);
    return stream;
}

async function points(name, url, { nginx, backend }) {
    const evidence = () => `${backend.evidence()}\n${nginx.evidence()}`;
    const point = async (what, fn) => {
        await test(`${name}: ${what}`, fn, { evidence });
        Connection.all.forEach((c) => c.h2.destroy());
        Connection.all = [];
    };
    const echo = () => backend.case().on('m', (e) => ({ event: 'echo', args: e.args }));
    const session = async (c, get, post = get, path = QUERY) =>
        (await new Session(get, post).open(path)).connect(c.auth);

    await point('eio 25: handshake', async () => {
        const { res } = await new Session(new Connection(url)).open();
        assert.match(res.text, /^0\{"sid":"[\w-]{22}","upgrades":\["websocket"\],/);
        assert.equal(res.headers['content-type'], TEXT);
        assert.equal(Number(res.headers['content-length']), res.text.length);
        assert.equal(res.headers['cache-control'], 'no-store');
    });

    await point('POST and GET, the backend knows what is secure', async () => {
        const c = echo();
        const s = await session(c, new Connection(url));
        const { handshake } = await c.wait('connect');
        assert.equal(handshake.secure, url.startsWith('https'));
        assert.match(handshake.headers.host, /^127\.0\.0\.1:\d+$/);
        const res = await s.send('42["m","é"]');
        assert.equal(res.headers['content-type'], 'text/html');
        assert.equal(await s.body(), '42["echo","é"]');
    });

    await point('eio 43: GETs park, and are released on the same connection', async () => {
        const c = echo();
        const h2 = new Connection(url);
        const all = [];
        for (let i = 0; i < 20; i++) {
            all.push(await session(c, h2));
        }
        const gets = all.map((s) => s.park());
        await parked(gets[0]);
        for (const [i, s] of all.entries()) {
            await s.send(`42["m",${i}]`);
        }
        for (const [i, stream] of gets.entries()) {
            const res = await response(stream);
            assert.equal(res.text, `42["echo",${i}]`);
            assert.equal(res.headers['content-type'], TEXT);
        }
    });

    await point('GET and POST on two connections, a publisher on a third', async () => {
        const s = await session(echo(), new Connection(url), new Connection(url));
        const get = await parked(s.park());
        await nginx.publish({ sid: s.id, event: 'x' });
        assert.equal((await response(get)).text, '42["x"]');
        await s.send('42["m",1]');
        assert.equal(await s.body(), '42["echo",1]');
    });

    await point('eio 49, 71: 900,000 bytes, both ways', async () => {
        const c = echo();
        const s = await session(c, new Connection(url));
        const text = '中x'.repeat(225000);
        const get = await parked(s.park());
        await s.send(`42["m","${text}"]`);
        const res = await response(get);
        assert.equal(res.text, `42["echo","${text}"]`);
        assert.equal(Number(res.headers['content-length']), Buffer.byteLength(res.text));
    });

    await point('eio 48: a POST in frames of one byte', async () => {
        const s = await session(echo(), new Connection(url));
        const post = s.post.start(s.url, { ':method': 'POST' }, null);
        for (const byte of '42["m",1]') {
            post.write(byte);
            await new Promise(setImmediate);
        }
        post.end();
        assert.equal((await response(post)).text, 'ok');
        assert.equal(await s.body(), '42["echo",1]');
    });

    await point('eio 61, 62: 413 by length and as it grows', async () => {
        const path = '/small/?EIO=4&transport=polling';
        const s = await session(echo(), new Connection(url), new Connection(url), path);
        const get = await parked(s.park());
        for (const headers of [{ 'content-length': 1001 }, {}]) {
            const post = s.post.start(s.url, { ':method': 'POST', ...headers }, null);
            post.write('x'.repeat(1001));
            await until(() => post.status, 'an answer before the end of the body');
            assert.equal(post.status, 413);
            post.end();
            const res = await response(post);
            assert.equal(res.text, '');
        }
        assert.equal(await s.alive(), true);
        await parked(get);
        await s.send('42["m",1]');
        assert.equal((await response(get)).text, '42["echo",1]');
    });

    await point('eio 1, 5, 7, 8, 16: errors', async () => {
        const h2 = new Connection(url);
        const error = async (code, path, headers) => {
            const res = await h2.request(path, headers);
            assert.equal(res.status, 400);
            assert.equal(res.headers['content-type'], 'application/json');
            assert.equal(JSON.parse(res.text).code, code);
        };
        await error(0, '/socket.io/');
        await error(1, `${QUERY}&sid=unknown`);
        await error(2, QUERY, { ':method': 'PUT' });
        await error(3, '/socket.io/?EIO=4&transport=websocket');
        await error(5, '/socket.io/?EIO=9&transport=polling');
    });

    await point('eio 59: other methods', async () => {
        const s = await session(echo(), new Connection(url));
        for (const method of ['HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
            const res = await s.get.request(s.url, { ':method': method });
            assert.equal(`${res.status}${res.text}`, '400');
        }
        assert.equal(await s.alive(), true);
    });

    await point('eio 12, 149: origins and preflights', async () => {
        const h2 = new Connection(url);
        const origin = 'http://evil.example';
        assert.equal((await h2.request(QUERY, { origin })).status, 403);
        const pre = { ':method': 'OPTIONS', 'access-control-request-method': 'POST' };
        assert.equal((await h2.request(QUERY, { origin, ...pre })).status, 403);
        const host = url.replace(/^\w+:..(\[?)/, '$1');
        const same = { origin: `https://${host}` };
        assert.equal((await h2.request(QUERY, same)).status, 200);
        assert.equal((await h2.request(QUERY, { ...same, ...pre })).status, 204);
    });

    await point('eio 54: a second GET', async () => {
        const c = echo();
        const s = await session(c, new Connection(url));
        const get = await parked(s.park());
        const second = await response(s.park());
        assert.equal(`${second.status}${second.text}`, '400');
        assert.equal((await response(get)).text, '1');
        assert.equal((await c.wait('disconnect')).reason, 'transport error');
        assert.equal(await s.alive(), false);
    });

    await point('eio 64: the client closes', async () => {
        const c = echo();
        const s = await session(c, new Connection(url));
        const get = await parked(s.park());
        await s.send('1');
        assert.equal((await response(get)).text, '6');
        assert.equal((await c.wait('disconnect')).reason, 'transport close');
    });

    await point('eio 56: a parked stream is reset, others go on', async () => {
        const c = echo();
        const h2 = new Connection(url);
        const [s, other] = [await session(c, h2), await session(c, h2)];
        const [get, stays] = [await parked(s.park()), await parked(other.park())];
        get.close(http2.constants.NGHTTP2_CANCEL);
        const e = await c.wait('disconnect');
        assert.equal(e.sid, s.id);
        assert.equal(e.reason, 'transport error');
        assert.equal(await s.alive(), false);
        await other.send('42["m",2]');
        assert.equal((await response(stays)).text, '42["echo",2]');
    });

    await point('eio 56: the connection of a parked GET ends', async () => {
        for (const end of ['destroy', 'end']) {
            const c = echo();
            const s = await session(c, new Connection(url), new Connection(url));
            await parked(s.park());
            s.get.socket[end]();
            assert.equal((await c.wait('disconnect')).reason, 'transport error');
            assert.equal(await s.alive(), false);
        }
    });

    await point('eio 57: a POST is reset before its end', async () => {
        const c = echo();
        const s = await session(c, new Connection(url));
        const get = await parked(s.park());
        const post = s.post.start(s.url, { ':method': 'POST' }, null);
        post.write('42["m"]');
        await parked(post);
        post.destroy();
        assert.equal((await response(get)).text, '1');
        assert.equal((await c.wait('disconnect')).reason, 'transport error');
        assert.equal(c.of('m').length, 0);
    });

    await point('eio 57: a POST is shorter than it said', async () => {
        const c = echo();
        const s = await session(c, new Connection(url));
        const post = await s.post.request(s.url, { 'content-length': 100 }, '42["m"]');
        assert.equal(post.status, 400);
        assert.equal((await c.wait('disconnect')).reason, 'transport error');
        assert.equal(c.of('m').length, 0);
    });

    await point('eio 58: between requests connections may end', async () => {
        const s = await session(echo(), new Connection(url));
        s.get.h2.destroy();
        s.get = s.post = new Connection(url);
        await s.send('42["m",1]');
        assert.equal(await s.body(), '42["echo",1]');
    });

    await point('eio 131: an upgrade over HTTP/1 releases the GET', async () => {
        const s = await session(echo(), new Connection(url));
        const get = await parked(s.park());
        const path = s.url.replace('polling', 'websocket');
        const ws = new (load('ws').WebSocket)(`${nginx.url.replace('http', 'ws')}${path}`);
        const got = [];
        ws.onmessage = (m) => got.push(m.data);
        await new Promise((resolve, reject) => {
            ws.onopen = resolve;
            ws.onerror = () => reject(new Error('no websocket'));
        });
        ws.send('2probe');
        await until(() => got[0] === '3probe', () => got.join());
        assert.equal((await response(get)).text, '6');
        ws.send('5');
        ws.send('42["m",1]');
        await until(() => got[1] === '42["echo",1]', () => got.join());
        assert.equal(JSON.parse((await s.get.request(s.url)).text).code, 3);
        ws.close();
    });

    await point('sio 123, 124: files of the client', async () => {
        const h2 = new Connection(url);
        const res = await h2.request('/socket.io/socket.io.js');
        assert.equal(res.status, 200);
        assert.match(res.text, /^\/\*!/);
        assert.equal(res.headers['content-type'], 'application/javascript; charset=utf-8');
        const again = await h2.request('/socket.io/socket.io.js', {
            'if-none-match': res.headers.etag
        });
        assert.equal(`${again.status}${again.text}`, '304');
    });

    await point('no sid in the access log', async () => {
        const s = await session(echo(), new Connection(url));
        await s.send('42["m",1]');
        await until(
            () => /polling&sid=\*\*\* HTTP\/2/.test(nginx.log('access.log')),
            () => nginx.log('access.log').slice(-2000)
        );
        assert.equal(nginx.log('access.log').includes(s.url.replace(/.*sid=/, '')), false);
    });

    await point('a reload answers parked GETs, sessions go on', async () => {
        const s = await session(echo(), new Connection(url), new Connection(url));
        const get = await parked(s.park());
        nginx.child.kill('SIGHUP');
        assert.equal((await response(get)).text, '6');
        s.get = s.post = new Connection(url);
        await s.send('42["m",1]');
        assert.equal(await s.body(), '42["echo",1]');
    });
}

main(async () => {
    const [clear, tls] = [await freePort(), await freePort()];
    const backend = await new Backend().start();
    const more = `
        listen 127.0.0.1:${clear} http2;
        listen 127.0.0.1:${tls} ssl http2;
        ${certificate()}
        socketio_client ${path.join(MODULES, 'socket.io-client/dist')};
        location /small/ {
            socketio chat;
            socketio_hook /_hook;
            socketio_max_payload 1000;
        }
    `;
    const nginx = new Nginx({ http: chat(backend.port, more), workers: 2 });

    await test('nginx starts', () => nginx.start());
    await points('h2c', `http://127.0.0.1:${clear}`, { nginx, backend });
    await points('h2', `https://127.0.0.1:${tls}`, { nginx, backend });
    await nginx.finish('HTTP/2');
    await test('every batch kept the rules', () => {
        assert.equal(backend.check().length, 0, backend.check().join('\n'));
    });
});
