'use strict';

/* Chromium by playwright-core.  TEST_CHROMIUM: /usr/bin/chromium. */

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { load } = require('./client');
const { cleanup, test, within } = require('./tap');

const CHROMIUM = process.env.TEST_CHROMIUM || '/usr/bin/chromium';

/* The point "Chromium starts"; resolves with the browser, if it does. */
async function launch() {
    let browser;
    await test(
        'Chromium starts',
        async () => {
            assert.ok(
                fs.existsSync(CHROMIUM),
                `no ${CHROMIUM}: install chromium, or set TEST_CHROMIUM`
            );
            browser = await load('playwright-core').chromium.launch({
                executablePath: CHROMIUM,
                headless: true,
                timeout: 30000,
                args: [
                    '--no-sandbox',
                    '--disable-gpu',
                    '--disable-quic',
                    '--no-first-run',
                    '--disable-background-networking',
                    '--disable-component-update',
                    '--disable-sync'
                ]
            });
            cleanup(() => browser.close());
        },
        { timeout: 40000 }
    );
    return browser;
}

/* Errors of a page go to the list, as "name: what". */
function watch(page, name, errors) {
    page.setDefaultTimeout(20000);
    page.on('pageerror', (e) => errors.push(`${name}: ${e.message}`));
    page.on('console', (m) => m.type() === 'error' && errors.push(`${name}: ${m.text()}`));
    page.on('dialog', (d) => {
        errors.push(`${name}: dialog ${d.message()}`);
        d.dismiss();
    });
    return page;
}

const quit = (browser) => within(10000, 'end of Chromium', browser.close()).catch(() => {});

module.exports = { launch, quit, watch };
