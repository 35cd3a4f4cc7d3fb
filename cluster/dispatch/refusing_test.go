package dispatch_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"muster/task"
)

// early is the time within which a slave whose port refuses is found dead, and its
// tasks are accepted elsewhere. The time of silence is 5 s.
const early = 350 * time.Millisecond

// knocked is when the first look at a slave is over, and the second has not begun.
const knocked = 100 * time.Millisecond

var (
	errTimeout = errors.New("no answer in time")
	errReset   = errors.New("connection reset")
)

// busy has slave A run n tasks for an hour, and then starts B, which has none.
func (w *world) busy(n int, kind string) (a, b *slave, ids []task.ID) {
	w.t.Helper()
	a = w.slave("A", n)
	for range n {
		ids = append(ids, w.mustSubmit("1h", ofKind(kind)).ID)
	}
	b = w.slave("B", n)
	time.Sleep(1500 * time.Millisecond)
	return a, b, ids
}

// wantAt checks that tasks run on a slave in an attempt, now.
func (w *world) wantAt(s *slave, attempt uint32, ids []task.ID) {
	w.t.Helper()
	for _, id := range ids {
		if t := w.task(id); t.Status != task.InProgress || t.Slave != s.name || t.Attempt != attempt {
			w.t.Errorf("task %d is %v on %q in attempt %d, want in progress on %s in attempt %d", id, t.Status, t.Slave, t.Attempt, s.name, attempt)
		}
		if n := s.runs()[id]; n != 1 {
			w.t.Errorf("%s began task %d %d times, want once", s.name, id, n)
		}
	}
}

func (w *world) wantState(s *slave, state task.SlaveState) {
	w.t.Helper()
	if rec, _ := w.log.View().Slave(s.name); rec.State != state {
		w.t.Errorf("%s is %v, want %v", s.name, rec.State, state)
	}
}

// TestASlaveWhosePortRefusesTwiceIsDead: nobody waits for its silence to last.
func TestASlaveWhosePortRefusesTwiceIsDead(t *testing.T) {
	t.Run("what may run twice runs elsewhere", func(t *testing.T) {
		bothWays(t, func(w *world) {
			a, b, ids := w.busy(4, task.KindExpression)
			a.crash()
			time.Sleep(early)
			w.wantState(a, task.SlaveLost)
			w.wantAt(b, 2, ids)
		})
	})
	t.Run("what must not is lost", func(t *testing.T) {
		bothWays(t, func(w *world) {
			a, b, ids := w.busy(4, "once")
			a.crash()
			time.Sleep(early)
			w.wantState(a, task.SlaveLost)
			for _, id := range ids {
				w.wantDone(id, task.Lost, "A")
				if why := w.task(id).Error; !strings.Contains(why, "port of slave A refuses") {
					t.Errorf("task %d was lost because %q", id, why)
				}
			}
			if n := len(b.runs()); n > 0 {
				t.Errorf("%d tasks that must run once ran again", n)
			}
		})
	})
}

// TestALookThatComesTooEarlyIsRepeated: a process that ends has closed its connections,
// and not yet its port, where a new connection is taken and reset.
func TestALookThatComesTooEarlyIsRepeated(t *testing.T) {
	bothWays(t, func(w *world) {
		a, b, ids := w.busy(2, task.KindExpression)
		n := 0
		a.set(func(a *slave) {
			a.fares = func() error {
				if n++; n < 3 {
					return errReset
				}
				return errClosed
			}
		})
		w.d.Broke(a.url)
		time.Sleep(early + 150*time.Millisecond)
		w.wantState(a, task.SlaveLost)
		w.wantAt(b, 2, ids)
	})
}

// TestASlaveThatDiesAgainIsFoundAgain: that it was asked on a new connection just
// before does not count for the next process.
func TestASlaveThatDiesAgainIsFoundAgain(t *testing.T) {
	bothWays(t, func(w *world) {
		a, b, ids := w.busy(2, task.KindExpression)
		a.crash()
		time.Sleep(early)
		w.wantAt(b, 2, ids)
		a.boot("another")
		a.set(func(a *slave) { a.closed = false })
		if err := w.register(a); err != nil {
			w.t.Fatal(err)
		}
		w.mustSubmit("1h")
		id := w.mustSubmit("1h").ID
		time.Sleep(time.Millisecond)
		a.crash()
		time.Sleep(early)
		w.wantState(a, task.SlaveLost)
		if got := w.task(id); got.Status != task.Pending {
			w.t.Errorf("task %d is %v, want pending: B is full", id, got.Status)
		}
	})
}

