package api

import (
	"net/http"
	"strings"
	"testing"

	"muster/api/wire"
	"muster/task"
)

// TestWhatIsKnownUnderAnOlderNameGoesOnWorking: names were once checked for less.
func TestWhatIsKnownUnderAnOlderNameGoesOnWorking(t *testing.T) {
	m := newLeader("http://m1")
	m.slaves[0].Name, m.slaves[0].Kinds = "a?b", []task.Kind{{Name: "make,it", Idempotent: true}}
	h := handlerOf(m)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/v1/slaves", `{"name":"a?b","url":"http://h","incarnation":"i","kinds":[{"name":"make,it","idempotent":true}]}`, http.StatusOK},
		{"/v1/slaves", `{"name":"a?b","url":"http://h","incarnation":"i","kinds":[{"name":"make,that","idempotent":true}]}`, http.StatusBadRequest},
		{"/v1/slaves", `{"name":"b?a","url":"http://h","incarnation":"i"}`, http.StatusBadRequest},
		{"/v1/tasks", `{"expression":"1","kind":"make,it"}`, http.StatusCreated},
		{"/v1/tasks", `{"expression":"1","kind":"make,that"}`, http.StatusBadRequest},
	} {
		if a := exchange(t, h, request("POST", c.path, c.body)); a.StatusCode != c.status {
			t.Errorf("%s %s: %d %s; want %d", c.path, c.body, a.StatusCode, a.body, c.status)
		}
	}
	m.id = "m 1"
	if a := exchange(t, handlerOf(m), request("POST", "/join", `{"id":"m 1","raft_address":"h:1","api_url":"http://h"}`)); a.StatusCode == http.StatusBadRequest {
		t.Errorf("a member tells where it is: %d %s", a.StatusCode, a.body)
	}
}

// TestAKeyIsTheSameHoweverItComes: HTTP drops blanks around a header's value.
func TestAKeyIsTheSameHoweverItComes(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	const key = " order 17\t "
	var batch wire.BatchAnswer
	exchange(t, h, request("POST", "/v1/tasks/batch", `{"tasks":[{"expression":"1","idempotency_key":" order 17\t "}]}`)).into(t, &batch)
	if len(batch.Results) != 1 || batch.Results[0].Task == nil || batch.Results[0].Task.IdempotencyKey != "order 17" {
		t.Fatalf("%+v", batch)
	}
	r := request("POST", "/v1/tasks", `{"expression":"1"}`)
	r.Header["Idempotency-Key"] = []string{key}
	var one wire.Submitted
	if exchange(t, h, r).into(t, &one); one.Task.ID != batch.Results[0].Task.ID {
		t.Errorf("by a header it is task %d, by a batch task %d", one.Task.ID, batch.Results[0].Task.ID)
	}
	exchange(t, h, request("POST", "/v1/tasks/batch", `{"tasks":[{"expression":"1","idempotency_key":"a\nb"},{"expression":"1","idempotency_key":" "}]}`)).into(t, &batch)
	for i, result := range batch.Results {
		if result.Code != task.CodeInvalidRequest || !strings.Contains(result.Error, "is not a key") {
			t.Errorf("result %d: %+v", i, result)
		}
	}
	var page wire.TaskPage
	if exchange(t, h, request("GET", "/v1/tasks?key=order+17+", "")).into(t, &page); len(page.Tasks) != 1 {
		t.Errorf("a list finds %d tasks", len(page.Tasks))
	}
}
