"""Servers that are not Darter's: MariaDB and Redis, each on a node, reached by the others."""

from .wait import until

DATA = "/var/lib/data"
MARIADB_PORT, REDIS_PORT = 3306, 6379
PASSWORD = "of the manager"
FIRST = f"""
CREATE DATABASE IF NOT EXISTS manager CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'darter'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON manager.* TO 'darter'@'%';
"""


class Server:
    """One that says in its log when it is ready."""

    def __init__(self, node):
        self.node = node
        self.process = None

    def begin(self, ready, name, *command):
        """Starts it, once more too, and waits until it says `ready`."""

        def count():
            return self.process.log_text().count(ready) if self.process else 0

        before = count()
        self.process = self.node.start(name, *command)
        until(60, f"{name} is ready", lambda: count() > before)
        return self


class MariaDB(Server):
    """mariadbd with an empty database `manager`."""

    def __init__(self, node):
        super().__init__(node)
        node.write(DATA + ".sql", FIRST)
        self.node.enter(
            "mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={DATA}", "--skip-test-db",
            "--auth-root-authentication-method=normal", "--skip-name-resolve",
        )  # fmt: skip

    def start(self):
        return self.begin(
            "ready for connections", "mariadbd",
            "/usr/sbin/mariadbd", "--no-defaults", "--user=root", f"--datadir={DATA}",
            "--socket=/run/mariadb", "--pid-file=/run/mariadb.pid", "--bind-address=0.0.0.0", f"--port={MARIADB_PORT}",
            f"--init-file={DATA}.sql", "--skip-name-resolve", "--skip-ssl", "--innodb-buffer-pool-size=16M",
            "--innodb-flush-log-at-trx-commit=2",
        )  # fmt: skip

    def ask(self, sql):
        """The answer's lines."""
        client = ["mariadb", "--no-defaults", "--socket=/run/mariadb", "-N", "-B", "manager"]
        return self.node.enter(*client, "-e", sql).splitlines()

    def settings(self):
        """The section of manager.yaml that leads here, as Dragonfly writes it."""
        place = {"host": self.node.ip, "port": MARIADB_PORT, "dbname": "manager"}
        return {"type": "mysql", "mysql": {"user": "darter", "password": PASSWORD, **place, "migrate": True}}


class Redis(Server):
    """redis-server that keeps nothing on disk."""

    def start(self):
        return self.begin(
            "Ready to accept connections", "redis",
            "redis-server", "--port", str(REDIS_PORT), "--bind", "0.0.0.0", "--protected-mode", "no",
            "--requirepass", PASSWORD, "--save", "", "--appendonly", "no", "--dir", "/tmp",
        )  # fmt: skip

    def ask(self, *words):
        return self.node.enter("redis-cli", "--no-auth-warning", "-a", PASSWORD, *words).splitlines()

    def settings(self):
        empty = {"masterName": "", "username": "", "sentinelUsername": "", "sentinelPassword": ""}
        numbers = {"db": 0, "brokerDB": 1, "backendDB": 2, "poolSize": 40, "poolTimeout": "10s"}
        addrs = [f"{self.node.ip}:{REDIS_PORT}"]
        return {"redis": {"addrs": addrs, "password": PASSWORD, **empty, **numbers}}
