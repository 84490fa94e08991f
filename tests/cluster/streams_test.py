"""Several ranges of one object from its origin at once."""

import http.client
import threading
import time

from fixture import MIB, PROXY, ClusterTest, Download, deadline, until
from lab.origin import Fault

SIZE = 160 * MIB + 5
PACE = 16 * MIB  # bytes a second for each connection
ONCE = 1.005  # what may leave the origin, of the size


class Streams(ClusterTest):
    alone = True

    def start(self, streams=4):
        self.origin.pace = PACE
        self.start_cluster("node1", extra={"backend": {"concurrentStreamCount": streams}})
        return self.origin.add(1, SIZE)

    def warm_up(self, name):
        """A scheduler that has just begun waits for a seed."""
        self.pull(name, self.origin.add(9, 5 * MIB))

    def timed_pull(self, name, file):
        begun = time.monotonic()
        self.pull(name, file, 60)
        return time.monotonic() - begun

    def expect_once(self, file):
        self.assertLessEqual(SIZE, self.from_origin(file))
        self.assertLessEqual(self.from_origin(file), ONCE * SIZE)

    @deadline(150)
    def test_they_are_faster_where_each_connection_is_limited(self):
        self.origin.pace = PACE // 2
        self.scheduler.start()
        self.add_daemon("many", 21, extra={"backend": {"concurrentStreamCount": 4}})
        self.add_daemon("one", 22, extra={"backend": {"concurrentStreamCount": 1}})
        self.wait_announced(2)
        self.warm_up("many")
        # A busy machine adds to both, the time and what is on its way when a stream is cut short.
        files = [self.origin.add(number, SIZE) for number in (1, 2)]
        several = min(self.timed_pull("many", file) for file in files)
        self.assertGreaterEqual(self.origin.most_at_once, 4)
        self.expect_once(min(files, key=self.from_origin))
        last = self.origin.add(3, SIZE)
        alone = self.timed_pull("one", last)
        self.assertGreater(alone, 2.5 * several, f"{alone:.1f} s with one stream, {several:.1f} s with four")
        self.assertEqual(self.from_origin(last), SIZE)

    @deadline(90)
    def test_not_where_the_line_is_the_limit(self):
        file = self.start()
        self.warm_up("node1")
        self.origin.pace = None
        self.shape("origin", 160)  # 20 MB/s for all of them
        seconds = self.timed_pull("node1", file)
        self.assertLessEqual(len([request for request in self.origin.requests if request["path"] == file.path]), 12)
        self.expect_once(file)
        begun = time.monotonic()
        self.expect_right(Download(self.daemons["node1"].node, self.origin.url + file.path), file, 60)
        bare = time.monotonic() - begun
        self.assertLess(seconds, 1.2 * bare, f"{seconds:.1f} s, {bare:.1f} s from the origin without Darter")

    def expect_one_stream_does(self, file, fault):
        self.origin.misbehave(fault)
        self.pull("node1", file, 40)
        self.assertTrue(fault.met.is_set(), "nothing went wrong")
        self.expect_once(file)

    def asked(self):
        """Requests but those for the length."""
        return [request for request in self.origin.requests if request["range"] != "bytes=0-0"]

    # Where the further one fails there are three requests: the first, that one, and one for the rest.

    @deadline(60)
    def test_an_origin_that_ignores_the_further_ranges(self):
        self.expect_one_stream_does(self.start(), Fault(ignore_range=True, further=True))
        self.assertEqual(len(self.asked()), 3)

    @deadline(60)
    def test_an_origin_that_never_says_that_it_takes_ranges(self):
        file = self.start()
        self.origin.says_ranges = False
        fault = Fault(ignore_range=True)
        self.origin.misbehave(fault)
        self.pull("node1", file, 40)
        self.assertEqual(len(self.asked()), 1)

    @deadline(60)
    def test_an_origin_that_refuses_the_second(self):
        self.expect_one_stream_does(self.start(), Fault(status=429, retry_after="1", further=True))
        self.assertEqual(len(self.asked()), 3)

    @deadline(60)
    def test_an_origin_that_is_too_busy_for_the_second(self):
        self.expect_one_stream_does(self.start(), Fault(status=503, further=True))
        self.assertEqual(len(self.asked()), 3)

    @deadline(60)
    def test_an_origin_that_has_no_such_range(self):
        self.expect_one_stream_does(self.start(), Fault(status=416, further=True))
        self.assertEqual(len(self.asked()), 3)

    @deadline(60)
    def test_an_origin_that_closes_the_second(self):
        self.expect_one_stream_does(self.start(), Fault(close=3 * MIB // 2, further=True))
        self.assertLessEqual(len(self.asked()), 4)

    @deadline(60)
    def test_another_version_is_not_mixed_in(self):
        """The object has no digest, and is replaced before the second stream comes."""
        self.start()
        old, new = self.origin.add(1, SIZE), self.origin.add(2, SIZE)
        self.origin.files["/thing"] = old
        got = {}
        reader = threading.Thread(target=lambda: got.update(body=self.read()))
        reader.start()
        until(10, "the first stream runs", lambda: any(request["bytes"] > MIB for request in self.origin.requests))
        self.origin.files["/thing"] = new
        reader.join(50)
        self.assertIn(got["body"], (old.data, None))
        self.assertLessEqual(len(self.asked()), 3)

    def read(self):
        """The object without a digest; None: its end never came."""
        connection = http.client.HTTPConnection(self.daemons["node1"].node.ip, PROXY, timeout=30)
        headers = {"X-Dragonfly-Registry": self.origin.url, "X-Dragonfly-Use-P2P": "true"}
        connection.request("GET", "/thing", headers=headers)
        try:
            return connection.getresponse().read()
        except http.client.HTTPException:
            return None
        finally:
            connection.close()

    @deadline(60)
    def test_a_limit_is_for_all_of_them(self):
        self.origin.pace = PACE
        self.start_cluster("node1", extra={"download": {"backToSourceBandwidthLimit": "20MB"}})
        file = self.origin.add(1, SIZE)
        seconds = self.timed_pull("node1", file)
        self.assertGreater(seconds, 0.95 * (SIZE - 20e6 / 10) / 20e6)
        self.expect_once(file)
