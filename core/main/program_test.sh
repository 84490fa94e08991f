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
expect 0 "darter ctl" "$work/dfctl" --help
for name in dfcache dfstore; do
    expect 2 "$name (" "$work/$name" --help
    expect 2 "is not there yet" "$work/$name" anything
done
expect 2 "there is no command 'nonsense'" "$darter" nonsense
expect 2 "is not there yet" "$darter" sim
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
expect 0 "SIGHUP makes a change count" "$darter" config describe scheduler
expect 0 '"reloadable": true' "$darter" config show daemon --json
expect 2 "is not a role" "$darter" config describe nonsense
expect 2 "darter config --help" "$darter" config
printf 'proxy:\n  server:\n    port: 4011\n' >"$work/good.yaml"
expect 0 "$work/good.yaml:3" "$darter" config show daemon --config "$work/good.yaml"
expect 0 "named by DFDAEMON_CONFIG" env DFDAEMON_CONFIG="$work/good.yaml" "$darter" config show
expect 0 '"source": "--set"' "$darter" config show daemon --json --config "$work/good.yaml" --set storage.dir=/srv
expect 1 "bad.yaml:1: proxy.server.port" "$darter" config show daemon --config "$work/bad.yaml"
expect 1 "say it with --role" "$darter" config show --config "$work/good.yaml"
expect 0 "$work/good.yaml:3" "$darter" config show --role daemon --config "$work/good.yaml"
expect 2 "darter config --help" "$darter" config show --role daemon daemon
expect 2 "is not a role" "$darter" config show nonsense
expect 2 "unrecognized option" "$darter" config show --nonsense

echo "containerRuntime: {docker: {configPath: /nowhere}}" >"$work/docker.yaml"
no_docker='containerRuntime.docker names "docker": no module runtime_docker; there are runtime_containerd'
expect 1 "docker.yaml:1: $no_docker" "$darter" init --dry-run --config "$work/docker.yaml"
expect 1 "docker.yaml:1: error: $no_docker" "$darter" config check --role init "$work/docker.yaml"

printf 'host: {ip: 127.0.0.1}\nmodules:\n  options:\n    storage_file:\n      keeep: true\n' >"$work/option.yaml"
expect 1 "option.yaml:5: modules.options: module storage_file has no option keeep; did you mean keep?" \
    "$darter" daemon --config "$work/option.yaml"
printf 'modules:\n  options: {transport_vortex: {stallTimeout: 5x}}\n' >"$work/option.yaml"
expect 1 'option.yaml:2: modules.options: option stallTimeout of module transport_vortex is "5x"; allowed is' \
    "$darter" daemon --config "$work/option.yaml" --set "storage.dir=$work/store"

# refused ROLE WHERE TEXT FILE: what keeps the role from starting, "config check" says with the same words.
refused() {
    local role=$1 where=$2 text=$3 file=$4
    expect 1 "$where: error: $text" "$darter" config check --role "$role" "$file"
    expect 1 "refused as configuration of $role: 1 errors" "$darter" config check --role "$role" "$file"
    expect 1 "darter: $work/$where: $text" "$darter" "$role" --config "$file" --dynconfig /dev/null
}

printf 'storage: {dir: %s/store}\nmodules:\n  storage: nonsense\n' "$work" >"$work/judged.yaml"
refused daemon judged.yaml:3 'modules.storage names "nonsense": no module storage_nonsense; there are storage_file' \
    "$work/judged.yaml"
printf 'modules:\n  transport: [vortex, pigeon]\n' >"$work/judged.yaml"
refused daemon judged.yaml:2 'modules.transport names "pigeon": no module transport_pigeon; there are transport_vortex' \
    "$work/judged.yaml"
printf 'modules:\n  options:\n    origin_http:\n      maxRedirects: 5\n      maxRedirect: 5\n' >"$work/judged.yaml"
refused daemon judged.yaml:5 \
    'modules.options: module origin_http has no option maxRedirect; did you mean maxRedirects?' "$work/judged.yaml"
printf 'modules:\n  options:\n    storage_file: {keep: perhaps}\n' >"$work/judged.yaml"
refused daemon judged.yaml:3 'modules.options: option keep of module storage_file is "perhaps"; allowed is true or false' \
    "$work/judged.yaml"
