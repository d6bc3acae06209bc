#!/bin/sh
# Instructions per operation of casync's workloads, by callgrind: the
# difference of a run of N and one of 2N operations, so that start-up is not
# counted. Unlike a time it is the same on a busy machine.
#
#   make bench-instructions                     all
#   sh bench/instructions.sh switch cancel      only these
#   TOP=20 sh bench/instructions.sh switch      and the 20 dearest functions
#
# The profile of the longer run stays in build/bench/callgrind.WORKLOAD, for
# callgrind_annotate or kcachegrind.

set -u
here=$(dirname "$0")
lua=${LUA:-lua5.4}
folder=$here/../${CASYNC_BUILD:-build}/bench
mkdir -p "$folder" || exit 1
command -v valgrind >/dev/null || { echo "this needs valgrind" >&2; exit 1; }

# LUA_PATH and LUA_CPATH are as the Makefile sets them, or for this checkout.
root=$(cd "$here/.." && pwd)
export LUA_PATH="${LUA_PATH:-$root/lua/?.lua;$root/lua/?/init.lua;;}"
export LUA_CPATH="${LUA_CPATH:-$root/${CASYNC_BUILD:-build}/?.so;;}"

# The instructions of a run of workload $1 with count $2.
run () {
  valgrind --tool=callgrind --callgrind-out-file="$folder/callgrind.$1" \
    "$lua" "$here/workloads.lua" "$1" "$2" 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

[ $# -gt 0 ] || set -- switch call nest_100 spawn_await spawn_gather group \
  future pingpong lock timeout timers cancel

for workload; do
  n=${COUNT:-20000}
  once=$(run "$workload" "$n")
  twice=$(run "$workload" $((2 * n)))
  [ -n "$once" ] && [ -n "$twice" ] ||
    { echo "$workload failed" >&2; exit 1; }
  printf '%-14s %6d instructions per operation\n' "$workload" \
    $(((twice - once) / n))
  [ "${TOP:-0}" = 0 ] ||
    callgrind_annotate "$folder/callgrind.$workload" |
    grep -E '^ *[0-9,]+ \(' | sed -n "2,$((TOP + 1))p"
done
