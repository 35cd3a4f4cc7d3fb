package promises_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// second is a point of a leader's taking over.
type second struct {
	name string
	// arm prepares, before the first leader is lost; next, after that, returns the
	// second leader when it is there.
	arm  func(y *way) (next func() *master)
	held bool // a disk does not answer, so that nothing is handed over
}

var seconds = []second{
	{
		name: "it was just elected",
		arm: func(y *way) func() *master {
			elected := make(chan *master, len(y.masters))
			for _, f := range y.followers {
				f.disk.watch(func(entries []*raft.Log) {
					// Of an election's first entry, the leader's disk hears first.
					if entries[0].Type == raft.LogNoop {
						f.disk.hold()
						elected <- f
					}
				})
			}
			return func() *master {
				leader := <-elected
				for _, f := range y.followers {
					f.disk.watch(nil)
				}
				return leader
			}
		},
		held: true,
	},
	{
		name: "its first entry is on its way",
		arm: func(y *way) func() *master {
			elected := make(chan *master, len(y.masters))
			for _, f := range y.followers {
				f.disk.watch(func(entries []*raft.Log) {
					if entries[0].Type == raft.LogNoop {
						for _, other := range y.masters {
							y.net.Block(f.id, other.id, raftPort)
						}
						elected <- f
					}
				})
			}
			return func() *master {
				leader := <-elected
				for _, f := range y.followers {
					f.disk.watch(nil)
				}
				y.sleep(moment)
				return leader
			}
		},
	},
	{
		name: "its re-attaching is on the way to the slave",
		arm: func(y *way) func() *master {
			for _, f := range y.followers {
				y.net.Block(f.id, y.slave.name)
			}
			return func() *master {
				leader := y.world.leader()
				y.sleep(moment)
				return leader
			}
		},
	},
	{
		name: "the slave's answer to its re-attaching is on the way",
		arm: func(y *way) func() *master {
			for _, f := range y.followers {
				y.net.Block(y.slave.name, f.id)
			}
			return func() *master {
				leader := y.world.leader()
				y.sleep(moment)
				return leader
			}
		},
	},
}

// TestTheNextLeaderIsLostTooWhen loses a leader while a task runs, and then the
// next one while it takes over. A late request of either starts nothing.
func TestTheNextLeaderIsLostTooWhen(t *testing.T) {
	for _, s := range seconds {
		t.Run(s.name, func(t *testing.T) {
			for _, l := range losses {
				if s.held && l.name == handsOver {
					continue
				}
				t.Run("it "+l.name, func(t *testing.T) {
					bubble(t, func(w *world) {
						y := setOut(w, 5)
						y.submit()
						y.running()
						next := s.arm(y)
						l.strike(y.leader)
						leader := next()
						lost := time.Now()
						l.strike(leader)
						left := slices.DeleteFunc(slices.Clone(y.followers), func(m *master) bool { return m == leader })
						for _, m := range left {
							y.net.Pass(m.id, y.slave.name)
							y.net.Pass(y.slave.name, m.id)
						}
						y.aftermath(lost, left, y.leader, leader)
					})
				})
			}
		})
	}
}
