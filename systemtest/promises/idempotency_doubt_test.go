package promises_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"muster/api/client"
)

// TestKeysSurviveSnapshots gives the keys to a master as a snapshot only, and has
// it lead.
func TestKeysSurviveSnapshots(t *testing.T) {
	with(t, options{questionTTL: time.Second, snapshots: 16}, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		var jobs []job
		ids := map[string]uint64{}
		put := func(n int) {
			for range n {
				j := w.client.sleeping(0)
				jobs, ids[j.key] = append(jobs, j), w.client.put(j).Task.ID
				w.client.wait(ids[j.key])
			}
		}
		same := func(when string) {
			w.t.Helper()
			for _, j := range jobs {
				if again := w.client.put(j).Task.ID; again != ids[j.key] {
					w.t.Errorf("%s: key %s was task %d and is task %d", when, j.key, ids[j.key], again)
				}
			}
		}
		put(5)
		away := w.followers(w.leader())[0]
		away.crash()
		put(30)
		w.sleep(time.Minute) // snapshots are taken, and the log before them is dropped
		had := snapshotsOf(w.t, away)
		away.start()
		w.ready()
		w.await("the last task at "+away.id, func(ctx context.Context) error {
			_, err := w.observer.of(away).Task(ctx, ids[jobs[len(jobs)-1].key], client.ReadOptions{})
			return err
		})
		if slices.Equal(snapshotsOf(w.t, away), had) {
			w.t.Error("the master that was away got no snapshot")
		}
		w.handTo(away)
		same("at a master that got a snapshot")
		put(5)
		for _, m := range w.masters {
			m.crash()
		}
		w.startAll()
		same("after a restart of all")
	})
}

// snapshotsOf lists the snapshots in a master's directory.
func snapshotsOf(t *testing.T, m *master) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(m.config.DataDir, "snapshots", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// handTo makes a master the leader.
func (w *world) handTo(m *master) {
	w.t.Helper()
	w.await(m.id+" to lead", func(ctx context.Context) error {
		if leader := w.leader(); leader == m {
			return nil
		}
		_, err := w.observer.api.TransferLeadership(ctx, m.id)
		return errors.Join(err, errors.New("another master leads"))
	})
}

// TestALeaderThatIsStuckKnowsNothingOfKeys asks a leader that was deposed and can't
// know it yet about a key that its successor has recorded. For all that it knows,
// the key is new, and there is no free slot.
func TestALeaderThatIsStuckKnowsNothingOfKeys(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 1)
		first := w.client.submit(500 * time.Millisecond)
		w.sleep(100 * time.Millisecond)
		old := w.leader()
		heal := old.stick()
		w.client.wait(first.ID)
		j := w.client.sleeping(5 * time.Second)
		c := w.client.of(w.followers(old)...)
		w.await("the acknowledgement of "+j.key, func(ctx context.Context) error {
			_, err := w.client.try(ctx, c, j)
			return err
		})
		if s := w.status(old); s.Role != client.RoleLeader || s.Counts.Done > 0 {
			w.t.Errorf("it is not stuck: %+v", s)
		}
		asked := w.client.saying(old, j, time.Minute)
		w.sleep(time.Second)
		heal()
		w.within(asked.done, "its answer")
		switch asked.code {
		case "", client.CodeNoLeader, client.CodeOutcomeUnknown:
		default:
			w.t.Errorf("it says %+v, %v of a key that is recorded", asked.said, asked.err)
		}
	})
}

// TestUnknownIsFoundOut has a submit end in doubt, once recorded and once not,
// and repeats its key.
func TestUnknownIsFoundOut(t *testing.T) {
	for _, c := range []struct {
		name     string
		recorded bool
	}{{"it was recorded", true}, {"it was not recorded", false}} {
		t.Run(c.name, func(t *testing.T) {
			bothWays(t, func(w *world) {
				w.formed(3)
				w.slave("slave-1", 4)
				before := w.client.submit(0).ID
				leader, j := w.leader(), w.client.sleeping(time.Second)
				followers := w.followers(leader)
				came := leader.at(j.key, func() {
					for _, f := range followers {
						w.net.Block(f.id, leader.id) // what they say comes too late …
						if !c.recorded {
							w.net.Block(leader.id, f.id) // … and they hear nothing
						}
					}
				})
				first := w.client.saying(leader, j, time.Minute)
				w.within(came, "the submit to come to the disk")
				w.within(first.done, "the answer to the submit")
				if first.err != nil || first.status != http.StatusServiceUnavailable || first.code != client.CodeOutcomeUnknown || first.took > 15*time.Second {
					w.t.Errorf("in doubt it says %+v, %v", first.said, first.err)
				}
				next := w.client.submitAt(followers...)
				again := w.client.mustSay(w.leader(), j)
				if c.recorded && (again.status != http.StatusOK || again.id != before+1 || next != before+2) {
					w.t.Errorf("the repeat of a recorded submit: %+v, another was task %d", again, next)
				}
				if !c.recorded && (again.status != http.StatusCreated || again.id != before+2 || next != before+1) {
					w.t.Errorf("the repeat of a submit that was not recorded: %+v, another was task %d", again, next)
				}
			})
		})
	}
}

// submitAt submits a task at the given masters until it is acknowledged.
func (u *user) submitAt(masters ...*master) uint64 {
	u.w.t.Helper()
	j, c := u.sleeping(0), u.of(masters...)
	var answer client.Submitted
	u.w.await("the acknowledgement of "+j.key, func(ctx context.Context) (err error) {
		answer, err = u.try(ctx, c, j)
		return err
	})
	return answer.Task.ID
}

// TestTheClientSaysWhenItIsInDoubt has the library's call end while nobody can
// know whether the task was recorded.
func TestTheClientSaysWhenItIsInDoubt(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 1)
		leader, j := w.leader(), w.client.sleeping(3*time.Second)
		came := leader.at(j.key, func() { w.net.Block(leader.id, "client") }) // the answer will not arrive
		call := w.client.start(w.client.api, j, 2*time.Second)
		w.within(came, "the submit to come to the disk")
		w.within(call.done, "the end of the call")
		if !errors.Is(call.err, context.DeadlineExceeded) || code(call.err) != client.CodeOutcomeUnknown {
			w.t.Errorf("a call that ends in doubt: %v", call.err)
		}
		w.net.PassAll()
		if again := w.client.put(j).Task.ID; again != 1 {
			w.t.Errorf("the repeat got task %d", again)
		}

		// Nothing was sent: there is no doubt.
		for _, m := range w.masters {
			w.net.Block("client", m.id)
		}
		w.client.http.CloseIdleConnections()
		call = w.client.start(w.client.api, w.client.sleeping(0), 2*time.Second)
		w.within(call.done, "the end of the call")
		if !errors.Is(call.err, client.ErrUnreachable) || code(call.err) != "" {
			w.t.Errorf("a call that reached nobody: %v", call.err)
		}
	})
}
