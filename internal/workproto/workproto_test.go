package workproto_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/frugal"
	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
	"github.com/situ-dev/situ/internal/workproto"
)

// messages has one of each kind of the control connection, all fields set.
func messages() []workproto.Message {
	return []workproto.Message{
		&workproto.Hello{Version: 1, PID: 4711, Token: "tok", Build: "example.com/air v1.2.3", Manifest: []byte(`{"types":[]}`)},
		&workproto.Welcome{Version: 1, Token: "tok2", Shards: 8, MaxFrame: 64 << 20, Patience: 2 * time.Millisecond, Slice: 5 * time.Millisecond,
			Timeout: -1, Grace: time.Second, MaxState: 16 << 20, Verify: true},
		&workproto.Refuse{Why: "another version"},
		&workproto.Attach{Token: "tok2", Shard: 7},
		&workproto.Shutdown{Why: "replaced"},
		&workproto.Ping{N: 300},
		&workproto.Pong{N: 300},
		&workproto.Cancel{Frame: 300, Index: 511},
	}
}

// frame has every field of a task set somewhere, and the states that differ
// only by nil and empty.
func frame() *turn.Frame {
	env := func(key string) *wire.Envelope {
		return &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "flight", Key: key, Method: "cancel"},
			Body: wire.Payload{Format: wire.CBOR, Data: []byte{0xa0}}, Seq: 12, Made: 1_700_000_000_000_000_000}
	}
	full := env("BA123")
	full.Kind, full.Due, full.Attempt, full.Amend().Trace = wire.Reply, 99, 2, "00-aa-bb-01"
	full.Fail = &wire.Failure{Kind: "failed", Code: "full", Message: "no seats", Detail: "stack"}
	full.Carry = wire.Payload{Format: wire.JSON, Data: []byte(`{"a":1}`)}
	full.Policy = &wire.Policy{Attempts: 3, Backoff: 5, MaxBackoff: 7}
	full.Back = &wire.Callback{Kind: wire.ToMethod, To: wire.Address{Type: "passenger", Key: "p1", Method: "moved"}, Format: wire.CBOR,
		Carry:  wire.Payload{Format: wire.CBOR, Data: []byte{1}},
		Parent: &wire.Callback{Kind: wire.ToInvocation, ID: "0003-x-1", Shard: 3, Format: wire.JSON}}
	return &turn.Frame{Seq: 77, Now: 1_700_000_000_000_000_001, Drop: []turn.Slot{4, 300}, Tasks: []turn.Task{
		{Slot: 1, Env: full, Seed: 1 << 63},
		{Slot: 2, Env: env("BA124"), Load: &turn.State{}},
		{Slot: 3, Env: env("BA125"), Load: &turn.State{Root: []byte{}}, Solo: true},
		{Env: env("BA126"), Copy: true, Load: &turn.State{Root: []byte{0xa1, 0x61, 0x61, 1}, Entries: []turn.Entry{
			{Field: "seats", Key: []byte("1A"), Value: []byte{0xf6}}, {Field: "seats", Key: []byte{}, Value: []byte{1}}}}},
		{Env: &wire.Envelope{Kind: wire.Call, To: wire.Address{Method: "cancelAll"}}},
	}}
}

// report has every field of a report set somewhere.
func report() *turn.Report {
	f := frame()
	return &turn.Report{Frame: 77, Results: []turn.Result{
		{Index: 0, Outcome: turn.Done, Sends: []*wire.Envelope{f.Tasks[0].Env, f.Tasks[1].Env}, Moved: true, Took: 1234},
		{Index: 1, Outcome: turn.Panicked, Fail: f.Tasks[0].Env.Fail, Unloaded: true},
		{Index: 2, Outcome: turn.Done, Answer: wire.Payload{Format: wire.JSON, Data: []byte(`true`)}},
		{Index: 3, Outcome: turn.Detached}, {Index: 4, Outcome: turn.Skipped},
	}, Changes: []turn.Change{
		{Slot: 1, Clear: true, Size: 9, Entries: []turn.Entry{{Field: "seats", Key: []byte("1A"), Value: []byte{2}}, {Field: "seats", Key: []byte("1B")}}},
		{Slot: 3, Root: []byte{0xa0}, Size: 1},
	}}
}

