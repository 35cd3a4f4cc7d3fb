package store

import (
	"log/slog"
	"testing"
)

func TestALowDiskNeedsAQuarterMoreToHaveSpace(t *testing.T) {
	var free uint64
	g := &Space{Min: 100, Free: func(string) (uint64, error) { return free, nil }, Logger: slog.New(slog.DiscardHandler)}
	for _, x := range []struct {
		free uint64
		low  bool
	}{{124, false}, {100, false}, {99, true}, {100, true}, {124, true}, {125, false}, {100, false}} {
		free = x.free
		if g.Look(); g.Low() != x.low {
			t.Errorf("with %d bytes: low is %v", x.free, !x.low)
		}
	}
}
