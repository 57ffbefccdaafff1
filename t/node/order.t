#!/usr/bin/env node
'use strict';

/*
 * 1,000 events, in order and without gaps, while the client goes from polling to
 * websocket; the pace is such that part of them is sent before and part after.
 * Fails when an upgrade loses, repeats or overtakes what is in the queues.
 */

const { assert, client, collect, connect, main, matrix, once, sleep, upgraded } = require('./lib');

const N = 1000;
const ALL = Array.from({ length: N }, (v, i) => i);

/*
 * Calls send(i) for all of them.  The first 200 before go() makes an upgrade
 * possible, the last 200 after it.
 */
async function paced(socket, mode, go, send) {
    const up = mode === 'upgrade' ? upgraded(socket) : null;
    const name = () => socket.io.engine.transport.name;
    let before = 0;

    for (let i = 0; i < N; i++) {
        if (i === 200) {
            go();
        } else if (i === N - 200) {
            await up;
        }
        before += name() === 'polling' ? 1 : 0;
        await send(i);
        if (i >= 200 && i % 10 === 0) {
            await sleep(1);
        }
    }
    if (up) {
        assert.ok(before >= 200 && before <= N - 200, `${before} events before the upgrade`);
    }
}

main(() =>
    matrix(async ({ nginx, backend, mode, test }) => {
        function gate() {
            let go;
            const hold = new Promise((resolve) => {
                go = resolve;
            });
            return { go, hold: mode === 'upgrade' ? hold : undefined };
        }

        await test(
            '1,000 events of a client',
            async () => {
                const c = backend
                    .case()
                    .on('n', (e) => (e.ack ? { op: 'ack', args: e.args } : undefined));
                const { go, hold } = gate();
                const socket = client(nginx, mode, { auth: c.auth, hold });
                await once(socket, 'connect');
                await paced(socket, mode, go, (i) => {
                    socket.emit('n', i);
                });
                assert.equal(await socket.timeout(20000).emitWithAck('n', N), N);
                assert.deepEqual(
                    c.of('n').map((e) => e.args[0]),
                    [...ALL, N]
                );
                assert.deepEqual(
                    c.events.map((e) => e.seq),
                    [...ALL, N, N + 1]
                );
            },
            { timeout: 40000 }
        );

        await test(
            '1,000 events, sent before the client is connected',
            async () => {
                const c = backend
                    .case()
                    .on('n', (e) => (e.ack ? { op: 'ack', args: e.args } : undefined));
                const socket = client(nginx, mode, { auth: c.auth });
                for (const i of ALL) {
                    socket.emit('n', i);
                }
                assert.equal(await socket.timeout(20000).emitWithAck('n', N), N);
                assert.deepEqual(
                    c.of('n').map((e) => e.args[0]),
                    [...ALL, N]
                );
            },
            { timeout: 40000 }
        );

        await test(
            '1,000 emits of the publish API',
            async () => {
                const c = backend.case();
                const { go, hold } = gate();
                const socket = client(nginx, mode, { auth: c.auth, hold });
                const got = collect(socket, 'n');
                await once(socket, 'connect');
                await paced(socket, mode, go, async (i) => {
                    const res = await nginx.publish({ sid: socket.id, event: 'n', args: [i] });
                    assert.equal(res.count, 1, `emit ${i}`);
                });
                assert.deepEqual(
                    (await got.get(N, 20000)).map((a) => a[0]),
                    ALL
                );
                await sleep(50);
                assert.equal(got.length, N);
            },
            { timeout: 60000 }
        );

        await test(
            '1,000 emits of an answer, behind the accept',
            async () => {
                const c = backend
                    .case()
                    .on('connect', () => [
                        { op: 'accept' },
                        ...ALL.map((i) => ({ event: 'n', args: [i] }))
                    ]);
                const socket = client(nginx, mode, { auth: c.auth });
                const got = collect(socket, 'n');
                assert.deepEqual(
                    (await got.get(N, 20000)).map((a) => a[0]),
                    ALL
                );
                await sleep(50);
                assert.equal(got.length, N);
            },
            { timeout: 40000 }
        );

        await test(
            'two publishers, two clients: one order for both',
            async () => {
                const c = backend
                    .case()
                    .on('connect', () => ({ op: 'accept', rooms: [`order-${mode}`] }));
                const a = await connect(nginx, mode, { auth: c.auth, soon: true });
                const b = await connect(nginx, 'websocket', { auth: c.auth });
                const gotA = collect(a, 'n');
                const gotB = collect(b, 'n');
                const publisher = async (who) => {
                    for (let i = 0; i < 150; i++) {
                        await nginx.publish({ room: `order-${mode}`, event: 'n', args: [who, i] });
                    }
                };
                await Promise.all([publisher(0), publisher(1)]);
                assert.deepEqual(await gotA.get(300), await gotB.get(300));
                for (const who of [0, 1]) {
                    assert.deepEqual(
                        gotA.filter((x) => x[0] === who).map((x) => x[1]),
                        ALL.slice(0, 150)
                    );
                }
            },
            { timeout: 30000 }
        );
    })
);
