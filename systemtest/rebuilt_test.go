package systemtest_test

import (
	"context"
	"os"
	"testing"

	"muster/api/client"
	"muster/cmd/app"
	"muster/systemtest/ports"
	"muster/systemtest/timelimit"
)

// TestMastersThatAreBuiltAnewGetTheirSlaves takes the disks away below a slave that runs
// on: the new masters have a lower term, use the numbers of tasks a second time, and
// don't know the slave. It comes by itself, and what it did for the old ones is not
// taken for what the new ones asked.
func TestMastersThatAreBuiltAnewGetTheirSlaves(t *testing.T) {
	s := newSystem(t)
	s.list = []app.Peer{{ID: "m1", RaftAddress: ports.Free(t, "127.0.0.1"), APIURL: "http://" + ports.Free(t, "127.0.0.1")}}
	start := func() {
		s.startMaster(app.MasterConfig{ID: "m1", RaftListen: s.list[0].RaftAddress, APIListen: s.list[0].APIURL[len("http://"):], Masters: s.list})
		s.awaitLeader()
	}
	for range 3 { // each start is a term
		start()
		s.stopMaster("m1")
	}
	start()
	s.startSlave("slave-1", 2)
	ctx := s.context()
	old := s.client()
	// Its result comes when the masters are others already: from then on they say so.
	first, err := old.Submit(ctx, client.Submission{Expression: "sleep(3)"}, client.SubmitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before, err := old.Status(ctx, s.masters["m1"].url, false)
	if err != nil {
		t.Fatal(err)
	}

	s.stopMaster("m1")
	if err := os.RemoveAll(s.dir + "/m1"); err != nil {
		t.Fatal(err)
	}
	start()
	ctx = s.context()
	now, err := old.Status(ctx, s.masters["m1"].url, false)
	if err != nil || now.ClusterID == before.ClusterID || now.Term >= before.Term {
		t.Fatalf("built anew: cluster %s in term %d, before %s in term %d, %v: the test shows nothing", now.ClusterID, now.Term, before.ClusterID, before.Term, err)
	}
	if _, err = old.Task(ctx, first.Task.ID, client.ReadOptions{}); client.CodeOf(err) != client.CodeWrongCluster {
		t.Errorf("a client of the old masters asks for its task: %v", err)
	}
	c := s.client()
	var second client.Submitted
	s.await("the slave to come", func(ctx context.Context) (err error) {
		second, err = c.Submit(ctx, client.Submission{Expression: `"new"`}, client.SubmitOptions{Key: "second"})
		return err
	})
	if second.Task.ID != first.Task.ID {
		t.Fatalf("the tasks are %d and %d, and not of one number: the test shows nothing", first.Task.ID, second.Task.ID)
	}
	done, err := c.Wait(timelimit.Context(t), second.Task.ID)
	if err != nil || done.Result == nil || *done.Result != "new" || done.Slave != "slave-1" {
		t.Errorf("task %d of the new masters: %+v, %v", second.Task.ID, done, err)
	}
	if done.Incarnation == first.Task.Incarnation {
		t.Errorf("the slave has the incarnation %s in both clusters", done.Incarnation)
	}
}
