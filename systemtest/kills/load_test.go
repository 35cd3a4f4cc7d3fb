package kills_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
)

const (
	// submitRate is how many tasks per second are submitted, if the masters keep up.
	submitRate = 300
	// wantAcks is how many tasks the leader must have acknowledged before a kill.
	wantAcks = 200
	// maxSubmits bounds the tasks that wait for an acknowledgement.
	maxSubmits = 256
	// repeatEach: of so many acknowledged tasks, one is submitted again at once.
	repeatEach = 16
	// fullPause is how long a client waits, at least, when all slots were busy.
	fullPause = 100 * time.Millisecond
)

// load submits tasks at a steady pace, whether the earlier ones are answered or
// not. Each has an idempotency key, and is repeated under it until a master
// acknowledges it.
type load struct {
	c      *cluster
	api    *client.Client
	wire   *wiretap
	acks   *acks
	cancel context.CancelFunc // ends everything, in doubt or not

	stop  chan struct{} // closed: nothing new is submitted
	wg    sync.WaitGroup
	begun int // number of the last task; only pace may touch it until wg is waited for

	full, unknown atomic.Int64 // answers: full capacity, fate unknown
}

// startLoad begins to submit.
func startLoad(c *cluster) *load {
	c.t.Helper()
	l := &load{c: c, wire: newWiretap(), acks: newAcks(), stop: make(chan struct{})}
	var err error
	l.api, err = client.New(client.Config{
		Addresses: c.urls(), HTTPClient: &http.Client{Transport: l.wire},
		MinBackoff: 50 * time.Millisecond, MaxBackoff: 500 * time.Millisecond,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(context.Background())
	c.t.Cleanup(func() {
		l.cancel()
		l.wg.Wait()
		l.wire.next.CloseIdleConnections()
	})
	l.wg.Go(func() { l.pace(ctx) })
	return l
}

// pace starts submits. What a late tick missed is started with the next, and
// what does not fit in maxSubmits waits.
func (l *load) pace(ctx context.Context) {
	places := make(chan struct{}, maxSubmits)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	last, due := time.Now(), 0.0
	for {
		select {
		case now := <-tick.C:
			due = min(due+now.Sub(last).Seconds()*submitRate, maxSubmits)
			last = now
		case <-l.stop:
			return
		case <-ctx.Done():
			return
		}
		for ; due >= 1; due-- {
			select {
			case places <- struct{}{}:
			case <-l.stop:
				return
			case <-ctx.Done():
				return
			}
			l.begun++
			n := l.begun
			l.wg.Go(func() {
				defer func() { <-places }()
				l.bringIn(ctx, n)
			})
		}
	}
}

// bringIn submits the nth task until it is acknowledged.
func (l *load) bringIn(ctx context.Context, n int) {
	w, key, began := workOf(n), keyOf(n), time.Now()
	l.c.seen.Submitting(key, w.expression, evidence.Want{Outcome: client.Succeeded, Result: w.want})
	if !l.submit(ctx, key, w) {
		return
	}
	l.acks.add(began)
	if n%repeatEach == 0 {
		l.submit(ctx, key, w)
	}
}

func keyOf(n int) string { return fmt.Sprintf("task-%d", n) }

// submit repeats a submit until it is acknowledged. It reports false if that
// failed, which is an error unless the test has ended.
func (l *load) submit(parent context.Context, key string, w work) bool {
	ctx, cancel := context.WithTimeout(parent, limit(l.c.t))
	defer cancel()
	for {
		answer, err := l.api.Submit(ctx, w.submission(), client.SubmitOptions{Key: key})
		switch code := client.CodeOf(err); {
		case err == nil:
			l.c.seen.Acknowledged(key, answer.Task.ID)
			return true
		case parent.Err() != nil:
			return false
		case ctx.Err() != nil:
			l.c.t.Errorf("submit %s: no master took it within %v: %v", key, limit(l.c.t), err)
			return false
		case code == client.CodeFullCapacity:
			l.full.Add(1)
		case code == client.CodeOutcomeUnknown:
			l.unknown.Add(1)
		case code == client.CodeOverloaded, errors.Is(err, client.ErrNoLeader):
		default:
			l.c.t.Errorf("submit %s: %v", key, err)
			return false
		}
		select {
		case <-time.After(fullPause + rand.N(2*fullPause)):
		case <-ctx.Done():
		}
	}
}

// end stops submitting and waits until everything is acknowledged. Then it asks
// for some of the tasks again, which must not make new ones.
func (l *load) end() {
	l.c.t.Helper()
	close(l.stop)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.wg.Wait()
	}()
	select {
	case <-done:
	case <-time.After(2 * limit(l.c.t)):
		l.c.t.Fatal("the last submits are not answered")
	}
	const again = 200
	for n := 1; n <= l.begun; n += 1 + l.begun/again {
		l.submit(context.Background(), keyOf(n), workOf(n))
	}
}

// awaitAck waits for the first acknowledgement, after the first n, of a task that
// was submitted after a moment.
func (l *load) awaitAck(n int, moment time.Time) ack {
	l.c.t.Helper()
	deadline := time.After(limit(l.c.t))
	for {
		all, more := l.acks.since(n)
		if first, ok := firstSubmittedAfter(all, moment); ok {
			return first
		}
		select {
		case <-more:
		case <-deadline:
			l.c.t.Fatalf("for %v no master accepted a write", limit(l.c.t))
		}
	}
}
