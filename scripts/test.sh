#!/usr/bin/env bash
# Everything that must hold before a change lands, the cheap before the dear.
#
#   ./scripts/test.sh              all steps
#   ./scripts/test.sh lint test    these steps only
#   ./scripts/test.sh --list       the steps
#
# It needs Go; what else is missing it installs (as root on Debian), or it says
# what it skips. With CI=true a skip is a failure. A failed step does not stop
# the steps after it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly all_steps=(tools generated format modules shell vet lint test demo cross release package containers seeds hyperv)

# Modules next to muster's own, with dependencies that muster must not have.
readonly other_modules=(scripts/tools scripts/package scripts/containers/check)

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
	test) echo "go test -race" ;;
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
	if (($# > 0)); then
		steps=("$@")
	fi
	local step
	for step in "${steps[@]}"; do
		describe "$step" >/dev/null || usage "there is no step \"$step\""
	done
	command -v go >/dev/null || usage "go is not installed; go.mod says which version is needed"

	work="$(mktemp -d)"
	trap 'rm -rf "$work"' EXIT
	skips="$work/skips"
	: >"$skips"

	summary="$work/summary"
	: >"$summary"
	failed=0

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
	set +e
	(
		set -e
		"step_$3"
	)
	code=$?
	set -e
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
	{ (($(id -u) == 0)) && need ip iproute2 && need nft nftables && unpack_nginx; } ||
		skip "addresses, on hosts that are network namespaces: that needs root, ip, nft and nginx"
	# The race detector is linked with a C compiler.
	if need "$(go env CC)" gcc libc6-dev; then
		CGO_ENABLED=1 go test -race ./... || fail "a test failed; go test -race -run NAME ./PACKAGE repeats one"
	else
		skip "the race detector: the C compiler $(go env CC) is not installed; tested without"
		go test ./... || fail "a test failed; go test -run NAME ./PACKAGE repeats one"
	fi
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
	go -C scripts/containers/check test -count=1 ./... || fail "repeat it with: go -C scripts/containers/check test -count=1 ./..."
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
