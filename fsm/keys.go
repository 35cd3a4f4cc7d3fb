package fsm

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/tidwall/btree"

	"muster/task"
)

// keyIndex finds the task of an idempotency key. It holds a hash of the key and
// the id, 16 bytes, and not the key, which the task has: who looks up compares.
type keyIndex struct {
	entries *btree.BTreeG[keyEntry]
}

type keyEntry struct {
	hash uint64
	id   task.ID
}

func (e keyEntry) less(o keyEntry) bool {
	return e.hash < o.hash || e.hash == o.hash && e.id < o.id
}

func newKeyIndex() keyIndex {
	return keyIndex{entries: btree.NewBTreeGOptions(keyEntry.less, btree.Options{NoLocks: true})}
}

func (x keyIndex) share() keyIndex { return keyIndex{entries: x.entries.Copy()} }

// addAll adds entries in the order of the tree, which takes a fraction of the time. It
// sorts them.
func (x keyIndex) addAll(entries []keyEntry) {
	slices.SortFunc(entries, func(a, b keyEntry) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.id, b.id))
	})
	if x.entries.Len() == 0 {
		for _, e := range entries {
			x.entries.Load(e)
		}
		return
	}
	var near btree.PathHint
	for _, e := range entries {
		x.entries.SetHint(e, &near)
	}
}

// keyOf returns the entry of a task that has a key.
func keyOf(t task.Task) keyEntry { return keyEntry{hash: hashKey(t.Key), id: t.ID} }

func (x keyIndex) remove(key string, id task.ID) {
	x.entries.Delete(keyEntry{hash: hashKey(key), id: id})
}

// hashes returns the hashes of all keys.
func (x keyIndex) hashes() map[uint64]struct{} {
	all := make(map[uint64]struct{}, x.entries.Len())
	x.entries.Scan(func(e keyEntry) bool {
		all[e.hash] = struct{}{}
		return true
	})
	return all
}

// candidates yields the tasks whose keys have the hash.
func (x keyIndex) candidates(hash uint64, yield func(task.ID) bool) {
	x.entries.Ascend(keyEntry{hash: hash}, func(e keyEntry) bool {
		return e.hash == hash && yield(e.id)
	})
}

// hashKey is a cryptographic hash, cut short: clients choose the keys, and keys
// that collide on purpose would make every submit of theirs slower.
func hashKey(key string) uint64 {
	sum := sha256.Sum256([]byte(key))
	return binary.BigEndian.Uint64(sum[:])
}
