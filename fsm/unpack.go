package fsm

import "muster/task"

// opened is a pack whose dictionary has been read. The strings of the tasks that
// it returns are parts of the pack.
type opened struct {
	size    int // number of tasks
	stamp   task.Millis
	index   uint64
	words   []string
	ends    string
	records string
}

func (p pack) open() opened {
	r := reader{rest: string(p)}
	o := opened{size: int(r.number())}
	o.stamp = task.Millis(r.signed())
	o.index = r.number()
	o.words = make([]string, r.number())
	for i := range o.words {
		o.words[i] = r.text()
	}
	o.ends, o.records = r.rest[:4*o.size], r.rest[4*o.size:]
	return o
}

func (o *opened) record(i int) string {
	start := uint32(0)
	if i > 0 {
		start = o.end(i - 1)
	}
	return o.records[start:o.end(i)]
}

func (o *opened) end(i int) uint32 {
	e := o.ends[4*i : 4*i+4]
	return uint32(e[0]) | uint32(e[1])<<8 | uint32(e[2])<<16 | uint32(e[3])<<24
}

// task returns the i-th task of a pack whose first has the given id. It is the
// inverse of packer.add.
func (o opened) task(first task.ID, i int) task.Task {
	r := reader{rest: o.record(i), words: o.words}
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
	t.Spec.MaxTries = uint32(r.number())
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
	return t
}

// reader reads what a packer wrote.
type reader struct {
	rest  string
	words []string
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

func (r *reader) text() string {
	n := r.number()
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) word() string { return r.words[r.number()] }

func (r *reader) value() task.Value {
	return task.Value{Type: task.ValueType(r.byte()), Text: r.text()}
}
