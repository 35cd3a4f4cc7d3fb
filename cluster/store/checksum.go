package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"
)

// bbolt checks its meta pages, and nothing that is stored in the others: a
// flipped bit in an entry would be applied here and nowhere else. So each entry
// is stored with a checksum, in the field Extensions, which Raft keeps and does
// not use. It is there on the disk alone: other masters never see it.
//
// The form is one byte, checksumForm, and CRC-32C (Castagnoli) over index, term,
// type and data, big endian. Entries without one are taken as they are.
const (
	checksumForm  = 1
	checksumBytes = 1 + crc32.Size
)

// errChecksum: what was read is not what was written.
var errChecksum = errors.New("its checksum is wrong")

// summed returns copies of entries with their checksums.
func summed(logs []*raft.Log, table *crc32.Table) []*raft.Log {
	copies := make([]raft.Log, len(logs))
	out := make([]*raft.Log, len(logs))
	for i, l := range logs {
		copies[i] = *l
		copies[i].Extensions = binary.BigEndian.AppendUint32([]byte{checksumForm}, checksum(l, table))
		out[i] = &copies[i]
	}
	return out
}

// verify checks an entry that was read and takes its checksum off.
func verify(l *raft.Log, table *crc32.Table) error {
	if len(l.Extensions) == 0 {
		return nil
	}
	if len(l.Extensions) != checksumBytes || l.Extensions[0] != checksumForm ||
		binary.BigEndian.Uint32(l.Extensions[1:]) != checksum(l, table) {
		return damaged(fmt.Errorf("entry %d: %w", l.Index, errChecksum))
	}
	l.Extensions = nil
	return nil
}

func checksum(l *raft.Log, table *crc32.Table) uint32 {
	var head [17]byte
	binary.BigEndian.PutUint64(head[:], l.Index)
	binary.BigEndian.PutUint64(head[8:], l.Term)
	head[16] = byte(l.Type)
	return crc32.Update(crc32.Checksum(head[:], table), table, l.Data)
}
