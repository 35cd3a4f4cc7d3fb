package main

import (
	"strings"
	"testing"
)

func submitFake(t *testing.T, body string) *fake {
	t.Helper()
	return newFake(t, map[string]answer{
		"POST /v1/tasks":  {201, body},
		"GET /v1/tasks/7": {0, `{"task":` + taskDone + `}`},
		"GET /v1/tasks/8": {0, `{"task":` + taskRunning + `}`},
		"GET /v1/tasks/9": {0, `{"task":` + taskFailed + `}`},
	})
}

const submitted8 = `{"message":"Task successfully assigned to slave-2.","task":` + taskRunning + `,` +
	`"asked":[{"slave":"slave-1","answer":"I am not available.","from":"slave"},{"slave":"slave-2","answer":"I am available.","from":"slave"},` +
	`{"slave":"slave-3","answer":"","from":"slave"}]}`

func TestSubmit(t *testing.T) {
	f := submitFake(t, submitted8)
	f.muster(t, "submit", "sleep(7)").want(t, "submit", exitOK, `
Task successfully assigned to slave-2.
Task 8 is in progress on slave-2.
`, "")
	f.muster(t, "submit", "sleep(7)", "--explain").want(t, "submit --explain", exitOK, `
SLAVE    ANSWER               FROM
slave-1  I am not available.  slave
slave-2  I am available.      slave
slave-3  (silence)            slave
Task successfully assigned to slave-2.
Task 8 is in progress on slave-2.
`, "")
	if got := f.last(t).call; got != "POST /v1/tasks?explain=true" {
		t.Errorf("asked %q", got)
	}
}

func TestSubmitSendsWhatWasSaid(t *testing.T) {
	f := submitFake(t, submitted8)
	f.muster(t, "submit", "-p", "x=4", "-p", `s="4"`, "-p", "t=true", "-p", "w=four", "-p", "e=", "--key", "k 1",
		"--timeout", "1m30s", "--max-tries", "2", "--not-before", "90s", "--deadline", "2026-11-24T06:00:00Z", "--backoff", "10s",
		"--label", "team=maths", "--require", "zone=a=b", "--require", "gpu=", "--", "-x + 1")
	got := f.last(t)
	want := `{"deadline":"2026-11-24T06:00:00Z","expression":"-x + 1","labels":{"team":"maths"},"max_tries":2,"not_before":"90s",` +
		`"parameters":{"e":"","s":"4","t":true,"w":"four","x":4},"requires":{"gpu":"","zone":"a=b"},"retry":{"backoff":"10s"},"timeout_ms":90000}`
	if !strings.Contains(got.body, `"expression":"-x + 1"`) || canonical(t, got.body) != want || got.key != "k 1" {
		t.Errorf("sent %s with key %q, want %s", canonical(t, got.body), got.key, want)
	}
}

func TestSubmitWaits(t *testing.T) {
	for _, args := range [][]string{
		{"submit", "2+3*x", "--wait"},
		{"submit", "--wait", "2+3*x"},
		{"submit", "2+3*x", "--wait", "10s"},
		{"submit", "--wait", "10s", "2+3*x"},
		{"submit", "2+3*x", "--wait=10s"},
	} {
		f := submitFake(t, strings.ReplaceAll(submitted8, taskRunning, strings.ReplaceAll(taskRunning, `"id":8`, `"id":7`)))
		f.muster(t, args...).want(t, strings.Join(args, " "), exitOK, `
Task successfully assigned to slave-2.
Task 7 is done: 14
`, "")
	}
}

