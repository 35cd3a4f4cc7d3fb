package dispatch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/cluster/dispatch/scheduler"
	"muster/fsm"
	"muster/task"
)

// slowSlaves answer a question after a while, each with the incarnation that is
// its URL.
type slowSlaves struct {
	dispatch.Sender // anything else is not asked here

	after time.Duration

	mu        sync.Mutex
	now, most int // under mu; questions under way
}

func (x *slowSlaves) Available(ctx context.Context, url string, _ task.Stamp) (task.Availability, error) {
	x.add(1)
	defer x.add(-1)
	select {
	case <-time.After(x.after):
		return task.Availability{Incarnation: url, Slots: 1, Free: 1, Counter: 1}, nil
	case <-ctx.Done():
		return task.Availability{}, ctx.Err()
	}
}

func (x *slowSlaves) add(n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now += n
	x.most = max(x.most, x.now)
}

// TestSlavesThatRegisterTogetherAreDialledBackAFewAtATime: no more than 128. Who has
// waited for that for 1.5 s is sent away, before the slave waits no longer.
func TestSlavesThatRegisterTogetherAreDialledBackAFewAtATime(t *testing.T) {
	t.Parallel()
	const slaves, atOnce = 1000, 128
	for _, test := range []struct {
		after      time.Duration
		registered int
	}{
		{100 * time.Millisecond, slaves},
		{900 * time.Millisecond, 2 * atOnce}, // two rounds begin within 1.5 s
	} {
		synctest.Test(t, func(t *testing.T) {
			log := &instantLog{state: fsm.New()}
			log.setTerm(1)
			wire := &slowSlaves{after: test.after}
			d := dispatch.New(dispatch.Config{Config: scheduler.Config{Term: 1, QuestionTTL: time.Second}}, log, wire)
			ctx, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			defer all.Wait()
			defer stop()
			all.Go(func() {
				if err := d.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			var registering sync.WaitGroup
			for i := range slaves {
				registering.Go(func() {
					url := fmt.Sprintf("http://s%d", i)
					began := time.Now()
					_, err := d.Register(ctx, task.Registration{
						Name: url, URL: url, Slots: 1, Incarnation: url, Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
					})
					if err != nil && codeOf(err) != task.CodeOverloaded {
						t.Errorf("a slave was refused with %v", err)
					}
					if took := time.Since(began); err != nil && took > 1500*time.Millisecond {
						t.Errorf("a slave was sent away after %v", took)
					}
				})
			}
			registering.Wait()
			if got := log.View().Capacity().Slaves; got != test.registered || wire.most > atOnce {
				t.Errorf("%d slaves are registered, and %d were dialled back at once; want %d and at most %d", got, wire.most, test.registered, atOnce)
			}
		})
	}
}
