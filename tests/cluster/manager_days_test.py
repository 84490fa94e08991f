"""Bad days of a manager: killed in the middle of writes, clocks that jump, many that edit, slow and huge bodies,
a scheduler that flaps."""

import http.client
import random
import select
import socket
import sqlite3
import threading
import time

from clusters_test import Clusters
from fixture import MIB, JumpingClock, deadline, until
from lab.darter import DATABASE, MANAGER_REST

KILLS = 20


class Writer(threading.Thread):
    """Makes clusters and changes one, until the manager does not answer; keeps what it was told is done."""

    def __init__(self, manager, name):
        super().__init__(daemon=True)
        self.manager = manager
        self.prefix = name
        self.made = []  # names
        self.bio = None  # the last that counts
        self.refused = []

    def run(self):
        number = 0
        try:
            while True:
                number += 1
                name = f"{self.prefix}-{number}"
                status, cluster = self.manager.call("POST", "/clusters", {"name": name, "bio": "new"})
                if status != 200:
                    self.refused.append((status, cluster))
                    return
                self.made.append(name)
                self.manager.call("PATCH", f"/clusters/{cluster['id']}", part(number))
        except (OSError, http.client.HTTPException, ValueError):
            return


def part(number):
    """What belongs together, in both halves of a cluster."""
    return {
        "bio": f"bio {number}",
        "scopes": {"idc": f"idc {number}", "location": f"location {number}"},
        "seed_peer_cluster_config": {"load_limit": 1000 + number},
        "peer_cluster_config": {"load_limit": 100 + number},
        "scheduler_cluster_config": {"candidate_parent_limit": 3, "filter_parent_limit": 20 + number},
    }


def is_whole(cluster):
    """Whether all of it comes from one part()."""
    number = cluster["seed_peer_cluster_config"]["load_limit"] - 1000
    wanted = part(number)
    return (
        cluster["bio"] == wanted["bio"]
        and cluster["scopes"].get("idc") == wanted["scopes"]["idc"]
        and cluster["scopes"].get("location") == wanted["scopes"]["location"]
        and cluster["peer_cluster_config"]["load_limit"] == 100 + number
        and cluster["scheduler_cluster_config"]["filter_parent_limit"] == 20 + number
    )


class ManagerDays(Clusters):
    def setUp(self):
        super().setUp()
        self.manager.start()
        self.assertEqual(self.manager.call("GET", "/clusters")[0], 200)  # signs in

    def ok(self, method, path, body=None):
        status, answer = self.manager.call(method, path, body)
        self.assertEqual(status, 200, answer)
        return answer

    def rows(self, table):
        """How many there are, read beside the manager."""
        database = sqlite3.connect(f"file:{self.manager.node.path(DATABASE)}?mode=ro", uri=True, timeout=10)
        try:
            return database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        finally:
            database.close()


class Killed(ManagerDays):
    @deadline(120)
    def test_it_is_killed_in_the_middle_of_writes(self):
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        told = f"with the moments of seed {seed}"
        known = {"cluster-1"}
        for life in range(KILLS):
            writers = [Writer(self.manager, f"life{life}-{number}") for number in range(4)]
            for writer in writers:
                writer.start()
            until(30, "one has an answer", lambda w=writers: any(writer.made or writer.refused for writer in w))
            time.sleep(chance.uniform(0.02, 0.5))  # the moment is what is tested
            self.manager.process.kill()
            for writer in writers:
                writer.join(30)
                self.assertEqual(writer.refused, [], told)
                known.update(writer.made)
            self.expect_sound(told)
            self.manager.start()
            listed = self.ok("GET", "/clusters?per_page=100000")
            self.assertEqual([c["name"] for c in listed if c["seed_peer_cluster_id"] == 0], [], told)
            self.assertLessEqual(known, {c["name"] for c in listed}, told)
            for cluster in listed:
                self.assertTrue(cluster["bio"] in ("", "new") or is_whole(cluster), (told, cluster))
        self.assertGreater(len(known), KILLS, "nothing was written")

    def expect_sound(self, told):
        database = sqlite3.connect(self.manager.node.path(DATABASE), timeout=10)
        try:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)], told)
            halves = "SELECT COUNT(*) FROM {} WHERE id NOT IN (SELECT {} FROM cluster_links)"
            for table, column in (
                ("scheduler_clusters", "scheduler_cluster_id"),
                ("seed_peer_clusters", "seed_peer_cluster_id"),
            ):
                self.assertEqual(database.execute(halves.format(table, column)).fetchone(), (0,), told)
        finally:
            database.close()


