"""The proxy's request headers: what they say about a download reaches scheduler and seed."""

from fixture import MIB, ClusterTest, deadline

SIZE = 12 * MIB + 345


class NamesOfTasks(ClusterTest):
    """Whatever a task's id was calculated from, the seed calculates the same one from what it is told."""

    def expect_from_seed(self, query="", headers=()):
        self.start_cluster("seed", "node1")
        file = self.origin.add(1, SIZE)
        file.path += query
        self.expect_right(self.start_download("node1", file, headers), file, 30)
        file.path = file.path.partition("?")[0]
        self.assertEqual(self.origin_bytes(), {self.daemons["seed"].node.ip: SIZE})

    def origin_bytes(self):
        """What the origin sent, by client."""
        sums = {}
        for request in self.origin.requests:
            if request["bytes"] != 1:
                sums[request["ip"]] = sums.get(request["ip"], 0) + request["bytes"]
        return sums

    @deadline(60)
    def test_query_parameters_of_ones_own_are_left_out(self):
        off = "X-Dragonfly-Enable-Task-ID-Based-Blob-Digest: false"
        self.expect_from_seed("?secret=1&part=2", ["X-Dragonfly-Filtered-Query-Params: secret", off])

    @deadline(60)
    def test_a_name_of_ones_own(self):
        self.expect_from_seed(headers=["X-Dragonfly-Content-For-Calculating-Task-ID: my own name"])

    @deadline(60)
    def test_priority_three_goes_to_the_origin_itself(self):
        self.start_cluster("seed", "node1")
        file = self.origin.add(2, SIZE)
        self.expect_right(self.start_download("node1", file, ["X-Dragonfly-Priority: 3"]), file, 30)
        self.assertEqual(self.origin_bytes(), {self.daemons["node1"].node.ip: SIZE})
