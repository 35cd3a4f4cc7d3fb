package worker_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

// What runs goes on; with more of it than slots, nothing is taken until there is
// room. The word on free slots never says more than is true.
func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 2, sleepers)
		want := func(slots, free int) task.Availability {
			t.Helper()
			a, err := w.Available(w.stamp())
			if err != nil || a.Slots != slots || a.Free != free || w.Slots() != slots {
				t.Fatalf("%+v, %v; want %d slots, %d free", a, err, slots, free)
			}
			return a
		}
		w.accept(order(1, 1), order(2, 1))
		before := want(2, 0)
		if err := w.Resize(4); err != nil {
			t.Fatal(err)
		}
		if after := want(4, 2); after.Counter <= before.Counter {
			t.Errorf("the counter was %d and is %d", before.Counter, after.Counter)
		}
		wantReceipt(t, w.accept(order(3, 1))[0], task.Accepted, "")
		if a, err := w.ResizeTo(w.stamp(), incarnation, 1); err != nil || a.Slots != 1 || a.Free != 0 {
			t.Fatalf("%+v, %v", a, err)
		}
		wantReceipt(t, w.accept(order(4, 1))[0], task.Refused, task.ReasonNoSlot)
		wantReceipt(t, w.accept(order(3, 1))[0], task.Running, "")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		want(1, 1)
		got := w.accept(order(5, 1), order(6, 1))
		wantReceipt(t, got[0], task.Accepted, "")
		wantReceipt(t, got[1], task.Refused, task.ReasonNoSlot)

		for _, slots := range []int{0, -1, task.MaxSlots + 1} {
			if err := w.Resize(slots); !errors.Is(err, task.ErrNoSize) {
				t.Errorf("%d slots: %v", slots, err)
			}
		}
		if _, err := w.ResizeTo(w.stamp(), "another", 3); !errors.Is(err, task.ErrWrongIncarnation) {
			t.Errorf("another incarnation: %v", err)
		}
		if _, err := w.ResizeTo(task.Stamp{Term: 1}, incarnation, 3); !errors.Is(err, task.ErrStaleStamp) {
			t.Errorf("an old stamp: %v", err)
		}
		want(1, 0)
	})
}
