// Package kills proves on real processes what muster promises when masters die:
// the real binary, three masters and two slaves as child processes on loopback,
// clients that submit without a pause, and signals.
//
//	MUSTER_KILLS=100 go test -v -timeout 1h ./systemtest/kills    (or scripts/kills.sh)
//
// Without MUSTER_KILLS the series are short. A kill counts only if it hurt: an
// entry was in Raft's hands just before, a task was running at a slave just after, and a
// client lost the answer to a request. At the end of each story the clients'
// histories, the lists of all masters (package evidence) and what the slaves
// accepted are held against each other.
//
//   - kills_test.go, stops_test.go, pauses_test.go, outage_test.go, directory_test.go: the stories
//   - slavekills_test.go: a slave that dies with a hundred tasks
//   - moment_test.go: the leader at work, and the evidence that a kill hurt
//   - load_test.go, work_test.go: clients that submit, and what; acks_test.go: when they were answered
//   - judge_test.go: what must hold at the end
//   - cluster_test.go, process_test.go: the processes
//   - wiretap_test.go, slavewatch_test.go: what passes between client and
//     master, and between leader and slave
//   - gaps_test.go: distributions
package kills
