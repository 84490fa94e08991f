"""The main job on undisturbed days: one copy leaves the origin, nodes get the rest from each other."""

from fixture import MIB, ClusterTest, deadline, until

SIZE = 32 * MIB + 12345


class MainJob(ClusterTest):
    @deadline(60)
    def test_second_node_gets_it_from_other_nodes(self):
        self.start_cluster("seed", "node1", "node2")
        file = self.origin.add(1, SIZE)
        self.pull("node1", file)
        self.pull("node2", file)
        self.assertEqual(self.from_origin(file), SIZE, "the origin must send the file exactly once")
        self.assertEqual(self.from_origin(file, "seed"), SIZE)
        self.assertGreaterEqual(self.from_peers("node2"), SIZE)
        self.expect_idle()

    @deadline(60)
    def test_a_node_is_a_parent_when_there_is_no_seed(self):
        self.start_cluster("node1", "node2")
        file = self.origin.add(2, SIZE)
        self.pull("node1", file)
        self.pull("node2", file)
        self.assertEqual(self.from_origin(file, "node2"), 0)
        peers = self.daemons["node2"].traffic()["peers"]
        self.assertEqual(set(peers), {self.daemons["node1"].node.ip})

    @deadline(60)
    def test_small_files_come_from_the_origin(self):
        self.start_cluster("seed", "node1", "node2")
        file = self.origin.add(3, 4 * MIB)
        self.pull("node1", file)
        self.pull("node2", file)
        self.assertEqual(self.from_peers("node2"), 0)
        self.assertEqual(self.from_origin(file), 2 * 4 * MIB)

    @deadline(60)
    def test_what_is_stored_is_served_without_the_origin(self):
        self.start_cluster("seed", "node1")
        file = self.origin.add(4, SIZE)
        self.pull("node1", file)
        before = self.origin.sent()
        self.pull("node1", file)
        self.assertEqual(self.origin.sent(), before)

    @deadline(60)
    def test_readers_of_one_file_share_one_download(self):
        self.start_cluster("node1")
        self.shape("origin", 200)
        file = self.origin.add(5, SIZE)
        first = self.start_download("node1", file)
        first.wait_size(2 * MIB)
        second = self.start_download("node1", file)
        self.expect_right(first, file, 30)
        self.expect_right(second, file, 30)
        self.assertEqual(self.from_origin(file), SIZE)

    @deadline(60)
    def test_bytes_reach_the_reader_while_they_arrive(self):
        self.start_cluster("seed", "node1")
        self.shape("origin", 80)
        file = self.origin.add(6, SIZE)
        download = self.start_download("node1", file)
        download.wait_size(4 * MIB, 10)
        self.assertLess(self.from_origin(file), SIZE, "the reader waited for the whole file")
        self.expect_right(download, file, 30)

    @deadline(90)
    def test_many_nodes_at_once_take_one_copy_from_the_origin(self):
        names = ["node1", "node2", "node3", "node4"]
        self.start_cluster("seed", *names)
        file = self.origin.add(7, SIZE)
        downloads = [self.start_download(name, file) for name in names]
        for download in downloads:
            self.expect_right(download, file, 60)
        self.assertEqual(self.from_origin(file), SIZE)

    @deadline(60)
    def test_a_range_is_answered_as_a_range(self):
        self.start_cluster("seed", "node1")
        file = self.origin.add(8, SIZE)
        part = self.start_download("node1", file, ["Range: bytes=5000000-14999999"])
        self.assertEqual(part.wait(30), (0, 206))
        with open(part.path, "rb") as got:
            self.assertEqual(got.read(), file.data[5000000:15000000])
        rest = self.start_download("node1", file, ["Range: bytes=30000000-"])
        self.assertEqual(rest.wait(30), (0, 206))
        with open(rest.path, "rb") as got:
            self.assertEqual(got.read(), file.data[30000000:])
        beyond = self.start_download("node1", file, [f"Range: bytes={SIZE}-"])
        self.assertEqual(beyond.wait(30)[1], 416)

    @deadline(60)
    def test_get_writes_a_file(self):
        self.start_cluster("seed", "node1")
        file = self.origin.add(9, SIZE)
        node = self.daemons["node1"].node
        status, _, errors = node.try_to(
            self.daemons["node1"].darter, "get", self.origin.url + file.path, "-O", "/tmp/got"
        )
        self.assertEqual(status, 0, errors)
        with open(node.path("/tmp/got"), "rb") as got:
            self.assertEqual(got.read(), file.data)
        until(10, "one copy from the origin", lambda: self.from_origin(file) == SIZE)

    @deadline(90)
    def test_many_nodes_at_once_without_a_seed_take_one_copy_too(self):
        """The scheduler sends one of them to the origin; the others get it from that one."""
        names = ["node1", "node2", "node3", "node4"]
        self.start_cluster(*names)
        file = self.origin.add(10, SIZE)
        downloads = [self.start_download(name, file) for name in names]
        for download in downloads:
            self.expect_right(download, file, 60)
        self.assertEqual(self.from_origin(file), SIZE)

    @deadline(60)
    def test_tasks_in_memory(self):
        """All three keep tasks in memory; what does not fit there passes through."""
        options = {"storage": "memory", "options": {"storage_memory": {"capacity": "48MiB"}}}
        self.start_cluster("seed", "node1", "node2", extra={"modules": options})
        file, other = self.origin.add(11, SIZE), self.origin.add(12, 64 * MIB)
        self.pull("node1", file)
        self.pull("node2", file)
        self.assertEqual(self.from_origin(file), SIZE, "the origin must send the file exactly once")
        self.assertGreaterEqual(self.from_peers("node2"), SIZE)
        for daemon in self.daemons.values():
            self.assertEqual(daemon.stored_files(), [])
        self.pull("node1", other)
        self.expect_idle()
