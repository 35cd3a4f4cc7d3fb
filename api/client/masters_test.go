package client

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"muster/task"
)

// scripted is a real server that answers as a test says and remembers what it
// was asked.
type scripted struct {
	*httptest.Server

	mu    sync.Mutex
	calls []asked
	reply func(n int, w http.ResponseWriter, r *http.Request) // n counts from 1
}

type asked struct {
	method, target, key string
	body                []byte
}

func newScripted(t *testing.T, reply func(n int, w http.ResponseWriter, r *http.Request)) *scripted {
	t.Helper()
	s := &scripted{reply: reply}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.calls = append(s.calls, asked{r.Method, r.URL.RequestURI(), r.Header.Get("Idempotency-Key"), body})
	n := len(s.calls)
	s.mu.Unlock()
	s.reply(n, w, r)
}

// heard is what it was asked so far.
func (s *scripted) heard() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// gone is the address of a server that is not there.
func gone() string {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	return s.URL
}

// What a master says.

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(err)
	}
}

func stamp(w http.ResponseWriter, index, leader string) {
	w.Header().Set("Muster-Index", index)
	w.Header().Set("Muster-Leader", leader)
}

func submitted(w http.ResponseWriter) {
	say(w, 201, map[string]any{"task": map[string]any{"id": 7, "status": "in_progress"}, "message": "m"})
}

func refuse(w http.ResponseWriter, status int, code task.Code) {
	say(w, status, map[string]any{"error": "A sentence.", "code": code, "slots": 4, "busy": 3})
}

func redirect(w http.ResponseWriter, r *http.Request, leader string) {
	stamp(w, "3", leader)
	w.Header().Set("Location", leader+r.URL.RequestURI())
	refuse(w, 307, task.CodeNotLeader)
}

// cut ends the connection without an answer.
func cut() { panic(http.ErrAbortHandler) }

// ask makes a client with short pauses.
func ask(t *testing.T, addresses ...string) *Client {
	t.Helper()
	c, err := New(Config{Addresses: addresses, MinBackoff: time.Millisecond, MaxBackoff: 4 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// askInFakeTime makes a client of one master, without a network between them.
func askInFakeTime(t *testing.T, master http.HandlerFunc) *Client {
	t.Helper()
	c, err := New(Config{Addresses: []string{"http://m1"}, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (answer *http.Response, err error) {
		defer func() {
			if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // the very value
				err = io.ErrUnexpectedEOF
			} else if p != nil {
				panic(p)
			}
		}()
		w := httptest.NewRecorder()
		master(w, r)
		return w.Result(), nil
	})}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var one = Submission{Expression: "1"}

// refusalIn is the refusal that err must be.
func refusalIn(t *testing.T, err error, code Code) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != code || CodeOf(err) != code || !errors.Is(err, &task.Error{Code: code}) {
		t.Fatalf("got %v, want code %s", err, code)
	}
	return e
}

func wantCode(t *testing.T, err error, code Code) {
	t.Helper()
	_ = refusalIn(t, err, code)
}
