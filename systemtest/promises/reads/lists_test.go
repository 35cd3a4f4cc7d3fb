package reads_test

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
	"muster/systemtest/promises/story"
)

// TestPagesGoOnAtAnotherMaster goes through lists page by page, each at another
// master than the one before, while leaders die and tasks come and end: a task that
// was there at the beginning is shown once, in order.
func TestPagesGoOnAtAnotherMaster(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		for range 30 {
			w.Client.Submit(0)
		}
		for _, opts := range []client.ListOptions{
			{}, {Descending: true}, {Kind: "expression", Slave: "slave-1", SubmittedAfter: time.Now().Add(-time.Hour)}, {Status: client.TaskDone, Descending: true},
		} {
			var there []uint64
			for task, err := range w.Client.API.List(w.T.Context(), opts) {
				if err != nil {
					w.T.Fatal(err)
				}
				there = append(there, task.ID)
			}
			shown := pagesUnderLosses(w, opts)
			inOrder := slices.Clone(shown)
			slices.Sort(inOrder)
			if inOrder = slices.Compact(inOrder); opts.Descending {
				slices.Reverse(inOrder)
			}
			if !slices.Equal(shown, inOrder) {
				w.T.Errorf("%+v: not in order, or twice: %v", opts, shown)
			}
			if missed := slices.DeleteFunc(there, func(id uint64) bool { return slices.Contains(shown, id) }); len(missed) > 0 {
				w.T.Errorf("%+v: %v were there at the beginning, and are not in %v", opts, missed, shown)
			}
			w.StartAll()
		}
	})
}

// pagesUnderLosses goes through the pages of a list, with a loss of the leader
// after the second.
func pagesUnderLosses(w *story.World, opts client.ListOptions) (shown []uint64) {
	w.T.Helper()
	opts.Limit = 7
	for n := 0; ; n++ {
		opts.MinIndex = w.Client.API.Index() // what was told before is there, wherever it is asked for
		var page client.TaskPage
		w.Await("a page", func(ctx context.Context) (err error) {
			masters := w.Running()
			page, err = w.Client.Of(masters[n%len(masters)]).Page(ctx, opts)
			return err
		})
		for _, task := range page.Tasks {
			w.Seen.Saw(task)
			shown = append(shown, task.ID)
		}
		if page.Next == "" {
			return shown
		}
		opts.Cursor = page.Next
		if n == 1 {
			w.Leader().Crash()
		}
		w.Client.Submit(0)
	}
}

// exported is what an export handed over before it ended.
type exported struct {
	client.Exported

	ids []uint64
	err error
}

// export exports from one master, and calls first at the first task.
func export(u *story.User, m *story.Master, minIndex uint64, first func()) exported {
	u.W.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), story.Patience)
	defer cancel()
	var x exported
	x.Exported, x.err = u.Of(m).Export(ctx, client.ListOptions{ReadOptions: client.ReadOptions{MinIndex: minIndex}}, func(t client.Task) error {
		if x.ids = append(x.ids, t.ID); len(x.ids) == 1 {
			first()
		}
		u.W.Seen.Saw(t)
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
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		const tasks = 150
		for range tasks {
			w.Client.Put(incompressible(w.Client))
		}
		index := w.Client.API.Index()

		// Its master dies, or is told to stop.
		for name, loss := range map[string]func(m *story.Master){
			"a crash": (*story.Master).Crash, "a halt": func(m *story.Master) {
				began := time.Now()
				if err := m.Halt(); err != nil || time.Since(began) > 10*time.Second {
					w.T.Errorf("a master with an export ended after %v: %v", time.Since(began), err)
				}
			},
		} {
			m := w.Leader()
			x := export(w.Client, m, index, func() { loss(m) })
			if !errors.Is(x.err, client.ErrCut) || len(x.ids) == tasks || !slices.Equal(x.ids, upTo(uint64(len(x.ids)))) {
				w.T.Errorf("%s: %d tasks, %v", name, len(x.ids), x.err)
			}
			w.StartAll()
		}

		// The leader dies while others export: their pictures stay as they are.
		lost := w.Leader()
		for _, m := range w.Followers(lost) {
			x := export(w.Client, m, index, func() {
				if lost.Process != nil {
					lost.Crash()
				}
				w.Client.Submit(0)
			})
			if x.err != nil || x.Tasks < tasks || !slices.Equal(x.ids, upTo(x.Tasks)) || x.Index < index {
				w.T.Errorf("%s: %d tasks, of %+v, %v", m.ID, len(x.ids), x.Exported, x.err)
			}
		}
		w.StartAll()
	})
}

// incompressible is a job whose text takes as much room on the wire as it has.
func incompressible(u *story.User) story.Job {
	chance := rand.New(rand.NewPCG(1, uint64(u.Tasks.Add(1))))
	var text strings.Builder
	for text.Len() < 4000 {
		fmt.Fprintf(&text, "%x", chance.Uint64())
	}
	return u.Job(fmt.Sprintf("%q == %q", text.String(), "x"), evidence.Want{Outcome: client.Succeeded, Result: "false"})
}
