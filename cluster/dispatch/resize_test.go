package dispatch_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"muster/fsm"
	"muster/task"
)

// More slots take what waits; fewer let what runs go on, and the slave never runs
// more than it had slots for.
func TestASlaveIsResized(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		first := w.mustSubmit("10s")
		waiting := w.mustSubmit("10s", queued)
		time.Sleep(time.Second)
		got, err := w.d.Resize(w.t.Context(), "A", 2)
		if err != nil || got.Slots != 2 {
			w.t.Fatalf("%+v, %v", got, err)
		}
		time.Sleep(2 * time.Second)
		if got := w.task(waiting.ID); got.Status != task.InProgress {
			w.t.Errorf("with a slot more it is %+v", got)
		}
		if got, err = w.d.Resize(w.t.Context(), "A", 1); err != nil || got.Slots != 1 || got.Busy != 2 {
			w.t.Fatalf("%+v, %v", got, err)
		}
		if _, err := w.submit("1s"); codeOf(err) != task.CodeFullCapacity {
			w.t.Errorf("two run on one slot, and another comes: %v", err)
		}
		last := w.mustSubmit("1s", queued)
		time.Sleep(30 * time.Second)
		for _, id := range []task.ID{first.ID, waiting.ID, last.ID} {
			w.wantDone(id, task.Succeeded, "A")
		}
		if w.task(last.ID).StartedAt < w.task(waiting.ID).FinishedAt {
			w.t.Errorf("the last started while the one slot was taken")
		}
		if most := a.mostAtOnce(); most != 2 {
			w.t.Errorf("%d ran at once", most)
		}
		index := w.log.View().Index()
		if _, err := w.d.Resize(w.t.Context(), "A", 1); err != nil || w.log.View().Index() != index {
			w.t.Errorf("the same again: %v, and the log went from %d to %d", err, index, w.log.View().Index())
		}
	})
}

func TestAResizeThatCanNotBe(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		a := w.slave("A", 1)
		for err, want := range map[error]task.Code{
			task.ErrNotResizable:     task.CodeNotResizable,
			task.ErrWrongIncarnation: task.CodeWrongIncarnation,
			task.ErrUnreached:        task.CodeSlaveUnreachable,
			task.ErrStaleStamp:       task.CodeSlaveUnreachable,
			errors.New("garbage"):    task.CodeSlaveUnreachable,
		} {
			a.lies(lie{fails: map[string]error{"resize": err}})
			if _, got := w.d.Resize(w.t.Context(), "A", 2); codeOf(got) != want {
				w.t.Errorf("%v: %v", err, got)
			}
		}
		a.lies(lie{})
		if _, err := w.d.Resize(w.t.Context(), "B", 2); codeOf(err) != task.CodeSlaveNotFound {
			w.t.Errorf("nobody: %v", err)
		}
		a.kill()
		a.set(func(s *slave) { s.refused = true })
		time.Sleep(time.Minute)
		if _, err := w.d.Resize(w.t.Context(), "A", 2); codeOf(err) != task.CodeSlaveNotAlive {
			w.t.Errorf("a lost slave: %v", err)
		}
		if rec, _ := w.log.View().Slave("A"); rec.Slots != 1 {
			w.t.Errorf("the registry has %+v", rec)
		}
	})
}

// As long as a master of an older version is there, slaves are registered as before,
// and one with labels is refused by the log.
func TestSlavesAreRegisteredAsAllMastersKnowThem(t *testing.T) {
	for _, commands := range []fsm.Number{fsm.NumberRemoveMaster, fsm.NumberRegisterSlaveInFull} {
		t.Run(fmt.Sprint(commands), func(t *testing.T) {
			inWorld(t, time.Second, func(w *world) {
				if _, err := w.log.Propose(w.t.Context(), fsm.Proposal{Command: fsm.PutMaster{ID: "m2", Commands: uint32(commands)}}); err != nil {
					w.t.Fatal(err)
				}
				r := w.wire.start(w, "A", 1).registration()
				r.Version = "1.2"
				for range 2 {
					if _, err := w.d.Register(w.t.Context(), r); err != nil {
						w.t.Fatal(err)
					}
				}
				rec, _ := w.log.View().Slave("A")
				if knows := commands == fsm.NumberRegisterSlaveInFull; (rec.Version == "1.2") != knows {
					w.t.Errorf("registered as %+v", rec)
				}
			})
		})
	}
}
