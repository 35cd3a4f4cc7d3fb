#!/usr/bin/env bash
# hashicorp/raft v1.7.3: AddVoter and its siblings take prevIndex, the index of the configuration that the caller has
# seen, so that a change based on an outdated one is refused. GetConfiguration() returns a future with an Index(), which is
# 0 whatever the configuration is; and a prevIndex of 0 means "no check". So the obvious compare-and-set, reading the
# configuration and passing its Index(), compares nothing: a change based on an outdated configuration is accepted.
# Expected: Index() is that of the configuration (only the future of a change tells it), and the last change is refused.
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
	change := r.AddNonvoter("b", "nowhere", 0, time.Second)
	fmt.Println("change:", change.Error(), change.Index())
	read := r.GetConfiguration()
	fmt.Println("read:", read.Error(), len(read.Configuration().Servers), "servers, index", read.Index())

	// Meanwhile somebody else changes it.
	fmt.Println("meanwhile:", r.AddNonvoter("c", "elsewhere", 0, time.Second).Error())
	fmt.Println("with the index of the change:", r.RemoveServer("b", change.Index(), time.Second).Error())
	fmt.Println("with the index that was read:", r.RemoveServer("b", read.Index(), time.Second).Error())
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
expected='change: <nil> 4
read: <nil> 2 servers, index 0
meanwhile: <nil>
with the index of the change: configuration changed since 4 (latest is 5)
with the index that was read: <nil>'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
