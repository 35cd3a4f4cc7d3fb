#!/usr/bin/env bash
# Makes what a release consists of: archives for Linux, Windows and macOS, the
# Debian packages, and SHA256SUMS. Prints the directory.
#
#   ./scripts/release.sh                       of this commit
#   ./scripts/release.sh --version 1.2.3       the version, else from git's tags
#   ./scripts/release.sh --output DIR          where to; else dist/VERSION. It must be empty
#   ./scripts/release.sh --check               make it twice, in other circumstances, and compare
#
# Two releases of one commit, by one version of Go, have the same bytes.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
started_in="$PWD"
cd "$root"
# shellcheck source=scripts/package/common.sh
source scripts/package/common.sh

readonly platforms=(linux/amd64 linux/arm64 windows/amd64 darwin/arm64)

main() {
	local version="" output="" check=""
	while (($# > 0)); do
		if [[ "$1" == --check ]]; then
			check=true
			shift
			continue
		fi
		(($# > 1)) || usage "\"$1\" is no option, or has no value"
		case "$1" in
		--version) version="$2" ;;
		--output) output="$2" ;;
		*) usage "there is no option \"$1\"" ;;
		esac
		shift 2
	done
	[[ -z "$check" || -z "$output" ]] || usage "--check keeps nothing, so --output says nothing"
	read_stamp "$version"
	[[ -z "$stamp_modified" ]] || echo "release.sh: there are changes that are not committed; the binaries will say so" >&2
	work="$(mktemp -d)"
	trap 'rm -rf "$work"' EXIT
	if [[ -n "$check" ]]; then
		check_release
		return 0
	fi
	output="${output:-$root/dist/${stamp_version#v}}"
	[[ "$output" == /* ]] || output="$started_in/$output"
	make_release "$output"
	echo "$output"
}

make_release() {
	local output="$1" platform
	mkdir -p "$output"
	[[ -z "$(ls -A "$output")" ]] || complain "$output is not empty: remove it, or name another with --output"
	write_pages "$work/pages"
	for platform in "${platforms[@]}"; do
		make_archive "${platform%/*}" "${platform#*/}" "$output"
	done
	(cd "$output" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS && chmod 644 SHA256SUMS)
}

# make_archive makes one platform's archive, and of Linux's binaries the packages.
make_archive() {
	local os="$1" arch="$2" output="$3" name directory binary=muster kind=tar.gz
	name="muster_${stamp_version#v}_${os}_$arch"
	directory="$work/$name"
	mkdir "$directory"
	if [[ "$os" == windows ]]; then
		binary=muster.exe kind=zip
	fi
	build_muster "$os" "$arch" "$directory/$binary"
	cp LICENSE README.md CHANGELOG.md "$directory"
	cp -R "$work/pages/completions" "$directory"
	if [[ "$os" == windows ]]; then
		rm "$directory"/completions/*.{bash,zsh,fish}
	else
		cp -R "$work/pages/man1" "$directory"
		rm "$directory/completions/muster.ps1"
	fi
	if [[ "$os" == linux ]]; then
		write_deb "$arch" "$directory/$binary" "$work/pages" "$output" >/dev/null
		# For those who set the services up by hand.
		cp -R scripts/package/systemd scripts/package/sysusers "$directory"
		cp scripts/package/default "$directory/default"
	fi
	go -C scripts/package run ./archive "$directory" "$output/$name.$kind" || complain "$name.$kind was not written"
	rm -r "$directory"
}

# check_release makes a release here and one in a copy elsewhere, under settings that
# must not matter, and looks at what it consists of.
check_release() {
	go -C scripts/package test ./archive || complain "mend scripts/package/archive"

	make_release "$work/first"
	rm -r "$work/pages"
	mkdir -p "$work/else where"
	tar -cf - --exclude=./.cache --exclude=./dist . | tar -xf - -C "$work/else where"
	(
		umask 077
		export TZ=Asia/Kolkata LC_ALL=C.UTF-8 GOFLAGS="-tags=manpages -ldflags=-w" GOAMD64=v3 CGO_ENABLED=1 GOOS=plan9 GOARCH=386
		"$work/else where/scripts/release.sh" --version "$stamp_version" --output "$work/second" >/dev/null
	)
	diff -r "$work/first" "$work/second" || complain "two releases of the same files differ: something of their surroundings got in"
	echo "two releases, in two directories, with other time zones, umasks and Go settings: the same bytes"

	check_files "$work/first"
	check_stamp "$work/first"
	check_mistakes
	(cd "$work/first" && cat SHA256SUMS)
}

# check_files: everything is there, and SHA256SUMS knows it.
check_files() {
	local version="${stamp_version#v}" deb name
	deb="$(debian_version "$stamp_version")"
	(cd "$1" && sha256sum --check --strict --quiet SHA256SUMS) || complain "SHA256SUMS is wrong"
	sort <<-END | diff <(cut -d ' ' -f 3- "$1/SHA256SUMS" | sort) - || complain "the release lacks a file, or has one too many"
		muster_${deb}_amd64.deb
		muster_${deb}_arm64.deb
		muster_${version}_darwin_arm64.tar.gz
		muster_${version}_linux_amd64.tar.gz
		muster_${version}_linux_arm64.tar.gz
		muster_${version}_windows_amd64.zip
	END
	for name in muster LICENSE README.md man1/muster-master.1 completions/muster.bash systemd/muster-master.service; do
		tar -tzf "$1/muster_${version}_linux_amd64.tar.gz" "muster_${version}_linux_amd64/$name" >/dev/null ||
			complain "the archive for linux/amd64 lacks $name"
	done
}

# check_stamp asks the binary that runs here what it is, and the others' stamps of
# what they can't say here.
check_stamp() {
	local version="${stamp_version#v}" platform name said
	for platform in "${platforms[@]}"; do
		name="muster_${version}_${platform/\//_}"
		mkdir -p "$work/unpacked"
		if [[ "$platform" == windows/* ]]; then
			(cd "$work/unpacked" && unzip -q "$1/$name.zip")
		else
			tar -xzf "$1/$name.tar.gz" -C "$work/unpacked"
		fi
		said="$(go version -m "$work/unpacked/$name"/muster{,.exe} 2>/dev/null)" || true
		[[ "$said" == *"GOOS=${platform%/*}"* && "$said" == *"GOARCH=${platform#*/}"* && "$said" == *"-trimpath=true"* ]] ||
			complain "the binary for $platform was built for something else: $said"
	done
	says_its_stamp "$work/unpacked/muster_${version}_$(go env GOHOSTOS)_$(go env GOHOSTARCH)/muster" || complain "see above"
}

# says_its_stamp holds a binary's "version -o json" against what was asked.
says_its_stamp() {
	local said
	said="$("$1" version -o json)"
	for line in "\"version\": \"$stamp_version\"" "\"commit\": \"$stamp_commit\"" "\"commit_time\": \"$stamp_time\"" \
		"\"go\": \"$(go env GOVERSION)\"" "\"platform\": \"$(go env GOHOSTOS)/$(go env GOHOSTARCH)\""; do
		if ! grep -qF -- "$line" <<<"$said"; then
			echo "the binary does not say $line: $said"
			return 1
		fi
	done
	echo "$said"
}

# check_mistakes makes sure that the checks above can fail.
check_mistakes() {
	# Nor with a stamp of the go command's, which knows a clean clone as well.
	go build -buildvcs=false -o "$work/unstamped" ./cmd/muster
	if says_its_stamp "$work/unstamped" >/dev/null; then
		complain "a binary without a stamp was not noticed"
	fi
	cp -R "$work/first" "$work/wrong"
	echo >>"$work/wrong/muster_${stamp_version#v}_windows_amd64.zip"
	if (check_files "$work/wrong") >/dev/null 2>&1; then
		complain "a changed archive was not noticed"
	fi
}

usage() {
	echo "release.sh: $1" >&2
	echo "usage: scripts/release.sh [--version V] [--output DIR | --check]" >&2
	exit 2
}

main "$@"
