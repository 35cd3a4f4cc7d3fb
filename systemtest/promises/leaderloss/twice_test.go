package leaderloss_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"muster/systemtest/promises/story"
)

// second is a point of a leader's taking over.
type second struct {
	name string
	// arm prepares, before the first leader is lost; next, after that, returns the
	// second leader when it is there.
	arm  func(y *way) (next func() *story.Master)
	held bool // a disk does not answer, so that nothing is handed over
}

var seconds = []second{
	{
		name: "it was just elected",
		arm: func(y *way) func() *story.Master {
			elected := make(chan *story.Master, len(y.Masters))
			for _, f := range y.followers {
				f.Disk.Watch(func(entries []*raft.Log) {
					// Of an election's first entry, the leader's disk hears first.
					if entries[0].Type == raft.LogNoop {
						f.Disk.Hold()
						elected <- f
					}
				})
			}
			return func() *story.Master {
				leader := <-elected
				for _, f := range y.followers {
					f.Disk.Watch(nil)
				}
				return leader
			}
		},
		held: true,
	},
	{
		name: "its first entry is on its way",
		arm: func(y *way) func() *story.Master {
			elected := make(chan *story.Master, len(y.Masters))
			for _, f := range y.followers {
				f.Disk.Watch(func(entries []*raft.Log) {
					if entries[0].Type == raft.LogNoop {
						for _, other := range y.Masters {
							y.Net.Block(f.ID, other.ID, story.RaftPort)
						}
						elected <- f
					}
				})
			}
			return func() *story.Master {
				leader := <-elected
				for _, f := range y.followers {
					f.Disk.Watch(nil)
				}
				y.Sleep(story.Moment)
				return leader
			}
		},
	},
	{
		name: "its re-attaching is on the way to the slave",
		arm: func(y *way) func() *story.Master {
			for _, f := range y.followers {
				y.Net.Block(f.ID, y.slave.Name)
			}
			return func() *story.Master {
				leader := y.Leader()
				y.Sleep(story.Moment)
				return leader
			}
		},
	},
	{
		name: "the slave's answer to its re-attaching is on the way",
		arm: func(y *way) func() *story.Master {
			for _, f := range y.followers {
				y.Net.Block(y.slave.Name, f.ID)
			}
			return func() *story.Master {
				leader := y.Leader()
				y.Sleep(story.Moment)
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
			for _, l := range story.Losses {
				if s.held && l.Name == story.HandsOver {
					continue
				}
				t.Run("it "+l.Name, func(t *testing.T) {
					story.Tell(t, func(w *story.World) {
						y := setOut(w, 5)
						y.submit()
						y.running()
						next := s.arm(y)
						l.Strike(y.leader)
						leader := next()
						lost := time.Now()
						l.Strike(leader)
						left := slices.DeleteFunc(slices.Clone(y.followers), func(m *story.Master) bool { return m == leader })
						for _, m := range left {
							y.Net.Pass(m.ID, y.slave.Name)
							y.Net.Pass(y.slave.Name, m.ID)
						}
						y.aftermath(lost, left, y.leader, leader)
					})
				})
			}
		})
	}
}
