#!/usr/bin/env node
'use strict';

/*
 * The test suites of the specifications against this nginx, with 1, 2 and 4
 * workers, by hand:
 *
 *   git clone https://github.com/socketio/socket.io-protocol
 *   git clone https://github.com/socketio/engine.io-protocol
 *   t/tools/official-suites.js [-n TIMES] socket.io-protocol engine.io-protocol
 *
 * The environment is that of t/node.  The backend is once nginx's own "return" and
 * "if", and once a server that gets batches.  The suites are run as they are, on
 * another port, and with messages that come one at a time, as in browsers: the "ws"
 * of Node emits all that a TCP segment holds in a row, and who awaits one after
 * another misses the second.
 *
 * Some points are races by their nature, mostly with several workers: they send on
 * two connections at once, and expect the first to be served first, "forcefully
 * close the session" (GET beside a POST of "1"), "ignore ... with same sid after
 * upgrade" ("5" beside a GET, or another websocket).  "should send ping/pong packets"
 * has 200 ms for each pong, which the suite may miss where it shares the machine.
 */

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

process.env.TEST_WATCHDOG ||= '3600'; /* as often as it is told to */
const { Backend, Nginx, assert, diag, main, tempDir, test } = require('../node/lib');

const CONF = `
    socketio_zone suite 16m;
    server {
        listen localhost:%%PORT%% reuseport;
        location = /up { return 200 up; }

        socketio_ping_interval 300ms;
        socketio_ping_timeout  200ms;
        socketio_max_payload   1000000;

        location /socket.io/ {
            socketio suite;
            socketio_connect_timeout 1s;
            socketio_namespaces / /custom;
            socketio_hook /_sio;
        }
        %%BACKEND%%
%%RAW%%
    }
`;

const RAW = `
        location /engine.io/ {
            socketio suite;
            socketio_protocol engine.io;
            socketio_hook /_eio;
        }
`;

const RETURN = `
        socketio_hook_batch off;
        location = /_sio {
            internal; default_type application/json;
            set_socketio_json $auth $socketio_handshake auth;
            if ($socketio_type = connect) {
                return 200 '{"event":"auth","args":[$auth]}';
            }
            if ($socketio_event = message) {
                return 200 '{"event":"message-back","args":$socketio_args,
                             "attachments":$socketio_attachments}';
            }
            if ($socketio_event = message-with-ack) {
                return 200 '{"op":"ack","args":$socketio_args,
                             "attachments":$socketio_attachments}';
            }
            return 204;
        }
        location = /_eio {
            internal; default_type application/json;
            if ($socketio_type = message) {
                return 200 '{"op":"send",$socketio_message}';
            }
            return 204;
        }
`;

const PASS = (port) => `
        location ~ ^/_[se]io$ {
            internal;
            proxy_pass http://127.0.0.1:${port}; proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
`;

/* The application of the suites; who is neither accepted nor rejected is accepted. */
function answer({ id, type, event, args, attachments, handshake, text, binary }) {
    if (type === 'connect') {
        return [{ id, event: 'auth', args: [handshake.auth] }];
    }
    if (type === 'message') {
        return [{ id, op: 'send', text, binary }];
    }
    if (event === 'message') {
        return [{ id, event: 'message-back', args, attachments }];
    }
    return event === 'message-with-ack' ? [{ id, op: 'ack', args, attachments }] : [];
}

async function batches() {
    const backend = await new Backend().start();
    backend.intercept = (events, req, res) => {
        res.writeHead(200, { 'Content-Type': 'application/json' });
        return res.end(JSON.stringify(events.flatMap(answer)));
    };
    return backend;
}

const TURNS = `
    const { WebSocket } = require('ws');
    const { emit } = WebSocket.prototype;
    let turn = Promise.resolve();
    WebSocket.prototype.emit = function (...args) {
        turn = turn.then(() => new Promise(setImmediate)).then(() => emit.apply(this, args));
        return true;
    };
`;

/* A copy of the suite, with its dependencies, that asks this port. */
function prepare(checkout) {
    const dir = tempDir();
    fs.cpSync(path.join(checkout, 'test-suite'), dir, { recursive: true });
    if (!fs.existsSync(path.join(dir, 'node_modules'))) {
        const npm = ['install', '--no-audit', '--no-fund', '--ignore-scripts'];
        spawnSync('npm', npm, { cwd: dir, stdio: 'inherit' });
    }
    const file = path.join(dir, 'test-suite.js');
    const text = fs.readFileSync(file, 'utf8');
    fs.writeFileSync(path.join(dir, 'turns.cjs'), TURNS);
    return (port) => {
        fs.writeFileSync(file, text.replace('localhost:3000', `localhost:${port}`));
        const mocha = ['node_modules/.bin/mocha', '-r', './turns.cjs', '--exit'];
        const child = spawn(process.execPath, [...mocha, 'test-suite.js'], { cwd: dir });
        let output = '';
        for (const s of [child.stdout, child.stderr]) {
            s.on('data', (d) => {
                output += d;
            });
        }
        return new Promise((resolve) => {
            child.on('close', (status) => resolve({ status, output }));
        });
    };
}

main(async () => {
    const args = process.argv.slice(2);
    const times = args[0] === '-n' ? Number(args.splice(0, 2)[1]) : 3;
    const suites = args.map((checkout) => ({
        name: path.basename(checkout),
        run: prepare(checkout)
    }));
    const raw = suites.some((s) => s.name.startsWith('engine')) ? RAW : '';

    for (const workers of [1, 2, 4]) {
        for (const by of ['return', 'batches']) {
            const backend = by === 'batches' && (await batches());
            const conf = CONF.replace('%%RAW%%', raw).replace(
                '%%BACKEND%%',
                backend ? PASS(backend.port) : RETURN
            );
            const nginx = new Nginx({ http: conf, workers });
            const label = `${workers} workers, ${by}`;
            await nginx.start();
            for (const { name, run } of suites) {
                for (let i = 1; i <= times; i++) {
                    await test(
                        `${name}, ${label}, run ${i}`,
                        async () => {
                            const { status, output } = await run(nginx.port);
                            const [counts] = output.match(/\d+ passing.*(\n.*\d+ failing)?/) || [''];
                            diag(counts);
                            if (status !== 0) {
                                throw new Error(output.slice(output.indexOf(counts)));
                            }
                        },
                        { timeout: 90000, evidence: () => nginx.evidence() }
                    );
                }
            }
            await nginx.finish(label);
            if (backend) {
                await test(`${label}: every batch kept the rules`, () =>
                    assert.deepEqual(backend.check(), [])
                );
                backend.stop();
            }
        }
    }
});
