package leaderloss_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"muster/systemtest/promises/story"
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
			y.leader.Disk.Release()
			y.Sleep(story.Moment)
			y.Net.PassAll()
		}},
		{"its network and then its disk", func(y *way) {
			y.Net.PassAll()
			y.Sleep(story.Moment)
			y.leader.Disk.Release()
		}},
	} {
		t.Run("back come "+order.name, func(t *testing.T) {
			log := story.NewJournal(t)
			story.TellWith(t, story.Options{QuestionTTL: time.Second, Logs: log}, func(w *story.World) {
				y := setOut(w, 3)
				w.Slave("slave-3", 2)
				running := w.Client.Submit(15 * time.Second)
				came := y.leader.At(markedKey, func() {
					y.leader.Disk.Hold()
					y.leader.Alone()
					w.Net.Block(y.leader.ID, y.slave.Name)
					w.Net.Block(y.slave.Name, y.leader.ID)
				})
				y.submit()
				y.after(came)
				lost := time.Now()
				queued := w.Client.Start(w.Client.Of(y.leader), w.Client.Sleeping(0), 3*time.Second)
				y.accepts(lost, y.followers...)
				w.Await("the old dispatcher's verdict", func(context.Context) error {
					if n := log.Counted("msg: losing a slave"); n != 1 {
						return fmt.Errorf("%d slaves are taken for lost", n)
					}
					return nil
				})
				order.comeTo(y)
				w.Done(running.ID, y.followers...)
				y.aftermath(time.Now(), y.followers, y.leader)
				w.Within(queued.Done, "the end of a submit")
				if queued.Err == nil {
					t.Error("a task was acknowledged that was submitted to a leader that could not write")
				}
				if runs := w.Seen.Runs(running.ID); len(runs) != 1 || runs[0].Attempt != 1 {
					t.Errorf("the executions are %+v; want one, of attempt 1", runs)
				}
				if n := log.Counted("msg: losing a slave"); n != 1 {
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
	hangs := func(d *story.Disk) {
		d.Hold()
		time.AfterFunc(8*time.Second, d.Release)
	}
	for _, c := range []struct {
		name  string
		entry raft.LogType // that does not get to the disk
		do    func(d *story.Disk)
		ends  string // in the error of the process; empty: it goes on
		soon  time.Duration
	}{
		{"its disk fails", raft.LogNoop, func(d *story.Disk) { d.Fail(syscall.ENOSPC) }, "no space left", 5 * time.Second},
		{"its disk fails a moment later", raft.LogBarrier, func(d *story.Disk) { d.Fail(syscall.EIO) }, "input/output error", 5 * time.Second},
		{"its disk hangs for a while", raft.LogNoop, hangs, "", 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				y := setOut(w, 3)
				next, left := y.followers[0], []*story.Master{y.leader, y.followers[1]}
				running := w.Client.Submit(20 * time.Second)
				came := next.Disk.First(c.entry, func() { c.do(next.Disk) })
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				_, _ = w.Observer.API.TransferLeadership(ctx, next.ID) // it may be gone again before this looks
				w.Within(came, "an entry of the new leader")
				y.acceptsWithin(c.soon, time.Now(), left...)
				if leader := w.Leader(); leader == next {
					t.Errorf("%s leads all the same", next.ID)
				}
				if c.ends != "" {
					if err := next.Ends(); err == nil || !strings.Contains(err.Error(), c.ends) {
						t.Errorf("the master ended with: %v; want: … %s …", err, c.ends)
					}
				}
				next.Mend()
				w.Ready()
				w.Done(running.ID, left...)
				if runs := w.Seen.Runs(running.ID); len(runs) != 1 || runs[0].Attempt != 1 {
					t.Errorf("the executions are %+v; want one, of attempt 1", runs)
				}
				fills(w)
			})
		})
	}
}
