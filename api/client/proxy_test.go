package client

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestALeaderThatNobodyReachesIsLeftAlone: behind a proxy the masters' own addresses
// are of no use, and every answer names the leader's.
func TestALeaderThatNobodyReachesIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials, asked := 0, 0
		outside := roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "inside" {
				dials++
				return nil, &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
			}
			asked++
			w := httptest.NewRecorder()
			stamp(w, "9", "http://inside")
			submitted(w)
			return w.Result(), nil
		})
		c, err := New(Config{Addresses: []string{"http://proxy"}, HTTPClient: &http.Client{Transport: outside}})
		if err != nil {
			t.Fatal(err)
		}
		c.traces.Store(true) // a real transport tells that it had no connection
		submit := func(times int) {
			t.Helper()
			for range times {
				if _, err := c.Submit(t.Context(), one, SubmitOptions{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		submit(10)
		if dials != 1 || asked != 10 {
			t.Errorf("the leader inside was called %d times, the proxy %d times", dials, asked)
		}
		time.Sleep(shunFor + time.Second) // fake time
		submit(10)
		if dials != 2 {
			t.Errorf("a minute later the leader inside was called %d times", dials)
		}
	})
}
