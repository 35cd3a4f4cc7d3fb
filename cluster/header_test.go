package cluster

import (
	"encoding/binary"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// TestADamagedHeaderDoesNotBringTheLogBack: bbolt writes one of two meta pages at
// each commit and, if the newer is damaged, takes the older without a word: the
// log as it was before its last entry, which was acknowledged.
func TestADamagedHeaderDoesNotBringTheLogBack(t *testing.T) {
	const size = 4096 // of bbolt's pages
	for page := range 2 {
		for _, offset := range []int64{16, 20, 40, 64, 72} { // magic, version, root, transaction, checksum
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				m := w.alone("m1")
				id := m.put("acknowledged")
				m.kill()
				overwrite(t, filepath.Join(m.dir, logFile), int64(page*size)+offset, strings.Repeat("\xa5", 4))
				err := m.reopen()
				if err == nil {
					if _, ok := m.node.View().Task(id); !ok {
						t.Errorf("page %d, offset %d: it starts, and the task is gone", page, offset)
					}
					return
				}
				expectError(t, err, logFile, "join again with a new id")
			})
		}
	}
}

// TestALogOfAnotherVersionIsLeftAlone: it is not damaged, and must not be thrown
// away.
func TestALogOfAnotherVersionIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.alone("m1")
		m.kill()
		path := filepath.Join(m.dir, logFile)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const pageHeaderBytes, metaVersion, metaBytes = 16, 2, 64 // bbolt's
		for page := range 2 {
			b := content[page*4096+pageHeaderBytes:]
			binary.NativeEndian.PutUint32(b[4:], metaVersion+1)
			sum := fnv.New64a()
			_, _ = sum.Write(b[:metaBytes-8])
			binary.NativeEndian.PutUint64(b[metaBytes-8:], sum.Sum64())
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		err = m.reopen()
		expectError(t, err, path, "format 3, and this program understands 2", "run the version of this program that wrote it")
		if strings.Contains(err.Error(), "damaged") {
			t.Errorf("it says that a good file is damaged: %v", err)
		}
	})
}

// TestAFileThatIsNoLogIsRefused, whatever it is.
func TestAFileThatIsNoLogIsRefused(t *testing.T) {
	for _, content := range []string{"x", "SQLite format 3\x00" + strings.Repeat("y", 8192), strings.Repeat("\x00", 65536)} {
		w := newWorld(t, true)
		m := w.master("m1")
		path := filepath.Join(m.dir, logFile)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := m.open(bootstrap)
		expectError(t, err, path, "move its data directory away")
		if after, _ := os.ReadFile(path); string(after) != content {
			t.Error("the file was changed")
		}
	}
}
