package slave_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/slave"
	"muster/task"
)

// A slave's whole life: it registers, takes tasks, reports, drains, leaves.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var listening string
		r := run(t, nil, func(c *slave.Config) { c.Listening = func(url string) { listening = url } })
		if listening != slaveURL {
			t.Fatalf("listening at %q", listening)
		}
		regs, _, _ := r.heard()
		if len(regs) != 1 {
			t.Fatalf("%d registrations", len(regs))
		}
		got := regs[0]
		if got.Name != "slave-1" || got.URL != slaveURL || got.Slots != 2 || !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(got.Incarnation) ||
			len(got.Kinds) != 2 || got.Kinds[0] != (task.Kind{Name: "once"}) || got.Kinds[1] != (task.Kind{Name: "sleep", Idempotent: true}) {
			t.Fatalf("registered %+v", got)
		}
		receipts := r.send(1, 2, 3)
		if receipts[0].Status != task.Accepted || receipts[1].Status != task.Accepted || receipts[2].Reason != task.ReasonNoSlot {
			t.Fatalf("%+v", receipts)
		}
		time.Sleep(11 * time.Second)
		if _, results, _ := r.heard(); len(results) != 2 {
			t.Fatalf("%+v", results)
		}

		r.send(4)
		r.stop()
		synctest.Wait()
		a, err := r.sender.Available(t.Context(), slaveURL, r.stamp())
		if err != nil || a.Available() {
			t.Fatalf("a draining slave says %+v, %v", a, err)
		}
		if receipt := r.send(5)[0]; receipt.Reason != task.ReasonDraining {
			t.Fatalf("%+v", receipt)
		}
		if _, _, left := r.heard(); len(left) != 0 {
			t.Fatal("it left before it was done")
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		_, results, left := r.heard()
		if len(results) != 3 || len(left) != 1 || left[0] != got.Incarnation {
			t.Fatalf("%+v, left %v", results, left)
		}
		if _, err := r.sender.Available(t.Context(), slaveURL, r.stamp()); !errors.Is(err, task.ErrUnreached) {
			t.Fatalf("after its end: %v", err)
		}
	})
}

