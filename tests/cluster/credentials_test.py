"""Tokens of clients: they reach the origin that was asked, and who has none hears what the origin wants."""

import http.client

from fixture import MIB, PROXY, ClusterTest, deadline
from lab.origin import Fault, Origin

SIZE = 9 * MIB + 3
CHALLENGE = 'Bearer realm="https://auth.test/token",service="origin.test",scope="repository:test:pull"'


class Credentials(ClusterTest):
    def setUp(self):
        super().setUp()
        self.start_cluster("node1")
        self.node = self.daemons["node1"].node

    def ask(self, file, headers=None):
        connection = http.client.HTTPConnection(self.node.ip, PROXY, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", file.path, headers={"X-Dragonfly-Registry": self.origin.url, **(headers or {})})
        answer = connection.getresponse()
        return answer, answer.read()

    @deadline(60)
    def test_a_client_without_a_token_is_told_where_to_get_one(self):
        file = self.origin.add(1, SIZE)
        self.origin.token, self.origin.challenge = "Bearer good", CHALLENGE
        for token in ({}, {"Authorization": "Bearer old"}):
            answer, _ = self.ask(file, token)
            self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, CHALLENGE))
        answer, body = self.ask(file, {"Authorization": "Bearer good"})
        self.assertEqual((answer.status, body == file.data), (200, True))
        self.assertEqual({request["authorization"] for request in self.origin.requests}, {None, "Bearer old", "Bearer good"})

    @deadline(60)
    def test_tokens_do_not_travel_to_other_hosts(self):
        store = Origin(self.lab, self.lab.node("store", 12), "store.test")
        self.addCleanup(store.close)
        file = store.add(2, SIZE)
        self.origin.misbehave(Fault(status=307, location=f"{store.url}{file.path}?signature=secret"))
        secrets = {"Authorization": "Bearer good", "Cookie": "session=1", "X-Api-Key": "key"}
        answer, body = self.ask(file, secrets)
        self.assertEqual((answer.status, body == file.data), (200, True))
        for request in store.requests:
            self.assertFalse(set(secrets) & set(request["headers"].keys()), request["headers"])
        for request in self.origin.requests:
            self.assertEqual(request["headers"]["X-Api-Key"], "key")
        self.assertNotIn("secret", self.daemons["node1"].process.log_text())
        self.assertEqual(len(self.origin.requests), 1, "where a 307 leads is remembered")
        self.assertGreater(len(store.requests), 1)
