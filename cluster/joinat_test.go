package cluster

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"muster/task"
)

// straysHere are masters, and addresses at which slaves and Raft ports answer.
type straysHere struct {
	peers
	at map[string]error
}

func (p straysHere) Hello(ctx context.Context, url string) (Hello, error) {
	if err := p.at[url]; err != nil {
		return Hello{}, err
	}
	return p.peers.Hello(ctx, url)
}

// TestWhoCanJoinNobodyIsTold: at its own addresses, at a slave's and at that of another
// master of its own name, none can ever take it in.
func TestWhoCanJoinNobodyIsTold(t *testing.T) {
	const slave, raftPort = "http://slave", "http://raft"
	for name, c := range map[string]struct {
		join []string
		want []string
	}{
		"itself":                  {[]string{"http://m2"}, []string{"http://m2: it is this master's own address"}},
		"itself, by another name": {[]string{"http://alias"}, []string{"http://alias: it is this master's own address"}},
		"a Raft port":             {[]string{raftPort}, []string{"http://raft: a master's Raft port is there, not its API"}},
		"a slave":                 {[]string{slave}, []string{"http://slave: a slave answers there, not a master"}},
		"a namesake":              {[]string{"http://namesake"}, []string{"http://namesake: another master with the same id, m2, answers there", "an id of its own"}},
		"all of them":             {[]string{"http://m2", slave, "http://alias"}, []string{"http://m2: it is", "http://slave: a slave", "http://alias: it is"}},
	} {
		for _, begun := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				m2, namesake := w.master("m2"), w.master("m1")
				namesake.id = "m2"
				namesake.start(bootstrap)
				w.ready(namesake)
				m2.opened = func(n *Node) {
					w.mu.Lock()
					w.byURL["http://alias"], w.byURL["http://namesake"] = m2, namesake
					w.mu.Unlock()
					if begun {
						if err := n.identity.update(func(i *identity) { i.Joining = &joiningRow{ClusterID: "c"} }); err != nil {
							t.Error(err)
						}
					}
				}
				m2.start(func(cfg *Config) {
					cfg.Join, cfg.Peers = c.join, straysHere{peers{w}, map[string]error{slave: ErrSlave, raftPort: ErrRaftPort}}
				})
				err := m2.ends()
				if got, want := errors.Is(err, ErrMisconfigured), !strings.Contains(strings.Join(c.join, " "), "alias"); got != want {
					t.Errorf("%s (begun: %t): misconfigured is %t: %v", name, begun, got, err)
				}
				if begun && name == "a namesake" {
					if codeOf(err) != task.CodeIDTaken { // it is asked to take it in before who is there matters
						t.Errorf("%s (begun): got %v", name, err)
					}
					return
				}
				for _, want := range append(c.want, "there is no other master to join", "name the API address of a master that is in the cluster") {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%s (begun: %t): got %v, want %q", name, begun, err, want)
					}
				}
			})
		}
	}
}

// changing are masters behind one address that leads to another of them each time.
type changing struct {
	peers
	asked *int
}

func (p changing) Hello(ctx context.Context, _ string) (Hello, error) {
	*p.asked++
	return p.peers.Hello(ctx, []string{"http://m2", "http://m1"}[*p.asked/3%2])
}

// TestAnAddressOfManyMastersMayLeadToOneself: a load balancer's does, now and then.
func TestAnAddressOfManyMastersMayLeadToOneself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		w.alone("m1")
		m2 := w.master("m2")
		m2.opened = func(*Node) {
			w.mu.Lock()
			w.byURL["http://many"] = w.masters["m1"]
			w.mu.Unlock()
		}
		m2.start(func(c *Config) { c.Join, c.Peers = []string{"http://many"}, changing{peers{w}, new(int)} })
		w.ready(m2)
	})
}

// TestOneOtherMasterIsEnoughToJoin: the same list may serve all masters, and a slave in
// it is told of.
func TestOneOtherMasterIsEnoughToJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2 := w.alone("m1"), w.master("m2")
		var log bytes.Buffer
		m2.start(func(c *Config) {
			c.Join, c.Peers = []string{m2.url, "http://slave", "http://raft", m1.url}, straysHere{peers{w}, map[string]error{"http://slave": ErrSlave, "http://raft": ErrRaftPort}}
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		})
		w.ready(m2)
		m2.kill()
		if said := log.String(); strings.Count(said, "some addresses to join at are no masters' APIs; name only those\"") != 1 || !strings.Contains(said, "urls=\"[http://slave http://raft]\"") {
			t.Errorf("the log says\n%s", said)
		}
	})
}
