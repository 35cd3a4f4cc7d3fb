package random_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/promises/story"
)

// campaign is many faults at random moments, under load. Its length, in simulated
// minutes, is MUSTER_CAMPAIGN; its faults are drawn from MUSTER_CAMPAIGN_SEED,
// which does not repeat a run: Raft draws its own time-outs.
type campaign struct {
	*story.World
	draw     *rand.Rand // the story's goroutine's
	long     int        // of eight troubles, so many last long
	log      *story.Journal
	troubles []*trouble // under way
	load     *load
}

// trouble is a master in trouble.
type trouble struct {
	master *story.Master
	fault  fault
	ends   time.Time
}

// fault is one way of bringing a master into trouble. Master.Mend ends it.
type fault struct {
	name   string
	weight int
	strike func(m *story.Master)
}

var faults = []fault{
	{"crash", 4, (*story.Master).Crash},
	{"vanish", 3, (*story.Master).Vanish},
	{"cut", 4, (*story.Master).Cut},
	{"alone", 3, (*story.Master).Alone},
	{"pause", 3, (*story.Master).Pause},
	{"deaf", 2, deaf},
	{"mute", 2, mute},
	{"resign", 2, (*story.Master).Resign},
}

// deaf holds back all that is sent to the master, except by the observer.
func deaf(m *story.Master) {
	m.Between(func(from, to string, ports ...string) {
		if to == m.ID {
			m.W.Net.Block(from, to, ports...)
		}
	})
}

// mute holds back all that the master sends, except to the observer.
func mute(m *story.Master) {
	m.Between(func(from, to string, ports ...string) {
		if from == m.ID {
			m.W.Net.Block(from, to, ports...)
		}
	})
}

// TestManyLossesAtRandomMoments brings masters into trouble at random moments,
// mostly the leader, mostly one at a time, and now and then a majority, while
// clients submit. In calm moments writes are accepted soon; at the end every
// promise is held against the evidence. That enough happened is checked, too.
func TestManyLossesAtRandomMoments(t *testing.T) {
	minutes, seed := fromEnv(t, "MUSTER_CAMPAIGN", 1), fromEnv(t, "MUSTER_CAMPAIGN_SEED", rand.Uint64()>>1)
	log, draw := story.NewJournal(t), rand.New(rand.NewPCG(seed, seed))
	o := story.Options{QuestionTTL: time.Duration(draw.IntN(2)) * time.Second, Snapshots: 15 + draw.Uint64N(50), Logs: log}
	story.TellWith(t, o, func(w *story.World) {
		log.Tell("seed %d", seed)
		w.T.Cleanup(func() { log.Show(w.T) })
		c := &campaign{World: w, log: log, draw: draw, long: draw.IntN(4)}
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
	c.T.Helper()
	c.Formed(3)
	for i := range 3 {
		c.Slave(fmt.Sprintf("slave-%d", i+1), 1+c.draw.IntN(4))
	}
	c.load = startLoad(c.World, c.log, 5, c.draw.Uint64())
	end := time.Now().Add(d)
	calm := c.nextCalm()
	for time.Now().Before(end) {
		c.Sleep(c.between(100*time.Millisecond, 1500*time.Millisecond))
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
	c.log.Tell("%s %s for %v", f.name, m.ID, lasts)
	f.strike(m)
	c.troubles = append(c.troubles, &trouble{master: m, fault: f, ends: time.Now().Add(lasts)})
}

// strikeSlave restarts a slave, or lets it be silent for a while.
func (c *campaign) strikeSlave() {
	s := c.Slaves[c.draw.IntN(len(c.Slaves))]
	switch c.draw.IntN(4) {
	case 0:
		c.log.Tell("slave restart %s", s.Name)
		s.Crash()
		s.Start()
	case 1:
		c.log.Tell("slave deaf %s", s.Name)
		s.Deaf()
	case 2:
		c.log.Tell("slave mute %s", s.Name)
		s.Mute()
	default:
		c.log.Tell("slave pause %s", s.Name)
		s.Pause()
	}
	time.AfterFunc(c.between(time.Second, 8*time.Second), s.Heal)
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
func (c *campaign) victim() *story.Master {
	m := c.Masters[c.draw.IntN(len(c.Masters))]
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
func (c *campaign) leads() (leader *story.Master) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	highest := uint64(0)
	for _, m := range c.Running() {
		if s, err := c.Observer.API.Status(ctx, m.URL(), false); err == nil && s.Role == "leader" && s.Term > highest {
			leader, highest = m, s.Term
		}
	}
	return leader
}

// transfer hands leadership to the master, or to the one after it.
func (c *campaign) transfer(m *story.Master) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if c.leads() == m {
		m = c.Masters[(c.draw.IntN(2)+1)%3]
	}
	_, err := c.Observer.API.TransferLeadership(ctx, m.ID)
	c.log.Tell("transfer to %s: %v", m.ID, err)
}

// mendDue ends the troubles whose time is over.
func (c *campaign) mendDue(now time.Time) {
	var left []*trouble
	for _, t := range c.troubles {
		if now.Before(t.ends) {
			left = append(left, t)
			continue
		}
		c.log.Tell("mend %s (%s)", t.master.ID, t.fault.name)
		t.master.Mend()
	}
	if len(left) < len(c.troubles) {
		for _, t := range left { // mending one connected it to the others
			if t.master.Process != nil {
				t.fault.strike(t.master)
			}
		}
	}
	c.troubles = left
}

// lookAfter starts masters that gave up, as whoever watches processes would.
func (c *campaign) lookAfter() {
	for _, m := range c.Masters {
		if m.Process != nil && m.HasEnded() {
			c.log.Tell("%s gave up: %v", m.ID, m.Ends())
			m.Start()
		}
	}
}

// calm ends all troubles and checks that a write is accepted soon.
func (c *campaign) calm() {
	c.T.Helper()
	c.mendDue(time.Now().Add(time.Hour))
	c.lookAfter()
	healed := time.Now()
	j := c.Client.Sleeping(0)
	j.MaxTries = 100
	hasty := hasty(c.Client, c.Masters...)
	c.Await("a write to be accepted", func(ctx context.Context) error {
		c.lookAfter()
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		_, err := c.Client.Try(ctx, hasty, j)
		switch {
		case story.Code(err) == client.CodeFullCapacity:
			return nil // said by a leader that has taken over
		case err != nil:
			c.log.Tell("calm: %v", err)
		}
		return err
	})
	gap := time.Since(healed)
	c.log.Tell("calm: accepted after %v", gap)
	if gap > 5*time.Second {
		c.T.Errorf("a write was accepted %v after all was mended", gap)
	}
}

// enough checks that the campaign was one.
func (c *campaign) enough(minutes int) {
	c.T.Helper()
	c.log.AtLeast(c.T, 5*minutes, "msg: leading")
	c.log.AtLeast(c.T, 60*minutes, "acknowledged")
	c.log.AtLeast(c.T, minutes, "unknown")
	c.log.AtLeast(c.T, 2*minutes, "calm: accepted")
	if minutes < 5 {
		return
	}
	c.log.AtLeast(c.T, minutes/10, "msg: raft: Installed remote snapshot")
	c.log.AtLeast(c.T, minutes/3, "transfer")
	c.log.AtLeast(c.T, minutes/3, "slave")
	for _, f := range faults {
		c.log.AtLeast(c.T, minutes*f.weight/10, f.name)
	}
}
