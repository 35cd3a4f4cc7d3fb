package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// damaged says what to do about a log that can't be trusted.
func damaged(err error) error { return StartAnew(fmt.Errorf("the log's file is damaged (%w)", err)) }

// StartAnew says what to do about a data directory that has lost something.
func StartAnew(err error) error {
	return fmt.Errorf("%w; the other masters have everything: "+
		"remove this master, move its data directory away, and let it join again with a new id", err)
}

// catchDamage is deferred, twice, around calls of bbolt: defer catchDamage(&err)().
// bbolt panics where a page is not what it should be, and a file that was cut
// short faults where it is mapped; both become errors.
func catchDamage(err *error) (end func()) {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil { //nolint:revive // the function returned is the deferred one
			*err = damaged(fmt.Errorf("%v", p))
		}
	}
}

// checkPages walks through the whole file, if there is one. bbolt itself would
// find a page that is not what it should be later, in goroutines of its own, and
// take the process down with it.
func checkPages(path string) (err error) {
	if info, statErr := os.Stat(path); errors.Is(statErr, os.ErrNotExist) || statErr == nil && info.Size() == 0 {
		return nil
	}
	defer catchDamage(&err)() //nolint:revive // twice on purpose: the first call sets the mode of faults
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockTimeout})
	if _, system := errors.AsType[*os.PathError](err); system || errors.Is(err, berrors.ErrTimeout) {
		return err
	}
	if err != nil {
		return cmp.Or(checkHeader(path), damaged(err))
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkHeader(path); err != nil { // while nobody writes
		return err
	}
	return db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			var last []byte
			at := b.Cursor()
			for k, _ := at.First(); k != nil; k, _ = at.Next() {
				if last != nil && bytes.Compare(last, k) >= 0 { // else a loop of pages would never end
					return damaged(fmt.Errorf("keys of %q are out of order", name))
				}
				last = append(last[:0], k...)
			}
			return nil
		})
	})
}
