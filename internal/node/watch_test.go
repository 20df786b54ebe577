package node_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/shard/conf"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// soon is how late work may be whose wake-up was lost.
const soon = 5 * time.Second

// loser loses the next wake-ups of a kind.
type loser struct {
	what conf.Signal
	left atomic.Int64
	lost atomic.Int64
}

func (l *loser) lose(s conf.Signal) bool {
	if s != l.what || l.left.Add(-1) < 0 {
		return false
	}
	l.lost.Add(1)
	return true
}

// TestSweep loses each kind of wake-up: the work is done all the same, in time,
// and is counted.
func TestSweep(t *testing.T) {
	for _, what := range []conf.Signal{conf.Posted, conf.Segment, conf.Ack, conf.Alarm, conf.Ready} {
		t.Run(what.String(), func(t *testing.T) {
			l := &loser{what: what}
			cfg := node.Config{Shard: shard.Config{Lose: l.lose}}
			bubble(t, cfg, components(), func(r *rig) {
				pass(10 * time.Second)
				before := time.Now()
				switch what {
				case conf.Segment, conf.Ack:
					l.left.Store(1)
					if what == conf.Ack {
						l.left.Store(1 << 40) // a later one tells more, and makes good for it
					}
					chatter(r)
				case conf.Alarm:
					l.left.Store(1 << 40)
					if _, err := situ.Start(context.Background(), r, push.To("a", 1).After(7*time.Second)); err != nil {
						t.Fatal(err)
					}
					before = before.Add(7 * time.Second)
					pass(7*time.Second + soon)
				default:
					l.left.Store(1)
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					if _, err := situ.Do(ctx, r, push.To("a", 1)); err != nil {
						t.Error(err)
					}
				}
				if took := time.Since(before); took > soon {
					t.Errorf("it took %v", took)
				}
				l.left.Store(0)
				pass(soon)
				st := r.stats()
				if st.Rescued == 0 || l.lost.Load() == 0 {
					t.Errorf("%d wake-ups were lost, and the sweep found %d", l.lost.Load(), st.Rescued)
				}
				if st.Queued+st.Timers+st.Outbox != 0 || st.Overdue != 0 {
					t.Errorf("something is left: %+v", st)
				}
			})
		})
	}
}

// chatter sends across the shards, in several commits, and waits until all has
// arrived, in order.
func chatter(r *rig) {
	r.t.Helper()
	const rounds, each = 5, 4
	from := []string{"p", "q", "r", "s"}
	for n := range rounds {
		for _, key := range from {
			do(r, spray.To(key, sprayIn{To: "to-" + key, From: n * each, N: each}))
		}
	}
	for _, key := range from {
		for began := time.Now(); time.Since(began) <= soon; pass(100 * time.Millisecond) {
			if len(do(r, logged.To("to-"+key, situ.None{}))) == rounds*each {
				break
			}
		}
		if got, want := do(r, logged.To("to-"+key, situ.None{})), count(0, rounds*each); !slices.Equal(got, want) {
			r.t.Errorf("%s has %v, want %v", "to-"+key, got, want)
		}
	}
}

// hangFS is a disk whose syncs hang while it is told so.
type hangFS struct {
	vfs.FS
	gate *gate
}

type hangFile struct {
	vfs.File
	gate *gate
}

func (fs hangFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return hangFile{f, fs.gate}, err
}

// OpenReadWrite is for the log, which is made by Create and then opened.
func (fs hangFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	return hangFile{f, fs.gate}, err
}

func (f hangFile) Sync() error     { f.gate.pass(); return f.File.Sync() }
func (f hangFile) SyncData() error { f.gate.pass(); return f.File.SyncData() }

// gate lets everybody pass until it is shut.
type gate struct{ shut atomic.Pointer[chan struct{}] }

func (g *gate) pass() {
	if ch := g.shut.Load(); ch != nil {
		<-*ch
	}
}

// close shuts the gate; the function that it returns opens it.
func (g *gate) close() (open func()) {
	ch := make(chan struct{})
	g.shut.Store(&ch)
	return func() { g.shut.Store(nil); close(ch) }
}

// TestWatchdog hangs the disk, the loop of a shard and the host, and checks
// what is told, and when. What lasts less than its bound is not told.
func TestWatchdog(t *testing.T) {
	for _, c := range []struct {
		name, why, stack string
		ends             bool
	}{
		{"commit", "a commit does not end", "Commit", true},
		{"loop", "its loop does not go on", "seal", true},
		{"frame", "the program does not report a frame of turns", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var disk, loop, runs gate
				var log journal
				var ends atomic.Int64
				cfg := node.Config{Dir: "data", Log: slog.New(slog.NewTextHandler(&log, nil)),
					Store: store.Options{FS: hangFS{vfs.NewMem(), &disk}, Shards: 1, Fatal: func(err error) { t.Error(err) }},
					Shard: shard.Config{BeforeCommit: func(wire.Seq) error { loop.pass(); return nil }},
					Watch: node.Watch{Fatal: func(error) { ends.Add(1) }}}
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
				if err := n.Program(node.Main).SetHosts(func(wire.ShardID) shard.Host { return slowHost{runner, &runs} }, &m); err != nil {
					t.Error(err)
				}

				call := func() { _, _ = situ.Do(ctx, n, push.To("a", 1)) }
				hang := map[string]*gate{"commit": &disk, "loop": &loop, "frame": &runs}[c.name]
				healthy := func(want bool) {
					t.Helper()
					if err := n.Healthy(); (err == nil) != want || err != nil && !fault.Is(err, fault.Unavailable) {
						t.Errorf("after the shard hangs: %v", err)
					}
				}
				open := hang.close()
				go call()
				pass(5 * time.Second) // a slow disk, a collection, a rebalance
				healthy(true)
				open()
				pass(5 * time.Second)

				open = hang.close()
				go call()
				pass(13 * time.Second)
				healthy(false)
				st, err := n.Status(ctx)
				if err != nil || st.Shards[0].Stuck != c.why {
					t.Errorf("the status is %+v, %v", st, err)
				}
				if text := log.String(); strings.Count(text, c.why) != 1 || !strings.Contains(text, c.stack) || !strings.Contains(text, "shard.(*Shard)") {
					t.Errorf("it was logged: %s", text)
				}
				pass(3 * time.Minute)
				if got := ends.Load() == 1; got != c.ends {
					t.Errorf("the end was called for %d times", ends.Load())
				}
				open()
				pass(3 * time.Second)
				healthy(true)
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
				runner.Close()
			})
		})
	}
}

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// slowHost has frames wait at a gate.
type slowHost struct {
	*host.Runner
	gate *gate
}

func (h slowHost) Submit(f *turn.Frame) {
	go func() { // ends when the gate opens
		h.gate.pass()
		h.Runner.Submit(f)
	}()
}

// TestSlowHandlerIsNotStuck has a handler run for an hour: that is its own
// business.
func TestSlowHandlerIsNotStuck(t *testing.T) {
	bubble(t, node.Config{}, components(), func(r *rig) {
		go func() { _, _ = situ.Do(context.Background(), r, nap.To("a", time.Hour/2)) }()
		for range 60 {
			pass(20 * time.Second)
			if err := r.node.Healthy(); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Hour)
	})
}
