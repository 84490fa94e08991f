"""What schedulers and daemons, Dragonfly's and ours, said to our manager when it was recorded (tests/transcripts) is said
to it again, in the same order; it must answer with the same meaning."""

import json
import queue

import grpc

from fixture import LabTest, deadline, settings, until
from lab.darter import MANAGER_GRPC, Manager
from lab.lab import place
from lab.recording import fields, get, read
from stub_manager import SERVICE

KEEP_ALIVE, APPLICATIONS, GET_SCHEDULER = (SERVICE + name for name in ("KeepAlive", "ListApplications", "GetScheduler"))
CLUSTER = 3  # of KeepAliveRequest
STATE = 7  # of Scheduler
CALLS = ("UpdateScheduler", "GetScheduler", "ListApplications", "ListSchedulers", "KeepAlive")
BUILDS = {
    "name": "builds", "url": "https://example.com", "bio": "",
    "priority": {"value": 1, "urls": [{"regex": "/blobs/sha256:[0-9a-f]+$", "value": 3}]},
}  # fmt: skip


def meaning(value):
    """What a field says, whatever the order of fields and keys; what is not set and what is empty are the same."""
    if isinstance(value, int):
        return value
    try:
        return json.dumps(json.loads(value), sort_keys=True)
    except ValueError:
        pass
    if value.isascii() and value.decode().isprintable():
        return value
    try:
        inner = [(at, meaning(each)) for at, each in fields(value) if each not in (0, b"")]
        return sorted(inner, key=lambda field: field[0])  # repeated ones keep their order
    except IndexError:
        return value


class Beats:
    """A KeepAlive stream, as a recorded scheduler has it open."""

    def __init__(self, channel):
        self.messages = queue.SimpleQueue()
        method = channel.stream_unary(KEEP_ALIVE, request_serializer=bytes, response_deserializer=bytes)
        self.call = method.future(iter(self.messages.get, None))

    def end(self):
        self.call.cancel()
        self.messages.put(None)  # nobody waits for the next one


class Replayed(LabTest):
    def setUp(self):
        super().setUp()
        self.manager = Manager(settings["darter"], self.lab.node("manager", 2)).start()
        self.addCleanup(lambda: self.assertEqual(self.manager.process.stop(15), 0))
        self.manager.add_cluster("cluster-2", {"idc": "cluster-2"})
        self.channel = grpc.insecure_channel(place(self.manager.node.ip, MANAGER_GRPC))
        self.addCleanup(self.channel.close)
        self.beats = {}  # by recorded call
        self.seen = {}
        self.builds = False

    def answer(self, call):
        """Says what was said; the answer must be what it was."""
        if call.method == APPLICATIONS and not call.code and not self.builds:
            self.assertEqual(self.manager.call("POST", "/applications", BUILDS)[0], 200)
            self.builds = True
        method = self.channel.unary_unary(call.method, request_serializer=bytes, response_deserializer=bytes)
        try:
            said, code = method(call.messages(">")[0], timeout=10), 0
        except grpc.RpcError as error:
            said, code = None, error.code().value[0]
        self.assertEqual(code, call.code, call.method)
        if not code:
            answers = [meaning(each) for each in (said, call.messages("<")[0])]
            if call.method == GET_SCHEDULER:  # at its first question it is active or not: its stream has just begun
                answers = [[pair for pair in each if pair[0] != STATE] for each in answers]
            self.assertEqual(*answers, call.method)

    def beat(self, call, kind):
        """One event of a KeepAlive stream; the manager has it for active from its first message to its end."""
        cluster = get(call.messages(">")[0], CLUSTER)
        if kind == "headers":
            self.beats[call] = Beats(self.channel)
        elif kind == "message":
            self.beats[call].messages.put(call.messages(">")[0])
            until(10, f"cluster {cluster}'s scheduler is active", lambda: self.usable(cluster))
        elif kind == "gone":
            self.beats[call].end()
            until(10, f"cluster {cluster}'s scheduler is inactive", lambda: not self.usable(cluster))

    def usable(self, cluster):
        """By the picture of schedulers that daemons are answered from, which may be 2 s older than the database's rows."""
        status, ranking = self.manager.call("GET", "/clusters/ranking?ip=10.0.0.1")
        self.assertEqual(status, 200, ranking)
        return any(row["id"] == cluster and row["usable"] for row in ranking["clusters"])

    def replay(self, name, schedulers, peers):
        """All that this many of them asked, in its order."""
        calls = [call for call in read(name)[0] if call.method.startswith(SERVICE)]
        events = []
        for call in calls:
            if call.method == KEEP_ALIVE:
                events += [(when, call, kind) for when, _, kind, _ in call.events if kind in ("headers", "message")]
                events.append((call.gone, call, "gone"))
            else:
                events.append((call.start, call, None))
            self.seen.setdefault(call.method.removeprefix(SERVICE), set()).add(call.client)
        for _, call, kind in sorted(events, key=lambda event: event[0]):
            if kind:
                self.beat(call, kind)
            else:
                self.answer(call)
        counts = [schedulers if each != "ListSchedulers" else peers for each in CALLS]
        self.assertEqual([len(self.seen.get(each, ())) for each in CALLS], counts)

    @deadline(60)
    def test_their_scheduler_and_daemon(self):
        self.replay("guest-manager", 2, 3)

    @deadline(60)
    def test_our_scheduler_and_daemon(self):
        self.replay("darter-manager", 2, 3)
