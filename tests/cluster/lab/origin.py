"""An origin with faults: an HTTP server on a node that a test tells how to misbehave.

It runs on threads of the test's own process; its sockets are in the node's network. Files are made from a seed
number, so the right bytes are known without keeping them.
"""

import contextlib
import copy
import hashlib
import random
import re
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, TLS_PORT = 80, 443
CHUNK = 64 << 10
RANGE = re.compile(r"bytes=(\d+)-(\d*)$")


class File:
    """`size` bytes that follow from `seed`, served as a registry serves a blob."""

    def __init__(self, seed, size, text=False):
        self.data = random.Random(seed).randbytes(size)
        if text:
            self.data = self.data.hex()[:size].encode()
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        self.path = f"/v2/test/blobs/sha256:{self.sha256}"

    def shortened(self, length):
        """What it is not: the same name, fewer bytes."""
        other = copy.copy(self)
        other.data = self.data[:length]
        return other


class Fault:
    """What goes wrong, for the next `times` GETs (None: for all) of whichever file.

    status   answer with this status and a short body
    location   with this Location
    retry_after   with this Retry-After
    late     send nothing at all until release() is called
    close    close the connection after this many bytes of the body
    stall    stop sending after this many bytes until release() is called
    flip     send this byte of the file wrong
    ignore_range   answer 200 with everything whatever range was asked for
    further  only while the same client is being sent another answer
    length   the file ends after so many bytes
    each_once   only the first time that a range is asked for
    """

    def __init__(
        self,
        status=None,
        location=None,
        retry_after=None,
        late=False,
        close=None,
        stall=None,
        flip=None,
        ignore_range=False,
        further=False,
        length=None,
        each_once=False,
        times=None,
    ):
        self.status = status
        self.location = location
        self.retry_after = retry_after
        self.late = late
        self.close = close
        self.stall = stall
        self.flip = flip
        self.ignore_range = ignore_range
        self.further = further
        self.length = length
        self.each_once = each_once
        self.asked = set()
        self.times = times
        self.met = threading.Event()
        self.released = threading.Event()

    def release(self):
        self.released.set()

    def cut(self):
        """After how many bytes of the body something happens, or None."""
        return self.close if self.close is not None else self.stall


