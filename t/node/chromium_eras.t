#!/usr/bin/env node
'use strict';

/*
 * socket.io-client of every era in Chromium, as its bundle is, in pages of another
 * origin, by all that browsers have and Node has not: XMLHttpRequest with bytes
 * (revision 3 answers with a binary payload, and posts one, after a preflight),
 * JSONP by script tags and forms, cookies along with it, ArrayBuffers.
 *
 * Fails if CORS headers are missing anywhere, if JSONP is not a script, or if bytes
 * and their lengths are counted in another unit.  What 1.x on polling sends with
 * other characters than ASCII is not looked at (see clients.t).
 */

const fs = require('node:fs');
const path = require('node:path');
const {
    ERAS,
    MODULES,
    TEXT,
    assert,
    chromium,
    combinations,
    each,
    engine,
    main,
    matrix
} = require('./lib');

const SIZES = [0, 1, 3, 256, 70000];
const ROUNDS = 20;

const MODES = {
    polling: { transports: ['polling'] },
    websocket: { transports: ['websocket'] },
    upgrade: {},
    base64: { transports: ['polling'], forceBase64: true },
    'base64 websocket': { transports: ['websocket'], forceBase64: true },
    jsonp: { transports: ['polling'], forceJSONP: true },
    'jsonp upgrade': { forceJSONP: true }
};
/* JSONP ended with revision 3 */
const all = (...modes) =>
    combinations(ERAS, modes).filter(({ eio, mode }) => eio === 3 || !mode.startsWith('jsonp'));
const COMBINATIONS = all(...Object.keys(MODES));

/* What a page does first: connects, and sends all there is, to and fro. */
/* global io, window */
async function talk({ url, options, mode, text, back, sizes, views }) {
    const socket = io(url, { reconnection: false, forceNew: true, ...options });
    const wait = (what, emitter, name) =>
        new Promise((resolve, reject) => {
            emitter.once(name, resolve);
            setTimeout(() => reject(new Error(`no ${what}`)), 20000);
        });
    const call = (...args) =>
        new Promise((resolve, reject) => {
            socket.emit(...args, resolve);
            setTimeout(() => reject(new Error(`no ack of ${args[0]}`)), 20000);
        });
    const equal = (a, b, what) => {
        if (a !== b) {
            throw new Error(
                `${what}: ${String(a).slice(0, 200)} is not ${String(b).slice(0, 200)}`
            );
        }
    };
    const said = [];
    const failed = new Promise((resolve, reject) => {
        socket.once('connect_error', (e) => reject(new Error(`connect_error ${e.message || e}`)));
    });

    window.sockets = { ...window.sockets, [mode]: { socket, said } };
    socket.on('said', (i, x) => said.push(`${i} ${typeof x === 'string' ? x : x.byteLength}`));
    await Promise.race([failed, wait('connect', socket, 'connect')]);

    for (const t of [...text, ...text.map((x) => x.repeat(2000))]) {
        equal((await call('ack', { t })).t, t, 'text');
    }
    const given = wait('event', socket, 'given');
    equal(await call('give'), back, 'ack of the server');
    equal(await given, back, 'event of the server');

    for (const size of sizes) {
        const bytes = Uint8Array.from({ length: size }, (v, i) => i);
        const answer = await call('ack', {
            a: [bytes.buffer, { b: views ? bytes : bytes.buffer }]
        });
        for (const x of [answer.a[0], answer.a[1].b]) {
            equal(String(new Uint8Array(x)), String(bytes), `${size} bytes`);
        }
    }

    const { engine } = socket.io;
    if (mode.endsWith('upgrade') && engine.transport.name !== 'websocket') {
        await wait('upgrade', engine, 'upgrade');
    }
    return engine.transport.name;
}

/* engine.io-client: what comes back of what is sent */
/* global eio */
async function echoes({ url, options, texts, sizes }) {
    const socket = eio(url, options);
    const got = [];
    const next = () =>
        new Promise((resolve, reject) => {
            socket.once('message', resolve);
            setTimeout(() => reject(new Error(`no message ${got.length}`)), 20000);
        });
    socket.binaryType = 'arraybuffer';
    await new Promise((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', (e) => reject(new Error(`error ${e.message || e}`)));
    });
    for (const text of texts) {
        const back = next();
        socket.send(text);
        got.push((await back) === text ? 'text' : `"${text}"`);
    }
    for (const size of sizes) {
        const back = next();
        const bytes = Uint8Array.from({ length: size }, (v, i) => i);
        socket.send(bytes.buffer);
        got.push(String(new Uint8Array(await back)) === String(bytes) ? 'bytes' : size);
    }
    return got;
}