class ManyEdit(ManagerDays):
    @deadline(90)
    def test_many_edit_one_cluster(self):
        """The last one wins, whole; who reads meanwhile sees one or the other, never a bit of each."""
        self.ok("PATCH", "/clusters/1", part(0))
        problems, ends = [], threading.Event()

        def edit(first):
            for number in range(first, first + 20):
                status, answer = self.manager.call("PATCH", "/clusters/1", part(number))
                if status != 200 or not is_whole(answer):
                    problems.append((status, answer))

        def read(path):
            while not ends.is_set():
                status, answer = self.manager.call("GET", path)
                for cluster in answer if isinstance(answer, list) else [answer]:
                    if status != 200 or not is_whole(cluster):
                        problems.append((path, status, answer))
                        return

        editors = [threading.Thread(target=edit, args=(100 * number,)) for number in range(1, 7)]
        readers = [threading.Thread(target=read, args=(path,)) for path in ("/clusters/1", "/clusters?id=1")]
        for thread in readers + editors:
            thread.start()
        for thread in editors:
            thread.join()
        ends.set()
        for thread in readers:
            thread.join()
        self.assertEqual(problems, [])
        self.assertTrue(is_whole(self.ok("GET", "/clusters/1")))
        self.assertEqual((self.rows("scheduler_clusters"), self.rows("seed_peer_clusters")), (1, 1))

    @deadline(60)
    def test_one_name_is_given_once(self):
        statuses = []

        def make():
            statuses.append(self.manager.call("POST", "/clusters", {"name": "same"})[0])

        threads = [threading.Thread(target=make) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(statuses), [200] + [409] * 11)
        self.assertEqual((self.rows("scheduler_clusters"), self.rows("seed_peer_clusters")), (2, 2))


class TheManagersClock(JumpingClock, ManagerDays):
    """The date of its machine jumps while its timers go on."""

    def restart_with_clock(self):
        self.manager.process.stop()
        self.with_clock(self.manager)
        self.manager.start()

    def statuses(self, tokens):
        """Of a session, and of a personal access token."""
        answers = []
        for path, token in (("/api/v1/clusters", tokens[0]), ("/oapi/v1/clusters", tokens[1])):
            connection = http.client.HTTPConnection(self.manager.node.ip, MANAGER_REST, timeout=20)
            connection.request("GET", path, headers={"Authorization": "Bearer " + token})
            answers.append(connection.getresponse().status)
            connection.close()
        return tuple(answers)

    @deadline(90)
    def test_it_jumps(self):
        self.restart_with_clock()
        self.add_scheduler(1)
        body = {"name": "forever", "expired_at": "2999-01-01T00:00:00Z", "scopes": ["cluster"]}
        forever = self.ok("POST", "/personal-access-tokens", body)["token"]
        first = (self.manager.token, forever)
        audits = self.rows("audits")
        for offset, session in (("+1d", 200), ("+60d", 401), ("-60d", 200), ("+3650d", 401), ("+0", 200)):
            self.step(self.manager, offset)
            self.assertEqual(self.statuses(first), (session, 200), offset)
            self.manager.token = None  # another session, of that date
            for _ in range(12):  # who keeps alive stays, whatever the date
                self.assertEqual(self.manager.active(), [1], offset)
                time.sleep(0.3)
            self.assertEqual(self.statuses((self.manager.token, forever)), (200, 200), offset)
        self.assertGreaterEqual(self.rows("audits"), audits)
        self.assertIn("the machine's date has jumped forward", self.manager.process.log_text())
        self.add_peer("node")
        self.expect_members(of_1={"node"})


class Bodies(ManagerDays):
    def send(self, length, body):
        """A request that is not at its end."""
        connection = socket.create_connection((self.manager.node.ip, MANAGER_REST), timeout=90)
        head = f"POST /api/v1/configs HTTP/1.1\r\nHost: m\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return connection

    def status(self, connection):
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = connection.recv(4096)
            if not more:
                break
            answer += more
        return int(answer.split()[1]) if answer else 0

    @deadline(120)
    def test_slow_and_huge_ones_harm_nobody(self):
        """All bodies that are under way have 32 MiB; each has a minute."""
        slow = self.send(100, b"{")
        begun = time.monotonic()
        held = [self.send(MIB, b" " * (MIB - 1)) for _ in range(31)]
        over = [self.send(MIB, b" " * (MIB - 1)) for _ in range(4)]
        refused = select.select(held + over, [], [], 20)[0]
        self.assertEqual({self.status(connection) for connection in refused}, {503})
        self.assertEqual(self.manager.call("GET", "/clusters")[0], 200)
        for connection in held + over:
            connection.close()
        name = {"name": "after", "value": "all"}
        until(10, "there is room again", lambda: self.manager.call("POST", "/configs", name)[0] in (200, 409))
        while time.monotonic() - begun < 50:
            slow.sendall(b" ")
            time.sleep(5)  # a byte now and then
        self.assertEqual(self.status(slow), 408)
        self.assertLess(abs(time.monotonic() - begun - 60), 5)


class Flapping(ManagerDays):
    @deadline(120)
    def test_a_scheduler_that_flaps(self):
        """Peers have a usable cluster all the time, and the manager's tables do not grow."""
        for cluster in (1, 2):
            if cluster == 2:
                self.add_cluster(2, {"idc": "b"})
            self.add_scheduler(cluster)
        self.add_peer("node", {"idc": "b"})
        self.expect_members(of_2={"node"})
        flapping = self.schedulers[2]
        for number in range(8):
            flapping.process.kill()
            self.pull("node", self.origin.add(number, 2 * MIB))
            flapping.start()
            self.pull("node", self.origin.add(100 + number, 2 * MIB))
        until(20, "both are active", lambda: sorted(self.manager.active()) == [1, 2])
        self.expect_members(of_1=set(), of_2={"node"})
        self.assertEqual(self.rows("schedulers"), 2)
        status, answer = self.manager.call("DELETE", "/clusters/2")
        self.assertEqual(status, 409, answer)
        self.assertEqual(sorted(self.manager.active()), [1, 2])
        self.assertNotIn(" ERROR ", self.manager.process.log_text())
