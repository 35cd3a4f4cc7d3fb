package systemtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/api/client"
	"muster/cmd/app"
	"muster/systemtest/ports"
	"muster/systemtest/timelimit"
)

// TestMainJob sends a task in and gets its result out, at every master.
func TestMainJob(t *testing.T) {
	s := threeMasters(t)
	s.startSlave("slave-1", 1)
	s.startSlave("slave-2", 1)
	ctx := s.context()

	got, err := s.client().Submit(ctx, client.Submission{Expression: "2 + 3*x", Parameters: client.Parameters{client.Parameter("x", "4")}}, client.SubmitOptions{Explain: true})
	if err != nil {
		t.Fatal(err)
	}
	if got.Message != "Task successfully assigned to slave-1." || len(got.Asked) != 1 {
		t.Errorf("answer: %+v", got)
	}
	for id := range s.masters {
		done := s.waitAt(id, got.Task.ID, got.Task.Index)
		if done.Result == nil || *done.Result != "14" || done.Outcome != client.Succeeded || done.Slave != "slave-1" {
			t.Errorf("at %s: %+v", id, done)
		}
	}
}

// waitAt waits at one master until a task is done there; the master first catches
// up with the index at which the task was acknowledged.
func (s *system) waitAt(id string, n, index uint64) client.Task {
	s.t.Helper()
	ctx := s.context()
	c := s.client(id)
	got, err := c.Task(ctx, n, client.ReadOptions{MinIndex: index})
	if err == nil {
		got, err = c.Wait(ctx, n)
	}
	if err != nil {
		s.t.Fatalf("task %d at %s: %v", n, id, err)
	}
	return got
}

// TestFullCapacityOverTheWire fills both slots and is told so, with numbers.
func TestFullCapacityOverTheWire(t *testing.T) {
	s := threeMasters(t)
	s.startSlave("slave-1", 1)
	s.startSlave("slave-2", 1)
	ctx := s.context()
	c := s.client(s.follower()) // every call below is redirected
	for i := 1; i <= 2; i++ {
		got, err := c.Submit(ctx, client.Submission{Expression: "sleep(3600)"}, client.SubmitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := c.Cancel(ctx, got.Task.ID); err != nil { // the slave need not wait for it
				t.Error(err)
			}
		})
		if want := fmt.Sprintf("slave-%d", i); got.Task.Slave != want {
			t.Errorf("task %d went to %s, want %s", i, got.Task.Slave, want)
		}
	}
	_, err := c.Submit(ctx, client.Submission{Expression: "1"}, client.SubmitOptions{})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != client.CodeFullCapacity || refused.Status != http.StatusServiceUnavailable ||
		refused.Slots != 2 || refused.Busy != 2 || refused.RetryAfter != time.Second {
		t.Errorf("third task: %+v, want full capacity", err)
	}
}

// TestLeaderStopsUnderLoad stops one leader after the other, each started again,
// while tasks are submitted. Every acknowledged task ends once, with the right
// result, on every master; and all masters hold the same state.
func TestLeaderStopsUnderLoad(t *testing.T) {
	s := threeMasters(t)
	s.startSlave("slave-1", 16)
	s.startSlave("slave-2", 16)

	load := startLoad(s, 8)
	for range 3 {
		load.awaitMore(100)
		leader := s.awaitLeader()
		cfg := s.masters[leader].config
		s.stopMaster(leader)
		load.awaitMore(100)
		s.startMaster(cfg)
		s.awaitLeader()
	}
	acknowledged, newest := load.end()

	ctx := s.context()
	for id := range s.masters {
		c := s.client(id)
		seen := 0
		for n, want := range acknowledged {
			got := s.waitAt(id, n, newest)
			if got.Outcome != client.Succeeded || got.Result == nil || *got.Result != want {
				t.Errorf("task %d at %s: %+v, want result %s", n, id, got, want)
			}
			seen++
		}
		page, err := c.Page(ctx, client.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if int(page.Counts.Done) != seen || page.Counts.Pending+page.Counts.InProgress != 0 {
			t.Errorf("%s counts %+v, %d were acknowledged", id, page.Counts, seen)
		}
	}
	s.awaitEqual()
}

// load submits tasks until it is told to end, and repeats each until it is
// acknowledged.
type load struct {
	s      *system
	cancel context.CancelFunc
	wg     sync.WaitGroup
	more   chan struct{} // one for each acknowledged task
	mu     sync.Mutex
	acked  map[uint64]string // id → the result that it must have
	newest uint64            // index of the last acknowledgement
}

func startLoad(s *system, clients int) *load {
	ctx, cancel := context.WithCancel(s.context())
	l := &load{s: s, cancel: cancel, more: make(chan struct{}, 1<<16), acked: map[uint64]string{}}
	all := []*client.Client{}
	for range clients {
		all = append(all, s.client())
	}
	for i, c := range all {
		l.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				l.submit(c, fmt.Sprintf("%d-%d", i, n), i*1_000_000+n)
			}
		})
	}
	return l
}

