package demo

import (
	"strings"
	"testing"

	"muster/api/client"
)

func doneTask(id uint64, key, result string) client.Task {
	return client.Task{ID: id, IdempotencyKey: key, Status: client.TaskDone, Outcome: client.Succeeded, Result: &result, Attempt: 1}
}

func TestAudit(t *testing.T) {
	entries := []entry{{id: 1, key: "a", want: "14"}, {id: 2, key: "b", want: "17"}}
	right := func() []client.Task { return []client.Task{doneTask(1, "a", "14"), doneTask(2, "b", "17")} }
	for _, c := range []struct {
		what    string
		entries []entry
		change  func(tasks []client.Task) []client.Task
		blames  string // empty: nothing is wrong
	}{
		{"all right", entries, func(l []client.Task) []client.Task { return l }, ""},
		{"a task is missing", entries, func(l []client.Task) []client.Task { return l[:1] }, "task 2 was acknowledged and is not in the list"},
		{"a task is there twice", entries, func(l []client.Task) []client.Task { return append(l, l[0]) }, "task 1 is in the list 2 times"},
		{"a task too many", entries, func(l []client.Task) []client.Task { return append(l, doneTask(3, "c", "1")) }, "task 3 () is in the list, but nobody was told so"},
		{"a key made two tasks", entries, func(l []client.Task) []client.Task { return append(l, doneTask(3, "b", "1")) }, `tasks 2 and 3 have the same key "b"`},
		{"a wrong result", entries, func(l []client.Task) []client.Task { l[1] = doneTask(2, "b", "18"); return l }, `task 2 came to "18", not "17"`},
		{"no result", entries, func(l []client.Task) []client.Task { l[1].Result = nil; return l }, "task 2 has no result"},
		{"another's key", entries, func(l []client.Task) []client.Task { l[1].IdempotencyKey = "z"; return l }, `task 2 has the key "z", not "b"`},
		{"not done", entries, func(l []client.Task) []client.Task { l[1].Status = client.TaskPending; return l }, "task 2 is pending, not done"},
		{"failed", entries, func(l []client.Task) []client.Task {
			l[1].Outcome, l[1].Error = client.Failed, "no tries left"
			return l
		}, "task 2 is done, but failed: no tries left"},
		{"one task for two keys", append(entries, entry{id: 2, key: "c", want: "17"}), func(l []client.Task) []client.Task { return l }, "task 2 was acknowledged for two different keys"},
	} {
		f := finding{master: "m1"}
		f.compare(c.change(right()), c.entries)
		all := strings.Join(f.wrong, "; ")
		switch {
		case c.blames == "" && (len(f.wrong) > 0 || f.right != 2 || f.tasks != 2):
			t.Errorf("%s: %+v", c.what, f)
		case !strings.Contains(all, c.blames):
			t.Errorf("%s: blames %q, not %q", c.what, all, c.blames)
		}
	}
	f := finding{}
	again := right()
	again[0].Attempt = 2
	if f.compare(again, entries); f.again != 1 || f.right != 2 {
		t.Errorf("a second attempt is counted as %+v", f)
	}
}

func TestAccounts(t *testing.T) {
	open := doneTask(3, "c", "")
	open.Status = client.TaskInProgress
	tasks := map[uint64]client.Task{1: doneTask(1, "a", "14"), 2: doneTask(2, "b", "wrong"), 3: open}
	a := accountOf(tasks, []entry{{id: 1, want: "14"}, {id: 2, want: "17"}, {id: 3, want: "1"}, {id: 4, want: "1"}})
	if got, want := a.words(paint{}), "4 acknowledged: 1 done, 1 to do, 1 wrong, 1 missing"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := accountOf(tasks, []entry{{id: 1, want: "14"}}).words(paint{}), "1 acknowledged: 1 done, 0 to do, 0 missing"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
