package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/internal/guest"
	"github.com/situ-dev/situ/internal/host"
	"github.com/situ-dev/situ/internal/shard"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/worker"
)

// fakeNode has shards without engines: tests play the engine.
type fakeNode struct {
	shards int
	hosts  chan []shard.Host
}

func (n *fakeNode) Shards() int { return n.shards }

func (n *fakeNode) Admit(*host.Manifest) error { return nil }

func (n *fakeNode) SetHosts(of func(wire.ShardID) shard.Host, _ *host.Manifest) error {
	hosts := make([]shard.Host, n.shards)
	for i := range hosts {
		hosts[i] = of(wire.ShardID(i))
	}
	n.hosts <- hosts
	return nil
}

func (n *fakeNode) SetFunctions(shard.Functions) {}

// quick is how turns are run in these tests: only what blocks is detached.
var quick = host.Config{Patience: 300 * time.Millisecond, Slice: time.Hour, MaxState: 1 << 20}

// inProcess is a host in this process.
func inProcess(t testing.TB) shard.Host {
	set, err := situ.Assemble(components()...)
	if err != nil {
		t.Fatal(err)
	}
	r := host.NewRunner(set, quick)
	t.Cleanup(r.Close)
	return r
}

// overSocket is a host behind a socket; the other end is in this process, so
// that only the protocol is between.
func overSocket(t testing.TB) shard.Host {
	set, err := situ.Assemble(components()...)
	if err != nil {
		t.Fatal(err)
	}
	node := &fakeNode{1, make(chan []shard.Host, 8)}
	dir := t.TempDir()
	p, err := worker.New(node, worker.Config{Dir: dir, Run: quick})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { p.Run(ctx) })
	addr, err := guest.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	group.Go(func() { _ = guest.Serve(ctx, guest.Config{Addr: addr, Set: set, Log: slog.New(slog.DiscardHandler)}) })
	t.Cleanup(func() { stop(); group.Wait() })
	return (<-node.hosts)[0]
}

// ownProcess is a host in a process of its own.
func ownProcess(t testing.TB) shard.Host {
	node := &fakeNode{1, make(chan []shard.Host, 8)}
	p, err := worker.New(node, worker.Config{Run: quick, Env: []string{"TEST_PROGRAM=one"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { stop(); group.Wait() })
	if err := p.Replace(ctx, "/proc/self/exe"); err != nil {
		t.Fatal(err)
	}
	return (<-node.hosts)[0]
}

func task(slot turn.Slot, method, in string) turn.Task {
	return turn.Task{Slot: slot, Seed: 7, Env: &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "counter", Key: "k" + strconv.Itoa(int(slot)), Method: method},
		Body: wire.Payload{Format: wire.JSON, Data: []byte(in)}, Seq: 5, Made: 6,
		Back: &wire.Callback{Kind: wire.ToInvocation, ID: "0000-x", Format: wire.JSON}}}
}

func fresh(t turn.Task) turn.Task { t.Load = &turn.State{}; return t }

func with(t turn.Task, st *turn.State) turn.Task { t.Load = st; return t }

func function(name, in string) turn.Task {
	t := task(0, name, in)
	t.Env.To = wire.Address{Method: name}
	return t
}

