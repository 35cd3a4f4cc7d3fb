package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

// TestAForwardGivesUpALeaderThatWasReplaced: it neither waits for a frozen one until its
// limit, nor says that a call may have been done that was not sent yet.
func TestAForwardGivesUpALeaderThatWasReplaced(t *testing.T) {
	elected := func(m *fakeMaster) { m.leader = &fakeMaster{url: "http://m3"} }
	again := func(m *fakeMaster) { m.term.Add(1) }
	for name, tc := range map[string]struct {
		method, target string
		then           func(m *fakeMaster)
		dials          bool
		want           task.Code
	}{
		"another leads":                        {"POST", "/v1/tasks?forward=true", elected, false, task.CodeOutcomeUnknown},
		"it leads anew":                        {"POST", "/v1/tasks?forward=true", again, false, task.CodeOutcomeUnknown},
		"what waits for the task":              {"POST", "/v1/tasks?forward=true&wait=5m", elected, false, task.CodeOutcomeUnknown},
		"what may last":                        {"POST", "/join?forward=true", elected, false, task.CodeOutcomeUnknown},
		"a read":                               {"GET", "/v1/tasks?forward=true&consistency=linearizable", elected, false, task.CodeNoLeader},
		"a call that has no connection so far": {"POST", "/v1/tasks?forward=true", elected, true, task.CodeNoLeader},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				frozen := roundTripper(func(r *http.Request) (*http.Response, error) {
					if trace := httptrace.ContextClientTrace(r.Context()); !tc.dials && trace != nil && trace.GotConn != nil {
						trace.GotConn(httptrace.GotConnInfo{})
					}
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				m := newLeader("http://m1")
				m.leader = &fakeMaster{url: "http://m2"}
				h := New(Config{Backend: m, SelfURL: "http://m1", Transport: frozen})
				time.AfterFunc(3*time.Second, func() {
					m.mu.Lock()
					defer m.mu.Unlock()
					tc.then(m)
				})
				began := time.Now()
				a := exchange(t, h, request(tc.method, tc.target, `{"expression":"1"}`))
				if took := time.Since(began); a.code(t) != tc.want || took > 3*time.Second+lookForLeader+lastAnswer {
					t.Errorf("got %d %s after %v; want %s", a.StatusCode, a.body, took, tc.want)
				}
				if said := strings.Contains(string(a.body), "nothing was done"); said != (tc.want == task.CodeNoLeader) {
					t.Errorf("got %s", a.body)
				}
			})
		})
	}
}

// TestAForwardWaitsForALeaderThatIsNotReplaced: while nobody is known to lead, or the
// answer of the one that handed leadership on has begun, it is waited for.
func TestAForwardWaitsForALeaderThatIsNotReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newLeader("http://m1")
		m.leader = &fakeMaster{url: "http://m2"}
		set := func(leader *fakeMaster) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.leader = leader
		}
		slow := roundTripper(func(r *http.Request) (*http.Response, error) {
			set(nil)
			time.Sleep(10 * time.Second)
			set(&fakeMaster{url: "http://m3"})
			time.Sleep(lookForLeader + lastAnswer/2)
			body, answer := io.Pipe()
			go func() {
				select {
				case <-time.After(10 * time.Second):
					_, _ = io.WriteString(answer, "whole")
					_ = answer.Close()
				case <-r.Context().Done():
					_ = answer.CloseWithError(r.Context().Err())
				}
			}()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: r}, nil
		})
		h := New(Config{Backend: m, SelfURL: "http://m1", Transport: slow})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("POST", "/v1/tasks?forward=true", `{"expression":"1"}`))
		if w.Code != http.StatusOK || w.Body.String() != "whole" {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
