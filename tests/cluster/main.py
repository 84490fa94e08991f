"""Runs the tests of this folder, some at a time; one line for each, a summary line at the end."""

import argparse
import glob
import importlib
import os
import re
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import fixture  # pylint: disable=wrong-import-position


class Printer(unittest.TestResult):
    """ok / FAILED / skipped, the name, how long it took; the traceback below a failure."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self._start = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._start = time.monotonic()

    def _line(self, word, test, detail=""):
        print(f"{word:8}{test.id()}  {time.monotonic() - self._start:.1f} s{detail}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self._line("ok", test)

    def _failed(self, test, text):
        self._line("FAILED", test, "\n    " + text.strip().replace("\n", "\n    "))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            kind = self.failures if issubclass(err[0], test.failureException) else self.errors
            self._failed(subtest, kind[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("skipped", test, f" ({reason})")


def wanted_tests(words):
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{word}*" for word in words] or None
    for path in sorted(glob.glob(os.path.join(HERE, "*_test.py"))):
        yield loader.loadTestsFromModule(importlib.import_module(os.path.basename(path)[:-3]))


def tests_of(suite):
    for test in suite:
        yield from tests_of(test) if isinstance(test, unittest.TestSuite) else [test]


class Driver:
    """Several tests at a time, each in namespaces of its own below this one's: a process for each test. Those that
    measure how fast something is say so by `alone`, and run one after the other when the rest is done."""

    SUMMARY = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)

    def __init__(self, arguments):
        enter = os.path.join(HERE, "lab", "enter")
        own = ["--darter", arguments.darter, "--folder", arguments.folder]
        self.command = [enter, sys.executable, "-B", os.path.abspath(__file__), *own, "--id"]
        tests = [test for suite in wanted_tests(arguments.k) for test in tests_of(suite)]
        self.waiting, self.alone = ([test.id() for test in tests if getattr(test, "alone", False) == alone] for alone in (False, True))
        self.counts = [0, 0, 0]
        self.lock = threading.Lock()

    def run_one(self, name):
        done = subprocess.run([*self.command, name], stdout=subprocess.PIPE, text=True, check=False)
        found = self.SUMMARY.search(done.stdout)
        with self.lock:
            said = done.stdout[: found.start()] if found else f"FAILED  {name}: no result, status {done.returncode}\n"
            print(said, end="", flush=True)
            for i in range(3):
                self.counts[i] += int(found[i + 1]) if found else i == 1

    def work(self):
        while True:
            with self.lock:
                if not self.waiting:
                    return
                name = self.waiting.pop(0)
            self.run_one(name)

    def run(self, jobs):
        threads = [threading.Thread(target=self.work) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in self.alone:
            self.run_one(name)
        return self.counts


def run_here(suites):
    result = Printer()
    for suite in suites:
        suite.run(result)
    return [result.passed, len(result.failures) + len(result.errors), len(result.skipped)]


def default_darter():
    build = os.path.join(fixture.REPOSITORY, "build")
    for preset in ("asan", "release"):
        for place in ("darter", "bin/darter", "core/main/darter"):
            path = os.path.join(build, preset, place)
            if os.access(path, os.X_OK):
                return path
    return None


def main():
    parser = argparse.ArgumentParser(description="Tests with real processes in namespaces.")
    parser.add_argument("--darter", default=default_darter(), help="the program to test (default: the asan build's)")
    parser.add_argument("-k", action="append", default=[], metavar="WORD", help="only tests whose name contains WORD")
    parser.add_argument("--folder", default=fixture.settings["folder"], help="where logs are kept (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="tests at a time (default: %(default)s)")
    parser.add_argument("--id", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.darter or not os.access(arguments.darter, os.X_OK):
        parser.error(f"there is no program {arguments.darter or 'built yet'}")
    fixture.settings.update(darter=os.path.abspath(arguments.darter), folder=os.path.abspath(arguments.folder))
    if arguments.id:
        passed, failed, skipped = run_here([unittest.defaultTestLoader.loadTestsFromName(arguments.id)])
    elif arguments.jobs > 1:
        passed, failed, skipped = Driver(arguments).run(arguments.jobs)
    else:
        passed, failed, skipped = run_here(wanted_tests(arguments.k))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    os._exit(main())
