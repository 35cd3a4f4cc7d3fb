package cluster

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// TestADamagedVoteIsNotUsed: every bit of the term and of the vote, as they are
// on the disk.
func TestADamagedVoteIsNotUsed(t *testing.T) {
	for _, key := range []string{"CurrentTerm", "LastVoteTerm", "LastVoteCand"} {
		for back := range 8 { // the value's last bytes, and some of its checksum
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				m := w.alone("m1")
				m.kill()
				path := filepath.Join(m.dir, logFile)
				stored := storedAs(t, path, key)
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
					_, err = n.store.Stable.Get([]byte(key))
					if closeErr := n.Close(); closeErr != nil {
						t.Error(closeErr)
					}
				}
				expectError(t, err, "damaged", key, "join again with a new id")
			})
		}
	}
}

// storedAs returns what the log's file has under a key of Raft's.
func storedAs(t *testing.T, path, key string) []byte {
	t.Helper()
	disk, err := raftboltdb.NewBoltStore(path)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := disk.Get([]byte(key))
	if err := errors.Join(err, disk.Close()); err != nil {
		t.Fatal(err)
	}
	return stored
}
