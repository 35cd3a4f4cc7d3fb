package api

import "testing"

// TestHotCallsAllocateLittle holds the calls of which there are most to a number of
// objects: unlike times, these are the same on every machine. The limits are a little
// above what is needed, as a collection of garbage empties the pools.
func TestHotCallsAllocateLittle(t *testing.T) {
	limits := map[string]float64{
		"submit":        22,   // a bare gin handler has 32
		"batch of 1000": 5200, // of each task its two texts' objects and three of its expression's check
		"results of 64": 155,
		"get":           9,
		"list of 100":   16,
	}
	for _, call := range hotCalls() {
		c := newCaller(t, New(Config{Backend: newInstant(), SelfURL: "http://m1"}), call)
		c.call() // fills what is kept for later calls
		got := testing.AllocsPerRun(20, c.call)
		if limit := limits[call.name]; got > slack*limit {
			t.Errorf("%s: %.0f objects, and the limit is %.0f", call.name, got, limit)
		}
		t.Logf("%s: %.0f objects", call.name, got)
	}
}
