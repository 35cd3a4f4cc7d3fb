package promises_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// glance is what one read of a list by plain HTTP was told.
type glance struct {
	evidence.Read

	status int
	code   client.Code
	reason string
	leader string
	took   time.Duration
}

const linearizable = "consistency=linearizable&forward=true"

// glances reads the first of a list at a master. What it shows goes into the
// evidence; by, if not empty, names a client that reads with its index.
func (u *user) glances(ctx context.Context, m *master, by, query string) (glance, error) {
	g := glance{Read: evidence.Read{Master: m.id, Client: by, Linearizable: query == linearizable, Began: time.Now()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url()+"/v1/tasks?limit=1&"+query, http.NoBody)
	if err != nil {
		return g, err
	}
	resp, err := u.http.Do(req)
	if err != nil {
		return g, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return g, err
	}
	var got struct {
		Counts client.Counts
		Code   client.Code
		Error  string
	}
	if err := json.Unmarshal(text, &got); err != nil {
		return g, fmt.Errorf("%s answers %q: %w", m.id, text, err)
	}
	if g.Index, err = strconv.ParseUint(resp.Header.Get("Muster-Index"), 10, 64); err != nil {
		return g, fmt.Errorf("%s answers without an index: %w", m.id, err)
	}
	g.Ended, g.Counts = time.Now(), got.Counts
	g.took = g.Ended.Sub(g.Began)
	g.status, g.code, g.reason, g.leader = resp.StatusCode, got.Code, got.Error, resp.Header.Get("Muster-Leader")
	if g.status == http.StatusOK {
		u.w.seen.Read(g.Read)
	}
	return g, nil
}

// glance is glances, answered.
func (u *user) glance(m *master, query string) glance {
	u.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	g, err := u.glances(ctx, m, "", query)
	if err != nil {
		u.w.t.Fatalf("read ?%s at %s: %v", query, m.id, err)
	}
	return g
}

// indexWait is how long a master waits for an index at most.
const indexWait = 5 * time.Second

func TestMinIndexWaitsAndEnds(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		leader := w.leader()
		behind := w.followers(leader)[0]

		// It waits exactly until the master has the index.
		behind.disk.hold()
		task := w.client.submit(time.Minute)
		query := fmt.Sprintf("min_index=%d", task.Index)
		released := make(chan time.Time, 1)
		time.AfterFunc(time.Second, func() { released <- time.Now(); behind.disk.release() })
		g := w.client.glance(behind, query)
		if at := <-released; g.status != http.StatusOK || g.Index < task.Index || g.Ended.Before(at) || g.Ended.After(at.Add(200*time.Millisecond)) {
			w.t.Errorf("%v after the index came: %+v", g.Ended.Sub(at), g)
		}
		// What is there is not waited for.
		for _, m := range []*master{leader, behind} {
			if g := w.client.glance(m, query); g.status != http.StatusOK || g.took > 50*time.Millisecond {
				w.t.Errorf("%s, which has it: %+v", m.id, g)
			}
		}
		// It ends when the master does not get it, also when nobody ever will.
		behind.cut()
		behind.w.net.Pass(behind.id, "client")
		behind.w.net.Pass("client", behind.id)
		w.client.submitAt(leader)
		missed := w.client.glance(leader, "").Index
		for query, at := range map[string]*master{
			fmt.Sprintf("min_index=%d", missed): behind, "min_index=18446744073709551615": leader, "min_index=9223372036854775808": behind,
		} {
			if g := w.client.glance(at, query); g.status != http.StatusGatewayTimeout || g.code != client.CodeIndexNotReached || g.took > indexWait+100*time.Millisecond || g.took < indexWait {
				w.t.Errorf("%s at %s: %+v", query, at.id, g)
			}
		}
		for _, wrong := range []string{"18446744073709551616", "-1", "+1", "1.5", "1e3", "0x10", "one", "", "%201", "1&min_index=2"} {
			for _, m := range w.masters {
				if g := w.client.glance(m, "min_index="+wrong); g.status != http.StatusBadRequest || g.code != client.CodeInvalidRequest || !strings.Contains(g.reason, "min_index") || g.took > 50*time.Millisecond {
					w.t.Errorf("min_index=%s at %s: %+v", wrong, m.id, g)
				}
			}
		}
	})
}

// TestWritesAreReadAnywhere reads each write at every master at once, with its
// index, while leaders come and go.
func TestWritesAreReadAnywhere(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		for i := range 12 {
			task := w.client.submit(100 * time.Millisecond)
			for _, m := range w.running() {
				got, err := w.client.of(m).Task(w.t.Context(), task.ID, client.ReadOptions{MinIndex: task.Index})
				if err != nil || got.IdempotencyKey != task.IdempotencyKey {
					w.t.Errorf("%s, asked for index %d: %+v, %v", m.id, task.Index, got, err)
				}
			}
			if i%4 == 3 {
				w.leader().crash()
				w.client.submit(0)
				w.startAll()
			}
		}
	})
}

// TestANewLeaderShowsAllThatWasAcknowledged reads at a leader that was just
// elected and has not yet learnt what its predecessor had committed.
func TestANewLeaderShowsAllThatWasAcknowledged(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		old := w.leader()
		followers := w.followers(old)
		// The next leader's first entry reaches its own disk and no other.
		began := make(chan *master, 2)
		for _, m := range followers {
			m.disk.watch(func(entries []*raft.Log) {
				if entries[0].Type != raft.LogNoop {
					return
				}
				began <- m
				for _, other := range followers {
					if other != m {
						other.disk.hold()
					}
				}
			})
		}
		task := w.client.submit(time.Second)
		old.vanish()
		leader := <-began
		w.sleep(moment)
		if g := w.client.glance(leader, ""); g.Counts.Submitted >= task.ID {
			w.t.Fatalf("the new leader has learnt of task %d already: %+v", task.ID, g)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if g, err := w.client.glances(ctx, leader, "", linearizable); err == nil && g.status == http.StatusOK {
			w.t.Errorf("it answers before it can know: %+v", g)
		}
		for _, m := range followers {
			m.disk.watch(nil)
			m.disk.release()
		}
		w.await("a linearizable read", func(ctx context.Context) error {
			g, err := w.client.glances(ctx, followers[0], "", linearizable)
			if err == nil && g.status != http.StatusOK {
				err = errors.New(g.reason)
			}
			if err == nil && g.Counts.Submitted < task.ID {
				w.t.Errorf("it misses task %d: %+v", task.ID, g)
			}
			return err
		})
	})
}
