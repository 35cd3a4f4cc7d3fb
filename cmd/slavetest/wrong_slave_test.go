package slavetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// fault is one mistake of a slave. Without one it is right.
type fault string

// mini is a small slave with at most one mistake. Its kind is "wait": the
// expression "short" is done at once, "long" takes its time.
type mini struct {
	fault       fault
	master      string
	self        string
	incarnation string
	longFor     time.Duration
	client      *http.Client

	quit  context.Context // ends with the life
	end   context.CancelFunc
	owned sync.WaitGroup
	ended chan struct{}

	mu       sync.Mutex
	cluster  string
	fence    stamp
	counter  uint64
	free     int
	draining bool
	attempts map[attemptKey]*miniAttempt
	highest  map[uint64]uint32
	sees     string // the cluster that its masters said last
	asks     bool   // it registers again
}

type miniAttempt struct {
	result    result
	cancel    context.CancelFunc
	status    string // running, finished
	cancelled bool
	settled   bool
}

const miniSlots = 2

// miniHost is where the lives of a mini slave listen, one after the other.
type miniHost struct {
	current atomic.Pointer[mini]
}

// ServeHTTP hands a request to the life that runs.
func (h *miniHost) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	m := h.current.Load()
	if m == nil || m.quit.Err() != nil {
		panic(http.ErrAbortHandler)
	}
	m.serve(rw, r)
}

func (h *miniHost) start(f fault, self, master, incarnation string, longFor time.Duration) *mini {
	m := &mini{
		fault: f, master: master, self: self, incarnation: incarnation, longFor: longFor,
		client: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}, ended: make(chan struct{}),
		free: miniSlots, attempts: map[attemptKey]*miniAttempt{}, highest: map[uint64]uint32{},
	}
	if f == "does not follow the leader" {
		m.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	m.quit, m.end = context.WithCancel(context.Background())
	h.current.Store(m)
	m.owned.Go(m.register)
	return m
}

// Term implements Life: it drains, and says goodbye.
func (m *mini) Term() error {
	m.mu.Lock()
	m.draining = m.fault != "takes work while it drains"
	m.changeFree()
	m.mu.Unlock()
	m.owned.Go(func() {
		defer func() { m.end(); close(m.ended) }()
		for m.busy() {
			if !m.pause() {
				return
			}
		}
		if m.fault != "does not say goodbye" {
			_, _ = m.post("/v1/slaves/mini/leave", map[string]string{"incarnation": m.incarnation})
		}
	})
	return nil
}

func (m *mini) busy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.attempts {
		if !a.settled {
			return true
		}
	}
	return false
}

// Ended implements Life.
func (m *mini) Ended() <-chan struct{} { return m.ended }

// Kill implements Life.
func (m *mini) Kill() error {
	m.end()
	m.owned.Wait()
	m.client.CloseIdleConnections()
	return nil
}

func (m *mini) pause() bool {
	select {
	case <-time.After(10 * time.Millisecond):
		return true
	case <-m.quit.Done():
		return false
	}
}

func (m *mini) register() {
	body := map[string]any{
		"name": "mini", "url": m.self, "slots": miniSlots, "incarnation": m.incarnation,
		"kinds": []any{map[string]any{"name": "wait", "idempotent": true}},
	}
	switch m.fault {
	case "registers fields of its own":
		body["colour"] = "blue"
	case "registers as another":
		body["incarnation"] = "another"
	}
	for {
		m.mu.Lock()
		if m.fault != "registers as another" {
			body["incarnation"] = m.incarnation
		}
		m.mu.Unlock()
		status, _ := m.post("/v1/slaves", body)
		m.mu.Lock()
		done := status == 200 && m.sees == m.cluster
		m.mu.Unlock()
		if done || !m.pause() {
			return
		}
	}
}

// answered takes in which cluster a master says that it is.
func (m *mini) answered(path, cluster string, status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault == "knows no clusters" {
		return
	}
	m.sees = cluster
	switch {
	case path == "/v1/results" && status == 409 && !m.asks:
		m.asks = true
		m.owned.Go(m.register)
	case path != "/v1/slaves":
	case m.cluster == "" && status == 200:
		m.cluster = cluster
	case m.cluster != cluster && status == 409:
		m.cluster, m.fence = cluster, stamp{}
		if m.fault != "keeps its incarnation in another cluster" && m.fault != "the same incarnation again" {
			m.incarnation += "+"
		}
		for k, a := range m.attempts {
			running := a.status == "running"
			if running && m.fault == "does not stop another cluster's task" || !running && m.fault == "keeps another cluster's attempts" {
				continue
			}
			a.cancelled, a.settled = true, true
			a.cancel()
			delete(m.attempts, k)
			delete(m.highest, k.id)
		}
		m.changeFree()
	}
}

