"""Darter's own processes on nodes: configuration, start, health, metrics, what the store holds."""

import http.client
import json
import os
import re
import shutil

from .lab import place
from .wait import until

SCHEDULER_PORT, SCHEDULER_METRICS = 8002, 8000
MANAGER_GRPC, MANAGER_REST = 65003, 8080
PROXY, METRICS, HEALTH = 4001, 4002, 4003
SOCKET = "/var/run/dragonfly/dfdaemon.sock"
STORE, CACHE = "/var/lib/dragonfly", "/var/cache/dragonfly"
DATABASE = "/var/lib/dragonfly/manager.db"
CLUSTER = {  # the console's defaults
    "scheduler_cluster_config": {"candidate_parent_limit": 4, "filter_parent_limit": 40},
    "seed_peer_cluster_config": {"load_limit": 2000},
    "peer_cluster_config": {"load_limit": 200},
}
# For a scheduler whose patience a test is not about. A seed that was told to fetch has 4 s, and not 2, until the origin's
# answer reaches it and it registers; else another node goes to the origin too. Daemons wait for 5 s.
PATIENT = {"scheduler": {"retryBackToSourceLimit": 8, "retryLimit": 10}}
SAMPLE = re.compile(r'^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """One reading of a Prometheus page."""

    def __init__(self, text):
        self.samples = []
        for line in text.splitlines():
            match = SAMPLE.match(line)
            if match:
                self.samples.append((match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))

    def total(self, name, **labels):
        """The sum of all samples of `name` that have these labels; 0 when there are none."""
        return sum(
            value
            for sample, has, value in self.samples
            if sample == name and all(has.get(key) == wanted for key, wanted in labels.items())
        )

    def by_label(self, name, label):
        """{label's value: sum} over the samples of `name`."""
        sums = {}
        for sample, has, value in self.samples:
            if sample == name and label in has:
                sums[has[label]] = sums.get(has[label], 0) + value
        return sums


def http_get(ip, port, path, seconds=20):
    """GET; returns (status, text)."""
    connection = http.client.HTTPConnection(ip, port, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def yaml(value, indent=0):
    """Nested dicts and lists of plain values as YAML."""
    pad = "  " * indent
    if isinstance(value, dict):
        lines = []
        for key, inner in value.items():
            if isinstance(inner, (dict, list)) and inner:
                lines.append(f"{pad}{key}:\n{yaml(inner, indent + 1)}")
            else:
                lines.append(f"{pad}{key}: {scalar(inner)}\n")
        return "".join(lines)
    items = []
    for inner in value:
        if isinstance(inner, dict):
            items.append(f"{pad}-" + yaml(inner, indent + 1)[len(pad) + 1 :])
        else:
            items.append(f"{pad}- {scalar(inner)}\n")
    return "".join(items)


def scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "{}" if value == {} else "[]" if value == [] else str(value)


def merged(base, extra):
    """`base` with the nested dict `extra` laid over it."""
    result = dict(base)
    for key, value in extra.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


class Role:
    """What scheduler and daemon have in common. The binary is the one at `darter`."""

    command = ""
    config_path = ""
    metrics_port = 0

    def __init__(self, darter, node, config, arguments=()):
        self.darter = darter
        self.node = node
        self.arguments = list(arguments)
        self.wrapper = []  # a command that runs the program
        self.process = None
        self.config = config
        node.write(self.config_path, yaml(config))

    def configure(self, extra):
        """Lays `extra` over the file that it began with, as editors do: a new file comes in the old one's place."""
        self.node.write(self.config_path + ".new", yaml(merged(self.config, extra)))
        os.rename(self.node.path(self.config_path + ".new"), self.node.path(self.config_path))

    def launch(self):
        """Starts the process without waiting until it serves."""
        arguments = ["--config", self.config_path, *self.arguments]
        self.process = self.node.start(self.command, *self.wrapper, self.darter, self.command, *arguments)

    def start(self, seconds=30):
        self.launch()
        self.wait_healthy(seconds)
        return self

    def wait_healthy(self, seconds):
        what = f"{self.command} on {self.node.name} is healthy; its log: {self.process.log}"

        def check():
            if not self.process.alive():
                raise AssertionError(f"{self.command} on {self.node.name} ended; its log: {self.process.log}")
            return self.healthy()

        until(seconds, what, check)

    def healthy(self):
        raise NotImplementedError

    def metrics(self):
        return Metrics(http_get(self.node.ip, self.metrics_port, "/metrics")[1])


class Scheduler(Role):
    command = "scheduler"
    config_path = "/etc/dragonfly/scheduler.yaml"
    metrics_port = SCHEDULER_METRICS

    def __init__(self, darter, node, extra=None):
        config = {
            "server": {"advertiseIP": node.ip, "port": SCHEDULER_PORT, "host": node.name},
            "metrics": {"enable": True, "addr": f":{SCHEDULER_METRICS}"},
            "network": {"enableIPv6": 6 in node.ips},
        }
        super().__init__(darter, node, merged(config, extra or {}))

    def healthy(self):
        return http_get(self.node.ip, SCHEDULER_METRICS, "/metrics")[0] == 200

    def announced(self):
        return self.metrics().total("dragonfly_scheduler_announce_host_total")

    def hosts(self):
        """Names of the hosts that it knows, a seed's as the node's."""
        place_of_it = place(self.node.ip, SCHEDULER_PORT)
        listed = self.node.enter(self.darter, "ctl", "hosts", "--scheduler", place_of_it, "--json")
        return {host["hostname"].removesuffix("-seed") for host in json.loads(listed)}


class Daemon(Role):
    """`scheduler_ip`: whom a local file names; None where the manager says it."""

    command = "daemon"
    config_path = "/etc/dragonfly/dfdaemon.yaml"
    metrics_port = METRICS

    def __init__(self, darter, node, scheduler_ip, seed=False, extra=None):
        config = {
            "host": {"ip": node.ip, "hostname": node.name},
            "download": {"server": {"socketPath": SOCKET}},
            "storage": {"dir": STORE},
            "seedPeer": {"enable": seed},
            "network": {"enableIPv6": 6 in node.ips},
        }
        arguments = []
        if scheduler_ip:
            addrs = [place(scheduler_ip, SCHEDULER_PORT)]
            node.write("/etc/dragonfly/dynconfig.yaml", yaml({"scheduler": {"addrs": addrs}}))
            arguments = ["--dynconfig", "/etc/dragonfly/dynconfig.yaml"]
        os.makedirs(node.path(STORE), exist_ok=True)
        os.makedirs(node.path("/run/dragonfly"), exist_ok=True)
        super().__init__(darter, node, merged(config, extra or {}), arguments)

    def healthy(self):
        return http_get(self.node.ip, HEALTH, "/healthy")[0] == 200

    def traffic(self):
        """Bytes downloaded so far: {"origin": n, "peers": {ip: n}}."""
        metrics = self.metrics()
        return {
            "origin": metrics.total("dragonfly_client_download_traffic", type="BACK_TO_SOURCE"),
            "peers": metrics.by_label("darter_download_bytes_total", "parent"),
        }

    def named_parents(self):
        """Addresses of all candidate parents that schedulers have named to it, by its log."""
        lists = re.findall(r"the scheduler names parents: (.*)", self.process.log_text())
        return {ip for line in lists for ip in line.split(", ") if ip}

    def met(self):
        """Addresses of all peers that gave it something or were named to it."""
        return set(self.traffic()["peers"]) | self.named_parents()

    def busy(self):
        """Transfers in flight, by the daemon's own gauges."""
        metrics = self.metrics()
        names = ("concurrent_download_task_total", "concurrent_upload_task_total", "concurrent_upload_piece_total")
        return sum(metrics.total("dragonfly_client_" + name) for name in names)

    def wait_idle(self, seconds=20):
        until(seconds, f"daemon on {self.node.name} has nothing in flight", lambda: self.busy() == 0)

    def lose_all(self):
        """Stops, and comes back with an empty store and no memory, as when its pod is deleted."""
        self.process.stop(20)
        for folder in (STORE, CACHE):
            shutil.rmtree(self.node.path(folder), ignore_errors=True)
        os.makedirs(self.node.path(STORE))
        return self.start()

    def init_containerd(self, registry_url, namespace=None):
        """darter init: containerd on this node asks this daemon first for images of `namespace` (the registry's)."""
        host = namespace or registry_url.partition("://")[2]
        registry = {"hostNamespace": host, "serverAddr": registry_url, "capabilities": ["pull", "resolve"]}
        containerd = {"configPath": "/etc/containerd/config.toml", "registries": [registry]}
        config = {"proxy": {"addr": f"http://127.0.0.1:{PROXY}"}, "containerRuntime": {"containerd": containerd}}
        self.node.write("/etc/dragonfly/dfinit.yaml", yaml(config))
        return self.node.enter(self.darter, "init", "--config", "/etc/dragonfly/dfinit.yaml")

    def stored_files(self):
        """Paths and sizes of what lies in the store, largest first."""
        found = []
        for folder, _, files in os.walk(self.node.path(STORE)):
            for name in files:
                path = os.path.join(folder, name)
                found.append((os.stat(path).st_blocks * 512, path))
        return sorted(found, reverse=True)


class Up(Daemon):
    """darter up: everything in one process, no configuration file."""

    command = "up"

    def __init__(self, darter, node, *arguments, wrapper=()):
        # pylint: disable=super-init-not-called
        self.darter = darter
        self.node = node
        self.arguments = list(arguments)
        self.wrapper = list(wrapper)
        self.process = None

    def launch(self):
        self.process = self.node.start("up", *self.wrapper, self.darter, "up", *self.arguments)

    def get(self, port, path):
        """What is listened to on loopback only is asked on the node itself."""
        status, text, errors = self.node.try_to(
            "curl", "-sS", "-o", "-", "-w", "\n%{http_code}", f"http://127.0.0.1:{port}{path}"
        )
        body, _, code = text.rpartition("\n")
        return (int(code), body) if status == 0 else (0, errors)

    def healthy(self):
        return self.get(HEALTH, "/healthy")[0] == 200

    def metrics(self, port=METRICS):
        return Metrics(self.get(port, "/metrics")[1])

    def announced(self):
        return self.metrics(SCHEDULER_METRICS).total("dragonfly_scheduler_announce_host_total")


class Manager(Role):
    """darter manager on an SQLite file of its own."""

    command = "manager"
    config_path = "/etc/dragonfly/manager.yaml"
    metrics_port = SCHEDULER_METRICS

    def __init__(self, darter, node, extra=None):
        config = {
            "metrics": {"enable": True, "addr": f":{SCHEDULER_METRICS}"},
            "network": {"enableIPv6": 6 in node.ips},
        }
        self.token = None
        super().__init__(darter, node, merged(config, extra or {}))

    @property
    def address(self):
        return place(self.node.ip, MANAGER_GRPC)

    def healthy(self):
        return http_get(self.node.ip, MANAGER_REST, "/healthy")[0] == 200

    def call(self, method, path, body=None):
        """A request to /api/v1 as root; returns (status, JSON or None)."""
        if not self.token:
            self.token = self._call("POST", "/users/signin", {"name": "root", "password": "dragonfly"})[1]["token"]
        return self._call(method, path, body)

    def add_cluster(self, name, scopes):
        """Adds a cluster the way the console does; returns it."""
        body = {"name": name, "scopes": scopes, **CLUSTER}
        status, cluster = self.call("POST", "/clusters", body)
        if status != 200:
            raise AssertionError(f"POST /clusters: status {status}: {cluster}")
        return cluster

    def active(self):
        """Of which clusters it has active schedulers."""
        return [scheduler["scheduler_cluster_id"] for scheduler in self._list("/schedulers?state=active&per_page=100")]

    def active_seeds(self, cluster):
        """Names of the active seed peers of a seed peer cluster."""
        return [seed["host_name"] for seed in self._list(f"/seed-peers?state=active&seed_peer_cluster_id={cluster}")]

    def _list(self, path):
        status, listed = self.call("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: status {status}: {listed}")
        return listed

    def _call(self, method, path, body):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        connection = http.client.HTTPConnection(self.node.ip, MANAGER_REST, timeout=20)
        try:
            connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()
