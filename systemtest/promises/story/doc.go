// Package story is what stories of the whole system in fake time are told with: the
// real masters and slaves, as the application wires them, on real files (in memory,
// where the system has a directory for that), over the network in memory of package
// simnet, in one testing/synctest bubble. The real transport of Raft runs over it, too.
//
//	story.Tell(t, func(w *story.World) {
//		w.Formed(3)             // masters m1, m2, m3
//		w.Slave("slave-1", 2)   // two slots
//		w.Client.Submit(3 * time.Second) // acknowledged
//		w.Leader().Crash()
//		w.Sleep(time.Second)
//	})
//
// At its end, Tell heals all faults, starts what was down, waits until every
// acknowledged task is done, and holds the evidence (package evidence) against the
// promises: that is where most mistakes are caught. So a story only checks what is
// particular to it. synctest fails a test that leaves a goroutine behind, Tell one
// that leaves a descriptor.
//
//   - world.go: the world, and how a story ends; waits.go: what a story waits for
//   - master.go: Crash, Vanish, Pause, Cut, Heal; losses.go: the ways to lose a leader
//   - disk.go: a master's disk, that can hang or fail at an entry
//   - slave.go: real slaves; scripted.go: slaves whose every answer is scripted
//   - client.go: clients, with their histories; http.go: the same by plain HTTP
//   - journal.go: what happened, for a story that fails
package story
