#!/bin/bash
# For tests/fresh-root: packaging/quickstart is killed while it downloads and installs packages. It must end, leave
# the package database whole and the services of new packages off, and the next run must go on from there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
log=build/quickstart/logs/install.log

fail() {
    echo "FAILED  $*"
    [[ ! -e $log ]] || tail -n 20 "$log" | sed 's/^/    /'
    exit 1
}

# Processes of an installation, one a line; a fresh root has no ps.
still_there() {
    local file
    for file in /proc/[0-9]*/cmdline; do
        { tr '\0' ' ' <"$file"; } 2>/dev/null | grep -E '^[^ ]*(apt|dpkg|bash [^ ]*packaging/)' || true
    done
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [[ $SECONDS -lt $end ]] || fail "not in time: $what; $(still_there)"
        sleep 0.1
    done
}

all_ended() {
    [[ -z $(still_there) ]]
}

# interrupted SIGNAL TEXT SECONDS [OPTION]: quickstart gets the signal when its log says TEXT, and all of it ends.
interrupted() {
    local signal=$1 text=$2 seconds=$3 start pid
    shift 3
    rm -f "$log"
    packaging/quickstart "$@" </dev/null >build/fresh_install.log 2>&1 &
    pid=$!
    wait_for 300 "the log says $text" grep -qs "$text" "$log"
    start=$SECONDS
    kill "-$signal" "$pid"
    wait "$pid" 2>/dev/null || true
    wait_for "$seconds" "it ends" all_ended
    [[ ! -e /usr/sbin/policy-rc.d ]] || fail "policy-rc.d is left"
    [[ -z $(dpkg --audit) ]] || fail "packages are left half installed: $(dpkg --audit)"
    [[ -z $(find /etc/rc[2-5].d /etc/systemd/system -name '*docker-registry*' -not -name 'K*' -o -name 'containerd*') ]] ||
        fail "a service is on"
    echo "ok      $signal at \"$text\": ended after $((SECONDS - start)) s"
}

mkdir -p build
interrupted KILL '^Get:' 10 --baseline
interrupted TERM '^Get:' 10 --baseline
interrupted KILL '^Unpacking ' 120 --baseline
interrupted TERM '^Unpacking '  120
[[ -x /usr/bin/docker-registry && -x /usr/bin/cmake ]] || fail "dpkg did not finish its work"
