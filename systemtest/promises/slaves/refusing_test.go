package slaves_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
	"muster/task"
)

// atOnce is more than it takes to find a slave dead by its port, and far less than
// the 5 s of silence after which one is lost.
const atOnce = 700 * time.Millisecond

// gang is the tasks that a slave runs when something happens to it: some of a kind
// that may run twice, and some of one that must not.
type gang struct {
	w           *story.World
	twice, once []uint64
}

// newGang submits four tasks of each kind, that take d, and waits until all run on slave-1.
func newGang(w *story.World, d time.Duration, onceEnds client.Outcome) gang {
	w.T.Helper()
	g := gang{w: w}
	for range 4 {
		g.twice = append(g.twice, w.Client.Submit(d).ID)
		j := w.Client.Sleeping(d)
		j.Kind = story.Once
		j.Want.Outcome = onceEnds
		if onceEnds != client.Succeeded {
			j.Want = evidence.Want{Outcome: onceEnds}
		}
		g.once = append(g.once, w.Client.Put(j).Task.ID)
	}
	for _, id := range append(g.once, g.twice...) {
		runsOn(w, id, "slave-1")
	}
	return g
}

// moves waits until all that may run twice runs on another slave, and checks that this
// took no more than d since a moment, and that the rest is lost and ran once.
func (g gang) moves(to string, since time.Time, d time.Duration) {
	g.w.T.Helper()
	for _, id := range g.twice {
		runsOn(g.w, id, to)
	}
	if took := time.Since(since); took > d {
		g.w.T.Errorf("it took %v until %s had all tasks, want at most %v", took, to, d)
	}
	for _, id := range g.once {
		if t := lookUp(g.w, id); t.Status != client.TaskDone || t.Outcome != client.Lost || len(g.w.Seen.Runs(id)) != 1 {
			g.w.T.Errorf("task %d, which must run once, ran %d times: %+v", id, len(g.w.Seen.Runs(id)), t)
		}
	}
}

// stays checks that every task ends well in its first attempt.
func (g gang) stays(on string) {
	g.w.T.Helper()
	for _, id := range append(g.once, g.twice...) {
		wantEnd(g.w, id, client.Succeeded, on, 1, 1)
	}
}

// pair starts two slaves of 8 slots and returns the first, which gets the tasks.
func pair(w *story.World) *story.Scripted {
	w.T.Helper()
	first, second := w.Script("slave-1", 8), w.Script("slave-2", 8)
	first.Register()
	second.Register()
	return first
}

// A slave dies with tasks. Its port refuses, and nobody waits for its silence to last,
// whoever leads then.
func TestADeadSlaveIsFoundByItsPortWhoeverLeads(t *testing.T) {
	for name, loss := range map[string]struct {
		with   func(w *story.World) // happens with the slave's death
		within time.Duration
	}{
		"the leader stays": {func(*story.World) {}, atOnce},
		"the leader dies, too": {
			func(w *story.World) { w.Leader().Crash() },
			10 * time.Second, // of which the election has most
		},
		"the leader hands over": {
			func(w *story.World) {
				if err := w.Leader().Halt(); err != nil {
					w.T.Error(err)
				}
			},
			5 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(3)
				first := pair(w)
				g := newGang(w, 20*time.Second, client.Lost)
				w.Sleep(3 * time.Second)
				at := time.Now()
				first.Crash()
				loss.with(w)
				if name != "the leader stays" {
					w.Leader()
					at = time.Now()
				}
				g.moves("slave-2", at, loss.within)
				why := lookUp(w, g.once[0]).Error
				if !strings.Contains(why, "refuses") {
					w.T.Errorf("it was lost because %q", why)
				}
				first.Restart()
				first.Register()
				if got := w.Client.Submit(time.Second); got.Slave != "slave-1" {
					w.T.Errorf("a task went to %s, not to slave-1 at its old place", got.Slave)
				}
			})
		})
	}
}

