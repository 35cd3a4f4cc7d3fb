package fsm

import (
	"cmp"

	"github.com/tidwall/btree"
)

// tree is a B-tree of which a View has a copy. What did not change since the last copy
// is not copied again.
type tree[K cmp.Ordered, V any] struct {
	*btree.Map[K, V] // reading only; the goroutine's of Apply, unless it is in a View

	copied *btree.Map[K, V] // what the last View has, if it is equal
}

func newTree[K cmp.Ordered, V any]() tree[K, V] { return tree[K, V]{Map: new(btree.Map[K, V])} }

// share returns a copy that later changes do not touch. It takes a constant time.
func (t *tree[K, V]) share() tree[K, V] {
	if t.copied == nil {
		t.copied = t.Copy()
	}
	return tree[K, V]{Map: t.copied}
}

// Set adds a value, or replaces it.
func (t *tree[K, V]) Set(k K, v V) {
	t.copied = nil
	t.Map.Set(k, v)
}

// Delete removes a value, and returns it if it was there.
func (t *tree[K, V]) Delete(k K) (V, bool) {
	t.copied = nil
	return t.Map.Delete(k)
}
