#!/usr/bin/env node
'use strict';

/*
 * Ends of a connection, from both sides: the reason each side sees, and that the
 * backend gets exactly one disconnect, last, for every accepted connect.
 */

const { spawn } = require('node:child_process');
const {
    MODULES,
    MODES,
    assert,
    client,
    cleanup,
    collect,
    connect,
    main,
    matrix,
    once,
    sleep,
    within
} = require('./lib');

/* A client that can be killed: prints its sid when it has settled. */
const CHILD = `
    const { createRequire } = require('module');
    const { io } = createRequire(process.argv[1] + '/x.js')('socket.io-client');
    const [url, mode, auth] = process.argv.slice(2);
    const socket = io(url, { auth: JSON.parse(auth), reconnection: false,
        ...(mode !== 'upgrade' && { transports: [mode] }) });
    const ready = () => setTimeout(() => console.log(socket.id), 200);
    socket.on('connect', () => {
        const { engine } = socket.io;
        if (mode !== 'upgrade' || engine.transport.name === 'websocket') {
            ready();
        } else {
            engine.once('upgrade', ready);
        }
    });
    socket.on('connect_error', (e) => { console.error(e.message); process.exit(1); });
    setTimeout(() => process.exit(1), 30000);
`;

function child(nginx, mode, auth) {
    const p = spawn(
        process.execPath,
        ['-e', CHILD, MODULES, nginx.url, mode, JSON.stringify(auth)],
        { stdio: ['ignore', 'pipe', 'pipe'] }
    );
    let err = '';
    p.stderr.on('data', (d) => {
        err += d;
    });
    cleanup(() => p.kill('SIGKILL'));
    return within(
        15000,
        'sid of a child',
        new Promise((resolve, reject) => {
            p.stdout.once('data', (d) => resolve({ sid: String(d).trim(), process: p }));
            p.once('exit', () => reject(new Error(`child ended: ${err}`)));
        })
    );
}

/* Exactly one, and nothing after it. */
async function gone(c, { sid, reason, n = 1 }) {
    const e = await c.wait('disconnect', { sid, n });
    await sleep(150);
    const all = c.events.filter((x) => x.sid === e.sid);
    assert.equal(all.filter((x) => x.type === 'disconnect').length, 1, JSON.stringify(all));
    assert.equal(all.at(-1).type, 'disconnect');
    if (reason) {
        assert.match(e.reason, reason);
    }
    return e;
}

