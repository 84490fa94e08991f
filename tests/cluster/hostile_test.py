"""Messages as no honest part sends them: recorded ones, damaged and out of order. Both roles stay up."""

import os
import random
import time

import grpc

import replay
from fixture import ClusterTest, deadline, until
from lab.recording import OBJECT, Server, get, read

SECONDS = 12  # for the damaged messages
UPLOAD, SCHEDULER = "/dfdaemon.v2.DfdaemonUpload/", "/scheduler.v2.Scheduler/"
ANNOUNCE_PEER, ANNOUNCE_HOST = SCHEDULER + "AnnouncePeer", SCHEDULER + "AnnounceHost"
OTHERS = [SCHEDULER + "StatTask", SCHEDULER + "DeleteTask"]
OTHERS += [UPLOAD + "StatTask", UPLOAD + "DeleteTask", UPLOAD + "StatLocalTask"]
WAITING = "dragonfly_scheduler_concurrent_schedule_total"


def damaged(random_, message):
    """The message with up to five mistakes in it."""
    data = bytearray(message) or bytearray(b"\x0a\x01x")
    for _ in range(random_.choice((0, 1, 1, 2, 5))):
        at, kind = random_.randrange(len(data)), random_.randrange(5)
        if kind == 0:
            data[at] = random_.randrange(256)
        elif kind == 1 and len(data) > 9:
            del data[at : at + random_.randrange(1, 9)]
        elif kind == 2:
            data[at:at] = random_.randbytes(random_.randrange(1, 6))
        elif kind == 3:
            data += data[at:]
        else:
            data[at] ^= 1 << random_.randrange(8)
        data = data or bytearray(b"\x00")
    return bytes(data)


def begin_random():
    """The seed number, which a failure shows, and what follows from it; DTR_SEED gives one."""
    seed = int(os.environ.get("DTR_SEED") or time.time_ns())
    print(f"DTR_SEED={seed}", flush=True)
    return seed, random.Random(seed)


class Hostile(ClusterTest):
    def channel(self, address):
        channel = grpc.insecure_channel(address)
        self.addCleanup(channel.close)
        return channel

    @staticmethod
    def say(channel, method, messages, seconds=10.0):
        """Says all of it at once; the status that came."""
        stream = channel.stream_stream(method)(iter(messages), timeout=seconds)
        try:
            for _ in stream:
                pass
            return grpc.StatusCode.OK
        except grpc.RpcError as error:
            return error.code()

    @deadline(60)
    def test_a_stream_that_was_refused_is_forgotten(self):
        """Its peer registers again on another, which must not be told to the first."""
        self.scheduler.start()
        channel = self.channel(f"{self.scheduler.node.ip}:8002")
        calls = [call for call in read("managed-scheduler")[0] if call.client == "10.77.0.11"]
        host = next(call for call in calls if call.method == ANNOUNCE_HOST).messages(">")
        register = next(call for call in calls if call.method == ANNOUNCE_PEER).messages(">")[0]
        self.assertEqual(self.say(channel, ANNOUNCE_HOST, host), grpc.StatusCode.OK)
        task_id = get(register, 2)
        for _ in range(3):
            malformed = register.replace(task_id, b"\x7f" + task_id[1:], 1)
            self.assertEqual(self.say(channel, ANNOUNCE_PEER, [register, malformed]), grpc.StatusCode.INVALID_ARGUMENT)
        until(10, "no peer waits", lambda: self.scheduler.metrics().total(WAITING) == 0)
        self.assertTrue(self.scheduler.process.alive())

    @deadline(60)
    def test_damaged_recordings(self):
        seed, random_ = begin_random()
        self.start_cluster("node1")
        channels = {SCHEDULER: self.channel(f"{self.scheduler.node.ip}:8002")}
        channels[UPLOAD] = self.channel(f"{self.daemons['node1'].node.ip}:4000")
        recorded = [call for name in ("scheduler", "daemon") for call in read(f"managed-{name}")[0]]
        recorded = [call for call in recorded if "health" not in call.method]
        every = [message for call in recorded for message in call.messages(">")]
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            call = random_.choice(recorded)
            method = random_.choice((call.method, call.method, call.method, random_.choice(OTHERS)))
            messages = [damaged(random_, message) for message in call.messages(">")]
            if random_.random() < 0.3:
                messages.insert(random_.randrange(len(messages) + 1), damaged(random_, random_.choice(every)))
            if random_.random() < 0.2:
                random_.shuffle(messages)
            channel = next(channel for service, channel in channels.items() if method.startswith(service))
            self.say(channel, method, messages, random_.choice((0.02, 0.1, 0.5)))
        for role in (self.scheduler, self.daemons["node1"]):
            self.assertTrue(role.process.alive(), f"DTR_SEED={seed}: see {role.process.log}")
        self.pull("node1", self.origin.add(1, 8 << 20))


class DamagedParents(replay.Parents):
    """Now and then a message, a head or the bytes of a piece are wrong, or the connection ends."""

    def __init__(self, test, random_):
        self.random = random_
        super().__init__(test, "managed", 12)

    def sync_pieces(self, call, request):
        for message in self.random.sample(call.messages("<"), 3):
            yield self.maybe_damaged(message)

    def piece(self, request):
        head, content = self.replies.get(request[70:], next(iter(self.replies.values()))), b""
        offset, length = (int.from_bytes(head[at : at + 8], "big") for at in (14, 22))
        content = OBJECT[offset : offset + length]
        if self.random.random() < 0.2:
            content = content[: self.random.randrange(len(content))]
        elif self.random.random() < 0.2:
            content = content[:-1] + b"?"
        return self.maybe_damaged(head), content

    def maybe_damaged(self, message):
        return message if self.random.random() < 0.6 else damaged(self.random, message)


class HostileAnswers(replay.RecordedOthers):
    """Our daemon with a scheduler and parents that answer by damaged recordings; the origin is honest."""

    def serve_damaged_scheduler(self, random_):
        answer = self.peer_call("managed", 12, replay.NORMAL_TASK).messages("<")[0]

        def announce_peer(requests, _):
            for request in requests:
                if replay.arm(request) in (replay.REGISTER, replay.RESCHEDULE):
                    yield answer if random_.random() < 0.6 else damaged(random_, answer)
                elif replay.arm(request) in replay.TERMINAL:
                    return

        methods = {ANNOUNCE_HOST: self.on_announce_host, ANNOUNCE_PEER: announce_peer}
        methods[replay.DELETE_HOST] = lambda *_: iter([b""])
        self.addCleanup(Server(f"{self.scheduler_ip}:8002", methods).close)

    @deadline(90)
    def test_every_pull_is_right_all_the_same(self):
        seed, random_ = begin_random()
        self.serve_damaged_scheduler(random_)
        DamagedParents(self, random_)
        self.start_daemon("p2", 12)
        end, number = time.monotonic() + SECONDS, 0
        while time.monotonic() < end or number <= 5:
            number += 1
            self.download(f"/f/managed/numbers.txt?{number}")
        self.assertTrue(self.daemon.process.alive(), f"DTR_SEED={seed}: see {self.daemon.process.log}")
        self.daemon.wait_idle(20)
