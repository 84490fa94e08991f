"""The store on a node: what leaves it, and that its bytes stay right."""

import time

from fixture import MIB, ClusterTest, deadline, until
from lab.darter import STORE

SIZE = 32 * MIB


def next_second():
    """Times of use are stored in seconds."""
    now = int(time.time())
    until(3, "the next second", lambda: int(time.time()) > now)


class Cleaning(ClusterTest):
    def stored(self, name="node1"):
        return self.daemons[name].stored_files()

    def evicted(self, reason, name="node1"):
        return self.daemons[name].metrics().total("darter_evicted_tasks_total", reason=reason)

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
            next_second()
        self.expect_stored(files[0])
        self.assertEqual(self.evicted("space"), 0)
        next_second()
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
            next_second()
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
            next_second()
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
