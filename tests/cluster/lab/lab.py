"""A bridge and the nodes on it. Runs as root in namespaces that `lab/enter` made, never in the machine's own."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import threading
from contextlib import contextmanager

from .process import Process, child_of
from .wait import until

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
CLONE_NEWNET = 0x40000000
NETWORK, NETWORK6 = "10.89.0", "fd00:89:"
BOTH = (4, 6)  # families of addresses
SANITIZER = re.compile(r"(Address|Leak|Thread)Sanitizer|runtime error:")


def run(*command, **options):
    """Runs a short command; a failure raises with what it printed."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: status {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def place(ip, port=None):
    """An address as it stands in URLs and before ports."""
    host = f"[{ip}]" if ":" in ip else ip
    return f"{host}:{port}" if port else host


class Node:
    """One machine of the lab: net, mount, PID and UTS namespaces, its addresses, folders of its own. `ip` is the
    address by which it goes, of the first of its families."""

    def __init__(self, lab, name, number, families):
        self.lab = lab
        self.name = name
        self.ips = {family: f"{NETWORK}.{number}" if family == 4 else f"{NETWORK6}:{number}" for family in families}
        self.ip = self.ips[families[0]]
        self.folder = os.path.join(lab.folder, "nodes", name)
        self.logs = os.path.join(lab.logs, name)
        self.processes = []
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        os.makedirs(self.logs, exist_ok=True)
        self._begin()
        self._connect(number)

    def _begin(self):
        command = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]
        command += [os.path.join(HERE, "node-root"), self.folder, REPOSITORY]
        with open(os.path.join(self.logs, "node.log"), "ab") as log:
            self._holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def ready():
            if self._holder.poll() is not None:
                raise RuntimeError(f"node {self.name} did not come up; see {self.logs}/node.log")
            return os.path.exists(self.path("/run/node"))

        until(30, f"node {self.name} comes up", ready)
        self.init = child_of(self._holder.pid)
        self.enter("hostname", self.name)
        self.write("/etc/hostname", self.name + "\n")

    def _connect(self, number):
        self.port = port = f"port{number}"
        run("ip", "link", "add", port, "mtu", "1500", "type", "veth", "peer", "name", "eth0", "netns", str(self.init))
        run("ip", "link", "set", port, "master", "lab0", "up")
        self.enter("ip", "link", "set", "lo", "up")
        self.enter("ip", "link", "set", "eth0", "up")
        for family, ip in self.ips.items():
            self.enter("ip", "address", "add", *with_prefix(family, ip), "dev", "eth0")

    def path(self, inside):
        """Where the node's own file `inside` (below /etc, /run, /tmp, /var) is on the machine."""
        return self.folder + inside

    def socket_path(self, inside):
        """A short path to a unix socket of the node; the build folder's own may be too long for one."""
        return f"/proc/{self.init}/root{inside}"

    def write(self, inside, text):
        path = self.path(inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def _entry(self):
        return ["nsenter", "-t", str(self.init), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--"]

    def enter(self, *command, **options):
        """Runs a short command on the node and returns its output."""
        return run(*self._entry(), *command, **options)

    def try_to(self, *command, seconds=60):
        """Runs a command that may fail, but not by a sanitizer; returns (status, output, errors)."""
        result = subprocess.run(
            self._entry() + list(command), capture_output=True, text=True, check=False, timeout=seconds
        )
        if SANITIZER.search(result.stderr):
            raise AssertionError(f"{' '.join(command)}: a sanitizer complains:\n{result.stderr}")
        return result.returncode, result.stdout, result.stderr

    def start(self, name, *command, env=None):
        """Starts a program that stays; its output goes to logs/<node>/<name>.log."""
        full_env = dict(os.environ, **(env or {}))
        process = Process(name, self._entry() + list(command), os.path.join(self.logs, name + ".log"), full_env)
        self.processes.append(process)
        return process

    @contextmanager
    def network(self):
        """While inside, sockets that this thread makes are the node's."""
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{self.init}/ns/net", os.O_RDONLY)
        try:
            if libc.setns(there, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            yield
        finally:
            libc.setns(home, CLONE_NEWNET)
            os.close(there)
            os.close(home)

    def end(self):
        """Everything on the node is killed by the kernel together with its first process."""
        os.kill(self.init, signal.SIGKILL)
        for process in self.processes:
            process.wait(30)
        self._holder.wait(30)
        # It went with the namespace, unless somebody still holds a socket from there.
        subprocess.run(["ip", "link", "delete", self.port], capture_output=True, check=False)


def with_prefix(family, ip):
    """As `ip address add` takes it; nobody waits for duplicates to be looked for."""
    return [f"{ip}/24"] if family == 4 else [f"{ip}/64", "nodad"]


class Lab:
    """The bridge; `folder` keeps all files of the nodes, `logs` their logs; nodes have addresses of these families
    unless they say otherwise."""

    def __init__(self, folder, logs, families=(4,)):
        if os.getpid() != 1:
            raise RuntimeError("a lab starts through lab/enter, in namespaces of its own")
        self.folder = folder
        self.logs = logs
        self.families = families
        self.nodes = {}
        self.names = {}
        os.makedirs(folder, exist_ok=True)
        os.makedirs(logs, exist_ok=True)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "lab0", "type", "bridge")
        run("ip", "link", "set", "lab0", "up")
        for family, ip in ((4, f"{NETWORK}.1"), (6, f"{NETWORK6}:1")):
            if family in families:
                run("ip", "address", "add", *with_prefix(family, ip), "dev", "lab0")

    def node(self, name, number, families=None):
        """A new node with addresses NETWORK.number and the like."""
        node = Node(self, name, number, families or self.families)
        self.nodes[name] = node
        self.names[name] = node
        self._write_hosts()
        return node

    def name(self, host_name, node):
        """Gives `node` one more name that all nodes can resolve."""
        self.names[host_name] = node
        self._write_hosts()

    def forget(self, host_name):
        """Nobody can resolve the name any more."""
        del self.names[host_name]
        self._write_hosts()

    def host_lines(self):
        """The names of all nodes, as in /etc/hosts."""
        return [f"{ip} {name}" for name, node in self.names.items() for ip in node.ips.values()]

    def _write_hosts(self):
        lines = ["127.0.0.1 localhost", "::1 localhost", *self.host_lines()]
        for node in self.nodes.values():
            node.write("/etc/hosts", "\n".join(lines) + "\n")

    def close(self):
        for node in self.nodes.values():
            node.end()
        self.nodes.clear()
        run("ip", "link", "delete", "lab0")
