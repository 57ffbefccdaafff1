#!/usr/bin/env node
'use strict';

/*
 * The applications of Socket.IO's "chat" and "whiteboard" tutorials in Chromium: the
 * page as it is, its server a backend of 40 lines, or five of nginx.conf.
 *
 * The pages are ours, with the events and class names of those.  With
 * TEST_TUTORIALS they are those themselves, unmodified:
 *
 *   git clone https://github.com/socketio/socket.io
 *   TEST_TUTORIALS=socket.io/examples prove t/node/tutorials.t
 *
 * Their jQuery comes from where the page says, or is the file TEST_JQUERY.
 *
 * Fails if somebody gets back what he sent to the others, if the count of those who
 * are there goes wrong when one leaves, reconnects, or has never said a name, or if
 * the page of a server that is started again stays without it.
 */

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const {
    MODULES,
    Nginx,
    ROOT,
    assert,
    chromium,
    cleanup,
    freePort,
    main,
    request,
    test,
    until
} = require('./lib');

const { TEST_TUTORIALS, TEST_JQUERY } = process.env;

const PASS = (port) => `
        location = /_hook {
            internal;
            proxy_pass http://127.0.0.1:${port};
        }`;

const RETURN = `
        socketio_hook_batch off;
        location = /_hook {
            internal;
            if ($socketio_event = drawing) {
                return 200 '{"all":true,"except":"$socketio_sid","event":"drawing","args":$socketio_args}';
            }
            return 204;
        }`;

const VIEWPORT = { width: 600, height: 400 };

const errors = [];

async function backend() {
    const port = await freePort();
    const file = path.join(ROOT, 't/backends/tutorial-chat.js');
    const child = spawn(process.execPath, [file, port], { stdio: 'inherit' });
    cleanup(() => child.kill());
    await until(() => request(port, '/').catch(() => false), 'the backend answers', 10000);
    return port;
}

async function server(app, hook, more = '') {
    const root = TEST_TUTORIALS
        ? path.resolve(TEST_TUTORIALS, app, 'public')
        : path.join(__dirname, 'pages', app);
    assert.ok(fs.existsSync(root), root);
    const nginx = new Nginx({
        workers: 2,
        http: `
    types { text/html html; text/css css; application/javascript js; }
    socketio_zone app 16m;
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        root ${root};
        location = /up { return 200 up; }
        location = /_publish { socketio_publish app; }
        location = /favicon.ico { return 204; }
        location /socket.io/ {
            socketio app;
            socketio_hook /_hook;
            socketio_client ${path.join(MODULES, 'socket.io-client/dist')};
            ${more}
        }${hook}
    }`
    });
    await nginx.start();
    return nginx;
}

async function open(browser, nginx, name) {
    const context = await browser.newContext({ viewport: VIEWPORT });
    const page = chromium.watch(await context.newPage(), name, errors);
    if (TEST_JQUERY) {
        await page.route('https://code.jquery.com/**', (r) => r.fulfill({ path: TEST_JQUERY }));
    }
    await page.goto(nginx.url);
    return page;
}

/* Pages do not show it. */
const connected = (nginx, n) =>
    until(
        async () => (await nginx.publish({ op: 'count', all: true })).count === n,
        `${n} connected`,
        15000
    );

const logs = (page) => page.locator('.messages .log').allTextContents();

const messages = (page) =>
    page
        .locator('.message:not(.typing)')
        .evaluateAll((all) =>
            all.map((li) =>
                ['.username', '.messageBody'].map((c) => li.querySelector(c).textContent).join(': ')
            )
        );

/* What a page logs, as soon as it ends so; the last words of others are unordered. */
async function logged(page, ...texts) {
    let seen = [];
    await until(
        async () => {
            seen = await logs(page);
            return texts.every((t, i) => seen.at(i - texts.length) === t);
        },
        () => `${texts.join(' | ')}, but ${seen.join(' | ')}`,
        15000
    );
}

const there = (n) => (n === 1 ? "there's 1 participant" : `there are ${n} participants`);
const welcome = async (page) =>
    (await logs(page)).filter((t) => t.startsWith('Welcome to Socket.IO Chat')).length;

async function enter(page, name) {
    await page.fill('.usernameInput', name);
    await page.press('.usernameInput', 'Enter');
}

async function say(page, text) {
    await page.fill('.inputMessage', text);
    await page.press('.inputMessage', 'Enter');
}

