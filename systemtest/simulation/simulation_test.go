package simulation

import (
	"flag"
	"strings"
	"sync/atomic"
	"testing"
)

var (
	seed = flag.Uint64("simulation.seed", 0, "run this seed alone, and print its trace")
	runs = flag.Int("simulation.runs", 0, "run so many seeds, from 1; 0 for as many as the race detector leaves time for")
)

const (
	manyRuns = 2000
	raceRuns = 200
	// parts share the seeds, and run side by side.
	parts = 4
)

// TestManyRunsFromTheirSeeds runs the scheduler through what a seed says. The first
// script that is seen to fail is made shorter.
func TestManyRunsFromTheirSeeds(t *testing.T) {
	if *seed != 0 {
		one(t, *seed)
		return
	}
	n := *runs
	if n == 0 {
		if n = manyRuns; raceDetector {
			n = raceRuns
		}
	}
	var steps, turns, tasks, elections atomic.Int64
	var failed atomic.Bool
	t.Run("parts", func(t *testing.T) {
		for part := range parts {
			t.Run(string(rune('a'+part)), func(t *testing.T) {
				t.Parallel()
				for s := 1 + part; s <= n && !failed.Load(); s += parts {
					r := simulate(newScript(uint64(s)), newTrace(false, false))
					if r.failure != "" {
						if failed.CompareAndSwap(false, true) {
							explain(t, uint64(s), r.failure)
						}
						return
					}
					steps.Add(int64(r.steps))
					turns.Add(int64(r.turns))
					tasks.Add(int64(r.tasks))
					elections.Add(int64(r.elections))
				}
			})
		}
	})
	t.Logf("%d runs: %d steps, %d turns of cores, %d tasks, %d leaders", n, steps.Load(), turns.Load(), tasks.Load(), elections.Load())
	// Runs in which little happens find little.
	if n, least := int64(n), int64(20); !t.Failed() && (tasks.Load() < n*least || elections.Load() < 2*n || turns.Load() < 100*n) {
		t.Error("that is too little for so many runs")
	}
}

// one runs a seed, and prints its trace.
func one(t *testing.T, seed uint64) {
	t.Helper()
	s := newScript(seed)
	r := simulate(s, newTrace(true, true))
	t.Logf("%v%s", s, r.trace.text())
	if r.failure != "" {
		explain(t, seed, r.failure)
	}
}

// explain prints a failing seed, and the shortest script that was found to fail.
func explain(t *testing.T, seed uint64, failure string) {
	t.Helper()
	short := shrink(newScript(seed))
	r := simulate(short, newTrace(true, true))
	lines := r.trace.lines
	const most = 400
	if left := len(lines) - most; left > 0 {
		lines = append([]string{"…"}, lines[left:]...)
	}
	t.Errorf("seed %d: %s\n\nrepeat it: go test ./systemtest/simulation -run TestManyRunsFromTheirSeeds -simulation.seed=%d\n\nmade shorter, it fails by: %s\n%v\n%s",
		seed, failure, seed, r.failure, short, strings.Join(lines, "\n"))
}

// TestARunIsTheSameAgain compares two runs of a seed, byte by byte: whatever hangs on the
// order of a map would differ.
func TestARunIsTheSameAgain(t *testing.T) {
	n := 60
	if raceDetector {
		n = 15
	}
	for s := range uint64(n) {
		first, again := simulate(newScript(s+1), newTrace(true, true)), simulate(newScript(s+1), newTrace(true, true))
		if first.trace.hash() == again.trace.hash() && first.fingerprint == again.fingerprint {
			continue
		}
		for i, line := range first.trace.lines {
			if i >= len(again.trace.lines) || again.trace.lines[i] != line {
				t.Fatalf("seed %d: line %d of the trace differs:\n%s\n%s", s+1, i, line, strings.Join(again.trace.lines[i:min(i+1, len(again.trace.lines))], ""))
			}
		}
		t.Fatalf("seed %d: the traces or the states at their ends differ", s+1)
	}
}
