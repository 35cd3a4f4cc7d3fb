package fsm

import "muster/task"

// replay is what a State keeps from one Replay to the next. The index of keys is by their
// hashes, so each new key goes to another place of a large tree. A set of the hashes
// tells that a key is new, and new keys wait until there are many, which are added in
// their order.
type replay struct {
	hashes map[uint64]struct{} // of all keys, and of some that were removed since
	keys   []keyEntry          // that are not in the index yet
}

// beginReplay is called before an entry is replayed.
func (s *State) beginReplay() {
	if s.replay == nil {
		s.replay = &replay{hashes: s.keys.hashes()}
	}
}

// endReplay is called before anything else.
func (s *State) endReplay() {
	s.settleKeys()
	s.replay = nil
}

// settleKeys adds the keys that wait.
func (s *State) settleKeys() {
	if s.replay == nil || len(s.replay.keys) == 0 {
		return
	}
	s.keys.addAll(s.replay.keys)
	s.replay.keys = s.replay.keys[:0]
}

// keyed is findKey with the key's hash.
func (s *State) keyed(key string, hash uint64) (task.Task, bool) {
	if s.replay != nil {
		if _, known := s.replay.hashes[hash]; !known {
			return task.Task{}, false
		}
		s.settleKeys()
	}
	return s.findHashed(key, hash)
}

func (s *State) addKey(e keyEntry) {
	if s.replay == nil {
		s.keys.entries.Set(e)
		return
	}
	s.replay.hashes[e.hash] = struct{}{}
	s.replay.keys = append(s.replay.keys, e)
}

func (s *State) removeKey(key string, id task.ID) {
	s.settleKeys()
	s.keys.remove(key, id)
}
