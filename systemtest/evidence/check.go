package evidence

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"muster/api/client"
)

// Check returns what contradicts a promise, each with the name of the rule.
func (e *Evidence) Check() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := &findings{}
	e.acknowledged(f)
	for _, d := range e.dumps {
		e.held(f, d)
	}
	e.read(f)
	e.executed(f)
	e.concurrent(f)
	e.same(f)
	return f.all
}

type findings struct{ all []string }

func (f *findings) addf(rule, format string, args ...any) {
	f.all = append(f.all, rule+": "+fmt.Sprintf(format, args...))
}

// acknowledged: one key is one task, one task is one key's.
func (e *Evidence) acknowledged(f *findings) {
	owner := map[uint64]string{}
	for _, key := range e.keys {
		for _, id := range e.submits[key].Acknowledged {
			if first := e.submits[key].Acknowledged[0]; id != first {
				f.addf("one key, one task", "key %s was acknowledged as task %d and as task %d", key, first, id)
			}
			if other, taken := owner[id]; taken && other != key {
				f.addf("one key, one task", "task %d was acknowledged to key %s and to key %s", id, other, key)
			}
			owner[id] = key
		}
	}
}

// held: a master holds every acknowledged task, once, at its right end; and
// nothing that nobody submitted.
func (e *Evidence) held(f *findings, d Dump) {
	byID, byKey := map[uint64]client.Task{}, map[string]uint64{}
	for _, t := range d.Tasks {
		if _, twice := byID[t.ID]; twice {
			f.addf("listed once", "%s lists task %d twice", d.Master, t.ID)
		}
		byID[t.ID] = t
		if other, twice := byKey[t.IdempotencyKey]; twice && t.IdempotencyKey != "" {
			f.addf("one key, one task", "%s has tasks %d and %d for key %s", d.Master, other, t.ID, t.IdempotencyKey)
		}
		byKey[t.IdempotencyKey] = t.ID
		e.ended(f, d, t)
	}
	missing := uint64(0)
	for _, key := range e.keys {
		s := e.submits[key]
		if id, there := byKey[key]; there && len(s.refused) == s.tried {
			f.addf("a refusal records nothing", "%s has task %d of key %s, to which every answer was a refusal: %q", d.Master, id, key, s.refused)
		}
		if len(s.Acknowledged) == 0 {
			continue
		}
		t, there := byID[s.Acknowledged[0]]
		switch {
		case !there && missing < d.Status.Counts.Forgotten:
			missing++ // that many were done, and are forgotten
		case !there:
			f.addf("acknowledged is durable", "%s has not task %d, acknowledged to key %s", d.Master, s.Acknowledged[0], key)
		case t.IdempotencyKey != key || t.Expression != s.Expression:
			f.addf("acknowledged is durable", "%s has %q of key %s as task %d, acknowledged as %q of key %s", d.Master, t.Expression, t.IdempotencyKey, t.ID, s.Expression, key)
		}
	}
	for _, seen := range e.saw {
		if t, there := byID[seen.ID]; there && !sameEnd(seen, t) {
			f.addf("exactly one end", "%s has task %d %s %s, a client was shown %s %s", d.Master, t.ID, t.Outcome, text(t.Result), seen.Outcome, text(seen.Result))
		}
	}
	for _, r := range e.runs {
		t, there := byID[r.Task]
		if forgotten := !there && r.Task <= d.Status.Counts.Submitted && d.Status.Counts.Forgotten > 0; forgotten {
			continue
		}
		if !there || r.Attempt > t.Attempt || r.Attempt == t.Attempt && r.Slave != t.Slave {
			f.addf("only what is assigned runs", "%s ran attempt %d of task %d, of which %s has attempt %d at %q", r.Slave, r.Attempt, r.Task, d.Master, t.Attempt, t.Slave)
		}
	}
	counted(f, d)
}

// sameEnd reports whether a task that was done is as it was.
func sameEnd(a, b client.Task) bool {
	return a.Status == b.Status && a.Outcome == b.Outcome && text(a.Result) == text(b.Result) && a.ResultType == b.ResultType && a.Error == b.Error &&
		a.Attempt == b.Attempt && a.Slave == b.Slave && a.FinishedAt.Equal(b.FinishedAt) && a.Index == b.Index
}

