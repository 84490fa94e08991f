"""Jobs of the manager: preheats, who holds what, deleting, refreshing the peers; over its restarts too."""

import json
import os

from clusters_test import Clusters
from fixture import MIB, deadline, settings, until
from lab.authority import Authority, section
from lab.origin import Fault
from lab.registry import blob_bytes
from preheat_test import WithImage

SIZE = 12 * MIB + 77
OVER = {"SUCCESS", "FAILURE"}


class Jobs(Clusters):
    """One cluster under the manager: a scheduler, a seed, two peers."""

    def start_cluster(self):
        self.manager.start()
        self.add_scheduler(1)
        self.add_peer("seed", seed=1)
        self.add_peer("node1")
        self.add_peer("node2")
        self.expect_members(of_1={"seed", "node1", "node2"})
        log = self.schedulers[1].process.log_text
        until(20, "the seed serves", lambda: " serves" in log())

    def begin(self, kind, expected=200, **args):
        status, job = self.manager.call("POST", "/jobs", {"type": kind, "args": args})
        self.assertEqual(status, expected, job)
        return job

    def read(self, job):
        status, job = self.manager.call("GET", f"/jobs/{job['id']}")
        self.assertEqual(status, 200, job)
        return job

    def wait(self, job, state="SUCCESS", seconds=40):
        try:
            until(seconds, "the job is over", lambda: self.read(job)["state"] in OVER)
        finally:
            job = self.read(job)
        self.assertEqual(job["state"], state, job)
        self.assertEqual(job["result"]["state"], state, job)
        return job

    def do(self, kind, **args):
        return self.wait(self.begin(kind, **args))

    @staticmethod
    def rows(job, name):
        return [row for state in job["result"]["job_states"] for one in state["results"] for row in one.get(name) or []]

    def hosts(self, job, name):
        return sorted(row["hostname"].removesuffix("-seed") for row in self.rows(job, name))


