#!/usr/bin/env bash
# hashicorp/raft v1.7.3: AddVoter and its siblings take prevIndex, the index of the configuration that the caller has
# seen, so that a change based on an outdated one is refused. GetConfiguration() returns a future with an Index(), which is
# 0 whatever the configuration is; and a prevIndex of 0 means "no check". So the obvious compare-and-set, reading the
# configuration and passing its Index(), compares nothing: a change based on an outdated configuration is accepted.
# Expected: Index() is that of the configuration (only the future of a change tells it), and the last change is refused.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cp "$here/raft/cluster.go.txt" cluster.go # a cluster of one
cat >go.mod <<'EOF'
module finding

go 1.26

require github.com/hashicorp/raft v1.7.3
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"time"
)

func main() {
	r := lead(fsm{})
	change := r.AddNonvoter("b", "nowhere", 0, time.Second)
	fmt.Println("change:", change.Error(), change.Index())
	read := r.GetConfiguration()
	fmt.Println("read:", read.Error(), len(read.Configuration().Servers), "servers, index", read.Index())

	// Meanwhile somebody else changes it.
	fmt.Println("meanwhile:", r.AddNonvoter("c", "elsewhere", 0, time.Second).Error())
	fmt.Println("with the index of the change:", r.RemoveServer("b", change.Index(), time.Second).Error())
	fmt.Println("with the index that was read:", r.RemoveServer("b", read.Index(), time.Second).Error())
}
EOF
go mod tidy 2>/dev/null
seen="$(go run .)"
echo "$seen"
expected='change: <nil> 4
read: <nil> 2 servers, index 0
meanwhile: <nil>
with the index of the change: configuration changed since 4 (latest is 5)
with the index that was read: <nil>'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
