package promises_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"muster/api/client"
	"muster/task"
)

// wantOwner checks who has the name slave-1 in the registry.
func (w *world) wantOwner(s *scripted) {
	w.t.Helper()
	x, err := w.entry(w.t.Context(), "slave-1")
	if err != nil || x.State != client.SlaveAlive || x.Incarnation != s.incarnation || x.URL != s.url() {
		w.t.Errorf("%+v, %v; want %s at %s", x, err, s.incarnation, s.url())
	}
}

// A registration of an incarnation that is gone arrives late. It ends nothing of
// the one that lives: the leader dials back.
func TestALateRegistrationOfAnOldIncarnationIsRefused(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		only := w.script("slave-1", 1)
		only.register()
		late := only.registration()
		only.restart()
		only.register()
		id := w.client.submit(3 * time.Second).ID
		w.runsOn(id, "slave-1")
		for range 3 {
			if err := only.tries(late); code(err) != client.CodeWrongIncarnation {
				w.t.Errorf("register %s: %v, want wrong_incarnation", late.Incarnation, err)
			}
		}
		w.wantOwner(only)
		w.wantEnd(id, client.Succeeded, "slave-1", 1, 1)
	})
}

// A name belongs to the slave that lives under it, and is free when that is dead.
func TestANameBelongsToTheSlaveThatLives(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(1)
		owner, thief := w.script("slave-1", 1), w.script("slave-2", 1)
		owner.register()
		id := w.client.submit(2 * time.Second).ID
		theft := thief.registration()
		theft.Name = "slave-1"
		if err := thief.tries(theft); code(err) != client.CodeNameTaken {
			w.t.Errorf("register: %v, want name_taken", err)
		}
		w.wantOwner(owner)
		w.wantEnd(id, client.Succeeded, "slave-1", 1, 1)

		// Its first owner is gone: another process may have the name, at its place.
		w.script("slave-3", 1).register()
		w.net.Block("m1", "slave-1")
		w.net.Block("slave-1", "m1")
		if err := thief.tries(theft); err != nil {
			w.t.Fatalf("register after the owner vanished: %v", err)
		}
		w.wantOwner(thief)
		thief.goesBy("slave-1")
		if got := w.client.submit(time.Second); got.Slave != "slave-1" {
			w.t.Errorf("a task went to %s, want slave-1 at its old place", got.Slave)
		}
		// The first owner wakes. The name is another's now.
		w.net.PassAll()
		if err := owner.tries(owner.registration()); code(err) != client.CodeNameTaken {
			w.t.Errorf("register: %v, want name_taken", err)
		}
		w.wantOwner(thief)
	})
}

// One process has one name. Under two, what one of them has would be stopped as
// not the other's, and more would be sent than it has slots.
func TestOneProcessHasOneName(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(1)
		two := w.script("slave-1", 2)
		again := two.registration()
		again.Name = "slave-2"
		errs := make(chan error, 2)
		for _, r := range []task.Registration{two.registration(), again} {
			go func() { errs <- two.tries(r) }()
		}
		first, second := <-errs, <-errs
		if (first == nil) == (second == nil) {
			w.t.Fatalf("two registrations at once: %v, %v", first, second)
		}
		registered := "slave-1"
		if _, err := w.entry(w.t.Context(), registered); err != nil {
			registered = "slave-2"
			again.Name = "slave-1"
		}
		for range 3 {
			if err := two.tries(again); code(err) != client.CodeNameTaken {
				w.t.Errorf("register %s as %s, too: %v, want name_taken", registered, again.Name, err)
			}
		}
		two.goesBy(registered)
		w.seen.Slave(registered, 2)
		if got := w.client.submit(time.Second); got.Slave != registered {
			w.t.Errorf("a task went to %s", got.Slave)
		}
	})
}

// A slave that registers with a URL at which it is not.
func TestARegistrationWithAnothersURLIsRefused(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(1)
		strangers := w.stranger()
		w.script("slave-1", 1).register()
		liar := w.script("slave-2", 1)
		for url, want := range map[string]client.Code{
			"http://slave-1:90":   client.CodeWrongIncarnation,
			"http://m1:80":        client.CodeSlaveUnreachable,
			"http://stranger:80":  client.CodeSlaveUnreachable,
			"http://nobody:90":    client.CodeSlaveUnreachable,
			"http://slave-2:9999": client.CodeSlaveUnreachable,
		} {
			r := liar.registration()
			r.URL = url
			if err := liar.tries(r); code(err) != want {
				w.t.Errorf("register with %s: %v, want %s", url, err, want)
			}
		}
		if strangers.Load() == 0 {
			w.t.Error("the leader did not dial back")
		}
		if _, err := w.entry(w.t.Context(), "slave-2"); err == nil {
			w.t.Error("slave-2 is in the registry")
		}
	})
}

// A slave that leaves and comes back, or dies and comes back, has its old place.
func TestASlaveKeepsItsPlaceInTheOrder(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		slaves := []*slave{w.slave("slave-1", 1), w.slave("slave-2", 1), w.slave("slave-3", 1)}
		w.sleep(2 * time.Second)
		order := func(want ...string) {
			w.t.Helper()
			for i, name := range want {
				if got := w.client.submit(time.Second); got.Slave != name {
					w.t.Errorf("task %d of %d went to %s, want %s", i+1, len(want), got.Slave, name)
				}
			}
			w.sleep(3 * time.Second)
		}
		order("slave-1", "slave-2", "slave-3")
		if err := slaves[0].halt(); err != nil {
			w.t.Fatal(err)
		}
		order("slave-2", "slave-3")
		slaves[0].restart()
		order("slave-1", "slave-2", "slave-3")
		slaves[1].crash()
		w.sleep(10 * time.Second)
		slaves[1].restart()
		w.leader().crash()
		w.sleep(5 * time.Second)
		order("slave-1", "slave-2", "slave-3")
	})
}

// A task that lost its slave waits before new ones, also in front of a slot that
// becomes free just when they come.
func TestAGivenUpTaskGoesBeforeNewOnes(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(1)
		first, second := w.script("slave-1", 1), w.script("slave-2", 1)
		first.register()
		second.register()
		waits := w.client.submit(4 * time.Second).ID
		blocks := w.client.submit(7 * time.Second).ID
		w.runsOn(waits, "slave-1")
		w.runsOn(blocks, "slave-2")
		first.crash()
		w.await("the task to wait", func(context.Context) error {
			if got := w.task(waits); got.Status != client.TaskPending {
				w.sleep(100 * time.Millisecond)
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		direct := w.client.of(w.masters[0])
		for {
			got, err := w.client.try(w.t.Context(), direct, w.client.sleeping(time.Second))
			now := w.task(waits)
			if err == nil && now.Status == client.TaskPending {
				w.t.Fatalf("task %d went before task %d", got.Task.ID, waits)
			}
			if now.Status != client.TaskPending {
				break
			}
			w.sleep(3 * time.Millisecond)
		}
		w.wantEnd(waits, client.Succeeded, "slave-2", 2, 2)
	})
}
