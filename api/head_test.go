package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHeadIsGetWithoutABody asks every path that knows GET both ways, more often
// than there are places for exports.
func TestHeadIsGetWithoutABody(t *testing.T) {
	leads, follows, _ := pair(t, Config{ForwardFollowers: true})
	send(t, "POST", leads.url+"/v1/tasks", `{"expression":"1"}`)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	head := func(url string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp
	}
	for _, r := range (&server{}).routes() {
		path := strings.ReplaceAll(r.path, ":id", "1")
		if r.method != http.MethodGet || r.path == "/v1/events" { // which has no end; see TestTheHeadOfEventsEnds
			continue
		}
		for _, at := range []string{leads.url + path, follows.url + path, leads.url + path + "?unknown=1"} {
			want := send(t, "GET", at, "")
			for range maxExports + 1 {
				got := head(at)
				for _, name := range []string{"Content-Type", "Muster-Index", "Muster-Leader", "Content-Length"} {
					if r.path == "/metrics" && name == "Content-Length" {
						continue // it counts these requests
					}
					if w, g := want.Header.Get(name), got.Header.Get(name); g != w {
						t.Errorf("HEAD %s: %s is %q, with GET %q", at, name, g, w)
					}
				}
				if got.StatusCode != want.StatusCode {
					t.Errorf("HEAD %s: got %d, with GET %d", at, got.StatusCode, want.StatusCode)
				}
			}
		}
	}
	for target, want := range map[string]int{
		"/v1/tasks/9": http.StatusNotFound, "/join": http.StatusMethodNotAllowed, "/nothing": http.StatusNotFound,
		"/v1/tasks?consistency=linearizable": http.StatusOK,
	} {
		if got := head(follows.url + target); got.StatusCode != want || got.Header.Get("Muster-Leader") != leads.url {
			t.Errorf("HEAD %s: got %d %v", target, got.StatusCode, got.Header)
		}
	}
}

// TestTheHeadOfAnExportReadsNoTasks: its body would be thrown away.
func TestTheHeadOfAnExportReadsNoTasks(t *testing.T) {
	m := moving{manyTasks(10)} // moves whenever tasks are read
	h := New(Config{Backend: m})
	for _, tc := range []struct {
		method string
		index  uint64
	}{{"HEAD", 10}, {"GET", 11}} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(tc.method, "/v1/tasks/export", ""))
		if index, _ := m.look(); w.Code != http.StatusOK || index != tc.index {
			t.Errorf("%s: got %d, and the state is at %d, not %d", tc.method, w.Code, index, tc.index)
		}
	}
}

func TestTheHeadOfEventsEnds(t *testing.T) {
	h := New(Config{Backend: newLeader("http://m1")})
	for range maxStreams + 1 { // each gives its place back
		resp := httptest.NewRecorder()
		h.ServeHTTP(resp, httptest.NewRequest(http.MethodHead, "/v1/events", http.NoBody))
		if resp.Code != http.StatusOK || resp.Body.Len() > 0 || resp.Header().Get("Content-Type") != "text/event-stream" {
			t.Fatalf("got %d %v %s", resp.Code, resp.Header(), resp.Body)
		}
	}
}
