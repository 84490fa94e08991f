"""Preheats by the scheduler's gRPC, who holds what, and that nobody asks a registry again for what is there."""

import os

from fixture import MIB, ClusterTest, deadline, settings, until
from lab.containerd import Containerd
from lab.darter import Scheduler
from lab.image import Blob, architecture, make_image, write_json
from lab.jobs import Jobs, Refused
from lab.origin import Fault
from lab.registry import Registry, blob_bytes

SIZE = 12 * MIB + 77
SLOW, FAST = 2, 1000  # Mbit/s: a preheat does not end before the test has seen it; it ends soon
SEEDS, PEERS = ["seed1", "seed2"], ["node1", "node2", "node3"]
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


class Jobs2x3(ClusterTest):
    """Two seeds and three peers; `self.jobs` asks their scheduler."""

    def setUp(self):
        super().setUp()
        self.scheduler.start()
        self.jobs = Jobs(self.scheduler)

    def start_hosts(self, seeds=SEEDS, peers=PEERS):
        for number, name in enumerate(seeds + peers, start=21):
            self.add_daemon(name, number, seed=name in seeds)
        self.wait_announced(len(seeds + peers))
        until(20, "the seeds serve", lambda: self.seeds_that_serve() >= len(seeds))

    def seeds_that_serve(self):
        """Of this process of the scheduler."""
        return self.scheduler.process.log_text().rpartition("scheduler ready")[2].count(" serves")

    def names(self, progress, state="done"):
        """Names of the hosts with a row in this state, as often as they have one."""
        return sorted(row["hostname"] for row in progress["rows"] if row["state"] == state)

    def expect_done(self, name, hosts, seconds=30):
        progress = self.jobs.wait(name, seconds)
        self.assertEqual((progress["error"], self.names(progress)), ("", sorted(hosts)), progress)
        return progress

    def refused(self, code, text, call, *arguments, **wishes):
        with self.assertRaises(Refused) as caught:
            call(*arguments, **wishes)
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        self.assertIn(text, caught.exception.text)


