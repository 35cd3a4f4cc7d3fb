package link

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"muster/task"
)

// fill sets every field to something that is not zero, so that a field that a
// conversion forgets shows.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.String:
		v.SetString("text " + string(rune('a'+*n)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8: // an enumeration: task.String, task.Failed, task.Running
		v.SetUint(2)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(1<<31 + uint64(*n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	default:
		t.Fatalf("fill does not know %v", v.Type())
	}
}

func filled[T any](t *testing.T) T {
	t.Helper()
	var v T
	n := 0
	fill(t, reflect.ValueOf(&v).Elem(), &n)
	return v
}

// through sends a message over the wire.
func through[M any](t *testing.T, m M) M {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var got M
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return got
}

func same(t *testing.T, got, want any, err error) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestEveryFieldTravels(t *testing.T) {
	o := filled[task.Order](t)
	gotOrder, err := through(t, fromOrder(o)).toTask()
	same(t, gotOrder, o, err)

	r := filled[task.Receipt](t)
	r.Status = task.Finished
	r.Result.ID, r.Result.Attempt = r.ID, r.Attempt
	gotReceipt, err := through(t, fromReceipt(r)).toTask()
	same(t, gotReceipt, r, err)

	r.Result = task.Result{}
	for _, r.Status = range []task.ReceiptStatus{task.Accepted, task.Running, task.Refused} {
		gotReceipt, err = through(t, fromReceipt(r)).toTask()
		same(t, gotReceipt, r, err)
	}

	h := filled[task.Held](t)
	gotHeld, err := through(t, fromHeld(h)).toHeld()
	same(t, gotHeld, h, err)

	a := filled[task.Availability](t)
	a.Free, a.Slots = 3, 4
	gotAvailability, err := through(t, fromAvailability(a)).toTask()
	same(t, gotAvailability, a, err)
}

// Values arrive as they were written, whatever JSON thinks of them.
func TestValuesTravelAsText(t *testing.T) {
	values := []task.Value{
		{Type: task.Number, Text: "4"},
		{Type: task.Number, Text: "-4.50"},
		{Type: task.Number, Text: "9007199254740993"},
		{Type: task.Number, Text: "1e400"},
		{Type: task.Number, Text: "Inf"},
		{Type: task.Number, Text: "NaN"},
		{Type: task.Number, Text: "+1"},
		{Type: task.Number, Text: "0x10"},
		{Type: task.Number, Text: " 1"},
		{Type: task.Number, Text: ""},
		{Type: task.Boolean, Text: "true"},
		{Type: task.Boolean, Text: "false"},
		{Type: task.Boolean, Text: "TRUE"},
		{Type: task.String, Text: ""},
		{Type: task.String, Text: "a \"quoted\" <word> \x00 \u2028 ä 🙂"},
		{Type: task.NoValue, Text: ""},
		{Type: task.NoValue, Text: "null"},
	}
	for _, v := range values {
		o := task.Order{ID: 1, Attempt: 1, Kind: "k", Parameters: []task.Parameter{{Name: "a \"b\"", Value: v}, {Name: "c", Value: v}}}
		got, err := through(t, fromOrder(o)).toTask()
		same(t, got, o, err)
		if v.Type == task.NoValue {
			continue // no result has it
		}
		r := task.Receipt{ID: 1, Attempt: 1, Status: task.Finished, Result: task.Result{ID: 1, Attempt: 1, Outcome: task.Succeeded, Value: v}}
		gotReceipt, err := through(t, fromReceipt(r)).toTask()
		same(t, gotReceipt, r, err)
	}
}

// What does not fit into one request is not sent, and its receipts say so.
func TestOrdersBeyondOneRequest(t *testing.T) {
	orders := make([]task.Order, 50)
	for i := range orders {
		// The worst: every byte is escaped sixfold.
		orders[i] = task.Order{ID: task.ID(i + 1), Attempt: 1, Kind: "k", Expression: strings.Repeat("\x01", 64<<10)}
	}
	body, sent := encodeOrders("i", orders)
	if sent == 0 || sent == len(orders) || len(body) > maxOrdersBytes || len(body) < maxOrdersBytes/2 {
		t.Fatalf("%d bytes, %d orders", len(body), sent)
	}
	var got ordersRequest
	if err := json.Unmarshal(body, &got); err != nil || len(got.Tasks) != sent {
		t.Fatalf("%d orders arrive, %v", len(got.Tasks), err)
	}
	var answer ordersAnswer
	for _, o := range got.Tasks {
		answer.Tasks = append(answer.Tasks, receipt{ID: o.ID, Attempt: o.Attempt, Status: "accepted"})
	}
	receipts, err := answer.receipts(orders, sent)
	if err != nil || len(receipts) != len(orders) {
		t.Fatalf("%d receipts, %v", len(receipts), err)
	}
	for i, r := range receipts {
		refused := r.Status == task.Refused && r.Reason == ReasonNotSent
		if r.ID != orders[i].ID || refused != (i >= sent) {
			t.Fatalf("receipt %d: %+v", i, r)
		}
	}

	if _, sent = encodeOrders("i", make([]task.Order, task.MaxSlots+5)); sent > task.MaxSlots {
		t.Fatalf("%d orders at once", sent)
	}
}

func FuzzParameters(f *testing.F) {
	f.Add([]byte(`{"x":4,"y":"a","z":true,"w":{"type":"number","text":"Inf"}}`))
	f.Add([]byte(`{"x":-0.0e+1,"":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var ps parameters
		if json.Unmarshal(data, &ps) != nil {
			return
		}
		if got := through(t, ps); !reflect.DeepEqual(got, ps) {
			t.Fatalf("%#v came back as %#v", ps, got)
		}
	})
}
