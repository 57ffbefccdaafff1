'use strict';

/*
 * What one receiver got of numbered streams: each message says its stream, its number
 * there (1, 2, 3 ...), when the one before it was begun, its sender, and the sender's own
 * number for it.  A stream takes one number here, however long it is; what is missing is
 * kept until it comes, or for good.
 */

const { hrtime } = process;

const GAPS = 200;

/* Milliseconds of a clock that all processes of this machine share, and nobody sets. */
function now() {
    const [s, ns] = hrtime();
    return s * 1e3 + ns / 1e6;
}

class Streams {
    /* born: what was begun later than this is to come, all of it */
    constructor(born) {
        this.born = born;
        this.at = new Map();
        this.order = new Map();
        this.gaps = [];
        this.found = []; /* [kind, stream, from, to] */
        this.count = 0;
    }

    receive(stream, k, before, sender, order) {
        const last = this.at.get(stream);
        this.count++;
        if (last === undefined) {
            this.at.set(stream, k);
            if (before > this.born) {
                this.gap(stream, k - 1, k - 1);
            }
        } else if (k > last) {
            this.at.set(stream, k);
            if (k > last + 1) {
                this.gap(stream, last + 1, k - 1);
            }
        } else {
            this.late(stream, k);
            return;
        }
        if (order <= (this.order.get(sender) || 0)) {
            this.found.push(['reordered', stream, k, k]);
        }
        this.order.set(sender, order);
    }

    gap(stream, from, to) {
        if (this.gaps.length < GAPS) {
            this.gaps.push([stream, from, to]);
        } else {
            this.found.push(['lost', stream, from, to]);
        }
    }

    /* out of order, if it was missing; else it comes again */
    late(stream, k) {
        const i = this.gaps.findIndex((g) => g[0] === stream && g[1] <= k && k <= g[2]);
        if (i < 0) {
            this.found.push(['doubled', stream, k, k]);
            return;
        }
        const [, from, to] = this.gaps.splice(i, 1)[0];
        if (from < k) {
            this.gap(stream, from, k - 1);
        }
        if (k < to) {
            this.gap(stream, k + 1, to);
        }
        this.found.push(['reordered', stream, k, k]);
    }

    /* What has not come of a stream whose last is number k, begun at that time */
    behind(stream, k, begun) {
        const last = this.at.get(stream);
        return last === undefined ? (begun > this.born ? k : 0) : Math.max(0, k - last);
    }

    /* All that is wrong so far, once */
    problems() {
        const out = this.found.concat(this.gaps.map((g) => ['lost', ...g]));
        this.found = [];
        this.gaps = [];
        return out;
    }
}

/* The same choices for the same seed (mulberry32) */
function random(seed) {
    let a = seed >>> 0;
    const next = () => {
        a = (a + 0x6d2b79f5) >>> 0;
        let t = Math.imul(a ^ (a >>> 15), a | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    return {
        next,
        chance: (p) => next() < p,
        below: (n) => Math.floor(next() * n),
        pick: (list) => list[Math.floor(next() * list.length)]
    };
}

module.exports = { Streams, now, random };