class Files(Jobs):
    @deadline(90)
    def test_preheat_find_and_delete(self):
        self.start_cluster()
        files = [self.origin.add(number, SIZE) for number in (1, 2)]
        urls = [self.origin.url + file.path for file in files]
        job = self.do("preheat", type="file", urls=urls, scope="all_peers")
        self.assertEqual(self.hosts(job, "success_tasks"), ["node1", "node1", "node2", "node2"], job)
        self.assertEqual({row["url"] for row in self.rows(job, "success_tasks")}, set(urls))
        self.assertEqual([self.from_origin(file) for file in files], [SIZE, SIZE])
        found = self.do("get_task", url=urls[0])
        held = {row["hostname"]: row["IsFinished"] for row in self.rows(found, "peers")}
        self.assertTrue(held["node1"] and held["node2"], found)
        self.pull("node1", files[0])
        self.assertEqual(self.from_origin(files[0]), SIZE)
        gone = self.do("delete_task", url=urls[0])
        self.assertLessEqual({"node1", "node2"}, set(self.hosts(gone, "success_tasks")), gone)
        self.assertEqual(self.rows(self.do("get_task", url=urls[0]), "peers"), [])
        self.assertNotEqual(self.rows(self.do("get_task", url=urls[1]), "peers"), [])

    @deadline(90)
    def test_more_files_than_a_scheduler_begins_at_once(self):
        self.start_cluster()
        files = [self.origin.add(number, MIB // 8) for number in range(70)]
        urls = [self.origin.url + file.path for file in files]
        job = self.do("preheat", type="file", urls=urls)
        self.assertEqual(sorted(row["url"] for row in self.rows(job, "success_tasks")), sorted(urls))
        self.assertEqual({self.from_origin(file) for file in files}, {MIB // 8})

    @deadline(90)
    def test_what_fails_says_why(self):
        self.start_cluster()
        job = self.wait(self.begin("preheat", type="file", url=self.origin.url + "/nothing"), "FAILURE")
        self.assertIn("404", json.dumps(self.rows(job, "failure_tasks")), job)
        self.manager.call("PATCH", f"/jobs/{job['id']}", {"bio": "in vain"})
        self.assertEqual(self.read(job)["bio"], "in vain")
        status, listed = self.manager.call("GET", "/jobs?state=FAILURE&type=preheat")
        self.assertEqual((status, [one["id"] for one in listed]), (200, [job["id"]]))
        self.assertEqual(self.manager.call("DELETE", f"/jobs/{job['id']}")[0], 200)
        self.assertEqual(self.manager.call("GET", f"/jobs/{job['id']}")[0], 404)

    @deadline(90)
    def test_a_manager_killed_in_the_middle_goes_on(self):
        self.start_cluster()
        fault = self.origin.misbehave(Fault(stall=MIB, times=1))
        file = self.origin.add(1, SIZE)
        job = self.begin("preheat", type="file", url=self.origin.url + file.path)
        self.assertTrue(fault.met.wait(20))
        until(10, "it is under way", lambda: self.read(job)["state"] == "STARTED")
        self.manager.process.kill()
        fault.release()
        self.manager.start()
        job = self.wait(job, seconds=50)
        self.assertEqual(self.hosts(job, "success_tasks"), ["seed"])
        self.assertLess(self.from_origin(file), SIZE + MIB)

    @deadline(90)
    def test_a_scheduler_restarted_in_the_middle(self):
        self.start_cluster()
        fault = self.origin.misbehave(Fault(stall=MIB, times=1))
        file = self.origin.add(1, SIZE)
        job = self.begin("preheat", type="file", url=self.origin.url + file.path)
        self.assertTrue(fault.met.wait(20))
        self.schedulers[1].process.kill()
        fault.release()
        self.schedulers[1].start()
        job = self.wait(job, seconds=30)
        self.assertEqual(self.hosts(job, "success_tasks"), ["seed"])

    @deadline(60)
    def test_peers_are_refreshed(self):
        self.start_cluster()
        self.assertEqual(self.begin("sync_peers"), "OK")
        status, peers = self.manager.call("GET", "/peers?scheduler_cluster_id=1")
        self.assertEqual((status, sorted(peer["host_name"].removesuffix("-seed") for peer in peers)), (200, ["node1", "node2", "seed"]))
        self.assertEqual({peer["state"] for peer in peers}, {"active"})
        self.daemons["node2"].process.stop()
        self.expect_members(of_1={"seed", "node1"})
        self.assertEqual(self.begin("sync_peers"), "OK")
        peers = self.manager.call("GET", "/peers?state=active")[1]
        self.assertEqual(sorted(peer["host_name"].removesuffix("-seed") for peer in peers), ["node1", "seed"])

    @deadline(60)
    def test_what_is_refused(self):
        self.manager.start()
        self.begin("preheat", 422, type="file")
        self.begin("preheat", 422, type="image", url="http://registry.test/library/test")
        self.begin("preheat", 422, type="file", url="http://a/b", percentage=101)
        self.begin("get_task", 422)
        self.begin("preheat", 503, type="file", url="http://a/b")
        body = {"type": "preheat", "args": {"type": "file", "url": "http://a/b"}, "scheduler_cluster_ids": [7]}
        self.assertEqual(self.manager.call("POST", "/jobs", body)[0], 422)
        self.assertEqual(self.begin("gc", type="audit")["state"], "SUCCESS")
        self.assertEqual(self.begin("gc", type="job")["result"], {"purged": 0})


class Images(WithImage, Jobs):
    @deadline(120)
    def test_an_image_on_all_peers(self):
        self.start_cluster()
        job = self.do("preheat", type="image", url=self.url, scope="all_peers")
        self.assertEqual(sorted({row["url"] for row in self.rows(job, "success_tasks")}), self.urls(), job)
        self.assertEqual(set(self.hosts(job, "success_tasks")), {"node1", "node2"})
        answers = self.pull_by_containerd("node1")
        self.assertEqual(blob_bytes(answers), 0)
        found = self.begin("get_image_distribution", url=self.url)
        self.assertEqual(sorted(layer["url"] for layer in found["image"]["layers"]), self.urls())
        held = {peer["hostname"]: sorted(layer["url"] for layer in peer["cached_layers"]) for peer in found["peers"]}
        self.assertEqual({name: held[name] for name in ("node1", "node2")}, dict.fromkeys(("node1", "node2"), self.urls()))
        self.assertEqual({peer["scheduler_cluster_id"] for peer in found["peers"]}, {1})

    @deadline(90)
    def test_an_image_that_is_not_there(self):
        self.start_cluster()
        job = self.begin("preheat", type="image", url=self.manifest_url("2"), username="me", password="hush-hush")
        self.assertNotIn("hush", json.dumps(job))
        job = self.wait(job, "FAILURE")
        self.assertIn("404", json.dumps(job["result"]), job)
        self.assertNotIn("hush", json.dumps(job) + self.manager.process.log_text() + self.schedulers[1].process.log_text())

    @deadline(90)
    def test_by_the_command_line(self):
        self.start_cluster()
        node = self.manager.node
        expires = "2099-01-01T00:00:00Z"
        made = self.manager.call("POST", "/personal-access-tokens", {"name": "ci", "scopes": ["job"], "expired_at": expires})[1]
        ctl = ["env", f"DARTER_TOKEN={made['token']}", settings["darter"], "ctl"]
        begun = json.loads(node.enter(*ctl, "job", "start", "preheat", self.url, "--image", "--scope", "all_peers", "--json"))
        out = node.enter(*ctl, "job", "follow", str(begun["id"]))
        self.assertIn("SUCCESS", out)
        self.assertIn("SUCCESS", node.enter(*ctl, "jobs"))
        status, _, errors = node.try_to(*ctl, "job", "start", "preheat", self.manifest_url("2"), "--image", "--follow", seconds=30)
        self.assertEqual(status, 1, errors)


class PrivateRegistry(WithImage, Jobs):
    """The registry's certificate is signed by an authority that only the manager's configuration names."""

    def registry_tls(self):
        self.authority = Authority(self.lab.folder + "/tls")
        return self.authority.issue("registry.test", "DNS:registry.test")

    @deadline(120)
    def test_its_authority_vouches_for_manifests_and_blobs(self):
        self.start_cluster()
        job = self.wait(self.begin("preheat", type="image", url=self.url, scope="all_peers"), "FAILURE")
        self.assertIn("certificate", json.dumps(job["result"]), job)
        self.manager.process.stop()
        self.authority.install(self.manager.node)
        self.manager.configure({"job": {"preheat": {"tls": {"caCert": section()["caCert"]}}}})
        self.manager.start()
        mark, had = self.registry.mark(), self.taken_from_origins()
        job = self.do("preheat", type="image", url=self.url, scope="all_peers")
        self.assertEqual(set(self.hosts(job, "success_tasks")), {"node1", "node2"})
        served = self.registry.served_since(mark, self.taken_from_origins() - had)
        for blob in self.image.layers:
            more = blob_bytes(served, {blob.digest}) - os.path.getsize(blob.path)
            self.assertIn(more, range(9), "once; questions for the length are answered by a byte")
