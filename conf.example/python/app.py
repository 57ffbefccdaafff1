#!/usr/bin/env python3
# app.py [port]: a Socket.IO application behind proxy_pass.  A batch of events
# comes in, one on a line; commands go out, likewise.  A thread for each request.

import hmac, json, os, re, sys, time
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

USERS = {"ann-token": "ann", "bob-token": "bob"}
SECRET = os.environ.get("SIO_SECRET", "").encode()      # socketio_hook_secret


def genuine(header, body):
    t, *macs = re.findall(r"\b(?:t|v1)=([0-9a-f]+)", header) or ["0"]
    mac = hmac.new(SECRET, t.encode() + b"." + body, "sha256").hexdigest()
    return abs(time.time() - int(t)) <= 300 and any(hmac.compare_digest(mac, m) for m in macs)


def commands(e):
    args, user = e.get("args", []), e.get("data", {}).get("user")
    say = {"event": e.get("event"), "args": [user, *args], "attachments": e.get("attachments", [])}
    match [e["type"], e.get("event"), *args]:
        case ["connect", *_]:
            user = USERS.get(str(e["handshake"]["auth"].get("token")))
            yield ({"op": "accept", "data": {"user": user}, "rooms": ["lobby", f"user:{user}"]}
                   if user else {"op": "reject", "message": "not authorized"})
        case ["disconnect", *_] if user: yield {**say, "room": "lobby", "event": "left"}
        case ["ack", *_]: yield {**say, "sid": e["token"], "event": "answer"}   # to "question"
        case [_, "msg", *_]:
            yield {**say, "room": "lobby", "except": e["sid"]}
            yield {"op": "ack", "args": ["ok"]}
        case [_, "join", str(room), *_]: yield {"op": "join", "room": f"room:{room}"}
        case [_, "echo", *_]: yield say
        case [_, "ask", str(who), *_]:
            yield {**say, "room": f"user:{who}", "event": "question", "ack": e["sid"]}


def answer(line):
    try:
        e = json.loads(line.strip(b","))
        return "".join(json.dumps({"id": e["id"], **c}) + "\n" for c in commands(e))
    except Exception:           # costs this event only; nginx logs what is no command
        return '{"op":"failed"}\n'


def app(env, start):
    body = env["wsgi.input"].read(int(env["CONTENT_LENGTH"]))
    ok = not SECRET or genuine(env.get("HTTP_X_SOCKETIO_SIGNATURE", ""), body)
    start("200 OK" if ok else "401 Unauthorized", [])
    return ["".join(map(answer, body.split(b"\n")[1:-1] if ok else [])).encode()]


class Server(ThreadingMixIn, WSGIServer): pass
make_server("127.0.0.1", int(sys.argv[1]), app, Server).serve_forever()
