#!/usr/bin/env node
'use strict';

/*
 * The examples as they are shipped, started by their own scripts: the backend in
 * nginx.conf, the one in Python behind proxy_pass, the one in PHP behind
 * fastcgi_pass; each with real clients on each transport.
 */

const { spawn } = require('node:child_process');
const net = require('node:net');
const path = require('node:path');
const {
    BAD,
    BINARY,
    MODES,
    MODULE,
    MODULES,
    NDK,
    ROOT,
    assert,
    cleanup,
    client,
    closeAll,
    collect,
    connect,
    freePort,
    main,
    once,
    request,
    sleep,
    tempDir,
    test,
    until
} = require('./lib');

class Demo {
    constructor(name) {
        this.name = name;
        this.output = '';
    }

    /* A port may be lost to another process meanwhile: three tries. */
    async start() {
        for (let i = 0; ; i++) {
            try {
                await this.startOnce();
                return;
            } catch (e) {
                this.child.kill();
                if (i === 2 || !/Address already in use/.test(e.message)) {
                    throw e;
                }
            }
        }
    }

    async startOnce() {
        this.output = '';
        this.ended = false;
        this.port = await freePort();
        this.backendPort = await freePort();
        this.child = spawn(path.join(ROOT, 'conf.example', this.name, 'run'), {
            env: {
                ...process.env,
                PORT: `127.0.0.1:${this.port}`,
                BACKEND_PORT: this.backendPort,
                CHAT_TOKEN: 'secret',
                TMPDIR: tempDir(),
                NGINX_BINARY: BINARY,
                SOCKETIO_MODULE: MODULE,
                NDK_MODULE: NDK,
                CLIENT_DIST: path.join(MODULES, 'socket.io-client/dist')
            },
            stdio: ['ignore', 'pipe', 'pipe']
        });
        const { child } = this;
        for (const s of [child.stdout, child.stderr]) {
            s.on('data', (d) => {
                this.output += d;
            });
        }
        child.on('error', (e) => {
            this.output += e.message;
            this.ended = true;
        });
        child.on('close', () => {
            this.ended = this.ended || this.child === child;
        });
        cleanup(() => child.kill());
        await until(
            async () => {
                if (this.ended) {
                    throw new Error(`${this.name}/run ended: ${this.output}`);
                }
                return (
                    (await request(this.port, '/').catch(() => false)) &&
                    (this.name !== 'python' || this.listens(this.backendPort))
                );
            },
            () => `${this.name} answers: ${this.output}`,
            15000
        );
    }

    listens(port) {
        return new Promise((resolve) => {
            const s = net
                .connect(port, '127.0.0.1', () => {
                    s.destroy();
                    resolve(true);
                })
                .on('error', () => resolve(false));
        });
    }

    get url() {
        return `http://127.0.0.1:${this.port}`;
    }

    async publish(command) {
        const res = await request(this.port, '/_publish', { body: JSON.stringify(command) });
        return JSON.parse(res.text);
    }

    async stop() {
        this.child.kill('SIGTERM');
        await until(
            () => this.ended,
            () => `${this.name}/run ends: ${this.output}`,
            10000
        );
        assert.doesNotMatch(this.output, BAD);
        assert.equal(await this.listens(this.port), false, 'nginx is still there');
        assert.equal(await this.listens(this.backendPort), false, 'the backend is still there');
    }
}

