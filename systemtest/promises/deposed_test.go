package promises_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// TestAVerdictOfADeposedDispatcherNeverLands: a leader whose disk hangs is cut
// off. Its dispatcher goes on, takes a slave that it can't reach for lost, and
// waits to write that down, while another leads long since, to which the slave
// is alive. When the old one is back, neither its verdict may land nor a task
// that was submitted to it and not repeated.
func TestAVerdictOfADeposedDispatcherNeverLands(t *testing.T) {
	for _, order := range []struct {
		name   string
		comeTo func(y *way)
	}{
		{"its disk and then its network", func(y *way) {
			y.leader.disk.release()
			y.sleep(moment)
			y.net.PassAll()
		}},
		{"its network and then its disk", func(y *way) {
			y.net.PassAll()
			y.sleep(moment)
			y.leader.disk.release()
		}},
	} {
		t.Run("back come "+order.name, func(t *testing.T) {
			log := newJournal(t)
			with(t, options{questionTTL: time.Second, logs: log}, func(w *world) {
				y := setOut(w, 3)
				w.slave("slave-3", 2)
				running := w.client.submit(15 * time.Second)
				came := y.leader.at(markedKey, func() {
					y.leader.disk.hold()
					y.leader.alone()
					w.net.Block(y.leader.id, y.slave.name)
					w.net.Block(y.slave.name, y.leader.id)
				})
				y.submit()
				y.after(came)
				lost := time.Now()
				queued := w.client.start(w.client.of(y.leader), w.client.sleeping(0), 3*time.Second)
				y.accepts(lost, y.followers...)
				w.await("the old dispatcher's verdict", func(context.Context) error {
					if n := log.counted("msg: losing a slave"); n != 1 {
						return fmt.Errorf("%d slaves are taken for lost", n)
					}
					return nil
				})
				order.comeTo(y)
				w.done(running.ID, y.followers...)
				y.aftermath(time.Now(), y.followers, y.leader)
				w.within(queued.done, "the end of a submit")
				if queued.err == nil {
					t.Error("a task was acknowledged that was submitted to a leader that could not write")
				}
				if runs := w.seen.Runs(running.ID); len(runs) != 1 || runs[0].Attempt != 1 {
					t.Errorf("the executions are %+v; want one, of attempt 1", runs)
				}
				if n := log.counted("msg: losing a slave"); n != 1 {
					t.Errorf("%d slaves were taken for lost; want the one of the deposed dispatcher", n)
				}
			})
		})
	}
}

// TestALeaderThatCannotTakeOverIsReplaced: its first entry does not get to its
// disk, or the one after it. Another leads soon, and the running task is not
// disturbed.
func TestALeaderThatCannotTakeOverIsReplaced(t *testing.T) {
	hangs := func(d *disk) {
		d.hold()
		time.AfterFunc(8*time.Second, d.release)
	}
	for _, c := range []struct {
		name  string
		entry raft.LogType // that does not get to the disk
		do    func(d *disk)
		ends  string // in the error of the process; empty: it goes on
		soon  time.Duration
	}{
		{"its disk fails", raft.LogNoop, func(d *disk) { d.fail(syscall.ENOSPC) }, "no space left", 5 * time.Second},
		{"its disk fails a moment later", raft.LogBarrier, func(d *disk) { d.fail(syscall.EIO) }, "input/output error", 5 * time.Second},
		{"its disk hangs for a while", raft.LogNoop, hangs, "", 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				y := setOut(w, 3)
				next, left := y.followers[0], []*master{y.leader, y.followers[1]}
				running := w.client.submit(20 * time.Second)
				came := next.disk.first(c.entry, func() { c.do(next.disk) })
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				_, _ = w.observer.api.TransferLeadership(ctx, next.id) // it may be gone again before this looks
				w.within(came, "an entry of the new leader")
				y.acceptsWithin(c.soon, time.Now(), left...)
				if leader := w.leader(); leader == next {
					t.Errorf("%s leads all the same", next.id)
				}
				if c.ends != "" {
					if err := next.ends(); err == nil || !strings.Contains(err.Error(), c.ends) {
						t.Errorf("the master ended with: %v; want: … %s …", err, c.ends)
					}
				}
				next.mend()
				w.ready()
				w.done(running.ID, left...)
				if runs := w.seen.Runs(running.ID); len(runs) != 1 || runs[0].Attempt != 1 {
					t.Errorf("the executions are %+v; want one, of attempt 1", runs)
				}
				w.fills()
			})
		})
	}
}

// first calls do when the first entry of a type comes to the disk, before it is
// written; the channel is closed after that.
func (d *disk) first(kind raft.LogType, do func()) <-chan struct{} {
	came := make(chan struct{})
	d.watch(func(entries []*raft.Log) {
		if !isDone(came) && slices.ContainsFunc(entries, func(l *raft.Log) bool { return l.Type == kind }) {
			do()
			close(came)
		}
	})
	return came
}
