package upgrade_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"muster/api/client"
)

// workers is how many clients there are.
const workers = 8

// load is clients that submit a task, wait until it is done, and submit the next.
type load struct {
	t    *testing.T
	c    *client.Client
	stop context.CancelFunc
	all  sync.WaitGroup
	done atomic.Int64

	mu   sync.Mutex
	want map[uint64]string // the result of each acknowledged task
}

// startLoad starts the clients; finish ends them.
func startLoad(s *system) *load {
	s.t.Helper()
	running, stop := context.WithCancel(s.t.Context())
	l := &load{t: s.t, c: s.client, stop: stop, want: map[uint64]string{}}
	for w := range workers {
		l.all.Go(func() {
			for n := 0; running.Err() == nil; n++ {
				if !l.one(w, n) {
					return
				}
			}
		})
	}
	s.t.Cleanup(l.finish)
	return l
}

// one submits a task and waits for it. It is repeated with its key for as long as it
// is not known to be there, so that each key becomes one task.
func (l *load) one(w, n int) bool {
	ctx, cancel := context.WithTimeout(l.t.Context(), atMost) // it ends at once when the test has failed
	defer cancel()
	key, want := fmt.Sprintf("w%d-%d", w, n), fmt.Sprint(1000*w+n)
	queue := client.Submission{Expression: fmt.Sprintf("1000*%d + %d", w, n), WhenFull: "queue"}
	got, err := l.c.Submit(ctx, queue, client.SubmitOptions{Key: key})
	if err != nil {
		l.t.Errorf("submit %s: %v", key, err)
		return false
	}
	l.mu.Lock()
	if other, twice := l.want[got.Task.ID]; twice {
		l.t.Errorf("task %d was given twice: for %s and for %s", got.Task.ID, other, want)
	}
	l.want[got.Task.ID] = want
	l.mu.Unlock()
	done, err := l.c.Wait(ctx, got.Task.ID)
	if err != nil {
		l.t.Errorf("wait for task %d (%s): %v", got.Task.ID, key, err)
		return false
	}
	l.check(&done, want)
	l.done.Add(1)
	return true
}

func (l *load) check(got *client.Task, want string) {
	if got.Status != client.TaskDone || got.Outcome != client.Succeeded || got.Result == nil || *got.Result != want {
		l.t.Errorf("task %d should have come to %s: %+v", got.ID, want, got)
	}
}

// flows waits until some more tasks were done: the cluster works as it is now.
func (l *load) flows(s *system) {
	s.t.Helper()
	until := l.done.Load() + 3*workers
	s.await("tasks to be done", func(context.Context) error {
		if done := l.done.Load(); done < until {
			return fmt.Errorf("%d were done, want %d", done, until)
		}
		return nil
	})
}

// finish ends the load and waits for what is under way.
func (l *load) finish() {
	l.stop()
	l.all.Wait()
}

// judge holds what the cluster has against what it acknowledged.
func (l *load) judge() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), atMost)
	defer cancel()
	seen := 0
	for got, err := range l.c.List(ctx, client.ListOptions{ReadOptions: client.ReadOptions{Linearizable: true}}) {
		if err != nil {
			l.t.Fatal(err)
		}
		want, ok := l.want[got.ID]
		if !ok {
			l.t.Errorf("task %d was acknowledged to nobody: %+v", got.ID, got)
			continue
		}
		l.check(&got, want)
		seen++
	}
	if seen != len(l.want) || seen < 10*workers {
		l.t.Errorf("of %d acknowledged tasks the masters have %d", len(l.want), seen)
	}
}
