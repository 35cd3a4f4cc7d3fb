package wire

import (
	"strings"
	"testing"

	"muster/task"
)

// TestAMalformedItemIsRefusedAlone: those before and after it are read.
func TestAMalformedItemIsRefusedAlone(t *testing.T) {
	for _, tc := range []struct{ name, item, want string }{
		{"null", `null`, "the task must be an object"},
		{"a number", `1`, "the task must be an object"},
		{"a string", `"1+1"`, "the task must be an object"},
		{"an array", `[{"expression":"1"}]`, "the task must be an object"},
		{"nothing", `{}`, "expression is missing"},
		{"unknown", `{"expression":"1","prio":1}`, `unknown field "prio"`},
		{"wrong case", `{"Expression":"1"}`, `unknown field "Expression"; did you mean "expression"?`},
		{"twice", `{"expression":"1","expression":"2"}`, "expression is given twice"},
		{"type", `{"expression":1}`, "expression must be a string"},
		{"null field", `{"expression":"1","kind":null}`, "kind must be a string"},
		{"out of range", `{"expression":"1","max_tries":-1}`, "max_tries must be a whole number in range, not -1"},
		{"zero", `{"expression":"1","timeout_ms":0}`, "timeout_ms is 0"},
		{"empty", `{"expression":"1","idempotency_key":""}`, "idempotency_key is empty"},
		{"parameter twice", `{"expression":"1","parameters":{"x":1,"x":2}}`, "parameters.x is given twice"},
		{"label", `{"expression":"1","labels":{"a":1}}`, "labels.a must be a string"},
		{"inside", `{"expression":"1","retry":{"x":1}}`, `unknown field "retry.x"`},
		{"half a character", `{"expression":"\ud800"}`, `the task has \ud800 at byte 15, which is half of a character`},
		{"half a character in a name", `{"expression":"1","parameters":{"\udc00":1}}`, "which is half of a character"},
		{"deep", `{"expression":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`, "expression must be a string"},
		{"a long name", `{"expression":"1","parameters":{"` + strings.Repeat("ü", 1000) + `":null}}`, "parameters.ü"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body, err := NewBatchDecoder().Decode([]byte(`{"tasks":[{"expression":"before"}, ` + tc.item + ` ,{"expression":"\ud83d\ude00"}]}`))
			if err != nil || len(body.Tasks) != 3 {
				t.Fatalf("%v, %+v", err, body)
			}
			for i, want := range []string{"before", "", "\U0001f600"} {
				if got := body.Tasks[i]; got.Value.Expression != want || (got.Refusal == nil) != (i != 1) {
					t.Errorf("item %d is %+v, want expression %q", i, got, want)
				}
			}
			r := body.Tasks[1].Refusal
			if r == nil || r.Code != task.CodeInvalidRequest || !strings.Contains(r.Message, tc.want) || len(r.Message) > maxRefusal+len("…") {
				t.Errorf("got %v, want %q", r, tc.want)
			}
		})
	}
}
