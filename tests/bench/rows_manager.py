"""What a manager costs: answers to daemons and to people, memory, start."""

import os
import shutil
import time
from contextlib import contextmanager

from databases import MariaDb, Sqlite, database, start_redis
from figures import Figure
from lab.darter import MANAGER_GRPC, MANAGER_REST
from row import row
from rows_daemon import by_maker, enter_ms, figure, healthy_after
from stage import Darter, cpu_seconds, memory_mib

CLUSTERS, SCHEDULERS, PEERS = 100, 10, 10000
ASKS, ASKS_AT_ONCE, HEALTH_ASKS = 2000, 64, 60000
REQUESTS, EASY_REQUESTS, CONNECTIONS = 4000, 40000, 64
DAY_MS = 86_400_000


@contextmanager
def running(stage, maker, kind):
    """A manager that has just started on an empty database of this kind, and that database."""
    node = stage.node("manager")
    with database(stage, kind, node) as kept:
        manager = maker.manager(node, kept.settings)
        manager.start(60)
        try:
            yield manager, kept
        finally:
            manager.process.kill()


# --- what is in it ---------------------------------------------------------------------------------------------------


def add_clusters(manager, count):
    """Clusters beside the first, each with scopes of its own; see asks.c for who asks for them."""
    for number in range(1, count):
        scopes = {
            "idc": f"idc-{number}",
            "location": f"region-{number % 10}|zone-{number}",
            "cidrs": [f"10.{number}.0.0/16"],
            "hostnames": [f"^node-{number}-[0-9]+$"],
        }
        body = {
            "name": f"bench-{number}",
            "scopes": scopes,
            "scheduler_cluster_config": {"candidate_parent_limit": 4, "filter_parent_limit": 40},
            "seed_peer_cluster_config": {"load_limit": 2000},
            "peer_cluster_config": {"load_limit": 200},
        }
        status, answer = manager.call("POST", "/clusters", body)
        if status != 200:
            raise RuntimeError(f"POST /clusters: {status} {answer}")


def now_ms():
    return int(time.time() * 1000)


def schedulers_sql():
    """Active ones for each cluster, which stay active though none of them says that it lives."""
    rows = [
        f"('scheduler-{cluster}-{number}', 'idc-{cluster}', 'region-{cluster % 10}', '10.{cluster}.255.{number + 1}', 8002,"
        f" 'active', '[\"schedule\"]', '{{}}', {now_ms() + DAY_MS}, {cluster}, {now_ms()}, {now_ms()})"
        for cluster in range(1, CLUSTERS + 1)
        for number in range(SCHEDULERS)
    ]
    return (
        "INSERT INTO schedulers (host_name, idc, location, ip, port, state, features_json, config_json,"
        " last_keep_alive_at, scheduler_cluster_id, created_at, updated_at) VALUES " + ",".join(rows) + ";"
    )


def peers_sql(count):
    rows = [
        f"('node-{number}', 'normal', 'idc-1', 'region-1|zone-{number % 20}', '10.0.{number // 250}.{number % 250}', 4000,"
        f" 4000, 4001, 0, 'active', 'linux', 'debian', 'debian', '12', '6.1.0', 'v1.5.0', 'abcdef12', 'linux/amd64', 1,"
        f" {now_ms()}, {now_ms()})"
        for number in range(count)
    ]
    return (
        "INSERT INTO peers (host_name, type, idc, location, ip, port, download_port, proxy_port, object_storage_port,"
        " state, os, platform, platform_family, platform_version, kernel_version, git_version, git_commit,"
        " build_platform, scheduler_cluster_id, created_at, updated_at) VALUES " + ",".join(rows) + ";"
    )


def insert(manager, kept, script):
    manager.process.stop(20)
    kept.run(script)
    manager.start(60)


# --- daemons ask -----------------------------------------------------------------------------------------------------


