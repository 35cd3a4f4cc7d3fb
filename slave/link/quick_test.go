package link

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"muster/api/wire"
	"muster/task"
)

// slowly reads orders as they are read that don't look as append.go writes them.
func slowly(text []byte) (incarnation string, orders []task.Order, err error) {
	var body ordersRequest
	if err := json.Unmarshal(text, &body); err != nil {
		return "", nil, err
	}
	if err := checkFields(text); err != nil {
		return "", nil, err
	}
	if at := wire.LoneSurrogate(text); at >= 0 {
		return "", nil, fmt.Errorf("half of a character at %d", at)
	}
	orders, err = body.orders()
	return body.Incarnation, orders, err
}

// checkOrders: what is read quickly is what would be read slowly.
func checkOrders(t *testing.T, text []byte) (quickly bool) {
	t.Helper()
	incarnation, orders, ok := quickOrders(text)
	if !ok {
		return false
	}
	wantIncarnation, want, err := slowly(text)
	if err != nil || incarnation != wantIncarnation || len(orders) != len(want) {
		t.Errorf("%.200q is read quickly as %q, %.200v, and slowly as %q, %.200v, %v", text, incarnation, orders, wantIncarnation, want, err)
		return true
	}
	for i := range want {
		got := orders[i]
		if len(got.Parameters) == 0 && len(want[i].Parameters) == 0 {
			got.Parameters = want[i].Parameters
		}
		if !reflect.DeepEqual(got, want[i]) {
			t.Errorf("%.200q: order %d is read quickly as %+v, and slowly as %+v", text, i, got, want[i])
		}
	}
	return true
}

// checkAnswers: as checkOrders, for both kinds of answers.
func checkAnswers(t *testing.T, text string) (quickly bool) {
	t.Helper()
	var word, wantWord availability
	if word.quickly(text) {
		quickly = true
		if err := json.Unmarshal([]byte(text), &wantWord); err != nil || !reflect.DeepEqual(word, wantWord) {
			t.Errorf("%.200q is read quickly as %+v, and slowly as %+v, %v", text, word, wantWord, err)
		}
	}
	var answer, want ordersAnswer
	if answer.quickly(text) {
		quickly = true
		if err := json.Unmarshal([]byte(text), &want); err != nil || !reflect.DeepEqual(answer, want) {
			t.Errorf("%.200q is read quickly as %+v, and slowly as %+v, %v", text, answer, want, err)
		}
	}
	return quickly
}

// sample are orders of all sorts.
func sample() []task.Order {
	num := func(text string) task.Value { return task.Value{Type: task.Number, Text: text} }
	return []task.Order{
		{ID: 1, Attempt: 1, Kind: "expression", Expression: "2+3*x", Parameters: []task.Parameter{{Name: "x", Value: num("4")}}, TimeoutMS: 300_000},
		{ID: 1<<64 - 1, Attempt: 1<<32 - 1, Kind: "k", TimeoutMS: 1<<63 - 1},
		{ID: 3, Attempt: 2, Kind: "é", Expression: `x == "a\b" && y < 'ü'`, Parameters: []task.Parameter{
			{Name: "a", Value: num("-1.50e+3")}, {Name: "b", Value: task.Value{Type: task.Boolean, Text: "true"}}, {Name: "c", Value: task.Value{Type: task.String, Text: "/\"\\"}},
		}},
	}
}

