#!/usr/bin/env bash
# Measures the way of a task, from its submit to its result, in two builds of muster and in
# what they are compared with; README.md says more.
#
#   ./scripts/bench/hotpath.sh                       this tree against fb52752
#   ./scripts/bench/hotpath.sh BASE                  this tree against another revision
#   ./scripts/bench/hotpath.sh BASE REVISION...      revisions against a revision
#   ./scripts/bench/hotpath.sh BASE -- -only 64 -reps 3 -for 2s
#
# What is behind -- goes to the program: "-- -help" says what there is.
set -euo pipefail

readonly nats_version=v2.15.3
readonly usual_base=fb52752

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root="$PWD"

[[ "$(uname -s)" == Linux ]] || { echo "hotpath.sh: the processors' time is read from Linux's /proc" >&2 && exit 2; }
command -v go >/dev/null || { echo "hotpath.sh: go is not installed" >&2 && exit 2; }

revisions=()
while (($# > 0)) && [[ "$1" != -- ]]; do
	[[ "$1" != -* ]] || { echo "hotpath.sh: $1 belongs behind --" >&2 && exit 2; }
	revisions+=("$1")
	shift
done
if (($# > 0)); then
	shift
fi
base="${revisions[0]:-$usual_base}"

work="$(mktemp -d)"
trees=()
running=
# shellcheck disable=SC2317 # the trap calls it
clean() {
	if [[ -n "$running" ]]; then
		kill "$running" 2>/dev/null || true # it ends what it started
		wait "$running" 2>/dev/null || true
	fi
	local tree
	for tree in ${trees[@]+"${trees[@]}"}; do
		git worktree remove --force "$tree" 2>/dev/null || true # it may not have come to be
	done
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

# In another directory the build cache knows the packages only with -trimpath.
export GOFLAGS="${GOFLAGS:-} -trimpath"

# build DIRECTORY NAME builds muster from a directory.
build() { (cd "$1" && CGO_ENABLED=0 go build -buildvcs=false -o "$work/bin/$2" ./cmd/muster); }

# build_revision REVISION NAME builds muster as it was.
build_revision() {
	local tree="$work/trees/$2"
	trees+=("$tree")
	git worktree add --quiet --detach "$tree" "$1"
	build "$tree" "$2"
}

mkdir -p "$work/bin" "$work/trees"
args=()
echo "building $base" >&2
build_revision "$base" base
args+=(-muster "base=$work/bin/base")
if ((${#revisions[@]} > 1)); then
	for revision in "${revisions[@]:1}"; do
		name="$(git rev-parse --short "$revision")"
		echo "building $revision" >&2
		build_revision "$revision" "$name"
		args+=(-muster "$name=$work/bin/$name")
	done
else
	echo "building this tree" >&2
	build "$root" here
	args+=(-muster "here=$work/bin/here")
fi
go -C scripts/bench build -o "$work/bin/bench" .

nats="$root/.cache/nats-server/$nats_version"
if [[ ! -x "$nats/nats-server" ]]; then
	echo "building nats-server $nats_version" >&2
	GOBIN="$nats" go install "github.com/nats-io/nats-server/v2@$nats_version"
fi
args+=(-nats "$nats/nats-server")

# A session of its own, so that -nice is about this program alone.
setsid "$work/bin/bench" "${args[@]}" "$@" &
running=$!
code=0
wait "$running" || code=$?
running=
exit "$code"
