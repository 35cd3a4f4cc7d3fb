package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"muster/api/client/internal/raw"
	"muster/api/wire"
	"muster/task"
)

// SubmitOptions say how to submit.
type SubmitOptions struct {
	// Key is the Idempotency-Key; default: a random one. With a key of its own a
	// caller may repeat the call later, even from another process.
	Key     string
	Explain bool // report which slaves were asked
}

// ReadOptions say how consistent a read is. Without any, it sees at least what
// this client has seen before.
type ReadOptions struct {
	MinIndex     uint64 // wait to have seen this index
	Linearizable bool   // see everything acknowledged before the call
}

// Submit submits a task and returns it with the slave that has it. Repetitions
// carry the same key, so there is one task.
func (c *Client) Submit(ctx context.Context, s Submission, opts SubmitOptions) (Submitted, error) {
	key, err := keyOf(opts.Key)
	if err != nil {
		return Submitted{}, err
	}
	params := wire.SubmitTaskParams{IdempotencyKey: &key}
	if opts.Explain {
		params.Explain = &opts.Explain
	}
	var out Submitted
	err = c.do(ctx, call{
		what: "submit a task", write: true, safe: true, timeout: c.cfg.AttemptTimeout,
		build: func(base string) (*http.Request, error) { return raw.NewSubmitTaskRequest(base, &params, s) },
	}, &out)
	return out, err
}

// SubmitBatch submits many tasks, at most 10,000, and returns what became of each,
// in order. Items without a key get random ones, so that repetitions of this call
// make no second tasks.
func (c *Client) SubmitBatch(ctx context.Context, items []BatchItem) ([]BatchResult, error) {
	items = slices.Clone(items)
	for i := range items {
		if items[i].IdempotencyKey == "" {
			items[i].IdempotencyKey = rand.Text()
		}
	}
	var out wire.BatchAnswer
	err := c.do(ctx, call{
		what: fmt.Sprintf("submit %d tasks", len(items)), write: true, safe: true, timeout: c.cfg.AttemptTimeout + batchTimeout,
		build: func(base string) (*http.Request, error) {
			return raw.NewSubmitBatchRequest(base, &wire.SubmitBatchParams{}, wire.Batch{Tasks: items})
		},
	}, &out)
	if err == nil && len(out.Results) != len(items) {
		err = fmt.Errorf("submit %d tasks: the answer has %d results", len(items), len(out.Results))
	}
	return out.Results, err
}

// keyOf is the key that a submission goes with. One that no header can carry is
// refused at once, like by a master.
func keyOf(key string) (string, error) {
	if key == "" {
		return rand.Text(), nil
	}
	clean, err := CleanKey(key)
	if err != nil {
		return "", &Error{Status: http.StatusBadRequest, Code: task.CodeInvalidRequest, Message: "the Idempotency-Key " + err.Error()}
	}
	return clean, nil
}

// CleanKey returns an Idempotency-Key as masters record it, without the blanks
// around it, or says what is wrong with it. The error is read behind what the key is
// called.
func CleanKey(key string) (string, error) { return task.CleanKey(key) }

// batchTimeout is how long a master may take for a batch.
const batchTimeout = time.Minute

// ReadItem reads an item of a batch from JSON, as strictly as a master does: the
// error names the field that is unknown, given twice, or wrong.
func ReadItem(text []byte) (BatchItem, error) {
	item, refusal := wire.NewItemDecoder().Decode(text)
	if refusal != nil {
		return BatchItem{}, errors.New(refusal.Message)
	}
	return item, nil
}

// Task returns one task.
func (c *Client) Task(ctx context.Context, id uint64, opts ReadOptions) (Task, error) {
	return c.task(ctx, id, opts, 0)
}

func (c *Client) task(ctx context.Context, id uint64, opts ReadOptions, wait time.Duration) (Task, error) {
	var out wire.TaskAnswer
	err := c.do(ctx, call{
		what: fmt.Sprintf("read task %d", id), write: opts.Linearizable, safe: true, timeout: c.cfg.AttemptTimeout + wait,
		build: func(base string) (*http.Request, error) {
			params := wire.GetTaskParams{MinIndex: c.minIndex(opts), Consistency: consistency(opts)}
			if wait > 0 {
				w := wait.String()
				params.Wait = &w
			}
			return raw.NewGetTaskRequest(base, id, &params)
		},
	}, &out)
	return out.Task, err
}

// poll is how long one request of Wait waits: short enough to notice soon that
// the master that was asked hears nothing any more.
const poll = 10 * time.Second

// Wait returns the task when it is done, or, when ctx ends first, as it was
// last seen, with an error that is ctx's.
func (c *Client) Wait(ctx context.Context, id uint64) (Task, error) {
	var last Task
	for {
		wait := poll
		if end, ok := ctx.Deadline(); ok {
			wait = max(min(wait, time.Until(end)).Truncate(time.Millisecond), time.Millisecond)
		}
		t, err := c.task(ctx, id, ReadOptions{}, wait)
		if err != nil {
			if ended := ctx.Err(); ended != nil {
				err = fmt.Errorf("wait for task %d: %w; %w", id, ended, err)
			}
			return last, err
		}
		if last = t; t.Status == TaskDone {
			return t, nil
		}
		if err := ctx.Err(); err != nil {
			return last, fmt.Errorf("wait for task %d, which is %s: %w", id, t.Status, err)
		}
		c.askElsewhere()
	}
}

// Cancel ends a task that is not done. One that was cancelled already, perhaps by
// an earlier attempt of this call, is returned as it is; what is done otherwise is
// CodeAlreadyDone.
func (c *Client) Cancel(ctx context.Context, id uint64) (Task, error) {
	var out wire.TaskAnswer
	err := c.do(ctx, call{
		what: fmt.Sprintf("cancel task %d", id), write: true, safe: true, timeout: c.cfg.AttemptTimeout,
		build: func(base string) (*http.Request, error) {
			return raw.NewCancelTaskRequest(base, id, &wire.CancelTaskParams{})
		},
	}, &out)
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Code == CodeAlreadyDone {
		if t, readErr := c.Task(ctx, id, ReadOptions{}); readErr == nil && t.Outcome == Cancelled {
			return t, nil
		}
	}
	return out.Task, err
}

// minIndex is what a read has to have seen: what is asked for, and at least
// what this client has seen.
func (c *Client) minIndex(opts ReadOptions) *uint64 { return given(max(opts.MinIndex, c.seen.Load())) }

func consistency(opts ReadOptions) *string {
	if opts.Linearizable {
		return given("linearizable")
	}
	return nil
}

// given leaves out what is zero.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// askElsewhere lets the next read begin at another master.
func (c *Client) askElsewhere() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = (c.first + 1) % len(c.addresses)
}
