"""How packaging/quickstart ends: by itself, by Ctrl-C, SIGTERM or kill -9 at several moments, by a failure, by --stop.

    tests/quickstart_endings.py [--darter BINARY] [-k WORD]    (root)

After each run nothing may be left: no process, mount, network link, cgroup, or file outside the build folder; and the
next run must work. What a run started is found as this process's descendants, so others' work does not disturb. A
small image stands in for that of the demonstration, so that a run takes seconds. Moments that could be missed are made
long: see PROGRAM and WRAPPERS. Everything is in build/endings.
"""

import argparse
import atexit
import ctypes
import fcntl
import glob
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
from contextlib import contextmanager, nullcontext

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)
sys.path += [os.path.join(HERE, "cluster"), os.path.join(REPOSITORY, "packaging", "demo")]

import demo_image  # pylint: disable=wrong-import-position
from lab import image  # pylint: disable=wrong-import-position
from lab.wait import until  # pylint: disable=wrong-import-position

FOLDER = os.path.join(REPOSITORY, "build", "endings")
QUICKSTART = os.path.join(REPOSITORY, "packaging", "quickstart")
END_SECONDS = 20
RUN_SECONDS = 120
LAYER_SIZES = (5 << 20, 24 << 20, 40 << 20)
PR_SET_CHILD_SUBREAPER = 36
OURS = ("quickstart", "containerd", "docker-registry", "runc")
PROGRAM = """\
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    sleep(%d);
    return puts("%s") < 0;
}
"""

IMAGE, LASTING = os.path.join(FOLDER, "image"), os.path.join(FOLDER, "image.lasting")
LASTING_SECONDS = 300  # of its program, which is always ended
LINGERS = "/run/lingers"  # is there, on its node, when a lingering daemon was told to end
WRAPPERS = {
    "slow": 'exec {darter} "$@" --set download.bandwidthLimit=10MB',
    "lingering": "trap 'touch {lingers}; while :; do sleep 1; done' TERM\n{darter} \"$@\" &\nwait",
}


def descendants():
    """Processes below this one that have not ended, {pid: command line}."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as stat:
                state, parent = stat.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state not in "ZX":
            parents[int(path.split("/")[2])] = int(parent)
    found, new = set(), {os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new}
        found |= new
    return {pid: command_line(pid) for pid in found}


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace")[:200]
    except OSError:
        return "?"


# What systemd, udev and apt change whenever they like.
OTHERS = ("/run/systemd", "/run/user", "/run/udev", "/run/log", "/var/lib/systemd", "/var/log/journal")
OTHERS += ("/var/lib/apt", "/var/cache/apt", REPOSITORY)


def tree(root, depth):
    """Names of what lies below `root`; changing a file below /etc counts as a new name."""
    found = set()
    for folder, folders, files in os.walk(root):
        if folder.startswith(OTHERS):
            folders.clear()
            continue
        if folder.rstrip("/").count("/") >= depth:
            folders.clear()
        for name in folders + files:
            path = os.path.join(folder, name)
            try:
                changed = os.lstat(path).st_mtime if root == "/etc" and name in files and name != "ld.so.cache" else ""
            except OSError:
                continue
            found.add(f"{path} {changed}")
    return found


def machine():
    """What the machine has, by kind: sets of names."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = set(file.read().splitlines())
    files = set()
    for root, depth in (("/etc", 9), ("/run", 4), ("/var", 3), ("/usr/sbin", 2), ("/usr/local", 3), ("/root", 2)):
        files |= tree(root, depth)
    files |= {f"{place}/{name}" for place in ("", "/opt", "/srv", "/home") for name in os.listdir(place or "/")}
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        files |= {f"{place}/{name}" for name in os.listdir(place) if any(word in name for word in OURS)}
    return {"mounts": mounts, "links": set(os.listdir("/sys/class/net")), "files": files}


