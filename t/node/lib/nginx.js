'use strict';

/*
 * nginx in a directory of its own.  The environment says which:
 *
 *   TEST_NGINX_BINARY   /usr/sbin/nginx
 *   TEST_NGINX_MODULES  build: directory of ngx_http_socketio_module.so
 *   TEST_NDK_MODULE     /usr/lib/nginx/modules/ndk_http_module.so; empty: none
 *   TEST_NGINX_GLOBALS  more for -g
 *   TEST_NGINX_LEAVE    keep the directories
 */

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { assert, cleanup, diag, sleep, test, until } = require('./tap');

const ROOT = path.resolve(__dirname, '../../..');

const BINARY = process.env.TEST_NGINX_BINARY || '/usr/sbin/nginx';
const NAME = 'ngx_http_socketio_module.so';
const MODULE = path.resolve(process.env.TEST_NGINX_MODULES || path.join(ROOT, 'build'), NAME);
const NDK = process.env.TEST_NDK_MODULE ?? '/usr/lib/nginx/modules/ndk_http_module.so';

const globals = (module) =>
    (process.getuid() === 0 ? 'user root; ' : '') +
    'daemon off; ' +
    (NDK && `load_module ${NDK}; `) +
    `load_module ${module}; ` +
    (process.env.TEST_NGINX_GLOBALS || '');

const BAD = /\[(alert|crit|emerg)\]|Sanitizer|runtime error:|SUMMARY:/;

const taken = new Set();

async function freePort() {
    for (;;) {
        const port = await new Promise((resolve, reject) => {
            const s = net.createServer().on('error', reject);
            s.listen(0, '127.0.0.1', () => {
                const p = s.address().port;
                s.close(() => resolve(p));
            });
        });
        if (!taken.has(port)) {
            taken.add(port);
            return port;
        }
    }
}

function tempDir() {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'socketio-t-'));
    fs.chmodSync(dir, 0o755); /* workers may be somebody else */
    cleanup(() => {
        if (process.env.TEST_NGINX_LEAVE) {
            diag(dir);
        } else {
            fs.rmSync(dir, { recursive: true, force: true });
        }
    });
    return dir;
}

/* Lines of a server with "listen ... ssl": a certificate that nobody knows. */
function certificate() {
    const dir = tempDir();
    const [key, crt] = ['key', 'crt'].map((n) => path.join(dir, n));
    execFileSync(
        'openssl',
        [
            ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1'.split(' '),
            ...`-nodes -days 2 -subj /CN=127.0.0.1 -keyout ${key} -out ${crt}`.split(' ')
        ],
        { stdio: 'pipe' }
    );
    return `ssl_certificate ${crt}; ssl_certificate_key ${key};`;
}

/* A fresh connection each: with reuseport, any worker may get it. */
function request(port, uri, { method, headers, body, timeout = 10000 } = {}) {
    return new Promise((resolve, reject) => {
        const req = http.request(
            {
                host: '127.0.0.1',
                port,
                path: uri,
                agent: false,
                timeout,
                method: method || (body === undefined ? 'GET' : 'POST'),
                headers: { Connection: 'close', ...headers }
            },
            (res) => {
                const chunks = [];
                res.on('data', (c) => chunks.push(c));
                res.on('error', reject);
                res.on('end', () =>
                    resolve({
                        status: res.statusCode,
                        headers: res.headers,
                        text: Buffer.concat(chunks).toString()
                    })
                );
            }
        );
        req.on('timeout', () => req.destroy(new Error(`${uri}: no answer`)));
        req.on('error', reject);
        req.end(body);
    });
}

const TEMPS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((n) => `${n}_temp_path temp-${n};`)
    .join(' ');

/*
 * http: text of the http block, where %%PORT%% is the port of the server;
 * or conf: the whole file; modules: another directory of the module; env: more of it
 */
class Nginx {
    constructor({ http: block, conf, workers = 1, modules, env = {} }) {
        this.workers = workers;
        this.module = modules ? path.join(modules, NAME) : MODULE;
        this.env = env;
        this.dir = tempDir();
        this.stderr = '';
        this.template =
            conf ||
            `
worker_processes ${workers};
worker_shutdown_timeout 5s;
error_log error.log info;
pid nginx.pid;
events { worker_connections 1024; }
http {
    ${TEMPS}
    log_format test '$pid $http_x_test $status $request';
    access_log access.log test;
${block}
}
`;
    }

