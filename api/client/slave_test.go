package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"muster/api/wire"
	"muster/task"
)

func TestSlaveCalls(t *testing.T) {
	master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		say(w, 200, map[string]any{"slave": map[string]any{"name": "a b"}})
	})
	c := ask(t, master.URL)
	_, err := c.RegisterSlave(t.Context(), task.Registration{
		Name: "a b", URL: "http://h", Slots: 2, Incarnation: "i", Kinds: []task.Kind{{Name: "k", Idempotent: true}},
	})
	if err = errors.Join(err, c.LeaveSlave(t.Context(), "a b", "i")); err != nil {
		t.Fatal(err)
	}
	got := master.heard()
	if got[0].target != "/v1/slaves" || got[1].target != "/v1/slaves/a%20b/leave" || string(got[1].body) != `{"incarnation":"i"}` {
		t.Errorf("heard %+v", got)
	}
	if want := `{"name":"a b","url":"http://h","slots":2,"incarnation":"i","kinds":[{"name":"k","idempotent":true}]}`; string(got[0].body) != want {
		t.Errorf("heard %s", got[0].body)
	}
}

// A slave repeats by itself: its calls are one round, and no more.
func TestSlaveCallsAreOneRound(t *testing.T) {
	noLeader := func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 503, task.CodeNoLeader) }
	a, b := newScripted(t, noLeader), newScripted(t, noLeader)
	_, err := ask(t, a.URL, b.URL).Report(t.Context(), task.Report{Slave: "s"})
	if wantCode(t, err, task.CodeNoLeader); !errors.Is(err, ErrNoLeader) {
		t.Errorf("got %v", err)
	}
	if len(a.heard()) != 1 || len(b.heard()) != 1 {
		t.Errorf("asked %d and %d times", len(a.heard()), len(b.heard()))
	}
	if err = ask(t, gone()).LeaveSlave(t.Context(), "s", "i"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	refusing := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 409, task.CodeNameTaken) })
	_, err = ask(t, refusing.URL, a.URL).RegisterSlave(t.Context(), task.Registration{})
	wantCode(t, err, task.CodeNameTaken)
}

// A leader that has too much to do is left alone: the other masters would only lead
// back to it.
func TestATooBusyLeaderIsNotAskedAgainInTheSameRound(t *testing.T) {
	busy := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 429, task.CodeOverloaded) })
	other := newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, busy.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	_, err := ask(t, busy.URL, other.URL).RegisterSlave(t.Context(), task.Registration{})
	wantCode(t, err, task.CodeOverloaded)
	if len(busy.heard()) != 1 || len(other.heard()) != 0 {
		t.Errorf("the leader was asked %d times, the other %d", len(busy.heard()), len(other.heard()))
	}
}

// verdicts accepts all, except that task 2's attempt is stale.
func verdicts(w http.ResponseWriter, body []byte) {
	var r wire.Report
	if err := json.Unmarshal(body, &r); err != nil {
		panic(err)
	}
	out := wire.Verdicts{Results: []wire.Verdict{}}
	for _, res := range r.Results {
		v := wire.Verdict{ID: res.ID, Attempt: res.Attempt, Accepted: true}
		if res.ID == 2 {
			v = wire.Verdict{ID: res.ID, Attempt: res.Attempt, Code: task.CodeStaleAttempt, Error: "Stale."}
		}
		out.Results = append(out.Results, v)
	}
	say(w, 200, out)
}

func TestReportIsSplit(t *testing.T) {
	var master *scripted
	master = newScripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		verdicts(w, master.heard()[n-1].body)
	})
	var results []task.Result
	for id := task.ID(1); id <= 40; id++ {
		text := strings.Repeat("x", task.MaxResultBytes)
		if id > 30 {
			text = strings.Repeat("\x01", task.MaxResultBytes) // six bytes each in JSON
		}
		results = append(results, task.Result{ID: id, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.String, Text: text}})
	}
	got, err := ask(t, master.URL).Report(t.Context(), task.Report{Slave: "s", Availability: task.Availability{Incarnation: "i", Counter: 4, Free: 1, Slots: 2}, Results: results})
	if err != nil || len(got) != len(results) {
		t.Fatalf("%d verdicts, %v", len(got), err)
	}
	for i, v := range got {
		if v.ID != results[i].ID || (v.Err != nil) != (v.ID == 2) {
			t.Errorf("verdict %+v", v)
		}
	}
	if !errors.Is(got[1].Err, &task.Error{Code: task.CodeStaleAttempt}) {
		t.Errorf("got %v", got[1].Err)
	}
	for _, call := range master.heard() {
		if len(call.body) > 1<<20 {
			t.Errorf("a request of %d bytes", len(call.body))
		}
		if !strings.Contains(string(call.body[:100]), `{"slave":"s","incarnation":"i","free":1,"slots":2,"counter":4`) {
			t.Errorf("heard %.100s", call.body)
		}
	}
	if n := len(master.heard()); n < 5 || n > 12 {
		t.Errorf("%d requests", n)
	}
}

func TestReportFailsHalfWay(t *testing.T) {
	var master *scripted
	master = newScripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 2 {
			refuse(w, 503, task.CodeNoLeader)
			return
		}
		verdicts(w, master.heard()[n-1].body)
	})
	results := make([]task.Result, 20)
	for i := range results {
		results[i] = task.Result{ID: task.ID(i + 1), Attempt: 1, Value: task.Value{Type: task.String, Text: strings.Repeat("x", task.MaxResultBytes)}}
	}
	got, err := ask(t, master.URL).Report(t.Context(), task.Report{Slave: "s", Results: results})
	if !errors.Is(err, ErrNoLeader) || len(got) == 0 || len(got) >= len(results) {
		t.Errorf("%d verdicts, %v", len(got), err)
	}
}

func TestReportWithWrongAnswer(t *testing.T) {
	master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { say(w, 200, map[string]any{"results": []any{}}) })
	got, err := ask(t, master.URL).Report(t.Context(), task.Report{Slave: "s", Results: []task.Result{{ID: 1, Attempt: 1}}})
	if err == nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := ask(t, master.URL).Report(t.Context(), task.Report{Slave: "s"}); err != nil || len(got) != 0 {
		t.Errorf("an empty report: got %v, %v", got, err)
	}
}

// TestVerdictsOfANewerMasterAreRead: it may say more of a result than is known here.
func TestVerdictsOfANewerMasterAreRead(t *testing.T) {
	master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"results":[{"id":1,"attempt":1,"accepted":true,"kept":"for a day"}],"more":null}`))
	})
	got, err := ask(t, master.URL).Report(t.Context(), task.Report{Results: []task.Result{{ID: 1, Attempt: 1}}})
	if err != nil || len(got) != 1 || got[0].ID != 1 || got[0].Err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
