package promises_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"muster/api/client"
)

// TestADeposedLeaderShowsNothingOld cuts a leader off in different ways, has
// another one take a write, and asks the old one all the time, from the moment in
// which it hears from the others again.
func TestADeposedLeaderShowsNothingOld(t *testing.T) {
	for _, l := range losses {
		if l.name != "is cut off" && l.name != "is alone" && l.name != "is paused" {
			continue
		}
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				w.slave("slave-1", 8)
				for range 2 {
					old := w.leader()
					before := w.client.submit(0)
					w.client.wait(before.ID)
					others := w.followers(old)
					asked := w.reading(w.observer, old, linearizable)
					l.strike(old)
					w.sleep(time.Second)
					if g := w.observer.glance(old, ""); g.status != http.StatusOK || g.Index < before.Index {
						w.t.Errorf("a local read at the old leader: %+v", g)
					}
					after := w.client.submitAt(others...)
					asked.begin()
					w.sleep(time.Second)
					old.mend()
					w.ready()
					w.sleep(100 * time.Millisecond)
					if shown := asked.end(); shown < after {
						w.t.Errorf("task %d was acknowledged, and a later linearizable read at the old leader showed %d tasks", after, shown)
					}
				}
			})
		})
	}
}

// stick brings the leader into the state of one that was frozen and is about to
// wake: its Raft hangs in a write, so it goes on believing that it leads, while the
// others hear nothing of it and elect another; and what they had last answered is
// still on its way to it. heal wakes it.
func (m *master) stick() (heal func()) {
	w := m.w
	w.t.Helper()
	others := w.followers(m)
	for _, f := range others {
		w.net.Block(f.id, m.id)
	}
	m.disk.hold()
	written := make(chan struct{})
	go func() { // a result that nobody asked for is refused in the log
		defer close(written)
		w.observer.call(http.MethodPost, m.url()+"/v1/results", `{"slave":"stranger","incarnation":"i","results":[{"id":999999,"attempt":1,"error":"no"}]}`)
	}()
	w.sleep(moment) // its last heartbeats are answered, and the answers are held back
	for _, f := range others {
		w.net.Block(m.id, f.id)
	}
	w.await("another leader", func(ctx context.Context) error {
		for _, f := range others {
			if s, err := w.observer.api.Status(ctx, f.url(), false); err == nil && s.Role == client.RoleLeader && s.Ready {
				return nil
			}
		}
		return errors.New("none of them leads")
	})
	return func() {
		for _, f := range others {
			w.net.Pass(m.id, f.id)
			w.net.Pass(f.id, m.id)
		}
		m.disk.release()
		<-written
	}
}

// TestALeaderThatIsStuckShowsNothingOld asks a leader that was deposed and can't
// know it yet, while it is stuck and in the moment in which it wakes.
func TestALeaderThatIsStuckShowsNothingOld(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		for range 3 {
			old := w.leader()
			heal := old.stick()
			after := w.client.submitAt(w.followers(old)...)
			if g := w.observer.glance(old, ""); g.Counts.Submitted >= after || g.leader != old.url() {
				w.t.Errorf("it is not stuck: a local read shows %+v", g)
			}
			var asked []*reading
			for i := range 8 {
				asked = append(asked, w.reading(w.observer, old, linearizable))
				asked[i].begin()
			}
			w.sleep(moment)
			heal()
			w.ready()
			w.sleep(100 * time.Millisecond)
			for _, r := range asked {
				if shown := r.end(); shown < after {
					w.t.Errorf("task %d was acknowledged, and a later linearizable read there showed %d tasks", after, shown)
				}
			}
		}
	})
}

// reading reads at one master all the time; see end.
type reading struct {
	stop, done chan struct{}
	begun      atomic.Bool
	fewest     uint64 // tasks that an answer showed; valid after done
}

func (w *world) reading(u *user, m *master, query string) *reading {
	r := &reading{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for !isDone(r.stop) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			counts := r.begun.Load()
			g, err := u.glances(ctx, m, "", query)
			if err == nil && g.status == http.StatusOK && counts && (r.fewest == 0 || g.Counts.Submitted < r.fewest) {
				r.fewest = g.Counts.Submitted
			}
			cancel()
			w.sleep(10 * time.Millisecond)
		}
	}()
	return r
}

// begin lets the reads count that are sent from now on.
func (r *reading) begin() { r.begun.Store(true) }

// end ends it and returns the lowest number of submitted tasks that a read
// showed, 0 if none was answered.
func (r *reading) end() uint64 {
	close(r.stop)
	<-r.done
	return r.fewest
}
