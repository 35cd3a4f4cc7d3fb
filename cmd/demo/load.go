package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"muster/api/client"
)

// load submits tasks from several submitters at once, each with an
// Idempotency-Key of its own, and writes what was acknowledged into a ledger. An
// answer that says full capacity, or none at all, is repeated with the same key.
type load struct {
	name       string // begins its keys
	submitters int
	pause      time.Duration // of a submitter, between an acknowledgement and its next task
	busy       time.Duration // how long a task keeps its slot
	patient    bool          // goes on with a task that no master takes for long
	client     *client.Client
	ledger     *ledger

	numbers atomic.Int64 // of the tasks, over all submitters
}

// run submits until stop closes; a task that was begun is brought to an end. It
// returns the errors of tasks that no master would take.
func (l *load) run(ctx context.Context, stop <-chan struct{}) error {
	errs := make([]error, l.submitters)
	var all sync.WaitGroup
	for i := range l.submitters {
		all.Go(func() { errs[i] = l.submitMany(ctx, stop) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (l *load) submitMany(ctx context.Context, stop <-chan struct{}) error {
	for {
		n := int(l.numbers.Add(1))
		err := l.submit(ctx, n)
		for l.patient && err != nil && !over(ctx, stop) {
			err = l.submit(ctx, n)
		}
		if err != nil && ctx.Err() == nil && !l.patient {
			return err
		}
		select {
		case <-time.After(l.pause):
		case <-stop:
		case <-ctx.Done():
		}
		if over(ctx, stop) {
			return nil
		}
	}
}

func over(ctx context.Context, stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// submit brings the nth task to an acknowledgement.
func (l *load) submit(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	w := loadWork(n, l.busy)
	key := fmt.Sprintf("%s-%d", l.name, n)
	for {
		answer, err := l.client.Submit(ctx, w.submission(), client.SubmitOptions{Key: key})
		switch code := client.CodeOf(err); {
		case err == nil:
			l.ledger.acknowledged(entry{id: answer.Task.ID, key: key, want: w.want, at: time.Now()})
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("submit %s: not acknowledged within %s: %w", key, waitLimit, err)
		case code == client.CodeFullCapacity:
			l.ledger.fullCapacity()
		case code != client.CodeOutcomeUnknown && code != client.CodeOverloaded:
			return fmt.Errorf("submit %s: %w", key, err)
		}
		_ = pause(ctx, fullPause) // the next submit sees ctx's end
	}
}

// fullPause is how long a submitter waits when every slave was busy.
const fullPause = 25 * time.Millisecond
