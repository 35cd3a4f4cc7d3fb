package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Raft's term and its vote are stored with a checksum, as its entries are: a
// master that reads another vote than it gave may give a second one in the same
// term. The form is sealMark, CRC-32C over key and value, and the value. A value
// without the mark was stored by a version without checksums.
const sealMark = "\x00v1"

// seal returns what is stored for a value.
func seal(key, value []byte, table *crc32.Table) []byte {
	out := binary.BigEndian.AppendUint32([]byte(sealMark), sealSum(key, value, table))
	return append(out, value...)
}

// unseal returns the value of what is stored.
func unseal(key, stored []byte, table *crc32.Table) ([]byte, error) {
	rest, sealed := bytes.CutPrefix(stored, []byte(sealMark))
	if !sealed {
		return stored, nil
	}
	if len(rest) < crc32.Size {
		return nil, damaged(fmt.Errorf("the value of %q is cut short", key))
	}
	value := rest[crc32.Size:]
	if binary.BigEndian.Uint32(rest) != sealSum(key, value, table) {
		return nil, damaged(fmt.Errorf("the value of %q: %w", key, errChecksum))
	}
	return value, nil
}

func sealSum(key, value []byte, table *crc32.Table) uint32 {
	return crc32.Update(crc32.Checksum(key, table), table, value)
}

// number decodes a value that Raft stores as a number.
func number(key, value []byte) (uint64, error) {
	if len(value) != 8 {
		return 0, damaged(errors.New("the value of " + string(key) + " is no number"))
	}
	return binary.BigEndian.Uint64(value), nil
}
