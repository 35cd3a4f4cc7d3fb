package link_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"muster/slave/link"
	"muster/slave/worker"
	"muster/systemtest/timelimit"
	"muster/task"
)

const incarnation = "0123456789abcdef"

// deaf is a Reporter that no master listens to, so that results stay.
type deaf struct{}

func (deaf) Report(ctx context.Context, _ task.Report) ([]task.Verdict, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// newWorker starts a worker with the kinds echo (its result is the order's
// expression), large (the largest result) and wait (until it is cancelled).
func newWorker(t testing.TB, slots int, reporter worker.Reporter) *worker.Worker {
	t.Helper()
	w, err := worker.New(worker.Config{
		Name: "slave-1", Incarnation: incarnation, Slots: slots, Reporter: reporter,
		Handlers: map[string]worker.Handler{
			"echo": func(_ context.Context, o task.Order) (task.Value, error) {
				if o.Expression == "fail" {
					return task.Value{}, errors.New("as you wish")
				}
				return task.Value{Type: task.String, Text: o.Expression}, nil
			},
			"large": func(context.Context, task.Order) (task.Value, error) {
				return task.Value{Type: task.String, Text: strings.Repeat("x", task.MaxResultBytes)}, nil
			},
			"wait": func(ctx context.Context, _ task.Order) (task.Value, error) {
				<-ctx.Done()
				return task.Value{}, ctx.Err()
			},
		},
	})
	if err == nil {
		err = w.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// serve runs the slave's own server on loopback and returns its URL.
func serve(t testing.TB, w *worker.Worker) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := link.NewServer(w, slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return "http://" + l.Addr().String()
}

// fake serves one answer to everything and returns its URL.
func fake(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func newSender(t testing.TB) *link.Sender {
	t.Helper()
	s := link.NewSender(link.SenderConfig{})
	t.Cleanup(s.Close)
	return s
}

func stamp(sequence uint64) task.Stamp { return task.Stamp{Term: 1, Sequence: sequence} }

// call makes a request as any program could, and returns status and body.
func call(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(timelimit.Context(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{Timeout: timelimit.Usual(t)}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: content type %q", method, url, got)
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}
