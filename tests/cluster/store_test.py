"""The store on a node: what leaves it, and that its bytes stay right."""

import os
import time

from fixture import MIB, ClusterTest, deadline, flip_bytes, until
from lab.darter import STORE, merged

SIZE = 32 * MIB


class Cleaning(ClusterTest):
    def start_cluster(self, *names, extra=None):
        """Without the scrub, which opens what nobody is at."""
        no_scrub = {"modules": {"options": {"storage_file": {"scrub_rate": "0"}}}}
        super().start_cluster(*names, extra=merged(no_scrub, extra or {}))

    def stored(self, name="node1"):
        return self.daemons[name].stored_files()

    def evicted(self, reason, name="node1"):
        return self.daemons[name].metrics().total("darter_evicted_tasks_total", reason=reason)

    def next_second(self):
        """Times of use are stored in seconds, and noted when the last reader has left, a while after curl has all."""
        files = self.daemons["node1"].process.open_files
        until(10, "nobody is at a task", lambda: not [path for path in files() if "/tasks/" in path])
        now = int(time.time())
        until(3, "the next second", lambda: int(time.time()) > now)

    def expect_stored(self, file, name="node1"):
        before = self.origin.sent()
        self.pull(name, file)
        self.assertEqual(self.origin.sent(), before, "the file should have been in the store")

    @deadline(60)
    def test_what_nobody_uses_leaves_the_store(self):
        self.start_cluster("node1", extra={"gc": {"interval": "1s", "policy": {"taskTTL": "3s"}}})
        file = self.origin.add(1, SIZE)
        self.pull("node1", file)
        self.assertNotEqual(self.stored(), [])
        until(20, "the task leaves", lambda: self.evicted("age") == 1)
        self.assertEqual([path for _, path in self.stored() if not path.endswith(".lock")], [])
        left = "dragonfly_scheduler_leave_task_total"
        until(10, "the scheduler hears of it", lambda: self.scheduler.metrics().total(left) == 1)
        self.pull("node1", file)
        self.assertEqual(self.from_origin(file), 2 * SIZE)

    @deadline(60)
    def test_the_oldest_go_when_the_store_fills_up(self):
        policy = {"distThreshold": "200MiB", "diskHighThresholdPercent": 60, "diskLowThresholdPercent": 35}
        self.start_cluster("node1", extra={"gc": {"interval": "2s", "policy": policy}})
        files = [self.origin.add(number, SIZE) for number in range(1, 5)]
        reading = self.start_download("node1", self.origin.add(5, 2 * MIB))
        self.assertEqual(reading.wait(20), (0, 200))
        for file in files[:3]:
            self.pull("node1", file)
            self.next_second()
        self.expect_stored(files[0])
        self.assertEqual(self.evicted("space"), 0)
        self.next_second()
        self.pull("node1", files[3])
        until(20, "two and the small one leave", lambda: self.evicted("space") == 3)
        self.expect_stored(files[0])
        self.expect_stored(files[3])
        self.assertEqual(self.evicted("age"), 0)

    @deadline(60)
    def test_what_is_read_stays(self):
        self.start_cluster("node1", extra={"gc": {"interval": "1s", "policy": {"taskTTL": "2s"}}})
        file, other = self.origin.add(1, SIZE), self.origin.add(2, SIZE)
        self.shape("origin", 200)
        reading = self.start_download("node1", file)
        reading.wait_size(MIB)
        reading.process.freeze()
        self.pull("node1", other)
        until(20, "the other leaves", lambda: self.evicted("age") == 1)
        reading.process.thaw()
        self.expect_right(reading, file, 30)
        until(20, "now this one leaves", lambda: self.evicted("age") == 2)
        self.assertEqual(self.from_origin(file), SIZE)

    @deadline(60)
    def test_room_is_made_for_what_comes(self):
        self.start_cluster("node1", "node2")
        daemon = self.daemons["node1"]
        daemon.process.stop(15)
        daemon.node.enter("mount", "-t", "tmpfs", "-o", f"size={80 * MIB}", "store", STORE)
        daemon.start()
        files = [self.origin.add(number, SIZE) for number in range(1, 4)]
        for file in files:
            self.pull("node1", file)
            self.next_second()
        self.assertEqual(self.evicted("space"), 1, "the third needs the first one's space")
        self.expect_stored(files[1])
        self.expect_stored(files[2])
        huge = self.origin.add(9, 128 * MIB)
        self.pull("node1", huge)
        self.assertEqual(self.evicted("space"), 1, "nothing should go for what cannot be stored")
        self.expect_stored(files[1])
        self.pull("node2", files[2])
        self.assertEqual(self.from_origin(files[2], "node2"), 0)

    @deadline(60)
    def test_a_threshold_bounds_what_is_stored(self):
        policy = {"diskThreshold": "80MiB", "diskHighThresholdPercent": 99, "diskLowThresholdPercent": 98}
        self.start_cluster("node1", extra={"gc": {"policy": policy}})
        files = [self.origin.add(number, SIZE) for number in range(1, 4)]
        for file in files:
            self.pull("node1", file)
            self.next_second()
        self.assertEqual(self.evicted("space"), 1)
        self.expect_stored(files[2])
        self.pull("node1", self.origin.add(9, 128 * MIB))
        self.assertEqual(self.evicted("space"), 1)
        self.assertLess(sum(size for size, _ in self.stored()), 80 * MIB)

    @deadline(60)
    def test_keep_false_empties_the_store_at_the_start(self):
        self.start_cluster("node1", extra={"storage": {"keep": False}})
        daemon = self.daemons["node1"]
        file = self.origin.add(1, SIZE)
        self.pull("node1", file)
        self.expect_stored(file)
        daemon.process.stop(15)
        self.assertGreaterEqual(self.stored()[0][0], SIZE)
        daemon.start()
        self.assertEqual([path for _, path in self.stored() if not path.endswith(".lock")], [])
        self.pull("node1", file)
        self.assertEqual(self.from_origin(file), 2 * SIZE)


