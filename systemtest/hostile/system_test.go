package hostile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"muster/systemtest/ports"
	"muster/systemtest/timelimit"
)

// The bounds of docs/architecture.md, "What hostile input can cost". The tasks
// that are recorded come on top of a master's; the tests record few.
const (
	masterMemory     = 256 << 20
	slaveMemory      = 256 << 20
	connectionMemory = 256 << 10 // on top, for each
	childMemory      = 544 << 20 // 512 MiB of data, and the executable
)

// system is a master, or more, and slaves.
type system struct {
	masters []*node
	slaves  []*node
	client  *http.Client
	// connections is the most that a test has opened at once, besides client's.
	connections uint64
}

// node is a process with the URL at which it is asked.
type node struct {
	*process

	url      string
	args     []string
	env      []string
	children *watch // of a slave's
}

// newSystem starts one master and slaves, each with some slots, and waits until
// all are registered.
func newSystem(t *testing.T, slots int, slaves ...string) *system {
	t.Helper()
	s := &system{client: &http.Client{
		Timeout:       timelimit.Usual(t),
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(s.client.CloseIdleConnections)
	s.addMaster(t, "m1", "--bootstrap")
	for _, name := range slaves {
		s.addSlave(t, name, slots)
	}
	return s
}

func (s *system) leader() *node { return s.masters[0] }

func (s *system) addMaster(t *testing.T, id, how string) {
	t.Helper()
	dir := t.TempDir()
	s.masters = append(s.masters, s.startNode(t, id, func(api string) (args, env []string) {
		return []string{"master", "--id", id, "--data", dir, "--raft-listen", ports.Free(t, "127.0.0.1"), "--api-listen", api, how}, nil
	}))
	m := s.masters[len(s.masters)-1]
	eventually(t, id+" is ready", func() error {
		a, err := s.try("GET", m.url+"/readyz", "")
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%d %s", a.status, a.body)
		}
		return err
	})
}

// addSlave starts a slave. A name may carry a time zone: slave-1@Asia/Kolkata.
func (s *system) addSlave(t *testing.T, name string, slots int) {
	t.Helper()
	name, zone, _ := strings.Cut(name, "@")
	s.slaves = append(s.slaves, s.startNode(t, name, func(listen string) (args, env []string) {
		if zone != "" {
			env = append(env, "TZ="+zone)
		}
		return []string{"slave", "--name", name, "--listen", listen, "--slots", strconv.Itoa(slots), "--masters", s.leader().url, "--drain-timeout", "1s"}, env
	}))
	n := s.slaves[len(s.slaves)-1]
	n.children = watchChildren(t, n.process)
	eventually(t, name+" is registered", func() error { return s.registered(name) })
}

// startNode starts a process at a free address, and again at another if somebody
// took it.
func (s *system) startNode(t *testing.T, name string, command func(address string) (args, env []string)) *node {
	t.Helper()
	for range 5 {
		address := ports.Free(t, "127.0.0.1")
		n := &node{url: "http://" + address}
		n.args, n.env = command(address)
		n.process = start(t, name, n.env, n.args...)
		answers := false
		eventually(t, name+" answers", func() error {
			if !n.alive() {
				return nil
			}
			_, err := s.try("GET", n.url+"/healthz", "")
			answers = err == nil
			return err
		})
		if answers {
			return n
		}
		if !strings.Contains(n.log.String(), "address already in use") {
			t.Fatalf("%s did not start:\n%s", name, n.log)
		}
	}
	t.Fatalf("no free address for %s", name)
	return nil
}

// restart ends a node and starts it again as it was.
func (s *system) restart(t *testing.T, n *node) {
	t.Helper()
	n.end(t)
	n.process = start(t, n.name, n.env, n.args...)
}

// registered tells whether the leader has the slave as alive, as it now runs.
func (s *system) registered(name string) error {
	rec, err := s.slave(name)
	if err != nil {
		return err
	}
	if rec.State != "alive" {
		return errors.New(name + " is " + rec.State)
	}
	a, err := s.try("GET", rec.URL+"/available", "")
	if err != nil {
		return err
	}
	var now record
	if err := json.Unmarshal(a.body, &now); err != nil || now.Incarnation != rec.Incarnation {
		return fmt.Errorf("%s has another incarnation: %s", name, a.body)
	}
	return nil
}

// record is a slave in the registry.
type record struct {
	Name, URL, State, Incarnation string
	Slots                         int
}

func (s *system) slave(name string) (record, error) {
	a, err := s.try("GET", s.leader().url+"/v1/slaves", "")
	if err != nil {
		return record{}, err
	}
	var list struct{ Slaves []record }
	if err := json.Unmarshal(a.body, &list); err != nil {
		return record{}, fmt.Errorf("%w: %s", err, a.body)
	}
	for _, rec := range list.Slaves {
		if rec.Name == name {
			return rec, nil
		}
	}
	return record{}, fmt.Errorf("no slave %s in %s", name, a.body)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// code is the error's, or empty.
func (a answer) code() string {
	var e struct{ Code string }
	if json.Unmarshal(a.body, &e) != nil {
		return ""
	}
	return e.Code
}

// refusal is the sentence of an error.
func (a answer) refusal() string {
	var e struct{ Error string }
	if json.Unmarshal(a.body, &e) != nil {
		return ""
	}
	return e.Error
}

// try makes a call. Headers come in pairs.
func (s *system) try(method, target, body string, header ...string) (answer, error) {
	return s.tryReader(method, target, strings.NewReader(body), header...)
}

func (s *system) tryReader(method, target string, body io.Reader, header ...string) (answer, error) {
	u, err := url.Parse(target)
	if err != nil {
		return answer{}, err
	}
	r, err := http.NewRequest(method, u.String(), body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, resp.Body); err != nil {
		return answer{}, err
	}
	return answer{resp.StatusCode, resp.Header, b.Bytes()}, nil
}

// call makes a call that must be answered properly: what is refused has a
// sentence and a code, and of 5xx there are only those that the API documents.
func (s *system) call(t *testing.T, method, target, body string, header ...string) answer {
	t.Helper()
	a, err := s.try(method, target, body, header...)
	if err != nil {
		t.Errorf("%s %.200s with %.200q: no answer: %v", method, target, body, err)
		return a
	}
	if problem := improper(a); problem != "" {
		t.Errorf("%s %.200s with %.200q: %s: %d %.500s", method, target, body, problem, a.status, a.body)
	}
	return a
}

// improper says what is wrong with an answer, if anything is.
func improper(a answer) string {
	if a.status < 400 {
		return ""
	}
	var e struct{ Error, Code string }
	if err := json.Unmarshal(a.body, &e); err != nil || e.Error == "" || e.Code == "" {
		return "a refusal without a sentence and a code"
	}
	if a.status >= 500 && a.status != http.StatusServiceUnavailable && a.status != http.StatusInsufficientStorage {
		return "a failure of its own"
	}
	return ""
}

// outcome is how a task ended.
type outcome struct {
	ID                                          uint64
	Status, Outcome, Result, Error, Slave, Kind string
	ResultType                                  string `json:"result_type"`
}

// compute submits a task and waits for its end. While there is full capacity it
// tries again. A refusal comes back as the answer.
func (s *system) compute(t *testing.T, body string) (outcome, answer) {
	t.Helper()
	var a answer
	err := poll(t, func() error {
		a = s.call(t, "POST", s.leader().url+"/v1/tasks", body)
		if code := a.code(); code == "full_capacity" || code == "overloaded" {
			return errors.New(code)
		}
		return nil
	})
	if err != nil {
		t.Errorf("submit %.200s: %v", body, err)
	}
	if a.status != http.StatusCreated {
		return outcome{}, a
	}
	return s.await(t, a), a
}

// await waits for the end of the task of an answer.
func (s *system) await(t *testing.T, submitted answer) outcome {
	t.Helper()
	var got struct{ Task outcome }
	if err := json.Unmarshal(submitted.body, &got); err != nil {
		t.Errorf("%v: %s", err, submitted.body)
		return got.Task
	}
	err := poll(t, func() error {
		a := s.call(t, "GET", fmt.Sprintf("%s/v1/tasks/%d?wait=20s", s.leader().url, got.Task.ID), "")
		if err := json.Unmarshal(a.body, &got); err != nil {
			return fmt.Errorf("%w: %s", err, a.body)
		}
		if got.Task.Status != "done" {
			return errors.New(got.Task.Status)
		}
		return nil
	})
	if err != nil {
		t.Errorf("task %d does not end: %v", got.Task.ID, err)
	}
	return got.Task
}

// submission is the body of a task.
func submission(t *testing.T, expression string, parameters map[string]any) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"expression": expression, "parameters": parameters})
	if err != nil {
		t.Fatal(err)
	}
	if parameters == nil {
		return strings.Replace(string(b), `,"parameters":null`, "", 1)
	}
	return string(b)
}

