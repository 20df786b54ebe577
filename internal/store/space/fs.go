package space

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS returns the file system of the disk for those who cannot take ENOSPC for
// an answer. Writing a table can, once the database is open: Pebble drops it
// and tries again later, and the log has what is in it. So after Hold a table
// gets nothing of the reserve, and that of a compaction nothing of the room
// that new work needs.
//
// A failed sync is never tried again: nobody knows what it left out.
//
// It is a pointer, because Pebble compares it, and what is below may be of a
// type that cannot be compared.
func (d *Disk) FS() vfs.FS { return &d.wrapped }

// compaction is what Pebble says that a file is for.
const compaction = vfs.DiskWriteCategory("pebble-compaction")

// MayFail is the category of other files whose making can be tried again later.
// They are treated like tables.
const MayFail = vfs.DiskWriteCategory("situ-may-fail")

type diskFS struct {
	vfs.FS
	d *Disk
}

// OpenDir implements vfs.FS.
func (fs *diskFS) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, d: fs.d, name: name}, nil
}

// Unwrap returns the file system below.
func (fs *diskFS) Unwrap() vfs.FS { return fs.FS }

func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// again calls f until it finds room.
func (fs *diskFS) again(f func() error) error {
	for {
		err := f()
		if err == nil || !IsFull(err) || !fs.d.room() {
			return err
		}
	}
}

// open makes a file by means of f.
func (fs *diskFS) open(name string, c vfs.DiskWriteCategory, f func() (vfs.File, error)) (vfs.File, error) {
	file := &diskFile{d: fs.d, name: name, compact: c == compaction, table: isTable(name) || c == MayFail}
	if file.mayFail() {
		fs.d.rest(file.compact)
	}
	for {
		inner, err := f()
		if err == nil {
			file.File = inner
			return file, nil
		}
		if !IsFull(err) || !file.again() {
			return nil, err
		}
	}
}

// Create implements vfs.FS.
func (fs *diskFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.open(name, c, func() (vfs.File, error) { return fs.FS.Create(name, c) })
}

// ReuseForWrite implements vfs.FS.
func (fs *diskFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.open(name, c, func() (vfs.File, error) { return fs.FS.ReuseForWrite(old, name, c) })
}

// Link implements vfs.FS.
func (fs *diskFS) Link(old, name string) error {
	return fs.again(func() error { return fs.FS.Link(old, name) })
}

// Rename implements vfs.FS.
func (fs *diskFS) Rename(old, name string) error {
	return fs.again(func() error { return fs.FS.Rename(old, name) })
}

// MkdirAll implements vfs.FS.
func (fs *diskFS) MkdirAll(dir string, perm os.FileMode) error {
	return fs.again(func() error { return fs.FS.MkdirAll(dir, perm) })
}

var errSpare = fmt.Errorf("a compaction has to leave alone what room there is: %w", syscall.ENOSPC)

type diskFile struct {
	vfs.File
	d       *Disk
	name    string
	table   bool
	compact bool // it is made by a compaction
	written uint64
}

// Sync implements vfs.File.
func (f *diskFile) Sync() error { return f.told(f.File.Sync()) }

// SyncData implements vfs.File.
func (f *diskFile) SyncData() error { return f.told(f.File.SyncData()) }

// told logs a failed sync, which ends the process: here, because Pebble may
// panic with something else before the error gets to us.
func (f *diskFile) told(err error) error {
	if err != nil {
		f.d.log.Error("store: a sync failed; what was acknowledged before is durable", "file", f.name, "error", err)
	}
	return err
}

// mayFail reports whether the file gets nothing of the reserve.
func (f *diskFile) mayFail() bool { return f.compact || f.table && f.d.isPatient() }

// again reports whether what has met the end of the disk is worth another try.
func (f *diskFile) again() bool {
	if f.mayFail() {
		f.d.tableFailed(true, f.compact, f.written)
		return false
	}
	return f.d.room()
}

// Write writes all of p, when there is room for it.
func (f *diskFile) Write(p []byte) (n int, err error) {
	if f.compact && !f.d.spare() {
		f.d.tableFailed(false, true, f.written)
		return 0, errSpare
	}
	for {
		m, err := f.File.Write(p[n:])
		n += m
		f.written += uint64(m)
		if err == nil || !IsFull(err) || !f.again() {
			return n, err
		}
	}
}

// OpenReadWrite implements vfs.FS.
func (fs *diskFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return fs.open(name, c, func() (vfs.File, error) { return fs.FS.OpenReadWrite(name, c, o...) })
}

// WriteAt writes all of p, when there is room for it.
func (f *diskFile) WriteAt(p []byte, at int64) (n int, err error) {
	for {
		m, err := f.File.WriteAt(p[n:], at+int64(n))
		n += m
		if err == nil || !IsFull(err) || !f.again() {
			return n, err
		}
	}
}
