#!/usr/bin/env node
'use strict';

/*
 * What applications do, with socket.io-client of every era (1.7 and 2.5 speak
 * revision 3 of Engine.IO, 3.1, 4.0 and 4.8 revision 4), on each transport, all of
 * them at the same time with two workers.
 *
 * Fails if a revision gets the packets of the other, if a message of a broadcast
 * is encoded once for all though clients differ, or if text goes out as 1.x cannot
 * read it.
 *
 * A 1.x client on polling encodes what it sends in UTF-8 twice (engine.io.md,
 * "1.x client incompatibility").  Nobody can tell: it comes as it was sent.
 */

const {
    BYTES,
    ERAS,
    TEXT,
    assert,
    client,
    collect,
    combinations,
    connect,
    each: forEach,
    main,
    matrix,
    once,
    sleep,
    upgraded
} = require('./lib');

const VALUES = [null, false, 0, -1.5, 1e21, '', [], {}, [[[]]], { a: { b: [null] } }, '__proto__'];
const MORE = `
        location /fast/ {
            socketio chat;
            socketio_namespaces / /custom;
            socketio_hook /_hook;
            socketio_ping_interval 400ms;
            socketio_ping_timeout 1500ms;
        }
        location /only3/ {
            socketio chat;
            socketio_eio 3;
            socketio_hook /_hook;
        }
        location /only4/ {
            socketio chat;
            socketio_eio 4;
            socketio_hook /_hook;
        }
        location "/a b~é/" {
            socketio chat;
            socketio_hook /_hook;
        }
        location /bare {
            socketio chat;
            socketio_hook /_hook;
        }`;

const COMBINATIONS = combinations(ERAS);

const bytes = (x) => (Array.isArray(x) ? x.map(bytes) : Buffer.from(x).toString('base64'));
const echo = (e) => ({ event: e.event, args: e.args, attachments: e.attachments });
const ack = (e) => ({ op: 'ack', args: e.args, attachments: e.attachments });

/* fn for all of them at once */
const each = (fn, list = COMBINATIONS) => forEach(list, fn);

const call = (socket, ...args) =>
    new Promise((resolve) => {
        socket.emit(...args, (...answer) => resolve(answer));
    });

