"""Both kinds in one swarm, from recordings of it: what Dragonfly's daemons, scheduler and tools said to Darter's parts
is said to them again, and what they answered is answered again."""

import grpc

from fixture import LabTest, deadline, settings
from lab.darter import SOCKET
from lab.recording import LENGTH, NETWORK, OBJECT, Server, fields, get, read
from replay import (
    NEED_BACK_TO_SOURCE, NORMAL_TASK, SECONDS, NodeReplay, Parents, RecordedDaemons, RecordedOthers, SeedReplay, arm
)

DOWNLOAD_TASK = "/dfdaemon.v2.DfdaemonDownload/DownloadTask"
STARTED, PIECE_FINISHED = 4, 5  # of DownloadTaskResponse
SEED, P1, P2 = (f"{NETWORK}.{number}" for number in (10, 11, 12))


def piece_facts(response):
    """What a tool goes by: of the start the length, of a piece number, offset, length, digest and content."""
    if arm(response) == STARTED:
        return STARTED, get(response, STARTED, 1)
    piece = get(response, PIECE_FINISHED, 1)
    return PIECE_FINISHED, *(get(piece, number, default=0) for number in (1, 3, 4, 5)), get(piece, 6, default=b"")


class TheirDaemonsOnOurScheduler(RecordedDaemons):
    """Our scheduler hears the nodes of a mixed swarm, and answers as then."""

    @deadline(60)
    def test_their_seed_and_node(self):
        self.replay("darter")

    @deadline(60)
    def test_our_seed_and_node(self):
        self.replay("guest")


class OurChild(NodeReplay):
    """Our daemon fetches what it fetched then."""

    @deadline(60)
    def test_from_their_seed_and_node(self):
        self.from_parents("darter", 12, "p2", {SEED, P1})

    @deadline(60)
    def test_told_by_their_scheduler(self):
        self.from_parents("guest", 11, "p1", {SEED})

    @deadline(60)
    def test_sent_to_the_origin_by_their_scheduler(self):
        call = self.peer_call("guest", 11, NEED_BACK_TO_SOURCE)
        self.serve_scheduler(call)
        self.start_daemon("p1", 11)
        self.download("/f/guestprio/numbers.txt", "X-Dragonfly-Priority: 3")
        self.expect_said(call)
        self.assertEqual(self.web.sent, LENGTH)


class OurParent(NodeReplay, SeedReplay):
    """Their child asks our daemons what it asked then, and gets the same pieces."""

    @deadline(60)
    def test_seed(self):
        self.replay("guest")

    @deadline(60)
    def test_node(self):
        self.serve_scheduler(self.peer_call("guest", 11, NORMAL_TASK))
        Parents(self, "guest", 11)
        self.start_daemon("p1", 11)
        self.download("/f/guest/numbers.txt")
        calls, taken = self.asked("guest")
        self.assertEqual({P2}, {call.client for call in calls + taken})
        self.assertTrue(taken, "nothing was recorded to ask for")


class TheirTools(RecordedOthers):
    """What dfget said on our socket, without and with --transfer-from-dfdaemon, is said again."""

    @deadline(60)
    def test_dfget(self):
        self.serve_scheduler(self.peer_call("managed", 11, NEED_BACK_TO_SOURCE))
        self.start_daemon("p1", 11)
        path = self.daemon.node.socket_path(SOCKET.removeprefix("/var"))
        channel = grpc.insecure_channel("unix:" + path, [("grpc.max_receive_message_length", 8 << 20)])
        self.addCleanup(channel.close)
        for call in read("dfget-download")[0]:
            self.play(channel, call)
        with open(self.daemon.node.path("/tmp/a"), "rb") as written:
            self.assertTrue(written.read() == OBJECT, "wrong bytes were written")

    def play(self, channel, call):
        stream = channel.stream_stream(DOWNLOAD_TASK)(iter(call.messages(">")), timeout=SECONDS)
        ours, then = list(stream), call.messages("<")
        self.assertEqual(sorted(map(piece_facts, then)), sorted(map(piece_facts, ours)))
        self.assertEqual({get(message, 2) for message in then}, {get(message, 2) for message in ours})


class OurTools(LabTest):
    """What their daemon answered to `darter get` is answered again."""

    @deadline(60)
    def test_get(self):
        call = read("get-download")[0][0]
        node = self.lab.node("node", 12)
        said = []

        def download_task(requests, _):
            said.append(next(requests))
            yield from call.messages("<")

        self.addCleanup(Server("unix:" + node.socket_path("/run/dfdaemon.sock"), {DOWNLOAD_TASK: download_task}).close)
        url = f"http://{NETWORK}.3/f/get/numbers.txt"
        arguments = ["--endpoint", "/run/dfdaemon.sock", "--output", "/tmp/got", "--transfer-from-dfdaemon", url]
        status, _, errors = node.try_to(settings["darter"], "get", *arguments)
        self.assertEqual((status, errors), (0, ""))
        with open(node.path("/tmp/got"), "rb") as got:
            self.assertTrue(got.read() == OBJECT, "wrong bytes were written")
        self.assertEqual(sorted(fields(get(call.messages(">")[0], 1))), sorted(fields(get(said[0], 1))))
