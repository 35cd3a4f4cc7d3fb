package client

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

const (
	exportOne = `{"id":1,"kind":"k","expression":"e","idempotent":true,"max_tries":1,"timeout_ms":1,"status":"pending","attempt":0,"tries":0,"submitted_at":"2026-01-02T03:04:05Z","index":4}` + "\n"
	exportTwo = `{"id":2,"kind":"k","expression":"e","idempotent":true,"max_tries":1,"timeout_ms":1,"status":"done","outcome":"lost","attempt":0,"tries":0,"submitted_at":"2026-01-02T03:04:05Z","index":40}` + "\n"
	exportEnd = `{"complete":true,"tasks":2,"index":40}` + "\n"
)

// stream answers an export.
func stream(w http.ResponseWriter, text string) {
	stamp(w, "40", "")
	_, _ = io.WriteString(w, text)
}

// export collects the ids of an export.
func export(t *testing.T, c *Client, opts ListOptions) (ids []uint64, done Exported, err error) {
	t.Helper()
	done, err = c.Export(t.Context(), opts, func(x Task) error { ids = append(ids, x.ID); return nil })
	return ids, done, err
}

func TestExport(t *testing.T) {
	master := newScripted(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n > 1 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			stamp(w, "40", "")
			zip := gzip.NewWriter(w)
			_, _ = io.WriteString(zip, exportOne+exportTwo+exportEnd)
			_ = zip.Close()
			return
		}
		stream(w, exportOne+exportTwo+exportEnd)
	})
	busy := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 503, task.CodeTooManyExports) })
	c := ask(t, gone(), busy.URL, master.URL)
	for range 2 {
		at := time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
		ids, done, err := export(t, c, ListOptions{
			ReadOptions: ReadOptions{MinIndex: 41}, Status: TaskDone, Outcome: Lost, Slave: "s", Kind: "k", Key: "x", IDs: []uint64{1, 2}, Descending: true,
			SubmittedAfter: at, SubmittedBefore: at, FinishedAfter: at, FinishedBefore: at,
		})
		if err != nil || len(ids) != 2 || ids[1] != 2 || done != (Exported{Tasks: 2, Index: 40}) {
			t.Errorf("%v, %+v, %v", ids, done, err)
		}
	}
	asked, err := url.Parse(master.heard()[0].target)
	const stamp = "2026-01-02T15:00:00Z"
	want := url.Values{
		"status": {"done"}, "outcome": {"lost"}, "slave": {"s"}, "kind": {"k"}, "key": {"x"}, "id": {"1,2"}, "order": {"desc"}, "min_index": {"41"},
		"submitted_after": {stamp}, "submitted_before": {stamp}, "finished_after": {stamp}, "finished_before": {stamp},
	}
	if err != nil || asked.Path != "/v1/tasks/export" || asked.Query().Encode() != want.Encode() {
		t.Errorf("asked for %v, %v", asked, err)
	}
	if c.Index() != 40 {
		t.Errorf("has seen %d", c.Index())
	}
	if _, _, err := export(t, c, ListOptions{Limit: 1}); err == nil || len(master.heard()) != 2 {
		t.Errorf("a limit: %v", err)
	}
}

// An export that has no good end is never taken for whole, and not asked for again.
func TestAnExportThatIsCutShort(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no end": exportOne + exportTwo, "half a line": exportOne + exportTwo[:40], "half an end": exportOne + exportTwo + exportEnd[:20],
		"one is missing": exportTwo + exportEnd, "too many": exportOne + exportOne + exportTwo + exportEnd,
		"another index": exportOne + exportTwo + `{"complete":true,"tasks":2,"index":41}`, "not complete": exportOne + exportTwo + `{"complete":false,"tasks":2,"index":40}`,
		"more": exportOne + exportTwo + exportEnd + exportTwo, "garbage": exportOne + "<html>\n" + exportTwo + exportEnd,
	} {
		master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { stream(w, text) })
		ids, done, err := export(t, ask(t, master.URL, master.URL), ListOptions{})
		if !errors.Is(err, ErrCut) || done != (Exported{}) || len(ids) > 3 || len(master.heard()) != 1 {
			t.Errorf("%s: %v, %+v, %v, asked %d times", name, ids, done, err, len(master.heard()))
		}
	}
	master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		stream(w, exportOne)
		_ = http.NewResponseController(w).Flush()
		cut()
	})
	ids, _, err := export(t, ask(t, master.URL, master.URL), ListOptions{})
	if !errors.Is(err, ErrCut) || len(ids) != 1 || !strings.Contains(err.Error(), "cut short after 1 tasks") {
		t.Errorf("a connection that breaks: %v, %v", ids, err)
	}
}