main(() =>
    matrix(
        async ({ nginx, backend, test }) => {
            /* both ways to tell the backend whose case it is */
            const open = ({ era, mode, eio }, c, { query, auth, ...options } = {}) => [
                nginx,
                mode,
                {
                    era,
                    query: { test: c.id, ...query },
                    ...(eio > 3 && { auth: { ...c.auth, ...auth } }),
                    ...options
                }
            ];
            const join = (x, c, options) => connect(...open(x, c, options));

            await test('sio 30, 31: the backend sees who comes', () =>
                each(async (x) => {
                    const c = backend.case();
                    const odd = { 'a&b=': 'é +%20=&?/#😀', 'x[]': '', '': 'empty' };
                    const socket = await join(x, c, {
                        query: odd,
                        auth: { token: TEXT },
                        headers: { 'user-agent': `test/${x.era}` }
                    });
                    const e = await c.wait('connect');
                    const h = e.handshake;
                    assert.equal(h.eio, x.eio);
                    assert.equal(h.query.EIO, String(x.eio));
                    assert.equal(h.transport, x.mode === 'websocket' ? 'websocket' : 'polling');
                    assert.equal(h.headers['user-agent'], `test/${x.era}`);
                    assert.deepEqual(h.auth, x.eio === 3 ? {} : { ...c.auth, token: TEXT });
                    for (const k of Object.keys(odd)) {
                        assert.equal(h.query[k], odd[k], `query "${k}"`);
                    }
                    assert.equal(socket.connected, true);
                    if (x.eio > 3) {
                        assert.equal(socket.id, e.sid);
                    }
                }));

            await test('sio 41, 43, 59: events and acks', () =>
                each(async (x) => {
                    const c = backend.case().on('echo', echo).on('ack', ack);
                    const socket = await join(x, c);
                    const got = collect(socket, 'echo');
                    socket.emit('echo', ...VALUES);
                    socket.emit('echo');
                    assert.deepEqual(await got.get(2), [VALUES, []]);
                    assert.deepEqual(await call(socket, 'ack', ...VALUES), VALUES);
                    assert.deepEqual(await call(socket, 'ack'), []);
                    const n = [...Array(50).keys()];
                    assert.deepEqual(
                        await Promise.all(n.map((i) => call(socket, 'ack', i))),
                        n.map((i) => [i])
                    );
                }));

            await test('sio 44, 45, eio 79, 93: any text, to the client', () =>
                each(async (x) => {
                    const c = backend.case().on('give', () => [
                        { event: 'é😀', args: [TEXT, { [TEXT]: [TEXT] }] },
                        { op: 'ack', args: [TEXT] }
                    ]);
                    const socket = await join(x, c);
                    const got = collect(socket, 'é😀');
                    assert.deepEqual(await call(socket, 'give'), [TEXT]);
                    assert.deepEqual(await got.get(1), [[TEXT, { [TEXT]: [TEXT] }]]);
                    const long = TEXT.repeat(3000);
                    await nginx.publish({ sid: c.events[0].sid, event: 'é😀', args: [long] });
                    assert.deepEqual((await got.get(2))[1], [long]);
                }));

            await test('sio 44, 45, eio 79: any text, to the backend', () =>
                each(
                    async (x) => {
                        const c = backend.case().on('ack', ack).on('é😀', echo);
                        const socket = await join(x, c);
                        const got = collect(socket, 'é😀');
                        assert.deepEqual(await call(socket, 'ack', TEXT, { [TEXT]: 1 }), [
                            TEXT,
                            { [TEXT]: 1 }
                        ]);
                        assert.deepEqual(c.of('ack')[0].args, [TEXT, { [TEXT]: 1 }]);
                        socket.emit('é😀', TEXT.repeat(3000));
                        assert.deepEqual(await got.get(1), [[TEXT.repeat(3000)]]);
                    },
                    COMBINATIONS.filter((x) => x.era !== '1.7' || x.mode !== 'polling')
                ));

            await test('sio 66, 67, 71, 74, 84, 85, 87, eio 82: binary', () =>
                each(async (x) => {
                    const c = backend.case().on('bin', echo).on('ack', ack);
                    const socket = await join(x, c);
                    const got = collect(socket, 'bin');
                    for (const [i, b] of BYTES.entries()) {
                        socket.emit('bin', b, { nested: [null, { deep: b }] }, 'text');
                        const [first, second, third] = (await got.get(i + 1))[i];
                        const { nested } = second;
                        assert.deepEqual(
                            [bytes([first, nested[1].deep]), nested[0], third],
                            [bytes([b, b]), null, 'text']
                        );
                        const e = c.of('bin')[i];
                        assert.deepEqual(e.attachments, bytes([b, b]));
                    }
                    socket.emit('bin', ...BYTES, ...BYTES);
                    assert.deepEqual(
                        bytes((await got.get(BYTES.length + 1)).at(-1)),
                        bytes([...BYTES, ...BYTES])
                    );
                    const [answer] = await call(socket, 'ack', { b: BYTES[0] });
                    assert.equal(bytes(answer.b), bytes(BYTES[0]));
                }));

            await test('sio 81: text that is said to be binary', () =>
                each(
                    async (x) => {
                        const c = backend.case().on('ack', ack).on('bin', echo);
                        const socket = await join(x, c);
                        const got = collect(socket, 'bin');
                        const answer = new Promise((resolve) => {
                            socket.binary(true).emit('ack', 1, resolve);
                        });
                        assert.equal(await answer, 1);
                        socket.binary(true).emit('bin', 'text');
                        socket.binary(false).emit('bin', 'more');
                        assert.deepEqual(await got.get(2), [['text'], ['more']]);
                        assert.deepEqual(
                            c.of('bin').map((e) => e.attachments),
                            [undefined, undefined]
                        );
                    },
                    COMBINATIONS.filter((x) => x.era === '2.5')
                ));

            await test('sio 54: order, of text and binary, also across an upgrade', () =>
                each(async (x) => {
                    const c = backend.case().on('x', echo);
                    const socket = await join(x, c, { soon: true });
                    const got = collect(socket, 'x');
                    const n = [...Array(150).keys()];
                    for (const i of n) {
                        socket.emit('x', i, ...(i % 3 ? [] : [Buffer.from([i])]));
                        if (i % 10 === 9) {
                            await sleep(1);
                        }
                    }
                    const args = await got.get(n.length);
                    const what = (a) => (a[1] ? [a[0], a[1][0]] : [a[0]]);
                    assert.deepEqual(
                        args.map(what),
                        n.map((i) => (i % 3 ? [i] : [i, i]))
                    );
                    assert.deepEqual(
                        c.of('x').map((e) => e.args[0]),
                        n
                    );
                    if (x.mode === 'upgrade') {
                        await upgraded(socket);
                    }
                }));

            await test('sio 20, 24, 92: namespaces of one connection', () =>
                each(async (x) => {
                    const c = backend
                        .case()
                        .on('where', (e) => ({ op: 'ack', args: [e.nsp] }))
                        .on('bin', ack);
                    const root = await join(x, c);
                    const token = 'a b&é=%';
                    const admin =
                        x.eio === 3
                            ? root.io.socket('/custom', {
                                  query: `token=${encodeURIComponent(token)}&test=${c.id}`
                              })
                            : root.io.socket('/custom', { auth: { ...c.auth, token } });
                    await once(admin, 'connect');

                    const e = c.of('connect').find((v) => v.nsp === '/custom');
                    const h = e.handshake;
                    assert.equal((x.eio === 3 ? h.query : h.auth).token, token);
                    assert.equal(c.of('connect').length, 2);
                    assert.deepEqual(await call(root, 'where'), ['/']);
                    assert.deepEqual(await call(admin, 'where'), ['/custom']);
                    const [b] = await call(admin, 'bin', BYTES[0]);
                    assert.equal(bytes(b), bytes(BYTES[0]));

                    const [gotRoot, gotAdmin] = [root, admin].map((s) => collect(s, 'x'));
                    await nginx.publish({ nsp: '/custom', sid: e.sid, event: 'x', args: [TEXT] });
                    assert.deepEqual(await gotAdmin.get(1), [[TEXT]]);

                    admin.disconnect();
                    const gone = await c.wait('disconnect');
                    assert.deepEqual(
                        [gone.nsp, gone.reason],
                        ['/custom', 'client namespace disconnect']
                    );
                    assert.deepEqual(await call(root, 'where'), ['/']);
                    assert.equal(gotRoot.length, 0);

                    const ghost = root.io.socket('/ghost');
                    const [err] = await once(ghost, x.eio === 3 ? 'error' : 'connect_error');
                    assert.equal(x.eio === 3 ? err : err.message, 'Invalid namespace');
                    assert.deepEqual(await call(root, 'where'), ['/']);
                }));

            await test('sio 24: a namespace in the URL, with a query', () =>
                each(async (x) => {
                    const c = backend.case();
                    const socket = await join(x, c, { nsp: `/custom?token=x&test=${c.id}` });
                    const n = x.eio === 3 ? 2 : 1;
                    const e = await c.wait('connect', { n });
                    assert.equal(e.nsp, '/custom');
                    assert.equal(e.handshake.query.token, 'x');
                    assert.equal(socket.connected, true);
                }));

            await test('sio 26, 27, 28, 34: rejected, and another try', () =>
                each(async (x) => {
                    const message = 'not today é';
                    const data = { code: 42, deep: [{ a: TEXT }] };
                    const c = backend.case();
                    const refused = async (reject) => {
                        c.on('connect', () => ({ op: 'reject', ...reject }));
                        const socket = client(...open(x, c));
                        const [e] = await once(socket, x.eio === 3 ? 'error' : 'connect_error');
                        assert.equal(socket.connected, false);
                        return [e, socket];
                    };
                    const [plain] = await refused({ message });
                    const [more, socket] = await refused({ message, data });

                    if (x.eio === 3) {
                        assert.deepEqual([plain, more], [message, data]);
                        return;
                    }
                    assert.deepEqual([plain.message, plain.data], [message, undefined]);
                    assert.deepEqual([more.message, more.data], [message, data]);
                    c.on('connect', () => ({ op: 'accept' }));
                    socket.connect();
                    await once(socket, 'connect');
                }));

            await test('sio 91, 94, 95: leaving, from either side', () =>
                each(async (x) => {
                    const c = backend
                        .case()
                        .on('kick', () => [{ event: 'last', args: [1] }, { op: 'disconnect' }]);
                    const reasons = [];
                    const sids = () => c.of('connect').map((e) => e.sid);
                    const ended = (s) => once(s, 'disconnect').then(([r]) => reasons.push(r));
                    let socket = await join(x, c);
                    let end = ended(socket);
                    socket.disconnect();
                    await end;

                    socket = await join(x, c);
                    end = ended(socket);
                    const last = collect(socket, 'last');
                    socket.emit('kick');
                    await end;
                    assert.deepEqual([...last], [[1]]);

                    socket = await join(x, c);
                    end = ended(socket);
                    await nginx.publish({ op: 'disconnect', sid: sids()[2], close: true });
                    await end;

                    assert.deepEqual(reasons, [
                        'io client disconnect',
                        'io server disconnect',
                        'io server disconnect'
                    ]);
                    await c.wait('disconnect', { n: 3 });
                    const reason = (sid) => c.of('disconnect', sid)[0].reason;
                    assert.deepEqual(sids().map(reason), [
                        'client namespace disconnect',
                        'server namespace disconnect',
                        'server namespace disconnect'
                    ]);
                }));

            await test('sio 96, 102: cut, and back again by itself', () =>
                each(async (x) => {
                    const c = backend.case().on('ack', ack);
                    const again = { reconnection: true, reconnectionDelay: 50 };
                    const socket = await join(x, c, again);
                    const end = once(socket, 'disconnect');
                    socket.io.opts.agent.cut();
                    assert.match((await end)[0], /^transport (close|error)$/);
                    const back = once(socket, 'connect');
                    const { sid } = c.events[0];
                    const gone = await c.wait('disconnect', { sid });
                    assert.match(gone.reason, /^transport (close|error)$/);
                    await back;
                    assert.deepEqual(await call(socket, 'ack', 'new'), ['new']);
                    assert.notEqual(c.of('connect')[1].sid, sid);
                }));

            await test('sio 107, 109, 110, 115: a room of all of them', async () => {
                const room = 'é mixed';
                const c = backend
                    .case()
                    .on('connect', () => ({ op: 'accept', rooms: [room] }))
                    .on('say', (e) => ({ ...echo(e), room, event: 'said' }));
                const all = [];
                await each(async (x) => all.push([x, await join(x, c, { soon: true })]));
                const got = all.map(([, s]) => collect(s, 'said'));
                const n = [...Array(40).keys()];
                const writers = all.map(async ([x, s], i) => {
                    for (const k of n.slice(0, 10)) {
                        s.emit('say', i, k, ...(k % 2 ? [Buffer.from([k])] : ['text']));
                        await sleep(3);
                    }
                });
                for (const k of n) {
                    await nginx.publish({
                        room,
                        event: 'said',
                        args: ['api', k, k % 2 ? { _placeholder: true, num: 0 } : TEXT],
                        ...(k % 2 && { attachments: [bytes(Buffer.from([k]))] })
                    });
                }
                await Promise.all(writers);

                const total = n.length + 10 * all.length;
                const what = ([who, k, x]) => `${who} ${k} ${typeof x === 'string' ? x : x[0]}`;
                const first = (await got[0].get(total)).map(what);
                for (const who of ['api', ...all.keys()]) {
                    const from = n.slice(0, who === 'api' ? n.length : 10);
                    const text = who === 'api' ? TEXT : 'text';
                    assert.deepEqual(
                        first.filter((t) => t.startsWith(`${who} `)),
                        from.map((k) => `${who} ${k} ${k % 2 ? k : text}`)
                    );
                }
                for (const [i, [x]] of all.entries()) {
                    const seen = (await got[i].get(total)).map(what);
                    assert.deepEqual(seen, first, `${x.era}, ${x.mode}`);
                }

                /* nothing twice: a mark comes after it */
                const marks = all.map(([, s]) => once(s, 'mark'));
                await nginx.publish({ room, event: 'mark' });
                await Promise.all(marks);
                assert.deepEqual(
                    got.map((g) => g.length),
                    got.map(() => total)
                );
            });

            await test('sio 127: an event tried again, "retries"', () =>
                each(
                    async (x) => {
                        /* nobody answers the first two; the third time, all three */
                        const c = backend.case().on('try', (e) => {
                            const all = c.of('try').map(({ id }) => ({ ...ack(e), id }));
                            return all.length < 3 ? [] : e.args[0] === 'a' ? all : ack(e);
                        });
                        const socket = await join(x, c, { retries: 3, ackTimeout: 1500 });
                        const wire = [];
                        const note = ({ type, data }) => type === 'message' && wire.push(data);
                        socket.io.engine.on('packetCreate', note).on('packet', note);
                        const answers = ['a', 'b'].map((v) => socket.emitWithAck('try', v));
                        const marks = collect(socket, 'mark');
                        assert.deepEqual(await Promise.all(answers), ['a', 'b']);
                        await nginx.publish({ sid: c.events[0].sid, event: 'mark' });
                        await marks.get(1);
                        assert.deepEqual(wire, [
                            ...[0, 1, 2].map((i) => `2${i}["try","a"]`),
                            ...[0, 1, 2].map((i) => `3${i}["a"]`),
                            '23["try","b"]',
                            '33["b"]',
                            '2["mark"]'
                        ]);
                        assert.deepEqual(
                            c.of('try').map((e) => [e.args[0], e.ack]),
                            [...'aaab'].map((v) => [v, true])
                        );
                        assert.equal(new Set(c.of('try').map((e) => e.id)).size, 4);
                    },
                    COMBINATIONS.filter((x) => x.era === '4.8')
                ));

            await test('sio 29: the other revision is off', () =>
                each(async (x) => {
                    const c = backend.case();
                    const only = (eio) => ({ path: `/only${eio}`, query: { test: c.id } });
                    const socket = client(...open(x, c, only(7 - x.eio)));
                    const [e] = await once(socket, 'connect_error');
                    assert.match(String(e), /poll error|websocket error/);
                    await join(x, c, only(x.eio));
                    assert.equal(c.of('connect').length, 1);
                }));

            await test('a reload, while a room talks', async () => {
                const room = 'reload';
                const c = backend
                    .case()
                    .on('ack', ack)
                    .on('connect', () => ({ op: 'accept', rooms: [room] }));
                const all = [];
                await each(async (x) => all.push([x, await join(x, c)]));
                const got = all.map(([, s]) => collect(s, 'n'));
                const n = [...Array(60).keys()];
                const before = nginx.pids().size;
                for (const i of n) {
                    if (i === 10) {
                        nginx.child.kill('SIGHUP');
                    }
                    await nginx.publish({ room, event: 'n', args: [i, TEXT] });
                    await sleep(5);
                }
                for (const [i, [x, s]] of all.entries()) {
                    const seen = (await got[i].get(n.length)).map((a) => a[0]);
                    assert.deepEqual(seen, n, `${x.era}, ${x.mode}`);
                    assert.deepEqual(await call(s, 'ack', i), [i]);
                }
                assert.notEqual(nginx.pids().size, before, 'new workers were there');
            });

            await test('eio 116, 118, 123, 127: silence, but for pings', () =>
                each(async (x) => {
                    const c = backend.case().on('ack', ack);
                    const socket = await join(x, c, { path: '/fast' });
                    await sleep(3500);
                    assert.deepEqual(await call(socket, 'ack', 1), [1]);
                    assert.equal(c.of('disconnect').length, 0);
                }));

            for (const [what, options, check] of [
                ['forceBase64', { forceBase64: true }],
                ['timestampRequests', { timestampRequests: true, timestampParam: 'when' }],
                ['another path', { path: '/a%20b~%C3%A9' }],
                ['withCredentials, headers', { withCredentials: true, headers: { 'x-a': 'b' } }],
                ['perMessageDeflate', { perMessageDeflate: { threshold: 0 } }],
                ['upgrade: false', { upgrade: false, soon: true }],
                [
                    'websocket first',
                    { transports: ['websocket', 'polling'], soon: true },
                    (s) => assert.equal(s.io.engine.transport.name, 'websocket')
                ],
                ['path without slash', { path: '/bare', addTrailingSlash: false }]
            ]) {
                await test(`option ${what}`, () =>
                    each(async (x) => {
                        const c = backend.case().on('ack', ack).on('x', echo);
                        const { soon = x.mode === 'upgrade' && options.soon } = options;
                        const socket = await join(x, c, { ...options, soon });
                        const got = collect(socket, 'x');
                        if (check) {
                            check(socket);
                        }
                        const [text, b] = await call(socket, 'ack', 'text', BYTES[0]);
                        assert.deepEqual([text, bytes(b)], ['text', bytes(BYTES[0])]);
                        socket.emit('x', BYTES[3], [BYTES[2]]);
                        assert.deepEqual(
                            bytes((await got.get(1))[0].flat()),
                            bytes([BYTES[3], BYTES[2]])
                        );
                        await nginx.publish({ sid: c.events[0].sid, event: 'x', args: [TEXT] });
                        assert.deepEqual((await got.get(2))[1], [TEXT]);
                    }));
            }

            await test('option rememberUpgrade: the next one needs none', () =>
                each(
                    async (x) => {
                        const c = backend.case().on('ack', ack);
                        const first = await join(x, c, { rememberUpgrade: true });
                        const socket = await join(x, c, { rememberUpgrade: true, soon: true });
                        assert.equal(socket.io.engine.transport.name, 'websocket');
                        const e = c.of('connect').at(-1);
                        assert.equal(e.handshake.transport, 'websocket');
                        assert.deepEqual(await call(socket, 'ack', 1), [1]);
                        first.disconnect();
                    },
                    COMBINATIONS.filter((x) => x.mode === 'upgrade')
                ));
        },
        { modes: ['all'], workers: [2], more: MORE, namespaces: '/ /admin' }
    )
);