// submit repeats one task under one key until it is acknowledged; it ends even
// when the load has ended, so that no task is left in doubt.
func (l *load) submit(c *client.Client, key string, n int) {
	for {
		got, err := c.Submit(l.s.context(), client.Submission{Expression: fmt.Sprintf("%d + 1", n)}, client.SubmitOptions{Key: key})
		switch {
		case err == nil:
			l.acknowledged(got.Task, n)
			return
		case client.CodeOf(err) == client.CodeFullCapacity:
		default:
			l.s.t.Errorf("submit %s: %v", key, err)
			return
		}
	}
}

func (l *load) acknowledged(t client.Task, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if want, known := l.acked[t.ID]; known {
		l.s.t.Errorf("task %d was acknowledged twice, for %s and %d", t.ID, want, n)
	}
	l.acked[t.ID] = strconv.Itoa(n + 1)
	l.newest = max(l.newest, t.Index)
	l.more <- struct{}{}
}

func (l *load) awaitMore(n int) {
	l.s.t.Helper()
	for range n {
		select {
		case <-l.more:
		case <-time.After(timelimit.Usual(l.s.t)):
			l.s.t.Fatalf("no task was acknowledged for %v", timelimit.Usual(l.s.t))
		}
	}
}

func (l *load) end() (acked map[uint64]string, newest uint64) {
	l.cancel()
	l.wg.Wait()
	return l.acked, l.newest
}

// awaitEqual waits until all masters are at one index, with one fingerprint.
func (s *system) awaitEqual() {
	s.t.Helper()
	s.await("equal fingerprints", func(ctx context.Context) error {
		prints := map[string]string{}
		for id, n := range s.masters {
			st, err := s.client().Status(ctx, n.url, true)
			if err != nil {
				return err
			}
			prints[fmt.Sprintf("%d %s", st.AppliedIndex, st.Fingerprint)] = id
		}
		if len(prints) != 1 {
			return fmt.Errorf("%v", prints)
		}
		return nil
	})
}

// TestOneMasterGrowsToThree starts as the original did, with one master, and is
// joined by two more, one of them through a follower.
func TestOneMasterGrowsToThree(t *testing.T) {
	s := newSystem(t)
	s.startMaster(app.MasterConfig{ID: "m1", RaftListen: ports.Free(t, "127.0.0.1"), APIListen: ports.Free(t, "127.0.0.1"), Bootstrap: true})
	s.awaitLeader()
	s.startSlave("slave-1", 4)
	ctx := s.context()
	first, err := s.client().Submit(ctx, client.Submission{Expression: "6*7"}, client.SubmitOptions{Key: "first"})
	if err != nil {
		t.Fatal(err)
	}
	s.startMaster(app.MasterConfig{ID: "m2", RaftListen: ports.Free(t, "127.0.0.1"), APIListen: ports.Free(t, "127.0.0.1"), Join: []string{s.masters["m1"].url}})
	s.awaitVoters(2)
	s.startMaster(app.MasterConfig{ID: "m3", RaftListen: ports.Free(t, "127.0.0.1"), APIListen: ports.Free(t, "127.0.0.1"), Join: []string{s.masters["m2"].url}})
	s.awaitVoters(3)

	leader := s.awaitLeader()
	s.stopMaster(leader)
	again, err := s.client().Submit(ctx, client.Submission{Expression: "6*7"}, client.SubmitOptions{Key: "first"})
	if err != nil || again.Task.ID != first.Task.ID {
		t.Errorf("repeat after the failover: %+v, %v; want task %d", again.Task, err, first.Task.ID)
	}
	done, err := s.client().Task(ctx, first.Task.ID, client.ReadOptions{Linearizable: true})
	if err != nil || done.Result == nil || *done.Result != "42" {
		t.Errorf("result: %+v, %v", done, err)
	}
}