def without_scripts(stage):
    """A maker whose program finds no script, so the formula in it ranks: Lua's twin."""
    program = stage.makers[0].program
    folder = os.path.join(stage.lab.folder, "without-scripts")
    if not os.path.exists(folder):
        os.makedirs(folder)
        shutil.copy(program, folder)
        os.symlink(os.path.join(os.path.dirname(os.path.abspath(program)), "modules"), os.path.join(folder, "modules"))
    return Darter(os.path.join(folder, os.path.basename(program)))


def ask(stage, manager, what, calls):
    """(calls a second of the manager's processor time, calls a second, bytes of an answer)"""
    before = cpu_seconds(manager.process)
    arguments = [manager.node.ip, str(MANAGER_GRPC), what, str(calls), str(ASKS_AT_ONCE)]
    status, output, errors = stage.node("n1").try_to(stage.tool("asks"), *arguments, seconds=150)
    if status != 0:
        raise RuntimeError(errors.strip())
    seconds, size = (float(word) for word in output.split())
    return calls / max(cpu_seconds(manager.process) - before, 0.01), calls / seconds, size


@row("schedulers", "manager: ListSchedulers by scopes, 100 clusters of 10 schedulers; control: gRPC health, same port")
def list_schedulers(stage, title):
    share = 10 if stage.quick else 1
    twin = without_scripts(stage)
    unlimited = {"server": {"grpc": {"requestRateLimit": 10_000_000}}}
    node = stage.node("manager")
    asked = {"Lua": [], "C": []}
    control = []
    with database(stage, Sqlite.name, node) as kept:
        manager = stage.makers[0].manager(node, unlimited).start()
        add_clusters(manager, CLUSTERS)
        manager.process.stop(20)
        kept.run(schedulers_sql())
        for _ in range(stage.runs):
            for name, maker in (("Lua", stage.makers[0]), ("C", twin)):
                manager = maker.manager(node, unlimited).start()
                asked[name].append(ask(stage, manager, "schedulers", ASKS // share))
                if name == "Lua":
                    control.append(ask(stage, manager, "health", HEALTH_ASKS // share))
                else:
                    must_rank_by_itself(manager)
                manager.process.kill()

    def line(name, what, index, policy):
        values = [run[index] for run in asked[policy]]
        return Figure(title, f"{name}, {what}", "/s", values, control=[run[index] for run in control])

    size = [run[2] / 1024 for run in asked["Lua"]]
    return [
        line("a second of its processor time", "by dragonfly.lua", 0, "Lua"),
        line("a second of its processor time", "by the formula in C", 0, "C"),
        line("a second, with who asks on the other core", "by dragonfly.lua", 1, "Lua"),
        line("a second, with who asks on the other core", "by the formula in C", 1, "C"),
        Figure(title, "an answer", "KiB", size),
    ]


def must_rank_by_itself(manager):
    if "the built-in formula ranks clusters" not in manager.process.log_text():
        raise RuntimeError("a manager without scripts was to rank by the formula in C")


# --- people ask ------------------------------------------------------------------------------------------------------


def load(stage, address, port, path, header, process, count):
    """(requests a second of processor time, requests a second, p99 in ms, bytes of an answer)"""
    count //= 20 if stage.quick else 1
    node = stage.node("n1")
    node.write("/tmp/paths", f"{path}\n" * count)
    before = cpu_seconds(process)
    arguments = [address, str(port), str(CONNECTIONS), "/tmp/paths", *header]
    status, output, errors = node.try_to(stage.tool("load"), *arguments, seconds=150)
    if status != 0:
        raise RuntimeError(f"bench_load: {errors.strip()}")
    seconds, _, late, size = (float(word) for word in output.split())
    return count / max(cpu_seconds(process) - before, 0.01), count / seconds, late, size / count


def load_clusters(stage, maker, kind):
    """{"clusters", "healthy", "nginx": what load() says}; nginx gives a file as large as the list."""
    with running(stage, maker, kind) as (manager, _):
        add_clusters(manager, CLUSTERS)
        place, process = (manager.node.ip, MANAGER_REST), manager.process
        bearer = [f"Authorization: Bearer {manager.token}"]
        list_ = load(stage, *place, "/api/v1/clusters", bearer, process, REQUESTS)
        healthy = load(stage, *place, "/healthy", (), process, EASY_REQUESTS)
        nginx = stage.origin
        path = stage.files.plain(int(list_[3]))
        file = load(stage, nginx.node.ip, 80, path, (), nginx.worker(), EASY_REQUESTS)
        return {"clusters": list_, "healthy": healthy, "nginx": file}


@row("clusters", "manager: GET /api/v1/clusters, 10 of 100, 64 connections; controls: its /healthy, nginx and a file")
def clusters(stage, title):
    kinds = (Sqlite.name, MariaDb.name)
    runs = {}
    for _ in range(stage.runs):
        for kind in kinds:
            runs.setdefault(("Darter", kind), []).append(load_clusters(stage, stage.makers[0], kind))
        for maker in stage.makers[1:]:
            runs.setdefault((maker.name, MariaDb.name), []).append(load_clusters(stage, maker, MariaDb.name))

    def line(name, unit, index, kind, control):
        ours = runs[("Darter", kind)]
        theirs = [run["clusters"][index] for run in runs.get(("Dragonfly", kind), [])]
        values = [run["clusters"][index] for run in ours]
        return Figure(title, f"{name}, {kind}", unit, values, control=[run[control][index] for run in ours],
                      control_name=control, theirs=theirs)

    figures = []
    for kind in kinds:
        figures += [
            line("a second of its processor time", "/s", 0, kind, "healthy"),
            line("a second, with who asks on the other core", "/s", 1, kind, "nginx"),
            line("p99", "ms", 2, kind, "healthy"),
        ]
    return figures


# --- what it takes ---------------------------------------------------------------------------------------------------


def kind_of(maker):
    return Sqlite.name if maker.name == "Darter" else MariaDb.name


def redis_memory(stage):
    """Of an empty redis-server: RssAnon and RSS."""
    redis = start_redis(stage.node("redis"))
    try:
        return memory_mib(redis, "RssAnon"), memory_mib(redis, "VmRSS")
    finally:
        redis.kill()


@row(
    "manager-memory",
    "memory of a manager: idle, after one sign-in and one list; with 10,000 peers listed at once; control: an empty redis-server",
)
def memory(stage, title):
    control = [redis_memory(stage) for _ in range(stage.runs)]
    own, resident = [list(each) for each in zip(*control)]
    count = PEERS // (10 if stage.quick else 1)

    def measure(maker):
        with running(stage, maker, kind_of(maker)) as (manager, kept):
            manager.call("GET", "/clusters")
            idle, in_all = memory_mib(manager.process, "RssAnon"), memory_mib(manager.process, "VmRSS")
            if maker.name != "Darter":
                return idle, in_all, 0
            insert(manager, kept, peers_sql(count))
            status, listed = manager.call("GET", f"/peers?per_page={count}")
            if status != 200 or len(listed) != count:
                raise RuntimeError(f"GET /peers: {status}, {len(listed)} peers")
            return idle, in_all, memory_mib(manager.process, "RssAnon")

    values = by_maker(stage, measure)

    def part(index):
        return {name: [run[index] for run in runs] for name, runs in values.items()}

    listed = {"Darter": part(2)["Darter"]}
    return [
        figure(title, "its own (RssAnon), idle", "MiB", part(0), control=own, limit=10),
        figure(title, "resident (RSS), idle", "MiB", part(1), control=resident, known="92 MiB"),
        figure(title, "its own, 10,000 peers listed", "MiB", listed, control=own),
    ]


@row("manager-start", "start of a manager on the database it had, until healthy (with some 20 ms of the measuring)")
def start(stage, title):
    def measure(maker):
        with running(stage, maker, kind_of(maker)) as (manager, _):
            manager.process.stop(20)
            return healthy_after(manager, MANAGER_REST) * 1000

    entry = [enter_ms(stage) for _ in range(stage.runs)]
    return [figure(title, "start to healthy", "ms", by_maker(stage, measure), control=entry, limit=50, known="120 ms")]