class Run:
    """One run of the script. On a terminal of its own, or with its output in a pipe."""

    def __init__(self, darter, *arguments, terminal=False, env=None):
        self.text = ""
        self.temporary = tempfile.mkdtemp(dir=FOLDER)
        self.before = machine()
        command = [QUICKSTART, "--darter", darter, *arguments]
        full_env = dict(os.environ, DARTER_QUICKSTART_FOLDER=FOLDER, TMPDIR=self.temporary, **(env or {}))
        ours, theirs = pty.openpty() if terminal else os.pipe()
        self.terminal = ours if terminal else None

        def take_terminal():
            if terminal:
                fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(  # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
            command, stdin=theirs if terminal else subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=full_env,
            start_new_session=True, preexec_fn=take_terminal,
        )
        os.close(theirs)
        self.reader = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self.reader.start()

    def _read(self, source):
        while True:
            try:
                data = os.read(source, 65536)
            except OSError:
                break
            if not data:
                break
            self.text += data.decode("utf-8", "replace")
        os.close(source)

    def cgroups(self):
        return glob.glob(f"/sys/fs/cgroup/**/darter-quickstart-{self.process.pid}*", recursive=True)

    def wait_for(self, moment):
        """Waits until moment(self) is true; the run must not end before."""

        def check():
            if moment(self):
                return True
            assert self.process.poll() is None, f"it ended (status {self.process.returncode}) before the moment came"
            return False

        until(RUN_SECONDS, "the moment comes", check, pause=0.01)

    def interrupt(self, number):
        """As Ctrl-C does on a terminal; other signals go to the script alone."""
        if number == signal.SIGINT and self.terminal is not None:
            os.write(self.terminal, b"\x03")
        elif number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            os.kill(self.process.pid, number)

    def status(self, seconds=RUN_SECONDS):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {seconds} s") from None

    def expect_status(self, *wanted, seconds=RUN_SECONDS):
        status = self.status(seconds)
        assert status in wanted, f"status {status}, wanted {wanted}"

    def expect_output_ends(self):
        self.reader.join(5)
        assert not self.reader.is_alive(), "somebody still has its output open"

    def expect_nothing_left(self):
        until(END_SECONDS, "all its processes have ended", lambda: not descendants())
        self.expect_output_ends()
        until(END_SECONDS, "its cgroups are gone", lambda: not self.cgroups())
        until(END_SECONDS, "its network links are gone", lambda: not machine()["links"] - self.before["links"])
        after = machine()
        for kind, names in after.items():
            new, gone = sorted(names - self.before[kind]), sorted(self.before[kind] - names)
            assert not new and not gone, f"{kind} changed: new {new}, gone {gone}"
        assert not os.listdir(self.temporary), f"left in TMPDIR: {os.listdir(self.temporary)}"
        os.rmdir(self.temporary)