main(() =>
    matrix(
        async ({ nginx, backend, mode, test }) => {
            await test('client.disconnect()', async () => {
                const c = backend
                    .case()
                    .on('connect', () => ({ op: 'accept', rooms: [`bye-${mode}`], data: 7 }));
                const socket = await connect(nginx, mode, { auth: c.auth });
                const { id } = socket;
                for (let i = 0; i < 20; i++) {
                    socket.emit('n', i);
                }
                socket.disconnect();
                const e = await gone(c, { sid: id, reason: /^client namespace disconnect$/ });
                assert.equal(c.of('n').length, 20, 'events before the disconnect');
                assert.deepEqual(
                    e.rooms.filter((r) => r !== id),
                    [`bye-${mode}`]
                );
                assert.equal(e.data, 7);
                assert.equal((await nginx.publish({ room: `bye-${mode}`, event: 'x' })).count, 0);
                assert.equal((await nginx.publish({ sid: id, event: 'x' })).count, 0);
            });

            await test('disconnect and connect again on one connection', async () => {
                const c = backend.case();
                const keep = await connect(nginx, mode, {
                    nsp: '/custom',
                    auth: backend.case().auth
                });
                const socket = keep.io.socket('/', { auth: c.auth });
                await once(socket, 'connect');
                const first = socket.id;
                socket.disconnect();
                await gone(c, { sid: first, reason: /^client namespace disconnect$/ });
                socket.connect();
                await once(socket, 'connect');
                assert.notEqual(socket.id, first);
                assert.equal(keep.connected, true);
                socket.disconnect();
                await gone(c, { sid: c.of('connect')[1].sid });
                assert.equal(keep.connected, true);
            });

            await test('the command disconnect, in an answer', async () => {
                const c = backend
                    .case()
                    .on('kick', () => [{ event: 'last', args: ['words'] }, { op: 'disconnect' }]);
                const socket = await connect(nginx, mode, { auth: c.auth });
                const { id } = socket;
                const last = collect(socket, 'last');
                socket.emit('kick');
                const [reason] = await once(socket, 'disconnect');
                assert.equal(reason, 'io server disconnect');
                assert.deepEqual([...last], [['words']]);
                await gone(c, { sid: id, reason: /^server namespace disconnect$/ });
            });

            await test('the command disconnect, by the publish API', async () => {
                const r = `kick-${mode}`;
                const c = backend.case().on('connect', () => ({ op: 'accept', rooms: [r] }));
                const sockets = await Promise.all(
                    MODES.map((m) => connect(nginx, m, { auth: c.auth }))
                );
                const reasons = sockets.map((s) => once(s, 'disconnect'));
                assert.equal(
                    (await nginx.publish({ op: 'disconnect', room: r })).count,
                    sockets.length
                );
                for (const p of reasons) {
                    assert.equal((await p)[0], 'io server disconnect');
                }
                await c.wait('disconnect', { n: sockets.length });
                await sleep(100);
                assert.deepEqual(
                    c.of('disconnect').map((e) => e.reason),
                    sockets.map(() => 'server namespace disconnect')
                );
            });

            await test('disconnect of one namespace, then of the whole connection', async () => {
                const a = backend.case();
                const b = backend.case();
                const d = backend.case();
                const root = await connect(nginx, mode, { auth: a.auth });
                const custom = root.io.socket('/custom', { auth: b.auth });
                await once(custom, 'connect');

                const left = once(custom, 'disconnect');
                await nginx.publish({ op: 'disconnect', nsp: '/custom', sid: custom.id });
                assert.equal((await left)[0], 'io server disconnect');
                await gone(b, { reason: /^server namespace disconnect$/ });
                assert.equal(root.connected, true);

                custom.auth = d.auth;
                custom.connect();
                await once(custom, 'connect');
                const ends = [once(root, 'disconnect'), once(custom, 'disconnect')];
                const closed = once(root.io.engine, 'close');
                await nginx.publish({ op: 'disconnect', sid: root.id, close: true });
                for (const p of ends) {
                    /*
                     * A client acts on the 41 of a payload after all of the payload: an
                     * engine close in the same one comes first, as "transport close",
                     * and makes the client come back.
                     */
                    assert.equal((await p)[0], 'io server disconnect');
                }
                await closed;
                await gone(a, { reason: /^server namespace disconnect$/ });
                await gone(d, { reason: /^server namespace disconnect$/ });
            });

            await test(
                'a client that is killed',
                async () => {
                    const c = backend
                        .case()
                        .on('connect', () => ({ op: 'accept', rooms: [`killed-${mode}`] }));
                    const { sid, process: p } = await child(nginx, mode, c.auth);
                    assert.equal(
                        (await nginx.publish({ op: 'count', room: `killed-${mode}` })).count,
                        1
                    );
                    p.kill('SIGKILL');
                    await gone(c, { sid, reason: /^transport (close|error)$/ });
                    assert.equal(
                        (await nginx.publish({ room: `killed-${mode}`, event: 'x' })).count,
                        0
                    );
                },
                { timeout: 30000 }
            );

            if (mode !== 'polling') {
                await test('a connection that is cut', async () => {
                    const c = backend.case();
                    const socket = await connect(nginx, mode, { auth: c.auth });
                    const { id } = socket;
                    const ends = once(socket, 'disconnect');
                    socket.io.engine.transport.ws._socket.destroy();
                    assert.match((await ends)[0], /^transport (close|error)$/);
                    await gone(c, { sid: id, reason: /^transport (close|error)$/ });
                });
            }

            await test('a client that falls silent', async () => {
                const c = backend.case();
                const socket = await connect(nginx, mode, { auth: c.auth, path: '/fast/' });
                const { id } = socket;
                const { engine } = socket.io;
                /* neither pong nor the next poll; what it has open stays open, */
                /* also when the client itself would give up */
                engine._onClose = () => {};
                engine.sendPacket = () => {};
                engine.transport.onPacket = () => {};
                engine.transport.onData = () => {};
                await gone(c, { sid: id, reason: /^ping timeout$/ });
            });

            await test('pings keep a quiet client', async () => {
                const c = backend.case().on('q', () => ({ op: 'ack', args: [1] }));
                const socket = await connect(nginx, mode, { auth: c.auth, path: '/fast/' });
                await sleep(2500);
                assert.equal(c.of('disconnect').length, 0);
                assert.equal(await socket.timeout(5000).emitWithAck('q'), 1);
            });

            await test('a client that leaves while its connect is pending', async () => {
                let answer;
                const c = backend.case().on(
                    'connect',
                    () =>
                        new Promise((resolve) => {
                            answer = resolve;
                        })
                );
                const socket = client(nginx, mode, { auth: c.auth });
                const e = await c.wait('connect');
                socket.io.engine.close();
                await sleep(200);
                answer({ op: 'accept', rooms: [`ghost-${mode}`] });
                await gone(c, { sid: e.sid });
                assert.equal((await nginx.publish({ room: `ghost-${mode}`, event: 'x' })).count, 0);
            });

            await test('rejected: no disconnect', async () => {
                const c = backend.case().on('connect', () => ({ op: 'reject', message: 'no' }));
                const socket = client(nginx, mode, { auth: c.auth });
                await once(socket, 'connect_error');
                socket.disconnect();
                await sleep(200);
                assert.deepEqual(
                    c.events.map((e) => e.type),
                    ['connect']
                );
            });
        },
        {
            more: `
        location /fast/ {
            socketio chat;
            socketio_hook /_hook;
            socketio_ping_interval 500ms;
            socketio_ping_timeout 700ms;
        }`
        }
    )
);
