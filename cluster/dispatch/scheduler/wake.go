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
	if len(c.liveness.dues) > 0 {
		earlier(c.liveness.dues[0].due)
	}
	if step := c.outbox.pacer.wake(); !step.IsZero() {
		earlier(step)
	}
	if c.liveness.witnesses.wanted {
		earlier(c.liveness.witnesses.sought.Add(witnessGap))
	}
	if !c.retention.busy {
		earlier(c.retention.next)
	}
	earlier(c.fleet.nextPurge)
	for _, until := range c.lines.suspects.Tasks {
		earlier(until)
	}
	if next, some := c.attempts.overruns.set.Min(); some && c.attempts.overruns.ending < maxOverrun {
		earlier(next.at)
	}
	if !c.moments.wake.IsZero() {
		earlier(c.moments.wake)
	}
	for _, cl := range c.classes.all {
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
