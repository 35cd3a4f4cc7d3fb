// Command archive writes a directory into a .tar.gz or a .zip that has the same
// bytes wherever and whenever it is written:
//
//	SOURCE_DATE_EPOCH=1700000000 archive DIR FILE
//
// Entries are sorted and belong to nobody; their time is SOURCE_DATE_EPOCH, and of
// their modes only whether they can be executed is kept. Their names begin with DIR's own.
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func run(args []string, epoch string) error {
	if len(args) != 2 {
		return errors.New("usage: archive DIR FILE.tar.gz|FILE.zip")
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH is the time of all files, in seconds: %w", err)
	}
	out, err := os.Create(args[1]) //nolint:gosec // a file that the caller names
	if err != nil {
		return err
	}
	err = write(out, args[0], format(args[1]), time.Unix(seconds, 0).UTC())
	return errors.Join(err, out.Close())
}

// archive is what both formats have in common. Names of directories end with a slash.
type archive interface {
	add(name string, mode fs.FileMode, size int64) (io.Writer, error)
	Close() error
}

// format returns what opens an archive of the kind that a file's name says.
func format(name string) func(io.Writer, time.Time) (archive, error) {
	switch {
	case strings.HasSuffix(name, ".tar.gz"):
		return newTarball
	case strings.HasSuffix(name, ".zip"):
		return newZip
	default:
		return func(io.Writer, time.Time) (archive, error) {
			return nil, fmt.Errorf("%s ends neither in .tar.gz nor in .zip", name)
		}
	}
}

func write(w io.Writer, dir string, open func(io.Writer, time.Time) (archive, error), at time.Time) error {
	a, err := open(w, at)
	if err != nil {
		return err
	}
	// WalkDir goes in the order of names.
	err = filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error { //nolint:gosec // a directory that the caller names
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(filepath.Dir(dir), file)
		if err != nil {
			return err
		}
		return addFile(a, file, filepath.ToSlash(inside), entry)
	})
	return errors.Join(err, a.Close())
}

func addFile(a archive, file, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	switch {
	case entry.IsDir():
		_, err = a.add(name+"/", fs.ModeDir|0o755, 0)
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a directory", file)
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	w, err := a.add(path.Clean(name), mode, info.Size())
	if err != nil {
		return err
	}
	content, err := os.Open(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, content)
	return errors.Join(err, content.Close())
}

type tarball struct {
	*tar.Writer
	gzip *gzip.Writer
	at   time.Time
}

func newTarball(w io.Writer, at time.Time) (archive, error) {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	return &tarball{Writer: tar.NewWriter(zipped), gzip: zipped, at: at}, nil
}

func (t *tarball) add(name string, mode fs.FileMode, size int64) (io.Writer, error) {
	kind := byte(tar.TypeReg)
	if mode.IsDir() {
		kind = tar.TypeDir
	}
	return t, t.WriteHeader(&tar.Header{
		Typeflag: kind, Name: name, Size: size, Mode: int64(mode.Perm()),
		ModTime: t.at, Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
	})
}

func (t *tarball) Close() error { return errors.Join(t.Writer.Close(), t.gzip.Close()) }

type zipFile struct {
	*zip.Writer
	at time.Time
}

func newZip(w io.Writer, at time.Time) (archive, error) {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	return &zipFile{z, at}, nil
}

func (z *zipFile) add(name string, mode fs.FileMode, _ int64) (io.Writer, error) {
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: z.at}
	header.SetMode(mode)
	return z.CreateHeader(header)
}
