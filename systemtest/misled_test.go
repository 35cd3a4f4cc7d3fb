package systemtest_test

import (
	"strings"
	"testing"

	"muster/cmd/app"
	"muster/systemtest/ports"
)

// TestWrongAddressesAreToldApart: on the real ports of masters and slaves. A master that
// is to join itself or a slave ends and says so; a slave whose list of masters begins
// with a slave, or with itself, gets past it.
func TestWrongAddressesAreToldApart(t *testing.T) {
	s := newSystem(t)
	s.startMaster(app.MasterConfig{ID: "m1", RaftListen: ports.Free(t, "127.0.0.1"), APIListen: ports.Free(t, "127.0.0.1"), Bootstrap: true})
	s.awaitLeader()
	s.startSlave("slave-1", 1)
	slave := s.slaves["slave-1"].url

	own := ports.Free(t, "127.0.0.1")
	_, port, _ := strings.Cut(own, ":")
	for url, want := range map[string]string{
		"http://" + own:            "it is this master's own address",
		"http://localhost:" + port: "it is this master's own address",
		slave:                      "a slave answers there, not a master",
	} {
		s.startMaster(app.MasterConfig{ID: "m2", RaftListen: ports.Free(t, "127.0.0.1"), APIListen: own, Join: []string{url}})
		joiner := s.masters["m2"]
		delete(s.masters, "m2")
		select {
		case err := <-joiner.ended:
			if err == nil || !strings.Contains(err.Error(), "there is no other master to join ("+url+": "+want+")") {
				t.Errorf("join %s: %v", url, err)
			}
		case <-s.context().Done():
			joiner.stop()
			t.Errorf("join %s: it goes on, until it is stopped: %v", url, <-joiner.ended)
		}
	}

	s.startSlave("slave-2", 1, slave)
}
