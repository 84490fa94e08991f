"""What Dragonfly's own parts said (tests/transcripts), as calls that a test can play, and the wire's encoding."""

import os
from concurrent.futures import ThreadPoolExecutor

import grpc

from .lab import REPOSITORY, run

LENGTH = 9437307  # of the recorded object
NETWORK = "10.77.0"
THREADS = 32  # calls that a server of ours has at once
OBJECT = "".join(f"{number:015}\n" for number in range(LENGTH // 16 + 1)).encode()[:LENGTH]


def fields(message):
    """An encoded message as a list of (field, value): numbers as int, everything else as bytes."""
    at, found = 0, []

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = number()
        if tag & 7 == 0:
            found.append((tag >> 3, number()))
            continue
        length = number() if tag & 7 == 2 else 8 if tag & 7 == 1 else 4
        found.append((tag >> 3, message[at : at + length]))
        at += length
    return found


def get(message, *path, default=None):
    """The value at a path of field numbers; the last one given counts."""
    for wanted in path:
        message = dict(fields(message)).get(wanted)
        if message is None:
            return default
    return message


def decoded(text):
    """The bytes of a message, with what it holds of the object put back in its place."""
    if "+" not in text:
        return bytes.fromhex(text.strip("-"))
    before, place, after = (text + " ").split(" ", 2)
    offset, length = map(int, place.split("+"))
    return bytes.fromhex(before) + OBJECT[offset : offset + length] + bytes.fromhex(after)


class Call:
    """One HTTP/2 stream, or one Vortex connection."""

    def __init__(self, client, server):
        self.client, self.server = client.rpartition(":")[0], server.rpartition(":")[0]
        self.events = []  # (microseconds, way, kind, text)
        self.headers = {}
        self.code = 0
        self.gone = None  # when its client said goodbye

    def add(self, when, way, kind, text):
        self.events.append((when, way, kind, text))
        pairs = dict(pair.partition("=")[::2] for pair in text.split()) if kind in ("headers", "trailers") else {}
        if way == ">":
            self.headers.update(pairs)
        self.code = int(pairs.get("grpc-status", self.code))

    def messages(self, way):
        return [decoded(text) for _, side, kind, text in self.events if side == way and kind in ("message", "spliced")]

    def one(self, kind):
        """The text of the only event of this kind."""
        return next(text for _, _, found, text in self.events if found == kind)

    method = property(lambda self: self.headers.get(":path", ""))
    start = property(lambda self: self.events[0][0])
    end = property(lambda self: self.events[-1][0])


def read(name):
    """The calls of tests/transcripts/<name>.txt in the order of their beginnings, and when the server said goodbye."""
    calls, gone, goaway = {}, {}, None
    with open(os.path.join(REPOSITORY, "tests", "transcripts", name + ".txt"), encoding="ascii") as file:
        for line in file:
            word, *rest = line.rstrip("\n").split(" ", 4)
            if word == "connection":
                connection = rest
                continue
            stream, way, kind, text = (rest + [""])[:4]
            if kind == "goaway":
                goaway = int(word) if way == "<" else goaway
                if way == ">":
                    gone[tuple(connection)] = int(word)
                continue
            call = calls.setdefault((*connection, stream), Call(*connection))
            call.add(int(word), way, kind, text)
    for key, call in calls.items():
        call.gone = gone.get(key[:2])
    return sorted(calls.values(), key=lambda call: call.start), goaway


def join_network(node, number):
    """Gives a node of the lab an address of the recording; None: this process itself."""
    place = node.enter if node else run
    place("ip", "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0" if node else "lab0")
    return f"{NETWORK}.{number}"


class Server(grpc.GenericRpcHandler):
    """A gRPC server of this process: `methods` are functions of (iterator of requests, context) that yield answers."""

    def __init__(self, address, methods):
        self.methods = {"/grpc.health.v1.Health/Check": lambda requests, context: iter([b"\x08\x01"]), **methods}
        self.server = grpc.server(ThreadPoolExecutor(max_workers=THREADS))
        self.server.add_generic_rpc_handlers((self,))
        assert self.server.add_insecure_port(address)
        self.server.start()

    def service(self, handler_call_details):
        method = self.methods.get(handler_call_details.method)
        return method and grpc.stream_stream_rpc_method_handler(method)

    def close(self):
        self.server.stop(0).wait()
