"""Plays one side of the recorded traffic (tests/transcripts) to Darter, which is the other. The tests that say what is
played are in replay_test.py and mixed_replay_test.py."""

import hashlib
import queue
import socket
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc

from fixture import ClusterTest, Download, settings, until
from lab.darter import PROXY, Daemon, Scheduler
from lab.recording import LENGTH, NETWORK, OBJECT, Server, fields, get, join_network, read

SECONDS = 20  # for any one answer
ANNOUNCE_HOST, DELETE_HOST = "/scheduler.v2.Scheduler/AnnounceHost", "/scheduler.v2.Scheduler/DeleteHost"
STAT_TASK = "/scheduler.v2.Scheduler/StatTask"
ANNOUNCE_PEER = "/scheduler.v2.Scheduler/AnnouncePeer"
DOWNLOAD_TASK = "/dfdaemon.v2.DfdaemonUpload/DownloadTask"
SYNC_PIECES, SYNC_HOST = "/dfdaemon.v2.DfdaemonUpload/SyncPieces", "/dfdaemon.v2.DfdaemonUpload/SyncHost"
REGISTER, STARTED, SOURCE_STARTED, FINISHED, SOURCE_FINISHED = 4, 5, 6, 8, 9  # of AnnouncePeerRequest
RESCHEDULE, PIECE, SOURCE_PIECE = 7, 12, 13
TERMINAL = (FINISHED, SOURCE_FINISHED, 10, 11)
NORMAL_TASK, NEED_BACK_TO_SOURCE = 2, 3  # of AnnouncePeerResponse
# Of a Download: the parameters that an URL without query does not have, headers of the client, and that digests name
# blobs, which this is none of.
OWN_WAYS = (8, 9, 30)


def arm(message):
    """Which of its kinds an AnnouncePeer request or response is."""
    return max(number for number, _ in fields(message))


def pieces(messages):
    """Number, offset, length, digest of each piece that AnnouncePeer requests report."""
    reports = [get(message, arm(message), 1) for message in messages if arm(message) in (PIECE, SOURCE_PIECE)]
    return sorted(tuple(get(piece, number, default=0) for number in (1, 3, 4, 5)) for piece in reports)


def parents(response):
    """Peer id, host id, address and port of each parent in a NormalTaskResponse."""
    found = set()
    for _, peer in fields(get(response, NORMAL_TASK)):
        host = get(peer, 8)
        found.add((get(peer, 1), get(host, 1), get(host, 4), get(host, 5)))
    return found


def without_times(call, message):
    """An answer to any call but AnnouncePeer; of a task, without when it was new and changed, and its pieces' costs."""
    return [field for field in fields(message) if call.method != STAT_TASK or field[0] not in (12, 16, 17)]


