#!/usr/bin/env node
'use strict';

/*
 * The recipes of README.md that have an example of their own: channels whose
 * users are known by the session cookie of an application (channels.conf).
 *
 * Fails if a client can say itself who it is, gets into a room that is not meant
 * for it, or stays there when its user is put out; if the sender of a message gets
 * it too; or if those in a presence channel do not hear who comes and goes.
 */

const { MODES, assert, closeAll, collect, connect, main, once, test, until } = require('./lib');
const { Demo } = require('./lib/demo');

const ask = (socket, what, channel) => socket.emitWithAck(what, { channel });

main(async () => {
    const demo = new Demo('channels');

    if (!(await test('channels: starts', () => demo.start(), { timeout: 50000 }))) {
        return;
    }

    for (const mode of MODES) {
        const point = async (what, fn) => {
            await test(`channels, ${mode}: ${what}`, fn, { evidence: () => demo.output });
            closeAll();
            await until(
                async () => (await demo.publish({ op: 'count', all: true })).count === 0,
                () => 'all have left',
                8000
            );
        };
        const visit = (session, headers = {}) =>
            connect(demo, mode, { headers: { ...(session && { cookie: session }), ...headers } });

        await point('who has no session has no user', async () => {
            for (const guest of [
                await visit(),
                await visit('session=stolen'),
                await visit('session=wrong', { 'X-User': 'ann' }),
                await connect(demo, mode, { query: { 'x-user': 'ann' }, auth: { 'x-user': 'ann' } })
            ]) {
                assert.equal(await ask(guest, 'subscribe', 'public-news'), true);
                assert.equal(await ask(guest, 'subscribe', 'private-orders.1'), false);
                assert.equal(await ask(guest, 'subscribe', 'presence-room'), false);
            }
        });

        await point('private channels', async () => {
            const ann = await visit('a=b; session=ann-session', { 'X-User': 'bob' });

            assert.equal(await ask(ann, 'subscribe', 'private-orders.1'), true);
            for (const other of ['private-orders.2', 'private-', 'user:bob', '', [], null, 1]) {
                assert.equal(await ask(ann, 'subscribe', other), false, String(other));
            }
            const command = { room: 'private-orders.2', event: 'OrderShipped', args: [2] };
            assert.equal((await demo.publish(command)).count, 0);
        });

        await point('to others', async () => {
            const tabs = [];
            for (let i = 0; i < 2; i++) {
                tabs.push(await visit('session=ann-session'));
                await ask(tabs[i], 'subscribe', 'private-orders.1');
            }
            const got = tabs.map((s) => collect(s, 'OrderShipped'));
            const command = { room: 'private-orders.1', event: 'OrderShipped', args: [{ id: 1 }] };

            assert.equal((await demo.publish({ ...command, except: tabs[0].id })).count, 1);
            assert.deepEqual(await got[1].get(1), [[{ id: 1 }]]);
            assert.equal((await demo.publish(command)).count, 2);
            assert.deepEqual(await got[0].get(1), [[{ id: 1 }]]);
            assert.equal(got[0].length, 1);

            assert.equal(await ask(tabs[1], 'unsubscribe', 'private-orders.1'), true);
            assert.equal((await demo.publish(command)).count, 1);
        });

        await point('presence', async () => {
            const ann = await visit('session=ann-session');
            const seen = [];
            const room = `presence-${mode}`;
            ann.onAny((...args) => seen.push(args));
            await ask(ann, 'subscribe', room);

            const bob = await visit('session=bob-session');
            const left = once(ann, 'left');
            await ask(bob, 'subscribe', 'public-news');
            await ask(bob, 'subscribe', room);
            bob.disconnect();
            await left;
            assert.deepEqual(seen, [
                ['joined', room, 'bob'],
                ['left', room, 'bob']
            ]);
        });

        await point('logged out', async () => {
            const ann = await visit('session=ann-session');
            const bob = await visit('session=bob-session');
            const gone = once(ann, 'disconnect');
            const command = { op: 'disconnect', room: 'user:ann', close: true };

            assert.ok((await demo.publish(command)).count >= 1);
            await gone;
            assert.equal(await ask(bob, 'subscribe', 'private-orders.2'), true);
        });
    }
    await test('channels: ends', () => demo.stop());
});
