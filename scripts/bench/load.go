package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// tally is what clients got done.
type tally struct {
	ids   [variants][]uint64 // of tasks, by what was submitted
	waits []time.Duration    // for the answers
}

func (t *tally) tasks() int {
	n := 0
	for _, ids := range t.ids {
		n += len(ids)
	}
	return n
}

func (t *tally) add(o *tally) {
	for v := range t.ids {
		t.ids[v] = append(t.ids[v], o.ids[v]...)
	}
	t.waits = append(t.waits, o.waits...)
}

// median is that of the waits, in milliseconds.
func (t *tally) median() float64 {
	if len(t.waits) == 0 {
		return 0
	}
	slices.Sort(t.waits)
	return float64(t.waits[len(t.waits)/2]) / float64(time.Millisecond)
}

// load is who submits what.
type load struct {
	clients int
	batch   int // tasks in a request; 0: single ones
	total   int // tasks after which it ends; 0: it ends after a time

	// done, if not nil, says how many tasks are done of all that the cluster took; clients
	// wait while more than ahead are not: a queue is bounded, and would refuse the rest.
	done func(context.Context) (int, error)
}

// ahead is how many tasks may be under way where done is asked.
const ahead = 20_000

// pace is what the clients of a load know of each other.
type pace struct {
	mu      sync.Mutex
	begun   int // tasks whose submit has begun
	before  int // tasks that were done before
	done    int
	changed chan struct{} // closed and replaced when done has changed
}

// wait returns when there is room for n more tasks, or ctx has ended.
func (p *pace) wait(ctx context.Context, n int) {
	for {
		p.mu.Lock()
		room, changed := p.begun+n-(p.done-p.before) <= ahead, p.changed
		p.mu.Unlock()
		if room {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// follow asks how many are done until ctx ends.
func (p *pace) follow(ctx context.Context, ask func(context.Context) (int, error)) error {
	for {
		n, err := ask(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was to end
		}
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.done = n
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
		_ = pause(ctx, 10*time.Millisecond) // ctx is asked
	}
}

// submit has clients submit without a pause, for a time or until they have submitted a number.
func (l load) submit(ctx context.Context, url string, d time.Duration) (*tally, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &pace{changed: make(chan struct{})}
	var following sync.WaitGroup
	if l.done != nil {
		var err error
		if p.before, err = l.done(ctx); err != nil {
			return nil, err
		}
		p.done = p.before
		watch, stop := context.WithCancel(ctx)
		defer following.Wait()
		defer stop()
		following.Go(func() {
			if err := p.follow(watch, l.done); err != nil {
				cancel(err)
			}
		})
	}
	requests := l.requests(url)
	end := time.Now().Add(d)
	n := max(1, l.batch)
	more := func() bool {
		if l.done != nil {
			p.wait(ctx, n)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.begun += n
		if l.total == 0 {
			return time.Now().Before(end)
		}
		return p.begun <= l.total
	}
	var mu sync.Mutex
	all := &tally{}
	var clients sync.WaitGroup
	for i := range l.clients {
		clients.Go(func() {
			t, err := l.one(ctx, url, requests, i, more)
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(t)
		})
	}
	clients.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return all, nil
}

func (l load) requests(url string) [][]byte {
	if l.batch > 0 {
		return [][]byte{post(url, "/v1/tasks/batch", many(l.batch))}
	}
	var requests [][]byte
	for v := range variants {
		requests = append(requests, post(url, "/v1/tasks", single(v)))
	}
	return requests
}

// one is what one client does.
func (l load) one(ctx context.Context, url string, requests [][]byte, i int, more func() bool) (*tally, error) {
	t := &tally{}
	c, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	defer c.close()
	n := max(1, l.batch)
	got := make([]uint64, 0, n)
	for ; ctx.Err() == nil && more(); i++ {
		began := time.Now()
		answer, err := c.ask(requests[i%len(requests)])
		if err != nil {
			return nil, err
		}
		t.waits = append(t.waits, time.Since(began))
		if got, err = ids(answer, n, got[:0]); err != nil {
			return nil, err
		}
		for k, id := range got {
			v := k % variants
			if l.batch == 0 {
				v = i % variants
			}
			t.ids[v] = append(t.ids[v], id)
		}
	}
	return t, nil
}

// check compares every task that a cluster has with what was submitted. Each must be there,
// done, with its own result, and there must be no other.
func (c *cluster) check(ctx context.Context, all *tally) error {
	want := make(map[uint64]int, all.tasks())
	for v, ids := range all.ids {
		for _, id := range ids {
			want[id] = v
		}
	}
	if len(want) != all.tasks() {
		return fmt.Errorf("%s gave an id to two tasks: %d tasks, %d ids", c.build.name, all.tasks(), len(want))
	}
	answer, err := c.get(ctx, c.url()+"/v1/tasks/export")
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	complete := false
	for lines.Scan() {
		var t struct {
			ID       uint64 `json:"id"`
			Outcome  string `json:"outcome"`
			Result   string `json:"result"`
			Complete bool   `json:"complete"`
		}
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return err
		}
		if t.Complete {
			complete = true
			break
		}
		v, ok := want[t.ID]
		if !ok || t.Outcome != "succeeded" || t.Result != result(v) {
			return fmt.Errorf("%s has a wrong result: wanted %s (submitted: %v) of %s", c.build.name, result(v), ok, lines.Bytes())
		}
		delete(want, t.ID)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if !complete {
		return errors.New("the export ended early")
	}
	if len(want) > 0 {
		return fmt.Errorf("%s has lost %d of the tasks that it took", c.build.name, len(want))
	}
	return nil
}
