package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

// watcher reads events of a server that listens on pipes.
type watcher struct {
	t        *testing.T
	listener *pipes
	conn     net.Conn
	resp     *http.Response
	lines    *bufio.Reader
}

// watching serves a master, and hangs up at the end of the test.
func watching(t *testing.T, m *fakeMaster) *pipes {
	t.Helper()
	return serving(t, New(Config{Backend: m}))
}

func serving(t *testing.T, h http.Handler) *pipes {
	t.Helper()
	listener := newPipes()
	srv := NewServer(h)
	served := make(chan error)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return listener
}

// watch begins to read events.
func watchOver(t *testing.T, listener *pipes, target, last string) *watcher {
	t.Helper()
	mine, theirs := net.Pipe()
	t.Cleanup(func() { _ = mine.Close() })
	listener.conns <- theirs
	req, err := http.NewRequest(http.MethodGet, "http://m1"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	if err := req.Write(mine); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(mine)
	resp, err := http.ReadResponse(lines, req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &watcher{t: t, listener: listener, conn: mine, resp: resp, lines: bufio.NewReader(resp.Body)}
}

// next returns one block in a short form: its name, its id and what is in it,
// which is held against the document; "" at the end.
func (w *watcher) next() string {
	w.t.Helper()
	var name, id, data string
	for {
		line, err := w.lines.ReadString('\n')
		if err != nil {
			return ""
		}
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			return strings.TrimSpace(fmt.Sprint(name, " ", id, " ", w.data(name, id, data)))
		case strings.HasPrefix(line, ":"):
			name = line
		case key == "event":
			name = value
		case key == "id":
			id = value
		case key == "data":
			data = value
		default:
			w.t.Errorf("a line says %q", line)
		}
	}
}

func (w *watcher) data(name, id, data string) string {
	if data == "" {
		return ""
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		w.t.Errorf("%v in %s", err, data)
		return data
	}
	schema := map[string]string{"leader": "LeaderEvent", "reset": "ResetEvent", "resynced": "ResyncedEvent"}[name]
	if schema == "" {
		schema = "Event"
	}
	if err := theDocument(w.t).Components.Schemas[schema].Value.VisitJSON(v); err != nil {
		w.t.Errorf("%v in %s", err, data)
	}
	if schema != "Event" {
		return strings.Trim(data, "{}")
	}
	if said, _ := v["id"].(string); said != id {
		w.t.Errorf("the block has the id %q, its data %q", id, said)
	}
	for _, what := range []string{"task", "slave", "master"} {
		if x, ok := v[what].(map[string]any); ok {
			return fmt.Sprint(v["change"], first(x, "id", "name"), first(x, "status", "state", "role"))
		}
	}
	return data
}

// first is a word for the first of the fields that is there.
func first(x map[string]any, names ...string) string {
	for _, name := range names {
		if v, ok := x[name]; ok {
			return fmt.Sprint(" ", v)
		}
	}
	return ""
}

func (w *watcher) want(wants ...string) {
	w.t.Helper()
	for _, want := range wants {
		if got := w.next(); got != want {
			w.t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func taskIs(id task.ID, kind string, status task.Status) *task.Task {
	return &task.Task{ID: id, Spec: task.Spec{Kind: kind, Expression: "1", MaxTries: 1, TimeoutMS: 1}, Status: status, SubmittedAt: 1}
}

const (
	leaderM1 = `leader  "id":"m1","api_url":"http://m1","term":7`
	quiet    = ": heartbeat"
)

// inBubble runs a test with a master that leads, at index 1.
func inBubble(t *testing.T, test func(t *testing.T, m *fakeMaster)) {
	t.Helper()
	theDocument(t) // outside of the bubble
	// On one processor: many goroutines that share a bubble's clock are more than the
	// race detector is good for on several.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(t *testing.T) { test(t, newLeader("http://m1")) })
}

func TestEventsAreWhatHappens(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		listener := watching(t, m)
		w := watchOver(t, listener, "/v1/events", "")
		if h := w.resp.Header; h.Get("Content-Type") != "text/event-stream" || h.Get("Muster-Index") != "1" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("the header is %v", h)
		}
		w.want("1", leaderM1) // the place comes first
		m.happen(Change{What: "submitted", Task: taskIs(1, "k", task.Pending)}, Change{What: "assigned", Task: taskIs(1, "k", task.InProgress)})
		m.happen(Change{What: "changed", Slave: &m.slaves[0]}, Change{What: "changed", Master: &task.Master{ID: "m1"}}, Change{What: "removed", Master: &task.Master{ID: "m9"}})
		events := []string{
			"task 2-0 submitted 1 pending", "task 2-1 assigned 1 in_progress",
			"slave 3-0 changed slave-1 alive", "master 3-1 changed m1 leader", "master 3-2 removed m9 follower",
		}
		w.want(events...)
		w.want(quiet, quiet)

		// Who was cut off goes on where it was, wherever that was, and header goes
		// before query.
		for i := range events {
			id := strings.Fields(events[i])[1]
			w := watchOver(t, listener, "/v1/events?types=task,slave,master&after=1", id)
			w.want(id)
			w.want(events[i+1:]...)
		}
		watchOver(t, listener, "/v1/events?types=task,slave,master&after=1", "").want("1", events[0])
		watchOver(t, listener, "/v1/events?types=task,slave,master&after=2", "").want("2", events[2])
		watchOver(t, listener, "/v1/events?types=master&after=2", "").want("2", events[3])
	})
}

func TestEventsAreFiltered(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		listener := watching(t, m)
		for target, want := range map[string][]string{
			"?status=done":             {"task 4-0 done 1 done", "task 5-0 done 2 done"},
			"?kind=b":                  {"task 3-0 submitted 2 pending", "task 5-0 done 2 done"},
			"?id=1,7":                  {"task 2-0 submitted 1 pending", "task 4-0 done 1 done"},
			"?id=1&types=slave,leader": {"slave 2-1 changed slave-1 alive", "slave 5-1 changed slave-1 alive"},
			"?types=task&id=2":         {"task 3-0 submitted 2 pending", "task 5-0 done 2 done"},
		} {
			m.mu.Lock()
			m.index, m.changes = 1, nil
			m.mu.Unlock()
			w := watchOver(t, listener, "/v1/events"+target, "")
			w.want("1")
			if !strings.Contains(target, "types=task") {
				w.want(leaderM1)
			}
			m.happen(Change{What: "submitted", Task: taskIs(1, "a", task.Pending)}, Change{What: "changed", Slave: &m.slaves[0]})
			m.happen(Change{What: "submitted", Task: taskIs(2, "b", task.Pending)})
			m.happen(Change{What: "done", Task: taskIs(1, "a", task.Done)})
			m.happen(Change{What: "done", Task: taskIs(2, "b", task.Done)}, Change{What: "changed", Slave: &m.slaves[0]})
			w.want(want...)
			// The reader's place moves on past what it does not want to see.
			if !strings.Contains(target, "slave") {
				w.want("5-1")
			}
			w.want(quiet)
		}
		for _, target := range []string{"?types=", "?types=task,x", "?after=x", "?after=1-", "?after=-1", "?after=1-x", "?after=1-9999999999", "?status=x", "?resync=1", "?cursor=x"} {
			w := watchOver(t, listener, "/v1/events"+target, "")
			if w.resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %s", target, w.resp.Status)
			}
		}
		if w := watchOver(t, listener, "/v1/events", "x"); w.resp.StatusCode != http.StatusBadRequest {
			t.Errorf("a wrong header: %s", w.resp.Status)
		}
	})
}