def make_small_image(seconds):
    """An image that stands in for the demonstration's: its program says what the compilers would, after so long."""
    os.makedirs(IMAGE)
    program = os.path.join(FOLDER, "program")
    with open(program + ".c", "w", encoding="ascii") as file:
        file.write(PROGRAM % (seconds, ", ".join(demo_image.WANTED)))
    subprocess.run(["gcc", "-static", "-o", program, program + ".c"], check=True)

    def base(root):
        target = os.path.join(root, demo_image.PROGRAM[0].lstrip("/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(program, target)
        for name in ("proc", "sys", "dev", "tmp", "etc"):
            os.mkdir(os.path.join(root, name))

    image.make_image(IMAGE, [base] + [image.noise(size) for size in LAYER_SIZES], [], demo_image.PROGRAM)
    image.write_json(os.path.join(IMAGE, "made-from.json"), demo_image.stamp())


def make_images():
    make_small_image(LASTING_SECONDS)
    os.rename(IMAGE, LASTING)
    make_small_image(0)


@contextmanager
def without_image():
    """While inside, the image is still to be made."""
    aside = IMAGE + ".aside"
    shutil.rmtree(os.path.join(FOLDER, "packages"), ignore_errors=True)
    os.rename(IMAGE, aside)
    try:
        yield
    finally:
        shutil.rmtree(IMAGE, ignore_errors=True)
        os.rename(aside, IMAGE)


@contextmanager
def with_lasting_program():
    """While inside, the image is the one whose program does not end by itself."""
    with without_image():
        os.rename(LASTING, IMAGE)
        try:
            yield
        finally:
            os.rename(IMAGE, LASTING)


def wrapped(darter, kind):
    """A program that is darter, but for daemons of this kind of WRAPPERS."""
    path = os.path.join(FOLDER, kind)
    names = {"darter": shlex.quote(darter), "lingers": LINGERS}
    with open(path, "w", encoding="utf-8") as file:
        file.write('#!/bin/sh\n[ "$1" = daemon ] || exec {darter} "$@"\n'.format(**names))
        file.write(WRAPPERS[kind].format(**names) + "\n")
    os.chmod(path, 0o755)
    return path


def nodes_come_up(run):
    return "Making an image" in run.text and os.path.exists(f"{FOLDER}/nodes/registry")


def first_pull_is_on(run):
    blobs = f"{FOLDER}/nodes/node1/var/lib/containerd/io.containerd.content.v1.content/ingest/*/data"
    return "Pulling on node 1, through Darter" in run.text and any(os.path.getsize(path) for path in glob.glob(blobs))


def container_runs(run):
    """Also where the machine lets no container manager work, and the program runs without one."""
    program = " ".join(demo_image.PROGRAM)
    return "Running the pulled" in run.text and any(command.startswith(program) for command in descendants().values())


MOMENTS = {
    "at once": lambda run: True,
    "while packages are checked": lambda run: "Installing packages" in run.text,
    "while the image is made": lambda run: "Making" in run.text and os.path.exists(f"{FOLDER}/packages"),
    "while nodes come up": nodes_come_up,
    "in a pull": first_pull_is_on,
    "while a container runs": container_runs,
    "while all of it ends": lambda run: glob.glob(f"{FOLDER}/nodes/*{LINGERS}"),
}
SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "kill -9": signal.SIGKILL}


def interrupted(darter, name, when):
    number, moment = SIGNALS[name], MOMENTS[when]
    wanted = [-number] if number == signal.SIGKILL else [128 + number]
    if when == "at once":
        wanted.append(-number)  # bash itself had not begun yet
    programs = {"in a pull": "slow", "while all of it ends": "lingering"}
    images = {"while the image is made": without_image, "while a container runs": with_lasting_program}
    program = wrapped(darter, programs[when]) if when in programs else darter
    for lingers in MOMENTS["while all of it ends"](None):
        os.unlink(lingers)  # of the run before
    with images.get(when, nullcontext)():
        run = Run(program, terminal=number == signal.SIGINT)
        run.wait_for(moment)
        run.interrupt(number)
        run.expect_status(*wanted, seconds=END_SECONDS)
        run.expect_nothing_left()


def by_itself(darter, *arguments):
    for terminal in (False, True):
        run = Run(darter, *arguments, terminal=terminal)
        run.expect_status(0)
        run.expect_nothing_left()
        assert "All of it has ended" in run.text, run.text
        assert not os.path.exists(f"{FOLDER}/nodes"), "the nodes' files are left"


def two_clusters_are_interrupted(darter):
    for name, number in SIGNALS.items():
        run = Run(darter, "--two-clusters", terminal=name == "Ctrl-C")
        run.wait_for(lambda run: "Pulling on kind-worker3 (B), first" in run.text)
        run.interrupt(number)
        run.expect_status(-number if number == signal.SIGKILL else 128 + number, seconds=END_SECONDS)
        run.expect_nothing_left()


def group_is_killed(darter):
    """As a job runner does at its time limit."""
    with with_lasting_program():
        run = Run(darter)
        run.wait_for(MOMENTS["while a container runs"])
        os.killpg(run.process.pid, signal.SIGKILL)
        run.expect_status(-signal.SIGKILL)
        run.expect_nothing_left()


def terminal_is_closed(darter):
    run = Run(wrapped(darter, "slow"))
    run.wait_for(MOMENTS["in a pull"])
    run.interrupt(signal.SIGHUP)
    run.expect_status(129, seconds=END_SECONDS)
    run.expect_nothing_left()


def broken_program(darter):
    del darter
    broken = os.path.join(FOLDER, "broken")
    with open(broken, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho out of order >&2\nexit 7\n")
    os.chmod(broken, 0o755)
    run = Run(broken)
    run.expect_status(1)
    run.expect_nothing_left()
    assert "FAILED  scheduler on scheduler ended" in run.text and f"{FOLDER}/logs" in run.text, run.text
    with open(f"{FOLDER}/logs/scheduler/scheduler.log", encoding="utf-8") as log:
        assert "out of order" in log.read()


def no_such_program(darter):
    run = Run(darter + ".not-there")
    run.expect_status(1)
    run.expect_nothing_left()
    assert "not-there" in run.text, run.text


def image_cannot_be_made(darter):
    config = os.path.join(FOLDER, "apt.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write("this is no configuration {\n")
    with without_image():
        run = Run(darter, env={"APT_CONFIG": config})
        run.expect_status(1)
        run.expect_nothing_left()
    assert "FAILED  Making an image" in run.text and "apt.conf" in run.text, run.text


def script(*arguments, seconds=60):
    """packaging/quickstart with other options; returns (status, output)."""
    result = subprocess.run(
        [QUICKSTART, *arguments], env=dict(os.environ, DARTER_QUICKSTART_FOLDER=FOLDER), timeout=seconds, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    return result.returncode, result.stdout


def kept(darter, *, end):
    run = Run(darter, "--keep")
    run.expect_status(0)
    run.expect_output_ends()
    assert "ok      the image's program ran" in run.text and "packaging/quickstart --stop" in run.text, run.text
    try:
        status, text = script("--enter", "node2", "curl", "-sS", "http://127.0.0.1:4002/metrics")
        assert status == 0 and "darter_download_bytes_total" in text, text
        status, text = script("--enter", "nowhere")
        assert status == 1 and "registry scheduler seed node1 node2" in text, text
        status, text = script("--darter", darter)
        assert status == 1 and "packaging/quickstart --stop ends" in text, text
        assert "node1" in script("--enter", "node1", "hostname")[1]
    finally:
        end()
    run.expect_nothing_left()
    status, text = script("--stop")
    assert status == 1 and "nothing is up" in text, text


def stop():
    status, text = script("--stop")
    assert (status, text) == (0, ""), text


def kill_holder():
    with open(f"{FOLDER}/pid", encoding="ascii") as file:
        os.kill(int(file.read()), signal.SIGKILL)


def keep_is_killed_in_a_pull(darter):
    run = Run(wrapped(darter, "slow"), "--keep")
    run.wait_for(MOMENTS["in a pull"])
    run.interrupt(signal.SIGKILL)
    run.expect_status(-signal.SIGKILL)
    run.expect_nothing_left()


def stopped_from_elsewhere(darter):
    run = Run(wrapped(darter, "slow"))
    run.wait_for(MOMENTS["in a pull"])
    stop()
    run.expect_status(1, seconds=END_SECONDS)
    run.expect_nothing_left()


def cases():
    yield "by itself", by_itself
    for when in MOMENTS:
        for name in SIGNALS:
            yield f"{name} {when}", lambda darter, name=name, when=when: interrupted(darter, name, when)
    yield "two clusters, by itself", lambda darter: by_itself(darter, "--two-clusters")
    yield "two clusters, interrupted in a pull", two_clusters_are_interrupted
    yield "SIGHUP in a pull", terminal_is_closed
    yield "kill -9 of the process group while a container runs", group_is_killed
    yield "a program that does not work", broken_program
    yield "a program that is not there", no_such_program
    yield "an image that cannot be made", image_cannot_be_made
    yield "--keep, then --stop", lambda darter: kept(darter, end=stop)
    yield "--keep, then kill -9", lambda darter: kept(darter, end=kill_holder)
    yield "--keep and kill -9 in a pull", keep_is_killed_in_a_pull
    yield "--stop in a pull", stopped_from_elsewhere
    yield "by itself, after all that", by_itself


def end_everything():
    for pid in descendants():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    until(END_SECONDS, "what a test left has ended", lambda: not descendants())


def main():
    parser = argparse.ArgumentParser(description="How packaging/quickstart ends.")
    parser.add_argument("--darter", default=os.path.join(REPOSITORY, "build", "release", "darter"))
    parser.add_argument("-k", default="", metavar="WORD", help="only cases whose name contains WORD")
    arguments = parser.parse_args()
    darter = os.path.abspath(arguments.darter)
    if not os.access(darter, os.X_OK):
        parser.error(f"there is no program {darter}")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    make_images()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    atexit.register(end_everything)
    passed = failed = 0
    for name, case in cases():
        if arguments.k not in name:
            continue
        start = time.monotonic()
        try:
            case(darter)
            passed += 1
            print(f"ok      {name}  {time.monotonic() - start:.1f} s", flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAILED  {name}  {time.monotonic() - start:.1f} s\n    {error}", flush=True)
            for pid, command in descendants().items():
                print(f"    still there: {pid} {command}", flush=True)
            end_everything()
    print(f"{passed} passed, {failed} failed, 0 skipped", flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
