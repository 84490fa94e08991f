"""Two managers on one MariaDB and one Redis: the same clusters at both, and one is enough."""

import http.client
import json
import threading

from fixture import ClusterTest, deadline, settings, until
from lab.darter import MANAGER_REST, Manager, Scheduler
from lab.servers import MariaDB, Redis

LOOK = "500ms"  # between two questions to the manager
FRESH_SECONDS = 2  # so old is what a manager shows of the other's doing, at the most
WRONG = {"name": "root", "password": "not-this-one"}


def said(role, text):
    return role.process.log_text().count(text)


class TwoManagers(ClusterTest):
    def setUp(self):
        super().setUp()
        self.database = MariaDB(self.lab.node("mariadb", 3)).start()
        self.redis = Redis(self.lab.node("redis", 4)).start()
        self.managers = [self.add_manager(f"manager-{number}", 4 + number) for number in (1, 2)]

    def add_manager(self, name, number):
        """With a file as those of Dragonfly are."""
        keys = {
            "server": {
                "name": "d7y/manager",
                "grpc": {"port": {"start": 65003, "end": 65003}},
                "rest": {"addr": ":8080"},
            },
            "auth": {"jwt": {"realm": "Dragonfly", "timeout": "48h", "maxRefresh": "48h"}},
            "database": {**self.database.settings(), **self.redis.settings()},
            "cache": {"redis": {"ttl": "300s"}, "local": {"size": 200000, "ttl": "300s"}},
            "job": {"rateLimit": {"fillInterval": "1m", "capacity": 5}, "syncPeers": {"interval": "24h"}},
            "console": True,
            "verbose": False,
            "pprofPort": -1,
        }
        manager = Manager(settings["darter"], self.lab.node(name, number), keys)
        self.roles.insert(0, manager)
        return manager

    def start_both(self):
        for manager in self.managers:
            manager.launch()
        for manager in self.managers:
            manager.wait_healthy(30)
            self.ready(manager)
        return self.managers

    def ready(self, manager):
        until(30, f"{manager.node.name} lets root in", lambda: manager.call("GET", "/clusters")[0] == 200)

    def addresses(self):
        return [manager.address for manager in self.managers]

    def add_scheduler(self, cluster=1, addresses=None):
        under = {"addr": addresses or self.addresses(), "schedulerClusterID": cluster}
        extra = {"manager": {**under, "keepAlive": {"interval": "200ms"}}, "dynConfig": {"refreshInterval": LOOK}}
        scheduler = Scheduler(settings["darter"], self.lab.node(f"scheduler-{cluster}", 11 + cluster), extra)
        self.roles.append(scheduler)
        return scheduler.start()

    def add_peer(self, name, number, addresses, host=None):
        under = {"manager": {"addr": [f"http://{address}" for address in addresses]}, "host": host or {}}
        return self.add_daemon(name, number, extra={**under, "dynconfig": {"refreshInterval": LOOK}})

    def states(self, manager):
        """{host name: state} of the schedulers, as REST has it."""
        status, listed = manager.call("GET", "/schedulers?per_page=100")
        self.assertEqual(status, 200, listed)
        return {scheduler["host_name"]: scheduler["state"] for scheduler in listed}

    def raw(self, manager, method, path, body=None, headers=None):
        """A request outside of the manager's session; returns (status, JSON or None, headers)."""
        connection = http.client.HTTPConnection(manager.node.ip, MANAGER_REST, timeout=30)
        try:
            text = json.dumps(body) if body is not None else None
            connection.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None, dict(answer.getheaders())
        finally:
            connection.close()

    # --- the same at both ---------------------------------------------------------------------------------

    @deadline(90)
    def test_both_begin_at_once_on_an_empty_database(self):
        self.start_both()
        self.assertEqual(self.database.ask("SELECT COUNT(*), MIN(name) FROM scheduler_clusters"), ["1\tcluster-1"])
        self.assertEqual(self.database.ask("SELECT COUNT(*), MIN(name) FROM users"), ["1\troot"])
        self.assertEqual(self.database.ask("SELECT COUNT(*) FROM cluster_links"), ["1"])
        self.assertEqual(sum(said(manager, "version 1: the first tables") for manager in self.managers), 1)
        versions = self.database.ask("SELECT COUNT(*), COUNT(DISTINCT version) FROM darter_schema")[0].split()
        self.assertEqual(versions[0], versions[1], "each step is done once")
        for manager in self.managers:
            self.assertEqual(said(manager, " ERROR "), 0, manager.process.log)

    @deadline(90)
    def test_what_is_done_at_one_counts_at_the_other(self):
        one, other = self.start_both()
        status, cluster = one.call("POST", "/clusters", {"name": "second", "scopes": {"idc": "b"}})
        self.assertEqual(status, 200, cluster)
        self.assertEqual(other.call("GET", f"/clusters/{cluster['id']}")[1]["name"], "second")
        self.session_and_token(one, other)
        scheduler = self.add_scheduler(cluster["id"], [one.address])
        until(30, "it is active at the other", lambda: self.states(other) == {scheduler.node.name: "active"})
        self.add_peer("node", 31, [other.address], {"idc": "b"})
        until(30, "a peer of the other finds it", lambda: scheduler.announced() >= 1)

    def session_and_token(self, one, other):
        """The session of one is one of the other, and so is a token."""
        other.token = one.token
        status, answer = other.call("GET", "/users/1")
        self.assertEqual((status, answer["name"]), (200, "root"))
        body = {"name": "script", "scopes": ["cluster"], "expired_at": "2099-01-01T00:00:00Z"}
        status, made = one.call("POST", "/personal-access-tokens", body)
        self.assertEqual(status, 200, made)
        headers = {"Authorization": "Bearer " + made["token"]}
        self.assertEqual(self.raw(other, "GET", "/oapi/v1/clusters", headers=headers)[0], 200)
        one.call("DELETE", f"/personal-access-tokens/{made['id']}")
        self.assertEqual(self.raw(other, "GET", "/oapi/v1/clusters", headers=headers)[0], 401)

    @deadline(90)
    def test_wrong_passwords_are_counted_together(self):
        one, other = self.start_both()
        statuses = [self.raw(manager, "POST", "/api/v1/users/signin", WRONG)[0] for manager in (one, other) * 3]
        self.assertEqual(statuses, [401] * 5 + [429])
        status, answer, headers = self.raw(one, "POST", "/api/v1/users/signin", WRONG)
        self.assertEqual(status, 429)
        self.assertIn("too many wrong passwords", answer["message"])
        self.assertTrue(1 <= int(headers["Retry-After"]) <= 60)

    @deadline(90)
    def test_edits_of_one_cluster_through_both_never_mix(self):
        """Each writes all of it; in the end it is all of one, whoever was last."""
        managers = self.start_both()
        status, cluster = managers[0].call("POST", "/clusters", {"name": "edited"})
        self.assertEqual(status, 200, cluster)
        failed = []

        def edit(manager, word, number):
            for _ in range(20):
                body = {
                    "name": f"edited-{word}",
                    "bio": word,
                    "scopes": {"idc": word, "location": word},
                    "scheduler_cluster_config": {
                        "candidate_parent_limit": number,
                        "filter_parent_limit": 10 * number,
                    },
                    "peer_cluster_config": {"load_limit": 100 * number},
                }
                status, answer = manager.call("PATCH", f"/clusters/{cluster['id']}", body)
                if status != 200:
                    failed.append((status, answer))

        threads = [threading.Thread(target=edit, args=(managers[n], word, n + 2)) for n, word in enumerate(("a", "b"))]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.expect_whole(managers[0].call("GET", f"/clusters/{cluster['id']}")[1])
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        seen = [manager.call("GET", f"/clusters/{cluster['id']}")[1] for manager in managers]
        self.assertEqual(seen[0], seen[1])
        self.expect_whole(seen[0])

    def expect_whole(self, cluster):
        if cluster["name"] == "edited":
            return
        word = cluster["bio"]
        number = {"a": 2, "b": 3}[word]
        self.assertEqual(cluster["name"], f"edited-{word}")
        self.assertEqual((cluster["scopes"]["idc"], cluster["scopes"]["location"]), (word, word))
        limits = cluster["scheduler_cluster_config"]
        self.assertEqual((limits["candidate_parent_limit"], limits["filter_parent_limit"]), (number, 10 * number))
        self.assertEqual(cluster["peer_cluster_config"]["load_limit"], 100 * number)

    @deadline(90)
    def test_there_is_one_default_cluster_whoever_sets_it(self):
        managers = self.start_both()
        ids = [manager.call("POST", "/clusters", {"name": f"new-{n}"})[1]["id"] for n, manager in enumerate(managers)]
        failed = []

        def set_default(manager, cluster):
            for _ in range(20):
                status, answer = manager.call("PATCH", f"/clusters/{cluster}", {"is_default": True})
                if status != 200:
                    failed.append((status, answer))

        threads = [threading.Thread(target=set_default, args=pair) for pair in zip(managers, ids)]
        for thread in threads:
            thread.start()
        seen = set()
        while any(thread.is_alive() for thread in threads):
            seen.update(self.database.ask("SELECT COUNT(*) FROM scheduler_clusters WHERE is_default <> 0"))
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        seen.update(self.database.ask("SELECT COUNT(*) FROM scheduler_clusters WHERE is_default <> 0"))
        self.assertEqual(seen, {"1"})

    # --- one is gone --------------------------------------------------------------------------------------

    @deadline(120)
    def test_one_is_killed_in_the_middle_of_writes(self):
        one, other = self.start_both()
        scheduler = self.add_scheduler()
        self.add_peer("node", 31, self.addresses())
        self.wait_announced_at(scheduler)
        stop = threading.Event()
        answered = []

        def write():
            number = 0
            while not stop.is_set():
                number += 1
                body = {"name": f"new-{number}", "scopes": {"idc": str(number)}}
                try:
                    if one.call("POST", "/clusters", body)[0] == 200:
                        answered.append(body["name"])
                except OSError:
                    return

        writers = [threading.Thread(target=write)]
        for thread in writers:
            thread.start()
        until(20, "some are written", lambda: len(answered) >= 10)
        one.process.kill()
        stop.set()
        for thread in writers:
            thread.join()
        self.wait_rolled_back(one)
        self.expect_nothing_half(answered)
        until(20, "the scheduler is active at the other", lambda: self.states(other)[scheduler.node.name] == "active")
        self.assertEqual(other.call("POST", "/clusters", {"name": "after", "scopes": {"idc": "after"}})[0], 200)
        self.pull("node", self.origin.add(1, 9 << 20))
        self.expect_new_member(scheduler)
        one.start()
        self.ready(one)
        self.assertEqual(self.states(one)[scheduler.node.name], "active")

    @deadline(120)
    def test_one_hangs_and_goes_on_later(self):
        """It judges nobody by what it has missed, nor by streams that it finds closed."""
        one, other = self.start_both()
        scheduler = self.add_scheduler()
        until(30, "it is active", lambda: self.states(other) == {scheduler.node.name: "active"})
        one.process.freeze()
        self.add_peer("node", 31, self.addresses())
        self.wait_announced_at(scheduler)
        until(60, "it has come to the other", lambda: said(scheduler, f"alive again to manager {other.node.ip}") >= 1)
        one.process.thaw()
        self.ready(one)
        for _ in range(20):
            for manager in (one, other):
                self.assertEqual(self.states(manager), {scheduler.node.name: "active"})
        self.assertEqual(said(one, "is inactive"), 0, one.process.log)

    def wait_announced_at(self, scheduler):
        until(20, "the daemon is known", lambda: scheduler.announced() >= 1)

    def expect_new_member(self, scheduler):
        """A daemon that begins now finds its scheduler, though the first manager of its list is gone."""
        before = scheduler.announced()
        self.add_peer("late", 32, self.addresses())
        until(20, "the late one is known", lambda: scheduler.announced() > before)

    def wait_rolled_back(self, manager):
        """The database has ended what a manager that is gone had asked for."""
        ask = f"SELECT COUNT(*) FROM information_schema.processlist WHERE host LIKE '{manager.node.ip}:%'"
        until(30, "its connections are closed", lambda: self.database.ask(ask) == ["0"])

    def expect_nothing_half(self, answered):
        """Whatever was answered is there; each cluster has both halves, and the link between them."""
        names = self.database.ask("SELECT name FROM scheduler_clusters ORDER BY id")
        self.assertLessEqual(set(answered), set(names))
        self.assertLessEqual(len(names), len(answered) + 2)
        halves = self.database.ask(
            "SELECT COUNT(*), COUNT(p.id) FROM scheduler_clusters s LEFT JOIN cluster_links l"
            " ON l.scheduler_cluster_id = s.id LEFT JOIN seed_peer_clusters p ON p.id = l.seed_peer_cluster_id"
        )
        self.assertEqual(halves, [f"{len(names)}\t{len(names)}"])
        self.assertEqual(self.database.ask("SELECT COUNT(*) FROM seed_peer_clusters"), [str(len(names))])

    # --- what they stand on is gone ------------------------------------------------------------------------

    @deadline(120)
    def test_redis_is_lost_and_comes_back(self):
        one, other = self.start_both()
        scheduler = self.add_scheduler()
        until(30, "it is active", lambda: self.states(one) == {scheduler.node.name: "active"})
        self.redis.process.kill()
        for manager in (one, other):
            until(30, "it is noticed", lambda m=manager: said(m, "the cache is away") == 1)
        self.assertEqual(one.call("PATCH", "/clusters/1", {"bio": "without Redis"})[0], 200)
        self.assertEqual(other.call("GET", "/clusters/1")[1]["bio"], "without Redis")
        statuses = [self.raw(one, "POST", "/api/v1/users/signin", WRONG)[0] for _ in range(6)]
        self.assertEqual(statuses, [401] * 5 + [429])  # each counts for itself
        self.assertEqual(self.raw(other, "POST", "/api/v1/users/signin", WRONG)[0], 401)
        self.redis.start()
        for manager in (one, other):
            until(30, "it is back", lambda m=manager: said(m, "the cache is back") == 1)
            self.assertEqual(said(manager, "the cache is away"), 1, manager.process.log)

    @deadline(90)
    def test_a_redis_that_says_nothing_delays_who_needs_it_only(self):
        one, _ = self.start_both()
        self.redis.process.freeze()
        answered = {False: 0, True: 0}  # by whether Redis was given up: one that waits for it comes later
        while answered[True] < 5:
            self.assertEqual(one.call("PATCH", "/clusters/1", {"bio": "slow"})[0], 200)
            answered[said(one, "the cache is away") > 0] += 1
        self.assertGreater(answered[False], 0)
        self.assertEqual([self.raw(one, "POST", "/api/v1/users/signin", WRONG)[0] for _ in range(6)], [401] * 5 + [429])
        self.redis.process.thaw()
        until(30, "it is back", lambda: said(one, "the cache is back") == 1)

    @deadline(120)
    def test_both_are_lost_at_once(self):
        one, other = self.start_both()
        scheduler = self.add_scheduler()
        self.add_peer("node", 31, [one.address])
        self.wait_announced_at(scheduler)
        self.database.process.kill()
        self.redis.process.kill()
        status, answer = one.call("GET", "/clusters")
        self.assertEqual(status, 503, answer)
        self.assertEqual(self.raw(other, "POST", "/api/v1/users/signin", WRONG)[0], 503)
        self.pull("node", self.origin.add(2, 9 << 20))
        self.redis.start()
        self.database.start()
        for manager in (one, other):
            until(30, "it answers again", lambda m=manager: m.call("GET", "/clusters")[0] == 200)
            until(30, "its cache is back", lambda m=manager: said(m, "cache is away") == said(m, "cache is back"))
            self.assertEqual(said(manager, "the database is away"), 1, manager.process.log)
        until(20, "it is active again", lambda: self.states(other) == {scheduler.node.name: "active"})

    @deadline(120)
    def test_both_are_away_at_the_start(self):
        self.database.process.kill()
        self.redis.process.kill()
        for manager in self.managers:
            manager.start()
        self.assertEqual(self.raw(self.managers[0], "POST", "/api/v1/users/signin", WRONG)[0], 503)
        self.database.start()
        self.redis.start()
        for manager in self.managers:
            self.ready(manager)
        self.assertEqual(self.database.ask("SELECT COUNT(*) FROM scheduler_clusters"), ["1"])
