package cluster

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"muster/cluster/commit"
	"muster/fsm"
	"muster/task"
)

// restartTasks is how many done tasks BenchmarkRestart restarts a master with.
const restartTasks = 1_000_000

// BenchmarkRestart measures a master's start on a million done tasks until it is
// ready: from a snapshot, and from a log alone, of entries as a busy cluster writes
// them (full) and of small ones. The data directory is made by a master, through
// Propose.
//
//	go test -run - -bench Restart -benchtime 1x ./cluster
func BenchmarkRestart(b *testing.B) {
	for name, commands := range map[string]int{"full": commit.MaxEnvelopeCommands, "small": 50} {
		for _, snapshot := range []bool{true, false} {
			if snapshot && name != "full" {
				continue // the snapshot is the same
			}
			from := "log"
			if snapshot {
				from = "snapshot"
			}
			b.Run(fmt.Sprintf("from=%s/entries=%s", from, name), func(b *testing.B) {
				dir := b.TempDir()
				fillForRestart(b, dir, commands, snapshot)
				b.ResetTimer()
				for b.Loop() {
					start, used := time.Now(), cpuTime(b)
					n, stop := startAlone(b, dir)
					opened := time.Since(start)
					for n.Ready() != nil {
						time.Sleep(time.Millisecond)
					}
					if done := n.View().Counts().Done; done != restartTasks {
						b.Fatalf("it is ready with %d of %d done tasks", done, restartTasks)
					}
					b.ReportMetric((cpuTime(b) - used).Seconds(), "cpu-s")
					b.ReportMetric(opened.Seconds(), "open-s")
					b.ReportMetric(time.Since(start).Seconds(), "ready-s")
					stop()
				}
			})
		}
	}
}

// cpuTime is what the process has used of processors: on a machine with other work
// it says more than the clock.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// startAlone starts a cluster of one on a directory, which takes no snapshots by
// itself.
func startAlone(b *testing.B, dir string) (*Node, func()) {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	n, err := Open(Config{
		ID: "m1", DataDir: dir, RaftAdvertise: "m1:1", APIURL: "http://m1", Bootstrap: true,
		Transport:         NewTransport(TransportConfig{Listener: ln, Advertise: "m1:1"}),
		SnapshotThreshold: 1 << 40, MaxLogBytes: 1 << 40,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	return n, func() {
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// fillForRestart has a master do restartTasks tasks, with so many commands in an
// entry of its log.
func fillForRestart(b *testing.B, dir string, commands int, snapshot bool) {
	b.Helper()
	n, stop := startAlone(b, dir)
	for n.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	place := fsm.Place{Slave: "slave-1", Incarnation: fmt.Sprintf("%032x", 1)}
	propose := func(count int, command func(i int) fsm.Command) {
		proposals := make([]fsm.Proposal, count)
		for i := range proposals {
			proposals[i].Command = command(i)
		}
		outcomes, err := n.Propose(b.Context(), proposals...)
		if err != nil {
			b.Fatal(err)
		}
		for _, o := range outcomes {
			if o.Err != nil {
				b.Fatal(o.Err)
			}
		}
	}
	propose(1, func(int) fsm.Command {
		return fsm.RegisterSlave{Registration: task.Registration{
			Name: place.Slave, URL: "http://slave-1:8080", Slots: commit.MaxEnvelopeCommands, Incarnation: place.Incarnation,
			Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
		}}
	})
	for first := 1; first <= restartTasks; first += commands {
		count := min(commands, restartTasks-first+1)
		propose(count, func(i int) fsm.Command { return restartSubmit(first+i, place) })
		propose(count, func(i int) fsm.Command { return restartComplete(first+i, place) })
	}
	if snapshot {
		if err := n.raft.Load().Snapshot().Error(); err != nil {
			b.Fatal(err)
		}
	}
	stop()
}

func restartSubmit(i int, place fsm.Place) fsm.Command {
	return fsm.SubmitTask{
		Key: fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i), Assign: &place,
		Spec: task.Spec{
			Kind: task.KindExpression, Expression: fmt.Sprintf("2 + 3 * x - factorial(%d)", i%20),
			Parameters: []task.Parameter{{Name: "x", Value: task.Value{Type: task.Number, Text: fmt.Sprint(i)}}},
			Idempotent: true, MaxTries: task.DefaultMaxTries, TimeoutMS: task.DefaultTimeoutMS,
		},
	}
}

func restartComplete(i int, place fsm.Place) fsm.Command {
	a := task.Attempt{ID: task.ID(i), Attempt: 1, Slave: place.Slave, Incarnation: place.Incarnation}
	return fsm.CompleteTask{Attempt: a, Result: task.Result{
		ID: a.ID, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: fmt.Sprint(2 + 3*i)},
	}}
}
