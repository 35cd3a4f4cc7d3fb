// Package task is the shared vocabulary of muster and the legal moves between
// the states of a task.
//
// It is pure: no clock, no I/O, no randomness, only the standard library. Every
// other package speaks in these types; the log (fsm/logpb), the wire (api/wire)
// and the slave protocol (slave/link) have shapes of their own and convert.
//
// Start at Task; Move describes how a task gets from pending to done. Order,
// Answer and Result are what a leader and a slave say to each other. Error is
// the one shape of a refusal, with a Code that the API maps to an HTTP status.
package task
