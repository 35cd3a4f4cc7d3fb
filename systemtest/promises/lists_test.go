package promises_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// TestPagesGoOnAtAnotherMaster goes through lists page by page, each at another
// master than the one before, while leaders die and tasks come and end: a task that
// was there at the beginning is shown once, in order.
func TestPagesGoOnAtAnotherMaster(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		for range 30 {
			w.client.submit(0)
		}
		for _, opts := range []client.ListOptions{
			{}, {Descending: true}, {Kind: "expression", Slave: "slave-1", SubmittedAfter: time.Now().Add(-time.Hour)}, {Status: client.TaskDone, Descending: true},
		} {
			var there []uint64
			for task, err := range w.client.api.List(w.t.Context(), opts) {
				if err != nil {
					w.t.Fatal(err)
				}
				there = append(there, task.ID)
			}
			shown := w.pagesUnderLosses(opts)
			inOrder := slices.Clone(shown)
			slices.Sort(inOrder)
			if inOrder = slices.Compact(inOrder); opts.Descending {
				slices.Reverse(inOrder)
			}
			if !slices.Equal(shown, inOrder) {
				w.t.Errorf("%+v: not in order, or twice: %v", opts, shown)
			}
			if missed := slices.DeleteFunc(there, func(id uint64) bool { return slices.Contains(shown, id) }); len(missed) > 0 {
				w.t.Errorf("%+v: %v were there at the beginning, and are not in %v", opts, missed, shown)
			}
			w.startAll()
		}
	})
}

// pagesUnderLosses goes through the pages of a list, with a loss of the leader
// after the second.
func (w *world) pagesUnderLosses(opts client.ListOptions) (shown []uint64) {
	w.t.Helper()
	opts.Limit = 7
	for n := 0; ; n++ {
		opts.MinIndex = w.client.api.Index() // what was told before is there, wherever it is asked for
		var page client.TaskPage
		w.await("a page", func(ctx context.Context) (err error) {
			masters := w.running()
			page, err = w.client.of(masters[n%len(masters)]).Page(ctx, opts)
			return err
		})
		for _, task := range page.Tasks {
			w.seen.Saw(task)
			shown = append(shown, task.ID)
		}
		if page.Next == "" {
			return shown
		}
		opts.Cursor = page.Next
		if n == 1 {
			w.leader().crash()
		}
		w.client.submit(0)
	}
}

// exported is what an export handed over before it ended.
type exported struct {
	client.Exported

	ids []uint64
	err error
}

// export exports from one master, and calls first at the first task.
func (u *user) export(m *master, minIndex uint64, first func()) exported {
	u.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var x exported
	x.Exported, x.err = u.of(m).Export(ctx, client.ListOptions{ReadOptions: client.ReadOptions{MinIndex: minIndex}}, func(t client.Task) error {
		if x.ids = append(x.ids, t.ID); len(x.ids) == 1 {
			first()
		}
		u.w.seen.Saw(t)
		return nil
	})
	return x
}

// upTo is 1 … n.
func upTo(n uint64) (ids []uint64) {
	for id := uint64(1); id <= n; id++ {
		ids = append(ids, id)
	}
	return ids
}

// TestAnExportIsWholeOrSaysThatItIsNot exports more than a connection holds, from
// masters that die, stop, or lose their leader in the middle.
func TestAnExportIsWholeOrSaysThatItIsNot(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		const tasks = 150
		for range tasks {
			w.client.put(w.client.incompressible())
		}
		index := w.client.api.Index()

		// Its master dies, or is told to stop.
		for name, loss := range map[string]func(m *master){
			"a crash": (*master).crash, "a halt": func(m *master) {
				began := time.Now()
				if err := m.halt(); err != nil || time.Since(began) > 10*time.Second {
					w.t.Errorf("a master with an export ended after %v: %v", time.Since(began), err)
				}
			},
		} {
			m := w.leader()
			x := w.client.export(m, index, func() { loss(m) })
			if !errors.Is(x.err, client.ErrCut) || len(x.ids) == tasks || !slices.Equal(x.ids, upTo(uint64(len(x.ids)))) {
				w.t.Errorf("%s: %d tasks, %v", name, len(x.ids), x.err)
			}
			w.startAll()
		}

		// The leader dies while others export: their pictures stay as they are.
		lost := w.leader()
		for _, m := range w.followers(lost) {
			x := w.client.export(m, index, func() {
				if lost.process != nil {
					lost.crash()
				}
				w.client.submit(0)
			})
			if x.err != nil || x.Tasks < tasks || !slices.Equal(x.ids, upTo(x.Tasks)) || x.Index < index {
				w.t.Errorf("%s: %d tasks, of %+v, %v", m.id, len(x.ids), x.Exported, x.err)
			}
		}
		w.startAll()
	})
}

// incompressible is a job whose text takes as much room on the wire as it has.
func (u *user) incompressible() job {
	chance := rand.New(rand.NewPCG(1, uint64(u.tasks.Add(1))))
	var text strings.Builder
	for text.Len() < 4000 {
		fmt.Fprintf(&text, "%x", chance.Uint64())
	}
	return u.job(fmt.Sprintf("%q == %q", text.String(), "x"), evidence.Want{Outcome: client.Succeeded, Result: "false"})
}
