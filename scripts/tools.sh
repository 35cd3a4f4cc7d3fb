#!/usr/bin/env bash
# Builds the tools that scripts/tools/go.mod pins and prints the directory that
# they are in. Given names, builds these only:
#
#   "$(./scripts/tools.sh gofumpt)"/gofumpt -w .
#
# A tool is built once for each state of scripts/tools and version of Go; delete
# .cache to build anew.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Everything that decides what the tools are, in one number.
state="$(cat scripts/tools/go.mod scripts/tools/go.sum <(go env GOVERSION GOOS GOARCH) | cksum | cut -d ' ' -f 1)"
bin="$PWD/.cache/tools/$state"
mkdir -p "$bin"
# The tools of an earlier state are of no more use.
find .cache/tools -mindepth 1 -maxdepth 1 ! -name "$state" -exec rm -rf {} +

suffix=""
if [[ "$(go env GOOS)" == windows ]]; then
	suffix=".exe"
fi

# The tool directives, a package a line.
packages="$(go -C scripts/tools list -f '{{.ImportPath}}' tool)"

wanted=("$@")
if ((${#wanted[@]} == 0)); then
	while read -r package; do
		wanted+=("$(basename "$package")")
	done <<<"$packages"
fi

for name in "${wanted[@]}"; do
	if [[ -x "$bin/$name$suffix" ]]; then
		continue
	fi
	package="$(grep -E "/$name\$" <<<"$packages")" || {
		echo "scripts/tools.sh: scripts/tools/go.mod has no tool directive for $name" >&2
		exit 1
	}
	echo "building $name" >&2
	# First under another name: an interrupted build must not look like a tool.
	go build -C scripts/tools -o "$bin/$name.new" "$package"
	mv "$bin/$name.new" "$bin/$name$suffix"
done

echo "$bin"
