package dispatch_test

import (
	"errors"
	"testing"
	"time"

	"muster/task"
)

// TestASlaveIsResized: the registry has what the slave says; fewer slots than
// tasks let these end first; more slots take waiting tasks.
func TestASlaveIsResized(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 3)
		for range 3 {
			w.mustSubmit("5s")
		}
		waits := w.mustSubmit("5s", queued)
		w.mustSubmit("5s", queued)
		time.Sleep(100 * time.Millisecond) // the slave has what it was given
		rec, err := w.d.Resize(w.t.Context(), "A", 1)
		if err != nil || rec.Slots != 1 || rec.Busy != 3 {
			w.t.Fatalf("%+v, %v", rec, err)
		}
		time.Sleep(6 * time.Second)
		if c := w.log.View().Counts(); c.InProgress != 1 || c.Pending != 1 || w.task(waits.ID).Status != task.InProgress {
			w.t.Errorf("%+v, want one that runs and one that waits", c)
		}
		if _, err := w.d.Resize(w.t.Context(), "A", 2); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(time.Second)
		if c := w.log.View().Counts(); c.InProgress != 2 || a.mostAtOnce() != 3 {
			w.t.Errorf("%+v, want two that run", c)
		}
	})
}

// TestWhyASlaveIsNotResized is said.
func TestWhyASlaveIsNotResized(t *testing.T) {
	bothWays(t, func(w *world) {
		w.slave("A", 1)
		for want, err := range map[task.Code]error{
			task.CodeCannotResize:     task.ErrNotOffered,
			task.CodeWrongIncarnation: task.ErrWrongIncarnation,
			task.CodeSlaveUnreachable: errors.New("it hangs"),
		} {
			w.wire.before(func(call string) error {
				if call == "resize" {
					return err
				}
				return nil
			})
			if _, err := w.d.Resize(w.t.Context(), "A", 2); codeOf(err) != want {
				w.t.Errorf("%v, want %s", err, want)
			}
		}
		w.wire.before(nil)
		if _, err := w.d.Resize(w.t.Context(), "B", 2); codeOf(err) != task.CodeSlaveNotFound {
			w.t.Errorf("an unknown one: %v", err)
		}
		rec, _ := w.log.View().Slave("A")
		if _, err := w.d.Leave(w.t.Context(), "A", rec.Incarnation); err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.d.Resize(w.t.Context(), "A", 2); codeOf(err) != task.CodeSlaveNotAlive || rec.Slots != 1 {
			w.t.Errorf("one that left: %v", err)
		}
	})
}
