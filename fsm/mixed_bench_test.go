package fsm

import (
	"fmt"
	"testing"

	"muster/task"
)

// mixedCommands is how many commands an entry has at 64 clients, as measured.
const mixedCommands = 37

// mixed makes entries as a leader under load writes them: tasks that are submitted
// and assigned at once, and completions of those of the entry before.
type mixed struct {
	places []Place
	index  uint64
	next   int // the id that the next submit gets
	done   int // the ids below are completed
}

func (m *mixed) entry() Envelope {
	e := Envelope{Term: 1, Stamp: task.Millis(1_700_000_000_000 + 10*m.next)}
	m.index++
	waiting := m.next
	for i := range mixedCommands {
		if (int(m.index)+i)%2 == 1 && m.done < waiting {
			e.Proposals = append(e.Proposals, completeAll(m.done, 1, m.places).Proposals...)
			m.done++
			continue
		}
		e.Proposals = append(e.Proposals, submitAll(m.next, 1, m.places).Proposals...)
		m.next++
	}
	return e
}

// newMixed returns a state with so many done tasks, and what goes on from there.
func newMixed(tasks int) (*State, *mixed) {
	s, places := benchState(10)
	m := &mixed{places: places, index: 1, next: 1, done: 1}
	for m.next <= tasks {
		s.Replay(m.index+1, 1, submitAll(m.next, 1000, places))
		s.Replay(m.index+2, 1, completeAll(m.next, 1000, places))
		m.index, m.next = m.index+2, m.next+1000
	}
	m.done = m.next
	s.Show()
	return s, m
}

// BenchmarkMixed measures what one command of an ordinary entry costs on its way: to be
// encoded, to be decoded, and to be applied and shown.
func BenchmarkMixed(b *testing.B) {
	report := func(b *testing.B) {
		b.Helper()
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/mixedCommands, "ns/command")
	}
	_, m := newMixed(0)
	m.entry()
	envelope := m.entry()
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Encode(envelope); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
	b.Run("decode", func(b *testing.B) {
		entry, err := Encode(envelope)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Decode(entry); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
	for _, tasks := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("apply/tasks=%d", tasks), func(b *testing.B) {
			s, m := newMixed(tasks)
			entries := make([]Envelope, b.N)
			first := m.index + 1
			for i := range entries {
				entries[i] = m.entry()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i, e := range entries {
				s.Apply(first+uint64(i), 1, e)
			}
			report(b)
		})
	}
}
