#!/usr/bin/env bash
# Builds the Debian package, and prints its path.
#
#   ./scripts/package.sh                       of this commit, for this machine's kind
#   ./scripts/package.sh --version 1.2.3       the version, else from git's tags
#   ./scripts/package.sh --arch arm64          amd64 or arm64
#   ./scripts/package.sh --output DIR          where to; else dist/
#
# What it is built from is in scripts/package/. Two builds of one commit, by one
# version of Go, have the same bytes.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/package/common.sh
source scripts/package/common.sh

main() {
	local version="" arch="" output=dist
	while (($# > 0)); do
		(($# > 1)) || usage "\"$1\" is no option, or has no value"
		case "$1" in
		--version) version="$2" ;;
		--arch) arch="$2" ;;
		--output) output="$2" ;;
		*) usage "there is no option \"$1\"" ;;
		esac
		shift 2
	done
	read_stamp "$version"
	arch="${arch:-$(go env GOHOSTARCH)}"
	[[ "$arch" == amd64 || "$arch" == arm64 ]] || usage "--arch \"$arch\" is none of amd64, arm64"

	stage="$(mktemp -d)"
	trap 'rm -rf "$stage"' EXIT
	build_muster linux "$arch" "$stage/muster"
	write_pages "$stage"
	write_deb "$arch" "$stage/muster" "$stage" "$output"
}

usage() {
	echo "package.sh: $1" >&2
	echo "usage: scripts/package.sh [--version V] [--arch amd64|arm64] [--output DIR]" >&2
	exit 2
}

main "$@"
