package fsm

import "testing"

// TestCommandsTakeFewObjects bounds what the garbage collector gets from an ordinary
// entry. The counts don't depend on the machine.
func TestCommandsTakeFewObjects(t *testing.T) {
	s, m := newMixed(5000)
	submits := m.entry() // nothing can be completed yet
	s.Apply(m.index, 1, submits)
	first := m.index + 1
	const runs = 200
	entries := make([][]byte, 0, runs+1)
	for range runs + 1 { // one to warm up
		e := m.entry()
		entry, err := Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry)
	}
	perCommand := func(f func()) float64 { return testing.AllocsPerRun(runs, f) / mixedCommands }
	decode := func(entry []byte) Envelope {
		e, err := Decode(entry)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	envelope := decode(entries[1])
	encoded := perCommand(func() { _, _ = Encode(envelope) })
	decoded := perCommand(func() { decode(entries[0]) })
	next := 0
	both := perCommand(func() {
		s.Apply(first+uint64(next), 1, decode(entries[next]))
		next++
	})
	if c := s.View().Counts(); c.InProgress > 10*runs {
		t.Fatalf("%+v", c)
	}
	t.Logf("objects per command: encoded %.2f, decoded %.2f, decoded and applied %.2f", encoded, decoded, both)
	if encoded > 0.03 || decoded > 3.2 || both > 5.2 {
		t.Error("that is more than 0.03, 3.2 and 5.2")
	}
}
