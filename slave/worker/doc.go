// Package worker is the core of a slave: it accepts attempts, runs them, and
// keeps their results until a master has acknowledged them. It knows neither
// HTTP nor masters: package slave/link calls its methods for the leader's
// requests, and a Reporter carries results away.
//
// # One lock
//
// Fence, duplicates, slots and counters change together, under one mutex. That
// is what makes these hold whatever arrives, how often and how late:
//
//   - A request is refused unless its stamp (term, sequence) is above the highest
//     seen, so a delayed request can't start a task twice.
//   - An attempt (task id, attempt number) is started at most once. Sending it
//     again is answered with running, or finished and its result.
//   - There are never more attempts running than slots. A slot is free when the
//     handler has returned, not when it was told to.
//
// # An attempt's way
//
//	Accept ─▶ running ─▶ finished ─▶ acknowledged ─▶ forgotten
//	             │          (reported again and again)     (after some thousand others)
//	             ├─ Cancel ─▶ acknowledged: the master does not want the result
//	             └─ Stop ───▶ interrupted: no result; it counts as running until
//	                          the masters hear that the slave is gone
//
// # Two ends
//
// Drain stops taking work and waits until everything is finished and reported.
// Stop stops working: it cancels what runs. A worker lives once; the next start
// is another worker with another incarnation.
package worker