class Files(Jobs2x3):
    @deadline(90)
    def test_who_is_chosen(self):
        self.start_hosts()
        numbers = iter(range(1, 20))

        def preheat(hosts, **wishes):
            file = self.origin.add(next(numbers), SIZE)
            url = self.origin.url + file.path
            self.expect_done(self.jobs.begin_file(url, **wishes), hosts)
            self.assertEqual(self.from_origin(file), SIZE, "one copy leaves the origin")
            held = {name: whole[url] for name, whole in self.jobs.stat_file(url).items()}
            self.assertLessEqual(set(hosts), set(held))
            self.assertTrue(all(held[name] for name in hosts), held)
            return file

        preheat(SEEDS, scope="all_seed_peers")
        preheat(PEERS, scope="all_peers")
        preheat(["node1"], scope="all_peers", count=1)
        preheat(["node1", "node2"], scope="all_peers", percentage=70)
        ips = [self.daemons[name].node.ip for name in ("node3", "seed1")]
        preheat(["node3"], scope="all_peers", ips=ips, count=3)
        preheat(["seed1"], scope="all_seed_peers", ips=ips, percentage=1)
        single = self.origin.add(next(numbers), SIZE)
        progress = self.jobs.wait(self.jobs.begin_file(self.origin.url + single.path))
        chosen = self.names(progress)
        self.assertEqual(len(chosen), 1)
        self.assertIn(chosen[0], SEEDS)
        self.assertEqual(self.from_origin(single), SIZE)
        self.pull("node1", single)
        self.assertLess(self.from_origin(single), SIZE + MIB, "the peers get it from that seed")
        metrics = self.scheduler.metrics()
        self.assertEqual(metrics.total("dragonfly_scheduler_preheat_file_total"), 7 + self.jobs.early)
        self.assertEqual(metrics.total("dragonfly_scheduler_preheat_file_failure_total"), self.jobs.early)

    @deadline(60)
    def test_a_dead_host_stops_no_other(self):
        self.start_hosts()
        self.daemons["node2"].process.kill()
        file = self.origin.add(1, SIZE)
        url = self.origin.url + file.path
        progress = self.jobs.wait(self.jobs.begin_file(url, scope="all_peers"))
        self.assertEqual(self.names(progress), ["node1", "node3"])
        self.assertEqual(self.names(progress, "failed"), ["node2"])
        self.assertIn("UNAVAILABLE", next(row["description"] for row in progress["rows"] if row["state"] == "failed"))
        self.pull("node1", file)
        task_id = self.task_id("node1")
        found = self.jobs.hosts("FindTask", task_id)
        self.assertEqual({name: (host["type"], bool(host["error"])) for name, host in found.items() if host["type"] == "normal"},
                         {"node1": ("normal", False), "node2": ("normal", True), "node3": ("normal", False)})
        dropped = self.jobs.hosts("DropTask", task_id)
        self.assertEqual(set(dropped), set(found))
        self.assertEqual([name for name, host in dropped.items() if host["error"]], ["node2"])
        self.assertEqual(set(self.jobs.hosts("FindTask", task_id)), {"node2"})
        self.assertFalse([path for _, path in self.daemons["node1"].stored_files() if task_id in path])
        self.assertEqual(self.jobs.stat_file(url), {})

    def task_id(self, name):
        paths = " ".join(path for _, path in self.daemons[name].stored_files())
        found = {part[:64] for part in paths.replace("/", " ").replace(".", " ").split() if len(part) == 64}
        self.assertEqual(len(found), 1, paths)
        return found.pop()

    @deadline(60)
    def test_what_cannot_be_begun(self):
        url = self.origin.url + "/file"
        self.refused("NOT_FOUND", "no seed peer", self.jobs.begin_file, url)
        self.refused("INVALID_ARGUMENT", "scope", self.jobs.begin_file, url, scope="everywhere")
        self.refused("INVALID_ARGUMENT", "url", self.jobs.begin_file, "nowhere", scope="all_peers")
        self.refused("NOT_FOUND", "no preheat", self.jobs.progress, "unknown")
        self.refused("NOT_FOUND", "", self.jobs.begin_file, url + "?Signature=hush")
        self.assertNotIn("hush", self.scheduler.process.log_text())
        self.start_hosts(["seed1"], ["node1"])
        self.refused("INVALID_ARGUMENT", "failed to list", self.jobs.begin_file, self.origin.url + "/folder/")
        progress = self.jobs.wait(self.jobs.begin_file(self.origin.url + "/nothing", scope="all_peers"))
        self.assertIn("404", progress["rows"][0]["description"])

    @deadline(60)
    def test_without_a_module_that_asks_registries(self):
        """Or without jobs: the scheduler starts, and says what it lacks."""
        manifest = "http://registry.test:5000/v2/a/manifests/1"
        for number, (keys, image, code, file) in enumerate((
            ({"modules": {"origin": ["nothing"]}}, "no module origin_nothing", "NOT_FOUND", "no seed peer"),
            ({"job": {"enable": False}}, "job.enable", "FAILED_PRECONDITION", "job.enable"),
        )):
            scheduler = Scheduler(settings["darter"], self.lab.node(f"other{number}", 41 + number), keys)
            self.roles.append(scheduler)
            scheduler.start()
            jobs = Jobs(scheduler)
            self.refused("FAILED_PRECONDITION", image, jobs.begin_image, manifest)
            self.refused(code, file, jobs.begin_file, self.origin.url + "/file")

    @deadline(60)
    def test_the_same_id_is_the_same_preheat(self):
        self.start_hosts(["seed1"], ["node1"])
        fault = self.origin.misbehave(Fault(stall=MIB, times=1))
        file = self.origin.add(1, SIZE)
        url = self.origin.url + file.path
        name = self.jobs.begin_file(url)
        self.assertTrue(fault.met.wait(20))
        self.assertEqual(self.jobs.begin_file(url, preheat=name), name)
        self.assertEqual([row["state"] for row in self.jobs.progress(name)["rows"]], ["running"])
        fault.release()
        self.expect_done(name, ["seed1"])


