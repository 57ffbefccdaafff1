#!/usr/bin/env node
'use strict';

/*
 * Raw mode ("socketio_protocol engine.io") with engine.io-client of both
 * revisions, on each transport, all at the same time with two workers: to a
 * backend by batches, and to an echo of nothing but nginx.
 *
 * Fails if text or bytes change on the way, if a client is closed for the length
 * of what it may send, or if the pings of a revision go the wrong way.
 */

const {
    BYTES,
    TEXT: ANY_TEXT,
    assert,
    each,
    engine,
    main,
    matrix,
    once,
    sleep,
    until
} = require('./lib');

const TEXT = ANY_TEXT.replace('\x1e', ''); /* which no "send" may have */
const TEXTS = [
    TEXT,
    '',
    '0',
    '4',
    'b',
    'b4AAT/',
    '2probe',
    '{"a":[]}',
    ' ',
    '\\',
    '\\\\n',
    '1:4',
    TEXT.repeat(2000)
];
const LIMIT = 1000000;
const MORE = `
        location /raw/ {
            socketio chat;
            socketio_protocol engine.io;
            socketio_hook /_hook;
        }
        location /fast/ {
            socketio chat;
            socketio_protocol engine.io;
            socketio_hook /_hook;
            socketio_ping_interval 400ms;
            socketio_ping_timeout 1500ms;
        }
        location /echo/ {
            socketio chat;
            socketio_protocol engine.io;
            socketio_hook /_echo;
            socketio_hook_batch off;
            socketio_max_payload ${LIMIT};
        }
        location = /_echo {
            internal; default_type application/json;
            if ($socketio_type = message) { return 200 '{"op":"send",$socketio_message}'; }
            return 204;
        }`;

const COMBINATIONS = engine.combinations();
const MORE_COMBINATIONS = [...COMBINATIONS, engine.FETCH];

/* the answer to a message: itself */
const echo = (e) => ({ op: 'send', ...('text' in e ? { text: e.text } : { binary: e.binary }) });

