package scheduler

import (
	"errors"
	"fmt"

	"github.com/tidwall/btree"

	"muster/task"
)

// This file counts again what the core keeps count of. It looks at everything, and is
// for tests: systemtest/simulation calls it after each turn.

// Check returns the first disagreement between the core's counters, its sets, and what
// is on its way into the log. followed says that the core was told of all that the view
// of this turn shows; then it is held against that, too.
func (c *Core) Check(followed bool) error {
	k := c.recount()
	for _, name := range sortedNames(c.fleet.slaves) {
		if err := k.slave(name, c.fleet.slaves[name]); err != nil {
			return fmt.Errorf("slave %s: %w", name, err)
		}
	}
	if err := firstOf(k.totals(), k.classes(), k.kinds()); err != nil || !followed || c.stopped {
		return err
	}
	return k.againstView()
}

// AtRest returns what is not over in a core that has nothing to do.
func (c *Core) AtRest() error {
	under := 0
	for _, n := range c.outbox.pacer.underWay {
		under += n
	}
	count := func(what string, n int) error { return differ(what, n, 0) }
	err := firstOf(
		count("submits in line", c.lines.waiting), count("submits on their way to being pending", c.desk.queueing), count("keys under way", len(c.desk.keys)),
		count("registrations under way", len(c.fleet.enlisting)), count("proposals that wait for the log", len(c.log.waiting)),
		count("entries under way", len(c.log.entries)), count("expiries under way", c.moments.expiring), count("overruns under way", c.attempts.overruns.ending),
		count("requests under way", under), count("attempts", len(c.attempts.all)),
	)
	for _, name := range sortedNames(c.fleet.slaves) {
		s := c.fleet.slaves[name]
		more := firstOf(
			count("promised slots", s.reserved), count("results under way", s.completing), count("attempts to be sent", s.sending), count("ends under way", s.ending),
			count("waiting to be sent", len(s.lane.queue)), count("waiting for its word", len(s.lane.askers)), count("waiting for a send", len(s.lane.after)),
		)
		if err == nil && more != nil {
			err = fmt.Errorf("slave %s: %w", name, more)
		}
	}
	return err
}

// recount is what is on its way into the log, counted.
type recount struct {
	c                                      *Core
	reserved, ends                         map[*slaveBook]int
	submits                                map[*class]int
	assigned, expiring                     map[task.ID]bool
	overrunning, givingUp                  map[*attempt]bool
	enlisting                              map[string]bool
	completing, queued, expiries, overruns int
	forgetting                             bool
}

func (c *Core) recount() *recount {
	k := &recount{
		c: c, reserved: map[*slaveBook]int{}, ends: map[*slaveBook]int{}, submits: map[*class]int{}, assigned: map[task.ID]bool{},
		expiring: map[task.ID]bool{}, overrunning: map[*attempt]bool{}, givingUp: map[*attempt]bool{}, enlisting: map[string]bool{},
	}
	for _, p := range c.log.waiting {
		k.add(p.then)
	}
	for _, entry := range c.log.entries {
		for _, p := range entry {
			k.add(p.then)
		}
	}
	for _, s := range c.fleet.slaves {
		for _, d := range s.lane.after {
			k.addEnd(d)
		}
	}
	for _, cl := range c.classes.all {
		k.submits[cl] += len(cl.line.submits)
	}
	for _, s := range c.desk.keys {
		if s.refusal != nil && s.seeker.class != nil {
			k.submits[s.seeker.class]++ // it waits to be told that it is refused
		}
	}
	return k
}

func (k *recount) add(then settler) {
	switch f := then.(type) {
	case recording:
		k.reserved[f.on]++
		k.submits[f.s.seeker.class]++
	case queueing:
		k.queued++
		k.submits[f.s.seeker.class]++
	case assigning:
		k.reserved[f.on]++
		k.assigned[f.at.ID] = true
	case completing:
		if f.a != nil && !f.a.dropped {
			k.completing++
		}
	case expiring:
		k.expiries++
		k.expiring[f.id] = true
	case givingUp:
		k.givingUp[f.a] = true
	case overrunning:
		k.overruns++
		k.overrunning[f.a] = true
	case forgetting:
		k.forgetting = true
	case enlisting:
		k.enlisting[f.cmd.Registration.Incarnation] = true
	}
	k.addEnd(then)
}

// addEnd counts what ends what a slave has.
func (k *recount) addEnd(then any) {
	var s *slaveBook
	switch f := then.(type) {
	case enlisting:
		s = f.instead
	case losing:
		s = f.s
	case slaveLeaving:
		s = f.s
	case removing:
		if f.force {
			s = f.s
		}
	}
	if s != nil {
		k.ends[s]++
	}
}

