#!/usr/bin/env node
'use strict';

/*
 * A real client that sends more than its rate, in events, bytes and attachments, by
 * each transport and while it upgrades: it is slowed down, stays connected, and nothing
 * is lost or comes in another order.  Fails if what cannot be taken now is dropped, if
 * waiting is taken for silence, or if the rate is not kept at all.
 */

const { assert, client, main, matrix, once } = require('./lib');

const N = 80;
const RATE = 40;
const BURST = 20;

const more = `
        location /slow/ {
            socketio chat;
            socketio_hook /_hook;
            socketio_limits rate=${RATE}r/s burst=${BURST} bytes=200k;
            socketio_ping_interval 1s;
            socketio_ping_timeout 1s;
        }`;

main(() =>
    matrix(
        async ({ nginx, backend, mode, test }) => {
            await test(
                'a flood of events',
                async () => {
                    const c = backend.case().on('n', (e) => ({ op: 'ack', args: [e.args[0]] }));
                    const start = Date.now();
                    const socket = client(nginx, mode, { auth: c.auth, path: '/slow/' });
                    const lost = [];

                    socket.on('disconnect', (why) => lost.push(why));
                    await once(socket, 'connect');

                    const acks = await Promise.all(
                        Array.from({ length: N }, (v, i) =>
                            socket.emitWithAck('n', i, i % 20 ? null : Buffer.from([i]))
                        )
                    );

                    assert.deepEqual(
                        acks,
                        Array.from({ length: N }, (v, i) => i)
                    );
                    assert.deepEqual(lost, []);
                    assert.deepEqual(
                        c.of('n').map((e) => e.args[0]),
                        Array.from({ length: N }, (v, i) => i)
                    );

                    /* what is more than the burst took its time */
                    const least = ((N - BURST) / RATE) * 1000;
                    assert.ok(Date.now() - start >= least * 0.95, 'the rate was kept');
                },
                { timeout: 30000 }
            );
        },
        { more, workers: [2] }
    )
);
