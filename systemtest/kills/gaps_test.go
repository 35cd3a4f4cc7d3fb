package kills_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// distribution is many measurements of one thing.
type distribution []time.Duration

// quantile is the smallest measurement that a share q of all does not exceed.
func (d distribution) quantile(q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	n := int(q * float64(len(sorted)))
	if float64(n) < q*float64(len(sorted)) {
		n++
	}
	return sorted[min(max(n, 1), len(sorted))-1]
}

// String is the distribution in one line.
func (d distribution) String() string {
	ms := func(q float64) int64 { return d.quantile(q).Milliseconds() }
	return fmt.Sprintf("min %d ms, median %d ms, p90 %d ms, p99 %d ms, max %d ms (of %d)", ms(0), ms(0.5), ms(0.9), ms(0.99), ms(1), len(d))
}

func TestDistribution(t *testing.T) {
	var d distribution
	for i := 100; i >= 1; i-- {
		d = append(d, time.Duration(i)*time.Millisecond)
	}
	if got, want := d.String(), "min 1 ms, median 50 ms, p90 90 ms, p99 99 ms, max 100 ms (of 100)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := d[:3].String(), "min 98 ms, median 99 ms, p90 100 ms, p99 100 ms, max 100 ms (of 3)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
