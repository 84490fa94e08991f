"""The play of two clusters under one manager, step by step as in Dragonfly's guide for several Kubernetes clusters:
deploy cluster A, add cluster 2 to the manager, deploy cluster B, pull in A and in B, first and again.

    two_clusters.py --folder FOLDER --darter BINARY [--keep]

Nodes have the guide's names, the configuration its values; what is pulled is an image of docker.io to containerd.
"""

from stage import Failed, Stage, demo_image, main, mb
from lab.crossing import Crossing
from lab.darter import Daemon, Manager, Scheduler
from lab.lab import NETWORK
from lab.wait import until

NAMESPACE = "docker.io"  # whose images the daemons get; the registry stands in for it
MANAGER = "dragonfly-manager.cluster-a.svc.cluster.local:65003"
VERBOSE = {"verbose": True, "pprofPort": 18066}
UNDER = {"verbose": True, "manager": {"addrs": [f"http://{MANAGER}"]}}
SECONDS = 20  # for what is started to be known
MASK = 28


class Cluster:
    """One cluster's nodes: scheduler, seed and two workers, on addresses from NETWORK.`first` on."""

    def __init__(self, stage, letter, number, first, workers):
        self.letter, self.number = letter, number
        self.network = f"{NETWORK}.{first}/{MASK}"
        names = [f"scheduler-{letter}", f"seed-client-{letter}", *workers]
        nodes = [stage.lab.node(name, first + 1 + index) for index, name in enumerate(names)]
        self.scheduler_node, self.seed_node, self.workers = nodes[0], nodes[1], nodes[2:]
        self.addresses = {node.ip for node in nodes[1:]}
        self.names = {node.name for node in nodes[1:]}
        self.scheduler = None
        for node in self.workers:
            stage.add_containerd(node)


