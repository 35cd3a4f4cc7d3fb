package slave_test

import (
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

// A slave that is resized tells masters at once, whoever asked for it; it takes no
// more than fit, and what it has goes on.
func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		if got := r.send(1, 2); got[1].Status != task.Accepted {
			t.Fatalf("%+v", got)
		}
		slots := func(want, free int) {
			t.Helper()
			synctest.Wait()
			if regs, _, _ := r.heard(); regs[len(regs)-1].Slots != want {
				t.Errorf("it registered with %d slots, want %d", regs[len(regs)-1].Slots, want)
			}
			a, err := r.sender.Available(t.Context(), slaveURL, task.Stamp{})
			if err != nil || a.Slots != want || a.Free != free {
				t.Errorf("it says %+v, %v; want %d of %d free", a, err, free, want)
			}
		}
		if err := r.slave.Resize(1); err != nil {
			t.Fatal(err)
		}
		slots(1, 0)
		if got := r.send(3); got[0].Reason != task.ReasonNoSlot {
			t.Errorf("%+v", got)
		}
		if a, err := r.sender.Resize(t.Context(), slaveURL, r.stamp(), r.incarnation(), 3); err != nil || a.Slots != 3 || a.Free != 1 {
			t.Errorf("%+v, %v", a, err)
		}
		slots(3, 1)
		if got := r.send(4, 5); got[0].Status != task.Accepted || got[1].Reason != task.ReasonNoSlot {
			t.Errorf("%+v", got)
		}
		if _, err := r.sender.Resize(t.Context(), slaveURL, r.stamp(), "another", 9); err == nil {
			t.Error("it was resized for another incarnation")
		}
		for _, wrong := range []int{0, -1, task.MaxSlots + 1} {
			if r.slave.Resize(wrong) == nil {
				t.Errorf("it has %d slots", wrong)
			}
			if _, err := r.sender.Resize(t.Context(), slaveURL, r.stamp(), r.incarnation(), wrong); err == nil {
				t.Errorf("it has %d slots", wrong)
			}
		}
		slots(3, 0)
		time.Sleep(11 * time.Second)
		if _, results, _ := r.heard(); len(results) != 3 {
			t.Errorf("%d results, want 3", len(results))
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		if r.slave.Resize(1) == nil {
			t.Error("it was resized after its end")
		}
	})
}
