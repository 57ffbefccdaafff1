'use strict';

/* Real clients of all eras, from build/node, or TEST_NODE_MODULES. */

const http = require('node:http');
const { createRequire } = require('node:module');
const path = require('node:path');
const { assert, cleanup, within } = require('./tap');
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

/* Releases of socket.io-client; 1.x and 2.x speak revision 3 of Engine.IO. */
const ERAS = {
    1.7: { name: 'socket.io-client-1', eio: 3 },
    2.5: { name: 'socket.io-client-2', eio: 3 },
    3.1: { name: 'socket.io-client-3', eio: 4 },
    '4.0': { name: 'socket.io-client-40', eio: 4 },
    4.8: { name: 'socket.io-client', eio: 4 }
};

/* What closeAll() runs, after each test */
const open = new Set();

/* A TCP connection for each request, all of which cut() cuts. */
class Agent extends http.Agent {
    constructor() {
        super({ keepAlive: false });
        this.all = new Set();
    }

    createConnection(...args) {
        const s = super.createConnection(...args);
        this.all.add(s);
        s.once('close', () => this.all.delete(s));
        return s;
    }

    cut() {
        this.all.forEach((s) => s.destroy());
    }
}

/*
 * A connection of its own, a TCP connection for each request, and no second
 * try: what goes wrong is to be seen.  options.hold: a promise that websockets
 * wait for before they open, so that there is a time before an upgrade.
 */
function create(nginx, mode, { nsp = '/', era = '4.8', hold, headers, ...options } = {}) {
    const { io = load(ERAS[era].name) } = load(ERAS[era].name);
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
    return io(nginx.url + nsp, {
        ...(transports && { transports }),
        reconnection: false,
        forceNew: true,
        timeout: 5000,
        agent: new Agent(),
        ...(headers && { extraHeaders: headers }),
        ...options
    });
}

/* One that is closed after the test */
function client(nginx, mode, options) {
    const socket = create(nginx, mode, options);
    open.add(() => Object.values(socket.io.nsps).forEach((x) => x.disconnect()));
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

/* Of clients and modes, all that there are: { era, eio, mode }.  TEST_ERAS: of these */
function combinations(clients, modes = Object.keys(MODES)) {
    const only = process.env.TEST_ERAS ? process.env.TEST_ERAS.split(',') : Object.keys(clients);
    return only
        .filter((era) => era in clients)
        .flatMap((era) => modes.map((mode) => ({ era, eio: clients[era].eio, mode })));
}

/* fn for all combinations at once; says for which of them it failed */
async function each(list, fn) {
    const results = await Promise.allSettled(list.map(async (x) => fn(x)));
    const failed = results.flatMap(({ reason }, i) =>
        reason ? [`--- ${list[i].era}, ${list[i].mode}: ${reason.stack}`] : []
    );
    assert.equal(failed.length, 0, failed.join('\n'));
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
    open.forEach((close) => close());
    open.clear();
}

cleanup(closeAll);

module.exports = {
    Agent,
    ERAS,
    MODES: Object.keys(MODES),
    MODULES,
    client,
    closeAll,
    collect,
    combinations,
    connect,
    create,
    each,
    load,
    once,
    open,
    upgraded
};
