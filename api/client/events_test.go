package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"muster/systemtest/timelimit"
	"muster/task"
)

// happened is a block about a task.
func happened(id, change string) string {
	return fmt.Sprintf("event: task\nid: %s\ndata: {\"id\":%q,\"change\":%q,\"task\":%s}\n\n", id, id, change, strings.TrimSuffix(exportOne, "\n"))
}

// tell answers a watch with text, and then ends.
func tell(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/event-stream")
	stamp(w, "40", "")
	_, _ = io.WriteString(w, text)
}

// seen watches until it has seen so many events, and says them shortly.
func seen(t *testing.T, c *Client, opts EventsOptions, n int) (short []string, err error) {
	t.Helper()
	for e, err := range c.Events(timelimit.Context(t), opts) {
		if err != nil {
			return short, err
		}
		short = append(short, strings.TrimSpace(fmt.Sprint(e.Name, " ", e.ID, " ", e.Change, e.Reason)))
		if len(short) == n {
			break
		}
	}
	return short, nil
}

func query(t *testing.T, a asked) url.Values {
	t.Helper()
	u, err := url.Parse(a.target)
	if err != nil || u.Path != "/v1/events" {
		t.Errorf("asked for %s", a.target)
	}
	return u.Query()
}

// Each change comes once, in order, whatever becomes of the masters.
func TestEventsGoOnElsewhere(t *testing.T) {
	first := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		tell(w, "id: 3\n\nevent: leader\ndata: {\"id\":\"m1\",\"api_url\":\"\",\"term\":1}\n\n: heartbeat\n\n"+happened("4-0", "submitted")+"event: task\nid: 5-0\n") // cut in a block
	})
	busy := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 503, task.CodeTooManyStreams) })
	second := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		tell(w, "id: 4-0\n\n"+happened("4-0", "submitted")+happened("3-9", "submitted")+happened("4-1", "assigned")+"id: 7-2\n\n")
	})
	third := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		tell(w, "event: later\ndata: {}\n\n"+happened("8-0", "done")+happened("9-0", "x"))
	})
	c := ask(t, first.URL, gone(), busy.URL, second.URL, third.URL)
	got, err := seen(t, c, EventsOptions{Types: []string{"task", "leader"}, Tasks: ListOptions{Status: TaskDone, Kind: "k", IDs: []uint64{1, 2}}}, 5)
	want := []string{"leader", "task 4-0 submitted", "task 4-1 assigned", "later", "task 8-0 done"}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, %v", got, err)
	}
	for i, s := range []*scripted{first, second, third} {
		want := url.Values{"types": {"task,leader"}, "status": {"done"}, "kind": {"k"}, "id": {"1,2"}}
		if after := []string{"", "4-0", "7-2"}[i]; after != "" {
			want.Set("after", after)
		}
		if q := query(t, s.heard()[0]); q.Encode() != want.Encode() {
			t.Errorf("master %d was asked for %v", i+1, q)
		}
	}
}

// The whole state is asked for until it has come.
func TestAResyncThatBreaksOffBeginsAgain(t *testing.T) {
	master := newScripted(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		state := "event: reset\ndata: {\"reason\":\"why\"}\n\n" + strings.ReplaceAll(happened("", "present"), "id: \n", "")
		if n > 1 {
			state += "event: resynced\nid: 2\ndata: {\"index\":2}\n\n"
		}
		tell(w, state)
	})
	c := ask(t, master.URL)
	got, err := seen(t, c, EventsOptions{After: "9", Resync: true}, 6)
	want := []string{"reset  why", "task  present", "reset  why", "task  present", "resynced 2", "reset  why"}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q, %v", got, err)
	}
	for i, want := range []string{"after=9&resync=true", "after=9&resync=true", "after=2"} {
		if q := query(t, master.heard()[i]); q.Encode() != want {
			t.Errorf("request %d: %v", i+1, q)
		}
	}
}

// What is no stream of ours is left for another master.
func TestWrongStreamsAreLeft(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "a wrong id": "id: x\n\n", "no JSON": "event: task\nid: 5-0\ndata: {\n\n", "about nothing": "event: task\nid: 5-0\ndata: {}\n\n",
		"a wrong reset": "event: reset\ndata: []\n\n", "a wrong leader": "event: leader\ndata: 7\n\n", "a wrong end": "event: resynced\nid: 5\ndata: \"\"\n\n",
		"a line without an end": "data: " + strings.Repeat("x", 17<<20),
	} {
		wrong := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { tell(w, text) })
		right := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { tell(w, happened("5-0", "done")) })
		got, err := seen(t, ask(t, wrong.URL, right.URL), EventsOptions{After: "4"}, 1)
		if err != nil || fmt.Sprint(got) != "[task 5-0 done]" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	page := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { stream(w, "<html>") })
	right := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { tell(w, happened("5-0", "done")) })
	if got, err := seen(t, ask(t, page.URL, right.URL), EventsOptions{}, 1); err != nil || len(got) != 1 {
		t.Errorf("a page: %q, %v", got, err)
	}
}

func TestEventsEnd(t *testing.T) {
	refused := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 400, task.CodeInvalidRequest) })
	_, err := seen(t, ask(t, refused.URL), EventsOptions{}, 1)
	wantCode(t, err, task.CodeInvalidRequest)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	master := newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		tell(w, happened("5-0", "done"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	n := 0
	for _, err = range ask(t, master.URL).Events(ctx, EventsOptions{}) {
		n++
		cancel()
	}
	if n != 2 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d events, then %v", n, err)
	}
}
