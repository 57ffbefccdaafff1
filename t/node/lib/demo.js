'use strict';

/* One of conf.example, started by run.sh as anybody would start it. */

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { MODULES } = require('./client');
const { BAD, BINARY, MODULE, NDK, ROOT, freePort, request, tempDir } = require('./nginx');
const { assert, cleanup, until } = require('./tap');

class Demo {
    constructor(name, env = {}) {
        this.name = name;
        this.env = env;
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
        this.dir = tempDir();
        this.child = spawn(path.join(ROOT, 'conf.example/run.sh'), [this.name], {
            env: {
                ...process.env,
                PORT: `127.0.0.1:${this.port} reuseport`,
                BACKEND_PORT: this.backendPort,
                TMPDIR: this.dir,
                NGINX_BINARY: BINARY,
                SOCKETIO_MODULE: MODULE,
                NDK_MODULE: NDK,
                CLIENT_DIST: path.join(MODULES, 'socket.io-client/dist'),
                ...this.env
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
                    throw new Error(`run.sh ${this.name} ended: ${this.output}`);
                }
                return (
                    (await request(this.port, '/').catch(() => false)) &&
                    (!['node', 'python', 'ruby'].includes(this.name) || this.listens(this.backendPort))
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

    /* where run.sh keeps what it has made */
    get prefix() {
        return path.join(this.dir, fs.readdirSync(this.dir)[0]);
    }

    async publish(command) {
        const res = await request(this.port, '/_publish', { body: JSON.stringify(command) });
        return JSON.parse(res.text);
    }

    async stop() {
        this.child.kill('SIGTERM');
        await until(
            () => this.ended,
            () => `run.sh ${this.name} ends: ${this.output}`,
            10000
        );
        assert.doesNotMatch(this.output, BAD);
        assert.equal(await this.listens(this.port), false, 'nginx is still there');
        assert.equal(await this.listens(this.backendPort), false, 'the backend is still there');
    }
}

module.exports = { Demo };
