package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"muster/task"
)

// What the API itself costs, over an instant Backend.
func BenchmarkCalls(b *testing.B) {
	m := newLeader("http://m1")
	m.tasks[1] = task.Task{ID: 1, Status: task.Done, Outcome: task.Succeeded, Result: task.Value{Type: task.Number, Text: "14"}}
	h := handlerOf(m)
	for name, call := range map[string]func() *http.Request{
		"get": func() *http.Request { return httptest.NewRequest(http.MethodGet, "/v1/tasks/1", http.NoBody) },
		// With one key, so that the state stays small.
		"submit": func() *http.Request {
			r := request("POST", "/v1/tasks", `{"expression":"2+3*x","parameters":{"x":4}}`)
			r.Header.Set("Idempotency-Key", "k")
			return r
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := &discard{header: http.Header{}}
				if h.ServeHTTP(w, call()); w.status > http.StatusCreated {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }
