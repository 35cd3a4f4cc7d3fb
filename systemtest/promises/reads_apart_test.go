package promises_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/api/client"
)

// noticed is longer than a master needs to notice that it is apart from the
// others: a follower that its leader is silent, a leader that nobody follows.
const noticed = time.Second

// isReady checks what a master answers to those who ask how it is.
func (m *master) isReady(ready bool) {
	m.w.t.Helper()
	readiness := m.w.observer.call(http.MethodGet, m.url()+"/readyz", "")
	health := m.w.observer.call(http.MethodGet, m.url()+"/healthz", "")
	if want := map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[ready]; readiness.status != want {
		m.w.t.Errorf("%s: /readyz says %d %s, want %d", m.id, readiness.status, readiness.body, want)
	}
	if !ready && (!bytes.Contains(readiness.body, []byte(`"code":"no_leader"`)) || readiness.header.Get("Retry-After") == "") {
		m.w.t.Errorf("%s: /readyz does not say why: %s", m.id, readiness.body)
	}
	if health.status != http.StatusOK {
		m.w.t.Errorf("%s: /healthz says %d %s, and it runs", m.id, health.status, health.body)
	}
}

// isApart checks a master that is apart from the others: it shows what it has, and
// says how old that is, and that nobody should ask it.
func (m *master) isApart(known client.Task) {
	w := m.w
	w.t.Helper()
	m.isReady(false)
	first := w.status(m)
	w.sleep(3 * time.Second)
	later := w.status(m)
	if grown := later.LeaderContactMS - first.LeaderContactMS; first.LeaderContactMS < 0 || grown < 3000 || grown > 3050 || first.LeaderID != "" || first.LeaderURL != "" || first.NotReady == "" || first.Role == client.RoleLeader {
		w.t.Errorf("%s says %+v, and 3 s later that the leader was heard %d ms before", m.id, first, later.LeaderContactMS)
	}
	local := w.observer.glance(m, "")
	if local.status != http.StatusOK || local.Index < known.Index || local.leader != "" || local.took > 50*time.Millisecond {
		w.t.Errorf("%s: a local read: %+v", m.id, local)
	}
	for _, query := range []string{linearizable, "consistency=linearizable"} {
		if g := w.observer.glance(m, query); g.status != http.StatusServiceUnavailable || g.code != client.CodeNoLeader || g.took > 50*time.Millisecond {
			w.t.Errorf("%s: ?%s: %+v", m.id, query, g)
		}
	}
	for _, query := range []string{"", "?forward=true"} {
		a := w.observer.call(http.MethodPost, m.url()+"/v1/tasks"+query, `{"expression":"1"}`, "Idempotency-Key", "nowhere")
		if a.status != http.StatusServiceUnavailable || !bytes.Contains(a.body, []byte(`"no_leader"`)) || a.header.Get("Location") != "" {
			w.t.Errorf("%s takes a write: %d %s, to %q", m.id, a.status, a.body, a.header.Get("Location"))
		}
	}
}

func TestAFollowerThatIsCutOffSaysSo(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		known := w.client.submit(0)
		w.sleep(noticed)
		for _, m := range w.followers(w.leader()) {
			m.isReady(true)
			m.cut()
			w.sleep(noticed)
			m.isApart(known)
			known = w.client.submitAtTask(w.leader())
			m.heal()
			w.sleep(noticed)
			m.isReady(true)
			if s := w.status(m); s.LeaderContactMS < 0 || s.LeaderContactMS > 500 || s.AppliedIndex < known.Index {
				w.t.Errorf("%s is back and says %+v", m.id, s)
			}
		}
	})
}

// submitAtTask is submitAt with the task whole.
func (u *user) submitAtTask(masters ...*master) client.Task {
	u.w.t.Helper()
	id := u.submitAt(masters...)
	t, err := u.of(masters...).Task(u.w.t.Context(), id, client.ReadOptions{})
	if err != nil {
		u.w.t.Fatal(err)
	}
	return t
}

func TestALeaderThatIsAloneStepsDown(t *testing.T) {
	for _, l := range losses {
		if l.name != "is cut off" && l.name != "is alone" && l.name != "is paused" {
			continue
		}
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				w.slave("slave-1", 4)
				known := w.client.submit(0)
				w.client.wait(known.ID)
				leader := w.leader()
				l.strike(leader)
				w.sleep(noticed)
				leader.isApart(known)
				leader.mend()
				w.sleep(noticed)
				leader.isReady(true)
			})
		})
	}
}

// TestTheLeaderIsNamedRightOrNotAtAll reads Muster-Leader at every master, through
// changes of the leader and a time without one.
func TestTheLeaderIsNamedRightOrNotAtAll(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		named := func() map[string]int {
			names := map[string]int{}
			for _, m := range w.running() {
				for _, path := range []string{"/v1/tasks", "/v1/status", "/healthz", "/v1/tasks/9", "/nothing"} {
					names[w.observer.call(http.MethodGet, m.url()+path, "").header.Get("Muster-Leader")]++
				}
			}
			return names
		}
		for range 3 {
			leader := w.leader()
			w.ready()
			if got := named(); len(got) != 1 || got[leader.url()] != 15 {
				w.t.Errorf("while %s leads: %v", leader.id, got)
			}
			leader.crash()
			w.leader()
			w.startAll()
		}
		for _, m := range w.followers(w.leader()) {
			m.crash()
		}
		w.sleep(noticed)
		if got := named(); len(got) != 1 || got[""] != 5 {
			w.t.Errorf("without a majority: %v", got)
		}
		w.startAll()
	})
}

