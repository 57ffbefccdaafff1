#!/usr/bin/env node
'use strict';

/*
 * What README.md shows is run as it stands there: the synopsis with each of the
 * backends of "First steps", every command of "From Node to here", and the
 * configuration and programs of the recipes.
 *
 * Fails if something there does not work: a command that is none, an answer
 * without what the text says, a configuration that nginx refuses.
 */

const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { promisify } = require('node:util');
const {
    Backend,
    Nginx,
    ROOT,
    assert,
    chat,
    cleanup,
    closeAll,
    collect,
    connect,
    freePort,
    main,
    once,
    request,
    tempDir,
    test,
    until
} = require('./lib');

const README = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');

/* The text of a section, or of all. */
function section(title) {
    const found = README.split(/^(?=##+ )/m).filter((s) => s.replace(/^#+ /, '').startsWith(title + '\n'));
    assert.equal(found.length, 1, `"${title}" in README.md`);
    return found[0];
}

/* The only block of code with this language and text. */
function block(title, language, text) {
    const all = [...section(title).matchAll(/^( *)```(\w+)\n([^]*?)^ *```$/gm)]
        .filter(([, , l, code]) => l === language && code.includes(text))
        .map(([, indent, , code]) => code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
    assert.equal(all.length, 1, `${language} with "${text}" in "${title}"`);
    return all[0];
}

function swap(text, from, to) {
    assert.ok(text.includes(from), `${from} in ${text}`);
    return text.replaceAll(from, to);
}

/* The http block of the synopsis, with these ports. */
function synopsis(backend) {
    const conf = block('Synopsis', 'nginx', 'socketio_zone');
    const inner = conf.slice(conf.indexOf('http {') + 6, conf.lastIndexOf('}'));
    return swap(
        swap(inner, '127.0.0.1:3000', `127.0.0.1:${backend}`),
        'listen  80;',
        'listen  127.0.0.1:%%PORT%% reuseport; location = /up { return 200 up; }'
    );
}

/* A program with this text, until the end of the test. */
function start(command, args, dir) {
    const child = spawn(command, args, { cwd: dir, stdio: 'ignore' });
    cleanup(() => child.kill());
    return child;
}

async function talk(nginx) {
    const [a, b] = [await connect(nginx, 'upgrade'), await connect(nginx, 'polling')];
    const got = [a, b].map((s) => collect(s, 'chat message'));
    a.emit('chat message', 'hello');
    await Promise.all(got.map((g) => g.get(1)));
    const answer = await nginx.publish({ room: 'lobby', event: 'chat message', args: ['lunch'] });
    assert.deepEqual(answer, { ok: true, op: 'emit', count: 2 });
    for (const g of got) {
        assert.deepEqual(await g.get(2), [['hello'], ['lunch']]);
    }
}

async function firstSteps(name, run) {
    const port = await freePort();
    const nginx = new Nginx({ http: synopsis(port), workers: 2 });
    const child = run(port, tempDir());
    const listens = () => request(port, '/', { body: '[]' }).catch(() => false);

    await test(`first steps, ${name}: starts`, async () => {
        await until(listens, () => `${name} listens`, 10000);
        await nginx.start();
    });
    await test(`first steps, ${name}: a chat`, () => talk(nginx), {
        evidence: () => nginx.evidence()
    });
    closeAll();
    await nginx.finish(`first steps, ${name}`);
    child.kill();
}

async function firstStepsNginx() {
    const hook = block('First steps', 'nginx', 'location = /_hook');
    const conf = synopsis(1).replace(/location = \/_hook \{[^}]*\}/, hook);
    const nginx = new Nginx({
        http: swap(conf, '/_hook;', '/_hook; socketio_hook_batch off;'),
        workers: 2
    });
    await test('first steps, nginx: starts', () => nginx.start());
    await test('first steps, nginx: a chat', () => talk(nginx), {
        evidence: () => nginx.evidence()
    });
    closeAll();
    await nginx.finish('first steps, nginx');
}

/* [command, published] of the table */
function commands() {
    const rows = section('From Node to here').match(/^\| `.*$/gm);
    return rows.flatMap((row) => {
        const [, cell] = row.split(' | ');
        return [...cell.matchAll(/`(\{.*?\})`/g)].map(({ 1: text, index }) => [
            text,
            cell.slice(0, index).includes('published: ')
        ]);
    });
}

async function fromNode() {
    const backend = await new Backend().start();
    const nginx = new Nginx({
        http: chat(backend.port).replace('/ /custom', '/ /admin'),
        workers: 2
    });
    const evidence = () => nginx.evidence();
    const tried = new Set();

    await test('from Node: starts', () => nginx.start());

    for (const [text, published] of commands()) {
        const op = JSON.parse(text).op || 'emit';
        tried.add(op);
        await test(`from Node: ${text}`, async () => {
            const c = backend.case().on('connect', (e) => ({ op: 'accept', id: e.id }));
            const answer = (e) => JSON.parse(text.replaceAll('SID', e.sid));
            const say = (e) => [{ op: 'ack', id: e.id }, { id: e.id, ...answer(e) }];

            if (['accept', 'reject'].includes(op)) {
                c.on('connect', (e) => ({ id: e.id, ...answer(e) }));
                const got = await connect(nginx, 'websocket', { auth: c.auth }).then(
                    () => 'accept',
                    () => 'reject'
                );
                assert.equal(got, op);
                return;
            }
            const socket = await connect(nginx, 'websocket', { auth: c.auth });
            if (published) {
                socket.on('x', (...args) => typeof args.at(-1) === 'function' && args.pop()('yes'));
                const sid = (await c.wait('connect')).sid;
                const res = await nginx.publish(text.replaceAll('SID', sid));
                assert.equal(res.ok, true);
                if (JSON.parse(text).ack) {
                    assert.deepEqual([res.acks, res.expected, res.received], [[['yes']], 1, 1]);
                }
                return;
            }
            c.on('try', op === 'ack' ? (e) => ({ id: e.id, ...answer(e) }) : say);
            const gone = op === 'disconnect' && !JSON.parse(text).room && once(socket, 'disconnect');
            await Promise.race([socket.emitWithAck('try'), gone || new Promise(() => {})]);
            if (op !== 'ack' && !gone) {
                await socket.emitWithAck('try'); /* behind what is tried */
            }
            await gone;
        }, { evidence });
        closeAll();
        const gone = async () => (await nginx.publish({ op: 'count', all: true })).count === 0;
        await until(gone, () => 'all have left', 8000);
    }
    await test('from Node: nothing was an invalid command', () => {
        assert.equal(nginx.log().match(/invalid command.*/), null);
        for (const op of ['accept', 'reject', 'ack', 'emit', 'join', 'leave', 'disconnect']) {
            assert.ok(tried.has(op), op);
        }
    });
    await nginx.finish('from Node');
    backend.stop();
}

/* whoami of an application, and who it said is there */
async function cookies() {
    const seen = [];
    let asked = 0;
    const app = http.createServer((req, res) => {
        if (req.url === '/whoami') {
            asked++;
            const user = { 'session=a': '42' }[req.headers.cookie] ?? '';
            res.writeHead(204, { 'X-User': user }).end();
            return;
        }
        let body = '';
        req.on('data', (d) => (body += d)).on('end', () => {
            for (const e of JSON.parse(body)) {
                if (e.type === 'connect') {
                    seen.push(e.handshake.headers);
                }
            }
            res.end('[]');
        });
    });
    await new Promise((resolve) => app.listen(0, '127.0.0.1', resolve));
    cleanup(() => app.close());

    const recipe = block('Session cookies: Laravel, Django, Flask, Rails', 'nginx', 'auth_request');
    const plain = synopsis(app.address().port);
    const conf = plain.replace(/location \/socket\.io\/ \{[^}]*\}/, recipe);
    assert.notEqual(conf, plain);
    const nginx = new Nginx({ http: conf, workers: 2 });
    const evidence = () => nginx.evidence();

    await test('cookies: starts', () => nginx.start());
    await test('cookies: the application says who it is, once', async () => {
        const headers = { cookie: 'session=a', 'X-User': '1' };
        const socket = await connect(nginx, 'upgrade', { headers });
        socket.disconnect();
        assert.deepEqual(seen, [{ 'x-user': '42' }]);
        assert.equal(asked, 1);
        await connect(nginx, 'polling', { headers: { 'X-User': '1' } });
        assert.equal(seen[1]['x-user'] ?? '', '');
        assert.equal(asked, 2);
    }, { evidence });
    closeAll();
    await nginx.finish('cookies');
    app.closeAllConnections();
}

/* The one with this text in the recipe, with one thing another. */
async function curl(text, from, to) {
    const [, ...args] = swap(block('Publishing from elsewhere', 'sh', text).trim(), from, to)
        .match(/'[^']*'|\S+/g)
        .map((x) => x.replaceAll("'", ''));
    const { stdout } = await promisify(execFile)('curl', ['-s', ...args]);
    return JSON.parse(stdout);
}

async function publishing() {
    const backend = await new Backend().start();
    const socket = path.join(tempDir(), 'publish.sock');
    const server = block('Publishing from elsewhere', 'nginx', 'listen');
    const nginx = new Nginx({
        http: chat(backend.port) + swap(server, '/run/publish.sock', socket),
        workers: 2
    });
    const evidence = () => nginx.evidence();

    await test('publishing: starts', () => nginx.start());
    await test('publishing: by a socket, and once', async () => {
        const c = backend.case();
        const client = await connect(nginx, 'websocket', { auth: c.auth });
        const news = once(client, 'news');
        const said = { ok: true, op: 'emit', count: 1 };

        assert.deepEqual(await curl('--unix-socket', '/run/publish.sock', socket), said);
        await news;
        const local = ['--retry', 'http://localhost/', `${nginx.url}/`];
        assert.deepEqual(await curl(...local), said);
        assert.deepEqual(await curl(...local), { ...said, dup: true });
    }, { evidence });
    await test('publishing: from PHP', async () => {
        const dir = tempDir();
        const code = block('Private and presence channels, as in Laravel Echo', 'php', 'function publish');
        const program = swap(code, 'http://127.0.0.1/', `${nginx.url}/`).replace('publish([', 'echo json_encode(publish([') ;
        fs.writeFileSync(
            path.join(dir, 'p.php'),
            `<?php $order = ['id' => 1]; ${program.trimEnd().replace(/;$/, ');')}`
        );
        const c = backend.case().on('connect', (e) => ({
            op: 'accept',
            id: e.id,
            rooms: ['private-orders.1']
        }));
        const clients = [
            await connect(nginx, 'websocket', { auth: c.auth }),
            await connect(nginx, 'polling', { auth: c.auth })
        ];
        const got = clients.map((s) => collect(s, 'OrderShipped'));
        const run = async (env) =>
            JSON.parse((await promisify(execFile)('php', [path.join(dir, 'p.php')], { env })).stdout);

        assert.equal((await run(process.env)).count, 2);
        const env = { ...process.env, HTTP_X_SOCKET_ID: clients[0].id };
        assert.equal((await run(env)).count, 1);
        assert.deepEqual(await got[1].get(2), [[{ id: 1 }], [{ id: 1 }]]);
        assert.equal((await got[0].get(1)).length, 1);
    }, { evidence });
    closeAll();
    await nginx.finish('publishing');
    backend.stop();
}

/* As GitHub makes them of headings. */
function anchors(file) {
    const text = fs.readFileSync(file, 'utf8').replace(/^ *```[^]*?^ *```$/gm, '');
    return new Set(
        (text.match(/^#+ .*$/gm) || []).map((line) =>
            line
                .replace(/^#+ */, '')
                .toLowerCase()
                .replace(/[^\w\s-]/g, '')
                .replaceAll(' ', '-')
        )
    );
}

async function links() {
    for (const file of ['README.md', 'CHANGES.md', 'src/README.md', 't/README.md']) {
        await test(`links of ${file}`, () => {
            const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
            const all = [...text.matchAll(/\]\((?!http)([^)#\s]*)(?:#([^)\s]*))?\)/g)];
            const dead = all.filter(([, to, anchor]) => {
                const target = path.join(ROOT, to ? path.join(path.dirname(file), to) : file);
                return !fs.existsSync(target) || (anchor && !anchors(target).has(anchor));
            });
            assert.deepEqual(
                dead.map(([link]) => link),
                []
            );
        });
    }
    await test('the table of directives has them all, in their order', () => {
        const named = README.match(/^#### \S*socketio\S*$/gm).map((line) => line.slice(5));
        const [table] = section('Directives').match(/^\| for [^]*?\n\n/m);
        const linked = [...table.matchAll(/\(#(\w*socketio\w*)\)/g)].map((m) => m[1]);
        assert.deepEqual(linked, named);
    });
}

main(async () => {
    await links();
    await firstSteps('Python', (port, dir) => {
        const code = swap(block('First steps', 'python', 'commands'), '3000', String(port));
        fs.writeFileSync(path.join(dir, 'app.py'), code);
        return start(process.env.TEST_PYTHON || '/usr/bin/python3', ['app.py'], dir);
    });
    await firstSteps('PHP', (port, dir) => {
        fs.writeFileSync(path.join(dir, 'index.php'), block('First steps', 'php', 'php://input'));
        return start('php', ['-S', `127.0.0.1:${port}`, 'index.php'], dir);
    });
    await firstStepsNginx();
    await fromNode();
    await cookies();
    await publishing();
});
