"""Schedulers and daemons under a manager: who is used, and what holds while the manager, or a cluster, is away."""

import os
import re
import signal
import socket

import grpc

from fixture import MIB, STALL_SECONDS, ClusterTest, deadline, settings, until
from lab.darter import SCHEDULER_PORT, Daemon, Scheduler
from lab.recording import NETWORK, Server, get, join_network, read
from stub_manager import PORT, SERVICE, Manager, application, text

SIZE = 24 * MIB + 99
LOOK = "500ms"  # between two questions
NAME = "dragonfly-manager.cluster-a.svc.cluster.local"


class Managed(ClusterTest):
    """A manager that is not started yet, and a scheduler for each of two clusters."""

    def setUp(self):
        super().setUp()
        self.manager = Manager(self.lab.node("manager", 2))
        self.addCleanup(self.manager.stop)
        self.first, self.second = self.add_scheduler(1), self.add_scheduler(2)

    def add_scheduler(self, cluster):
        extra = {
            "manager": {"addr": self.manager.address, "schedulerClusterID": cluster, "keepAlive": {"interval": "200ms"}},
            "dynConfig": {"refreshInterval": LOOK},
        }
        scheduler = Scheduler(settings["darter"], self.lab.node(f"scheduler-{cluster}", 11 + cluster), extra)
        self.roles.append(scheduler)
        return scheduler

    def add_node(self, name, number, extra=None, seed=False, start=True):
        """A daemon under the manager; `extra` as in dfdaemon.yaml."""
        under = {"manager": {"addr": f"http://{self.manager.address}"}, "dynconfig": {"refreshInterval": LOOK}}
        return self.add_daemon(name, number, seed=seed, extra={**under, **(extra or {})}, start=start)

    def start_all(self, ranks=None):
        """`ranks`: in this order daemons get the clusters. They go to the next one when a scheduler is silent for 3 s; where
        that is not what a test is about there is none."""
        if ranks:
            self.manager.ranks[""] = ranks
        self.manager.start()
        for scheduler in (self.first, self.second):
            scheduler.start()
        self.wait_active(1)
        self.wait_active(2)

    def wait_active(self, cluster, count=1):
        until(20, f"{count} schedulers of cluster {cluster} active", lambda: len(self.manager.active(cluster)) == count)

    @staticmethod
    def told(scheduler, what):
        return scheduler.metrics().total(f"dragonfly_scheduler_{what}_total")

    def wait_announced_to(self, scheduler, count=1):
        until(20, f"{count} hosts announce themselves", lambda: self.told(scheduler, "announce_host") >= count)

    def wait_log(self, role, pattern, seconds=20):
        return until(seconds, f"the log says {pattern}", lambda: re.search(pattern, role.process.log_text()))

    def expect_pull_by(self, name, seed, scheduler):
        """A pull of this node asks this scheduler, and no other; None: nobody."""
        both = [each for each in (self.first, self.second) if each.process and each.process.alive()]
        before = {each: self.told(each, "register_peer") for each in both}
        self.pull(name, self.origin.add(seed, SIZE))
        for each, count in before.items():
            self.assertEqual(self.told(each, "register_peer") > count, each is scheduler)

    def asked_by(self, name):
        """The last question of this node."""
        with self.manager.lock:
            return [request for request in self.manager.asked if text(request, 2) == name][-1]

    @deadline(90)
    def test_daemons_come_into_their_clusters(self):
        self.manager.ranks["idc-b"] = [2, 1]
        self.start_all()
        self.add_node("plain", 21)
        self.add_node("scoped", 22, {"host": {"idc": "idc-b", "location": "x|y"}})
        self.add_node("bound", 23, {"host": {"schedulerClusterID": 2}})
        self.add_node("seed", 24, {"seedPeer": {"enable": True, "clusterID": 2}}, seed=True)
        for scheduler, names in ((self.first, {"plain"}), (self.second, {"scoped", "bound", "seed"})):
            until(20, f"{names} are there", lambda s=scheduler, n=names: s.hosts() == n)
        self.expect_pull_by("plain", 1, self.first)
        self.expect_pull_by("bound", 2, self.second)
        asked = self.asked_by("scoped")
        self.assertEqual((get(asked, 1), text(asked, 4), text(asked, 5), get(asked, 8, default=0)), (1, "idc-b", "x|y", 0))
        asked = self.asked_by("seed")
        self.assertEqual((get(asked, 1), get(asked, 8)), (2, 2))

    @deadline(60)
    def test_the_next_cluster_is_used_until_the_best_is_back(self):
        self.start_all()
        self.add_node("node1", 21)
        self.wait_announced_to(self.first)
        self.first.process.kill()
        self.wait_announced_to(self.second)
        self.expect_pull_by("node1", 3, self.second)
        self.first.start()
        self.wait_announced_to(self.first)
        until(20, "it leaves the other", lambda: self.told(self.second, "leave_host") >= 1)
        self.expect_pull_by("node1", 4, self.first)

    @deadline(60)
    def test_without_manager_clusters_are_changed_too(self):
        self.start_all()
        daemon = self.add_node("node1", 21)
        self.wait_announced_to(self.first)
        self.manager.stop()
        self.first.process.kill()
        self.wait_log(daemon, "no scheduler of cluster 1 .* serves: those of cluster 2", STALL_SECONDS + 10)
        self.wait_announced_to(self.second)
        self.expect_pull_by("node1", 11, self.second)
        self.first.start()
        self.wait_announced_to(self.first)

    @deadline(60)
    def test_without_manager_and_answer_all_serve(self):
        self.first.start()
        daemon = self.add_node("node1", 21)
        for role in (self.first, daemon):
            self.wait_log(role, f"WARN no manager answers: .*:{PORT}")
        self.expect_pull_by("node1", 5, None)
        self.manager.start()
        self.wait_announced_to(self.first)
        self.expect_pull_by("node1", 6, self.first)

    @deadline(90)
    def test_a_pull_waits_for_a_manager_that_comes_late(self):
        self.first.start()
        daemon = self.add_node("node1", 21, {"download": {"stallTimeout": "60s"}})
        file = self.origin.add(31, SIZE)
        download = self.start_download("node1", file)
        self.wait_log(daemon, "WARN no manager answers")
        self.manager.start()
        self.expect_right(download, file, 60)
        self.assertEqual(self.told(self.first, "register_peer"), 1)

    @deadline(60)
    def test_without_manager_the_last_answer_counts(self):
        self.manager.limits[1] = {"candidate_parent_limit": 2, "filter_parent_limit": 9}
        self.start_all(ranks=[1])
        daemon = self.add_node("node1", 21)
        self.wait_announced_to(self.first)
        self.wait_log(self.first, "candidateParentLimit is 2 now, filterParentLimit 9")
        kept = [daemon.node.path("/var/cache/dragonfly/dfdaemon/manager-schedulers")]
        for name in ("manager-scheduler", "manager-applications"):
            kept.append(self.first.node.path(f"/var/cache/dragonfly/scheduler/{name}"))
        until(20, "the answers are kept", lambda: all(os.path.exists(path) for path in kept))
        self.manager.stop()
        for role in (daemon, self.first):
            self.assertEqual(role.process.stop(15), 0)
            role.start()
        self.wait_log(self.first, "candidateParentLimit is 2 now, filterParentLimit 9")
        self.wait_announced_to(self.first)
        self.expect_pull_by("node1", 7, self.first)

    @deadline(60)
    def test_a_manager_that_is_gone_for_a_while_holds_nothing_up(self):
        self.start_all(ranks=[1])
        daemon = self.add_node("node1", 21)
        self.wait_announced_to(self.first)
        self.manager.stop()
        self.wait_log(daemon, "WARN no manager answers")
        self.wait_log(self.first, "WARN no manager answers")
        self.expect_pull_by("node1", 8, self.first)
        self.assertEqual(self.told(self.first, "announce_host"), 1)
        updates, asked = self.manager.updates, len(self.manager.asked)
        self.manager.start()
        self.wait_active(1)
        self.wait_active(2)
        self.assertEqual(self.manager.updates, updates, "they are known there already")
        until(20, "the daemon asks again", lambda: len(self.manager.asked) > asked)
        self.expect_pull_by("node1", 9, self.first)

    @deadline(60)
    def test_a_scheduler_is_known_lives_and_goes(self):
        self.manager.limits[1] = {"candidate_parent_limit": 1, "filter_parent_limit": 1000}
        self.manager.applications = [application("builds", 1, [("/blobs/sha256:[0-9a-f]+$", 3)])]
        self.start_all()
        known = next(each for each in self.manager.schedulers.values() if each.cluster == 1)
        self.assertEqual((known.hostname, known.ip, known.port), ("scheduler-1", self.first.node.ip, SCHEDULER_PORT))
        self.assertEqual((known.features, known.config), (["schedule", "preheat"], {"manager_keep_alive_interval": 200000000}))
        until(20, "it shows that it lives", lambda: known.beats >= 3)
        self.wait_log(self.first, "candidateParentLimit is 1 now, filterParentLimit 64")
        self.wait_log(self.first, "priorities by application are taken over, for 1")
        self.manager.limits[1] = {"filter_parent_limit": 7}
        self.wait_log(self.first, "candidateParentLimit is [0-9]+ now, filterParentLimit 7")
        self.assertEqual(self.first.process.stop(15), 0)
        self.wait_active(1, 0)
        self.first.start()
        self.wait_active(1)

    @deadline(60)
    def test_a_block_list_refuses_downloads(self):
        lists = {"tags": ["nightly"], "urls": ["/blobs/sha256:.*[?]secret$"], "applications": [], "priorities": []}
        self.manager.clients[1] = {"load_limit": 200, "block_list": {"task": {"download": lists}}}
        self.start_all(ranks=[1])
        daemon = self.add_node("node1", 21)
        self.wait_log(daemon, "block list has 2 entries now")
        file = self.origin.add(12, SIZE)
        download = self.start_download("node1", file, ["X-Dragonfly-Tag: nightly"])
        self.expect_error(download, file, 30, [403])
        self.assertEqual(daemon.metrics().total("dragonfly_client_download_task_blocked_total"), 1)
        self.expect_right(self.start_download("node1", file, ["X-Dragonfly-Tag: weekly"]), file, 30)
        url = f"{self.origin.url}{file.path}?secret"
        status, _, errors = daemon.node.try_to(daemon.darter, "get", url, "-O", "/tmp/secret")
        self.assertNotEqual(status, 0)
        self.assertIn("the cluster's block list has the URL", errors)
        self.manager.clients[1] = {}
        self.wait_log(daemon, "block list has 0 entries now")
        self.expect_right(self.start_download("node1", file, ["X-Dragonfly-Tag: nightly"]), file, 30)

    @deadline(60)
    def test_the_next_manager_is_asked(self):
        self.start_all()
        place = f"http://{NAME}:{PORT}"
        daemon = self.add_node("node1", 21, {"manager": {"addrs": [f"{self.origin.node.ip}:1", place]}}, start=False)
        hosts = [f"{self.manager.node.ip} {NAME}", *self.lab.host_lines()]
        daemon.node.write("/etc/hosts", "\n".join(hosts) + "\n")
        daemon.start()
        self.wait_announced_to(self.first)

    @deadline(60)
    def test_a_reload_leads_into_another_cluster(self):
        self.start_all(ranks=[1])
        daemon = self.add_node("node1", 21, {"dynconfig": {"refreshInterval": "10m"}})
        self.wait_announced_to(self.first)
        daemon.configure({"host": {"schedulerClusterID": 2}})
        daemon.process.signal(signal.SIGHUP)
        self.wait_announced_to(self.second)
        until(20, "it leaves the other", lambda: self.told(self.first, "leave_host") == 1)

    @deadline(60)
    def test_a_manager_that_hangs_holds_nothing_up(self):
        self.first.start()
        with self.manager.node.network():
            silent = Silent(self.manager.address)
        self.addCleanup(silent.close)
        daemon = self.add_node("node1", 21)
        silent.wait()
        self.expect_pull_by("node1", 10, None)
        for role in (daemon, self.first):
            self.assertEqual(role.process.stop(15), 0)


