package leaderloss_test

import (
	"testing"
	"time"

	"muster/systemtest/promises/story"
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
func (y *way) raftOut(to ...*story.Master) {
	for _, m := range to {
		y.Net.Block(y.leader.ID, m.ID, story.RaftPort)
	}
}

var points = []point{
	{
		name:    "the task is in its log only",
		unknown: true,
		reach: func(y *way) {
			came := y.leader.At(markedKey, func() { y.raftOut(y.followers...) })
			y.submit()
			y.after(came)
		},
	},
	{
		name:    "the task is in its memory only",
		held:    true,
		unknown: true,
		reach: func(y *way) {
			came := y.leader.At(markedKey, func() { y.leader.Disk.Hold() })
			y.submit()
			y.after(came)
		},
	},
	{
		name:    "the task is on one follower's disk, and nobody knows",
		unknown: true,
		reach: func(y *way) {
			came := y.leader.At(markedKey, func() {
				y.raftOut(y.followers[1])
				y.Net.Block(y.followers[0].ID, y.leader.ID, story.RaftPort)
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
			came := y.leader.At(markedKey, func() {
				for _, f := range y.followers {
					f.Disk.Hold()
				}
			})
			y.submit()
			y.after(came)
		},
		meanwhile: func(y *way) {
			for _, f := range y.followers {
				f.Disk.Release()
			}
		},
	},
	{
		name:    "the task is committed, the answer on its way",
		unknown: true,
		reach: func(y *way) {
			came := y.leader.At(markedKey, func() { y.Net.Block(y.leader.ID, "client", story.APIPort) })
			y.submit()
			y.after(came)
		},
	},
	{
		name: "the task is acknowledged, and its send goes lost",
		reach: func(y *way) {
			y.leader.At(markedKey, func() { y.Net.Block(y.leader.ID, y.slave.Name) })
			y.submit()
			y.acknowledged()
		},
	},
	{
		name: "the send is in the network, and arrives before the next leader",
		reach: func(y *way) {
			y.leader.At(markedKey, func() { y.Net.Block(y.leader.ID, y.slave.Name) })
			y.submit()
			y.acknowledged()
		},
		meanwhile: func(y *way) {
			y.Sleep(story.Moment)
			y.Net.Pass(y.leader.ID, y.slave.Name)
		},
	},
	{
		name: "the send is in the network, and arrives after the next leader's",
		reach: func(y *way) {
			y.leader.At(markedKey, func() { y.Net.Block(y.leader.ID, y.slave.Name) })
			y.submit()
			y.acknowledged()
		},
		meanwhile: func(y *way) {
			y.running()
			y.Net.Pass(y.leader.ID, y.slave.Name)
		},
	},
	{
		name: "the slave has accepted, its answer on the way",
		reach: func(y *way) {
			y.leader.At(markedKey, func() { y.Net.Block(y.slave.Name, y.leader.ID, slavePort) })
			y.submit()
			y.running()
			y.Sleep(story.Moment)
		},
	},
	{
		name: "the task runs",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.Sleep(time.Second)
		},
	},
	{
		name: "the task runs, and the next one can't reach the slave for a while",
		reach: func(y *way) {
			y.submit()
			y.running()
			for _, f := range y.followers {
				y.Net.Block(f.ID, y.slave.Name)
			}
		},
		meanwhile: func(y *way) {
			time.AfterFunc(3*time.Second, func() {
				for _, f := range y.followers {
					y.Net.Pass(f.ID, y.slave.Name)
				}
			})
		},
	},
	{
		name: "the slave has finished, its report on the way",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.Net.Block(y.slave.Name, y.leader.ID)
			y.executed()
			y.Sleep(story.Moment)
		},
	},
	{
		name: "the report is in its memory only",
		held: true,
		reach: func(y *way) {
			y.submit()
			y.running()
			y.after(y.leader.At(markedResult, func() { y.leader.Disk.Hold() }))
		},
	},
	{
		name: "the result is in its log only",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.after(y.leader.At(markedResult, func() { y.raftOut(y.followers...) }))
		},
	},
	{
		name: "the result is on one follower's disk, and nobody knows",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.after(y.leader.At(markedResult, func() {
				y.raftOut(y.followers[1])
				y.Net.Block(y.followers[0].ID, y.leader.ID, story.RaftPort)
			}))
		},
	},
	{
		name: "the result is committed, the verdict on its way",
		reach: func(y *way) {
			y.submit()
			y.running()
			y.after(y.leader.At(markedResult, func() { y.Net.Block(y.leader.ID, y.slave.Name, story.APIPort) }))
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
			for _, l := range story.Losses {
				if p.held && l.Name == story.HandsOver {
					continue
				}
				turn++
				ttl := time.Duration(turn%2) * time.Second
				t.Run("it "+l.Name, func(t *testing.T) {
					story.TellWith(t, story.Options{QuestionTTL: ttl}, func(w *story.World) { lose(w, p, l) })
				})
			}
		})
	}
}
