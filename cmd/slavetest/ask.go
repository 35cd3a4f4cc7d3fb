package slavetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 32 << 20

// stamp is what the headers of a request say; nil for none.
type stamp struct{ term, sequence uint64 }

// leader asks the slave as a leader does: one request after the other, each with
// a stamp above the one before.
type leader struct {
	url    string
	client *http.Client
	words  *words

	mu       sync.Mutex // held over a request, so that they arrive in order
	cluster  string
	term     uint64
	sequence uint64
}

func newLeader(cfg Config, w *words) *leader {
	return &leader{
		url: cfg.URL, words: w, cluster: firstCluster,
		// Above the term of whoever asked this slave before.
		term: uint64(time.Now().UnixMilli()),
		client: &http.Client{
			Transport:     &http.Transport{MaxIdleConnsPerHost: 2},
			Timeout:       cfg.Patience,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// ask sends a request with the next stamp, and watches the word in its answer.
func (l *leader) ask(ctx context.Context, method, path string, body any) (answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sequence++
	a, err := l.send(ctx, l.cluster, method, path, body, &stamp{l.term, l.sequence})
	if err == nil && a.status == http.StatusOK {
		l.words.heard(a.word)
	}
	return a, err
}

// askWith sends a request with a stamp of the rule's choice, or none.
func (l *leader) askWith(ctx context.Context, s *stamp, method, path string, body any) (answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.send(ctx, l.cluster, method, path, body, s)
}

// askAs sends a request as the leader of another cluster does.
func (l *leader) askAs(ctx context.Context, cluster string, s *stamp, method, path string, body any) (answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.send(ctx, cluster, method, path, body, s)
}

// begin makes it the leader of another cluster, whose terms begin at one.
func (l *leader) begin(cluster string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cluster, l.term, l.sequence = cluster, 1, 0
}

// last is the stamp that was used last.
func (l *leader) last() stamp {
	l.mu.Lock()
	defer l.mu.Unlock()
	return stamp{l.term, l.sequence}
}

// newTerm begins a term, whose sequence begins again.
func (l *leader) newTerm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.term++
	l.sequence = 0
}

// raw is a body that is sent as it is.
type raw string

func (l *leader) send(ctx context.Context, cluster, method, path string, body any, s *stamp) (answer, error) {
	var a answer
	what := method + " " + path
	text, err := encoded(body)
	if err != nil {
		return a, fmt.Errorf("%s: %w", what, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, bytes.NewReader(text))
	if err != nil {
		return a, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s != nil {
		req.Header.Set("Muster-Term", strconv.FormatUint(s.term, 10))
		req.Header.Set("Muster-Sequence", strconv.FormatUint(s.sequence, 10))
		req.Header.Set("Muster-Cluster", cluster)
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return a, err // it names method, URL and cause
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		err = unmarshal(got, &a)
	}
	if err != nil {
		return a, fmt.Errorf("%s: the answer %d %.100q: %w", what, resp.StatusCode, got, err)
	}
	a.status = resp.StatusCode
	if a.status != http.StatusOK && (a.Error == "" || a.Code == "") {
		return a, fmt.Errorf(`%s: the answer %d %.100q is not {"error":"…","code":"…"}`, what, a.status, got)
	}
	if a.status == http.StatusOK {
		if err := a.check(); err != nil {
			return a, fmt.Errorf("%s: the answer %.200q: %w", what, got, err)
		}
	}
	return a, nil
}

func encoded(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case raw:
		return []byte(b), nil
	default:
		return json.Marshal(body)
	}
}

// check says what can't be in a word on free slots.
func (w word) check() error {
	switch {
	case w.Available == nil || w.Free == nil || w.Slots == nil || w.Counter == nil || w.Incarnation == "":
		return errors.New("it lacks available, free, slots, counter or incarnation")
	case *w.Free < 0 || *w.Slots < 1 || *w.Free > *w.Slots:
		return fmt.Errorf("%d of %d slots can't be free", *w.Free, *w.Slots)
	case *w.Available != (*w.Free > 0):
		return fmt.Errorf("available is %t with %d slots free", *w.Available, *w.Free)
	case *w.Available && w.Answer != "I am available." || !*w.Available && w.Answer != "I am not available.":
		return fmt.Errorf("the answer is %q with available: %t", w.Answer, *w.Available)
	}
	return nil
}
