// Package fsm is the replicated state of muster as a pure value: the tasks, the
// slave registry and the masters, computed from the log and from nothing else.
//
// A log entry is an Envelope of commands (Encode, Decode). State.Apply applies
// one and returns an Outcome for each command: a value or a refusal, and the
// Events that say what changed. The state machine itself does nothing else: who
// wants to log, count, wake or send reacts to the events. It reads no clock and
// throws no dice: the leader decides, and names in the command what it decided;
// every replica checks it by the same rules and comes to the same end.
//
// State.View returns an immutable picture, published once per Apply. Any number
// of goroutines may read views, list tasks or save a snapshot of one while Apply
// goes on; nobody waits for anybody. Views share what did not change between
// them (copy-on-write B-trees). A node of a tree is copied once between two views, and
// what changes with nearly every command is kept out of the trees: counts of busy slots
// enter them when a View is made, and the index of keys is shared by all views.
//
// Where things are:
//
//	command.go, outcome.go   what goes in and what comes out
//	state.go                 State: Apply, and one file apply_*.go per subject
//	tables.go, tree.go       the data behind State and View, and its invariants
//	books.go                 what Apply keeps of a slave besides its entry
//	done.go, [un]pack.go     done tasks, packed to a fraction of their size
//	keys.go                  the index of idempotency keys
//	view.go, list.go, walk.go  reading
//	codec.go                 Encode, Decode: between commands and the log
//	encode*.go, plain*.go    what this build writes, and reads of what is written so
//	codec_*.go, convert.go   reading all else, by the generated code (logpb)
//	snapshot.go, load.go     View.Save and State.Load
//	fingerprint.go           one hash over everything, to compare replicas
//
// # Trade-offs
//
// A done task costs a reader a few hundred nanoseconds more, as it has to be
// unpacked, and takes a fraction of the memory. Filters on the outcome, the kind
// and the stamps, or on the slave of a done task, examine records one by one, at
// most task.MaxExamined for a page: an index would cost every task memory for
// the sake of a rare question. Stamps are no short cut: they need not rise with
// the ids.
//
// The log and snapshots are protobuf, but what is written and nearly all that is read
// never becomes a message of logpb: encoder and plain go straight between commands and
// bytes, without an object for each part and without reflection. They are lists of
// fields, as a conversion to and from generated code would be, and no second generated
// implementation of protobuf (vtprotobuf's differs where a wire type changed, for invalid
// UTF-8, and when it merges) reads the log in its own way. The generated code stays as
// the judge: it reads what is not plain, says what is wrong with it, and the tests hold
// both directions against it, byte for byte.
//
// To add a command, give it the next Number, a message in logpb/log.proto, a case
// in encode_commands.go, plain_commands.go and codec_commands.go, in State.apply, and
// in the tests' list of commands and their generated_test.go.
// Nothing that was ever written to a log may change its meaning.
package fsm
