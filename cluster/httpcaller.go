package cluster

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// The Raft port and the API's are written beside each other everywhere, and taken for
// one another: in --join, in a slave's --masters, in --address. Who speaks HTTP to
// the Raft port is told in HTTP where it is, and where the API is.

const (
	// portHeader, with portRaft, is by what clients know such an answer.
	portHeader, portRaft = "Muster-Port", "raft"
	// maxHTTPCall bounds what is read of a request: what is left unread when the
	// connection is closed resets it, and the answer may be lost.
	maxHTTPCall = 64 << 10
)

// httpCallerError is the error of a connection that begins with an HTTP request.
type httpCallerError struct{ head []byte }

func (e *httpCallerError) Error() string {
	return fmt.Sprintf("an HTTP request came to the Raft port: it begins with %q", e.head)
}

// beginsHTTP reports whether the first bytes of a connection are those of a request.
func beginsHTTP(head []byte) bool {
	method, _, _ := strings.Cut(string(head), " ")
	return slices.ContainsFunc([]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}, func(m string) bool { return method == m || len(method) == len(head) && strings.HasPrefix(m, method) })
}

// answerHTTP reads the rest of a request that began with head, and answers it. i is nil
// while the master starts.
func answerHTTP(conn io.ReadWriter, head []byte, i *introduction) error {
	from := bufio.NewReader(io.LimitReader(io.MultiReader(bytes.NewReader(head), conn), maxHTTPCall))
	req, err := http.ReadRequest(from)
	if err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	_, err = io.Copy(io.Discard, req.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // longer than what is read
		return fmt.Errorf("read it: %w", err)
	}
	says := "this is a master's Raft port; give the URL of its API"
	if i != nil {
		says = fmt.Sprintf("this is the Raft port of master %s; give the URL of its API, %s", i.id, i.apiURL)
	}
	body, err := json.Marshal(map[string]string{"error": says, "code": "not_found"})
	if err != nil {
		return err
	}
	resp := http.Response{
		StatusCode: http.StatusMisdirectedRequest, ProtoMajor: 1, ProtoMinor: 1, Close: true, Request: req,
		Header:        http.Header{"Content-Type": {"application/json"}, portHeader: {portRaft}},
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}
	return resp.Write(conn)
}
