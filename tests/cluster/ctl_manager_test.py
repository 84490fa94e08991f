"""darter ctl with a real manager: signing in, clusters, who belongs to them, and why a peer gets its cluster."""

import json
import os
import stat

from clusters_test import Clusters
from fixture import deadline, settings, until
from lab.authority import Authority, section
from lab.darter import MANAGER_REST

HOME = "/tmp/home"
# Types a password at a terminal of its own, and prints what that terminal showed.
AT_A_TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b""
while b": " not in shown:
    shown += os.read(terminal, 4096)
os.write(terminal, sys.argv[1].encode() + b"\\n")
try:
    while part := os.read(terminal, 4096):
        shown += part
except OSError:
    pass
sys.stdout.write(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


class ManagerCtl(Clusters):
    """`ctl` runs on the manager's node as somebody with a home of their own."""

    def setUp(self):
        super().setUp()
        self.node = self.manager.node
        self.node.enter("mkdir", "-p", HOME)
        self.start_manager()

    def start_manager(self):
        self.manager.start()

    def environment(self, **more):
        return ["env", "-u", "XDG_CONFIG_HOME", f"HOME={HOME}"] + [f"{name}={value}" for name, value in more.items()]

    def ctl(self, *words, status=0, password=None, **environment):
        """Returns (what was printed, what was said)."""
        command = [*self.environment(**environment), settings["darter"], "ctl", *words]
        if password is not None:
            command = ["bash", "-c", 'echo "$1" | "${@:2}"', "bash", password, *command]
        got, out, errors = self.node.try_to(*command, seconds=30)
        self.assertEqual(got, status, errors)
        return out, errors

    def read(self, *words, **environment):
        return json.loads(self.ctl(*words, "--json", **environment)[0])

    def sign_in(self):
        return self.ctl("login", "--password-stdin", password="dragonfly")

    def session(self):
        return self.node.path(f"{HOME}/.config/darter/manager.json")


class SigningIn(ManagerCtl):
    @deadline(60)
    def test_sessions_begin_and_end(self):
        self.assertIn("nobody is signed in", self.ctl("clusters", status=1)[1])
        self.assertIn(
            "the name or the password is wrong", self.ctl("login", "--password-stdin", password="wrongword", status=1)[1]
        )
        self.assertIn("there is no terminal", self.ctl("login", status=1)[1])
        out, errors = self.sign_in()
        self.assertRegex(out, r"^root is signed in at http://127\.0\.0\.1:8080 until 20")
        self.assertIn("warning: root still has the default password", errors)
        self.assertEqual(stat.S_IMODE(os.stat(self.session()).st_mode), 0o600)
        self.assertIn("warning: root still has the default password", self.ctl("clusters")[1])
        other = self.ctl("clusters", "--manager", "http://10.89.0.2:8080", status=1)[1]
        self.assertIn("is signed in at http://127.0.0.1:8080, not at http://10.89.0.2:8080", other)
        self.manager.call("POST", "/users/1/reset_password", {"old_password": "dragonfly", "new_password": "firefly99"})
        self.assertIn('"darter ctl login" begins another', self.ctl("clusters", status=1)[1])
        self.assertEqual(self.ctl("login", "--password-stdin", password="firefly99")[1], "")
        self.assertEqual(self.ctl("clusters")[1], "")
        self.ctl("logout")
        self.assertFalse(os.path.exists(self.session()))
        self.ctl("logout")

    @deadline(60)
    def test_a_password_is_not_shown(self):
        words = [*self.environment(), settings["darter"], "ctl", "login", "--user", "root"]
        shown = self.node.enter("python3", "-c", AT_A_TERMINAL, "dragonfly", *words)
        self.assertIn("Password of root: ", shown)
        self.assertIn("root is signed in", shown)
        self.assertNotIn("dragonfly", shown)

    @deadline(60)
    def test_tokens_are_for_scripts(self):
        expires = "2099-01-01T00:00:00Z"
        status, made = self.manager.call(
            "POST", "/personal-access-tokens", {"name": "script", "scopes": ["cluster"], "expired_at": expires}
        )
        self.assertEqual(status, 200, made)
        self.assertEqual([row["name"] for row in self.read("clusters", DARTER_TOKEN=made["token"])], ["cluster-1"])
        self.assertIn("with a token there are", self.ctl("schedulers", "--token", made["token"], status=1)[1])
        self.assertIn("does not take this token", self.ctl("clusters", "--token", "none", status=1)[1])

    @deadline(60)
    def test_a_manager_that_is_away_is_named(self):
        self.sign_in()
        self.manager.process.stop()
        for words in (["clusters"], ["explain", "peer", "--ip", "10.0.0.1"], ["cluster", "rm", "1"]):
            errors = self.ctl(*words, status=1)[1]
            self.assertRegex(errors, r"http://127\.0\.0\.1:8080/.*is the manager running")
        self.ctl("logout")
        self.assertFalse(os.path.exists(self.session()))


class WithCertificate(ManagerCtl):
    def start_manager(self):
        authority = Authority(os.path.join(self.lab.folder, "authority"))
        authority.install(self.node, *authority.issue(self.node.name, f"IP:{self.node.ip}"))
        self.files = section()
        self.url = f"https://{self.node.ip}:{MANAGER_REST}"
        self.manager.configure({"server": {"rest": {"tls": {key: self.files[key] for key in ("cert", "key")}}}})
        self.manager.healthy = lambda: self.curl("/healthy")[0] == 0
        self.manager.start()

    def curl(self, path):
        """As browsers do, curl offers HTTP/2 too."""
        return self.node.try_to("curl", "-sS", "--cacert", self.files["caCert"], self.url + path)

    @deadline(60)
    def test_it_is_verified(self):
        self.assertEqual(self.curl("/healthy")[1], '"OK"')
        by = ("--ca-file", self.files["caCert"])
        login = ("login", "--password-stdin", "--manager", self.url)
        self.assertIn("--ca-file names who vouches", self.ctl(*login, password="dragonfly", status=1)[1])
        self.ctl(*login, *by, password="dragonfly")
        self.assertEqual([row["id"] for row in self.read("clusters", *by)], [1])
        self.assertIn("--ca-file names who vouches", self.ctl("clusters", status=1)[1])


class ClustersByCtl(ManagerCtl):
    def setUp(self):
        super().setUp()
        self.sign_in()

    @deadline(60)
    def test_clusters_live_and_die(self):
        self.ctl("cluster", "add", "cluster-2", "--idc", "cluster-2", "--cidr", "10.2.0.0/16", "--cidr", "fd00::/8")
        before = self.read("cluster", "2")
        self.assertEqual(before["scopes"]["idc"], "cluster-2")
        self.assertEqual(before["scopes"]["cidrs"], ["10.2.0.0/16", "fd00::/8"])
        self.ctl("cluster", "edit", "2", "--location", "a|b", "--peer-load-limit", "99")
        after = self.read("cluster", "2")
        self.assertEqual(after["scopes"], {**before["scopes"], "location": "a|b"})
        self.assertEqual(after["peer_cluster_config"], {"load_limit": 99})
        self.assertEqual(after["scheduler_cluster_config"], before["scheduler_cluster_config"])
        self.ctl("cluster", "edit", "1", "--bio", "the first", "--cidr", "10.0.0.0/8")
        self.ctl("cluster", "edit", "1", "--cidr", "")
        first = self.read("cluster", "1")
        self.assertEqual((first["is_default"], first["bio"], first["scopes"]["cidrs"]), (True, "the first", []))
        self.ctl("cluster", "edit", "2", "--default")
        self.assertEqual({row["id"]: row["is_default"] for row in self.read("clusters")}, {1: False, 2: True})
        self.assertIn("scopes.cidrs", self.ctl("cluster", "edit", "2", "--cidr", "10.2.0", status=1)[1])
        self.ctl("cluster", "rm", "2")
        self.assertIn("there is no cluster with the id 2", self.ctl("cluster", "2", status=1)[1])
        self.assertRegex(self.ctl("clusters")[0], r"(?m)^ 1  cluster-1 ")

    def explain(self, *words):
        return self.read("explain", "peer", *words)

    def explained_as(self, order, *words):
        """What it says once the clusters are in this order and the first has a scheduler; it goes by what was seen up to 2 s
        before."""
        answer = {}

        def ordered():
            answer.update(self.explain(*words))
            rows = answer["clusters"]
            return [row["id"] for row in rows] == order and rows[0]["chosen"]

        until(20, f"the clusters are in the order {order}", ordered)
        return answer

    @deadline(90)
    def test_a_peer_is_explained(self):
        scopes = ["--idc", "b", "--location", "x|y", "--cidr", "10.2.0.0/16", "--hostname", "^b-"]
        self.ctl("cluster", "add", "two", *scopes)
        self.add_scheduler(1)
        self.assertEqual([row["scheduler_cluster_id"] for row in self.read("schedulers", "--state", "active")], [1])
        at = ["--ip", "10.2.3.4", "--hostname", "b-7", "--idc", "B", "--location", "x|z"]
        answer = self.explained_as([1, 2], *at)
        self.assertEqual((answer["policy"]["name"], answer["policy"]["generation"]), ("dragonfly", 1))
        self.assertEqual([row["chosen"] for row in answer["clusters"]], [True, False])
        self.add_scheduler(2)
        rows = self.explained_as([2, 1], *at)["clusters"]
        wanted = {"cidr": 1, "hostname": 1, "idc": 1, "location": 0.2, "default": 0}
        self.assertEqual(rows[0]["terms"], wanted)
        self.assertAlmostEqual(rows[0]["score"], 0.30 + 0.30 + 0.25 + 0.14 * 0.2)
        table = self.ctl("explain", "peer", *at)[0]
        self.assertRegex(table, r"(?m)^yes +2  two +0\.8780 +1 +1 +1 +0\.2 +0 +1 +1$")
        self.assertIn("sent to the schedulers of cluster 2 (two)", table)
        self.assertEqual(self.explain("--ip", "10.9.9.9")["clusters"][0]["id"], 1)

    @deadline(90)
    def test_members_are_listed_by_cluster(self):
        self.ctl("cluster", "add", "two")
        for cluster in (1, 2):
            self.add_scheduler(cluster)
        (row,) = self.read("schedulers", "--cluster", "2")
        self.assertEqual((row["host_name"], row["state"]), ("scheduler-2", "active"))
        self.schedulers[2].process.kill()
        inactive = ("schedulers", "--state", "inactive")
        until(20, "it is inactive", lambda: [each["id"] for each in self.read(*inactive)] == [row["id"]])
        self.assertIn("scheduler-1", self.ctl("schedulers")[0])
        self.assertIn("still belong to it", self.ctl("cluster", "rm", "2", status=1)[1])
        self.assertEqual(self.read("seeds", "--cluster", "1"), [])
        self.assertEqual(self.read("peers", "--cluster", "1"), [])
