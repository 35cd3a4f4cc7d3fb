package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/api/wire"
	"muster/task"
)

// serve starts a real server for a master and gives the master its URL.
func serve(t *testing.T, m *fakeMaster, cfg Config) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	m.mu.Lock()
	m.url = "http://" + srv.Listener.Addr().String()
	m.mu.Unlock()
	cfg.Backend, cfg.SelfURL = m, m.url
	srv.Config = NewServer(New(cfg))
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// pair starts a leader and a follower that share their state.
func pair(t *testing.T, follower Config) (leads, follows *fakeMaster, leaderServer *httptest.Server) {
	t.Helper()
	transport := newForwardTransport()
	t.Cleanup(transport.CloseIdleConnections)
	follower.Transport = transport
	leads = newLeader("")
	follows = &fakeMaster{fakeCluster: leads.fakeCluster, id: "m2"}
	leaderServer = serve(t, leads, Config{})
	serve(t, follows, follower)
	return leads, follows, leaderServer
}

// send asks a real server, without following redirects, and holds the answer
// against the document.
func send(t *testing.T, method, url, body string, edit ...func(*http.Request)) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", jsonType)
	for _, f := range edit {
		f(req)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answered{resp, b}
	if err := conforms(theDocument(t), method, req.URL.Path, a); err != nil {
		t.Errorf("%s %s: %d: %v\n%s", method, url, a.StatusCode, err, b)
	}
	return a
}

func TestFollowerRedirects(t *testing.T) {
	leads, follows, _ := pair(t, Config{})
	for _, tc := range []struct{ method, target, body string }{
		{"POST", "/v1/tasks?explain=true", `{"expression":"1"}`},
		{"POST", "/v1/tasks", `not even JSON`},
		{"POST", "/submit-task", `{"expression":"1"}`},
		{"POST", "/v1/results", `{}`},
		{"POST", "/v1/slaves", `{}`},
		{"POST", "/register-slave", `{}`},
		{"POST", "/v1/slaves/a%20b/leave", `{}`},
		{"POST", "/v1/slaves/a%20b/drain", ``},
		{"DELETE", "/v1/slaves/a%20b?force=true", ``},
		{"POST", "/v1/tasks/1/cancel", ``},
		{"POST", "/v1/tasks/batch", `{}`},
		{"POST", "/join", `{}`},
		{"DELETE", "/v1/masters/m1", ``},
		{"POST", "/v1/masters/m1/transfer", ``},
		{"GET", "/v1/tasks?consistency=linearizable&limit=3", ``},
		{"GET", "/v1/tasks/1?consistency=linearizable", ``},
		{"GET", "/v1/slaves?consistency=linearizable", ``},
		{"GET", "/get-tasks?consistency=linearizable", ``},
	} {
		a := send(t, tc.method, follows.url+tc.target, tc.body, func(r *http.Request) { r.Host = "203.0.113.9" })
		if want := leads.url + tc.target; a.StatusCode != http.StatusTemporaryRedirect || a.Header.Get("Location") != want {
			t.Errorf("%s %s: got %d to %q, want %q", tc.method, tc.target, a.StatusCode, a.Header.Get("Location"), want)
		}
		var e wire.Error
		a.into(t, &e)
		if e.Code != task.CodeNotLeader || e.Leader != leads.url || a.Header.Get("Muster-Leader") != leads.url {
			t.Errorf("got %s, %v", a.body, a.Header)
		}
	}
	// A client that follows redirects needs to know nothing of leaders.
	resp, err := http.Post(follows.url+"/v1/tasks", jsonType, strings.NewReader(`{"expression":"1"}`)) //nolint:forbidigo // what any client does
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("got %d", resp.StatusCode)
	}
	// Reads are local.
	if a := send(t, "GET", follows.url+"/v1/tasks/1", ""); a.StatusCode != http.StatusOK || a.Header.Get("Muster-Leader") != leads.url {
		t.Errorf("got %d %v", a.StatusCode, a.Header)
	}
}

func TestForward(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg   Config
		query string
	}{"asked": {Config{}, "?forward=true"}, "configured": {Config{ForwardFollowers: true}, ""}} {
		t.Run(name, func(t *testing.T) {
			_, follows, leaderServer := pair(t, tc.cfg)
			a := send(t, "POST", follows.url+"/v1/tasks"+tc.query, `{"expression":"1"}`, func(r *http.Request) {
				r.Header.Set("Idempotency-Key", "k")
			})
			var s wire.Submitted
			a.into(t, &s)
			if a.StatusCode != http.StatusCreated || s.Task.IdempotencyKey != "k" || a.Header.Get("Muster-Index") != "2" {
				t.Errorf("got %d %s %v", a.StatusCode, a.body, a.Header)
			}
			if a = send(t, "POST", follows.url+"/v1/tasks"+tc.query, `{"expression":""}`); a.StatusCode != http.StatusBadRequest {
				t.Errorf("got %d %s", a.StatusCode, a.body)
			}
			if a = send(t, "POST", follows.url+"/v1/tasks"+tc.query, `{"expression":"`+strings.Repeat("x", maxBody)+`"}`); a.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("got %d %s", a.StatusCode, a.body)
			}
			leaderServer.Close()
			a = send(t, "POST", follows.url+"/v1/tasks"+tc.query, `{"expression":"1"}`)
			if a.StatusCode != http.StatusServiceUnavailable || a.code(t) != task.CodeNoLeader || a.Header.Get("Retry-After") != "1" {
				t.Errorf("got %d %s", a.StatusCode, a.body)
			}
		})
	}
}

