package promises_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// transfer hands leadership to a master and waits until it has taken over.
func (w *world) transfer(to *master) {
	w.t.Helper()
	w.await("leadership to be handed to "+to.id, func(ctx context.Context) error {
		_, err := w.observer.api.TransferLeadership(ctx, to.id)
		if err == nil && w.leader() != to {
			err = errors.New("another leads")
		}
		return err
	})
}

// put submits a task that takes d; when it comes to the leader's disk, do is
// called.
func (m *master) put(d time.Duration, do func()) client.Task {
	m.w.t.Helper()
	j := m.w.client.sleeping(d)
	came := m.at(j.key, do)
	task := m.w.client.put(j).Task
	m.w.within(came, "an entry of the log")
	return task
}

// TestLeadershipGoesAwayAndComesBack, thrice, with one task at each point of its
// way: what a master's first dispatcher knew is of no use to its next ones, and
// does no harm.
func TestLeadershipGoesAwayAndComesBack(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		for _, name := range []string{"slave-1", "slave-2", "slave-3", "slave-4"} {
			w.slave(name, 1)
		}
		leader := w.leader()
		other := w.followers(leader)[0]
		tasks := []client.Task{ // each goes to the next slave
			leader.put(3*time.Second, func() {}),
			leader.put(3*time.Second, func() { w.net.Block("slave-2", leader.id, slavePort) }), // its answer
			leader.put(0, func() { w.net.Block("slave-3", leader.id, apiPort) }),               // its report
			leader.put(3*time.Second, func() { w.net.Block(leader.id, "slave-4") }),            // the send to it
		}
		w.awaitRuns(tasks[2].ID, func(runs []evidence.Run) bool { return len(runs) > 0 && !runs[0].Ended.IsZero() })
		for range 3 {
			w.transfer(other)
			w.transfer(leader)
		}
		w.net.PassAll()
		for i, x := range tasks {
			done := w.done(x.ID, leader)
			if runs := w.seen.Runs(x.ID); len(runs) != 1 || done.Attempt != 1 || done.Slave != w.slaves[i].name {
				t.Errorf("%+v was executed %+v; want once, at %s", done, runs, w.slaves[i].name)
			}
		}
		w.fills()
	})
}

// TestAMasterThatWasCutOffLeadsAgain: nobody else was elected, as only its log has
// the newest entry. That entry of its old term is committed in its new one.
func TestAMasterThatWasCutOffLeadsAgain(t *testing.T) {
	bothWays(t, func(w *world) {
		y := setOut(w, 3)
		term := w.status(y.leader).Term
		running := w.client.submit(3 * time.Second)
		came := y.leader.at(markedKey, func() {
			for _, f := range y.followers {
				y.net.Block(y.leader.id, f.id)
				y.net.Block(f.id, y.leader.id)
			}
			y.net.Block(y.followers[0].id, y.followers[1].id)
			y.net.Block(y.followers[1].id, y.followers[0].id)
		})
		y.submit()
		y.after(came)
		y.within(y.first.done, "the end of the first submit")
		if code(y.first.err) != client.CodeOutcomeUnknown {
			t.Errorf("the first submit: %v; want outcome_unknown", y.first.err)
		}
		for _, f := range y.followers { // they still don't hear each other
			y.net.Pass(y.leader.id, f.id)
			y.net.Pass(f.id, y.leader.id)
		}
		if again := w.leader(); again != y.leader || w.status(again).Term <= term {
			t.Fatalf("%s leads in term %d; want %s, in a later one than %d", again.id, w.status(again).Term, y.leader.id, term)
		}
		y.net.PassAll()
		task := y.repeat(y.leader)
		for _, id := range []uint64{running.ID, task.ID} {
			w.done(id, y.leader)
			if runs := w.seen.Runs(id); len(runs) != 1 || runs[0].Attempt != 1 {
				t.Errorf("the executions of task %d are %+v; want one", id, runs)
			}
		}
		w.fills()
	})
}
