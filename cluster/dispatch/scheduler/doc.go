// Package scheduler decides which slave runs which task next. It is the dispatcher's
// mind, and has neither a clock nor goroutines nor I/O: in each turn the dispatcher's
// loop hands it what has come, and carries out what it decides.
//
//	Begin(state, clock) ─▶ Commit(entry)…  ─▶ Submit, Report, Answered, Register …
//	                        what the log has                what others want
//	                                   ▼
//	                        Plan ─▶ Outputs: one entry for the log, requests to slaves,
//	                                answers to callers, when to come again
//
// What came of a decision comes back as an input of a later turn. In between it is
// remembered as a value (a settler): there are no callbacks.
//
// The same calls have the same outputs, so a run can be repeated from a seed:
// muster/systemtest/simulation does.
//
//   - core.go      Core: the turn, and the events of the state; its parts are the types
//     lines, desk, fleet, liveness, outbox, attempts, moments, classes, retention and
//     inFlight, each of which changes its own fields only
//   - inputs.go    what it takes in, and which part does
//   - inflight.go  what is on its way into the log, in order
//   - calls.go     what is asked of it, other than submits and reports
//   - line.go      who waits: pending tasks first, then submits, per class
//   - seek.go      how one who waits looks for a slave: who is asked, and what its word means
//   - wake.go      when the next turn is due by itself
//   - classes.go   the tasks that the same slaves can run: a kind and labels
//   - agenda.go    the classes in the order of the first thing each has to do
//   - pending.go   the order in which the tasks of a line leave it
//   - moments.go   what waits for the cluster's clock: delayed tasks and deadlines
//   - books.go     what is known of each slave: free slots, last word, silence
//   - submits.go   submits: their keys, whether they are admitted, and who withdraws
//   - record.go    a submit's way into the log, and its answer
//   - attempts.go  an attempt's way from assignment to its end; re-attaching
//   - results.go   what slaves report; the slot that it frees
//   - overrun.go   attempts that have had their time, and are given up
//   - lanes.go     the one request at a time to each slave
//   - pace.go      how many requests are under way, and which go first
//   - liveness.go  probes, silence, loss
//   - refusing.go  slaves whose port refuses: their process has ended
//   - doubts.go    slaves that live and don't do what they say
//   - registry.go  slaves that register and leave
//   - retention.go which done tasks are forgotten
//   - suspects.go  what an earlier one panicked over
package scheduler
