package cluster

import (
	"bytes"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
)

// TestADamagedVoteIsNotUsed: every bit of the term and of the vote, as they are
// on the disk.
func TestADamagedVoteIsNotUsed(t *testing.T) {
	for _, key := range []string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"} {
		for back := range 8 { // the value's last bytes, and some of its checksum
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				m := w.alone("m1")
				stored, err := m.node.stores.bolt.Get([]byte(key))
				if err != nil {
					t.Fatal(err)
				}
				m.kill()
				path := filepath.Join(m.dir, logFile)
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				flipped := slices.Clone(stored)
				flipped[len(flipped)-1-back] ^= 4
				if err := os.WriteFile(path, bytes.ReplaceAll(content, stored, flipped), 0o600); err != nil {
					t.Fatal(err)
				}
				if key == "CurrentTerm" {
					err = m.reopen()
				} else { // read when somebody asks for a vote
					n, openErr := m.open(nil)
					if openErr != nil {
						t.Fatal(openErr)
					}
					_, err = n.stores.stable.Get([]byte(key))
					if closeErr := n.Close(); closeErr != nil {
						t.Error(closeErr)
					}
				}
				expectError(t, err, "damaged", key, "join again with a new id")
			})
		}
	}
}

func TestAValueWithoutAChecksumIsTakenAsItIs(t *testing.T) {
	table := crc32.MakeTable(crc32.Castagnoli)
	for _, old := range []string{"m1:1", "\x00\x00\x00\x00\x00\x00\x00\x07", ""} {
		got, err := unseal([]byte("k"), []byte(old), table)
		if err != nil || string(got) != old {
			t.Errorf("%q: %q, %v", old, got, err)
		}
		got, err = unseal([]byte("k"), seal([]byte("k"), []byte(old), table), table)
		if err != nil || string(got) != old {
			t.Errorf("sealed %q: %q, %v", old, got, err)
		}
		if _, err = unseal([]byte("other"), seal([]byte("k"), []byte(old), table), table); err == nil {
			t.Errorf("%q was taken for the value of another key", old)
		}
	}
}
