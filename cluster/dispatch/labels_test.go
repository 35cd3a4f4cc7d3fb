package dispatch_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

// labels reads "a=1 b=2", sorted.
func labels(text string) []task.Label {
	var list []task.Label
	for part := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(part, "=")
		list = append(list, task.Label{Name: name, Value: value})
	}
	return list
}

func requiring(text string) func(*dispatch.Request) {
	return func(r *dispatch.Request) { r.Spec.Requires = labels(text) }
}

// labelled starts a slave with labels.
func (w *world) labelled(name string, slots int, text string) *slave {
	w.t.Helper()
	s := w.wire.start(w, name, slots)
	r := s.registration()
	r.Labels, r.Version = labels(text), "v1"
	if rec, err := w.d.Register(w.t.Context(), r); err != nil || rec.Version != "v1" || !slices.Equal(rec.Labels, r.Labels) {
		w.t.Fatalf("register %s: %+v, %v", name, rec, err)
	}
	return s
}

// TestATaskGoesToTheFirstSlaveThatHasItsLabels.
func TestATaskGoesToTheFirstSlaveThatHasItsLabels(t *testing.T) {
	for _, anew := range []bool{false, true} {
		bothWays(t, func(w *world) {
			w.labelled("A", 1, "zone=a")
			w.labelled("B", 1, "gpu=yes zone=a")
			w.labelled("C", 9, "gpu=yes zone=b")
			if anew {
				w.depose()
				w.lead()
			}
			for _, c := range []struct{ requires, slave string }{
				{"gpu=yes", "B"},
				{"gpu=yes", "C"}, // B is full
				{"zone=a", "A"},
				{"gpu=yes zone=b", "C"},
				{"", "C"},
			} {
				if got := w.mustSubmit("1h", requiring(c.requires)); got.Slave != c.slave {
					w.t.Errorf("one that requires %q went to %s, want %s", c.requires, got.Slave, c.slave)
				}
			}
			_, err := w.submit("1h", requiring("zone=a"))
			if refusal := refusalOf(err); refusal == nil || refusal.Code != task.CodeFullCapacity || *refusal.Capacity != (task.Capacity{Slaves: 2, Slots: 2, Busy: 2}) {
				w.t.Errorf("with both that have the label full: %v", err)
			}
			_, err = w.submit("1h", requiring("gpu=no zone=a"))
			if codeOf(err) != task.CodeNoSlaveForKind || !strings.Contains(err.Error(), "gpu=no, zone=a") {
				w.t.Errorf("with labels that no slave has: %v", err)
			}
		})
	}
}

func refusalOf(err error) *task.Error {
	refusal, _ := errors.AsType[*task.Error](err)
	return refusal
}

// TestATaskThatWaitsForALabelKeepsNobodyBehindIt, and gets the first slot that it
// can use, before those that came later.
func TestATaskThatWaitsForALabelKeepsNobodyBehindIt(t *testing.T) {
	bothWays(t, func(w *world) {
		w.labelled("A", 1, "")
		waits := w.mustSubmit("1s", requiring("gpu=yes"), withPriority(9))
		if got := w.mustSubmit("1s", queued); got.Slave != "A" {
			w.t.Errorf("one without requirements is %v on %q", got.Status, got.Slave)
		}
		later := []task.ID{w.mustSubmit("1s", queued).ID, w.mustSubmit("1s", queued, requiring("gpu=yes")).ID}
		time.Sleep(10 * time.Second)
		if got := w.task(waits.ID); got.Status != task.Pending {
			w.t.Errorf("it is %v on %s, and nobody has the label", got.Status, got.Slave)
		}
		w.wantDone(later[0], task.Succeeded, "A")
		w.labelled("B", 1, "gpu=yes")
		time.Sleep(5 * time.Second)
		w.wantDone(waits.ID, task.Succeeded, "B")
		w.wantDone(later[1], task.Succeeded, "B")
		if got := w.order(later[1], waits.ID); got[0] != waits.ID {
			w.t.Error("the later one ran first")
		}
	})
}

