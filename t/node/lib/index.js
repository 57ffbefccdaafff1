'use strict';

const tap = require('./tap');
const nginx = require('./nginx');
const client = require('./client');
const chromium = require('./chromium');
const engine = require('./engine');
const samples = require('./samples');
const { Backend } = require('./backend');

/* Short deadlines in /fast/, to see what silence leads to. */
function chat(port, more = '', zone = '32m') {
    return `
    socketio_zone chat ${zone};
    upstream app { server 127.0.0.1:${port}; keepalive 16; }
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location = /up { return 200 up; }
        location /socket.io/ {
            socketio chat;
            socketio_namespaces / /custom;
            socketio_hook /_hook;
        }
        location = /_hook {
            internal; access_log off;
            proxy_pass http://app/events; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_read_timeout 5s;
        }
        location = /_publish { socketio_publish chat; }
${more.replaceAll('%%BACKEND%%', port)}
    }`;
}

/*
 * fn gets { nginx, backend, mode, workers, name, test } for 1 and 4 workers and
 * each transport mode; one nginx and one backend per number of workers.
 */
async function matrix(fn, { modes = client.MODES, workers = [1, 4], more, zone, after } = {}) {
    for (const w of workers) {
        const backend = await new Backend().start();
        const server = new nginx.Nginx({ http: chat(backend.port, more, zone), workers: w });
        const evidence = () => `${backend.evidence()}\n${server.evidence()}`;
        const label = `${w} worker${w > 1 ? 's' : ''}`;

        const started = await tap.test(`${label}: nginx starts`, () => server.start(), {
            timeout: 50000
        });
        if (started) {
            for (const mode of modes) {
                const name = `${label}, ${mode}`;
                const test = async (what, f, options) => {
                    await tap.test(`${name}: ${what}`, f, { evidence, ...options });
                    client.closeAll();
                };
                await fn({ nginx: server, backend, mode, workers: w, name, test });
            }
            if (after) {
                await after({ nginx: server, backend, workers: w, label });
            }
            await tap.test(
                `${label}: every accepted socket said goodbye`,
                () =>
                    tap.until(
                        () => backend.present().length === 0,
                        () => backend.present().join(' '),
                        8000
                    ),
                { evidence }
            );
            await server.finish(label);
            await tap.test(`${label}: every batch kept the rules`, () => {
                tap.assert.equal(backend.check().length, 0, backend.check().join('\n'));
                tap.assert.notEqual(backend.batches.length, 0);
            });
        }
        backend.stop();
    }
}

module.exports = {
    ...tap,
    ...nginx,
    ...client,
    ...samples,
    Backend,
    chat,
    chromium,
    engine,
    matrix
};
