package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"muster/api/client/internal/raw"
	"muster/api/wire"
)

// ListOptions select tasks. The zero value selects all, oldest first. Filters that
// are given must all fit.
type ListOptions struct {
	ReadOptions

	Status  TaskStatus // "": any
	Outcome Outcome    // "": any
	Slave   string     // "": any
	Kind    string     // "": any
	Key     string     // Idempotency-Key; "": any. It finds at most one task
	IDs     []uint64   // empty: any; at most 1000

	Labels Labels // empty: any; a task must have all of them

	// Periods of the stamps that tasks show: at or after, and before. The zero
	// time leaves a side open.
	SubmittedAfter, SubmittedBefore time.Time
	FinishedAfter, FinishedBefore   time.Time // of done tasks

	Descending bool   // newest first
	Limit      int    // tasks of a page; 0: the master's choice
	Cursor     string // Next of the page before, which had the same filters and order
}

// params are the options as the API has them.
func (o *ListOptions) params(minIndex *uint64) wire.ListTasksParams {
	params := wire.ListTasksParams{
		Status: given(o.Status), Outcome: given(o.Outcome), Slave: given(o.Slave), Kind: given(o.Kind), Key: given(o.Key), ID: o.IDs,
		SubmittedAfter: given(o.SubmittedAfter), SubmittedBefore: given(o.SubmittedBefore),
		FinishedAfter: given(o.FinishedAfter), FinishedBefore: given(o.FinishedBefore),
		Limit: given(o.Limit), Cursor: given(o.Cursor), MinIndex: minIndex, Consistency: consistency(o.ReadOptions),
	}
	for _, l := range o.Labels {
		params.Label = append(params.Label, l.Name+"="+l.Value)
	}
	if o.Descending {
		params.Order = given("desc")
	}
	return params
}

// Page returns one page of a list. The cursor of its Next is good at any master.
func (c *Client) Page(ctx context.Context, opts ListOptions) (TaskPage, error) {
	var out TaskPage
	err := c.do(ctx, call{
		what: "list tasks", write: opts.Linearizable, safe: true, large: true, timeout: c.cfg.AttemptTimeout,
		build: func(base string) (*http.Request, error) {
			params := opts.params(c.minIndex(opts.ReadOptions))
			return raw.NewListTasksRequest(base, &params)
		},
	}, &out)
	return out, err
}

// List goes through all pages. It stops after an error.
func (c *Client) List(ctx context.Context, opts ListOptions) iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		for {
			page, err := c.Page(ctx, opts)
			if err != nil {
				yield(Task{}, err)
				return
			}
			for _, t := range page.Tasks {
				if !yield(t, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			opts.Cursor = page.Next
		}
	}
}
