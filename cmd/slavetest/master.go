package slavetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// mode is how the leader answers a report.
type mode string

const (
	accepting   mode = "accepts results"
	hangingUp   mode = "hangs up on results"
	withoutLead mode = "answers 503 no_leader"
	stale       mode = "answers stale_attempt"
	notFound    mode = "answers task_not_found"
)

// maxRedirects is how often the follower redirects a registration before it takes
// it itself, so that the other rules can be tried.
const maxRedirects = 3

// attemptKey names an attempt.
type attemptKey struct {
	id      uint64
	attempt uint32
}

// master plays the masters: a follower at the address that the slave is given,
// and the leader at another. What it has heard is under mu.
type master struct {
	leader *leader
	words  *words
	server *http.Server
	ends   sync.WaitGroup
	// the URL of the leader that it plays
	url string

	mu            sync.Mutex
	changed       chan struct{} // closed and replaced when something was heard
	cluster       string
	mode          mode
	redirects     int
	atLeader      bool // the first registration that was taken came to the leader
	registrations []registration
	wrong         string // the first request that a master would refuse
	told          map[attemptKey][]result
	left          []string // incarnations
}

// newMaster listens. The caller closes it.
func newMaster(ctx context.Context, cfg Config, l *leader, w *words) (*master, error) {
	m := &master{leader: l, words: w, cluster: firstCluster, mode: accepting, changed: make(chan struct{}), told: map[attemptKey][]result{}}
	var lc net.ListenConfig
	front, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen as the slave's master: %w", err)
	}
	host, _, err := net.SplitHostPort(front.Addr().String())
	var back net.Listener
	if err == nil {
		back, err = lc.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen as the leader: %w", err), front.Close())
	}
	m.url = "http://" + back.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/slaves", m.register)
	mux.HandleFunc("POST /v1/results", m.results)
	mux.HandleFunc("POST /v1/slaves/{name}/leave", m.leave)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		m.objectf("it called %s %s, which is no call of a slave", r.Method, r.URL.Path)
		refuse(rw, http.StatusNotFound, "not_found", "there is nothing at "+r.URL.Path)
	})
	m.server = &http.Server{
		Handler: m.following(back.Addr().String(), mux), ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 30 * time.Second, WriteTimeout: 30*time.Second + cfg.Patience,
	}
	for _, listener := range []net.Listener{front, back} {
		m.ends.Go(func() { _ = m.server.Serve(listener) }) // ends with close
	}
	return m, nil
}

func (m *master) close() error {
	err := m.server.Close()
	m.ends.Wait()
	return err
}