class RecordedDaemons(ClusterTest):
    """Dragonfly's seed and nodes p1 and p2 with our scheduler, which restarts where theirs did."""

    def setUp(self):
        super().setUp()
        self.scheduler_ip = join_network(self.scheduler.node, 2)
        self.seed_ip = join_network(None, 10)
        self.triggered, self.fetched = threading.Event(), threading.Event()
        self.trigger = None
        self.channels = {}
        self.threads = []
        self.failures = []

    def on_download_task(self, requests, _):
        self.trigger = next(requests)
        self.triggered.set()
        yield self.answers[0]
        self.fetched.wait(SECONDS)
        yield from self.answers[1:]

    def channel(self, client):
        if client not in self.channels:
            self.channels[client] = grpc.insecure_channel(f"{self.scheduler_ip}:8002")
            self.addCleanup(self.channels[client].close)
        return self.channels[client]

    def play(self, call):
        """Says what was said, in turn with the answers, and holds each answer against the recorded one."""
        said = queue.Queue()
        stream = self.channel(call.client).stream_stream(call.method)(iter(said.get, None), timeout=SECONDS)
        for _, way, kind, text in call.events:
            if kind != "message":
                continue
            message = bytes.fromhex(text.strip("-"))
            if way == ">":
                said.put(message)
            else:
                self.compare(call, message, next(stream))
        if call.method != ANNOUNCE_PEER:
            said.put(None)  # theirs never ended their side of AnnouncePeer
        self.assertEqual([], self.rest(stream), "more was answered")
        self.assertEqual(stream.code().value[0], call.code, f"{call.method}: {stream.details()}")
        said.put(None)

    @staticmethod
    def rest(stream):
        try:
            return list(stream)
        except grpc.RpcError:
            return []

    def compare(self, call, recorded, answer):
        if call.method != ANNOUNCE_PEER:
            self.assertEqual(*(without_times(call, message) for message in (recorded, answer)))
            return
        self.assertEqual(arm(recorded), arm(answer))
        if arm(recorded) == NORMAL_TASK:
            self.assertEqual(parents(recorded), parents(answer))

    def start_playing(self, call):
        def work():
            try:
                self.play(call)
                if call.method == ANNOUNCE_PEER and call.client == self.seed_ip:
                    self.fetched.set()
            except BaseException as error:  # pylint: disable=broad-exception-caught
                self.failures.append(f"{call.client} {call.method}: {type(error).__name__} {error}")

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.threads.append((thread, call))

    def join(self, ended_before):
        """Waits for the calls that had ended by then."""
        for thread, call in self.threads:
            if call.end < ended_before:
                thread.join(2 * SECONDS)
                self.assertFalse(thread.is_alive(), f"{call.client} {call.method} does not end")
        self.assertEqual([], self.failures)

    def restart_scheduler(self):
        for channel in self.channels.values():
            channel.close()
        self.channels.clear()
        self.scheduler.process.stop(10)
        self.scheduler.start()

    def replay(self, name):
        calls, goaway = read(f"{name}-scheduler")
        to_seed = next(call for call in read(f"{name}-daemon")[0] if call.method == DOWNLOAD_TASK)
        self.answers = to_seed.messages("<")
        seed = Server(f"{self.seed_ip}:4000", {DOWNLOAD_TASK: self.on_download_task})
        self.addCleanup(seed.close)
        self.scheduler.start()
        before = True
        for call in calls:
            self.join(call.start)
            if before and call.start > goaway:
                before = False
                self.restart_scheduler()
            if call.method == ANNOUNCE_PEER and before:
                log = self.scheduler.process.log_text
                until(SECONDS, "the seed has been probed", lambda: f"seed {self.seed_ip}-seed-seed serves" in log())
            if call.method == ANNOUNCE_PEER and call.client == self.seed_ip:
                self.assertTrue(self.triggered.wait(SECONDS), "the seed was not told to fetch it")
            self.start_playing(call)
        self.join(calls[-1].end + 1)
        self.assertFalse(before)
        self.assertEqual(sorted(fields(get(to_seed.messages(">")[0], 1))), sorted(fields(get(self.trigger, 1))))


