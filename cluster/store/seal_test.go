package store

import (
	"hash/crc32"
	"testing"
)

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
