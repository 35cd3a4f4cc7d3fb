package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/api/wire"
	"muster/task"
)

const jsonType = "application/json"

// request makes one as a client would.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1"
	if body != "" {
		r.Header.Set("Content-Type", jsonType)
	}
	return r
}

func handlerOf(m *fakeMaster) http.Handler { return New(Config{Backend: m, SelfURL: m.url}) }

func TestSubmit(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	a := exchange(t, h, request("POST", "/v1/tasks", `{"expression":"2+3*x","parameters":{"x":9007199254740993},"max_tries":2,"timeout_ms":10}`))
	var s wire.Submitted
	a.into(t, &s)
	if a.StatusCode != http.StatusCreated || s.Message != "Task successfully assigned to slave-1." || s.Asked != nil || s.Task.ID != 1 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if !strings.Contains(string(a.body), `"parameters":{"x":9007199254740993}`) {
		t.Errorf("digits were lost: %s", a.body)
	}
	if s.Task.MaxTries != 2 || s.Task.TimeoutMS != 10 || s.Task.Kind != "expression" {
		t.Errorf("the spec is %+v", s.Task)
	}
	if a.Header.Get("Muster-Index") != "2" || a.Header.Get("Muster-Leader") != "http://m1" {
		t.Errorf("stamps %v", a.Header)
	}
}

func TestSubmitWithKey(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	submit := func(keys ...string) answered {
		r := request("POST", "/submit-task?explain=true", `{"expression":"1<2"}`)
		r.Header["Idempotency-Key"] = keys
		return exchange(t, h, r)
	}
	var first, second wire.Submitted
	a := submit("a key")
	a.into(t, &first)
	b := submit("a key")
	b.into(t, &second)
	if a.StatusCode != http.StatusCreated || b.StatusCode != http.StatusOK || first.Task.ID != second.Task.ID {
		t.Errorf("got %s and %s", a.body, b.body)
	}
	if second.Message != "Task 1 was submitted before with this Idempotency-Key; it is in progress on slave-1." {
		t.Errorf("got %q", second.Message)
	}
	want := []wire.Asked{{Slave: "slave-0", From: "slave"}, {Slave: "slave-1", Answer: "I am available.", From: "books"}}
	if !slices.Equal(first.Asked, want) {
		t.Errorf("asked %+v", first.Asked)
	}
	if !strings.Contains(string(a.body), `"1<2"`) {
		t.Errorf("escaped for a browser: %s", a.body)
	}
	for _, keys := range [][]string{{""}, {"a", "a"}, {"ü"}, {"a\x7f"}, {strings.Repeat("k", 256)}} {
		if a := submit(keys...); a.StatusCode != http.StatusBadRequest || !strings.Contains(string(a.body), "Idempotency-Key") {
			t.Errorf("%q: got %d %s", keys, a.StatusCode, a.body)
		}
	}
}

