package leaderloss_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
)

// transfer hands leadership to a master and waits until it has taken over.
func transfer(w *story.World, to *story.Master) {
	w.T.Helper()
	w.Await("leadership to be handed to "+to.ID, func(ctx context.Context) error {
		_, err := w.Observer.API.TransferLeadership(ctx, to.ID)
		if err == nil && w.Leader() != to {
			err = errors.New("another leads")
		}
		return err
	})
}

// put submits a task that takes d; when it comes to the leader's disk, do is
// called.
func put(m *story.Master, d time.Duration, do func()) client.Task {
	m.W.T.Helper()
	j := m.W.Client.Sleeping(d)
	came := m.At(j.Key, do)
	task := m.W.Client.Put(j).Task
	m.W.Within(came, "an entry of the log")
	return task
}

// TestLeadershipGoesAwayAndComesBack, thrice, with one task at each point of its
// way: what a master's first dispatcher knew is of no use to its next ones, and
// does no harm.
func TestLeadershipGoesAwayAndComesBack(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		for _, name := range []string{"slave-1", "slave-2", "slave-3", "slave-4"} {
			w.Slave(name, 1)
		}
		leader := w.Leader()
		other := w.Followers(leader)[0]
		tasks := []client.Task{ // each goes to the next slave
			put(leader, 3*time.Second, func() {}),
			put(leader, 3*time.Second, func() { w.Net.Block("slave-2", leader.ID, slavePort) }), // its answer
			put(leader, 0, func() { w.Net.Block("slave-3", leader.ID, story.APIPort) }),         // its report
			put(leader, 3*time.Second, func() { w.Net.Block(leader.ID, "slave-4") }),            // the send to it
		}
		w.AwaitRuns(tasks[2].ID, func(runs []evidence.Run) bool { return len(runs) > 0 && !runs[0].Ended.IsZero() })
		for range 3 {
			transfer(w, other)
			transfer(w, leader)
		}
		w.Net.PassAll()
		for i, x := range tasks {
			done := w.Done(x.ID, leader)
			if runs := w.Seen.Runs(x.ID); len(runs) != 1 || done.Attempt != 1 || done.Slave != w.Slaves[i].Name {
				t.Errorf("%+v was executed %+v; want once, at %s", done, runs, w.Slaves[i].Name)
			}
		}
		fills(w)
	})
}

// TestAMasterThatWasCutOffLeadsAgain: nobody else was elected, as only its log has
// the newest entry. That entry of its old term is committed in its new one.
func TestAMasterThatWasCutOffLeadsAgain(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		y := setOut(w, 3)
		term := w.Status(y.leader).Term
		running := w.Client.Submit(3 * time.Second)
		came := y.leader.At(markedKey, func() {
			for _, f := range y.followers {
				y.Net.Block(y.leader.ID, f.ID)
				y.Net.Block(f.ID, y.leader.ID)
			}
			y.Net.Block(y.followers[0].ID, y.followers[1].ID)
			y.Net.Block(y.followers[1].ID, y.followers[0].ID)
		})
		y.submit()
		y.after(came)
		y.Within(y.first.Done, "the end of the first submit")
		if story.Code(y.first.Err) != client.CodeOutcomeUnknown {
			t.Errorf("the first submit: %v; want outcome_unknown", y.first.Err)
		}
		for _, f := range y.followers { // they still don't hear each other
			y.Net.Pass(y.leader.ID, f.ID)
			y.Net.Pass(f.ID, y.leader.ID)
		}
		if again := w.Leader(); again != y.leader || w.Status(again).Term <= term {
			t.Fatalf("%s leads in term %d; want %s, in a later one than %d", again.ID, w.Status(again).Term, y.leader.ID, term)
		}
		y.Net.PassAll()
		task := y.repeat(y.leader)
		for _, id := range []uint64{running.ID, task.ID} {
			w.Done(id, y.leader)
			if runs := w.Seen.Runs(id); len(runs) != 1 || runs[0].Attempt != 1 {
				t.Errorf("the executions of task %d are %+v; want one", id, runs)
			}
		}
		fills(w)
	})
}
