package promises_test

import (
	"testing"
	"time"
)

// point is a point of a task's way.
type point struct {
	name string
	// reach brings the task there.
	reach func(y *way)
	// meanwhile, if not nil, is what happens right after the loss.
	meanwhile func(y *way)
	// held: the disk of the leader or of the followers does not answer, so that
	// nothing is handed over.
	held bool
	// unknown: the leader can't tell the client what became of its submit.
	unknown bool
}

// raftOut holds back what the leader tells other masters.
func (y *way) raftOut(to ...*master) {
	for _, m := range to {
		y.net.Block(y.leader.id, m.id, raftPort)
	}
}

var points = []point{
	{
		name:    "the task is in its log only",
		unknown: true,
		reach: func(y *way) {
			came := y.leader.at(markedKey, func() { y.raftOut(y.followers...) })
			y.submit()
			y.after(came)
		},
	},
	{
		name:    "the task is in its memory only",
		held:    true,
		unknown: true,
		reach: func(y *way) {
			came := y.leader.at(markedKey, func() { y.leader.disk.hold() })
			y.submit()
			y.after(came)
		},
	},
	{
		name:    "the task is on one follower's disk, and nobody knows",
		unknown: true,
		reach: func(y *way) {
			came := y.leader.at(markedKey, func() {
				y.raftOut(y.followers[1])
				y.net.Block(y.followers[0].id, y.leader.id, raftPort)
			})
			y.submit()
			y.after(came)
		},
	},
	{
		name:    "the task is about to be on the followers' disks",
		held:    true,
		unknown: true,
		reach: func(y *way) {
			came := y.leader.at(markedKey, func() {
				for _, f := range y.followers {
					f.disk.hold()
				}
			})
			y.submit()
			y.after(came)
		},
		meanwhile: func(y *way) {
			for _, f := range y.followers {
				f.disk.release()
			}
		},
	},
	{
		name:    "the task is committed, the answer on its way",
		unknown: true,
		reach: func(y *way) {
			came := y.leader.at(markedKey, func() { y.net.Block(y.leader.id, "client", apiPort) })
			y.submit()
			y.after(came)
		},
	},
	{
		name: "the task is acknowledged, and its send goes lost",
		reach: func(y *way) {
			y.leader.at(markedKey, func() { y.net.Block(y.leader.id, y.slave.name) })
			y.submit()
			y.acknowledged()
		},
	},
	{
		name: "the send is in the network, and arrives before the next leader",
		reach: func(y *way) {
			y.leader.at(markedKey, func() { y.net.Block(y.leader.id, y.slave.name) })
			y.submit()
			y.acknowledged()
		},
		meanwhile: func(y *way) {
			y.sleep(moment)
			y.net.Pass(y.leader.id, y.slave.name)
		},
	},
	{
		name: "the send is in the network, and arrives after the next leader's",
		reach: func(y *way) {
			y.leader.at(markedKey, func() { y.net.Block(y.leader.id, y.slave.name) })
			y.submit()
			y.acknowledged()
		},
		meanwhile: func(y *way) {
			y.running()
			y.net.Pass(y.leader.id, y.slave.name)
		},
	},
	{
		name: "the slave has accepted, its answer on the way",
		reach: func(y *way) {
			y.leader.at(markedKey, func() { y.net.Block(y.slave.name, y.leader.id, slavePort) })
			y.submit()
			y.running()
			y.sleep(moment)
		},
	},
	{
		name: "the task runs",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.sleep(time.Second)
		},
	},
	{
		name: "the task runs, and the next one can't reach the slave for a while",
		reach: func(y *way) {
			y.submit()
			y.running()
			for _, f := range y.followers {
				y.net.Block(f.id, y.slave.name)
			}
		},
		meanwhile: func(y *way) {
			time.AfterFunc(3*time.Second, func() {
				for _, f := range y.followers {
					y.net.Pass(f.id, y.slave.name)
				}
			})
		},
	},
	{
		name: "the slave has finished, its report on the way",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.net.Block(y.slave.name, y.leader.id)
			y.executed()
			y.sleep(moment)
		},
	},
	{
		name: "the report is in its memory only",
		held: true,
		reach: func(y *way) {
			y.submit()
			y.running()
			y.after(y.leader.at(markedResult, func() { y.leader.disk.hold() }))
		},
	},
	{
		name: "the result is in its log only",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.after(y.leader.at(markedResult, func() { y.raftOut(y.followers...) }))
		},
	},
	{
		name: "the result is on one follower's disk, and nobody knows",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.after(y.leader.at(markedResult, func() {
				y.raftOut(y.followers[1])
				y.net.Block(y.followers[0].id, y.leader.id, raftPort)
			}))
		},
	},
	{
		name: "the result is committed, the verdict on its way",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.after(y.leader.at(markedResult, func() { y.net.Block(y.leader.id, y.slave.name, apiPort) }))
		},
	},
}

// TestLeaderIsLostWhen loses the leader in each way at each point of a task's way.
// Each time a write is accepted soon, the client's repeat finds the one task, the
// task is executed once, by the slave that had it, and ends; and the slots are
// right again. The stories take turns in how slaves are asked.
func TestLeaderIsLostWhen(t *testing.T) {
	turn := 0
	for _, p := range points {
		t.Run(p.name, func(t *testing.T) {
			for _, l := range losses {
				if p.held && l.name == handsOver {
					continue
				}
				turn++
				ttl := time.Duration(turn%2) * time.Second
				t.Run("it "+l.name, func(t *testing.T) {
					with(t, options{questionTTL: ttl}, func(w *world) { lose(w, p, l) })
				})
			}
		})
	}
}
