package cluster

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/task"
)

func (w *world) formed() []*master {
	w.t.Helper()
	all := w.trio()
	for _, m := range all {
		m.start(founders(all...))
	}
	w.ready(all...)
	leader := w.leader(all...)
	w.eventually("all in the registry", func() bool { return len(leader.node.View().Masters()) == 3 })
	return all
}

func TestAMasterIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		rest := others(all, leader)
		if err := rest[0].node.RemoveMaster(t.Context(), rest[1].id); codeOf(err) != task.CodeNotLeader {
			t.Errorf("at a follower: %v", err)
		}
		rest[0].kill()
		if err := leader.node.RemoveMaster(t.Context(), rest[1].id); codeOf(err) != task.CodeQuorumAtRisk {
			t.Errorf("the last one that answers: %v; want quorum_at_risk", err)
		}
		if err := leader.node.RemoveMaster(t.Context(), rest[0].id); err != nil {
			t.Errorf("the dead one: %v", err)
		}
		if got := leader.node.Masters(); len(got) != 2 {
			t.Errorf("masters: %+v", got)
		}
		if err := leader.node.RemoveMaster(t.Context(), rest[0].id); codeOf(err) != task.CodeMasterNotFound {
			t.Errorf("again: %v", err)
		}
		if err := leader.node.RemoveMaster(t.Context(), rest[1].id); err != nil {
			t.Errorf("down to one: %v", err)
		}
		if err := leader.node.RemoveMaster(t.Context(), leader.id); codeOf(err) != task.CodeQuorumAtRisk {
			t.Errorf("the last one: %v; want quorum_at_risk", err)
		}
		leader.put("x")
	})
}

func TestARemovedLeaderHandsOverFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		old := w.leader(all...)
		err := old.node.RemoveMaster(t.Context(), old.id)
		if codeOf(err) != task.CodeNotLeader {
			t.Fatalf("got %v; want not_leader", err)
		}
		next := w.leader(others(all, old)...)
		if err := next.node.RemoveMaster(t.Context(), old.id); err != nil {
			t.Fatal(err)
		}
		next.put("x")
		w.eventually("the removed one says so", func() bool { return old.node.Ready() != nil })
	})
}

func TestLeadershipIsTransferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		for range 5 {
			old := w.leader(all...)
			to := others(all, old)[0]
			if err := old.node.TransferLeadership(t.Context(), to.id); err != nil {
				t.Fatal(err)
			}
			if id, url := old.node.Leader(); id != to.id || url != to.url {
				t.Errorf("leader after the transfer: %s at %s; want %s", id, url, to.id)
			}
			w.leader(to).put("")
		}
		leader := w.leader(all...)
		dead := others(all, leader)[0]
		dead.kill()
		for id, code := range map[string]task.Code{
			dead.id: task.CodeMasterUnreachable, "m9": task.CodeMasterNotFound, leader.id: "",
		} {
			if err := leader.node.TransferLeadership(t.Context(), id); codeOf(err) != code || code == "" && err != nil {
				t.Errorf("to %s: %v; want %q", id, err, code)
			}
		}
		leader.put("x")
	})
}

func TestALeaderThatStopsHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		for range 5 {
			leader := w.leader(all...)
			rest := others(all, leader)
			if err := leader.halt(); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			w.eventually("another leads", func() bool { return rest[0].node.IsLeader() || rest[1].node.IsLeader() })
			if took := time.Since(begin); took > leader.node.cfg.Timings.Heartbeat {
				t.Errorf("another led after %s only: it was an election", took)
			}
			leader.start(nil)
			w.ready(all...)
		}
	})
}

// TestLeadershipIsNotTransferredToAMasterThatIsBehind: it would lead without showing
// what was acknowledged. One that has started just now is waited for.
func TestLeadershipIsNotTransferredToAMasterThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		late := others(all, leader)[0]
		if err := late.halt(); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			leader.put(fmt.Sprint(i))
		}
		var release func()
		late.opened = func(n *Node) { release = holdApply(n) }
		late.start(founders(all...))
		defer func() { release() }()
		w.eventually("the late master says how far it is", func() bool {
			return strings.Contains(late.node.Hello().NotReady, "has applied the log up to entry")
		})
		err := leader.node.TransferLeadership(t.Context(), late.id)
		if codeOf(err) != task.CodeNotCaughtUp {
			t.Errorf("got %v; want not_caught_up", err)
		}
		expectError(t, err, fmt.Sprintf("master %s is not ready to lead: it has applied entry %d, and the leader entry %d (it says: this master has applied", late.id, late.node.AppliedIndex(), leader.node.AppliedIndex()))
		if !leader.node.IsLeader() {
			t.Error("the leader gave leadership up")
		}
		go func() {
			time.Sleep(settleTimeout / 2) // fake time
			release()
		}()
		if err := leader.node.TransferLeadership(t.Context(), late.id); err != nil {
			t.Errorf("to one that catches up in a moment: %v", err)
		}
		w.leader(late)
	})
}
