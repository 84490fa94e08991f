"""Two clusters under one manager: each peer finds its own, and nothing flows between them."""

import json
import re
import time

from fixture import MIB, ClusterTest, deadline, settings, until
from lab.darter import Manager, Scheduler

SIZE = 24 * MIB + 99
LOOK = "500ms"  # between two questions to the manager


class Clusters(ClusterTest):
    """A manager, a scheduler and a seed for each of two clusters; peers are added."""

    def setUp(self):
        super().setUp()
        self.manager = Manager(settings["darter"], self.lab.node("manager", 2))
        self.roles.insert(0, self.manager)
        self.schedulers = {}
        self.number = 30

    def add_cluster(self, number, scopes):
        """The next one, which must get this number; the first is there from the start."""
        if number == 1:
            status, cluster = self.manager.call("PATCH", "/clusters/1", {"scopes": scopes, "is_default": True})
        else:
            settings_of = {
                "scheduler_cluster_config": {"candidate_parent_limit": 4, "filter_parent_limit": 40},
                "seed_peer_cluster_config": {"load_limit": 2000},
                "peer_cluster_config": {"load_limit": 200},
            }
            body = {"name": f"cluster-{number}", "scopes": scopes, **settings_of}
            status, cluster = self.manager.call("POST", "/clusters", body)
        self.assertEqual((status, cluster["id"]), (200, number), cluster)

    def add_scheduler(self, cluster, start=True):
        under = {"addr": self.manager.address, "schedulerClusterID": cluster, "keepAlive": {"interval": "200ms"}}
        extra = {"manager": under, "dynConfig": {"refreshInterval": LOOK}}
        node = self.lab.node(f"scheduler-{cluster}", 11 + cluster)
        scheduler = Scheduler(settings["darter"], node, extra)
        self.schedulers[cluster] = scheduler
        self.roles.append(scheduler)
        if start:
            scheduler.start()
            until(20, f"the scheduler of cluster {cluster} is active", lambda: cluster in self.active())
        return scheduler

    def active(self):
        """Of which clusters the manager has active schedulers."""
        status, listed = self.manager.call("GET", "/schedulers?state=active&per_page=100")
        self.assertEqual(status, 200, listed)
        return [scheduler["scheduler_cluster_id"] for scheduler in listed]

    def add_peer(self, name, host=None, seed=None):
        """A daemon under the manager; `seed`: of which cluster it is the seed."""
        self.number += 1
        extra = {"manager": {"addr": f"http://{self.manager.address}"}, "dynconfig": {"refreshInterval": LOOK}}
        if host:
            extra["host"] = host
        if seed:
            extra["seedPeer"] = {"enable": True, "clusterID": seed}
        return self.add_daemon(name, self.number, seed=bool(seed), extra=extra)

    def start_two(self, scopes):
        self.manager.start()
        self.add_cluster(2, scopes)
        for cluster in (1, 2):
            self.add_scheduler(cluster)

    def members(self, cluster):
        """Names of the hosts that the cluster's scheduler knows."""
        listed = self.manager.node.enter(
            settings["darter"], "ctl", "hosts", "--scheduler", f"{self.schedulers[cluster].node.ip}:8002", "--json"
        )
        return {host["hostname"].removesuffix("-seed") for host in json.loads(listed)}

    def expect_members(self, **clusters):
        for name, expected in clusters.items():
            cluster = int(name.removeprefix("of_"))
            until(20, f"{expected} are in cluster {cluster}", lambda c=cluster, e=expected: self.members(c) == e)


class TwoClusters(Clusters):
    @deadline(120)
    def test_nothing_flows_between_them(self):
        """As on the page that this began with: idc places peers, clusterID the seed."""
        self.start_two({"idc": "cluster-2"})
        self.add_peer("seed-a", seed=1)
        self.add_peer("seed-b", {"ip": "10.89.0.32"}, seed=2)
        for name in ("a1", "a2"):
            self.add_peer(name)
        for name in ("b1", "b2"):
            self.add_peer(name, {"idc": "cluster-2"})
        self.expect_members(of_1={"seed-a", "a1", "a2"}, of_2={"seed-b", "b1", "b2"})
        file = self.origin.add(1, SIZE)
        for first, second, seed in (("a1", "a2", "seed-a"), ("b1", "b2", "seed-b")):
            before = self.from_origin(file)
            self.pull(first, file)
            self.assertEqual(self.from_origin(file) - before, SIZE, "each cluster fetches it once, for itself")
            self.assertEqual(self.from_origin(file, seed), SIZE)
            self.pull(second, file)
            self.assertEqual(self.from_origin(file) - before, SIZE)
        self.expect_apart({"seed-a", "a1", "a2"}, {"seed-b", "b1", "b2"})

    def expect_apart(self, *groups):
        """No byte, and no parent that a scheduler named, is another cluster's."""
        addresses = {name: daemon.node.ip for name, daemon in self.daemons.items()}
        for group in groups:
            own = {addresses[name] for name in group}
            for name in group:
                self.assertLessEqual(set(self.daemons[name].traffic()["peers"]), own)
                log = self.daemons[name].process.log_text()
                named = {ip for line in re.findall(r"the scheduler names parents: (.*)", log) for ip in line.split(", ") if ip}
                self.assertLessEqual(named, own)

    @deadline(90)
    def test_each_scope_places_peers(self):
        self.start_two({"cidrs": ["10.89.0.33/32"], "hostnames": ["^b-[0-9]+$"], "location": "asia|cn|hz"})
        self.add_peer("plain")
        self.add_peer("b-7")
        self.add_peer("by-address")  # 10.89.0.33
        self.add_peer("by-location", {"location": "Asia|cn|sh"})
        self.add_peer("named", {"schedulerClusterID": 1, "location": "asia|cn|hz"})
        self.expect_members(of_1={"plain", "named"}, of_2={"b-7", "by-address", "by-location"})

    @deadline(90)
    def test_a_tie_is_broken_the_same_way_each_time(self):
        self.manager.start()
        for cluster in (1, 2, 3):
            self.add_cluster(cluster, {"idc": "here"})
        for cluster in (3, 2):
            self.add_scheduler(cluster)
        self.add_peer("one", {"idc": "here"})
        self.add_peer("two", {"idc": "here"})
        self.expect_members(of_2={"one", "two"}, of_3=set())

    @deadline(90)
    def test_the_next_cluster_is_used_until_the_best_is_back(self):
        self.start_two({"idc": "b"})
        self.add_peer("node", {"idc": "b"})
        self.expect_members(of_1=set(), of_2={"node"})
        self.schedulers[2].process.kill()
        until(20, "it is known to be gone", lambda: self.active() == [1])
        self.expect_members(of_1={"node"})
        self.pull("node", self.origin.add(2, SIZE))
        since = time.monotonic()
        self.schedulers[2].start()
        self.expect_members(of_1=set(), of_2={"node"})
        self.assertLess(time.monotonic() - since, 5)

    @deadline(90)
    def test_a_manager_that_is_killed_is_asked_again(self):
        self.start_two({"idc": "b"})
        self.add_peer("node", {"idc": "b"})
        self.expect_members(of_2={"node"})
        self.manager.process.kill()
        self.pull("node", self.origin.add(3, SIZE))
        self.manager.start()
        until(20, "both are active again", lambda: sorted(self.active()) == [1, 2])
        self.add_peer("other", {"idc": "b"})
        self.expect_members(of_2={"node", "other"})