// TestClassesThatCompeteKeepTheOrder: for one slave that all of them can use, the
// priority counts, then the order of submission, whatever they require.
func TestClassesThatCompeteKeepTheOrder(t *testing.T) {
	bothWays(t, func(w *world) {
		w.labelled("A", 1, "a=1 b=1")
		w.mustSubmit("5s")
		var ids []task.ID
		for i, requires := range []string{"a=1", "", "a=1 b=1", "b=1", "a=1"} {
			ids = append(ids, w.mustSubmit("1s", withPriority([]task.Priority{3, 3, 9, 0, 3}[i]), requiring(requires)).ID)
		}
		time.Sleep(5500 * time.Millisecond)
		if _, err := w.submit("1s", requiring("b=1")); codeOf(err) != task.CodeFullCapacity {
			w.t.Errorf("a new one took a slot that waiting ones can use: %v", err)
		}
		time.Sleep(20 * time.Second)
		want := []task.ID{ids[2], ids[0], ids[1], ids[4], ids[3]}
		if got := w.order(ids...); !slices.Equal(got, want) {
			w.t.Errorf("they ran as %v, want %v", got, want)
		}
	})
}

// TestASlavesLabelsChange: a registration with others moves it to other classes.
func TestASlavesLabelsChange(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.labelled("A", 2, "zone=a")
		w.mustSubmit("1s", requiring("zone=a"))
		waits := w.mustSubmit("1s", queued, requiring("zone=b"))
		r := a.registration()
		r.Labels = labels("zone=b")
		if _, err := w.d.Register(w.t.Context(), r); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		w.wantDone(waits.ID, task.Succeeded, "A")
		if _, err := w.submit("1s", requiring("zone=a")); codeOf(err) != task.CodeNoSlaveForKind {
			w.t.Errorf("with a label that it has no more: %v", err)
		}
	})
}

// TestRequirementsAreBounded: so many different ones may wait, and those that
// nobody uses any more make room. A task without is never kept out.
func TestRequirementsAreBounded(t *testing.T) {
	bothWays(t, func(w *world) {
		w.labelled("A", 1, "zone=a")
		w.mustSubmit("1h")
		different := func(i int) func(*dispatch.Request) { return requiring(fmt.Sprintf("x=%d", i)) }
		for i := range 3000 { // refused at once, and forgotten
			if _, err := w.submit("1s", different(i)); codeOf(err) != task.CodeNoSlaveForKind {
				w.t.Fatal(err)
			}
		}
		w.mustSubmit("1s", queued, requiring("zone=a"))
		first := w.mustSubmit("1s", queued, different(0)).ID
		for i := range 998 {
			w.mustSubmit("1s", queued, different(i+1))
		}
		if _, err := w.submit("1s", queued, different(5000)); codeOf(err) != task.CodeOverloaded {
			w.t.Errorf("one more: %v", err)
		}
		w.mustSubmit("1s", queued)
		w.mustSubmit("1s", queued, different(0))
		for i := range task.ID(2) { // one made room for the task without requirements
			if _, err := w.d.Cancel(w.t.Context(), first+1+i); err != nil {
				w.t.Fatal(err)
			}
		}
		w.mustSubmit("1s", queued, different(5000))
	})
}

// TestAllWhoWaitForASilentSlavePassItAtOnce: they are of different classes, so each
// is the first of a line, and they share the slave's one question.
func TestAllWhoWaitForASilentSlavePassItAtOnce(t *testing.T) {
	for _, queue := range []bool{false, true} {
		bothWays(t, func(w *world) {
			a := w.labelled("A", 4, "a=1 b=1 c=1 d=1")
			time.Sleep(2 * time.Second) // what it said is old
			a.set(func(s *slave) { s.silent = true })
			began := time.Now()
			var answered sync.WaitGroup
			for _, label := range []string{"a=1", "b=1", "c=1", "d=1"} {
				answered.Go(func() {
					_, err := w.submit("1s", requiring(label), func(r *dispatch.Request) { r.Queue = queue })
					if code := codeOf(err); queue && err != nil || !queue && code != task.CodeFullCapacity {
						w.t.Errorf("one that requires %s: %v", label, err)
					}
					if waited := time.Since(began); w.ttl > 0 && waited != 250*time.Millisecond || waited > 300*time.Millisecond {
						w.t.Errorf("one that requires %s waited %v for a silent slave", label, waited)
					}
				})
			}
			answered.Wait()
		})
	}
}