// following is the follower in front of the leader: it sends registrations that
// came to it to the leader.
func (m *master) following(leader string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		here := local != nil && local.String() == leader
		rw.Header().Set("Muster-Leader", m.url)
		rw.Header().Set("Muster-Index", "1")
		m.mu.Lock()
		own := m.cluster
		rw.Header().Set("Muster-Cluster", own)
		redirect := !here && len(m.registrations) == 0 && m.redirects < maxRedirects
		if redirect {
			m.redirects++
		} else if len(m.registrations) == 0 {
			m.atLeader = here
		}
		m.mu.Unlock()
		if redirect {
			rw.Header().Set("Location", m.url+r.URL.EscapedPath())
			refuse(rw, http.StatusTemporaryRedirect, "not_leader", "only the leader answers this; it is at "+m.url)
			return
		}
		if named := r.Header.Get("Muster-Cluster"); named != "" && named != own {
			refuse(rw, http.StatusConflict, "wrong_cluster", "the call is for cluster "+named+", and this master belongs to cluster "+own)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// rebuild makes the masters another cluster, and returns how many registrations came
// before.
func (m *master) rebuild(cluster string) (registrations int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cluster = cluster
	m.leader.begin(cluster)
	return len(m.registrations)
}

// register calls the slave back before it answers, as a leader does.
func (m *master) register(rw http.ResponseWriter, r *http.Request) {
	var body registration
	if !m.read(rw, r, &body) {
		return
	}
	if len(body.Kinds) == 0 {
		body.Kinds = []kind{{Name: "expression", Idempotent: new(true)}} // the masters' default
	}
	m.words.begin(body.Incarnation)
	a, err := m.leader.ask(r.Context(), http.MethodGet, "/available", nil)
	switch {
	case err != nil:
		m.objectf("when it registered it could not be asked: %v", err)
		refuse(rw, http.StatusBadGateway, "slave_unreachable", "the slave can't be called back: "+err.Error())
		return
	case a.Code == "wrong_cluster":
		refuse(rw, http.StatusConflict, "wrong_cluster", "the slave works for another cluster: "+a.Error)
		return
	case a.Incarnation != body.Incarnation:
		m.objectf("it registered as the incarnation %q and answers as %q (%v)", body.Incarnation, a.Incarnation, a)
		refuse(rw, http.StatusConflict, "wrong_incarnation", "another incarnation answers at the slave's URL")
		return
	}
	m.mu.Lock()
	m.registrations = append(m.registrations, body)
	m.notify()
	m.mu.Unlock()
	write(rw, http.StatusOK, map[string]any{"slave": map[string]any{
		"name": body.Name, "state": "alive", "slots": max(body.Slots, 1), "busy": 0, "url": body.URL, "incarnation": body.Incarnation,
		"kinds": body.Kinds, "registered_at": time.Now().UTC().Format(time.RFC3339), "index": 1,
	}})
}

func (m *master) results(rw http.ResponseWriter, r *http.Request) {
	var body report
	if !m.read(rw, r, &body) {
		return
	}
	m.words.told(body)
	m.mu.Lock()
	how := m.mode
	verdicts := make([]verdict, len(body.Results))
	for i, res := range body.Results {
		k := attemptKey{res.ID, res.Attempt}
		m.told[k] = append(m.told[k], res)
		verdicts[i] = how.verdict(k)
	}
	m.notify()
	m.mu.Unlock()
	switch how {
	case hangingUp:
		panic(http.ErrAbortHandler)
	case withoutLead:
		refuse(rw, http.StatusServiceUnavailable, "no_leader", "no leader is known at the moment; nothing was done, try again")
	default:
		write(rw, http.StatusOK, map[string]any{"results": verdicts})
	}
}

func (how mode) verdict(k attemptKey) verdict {
	v := verdict{ID: k.id, Attempt: k.attempt}
	switch how {
	case stale:
		v.Code, v.Error = "stale_attempt", "the attempt is not the current one"
	case notFound:
		v.Code, v.Error = "task_not_found", "there is no such task"
	default:
		v.Accepted = true
	}
	return v
}

func (m *master) leave(rw http.ResponseWriter, r *http.Request) {
	var body struct {
		Incarnation string `json:"incarnation"`
	}
	if !m.read(rw, r, &body) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.registrations) == 0 {
		refuse(rw, http.StatusNotFound, "slave_not_found", "there is no such slave")
		return
	}
	last := m.registrations[len(m.registrations)-1]
	if r.PathValue("name") != last.Name || body.Incarnation != last.Incarnation {
		refuse(rw, http.StatusConflict, "wrong_incarnation", "another incarnation is registered")
		return
	}
	m.left = append(m.left, body.Incarnation)
	m.notify()
	write(rw, http.StatusOK, map[string]any{"slave": map[string]any{
		"name": last.Name, "state": "left", "slots": max(last.Slots, 1), "busy": 0, "url": last.URL, "incarnation": last.Incarnation,
		"kinds": last.Kinds, "registered_at": time.Now().UTC().Format(time.RFC3339), "index": 2,
	}})
}

// read reads a body as strictly as a master.
func (m *master) read(rw http.ResponseWriter, r *http.Request, into any) bool {
	text, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 1<<20))
	if err == nil {
		err = strictly(text, into)
	}
	if contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); err == nil && contentType != "application/json" {
		err = fmt.Errorf("the content type is %q, not application/json", contentType)
	}
	if err != nil {
		m.objectf("a master would refuse its %s %s: %v", r.Method, r.URL.Path, err)
		refuse(rw, http.StatusBadRequest, "invalid_request", err.Error())
		return false
	}
	return true
}

func (m *master) objectf(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wrong == "" {
		m.wrong = fmt.Sprintf(format, args...)
	}
	m.notify()
}

// notify wakes who waits. The caller holds mu.
func (m *master) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *master) answerWith(how mode) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mode = how
}

// await waits until done, called under mu, is true, and tells whether it was.
func (m *master) await(ctx context.Context, atMost time.Duration, done func() bool) bool {
	end := time.NewTimer(atMost)
	defer end.Stop()
	for {
		m.mu.Lock()
		over, changed := done(), m.changed
		m.mu.Unlock()
		if over {
			return true
		}
		select {
		case <-changed:
		case <-end.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// reports returns what was told of an attempt, once for each time.
func (m *master) reports(k attemptKey) []result {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told[k]
}

func refuse(rw http.ResponseWriter, status int, code, sentence string) {
	write(rw, status, map[string]string{"error": sentence, "code": code})
}

func write(rw http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a shape of this package has no JSON form: %v", err))
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, _ = rw.Write(append(text, '\n')) // who hung up needs no answer
}
