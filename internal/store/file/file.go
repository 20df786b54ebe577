// Package file makes, reads and removes small files and directories so that
// what it did stays done after a loss of power: it syncs the directory, too.
package file

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Read returns the first most bytes of a small file, or all it has.
func Read(fs vfs.FS, path string, most int64) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, most))
}

// Write makes path hold p, or nothing of it: temporary file, sync,
// rename, sync of the directory.
func Write(fs vfs.FS, path string, p []byte) error {
	tmp := path + ".tmp"
	f, err := fs.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.Clone(p)) // vfs may scribble on what it is given
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = fs.Rename(tmp, path)
	}
	if err != nil {
		return err
	}
	return SyncDir(fs, fs.PathDir(path))
}

// SyncDir makes the names in dir durable.
func SyncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}

// NotExist reports whether err says that there is no such file.
func NotExist(err error) bool { return errors.Is(err, os.ErrNotExist) }

// MakeDir makes dir and its parents, each synced into the one above.
func MakeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil || !NotExist(err) {
		return err
	}
	up := fs.PathDir(dir)
	if up != dir && up != "." {
		if err := MakeDir(fs, up); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return SyncDir(fs, up)
}

// Remove removes a file if it is there.
func Remove(fs vfs.FS, path string) error {
	err := fs.Remove(path)
	if NotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return SyncDir(fs, fs.PathDir(path))
}
