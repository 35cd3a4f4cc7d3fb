package tasks_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/promises/story"
)

// TestKeysSurviveSnapshots gives the keys to a master as a snapshot only, and has
// it lead.
func TestKeysSurviveSnapshots(t *testing.T) {
	story.TellWith(t, story.Options{QuestionTTL: time.Second, Snapshots: 16}, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		var jobs []story.Job
		ids := map[string]uint64{}
		put := func(n int) {
			for range n {
				j := w.Client.Sleeping(0)
				jobs, ids[j.Key] = append(jobs, j), w.Client.Put(j).Task.ID
				w.Client.Wait(ids[j.Key])
			}
		}
		same := func(when string) {
			w.T.Helper()
			for _, j := range jobs {
				if again := w.Client.Put(j).Task.ID; again != ids[j.Key] {
					w.T.Errorf("%s: key %s was task %d and is task %d", when, j.Key, ids[j.Key], again)
				}
			}
		}
		put(5)
		away := w.Followers(w.Leader())[0]
		away.Crash()
		put(30)
		w.Sleep(time.Minute) // snapshots are taken, and the log before them is dropped
		had := snapshotsOf(w.T, away)
		away.Start()
		w.Ready()
		w.Await("the last task at "+away.ID, func(ctx context.Context) error {
			_, err := w.Observer.Of(away).Task(ctx, ids[jobs[len(jobs)-1].Key], client.ReadOptions{})
			return err
		})
		if slices.Equal(snapshotsOf(w.T, away), had) {
			w.T.Error("the master that was away got no snapshot")
		}
		handTo(w, away)
		same("at a master that got a snapshot")
		put(5)
		for _, m := range w.Masters {
			m.Crash()
		}
		w.StartAll()
		same("after a restart of all")
	})
}

// snapshotsOf lists the snapshots in a master's directory.
func snapshotsOf(t *testing.T, m *story.Master) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(m.Config.DataDir, "snapshots", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// handTo makes a master the leader.
func handTo(w *story.World, m *story.Master) {
	w.T.Helper()
	w.Await(m.ID+" to lead", func(ctx context.Context) error {
		if leader := w.Leader(); leader == m {
			return nil
		}
		_, err := w.Observer.API.TransferLeadership(ctx, m.ID)
		return errors.Join(err, errors.New("another master leads"))
	})
}

// TestALeaderThatIsStuckKnowsNothingOfKeys asks a leader that was deposed and can't
// know it yet about a key that its successor has recorded. For all that it knows,
// the key is new, and there is no free slot.
func TestALeaderThatIsStuckKnowsNothingOfKeys(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 1)
		first := w.Client.Submit(500 * time.Millisecond)
		w.Sleep(100 * time.Millisecond)
		old := w.Leader()
		heal := old.Stick()
		w.Client.Wait(first.ID)
		j := w.Client.Sleeping(5 * time.Second)
		c := w.Client.Of(w.Followers(old)...)
		w.Await("the acknowledgement of "+j.Key, func(ctx context.Context) error {
			_, err := w.Client.Try(ctx, c, j)
			return err
		})
		if s := w.Status(old); s.Role != client.RoleLeader || s.Counts.Done > 0 {
			w.T.Errorf("it is not stuck: %+v", s)
		}
		asked := startSaying(w.Client, old, j, time.Minute)
		w.Sleep(time.Second)
		heal()
		w.Within(asked.done, "its answer")
		switch asked.Code {
		case "", client.CodeNoLeader, client.CodeOutcomeUnknown:
		default:
			w.T.Errorf("it says %+v, %v of a key that is recorded", asked.Said, asked.err)
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
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 4)
				before := w.Client.Submit(0).ID
				leader, j := w.Leader(), w.Client.Sleeping(time.Second)
				followers := w.Followers(leader)
				came := leader.At(j.Key, func() {
					for _, f := range followers {
						w.Net.Block(f.ID, leader.ID) // what they say comes too late …
						if !c.recorded {
							w.Net.Block(leader.ID, f.ID) // … and they hear nothing
						}
					}
				})
				first := startSaying(w.Client, leader, j, time.Minute)
				w.Within(came, "the submit to come to the disk")
				w.Within(first.done, "the answer to the submit")
				if first.err != nil || first.Status != http.StatusServiceUnavailable || first.Code != client.CodeOutcomeUnknown || first.Took > 15*time.Second {
					w.T.Errorf("in doubt it says %+v, %v", first.Said, first.err)
				}
				next := w.Client.SubmitAt(followers...)
				again := mustSay(w.Client, w.Leader(), j)
				if c.recorded && (again.Status != http.StatusOK || again.ID != before+1 || next != before+2) {
					w.T.Errorf("the repeat of a recorded submit: %+v, another was task %d", again, next)
				}
				if !c.recorded && (again.Status != http.StatusCreated || again.ID != before+2 || next != before+1) {
					w.T.Errorf("the repeat of a submit that was not recorded: %+v, another was task %d", again, next)
				}
			})
		})
	}
}

// TestTheClientSaysWhenItIsInDoubt has the library's call end while nobody can
// know whether the task was recorded.
func TestTheClientSaysWhenItIsInDoubt(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 1)
		leader, j := w.Leader(), w.Client.Sleeping(3*time.Second)
		came := leader.At(j.Key, func() { w.Net.Block(leader.ID, "client") }) // the answer will not arrive
		call := w.Client.Start(w.Client.API, j, 2*time.Second)
		w.Within(came, "the submit to come to the disk")
		w.Within(call.Done, "the end of the call")
		if !errors.Is(call.Err, context.DeadlineExceeded) || story.Code(call.Err) != client.CodeOutcomeUnknown {
			w.T.Errorf("a call that ends in doubt: %v", call.Err)
		}
		w.Net.PassAll()
		if again := w.Client.Put(j).Task.ID; again != 1 {
			w.T.Errorf("the repeat got task %d", again)
		}

		// Nothing was sent: there is no doubt.
		for _, m := range w.Masters {
			w.Net.Block("client", m.ID)
		}
		w.Client.HTTP.CloseIdleConnections()
		call = w.Client.Start(w.Client.API, w.Client.Sleeping(0), 2*time.Second)
		w.Within(call.Done, "the end of the call")
		if !errors.Is(call.Err, client.ErrUnreachable) || story.Code(call.Err) != "" {
			w.T.Errorf("a call that reached nobody: %v", call.Err)
		}
	})
}
