// Scale measures what many slaves cost a cluster: three real masters, each a
// process of its own, and as many real slaves as asked for, which this process
// plays on loopback, each under an address of its own.
//
//	go run ./systemtest/scale                              10, 1,500, 3,000, 10,000 slaves, each with a cluster of its own
//	go run ./systemtest/scale -slaves 3000 -held 500       500 of them have a task while the leader is killed
//	go run ./systemtest/scale -muster PATH                 another build of muster, to compare with
//
// It prints one line for each number of slaves:
//
//   - register: from the first slave's start until all are in the registry. All
//     start at once, and -at-once of them are registering at any time.
//   - idle: processors that the leader uses while nothing happens.
//   - failover: from kill -9 of the leader to the next task that is accepted.
//   - terms: elections since the kill, until all slaves were heard of again and
//     for a few seconds after; one is right. It does not depend on how fast the
//     machine is, as the times do: compare those as ratios of runs in turn.
//   - heard: from the kill until the new leader has heard every slave.
//
// Linux only: there all of 127.0.0.0/8 is this machine, so that ten thousand
// slaves share one port. Every phase is bounded by -limit.
package main
