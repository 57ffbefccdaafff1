"""What t/node/python.t has python-socketio do: client.py URL MODE CASE

Prints a line of JSON for each check: its name, and what was wrong with it.  The
transport is that of MODE for all of it; "upgrade" is what the library does by
default.  CASE tells the backend of the test who this is.
"""

import json
import os
import queue
import sys
import traceback

import engineio.payload
import socketio

# By default it gives up at an answer to a poll of more than 16 packets, which its
# own server never sends, and Node's does: its users have to raise it there, too.

engineio.payload.Payload.max_decode_packets = 1000

TEXT = "é € 😀 \u2028\u2029 \x1e \0 \"\\/\n \\n \x7f\x80 ÿ 日本 </script>"
VALUES = [None, False, 0, -1.5, "", [], {}, [[[]]], {"a": {"b": [None]}}, TEXT]
BINARY = [bytes(range(256)), b"\0", b"\x04\x1e\xff", b"", b"\xa5" * 70000]
SECONDS = 8

url, mode, case = sys.argv[1:]
transports = None if mode == "upgrade" else [mode]


def client():
    sio = socketio.Client(reconnection=False, request_timeout=SECONDS)
    sio.got = queue.Queue()
    for nsp in ["/", "/custom"]:
        for event in ["disconnect", "connect_error", "x", "é😀"]:
            put(sio, event, nsp)
    return sio


def connect(namespaces="/", auth=None, sio=None, **options):
    sio = sio or client()
    sio.connect(
        url,
        auth={"test": case, **(auth or {})},
        namespaces=namespaces,
        transports=transports,
        socketio_path="python",
        **{"wait_timeout": SECONDS, **options}
    )
    return sio


def put(sio, event, nsp):
    sio.on(event, lambda *args: sio.got.put((nsp, event, *args)), nsp)


def got(sio):
    return sio.got.get(timeout=SECONDS)


def equal(a, b):
    assert a == b, "%.2000r is not %.2000r" % (a, b)


def transport():
    sio = connect(headers={"X-Test": "1"}, auth={"token": TEXT})
    equal(sio.transport(), "polling" if mode == "polling" else "websocket")
    equal(sio.call("who", timeout=SECONDS), {"test": case, "token": TEXT})
    sio.disconnect()


def values():
    sio = connect()
    equal(sio.call("ack", VALUES, timeout=SECONDS), VALUES)
    equal(sio.call("ack", ("a", 1), timeout=SECONDS), ("a", 1))
    sio.emit("é😀", (TEXT * 1000, 1))
    equal(got(sio), ("/", "é😀", TEXT * 1000, 1))
    sio.disconnect()


def binary():
    sio = connect()
    for b in BINARY:
        equal(sio.call("ack", {"n": [None, b]}, timeout=SECONDS), {"n": [None, b]})
        sio.emit("x", (b, "text", [b]))
        equal(got(sio), ("/", "x", b, "text", [b]))
    sio.emit("x", tuple(BINARY + BINARY))
    equal(got(sio), ("/", "x", *BINARY, *BINARY))
    sio.disconnect()


def order():
    sio = connect()
    sent = [(i, b"b" if i % 3 else "t") for i in range(100)]
    for args in sent:
        sio.emit("x", args)
    equal([got(sio)[2:] for _ in sent], sent)
    sio.disconnect()


def namespaces():
    sio = connect(["/", "/custom"])
    for nsp in ["/", "/custom"]:
        equal(sio.call("where", namespace=nsp, timeout=SECONDS), nsp)
        sio.emit("x", (TEXT, b"\0"), namespace=nsp)
        equal(got(sio), (nsp, "x", TEXT, b"\0"))
    assert sio.get_sid("/") != sio.get_sid("/custom")
    sio.disconnect()


def rejected():
    sio = client()
    try:
        connect(auth={"reject": True}, sio=sio, wait_timeout=1)
    except socketio.exceptions.ConnectionError:
        equal(got(sio), ("/", "connect_error", {"message": "not today é"}))
    else:
        raise AssertionError("accepted")


def left():
    sio = connect()
    sio.emit("kick")
    equal(got(sio), ("/", "disconnect"))


def room():
    """The backend publishes, to all clients of the test, when it is told."""
    sio = connect(auth={"room": True})
    sio.emit("ready")
    equal([got(sio)[2:] for _ in range(20)], [(i, TEXT, BINARY[0]) for i in range(20)])
    sio.disconnect()


for check in [transport, values, binary, order, namespaces, rejected, left, room]:
    problem = None
    try:
        check()
    except Exception:
        problem = traceback.format_exc()
    print(json.dumps({"name": check.__name__, "problem": problem}), flush=True)

# threads of a client whose connect failed would wait for it

os._exit(0)
