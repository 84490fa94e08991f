"""One program running on a node: start, signals, freezing, its end. Output goes to a log file."""

import os
import signal
import subprocess

from .wait import DeadlineExceeded, until


def child_of(parent):
    """The first child of process `parent` as seen in /proc, or None."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            return int(name)
    return None


def _runs(pid):
    """Whether process `pid` has not ended: it is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Process:
    """A program entered into a node by nsenter; `pid` is the program itself, not nsenter."""

    def __init__(self, name, command, log, env=None):
        self.name = name
        self.log = log
        with open(log, "ab") as output:
            self._start(command, output, env)

    def _start(self, command, output, env):
        self._entry = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, start_new_session=True
        )
        self.pid = None

        def program():
            if self._entry.poll() is not None:
                return True
            self.pid = child_of(self._entry.pid)
            return self.pid

        until(30, f"{self.name} starts", program)

    def alive(self):
        return self._entry.poll() is None

    def signal(self, number):
        if self.alive() and self.pid:
            os.kill(self.pid, number)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)
        self.wake_entry()

    def wake_entry(self):
        """nsenter stops itself together with its program, and must go on to see the program's end."""
        if self.alive():
            self._entry.send_signal(signal.SIGCONT)

    def kill(self):
        """kill -9, and waits for the end."""
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def stop(self, seconds=10):
        """Asks to end (SIGTERM) and returns the exit status; fails, after a kill -9, when it does not obey in time."""
        self.thaw()
        self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except DeadlineExceeded:
            self.kill()
            raise

    def wait(self, seconds):
        """The exit status; negative is the signal that ended it."""
        try:
            return until(seconds, "end", self._ended)[0]
        except DeadlineExceeded:
            raise DeadlineExceeded(f"not within {seconds:g} s: {self.name} ends; its log: {self.log}") from None

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def _ended(self):
        status = self._entry.poll()
        if status is not None:
            return (status,)
        # A frozen program's nsenter is frozen too; when the program has ended meanwhile, nsenter must wake to say so.
        if self.pid and not _runs(self.pid):
            self.wake_entry()
        return None

    def rss_anon_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1])
        return 0

    def open_files(self):
        """Targets of the open descriptors."""
        folder = f"/proc/{self.pid}/fd"
        targets = []
        for name in os.listdir(folder):
            try:
                targets.append(os.readlink(f"{folder}/{name}"))
            except OSError:
                pass
        return targets