// scripts are frames to be run one after another on a new host.
func scripts(gate string) map[string][]*turn.Frame {
	big := strings.Repeat("x", 300_000)
	many := &turn.Frame{}
	for i := range 500 {
		many.Tasks = append(many.Tasks, fresh(task(turn.Slot(i+1), "put", strconv.Quote(big[:5000]))))
	}
	detached := fresh(task(2, "block", strconv.Quote(gate)))
	reader := with(task(0, "get", `{}`), &turn.State{Root: []byte("\xa1\x61n\x18\x2a")})
	reader.Copy = true
	return map[string][]*turn.Frame{
		"turns": {{Tasks: []turn.Task{fresh(task(1, "add", "1")), task(1, "add", "2"), fresh(task(2, "add", "5")), task(1, "get", `{}`)}},
			{Tasks: []turn.Task{task(2, "add", "1")}}, {Drop: []turn.Slot{2}, Tasks: []turn.Task{task(1, "add", "1"), fresh(task(2, "add", "1"))}}},
		"entries": {{Tasks: []turn.Task{fresh(task(1, "put", `"a"`)), task(1, "put", `"b"`), task(1, "put", `"a"`)}},
			{Drop: []turn.Slot{1}, Tasks: []turn.Task{with(task(1, "put", `"b"`), &turn.State{Root: []byte("\xa1\x61n\x01"),
				Entries: []turn.Entry{{Field: "tags", Key: []byte("a"), Value: []byte{2}}}})}}},
		"no code":      {{Tasks: []turn.Task{fresh(task(1, "nothing", "1")), function("nothing", "1"), task(1, "add", "1")}}},
		"not loaded":   {{Tasks: []turn.Task{task(9, "add", "1")}}},
		"bad state":    {{Tasks: []turn.Task{with(task(1, "add", "1"), &turn.State{Root: []byte("\xff")}), task(1, "add", "1")}}},
		"bad input":    {{Tasks: []turn.Task{fresh(task(1, "add", `"one"`)), task(1, "add", "1")}}},
		"sends":        {{Tasks: []turn.Task{fresh(task(1, "fanout", "700"))}}},
		"large state":  {{Tasks: []turn.Task{fresh(task(1, "hoard", "900000")), task(1, "add", "1")}}},
		"larger state": {{Tasks: []turn.Task{fresh(task(1, "hoard", "2000000"))}}, {Tasks: []turn.Task{fresh(task(1, "add", "1")), task(1, "hoard", "2000000")}}},
		"long input":   {{Tasks: []turn.Task{fresh(task(1, "put", strconv.Quote(big)))}}},
		"many":         {many},
		"read-only":    {{Tasks: []turn.Task{reader}}},
		"detached":     {{Tasks: []turn.Task{fresh(task(1, "add", "1")), fresh(task(2, "add", "1")), detached, task(2, "add", "1"), task(1, "add", "1")}}},
	}
}

// The same frames have the same reports, wherever user code runs.
func TestConformance(t *testing.T) {
	gate := t.TempDir() + "/gate"
	must(syscall.Mkfifo(gate, 0o600))
	for name, frames := range scripts(gate) {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			want := play(t, inProcess(t), frames, gate)
			for _, open := range []func(testing.TB) shard.Host{overSocket, ownProcess} {
				if got := play(t, open(t), frames, gate); show(got) != show(want) {
					t.Errorf("got  %.5000s\nwant %.5000s", show(got), show(want))
				}
			}
		})
	}
}

// A run that lasts is told that nobody needs its answer, wherever it runs: at once,
// also if that is said before it is known to last. What ends well counts.
func TestConformanceCancel(t *testing.T) {
	for _, open := range []func(testing.TB) shard.Host{inProcess, overSocket, ownProcess} {
		for _, early := range []bool{false, true} {
			h := open(t)
			h.Submit(&turn.Frame{Seq: 1, Now: 1000, Tasks: []turn.Task{fresh(task(1, "add", "1")), fresh(task(2, "linger", "3"))}})
			h.Cancel(1, 0) // which is over
			if early {
				h.Cancel(1, 1)
			}
			rep := <-h.Reports()
			if rep == nil || rep.Results[1].Outcome != turn.Detached {
				t.Fatalf("%+v", rep)
			}
			if !early {
				h.Cancel(1, 1)
			}
			rep = <-h.Reports()
			if rep == nil || len(rep.Results) != 1 || rep.Results[0].Fail != nil || string(rep.Results[0].Answer.Data) != `"context canceled"` || len(rep.Changes) != 1 {
				t.Errorf("%+v", rep)
			}
			h.Cancel(1, 1) // too late
			h.Submit(&turn.Frame{Seq: 2, Now: 1000, Tasks: []turn.Task{task(1, "add", "1"), task(2, "add", "1")}})
			if rep = <-h.Reports(); rep == nil || string(rep.Results[1].Answer.Data) != "4" {
				t.Errorf("%+v", rep)
			}
		}
	}
}

