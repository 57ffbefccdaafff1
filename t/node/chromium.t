#!/usr/bin/env node
'use strict';

/*
 * conf.example/chat.conf with Chromium: two pages that talk to each other, in
 * light and dark, on a desk and on a phone.  TEST_CHROMIUM: /usr/bin/chromium.
 * Screenshots go to TEST_SCREENSHOTS, or build/screenshots.
 */

const fs = require('node:fs');
const path = require('node:path');
const { MODULES, Nginx, ROOT, assert, chromium, main, request, test, within } = require('./lib');

const SHOTS = path.resolve(process.env.TEST_SCREENSHOTS || path.join(ROOT, 'build/screenshots'));

const INJECTION = '<img src=x onerror="document.title=\'hacked\'"><b>bold</b>';

main(async () => {
    const conf = fs.readFileSync(path.join(ROOT, 'conf.example/chat.conf'), 'utf8');
    const nginx = new Nginx({
        conf: conf.replace('listen  8080', 'listen  127.0.0.1:%%PORT%%'),
        workers: 2
    });
    const errors = [];
    let ann;
    let bob;

    fs.symlinkSync(path.join(ROOT, 'conf.example/chat'), path.join(nginx.dir, 'chat'));
    fs.symlinkSync(path.join(MODULES, 'socket.io-client/dist'), path.join(nginx.dir, 'client'));

    async function page(nick, options) {
        const context = await browser.newContext(options);
        const p = chromium.watch(await context.newPage(), nick, errors);
        await p.goto(`${nginx.url}/?nick=${nick}`);
        return p;
    }

    const state = (p, text) =>
        p.waitForFunction((t) => document.getElementById('state').textContent === t, text);
    const logged = (p, cls, text) =>
        p.waitForFunction(
            ([c, t]) =>
                [...document.querySelectorAll(`#log li${c}`)].some((li) => li.textContent === t),
            [cls, text]
        );
    const evidence = async () => {
        const texts = await Promise.all(
            [ann, bob].map(
                (p) => p && !p.isClosed() && within(3000, 'text', p.innerText('body')).catch(String)
            )
        );
        return [...errors, ...texts, nginx.evidence()].join('\n');
    };
    const point = (name, fn) => test(name, fn, { timeout: 20000, evidence });

    if (!(await test('nginx starts with chat.conf', () => nginx.start(), { timeout: 50000 }))) {
        return;
    }

    const browser = await chromium.launch();

    if (browser) {
        await point('two pages connect, and go to websocket', async () => {
            ann = await page('ann', {
                viewport: { width: 900, height: 640 },
                colorScheme: 'light'
            });
            bob = await page('bob', {
                viewport: { width: 390, height: 780 },
                colorScheme: 'dark',
                hasTouch: true,
                isMobile: true
            });
            for (const p of [ann, bob]) {
                await state(p, 'connected · websocket');
            }
            await logged(ann, '.note', 'bob joined');
        });

        await point('a message typed in one appears in the other', async () => {
            await ann.fill('#text', 'hello bob 😀');
            await bob.waitForFunction(
                () => document.getElementById('typing').textContent === 'ann is typing…'
            );
            await ann.click('#send');
            await logged(bob, '', 'annhello bob 😀');
            await logged(ann, '.mine', 'annhello bob 😀');
            await bob.fill('#text', 'hi ann, I am on the phone');
            await bob.press('#text', 'Enter');
            await logged(ann, '', 'bobhi ann, I am on the phone');
            await logged(bob, '.mine', 'bobhi ann, I am on the phone');
            assert.equal(await bob.inputValue('#text'), '');
        });

        await point('markup stays text', async () => {
            await bob.fill('#text', INJECTION);
            await bob.press('#text', 'Enter');
            await logged(ann, '', `bob${INJECTION}`);
            assert.equal(await ann.locator('#log img, #log b').count(), 0);
            assert.equal(await ann.title(), 'Chat');
        });

        await point('the publish API, and a new name', async () => {
            const res = await request(nginx.port, '/_publish', {
                body: '{"room":"lobby","event":"notice","args":["lunch is ready"]}'
            });
            assert.equal(JSON.parse(res.text).count, 2);
            await logged(bob, '.note', 'lunch is ready');
            await ann.fill('#nick', 'anna');
            await ann.press('#nick', 'Enter');
            await logged(bob, '.note', 'anna joined');
            await ann.fill('#text', 'it is me');
            await ann.press('#text', 'Enter');
            await logged(bob, '', 'annait is me');
        });

        await point('screenshots', async () => {
            fs.mkdirSync(SHOTS, { recursive: true });
            await ann.screenshot({ path: path.join(SHOTS, 'chat-light.png') });
            await bob.screenshot({ path: path.join(SHOTS, 'chat-phone-dark.png') });
            const { scrollWidth, clientWidth } = await bob.evaluate(() => document.documentElement);
            assert.ok(!(scrollWidth > clientWidth), 'the phone scrolls sideways');
        });

        await point('a page that is closed says goodbye', async () => {
            await ann.close();
            await logged(bob, '.note', 'anna left');
        });

        await point('no errors in the pages', () => assert.deepEqual(errors, []));
        await bob.close();
        await chromium.quit(browser);
    }
    await nginx.finish('chat.conf');
});
