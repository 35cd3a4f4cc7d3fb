// Package commit gets commands into Raft's log, many in one entry, and tells those who
// proposed them what has become of them.
//
//   - A Committer has the queue of calls (committer.go) and the entries that are on
//     their way (flight.go). Propose waits for the outcomes; a Writer puts entries in
//     without waiting, and follows what comes out of the log (writer.go).
//   - What an error of Raft means is decided in one place (fate.go): nothing happened,
//     or the fate is unknown.
//   - Futures are the waits for Raft's answers: they all end before Raft is shut down
//     (futures.go).
package commit
