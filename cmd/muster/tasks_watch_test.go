package main

import (
	"strings"
	"testing"
)

// watchFake answers a watch with text, once, and knows tasks 7 and 9.
func watchFake(t *testing.T, text string) *fake {
	t.Helper()
	return newFake(t, map[string]answer{
		"GET /v1/events":  {0, text},
		"GET /v1/masters": {0, `{"masters":[]}`},
		"GET /v1/tasks/7": {0, `{"task":` + taskRunning + `}`},
		"GET /v1/tasks/9": {0, `{"task":` + taskRunning + `}`},
		"GET /v1/tasks/1": {410, `{"error":"Task 1 was done and has been forgotten.","code":"task_forgotten"}`},
	})
}

func taskEventJSON(id, change, task string) string {
	place := ""
	if id != "" {
		place = "id: " + id + "\n"
	}
	return "event: task\n" + place + `data: {"id":"` + id + `","change":"` + change + `","task":` + task + "}\n\n"
}

func TestTasksWatch(t *testing.T) {
	waiting := strings.Replace(taskRunning, `"status":"in_progress"`, `"status":"pending"`, 1)
	f := watchFake(t, "id: 3\n\n"+taskEventJSON("4-0", "submitted", waiting)+taskEventJSON("4-1", "assigned", taskRunning)+
		taskEventJSON("5-0", "done", taskDone)) // again and again: what was shown is not shown again
	o := f.muster(t, "tasks", "watch", "--after", "3", "--kind", "expression", "--for", "300ms")
	o.want(t, "watch", exitOK, `
2026-01-02T03:04:06Z  Task 8 was submitted: sleep(7)
2026-01-02T03:04:06Z  Task 8 is in progress on slave-2.
2026-01-02T03:04:12Z  Task 7 is done: 14
`, "")
	if got := f.asked[1].call; got != "GET /v1/events?after=3&types=task&kind=expression" {
		t.Errorf("asked %q", got)
	}
	if got := f.last(t).call; got != "GET /v1/events?after=5-0&types=task&kind=expression" {
		t.Errorf("asked again %q", got)
	}
	o = f.muster(t, "tasks", "watch", "--for", "100ms", "-o", "jsonl")
	if line, _, _ := strings.Cut(o.stdout, "\n"); canonical(t, line) != canonical(t, `{"id":"4-0","change":"submitted","task":`+waiting+`}`) {
		t.Errorf("jsonl: %+v", o)
	}
}

func TestTasksWatchNeedsAMaster(t *testing.T) {
	o := muster(t, nil, "--address", "http://127.0.0.1:1", "--request-timeout", "50ms", "tasks", "watch")
	if o.code != exitUnreachable || o.stdout != "" {
		t.Errorf("nobody there: %+v", o)
	}
}

func TestTasksWatchSaysWhatItMissed(t *testing.T) {
	f := watchFake(t, "event: reset\ndata: {\"reason\":\"it is too long ago\"}\n\n"+taskEventJSON("", "present", taskFailed))
	o := f.muster(t, "tasks", "watch", "--for", "100ms")
	if !strings.HasPrefix(o.stderr, "muster: it is too long ago; this is how things are now\n") || !strings.HasPrefix(o.stdout, "2026-01-02T03:04:07Z  Task 9 is done, but failed: not a number\n") {
		t.Errorf("%+v", o)
	}
}

func TestTasksWatchUntilDone(t *testing.T) {
	f := watchFake(t, taskEventJSON("", "present", taskRunning)+taskEventJSON("", "present", taskFailed)+taskEventJSON("6-0", "done", taskDone))
	f.muster(t, "tasks", "watch", "7", "9", "--until-done").want(t, "watch", exitTaskFailed, `
2026-01-02T03:04:06Z  Task 8 is in progress on slave-2.
2026-01-02T03:04:07Z  Task 9 is done, but failed: not a number
2026-01-02T03:04:12Z  Task 7 is done: 14
`, `
muster: task 9 failed: not a number
`)
	if got := f.last(t).call; got != "GET /v1/events?resync=true&types=task&id=7,9" {
		t.Errorf("asked %q", got)
	}
	f = watchFake(t, taskEventJSON("", "present", taskDone))
	if o := f.muster(t, "tasks", "watch", "7", "--until-done"); o.code != exitOK {
		t.Errorf("%+v", o)
	}
	f = watchFake(t, taskEventJSON("", "present", taskRunning))
	if o := f.muster(t, "tasks", "watch", "7", "--until-done", "--for", "100ms"); o.code != exitWaitEnded || !strings.Contains(o.stderr, "1 tasks are not done after 100ms") {
		t.Errorf("%+v", o)
	}
	if o := f.muster(t, "tasks", "watch", "1", "--until-done"); o.code != exitNotFound || !strings.Contains(o.stderr, "forgotten") {
		t.Errorf("%+v", o)
	}
	for _, args := range [][]string{{"--until-done"}, {"7", "--until-done", "--status", "done"}, {"7", "--until-done", "--after", "3"}, {"x"}, {"--for", "-1s"}} {
		if o := f.muster(t, append([]string{"tasks", "watch"}, args...)...); o.code != exitUsage {
			t.Errorf("%v: %+v", args, o)
		}
	}
}