// A leader that cuts the connection may have done the work.
func TestForwardWithoutAnswer(t *testing.T) {
	leads, follows, _ := pair(t, Config{})
	leads.panics = true
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	follows.wrongURL = cut.URL
	a := send(t, "POST", follows.url+"/v1/tasks?forward=true", `{"expression":"1"}`)
	if a.StatusCode != http.StatusServiceUnavailable || a.code(t) != task.CodeOutcomeUnknown {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	a = send(t, "GET", follows.url+"/v1/tasks?forward=true&consistency=linearizable", "")
	if a.StatusCode != http.StatusServiceUnavailable || a.code(t) != task.CodeNoLeader {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// A leader that is frozen does not hold its followers' callers for ever.
func TestForwardEnds(t *testing.T) {
	came, thawed := make(chan struct{}, 64), make(chan struct{})
	frozen := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came <- struct{}{}; <-thawed }))
	defer frozen.Close()
	defer close(thawed)
	// The limit is longer each time, until it is not over before the call arrives.
	for limit := 20 * time.Millisecond; len(came) == 0; limit *= 2 {
		_, follows, _ := pair(t, Config{CallTimeout: limit})
		follows.wrongURL = frozen.URL
		a := send(t, "POST", follows.url+"/v1/tasks?forward=true", `{"expression":"1"}`)
		if len(came) > 0 && (a.StatusCode != http.StatusServiceUnavailable || a.code(t) != task.CodeOutcomeUnknown) {
			t.Errorf("got %d %s", a.StatusCode, a.body)
		}
	}
}

// A follower does not carry more than a master takes, whoever leads.
func TestForwardIsBounded(t *testing.T) {
	_, follows, _ := pair(t, Config{})
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	defer sink.Close()
	follows.wrongURL = sink.URL
	a := send(t, "POST", follows.url+"/v1/tasks?forward=true", strings.Repeat("x", maxBody+1))
	if a.StatusCode != http.StatusRequestEntityTooLarge || a.code(t) != task.CodeBodyTooLarge {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// Two followers that take each other for the leader must not play ball.
func TestForwardIsOneHop(t *testing.T) {
	a, b := newLeader(""), newLeader("")
	var calls atomic.Int32
	counted := roundTripper(func(r *http.Request) (*http.Response, error) {
		calls.Add(1)
		return http.DefaultTransport.RoundTrip(r)
	})
	serve(t, a, Config{ForwardFollowers: true, Transport: counted})
	serve(t, b, Config{ForwardFollowers: true, Transport: counted})
	a.leader, b.leader, a.wrongURL, b.wrongURL = nil, nil, b.url, a.url
	got := send(t, "POST", a.url+"/v1/tasks", `{"expression":"1"}`)
	if got.StatusCode != http.StatusServiceUnavailable || got.code(t) != task.CodeNoLeader || calls.Load() != 1 {
		t.Errorf("got %d %s after %d calls", got.StatusCode, got.body, calls.Load())
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestNoLeader(t *testing.T) {
	m := newLeader("http://m1")
	m.leader = nil
	h := handlerOf(m)
	for _, wrong := range []string{"", "http://m1", "http://m1/", "http://m2/admin?", "http://m2#", "http://u@m2"} {
		m.wrongURL = wrong
		for _, query := range []string{"", "?forward=true"} {
			a := exchange(t, h, request("POST", "/v1/tasks"+query, `{"expression":"1"}`))
			if a.StatusCode != http.StatusServiceUnavailable || a.code(t) != task.CodeNoLeader || a.Header.Get("Retry-After") != "1" || a.Header.Get("Location") != "" {
				t.Errorf("leader %q: got %d %s", wrong, a.StatusCode, a.body)
			}
		}
	}
}

// Leadership may be lost after the handler began and read the body.
func TestLeadershipLostMeanwhile(t *testing.T) {
	leads, loses, _ := pair(t, Config{})
	other := &lostMeanwhile{fakeMaster: loses, newLeader: leads.url}
	transport := newForwardTransport()
	defer transport.CloseIdleConnections()
	h := New(Config{Backend: other, SelfURL: loses.url, Transport: transport})
	a := exchange(t, h, request("POST", "/v1/tasks", `{"expression":"1"}`))
	if a.StatusCode != http.StatusTemporaryRedirect || a.Header.Get("Location") != leads.url+"/v1/tasks" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	if a := send(t, "POST", srv.URL+"/v1/tasks?forward=true", `{"expression":"1+41"}`); a.StatusCode != http.StatusCreated || !bytes.Contains(a.body, []byte("1+41")) {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// lostMeanwhile leads when it is asked, and not any more when it is to write.
type lostMeanwhile struct {
	*fakeMaster

	newLeader string
}

func (m *lostMeanwhile) Leader() (string, bool) { return m.url, true }

func (m *lostMeanwhile) Submit(context.Context, Submission) (Submitted, error) {
	e := task.Refuse(task.CodeNotLeader, "not any more")
	e.Leader = m.newLeader
	return Submitted{}, e
}

// TestAFollowerDoesNotSayThatThereIsNoTask: it may only not show it yet. The leader can
// tell, and so can everybody of task 0.
func TestAFollowerDoesNotSayThatThereIsNoTask(t *testing.T) {
	_, follows, _ := pair(t, Config{})
	for target, want := range map[string]string{
		"/v1/tasks/77": "this master shows no task 77 yet: it follows, and may be behind the leader; ask with consistency=linearizable, or with min_index",
		"/v1/tasks/0":  "there is no task 0",
		"/v1/tasks/77?consistency=linearizable&forward=true": "there is no task 77",
	} {
		a := send(t, "GET", follows.url+target, "")
		if a.StatusCode != http.StatusNotFound || a.code(t) != task.CodeTaskNotFound || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: got %d %s; want %s", target, a.StatusCode, a.body, want)
		}
	}
}