// TestADeadSlaveIsFoundByANewLeader, to which no connection of it breaks.
func TestADeadSlaveIsFoundByANewLeader(t *testing.T) {
	bothWays(t, func(w *world) {
		a, b, ids := w.busy(2, task.KindExpression)
		w.depose()
		a.set(func(a *slave) { a.closed = true })
		a.kill()
		w.lead()
		time.Sleep(early)
		w.wantState(a, task.SlaveLost)
		w.wantAt(b, 2, ids)
	})
}

// TestARefusalHasToLast: a new leader sends the attempts again and again, and each
// time is refused, by a proxy that is there again soon.
func TestARefusalHasToLast(t *testing.T) {
	bothWays(t, func(w *world) {
		a, _, ids := w.busy(2, task.KindExpression)
		w.depose()
		a.set(func(a *slave) { a.closed = true })
		before := w.wire.count("send " + a.url)
		w.lead()
		time.Sleep(200 * time.Millisecond)
		a.set(func(a *slave) { a.closed = false })
		if n := w.wire.count("send "+a.url) - before; n < 2 {
			w.t.Errorf("it was refused %d times, want several", n)
		}
		time.Sleep(2 * time.Second)
		w.wantAt(a, 1, ids)
	})
}

// TestABrokenConnectionIsNoDeath: what matters is what comes of the next ones.
func TestABrokenConnectionIsNoDeath(t *testing.T) {
	bothWays(t, func(w *world) {
		a, _, ids := w.busy(2, task.KindExpression)
		before := w.wire.count("knock http://A")
		for range 100 { // as of a slave that ends its connections after each answer
			w.d.Broke(a.url)
			time.Sleep(100 * time.Millisecond)
		}
		w.wantAt(a, 1, ids)
		if n := w.wire.count("knock http://A") - before; n == 0 || n > 11 {
			w.t.Errorf("it was asked %d times in 10 s because its connections broke, want about one a second", n)
		}
	})
}

// TestWhoHasNoTasksIsNotAskedForABrokenConnection: of ten thousand that close what
// they don't use, nobody is asked.
func TestWhoHasNoTasksIsNotAskedForABrokenConnection(t *testing.T) {
	bothWays(t, func(w *world) {
		_, b, _ := w.busy(1, task.KindExpression)
		before := w.wire.count("knock " + b.url)
		w.d.Broke(b.url)
		w.d.Broke("http://nobody")
		time.Sleep(500 * time.Millisecond)
		if n := w.wire.count("knock "+b.url) - before; n > 0 {
			w.t.Errorf("%d calls came of it", n)
		}
	})
}

// TestWhatIsNotARefusalKeepsASlave: it is given up after the time of silence, as
// long as nothing says that nobody listens at its port.
func TestWhatIsNotARefusalKeepsASlave(t *testing.T) {
	for name, fails := range map[string]func(n int) error{
		"it hangs":                     func(int) error { return errTimeout },
		"it can't be reached":          func(int) error { return task.ErrUnreached },
		"a refusal among others":       func(n int) error { return []error{errTimeout, errClosed}[n%2] },
		"a proxy that refuses shortly": func(n int) error { return []error{errClosed, nil}[min(n, 1)] },
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world) {
				a, _, ids := w.busy(2, task.KindExpression)
				n := -1
				a.set(func(a *slave) {
					a.fares = func() error {
						n++
						return fails(n)
					}
				})
				w.d.Broke(a.url)
				time.Sleep(4 * time.Second)
				w.wantState(a, task.SlaveAlive)
				w.wantAt(a, 1, ids)
				if n < 2 {
					t.Errorf("it was asked %d times", n+1)
				}
				a.set(func(a *slave) { a.fares, a.closed = nil, true })
				time.Sleep(2 * time.Second)
				w.wantState(a, task.SlaveLost)
			})
		})
	}
}