func TestSubmitExitCodes(t *testing.T) {
	failing := submitFake(t, strings.ReplaceAll(submitted8, taskRunning, strings.ReplaceAll(taskRunning, `"id":8`, `"id":9`)))
	failing.muster(t, "submit", "1/0", "--wait").want(t, "a task that fails", exitTaskFailed, `
Task successfully assigned to slave-2.
Task 9 is done, but failed: not a number
`, `
muster: task 9 failed: not a number
`)
	lasting := submitFake(t, submitted8)
	lasting.muster(t, "submit", "sleep(7)", "--wait", "20ms").want(t, "a wait that ends", exitWaitEnded, `
Task successfully assigned to slave-2.
Task 8 is in progress on slave-2.
`, `
muster: task 8 is not done after 20ms; it goes on: muster tasks wait 8
`)
	full := newFake(t, map[string]answer{"POST /v1/tasks": {
		503, `{"error":"No slave has a free slot (2 of 2 busy).","code":"full_capacity","slots":2,"busy":2}`,
	}})
	full.muster(t, "submit", "1").want(t, "full capacity", exitCapacity, "", `
muster: No slave has a free slot (2 of 2 busy).
`)
	refusal := answer{
		503, `{"error":"No slave has a free slot (1 of 2 busy).","code":"full_capacity","slots":2,"busy":1,"asked":[` +
			`{"slave":"slave-1","answer":"I am not available.","from":"slave"},{"slave":"slave-2","answer":"","from":"slave"},{"slave":"slave-3","answer":"","from":"books"},{"slave":"slave-4","answer":"","from":"books","why":"is draining"}]}`,
	}
	explained := newFake(t, map[string]answer{"POST /v1/tasks": refusal})
	explained.muster(t, "submit", "1", "--explain").want(t, "full capacity, explained", exitCapacity, `
SLAVE    ANSWER                       FROM
slave-1  I am not available.          slave
slave-2  (silence)                    slave
slave-3  (not asked)                  books
slave-4  (not asked: it is draining)  books
`, `
muster: No slave has a free slot (1 of 2 busy).
`)
	if o := explained.muster(t, "submit", "1", "--explain", "-o", "json"); o.code != exitCapacity || canonical(t, o.stdout) != canonical(t, refusal.body) {
		t.Errorf("full capacity, explained in JSON: %+v", o)
	}
	nobody := newFake(t, map[string]answer{"POST /v1/tasks": {503, `{"error":"no slave that is alive runs it","code":"no_slave_for_kind"}`}})
	nobody.muster(t, "submit", "1", "--explain").want(t, "nobody to ask, explained", exitCapacity, "No slave was asked.\n", "muster: no slave that is alive runs it\n")
	nobody.muster(t, "submit", "1", "--explain", "-o", "jsonl").want(t, "nobody to ask, explained in JSON", exitCapacity,
		`{"error":"no slave that is alive runs it","code":"no_slave_for_kind","asked":[]}`+"\n", "muster: no slave that is alive runs it\n")
	wrong := newFake(t, map[string]answer{"POST /v1/tasks": {
		400, `{"error":"1 parenthesis is not closed.","code":"invalid_expression"}`,
	}})
	wrong.muster(t, "submit", "(").want(t, "a wrong expression", exitFailure, "", `
muster: 1 parenthesis is not closed.
`)
	range9 := newFake(t, map[string]answer{"POST /v1/tasks": {400, `{"error":"priority must be from 0 to 9","code":"invalid_request"}`}})
	range9.muster(t, "submit", "1", "--priority", "10").want(t, "a flag that only a master can judge", exitUsage, "", `
muster: priority must be from 0 to 9
  see: muster submit --help
`)
}

func TestSubmitAsJSON(t *testing.T) {
	f := submitFake(t, `{"message":"Task successfully assigned to slave-1.","task":`+taskDone+`}`)
	o := f.muster(t, "submit", "2+3*x", "-o", "jsonl")
	if want := `{"message":"Task successfully assigned to slave-1.","task":` + taskDone + `}`; canonical(t, o.stdout) != canonical(t, want) || o.stderr != "" || strings.Count(o.stdout, "\n") != 1 {
		t.Errorf("jsonl: %+v", o)
	}
	o = f.muster(t, "submit", "2+3*x", "-o", "json", "--wait")
	if canonical(t, o.stdout) != canonical(t, `{"message":"Task successfully assigned to slave-1.","task":`+taskDone+`}`) || strings.Count(o.stdout, "\n") < 5 {
		t.Errorf("json: %+v", o)
	}
}
