"""Log lines: a pull tells its life under one id, in both forms, on node and scheduler, and no secret with it."""

import json
import os
import re
import signal

from fixture import MIB, PROXY, ClusterTest, Download, deadline, flip_bytes, until
from lab.origin import Fault

SIZE = 24 * MIB + 99
PIECE = 4 * MIB
LINE = re.compile(r"^\S+Z (ERROR|WARN|INFO|DEBUG) (?:\[([0-9a-f]{8})\] )?(.*)$")
SECRET = "s3cr3t"


class Line:
    def __init__(self, level, pull, message):
        self.level = level
        self.pull = pull or None
        self.message = message

    def __repr__(self):
        return f"{self.level} [{self.pull}] {self.message}"


def whole_lines(process):
    """The last one may be under way."""
    return process.log_text().split("\n")[:-1]


def read_text(process):
    lines = [LINE.match(line) for line in whole_lines(process)]
    return [Line(match[1], match[2], match[3]) for match in lines if match]


def read_json(process):
    lines = [json.loads(line) for line in whole_lines(process) if line.startswith("{")]
    return [Line(line["level"].upper(), line.get("pull"), line["message"]) for line in lines]


class PullsAreLogged(ClusterTest):
    read = staticmethod(read_text)

    def start_all(self, *names, form="text"):
        if form == "json":
            self.read = read_json
        self.scheduler.arguments += ["--set", "server.logLevel=debug", "--set", f"log.format={form}"]
        self.scheduler.start()
        for number, name in enumerate(names, start=21):
            daemon = self.add_daemon(name, number, name == "seed", {"log": {"format": form}}, start=False)
            daemon.arguments += ["--log-level", "debug"]
            daemon.start()
        self.wait_announced(len(names))
        if "seed" in names:
            until(30, "the seed serves", lambda: " serves" in self.scheduler.process.log_text())

    def lines(self, name):
        """The lines of node `name` that belong to a pull, once all that began have ended."""
        process = self.daemons[name].process

        def read():
            lines = [line for line in self.read(process) if line.pull]
            begun = sum(line.message.startswith("pull of ") for line in lines)
            ended = sum(bool(re.search(r" after \d+ ms", line.message)) for line in lines)
            return lines if begun and begun == ended else None

        return until(10, f"each pull's last line is in {process.log}", read)

    def pulls(self, name):
        """{id: lines} of a node."""
        found = {}
        for line in self.lines(name):
            found.setdefault(line.pull, []).append(line)
        return found

    @staticmethod
    def find(lines, level, pattern):
        return [line for line in lines if line.level == level and re.search(pattern, line.message)]

    def expect(self, lines, level, pattern):
        found = self.find(lines, level, pattern)
        self.assertTrue(found, f"no {level} line says /{pattern}/ among {lines}")
        return found

    def expect_life(self, form):
        self.start_all("seed", "node1", "node2", form=form)
        file = self.origin.add(1, SIZE)
        self.pull("node1", file)
        self.pull("node2", file)
        self.expect_idle()
        seed, node1, node2 = (self.daemons[name].node.ip for name in ("seed", "node1", "node2"))
        for name in ("seed", "node1", "node2"):
            self.assertEqual(len(self.pulls(name)), 1, f"{name}: all lines of one pull have the same id")
        task = file.sha256
        for name in ("node1", "node2"):
            lines = self.lines(name)
            [begin] = self.expect(lines, "INFO", "begins")
            self.assertIn(f"pull of {self.origin.url}{file.path} begins: task {task}, bytes 0- of ", begin.message)
            self.expect(lines, "INFO", rf"^the scheduler names parents: .*{re.escape(seed)}")
            self.expect(lines, "DEBUG", rf"^parent {re.escape(seed)} is asked what it has$")
            [done] = self.expect(lines, "INFO", r"^done after \d+ ms; 0 bytes of the origin, \d+ of \d+ peers? \([0-9., ]+\)$")
            again = int(re.search(r"(\d+) of \d+ peer", done.message)[1]) - SIZE
            self.assertIn(again % PIECE, (0, SIZE % PIECE))  # of a piece that two sent, since one began late
            self.assertIn(again // PIECE, range(SIZE // PIECE + 1))
            self.assertLessEqual(len([line for line in lines if line.level == "INFO"]), 4)
        lines = self.lines("seed")
        self.expect(lines, "INFO", "^the scheduler sends it back to source$")
        self.expect(lines, "INFO", rf"^done after \d+ ms; {SIZE} bytes of the origin, 0 of peers$")
        self.expect_scheduler([node1, node2, seed], task)

    def expect_scheduler(self, ips, task):
        """The scheduler's lines about a node's pull carry the node's id."""
        for name, ip in zip(("node1", "node2", "seed"), ips):
            [pull] = self.pulls(name)
            self.wait_said("INFO", rf"^host {re.escape(ip)}-\S+ is there: a (seed|peer) at {re.escape(ip)}:4000$", None)
            self.wait_said("DEBUG", rf"^{re.escape(ip)}-\S+ registers for task {task}, {re.escape(self.origin.url)}", pull)
            self.wait_said("DEBUG", r"^answer: (\d+ parents|back to source), ", pull)
            self.wait_said("DEBUG", "^download_peer_(back_to_source_)?finished$", pull)

    def wait_said(self, level, pattern, pull):
        """The scheduler hears of things, and says them, a while after the daemon."""
        process = self.scheduler.process

        def said():
            return self.find([line for line in self.read(process) if pull in (None, line.pull)], level, pattern)

        until(10, f"a {level} line of pull {pull} says /{pattern}/; its log: {process.log}", said)

    @deadline(60)
    def test_a_pull_tells_its_life_as_text(self):
        self.expect_life("text")

    @deadline(60)
    def test_a_pull_tells_its_life_as_json(self):
        self.expect_life("json")

    @deadline(60)
    def test_each_pull_has_an_id_of_its_own_and_its_readers_share_it(self):
        self.start_all("node1")
        fault = self.origin.misbehave(Fault(stall=4 * MIB))
        file = self.origin.add(2, SIZE)
        first = self.start_download("node1", file)
        self.assertTrue(fault.met.wait(20))
        second = self.start_download("node1", file)
        joins, log = "another reader joins: bytes 0-", self.daemons["node1"].process.log_text
        until(20, "the second joins", lambda: joins in log())
        fault.release()
        self.expect_right(first, file, 30)
        self.expect_right(second, file, 30)
        self.pull("node1", self.origin.add(3, SIZE))
        pulls = self.pulls("node1")
        self.assertEqual(len(pulls), 2)
        self.expect(list(pulls.values())[0], "DEBUG", "^another reader joins: bytes 0-")

    @deadline(60)
    def test_failures_are_warnings(self):
        self.start_all("node1", "node2")
        self.origin.misbehave(Fault(status=404))
        missing = self.origin.add(4, SIZE)
        self.expect_error(self.start_download("node1", missing), missing, 20, statuses=[404])
        lines = self.lines("node1")
        self.expect(lines, "WARN", "^the origin failed: the origin answered 404$")
        self.expect(lines, "WARN", r"^failed after \d+ ms: the origin answered 404; 0 bytes of the origin")
        self.origin.misbehave(None)
        file = self.origin.add(5, SIZE)
        self.pull("node1", file)
        flip_bytes(self.daemons["node1"].stored_files()[0][1])
        self.pull("node2", file)
        lines = self.lines("node2")
        liar = re.escape(self.daemons["node1"].node.ip)
        self.expect(lines, "WARN", f"^parent {liar} lied: .*CRC-32")
        self.expect(lines, "DEBUG", f"^piece \\d+ of parent {liar} counts as failed$")
        self.expect(lines, "INFO", "^the scheduler sends it back to source$")
        self.expect(lines, "INFO", r"^done after \d+ ms; [1-9]\d* bytes of the origin")

    @deadline(60)
    def test_a_parent_that_is_lost_is_told_with_the_reason(self):
        self.start_all("node1", "node2")
        file = self.origin.add(6, 4 * SIZE)  # more than the kernel holds and still sends when node1 is dead
        self.pull("node1", file)
        self.shape("node1", 100)
        download = self.start_download("node2", file)
        download.wait_size(MIB)
        self.daemons["node1"].process.kill()
        self.expect_right(download, file, 20)
        lines = self.lines("node2")
        self.expect(lines, "DEBUG", r"^(parent|piece \d+ of parent) 10\.89\.0\.21 (is lost|failed): .+")

    @deadline(60)
    def test_a_host_that_falls_silent_is_told(self):
        self.scheduler.arguments += ["--set", "scheduler.gc.hostGCInterval=500ms"]
        self.scheduler.start()
        daemon = self.add_daemon("node1", 21, extra={"scheduler": {"announceInterval": "1s"}})
        self.wait_announced(1)
        daemon.process.kill()
        ip = re.escape(daemon.node.ip)
        line = re.compile(rf" INFO host {ip}-node1\S* \(node1 at {ip}\) is removed: it was silent for (\d+\.\d) s\n")
        said = until(20, "the host is removed", lambda: line.search(self.scheduler.process.log_text()))
        self.assertGreaterEqual(float(said[1]), 2)

    @deadline(60)
    def test_no_credential_is_logged_as_text(self):
        self.expect_no_secret("text")

    @deadline(60)
    def test_no_credential_is_logged_as_json(self):
        self.expect_no_secret("json")

    def expect_no_secret(self, form):
        self.start_all("seed", "node1", form=form)
        file = self.origin.add(7, SIZE)
        headers = [f"X-Dragonfly-Registry: {self.origin.url}", f"Authorization: Bearer {SECRET}", f"Cookie: a={SECRET}"]
        url = f"http://127.0.0.1:{PROXY}{file.path}?signature={SECRET}"
        self.expect_right(Download(self.daemons["node1"].node, url, headers), file, 30)
        named = [f"X-Dragonfly-Registry: http://user:{SECRET}@origin.test"]
        Download(self.daemons["node1"].node, f"http://127.0.0.1:{PROXY}{file.path}", named, seconds=20).wait(30)
        self.origin.misbehave(Fault(status=500))
        failing = self.origin.add(8, SIZE)
        url = f"http://127.0.0.1:{PROXY}{failing.path}?signature={SECRET}"
        self.assertGreaterEqual(Download(self.daemons["node1"].node, url, headers, seconds=30).wait(40)[1], 500)
        self.expect_idle()
        sent = [request["authorization"] for request in self.origin.requests]
        self.assertIn(f"Bearer {SECRET}", sent, "the test's secret reached nobody")
        for role in self.roles:
            text = role.process.log_text()
            self.assertIn("test/blobs/sha256", text)
            self.assertNotIn(SECRET, text, f"a secret is in {role.process.log}")


class LogFiles(ClusterTest):
    """SIGHUP opens the log file anew, as logrotate expects, and disturbs nothing."""

    @staticmethod
    def text(path):
        try:
            with open(path, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def rotate(self, role, path):
        """Moves the log away and sends SIGHUP; what is logged from then on is in a new file."""
        before = self.text(path)
        self.assertIn("INFO", before)
        os.rename(path, path + ".1")
        role.process.signal(signal.SIGHUP)
        until(10, f"a new {path}", lambda: "the log begins anew after SIGHUP" in self.text(path))
        self.assertTrue(self.text(path + ".1").startswith(before), "the old lines are gone")

    def start_logging(self, role, name):
        role.arguments += ["--log-dir", "/tmp/log"]
        role.start()
        return role.node.path(f"/tmp/log/{name}.log")

    @deadline(60)
    def test_a_hangup_opens_the_files_anew_while_a_pull_runs(self):
        scheduler_log = self.start_logging(self.scheduler, "scheduler")
        daemon = self.add_daemon("node1", 21, start=False)
        daemon_log = self.start_logging(daemon, "dfdaemon")
        self.wait_announced(1)
        file = self.origin.add(1, SIZE)
        fault = self.origin.misbehave(Fault(stall=4 * MIB))
        download = self.start_download("node1", file)
        self.assertTrue(fault.met.wait(20))
        self.rotate(self.scheduler, scheduler_log)
        self.rotate(daemon, daemon_log)
        fault.release()
        self.expect_right(download, file, 30)
        until(10, "its end is in the new file", lambda: re.search(r"done after \d+ ms", self.text(daemon_log)))
        self.rotate(daemon, daemon_log)
        self.assertEqual(daemon.process.stop(10), 0)
        self.assertIn("stopping", self.text(daemon_log))

    @deadline(30)
    def test_a_hangup_that_cannot_open_it_keeps_the_old_file(self):
        path = self.start_logging(self.scheduler, "scheduler")
        os.rename(path, path + ".1")
        os.mkdir(path)
        self.scheduler.process.signal(signal.SIGHUP)
        until(10, "it is said", lambda: "the log goes on in its old file after SIGHUP" in self.text(path + ".1"))
        self.assertTrue(self.scheduler.healthy())