// slave checks the books of one slave.
func (k *recount) slave(name string, s *slaveBook) error {
	sending, completing, slots, busy := 0, 0, 0, 0
	for _, a := range s.inOrder() {
		if a.phase != phaseAccepted {
			sending++
		}
		if a.completing {
			completing++
		}
		if k.c.attempts.all[a.ID] != a || a.slave != s || a.dropped || a.Incarnation != s.rec.Incarnation {
			return fmt.Errorf("it holds attempt %+v, which is not the current one", a.Attempt)
		}
		if err := s.onItsWay(a, k.givingUp[a]); err != nil {
			return err
		}
		if _, there := k.c.attempts.overruns.set.Get(a.overrun); there == k.overrunning[a] {
			return fmt.Errorf("that attempt %+v has had its time is looked after: %v; on its way: %v", a.Attempt, there, k.overrunning[a])
		}
	}
	k.completing -= completing
	if s.alive {
		slots, busy = s.rec.Slots, min(s.rec.Slots, s.taken())
	}
	for _, asker := range s.lane.askers {
		if asker.at != s {
			return errors.New("somebody who waits for its word waits for another's")
		}
	}
	var other error
	if s.rec.Name != name {
		other = fmt.Errorf("its entry names %s", s.rec.Name)
	}
	return firstOf(
		other, differ("ends", s.ending, k.ends[s]), differ("promised slots", s.reserved, k.reserved[s]), differ("attempts to be sent", s.sending, sending),
		differ("results under way", s.completing, completing), differ("counted slots", s.countedSlots, slots), differ("counted busy slots", s.countedBusy, busy),
	)
}

// onItsWay checks that an attempt is forgotten by nobody: it waits to be sent, is being
// sent, is with the slave, or is being given up.
func (s *slaveBook) onItsWay(a *attempt, ends bool) error {
	times := 0
	for _, queued := range s.lane.queue {
		if queued == a {
			times++
		}
	}
	want := 0
	if a.phase == phaseQueued {
		want = 1
	}
	if a.phase == phaseSending && !s.lane.sends && !ends {
		return fmt.Errorf("attempt %+v is in a send, and none is under way", a.Attempt)
	}
	if times != want {
		return fmt.Errorf("attempt %+v is in phase %d, and waits to be sent %d times", a.Attempt, a.phase, times)
	}
	return nil
}

// totals checks the core's own counters.
func (k *recount) totals() error {
	c := k.c
	held, waiting, running := 0, 0, 0
	for _, s := range c.fleet.slaves {
		held += len(s.held)
		if s.lane.busy {
			running++
		}
	}
	for _, cl := range c.classes.all {
		waiting += len(cl.line.submits)
	}
	for _, n := range c.outbox.pacer.underWay {
		running -= n
	}
	var other error
	if running > 0 {
		other = fmt.Errorf("%d more slaves are being asked than requests are under way", running)
	}
	for incarnation, name := range c.fleet.enlisting {
		if !k.enlisting[incarnation] {
			other = fmt.Errorf("the registration of %s as %s is said to be on its way, and is not", name, incarnation)
		}
	}
	if c.retention.busy != k.forgetting {
		other = fmt.Errorf("forgetting is under way: %v; the sweeper says %v", k.forgetting, c.retention.busy)
	}
	return firstOf(
		other, differ("attempts", len(c.attempts.all), held), differ("results under way, less those counted", k.completing, 0), differ("submits in line", c.lines.waiting, waiting),
		differ("submits on their way to being pending", c.desk.queueing, k.queued), differ("expiries under way", c.moments.expiring, k.expiries),
		differ("overruns under way", c.attempts.overruns.ending, k.overruns),
	)
}

// classes checks the counters and sets of each class.
func (k *recount) classes() error {
	for _, cl := range k.c.classes.all {
		slots, busy := 0, 0
		var alive, candidates, draining btree.Map[uint64, *slaveBook]
		for _, s := range k.c.fleet.slaves {
			if !s.rec.Runs(cl.kind.name) || !task.HasLabels(s.rec.Labels, cl.requires) {
				continue
			}
			slots += s.countedSlots
			busy += s.countedBusy
			member(&alive, s, s.rec.State == task.SlaveAlive)
			member(&candidates, s, s.candidate)
			member(&draining, s, s.rec.State == task.SlaveDraining)
		}
		err := firstOf(
			differ("slots", cl.slots, slots), differ("busy slots", cl.busy, busy), differ("submits", cl.submits, k.submits[cl]),
			sameSlaves("alive", &cl.alive, &alive), sameSlaves("candidates", &cl.candidates, &candidates), sameSlaves("draining", &cl.draining, &draining),
		)
		if err != nil {
			return fmt.Errorf("class %+v: %w", cl.classKey, err)
		}
	}
	return nil
}

// kinds checks what is counted of each kind.
func (k *recount) kinds() error {
	for _, kb := range k.c.classes.kinds {
		cautious, repeatable, slaves := 0, 0, 0
		for _, s := range k.c.fleet.slaves {
			switch {
			case !s.rec.Runs(kb.name):
				continue
			case s.rec.State == task.SlaveLeft:
			case s.declares(kb):
				repeatable++
			default:
				cautious++
			}
			slaves++
		}
		if err := firstOf(differ("cautious", kb.cautious, cautious), differ("repeatable", kb.repeatable, repeatable), differ("slaves", kb.slaves, slaves)); err != nil {
			return fmt.Errorf("kind %s: %w", kb.name, err)
		}
	}
	return nil
}
