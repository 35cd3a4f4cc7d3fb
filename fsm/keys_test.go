package fsm

import (
	"math/rand/v2"
	"sync"
	"testing"

	"muster/task"
)

// crowded returns a hash that shares its shard, and the beginning of its tag, with many.
func crowded(n uint64) uint64 { return n%3<<(64-keyShardBits) | n%1000<<(64-keyShardBits-keyTagBits) }

func found(x *keyIndex, hash uint64) map[task.ID]bool {
	ids := make(map[task.ID]bool)
	x.candidates(hash, func(id task.ID) bool {
		ids[id] = true
		return true
	})
	return ids
}

// TestTheIndexOfKeysIsAMap whatever is added and removed.
func TestTheIndexOfKeysIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	x, want := newKeyIndex(), make(map[keyEntry]bool)
	var all []keyEntry
	for id := task.ID(1); id <= 8_000; id++ {
		e := keyEntry{hash: crowded(random.Uint64()), id: id}
		x.add(e)
		all, want[e] = append(all, e), true
		if id%3 > 0 || id > 6_000 {
			gone := all[random.IntN(len(all))]
			x.remove(gone)
			delete(want, gone)
		}
		if id%100 > 0 {
			continue
		}
		for _, e := range all[max(0, len(all)-300):] {
			if found(x, e.hash)[e.id] != want[e] {
				t.Fatalf("after %d: %+v is there: %t", id, e, !want[e])
			}
		}
	}
	for _, e := range all {
		if found(x, e.hash)[e.id] != want[e] {
			t.Fatalf("%+v is there: %t", e, !want[e])
		}
	}
	if s := x.shards[0].slots.Load(); len(*s) > 1<<13 {
		t.Errorf("%d slots for %d keys", len(*s), len(want))
	}
	x.remove(keyEntry{hash: crowded(5) | 1<<63, id: 5}) // of a shard that has none
	for range x.shards {
		if ids := found(x, crowded(5)|1<<63); len(ids) != 0 {
			t.Fatalf("nothing was added, and %v is there", ids)
		}
	}
}

// TestKeysAreFoundWhileTheirIndexGrows by readers beside the goroutine of Apply.
func TestKeysAreFoundWhileTheirIndexGrows(t *testing.T) {
	x := newKeyIndex()
	kept := make([]keyEntry, 100)
	for i := range kept {
		kept[i] = keyEntry{hash: crowded(uint64(i)), id: task.ID(i + 1)}
		x.add(kept[i])
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				for _, e := range kept {
					if !found(x, e.hash)[e.id] {
						t.Errorf("%+v was not found", e)
						return
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for id := task.ID(101); id < 100_000; id++ {
		x.add(keyEntry{hash: crowded(uint64(id)), id: id})
		if id > 1000 {
			x.remove(keyEntry{hash: crowded(uint64(id - 500)), id: id - 500})
		}
	}
	close(stop)
	readers.Wait()
}
