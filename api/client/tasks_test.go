package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

func TestWait(t *testing.T) {
	var second *scripted
	first := newScripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 2 {
			cut()
		}
		say(w, 200, map[string]any{"task": map[string]any{"id": 7, "status": "in_progress"}})
	})
	second = newScripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		status := "pending"
		if n == 2 {
			status = "done"
		}
		say(w, 200, map[string]any{"task": map[string]any{"id": 7, "status": status, "result": "14"}})
	})
	got, err := ask(t, first.URL, second.URL).Wait(t.Context(), 7)
	if err != nil || got.Status != TaskDone || *got.Result != "14" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if calls := first.heard(); calls[0].target != "/v1/tasks/7?wait=10s" {
		t.Errorf("asked for %s", calls[0].target)
	}
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := askInFakeTime(t, func(w http.ResponseWriter, r *http.Request) {
			d, err := time.ParseDuration(r.URL.Query().Get("wait"))
			if err != nil || d <= 0 || d > 50*time.Millisecond {
				t.Errorf("asked to wait for %s, %v", d, err)
			}
			select {
			case <-time.After(d):
			case <-r.Context().Done():
				cut()
			}
			say(w, 200, map[string]any{"task": map[string]any{"id": 7, "status": "pending"}})
		})
		_, err := c.Wait(within(t, 50*time.Millisecond), 7)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	missing := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 404, task.CodeTaskNotFound) })
	_, err := ask(t, missing.URL).Wait(t.Context(), 7)
	wantCode(t, err, task.CodeTaskNotFound)
}

// An answer that is too large is as large the next time: it is not asked for again.
func TestAnAnswerThatIsTooLargeIsNotAskedForAgain(t *testing.T) {
	master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		say(w, 200, map[string]any{"tasks": []map[string]any{{"id": 1, "expression": strings.Repeat("x", 2<<20)}}})
	})
	c := ask(t, master.URL)
	c.maxAnswer = 1 << 20
	_, err := c.Page(t.Context(), ListOptions{})
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "a lower limit") {
		t.Errorf("got %v", err)
	}
	if n := len(master.heard()); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

// A page may take longer to arrive than a request may be without an answer.
func TestALargePageMayArriveSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, w := io.Pipe()
		c, err := New(Config{Addresses: []string{"http://m1"}, HTTPClient: &http.Client{Transport: answering(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body}, nil
		})}})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for _, piece := range []string{`{"tasks":[`, `{"id":1}`, `]}`} {
				time.Sleep(maxQuiet / 2)
				_, _ = io.WriteString(w, piece) // the reader may have left
			}
			_ = w.Close()
		}()
		page, err := c.Page(t.Context(), ListOptions{})
		if err != nil || len(page.Tasks) != 1 {
			t.Errorf("got %v, %v", page.Tasks, err)
		}
	})
}

// answering is a network.
type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestList(t *testing.T) {
	master := newScripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		tasks := []map[string]any{{"id": 2*n - 1}, {"id": 2 * n}}
		switch n {
		case 1:
			say(w, 200, map[string]any{"tasks": tasks, "next": "c1"})
		case 2:
			say(w, 200, map[string]any{"tasks": []any{}, "next": "c2"}) // a filter found nothing among those examined
		default:
			say(w, 200, map[string]any{"tasks": tasks})
		}
	})
	c := ask(t, master.URL)
	var ids []uint64
	for got, err := range c.List(t.Context(), ListOptions{Status: TaskDone, Slave: "a&b", Limit: 2, Descending: true}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got.ID)
	}
	if len(ids) != 4 || ids[3] != 6 {
		t.Errorf("got %v", ids)
	}
	calls := master.heard()
	if calls[0].target != "/v1/tasks?status=done&slave=a%26b&limit=2&order=desc" || !strings.Contains(calls[2].target, "cursor=c2") {
		t.Errorf("heard %+v", calls)
	}
	at := time.Date(2026, 1, 2, 15, 4, 5, 6e6, time.FixedZone("", 3600))
	_, err := c.Page(t.Context(), ListOptions{
		Kind: "k", Key: "a key", IDs: []uint64{3, 4}, SubmittedAfter: at, SubmittedBefore: at.Add(1), FinishedAfter: at.Add(2), FinishedBefore: at.Add(3),
	})
	if err != nil {
		t.Error(err)
	}
	asked, err := url.Parse(master.heard()[3].target)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"kind": {"k"}, "key": {"a key"}, "id": {"3,4"}, "submitted_after": {"2026-01-02T15:04:05.006+01:00"},
		"submitted_before": {"2026-01-02T15:04:05.006000001+01:00"}, "finished_after": {"2026-01-02T15:04:05.006000002+01:00"},
		"finished_before": {"2026-01-02T15:04:05.006000003+01:00"},
	}
	if got := asked.Query(); got.Encode() != want.Encode() {
		t.Errorf("asked for %v", got)
	}
	for _, err := range c.List(t.Context(), ListOptions{}) {
		if err != nil {
			t.Error(err)
		}
		break // must not go on
	}
	failing := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 400, task.CodeInvalidRequest) })
	n := 0
	for _, err := range ask(t, failing.URL).List(t.Context(), ListOptions{}) {
		n++
		wantCode(t, err, task.CodeInvalidRequest)
	}
	if n != 1 {
		t.Errorf("%d errors", n)
	}
}

