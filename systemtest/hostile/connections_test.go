package hostile

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

// TestHostileConnectionsHoldNothingUp opens connections that say half of
// something, too much of it, or nonsense. Meanwhile and afterwards masters and
// slaves serve.
func TestHostileConnectionsHoldNothingUp(t *testing.T) { //nolint:tparallel // the groups share a system, and follow each other
	t.Parallel()
	s := newSystem(t, 4, "slave-1")
	endless := s.endless(t)
	t.Run("nonsense", s.nonsense)
	s.unharmed(t)
	t.Run("half a header", s.halfAHeader)
	s.unharmed(t)
	t.Run("half a body", s.halfABody)
	s.unharmed(t)
	endless.Wait()
	s.unharmed(t)
}

// host is what is dialled for a URL.
func host(url string) string { return strings.TrimPrefix(url, "http://") }

func dial(t *testing.T, url string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", host(url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(timelimit.Of(t, 2*time.Minute))); err != nil {
		t.Fatal(err)
	}
	return conn
}

// raw writes to a connection and returns the answers' statuses, until the server
// closes it or has said enough.
func raw(t *testing.T, url, text string, most int) (statuses []int, last string) {
	t.Helper()
	conn := dial(t, url)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer conn.Close() // ends the writer
	writer.Go(func() {
		_, _ = io.WriteString(conn, text) // the server may close first; its answer tells
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite() // likewise
		}
	})
	r := bufio.NewReader(conn)
	for len(statuses) < most {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses, last
		}
		body, _ := io.ReadAll(resp.Body) // cut off is as good
		resp.Body.Close()
		statuses, last = append(statuses, resp.StatusCode), string(body)
	}
	return statuses, last
}

