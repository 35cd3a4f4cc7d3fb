package client

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"muster/task"
)

// member is a scripted master that belongs to a cluster and refuses what is for another.
type member struct {
	*scripted

	mu      sync.Mutex
	cluster string
	meant   []string // which cluster each request named
}

func newMember(t *testing.T, cluster string, reply http.HandlerFunc) *member {
	t.Helper()
	m := &member{cluster: cluster}
	m.scripted = newScripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		own, want := m.cluster, r.Header.Get("Muster-Cluster")
		m.meant = append(m.meant, want)
		m.mu.Unlock()
		w.Header().Set("Muster-Cluster", own)
		if want != "" && want != own {
			stamp(w, "4", m.URL)
			refuse(w, 409, task.CodeWrongCluster)
			return
		}
		reply(w, r)
	})
	return m
}

func (m *member) become(cluster string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cluster = cluster
}

func (m *member) named() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.meant)
}

func given7(w http.ResponseWriter, _ *http.Request) {
	stamp(w, "900", "")
	submitted(w)
}

// Numbers of tasks and indexes mean nothing in another cluster: a client does not ask
// the new masters for what the old ones gave, and does not wait for an index of theirs.
func TestMastersThatWereRebuiltRefuseAnOldClient(t *testing.T) {
	m := newMember(t, "old", given7)
	c := ask(t, m.URL)
	if _, err := c.Submit(t.Context(), one, SubmitOptions{}); err != nil || c.Cluster() != "old" {
		t.Fatalf("%v; of cluster %q", err, c.Cluster())
	}
	m.become("new")
	for range 2 {
		got, err := c.Task(t.Context(), 7, ReadOptions{})
		if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Code != task.CodeWrongCluster || refusal.Cluster != "new" {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err = c.Submit(t.Context(), one, SubmitOptions{})
		wantCode(t, err, task.CodeWrongCluster)
	}
	for _, err := range c.Events(t.Context(), EventsOptions{After: "12-0"}) {
		wantCode(t, err, task.CodeWrongCluster)
	}
	if c.Index() != 900 {
		t.Errorf("it took over the index %d", c.Index())
	}
	if _, err := ask(t, m.URL).Task(t.Context(), 7, ReadOptions{}); err != nil {
		t.Errorf("a new client: %v", err)
	}
}

// A master of another cluster that is in the list by mistake does no harm while one of
// the client's own answers, or is about to.
func TestAStrangerInTheListIsPassedOver(t *testing.T) {
	m, stranger := newMember(t, "own", given7), newMember(t, "other", given7)
	c := ask(t, m.URL, stranger.URL)
	for n := range 10 {
		if _, err := c.Task(t.Context(), 7, ReadOptions{}); err != nil {
			t.Fatal(err)
		}
		c.askElsewhere()
		if got := stranger.named(); len(got) > 0 && got[len(got)-1] != "own" {
			t.Fatalf("call %d named the clusters %q", n, got)
		}
	}
	if len(stranger.named()) == 0 {
		t.Error("the stranger was not asked: the test shows nothing")
	}

	// Its own is without a leader for a moment.
	times := 0
	waits := newMember(t, "own", func(w http.ResponseWriter, r *http.Request) {
		if times++; times == 2 || times == 3 {
			refuse(w, 503, task.CodeNoLeader)
			return
		}
		given7(w, r)
	})
	c = ask(t, waits.URL, stranger.URL)
	for range 2 {
		if _, err := c.Submit(t.Context(), one, SubmitOptions{}); err != nil {
			t.Error(err)
		}
	}
}

// A submit that may have been done in the old cluster is not known to have been refused.
func TestARefusalByAnotherClusterDoesNotSettleAnEarlierAttempt(t *testing.T) {
	var m *member
	calls := 0
	m = newMember(t, "old", func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 2 {
			m.become("new")
			cut()
		}
		given7(w, r)
	})
	// On a connection that was kept, net/http would repeat the call by itself.
	c, err := New(Config{Addresses: []string{m.URL}, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(t.Context(), one, SubmitOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Submit(t.Context(), one, SubmitOptions{})
	wantCode(t, err, task.CodeOutcomeUnknown)
}

// A redirect leads to the leader's address, at which there may be another cluster by now.
func TestARedirectToAnotherClusterIsRefused(t *testing.T) {
	stranger := newMember(t, "other", given7)
	follower := newMember(t, "own", func(w http.ResponseWriter, r *http.Request) { redirect(w, r, stranger.URL) })
	_, err := ask(t, follower.URL).Submit(t.Context(), one, SubmitOptions{})
	wantCode(t, err, task.CodeWrongCluster)
	if got := stranger.named(); len(got) != 1 || got[0] != "own" {
		t.Errorf("the stranger was asked as %q", got)
	}
}

// Which cluster a slave works for it says itself, call by call: it registers with
// whichever its masters are, and reports to the one that gave the tasks.
func TestASlaveNamesItsClusterItself(t *testing.T) {
	m := newMember(t, "old", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/results" {
			say(w, 200, map[string]any{"results": []any{}})
			return
		}
		say(w, 200, map[string]any{"slave": map[string]any{"name": "s"}})
	})
	c := ask(t, gone(), m.URL)
	register := func(want string) {
		t.Helper()
		if cluster, err := c.RegisterSlave(t.Context(), task.Registration{Name: "s"}); err != nil || cluster != want {
			t.Errorf("registered with %q, %v; want %q", cluster, err, want)
		}
	}
	register("old")
	m.become("new")
	_, err := c.Report(t.Context(), task.Report{Slave: "s", Cluster: "old"})
	wantCode(t, err, task.CodeWrongCluster)
	register("new")
	if _, err := c.Report(t.Context(), task.Report{Slave: "s", Cluster: "new"}); err != nil {
		t.Error(err)
	}
	if got := m.named(); !slices.Equal(got, []string{"", "old", "", "new"}) {
		t.Errorf("named %q", got)
	}

	refuses := newMember(t, "new", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 409, task.CodeWrongCluster) })
	if cluster, err := ask(t, refuses.URL, gone()).RegisterSlave(t.Context(), task.Registration{}); CodeOf(err) != task.CodeWrongCluster || cluster != "new" {
		t.Errorf("refused by %q, %v", cluster, err)
	}
}

// To look at a master is not to work with its cluster.
func TestStatusIsOfAnyCluster(t *testing.T) {
	status := func(w http.ResponseWriter, _ *http.Request) {
		stamp(w, "5000", "http://elsewhere")
		say(w, 200, map[string]any{"id": "m"})
	}
	m, stranger := newMember(t, "own", given7), newMember(t, "other", status)
	c := ask(t, m.URL)
	if _, err := c.Status(t.Context(), stranger.URL, false); err != nil || c.Cluster() != "" {
		t.Errorf("%v; of cluster %q", err, c.Cluster())
	}
	c = ask(t, m.URL)
	if _, err := c.Submit(t.Context(), one, SubmitOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context(), stranger.URL, false); err != nil {
		t.Error(err)
	}
	if c.Cluster() != "own" || c.Index() != 900 || c.Leader() != "" {
		t.Errorf("after a look at another cluster: %q, index %d, leader %q", c.Cluster(), c.Index(), c.Leader())
	}
}