// TestOwnMessagesAreReadQuickly: what this package writes, it reads without
// encoding/json, and encoding/json reads the same.
func TestOwnMessagesAreReadQuickly(t *testing.T) {
	body, sent := encodeOrders("0123456789abcdef", sample())
	if sent != 3 || !checkOrders(t, body) {
		t.Errorf("%d orders were sent, and not read quickly: %s", sent, body)
	}
	if body, _ := encodeOrders("i", nil); !checkOrders(t, body) {
		t.Errorf("no orders are not read quickly: %s", body)
	}
	a := task.Availability{Incarnation: "0123456789abcdef", Counter: 1<<64 - 1, Free: 3, Slots: task.MaxSlots}
	if text := string(appendAvailability(nil, &a)) + "}\n"; !checkAnswers(t, text) {
		t.Errorf("not read quickly: %s", text)
	}
	receipts := []task.Receipt{
		{ID: 1, Attempt: 1, Status: task.Accepted},
		{ID: 2, Attempt: 1, Status: task.Refused, Reason: task.ReasonNoSlot},
		{ID: 3, Attempt: 1, Status: task.Finished, Result: task.Result{ID: 3, Attempt: 1, Outcome: task.Failed, Error: `it is "wrong"`, Retryable: true}},
		{ID: 4, Attempt: 1, Status: task.Finished, Result: task.Result{ID: 4, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.String, Text: "<ä>"}}},
	}
	text := appendAvailability(nil, &a)
	for i := range receipts {
		text = append(text, []string{`,"tasks":[`, `,`}[min(i, 1)]...)
		one := appendReceipt(nil, &receipts[i])
		text = append(text, one...)
		var got receipt
		if err := json.Unmarshal(one, &got); err != nil || got != fromReceipt(receipts[i]) {
			t.Errorf("%+v is written as %s: %+v, %v", receipts[i], one, got, err)
		}
	}
	if text := string(text) + "]}\n"; !checkAnswers(t, text) {
		t.Errorf("not read quickly: %s", text)
	}
}

// TestOtherMessagesAreLeftToTheChecks changes one thing of a good message.
func TestOtherMessagesAreLeftToTheChecks(t *testing.T) {
	good := `{"incarnation":"i","tasks":[{"id":1,"attempt":1,"kind":"k","expression":"e","parameters":{"a":1,"b":2},"timeout_ms":1}]}`
	if !checkOrders(t, []byte(good)) {
		t.Fatal("the good one is not read")
	}
	for _, change := range [][2]string{
		{`"id":1`, `"id":0`},
		{`"id":1`, `"id":01`},
		{`"id":1`, `"id":-1`},
		{`"id":1`, `"id":1.0`},
		{`"id":1`, `"id":18446744073709551616`},
		{`"id":1`, `"id":1,"id":2`},
		{`"id":1`, `"ID":1`},
		{`"id":1`, `"id": 1`},
		{`"attempt":1`, `"attempt":4294967296`},
		{`"attempt":1`, `"attempt":0`},
		{`"k"`, `""`},
		{`"e"`, `null`},
		{`"e"`, `"\ud800"`},
		{`"e"`, `"` + "\x01" + `"`},
		{`"e"`, `"` + "\xff" + `"`},
		{`"e"`, `"\x"`},
		{`"b":2`, `"a":2`},
		{`"a":1`, `"c":1`},
		{`"a":1`, `"a":01`},
		{`"a":1`, `"a":1x`},
		{`"a":1`, `"a":`},
		{`"a":1`, `"a":null`},
		{`"a":1`, `"a":{}`},
		{`"a":1`, `"a":trueish`},
		{`"a":1`, `"a":1,`},
		{`:1}]`, `:-1}]`},
		{`:1}]`, `:9223372036854775808}]`},
		{`:1}]`, `:1,"new":1}]`},
		{`]}`, `],"tasks":[]}`},
		{`]}`, `]}x`},
		{`]}`, `]`},
		{`"i"`, `""`},
		{`[{`, `[,{`},
		{`}]}`, `},]}`},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("nothing is changed by %q", change)
		}
		if checkOrders(t, []byte(text)) {
			t.Errorf("read quickly: %s", text)
		}
	}
}

func FuzzQuick(f *testing.F) {
	body, _ := encodeOrders("0123456789abcdef", sample())
	f.Add(body)
	a := task.Availability{Incarnation: "i", Counter: 1, Free: 1, Slots: 2}
	f.Add(append(appendAvailability(nil, &a), `,"tasks":[{"id":1,"attempt":1,"status":"finished","outcome":"succeeded","result":"\u0000","result_type":"string","retryable":true}]}`...))
	f.Fuzz(func(t *testing.T, text []byte) {
		checkOrders(t, text)
		checkAnswers(t, string(text))
	})
}
