package story

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/raft"

	"muster/api/client"
)

// Loss is a way of losing a master.
type Loss struct {
	Name   string
	Strike func(m *Master)
}

// Losses are the ways in which a leader can be lost. The tests of package leaderloss
// lose one in each of them at each point of a task's way.
var Losses = [...]Loss{
	{"crashes", (*Master).Crash},   // its connections end, its port refuses
	{"vanishes", (*Master).Vanish}, // silence
	{"is cut off", (*Master).Cut},  // and believes for a moment that it leads
	{"is alone", (*Master).Alone},  // cut off from masters only: slaves and clients hear it
	{"is paused", (*Master).Pause}, // and wakes believing that it leads
	{HandsOver, (*Master).Resign},  // an orderly end
}

// HandsOver is the loss in which the master ends in order, and hands leadership over.
// It needs the master's disk.
const HandsOver = "hands over"

// Resign ends the run as SIGTERM does: leadership is handed over first.
func (m *Master) Resign() {
	if err := m.Halt(); err != nil {
		m.W.T.Errorf("%s ended with: %v", m.ID, err)
	}
}

// Mend undoes whatever loss it was; what was held back for or by the master
// arrives.
func (m *Master) Mend() {
	m.W.T.Helper()
	m.Disk.Watch(nil)
	m.Resume()
	if m.Process != nil && m.HasEnded() {
		_ = m.Ends() // its disk was held for so long that it gave up
	}
	if m.Process == nil {
		m.Start()
	}
}

// Moment is longer than a commit takes and shorter than a leader's lease.
const Moment = 20 * time.Millisecond

// Stick brings the leader into the state of one that was frozen and is about to
// wake: its Raft hangs in a write, so it goes on believing that it leads, while the
// others hear nothing of it and elect another; and what they had last answered is
// still on its way to it. heal wakes it.
func (m *Master) Stick() (heal func()) {
	w := m.W
	w.T.Helper()
	others := w.Followers(m)
	for _, f := range others {
		w.Net.Block(f.ID, m.ID)
	}
	m.Disk.Hold()
	written := make(chan struct{})
	go func() { // a result that nobody asked for is refused in the log
		defer close(written)
		w.Observer.Call(http.MethodPost, m.URL()+"/v1/results", `{"slave":"stranger","incarnation":"i","results":[{"id":999999,"attempt":1,"error":"no"}]}`)
	}()
	w.Sleep(Moment) // its last heartbeats are answered, and the answers are held back
	for _, f := range others {
		w.Net.Block(m.ID, f.ID)
	}
	w.Await("another leader", func(ctx context.Context) error {
		for _, f := range others {
			if s, err := w.Observer.API.Status(ctx, f.URL(), false); err == nil && s.Role == client.RoleLeader && s.Ready {
				return nil
			}
		}
		return errors.New("none of them leads")
	})
	return func() {
		for _, f := range others {
			w.Net.Pass(m.ID, f.ID)
			w.Net.Pass(f.ID, m.ID)
		}
		m.Disk.Release()
		<-written
	}
}

// Trap has the leader lost in the moment in which its next command comes to its
// disk. What it returns waits for that, and then mends the leader.
func (w *World) Trap(leader *Master, l Loss) (sprung func(what string)) {
	w.T.Helper()
	came := leader.Disk.First(raft.LogCommand, func() {
		if l.Name != HandsOver { // which needs its disk
			l.Strike(leader)
		}
	})
	return func(what string) {
		w.T.Helper()
		w.Within(came, what+" at the leader's disk")
		if l.Name == HandsOver {
			l.Strike(leader)
		}
		w.Sleep(3 * time.Second)
		leader.Mend()
	}
}

// LostAt has a change reach the leader, which is lost in the moment in which the
// change comes to its disk. It returns when all masters are well again and the
// change was answered.
func (w *World) LostAt(l Loss, change func(ctx context.Context) error) {
	w.T.Helper()
	leader := w.Leader()
	w.Sleep(2 * time.Second) // all that follows an election is written
	sprung := w.Trap(leader, l)
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		for err := change(ctx); err != nil; err = change(ctx) {
			if ctx.Err() != nil {
				w.T.Errorf("the change was not made: %v", err)
				return
			}
			w.Sleep(50 * time.Millisecond)
		}
	}()
	sprung("the change")
	w.Within(changed, "the answer to the change")
	w.Ready()
}
