"""What a manager keeps its things in, on the manager's own node: SQLite, or MariaDB with Redis beside it."""

import os
import sqlite3
from contextlib import contextmanager

from lab.darter import DATABASE
from lab.wait import until

MARIADB, USER, PASSWORD = "/var/lib/mariadb", "darter", "pass 'word"
REDIS_PORT = 6379


class Sqlite:
    """A file of the node's."""

    name = "SQLite"

    def __init__(self, node):
        self.path = node.path(DATABASE)
        self.settings = {}
        for end in ("", "-wal", "-shm"):
            if os.path.exists(self.path + end):
                os.remove(self.path + end)

    def run(self, script):
        """Statements, while no manager runs."""
        connection = sqlite3.connect(self.path)
        connection.executescript("BEGIN;" + script + "COMMIT;")
        connection.close()

    def close(self):
        pass


def start_redis(node):
    """An empty one that keeps nothing on disk."""
    redis = node.start("redis", "redis-server", "--port", str(REDIS_PORT), "--save", "", "--daemonize", "no")
    until(10, "Redis serves", lambda: node.try_to("redis-cli", "-p", str(REDIS_PORT), "ping")[0] == 0)
    return redis


class MariaDb:
    """mariadbd on the node's loopback, empty, and Redis for Dragonfly's manager."""

    name = "MariaDB"

    def __init__(self, node, repository):
        self.node = node
        self.server = os.path.join(repository, "modules", "database_mysql", "server")
        os.makedirs(node.path(MARIADB), exist_ok=True)
        node.enter(self.server, "start", MARIADB, "plain")
        with open(node.path(MARIADB + "/port"), encoding="ascii") as file:
            self.port = int(file.read())
        self.run("DROP DATABASE manager; CREATE DATABASE manager;", "mysql")
        self.redis = start_redis(node)
        mysql = {"user": USER, "password": PASSWORD, "host": "127.0.0.1", "port": self.port, "dbname": "manager", "migrate": True}
        redis = {"addrs": [f"127.0.0.1:{REDIS_PORT}"]}
        self.settings = {"database": {"type": "mysql", "mysql": mysql, "redis": redis}}

    def run(self, script, database="manager"):
        self.node.enter("mariadb", f"--socket={MARIADB}/socket", "-u", "root", database, input=script)

    def close(self):
        self.redis.kill()
        self.node.enter(self.server, "stop", MARIADB)


@contextmanager
def database(stage, name, node):
    """The one of this name, empty."""
    kept = Sqlite(node) if name == Sqlite.name else MariaDb(node, stage.repository)
    try:
        yield kept
    finally:
        kept.close()