// What is not known any more is said, once, and the whole state follows. Only its
// end has an id: who is cut off in it gets a new one.
func TestAResetBringsTheWholeState(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		listener := watching(t, m)
		for i := range task.ID(3) {
			m.happen(Change{What: "submitted", Task: taskIs(i+1, "k", task.Pending)})
		}
		m.mu.Lock()
		m.forgotten = Place{Index: 3}
		m.mu.Unlock()
		state := []string{
			"master  present m1 leader", "slave  present slave-1 alive",
			"task  present 1 pending", "task  present 2 pending", "task  present 3 pending",
			`resynced 4 "index":4`,
		}
		w := watchOver(t, listener, "/v1/events?after=2", "")
		w.want("2", leaderM1, `reset  "reason":"what follows 2 is not known here any more"`)
		w.want(state...)
		m.happen(Change{What: "done", Task: taskIs(3, "k", task.Done)})
		w.want("task 5-0 done 3 done", quiet)

		w = watchOver(t, listener, "/v1/events?resync=true&types=task&id=2,3", "")
		w.want(`reset  "reason":"the whole state was asked for"`, "task  present 2 pending", "task  present 3 done", `resynced 5 "index":5`, "5", quiet)

		// Also in the middle of a stream.
		m.mu.Lock()
		m.index, m.forgotten = 9, Place{Index: 9, Position: EndOfEntry}
		m.mu.Unlock()
		m.happen(Change{What: "submitted", Task: taskIs(4, "k", task.Pending)})
		w.want(`reset  "reason":"what follows 5 is not known here any more"`, "task  present 2 pending", "task  present 3 done", `resynced 10 "index":10`, quiet)
	})
}

// A reader that comes from a master that is further waits for this one.
func TestAReaderFromAheadWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		listener := watching(t, m)
		began := time.Now()
		w := watchOver(t, listener, "/v1/events", "7-2")
		if took := time.Since(began); w.resp.StatusCode != http.StatusServiceUnavailable || w.resp.Header.Get("Retry-After") == "" || took != 5*time.Second {
			t.Errorf("%s after %s", w.resp.Status, took)
		}
		go func() {
			time.Sleep(time.Second)
			m.happen(Change{What: "submitted", Task: taskIs(1, "k", task.Pending)}, Change{What: "assigned", Task: taskIs(1, "k", task.InProgress)})
		}()
		watchOver(t, listener, "/v1/events?types=task", "2-0").want("2-0", "task 2-1 assigned 1 in_progress")
	})
}

