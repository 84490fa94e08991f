"""What the plays share: a registry with an image, nodes that pull it, who gave the bytes of each pull, checks, a table.

A play is a module with a Stage of its own and ends with main(): it runs as the first process of namespaces made by
lab/enter, and ends when its standard input ends, unless it got as far as keeping the nodes up.
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
from lab.lab import Lab  # pylint: disable=wrong-import-position
from lab.registry import Registry, blob_bytes  # pylint: disable=wrong-import-position
from lab.wait import DeadlineExceeded, steady  # pylint: disable=wrong-import-position

P2P_THRESHOLD = 4 << 20
PULL_SECONDS = 300
CGROUP = os.environ.get("DARTER_QUICKSTART_CGROUP", "/darter-quickstart")
HEADS = ("with unpacking", "from registry", "from seed", "from other peers", "registry's log: to it", "to the seed")


class Failed(Exception):
    """The demonstration did not show what it should; the text says what."""


def print_line(text):
    print(text, flush=True)


def mb(count):
    return "-" if count is None else f"{count / 1e6:.1f} MB"


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

    def __init__(self, title, node, seed):
        self.title = title
        self.node = node
        self.seed_node = seed
        self.seconds = 0.0
        self.origin = self.seed = self.peers = None
        self.answers = []

    def registry_gave(self, ip=None, digests=None):
        return blob_bytes(self.answers, digests, ip)

    def account(self, before, after):
        """What the node's daemon says that it got; both are Daemon.traffic()."""
        self.origin = after["origin"] - before["origin"]
        given = {ip: count - before["peers"].get(ip, 0) for ip, count in after["peers"].items()}
        self.seed = given.pop(self.seed_node.ip, 0)
        self.peers = sum(given.values())

    def cells(self):
        given = [self.origin, self.seed, self.peers]
        logged = [self.registry_gave(node.ip) if node else None for node in (self.node, self.seed_node)]
        return [self.title, f"{self.seconds:.2f} s"] + [mb(count) for count in given + logged]


class Stage:
    """`reference` is by what name the nodes pull the image, once it is pushed."""

    def __init__(self, lab, darter, image, say=print_line):
        self.lab = lab
        self.darter = darter
        self.image = image
        self.say = say
        self.big = {layer.digest for layer in image.layers if layer.size > P2P_THRESHOLD}
        self.big_size = sum(layer.size for layer in image.layers if layer.digest in self.big)
        self.pulls = []
        self.checks = []
        self.daemons = {}
        self.containerds = {}
        self.registry = Registry(lab, lab.node("registry", 10), "registry.test")
        self.reference = ""

    def push(self):
        self.say(f"Pushing the image to Debian's docker-registry ({mb(self.image.size())}, {len(self.image.layers)} layers)")
        self.reference = self.registry.push(self.image, demo_image.NAME, demo_image.TAG)

    def add_containerd(self, node):
        self.containerds[node.name] = Containerd(node)
        return self.containerds[node.name]

    def pull(self, node, title, seed=None):
        """Pulls on the node and notes how it went; `seed` is the node of its cluster's seed."""
        containerd, daemon = self.containerds[node.name], self.daemons.get(node.name)
        self.say(f"Pulling on {title}")
        pull = Pull(title, node, seed)
        before, had = daemon.traffic() if daemon else None, self.taken()
        mark, start = self.registry.mark(), time.monotonic()
        try:
            with progress(containerd.stored, self.image.size()):
                containerd.pull(self.reference, PULL_SECONDS)
        except PullError as error:
            raise Failed(f"the pull on {title} failed: {error}") from None
        pull.seconds = time.monotonic() - start
        if daemon:
            steady(10, "the daemon's counters are quiet", lambda: repr(daemon.traffic()))
            pull.account(before, daemon.traffic())
        pull.answers = self.registry.served_since(mark, self.taken() - had if daemon else self.image.size())
        if not daemon:
            pull.origin = pull.registry_gave(node.ip)
        self.pulls.append(pull)
        blobs = [self.image.manifest, self.image.config] + self.image.layers
        right = containerd.check_blobs(blobs)
        self.check(right == len(blobs), f"{title}: {right} of {len(blobs)} stored blobs have their digests")
        return pull

    def taken(self):
        """Bytes that the daemons have from the registry so far."""
        return sum(daemon.traffic()["origin"] for daemon in self.daemons.values())

    def check(self, good, text):
        self.checks.append((good, text))

    def check_once(self, where, *pulls):
        """In these pulls together the registry has sent each big layer once."""
        served = sum(pull.registry_gave(digests=self.big) for pull in pulls)
        # A node that does not know a length asks the registry for one byte.
        self.check(
            self.big_size <= served <= self.big_size * 1.005,
            f"the registry sent the {len(self.big)} layers above 4 MiB ({mb(self.big_size)}) once: {mb(served)} in {where}",
        )

    def check_not_asked(self, pull, what):
        """The registry has not sent any big layer again."""
        gave = pull.registry_gave(digests=self.big)
        self.check(gave == 0, f"the registry sent {mb(gave)} of these layers in {what}")

    def run_program(self, node):
        self.say(f"Running the pulled image's program on {node.name}: it compiles a C file with GCC and Clang")
        output, how = self.containerds[node.name].run(self.reference, demo_image.PROGRAM, f"{CGROUP}/{node.name}")
        for line in output.splitlines():
            self.say(f"    {line}")
        good = all(wanted in output for wanted in demo_image.WANTED)
        self.check(good, f"the image's program ran on {node.name} ({how})")

    def table(self):
        rows = [["", *HEADS]] + [pull.cells() for pull in self.pulls]
        widths = [max(map(len, column)) for column in zip(*rows)]
        self.say("")
        for row in rows:
            cells = [row[0].ljust(widths[0])] + [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
            self.say("  ".join(cells))
        self.say("")

    def verdict(self):
        """The table, then each check; raises unless all of them hold."""
        self.table()
        for good, text in self.checks:
            self.say(("ok      " if good else "FAILED  ") + text)
        if not all(good for good, _ in self.checks):
            raise Failed("not everything is as it should be")

    def play(self):
        raise NotImplementedError

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


def keep(folder, lab):
    """Writes how to enter the nodes, then stays until killed."""
    path = os.path.join(folder, "kept")
    with open(path + ".new", "w", encoding="utf-8") as file:
        for node in lab.nodes.values():
            file.write(f"{node.name} {node.init}\n")
    os.rename(path + ".new", path)  # the script looks for it
    if not sys.stdout.isatty():
        print_line("\x04")  # the script's relay ends here, and nobody waits for more
    signal.pause()


def perform(kind, arguments, kept):
    shutil.rmtree(os.path.join(arguments.folder, "nodes"), ignore_errors=True)
    lab = Lab(arguments.folder, os.path.join(arguments.folder, "logs"))
    stage = kind(lab, arguments.darter, demo_image.load(arguments.folder))
    stage.play()
    if arguments.keep:
        kept.set()
        keep(arguments.folder, lab)
    stage.stop()


def run(kind):
    """Plays a Stage of this kind as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--darter")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    kept = threading.Event()
    threading.Thread(target=end_with_input, args=(kept,), daemon=True).start()
    try:
        perform(kind, arguments, kept)
    except (Failed, DeadlineExceeded, PullError, RuntimeError, AssertionError) as error:
        print_line(f"FAILED  {error}")
        return 1
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
        return 1
    return 0


def main(kind):
    """run(), and out at once: nothing waits for the thread that reads the input."""
    status = run(kind)
    sys.stdout.flush()
    os._exit(status)
