package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

// wallClock runs with the true time and is off by as much as it is told.
func (m *master) wallClock(off time.Duration) {
	m.adjust = func(c *Config) { c.Now = func() time.Time { return time.Now().Add(off) } }
}

// clockIs compares what a master's clock shows with the true time.
func (m *master) clockIs(off time.Duration) {
	m.w.t.Helper()
	if got := time.Duration(int64(m.node.Clock())-time.Now().UnixMilli()) * time.Millisecond; (got - off).Abs() > clockSlack {
		m.w.t.Errorf("the clock of %s is off by %s; want %s", m.id, got, off)
	}
}

// newest returns the newest stamp that a master's tasks have.
func (m *master) newest() task.Millis {
	m.w.t.Helper()
	v := m.node.View()
	t, ok := v.Task(task.ID(v.Counts().Submitted))
	if !ok {
		m.w.t.Fatal("there is no task")
	}
	return t.SubmittedAt
}

// leads makes a master the leader.
func (w *world) leads(all []*master, m *master) {
	w.t.Helper()
	w.ready(all...)
	if m.node.IsLeader() {
		return
	}
	if err := w.leader(all...).node.TransferLeadership(w.t.Context(), m.id); err != nil {
		w.t.Fatal(err)
	}
	w.leader(m)
}

// TestTheClustersClockIsTheMajoritys has a master lead, first, last and after all
// were down, whose wall clock is off by an hour, and the others too.
func TestTheClustersClockIsTheMajoritys(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				all := w.trio()
				all[0].wallClock(off)
				start := func() {
					for _, m := range all {
						m.start(founders(all...))
					}
				}
				start()
				last := task.Millis(0)
				for round := range 2 {
					for _, m := range []*master{w.leader(all...), all[0], all[1], all[0], all[2]} {
						w.leads(all, m)
						m.put("")
						m.clockIs(0)
						if stamp := m.newest(); stamp < last {
							t.Errorf("the stamp %d follows %d", stamp, last)
						} else {
							last = stamp
						}
						time.Sleep(time.Minute)
						m.clockIs(0)
					}
					if round == 0 {
						for _, m := range all {
							if err := m.halt(); err != nil {
								t.Fatal(err)
							}
						}
						time.Sleep(2 * time.Hour)
						start()
					}
				}
			})
		})
	}
}

// mute are peers that can be made to answer nothing.
type mute struct {
	Peers
	on atomic.Bool
}

func (m *mute) Hello(ctx context.Context, url string) (Hello, error) {
	if m.on.Load() {
		return Hello{}, errors.New("no answer")
	}
	return m.Peers.Hello(ctx, url)
}

// A leader whose wall clock is wrong and that nobody answers goes on from the log.
func TestALeaderWithAWrongClockGoesOnFromTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		var others mute
		all[0].adjust = func(c *Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Hour) }
			others.Peers, c.Peers = c.Peers, &others
		}
		for _, m := range all {
			m.start(founders(all...))
		}
		w.leads(all, all[1])
		all[1].put("")
		w.level(all...)
		others.on.Store(true)
		w.leads(all, all[0])
		all[0].put("")
		all[0].clockIs(0)
		time.Sleep(time.Minute)
		all[0].clockIs(0)
	})
}

// A cluster of one has nobody to ask: a wall clock that is set while it runs moves
// nothing, and at the next start it counts, unless it is behind.
func TestAMasterAloneGoesByItsMonotonicClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		var off atomic.Int64
		m.adjust = func(c *Config) { c.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) } }
		m.start(bootstrap)
		w.leader(m)
		m.put("")
		off.Store(int64(time.Hour))
		time.Sleep(time.Minute)
		m.clockIs(0)
		for _, c := range []struct{ off, want time.Duration }{{time.Hour, time.Hour}, {0, time.Hour}} {
			if err := m.halt(); err != nil {
				t.Fatal(err)
			}
			off.Store(int64(c.off))
			m.start(nil)
			w.leader(m)
			m.clockIs(c.want)
			m.put("")
		}
	})
}

func TestTheLowerMedianIsTrusted(t *testing.T) {
	for want, walls := range map[task.Millis][]task.Millis{
		7: {7},
		3: {8, 3},
		5: {9, 5, 1},
		4: {9, 4, 1, 6},
	} {
		if got := trusted(walls); got != want {
			t.Errorf("of %v: %d; want %d", walls, got, want)
		}
	}
}

// TestClocksThatDifferDoNotAgree: of two that differ one is wrong, and nobody knows which.
func TestClocksThatDifferDoNotAgree(t *testing.T) {
	const hour = 3_600_000
	for _, c := range []struct {
		walls []task.Millis
		want  bool
	}{
		{[]task.Millis{hour, 2 * hour}, false},
		{[]task.Millis{hour, hour + 900}, true},
		{[]task.Millis{2 * hour, hour, 2*hour + 900}, true},
		{[]task.Millis{hour}, false},
	} {
		if got := agree(c.walls, 3); got != c.want {
			t.Errorf("%v of 3 voters: %v", c.walls, got)
		}
	}
}
