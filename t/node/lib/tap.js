'use strict';

/*
 * TAP for asynchronous tests: one point per test(), which passes if its function
 * returns within its time and throws nothing.  A test that hangs fails, and so
 * does a script that does: the watchdog ends it with what has been running.
 */

const assert = require('node:assert/strict');

const WATCHDOG = Number(process.env.TEST_WATCHDOG || 120) * 1000;

let count = 0;
let failed = 0;
let current = 'start';
const cleanups = [];

function diag(text) {
    for (const line of String(text).split('\n')) {
        console.log('# ' + line);
    }
}

function point(ok, name) {
    count++;
    failed += ok ? 0 : 1;
    console.log(`${ok ? 'ok' : 'not ok'} ${count} - ${name.replace(/#/g, '\\#')}`);
}

/* A promise that fails, with its name, when it is not settled in time. */
function within(ms, what, promise) {
    let timer;
    const late = new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no ${what} in ${ms} ms`)), ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/* evidence: a function whose text is shown when the test fails */
async function test(name, fn, { timeout = 15000, evidence } = {}) {
    current = name;
    try {
        await within(timeout, `end of "${name}"`, Promise.resolve().then(fn));
        point(true, name);
        return true;
    } catch (e) {
        point(false, name);
        diag(e && e.stack ? e.stack : e);
        if (evidence) {
            diag(await evidence());
        }
        return false;
    }
}

/* Resolves when cond() is true; fails with what() as it was at the end. */
async function until(cond, what, ms = 5000) {
    const end = Date.now() + ms;
    for (;;) {
        const v = await cond();
        if (v) {
            return v;
        }
        if (Date.now() > end) {
            throw new Error(`not in ${ms} ms: ${typeof what === 'function' ? what() : what}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* A tool is missing: no test, but a failure where all of them should be */
function skip(why) {
    if (process.env.CI) {
        throw new Error(why);
    }
    console.log(`1..0 # SKIP ${why}`);
    process.exit(0);
}

/* Run when the script ends, whatever the way; last in, first out. */
function cleanup(fn) {
    cleanups.push(fn);
}

function runCleanups() {
    while (cleanups.length) {
        try {
            cleanups.pop()();
        } catch (e) {
            diag(e);
        }
    }
}

function main(fn) {
    const dog = setTimeout(() => {
        point(false, `all of it in ${WATCHDOG / 1000} s (in "${current}")`);
        process.exit(1);
    }, WATCHDOG);

    process.on('exit', runCleanups);
    for (const sig of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
        process.on(sig, () => process.exit(1));
    }
    process.on('unhandledRejection', (e) => {
        point(false, `nothing is thrown outside of tests (in "${current}")`);
        diag(e && e.stack ? e.stack : e);
    });

    Promise.resolve()
        .then(fn)
        .catch((e) => {
            point(false, `script runs to its end (in "${current}")`);
            diag(e && e.stack ? e.stack : e);
        })
        .then(() => {
            clearTimeout(dog);
            console.log(`1..${count}`);
            process.exit(failed || !count ? 1 : 0);
        });
}

module.exports = { assert, cleanup, diag, main, skip, sleep, test, until, within };
