"""Configuration keys that have their effect only between real processes."""

from fixture import MIB, ClusterTest, deadline

SIZE = 24 * MIB + 99


class Keys(ClusterTest):
    @deadline(60)
    def test_request_headers_go_to_the_origin_of_a_task(self):
        headers = {"X-Site": "one", "X-Both": "configured"}
        mirror = {"registryMirror": {"addr": self.origin.url}}
        self.start_cluster("node1", extra={"backend": {"requestHeader": headers}, "proxy": mirror})
        file = self.origin.add(1, SIZE)
        self.expect_right(self.start_download("node1", file, headers=("X-Both: the client's",)), file, 20)
        for request in self.origin.requests:
            self.assertEqual(request["headers"]["X-Site"], "one")
            self.assertEqual(request["headers"]["X-Both"], "the client's")

    @deadline(60)
    def test_request_headers_go_to_no_host_that_a_client_names(self):
        self.start_cluster("node1", extra={"backend": {"requestHeader": {"X-Site": "one"}}})
        self.pull("node1", self.origin.add(1, SIZE))
        self.assertTrue(self.origin.requests)
        for request in self.origin.requests:
            self.assertNotIn("X-Site", request["headers"])

    @deadline(60)
    def test_origins_may_be_signed_by_an_authority_of_ours(self):
        authority = self.tls_origin()
        self.scheduler.start()
        self.add_daemon("node1", 21)
        self.add_daemon("node2", 22, extra={"proxy": {"registryMirror": {"cert": authority}}})
        self.wait_announced(2)
        task, passed_through = self.origin.add(2, SIZE), self.origin.add(3, MIB)
        passed_through.path = "/v2/other"
        self.origin.files[passed_through.path] = passed_through
        for file in (task, passed_through):
            self.expect_error(self.start_download("node1", file), file, 20, statuses=[502])
            self.pull("node2", file)

    @deadline(60)
    def test_who_shares_nothing_is_nobodys_parent(self):
        self.scheduler.start()
        self.add_daemon("node1", 21, extra={"upload": {"disableShared": True}})
        self.add_daemon("node2", 22)
        self.wait_announced(2)
        file = self.origin.add(4, SIZE)
        for name in ("node1", "node2"):
            self.pull(name, file)
            self.assertEqual(self.from_origin(file, name), SIZE)

    @deadline(60)
    def test_ports_that_the_kernel_chose_are_announced(self):
        ports = {"upload": {"server": {"port": 0}}, "storage": {"server": {"tcpPort": 0}}}
        self.start_cluster("node1", "node2", extra=ports)
        file = self.origin.add(5, SIZE)
        self.pull("node1", file)
        self.pull("node2", file)
        self.assertEqual(self.from_origin(file), SIZE)
        self.assertEqual(self.from_peers("node2"), SIZE)