mkdir "$work/plugins"
echo "no module" >"$work/plugins/storage_file.so"
chmod 600 "$work/plugins/storage_file.so"
printf 'server:\n  pluginDir: %s/plugins\n' "$work" >"$work/judged.yaml"
refused daemon judged.yaml "modules.storage names \"file\": $work/plugins/storage_file.so: not an ELF file" \
    "$work/judged.yaml"

# The manager's cache.
refused_manager() {
    printf "$1" >"$work/judged.yaml"
    expect 1 "judged.yaml:$2: error: $3" "$darter" config check --role manager "$work/judged.yaml"
    expect 1 "darter: $work/judged.yaml:$2: $3" "$darter" manager --config "$work/judged.yaml"
}
refused_manager 'database:\n  redis: {addrs: ["a:0"]}\n' 2 'database.redis.addrs is "a:0"; the port is not in 1..65535'
refused_manager 'database:\n  redis:\n    addrs: [a, b]\n    db: 1\n' 4 \
    'database.redis.db is 1, but a cluster (several addrs, no masterName) has 0 only'
refused_manager 'database:\n  redis:\n    addrs: [a]\n    tls: {cert: /x}\n' 4 'database.redis.tls.cert: /x: needs the file of its key too'
refused_manager 'modules:\n  cache: redis\n' 2 'modules.cache is "redis", which needs database.redis.addrs: host:port of Redis'
refused_manager 'modules:\n  cache: nonsense\n' 2 'modules.cache names "nonsense": no module cache_nonsense; there are cache_memory'
refused_manager 'database: {redis: {host: a}}\nmodules:\n  options:\n    cache_redis: {io_timeou: 1s}\n' 4 \
    'modules.options: module cache_redis has no option io_timeou; did you mean io_timeout?'
printf 'database: {redis: {host: a}}\nmodules: {cache: memory}\n' >"$work/judged.yaml"
expect 0 'warning: database.redis does nothing: modules.cache is "memory"' "$darter" config check --role manager "$work/judged.yaml"

printf 'download:\n  server:\n    socketPath: /%0107d\n' 0 >"$work/judged.yaml"
expect 1 "judged.yaml:3: error: download.server.socketPath" "$darter" config check --role daemon "$work/judged.yaml"
expect 1 "108 bytes long; a unix socket's path has at most 107" "$darter" daemon --config "$work/judged.yaml"
printf 'proxy:\n  rules:\n    - regex: a\n      redirect: "a b"\n' >"$work/judged.yaml"
refused daemon judged.yaml:2 'proxy.rules[0].redirect is neither a host nor host:port' "$work/judged.yaml"
printf 'proxy:\n  registryMirror:\n    cert: /nowhere.pem\n' >"$work/judged.yaml"
refused daemon judged.yaml:3 'proxy.registryMirror.cert: /nowhere.pem: No such file' "$work/judged.yaml"
printf 'host:\n  hostname: %0256d\n' 0 >"$work/judged.yaml"
refused daemon judged.yaml:2 'host.hostname has 256 bytes; allowed are at most 255' "$work/judged.yaml"
printf 'proxy:\n  server:\n    port: 4005\n' >"$work/judged.yaml"
refused daemon judged.yaml:3 \
    'proxy.server.port leads to port 4005, which storage.server.tcpPort has already; one needs another' \
    "$work/judged.yaml"
printf 'modules:\n  options:\n    storage_fil: {keep: false}\n' >"$work/judged.yaml"
expect 0 "judged.yaml:3: warning: modules.options: storage_fil is not loaded, its options do nothing" \
    "$darter" config check --role daemon "$work/judged.yaml"
expect 1 'modules.storage names "nonsense": no module storage_nonsense; there are' \
    "$darter" daemon --config /dev/null --dynconfig /dev/null --set modules.storage=nonsense

