// Package cluster is one master's Raft node: it keeps a replica of the state
// (package fsm) on disk and in memory, gets commands committed, and lets others
// read, wait and follow what changes.
//
// Open opens a data directory; Run makes the node a member of its cluster, runs
// Raft, and returns when its context ends or something breaks that a restart
// must repair. In between:
//
//   - Propose commits commands on the leader, many in one entry, and a Writer follows
//     what is applied (package commit). An error says whether nothing happened or the
//     fate is unknown.
//   - View is the state as of the last applied entry; WaitIndex, AwaitDone and
//     EventsAfter tell when it changes (package watch). Barrier makes a read strong.
//   - Config.Lead is called with the term while this node is the leader, never
//     twice at once (lead.go).
//   - Join, RemoveMaster and TransferLeadership change the membership (join.go,
//     remove.go). form.go and joining.go are how an empty disk gets into a
//     cluster, and how a wiped one is kept out; move.go is how a member gets
//     another address.
//
// The package adds to hashicorp/raft what it leaves open: a gate before the
// transport (gate.go), a greeting on each connection (greeting.go), bounds in bytes and
// a watchdog over the disk (package store), and an end to every wait. DESIGN.md has the reasons and the trade-offs.
package cluster