// TestALeaderThatReachesNobodyGivesNothingUpEarly: its own network may be at fault.
func TestALeaderThatReachesNobodyGivesNothingUpEarly(t *testing.T) {
	t.Run("all refuse", func(t *testing.T) {
		bothWays(t, func(w *world) {
			a, b, ids := w.busy(2, task.KindExpression)
			a.set(func(s *slave) { s.closed = true })
			w.d.Broke(a.url)
			time.Sleep(knocked)
			b.set(func(s *slave) { s.closed = true }) // it was reached after the first refusal
			w.d.Broke(b.url)
			time.Sleep(4*time.Second - knocked)
			w.wantState(a, task.SlaveAlive)
			for _, s := range []*slave{a, b} {
				s.set(func(s *slave) { s.closed = false })
			}
			time.Sleep(2 * time.Second)
			w.wantAt(a, 1, ids)
		})
	})
	t.Run("only old connections go on", func(t *testing.T) {
		bothWays(t, func(w *world) {
			a, b, ids := w.busy(2, task.KindExpression)
			b.set(func(s *slave) { s.shut = true })
			a.set(func(s *slave) { s.closed = true })
			w.d.Broke(a.url)
			time.Sleep(4 * time.Second)
			w.wantState(a, task.SlaveAlive)
			a.set(func(s *slave) { s.closed = false })
			time.Sleep(2 * time.Second)
			w.wantAt(a, 1, ids)
		})
	})
	t.Run("there is no other", func(t *testing.T) {
		bothWays(t, func(w *world) {
			a := w.slave("A", 1)
			id := w.mustSubmit("1h").ID
			time.Sleep(1500 * time.Millisecond)
			a.set(func(s *slave) { s.closed = true })
			w.d.Broke(a.url)
			time.Sleep(4 * time.Second)
			a.set(func(s *slave) { s.closed = false })
			time.Sleep(2 * time.Second)
			w.wantAt(a, 1, []task.ID{id})
		})
	})
	t.Run("until another is reached", func(t *testing.T) {
		bothWays(t, func(w *world) {
			a, b, ids := w.busy(2, task.KindExpression)
			b.set(func(s *slave) { s.closed = true })
			a.crash()
			time.Sleep(2 * time.Second)
			w.wantState(a, task.SlaveAlive)
			b.set(func(s *slave) { s.closed = false })
			time.Sleep(2 * time.Second) // of which the next question to B takes one
			w.wantState(a, task.SlaveLost)
			w.wantAt(b, 2, ids)
		})
	})
}

// TestARestartIsNotTakenForADeath: who is there again at the second look says itself
// what became of its tasks, and keeps its place.
func TestARestartIsNotTakenForADeath(t *testing.T) {
	for name, registers := range map[string]bool{"it is asked": false, "it registers": true} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world) {
				a, _, ids := w.busy(2, "once")
				a.crash()
				time.Sleep(100 * time.Millisecond)
				w.wantState(a, task.SlaveAlive)
				a.boot("another")
				a.set(func(s *slave) { s.closed = false })
				if registers {
					if err := w.register(a); err != nil {
						t.Fatal(err)
					}
				} else {
					time.Sleep(early - 100*time.Millisecond)
				}
				for _, id := range ids {
					w.wantDone(id, task.Lost, "A")
					if why := w.task(id).Error; strings.Contains(why, "refuses") {
						t.Errorf("task %d was lost because %q, and A had only restarted", id, why)
					}
				}
				if !registers {
					return
				}
				time.Sleep(2 * time.Second)
				w.wantState(a, task.SlaveAlive)
				if got := w.mustSubmit("1s"); got.Slave != "A" {
					t.Errorf("a task went to %q, not to A", got.Slave)
				}
			})
		})
	}
}

// TestASlaveThatWasTakenForDeadComesBack: a proxy before it was down. What it runs is
// stopped, its late results don't count, and it gets tasks again.
func TestASlaveThatWasTakenForDeadComesBack(t *testing.T) {
	bothWays(t, func(w *world) {
		a, b, ids := w.busy(2, task.KindExpression)
		a.set(func(s *slave) { s.closed = true })
		w.d.Broke(a.url)
		time.Sleep(early)
		w.wantState(a, task.SlaveLost)
		w.wantAt(b, 2, ids)
		a.set(func(s *slave) { s.closed = false })
		time.Sleep(12 * time.Second)
		w.wantState(a, task.SlaveAlive)
		w.wantAt(b, 2, ids)
		if got := w.mustSubmit("1s"); got.Slave != "A" {
			w.t.Errorf("a task went to %q, not to A, whose slots are free again", got.Slave)
		}
	})
}
