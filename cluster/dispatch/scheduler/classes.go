package scheduler

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/btree"

	"muster/task"
)

// class is the tasks that the same slaves can run: those of one kind that require
// the same labels. Each has a line of its own, so that a task that waits for a
// label keeps nobody behind it who does not need it.
type class struct {
	classKey
	kind     *kindBook
	requires []task.Label // sorted by name
	// alive are the slaves that can run the class, by registration order;
	// candidates those of them that may have a free slot.
	alive      btree.Map[uint64, *slaveBook]
	candidates btree.Map[uint64, *slaveBook]
	slots      int // of alive
	busy       int
	draining   btree.Map[uint64, *slaveBook] // slaves that could run it if they were not drained
	line       line
	submits    int // on their way to an answer, in line or not
}

// classKey is a class in a form that compares.
type classKey struct{ kind, requires string }

// kindBook is what slaves declare of one kind. Whether its tasks may run twice
// does not hang on the labels that they require.
type kindBook struct {
	name string
	// cautious counts the slaves, alive or to come back, that declare that the
	// kind is not idempotent. One is enough: it may be the one that runs the task.
	cautious int
	// repeatable counts those that declare that it is.
	repeatable int
	slaves     int // that run it, in whatever state
	classes    []*class
}

// keyOf writes a task's class in a form that compares: each part with its length
// before it, as a label may contain whatever would part them.
func keyOf(spec *task.Spec) classKey {
	if len(spec.Requires) == 0 {
		return classKey{kind: spec.Kind}
	}
	var b []byte
	for _, l := range spec.Requires {
		for _, part := range [...]string{l.Name, l.Value} {
			b = strconv.AppendInt(b, int64(len(part)), 10)
			b = append(b, ':')
			b = append(b, part...)
		}
	}
	return classKey{kind: spec.Kind, requires: string(b)}
}

// classes are the classes that somebody waits in, and the kinds that slaves run.
type classes struct {
	c     *Core
	kinds map[string]*kindBook
	all   map[classKey]*class
	// sweepAt is how many classes there are when the unused are dropped.
	sweepAt int
}

func newClasses(c *Core) classes {
	return classes{c: c, kinds: map[string]*kindBook{}, all: map[classKey]*class{}, sweepAt: minClasses}
}

// class returns the class of a task. A new one is filled from all slaves.
func (cs *classes) class(spec *task.Spec) *class {
	key := keyOf(spec)
	if cl := cs.all[key]; cl != nil {
		return cl
	}
	cs.sweep()
	cl := &class{classKey: key, kind: cs.kind(spec.Kind), requires: spec.Requires}
	cs.all[key] = cl
	cl.kind.classes = append(cl.kind.classes, cl)
	for _, s := range cs.c.fleet.slaves {
		if s.rec.Runs(spec.Kind) && task.HasLabels(s.rec.Labels, spec.Requires) {
			s.join(cl)
		}
	}
	return cl
}

// kind returns what is declared of a kind.
func (cs *classes) kind(name string) *kindBook {
	kb := cs.kinds[name]
	if kb == nil {
		kb = &kindBook{name: name}
		cs.kinds[name] = kb
	}
	return kb
}

// used tells whether anybody waits in the class or is on the way through it.
func (cl *class) used() bool { return cl.submits > 0 || cl.line.pending.len() > 0 }

// sweep drops what nobody uses, so that clients can't fill the memory with
// ever new labels. It runs when the classes have doubled, so its cost is shared by
// those that were made since.
func (cs *classes) sweep() {
	if len(cs.all) < cs.sweepAt {
		return
	}
	dropped := func(cl *class) bool { return !cl.used() }
	for _, s := range cs.c.fleet.slaves {
		s.classes = slices.DeleteFunc(s.classes, dropped)
	}
	for name, kb := range cs.kinds {
		kb.classes = slices.DeleteFunc(kb.classes, dropped)
		if len(kb.classes) == 0 && kb.slaves == 0 {
			delete(cs.kinds, name)
		}
	}
	for key, cl := range cs.all {
		if dropped(cl) {
			delete(cs.all, key)
		}
	}
	cs.sweepAt = max(minClasses, 2*len(cs.all))
}

