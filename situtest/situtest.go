// Package situtest runs components on the real engine, in memory and in
// virtual time, for tests: sleeping takes no time, a crash is one call away,
// and the turns that were taken can be compared with those that should be.
//
// It uses testing/synctest: the test runs in a bubble whose clock moves only
// when everything waits.
package situtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/node"
	"github.com/situ-dev/situ/internal/platform"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/view"
	"github.com/situ-dev/situ/internal/wire"
)

// Options say how a test's platform is made. The zero value works.
type Options struct {
	// Shards is the number of shards. Default 1, so that turns have one order
	// and Trace is the same in every run.
	Shards int
}

// Runtime is a platform under test. It is a situ.Caller.
type Runtime struct {
	t    *testing.T
	opts Options
	set  *host.Set
	own  *host.Set // the platform's
	fs   vfs.FS

	mu      sync.Mutex
	trace   []string
	crashed bool          // no commit happens any more
	fuse    int           // commits until the crash, 0 is none
	ahead   time.Duration // of the platform's clock

	node   *node.Node
	locals []*platform.Local
	stop   context.CancelFunc
	done   chan error
}

var _ situ.Caller = (*Runtime)(nil)

// errCrash is what a commit after the crash ends with.
var errCrash = errors.New("situtest: crashed")

// Run runs f with a platform that hosts components.
func Run(t *testing.T, components []situ.Component, f func(*testing.T, *Runtime)) {
	t.Helper()
	Options{}.Run(t, components, f)
}

// Run runs f with a platform that hosts components.
func (o Options) Run(t *testing.T, components []situ.Component, f func(*testing.T, *Runtime)) {
	t.Helper()
	if o.Shards == 0 {
		o.Shards = 1
	}
	set, err := situ.Assemble(components...)
	if err != nil {
		t.Fatal(err)
	}
	own, err := platform.Assemble(platform.Config{})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		rt := &Runtime{t: t, opts: o, set: set, own: own, fs: vfs.NewMem()}
		rt.open()
		defer rt.close()
		f(t, rt)
	})
}

func (rt *Runtime) open() {
	rt.t.Helper()
	n, err := node.Open(node.Config{Dir: "situ", Mode: "embedded",
		Store: store.Options{FS: rt.fs, Shards: rt.opts.Shards, MemTable: 1 << 20, Cache: 1 << 20, MinFree: 1,
			Fatal: func(err error) { rt.t.Error(err) }},
		Shard: shard.Config{Trace: rt.note, BeforeCommit: rt.beforeCommit, Now: rt.now}})
	if err != nil {
		rt.t.Fatalf("situtest: open: %v", err)
	}
	rt.mu.Lock()
	rt.node, rt.locals, rt.crashed = n, nil, false
	rt.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	rt.stop, rt.done = stop, make(chan error, 1)
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		platform.Follow(ctx, n, nil)
	}()
	go func() {
		err := n.Run(ctx)
		stop()
		<-followed
		rt.done <- err
	}()
	rt.host(node.Platform, rt.own)
	rt.host(node.Main, rt.set)
}

func (rt *Runtime) host(name string, set *host.Set) {
	rt.t.Helper()
	l, err := platform.Run(rt.node.Program(name), set, host.Config{Verify: true}, 0)
	if err != nil {
		rt.t.Errorf("situtest: %v", err)
		return
	}
	rt.locals = append(rt.locals, l)
}

func (rt *Runtime) close() {
	rt.stop()
	if err := <-rt.done; err != nil && !errors.Is(err, errCrash) {
		rt.t.Errorf("situtest: close: %v", err)
	}
	for _, l := range rt.locals {
		l.Close()
	}
}

func (rt *Runtime) note(env *wire.Envelope, fail *wire.Failure) {
	if host.Reserved(env.To.Type) || env.To.Function() && host.Reserved(env.To.Method) {
		return // it is not what the test is about
	}
	line := env.To.String()
	if fail != nil {
		line += " ! " + fail.Message
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.trace = append(rt.trace, line)
}

func (rt *Runtime) beforeCommit(wire.Seq) error {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.fuse > 0 {
		rt.fuse--
		rt.crashed = rt.crashed || rt.fuse == 0
	}
	if rt.crashed {
		return errCrash
	}
	return nil
}

// Crash kills the platform at once: what is not committed is lost, callers get
// an error. Then it starts again on what is on disk.
func (rt *Runtime) Crash() {
	rt.t.Helper()
	rt.mu.Lock()
	rt.crashed, rt.fuse = true, 0
	rt.mu.Unlock()
	rt.close()
	rt.open()
}

// CrashAt lets the platform die when it is about to make its nth commit from
// now; n is at least 1. Call Restart when something noticed.
func (rt *Runtime) CrashAt(n int) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.fuse = n
}

