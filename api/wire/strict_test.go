package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"muster/task"
)

func TestDecodeRefuses(t *testing.T) {
	submission, report := NewDecoder[Submission](), NewDecoder[Report]()
	decode := func(body string) *task.Error { _, err := submission.Decode([]byte(body)); return err }
	decodeReport := func(body string) *task.Error { _, err := report.Decode([]byte(body)); return err }
	decodeBatch := func(body string) *task.Error { _, err := NewBatchDecoder().Decode([]byte(body)); return err }
	for _, tc := range []struct {
		name, body, want string
		decode           func(string) *task.Error
	}{
		{"empty", ``, "the body is empty", decode},
		{"white space", " \n\t", "the body is empty", decode},
		{"not JSON", `expression=1`, "the body is not valid JSON", decode},
		{"ends early", `{"expression":"1"`, "ends too early", decode},
		{"ends in a string", `{"expression":"1`, "ends too early", decode},
		{"comma", `{"expression":"1",}`, "the body is not valid JSON", decode},
		{"no comma", `{"expression":"1" "kind":"x"}`, "the body is not valid JSON", decode},
		{"byte order mark", "\ufeff{}", "the body is not valid JSON", decode},
		{"control character", "{\"expression\":\"a\nb\"}", "the body is not valid JSON", decode},
		{"not UTF-8", "{\"expression\":\"\xff\"}", "the body is not valid UTF-8", decode},
		{"an array", `[]`, "the body must be an object", decode},
		{"a string", `"1"`, "the body must be an object", decode},
		{"null", `null`, "the body must be an object", decode},
		{"trailing", `{"expression":"1"} x`, "something follows the JSON value", decode},
		{"two values", `{"expression":"1"}{"expression":"1"}`, "something follows the JSON value", decode},
		{"trailing brace", `{"expression":"1"}}`, "something follows the JSON value", decode},
		{"unknown", `{"expression":"1","urgency":3}`, `unknown field "urgency"`, decode},
		{"unknown nothing", `{"expression":"1","":3}`, `unknown field ""`, decode},
		{"wrong case", `{"Expression":"1"}`, `unknown field "Expression"; did you mean "expression"?`, decode},
		{"Kelvin sign", `{"expression":"1","` + "\u212a" + `ind":"x"}`, "did you mean \"kind\"?", decode},
		{"twice", `{"expression":"1","expression":"2"}`, "expression is given twice", decode},
		{"twice, escaped", `{"expression":"1","\u0065xpression":"2"}`, "expression is given twice", decode},
		{"missing", `{"kind":"x"}`, "expression is missing", decode},
		{"null field", `{"expression":null}`, "expression must be a string", decode},
		{"null optional", `{"expression":"1","kind":null}`, "kind must be a string", decode},
		{"number for string", `{"expression":1}`, "expression must be a string", decode},
		{"string for number", `{"expression":"1","max_tries":"3"}`, "max_tries must be a whole number", decode},
		{"fraction", `{"expression":"1","max_tries":1.5}`, "max_tries must be a whole number in range, not 1.5", decode},
		{"exponent", `{"expression":"1","max_tries":1e2}`, "max_tries must be a whole number in range", decode},
		{"negative", `{"expression":"1","max_tries":-1}`, "max_tries must be a whole number in range", decode},
		{"too large", `{"expression":"1","max_tries":4294967296}`, "max_tries must be a whole number in range", decode},
		{"much too large", `{"expression":"1","timeout_ms":9223372036854775808}`, "timeout_ms must be a whole number in range", decode},
		{"zero tries", `{"expression":"1","max_tries":0}`, "max_tries is 0; it is at least 1, and leaving it out means the default", decode},
		{"zero tries, inside", `{"expression":"1","retry":{"max_tries":-0}}`, "retry.max_tries", decode},
		{"no time", `{"expression":"1","timeout_ms":0}`, "timeout_ms is 0", decode},
		{"repeats nothing", `{"expression":"1","retry_of":0}`, "retry_of is 0", decode},
		{"empty kind", `{"expression":"1","kind":""}`, "kind is empty; leave it out to say nothing", decode},
		{"empty when_full", `{"expression":"1","when_full":""}`, "when_full is empty", decode},
		{"empty not_before", `{"expression":"1","not_before":""}`, "not_before is empty", decode},
		{"empty deadline", `{"expression":"1","deadline":""}`, "deadline is empty", decode},
		{"empty backoff", `{"expression":"1","retry":{"backoff":""}}`, "retry.backoff is empty", decode},
		{"parameters null", `{"expression":"1","parameters":null}`, "parameters must be an object", decode},
		{"parameters array", `{"expression":"1","parameters":[1]}`, "parameters must be an object", decode},
		{"parameter null", `{"expression":"1","parameters":{"x":null}}`, "parameters.x must be a number, a string or a boolean", decode},
		{"parameter object", `{"expression":"1","parameters":{"x":{}}}`, "parameters.x must be a number, a string or a boolean", decode},
		{"parameter twice", `{"expression":"1","parameters":{"x":1,"y":2,"x":3}}`, "parameters.x is given twice", decode},
		{"too many parameters", `{"expression":"1","parameters":{` + distinct(1025) + `}}`, "parameters has more than 1024 entries", decode},
		{"deep", `{"expression":"1","parameters":{"x":` + strings.Repeat("[", 50), "parameters.x must be", decode},
		{"deep at once", strings.Repeat("[", 50), "the body must be an object", decode},

		{"item twice", `{"tasks":[{"expression":"1"}],"tasks":[]}`, "tasks is given twice", decodeBatch},
		{"items missing", `{}`, "tasks is missing", decodeBatch},
		{"items as object", `{"tasks":{"expression":"1"}}`, "tasks must be an array", decodeBatch},
		{"beside the items", `{"tasks":[],"\ud800":1}`, "unknown field", decodeBatch},
		{"behind the items", `{"tasks":[]} []`, "something follows the JSON value", decodeBatch},
		{"items end early", `{"tasks":[{"expression":"1"},`, "ends too early", decodeBatch},
		{"item ends early", `{"tasks":[{"expression":`, "ends too early", decodeBatch},
		{"items with a comma more", `{"tasks":[{"expression":"1"},]}`, "the body is not valid JSON", decodeBatch},
		{"items without a comma", `{"tasks":[{"expression":"1"} {"expression":"1"}]}`, "the body is not valid JSON", decodeBatch},
		{"item that is not JSON", `{"tasks":[{"expression":"1"},{"expression":1+1}]}`, "the body is not valid JSON", decodeBatch},
		{"item not UTF-8", "{\"tasks\":[{\"expression\":\"\xff\"}]}", "the body is not valid UTF-8", decodeBatch},

		{"element", `{"slave":"a","incarnation":"i","results":[{"id":1,"attempt":1},{"id":2}]}`, "results[1].attempt is missing", decodeReport},
		{"element type", `{"slave":"a","incarnation":"i","results":[3]}`, "results[0] must be an object", decodeReport},
		{"no array", `{"slave":"a","incarnation":"i","results":{}}`, "results must be an array", decodeReport},
		{"nested unknown", `{"slave":"a","incarnation":"i","results":[{"id":1,"attempt":1,"ID":1}]}`, `unknown field "results[0].ID"; did you mean "id"?`, decodeReport},
		{"nested bool", `{"slave":"a","incarnation":"i","results":[{"id":1,"attempt":1,"retryable":1}]}`, "results[0].retryable must be true or false", decodeReport},
		{"result as number", `{"slave":"a","incarnation":"i","results":[{"id":1,"attempt":1,"result":14}]}`, "results[0].result must be a string", decodeReport},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.decode(tc.body)
			if err == nil || err.Code != task.CodeInvalidRequest || !strings.Contains(err.Message, tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && len(err.Message) > 400 {
				t.Errorf("the message has %d bytes", len(err.Message))
			}
		})
	}
}

