package slave_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/slave"
	"muster/task"
)

// Masters that were built anew from empty disks are another cluster at the same
// addresses, with low terms and with numbers of tasks that are used a second time.
// Nobody there knows the slave, so nobody asks it.
func TestRegistersWithRebuiltMasters(t *testing.T) {
	for name, c := range map[string]struct {
		busy   bool
		within time.Duration
	}{"idle": {false, 96 * time.Second} /* twice the silence, and the registration */, "with results that they refuse": {true, 20 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				r := run(t, nil, func(c *slave.Config) {
					c.Logger = slog.New(slog.NewTextHandler(&log, nil))
					of(c).become("old", 9)
				})
				first := r.incarnation()
				if c.busy {
					r.send(1, 2) // of the old cluster; they run for ten seconds
				}
				r.become("new", 1)
				time.Sleep(c.within)
				regs, results, _ := r.heard()
				if len(regs) != 2 || regs[1].Incarnation == first {
					t.Fatalf("after the rebuilding it registered %d times, as %+v", len(regs), regs)
				}
				if len(results) != 0 {
					t.Errorf("the new masters were told results of the old ones' tasks: %+v", results)
				}
				if receipt := r.send(1)[0]; receipt.Status != task.Accepted {
					t.Errorf("task 1 of the new cluster: %+v", receipt)
				}
				time.Sleep(11 * time.Second)
				if _, results, _ := r.heard(); len(results) != 1 || results[0].ID != 1 || results[0].Value.Text != "1" {
					t.Errorf("results %+v", results)
				}
				if err := r.end(); err != nil {
					t.Fatal(err)
				}
				if _, _, left := r.heard(); len(left) != 1 || left[0] != regs[1].Incarnation {
					t.Errorf("left %v", left)
				}
				said := log.String()
				if !strings.Contains(said, "the masters are another cluster now") || !strings.Contains(said, "old_cluster=old new_cluster=new") {
					t.Errorf("the log does not say what happened:\n%s", said)
				}
			})
		})
	}
}

// of returns the masters of a configuration.
func of(c *slave.Config) *masters {
	m, _ := c.Masters.(*masters)
	return m
}

// A slave that its own leader asks stays with it, whatever a master of another cluster
// answers that is in the list by mistake.
func TestStaysWithTheLeaderThatAsksIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, func(c *slave.Config) { of(c).become("own", 9) })
		r.send(1)
		r.become("stranger", 1)
		for n := range uint64(60) { // a leader asks one that has attempts every second
			time.Sleep(time.Second)
			held, _, err := r.sender.Held(t.Context(), slaveURL, task.Stamp{Cluster: "own", Term: 9, Sequence: 100 + n})
			if err != nil || len(held) != 1 {
				t.Fatalf("after %d s it has %+v, %v", n+1, held, err)
			}
		}
		if regs, _, _ := r.heard(); len(regs) != 1 {
			t.Errorf("%d registrations", len(regs))
		}
		r.become("own", 10)
		time.Sleep(5 * time.Second)
		if _, results, _ := r.heard(); len(results) != 1 {
			t.Errorf("results %+v", results)
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// What answers at the slave's URL may be another process, of another cluster: then the
// slave's own masters are still the same, and it goes on asking.
func TestStaysWithItsClusterWhenItsMastersAreTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, func(c *slave.Config) { of(c).become("own", 3) })
		first := r.incarnation()
		r.refuse(task.Refuse(task.CodeWrongCluster, "at its URL works somebody for another cluster"))
		time.Sleep(2 * time.Minute)
		r.refuse(nil)
		time.Sleep(10 * time.Second)
		regs, _, _ := r.heard()
		if len(regs) != 2 || regs[1].Incarnation != first {
			t.Errorf("registered %+v, first as %s", regs, first)
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// Masters of a version that does not name its cluster: all is as it was.
func TestMastersThatDoNotNameTheirCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, nil, nil)
		first := r.incarnation()
		r.send(1)
		r.become("named", 2) // they were upgraded
		time.Sleep(11 * time.Second)
		if _, err := r.sender.Available(t.Context(), slaveURL, r.stamp()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(95 * time.Second) // it registers again within 90 s of silence
		regs, results, _ := r.heard()
		if len(results) != 1 || len(regs) != 2 || regs[1].Incarnation != first {
			t.Errorf("results %+v, registered %+v", results, regs)
		}
		if _, err := r.sender.Available(t.Context(), slaveURL, task.Stamp{Cluster: "other", Term: 99, Sequence: 1}); !errors.Is(err, task.ErrWrongCluster) {
			t.Errorf("a leader of another cluster: %v", err)
		}
		if err := r.end(); err != nil {
			t.Fatal(err)
		}
	})
}
