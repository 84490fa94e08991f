"""Tasks without a digest get old: their origin is asked before they are served again."""

import http.client

from fixture import MIB, PROXY, ClusterTest, deadline, until
from lab.origin import Fault

SIZE = 9 * MIB + 3


class Renew(ClusterTest):
    def start(self, age):
        self.start_cluster("node1", extra={"storage": {"revalidateAfter": age}})
        self.put(1)
        self.expect_body(1)

    def put(self, seed):
        """Another object in the same place."""
        self.file = self.origin.add(seed, SIZE)
        self.origin.files["/thing"] = self.file

    def ask(self):
        connection = http.client.HTTPConnection(self.daemons["node1"].node.ip, PROXY, timeout=30)
        try:
            headers = {"X-Dragonfly-Registry": self.origin.url, "X-Dragonfly-Use-P2P": "true"}
            connection.request("GET", "/thing", headers=headers)
            answer = connection.getresponse()
            self.hit = answer.headers["X-Dragonfly-Task-Download-Finished"] == "true"
            return answer.status, answer.read()
        finally:
            connection.close()

    def expect_body(self, seed):
        status, body = self.ask()
        self.assertEqual((status, body == self.origin.add(seed, SIZE).data), (200, True))

    def questions(self):
        return [request for request in self.origin.requests if request["headers"]["If-None-Match"]]

    def wait_old(self):
        """The store counts in seconds."""
        before = len(self.questions())

        def asked():
            self.ask()
            return len(self.questions()) > before

        until(20, "the origin is asked", asked)

    @deadline(60)
    def test_the_same_version_stays(self):
        self.start("1s")
        sent = self.origin.sent()
        self.wait_old()
        self.assertEqual((self.origin.sent(), self.hit), (sent, True))
        self.expect_body(1)

    @deadline(60)
    def test_another_version_replaces_it(self):
        self.start("1s")
        self.put(2)
        self.wait_old()
        self.assertFalse(self.hit)
        self.expect_body(2)
        self.expect_idle()

    @deadline(60)
    def test_an_origin_that_is_gone_keeps_nobody_from_what_is_here(self):
        self.start("1s")
        log = self.daemons["node1"].process.log_text
        self.origin.misbehave(Fault(status=500))
        self.wait_old()
        self.expect_body(1)
        self.assertIn("without knowing whether its origin still has it: it answers 500", log())
        self.origin.close()
        until(20, "it is said", lambda: self.ask()[0] == 200 and log().count("without knowing") >= 2)
        self.expect_body(1)

    @deadline(60)
    def test_by_default_nobody_asks(self):
        self.start("0s")
        self.put(2)
        self.expect_body(1)
        self.assertEqual(self.questions(), [])
