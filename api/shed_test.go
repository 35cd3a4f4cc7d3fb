package api

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// flood is clients that submit without a pause, in a time of its own: each is answered,
// and a moment later it is there again. Their tasks have a few slots.
type flood struct {
	chance   *rand.Rand
	shed     *shedder
	clients  arrivals
	slots    []time.Time // when each is free
	took     time.Duration
	accepted int
	refusals []time.Duration // until each refusal was said
}

type arrival struct {
	at    time.Time
	again time.Time // when the client was told to come again
	ends  bool      // it waited because it was early, and now is told
	since time.Time
}

type arrivals []arrival

func (a arrivals) Len() int           { return len(a) }
func (a arrivals) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a arrivals) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)        { *a = append(*a, x.(arrival)) }
func (a *arrivals) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

// newFlood has a task keep one of eight slots for 15 ms.
func newFlood(clients int, late func() bool) *flood {
	f := &flood{chance: rand.New(rand.NewPCG(1, 2)), shed: newShedder(late), slots: make([]time.Time, 8)}
	start := time.Unix(0, 0)
	f.shed.share.stepped = start
	for range clients {
		f.clients = append(f.clients, arrival{at: start.Add(time.Duration(f.chance.Int64N(int64(time.Millisecond)))), since: start})
	}
	heap.Init(&f.clients)
	return f
}

// run lets so much time pass, and forgets the first of it.
func (f *flood) run(d, forget time.Duration) {
	begin, end := time.Unix(0, 0).Add(forget), time.Unix(0, 0).Add(d)
	f.took = d - forget
	for f.clients[0].at.Before(end) {
		a, _ := heap.Pop(&f.clients).(arrival)
		counts := a.at.After(begin)
		if a.ends {
			f.shed.early--
			f.refuse(a, a.at, counts)
			continue
		}
		wait, turn := f.shed.queue(a.at)
		switch {
		case !turn && a.again.After(a.at):
			f.shed.early++
			a.at, a.ends = a.again.Add(time.Duration(f.chance.Int64N(int64(a.again.Sub(a.at)/2)+1))), true
			heap.Push(&f.clients, a)
		case !turn:
			f.refuse(a, a.at, counts)
		default:
			f.try(a, a.at.Add(wait), counts)
		}
	}
}

// try submits at a time that is a little later than all that came before.
func (f *flood) try(a arrival, at time.Time, counts bool) {
	for i, free := range f.slots {
		if !free.After(at) {
			f.slots[i] = at.Add(15 * time.Millisecond)
			f.shed.decided(false)
			if counts {
				f.accepted++
			}
			f.comesBack(at.Add(10*time.Millisecond), time.Time{})
			return
		}
	}
	f.refuse(a, at, counts)
}

func (f *flood) refuse(a arrival, at time.Time, counts bool) {
	f.shed.decided(true)
	if counts {
		f.refusals = append(f.refusals, at.Sub(a.since))
	}
	f.comesBack(at, at.Add(f.shed.comeAgain()))
}

func (f *flood) comesBack(at, again time.Time) {
	at = at.Add(100*time.Microsecond + time.Duration(f.chance.Int64N(int64(time.Millisecond))))
	heap.Push(&f.clients, arrival{at: at, since: at, again: again})
}

func (f *flood) median() time.Duration {
	slices.Sort(f.refusals)
	return f.refusals[len(f.refusals)/2]
}

// TestManyClientsWithoutAPauseGetAsMuchDoneAsFew holds two thousand against sixteen,
// and bounds what is said to those that come too early.
func TestManyClientsWithoutAPauseGetAsMuchDoneAsFew(t *testing.T) {
	few := newFlood(16, nil)
	few.run(12*time.Second, 2*time.Second)
	for _, clients := range []int{64, 2000, 20_000} {
		many := newFlood(clients, nil)
		many.run(32*time.Second, 22*time.Second)
		if many.accepted < few.accepted*9/10 {
			t.Errorf("%d clients: %d accepted, few clients have %d", clients, many.accepted, few.accepted)
		}
		perSecond := float64(len(many.refusals)) / many.took.Seconds()
		early := max(mostEarly, float64(clients)/latest.Seconds())
		if most := 1.1 * (mostRefusals + early); perSecond > most {
			t.Errorf("%d clients: %.0f refusals a second, want at most %.0f", clients, perSecond, most)
		}
		if median := many.median(); median > 50*time.Millisecond {
			t.Errorf("%d clients: half of the refusals take more than %s", clients, median)
		}
	}
}

// TestRefusalsBecomeFewerWhileTheLoopsRunLate has a master that is late all the time.
func TestRefusalsBecomeFewerWhileTheLoopsRunLate(t *testing.T) {
	f := newFlood(2000, func() bool { return true })
	f.run(32*time.Second, 22*time.Second)
	perSecond := float64(len(f.refusals)) / f.took.Seconds()
	if most := leastPace*mostRefusals + 200.; perSecond > most { // no client waits longer than latest
		t.Errorf("%.0f refusals a second, want at most %.0f", perSecond, most)
	}
	if f.accepted < 10*int(f.took/time.Second) {
		t.Errorf("%d accepted in %s", f.accepted, f.took)
	}
}

func TestNobodyWaitsWhileSubmitsAreAccepted(t *testing.T) {
	s, now := newShedder(nil), time.Unix(0, 0)
	for i := range 100_000 { // all at once
		if wait, turn := s.queue(now); wait > 0 || !turn {
			t.Fatalf("submit %d waits %s, turn: %t", i, wait, turn)
		}
		s.decided(false)
	}
}

func TestTheShareFallsWhileTheLoopsRunLateAndComesBack(t *testing.T) {
	late := true
	s, now := newShedder(func() bool { return late }), time.Unix(0, 0)
	room := func() (n int) {
		for s.enter(now) {
			n++
		}
		for range n {
			s.leave()
		}
		return n
	}
	for i, want := range []int{716, 501, 351, 245, 172, 120, 84, 64, 64} {
		now = now.Add(shareStep)
		if got := room(); got != want {
			t.Errorf("after %d steps there is room for %d, want %d", i+1, got, want)
		}
	}
	late = false
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{shareStep, 96}, {shareStep, 128}, {10 * shareStep, 448}, {time.Hour, 1024}} {
		now = now.Add(step.after)
		if got := room(); got != step.want {
			t.Errorf("there is room for %d, want %d", got, step.want)
		}
	}
}

// TestSubmitsThatWaitAreBounded: each keeps a connection.
func TestSubmitsThatWaitAreBounded(t *testing.T) {
	s := newShedder(nil)
	var over func()
	for n := range mostHeld {
		end, ok := s.wait()
		if !ok {
			t.Fatalf("number %d may not wait", n+1)
		}
		over = end
	}
	if _, ok := s.wait(); ok {
		t.Errorf("more than %d wait", mostHeld)
	}
	over()
	if _, ok := s.wait(); !ok {
		t.Error("nobody may wait in the place of one that has ended")
	}
}
