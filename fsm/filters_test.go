package fsm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"muster/task"
)

// history is a state that tasks come to and go on in by chance, the same for one
// seed.
type history struct {
	*lab

	chance *rand.Rand
	places []Place
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Helper()
	h := &history{lab: newLab(t), chance: rand.New(rand.NewPCG(seed, 1))}
	for _, name := range []string{"a", "b"} {
		h.places = append(h.places, h.register(name, name+"1", 5000))
	}
	return h
}

// come submits a task, to a slave or to nowhere, with a key or without.
func (h *history) come() {
	h.t.Helper()
	c := SubmitTask{Spec: expression()}
	if h.chance.IntN(3) == 0 {
		c.Spec = once()
	}
	if h.chance.IntN(2) == 0 {
		c.Spec.Labels = []task.Label{{Name: "team", Value: []string{"arts", "maths"}[h.chance.IntN(2)]}}
	}
	if h.chance.IntN(2) == 0 {
		c.Key = fmt.Sprintf("key-%d", h.state.View().Counts().Submitted+1)
	}
	if h.chance.IntN(3) > 0 {
		c.Assign = &h.places[h.chance.IntN(2)]
	}
	h.must(c)
}

// end ends a task in progress, or has a waiting one begin.
func (h *history) end() {
	h.t.Helper()
	id := task.ID(1 + h.chance.Uint64N(h.state.View().Counts().Submitted))
	switch x := h.task(id); x.Status {
	case task.InProgress:
		c := succeeded(attemptOf(x), "1")
		if h.chance.IntN(3) == 0 {
			c.Result.Outcome, c.Result.Value, c.Result.Error = task.Failed, task.Value{}, "no"
		}
		h.must(c)
	case task.Pending:
		p := h.places[h.chance.IntN(2)]
		h.must(AssignTask{Attempt: task.Attempt{ID: id, Attempt: x.Attempt + 1, Slave: p.Slave, Incarnation: p.Incarnation}})
	case task.Done:
	}
}

