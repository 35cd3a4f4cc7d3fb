package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// room is how many bytes may be allocated between two collections of a large heap, as
	// long as that is between leastPercent and mostPercent of it.
	room = 64 << 20

	// No more than 1/machineShare of the machine's memory is room.
	machineShare = 32

	// leastPercent is how much a large heap may grow between two collections. Of what a
	// master keeps most has no pointers in it, so that a collection is cheap.
	leastPercent = 25

	// mostPercent is Go's own setting.
	mostPercent = 100
)

// Tune sets what the environment does not: a limit of three quarters of the memory, in bytes,
// that this process may use (0: not known), at which the collector works as hard as it can
// (GOMEMLIMIT), and after each collection how much may be allocated until the next
// (GOGC). It goes on until stop is called, which restores what was.
func Tune(memory uint64, getenv func(string) string) (stop func()) {
	var undo []func()
	if getenv("GOMEMLIMIT") == "" && memory > 0 {
		before := debug.SetMemoryLimit(int64(memory / 4 * 3))
		undo = append(undo, func() { debug.SetMemoryLimit(before) })
	}
	if getenv("GOGC") == "" {
		p := &pacer{room: room}
		if memory > 0 {
			p.room = min(room, memory/machineShare)
		}
		p.ballast = make([]byte, p.room/2)
		p.start()
		undo = append(undo, p.stop)
	}
	return func() {
		for _, u := range undo {
			u()
		}
	}
}

// pacer follows the collector.
type pacer struct {
	room uint64

	// ballast, half as large as room, is a block that nobody uses. It takes no memory, because
	// nobody has written to it, and the collector counts it as what lives: so a heap of a few
	// megabytes is collected when so much has been added to it, and not when it has doubled. A
	// high percentage would do the same until a heap grows at once, as with a thousand new
	// connections: the collector takes the percentage of the new size before it hears of another.
	ballast []byte

	mu      sync.Mutex
	before  int // the percentage that it found
	percent int // that it has set
	stopped bool
}

func (p *pacer) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = debug.SetGCPercent(mostPercent)
	p.percent = mostPercent
	p.watch()
}

func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	debug.SetGCPercent(p.before)
}

// watch has collected called after the next collection.
func (p *pacer) watch() {
	// Not so small that it shares its memory with others, which may live on.
	type sentinel [64]byte
	runtime.AddCleanup(new(sentinel), (*pacer).collected, p)
}

// collected is called by the runtime after a collection.
func (p *pacer) collected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.adjust()
	p.watch()
}

// adjust sets the percentage for what the last collection left. That stops the world for a
// moment, so it is not done for little.
func (p *pacer) adjust() {
	percent := percentFor(base(), p.room)
	if max(percent, p.percent)-min(percent, p.percent) <= p.percent/8 {
		return
	}
	p.percent = percent
	debug.SetGCPercent(percent)
}

// percentFor is the percentage of base that leaves room.
func percentFor(base, room uint64) int {
	return int(min(max(room*100/max(base, 1), leastPercent), mostPercent))
}

// base is what the collector takes its percentage of: what lived after the last collection, and
// what it begins to look from.
func base() uint64 {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/gc/scan/stack:bytes"},
		{Name: "/gc/scan/globals:bytes"},
	}
	metrics.Read(samples)
	var sum uint64
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
