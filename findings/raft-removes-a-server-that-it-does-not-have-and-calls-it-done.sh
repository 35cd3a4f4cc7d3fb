#!/usr/bin/env bash
# hashicorp/raft v1.7.3: RemoveServer and DemoteVoter of an id that is in no configuration return no error. They write a
# configuration entry to the log as for a real removal, and answer with its index. A mistyped id looks like a removed server.
# Expected: an error that says that there is no such server, and no entry.
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
	before := r.LastIndex()
	remove := r.RemoveServer("no-such-server", 0, time.Second)
	fmt.Println("remove:", remove.Error(), "entries:", remove.Index()-before)
	demote := r.DemoteVoter("no-such-server", 0, time.Second)
	fmt.Println("demote:", demote.Error(), "entries:", demote.Index()-before)
}
EOF
go mod tidy 2>/dev/null
seen="$(go run .)"
echo "$seen"
expected='remove: <nil> entries: 1
demote: <nil> entries: 2'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
