package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// answer is what a fake master says to one call.
type answer struct {
	status int // 0: 200
	body   string
}

// fake is a master that answers with fixed JSON, and remembers what it was asked.
type fake struct {
	*httptest.Server

	mu    sync.Mutex
	asked []request
}

type request struct {
	call string // method, path and query
	key  string
	body string
}

// newFake answers calls like "GET /v1/tasks" (whatever their query).
func newFake(t *testing.T, answers map[string]answer) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.asked = append(f.asked, request{r.Method + " " + r.URL.RequestURI(), r.Header.Get("Idempotency-Key"), string(body)})
		f.mu.Unlock()
		a, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			t.Errorf("asked for %s %s; known are %v", r.Method, r.URL, slices.Collect(maps.Keys(answers)))
			a = answer{404, `{"error":"There is no such path.","code":"not_found"}`}
		}
		w.Header().Set("Content-Type", contentType(r))
		w.Header().Set("Muster-Index", "40")
		w.Header().Set("Muster-Leader", f.URL)
		if a.status != 0 {
			w.WriteHeader(a.status)
		}
		fmt.Fprint(w, strings.ReplaceAll(a.body, "$URL", f.URL))
	}))
	f.Start() // its handler reads f.Server
	t.Cleanup(f.Close)
	return f
}

// muster runs a command against the fake.
func (f *fake) muster(t *testing.T, args ...string) outcome {
	t.Helper()
	o := muster(t, []string{"MUSTER_ADDRESS=" + f.URL}, args...)
	o.stdout = strings.ReplaceAll(o.stdout, f.URL, "$URL")
	o.stderr = strings.ReplaceAll(o.stderr, f.URL, "$URL")
	return o
}

// last is what was asked last.
func (f *fake) last(t *testing.T) request {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) == 0 {
		t.Fatal("nothing was asked")
	}
	return f.asked[len(f.asked)-1]
}

// want compares what a command left behind.
func (o outcome) want(t *testing.T, what string, code int, stdout, stderr string) {
	t.Helper()
	stdout, stderr = strings.TrimPrefix(stdout, "\n"), strings.TrimPrefix(stderr, "\n")
	if o.code != code {
		t.Errorf("%s: exit code %d, want %d", what, o.code, code)
	}
	if o.stdout != stdout {
		t.Errorf("%s: stdout is\n%s\nwant\n%s", what, o.stdout, stdout)
	}
	if o.stderr != stderr {
		t.Errorf("%s: stderr is\n%s\nwant\n%s", what, o.stderr, stderr)
	}
}

// Tasks as a master tells them.
const (
	taskDone = `{"id":7,"kind":"expression","expression":"2+3*x","parameters":{"n":"4","x":4},"idempotent":true,"max_tries":3,"timeout_ms":300000,` +
		`"idempotency_key":"k-7","status":"done","outcome":"succeeded","result":"14","result_type":"number","slave":"slave-1","incarnation":"a1",` +
		`"attempt":1,"tries":1,"submitted_at":"2026-01-02T03:04:05Z","started_at":"2026-01-02T03:04:05.1Z","finished_at":"2026-01-02T03:04:12.1Z","index":12}`
	taskRunning = `{"id":8,"kind":"expression","expression":"sleep(7)","idempotent":true,"max_tries":3,"timeout_ms":300000,"status":"in_progress",` +
		`"slave":"slave-2","incarnation":"b1","attempt":2,"tries":1,"submitted_at":"2026-01-02T03:04:06Z","started_at":"2026-01-02T03:04:06Z","index":13}`
	taskFailed = `{"id":9,"kind":"expression","expression":"1/\"\u001b[31m\"","idempotent":true,"max_tries":3,"timeout_ms":300000,"status":"done",` +
		`"outcome":"failed","error":"not a number","slave":"slave-1","incarnation":"a1","attempt":1,"tries":1,` +
		`"submitted_at":"2026-01-02T03:04:07Z","started_at":"2026-01-02T03:04:07Z","finished_at":"2026-01-02T03:04:07.02Z","index":15}`
)

func contentType(r *http.Request) string {
	if r.URL.Path == "/v1/events" {
		return "text/event-stream"
	}
	return "application/json"
}
