"""What the tests start from: a lab for each test, a small cluster in it, downloads through a daemon's proxy."""

import glob
import os
import re
import shutil
import signal
import unittest

from lab.authority import Authority
from lab.darter import PATIENT, PROXY, STORE, Daemon, Scheduler
from lab.image import file_sha256
from lab.lab import REPOSITORY, SANITIZER, Lab
from lab.origin import Origin
from lab.process import Process
from lab.wait import DeadlineExceeded, until

MIB = 1 << 20
STALL_SECONDS = 5  # download.stallTimeout's default
settings = {"darter": None, "folder": os.path.join(REPOSITORY, "build", "cluster")}


def deadline(seconds):
    """States within how many seconds a test ends, whatever happens."""

    def mark(test):
        test.deadline = seconds
        return test

    return mark


class LabTest(unittest.TestCase):
    """A test with a lab of its own; its logs stay in <folder>/<test>/logs."""

    default_deadline = 60
    families = (4,)  # of the nodes' addresses
    alone = False  # it measures speed, so nothing else may run meanwhile

    def setUp(self):
        method = getattr(self, self._testMethodName)
        seconds = getattr(method, "deadline", self.default_deadline)

        def too_late(*_):
            raise DeadlineExceeded(f"the test did not end within its {seconds} s")

        signal.signal(signal.SIGALRM, too_late)
        signal.alarm(seconds)
        self.addCleanup(signal.alarm, 0)
        folder = os.path.join(settings["folder"], f"{type(self).__name__}.{self._testMethodName}")
        shutil.rmtree(folder, ignore_errors=True)
        self.lab = Lab(folder, os.path.join(folder, "logs"), self.families)
        self.addCleanup(self._end, folder)

    def _end(self, folder):
        signal.alarm(0)
        self.lab.close()
        shutil.rmtree(os.path.join(folder, "nodes"), ignore_errors=True)


class Download:
    """curl on a node, through that node's proxy (or straight from the origin), into a file."""

    number = 0

    def __init__(self, node, url, headers=(), seconds=120):
        Download.number += 1
        self.node = node
        self.inside = f"/tmp/download{Download.number}"
        self.path = node.path(self.inside)
        self.status_path = self.path + ".status"
        command = ["curl", "-sS", "--max-time", str(seconds), "-o", self.inside, "-w", "%{stderr}status=%{http_code}\\n"]
        for header in headers:
            command += ["-H", header]
        self.process = node.start(f"download{Download.number}", *command, url)

    def size(self):
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def wait_size(self, size, seconds=30):
        """Waits until so many bytes have arrived; fails when the download is over before."""

        def check():
            alive = self.process.alive()  # before the size: the rest may come between the two questions
            if self.size() < size and not alive:
                raise AssertionError(f"the download ended at {self.size()} bytes, wanted to act at {size}")
            return self.size() >= size

        until(seconds, f"{size} bytes arrive (see {self.process.log})", check)

    def wait(self, seconds):
        """Waits for the end; returns (curl's exit status, HTTP status or 0)."""
        code = self.process.wait(seconds)
        match = re.search(r"status=(\d+)", self.process.log_text())
        return code, int(match[1]) if match else 0