func TestTasksAreRead(t *testing.T) {
	m := newLeader("http://m1")
	h := handlerOf(m)
	for range 5 {
		exchange(t, h, request("POST", "/v1/tasks", `{"expression":"1"}`))
	}
	report := `{"slave":"slave-1","incarnation":"i-1","free":1,"slots":2,"counter":3,"results":[
		{"id":2,"attempt":1,"result":"14","result_type":"number"},{"id":3,"attempt":1,"error":"division by zero"},
		{"id":4,"attempt":9,"result":"x"},{"id":99,"attempt":1}]}`
	var verdicts wire.Verdicts
	exchange(t, h, request("POST", "/v1/results", report)).into(t, &verdicts)
	got := make([]task.Code, len(verdicts.Results))
	for i, v := range verdicts.Results {
		got[i] = v.Code
		if v.Accepted != (v.Code == "") || v.Accepted != (v.Error == "") {
			t.Errorf("verdict %+v", v)
		}
	}
	if !slices.Equal(got, []task.Code{"", "", task.CodeStaleAttempt, task.CodeTaskNotFound}) {
		t.Errorf("verdicts %v", got)
	}

	var one wire.TaskAnswer
	exchange(t, h, request("GET", "/v1/tasks/2", "")).into(t, &one)
	if *one.Task.Result != "14" || one.Task.ResultType != "number" || one.Task.Outcome != "succeeded" || one.Task.Status != "done" {
		t.Errorf("got %+v", one.Task)
	}
	list := func(query string) (ids []uint64, next string) {
		var p wire.TaskPage
		exchange(t, h, request("GET", "/v1/tasks?"+query, "")).into(t, &p)
		for _, t := range p.Tasks {
			ids = append(ids, t.ID)
		}
		if p.Counts != (wire.Counts{Submitted: 5, InProgress: 3, Done: 2}) {
			t.Errorf("counts %+v", p.Counts)
		}
		return ids, p.Next
	}
	for query, want := range map[string][]uint64{
		"": {1, 2, 3, 4, 5}, "order=desc": {5, 4, 3, 2, 1}, "status=done": {2, 3}, "status=in_progress": {1, 4, 5},
		"outcome=failed": {3}, "slave=slave-2": nil, "slave=slave-1&limit=1000": {1, 2, 3, 4, 5}, "status=pending": nil,
	} {
		if ids, next := list(query); !slices.Equal(ids, want) || next != "" {
			t.Errorf("%s: got %v, %q", query, ids, next)
		}
	}
	for _, order := range []string{"asc", "desc"} {
		var all []uint64
		cursor := ""
		for range 3 {
			ids, next := list("limit=2&order=" + order + cursor)
			all = append(all, ids...)
			cursor = "&cursor=" + next
		}
		want := []uint64{1, 2, 3, 4, 5}
		if order == "desc" {
			slices.Reverse(want)
		}
		if !slices.Equal(all, want) || cursor != "&cursor=" {
			t.Errorf("%s: got %v, then %q", order, all, cursor)
		}
	}

	a := exchange(t, h, request("GET", "/get-tasks", ""))
	if !strings.Contains(string(a.body), `"status":"in progress"`) || strings.Contains(string(a.body), `"attempt"`) {
		t.Errorf("got %s", a.body)
	}
	if a := exchange(t, h, request("GET", "/v1/tasks/77", "")); a.StatusCode != http.StatusNotFound || a.code(t) != task.CodeTaskNotFound {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// A read is stamped with the view that it shows, not with a newer one.
func TestReadsAreStampedWithTheirView(t *testing.T) {
	for _, target := range []string{"/v1/tasks", "/v1/tasks/1", "/v1/tasks/9", "/v1/slaves", "/get-tasks"} {
		m := &restless{fakeMaster: newLeader("http://m1")}
		if _, err := m.Submit(t.Context(), Submission{}); err != nil {
			t.Fatal(err)
		}
		a := exchange(t, New(Config{Backend: m}), request("GET", target, ""))
		if got := a.Header.Get("Muster-Index"); got != "101" {
			t.Errorf("%s: stamped %s", target, got)
		}
	}
}

// restless has a new entry at every look.
type restless struct {
	*fakeMaster

	looks uint64
}

func (m *restless) Read(context.Context, ReadOptions) (View, error) {
	m.looks++
	v := m.view()
	v.index = 100 + m.looks
	return v, nil
}

func TestEmptyListsAreArrays(t *testing.T) {
	m := newLeader("http://m1")
	m.slaves = nil
	h := handlerOf(m)
	for _, path := range []string{"/v1/tasks", "/get-tasks", "/v1/slaves"} {
		if a := exchange(t, h, request("GET", path, "")); !strings.Contains(string(a.body), `":[]`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if a := exchange(t, h, request("POST", "/v1/results", `{"slave":"s","incarnation":"i","results":[]}`)); string(a.body) != `{"results":[]}`+"\n" {
		t.Errorf("got %s", a.body)
	}
}

func TestSlaves(t *testing.T) {
	h := handlerOf(newLeader("http://m1"))
	for _, path := range []string{"/v1/slaves", "/register-slave"} {
		var s wire.SlaveAnswer
		exchange(t, h, request("POST", path, `{"name":"slave-2","url":"http://10.0.0.1:8101/","slots":3,"incarnation":"i-2"}`)).into(t, &s)
		if s.Slave.Name != "slave-2" || s.Slave.URL != "http://10.0.0.1:8101" || !slices.Equal(s.Slave.Kinds, []wire.Kind{{Name: "expression", Idempotent: true}}) {
			t.Errorf("got %+v", s.Slave)
		}
		var one wire.SlaveAnswer
		exchange(t, h, request("POST", path, `{"name":"slave-3","url":"http://10.0.0.1:8102","incarnation":"i-3"}`)).into(t, &one)
		if s.Slave.Slots != 3 || one.Slave.Slots != 1 {
			t.Errorf("slots: %d and %d, want 3 and 1, the default", s.Slave.Slots, one.Slave.Slots)
		}
	}
	var l wire.SlaveList
	exchange(t, h, request("GET", "/v1/slaves", "")).into(t, &l)
	if len(l.Slaves) != 5 || l.Slaves[0].LastSeenAt.IsZero() || !l.Slaves[1].LastSeenAt.IsZero() {
		t.Errorf("got %+v", l.Slaves)
	}
	if a := exchange(t, h, request("POST", "/v1/slaves/slave-1/leave", `{"incarnation":"i-1"}`)); a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), `"state":"left"`) {
		t.Errorf("got %s", a.body)
	}
	for _, tc := range []struct {
		method, path, want string
		status             int
	}{
		{"POST", "/v1/slaves/slave-2/drain", `"state":"draining"`, 200},
		{"POST", "/v1/slaves/slave-2/drain", `"drained":true`, 200},
		{"POST", "/v1/slaves/slave-2/undrain", `"state":"alive"`, 200},
		{"POST", "/v1/slaves/nobody/drain", `"code":"slave_not_found"`, 404},
		{"DELETE", "/v1/slaves/slave-2", `"name":"slave-2"`, 200},
		{"DELETE", "/v1/slaves/slave-2?force=perhaps", `"code":"invalid_request"`, 400},
	} {
		if a := exchange(t, h, request(tc.method, tc.path, "")); a.StatusCode != tc.status || !strings.Contains(string(a.body), tc.want) {
			t.Errorf("%s %s: got %d %s", tc.method, tc.path, a.StatusCode, a.body)
		}
	}
	exchange(t, h, request("POST", "/v1/slaves", `{"name":"slave-2","url":"http://10.0.0.1:8101","incarnation":"i-2"}`))
	for body, want := range map[string]string{
		`{"slots":7}`: `"slots":7`, `{"slots":0}`: `"code":"invalid_request"`, `{"slots":65537}`: `"code":"invalid_request"`, `{}`: `"code":"invalid_request"`,
	} {
		if a := exchange(t, h, request("POST", "/v1/slaves/slave-2/resize", body)); !strings.Contains(string(a.body), want) {
			t.Errorf("resize %s: got %d %s", body, a.StatusCode, a.body)
		}
	}
	if a := exchange(t, h, request("POST", "/v1/slaves/a%20b+c/leave", `{"incarnation":"i-1"}`)); a.code(t) != task.CodeSlaveNotFound {
		t.Errorf("got %s", a.body)
	}
}

func TestCancel(t *testing.T) {
	m := newLeader("http://m1")
	h := handlerOf(m)
	exchange(t, h, request("POST", "/v1/tasks", `{"expression":"1"}`))
	for _, tc := range []struct {
		path, want string
		status     int
	}{
		{"/v1/tasks/1/cancel", `"outcome":"cancelled"`, 200},
		{"/v1/tasks/1/cancel", `"code":"already_done","task":1`, 409},
		{"/v1/tasks/2/cancel", `"code":"task_not_found"`, 404},
		{"/v1/tasks/x/cancel", `"code":"invalid_request"`, 400},
	} {
		if a := exchange(t, h, request("POST", tc.path, "")); a.StatusCode != tc.status || !strings.Contains(string(a.body), tc.want) {
			t.Errorf("%s: got %d %s", tc.path, a.StatusCode, a.body)
		}
	}
}

func TestMastersAndNode(t *testing.T) {
	m := newLeader("http://m1")
	h := handlerOf(m)
	join := `{"id":"m2","raft_address":"127.0.0.1:2","api_url":"http://127.0.0.1:3"}`
	for _, tc := range []struct {
		method, path, body, want string
		status                   int
	}{
		{"POST", "/join", join, `"cluster_id":"c-1"`, 200},
		{"GET", "/v1/masters", "", `"applied_index":1`, 200},
		{"DELETE", "/v1/masters/m1", "", `"message":"Master m1 is no longer a member."`, 200},
		{"DELETE", "/v1/masters/m9", "", `"code":"master_not_found"`, 404},
		{"POST", "/v1/masters/m1/transfer", "", `"message":"Leadership was handed to master m1."`, 200},
		{"GET", "/v1/status", "", `"term":7`, 200},
		{"GET", "/v1/status?fingerprint=true", "", `"fingerprint":"abc"`, 200},
		{"GET", "/healthz", "", `{"status":"ok"}`, 200},
		{"GET", "/readyz", "", `{"status":"ok"}`, 200},
		{"GET", "/openapi.yaml", "", "openapi: 3.0.3", 200},
		{"GET", "/metrics", "", `muster_api_requests_total{method="DELETE",route="/v1/masters/:id",status="404"} 1`, 200},
		{"GET", "/nothing", "", `"code":"not_found"`, 404},
		{"GET", "/v1/tasks/", "", `"code":"not_found"`, 404},
		{"GET", "/", "", `"code":"not_found"`, 404},
		{"PUT", "/v1/tasks", "{}", `"code":"method_not_allowed"`, 405},
		{"GET", "/join", "", "it knows POST", 405},
		{"BREW", "/pot", "", `"code":"not_found"`, 404},
	} {
		a := exchange(t, h, request(tc.method, tc.path, tc.body))
		if a.StatusCode != tc.status || !strings.Contains(string(a.body), tc.want) {
			t.Errorf("%s %s: got %d %s", tc.method, tc.path, a.StatusCode, a.body)
		}
	}
	metrics := string(exchange(t, h, request("GET", "/metrics", "")).body)
	if strings.Contains(metrics, "BREW") || strings.Contains(metrics, "nothing") {
		t.Error("what clients make up has become a label")
	}
}

// TestHealthIsThatOfTheLoops: not only that somebody answers.
func TestHealthIsThatOfTheLoops(t *testing.T) {
	m := newLeader("http://m1")
	h := handlerOf(m)
	m.notReady = errPlanted
	if a := exchange(t, h, request("GET", "/healthz", "")); a.StatusCode != http.StatusOK {
		t.Errorf("alive, but not ready: got %d %s", a.StatusCode, a.body)
	}
	m.stalled = task.Refuse(task.CodeStalled, "the third loop has not answered for 31 s")
	if a := exchange(t, h, request("GET", "/healthz", "")); a.StatusCode != http.StatusServiceUnavailable || a.code(t) != task.CodeStalled || !strings.Contains(string(a.body), "third loop") {
		t.Errorf("a loop is stuck: got %d %s", a.StatusCode, a.body)
	}
}

func TestReadiness(t *testing.T) {
	m := newLeader("http://m1")
	h := handlerOf(m)
	for _, tc := range []struct {
		err  error
		want task.Code
	}{
		{errPlanted, task.CodeNotCaughtUp},
		{task.Refuse(task.CodeNoLeader, "no leader"), task.CodeNoLeader},
		{task.Refuse(task.CodeMasterNotFound, "not a member"), task.CodeNotCaughtUp},
	} {
		m.notReady = tc.err
		if a := exchange(t, h, request("GET", "/readyz", "")); a.StatusCode != http.StatusServiceUnavailable || a.code(t) != tc.want {
			t.Errorf("%v: got %d %s", tc.err, a.StatusCode, a.body)
		}
	}
	m.leader, m.notReady = nil, errPlanted
	if a := exchange(t, h, request("GET", "/readyz", "")); a.code(t) != task.CodeNoLeader {
		t.Errorf("got %s", a.body)
	}
}

// Every refusal of every write has its code's status and the document's form.
func TestEveryRefusal(t *testing.T) {
	m := newLeader("http://m1")
	h := handlerOf(m)
	writes := map[string]string{
		"POST /v1/tasks":                 `{"expression":"1"}`,
		"POST /v1/results":               `{"slave":"s","incarnation":"i","results":[]}`,
		"POST /v1/slaves":                `{"name":"s","url":"http://h","slots":1,"incarnation":"i"}`,
		"POST /v1/slaves/s/leave":        `{"incarnation":"i"}`,
		"POST /v1/slaves/s/drain":        "",
		"POST /v1/slaves/s/undrain":      "",
		"POST /v1/slaves/s/resize":       `{"slots":2}`,
		"DELETE /v1/slaves/s":            "",
		"POST /v1/tasks/1/cancel":        "",
		"POST /v1/tasks/batch":           `{"tasks":[{"expression":"1"}]}`,
		"POST /join":                     `{"id":"m2","raft_address":"h:2","api_url":"http://h:3"}`,
		"DELETE /v1/masters/m1":          "",
		"POST /v1/masters/m1/transfer":   "",
		"POST /submit-task?forward=true": `{"expression":"1"}`,
	}
	for code, status := range statuses {
		refusal := task.Refuse(code, "A sentence.")
		if code == task.CodeNotLeader {
			refusal.Leader = "http://m2"
			m.url = "http://m1"
		}
		refusal.Capacity = &task.Capacity{Slots: 4, Busy: 4}
		m.refuse = fmt.Errorf("wrapped: %w", refusal)
		for call, body := range writes {
			method, path, _ := strings.Cut(call, " ")
			if code == task.CodeNotLeader && strings.Contains(path, "forward") {
				continue // TestForward
			}
			a := exchange(t, h, request(method, path, body))
			if a.StatusCode != status || a.code(t) != code {
				t.Errorf("%s: %s: got %d %s", code, call, a.StatusCode, a.body)
			}
			if retry := a.Header.Get("Retry-After"); (retry == "1") != retryable(code) {
				t.Errorf("%s: Retry-After is %q", code, retry)
			}
		}
	}
	m.refuse = &task.Error{Code: task.CodeFullCapacity, Message: "All are busy.", Capacity: &task.Capacity{Slots: 2, Busy: 0}}
	if a := exchange(t, h, request("POST", "/v1/tasks", `{"expression":"1"}`)); !strings.Contains(string(a.body), `"slots":2`) || !strings.Contains(string(a.body), `"busy":0`) {
		t.Errorf("got %s", a.body)
	}
	m.refuse = task.Refuse("strange", "A code that nobody knows.")
	if a := exchange(t, h, request("POST", "/v1/tasks", `{"expression":"1"}`)); a.StatusCode != http.StatusInternalServerError || a.code(t) != task.CodeInternal {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	m.refuse = errPlanted
	if a := exchange(t, h, request("POST", "/v1/tasks", `{"expression":"1"}`)); a.StatusCode != http.StatusInternalServerError || strings.Contains(string(a.body), "planted") {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	m := newLeader("http://m1")
	m.panics = true
	if a := exchange(t, handlerOf(m), request("POST", "/v1/tasks", `{"expression":"1"}`)); a.StatusCode != http.StatusInternalServerError || a.code(t) != task.CodeInternal {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

func TestTimeEnds(t *testing.T) {
	m := newLeader("http://m1")
	m.hang = true
	h := New(Config{Backend: m, CallTimeout: time.Millisecond, IndexWait: time.Millisecond})
	for call, want := range map[string]task.Code{
		"POST /v1/tasks":                         task.CodeOutcomeUnknown,
		"GET /v1/tasks?consistency=linearizable": task.CodeIndexNotReached,
		"GET /v1/tasks?min_index=99":             task.CodeIndexNotReached,
		"GET /v1/slaves?min_index=99":            task.CodeIndexNotReached,
		"GET /v1/tasks/1?min_index=99&wait=1s":   task.CodeIndexNotReached,
	} {
		method, path, _ := strings.Cut(call, " ")
		body := ""
		if method == "POST" {
			body = `{"expression":"1"}`
		}
		if a := exchange(t, h, request(method, path, body)); a.StatusCode != statuses[want] || a.code(t) != want {
			t.Errorf("%s: got %d %s", call, a.StatusCode, a.body)
		}
	}
}