class TwoClusters(Stage):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.manager = Manager(self.darter, self.lab.node("manager", 2), VERBOSE)
        self.lab.name(MANAGER.partition(":")[0], self.manager.node)
        self.roles = [self.manager]
        self.a = Cluster(self, "a", 1, 32, ["kind-worker", "kind-worker2"])
        self.b = Cluster(self, "b", 2, 48, ["kind-worker3", "kind-worker4"])
        self.crossing = Crossing(self.a.network, self.b.network)

    def push(self):
        super().push()
        self.reference = f"{NAMESPACE}/{demo_image.NAME}:{demo_image.TAG}"

    def start(self, role):
        self.roles.append(role)
        role.start()

    def deploy(self, cluster, scheduler, seed, peer):
        """Scheduler, seed and peers with these values; darter init points containerd on the peers at the daemons."""
        cluster.scheduler = Scheduler(self.darter, cluster.scheduler_node, {**VERBOSE, **scheduler})
        self.start(cluster.scheduler)
        until(SECONDS, "the manager has its scheduler", lambda: cluster.number in self.manager.active())
        for node in [cluster.seed_node] + cluster.workers:
            is_seed = node is cluster.seed_node
            values = {**UNDER, **(seed if is_seed else peer)}
            self.daemons[node.name] = Daemon(self.darter, node, None, is_seed, values)
            self.start(self.daemons[node.name])
        for node in cluster.workers:
            self.daemons[node.name].init_containerd(self.registry.url, NAMESPACE)
            self.containerds[node.name].start()

    def deploy_a(self):
        self.say("Deploying cluster A: manager, scheduler, seed and two nodes with containerd (darter init)")
        self.manager.start()
        self.deploy(self.a, {"manager": {"addr": MANAGER}}, {}, {})

    def add_cluster_b(self):
        self.say("Signing in to the manager and adding cluster 2, whose IDC is cluster-2")
        _, first = self.manager.call("GET", "/clusters/1")
        self.check(first["is_default"], f"{first['name']} is there from the start, and the default")
        added = self.manager.add_cluster("cluster-2", {"idc": "cluster-2"})
        self.check(added["id"] == self.b.number, f"the added cluster has the id {added['id']}")
        return added

    def deploy_b(self, record):
        """By the added cluster's ids, as its page shows them."""
        self.say("Deploying cluster B: scheduler, seed (by seedPeer.clusterID) and two nodes (by host.idc)")
        self.deploy(
            self.b,
            {"manager": {"addr": MANAGER, "schedulerClusterID": record["scheduler_cluster_id"]}},
            {"seedPeer": {"clusterID": record["seed_peer_cluster_id"]}},
            {"host": {"idc": "cluster-2"}},
        )

    def check_members(self):
        for cluster in (self.a, self.b):
            until(SECONDS, f"{cluster.names} are in cluster {cluster.letter}", lambda c=cluster: c.scheduler.hosts() == c.names)
            listed = ", ".join(sorted(cluster.scheduler.hosts()))
            self.check(True, f"cluster {cluster.letter.upper()}'s scheduler has its own: {listed}")
            seed = cluster.seed_node.name
            until(SECONDS, f"the manager has {seed}", lambda c=cluster: self.manager.active_seeds(c.number) == [c.seed_node.name])
            self.check(True, f"the manager shows {seed} as the seed of cluster {cluster.number}")

    def pull_in(self, cluster):
        """The guide's two pulls: from the source; then, the node's cache cleared, from the cache of a remote peer."""
        node, letter = cluster.workers[0], cluster.letter.upper()
        first = self.pull(node, f"{node.name} ({letter}), first", cluster.seed_node)
        self.check_once(f"cluster {letter}'s first pull", first)
        by_seed = first.registry_gave(cluster.seed_node.ip, self.big)
        self.check(by_seed >= self.big_size, f"it sent {mb(by_seed)} of them to cluster {letter}'s seed")
        self.check_from_peers(first)
        self.check_apart()
        self.say(f"Clearing the cache of {node.name}: its daemon starts anew with nothing, containerd's image is removed")
        self.lose_all(self.daemons[node.name])
        self.containerds[node.name].remove(self.reference)
        self.pull_again(cluster, node, "cleared")

    def lose_all(self, daemon):
        """Until it has announced itself again everything would come from the registry."""
        words = "announced to scheduler"
        before = daemon.process.log_text().count(words)
        daemon.lose_all()
        until(SECONDS, f"{daemon.node.name} is announced again", lambda: daemon.process.log_text().count(words) > before)

    def pull_again(self, cluster, node, title):
        pull = self.pull(node, f"{node.name} ({cluster.letter.upper()}), {title}", cluster.seed_node)
        self.check_not_asked(pull, f"the pull on {pull.title}")
        self.check_from_peers(pull)
        self.check_apart()

    def check_from_peers(self, pull):
        given = pull.seed + pull.peers
        self.check(given >= self.big_size, f"{pull.title}: {mb(given)} came from remote peers")

    def check_apart(self):
        """So far nothing has crossed, by what each node says that it was told and got."""
        for cluster in (self.a, self.b):
            for name in cluster.names:
                foreign = self.daemons[name].met() - cluster.addresses
                if foreign:
                    raise Failed(f"{name} of cluster {cluster.letter} had to do with {', '.join(sorted(foreign))}")

    def check_crossing(self):
        named = sum(len(daemon.named_parents()) for daemon in self.daemons.values())
        self.check(named > 0, f"of the {named} candidate parents that nodes were given, none was of the other cluster")
        packets = self.crossing.packets()
        self.check(packets == 0, f"{packets} packets went between the networks of A and B, which share a bridge")
        self.crossing.close()

    def story(self):
        self.push()
        self.deploy_a()
        self.deploy_b(self.add_cluster_b())
        self.check_members()
        for cluster in (self.a, self.b):
            self.pull_in(cluster)
        for cluster in (self.a, self.b):
            self.pull_again(cluster, cluster.workers[1], "last")
        self.check_crossing()

    def play(self):
        self.story()
        self.run_program(self.b.workers[1])
        self.verdict()


if __name__ == "__main__":
    main(TwoClusters)
