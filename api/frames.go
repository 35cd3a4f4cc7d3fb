package api

import (
	"encoding/json"
	"math/rand/v2"
	"sync"
	"time"
)

// What all readers of events of a master cost grows with their number times the
// events: 256 of them and 300 events a second are 77,000 deliveries a second. So an
// event is encoded once for all of them, and the more there are, the longer each
// collects before it sends.
const (
	// perReader is how much longer each reader collects for each reader that there is:
	// with 256 it is half a second.
	perReader = 2 * time.Millisecond
	// lateReaders is how many times longer readers collect while the loops run late,
	// and slowestStream bounds it.
	lateReaders   = 4
	slowestStream = 2 * time.Second
	// fewReaders send at once.
	fewReaders = 4

	maxFrames     = 2048
	maxFrameBytes = 4 << 20
)

// collecting is how long a reader waits from the first event that it does not have
// until it sends all that have come. Half of it is chance: readers that all waited for
// the same event don't all send at once.
func (s *server) collecting() time.Duration {
	n := len(s.streams)
	if n <= fewReaders {
		return 0
	}
	d := time.Duration(n) * perReader
	if s.Late != nil && s.Late() {
		d = min(slowestStream, lateReaders*d)
	}
	return d/2 + rand.N(d) //nolint:gosec // chance, not secrecy
}

// frame is an event as it is sent: a name, an id if it has one, and a line of JSON.
func frame(name, id string, data any) []byte {
	line, err := json.Marshal(data)
	if err != nil { // no value of the wire's can do that
		panic("api: an event can't be encoded: " + err.Error())
	}
	b := make([]byte, 0, len(line)+len(name)+len(id)+32)
	b = append(append(append(b, "event: "...), name...), '\n')
	if id != "" {
		b = append(append(append(b, "id: "...), id...), '\n')
	}
	return append(append(append(b, "data: "...), line...), '\n', '\n')
}

// frames are the newest events that were sent, by their place: each reader sends the
// same bytes. Both bounds hold together.
type frames struct {
	mu    sync.Mutex
	of    map[Place][]byte // under mu
	order []Place          // by age, under mu
	bytes int              // of all, under mu
}

// get returns the event at a place; encode makes it if nobody has sent it yet.
func (f *frames) get(at Place, encode func() []byte) []byte {
	f.mu.Lock()
	b, ok := f.of[at]
	f.mu.Unlock()
	if ok {
		return b
	}
	b = encode()
	f.mu.Lock()
	defer f.mu.Unlock()
	if first, ok := f.of[at]; ok {
		return first // another reader was as quick
	}
	if f.of == nil {
		f.of = map[Place][]byte{}
	}
	f.of[at], f.order, f.bytes = b, append(f.order, at), f.bytes+len(b)
	for len(f.order) > maxFrames || f.bytes > maxFrameBytes {
		f.bytes -= len(f.of[f.order[0]])
		delete(f.of, f.order[0])
		f.order = f.order[1:]
	}
	return b
}