echo 'return {' >"$work/broken.lua"
printf 'scheduler:\n  algorithm: %s/broken.lua\n' "$work" >"$work/judged.yaml"
refused scheduler judged.yaml:2 "scheduler.algorithm: $work/broken.lua:2: " "$work/judged.yaml"
printf 'scheduler:\n  algorithm: nearby\n' >"$work/judged.yaml"
refused scheduler judged.yaml:2 "scheduler.algorithm: " "$work/judged.yaml"
printf 'metrics:\n  enable: true\n  addr: localhost:8000\n' >"$work/judged.yaml"
refused scheduler judged.yaml:3 'metrics.addr is "localhost:8000"; needed is IP:PORT' "$work/judged.yaml"
printf 'metrics:\n  enable: true\n  addr: :8002\n' >"$work/judged.yaml"
refused scheduler judged.yaml:3 'metrics.addr leads to port 8002, which server.port has already' "$work/judged.yaml"
# Files of TLS keys: named, there, certificates and keys, of one pair.
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1.key" -out "$work/$1.pem" \
        -subj "/CN=$1" -days 2 2>"$work/openssl.log" || cat "$work/openssl.log"
}
certificate one
certificate two
printf 'upload:\n  server:\n    caCert: %s/one.pem\n    cert: %s/one.pem\n    key: %s/two.key\n' \
    "$work" "$work" "$work" >"$work/judged.yaml"
refused daemon judged.yaml:5 "upload.server.key: $work/two.key: is not the key of the certificate in $work/one.pem" \
    "$work/judged.yaml"
printf 'scheduler:\n  caCert: %s/one.key\n' "$work" >"$work/judged.yaml"
refused daemon judged.yaml:2 "scheduler.caCert: $work/one.key: holds no certificate" "$work/judged.yaml"
printf 'scheduler:\n  caCert: %s/one.pem\n  cert: %s/one.pem\n' "$work" "$work" >"$work/judged.yaml"
refused daemon judged.yaml:3 "scheduler.cert: $work/one.pem: needs the file of its key too" "$work/judged.yaml"
printf 'server:\n  tls:\n    cert: %s/one.pem\n    key: %s/one.key\nseedPeer:\n  tls: {caCert: %s/none.pem}\n' \
    "$work" "$work" "$work" >"$work/judged.yaml"
refused scheduler judged.yaml:6 "seedPeer.tls.caCert: $work/none.pem: No such file" "$work/judged.yaml"
cp "$work/one.pem" "$work/none.pem"
expect 0 "0 errors" "$darter" config check --role scheduler "$work/judged.yaml"

# --- ctl -------------------------------------------------------------------------------------------------------

for words in tasks "task ls" "task 0123" "rm 0123" "explain 0123" "task rm 0123"; do
    # shellcheck disable=SC2086 # several words
    expect 1 "no daemon answers at $work/none.sock" "$darter" ctl $words --endpoint "$work/none.sock"
done
expect 1 "no daemon answers at $work/none.sock" "$work/dfctl" task ls -e "$work/none.sock"
expect 1 "the scheduler does not answer at 127.0.0.1:1" "$darter" ctl hosts --scheduler 127.0.0.1:1
expect 1 "/nowhere.yaml to name a scheduler" "$darter" ctl hosts --dynconfig /nowhere.yaml
expect 1 "names no scheduler" "$darter" ctl hosts --dynconfig /dev/null
expect 1 "'nonsense' is no address" "$darter" ctl hosts --scheduler nonsense
export HOME="$work"
unset XDG_CONFIG_HOME
for words in clusters "cluster 1" "cluster add a" "cluster edit 1 --bio a" "cluster rm 1" schedulers seeds peers \
    "explain peer --ip 10.0.0.1" jobs "job 1" "job rm 1" "job follow 1" "job start preheat http://a/b http://a/c" \
    "job start get-task 0123" "job start delete-task http://a/b" "job start sync-peers" "job start gc job"; do
    # shellcheck disable=SC2086 # several words
    expect 1 "is the manager running, and is this its address" "$darter" ctl $words --manager 127.0.0.1:1
    # shellcheck disable=SC2086
    expect 1 "http://127.0.0.1:1/" env DARTER_MANAGER=http://127.0.0.1:1 "$darter" ctl $words
