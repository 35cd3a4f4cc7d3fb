package cluster

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"muster/systemtest/timelimit"
	"muster/task"
	"muster/task/wait"
)

// load submits tasks at whoever leads, from several goroutines, each with keys
// of its own, and remembers what was acknowledged.
type load struct {
	t      *testing.T
	w      *world
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	acked   map[string]task.ID // by key, under mu
	changed chan struct{}      // closed and replaced at every acknowledgement, under mu
	unknown int                // answers of unknown fate, under mu
}

func newLoad(w *world, of ...*master) *load { return newPacedLoad(w, 0, of...) }

// newPacedLoad pauses after each task: in fake time no time would pass otherwise.
func newPacedLoad(w *world, pause time.Duration, of ...*master) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{t: w.t, w: w, cancel: cancel, acked: map[string]task.ID{}, changed: make(chan struct{})}
	for i := range 4 {
		l.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				l.submit(ctx, of, fmt.Sprintf("%d-%d", i, n))
				wait.Sleep(ctx, pause)
			}
		})
	}
	return l
}

// submit repeats one submit until it is acknowledged.
func (l *load) submit(ctx context.Context, of []*master, key string) {
	for at := 0; ctx.Err() == nil; at++ {
		node, err := l.w.at(of[at%len(of)].url)
		if err != nil {
			wait.Sleep(ctx, time.Millisecond)
			continue
		}
		outcomes, err := node.Propose(ctx, submit(key))
		switch codeOf(err) {
		case "":
		case task.CodeOutcomeUnknown:
			l.mu.Lock()
			l.unknown++
			l.mu.Unlock()
			continue
		default: // nothing happened
			wait.Sleep(ctx, time.Millisecond)
			continue
		}
		s := outcomes[0]
		if err != nil || s.Task == nil {
			l.t.Errorf("submit %s: %v, %+v", key, err, outcomes)
			return
		}
		l.mu.Lock()
		l.acked[key] = s.Task.ID
		close(l.changed)
		l.changed = make(chan struct{})
		l.mu.Unlock()
		return
	}
}

// more waits for n more acknowledgements.
func (l *load) more(n int) {
	l.t.Helper()
	timeout := time.After(timelimit.Of(l.t, time.Minute))
	l.mu.Lock()
	want := len(l.acked) + n
	l.mu.Unlock()
	for {
		l.mu.Lock()
		have, changed := len(l.acked), l.changed
		l.mu.Unlock()
		if have >= want {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			l.t.Fatalf("%d of %d tasks were acknowledged in time", have, want)
		}
	}
}

func (l *load) stop() {
	l.cancel()
	l.wg.Wait()
}

// check looks for every acknowledged task on every master.
func (l *load) check(of ...*master) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range of {
		view := m.node.View()
		for key, id := range l.acked {
			if got, ok := view.TaskByKey(key); !ok || got.ID != id {
				l.t.Fatalf("%s: acknowledged task %s (%d) is %v (%d)", m.id, key, id, ok, got.ID)
			}
		}
	}
	l.t.Logf("%d acknowledged, %d of unknown fate on the way", len(l.acked), l.unknown)
}
