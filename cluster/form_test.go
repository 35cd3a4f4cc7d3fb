package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

func expectError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q\nhas no %q in it", err, p)
		}
	}
}

func TestFoundersWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		all[0].start(founders(all...))
		all[1].start(founders(all...))
		time.Sleep(time.Minute)
		for _, m := range all[:2] {
			if m.node.Hello().ClusterID != "" || m.node.Ready() == nil {
				t.Fatalf("%s formed a cluster although m3 never answered", m.id)
			}
			if _, err := m.node.Propose(t.Context(), submit("x")); codeOf(err) != "no_leader" {
				t.Errorf("propose: %v", err)
			}
		}
		all[2].start(founders(all...))
		leader := w.leader(all...)
		w.ready(all...)
		leader.put("x")
		w.level(all...)
		hello := all[0].node.Hello()
		for _, m := range all {
			h := m.node.Hello()
			if h.ClusterID != hello.ClusterID || len(h.Founders) != 3 || h.Founders[m.id] != h.DiskID || h.LeaderID != leader.id {
				t.Errorf("%s says %+v", m.id, h)
			}
		}
	})
}

func TestAFounderThatLateFindsTheClusterFormedJoinsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		for _, m := range all {
			m.start(founders(all...))
		}
		w.ready(all...)
		// m3 as it was in the moment before it stored the founders.
		m3 := all[2]
		m3.kill()
		disk := m3.node.Hello().DiskID
		m3.wipe()
		if err := writeIdentity(m3.dir, identity{Version: identityVersion, ID: "m3", DiskID: disk}); err != nil {
			t.Fatal(err)
		}
		w.leader(all[:2]...).put("x")
		m3.start(founders(all...))
		w.ready(m3)
		w.level(all...)
	})
}

func TestAWipedFounderIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		for _, m := range all {
			m.start(founders(all...))
		}
		leader := w.leader(all...)
		leader.put("x")
		wiped := others(all, leader)[0]
		wiped.kill()
		wiped.wipe()
		wiped.start(founders(all...))
		expectError(t, wiped.ends(), wiped.id, "empty or another one", "muster masters remove "+wiped.id, "new id")
		if wiped.node.raft.Load() != nil {
			t.Error("raft ran on the wiped disk")
		}
		wiped.wipe()
		wiped.start(joining(leader)) // the same id by the other way
		expectError(t, wiped.ends(), wiped.id, "empty or another one")
	})
}

func TestAMemberWithoutItsLogIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		m.start(bootstrap)
		w.leader(m)
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(m.dir, logFile)); err != nil {
			t.Fatal(err)
		}
		m.start(bootstrap)
		expectError(t, m.ends(), "m1", "empty or another one")
	})
}

func TestALogWithoutAnIdentityIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		m.start(bootstrap)
		w.leader(m)
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(m.dir, identityFile)); err != nil {
			t.Fatal(err)
		}
		_, err := m.open(bootstrap)
		expectError(t, err, m.dir, "has a log but no identity.json")
	})
}

func TestADirectoryHasOneMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		m.start(bootstrap)
		w.leader(m)
		twin := w.master("m9")
		twin.dir = m.dir
		begin := time.Now()
		_, err := twin.open(bootstrap)
		expectError(t, err, m.dir, "another process has it open")
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("refused after %s", took)
		}
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		_, err = twin.open(bootstrap)
		expectError(t, err, `belongs to master "m1", not to "m9"`)
	})
}

// TestFormingGoesOnAfterACrash stops at every step between the decision and the
// first start of Raft.
func TestFormingGoesOnAfterACrash(t *testing.T) {
	for name, crash := range map[string]func(t *testing.T, n *Node){
		"decided": func(*testing.T, *Node) {},
		"term stored": func(t *testing.T, n *Node) {
			t.Helper()
			if err := n.store.Stable.SetUint64([]byte("CurrentTerm"), 1); err != nil {
				t.Fatal(err)
			}
		},
		"log written": func(t *testing.T, n *Node) {
			t.Helper()
			c := raft.Configuration{Servers: []raft.Server{{ID: "m1", Address: "m1:1"}}}
			if err := raft.BootstrapCluster(n.raftConfig(), n.store.Log, n.store.Stable, n.store.Snapshots, n.gate, c); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				m := w.master("m1")
				n, err := m.open(bootstrap)
				if err != nil {
					t.Fatal(err)
				}
				err = n.identity.update(func(i *identity) {
					i.Founders = []foundingRow{{ID: "m1", DiskID: i.DiskID, RaftAddress: m.raftAddr, APIURL: m.url}}
					i.ClusterID = clusterID(i.Founders)
				})
				if err != nil {
					t.Fatal(err)
				}
				crash(t, n)
				if err := n.Close(); err != nil {
					t.Fatal(err)
				}
				m.start(bootstrap)
				w.leader(m).put("x")
			})
		})
	}
}

func TestListsThatDifferAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		all[0].start(founders(all[:2]...))
		all[1].start(founders(all[:2]...))
		w.ready(all[:2]...)
		all[2].start(founders(all...))
		expectError(t, all[2].ends(), "m3")
	})
}

// TestListsThatDifferNeverLetTwoClustersWork: of two masters that name each other
// in different lists, one refuses, so one cluster at most has a majority.
func TestListsThatDifferNeverLetTwoClustersWork(t *testing.T) {
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, false)
			all := w.trio()
			all[0].start(founders(all[:2]...))
			all[1].start(founders(all...))
			all[2].start(founders(all...))
			time.Sleep(time.Minute)
			clusters, refused := map[string]bool{}, 0
			for _, m := range all {
				select {
				case <-m.done:
					refused++
					if text := m.err.Error(); !strings.Contains(text, "same list") && !strings.Contains(text, "empty or another one") {
						t.Errorf("%s: %v", m.id, m.err)
					}
				default:
					if _, err := m.node.Propose(t.Context(), submit("x")); err == nil {
						clusters[m.node.Hello().ClusterID] = true
					}
				}
			}
			if len(clusters) > 1 || refused == 0 {
				t.Errorf("clusters %v, %d refused", clusters, refused)
			}
		})
	}
}

func TestAnEmptyDirectoryNeedsAWayIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		m.start(nil)
		expectError(t, m.ends(), m.dir, "belongs to no cluster")
	})
}

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	w := newWorld(t, true)
	all := w.trio()
	for want, mode := range map[string]func(*Config){
		"exclude each other":        func(c *Config) { c.Bootstrap, c.Join = true, []string{"http://x"} },
		"does not name this one":    founders(all[1:]...),
		"names an id or an address": func(c *Config) { founders(all[0], all[0])(c) },
		"is not the transport's":    func(c *Config) { c.RaftAdvertise = "elsewhere:1" },
		"needs an id":               func(c *Config) { c.ID = "" },
	} {
		_, err := all[0].open(mode)
		expectError(t, err, want)
	}
}

func TestASingleMasterIsACluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		m.start(bootstrap)
		w.leader(m)
		w.ready(m)
		id := m.put("x")
		masters := m.node.Masters()
		if len(masters) != 1 || masters[0].ID != "m1" || masters[0].Role.String() != "leader" || !masters[0].Voter || masters[0].APIURL != m.url {
			t.Errorf("masters: %+v", masters)
		}
		index := m.node.AppliedIndex()
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		m.start(nil)
		w.leader(m)
		if _, ok := m.node.View().Task(id); !ok || m.node.AppliedIndex() < index {
			t.Errorf("task %d is gone; index %d, was %d", id, m.node.AppliedIndex(), index)
		}
	})
}
