package span

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/wire"
)

func sample() Row {
	return Row{ID: 1 << 55, Parent: 6, To: wire.Address{Type: "flight", Key: "BA123", Method: "cancel"}, State: Retrying, How: Held,
		Made: 1000, Due: 900, Begun: 1000, Ended: 2000, Next: 5000, Active: 70, Runs: 2, Sent: 3, Answers: 8, Size: 4,
		In: wire.Payload{Format: wire.CBOR, Data: []byte{0xa0}}, Fail: &wire.Failure{Kind: "crashed", Code: "c", Message: "panic: oh"}}
}

// TestGolden holds the formats on disk.
func TestGolden(t *testing.T) {
	r := sample()
	head := Head{Rows: 10_000, Left: 5}
	golden.File(t, "rows.hex", fmt.Appendf(nil, "span %x\nhead %x\n", Append(nil, &r), AppendHead(nil, head)))
	got, err := Decode(r.ID, Append(nil, &r))
	r.Due = r.Made // a time before it was made is told as that
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got, err)
	}
	if h, err := DecodeHead(AppendHead(nil, head)); err != nil || h != head {
		t.Errorf("%+v, %v", h, err)
	}
}

// A row of a later version can be read, a damaged one not.
func TestDecode(t *testing.T) {
	r := sample()
	b := Append(nil, &r)
	e := wire.Encoder{Buf: b}
	e.Int(100, 1)
	if _, err := Decode(r.ID, e.Buf); err != nil {
		t.Error(err)
	}
	for i := range b {
		if got, err := Decode(r.ID, b[:i]); err == nil && got.State == 0 {
			t.Errorf("%d bytes are a row", i)
		}
	}
	if _, err := Decode(1, nil); err == nil {
		t.Error("nothing is a row")
	}
}

// What is kept of an input and of an error is bounded.
func TestOfIsBounded(t *testing.T) {
	long := []byte(`"` + strings.Repeat("é", 500) + `"`)
	env := &wire.Envelope{Kind: wire.Call, Lineage: &wire.Lineage{Span: &wire.Span{ID: 2}}, Body: wire.Payload{Format: wire.JSON, Data: long}}
	if r := Of(env); len(r.In.Data) != maxInput || r.Size != len(long) {
		t.Errorf("%d bytes of %d", len(r.In.Data), r.Size)
	}
	env.Body.Format = wire.CBOR
	if r := Of(env); r.In.Data != nil || r.Size != len(long) {
		t.Errorf("%d bytes of CBOR, which cannot be read", len(r.In.Data))
	}
	if s := Short(&wire.Failure{Message: string(long)}); len(s.Message) > maxMessage+4 || !strings.HasSuffix(s.Message, "é…") {
		t.Errorf("%q", s.Message)
	}
}

func FuzzDecode(f *testing.F) {
	r := sample()
	f.Add(Append(nil, &r))
	b, _ := hex.DecodeString("0806")
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(2, b)
		if err != nil {
			return
		}
		again, err := Decode(2, Append(nil, &r))
		if err != nil || !reflect.DeepEqual(normal(r), normal(again)) {
			t.Errorf("%+v\n%+v, %v", r, again, err)
		}
	})
}

// normal leaves out what is not told apart: nothing, and an empty text; times
// before the first.
func normal(r Row) Row {
	if len(r.In.Data) == 0 {
		r.In.Data = nil
	}
	for _, t := range []*wire.Time{&r.Due, &r.Begun, &r.Ended, &r.Next} {
		if *t != 0 {
			*t = max(*t, r.Made)
		}
	}
	return r
}
