'use strict';

/* engine.io-client of both revisions, for raw mode. */

const { Agent, combinations, load, once, open } = require('./client');
const { within } = require('./tap');

const CLIENTS = {
    3.5: { name: 'engine.io-client-3', eio: 3 },
    4.1: { name: 'engine.io-client-4', eio: 4 },
    6.6: { name: 'engine.io-client', eio: 4 }
};

const MODES = {
    polling: ['polling'],
    websocket: ['websocket'],
    upgrade: ['polling', 'websocket']
};

/*
 * A socket that has opened, and upgraded unless soon; next() is its next message.
 * In the mode "fetch" it polls by fetch().
 */
async function openSocket(nginx, { era, mode }, { soon, ...options } = {}) {
    const { Socket, Fetch } = load(CLIENTS[era].name);
    const agent = new Agent();
    const socket = new Socket(nginx.url, {
        transports: MODES[mode] || [Fetch],
        agent,
        ...options
    });
    const got = [];
    const waiting = [];
    open.add(() => socket.close());

    socket.testAgent = agent;
    socket.on('message', (data) => (waiting.length ? waiting.shift()(data) : got.push(data)));
    socket.next = () =>
        got.length
            ? Promise.resolve(got.shift())
            : within(8000, 'message', new Promise((resolve) => waiting.push(resolve)));

    await within(
        8000,
        'open',
        new Promise((resolve, reject) => {
            socket.once('open', resolve);
            socket.once('error', (e) =>
                reject(new Error(`error: ${e.message} ${e.description || ''}`))
            );
        })
    );
    if (mode === 'upgrade' && !soon && socket.transport.name !== 'websocket') {
        await once(socket, 'upgrade');
    }
    return socket;
}

module.exports = {
    BUNDLE: CLIENTS['3.5'].name /* its directory has engine.io.js, for browsers */,
    FETCH: { era: '6.6', eio: 4, mode: 'fetch' },
    combinations: () => combinations(CLIENTS),
    open: openSocket
};
