"""What measurements stand on: nodes whose files lie in memory, nginx, daemons of both kinds, curl, CPU time."""

import hashlib
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass

from lab.darter import HEALTH, PROXY, SCHEDULER_METRICS, SCHEDULER_PORT, SOCKET, STORE, Daemon, Manager, Scheduler, http_get, merged
from lab.process import child_of
from lab.wait import until

MIB, GIB = 1 << 20, 1 << 30
WEB = "/var/srv"
TICKS = os.sysconf("SC_CLK_TCK")
CONGESTION = "cubic"


class Darter:
    """Makes Darter's processes."""

    name = "Darter"

    def __init__(self, program):
        self.program = program

    def scheduler(self, node, extra=None):
        return Scheduler(self.program, node, extra)

    def daemon(self, node, scheduler_ip, seed, extra=None):
        return Daemon(self.program, node, scheduler_ip, seed, extra)

    def manager(self, node, extra=None):
        return Manager(self.program, node, extra)

    def get(self, url, path):
        return [self.program, "get", url, "-O", path, "--endpoint", SOCKET, "--overwrite", "--no-progress"]


class DragonflyScheduler(Scheduler):
    def launch(self):
        arguments = ["--config", self.config_path, "--dynconfig", "/etc/dragonfly/dynconfig.yaml", "--console"]
        self.process = self.node.start("dragonfly-scheduler", self.darter, *arguments)

    def healthy(self):
        with self.node.network():
            return super().healthy()


class DragonflyDaemon(Daemon):
    def launch(self):
        arguments = ["--config", self.config_path, *self.arguments, "--console"]
        self.process = self.node.start("dfdaemon", self.darter, *arguments)


class DragonflyManager(Manager):
    def launch(self):
        self.process = self.node.start("dragonfly-manager", self.darter, "--config", self.config_path, "--console")


class Dragonfly:
    """Makes Dragonfly's processes; `folder` has its programs."""

    name = "Dragonfly"
    settings = {
        "backend": {"enableHickoryDNS": False},
        "proxy": {
            "rules": [{"regex": "blobs/sha256.*"}],
            "registryMirror": {"addr": "http://127.0.0.1", "enableTaskIDBasedBlobDigest": True},
        },
    }

    def __init__(self, folder):
        self.folder = folder

    def scheduler(self, node, extra=None):
        return DragonflyScheduler(os.path.join(self.folder, "scheduler"), node, extra)

    def daemon(self, node, scheduler_ip, seed, extra=None):
        settings = merged(self.settings, extra or {})
        return DragonflyDaemon(os.path.join(self.folder, "dfdaemon"), node, scheduler_ip, seed, settings)

    def manager(self, node, extra=None):
        """It needs MariaDB and Redis."""
        own = {"auth": {"jwt": {"key": "bench"}}}
        return DragonflyManager(os.path.join(self.folder, "manager"), node, merged(own, extra or {}))

    def get(self, url, path):
        return [os.path.join(self.folder, "dfget"), url, "-O", path, "--endpoint", SOCKET, "--overwrite", "--no-progress"]


