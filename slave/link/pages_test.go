package link_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"muster/slave/link"
)

// A web page may not use a browser that reaches a slave, neither one of another origin
// nor one whose own name was made to lead here.
func TestASlaveServesNoWebPages(t *testing.T) {
	h := link.NewServer(newWorker(t, 1, deaf{}), slog.New(slog.DiscardHandler), "slave-1.example").Handler
	ask := func(method, path, host, site string) int {
		r := httptest.NewRequest(method, path, strings.NewReader(`{"incarnation":"0123456789abcdef","slots":2}`))
		r.Host = host
		r.Header.Set("Muster-Term", "1")
		r.Header.Set("Muster-Sequence", "1")
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, call := range []struct {
		method, path, host, site string
		want                     int
	}{
		{"GET", "/available", "evil.example:9101", "", http.StatusMisdirectedRequest},
		{"GET", "/available", "localhost%25.evil.example", "", http.StatusMisdirectedRequest},
		{"GET", "/available", "[localhost]:9101", "", http.StatusMisdirectedRequest},
		{"POST", "/resize", "evil.example", "same-origin", http.StatusMisdirectedRequest},
		{"POST", "/resize", "127.0.0.1:9101", "cross-site", http.StatusBadRequest},
		{"POST", "/resize", "slave-1.example:9101", "same-site", http.StatusBadRequest},
		{"GET", "/healthz", "evil.example", "cross-site", http.StatusOK},
		{"GET", "/available", "slave-1.example:9101", "", http.StatusOK},
	} {
		if got := ask(call.method, call.path, call.host, call.site); got != call.want {
			t.Errorf("%s %s of %s, %q: got %d, want %d", call.method, call.path, call.host, call.site, got, call.want)
		}
	}
}
