package scheduler

import "time"

// nextWake is when plan has to run again without an input; zero for never.
func (c *Core) nextWake() time.Time {
	var next time.Time
	earlier := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if len(c.dues) > 0 {
		earlier(c.dues[0].due)
	}
	if step := c.pacer.wake(); !step.IsZero() {
		earlier(step)
	}
	if c.witnesses.wanted {
		earlier(c.witnesses.sought.Add(witnessGap))
	}
	if !c.sweeper.busy {
		earlier(c.sweeper.next)
	}
	earlier(c.nextPurge)
	for _, until := range c.suspects.Tasks {
		earlier(until)
	}
	if next, some := c.overruns.set.Min(); some && c.overruns.ending < maxOverrun {
		earlier(next.at)
	}
	if !c.moments.wake.IsZero() {
		earlier(c.moments.wake)
	}
	for _, cl := range c.classes {
		l := &cl.line
		if !l.parkedUntil.IsZero() && l.pending.len() > 0 {
			earlier(l.parkedUntil)
		}
		for _, k := range l.heads() {
			if k.at != nil {
				earlier(k.since.Add(c.cfg.QuestionTimeout + askGrace))
			}
		}
	}
	return next
}
