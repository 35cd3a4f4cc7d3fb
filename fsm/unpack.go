package fsm

import "muster/task"

// opened is a pack whose parts have been found. The strings of the tasks that it
// returns are parts of the pack.
type opened struct {
	stamp   task.Millis // of the first task
	index   uint64      // of the first task
	words   parts
	records parts
}

func (p pack) open() opened {
	r := reader{rest: string(p)}
	tasks := 4 * r.number()
	o := opened{stamp: task.Millis(r.signed()), index: r.number()}
	words := 4 * r.number()
	o.words.ends = r.take(words)
	o.records.ends = r.take(tasks)
	o.words.all = r.take(uint64(o.words.end(words/4 - 1)))
	o.records.all = r.rest
	return o
}

// parts are pieces of a string, one after the other.
type parts struct {
	ends string // 4 bytes each
	all  string
}

func (p *parts) part(i uint64) string {
	start := uint32(0)
	if i > 0 {
		start = p.end(i - 1)
	}
	return p.all[start:p.end(i)]
}

func (p *parts) end(i uint64) uint32 {
	e := p.ends[4*i : 4*i+4]
	return uint32(e[0]) | uint32(e[1])<<8 | uint32(e[2])<<16 | uint32(e[3])<<24
}

// task returns the i-th task of a pack whose first has the given id. It is the
// inverse of packer.add.
func (o opened) task(first task.ID, i int) task.Task {
	r := reader{rest: o.records.part(uint64(i)), words: o.words}
	flags := r.byte()
	t := task.Task{ID: first + task.ID(i), Status: task.Done, Outcome: task.Outcome(flags & flagOutcome)}
	t.Spec.Idempotent = flags&flagIdempotent != 0

	t.Spec.Kind = r.word()
	t.Spec.Expression = r.text()
	if n := r.number(); n > 0 {
		t.Spec.Parameters = make([]task.Parameter, n)
		for i := range t.Spec.Parameters {
			t.Spec.Parameters[i] = task.Parameter{Name: r.word(), Value: r.value()}
		}
	}
	tries := r.number()
	t.Spec.MaxTries, t.Spec.Priority = uint32(tries>>triesShift), task.Priority(tries&triesPriority)
	t.Spec.TimeoutMS = r.signed()
	if flags&flagRetryOf != 0 {
		t.Spec.RetryOf = task.ID(r.number())
	}
	if flags&flagKey != 0 {
		t.Key = r.text()
	}
	if flags&flagResult != 0 {
		t.Result = r.value()
	}
	if flags&flagError != 0 {
		t.Error = r.text()
	}
	t.Slave = r.word()
	t.Incarnation = r.word()
	t.Attempt = uint32(r.number())
	t.Tries = uint32(r.number())
	t.SubmittedAt = o.stamp + task.Millis(r.signed())
	t.StartedAt = t.SubmittedAt + task.Millis(r.signed())
	t.FinishedAt = t.StartedAt + task.Millis(r.signed())
	t.Index = o.index + uint64(r.signed())
	if tries&triesMore != 0 {
		r.more(&t)
	}
	return t
}

// reader reads what a packer wrote.
type reader struct {
	rest  string
	words parts
}

// more is the inverse of packer.more.
func (r *reader) more(t *task.Task) {
	t.Spec.NotBefore = task.Moment{At: task.Millis(r.signed()), AfterMS: r.signed()}
	t.Spec.Deadline = task.Moment{At: task.Millis(r.signed()), AfterMS: r.signed()}
	t.Spec.BackoffMS = r.signed()
	t.ReadyAt = task.Millis(r.signed())
	t.Spec.Labels, t.Spec.Requires = r.labels(), r.labels()
}

func (r *reader) labels() []task.Label {
	n := r.number()
	if n == 0 {
		return nil
	}
	labels := make([]task.Label, n)
	for i := range labels {
		labels[i] = task.Label{Name: r.word(), Value: r.word()}
	}
	return labels
}

func (r *reader) take(n uint64) string {
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) byte() byte {
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) number() uint64 {
	var n uint64
	for shift := 0; ; shift += 7 {
		b := r.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}

func (r *reader) signed() int64 {
	n := r.number()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *reader) text() string { return r.take(r.number()) }
func (r *reader) word() string { return r.words.part(r.number()) }

func (r *reader) value() task.Value {
	return task.Value{Type: task.ValueType(r.byte()), Text: r.text()}
}
