package demo

import (
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// wiretap counts, under a client, the submits on their way, and those that lost
// their answer: they were with a master when it died.
type wiretap struct {
	next     *http.Transport
	inFlight atomic.Int64
	broken   atomic.Int64
}

func newWiretap() *wiretap {
	return &wiretap{next: &http.Transport{MaxIdleConnsPerHost: 64}}
}

// RoundTrip passes a request on.
func (w *wiretap) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost {
		return w.next.RoundTrip(r) //nolint:wrapcheck // it only looks on
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
	w.inFlight.Add(1)
	defer w.inFlight.Add(-1)
	answer, err := w.next.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil && written.Load() {
		w.broken.Add(1)
	}
	return answer, err //nolint:wrapcheck // it only looks on
}

// client is an HTTP client over the wiretap.
func (w *wiretap) client() *http.Client { return &http.Client{Transport: w} }
