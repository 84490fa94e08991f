"""Bad days: something dies, stalls or lies. Each pull ends within its deadline, right or with a clear error.

Every test also ends with the checks of ClusterTest: all that still runs stops when asked, sanitizers are silent.
"""

import os
import signal
import threading

from fixture import MIB, STALL_SECONDS, ClusterTest, deadline, flip_bytes, until
from lab.darter import STORE
from lab.image import file_sha256
from lab.origin import Fault

SIZE = 48 * MIB + 777
PART = SIZE * 35 // 100
MEGABITS = 100  # a pull then lasts four seconds


class SchedulerIsDown(ClusterTest):
    @deadline(90)
    def test_before_a_pull(self):
        """Daemons start without it and pull from the origin; they find it when it comes."""
        self.add_daemon("node1", 21)
        self.add_daemon("node2", 22)
        file = self.origin.add(1, SIZE)
        self.pull("node1", file, seconds=15)
        self.assertEqual(self.from_origin(file), SIZE)
        self.scheduler.start()
        self.wait_announced(2, seconds=30)
        later = self.origin.add(2, SIZE)
        self.pull("node1", later)
        self.pull("node2", later)
        self.assertEqual(self.from_origin(later, "node2"), 0)
        self.expect_idle()

    @deadline(90)
    def test_killed_during_a_pull(self):
        self.start_cluster("seed", "node1", "node2")
        self.shape("seed", MEGABITS)
        file = self.origin.add(3, SIZE)
        download = self.start_download("node1", file)
        download.wait_size(PART)
        self.scheduler.process.kill()
        self.expect_right(download, file, 30)
        self.assertEqual(self.from_origin(file), SIZE, "its parent lived, and it went to the origin")
        self.pull("node2", self.origin.add(4, SIZE), seconds=30)
        self.scheduler.start()
        self.wait_announced(3, seconds=30)
        last = self.origin.add(5, SIZE)
        self.pull("node1", last)
        self.pull("node2", last)
        self.assertEqual(self.from_origin(last), SIZE)
        self.expect_idle()

    @deadline(90)
    def test_frozen_during_a_pull_and_before_the_next(self):
        self.start_cluster("seed", "node1")
        self.shape("seed", MEGABITS)
        file = self.origin.add(6, SIZE)
        download = self.start_download("node1", file)
        download.wait_size(PART)
        self.scheduler.process.freeze()
        self.expect_right(download, file, 30)
        self.pull("node1", self.origin.add(7, SIZE), seconds=30)
        self.scheduler.process.thaw()
        self.expect_idle()


class ParentFails(ClusterTest):
    """node1 has the file and is node2's only parent; the origin takes over when it fails."""

    def setUp(self):
        super().setUp()
        self.start_cluster("node1", "node2")
        self.file = self.origin.add(11, SIZE)
        self.pull("node1", self.file)
        self.shape("node1", MEGABITS)

    def pull_until_part(self):
        download = self.start_download("node2", self.file)
        download.wait_size(PART)
        self.assertEqual(self.from_origin(self.file, "node2"), 0, "node1 should be the parent")
        return download

    def asked(self, name):
        """What node `name` asked the origin for; not how long it is."""
        ranges = [request["range"] for request in self.origin.requests if request["ip"] == self.daemons[name].node.ip]
        return [asked for asked in ranges if asked != "bytes=0-0"]

    @deadline(60)
    def test_parent_is_killed(self):
        download = self.pull_until_part()
        self.daemons["node1"].process.kill()
        self.expect_right(download, self.file, 20)
        self.assertLess(self.from_origin(self.file, "node2"), SIZE, "what had come from the parent was fetched again")
        self.expect_idle()

    @deadline(60)
    def test_parent_is_frozen(self):
        download = self.pull_until_part()
        self.daemons["node1"].process.freeze()
        self.expect_right(download, self.file, 15 + 2 * STALL_SECONDS)
        self.assertLess(self.from_origin(self.file, "node2"), SIZE, "what had come from the parent was fetched again")
        self.daemons["node1"].process.thaw()
        self.expect_idle()

    @deadline(60)
    def test_parents_frozen_before_a_pull(self):
        """The scheduler names them again, as long as it does not know: a new plan, then the origin."""
        self.add_daemon("node3", 23)
        self.wait_announced(3)
        self.pull("node3", self.file)
        for name in ("node1", "node3"):
            self.daemons[name].process.freeze()
        download = self.start_download("node2", self.file)
        until(4 + 2 * STALL_SECONDS, "the origin is asked", lambda: self.asked("node2"))  # a third stall would be too long
        self.expect_right(download, self.file, 30)
        for name in ("node1", "node3"):
            self.daemons[name].process.thaw()
        self.expect_idle()

    @deadline(60)
    def test_parent_loses_its_network(self):
        download = self.pull_until_part()
        self.daemons["node1"].node.enter("ip", "link", "set", "eth0", "down")
        self.expect_right(download, self.file, 15 + 2 * STALL_SECONDS)
        self.daemons["node1"].node.enter("ip", "link", "set", "eth0", "up")

    @deadline(60)
    def test_parent_sends_wrong_bytes(self):
        flip_bytes(self.daemons["node1"].stored_files()[0][1])
        download = self.start_download("node2", self.file)
        self.expect_right(download, self.file, 30)
        before = self.origin.sent()
        self.pull("node2", self.file)
        self.assertEqual(self.origin.sent(), before, "what node2 got right is not stored")
        self.expect_idle()

    @deadline(60)
    def test_parent_forgot_the_file(self):
        """The scheduler still believes that node1 has it."""
        daemon = self.daemons["node1"]
        daemon.process.kill()
        for _, path in daemon.stored_files():
            os.unlink(path)
        daemon.start()
        self.pull("node2", self.file, seconds=30)


