package link_test

import (
	"context"
	"fmt"
	"testing"

	"muster/task"
)

// accepting is a Reporter whose masters accept everything.
type accepting struct{}

func (accepting) Report(_ context.Context, r task.Report) ([]task.Verdict, error) {
	vs := make([]task.Verdict, len(r.Results))
	for i, res := range r.Results {
		vs[i] = task.Verdict{ID: res.ID, Attempt: res.Attempt}
	}
	return vs, nil
}

// BenchmarkSend is a round trip of POST /tasks over loopback, with the tasks
// accepted, run and acknowledged on the way.
func BenchmarkSend(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("orders=%d", n), func(b *testing.B) {
			url, s := serve(b, newWorker(b, 1<<12, accepting{})), newSender(b)
			orders := make([]task.Order, n)
			for i := range orders {
				orders[i] = task.Order{
					Attempt: 1, Kind: "echo", Expression: "2+3*x", TimeoutMS: 300_000,
					Parameters: []task.Parameter{{Name: "x", Value: task.Value{Type: task.Number, Text: "4"}}},
				}
			}
			id, sequence := task.ID(0), uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				for i := range orders {
					id++
					orders[i].ID = id
				}
				sequence++
				if _, _, err := s.Send(b.Context(), url, stamp(sequence), incarnation, orders); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/order")
		})
	}
}
