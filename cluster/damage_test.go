package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"go.etcd.io/bbolt"
)

// TestADamagedLogIsNotUsed damages the log's file while its master is down. It
// either refuses to start, saying what to do, or, where the damage hit nothing
// that is used, holds exactly what the others hold. It never panics.
func TestADamagedLogIsNotUsed(t *testing.T) {
	const size = 4096 // of bbolt's pages
	damages := map[string]func(t *testing.T, path string){
		"cut in the middle": func(t *testing.T, path string) { t.Helper(); truncate(t, path, 5*size) },
		"cut to a page":     func(t *testing.T, path string) { t.Helper(); truncate(t, path, size) },
		"empty":             func(t *testing.T, path string) { t.Helper(); truncate(t, path, 0) },
		"other bytes":       func(t *testing.T, path string) { t.Helper(); overwrite(t, path, 0, strings.Repeat("x", 4*size)) },
		"both meta pages":   func(t *testing.T, path string) { t.Helper(); overwrite(t, path, 0, strings.Repeat("\x00", 2*size)) },
		"one meta page":     func(t *testing.T, path string) { t.Helper(); overwrite(t, path, 0, strings.Repeat("\x00", size)) },
		"an expression":     func(t *testing.T, path string) { t.Helper(); flipEntry(t, path, "expression-of-a-task") },
	}
	for page := 2; page < 12; page++ {
		damages["page "+string(rune('0'+page))] = func(t *testing.T, path string) {
			t.Helper()
			overwrite(t, path, int64(page)*size, strings.Repeat("\xff\x00", 40))
		}
	}
	refused := 0
	for name, damage := range damages {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, false)
			all := w.formed()
			for range 40 {
				w.leader(all...).put("expression-of-a-task-" + strings.Repeat("k", 20+refused))
			}
			w.level(all...)
			victim := others(all, w.leader(all...))[0]
			victim.kill()
			damage(t, filepath.Join(victim.dir, logFile))
			err := victim.reopen()
			if err == nil {
				w.level(all...)
				return
			}
			refused++
			if !strings.Contains(err.Error(), "with a new id") { // what to do
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	if refused < 6 {
		t.Errorf("%d of %d damages were refused", refused, len(damages))
	}
}

// reopen starts a master again and returns why it could not, nil once it is ready.
func (m *master) reopen() error {
	m.w.t.Helper()
	n, err := m.open(nil)
	if err != nil {
		return err
	}
	if err := n.Close(); err != nil {
		return err
	}
	m.start(nil)
	ended := func() bool {
		select {
		case <-m.done:
			return true
		default:
			return false
		}
	}
	m.w.eventually("it is ready, or has ended", func() bool { return ended() || m.node.Ready() == nil })
	if ended() {
		return m.err
	}
	return nil
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path string, at int64, with string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(with), at)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// flipEntry changes one bit in the newest entry that has the text.
func flipEntry(t *testing.T, path, text string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		logs := tx.Bucket([]byte("logs"))
		at := logs.Cursor()
		for k, v := at.Last(); k != nil; k, v = at.Prev() {
			if i := bytes.Index(v, []byte(text)); i >= 0 {
				v = bytes.Clone(v)
				v[i+3] ^= 1
				return logs.Put(k, v)
			}
		}
		return fmt.Errorf("no entry has %q", text)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// flip changes one bit in the last place of the file that has the text.
func flip(t *testing.T, path, text string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(content), text)
	if at < 0 {
		t.Fatalf("%s has no %q", path, text)
	}
	overwrite(t, path, int64(at)+3, string(content[at+3]^1))
}
