'use strict';

/* The worker processes of an nginx as the system sees them: what they hold, and stops. */

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const { sleep } = require('./tap');

function workers(nginx) {
    const { pid } = nginx.child;
    const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.trim().split(' ').filter(Boolean).map(Number);
}

/* Ports of the connections that a worker has: of clients, and its own to the backend. */
function ports(pid) {
    const inodes = new Set();
    const dir = `/proc/${pid}/fd`;
    for (const fd of fs.readdirSync(dir)) {
        const m = /^socket:\[(\d+)\]$/.exec(fs.readlinkSync(`${dir}/${fd}`));
        if (m) {
            inodes.add(m[1]);
        }
    }
    const out = { clients: new Set(), backend: new Set() };
    for (const line of fs.readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
        const f = line.trim().split(/\s+/);
        if (inodes.has(f[9])) {
            out.backend.add(parseInt(f[1].split(':')[1], 16));
            out.clients.add(parseInt(f[2].split(':')[1], 16));
        }
    }
    return out;
}

/* T: stopped, Z: dead; null: there is none of this pid */
function state(pid) {
    try {
        const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
        return text.slice(text.lastIndexOf(')') + 2)[0];
    } catch {
        return null;
    }
}

/*
 * Stops a worker that does not just leave, which old ones do when they have nothing
 * left, and returns its pid when it has stopped: from then on it takes no connection.
 */
async function freeze(nginx, pick) {
    for (;;) {
        const pid = pick(workers(nginx));
        try {
            process.kill(pid, 'SIGSTOP');
            while (!['T', 'Z', null].includes(state(pid))) {
                await sleep(1);
            }
            if (state(pid) === 'T') {
                return pid;
            }
        } catch {
            /* it has ended */
        }
        await sleep(10);
    }
}

function thaw(pid) {
    process.kill(pid, 'SIGCONT');
}

/* { fds, kb } of a worker: open descriptors, resident memory; null if it has ended */
function usage(pid) {
    try {
        const fds = fs.readdirSync(`/proc/${pid}/fd`).length;
        const m = /^VmRSS:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
        return m && { fds, kb: Number(m[1]) };
    } catch {
        return null;
    }
}

/* The most descriptors that a running worker may have. */
function limitFiles(pid, n) {
    execFileSync('prlimit', ['--pid', pid, `--nofile=${n}:`]);
}

module.exports = { freeze, limitFiles, ports, state, thaw, usage, workers };
