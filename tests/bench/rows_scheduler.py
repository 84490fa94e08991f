"""What a scheduler's conversations and decisions cost."""

import os
import subprocess

from figures import Figure
from lab.darter import SCHEDULER_PORT
from row import row
from stage import cpu_seconds, memory_mib

TASKS, STREAMS, AT_ONCE = 100, 20000, 512  # a task has a peer on each of 256 hosts at most
DECISIONS = {"c": 2_000_000, "lua": 100_000}


def hold_streams(stage, maker, streams):
    """(seconds, CPU seconds of the scheduler, its memory for each peer in KiB)"""
    scheduler = maker.scheduler(stage.node("scheduler"), {"server": {"requestRateLimit": 10_000_000}})
    scheduler.start()
    try:
        arguments = [scheduler.node.ip, str(SCHEDULER_PORT), str(TASKS), str(streams), str(AT_ONCE)]
        before, own = cpu_seconds(scheduler.process), memory_mib(scheduler.process, "RssAnon")
        status, output, errors = stage.node("n1").try_to(stage.tool("streams"), *arguments, seconds=150)
        if status != 0:
            raise RuntimeError(errors.strip())
        cpu = cpu_seconds(scheduler.process) - before
        memory = (memory_mib(scheduler.process, "RssAnon") - own) * 1024 / streams
        return float(output.split()[0]), cpu, memory
    finally:
        scheduler.process.kill()


@row("streams", "scheduler: AnnouncePeer streams (register, answer with parents, started, finished), 512 at once")
def streams(stage, title):
    count = 1000 if stage.quick else STREAMS
    values = {maker.name: [hold_streams(stage, maker, count) for _ in range(stage.runs)] for maker in stage.makers}

    def per(index, function, name="Darter"):
        return [function(run[index]) for run in values.get(name, [])]

    def figure(name, unit, index, function, **about):
        theirs = per(index, function, "Dragonfly")
        return Figure(title, name, unit, per(index, function), theirs=theirs, **about)

    return [
        figure("a second of its processor time", "/s", 1, lambda cpu: count / cpu, limit=25000, at_least=True, known="3500–5700"),
        figure("a second, with who asks on the other core", "/s", 0, lambda seconds: count / seconds),
        figure("memory for each peer that finished", "KiB", 2, lambda memory: memory, limit=2, known="19 KiB"),
    ]


@row("decisions", "decisions a second, 40 candidates, by the default policy; control: the C formula")
def decisions(stage, title):
    def measure(what, count):
        result = subprocess.run([stage.tool("decisions"), what, str(count)], check=True, capture_output=True, text=True)
        return float(result.stdout)

    policies = os.path.join(stage.repository, "scripts", "scheduling")
    shares = 100 if stage.quick else 1
    control = [measure("c", DECISIONS["c"] // shares) for _ in range(stage.runs)]
    figures = []
    for name, policy in (("mesh.lua, the default", "mesh.lua"), ("dragonfly.lua", "dragonfly.lua")):
        path = os.path.join(policies, policy)
        values = [measure(path, DECISIONS["lua"] // shares) for _ in range(stage.runs)]
        figures.append(Figure(title, name, "/s", values, control=control))
    return figures