// Crashed reports whether the commit of CrashAt was reached.
func (rt *Runtime) Crashed() bool {
	synctest.Wait()
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.crashed
}

// Restart starts the platform again after a CrashAt, or after a clean stop if
// it had not crashed.
func (rt *Runtime) Restart() {
	rt.t.Helper()
	rt.mu.Lock()
	rt.fuse = 0
	rt.mu.Unlock()
	rt.close()
	rt.open()
}

// Invoke implements situ.Caller: use Do, DoErr or situ.Do.
func (rt *Runtime) Invoke(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	return rt.current().Invoke(ctx, r)
}

// current returns the node of this run.
func (rt *Runtime) current() *node.Node {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.node
}

// Pass lets virtual time pass, and everything that is due in it happen.
func (rt *Runtime) Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Jump sets the clock of the platform, which shows virtual time, forward by d, or
// back if d is negative. It notices when it looks next, after a minute at the latest.
func (rt *Runtime) Jump(d time.Duration) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.ahead += d
}

// now is the platform's clock.
func (rt *Runtime) now() time.Time {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return time.Now().Add(rt.ahead)
}

// Settle returns when everything waits: for a call, for time or for ever.
func (rt *Runtime) Settle() { synctest.Wait() }

// Trace returns the turns whose effects counted since the last Trace, one a
// line: "type/key.method", or the name of a function, with " ! " and the error
// if it answered one. Those of the platform's own components are left out.
func (rt *Runtime) Trace() string {
	synctest.Wait()
	rt.mu.Lock()
	defer rt.mu.Unlock()
	s := strings.Join(rt.trace, "\n")
	rt.trace = nil
	return s
}

// State returns an object's durable state as JSON, "" if it has none.
func (rt *Runtime) State(t *situ.Type, key string) string {
	rt.t.Helper()
	id := wire.ObjectID{Type: t.Name(), Key: key}
	st, _, err := rt.node.Object(context.Background(), id)
	if fault.Is(err, fault.NotFound) {
		return ""
	}
	if err != nil {
		rt.t.Fatalf("state of %v: %v", id, err)
	}
	b, err := view.State(st)
	if err != nil {
		rt.t.Fatalf("state of %v: %v", id, err)
	}
	return string(b)
}

// DeadLetters returns the messages that were given up, one a line: where to,
// and why.
func (rt *Runtime) DeadLetters() string {
	rt.t.Helper()
	letters, _, err := rt.node.Dead(context.Background(), "", "", 1000)
	if err != nil {
		rt.t.Fatal(err)
	}
	var lines []string
	for _, d := range letters {
		lines = append(lines, d.Envelope.To.String()+" ! "+d.Reason.Message)
	}
	return strings.Join(lines, "\n")
}

// Do makes a call and fails the test if the call fails.
func Do[O any](rt *Runtime, c situ.Call[O]) O {
	rt.t.Helper()
	out, err := situ.Do(context.Background(), rt, c)
	if err != nil {
		rt.t.Fatalf("%v: %v", c, err)
	}
	return out
}

// DoErr makes a call that should fail and returns its error.
func DoErr[O any](rt *Runtime, c situ.Call[O]) error {
	_, err := situ.Do(context.Background(), rt, c)
	return err
}

// Go makes a call and returns a function that waits for its result.
func Go[O any](rt *Runtime, c situ.Call[O]) func() O {
	type result struct {
		out O
		err error
	}
	ch := make(chan result, 1)
	go func() {
		out, err := situ.Do(context.Background(), rt, c)
		ch <- result{out, err}
	}()
	return func() O {
		rt.t.Helper()
		r := <-ch
		if r.err != nil {
			rt.t.Fatalf("%v: %v", c, r.err)
		}
		return r.out
	}
}

// Cancel cancels a call that was started, and what is work for it.
func (rt *Runtime) Cancel(id, reason string) error {
	return rt.node.Cancel(context.Background(), wire.InvocationID(id), reason)
}

// Pause has what arrives for a type parked, or for one object of it if key is not
// "". Resume lets it go in order, so many a second; 0 is as fast as possible.
func (rt *Runtime) Pause(t *situ.Type, key string) error {
	return rt.node.Pause(context.Background(), wire.Scope{Type: t.Name(), Key: key}, "")
}

// Resume ends a Pause.
func (rt *Runtime) Resume(t *situ.Type, key string, rate float64) error {
	return rt.node.Resume(context.Background(), wire.Scope{Type: t.Name(), Key: key}, rate)
}
