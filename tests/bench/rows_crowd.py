"""Flash crowds: everybody wants the same blob at once, and every upload is limited."""

import time

from figures import Figure
from row import row
from stage import GIB, MIB, took

MEGABITS = 200


class Crowd:
    """One crowd's outcome."""

    def __init__(self, seconds, cpu, delivered, origin):
        self.seconds = seconds
        self.cpu = cpu
        self.delivered = delivered
        self.origin = origin


def rush(stage, cluster, nodes, path, size):
    """All nodes begin at once; the time is that of the last one, from before the first was started."""
    before, sent = cluster.cpu(), stage.origin.sent()
    begin = time.monotonic()
    pulls = [cluster.start_pull(name, path) for name in nodes]
    for pull in pulls:
        pull.wait(300)
    seconds = time.monotonic() - begin
    for pull in pulls:
        took(0, pull.log_text(), f"see {pull.log}")
    return Crowd(seconds, cluster.cpu() - before, size * len(nodes), (stage.origin.sent() - sent) / size)


def bound(size, uploads_bits, fastest_bits, count):
    """The least time in which anybody could do it: what the source sends once, and all that must be sent."""
    bits = size * 8
    return max(bits / fastest_bits, count * bits / uploads_bits)


def crowd(stage, seeds, count, size):
    """Crowds by each maker, and the bound."""
    nodes = [f"n{number}" for number in range(1, count + 1)]
    rate = MEGABITS * 1e6
    least = bound(size, (1 + count) * rate, rate, count)
    outcomes, written = {maker.name: [] for maker in stage.makers}, []
    with stage.shaped(MEGABITS, "origin", *seeds, *nodes):
        for _ in range(stage.runs):
            written.append(stage.write_cost())
            for maker in stage.makers:
                with stage.cluster(maker, seeds, nodes) as cluster:
                    path = stage.files.blob(size)
                    outcomes[maker.name].append(rush(stage, cluster, nodes, path, size))
    return outcomes, least, written


def figures_of(title, outcomes, least, written, limits, known):
    def values(maker, function):
        return [function(outcome) for outcome in outcomes.get(maker, [])]

    def figure(name, unit, function, control=(), control_name=""):
        return Figure(
            title, name, unit, values("Darter", function), control=list(control), control_name=control_name,
            theirs=values("Dragonfly", function), limit=limits.get(name), known=known.get(name, ""),
        )

    return [
        figure("time of the last node", "x", lambda outcome: outcome.seconds / least, [least]),
        figure("origin's bytes ÷ size", "x", lambda outcome: outcome.origin),
        figure("CPU per GiB delivered", "s", lambda outcome: outcome.cpu * GIB / outcome.delivered, written, "write"),
    ]


@row("crowd", "8 nodes at once on a seed that starts empty, 256 MiB, uploads of 200 Mbit/s; control: the bound")
def with_seed(stage, title):
    size = stage.size(256 * MIB)
    outcomes, least, written = crowd(stage, ["seed"], 8, size)
    limits = {"time of the last node": 1.4, "origin's bytes ÷ size": 1.005, "CPU per GiB delivered": 1.5}
    known = {"time of the last node": "3.23", "origin's bytes ÷ size": "1.00", "CPU per GiB delivered": "3.8 s"}
    return figures_of(title, outcomes, least, written, limits, known)


@row("crowd-seedless", "4 nodes at once without a seed, 256 MiB, uploads of 200 Mbit/s; control: the bound")
def without_seed(stage, title):
    size = stage.size(256 * MIB)
    outcomes, least, written = crowd(stage, [], 4, size)
    limits = {"time of the last node": 2, "origin's bytes ÷ size": 1.005}
    known = {"time of the last node": "4.4", "origin's bytes ÷ size": "4.00"}
    return figures_of(title, outcomes, least, written, limits, known)
