// Package simnet is a network in memory for tests in fake time
// (testing/synctest): processes on named hosts, that listen, dial and talk over
// connections which behave as TCP's do under faults.
//
//	n := simnet.New()
//	m1, m2 := n.Start("m1"), n.Start("m2")  // two processes, each on its host
//	l, err := m1.Listen(ctx, "m1:80")
//	c, err := m2.Dial(ctx, "tcp", "m1:80")
//	n.Reject("m2", "m1", "80")              // a firewall: m2 is refused at that port
//	n.Block("m2", "m1")                     // nothing passes from m2 to m1 …
//	n.Pass("m2", "m1")                      // … and then all of it does, late
//	m1.Crash()                              // its connections end, its port refuses
//	m1.Vanish()                             // as if the plug was pulled: silence
//
// What is written to a blocked direction waits in the network, in order, as TCP
// keeps sending: a request may arrive long after its sender has died. Nothing is
// lost or reordered within a connection, and a dial through a blocked direction
// waits until its context ends. Each chunk takes Latency.
//
// Sockets of the operating system can't be used in a synctest bubble: a goroutine
// that reads from one is not durably blocked, and fake time stands still.
package simnet
