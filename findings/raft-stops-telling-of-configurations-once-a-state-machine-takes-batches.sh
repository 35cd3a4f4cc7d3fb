#!/usr/bin/env bash
# hashicorp/raft v1.7.3: a state machine that offers StoreConfiguration hears of each committed membership change, as its
# interface ConfigurationStore says. Once it also offers ApplyBatch, it hears of none: the changes come as entries of the
# batches, and StoreConfiguration is never called. So adding ApplyBatch for speed silently stops the other.
# Expected: StoreConfiguration is called for each change with and without ApplyBatch.
set -euo pipefail

dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'EOF'
module finding

go 1.26

require github.com/hashicorp/raft v1.7.3
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"io"
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

// node starts a Raft node in memory.
func node(id string, machine raft.FSM) (*raft.Raft, raft.ServerAddress, *raft.InmemTransport) {
	address, transport := raft.NewInmemTransport("")
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(id)
	config.LogOutput = io.Discard
	store := raft.NewInmemStore()
	r, err := raft.NewRaft(config, machine, store, store, raft.NewInmemSnapshotStore(), transport)
	if err != nil {
		panic(err)
	}
	return r, address, transport
}

// lead starts a cluster of one, which leads, and commits a command.
func lead(machine raft.FSM) *raft.Raft {
	r, address, _ := node("a", machine)
	r.BootstrapCluster(raft.Configuration{Servers: []raft.Server{{ID: "a", Address: address}}})
	for leads := range r.LeaderCh() {
		if leads {
			break
		}
	}
	if err := r.Apply([]byte("command"), time.Second).Error(); err != nil {
		panic(err)
	}
	return r
}

type fsm struct{}

func (fsm) Apply(*raft.Log) any                 { return nil }
func (fsm) Snapshot() (raft.FSMSnapshot, error) { return fsm{}, nil }
func (fsm) Restore(r io.ReadCloser) error       { return r.Close() }
func (fsm) Persist(s raft.SnapshotSink) error   { return s.Close() }
func (fsm) Release()                            {}
EOF
go mod tidy 2>/dev/null
seen="$(go run .)"
echo "$seen"
expected='with ApplyBatch: false calls of StoreConfiguration: 2
with ApplyBatch: true calls of StoreConfiguration: 0'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
