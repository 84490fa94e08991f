"""Origins that say when to come again."""

import time

from fixture import MIB, ClusterTest, deadline
from lab.origin import Fault

SIZE = 9 * MIB + 3


class BusyOrigin(ClusterTest):
    def pull_late(self, status, retry_after, times):
        """A pull whose first answers are these."""
        self.scheduler.start()
        self.add_daemon("node1", 21, extra={"backend": {"maxRetries": 2}})
        self.wait_announced(1)
        file = self.origin.add(1, SIZE)
        self.origin.misbehave(Fault(status=status, retry_after=retry_after, times=times))
        begun = time.monotonic()
        download = self.start_download("node1", file)
        return file, download, begun

    @deadline(60)
    def test_a_short_wait_is_waited(self):
        file, download, begun = self.pull_late(503, "7", 1)
        self.expect_right(download, file, 30)
        self.assertGreater(time.monotonic() - begun, 7)  # longer than a stall, and nobody was blamed
        self.assertEqual(sum(request["bytes"] == 0 for request in self.origin.requests), 1)

    @deadline(60)
    def test_a_long_one_is_told_to_the_client(self):
        file, download, begun = self.pull_late(429, "3600", None)
        self.expect_error(download, file, 20, statuses=[429])
        self.assertLess(time.monotonic() - begun, 7)
        self.assertEqual(len(self.origin.requests), 1)

    @deadline(60)
    def test_not_for_ever(self):
        file, download, _ = self.pull_late(429, "1", None)
        self.expect_error(download, file, 50, statuses=[429])
        self.assertLessEqual(len(self.origin.requests), 4 * 3)  # the download tries four times, each one two more
