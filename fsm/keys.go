package fsm

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"muster/task"
)

// keyIndex finds the task of an idempotency key. It holds a part of the key's hash and
// the id, 8 bytes, and not the key, which the task has: who looks up compares.
//
// It is the one part of the tables that is not copied for a View: the keys of a busy
// entry lie all over any tree, and each would have a node of its own copied. Instead all
// views of a state share it. That is sound because ids only rise: what was added after a
// View leads to a task that the View does not have. And what was removed leads nowhere,
// also in a View that still has the task, which is about to be forgotten.
//
// The goroutine of Apply alone changes it; any may read meanwhile.
type keyIndex struct {
	// seed is of this process alone. Clients choose the keys, and keys that collide on
	// purpose would make every submit of theirs slower.
	seed   maphash.Seed
	shards []keyShard
}

// keyShard is a hash table of the keys whose hashes begin alike. A table is small, so
// that it grows in no time.
type keyShard struct {
	slots atomic.Pointer[[]atomic.Uint64]
	taken int // slots that are not empty, the goroutine's of Apply
	keys  int // of them that have an entry, the goroutine's of Apply
}

// A slot is empty, removed, or the next bits of the hash and the id. The first bits of
// the hash choose the shard.
const (
	keyShardBits = 12
	keyTagBits   = 20
	keyIDBits    = 64 - keyTagBits // 17e12 tasks

	slotEmpty   = 0
	slotRemoved = 1<<keyIDBits - 1 // the id of no task
)

type keyEntry struct {
	hash uint64
	id   task.ID
}

func newKeyIndex() *keyIndex {
	return &keyIndex{seed: maphash.MakeSeed(), shards: make([]keyShard, 1<<keyShardBits)}
}

// hash returns the hash of a key, of which the highest bits count.
func (x *keyIndex) hash(key string) uint64 { return maphash.String(x.seed, key) }

// of returns the entry of a task that has a key.
func (x *keyIndex) of(t *task.Task) keyEntry { return keyEntry{hash: x.hash(t.Key), id: t.ID} }

func (e keyEntry) shard() uint64 { return e.hash >> (64 - keyShardBits) }
func (e keyEntry) tag() uint64 {
	return e.hash >> (64 - keyShardBits - keyTagBits) & (1<<keyTagBits - 1)
}
func (e keyEntry) slot() uint64 { return e.tag()<<keyIDBits | uint64(e.id) }

// add adds an entry, which must not be there.
func (x *keyIndex) add(e keyEntry) {
	if e.id >= slotRemoved {
		panic("fsm: there are more tasks than the index of keys can tell apart")
	}
	s := &x.shards[e.shard()]
	if slots := s.slots.Load(); slots == nil || 4*(s.taken+1) > 3*len(*slots) {
		s.rebuild()
	}
	s.put(*s.slots.Load(), e.slot())
}

func (s *keyShard) put(slots []atomic.Uint64, slot uint64) {
	at := slot >> keyIDBits
	for slots[at%uint64(len(slots))].Load() != slotEmpty {
		at++
	}
	slots[at%uint64(len(slots))].Store(slot)
	s.taken++
	s.keys++
}

// rebuild makes room, in a table that readers see once it is whole.
func (s *keyShard) rebuild() {
	slots := make([]atomic.Uint64, max(8, 1<<bits.Len(uint(2*s.keys))))
	old := s.slots.Load()
	s.taken, s.keys = 0, 0
	if old != nil {
		for i := range *old {
			if slot := (*old)[i].Load(); slot != slotEmpty && slot != slotRemoved {
				s.put(slots, slot)
			}
		}
	}
	s.slots.Store(&slots)
}

// remove removes an entry, if it is there.
func (x *keyIndex) remove(e keyEntry) {
	s := &x.shards[e.shard()]
	slots := s.slots.Load()
	if slots == nil {
		return
	}
	for at := e.tag(); ; at++ {
		slot := &(*slots)[at%uint64(len(*slots))]
		switch slot.Load() {
		case slotEmpty:
			return
		case e.slot():
			slot.Store(slotRemoved)
			s.keys--
			return
		}
	}
}

// candidates yields the tasks whose keys may have the hash.
func (x *keyIndex) candidates(hash uint64, yield func(task.ID) bool) {
	e := keyEntry{hash: hash}
	slots := x.shards[e.shard()].slots.Load()
	if slots == nil {
		return
	}
	for at := e.tag(); ; at++ {
		slot := (*slots)[at%uint64(len(*slots))].Load()
		switch {
		case slot == slotEmpty:
			return
		case slot == slotRemoved || slot>>keyIDBits != e.tag():
		case !yield(task.ID(slot & (1<<keyIDBits - 1))):
			return
		}
	}
}
