#!/usr/bin/env node
'use strict';

/* The server of Socket.IO's "chat" tutorial, as a backend: tutorial-chat.js PORT */

const users = new Map(); /* socket id -> name, of those who are in the chat */

function commands({ id, sid, type, event, args }) {
    const others = (name, data) => ({ id, all: true, except: sid, event: name, args: [data] });
    const username = users.get(sid);

    if (type === 'disconnect' && users.delete(sid)) {
        return [others('user left', { username, numUsers: users.size })];
    }
    if (event === 'add user' && username === undefined) {
        users.set(sid, args[0]);
        const numUsers = users.size;
        return [
            { id, event: 'login', args: [{ numUsers }] },
            others('user joined', { username: args[0], numUsers })
        ];
    }
    if (event === 'new message') {
        return [others(event, { username, message: args[0] })];
    }
    return event === 'typing' || event === 'stop typing' ? [others(event, { username })] : [];
}

require('node:http')
    .createServer(async (req, res) => {
        let body = '';
        for await (const chunk of req.setEncoding('utf8')) {
            body += chunk;
        }
        res.end(JSON.stringify(JSON.parse(body || '[]').flatMap(commands)));
    })
    .listen(process.argv[2], '127.0.0.1');
