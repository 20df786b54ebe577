package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/wire"
)

// badFS is a disk that has no room for the log, or takes no tables, while it is
// told so.
type badFS struct {
	vfs.FS
	full, noTables *atomic.Bool
}

type badFile struct {
	vfs.File
	full *atomic.Bool
}

func (fs badFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") && fs.noTables.Load() {
		return nil, errors.New("no table can be made")
	}
	return fs.FS.Create(name, c)
}

func (fs badFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	if strings.HasSuffix(name, ".log") {
		f = badFile{f, fs.full}
	}
	return f, err
}

func (f badFile) WriteAt(p []byte, at int64) (int, error) {
	if f.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(p, at)
}

// watched runs f with a node of one shard on a disk, and tells why its watchdog
// wants to end it.
func watched(t *testing.T, fs vfs.FS, f func(n *node.Node, ended *atomic.Pointer[error])) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Pointer[error]
		cfg := node.Config{Dir: "data",
			Store: store.Options{FS: fs, Shards: 1, MemTable: 64 << 10, Cache: 1 << 20, Fatal: func(err error) { t.Error(err) }},
			Watch: node.Watch{Fatal: func(err error) {
				if ended.Swap(&err) != nil {
					t.Error("the end was called for again")
				}
			}}}
		n, err := node.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		set, err := situ.Assemble(components()...)
		if err != nil {
			t.Fatal(err)
		}
		runner := host.NewRunner(set, host.Config{})
		m := set.Manifest()
		if err := n.Program(node.Main).SetHosts(func(wire.ShardID) shard.Host { return runner }, &m); err != nil {
			t.Error(err)
		}
		f(n, &ended)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		runner.Close()
	})
}

// TestFullDiskEndsNothing has a commit wait for room for longer than anything
// else may take: that is told, but the process does not end, because a start
// would find no room, either, and reads go on. When there is room, the commit is
// carried out. From then on a commit that does not end does end the process.
func TestFullDiskEndsNothing(t *testing.T) {
	var full, noTables atomic.Bool
	var disk gate
	watched(t, hangFS{badFS{vfs.NewMem(), &full, &noTables}, &disk}, func(n *node.Node, ended *atomic.Pointer[error]) {
		ctx := context.Background()
		if _, err := situ.Do(ctx, n, push.To("a", 1)); err != nil {
			t.Fatal(err)
		}
		full.Store(true)
		answer := make(chan error, 1)
		go func() { _, err := situ.Do(ctx, n, push.To("a", 2)); answer <- err }()
		pass(13 * time.Second)
		if n.Healthy() == nil {
			t.Error("a commit waits for room, and nobody is told")
		}
		pass(10 * time.Minute)
		if err := ended.Load(); err != nil {
			t.Errorf("a full disk ends the process: %v", *err)
		}
		if _, err := situ.Do(ctx, n, push.To("b", 1)); kindOf(err) != "disk-full" {
			t.Errorf("a call on a full disk: %v", err)
		}
		full.Store(false)
		pass(3 * time.Second)
		if err := <-answer; err != nil {
			t.Errorf("the call that waited for room: %v", err)
		}
		if err := n.Healthy(); err != nil {
			t.Error(err)
		}
		open := disk.close()
		go func() { _, err := situ.Do(ctx, n, push.To("a", 3)); answer <- err }()
		pass(3 * time.Minute)
		if ended.Load() == nil {
			t.Error("a commit that hangs after that does not end the process")
		}
		open()
		if err := <-answer; err != nil {
			t.Error(err)
		}
	})
}

// TestNoTablesEndTheProcess has a disk that takes the log and no tables: when
// memory is used up, commits wait, and the process ends in the end, with the
// reason.
func TestNoTablesEndTheProcess(t *testing.T) {
	var full, noTables atomic.Bool
	watched(t, badFS{vfs.NewMem(), &full, &noTables}, func(n *node.Node, ended *atomic.Pointer[error]) {
		noTables.Store(true)
		answer := make(chan error, 1)
		waits := false
		for i := 0; !waits; i++ {
			go func() {
				_, err := situ.Do(context.Background(), n, fill.To(fmt.Sprint("o", i), 7000))
				answer <- err
			}()
			select {
			case err := <-answer:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(5 * time.Second):
				waits = true
			}
			if i > 1000 {
				t.Fatal("memory has no bound")
			}
		}
		if err := ended.Load(); err != nil {
			t.Errorf("the end comes early: %v", *err)
		}
		pass(3 * time.Minute)
		if err := ended.Load(); err == nil {
			t.Error("the process does not end")
		} else if !strings.Contains((*err).Error(), "not in tables") {
			t.Errorf("the process ends with %v", *err)
		}
		noTables.Store(false)
		pass(3 * time.Second)
		if err := <-answer; err != nil {
			t.Error(err)
		}
	})
}
