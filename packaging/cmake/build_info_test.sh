#!/bin/bash
# What BuildInfo.cmake writes, and when.  build_info_test.sh CMAKE
set -euo pipefail

cmake=$1 script=$(dirname "$(realpath "$0")")/BuildInfo.cmake
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_COMMITTER_DATE="1700000000 +0000"
unset SOURCE_DATE_EPOCH GIT_DIR GIT_WORK_TREE

# expect COMMIT TIME FOLDER: the header for this source folder.
expect() {
    "$cmake" -D SOURCE="$3" -D OUTPUT="$work/info.h" -P "$script"
    local found
    found=$(sed 's/.* //' "$work/info.h" | tr -d '\n')
    [[ $found == "\"$1\"\"$2\"" ]] || { echo "FAILED  $3 gave $found, expected $1 $2" >&2; exit 1; }
}

mkdir "$work/bare"
expect unknown unknown "$work/bare"
SOURCE_DATE_EPOCH=0 expect unknown 1970-01-01T00:00:00Z "$work/bare"

git init -q "$work/tree"
expect unknown unknown "$work/tree"
git -C "$work/tree" -c user.name=t -c user.email=t@example.com commit -q --allow-empty -m one
commit=$(git -C "$work/tree" rev-parse HEAD | cut -c 1-12)
expect "$commit" 2023-11-14T22:13:20Z "$work/tree"
SOURCE_DATE_EPOCH=1 expect "$commit" 1970-01-01T00:00:01Z "$work/tree"

mkdir "$work/tree/unpacked"
expect unknown unknown "$work/tree/unpacked"

touch -d 2000-01-01 "$work/info.h"
expect unknown unknown "$work/tree/unpacked"
[[ $(stat -c %Y "$work/info.h") == "$(date -d 2000-01-01 +%s)" ]] || { echo "FAILED  written without a change" >&2; exit 1; }
echo "builds know their commit"
