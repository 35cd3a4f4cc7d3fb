// Package slave is the library that runs a slave: a process that executes tasks
// for muster's masters. Give it a name, an address to listen on, the masters,
// and a handler for each kind of task; Run does the rest:
//
//	masters, err := client.New(client.Config{Addresses: []string{"http://10.0.0.1:8001", "http://10.0.0.2:8001"}})
//	…
//	s, err := slave.New(slave.Config{
//		Name:    "slave-1",
//		Listen:  "10.0.0.5:9001",
//		Slots:   4,
//		Masters: masters,
//		Kinds: []slave.Kind{{Name: "resize", Idempotent: true, Handle: resize}},
//	})
//	…
//	err = s.Run(ctx) // until ctx ends; then it drains and says goodbye
//
// It listens before it registers, because a master calls it back; registers
// with any master, and again when no master has asked it anything for a while;
// and repeats each result until a master has acknowledged it. Should its masters
// turn out to be another cluster (rebuilt from empty disks, say), it lets go of what
// it had for the old one, as if it had just been started. When ctx ends it
// takes no more work, finishes and reports what it has, and leaves.
//
// # Wiring
//
//	leader ──HTTP──▶ link.Server ──▶ worker.Worker ──▶ Kind.Handle
//	masters ◀─────── Masters ◀── results ┘
//	masters ◀─────── Masters ◀── registration (register.go)
//
// # At least once, at most once
//
// A task of a kind that is declared idempotent is run again when a slave
// vanishes with it. Of any other kind it is run at most once, and ends as lost.
// A handler whose error says Retryable() true asks for another execution itself.
package slave
