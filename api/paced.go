package api

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"muster/task"
)

// caller is what is known of a connection.
type caller struct {
	mu    sync.Mutex
	again time.Time // when it was told to come again; under mu
}

type callerKey struct{}

// callerOf returns who calls. Behind a follower, whose connections carry the calls of
// many, and at a server that was not made by NewServer, that is not known.
func callerOf(r *http.Request) *caller {
	c, ok := r.Context().Value(callerKey{}).(*caller)
	if !ok || r.Header.Get(headerForwarded) != "" {
		return new(caller)
	}
	return c
}

func (c *caller) early(now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.again.Sub(now)
}

func (c *caller) comeAgain(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = at
}

// paced has a submit wait for its turn, and answers it if it gets none. Who comes for
// the first time is told at once; who was told to come again later waits until then, and a little longer.
// Nothing of the body is read before.
func (s *server) paced(c *gin.Context, submit func()) {
	from := callerOf(c.Request)
	switch wait, turn := s.shed.queue(time.Now()); {
	case !turn:
		if over, ok := s.shed.wait(); ok {
			stays := s.sleep(c, spread(from.early(time.Now())))
			over()
			if !stays {
				return
			}
		}
		s.fail(c, s.shedOne())
	case !s.sleep(c, wait):
		return
	case s.shed.full(time.Now()):
		s.fail(c, s.shedOne())
	default:
		submit()
	}
	switch status := c.Writer.Status(); {
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		s.shed.decided(true)
		told, _ := strconv.Atoi(c.Writer.Header().Get("Retry-After")) // without one, at once
		from.comeAgain(time.Now().Add(time.Duration(told) * time.Second))
	case status < http.StatusBadRequest:
		s.shed.decided(false)
	}
}

// spread makes a wait up to a half longer, by chance: of those that were all told to
// come again at one moment, not all are to be answered at one moment.
func spread(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d + rand.N(d/2+1) //nolint:gosec // chance, not secrecy
}

// sleep waits, or until the server shuts down. It reports false if the client left
// meanwhile, as far as that can be known.
func (s *server) sleep(c *gin.Context, d time.Duration) bool {
	if d > 0 {
		ctx, cancel := waiting(c.Request.Context(), d)
		defer cancel()
		<-ctx.Done()
	}
	return c.Request.Context().Err() == nil
}

// shedOne is the refusal of a submit of which nothing was done.
func (s *server) shedOne() *task.Error {
	s.metrics.shed.Inc()
	return task.Refuse(task.CodeOverloaded, "this master is offered more tasks than it can take or refuse; nothing was done with this call, come again later")
}

// retryAfter is in how many seconds to come again after a refusal.
func (s *server) retryAfter(c *gin.Context, refusal *task.Error) int {
	after := max(1, refusal.RetryAfter)
	if s.paces[c.Request.Method+" "+c.FullPath()] {
		after = max(after, int(s.shed.comeAgain()/time.Second))
	}
	return after
}
