"""What a process costs by itself: memory, start, recovery, size."""

import os
import socket
import subprocess
import time

from figures import Figure
from lab.darter import HEALTH
from lab.wait import until
from load import ask_all, small_files
from row import row
from stage import GIB, MIB, memory_mib

TASKS = 10000


def by_maker(stage, measure):
    """{maker's name: [measure(maker) for each run]}"""
    values = {maker.name: [] for maker in stage.makers}
    for _ in range(stage.runs):
        for maker in stage.makers:
            values[maker.name].append(measure(maker))
    return values


def figure(title, name, unit, values, **about):
    return Figure(title, name, unit, values["Darter"], theirs=values.get("Dragonfly", []), **about)


@row("idle", "memory of an idle daemon that has announced itself")
def idle(stage, title):
    def measure(maker):
        with stage.cluster(maker, [], ["n1"]) as cluster:
            process = cluster.daemons["n1"].process
            return memory_mib(process, "RssAnon"), memory_mib(process, "VmRSS")

    values = by_maker(stage, measure)
    own = {name: [pair[0] for pair in pairs] for name, pairs in values.items()}
    resident = {name: [pair[1] for pair in pairs] for name, pairs in values.items()}
    return [
        figure(title, "its own (RssAnon)", "MiB", own, limit=6),
        figure(title, "resident (RSS)", "MiB", resident, known="76 MiB"),
    ]


@row("peak", "peak memory of a daemon while it moves a file of 4 GiB from the origin")
def peak(stage, title):
    size = stage.size(4 * GIB)

    def measure(maker):
        with stage.cluster(maker, [], ["n1"]) as cluster:
            cluster.pull("n1", stage.files.plain(size))
            return memory_mib(cluster.daemons["n1"].process, "VmHWM")

    values = by_maker(stage, measure)
    os.remove(os.path.join(stage.files.folder, f"base-{size}"))
    return [figure(title, "RSS", "MiB", values, limit=48, known="95–120 MiB at 1 GiB")]


def healthy_after(role, port=HEALTH):
    """Seconds from the start of the program until /healthy answers."""
    begin = time.monotonic()
    role.launch()

    def answers():
        with socket.create_connection((role.node.ip, port), timeout=1) as connection:
            connection.sendall(b"GET /healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(4096)

    until(60, f"the {role.command} is healthy", answers, pause=0.001)
    return time.monotonic() - begin


@row("start", "start of a daemon until it is healthy (with some 20 ms of the measuring itself)")
def start(stage, title):
    def measure(maker):
        with stage.cluster(maker, [], ["n1"]) as cluster:
            daemon = cluster.daemons["n1"]
            daemon.process.kill()
            return healthy_after(daemon) * 1000

    entry = [enter_ms(stage) for _ in range(stage.runs)]
    values = by_maker(stage, measure)
    return [figure(title, "start to healthy", "ms", values, control=entry, limit=50, known="3080 ms")]


def enter_ms(stage):
    """What entering a node and starting a program costs that does nothing."""
    node = stage.node("n1")
    begin = time.monotonic()
    node.start("true", "/bin/true").wait(5)
    return (time.monotonic() - begin) * 1000


@row("recovery", "10,000 tasks stored, kill -9, start until healthy; all are there")
def recovery(stage, title):
    count = 100 if stage.quick else TASKS
    seconds, lost = [], []
    with stage.cluster(stage.makers[0], [], ["n1"], {"download": {"p2pThreshold": "4MiB"}}) as cluster:
        daemon = cluster.daemons["n1"]
        paths = small_files(stage, count, 4096)
        ask_all(cluster, "n1", paths)
        for _ in range(stage.runs):
            daemon.process.kill()
            seconds.append(healthy_after(daemon))
            sent = stage.origin.sent()
            ask_all(cluster, "n1", paths)
            lost.append((stage.origin.sent() - sent) / 4096)
    values = {"Darter": seconds}
    return [
        figure(title, "start to healthy", "s", values, limit=1, known="cache dropped"),
        figure(title, "tasks fetched again", "", {"Darter": lost}, limit=0),
    ]


@row("size", "the stripped program with all roles, and its modules")
def size_of_program(stage, title):
    def stripped(path):
        out = os.path.join(stage.lab.folder, "stripped")
        subprocess.run(["strip", "-o", out, path], check=True)
        return os.path.getsize(out) / MIB

    program = stage.makers[0].program
    modules = []
    for folder, _, names in os.walk(os.path.join(os.path.dirname(program), "modules")):
        modules += [os.path.join(folder, name) for name in names if name.endswith(".so")]
    return [
        Figure(title, "program", "MiB", [stripped(program)], limit=3, known="38 + 83 + 102 MiB"),
        Figure(title, "its modules", "MiB", [sum(stripped(path) for path in modules)]),
    ]


@row("get", "get of 1 byte through the daemon, whole command; control: curl straight from nginx")
def get_one_byte(stage, title):
    values = {maker.name: [] for maker in stage.makers}
    control = []
    origin = stage.origin.node.ip
    for maker in stage.makers:
        with stage.cluster(maker, [], ["n1"]) as cluster:
            node = cluster.daemons["n1"].node
            for _ in range(stage.runs * 4):
                url = f"http://{origin}{stage.files.plain(1)}"
                direct = seconds_of(node, ["curl", "-sS", "-o", "/tmp/one", url])
                if maker is stage.makers[0]:
                    control.append(direct)
                values[maker.name].append(seconds_of(node, maker.get(url, "/tmp/got")) / direct)
    return [figure(title, "time", "x", values, control=control, limit=1, known="1.07")]


def seconds_of(node, command):
    """Wall time of a command on a node, without that of entering the node."""
    script = 's=$(date +%s%N); "$@"; r=$?; e=$(date +%s%N); echo $((e - s)); exit $r'
    status, output, errors = node.try_to("bash", "-c", script, "bash", *command)
    if status != 0:
        raise RuntimeError(f"{' '.join(command)}: {errors.strip()}")
    return int(output.split()[-1]) / 1e9
