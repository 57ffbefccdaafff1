#!/usr/bin/env node
'use strict';

/*
 * Connection state recovery as socket.io-client does it, while emits go on: who
 * is told that he was recovered has all that was emitted, once and in order,
 * whatever ended his connection.  Fails if a message is lost or doubled between
 * two connections, or if nobody is ever recovered.
 */

const {
    Backend,
    Nginx,
    assert,
    chat,
    client,
    main,
    matrix,
    once,
    sleep,
    test,
    until
} = require('./lib');

/* A socket in the room "r": what it got, by connection. */
async function listener(nginx, mode, backend) {
    const c = backend.case().on('connect', (e) => ({ op: 'accept', rooms: ['r'] }));
    const socket = client(nginx, mode, { auth: c.auth });
    const lives = [];
    socket.on('connect', () => {
        /* what was missed comes before it */
        if (!socket.recovered) {
            lives.push({ got: [], recovered: 0 });
        } else {
            lives.at(-1).recovered++;
        }
    });
    socket.on('n', (n) => lives.at(-1).got.push(n));
    await once(socket, 'connect');
    return { c, socket, lives, all: () => lives.flatMap((l) => l.got) };
}

/* One number after another, until stop(), which gives the last. */
function numbers(nginx, n = 0) {
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

/* What fn does to nginx ends all connections; they come back, and miss nothing. */
async function ends(what, fn, allowed) {
    const backend = await new Backend().start();
    const nginx = new Nginx({ http: chat(backend.port, '', '32m recovery=1m'), workers: 2 });
    const evidence = () => `${backend.evidence()}\n${nginx.evidence()}`;
    await test(`${what}: nginx starts`, () => nginx.start(), { timeout: 50000 });
    await test(
        what,
        async () => {
            const ls = [];
            for (let i = 0; i < 4; i++) {
                ls.push(await listener(nginx, 'websocket', backend));
            }
            const before = numbers(nginx);
            await until(() => ls.every((l) => l.all().length > 3), 'the first numbers');

            /* a publisher must know what was emitted: it stops for the while */
            const n = await before.stop();
            await until(() => ls.every((l) => l.all().at(-1) === n), 'all of them');

            const gone = Promise.all(ls.map((l) => once(l.socket, 'disconnect', 30000)));
            await fn(nginx);
            await gone;

            const meanwhile = numbers(nginx, n);
            await until(() => meanwhile.now() > n + 5, 'more numbers');
            await Promise.all(
                ls.map(async (l) => {
                    await heard(backend, l, 1);
                    l.socket.connect();
                    await once(l.socket, 'connect', 15000);
                })
            );
            const last = await meanwhile.stop();
            await until(
                () => ls.every((l) => l.all().at(-1) === last),
                () => `${last}, not ${ls.map((l) => l.all().at(-1))}`
            );
            ls.forEach((l) => whole(l, last));
            assert.ok(recovered(ls) > 0, 'nobody was recovered');
            ls.forEach((l) => l.socket.disconnect());
            await until(
                () => backend.present().length === 0,
                () => backend.present().join(' ')
            );
            const problems = backend.check().filter((p) => !allowed?.test(p));
            assert.equal(problems.length, 0, problems.join('\n'));
        },
        { timeout: 90000, evidence }
    );
    await test(`${what}: nginx ends`, () => nginx.stop(), { timeout: 20000, evidence });
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
                    /* the backend is told, but not asked: perhaps later than the client */
                    const told = () => l.c.of('connect').filter((e) => e.recovered).length;
                    await until(() => told() >= recovered([l]), 'the backend knows, too');
                    assert.equal(told(), recovered([l]));
                },
                { timeout: 60000 }
            );
        },
        { zone: '32m recovery=1m' }
    );

    /* old workers close what is left when worker_shutdown_timeout is over */
    await ends('a reload', (nginx) => nginx.child.kill('SIGHUP'));

    /* who dies with an answer unread leaves its events to be sent again */
    const kill = async (nginx) => {
        for (const pid of nginx.children()) {
            process.kill(pid, 'SIGKILL');
            await until(
                () => nginx.children().length === 2 && !nginx.children().includes(pid),
                'another one'
            );
        }
    };
    await ends('each worker is killed', kill, /^repeated, though it was answered/);
});
