package evaluate

import (
	"testing"

	"muster/task"
)

// Objects that a task may allocate in a child, from its record to its answer's. The
// count does not depend on the machine.
func TestAnEvaluationAllocatesLittle(t *testing.T) {
	e := New(nil)
	e.turns = make(turns, maxComputing)
	o := order("2+3*x", num("x", "4"))
	record := appendCompute(nil, 1, &o)[lengthBytes:]
	var out []byte
	const most = 12
	if got := testing.AllocsPerRun(100, func() {
		r, err := parseRequest(record)
		if err != nil {
			t.Fatal(err)
		}
		v, err := e.Evaluate(t.Context(), r.order)
		if err != nil || v != (task.Value{Type: task.Number, Text: "14"}) {
			t.Fatalf("%v, %v", v, err)
		}
		a := answerTo(t.Context(), r.id, v, err)
		out = a.append(out[:0])
	}); got > most {
		t.Errorf("a task allocates %v objects, at most %d are possible", got, most)
	}
}
