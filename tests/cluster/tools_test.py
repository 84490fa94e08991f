"""The user's tools with real daemons: what `darter get` writes, what it says when it cannot, what it leaves behind."""

import hashlib
import json
import os
import pty
import re
import signal

from fixture import MIB, ClusterTest, deadline, flip_bytes, until
from lab.darter import SOCKET
from lab.origin import Fault

SIZE = 20 * MIB + 4321
PART = SIZE * 35 // 100
MEGABITS = 80  # a download then lasts about two seconds
FOLDER = "/tmp/out"
SOMEBODY = 4711


class GetTest(ClusterTest):
    """One daemon and its origin; `get` runs on the daemon's node."""

    nodes = ("node1",)

    def setUp(self):
        super().setUp()
        self.start_cluster(*self.nodes)
        self.daemon = self.daemons["node1"]
        self.node = self.daemon.node
        self.file = self.origin.add(1, SIZE)
        self.node.enter("mkdir", "-p", FOLDER)

    def get(self, *options, file=None, output="file", seconds=40):
        """darter get; returns (status, what it said)."""
        url = self.origin.url + (file or self.file).path
        command = [self.daemon.darter, "get", url, "-O", f"{FOLDER}/{output}", *options]
        status, out, errors = self.node.try_to(*command, seconds=seconds)
        self.assertEqual(out, "")
        self.assertNotRegex(errors, "Sanitizer|runtime error")
        return status, errors

    def start_get(self, *options):
        url = self.origin.url + self.file.path
        return self.node.start("get", self.daemon.darter, "get", url, "-O", f"{FOLDER}/file", *options)

    def left(self):
        return sorted(os.listdir(self.node.path(FOLDER)))

    def content(self, output="file"):
        with open(self.node.path(f"{FOLDER}/{output}"), "rb") as file:
            return file.read()

    def expect_file(self, output="file", file=None):
        self.assertEqual(self.left(), [output])
        self.assertTrue(self.content(output) == (file or self.file).data, "wrong bytes were written")

    def expect_failure(self, result, *parts, status=1):
        """It failed, said why, and left nothing."""
        self.assertEqual(result[0], status, result[1])
        for part in parts:
            self.assertIn(part, result[1])
        self.assertEqual(self.left(), [])

    def start_and_stall(self, *options):
        """`get` under way, of which a part has come."""
        fault = self.origin.misbehave(Fault(stall=PART))
        process = self.start_get(*options)
        self.assertTrue(fault.met.wait(20))
        return process, fault


