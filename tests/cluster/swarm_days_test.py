"""Bad days of networks, crowds and names; bad_days_test.py has those of single parts, and the list of all.

Each pull ends within its deadline, right or with a clear error, and after the fault all is as before.
"""

import contextlib
import datetime
import os
import resource
import socket
import time

from fixture import MIB, PROXY, STALL_SECONDS, ClusterTest, JumpingClock, deadline, settings, until
from lab.origin import Fault

SIZE = 48 * MIB + 777
PART = SIZE * 35 // 100
MEGABITS = 100  # a pull then lasts four seconds
CUT_OFF = 18  # curl's status


class SwarmDays(ClusterTest):
    number = 100

    def new_file(self):
        self.number += 1
        return self.origin.add(self.number, SIZE)

    def expect_as_before(self, name, seconds=15):
        """What is new comes through the swarm again, and soon."""
        file = self.new_file()
        self.pull(name, file, seconds)
        self.assertEqual(self.from_origin(file, name), 0)
        self.expect_idle()


class TheNetwork(SwarmDays):
    def cut(self, name):
        """Nothing that the node sends arrives, and nobody is told."""
        self.daemons[name].node.enter("tc", "qdisc", "replace", "dev", "eth0", "root", "pfifo", "limit", "0")

    def mend(self, name):
        self.daemons[name].node.enter("tc", "qdisc", "del", "dev", "eth0", "root")

    @deadline(90)
    def test_a_partition_of_ten_seconds(self):
        self.start_cluster("seed", "node1", "node2")
        self.shape("seed", MEGABITS)
        file = self.new_file()
        cut_off, other = self.start_download("node1", file), self.start_download("node2", file)
        cut_off.wait_size(PART)
        self.cut("node1")
        since = time.monotonic()
        self.expect_right(other, file, 20)
        time.sleep(max(0.0, since + 10 - time.monotonic()))  # it is the time itself that counts
        self.mend("node1")
        self.expect_right(cut_off, file, 20 + 2 * STALL_SECONDS)
        self.expect_as_before("node1")

    @deadline(60)
    def test_a_parent_a_hundred_times_slower_than_another(self):
        """At its pace half of the file would take 50 s."""
        self.start_cluster("node1", "node2", "node3")
        file = self.new_file()
        self.pull("node1", file)
        self.pull("node2", file)
        self.shape("node1", 4)
        self.shape("node2", 400)
        self.pull("node3", file, seconds=15)
        self.assertEqual(self.from_origin(file, "node3"), 0)
        self.expect_idle(20)

    @deadline(90)
    def test_a_daemon_is_started_again_while_its_old_connections_linger(self):
        """What it was sending is still to be acknowledged, so its ports are in use when it comes back."""
        one_by_one = {"download": {"concurrentPieceCount": 1}}  # or the last would be on their way with the first
        self.start_cluster("seed", "node1", extra=one_by_one)
        self.shape("seed", 40)
        file = self.new_file()
        download = self.start_download("node1", file)
        download.wait_size(PART)
        self.cut("node1")
        seed = self.daemons["seed"]
        seed.process.kill()
        self.assertIn("4005", seed.node.enter("ss", "-Htan", "state", "fin-wait-1"), "nothing lingers")
        seed.start()
        self.shape("seed", MEGABITS)
        self.mend("node1")
        self.expect_right(download, file, 15 + 2 * STALL_SECONDS)
        self.wait_announced(3)
        self.expect_as_before("node1")


