"""IPv6: a cluster that has nothing else, and one whose nodes have one family, the other, or both."""

from fixture import MIB, ClusterTest, deadline, until
from lab.darter import HEALTH, METRICS, SCHEDULER_METRICS, SCHEDULER_PORT, http_get, yaml
from lab.lab import place
from lab.origin import PORT

SIZE = 24 * MIB + 99


class WithLog(ClusterTest):
    def wait_says(self, words):
        """The scheduler's log is written a while after what it tells."""
        until(20, f"the scheduler says {words}", lambda: words in self.scheduler.process.log_text())


class OnlyIPv6(WithLog):
    families = (6,)

    @deadline(60)
    def test_the_main_job_without_ipv4(self):
        self.start_cluster("seed", "node1", "node2")
        seed, node2 = (self.daemons[name].node for name in ("seed", "node2"))
        file = self.origin.add(1, SIZE)
        self.pull("node1", file)
        self.pull("node2", file)
        self.assertEqual(self.from_origin(file), SIZE, "the origin must send the file exactly once")
        self.assertEqual(self.from_origin(file, "seed"), SIZE)
        self.assertEqual(self.from_peers("node2"), SIZE)
        self.wait_says(f"host {seed.ip}-seed-seed is there: a seed at [{seed.ip}]:4000")
        self.assertEqual(http_get(node2.ip, HEALTH, "/healthy")[0], 200)
        self.assertEqual(http_get(node2.ip, METRICS, "/metrics")[0], 200)
        self.assertEqual(http_get(self.scheduler.node.ip, SCHEDULER_METRICS, "/metrics")[0], 200)
        parents = set(self.daemons["node2"].traffic()["peers"])
        self.assertTrue(parents and parents <= {self.daemons[name].node.ip for name in ("seed", "node1")}, parents)
        self.expect_idle()

    @deadline(60)
    def test_origins_by_their_ipv6_address(self):
        origin = f"http://{place(self.origin.node.ip)}"
        mirror = {"proxy": {"registryMirror": {"addr": origin}}}
        self.scheduler.start()
        self.add_daemon("node1", 21)
        self.add_daemon("node2", 22, extra=mirror)
        self.wait_announced(2)
        by_header, by_mirror, small = (self.origin.add(number, size) for number, size in ((1, SIZE), (2, SIZE), (3, 9)))
        self.expect_right(self.start_download("node1", by_header, registry=origin), by_header, 30)
        node2 = self.daemons["node2"].node
        node2.enter("curl", "-sSf", "-o", "/tmp/mirrored", f"http://[::1]:4001{by_mirror.path}")
        node2.enter("curl", "-sSf", "-o", "/tmp/proxied", "-x", "http://[::1]:4001", origin + small.path)
        tunnel = ["-p", "-x", "http://[::1]:4001"]
        node2.enter("curl", "-sSf", "-o", "/tmp/tunnelled", *tunnel, f"http://{place(self.origin.node.ip, PORT)}{small.path}")
        for inside, file in (("mirrored", by_mirror), ("proxied", small), ("tunnelled", small)):
            with open(node2.path("/tmp/" + inside), "rb") as got:
                self.assertTrue(got.read() == file.data, inside)

    @deadline(60)
    def test_what_points_inwards_is_refused_in_ipv6_too(self):
        self.start_cluster("node1")
        node = self.daemons["node1"].node
        inwards = (f"[::1]:{HEALTH}", f"[::ffff:127.0.0.1]:{HEALTH}", place(node.ip, HEALTH), f"[::]:{HEALTH}", "[fe80::1]:80")
        for host in inwards:
            for ways in (["-x", "http://[::1]:4001"], ["-p", "-x", "http://[::1]:4001"]):
                write = ["-o", "/dev/null", "-w", "%{http_code} %{http_connect}"]
                _, said, errors = node.try_to("curl", "-sS", "-m", "10", *ways, *write, f"http://{host}/healthy")
                self.assertIn("403", said.split(), f"{host} {ways}: {said} {errors}")

    @deadline(60)
    def test_a_scheduler_by_name_and_on_the_command_line(self):
        self.scheduler.start()
        found = {"host": {"ip": ""}}  # the machine's own address, and not that of its link
        by_name, by_option = (self.add_daemon(f"node{n}", 20 + n, start=False, extra=found) for n in (1, 2))
        by_name.node.write("/etc/dragonfly/dynconfig.yaml", yaml({"scheduler": {"addr": f"scheduler:{SCHEDULER_PORT}"}}))
        by_option.arguments = ["--scheduler", place(self.scheduler.node.ip, SCHEDULER_PORT)]
        by_name.start()
        by_option.start()
        self.wait_announced(2)
        for daemon in (by_name, by_option):
            self.wait_says(f"host {daemon.node.ip}-{daemon.node.name} is there")

    @deadline(60)
    def test_a_host_that_nobody_can_reach_says_so(self):
        self.scheduler.start()
        daemon = self.add_daemon("node1", 21, start=False, extra={"network": {"enableIPv6": False}})
        daemon.launch()
        words = f"this host announces {daemon.node.ip}, but listens on IPv4 only: set network.enableIPv6"
        until(20, words, lambda: words in daemon.process.log_text())


class BothFamilies(WithLog):
    families = (6, 4)

    @deadline(90)
    def test_nodes_of_one_family_and_of_the_other_and_of_both(self):
        self.scheduler.start()
        self.add_daemon("seed", 21, seed=True)
        self.add_daemon("six", 22, families=(6,))
        self.add_daemon("both", 23, families=(4, 6))
        four = self.add_daemon("four", 24, families=(4,), start=False)
        addrs = [place(self.scheduler.node.ips[4], SCHEDULER_PORT)]
        four.node.write("/etc/dragonfly/dynconfig.yaml", yaml({"scheduler": {"addrs": addrs}}))
        four.start()
        self.wait_announced(4)
        for name in ("seed", "six", "both", "four"):
            self.wait_says(f" at {place(self.daemons[name].node.ip, 4000)}")
        self.wait_says("-seed serves")
        file = self.origin.add(1, SIZE)
        self.pull("six", file)
        self.assertEqual(self.from_origin(file, "seed"), SIZE)
        self.assertEqual(self.from_peers("six"), SIZE)
        self.pull("both", file)
        self.assertEqual(self.from_peers("both"), SIZE)
        self.pull("four", file)  # from the one of three parents that it can reach
        self.assertEqual(set(self.daemons["four"].traffic()["peers"]), {self.daemons["both"].node.ip})
        self.assertEqual(self.from_origin(file), SIZE)
        self.expect_idle()

    @deadline(60)
    def test_a_name_with_addresses_of_both_leads_to_those_that_can_be_reached(self):
        """The scheduler's IPv4 address answers nobody here: it is at its IPv6 address only."""
        self.scheduler.node.enter("ip", "address", "del", f"{self.scheduler.node.ips[4]}/24", "dev", "eth0")
        self.scheduler.start()
        names = yaml({"scheduler": {"addr": f"scheduler:{SCHEDULER_PORT}"}})
        for number, families in ((21, (6,)), (22, (4, 6))):
            daemon = self.add_daemon(f"node{number}", number, families=families, start=False)
            daemon.node.write("/etc/dragonfly/dynconfig.yaml", names)
            daemon.start()
            words = f"announced to scheduler {place(self.scheduler.node.ips[6], SCHEDULER_PORT)} as"
            until(20, words, lambda: words in daemon.process.log_text())
