#!/usr/bin/env node
'use strict';

/*
 * Real clients over TLS: polling, websockets and the upgrade between them, with
 * records that are split and merged, and connections that end in every way.
 */

const https = require('node:https');
const tls = require('node:tls');
const {
    assert,
    certificate,
    collect,
    connect,
    freePort,
    main,
    matrix,
    once,
    until
} = require('./lib');

/* knows its sockets */
class Agent extends https.Agent {
    all = [];

    createConnection(...args) {
        const s = super.createConnection(...args);
        this.all.push(s);
        return s;
    }
}

function get(port, path, headers) {
    return new Promise((resolve, reject) => {
        https
            .get(
                { port, host: '127.0.0.1', path, headers, agent: false, rejectUnauthorized: false },
                (res) => {
                    res.resume().on('end', () => resolve(res));
                }
            )
            .on('error', reject);
    });
}

const head =
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\n' +
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

main(async () => {
    const port = await freePort();

    /* all that a websocket gets to hear, until the end of the stream */
    const said = async (bytes) => {
        const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
        let text = '';
        socket.on('data', (d) => {
            text += d.toString('latin1');
        });
        const end = new Promise((resolve, reject) => {
            socket.once('end', resolve).once('error', reject);
        });
        await once(socket, 'secureConnect');
        socket.write(Buffer.from(head + bytes, 'latin1'));
        await end;
        socket.destroy();
        assert.match(text, /^HTTP\/1.1 101 /);
        return text;
    };

    const more = `
        listen 127.0.0.1:${port} ssl;
        ${certificate()}
        location /cookie/ { socketio chat; socketio_hook off; socketio_cookie io; }
        location /never/ { socketio chat; socketio_hook off; socketio_cookie io nosecure; }
    `;

    await matrix(
        async ({ nginx, backend, mode, test }) => {
            const server = Object.create(nginx, {
                url: { value: `https://127.0.0.1:${port}` }
            });
            const secure = (options) =>
                connect(server, mode, {
                    rejectUnauthorized: false,
                    agent: new https.Agent({ keepAlive: false }),
                    ...options
                });

            await test('connects, and the backend knows that it is TLS', async () => {
                const c = backend.case();
                const socket = await secure({ auth: c.auth });
                const e = await c.wait('connect');
                assert.equal(e.sid, socket.id);
                assert.equal(e.handshake.secure, true);
            });

            await test('events of 1 to 900,000 bytes, both ways, in order', async () => {
                const c = backend.case().on('echo', (e) => ({ event: 'echo', args: e.args }));
                const socket = await secure({ auth: c.auth });
                const got = collect(socket, 'echo');
                const sizes = [1, 16384, 16385, 100, 300000, 5, 900000, 2];
                for (const n of sizes) {
                    socket.emit('echo', 'x'.repeat(n));
                }
                const all = await got.get(sizes.length);
                assert.deepEqual(
                    all.map(([s]) => s.length),
                    sizes
                );
            });

            await test('binary', async () => {
                const c = backend.case().on('echo', (e) => ({
                    event: 'echo',
                    args: e.args,
                    attachments: e.attachments
                }));
                const socket = await secure({ auth: c.auth });
                const data = Buffer.from(Array.from({ length: 70000 }, (v, i) => i & 255));
                socket.emit('echo', data);
                assert.deepEqual((await once(socket, 'echo'))[0], data);
            });

            await test('many small messages of a publisher, in order', async () => {
                const c = backend.case();
                const socket = await secure({ auth: c.auth });
                const got = collect(socket, 'n');
                await c.wait('connect');
                for (let i = 0; i < 5; i++) {
                    await nginx.publish(
                        Array.from({ length: 100 }, (v, k) => ({
                            sid: socket.id,
                            event: 'n',
                            args: [i * 100 + k]
                        }))
                    );
                }
                const all = await got.get(500);
                assert.deepEqual(
                    all.map(([n]) => n),
                    Array.from({ length: 500 }, (v, i) => i)
                );
            });

            await test('the client leaves, and the backend hears of it', async () => {
                const c = backend.case();
                const socket = await secure({ auth: c.auth });
                socket.disconnect();
                assert.equal((await c.wait('disconnect')).reason, 'client namespace disconnect');
            });

            await test('its connection breaks, and the backend hears of it', async () => {
                const c = backend.case();
                const agent = new Agent({ keepAlive: false });
                await secure({ auth: c.auth, agent });
                /* the request of the poll is on its way, before the end is */
                await until(() => agent.all.at(-1).bytesWritten, 'a connection in use');
                agent.all.forEach((s) => s.end());
                assert.match((await c.wait('disconnect')).reason, /^transport (close|error)$/);
            });

            await test('the server disconnects', async () => {
                const c = backend.case();
                const socket = await secure({ auth: c.auth });
                await c.wait('connect');
                const gone = once(socket, 'disconnect');
                await nginx.publish({ op: 'disconnect', sid: socket.id, close: true });
                assert.equal((await gone)[0], 'io server disconnect');
            });

            if (mode !== 'websocket') {
                return;
            }

            await test('a websocket of one byte in each record', async () => {
                const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
                let text = '';
                socket.setNoDelay(true);
                socket.on('data', (d) => {
                    text += d.toString('latin1');
                });
                await once(socket, 'secureConnect');
                /* with a message in the same bytes: "40", masked by zeros */
                for (const byte of Buffer.from(head + '\x81\x82\0\0\0\x0040', 'latin1')) {
                    socket.write(Buffer.from([byte]));
                }
                await until(
                    () => /40\{"sid"/.test(text),
                    () => text
                );
                assert.match(text, /^HTTP\/1.1 101 /);
                socket.destroy();
            });

            await test('the request, a message and a Close in one record', async () => {
                assert.match(await said('\x88\x82\0\0\0\0\x03\xe8'), /\}\x88\x02\x03\xe8$/);
            });

            /* RFC 6455, 7.1.1: no reset, which might take our Close along */
            await test('a Close, and megabytes behind it', async () => {
                const all = '\x88\x82\0\0\0\0\x03\xe8' + 'x'.repeat(3e6);
                assert.match(await said(all), /\}\x88\x02\x03\xe8$/);
            });

            /* at once: who was told why need not answer */
            await test('a frame that must not be, and the end of the stream', async () => {
                const start = Date.now();
                assert.match(await said('\x83\x80\0\0\0\0'), /\}\x88\x02\x03\xea$/);
                assert.ok(Date.now() - start < 4000, 'not after the 5 s of a Close');
            });

            await test('eio 36: the cookie is Secure under TLS', async () => {
                const q = '?EIO=4&transport=polling';
                const cookie = (res) => res.headers['set-cookie'][0].replace(/=[^;]*/, '=sid');
                assert.equal(
                    cookie(await get(port, `/cookie/${q}`)),
                    'io=sid; Path=/; HttpOnly; Secure; SameSite=Lax'
                );
                assert.equal(
                    cookie(await get(port, `/never/${q}`)),
                    'io=sid; Path=/; HttpOnly; SameSite=Lax'
                );
                assert.equal(
                    cookie(await nginx.get(`/cookie/${q}`)),
                    'io=sid; Path=/; HttpOnly; SameSite=Lax'
                );
            });

            await test('pages: the scheme is not compared, the port of TLS is known', async () => {
                const q = '/socket.io/?EIO=4&transport=polling';
                const status = async (Host, Origin) =>
                    (await get(port, q, { Host, Origin })).statusCode;
                assert.equal(await status('a.example', 'https://a.example'), 200);
                assert.equal(await status('a.example:443', 'https://a.example'), 200);
                assert.equal(await status('a.example', 'https://b.example'), 403);
            });
        },
        { more }
    );
});
