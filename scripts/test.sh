#!/usr/bin/env bash
# Everything that must hold before a change lands, the cheap before the dear.
#
#   ./scripts/test.sh              all steps
#   ./scripts/test.sh lint test    these steps only
#   ./scripts/test.sh --list       the steps
#   ./scripts/test.sh --slow       the steps that run muster, on a machine made slow;
#                                  CI=slow ./scripts/test.sh does the same
#
# It needs Go; what else is missing it installs (as root on Debian), or it says
# what it skips. With CI=true a skip is a failure. A failed step does not stop
# the steps after it.
#
# Made slow means two things. Loops that do nothing compete for each processor, so
# that a step gets about a fifth of the time. And each sync of a file takes some
# milliseconds more, in the tests and in every muster that they build: those of the
# log, of votes and of snapshots. Writes without a sync, reads and the network are as
# quick as the processors allow. The tests run without the race detector, which makes
# them slow in another way and has a step of its own. It takes up to an hour.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly all_steps=(tools generated format modules shell vet lint test busy demo cross release package containers seeds hyperv)

# The steps that start masters and slaves: those that a slow machine could fail.
readonly slow_steps=(test demo package containers)

# How many times slower than a quiet machine with two processors this one may be.
# systemtest/timelimit reads the same variable, and has the same number.
readonly slowdown="${MUSTER_TEST_SLOWDOWN:-5}"

# Minutes that the slowest package takes at most on a quiet machine.
readonly package_minutes=5

# With --slow: loops for each processor, and milliseconds for each sync.
readonly slow_loops=4 slow_sync=10

# Modules next to muster's own, with dependencies that muster must not have.
readonly other_modules=(scripts/tools scripts/package scripts/containers/check scripts/bench)

# What each step is, for people.
describe() {
	case "$1" in
	tools) echo "the pinned tools are built" ;;
	generated) echo "generated files are current" ;;
	format) echo "gofumpt" ;;
	modules) echo "go.mod and go.sum are tidy" ;;
	shell) echo "shellcheck" ;;
	vet) echo "go vet" ;;
	lint) echo "golangci-lint" ;;
	test) echo "go test -race, with --slow without -race" ;;
	busy) echo "the system tests while loops take all processors" ;;
	demo) echo "the demo's story, on real processes" ;;
	cross) echo "the other platforms compile" ;;
	release) echo "a release is made of the same bytes twice" ;;
	package) echo "the Debian package on a Debian, its services under systemd" ;;
	containers) echo "image, Compose file and manifests, and what they start" ;;
	seeds) echo "Debian's cloud-init reads the machines' seeds" ;;
	hyperv) echo "syntax, cmdlets and parameters of the PowerShell scripts" ;;
	*) return 1 ;;
	esac
}

