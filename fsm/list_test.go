package fsm

import (
	"slices"
	"strings"
	"testing"

	"muster/task"
)

// mixedTasks returns a state with sealed blocks, loose done tasks, and tasks that
// wait and run in between, and a slave that holds some.
func mixedTasks(t *testing.T) *View {
	t.Helper()
	l := newLab(t)
	place := l.register("a", "a1", 1000)
	for id := 1; id <= 5*blockSize; id++ {
		switch {
		case id <= 2*blockSize || id%4 == 0:
			l.must(succeeded(attemptOf(l.submit(expression(), &place)), "1"))
		case id%4 == 1:
			l.submit(expression(), nil)
		default:
			l.submit(expression(), &place)
		}
	}
	v := l.state.View()
	if v.done.sealed.Len() != 2 || v.done.young.Len() != 3*blockSize/4 {
		t.Fatalf("%d blocks are sealed, %d tasks are loose", v.done.sealed.Len(), v.done.young.Len())
	}
	return v
}

func idsOf(tasks []task.Task) []task.ID {
	var list []task.ID
	for _, t := range tasks {
		list = append(list, t.ID)
	}
	return list
}

func TestListStartsAtAnyCursor(t *testing.T) {
	v := mixedTasks(t)
	last := task.ID(v.Counts().Submitted)
	for _, q := range []task.Query{
		{},
		{Status: task.Pending},
		{Status: task.InProgress},
		{Status: task.InProgress, Slave: "a"},
		{Status: task.Done},
		{Outcome: task.Succeeded},
		{Slave: "a"},
	} {
		for after := task.ID(0); after <= last+2; after++ {
			q.After, q.Limit = after, 3
			var up, down []task.ID
			for id := after + 1; id <= last && len(up) < 3; id++ {
				if x, _ := v.Task(id); q.Matches(&x) {
					up = append(up, id)
				}
			}
			from := after - 1
			if after == 0 || after > last {
				from = last
			}
			for id := from; id >= 1 && len(down) < 3; id-- {
				if x, _ := v.Task(id); q.Matches(&x) {
					down = append(down, id)
				}
			}
			q.Descending = false
			if got := idsOf(v.List(q).Tasks); !slices.Equal(got, up) {
				t.Fatalf("%+v gave %v; want %v", q, got, up)
			}
			q.Descending = true
			if got := idsOf(v.List(q).Tasks); !slices.Equal(got, down) {
				t.Fatalf("%+v gave %v; want %v", q, got, down)
			}
		}
	}
	for _, after := range []task.ID{^task.ID(0), ^task.ID(0) - 1} {
		if got := v.List(task.Query{After: after}); len(got.Tasks) != 0 || got.Next != 0 {
			t.Errorf("after %d: %+v", after, got)
		}
	}
}

func TestListSaysWhereToGoOn(t *testing.T) {
	v := mixedTasks(t)
	last := task.ID(v.Counts().Submitted)
	for _, c := range []struct {
		q    task.Query
		size int
		next task.ID
	}{
		{task.Query{}, task.DefaultPage, task.DefaultPage},
		{task.Query{Limit: -1}, task.DefaultPage, task.DefaultPage},
		{task.Query{Limit: task.MaxPage + 1}, int(last), 0},
		{task.Query{Limit: int(last)}, int(last), 0},
		{task.Query{Limit: int(last) - 1}, int(last) - 1, last - 1},
		{task.Query{Limit: 1, Descending: true}, 1, last},
		{task.Query{Limit: 1, Descending: true, After: 2}, 1, 0},
		{task.Query{Status: task.Pending, Outcome: task.Succeeded}, 0, 0},
		{task.Query{Status: task.InProgress, Slave: "nobody"}, 0, 0},
	} {
		page := v.List(c.q)
		if len(page.Tasks) != c.size || page.Next != c.next {
			t.Errorf("%+v gave %d tasks and the cursor %d; want %d and %d", c.q, len(page.Tasks), page.Next, c.size, c.next)
		}
	}
	if page := New().View().List(task.Query{Descending: true}); page.Tasks != nil || page.Next != 0 {
		t.Errorf("of nothing: %+v", page)
	}
}

func TestListExaminesABoundedNumber(t *testing.T) {
	const total = task.MaxExamined + 500
	s, places := benchState(20)
	s.Apply(2, 1, submitAll(1, total, places))
	check := func(q task.Query, next task.ID) {
		t.Helper()
		if page := s.View().List(q); len(page.Tasks) != 0 || page.Next != next {
			t.Errorf("%+v gave %d tasks and the cursor %d; want none and %d", q, len(page.Tasks), page.Next, next)
		}
	}
	check(task.Query{Slave: "nobody"}, task.MaxExamined)
	check(task.Query{Slave: "nobody", Descending: true}, total-task.MaxExamined+1)
	check(task.Query{Slave: "nobody", After: task.MaxExamined}, 0)
	check(task.Query{Outcome: task.Lost}, 0) // nothing is done: nothing to examine

	s.Apply(3, 1, completeAll(1, total, places))
	check(task.Query{Outcome: task.Lost}, task.MaxExamined)
	check(task.Query{Status: task.Pending, Slave: "nobody"}, 0)
}

func TestIterationsStopWhenTold(t *testing.T) {
	v := mixedTasks(t)
	for name, all := range map[string]func(func(task.Task) bool){"pending": v.Pending, "in progress": v.InProgress} {
		n := 0
		for range all {
			if n++; n == 3 {
				break
			}
		}
		if n != 3 {
			t.Errorf("%s stopped after %d", name, n)
		}
	}
	if has := held(v, "nobody"); has != nil {
		t.Errorf("nobody holds %+v", has)
	}
}

func TestTaskThatIsNotThere(t *testing.T) {
	v := mixedTasks(t)
	for _, id := range []task.ID{0, task.ID(v.Counts().Submitted) + 1, ^task.ID(0)} {
		if x, ok := v.Task(id); ok {
			t.Errorf("task %d is %+v", id, x)
		}
	}
}

// A page ends before its texts exceed their bound, unless one task alone has more.
func TestAPageIsBoundedByItsTexts(t *testing.T) {
	l := newLab(t)
	large := func() task.Spec {
		s := expression()
		for i := range 40 {
			s.Parameters = append(s.Parameters, task.Parameter{Name: string(rune('a'+i%26)) + string(rune('a'+i/26)), Value: task.Value{Type: task.String, Text: strings.Repeat("x", task.MaxParameterBytes)}})
		}
		slices.SortFunc(s.Parameters, func(a, b task.Parameter) int { return strings.Compare(a.Name, b.Name) })
		return s
	}()
	for range 3 {
		l.submit(expression(), nil)
		l.submit(large, nil)
		l.submit(large, nil)
	}
	v := l.state.View()
	for _, descending := range []bool{false, true} {
		var got []task.ID
		q := task.Query{Limit: task.MaxPage, Descending: descending}
		for range 9 {
			page := v.List(q)
			size := 0
			for i := range page.Tasks {
				size += page.Tasks[i].Bytes()
			}
			if size > task.MaxPageBytes && len(page.Tasks) > 1 || len(page.Tasks) == 0 {
				t.Errorf("a page of %d tasks has %d bytes", len(page.Tasks), size)
			}
			got = append(got, idsOf(page.Tasks)...)
			if q.After = page.Next; q.After == 0 {
				break
			}
		}
		want := []task.ID{1, 2, 3, 4, 5, 6, 7, 8, 9}
		if descending {
			slices.Reverse(want)
		}
		if !slices.Equal(got, want) {
			t.Errorf("descending %t: got %v", descending, got)
		}
	}
	// What is left to be examined counts over several pages.
	if page := v.List(task.Query{Kind: "none", Examine: 4}); page.Next != 4 || page.Examined != 4 {
		t.Errorf("of 4 to be examined: %d, next is %d", page.Examined, page.Next)
	}
}
