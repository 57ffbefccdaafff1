#!/usr/bin/env node
'use strict';

/*
 * Connecting: what the backend learns about a client, what the client learns
 * from the backend's answer, namespaces, and requests on different workers.
 */

const { assert, connect, client, main, matrix, once, sleep, test: point, until } = require('./lib');

main(() =>
    matrix(
        async ({ nginx, backend, mode, workers, test }) => {
            await test('the backend sees the handshake, and accepts', async () => {
                const c = backend.case();
                const auth = { ...c.auth, token: 'é😀"\\', n: [1, { a: null }] };
                const socket = await connect(nginx, mode, {
                    auth,
                    query: { color: 'sky blue', x: '1&2' },
                    headers: {
                        'x-test': c.id,
                        cookie: 'a=b; c="d"',
                        'user-agent': 'test/1',
                        authorization: 'Bearer abc'
                    }
                });
                const e = await c.wait('connect');
                const h = e.handshake;

                assert.equal(e.sid, socket.id);
                assert.equal(e.nsp, '/');
                assert.equal(e.seq, 0);
                assert.equal(e.recovered, false);
                assert.equal('data' in e, false);
                assert.deepEqual(h.auth, auth);
                assert.equal(h.address, '127.0.0.1');
                assert.equal(h.secure, false);
                assert.match(h.url, /^\/socket\.io\//);
                assert.equal(h.query.color, 'sky blue');
                assert.equal(h.query.x, '1&2');
                assert.equal(h.query.EIO, '4');
                assert.equal(h.eio, 4);
                assert.equal(h.transport, mode === 'websocket' ? 'websocket' : 'polling');
                assert.ok(Math.abs(new Date(h.time) - Date.now()) < 60000, `time ${h.time}`);
                assert.deepEqual(h.headers, {
                    cookie: 'a=b; c="d"',
                    'user-agent': 'test/1',
                    authorization: 'Bearer abc',
                    host: `127.0.0.1:${nginx.port}`
                });
                assert.equal(
                    JSON.stringify(backend.batches).includes(socket.io.engine.id),
                    false,
                    'the secret Engine.IO sid went to the backend'
                );
            });

            await test('requests of one session reach several workers', async () => {
                const c = backend.case().on('echo', (e) => ({ event: 'echo', args: e.args }));
                const socket = await connect(nginx, mode, {
                    auth: c.auth,
                    headers: { 'x-test': c.id }
                });

                for (let i = 0; i < 15; i++) {
                    socket.emit('echo', i);
                    assert.deepEqual(await once(socket, 'echo'), [i]);
                }
                if (mode === 'polling') {
                    const n = nginx.pids(c.id).size;
                    assert.ok(workers > 1 ? n >= 2 : n === 1, `${n} of ${workers} workers`);
                }
            });

            await test('the sid is not in the access log', async () => {
                const sought =
                    mode === 'websocket'
                        ? /transport=websocket/
                        : /transport=polling&.*sid=\*\*\* /;
                await until(
                    () => sought.test(nginx.log('access.log')),
                    () => nginx.log('access.log').slice(-2000)
                );
                assert.doesNotMatch(nginx.log('access.log'), /sid=(?!\*\*\* |\*\*\*&)/);
            });

            await test('a namespace of its own, and both on one connection', async () => {
                const a = backend.case().on('who', () => ({ op: 'ack', args: ['root'] }));
                const b = backend.case().on('who', () => ({ op: 'ack', args: ['custom'] }));
                const root = await connect(nginx, mode, { auth: a.auth });
                const custom = root.io.socket('/custom', { auth: b.auth });
                await once(custom, 'connect');
                const e = await b.wait('connect');

                assert.equal(e.nsp, '/custom');
                assert.equal(e.sid, custom.id);
                assert.notEqual(custom.id, root.id);
                assert.notEqual(custom.id, root.io.engine.id);
                assert.equal(await custom.timeout(5000).emitWithAck('who'), 'custom');
                assert.equal(await root.timeout(5000).emitWithAck('who'), 'root');

                custom.disconnect();
                assert.equal((await b.wait('disconnect')).nsp, '/custom');
                assert.equal(await root.timeout(5000).emitWithAck('who'), 'root');
                assert.equal(a.of('disconnect').length, 0);
            });

            await test('a namespace that nobody allowed', async () => {
                const c = backend.case();
                const socket = client(nginx, mode, { nsp: '/nope', auth: c.auth });
                const [err] = await once(socket, 'connect_error');
                assert.equal(err.message, 'Invalid namespace');
                assert.equal(err.type, undefined, 'an error of the transport');
                assert.equal(c.events.length, 0);
            });

            await test('reject, with message and data', async () => {
                const data = { code: 42, deep: [{ a: 'ü' }] };
                const c = backend
                    .case()
                    .on('connect', () => ({ op: 'reject', message: 'not today', data }));
                const socket = client(nginx, mode, { auth: c.auth });
                const [err] = await once(socket, 'connect_error');

                assert.equal(err.message, 'not today');
                assert.deepEqual(err.data, data);
                assert.equal(socket.active, false);

                /* and may try again */
                c.on('connect', () => ({ op: 'accept' }));
                socket.connect();
                await once(socket, 'connect');
                socket.disconnect();
                await c.wait('disconnect');
                await sleep(100);
                assert.deepEqual(
                    c.events.map((e) => e.type),
                    ['connect', 'connect', 'disconnect']
                );
                assert.notEqual(c.events[0].sid, c.events[1].sid);
            });

            await test('an empty answer accepts', async () => {
                const c = backend.case().on('connect', () => []);
                const socket = await connect(nginx, mode, { auth: c.auth });
                assert.equal((await c.wait('connect')).sid, socket.id);
            });

            await test('eio 33: accept comes before what else the answer says', async () => {
                const c = backend.case().on('connect', () => [
                    { event: 'first', args: [1] },
                    { op: 'accept', data: { user: 'ann' } },
                    { event: 'second', args: [2] }
                ]);
                const socket = client(nginx, mode, { auth: c.auth });
                const got = [];
                socket.on('connect', () => got.push('connect'));
                socket.onAny((name) => got.push(name));
                await once(socket, 'second');
                assert.deepEqual(got, ['connect', 'first', 'second']);

                socket.emit('x');
                assert.deepEqual((await c.wait('x')).data, { user: 'ann' });
            });

            await test('events wait for a slow answer to connect', async () => {
                let answer;
                const c = backend.case().on(
                    'connect',
                    () =>
                        new Promise((resolve) => {
                            answer = resolve;
                        })
                );
                const socket = client(nginx, mode, { auth: c.auth });
                let connected = false;
                socket.on('connect', () => {
                    connected = true;
                });
                socket.emit('early', 1);
                await c.wait('connect');
                await sleep(300);
                assert.equal(connected, false);
                answer({ op: 'accept' });
                await once(socket, 'connect');
                assert.deepEqual((await c.wait('early')).args, [1]);
            });

            await test('30 clients at once', async () => {
                const c = backend.case().on('echo', (e) => ({ op: 'ack', args: e.args }));
                const sockets = await Promise.all(
                    Array.from({ length: 30 }, () =>
                        connect(nginx, mode, {
                            auth: c.auth,
                            headers: { 'x-test': c.id }
                        })
                    )
                );
                const answers = await Promise.all(
                    sockets.map((s, i) => s.timeout(8000).emitWithAck('echo', i))
                );

                assert.deepEqual(answers, [...answers.keys()]);
                assert.equal(new Set(sockets.map((s) => s.id)).size, 30);
                sockets.forEach((s) => s.disconnect());
                await c.wait('disconnect', { n: 30 });
            });
        },
        {
            after: ({ nginx, workers, label }) =>
                point(`${label}: all of them served`, () => {
                    assert.equal(nginx.pids().size, workers);
                })
        }
    )
);
