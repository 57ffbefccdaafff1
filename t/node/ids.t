#!/usr/bin/env node
'use strict';

/*
 * What a client calls its socket, given to the backend as Laravel Echo does with
 * X-Socket-ID, means that socket: for clients of revision 3 an id made of the
 * session's, for others the sid that they were told.
 *
 * Fails if the sender of a message gets it, if somebody in another namespace is
 * meant, or if the session id of a client of revision 4, which it never calls its
 * socket, is taken for one.
 */

const { ERAS, assert, collect, combinations, connect, each, main, matrix, once } = require('./lib');

const old = combinations({ 1.7: ERAS['1.7'], 2.5: ERAS['2.5'] });
const all = combinations(ERAS);

main(() =>
    matrix(
        async ({ nginx, backend, test }) => {
            const join = (x, c) =>
                connect(nginx, x.mode, {
                    era: x.era,
                    query: { test: c.id },
                    ...(x.eio > 3 && { auth: c.auth })
                });

            /* both namespaces of a client, and who else is there */
            async function company(x) {
                const c = backend.case().on('connect', () => ({ op: 'accept', rooms: [c.id] }));
                const root = await join(x, c);
                const other = await join(x, c);
                const custom = root.io.socket('/custom', { auth: c.auth });
                if (!custom.connected) {
                    await once(custom, 'connect');
                }
                await c.wait('connect', { n: 3 });
                return { room: c.id, root, other, custom };
            }

            /* how many of an event each has got, when a mark behind it has come */
            async function received(c, sockets, publish) {
                const got = sockets.map((s) => collect(s, 'e'));
                const marks = sockets.map((s) => collect(s, 'mark'));
                const { count } = await publish();
                for (const nsp of ['/', '/custom']) {
                    await nginx.publish({ nsp, room: c.room, event: 'mark' });
                }
                await Promise.all(marks.map((m) => m.get(1)));
                sockets.forEach((s) => s.off('e').off('mark'));
                return `${got.map((g) => g.length).join('')} ${count}`;
            }

            await test('sio 23: socket.id of the client is a sid, and to be excepted', () =>
                each(all, async (x) => {
                    const c = await company(x);
                    const { room, root, other, custom } = c;
                    const s = [root, other, custom];
                    const to = (target) =>
                        received(c, s, () => nginx.publish({ event: 'e', ...target }));

                    assert.ok(root.id && custom.id);
                    assert.equal(await to({ room, except: root.id }), '010 1');
                    assert.equal(await to({ room, except: [root.id, 'x'] }), '010 1');
                    assert.equal(await to({ sid: root.id }), '100 1');
                    assert.equal(await to({ room: root.id }), '100 1');
                    assert.equal(await to({ sid: [root.id, other.id] }), '110 2');
                    assert.equal(await to({ nsp: '/custom', sid: custom.id }), '001 1');
                    assert.equal(await to({ nsp: '/custom', room, except: custom.id }), '000 0');
                    if (x.era !== '1.7') {
                        /* clients 1.x have one id for all namespaces */
                        assert.equal(await to({ sid: custom.id }), '000 0');
                        assert.equal(await to({ room, except: custom.id }), '110 2');
                    }

                    /* as selectors have it, and the commands that look */
                    const join = { op: 'join', sid: root.id, room: `${room} j` };
                    assert.equal((await nginx.publish(join)).count, 1);
                    assert.equal(await to({ room: `${room} j` }), '100 1');
                    const { sockets } = await nginx.publish({
                        op: 'fetch',
                        room,
                        except: other.id,
                        fields: ['rooms']
                    });
                    assert.equal(sockets.length, 1);
                    assert.deepEqual(sockets[0].rooms.sort(), [room, `${room} j`]);
                    if (x.eio > 3) {
                        assert.equal(sockets[0].sid, root.id);
                    } else {
                        assert.ok(!sockets[0].sid.includes(root.io.engine.id));
                    }

                    /* one socket is meant: its data, its end */
                    const data = { op: 'data', sid: custom.id, nsp: '/custom', data: { n: 1 } };
                    assert.equal((await nginx.publish(data)).count, 1);
                    const f = { op: 'fetch', nsp: '/custom', room, fields: ['data'] };
                    assert.deepEqual((await nginx.publish(f)).sockets[0].data, { n: 1 });
                    const gone = once(custom, 'disconnect');
                    const end = { op: 'disconnect', nsp: '/custom', sid: custom.id };
                    assert.equal((await nginx.publish(end)).count, 1);
                    await gone;
                    assert.equal((await nginx.publish(data)).count, 0);
                    assert.equal(
                        await received(c, [root, other], () =>
                            nginx.publish({ event: 'e', room, except: root.id })
                        ),
                        '01 1'
                    );
                }));

            await test('sio 23: the id of a session of revision 4 is none', () =>
                each(
                    all.filter((x) => x.eio > 3),
                    async (x) => {
                        const c = await company(x);
                        const { room, root, other, custom } = c;
                        const sid = root.io.engine.id;
                        const to = (target) =>
                            received(c, [root, other, custom], () =>
                                nginx.publish({ event: 'e', ...target })
                            );

                        assert.ok(sid.length > 20);
                        assert.equal(await to({ sid }), '000 0');
                        assert.equal(await to({ room: sid }), '000 0');
                        assert.equal(await to({ room, except: sid }), '110 2');
                        const there = `/custom#${sid}`;
                        assert.equal(await to({ nsp: '/custom', sid: there }), '000 0');
                    }
                ));

            await test('sio 23: no other form of it', () =>
                each(old, async (x) => {
                    const { room, root } = await company(x);
                    const { id } = root.io.engine;
                    const count = async (sid, nsp = '/') =>
                        (await nginx.publish({ op: 'count', sid, nsp })).count;

                    assert.equal(await count(id), 1);
                    assert.equal(await count(`/custom#${id}`, '/custom'), 1);
                    assert.equal(await count(`/#${id}`), 1, 'as servers 1.x said it');
                    for (const sid of [
                        `/custom#${id}`,
                        `#${id}`,
                        `x${id}`,
                        `${id}x`,
                        id.slice(1),
                        `/custom${id}`,
                        id.replace(/^./, (s) => (s === 'A' ? 'B' : 'A'))
                    ]) {
                        assert.equal(await count(sid), 0, sid);
                    }
                    assert.equal(await count(`/custom/#${id}`, '/custom'), 0);
                    assert.equal(await count(`/#${id}`, '/custom'), 0);

                    /* others may join a room of that name, and get nothing that is for it */
                    await nginx.publish({ op: 'join', in: room, except: id, room: id });
                    assert.equal(await count([id, 'x']), 1);
                    assert.equal((await nginx.publish({ op: 'count', room: id })).count, 2);
                    assert.equal(await count(`/#${id}`), 1);
                }));
        },
        { modes: ['upgrade'] }
    )
);
