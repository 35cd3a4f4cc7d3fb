package link

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/slave/worker"
	"muster/task"
)

// TestHealthIsThatOfTheWorker: not only that somebody answers.
func TestHealthIsThatOfTheWorker(t *testing.T) {
	w, err := worker.New(worker.Config{
		Name: "slave-1", Incarnation: "i", Reporter: silent{},
		Handlers: map[string]worker.Handler{"k": func(context.Context, task.Order) (task.Value, error) { return task.Value{}, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := Handler(w)
	ask := func() (int, string) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		return rec.Code, rec.Body.String()
	}
	if status, body := ask(); status != http.StatusOK || !strings.Contains(body, "ok") {
		t.Errorf("got %d %s", status, body)
	}
	synctest.Test(t, func(t *testing.T) {
		own := &health{asked: make(chan struct{})} // a question that nobody answers
		for range 3 {
			began := time.Now()
			rec := httptest.NewRecorder()
			own.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			if took := time.Since(began); took != healthTimeout || rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), `"code":"stalled"`) {
				t.Errorf("after %s got %d %s", took, rec.Code, rec.Body)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		own.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/healthz", nil)) // who left gets nothing
	})
}

// silent is a Reporter without a master.
type silent struct{}

func (silent) Report(ctx context.Context, _ task.Report) ([]task.Verdict, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
