#!/usr/bin/env bash
# hashicorp/raft v1.7.3: a state machine that offers StoreConfiguration hears of each committed membership change, as its
# interface ConfigurationStore says. Once it also offers ApplyBatch, it hears of none: the changes come as entries of the
# batches, and StoreConfiguration is never called. So adding ApplyBatch for speed silently stops the other.
# Expected: StoreConfiguration is called for each change with and without ApplyBatch.
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

	"github.com/hashicorp/raft"
)

func main() {
	for _, batches := range []bool{false, true} {
		var heard int
		var machine raft.FSM = &plain{heard: &heard}
		if batches {
			machine = &batching{plain{heard: &heard}}
		}
		r := lead(machine)
		if err := r.AddNonvoter("b", "nowhere", 0, time.Second).Error(); err != nil {
			panic(err)
		}
		if err := r.Barrier(time.Second).Error(); err != nil {
			panic(err)
		}
		fmt.Println("with ApplyBatch:", batches, "calls of StoreConfiguration:", heard)
	}
}

// plain counts the calls of StoreConfiguration, which are over when a later barrier is.
type plain struct {
	fsm
	heard *int
}

func (p *plain) StoreConfiguration(uint64, raft.Configuration) { *p.heard++ }

type batching struct{ plain }

func (*batching) ApplyBatch(logs []*raft.Log) []any { return make([]any, len(logs)) }
EOF
go mod tidy 2>/dev/null
seen="$(go run .)"
echo "$seen"
expected='with ApplyBatch: false calls of StoreConfiguration: 2
with ApplyBatch: true calls of StoreConfiguration: 0'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