func (s *system) awaitVoters(n int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d voters", n), func(ctx context.Context) error {
		masters, err := s.client().Masters(ctx)
		if err != nil {
			return err
		}
		voters := 0
		for _, m := range masters {
			if m.Voter {
				voters++
			}
		}
		if voters != n {
			return fmt.Errorf("masters: %+v", masters)
		}
		return nil
	})
	s.awaitLeader()
}

// TestAllMastersRestart stops everything and starts it again on the same disks.
func TestAllMastersRestart(t *testing.T) {
	s := threeMasters(t)
	s.startSlave("slave-1", 4)
	ctx := s.context()
	c := s.client()
	got, err := c.Submit(ctx, client.Submission{Expression: "1/3"}, client.SubmitOptions{Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	before, err := c.Wait(ctx, got.Task.ID)
	if err != nil {
		t.Fatal(err)
	}
	var configs []app.MasterConfig
	for id, n := range s.masters {
		configs = append(configs, n.config)
		s.stopMaster(id)
	}
	for _, cfg := range configs {
		s.startMaster(cfg)
	}
	s.awaitLeader()
	after, err := s.client().Task(ctx, got.Task.ID, client.ReadOptions{Linearizable: true})
	if err != nil || *after.Result != *before.Result || !after.FinishedAt.Equal(before.FinishedAt) {
		t.Errorf("after the restart: %+v, %v; before: %+v", after, err, before)
	}
	again, err := s.client().Submit(ctx, client.Submission{Expression: "1/3"}, client.SubmitOptions{Key: "k"})
	if err != nil || again.Task.ID != got.Task.ID {
		t.Errorf("repeat: %+v, %v", again, err)
	}
}

// TestASlaveLeavesWhenItStops finishes what it has, reports, and is gone.
func TestASlaveLeavesWhenItStops(t *testing.T) {
	s := threeMasters(t)
	s.startSlave("slave-1", 2)
	ctx := s.context()
	var got client.Submitted
	s.await("a task to run on slave-1", func(ctx context.Context) (err error) {
		// Another one each time: it may have ended before the slave is asked.
		got, err = s.client().Submit(ctx, client.Submission{Expression: "sleep(1)"}, client.SubmitOptions{})
		if err == nil {
			err = s.running(ctx, "slave-1", got.Task.ID)
		}
		return err
	})
	s.stopSlave("slave-1")
	done, err := s.client().Task(ctx, got.Task.ID, client.ReadOptions{Linearizable: true})
	if err != nil || done.Outcome != client.Succeeded || done.Tries != 1 {
		t.Errorf("its task: %+v, %v", done, err)
	}
	slaves, err := s.client().Slaves(ctx, client.ReadOptions{Linearizable: true})
	if err != nil || len(slaves) != 1 || slaves[0].State != "left" {
		t.Errorf("registry: %+v, %v", slaves, err)
	}
}

// running asks the slave itself whether it has a task.
func (s *system) running(ctx context.Context, name string, id uint64) error {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.slaves[name].url+"/tasks", nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Timeout: timelimit.Usual(s.t)}).Do(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if !strings.Contains(string(body), fmt.Sprintf(`"id":%d,`, id)) {
		return fmt.Errorf("it answers %s", body)
	}
	return nil
}