// distinct are n parameters.
func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"p` + strconv.Itoa(i) + `":1`)
	}
	return b.String()[1:]
}

// TestABodyDoesNotMeanManyTimesItsSize decodes what fills a body with
// as many things as possible.
func TestABodyDoesNotMeanManyTimesItsSize(t *testing.T) {
	const size = 1 << 17
	fill := func(one string) string { return strings.Repeat(","+one, size/(len(one)+1))[1:] }
	submission, report, registration := NewDecoder[Submission](), NewDecoder[Report](), NewDecoder[Registration]()
	for name, decode := range map[string]func() *task.Error{
		"parameters": func() *task.Error {
			_, err := submission.Decode([]byte(`{"expression":"1","parameters":{` + distinct(size/12) + `}}`))
			return err
		},
		"one parameter": func() *task.Error {
			_, err := submission.Decode([]byte(`{"expression":"1","parameters":{` + fill(`"":1`) + `}}`))
			return err
		},
		"results": func() *task.Error {
			_, err := report.Decode([]byte(`{"slave":"s","incarnation":"i","results":[` + fill(`{"id":1,"attempt":1}`) + `,0]}`))
			return err
		},
		"kinds": func() *task.Error {
			_, err := registration.Decode([]byte(`{"name":"s","url":"u","incarnation":"i","kinds":[` + fill(`{"name":"","idempotent":true}`) + `,0]}`))
			return err
		},
		"depth": func() *task.Error {
			_, err := report.Decode([]byte(strings.Repeat("[", 50) + strings.Repeat(" ", size)))
			return err
		},
	} {
		before := allocated()
		err := decode()
		if used := allocated() - before; used > 64*size || err == nil {
			t.Errorf("%s: %d KiB allocated %d KiB; %v", name, size>>10, used>>10, err)
		}
	}
}

// TestAnArrayIsBoundedBeforeAnythingIsMadeOfIt: the largest batch has room for
// nearly a million tasks.
func TestAnArrayIsBoundedBeforeAnythingIsMadeOfIt(t *testing.T) {
	body := []byte(`{"tasks":[` + strings.Repeat(`{"expression":""},`, 900_000) + `{"expression":""}]}`)
	before := allocated()
	_, err := NewBatchDecoder().Decode(body)
	if used := allocated() - before; used > 32<<20 || err == nil || !strings.Contains(err.Message, "more than 10000 elements") {
		t.Errorf("%d MiB allocated %d MiB; %v", len(body)>>20, used>>20, err)
	}
}

// allocated is how many bytes this process has ever asked for.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func TestDecodeKeepsDigits(t *testing.T) {
	const body = `{"expression":"a+b","parameters":{"b":9007199254740993,"a":1.10,"t":true,"s":"9007199254740993","e":1E+2,"z":-0.0}}`
	s, err := NewDecoder[Submission]().Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := ParameterList{
		{Name: "a", Value: task.Value{Type: task.Number, Text: "1.10"}},
		{Name: "b", Value: task.Value{Type: task.Number, Text: "9007199254740993"}},
		{Name: "e", Value: task.Value{Type: task.Number, Text: "1E+2"}},
		{Name: "s", Value: task.Value{Type: task.String, Text: "9007199254740993"}},
		{Name: "t", Value: task.Value{Type: task.Boolean, Text: "true"}},
		{Name: "z", Value: task.Value{Type: task.Number, Text: "-0.0"}},
	}
	if !reflect.DeepEqual(s.Parameters, want) {
		t.Errorf("got %+v", s.Parameters)
	}
	out := encode(t, s.Parameters)
	if out != `{"a":1.10,"b":9007199254740993,"e":1E+2,"s":"9007199254740993","t":true,"z":-0.0}` {
		t.Errorf("got %s", out)
	}
}

// A number that JSON can't write must not cost the whole answer.
func TestStrangeNumbersAreQuoted(t *testing.T) {
	for _, text := range []string{"Inf", "NaN", "", "01", " 1", "1 ", "0x1", "null", `"1"`, "1,2", "1}"} {
		list := ParameterList{{Name: "x", Value: task.Value{Type: task.Number, Text: text}}}
		var back map[string]string
		if err := json.Unmarshal([]byte(encode(t, list)), &back); err != nil || back["x"] != text {
			t.Errorf("%q: got %v, %v", text, back, err)
		}
	}
}

func TestEmptyStringIsAResult(t *testing.T) {
	with := encode(t, FromTask(&task.Task{Result: task.Value{Type: task.String}}))
	without := encode(t, FromTask(&task.Task{}))
	if !strings.Contains(with, `"result":""`) || strings.Contains(without, `"result"`) {
		t.Errorf("with: %s\nwithout: %s", with, without)
	}
}

// FuzzDecode: what any decoder refuses has a reason; what it accepts is what
// encoding/json reads, and comes back.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"slave":"s","incarnation":"i","free":1,"slots":2,"counter":3,"results":[{"id":1,"attempt":1,"outcome":"failed","error":"e","retryable":true,"result":"1","result_type":"number"}]}`))
	f.Add([]byte(`{"name":"s","url":"http://h","slots":1,"incarnation":"i","kinds":[{"name":"k","idempotent":false}]}`))
	f.Add([]byte(`{"id":"m","raft_address":"h:1","api_url":"http://h","commands":3,"replace":true}`))
	f.Add([]byte(`{"expression":"2+3*x","parameters":{"x":4,"y":"s","z":true},"max_tries":3,"retry_of":18446744073709551615}`))
	f.Add([]byte(`{"expression":"\ud800","parameters":{"\u0000":1e400}}`))
	f.Add([]byte(`{"Expression":1,"expression":[{}]}`))
	f.Add([]byte(`{"expression":"1","priority":1,"idempotency_key":"a"}`))
	f.Add([]byte(`[null, {"expression":"1"}]`))
	submission, report, registration := NewDecoder[Submission](), NewDecoder[Report](), NewDecoder[Registration]()
	leave, join := NewDecoder[Leave](), NewDecoder[JoinRequest]()
	item, batch := NewItemDecoder(), NewBatchDecoder()
	f.Fuzz(func(t *testing.T, body []byte) {
		comesBack(t, submission, body, normal)
		comesBack(t, report, body, func(r Report) Report { return r })
		comesBack(t, registration, body, func(r Registration) Registration { r.Kinds = append([]Kind(nil), r.Kinds...); return r })
		comesBack(t, leave, body, func(l Leave) Leave { return l })
		comesBack(t, join, body, func(j JoinRequest) JoinRequest { return j })
		inABatch(t, item, batch, body)
	})
}

