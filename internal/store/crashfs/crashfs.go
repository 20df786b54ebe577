// Package crashfs is a file system in memory that loses power, for tests:
// Pebble's, without the deadlock of its Link, which takes a lock for reading
// twice and so waits for ever when CrashClone comes in between.
package crashfs

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is a file system in memory that remembers what is synced.
type FS struct {
	*vfs.MemFS
	links sync.RWMutex
}

// New returns an empty file system.
func New() *FS { return &FS{MemFS: vfs.NewCrashableMem()} }

// Link implements vfs.FS.
func (fs *FS) Link(old, name string) error {
	fs.links.RLock()
	defer fs.links.RUnlock()
	return fs.MemFS.Link(old, name)
}

// CrashClone returns what a loss of power would leave now: what is synced, and
// of the rest as much as cfg says.
func (fs *FS) CrashClone(cfg vfs.CrashCloneCfg) *FS {
	fs.links.Lock()
	defer fs.links.Unlock()
	return &FS{MemFS: fs.MemFS.CrashClone(cfg)}
}
