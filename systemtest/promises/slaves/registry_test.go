package slaves_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/promises/story"
	"muster/task"
)

// wantOwner checks who has the name slave-1 in the registry.
func wantOwner(w *story.World, s *story.Scripted) {
	w.T.Helper()
	x, err := w.Entry(w.T.Context(), "slave-1")
	if err != nil || x.State != client.SlaveAlive || x.Incarnation != s.Incarnation || x.URL != s.URL() {
		w.T.Errorf("%+v, %v; want %s at %s", x, err, s.Incarnation, s.URL())
	}
}

// A registration of an incarnation that is gone arrives late. It ends nothing of
// the one that lives: the leader dials back.
func TestALateRegistrationOfAnOldIncarnationIsRefused(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		only := w.Script("slave-1", 1)
		only.Register()
		late := only.Registration()
		only.Restart()
		only.Register()
		id := w.Client.Submit(3 * time.Second).ID
		runsOn(w, id, "slave-1")
		for range 3 {
			if err := only.Tries(late); story.Code(err) != client.CodeWrongIncarnation {
				w.T.Errorf("register %s: %v, want wrong_incarnation", late.Incarnation, err)
			}
		}
		wantOwner(w, only)
		wantEnd(w, id, client.Succeeded, "slave-1", 1, 1)
	})
}

// A name belongs to the slave that lives under it, and is free when that is dead.
func TestANameBelongsToTheSlaveThatLives(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		owner, thief := w.Script("slave-1", 1), w.Script("slave-2", 1)
		owner.Register()
		id := w.Client.Submit(2 * time.Second).ID
		theft := thief.Registration()
		theft.Name = "slave-1"
		if err := thief.Tries(theft); story.Code(err) != client.CodeNameTaken {
			w.T.Errorf("register: %v, want name_taken", err)
		}
		wantOwner(w, owner)
		wantEnd(w, id, client.Succeeded, "slave-1", 1, 1)

		// Its first owner is gone: another process may have the name, at its place.
		w.Script("slave-3", 1).Register()
		w.Net.Block("m1", "slave-1")
		w.Net.Block("slave-1", "m1")
		if err := thief.Tries(theft); err != nil {
			w.T.Fatalf("register after the owner vanished: %v", err)
		}
		wantOwner(w, thief)
		thief.GoesBy("slave-1")
		if got := w.Client.Submit(time.Second); got.Slave != "slave-1" {
			w.T.Errorf("a task went to %s, want slave-1 at its old place", got.Slave)
		}
		// The first owner wakes. The name is another's now.
		w.Net.PassAll()
		if err := owner.Tries(owner.Registration()); story.Code(err) != client.CodeNameTaken {
			w.T.Errorf("register: %v, want name_taken", err)
		}
		wantOwner(w, thief)
	})
}

// One process has one name. Under two, what one of them has would be stopped as
// not the other's, and more would be sent than it has slots.
func TestOneProcessHasOneName(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		two := w.Script("slave-1", 2)
		again := two.Registration()
		again.Name = "slave-2"
		errs := make(chan error, 2)
		for _, r := range []task.Registration{two.Registration(), again} {
			go func() { errs <- two.Tries(r) }()
		}
		first, second := <-errs, <-errs
		if (first == nil) == (second == nil) {
			w.T.Fatalf("two registrations at once: %v, %v", first, second)
		}
		registered := "slave-1"
		if _, err := w.Entry(w.T.Context(), registered); err != nil {
			registered = "slave-2"
			again.Name = "slave-1"
		}
		for range 3 {
			if err := two.Tries(again); story.Code(err) != client.CodeNameTaken {
				w.T.Errorf("register %s as %s, too: %v, want name_taken", registered, again.Name, err)
			}
		}
		two.GoesBy(registered)
		w.Seen.Slave(registered, 2)
		if got := w.Client.Submit(time.Second); got.Slave != registered {
			w.T.Errorf("a task went to %s", got.Slave)
		}
	})
}

// A slave that registers with a URL at which it is not.
func TestARegistrationWithAnothersURLIsRefused(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(1)
		strangers := stranger(w)
		w.Script("slave-1", 1).Register()
		liar := w.Script("slave-2", 1)
		for url, want := range map[string]client.Code{
			"http://slave-1:90":   client.CodeWrongIncarnation,
			"http://m1:80":        client.CodeSlaveUnreachable,
			"http://stranger:80":  client.CodeSlaveUnreachable,
			"http://nobody:90":    client.CodeSlaveUnreachable,
			"http://slave-2:9999": client.CodeSlaveUnreachable,
		} {
			r := liar.Registration()
			r.URL = url
			if err := liar.Tries(r); story.Code(err) != want {
				w.T.Errorf("register with %s: %v, want %s", url, err, want)
			}
		}
		if strangers.Load() == 0 {
			w.T.Error("the leader did not dial back")
		}
		if _, err := w.Entry(w.T.Context(), "slave-2"); err == nil {
			w.T.Error("slave-2 is in the registry")
		}
	})
}

// A slave that leaves and comes back, or dies and comes back, has its old place.
func TestASlaveKeepsItsPlaceInTheOrder(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		slaves := []*story.Slave{w.Slave("slave-1", 1), w.Slave("slave-2", 1), w.Slave("slave-3", 1)}
		w.Sleep(2 * time.Second)
		order := func(want ...string) {
			w.T.Helper()
			for i, name := range want {
				if got := w.Client.Submit(time.Second); got.Slave != name {
					w.T.Errorf("task %d of %d went to %s, want %s", i+1, len(want), got.Slave, name)
				}
			}
			w.Sleep(3 * time.Second)
		}
		order("slave-1", "slave-2", "slave-3")
		if err := slaves[0].Halt(); err != nil {
			w.T.Fatal(err)
		}
		order("slave-2", "slave-3")
		slaves[0].Restart()
		order("slave-1", "slave-2", "slave-3")
		slaves[1].Crash()
		w.Sleep(10 * time.Second)
		slaves[1].Restart()
		w.Leader().Crash()
		w.Sleep(5 * time.Second)
		order("slave-1", "slave-2", "slave-3")
	})
}

// A task that lost its slave waits before new ones, also in front of a slot that
// becomes free just when they come.
func TestAGivenUpTaskGoesBeforeNewOnes(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		first, second := w.Script("slave-1", 1), w.Script("slave-2", 1)
		first.Register()
		second.Register()
		waits := w.Client.Submit(4 * time.Second).ID
		blocks := w.Client.Submit(7 * time.Second).ID
		runsOn(w, waits, "slave-1")
		runsOn(w, blocks, "slave-2")
		first.Crash()
		w.Await("the task to wait", func(context.Context) error {
			if got := lookUp(w, waits); got.Status != client.TaskPending {
				w.Sleep(100 * time.Millisecond)
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		direct := w.Client.Of(w.Masters[0])
		for {
			got, err := w.Client.Try(w.T.Context(), direct, w.Client.Sleeping(time.Second))
			now := lookUp(w, waits)
			if err == nil && now.Status == client.TaskPending {
				w.T.Fatalf("task %d went before task %d", got.Task.ID, waits)
			}
			if now.Status != client.TaskPending {
				break
			}
			w.Sleep(3 * time.Millisecond)
		}
		wantEnd(w, waits, client.Succeeded, "slave-2", 2, 2)
	})
}
