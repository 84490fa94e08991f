#!/bin/bash
# The program as a user meets it: its names, its words about what is not there, help that is true, options from
# the environment, refused modules.  program_test.sh DARTER
set -uo pipefail

darter=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect STATUS TEXT COMMAND...: the status, and the text somewhere in what is printed.
expect() {
    local status=$1 text=$2 printed found
    shift 2
    printed=$(timeout 20 "$@" 2>&1)
    found=$?
    if [[ $found != "$status" || $printed != *"$text"* ]]; then
        printf 'FAILED  %s\n  status %s, expected %s, and "%s" in:\n%s\n' "$*" "$found" "$status" "$text" "$printed"
        failed=1
    fi
}

# --- names ---------------------------------------------------------------------------------------------------

for name in dfdaemon dfget dfinit dfcache dfstore dfctl; do
    ln -s "$darter" "$work/$name"
done
expect 0 "darter daemon" "$work/dfdaemon" --help
expect 0 "darter get" "$work/dfget" --help
expect 0 "darter init" "$work/dfinit" --help
expect 0 "darter " "$work/dfdaemon" --version
expect 0 "darter " "$darter" -V
for name in dfcache dfstore dfctl; do
    expect 2 "$name (" "$work/$name" --help
    expect 2 "is not there yet" "$work/$name" anything
done
expect 2 "there is no command 'nonsense'" "$darter" nonsense
expect 2 "is not there yet" "$darter" manager
expect 2 "Usage" "$darter"

# --- help ----------------------------------------------------------------------------------------------------

commands=$("$darter" --help | sed -n 's/^  \([a-z]*\)  *.*/\1/p')
expect 0 "Usage" "$darter" help
for command in $commands; do
    expect 0 "Usage: darter $command" "$darter" "$command" --help
    expect 0 "Usage: darter $command" "$darter" help "$command"
done
# Each option that a help text names is one. The words at the end keep the command from doing anything.
for command in up daemon scheduler init; do
    for option in $("$darter" "$command" --help | grep -o -- '--[a-z-]*' | sort -u); do
        printed=$(timeout 20 "$darter" "$command" "$option" in vain 2>&1 </dev/null)
        if [[ $? != 2 || $printed == *"unrecognized option"* || $printed == *"no such option"* ]]; then
            printf 'FAILED  the help of darter %s names %s, but:\n%s\n' "$command" "$option" "$printed"
            failed=1
        fi
    done
done

# --- configuration ---------------------------------------------------------------------------------------------

echo "proxy: {server: {port: many}}" >"$work/bad.yaml"
echo "scheduler: {retryLimit: many}" >"$work/bad-scheduler.yaml"
echo "scheduler: {addrs: many}" >"$work/bad-dynconfig.yaml"
expect 1 "bad.yaml:1: error: proxy.server.port" "$darter" config check --role daemon "$work/bad.yaml"
expect 0 "proxy.server.port" "$darter" config describe daemon
expect 2 "is not a role" "$darter" config describe nonsense
expect 2 "darter config --help" "$darter" config

echo "containerRuntime: {docker: {configPath: /nowhere}}" >"$work/docker.yaml"
expect 1 "containerRuntime.docker is not there yet" "$darter" init --dry-run --config "$work/docker.yaml"

printf 'host: {ip: 127.0.0.1}\nmodules:\n  options:\n    storage_file:\n      keeep: true\n' >"$work/option.yaml"
expect 1 "option.yaml:5: modules.options: module storage_file has no option keeep; did you mean keep?" \
    "$darter" daemon --config "$work/option.yaml"
printf 'modules:\n  options: {transport_vortex: {stallTimeout: 5x}}\n' >"$work/option.yaml"
expect 1 'option.yaml:2: modules.options: option stallTimeout of module transport_vortex is "5x"; allowed is' \
    "$darter" daemon --config "$work/option.yaml" --set "storage.dir=$work/store"

# Files of TLS keys: named, there, certificates and keys, of one pair.
certificate() { # NAME SUBJECT-ALT-NAME DAYS
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1.key" -out "$work/$1.pem" \
        -subj "/CN=$1" -addext "subjectAltName=$2" -days "$3" 2>"$work/openssl.log" || cat "$work/openssl.log"
}
certificate one IP:127.0.0.1 2
certificate two IP:127.0.0.1 2
printf 'upload:\n  server:\n    caCert: %s/one.pem\n    cert: %s/one.pem\n    key: %s/two.key\n' \
    "$work" "$work" "$work" >"$work/tls.yaml"