    /* A port may be lost to another process meanwhile: three tries. */
    async start() {
        for (let i = 0; ; i++) {
            this.port = await freePort();
            try {
                await this.startOnce();
                return this;
            } catch (e) {
                this.kill();
                if (i === 2 || !/Address already in use/.test(e.message)) {
                    throw e;
                }
            }
        }
    }

    async startOnce() {
        const conf = path.join(this.dir, 'nginx.conf');
        fs.writeFileSync(conf, this.template.replaceAll('%%PORT%%', this.port));

        this.exited = undefined;
        this.child = spawn(
            BINARY,
            [
                '-p',
                this.dir + '/',
                '-c',
                conf,
                '-e',
                path.join(this.dir, 'error.log'),
                '-g',
                globals(this.module)
            ],
            {
                stdio: ['ignore', 'ignore', 'pipe'],
                cwd: this.dir,
                env: { ...process.env, ...this.env }
            }
        );
        this.child.stderr.on('data', (d) => {
            this.stderr += d;
        });
        this.child.on('error', (e) => {
            this.stderr += e.message;
            this.exited = { code: -1 };
        });
        this.child.on('exit', (code, signal) => {
            this.exited = { code, signal };
        });
        cleanup(() => this.kill());

        await until(
            async () => {
                if (this.exited) {
                    throw new Error(`nginx does not start: ${this.stderr}\n${this.log()}`);
                }
                return request(this.port, '/up').catch(() => false);
            },
            () => `nginx answers\n${this.stderr}\n${this.log()}`,
            15000
        );
    }

    kill() {
        if (this.child && !this.exited) {
            this.child.kill('SIGTERM');
        }
    }

    log(name = 'error.log') {
        try {
            return fs.readFileSync(path.join(this.dir, name), 'utf8');
        } catch {
            return '';
        }
    }

    /* Warnings and worse, and the tail: what a failed test wants to show. */
    evidence() {
        const lines = this.log().trimEnd().split('\n');
        return [
            '--- error.log',
            ...lines.filter((l) => /\[(warn|error|crit|alert|emerg)\]/.test(l)).slice(-20),
            '--- last lines',
            ...lines.slice(-15),
            '--- stderr',
            this.stderr.slice(-4000)
        ].join('\n');
    }

    get url() {
        return `http://127.0.0.1:${this.port}`;
    }

    get(uri, options) {
        return request(this.port, uri, options);
    }

    /* body: a command, an array of them, or text; the answer, parsed */
    async publish(body, uri = '/_publish') {
        const text = typeof body === 'string' ? body : JSON.stringify(body);
        const res = await request(this.port, uri, { body: text });
        assert.equal(res.status, 200, `publish ${text.slice(0, 200)}: ${res.status} ${res.text}`);
        return JSON.parse(res.text);
    }

    /* of the worker processes that logged requests with this X-Test */
    pids(id) {
        return new Set(
            this.log('access.log')
                .split('\n')
                .map((l) => l.split(' '))
                .filter((f) => f.length > 4 && (id === undefined || f[1] === id))
                .map((f) => f[0])
        );
    }

    /* of all worker processes, also those that are shutting down */
    children() {
        const { pid } = this.child;
        const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
        return text.trim().split(' ').filter(Boolean).map(Number);
    }

    /* A graceful end: only this one lets nginx report sockets left open. */
    async stop() {
        if (!this.exited) {
            this.child.kill('SIGQUIT');
            await until(() => this.exited, 'nginx ends after SIGQUIT', 12000);
        }
        assert.deepEqual(this.exited, { code: 0, signal: null }, this.stderr);
    }

    /* The last test of each nginx. */
    async finish(name) {
        await test(
            `${name}: nginx ends and has nothing to complain of`,
            async () => {
                try {
                    await this.stop();
                } catch (e) {
                    this.child.kill('SIGKILL');
                    throw e;
                } finally {
                    await sleep(20);
                }
                const bad = (this.log() + this.stderr).split('\n').filter((l) => BAD.test(l));
                assert.equal(bad.length, 0, bad.slice(0, 20).join('\n'));
            },
            { timeout: 20000, evidence: () => this.evidence() }
        );
    }
}

module.exports = {
    BAD,
    BINARY,
    MODULE,
    NDK,
    Nginx,
    ROOT,
    certificate,
    freePort,
    request,
    tempDir
};
