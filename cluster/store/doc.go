// Package store is what a master has on its disk for Raft: the log, the term and the
// vote, and the snapshots.
//
// Open opens all of it, and locks it. Below is hashicorp/raft-boltdb; this package adds
// what it leaves open:
//
//   - checksums over entries and votes (checksum.go, seal.go), and a look at the whole
//     file before it is trusted (damage.go, header.go);
//   - a watchdog over every call, since a disk that hangs would leave a leader that
//     leads for ever (guard.go), and over the space that is free (space.go);
//   - bounds in bytes of the log, its cache and what stays behind a snapshot (sizes.go,
//     cache.go);
//   - what is known of the log's entries: which are commands (backlog.go), and which
//     were there at the start (oldlog.go).
package store
