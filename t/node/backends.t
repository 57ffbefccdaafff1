#!/usr/bin/env node
'use strict';

/*
 * The examples as they are shipped, started by run.sh: the chat whose backend is
 * nginx.conf; and one application in several languages, behind proxy_pass and
 * fastcgi_pass, which all pass one and the same script of real clients on each
 * transport, and make the same transcript of it.
 *
 * An example that differs from the others in anything a client sees fails, and so
 * does one that takes a batch whose signature is wrong, or that lets an event it
 * cannot read cost another one.
 */

const { createHmac } = require('node:crypto');
const {
    MODES,
    Nginx,
    assert,
    client,
    closeAll,
    collect,
    connect,
    main,
    once,
    open,
    request,
    test,
    until
} = require('./lib');
const { Demo } = require('./lib/demo');

const LANGUAGES = ['node', 'php', 'python', 'ruby'];

const SECRET = 'a secret of backends.t';

const plain = (v) =>
    JSON.parse(JSON.stringify(v, (k, x) => (x && x.type === 'Buffer' ? { bytes: x.data } : x)));

/*
 * Somebody who is there all the time, as ann, and sees the others leave: what is
 * left of one test must not be seen by the next.
 */
async function watch(demo) {
    const left = collect(await connect(demo, 'websocket', { auth: { token: 'ann-token' } }), 'left');
    open.clear();
    demo.people = 0;
    return async () => {
        closeAll();
        await left.get(demo.people);
    };
}

/* A client that remembers all that it gets, in order. */
async function person(demo, mode, token, options) {
    const socket = await connect(demo, mode, { auth: { token }, ...options });
    const got = [];
    demo.people++;
    socket.onAny((...args) => {
        const answer = typeof args.at(-1) === 'function' && args.pop();
        got.push(plain(args));
        if (answer) {
            answer('because', Buffer.from([1, 2]));
        }
    });
    return Object.assign(socket, {
        got,
        seen: (n) =>
            until(
                () => got.length >= n,
                () => `${n} events, only ${JSON.stringify(got)}`,
                8000
            )
    });
}

/* What all of them have to do.  Each step waits for what it brings about. */
async function play(demo, mode) {
    const refused = [];
    for (const auth of [{ token: 'wrong' }, {}, { token: ['ann-token'] }, { token: 1 }, undefined]) {
        const [error] = await once(client(demo, mode, { auth }), 'connect_error');
        refused.push([error.message, error.data]);
    }

    const ann = await person(demo, mode, 'ann-token');
    const bob = await person(demo, mode, 'bob-token');
    const ann2 = await person(demo, mode, 'ann-token');
    const said = [];
    const counts = [];

    said.push(await ann.emitWithAck('msg', '<b>"hí" \\ \u2028 😀', { a: {}, b: [], c: 0.5, d: null }));
    said.push(await ann.emitWithAck('msg', { deep: [Buffer.from([0, 255])] }, Buffer.alloc(0)));
    await Promise.all([bob.seen(2), ann2.seen(2)]);

    bob.emit('echo', Buffer.from([0, 255, 4]), 'x', {}, Buffer.from('é'));
    bob.emit('echo');
    await bob.seen(4);

    bob.emit('join', 'tea');
    bob.emit('join', { a: 1 });
    bob.emit('join');
    bob.emit('unknown', 1);
    bob.emit('ack', 'of nothing');
    said.push(await bob.emitWithAck('msg'));
    await Promise.all([ann.seen(1), ann2.seen(3)]);
    for (const room of ['room:tea', 'user:ann', 'lobby']) {
        counts.push((await demo.publish({ room, event: 'published', args: [room] })).count);
    }
    await Promise.all([ann.seen(3), bob.seen(6), ann2.seen(5)]);

    ann.emit('ask', 'bob', 'why?', Buffer.from([3]));
    ann.emit('ask', { bob: 1 });
    ann.emit('ask', 'nobody');
    await Promise.all([ann.seen(4), bob.seen(7)]);

    bob.disconnect();
    await Promise.all([ann.seen(5), ann2.seen(6)]);
    ann.disconnect();
    await ann2.seen(7);

    return { refused, said, counts, ann: ann.got, bob: bob.got, ann2: ann2.got };
}

const hi = ['msg', 'ann', '<b>"hí" \\ \u2028 😀', { a: {}, b: [], c: 0.5, d: null }];
const bytes = ['msg', 'ann', { deep: [{ bytes: [0, 255] }] }, { bytes: [] }];
const empty = ['msg', 'bob'];
const published = (room) => ['published', room];