expect 1 "tls.yaml:5: error: upload.server.key: $work/two.key: is not the key of the certificate in $work/one.pem" \
    "$darter" config check --role daemon "$work/tls.yaml"
expect 1 "upload.server: $work/two.key: is not the key" "$darter" daemon --config "$work/tls.yaml" --dynconfig /dev/null \
    --set "storage.dir=$work/store" --set "download.server.socketPath=$work/tls.sock"
printf 'server:\n  tls:\n    cert: %s/one.pem\n    key: %s/one.key\nseedPeer:\n  tls: {caCert: %s/none.pem}\n' \
    "$work" "$work" "$work" >"$work/tls.yaml"
expect 1 "tls.yaml:6: error: seedPeer.tls.caCert: $work/none.pem: No such file" \
    "$darter" config check --role scheduler "$work/tls.yaml"
expect 1 "seedPeer.tls: $work/none.pem: No such file" "$darter" scheduler --config "$work/tls.yaml"
cp "$work/one.pem" "$work/none.pem"
expect 0 "0 errors" "$darter" config check --role scheduler "$work/tls.yaml"
printf 'scheduler:\n  caCert: %s/one.key\n' "$work" >"$work/tls.yaml"
expect 1 "tls.yaml:2: error: scheduler.caCert: $work/one.key: holds no certificate" \
    "$darter" config check --role daemon "$work/tls.yaml"
printf 'scheduler:\n  caCert: %s/one.pem\n  cert: %s/one.pem\n' "$work" "$work" >"$work/tls.yaml"
expect 1 "tls.yaml:3: error: scheduler.cert: $work/one.pem: needs the file of its key too" \
    "$darter" config check --role daemon "$work/tls.yaml"

# --- environment -----------------------------------------------------------------------------------------------

expect 1 "/nowhere.yaml cannot be opened" env DFDAEMON_CONFIG=/nowhere.yaml "$darter" daemon
expect 1 "bad.yaml:1: proxy.server.port" env DFDAEMON_CONFIG=/nowhere.yaml "$work/dfdaemon" --config "$work/bad.yaml"
expect 1 "/nowhere.yaml cannot be opened" env DFDAEMON_CONFIG= "$darter" daemon --config /nowhere.yaml
expect 2 "DFDAEMON_LOG_LEVEL loud: allowed are error" env DFDAEMON_LOG_LEVEL=loud "$darter" daemon
expect 1 "bad.yaml" env DFDAEMON_LOG_LEVEL=loud "$darter" daemon --log-level info --config "$work/bad.yaml"
expect 2 "DFDAEMON_CONSOLE maybe: allowed are true" env DFDAEMON_CONSOLE=maybe "$darter" daemon
expect 1 "dynconfig.yaml:1: scheduler.addrs" \
    env DFDAEMON_DYNCONFIG="$work/bad-dynconfig.yaml" "$darter" daemon --config /dev/null
expect 1 "/nowhere.yaml cannot be opened" env SCHEDULER_CONFIG=/nowhere.yaml "$darter" scheduler
expect 1 "scheduler.yaml:1: scheduler.retryLimit" \
    env SCHEDULER_CONFIG=/nowhere.yaml "$darter" scheduler --config "$work/bad-scheduler.yaml"

# --- modules -----------------------------------------------------------------------------------------------------

mkdir "$work/modules"
echo "no module" >"$work/modules/storage_text.so"
expect 0 "refused: $work/modules/storage_text.so: not an ELF file" "$darter" module --dir "$work/modules" list
expect 1 "not an ELF file" "$darter" module describe "$work/modules/storage_text.so"
expect 1 "no module storage_none (looked for storage_none.so in $work/modules" \
    "$darter" module --dir "$work/modules" describe storage_none
expect 1 "there is no folder $work/none" "$darter" module --dir "$work/none" list
for name in origin_http runtime_containerd storage_file transport_vortex; do
    expect 0 "$name " "$darter" module list
    expect 0 "modules.options.$name" "$darter" module describe "$name"
done

[[ $failed == 0 ]] && echo "the program is as it says"
exit "$failed"
