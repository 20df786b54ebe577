package situ

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/codec"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

// lab runs turns of one object on a real host.Runner, and keeps its rows as
// the store would.
type lab struct {
	t        *testing.T
	r        *host.Runner
	frame    uint64
	resident bool
	root     []byte
	rows     map[string]turn.Entry
	size     int
	wrote    int // elements written by the last frame
}

func newLab(t *testing.T, components ...Component) *lab {
	t.Helper()
	set, err := Assemble(components...)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, r: host.NewRunner(set, host.Config{Verify: true, Patience: time.Minute, Slice: time.Minute}), rows: map[string]turn.Entry{}}
	t.Cleanup(l.r.Close)
	return l
}

// envelopeOf makes the message of a call whose caller wants CBOR.
func envelopeOf[O any](c Call[O]) *wire.Envelope {
	return &wire.Envelope{Kind: wire.Call, To: c.to, Body: c.in, Back: &wire.Callback{Kind: wire.ToInvocation, ID: "caller", Format: wire.CBOR}}
}

// run runs a frame of messages of the object and returns the results. It
// checks the changes and applies them.
func (l *lab) run(envs ...*wire.Envelope) []turn.Result {
	l.t.Helper()
	l.frame++
	f := &turn.Frame{Seq: l.frame, Now: 1e18}
	for _, env := range envs {
		task := turn.Task{Slot: 1, Env: env, Seed: 42}
		if env.To.Function() {
			task.Slot = 0
		} else if !l.resident {
			l.resident, task.Load = true, l.state()
		}
		f.Tasks = append(f.Tasks, task)
	}
	l.r.Submit(f)
	rep := <-l.r.Reports()
	for _, c := range rep.Changes {
		l.apply(c)
	}
	for _, res := range rep.Results {
		l.resident = l.resident && !res.Unloaded
	}
	return rep.Results
}

func (l *lab) apply(c turn.Change) {
	l.t.Helper()
	l.wrote = len(c.Entries)
	if c.Clear {
		l.root = nil
		clear(l.rows)
	}
	if c.Root != nil {
		l.root = c.Root
	}
	for _, e := range c.Entries {
		k := e.Field + "\x00" + string(e.Key)
		if delete(l.rows, k); e.Value != nil {
			l.rows[k] = e
		}
	}
	size := len(l.root)
	for _, e := range l.rows {
		size += len(e.Key) + len(e.Value)
	}
	if c.Size != size {
		l.t.Errorf("the change says that the state has %d bytes; it has %d", c.Size, size)
	}
	l.size = size
}

// state returns the rows as a host loads them, elements in any order.
func (l *lab) state() *turn.State {
	return &turn.State{Root: l.root, Entries: slices.Collect(maps.Values(l.rows))}
}

// unload makes the host forget the object.
func (l *lab) unload() {
	l.frame++
	l.r.Submit(&turn.Frame{Seq: l.frame, Drop: []turn.Slot{1}})
	<-l.r.Reports()
	l.resident = false
}

// ask runs one call alone and returns its answer, or the error as text: the
// kind and the message.
func ask[O any](l *lab, c Call[O]) (out O, fail string) {
	l.t.Helper()
	if c.err != nil {
		l.t.Fatal(c.err)
	}
	return answerOf[O](l, l.run(envelopeOf(c))[0])
}

func answerOf[O any](l *lab, res turn.Result) (out O, fail string) {
	l.t.Helper()
	if res.Fail != nil {
		if res.Outcome == turn.Panicked {
			fail = "panicked: "
		}
		return out, fail + res.Fail.Kind + ": " + res.Fail.Message
	}
	if res.Outcome != turn.Done {
		l.t.Fatalf("outcome %d", res.Outcome)
	}
	if err := codec.Unpack(res.Answer, &out); err != nil {
		l.t.Fatal(err)
	}
	return out, ""
}

// wantFail checks that a call fails with an error that begins with want.
func wantFail[O any](l *lab, c Call[O], want string) {
	l.t.Helper()
	if out, got := ask(l, c); !strings.HasPrefix(got, want) || want == "" && got != "" {
		l.t.Errorf("%v:\n got %q, %v\nwant %q", c, got, out, want)
	}
}

// want checks the answer of a call.
func want[O comparable](l *lab, c Call[O], want O) {
	l.t.Helper()
	if out, fail := ask(l, c); out != want || fail != "" {
		l.t.Errorf("%v: got %v %s, want %v", c, out, fail, want)
	}
}

// catch returns what f panics with, as text.
func catch(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

// source returns a random source of the seed.
func source(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
