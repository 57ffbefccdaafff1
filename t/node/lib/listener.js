'use strict';

/*
 * A backend that can be away and come back: its port is one that no outgoing connection
 * takes while nobody listens on it.
 */

const fs = require('node:fs');
const http = require('node:http');

class Listener {
    /* fn gets (req, res) */
    constructor(fn) {
        this.fn = fn;
        this.connections = new Set();
        this.opened = () => {};
    }

    async start(below) {
        const range = fs.readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
        const low = Number(range.split(/\s/)[0]);
        for (let i = 0; ; i++) {
            this.port = 1024 + below(low - 1024);
            try {
                await this.listen();
                return this;
            } catch (e) {
                if (i === 50) {
                    throw e;
                }
            }
        }
    }

    listen() {
        this.server = http.createServer((req, res) => this.fn(req, res));
        this.server.keepAliveTimeout = 60000;
        this.server.on('connection', (c) => {
            this.opened(c);
            this.connections.add(c);
            c.on('close', () => this.connections.delete(c));
        });
        return new Promise((resolve, reject) => {
            this.server.on('error', reject).listen(this.port, '127.0.0.1', 1024, resolve);
        });
    }

    stop() {
        this.server.close();
        this.server.closeAllConnections();
    }
}

module.exports = { Listener };
