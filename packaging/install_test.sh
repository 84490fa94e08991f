#!/bin/bash
# Installs everything into an empty prefix, moves that away, and sees whether daemon and scheduler run from there
# with nothing but what was installed, also a module built with the moved SDK.
# install_test.sh BUILD_DIR CMAKE COMPILER
set -euo pipefail

build=$1 cmake=$2 compiler=$3
work=$(mktemp -d)
pid=
trap '[[ -z $pid ]] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT

fail() {
    echo "FAILED  $*" >&2
    exit 1
}

# run LOG READY COMMAND...: starts it, waits until its log says READY, and stops it. It must not warn.
run() {
    local log=$work/$1 ready=$2 status=0
    shift 2
    "$@" >"$log" 2>&1 &
    pid=$!
    # The log is read as it grows; grep ends at the line, or timeout ends both.
    timeout 20 tail -f -n +1 --pid="$pid" "$log" | grep -q -m 1 "$ready" || true
    grep -q "$ready" "$log" || { cat "$log"; fail "$* does not get ready"; }
    kill -TERM "$pid"
    wait "$pid" || status=$?
    pid=
    [[ $status == 0 ]] || { cat "$log"; fail "$* ended with status $status"; }
    ! grep -E ' (WARN|ERROR) ' "$log" || fail "$* warns"
}

"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log"
mkdir "$work/far"
mv "$work/first" "$work/far/moved"
prefix=$work/far/moved
darter=$prefix/bin/darter
modules=$(dirname "$(find "$prefix" -name storage_file.so)")

for module in cache_memory cache_redis database_mysql database_sqlite origin_http runtime_containerd storage_file \
    transport_vortex; do
    file=$("$darter" module --dir / describe "$module" | sed -n 's/^file *//p')
    [[ $(realpath "$file") == "$modules/$module.so" ]] || fail "$module is taken from $file"
done
[[ -f $prefix/share/darter/scripts/scheduling/dragonfly.lua && -f $prefix/share/darter/scripts/scheduling/mesh.lua ]] || fail "no scheduling policy is installed"
[[ -f $prefix/share/darter/scripts/scope/dragonfly.lua ]] || fail "no scope policy is installed"
for file in "$darter" "$modules"/*.so; do
    ! readelf -d "$file" | grep -E 'R(UN)?PATH' || fail "$file looks for libraries in a folder of the build"
done

echo "scheduler: {}" >"$work/dynconfig.yaml"
listen=()
for key in proxy.server upload.server storage.server health.server metrics.server; do
    listen+=(--set "$key.ip=127.0.0.1")
done
for key in proxy.server.port upload.server.port storage.server.tcpPort health.server.port metrics.server.port; do
    listen+=(--set "$key=0")
done
run daemon.log "pages on" env -i "$darter" daemon --config /dev/null --dynconfig "$work/dynconfig.yaml" "${listen[@]}" \
    --set host.ip=127.0.0.1 --set "storage.dir=$work/store" --set "download.server.socketPath=$work/socket"
run scheduler.log "scheduler ready" env -i "$darter" scheduler --config /dev/null --dynconfig "$work/dynconfig.yaml" \
    --set server.listenIP=127.0.0.1 --set server.port=0

policy=$(sed -n 's/.*policy mesh ranks parents now: \(.*\), generation.*/\1/p' "$work/scheduler.log")
[[ $(realpath "$policy") == "$prefix"/share/darter/scripts/scheduling/mesh.lua ]] ||
    fail "the policy is taken from ${policy:-nowhere}"

"$cmake" -S "$prefix/share/darter/example" -B "$work/example" -DCMAKE_C_COMPILER="$compiler" \
    -DCMAKE_PREFIX_PATH="$prefix" >"$work/example.log"
"$cmake" --build "$work/example" >>"$work/example.log"
"$darter" module --dir "$work/example/modules" describe storage_ram | grep -q "storage ram" ||
    fail "the installed program does not take the module that the installed SDK made"
echo "what is installed works from where it was moved to"
