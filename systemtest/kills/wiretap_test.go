package kills_test

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

// wiretap looks on, under a client, at submits: which are on their way, and which
// lost their answer because the master that had them died.
type wiretap struct {
	next *http.Transport

	mu       sync.Mutex
	inFlight map[string]int  // by host; under mu
	broken   map[string]int  // by host, over all time; under mu
	lost     map[string]bool // idempotency keys whose answer was lost, until the next; under mu
	kept     int             // lost answers whose task was there when asked again; under mu
}

func newWiretap() *wiretap {
	return &wiretap{
		next:     &http.Transport{MaxIdleConnsPerHost: 2 * maxSubmits},
		inFlight: map[string]int{}, broken: map[string]int{}, lost: map[string]bool{},
	}
}

// RoundTrip passes a request on.
func (w *wiretap) RoundTrip(r *http.Request) (*http.Response, error) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		return w.next.RoundTrip(r)
	}
	// The transport itself repeats a request with an Idempotency-Key when its
	// connection breaks, so the error may be that of the repeat. What was written
	// before tells.
	var written atomic.Bool
	trace := &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil {
			written.Store(true)
		}
	}}
	w.began(r.URL.Host)
	answer, err := w.next.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	w.ended(r.Context(), r.URL.Host, key, answer, err != nil && written.Load())
	return answer, err
}

func (w *wiretap) began(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight[host]++
}

func (w *wiretap) ended(ctx context.Context, host, key string, answer *http.Response, broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight[host]--
	switch {
	case broken && ctx.Err() == nil:
		w.broken[host]++
		w.lost[key] = true
	case answer != nil && w.lost[key] && answer.StatusCode == http.StatusOK: // an old task; a new one is 201
		w.kept++
		delete(w.lost, key)
	case answer != nil && answer.StatusCode == http.StatusCreated:
		delete(w.lost, key)
	}
}

// look returns how many submits are on their way to a master, how many answers
// of its were lost, and how many tasks with a lost answer were there.
func (w *wiretap) look(host string) (inFlight, broken, kept int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inFlight[host], w.broken[host], w.kept
}