main() {
	local steps=("${all_steps[@]}")
	if [[ "${1:-}" == --list ]]; then
		list_steps
		return 0
	fi
	slow=false
	if [[ "${CI:-}" == slow || "${1:-}" == --slow ]]; then
		slow=true
		steps=("${slow_steps[@]}")
	fi
	if [[ "${1:-}" == --slow ]]; then
		shift
	fi
	if (($# > 0)); then
		steps=("$@")
	fi
	local step
	for step in "${steps[@]}"; do
		describe "$step" >/dev/null || usage "there is no step \"$step\""
	done
	command -v go >/dev/null || usage "go is not installed; go.mod says which version is needed"

	[[ "$slowdown" =~ ^[1-9][0-9]{0,2}$ ]] || usage "MUSTER_TEST_SLOWDOWN is \"$slowdown\"; it must be a number between 1 and 999"

	work="$(mktemp -d)"
	loops=()
	trap 'stop_loops; rm -rf "$work"' EXIT
	skips="$work/skips"
	: >"$skips"

	summary="$work/summary"
	: >"$summary"
	failed=0

	if [[ "$slow" == true ]]; then
		slow_store
	fi

	local number=0 start=$SECONDS
	for step in "${steps[@]}"; do
		number=$((number + 1))
		run_step "$number" "${#steps[@]}" "$step"
	done

	finish "$failed" "${#steps[@]}" "$((SECONDS - start))"
}

# run_step runs one step, times it, adds a line to the summary and counts it if it
# failed. Neither it nor the step may be called in a condition: bash would then
# let a step go on behind a command that failed.
run_step() {
	local title before=$SECONDS code=0 skipped verdict
	title="$(describe "$3")"
	skipped="$(wc -l <"$skips")"
	printf '\n== %d/%d %s: %s\n' "$1" "$2" "$3" "$title"
	if [[ "$slow" == true ]]; then
		start_loops "$slow_loops"
	elif [[ "$3" == busy ]]; then
		start_loops 1
	fi
	set +e
	(
		set -e
		"step_$3"
	)
	code=$?
	set -e
	stop_loops
	verdict=ok
	if (($(wc -l <"$skips") > skipped)); then
		verdict=skipped
		if [[ "${CI:-}" == true ]]; then
			echo "CI=true: a skip is a failure"
			code=1
		fi
	fi
	if ((code != 0)); then
		verdict=FAILED
		failed=$((failed + 1))
	fi
	printf '%-8s %4ds  %-10s %s\n' "$verdict" "$((SECONDS - before))" "$3" "$title" >>"$summary"
	echo "-- $verdict, $((SECONDS - before))s"
}

# finish prints the summary and leaves with 1 if a step failed.
finish() {
	printf '\n== summary\n'
	cat "$summary"
	if [[ -s "$skips" ]]; then
		echo
		echo "skipped:"
		sed 's/^/  /' "$skips"
	fi
	printf '\n%d of %d steps failed, in %dm%02ds\n' "$1" "$2" "$(($3 / 60))" "$(($3 % 60))"
	if (($2 != ${#all_steps[@]})); then
		echo "not all steps were asked for; all are: ${all_steps[*]}"
	fi
	if (($1 > 0)); then
		exit 1
	fi
}

# fail ends a step and says what to do about it.
fail() {
	echo "$@"
	exit 1
}

# skip notes something that is not checked; it is named again at the end.
skip() {
	echo "SKIPPED: $*"
	echo "$*" >>"$skips"
}

usage() {
	echo "scripts/test.sh: $1" >&2
	list_steps >&2
	exit 2
}

list_steps() {
	local step
	echo "steps:"
	for step in "${all_steps[@]}"; do
		printf '  %-10s %s\n' "$step" "$(describe "$step")"
	done
}

# need makes sure that a command exists: need COMMAND DEBIAN-PACKAGE... On Debian
# root installs the packages; otherwise the caller skips what needs it.
need() {
	local command="$1"
	shift
	if command -v "$command" >/dev/null; then
		return 0
	fi
	if [[ ! -e /etc/debian_version || "$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null; then
		return 1
	fi
	echo "installing $*"
	# The list of packages may be missing or old; it is fetched only then.
	apt_install "$@" || { apt-get -qq update && apt_install "$@"; } || return 1
	command -v "$command" >/dev/null
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

# start_loops keeps all processors busy, with so many loops for each.
start_loops() {
	local n
	for ((n = 0; n < $1 * $(processors); n++)); do
		loop $$ &
		loops+=($!)
	done
	echo "${#loops[@]} loops keep $(processors) processors busy"
}

# loop computes nothing until it is ended; also if the script was killed.
loop() {
	trap - EXIT # that is the script's
	local i
	while kill -0 "$1" 2>/dev/null; do
		for ((i = 0; i < 100000; i++)); do :; done
	done
}

stop_loops() {
	if ((${#loops[@]} > 0)); then
		kill "${loops[@]}" 2>/dev/null || true # one may have ended by itself
		wait "${loops[@]}" 2>/dev/null || true # ended by a signal, as it should be
		loops=()
	fi
}

processors() { getconf _NPROCESSORS_ONLN; }

# slow_store has each sync of a file take longer from now on: in what Go builds, it
# replaces the functions of the standard library that ask the system for it. They
# sleep in the system, not by Go's timers, so that fake time does not pass.
slow_store() {
	if [[ "$(go env GOOS)" != linux ]]; then
		skip "a store that syncs slowly: only Linux's functions are known here"
		return 0
	fi
	local source copy="$work/slow_sync.go"
	source="$(go env GOROOT)/src/syscall/zsyscall_linux_$(go env GOARCH).go"
	sed "s/^func F\(data\)\{0,1\}sync(fd int) (err error) {\$/&\n\t_ = Nanosleep(\&Timespec{Nsec: ${slow_sync}e6}, nil)/" "$source" >"$copy"
	[[ "$(grep -c "Nsec: ${slow_sync}e6" "$copy")" == 2 ]] || fail "$source has no Fsync and Fdatasync as slow_store knows them"
	printf '{"Replace": {"%s": "%s"}}\n' "$source" "$copy" >"$work/overlay.json"
	export GOFLAGS="${GOFLAGS:-} -overlay=$work/overlay.json"
	echo "each sync of a file takes $slow_sync ms more"
}

step_tools() {
	./scripts/tools.sh >/dev/null || fail "a tool does not build: see scripts/tools/go.mod"
}

# Generates in a copy and compares, so that it neither changes the tree nor needs
# it to be committed.
step_generated() {
	local tools copy="$work/generated" before="$work/before"
	tools="$(./scripts/tools.sh oapi-codegen)"
	mkdir "$copy" "$before"
	tar -cf - --exclude=./.git --exclude=./.cache . | tar -xf - -C "$copy"
	cp -R "$copy/." "$before"
	# In another directory the build cache knows the packages only with -trimpath.
	(cd "$copy" && PATH="$tools:$PATH" GOFLAGS="${GOFLAGS:-} -trimpath" go generate ./...) ||
		fail "go generate failed: run ./scripts/generate.sh and mend what it says"
	(cd "$work" && diff -ru before generated) ||
		fail "generated files are not what go generate writes: run ./scripts/generate.sh and commit the result"
	echo "go generate writes: $(grep -rl --include='*.go' '^// Code generated .* DO NOT EDIT\.$' . | wc -l) generated files, all current"
}

step_format() {
	local tools unformatted
	tools="$(./scripts/tools.sh gofumpt)"
	unformatted="$("$tools/gofumpt" -l .)" || fail "gofumpt can't read the source above"
	if [[ -n "$unformatted" ]]; then
		echo "$unformatted"
		# shellcheck disable=SC2016 # the hint is to be typed as it is
		fail 'not formatted: run "$(./scripts/tools.sh gofumpt)"/gofumpt -w .'
	fi
}

step_modules() {
	go mod tidy -diff || fail "run: go mod tidy"
	local module
	for module in "${other_modules[@]}"; do
		go -C "$module" mod tidy -diff || fail "run: go -C $module mod tidy"
	done
	go mod verify || fail "a module in the cache is not what go.sum says: run go clean -modcache and try again"
}

step_shell() {
	local scripts=() script
	while IFS= read -r script; do
		scripts+=("$script")
	done < <(find . \( -path ./.git -o -path ./.cache \) -prune -o -type f \( -name '*.sh' -o -path ./.ci/run \) -print | sort)
	if ! need shellcheck shellcheck; then
		skip "shellcheck of ${#scripts[@]} scripts: shellcheck is not installed"
		return 0
	fi
	shellcheck "${scripts[@]}" || fail "mend what shellcheck says, or disable it on that line with the reason"
	echo "${#scripts[@]} scripts"
}

step_vet() {
	go vet ./... || fail "mend what go vet says"
	local module
	for module in "${other_modules[@]}"; do
		go -C "$module" vet ./... || fail "mend what go vet says of $module"
	done
}

step_lint() {
	local tools
	tools="$(./scripts/tools.sh golangci-lint)"
	"$tools/golangci-lint" config verify || fail "mend .golangci.yml"
	local module
	for module in . "${other_modules[@]}"; do
		# shellcheck disable=SC2016 # as above
		(cd "$module" && "$tools/golangci-lint" run ./...) ||
			fail "mend what it says of $module; it formats by itself:" '"$(./scripts/tools.sh golangci-lint)"/golangci-lint run --fix'
	done
}

step_test() {
	need python3 python3 || skip "the slave in Python: python3 is not installed"
	{ need git git && [[ "$(git rev-parse --is-shallow-repository 2>/dev/null)" == false ]]; } ||
		skip "the rolling upgrade from the version before: that needs git and a clone that is not shallow"
	{ (($(id -u) == 0)) && need ip iproute2 && need nft nftables && unpack_nginx; } ||
		skip "addresses, on hosts that are network namespaces: that needs root, ip, nft and nginx"
	local timeout="-timeout=$((slowdown * package_minutes))m"
	if [[ "$slow" == true ]]; then
		go test "$timeout" ./... || fail "a test failed; repeat it with: ./scripts/test.sh --slow test"
		return 0
	fi
	# The race detector is linked with a C compiler.
	if need "$(go env CC)" gcc libc6-dev; then
		CGO_ENABLED=1 go test -race "$timeout" ./... || fail "a test failed; go test -race -run NAME ./PACKAGE repeats one"
	else
		skip "the race detector: the C compiler $(go env CC) is not installed; tested without"
		go test "$timeout" ./... || fail "a test failed; go test -run NAME ./PACKAGE repeats one"
	fi
}

# The loops are started by run_step. Without the race detector, which the step before
# has: it slows the tests down as well, and what is asked here is what happens when
# muster itself gets no processor.
step_busy() {
	{ (($(id -u) == 0)) && need ip iproute2 && need nft nftables && unpack_nginx; } ||
		skip "addresses while all processors are busy: that needs root, ip, nft and nginx"
	go test -count=1 -timeout=20m ./systemtest/... || fail "a system test failed; repeat it with: ./scripts/test.sh busy"
}

# unpack_nginx makes sure that nginx can be run. It is unpacked and not installed:
# installed, it would begin to serve this machine.
unpack_nginx() {
	local dir="$PWD/.cache/nginx"
	PATH="$PATH:$dir/usr/sbin"
	if command -v nginx >/dev/null; then
		return 0
	fi
	command -v apt-get >/dev/null || return 1
	echo "unpacking nginx"
	rm -rf "$dir"
	mkdir -p "$dir"
	(cd "$dir" && { download_nginx || { apt-get -qq update && download_nginx; }; } && dpkg -x nginx_*.deb .) || return 1
	command -v nginx >/dev/null
}

download_nginx() { apt-get -qq -o APT::Sandbox::User=root download nginx; }

step_demo() {
	go run ./cmd/muster demo --script || fail "the story went wrong; go run ./cmd/muster demo --script tells it again"
}

step_cross() {
	local platform
	for platform in linux/arm64 windows/amd64 darwin/arm64; do
		echo "$platform"
		# -trimpath as a release has it, so that the next step finds them compiled.
		CGO_ENABLED=0 GOOS="${platform%/*}" GOARCH="${platform#*/}" go build -trimpath ./... ||
			fail "does not compile for $platform: keep what differs in files named after the platform"
	done
}

step_release() {
	if need unzip unzip; then
		./scripts/release.sh --check || fail "repeat it with: ./scripts/release.sh --check"
	else
		skip "what a release is made of: unzip is not installed"
	fi
}

step_package() {
	local what="the Debian package and its services"
	if (($(id -u) != 0)); then
		skip "$what: only root makes a machine to install it on"
	elif need mmdebstrap mmdebstrap && need pgrep procps; then
		./scripts/package/check.sh || fail "repeat it with: ./scripts/package/check.sh"
	else
		skip "$what: mmdebstrap or pgrep is not installed"
	fi
}

step_containers() {
	if (($(id -u) != 0)); then
		skip "what image, Compose file and manifests start: only root makes a container's namespaces"
	elif ! need ip iproute2 || ! need nsenter util-linux; then
		skip "what image, Compose file and manifests start: ip or nsenter is not installed"
	fi
	# Not from the cache, which knows nothing of the files that are checked.
	go -C scripts/containers/check test -count=1 -timeout="$((slowdown * package_minutes))m" ./... || fail "repeat it with: go -C scripts/containers/check test -count=1 ./..."
}

step_seeds() {
	local what="the seeds of virtual machines"
	if (($(id -u) != 0)); then
		skip "$what: only root unpacks Debian"
	elif need mmdebstrap mmdebstrap && need mformat mtools && need sfdisk fdisk && need shellcheck shellcheck; then
		./scripts/cloud-init/check.sh || fail "mend scripts/cloud-init"
	else
		skip "$what: mmdebstrap, mtools, fdisk or shellcheck is not installed"
	fi
}

step_hyperv() {
	local check="$work/hyperv/scripts/hyperv/check"
	if ! need node nodejs || ! need npm npm; then
		skip "the PowerShell scripts: node or npm is not installed"
		return 0
	fi
	# In a copy: npm writes next to its package.json.
	mkdir -p "$work/hyperv/scripts"
	cp -R scripts/hyperv scripts/cloud-init "$work/hyperv/scripts"
	npm --prefix "$check" ci --silent || fail "npm can't fetch the parser that scripts/hyperv/check/package-lock.json pins"
	node "$check/check.mjs" || fail "mend what it says; cmdlets.json says what it knows"
}

main "$@"
