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

// again is the longest that it takes: those that are left stand at the latest half a second
// after the silence, in turn; and where two stand at once all the same and the votes are
// split, they stand again after another.
const again = 2*silence + silence/2 + 500*time.Millisecond

// lossOf has the leader lost, and returns after how long the others accept a write.
func lossOf(w *story.World, leader *story.Master, l story.Loss) time.Duration {
	w.T.Helper()
	rest := w.Followers(leader)
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
	return time.Since(lost)
}

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
					w.Client.Put(w.Client.Sleeping(0))
					w.Sleep(time.Second)
					gaps = append(gaps, lossOf(w, leader, l))
					leader.Mend()
					w.Ready()
				}
			})
			slices.Sort(gaps)
			median, worst := gaps[len(gaps)/2], gaps[len(gaps)-1]
			t.Logf("the next write is accepted after: median %v, max %v (of %d)", median, worst, len(gaps))
			if median > limit || worst > again {
				t.Errorf("the next write is accepted after: %v; want a median of %v at most, and never more than %v", gaps, limit, again)
			}
		})
	}
}