class ClusterTest(LabTest):
    """A lab with an origin, a scheduler, a seed if wanted, and nodes with daemons; all stop cleanly at the end."""

    def setUp(self):
        super().setUp()
        self.daemons = {}
        self.roles = []
        self.origin = Origin(self.lab, self.lab.node("origin", 10))
        self.addCleanup(self.origin.close)
        self.scheduler = Scheduler(settings["darter"], self.lab.node("scheduler", 11), PATIENT)
        self.roles.append(self.scheduler)
        self.addCleanup(stop_roles, self.roles)

    def tls_origin(self):
        """From now on the origin has a certificate that only this test's own authority has signed; returns that one's
        file."""
        authority = Authority(self.lab.folder + "/tls")
        self.origin.close()
        self.origin = Origin(self.lab, self.origin.node, "tls.test", authority.issue("tls.test", "DNS:tls.test"))
        return authority.cert

    def add_daemon(self, name, number, seed=False, extra=None, start=True, families=None):
        node = self.lab.node(name, number, families)
        daemon = Daemon(settings["darter"], node, self.scheduler.node.ip, seed=seed, extra=extra)
        self.daemons[name] = daemon
        self.roles.append(daemon)
        if start:
            daemon.start()
        return daemon

    def add_small_daemon(self, name, number, size):
        """A daemon whose store is a disk of `size` bytes."""
        daemon = self.add_daemon(name, number, start=False)
        daemon.node.enter("mount", "-t", "tmpfs", "-o", f"size={size}", "store", STORE)
        return daemon.start()

    def start_cluster(self, *names, extra=None):
        """Scheduler first, then a daemon for each name ("seed" is one); waits until all have announced themselves and
        the scheduler has reached the seed."""
        self.scheduler.start()
        for number, name in enumerate(names, start=21):
            self.add_daemon(name, number, seed=name == "seed", extra=extra)
        self.wait_announced(len(names))
        if "seed" in names:
            until(30, "the seed serves", lambda: " serves" in self.scheduler.process.log_text())

    def wait_announced(self, count, seconds=30):
        until(seconds, f"{count} daemons announced", lambda: self.scheduler.announced() >= count)

    def start_download(self, name, file, headers=(), seconds=120, registry=None):
        """curl on node `name` asks its daemon for the file, the way containerd asks for a blob."""
        node = self.daemons[name].node
        url = f"http://{'127.0.0.1' if 4 in node.ips else '[::1]'}:{PROXY}{file.path}"
        all_headers = (f"X-Dragonfly-Registry: {registry or self.origin.url}", *headers)
        return Download(node, url, all_headers, seconds)

    def expect_right(self, download, file, seconds):
        """The download ends in time with all the right bytes."""
        code, status = download.wait(seconds)
        self.assertEqual((code, status), (0, 200), f"see {download.process.log}")
        self.assertEqual(file_sha256(download.path), file.sha256, "wrong bytes were delivered")

    def expect_error(self, download, file, seconds, statuses=None):
        """The download ends in time with an error that its client can tell: a status or a broken connection."""
        code, status = download.wait(seconds)
        self.assertTrue(code != 0 or status >= 400, f"curl says {code}, status {status}; see {download.process.log}")
        if statuses:
            self.assertIn(status, statuses)
        if status < 400 and download.size() > 0:
            with open(download.path, "rb") as got:
                self.assertTrue(file.data.startswith(got.read()), "wrong bytes were delivered")

    def pull(self, name, file, seconds=30):
        """A whole download that must go well."""
        self.expect_right(self.start_download(name, file), file, seconds)

    def shape(self, name, megabits):
        """Limits what node `name` sends, so that a pull lasts long enough to disturb it."""
        node = self.daemons[name].node if name in self.daemons else self.lab.nodes[name]
        rule = ["root", "tbf", "rate", f"{megabits}mbit", "burst", "256kb", "latency", "100ms"]
        node.enter("tc", "qdisc", "replace", "dev", "eth0", *rule)

    def from_peers(self, name):
        return sum(self.daemons[name].traffic()["peers"].values())

    def taken_from_origins(self):
        """Bytes, of all daemons that run."""
        running = [daemon for daemon in self.daemons.values() if daemon.process and daemon.process.alive()]
        return sum(daemon.traffic()["origin"] for daemon in running)

    def from_origin(self, file, name=None):
        return self.origin.sent(file, self.daemons[name].node.ip if name else None)

    def expect_idle(self, seconds=15):
        """No daemon has anything in flight any more: nobody waits for bytes that will not come."""
        for daemon in self.daemons.values():
            if daemon.process and daemon.process.alive():
                daemon.wait_idle(seconds)


def stop_roles(roles):
    """Everything that still runs stops when asked, the last one first, with status 0, and no sanitizer has complained."""
    problems = []
    for role in reversed(roles):
        if role.process and role.process.alive():
            try:
                status = role.process.stop(30)
                if status not in (0, -signal.SIGTERM):
                    problems.append(f"{role.command} on {role.node.name} ended with {status}: {role.process.log}")
            except DeadlineExceeded as error:
                problems.append(str(error))
        if role.process and SANITIZER.search(role.process.log_text()):
            problems.append(f"a sanitizer complains: {role.process.log}")
    if problems:
        raise AssertionError("; ".join(problems))


class JumpingClock:
    """For a test: the date of a role's machine can jump while its timers go on."""

    def with_clock(self, role):
        """Before the role starts."""
        clock = {
            "LD_PRELOAD": glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0],
            "FAKETIME_TIMESTAMP_FILE": "/tmp/clock",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0",
        }
        role.wrapper = ["env", *(f"{name}={value}" for name, value in clock.items())]
        self.step(role, "+0")

    def step(self, role, offset):
        role.node.write("/tmp/clock.new", offset + "\n")
        os.rename(role.node.path("/tmp/clock.new"), role.node.path("/tmp/clock"))


def flip_bytes(path, every=MIB, count=16):
    """Damages a stored file in place: `count` bytes at every `every` bytes."""
    with open(path, "r+b") as file:
        for offset in range(every // 2, os.path.getsize(path), every):
            file.seek(offset)
            old = file.read(count)
            file.seek(offset)
            file.write(bytes(byte ^ 0xFF for byte in old))


__all__ = ["ClusterTest", "Download", "LabTest", "MIB", "PROXY", "Process", "STALL_SECONDS", "deadline", "flip_bytes", "stop_roles", "until"]