// play runs frames and returns their reports, the late ones last.
func play(t *testing.T, h shard.Host, frames []*turn.Frame, gate string) (reps []*turn.Report) {
	t.Helper()
	late := 0
	take := func() {
		select {
		case rep, ok := <-h.Reports():
			if !ok {
				t.Fatal("the host is gone")
			}
			for i := range rep.Results {
				res := &rep.Results[i]
				if res.Outcome == turn.Detached && frames[0].Tasks[res.Index].Env.To.Method == "block" {
					late++
				}
				res.Took = 0
				if f := res.Fail; f != nil {
					f.Detail = ""
				}
			}
			kept := *rep // the host uses its memory again
			kept.Results, kept.Changes = slices.Clone(rep.Results), slices.Clone(rep.Changes)
			reps = append(reps, &kept)
		case <-time.After(30 * time.Second):
			t.Fatal("no report")
		}
	}
	for i, f := range frames {
		g := *f
		g.Seq, g.Now = uint64(i+1), 1000
		h.Submit(&g)
		take()
	}
	for ; late > 0; late-- {
		f, err := os.OpenFile(gate, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		take()
		_ = f.Close()
	}
	return reps
}

// show describes all that reports say, entries in the order of keys.
func show(reps []*turn.Report) string {
	var b bytes.Buffer
	for _, rep := range reps {
		fmt.Fprintf(&b, "\n  frame %d late %v", rep.Frame, rep.Late)
		for _, res := range rep.Results {
			fmt.Fprintf(&b, "\n    %d outcome %d, moved %v, answer %v %q, %+v, unloaded %v", res.Index, res.Outcome, res.Moved, res.Answer.Format, res.Answer.Data, res.Fail, res.Unloaded)
			for _, env := range res.Sends {
				fmt.Fprintf(&b, "\n      send %q", wire.AppendEnvelope(nil, env))
			}
		}
		for _, c := range rep.Changes {
			slices.SortFunc(c.Entries, func(a, b turn.Entry) int { return bytes.Compare(a.Key, b.Key) })
			fmt.Fprintf(&b, "\n    slot %d clear %v root %v %x size %d", c.Slot, c.Clear, c.Root == nil, c.Root, c.Size)
			for _, e := range c.Entries {
				fmt.Fprintf(&b, "\n      %s %q %v %x", e.Field, e.Key, e.Value == nil, e.Value)
			}
		}
	}
	return b.String()
}

// BenchmarkRoundTrip measures frames of small tasks, submitted and reported.
func BenchmarkRoundTrip(b *testing.B) {
	hosts := []struct {
		name string
		open func(testing.TB) shard.Host
	}{{"in-process", inProcess}, {"own-process", ownProcess}}
	for _, h := range hosts {
		for _, n := range []int{1, 64, 512} {
			b.Run(fmt.Sprintf("%s/%d", h.name, n), func(b *testing.B) { roundTrip(b, h.open(b), n) })
		}
	}
}

func roundTrip(b *testing.B, h shard.Host, n int) {
	f := &turn.Frame{Now: 1000}
	for i := range n {
		f.Tasks = append(f.Tasks, fresh(task(turn.Slot(i+1), "add", "1")))
	}
	run := func(seq uint64) {
		g := *f
		g.Seq = seq
		h.Submit(&g)
		if rep, ok := <-h.Reports(); !ok || rep.Results[0].Fail != nil {
			b.Fatal("the turn failed")
		}
	}
	run(1)
	for i := range f.Tasks {
		f.Tasks[i].Load = nil
	}
	seq := uint64(1)
	for b.Loop() {
		seq++
		run(seq)
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "tasks/s")
}