class OriginFails(ClusterTest):
    def setUp(self):
        super().setUp()
        self.start_cluster("seed", "node1")
        self.file = self.origin.add(21, SIZE)

    def expect_recovery(self):
        self.origin.misbehave(None)
        self.expect_idle()
        self.pull("node1", self.file)

    @deadline(60)
    def test_404(self):
        self.origin.misbehave(Fault(status=404))
        self.expect_error(self.start_download("node1", self.file), self.file, 10, statuses=[404])
        node = self.daemons["node1"]
        until(10, "the store holds nothing of it", lambda: not [path for _, path in node.stored_files() if "/tasks/" in path])
        self.expect_recovery()

    @deadline(60)
    def test_redirects_to_nowhere(self):
        for location in ("ftp://10.89.0.9/x", "http://a b:c/"):
            self.origin.misbehave(Fault(status=302, location=location))
            self.expect_error(self.start_download("node1", self.file), self.file, 10, statuses=[502])
        self.expect_recovery()

    @deadline(60)
    def test_500(self):
        self.origin.misbehave(Fault(status=500))
        self.expect_error(self.start_download("node1", self.file), self.file, 20, statuses=[500, 502, 503])
        self.expect_recovery()

    @deadline(60)
    def test_takes_its_time_to_begin(self):
        """Longer than bytes may be apart: the head of an answer has twice that."""
        self.add_daemon("patient", 31, extra={"download": {"stallTimeout": "4s"}})
        fault = self.origin.misbehave(Fault(late=True))
        download = self.start_download("patient", self.file)
        self.assertTrue(fault.met.wait(10))
        threading.Timer(5, fault.release).start()
        self.expect_right(download, self.file, 30)
        asked = [(request["ip"], request["range"]) for request in self.origin.requests]
        self.assertEqual(len(asked), len(set(asked)), f"something was asked for twice: {asked}")
        self.expect_idle()

    @deadline(60)
    def test_closes_in_the_middle_once(self):
        self.origin.misbehave(Fault(close=PART, times=1))
        self.pull("node1", self.file, seconds=30)
        self.expect_idle()

    @deadline(90)
    def test_closes_in_the_middle_always(self):
        """Each answer ends after one byte: nothing can come of it, and that is said."""
        self.origin.misbehave(Fault(close=1))
        self.expect_error(self.start_download("node1", self.file), self.file, 60)
        self.expect_recovery()

    @deadline(60)
    def test_500_once(self):
        self.origin.misbehave(Fault(status=500, times=1))
        code, status = self.start_download("node1", self.file).wait(20)
        self.assertIn((code, status), [(0, 200), (0, 500), (0, 502), (0, 503)])
        self.expect_recovery()

    @deadline(60)
    def test_stalls_again_and_again(self):
        """Each answer stops after a third of the file: what came is kept, the next answer brings more."""
        fault = self.origin.misbehave(Fault(stall=PART))
        self.pull("node1", self.file, seconds=20 + 4 * STALL_SECONDS)
        fault.release()
        self.expect_idle()

    @deadline(120)
    def test_stalls_always(self):
        """Each answer stops after one byte: nothing can come of it, and that is said."""
        fault = self.origin.misbehave(Fault(stall=1))
        self.expect_error(self.start_download("node1", self.file), self.file, 90)
        fault.release()
        self.expect_recovery()

    @deadline(60)
    def test_stalls_once(self):
        fault = self.origin.misbehave(Fault(stall=PART, times=1))
        self.pull("node1", self.file, seconds=20 + 2 * STALL_SECONDS)
        fault.release()
        self.expect_idle()

    @deadline(60)
    def test_sends_wrong_bytes(self):
        """A digest names the file: nobody takes what is wrong for complete, and nobody keeps it."""
        self.origin.misbehave(Fault(flip=PART))
        download = self.start_download("node1", self.file)
        self.assertNotEqual(download.wait(30)[0], 0)
        self.assertLess(download.size(), SIZE)
        self.expect_recovery()
        self.pull("node1", self.file)

    @deadline(60)
    def test_ignores_ranges(self):
        self.origin.misbehave(Fault(ignore_range=True))
        self.pull("node1", self.file, seconds=30)

    @deadline(60)
    def test_is_not_there_at_all(self):
        self.lab.nodes["origin"].enter("ip", "link", "set", "eth0", "down")
        self.expect_error(self.start_download("node1", self.file), self.file, 40)
        self.lab.nodes["origin"].enter("ip", "link", "set", "eth0", "up")
        self.expect_recovery()

    @deadline(60)
    def test_get_leaves_no_half_file(self):
        daemon = self.daemons["node1"]
        for fault in (Fault(status=404), Fault(close=1)):
            self.origin.misbehave(fault)
            daemon.node.enter("mkdir", "-p", "/tmp/out")
            status, _, errors = daemon.node.try_to(
                daemon.darter, "get", self.origin.url + self.file.path, "-O", "/tmp/out/file", seconds=45
            )
            self.assertNotEqual(status, 0)
            self.assertIn(self.origin.url, errors)
            self.assertEqual(os.listdir(daemon.node.path("/tmp/out")), [])


