package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

// tenures records the calls of Lead of all masters.
type tenures struct {
	mu    sync.Mutex
	terms []uint64
	now   map[string]int
	twice bool
}

func (ts *tenures) count() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.terms)
}

func (ts *tenures) of(id string) func(ctx context.Context, term uint64) error {
	return func(ctx context.Context, term uint64) error {
		ts.mu.Lock()
		ts.terms = append(ts.terms, term)
		ts.now[id]++
		ts.twice = ts.twice || ts.now[id] > 1
		ts.mu.Unlock()
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond) // it takes a moment to end
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.now[id]--
		return nil
	}
}

func TestEachTermHasOneLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		ts := &tenures{now: map[string]int{}}
		all := w.trio()
		for _, m := range all {
			m.adjust = func(c *Config) { c.Lead = ts.of(m.id) }
			m.start(founders(all...))
		}
		w.ready(all...)
		for range 10 {
			leader := w.leader(all...)
			w.cut(leader)
			next := w.leader(others(all, leader)...)
			next.put("")
			w.heal(leader)
			w.ready(all...)
		}
		ts.mu.Lock()
		defer ts.mu.Unlock()
		if len(ts.terms) < 10 || ts.twice {
			t.Errorf("%d tenures; twice at once: %v", len(ts.terms), ts.twice)
		}
		seen := map[uint64]bool{}
		for _, term := range ts.terms {
			if seen[term] {
				t.Errorf("term %d was led twice: %v", term, ts.terms)
			}
			seen[term] = true
		}
	})
}

// TestLostAndRegainedIsANewTenure: both changes come before the loop looks.
func TestLostAndRegainedIsANewTenure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		var mu sync.Mutex
		var terms []uint64 // under mu
		led := func() []uint64 {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(terms)
		}
		var slow atomic.Bool
		all := w.trio()
		m1 := all[0]
		m1.adjust = func(c *Config) {
			c.Lead = func(ctx context.Context, term uint64) error {
				mu.Lock()
				terms = append(terms, term)
				mu.Unlock()
				<-ctx.Done()
				if slow.Swap(false) {
					time.Sleep(20 * time.Second)
				}
				return nil
			}
		}
		for _, m := range all {
			m.start(founders(all...))
		}
		w.ready(all...)
		toM1 := func() {
			if leader := w.leader(all...); leader != m1 {
				if err := leader.node.TransferLeadership(t.Context(), "m1"); err != nil {
					t.Fatal(err)
				}
				w.leader(m1)
			}
		}
		toM1()
		w.eventually("m1 leads", func() bool { return len(led()) == 1 })
		slow.Store(true)
		for range 2 { // away and back, while Lead takes its time
			if err := m1.node.TransferLeadership(t.Context(), "m2"); err != nil {
				t.Fatal(err)
			}
			toM1()
		}
		time.Sleep(time.Minute)
		if got := led(); len(got) != 2 || got[1] <= got[0] || got[1] != m1.node.Term() {
			t.Errorf("terms of the tenures: %v; now %d", got, m1.node.Term())
		}
	})
}

func TestALeaderWhoseWorkFailsHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		var broken atomic.Pointer[master]
		for _, m := range all {
			m.adjust = func(c *Config) {
				c.Lead = func(ctx context.Context, _ uint64) error {
					if broken.Load() == m {
						return errors.New("broken")
					}
					<-ctx.Done()
					return nil
				}
			}
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		bad := others(all, leader)[0]
		broken.Store(bad)
		term := leader.node.Term()
		_ = leader.node.TransferLeadership(t.Context(), bad.id) // it may be gone again before this looks
		w.eventually("another leads", func() bool {
			for _, m := range others(all, bad) {
				if m.node.IsLeader() && m.node.Term() > term+1 {
					return true
				}
			}
			return false
		})
	})
}

func TestALoneLeaderTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		var calls atomic.Int32
		m.adjust = func(c *Config) {
			c.Lead = func(ctx context.Context, _ uint64) error {
				if calls.Add(1) < 5 {
					return errors.New("not yet")
				}
				<-ctx.Done()
				return nil
			}
		}
		m.start(bootstrap)
		w.eventually("the fifth try", func() bool { return calls.Load() == 5 })
		time.Sleep(time.Minute)
		if got := calls.Load(); got != 5 {
			t.Errorf("%d calls", got)
		}
	})
}

func TestWorkThatDoesNotEndStopsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		release := make(chan struct{})
		defer close(release)
		for _, m := range all {
			m.adjust = func(c *Config) {
				c.Lead = func(context.Context, uint64) error { <-release; return nil }
			}
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		if err := leader.node.TransferLeadership(t.Context(), others(all, leader)[0].id); err != nil {
			t.Fatal(err)
		}
		expectError(t, leader.ends(), "did not end within")
	})
}

// TestTwoTruesAreTwoTenures: LeaderCh keeps only the last change, so the loss
// between two gains may never be seen.
func TestTwoTruesAreTwoTenures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := make(chan bool)
		running, begun := 0, 0
		o := office{
			changes: changes,
			work: func(ctx context.Context) error {
				begun++
				running++
				<-ctx.Done()
				running--
				return nil
			},
			stop: func(err error) { t.Error(err) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		go o.run(ctx, func() {})
		for i, c := range []struct {
			leader  bool
			running int
			begun   int
		}{{true, 1, 1}, {true, 1, 2}, {false, 0, 2}, {false, 0, 2}, {true, 1, 3}} {
			changes <- c.leader
			synctest.Wait()
			if running != c.running || begun != c.begun {
				t.Errorf("change %d: %d running, %d begun; want %d, %d", i, running, begun, c.running, c.begun)
			}
		}
		cancel()
		synctest.Wait()
		if running != 0 {
			t.Error("work goes on after the end")
		}
	})
}

// TestACommandOfAnEarlierTermIsRefused although the same master leads again.
func TestACommandOfAnEarlierTermIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		earlier := leader.node.Term()
		late := submit("late")
		late.Term = earlier
		for _, to := range []*master{others(all, leader)[0], leader} {
			if err := w.leader(all...).node.TransferLeadership(t.Context(), to.id); err != nil {
				t.Fatal(err)
			}
			w.leader(to)
		}
		current := submit("current")
		current.Term = leader.node.Term()
		outcomes, err := leader.node.Propose(t.Context(), late, current)
		if err != nil {
			t.Fatal(err)
		}
		if refused := outcomes[0].Err; refused == nil || refused.Code != task.CodeStaleTerm {
			t.Errorf("the late command: %+v; want stale_term", outcomes[0])
		}
		if outcomes[1].Err != nil {
			t.Errorf("the current command: %v", outcomes[1].Err)
		}
		w.level(all...)
		for _, m := range all {
			if x, there := m.node.View().TaskByKey("late"); there {
				t.Errorf("%s has the task of the late command: %+v", m.id, x)
			}
			if _, there := m.node.View().TaskByKey("current"); !there {
				t.Errorf("%s does not have the task of the current command", m.id)
			}
		}
	})
}

// TestNeverTwoLeadsAtOnce: whatever comes to masters whose work fails at random
// moments, and takes its time to end.
func TestNeverTwoLeadsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		ts := &tenures{now: map[string]int{}}
		all := w.trio()
		var failed atomic.Int32
		for _, m := range all {
			work := ts.of(m.id)
			m.adjust = func(c *Config) {
				c.Lead = func(ctx context.Context, term uint64) error {
					limited, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(4000))*time.Millisecond)
					defer cancel()
					if rand.IntN(2) == 0 {
						limited = ctx
					}
					_ = work(limited, term) // until its context ends, and a little longer
					if ctx.Err() == nil {
						failed.Add(1)
						return errors.New("it failed")
					}
					return nil
				}
			}
			m.start(founders(all...))
		}
		w.ready(all...)
		enough := func() bool { return ts.count() >= 20 && failed.Load() >= 5 }
		for step := 0; step < 60 || (step < 600 && !enough()); step++ {
			m := all[rand.IntN(len(all))]
			switch rand.IntN(3) {
			case 0:
				w.cut(m)
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
				w.heal(m)
			case 1:
				_ = w.leader(all...).node.TransferLeadership(t.Context(), m.id) // it may lead already
			default:
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
			}
		}
		if !enough() {
			t.Errorf("%d tenures, %d failed; that is too few", ts.count(), failed.Load())
		}
		ts.mu.Lock()
		defer ts.mu.Unlock()
		if ts.twice {
			t.Error("two tenures of one master at once")
		}
	})
}
