package link

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"muster/slave/worker"
	"muster/task"
)

// healthTimeout is how long a worker may take to answer a health check: long enough
// for a machine that has no time.
const healthTimeout = 10 * time.Second

// health asks a worker whether it gets on: all that it does needs its lock.
type health struct {
	worker *worker.Worker

	mu    sync.Mutex
	asked chan struct{} // closed when the question under way is answered; nil: there is none; under mu
}

// ask returns what is closed when the worker has answered. There is one question at
// a time, however many ask.
func (h *health) ask() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked != nil {
		return h.asked
	}
	answered := make(chan struct{})
	h.asked = answered
	go func() { // ends when the worker answers
		h.worker.LastAsked()
		h.mu.Lock()
		h.asked = nil
		h.mu.Unlock()
		close(answered)
	}()
	return answered
}

// ServeHTTP answers GET /healthz.
func (h *health) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	timer := time.NewTimer(healthTimeout)
	defer timer.Stop()
	select {
	case <-h.ask():
		writeJSON(rw, http.StatusOK, map[string]string{"status": "ok"})
	case <-timer.C:
		writeError(rw, http.StatusServiceUnavailable, task.CodeStalled, fmt.Sprintf("the worker of this slave has not answered for %s", healthTimeout))
	case <-r.Context().Done():
	}
}