// A firewall or a proxy refuses in the place of a slave that lives. It is taken for
// dead, which does no harm: what may run twice does, nobody wants its results, and
// when the way is free it works again. If the way is free again at the second look,
// nothing happened.
func TestARefusalOnTheWayDoesNoHarm(t *testing.T) {
	t.Run("for long", func(t *testing.T) {
		story.TellBothWays(t, func(w *story.World) {
			w.Formed(1)
			first := pair(w)
			g := newGang(w, 8*time.Second, client.Lost)
			w.Sleep(3 * time.Second)
			at := time.Now()
			w.Net.Reject("m1", "slave-1", "90")
			g.moves("slave-2", at, atOnce)
			w.Sleep(8 * time.Second) // it reports, and nobody wants it
			if held, _, err := first.Worker.Held(task.Stamp{}); err != nil || len(held) != 0 {
				w.T.Errorf("slave-1 keeps %+v, %v", held, err)
			}
			w.Net.PassAll()
			first.Becomes(client.SlaveAlive)
			for _, id := range g.twice {
				wantEnd(w, id, client.Succeeded, "slave-2", 2, 2)
			}
			if got := w.Client.Submit(time.Second); got.Slave != "slave-1" {
				w.T.Errorf("a task went to %s, not to slave-1", got.Slave)
			}
		})
	})
	t.Run("for a moment", func(t *testing.T) {
		story.TellBothWays(t, func(w *story.World) {
			w.Formed(1)
			pair(w)
			g := newGang(w, 8*time.Second, client.Succeeded)
			w.Sleep(2 * time.Second)
			w.Net.Reject("m1", "slave-1", "90")
			w.Sleep(200 * time.Millisecond)
			w.Net.PassAll()
			g.stays("slave-1")
		})
	})
}

// A leader that can't reach any slave gives nothing up at once: it may be its own
// network. What the slaves do meanwhile counts.
func TestALeaderThatReachesNoSlaveWaits(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		pair(w)
		g := newGang(w, 5*time.Second, client.Succeeded)
		w.Sleep(2 * time.Second)
		for _, s := range []string{"slave-1", "slave-2"} {
			w.Net.Reject("m1", s, "90")
		}
		w.Sleep(4 * time.Second)
		w.Net.PassAll()
		g.stays("slave-1")
	})
}

// A slave that hangs, starves or is cut off is no dead one: its port does not refuse.
func TestAHungSlaveHasItsTimeToComeBack(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		pair(w)
		g := newGang(w, 8*time.Second, client.Succeeded)
		w.Sleep(2 * time.Second)
		w.Net.Block("m1", "slave-1")
		w.Net.Block("slave-1", "m1")
		w.Sleep(4 * time.Second)
		w.Net.PassAll()
		g.stays("slave-1")
	})
}

// A slave is started anew under its name and at its port, before anybody could be
// sure that it was dead: it says itself that the old one's tasks are gone.
func TestASlaveThatRestartsIsNotTakenForDead(t *testing.T) {
	for _, down := range []time.Duration{0, 50 * time.Millisecond, 250 * time.Millisecond} {
		t.Run(fmt.Sprint(down), func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(3)
				first := pair(w)
				g := newGang(w, 10*time.Second, client.Lost)
				w.Sleep(2 * time.Second)
				at := time.Now()
				first.Crash()
				w.Sleep(down)
				first.Restart()
				first.Register()
				for _, id := range g.twice {
					w.Await("the next attempt", func(context.Context) error {
						if t := lookUp(w, id); t.Status != client.TaskInProgress || t.Attempt != 2 {
							return fmt.Errorf("%+v", t)
						}
						return nil
					})
				}
				if took := time.Since(at); took > down+100*time.Millisecond {
					w.T.Errorf("its tasks moved after %v", took)
				}
				for _, id := range g.once {
					if got := w.Client.Wait(id); got.Outcome != client.Lost || strings.Contains(got.Error, "refuses") {
						w.T.Errorf("task %d: %+v", id, got)
					}
				}
				if x, err := w.Entry(w.T.Context(), "slave-1"); err != nil || x.State != client.SlaveAlive || x.Incarnation != first.Incarnation {
					w.T.Errorf("the registry has %+v, %v", x, err)
				}
			})
		})
	}
}

// A slave is upgraded in place: the old one finishes, reports, says goodbye and closes
// its port; the new one opens it. Nothing is given up.
func TestAnUpgradeInPlaceGivesNothingUp(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		first := w.Slave("slave-1", 4)
		w.Slave("slave-2", 4)
		var ids []uint64
		for range 4 {
			ids = append(ids, w.Client.Submit(5*time.Second).ID)
		}
		for _, id := range ids {
			runsOn(w, id, "slave-1")
		}
		w.Sleep(time.Second)
		if err := first.Halt(); err != nil {
			w.T.Error(err)
		}
		w.Sleep(time.Second)
		first.Restart()
		for _, id := range ids {
			wantEnd(w, id, client.Succeeded, "slave-1", 1, 1)
		}
		if got := w.Client.Submit(time.Second); got.Slave != "slave-1" {
			w.T.Errorf("a task went to %s, not to slave-1 at its old place", got.Slave)
		}
	})
}