class ClientGoesAway(ClusterTest):
    @deadline(60)
    def test_in_the_middle_of_a_pull(self):
        self.start_cluster("seed", "node1")
        self.shape("seed", MEGABITS)
        file = self.origin.add(31, SIZE)
        download = self.start_download("node1", file)
        download.wait_size(PART)
        download.process.kill()
        self.expect_idle(20)
        self.pull("node1", file)
        self.assertEqual(self.from_origin(file), SIZE)

    @deadline(60)
    def test_again_and_again_leaves_no_descriptors(self):
        self.start_cluster("node1")
        self.shape("origin", MEGABITS)
        daemon = self.daemons["node1"]
        self.pull("node1", self.origin.add(32, MIB))
        before = len(daemon.process.open_files())
        for seed in range(33, 41):
            download = self.start_download("node1", self.origin.add(seed, SIZE))
            download.wait_size(MIB)
            download.process.kill()
        self.expect_idle(30)
        until(15, "descriptors are closed", lambda: len(daemon.process.open_files()) <= before + 4)

    @deadline(60)
    def test_one_of_two_readers(self):
        self.start_cluster("node1")
        self.shape("origin", MEGABITS)
        file = self.origin.add(41, SIZE)
        leaving, staying = self.start_download("node1", file), self.start_download("node1", file)
        leaving.wait_size(PART)
        staying.wait_size(1)
        leaving.process.kill()
        self.expect_right(staying, file, 30)
        self.assertEqual(self.from_origin(file), SIZE)


class DaemonIsKilled(ClusterTest):
    @deadline(60)
    def test_and_started_again_in_the_middle_of_a_pull(self):
        self.start_cluster("seed", "node1")
        self.shape("seed", MEGABITS)
        stored = self.origin.add(51, SIZE)
        self.pull("node1", stored)
        file = self.origin.add(52, SIZE)
        download = self.start_download("node1", file)
        download.wait_size(PART)
        self.daemons["node1"].process.kill()
        self.expect_error(download, file, 5)
        self.daemons["node1"].start(seconds=10)
        before = self.from_origin(stored)
        self.pull("node1", stored)
        self.assertEqual(self.from_origin(stored), before, "the store did not survive")
        self.pull("node1", file)
        self.assertEqual(self.from_origin(file), SIZE)
        self.expect_idle()

    @deadline(60)
    def test_seed_is_killed_in_the_middle_of_a_pull(self):
        self.start_cluster("seed", "node1", "node2")
        self.shape("seed", MEGABITS)
        file = self.origin.add(53, SIZE)
        download = self.start_download("node1", file)
        download.wait_size(PART)
        self.daemons["seed"].process.kill()
        self.expect_right(download, file, 30)
        self.pull("node2", file, seconds=30)
        self.daemons["seed"].start(seconds=10)
        self.wait_announced(4)
        self.pull("node2", self.origin.add(54, SIZE))
        self.expect_idle()

    @deadline(60)
    def test_stopping_is_quick_while_a_pull_runs(self):
        self.start_cluster("node1")
        self.shape("origin", MEGABITS)
        file = self.origin.add(55, SIZE)
        download = self.start_download("node1", file)
        download.wait_size(PART)
        self.daemons["node1"].process.stop(30)
        code, _ = download.wait(5)
        if code == 0:
            self.expect_right(download, file, 1)
        else:
            self.expect_error(download, file, 1)


