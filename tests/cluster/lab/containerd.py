"""containerd on a node, on its usual paths: start, CRI pulls, running a pulled program, checking what it stored."""

import os
import shutil
import subprocess

from .cri import ImageService, PullError
from .image import file_sha256
from .wait import until

SOCKET = "/run/containerd/containerd.sock"
STATE = "/var/lib/containerd"
CONTENT = STATE + "/io.containerd.content.v1.content"
BLOBS = CONTENT + "/blobs/sha256"
CONFIG = """\
version = 2

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  disable_tcp_service = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"""


def snapshotter_for(folder):
    """overlayfs where the folder's file system lets it, else native (slower: it copies)."""
    test = os.path.join(folder, "overlay-test")
    for name in ("lower", "upper", "work", "both"):
        os.makedirs(os.path.join(test, name), exist_ok=True)
    options = f"lowerdir={test}/lower,upperdir={test}/upper,workdir={test}/work"
    mount = subprocess.run(
        ["mount", "-n", "-t", "overlay", "overlay", "-o", options, test + "/both"], capture_output=True, check=False
    )
    if mount.returncode == 0:
        subprocess.run(["umount", "-n", test + "/both"], check=True)
    shutil.rmtree(test)
    return "overlayfs" if mount.returncode == 0 else "native"


class Containerd:
    def __init__(self, node):
        self.node = node
        self.process = None
        self.snapshotter = snapshotter_for(node.folder)
        node.write("/etc/containerd/config.toml", CONFIG.format(snapshotter=self.snapshotter))

    def trust_plain_http(self, host):
        """Lets containerd talk plain HTTP to the registry `host` (name:port), directly."""
        text = f'server = "http://{host}"\n\n[host."http://{host}"]\n  capabilities = ["pull", "resolve"]\n'
        self.node.write(f"/etc/containerd/certs.d/{host}/hosts.toml", text)

    def start(self):
        self.process = self.node.start("containerd", "containerd")
        images = ImageService(self.node.socket_path(SOCKET))

        def ready():
            if not self.process.alive():
                raise RuntimeError(f"containerd ended; its log: {self.process.log}")
            try:
                return images.ready()
            except PullError:
                return False

        until(30, f"containerd answers; its log: {self.process.log}", ready, pause=0.1)

    def stop(self):
        self.process.stop(20)

    def forget(self):
        """Stops containerd and removes all that it pulled."""
        self.stop()
        shutil.rmtree(self.node.path(STATE))

    def pull(self, reference, seconds=300):
        """Pulls through CRI, the way kubelet does; PullError says what went wrong."""
        return ImageService(self.node.socket_path(SOCKET)).pull(reference, seconds)

    def remove(self, reference):
        """Removes the image and its content, the way crictl rmi does."""
        ImageService(self.node.socket_path(SOCKET)).remove(reference)
        until(10, "the image's content is gone", lambda: self.stored() == 0)

    def stored(self):
        """Bytes of content that have arrived so far, blobs under way included."""
        total = 0
        for folder, _, names in os.walk(self.node.path(CONTENT)):
            for name in names:
                try:
                    total += os.path.getsize(os.path.join(folder, name))
                except OSError:
                    pass  # it was moved to where it belongs
        return total

    def check_blobs(self, blobs):
        """Hashes what containerd stored of these blobs; returns how many are there and right."""
        right = 0
        for blob in blobs:
            name = blob.digest.partition(":")[2]
            path = os.path.join(self.node.path(BLOBS), name)
            if os.path.exists(path) and file_sha256(path) == name:
                right += 1
        return right

    def run(self, reference, command, cgroup):
        """Runs a program of a pulled image; returns its output. `cgroup` is made where the machine has cgroups.

        Machines that do not let runc work (no cgroups, say) run it in plain namespaces on the same files.
        """
        base = ["ctr", "-n", "k8s.io"]
        status, output, errors = self.node.try_to(
            *base, "run", "--rm", "--snapshotter", self.snapshotter, "--cgroup", cgroup, reference, "demo", *command
        )
        if status == 0:
            return output, "runc"
        self.node.try_to(*base, "containers", "rm", "demo")
        place = "/run/pulled-image"
        self.node.enter("mkdir", "-p", place)
        self.node.enter(*base, "images", "mount", "--rw", "--snapshotter", self.snapshotter, reference, place)
        try:
            inside = ["unshare", "--mount", "--pid", "--fork", "env", "-i", "PATH=/usr/bin:/bin:/usr/sbin"]
            again, output, more = self.node.try_to(*inside, "chroot", place, *command)
        finally:
            self.node.enter("umount", place)
        if again != 0:
            raise RuntimeError(f"the image's program failed under runc ({errors.strip()}) and without ({more.strip()})")
        return output, "chroot, since runc says: " + errors.strip().splitlines()[-1]
