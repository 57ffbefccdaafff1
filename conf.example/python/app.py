#!/usr/bin/env python3
"""A Socket.IO chat backend behind nginx: events come in as a JSON array, the
answer is a JSON array of commands.  Keeps no state: any number may run."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = os.environ.get("CHAT_TOKEN", "demo")


def commands(e):
    """Yields the commands that answer one event."""

    args, me = e.get("args", []), e.get("data")

    if e["type"] == "connect":
        if e["handshake"]["auth"].get("token") == TOKEN:
            yield {"op": "accept", "rooms": ["lobby"]}
        else:
            yield {"op": "reject", "message": "wrong token",
                   "data": {"code": "bad_token"}}

    elif e["type"] == "disconnect":
        yield {"room": "lobby", "event": "left", "args": [me]}

    elif e["event"] == "nick":
        yield {"op": "data", "data": args}
        yield {"room": "lobby", "except": e["sid"], "event": "joined",
               "args": [args]}

    elif e["event"] == "chat message":
        yield {"room": "lobby", "event": "chat message", "args": [me, args],
               "attachments": e.get("attachments", [])}
        yield {"op": "ack", "args": ["delivered"]}

    elif e["event"] == "typing":
        yield {"room": "lobby", "except": e["sid"], "event": "typing",
               "args": [me], "volatile": True}

    elif e["event"] == "join" and args and isinstance(args[0], str):
        yield {"op": "join", "room": "room:" + args[0]}
        yield {"op": "ack", "args": ["joined", args[0]]}

    elif e["event"] == "to" and len(args) > 1 and isinstance(args[0], str):
        yield {"room": "room:" + args[0], "except": e["sid"],
               "event": "from", "args": [me, *args[1:]]}


def answer(body):
    """One object per line: an event that Python cannot read or answer (1e999,
    a thousand brackets) costs no other.  In its place stands a command that
    does not exist: nginx logs it, and lets in nobody without an "accept"."""

    lines = []
    for line in filter(None, (x.strip(b"[], ") for x in body.split(b"\n"))):
        try:
            e = json.loads(line)
            lines += [json.dumps({"id": e["id"], **c}, allow_nan=False)
                      for c in commands(e)]
        except Exception as err:
            print("event", line, repr(err), file=sys.stderr)
            lines.append('{"op":"failed"}')

    return ("[" + ",\n".join(lines) + "]").encode()


class Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"           # keepalive to nginx
    disable_nagle_algorithm = True

    def do_POST(self):
        body = answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8081
    ThreadingHTTPServer(("127.0.0.1", port), Hook).serve_forever()
