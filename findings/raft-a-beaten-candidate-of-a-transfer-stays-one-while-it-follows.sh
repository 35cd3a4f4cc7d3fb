#!/usr/bin/env bash
# hashicorp/raft v1.7.3: in Raft's paper a candidate that hears from a leader of its own term becomes a follower at once. One
# that stands because a leader told it to (TimeoutNow, as in a hand-over), and is beaten by another in the same term, does
# not: it names the winner as its leader, takes its entries and applies them, and its State is Candidate until its election
# time-out ends. Whoever asks State for who follows, or waits for that to stand again, is wrong for so long.
# Expected: it is a Follower as soon as it has an entry of the winner.
set -euo pipefail

dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'EOF'
module finding

go 1.26

require (
	github.com/hashicorp/go-hclog v1.6.3
	github.com/hashicorp/raft v1.7.3
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

const timeout = 3 * time.Second

type node struct {
	id string
	*raft.Raft
	transport *raft.InmemTransport
	fsm       *counter
}

func main() {
	nodes := cluster()
	first := await(nodes, func(n *node) bool { return n.State() == raft.Leader })
	await(nodes, func(*node) bool { return follow(nodes, first) })
	var rest []*node
	for _, n := range nodes {
		if n != first {
			rest = append(rest, n)
		}
	}
	beaten, winner := rest[0], rest[1]

	beaten.transport.DisconnectAll() // its requests for votes get nowhere; it hears the others
	for _, n := range rest {
		if err := first.transport.TimeoutNow(raft.ServerID(n.id), n.transport.LocalAddr(), &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}}, &raft.TimeoutNowResponse{}); err != nil {
			panic(err)
		}
	}
	await(nodes, func(*node) bool { return winner.State() == raft.Leader })
	before := beaten.fsm.applied.Load()
	if err := winner.Apply([]byte("x"), timeout).Error(); err != nil {
		panic(err)
	}
	await(nodes, func(*node) bool { return beaten.fsm.applied.Load() > before })
	applied := time.Now()
	_, leader := beaten.LeaderWithID()
	state := beaten.State()
	fmt.Printf("it has applied the winner's entry, names it as its leader: %t, and its state is: %s\n", string(leader) == winner.id, state)
	for beaten.State() == raft.Candidate && time.Since(applied) < 5*timeout {
		time.Sleep(10 * time.Millisecond)
	}
	long := time.Since(applied) > timeout/2
	fmt.Printf("it stays that for more than half of the time-out: %t\n", long)
	if state == raft.Candidate && string(leader) == winner.id && long {
		fmt.Println("a beaten candidate of a hand-over stays one while it follows")
	}
}

func cluster() []*node {
	var nodes []*node
	var all raft.Configuration
	for _, id := range []string{"a", "b", "c"} {
		address, transport := raft.NewInmemTransport("")
		nodes = append(nodes, &node{id: id, transport: transport, fsm: &counter{}})
		all.Servers = append(all.Servers, raft.Server{ID: raft.ServerID(id), Address: address})
	}
	for i, n := range nodes {
		for _, other := range nodes {
			n.transport.Connect(other.transport.LocalAddr(), other.transport)
		}
		config := raft.DefaultConfig()
		config.LocalID = raft.ServerID(n.id)
		config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = timeout, timeout, timeout
		config.Logger = hclog.NewNullLogger()
		store := raft.NewInmemStore()
		r, err := raft.NewRaft(config, n.fsm, store, store, raft.NewInmemSnapshotStore(), n.transport)
		if err != nil {
			panic(err)
		}
		n.Raft = r
		if i == 0 {
			r.BootstrapCluster(all)
		}
	}
	return nodes
}

// await waits, for half a minute, until something holds for a node.
func await(nodes []*node, holds func(*node) bool) *node {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, n := range nodes {
			if holds(n) {
				return n
			}
		}
	}
	panic("it does not come")
}

func follow(nodes []*node, leader *node) bool {
	for _, n := range nodes {
		if _, id := n.LeaderWithID(); string(id) != leader.id {
			return false
		}
	}
	return true
}

type counter struct{ applied atomic.Int64 }

func (c *counter) Apply(*raft.Log) any                 { return c.applied.Add(1) }
func (c *counter) Snapshot() (raft.FSMSnapshot, error) { return c, nil }
func (c *counter) Restore(r io.ReadCloser) error       { return r.Close() }
func (c *counter) Persist(s raft.SnapshotSink) error   { return s.Close() }
func (c *counter) Release()                            {}
EOF
go mod tidy 2>/dev/null
seen="$(go run .)"
echo "$seen"
[[ "$seen" == *"a beaten candidate of a hand-over stays one while it follows" ]] || { echo "changed: before, it was a candidate for more than half of the time-out, while it followed"; exit 1; }