// A master that has not seen enough yet is not the one to ask.
func TestLaggingMaster(t *testing.T) {
	lagging := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 504, task.CodeIndexNotReached) })
	current := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { say(w, 200, map[string]any{"slaves": []any{}}) })
	c := ask(t, lagging.URL, current.URL)
	for range 3 {
		if _, err := c.Slaves(t.Context(), ReadOptions{MinIndex: 3}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(lagging.heard()); n != 1 {
		t.Errorf("the lagging master was asked %d times", n)
	}
}

// Status and Ready ask one master, once.
func TestOneMaster(t *testing.T) {
	master := newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			refuse(w, 503, task.CodeNoLeader)
			return
		}
		say(w, 200, map[string]any{"id": "m1", "term": 7})
	})
	c := ask(t, gone())
	s, err := c.Status(t.Context(), master.URL+"/", true)
	if err != nil || s.ID != "m1" || s.Term != 7 {
		t.Errorf("got %+v, %v", s, err)
	}
	err = c.Ready(t.Context(), master.URL)
	if wantCode(t, err, task.CodeNoLeader); !errors.Is(err, ErrNoLeader) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Status(t.Context(), gone(), false); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Status(t.Context(), "m1", false); err == nil {
		t.Error("an address that is none passed")
	}
	if got := master.heard(); len(got) != 2 || got[0].target != "/v1/status?fingerprint=true" {
		t.Errorf("heard %+v", got)
	}
}

func TestParameter(t *testing.T) {
	for text, want := range map[string]task.Value{
		"4": {Type: task.Number, Text: "4"}, "9007199254740993": {Type: task.Number, Text: "9007199254740993"},
		"-1.50": {Type: task.Number, Text: "-1.50"}, "4\n": {Type: task.Number, Text: "4"}, "1e3": {Type: task.Number, Text: "1e3"},
		"true": {Type: task.Boolean, Text: "true"}, "false": {Type: task.Boolean, Text: "false"},
		`"4"`: {Type: task.String, Text: "4"}, `"a\nb"`: {Type: task.String, Text: "a\nb"}, "four": {Type: task.String, Text: "four"},
		"": {Type: task.String}, "null": {Type: task.String, Text: "null"}, "[1]": {Type: task.String, Text: "[1]"},
		"0x10": {Type: task.String, Text: "0x10"}, "Inf": {Type: task.String, Text: "Inf"}, "1e999": {Type: task.String, Text: "1e999"},
	} {
		if got := Parameter("x", text); got.Name != "x" || got.Value != want {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

// TestAKeyThatNoHeaderCanCarryIsRefusedAtOnce: nothing is sent, and nothing was done.
func TestAKeyThatNoHeaderCanCarryIsRefusedAtOnce(t *testing.T) {
	master := newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		say(w, 201, map[string]any{"task": map[string]any{"id": 7, "idempotency_key": r.Header.Get("Idempotency-Key")}})
	})
	c := ask(t, master.URL)
	for _, key := range []string{"a\nb", "a\x00", "\u00e4", "  ", strings.Repeat("k", 256)} {
		if _, err := c.Submit(t.Context(), Submission{Expression: "1"}, SubmitOptions{Key: key}); CodeOf(err) != task.CodeInvalidRequest {
			t.Errorf("%q: %v", key, err)
		}
	}
	if calls := master.heard(); len(calls) > 0 {
		t.Errorf("the master heard of %d", len(calls))
	}
	if got, err := c.Submit(t.Context(), Submission{Expression: "1"}, SubmitOptions{Key: " order 17 "}); err != nil || got.Task.IdempotencyKey != "order 17" {
		t.Errorf("%+v, %v", got, err)
	}
}
