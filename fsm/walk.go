package fsm

import (
	"slices"

	"github.com/tidwall/btree"

	"muster/task"
)

// walk goes through tasks in the order of their ids, up or down.
type walk interface {
	id() task.ID     // of the task that the walk is at; 0 at the end
	task() task.Task // only while id is not 0
	step()
}

// seek puts an iterator at the first key in the direction of the walk that is
// not before from.
func seek[K ~uint64, V any](it *btree.MapIter[K, V], from K, descending bool) bool {
	if !descending {
		return it.Seek(from)
	}
	if !it.Seek(from) {
		return it.Last()
	}
	return it.Key() == from || it.Prev()
}

func step[K ~uint64, V any](it *btree.MapIter[K, V], descending bool) bool {
	if descending {
		return it.Prev()
	}
	return it.Next()
}

// start returns the id that a query's walk starts at, or, if there is no task
// there, the way it goes on; 0 if there can be none.
func start(q *task.Query) task.ID {
	switch {
	case !q.Descending:
		return q.After + 1
	case q.After == 0:
		return ^task.ID(0)
	default:
		return q.After - 1
	}
}

// mapWalk walks a tree with one task at each key.
type mapWalk[V any] struct {
	it         btree.MapIter[task.ID, V]
	at         task.ID
	descending bool
	open       func(task.ID, V) task.Task
}

func walkMap[V any](m *btree.Map[task.ID, V], q *task.Query, open func(task.ID, V) task.Task) walk {
	w := &mapWalk[V]{it: m.Iter(), descending: q.Descending, open: open}
	if from := start(q); from != 0 {
		w.land(seek(&w.it, from, q.Descending))
	}
	return w
}

func walkLive(m *btree.Map[task.ID, *task.Task], q *task.Query) walk {
	return walkMap(m, q, func(_ task.ID, t *task.Task) task.Task { return *t })
}

func walkLoose(m *btree.Map[task.ID, pack], q *task.Query) walk {
	return walkMap(m, q, func(id task.ID, p pack) task.Task { return p.open().task(id, 0) })
}

func (w *mapWalk[V]) id() task.ID     { return w.at }
func (w *mapWalk[V]) task() task.Task { return w.open(w.at, w.it.Value()) }
func (w *mapWalk[V]) step()           { w.land(step(&w.it, w.descending)) }

func (w *mapWalk[V]) land(ok bool) {
	w.at = 0
	if ok {
		w.at = w.it.Key()
	}
}

// sealedWalk walks the tasks of sealed blocks, and opens each block once.
type sealedWalk struct {
	it         btree.MapIter[block, pack]
	at         task.ID
	descending bool
	first      task.ID // of the open block
	tasks      opened
}

func walkSealed(m *btree.Map[block, pack], q *task.Query) walk {
	w := &sealedWalk{it: m.Iter(), descending: q.Descending}
	from := start(q)
	if from == 0 {
		return w
	}
	w.land(seek(&w.it, blockOf(from), q.Descending))
	if w.at != 0 && blockOf(w.at) == blockOf(from) {
		w.at = from
	}
	return w
}

func (w *sealedWalk) id() task.ID     { return w.at }
func (w *sealedWalk) task() task.Task { return w.tasks.task(w.first, int(w.at-w.first)) }

func (w *sealedWalk) step() {
	last := w.first + blockSize - 1
	switch {
	case w.descending && w.at > w.first:
		w.at--
	case !w.descending && w.at < last:
		w.at++
	default:
		w.land(step(&w.it, w.descending))
	}
}

// land opens the block that the iterator has come to.
func (w *sealedWalk) land(ok bool) {
	w.at = 0
	if !ok {
		return
	}
	w.first, w.tasks = w.it.Key().first(), w.it.Value().open()
	w.at = w.first
	if w.descending {
		w.at += blockSize - 1
	}
}

// merged walks several walks at once, in order. No id is in two of them.
type merged struct {
	walks      []walk
	descending bool
	next       walk // the one whose turn it is; nil at the end
}

func (m *merged) add(w walk) {
	if w.id() != 0 {
		m.walks = append(m.walks, w)
	}
}

// choose finds the walk whose turn it is.
func (m *merged) choose() {
	m.next = nil
	for _, w := range m.walks {
		if w.id() == 0 {
			continue
		}
		if m.next == nil || (w.id() < m.next.id()) != m.descending {
			m.next = w
		}
	}
}

func (m *merged) id() task.ID {
	if m.next == nil {
		return 0
	}
	return m.next.id()
}

func (m *merged) task() task.Task { return m.next.task() }

func (m *merged) step() {
	m.next.step()
	m.choose()
}

// namedWalk walks tasks whose ids are known before, as far as one page may look.
type namedWalk struct {
	tables *tables
	ids    []task.ID // that are left, in the order of the walk; each is there
}

func (w *namedWalk) id() task.ID {
	if len(w.ids) == 0 {
		return 0
	}
	return w.ids[0]
}

func (w *namedWalk) task() task.Task {
	return *w.tables.find(w.ids[0])
}

func (w *namedWalk) step() { w.ids = w.ids[1:] }

// walkHeld walks what a slave holds, of all that is in progress.
func (v *View) walkHeld(q *task.Query) walk {
	w := &namedWalk{tables: &v.tables}
	from := start(q)
	if from == 0 {
		return w
	}
	it := v.inProgress.Iter()
	for ok := seek(&it, from, q.Descending); ok && len(w.ids) <= task.MaxExamined; ok = step(&it, q.Descending) {
		if it.Value().Slave == q.Slave {
			w.ids = append(w.ids, it.Key())
		}
	}
	return w
}

// walkNamed walks the tasks with the given ids, which ascend.
func (v *View) walkNamed(ids []task.ID, q *task.Query) walk {
	w := &namedWalk{tables: &v.tables}
	from := start(q)
	for _, id := range ids {
		if v.find(id) != nil && from != 0 && (id == from || (id > from) != q.Descending) {
			w.ids = append(w.ids, id)
		}
	}
	if q.Descending {
		slices.Reverse(w.ids)
	}
	return w
}

// walkKey walks the one task that has a key, or none.
func (v *View) walkKey(q *task.Query) walk {
	t := v.findKey(q.Key)
	if t == nil {
		return &namedWalk{}
	}
	return v.walkNamed([]task.ID{t.ID}, q)
}
