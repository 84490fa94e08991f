"""The image of the demonstration: two C compilers on busybox, from Debian packages, in four layers.

Its program compiles a C file with both compilers and runs the result, so the pulled files must all be right.


    demo_image.py FOLDER    makes it in FOLDER/image (needs the network: packages come by apt)
"""

import hashlib
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/cluster"))

from lab import image  # pylint: disable=wrong-import-position

ROOTS = ["g++-12", "clang-14", "busybox-static"]
LLVM = ("clang", "libclang", "libllvm", "llvm", "libicu", "libz3", "libxml2")
GCC = ("gcc-12", "cpp-12", "g++-12", "binutils", "libbinutils", "libgprofng")
NAME, TAG = "demo/compilers", "1"
PROGRAM = ["/bin/busybox", "sh", "/demo.sh"]
WANTED = ["gcc: 12", "clang: 14"]

HELLO = """\
#include <stdio.h>

int main(void)
{
#ifdef __clang__
    printf("clang: %d", __clang_major__);
#else
    printf("gcc: %d", __GNUC__);
#endif
    puts(" compiled this in the pulled image");
    return 0;
}
"""
SCRIPT = """\
set -e
for compiler in gcc-12 clang-14; do
    $compiler -O2 -o /tmp/hello /hello.c
    /tmp/hello
done
"""


def fill_base(tree, packages):
    for name in ("etc", "proc", "sys", "dev", "root"):
        os.mkdir(os.path.join(tree, name))
    os.mkdir(os.path.join(tree, "tmp"))
    os.chmod(os.path.join(tree, "tmp"), 0o1777)
    image.unpack(packages["busybox-static"], tree)
    for path, text in (("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("hello.c", HELLO), ("demo.sh", SCRIPT)):
        with open(os.path.join(tree, path), "w", encoding="ascii") as file:
            file.write(text)


def layers_of(packages):
    """The packages of the three layers above the base: libraries, GCC, LLVM."""
    groups = {"libraries": [], "gcc": [], "llvm": []}
    for name in packages:
        if name == "busybox-static":
            continue
        group = "llvm" if name.startswith(LLVM) else "gcc" if name.startswith(GCC) else "libraries"
        groups[group].append(name)
    return list(groups.values())


def stamp():
    with open(__file__, "rb") as source:
        return {"recipe": hashlib.sha256(source.read()).hexdigest()}


def load(folder):
    """The image that an earlier make() left in `folder` by the same recipe, checked; or None."""
    path = os.path.join(folder, "image", "made-from.json")
    if not os.path.exists(path):
        return None
    with open(path, encoding="ascii") as file:
        same = json.load(file) == stamp()
    return image.load_image(os.path.join(folder, "image")) if same else None


def make(folder):
    place, downloads = os.path.join(folder, "image"), os.path.join(folder, "packages")
    for path in (place, downloads):
        shutil.rmtree(path, ignore_errors=True)
    os.makedirs(place)
    packages = image.package_closure(place, ROOTS)
    print(f"downloading {len(packages)} packages", flush=True)
    files = image.download(downloads, packages)

    def fill_with(names):
        def fill(tree):
            print(f"packing a layer of {len(names)} packages: {', '.join(names)}", flush=True)
            for name in names:
                image.unpack(files[name], tree)

        return fill

    fills = [lambda tree: fill_base(tree, files)] + [fill_with(names) for names in layers_of(files)]
    made = image.make_image(place, fills, ["PATH=/usr/bin:/bin"], PROGRAM)
    image.write_json(os.path.join(place, "made-from.json"), stamp())
    shutil.rmtree(downloads)
    return made


if __name__ == "__main__":
    ready = load(sys.argv[1]) or make(sys.argv[1])
    sizes = ", ".join(f"{layer.size / 1e6:.1f}" for layer in ready.layers)
    print(f"{ready.size() / 1e6:.0f} MB in layers of {sizes} MB")
