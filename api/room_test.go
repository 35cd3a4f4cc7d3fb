package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gin-gonic/gin"

	"muster/task"
)

// begun is a request whose body stays without an end until it is given one.
type begun struct {
	body    *io.PipeWriter
	written chan struct{} // closed when its beginning is written, or refused
	answer  chan answered
}

// begin sends the beginning of a large body.
func begin(h http.Handler, path string) *begun {
	r, w := io.Pipe()
	b := &begun{body: w, written: make(chan struct{}), answer: make(chan answered, 1)}
	go func() {
		req := httptest.NewRequest(http.MethodPost, path, r)
		req.Host = "127.0.0.1"
		req.Header.Set("Content-Type", jsonType)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		r.Close()
		b.answer <- answered{rec.Result(), rec.Body.Bytes()}
	}()
	go func() {
		defer close(b.written)
		_, _ = io.WriteString(w, `{"expression":"1"`+strings.Repeat(" ", 100_000)) // who is refused reads no more
	}()
	return b
}

// end gives the body its end and returns the answer.
func (b *begun) end() answered {
	go func() {
		<-b.written
		_, _ = io.WriteString(b.body, "}") // as above
		b.body.Close()
	}()
	return <-b.answer
}

// TestLargeBodiesTakeTurns begins as many large bodies as there is room for, and
// more: those are told to come back, small ones are not concerned, and whoever is
// answered makes room.
func TestLargeBodiesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handlerOf(newLeader("http://m1"))
		var all []*begun
		for range largeBodies {
			all = append(all, begin(h, "/v1/tasks"))
		}
		synctest.Wait()
		late := begin(h, "/v1/tasks")
		synctest.Wait()
		if a := exchange(t, h, request("POST", "/v1/tasks", `{"expression":"1"}`)); a.StatusCode != http.StatusCreated {
			t.Errorf("a small body beside large ones: %d %s", a.StatusCode, a.body)
		}
		if a := <-late.answer; a.StatusCode != http.StatusTooManyRequests || a.code(t) != task.CodeOverloaded || a.Header.Get("Retry-After") == "" {
			t.Errorf("one too many: %d %s", a.StatusCode, a.body)
		}
		waits := begin(h, "/v1/tasks")
		synctest.Wait()
		for _, b := range append(all, waits) {
			if a := b.end(); a.StatusCode != http.StatusCreated {
				t.Errorf("one of those that had room: %d %s", a.StatusCode, a.body)
			}
		}
	})
}

// TestABodyReadBehindItsAnswerTakesNoRoom reads on when the request is answered, as
// a call that is carried to the leader may.
func TestABodyReadBehindItsAnswerTakesNoRoom(t *testing.T) {
	r := make(room, 1)
	c := &gin.Context{Request: request("POST", "/v1/tasks", strings.Repeat(" ", 100_000))}
	s := &server{room: r}
	s.answered(s.meter(c, maxBody))
	n, err := io.Copy(io.Discard, c.Request.Body)
	if refusal, ok := errors.AsType[*task.Error](err); !ok || refusal.Code != task.CodeOverloaded || n > 2*smallBody {
		t.Errorf("%d bytes, %v", n, err)
	}
	if len(r) != 0 {
		t.Error("it keeps a place for ever")
	}
}

// TestWhoGivesUpMakesRoom ends the requests before their bodies.
func TestWhoGivesUpMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handlerOf(newLeader("http://m1"))
		for range 3 {
			var all []*begun
			for range largeBodies {
				all = append(all, begin(h, "/v1/results"))
			}
			synctest.Wait()
			for _, b := range all {
				b.body.CloseWithError(context.Canceled)
				<-b.answer
			}
		}
		last := begin(h, "/v1/tasks")
		synctest.Wait()
		if a := last.end(); a.StatusCode != http.StatusCreated {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}
