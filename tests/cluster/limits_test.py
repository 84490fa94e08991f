"""The limit of open files: it is raised as far as may be, and running into it ends by itself."""

import http.client
import os
import re
import socket
import time

from fixture import MIB, PROXY, ClusterTest, deadline, until

FILES = 96
CROWD = 3 * FILES
BUSY_SECONDS = 2
SAY_SECONDS = 10  # how often it is said at the most


def limit_of(process):
    """(soft, hard) limit of open files."""
    with open(f"/proc/{process.pid}/limits", encoding="utf-8") as limits:
        soft, hard = re.search(r"^Max open files +(\d+) +(\d+)", limits.read(), re.MULTILINE).groups()
    return int(soft), int(hard)


def cpu_seconds(process):
    """How long it has run so far, all its threads together."""
    with open(f"/proc/{process.pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class OpenFiles(ClusterTest):
    @deadline(30)
    def test_every_role_raises_its_limit(self):
        self.scheduler.wrapper = ["prlimit", "--nofile=100:300"]
        self.scheduler.start()
        daemon = self.add_daemon("node1", 21, start=False)
        daemon.wrapper = ["prlimit", "--nofile=100:400"]
        daemon.start()
        self.assertEqual(limit_of(self.scheduler.process), (300, 300))
        self.assertEqual(limit_of(daemon.process), (400, 400))
        self.assertIn("400 files and connections may be open", daemon.process.log_text())

    def crowd(self, daemon):
        """Clients of the proxy that say nothing, more than it has descriptors."""
        clients = [socket.create_connection((daemon.node.ip, PROXY), timeout=10) for _ in range(CROWD)]
        self.addCleanup(lambda: [client.close() for client in clients])
        until(10, "the descriptors run out", lambda: len(daemon.process.open_files()) >= FILES)
        return clients

    def expect_calm(self, daemon, since):
        """What cannot be accepted is not tried without end, and is said once in a while."""
        before = cpu_seconds(daemon.process)
        time.sleep(BUSY_SECONDS)  # it is the time itself that counts
        self.assertLess(cpu_seconds(daemon.process) - before, BUSY_SECONDS / 4)
        said = re.findall(rf":{PROXY} takes no connections for now.*", daemon.process.log_text())
        self.assertIn(len(said), range(1, 2 + int((time.monotonic() - since) / SAY_SECONDS)), said)
        self.assertIn("LimitNOFILE", said[0])

    @deadline(60)
    def test_a_crowd_of_idle_clients_passes(self):
        """Who is connected gets an answer all the while, good or bad; when the crowd has left all is well again."""
        self.scheduler.start()
        daemon = self.add_daemon("node1", 21, start=False)
        daemon.wrapper = ["prlimit", f"--nofile={FILES}:{FILES}"]
        daemon.start()
        self.wait_announced(1)
        early = http.client.HTTPConnection(daemon.node.ip, PROXY, timeout=20)
        early.connect()
        since = time.monotonic()
        clients = self.crowd(daemon)
        self.expect_calm(daemon, since)
        early.request("GET", self.origin.url + self.origin.add(1, MIB).path)
        self.assertIn(early.getresponse().status, (200, 500, 502, 503))
        for client in clients:
            client.close()
        early.close()
        until(10, "descriptors are closed", lambda: len(daemon.process.open_files()) < FILES // 2)
        self.pull("node1", self.origin.add(2, 8 * MIB))
        self.assertTrue(daemon.healthy())
        self.expect_idle()
