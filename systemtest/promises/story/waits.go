package story

import (
	"context"
	"fmt"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// IsDone tells whether a channel is closed.
func IsDone(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// Within waits for a channel to be closed.
func (w *World) Within(ch <-chan struct{}, what string) {
	w.T.Helper()
	select {
	case <-ch:
	case <-time.After(Patience):
		w.T.Fatalf("waited %v for %s", Patience, what)
	}
}

// AwaitRuns waits until the executions of a task are enough.
func (w *World) AwaitRuns(id uint64, enough func([]evidence.Run) bool) {
	w.T.Helper()
	w.Await(fmt.Sprintf("an execution of task %d", id), func(context.Context) error {
		if runs := w.Seen.Runs(id); !enough(runs) {
			return fmt.Errorf("the executions are %+v", runs)
		}
		return nil
	})
}

// Done waits for a task to be done, at the given masters.
func (w *World) Done(id uint64, at ...*Master) (t client.Task) {
	w.T.Helper()
	c := w.Client.Of(at...)
	w.Await(fmt.Sprintf("task %d to be done", id), func(ctx context.Context) (err error) {
		t, err = c.Task(ctx, id, client.ReadOptions{})
		if err == nil && t.Status != client.TaskDone {
			err = fmt.Errorf("%+v", t)
		}
		return err
	})
	return t
}

// Status asks one master what it knows of itself.
func (w *World) Status(m *Master) client.Status {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	s, err := w.Observer.API.Status(ctx, m.URL(), false)
	if err != nil {
		w.T.Fatal(err)
	}
	return s
}