// Any answer but 200 ends a browser's EventSource for good. One that has come at a
// bad time is told to come back.
func TestAnEventSourceIsToldToComeBack(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		h := New(Config{Backend: m})
		for _, refused := range []struct {
			code task.Code
			full bool // of readers
		}{{task.CodeIndexNotReached, false}, {task.CodeTooManyStreams, true}} {
			if refused.full {
				listener := serving(t, h)
				for range maxStreams {
					watchOver(t, listener, "/v1/events?types=task", "").want("1")
				}
			}
			r := request("GET", "/v1/events", "")
			r.Header.Set("Accept", "text/event-stream")
			r.Header.Set("Last-Event-ID", "7-2")
			a := exchange(t, h, r)
			var pause int
			if _, err := fmt.Sscanf(string(a.body), "retry: %d\n: "+string(refused.code), &pause); err != nil ||
				a.StatusCode != http.StatusOK || !strings.HasSuffix(string(a.body), "\n\n") || pause < 2000 || pause > 4000 {
				t.Errorf("%s: got %d %s, %v", refused.code, a.StatusCode, a.body, err)
			}
			r = request("GET", "/v1/events", "")
			r.Header.Set("Accept", "application/json, */*")
			r.Header.Set("Last-Event-ID", "7-2")
			if a := exchange(t, h, r); a.StatusCode != http.StatusServiceUnavailable || a.code(t) != refused.code {
				t.Errorf("a program: got %d %s", a.StatusCode, a.body)
			}
		}
		// What is wrong stays wrong.
		r := request("GET", "/v1/events?after=x", "")
		r.Header.Set("Accept", "text/event-stream")
		if a := exchange(t, h, r); a.StatusCode != http.StatusBadRequest {
			t.Errorf("a wrong query: got %d", a.StatusCode)
		}
	})
}

func TestEventsTellWhoLeads(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		w := watchOver(t, watching(t, m), "/v1/events?types=leader", "")
		w.want("1", leaderM1)
		for url, want := range map[string]string{"": `leader  "id":"","api_url":"","term":7`, "http://m2": `leader  "id":"m2","api_url":"http://m2","term":7`} {
			m.mu.Lock()
			m.leader, m.wrongURL = nil, url
			m.mu.Unlock()
			w.want(want)
		}
		w.want(quiet)
	})
}

// A reader that does not read is cut, in bounded time, and holds up nobody.
func TestASlowReaderIsCut(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		listener := watching(t, m)
		slow, quick := watchOver(t, listener, "/v1/events?types=task", ""), watchOver(t, listener, "/v1/events?types=task", "")
		slow.want("1")
		quick.want("1")
		began := time.Now()
		for i := range task.ID(3) {
			m.happen(Change{What: "submitted", Task: taskIs(i+1, "k", task.Pending)})
			quick.want(fmt.Sprintf("task %d-0 submitted %d pending", i+2, i+1))
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the quick one waited %s", took)
		}
		time.Sleep(streamPatience + heartbeat)
		for range 4 { // what was on the way, if anything
			if slow.next() == "" {
				return
			}
		}
		t.Error("the slow one reads on")
	})
}

func TestReadersAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, m *fakeMaster) {
		t.Helper()
		listener := watching(t, m)
		var all []*watcher
		for range maxStreams {
			w := watchOver(t, listener, "/v1/events?types=task", "")
			w.want("1")
			all = append(all, w)
		}
		w := watchOver(t, listener, "/v1/events", "")
		if w.resp.StatusCode != http.StatusServiceUnavailable || w.resp.Header.Get("Retry-After") == "" {
			t.Errorf("one too many: %s, %v", w.resp.Status, w.resp.Header)
		}
		_ = all[0].conn.Close()
		synctest.Wait() // the server finds out
		watchOver(t, listener, "/v1/events?types=task", "").want("1")
	})
}

// A large event is in memory for each reader that has not taken it, so few readers
// are sent one at once; the others get it when those are served or cut.
func TestLargeEventsAreSentToAFewReadersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newLeader("http://m1")
		listener := watching(t, m)
		var readers []*watcher
		for range largeEvents + 3 {
			w := watchOver(t, listener, "/v1/events", "")
			w.next() // where it begins
			w.next() // who leads
			readers = append(readers, w)
		}
		large := task.Task{ID: 1, Spec: task.Spec{Kind: "k", Expression: strings.Repeat("x", 1<<20)}, Status: task.Pending}
		m.happen(Change{What: "submitted", Task: &large})
		<-time.After(slowestStream) // what readers collect is sent
		// offered tells how many readers have something to read.
		offered := func() (n int, without []*watcher) {
			for _, w := range readers {
				if err := w.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
					t.Fatal(err)
				}
				if got, _ := w.conn.Read(make([]byte, 100)); got > 0 {
					n++
				} else {
					without = append(without, w)
				}
			}
			return n, without
		}
		n, without := offered()
		if n != largeEvents {
			t.Errorf("%d readers are sent the event at once, want %d", n, largeEvents)
		}
		<-time.After(streamPatience + time.Second) // those that take nothing are cut
		readers = without
		if n, _ := offered(); n != len(without) {
			t.Errorf("%d of the other %d are sent it then", n, len(without))
		}
	})
}
