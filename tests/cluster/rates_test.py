"""Limits of bytes and requests a second, measured."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor

from fixture import MIB, PROXY, ClusterTest, deadline, until

MB = 1000000
RATE = 5 * MB
SIZE = 24 * MIB  # about five seconds


class Rates(ClusterTest):
    alone = True

    def expect_rate(self, move):
        """Within 15 %, the burst at the beginning left out; move(number) gives bytes and seconds. Nothing makes it
        faster, and whatever stops it for a while makes it slower: it is too slow when it is so three times."""
        rates = []
        for number in (1, 2, 3):
            moved, seconds = move(number)
            rates.append((moved - RATE / 10) / seconds)
            self.assertLess(rates[-1], 1.15 * RATE)
            if rates[-1] > 0.85 * RATE:
                return
        self.fail(f"{', '.join(f'{rate / MB:.2f}' for rate in rates)} MB/s instead of {RATE / MB}")

    def timed_pulls(self, name, files):
        """Seconds until all of these, begun together, are there."""
        begun = time.monotonic()
        downloads = [self.start_download(name, file) for file in files]
        for download, file in zip(downloads, files):
            self.expect_right(download, file, 40)
        return time.monotonic() - begun

    def from_node1(self, number):
        """node2 gets what node1 has."""
        file = self.origin.add(number, SIZE)
        self.pull("node1", file)
        before = self.from_peers("node2")
        seconds = self.timed_pulls("node2", [file])
        self.assertEqual(self.from_peers("node2") - before, SIZE)
        return SIZE, seconds

    def start_two(self, first=None, second=None):
        self.scheduler.start()
        self.add_daemon("node1", 21, extra=first)
        self.add_daemon("node2", 22, extra=second)
        self.wait_announced(2)

    @deadline(120)
    def test_what_comes_from_peers(self):
        self.start_two(second={"download": {"bandwidthLimit": "5MB"}})
        self.expect_rate(self.from_node1)

    @deadline(120)
    def test_what_comes_from_origins_shared_by_tasks(self):
        self.start_cluster("node1", extra={"download": {"bandwidthLimit": "5MB"}})
        self.pull("node1", self.origin.add(1, 5 * MIB))  # a scheduler that has just begun waits for a seed

        def move(number):
            return SIZE, self.timed_pulls("node1", [self.origin.add(10 * number + i, SIZE // 3) for i in range(3)])

        self.expect_rate(move)

    @deadline(120)
    def test_only_origins(self):
        limit = {"download": {"backToSourceBandwidthLimit": "5MB"}}
        self.start_two(limit, limit)
        self.pull("node1", self.origin.add(4, 5 * MIB))  # a scheduler that has just begun waits for a seed
        file = self.origin.add(10, SIZE)
        self.expect_rate(lambda number: (SIZE, self.timed_pulls("node1", [self.origin.add(9 + number, SIZE)])))
        self.assertLess(self.timed_pulls("node2", [file]), 0.8 * SIZE / RATE)

    @deadline(120)
    def test_what_goes_to_peers(self):
        self.start_two({"upload": {"bandwidthLimit": "5MB"}})
        self.expect_rate(self.from_node1)

    @deadline(120)
    def test_prefetching_is_slow_and_readers_are_not(self):
        self.start_two(second={"proxy": {"prefetchBandwidthLimit": "5MB"}})
        self.expect_rate(lambda number: self.prefetched(self.origin.add(10 + number, SIZE)))

        def from_peer(number):
            file = self.origin.add(20 + number, SIZE)
            self.pull("node1", file)
            return self.prefetched(file)

        self.expect_rate(from_peer)
        waited_for = self.origin.add(9, SIZE)
        self.part(waited_for, 0, 99)
        self.assertLess(self.timed_pulls("node2", [waited_for]), 0.8 * SIZE / RATE)

    def prefetched(self, file):
        self.part(file, 0, 99)
        begun, had = time.monotonic(), self.arrived()
        until(30, "the whole is there", lambda: not self.daemons["node2"].busy())
        moved, seconds = self.arrived() - had, time.monotonic() - begun
        self.pull("node2", file)
        return moved, seconds

    def arrived(self):
        return self.daemons["node2"].metrics().total("dragonfly_client_download_traffic")

    def part(self, file, first, last):
        self.assertEqual(self.start_download("node2", file, [f"Range: bytes={first}-{last}"]).wait(10), (0, 206))

    def ask(self, _):
        connection = http.client.HTTPConnection(self.daemons["node1"].node.ip, PROXY, timeout=20)
        try:
            connection.request("GET", "/plain", headers={"X-Dragonfly-Registry": self.origin.url})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers["Retry-After"]
        finally:
            connection.close()

    @deadline(60)
    def test_requests(self):
        """10 at once, then each waits a little, then 429; when it is calm again, all is well."""
        self.start_cluster("node1", extra={"proxy": {"server": {"requestRateLimit": 10}}})
        self.origin.files["/plain"] = self.origin.add(9, 10)
        begun = time.monotonic()
        with ThreadPoolExecutor(60) as crowd:
            answers = list(crowd.map(self.ask, range(60)))
        seconds = time.monotonic() - begun
        passed = answers.count((200, None))
        self.assertEqual(answers.count((429, "1")), 60 - passed)
        self.assertTrue(15 <= passed <= 16 + 10 * seconds, f"{passed} in {seconds:.1f} s")
        until(10, "requests pass again", lambda: self.ask(0) == (200, None))
