package reads_test

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
	"muster/systemtest/promises/story"
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

// glanceAt reads the first of a list at a master. What it shows goes into the
// evidence; by, if not empty, names a client that reads with its index.
func glanceAt(ctx context.Context, u *story.User, m *story.Master, by, query string) (glance, error) {
	g := glance{Read: evidence.Read{Master: m.ID, Client: by, Linearizable: query == linearizable, Began: time.Now()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL()+"/v1/tasks?limit=1&"+query, http.NoBody)
	if err != nil {
		return g, err
	}
	resp, err := u.HTTP.Do(req)
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
		return g, fmt.Errorf("%s answers %q: %w", m.ID, text, err)
	}
	if g.Index, err = strconv.ParseUint(resp.Header.Get("Muster-Index"), 10, 64); err != nil {
		return g, fmt.Errorf("%s answers without an index: %w", m.ID, err)
	}
	g.Ended, g.Counts = time.Now(), got.Counts
	g.took = g.Ended.Sub(g.Began)
	g.status, g.code, g.reason, g.leader = resp.StatusCode, got.Code, got.Error, resp.Header.Get("Muster-Leader")
	if g.status == http.StatusOK {
		u.W.Seen.Read(g.Read)
	}
	return g, nil
}

// mustGlance is glanceAt, answered.
func mustGlance(u *story.User, m *story.Master, query string) glance {
	u.W.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), story.Patience)
	defer cancel()
	g, err := glanceAt(ctx, u, m, "", query)
	if err != nil {
		u.W.T.Fatalf("read ?%s at %s: %v", query, m.ID, err)
	}
	return g
}

// indexWait is how long a master waits for an index at most.
const indexWait = 5 * time.Second

func TestMinIndexWaitsAndEnds(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		leader := w.Leader()
		behind := w.Followers(leader)[0]

		// It waits exactly until the master has the index.
		behind.Disk.Hold()
		task := w.Client.Submit(time.Minute)
		query := fmt.Sprintf("min_index=%d", task.Index)
		released := make(chan time.Time, 1)
		time.AfterFunc(time.Second, func() { released <- time.Now(); behind.Disk.Release() })
		g := mustGlance(w.Client, behind, query)
		if at := <-released; g.status != http.StatusOK || g.Index < task.Index || g.Ended.Before(at) || g.Ended.After(at.Add(200*time.Millisecond)) {
			w.T.Errorf("%v after the index came: %+v", g.Ended.Sub(at), g)
		}
		// What is there is not waited for.
		for _, m := range []*story.Master{leader, behind} {
			if g := mustGlance(w.Client, m, query); g.status != http.StatusOK || g.took > 50*time.Millisecond {
				w.T.Errorf("%s, which has it: %+v", m.ID, g)
			}
		}
		// It ends when the master does not get it, also when nobody ever will.
		behind.Cut()
		behind.W.Net.Pass(behind.ID, "client")
		behind.W.Net.Pass("client", behind.ID)
		w.Client.SubmitAt(leader)
		missed := mustGlance(w.Client, leader, "").Index
		for query, at := range map[string]*story.Master{
			fmt.Sprintf("min_index=%d", missed): behind, "min_index=18446744073709551615": leader, "min_index=9223372036854775808": behind,
		} {
			if g := mustGlance(w.Client, at, query); g.status != http.StatusGatewayTimeout || g.code != client.CodeIndexNotReached || g.took > indexWait+100*time.Millisecond || g.took < indexWait {
				w.T.Errorf("%s at %s: %+v", query, at.ID, g)
			}
		}
		for _, wrong := range []string{"18446744073709551616", "-1", "+1", "1.5", "1e3", "0x10", "one", "", "%201", "1&min_index=2"} {
			for _, m := range w.Masters {
				if g := mustGlance(w.Client, m, "min_index="+wrong); g.status != http.StatusBadRequest || g.code != client.CodeInvalidRequest || !strings.Contains(g.reason, "min_index") || g.took > 50*time.Millisecond {
					w.T.Errorf("min_index=%s at %s: %+v", wrong, m.ID, g)
				}
			}
		}
	})
}

// TestWritesAreReadAnywhere reads each write at every master at once, with its
// index, while leaders come and go.
func TestWritesAreReadAnywhere(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		for i := range 12 {
			task := w.Client.Submit(100 * time.Millisecond)
			for _, m := range w.Running() {
				got, err := w.Client.Of(m).Task(w.T.Context(), task.ID, client.ReadOptions{MinIndex: task.Index})
				if err != nil || got.IdempotencyKey != task.IdempotencyKey {
					w.T.Errorf("%s, asked for index %d: %+v, %v", m.ID, task.Index, got, err)
				}
			}
			if i%4 == 3 {
				w.Leader().Crash()
				w.Client.Submit(0)
				w.StartAll()
			}
		}
	})
}

// TestANewLeaderShowsAllThatWasAcknowledged reads at a leader that was just
// elected and has not yet learnt what its predecessor had committed.
func TestANewLeaderShowsAllThatWasAcknowledged(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		old := w.Leader()
		followers := w.Followers(old)
		// The next leader's first entry reaches its own disk and no other.
		began := make(chan *story.Master, 2)
		for _, m := range followers {
			m.Disk.Watch(func(entries []*raft.Log) {
				if entries[0].Type != raft.LogNoop {
					return
				}
				began <- m
				for _, other := range followers {
					if other != m {
						other.Disk.Hold()
					}
				}
			})
		}
		task := w.Client.Submit(time.Second)
		old.Vanish()
		leader := <-began
		w.Sleep(story.Moment)
		if g := mustGlance(w.Client, leader, ""); g.Counts.Submitted >= task.ID {
			w.T.Fatalf("the new leader has learnt of task %d already: %+v", task.ID, g)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if g, err := glanceAt(ctx, w.Client, leader, "", linearizable); err == nil && g.status == http.StatusOK {
			w.T.Errorf("it answers before it can know: %+v", g)
		}
		for _, m := range followers {
			m.Disk.Watch(nil)
			m.Disk.Release()
		}
		w.Await("a linearizable read", func(ctx context.Context) error {
			g, err := glanceAt(ctx, w.Client, followers[0], "", linearizable)
			if err == nil && g.status != http.StatusOK {
				err = errors.New(g.reason)
			}
			if err == nil && g.Counts.Submitted < task.ID {
				w.T.Errorf("it misses task %d: %+v", task.ID, g)
			}
			return err
		})
	})
}
