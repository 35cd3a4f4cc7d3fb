package fsm

import (
	"encoding/binary"

	"muster/task"
)

// pack is one or more done tasks with consecutive ids in one piece of memory
// without pointers, which the garbage collector does not look into. It lives in
// memory only and is never written anywhere: its format may change at will.
//
//	number of tasks, first stamp, first index, number of words   varints
//	the ends of the words, and of the records                    4 bytes each
//	the words
//	the records
//
// Names that repeat (kinds, slaves, incarnations, parameters) are words, which
// records refer to by number; stamps and indexes are differences from those of
// the first task. The ids are not stored: the pack's owner knows the first.
type pack string

// The first byte of a record.
const (
	flagOutcome    = 0x07 // these bits are the outcome
	flagIdempotent = 0x08
	flagKey        = 0x10
	flagError      = 0x20
	flagResult     = 0x40
	flagRetryOf    = 0x80
)

// The low bits of the number that has MaxTries above them.
const (
	triesPriority = 0x0f // these bits are the priority
	triesMore     = 0x10 // the record ends with what few tasks have
	triesShift    = 5
)

// maxIdle bounds the memory that a packer keeps between two packs.
const maxIdle = 1 << 20

// packer collects the parts of a pack. It is used again and again.
type packer struct {
	numbers map[string]uint64 // of the words
	words   []byte
	ends    []byte // of the words
	records []byte
	stops   []byte // ends of the records
	whole   []byte
	stamp   task.Millis // of the first task
	index   uint64      // of the first task
}

// pack packs done tasks with consecutive ids. There must be at least one.
func (p *packer) pack(tasks ...*task.Task) pack {
	*p = packer{
		numbers: p.numbers, words: p.words[:0], ends: p.ends[:0], records: p.records[:0], stops: p.stops[:0], whole: p.whole[:0],
		stamp: tasks[0].SubmittedAt, index: tasks[0].Index,
	}
	if p.numbers == nil {
		p.numbers = make(map[string]uint64)
	}
	for i := range tasks {
		p.add(tasks[i])
		p.stops = binary.LittleEndian.AppendUint32(p.stops, uint32(len(p.records)))
	}
	p.whole = binary.AppendUvarint(p.whole, uint64(len(tasks)))
	p.whole = binary.AppendVarint(p.whole, int64(p.stamp))
	p.whole = binary.AppendUvarint(p.whole, p.index)
	p.whole = binary.AppendUvarint(p.whole, uint64(len(p.numbers)))
	for _, part := range [][]byte{p.ends, p.stops, p.words, p.records} {
		p.whole = append(p.whole, part...)
	}
	clear(p.numbers) // its keys are parts of the tasks
	packed := pack(p.whole)
	if cap(p.whole) > maxIdle {
		*p = packer{}
	}
	return packed
}

// add appends the record of a task; opened.task has the inverse.
func (p *packer) add(t *task.Task) {
	flags := byte(t.Outcome) & flagOutcome
	set := func(flag byte, on bool) {
		if on {
			flags |= flag
		}
	}
	set(flagIdempotent, t.Spec.Idempotent)
	set(flagKey, t.Key != "")
	set(flagError, t.Error != "")
	set(flagResult, t.Result != task.Value{})
	set(flagRetryOf, t.Spec.RetryOf != 0)
	p.records = append(p.records, flags)

	p.word(t.Spec.Kind)
	p.text(t.Spec.Expression)
	p.number(uint64(len(t.Spec.Parameters)))
	for _, x := range t.Spec.Parameters {
		p.word(x.Name)
		p.value(x.Value)
	}
	tries := uint64(t.Spec.MaxTries)<<triesShift | uint64(t.Spec.Priority)
	if t.ReadyAt != 0 || (SubmitTask{Spec: t.Spec}).Number() == NumberSubmitTaskOnConditions {
		tries |= triesMore
	}
	p.number(tries)
	p.signed(t.Spec.TimeoutMS)
	if flags&flagRetryOf != 0 {
		p.number(uint64(t.Spec.RetryOf))
	}
	if flags&flagKey != 0 {
		p.text(t.Key)
	}
	if flags&flagResult != 0 {
		p.value(t.Result)
	}
	if flags&flagError != 0 {
		p.text(t.Error)
	}
	p.word(t.Slave)
	p.word(t.Incarnation)
	p.number(uint64(t.Attempt))
	p.number(uint64(t.Tries))
	// Differences wrap around, and wrap back when they are added again.
	p.signed(int64(t.SubmittedAt - p.stamp))
	p.signed(int64(t.StartedAt - t.SubmittedAt))
	p.signed(int64(t.FinishedAt - t.StartedAt))
	p.signed(int64(t.Index - p.index))
	if tries&triesMore != 0 {
		p.more(t)
	}
}

func (p *packer) more(t *task.Task) {
	for _, n := range []int64{
		int64(t.Spec.NotBefore.At), t.Spec.NotBefore.AfterMS, int64(t.Spec.Deadline.At), t.Spec.Deadline.AfterMS,
		t.Spec.BackoffMS, int64(t.ReadyAt),
	} {
		p.signed(n)
	}
	for _, labels := range [][]task.Label{t.Spec.Labels, t.Spec.Requires} {
		p.number(uint64(len(labels)))
		for _, l := range labels {
			p.word(l.Name)
			p.word(l.Value)
		}
	}
}

func (p *packer) number(n uint64) { p.records = binary.AppendUvarint(p.records, n) }
func (p *packer) signed(n int64)  { p.records = binary.AppendVarint(p.records, n) }

func (p *packer) text(s string) {
	p.number(uint64(len(s)))
	p.records = append(p.records, s...)
}

func (p *packer) value(v task.Value) {
	p.records = append(p.records, byte(v.Type))
	p.text(v.Text)
}

// word appends the number of a word, which joins the others if it is new.
func (p *packer) word(s string) {
	n, ok := p.numbers[s]
	if !ok {
		n = uint64(len(p.numbers))
		p.numbers[s] = n
		p.words = append(p.words, s...)
		p.ends = binary.LittleEndian.AppendUint32(p.ends, uint32(len(p.words)))
	}
	p.number(n)
}
