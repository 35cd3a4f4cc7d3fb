package cluster

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

func TestWindowAnswersForAPlace(t *testing.T) {
	ten := func(fsm.Event) int { return 10 }
	for name, c := range map[string]struct {
		maxEvents, maxBytes int
		after               place
		limit               int
		want                string
		reach               reach
	}{
		"all after the start":          {9, 999, place{5, endOfEntry}, 9, "7-0 7-1 7-2 9-0 ", held},
		"within an entry":              {9, 999, place{7, 1}, 9, "7-2 9-0 ", held},
		"no more than asked for":       {9, 999, place{7, 0}, 1, "7-1 ", held},
		"an entry without events":      {9, 999, place{8, 0}, 9, "9-0 ", held},
		"nothing new":                  {9, 999, place{9, 0}, 9, "", held},
		"before the start":             {9, 999, place{4, 0}, 9, "", gone},
		"within the start":             {9, 999, place{5, 0}, 9, "", gone},
		"not yet seen":                 {9, 999, place{12, 0}, 9, "", unseen},
		"bounded by count":             {2, 999, place{7, 0}, 9, "", gone},
		"the last dropped by count":    {2, 999, place{7, 1}, 9, "7-2 9-0 ", held},
		"bounded by bytes":             {9, 15, place{7, 1}, 9, "", gone},
		"the last dropped by bytes":    {9, 15, place{7, 2}, 9, "9-0 ", held},
		"an entry larger than a bound": {0, 999, place{7, 2}, 9, "", gone},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWindow(5, c.maxEvents, c.maxBytes, ten)
			w.add(7, entryOf(1, 0, 2))
			w.add(8, entryOf(0))
			w.add(9, entryOf(1))
			events, reach := w.after(c.after, c.limit)
			got := ""
			for _, e := range events {
				got += fmt.Sprintf("%d-%d ", e.index, e.position)
			}
			if got != c.want || reach != c.reach {
				t.Errorf("after %v: events %q, reach %d; want %q, %d", c.after, got, reach, c.want, c.reach)
			}
		})
	}
}

func TestWindowRestartsAtASnapshot(t *testing.T) {
	w := newWindow(0, 9, 999, func(fsm.Event) int { return 1 })
	w.add(1, entryOf(2))
	w.restart(20)
	if _, reach := w.after(place{1, 0}, 9); reach != gone {
		t.Errorf("a place before the snapshot: reach %d, want gone", reach)
	}
	if events, reach := w.after(place{20, endOfEntry}, 9); reach != held || len(events) != 0 {
		t.Errorf("the snapshot's index: %d events, reach %d; want none, held", len(events), reach)
	}
}
