// Package dispatch has tasks run by slaves. A new Dispatcher is made for every term in
// which this master leads; it is built from the replicated state alone and thrown away
// when leadership is lost.
//
// It knows a Log (to commit decisions, and to see the state) and a Sender (to talk to
// slaves), and nothing else: no Raft, no HTTP.
//
//	             ┌────────────── one turn of the loop ──────────────┐
//	submits ───▶ │                                                  │ ──▶ one entry of the Log
//	results ───▶ │  all that has come  ──▶  scheduler  ──▶  outputs │ ──▶ requests by the Sender
//	answers ───▶ │                      (pure, no clock)            │ ──▶ answers to callers
//	the Log ───▶ │                                                  │ ──▶ when to wake
//	             └──────────────────────────────────────────────────┘
//
// What arrives while an entry is on its way is decided together, for the next one; an
// idle dispatcher commits at once.
//
//   - loop.go     the Dispatcher: its turns, goroutines and timer
//   - calls.go    its methods
//   - ports.go    what it needs from others: Log, Stream, Sender
//   - record.go   results that are reported while no dispatcher runs
//   - panic.go    what becomes of all that when it panics
//   - breaker.go  what keeps that from every leader in turn
//   - scheduler   decides
package dispatch