// ended: a task is what somebody submitted, done, with the right result.
func (e *Evidence) ended(f *findings, d Dump, t client.Task) {
	s := e.submits[t.IdempotencyKey]
	if s == nil {
		f.addf("nothing comes from nothing", "%s has task %d with key %q, which nobody submitted", d.Master, t.ID, t.IdempotencyKey)
		return
	}
	switch {
	case t.Status != client.TaskDone:
		f.addf("exactly one end", "%s has task %d still %s (attempt %d, slave %s)", d.Master, t.ID, t.Status, t.Attempt, t.Slave)
	case s.Want.Outcome != "" && t.Outcome != s.Want.Outcome:
		f.addf("the right end", "%s has task %d (%s) %s %s, want %s", d.Master, t.ID, t.Expression, t.Outcome, t.Error, s.Want.Outcome)
	case t.Outcome == client.Succeeded && (t.Result == nil || *t.Result != s.Want.Result):
		f.addf("the right end", "%s has task %d (%s) with result %s, want %s", d.Master, t.ID, t.Expression, text(t.Result), s.Want.Result)
	case t.Outcome == client.Succeeded && !e.ran(t):
		f.addf("one result", "%s has task %d succeeded by attempt %d at %s, which never executed it", d.Master, t.ID, t.Attempt, t.Slave)
	}
}

// ran reports whether the attempt that a result is from was seen to execute.
// Slaves that are not watched prove nothing.
func (e *Evidence) ran(t client.Task) bool {
	if _, watched := e.slots[t.Slave]; !watched {
		return true
	}
	return slices.ContainsFunc(e.runs, func(r *Run) bool {
		return r.Task == t.ID && r.Attempt == t.Attempt && r.Slave == t.Slave && !r.Ended.IsZero()
	})
}

// counted: counters are what counting gives, and no slot is taken at the end.
func counted(f *findings, d Dump) {
	var c client.Counts
	for _, t := range d.Tasks {
		switch t.Status {
		case client.TaskPending:
			c.Pending++
		case client.TaskInProgress:
			c.InProgress++
		case client.TaskDone:
			c.Done++
		}
	}
	c.Forgotten = d.Status.Counts.Forgotten
	c.Done += c.Forgotten
	c.Submitted = uint64(len(d.Tasks)) + c.Forgotten
	if got := d.Status.Counts; got != c {
		f.addf("counters", "%s counts %+v, its list has %+v", d.Master, got, c)
	}
	for _, s := range d.Slaves {
		if s.Busy != 0 {
			f.addf("slots are right again", "%s has %d of %d slots of %s busy, and nothing runs", d.Master, s.Busy, s.Slots, s.Name)
		}
	}
}

// executed: one attempt executes once, at one incarnation of one slave.
func (e *Evidence) executed(f *findings) {
	type attempt struct {
		task    uint64
		attempt uint32
	}
	seen := map[attempt]*Run{}
	for _, r := range e.runs {
		k := attempt{r.Task, r.Attempt}
		if first := seen[k]; first != nil {
			f.addf("an attempt runs once", "attempt %d of task %d ran at %s (start %d) and at %s (start %d)", r.Attempt, r.Task, first.Slave, first.Incarnation, r.Slave, r.Incarnation)
		}
		seen[k] = r
	}
}

// concurrent: no slave ever runs more than its slots.
func (e *Evidence) concurrent(f *findings) {
	bySlave := map[string][]*Run{}
	for _, r := range e.runs {
		k := r.Slave + "/" + strconv.Itoa(r.Incarnation)
		bySlave[k] = append(bySlave[k], r)
	}
	for _, k := range slices.Sorted(maps.Keys(bySlave)) {
		for _, r := range bySlave[k] {
			at := 0
			for _, x := range bySlave[k] {
				if !x.Began.After(r.Began) && (x.Ended.IsZero() || x.Ended.After(r.Began)) {
					at++
				}
			}
			if at > e.slots[r.Slave] {
				f.addf("slots", "%s ran %d tasks at once, and has %d slots", k, at, e.slots[r.Slave])
				break
			}
		}
	}
}

// same: masters that applied the same hold the same.
func (e *Evidence) same(f *findings) {
	if len(e.dumps) == 0 {
		return
	}
	first := e.dumps[0]
	for _, d := range e.dumps[1:] {
		if d.Status.AppliedIndex != first.Status.AppliedIndex || d.Status.Fingerprint != first.Status.Fingerprint {
			f.addf("all masters hold the same", "%s has %s at index %d, %s has %s at index %d", first.Master, first.Status.Fingerprint,
				first.Status.AppliedIndex, d.Master, d.Status.Fingerprint, d.Status.AppliedIndex)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}
