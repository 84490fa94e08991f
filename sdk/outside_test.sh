#!/bin/sh
# Installs the SDK into an empty prefix, builds the example from there as a third party would, and runs
# the installed conformance program on it.  outside_test.sh BUILD_DIR CMAKE COMPILER
set -eu
build=$1 cmake=$2 compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cmake" --install "$build" --component sdk --prefix "$work/prefix" >"$work/install.log"
example=$(find "$work/prefix" -type d -name example)
"$cmake" -S "$example" -B "$work/build" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$work/prefix"
"$cmake" --build "$work/build"
"$(find "$work/prefix" -type f -name storage_conformance)" --volatile "$work/build/modules/storage_ram.so"
