"""TLS between the parts: all gRPC with certificates on both sides, who is refused and what is said, new certificates."""

import os
import subprocess

import grpc

from fixture import MIB, ClusterTest, deadline, until
from lab.authority import Authority, read, replace, section
from lab.cri import field
from lab.darter import PATIENT, SCHEDULER_PORT, Scheduler, yaml
from lab.jobs import Jobs

SIZE = 24 * MIB + 99
PEERS = 4000
HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"


class SecureCluster(ClusterTest):
    """A cluster with TLS on all gRPC; no test itself."""

    def setUp(self):
        super().setUp()
        self.authority = Authority(os.path.join(self.lab.folder, "authority"))

    def start_scheduler(self, names=None, extra=None):
        node = self.scheduler.node
        self.authority.install(node, *self.authority.issue(node.name, names or f"IP:{node.ip}"))
        config = {"server": {"tls": section()}, "seedPeer": {"tls": section()}, **PATIENT, **(extra or {})}
        self.scheduler = self.roles[0] = Scheduler(self.scheduler.darter, node, config)
        self.scheduler.start()

    def certificate(self, node, authority=None, days=1):
        return (authority or self.authority).issue(node.name, f"IP:{node.ip}", days)

    def add_secure(self, name, number, seed=False, extra=None):
        """A daemon that does not run yet, with TLS on all gRPC."""
        config = {"upload": {"server": section(), "client": section()}, "scheduler": section()}
        daemon = self.add_daemon(name, number, seed=seed, start=False, extra={**config, **(extra or {})})
        self.authority.install(daemon.node, *self.certificate(daemon.node))
        return daemon

    def start_secure(self, *names, extra=None):
        for number, name in enumerate(names, start=21):
            self.add_secure(name, number, seed=name == "seed", extra=extra).start()
        self.wait_announced(len(names))

    def wait_says(self, role, words, seconds=20):
        until(seconds, f"{role.process.log} says: {words}", lambda: words in role.process.log_text())

    def credentials(self):
        cert, key = self.authority.issue("client", "DNS:client")
        return grpc.ssl_channel_credentials(*(read(path).encode() for path in (self.authority.cert, key, cert)))

    def nameless(self):
        return grpc.ssl_channel_credentials(read(self.authority.cert).encode())

    def check(self, address, credentials=None):
        """Asks for the health of who listens there, as other programs do; returns (code, answer or text)."""
        channel = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
        try:
            call = channel.unary_unary(HEALTH, request_serializer=bytes, response_deserializer=bytes)
            return grpc.StatusCode.OK, call(field(1, b""), timeout=10)
        except grpc.RpcError as error:
            return error.code(), error.details()
        finally:
            channel.close()

    def do_the_main_job(self):
        self.start_scheduler()
        self.start_secure("seed", "node1", "node2")
        self.wait_says(self.scheduler, f"seed {self.daemons['seed'].node.ip}-seed-seed serves")
        file = self.origin.add(1, SIZE)
        self.pull("node1", file)
        self.pull("node2", file)
        self.assertEqual(self.from_origin(file), SIZE, "the origin must send the file exactly once")
        self.assertEqual(self.from_origin(file, "seed"), SIZE)
        self.assertGreaterEqual(self.from_peers("node2"), SIZE)
        self.expect_idle()


class SecureOnIPv6(SecureCluster):
    families = (6,)

    @deadline(90)
    def test_the_main_job_with_certificates_for_ipv6_addresses(self):
        self.do_the_main_job()