// post calls the master and returns the status, or 0.
func (m *mini) post(path string, body any) (int, []byte) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequestWithContext(m.quit, http.MethodPost, m.master+path, bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if path == "/v1/results" {
		m.mu.Lock()
		req.Header.Set("Muster-Cluster", m.cluster)
		m.mu.Unlock()
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(resp.Body); err != nil {
		return 0, nil
	}
	m.answered(path, resp.Header.Get("Muster-Cluster"), resp.StatusCode)
	return resp.StatusCode, out.Bytes()
}

// changeFree brings free and its counter up to date. The caller holds mu.
func (m *mini) changeFree() {
	free := miniSlots
	for _, a := range m.attempts {
		if a.status == "running" {
			free--
		}
	}
	if m.draining {
		free = 0
	}
	if free == m.free {
		return
	}
	m.free = max(0, free)
	switch m.fault {
	case "a counter that goes back":
		m.counter = (m.counter + 2) % 3
	case "a counter that stands still":
	default:
		m.counter++
	}
}

func (m *mini) serve(rw http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var body struct {
		Incarnation string  `json:"incarnation"`
		Tasks       []order `json:"tasks"`
		Attempt     uint32  `json:"attempt"`
	}
	stamped := r.Header.Get("Muster-Term") != ""
	posted := r.Method == http.MethodPost
	var id uint64
	cancels, _ := fmt.Sscanf(r.URL.Path, "/tasks/%d/cancel", &id)
	switch {
	case r.URL.Path != "/available" && r.URL.Path != "/tasks" && cancels != 1:
		refuse(rw, 404, "not_found", "nothing here")
		return
	case posted && !stamped && m.fault != "takes tasks without a stamp":
		refuse(rw, 400, "invalid_request", "no stamp")
		return
	case posted && (json.NewDecoder(r.Body).Decode(&body) != nil || cancels == 1 && id == 0 || cancels != 1 && body.Tasks == nil):
		refuse(rw, 400, "invalid_request", "not a body")
		return
	case stamped && m.strange(r):
		write(rw, 409, map[string]any{"error": "another cluster", "code": "wrong_cluster", "cluster": m.cluster})
		return
	case stamped && !m.pass(r):
		refuse(rw, 409, "stale_term", "an old stamp")
		return
	case posted && body.Incarnation != m.incarnation && m.fault != "takes another incarnation's tasks":
		write(rw, 409, map[string]any{"error": "another incarnation", "code": "wrong_incarnation", "incarnation": m.incarnation})
		return
	}
	var tasks []map[string]any
	switch {
	case cancels == 1:
		m.cancelAttempt(attemptKey{id, body.Attempt})
	case posted:
		tasks = m.accept(body.Tasks)
	case r.URL.Path == "/tasks":
		tasks = m.held()
	}
	free := m.free
	if m.fault == "says free slots that it does not have" && !m.draining {
		free = miniSlots
	}
	answer := map[string]any{
		"available": free > 0, "answer": "I am available.", "free": free, "slots": miniSlots,
		"incarnation": m.incarnation, "counter": m.counter, "tasks": tasks,
	}
	if free == 0 && m.fault != "says available when busy" {
		answer["answer"] = "I am not available."
	}
	write(rw, 200, answer)
}

// strange tells whether a leader of another cluster asks. The caller holds mu.
func (m *mini) strange(r *http.Request) bool {
	if m.fault == "takes another cluster's tasks" && r.Method == http.MethodPost {
		return false
	}
	return m.cluster != "" && r.Header.Get("Muster-Cluster") != m.cluster
}

// pass moves the fence. The caller holds mu.
func (m *mini) pass(r *http.Request) bool {
	term, _ := strconv.ParseUint(r.Header.Get("Muster-Term"), 10, 64)
	sequence, _ := strconv.ParseUint(r.Header.Get("Muster-Sequence"), 10, 64)
	s, fence := stamp{term, sequence}, m.fence
	var newer bool
	switch m.fault {
	case "ignores the term":
		newer = s.sequence > fence.sequence || s.term > fence.term
	case "ignores the sequence":
		newer = s.term >= fence.term
	case "does not begin a new term at one":
		newer = s.term >= fence.term && s.sequence > fence.sequence
	default:
		newer = s.term > fence.term || s.term == fence.term && s.sequence > fence.sequence
	}
	if newer {
		m.fence = s
	}
	return newer
}

// accept judges orders. The caller holds mu.
func (m *mini) accept(orders []order) []map[string]any {
	out := []map[string]any{}
	for _, o := range orders {
		r := map[string]any{"id": o.ID, "attempt": o.Attempt, "status": "refused"}
		a := m.attempts[o.key()]
		if m.fault == "runs duplicates twice" {
			a = nil
		}
		switch {
		case a != nil && a.status == "finished":
			r["status"], r["outcome"], r["result"], r["result_type"] = "finished", a.result.Outcome, a.result.Result, a.result.ResultType
			if m.fault == "finished without the result" {
				delete(r, "outcome")
				delete(r, "result")
			}
		case a != nil:
			r["status"] = "running"
		case o.Attempt < m.highest[o.ID] && m.fault != "takes an older attempt":
			r["reason"] = "superseded"
		case o.Kind != "wait" && m.fault != "takes any kind":
			r["reason"] = "unknown_kind"
		case m.draining:
			r["reason"] = "draining"
		case m.free == 0 && m.fault != "takes beyond its slots":
			r["reason"] = "no_slot"
		default:
			m.begin(o)
			r["status"] = "accepted"
		}
		out = append(out, r)
	}
	return out
}

// begin starts an attempt. The caller holds mu.
func (m *mini) begin(o order) {
	ctx, cancel := context.WithCancel(m.quit)
	a := &miniAttempt{status: "running", cancel: cancel, result: result{ID: o.ID, Attempt: o.Attempt, Outcome: "succeeded", Result: "done", ResultType: "string"}}
	if m.fault == "computes wrongly" {
		a.result.Result = "undone"
	}
	m.attempts[o.key()], m.highest[o.ID] = a, max(o.Attempt, m.highest[o.ID])
	m.changeFree()
	m.owned.Go(func() {
		defer cancel()
		if o.Expression == "long" {
			select {
			case <-time.After(m.longFor):
			case <-ctx.Done():
			}
		}
		m.mu.Lock()
		a.status, a.settled = "finished", a.cancelled
		m.changeFree()
		m.mu.Unlock()
		m.report(a)
	})
}

// report repeats a result until it is settled.
func (m *mini) report(a *miniAttempt) {
	for times := 0; ; times++ {
		m.mu.Lock()
		settled := a.settled
		body := map[string]any{
			"slave": "mini", "incarnation": m.incarnation, "free": m.free, "slots": miniSlots, "counter": m.counter, "results": []result{a.result},
		}
		m.mu.Unlock()
		if settled || m.quit.Err() != nil {
			return
		}
		status, text := m.post("/v1/results", body)
		var got struct{ Results []verdict }
		ok := status == 200 && json.Unmarshal(text, &got) == nil && len(got.Results) == 1
		switch {
		case ok && m.fault == "repeats a refused result for ever":
			ok = got.Results[0].Accepted
		case ok && m.fault == "repeats an accepted result":
			ok = times > 0
		case !ok && m.fault == "drops a result without an answer":
			ok = status == 0
		case !ok && m.fault == "drops a result without a leader":
			ok = status == 503
		}
		if ok {
			m.mu.Lock()
			a.settled = true
			m.mu.Unlock()
			return
		}
		if !m.pause() {
			return
		}
	}
}

// held lists attempts. The caller holds mu.
func (m *mini) held() []map[string]any {
	out := []map[string]any{}
	for k, a := range m.attempts {
		if a.settled || a.status == "running" && m.fault == "forgets what runs" || a.status == "finished" && m.fault == "forgets what is finished" {
			continue
		}
		out = append(out, map[string]any{"id": k.id, "attempt": k.attempt, "status": a.status})
	}
	return out
}

// cancelAttempt stops an attempt. The caller holds mu.
func (m *mini) cancelAttempt(k attemptKey) {
	a := m.attempts[k]
	if a == nil || a.status != "running" || m.fault == "cancels nothing" {
		return
	}
	a.cancelled = m.fault != "reports what was cancelled"
	a.cancel()
}

// testMini tests a mini slave with a mistake, that finds its master at listen.
func testMini(ctx context.Context, f fault) ([]Line, error) {
	for range 5 {
		listen, err := pickAddress()
		if err != nil {
			return nil, err
		}
		lines, err := testMiniAt(ctx, f, listen)
		if !errors.Is(err, syscall.EADDRINUSE) { // else somebody was quicker
			return lines, err
		}
	}
	return nil, errors.New("no address was free for long enough")
}

func testMiniAt(ctx context.Context, f fault, listen string) ([]Line, error) {
	host := &miniHost{}
	server := httptest.NewServer(host)
	defer server.Close()
	self := server.URL
	// Long enough for a slow machine to answer in; the wrong slaves repeat every 10 ms.
	const longFor = 3 * time.Second
	lives := 0
	return Run(ctx, Config{
		URL: self, Listen: listen, Kind: "wait", Short: Order{Expression: "short"}, Want: "done", Long: Order{Expression: "long"},
		LongFor: longFor, Register: time.Minute, Patience: 10 * time.Second, Quiet: 500 * time.Millisecond,
		Start: func(context.Context) (Life, error) {
			lives++
			incarnation := fmt.Sprintf("life-%d", lives)
			if f == "the same incarnation again" {
				incarnation = "life"
			}
			return host.start(f, self, "http://"+listen, incarnation, longFor), nil
		},
	})
}