class StoreIsFull(ClusterTest):
    def setUp(self):
        super().setUp()
        self.scheduler.start()

    @deadline(60)
    def test_pulls_go_on_from_the_origin(self):
        """Before and after the store is full: the bytes pass by it, and peers and seed are none the worse."""
        self.add_daemon("seed", 21, seed=True)
        daemon = self.add_small_daemon("node1", 22, SIZE // 3)
        self.wait_announced(2)
        for seed in (61, 62):
            file = self.origin.add(seed, SIZE)
            self.pull("node1", file)
            self.pull("node1", file)
        self.pull("seed", file)
        self.expect_idle()
        until(10, "the parts that found no room are gone", lambda: not daemon.stored_files())
        said = daemon.process.log_text()
        self.assertIn(f"the store failed: no space left in the store's folder {STORE}", said)
        self.assertNotIn("the origin failed", said)

    @deadline(60)
    def test_get_writes_its_file_all_the_same(self):
        """Whether the store has room for a part of it or for nothing at all."""
        for number, size in ((21, SIZE // 3), (22, 4096)):
            daemon = self.add_small_daemon(f"node{number}", number, size)
            file = self.origin.add(number, SIZE)
            url = self.origin.url + file.path
            digest = ["--digest", "sha256:" + file.sha256]
            status, _, said = daemon.node.try_to(daemon.darter, "get", url, "-O", "/tmp/file", *digest)
            self.assertEqual((status, said), (0, ""))
            self.assertEqual(file_sha256(daemon.node.path("/tmp/file")), file.sha256)
            line, log = "goes on from the origin without being stored", daemon.process.log_text
            until(10, "it is said", lambda line=line, log=log: line in log())
        self.expect_idle()


class StoppedWhileItUploads(ClusterTest):
    """A daemon that is told to stop lets a piece that it is sending end, within a limit (STOP_MS, 5 s)."""

    PIECE = 16 * MIB
    SENDING = "dragonfly_client_concurrent_upload_piece_total"

    def begin(self, megabits):
        """node1 takes a file of one piece from the seed, which sends so slowly."""
        self.start_cluster("seed", "node1")
        self.seed, self.node = self.daemons["seed"], self.daemons["node1"].node
        self.file = self.origin.add(60, self.PIECE)
        self.get("seed").wait(30)
        self.before = self.origin.sent(self.file)
        self.shape("seed", megabits)
        process = self.get("node1")
        until(20, "the seed sends", lambda: self.seed.metrics().total(self.SENDING) == 1 or not process.alive())
        return process

    def get(self, name):
        daemon = self.daemons[name]
        url = self.origin.url + self.file.path
        options = ("-O", "/tmp/stopped", "--piece-length", "16MiB")
        return daemon.node.start("get", daemon.darter, "get", url, *options)

    def expect_file(self, process):
        self.assertEqual(process.wait(30), 0, process.log_text())
        self.assertEqual(file_sha256(self.node.path("/tmp/stopped")), self.file.sha256)

    @deadline(60)
    def test_a_piece_that_is_being_sent_ends_well(self):
        process = self.begin(60)  # it takes 2.3 s
        self.assertEqual(self.seed.process.stop(15), 0)
        self.expect_file(process)
        self.assertEqual(self.origin.sent(self.file), self.before, "it came from the origin after all")
        self.assertEqual(self.from_peers("node1"), self.PIECE)

    @deadline(60)
    def test_the_limit_cuts_a_piece_that_takes_too_long(self):
        process = self.begin(8)  # it would take 17 s
        self.assertEqual(self.seed.process.stop(15), 0)
        self.expect_file(process)
        self.assertGreater(self.origin.sent(self.file), self.before)

    @deadline(60)
    def test_a_second_signal_cuts_it_at_once(self):
        process = self.begin(8)
        self.seed.process.signal(signal.SIGTERM)
        until(5, "it stops", lambda: "stopping" in self.seed.process.log_text())
        self.seed.process.signal(signal.SIGTERM)
        self.assertEqual(self.seed.process.wait(15), 1)  # at the limit it would end with 0
        self.expect_file(process)
