#!/usr/bin/env node
'use strict';

/*
 * Events and acks, both ways, text and binary: from a client to the backend and
 * back by the hook's answer, and by the publish API.
 */

const { BYTES, assert, collect, connect, main, matrix, once, sleep } = require('./lib');

const VALUES = [
    null,
    false,
    true,
    0,
    -1.5,
    1e21,
    '',
    'utf8 — é 😀 \u2028',
    'a\x1eb\0"\\/\n',
    [],
    {},
    [[[]]],
    { a: { b: [null, { '': 0 }] } },
    '__proto__',
    '<b>&amp;</b>'
];

const placeholder = (num) => ({ _placeholder: true, num });
const base64 = (list) => list.map((b) => b.toString('base64'));

const echo = (e) => ({
    event: e.event,
    args: e.args,
    ...(e.attachments && { attachments: e.attachments })
});
const ack = (e) => ({
    op: 'ack',
    args: e.args,
    ...(e.attachments && { attachments: e.attachments })
});

main(() =>
    matrix(async ({ nginx, backend, mode, test }) => {
        await test('an event, and an emit as its answer', async () => {
            const c = backend.case().on('echo', echo);
            const socket = await connect(nginx, mode, { auth: c.auth });
            const got = collect(socket, 'echo');
            socket.emit('echo', ...VALUES);
            assert.deepEqual((await got.get(1))[0], VALUES);

            const [e] = c.of('echo');
            assert.deepEqual(e.args, VALUES);
            assert.equal(e.ack, false);
            assert.equal(e.type, 'event');
            assert.equal(e.seq, 1);
            assert.equal('attachments' in e, false);

            /* without arguments */
            socket.emit('echo');
            assert.deepEqual((await got.get(2))[1], []);
            assert.deepEqual(c.of('echo')[1].args, []);
        });

        await test('names of events', async () => {
            const c = backend.case();
            const names = [
                'chat message',
                'é😀',
                '',
                'error',
                'constructor',
                'a"b\\',
                'x'.repeat(1000)
            ];
            for (const n of names) {
                c.on(n, echo);
            }
            const socket = await connect(nginx, mode, { auth: c.auth });
            for (const n of names) {
                socket.emit(n, 1);
                assert.deepEqual(await once(socket, n), [1], n);
            }
            assert.deepEqual(
                c.events.slice(1).map((e) => e.event),
                names
            );
        });

        await test('an ack of the backend, once', async () => {
            const c = backend
                .case()
                .on('q', (e) => [ack(e), { op: 'ack', args: ['second'] }])
                .on('none', () => undefined)
                .on('empty', () => ({ op: 'ack', args: [] }))
                .on('mark', echo);
            const socket = await connect(nginx, mode, { auth: c.auth });

            for (let i = 0; i < 12; i++) {
                assert.equal(await socket.timeout(5000).emitWithAck('q', i), i);
            }
            assert.equal(
                c.of('q').every((e) => e.ack === true),
                true
            );
            let got;
            await new Promise((resolve) =>
                socket.emit('empty', (...args) => resolve((got = args)))
            );
            assert.deepEqual(got, []);

            /* an ack that never comes, and one that nobody wants */
            let answered = 0;
            socket.emit('none', () => answered++);
            c.on('q', () => ({ op: 'ack', args: ['unwanted'] }));
            socket.emit('q');
            socket.emit('mark', 1);
            await once(socket, 'mark');
            assert.equal(answered, 0);
            assert.equal(socket.connected, true);
        });

        await test('acks of many events in flight reach their callers', async () => {
            const c = backend.case().on('q', ack);
            const socket = await connect(nginx, mode, { auth: c.auth });
            const n = 120;
            const answers = await Promise.all(
                Array.from({ length: n }, (v, i) => socket.timeout(10000).emitWithAck('q', i))
            );
            assert.deepEqual(
                answers,
                Array.from({ length: n }, (v, i) => i)
            );
        });

        await test('binary to the backend, and back', async () => {
            const c = backend.case().on('bin', echo);
            const socket = await connect(nginx, mode, { auth: c.auth });
            const got = collect(socket, 'bin');

            for (const [i, b] of BYTES.entries()) {
                socket.emit('bin', b, { nested: [b] }, 'text');
                const [first, second, third] = (await got.get(i + 1))[i];
                assert.deepEqual(
                    [Buffer.from(first), Buffer.from(second.nested[0]), third],
                    [b, b, 'text']
                );
                const e = c.of('bin')[i];
                assert.deepEqual(e.args, [placeholder(0), { nested: [placeholder(1)] }, 'text']);
                assert.deepEqual(e.attachments, base64([b, b]));
            }
            socket.emit('bin', ...BYTES, ...BYTES);
            const all = (await got.get(BYTES.length + 1)).at(-1);
            assert.deepEqual(
                all.map((b) => Buffer.from(b)),
                [...BYTES, ...BYTES]
            );
        });

        await test('a binary ack', async () => {
            const c = backend.case().on('q', ack);
            const socket = await connect(nginx, mode, { auth: c.auth });
            const answer = await socket.timeout(5000).emitWithAck('q', { b: BYTES[0] });
            assert.deepEqual(Buffer.from(answer.b), BYTES[0]);
            const [e] = c.of('q');
            assert.deepEqual(
                [e.ack, e.args, e.attachments],
                [true, [{ b: placeholder(0) }], base64([BYTES[0]])]
            );
        });

        await test('text and binary events keep their order', async () => {
            const c = backend.case().on('x', echo);
            const socket = await connect(nginx, mode, { auth: c.auth });
            const got = collect(socket, 'x');
            for (let i = 0; i < 60; i++) {
                socket.emit('x', i, ...(i % 3 ? [] : [Buffer.from([i])]));
            }
            const args = await got.get(60);
            assert.deepEqual(
                args.map((a) => a[0]),
                Array.from({ length: 60 }, (v, i) => i)
            );
            assert.deepEqual(
                args.filter((a) => a[1]).map((a) => a[1][0]),
                Array.from({ length: 20 }, (v, i) => 3 * i)
            );
            assert.deepEqual(
                c.of('x').map((e) => e.args[0]),
                Array.from({ length: 60 }, (v, i) => i)
            );
        });

        await test('large: 900 KB of text and 600 KB of binary', async () => {
            const c = backend
                .case()
                .on('big', (e) => ({
                    op: 'ack',
                    args: [JSON.stringify(e.args).length, (e.attachments || [''])[0].length]
                }))
                .on('give', () => ({ event: 'given', args: ['y'.repeat(900000)] }));
            const socket = await connect(nginx, mode, { auth: c.auth });
            assert.equal(await socket.timeout(8000).emitWithAck('big', 'x'.repeat(900000)), 900004);
            const bin = Buffer.alloc(600000, 7);
            socket.timeout(8000).emit('big', bin, () => {});
            assert.equal((await c.wait('big', { n: 2 })).attachments[0], bin.toString('base64'));
            socket.emit('give');
            assert.equal((await once(socket, 'given'))[0].length, 900000);
        });

        await test('publish: to a socket, a room, all; counts', async () => {
            const c = backend
                .case()
                .on('connect', () => ({ op: 'accept', rooms: [`room-${mode}`] }));
            const a = await connect(nginx, mode, { auth: c.auth });
            const b = await connect(nginx, mode, { auth: c.auth });
            const gotA = collect(a, 'news');
            const gotB = collect(b, 'news');

            assert.deepEqual(await nginx.publish({ sid: a.id, event: 'news', args: ['sid'] }), {
                ok: true,
                op: 'emit',
                count: 1
            });
            assert.deepEqual(
                await nginx.publish({
                    room: `room-${mode}`,
                    event: 'news',
                    args: ['room', VALUES]
                }),
                { ok: true, op: 'emit', count: 2 }
            );
            assert.equal((await nginx.publish({ room: 'nobody', event: 'news' })).count, 0);
            assert.equal((await nginx.publish({ sid: 'nobody', event: 'news' })).count, 0);
            assert.ok(
                (await nginx.publish({ all: true, event: 'news', args: ['all'] })).count >= 2
            );
            assert.equal(
                (await nginx.publish({ all: true, nsp: '/custom', event: 'news', args: ['other'] }))
                    .count,
                0
            );

            assert.deepEqual(await gotA.get(3), [['sid'], ['room', VALUES], ['all']]);
            assert.deepEqual(await gotB.get(2), [['room', VALUES], ['all']]);
            await sleep(50);
            assert.deepEqual([gotA.length, gotB.length], [3, 2]);
        });

        await test('publish: arrays and NDJSON, in order, one result each', async () => {
            const c = backend.case();
            const socket = await connect(nginx, mode, { auth: c.auth });
            const got = collect(socket, 'n');
            const command = (i) => ({ sid: socket.id, event: 'n', args: [i] });

            const results = await nginx.publish([command(0), command(1), command(2)]);
            assert.deepEqual(results, Array(3).fill({ ok: true, op: 'emit', count: 1 }));
            const res = await nginx.get('/_publish', {
                body: [3, 4, 5].map((i) => JSON.stringify(command(i))).join('\n') + '\n'
            });
            assert.equal(res.status, 200);
            assert.deepEqual(
                res.text
                    .trim()
                    .split('\n')
                    .map((l) => JSON.parse(l).count),
                [1, 1, 1]
            );
            assert.deepEqual(
                (await got.get(6)).map((a) => a[0]),
                [0, 1, 2, 3, 4, 5]
            );
        });

        await test('publish: binary', async () => {
            const c = backend.case();
            const socket = await connect(nginx, mode, { auth: c.auth });
            const got = collect(socket, 'bin');
            await nginx.publish({
                sid: socket.id,
                event: 'bin',
                args: [{ a: placeholder(1) }, placeholder(0)],
                attachments: base64([BYTES[0], BYTES[4]])
            });
            await nginx.publish({ sid: socket.id, event: 'bin', args: ['text'] });
            const [[x, y], [z]] = await got.get(2);
            assert.deepEqual([Buffer.from(x.a), Buffer.from(y), z], [BYTES[4], BYTES[0], 'text']);
        });

        await test('publish: refused, with a reason', async () => {
            for (const [body, status] of [
                ['{', 400],
                ['{"op":"nonsense"}', 400],
                ['{"event":"x"}', 400],
                ['', 400]
            ]) {
                const res = await nginx.get('/_publish', { body });
                assert.equal(res.status, status, `${body}: ${res.text}`);
                const { ok, error, message } = JSON.parse(res.text);
                assert.deepEqual([ok, typeof error, typeof message], [false, 'string', 'string']);
            }
            assert.equal((await nginx.get('/_publish')).status, 405);
            assert.equal(
                (
                    await nginx.get('/_publish', {
                        body: '{"all":true,"event":"x"}',
                        headers: { origin: 'http://evil.example' }
                    })
                ).status,
                403
            );
        });

        await test('data stays with the socket', async () => {
            const c = backend
                .case()
                .on('set', (e) => [{ op: 'data', data: e.args[0] }, { op: 'ack' }])
                .on('get', (e) => ({ op: 'ack', args: ['data' in e ? e.data : 'none'] }));
            const socket = await connect(nginx, mode, { auth: c.auth });
            const get = () => socket.timeout(5000).emitWithAck('get');
            // awaited: an event that shares the batch has the data of before
            const set = (x) => socket.timeout(5000).emitWithAck('set', x);

            assert.equal(await get(), 'none');
            await set({ user: 'ann', n: [1] });
            assert.deepEqual(await get(), { user: 'ann', n: [1] });
            await nginx.publish({ op: 'data', sid: socket.id, data: 'by publish' });
            assert.equal(await get(), 'by publish');
            await set(null);
            assert.equal(await get(), 'none');
            socket.disconnect();
            assert.equal('data' in (await c.wait('disconnect')), false);
        });
    })
);
