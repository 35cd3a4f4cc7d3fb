package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/api/wire"
	"muster/task"
)

// TestABatchHasAResultForEachTask: what is wrong with one is no harm to the others.
func TestABatchHasAResultForEachTask(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	const body = `{"tasks":[{"expression":"1","idempotency_key":"a","priority":3},{"expression":"("},{"expression":"full"},
		{"expression":"2","priority":10},{"expression":"3","when_full":"maybe"},{"expression":"4","idempotency_key":"ü"},{"expression":"1","idempotency_key":"a","priority":3}]}`
	var got wire.BatchAnswer
	a := exchange(t, h, request("POST", "/v1/tasks/batch", body))
	a.into(t, &got)
	if a.StatusCode != http.StatusOK || len(got.Results) != 7 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	codes := []task.Code{"", task.CodeInvalidExpression, task.CodeFullCapacity, task.CodeInvalidRequest, task.CodeInvalidRequest, task.CodeInvalidRequest, ""}
	for i, r := range got.Results {
		if r.Code != codes[i] || (r.Task == nil) != (codes[i] != "") || (r.Error == "") != (codes[i] == "") {
			t.Errorf("result %d is %+v, want code %q", i, r, codes[i])
		}
	}
	if first, last := got.Results[0], got.Results[6]; first.Task.Priority != 3 || first.Existing || !last.Existing || last.Task.ID != first.Task.ID {
		t.Errorf("%+v and, with the same key, %+v", first, last)
	}
	for name, bad := range map[string]string{
		"none":          `{"tasks":[]}`,
		"missing":       `{}`,
		"unknown field": `{"tasks":[{"expression":"1"}],"prio":1}`,
		"twice":         `{"tasks":[{"expression":"1"}],"tasks":[{"expression":"1"}]}`,
		"no array":      `{"tasks":{"expression":"1"}}`,
		"not JSON":      `{"tasks":[{"expression":"1"},{]}`,
		"trailing":      `{"tasks":[{"expression":"1"}]}]`,
		"too many":      `{"tasks":[` + strings.Repeat(`{"expression":"1"},`, wire.MaxElements) + `{"expression":"1"}]}`,
	} {
		if a := exchange(t, h, request("POST", "/v1/tasks/batch", bad)); a.code(t) != task.CodeInvalidRequest {
			t.Errorf("%s: %d %.200s", name, a.StatusCode, a.body)
		}
	}
	explained := exchange(t, h, request("POST", "/v1/tasks/batch?explain=true", `{"tasks":[{"expression":"1"}]}`))
	if explained.code(t) != task.CodeInvalidRequest || !strings.Contains(string(explained.body), "only a task that is submitted alone, by POST /v1/tasks, is explained") {
		t.Errorf("explain: %s", explained.body)
	}
	if a := exchange(t, h, request("POST", "/v1/tasks/batch", strings.Repeat(" ", maxBatchBody+1))); a.code(t) != task.CodeBodyTooLarge {
		t.Errorf("a large body: %d %s", a.StatusCode, a.body)
	}
}

