"""Runs the tests of this folder one after the other; one line for each, a summary line at the end."""

import argparse
import glob
import importlib
import os
import sys
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

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("skipped", test, f" ({reason})")


def wanted_tests(words):
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{word}*" for word in words] or None
    for path in sorted(glob.glob(os.path.join(HERE, "*_test.py"))):
        yield loader.loadTestsFromModule(importlib.import_module(os.path.basename(path)[:-3]))


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
    arguments = parser.parse_args()
    if not arguments.darter or not os.access(arguments.darter, os.X_OK):
        parser.error(f"there is no program {arguments.darter or 'built yet'}")
    fixture.settings.update(darter=os.path.abspath(arguments.darter), folder=os.path.abspath(arguments.folder))
    result = Printer()
    for suite in wanted_tests(arguments.k):
        suite.run(result)
    failed = len(result.failures) + len(result.errors)
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped", flush=True)
    return 0 if result.passed and not failed else 1


if __name__ == "__main__":
    os._exit(main())
