#!/usr/bin/env node
'use strict';

/*
 * The publish API over HTTP/2, with TLS and without: lines as they come, many of
 * them, a publisher that does not read, and one that resets its stream.  Fails if
 * a line waits for the end of the stream, if flow control stalls or is ignored, or
 * if one stream is the end of another.
 */

const http2 = require('node:http2');
const net = require('node:net');
const tls = require('node:tls');
const {
    assert,
    Backend,
    certificate,
    chat,
    freePort,
    main,
    Nginx,
    once,
    test,
    until
} = require('./lib');

const COUNT = '{"op":"count","all":true}\n';
const ZERO = '{"ok":true,"op":"count","count":0}\n';

/* One POST on a connection: write, end; its answer is in status and text. */
function open(h2, path = '/big', headers = {}) {
    const stream = h2.request({ ':path': path, ':method': 'POST', ...headers });
    stream.status = 0;
    stream.text = '';
    stream.setEncoding('utf8');
    stream.on('response', (h) => {
        stream.status = h[':status'];
    });
    stream.on('data', (d) => {
        stream.text += d;
    });
    stream.on('error', () => {});
    return stream;
}

async function closed(stream) {
    if (!stream.closed) {
        await once(stream, 'close');
    }
    return stream;
}

async function points(name, url, { nginx }) {
    const { hostname: host, port, protocol } = new URL(url);
    let h2;
    const point = async (what, fn) => {
        const socket =
            protocol === 'https:'
                ? tls.connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
                : net.connect({ host, port });
        h2 = http2.connect(url, { createConnection: () => socket });
        h2.on('error', () => {});
        await test(`${name}: ${what}`, fn, { evidence: () => nginx.evidence(), timeout: 60000 });
        h2.destroy();
    };

    await point('a line at a time', async () => {
        const s = open(h2);
        for (let n = 1; n <= 3; n++) {
            s.write(COUNT);
            await until(() => s.text === ZERO.repeat(n), () => s.text);
        }
        s.write('nope\n{"op":');
        await until(() => /bad_json.*\n$/.test(s.text), () => s.text);
        s.end('"count","all":true}');
        await closed(s);
        assert.equal(s.status, 200);
        assert.equal(s.text.endsWith(ZERO), true);
    });

    await point('frames of one byte', async () => {
        const s = open(h2);
        for (const byte of `${COUNT}\n{"op":"nope"}\r\n${COUNT}`) {
            s.write(byte);
            await new Promise(setImmediate);
        }
        s.end();
        await closed(s);
        const got = s.text.split('\n').map((l) => l && (JSON.parse(l).error || 'ok'));
        assert.deepEqual(got, ['ok', 'bad_op', 'ok', '']);
    });

    await point('a single one that fails', async () => {
        const s = open(h2);
        s.end('{"op":"nope"}');
        assert.equal((await closed(s)).status, 400);
    });

    await point('30,000 lines', async () => {
        const s = open(h2);
        for (let i = 0; i < 30; i++) {
            if (!s.write(COUNT.repeat(1000))) {
                await once(s, 'drain');
            }
        }
        s.end();
        await closed(s);
        assert.equal(s.text, ZERO.repeat(30000));
    });

    await point('results that are not read stop their stream alone', async () => {
        const s = open(h2);
        s.write(COUNT);
        await until(() => s.text === ZERO, () => s.text);
        s.pause();
        let written = 0;
        const more = () => {
            for (; written < 30000; written += 1000) {
                if (!s.write(COUNT.repeat(1000))) {
                    s.once('drain', more);
                    written += 1000;
                    return;
                }
            }
            s.end();
        };
        more();
        for (let i = 0; i < 3; i++) {
            const other = open(h2);
            other.end(COUNT);
            assert.equal((await closed(other)).text, ZERO);
        }
        s.resume();
        await closed(s);
        assert.equal(s.text, ZERO.repeat(30001));
    });

    await point('a stream that is reset', async () => {
        const s = open(h2);
        s.write(COUNT);
        await until(() => s.text === ZERO, () => s.text);
        s.write(COUNT.repeat(1000));
        s.close(http2.constants.NGHTTP2_CANCEL);
        await closed(s);
        const other = open(h2);
        other.end(COUNT);
        assert.equal((await closed(other)).text, ZERO);
    });

    await point('client_max_body_size', async () => {
        const s = open(h2, '/small');
        s.write(COUNT);
        await until(() => s.text === ZERO, () => s.text);
        s.write(COUNT.repeat(100));
        await until(() => /"error":"too_large".*\n$/.test(s.text), () => s.text);
        s.end();
        await closed(s);
        assert.equal(s.status, 200);
    });
}

main(async () => {
    const [clear, secure] = [await freePort(), await freePort()];
    const backend = await new Backend().start();
    const more = `
        listen 127.0.0.1:${clear} http2;
        listen 127.0.0.1:${secure} ssl http2;
        ${certificate()}
        location = /big { socketio_publish chat; client_max_body_size 0; }
        location = /small { socketio_publish chat; client_max_body_size 1k; }
    `;
    const nginx = new Nginx({ http: chat(backend.port, more), workers: 2 });

    await test('nginx starts', () => nginx.start());
    await points('h2c', `http://127.0.0.1:${clear}`, { nginx });
    await points('h2', `https://127.0.0.1:${secure}`, { nginx });
    await nginx.finish('publish over HTTP/2');
});
