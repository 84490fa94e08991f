"""Two clusters under one manager: each peer finds its own, and nothing flows between them."""

import re
import signal

from fixture import MIB, ClusterTest, deadline, settings, until
from lab.crossing import Crossing
from lab.darter import PATIENT, Manager, Scheduler, merged
from lab.lab import NETWORK

SIZE = 24 * MIB + 99
LOOK = "500ms"  # between two questions to the manager
# After so many a better cluster is used: the manager's picture of the schedulers may be 2 s old.
QUESTIONS = 10
SIDES = {1: 32, 2: 48}  # networks of peers: their first addresses
MASK = 28


class Clusters(ClusterTest):
    """A manager, a scheduler and a seed for each of two clusters; peers are added."""

    def setUp(self):
        super().setUp()
        self.manager = Manager(settings["darter"], self.lab.node("manager", 2))
        self.roles.insert(0, self.manager)
        self.schedulers = {}
        self.extra = {}  # in the files of schedulers
        self.numbers = dict(SIDES)

    def add_cluster(self, number, scopes):
        """The next one, which must get this number; the first is there from the start."""
        if number == 1:
            status, cluster = self.manager.call("PATCH", "/clusters/1", {"scopes": scopes, "is_default": True})
            self.assertEqual(status, 200, cluster)
        else:
            cluster = self.manager.add_cluster(f"cluster-{number}", scopes)
        self.assertEqual(cluster["id"], number, cluster)

    def add_scheduler(self, cluster, start=True):
        under = {"addr": self.manager.address, "schedulerClusterID": cluster, "keepAlive": {"interval": "200ms"}}
        extra = {"manager": under, "dynConfig": {"refreshInterval": LOOK}, **merged(PATIENT, self.extra)}
        node = self.lab.node(f"scheduler-{cluster}", 11 + cluster)
        scheduler = Scheduler(settings["darter"], node, extra)
        self.schedulers[cluster] = scheduler
        self.roles.append(scheduler)
        if start:
            scheduler.start()
            until(20, f"the scheduler of cluster {cluster} is active", lambda: cluster in self.manager.active())
        return scheduler

    def add_peer(self, name, host=None, seed=None, side=1):
        """A daemon under the manager; `seed`: of which cluster it is the seed; `side`: in which network it is."""
        self.numbers[side] += 1
        extra = {"manager": {"addr": f"http://{self.manager.address}"}, "dynconfig": {"refreshInterval": LOOK}}
        if host:
            extra["host"] = host
        if seed:
            extra["seedPeer"] = {"enable": True, "clusterID": seed}
        return self.add_daemon(name, self.numbers[side], seed=bool(seed), extra=extra)

    def start_two(self, scopes):
        self.manager.start()
        self.add_cluster(2, scopes)
        for cluster in (1, 2):
            self.add_scheduler(cluster)

    def expect_members(self, **clusters):
        for name, expected in clusters.items():
            cluster = int(name.removeprefix("of_"))
            until(20, f"{expected} are in cluster {cluster}", lambda c=cluster, e=expected: self.schedulers[c].hosts() == e)


