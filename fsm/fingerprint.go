package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"muster/task"
)

// Fingerprint returns a hash over everything in the picture. Replicas that have
// applied the same entries have the same fingerprint, whether they applied them
// live, replayed the log or loaded a snapshot. It reads the whole state.
//
// What is hashed are the fields, each by a number that it keeps for ever, and
// not some encoding of the whole. Fields that are zero are left out: a field
// that a later version adds does not change the fingerprint of what was there
// before, so that versions can be compared.
func (v *View) Fingerprint() string {
	f := fingerprint{sum: sha256.New()}
	f.state(v)
	for _, slave := range v.Slaves() {
		f.slave(&slave)
	}
	for _, m := range v.Masters() {
		f.master(&m)
	}
	for w := v.walk(&task.Query{}); w.id() != 0; w.step() {
		t := w.task()
		f.task(&t)
	}
	f.flush()
	return hex.EncodeToString(f.sum.Sum(nil))
}

// Kinds of records, and the end of each.
const (
	hashEnd uint64 = iota
	hashState
	hashSlave
	hashMaster
	hashTask
)

type fingerprint struct {
	sum     hash.Hash
	pending []byte // not yet hashed
}

func (f *fingerprint) state(v *View) {
	f.begin(hashState)
	f.number(1, v.index)
	f.number(2, v.counts.Submitted)
	f.number(3, v.counts.Pending)
	f.number(4, v.counts.InProgress)
	f.number(5, v.counts.Done)
	f.number(6, uint64(v.capacity.Slaves))
	f.number(7, uint64(v.capacity.Slots))
	f.number(8, uint64(v.capacity.Busy))
	f.number(9, v.lastSlave)
	f.number(10, v.counts.Forgotten)
	f.end()
}

func (f *fingerprint) slave(s *task.Slave) {
	f.begin(hashSlave)
	f.text(1, s.Name)
	f.text(2, s.URL)
	f.number(3, uint64(s.Slots))
	f.number(4, uint64(s.Busy))
	f.number(5, uint64(s.State))
	f.text(6, s.Incarnation)
	for _, k := range s.Kinds {
		f.begin(7)
		f.text(1, k.Name)
		f.flag(2, k.Idempotent)
		f.end()
	}
	f.number(8, s.Order)
	f.number(9, uint64(s.RegisteredAt))
	f.number(10, s.Index)
	f.flag(11, s.Drained)
	f.labels(12, s.Labels)
	f.text(13, s.Version)
	f.end()
}

func (f *fingerprint) master(m *task.Master) {
	f.begin(hashMaster)
	f.text(1, m.ID)
	f.text(2, m.RaftAddress)
	f.text(3, m.APIURL)
	f.number(4, uint64(m.Commands))
	f.number(5, m.Index)
	f.end()
}

func (f *fingerprint) task(t *task.Task) {
	f.begin(hashTask)
	f.number(1, uint64(t.ID))
	f.text(2, t.Spec.Kind)
	f.text(3, t.Spec.Expression)
	for _, p := range t.Spec.Parameters {
		f.begin(4)
		f.text(1, p.Name)
		f.number(2, uint64(p.Value.Type))
		f.text(3, p.Value.Text)
		f.end()
	}
	f.flag(5, t.Spec.Idempotent)
	f.number(6, uint64(t.Spec.MaxTries))
	f.number(7, uint64(t.Spec.TimeoutMS))
	f.number(8, uint64(t.Spec.RetryOf))
	f.text(9, t.Key)
	f.number(10, uint64(t.Status))
	f.number(11, uint64(t.Outcome))
	f.number(12, uint64(t.Result.Type))
	f.text(13, t.Result.Text)
	f.text(14, t.Error)
	f.text(15, t.Slave)
	f.text(16, t.Incarnation)
	f.number(17, uint64(t.Attempt))
	f.number(18, uint64(t.Tries))
	f.number(19, uint64(t.SubmittedAt))
	f.number(20, uint64(t.StartedAt))
	f.number(21, uint64(t.FinishedAt))
	f.number(22, t.Index)
	f.number(23, uint64(t.Spec.Priority))
	f.number(24, uint64(t.Spec.NotBefore.At))
	f.number(25, uint64(t.Spec.NotBefore.AfterMS))
	f.number(26, uint64(t.Spec.Deadline.At))
	f.number(27, uint64(t.Spec.Deadline.AfterMS))
	f.number(28, uint64(t.Spec.BackoffMS))
	f.labels(29, t.Spec.Labels)
	f.labels(30, t.Spec.Requires)
	f.number(31, uint64(t.ReadyAt))
	f.end()
}

func (f *fingerprint) labels(field uint64, labels []task.Label) {
	for _, l := range labels {
		f.begin(field)
		f.text(1, l.Name)
		f.text(2, l.Value)
		f.end()
	}
}

// A record is its kind, its fields and an end. A text carries its length, so no
// two sequences of records hash the same bytes.

func (f *fingerprint) begin(kind uint64) {
	f.pending = binary.AppendUvarint(f.pending, kind)
}

func (f *fingerprint) number(field, n uint64) {
	if n == 0 {
		return
	}
	f.pending = binary.AppendUvarint(f.pending, field)
	f.pending = binary.AppendUvarint(f.pending, n)
}

func (f *fingerprint) flag(field uint64, on bool) {
	if on {
		f.number(field, 1)
	}
}

func (f *fingerprint) text(field uint64, s string) {
	if s == "" {
		return
	}
	f.number(field, uint64(len(s)))
	f.pending = append(f.pending, s...)
}

func (f *fingerprint) end() {
	f.pending = binary.AppendUvarint(f.pending, hashEnd)
	if len(f.pending) >= 32<<10 {
		f.flush()
	}
}

func (f *fingerprint) flush() {
	_, _ = f.sum.Write(f.pending) // a hash takes everything
	f.pending = f.pending[:0]
}
