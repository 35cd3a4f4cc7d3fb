// Package dispatch decides who runs what next and makes it so. A new Dispatcher
// is made for every term in which this master leads; it is built from the
// replicated state alone and thrown away when leadership is lost.
//
// It knows a Log (to commit decisions), a Source (to see the state) and a Sender
// (to talk to slaves), and nothing else: no Raft, no HTTP.
//
//	submit ──▶ line ──▶ ask slaves in turn ──▶ reserve ──▶ commit ──▶ answer ──▶ send
//	                         (core)             (books)     (Log)               (Sender)
//
// The core is single-threaded and pure: inputs change its books, plan turns
// waiting tasks and books into actions, and the loop around it carries the
// actions out and feeds back what came of them. Time is an input.
//
//   - core.go      the core's inputs and outputs, and the plan
//   - line.go      who waits: pending tasks first, then submits, per class
//   - seek.go      how one who waits looks for a slave: who is asked, and what its word means
//   - wake.go      when the plan runs again by itself
//   - classes.go   the tasks that the same slaves can run: a kind and labels
//   - agenda.go    the classes in the order of the first thing each has to do
//   - pending.go   the order in which the tasks of a line leave it
//   - moments.go   what waits for the cluster's clock: delayed tasks and deadlines
//   - books.go     what is known of each slave: free slots, last word, silence
//   - submits.go   a submit's way from key look-up to its answer
//   - attempts.go  an attempt's way from assignment to its end; re-attaching
//   - overrun.go   attempts that have had their time, and are given up
//   - lanes.go     the one request at a time to each slave
//   - pace.go      how many requests are under way, and which go first
//   - liveness.go  probes, silence, loss
//   - refusing.go  slaves whose port refuses: their process has ended
//   - doubts.go    slaves that live and don't do what they say
//   - registry.go  slaves that register and leave
//   - retention.go which done tasks are forgotten
//   - proposals.go what is on its way into the log, in order
//   - panic.go     what becomes of all that when it panics
//   - breaker.go   what keeps that from every leader in turn
//   - loop.go      the Dispatcher: goroutines, timers, the public methods
package dispatch
