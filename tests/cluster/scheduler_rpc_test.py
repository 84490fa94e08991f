"""The scheduler's gRPC as operators' tools use it, and what its keys say about who may ask how often."""

import grpc

from fixture import MIB, ClusterTest, deadline, settings, until
from lab.cri import field
from lab.darter import SCHEDULER_METRICS, SCHEDULER_PORT, Scheduler, http_get

SIZE = 24 * MIB + 99
SERVICE = "/scheduler.v2.Scheduler/"
OK = grpc.StatusCode.OK


class SchedulerRpc(ClusterTest):
    def ask(self, method, request=b"", scheduler=None):
        """A unary call; returns (code, answer or text)."""
        node = (scheduler or self.scheduler).node
        channel = grpc.insecure_channel(f"{node.ip}:{SCHEDULER_PORT}", options=[("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
        try:
            return OK, call(request, timeout=20, wait_for_ready=True)
        except grpc.RpcError as error:
            return error.code(), error.details()

    @deadline(60)
    def test_hosts_tasks_and_peers_are_told(self):
        self.start_cluster("seed", "node1")
        self.pull("node1", self.origin.add(1, SIZE))
        code, hosts = self.ask(SERVICE + "ListHosts")
        self.assertEqual(code, OK)
        self.assertIn(b"-node1", hosts)
        self.assertIn(b"-seed", hosts)
        code, seeds = self.ask(SERVICE + "ListHosts", b"\x08\x01")
        self.assertEqual(code, OK)
        self.assertIn(b"-seed", seeds)
        self.assertNotIn(b"-node1", seeds)
        peer = field(1, "h") + field(2, "t") + field(3, "p")
        for method in ("StatPeer", "DeletePeer"):
            self.assertEqual(self.ask(SERVICE + method, peer)[0], grpc.StatusCode.NOT_FOUND)
            code, text = self.ask(SERVICE + method, peer[:6])
            self.assertEqual((code, text), (grpc.StatusCode.INVALID_ARGUMENT, "peer_id is missing"))

    def start_second(self, extra, kind=Scheduler):
        second = kind(settings["darter"], self.lab.node("scheduler2", 12), extra)
        self.roles.append(second)
        second.start()
        return second

    @deadline(60)
    def test_calls_over_the_rate_are_refused(self):
        second = self.start_second({"server": {"requestRateLimit": 1}})
        channel = grpc.insecure_channel(f"{second.node.ip}:{SCHEDULER_PORT}")
        self.addCleanup(channel.close)
        check = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes)
        at_once = [check.future(b"", timeout=20, wait_for_ready=True) for _ in range(30)]
        codes = [call.code() for call in at_once]
        self.assertIn(OK, codes)
        self.assertIn(grpc.StatusCode.RESOURCE_EXHAUSTED, codes)
        until(10, "there is room again", lambda: self.ask(SERVICE + "ListHosts", scheduler=second)[0] == OK)

    @deadline(60)
    def test_without_metrics_there_is_no_page(self):
        test = self

        class Quiet(Scheduler):
            def healthy(self):
                return test.ask("/grpc.health.v1.Health/Check", scheduler=self) == (OK, b"\x08\x01")

        second = self.start_second({"metrics": {"enable": False}}, Quiet)
        with self.assertRaises(OSError):
            http_get(second.node.ip, SCHEDULER_METRICS, "/metrics")
