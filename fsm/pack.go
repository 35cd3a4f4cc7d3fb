package fsm

import (
	"encoding/binary"

	"muster/task"
)

// pack is one or more done tasks with consecutive ids in one piece of memory
// without pointers, which the garbage collector does not look into. It lives in
// memory only and is never written anywhere: its format may change at will.
//
//	number of tasks, first stamp, first index      varints
//	number of words; each word's length and bytes  the dictionary
//	the records' ends, counted from the first's start   4 bytes each
//	the records
//
// Names that repeat (kinds, slaves, incarnations, parameters) are words of the
// dictionary; stamps and indexes are differences from those of the first task.
// The ids are not stored: the pack's owner knows the first.
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

// packer collects the parts of a pack.
type packer struct {
	words   []byte
	numbers map[string]uint64 // of the words
	records []byte
	stamp   task.Millis // of the first task
	index   uint64      // of the first task
}

// packTasks packs done tasks with consecutive ids. There must be at least one.
func packTasks(tasks []task.Task) pack {
	p := packer{numbers: make(map[string]uint64), stamp: tasks[0].SubmittedAt, index: tasks[0].Index}
	ends := make([]byte, 0, 4*len(tasks))
	for i := range tasks {
		p.add(&tasks[i])
		ends = binary.LittleEndian.AppendUint32(ends, uint32(len(p.records)))
	}
	head := binary.AppendUvarint(nil, uint64(len(tasks)))
	head = binary.AppendVarint(head, int64(p.stamp))
	head = binary.AppendUvarint(head, p.index)
	head = binary.AppendUvarint(head, uint64(len(p.numbers)))

	whole := make([]byte, 0, len(head)+len(p.words)+len(ends)+len(p.records))
	whole = append(whole, head...)
	whole = append(whole, p.words...)
	whole = append(whole, ends...)
	whole = append(whole, p.records...)
	return pack(whole)
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
	p.number(uint64(t.Spec.MaxTries))
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

// word appends the number of a word, which joins the dictionary if it is new.
func (p *packer) word(s string) {
	n, ok := p.numbers[s]
	if !ok {
		n = uint64(len(p.numbers))
		p.numbers[s] = n
		p.words = binary.AppendUvarint(p.words, uint64(len(s)))
		p.words = append(p.words, s...)
	}
	p.number(n)
}
