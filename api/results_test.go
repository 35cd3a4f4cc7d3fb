package api

import (
	"net/http"
	"strings"
	"testing"

	"muster/api/wire"
	"muster/task"
)

// TestOneBadResultIsRefusedAlone: the others count, in order, and the attempt of the
// bad one ends, if it can be told which it is. No slave repeats it.
func TestOneBadResultIsRefusedAlone(t *testing.T) {
	for bad, want := range map[string]struct {
		code    task.Code
		says    string
		failed  bool
		id      uint64
		attempt uint32
	}{
		`{"id":2,"attempt":1,"outcome":"lost"}`:                                              {task.CodeStaleAttempt, "outcome must be", true, 2, 1},
		`{"id":2,"attempt":1,"outcome":5}`:                                                   {task.CodeStaleAttempt, "outcome must be a string", true, 2, 1},
		`{"id":2,"attempt":1,"result_type":"date"}`:                                          {task.CodeStaleAttempt, "result_type must be", true, 2, 1},
		`{"id":2,"attempt":1,"output":"14"}`:                                                 {task.CodeStaleAttempt, `unknown field "output"`, true, 2, 1},
		`{"id":2,"attempt":1,"result":"` + strings.Repeat("x", task.MaxResultBytes+1) + `"}`: {task.CodeStaleAttempt, "result has 65537 bytes", true, 2, 1},
		`{"id":2,"attempt":1,"error":"` + strings.Repeat("x", task.MaxErrorBytes+1) + `"}`:   {task.CodeStaleAttempt, "error has 4097 bytes", true, 2, 1},
		`{"id":2,"attempt":1,"error":"` + "\xff" + `"}`:                                      {task.CodeStaleAttempt, "the result is not valid UTF-8", true, 2, 1},
		`{"id":2,"attempt":9,"outcome":"lost"}`:                                              {task.CodeStaleAttempt, "", false, 2, 9},
		`{"id":99,"attempt":1,"outcome":"lost"}`:                                             {task.CodeTaskNotFound, "There is no such task.", false, 99, 1},
		`{"id":2,"attempt":0}`:                                                               {task.CodeStaleAttempt, "attempt must be at least 1", false, 2, 0},
		`{"id":2,"attempt":4294967297}`:                                                      {task.CodeStaleAttempt, "attempt must be a whole number in range", false, 2, 0},
		`{"id":2}`:                                                                           {task.CodeStaleAttempt, "attempt is missing", false, 2, 0},
		`{"id":0,"attempt":1}`:                                                               {task.CodeTaskNotFound, "id must be at least 1", false, 0, 1},
		`{"attempt":1}`:                                                                      {task.CodeTaskNotFound, "id is missing", false, 0, 1},
		`null`:                                                                               {task.CodeTaskNotFound, "the result must be an object", false, 0, 0},
	} {
		name := bad[:min(len(bad), 60)]
		m := newLeader("http://m1")
		h := handlerOf(m)
		for range 3 {
			exchange(t, h, request("POST", "/v1/tasks", `{"expression":"1"}`))
		}
		report := `{"slave":"slave-1","incarnation":"i-1","results":[{"id":1,"attempt":1,"result":"14"},` + bad + `,{"id":3,"attempt":1,"error":"no"}]}`
		var got wire.Verdicts
		a := exchange(t, h, request("POST", "/v1/results", report))
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %.300s", name, a.StatusCode, a.body)
		}
		a.into(t, &got)
		if len(got.Results) != 3 || !got.Results[0].Accepted || !got.Results[2].Accepted {
			t.Fatalf("%s: %+v", name, got)
		}
		if v := got.Results[1]; v.Accepted || v.Code != want.code || v.ID != want.id || v.Attempt != want.attempt || !strings.Contains(v.Error, want.says) {
			t.Errorf("%s: verdict %+v", name, v)
		}
		if m.tasks[1].Outcome != task.Succeeded || m.tasks[3].Outcome != task.Failed || m.tasks[3].Error != "no" {
			t.Errorf("%s: the good ones are %+v and %+v", name, m.tasks[1], m.tasks[3])
		}
		if bad := m.tasks[2]; (bad.Status == task.Done) != want.failed || want.failed && (bad.Outcome != task.Failed || !strings.Contains(bad.Error, want.says)) {
			t.Errorf("%s: the task is %+v", name, bad)
		}
	}
}

// TestATaskMaySucceedWithoutAValue: a handler may have nothing to tell. What is said must
// be a text, though, and a type needs a value.
func TestATaskMaySucceedWithoutAValue(t *testing.T) {
	for result, want := range map[string]struct {
		outcome task.Outcome
		says    string
	}{
		`{"id":1,"attempt":1}`:                                              {task.Succeeded, ""},
		`{"id":1,"attempt":1,"outcome":"succeeded"}`:                        {task.Succeeded, ""},
		`{"id":1,"attempt":1,"outcome":"succeeded","result":null}`:          {task.Failed, "result must be a string"},
		`{"id":1,"attempt":1,"outcome":"succeeded","result_type":"string"}`: {task.Failed, "result is missing, but there is a result_type"},
	} {
		m := newLeader("http://m1")
		h := handlerOf(m)
		exchange(t, h, request("POST", "/v1/tasks", `{"expression":"1"}`))
		a := exchange(t, h, request("POST", "/v1/results", `{"slave":"slave-1","incarnation":"i-1","results":[`+result+`]}`))
		if got := m.tasks[1]; got.Status != task.Done || got.Outcome != want.outcome || got.Result != (task.Value{}) || !strings.Contains(got.Error, want.says) {
			t.Errorf("%s: got %+v with %s", result, got, a.body)
		}
		if a = exchange(t, h, request("GET", "/v1/tasks/1", "")); strings.Contains(string(a.body), `"result`) {
			t.Errorf("%s: shown as %s", result, a.body)
		}
	}
}

// TestARefusalTellsWhoWasAsked, if its client wants to know it.
func TestARefusalTellsWhoWasAsked(t *testing.T) {
	m := newLeader("http://m1")
	m.refuse = &task.Error{Code: task.CodeFullCapacity, Message: "All are busy.", Asked: []task.Asked{
		{Slave: "slave-1", Answer: task.AnswerNotAvailable, From: task.FromSlave}, {Slave: "slave-2", From: task.FromSlave},
	}}
	a := exchange(t, handlerOf(m), request("POST", "/v1/tasks?explain=true", `{"expression":"1"}`))
	const want = `"asked":[{"slave":"slave-1","answer":"I am not available.","from":"slave"},{"slave":"slave-2","answer":"","from":"slave"}]`
	if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(a.body), want) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