async function heard({ mode, rounds }) {
    const { said } = window.sockets[mode];
    for (let i = 0; said.length < rounds && i < 2000; i++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return said;
}

const leave = ({ mode }) => window.sockets[mode].socket.disconnect() && undefined;

main(() =>
    matrix(
        async ({ nginx, backend, test: point }) => {
            const test = (name, fn) => point(name, fn, { timeout: 45000 });
            const errors = [];
            const pages = {};
            const browser = await chromium.launch();
            const room = 'pages';
            const there = (fn) => each(COMBINATIONS, (x) => fn(x, pages[x.era]));

            async function open(era, host) {
                const context = await browser.newContext();
                const page = chromium.watch(await context.newPage(), era, errors);
                await page.goto(`http://${host}:${nginx.port}/page-${era}`);
                return page;
            }

            /* all of talk(); resolves with the connect that the backend saw */
            async function talks({ era, mode }, page, options) {
                const c = backend
                    .case()
                    .on('connect', () => ({ op: 'accept', rooms: [room] }))
                    .on('ack', (e) => ({ op: 'ack', args: e.args, attachments: e.attachments }))
                    .on('give', () => [
                        { event: 'given', args: [TEXT] },
                        { op: 'ack', args: [TEXT] }
                    ]);
                const name = await page.evaluate(talk, {
                    url: nginx.url,
                    options: { ...MODES[mode], query: { test: c.id }, ...options },
                    mode,
                    text: ['plain', ...(era === '1.7' && mode !== 'websocket' ? [] : [TEXT])],
                    back: TEXT,
                    sizes: SIZES,
                    views: era !== '1.7' /* which takes ArrayBuffers only */
                });
                assert.equal(name, /websocket|upgrade/.test(mode) ? 'websocket' : 'polling');
                return c.of('connect')[0];
            }

            if (!browser) {
                return;
            }
            for (const [era, { name }] of Object.entries(ERAS)) {
                const dist = path.join(MODULES, name, 'dist');
                fs.symlinkSync(dist, path.join(nginx.dir, `client-${era}`));
            }
            fs.symlinkSync(path.join(MODULES, engine.BUNDLE), path.join(nginx.dir, 'client-raw'));

            await test('sio 30, eio 60, 80, 83, 94-97, 99: pages of a listed origin', async () => {
                for (const era of new Set(COMBINATIONS.map((x) => x.era))) {
                    pages[era] = await open(era, 'localhost');
                }
                await there(async (x, page) => {
                    const withCredentials = x.eio > 3 ? { withCredentials: true } : {};
                    const { handshake } = await talks(x, page, withCredentials);
                    assert.equal(handshake.headers.host, `127.0.0.1:${nginx.port}`);
                });
            });

            await test('sio 107, 109, 110: a room of all of them', async () => {
                for (let i = 0; i < ROUNDS; i++) {
                    await nginx.publish({
                        ...{ room, event: 'said' },
                        args: [i, i % 2 ? TEXT : { _placeholder: true, num: 0 }],
                        ...(i % 2 === 0 && { attachments: [Buffer.alloc(i).toString('base64')] })
                    });
                }
                await there(async ({ mode }, page) =>
                    assert.deepEqual(
                        await page.evaluate(heard, { mode, rounds: ROUNDS }),
                        [...Array(ROUNDS).keys()].map((i) => `${i} ${i % 2 ? TEXT : i}`)
                    )
                );
            });

            for (const [path, host, ...eras] of [
                ['/any', 'localhost', '1.7', '2.5', '4.8'],
                ['/same', '127.0.0.1', '2.5', '4.8']
            ]) {
                const list = all('polling', 'jsonp', 'upgrade');
                await test(`sio 30: ${path} origin`, () =>
                    each(
                        combinations(ERAS, ['']).filter((x) => eras.includes(x.era)),
                        async ({ era }) => {
                            const page = await open(era, host);
                            const ours = list.filter((x) => x.era === era);
                            await Promise.all(ours.map((x) => talks(x, page, { path })));
                            await page.close();
                        }
                    ));
            }

            if (pages['2.5']) {
                await test('eio 80-83, 94-97, 99: engine.io-client 3.5, and an echo', async () => {
                    const page = await open('raw', 'localhost');
                    const modes = Object.entries(MODES).map(([mode, options]) => ({
                        mode,
                        options
                    }));
                    const text = TEXT.replace('\x1e', ''); /* which no "send" may have */
                    const texts = [text, text.repeat(2000), '\u2028', '\\n\n\\\\n', '4', '😀'];
                    await Promise.all(
                        modes.map(async ({ mode, options }) => {
                            const got = await page.evaluate(echoes, {
                                url: nginx.url,
                                options: { ...options, path: '/echo' },
                                texts,
                                sizes: SIZES
                            });
                            const wanted = [
                                ...texts.map(() => 'text'),
                                ...SIZES.map(() => 'bytes')
                            ];
                            assert.deepEqual(got, wanted, mode);
                        })
                    );
                    await page.close();
                });
            }

            await test('no errors in the pages', () => assert.deepEqual(errors, []));

            /* a poll may cross the POST that ends its session, and get a 400 */
            await test('left, and closed', async () => {
                await there(
                    ({ mode }, page) => mode === 'polling' && page.evaluate(leave, { mode })
                );
                await Promise.all(Object.values(pages).map((p) => p.close()));
            });
            await chromium.quit(browser);
        },
        {
            modes: ['Chromium'],
            workers: [2],
            more: `
        socketio_origins http://localhost:%%PORT%%;
        location /any/ {
            socketio chat;
            socketio_origins *;
            socketio_hook /_hook;
        }
        location /same/ {
            socketio chat;
            socketio_origins same;
            socketio_hook /_hook;
        }
        location = /favicon.ico { return 204; }
        location ~ ^/(client-.*)$ { root .; }
        location ~ ^/page-(.*)$ {
            default_type text/html;
            return 200 '<!doctype html><title>$1</title><meta charset=utf-8>
                        <script src="/client-$1/socket.io.js"></script>';
        }
        location = /page-raw {
            default_type text/html;
            return 200 '<!doctype html><title>raw</title><meta charset=utf-8>
                        <script src="/client-raw/engine.io.js"></script>';
        }
        location /echo/ {
            socketio chat;
            socketio_protocol engine.io;
            socketio_hook /_echo;
            socketio_hook_batch off;
        }
        location = /_echo {
            internal; default_type application/json;
            if ($socketio_type = message) { return 200 '{"op":"send",$socketio_message}'; }
            return 204;
        }`
        }
    )
);