class Get(GetTest):
    @deadline(60)
    def test_get_is_silent_and_whole(self):
        self.assertEqual(self.get(), (0, ""))
        self.expect_file()
        self.assertEqual(os.stat(self.node.path(f"{FOLDER}/file")).st_mode & 0o777, 0o644)
        before = self.origin.sent()
        self.assertEqual(self.get("--overwrite"), (0, ""))
        self.expect_file()
        self.assertEqual(self.origin.sent(), before, "what is stored was fetched again")
        self.expect_idle()

    @deadline(60)
    def test_get_by_the_name_dfget_and_the_environment(self):
        self.node.enter("ln", "-s", self.daemon.darter, "/tmp/dfget")
        self.node.enter(
            "env", f"DFGET_ENDPOINT={SOCKET}", "/tmp/dfget", "--transfer-from-dfdaemon", "--output", f"{FOLDER}/file",
            self.origin.url + self.file.path,
        )
        self.expect_file()
        self.assertIn("darter ", self.node.enter("/tmp/dfget", "--version"))

    @deadline(60)
    def test_get_small_and_empty_files(self):
        for seed, size in enumerate((0, 1, 4 * MIB, 4 * MIB + 1), start=10):
            file = self.origin.add(seed, size)
            self.assertEqual(self.get("--overwrite", file=file), (0, ""))
            self.expect_file(file=file)

    @deadline(60)
    def test_get_with_options(self):
        checksum = "--digest=sha512:" + hashlib.sha512(self.file.data).hexdigest()
        pieces = ["--piece-length", "8MiB", "--tag", "t", "--application", "a", "-p", "5", "-H", "X-Test: yes"]
        self.assertEqual(self.get(checksum, *pieces), (0, ""))
        self.expect_file()
        # Another tag is another task: it is fetched again.
        before = self.origin.sent()
        self.assertEqual(self.get("--overwrite", "--tag", "u"), (0, ""))
        self.assertEqual(self.origin.sent() - before, SIZE)

    @deadline(60)
    def test_get_with_the_largest_pieces(self):
        file = self.origin.add(20, 64 * MIB + 5)
        for _ in range(2):
            self.assertEqual(self.get("--overwrite", "--piece-length", "64MiB", file=file), (0, ""))
            self.expect_file(file=file)

    @deadline(60)
    def test_get_draws_progress_on_a_terminal_only(self):
        self.shape("origin", MEGABITS)
        leader, follower = pty.openpty()
        url = self.origin.url + self.file.path
        entry = self.node._entry() + ["env", "TERM=xterm"]  # pylint: disable=protected-access
        text = b""
        pid = os.fork()
        if pid == 0:
            os.dup2(follower, 2)
            os.execvp(entry[0], entry + [self.daemon.darter, "get", url, "-O", f"{FOLDER}/file"])
        os.close(follower)
        try:
            while True:
                part = os.read(leader, 4096)
                if not part:
                    break
                text += part
        except OSError:
            pass  # the terminal's end
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        os.close(leader)
        lines = text.decode().split("\r")
        percents = [int(match[1]) for match in (re.search(r"(\d+)%", line) for line in lines) if match]
        self.assertGreater(len(percents), 3)
        self.assertEqual(percents, sorted(percents))
        self.assertTrue(any(0 < percent < 100 for percent in percents))
        self.assertRegex(text.decode(), r"MiB/s  \d+:\d\d left")
        self.assertIn("20.0 MiB in", lines[-2] + lines[-1])
        self.expect_file()


