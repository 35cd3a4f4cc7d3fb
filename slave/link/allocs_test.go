package link

import (
	"testing"

	"muster/task"
)

// Objects that a send of 64 tasks may allocate, besides those of net/http. These counts
// don't depend on the machine.
func TestASendAllocatesLittle(t *testing.T) {
	const n = 64
	orders := make([]task.Order, n)
	receipts := make([]task.Receipt, n)
	for i := range orders {
		orders[i] = sample()[0]
		orders[i].ID = task.ID(i + 1)
		receipts[i] = task.Receipt{ID: orders[i].ID, Attempt: 1, Status: task.Accepted}
	}
	body, _ := encodeOrders("0123456789abcdef", orders)
	a := task.Availability{Incarnation: "0123456789abcdef", Counter: 1, Free: 1, Slots: n}
	answer := appendAvailability(nil, &a)
	for i := range receipts {
		answer = append(answer, []string{`,"tasks":[`, `,`}[min(i, 1)]...)
		answer = appendReceipt(answer, &receipts[i])
	}
	answer = append(answer, "]}\n"...)
	text := string(answer)
	for _, c := range []struct {
		what string
		most float64
		do   func() bool
	}{
		{"writing the orders", 2, func() bool { _, sent := encodeOrders("0123456789abcdef", orders); return sent == n }},
		{"reading the orders", n + 3, func() bool { _, _, ok := quickOrders(body); return ok }}, // each has parameters
		{"writing the receipts", 0, func() bool { answer = appendReceipt(answer[:0], &receipts[0]); return true }},
		{"reading the receipts", 6, func() bool { return new(ordersAnswer).quickly(text) }},
	} {
		if got := testing.AllocsPerRun(10, func() {
			if !c.do() {
				t.Errorf("%s failed", c.what)
			}
		}); got > c.most {
			t.Errorf("%s of %d tasks allocates %v objects, at most %v are possible", c.what, n, got, c.most)
		}
	}
}
