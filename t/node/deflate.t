#!/usr/bin/env node
'use strict';

/*
 * Real clients that offer permessage-deflate, as browsers do: the ws of Node
 * inflates what we deflate, and we what it does, beside clients that do not.
 */

const { assert, collect, connect, main, matrix } = require('./lib');

/* what ws has agreed on, or undefined */
const agreed = (socket) =>
    socket.io.engine.transport.ws._extensions['permessage-deflate']?.params;

const text = (n, seed) => {
    const words = ['alice', 'bob', 'websocket', 'é', '😀', '"', '\\'];
    let s = '';
    for (let i = 0; s.length < n; i++) {
        s += words[(i * seed) % words.length] + ((i * i * seed) % 97);
    }
    return s.slice(0, n).toWellFormed?.() ?? s.slice(0, n);
};

const noise = (n) => require('node:crypto').randomBytes(n);

main(() =>
    matrix(
        async ({ nginx, backend, mode, test }) => {
            const deflating = (c, more) =>
                connect(nginx, mode, {
                    path: '/deflate/',
                    auth: c.auth,
                    perMessageDeflate: { threshold: 0 },
                    ...more
                });

            await test('what is agreed on', async () => {
                const c = backend.case();
                const socket = await deflating(c);
                const plain = await deflating(c, { perMessageDeflate: false });
                const off = await deflating(c, { path: '/socket.io/' });

                assert.deepEqual({ ...agreed(socket) }, {
                    server_no_context_takeover: true,
                    client_no_context_takeover: true
                });
                assert.equal(agreed(plain), undefined);
                assert.equal(agreed(off), undefined);
            });

            await test('texts and attachments of all sizes, there and back', async () => {
                const c = backend.case().on('echo', (e) => ({
                    op: 'ack',
                    args: e.args,
                    ...(e.attachments && { attachments: e.attachments })
                }));
                const socket = await deflating(c);

                for (const n of [0, 1, 100, 1000, 1024, 5000, 66000, 200000]) {
                    const data = { t: text(n, 1 + n), b: noise(n), x: text(n / 2, 3) };
                    assert.deepEqual(await socket.timeout(8000).emitWithAck('echo', data), data);
                }
            });

            await test('a broadcast to some who deflate and some who do not', async () => {
                const c = backend.case().on('tell', (e) => ({
                    all: true,
                    nsp: '/',
                    event: 'told',
                    args: e.args,
                    attachments: e.attachments
                }));
                const sockets = await Promise.all([
                    ...Array.from({ length: 8 }, () => deflating(c)),
                    ...Array.from({ length: 4 }, () => connect(nginx, mode, { auth: c.auth })),
                    connect(nginx, 'polling', { auth: c.auth })
                ]);
                const got = sockets.map((s) => collect(s, 'told'));
                const sent = Array.from({ length: 30 }, (_, i) => [
                    i,
                    text(i * 1000, i + 1),
                    noise(i * 100)
                ]);

                sent.forEach((args) => sockets[0].emit('tell', ...args));
                for (const g of got) {
                    assert.deepEqual(await g.get(sent.length), sent);
                }
            });
        },
        {
            modes: ['websocket', 'upgrade'],
            more: `
        location /deflate/ {
            socketio chat;
            socketio_hook /_hook;
            socketio_deflate on;
        }`
        }
    )
);
