package random_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/promises/story"
)

// TestNoAnswerIsAFalseOne submits under random faults, by plain HTTP and with the
// library, new keys and known ones, one at a time and several at once, with
// patience and without. A key to which every answer was a refusal must not have a
// task at the end, nor may a key have two: that is held against the evidence.
// What stays in doubt is repeated at the end, and resolved.
func TestNoAnswerIsAFalseOne(t *testing.T) {
	minutes, seed := fromEnv(t, "MUSTER_CAMPAIGN", 1), fromEnv(t, "MUSTER_CAMPAIGN_SEED", rand.Uint64()>>1)
	log, draw := story.NewJournal(t), rand.New(rand.NewPCG(seed, seed))
	ttl := time.Duration(draw.IntN(2)) * time.Second
	story.TellWith(t, story.Options{QuestionTTL: ttl, Snapshots: 50, Logs: log}, func(w *story.World) {
		log.Tell("seed %d", seed)
		w.T.Cleanup(func() { log.Show(w.T) })
		w.Formed(3)
		w.Slave("slave-1", 2) // so that capacity is often full
		w.Slave("slave-2", 1)
		c := &campaign{World: w, log: log, draw: draw}
		d := startDoubters(w, 6, draw.Uint64())
		end := time.Now().Add(time.Duration(minutes) * time.Minute)
		for time.Now().Before(end) {
			c.Sleep(c.between(100*time.Millisecond, 1500*time.Millisecond))
			c.mendDue(time.Now())
			c.lookAfter()
			if len(c.troubles) < c.bearable() {
				c.strike()
			}
		}
		c.calm()
		d.end()
		for _, j := range d.jobs {
			w.Client.Put(j)
		}
		for code, least := range map[client.Code]int{"": 50, client.CodeFullCapacity: 50, noAnswer: 20, client.CodeNoLeader: 5, client.CodeKeyReused: 5} {
			if n := d.heard[code]; n < least*int(minutes) {
				w.T.Errorf("%q was heard %d times; that is not much of a test", code, n)
			}
		}
		w.T.Logf("heard %v of %d keys", d.heard, d.keys)
	})
}

// doubters submit keys until they are ended.
type doubters struct {
	w    *story.World
	stop chan struct{}
	wg   sync.WaitGroup

	mu    sync.Mutex
	jobs  []story.Job // acknowledged, or in doubt; under mu
	known []story.Job // acknowledged; under mu
	keys  int         // under mu
	heard map[client.Code]int
}

func startDoubters(w *story.World, n int, seed uint64) *doubters {
	d := &doubters{w: w, stop: make(chan struct{}), heard: map[client.Code]int{}}
	for i := range n {
		draw := rand.New(rand.NewPCG(seed, uint64(i)))
		d.wg.Go(func() {
			for !story.IsDone(d.stop) {
				d.once(draw)
				w.Sleep(time.Duration(draw.IntN(200)) * time.Millisecond)
			}
		})
	}
	return d
}

func (d *doubters) end() {
	close(d.stop)
	d.wg.Wait()
}

// noAnswer stands for an answer that did not come.
const noAnswer client.Code = "none"

// once submits one key, one time.
func (d *doubters) once(draw *rand.Rand) {
	j, reused := d.next(draw)
	limit := []time.Duration{20 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second, 30 * time.Second}[draw.IntN(4)]
	m, other := d.w.Masters[draw.IntN(3)], d.w.Masters[draw.IntN(3)]
	heard := noAnswer
	if draw.IntN(3) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		_, err := d.w.Client.Try(ctx, d.w.Client.Of(m, other), j)
		if heard = story.Code(err); err != nil && heard == "" {
			return // it says that nobody was reached, or that nobody leads
		}
	} else if s, err := d.w.Client.Says(m, j, limit); err == nil {
		heard = s.Code
	}
	if reused && heard == "" {
		d.w.T.Errorf("key %s was accepted for another task", j.Key)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard[heard]++
	switch {
	case reused:
	case heard == "":
		d.known = append(d.known, j)
		d.jobs = append(d.jobs, j)
	case heard == client.CodeOutcomeUnknown || heard == noAnswer:
		d.jobs = append(d.jobs, j)
	}
}

// next is a new job, one of the last few once more, or another task with the key
// of one.
func (d *doubters) next(draw *rand.Rand) (j story.Job, reused bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n := draw.IntN(10); {
	case n < 2 && len(d.jobs) > 0:
		return d.jobs[max(0, len(d.jobs)-1-draw.IntN(5))], false
	case n < 3 && len(d.known) > 0:
		j = d.known[max(0, len(d.known)-1-draw.IntN(5))]
		j.Expression += " + 1"
		return j, true
	}
	d.keys++
	return d.w.Client.Sleeping(time.Duration(draw.IntN(4)) * 300 * time.Millisecond), false
}
