// Package slavetest holds a slave, written in whatever language, against the
// slave protocol (docs/slave-protocol.md). It plays the masters: a follower that
// redirects, and a leader that registers the slave, gives it tasks and takes its
// results, or pretends to lose them. It knows the protocol from its document and
// imports nothing of the Go slave, so that both are judged alike.
//
//   - Run tries one rule after the other (rules.go) and returns a Line for each.
//   - master.go is what the slave calls; ask.go is what calls the slave.
//   - words.go watches every word on free slots, whatever rule it came with.
//   - Command starts a slave as a child process, for the rules that need its end.
//
// Every wait is bounded: by Config.Register for the first sign of the slave, by
// Config.Patience for what it should do at once, and by Config.Quiet for what it
// should not do.
package slavetest
