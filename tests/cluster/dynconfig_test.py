"""dynconfig.yaml edited while daemons and schedulers run: who is asked follows the file and the name in it."""

import re
import socket

from fixture import MIB, ClusterTest, deadline, settings, until
from lab.authority import replace
from lab.darter import SCHEDULER_PORT, Scheduler, yaml

SIZE = 24 * MIB + 99
DYNCONFIG = "/etc/dragonfly/dynconfig.yaml"
NAME = "schedulers.test"
PACE = 256 << 10  # bytes a second of the origin, until the test has seen enough


class Schedulers(ClusterTest):
    def setUp(self):
        super().setUp()
        self.second = Scheduler(settings["darter"], self.lab.node("scheduler2", 12))
        self.roles.append(self.second)
        self.scheduler.start()
        self.second.start()

    def add_node(self, dynconfig=None, start=True):
        """A daemon that looks at its file again and again; `dynconfig` is the file's text, None: as usual."""
        daemon = self.add_daemon("node1", 21, extra={"dynconfig": {"refreshInterval": "200ms"}}, start=False)
        if dynconfig is not None:
            replace(daemon.node, DYNCONFIG, dynconfig)
        if start:
            daemon.start()
        return daemon

    @staticmethod
    def naming(*schedulers):
        return yaml({"scheduler": {"addrs": [f"{scheduler.node.ip}:{SCHEDULER_PORT}" for scheduler in schedulers]}})

    @staticmethod
    def by_name():
        return yaml({"scheduler": {"addr": f"{NAME}:{SCHEDULER_PORT}"}})

    def hosts(self, daemon, *schedulers):
        """The name has the addresses of these."""
        daemon.node.write("/etc/host.conf", "multi on\n")
        lines = [f"{scheduler.node.ip} {NAME}" for scheduler in schedulers]
        lines += self.lab.host_lines()
        replace(daemon.node, "/etc/hosts", "\n".join(lines) + "\n")

    @staticmethod
    def told(scheduler, what):
        return scheduler.metrics().total(f"dragonfly_scheduler_{what}_total")

    def wait_announced_to(self, scheduler, count=1):
        until(20, "the daemon announces itself", lambda: self.told(scheduler, "announce_host") >= count)

    def wait_left(self, scheduler):
        until(20, "the daemon takes leave", lambda: self.told(scheduler, "leave_host") == 1)

    def wait_log(self, role, pattern):
        return until(20, f"the log says {pattern}", lambda: re.search(pattern, role.process.log_text()))

    def expect_pull_by(self, scheduler, seed):
        """A pull asks this scheduler, and no other. One that has just come may hear of what was pulled before it, too."""
        before = {each: self.told(each, "register_peer") for each in (self.scheduler, self.second)}
        self.pull("node1", self.origin.add(seed, SIZE))
        for each, count in before.items():
            self.assertEqual(self.told(each, "register_peer") > count, each is scheduler)

    @deadline(60)
    def test_an_edited_file_is_followed(self):
        daemon = self.add_node()
        self.wait_announced_to(self.scheduler)
        self.expect_pull_by(self.scheduler, 1)
        replace(daemon.node, DYNCONFIG, self.naming(self.second))
        self.wait_announced_to(self.second)
        self.wait_left(self.scheduler)
        self.expect_pull_by(self.second, 2)

    @deadline(60)
    def test_a_bad_edit_changes_nothing_and_is_said_once(self):
        daemon = self.add_node()
        self.wait_announced_to(self.scheduler)
        replace(daemon.node, DYNCONFIG, "scheduler:\n  addrs: [what]\n")
        self.wait_log(daemon, rf"WARN the schedulers stay as they are: {DYNCONFIG}:2: scheduler.addrs is \"what\"")
        self.expect_pull_by(self.scheduler, 3)
        replace(daemon.node, DYNCONFIG, "# no scheduler\nscheduler: {addr: 'no-such-name.test:8002'}\n")
        self.wait_log(daemon, rf"stay as they are: {DYNCONFIG}:2: scheduler.addr: no-such-name.test has no address")
        self.expect_pull_by(self.scheduler, 4)
        replace(daemon.node, DYNCONFIG, self.naming(self.scheduler, self.second))
        self.wait_announced_to(self.second)
        self.assertEqual(self.told(self.scheduler, "announce_host"), 1)
        self.assertEqual(daemon.process.log_text().count(":2: scheduler.addrs is"), 1)

    @deadline(60)
    def test_an_unknown_key_is_said_once(self):
        daemon = self.add_node(self.naming(self.scheduler) + "colour: blue\n")
        self.wait_log(daemon, rf"{DYNCONFIG}:4: colour is not a known key")
        self.wait_announced_to(self.scheduler)
        self.assertEqual(daemon.process.log_text().count("colour is not a known key"), 1)

    @deadline(60)
    def test_a_name_may_get_other_addresses(self):
        daemon = self.add_node(self.by_name(), start=False)
        self.hosts(daemon, self.scheduler)
        daemon.start()
        self.wait_announced_to(self.scheduler)
        self.hosts(daemon, self.scheduler, self.second)
        self.wait_announced_to(self.second)
        self.hosts(daemon, self.second)
        self.wait_left(self.scheduler)
        self.hosts(daemon)
        self.wait_log(daemon, f"stay as they are: {DYNCONFIG}:2: scheduler.addr: {NAME} has no address")
        self.expect_pull_by(self.second, 5)

    @deadline(60)
    def test_no_scheduler_at_the_start_is_no_error(self):
        daemon = self.add_node(self.by_name())
        self.wait_log(daemon, f"everything comes from the origin: {DYNCONFIG}:2: scheduler.addr: {NAME} has no")
        self.expect_pull_by(None, 6)
        self.hosts(daemon, self.scheduler)
        self.wait_announced_to(self.scheduler)
        self.expect_pull_by(self.scheduler, 7)

    @deadline(60)
    def test_no_file_at_the_start_is_no_error(self):
        daemon = self.add_node(start=False)
        daemon.node.enter("rm", DYNCONFIG)
        daemon.start()
        self.wait_log(daemon, f"everything comes from the origin: {DYNCONFIG} cannot be opened")
        self.expect_pull_by(None, 8)
        replace(daemon.node, DYNCONFIG, self.naming(self.second))
        self.wait_announced_to(self.second)
        self.expect_pull_by(self.second, 9)

    @deadline(60)
    def test_a_bad_file_at_the_start_is_one(self):
        daemon = self.add_node("scheduler:\n  addrs: [what]\n", start=False)
        arguments = ["--config", daemon.config_path, *daemon.arguments]
        status, _, errors = daemon.node.try_to(daemon.darter, "daemon", *arguments, seconds=20)
        self.assertEqual(status, 1)
        self.assertIn(f"{DYNCONFIG}:2: scheduler.addrs", errors)

    @deadline(60)
    def test_a_conversation_is_brought_to_its_end(self):
        daemon = self.add_node()
        self.wait_announced_to(self.scheduler)
        self.origin.pace = PACE
        file = self.origin.add(10, SIZE)
        download = self.start_download("node1", file)
        download.wait_size(1)
        replace(daemon.node, DYNCONFIG, self.naming(self.second))
        self.wait_announced_to(self.second)
        self.assertEqual(self.told(self.scheduler, "leave_host"), 0)
        self.assertTrue(download.process.alive(), "the pull should last longer")
        self.origin.pace = None
        self.expect_right(download, file, 30)
        self.wait_left(self.scheduler)
        finished = "download_peer_back_to_source_finished"
        self.assertEqual(self.told(self.scheduler, "download_peer_finished") + self.told(self.scheduler, finished), 1)

    @deadline(60)
    def test_a_silent_name_server_holds_nothing_up(self):
        daemon = self.add_node(self.by_name(), start=False)
        origin = self.origin.node
        with origin.network():
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind((origin.ip, 53))
        self.addCleanup(server.close)
        daemon.node.write("/etc/resolv.conf", f"nameserver {origin.ip}\noptions timeout:30 attempts:5\n")
        daemon.start()
        server.settimeout(20)
        server.recvfrom(512)  # it asks, and gets no answer
        self.expect_pull_by(None, 11)
        self.assertEqual(daemon.process.stop(30), 0, "150 s are left for the answer")

    @deadline(60)
    def test_a_scheduler_takes_over_its_limits(self):
        extra = {"dynConfig": {"refreshInterval": "200ms"}}
        third = Scheduler(settings["darter"], self.lab.node("scheduler3", 13), extra)
        self.roles.append(third)
        third.start()
        limits = {"candidateParentLimit": 1, "filterParentLimit": 7}
        replace(third.node, DYNCONFIG, yaml({"schedulerClusterConfig": limits}))
        self.wait_log(third, "candidateParentLimit is 1 now, filterParentLimit 7")
        replace(third.node, DYNCONFIG, "\nschedulerClusterConfig: {filterParentLimit: none}\n")
        self.wait_log(third, rf"limits stay as they are: {DYNCONFIG}:2: schedulerClusterConfig.filterParentLimit")
        self.assertTrue(third.healthy())

    @deadline(60)
    def test_applications_have_priorities_that_may_change(self):
        extra = {"dynConfig": {"refreshInterval": "200ms"}}
        third = Scheduler(settings["darter"], self.lab.node("scheduler3", 13), extra)
        self.roles.append(third)
        third.start()
        self.add_node(self.naming(third))
        self.wait_announced_to(third)
        urls = [{"regex": "nobody", "value": 2}]
        replace(third.node, DYNCONFIG, yaml({"applications": [{"name": "builds", "priority": {"value": 1, "urls": urls}}]}))
        self.wait_log(third, "priorities by application are taken over, for 1")
        self.pull_of_builds(20)
        self.assertEqual(self.registered(third, "_failure", "LEVEL1"), 1)
        self.assertEqual(self.registered(third, "", "LEVEL1"), 1)
        urls[0] = {"regex": "/blobs/sha256:[0-9a-f]+$", "value": 3}
        replace(third.node, DYNCONFIG, yaml({"applications": [{"name": "builds", "priority": {"urls": urls}}]}))
        until(20, "they change", lambda: third.process.log_text().count("are taken over, for 1") == 2)
        self.pull_of_builds(21)
        self.assertEqual(self.registered(third, "", "LEVEL3"), 1)
        self.assertEqual(self.registered(third, "_failure", "LEVEL3"), 0)

    def pull_of_builds(self, seed):
        """A download whose request names an application and no priority."""
        file = self.origin.add(seed, SIZE)
        headers = ["X-Dragonfly-Application: builds", "X-Dragonfly-Priority: 0"]
        self.expect_right(self.start_download("node1", file, headers), file, 30)

    @staticmethod
    def registered(scheduler, suffix, priority):
        return scheduler.metrics().total(f"dragonfly_scheduler_register_peer{suffix}_total", priority=priority)
