#!/usr/bin/env node
'use strict';

/*
 * python-socketio, as Debian has it, on each transport, beside socket.io-client.
 * It has another idea of time than the one in Node: it upgrades before it polls,
 * and keeps one TCP connection for all requests.
 *
 * TEST_PYTHON: /usr/bin/python3, with the packages that install-deps.sh installs.
 */

const { spawn, spawnSync } = require('node:child_process');
const path = require('node:path');
const readline = require('node:readline');
const {
    BYTES,
    MODES,
    TEXT,
    assert,
    cleanup,
    collect,
    connect,
    main,
    matrix,
    skip
} = require('./lib');

const PYTHON = process.env.TEST_PYTHON || '/usr/bin/python3';
const CLIENT = path.join(__dirname, 'lib/client.py');
const CHECKS = ['transport', 'values', 'binary', 'order', 'namespaces', 'rejected', 'left', 'room'];

const ack = (e) => ({ op: 'ack', args: e.args, attachments: e.attachments });
const echo = (e) => ({ event: e.event, args: e.args, attachments: e.attachments });

/* The checks of lib/client.py: resolves when it has ended, with { name: problem }. */
function python(url, mode, id) {
    const env = { ...process.env, NO_PROXY: '*', PYTHONDONTWRITEBYTECODE: '1' };
    const stdio = ['ignore', 'pipe', 'pipe'];
    const p = spawn(PYTHON, [CLIENT, url, mode, id], { env, stdio });
    const results = {};
    let stderr = '';
    cleanup(() => p.kill('SIGKILL'));
    p.stderr.on('data', (d) => {
        stderr += d;
    });
    readline.createInterface({ input: p.stdout }).on('line', (l) => {
        const { name, problem } = JSON.parse(l);
        results[name] = problem;
    });
    return new Promise((resolve) => {
        p.on('close', () => resolve((name) => (name in results ? results[name] : stderr)));
    });
}

main(async () => {
    const { status, stderr } = spawnSync(PYTHON, ['-c', 'import socketio, websocket, requests']);
    if (status !== 0) {
        skip(`no python-socketio: ${String(stderr).trim().split('\n').pop()}`);
        return;
    }

    await matrix(
        async ({ nginx, backend, test }) => {
            const room = 'python';
            let ready = 0;
            const c = backend
                .case()
                .on('connect', ({ handshake: { auth } }) =>
                    auth.reject
                        ? { op: 'reject', message: 'not today é' }
                        : { op: 'accept', rooms: auth.room ? [room] : [], data: auth }
                )
                .on('ready', () => void ready++)
                .on('who', (e) => ({ op: 'ack', args: [e.data] }))
                .on('where', (e) => ({ op: 'ack', args: [e.nsp] }))
                .on('kick', () => ({ op: 'disconnect' }))
                .on('ack', ack)
                .on('x', echo)
                .on('é😀', echo);

            let results;
            await test(
                'lib/client.py runs',
                async () => {
                    const runs = MODES.map((mode) => python(nginx.url, mode, c.id));
                    const socket = await connect(nginx, 'upgrade', {
                        auth: { ...c.auth, room: true }
                    });
                    const got = collect(socket, 'x');
                    await c.wait('ready', { n: MODES.length, ms: 40000 });
                    for (let i = 0; i < 20; i++) {
                        await nginx.publish({
                            room,
                            event: 'x',
                            args: [i, TEXT, { _placeholder: true, num: 0 }],
                            attachments: [BYTES[0].toString('base64')]
                        });
                    }
                    results = await Promise.all(runs);
                    assert.deepEqual(
                        (await got.get(20)).map((a) => a[0]),
                        [...Array(20).keys()]
                    );
                    assert.equal(ready, MODES.length);
                },
                { timeout: 60000 }
            );
            for (const [i, mode] of MODES.entries()) {
                for (const name of CHECKS) {
                    await test(`${mode}: ${name}`, () => assert.equal(results[i](name), null));
                }
            }
        },
        {
            modes: ['all'],
            workers: [2],
            more: `
        location /python/ {
            socketio chat;
            socketio_namespaces / /custom;
            socketio_hook /_hook;

            # its disconnect() on polling may send nothing, if a POST is on its way
            socketio_ping_interval 500ms;
            socketio_ping_timeout  2s;
        }`
        }
    );
});
