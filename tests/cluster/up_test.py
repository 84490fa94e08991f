"""darter up: manager, scheduler, seed and registry mirror in one process on embedded defaults."""

import json
import os
import signal

from fixture import MIB, ClusterTest, deadline, settings, until
from lab.darter import PATIENT, Up

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
        self.assertEqual(families.total("dragonfly_manager_version"), 1, "8000 is the manager's too")
        for port in (4000, 4001, 4002, 4003, 4005, 8000, 8002, 8080, 65003):
            self.assertEqual(self.reach(self.scheduler.node, up, port), 7, "loopback only")

    @staticmethod
    def reach(node, up, port):
        """curl's exit status: 7 when nobody listens there."""
        return node.try_to("curl", "-sS", "--max-time", "5", f"http://{up.node.ip}:{port}/")[0]

    def ctl(self, up, *words):
        """darter ctl on its node; returns what was printed."""
        status, out, errors = up.node.try_to("env", "HOME=/tmp/home", up.darter, "ctl", *words, seconds=30)
        self.assertEqual(status, 0, errors)
        return out

    @staticmethod
    def sign_in(up, url="http://127.0.0.1:8080"):
        command = 'mkdir -p "$1"; echo dragonfly | env HOME="$1" "$2" ctl login --password-stdin --manager "$3"'
        up.node.enter("bash", "-c", command, "bash", "/tmp/home", up.darter, url)

    def wait_registered(self, up):
        """Returns the schedulers that its manager has."""

        def active():
            return json.loads(self.ctl(up, "schedulers", "--state", "active", "--json"))

        until(20, "its scheduler is active at its manager", active)
        return active()

    @deadline(60)
    def test_has_a_manager_that_knows_its_scheduler(self):
        up = self.start_up()
        self.assertEqual(up.get(8080, "/healthy"), (200, '"OK"'))
        self.assertIn("darter up", up.get(8080, "/")[1])
        self.sign_in(up)
        (row,) = self.wait_registered(up)
        self.assertEqual((row["ip"], row["port"], row["scheduler_cluster_id"]), ("127.0.0.1", 8002, 1))
        self.ctl(up, "cluster", "edit", "1", "--bio", "mine")
        self.assertEqual(up.process.stop(10), 0)
        self.assertTrue(os.path.isfile(up.node.path("/var/lib/dragonfly/manager.db")))
        up.start()
        self.assertIn("mine", self.ctl(up, "cluster", "1"))
        self.wait_registered(up)
        file = self.origin.add(4, SIZE)
        self.pull("one", file)
        self.assertEqual(self.from_origin(file), SIZE)

    @deadline(60)
    def test_other_nodes_reach_the_manager_by_grpc_only(self):
        up = self.start_up("--listen", "10.89.0.21")
        self.sign_in(up)
        (row,) = self.wait_registered(up)
        self.assertEqual(row["ip"], "10.89.0.21")
        self.assertNotEqual(self.reach(self.scheduler.node, up, 65003), 7)
        self.assertEqual(self.reach(self.scheduler.node, up, 8080), 7, "REST is for this machine")

    @deadline(60)
    def test_a_configuration_of_the_manager_counts(self):
        write = "echo 'server: {rest: {addr: \"127.0.0.1:8081\"}}' >/tmp/manager.yaml && exec \"$@\""
        options = ("--manager-config", "/tmp/manager.yaml", "--set-manager", "server.grpc.port=65013")
        up = self.start_up(*options, wrapper=["bash", "-c", write, "bash"])
        self.assertEqual(up.get(8081, "/healthy"), (200, '"OK"'))
        self.sign_in(up, "http://127.0.0.1:8081")
        self.assertEqual(len(self.wait_registered(up)), 1)

    @deadline(60)
    def test_says_what_of_the_manager_counts_later(self):
        write = "echo 'server: {logMaxAge: 7}' >/tmp/manager.yaml && exec nohup \"$@\""
        up = self.start_up("--manager-config", "/tmp/manager.yaml", wrapper=["bash", "-c", write, "bash"])
        up.node.enter("bash", "-c", "echo 'server: {rest: {addr: \"127.0.0.1:8081\"}}' >/tmp/manager.yaml")
        up.process.signal(signal.SIGHUP)
        said = "/tmp/manager.yaml is read again, takes effect at the next start: server.rest.addr"
        until(20, f"it says {said}", lambda: said in up.process.log_text())
        up.node.enter("bash", "-c", "echo 'server: {rest: {addr: nowhere}}' >/tmp/manager.yaml")
        up.process.signal(signal.SIGHUP)
        until(20, "it says what is wrong", lambda: "/tmp/manager.yaml:1: server.rest.addr" in up.process.log_text())
        self.assertEqual(up.get(8080, "/healthy"), (200, '"OK"'))

    @deadline(60)
    def test_a_second_node_joins(self):
        node = self.lab.node("two", 22)
        patient = [f"--set-scheduler=scheduler.{key}={value}" for key, value in PATIENT["scheduler"].items()]
        up = self.start_up("--listen", "10.89.0.21", *patient)
        self.add_second(node)
        until(20, "both have announced themselves", lambda: up.announced() >= 2)
        until(20, "the seed serves", lambda: "-seed serves" in up.process.log_text())
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
        self.assertTrue(os.path.isfile(up.node.path(f"{home}/.local/share/darter/manager.db")))
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

    @deadline(30)
    def test_says_which_key_leads_to_a_port_that_is_taken(self):
        node = self.lab.node("one", 21)
        listener = "import socket, time; s = socket.create_server(('127.0.0.1', 8080)); time.sleep(60)"
        taken = node.start("listener", "python3", "-c", listener)
        asked = ("curl", "-s", "--max-time", "1", "http://127.0.0.1:8080")
        until(10, "the port is taken", lambda: node.try_to(*asked)[0] != 7)
        status, _, errors = node.try_to(settings["darter"], "up", seconds=20)
        taken.kill()
        self.assertEqual(status, 1)
        self.assertRegex(errors, r"server\.rest\.addr: 127\.0\.0\.1:8080 is in use .*--set-manager KEY=VALUE")