class GetFails(GetTest):
    @deadline(60)
    def test_get_what_the_origin_refuses(self):
        self.origin.misbehave(Fault(status=404))
        self.expect_failure(self.get(), "404", self.origin.url)
        self.origin.misbehave(Fault(status=403))
        self.expect_failure(self.get(), "403")
        self.origin.misbehave(None)
        self.assertEqual(self.get()[0], 0)

    @deadline(90)
    def test_get_from_an_origin_that_closes(self):
        self.origin.misbehave(Fault(close=1))
        self.expect_failure(self.get(seconds=60), self.origin.url)

    @deadline(60)
    def test_get_where_a_file_is(self):
        self.node.write(f"{FOLDER}/file", "mine")
        status, said = self.get()
        self.assertEqual(status, 1)
        self.assertIn("is there already", said)
        self.assertEqual(self.content(), b"mine")
        self.assertEqual(self.origin.sent(), 0)
        # A failed download keeps what it was to replace.
        self.origin.misbehave(Fault(status=404))
        self.assertEqual(self.get("--overwrite")[0], 1)
        self.assertEqual(self.content(), b"mine")
        self.assertEqual(self.left(), ["file"])

    @deadline(60)
    def test_get_where_nothing_may_be_written(self):
        self.node.enter("chmod", "555", FOLDER)
        command = [self.daemon.darter, "get", self.origin.url + self.file.path, "-O"]
        as_somebody = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", *command]
        status, _, errors = self.node.try_to(*as_somebody, f"{FOLDER}/file")
        self.assertEqual(status, 1)
        self.assertIn("Permission denied", errors)
        self.expect_failure(self.get(output="missing/file"), "No such file")
        self.expect_failure(self.get(output="."), "names no file")
        self.assertEqual(self.origin.sent(), 0)

    @deadline(60)
    def test_get_as_somebody(self):
        self.node.enter("chmod", "777", FOLDER)
        command = [self.daemon.darter, "get", self.origin.url + self.file.path, "-O", f"{FOLDER}/file"]
        self.node.enter("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", *command)
        self.expect_file()
        self.assertEqual(os.stat(self.node.path(f"{FOLDER}/file")).st_uid, SOMEBODY)

    @deadline(60)
    def test_get_onto_a_full_disk(self):
        self.node.enter("mkdir", "/tmp/small")
        self.node.enter("mount", "-t", "tmpfs", "-o", "size=4m", "small", "/tmp/small")
        status, said = self.get(output="../small/file")
        self.assertEqual(status, 1)
        self.assertIn("No space left", said)
        self.assertEqual(self.node.enter("ls", "-A", "/tmp/small"), "")
        self.expect_idle()

    @deadline(60)
    def test_get_without_a_daemon(self):
        self.expect_failure(
            self.get("-e", "/tmp/nobody.sock"), "no daemon answers at /tmp/nobody.sock", "darter daemon", "--endpoint"
        )
        self.daemon.process.stop(15)
        self.expect_failure(self.get(), f"no daemon answers at {SOCKET}")

    @deadline(60)
    def test_get_while_the_daemon_is_killed(self):
        process, _ = self.start_and_stall()
        self.daemon.process.kill()
        self.assertEqual(process.wait(15), 1)
        self.assertIn("the daemon went away", process.log_text())
        self.assertEqual(self.left(), [])

    @deadline(60)
    def test_get_with_a_wrong_digest(self):
        wrong = "sha256:" + "0" * 64
        self.expect_failure(self.get("--digest", wrong), self.file.sha256, wrong)
        self.expect_failure(self.get("--digest", "sha256:00"), "digest")
        self.expect_failure(self.get("--digest", "crc32:1"), "crc32:")
        # Somebody's mistake is nobody else's.
        self.assertEqual(self.get(), (0, ""))
        self.expect_file()
        other = self.origin.add(2, SIZE)
        self.origin.files["/plain"] = other
        url = self.origin.url + "/plain"
        for digest, status in ((wrong, 1), ("sha256:" + other.sha256, 0)):
            command = [self.daemon.darter, "get", url, "-O", f"{FOLDER}/file", "--overwrite", "--digest", digest]
            self.assertEqual(self.node.try_to(*command)[0], status)
        self.assertTrue(self.content() == other.data)

    @deadline(60)
    def test_get_within_a_time(self):
        fault = self.origin.misbehave(Fault(stall=PART))
        self.expect_failure(self.get("--timeout", "1s"), "time")
        fault.release()
        self.expect_idle()

    @deadline(60)
    def test_get_what_is_damaged_in_the_store(self):
        self.assertEqual(self.get(), (0, ""))
        flip_bytes(self.daemon.stored_files()[0][1])
        status, said = self.get("--overwrite")
        self.assertEqual(status, 1)
        self.assertIn("damaged", said)
        self.assertEqual(self.left(), ["file"])
        self.expect_file()

    @deadline(60)
    def test_get_from_peers_that_are_not_there(self):
        result = self.get("--disable-back-to-source", seconds=50)
        self.expect_failure(result, "back to source is disabled")
        self.assertEqual(self.origin.sent(), 0)

    @deadline(60)
    def test_get_what_is_not_there_yet(self):
        self.expect_failure(self.get("--recursive"), "--recursive", status=2)
        url = "s3://bucket/key"
        status, _, errors = self.node.try_to(self.daemon.darter, "get", url, "-O", f"{FOLDER}/file")
        self.assertEqual(status, 1)
        self.assertIn("not there yet", errors)


class GetIsInterrupted(GetTest):
    def interrupt(self, number):
        process, _ = self.start_and_stall()
        process.signal(number)
        self.assertEqual(process.wait(15), 128 + number)
        self.assertEqual(self.left(), [])
        self.expect_idle()

    @deadline(60)
    def test_get_and_ctrl_c(self):
        self.interrupt(signal.SIGINT)

    @deadline(60)
    def test_get_and_sigterm(self):
        self.interrupt(signal.SIGTERM)

    @deadline(60)
    def test_get_and_kill_minus_9(self):
        process, fault = self.start_and_stall()
        process.kill()
        self.assertEqual(self.left(), [])
        self.expect_idle(20)
        self.origin.misbehave(None)
        fault.release()
        self.assertEqual(self.get(), (0, ""))
        self.expect_file()