class _OriginHandler(BaseHTTPRequestHandler):
    """The object under any path, whole, or from one byte to another."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def do_GET(self):
        first, _, last = (self.headers.get("Range") or "bytes=0-").partition("=")[2].partition("-")
        body = OBJECT[int(first) : int(last) + 1 if last else LENGTH]
        self.send_response(206 if self.headers.get("Range") else 200)
        self.send_header("Content-Length", str(len(body)))
        if self.headers.get("Range"):
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(body) - 1}/{LENGTH}")
        self.end_headers()
        self.server.sent += len(body) if len(body) > 1 else 0
        self.wfile.write(body)


class _Origin(ThreadingHTTPServer):
    sent = 0  # bytes of bodies; asking for the length takes one, which does not count

    def handle_error(self, request, client_address):
        """A client that goes away is no news here."""


class RecordedOthers(ClusterTest):
    """One of our daemons with Dragonfly's scheduler and daemons, and an origin with the recorded object."""

    def setUp(self):
        super().setUp()
        self.origin_ip, self.scheduler_ip = join_network(None, 3), join_network(None, 2)
        self.web = _Origin((self.origin_ip, 80), _OriginHandler)
        threading.Thread(target=self.web.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        self.addCleanup(self.web.server_close)
        self.addCleanup(self.web.shutdown)
        self.said = []
        self.announced = threading.Event()

    def on_announce_host(self, *_):
        self.announced.set()
        yield b""

    def serve_scheduler(self, call):
        """Answers one AnnouncePeer as recorded, everything else with an empty message."""

        def announce_peer(requests, _):
            for _, way, kind, text in call.events:
                if kind == "message" and way == ">":
                    self.said.append(next(requests))
                elif kind == "message":
                    yield bytes.fromhex(text.strip("-"))

        methods = {ANNOUNCE_HOST: self.on_announce_host, ANNOUNCE_PEER: announce_peer}
        methods[DELETE_HOST] = lambda *_: iter([b""])
        self.addCleanup(Server(f"{self.scheduler_ip}:8002", methods).close)

    def start_daemon(self, name, number, seed=False):
        node = self.lab.node(name, 20 + number)
        self.ip = join_network(node, number)
        self.daemon = Daemon(settings["darter"], node, self.scheduler_ip, seed, {"host": {"ip": self.ip}})
        self.roles.append(self.daemon)
        self.daemon.start()
        self.assertTrue(self.announced.wait(SECONDS), "it does not announce itself")

    def download(self, path, *headers):
        """curl asks our daemon for it; the bytes that came."""
        url = f"http://127.0.0.1:{PROXY}{path}"
        headers = (f"X-Dragonfly-Registry: http://{self.origin_ip}", "X-Dragonfly-Use-P2P: true", *headers)
        download = Download(self.daemon.node, url, headers)
        self.assertEqual(download.wait(SECONDS), (0, 200))
        with open(download.path, "rb") as got:
            self.assertTrue(got.read() == OBJECT, "wrong bytes were delivered")

    def expect_said(self, call):
        """The recorded kinds of messages in the recorded order, about the same task, download and pieces."""
        until(SECONDS, "everything was said", lambda: len(self.said) == len(call.messages(">")))
        recorded = call.messages(">")
        self.assertEqual([arm(message) for message in recorded], [arm(message) for message in self.said])
        self.assertEqual({get(message, 1) for message in recorded}, {get(message, 1) for message in self.said})
        self.assertEqual({get(message, 2) for message in recorded}, {get(message, 2) for message in self.said})
        self.assertEqual(pieces(recorded), pieces(self.said))
        theirs, ours = (self.download_facts(messages[0]) for messages in (recorded, self.said))
        self.assertEqual(theirs, ours)

    @staticmethod
    def download_facts(register):
        """What names the task and its size, and the priority."""
        return [field for field in sorted(fields(get(register, REGISTER, 1))) if field[0] not in OWN_WAYS]

    def peer_call(self, name, number, last):
        """What node `number` said of its download, in which the scheduler answered by `last`."""
        return next(
            call
            for call in read(f"{name}-scheduler")[0]
            if call.method == ANNOUNCE_PEER and call.client == f"{NETWORK}.{number}" and not call.code
            if arm(call.messages("<")[-1]) == last
        )


class Parents:
    """Dragonfly's seed and node p1 as a child of theirs saw them: SyncPieces, SyncHost, Vortex."""

    def __init__(self, test, name, number):
        self.test = test
        self.replies = {}  # by piece
        for call in read(f"{name}-vortex")[0]:
            self.replies[bytes.fromhex(call.one("request"))[70:]] = bytes.fromhex(call.one("reply"))
        self.served = []
        self.calls = [call for call in read(f"{name}-daemon")[0] if call.client == f"{NETWORK}.{number}"]
        for ip in sorted({call.server for call in self.calls}):
            join_network(None, int(ip.rpartition(".")[2]))
            self.serve(test, ip)

    def serve(self, test, ip):
        sync_pieces = next(call for call in self.calls if call.server == ip and call.method == SYNC_PIECES)

        def on_sync_pieces(requests, _):
            return self.sync_pieces(sync_pieces, next(requests))

        def on_sync_host(_, context):
            over = threading.Event()
            context.send_initial_metadata(())
            if context.add_callback(over.set):
                over.wait()
            yield from ()

        test.addCleanup(Server(f"{ip}:4000", {SYNC_PIECES: on_sync_pieces, SYNC_HOST: on_sync_host}).close)
        listener = socket.create_server((ip, 4005))
        test.addCleanup(listener.close)
        test.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self.accept, args=(listener, ip), daemon=True).start()

    def accept(self, listener, ip):
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.give, args=(connection, ip), daemon=True).start()

    def sync_pieces(self, call, request):
        """What is answered to a child."""
        self.test.assertEqual(sorted(fields(request)), sorted(fields(call.messages(">")[0])))
        yield from call.messages("<")

    def piece(self, request):
        """Head and bytes of a piece."""
        reply = self.replies[request[70:]]
        offset, length = (int.from_bytes(reply[at : at + 8], "big") for at in (14, 22))
        return reply, OBJECT[offset : offset + length]

    def give(self, connection, ip):
        with connection, connection.makefile("rb") as incoming:
            request = incoming.read(74)
            piece = ip, int.from_bytes(request[70:], "big")
            self.served.append(piece)  # before it is there, as its child may be done with that
            try:
                connection.sendall(b"".join(self.piece(request)))
            except OSError:
                self.served.remove(piece)  # the child has changed its mind


