#!/usr/bin/env bash
# The long series on real processes: under load the leader is killed a hundred
# times and stopped a hundred times, and one, two and all masters at once ten
# times; and a slave with a hundred tasks is killed a hundred times. At the end it
# says for how long no write was accepted, and when another slave had the tasks.
#
#   ./scripts/kills.sh       100 of each; takes about a quarter of an hour
#   ./scripts/kills.sh 20    20 of each
#
# What it measures depends on the machine and on what else that does: nothing, at
# best. With TMPDIR the masters' data is on another disk. If a test fails, it shows
# what each process wrote last, and keeps their data.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

number="${1:-100}"
if (($# > 1)) || [[ ! "$number" =~ ^[1-9][0-9]*$ ]]; then
	echo "usage: scripts/kills.sh [NUMBER]" >&2
	exit 2
fi

all="$(mktemp)"
trap 'rm -f "$all"' EXIT

# A kill takes some three seconds; on a busy machine it may take many times that.
MUSTER_KILLS="$number" go test -count=1 -v -timeout "$((10 + number))m" ./systemtest/kills | tee "$all"

echo
grep -hoE '(kill -9|SIGTERM) of the leader, .*|kill -9 of a slave .*|from SIGTERM to the exit: .*|[0-9]+ tasks were acknowledged.*' "$all"