class ALiar(SwarmDays):
    """node1 holds a blob's task with other bytes, whose checksums fit: it was told to pull something else under the
    id of that task, which is the SHA-256 of the blob, so of its very text."""

    def is_cut_off(self, name, file):
        """Whether the answer breaks off before its end; if not, it is right."""
        download = self.start_download(name, file)
        if download.wait(20) == (CUT_OFF, 200):
            self.assertLess(download.size(), len(file.data))
            return True
        self.expect_right(download, file, 1)
        return False

    @deadline(90)
    def test_it_is_found_out_and_left(self):
        self.start_cluster("node1", "node2", "node3", extra={"download": {"p2pThreshold": "1KiB"}})
        blob, wrong = (self.origin.add(number, 100_000, text=True) for number in (1, 2))
        node1 = self.daemons["node1"].node
        named = ["--content-for-calculating-task-id", blob.data.decode()]
        node1.enter(settings["darter"], "get", self.origin.url + wrong.path, "-O", "/tmp/file", *named)
        self.assertTrue(self.is_cut_off("node2", blob))
        self.assertGreater(self.from_peers("node2"), 0, "node2 did not meet the liar")
        self.pull("node2", blob)
        self.assertEqual(self.from_origin(blob, "node2"), len(blob.data))
        self.assertIn(f"peer {node1.ip} gave wrong bytes", self.daemons["node2"].process.log_text())
        # node3 may meet the liar, or node2 first, which is right by now.
        self.is_cut_off("node3", blob)
        self.pull("node3", blob)
        # The scheduler goes on to name node1; node2 takes nothing from it any more.
        taken = self.daemons["node2"].traffic()["peers"][node1.ip]
        file = self.new_file()
        self.pull("node1", file)
        self.pull("node2", file)
        self.assertEqual(self.daemons["node2"].traffic()["peers"][node1.ip], taken)
        self.assertEqual(self.from_origin(file, "node2"), SIZE)
        self.expect_idle()


class TheClock(JumpingClock, SwarmDays):
    """The date of each machine jumps while its timers go on."""

    def setUp(self):
        super().setUp()
        self.with_clock(self.scheduler)

    def add_daemon(self, name, number, seed=False, extra=None, start=True, families=None):
        daemon = super().add_daemon(name, number, seed, extra, start=False, families=families)
        self.with_clock(daemon)
        return daemon.start() if start else daemon

    def expect_date(self, role, days):
        """The program itself goes by that date: it stands before each line of its log."""
        expected = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        last = role.process.log_text().strip().rpartition("\n")[2]
        self.assertTrue(last.startswith(expected.date().isoformat()), f"not of {expected}: {last}")

    @deadline(240)
    def test_it_is_stepped_in_the_middle_of_a_pull(self):
        self.start_cluster("seed", "node1", "node2")
        self.shape("seed", MEGABITS)
        stepped = [self.daemons["node1"], self.daemons["seed"], self.scheduler]
        kept = []
        for days in (1, -2, 3):
            for role in stepped:
                file = self.new_file()
                download = self.start_download("node1", file)
                download.wait_size(PART)
                self.step(role, f"{days:+}d")
                self.expect_right(download, file, 15)
                self.assertEqual(self.from_origin(file), SIZE)
                kept.append(file)
            self.expect_date(self.daemons["node1"], days)
        # Nothing of it counts as too old now, or was forgotten.
        before = self.origin.sent()
        for file in kept:
            self.pull("node1", file)
        self.assertEqual(self.origin.sent(), before)
        self.expect_as_before("node2")