class DaemonReplay(RecordedOthers):
    """What other daemons asked of one is asked of ours in its place."""

    def asked(self, name):
        """gRPC first; then the pieces that were fetched of it."""
        self.channel = grpc.insecure_channel(f"{self.ip}:4000")
        self.addCleanup(self.channel.close)
        calls, pieces_taken = (
            [call for call in read(f"{name}-{kind}")[0] if call.server == self.ip] for kind in ("daemon", "vortex")
        )
        for call in calls:
            self.ask(call)
        for call in pieces_taken:
            self.take(call)
        return calls, pieces_taken

    def ask(self, call):
        stream = self.channel.stream_stream(call.method)(iter(call.messages(">")), timeout=SECONDS)
        if call.method == SYNC_HOST:
            stream.initial_metadata()
            stream.cancel()
            return
        ours, theirs = list(stream), call.messages("<")
        if call.method == DOWNLOAD_TASK:
            self.assertEqual([arm(message) for message in theirs], [arm(message) for message in ours])
            self.assertEqual({get(message, 2) for message in theirs}, {get(message, 2) for message in ours})
        elif call.method == SYNC_PIECES:
            self.assertEqual(self.without_quic(theirs), self.without_quic(ours))
        else:
            self.assertEqual(theirs, ours)

    @staticmethod
    def without_quic(messages):
        return sorted([field for field in fields(message) if field[0] != 6] for message in messages)

    def take(self, call):
        """A piece by Vortex: the same facts, the same bytes."""
        theirs = bytes.fromhex(call.one("reply"))
        with socket.create_connection((self.ip, 4005), SECONDS) as connection:
            connection.sendall(bytes.fromhex(call.one("request")))
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as incoming:
                head = incoming.read(6)
                ours = head + incoming.read(int.from_bytes(head[2:], "big"))
                content = incoming.read()
        digest = 34 + int.from_bytes(theirs[30:34], "big")
        self.assertEqual(theirs[10:digest], ours[10:digest])
        length, crc, sha, _ = call.one("content").split()
        self.assertEqual((str(len(content)), f"crc32:{zlib.crc32(content)}"), (length, crc))
        self.assertEqual(f"sha256:{hashlib.sha256(content).hexdigest()}", sha)


class NodeReplay(DaemonReplay):
    """Our daemon in the place of theirs."""

    def from_parents(self, name, number, node, parents_expected):
        call = self.peer_call(name, number, NORMAL_TASK)
        self.serve_scheduler(call)
        theirs = Parents(self, name, number)
        self.start_daemon(node, number)
        self.download(f"/f/{name}/numbers.txt")
        self.expect_said(call)
        self.assertEqual(self.web.sent, 0, "it should come from the parents")
        self.assertEqual({number for _, number in theirs.served}, {0, 1, 2})
        self.assertEqual({call.server for call in theirs.calls}, parents_expected)


class SeedReplay(DaemonReplay):
    """Our daemon is triggered by their scheduler, then nodes take pieces from it."""

    def replay(self, name):
        call = self.peer_call(name, 10, NEED_BACK_TO_SOURCE)
        self.serve_scheduler(call)
        self.start_daemon("seed", 10, seed=True)
        self.asked(name)
        self.expect_said(call)
        self.assertEqual(self.web.sent, LENGTH)
