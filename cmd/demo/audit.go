package demo

import (
	"context"
	"fmt"
	"time"

	"muster/api/client"
)

// finding is what one master's list says about the ledger.
type finding struct {
	master string
	tasks  int      // in the whole list
	right  int      // acknowledged, in the list once, done, with the right result
	again  int      // of these, those that needed more than one attempt
	wrong  []string // what is not as it must be
}

// audit reads the whole list of one master, as it is at index or later, and
// compares it with what was acknowledged.
func audit(ctx context.Context, m *node, entries []entry, index uint64) (finding, error) {
	f := finding{master: m.name}
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	// A client with one address reads that master and no other.
	c, err := client.New(client.Config{Addresses: []string{m.url}, AttemptTimeout: 6 * time.Second})
	if err != nil {
		return f, fmt.Errorf("prepare to read the list of %s: %w", m.name, err)
	}
	defer c.Close()
	var tasks []client.Task
	list := client.ListOptions{Limit: 500, ReadOptions: client.ReadOptions{MinIndex: index}}
	for t, err := range c.List(ctx, list) {
		if err != nil {
			return f, fmt.Errorf("read the list of %s: %w", m.name, err)
		}
		tasks = append(tasks, t)
	}
	f.compare(tasks, entries)
	return f, nil
}

// compare checks each acknowledged task, and that there is no other.
func (f *finding) compare(tasks []client.Task, entries []entry) {
	f.tasks = len(tasks)
	byID := map[uint64][]client.Task{}
	keys := map[string]uint64{}
	for _, t := range tasks {
		byID[t.ID] = append(byID[t.ID], t)
		if first, known := keys[t.IdempotencyKey]; known && t.IdempotencyKey != "" {
			f.blamef("tasks %d and %d have the same key %q", first, t.ID, t.IdempotencyKey)
		}
		keys[t.IdempotencyKey] = t.ID
	}
	for _, id := range twice(entries) {
		f.blamef("task %d was acknowledged for two different keys", id)
	}
	expected := map[uint64]bool{}
	for _, e := range entries {
		expected[e.id] = true
		if reason := wrongWith(byID[e.id], e); reason != "" {
			f.blamef("task %d %s", e.id, reason)
			continue
		}
		f.right++
		if byID[e.id][0].Attempt > 1 {
			f.again++
		}
	}
	for _, t := range tasks {
		if !expected[t.ID] {
			f.blamef("task %d (%s) is in the list, but nobody was told so", t.ID, t.Expression)
		}
	}
}

// wrongWith says what is wrong with what the list has under an acknowledged
// task's id; empty if nothing is.
func wrongWith(found []client.Task, e entry) string {
	switch {
	case len(found) == 0:
		return "was acknowledged and is not in the list"
	case len(found) > 1:
		return fmt.Sprintf("is in the list %d times", len(found))
	}
	switch t := found[0]; {
	case t.IdempotencyKey != e.key:
		return fmt.Sprintf("has the key %q, not %q", t.IdempotencyKey, e.key)
	case t.Status != client.TaskDone:
		return "is " + string(t.Status) + ", not done"
	case t.Outcome != client.Succeeded:
		return "is done, but " + string(t.Outcome) + ": " + t.Error
	case t.Result == nil:
		return "has no result"
	case *t.Result != e.want:
		return fmt.Sprintf("came to %q, not %q", *t.Result, e.want)
	default:
		return ""
	}
}

func (f *finding) blamef(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}
