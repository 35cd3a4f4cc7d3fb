package commit

import (
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
)

func TestEntriesInFlightAreCounted(t *testing.T) {
	withCommitter(t, func(b *bench) {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(b.c.metrics.inFlight)
		inFlight := func(want float64) {
			b.t.Helper()
			synctest.Wait()
			families, err := registry.Gather()
			if err != nil {
				b.t.Fatal(err)
			}
			if got := families[0].GetMetric()[0].GetGauge().GetValue(); got != want {
				b.t.Errorf("%v entries are in flight, want %v", got, want)
			}
		}
		inFlight(0)
		b.propose(b.t.Context(), "a")
		inFlight(1)
		b.propose(b.t.Context(), "b")
		b.propose(b.t.Context(), "c") // waits for one of the two
		inFlight(2)
		sent := b.log.sent()
		sent[0].fail(raft.ErrLeadershipLost)
		inFlight(2) // b and c
		sent[1].commit()
		inFlight(1)
		b.commitAll()
		inFlight(0)
	})
}
