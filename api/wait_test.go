package api

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/api/wire"
	"muster/task"
)

// pipes is a listener whose connections are net.Pipes, for fake time.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// overPipes serves a master in fake time and returns a way to ask it.
func overPipes(t *testing.T, m *fakeMaster) (ask func(target string) answered) {
	t.Helper()
	listener := newPipes()
	srv := NewServer(New(Config{Backend: m}))
	served := make(chan error)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return func(target string) answered { return askOver(t, listener, target) }
}

// askOver asks a server by a connection of its own.
func askOver(t *testing.T, listener *pipes, target string) answered {
	t.Helper()
	mine, theirs := net.Pipe()
	defer mine.Close()
	listener.conns <- theirs
	req, err := http.NewRequest(http.MethodGet, "http://m1"+target, nil)
	if err != nil {
		t.Error(err)
		return answered{Response: &http.Response{}}
	}
	if err := req.Write(mine); err != nil {
		t.Error(err)
		return answered{Response: &http.Response{}}
	}
	resp, err := http.ReadResponse(bufio.NewReader(mine), req)
	if err != nil {
		t.Error(err)
		return answered{Response: &http.Response{}}
	}
	defer resp.Body.Close()
	a := answered{Response: resp, body: make([]byte, resp.ContentLength)}
	if _, err := resp.Body.Read(a.body); err != nil && err.Error() != "EOF" {
		t.Error(err)
	}
	if err := conforms(theDocument(t), "GET", req.URL.Path, a); err != nil {
		t.Errorf("%s: %v\n%s", target, err, a.body)
	}
	return a
}

// A long poll outlives the server's time-outs for reading and writing, and is
// answered in the moment in which the task is done.
func TestWaitForATask(t *testing.T) {
	theDocument(t) // outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		m := newLeader("http://m1")
		if _, err := m.Submit(t.Context(), Submission{}); err != nil {
			t.Fatal(err)
		}
		ask := overPipes(t, m)
		began := time.Now()
		go func() {
			time.Sleep(4 * time.Minute)
			_, _ = m.Results(t.Context(), task.Report{
				Slave: "slave-1", Availability: task.Availability{Incarnation: "i-1"},
				Results: []task.Result{{ID: 1, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: "14"}}},
			})
		}()
		var a wire.TaskAnswer
		got := ask("/v1/tasks/1?wait=5m")
		got.into(t, &a)
		if took := time.Since(began); took != 4*time.Minute || a.Task.Status != "done" || got.Header.Get("Muster-Index") != "3" {
			t.Errorf("after %s got %s %v", took, got.body, got.Header)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	theDocument(t)
	synctest.Test(t, func(t *testing.T) {
		m := newLeader("http://m1")
		if _, err := m.Submit(t.Context(), Submission{}); err != nil {
			t.Fatal(err)
		}
		ask := overPipes(t, m)
		for target, want := range map[string]time.Duration{
			"/v1/tasks/1?wait=90s": 90 * time.Second, "/v1/tasks/1?wait=0s": 0, "/v1/tasks/1": 0, "/v1/tasks/2?wait=90s": 0,
			"/v1/tasks?min_index=99": 5 * time.Second, "/v1/tasks?min_index=2": 0,
		} {
			began := time.Now()
			a := ask(target)
			if took := time.Since(began); took != want {
				t.Errorf("%s took %s, not %s", target, took, want)
			}
			if strings.Contains(target, "/1") && !strings.Contains(string(a.body), `"status":"in_progress"`) {
				t.Errorf("%s: got %s", target, a.body)
			}
		}
	})
}

// TestAFollowerWaitsForATaskThatIsNew: the leader acknowledged it before the follower
// showed it.
func TestAFollowerWaitsForATaskThatIsNew(t *testing.T) {
	theDocument(t)
	synctest.Test(t, func(t *testing.T) {
		leader := newLeader("http://m1")
		ask := overPipes(t, &fakeMaster{fakeCluster: leader.fakeCluster, id: "m2", url: "http://m2"})
		go func() {
			time.Sleep(time.Second)
			_, _ = leader.Submit(t.Context(), Submission{})
		}()
		if a := ask("/v1/tasks/1?wait=5s"); a.StatusCode != http.StatusOK {
			t.Errorf("a task that is new: %d %s", a.StatusCode, a.body)
		}
		for target, want := range map[string]time.Duration{"/v1/tasks/2?wait=1s": time.Second, "/v1/tasks/2?wait=5m": newTaskWait, "/v1/tasks/2": 0} {
			began := time.Now()
			a := ask(target)
			if took := time.Since(began); took != want || a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: after %s: %d %s; want 404 after %s", target, took, a.StatusCode, a.body, want)
			}
		}
	})
}

// TestAMasterThatIsBehindDeniesNoTask: it may have been acknowledged.
func TestAMasterThatIsBehindDeniesNoTask(t *testing.T) {
	theDocument(t)
	synctest.Test(t, func(t *testing.T) {
		m := newLeader("http://m1")
		m.notReady = errors.New("it is at 12 of 595")
		a := overPipes(t, m)("/v1/tasks/1")
		if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(a.body), `"not_caught_up"`) || a.Header.Get("Retry-After") == "" {
			t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
		}
	})
}

// A shutdown ends the waits: the server need not wait for them, nor cut them off.
func TestAShutdownEndsWaits(t *testing.T) {
	theDocument(t)
	synctest.Test(t, func(t *testing.T) {
		m := newLeader("http://m1")
		if _, err := m.Submit(t.Context(), Submission{}); err != nil {
			t.Fatal(err)
		}
		listener := newPipes()
		srv := NewServer(New(Config{Backend: m, IndexWait: time.Minute}))
		served := make(chan error, 1)
		go func() { served <- srv.Serve(listener) }()
		answers := map[string]chan answered{}
		for _, target := range []string{"/v1/tasks/1?wait=5m", "/v1/tasks?min_index=99"} {
			answer := make(chan answered, 1)
			answers[target] = answer
			go func() { answer <- askOver(t, listener, target) }()
		}
		time.Sleep(time.Second)
		began := time.Now()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		// Shutdown looks for idle connections now and then.
		if took := time.Since(began); took > time.Second {
			t.Errorf("the shutdown took %s", took)
		}
		if a := <-answers["/v1/tasks/1?wait=5m"]; a.StatusCode != http.StatusOK || !strings.Contains(string(a.body), `"status":"in_progress"`) {
			t.Errorf("the wait for a task ended with %d %s", a.StatusCode, a.body)
		}
		if a := <-answers["/v1/tasks?min_index=99"]; a.StatusCode != http.StatusGatewayTimeout || !strings.Contains(string(a.body), `"index_not_reached"`) {
			t.Errorf("the wait for an index ended with %d %s", a.StatusCode, a.body)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
