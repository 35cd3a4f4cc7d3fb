package wire

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"muster/task"
)

// Every field of the vocabulary must reach the wire: changing it alone must
// change the JSON. A new field of task.Task breaks this test, and not a client.
func TestEveryFieldIsShown(t *testing.T) {
	for _, tc := range []struct {
		name   string
		value  any
		show   func(v any) any
		hidden map[string]string // field: why it is not shown
	}{
		{"Task", &task.Task{}, func(v any) any { return FromTask(v.(*task.Task)) }, map[string]string{
			"Spec.NotBefore.At": "a moment has one of the two",
			"Spec.Deadline.At":  "the same",
		}},
		{"Slave", &task.Slave{}, func(v any) any { return FromSlave(v.(*task.Slave)) }, map[string]string{
			"Order": "it is the place in the list",
		}},
		{"Master", &task.Master{}, func(v any) any { return FromMaster(v.(*task.Master)) }, nil},
		{"Counts", &task.Counts{}, func(v any) any { return FromCounts(*v.(*task.Counts)) }, nil},
		{"Capacity", &task.Capacity{}, func(v any) any { return FromCapacity(*v.(*task.Capacity)) }, nil},
		{"Verdict", &task.Verdict{Err: &task.Error{}}, func(v any) any { return FromVerdict(*v.(*task.Verdict)) }, map[string]string{
			"Err.Capacity.Slaves": "no result is refused for want of slots",
			"Err.Capacity.Slots":  "the same",
			"Err.Capacity.Busy":   "the same",
			"Err.Task":            "the verdict names its task",
			"Err.Leader":          "the whole report is redirected",
			"Err.Asked.Slave":     "a submit's refusal has it",
			"Err.Asked.Answer":    "the same",
			"Err.Asked.From":      "the same",
			"Err.Asked.Why":       "the same",
			"Err.RetryAfter":      "a result that is refused is not repeated",
		}},
		{"Error", &task.Error{}, func(v any) any { return FromError(v.(*task.Error)) }, map[string]string{
			"Capacity.Slaves": "a client counts slots",
			"RetryAfter":      "a header says it",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := reflect.ValueOf(tc.value).Elem()
			n := uint64(1)
			fill(v, &n)
			before := encode(t, tc.show(tc.value))
			hidden := map[string]bool{}
			eachLeaf(v, "", func(path string, leaf reflect.Value) {
				old := reflect.ValueOf(leaf.Interface())
				change(leaf)
				shown := encode(t, tc.show(tc.value)) != before
				leaf.Set(old)
				_, mayHide := tc.hidden[path]
				if mayHide {
					hidden[path] = true
				}
				if shown == mayHide {
					t.Errorf("field %s: shown is %v, meant to be hidden is %v", path, shown, mayHide)
				}
			})
			if len(hidden) != len(tc.hidden) {
				t.Errorf("%d of the %d hidden fields exist", len(hidden), len(tc.hidden))
			}
		})
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fill gives every field a value of its own, within what enumerations have.
func fill(v reflect.Value, n *uint64) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(f, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(strconv.FormatUint(1000+*n, 10)) // also a number, for parameters
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(2) // all enumerations have a second value
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(*n)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	default:
		panic("fill: " + v.Type().String())
	}
}

func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "!")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	default:
		panic("change: " + v.Type().String())
	}
}

func eachLeaf(v reflect.Value, path string, f func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for field, value := range v.Fields() {
			eachLeaf(value, strings.TrimPrefix(path+"."+field.Name, "."), f)
		}
	case reflect.Pointer:
		eachLeaf(v.Elem(), path, f)
	case reflect.Slice:
		for i := range v.Len() {
			eachLeaf(v.Index(i), path, f)
		}
	default:
		f(path, v)
	}
}