class Silent:
    """Takes connections and says nothing."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_server((host, int(port)))
        self.connections = []

    def wait(self):
        self.socket.settimeout(20)
        self.connections.append(self.socket.accept()[0])

    def close(self):
        for each in (*self.connections, self.socket):
            each.close()


class Recorded(ClusterTest):
    """Dragonfly's manager, as recorded, with our scheduler and our daemon in the places of theirs."""

    @deadline(60)
    def test_their_manager(self):
        calls = read("managed-manager")[0]
        said = {}

        def answer(method):
            recorded = next(call for call in calls if call.method == SERVICE + method)

            def on_call(requests, context):
                said.setdefault(method, []).append(next(requests))
                if recorded.code:
                    context.abort(grpc.StatusCode.NOT_FOUND, "application not found")
                yield from recorded.messages("<")

            return recorded, on_call

        def on_keep_alive(requests, _):
            for request in requests:
                said.setdefault("KeepAlive", []).append(request)
            yield b""

        extra = {"manager": {"addr": f"{NETWORK}.2:{PORT}", "keepAlive": {"interval": "5s"}}}
        ip = join_network(self.scheduler.node, 2)
        self.scheduler = Scheduler(settings["darter"], self.scheduler.node, extra)
        self.roles.append(self.scheduler)
        names = ("UpdateScheduler", "GetScheduler", "ListApplications", "ListSchedulers")
        recorded = {name: answer(name) for name in names}
        self.scheduler.configure({"server": {"host": "sched-1", "advertiseIP": ip}})
        methods = {SERVICE + name: on_call for name, (_, on_call) in recorded.items()}
        with self.scheduler.node.network():
            self.addCleanup(Server(f"{ip}:{PORT}", {**methods, SERVICE + "KeepAlive": on_keep_alive}).close)
        self.scheduler.start()
        until(20, "it has said everything", lambda: {"KeepAlive", *names[:3]} <= said.keys())
        for name in ("GetScheduler", "ListApplications"):
            self.assertEqual(said[name][0], recorded[name][0].messages(">")[0])
        keep_alive = next(call for call in calls if call.method == SERVICE + "KeepAlive")
        self.assertEqual(said["KeepAlive"][0], keep_alive.messages(">")[0])
        node = self.lab.node("seed", 22)
        own = join_network(node, 10)
        host = {"host": {"ip": own, "hostname": "seed"}, "manager": {"addr": f"http://{ip}:{PORT}"}}
        daemon = Daemon(settings["darter"], node, ip, True, host)
        self.roles.append(daemon)
        daemon.start()
        until(20, "it is announced", lambda: self.scheduler.announced() == 1)
        theirs, ours = recorded["ListSchedulers"][0].messages(">")[0], said["ListSchedulers"][0]
        for at in (1, 2, 3):
            self.assertEqual(get(theirs, at), get(ours, at))
        self.assertEqual(get(ours, 8, default=0), 0)
