package store

import (
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
)

func TestEveryBitOfAnEntryIsInItsChecksum(t *testing.T) {
	table := crc32.MakeTable(crc32.Castagnoli)
	entry := func() *raft.Log {
		return &raft.Log{Index: 7, Term: 3, Type: raft.LogCommand, Data: []byte("submit 1+1")}
	}
	given := entry()
	stored := summed([]*raft.Log{given}, table)[0]
	if given.Extensions != nil {
		t.Fatal("the entry that others are sent has a checksum")
	}
	good := *stored
	if err := verify(&good, table); err != nil || good.Extensions != nil || string(good.Data) != "submit 1+1" {
		t.Errorf("%+v, %v", good, err)
	}
	for name, damage := range map[string]func(l *raft.Log){
		"index": func(l *raft.Log) { l.Index ^= 1 },
		"term":  func(l *raft.Log) { l.Term ^= 1 << 40 },
		"type":  func(l *raft.Log) { l.Type = raft.LogNoop },
		"data":  func(l *raft.Log) { l.Data[3] ^= 0x10 },
		"cut":   func(l *raft.Log) { l.Data = l.Data[:5] },
		"sum":   func(l *raft.Log) { l.Extensions[2] ^= 1 },
		"form":  func(l *raft.Log) { l.Extensions[0] = 9 },
		"short": func(l *raft.Log) { l.Extensions = l.Extensions[:2] },
	} {
		l := *stored
		l.Data, l.Extensions = slices.Clone(l.Data), slices.Clone(l.Extensions)
		damage(&l)
		if err := verify(&l, table); !errors.Is(err, errChecksum) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := verify(entry(), table); err != nil { // of a version without checksums
		t.Error(err)
	}
}
