"""darter up: scheduler, seed and registry mirror in one process on embedded defaults."""

import os
import signal

from fixture import MIB, ClusterTest, deadline, settings, until
from lab.darter import Up

SIZE = 32 * MIB + 54321
ON_A_TERMINAL = [
    "python3",
    "-c",
    """
import fcntl, os, sys, termios
master, terminal = os.openpty()
os.set_inheritable(master, True)
os.setsid()
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
""",
]


class EverythingInOneProcess(ClusterTest):
    def start_up(self, *arguments, wrapper=()):
        up = Up(settings["darter"], self.lab.node("one", 21), *arguments, wrapper=wrapper)
        self.daemons["one"] = up
        self.roles.append(up)
        up.start()
        until(20, "its daemon has announced itself", lambda: up.announced() >= 1)
        return up

    @deadline(60)
    def test_serves_a_node_without_any_file(self):
        up = self.start_up()
        file = self.origin.add(1, SIZE)
        self.pull("one", file)
        self.pull("one", file)
        self.assertEqual(self.from_origin(file), SIZE)
        self.assertEqual(up.get(4003, "/healthy"), (200, "OK"))
        families = up.metrics(8000)
        self.assertEqual(families.total("dragonfly_scheduler_register_peer_total"), 1)
        self.assertEqual(families.total("dragonfly_client_proxy_request_total"), 0, "no family twice")
        for port in (4000, 4001, 4002, 4003, 4005, 8000, 8002):
            self.assertEqual(self.reach(self.scheduler.node, up, port), 7, "loopback only")

    @staticmethod
    def reach(node, up, port):
        """curl's exit status: 7 when nobody listens there."""
        return node.try_to("curl", "-sS", "--max-time", "5", f"http://{up.node.ip}:{port}/")[0]

    @deadline(60)
    def test_a_second_node_joins(self):
        node = self.lab.node("two", 22)
        up = self.start_up("--listen", "10.89.0.21")
        self.add_second(node)
        until(20, "both have announced themselves", lambda: up.announced() >= 2)
        file = self.origin.add(2, SIZE)
        self.pull("two", file)
        self.assertEqual(self.from_origin(file), SIZE)
        self.assertEqual(self.from_origin(file, "one"), SIZE, "the seed should have fetched it")
        self.assertGreaterEqual(self.from_peers("two"), SIZE)
        self.expect_idle()

    def add_second(self, node):
        """darter daemon --scheduler IP:8002, and nothing else."""
        second = Up(settings["darter"], node)
        second.launch = lambda: setattr(
            second, "process", node.start("daemon", second.darter, "daemon", "--scheduler", "10.89.0.21:8002")
        )
        self.daemons["two"] = second
        self.roles.append(second)
        second.start()

    @deadline(60)
    def test_runs_without_root(self):
        home = "/tmp/home"
        node_wrapper = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        node_wrapper += ["env", "-u", "XDG_CACHE_HOME", "-u", "XDG_RUNTIME_DIR", f"HOME={home}"]
        make = f"mkdir -m 700 {home} && chown 65534:65534 {home} && exec \"$@\""
        up = self.start_up(wrapper=["bash", "-c", make, "bash", *node_wrapper])
        file = self.origin.add(3, SIZE)
        self.pull("one", file)
        self.assertEqual(self.from_origin(file), SIZE)
        self.assertTrue(os.path.isdir(up.node.path(f"{home}/.cache/darter")))
        self.assertTrue(os.path.exists(up.node.path("/tmp/darter-65534/dfdaemon.sock")))
        self.assertFalse(os.path.exists(up.node.path("/var/lib/dragonfly")))

    @deadline(30)
    def test_ends_in_order_with_its_terminal(self):
        up = self.start_up(wrapper=ON_A_TERMINAL)
        up.process.signal(signal.SIGHUP)
        self.assertEqual(up.process.wait(10), 0)

    @deadline(30)
    def test_does_not_end_with_it_under_nohup(self):
        up = self.start_up(wrapper=["nohup"])
        up.process.signal(signal.SIGHUP)
        self.assertEqual(up.get(4003, "/healthy"), (200, "OK"))
        self.assertEqual(up.process.stop(10), 0)

    @deadline(30)
    def test_says_which_port_is_taken(self):
        up = self.start_up()
        status, _, errors = up.node.try_to(up.darter, "up", "--set", "storage.dir=/tmp/other", seconds=20)
        self.assertEqual(status, 1)
        self.assertIn("127.0.0.1:8002", errors)
