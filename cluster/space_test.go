package cluster

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/store"
	"muster/task"
)

// disks gives each master a disk with so much free space.
type disks map[string]*atomic.Uint64

const (
	plenty = 1 << 30
	scarce = 48 << 20 // below min-free-disk, above the half of it
)

func newDisks(all []*master) disks {
	d := disks{}
	for _, m := range all {
		free := new(atomic.Uint64)
		free.Store(plenty)
		d[m.id] = free
		m.adjust = func(c *Config) { c.FreeDisk = func(string) (uint64, error) { return free.Load(), nil } }
	}
	return d
}

// TestALeaderWithLittleDiskHandsOver: the others have space, so no client hears of it.
func TestALeaderWithLittleDiskHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		free := newDisks(all)
		for _, m := range all {
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		full := others(all, leader)[0]
		free[full.id].Store(scarce)
		roomy := others(others(all, leader), full)[0]
		time.Sleep(2 * store.SpacePoll)
		free[leader.id].Store(scarce)
		w.eventually("the one that has space leads", func() bool {
			for _, m := range all {
				_, err := m.node.Propose(t.Context(), submit(""))
				if codeOf(err) == task.CodeDiskLow {
					t.Fatalf("%s refuses although %s has space", m.id, roomy.id)
				}
			}
			return roomy.node.IsLeader() && roomy.node.tookOver.Load() > 0
		})
		roomy.put("with space")
		term := roomy.node.Term()
		time.Sleep(10 * time.Minute)
		if roomy.node.Term() != term || !roomy.node.IsLeader() {
			t.Error("leadership did not stay where there is space")
		}
	})
}

// TestALeaderRefusesNewTasksOnlyWhenNoMasterHasSpace, and leadership stays where it
// is; when one has space again, it leads.
func TestALeaderRefusesNewTasksOnlyWhenNoMasterHasSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		free := newDisks(all)
		for _, m := range all {
			m.start(founders(all...))
		}
		w.ready(all...)
		for _, m := range all {
			free[m.id].Store(scarce)
		}
		refused := func() bool {
			_, err := w.leader(all...).node.Propose(t.Context(), submit(""))
			return codeOf(err) == task.CodeDiskLow
		}
		w.eventually("new tasks are refused", refused)
		leader := w.leader(all...)
		term := leader.node.Term()
		for range 600 {
			time.Sleep(time.Second) // fake time
			if !refused() {
				t.Fatal("a task was taken although every disk is low")
			}
		}
		if leader.node.Term() != term {
			t.Errorf("leadership went round: the term was %d and is %d", term, leader.node.Term())
		}
		other := others(all, leader)[0]
		free[other.id].Store(plenty)
		w.eventually("it leads", func() bool { return w.leader(all...) == other })
		other.put("with space again")
	})
}

// TestLeadershipDoesNotGoToAndFroBetweenDisksThatAreNearlyLow: the space of each is
// taken while it leads, and a little is free again while it does not.
func TestLeadershipDoesNotGoToAndFroBetweenDisksThatAreNearlyLow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		var changes atomic.Int64
		for _, m := range all {
			m.adjust = func(c *Config) {
				c.FreeDisk = func(string) (uint64, error) {
					if m.node != nil && m.node.IsLeader() {
						return 64<<20 - 1, nil
					}
					return 64<<20 + 4096, nil
				}
				c.Lead = func(ctx context.Context, _ uint64) error {
					changes.Add(1)
					<-ctx.Done()
					return nil
				}
			}
			m.start(founders(all...))
		}
		w.ready(all...)
		time.Sleep(10 * time.Minute)
		if n := changes.Load(); n > 6 {
			t.Errorf("leadership changed %d times", n)
		}
	})
}

// TestAMasterThatDoesNotSayWhatSpaceItHasIsNotHandedLeadership: it runs an older
// version, and would refuse the same.
func TestAMasterThatDoesNotSayWhatSpaceItHasIsNotHandedLeadership(t *testing.T) {
	for _, h := range []Hello{{}, {DiskLow: true}, {FreeDisk: plenty, DiskLow: true}} {
		if h.hasSpace() {
			t.Errorf("%+v has space", h)
		}
	}
	if !(Hello{FreeDisk: plenty}).hasSpace() {
		t.Error("a master that has space has none")
	}
}

// TestAHandOverForSpaceThatFailsIsNotTriedAllTheTime: entries wait while Raft hands
// over.
func TestAHandOverForSpaceThatFailsIsNotTriedAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &store.Space{Min: 100, Free: func(string) (uint64, error) { return 60, nil }, Logger: slog.New(slog.DiscardHandler)}
		tries := 0
		k := &spaceKeeper{disk: g, leads: func() bool { return true }, handOver: func(context.Context) (tried, handed bool) {
			tries++
			return true, false
		}}
		for range 100 {
			g.Look()
			k.look(t.Context())
			if !g.Refuses() {
				t.Fatal("it takes tasks although it could not hand over")
			}
			time.Sleep(store.SpacePoll) // fake time
		}
		if tries != 10 {
			t.Errorf("it tried %d times in 100 s", tries)
		}
	})
}