// What slaves and masters say comes out as it went in, through JSON and the
// strict decoder.
func TestRequestsRoundTrip(t *testing.T) {
	roundTrip(t, "Registration", FromRegistration, func(w Registration) (task.Registration, *task.Error) {
		return ToRegistration(w), nil
	})
	roundTrip(t, "Report", FromReport, func(w Report) (task.Report, *task.Error) {
		body, err := NewReportDecoder().Decode([]byte(encode(t, w)))
		if err != nil {
			return task.Report{}, err
		}
		r, refused := ToReport(body)
		return r, refused[0]
	})
	roundTrip(t, "JoinRequest", FromJoinRequest, func(w JoinRequest) (task.JoinRequest, *task.Error) {
		return ToJoinRequest(w), nil
	})
	roundTrip(t, "Verdict", FromVerdict, func(w Verdict) (task.Verdict, *task.Error) { return ToVerdict(w), nil })
}

func roundTrip[D, W any](t *testing.T, name string, from func(D) W, to func(W) (D, *task.Error)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		var in D
		n := uint64(1)
		fill(reflect.ValueOf(&in).Elem(), &n)
		if v, ok := any(&in).(*task.Verdict); ok {
			v.Err = task.Refuse(task.CodeStaleAttempt, "stale") // the rest is not said
		}
		if v, ok := any(&in).(*task.Report); ok {
			v.Cluster = "" // a header says it
		}
		w, refusal := NewDecoder[W]().Decode([]byte(encode(t, from(in))))
		if refusal != nil {
			t.Fatal(refusal)
		}
		out, refusal := to(w)
		if refusal != nil {
			t.Fatal(refusal)
		}
		if !reflect.DeepEqual(in, out) {
			t.Errorf("in  %+v\nout %+v", in, out)
		}
	})
}

func TestSubmissionDefaults(t *testing.T) {
	spec, _ := ToSpec(Submission{Expression: "1"})
	want := task.Spec{
		Kind: task.KindExpression, Expression: "1", MaxTries: task.DefaultMaxTries, TimeoutMS: task.DefaultTimeoutMS,
	}
	if !reflect.DeepEqual(spec, want) {
		t.Errorf("got %+v", spec)
	}
}

func TestRegistrationDefaults(t *testing.T) {
	r := ToRegistration(Registration{Name: "a", URL: "http://h:1/", Incarnation: "i"})
	if r.URL != "http://h:1/" || r.Slots != 1 || !reflect.DeepEqual(r.Kinds, []task.Kind{{Name: "expression", Idempotent: true}}) {
		t.Errorf("got %+v", r)
	}
}

func TestResultDefaults(t *testing.T) {
	fourteen, empty := "14", ""
	for _, tc := range []struct {
		in   Result
		want task.Result
		err  string
	}{
		{in: Result{Result: &fourteen}, want: task.Result{Outcome: task.Succeeded, Value: task.Value{Type: task.String, Text: "14"}}},
		{in: Result{Result: &fourteen, ResultType: "number"}, want: task.Result{Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: "14"}}},
		{in: Result{Result: &empty}, want: task.Result{Outcome: task.Succeeded, Value: task.Value{Type: task.String}}},
		{in: Result{Error: "no"}, want: task.Result{Outcome: task.Failed, Error: "no"}},
		{in: Result{Outcome: "cancelled", Error: "no"}, want: task.Result{Outcome: task.Cancelled, Error: "no"}},
		{in: Result{Outcome: "lost"}, err: "outcome must be succeeded, failed or cancelled, not \"lost\""},
		{in: Result{Outcome: "Failed"}, err: "outcome must be succeeded, failed or cancelled, not \"Failed\""},
		{in: Result{Result: &empty, ResultType: "float"}, err: "result_type must be number, string or boolean, not \"float\""},
		{in: Result{ResultType: "number"}, err: "result is missing, but there is a result_type"},
	} {
		got, err := ToResult(&tc.in)
		if tc.err != "" {
			if err == nil || err.Message != tc.err {
				t.Errorf("%+v: got %v, want %q", tc.in, err, tc.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%+v: got %+v, %v", tc.in, got, err)
		}
	}
}

func TestSimpleTaskHasASpace(t *testing.T) {
	for status, want := range map[task.Status]string{task.Pending: "pending", task.InProgress: "in progress", task.Done: "done"} {
		if got := FromTaskSimply(&task.Task{Status: status}).Status; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