class Secure(SecureCluster):
    @deadline(90)
    def test_the_main_job_with_certificates_on_all_grpc(self):
        self.do_the_main_job()
        for address in (f"{self.scheduler.node.ip}:{SCHEDULER_PORT}", f"{self.daemons['node1'].node.ip}:{PEERS}"):
            self.assertEqual(self.check(address, self.credentials()), (grpc.StatusCode.OK, SERVING))
            self.assertEqual(self.check(address, self.nameless())[0], grpc.StatusCode.UNAVAILABLE)
            self.assertEqual(self.check(address)[0], grpc.StatusCode.UNAVAILABLE)
        self.wait_says(self.scheduler, "shows no certificate")
        self.wait_says(self.scheduler, "does not speak TLS")

    @deadline(90)
    def test_daemons_that_show_nothing_good_are_refused_with_words_on_both_sides(self):
        self.start_scheduler()
        self.start_secure("node1")
        bare = {"caCert": section()["caCert"]}
        cases = (
            ("plain", {}, "does it ask for TLS?", "does not speak TLS"),
            ("bare", bare, "asks for a certificate, and gets none", "shows no certificate"),
            ("late", section(), "refuses the certificate as expired in", "its certificate (CN=late) expired on"),
        )
        for number, (name, keys, daemon_says, scheduler_says) in enumerate(cases, start=31):
            daemon = self.add_daemon(name, number, start=False, extra={"scheduler": keys})
            self.authority.install(daemon.node, *self.certificate(daemon.node, days=-1))
            daemon.start()
            self.wait_says(daemon, f"scheduler {self.scheduler.node.ip}:{SCHEDULER_PORT} is out of reach: ")
            self.wait_says(daemon, daemon_says)
            self.wait_says(self.scheduler, f"a caller is refused: {daemon.node.ip}:")
            self.wait_says(self.scheduler, scheduler_says)
            self.pull(name, self.origin.add(number, SIZE))  # from the origin, as if there were no scheduler
        self.wait_says(daemon, "tls.cert: the certificate expired on")  # its own, at the start
        self.assertEqual(self.scheduler.announced(), 1)

    @deadline(90)
    def test_a_peer_that_the_authority_does_not_know_gives_nothing(self):
        self.start_scheduler()
        stranger = Authority(os.path.join(self.lab.folder, "stranger"), "stranger")
        server = {"upload": {"server": section("strange"), "client": section()}}
        for number, name in enumerate(("seed", "node1"), start=21):
            daemon = self.add_secure(name, number, seed=name == "seed", extra=server)
            stranger.install(daemon.node, *self.certificate(daemon.node, stranger), part="strange")
            daemon.start()
        self.add_secure("node2", 23).start()
        self.wait_announced(3)
        self.wait_says(self.scheduler, "does not serve: ")
        self.wait_says(self.scheduler, "its certificate (CN=seed) is signed by no authority in ")
        file = self.origin.add(1, SIZE)
        self.pull("node1", file)
        self.pull("node2", file)
        self.assertEqual(self.from_origin(file, "node2"), SIZE)
        self.assertEqual(self.from_peers("node2"), 0)
        self.wait_says(self.daemons["node2"], "its certificate (CN=node1) is signed by no authority in ")

    @deadline(90)
    def test_a_scheduler_may_be_known_by_its_name(self):
        self.start_scheduler(names="DNS:scheduler.test")
        self.lab.name("scheduler.test", self.scheduler.node)
        daemon = self.add_secure("node1", 21).start()
        self.wait_says(daemon, "its certificate (CN=scheduler) is for scheduler.test, not for 10.89.0.11")
        self.assertEqual(self.scheduler.announced(), 0)
        daemon.process.stop(10)
        daemon.node.write("/etc/dragonfly/dynconfig.yaml", yaml({"scheduler": {"addr": f"scheduler.test:{SCHEDULER_PORT}"}}))
        daemon.start()
        self.wait_announced(1)

    @deadline(90)
    def test_jobs_reach_seeds_and_peers_by_their_own_keys(self):
        """seedPeer.tls for the one, peer.tls for the others; callers show a certificate too."""
        self.start_scheduler(extra={"peer": {"tls": {"caCert": section()["caCert"]}}})
        self.start_secure("seed", "node1")
        self.wait_says(self.scheduler, "-seed-seed serves")
        jobs = Jobs(self.scheduler, self.credentials())
        url = self.origin.url + self.origin.add(1, SIZE).path
        rows = [jobs.wait(jobs.begin_file(url, scope=scope))["rows"][0] for scope in ("all_seed_peers", "all_peers")]
        self.assertEqual([row["state"] for row in rows], ["done", "failed"], rows)
        self.assertEqual(set(jobs.stat_file(url)), {"seed"})
        self.scheduler.process.stop(10)
        self.start_scheduler(extra={"peer": {"tls": section()}})
        self.wait_announced(2)
        jobs = Jobs(self.scheduler, self.credentials())
        self.assertEqual(jobs.wait(jobs.begin_file(url, scope="all_peers"))["rows"][0]["state"], "done")
        self.assertEqual(set(jobs.stat_file(url)), {"seed", "node1"})

    def shown_by(self, node, port):
        """The name in the certificate that a new caller sees."""
        command = ["openssl", "s_client", "-connect", f"{node.ip}:{port}", "-alpn", "h2"]
        text = subprocess.run(command, capture_output=True, text=True, check=False, input="", timeout=10).stdout
        return next((line for line in text.splitlines() if line.startswith("subject=")), "")

    @deadline(90)
    def test_new_certificates_are_taken_over_while_it_runs(self):
        often = {"dynConfig": {"refreshInterval": "200ms"}}
        self.start_scheduler(extra=often)
        self.start_secure("node1", "node2", extra={"dynconfig": {"refreshInterval": "200ms"}})
        first, second = self.origin.add(1, SIZE), self.origin.add(2, SIZE)
        self.pull("node1", first)
        self.assertEqual(self.shown_by(self.scheduler.node, SCHEDULER_PORT), "subject=CN = scheduler")

        place = "/etc/dragonfly/tls/tls.cert"
        for role in (self.scheduler, self.daemons["node1"]):
            replace(role.node, place, "-----BEGIN CERTIFICATE-----\nhalf of it")
            self.wait_says(role, "the certificates stay as they are: " + place)
        self.pull("node2", first)
        self.assertEqual(self.from_origin(first), SIZE)

        for role, port in ((self.scheduler, SCHEDULER_PORT), (self.daemons["node1"], PEERS)):
            self.authority.install(role.node, *self.authority.issue("renewed", f"IP:{role.node.ip}"))
            new = "subject=CN = renewed"
            until(20, f"{role.node.name} shows the new one", lambda: self.shown_by(role.node, port) == new)
            self.wait_says(role, f"new connections go by what is in {place} now, valid until ")
        self.pull("node1", second)
        node2, words = self.daemons["node2"], "announced to scheduler"
        node2.process.stop(30)
        before = node2.process.log_text().count(words)
        node2.start()
        until(20, "it is announced again", lambda: node2.process.log_text().count(words) > before)
        self.pull("node2", second)
        self.assertEqual(self.from_origin(second), SIZE)
