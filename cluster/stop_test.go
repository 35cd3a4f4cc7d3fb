package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestALeaderIsToldToStopWhileItsDiskHangs: it can't write any more, nor hand
// leadership over, and must not keep it by its heartbeats while it tries.
func TestALeaderIsToldToStopWhileItsDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		logs := map[*master]*faultyLog{}
		for _, m := range all {
			logs[m] = withFaults(m)
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		release := make(chan struct{})
		logs[leader].hang.Store(&release)
		go leader.node.Propose(t.Context(), submit("hung")) //nolint:errcheck // its fate is unknown
		synctest.Wait()
		begin := time.Now()
		leader.stop()
		rest := others(all, leader)
		next := w.leader(rest...)
		// Its disk has 10 s, and leadership is lost when the lease ends; then the others wait
		// for their heartbeat time-outs, which are random up to twice that time.
		if took := time.Since(begin); took > 10*time.Second+shutdownTimeout+2*LAN().Heartbeat {
			t.Errorf("another led after %s", took)
		}
		next.put("after")
		expectError(t, leader.ends(), "shut raft down")
		close(release)
	})
}
