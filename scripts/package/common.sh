# What scripts/package.sh and scripts/release.sh share: which version is built, and
# how, so that two builds of one commit have the same bytes. Sourced from the root
# of the repository; it sets stamp_version (v1.2.3), stamp_commit, stamp_time,
# stamp_modified, and exports SOURCE_DATE_EPOCH.
# shellcheck shell=bash

# What the caller's environment must not decide.
export GOFLAGS=-mod=readonly GOAMD64=v1 GOARM64=v8.0 GOEXPERIMENT="" GOFIPS140=off CGO_ENABLED=0
export LC_ALL=C TZ=UTC
unset GOOS GOARCH # tools run here, whatever is built
umask 022

# complain ends the script and says what to do.
complain() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# read_stamp VERSION: an empty one is made from the last tag and the commit.
read_stamp() {
	command -v go >/dev/null || complain "go is not installed; go.mod says which version is needed"
	git rev-parse --verify --quiet HEAD >/dev/null ||
		complain "this is no clone of the repository: git names the commit that is built"
	stamp_commit="$(git rev-parse HEAD)"
	stamp_modified=""
	if [[ -n "$(git status --porcelain)" ]]; then
		stamp_modified=true
	fi
	export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
	stamp_time="$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)"
	stamp_version="${1:-$(next_version)}"
	stamp_version="v${stamp_version#v}"
	local number='(0|[1-9][0-9]*)' word='[0-9A-Za-z-]+'
	[[ "$stamp_version" =~ ^v$number\.$number\.$number(-$word(\.$word)*)?(\+$word(\.$word)*)?$ ]] ||
		complain "\"$1\" is no version; write one like 1.2.3 or 1.2.3-rc1 (https://semver.org)"
}

# next_version is the tag of this commit, or, as Go has it, a version after the
# last tag and before the next one.
next_version() {
	local tag after
	after="0.$(TZ=UTC git log -1 --date=format-local:%Y%m%d%H%M%S --format=%cd)-${stamp_commit:0:12}"
	if tag="$(git describe --tags --abbrev=0 --match 'v[0-9]*.[0-9]*.[0-9]*' 2>/dev/null)"; then
		if [[ "$(git rev-parse "$tag^{commit}")" == "$stamp_commit" ]]; then
			after=""
		elif [[ "$tag" == *-* ]]; then
			after=".$after"
		else
			tag="${tag%.*}.$((${tag##*.} + 1))"
			after="-$after"
		fi
	else
		tag=v0.0.0
		after="-${after#0.}"
	fi
	echo "$tag$after${stamp_modified:++modified}"
}

# debian_version is a version as dpkg orders it: 1.2.3~rc1 is before 1.2.3.
debian_version() {
	local plain="${1#v}" build=""
	if [[ "$plain" == *+* ]]; then
		build="+${plain#*+}"
		plain="${plain%%+*}"
	fi
	plain="${plain/-/\~}"
	plain="$plain$build"
	echo "${plain//-/.}"
}

# build_muster OS ARCH FILE [ARGUMENT...] builds the binary.
build_muster() {
	local os="$1" arch="$2" file="$3"
	shift 3
	# Stamps of the go command are off: they say "modified" for files that are not
	# built, and nothing without a clone.
	GOOS="$os" GOARCH="$arch" go build -trimpath -buildvcs=false "$@" -o "$file" \
		-ldflags "-s -w -X main.releaseVersion=$stamp_version -X main.releaseCommit=$stamp_commit -X main.releaseTime=$stamp_time -X main.releaseModified=$stamp_modified" \
		./cmd/muster || complain "muster does not build for $os/$arch"
}

# write_pages DIR writes manual pages (man1) and shell completions (completions).
write_pages() {
	local dir="$1" shell
	mkdir -p "$dir/man1" "$dir/completions"
	build_muster "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$dir/generator" -tags manpages
	"$dir/generator" manpages "$dir/man1"
	for shell in bash zsh fish; do
		"$dir/generator" completion "$shell" >"$dir/completions/muster.$shell"
	done
	"$dir/generator" completion powershell >"$dir/completions/muster.ps1"
	rm "$dir/generator"
}

# write_deb ARCH BINARY PAGES OUTPUT makes the Debian package of a binary and of what
# write_pages wrote, and prints its path.
write_deb() {
	local arch="$1" binary="$2" pages="$3" output="$4" version stage deb
	version="$(debian_version "$stamp_version")"
	stage="$pages/deb" # the caller removes it with the pages, whatever happens
	mkdir -p "$stage" "$output"
	deb="$(cd "$output" && pwd)/muster_${version}_$arch.deb"
	cp "$binary" "$stage/muster"
	cp -R "$pages/man1" "$pages/completions" "$stage"
	gzip -9n "$stage"/man1/*
	gzip -9nc CHANGELOG.md >"$stage/changelog.gz"
	STAGE="$stage" DEBIAN_ARCH="$arch" DEBIAN_VERSION="$version" \
		go -C scripts/package tool nfpm package --config nfpm.yaml --packager deb --target "$deb" >&2 ||
		complain "nfpm made no package of scripts/package/nfpm.yaml"
	rm -r "$stage"
	echo "$deb"
}