// poll is a read that waits while the story goes on.
func (w *world) poll(m *master, path string) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url()+path, http.NoBody)
		if err != nil {
			w.t.Error(err)
		}
		resp, err := w.client.http.Do(req)
		if err != nil {
			done <- answer{body: []byte(err.Error())}
			return
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		_, err = body.ReadFrom(resp.Body)
		if err != nil {
			w.t.Errorf("%s: %v", path, err)
		}
		done <- answer{status: resp.StatusCode, header: resp.Header, body: body.Bytes()}
	}()
	return done
}

// TestWaitsGoOnWithoutALeader waits at each master for a task, while the leader is
// lost and another one ends the task.
func TestWaitsGoOnWithoutALeader(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		long, short := w.client.submit(4*time.Second).ID, w.client.submit(time.Minute).ID
		w.sleep(100 * time.Millisecond) // each follower has them
		leader := w.leader()
		began := time.Now()
		ends, times := map[*master]<-chan answer{}, map[*master]<-chan answer{}
		for _, m := range w.masters {
			ends[m] = w.poll(m, fmt.Sprintf("/v1/tasks/%d?wait=5m", long))
			times[m] = w.poll(m, fmt.Sprintf("/v1/tasks/%d?wait=20s", short))
		}
		w.sleep(time.Second)
		leader.alone()
		w.sleep(10 * time.Second)
		leader.mend()
		for _, m := range w.masters {
			if a := <-ends[m]; a.status != http.StatusOK || !bytes.Contains(a.body, []byte(`"done"`)) || time.Since(began) > 13*time.Second {
				w.t.Errorf("%s, after %v: %d %s", m.id, time.Since(began), a.status, a.body)
			}
		}
		for _, m := range w.masters {
			if a := <-times[m]; a.status != http.StatusOK || !bytes.Contains(a.body, []byte(`"in_progress"`)) {
				w.t.Errorf("%s: %d %s", m.id, a.status, a.body)
			}
		}
		if took := time.Since(began).Round(100 * time.Millisecond); took != 20*time.Second {
			w.t.Errorf("waits of 20 s ended after %v", took)
		}
	})
}

// TestAMasterThatStopsEndsItsWaits stops masters in order while somebody waits
// there.
func TestAMasterThatStopsEndsItsWaits(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		id := w.client.submit(20 * time.Second).ID
		w.sleep(time.Second) // each follower has it
		leader := w.leader()
		for _, m := range []*master{w.followers(leader)[0], leader} {
			task := w.poll(m, fmt.Sprintf("/v1/tasks/%d?wait=5m", id))
			index := w.poll(m, "/v1/tasks?min_index=1000000")
			w.sleep(time.Second)
			began := time.Now()
			if err := m.halt(); err != nil {
				w.t.Errorf("%s ended with: %v", m.id, err)
			}
			if took := time.Since(began); took > 3*time.Second {
				w.t.Errorf("%s took %v to stop, for somebody waited", m.id, took)
			}
			if a := <-task; a.status != http.StatusOK || !bytes.Contains(a.body, []byte(`"in_progress"`)) {
				w.t.Errorf("%s: the wait for a task ended with %d %s", m.id, a.status, a.body)
			}
			if a := <-index; a.status != http.StatusGatewayTimeout {
				w.t.Errorf("%s: the wait for an index ended with %d %s", m.id, a.status, a.body)
			}
			w.startAll()
		}
	})
}

// TestNobodyWaitsForAClientThatLeft has clients leave in the middle of every kind
// of wait.
func TestNobodyWaitsForAClientThatLeft(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		id := w.client.submit(10 * time.Second).ID
		w.sleep(noticed)
		for _, m := range w.masters {
			before := w.metric(m, "muster_api_requests_in_flight")
			guest := w.user("guest")
			paths := []string{fmt.Sprintf("/v1/tasks/%d?wait=5m", id), "/v1/tasks?min_index=1000000", "/v1/slaves?min_index=1000000"}
			for _, path := range paths {
				go guest.http.Get(m.url() + path) //nolint:errcheck // it leaves before there is an answer
			}
			w.sleep(100 * time.Millisecond)
			if n := w.metric(m, "muster_api_requests_in_flight"); n != before+float64(len(paths)) {
				w.t.Errorf("%s: %v requests are under way, %d were made", m.id, n-before, len(paths))
			}
			guest.leave()
			w.sleep(100 * time.Millisecond)
			if n := w.metric(m, "muster_api_requests_in_flight"); n != before {
				w.t.Errorf("%s: %v requests of a client that left are under way", m.id, n-before)
			}
		}
	})
}

// metric reads one of a master's metrics.
func (w *world) metric(m *master, name string) float64 {
	w.t.Helper()
	for line := range strings.Lines(string(w.observer.call(http.MethodGet, m.url()+"/metrics", "").body)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return n
		}
	}
	w.t.Fatalf("%s has no metric %s", m.id, name)
	return 0
}