class Origin:
    """`tls` is a certificate's file and its key's: then it is asked by https."""

    def __init__(self, lab, node, name="origin.test", tls=None):
        self.node = node
        self.url = f"https://{name}" if tls else f"http://{name}"
        self.files = {}
        self.requests = []
        self.most_at_once = 0  # answers to one client
        self.pace = None  # bytes a second that each connection gets
        self.says_ranges = True  # by Accept-Ranges
        self.token = None  # what Authorization must be; without it: 401 with this challenge
        self.challenge = ""
        self._fault = None
        self._faults = []
        self._sending = {}  # addresses of the clients that are being sent a body, each by its request's number
        self._lock = threading.Lock()
        lab.name(name, node)
        origin = self

        class Handler(_Handler):
            server_origin = origin

        with node.network():
            kind = _Server6 if 6 in node.ips else _Server
            any_or_own = "::" if 6 in node.ips and 4 in node.ips else node.ip
            self._server = kind((any_or_own, TLS_PORT if tls else PORT), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()

    def add(self, seed, size, text=False):
        file = File(seed, size, text)
        self.files[file.path] = file
        return file

    def misbehave(self, fault):
        """From now on; None ends it."""
        with self._lock:
            self._fault = fault
            if fault:
                self._faults.append(fault)
        return fault

    def take_fault(self, asks_length, ip):
        """What goes wrong with the next answer; one of a single byte cannot be cut."""
        with self._lock:
            fault = self._fault
            if fault and fault.cut() is not None and asks_length:
                return None
            if fault and fault.further and ip not in self._sending.values():
                return None
            if fault and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._fault = None
            return fault

    def begins(self, record):
        with self._lock:
            self._sending[id(record)] = record["ip"]
            at_once = list(self._sending.values()).count(record["ip"])
            self.most_at_once = max(self.most_at_once, at_once)

    def ends(self, record):
        """Before the last bytes leave: whoever has them all may ask for more at once. Once more does no harm."""
        with self._lock:
            self._sending.pop(id(record), None)

    def sent(self, file=None, ip=None):
        """Body bytes sent so far, of one file and to one client only when given. A node asks for a length that it
        does not know by one byte; such answers are left out."""
        return sum(
            request["bytes"]
            for request in list(self.requests)
            if request["bytes"] != 1
            and (file is None or request["path"] == file.path)
            and (ip is None or request["ip"] == ip)
        )

    def close(self):
        """Nobody can reach it any more, on a connection from before either."""
        for fault in self._faults:
            fault.release()
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, *arguments):
        self._connections = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._connections.discard(request)
        super().shutdown_request(request)

    def cut(self):
        """Ends the connections that there are; after shutdown() none is added."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        """A client that goes away is no news here."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_origin = None

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def do_HEAD(self):
        self._answer(None, body=False)

    def do_GET(self):
        self._answer(self.server_origin.take_fault(self.headers.get("Range") == "bytes=0-0", self._ip()), body=True)

    def _ip(self):
        return self.client_address[0].removeprefix("::ffff:")

    def _answer(self, fault, body):
        record = {"ip": self._ip(), "path": self.path, "range": self.headers.get("Range"), "bytes": 0}
        record["headers"] = self.headers
        record["authorization"] = self.headers.get("Authorization")
        self.server_origin.requests.append(record)
        if fault and fault.each_once:
            asked = (self.path, self.headers.get("Range"))
            fault = None if asked in fault.asked else fault
            if fault:
                fault.asked.add(asked)
        if fault and fault.late:
            fault.met.set()
            fault.released.wait()
        file = self.server_origin.files.get(self.path.partition("?")[0])
        if file and fault and fault.length is not None:
            file = file.shortened(fault.length)
        status = fault.status if fault and fault.status else 200 if file else 404
        if self.server_origin.token not in (None, record["authorization"]):
            status = 401
        if status != 200:
            self._refuse(status, fault)
            return
        if self.headers.get("If-None-Match") == f'"{file.sha256[:16]}"':
            self.send_response(304)
            self.end_headers()
            return
        first, last = self._range(file, fault)
        if first >= max(len(file.data), 1) or (not file.data and self.headers.get("Range")):
            self._refuse(416, None)
            return
        partial = (first, last) != (0, len(file.data) - 1)
        self.send_response(206 if partial else 200)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Docker-Content-Digest", "sha256:" + file.sha256)
        self.send_header("ETag", f'"{file.sha256[:16]}"')
        if self.server_origin.says_ranges:
            self.send_header("Accept-Ranges", "bytes")
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(file.data)}")
        self.end_headers()
        if body:
            self.server_origin.begins(record)
            try:
                self._send(self._bytes(file, first, last, fault), fault, record)
            finally:
                self.server_origin.ends(record)

    @staticmethod
    def _bytes(file, first, last, fault):
        if not fault or fault.flip is None or not first <= fault.flip <= last:
            return memoryview(file.data)[first : last + 1]
        wrong = bytearray(file.data[first : last + 1])
        wrong[fault.flip - first] ^= 0xFF
        fault.met.set()
        return memoryview(wrong)

    def _refuse(self, status, fault):
        text = b"refused by the test\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        if status == 401:
            self.send_header("WWW-Authenticate", self.server_origin.challenge)
        if fault and fault.retry_after:
            self.send_header("Retry-After", fault.retry_after)
        if fault and fault.location:
            self.send_header("Location", fault.location)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
        if fault:
            fault.met.set()

    def _range(self, file, fault):
        match = RANGE.match(self.headers.get("Range") or "")
        end = len(file.data) - 1
        other = self.headers.get("If-Range") not in (None, f'"{file.sha256[:16]}"')
        if not match or other or (fault and fault.ignore_range):
            if fault and fault.ignore_range:
                fault.met.set()
            return 0, end
        return int(match[1]), min(int(match[2]) if match[2] else end, end)

    def _send(self, data, fault, record):
        cut = fault.cut() if fault else None
        at, begun = 0, time.monotonic()
        while at < len(data):
            if self.server_origin.pace:
                time.sleep(max(0, begun + at / self.server_origin.pace - time.monotonic()))
            if cut is not None and at >= cut:
                fault.met.set()
                if fault.close is not None:
                    self.close_connection = True
                    return
                fault.released.wait()
                cut = None
            size = min(CHUNK, len(data) - at, cut - at if cut is not None else CHUNK)
            if at + size == len(data):
                self.server_origin.ends(record)
            self._write(data[at : at + size], record)
            at += size

    def _write(self, data, record):
        """They count before they leave, so that whoever has them finds them counted."""
        record["bytes"] += len(data)
        try:
            self.wfile.write(data)
        except OSError:
            record["bytes"] -= len(data)
            raise