func TestAnExportIsRefused(t *testing.T) {
	for code, is := range map[Code]error{task.CodeTooManyExports: nil, task.CodeInvalidRequest: nil, task.CodeNoLeader: ErrNoLeader} {
		master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuse(w, 503, code) })
		_, _, err := export(t, ask(t, master.URL), ListOptions{})
		if wantCode(t, err, code); is != nil && !errors.Is(err, is) || errors.Is(err, ErrCut) {
			t.Errorf("%s: %v", code, err)
		}
	}
	if _, _, err := export(t, ask(t, gone()), ListOptions{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
	// What the taker says ends it, whatever it is.
	master := newScripted(t, func(_ int, w http.ResponseWriter, _ *http.Request) { stream(w, exportOne+exportTwo+exportEnd) })
	full := &Error{Code: task.CodeNoLeader}
	n := 0
	_, err := ask(t, master.URL, master.URL).Export(t.Context(), ListOptions{}, func(Task) error { n++; return full })
	if !errors.Is(err, error(full)) || n != 1 || len(master.heard()) != 1 {
		t.Errorf("%d tasks, %v, asked %d times", n, err, len(master.heard()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = ask(t, master.URL).Export(ctx, ListOptions{}, func(Task) error { cancel(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ends: %v", err)
	}
}

// quietStream is a transport whose answers come as a test says.
type quietStream struct {
	header time.Duration
	reads  []time.Duration // before each line
	ctx    context.Context
	lines  []string
}

func (q *quietStream) RoundTrip(r *http.Request) (*http.Response, error) {
	q.ctx = r.Context()
	if err := q.wait(q.header); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Muster-Index": {"40"}}, Body: io.NopCloser(q), Request: r}, nil
}

func (q *quietStream) Read(p []byte) (int, error) {
	if len(q.lines) == 0 {
		return 0, io.EOF
	}
	if err := q.wait(q.reads[0]); err != nil {
		return 0, err
	}
	n := copy(p, q.lines[0])
	q.lines, q.reads = q.lines[1:], q.reads[1:]
	return n, nil
}

func (q *quietStream) wait(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-q.ctx.Done():
		return q.ctx.Err()
	}
}

// A master may be slow, and the taker of tasks, too; a master that is silent for
// long is given up.
func TestAnExportDoesNotHang(t *testing.T) {
	const most = maxQuiet - time.Second
	for name, tc := range map[string]struct {
		header time.Duration
		reads  [3]time.Duration
		takes  time.Duration
		want   error
	}{
		"slow":            {2 * time.Second, [3]time.Duration{most, most, most}, 0, nil},
		"slow taker":      {0, [3]time.Duration{}, 10 * maxQuiet, nil},
		"silent":          {time.Hour, [3]time.Duration{}, 0, ErrUnreachable},
		"silent in lines": {0, [3]time.Duration{0, time.Hour, 0}, 0, ErrCut},
		"silent at end":   {0, [3]time.Duration{0, 0, time.Hour}, 0, ErrCut},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &quietStream{header: tc.header, reads: tc.reads[:], lines: []string{exportOne, exportTwo, exportEnd}}
				c, err := New(Config{Addresses: []string{"http://m1"}, HTTPClient: &http.Client{Transport: transport}})
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				_, err = c.Export(t.Context(), ListOptions{}, func(Task) error { time.Sleep(tc.takes); return nil })
				if !errors.Is(err, tc.want) {
					t.Errorf("got %v", err)
				}
				if tc.want != nil && (time.Since(began) > maxQuiet || !strings.Contains(fmt.Sprint(err), "nothing came") && tc.header == 0) {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}