func TestGoldenControl(t *testing.T) {
	for _, m := range messages() {
		b := workproto.Append(nil, m)
		golden.Hex(t, m.Type().String()+".v1.hex", b)
		got, err := workproto.Decode(m.Type(), b)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%v: got %+v, %v", m.Type(), got, err)
		}
	}
}

// A pong may say what was reported; one of an older program does not.
func TestGoldenReported(t *testing.T) {
	m := &workproto.Pong{N: 300, Reported: []uint64{7, 0, 1 << 40}}
	b := workproto.Append(nil, m)
	golden.Hex(t, "pong-reported.v1.hex", b)
	if got, err := workproto.Decode(workproto.TypePong, b); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, %v", got, err)
	}
	b[len(b)-1] = 0x80 // the last number is cut short
	if got, err := workproto.Decode(workproto.TypePong, b); err != nil || len(got.(*workproto.Pong).Reported) != 2 {
		t.Errorf("of a list that is cut short: %+v, %v", got, err)
	}
}

func TestGoldenFrames(t *testing.T) {
	b, big := workproto.AppendTasks(nil, frame(), workproto.MaxFrame)
	if big >= 0 {
		t.Fatal(big)
	}
	golden.Hex(t, "tasks.v1.hex", b)
	if got := decodeTasks(t, b); !reflect.DeepEqual(got, frame()) {
		t.Errorf("got  %+v\nwant %+v", got, frame())
	}
	late := report()
	late.Late = true
	for _, r := range []struct {
		name string
		rep  *turn.Report
	}{{"report.v1", report()}, {"report-late.v1", late}} {
		b, big := workproto.AppendReport(nil, r.rep, workproto.MaxFrame)
		if big != nil {
			t.Fatal(big)
		}
		golden.Hex(t, r.name+".hex", b)
		if got := decodeReport(t, b); !reflect.DeepEqual(got, r.rep) {
			t.Errorf("got  %+v\nwant %+v", got, r.rep)
		}
	}
}

// A frame that is long comes in parts, and is the same in the end.
func TestParts(t *testing.T) {
	f := frame()
	for range 40 {
		task := f.Tasks[0]
		task.Load = &turn.State{Root: bytes.Repeat([]byte{7}, workproto.PartSize/3)}
		f.Tasks = append(f.Tasks, task)
	}
	b, _ := workproto.AppendTasks(nil, f, workproto.MaxFrame)
	if got := decodeTasks(t, b); !reflect.DeepEqual(got, f) {
		t.Error("a frame in parts is not what it was")
	}
	rep := report()
	for i := range 40 {
		rep.Results = append(rep.Results, turn.Result{Index: 5 + i, Outcome: turn.Done})
		rep.Changes = append(rep.Changes, turn.Change{Slot: 9, Root: bytes.Repeat([]byte{7}, workproto.PartSize/3)})
	}
	b, _ = workproto.AppendReport(nil, rep, workproto.MaxFrame)
	if got := decodeReport(t, b); !reflect.DeepEqual(got, rep) {
		t.Error("a report in parts is not what it was")
	}
}

// What does not fit is named, and nothing of it is sent.
func TestTooBig(t *testing.T) {
	f := frame()
	f.Tasks[2].Load.Root = make([]byte, 2000)
	if b, big := workproto.AppendTasks([]byte("x"), f, 1000); big != 2 || string(b) != "x" {
		t.Errorf("task %d, %q", big, b)
	}
	rep := report()
	rep.Results[2].Answer.Data = make([]byte, 2000)
	if b, big := workproto.AppendReport([]byte("x"), rep, 1000); big == nil || big.Result != 2 || string(b) != "x" {
		t.Errorf("result %+v, %q", big, b)
	}
	rep = report()
	rep.Changes[1].Root = make([]byte, 2000)
	if _, big := workproto.AppendReport(nil, rep, 1000); big == nil || big.Result != -1 || big.Slot != 3 {
		t.Errorf("change %+v", big)
	}
}