class GetFromPeers(GetTest):
    nodes = ("seed", "node1", "node2")

    @deadline(60)
    def test_get_takes_one_copy_from_the_origin(self):
        options = ["--piece-length", "5MiB", "--filtered-query-param", "signature"]
        self.assertEqual(self.get(*options), (0, ""))
        self.expect_file()
        other = self.daemons["node2"].node
        other.enter("mkdir", FOLDER)
        url = self.origin.url + self.file.path + "?signature=other"
        other.enter(self.daemon.darter, "get", url, "-O", f"{FOLDER}/file", *options)
        with open(other.path(f"{FOLDER}/file"), "rb") as got:
            self.assertTrue(got.read() == self.file.data)
        sent = sum(request["bytes"] for request in self.origin.requests if request["bytes"] != 1)
        self.assertEqual(sent, SIZE)
        self.assertGreaterEqual(self.from_peers("node2"), SIZE)

    @deadline(60)
    def test_get_after_somebody_named_a_wrong_digest(self):
        wrong = "sha256:" + "0" * 64
        self.expect_failure(self.get("--digest", wrong), wrong)
        self.assertEqual(self.get(), (0, ""))
        self.expect_file()
        # The peers were right: they are parents again.
        other = self.origin.add(3, SIZE)
        before = self.origin.sent(ip=self.node.ip)
        self.assertEqual(self.get("--overwrite", file=other), (0, ""))
        self.assertEqual(self.origin.sent(ip=self.node.ip), before)

    @deadline(60)
    def test_get_from_peers_only(self):
        self.assertEqual(self.get("--disable-back-to-source"), (0, ""))
        self.expect_file()
        self.assertEqual(self.origin.sent(ip=self.node.ip), 0)


class Ctl(GetTest):
    """`darter ctl` with a real daemon and a real scheduler."""

    nodes = ("seed", "node1")

    def ctl(self, *words, status=0):
        got, out, errors = self.node.try_to(self.daemon.darter, "ctl", *words, seconds=30)
        self.assertEqual(got, status, errors)
        return out if status == 0 else errors

    @deadline(60)
    def test_ctl_lists_shows_and_deletes_tasks(self):
        self.assertEqual(json.loads(self.ctl("tasks", "--json")), [])
        self.assertEqual(self.get(), (0, ""))
        (task,) = json.loads(self.ctl("tasks", "--json"))
        self.assertEqual((task["contentLength"], task["state"]), (SIZE, "whole"))
        self.assertRegex(self.ctl("task", "ls"), rf"(?m)^{task['id']} +20\.0 MiB  whole +\d+s +\d+s$")
        self.assertIn("size:          20.0 MiB", self.ctl("task", task["id"]))
        self.assertEqual(json.loads(self.ctl("task", task["id"], "--json"))["id"], task["id"])
        self.assertEqual(self.ctl("task", "rm", task["id"]), "")
        self.assertEqual(json.loads(self.ctl("tasks", "--json")), [])
        for words in (("rm", task["id"]), ("task", task["id"])):
            self.assertIn(f"has no task {task['id']}", self.ctl(*words, status=1))

    @deadline(60)
    def test_ctl_lists_the_hosts_of_the_scheduler(self):
        hosts = {host["ip"]: host for host in json.loads(self.ctl("hosts", "--json"))}
        self.assertEqual(set(hosts), {daemon.node.ip for daemon in self.daemons.values()})
        self.assertEqual(hosts[self.node.ip]["type"], "node")
        self.assertEqual(hosts[self.daemons["seed"].node.ip]["type"], "seed")
        table = self.ctl("hosts", "--scheduler", f"{self.scheduler.node.ip}:8002")
        self.assertIn(f"{self.node.ip}:4000", table)
        self.scheduler.process.stop()
        self.assertIn("the scheduler does not answer", self.ctl("hosts", status=1))
