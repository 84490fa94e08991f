"""`darter ctl explain`: the story of a pull names who gave what and why, and its sums add up, with real processes."""

import json

from fixture import MIB, ClusterTest, deadline

SIZE = 24 * MIB + 99
PART = 8 * MIB
MEGABITS = 20  # a pull then lasts ten seconds
STALL_SECONDS = 5


class Explain(ClusterTest):
    def ctl(self, name, *words, status=0):
        daemon = self.daemons[name]
        got, out, errors = daemon.node.try_to(daemon.darter, "ctl", "explain", *words, seconds=30)
        self.assertEqual(got, status, errors)
        return out if status == 0 else errors

    def explain(self, name, task):
        story = json.loads(self.ctl(name, task, "--json"))
        for pull in story["pulls"]:
            got = pull["fromStore"] + pull["fromOrigin"] + pull["fromPeers"]
            if pull["outcome"] == "done":
                self.assertEqual(got, story["contentLength"], pull)
            self.assertEqual(sum(parent["freshBytes"] for parent in pull["parents"]), pull["fromPeers"], pull)
            offsets = [event["atMs"] for event in pull["events"]]
            self.assertEqual(offsets, sorted(offsets))
        return story

    def url(self, file):
        return self.origin.url + file.path

    def expect_event(self, pull, kind, part):
        texts = [event["text"] for event in pull["events"] if event["kind"] == kind]
        self.assertTrue(any(part in text for text in texts), f"no {kind} event says {part!r}: {texts}")

    @deadline(90)
    def test_node2_pulls_from_node1_and_the_seed(self):
        self.start_cluster("seed", "node1", "node2")
        file = self.origin.add(1, SIZE)
        self.pull("node1", file)
        self.pull("node2", file)
        (pull,) = self.explain("node2", self.url(file))["pulls"]
        self.assertEqual((pull["outcome"], pull["fromOrigin"], pull["fromPeers"]), ("done", 0, SIZE))
        givers = {parent["address"].split(":")[0] for parent in pull["parents"] if parent["pieces"]}
        peers = {self.daemons[name].node.ip for name in ("seed", "node1")}
        self.assertTrue(givers and givers <= peers, givers)
        self.assertIn("the proxy", pull["askedBy"])
        self.expect_event(pull, "scheduler", "the scheduler names parents: ")
        self.expect_event(pull, "parent", "is asked for its first piece")
        (seeds,) = self.explain("seed", self.url(file))["pulls"]
        self.assertEqual(seeds["fromOrigin"], SIZE)
        self.assertIn("a scheduler, of this seed", seeds["askedBy"])
        self.expect_event(seeds, "origin", "a seed fetches from the origin")
        task = self.explain("node2", self.url(file))["id"]
        self.assertIn(f"task:   {task}\n", self.ctl("node2", task[:10]))
        self.expect_reasons(task)

    def expect_reasons(self, task):
        scheduler = ("--scheduler", f"{self.scheduler.node.ip}:8002")
        story = json.loads(self.ctl("node2", task[:10], "--json", *scheduler))
        self.assertEqual(story["id"], task)
        given = [d for d in story["decisions"] if d["answer"] == "parents" and "node2" in d["host"]]
        self.assertTrue(given, story)
        self.assertEqual((given[0]["asked"], given[0]["policy"]), ("register", "mesh"))
        hosts = {candidate["host"] for candidate in given[0]["candidates"] if candidate["chosen"]}
        for name in ("seed", "node1"):
            self.assertTrue(any(name in host for host in hosts), (name, story))
        self.assertTrue(all(isinstance(c["score"], float) for c in given[0]["candidates"]), given)
        self.assertTrue(any(d["answer"] == "seed" for d in story["decisions"]), story)
        self.assertIn("  policy    mesh, generation ", self.ctl("node2", task, *scheduler))
        self.assertIn("remembers no decision", self.ctl("node2", "ffff" * 16, *scheduler, status=1))

    @deadline(90)
    def test_the_only_parent_freezes(self):
        one_by_one = {"download": {"concurrentPieceCount": 1}}  # or the last would be on their way with the first
        self.start_cluster("node1", "node2", extra=one_by_one)
        file = self.origin.add(2, SIZE)
        self.pull("node1", file)
        self.shape("node1", MEGABITS)
        download = self.start_download("node2", file)
        download.wait_size(PART)
        self.daemons["node1"].process.freeze()
        self.expect_right(download, file, 15 + 2 * STALL_SECONDS)
        self.daemons["node1"].process.thaw()
        (pull,) = self.explain("node2", self.url(file))["pulls"]
        self.assertGreater(pull["fromPeers"], 0)
        self.assertGreater(pull["fromOrigin"], 0)
        self.assertLessEqual(pull["fromOrigin"], self.from_origin(file, "node2"))
        (parent,) = pull["parents"]
        self.assertEqual(parent["address"], f"{self.daemons['node1'].node.ip}:4000")
        self.assertEqual(parent["state"], "stalled")
        self.assertIn("sends nothing", parent["whyLeft"])
        self.assertEqual(pull["stalls"], 1)
        self.expect_event(pull, "origin", "goes to the origin: ")

    @deadline(60)
    def test_without_scheduler_and_after_a_restart(self):
        daemon = self.add_daemon("node1", 21)
        file = self.origin.add(3, SIZE)
        self.pull("node1", file)
        (pull,) = self.explain("node1", self.url(file))["pulls"]
        self.assertEqual((pull["fromOrigin"], pull["fromPeers"], pull["parents"]), (SIZE, 0, []))
        self.assertTrue(any("scheduler" in event["text"] for event in pull["events"]), pull["events"])
        self.assertIn("has no task", self.ctl("node1", "ffff" * 16, status=1))
        daemon.process.stop()
        self.assertIn("no daemon answers", self.ctl("node1", "ab", status=1))
        daemon.start()
        story = self.explain("node1", self.url(file))
        self.assertEqual((story["fromEarlierRun"], story["whole"], story["pulls"]), (True, True, []))
        self.assertIn("before this daemon started", self.ctl("node1", story["id"]))

    @deadline(60)
    def test_small_objects(self):
        self.start_cluster("node1")
        small = self.origin.add(6, MIB)
        self.pull("node1", small)
        (pull,) = self.explain("node1", self.url(small))["pulls"]
        self.assertEqual(pull["fromOrigin"], MIB)
        self.expect_event(pull, "origin", "no more than download.p2pThreshold is missing")
