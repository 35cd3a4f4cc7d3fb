package wire

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"

	"muster/task"
)

// TestAnswersWrittenByHandAreThoseOfTheModels: byte for byte, whatever is in them.
func TestAnswersWrittenByHandAreThoseOfTheModels(t *testing.T) {
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 0))
		var one task.Task
		var e task.Error
		var verdicts []task.Verdict
		var asked []task.Asked
		var slave task.Slave
		var report task.Report
		for _, v := range []any{&slave, &report, &one, &e, &verdicts, &asked} {
			fillAtRandom(r, reflect.ValueOf(v).Elem())
		}
		shown := FromTask(&one)
		models := make([]Verdict, len(verdicts))
		for i := range verdicts {
			models[i] = FromVerdict(verdicts[i])
		}
		const before = "before"
		b := []byte(before)
		for name, tc := range map[string]struct {
			got  []byte
			want any
		}{
			"task":          {AppendTask(b, &one), shown},
			"simple task":   {AppendTaskSimply(b, &one), FromTaskSimply(&one)},
			"slave":         {AppendSlave(b, &slave), FromSlave(&slave)},
			"report":        {AppendReport(b, &report), FromReport(report)},
			"task answer":   {AppendTaskAnswer(b, &one), TaskAnswer{Task: shown}},
			"submitted":     {AppendSubmitted(b, e.Message, &one, asked), Submitted{Message: e.Message, Task: shown, Asked: FromAsked(asked)}},
			"batch result":  {AppendBatchTask(b, &one, one.Spec.Idempotent), BatchResult{Task: &shown, Existing: one.Spec.Idempotent}},
			"batch refusal": {AppendBatchRefusal(b, &e), BatchResult{Error: e.Message, Code: e.Code}},
			"verdicts":      {AppendVerdicts(b, verdicts), Verdicts{Results: models}},
			"error":         {AppendError(b, &e), FromError(&e)},
		} {
			if want := before + encodePlainly(t, tc.want); string(tc.got) != want {
				t.Fatalf("seed %d: %s:\n%s\nwant\n%s", seed, name, tc.got, want)
			}
		}
	}
}

// encodePlainly is encode without the escapes for HTML, as masters answer.
func encodePlainly(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// fillAtRandom leaves about a third of all things empty.
func fillAtRandom(r *rand.Rand, v reflect.Value) {
	texts := []string{
		"a", "2+3*x", "true", "false", "14", "-0.5e+3", "01", "1.", "Inf", "-", "\u00fc", "\U0001f600", `"`, `\`, "</b>&", "\x00\x1f\x7f\b\f\n\r\t", "\xff", "a\xe2\x80", "\u2028a\u2029", "\ufffd",
	}
	if v.Kind() != reflect.Struct && r.IntN(3) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fillAtRandom(r, field)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillAtRandom(r, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fillAtRandom(r, v.Index(i))
		}
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))] + texts[r.IntN(len(texts))][:r.IntN(2)])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(r.Uint64N(4)) // an enumeration's, or a priority
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> (64 - v.Type().Bits()))
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64N(1<<47)>>r.IntN(40) - r.Int64N(2)*5) // an instant before the year 10000
	default:
		panic("fill: " + v.Type().String())
	}
}

func FuzzStringsAreWrittenAsEncodingJSONDoes(f *testing.F) {
	f.Add("a\u2028\xff\x00\"\\")
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := string(appendString(nil, s)), encodePlainly(t, s); got != want {
			t.Fatalf("%q: got %s, want %s", s, got, want)
		}
	})
}
