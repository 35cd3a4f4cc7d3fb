package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/api/wire"
	"muster/task"
)

// exported reads an export, and holds its first lines and the last against the
// document.
func exported(t *testing.T, body io.Reader) (ids []uint64, end *wire.ExportEnd, err error) {
	t.Helper()
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return ids, end, nil
		}
		if err != nil {
			return ids, end, err
		}
		if end != nil {
			t.Errorf("after the end comes %s", line)
		}
		schema := "Task"
		if bytes.HasPrefix(line, []byte(`{"complete"`)) {
			schema, end = "ExportEnd", &wire.ExportEnd{}
		}
		if len(ids) < 20 || end != nil {
			var v any
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			if err := theDocument(t).Components.Schemas[schema].Value.VisitJSON(v); err != nil {
				t.Errorf("%v in %s", err, line)
			}
		}
		var x wire.Task
		if end != nil {
			err = json.Unmarshal(line, end)
		} else if err = json.Unmarshal(line, &x); err == nil {
			ids = append(ids, x.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestExport(t *testing.T) {
	h := handlerOf(manyTasks(1200))
	for query, want := range map[string]func(id uint64) bool{
		"": func(uint64) bool { return true }, "order=desc": func(uint64) bool { return true },
		"status=done": func(id uint64) bool { return id%2 == 0 }, "kind=own&submitted_before=1970-01-01T00:00:09Z": func(id uint64) bool { return id == 7 || id == 8 },
		"key=key+4": func(id uint64) bool { return id == 4 }, "id=1100,3": func(id uint64) bool { return id == 3 || id == 1100 },
		"slave=none": func(uint64) bool { return false },
	} {
		var all []uint64
		for id := uint64(1); id <= 1200; id++ {
			if want(id) {
				all = append(all, id)
			}
		}
		if query == "order=desc" {
			slices.Reverse(all)
		}
		encodings := []string{"", "br;q=1, GZIP;q=0.5"}
		if query == "slave=none" {
			encodings = append(encodings, "gzip;q=0", "identity, gzip; q=0.000", "*")
		}
		for _, encoding := range encodings {
			req := request("GET", "/v1/tasks/export?"+query, "")
			req.Header.Set("Accept-Encoding", encoding)
			a := exchange(t, h, req)
			var body io.Reader = bytes.NewReader(a.body)
			zipped := a.Header.Get("Content-Encoding") == "gzip"
			if zipped != strings.Contains(encoding, "GZIP") {
				t.Fatalf("%q: the answer is %v", encoding, a.Header)
			}
			if zipped {
				zip, err := gzip.NewReader(body)
				if err != nil {
					t.Fatal(err)
				}
				body = zip
			}
			ids, end, err := exported(t, body)
			if err != nil || !slices.Equal(ids, all) || end == nil || end.Tasks != uint64(len(all)) || end.Index != 1200 || a.Header.Get("Muster-Index") != "1200" {
				t.Errorf("%s: got %d tasks, not %d, %+v, %v", query, len(ids), len(all), end, err)
			}
		}
	}
	for query, says := range map[string]string{
		"limit=3": "unknown query parameter", "cursor=YTE": "unknown query parameter", "status=no": "status must be", "key=": "key must be",
	} {
		if a := exchange(t, h, request("GET", "/v1/tasks/export?"+query, "")); a.StatusCode != http.StatusBadRequest || !strings.Contains(string(a.body), says) {
			t.Errorf("%s: got %d %s", query, a.StatusCode, a.body)
		}
	}
}

// moving is a master whose state changes while it is read.
type moving struct{ *fakeMaster }

func (m moving) Read(ctx context.Context, opts ReadOptions) (View, error) {
	v, err := m.fakeMaster.Read(ctx, opts)
	return movingView{v, m}, err
}

type movingView struct {
	View

	m moving
}

func (v movingView) List(q task.Query) task.Page {
	page := v.View.List(q)
	_, _ = v.m.Submit(context.Background(), Submission{Spec: task.Spec{Kind: "late"}}) // it leads
	return page
}

func TestAnExportIsOfOneMoment(t *testing.T) {
	m := moving{manyTasks(2500)}
	a := exchange(t, New(Config{Backend: m}), request("GET", "/v1/tasks/export", ""))
	ids, end, err := exported(t, bytes.NewReader(a.body))
	if index, _ := m.look(); index != 2503 {
		t.Fatalf("the state is at %d", index)
	}
	if err != nil || len(ids) != 2500 || end == nil || end.Index != 2500 || a.Header.Get("Muster-Index") != "2500" {
		t.Errorf("%d tasks, %+v, stamped %s, %v", len(ids), end, a.Header.Get("Muster-Index"), err)
	}
}

// exporter is a server in fake time, whose clients take what they read and no more.
type exporter struct {
	t        *testing.T
	listener *pipes
	srv      *http.Server
	served   chan error
}

func newExporter(t *testing.T, m *fakeMaster) *exporter {
	t.Helper()
	x := &exporter{t: t, listener: newPipes(), srv: NewServer(New(Config{Backend: m})), served: make(chan error, 1)}
	go func() { x.served <- x.srv.Serve(x.listener) }()
	return x
}

func (x *exporter) close() {
	_ = x.srv.Close()
	if err := <-x.served; !errors.Is(err, http.ErrServerClosed) {
		x.t.Error(err)
	}
}

// begin asks for an export and reads the answer's header.
func (x *exporter) begin() (net.Conn, *http.Response) {
	x.t.Helper()
	mine, theirs := net.Pipe()
	x.listener.conns <- theirs
	if _, err := io.WriteString(mine, "GET /v1/tasks/export HTTP/1.1\r\nHost: m1\r\n\r\n"); err != nil {
		x.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(mine, 16), nil)
	if err != nil {
		x.t.Fatal(err)
	}
	return mine, resp
}

// cutShort reads the rest of an export, which must have no end.
func (x *exporter) cutShort(what string, body io.Reader) {
	x.t.Helper()
	text, err := io.ReadAll(body)
	if err == nil || bytes.Contains(text, []byte(`"complete"`)) {
		x.t.Errorf("%s: %d bytes that look whole, %v", what, len(text), err)
	}
}

// Each export has a place, and gives it back however it ends.
func TestExportsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExporter(t, manyTasks(1200))
		defer x.close()
		for range 3 {
			var conns []net.Conn
			var bodies []io.Reader
			for range maxExports {
				conn, resp := x.begin()
				if resp.StatusCode != http.StatusOK {
					t.Fatalf("got %d", resp.StatusCode)
				}
				conns, bodies = append(conns, conn), append(bodies, resp.Body)
			}
			conn, resp := x.begin()
			text, err := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !bytes.Contains(text, []byte(`"too_many_exports"`)) {
				t.Errorf("one too many: %d %s, %v", resp.StatusCode, text, err)
			}
			conn.Close()
			// One is read to its end, the others break off.
			if ids, end, err := exported(t, bodies[0]); err != nil || end == nil || len(ids) != 1200 {
				t.Errorf("%d tasks, %v, %v", len(ids), end, err)
			}
			for _, conn := range conns {
				conn.Close()
			}
			synctest.Wait()
		}
	})
}

func TestAReaderMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExporter(t, largeTasks(1000, 1<<10))
		defer x.close()
		conn, resp := x.begin()
		defer conn.Close()
		pauses := 0
		slow := readerFunc(func(p []byte) (int, error) {
			n, err := resp.Body.Read(p[:min(len(p), 8<<10)])
			time.Sleep(time.Duration(n) * time.Second / (slowestReader * 5 / 4))
			if pauses++; pauses == 100 {
				time.Sleep(exportPatience * 2 / 3)
			}
			return n, err
		})
		began := time.Now()
		if ids, end, err := exported(t, slow); err != nil || end == nil || len(ids) != 1000 || time.Since(began) < 2*writeTimeout {
			t.Errorf("%d tasks, %v, %v after %v", len(ids), end, err, time.Since(began))
		}
		// One that takes nothing is cut.
		conn, resp = x.begin()
		defer conn.Close()
		time.Sleep(exportPatience + time.Second)
		x.cutShort("a reader that took nothing", resp.Body)
	})
}

func TestAnExportEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExporter(t, largeTasks(15_000, 1<<10))
		defer x.close()
		conn, resp := x.begin()
		defer conn.Close()
		began := time.Now()
		x.cutShort("a reader that takes little", readerFunc(func(p []byte) (int, error) {
			n, err := io.ReadFull(resp.Body, p[:min(len(p), 64<<10)])
			time.Sleep(time.Duration(n) * time.Second / (slowestReader * 5 / 4))
			return n, err
		}))
		if d := time.Since(began); d < exportTime || d > exportTime+time.Minute {
			t.Errorf("it took %v", d)
		}
	})
}

// Readers that take a little now and then don't keep the places from others.
func TestAReaderThatIsTooSlowLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExporter(t, largeTasks(1000, 1<<10))
		defer x.close()
		var wait sync.WaitGroup
		for range maxExports {
			conn, resp := x.begin()
			wait.Go(func() {
				defer conn.Close()
				began := time.Now()
				x.cutShort("a reader that takes little", bufio.NewReaderSize(readerFunc(func(p []byte) (int, error) {
					time.Sleep(exportPatience / 10)
					return resp.Body.Read(p)
				}), 8<<10))
				if d := time.Since(began); d > 3*exportPatience {
					t.Errorf("it held its place for %v", d)
				}
			})
		}
		wait.Wait()
		conn, resp := x.begin()
		defer conn.Close()
		if _, end, err := exported(t, resp.Body); err != nil || end == nil {
			t.Errorf("then: %v, %v", end, err)
		}
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestAShutdownEndsExports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExporter(t, manyTasks(2500))
		conn, resp := x.begin()
		defer conn.Close()
		synctest.Wait() // it waits for its reader
		began := time.Now()
		if err := x.srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("the shutdown took %v", d)
		}
		x.cutShort("an export of a master that stops", resp.Body)
		x.close()
	})
}

// A follower carries the leader's export, and its cut.
func TestForwardedExport(t *testing.T) {
	leader, follows, _ := pair(t, Config{})
	forwarded := func() (ids []uint64, end *wire.ExportEnd, err error) {
		t.Helper()
		resp, err := http.Get(follows.url + "/v1/tasks/export?consistency=linearizable&forward=true") //nolint:forbidigo // what any client does
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return exported(t, resp.Body)
	}
	for i := range 3 {
		if _, err := leader.Submit(t.Context(), Submission{Spec: task.Spec{Kind: "k", MaxTries: 1, TimeoutMS: 1}, Key: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if ids, end, err := forwarded(); err != nil || end == nil || len(ids) != 3 {
		t.Errorf("%v, %+v, %v", ids, end, err)
	}
	cutting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":1,"kind":"k","expression":"1","idempotent":true,"max_tries":1,"timeout_ms":1,"status":"pending","attempt":0,"tries":0,"submitted_at":"2026-01-02T03:04:05Z","index":4}`+"\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer cutting.Close()
	follows.mu.Lock()
	follows.wrongURL = cutting.URL
	follows.mu.Unlock()
	if ids, end, err := forwarded(); err == nil || end != nil {
		t.Errorf("a cut: %v, %+v, %v", ids, end, err)
	}
}
