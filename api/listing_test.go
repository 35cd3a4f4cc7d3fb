package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/api/wire"
	"muster/task"
)

// largeTasks leads a cluster of tasks with so many bytes each. A control character
// is six bytes in JSON.
func largeTasks(n, size int) *fakeMaster {
	m := manyTasks(n)
	text := strings.Repeat("\x01", size)
	for id, t := range m.tasks {
		t.Spec.Expression = text
		m.tasks[id] = t
	}
	return m
}

// idsOf follows next to the end, and holds each page against the bound.
func idsOf(t *testing.T, h http.Handler, path string) (ids []uint64, pages int) {
	t.Helper()
	cursor := ""
	for {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("GET", path+cursor, ""))
		var page struct {
			Tasks []struct {
				ID uint64 `json:"id"`
			} `json:"tasks"`
			Next   string       `json:"next"`
			Counts *wire.Counts `json:"counts"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK || page.Counts == nil {
			t.Fatalf("%s: %d, %v, %.200s", path, w.Code, err, w.Body)
		}
		if w.Body.Len() > maxPageBytes+1000 && len(page.Tasks) > 1 {
			t.Errorf("%s: a page of %d tasks has %d bytes", path, len(page.Tasks), w.Body.Len())
		}
		for _, one := range page.Tasks {
			ids = append(ids, one.ID)
		}
		pages++
		if page.Next == "" {
			return ids, pages
		}
		cursor = "&cursor=" + page.Next
	}
}

func TestAPageIsBoundedByBytes(t *testing.T) {
	m := largeTasks(20, 256<<10) // 1.5 MiB each in JSON
	huge := m.tasks[7]
	huge.Spec.Expression = strings.Repeat("x", 2*maxPageBytes)
	m.tasks[7] = huge
	h := handlerOf(m)
	var want []uint64
	for id := range uint64(20) {
		want = append(want, id+1)
	}
	for _, path := range []string{"/v1/tasks?limit=1000", "/get-tasks?limit=1000", "/v1/tasks?limit=3", "/v1/tasks?order=desc"} {
		ids, pages := idsOf(t, h, path)
		if strings.Contains(path, "desc") {
			slices.Reverse(ids)
		}
		if !slices.Equal(ids, want) || pages < 10 {
			t.Errorf("%s: %d pages with %v", path, pages, ids)
		}
	}
	// What is small comes as it did.
	if ids, pages := idsOf(t, handlerOf(manyTasks(2500)), "/v1/tasks?limit=1000"); len(ids) != 2500 || pages != 3 {
		t.Errorf("%d small tasks on %d pages", len(ids), pages)
	}
}

// countingView tells how often it is listed.
type counting struct {
	*fakeMaster

	lists *int
}

type countingView struct {
	View

	lists *int
}

func (m counting) Read(ctx context.Context, o ReadOptions) (View, error) {
	v, err := m.fakeMaster.Read(ctx, o)
	return countingView{v, m.lists}, err
}

func (v countingView) List(q task.Query) task.Page {
	*v.lists++
	return v.View.List(q)
}

// leaver is a client that goes away when it has some bytes.
type leaver struct {
	*httptest.ResponseRecorder

	leave context.CancelFunc
	after int
}

func (l *leaver) Write(b []byte) (int, error) {
	if l.after -= len(b); l.after <= 0 {
		l.leave()
	}
	return l.ResponseRecorder.Write(b)
}

func TestWorkForAClientThatIsGoneStops(t *testing.T) {
	lists := 0
	h := New(Config{Backend: counting{largeTasks(200, 64<<10), &lists}})
	for _, path := range []string{"/v1/tasks?limit=1000", "/v1/tasks/export"} {
		for _, after := range []int{0, 100_000} {
			lists = 0
			ctx, cancel := context.WithCancel(t.Context())
			if after == 0 {
				cancel()
			}
			func() {
				defer func() { _ = recover() }() // as the server does: the connection is cut
				h.ServeHTTP(&leaver{httptest.NewRecorder(), cancel, after}, request("GET", path, "").WithContext(ctx))
			}()
			cancel()
			if lists > 2 {
				t.Errorf("%s: the state was listed %d times for a client that left after %d bytes", path, lists, after)
			}
		}
	}
}

// largeAnswer asks for one and reads its head.
func largeAnswer(t *testing.T, listener *pipes, path string) (net.Conn, *http.Response) {
	t.Helper()
	mine, theirs := net.Pipe()
	listener.conns <- theirs
	if _, err := io.WriteString(mine, "GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(mine, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	return mine, resp
}

// Large answers share a few places; who does not read loses its own, and small
// answers need none.
func TestLargeAnswersAreBounded(t *testing.T) {
	m := largeTasks(20, 128<<10)
	m.tasks[1] = task.Task{ID: 1, Status: task.Pending}
	for i := range 1000 {
		m.slaves = append(m.slaves, task.Slave{Name: fmt.Sprintf("slave-%d", i), URL: "http://h/" + strings.Repeat("x", 1000), State: task.SlaveAlive})
	}
	for _, path := range []string{"/v1/tasks?limit=1000", "/get-tasks", "/v1/slaves", "/v1/tasks/2"} {
		synctest.Test(t, func(t *testing.T) {
			x := newExporter(t, m)
			defer x.close()
			for range largeAnswers {
				conn, resp := largeAnswer(t, x.listener, path)
				defer conn.Close()
				if resp.StatusCode != http.StatusOK {
					t.Fatalf("%s: got %d", path, resp.StatusCode)
				}
			}
			conn, resp := largeAnswer(t, x.listener, path)
			defer conn.Close()
			text, err := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || !bytes.Contains(text, []byte(`"overloaded"`)) {
				t.Errorf("%s: one too many: %d %.200s, %v", path, resp.StatusCode, text, err)
			}
			conn, resp = largeAnswer(t, x.listener, "/v1/tasks/1")
			defer conn.Close()
			if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%s: a small answer meanwhile: %d, %v", path, resp.StatusCode, err)
			}
			// Nobody reads, so all are cut in time.
			<-time.After(4 * answerTimeout)
			conn, resp = largeAnswer(t, x.listener, path)
			defer conn.Close()
			if text, err = io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !json.Valid(text) {
				t.Errorf("%s: afterwards: %d, %v", path, resp.StatusCode, err)
			}
		})
	}
}

func TestManySlavesAreListed(t *testing.T) {
	m := newLeader("http://m1")
	m.slaves = nil
	for i := range 10_000 {
		m.slaves = append(m.slaves, task.Slave{
			Name: fmt.Sprintf("slave-%d", i), URL: "http://10.0.0.1:9101", Slots: 1, State: task.SlaveAlive, RegisteredAt: 1,
			Labels: []task.Label{{Name: "zone", Value: strings.Repeat("z", 200)}},
		})
	}
	var list wire.SlaveList
	exchange(t, handlerOf(m), request("GET", "/v1/slaves", "")).into(t, &list)
	if len(list.Slaves) != 10_000 || list.Slaves[9999].Name != "slave-9999" {
		t.Errorf("%d slaves", len(list.Slaves))
	}
}