class TwoClusters(Clusters):
    @deadline(120)
    def test_nothing_flows_between_them(self):
        """idc places peers, clusterID the seed."""
        self.nothing_flows("mesh")

    @deadline(120)
    def test_nothing_flows_with_the_other_policy(self):
        self.nothing_flows("dragonfly")

    def nothing_flows(self, policy):
        self.extra = {"scheduler": {"algorithm": policy}}
        self.start_two({"idc": "cluster-2"})
        crossing = self.watch_sides()
        self.add_seeds({"ip": f"{NETWORK}.{SIDES[2] + 1}"})
        for name in ("a1", "a2"):
            self.add_peer(name)
        for name in ("b1", "b2"):
            self.add_peer(name, {"idc": "cluster-2"}, side=2)
        self.expect_pulls_apart(crossing, of_1=["seed-a", "a1", "a2"], of_2=["seed-b", "b1", "b2"])

    def add_seeds(self, host=None):
        """One for each of the two clusters, wherever its scopes would place it; `host`: of the second."""
        self.add_peer("seed-a", seed=1)
        self.add_peer("seed-b", host, seed=2, side=2)
        for scheduler in self.schedulers.values():
            until(30, "its seed serves", lambda log=scheduler.process.log_text: "-seed serves" in log())

    def watch_sides(self):
        """Counts from now on the packets between the two networks of peers."""
        crossing = Crossing(*(f"{NETWORK}.{first}/{MASK}" for first in SIDES.values()))
        self.addCleanup(crossing.close)
        return crossing

    def expect_pulls_apart(self, crossing, **clusters):
        """The members of two clusters, who are on sides 1 and 2, all pull one file; nothing of it crosses."""
        self.expect_members(**{name: set(group) for name, group in clusters.items()})
        self.pull_in_each(self.origin.add(1, SIZE), *clusters.values())
        self.expect_apart(*clusters.values())
        self.assertEqual(crossing.packets(), 0, "packets went from one side to the other")

    def pull_in_each(self, file, *groups):
        """Each group is of one cluster, its seed comes first if it has one; each fetches the file once, for itself."""
        for group in groups:
            before = self.from_origin(file)
            seed = group[0] if group[0].startswith("seed") else None
            for name in group[1:] if seed else group:
                self.pull(name, file)
                self.assertEqual(self.from_origin(file) - before, SIZE)
            if seed:
                self.assertEqual(self.from_origin(file, seed), SIZE)

    def expect_apart(self, *groups):
        """No byte, and no parent that a scheduler named, is another cluster's."""
        addresses = {name: daemon.node.ip for name, daemon in self.daemons.items()}
        for group in groups:
            own = {addresses[name] for name in group}
            met = {name: self.daemons[name].met() for name in group}
            for name in group:
                self.assertLessEqual(met[name], own, name)
            self.assertTrue(len(group) == 1 or any(met.values()), "nobody of it had to do with anybody")

    @deadline(90)
    def test_each_scope_places_peers(self):
        """By pattern, address and location, by its own word, and by default; then all pull."""
        by_address = f"{NETWORK}.{SIDES[2] + 3}"  # behind the seed's and that of b-7
        self.start_two({"cidrs": [f"{by_address}/32"], "hostnames": ["^b-[0-9]+$"], "location": "asia|cn|hz"})
        crossing = self.watch_sides()
        self.add_seeds()
        self.add_peer("plain")
        self.add_peer("named", {"schedulerClusterID": 1, "location": "asia|cn|hz"})
        self.add_peer("b-7", side=2)
        self.assertEqual(self.add_peer("by-address", side=2).node.ip, by_address)
        self.add_peer("by-location", {"location": "Asia|cn|sh"}, side=2)
        self.add_peer("named-2", {"schedulerClusterID": 2}, side=2)
        placed = ["b-7", "by-address", "by-location", "named-2"]
        self.expect_pulls_apart(crossing, of_1=["seed-a", "plain", "named"], of_2=["seed-b", *placed])

    @deadline(90)
    def test_a_tie_is_broken_the_same_way_each_time(self):
        """Clusters 2 and 3 are equal to peers, and the default, 1, has no scheduler; nothing crosses either way."""
        self.manager.start()
        for cluster in (1, 2, 3):
            self.add_cluster(cluster, {"idc": "here"})
        for cluster in (3, 2):
            self.add_scheduler(cluster)
        crossing = self.watch_sides()
        for name in ("one", "two"):
            self.add_peer(name, {"idc": "here"})
        for name in ("three", "four"):
            self.add_peer(name, {"idc": "here", "schedulerClusterID": 3}, side=2)
        self.expect_pulls_apart(crossing, of_2=["one", "two"], of_3=["three", "four"])

    @deadline(90)
    def test_the_next_cluster_is_used_until_the_best_is_back(self):
        """One cluster at a time: the best that has a scheduler, and no other."""
        self.manager.start()
        for cluster, scopes in ((1, {}), (2, {"location": "x|y"}), (3, {"idc": "b"})):
            self.add_cluster(cluster, scopes)
            self.add_scheduler(cluster)
        self.add_peer("node", {"idc": "b", "location": "x"})
        self.expect_members(of_3={"node"}, of_2=set(), of_1=set())
        self.lose(3)
        self.expect_members(of_2={"node"}, of_1=set())
        self.pull("node", self.origin.add(2, SIZE))
        self.lose(2)
        self.expect_members(of_1={"node"})
        self.pull("node", self.origin.add(4, SIZE))
        self.schedulers[3].start()
        until(20, "it is active again", lambda: 3 in self.manager.active())
        self.expect_back_in(3)
        self.expect_members(of_3={"node"}, of_1=set())

    def expect_back_in(self, cluster):
        """The node, which is the only one that asks the manager, goes there after a few questions more."""
        log = self.daemons["node"].process.log_text
        asked = [self.questions()]  # each before it had moved

        def moved():
            count = self.questions()
            used = re.findall(r"of cluster (\d+) \S+ are used", log())
            if used[-1] == str(cluster):
                return True
            asked.append(count)
            return False

        until(30, f"it uses cluster {cluster}", moved)
        self.assertLessEqual(asked[-1] - asked[0], QUESTIONS)

    def questions(self):
        return self.manager.metrics().total("dragonfly_manager_search_scheduler_cluster_total")

    def lose(self, cluster):
        self.schedulers[cluster].process.kill()
        until(20, "it is known to be gone", lambda: cluster not in self.manager.active())

    @deadline(90)
    def test_what_matches_nothing_goes_where_the_default_is(self):
        self.start_two({"idc": "b"})
        self.add_peer("before", {"idc": "elsewhere"})
        self.add_peer("stays", {"schedulerClusterID": 1})
        self.add_peer("b1", {"idc": "b"})
        self.expect_members(of_1={"before", "stays"}, of_2={"b1"})
        self.pull_in_each(self.origin.add(7, SIZE), ["before", "stays"], ["b1"])
        self.expect_apart(["before", "stays"], ["b1"])
        self.assertEqual(self.manager.call("PATCH", "/clusters/2", {"is_default": True})[0], 200)
        self.add_peer("after", {"idc": "elsewhere"})
        self.expect_members(of_1={"stays"}, of_2={"before", "after", "b1"})
        self.pull_in_each(self.origin.add(8, SIZE), ["stays"], ["before", "after", "b1"])
        self.expect_apart(["before", "after", "b1"])

    @deadline(90)
    def test_two_weaker_terms_outweigh_a_stronger_one(self):
        """IDC and location (0.25 + 0.14) before the address (0.30); the address before the IDC alone."""
        self.manager.start()
        for cluster, scopes in ((1, {}), (2, {"cidrs": ["10.89.0.0/24"]}), (3, {"idc": "b", "location": "x|y"})):
            self.add_cluster(cluster, scopes)
            self.add_scheduler(cluster)
        self.add_peer("both", {"idc": "B", "location": "x|y|z|v|w"})
        self.add_peer("all-of-it", {"idc": "b", "location": "X|Y"})
        self.add_peer("idc-alone", {"idc": "b"})
        self.expect_members(of_1=set(), of_2={"idc-alone"}, of_3={"both", "all-of-it"})

    @deadline(90)
    def test_a_cluster_that_has_a_scheduler_stays(self):
        self.start_two({"idc": "b"})
        self.add_peer("node", {"idc": "b"})
        self.expect_members(of_2={"node"})
        status, answer = self.manager.call("DELETE", "/clusters/2")
        self.assertEqual(status, 409, answer)
        self.assertIn("1 schedulers still belong to it", str(answer))
        self.assertEqual(sorted(self.manager.active()), [1, 2])
        self.add_peer("other", {"idc": "b"})
        self.expect_members(of_1=set(), of_2={"node", "other"})

    @deadline(90)
    def test_a_scheduler_comes_before_its_cluster(self):
        """It is refused, says so, and comes in by itself once the cluster is there; the peers follow."""
        self.manager.start()
        self.add_scheduler(1)
        scheduler = self.add_scheduler(2, start=False)
        scheduler.start()
        wanted = "there is no scheduler cluster 2; add the cluster first"
        until(20, f"its log says {wanted!r}", lambda: wanted in scheduler.process.log_text())
        self.add_peer("node", {"idc": "b"})
        self.expect_members(of_1={"node"})
        self.add_cluster(2, {"idc": "b"})
        until(20, "it is active", lambda: sorted(self.manager.active()) == [1, 2])
        self.expect_members(of_1=set(), of_2={"node"})

    @deadline(90)
    def test_a_peer_that_changes_clusters_is_no_parent_where_it_was(self):
        """It has the file of the cluster that it leaves; nobody is sent to it from there, nor it back."""
        self.start_two({"idc": "b"})
        for name in ("mover", "a2"):
            self.add_peer(name)
        self.add_peer("b2", {"idc": "b"})
        self.expect_members(of_1={"mover", "a2"}, of_2={"b2"})
        file = self.origin.add(6, SIZE)
        self.pull("mover", file)
        self.daemons["mover"].configure({"host": {"idc": "b"}})
        self.daemons["mover"].process.signal(signal.SIGHUP)
        self.expect_members(of_1={"a2"}, of_2={"mover", "b2"})
        self.pull("a2", file)
        self.assertEqual(self.from_origin(file, "a2"), SIZE)
        self.pull("b2", file)
        self.expect_apart(["a2"], ["mover", "b2"])

    @deadline(90)
    def test_a_manager_that_is_killed_is_asked_again(self):
        """What a user has set there stays: schedulers that come back do not say again what they are."""
        self.start_two({"idc": "b"})
        self.add_peer("node", {"idc": "b"})
        self.expect_members(of_2={"node"})
        (first,) = self.manager.call("GET", "/schedulers?scheduler_cluster_id=1")[1]
        path = f"/schedulers/{first['id']}"
        self.assertEqual(self.manager.call("PATCH", path, {"features": ["preheat"]})[0], 200)
        self.manager.process.kill()
        self.pull("node", self.origin.add(3, SIZE))
        self.manager.start()
        until(20, "both are alive again", lambda: all(map(self.is_alive_again, self.schedulers.values())))
        until(20, "both are active again", lambda: sorted(self.manager.active()) == [1, 2])
        self.assertEqual(self.manager.call("GET", path)[1]["features"], ["preheat"])
        self.add_peer("other", {"idc": "b"})
        self.expect_members(of_2={"node", "other"})

    def is_alive_again(self, scheduler):
        return "alive again to manager" in scheduler.process.log_text()
