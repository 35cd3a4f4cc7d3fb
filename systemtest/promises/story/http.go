package story

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"muster/api/client"
)

// Said is what one submit by plain HTTP was told; code is empty for a task.
type Said struct {
	Status      int
	Code        client.Code
	ID          uint64
	Slots, Busy int
	Took        time.Duration
}

// Says submits a job once at one master, which carries it to the leader, and at
// most for d. No library repeats anything or makes anything of the answer.
func (u *User) Says(m *Master, j Job, d time.Duration) (Said, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	body, err := json.Marshal(client.Submission{Expression: j.Expression})
	if err != nil {
		return Said{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL()+"/v1/tasks?forward=true", bytes.NewReader(body))
	if err != nil {
		return Said{}, err
	}
	req.Header.Set("Idempotency-Key", j.Key)
	u.W.Seen.Submitting(j.Key, j.Expression, j.Want)
	began := time.Now()
	resp, err := u.HTTP.Do(req)
	if err != nil {
		return Said{Took: time.Since(began)}, err
	}
	defer resp.Body.Close() //nolint:errcheck // what was read is whole, or an error
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return Said{Took: time.Since(began)}, err
	}
	var got struct {
		Task        client.Task
		Code        client.Code
		Slots, Busy int
	}
	if err := json.Unmarshal(text, &got); err != nil { //nolint:musttag // the fields of the wire, which encoding/json finds in any case
		return Said{}, fmt.Errorf("%s answers %q: %w", m.ID, text, err)
	}
	switch got.Code {
	case "":
		u.W.Seen.Acknowledged(j.Key, got.Task.ID)
	case client.CodeOutcomeUnknown, client.CodeInternal:
	default:
		u.W.Seen.Refused(j.Key, string(text))
	}
	return Said{resp.StatusCode, got.Code, got.Task.ID, got.Slots, got.Busy, time.Since(began)}, nil
}

// Answer is one HTTP answer, whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call makes one HTTP call and follows nothing. Headers come in pairs.
func (u *User) Call(method, url, body string, headers ...string) Answer {
	u.W.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		u.W.T.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := u.HTTP.Do(req)
	if err != nil {
		u.W.T.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close() //nolint:errcheck // what was read is whole, or an error
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	if a.Body, err = io.ReadAll(resp.Body); err != nil {
		u.W.T.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

// CallAround is Call, followed around redirects.
func (u *User) CallAround(method, url, body string, headers ...string) Answer {
	u.W.T.Helper()
	for range 3 {
		a := u.Call(method, url, body, headers...)
		if a.Status != http.StatusTemporaryRedirect {
			return a
		}
		url = a.Header.Get("Location")
	}
	u.W.T.Fatalf("%s %s goes in circles", method, url)
	return Answer{}
}
