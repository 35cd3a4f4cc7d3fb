package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const epoch = "1700000000"

// tree makes a directory as some umask and some moment leave it.
func tree(t *testing.T, private os.FileMode, at time.Time) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "muster_1.2.3")
	must(t, os.MkdirAll(filepath.Join(dir, "man1"), 0o777&^private))
	must(t, os.WriteFile(filepath.Join(dir, "muster"), []byte("a binary"), 0o777&^private))
	must(t, os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("Apache"), 0o666&^private))
	must(t, os.WriteFile(filepath.Join(dir, "man1", "muster.1"), []byte(".TH"), 0o666&^private))
	must(t, os.Chtimes(filepath.Join(dir, "muster"), at, at))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, dir, name, epoch string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	must(t, run([]string{dir, file}, epoch))
	content, err := os.ReadFile(file)
	must(t, err)
	return content
}

func TestTwoArchivesOfTheSameFilesAreEqual(t *testing.T) {
	for _, name := range []string{"a.tar.gz", "a.zip"} {
		first := pack(t, tree(t, 0o022, time.Unix(1, 0)), name, epoch)
		if second := pack(t, tree(t, 0o077, time.Unix(2, 0)), name, epoch); !bytes.Equal(first, second) {
			t.Errorf("%s depends on the umask or on the files' times", name)
		}
		if later := pack(t, tree(t, 0o022, time.Unix(1, 0)), name, "1700000002"); bytes.Equal(first, later) {
			t.Errorf("%s does not depend on SOURCE_DATE_EPOCH", name)
		}
	}
}

// want is what both formats hold, an entry a line.
var want = []string{
	"muster_1.2.3/ -rwxr-xr-x 1700000000 ",
	"muster_1.2.3/LICENSE -rw-r--r-- 1700000000 Apache",
	"muster_1.2.3/man1/ -rwxr-xr-x 1700000000 ",
	"muster_1.2.3/man1/muster.1 -rw-r--r-- 1700000000 .TH",
	"muster_1.2.3/muster -rwxr-xr-x 1700000000 a binary",
}

func line(t *testing.T, name string, mode os.FileMode, at time.Time, r io.Reader) string {
	t.Helper()
	content, err := io.ReadAll(r)
	must(t, err)
	return fmt.Sprintf("%s %s %d %s", name, mode.Perm(), at.Unix(), content)
}

func TestTarball(t *testing.T) {
	unzipped, err := gzip.NewReader(bytes.NewReader(pack(t, tree(t, 0o077, time.Unix(1, 0)), "a.tar.gz", epoch)))
	must(t, err)
	var got []string
	for r := tar.NewReader(unzipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		if header.Uid != 0 || header.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", header.Name, header.Uid, header.Gid)
		}
		got = append(got, line(t, header.Name, header.FileInfo().Mode(), header.ModTime, r))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestZip(t *testing.T) {
	content := pack(t, tree(t, 0o077, time.Unix(1, 0)), "a.zip", epoch)
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	must(t, err)
	var got []string
	for _, file := range r.File {
		opened, err := file.Open()
		must(t, err)
		got = append(got, line(t, file.Name, file.Mode(), file.Modified, opened))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestRefusals(t *testing.T) {
	dir := tree(t, 0o022, time.Unix(1, 0))
	linked := tree(t, 0o022, time.Unix(1, 0))
	must(t, os.Symlink("muster", filepath.Join(linked, "link")))
	for name, arguments := range map[string][]string{
		"no epoch":    {dir, "a.zip", ""},
		"a kind":      {dir, "a.rar", epoch},
		"no such dir": {dir + "x", "a.zip", epoch},
		"a link":      {linked, "a.tar.gz", epoch},
	} {
		if err := run([]string{arguments[0], filepath.Join(t.TempDir(), arguments[1])}, arguments[2]); err == nil {
			t.Errorf("%s was not refused", name)
		}
	}
}