// nonsense is what is no request, or hardly one; for a master and for a slave.
func (s *system) nonsense(t *testing.T) {
	const end = "Host: 127.0.0.1\r\n\r\n"
	for name, tc := range map[string]struct {
		text string
		want string
	}{
		"nothing but lines":      {repeat("\r\n", 1000), "[400]"},
		"garbage":                {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS?\r\n\r\n", "[400]"},
		"HTTP/0.9":               {"GET /healthz\r\n", "[400]"},
		"HTTP/1.0":               {"GET /healthz HTTP/1.0\r\n\r\n", "[200]"},
		"HTTP/2":                 {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "[404]"},
		"HTTP/9.9":               {"GET /healthz HTTP/9.9\r\n" + end, "[505]"},
		"no host":                {"GET /healthz HTTP/1.1\r\n\r\n", "[400]"},
		"two hosts":              {"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "[400]"},
		"a host with a space":    {"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", "[400]"},
		"a name with a space":    {"GET /healthz HTTP/1.1\r\nX Y: 1\r\n" + end, "[400]"},
		"NUL in a header":        {"GET /healthz HTTP/1.1\r\nX: \x00\r\n" + end, "[400]"},
		"no colon":               {"GET /healthz HTTP/1.1\r\nXY\r\n" + end, "[400]"},
		"length -1":              {"POST /healthz HTTP/1.1\r\nContent-Length: -1\r\n" + end, "[400]"},
		"length 2^64":            {"POST /healthz HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n" + end, "[400]"},
		"two lengths":            {"POST /healthz HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n" + end + "ab", "[400]"},
		"unknown encoding":       {"POST /healthz HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" + end, "[501]"},
		"large header":           {"GET /healthz HTTP/1.1\r\nX: " + repeat("x", 1<<20) + "\r\n" + end, "[431]"},
		"many headers":           {"GET /healthz HTTP/1.1\r\n" + repeat("X: y\r\n", 100_000) + end, "[431]"},
		"a long target":          {"GET /" + repeat("a", 1<<20) + " HTTP/1.1\r\n" + end, "[431]"},
		"a control character":    {"GET /\x01 HTTP/1.1\r\n" + end, "[400]"},
		"an asterisk":            {"OPTIONS * HTTP/1.1\r\nConnection: close\r\n" + end, "[200]"},
		"absolute":               {"GET http://evil.example/healthz HTTP/1.1\r\nConnection: close\r\n" + end, "[200]"},
		"absolute, of a file":    {"GET file:///etc/passwd HTTP/1.1\r\nConnection: close\r\n" + end, "[404]"},
		"a tunnel":               {"CONNECT evil.example:443 HTTP/1.1\r\nConnection: close\r\n" + end, "[421]"},
		"an unknown method":      {"BREW /healthz HTTP/1.1\r\nConnection: close\r\n" + end, "[405]"},
		"an upgrade":             {"GET /healthz HTTP/1.1\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n" + end, "[200]"},
		"pipelined":              {repeat("GET /healthz HTTP/1.1\r\n"+end, 3) + "garbage\r\n\r\n", "[200 200 200 400]"},
		"two kinds of length":    {"POST /healthz HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n" + end + "0\r\n\r\nGET /healthz HTTP/1.1\r\n" + end, "[405 200]"},
		"a chunk of nonsense":    {"POST /v1/tasks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + end + "zz\r\n", ""},
		"a chunk of 2^64":        {"POST /v1/tasks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + end + "ffffffffffffffff\r\n{", ""},
		"a long chunk extension": {"POST /v1/tasks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + end + "1;" + repeat("x", 1<<20), ""},
	} {
		for _, n := range append([]*node{s.leader()}, s.slaves...) {
			statuses, body := raw(t, n.url, tc.text, 4)
			got := fmt.Sprint(statuses)
			switch {
			case tc.want == "" && len(statuses) == 1 && (statuses[0] == 400 || statuses[0] == 404):
			case got != tc.want:
				t.Errorf("%s: %s: %s %.200s; want %s", n.name, name, got, body, tc.want)
			}
		}
	}
}

// halfAHeader opens many connections that never finish their header, and waits
// until the servers have had enough of them.
func (s *system) halfAHeader(t *testing.T) {
	const each = 200
	s.connections = max(s.connections, each)
	var conns []net.Conn
	for _, n := range append([]*node{s.leader()}, s.slaves...) {
		for i := range each {
			conn := dial(t, n.url)
			if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "+repeat("x", i*50)); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
	}
	s.unharmed(t)
	for _, conn := range conns {
		if _, err := io.Copy(io.Discard, conn); err != nil && !isReset(err) {
			t.Fatalf("the server did not close: %v", err)
		}
	}
}

func isReset(err error) bool { return strings.Contains(err.Error(), "reset") }

// halfABody opens many connections that have all but the last byte of the
// largest body that is taken, and never send that.
func (s *system) halfABody(t *testing.T) {
	for _, target := range []struct {
		n     *node
		head  string
		size  int
		conns int
	}{
		{s.leader(), "POST /v1/results HTTP/1.1\r\nHost: 127.0.0.1\r\n", 1 << 20, 400},
		{s.slaves[0], "POST /tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nMuster-Term: 1\r\nMuster-Sequence: 1\r\n", 16 << 20, 40},
	} {
		s.connections = max(s.connections, uint64(target.conns))
		var conns []net.Conn
		var writers sync.WaitGroup
		for range target.conns {
			conn := dial(t, target.n.url)
			conns = append(conns, conn)
			writers.Go(func() {
				// One that is told to go away can't send the rest.
				_, _ = fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", target.head, target.size, repeat(" ", target.size-1))
			})
		}
		writers.Wait()
		s.unharmed(t)
		for _, conn := range conns {
			conn.Close()
		}
		s.unharmed(t)
	}
}

// endless begins requests that never end, slowly: they are cut off while the
// tests go on. What it returns waits for that.
func (s *system) endless(t *testing.T) *sync.WaitGroup {
	t.Helper()
	var all sync.WaitGroup
	for _, n := range append([]*node{s.leader()}, s.slaves...) {
		path := "/v1/tasks"
		if n != s.leader() {
			path = "/tasks"
		}
		for _, tc := range []struct{ head, again string }{
			{"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", "X: y\r\n"},
			{"POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nMuster-Term: 1\r\nMuster-Sequence: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"},
			{"POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nMuster-Term: 1\r\nMuster-Sequence: 1\r\nContent-Length: 1000\r\n\r\n", " "},
		} {
			conn := dial(t, n.url)
			all.Go(func() {
				began := time.Now()
				if _, err := io.WriteString(conn, tc.head); err != nil {
					t.Errorf("%s: %v", n.name, err)
				}
				stopped := make(chan struct{})
				all.Go(func() {
					defer close(stopped)
					_, _ = io.Copy(io.Discard, conn) // until the server closes it
				})
				trickle := time.NewTicker(200 * time.Millisecond)
				defer trickle.Stop()
				for {
					select {
					case <-stopped:
						if took := time.Since(began); took > timelimit.Of(t, 50*time.Second) {
							t.Errorf("%s took %.60q… for %v", n.name, tc.head, took)
						}
						return
					case <-trickle.C:
						_, _ = io.WriteString(conn, tc.again) // it may be closed by now
					}
				}
			})
		}
	}
	return &all
}