async function chat(browser, nginx, point, again) {
    let ann;
    let bob;

    await point('two enter', async () => {
        ann = await open(browser, nginx, 'ann');
        await enter(ann, 'ann');
        await logged(ann, there(1));
        assert.equal(await welcome(ann), 1);
        bob = await open(browser, nginx, 'bob');
        await enter(bob, 'bob');
        await logged(bob, there(2));
        await logged(ann, 'bob joined', there(2));
    });

    await point('one types, and stops', async () => {
        await bob.fill('.inputMessage', 'h');
        const typing = ann.locator('.message.typing');
        await typing.first().waitFor();
        assert.equal(await typing.locator('.username').first().textContent(), 'bob');
        await typing.first().waitFor({ state: 'detached' });
        assert.equal(await bob.locator('.message.typing').count(), 0);
    });

    await point('messages, each once', async () => {
        await say(bob, 'hello ann 😀');
        await until(async () => (await messages(ann)).length, 'a message', 15000);
        await say(ann, 'hi');
        await until(async () => (await messages(bob)).length > 1, 'another', 15000);
        for (const page of [ann, bob]) {
            assert.deepEqual(await messages(page), ['bob: hello ann 😀', 'ann: hi']);
        }
    });

    await point('who never said a name is not missed, who did is', async () => {
        const carol = await open(browser, nginx, 'carol');
        await connected(nginx, 3);
        await carol.context().close();
        await bob.context().close();
        await logged(ann, 'bob joined', there(2), 'bob left', there(1));
    });

    if (again) {
        await point('the server ends, and comes back', async () => {
            await nginx.stop();
            await logged(ann, 'you have been disconnected');
            await nginx.startOnce();
            await until(async () => (await welcome(ann)) === 2, 'ann is back', 30000);
            await logged(ann, there(1));
            assert.ok((await logs(ann)).includes('you have been reconnected'));
        });
    }
    await ann.context().close();
}

/* Is there anything of that colour where a line went? */
const drawn = (page, x, y, rgb) =>
    until(
        () =>
            page.evaluate(
                ([px, py, [r, g, b]]) => {
                    const canvas = document.querySelector('.whiteboard');
                    const { data } = canvas.getContext('2d').getImageData(px - 3, py - 3, 7, 7);
                    return data.some(
                        (v, i) =>
                            i % 4 === 3 &&
                            v > 100 &&
                            Math.abs(data[i - 3] - r) < 60 &&
                            Math.abs(data[i - 2] - g) < 60 &&
                            Math.abs(data[i - 1] - b) < 60
                    );
                },
                [x, y, rgb]
            ),
        `something drawn at ${x}, ${y}`,
        15000
    );

async function line(page, [x0, y0], [x1, y1]) {
    await page.mouse.move(x0, y0);
    await page.mouse.down();
    await page.mouse.move(x1, y1);
    await page.mouse.up();
}

async function whiteboard(browser, nginx, point) {
    await point('what one draws the other sees, in its colour', async () => {
        const [ann, bob] = [await open(browser, nginx, 'ann'), await open(browser, nginx, 'bob')];
        await connected(nginx, 2);
        await line(ann, [100, 100], [300, 100]);
        await drawn(bob, 200, 100, [0, 0, 0]);
        await bob.click('.color.red');
        await line(bob, [100, 200], [300, 200]);
        for (const page of [ann, bob]) {
            await drawn(page, 200, 100, [0, 0, 0]);
            await drawn(page, 200, 200, [255, 0, 0]);
        }
        await Promise.all([ann, bob].map((page) => page.context().close()));
    });
}

main(async () => {
    const browser = await chromium.launch();
    if (!browser) {
        return;
    }
    const port = await backend();

    for (const [name, app, hook, conf, run] of [
        ['chat', 'chat', PASS(port), '', (...a) => chat(...a, true)],
        ['chat, polling', 'chat', PASS(port), 'socketio_transports polling;', chat],
        ['whiteboard', 'whiteboard', RETURN, '', whiteboard]
    ]) {
        const nginx = await server(app, hook, conf);
        const evidence = () => [...errors, nginx.evidence()].join('\n');
        await run(browser, nginx, (what, fn) =>
            test(`${name}: ${what}`, fn, { timeout: 50000, evidence })
        );
        await nginx.finish(name);
    }
    await test('no errors in the pages', () => assert.deepEqual(errors, []));
    await chromium.quit(browser);
});
