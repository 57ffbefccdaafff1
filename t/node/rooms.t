#!/usr/bin/env node
'use strict';

/*
 * Rooms: broadcasts to members on all transports, unions and excepts, join and
 * leave by an answer of the hook and by the publish API.
 */

const { MODES, assert, collect, connect, main, matrix, once, sleep } = require('./lib');

main(() =>
    matrix(async ({ nginx, backend, mode, test }) => {
        let n = 0;

        /* members on each transport, the first one in the mode under test */
        async function members(c, count, options) {
            const sockets = [];
            for (let i = 0; i < count; i++) {
                sockets.push(
                    await connect(nginx, i ? MODES[i % MODES.length] : mode, {
                        auth: c.auth,
                        ...options
                    })
                );
            }
            return sockets;
        }

        const room = () => `room ${mode} ${++n} é"`;

        /*
         * Who got the event, as a string of 0 and 1.  A marker to each of them comes
         * after everything published before, so absence is seen without waiting.
         */
        async function received(sockets, name, publish) {
            const got = sockets.map((s) => collect(s, name));
            const marks = sockets.map((s) => collect(s, 'mark'));
            await publish();
            for (const s of sockets) {
                await nginx.publish({ sid: s.id, nsp: s.nsp, event: 'mark' });
            }
            await Promise.all(marks.map((m) => m.get(1)));
            for (const s of sockets) {
                s.off(name).off('mark');
            }
            return got.map((g) => g.length).join('');
        }

        await test('a broadcast to a room with all transports, from a client', async () => {
            const r = room();
            const c = backend
                .case()
                .on('connect', () => ({ op: 'accept', rooms: [r] }))
                .on('say', (e) => ({ room: r, event: 'said', args: e.args }))
                .on('others', (e) => ({ room: r, except: e.sid, event: 'said', args: e.args }));
            const outsider = await connect(nginx, mode, { auth: backend.case().auth });
            const sockets = await members(c, 6);
            const got = sockets.map((s) => collect(s, 'said'));
            const none = collect(outsider, 'said');

            sockets[0].emit('say', 'hello', { a: 1 });
            for (const g of got) {
                assert.deepEqual(await g.get(1), [['hello', { a: 1 }]]);
            }
            sockets[0].emit('others', 2);
            sockets[0].emit('say', 3);
            for (const [i, g] of got.entries()) {
                assert.deepEqual(
                    (await g.get(i ? 3 : 2)).map((a) => a[0]),
                    i ? ['hello', 2, 3] : ['hello', 3]
                );
            }
            await nginx.publish({ sid: outsider.id, event: 'mark' });
            assert.equal(none.length, 0);
        });

        await test('a binary broadcast', async () => {
            const r = room();
            const c = backend
                .case()
                .on('connect', () => ({ op: 'accept', rooms: [r] }))
                .on('say', (e) => ({
                    room: r,
                    event: 'said',
                    args: e.args,
                    attachments: e.attachments
                }));
            const sockets = await members(c, 4);
            const got = sockets.map((s) => collect(s, 'said'));
            const data = Buffer.from(Array.from({ length: 256 }, (v, i) => i));

            sockets[0].emit('say', data, { x: data.subarray(0, 3) });
            for (const g of got) {
                const [[a, b]] = await g.get(1);
                assert.deepEqual([Buffer.from(a), Buffer.from(b.x)], [data, data.subarray(0, 3)]);
            }
        });

        await test('union and except, each socket once', async () => {
            const [a, b, d] = [room(), room(), room()];
            const sets = [[a], [b], [a, b], [a, d], [d], []];
            let i = 0;
            const c = backend.case().on('connect', () => ({ op: 'accept', rooms: sets[i++] }));
            const s = await members(c, sets.length);
            const emit = (target) => async () => {
                const { count } = await nginx.publish({ ...target, event: 'e' });
                emit.count = count;
            };
            const check = async (target, who) => {
                assert.equal(await received(s, 'e', emit(target)), who, JSON.stringify(target));
                assert.equal(
                    emit.count,
                    who.split('1').length - 1,
                    `count of ${JSON.stringify(target)}`
                );
            };

            await check({ room: a }, '101100');
            await check({ in: a }, '101100');
            await check({ room: [a, b] }, '111100');
            await check({ room: [a, a, b], except: b }, '100100');
            await check({ room: [a, b], except: [d, s[0].id] }, '011000');
            await check({ room: a, except: a }, '000000');
            await check({ room: [a, s[5].id] }, '101101');
            await check({ sid: [s[0].id, s[5].id, s[5].id] }, '100001');
            await check({ room: a, except: 'nowhere' }, '101100');
            await check({ room: 'nowhere' }, '000000');

            assert.equal(
                await received(s, 'all', () =>
                    nginx.publish({ all: true, except: [b, d], event: 'all' })
                ),
                '100001'
            );
        });

        await test('join and leave by an answer', async () => {
            const [a, b] = [room(), room()];
            const c = backend
                .case()
                .on('join', (e) => [
                    { op: 'join', room: e.args[0] },
                    { op: 'ack', args: [] }
                ])
                .on('leave', (e) => [
                    { op: 'leave', room: e.args[0] },
                    { op: 'ack', args: [] }
                ]);
            const [s, other] = await members(c, 2);
            const does = (what, r) => new Promise((resolve) => s.emit(what, r, resolve));
            const inside = async (r) =>
                received([s, other], 'e', () => nginx.publish({ room: r, event: 'e' }));

            assert.equal(await inside(a), '00');
            await does('join', a);
            assert.equal(await inside(a), '10');
            await does('join', [a, b]);
            assert.deepEqual([await inside(a), await inside(b)], ['10', '10']);
            await does('leave', a);
            assert.deepEqual([await inside(a), await inside(b)], ['00', '10']);
            await does('leave', 'never joined');
            s.disconnect();
            const e = await c.wait('disconnect', { sid: s.id });
            assert.ok(e, 'disconnect');
            assert.deepEqual(
                c.of('disconnect')[0].rooms.filter((r) => r !== c.of('disconnect')[0].sid),
                [b]
            );
            assert.equal((await nginx.publish({ room: b, event: 'e' })).count, 0);
        });

        await test('join and leave by the publish API', async () => {
            const [a, b, d] = [room(), room(), room()];
            const c = backend.case().on('connect', () => ({ op: 'accept', rooms: [a] }));
            const s = await members(c, 4);
            const inside = (r) => received(s, 'e', () => nginx.publish({ room: r, event: 'e' }));

            assert.equal((await nginx.publish({ op: 'join', sid: s[0].id, room: b })).count, 1);
            assert.equal(await inside(b), '1000');
            assert.equal(
                (await nginx.publish({ op: 'join', in: a, except: s[3].id, room: [b, d] })).count,
                3
            );
            assert.deepEqual([await inside(b), await inside(d)], ['1110', '1110']);
            await nginx.publish({ op: 'leave', in: b, except: s[0].id, room: d });
            assert.equal(await inside(d), '1000');
            await nginx.publish({ op: 'leave', sid: [s[0].id, s[1].id], room: [a, b] });
            assert.deepEqual([await inside(a), await inside(b)], ['0011', '0010']);
            assert.equal((await nginx.publish({ op: 'join', sid: 'nobody', room: a })).count, 0);
        });

        await test('rooms of a namespace are its own', async () => {
            const r = room();
            const c = backend.case().on('connect', () => ({ op: 'accept', rooms: [r] }));
            const root = await connect(nginx, mode, { auth: c.auth });
            const custom = root.io.socket('/custom', { auth: c.auth });
            await once(custom, 'connect');

            assert.equal(
                await received([root, custom], 'e', () =>
                    nginx.publish({ nsp: '/custom', room: r, event: 'e' })
                ),
                '01'
            );
            assert.equal(
                await received([root, custom], 'e', () => nginx.publish({ room: r, event: 'e' })),
                '10'
            );
        });

        await test('count', async () => {
            const r = room();
            const c = backend
                .case()
                .on('connect', () => ({ op: 'accept', rooms: [r], data: { a: 1 } }));
            await members(c, 3);

            assert.equal((await nginx.publish({ op: 'count', room: r })).count, 3);
        });

        await test(
            'members that join while others publish get all that follows',
            async () => {
                const r = room();
                const c = backend.case().on('connect', () => ({ op: 'accept', rooms: [r] }));
                let i = 0;
                let stop = false;
                const publisher = (async () => {
                    while (!stop) {
                        await nginx.publish({ room: r, event: 'n', args: [i++] });
                    }
                })();
                try {
                    for (let k = 0; k < 4; k++) {
                        const socket = await connect(nginx, MODES[k % MODES.length], {
                            auth: c.auth,
                            soon: true
                        });
                        const got = collect(socket, 'n');
                        const args = (await got.get(100)).map((a) => a[0]);
                        assert.deepEqual(
                            args,
                            args.map((v, j) => args[0] + j),
                            `client ${k}`
                        );
                        socket.disconnect();
                    }
                } finally {
                    stop = true;
                    await publisher;
                }
                await c.wait('disconnect', { n: 4 });
                await sleep(20);
            },
            { timeout: 30000 }
        );
    })
);
