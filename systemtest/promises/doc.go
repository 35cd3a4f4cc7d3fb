// Package promises proves what muster promises (docs/promises.md), in fake time:
// the real masters and slaves, as the application wires them, on real files, over
// the network in memory of package simnet, in one testing/synctest bubble. The
// real transport of Raft runs over it, too.
//
// A test is a story told with the harness:
//
//	bubble(t, func(w *world) {
//		w.formed(3)                       // masters m1, m2, m3
//		w.slave("slave-1", 2)
//		id := w.client.submit("sleep(3)") // acknowledged
//		w.leader().crash()
//		w.sleep(time.Second)
//	})
//
// At its end, bubble heals all faults, starts what was down, waits until every
// acknowledged task is done, and holds the evidence (package evidence) against the
// promises: that is where most mistakes are caught. So a story only checks what is
// particular to it. synctest fails a test that leaves a goroutine behind, bubble
// one that leaves a descriptor.
//
//   - world_test.go: the world, and how a story ends
//     crash, vanish, pause, cut, heal
//   - disk_test.go: a master's disk, that can hang or fail at an entry
//   - client_test.go: clients, with their histories
package promises
