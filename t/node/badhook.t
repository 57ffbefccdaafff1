#!/usr/bin/env node
'use strict';

/*
 * Backends that are down, slow, wrong, or not what was meant: nobody gets in by
 * accident, nothing that was answered is repeated, and all of it is logged.
 */

const { assert, client, connect, freePort, main, matrix, once, sleep } = require('./lib');

const batchId = (b) => b.headers['x-socketio-batch'];

main(async () => {
    const nobody = await freePort();

    await matrix(
        async ({ nginx, backend, mode, test }) => {
            /* answers instead of the backend, for what is done by its case only */
            const instead = (c, fn) => {
                backend.intercept = async (events, req, res) => {
                    const mine = events.some(
                        (e) =>
                            (e.type === 'connect'
                                ? e.handshake.auth.test
                                : backend.sids.get(e.sid)?.id) === c.id
                    );
                    return mine && (await fn(res, events)) !== false;
                };
            };
            const batches = (c) =>
                backend.batches.filter((b) =>
                    b.events.some((e) => e.handshake && e.handshake.auth.test === c.id)
                );
            const answer =
                (status, body = '', headers = {}) =>
                (res) => {
                    res.writeHead(status, headers).end(body);
                };

            /* refused by a CONNECT_ERROR, not by a broken connection */
            async function refused(c, path) {
                const start = Date.now();
                const socket = client(nginx, mode, { auth: c.auth, path, timeout: 9000 });
                const err = await Promise.race([
                    once(socket, 'connect_error', 12000).then((a) => a[0]),
                    once(socket, 'connect', 12000).then(() => {
                        throw new Error('connected!');
                    })
                ]);
                assert.equal(err.type, undefined, `${err.type} ${err.message}`);
                assert.notEqual(err.message, 'timeout');
                assert.equal(typeof err.message, 'string');
                assert.ok(err.message.length > 0);
                err.after = Date.now() - start;
                return err;
            }

            await test('nobody listens: rejected when the time is up', async () => {
                const err = await refused(backend.case(), '/down/');
                assert.ok(err.after >= 300 && err.after < 8000, `${err.after} ms`);
                assert.match(nginx.log(), /\[error\]/);
            });

            await test('nobody listens, socketio_hook_connect_fail accept', async () => {
                const socket = await connect(nginx, mode, {
                    path: '/lenient/',
                    auth: backend.case().auth
                });
                assert.ok(socket.id);
            });

            await test('500: rejected at once, and not repeated', async () => {
                const c = backend.case();
                instead(c, answer(500, 'oops'));
                await refused(c);
                await sleep(400);
                assert.equal(batches(c).length, 1);
            });

            await test('403 with message and data: these reach the client', async () => {
                const c = backend.case();
                instead(
                    c,
                    answer(403, '{"message":"go away","data":{"code":7}}', {
                        'Content-Type': 'application/json'
                    })
                );
                const err = await refused(c);
                assert.equal(err.message, 'go away');
                assert.deepEqual(err.data, { code: 7 });
            });

            await test('302: not followed, rejected', async () => {
                const c = backend.case();
                instead(c, answer(302, '', { Location: '/elsewhere' }));
                await refused(c);
            });

            await test('200 with a page: rejected', async () => {
                const c = backend.case();
                instead(c, answer(200, '<html>It works!</html>', { 'Content-Type': 'text/html' }));
                await refused(c);
                assert.match(nginx.log(), /\[error\]/);
            });

            for (const [what, body] of [
                ['half an answer', '[{"op":"accept"'],
                ['a string', '"ok"'],
                ['a number', '1']
            ]) {
                await test(`200 with ${what}: rejected`, async () => {
                    const c = backend.case();
                    instead(c, answer(200, body, { 'Content-Type': 'application/json' }));
                    await refused(c);
                });
            }

            await test('200 and 204 without a body: accepted', async () => {
                for (const status of [200, 204]) {
                    const c = backend.case();
                    instead(c, answer(status));
                    await connect(nginx, mode, { auth: c.auth });
                }
            });

            await test('an invalid command: the valid ones run, no login without accept', async () => {
                const c = backend.case();
                instead(c, (res, events) => {
                    const { id } = events[0];
                    answer(
                        200,
                        JSON.stringify([
                            { op: 'nonsense', id },
                            { op: 'accept', id },
                            { id, event: 'hi', args: [1] }
                        ])
                    )(res);
                });
                const socket = client(nginx, mode, { auth: c.auth });
                assert.deepEqual(await once(socket, 'hi'), [1]);

                const d = backend.case();
                instead(d, (res, events) =>
                    answer(200, JSON.stringify([{ op: 'nonsense', id: events[0].id }]))(res)
                );
                await refused(d);
            });

            await test('an answer as NDJSON', async () => {
                const c = backend.case();
                instead(c, (res, events) => {
                    const { id } = events[0];
                    answer(
                        200,
                        [
                            { op: 'accept', id },
                            { id, event: 'a', args: [1] },
                            { id, event: 'b', args: [2] }
                        ]
                            .map((x) => JSON.stringify(x))
                            .join('\n') + '\n',
                        { 'Content-Type': 'application/x-ndjson' }
                    )(res);
                });
                const socket = client(nginx, mode, { auth: c.auth });
                const got = [];
                socket.onAny((...args) => got.push(args));
                await once(socket, 'b');
                assert.deepEqual(got, [
                    ['a', 1],
                    ['b', 2]
                ]);
            });

            await test('503 twice: the same batch again, until it is answered', async () => {
                const c = backend.case().on('n', (e) => ({ op: 'ack', args: e.args }));
                let left = 2;
                instead(c, (res) => (left-- > 0 ? answer(503, '<h1>busy</h1>')(res) : false));
                const socket = await connect(nginx, mode, { auth: c.auth });
                const mine = batches(c);

                assert.deepEqual(
                    mine.map((b) => b.headers['x-socketio-attempt']),
                    ['1', '2', '3']
                );
                assert.equal(new Set(mine.map(batchId)).size, 1);
                assert.equal(new Set(mine.map((b) => b.body)).size, 1);
                assert.ok(mine[1].time - mine[0].time >= 50, 'a pause before the second attempt');

                left = 1;
                assert.equal(await socket.timeout(8000).emitWithAck('n', 5), 5);
                assert.equal(c.of('n').length, 1);
            });

            await test('500 for an event: it is dropped, the client stays', async () => {
                const c = backend.case().on('n', (e) => ({ op: 'ack', args: e.args }));
                let bad = false;
                instead(c, (res) => (bad ? answer(500)(res) : false));
                const socket = await connect(nginx, mode, { auth: c.auth });
                bad = true;
                await assert.rejects(socket.timeout(600).emitWithAck('n', 1));
                bad = false;
                assert.equal(await socket.timeout(5000).emitWithAck('n', 2), 2);
                assert.equal(socket.connected, true);
            });

            await test('no answer at all: rejected when the time is up', async () => {
                const c = backend.case();
                const held = [];
                instead(c, (res) => {
                    held.push(res);
                });
                try {
                    const err = await refused(c, '/slow/');
                    assert.ok(err.after >= 300 && err.after < 8000, `${err.after} ms`);
                } finally {
                    held.forEach((res) => res.destroy());
                }
            });

            await test('disconnect is repeated after 500', async () => {
                const c = backend.case();
                let fails = 1;
                instead(c, (res, events) => {
                    if (events.some((e) => e.type === 'disconnect') && fails-- > 0) {
                        answer(500)(res);
                        return true;
                    }
                    return false;
                });
                const socket = await connect(nginx, mode, { auth: c.auth });
                socket.disconnect();
                assert.equal(
                    (await c.wait('disconnect', { ms: 10000 })).reason,
                    'client namespace disconnect'
                );
            });

            await test('an upstream that answers again after it was wrong', async () => {
                backend.intercept = null;
                const c = backend.case().on('n', (e) => ({ op: 'ack', args: e.args }));
                const socket = await connect(nginx, mode, { auth: c.auth });
                assert.equal(await socket.timeout(5000).emitWithAck('n', 3), 3);
            });
        },
        {
            more: `
        location /down/ {
            socketio chat; socketio_hook /_down; socketio_hook_timeout 1s;
        }
        location /lenient/ {
            socketio chat; socketio_hook /_down; socketio_hook_timeout 500ms;
            socketio_hook_connect_fail accept;
        }
        location /slow/ {
            socketio chat; socketio_hook /_slow; socketio_hook_timeout 1s;
        }
        location = /_down { internal; proxy_pass http://127.0.0.1:${nobody}; }
        location = /_slow {
            internal; proxy_pass http://127.0.0.1:%%BACKEND%%/events;
            proxy_read_timeout 10s;
        }`
        }
    );
});