func TestRegistersUntilItSucceeds(t *testing.T) {
	for _, refusal := range []error{
		errors.New("no master answers"),
		task.Refuse(task.CodeNoLeader, "no leader"),
		task.Refuse(task.CodeNameTaken, "another slave has the name"),
	} {
		synctest.Test(t, func(t *testing.T) {
			r := run(t, refusal, nil)
			time.Sleep(time.Minute)
			r.mu.Lock()
			attempts := r.attempts
			r.mu.Unlock()
			if attempts < 12 || attempts > 40 { // pauses up to 5 s, with chance
				t.Fatalf("%d attempts in a minute", attempts)
			}
			r.refuse(nil)
			time.Sleep(5 * time.Second)
			if regs, _, _ := r.heard(); len(regs) != 1 {
				t.Fatalf("%d registrations", len(regs))
			}
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A slave that the masters ask stays as it is; one that they forgot comes again.
func TestRegistersAgainAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		for range 20 { // a leader asks idle slaves every 30 s
			time.Sleep(30 * time.Second)
			if _, err := r.sender.Available(t.Context(), slaveURL, r.stamp()); err != nil {
				t.Fatal(err)
			}
		}
		if regs, _, _ := r.heard(); len(regs) != 1 {
			t.Fatalf("%d registrations of a slave that is asked", len(regs))
		}
		// A person that asks is no master.
		for range 18 { // at most twice the 45 s
			time.Sleep(5 * time.Second)
			if regs, _, _ := r.heard(); len(regs) > 1 {
				break
			}
			if _, err := r.sender.Available(t.Context(), slaveURL, task.Stamp{}); err != nil && !errors.Is(err, task.ErrStaleStamp) {
				t.Fatal(err)
			}
		}
		regs, _, _ := r.heard()
		if len(regs) != 2 || regs[1].Incarnation != regs[0].Incarnation {
			t.Fatalf("registrations after silence: %+v", regs)
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSlavesThatWereForgottenTogetherDoNotComeBackTogether: after a leader that asked all
// of them at one moment, they register evenly over the interval, and no later.
func TestSlavesThatWereForgottenTogetherDoNotComeBackTogether(t *testing.T) {
	const slaves, silence = 300, 45 * time.Second
	synctest.Test(t, func(t *testing.T) {
		rigs := make([]*rig, slaves)
		for i := range rigs {
			rigs[i] = run(t, nil, nil)
		}
		begin := time.Now() // as they registered: all in one moment of fake time
		came := make([]int, 2*silence/time.Second+1)
		last := 0
		for at := range came {
			time.Sleep(time.Until(begin.Add(time.Duration(at) * time.Second)))
			synctest.Wait()
			again := 0
			for _, r := range rigs {
				if regs, _, _ := r.heard(); len(regs) > 1 {
					again++
				}
			}
			came[at], last = again-last, again
		}
		if last != slaves {
			t.Errorf("%d of %d came back within %s", last, slaves, 2*silence)
		}
		for at := range came {
			// 300 in 45 s are 33 in 5 s, with a deviation of about 5.5.
			within := 0
			for _, n := range came[at:min(at+5, len(came))] {
				within += n
			}
			if early := time.Duration(at)*time.Second < silence && came[at] > 0; early || within > 90 {
				t.Errorf("%d came in second %d, and %d in the five that begin with it", came[at], at, within)
			}
		}
		for _, r := range rigs {
			if err := r.end(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The masters learn of another number of slots at once, also when they did not
// answer at first, and later runs have it.
func TestResizeRegistersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		for _, slots := range []int{5, 1} {
			if err := r.slave.Resize(slots); err != nil {
				t.Fatal(err)
			}
			r.refuse(task.Refuse(task.CodeNoLeader, "none"))
			time.Sleep(10 * time.Second)
			r.refuse(nil)
			time.Sleep(10 * time.Second)
			regs, _, _ := r.heard()
			if last := regs[len(regs)-1]; last.Slots != slots || last.Incarnation != regs[0].Incarnation {
				t.Errorf("the masters heard %+v", regs)
			}
		}
		if err := r.slave.Resize(0); !errors.Is(err, task.ErrNoSize) {
			t.Errorf("no slots: %v", err)
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		if err := r.slave.Resize(task.MaxSlots + 1); !errors.Is(err, task.ErrNoSize) {
			t.Errorf("too many, at rest: %v", err)
		}
	})
}

// Handlers that do not end in time are cut short, and the masters hear it.
func TestDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, func(c *slave.Config) { c.DrainTimeout = 3 * time.Second })
		r.send(1)
		began := time.Now()
		err := r.end()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 running") {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 4*time.Second {
			t.Fatalf("took %v", d)
		}
		if _, results, left := r.heard(); len(results) != 0 || len(left) != 1 {
			t.Fatalf("results %+v, left %v", results, left)
		}
	})
}

// A handler that is deaf to its context still runs: the slave ends, but does
// not say goodbye, so that nobody starts the task elsewhere at once.
func TestHungHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := run(t, nil, func(c *slave.Config) {
			c.DrainTimeout = time.Second
			c.Kinds[0].Handle = func(context.Context, task.Order) (task.Value, error) {
				<-release
				return task.Value{}, nil
			}
		})
		r.send(1)
		if err := r.end(); err == nil {
			t.Fatal("no error")
		}
		if _, _, left := r.heard(); len(left) != 0 {
			t.Fatal("it said goodbye")
		}
		close(release)
		synctest.Wait()
	})
}

// Without masters the end still comes.
func TestEndWithoutMasters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, errors.New("no master answers"), nil)
		began := time.Now()
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > time.Second {
			t.Fatalf("took %v", d)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		r.send(1)
		r.refuse(errors.New("no master answers"))
		began := time.Now()
		if err := r.end(); err == nil || !strings.Contains(err.Error(), "1 not reported") {
			t.Fatalf("the result is lost: %v", err)
		}
		if d := time.Since(began); d > 40*time.Second {
			t.Fatalf("took %v", d)
		}
	})
}

// The listener breaks: Run ends with the reason.
func TestListenerBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipe()
		r := run(t, errors.New("no master answers"), func(c *slave.Config) { c.Listener = l })
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-r.done; err == nil || !strings.Contains(err.Error(), slaveURL) {
			t.Fatalf("got %v", err)
		}
		r.stop()
	})
}