done
expect 1 "'ftp://a' is no manager's address" "$darter" ctl clusters --manager ftp://a
expect 1 "'two' is no id of a cluster" "$darter" ctl cluster two
expect 1 "--job-rate-limit is '0'; needed is a number" "$darter" ctl cluster edit 1 --job-rate-limit 0
expect 1 "--ca-file $work/nowhere.pem cannot be read" "$darter" ctl clusters --ca-file "$work/nowhere.pem"
expect 1 "'two' is no id of a job" "$darter" ctl job follow two
expect 1 "--piece-length is 'x'" "$darter" ctl job start preheat http://a/b --piece-length x
expect 1 "--image and --file exclude each other" "$darter" ctl job start preheat http://a/b --file --image
expect 1 "--default and --no-default exclude each other" "$darter" ctl cluster edit 1 --no-default --default
expect 1 "'a' is no URL" "$darter" ctl job start preheat a
expect 1 "--ip is missing" "$darter" ctl explain peer --hostname a
expect 1 "standard input has no password" "$darter" ctl login --password-stdin --manager 127.0.0.1:1 </dev/null
expect 2 "\"darter ctl clusters\" has no such option: --cidr" "$darter" ctl clusters --cidr 10.0.0.0/8
for words in "" explain "explain a b" task "task a b" rm "hosts a" nonsense "cluster" "cluster add" "clusters a" \
    "job start" "job start preheat" "job start nothing a" "job follow"; do
    # shellcheck disable=SC2086 # several words
    expect 2 "darter ctl --help" "$darter" ctl $words
done

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

# --- init --------------------------------------------------------------------------------------------------------

# A tree of its own with two modules for runtimes; that of the tests is not on this machine when its flag says so.
mkdir -p "$work/tree/modules" "$work/certs.d"
cp "$darter" "$work/tree/darter"
cp "$(dirname "$darter")"/{modules/runtime_containerd,tests/modules/runtime_good}.so "$work/tree/modules"
printf 'modules:\n  options:\n    runtime_containerd:\n      configPath: %s/config.toml\n' "$work" >"$work/init.yaml"
printf '      certsPath: %s/certs.d\n      socketPath: %s/config.toml\n' "$work" "$work" >>"$work/init.yaml"
printf '    runtime_good: {flag: false}\n' >>"$work/init.yaml"
echo "version = 2" >"$work/config.toml"
init=("$work/tree/darter" init --dry-run --config "$work/init.yaml" --journal "$work/journal")
expect 0 "containerd: 2 files to change" "${init[@]}"
expect 0 "good: not on this machine" "${init[@]}"
expect 0 "containerd: 2 files to change" "${init[@]}" --runtime containerd
expect 1 "no container runtime found on this machine" "${init[@]}" --runtime good
expect 1 "no module runtime_none; there are runtime_containerd, runtime_good" "${init[@]}" --runtime none
rm "$work/tree/modules/runtime_good.so"
echo "no module" >"$work/tree/modules/runtime_good.so"
expect 0 "runtime good is left out: $work/tree/modules/runtime_good.so: not an ELF file" "${init[@]}"
expect 1 "runtime_good.so: not an ELF file" "${init[@]}" --runtime good
printf 'containerRuntime:\n  containerd: {configPath: %s/config.toml}\n' "$work" >"$work/init.yaml"
expect 0 "containerd: 2 files to change" "${init[@]}"
expect 1 "--runtime good: the configuration file is for containerd" "${init[@]}" --runtime good

# --- modules -----------------------------------------------------------------------------------------------------

mkdir "$work/modules"
echo "no module" >"$work/modules/storage_text.so"
expect 0 "refused: $work/modules/storage_text.so: not an ELF file" "$darter" module --dir "$work/modules" list
expect 1 "not an ELF file" "$darter" module describe "$work/modules/storage_text.so"
expect 1 "no module storage_none; there are storage_text, storage_file, storage_memory (looked for storage_none.so in $work/modules" \
    "$darter" module --dir "$work/modules" describe storage_none
expect 1 "there is no folder $work/none" "$darter" module --dir "$work/none" list
for name in origin_http runtime_containerd storage_file transport_vortex; do
    expect 0 "$name " "$darter" module list
    expect 0 "modules.options.$name" "$darter" module describe "$name"
done

[[ $failed == 0 ]] && echo "the program is as it says"
exit "$failed"
