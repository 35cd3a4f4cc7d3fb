package watch

import (
	"fmt"
	"testing"

	"muster/fsm"
)

func entryOf(counts ...int) []fsm.Outcome {
	outcomes := make([]fsm.Outcome, len(counts))
	for i, n := range counts {
		for range n {
			outcomes[i].Events = append(outcomes[i].Events, fsm.Event{Kind: fsm.TaskSubmitted})
		}
	}
	return outcomes
}

func TestWindowAnswersForAPosition(t *testing.T) {
	ten := func(fsm.Event) int { return 10 }
	for name, c := range map[string]struct {
		maxEvents, maxBytes int
		after               Position
		limit               int
		want                string
		reach               Reach
	}{
		"all after the start":          {9, 999, Position{5, EndOfEntry}, 9, "7-0 7-1 7-2 9-0 ", Held},
		"within an entry":              {9, 999, Position{7, 1}, 9, "7-2 9-0 ", Held},
		"no more than asked for":       {9, 999, Position{7, 0}, 1, "7-1 ", Held},
		"an entry without events":      {9, 999, Position{8, 0}, 9, "9-0 ", Held},
		"nothing new":                  {9, 999, Position{9, 0}, 9, "", Held},
		"before the start":             {9, 999, Position{4, 0}, 9, "", Gone},
		"within the start":             {9, 999, Position{5, 0}, 9, "", Gone},
		"not yet seen":                 {9, 999, Position{12, 0}, 9, "", Unseen},
		"bounded by count":             {2, 999, Position{7, 0}, 9, "", Gone},
		"the last dropped by count":    {2, 999, Position{7, 1}, 9, "7-2 9-0 ", Held},
		"bounded by bytes":             {9, 15, Position{7, 1}, 9, "", Gone},
		"the last dropped by bytes":    {9, 15, Position{7, 2}, 9, "9-0 ", Held},
		"an entry larger than a bound": {0, 999, Position{7, 2}, 9, "", Gone},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWindow(5, c.maxEvents, c.maxBytes, ten)
			w.add(Entry{7, entryOf(1, 0, 2)})
			w.add(Entry{8, entryOf(0)})
			w.add(Entry{9, entryOf(1)})
			events, reach, _ := w.after(c.after, c.limit)
			got := ""
			for _, e := range events {
				got += fmt.Sprintf("%d-%d ", e.Index, e.Number)
			}
			if got != c.want || reach != c.reach {
				t.Errorf("after %v: events %q, reach %d; want %q, %d", c.after, got, reach, c.want, c.reach)
			}
		})
	}
}

func TestWindowRestartsAtASnapshot(t *testing.T) {
	w := newWindow(0, 9, 999, func(fsm.Event) int { return 1 })
	w.add(Entry{1, entryOf(2)})
	w.restart(20)
	if _, reach, _ := w.after(Position{1, 0}, 9); reach != Gone {
		t.Errorf("a position before the snapshot: reach %d, want gone", reach)
	}
	if events, reach, _ := w.after(Position{20, EndOfEntry}, 9); reach != Held || len(events) != 0 {
		t.Errorf("the snapshot's index: %d events, reach %d; want none, held", len(events), reach)
	}
}
