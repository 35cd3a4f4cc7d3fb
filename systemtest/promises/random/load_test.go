package random_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"muster/api/client"
	"muster/systemtest/promises/story"
)

// load is clients that submit until it ends.
type load struct {
	w    *story.World
	log  *story.Journal
	stop context.CancelFunc
	done sync.WaitGroup
}

func startLoad(w *story.World, log *story.Journal, clients int, seed uint64) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{w: w, log: log, stop: cancel}
	for i := range clients {
		l.done.Go(func() { l.submits(ctx, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	return l
}

// end waits for the clients to finish what they do.
func (l *load) end() {
	l.stop()
	l.done.Wait()
}

// submits hands in one task after the other. A client whose attempt failed
// repeats it, mostly, with its key; and now and then it repeats one that was
// acknowledged.
func (l *load) submits(ctx context.Context, draw *rand.Rand) {
	var old []story.Job
	for ctx.Err() == nil {
		j := l.w.Client.Sleeping(time.Duration(draw.IntN(20)) * 100 * time.Millisecond)
		j.MaxTries = 100 // slaves die, too
		if len(old) > 0 && draw.IntN(5) == 0 {
			j = old[draw.IntN(len(old))]
		}
		for ctx.Err() == nil {
			err := l.attempt(draw, j)
			if err == nil {
				old = append(old, j)
				break
			}
			if draw.IntN(4) == 0 {
				break // this client gives up, its task may have been recorded
			}
			pause(ctx, time.Duration(draw.IntN(500))*time.Millisecond)
		}
		pause(ctx, time.Duration(draw.IntN(1000))*time.Millisecond)
	}
}

// attempt submits once, at one master and whom it names, or at all.
func (l *load) attempt(draw *rand.Rand, j story.Job) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(200+draw.IntN(3000))*time.Millisecond)
	defer cancel()
	with := hasty(l.w.Client, l.w.Masters[draw.IntN(len(l.w.Masters))])
	if draw.IntN(3) == 0 {
		with = l.w.Client.API
	}
	_, err := l.w.Client.Try(ctx, with, j)
	switch {
	case err == nil:
		l.log.Count("acknowledged")
	case story.Code(err) == client.CodeOutcomeUnknown:
		l.log.Count("unknown")
	default:
		l.log.Count("refused")
	}
	return err
}

// hasty returns a client of the given masters that soon asks another when one
// is silent, as a leader that is lost may be.
func hasty(u *story.User, masters ...*story.Master) *client.Client {
	u.W.T.Helper()
	var urls []string
	for _, m := range masters {
		urls = append(urls, m.URL())
	}
	c, err := client.New(client.Config{Addresses: urls, HTTPClient: u.HTTP, AttemptTimeout: time.Second})
	if err != nil {
		u.W.T.Fatal(err)
	}
	return c
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
