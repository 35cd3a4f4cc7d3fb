// Package raftlog writes what hashicorp/raft says to slog, quietly: what people must know
// is said by the packages around it, in their own words.
package raftlog
