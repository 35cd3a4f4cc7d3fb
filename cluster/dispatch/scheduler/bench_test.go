package scheduler

import (
	"fmt"
	"testing"
	"time"

	"muster/fsm"
	"muster/task"
)

// BenchmarkPlanWithWaitingTasks gives a slave with 100 slots, that just became
// free, to those of 10,000 waiting tasks whose turn it is.
func BenchmarkPlanWithWaitingTasks(b *testing.B) {
	for _, kinds := range []int{1, 1000} {
		b.Run(fmt.Sprintf("kinds=%d", kinds), func(b *testing.B) {
			const tasks, slots = 10_000, 100
			r := task.Registration{Name: "A", URL: "http://A", Slots: slots, Incarnation: "i"}
			for i := range kinds {
				r.Kinds = append(r.Kinds, task.Kind{Name: fmt.Sprintf("k%04d", i)})
			}
			proposals := []fsm.Proposal{{Command: fsm.RegisterSlave{Registration: r}}}
			for i := range tasks {
				spec := task.Spec{Kind: r.Kinds[i%kinds].Name, MaxTries: 1}
				proposals = append(proposals, fsm.Proposal{Command: fsm.SubmitTask{Spec: spec}})
			}
			state := fsm.New()
			state.Apply(1, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: proposals})
			now := time.Unix(1, 0)
			for b.Loop() {
				b.StopTimer()
				c := New(Config{Term: 1, QuestionTTL: time.Hour}, Suspects{})
				c.Begin(state.View(), 1)
				c.Rebuild(now)
				c.fleet.hear(c.fleet.slaves["A"], task.Availability{Incarnation: "i", Slots: slots, Free: slots, Counter: 1}, now)
				b.StartTimer()
				if got := len(c.Plan(true, now).Entry); got != slots {
					b.Fatalf("%d assignments, want %d", got, slots)
				}
			}
		})
	}
}
