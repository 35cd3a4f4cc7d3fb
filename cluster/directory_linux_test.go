package cluster

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestADirectoryThatCannotBeUsedIsRefused says which, why and what to do, before
// anything is started.
func TestADirectoryThatCannotBeUsedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, m *master)
		says  []string
	}{
		"of another user": {
			func(t *testing.T, _ *master) { t.Helper(); asNobody(t) },
			[]string{"permission denied", "run this master as the user that owns it"},
		},
		"a log that can't be read": {
			func(t *testing.T, m *master) {
				t.Helper()
				for _, dir := range []string{filepath.Dir(m.dir), m.dir} {
					if err := os.Chmod(dir, 0o777); err != nil {
						t.Fatal(err)
					}
				}
				asNobody(t)
			},
			[]string{logFile, "permission denied", "run this master as the user that owns it"},
		},
		"on a disk that is read-only": {
			func(t *testing.T, m *master) {
				t.Helper()
				disk := smallDisk(t, "8m")
				if err := os.CopyFS(filepath.Join(disk, "data"), os.DirFS(m.dir)); err != nil {
					t.Fatal(err)
				}
				m.dir = filepath.Join(disk, "data")
				if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
					t.Fatal(err)
				}
			},
			[]string{"read-only file system", "make the disk writable"},
		},
		"on a full disk": {
			func(t *testing.T, m *master) {
				t.Helper()
				disk := smallDisk(t, "256k")
				fill(t, disk, filepath.Join(disk, "ballast"), 0)
				m.dir = filepath.Join(disk, "data")
			},
			[]string{"no space left on device", "make space"},
		},
		"a file": {
			func(t *testing.T, m *master) {
				t.Helper()
				m.dir = filepath.Join(m.dir, logFile)
			},
			[]string{"not a directory"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			m := w.master("m1")
			m.start(bootstrap)
			w.leader(m).put("x")
			if err := m.halt(); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, m)
			_, err := m.open(nil)
			expectError(t, err, append(c.says, m.dir)...)
		})
	}
}

// asNobody takes root's rights over files from this test's thread.
func asNobody(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs root")
		}
		t.Skip("permissions are not tested: only root can put them aside and take them back")
	}
	runtime.LockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
}
