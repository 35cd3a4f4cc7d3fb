package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

// TestWhoTakesARaftPortForAnAPIIsTold runs the real commands against a real master's
// Raft port: they end with 2, so that nobody repeats them for ever, and say where the
// API is. A slave goes on trying, since its masters may move, and says so at WARN.
func TestWhoTakesARaftPortForAnAPIIsTold(t *testing.T) {
	raft, api := freeAddress(t), freeAddress(t)
	start(t, "master", "--id", "m1", "--data", t.TempDir(), "--raft-listen", raft, "--api-listen", api, "--bootstrap")
	timelimit.Eventually(t, "a leader", func(context.Context) error {
		if o := muster(t, nil, "--address", "http://"+api, "status"); o.code != exitOK {
			return fmt.Errorf("%+v", o)
		}
		return nil
	})
	says := "this is the Raft port of master m1; give the URL of its API, http://" + api
	for _, args := range [][]string{{"status"}, {"submit", "1"}, {"tasks", "watch"}, {"tasks", "export"}} {
		o := muster(t, nil, append([]string{"--address", "http://" + raft}, args...)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, says) {
			t.Errorf("%v: %+v", args, o)
		}
	}
	joiner := start(t, "master", "--id", "m2", "--data", t.TempDir(), "--raft-listen", freeAddress(t), "--api-listen", freeAddress(t), "--join", "http://"+raft)
	select {
	case code := <-joiner.code:
		if said := joiner.logs.String(); code != exitUsage || !strings.Contains(said, "level=WARN") || strings.Count(said, "http://"+raft+": "+says) != 2 {
			t.Errorf("the joiner ended with %d:\n%s", code, said)
		}
	case <-time.After(timelimit.Usual(t)):
		t.Errorf("the joiner still waits:\n%s", joiner.logs)
	}
	slave := start(t, "slave", "--name", "slave-1", "--listen", freeAddress(t), "--masters", "http://"+raft)
	timelimit.Eventually(t, "the slave's warning", func(context.Context) error {
		if said := slave.logs.String(); !strings.Contains(said, "level=WARN") || !strings.Contains(said, says) {
			return fmt.Errorf("its logs:\n%s", said)
		}
		return nil
	})
}

// TestAJoinThatCanNeverWorkExitsWith2: an address that is a slave's, the own one, and an
// id that is taken are for people to correct. That nobody answers may pass.
func TestAJoinThatCanNeverWorkExitsWith2(t *testing.T) {
	raft, api, slave := freeAddress(t), freeAddress(t), freeAddress(t)
	start(t, "master", "--id", "m1", "--data", t.TempDir(), "--raft-listen", raft, "--api-listen", api, "--bootstrap")
	start(t, "slave", "--name", "slave-1", "--listen", slave, "--masters", "http://"+api)
	timelimit.Eventually(t, "a slave", func(context.Context) error {
		if o := muster(t, nil, "--address", "http://"+api, "slaves", "list"); !strings.Contains(o.stdout, "slave-1") {
			return fmt.Errorf("%+v", o)
		}
		return nil
	})
	own := freeAddress(t)
	for what, c := range map[string]struct{ id, join, says string }{
		"a slave":        {"m2", "http://" + slave, "a slave answers there"},
		"itself":         {"m2", "http://" + own, "it is this master's own address"},
		"an id of two":   {"m1", "http://" + api, "another master with the same id, m1, answers there"},
		"no such scheme": {"m2", "tcp://" + api, "only http and https"},
	} {
		o := muster(t, nil, "master", "--id", c.id, "--data", t.TempDir(), "--raft-listen", freeAddress(t), "--api-listen", own, "--join", c.join)
		if o.code != exitUsage || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: %+v", what, o)
		}
	}
}
