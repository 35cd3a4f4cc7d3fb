package leaderloss_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"muster/systemtest/promises/story"
)

// silence is how long a leader is silent before the followers ask each other whether they
// hear it (cluster.LAN); in docs/promises.md it is the election time-out.
const silence = time.Second

// rafts is the longest that Raft takes by itself: a heartbeat time-out that is random up
// to 3 s, and as much again when the first that stands is refused.
const rafts = 6 * time.Second

// TestALostLeaderIsReplacedInTime: at once where its process has ended or hands over, and
// after its silence where it stands still, is cut off, or has lost its power. Nothing here
// takes processor time, so it is the waiting alone that is measured.
func TestALostLeaderIsReplacedInTime(t *testing.T) {
	limits := map[string]time.Duration{"crashes": 250 * time.Millisecond, story.HandsOver: 150 * time.Millisecond}
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			limit, known := limits[l.Name]
			if !known {
				limit = silence * 3 / 2
			}
			var gaps []time.Duration
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 64)
				for range 15 {
					leader := w.Leader()
					rest := w.Followers(leader)
					w.Client.Put(w.Client.Sleeping(0))
					w.Sleep(time.Second)
					j, lost := w.Client.Sleeping(0), time.Now()
					l.Strike(leader)
					w.Await("a write to be accepted", func(ctx context.Context) error {
						// A follower may send it on to a master that does not answer, and a
						// client remembers who led: so each try is another client's.
						ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
						defer cancel()
						_, err := w.Client.Try(ctx, w.Client.Of(rest...), j)
						return err
					})
					gaps = append(gaps, time.Since(lost))
					leader.Mend()
					w.Ready()
				}
			})
			slices.Sort(gaps)
			median, worst := gaps[len(gaps)/2], gaps[len(gaps)-1]
			t.Logf("the next write is accepted after: median %v, max %v (of %d)", median, worst, len(gaps))
			if median > limit || worst > rafts {
				t.Errorf("the next write is accepted after: %v; want a median of %v at most, and never more than %v", gaps, limit, rafts)
			}
		})
	}
}
