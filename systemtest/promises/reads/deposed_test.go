package reads_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"muster/systemtest/promises/story"
)

// TestADeposedLeaderShowsNothingOld cuts a leader off in different ways, has
// another one take a write, and asks the old one all the time, from the moment in
// which it hears from the others again.
func TestADeposedLeaderShowsNothingOld(t *testing.T) {
	for _, l := range story.Losses {
		if l.Name != "is cut off" && l.Name != "is alone" && l.Name != "is paused" {
			continue
		}
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 8)
				for range 2 {
					old := w.Leader()
					before := w.Client.Submit(0)
					w.Client.Wait(before.ID)
					others := w.Followers(old)
					asked := startReading(w, w.Observer, old, linearizable)
					l.Strike(old)
					w.Sleep(time.Second)
					if g := mustGlance(w.Observer, old, ""); g.status != http.StatusOK || g.Index < before.Index {
						w.T.Errorf("a local read at the old leader: %+v", g)
					}
					after := w.Client.SubmitAt(others...)
					asked.begin()
					w.Sleep(time.Second)
					old.Mend()
					w.Ready()
					w.Sleep(100 * time.Millisecond)
					if shown := asked.end(); shown < after {
						w.T.Errorf("task %d was acknowledged, and a later linearizable read at the old leader showed %d tasks", after, shown)
					}
				}
			})
		})
	}
}

// TestALeaderThatIsStuckShowsNothingOld asks a leader that was deposed and can't
// know it yet, while it is stuck and in the moment in which it wakes.
func TestALeaderThatIsStuckShowsNothingOld(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		for range 3 {
			old := w.Leader()
			heal := old.Stick()
			after := w.Client.SubmitAt(w.Followers(old)...)
			if g := mustGlance(w.Observer, old, ""); g.Counts.Submitted >= after || g.leader != old.URL() {
				w.T.Errorf("it is not stuck: a local read shows %+v", g)
			}
			var asked []*reading
			for i := range 8 {
				asked = append(asked, startReading(w, w.Observer, old, linearizable))
				asked[i].begin()
			}
			w.Sleep(story.Moment)
			heal()
			w.Ready()
			w.Sleep(100 * time.Millisecond)
			for _, r := range asked {
				if shown := r.end(); shown < after {
					w.T.Errorf("task %d was acknowledged, and a later linearizable read there showed %d tasks", after, shown)
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

func startReading(w *story.World, u *story.User, m *story.Master, query string) *reading {
	r := &reading{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for !story.IsDone(r.stop) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			counts := r.begun.Load()
			g, err := glanceAt(ctx, u, m, "", query)
			if err == nil && g.status == http.StatusOK && counts && (r.fewest == 0 || g.Counts.Submitted < r.fewest) {
				r.fewest = g.Counts.Submitted
			}
			cancel()
			w.Sleep(10 * time.Millisecond)
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