class TheCrowd(SwarmDays):
    @deadline(90)
    def test_half_of_it_is_killed(self):
        names = ["node1", "node2", "node3", "node4"]
        self.start_cluster("seed", *names)
        self.shape("seed", MEGABITS)
        file = self.new_file()
        downloads = {name: self.start_download(name, file) for name in names}
        downloads["node1"].wait_size(PART)
        for name in ("node2", "node3"):
            self.daemons[name].process.kill()
        for name in ("node1", "node4"):
            self.expect_right(downloads[name], file, 30)
        self.assertEqual(self.from_origin(file), SIZE)
        self.expect_as_before("node4")

    @deadline(60)
    def test_time_passes_at_once_for_it(self):
        """Like a machine that was suspended: every timer is overdue, and nobody is to blame for that."""
        self.start_cluster("seed", "node1")
        self.shape("seed", MEGABITS)
        file = self.new_file()
        download = self.start_download("node1", file)
        download.wait_size(PART)
        parts = [self.scheduler.process] + [daemon.process for daemon in self.daemons.values()]
        for process in parts:
            process.freeze()
        time.sleep(STALL_SECONDS + 2)  # it is the time itself that counts
        for process in parts:
            process.thaw()
        self.expect_right(download, file, 20)
        self.expect_as_before("node1")

    @deadline(60)
    def test_a_scheduler_that_is_restarted_learns_who_has_what(self):
        """A pull that begins meanwhile waits for it; then node1, which had finished before, is its parent."""
        self.start_cluster("node1", "node2", extra={"download": {"stallTimeout": "15s"}})  # so long it waits
        file = self.new_file()
        self.pull("node1", file)
        self.scheduler.process.kill()
        node2 = self.daemons["node2"].process
        download = self.start_download("node2", file)
        until(10, "the pull begins", lambda: f"pull of {self.origin.url}{file.path} begins" in node2.log_text())
        node2.freeze()  # or it could be back before node1 has said what it has
        self.scheduler.start()
        registered = "dragonfly_scheduler_register_peer_total"
        until(20, "node1 says what it has", lambda: self.scheduler.metrics().total(registered) >= 1)
        node2.thaw()
        self.expect_right(download, file, 30)
        self.assertEqual(self.from_origin(file, "node2"), 0)
        self.expect_idle()

    @deadline(60)
    def test_a_thousand_idle_and_slow_clients(self):
        """Half of them say nothing, half of them never end the head of their request."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
        self.start_cluster("seed", "node1")
        daemon = self.daemons["node1"]
        before = len(daemon.process.open_files())
        clients = [socket.create_connection((daemon.node.ip, PROXY), timeout=10) for _ in range(1000)]
        self.addCleanup(lambda: [client.close() for client in clients])
        until(30, "they are connected", lambda: len(daemon.process.open_files()) >= before + 1000)
        for client in clients[::2]:
            client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        for _ in range(3):
            self.expect_as_before("node1")
            for client in clients[::2]:
                with contextlib.suppress(OSError):  # ten seconds after its first byte a head is given up
                    client.sendall(b"a")
        for client in clients:
            client.close()
        until(15, "descriptors are closed", lambda: len(daemon.process.open_files()) <= before + 16)


class TheOrigin(SwarmDays):
    def setUp(self):
        super().setUp()
        self.start_cluster("node1", "node2")
        self.file = self.new_file()

    @deadline(60)
    def test_it_is_gone_while_a_peer_holds_the_blob(self):
        self.pull("node1", self.file)
        self.origin.node.enter("ip", "link", "set", "eth0", "down")
        self.pull("node2", self.file, seconds=15)
        self.origin.node.enter("ip", "link", "set", "eth0", "up")
        self.expect_idle()

    @deadline(60)
    def test_its_name_is_gone(self):
        """Whoever has the blob gives it; nobody else can, and that is said."""
        other = self.new_file()
        self.pull("node1", self.file)
        self.lab.forget("origin.test")
        self.pull("node2", self.file, seconds=15)
        self.expect_error(self.start_download("node1", other), other, 30, statuses=[502, 503, 504])
        self.lab.name("origin.test", self.origin.node)
        self.pull("node1", other)
        self.expect_idle()

    @deadline(60)
    def test_its_name_is_gone_while_the_scheduler_hangs(self):
        """Whoever did not say who has the blob is asked once more."""
        self.pull("node1", self.file)
        self.lab.forget("origin.test")
        self.scheduler.process.freeze()
        download = self.start_download("node2", self.file)
        log = self.daemons["node2"].process.log_text
        until(20, "the origin is tried", lambda: "the origin failed: " in log())
        self.scheduler.process.thaw()
        self.expect_right(download, self.file, 20)
        self.assertEqual(self.from_origin(self.file, "node2"), 0)
        self.expect_idle()

    @deadline(60)
    def test_it_fails_each_range_once(self):
        self.origin.misbehave(Fault(status=503, each_once=True))
        self.pull("node1", self.file, seconds=40)
        self.origin.misbehave(None)
        self.pull("node2", self.file)
        self.expect_idle()

    @deadline(60)
    def test_it_has_another_length(self):
        """A digest names the file: what is shorter is not taken for it, and not kept."""
        self.origin.misbehave(Fault(length=SIZE - MIB))
        download = self.start_download("node1", self.file)
        code, status = download.wait(30)
        self.assertTrue(code != 0 or status >= 400, f"curl says {code}, status {status}")
        if os.path.exists(download.path):
            self.assertLess(download.size(), SIZE - MIB)
        self.origin.misbehave(None)
        self.pull("node1", self.file)
        self.pull("node2", self.file)
        self.expect_idle()
