"""Lua policies: a script decides who gets pieces from whom, and another takes over while the scheduler runs."""

import os
import shutil
import subprocess

from fixture import MIB, ClusterTest, deadline, settings, until

SIZE = 12 * MIB + 345
SCRIPT = "/etc/darter/scheduling/rooms.lua"


def script(room):
    """A policy that gives each child one parent, in this room (idc) if there is one."""
    return f"""return {{
    name = "room-{room}", needs = {{ "idc" }}, keep = 1,
    rank = function(c, s)
        local scores = {{}}
        for i = 1, s.count do scores[i] = c.idc[i] == "{room}" and 1 or 0 end
        return scores
    end,
    tests = {{ {{ "the room", c = {{ idc = {{ "x", "{room}" }} }}, scores = {{ 0, 1 }} }} }},
}}
"""


class Policy(ClusterTest):
    def start_scheduler(self, algorithm):
        self.scheduler.arguments += ["--set", f"scheduler.algorithm={algorithm}"]
        self.scheduler.start()

    def wait_log(self, text):
        process = self.scheduler.process
        until(10, f"the scheduler logs {text!r}; its log: {process.log}", lambda: text in process.log_text())

    def write_script(self, text):
        """As an editor does: a new file is put in the old one's place."""
        self.scheduler.node.write(SCRIPT + ".new", text)
        os.rename(self.scheduler.node.path(SCRIPT + ".new"), self.scheduler.node.path(SCRIPT))

    def give_to_both(self, seed):
        """A file that node1 and node2 have."""
        file = self.origin.add(seed, SIZE)
        self.pull("node1", file)
        self.pull("node2", file)
        return file

    def parents_of_pull(self, seed):
        """Where node3 gets a file from that node1 and node2 have: {ip: bytes}."""
        file = self.give_to_both(seed)
        before = self.daemons["node3"].traffic()["peers"]
        self.pull("node3", file)
        after = self.daemons["node3"].traffic()["peers"]
        return {ip: count - before.get(ip, 0) for ip, count in after.items() if count > before.get(ip, 0)}

    @deadline(90)
    def test_a_policy_is_swapped_while_it_runs(self):
        self.write_script(script("a"))
        self.start_scheduler("rooms")
        self.wait_log(f"policy room-a ranks parents now: {SCRIPT}, generation 1")
        for number, room in enumerate(["a", "b", "c"], start=1):
            self.add_daemon(f"node{number}", 20 + number, extra={"host": {"idc": room}})
        self.wait_announced(3)
        node1, node2 = (self.daemons[name].node.ip for name in ("node1", "node2"))
        self.assertEqual(self.parents_of_pull(1), {node1: SIZE})
        self.write_script(script("b"))
        self.wait_log(f"policy room-b ranks parents now: {SCRIPT}, generation 2")
        self.assertEqual(self.parents_of_pull(2), {node2: SIZE})
        self.write_script("return {\n\n  name = oh no,\n}\n")
        self.wait_log("rooms.lua:3: ")
        self.wait_log("room-b stays in charge, generation 2")
        self.assertEqual(self.parents_of_pull(3), {node2: SIZE})
        self.write_script(script("a"))
        self.wait_log(f"policy room-a ranks parents now: {SCRIPT}, generation 3")
        self.assertEqual(self.parents_of_pull(4), {node1: SIZE})
        self.assertEqual(self.scheduler.process.log_text().count("rooms.lua:3: "), 1, "a bad script is reported once")

    @deadline(60)
    def test_the_operators_script_goes_before_the_shipped_one(self):
        self.start_scheduler("default")
        self.wait_log("policy mesh ranks parents now: ")
        self.assertNotIn("/etc/darter", self.scheduler.process.log_text())
        own = "/etc/darter/scheduling/mesh.lua"
        self.scheduler.node.write(own, script("own"))
        self.wait_log(f"policy room-own ranks parents now: {own}, generation ")
        os.unlink(self.scheduler.node.path(own))
        self.wait_log("policy mesh ranks parents now: ")

    def refused_start(self, algorithm):
        node = self.scheduler.node
        command = [self.scheduler.darter, "scheduler", "--set", f"scheduler.algorithm={algorithm}"]
        status, _, errors = node.try_to(*command, seconds=20)
        self.assertNotEqual(status, 0)
        return errors

    @deadline(60)
    def test_a_bad_script_that_was_named_is_refused_at_the_start(self):
        self.scheduler.node.write(SCRIPT, "return {\n  name = 'x' 'y',\n}\n")
        self.assertIn("rooms.lua:2: ", self.refused_start("rooms"))
        self.assertIn(f"{SCRIPT}:2: ", self.refused_start(SCRIPT))
        self.assertIn("no-such.lua in /etc/darter/scheduling", self.refused_start("no-such"))
        self.assertIn("/etc/none.lua: No such file", self.refused_start("/etc/none.lua"))
        self.start_scheduler("ml")
        self.wait_log("there is no ml here, the default is used")

    @deadline(60)
    def test_an_installed_scheduler_finds_its_scripts_under_any_prefix(self):
        build = os.path.dirname(settings["darter"])
        if not os.path.exists(os.path.join(build, "cmake_install.cmake")):
            self.skipTest("the program is not in a build tree")
        prefix = os.path.join(self.lab.folder, "prefix")
        subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, capture_output=True)
        self.addCleanup(shutil.rmtree, prefix, ignore_errors=True)
        self.scheduler.darter = os.path.join(prefix, "bin", "darter")
        self.start_scheduler("dragonfly")
        self.wait_log(f"policy dragonfly ranks parents now: {prefix}/share/darter/scripts/scheduling/dragonfly.lua,")
