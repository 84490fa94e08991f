"""Proxy rules: where a request that a rule names goes, and which query parameters tell tasks apart."""

from fixture import MIB, ClusterTest, deadline
from lab.authority import Authority
from lab.origin import Origin

SIZE = 12 * MIB + 77
BY_URL = "X-Dragonfly-Enable-Task-ID-Based-Blob-Digest: false"


class Rules(ClusterTest):
    """The client always means origin.test; second.test is what rules make of it."""

    def add_second(self, tls=None):
        second = Origin(self.lab, self.lab.node("second", 12), "second.test", tls)
        self.addCleanup(second.close)
        return second

    def start_with(self, rules, registry=None):
        self.start_cluster("node1", extra={"proxy": {"rules": rules, "registryMirror": registry or {}}})

    def expect_from(self, second, file):
        """The whole file comes from the second origin, and the first is not even asked."""
        self.pull("node1", file)
        self.assertEqual(second.sent(file), SIZE)
        self.assertEqual(self.origin.requests, [])

    @deadline(60)
    def test_redirect_changes_the_host(self):
        second = self.add_second()
        self.start_with([{"regex": "blobs/sha256.*", "redirect": "second.test"}])
        self.expect_from(second, second.add(1, SIZE))
        self.assertEqual({request["headers"]["Host"] for request in second.requests}, {"second.test"})

    @deadline(60)
    def test_redirect_takes_a_port(self):
        self.add_second()
        self.start_with([{"regex": "blobs/sha256.*", "redirect": "second.test:81"}])
        file = self.origin.add(2, SIZE)
        self.expect_error(self.start_download("node1", file), file, 30, statuses=[502])
        self.assertEqual(self.origin.requests, [])

    @deadline(60)
    def test_use_tls_changes_the_scheme(self):
        authority = Authority(self.lab.folder + "/tls")
        second = self.add_second(authority.issue("second.test", "DNS:second.test"))
        rule = {"regex": "blobs/sha256.*", "useTLS": True, "redirect": "second.test"}
        self.start_with([rule], {"cert": authority.cert})
        self.expect_from(second, second.add(3, SIZE))

    @deadline(60)
    def test_the_first_rule_that_matches_counts(self):
        second = self.add_second()
        self.start_with(
            [
                {"regex": "^http://origin.test/v2/other/", "redirect": "nowhere.test"},
                {"regex": "blobs/sha256.*", "redirect": "second.test"},
                {"regex": "blobs/", "redirect": "nowhere.test"},
            ]
        )
        self.expect_from(second, second.add(4, SIZE))

    def pull_with(self, file, query):
        path, file.path = file.path, file.path + query
        self.expect_right(self.start_download("node1", file, [BY_URL]), file, 30)
        file.path = path

    @deadline(60)
    def test_each_rule_has_its_own_query_parameters(self):
        """`mine` tells no tasks apart; and the usual list, which has X-Amz-Signature, is replaced by that."""
        self.start_with([{"regex": "blobs/sha256.*", "filteredQueryParams": ["mine"]}])
        file = self.origin.add(5, SIZE)
        sent = []
        for query in ("?mine=1&a=1", "?mine=2&a=1", "?a=2", "?a=1&X-Amz-Signature=3"):
            self.pull_with(file, query)
            sent.append(sum(request["bytes"] for request in self.origin.requests if request["bytes"] > 1))
        self.assertEqual([total // SIZE for total in sent], [1, 1, 2, 3])

    @deadline(60)
    def test_no_rules_no_tasks(self):
        self.start_with([])
        file = self.origin.add(6, SIZE)
        self.pull("node1", file)
        self.assertEqual(self.daemons["node1"].traffic()["origin"], 0)
        self.expect_right(self.start_download("node1", file, ["X-Dragonfly-Use-P2P: true"]), file, 30)
        self.assertEqual(self.daemons["node1"].traffic()["origin"], SIZE)
