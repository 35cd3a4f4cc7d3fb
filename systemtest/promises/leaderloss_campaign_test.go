package promises_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"muster/api/client"
)

// campaign is many faults at random moments, under load. Its length, in simulated
// minutes, is MUSTER_CAMPAIGN; its faults are drawn from MUSTER_CAMPAIGN_SEED,
// which does not repeat a run: Raft draws its own time-outs.
type campaign struct {
	*world
	draw     *rand.Rand // the story's goroutine's
	long     int        // of eight troubles, so many last long
	log      *journal
	troubles []*trouble // under way
	load     *load
}

// trouble is a master in trouble.
type trouble struct {
	master *master
	fault  fault
	ends   time.Time
}

// fault is one way of bringing a master into trouble. master.mend ends it.
type fault struct {
	name   string
	weight int
	strike func(m *master)
}

var faults = []fault{
	{"crash", 4, (*master).crash},
	{"vanish", 3, (*master).vanish},
	{"cut", 4, (*master).cut},
	{"alone", 3, (*master).alone},
	{"pause", 3, (*master).pause},
	{"deaf", 2, (*master).deaf},
	{"mute", 2, (*master).mute},
	{"resign", 2, (*master).resign},
}

// deaf holds back all that is sent to the master, except by the observer.
func (m *master) deaf() {
	m.between(func(from, to string, ports ...string) {
		if to == m.id {
			m.w.net.Block(from, to, ports...)
		}
	})
}

// mute holds back all that the master sends, except to the observer.
func (m *master) mute() {
	m.between(func(from, to string, ports ...string) {
		if from == m.id {
			m.w.net.Block(from, to, ports...)
		}
	})
}

// TestManyLossesAtRandomMoments brings masters into trouble at random moments,
// mostly the leader, mostly one at a time, and now and then a majority, while
// clients submit. In calm moments writes are accepted soon; at the end every
// promise is held against the evidence. That enough happened is checked, too.
func TestManyLossesAtRandomMoments(t *testing.T) {
	minutes, seed := fromEnv(t, "MUSTER_CAMPAIGN", 1), fromEnv(t, "MUSTER_CAMPAIGN_SEED", rand.Uint64()>>1)
	log, draw := newJournal(t), rand.New(rand.NewPCG(seed, seed))
	o := options{questionTTL: time.Duration(draw.IntN(2)) * time.Second, snapshots: 15 + draw.Uint64N(50), logs: log}
	with(t, o, func(w *world) {
		log.tell("seed %d", seed)
		w.t.Cleanup(func() { log.show(w.t) })
		c := &campaign{world: w, log: log, draw: draw, long: draw.IntN(4)}
		c.run(time.Duration(minutes) * time.Minute)
		c.enough(int(minutes))
	})
}

func fromEnv(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// run lets faults happen for d, then ends the load.
func (c *campaign) run(d time.Duration) {
	c.t.Helper()
	c.formed(3)
	for i := range 3 {
		c.slave(fmt.Sprintf("slave-%d", i+1), 1+c.draw.IntN(4))
	}
	c.load = startLoad(c.world, c.log, 5, c.draw.Uint64())
	end := time.Now().Add(d)
	calm := c.nextCalm()
	for time.Now().Before(end) {
		c.sleep(c.between(100*time.Millisecond, 1500*time.Millisecond))
		c.mendDue(time.Now())
		c.lookAfter()
		switch {
		case time.Now().After(calm):
			c.calm()
			calm = c.nextCalm()
		case len(c.troubles) < c.bearable():
			c.strike()
		}
	}
	c.calm()
	c.load.end()
}

func (c *campaign) nextCalm() time.Time {
	return time.Now().Add(c.between(10*time.Second, 40*time.Second))
}

func (c *campaign) between(low, high time.Duration) time.Duration {
	return low + time.Duration(c.draw.Int64N(int64(high-low)))
}

// bearable is how many masters may be in trouble now: mostly a minority.
func (c *campaign) bearable() int {
	switch n := c.draw.IntN(40); {
	case n < 36:
		return 1
	case n < 39:
		return 2
	default:
		return 3
	}
}

// strike brings a master into trouble, or leadership from one to another, or a
// slave to its end.
func (c *campaign) strike() {
	m := c.victim()
	if m == nil {
		return
	}
	switch n := c.draw.IntN(20); {
	case n < 3:
		c.transfer(m)
		return
	case n < 5:
		c.strikeSlave()
		return
	}
	f := c.fault()
	lasts := c.between(50*time.Millisecond, time.Second)
	switch n := c.draw.IntN(8); {
	case n < c.long:
		lasts = c.between(15*time.Second, 60*time.Second) // it will need a snapshot
	case n < c.long+4:
		lasts = c.between(time.Second, 12*time.Second)
	}
	c.log.tell("%s %s for %v", f.name, m.id, lasts)
	f.strike(m)
	c.troubles = append(c.troubles, &trouble{master: m, fault: f, ends: time.Now().Add(lasts)})
}

// strikeSlave restarts a slave, or lets it be silent for a while.
func (c *campaign) strikeSlave() {
	s := c.slaves[c.draw.IntN(len(c.slaves))]
	switch c.draw.IntN(4) {
	case 0:
		c.log.tell("slave restart %s", s.name)
		s.crash()
		s.start()
	case 1:
		c.log.tell("slave deaf %s", s.name)
		s.deaf()
	case 2:
		c.log.tell("slave mute %s", s.name)
		s.mute()
	default:
		c.log.tell("slave pause %s", s.name)
		s.pause()
	}
	time.AfterFunc(c.between(time.Second, 8*time.Second), s.heal)
}

func (c *campaign) fault() fault {
	all := 0
	for _, f := range faults {
		all += f.weight
	}
	n := c.draw.IntN(all)
	for _, f := range faults {
		if n -= f.weight; n < 0 {
			return f
		}
	}
	return faults[0]
}

// victim is the master that leads, or another; nil: it is in trouble already.
func (c *campaign) victim() *master {
	m := c.masters[c.draw.IntN(len(c.masters))]
	if leader := c.leads(); leader != nil && c.draw.IntN(3) > 0 {
		m = leader
	}
	for _, t := range c.troubles {
		if t.master == m {
			return nil
		}
	}
	return m
}

// leads returns the master that leads in the highest term, or nil.
func (c *campaign) leads() (leader *master) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	highest := uint64(0)
	for _, m := range c.running() {
		if s, err := c.observer.api.Status(ctx, m.url(), false); err == nil && s.Role == "leader" && s.Term > highest {
			leader, highest = m, s.Term
		}
	}
	return leader
}

