package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// bbolt's file begins with two meta pages, and each commit writes the one that is
// older. If the newer is damaged bbolt takes the other, without a word: that is
// the log as it was one commit earlier, without an entry, or a vote, that this
// master has given its word for. So both must be whole. A power cut does not
// damage one: what bbolt writes lies within one sector of the disk.
const (
	pageHeaderBytes = 16
	metaBytes       = 64
	metaMagic       = 0xED0CDAED
	metaVersion     = 2
)

var errOtherVersion = errors.New("the log's file has the format")

// meta is what is of interest in a meta page. Numbers are in the machine's order.
type meta struct {
	pageSize uint32
	pages    uint64 // that the file must have
}

// checkHeader checks both meta pages of bbolt's file, and that it has all pages
// that they speak of.
func checkHeader(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	first, err := readMeta(f, 0)
	if errors.Is(err, errOtherVersion) {
		return fmt.Errorf("%w: run the version of this program that wrote it", err)
	}
	if err != nil {
		return damaged(fmt.Errorf("its first meta page: %w", err))
	}
	second, err := readMeta(f, int64(first.pageSize))
	if err != nil {
		return damaged(fmt.Errorf("its second meta page: %w", err))
	}
	if need := max(first.pages, second.pages) * uint64(first.pageSize); uint64(info.Size()) < need {
		return damaged(fmt.Errorf("it has %d bytes and should have at least %d", info.Size(), need))
	}
	return nil
}

func readMeta(f *os.File, at int64) (meta, error) {
	var page [pageHeaderBytes + metaBytes]byte
	if _, err := f.ReadAt(page[:], at); err != nil {
		return meta{}, err
	}
	b, order := page[pageHeaderBytes:], binary.NativeEndian
	if magic := order.Uint32(b); magic != metaMagic {
		return meta{}, fmt.Errorf("it begins with %08x", magic)
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaBytes-8]) // a hash takes everything
	if order.Uint64(b[metaBytes-8:]) != sum.Sum64() {
		return meta{}, errChecksum
	}
	if version := order.Uint32(b[4:]); version != metaVersion {
		return meta{}, fmt.Errorf("%w %d, and this program understands %d", errOtherVersion, version, metaVersion)
	}
	return meta{pageSize: order.Uint32(b[8:]), pages: order.Uint64(b[40:])}, nil
}