// crowded tells whether a submit would add a class beyond what the leader keeps
// lines for. Tasks without requirements are never kept out, if a slave runs them.
func (cs *classes) crowded(spec *task.Spec) bool {
	if kb := cs.kinds[spec.Kind]; len(spec.Requires) == 0 && kb != nil && kb.slaves > 0 {
		return false
	}
	if len(cs.all) < cs.c.cfg.MaxClasses || cs.all[keyOf(spec)] != nil {
		return false
	}
	cs.sweepAt = 0
	cs.sweep()
	return len(cs.all) >= cs.c.cfg.MaxClasses
}

// setKinds moves the slave from the kinds and classes that it ran, which its entry
// still has, to those that it runs.
func (cs *classes) setKinds(s *slaveBook, kinds []task.Kind, labels []task.Label) {
	for _, kb := range s.kinds {
		kb.slaves--
		if s.known {
			kb.count(s.declares(kb), -1)
		}
	}
	for _, cl := range s.classes {
		cl.slots -= s.countedSlots
		cl.busy -= s.countedBusy
		cl.draining.Delete(s.rec.Order)
		cl.alive.Delete(s.rec.Order)
		cl.candidates.Delete(s.rec.Order)
	}
	s.kinds, s.classes, s.known, s.alive, s.candidate, s.draining, s.countedSlots, s.countedBusy = nil, nil, false, false, false, false, 0, 0
	for _, k := range kinds {
		kb := cs.kind(k.Name)
		kb.slaves++
		s.kinds = append(s.kinds, kb)
		for _, cl := range kb.classes {
			if task.HasLabels(labels, cl.requires) {
				s.join(cl)
			}
		}
	}
}

// join adds the slave to a class, with what it adds to the others.
func (s *slaveBook) join(cl *class) {
	s.classes = append(s.classes, cl)
	cl.slots += s.countedSlots
	cl.busy += s.countedBusy
	if s.alive {
		member(&cl.alive, s, true)
	}
	if s.candidate {
		member(&cl.candidates, s, true)
	}
	if s.draining {
		member(&cl.draining, s, true)
	}
}

// count adds slaves that declare the kind as idempotent or not.
func (kb *kindBook) count(idempotent bool, slaves int) {
	if idempotent {
		kb.repeatable += slaves
	} else {
		kb.cautious += slaves
	}
}

// declares tells whether the slave says that the kind is idempotent.
func (s *slaveBook) declares(kb *kindBook) bool {
	return slices.Contains(s.rec.Kinds, task.Kind{Name: kb.name, Idempotent: true})
}

// capacity sums up the slaves that run the class.
func (cl *class) capacity() *task.Capacity {
	return &task.Capacity{Slaves: cl.alive.Len(), Slots: cl.slots, Busy: cl.busy}
}

// noSlaveFor refuses a task that no slave can run which is alive. This is told apart
// from full capacity: to wait a moment does not help.
func (cl *class) noSlaveFor(spec *task.Spec) *task.Error {
	drained := ""
	if n := cl.draining.Len(); n > 0 {
		drained = "; " + drainedSlaves(n)
	}
	if len(spec.Requires) == 0 {
		return task.Refuse(task.CodeNoSlaveForKind, "no slave that is alive runs tasks of kind "+strconv.Quote(spec.Kind)+drained)
	}
	names := make([]string, len(spec.Requires))
	for i, l := range spec.Requires {
		names[i] = l.Name + "=" + l.Value
	}
	return task.Refuse(task.CodeNoSlaveForKind, "no slave that is alive runs tasks of kind "+strconv.Quote(spec.Kind)+
		" and has the labels that the task requires: "+strings.Join(names, ", ")+drained)
}

// drainedSlaves tells that slaves which could run the task are drained, and what to do.
func drainedSlaves(n int) string {
	who := "the 1 slave that could run the task is drained"
	if n > 1 {
		who = fmt.Sprintf("all %d slaves that could run the task are drained", n)
	}
	return who + " (muster slaves undrain NAME ends that)"
}
