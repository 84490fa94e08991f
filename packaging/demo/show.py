"""The demonstration: one image, pulled without Darter, through it, and through it again on a second node.

    show.py --folder FOLDER [--darter BINARY] [--keep]

Runs as the first process of namespaces made by lab/enter. Ends when its standard input ends, unless it got as far
as keeping the nodes up. Without --darter only the pull without Darter is shown.
"""

import argparse
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from contextlib import contextmanager

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/cluster"))

import demo_image  # pylint: disable=wrong-import-position
from lab.containerd import Containerd  # pylint: disable=wrong-import-position
from lab.cri import PullError  # pylint: disable=wrong-import-position
from lab.darter import Daemon, Scheduler  # pylint: disable=wrong-import-position
from lab.lab import Lab  # pylint: disable=wrong-import-position
from lab.registry import Registry, blob_bytes  # pylint: disable=wrong-import-position
from lab.wait import DeadlineExceeded, steady, until  # pylint: disable=wrong-import-position

P2P_THRESHOLD = 4 << 20
PULL_SECONDS = 300
CGROUP = os.environ.get("DARTER_QUICKSTART_CGROUP", "/darter-quickstart")


class Failed(Exception):
    """The demonstration did not show what it should; the text says what."""


def say(text):
    print(text, flush=True)


def mb(count):
    return f"{count / 1e6:.1f} MB"


@contextmanager
def progress(done, total):
    """On a terminal, shows while inside how many of `total` bytes there are; done() counts them."""
    over = threading.Event()

    def show():
        start = time.monotonic()
        while not over.wait(0.5):
            seconds = time.monotonic() - start
            count = done()
            how_far = f"{count / 1e6:.0f} of {mb(total)}" if count < total else f"{mb(total)}, unpacking"
            print(f"\r\033[K    {seconds:.0f} s  {how_far}", end="", flush=True)
        print("\r\033[K", end="", flush=True)

    thread = threading.Thread(target=show, daemon=True)
    if sys.stdout.isatty():
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread.ident:
            thread.join()


class Pull:
    """One pull as it went: time, and who gave the bytes by both sides' account."""

    def __init__(self, title, node):
        self.title = title
        self.node = node
        self.seconds = 0.0
        self.origin = self.seed = self.peers = None
        self.answers = []

    def registry_gave(self, ip=None, digests=None):
        return blob_bytes(self.answers, digests, ip)