// TestMalformedItemsAreRefusedOneByOne: in order, and the good ones are recorded.
func TestMalformedItemsAreRefusedOneByOne(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	const body = `{"tasks":[7,{"expression":"1"},{"expression":"1","prio":1},{},{"expression":"2","priority":"3"},
		{"expression":"\ud800"},{"expression":"3"},{"expression":"4","expression":"5"},{"expression":"("},null]}`
	var got wire.BatchAnswer
	a := exchange(t, h, request("POST", "/v1/tasks/batch", body))
	a.into(t, &got)
	if a.StatusCode != http.StatusOK || len(got.Results) != 10 {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	for i, r := range got.Results {
		switch i {
		case 1, 6:
			if r.Task == nil || r.Code != "" || r.Task.ID != uint64(1+i/6) {
				t.Errorf("result %d is %+v, want a task", i, r)
			}
		case 8:
			if r.Task != nil || r.Code != task.CodeInvalidExpression {
				t.Errorf("result %d is %+v", i, r)
			}
		default:
			if r.Task != nil || r.Code != task.CodeInvalidRequest || r.Error == "" {
				t.Errorf("result %d is %+v, want %s", i, r, task.CodeInvalidRequest)
			}
		}
	}
	a = exchange(t, h, request("POST", "/v1/tasks/batch", `{"tasks":[null,{}]}`))
	const none = `{"results":[{"error":"the task must be an object","code":"invalid_request"},{"error":"expression is missing","code":"invalid_request"}]}`
	if a.StatusCode != http.StatusOK || strings.TrimSpace(string(a.body)) != none {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// TestBatchesTakeTurns: a second one waits for a while, and is then told.
func TestBatchesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := make(room, 1)
		release, refusal := r.turn(t.Context())
		if refusal != nil {
			t.Fatal(refusal)
		}
		began := time.Now()
		if _, refusal := r.turn(t.Context()); refusal == nil || refusal.Code != task.CodeOverloaded || time.Since(began) != roomWait {
			t.Errorf("%v after %v", refusal, time.Since(began))
		}
		time.AfterFunc(roomWait/2, release)
		if _, refusal := r.turn(t.Context()); refusal != nil {
			t.Errorf("after the first had ended: %v", refusal)
		}
	})
}

// TestAFollowerCarriesABatch: as large as the leader takes them, with the key and
// the outcome of each task; what is larger is refused by the follower.
func TestAFollowerCarriesABatch(t *testing.T) {
	leads, follows, _ := pair(t, Config{})
	if _, err := leads.Submit(t.Context(), Submission{Spec: task.Spec{Kind: "expression", Expression: "1"}, Key: "a"}); err != nil {
		t.Fatal(err)
	}
	const (
		items  = `{"expression":"1","idempotency_key":"a"},{"expression":"("},{"expression":"full"},{"expression":"2","idempotency_key":"b"}`
		before = `{"tasks":[` + items
		after  = `]}`
	)
	target := follows.url + "/v1/tasks/batch?forward=true"
	body := before + strings.Repeat(" ", maxBatchBody-len(before)-len(after)) + after
	for _, repeated := range []bool{false, true} {
		var got wire.BatchAnswer
		a := send(t, "POST", target, body)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%d %.200s", a.StatusCode, a.body)
		}
		if a.into(t, &got); len(got.Results) != 4 || a.Header.Get("Muster-Leader") != leads.url {
			t.Fatalf("%s %v", a.body, a.Header)
		}
		for i, code := range []task.Code{"", task.CodeInvalidExpression, task.CodeFullCapacity, ""} {
			if r := got.Results[i]; r.Code != code || (r.Task == nil) != (code != "") {
				t.Errorf("result %d is %+v, want code %q", i, r, code)
			}
		}
		known, fresh := got.Results[0], got.Results[3]
		if !known.Existing || known.Task.ID != 1 || fresh.Existing != repeated || fresh.Task.ID != 2 || fresh.Task.IdempotencyKey != "b" {
			t.Errorf("%s", a.body)
		}
	}
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a leader without a bound
		w.WriteHeader(http.StatusOK)
	}))
	defer sink.Close()
	follows.mu.Lock()
	follows.wrongURL = sink.URL
	follows.mu.Unlock()
	if a := send(t, "POST", target, body+" "); a.StatusCode != http.StatusRequestEntityTooLarge || a.code(t) != task.CodeBodyTooLarge {
		t.Errorf("one byte more: %d %.200s", a.StatusCode, a.body)
	}
}

// TestSubmitWaits answers with the finished task, or with the task so far.
func TestSubmitWaits(t *testing.T) {
	m := newLeader("http://m1")
	h := handlerOf(m)
	var got wire.Submitted
	a := exchange(t, h, request("POST", "/v1/tasks?wait=10ms", `{"expression":"1"}`))
	a.into(t, &got)
	if a.StatusCode != http.StatusAccepted || got.Task.Status == wire.TaskStatusDone {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := exchange(t, h, request("POST", "/v1/tasks?wait=long", `{"expression":"1"}`)); a.code(t) != task.CodeInvalidRequest {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