class WithImage(ClusterTest):
    """An image with layers above the P2P threshold in Debian's registry."""

    def setUp(self):
        super().setUp()
        self.registry = Registry(self.lab, self.lab.node("registry", 14), "registry.test", tls=self.registry_tls())
        self.image = self.make_image(1)
        self.reference = self.registry.push(self.image, "library/test", "1")
        self.url = self.manifest_url("1")
        self.blobs = [self.image.config] + self.image.layers
        self.big = {layer.digest for layer in self.image.layers}

    def registry_tls(self):
        """The registry's certificate and key, for tests where it has them."""

    def manifest_url(self, reference):
        return f"{self.registry.url}/v2/library/test/manifests/{reference}"

    def make_image(self, number):
        folder = os.path.join(self.lab.folder, f"image{number}")
        os.makedirs(folder)

        def fill(size):
            def write(tree):
                with open(os.path.join(tree, f"file{size}"), "wb") as file:
                    file.write(os.urandom(size))

            return write

        return make_image(folder, [fill(9 * MIB + number), fill(6 * MIB + number)], [], ["/nothing"])

    def urls(self, blobs=None):
        return sorted(f"{self.registry.url}/v2/library/test/blobs/{blob.digest}" for blob in blobs or self.blobs)

    def pull_by_containerd(self, name):
        """What the registry answered meanwhile."""
        containerd = Containerd(self.daemons[name].node)
        self.daemons[name].init_containerd(self.registry.url)
        containerd.start()
        mark, had = self.registry.mark(), self.taken_from_origins()
        containerd.pull(self.reference)
        answers = self.registry.served_since(mark, self.taken_from_origins() - had)
        self.assertEqual(containerd.check_blobs(self.blobs), len(self.blobs))
        containerd.stop()
        return answers


