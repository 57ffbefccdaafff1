'use strict';

/* Real clients: socket.io-client from build/node, or TEST_NODE_MODULES. */

const http = require('node:http');
const { createRequire } = require('node:module');
const path = require('node:path');
const { cleanup, within } = require('./tap');
const { ROOT } = require('./nginx');

const MODULES = path.resolve(
    process.env.TEST_NODE_MODULES || path.join(ROOT, 'build/node/node_modules')
);

function load(name) {
    try {
        return createRequire(path.join(MODULES, 'x.js'))(name);
    } catch (e) {
        throw new Error(
            `${name} is not in ${MODULES} (npm install t/node there,` +
                ` or set TEST_NODE_MODULES): ${e.message}`
        );
    }
}

/* engine.io-client is a dependency of socket.io-client, maybe nested in it */
function engine() {
    const req = createRequire(path.join(MODULES, 'x.js'));
    return createRequire(req.resolve('socket.io-client'))('engine.io-client');
}

const MODES = {
    polling: ['polling'],
    websocket: ['websocket'],
    upgrade: undefined /* the default of the client */
};

const open = new Set();

/*
 * A connection of its own, a TCP connection for each request, and no second
 * try: what goes wrong is to be seen.  options.hold: a promise that websockets
 * wait for before they open, so that there is a time before an upgrade.
 */
function client(nginx, mode, { nsp = '/', hold, headers, ...options } = {}) {
    const { io } = load('socket.io-client');
    let transports = MODES[mode];

    if (hold) {
        const { NodeXHR, NodeWebSocket } = engine();
        transports = [
            NodeXHR,
            class extends NodeWebSocket {
                doOpen() {
                    hold.then(() => super.doOpen());
                }
            }
        ];
    }
    const socket = io(nginx.url + nsp, {
        ...(transports && { transports }),
        reconnection: false,
        forceNew: true,
        timeout: 5000,
        agent: new http.Agent({ keepAlive: false }),
        ...(headers && { extraHeaders: headers }),
        ...options
    });
    open.add(socket);
    return socket;
}

function once(emitter, name, ms = 8000) {
    return within(
        ms,
        `"${name}" of the client`,
        new Promise((resolve) => {
            emitter.once(name, (...args) => resolve(args));
        })
    );
}

/* Connected, and in the mode "upgrade" upgraded too, unless soon. */
async function connect(nginx, mode, { soon, ...options } = {}) {
    const socket = client(nginx, mode, options);
    await within(
        8000,
        'connect',
        new Promise((resolve, reject) => {
            socket.once('connect', resolve);
            socket.once('connect_error', (e) =>
                reject(new Error(`connect_error: ${e.message} ${e.description || ''}`))
            );
        })
    );
    if (mode === 'upgrade' && !soon) {
        await upgraded(socket);
    }
    return socket;
}

async function upgraded(socket, ms = 8000) {
    const { engine: e } = socket.io;
    if (e.transport.name !== 'websocket') {
        await once(e, 'upgrade', ms);
    }
}

/* Collects the arguments of an event; get(n): when there are n. */
function collect(socket, name) {
    const got = [];
    const waiting = [];
    socket.on(name, (...args) => {
        got.push(args);
        waiting.filter((w) => got.length >= w.n).forEach((w) => w.resolve());
    });
    got.get = async (n, ms = 8000) => {
        if (got.length < n) {
            await within(
                ms,
                `${n} × "${name}"`,
                new Promise((resolve) => {
                    waiting.push({ n, resolve });
                })
            ).catch((e) => {
                e.message += `, only ${got.length}`;
                throw e;
            });
        }
        return got.slice(0, n);
    };
    return got;
}

function closeAll() {
    for (const s of open) {
        Object.values(s.io.nsps).forEach((x) => x.disconnect());
    }
    open.clear();
}

cleanup(closeAll);

module.exports = {
    MODES: Object.keys(MODES),
    MODULES,
    client,
    closeAll,
    collect,
    connect,
    load,
    once,
    upgraded
};
