#!/usr/bin/env bash
# hashicorp/raft v1.7.3: after a membership change Snapshot() fails with "cannot take snapshot now, wait until the
# configuration entry at N has been applied", and waiting does not help: the entry is committed and the cluster is idle,
# yet the error stays until somebody applies another command or a barrier. A backup right after a join fails for ever in an idle cluster.
# Expected: the snapshot succeeds once the change has been committed.
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
	fmt.Println("before the change:", r.Snapshot().Error())
	if err := r.AddNonvoter("b", "nowhere", 0, time.Second).Error(); err != nil {
		panic(err)
	}
	time.Sleep(3 * time.Second)
	fmt.Println("3 s after it:", r.Snapshot().Error())
	if err := r.Barrier(time.Second).Error(); err != nil {
		panic(err)
	}
	fmt.Println("after a barrier:", r.Snapshot().Error())
}
EOF
go mod tidy 2>/dev/null
seen="$(go run .)"
echo "$seen"
expected='before the change: <nil>
3 s after it: cannot take snapshot now, wait until the configuration entry at 4 has been applied (have applied 3)
after a barrier: <nil>'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
