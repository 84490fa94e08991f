"""SIGHUP: a changed configuration is taken over while pulls run, all or nothing."""

import datetime
import os
import re
import signal
import time
from unittest import mock

from fixture import MIB, PROXY, ClusterTest, deadline, settings, until
from lab.darter import HEALTH, Manager, Up, merged

SIZE = 24 * MIB + 77
SECOND_SCRIPT = """return {
    name = "%s", needs = {},
    rank = function(c, s) local r = {} for i = 1, s.count do r[i] = i end return r end,
    tests = { { "t", s = { count = 1 }, scores = { 1 } } },
}
"""


class Reload(ClusterTest):
    # --- asking --------------------------------------------------------------------------------------------

    @staticmethod
    def log_size(role):
        return os.stat(role.process.log).st_size

    @staticmethod
    def log_from(role, offset):
        with open(role.process.log, "rb") as log:
            log.seek(offset)
            return log.read().decode()

    def outcome(self, role, offset):
        """What was logged from there on, once the outcome of reading is in it."""
        text = self.log_from(role, offset)
        return text if re.search(r"is read again, .*\n|stays as it is after SIGHUP.*\n", text) else None

    def hang_up(self, role):
        offset = self.log_size(role)
        role.process.signal(signal.SIGHUP)
        what = f"the outcome is logged in {role.process.log}"
        return until(20, what, lambda: self.outcome(role, offset), pause=0.002)

    def reload(self, role, extra):
        role.configure(extra)
        text = self.hang_up(role)
        self.assertNotIn("ERROR", text)
        return text

    def refuse(self, role, *patterns):
        text = self.hang_up(role)
        self.assertIn("ERROR the configuration stays as it is after SIGHUP", text)
        self.assertNotIn("counts from now on", text)
        for pattern in patterns:
            self.assertRegex(text, pattern)

    @staticmethod
    def wait_log(role, text):
        until(10, f"{text!r} is in {role.process.log}", lambda: text in role.process.log_text())

    @staticmethod
    def line_of(role, text):
        with open(role.node.path(role.config_path), encoding="utf-8") as file:
            return 1 + next(number for number, line in enumerate(file) if text in line)

    # --- the daemon ----------------------------------------------------------------------------------------

    @deadline(60)
    def test_a_raised_limit_speeds_a_running_pull_up(self):
        self.scheduler.start()
        first = self.add_daemon("node1", 21)
        self.add_daemon("node2", 22, extra={"download": {"concurrentPieceCount": 1}})
        self.wait_announced(2)
        file = self.origin.add(1, SIZE)
        self.pull("node1", file)
        text = self.reload(first, {"upload": {"bandwidthLimit": "1MB"}})
        self.assertRegex(text, r" INFO /\S+ is read again, counts from now on: upload.bandwidthLimit 50GB -> 1MB\n")
        begun = time.monotonic()
        download = self.start_download("node2", file)
        until(30, "the first pieces come", lambda: self.from_peers("node2") >= 4 * MIB)
        self.assertGreater(time.monotonic() - begun, 3, "the limit was not taken over")
        self.reload(first, {"upload": {"bandwidthLimit": "1GB"}})
        self.expect_right(download, file, 12)  # else it takes 20
        self.assertEqual(self.from_peers("node2"), SIZE)
        self.expect_idle()

    @deadline(60)
    def test_a_new_rule_counts_for_the_next_request(self):
        self.start_cluster("node1", extra={"proxy": {"rules": []}})
        daemon = self.daemons["node1"]
        file = self.origin.add(2, SIZE)
        for _ in range(2):
            self.pull("node1", file)
        self.assertEqual(self.origin.sent(file), 2 * SIZE, "without a rule it is no task")
        self.shape("origin", 200)
        passing = self.start_download("node1", file)
        until(10, "it passes", lambda: self.origin.sent(file) > 2 * SIZE)
        text = self.reload(daemon, {"proxy": {"rules": [{"regex": "blobs/"}]}})
        self.assertRegex(text, r"counts from now on: proxy.rules \[\] -> \[\{\"regex\": \"blobs/\"")
        self.expect_right(passing, file, 20)
        for _ in range(2):
            self.pull("node1", file)
        self.assertEqual(self.origin.sent(file), 4 * SIZE, "with the rule it is fetched once more and kept")

    @deadline(60)
    def test_what_is_wrong_changes_nothing(self):
        self.start_cluster("node1", "node2")
        daemon = self.daemons["node1"]
        path = daemon.config_path
        good = {"upload": {"bandwidthLimit": "2MB"}}
        daemon.configure(merged(good, {"proxy": {"rules": [{"regex": "("}]}, "gc": {"interval": "soon"}}))
        self.refuse(
            daemon,
            rf"ERROR {path}:{self.line_of(daemon, 'regex')}: proxy.rules\[0\].regex is \"\(\"; not a regular",
            rf"ERROR {path}:{self.line_of(daemon, 'soon')}: gc.interval is \"soon\"; needed is a duration",
        )
        daemon.configure(merged(good, {"modules": {"options": {"storage_file": {"nonsense": 1}}}}))
        self.refuse(daemon, rf"ERROR {path}:\d+: .*nonsense")
        daemon.configure(merged(good, {"proxy": {"registryMirror": {"cert": "/nowhere.pem"}}}))
        self.refuse(daemon, rf"ERROR {path}:\d+: proxy.registryMirror.cert: /nowhere.pem: No such file")
        daemon.node.write(path, "upload: [\n")
        self.refuse(daemon, rf"ERROR {path}:\d+: ")
        os.unlink(daemon.node.path(path))
        self.refuse(daemon, rf"{path} cannot be opened: No such file")
        file = self.origin.add(3, SIZE)
        self.pull("node1", file)
        begun = time.monotonic()
        self.pull("node2", file)
        self.assertLess(time.monotonic() - begun, 8, "a part of a bad file was taken over")
        text = self.reload(daemon, merged(good, {"metrics": {"server": {"port": 5002}}}))
        self.assertIn("counts from now on: upload.bandwidthLimit 50GB -> 2MB\n", text)
        self.wait_log(daemon, "WARN /etc/dragonfly/dfdaemon.yaml is read again, takes effect at the next start: ")
        self.assertGreater(daemon.metrics().total("dragonfly_client_download_traffic"), 0, "the port stays")

    def proxied(self, daemon, url):
        """The status of a request by way of the daemon as a forward proxy, sent on its node."""
        return daemon.node.enter(
            "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-x", f"http://127.0.0.1:{PROXY}", "--noproxy", "",
            url,
        )

    @deadline(60)
    def test_other_networks_may_be_reached(self):
        self.start_cluster("node1")
        daemon = self.daemons["node1"]
        inward = f"http://127.0.0.1:{HEALTH}/healthy"
        self.assertEqual(self.proxied(daemon, inward), "403")
        self.reload(daemon, {"security": {"outbound": {"allow": ["127.0.0.0/8"]}}})
        self.assertEqual(self.proxied(daemon, inward), "200")
        self.reload(daemon, {})
        self.assertEqual(self.proxied(daemon, inward), "403")

    @deadline(60)
    def test_intervals_end_sooner(self):
        self.start_cluster("node1")
        daemon = self.daemons["node1"]
        self.pull("node1", self.origin.add(4, SIZE))
        cleaning = {"interval": "500ms", "policy": {"taskTTL": "3s"}}
        self.reload(daemon, {"gc": cleaning, "dynconfig": {"refreshInterval": "200ms"}})
        daemon.node.write("/etc/dragonfly/dynconfig.yaml", "scheduler: {addrs: [what]}\n")
        self.wait_log(daemon, "the schedulers stay as they are")
        until(20, "the task is too old", lambda: not any(size > MIB for size, _ in daemon.stored_files()))

    # --- the scheduler -------------------------------------------------------------------------------------

    def write_script(self, name, text=None):
        path = f"/etc/darter/scheduling/{name}.lua"
        self.scheduler.node.write(path, text or SECOND_SCRIPT % name)

    @deadline(60)
    def test_another_algorithm_and_log_level(self):
        self.write_script("second")
        self.write_script("broken", "return {")
        self.start_cluster("node1", "node2")
        file = self.origin.add(5, SIZE)
        text = self.reload(self.scheduler, {"scheduler": {"algorithm": "second", "retryLimit": 6}})
        self.assertIn("scheduler.algorithm default -> second, scheduler.retryLimit 10 -> 6\n", text)
        self.wait_log(self.scheduler, "policy second ranks parents now")
        self.scheduler.configure({"scheduler": {"algorithm": "broken", "retryLimit": 7}})
        self.refuse(self.scheduler, r"ERROR \S+yaml:\d+: scheduler.algorithm: \S+broken.lua:1: ")
        self.scheduler.configure({"scheduler": {"algorithm": "nowhere"}})
        self.refuse(self.scheduler, r"ERROR \S+yaml:\d+: scheduler.algorithm: there is no nowhere.lua in ")
        self.pull("node1", file)
        self.assertNotIn(" DEBUG ", self.scheduler.process.log_text())
        text = self.reload(self.scheduler, {"server": {"logLevel": "debug"}})
        self.assertRegex(text, r"now on: server.logLevel info -> debug, scheduler.algorithm second -> default, ")
        self.pull("node2", file)
        self.assertIn(" DEBUG ", self.scheduler.process.log_text())
        self.assertEqual(self.from_peers("node2"), SIZE)

    # --- the manager ---------------------------------------------------------------------------------------

    @deadline(60)
    def test_the_manager_takes_what_it_can(self):
        manager = Manager(settings["darter"], self.lab.node("manager", 2))
        self.roles.append(manager)
        manager.node.write("/etc/darter/scope/second.lua", SECOND_SCRIPT % "second")
        manager.node.write("/etc/darter/scope/broken.lua", "return {")
        manager.start()
        self.assertEqual(manager.call("GET", "/clusters")[0], 200)
        changed = {
            "scope": {"algorithm": "second"},
            "auth": {"jwt": {"timeout": "2h", "maxRefresh": "3h"}},
            "server": {"logLevel": "debug", "grpc": {"requestRateLimit": 9}},
        }
        text = self.reload(manager, changed)
        self.assertRegex(
            text,
            r"now on: server.logLevel info -> debug, server.grpc.requestRateLimit 4000 -> 9, "
            r"auth.jwt.timeout \S+ -> 2h, auth.jwt.maxRefresh \S+ -> 3h, scope.algorithm default -> second\n",
        )
        self.wait_log(manager, "policy second ranks clusters now")
        status, session = manager.call("POST", "/users/refresh_token")
        self.assertEqual(status, 200)
        expires = datetime.datetime.fromisoformat(session["expire"].replace("Z", "+00:00"))
        left = expires - datetime.datetime.now(datetime.timezone.utc)
        self.assertLess(abs(left.total_seconds() - 2 * 3600), 60)
        # All or nothing, and what cannot change says so.
        manager.configure(merged(changed, {"scope": {"algorithm": "broken"}, "server": {"logLevel": "warn"}}))
        self.refuse(manager, r"ERROR \S+yaml:\d+: scope.algorithm: \S+broken.lua:1: ")
        manager.configure(merged(changed, {"auth": {"jwt": {"key": "secret"}}, "server": {"rest": {"addr": ":8081"}}}))
        text = self.hang_up(manager)
        self.wait_log(manager, "takes effect at the next start: server.rest.addr :8080 -> :8081, auth.jwt.key")
        self.assertNotIn("secret", manager.process.log_text())
        self.assertEqual(manager.call("GET", "/clusters")[0], 200)

    # --- options, storms, memory ---------------------------------------------------------------------------

    @deadline(60)
    def test_the_command_line_stands(self):
        self.scheduler.start()
        daemon = self.add_daemon("node1", 21, start=False)
        daemon.arguments += ["--set", "upload.bandwidthLimit=3MB"]
        daemon.start()
        daemon.configure({"upload": {"bandwidthLimit": "9MB"}})
        self.assertIn("is read again, nothing has changed", self.hang_up(daemon))

    @deadline(60)
    def test_up_reads_all_files_and_none_when_one_is_bad(self):
        up = Up(settings["darter"], self.lab.node("one", 21))
        up.arguments += ["--config", "/etc/d.yaml", "--scheduler-config", "/etc/s.yaml"]
        up.arguments += ["--manager-config", "/etc/m.yaml"]
        up.node.write("/etc/m.yaml", "auth: {jwt: {timeout: 2h}}\n")
        up.node.write("/etc/d.yaml", "proxy: {prefetch: true}\n")
        up.node.write("/etc/s.yaml", "scheduler: {retryLimit: 5}\n")
        self.daemons["one"] = up
        self.roles.append(up)
        up.start()
        up.node.write("/etc/d.yaml", "proxy: {prefetch: false}\n")
        up.node.write("/etc/s.yaml", "scheduler: {retryLimit: none}\n")
        self.refuse(up, r"ERROR /etc/s.yaml:1: scheduler.retryLimit is \"none\"")
        up.node.write("/etc/s.yaml", "scheduler: {retryLimit: 6}\nmetrics: {addr: '127.0.0.1:8001'}\n")
        up.node.write("/etc/m.yaml", "auth: {jwt: {timeout: soon}}\n")
        self.refuse(up, r"ERROR /etc/m.yaml:1: auth.jwt.timeout is \"soon\"")
        up.node.write("/etc/m.yaml", "auth: {jwt: {timeout: 3h}}\n")
        self.hang_up(up)
        self.wait_log(up, "counts from now on: proxy.prefetch true -> false\n")
        self.wait_log(up, "counts from now on: scheduler.retryLimit 5 -> 6\n")
        self.wait_log(up, "/etc/m.yaml is read again, counts from now on: auth.jwt.timeout 2h -> 3h\n")
        self.wait_log(up, "WARN /etc/s.yaml is read again, takes effect at the next start: metrics.addr 127.0.0.1:8000")
        self.pull("one", self.origin.add(6, SIZE))

    @deadline(90)
    def test_a_storm_of_them_while_pulls_run(self):
        """The last one wins; nobody notices but for the log."""
        self.start_cluster("node1", "node2")
        self.shape("origin", 160)
        for round_ in range(3):
            file = self.origin.add(10 + round_, SIZE)
            downloads = [self.start_download(name, file) for name in ("node1", "node2")]
            for step in range(40):
                for role in self.roles:
                    role.configure(self.flood(role, step))
                    role.process.signal(signal.SIGHUP)
                time.sleep(0.02)
            for role in self.roles:  # nothing but what was written last is left to read
                until(10, "the last is in charge", lambda role=role: "nothing has changed" in self.hang_up(role))
            for download in downloads:
                self.expect_right(download, file, 30)
        self.expect_idle()

    @staticmethod
    def flood(role, step):
        if role.command == "scheduler":
            return {"scheduler": {"retryLimit": 5 + step % 3, "algorithm": ["default", "dragonfly"][step % 2]}}
        return {
            "upload": {"bandwidthLimit": f"{50 + step}MB"},
            "proxy": {"rules": [{"regex": "blobs/"}, {"regex": f"x{step}"}], "prefetch": step % 2 == 0},
            "backend": {"requestHeader": {"X-Step": str(step)}},
        }

    @deadline(60)
    def test_at_the_start_and_at_the_end(self):
        self.scheduler.start()
        for number in range(8):
            daemon = self.add_daemon(f"node{number}", 21 + number, start=False)
            daemon.launch()
            time.sleep(0.01 * number)
            self.hang_up_when_it_may(daemon)
            daemon.wait_healthy(10)
            for _ in range(3):
                daemon.process.signal(signal.SIGHUP)
            daemon.process.signal(signal.SIGTERM)
            daemon.process.signal(signal.SIGHUP)
            self.assertEqual(daemon.process.wait(15), 0)

    @staticmethod
    def hang_up_when_it_may(daemon):
        """Before it has set its signals up, SIGHUP ends it as it ends every process: they wait from then on."""
        def blocked():
            with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
                text = status.read()
            masks = re.findall(r"^Sig(?:Blk|Cgt):\s+(\w+)", text, re.M)
            return any(int(mask, 16) & 1 for mask in masks)

        until(10, "the signals wait", blocked)
        daemon.process.signal(signal.SIGHUP)

    @staticmethod
    def memory(role):
        with open(f"/proc/{role.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"RssAnon:\s+(\d+)", status.read())[1]) * 1024

    @deadline(170)
    def test_a_thousand_take_no_more_memory_than_a_hundred(self):
        self.scheduler.start()
        options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"  # what is freed counts as free
        patch = mock.patch.dict(os.environ, ASAN_OPTIONS=options)
        patch.start()
        self.addCleanup(patch.stop)
        daemon = self.add_daemon("node1", 21)
        self.wait_announced(1)
        before = 0
        for step in range(1000):
            daemon.configure(self.flood(daemon, step))
            text = self.hang_up(daemon)
            self.assertIn("counts from now on", text)
            if step == 100:
                before = self.memory(daemon)
        self.assertLess(self.memory(daemon) - before, 2 * MIB)