class Images(WithImage, Jobs2x3):
    @deadline(120)
    def test_containerd_does_not_ask_the_registry_again(self):
        self.start_hosts()
        mark = self.registry.mark()
        self.assertEqual(self.jobs.stat_image(self.url), (self.in_order(), {}))
        progress = self.jobs.wait(self.jobs.begin_image(self.url))
        self.assertEqual(sorted(row["url"] for row in progress["rows"] if row["state"] == "done"), self.urls(), progress)
        size = sum(layer.size for layer in self.image.layers)
        # A daemon that does not know a layer's length asks the registry for one byte.
        served = self.registry.served_since(mark, self.taken_from_origins())
        self.assertIn(blob_bytes(served, self.big) - size, range(1 + len(self.big)))
        # From the seeds.
        self.assertLessEqual(blob_bytes(self.pull_by_containerd("node1"), self.big), len(self.big))
        self.assertGreaterEqual(self.from_peers("node1"), size)
        self.expect_done(self.jobs.begin_image(self.url, scope="all_peers"), PEERS * len(self.blobs))
        # From its own store: nothing but the manifest.
        answers = self.pull_by_containerd("node2")
        self.assertEqual(blob_bytes(answers), 0)
        self.assertFalse([answer for answer in answers if "/blobs/" in answer["uri"]], answers)
        layers, peers = self.jobs.stat_image(self.url)
        self.assertEqual(sorted(layers), self.urls())
        for name in PEERS:
            self.assertEqual(peers[name], dict.fromkeys(self.urls(), True))

    def in_order(self):
        return [f"{self.registry.url}/v2/library/test/blobs/{blob.digest}" for blob in self.blobs]

    @deadline(90)
    def test_stat_image_meanwhile(self):
        self.start_hosts(["seed1"], ["node1"])
        self.shape("registry", SLOW)
        name = self.jobs.begin_image(self.url)

        def partly():
            held = self.jobs.stat_image(self.url)[1].get("seed1", {})
            return False in held.values()

        until(40, "a layer is there in part", partly)
        self.shape("registry", FAST)
        self.expect_done(name, ["seed1"] * len(self.blobs), 40)
        self.assertEqual(set(self.jobs.stat_image(self.url)[1]["seed1"].values()), {True})

    @deadline(90)
    def test_a_scheduler_that_is_started_again_has_forgotten_it(self):
        self.start_hosts(["seed1"], ["node1"])
        self.shape("registry", SLOW)
        begun = self.registry.mark()
        name = self.jobs.begin_image(self.url)
        until(20, "it fetches", lambda: self.daemons["seed1"].busy() > 0)
        self.scheduler.process.kill()
        self.scheduler.start()
        self.shape("registry", FAST)
        self.refused("NOT_FOUND", "no preheat", self.jobs.progress, name)
        self.daemons["seed1"].wait_idle(40)
        until(20, "the seed serves", lambda: self.seeds_that_serve() > 0)
        self.expect_done(self.jobs.begin_image(self.url, preheat=name), ["seed1"] * len(self.blobs))
        self.registry.served_since(begun, self.taken_from_origins())
        mark = self.registry.mark()
        self.expect_done(self.jobs.begin_image(self.url, preheat=name), ["seed1"] * len(self.blobs))
        self.assertEqual(blob_bytes(self.registry.served_since(mark, 0)), 0)

    @deadline(60)
    def test_an_image_that_is_not_there(self):
        self.start_hosts(["seed1"], [])
        self.refused("INVALID_ARGUMENT", "404", self.jobs.begin_image, self.manifest_url("2"))
        self.refused("INVALID_ARGUMENT", "", self.jobs.begin_image, self.registry.url + "/library/test")
        self.refused("INVALID_ARGUMENT", "", self.jobs.begin_image, self.url, platform="linux")
        self.refused("INVALID_ARGUMENT", "127.0.0.1", self.jobs.begin_image, "http://127.0.0.1:5000/v2/a/manifests/1")
        metrics = self.scheduler.metrics()
        self.assertEqual(metrics.total("dragonfly_scheduler_preheat_image_failure_total"), 4)

    @deadline(90)
    def test_an_index_leads_to_the_platform(self):
        self.start_hosts(["seed1"], [])
        other = self.make_image(2)
        self.registry.push(other, "library/test", "other")
        manifests = []
        for image, machine in ((self.image, architecture()), (other, "riscv64")):
            descriptor = {**image.manifest.descriptor(), "platform": {"os": "linux", "architecture": machine}}
            manifests.append(descriptor)
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
        path = write_json(os.path.join(self.lab.folder, "index.json"), index)
        self.registry.push_manifest("library/test", "multi", Blob(path, INDEX_TYPE))
        url = self.manifest_url("multi")
        self.assertEqual(self.jobs.stat_image(url)[0], self.in_order())
        self.jobs.wait(self.jobs.begin_image(url, platform="linux/riscv64"))
        held = self.jobs.stat_image(url, platform="linux/riscv64")[1]["seed1"]
        self.assertEqual(held, dict.fromkeys(self.urls([other.config] + other.layers), True))
        self.assertEqual(self.jobs.stat_image(url)[1], {})

    @deadline(90)
    def test_a_registry_that_wants_a_password(self):
        self.start_hosts(["seed1"], ["node1"])
        private = Registry(self.lab, self.lab.node("private", 15), "private.test", password=("user", "secret"))
        private.push(self.image, "library/test", "1")
        url = f"{private.url}/v2/library/test/manifests/1"
        self.refused("INVALID_ARGUMENT", "401", self.jobs.begin_image, url)
        self.refused("INVALID_ARGUMENT", "401", self.jobs.begin_image, url, username="user", password="wrong")
        name = self.jobs.begin_image(url, username="user", password="secret", scope="all_peers")
        self.expect_done(name, ["node1"] * len(self.blobs))
        self.assertNotIn("secret", self.scheduler.process.log_text())
