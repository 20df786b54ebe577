package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// samples are the values of the golden files. New fields get new files: an old
// one stays as it is, and readable.
var samples = map[string]any{
	"envelope-call": &Envelope{Kind: Call, To: Address{"flight", "BA123", "cancel"}, Body: Payload{CBOR, []byte{0xa0}}, Made: 1767323045000000600},
	"envelope-reply": &Envelope{Kind: Reply, To: Address{"transfer", "t1", "debited"}, Carry: Payload{CBOR, []byte("carried")},
		Fail: &Failure{Kind: "failed", Code: "short", Message: "too little money", Detail: "a stack"},
		Back: &Callback{Kind: ToInvocation, ID: "0003-abc", Shard: 3, Format: JSON}},
	"envelope-full": &Envelope{Kind: Call, To: Address{"", "", "quote"}, Body: Payload{JSON, []byte(`{"cents":1}`)}, Fail: &Failure{},
		Carry: Payload{None, []byte("c")}, Back: chain(3), Due: 1<<63 - 1, Attempt: 1<<32 - 1, Policy: &Policy{Attempts: 5, Backoff: 100e6, MaxBackoff: 10e9},
		Lineage: &Lineage{Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, Seq: 300, Made: -1},
	"envelope-chain": &Envelope{Kind: Call, To: Address{"flight", "BA123", "cancel"}, Back: &Callback{Kind: ToMethod, To: Address{"desk", "1", "cancelled"},
		Chain: "0003-abc"}, Settled: true, Made: 1, Lineage: &Lineage{Chain: "0003-abc", Deadline: 1767323045000000600}},
	"envelope-span": &Envelope{Kind: Reply, To: Address{"desk", "1", "cancelled"}, Made: 5, Lineage: &Lineage{Chain: "0003-abc", Span: &Span{ID: 7, Parent: 4, Begun: 9, Active: 11, Left: true}, Asked: &Asked{By: 4, Call: 6, Type: "flight", Method: "cancel", Made: 3, Begun: 4}},
		Back: &Callback{Kind: ToInvocation, ID: "0003-abc", Shard: 3, Asked: &Asked{Call: 1 << 55, Method: "f", Made: 1, Begun: 2,
			Tail: &Asked{Call: 2, Method: "g", Made: 1, Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}}},
	"envelope-policy": &Envelope{Kind: Call, To: Address{"flight", "BA123", "cancel"}, Made: 1, Policy: &Policy{Attempts: 3, MaxAge: 3600e9,
		On: CodesOf([]string{"busy", "slow"}), Final: "timeout", Priority: Low, OnFail: Address{"desk", "1", "failed"}}},
	"callback-fail":    &Callback{Kind: ToMethod, To: Address{"desk", "1", "cancelled"}, OnFail: &Address{"desk", "2", "failed"}},
	"envelope-control": &Envelope{Kind: Cancel, Fail: &Failure{Kind: "canceled", Message: "no need"}, Due: 1767323045000000600, Lineage: &Lineage{Chain: "0003-abc", Free: true, Path: Waiters{"order/1.run", "stock/2.reserve"}}},
	"callback-path":    &Callback{Kind: ToMethod, To: Address{"order", "1", "reserved"}, Path: Waiters{"cart/7.buy"}},
	"envelope-guarded": &Envelope{Kind: Call, To: Address{"flight", "BA123", "cancel"}, Back: &Callback{Kind: ToMethod, To: Address{"desk", "1", "cancelled"},
		Deadline: 1767323045000000700}, Made: 1, Lineage: &Lineage{Deadline: 1767323045000000600, Guard: true}},
	"envelope-token": &Envelope{Kind: Call, To: Address{TokenType, "0003-0123456789abcdefghjkmnpqrs", "wait"}, Back: &Callback{Kind: ToPromise, ID: "0003-p1", Shard: 3}, Made: 1, Lineage: &Lineage{Guard: true, Deadline: 9, Beat: 7}},
	"envelope-stick": &Envelope{Kind: Call, To: Address{Method: "quote"}, Made: 1, Lineage: &Lineage{Stick: 1<<63 + 7}},
	"promise-guard":  &Promise{Back: chain(2), Made: 5, Until: 6, Due: 6, Timer: 7, On: "flight/BA123.cancel"},
	"promise-token":  &Promise{Back: chain(1), Made: 5, Until: 60, Due: 9, Timer: 7, Token: true, Schema: []byte(`{"type":"integer"}`), Every: 4, Beat: 5},
	"promise-held":   &Promise{Back: chain(1), Made: 5, Until: 6, Due: 6, Timer: 7, On: "flight/BA123", Chain: "0003-c", Holder: ObjectID{"flight", "BA123"}},
	"promise-used":   &Promise{Made: 5, Until: 60, Due: 900, Timer: 8, Token: true, Over: Answered, Ended: 44},
	"callback-chain": chain(4),
	"failure":        &Failure{Kind: "crashed", Code: "c", Message: "panic: oh", Detail: "goroutine 1 [running]"},
}

// chain returns callbacks stacked n high, the lowest one a caller outside.
func chain(n int) *Callback {
	if n == 1 {
		return &Callback{Kind: ToInvocation, ID: "ffff-0", Shard: 65535, Format: JSON}
	}
	return &Callback{Kind: ToMethod, To: Address{"transfer", fmt.Sprint("t", n), "debited"}, Format: CBOR,
		Carry: Payload{CBOR, bytes.Repeat([]byte{byte(n)}, 50)}, Parent: chain(n - 1)}
}

func encodeAny(v any) []byte {
	switch v := v.(type) {
	case *Envelope:
		return AppendEnvelope(nil, v)
	case *Callback:
		return AppendCallback(nil, v)
	case *Failure:
		return AppendFailure(nil, v)
	case *Promise:
		return AppendPromise(nil, v)
	}
	panic("no such noun")
}

func decodeLike(v any, b []byte) (any, error) {
	switch v.(type) {
	case *Envelope:
		return DecodeEnvelope(b)
	case *Callback:
		return DecodeCallback(b)
	case *Failure:
		return DecodeFailure(b)
	case *Promise:
		return DecodePromise(b)
	}
	panic("no such noun")
}

// TestGolden compares encodings with the files in testdata: each is a value,
// readable, and its bytes as a hex dump. A changed dump means that what is on
// disk cannot be read any more.
func TestGolden(t *testing.T) {
	for name, v := range samples {
		path := filepath.Join("testdata", name+".golden")
		if *rewrite {
			text, err := json.MarshalIndent(v, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, fmt.Appendf(text, "\n\n%s", hex.Dump(encodeAny(v))), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := encodeAny(v), bytesOf(t, path); !bytes.Equal(got, want) {
			t.Errorf("%s is encoded as\n%swant\n%s", name, hex.Dump(got), hex.Dump(want))
		}
	}
}

// TestOldFilesAreReadable reads every file there has ever been.
func TestOldFilesAreReadable(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(paths) < len(samples) {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".golden")
		v := samples[name]
		if v == nil {
			t.Errorf("%s: keep the value of an old file", path)
			continue
		}
		got, err := decodeLike(v, bytesOf(t, path))
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s reads as\n%+v, %v", path, got, err)
		}
	}
}

// bytesOf reads the hex dump in a golden file.
func bytesOf(t *testing.T, path string) (b []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, dump, _ := strings.Cut(string(text), "\n\n")
	for line := range strings.Lines(dump) {
		line, _, _ = strings.Cut(line, "|")
		_, digits, _ := strings.Cut(line, " ")
		part, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		b = append(b, part...)
	}
	return b
}

// A reader skips what later versions add, at every depth.
func TestUnknownFieldsAreSkipped(t *testing.T) {
	add := func(e *Encoder) {
		e.Int(100, 5)
		e.Bytes(101, []byte("later"))
		e.Nested(127, func(e *Encoder) { e.Int(1, 1) })
	}
	var e Encoder
	add(&e)
	e.Buf = AppendEnvelope(e.Buf, &Envelope{Kind: Call, To: Address{"t", "k", "m"}})
	add(&e)
	e.Nested(10, func(e *Encoder) {
		add(e)
		e.Buf = AppendCallback(e.Buf, chain(1))
	})
	e.Nested(7, func(e *Encoder) {
		add(e)
		e.Buf = AppendFailure(e.Buf, &Failure{Kind: "failed"})
	})
	e.Nested(13, add)
	got, err := DecodeEnvelope(e.Buf)
	want := &Envelope{Kind: Call, To: Address{"t", "k", "m"}, Back: chain(1), Fail: &Failure{Kind: "failed"}, Policy: &Policy{}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}
