#!/usr/bin/env python3
"""Runs a program with a Redis of its own: with_redis.py KIND PROGRAM [ARGUMENT ...].

KIND is plain; tls, with a user and a password; sentinel; failover: sentinel, and the first master is lost
already; or cluster. The options of cache_redis that lead there
are added to the program's arguments. Servers listen on loopback, keep their files in a temporary folder, and end
with the program."""

import contextlib
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

LATE_S = 30


def free_ports(count: int) -> list[int]:
    """Of those that the kernel gives to nobody who asks for any, so that they stay free."""
    found = []
    while len(found) < count:
        port = random.randrange(10000, 20000)
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


class Server:
    """One redis-server. What it says is kept, and can be waited for."""

    def __init__(self, stack: contextlib.ExitStack, folder: pathlib.Path, *arguments: str):
        self.lines: list[str] = []
        self.said = threading.Condition()
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "redis-server", *arguments], cwd=folder,
                                        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        stack.callback(self.stop)

    def read(self) -> None:
        for line in self.process.stdout:
            with self.said:
                self.lines.append(line)
                self.said.notify_all()

    def await_line(self, words: str) -> None:
        with self.said:
            if not self.said.wait_for(lambda: any(words in line for line in self.lines), LATE_S):
                sys.exit(f"redis-server does not say \"{words}\":\n{''.join(self.lines)}")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()


def memory_only(port: int) -> list[str]:
    return ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


def start(stack: contextlib.ExitStack, folder: pathlib.Path, *arguments: str) -> Server:
    server = Server(stack, folder, *arguments)
    server.await_line("Ready to accept connections")
    return server


def command(port: int, *words: str) -> None:
    subprocess.run(["redis-cli", "-p", str(port), *words], check=True, stdout=subprocess.DEVNULL, timeout=LATE_S)


def plain(stack: contextlib.ExitStack, folder: pathlib.Path) -> list[str]:
    port, = free_ports(1)
    start(stack, folder, *memory_only(port))
    return [f"addrs=localhost:{port}", "db=3"]


def openssl(folder: pathlib.Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, stderr=subprocess.DEVNULL)


def tls(stack: contextlib.ExitStack, folder: pathlib.Path) -> list[str]:
    port, = free_ports(1)
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key", "-out", "cert")
    start(stack, folder, *memory_only(0), "--tls-port", str(port), "--tls-cert-file", "cert", "--tls-key-file", "key",
          "--tls-ca-cert-file", "cert", "--tls-auth-clients", "yes",
          "--user", "darter", "on", ">secret word", "~darter-test:*", "+@all", "--user", "default", "off")
    cert, key = folder / "cert", folder / "key"
    return [f"addrs=127.0.0.1:{port}", "username=darter", "password=secret word", "prefix=darter-test:",
            f"tls.caCert={cert}", f"tls.cert={cert}", f"tls.key={key}"]


def watch(stack: contextlib.ExitStack, folder: pathlib.Path, master: int, watcher: int) -> Server:
    config = folder / "sentinel.conf"
    config.write_text(f"port {watcher}\nbind 127.0.0.1\nrequirepass sentinels\n"
                      f"sentinel monitor main 127.0.0.1 {master} 1\nsentinel auth-pass main \"of the master\"\n"
                      "sentinel down-after-milliseconds main 500\n")
    server = Server(stack, folder, str(config), "--sentinel")
    server.await_line("+monitor master main")
    return server


def watched(port: int) -> list[str]:
    return [*memory_only(port), "--requirepass", "of the master", "--masterauth", "of the master"]


def led_by(*sentinels: int) -> list[str]:
    return ["addrs=" + ", ".join(f"127.0.0.1:{port}" for port in sentinels), "masterName=main",
            "password=of the master", "sentinelPassword=sentinels"]


def sentinel(stack: contextlib.ExitStack, folder: pathlib.Path) -> list[str]:
    port, nobody, watcher = free_ports(3)
    start(stack, folder, *watched(port))
    watch(stack, folder, port, watcher)
    return led_by(nobody, watcher)


def failover(stack: contextlib.ExitStack, folder: pathlib.Path) -> list[str]:
    port, replica, watcher = free_ports(3)
    master = start(stack, folder, *watched(port))
    follower = start(stack, folder, *watched(replica), "--replicaof", f"127.0.0.1 {port}", "--repl-diskless-sync-delay",
                     "0")
    follower.await_line("MASTER <-> REPLICA sync: Finished with success")
    server = watch(stack, folder, port, watcher)
    server.await_line("+slave slave")
    master.stop()
    server.await_line(f"+switch-master main 127.0.0.1 {port} 127.0.0.1 {replica}")
    return led_by(watcher)


def cluster(stack: contextlib.ExitStack, folder: pathlib.Path) -> list[str]:
    ports, buses = free_ports(6)[::2], free_ports(3)
    servers = [start(stack, folder, *memory_only(port), "--cluster-enabled", "yes", "--cluster-port", str(bus),
                     "--cluster-config-file", f"nodes-{port}.conf") for port, bus in zip(ports, buses)]
    for i, port in enumerate(ports):
        command(port, "CLUSTER", "ADDSLOTSRANGE", str(i * 16384 // 3), str((i + 1) * 16384 // 3 - 1))
    for port, bus in list(zip(ports, buses))[1:]:
        command(ports[0], "CLUSTER", "MEET", "127.0.0.1", str(port), str(bus))
    for server in servers:
        server.await_line("Cluster state changed: ok")
    return [f"addrs=127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}"]


KINDS = {"plain": plain, "tls": tls, "sentinel": sentinel, "failover": failover, "cluster": cluster}


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1] not in KINDS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(KINDS)} PROGRAM [ARGUMENT ...]")
    if not shutil.which("redis-server"):
        sys.exit("redis-server is not installed: packaging/install-deps test")
    with tempfile.TemporaryDirectory(prefix="darter-redis-") as name, contextlib.ExitStack() as stack:
        options = KINDS[sys.argv[1]](stack, pathlib.Path(name))
        return subprocess.run([*sys.argv[2:], *options]).returncode


if __name__ == "__main__":
    sys.exit(main())
