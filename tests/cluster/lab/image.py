"""Makes a container image out of files and Debian packages, without any container engine.

The same packages give the same bytes: names are sorted, times and owners fixed. An image that was made before
from the same packages is used again.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
EPOCH = "2024-01-01T00:00:00Z"
MERGED = ("bin", "lib", "lib64", "sbin")


class Blob:
    """A file of the registry: layer, configuration or manifest."""

    def __init__(self, path, media_type, digest=None):
        self.path = path
        self.media_type = media_type
        self.size = os.path.getsize(path)
        self.digest = digest or "sha256:" + file_sha256(path)

    def descriptor(self):
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class Image:
    def __init__(self, manifest, config, layers):
        self.manifest = manifest
        self.config = config
        self.layers = layers

    def size(self):
        return sum(layer.size for layer in self.layers)


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def architecture():
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def apt_get(*arguments, folder):
    """What apt-get prints. Where it fails, it is tried again with new package lists: they may be missing or old."""
    command = ["apt-get", "-q", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        subprocess.run(["apt-get", "-q", "update"], capture_output=True, check=False)
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:6])} ...: {result.stderr.strip()}")
    return result.stdout


def package_closure(folder, roots):
    """Names of the packages that an empty system needs for `roots`, as apt resolves them."""
    empty = os.path.join(folder, "no-packages")
    with open(empty, "w", encoding="ascii"):
        pass
    options = ["--simulate", "-o", f"Dir::State::status={empty}", "--no-install-recommends"]
    plan = apt_get(*options, "install", *roots, folder=folder)
    return sorted({line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")})


def download(folder, packages):
    """Fetches the packages' files by apt into `folder`; returns {package: path}."""
    os.makedirs(folder, exist_ok=True)
    names = [name if ":" in name else f"{name}:{architecture()}" for name in packages]
    apt_get("-o", "APT::Sandbox::User=root", "download", *names, folder=folder)
    found = {}
    for file in sorted(os.listdir(folder)):
        found[file.partition("_")[0]] = os.path.join(folder, file)
    return {name: found[name.partition(":")[0]] for name in packages}


def unpack(package_file, tree):
    """Unpacks a Debian package below `tree`, with /bin, /lib and /sbin merged into /usr."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package_file], stdout=subprocess.PIPE) as source:
        subprocess.run(
            ["tar", "-x", "--keep-directory-symlink", "--exclude=./usr/share/doc", "--exclude=./usr/share/man",
             "-C", tree],
            stdin=source.stdout, check=True,
        )
    if source.returncode != 0:
        raise RuntimeError(f"dpkg-deb cannot read {package_file}")


def merge_usr(tree):
    """An empty layer tree whose /bin, /lib, ... lead into /usr."""
    for name in MERGED:
        os.makedirs(os.path.join(tree, "usr", name), exist_ok=True)
        os.symlink("usr/" + name, os.path.join(tree, name))


def pack(tree, target, keep_links):
    """Packs `tree` as a compressed layer; returns (Blob, diff id). Only the lowest layer keeps the /bin links."""
    command = ["tar", "--sort=name", "--mtime=" + EPOCH, "--owner=0", "--group=0", "--numeric-owner", "-C", tree]
    command += [] if keep_links else [f"--exclude=./{name}" for name in MERGED]
    plain = hashlib.sha256()
    with open(target, "wb") as output:
        archive = subprocess.Popen(command + ["-cf", "-", "."], stdout=subprocess.PIPE)
        squeeze = subprocess.Popen(["gzip", "-n", "-1"], stdin=subprocess.PIPE, stdout=output)
        while chunk := archive.stdout.read(1 << 20):
            plain.update(chunk)
            squeeze.stdin.write(chunk)
        squeeze.stdin.close()
        if archive.wait() != 0 or squeeze.wait() != 0:
            raise RuntimeError(f"could not pack {tree}")
    return Blob(target, LAYER_TYPE), "sha256:" + plain.hexdigest()


def write_json(path, value):
    with open(path, "w", encoding="ascii") as file:
        json.dump(value, file, separators=(",", ":"), sort_keys=True)
    return path


def make_image(folder, layers, environment, command):
    """Makes an image of `layers`, a list of functions that each fill an empty tree; lowest first."""
    blobs, diff_ids = [], []
    for number, fill in enumerate(layers):
        tree = os.path.join(folder, "tree")
        shutil.rmtree(tree, ignore_errors=True)
        os.makedirs(tree)
        merge_usr(tree)
        fill(tree)
        blob, diff_id = pack(tree, os.path.join(folder, f"layer{number}.tar.gz"), keep_links=number == 0)
        blobs.append(blob)
        diff_ids.append(diff_id)
        shutil.rmtree(tree)
    config = {
        "architecture": architecture(), "os": "linux", "created": EPOCH,
        "config": {"Env": environment, "Cmd": command, "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    config_blob = Blob(write_json(os.path.join(folder, "config.json"), config), CONFIG_TYPE)
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config_blob.descriptor(),
        "layers": [blob.descriptor() for blob in blobs],
    }
    return Image(Blob(write_json(os.path.join(folder, "manifest.json"), manifest), MANIFEST_TYPE), config_blob, blobs)


def noise(size):
    """Fills a layer with a file that does not compress: the same bytes for the same size."""

    def fill(tree):
        with open(os.path.join(tree, "usr", f"noise{size}"), "wb") as file:
            file.write(random.Random(size).randbytes(size))

    return fill


def load_image(folder):
    """The image that make_image() left in `folder`, its sizes and digests checked anew; None when there is none."""
    path = os.path.join(folder, "manifest.json")
    if not os.path.exists(path):
        return None
    with open(path, encoding="ascii") as file:
        manifest = json.load(file)
    layers = []
    for number, wanted in enumerate(manifest["layers"]):
        layer = os.path.join(folder, f"layer{number}.tar.gz")
        if not os.path.exists(layer):
            return None
        layers.append(Blob(layer, LAYER_TYPE))
        if layers[-1].digest != wanted["digest"]:
            return None
    return Image(Blob(path, MANIFEST_TYPE), Blob(os.path.join(folder, "config.json"), CONFIG_TYPE), layers)
