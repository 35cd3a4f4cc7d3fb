#!/usr/bin/env bash
# hashicorp/raft v1.7.3: RemoveServer and DemoteVoter of an id that is in no configuration return no error. They write a
# configuration entry to the log as for a real removal, and answer with its index. A mistyped id looks like a removed server.
# Expected: an error that says that there is no such server, and no entry.
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
	r := lead()
	before := r.LastIndex()
	remove := r.RemoveServer("no-such-server", 0, time.Second)
	fmt.Println("remove:", remove.Error(), "entries:", remove.Index()-before)
	demote := r.DemoteVoter("no-such-server", 0, time.Second)
	fmt.Println("demote:", demote.Error(), "entries:", demote.Index()-before)
}

// node starts a Raft node in memory.
func node(id string) (*raft.Raft, raft.ServerAddress, *raft.InmemTransport) {
	address, transport := raft.NewInmemTransport("")
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(id)
	config.LogOutput = io.Discard
	store := raft.NewInmemStore()
	r, err := raft.NewRaft(config, fsm{}, store, store, raft.NewInmemSnapshotStore(), transport)
	if err != nil {
		panic(err)
	}
	return r, address, transport
}

// lead starts a cluster of one, which leads, and commits a command.
func lead() *raft.Raft {
	r, address, _ := node("a")
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
expected='remove: <nil> entries: 1
demote: <nil> entries: 2'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