// quote is a text as JSON.
func quote(t *testing.T, text string) string {
	t.Helper()
	b, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// unharmed checks that everybody lives, serves, has not panicked, and holds no
// more memory than it may.
func (s *system) unharmed(t *testing.T) {
	t.Helper()
	o, a := s.compute(t, `{"expression":"2+3*x","parameters":{"x":4}}`)
	if o.Result != "14" || o.Outcome != "succeeded" {
		t.Errorf("2+3*4: %d %s, %+v", a.status, a.body, o)
	}
	for _, m := range s.masters {
		s.healthy(t, m, "/v1/status", masterMemory)
	}
	for _, n := range s.slaves {
		s.healthy(t, n, "/available", slaveMemory)
		peak := n.children.peak()
		t.Logf("no child of %s held more than %d MiB", n.name, peak>>20)
		if peak > childMemory {
			t.Errorf("a child of %s held %d MiB; at most %d are allowed", n.name, peak>>20, childMemory>>20)
		}
	}
}

func (s *system) healthy(t *testing.T, n *node, path string, bound uint64) {
	t.Helper()
	bound += s.connections * connectionMemory
	if !n.alive() {
		t.Fatalf("%s is dead:\n%s", n.name, n.log.tail(3000))
	}
	if a := s.call(t, "GET", n.url+path, ""); a.status != http.StatusOK {
		t.Errorf("%s: %d %s", n.name, a.status, a.body)
	}
	for _, word := range []string{"panic", "goroutine ", "fatal error", "level=ERROR", "an evaluating process died"} {
		if log := n.log.String(); strings.Contains(log, word) {
			at := strings.Index(log, word)
			t.Errorf("%s said %q: …%s", n.name, word, log[max(0, at-200):min(len(log), at+1500)])
		}
	}
	if m, ok := memoryOf(n.pid()); ok {
		t.Logf("%s holds %d MiB, held %d MiB", n.name, m.resident>>20, m.peak>>20)
		if m.resident > bound || m.peak > bound {
			t.Errorf("%s holds %d MiB, and held %d; at most %d are allowed", n.name, m.resident>>20, m.peak>>20, bound>>20)
		}
	}
}
