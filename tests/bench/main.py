"""Measures the rows that are asked for; see run."""

import argparse
import os
import shutil
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(REPOSITORY, "tests", "cluster")]

# pylint: disable=wrong-import-position, unused-import
import figures
import rows_crowd
import rows_daemon
import rows_manager
import rows_scheduler
import rows_small
import rows_transfer
import rows_trouble
from lab.lab import Lab
from row import ROWS
from stage import Darter, Dragonfly, Stage

FOLDER = os.path.join(REPOSITORY, "build", "bench")


def arguments():
    parser = argparse.ArgumentParser(prog="tests/bench/run", add_help=False)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--darter")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    given = parser.parse_args()
    unknown = set(given.rows) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}; --list shows them")
    return given


def machine(stage, given):
    """What a reader of the figures must know."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), "unknown")
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cores": os.cpu_count(),
        "processor": model,
        "kernel": os.uname().release,
        "congestion_control": stage.congestion(),
        "runs": stage.runs,
        "quick": stage.quick,
        "load_at_start": os.getloadavg()[0],
    }


def measure(stage, wanted):
    """All figures, and how many rows failed."""
    found, failed = [], 0
    for row in wanted:
        start = time.monotonic()
        try:
            measured = row.measure(stage, row.title)
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc()
            print(f"FAILED  {row.name}", flush=True)
            failed += 1
            continue
        found += measured
        print(f"{row.name}, {time.monotonic() - start:.0f} s", flush=True)
        print(figures.table(measured) + "\n", flush=True)
    return found, failed


def main():
    given = arguments()
    if given.list:
        for row in ROWS:
            print(f"{row.name:18}{row.title}")
        return 0
    folder = os.path.join(FOLDER, "lab")
    os.makedirs(folder, exist_ok=True)
    logs = os.path.join(FOLDER, "logs", "nodes")
    shutil.rmtree(logs, ignore_errors=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=14g", "bench", folder], check=True)
    makers = [Darter(given.darter)]
    if os.environ.get("DRAGONFLY_BIN"):
        makers.append(Dragonfly(os.path.abspath(os.environ["DRAGONFLY_BIN"])))
    stage = Stage(Lab(folder, logs), makers, REPOSITORY, given.runs, given.quick)
    stage.touch_memory()
    about = machine(stage, given)
    print(", ".join(f"{key} {value}" for key, value in about.items()) + "\n", flush=True)
    wanted = [row for row in ROWS if not given.rows or row.name in given.rows]
    found, failed = measure(stage, wanted)
    stage.lab.close()
    with open(os.path.join(FOLDER, "results.json"), "w", encoding="utf-8") as file:
        file.write(figures.as_json(found, about))
    if len(wanted) > 1:
        print(figures.table(found))
    print(f"\n{len(wanted) - failed} rows measured, {failed} failed; {os.path.relpath(FOLDER)}/results.json")
    return 0 if not failed else 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)
