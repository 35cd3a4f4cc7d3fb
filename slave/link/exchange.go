package link

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"muster/task"
	"muster/task/baseurl"
)

// request is one request of a leader to a slave.
type request struct {
	method string
	url    string // of the slave
	path   string
	stamp  task.Stamp
	body   []byte // nil for none
}

// exchange sends a request and reads the answer into a value. The error says
// what is certain:
//
//   - task.ErrUnreached: there never was a connection to write the request to.
//   - task.ErrRefused, maybe beside it: the last connection that was tried was refused.
//   - task.ErrWrongCluster, task.ErrStaleStamp, task.ErrWrongIncarnation: the
//     slave refused.
//   - any other: unclear.
func exchange(ctx context.Context, by *http.Client, r request, limit int64, into any) error {
	// net/http repeats a GET by itself when a connection that it had kept
	// breaks; each time it has a connection, GotConn is called, before anything
	// is written, on this goroutine's behalf.
	var connections atomic.Int32
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, slaveURL{}, r.url), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connections.Add(1) },
	})
	req, err := r.http(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", task.ErrUnreached, err)
	}
	resp, err := by.Do(req)
	switch never := connections.Load() == 0; {
	case err == nil:
	case never && isRefused(err):
		return fmt.Errorf("%w: %w: %w", task.ErrUnreached, task.ErrRefused, err)
	case never:
		return fmt.Errorf("%w: %w", task.ErrUnreached, err)
	case isRefused(err):
		return fmt.Errorf("%s %s: %w: %w", r.method, req.URL, task.ErrRefused, withoutText(err))
	default:
		return fmt.Errorf("%s %s: %w", r.method, req.URL, withoutText(err))
	}
	defer resp.Body.Close() //nolint:errcheck // only read from

	err = readAnswer(resp, limit, into)
	if errors.Is(err, task.ErrStaleStamp) && connections.Load() > 1 {
		// The stamp that is stale may be this request's own, from the first of
		// its connections.
		err = errors.New("the request was repeated on a second connection, and refused there; the first may have arrived")
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, req.URL, err)
	}
	return nil
}

// jsonType is the value of Content-Type, which nobody changes.
var jsonType = []string{"application/json"} //nolint:gochecknoglobals // a constant, which a slice can't be

func (r request) http(ctx context.Context) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	target, err := baseurl.Join(r.url, r.path)
	if err != nil {
		return nil, fmt.Errorf("the slave's URL %.200q %w", r.url, err)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	// The names are as Set would write them, and one list is made for all values.
	values := [...]string{strconv.FormatUint(r.stamp.Term, 10), strconv.FormatUint(r.stamp.Sequence, 10), r.stamp.Cluster}
	if r.body != nil {
		req.Header["Content-Type"] = jsonType
	}
	req.Header[headerTerm], req.Header[headerSequence] = values[0:1:1], values[1:2:2]
	if r.stamp.Cluster != "" {
		req.Header[headerCluster] = values[2:3:3]
	}
	return req, nil
}

// readAnswer reads an answer to its end, or gives up on it: then the connection
// is not used again.
func readAnswer(resp *http.Response, limit int64, into any) error {
	if resp.StatusCode != http.StatusOK {
		return readRefusal(resp)
	}
	body := &io.LimitedReader{R: resp.Body, N: limit + 1}
	var from io.Reader = body
	if n := resp.ContentLength; n >= 0 && n <= min(limit, quickBytes) {
		text := make([]byte, n)
		if _, err := io.ReadFull(body, text); err != nil {
			return fmt.Errorf("the answer is not one of a slave: %w", withoutText(err))
		}
		if reader, ok := into.(interface{ quickly(text string) bool }); ok && reader.quickly(string(text)) {
			return nil
		}
		from = bytes.NewReader(text)
	}
	dec := json.NewDecoder(from)
	err := dec.Decode(into)
	if err == nil {
		if _, after := dec.Token(); !errors.Is(after, io.EOF) {
			err = errors.New("there is more after the JSON object")
		}
	}
	switch {
	case err == nil:
		return nil
	case body.N <= 0:
		return fmt.Errorf("the answer is longer than %d bytes", limit)
	default:
		return fmt.Errorf("the answer is not one of a slave: %w", withoutText(err))
	}
}

// quickBytes is up to which size an answer is read before it is looked at.
const quickBytes = 256 << 10

// withoutText keeps what others answer out of an error: it is shown to who
// registers a slave, and what answers at the slave's URL may be somebody else.
func withoutText(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if _, ok := errors.AsType[net.Error](err); ok { // of the connection, and time-outs
		return err
	}
	if field, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s is not of the type %s", field.Field, field.Type)
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return errors.New("it is not JSON")
	}
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("it does not speak the slave protocol")
}

// readRefusal makes an error of an answer that is not 200.
func readRefusal(resp *http.Response) error {
	if resp.StatusCode == http.StatusNotFound && strings.HasSuffix(resp.Request.URL.Path, "/resize") {
		return task.ErrNotResizable // whatever it says: what is there for all is found
	}
	var answer errorAnswer
	err := json.NewDecoder(io.LimitReader(resp.Body, maxShortAnswer)).Decode(&answer)
	switch {
	case err != nil:
		return fmt.Errorf("the answer is %s, and not one of a slave", status(resp))
	case resp.StatusCode == http.StatusConflict && answer.Code == task.CodeStaleTerm:
		return task.ErrStaleStamp
	case resp.StatusCode == http.StatusConflict && answer.Code == task.CodeWrongCluster:
		return fmt.Errorf("%w (%q)", task.ErrWrongCluster, shortened(answer.Cluster))
	case resp.StatusCode == http.StatusConflict && answer.Code == task.CodeWrongIncarnation:
		return fmt.Errorf("%w (%q)", task.ErrWrongIncarnation, shortened(answer.Incarnation))
	default:
		return fmt.Errorf("the answer is %s", status(resp))
	}
}

// status is an answer's status in our words: the line on the wire is the other
// side's text.
func status(resp *http.Response) string {
	return strings.TrimSpace(strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode))
}
