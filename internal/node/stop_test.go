package node_test

import (
	"context"
	"strings"
	"sync/atomic"
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

// TestStopWhileACommitHangs stops a node whose disk does not end a commit, as
// one that waits for room on a full disk does not: when it has had its time, the
// process is to end without it, and not before. If it ends all the same, its
// callers hear of it.
func TestStopWhileACommitHangs(t *testing.T) {
	for name, opens := range map[string]bool{"it ends in time": true, "it does not end": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const drain, after = 5 * time.Second, 3 * time.Second
				var disk gate
				var ended atomic.Int64
				var why atomic.Pointer[error]
				cfg := node.Config{Dir: "data", Drain: drain,
					Store: store.Options{FS: hangFS{vfs.NewMem(), &disk}, Shards: 1, Fatal: func(err error) { t.Error(err) }},
					Watch: node.Watch{After: after, Fatal: func(err error) { ended.Add(1); why.Store(&err) }}}
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

				open := disk.close()
				answer := make(chan error, 1)
				go func() { _, err := situ.Do(context.Background(), n, push.To("a", 1)); answer <- err }()
				pass(time.Second)
				stop()
				if pass(drain + after - 2*time.Second); ended.Load() > 0 {
					t.Errorf("the end was called for before its time: %v", *why.Load())
				}
				if opens {
					open()
				}
				pass(4 * time.Second)
				if got := ended.Load(); got != map[bool]int64{true: 0, false: 1}[opens] {
					t.Errorf("the end was called for %d times", got)
				}
				if w := why.Load(); w != nil && (!strings.Contains((*w).Error(), "a commit does not end") || !strings.Contains((*w).Error(), "shard 0")) {
					t.Errorf("it is told as: %v", *w)
				}
				if !opens {
					open()
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				if err := <-answer; err != nil { // it is durable, after all
					t.Errorf("the call is answered with %v", err)
				}
				runner.Close()
				if ended.Load() > 1 {
					t.Error("the end was called for again")
				}
			})
		})
	}
}