const TRANSCRIPT = {
    refused: Array(5).fill(['not authorized', undefined]),
    said: ['ok', 'ok', 'ok'],
    counts: [1, 3, 4], /* with who watches */
    ann: [
        empty,
        published('user:ann'),
        published('lobby'),
        ['answer', 'bob', 'because', { bytes: [1, 2] }],
        ['left', 'bob']
    ],
    bob: [
        hi,
        bytes,
        ['echo', 'bob', { bytes: [0, 255, 4] }, 'x', {}, { bytes: [195, 169] }],
        ['echo', 'bob'],
        published('room:tea'),
        published('lobby'),
        ['question', 'ann', 'bob', 'why?', { bytes: [3] }]
    ],
    ann2: [
        hi,
        bytes,
        empty,
        published('user:ann'),
        published('lobby'),
        ['left', 'bob'],
        ['left', 'ann']
    ]
};

async function application(name) {
    const demo = new Demo(name);
    const evidence = () => demo.output;
    let gone;

    if (!(await test(`${name}: starts`, () => demo.start(), { timeout: 50000 }))) {
        return;
    }
    await test(`${name}: serves the page`, () => page(demo, /<title>Application/));
    await test(`${name}: somebody comes`, async () => {
        gone = await watch(demo);
    });

    for (const mode of MODES) {
        const point = async (what, fn) => {
            await test(`${name}, ${mode}: ${what}`, fn, { evidence, timeout: 30000 });
            await test(`${name}, ${mode}: ${what}: all leave`, gone, { evidence });
        };

        await point('the script', async () => {
            assert.deepEqual(await play(demo, mode), TRANSCRIPT);
        });

        /* in a batch alone, an empty answer would be a yes */
        await point('what a backend cannot read is not let in', async () => {
            const deep = JSON.parse('['.repeat(1200) + ']'.repeat(1200));
            for (const more of ['\ud800', { '\u0000a': 1 }, deep]) {
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

        await point('what a backend cannot read costs nobody else', async () => {
            const ann = await person(demo, mode, 'ann-token');
            const bob = await person(demo, mode, 'bob-token');
            for (let i = 0; i < 10; i++) {
                bob.emit('msg', '\ud800');
                bob.emit('msg', { '\u0000a': 1 }); /* no name of a member in PHP */
                bob.emit('join', { toString: null });
                bob.emit('ask');
                bob.emit('echo', [[[]]]);
                ann.emit('msg', i);
            }
            const numbers = () => bob.got.filter(([, , x]) => typeof x === 'number');
            await until(
                () => numbers().length === 10,
                () => JSON.stringify(bob.got),
                8000
            );
            assert.deepEqual(
                numbers(),
                Array.from({ length: 10 }, (v, i) => ['msg', 'ann', i])
            );
            assert.equal(ann.connected && bob.connected, true);
        });

        await point('500 messages in order', async () => {
            const ann = await person(demo, mode, 'ann-token');
            const bob = await person(demo, mode, 'bob-token', { soon: true });
            for (let i = 0; i < 500; i++) {
                bob.emit('msg', i);
            }
            await until(
                () => ann.got.length >= 500,
                () => `${ann.got.length} of 500`,
                20000
            );
            assert.deepEqual(
                ann.got,
                Array.from({ length: 500 }, (v, i) => ['msg', 'bob', i])
            );
        });
    }
    await test(`${name}: ends, backend and all`, () => demo.stop());
}

/* The backend itself, as nginx would ask it: header, body, seconds -> status */
async function signatures(name) {
    const demo = new Demo(name, { SIO_SECRET: SECRET });
    const body = '[\n{"id":"1","type":"connect","handshake":{"auth":{"token":"é"}}}\n]';
    const now = Math.floor(Date.now() / 1000);
    const mac = (t, key = SECRET, text = body) =>
        createHmac('sha256', key).update(`${t}.${text}`).digest('hex');
    let front;

    if (!(await test(`${name}: starts with a secret`, () => demo.start(), { timeout: 50000 }))) {
        return;
    }
    for (const mode of MODES) {
        await test(`${name}, ${mode}: nobody gets in by a wrong signature`, async () => {
            const socket = client(demo, mode, { auth: { token: 'ann-token' } });
            const [error] = await once(socket, 'connect_error');
            assert.equal(error.message, 'service unavailable');
        });
        closeAll();
    }
    await test(`${name}: a way to it`, async () => {
        front = new Nginx({
            http: `server {
                listen 127.0.0.1:%%PORT%%;
                location = /up { return 200 up; }
                location = /events { ${
                    name === 'php'
                        ? `fastcgi_pass unix:${demo.prefix}/php.sock;
                           fastcgi_param SCRIPT_FILENAME ${demo.prefix}/php/index.php;
                           fastcgi_param REQUEST_METHOD POST;
                           fastcgi_param CONTENT_LENGTH $content_length;`
                        : `proxy_pass http://127.0.0.1:${demo.backendPort};`
                } }
            }`
        });
        await front.start();
    });

    for (const [what, header, status] of [
        ['right', `t=${now},v1=${mac(now)}`, 200],
        ['the second of two', `t=${now},v1=${mac(now, 'old')},v1=${mac(now)}`, 200],
        ['the first of two', `t=${now},v1=${mac(now)},v1=${mac(now, 'next')}`, 200],
        ['four minutes old', `t=${now - 240},v1=${mac(now - 240)}`, 200],
        ['ten minutes old', `t=${now - 600},v1=${mac(now - 600)}`, 401],
        ['of the future', `t=${now + 600},v1=${mac(now + 600)}`, 401],
        ['another time', `t=${now},v1=${mac(now - 1)}`, 401],
        ['another key', `t=${now},v1=${mac(now, 'another')}`, 401],
        ['another body', `t=${now},v1=${mac(now, SECRET, '[]')}`, 401],
        ['cut short', `t=${now},v1=${mac(now).slice(0, -1)}`, 401],
        ['no v1', `t=${now}`, 401],
        ['of another kind', `t=${now},v0=${mac(now)}`, 401],
        ['nonsense', 'nonsense', 401],
        ['none', undefined, 401]
    ]) {
        await test(`${name}: signature: ${what}`, async () => {
            const headers = header && { 'X-Socketio-Signature': header };
            const res = await request(front.port, '/events', { body, headers });
            assert.equal(res.status, status);
            assert.equal(res.text.includes('not authorized'), status === 200, res.text);
        });
    }
    await front.finish(`${name}: signature`);
    await test(`${name}: ends, secret and all`, () => demo.stop());
}

async function page(demo, title) {
    const { text, headers } = await request(demo.port, '/');
    assert.match(text, title);
    assert.match(headers['content-type'], /^text\/html/);
    const js = await request(demo.port, '/socket.io/socket.io.min.js');
    assert.equal(js.status, 200);
    assert.match(js.headers['content-type'], /^application\/javascript/);
}

async function chat() {
    const demo = new Demo('chat');

    if (!(await test('chat: starts', () => demo.start(), { timeout: 50000 }))) {
        return;
    }
    await test('chat: serves the page', () => page(demo, /<title>Chat/));

    for (const mode of MODES) {
        const point = async (what, fn) => {
            await test(`chat, ${mode}: ${what}`, fn, { evidence: () => demo.output });
            closeAll();
        };

        await point('names, messages, typing, goodbye', async () => {
            const a = await connect(demo, mode);
            const b = await connect(demo, mode);
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
                assert.deepEqual(plain(await s.get(3)), [
                    [['böb <i>'], ['<b>hi</b> "\\ \u2028 😀']],
                    [['böb <i>'], [{ empty: {}, list: [], float: 0.1, none: null }]],
                    [['böb <i>'], [{ bytes: [0, 255, 4] }]]
                ]);
            }
            b.disconnect();
            assert.deepEqual(await once(a, 'left'), [['böb <i>']]);
        });

        await point('nobody named, and the publish API', async () => {
            const a = await connect(demo, mode);
            const b = await connect(demo, mode);
            const said = collect(a, 'chat message');
            b.emit('unknown', 1);
            b.emit('chat message', 'hi');
            assert.deepEqual((await said.get(1))[0], [null, ['hi']]);

            const notice = once(b, 'notice');
            const command = { room: 'lobby', event: 'notice', args: ['lunch'] };
            assert.ok((await demo.publish(command)).count >= 2);
            assert.deepEqual(await notice, ['lunch']);
        });
    }
    await test('chat: ends', () => demo.stop());
}

main(async () => {
    await chat();
    for (const name of LANGUAGES) {
        await application(name);
        await signatures(name);
    }
});
