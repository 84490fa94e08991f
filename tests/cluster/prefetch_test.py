"""Prefetching: who reads a part makes the rest come too, and the origin sends each byte once."""

from fixture import MIB, ClusterTest, deadline, until
from lab.darter import merged
from lab.origin import Fault

SIZE = 40 * MIB + 17
TOTAL = "dragonfly_client_prefetch_task_total"


class Prefetch(ClusterTest):
    def start_nodes(self, *names, proxy=None):
        self.start_cluster(*names, extra={"proxy": merged({"prefetch": True}, proxy or {})})

    def part(self, name, file, first, last, headers=()):
        """A range, right in its bytes."""
        download = self.start_download(name, file, [f"Range: bytes={first}-{last}", *headers])
        self.assertEqual(download.wait(30), (0, 206))
        with open(download.path, "rb") as got:
            self.assertEqual(got.read(), file.data[first : last + 1])
        return download

    def wait_whole(self, name, file, seconds=20):
        self.expect_idle(seconds)
        before = len(self.origin.requests)
        self.pull(name, file)
        self.assertEqual(len(self.origin.requests), before, "the store did not have the whole")

    @deadline(60)
    def test_one_range_brings_the_whole_and_the_origin_sends_it_once(self):
        self.start_nodes("node1")
        file = self.origin.add(1, SIZE)
        self.part("node1", file, 20 * MIB, 21 * MIB)
        self.wait_whole("node1", file)
        self.assertEqual(self.origin.sent(file), SIZE)
        metrics = self.daemons["node1"].metrics()
        self.assertEqual((metrics.total(TOTAL), metrics.total(TOTAL.replace("_total", "_failure_total"))), (1, 0))

    @deadline(60)
    def test_ranges_from_the_store_and_with_it(self):
        """Later ranges join what runs, or come from the store; nothing begins a second time."""
        self.start_nodes("node1")
        file = self.origin.add(2, SIZE)
        self.shape("origin", 200)
        for first in (30 * MIB, 5, SIZE - 100):
            self.part("node1", file, first, min(first + MIB, SIZE - 1))
        self.wait_whole("node1", file)
        self.part("node1", file, 7 * MIB, 9 * MIB)
        self.assertEqual(self.daemons["node1"].metrics().total(TOTAL), 1)
        self.assertLess(self.origin.sent(file), SIZE + 12 * MIB)  # what was on its way when a stream gave way

    @deadline(60)
    def test_what_readers_wait_for_comes_first(self):
        """The whole takes 15 s and more; a reader far behind the stream does not wait for it."""
        self.start_nodes("node1")
        file = self.origin.add(3, SIZE)
        self.shape("origin", 20)
        self.part("node1", file, 0, 99)
        self.part("node1", file, SIZE - 100, SIZE - 1)
        self.assertLess(self.origin.sent(file), SIZE // 2)

    @deadline(60)
    def test_it_goes_through_the_swarm(self):
        self.start_nodes("seed", "node1", "node2")
        file = self.origin.add(4, SIZE)
        for name in ("node1", "node2"):
            self.part(name, file, 9 * MIB, 10 * MIB)
            self.wait_whole(name, file)
        self.assertLess(self.origin.sent(file), SIZE + 8 * MIB)

    @deadline(60)
    def test_key_and_header_switch_it(self):
        self.start_nodes("node1", proxy={"prefetch": False})
        on, off = self.origin.add(5, SIZE), self.origin.add(6, SIZE)
        self.part("node1", off, 0, 99)
        self.part("node1", on, 0, 99, ["X-Dragonfly-Prefetch: true"])
        self.wait_whole("node1", on)
        self.assertLess(self.origin.sent(off), SIZE)

    @deadline(60)
    def test_a_failure_is_not_the_readers(self):
        """The range comes from the store; the rest fails, which the metrics tell, and is not tried again at once."""
        self.start_nodes("node1")
        file = self.origin.add(7, SIZE)
        self.part("node1", file, 0, 99, ["X-Dragonfly-Prefetch: false"])
        self.expect_idle()
        self.origin.misbehave(Fault(status=404))

        def failures():
            return self.daemons["node1"].metrics().total("dragonfly_client_prefetch_task_failure_total")

        for _ in range(2):
            self.part("node1", file, 10, 49)
            until(20, "the failure counts", lambda: failures() == 1)
        self.assertEqual(self.daemons["node1"].metrics().total(TOTAL), 1)
        self.expect_idle()
