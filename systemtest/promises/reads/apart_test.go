package reads_test

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
	"muster/systemtest/promises/story"
)

// noticed is longer than a master needs to notice that it is apart from the
// others: a follower that its leader is silent, for which Raft waits up to two
// heartbeat time-outs, a leader that nobody follows.
const noticed = 4 * time.Second

// isReady checks what a master answers to those who ask how it is.
func isReady(m *story.Master, ready bool) {
	m.W.T.Helper()
	readiness := m.W.Observer.Call(http.MethodGet, m.URL()+"/readyz", "")
	health := m.W.Observer.Call(http.MethodGet, m.URL()+"/healthz", "")
	if want := map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[ready]; readiness.Status != want {
		m.W.T.Errorf("%s: /readyz says %d %s, want %d", m.ID, readiness.Status, readiness.Body, want)
	}
	if !ready && (!bytes.Contains(readiness.Body, []byte(`"code":"no_leader"`)) || readiness.Header.Get("Retry-After") == "") {
		m.W.T.Errorf("%s: /readyz does not say why: %s", m.ID, readiness.Body)
	}
	if health.Status != http.StatusOK {
		m.W.T.Errorf("%s: /healthz says %d %s, and it runs", m.ID, health.Status, health.Body)
	}
}

// isApart checks a master that is apart from the others: it shows what it has, and
// says how old that is, and that nobody should ask it.
func isApart(m *story.Master, known client.Task) {
	w := m.W
	w.T.Helper()
	isReady(m, false)
	first := w.Status(m)
	w.Sleep(3 * time.Second)
	later := w.Status(m)
	if grown := later.LeaderContactMS - first.LeaderContactMS; first.LeaderContactMS < 0 || grown < 3000 || grown > 3050 || first.LeaderID != "" || first.LeaderURL != "" || first.NotReady == "" || first.Role == client.RoleLeader {
		w.T.Errorf("%s says %+v, and 3 s later that the leader was heard %d ms before", m.ID, first, later.LeaderContactMS)
	}
	local := mustGlance(w.Observer, m, "")
	if local.status != http.StatusOK || local.Index < known.Index || local.leader != "" || local.took > 50*time.Millisecond {
		w.T.Errorf("%s: a local read: %+v", m.ID, local)
	}
	for _, query := range []string{linearizable, "consistency=linearizable"} {
		if g := mustGlance(w.Observer, m, query); g.status != http.StatusServiceUnavailable || g.code != client.CodeNoLeader || g.took > 50*time.Millisecond {
			w.T.Errorf("%s: ?%s: %+v", m.ID, query, g)
		}
	}
	for _, query := range []string{"", "?forward=true"} {
		a := w.Observer.Call(http.MethodPost, m.URL()+"/v1/tasks"+query, `{"expression":"1"}`, "Idempotency-Key", "nowhere")
		if a.Status != http.StatusServiceUnavailable || !bytes.Contains(a.Body, []byte(`"no_leader"`)) || a.Header.Get("Location") != "" {
			w.T.Errorf("%s takes a write: %d %s, to %q", m.ID, a.Status, a.Body, a.Header.Get("Location"))
		}
	}
}

func TestAFollowerThatIsCutOffSaysSo(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		known := w.Client.Submit(0)
		w.Sleep(noticed)
		for _, m := range w.Followers(w.Leader()) {
			isReady(m, true)
			m.Cut()
			w.Sleep(noticed)
			isApart(m, known)
			known = submitAtTask(w.Client, w.Leader())
			m.Heal()
			w.Sleep(noticed)
			isReady(m, true)
			if s := w.Status(m); s.LeaderContactMS < 0 || s.LeaderContactMS > 500 || s.AppliedIndex < known.Index {
				w.T.Errorf("%s is back and says %+v", m.ID, s)
			}
		}
	})
}

// submitAtTask is submitAt with the task whole.
func submitAtTask(u *story.User, masters ...*story.Master) client.Task {
	u.W.T.Helper()
	id := u.SubmitAt(masters...)
	t, err := u.Of(masters...).Task(u.W.T.Context(), id, client.ReadOptions{})
	if err != nil {
		u.W.T.Fatal(err)
	}
	return t
}

func TestALeaderThatIsAloneStepsDown(t *testing.T) {
	for _, l := range story.Losses {
		if l.Name != "is cut off" && l.Name != "is alone" && l.Name != "is paused" {
			continue
		}
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 4)
				known := w.Client.Submit(0)
				w.Client.Wait(known.ID)
				leader := w.Leader()
				l.Strike(leader)
				w.Sleep(noticed)
				isApart(leader, known)
				leader.Mend()
				w.Sleep(noticed)
				isReady(leader, true)
			})
		})
	}
}

// TestTheLeaderIsNamedRightOrNotAtAll reads Muster-Leader at every master, through
// changes of the leader and a time without one.
func TestTheLeaderIsNamedRightOrNotAtAll(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		named := func() map[string]int {
			names := map[string]int{}
			for _, m := range w.Running() {
				for _, path := range []string{"/v1/tasks", "/v1/status", "/healthz", "/v1/tasks/9", "/nothing"} {
					names[w.Observer.Call(http.MethodGet, m.URL()+path, "").Header.Get("Muster-Leader")]++
				}
			}
			return names
		}
		for range 3 {
			leader := w.Leader()
			w.Ready()
			if got := named(); len(got) != 1 || got[leader.URL()] != 15 {
				w.T.Errorf("while %s leads: %v", leader.ID, got)
			}
			leader.Crash()
			w.Leader()
			w.StartAll()
		}
		for _, m := range w.Followers(w.Leader()) {
			m.Crash()
		}
		w.Sleep(noticed)
		if got := named(); len(got) != 1 || got[""] != 5 {
			w.T.Errorf("without a majority: %v", got)
		}
		w.StartAll()
	})
}