// filters are what a query asks for by chance, in a form of their own: each is a
// reason to leave a task out.
func (h *history) filters() (q task.Query, wants []func(task.Task) bool) {
	v := h.state.View()
	last := v.Counts().Submitted
	some := func(want func(task.Task) bool) bool {
		if h.chance.IntN(4) > 0 {
			return false
		}
		wants = append(wants, want)
		return true
	}
	status := task.Status(1 + h.chance.IntN(3))
	if some(func(t task.Task) bool { return t.Status == status }) {
		q.Status = status
	}
	outcome := task.Outcome(1 + h.chance.IntN(3))
	if some(func(t task.Task) bool { return t.Outcome == outcome }) {
		q.Outcome = outcome
	}
	kind := []string{task.KindExpression, "once", "none"}[h.chance.IntN(3)]
	if some(func(t task.Task) bool { return t.Spec.Kind == kind }) {
		q.Kind = kind
	}
	slave := []string{"a", "b", "c"}[h.chance.IntN(3)]
	if some(func(t task.Task) bool { return t.Slave == slave }) {
		q.Slave = slave
	}
	if some(func(t task.Task) bool {
		return slices.Contains(t.Spec.Labels, task.Label{Name: "team", Value: "maths"})
	}) {
		q.Labels = []task.Label{{Name: "team", Value: "maths"}}
	}
	key := fmt.Sprintf("key-%d", 1+h.chance.Uint64N(last))
	if some(func(t task.Task) bool { return t.Key == key }) {
		q.Key = key
	}
	from, before := task.Millis(1000+h.chance.Int64N(6000)), task.Millis(1000+h.chance.Int64N(6000))
	if some(func(t task.Task) bool { return t.SubmittedAt >= from }) {
		q.Submitted.From = from
	}
	if some(func(t task.Task) bool { return t.SubmittedAt < before }) {
		q.Submitted.Before = before
	}
	if some(func(t task.Task) bool { return t.Status == task.Done && t.FinishedAt >= from }) {
		q.Finished.From = from
	}
	if some(func(t task.Task) bool { return t.Status == task.Done && t.FinishedAt < before }) {
		q.Finished.Before = before
	}
	ids := []task.ID{0, task.ID(last) + 7}
	for range h.chance.IntN(40) {
		ids = append(ids, task.ID(h.chance.Uint64N(last+5)))
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if some(func(t task.Task) bool { return slices.Contains(ids, t.ID) }) {
		q.IDs = ids
	}
	return q, wants
}

// TestFiltersAgreeWithAScan goes through the pages of random queries, in both
// orders, and compares them with a look at every task.
func TestFiltersAgreeWithAScan(t *testing.T) {
	h := newHistory(t, 1)
	for range 300 {
		h.come()
		h.end()
	}
	v := h.state.View()
	if c := v.Counts(); c.Pending < 20 || c.InProgress < 20 || c.Done < 20 {
		t.Fatalf("a history without variety: %+v", c)
	}
	found := 0
	for range 1500 {
		q, wants := h.filters()
		var scanned []task.ID
		for id := task.ID(1); id <= task.ID(v.Counts().Submitted); id++ {
			x, _ := v.Task(id)
			if !slices.ContainsFunc(wants, func(want func(task.Task) bool) bool { return !want(x) }) {
				scanned = append(scanned, id)
			}
		}
		found += min(len(scanned), 1)
		q.Limit = 1 + h.chance.IntN(50)
		for _, q.Descending = range []bool{false, true} {
			if listed := allPages(t, v, q); !slices.Equal(listed, scanned) {
				t.Fatalf("%+v gave %v; a scan %v", q, listed, scanned)
			}
			slices.Reverse(scanned)
		}
	}
	if found < 150 {
		t.Errorf("only %d of the queries find anything", found)
	}
}

// allPages goes through all pages of a query.
func allPages(t testing.TB, v *View, q task.Query) []task.ID {
	t.Helper()
	var ids []task.ID
	for {
		page := v.List(q)
		ids = append(ids, idsOf(page.Tasks)...)
		if page.Next == 0 {
			return ids
		}
		if q.After != 0 && (page.Next > q.After) == q.Descending || page.Next == q.After {
			t.Fatalf("%+v goes on at %d", q, page.Next)
		}
		q.After = page.Next
	}
}

// TestPagesAreStableWhileTasksComeAndGo submits and ends tasks between the pages
// of a list: a task that fits the filters throughout is shown once, in order.
func TestPagesAreStableWhileTasksComeAndGo(t *testing.T) {
	for seed := range uint64(8) {
		h := newHistory(t, seed)
		for range 200 {
			h.come()
			h.end()
		}
		for _, q := range []task.Query{
			{},
			{Kind: "once"},
			{Slave: "a"},
			{Status: task.Done},
			{Outcome: task.Succeeded},
			{Status: task.Pending},
			{Status: task.InProgress, Slave: "b"},
			{Submitted: task.Period{From: 2000}},
			{Finished: task.Period{From: 1}},
		} {
			for _, q.Descending = range []bool{false, true} {
				h.pageMoving(q)
			}
		}
	}
}

// pageMoving pages through a list that changes, and holds it against what was
// there at every page.
func (h *history) pageMoving(q task.Query) {
	h.t.Helper()
	everywhere := map[task.ID]bool{} // matched at every page so far
	for _, id := range allPages(h.t, h.state.View(), q) {
		everywhere[id] = true
	}
	var shown []task.ID
	for {
		v := h.state.View()
		for id := range everywhere {
			if x, _ := v.Task(id); !q.Matches(&x) {
				delete(everywhere, id)
			}
		}
		q.Limit = 1 + h.chance.IntN(20)
		page := v.List(q)
		shown = append(shown, idsOf(page.Tasks)...)
		if page.Next == 0 {
			break
		}
		q.After = page.Next
		h.come()
		for range 3 {
			h.end()
		}
	}
	inOrder := slices.Clone(shown)
	slices.Sort(inOrder)
	if q.Descending {
		slices.Reverse(inOrder)
	}
	if !slices.Equal(shown, inOrder) || len(slices.Compact(inOrder)) != len(shown) {
		h.t.Fatalf("%+v shows %v", q, shown)
	}
	for id := range everywhere {
		if !slices.Contains(shown, id) {
			h.t.Fatalf("%+v misses task %d: %v", q, id, shown)
		}
	}
}

// TestAMillionTasksAreExaminedInBoundedSteps asks among a million done tasks for
// what none of them is.
func TestAMillionTasksAreExaminedInBoundedSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("a million tasks take seconds")
	}
	const total = 1_000_000
	s := New()
	for id := task.ID(1); id <= total; id++ {
		s.enter(&task.Task{
			ID: id, Status: task.Done, Outcome: task.Succeeded, Spec: task.Spec{Kind: task.KindExpression, Expression: "1"},
			Slave: "a", SubmittedAt: 1000, StartedAt: 1000, FinishedAt: 1000,
		})
	}
	s.counts.Submitted = total
	v := &View{tables: s.share()}
	for _, q := range []task.Query{
		{Kind: "none"}, {Slave: "none"}, {Outcome: task.Lost}, {Submitted: task.Period{From: 1001}}, {Finished: task.Period{Before: 1000}},
	} {
		for _, q.Descending = range []bool{false, true} {
			for pages := 1; ; pages++ {
				page := v.List(q)
				if page.Next == 0 {
					if pages != total/task.MaxExamined {
						t.Errorf("%+v takes %d pages", q, pages)
					}
					break
				}
				want := task.ID(pages * task.MaxExamined)
				if q.Descending {
					want = total - want + 1
				}
				if page.Next != want || len(page.Tasks) > 0 {
					t.Fatalf("%+v: page %d has %d tasks and goes on at %d, not %d", q, pages, len(page.Tasks), page.Next, want)
				}
				q.After = page.Next
			}
			q.After = 0
		}
	}
	// What an index finds is one step, and what can't be is none.
	for _, q := range []task.Query{{Key: "none"}, {IDs: []task.ID{total + 1}}, {Status: task.Pending}, {Status: task.InProgress, Finished: task.Period{From: 1}}} {
		if page := v.List(q); page.Next != 0 || len(page.Tasks) > 0 {
			t.Errorf("%+v: %+v", q, page)
		}
	}
}
