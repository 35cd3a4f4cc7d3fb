package fsm

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"

	"muster/fsm/logpb"
	"muster/task"
)

// Load replaces everything by what View.Save wrote. What is damaged, cut short,
// too long or contradicts itself is refused, and the state stays as it was.
func (s *State) Load(r io.Reader) error {
	next, err := load(r)
	if err != nil {
		return fmt.Errorf("load a snapshot: %w", err)
	}
	s.tables, s.doneIn, s.declared = next.tables, next.doneIn, next.declared
	s.books, s.changedBooks, s.young = next.books, next.changedBooks, next.young
	s.Show()
	return nil
}

func load(from io.Reader) (*State, error) {
	r := &recordReader{in: bufio.NewReaderSize(from, 64<<10), sum: crc32.New(castagnoli())}
	if err := r.magic(); err != nil {
		return nil, err
	}
	header, err := r.header()
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	l := loader{state: New(), busy: make(map[string]int)}
	r.keys = l.state.keys
	l.state.index, l.state.lastSlave = header.GetIndex(), header.GetLastSlave()
	l.state.counts.Submitted = header.GetSubmitted()
	l.state.counts.Done, l.state.counts.Forgotten = header.GetForgotten(), header.GetForgotten()
	records := header.GetSlaves() + header.GetMasters() + header.GetTasks()
	if err := l.addAll(r, records); err != nil {
		return nil, err
	}
	if err := r.trailer(); err != nil {
		return nil, err
	}
	for _, e := range l.keys {
		l.state.keys.add(e)
	}
	if err := l.check(header); err != nil {
		return nil, fmt.Errorf("the snapshot contradicts itself: %w", err)
	}
	return l.state, nil
}

// loader builds a state from records and checks that they fit together.
type loader struct {
	state *State
	busy  map[string]int // by slave, as its record says; the state counts itself
	keys  []keyEntry     // of all tasks
	last  task.ID
}

// addAll reads so many records, and decodes them beside the goroutine that adds them
// in their order.
func (l *loader) addAll(r *recordReader, records uint64) error {
	chunks, wait := r.decodeAhead(records)
	var failed error
	for c := range chunks {
		<-c.done
		for i := range c.items {
			item := &c.items[i]
			if failed == nil {
				failed = item.err
			}
			if failed == nil {
				failed = l.add(item)
			}
			if failed != nil {
				r.stop.Store(true)
				failed = fmt.Errorf("record %d of %d: %w", item.number, records, failed)
				break
			}
		}
		if failed != nil {
			break
		}
	}
	for range chunks { // the rest, so that its goroutines end
	}
	wait()
	return failed
}

func (l *loader) add(x *loaded) error {
	switch {
	case x.slave != nil:
		return l.addSlave(*x.slave)
	case x.master != nil:
		return l.addMaster(*x.master)
	case x.block != "":
		return l.addBlock(x)
	default:
		return l.addTask(x.task)
	}
}

// addBlock adds a whole block of done tasks.
func (l *loader) addBlock(x *loaded) error {
	if err := l.order(x.task.ID, x.task.ID+blockSize-1); err != nil {
		return err
	}
	l.keys = append(l.keys, x.keys...)
	l.state.done.setSealed(blockOf(x.task.ID), x.block)
	l.state.counts.Done += blockSize
	return nil
}

// order checks that tasks come in the order of their ids, of which all were given.
func (l *loader) order(first, last task.ID) error {
	if first <= l.last || uint64(last) > l.state.counts.Submitted {
		return fmt.Errorf("task %d after task %d, of %d", first, l.last, l.state.counts.Submitted)
	}
	l.last = last
	return nil
}

func (l *loader) addSlave(slave task.Slave) error {
	_, named := l.state.slave(slave.Name)
	_, placed := l.state.order.Get(slave.Order)
	switch {
	case named || placed:
		return fmt.Errorf("slave %q, or its place %d in the order, is there twice", slave.Name, slave.Order)
	case slave.Order == 0 || slave.Order > l.state.lastSlave:
		return fmt.Errorf("the place %d of slave %q in the order was never given", slave.Order, slave.Name)
	case slave.State == 0:
		return fmt.Errorf("slave %q has no state", slave.Name)
	}
	l.busy[slave.Name] = slave.Busy
	slave.Busy = 0
	l.state.order.Set(slave.Order, slave.Name)
	l.state.putSlave(task.Slave{}, slave)
	return nil
}

func (l *loader) addMaster(m task.Master) error {
	if _, ok := l.state.masters.Get(m.ID); ok {
		return fmt.Errorf("master %q is there twice", m.ID)
	}
	l.state.masters.Set(m.ID, m)
	return nil
}

func (l *loader) addTask(t task.Task) error {
	if err := l.order(t.ID, t.ID); err != nil {
		return err
	}
	if slave, ok := l.state.slave(t.Slave); t.Status == task.InProgress && (!ok || slave.Incarnation != t.Incarnation) {
		return fmt.Errorf("task %d is in progress on slave %q, which has no incarnation %q", t.ID, t.Slave, t.Incarnation)
	}
	if t.Key != "" {
		l.keys = append(l.keys, l.state.keys.of(&t))
	}
	l.state.enter(&t)
	return nil
}

// check compares what the records came to with what the snapshot says.
func (l *loader) check(h *logpb.Header) error {
	s := l.state
	if n := uint64(s.slaves.Len()); n != h.GetSlaves() {
		return fmt.Errorf("it has %d slaves and says %d", n, h.GetSlaves())
	}
	if n := uint64(s.masters.Len()); n != h.GetMasters() {
		return fmt.Errorf("it has %d masters and says %d", n, h.GetMasters())
	}
	said := task.Counts{Submitted: h.GetSubmitted(), Pending: h.GetPending(), InProgress: h.GetInProgress(), Done: h.GetDone(), Forgotten: h.GetForgotten()}
	if s.counts != said {
		return fmt.Errorf("its tasks count %+v and it says %+v", s.counts, said)
	}
	if sum := said.Pending + said.InProgress + said.Done; sum != said.Submitted {
		return fmt.Errorf("%d tasks were submitted and it has %d", said.Submitted, sum)
	}
	var err error
	s.slaves.Scan(func(name string, _ *task.Slave) bool {
		if slave, _ := s.slave(name); slave.Busy != l.busy[name] {
			err = fmt.Errorf("slave %q has %d tasks in progress and says %d", name, slave.Busy, l.busy[name])
		}
		return err == nil
	})
	return err
}
