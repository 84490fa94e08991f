"""Trouble in the middle of a pull, and what it costs beside the same pull undisturbed."""

import os
import time

from figures import Figure
from lab.origin import Fault, Origin
from lab.wait import DeadlineExceeded, until
from row import row
from stage import MIB, PROXY, took

MEGABITS = 400
PART = 0.35
STALL = 5  # download.stallTimeout, seconds
HANGS = 100  # seconds that nothing here may last


class Pulled:
    """A pull's outcome: seconds, and what part of it the origin sent; inf when it did not end."""

    def __init__(self, seconds, origin):
        self.seconds = seconds
        self.origin = origin


def disturbed(stage, maker, act):
    """n1, whose upload is limited, has the file and gives it to n2; at 35 % of it act(cluster) happens."""
    size = stage.size(256 * MIB)
    with stage.cluster(maker, [], ["n1", "n2"]) as cluster:
        path = stage.files.blob(size)
        cluster.pull("n1", path)
        with stage.shaped(MEGABITS, "n1"):
            return watched(stage, cluster, path, size, act)


def watched(stage, cluster, path, size, act):
    node, sent = stage.node("n2"), stage.origin.sent()
    output = node.path("/tmp/pulled")
    if os.path.exists(output):
        os.remove(output)
    begin = time.monotonic()
    pull = cluster.start_pull("n2", path, output="/tmp/pulled")
    if act:
        there = lambda: os.path.exists(output) and os.path.getsize(output) >= PART * size
        until(HANGS, "35 % of the file are there", there, pause=0.005)
        act(cluster)
    try:
        pull.wait(HANGS)
    except DeadlineExceeded:
        pull.kill()
        return Pulled(float("inf"), float("nan"))
    seconds = time.monotonic() - begin
    took(0, pull.log_text(), f"see {pull.log}")
    return Pulled(seconds, (stage.origin.sent() - sent) / size)


def compare(stage, act):
    """Undisturbed times, and for each maker the pairs of (undisturbed, disturbed) pulls."""
    pairs = {maker.name: [] for maker in stage.makers}
    for _ in range(stage.runs):
        for maker in stage.makers:
            pairs[maker.name].append((disturbed(stage, maker, None), disturbed(stage, maker, act)))
    return pairs


def figure(title, name, unit, pairs, function, **about):
    values = {maker: [function(*pair) for pair in listed] for maker, listed in pairs.items()}
    control = [calm.seconds for calm, _ in pairs["Darter"]]
    return Figure(title, name, unit, values["Darter"], control=control, theirs=values.get("Dragonfly", []), **about)


def share(title, pairs, **about):
    line = figure(title, "from the origin, of the size", "", pairs, lambda _, bad: bad.origin, **about)
    line.control = []
    return line


@row("frozen-parent", "only parent frozen at 35 %; control: the same undisturbed")
def frozen_parent(stage, title):
    pairs = compare(stage, lambda cluster: cluster.daemons["n1"].process.freeze())
    longer = lambda calm, bad: (bad.seconds - calm.seconds) / STALL
    line = figure(title, "longer by, in stall times", "x", pairs, longer, limit=1.5, known="hangs > 100 s")
    return [line, share(title, pairs)]


@row("killed-parent", "only parent killed at 35 %; control: the same undisturbed")
def killed_parent(stage, title):
    pairs = compare(stage, lambda cluster: cluster.daemons["n1"].process.kill())
    ratio = lambda calm, bad: bad.seconds / calm.seconds
    return [
        figure(title, "time", "x", pairs, ratio, limit=1.1, known="1.23"),
        share(title, pairs, limit=0.66, known="0.70"),
    ]


@row("killed-scheduler", "scheduler killed at 35 %; control: the same undisturbed")
def killed_scheduler(stage, title):
    pairs = compare(stage, lambda cluster: cluster.scheduler.process.kill())
    ratio = lambda calm, bad: bad.seconds / calm.seconds
    return [
        figure(title, "time", "x", pairs, ratio, limit=1.05, known="1.0"),
        share(title, pairs, limit=0, known="0.57"),
    ]


@row("frozen-origin", "origin frozen in the middle, nobody else has the bytes")
def frozen_origin(stage, title):
    again, failed = [], []
    node = stage.node("faulty")
    origin = Origin(stage.lab, node, name="faulty.test")
    try:
        for number in range(stage.runs):
            file = origin.add(number, 32 * MIB)
            with stage.cluster(stage.makers[0], [], ["n1"]) as cluster:
                measured = one_frozen(cluster, origin, file)
            again.append(measured[0] / STALL)
            failed.append(measured[1])
    finally:
        origin.close()
    return [
        Figure(title, "a new request after, in stall times", "x", again, limit=2, known="hangs > 100 s"),
        Figure(title, "a definite error after", "s", failed, limit=60),
    ]


def one_frozen(cluster, origin, file):
    """Seconds from the freeze until the next request, and until the client is told of an error."""
    fault = origin.misbehave(Fault(stall=8 * MIB))
    url = f"http://127.0.0.1:{PROXY}{file.path}"
    command = ["curl", "-sS", "-o", "/dev/null", "-H", f"X-Dragonfly-Registry: {origin.url}", url]
    pull = cluster.daemons["n1"].node.start("frozen", *command)
    if not fault.met.wait(30):
        raise RuntimeError("the origin was not asked")
    begin, asked = time.monotonic(), len(origin.requests)
    silent = origin.misbehave(Fault(late=True))
    until(60, "the origin is asked again", lambda: len(origin.requests) > asked, pause=0.005)
    again = time.monotonic() - begin
    code = pull.wait(90)
    seconds = time.monotonic() - begin
    origin.misbehave(None)
    fault.release()
    silent.release()
    if code == 0:
        raise RuntimeError("the pull went well though the origin never sent the rest")
    return again, seconds
