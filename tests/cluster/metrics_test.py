"""/metrics tells what happened, under Dragonfly's names and label values."""

import json

from fixture import MIB, PROXY, ClusterTest, Download, deadline, until
from lab.origin import Fault

SIZE = 32 * MIB + 4321
PIECE = 4 * MIB
LEVEL = "6"  # task_size_level of 32 MiB up to 64 MiB
STANDARD = {"type": "0", "tag": "", "app": ""}
TASK = dict(STANDARD, priority="0")
PEER = {"priority": "LEVEL6", "task_type": "STANDARD"}


class Page:
    """One reading of a role's page; `value` fails when there is no such sample."""

    def __init__(self, role, prefix):
        self.metrics = role.metrics()
        self.prefix = prefix

    def value(self, name, **labels):
        values = [
            value
            for sample, has, value in self.metrics.samples
            if sample == self.prefix + name and all(has.get(key) == wanted for key, wanted in labels.items())
        ]
        if not values:
            raise AssertionError(f"there is no {self.prefix}{name} with {labels}")
        return sum(values)

    def total(self, name, **labels):
        return self.metrics.total(self.prefix + name, **labels)


class MetricsTellTheTruth(ClusterTest):
    def client(self, name):
        return Page(self.daemons[name], "dragonfly_client_")

    def three_pulls(self):
        """node1 gets a file, node2 gets it, node1 reads it once more."""
        self.start_cluster("seed", "node1", "node2")
        self.file = self.origin.add(1, SIZE)
        for name in ("node1", "node2", "node1"):
            self.pull(name, self.file)
        self.expect_idle()

    def pulled(self, name):
        """What node `name` tells of its only pull of the file."""
        daemon = self.daemons[name]
        story = json.loads(daemon.node.enter(daemon.darter, "ctl", "explain", self.file.sha256, "--json"))
        (pull,) = story["pulls"]
        return pull

    def expect_uploads(self, sent, pulls):
        """Each byte that two nodes got was sent, and none for nothing but those of pieces of which a second parent was
        asked too, since the first had sent nothing for a second: that happens where nodes share a busy machine."""
        last = SIZE % PIECE
        more, rest = divmod(sent - 2 * SIZE, PIECE)
        self.assertEqual(rest % last, 0)
        asked = sum(parent["piecesAsked"] for pull in pulls for parent in pull["parents"])
        self.assertIn(more + rest // last, range(asked - 2 * (SIZE // PIECE + 1) + 1))  # some were cancelled in time

    def expect_from_peers(self, page, pull):
        """Nothing came from elsewhere; when both parents of such a piece sent it all, it counts for both."""
        self.assertEqual((pull["fromPeers"], pull["fromOrigin"]), (SIZE, 0))
        self.assertEqual(page.value("download_traffic", type="REMOTE_PEER", task_type="0"), SIZE + pull["twice"])

    @deadline(60)
    def test_of_daemons_after_pulls(self):
        self.three_pulls()
        for name in ("seed", "node1", "node2"):
            page = self.client(name)
            with self.subTest(name):
                self.assertEqual(page.value("version"), 1)
                self.assertEqual(page.value("download_task_total", **TASK), 1)
                self.assertEqual(page.total("download_task_failure_total"), 0)
                self.assertEqual(page.value("concurrent_download_task_total", **TASK), 0)
                labels = {"task_type": "0", "task_size_level": LEVEL}
                self.assertEqual(page.value("download_task_duration_milliseconds_count", **labels), 1)
                self.assertGreater(page.value("download_task_duration_milliseconds_sum", **labels), 0)
                self.assertEqual(page.value("concurrent_upload_piece_total"), 0)
                self.assertGreater(page.value("disk_space_total"), page.value("disk_usage_space_total"))
                self.assertGreater(page.value("disk_usage_space_total"), SIZE)
        seed, node1, node2 = (self.client(name) for name in ("seed", "node1", "node2"))
        self.assertEqual(seed.value("download_traffic", type="BACK_TO_SOURCE", task_type="0"), SIZE)
        pulls = [self.pulled(name) for name in ("node1", "node2")]
        for page, pull in zip((node1, node2), pulls):
            self.expect_from_peers(page, pull)
        self.assertEqual(node1.value("download_traffic", type="LOCAL_PEER", task_type="0"), SIZE)
        self.assertEqual(node2.total("download_traffic", type="LOCAL_PEER"), 0)
        pages = (seed, node1, node2)
        self.expect_uploads(sum(page.total("upload_traffic", task_type="0") for page in pages), pulls)
        self.assertGreaterEqual(sum(page.total("upload_task_total", **STANDARD) for page in pages), 2)
        self.assertEqual(sum(page.total("upload_task_failure_total") for page in pages), 0)
        self.assertEqual(sum(page.total("concurrent_upload_task_total") for page in pages), 0)
        self.assertEqual(node1.value("proxy_request_via_dfdaemon_total"), 2)

    @deadline(60)
    def test_of_requests_to_origins(self):
        self.three_pulls()
        get = {"scheme": "http", "method": "GET"}
        seed, node2 = self.client("seed"), self.client("node2")
        asked = seed.value("backend_request_total", **get)
        self.assertGreaterEqual(asked, 1)
        self.assertEqual(asked, seed.value("backend_request_duration_milliseconds_count", **get))
        self.assertEqual(seed.total("backend_request_failure_total"), 0)
        before = node2.total("backend_request_total", **get)
        url = f"http://127.0.0.1:{PROXY}/v2/"
        headers = [f"X-Dragonfly-Registry: {self.origin.url}"]
        passed = Download(self.daemons["node2"].node, url, headers)
        self.assertEqual(passed.wait(10), (0, 404))
        page = self.client("node2")
        self.assertEqual(page.value("backend_request_total", **get), before + 1)
        self.assertEqual(page.value("backend_request_failure_total", **get), 1)

    @deadline(60)
    def test_of_a_download_that_fails(self):
        self.start_cluster("node1")
        self.origin.misbehave(Fault(status=404))
        file = self.origin.add(2, SIZE)
        self.expect_error(self.start_download("node1", file), file, 20, statuses=[404])
        self.expect_idle()
        page = self.client("node1")
        self.assertEqual(page.value("download_task_total", **TASK), 1)
        self.assertEqual(page.value("download_task_failure_total", **TASK), 1)
        self.assertEqual(page.total("download_task_duration_milliseconds_count"), 0)
        self.assertGreaterEqual(page.value("backend_request_failure_total", scheme="http", method="GET"), 1)
        self.assertEqual(page.total("backend_request_duration_milliseconds_count"), 0)

    @deadline(60)
    def test_gauges_rise_while_a_pull_runs(self):
        self.start_cluster("node1", "node2")
        file = self.origin.add(3, SIZE)
        self.pull("node1", file)
        self.shape("node1", 50)
        download = self.start_download("node2", file)
        for name, gauge in (("node1", "concurrent_upload_piece_total"), ("node2", "concurrent_download_task_total")):
            until(10, f"{gauge} of {name} rises", lambda n=name, g=gauge: self.client(n).total(g) >= 1)
        self.expect_right(download, file, 30)
        self.expect_idle()

    @deadline(60)
    def test_of_the_scheduler_after_pulls(self):
        self.three_pulls()

        def read():
            return Page(self.scheduler, "dragonfly_scheduler_")

        until(10, "all peers say that they finished", lambda: read().total("download_peer_finished_total") >= 3)
        page = read()
        self.assertEqual(page.value("version"), 1)
        for name in ("register_peer_total", "download_peer_finished_total"):
            self.assertEqual(page.value(name, host_type="normal", **PEER), 2)
            self.assertEqual(page.value(name, host_type="super", **PEER), 1)
        self.assertEqual(page.value("download_peer_started_total", host_type="normal", **PEER), 2)
        started = page.value("download_peer_back_to_source_started_total", host_type="super", **PEER)
        self.assertEqual(started, 1)
        for name in ("register_peer", "download_peer_started", "download_peer_back_to_source_started"):
            self.assertEqual(page.total(name + "_failure_total"), 0)
        self.assertEqual(page.value("traffic", type="BACK_TO_SOURCE", task_type="STANDARD", host_type="super"), SIZE)
        self.assertEqual(page.value("traffic", type="REMOTE_PEER", task_type="STANDARD", host_type="normal"), 2 * SIZE)
        pieces = page.value("download_piece_finished_total", traffic_type="BACK_TO_SOURCE", task_type="STANDARD")
        self.assertGreaterEqual(pieces, 1)
        self.assertEqual(page.value("download_peer_duration_milliseconds_count", task_size_level=LEVEL), 3)
        self.assertGreater(page.value("download_peer_duration_milliseconds_sum", task_size_level=LEVEL), 0)
        self.assertGreaterEqual(page.value("schedule_duration_milliseconds_count"), 3)
