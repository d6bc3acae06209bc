#!/bin/sh
# All programs of the torture in all modes, two at a time.
#
#   sweep.sh HOST [OPTIONS OF THE HOST]
#
# PROGRAMS and MODES: some of them only. RUN: a command to run the host under.
# Prints the points that failed, a table of how many were tried, and
# 'N passed, N failed'.

host=$1
shift
here=$(dirname "$0")
# The one that takes longest first.
all="require $(basename -s .lua -a "$here"/programs/*.lua | grep -vx require)"
PROGRAMS=${PROGRAMS:-$(echo $all)}
MODES=${MODES:-once twice twice-open rest rest-open ever}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for program in $PROGRAMS; do
  for mode in $MODES; do echo "$program $mode"; done
done |
  xargs -P 2 -L 1 ${RUN:-} "$host" "$@" > "$log" 2>&1
status=$?

# A sum is 'PROGRAM MODE: N points, N ended well, N by an error, N failed'.
grep -v ' points, ' "$log"
awk -v programs="$PROGRAMS" -v modes="$MODES" '
  / points, / {
    sub(":", "", $2)
    points[$1, $2] = $3
    total[$2] += $3; tried += $3; well += $5; failed += $12
  }
  END {
    nprograms = split(programs, program)
    nmodes = split(modes, mode)
    printf "\n%-14s", "points"
    for (m = 1; m <= nmodes; m++) printf "%12s", mode[m]
    print ""
    for (p = 1; p <= nprograms; p++) {
      printf "%-14s", program[p]
      for (m = 1; m <= nmodes; m++) {
        k = program[p] SUBSEP mode[m]
        if (!(k in points)) missing++
        printf "%12s", (k in points) ? points[k] : "-"
      }
      print ""
    }
    printf "%-14s", "all"
    for (m = 1; m <= nmodes; m++) printf "%12d", total[mode[m]]
    printf "\n\n%d points: %d ended well, %d by an error, %d failed\n",
      tried, well, tried - well - failed, failed
    printf "%d passed, %d failed\n", tried - failed, failed + missing
  }' "$log"
[ "$status" = 0 ]
