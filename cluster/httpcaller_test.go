package cluster

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestAnHTTPRequestToTheRaftPortIsToldWhereItIs, whatever its method and however long,
// and is nothing that Raft hears.
func TestAnHTTPRequestToTheRaftPortIsToldWhereItIs(t *testing.T) {
	tr, at := answering(t, "m2", "c")
	for method, body := range map[string]string{
		http.MethodGet: "", http.MethodHead: "", http.MethodOptions: "", http.MethodDelete: "",
		http.MethodPost: `{"id":"m1"}`, http.MethodPut: "x", http.MethodPatch: strings.Repeat("x", maxHTTPCall/2),
	} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+at+"/v1/status", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Errorf("%s: %v", method, err)
			continue
		}
		said, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusMisdirectedRequest || resp.Header.Get(portHeader) != portRaft {
			t.Errorf("%s: status %d, headers %v, %v", method, resp.StatusCode, resp.Header, err)
		}
		var told struct{ Error, Code string }
		if method != http.MethodHead {
			if err := json.Unmarshal(said, &told); err != nil || told.Code != "not_found" || !strings.Contains(told.Error, "the Raft port of master m2; give the URL of its API") {
				t.Errorf("%s: %q, %v", method, said, err)
			}
		}
		_ = resp.Body.Close()
	}
	select {
	case rpc := <-tr.Consumer():
		t.Errorf("Raft was given %+v", rpc.Command)
	default:
	}
}

// TestAnHTTPServerIsNoMaster: the API's port where Raft's should be is named.
func TestAnHTTPServerIsNoMaster(t *testing.T) {
	_, err := receive(duplex{strings.NewReader("HTTP/1.1 400 Bad Request\r\n"), io.Discard}, nil)
	expectError(t, err, "an HTTP server is there, as at the port of an API")
	_, err = greet(duplex{strings.NewReader("HTTP/1.1 400 Bad Request\r\n"), io.Discard}, greeting{})
	expectError(t, err, "give the Raft address")
}

// TestAnEndlessHTTPRequestIsCutOff: what is read of it is bounded.
func TestAnEndlessHTTPRequestIsCutOff(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n"), bytes.NewReader(make([]byte, 10*maxHTTPCall)))
	var said bytes.Buffer
	counted := &counting{Reader: endless}
	if _, err := receive(duplex{counted, &said}, nil); err == nil || !strings.Contains(said.String(), "421") {
		t.Errorf("%v; it was told %q", err, said.String())
	}
	if counted.n > maxHTTPCall+4096 {
		t.Errorf("%d bytes were read", counted.n)
	}
}

// counting counts what is read.
type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}