// A length is believed only as far as bytes come, and never beyond the limit.
func TestConn(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     fault.Kind
		eof      error
	}{
		{"closed", "", 0, io.EOF},
		{"cut in the head", "\x05\x00", 0, io.ErrUnexpectedEOF},
		{"cut in the body", "\xff\xff\xff\x00\x06abc", 0, io.ErrUnexpectedEOF},
		{"no type", "\x00\x00\x00\x00\x06", fault.Corrupt, nil},
		{"too long", "\xff\xff\xff\xff\x06", fault.Corrupt, nil},
	} {
		a, b := net.Pipe()
		go func() {
			_, _ = io.WriteString(a, c.in)
			_ = a.Close()
		}()
		_, _, err := workproto.NewConn(b).Next()
		if c.eof != nil && !errors.Is(err, c.eof) || c.eof == nil && !fault.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	a, b := net.Pipe()
	go func() { _ = workproto.NewConn(a).Send(&workproto.Ping{N: 5}) }()
	if m, err := workproto.NewConn(b).Receive(); err != nil || !reflect.DeepEqual(m, &workproto.Ping{N: 5}) {
		t.Errorf("%+v, %v", m, err)
	}
}

func decodeTasks(t *testing.T, b []byte) *turn.Frame {
	t.Helper()
	f := &turn.Frame{}
	parts(t, b, workproto.TypeTasks, func(b []byte) (bool, error) { return workproto.DecodeTasks(f, b) })
	return f
}

func decodeReport(t *testing.T, b []byte) *turn.Report {
	t.Helper()
	rep := &turn.Report{}
	parts(t, b, workproto.TypeReport, func(b []byte) (bool, error) { return workproto.DecodeReport(rep, b) })
	return rep
}

// parts decodes messages until the last part, and expects no more.
func parts(t *testing.T, b []byte, want workproto.Type, decode func([]byte) (bool, error)) {
	t.Helper()
	c := workproto.NewConn(readConn{Reader: bytes.NewReader(b)})
	for last := false; ; {
		typ, body, err := c.Next()
		if last && errors.Is(err, io.EOF) {
			return
		}
		if err != nil || typ != want || last {
			t.Fatalf("message of %v after last=%v: %v", typ, last, err)
		}
		if last, err = decode(body); err != nil {
			t.Fatal(err)
		}
	}
}

type readConn struct {
	net.Conn
	io.Reader
}

func (c readConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }

// small makes a frame of n small tasks of objects, and the report on it.
func small(n int) (*turn.Frame, *turn.Report) {
	f, rep := &turn.Frame{Seq: 1 << 20, Now: 1_700_000_000_000_000_000}, &turn.Report{Frame: 1 << 20}
	for i := range n {
		back := &wire.Callback{Kind: wire.ToInvocation, ID: "0003-8f3a9c0d11aa-1x9", Shard: 3, Format: wire.JSON}
		f.Tasks = append(f.Tasks, turn.Task{Slot: turn.Slot(1000 + i), Seed: 1<<60 + uint64(i), Env: &wire.Envelope{Kind: wire.Call,
			To:   wire.Address{Type: "counter", Key: fmt.Sprintf("c%05d", i), Method: "add"},
			Body: wire.Payload{Format: wire.JSON, Data: []byte(`{"by":1}`)}, Back: back, Seq: wire.Seq(1<<20 + i), Made: f.Now}})
		rep.Results = append(rep.Results, turn.Result{Index: i, Outcome: turn.Done, Answer: wire.Payload{Format: wire.JSON, Data: []byte(`{"n":17}`)}, Took: 800})
		rep.Changes = append(rep.Changes, turn.Change{Slot: turn.Slot(1000 + i), Root: []byte("\xa1\x61n\x11"), Size: 4})
	}
	return f, rep
}

// BenchmarkTasks encodes and decodes frames of 64 small tasks.
func BenchmarkTasks(b *testing.B) {
	f, _ := small(64)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = workproto.AppendTasks(buf[:0], f, workproto.MaxFrame)
		var got turn.Frame
		if _, err := workproto.DecodeTasks(&got, bytes.Clone(buf[5:])); err != nil {
			b.Fatal(err)
		}
	}
	rate(b, 64, len(buf))
}

