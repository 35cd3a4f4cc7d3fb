package promises_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/promises/story"
)

// hangingLog is a log that hangs at the first line with a message.
type hangingLog struct {
	message string
	hung    atomic.Bool
	goOn    chan struct{}
}

// Enabled reports whether a line could be the one.
func (*hangingLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle hangs, once.
func (l *hangingLog) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, l.message) && !l.hung.Swap(true) {
		<-l.goOn
	}
	return nil
}

// WithAttrs has nothing to keep.
func (l *hangingLog) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup has nothing to keep.
func (l *hangingLog) WithGroup(string) slog.Handler { return l }

// TestALeaderWhoseDispatcherHangsIsReplaced: its heartbeats go on, so no other would
// lead. What hangs here is a logger that a program has put in.
func TestALeaderWhoseDispatcherHangsIsReplaced(t *testing.T) {
	log := &hangingLog{message: "losing a slave"}
	story.TellWith(t, story.Options{QuestionTTL: time.Second, Logs: log}, func(w *story.World) {
		log.goOn = make(chan struct{}) // of the bubble, where waiting for it lets time pass
		w.Formed(3)
		old := w.Leader()
		lost := w.Slave("slave-1", 1)
		w.Slave("slave-2", 1)
		lost.Crash()
		w.Await("the log to hang", func(context.Context) error {
			if !log.hung.Load() {
				return fmt.Errorf("%q was not logged", log.message)
			}
			return nil
		})
		began := time.Now()
		if status, said := health(w, old); status != http.StatusOK {
			t.Errorf("at once: %d %s", status, said)
		}
		w.Await("the health check to fail", func(context.Context) error {
			if status, said := health(w, old); status != http.StatusServiceUnavailable || !strings.Contains(said, "the dispatcher's loop of this master has not answered") {
				return fmt.Errorf("%d %s", status, said)
			}
			return nil
		})
		if took := time.Since(began); took < 25*time.Second || took > 40*time.Second {
			t.Errorf("the health check failed after %s", took)
		}
		if s, err := w.Observer.API.Status(context.Background(), old.URL(), false); err != nil || s.Ready || !strings.Contains(s.NotReady, "dispatcher") {
			t.Errorf("ready %v, %q, %v", s.Ready, s.NotReady, err)
		}
		var next *story.Master
		w.Await("another leader", func(ctx context.Context) error {
			for _, m := range w.Followers(old) {
				if s, err := w.Observer.API.Status(ctx, m.URL(), false); err == nil && s.Role == client.RoleLeader && s.Ready {
					next = m
					return nil
				}
			}
			return errors.New("nobody leads")
		})
		if took := time.Since(began); took > 70*time.Second {
			t.Errorf("another led after %s", took)
		}
		if status, said := health(w, next); status != http.StatusOK {
			t.Errorf("the next leader: %d %s", status, said)
		}
		if err := old.Ends(); err == nil || !strings.Contains(err.Error(), "the dispatcher's loop") || !strings.Contains(err.Error(), "stops so that another can lead") {
			t.Errorf("it ended with %v", err)
		}
		close(log.goOn) // as the end of the process does
		lost.Start()
		lost.Registered()
	})
}

// health asks a master's health check.
func health(w *story.World, m *story.Master) (status int, said string) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), story.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL()+"/healthz", nil)
	if err != nil {
		w.T.Fatal(err)
	}
	resp, err := w.Observer.HTTP.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.T.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