def flip_byte(path, offset):
    """Damages one byte of a stored file in place."""
    with open(path, "r+b") as file:
        file.seek(offset)
        old = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([old ^ 0x10]))


class Damage(ClusterTest):
    """A byte of node1's stored file changes; nobody gets it."""

    PIECE = 4 * MIB

    def damaged(self):
        return self.daemons["node1"].metrics().total("darter_damaged_pieces_total")

    def start(self, *names, rate="0"):
        options = {"storage_file": {"scrub_rate": rate}}
        self.start_cluster(*names, extra={"modules": {"options": options}})
        self.file = self.origin.add(1, SIZE)
        self.pull("node1", self.file)
        self.path = self.daemons["node1"].stored_files()[0][1]

    def restart(self, how):
        daemon = self.daemons["node1"]
        getattr(daemon.process, how)()
        flip_byte(self.path, self.PIECE + 12345)
        daemon.start()
        self.wait_announced(3)

    @deadline(60)
    def test_after_a_stop_the_nodes_own_reader_gets_right_bytes(self):
        self.start("node1", "node2")
        self.restart("stop")
        self.pull("node1", self.file)
        self.assertEqual(self.damaged(), 1)
        self.assertEqual(self.from_origin(self.file), SIZE + self.PIECE, "only the piece should be fetched anew")
        line, log = f"{os.path.basename(self.path)} at byte {self.PIECE}", self.daemons["node1"].process.log_text
        until(10, "it is said", lambda: line in log())
        self.pull("node1", self.file)
        self.assertEqual(self.damaged(), 1)
        self.assertEqual(self.from_origin(self.file), SIZE + self.PIECE)

    @deadline(60)
    def test_after_a_kill_another_node_gets_right_bytes(self):
        self.start("node1", "node2")
        self.restart("kill")
        self.pull("node2", self.file)
        self.assertEqual(self.damaged(), 1)
        self.assertGreaterEqual(self.from_peers("node2"), SIZE - 2 * self.PIECE, "node1 has all but one piece")
        self.pull("node1", self.file)
        self.expect_idle()

    @deadline(60)
    def test_a_range_reads_no_more_back_than_it_needs(self):
        self.start("node1")
        self.restart_quietly()
        part = self.start_download("node1", self.file, ["Range: bytes=0-999999"])
        self.assertEqual(part.wait(30), (0, 206))
        self.assertEqual(self.damaged(), 0, "the damaged piece was none of its business")
        rest = self.start_download("node1", self.file, [f"Range: bytes={self.PIECE}-{2 * self.PIECE - 1}"])
        self.assertEqual(rest.wait(30), (0, 206))
        with open(rest.path, "rb") as got:
            self.assertEqual(got.read(), self.file.data[self.PIECE : 2 * self.PIECE])
        self.assertEqual(self.damaged(), 1)

    def restart_quietly(self):
        daemon = self.daemons["node1"]
        daemon.process.stop(15)
        flip_byte(self.path, self.PIECE + 12345)
        daemon.start()

    @deadline(60)
    def test_while_it_runs_a_peer_finds_it(self):
        self.start("node1", "node2")
        flip_byte(self.path, self.PIECE + 12345)
        self.pull("node2", self.file)
        self.expect_idle()

    @deadline(60)
    def test_while_it_runs_the_scrub_finds_it(self):
        self.start("node1", "node2", rate="1MiB")  # 4 s between the first piece and the second
        flip_byte(self.path, self.PIECE + 12345)
        until(30, "the scrub finds it", lambda: self.damaged() == 1)
        left = "dragonfly_scheduler_leave_task_total"
        until(10, "the scheduler hears of it", lambda: self.scheduler.metrics().total(left) == 1)
        self.pull("node1", self.file)
        self.assertEqual(self.from_origin(self.file), SIZE + self.PIECE)
        self.pull("node2", self.file)
        self.assertEqual(self.from_origin(self.file), SIZE + self.PIECE)
        self.assertEqual(self.damaged(), 1)

    @deadline(60)
    def test_damage_in_several_pieces(self):
        self.start("node1", "node2")
        daemon = self.daemons["node1"]
        daemon.process.kill()
        flip_bytes(self.path, every=2 * self.PIECE)
        daemon.start()
        first, second = self.start_download("node1", self.file), self.start_download("node2", self.file)
        self.expect_right(first, self.file, 30)
        self.expect_right(second, self.file, 30)
        self.assertEqual(self.damaged(), SIZE / (2 * self.PIECE))
