#!/usr/bin/env node
'use strict';

/*
 * Connection state recovery as socket.io-client does it, while emits go on: who
 * is told that he was recovered has all that was emitted, once and in order,
 * whatever ended his connection.  Fails if a message is lost or doubled between
 * two connections, or if nobody is ever recovered.
 */

const { Backend, assert, chat, client, main, matrix, once, sleep, test, until } = require('./lib');
const { Nginx } = require('./lib');

/* A socket in the room "r": what it got, by connection. */
async function listener(nginx, mode, backend, options = {}) {
    const c = backend.case().on('connect', (e) => ({ op: 'accept', rooms: ['r'] }));
    const socket = client(nginx, mode, { auth: c.auth, ...options });
    const lives = [];
    socket.on('connect', () => {
        /* what was missed comes before it */
        if (!socket.recovered) {
            lives.push({ id: socket.id, got: [], recovered: 0, before: socket.missed || 0 });
        } else {
            lives.at(-1).recovered++;
        }
    });
    socket.on('n', (n) => lives.at(-1).got.push(n));
    await once(socket, 'connect');
    return { c, socket, lives, all: () => lives.flatMap((l) => l.got) };
}

/* One number after another, until stop(), which gives the last. */
function numbers(nginx) {
    let n = 0;
    let on = true;
    const done = (async () => {
        while (on) {
            await nginx.publish({ room: 'r', event: 'n', args: [++n] });
        }
    })();
    return {
        now: () => n,
        stop: async () => {
            on = false;
            await done;
            return n;
        }
    };
}

/* The backend has answered the disconnect, and nginx has had time to read that. */
async function heard(backend, l, n) {
    const e = await l.c.wait('disconnect', { n, ms: 15000 });
    await until(() => backend.answered.has(e.id), 'the disconnect is answered');
    await sleep(200);
}

/* Within a life all numbers follow one another, up to the last of them. */
function whole(l, last) {
    for (const { got } of l.lives) {
        got.forEach((n, i) => assert.equal(n, got[0] + i, `${n} behind ${got[i - 1]}`));
    }
    assert.equal(l.all().at(-1), last);
}

const recovered = (ls) => ls.reduce((n, l) => n + l.lives.reduce((k, x) => k + x.recovered, 0), 0);

async function ends(workers, what, fn) {
    const backend = await new Backend().start();
    const nginx = new Nginx({
        http: chat(backend.port, '', '32m recovery=1m'),
        workers
    });
    await nginx.start();
    await test(
        what,
        async () => {
            const ls = await Promise.all(
                ['websocket', 'websocket', 'polling', 'upgrade', 'websocket', 'websocket'].map(
                    (mode) => listener(nginx, mode, backend)
                )
            );
            const emits = numbers(nginx);
            await until(() => ls.every((l) => l.all().length > 3), 'the first numbers');

            const back = ls.map(async (l) => {
                await once(l.socket, 'disconnect', 20000);
                await heard(backend, l, 1);
                l.socket.connect();
                await once(l.socket, 'connect', 15000);
            });
            const gone = await fn(nginx, ls, back);
            const from = emits.now();
            await until(() => emits.now() > from + 5, 'more numbers');
            const last = await emits.stop();
            await until(
                () => ls.every((l) => l.all().at(-1) === last),
                () => JSON.stringify(ls.map((l) => [last, l.lives.map((x) => x.got.slice(-2))]))
            );
            ls.forEach((l) => whole(l, last));
            assert.ok(gone > 0 && recovered(ls) > 0, `${recovered(ls)} of ${gone} recovered`);
            ls.forEach((l) => l.socket.disconnect());
            await until(() => backend.present().length === 0, () => backend.present().join(' '));
            assert.equal(backend.check().length, 0, backend.check().join('\n'));
        },
        { timeout: 60000, evidence: () => `${backend.evidence()}\n${nginx.evidence()}` }
    );
    return { nginx, backend };
}

main(async () => {
    await matrix(
        async ({ nginx, backend, mode, test: point }) => {
            await point(
                'lost again and again, while emits go on',
                async () => {
                    const l = await listener(nginx, mode, backend);
                    const emits = numbers(nginx);

                    for (let i = 1; i <= 5; i++) {
                        const n = l.all().length;
                        await until(() => l.all().length > n + 2, 'more numbers');
                        l.socket.io.engine.close();
                        await heard(backend, l, i);
                        l.socket.connect();
                        await once(l.socket, 'connect');
                    }

                    const last = await emits.stop();
                    await until(() => l.all().at(-1) === last, 'the last number');
                    whole(l, last);
                    assert.ok(recovered([l]) > 0, 'never recovered');
                    const connects = l.c.of('connect').filter((e) => e.recovered);
                    assert.equal(connects.length, recovered([l]));
                },
                { timeout: 60000 }
            );
        },
        { zone: '32m recovery=1m' }
    );

    const { nginx } = await ends(2, 'a reload', async (server, ls, back) => {
        server.child.kill('SIGHUP');
        /* who polls moves to a new worker unharmed */
        const some = back.filter((x, i) => !['polling'].includes(ls[i].socket.io.opts.transports[0]));
        await Promise.all(some);
        return some.length;
    });
    await nginx.finish('a reload');

    await ends(2, 'a worker is killed', async (server, ls, back) => {
        const pid = [...server.pids()].at(0);
        process.kill(Number(pid), 'SIGKILL');
        await until(() => ls.some((l) => !l.socket.connected), 'somebody is cut off', 15000);
        await sleep(100);
        const some = back.filter((x, i) => !ls[i].socket.connected);
        await Promise.all(some);
        return some.length;
    }).then(({ nginx: server }) => server.stop());
});
