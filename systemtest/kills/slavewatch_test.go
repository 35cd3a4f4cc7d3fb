package kills_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// watch stands between the leader and a slave, and remembers which attempts the
// slave accepted: those it executes.
type watch struct {
	url    string // for the leader
	slave  string // URL
	client *http.Client

	mu       sync.Mutex
	accepted map[attempt]int // times; under mu
	problems []error         // under mu
}

// attempt is one assignment of a task.
type attempt struct {
	ID      uint64 `json:"id"`
	Attempt uint32 `json:"attempt"`
}

// held is what a slave says of an attempt.
type held struct {
	attempt

	Status string `json:"status"`
}

func newWatch(t *testing.T, address, slave string) *watch {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{
		url: "http://" + address, slave: slave, accepted: map[attempt]int{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: limit(t)},
	}
	server := httptest.NewUnstartedServer(w)
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		w.client.CloseIdleConnections()
	})
	return w
}

// ServeHTTP passes a request on. A leader that dies in the middle of one has sent
// nothing, but what it has sent is carried out, though nobody waits any more.
func (w *watch) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	status, answer, err := w.pass(r, body)
	if err != nil {
		w.note(func() { w.problems = append(w.problems, err) })
		panic(http.ErrAbortHandler) // silence, as the slave's own would be
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, _ = rw.Write(answer) // the leader may be dead
}

func (w *watch) pass(r *http.Request, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, w.slave+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header = r.Header.Clone()
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("pass %s %s on: %w", r.Method, r.URL, err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, nil, fmt.Errorf("read the answer to %s %s: %w", r.Method, r.URL, err)
	}
	if r.Method == http.MethodPost && r.URL.Path == "/tasks" && resp.StatusCode == http.StatusOK {
		receipts, err := receiptsIn(answer)
		if err != nil {
			return 0, nil, err
		}
		w.note(func() {
			for _, x := range receipts {
				if x.Status == "accepted" {
					w.accepted[x.attempt]++
				}
			}
		})
	}
	return resp.StatusCode, answer, nil
}

func (w *watch) note(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// has reports whether the slave accepted an attempt.
func (w *watch) has(a attempt) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accepted[a] > 0
}

// all returns how often each attempt was accepted.
func (w *watch) all() map[attempt]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.accepted)
}

// troubles are requests that could not be passed on.
func (w *watch) troubles() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.problems)
}

func receiptsIn(answer []byte) ([]held, error) {
	var list struct {
		Tasks []held `json:"tasks"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("read a slave's answer: %w", err)
	}
	return list.Tasks, nil
}

// running asks a slave itself how many attempts run now.
func (s *slave) running(ctx context.Context) (int, error) {
	return s.runningBy(ctx, s.watch.client)
}

func (s *slave) runningBy(ctx context.Context, by *http.Client) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/tasks", nil)
	if err != nil {
		return 0, err
	}
	resp, err := by.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask %s what runs: %w", s.name, err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, fmt.Errorf("ask %s what runs: %w", s.name, err)
	}
	receipts, err := receiptsIn(answer)
	n := 0
	for _, x := range receipts {
		if x.Status == "running" {
			n++
		}
	}
	return n, err
}
