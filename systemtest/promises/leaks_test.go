package promises_test

import (
	"runtime"
	"testing"
	"time"
)

// TestNothingIsLeft lets a cluster live through many failovers and restarts, and
// compares what it holds at rest with what it held at rest before.
func TestNothingIsLeft(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 4)
		w.slave("slave-2", 4)
		const rounds, tasks = 3, 40
		round := func() {
			for i := range tasks {
				w.client.submit(time.Duration(i%3) * 100 * time.Millisecond)
			}
			leader := w.leader()
			leader.crash()
			w.client.submit(time.Second)
			leader.start()
			w.ready()
			w.slaves[0].crash()
			w.client.submit(time.Second)
			w.slaves[0].restart()
			w.sleep(100 * time.Second) // idle connections end after 90 s
		}
		round()
		before := w.atRest()
		for range rounds {
			round()
		}
		after := w.atRest()
		if after.goroutines > before.goroutines+10 {
			w.t.Errorf("%d goroutines, %d before", after.goroutines, before.goroutines)
		}
		if after.descriptors > before.descriptors {
			w.t.Errorf("%d descriptors, %d before", after.descriptors, before.descriptors)
		}
		// Every task stays, in three masters, in the evidence, and in the logs' caches.
		if most := before.heap + rounds*(tasks+2)*16<<10; after.heap > most {
			w.t.Errorf("%d bytes of heap, %d before", after.heap, before.heap)
		}
		w.t.Logf("before %+v, after %+v", before, after)
	})
}

// rest is what a process holds.
type rest struct {
	goroutines, descriptors int
	heap                    uint64
}

func (w *world) atRest() rest {
	w.t.Helper()
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return rest{runtime.NumGoroutine(), descriptors(w.t), m.HeapAlloc}
}