// BenchmarkReport encodes and decodes the reports on such frames.
func BenchmarkReport(b *testing.B) {
	_, rep := small(64)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = workproto.AppendReport(buf[:0], rep, workproto.MaxFrame)
		var got turn.Report
		if _, err := workproto.DecodeReport(&got, bytes.Clone(buf[5:])); err != nil {
			b.Fatal(err)
		}
	}
	rate(b, 64, len(buf))
}

func rate(b *testing.B, tasks, bytes int) {
	b.ReportMetric(float64(b.N*tasks)/b.Elapsed().Seconds(), "tasks/s")
	b.ReportMetric(float64(bytes)/float64(tasks), "B/task")
}

// Whatever comes is refused or read; what was read is the same when it is
// written and read again.
func FuzzTasks(f *testing.F) {
	b, _ := workproto.AppendTasks(nil, frame(), workproto.MaxFrame)
	f.Add(b[5:])
	f.Fuzz(func(t *testing.T, b []byte) {
		var got turn.Frame
		var err error
		frugal.Check(t, len(b), func() { got = turn.Frame{}; _, err = workproto.DecodeTasks(&got, b) })
		if err != nil {
			return
		}
		again, _ := workproto.AppendTasks(nil, &got, workproto.MaxFrame)
		if back := decodeTasks(t, again); !reflect.DeepEqual(tidyFrame(back), tidyFrame(&got)) {
			t.Errorf("got  %+v\nback %+v", got, back)
		}
	})
}

func FuzzReport(f *testing.F) {
	b, _ := workproto.AppendReport(nil, report(), workproto.MaxFrame)
	f.Add(b[5:])
	f.Fuzz(func(t *testing.T, b []byte) {
		var got turn.Report
		var err error
		frugal.Check(t, len(b), func() { got = turn.Report{}; _, err = workproto.DecodeReport(&got, b) })
		if err != nil {
			return
		}
		again, _ := workproto.AppendReport(nil, &got, workproto.MaxFrame)
		back := decodeReport(t, again)
		if twice, _ := workproto.AppendReport(nil, back, workproto.MaxFrame); !bytes.Equal(again, twice) {
			t.Errorf("got  %x\nback %x", again, twice)
		}
	})
}

func FuzzControl(f *testing.F) {
	for _, m := range messages() {
		f.Add(byte(m.Type()), workproto.Append(nil, m))
	}
	f.Fuzz(func(t *testing.T, typ byte, b []byte) {
		var m workproto.Message
		var err error
		frugal.Check(t, len(b), func() { m, err = workproto.Decode(workproto.Type(typ), b) })
		if err != nil {
			return
		}
		again, err := workproto.Decode(m.Type(), workproto.Append(nil, m))
		if err != nil || fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", m) {
			t.Errorf("got %+v, %v; want %+v", again, err, m)
		}
	})
}

func FuzzConn(f *testing.F) {
	b, _ := workproto.AppendTasks(nil, frame(), workproto.MaxFrame)
	f.Add(b)
	f.Add([]byte(strings.Repeat("\x01\x00\x00\x00\x06", 3)))
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b)+1<<17, func() { // a step of reading is 1 MiB
			c := workproto.NewConn(readConn{Reader: bytes.NewReader(b)})
			for n := 0; ; n++ {
				if _, _, err := c.Next(); err != nil {
					return
				}
				if n > len(b)/5 {
					t.Fatal("messages from nothing")
				}
			}
		})
	})
}

// tidyFrame makes what the encoding does not tell apart equal.
func tidyFrame(f *turn.Frame) *turn.Frame {
	for i := range f.Tasks {
		for _, p := range []*wire.Payload{&f.Tasks[i].Env.Body, &f.Tasks[i].Env.Carry} {
			if len(p.Data) == 0 {
				p.Data = nil
			}
		}
		for cb := f.Tasks[i].Env.Back; cb != nil; cb = cb.Parent {
			if len(cb.Carry.Data) == 0 {
				cb.Carry.Data = nil
			}
		}
		if st := f.Tasks[i].Load; st != nil {
			for j := range st.Entries {
				if len(st.Entries[j].Key) == 0 {
					st.Entries[j].Key = nil
				}
			}
		}
	}
	return f
}