def cpu_seconds(process):
    """CPU time of a process so far, all threads, user and system."""
    with open(f"/proc/{process.pid}/stat", encoding="utf-8", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(process, name):
    """A line of /proc/PID/status, e.g. VmHWM, in MiB."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name} of process {process.pid}")


class Nginx:
    """nginx on a node; what it serves lies in WEB, what it sent stands in its log."""

    def __init__(self, node, port=80):
        self.node = node
        self.log = node.path("/tmp/access.log")
        os.makedirs(node.path(WEB), exist_ok=True)
        os.makedirs(node.path("/var/log/nginx"), exist_ok=True)
        os.makedirs(node.path("/var/lib/nginx"), exist_ok=True)
        node.write(
            "/etc/nginx-bench.conf",
            "daemon off; worker_processes 1; pid /run/nginx.pid; error_log /tmp/error.log; user root;\n"
            "events { worker_connections 4096; }\n"
            "http { log_format bytes '$remote_addr $uri $body_bytes_sent'; access_log /tmp/access.log bytes;\n"
            "sendfile on; tcp_nopush on; keepalive_requests 1000000; server_tokens off;\n"
            "default_type application/octet-stream;\n"
            f"server {{ listen {port}; root {WEB}; }} }}\n",
        )
        self.process = node.start("nginx", "/usr/sbin/nginx", "-c", "/etc/nginx-bench.conf")
        until(10, "nginx serves", lambda: http_get(node.ip, port, "/")[0] in (403, 404))

    def worker(self):
        """The process that does the work."""
        return Worker(until(5, "nginx has its worker", lambda: child_of(self.process.pid)))

    def sent(self):
        """Body bytes of all answers that ended; an object's length is asked for by one byte, which does not count."""
        with open(self.log, encoding="utf-8") as log:
            return sum(size for size in (int(line.split()[2]) for line in log) if size > 1)


class Files:
    """Random files of one size each, made once; every use gets a name, or content, that nobody has seen before."""

    def __init__(self, node):
        self.folder = node.path(WEB)
        self.count = 0

    def _base(self, size):
        path = os.path.join(self.folder, f"base-{size}")
        if not os.path.exists(path):
            with open(path, "wb") as file:
                for at in range(0, size, 16 * MIB):
                    file.write(os.urandom(min(16 * MIB, size - at)))
        return path

    def plain(self, size):
        """URL path of a file under a new name."""
        base = self._base(size)
        self.count += 1
        name = f"plain-{size}-{self.count}"
        os.symlink(os.path.basename(base), os.path.join(self.folder, name))
        return "/" + name

    def blob(self, size):
        """URL path of a blob with new content: /v2/…/blobs/sha256:…"""
        base = self._base(size)
        self.count += 1
        with open(base, "r+b") as file:
            file.write(self.count.to_bytes(8, "big") + os.urandom(8))
        digest = file_digest(base)
        folder = os.path.join(self.folder, "v2/bench/blobs")
        os.makedirs(folder, exist_ok=True)
        os.symlink(os.path.relpath(base, folder), os.path.join(folder, "sha256:" + digest))
        return "/v2/bench/blobs/sha256:" + digest


def file_digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class Worker:
    pid: int


@dataclass
class Took:
    """One transfer."""

    seconds: float
    first_byte: float
    cpu: float = 0.0  # seconds of the daemons


CURL = ("curl", "-sS", "-o", "/dev/null", "--max-time", "300", "-w", "%{time_total} %{time_starttransfer} %{http_code}")


def took(status, output, errors):
    match = re.fullmatch(r"([\d.]+) ([\d.]+) (\d+)", output.strip())
    if status != 0 or not match or match[3] not in ("200", "206"):
        raise RuntimeError(f"curl: status {status}, {output.strip()} {errors.strip()}")
    return Took(float(match[1]), float(match[2]))


class Cluster:
    """A scheduler and daemons that have announced themselves; stores are empty at the start."""

    def __init__(self, stage, maker):
        self.stage = stage
        self.maker = maker
        self.scheduler = maker.scheduler(stage.node("scheduler"))
        self.daemons = {}

    def start(self, seeds, nodes, extra):
        stage, maker = self.stage, self.maker
        self.scheduler.start()
        for name in (*seeds, *nodes):
            node = stage.node(name)
            shutil.rmtree(node.path(STORE), ignore_errors=True)
            daemon = maker.daemon(node, self.scheduler.node.ip, name in seeds, extra)
            self.daemons[name] = daemon
            daemon.start()
        count = len(self.daemons)
        until(20, f"{count} daemons announced", lambda: self.scheduler.announced() >= count)
        if seeds and maker.name == "Dragonfly":
            time.sleep(31)  # its scheduler looks for seeds every 30 s, and nothing shows that it has

    def close(self):
        for role in (*self.daemons.values(), self.scheduler):
            if role.process and role.process.alive():
                role.process.kill()

    def cpu(self):
        return sum(cpu_seconds(daemon.process) for daemon in self.daemons.values())

    def command(self, path):
        """curl by way of a node's own daemon: a blob as containerd asks for it, another file as of a proxy."""
        origin = self.stage.origin.node.ip
        if path.startswith("/v2/"):
            return (*CURL, "-H", f"X-Dragonfly-Registry: http://{origin}", f"http://127.0.0.1:{PROXY}{path}")
        return (*CURL, "-x", f"http://127.0.0.1:{PROXY}", "-H", "X-Dragonfly-Use-P2P: true", f"http://{origin}{path}")

    def pull(self, name, path):
        before = self.cpu()
        result = took(*self.daemons[name].node.try_to(*self.command(path), seconds=310))
        result.cpu = self.cpu() - before
        return result

    def start_pull(self, name, path, output="/dev/null"):
        """A pull in the background: its process, whose log has curl's times."""
        command = [output if word == "/dev/null" else word for word in self.command(path)]
        Cluster.pulls = getattr(Cluster, "pulls", 0) + 1
        return self.daemons[name].node.start(f"pull{Cluster.pulls}", *command)


def write_some(path, size):
    """CPU seconds of writing `size` bytes to a new file, which is removed."""
    block = os.urandom(256 << 10)
    before = time.process_time()
    with open(path, "wb", buffering=0) as file:
        for _ in range(0, size, len(block)):
            file.write(block)
        used = time.process_time() - before
    os.remove(path)
    return used


class Stage:
    """The lab: an origin with nginx, nodes by name as they are asked for. `makers`: Darter first."""

    def __init__(self, lab, makers, repository, runs, quick):
        self.lab = lab
        self.repository = repository
        self.makers = makers
        self.runs = 1 if quick else runs
        self.quick = quick
        self.numbers = iter(range(20, 200))
        self.origin = Nginx(self._add("origin", 10))
        self.files = Files(self.origin.node)

    def size(self, bytes_wanted):
        """What stands for so many bytes in a quick run."""
        return min(bytes_wanted, 24 * MIB) if self.quick else bytes_wanted

    def tool(self, name):
        """The path of a program of this folder."""
        return os.path.join(self.repository, "build", "release", "tests", "bench", "bench_" + name)

    def touch_memory(self):
        """What a virtual machine has not used yet comes many times slower than what it has."""
        with open("/proc/meminfo", encoding="ascii") as info:
            free = next(int(line.split()[1]) * 1024 for line in info if line.startswith("MemAvailable"))
        if not self.quick:
            write_some(os.path.join(self.lab.folder, "touched"), min(12 * GIB, free - GIB))

    def write_cost(self):
        """CPU seconds of writing a GiB into the memory that the stores lie in: nobody can do with less."""
        size = self.size(256 * MIB)
        return write_some(os.path.join(self.lab.folder, "written"), size) * GIB / size

    def _add(self, name, number):
        node = self.lab.node(name, number)
        subprocess.run(
            node._entry() + ["sysctl", "-qw", f"net.ipv4.tcp_congestion_control={CONGESTION}"],  # pylint: disable=W0212
            capture_output=True, check=False,
        )
        return node

    def node(self, name):
        return self.lab.nodes.get(name) or self._add(name, next(self.numbers))

    def congestion(self):
        return self.node("scheduler").enter("sysctl", "-n", "net.ipv4.tcp_congestion_control").strip()

    @contextmanager
    def cluster(self, maker, seeds=(), nodes=(), extra=None):
        cluster = Cluster(self, maker)
        try:
            cluster.start(seeds, nodes, extra)
            yield cluster
        finally:
            cluster.close()

    @contextmanager
    def shaped(self, megabits, *names):
        """While inside, each of these nodes sends at most so much."""
        rule = ["root", "tbf", "rate", f"{megabits}mbit", "burst", "256kb", "latency", "50ms"]
        for name in names:
            self.node(name).enter("tc", "qdisc", "replace", "dev", "eth0", *rule)
        try:
            yield
        finally:
            for name in names:
                self.node(name).enter("tc", "qdisc", "del", "dev", "eth0", "root")

    def straight(self, name, path):
        """curl from nginx, without any daemon."""
        return took(*self.node(name).try_to(*CURL, f"http://{self.origin.node.ip}{path}", seconds=310))
