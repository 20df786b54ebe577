package mark

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/situ-dev/situ/internal/store/file"
)

// guardFS is the file system Pebble sees: it tells the guard how much of
// each manifest is synced. Pebble takes a manifest that ends early for one
// whose last edit was never acknowledged, and so forgets tables and, with
// them, commits whose log is long gone; only the length tells.
type guardFS struct {
	vfs.FS
	g *Guard
}

// Watch returns fs with the manifests under g's eye. It is a pointer, because
// Pebble compares file systems.
func Watch(fs vfs.FS, g *Guard) vfs.FS { return &guardFS{fs, g} }

// Create counts what is written to manifests.
func (fs *guardFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	num, ok := ManifestNumber(fs.PathBase(name))
	if err != nil || !ok {
		return f, err
	}
	return &manifestFile{File: f, fs: fs.FS, dir: fs.PathDir(name), g: fs.g, num: num}, nil
}

// Unwrap returns the file system below.
func (fs *guardFS) Unwrap() vfs.FS { return fs.FS }

// ManifestNumber returns the number in the name of a manifest.
func ManifestNumber(base string) (uint64, bool) {
	s, ok := strings.CutPrefix(base, "MANIFEST-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// manifestFile is a manifest being written; vfs.File allows one writer.
type manifestFile struct {
	vfs.File
	fs  vfs.FS
	dir string // to be synced once
	g   *Guard
	num uint64
	n   int64
}

func (f *manifestFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.n += int64(n)
	return n, err
}

// Sync syncs the directory too, the first time. Pebble leaves that to the
// making of the marker that names this manifest; a power loss in between may
// keep the marker and lose the file it names.
func (f *manifestFile) Sync() error {
	err := f.File.Sync()
	if err == nil && f.dir != "" {
		if err = file.SyncDir(f.fs, f.dir); err == nil {
			f.dir = ""
		}
	}
	if err == nil {
		f.g.manifestSynced(f.num, f.n)
	}
	return err
}

func (f *manifestFile) SyncData() error { return f.Sync() }

// ManifestLength returns how much of a manifest Pebble will read: up to the
// first record that is torn or damaged.
func ManifestLength(fs vfs.FS, path string) (int64, error) {
	f, err := fs.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	r := record.NewReader(f, 0)
	var n int64
	for {
		rec, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, rec)
		}
		switch {
		case errors.Is(err, io.EOF) || record.IsInvalidRecord(err):
			return n, nil
		case err != nil:
			return 0, err
		}
		n = r.Offset()
	}
}
