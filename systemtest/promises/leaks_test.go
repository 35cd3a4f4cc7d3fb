package promises_test

import (
	"runtime"
	"testing"
	"time"

	"muster/systemtest/promises/story"
)

// TestNothingIsLeft lets a cluster live through many failovers and restarts, and
// compares what it holds at rest with what it held at rest before.
func TestNothingIsLeft(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 4)
		w.Slave("slave-2", 4)
		const rounds, tasks = 3, 40
		round := func() {
			for i := range tasks {
				w.Client.Submit(time.Duration(i%3) * 100 * time.Millisecond)
			}
			leader := w.Leader()
			leader.Crash()
			w.Client.Submit(time.Second)
			leader.Start()
			w.Ready()
			w.Slaves[0].Crash()
			w.Client.Submit(time.Second)
			w.Slaves[0].Restart()
			w.Sleep(100 * time.Second) // idle connections end after 90 s
		}
		round()
		before := atRest(w)
		for range rounds {
			round()
		}
		after := atRest(w)
		if after.goroutines > before.goroutines+10 {
			w.T.Errorf("%d goroutines, %d before", after.goroutines, before.goroutines)
		}
		if after.descriptors > before.descriptors {
			w.T.Errorf("%d descriptors, %d before", after.descriptors, before.descriptors)
		}
		// Every task stays, in three masters, in the evidence, and in the logs' caches.
		if most := before.heap + rounds*(tasks+2)*16<<10; after.heap > most {
			w.T.Errorf("%d bytes of heap, %d before", after.heap, before.heap)
		}
		w.T.Logf("before %+v, after %+v", before, after)
	})
}

// rest is what a process holds.
type rest struct {
	goroutines, descriptors int
	heap                    uint64
}

func atRest(w *story.World) rest {
	w.T.Helper()
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return rest{runtime.NumGoroutine(), story.Descriptors(w.T), m.HeapAlloc}
}
