package link_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/task"
)

// A slave's URL decides who is asked and never what: an older master may have
// recorded one that ends in a query or a fragment.
func TestASlavesURLDoesNotChooseThePath(t *testing.T) {
	var asked atomic.Int32
	base := fake(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	for _, suffix := range []string{"/admin?", "/admin#", "/admin?x=", "/x/../admin", "/x/%2e%2e/admin", "?", "#"} {
		for call, err := range calls(within(t, 10*time.Second), newSender(t), base+suffix) {
			if !errors.Is(err, task.ErrUnreached) {
				t.Errorf("%s at %s: %v, want that nobody was reached", call, suffix, err)
			}
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// What answers at a slave's URL may be somebody else, with secrets.
func TestErrorsHoldNothingOfTheAnswer(t *testing.T) {
	raw := func(text string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(rw).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, text) // the sender may have hung up
			_ = conn.Close()
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"an error":             raw("HTTP/1.1 500 SECRET\r\nContent-Type: application/json\r\n\r\n" + `{"error":"SECRET","code":"SECRET"}`),
		"a page":               raw("HTTP/1.1 200 OK\r\n\r\nSECRET"),
		"another type":         raw("HTTP/1.1 200 OK\r\n\r\n" + `{"free":"SECRET","SECRET":1,"slots":7777777777777777777777}`),
		"a conflict":           raw("HTTP/1.1 409 OK\r\n\r\n" + `{"error":"SECRET","code":"slave_busy"}`),
		"another protocol":     raw("SECRET\r\n"),
		"a header of its own":  raw("HTTP/1.1 200 OK\r\nSECRET\r\n\r\n"),
		"a length of its own":  raw("HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n"),
		"an encoding":          raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET\r\n\r\n"),
		"a version of its own": raw("SECRET 200 OK\r\n\r\n"),
		"a redirect":           raw("HTTP/1.1 302 SECRET\r\nLocation: http://SECRET/\r\n\r\n"),
	} {
		for call, err := range calls(within(t, 10*time.Second), newSender(t), fake(t, answer)) {
			if err == nil || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "7777") {
				t.Errorf("%s: %s: %v", name, call, err)
			}
		}
	}
}
