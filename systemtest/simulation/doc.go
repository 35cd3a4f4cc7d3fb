// Package simulation runs the dispatcher's mind (muster/cluster/dispatch/scheduler) and the
// real state machine (muster/fsm) against slaves, clients, a log and a network that are
// made up, in one goroutine and in time that is only counted. What happens is a function
// of a seed, so every run can be repeated, and a run that fails is made shorter until
// nothing can be left out.
//
//	script ──▶ clients ──┐                    ┌──▶ journal ──▶ fsm.State
//	(from the seed)      ├─▶ master ──▶ Core ─┤   (entries are late, refused, or in doubt)
//	           machines ─┘   (one turn at     └──▶ machines
//	           (slaves)       a time)             (requests are late, lost, or in the wrong order)
//
// After each turn the core's counters are counted again, and at each step the rules are
// held against what happens: no task is lost, a task that must run once runs once, one
// key is one task, a result counts once. At the end all is healed, and the system has to
// come to rest with every task done and every promise of a slot taken back.
//
//		go test ./systemtest/simulation -simulation.runs=100000      more runs
//		go test ./systemtest/simulation -simulation.seed=4711 -v     one run, with its trace
//
//	  - script.go      what is to happen, and how it comes from the seed
//	  - timeline.go    time, chance and the trace
//	  - world.go       a run, from its begin to its rest
//	  - actions.go     what the script's actions do
//	  - journal.go     the log
//	  - master.go      a leader: its turns, and its end
//	  - offices.go     who leads: failovers
//	  - wire.go        requests to slaves
//	  - machine.go     a slave as it answers
//	  - machinecalls.go  a slave as it calls the masters
//	  - clients.go     submits and their answers
//	  - rules.go       what must hold all the time
//	  - judgement.go   what must hold in the end
//	  - shrink.go      a failing script is made shorter
package simulation
