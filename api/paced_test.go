package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

// heldMaster holds submits until it is told to go on.
type heldMaster struct {
	*fakeMaster

	goOn chan struct{}
}

func (m *heldMaster) Submit(ctx context.Context, s Submission) (Submitted, error) {
	<-m.goOn
	return m.fakeMaster.Submit(ctx, s)
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

// post calls a handler as who calls, and tells how long it took.
func post(h http.Handler, from *caller, path string, body io.Reader) (*http.Response, time.Duration) {
	req := httptest.NewRequest(http.MethodPost, path, body)
	req.Host = "127.0.0.1"
	req.Header.Set("Content-Type", jsonType)
	if from != nil {
		req = req.WithContext(context.WithValue(req.Context(), callerKey{}, from))
	}
	rec := httptest.NewRecorder()
	began := time.Now()
	h.ServeHTTP(rec, req)
	return rec.Result(), time.Since(began)
}

const oneTask = `{"expression":"1"}`

// TestOverloadIsToldAtOnceAndResultsPass fills a master with submits that don't get on.
func TestOverloadIsToldAtOnceAndResultsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &heldMaster{newLeader("http://m1"), make(chan struct{})}
		h := New(Config{Backend: m})
		var held sync.WaitGroup
		for range mostSubmits {
			held.Go(func() {
				if resp, _ := post(h, nil, "/v1/tasks", strings.NewReader(oneTask)); resp.StatusCode != http.StatusCreated {
					t.Errorf("a submit that was taken in is answered with %s", resp.Status)
				}
			})
		}
		synctest.Wait()
		for range 3 {
			resp, took := post(h, nil, "/v1/tasks", unread{t})
			if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" {
				t.Errorf("one submit too many is answered with %s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
			}
			if took > refusalQueue {
				t.Errorf("that took %s", took)
			}
		}
		for path, body := range map[string]string{
			"/v1/results": `{"slave":"s","incarnation":"i","results":[]}`,
			"/v1/slaves":  `{"name":"slave-2","url":"http://127.0.0.1:9","slots":1,"incarnation":"i-2","kinds":[{"name":"expression","idempotent":true}]}`,
		} {
			if resp, took := post(h, nil, path, strings.NewReader(body)); resp.StatusCode >= 300 || took > 0 {
				t.Errorf("%s is answered with %s after %s", path, resp.Status, took)
			}
		}
		close(m.goOn)
		held.Wait()
		if resp, _ := post(h, nil, "/v1/tasks", strings.NewReader(oneTask)); resp.StatusCode != http.StatusCreated {
			t.Errorf("afterwards a submit is answered with %s", resp.Status)
		}
	})
}

// TestWhoComesTooEarlyWaitsAsLongAsItWasTold has more clients refused than a master
// answers at once.
func TestWhoComesTooEarlyWaitsAsLongAsItWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newLeader("http://m1")
		m.refuse = task.Refuse(task.CodeFullCapacity, "all are busy")
		h := New(Config{Backend: m})
		early := new(caller)
		if resp, _ := post(h, early, "/v1/tasks", strings.NewReader(oneTask)); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("the first is answered with %s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
		var others sync.WaitGroup
		for range 10 * mostRefusals / int(time.Second/refusalQueue) {
			others.Go(func() {
				if _, took := post(h, new(caller), "/v1/tasks", strings.NewReader(oneTask)); took > refusalQueue {
					t.Errorf("who comes for the first time hears of it after %s", took)
				}
			})
		}
		synctest.Wait()
		resp, took := post(h, early, "/v1/tasks", unread{t})
		if resp.StatusCode != http.StatusTooManyRequests || took < time.Second || took > 3*time.Second/2 {
			t.Errorf("who comes too early is answered with %s after %s", resp.Status, took)
		}
		others.Wait()
		m.refuse = nil
		if resp, took := post(h, early, "/v1/tasks", strings.NewReader(oneTask)); resp.StatusCode != http.StatusCreated || took > refusalQueue {
			t.Errorf("when there is room, it is answered with %s after %s", resp.Status, took)
		}
	})
}

func TestEachConnectionIsACallerOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var callers []*caller
		srv := NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { callers = append(callers, callerOf(r)) }))
		listener := newPipes()
		served := make(chan error)
		go func() { served <- srv.Serve(listener) }()
		for range 2 {
			mine, theirs := net.Pipe()
			listener.conns <- theirs
			c := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return mine, nil }}}
			for range 2 {
				resp, err := c.Get("http://m1/")
				if err != nil {
					t.Fatal(err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
			}
			c.CloseIdleConnections()
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if len(callers) != 4 || callers[0] != callers[1] || callers[2] != callers[3] || callers[1] == callers[2] {
			t.Errorf("two calls on each of two connections are of %v", callers)
		}
	})
}
