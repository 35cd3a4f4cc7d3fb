package main

import (
	"net/url"
	"strings"
	"testing"
)

func TestTasksList(t *testing.T) {
	f := newFake(t, map[string]answer{"GET /v1/tasks": {0, `{"tasks":[` + taskDone + `,` + taskRunning + `,` + taskFailed + `],"next":"9",` +
		`"counts":{"submitted":12,"pending":2,"in_progress":1,"done":9}}`}})
	f.muster(t, "tasks", "list", "--limit", "3").want(t, "tasks list", exitOK, `
ID  STATUS        RESULT        SLAVE    TRIES  SUBMITTED             TOOK  EXPRESSION
 7  done          14            slave-1      1  2026-01-02T03:04:05Z  7s    2+3*x
 8  in progress   -             slave-2      1  2026-01-02T03:04:06Z  -     sleep(7)
 9  done, failed  not a number  slave-1      1  2026-01-02T03:04:07Z  20ms  1/"\x1b[31m"

2 pending, 1 in progress, 9 done
There is more: --cursor 9, or --all
`, "")

	o := f.muster(t, "tasks", "list", "--status", "done", "--outcome", "failed", "--slave", "slave-1", "--order", "desc", "--limit", "3", "--cursor", "5", "--linearizable", "-o", "jsonl")
	if lines := strings.Split(strings.TrimSpace(o.stdout), "\n"); len(lines) != 3 || canonical(t, lines[0]) != canonical(t, taskDone) {
		t.Errorf("jsonl is not a task a line: %s", o.stdout)
	}
	call := f.last(t).call
	for _, want := range []string{"status=done", "outcome=failed", "slave=slave-1", "order=desc", "limit=3", "cursor=5", "consistency=linearizable"} {
		if !strings.Contains(call, want) {
			t.Errorf("asked %q, without %s", call, want)
		}
	}
	f.muster(t, "tasks", "list", "--limit", "3", "--kind", "own", "--label", "team=maths", "--label", "run=7", "--key", "k-7", "--id", "7,8", "--submitted-after", "2026-01-02T03:04:05Z", "--submitted-before", "2026-01-02T03:04:06.5+01:00",
		"--finished-after", "2026-01-02T03:04:07Z", "--finished-before", "2026-01-02T03:04:08Z")
	call, err := url.PathUnescape(f.last(t).call)
	for _, want := range []string{
		"kind=own", "label=run=7&label=team=maths", "key=k-7", "id=7,8", "submitted_after=2026-01-02T03:04:05Z", "submitted_before=2026-01-02T03:04:06.5+01:00",
		"finished_after=2026-01-02T03:04:07Z", "finished_before=2026-01-02T03:04:08Z",
	} {
		if !strings.Contains(call, want) {
			t.Errorf("asked %q, %v, without %s", call, err, want)
		}
	}
	o = f.muster(t, "tasks", "list", "--limit", "3", "-o", "json")
	if !strings.Contains(canonical(t, o.stdout), `"counts":{"done":9,"in_progress":1,"pending":2,"submitted":12},"next":"9"`) {
		t.Errorf("json: %s", o.stdout)
	}
}

func TestTasksListAllPages(t *testing.T) {
	f := newFake(t, nil)
	f.Config.Handler = pages{}
	o := f.muster(t, "tasks", "list", "--all", "-o", "jsonl")
	if got := strings.Count(o.stdout, "\n"); got != 3 || o.code != exitOK {
		t.Errorf("%d tasks of 3 pages: %+v", got, o)
	}
}

// A page may be shorter than the limit, because masters bound pages by bytes, too.
func TestTasksListGoesOnWhereAPageIsShort(t *testing.T) {
	f := newFake(t, nil)
	f.Config.Handler = pages{}
	for limit, want := range map[string]int{"1": 1, "2": 2, "50": 3} {
		o := f.muster(t, "tasks", "list", "--limit", limit, "-o", "jsonl")
		if got := strings.Count(o.stdout, "\n"); got != want || o.code != exitOK {
			t.Errorf("--limit %s: %d tasks of pages with one each, want %d: %+v", limit, got, want, o)
		}
	}
	if o := f.muster(t, "tasks", "list", "--limit", "2"); !strings.Contains(o.stdout, "--cursor b") {
		t.Errorf("where it goes on: %s", o.stdout)
	}
}

func TestTasksGet(t *testing.T) {
	f := newFake(t, map[string]answer{
		"GET /v1/tasks/7": {0, `{"task":` + taskDone + `}`},
		"GET /v1/tasks/5": {404, `{"error":"There is no task 5.","code":"task_not_found"}`},
	})
	//nolint:dupword // a kind and a line of the table
	f.muster(t, "tasks", "get", "7").want(t, "tasks get", exitOK, `
TASK        7
status      done
result      14
kind        expression
expression  2+3*x
parameters  n="4", x=4
key         k-7
slave       slave-1
attempt     1
tries       1 of 3
submitted   2026-01-02T03:04:05Z
started     2026-01-02T03:04:05Z
finished    2026-01-02T03:04:12Z
took        7s
index       12
`, "")
	f.muster(t, "tasks", "get", "5").want(t, "a task that is not there", exitNotFound, "", "muster: There is no task 5.\n")
	o := f.muster(t, "tasks", "get", "7", "-o", "json")
	if canonical(t, o.stdout) != canonical(t, `{"task":`+taskDone+`}`) {
		t.Errorf("json: %s", o.stdout)
	}
}

func TestTasksWait(t *testing.T) {
	f := submitFake(t, "")
	f.muster(t, "tasks", "wait", "7").want(t, "a task that is done", exitOK, "Task 7 is done: 14\n", "")
	f.muster(t, "tasks", "wait", "8", "--for", "20ms").want(t, "a wait that ends", exitWaitEnded,
		"Task 8 is in progress on slave-2.\n", "muster: task 8 is not done after 20ms; it goes on: muster tasks wait 8\n")
	f.muster(t, "tasks", "wait", "9").want(t, "a task that failed", exitTaskFailed,
		"Task 9 is done, but failed: not a number\n", "muster: task 9 failed: not a number\n")
}