// inABatch checks that an item of a batch is what it is alone, whatever is beside it.
func inABatch(t *testing.T, d Decoder[BatchItem], batch Decoder[BatchBody], body []byte) {
	t.Helper()
	if !json.Valid(body) || !utf8.Valid(body) {
		return
	}
	alone, refusal := d.Decode(bytes.TrimSpace(body))
	got, whole := batch.Decode([]byte(`{"tasks":[{"expression":"1"},` + string(body) + `]}`))
	if whole != nil || len(got.Tasks) != 2 || got.Tasks[0].Refusal != nil {
		t.Fatalf("%v, %+v", whole, got.Tasks)
	}
	in := got.Tasks[1]
	if !reflect.DeepEqual(in.Value, alone) || (in.Refusal == nil) != (refusal == nil) {
		t.Fatalf("alone %+v, %v\nin a batch %+v, %v", alone, refusal, in.Value, in.Refusal)
	}
	if refusal != nil && in.Refusal.Message != refusal.Message && len(refusal.Message) <= maxRefusal {
		t.Fatalf("alone %v, in a batch %v", refusal, in.Refusal)
	}
}

func comesBack[T any](t *testing.T, d Decoder[T], body []byte, normal func(T) T) {
	t.Helper()
	v, refusal := d.Decode(body)
	if refusal != nil {
		if refusal.Code != task.CodeInvalidRequest || refusal.Message == "" || len(refusal.Message) > 1000 {
			t.Fatalf("a refusal without a good reason: %+v", refusal)
		}
		return
	}
	again, refusal := d.Decode([]byte(encode(t, v)))
	if refusal != nil || !reflect.DeepEqual(normal(v), normal(again)) {
		t.Fatalf("in  %+v\nout %+v\n%v", v, again, refusal)
	}
}

func normal(s Submission) Submission {
	if len(s.Parameters) == 0 {
		s.Parameters = nil
	}
	return s
}

func BenchmarkDecode(b *testing.B) {
	d := NewDecoder[Submission]()
	body := []byte(`{"expression":"2+3*x","parameters":{"x":4}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
