package fsm

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"muster/task"
)

func TestEveryFieldSurvivesAPack(t *testing.T) {
	full := filled[task.Task](t)
	full.Status = task.Done // what a pack holds
	empty := task.Task{ID: full.ID + 1, Status: task.Done}
	extreme := task.Task{
		ID: full.ID + 2, Status: task.Done, Outcome: task.Lost,
		Spec: task.Spec{
			Expression: strings.Repeat("x", 70_000), MaxTries: math.MaxUint32, TimeoutMS: math.MinInt64, RetryOf: math.MaxUint64,
			Parameters: []task.Parameter{{}, {Name: "a", Value: task.Value{Text: "1"}}},
		},
		Result:  task.Value{Type: task.Boolean},
		Attempt: math.MaxUint32, Tries: math.MaxUint32,
		SubmittedAt: math.MaxInt64, StartedAt: math.MinInt64, FinishedAt: math.MaxInt64, Index: math.MaxUint64,
	}
	want := []task.Task{full, empty, extreme}
	var p packer
	open := p.pack(pointers(want)...).open()
	for i := range want {
		if got := open.task(full.ID, i); !reflect.DeepEqual(got, want[i]) {
			t.Errorf("task %d came back changed\n got %+v\nwant %+v", i, got, want[i])
		}
	}
}

func TestRandomTasksSurviveAPack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var p packer
	for range 200 {
		want := make([]task.Task, 1+random.IntN(blockSize))
		for i := range want {
			want[i] = randomDone(random, task.ID(100+i))
		}
		open := p.pack(pointers(want)...).open()
		for i := range want {
			if got := open.task(100, i); !reflect.DeepEqual(got, want[i]) {
				t.Fatalf("task %d of %d came back changed\n got %+v\nwant %+v", i, len(want), got, want[i])
			}
		}
	}
}

func pointers(tasks []task.Task) []*task.Task {
	list := make([]*task.Task, len(tasks))
	for i := range tasks {
		list[i] = &tasks[i]
	}
	return list
}

func randomDone(r *rand.Rand, id task.ID) task.Task {
	text := func() string { return strings.Repeat(string(rune('a'+r.IntN(5))), r.IntN(4)*r.IntN(50)) }
	value := func() task.Value { return task.Value{Type: task.ValueType(r.IntN(4)), Text: text()} }
	t := task.Task{
		ID: id, Key: text(), Status: task.Done, Outcome: task.Outcome(r.IntN(6)), Result: value(), Error: text(),
		Slave: text(), Incarnation: text(), Attempt: r.Uint32(), Tries: r.Uint32(),
		SubmittedAt: task.Millis(r.Uint64()), StartedAt: task.Millis(r.Uint64()), FinishedAt: task.Millis(r.Uint64()),
		Index: r.Uint64(),
		Spec: task.Spec{
			Kind: text(), Expression: text(), Idempotent: r.IntN(2) == 0,
			MaxTries: r.Uint32(), TimeoutMS: int64(r.Uint64()), RetryOf: task.ID(r.Uint64() * uint64(r.IntN(2))),
		},
	}
	for range r.IntN(4) {
		t.Spec.Parameters = append(t.Spec.Parameters, task.Parameter{Name: text(), Value: value()})
	}
	return t
}