class Show:
    def __init__(self, arguments):
        self.folder = arguments.folder
        self.darter = arguments.darter
        self.logs = os.path.join(self.folder, "logs")
        self.image = demo_image.load(self.folder)
        self.big = {layer.digest for layer in self.image.layers if layer.size > P2P_THRESHOLD}
        self.pulls = []
        self.checks = []
        self.daemons = {}
        shutil.rmtree(os.path.join(self.folder, "nodes"), ignore_errors=True)
        self.lab = Lab(self.folder, self.logs)
        self.registry_node = self.lab.node("registry", 10)
        self.scheduler_node = self.lab.node("scheduler", 11)
        self.seed_node = self.lab.node("seed", 12)
        self.nodes = [self.lab.node("node1", 21), self.lab.node("node2", 22)]
        self.registry = Registry(self.lab, self.registry_node, "registry.test")
        self.containerds = [Containerd(node) for node in self.nodes]
        self.reference = ""

    def push(self):
        say(f"Pushing the image to Debian's docker-registry ({mb(self.image.size())}, {len(self.image.layers)} layers)")
        self.reference = self.registry.push(self.image, demo_image.NAME, demo_image.TAG)

    def pull(self, index, title):
        """Pulls on node `index` and notes how it went."""
        node, containerd = self.nodes[index], self.containerds[index]
        say(f"Pulling on {title}")
        pull = Pull(title, node)
        daemon = self.daemons.get(node.name)
        before = daemon.traffic() if daemon else None
        mark, start = self.registry.mark(), time.monotonic()
        try:
            with progress(containerd.stored, self.image.size()):
                containerd.pull(self.reference, PULL_SECONDS)
        except PullError as error:
            raise Failed(f"the pull on {title} failed: {error}") from None
        pull.seconds = time.monotonic() - start
        pull.answers = self.registry.served_since(mark)
        if daemon:
            steady(10, "the daemon's counters are quiet", lambda: repr(daemon.traffic()))
            self.account(pull, before, daemon.traffic())
        else:
            pull.origin = pull.registry_gave(node.ip)
        self.pulls.append(pull)
        blobs = [self.image.manifest, self.image.config] + self.image.layers
        right = containerd.check_blobs(blobs)
        self.check(right == len(blobs), f"{title}: {right} of {len(blobs)} stored blobs have their digests")
        return pull

    def account(self, pull, before, after):
        pull.origin = after["origin"] - before["origin"]
        given = {ip: count - before["peers"].get(ip, 0) for ip, count in after["peers"].items()}
        pull.seed = given.pop(self.seed_node.ip, 0)
        pull.peers = sum(given.values())

    def check(self, good, text):
        self.checks.append((good, text))

    def start_darter(self):
        say("Starting scheduler, seed and two daemons; pointing containerd at them (darter init)")
        scheduler = Scheduler(self.darter, self.scheduler_node).start()
        for node in [self.seed_node] + self.nodes:
            seed = node is self.seed_node
            self.daemons[node.name] = Daemon(self.darter, node, self.scheduler_node.ip, seed=seed).start()
        until(15, "all daemons have announced themselves", lambda: scheduler.announced() >= len(self.daemons))
        for node, containerd in zip(self.nodes, self.containerds):
            self.daemons[node.name].init_containerd(self.registry.url)
            containerd.start()

    def through_darter(self):
        self.containerds[0].forget()
        self.start_darter()
        first = self.pull(0, "node 1, through Darter")
        second = self.pull(1, "node 2, through Darter")
        big_size = sum(layer.size for layer in self.image.layers if layer.digest in self.big)
        served = first.registry_gave(digests=self.big) + second.registry_gave(digests=self.big)
        # A node that does not know a length asks the registry for one byte.
        self.check(
            served <= big_size * 1.005,
            f"the registry sent the {len(self.big)} layers above 4 MiB ({mb(big_size)}) once: {mb(served)} in both pulls",
        )
        gave = second.registry_gave(digests=self.big)
        self.check(gave == 0, f"the registry sent {mb(gave)} of these layers in node 2's pull")
        self.check(second.peers > 0, f"node 1 gave node 2 {mb(second.peers)}")
        given = second.seed + second.peers
        self.check(given >= big_size, f"node 2 got {mb(given)} from other nodes")

    def run_program(self, index):
        node, containerd = self.nodes[index], self.containerds[index]
        say(f"Running the pulled image's program on {node.name}: it compiles a C file with GCC and Clang")
        output, how = containerd.run(self.reference, demo_image.PROGRAM, f"{CGROUP}/{node.name}")
        for line in output.splitlines():
            say(f"    {line}")
        good = all(wanted in output for wanted in demo_image.WANTED)
        self.check(good, f"the image's program ran on {node.name} ({how})")

    def table(self):
        def cell(count):
            return "-" if count is None else mb(count)

        rows = [("", "with unpacking", "from registry", "from seed", "from other peers", "registry's log: to it", "to the seed")]
        for pull in self.pulls:
            row = [pull.title, f"{pull.seconds:.2f} s", cell(pull.origin), cell(pull.seed), cell(pull.peers)]
            row += [mb(pull.registry_gave(pull.node.ip)), mb(pull.registry_gave(self.seed_node.ip))]
            rows.append(tuple(row))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        say("")
        for row in rows:
            cells = [row[0].ljust(widths[0])] + [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
            say("  ".join(cells))
        say("")

    def play(self):
        self.push()
        self.containerds[0].trust_plain_http(self.registry.host)
        self.containerds[0].start()
        self.pull(0, "node 1, without Darter")
        if self.darter:
            self.through_darter()
        self.run_program(1 if self.darter else 0)
        self.table()
        for good, text in self.checks:
            say(("ok      " if good else "FAILED  ") + text)
        if not all(good for good, _ in self.checks):
            raise Failed("not everything is as it should be")

    def stop(self):
        """The orderly end: each program is asked to stop and must do so."""
        for node in self.lab.nodes.values():
            for process in reversed(node.processes):
                if process.alive():
                    process.stop(20)
        self.lab.close()


def end_with_input(kept):
    """The script that started us is gone when our input ends; then so are we, and the kernel ends the rest."""
    while os.read(0, 1):
        pass
    if not kept.is_set():
        os._exit(130)


def keep(show):
    """Writes how to enter the nodes, then stays until killed."""
    with open(os.path.join(show.folder, "kept"), "w", encoding="utf-8") as file:
        for node in show.lab.nodes.values():
            file.write(f"{node.name} {node.init}\n")
    signal.pause()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--darter")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    kept = threading.Event()
    threading.Thread(target=end_with_input, args=(kept,), daemon=True).start()
    try:
        show = Show(arguments)
        show.play()
        if arguments.keep:
            kept.set()
            keep(show)
        show.stop()
    except (Failed, DeadlineExceeded, PullError, RuntimeError, AssertionError) as error:
        say(f"FAILED  {error}")
        return 1
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
        return 1
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