main(() =>
    matrix(
        async ({ nginx, backend, test }) => {
            const open = (x, options) => engine.open(nginx, x, options);
            const raw = (x, c, options) =>
                open(x, { path: '/raw/', query: { test: c.id }, ...options });

            await test('the backend sees who comes', () =>
                each(COMBINATIONS, async (x) => {
                    const c = backend.case();
                    await raw(x, c);
                    const { handshake: h } = await c.wait('open');
                    assert.equal(h.eio, x.eio);
                    assert.equal(h.transport, x.mode === 'websocket' ? 'websocket' : 'polling');
                    assert.equal(h.query.EIO, String(x.eio));
                    assert.equal(h.query.test, c.id);
                }));

            for (const [what, path] of [
                ['a backend', '/raw/'],
                ['nginx itself', '/echo/']
            ]) {
                await test(`eio 41, 47, 79, 101: text, echoed by ${what}`, () =>
                    each(MORE_COMBINATIONS, async (x) => {
                        const c = backend.case().on('message', echo);
                        const socket = await raw(x, c, { path });
                        for (const text of TEXTS) {
                            socket.send(text);
                            /* clients have no data in an empty message */
                            assert.equal((await socket.next()) ?? '', text);
                        }
                        if (path === '/raw/') {
                            assert.deepEqual(
                                c.of('message').map((e) => e.text),
                                TEXTS
                            );
                        }
                    }));

                await test(`eio 46, 47, 82, 84, 101: bytes, echoed by ${what}`, () =>
                    each(MORE_COMBINATIONS, async (x) => {
                        const c = backend.case().on('message', echo);
                        const socket = await raw(x, c, { path });
                        for (const b of BYTES) {
                            socket.send(b);
                            assert.deepEqual(Buffer.from(await socket.next()), b);
                        }
                        if (path === '/raw/') {
                            assert.deepEqual(
                                c.of('message').map((e) => e.binary),
                                BYTES.map((b) => b.toString('base64'))
                            );
                        }
                    }));

                await test(`eio 133, 147: order, across an upgrade, echoed by ${what}`, () =>
                    each(MORE_COMBINATIONS, async (x) => {
                        const c = backend.case().on('message', echo);
                        const socket = await raw(x, c, { path, soon: true });
                        const n = [...Array(150).keys()];
                        for (const i of n) {
                            socket.send(i % 3 ? String(i) : Buffer.from([i]));
                            if (i % 10 === 9) {
                                await sleep(1);
                            }
                        }
                        for (const i of n) {
                            const got = await socket.next();
                            assert.equal(i % 3 ? got : got[0], i % 3 ? String(i) : i);
                        }
                    }));
            }

            await test('eio 61, 109: as long as may be', () =>
                each(COMBINATIONS, async (x) => {
                    const socket = await open(x, { path: '/echo/' });
                    const { name } = socket.transport;

                    /* the type, and in revision 3 on polling the length */
                    const room = LIMIT - 1 - (x.eio === 3 && name !== 'websocket' ? 8 : 0);
                    const wide = 'é'.repeat(room >> 1);
                    for (const text of ['x'.repeat(room), wide]) {
                        socket.send(text);
                        assert.equal((await socket.next()) === text, true);
                    }
                    /* base64 on polling */
                    const size = name !== 'websocket' ? Math.floor((room - 8) / 4) * 3 : room;
                    const bytes = Buffer.alloc(size, 0xa5);
                    socket.send(bytes);
                    assert.equal(bytes.equals(await socket.next()), true);
                }));

            await test('eio 116, 118, 123, 127: pings, and they keep', () =>
                each(COMBINATIONS, async (x) => {
                    const c = backend.case().on('message', echo);
                    const socket = await raw(x, c, { path: '/fast/' });
                    let pings = 0;
                    socket.on('packet', ({ type }) => {
                        pings += type === (x.eio === 3 ? 'pong' : 'ping');
                    });
                    await until(() => pings >= 6, '6 pings', 9000);
                    socket.send('still');
                    assert.equal(await socket.next(), 'still');
                    assert.equal(c.of('close').length, 0);
                }));

            await test('eio 117, 119, 124: silence', () =>
                each(COMBINATIONS, async (x) => {
                    const c = backend.case();
                    const socket = await raw(x, c, { path: '/fast/' });
                    socket.sendPacket = socket._sendPacket = socket.ping = () => {};
                    socket.onClose = socket._onClose = () => {};
                    const e = await c.wait('close', { ms: 9000 });
                    assert.equal(e.reason, 'ping timeout');
                }));

            await test('eio 64, 107: closed by the client', () =>
                each(COMBINATIONS, async (x) => {
                    const c = backend.case();
                    const socket = await raw(x, c);
                    socket.close();
                    assert.equal((await c.wait('close')).reason, 'transport close');
                }));

            await test('eio 56, 108: cut', () =>
                each(COMBINATIONS, async (x) => {
                    const c = backend.case();
                    const socket = await raw(x, c);
                    await c.wait('open');
                    socket.testAgent.cut();
                    assert.match((await c.wait('close')).reason, /^transport (close|error)$/);
                }));

            await test('eio 66, 90, 114: closed by the backend', () =>
                each(COMBINATIONS, async (x) => {
                    const c = backend.case().on('message', () => [
                        { op: 'send', text: 'last' },
                        { op: 'disconnect', close: true }
                    ]);
                    const socket = await raw(x, c);
                    const end = once(socket, 'close');
                    socket.send('go');
                    assert.equal(await socket.next(), 'last');
                    assert.equal((await end)[0], 'transport close');
                    assert.equal((await c.wait('close')).reason, 'forced close');
                }));

            await test('rejected by the backend', () =>
                each(COMBINATIONS, async (x) => {
                    const c = backend.case().on('open', () => ({ op: 'reject' }));
                    const socket = await raw(x, c, { soon: true });
                    const end = once(socket, 'close');
                    socket.send('early');
                    assert.match((await end)[0], /^transport (close|error)$/);
                    assert.equal(c.of('message').length, 0);
                }));

            await test('the publish API sends, too', async () => {
                const all = [];
                const c = backend.case();
                await each(COMBINATIONS, async (x) => all.push(await raw(x, c)));
                await c.wait('open', { n: all.length });
                const [{ sid }] = c.of('open');
                const one = { op: 'send', sid, text: TEXT };
                assert.equal((await nginx.publish(one)).count, 1);
                const two = { op: 'send', all: true, binary: BYTES[0].toString('base64') };
                assert.equal((await nginx.publish(two)).count, all.length);
                const seen = await Promise.all(
                    all.map(async (s) => {
                        const first = await s.next();
                        return first === TEXT ? ['text', await s.next()] : ['', first];
                    })
                );
                assert.deepEqual(seen.map(([text]) => text).sort(), [
                    ...all.slice(1).map(() => ''),
                    'text'
                ]);
                assert.ok(seen.every(([, bytes]) => BYTES[0].equals(bytes)));
            });
        },
        { modes: ['all'], workers: [2], more: MORE }
    )
);
