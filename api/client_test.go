package api

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"muster/api/client"
	"muster/task"
)

// The real client against the real handlers, on real sockets: a leader and a
// follower, of which the client knows the follower alone.
func TestClientAgainstAPI(t *testing.T) {
	leads, follows, _ := pair(t, Config{})
	c, err := client.New(client.Config{Addresses: []string{follows.url}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()

	s, err := c.Submit(ctx, client.Submission{
		Expression: "2+3*x", Parameters: client.Parameters{client.Parameter("x", "9007199254740993")},
	}, client.SubmitOptions{Key: "k", Explain: true})
	if err != nil || s.Message != "Task successfully assigned to slave-1." || len(s.Asked) != 2 || c.Leader() != leads.url {
		t.Fatalf("got %+v, %v", s, err)
	}
	again, err := c.Submit(ctx, client.Submission{Expression: "2+3*x"}, client.SubmitOptions{Key: "k"})
	if err != nil || again.Task.ID != s.Task.ID {
		t.Errorf("got %+v, %v", again, err)
	}
	if got, err := c.Task(ctx, s.Task.ID, client.ReadOptions{Linearizable: true}); err != nil || got.Parameters[0].Value.Text != "9007199254740993" {
		t.Errorf("got %+v, %v", got, err)
	}

	// A slave registers, reports and leaves.
	cluster, err := c.RegisterSlave(ctx, task.Registration{
		Name: "slave-2", URL: "http://10.0.0.1:1", Slots: 1, Incarnation: "i-2", Kinds: []task.Kind{{Name: "own"}},
	})
	if err != nil || cluster != "c-1" {
		t.Fatalf("got %q, %v", cluster, err)
	}
	slaves, err := c.Slaves(ctx, client.ReadOptions{})
	if err != nil || len(slaves) != 2 || slaves[1].Kinds[0].Name != "own" {
		t.Errorf("got %+v, %v", slaves, err)
	}
	verdicts, err := c.Report(ctx, task.Report{
		Slave: "slave-1", Availability: task.Availability{Incarnation: "i-1", Counter: 1, Free: 1, Slots: 2},
		Results: []task.Result{
			{ID: task.ID(s.Task.ID), Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.String}},
			{ID: 99, Attempt: 1, Outcome: task.Failed, Error: "no"},
		},
	})
	if err != nil || verdicts[0].Err != nil || !errors.Is(verdicts[1].Err, &task.Error{Code: task.CodeTaskNotFound}) {
		t.Errorf("got %+v, %v", verdicts, err)
	}
	if done, err := c.Wait(ctx, s.Task.ID); err != nil || done.Status != client.TaskDone || *done.Result != "" {
		t.Errorf("got %+v, %v", done, err)
	}
	if err = c.LeaveSlave(ctx, "slave-2", "other"); client.CodeOf(err) != client.CodeWrongIncarnation {
		t.Errorf("got %v", err)
	}
	if err = c.LeaveSlave(ctx, "slave-2", "i-2"); err != nil {
		t.Errorf("got %v", err)
	}

	// Pages.
	for range 4 {
		if _, err := c.Submit(ctx, client.Submission{Expression: "1"}, client.SubmitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []uint64
	for got, err := range c.List(ctx, client.ListOptions{Limit: 2, Descending: true, Status: client.TaskInProgress}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got.ID)
	}
	if !slices.Equal(ids, []uint64{5, 4, 3, 2}) {
		t.Errorf("got %v", ids)
	}

	// Masters.
	joined, err := c.Join(ctx, client.JoinRequest{ID: "m3", RaftAddress: "h:1", APIURL: "http://h:2"})
	if err != nil || joined.ClusterID != "c-1" {
		t.Errorf("got %+v, %v", joined, err)
	}
	if masters, err := c.Masters(ctx); err != nil || len(masters) != 1 || masters[0].ID != "m2" || masters[0].AppliedIndex == 0 {
		t.Errorf("got %+v, %v", masters, err)
	}
	if _, err = c.RemoveMaster(ctx, "m9"); client.CodeOf(err) != client.CodeMasterNotFound {
		t.Errorf("got %v", err)
	}
	if m, err := c.TransferLeadership(ctx, "m1"); err != nil || m == "" {
		t.Errorf("got %q, %v", m, err)
	}
	if st, err := c.Status(ctx, leads.url, true); err != nil || st.ID != "m1" || st.Fingerprint == "" {
		t.Errorf("got %+v, %v", st, err)
	}
	if err := c.Ready(ctx, follows.url); err != nil {
		t.Errorf("got %v", err)
	}

	// Refusals.
	leads.refuse = &task.Error{Code: task.CodeFullCapacity, Message: "All are busy.", Capacity: &task.Capacity{Slots: 2, Busy: 2}, Asked: []task.Asked{{Slave: "slave-1", From: task.FromSlave}}}
	_, err = c.Submit(ctx, client.Submission{Expression: "1"}, client.SubmitOptions{})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != client.CodeFullCapacity || e.Slots != 2 || e.RetryAfter != time.Second || len(e.Asked) != 1 || e.Asked[0].Slave != "slave-1" {
		t.Errorf("got %v", err)
	}
}

// A call that finds no leader goes on until there is one.
func TestClientSurvivesFailover(t *testing.T) {
	leads, follows, leaderServer := pair(t, Config{})
	c, err := client.New(client.Config{Addresses: []string{leads.url, follows.url}, MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first, err := c.Submit(t.Context(), client.Submission{Expression: "1"}, client.SubmitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	leaderServer.CloseClientConnections()
	leaderServer.Close()
	asked := make(chan struct{})
	follows.mu.Lock()
	follows.leader, follows.leaderAsked = nil, sync.OnceFunc(func() { close(asked) })
	follows.mu.Unlock()

	type answer struct {
		got client.Submitted
		err error
	}
	answers := make(chan answer)
	go func() {
		got, err := c.Submit(t.Context(), client.Submission{Expression: "2"}, client.SubmitOptions{})
		answers <- answer{got, err}
	}()
	<-asked // in vain
	follows.mu.Lock()
	follows.leader = follows
	follows.mu.Unlock()
	a := <-answers
	if a.err != nil || a.got.Task.ID != first.Task.ID+1 || c.Leader() != follows.url {
		t.Errorf("got %+v, %v; the leader is %s", a.got, a.err, c.Leader())
	}
}