// transfer hands leadership to the master, or to the one after it.
func (c *campaign) transfer(m *master) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if c.leads() == m {
		m = c.masters[(c.draw.IntN(2)+1)%3]
	}
	_, err := c.observer.api.TransferLeadership(ctx, m.id)
	c.log.tell("transfer to %s: %v", m.id, err)
}

// mendDue ends the troubles whose time is over.
func (c *campaign) mendDue(now time.Time) {
	var left []*trouble
	for _, t := range c.troubles {
		if now.Before(t.ends) {
			left = append(left, t)
			continue
		}
		c.log.tell("mend %s (%s)", t.master.id, t.fault.name)
		t.master.mend()
	}
	if len(left) < len(c.troubles) {
		for _, t := range left { // mending one connected it to the others
			if t.master.process != nil {
				t.fault.strike(t.master)
			}
		}
	}
	c.troubles = left
}

// lookAfter starts masters that gave up, as whoever watches processes would.
func (c *campaign) lookAfter() {
	for _, m := range c.masters {
		if m.process != nil && m.hasEnded() {
			c.log.tell("%s gave up: %v", m.id, m.ends())
			m.start()
		}
	}
}

// calm ends all troubles and checks that a write is accepted soon.
func (c *campaign) calm() {
	c.t.Helper()
	c.mendDue(time.Now().Add(time.Hour))
	c.lookAfter()
	healed := time.Now()
	j := c.client.sleeping(0)
	j.maxTries = 100
	hasty := c.client.hasty(c.masters...)
	c.await("a write to be accepted", func(ctx context.Context) error {
		c.lookAfter()
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		_, err := c.client.try(ctx, hasty, j)
		switch {
		case code(err) == client.CodeFullCapacity:
			return nil // said by a leader that has taken over
		case err != nil:
			c.log.tell("calm: %v", err)
		}
		return err
	})
	gap := time.Since(healed)
	c.log.tell("calm: accepted after %v", gap)
	if gap > 5*time.Second {
		c.t.Errorf("a write was accepted %v after all was mended", gap)
	}
}

// enough checks that the campaign was one.
func (c *campaign) enough(minutes int) {
	c.t.Helper()
	c.log.atLeast(c.t, 5*minutes, "msg: leading")
	c.log.atLeast(c.t, 60*minutes, "acknowledged")
	c.log.atLeast(c.t, minutes, "unknown")
	c.log.atLeast(c.t, 2*minutes, "calm: accepted")
	if minutes < 5 {
		return
	}
	c.log.atLeast(c.t, minutes/10, "msg: raft: Installed remote snapshot")
	c.log.atLeast(c.t, minutes/3, "transfer")
	c.log.atLeast(c.t, minutes/3, "slave")
	for _, f := range faults {
		c.log.atLeast(c.t, minutes*f.weight/10, f.name)
	}
}