main(async () => {
    for (const name of ['chat', 'python', 'php']) {
        const demo = new Demo(name);
        const tokens = name !== 'chat';
        const auth = { token: 'secret' };

        if (!(await test(`${name}: starts`, () => demo.start(), { timeout: 50000 }))) {
            continue;
        }

        await test(`${name}: serves the page and the client`, async () => {
            const page = await request(demo.port, '/');
            assert.match(page.text, /<title>Chat/);
            assert.match(page.headers['content-type'], /^text\/html/);
            const js = await request(demo.port, '/socket.io/socket.io.min.js');
            assert.equal(js.status, 200);
            assert.match(js.headers['content-type'], /^application\/javascript/);
        });

        for (const mode of MODES) {
            const point = async (what, fn) => {
                await test(`${name}, ${mode}: ${what}`, fn, { evidence: () => demo.output });
                closeAll();
            };

            if (tokens) {
                await point('a wrong token', async () => {
                    for (const a of [{ token: 'wrong' }, {}, { token: ['secret'] }]) {
                        const [err] = await once(client(demo, mode, { auth: a }), 'connect_error');
                        assert.equal(err.message, 'wrong token');
                        assert.deepEqual(err.data, { code: 'bad_token' });
                    }
                });

                /* in a batch alone, an empty answer would be a yes */
                await point('what a backend cannot read is not let in', async () => {
                    const deep = JSON.parse('['.repeat(1200) + ']'.repeat(1200));
                    for (const more of ['\ud800', deep]) {
                        const socket = client(demo, mode, { auth: { token: 'wrong', more } });
                        socket.on('connect', () => (socket.in = true));
                        await Promise.race([
                            once(socket, 'connect_error'),
                            once(socket.io, 'close'),
                            once(socket, 'connect')
                        ]);
                        assert.equal(socket.in, undefined, 'connected!');
                    }
                });

                await point('acks and rooms', async () => {
                    const [a, b, d] = [
                        await connect(demo, mode, { auth }),
                        await connect(demo, mode, { auth }),
                        await connect(demo, mode, { auth })
                    ];
                    const ask = (s, ...args) =>
                        new Promise((resolve) => s.emit(...args, (...x) => resolve(x)));
                    const got = [a, b, d].map((s) => collect(s, 'from'));

                    assert.deepEqual(await ask(a, 'join', 'tea'), ['joined', 'tea']);
                    assert.deepEqual(await ask(b, 'join', 'tea'), ['joined', 'tea']);
                    a.emit('nick', 'ann');
                    // its data comes with the events of later batches
                    assert.deepEqual(await ask(a, 'chat message', 'x'), ['delivered']);
                    a.emit('to', 'tea', 'milk?', { n: 1 });
                    assert.deepEqual((await got[1].get(1))[0], [['ann'], 'milk?', { n: 1 }]);
                    assert.deepEqual(await ask(a, 'chat message', 'x'), ['delivered']);
                    assert.deepEqual(
                        got.map((g) => g.length),
                        [0, 1, 0]
                    );
                });
            }

            await point('names, messages, typing, goodbye', async () => {
                const a = await connect(demo, mode, { auth });
                const b = await connect(demo, mode, { auth });
                const joined = collect(a, 'joined');
                const said = [a, b].map((s) => collect(s, 'chat message'));

                b.emit('nick', 'böb <i>');
                assert.deepEqual((await joined.get(1))[0], [['böb <i>']]);

                b.emit('typing');
                assert.deepEqual(await once(a, 'typing'), [['böb <i>']]);
                b.emit('chat message', '<b>hi</b> "\\ \u2028 😀');
                b.emit('chat message', { empty: {}, list: [], float: 0.1, none: null });
                b.emit('chat message', Buffer.from([0, 255, 4]));
                for (const s of said) {
                    const all = (await s.get(3)).map(([who, [what]]) => [
                        who,
                        Buffer.isBuffer(what) ? [...what] : what
                    ]);
                    assert.deepEqual(all, [
                        [['böb <i>'], '<b>hi</b> "\\ \u2028 😀'],
                        [['böb <i>'], { empty: {}, list: [], float: 0.1, none: null }],
                        [['böb <i>'], [0, 255, 4]]
                    ]);
                }
                b.disconnect();
                assert.deepEqual(await once(a, 'left'), [['böb <i>']]);
            });

            await point('nobody named, and the publish API', async () => {
                const a = await connect(demo, mode, { auth });
                const b = await connect(demo, mode, { auth });
                const said = collect(a, 'chat message');
                b.emit('unknown', 1);
                b.emit('chat message', 'hi');
                assert.deepEqual((await said.get(1))[0], [null, ['hi']]);

                const notice = once(b, 'notice');
                assert.ok(
                    (await demo.publish({ room: 'lobby', event: 'notice', args: ['lunch'] }))
                        .count >= 2
                );
                assert.deepEqual(await notice, ['lunch']);
            });

            await point('what a backend cannot read costs nobody else', async () => {
                const a = await connect(demo, mode, { auth });
                const b = await connect(demo, mode, { auth });
                const said = collect(a, 'chat message');
                for (let i = 0; i < 10; i++) {
                    a.emit('chat message', '\ud800');
                    a.emit('nick', { toString: null });
                    a.emit('join', { a: 1 });
                    a.emit('to');
                    a.emit('typing', [[[]]]);
                    b.emit('chat message', i);
                }
                await until(
                    () => said.filter(([, args]) => typeof args[0] === 'number').length === 10,
                    () => JSON.stringify(said),
                    8000
                );
                assert.equal(a.connected && b.connected, true);
            });

            await point('500 messages in order', async () => {
                const a = await connect(demo, mode, { auth });
                const b = await connect(demo, mode, { auth, soon: true });
                const said = collect(a, 'chat message');
                for (let i = 0; i < 500; i++) {
                    b.emit('chat message', i);
                }
                assert.deepEqual(
                    (await said.get(500, 12000)).map(([, [i]]) => i),
                    Array.from({ length: 500 }, (v, i) => i)
                );
            });
        }
        await sleep(50);
        await test(`${name}: ends, backend and all`, () => demo.stop());
    }
});
