package fsm

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"muster/task"
)

// benchSpec is what a task of about 200 bytes asks for.
func benchSpec(i int) task.Spec {
	return task.Spec{
		Kind:       task.KindExpression,
		Expression: fmt.Sprintf("2 + 3 * x - factorial(%d)", i%20),
		Parameters: []task.Parameter{{Name: "x", Value: task.Value{Type: task.Number, Text: fmt.Sprint(i)}}},
		Idempotent: true,
		MaxTries:   task.DefaultMaxTries,
		TimeoutMS:  task.DefaultTimeoutMS,
	}
}

// benchState returns a state with a number of slaves of 1,000 slots each.
func benchState(slaves int) (*State, []Place) {
	s := New()
	var e Envelope
	var places []Place
	for i := range slaves {
		p := Place{Slave: fmt.Sprintf("slave-%d", i), Incarnation: fmt.Sprintf("%032x", i)}
		places = append(places, p)
		e.Proposals = append(e.Proposals, Proposal{Command: RegisterSlave{Registration: task.Registration{
			Name: p.Slave, URL: "http://" + p.Slave + ":8080", Slots: 1000, Incarnation: p.Incarnation,
			Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
		}}})
	}
	s.Apply(1, 1, e)
	return s, places
}

// submitAll returns an envelope that submits and assigns n tasks, the first with
// the given id.
func submitAll(first, n int, places []Place) Envelope {
	e := Envelope{Term: 1, Stamp: task.Millis(1_700_000_000_000 + 10*first)}
	for i := first; i < first+n; i++ {
		e.Proposals = append(e.Proposals, Proposal{Term: 1, Command: SubmitTask{
			Spec: benchSpec(i), Key: fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i), Assign: &places[i%len(places)],
		}})
	}
	return e
}

// completeAll returns an envelope that completes what submitAll submits.
func completeAll(first, n int, places []Place) Envelope {
	e := Envelope{Term: 1, Stamp: task.Millis(1_700_000_000_250 + 10*first)}
	for i := first; i < first+n; i++ {
		p := places[i%len(places)]
		e.Proposals = append(e.Proposals, Proposal{Term: 1, Command: CompleteTask{
			Attempt: task.Attempt{ID: task.ID(i), Attempt: 1, Slave: p.Slave, Incarnation: p.Incarnation},
			Result: task.Result{
				ID: task.ID(i), Attempt: 1, Outcome: task.Succeeded,
				Value: task.Value{Type: task.Number, Text: fmt.Sprint(2 + 3*i)},
			},
		}})
	}
	return e
}

// BenchmarkApply measures what one command of a large envelope costs, and of an
// envelope of one.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 1000} {
		b.Run(fmt.Sprintf("commands=%d", size), func(b *testing.B) {
			s, places := benchState(10)
			index, id := uint64(1), 1
			var commands int
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				submit, complete := submitAll(id, size, places), completeAll(id, size, places)
				b.StartTimer()
				s.Apply(index+1, 1, submit)
				s.Apply(index+2, 1, complete)
				index, id, commands = index+2, id+size, commands+2*size
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(commands), "ns/command")
		})
	}
}

// BenchmarkDecode measures the decoding of an entry of 1,000 commands.
func BenchmarkDecode(b *testing.B) {
	_, places := benchState(10)
	entry, err := Encode(submitAll(1, 1000, places))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(entry)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(entry); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDoneTasks reports the heap that a done task takes, with its part of
// the indexes, among a million.
func BenchmarkDoneTasks(b *testing.B) {
	const total, size = 1_000_000, 1000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		s, places := benchState(10)
		index := uint64(1)
		for id := 1; id <= total; id += size {
			s.Apply(index+1, 1, submitAll(id, size, places))
			s.Apply(index+2, 1, completeAll(id, size, places))
			index += 2
		}
		b.ReportMetric(float64(heap()-before)/total, "heap-B/task")
		runtime.KeepAlive(s)
	}
}

// BenchmarkRegisterSlave registers one more slave where so many are already.
func BenchmarkRegisterSlave(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("slaves=%d", n), func(b *testing.B) {
			register := func(i int) Envelope {
				r := task.Registration{
					Name: fmt.Sprintf("s%d", i), URL: "http://s", Slots: 1, Incarnation: fmt.Sprintf("i%d", i),
					Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
				}
				return Envelope{Term: 1, Stamp: 1, Proposals: []Proposal{{Command: RegisterSlave{Registration: r, InFull: true}}}}
			}
			s := New()
			for i := range n {
				s.Apply(uint64(i+1), 1, register(i))
			}
			index := uint64(n)
			for b.Loop() {
				index++
				s.Apply(index, 1, register(0x100000+int(index)%n))
			}
		})
	}
}

// BenchmarkLoad measures the loading of a snapshot of a million done tasks.
func BenchmarkLoad(b *testing.B) {
	const total, size = 1_000_000, 1000
	s, places := benchState(10)
	for index, id := uint64(1), 1; id <= total; id += size {
		s.Apply(index+1, 1, submitAll(id, size, places))
		s.Apply(index+2, 1, completeAll(id, size, places))
		index += 2
	}
	var saved bytes.Buffer
	if err := s.View().Save(&saved); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(saved.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if err := New().Load(bytes.NewReader(saved.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}