// poll is a read that waits while the story goes on.
func poll(w *story.World, m *story.Master, path string) <-chan story.Answer {
	done := make(chan story.Answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL()+path, http.NoBody)
		if err != nil {
			w.T.Error(err)
		}
		resp, err := w.Client.HTTP.Do(req)
		if err != nil {
			done <- story.Answer{Body: []byte(err.Error())}
			return
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		_, err = body.ReadFrom(resp.Body)
		if err != nil {
			w.T.Errorf("%s: %v", path, err)
		}
		done <- story.Answer{Status: resp.StatusCode, Header: resp.Header, Body: body.Bytes()}
	}()
	return done
}

// TestWaitsGoOnWithoutALeader waits at each master for a task, while the leader is
// lost and another one ends the task.
func TestWaitsGoOnWithoutALeader(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		long, short := w.Client.Submit(4*time.Second).ID, w.Client.Submit(time.Minute).ID
		w.Sleep(100 * time.Millisecond) // each follower has them
		leader := w.Leader()
		began := time.Now()
		ends, times := map[*story.Master]<-chan story.Answer{}, map[*story.Master]<-chan story.Answer{}
		for _, m := range w.Masters {
			ends[m] = poll(w, m, fmt.Sprintf("/v1/tasks/%d?wait=5m", long))
			times[m] = poll(w, m, fmt.Sprintf("/v1/tasks/%d?wait=20s", short))
		}
		w.Sleep(time.Second)
		leader.Alone()
		w.Sleep(10 * time.Second)
		leader.Mend()
		for _, m := range w.Masters {
			if a := <-ends[m]; a.Status != http.StatusOK || !bytes.Contains(a.Body, []byte(`"done"`)) || time.Since(began) > 13*time.Second {
				w.T.Errorf("%s, after %v: %d %s", m.ID, time.Since(began), a.Status, a.Body)
			}
		}
		for _, m := range w.Masters {
			if a := <-times[m]; a.Status != http.StatusOK || !bytes.Contains(a.Body, []byte(`"in_progress"`)) {
				w.T.Errorf("%s: %d %s", m.ID, a.Status, a.Body)
			}
		}
		if took := time.Since(began).Round(100 * time.Millisecond); took != 20*time.Second {
			w.T.Errorf("waits of 20 s ended after %v", took)
		}
	})
}

// TestAMasterThatStopsEndsItsWaits stops masters in order while somebody waits
// there.
func TestAMasterThatStopsEndsItsWaits(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		id := w.Client.Submit(20 * time.Second).ID
		w.Sleep(time.Second) // each follower has it
		leader := w.Leader()
		for _, m := range []*story.Master{w.Followers(leader)[0], leader} {
			task := poll(w, m, fmt.Sprintf("/v1/tasks/%d?wait=5m", id))
			index := poll(w, m, "/v1/tasks?min_index=1000000")
			w.Sleep(time.Second)
			began := time.Now()
			if err := m.Halt(); err != nil {
				w.T.Errorf("%s ended with: %v", m.ID, err)
			}
			if took := time.Since(began); took > 3*time.Second {
				w.T.Errorf("%s took %v to stop, for somebody waited", m.ID, took)
			}
			if a := <-task; a.Status != http.StatusOK || !bytes.Contains(a.Body, []byte(`"in_progress"`)) {
				w.T.Errorf("%s: the wait for a task ended with %d %s", m.ID, a.Status, a.Body)
			}
			if a := <-index; a.Status != http.StatusGatewayTimeout {
				w.T.Errorf("%s: the wait for an index ended with %d %s", m.ID, a.Status, a.Body)
			}
			w.StartAll()
		}
	})
}

// TestNobodyWaitsForAClientThatLeft has clients leave in the middle of every kind
// of wait.
func TestNobodyWaitsForAClientThatLeft(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		id := w.Client.Submit(10 * time.Second).ID
		w.Sleep(noticed)
		for _, m := range w.Masters {
			before := metric(w, m, "muster_api_requests_in_flight")
			guest := w.User("guest")
			paths := []string{fmt.Sprintf("/v1/tasks/%d?wait=5m", id), "/v1/tasks?min_index=1000000", "/v1/slaves?min_index=1000000"}
			for _, path := range paths {
				go guest.HTTP.Get(m.URL() + path) //nolint:errcheck // it leaves before there is an answer
			}
			w.Sleep(100 * time.Millisecond)
			if n := metric(w, m, "muster_api_requests_in_flight"); n != before+float64(len(paths)) {
				w.T.Errorf("%s: %v requests are under way, %d were made", m.ID, n-before, len(paths))
			}
			guest.Leave()
			w.Sleep(100 * time.Millisecond)
			if n := metric(w, m, "muster_api_requests_in_flight"); n != before {
				w.T.Errorf("%s: %v requests of a client that left are under way", m.ID, n-before)
			}
		}
	})
}

// metric reads one of a master's metrics.
func metric(w *story.World, m *story.Master, name string) float64 {
	w.T.Helper()
	for line := range strings.Lines(string(w.Observer.Call(http.MethodGet, m.URL()+"/metrics", "").Body)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				w.T.Fatal(err)
			}
			return n
		}
	}
	w.T.Fatalf("%s has no metric %s", m.ID, name)
	return 0
}
