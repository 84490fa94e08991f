"""Asking for many files: bench_load does it, over connections that stay."""

import os

from stage import PROXY

AT_ONCE = 16


def small_files(stage, count, size):
    """URL paths of `count` files of `size` bytes under new names."""
    return [stage.files.plain(size) for _ in range(count)]


def _ask(stage, node, address, port, prefix, paths):
    """Seconds until all were there; each must be answered by 200."""
    folder = node.path("/tmp")
    with open(os.path.join(folder, "paths"), "w", encoding="utf-8") as file:
        file.write("".join(f"{prefix}{path}\n" for path in paths))
    status, output, errors = node.try_to(stage.tool("load"), address, str(port), str(AT_ONCE), "/tmp/paths", seconds=120)
    if status != 0:
        raise RuntimeError(f"bench_load: {errors.strip()}")
    return float(output.split()[0])


def ask_straight(stage, name, paths):
    return _ask(stage, stage.node(name), stage.origin.node.ip, 80, "", paths)


def ask_all(cluster, name, paths):
    """By way of the node's daemon, as of a proxy."""
    stage = cluster.stage
    return _ask(stage, stage.node(name), "127.0.0.1", PROXY, f"http://{stage.origin.node.ip}", paths)
