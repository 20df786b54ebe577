package rows_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/frugal"
	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/shard/rows"
	"github.com/situ-dev/situ/internal/store"
	"github.com/situ-dev/situ/internal/turn"
	"github.com/situ-dev/situ/internal/wire"
)

var flight = wire.ObjectID{Type: "flight", Key: "BA123"}

// object returns the row of an object.
func object(r rows.Object) []byte {
	return append(rows.AppendObjectHead(nil, r.Modified, r.Size, r.Pin), r.Root...)
}

func envelope() *wire.Envelope {
	return &wire.Envelope{Kind: wire.Call, To: wire.Address{Type: "flight", Key: "BA123", Method: "cancel"},
		Body: wire.Payload{Format: wire.CBOR, Data: []byte{0xa0}}, Seq: 7, Made: 1000,
		Back: &wire.Callback{Kind: wire.ToInvocation, ID: "0003-x", Shard: 3, Format: wire.JSON}}
}

func invocation() *wire.Invocation {
	return &wire.Invocation{ID: "0003-x", To: envelope().To, Created: 1000, Finished: 2000, Expires: 3000, Digest: []byte{1, 2},
		Body: wire.Payload{Format: wire.JSON, Data: []byte("42")}, Fail: &wire.Failure{Kind: "failed", Code: "full", Message: "no seat"}}
}

func deadLetter() *wire.DeadLetter {
	return &wire.DeadLetter{ID: "3-7", Envelope: envelope(), Reason: &wire.Failure{Kind: "crashed", Message: "panic: x", Detail: "stack"}, At: 4000}
}

// sheet returns messages 7 and 9.
func sheet() []*wire.Envelope {
	a, b := envelope(), envelope()
	a.Seq, b.Seq = 7, 9
	return []*wire.Envelope{a, b}
}

// TestGolden holds the rows of each table to the bytes that were once written:
// what is on a disk stays readable.
func TestGolden(t *testing.T) {
	from, to := rows.EntriesOf(flight)
	var b strings.Builder
	for _, row := range []struct {
		name  string
		bytes []byte
	}{
		{"object key", rows.ObjectKey(flight)},
		{"object", object(rows.Object{Modified: 1000, Size: 300, Root: []byte{0xa1, 0x61, 0x6e, 0x01}})},
		{"entries from", from}, {"entries to", to},
		{"entry key", rows.AppendEntryKey(nil, flight, turn.Entry{Field: "manifest", Key: []byte("P1")})},
		{"mail and dead key", rows.SeqKey(7)},
		{"mail", wire.AppendEnvelope(nil, envelope())},
		{"timer key", rows.TimerKey(1000, 7)},
		{"outbox key", rows.OutboxKey(3, 7)},
		{"segment", rows.AppendSegment(nil, []*wire.Envelope{envelope(), envelope()})},
		{"sheet", rows.AppendSheet(nil, sheet())},
		{"inbox key", rows.ShardKey(3)},
		{"invocation", rows.EncodeInvocation(invocation())},
		{"expiry key", rows.ExpiryKey(3000, "0003-x")},
		{"dead letter", rows.EncodeDead(deadLetter())},
		{"invocation id", []byte(rows.ID(3, "k2x9", 71))},
		{"keyed invocation id", []byte(rows.KeyedID(3, &wire.Request{To: envelope().To, Key: "order-1"}))},
		{"invocation with a URL", rows.EncodeInvocation(&wire.Invocation{To: envelope().To, Created: 5, URL: "https://example.org/hook"})},
		{"digest", rows.Digest(wire.Payload{Format: wire.JSON, Data: []byte("42")})},
		{"object that stays", object(rows.Object{Modified: 1000, Size: 300, Root: []byte{0xa1, 0x61, 0x6e, 0x01}, Pin: "shop@3f2a9c41b0de"})},
	} {
		fmt.Fprintf(&b, "%s\n%s\n", row.name, hex.Dump(row.bytes))
	}
	golden.File(t, "rows.v1.golden", []byte(b.String()))
}

// TestGoldenDecodes reads the values out of every file that there has ever
// been.
func TestGoldenDecodes(t *testing.T) {
	paths, err := filepath.Glob("testdata/rows.v*.golden")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		b := dumped(t, path)
		o, err := rows.DecodeObject(b["object"])
		if want := (rows.Object{Modified: 1000, Size: 300, Root: []byte{0xa1, 0x61, 0x6e, 0x01}}); err != nil || !reflect.DeepEqual(o, want) {
			t.Errorf("%s: object %+v, %v", path, o, err)
		}
		o, err = rows.DecodeObject(b["object that stays"])
		if want := (rows.Object{Modified: 1000, Size: 300, Root: []byte{0xa1, 0x61, 0x6e, 0x01}, Pin: "shop@3f2a9c41b0de"}); err != nil || !reflect.DeepEqual(o, want) {
			t.Errorf("%s: object that stays %+v, %v", path, o, err)
		}
		mail, err := wire.DecodeEnvelope(b["mail"])
		if err != nil || !reflect.DeepEqual(mail, envelope()) {
			t.Errorf("%s: mail %+v, %v", path, mail, err)
		}
		envs, err := rows.DecodeSegment(b["segment"])
		if err != nil || !reflect.DeepEqual(envs, []*wire.Envelope{envelope(), envelope()}) {
			t.Errorf("%s: segment %+v, %v", path, envs, err)
		}
		mails, err := rows.DecodeSheet(7, b["sheet"])
		if err != nil || !reflect.DeepEqual(mails, sheet()) {
			t.Errorf("%s: sheet %+v, %v", path, mails, err)
		}
		v, err := rows.DecodeInvocation("0003-x", b["invocation"])
		if err != nil || !reflect.DeepEqual(v, invocation()) {
			t.Errorf("%s: invocation %+v, %v", path, v, err)
		}
		d, err := rows.DecodeDead("3-7", b["dead letter"])
		if err != nil || !reflect.DeepEqual(d, deadLetter()) {
			t.Errorf("%s: dead letter %+v, %v", path, d, err)
		}
		due, seq, _ := rows.SplitTimer(b["timer key"])
		at, id, _ := rows.SplitExpiry(b["expiry key"])
		dst, first, _ := rows.SplitOutbox(b["outbox key"])
		src, _ := rows.SplitShard(store.Inbox, b["inbox key"])
		num, _ := rows.SplitSeq(store.Mail, b["mail and dead key"])
		if dst != 3 || first != 7 || src != 3 || num != 7 {
			t.Errorf("%s: outbox %d %d, inbox %d, mail %d", path, dst, first, src, num)
		}
		if due != 1000 || seq != 7 || at != 3000 || id != "0003-x" {
			t.Errorf("%s: timer %d %d, expiry %d %s", path, due, seq, at, id)
		}
	}
}

// dumped reads the hex dumps of a golden file, by name.
func dumped(t *testing.T, path string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		name, dump, _ := strings.Cut(part, "\n")
		for line := range strings.Lines(dump) {
			line, _, _ = strings.Cut(line, "|")
			_, digits, _ := strings.Cut(line, " ")
			b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			all[name] = append(all[name], b...)
		}
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	v, err := rows.DecodeInvocation("0003-x", rows.EncodeInvocation(invocation()))
	if err != nil || !reflect.DeepEqual(v, invocation()) {
		t.Errorf("invocation %+v, %v", v, err)
	}
	d, err := rows.DecodeDead("3-7", rows.EncodeDead(deadLetter()))
	if err != nil || !reflect.DeepEqual(d, deadLetter()) {
		t.Errorf("dead letter %+v, %v", d, err)
	}
	envs, err := rows.DecodeSegment(rows.AppendSegment(nil, []*wire.Envelope{envelope()}))
	if err != nil || len(envs) != 1 || !reflect.DeepEqual(envs[0], envelope()) {
		t.Errorf("segment %+v, %v", envs, err)
	}
	o, err := rows.DecodeObject(object(rows.Object{Modified: 5, Size: 1 << 20, Root: []byte("x")}))
	if err != nil || o.Modified != 5 || o.Size != 1<<20 || string(o.Root) != "x" {
		t.Errorf("object %+v, %v", o, err)
	}
	k := rows.AppendEntryKey(nil, flight, turn.Entry{Field: "manifest", Key: []byte{0, 1, 0}})
	from, to := rows.EntriesOf(flight)
	field, element, ok := rows.SplitEntry(k[len(from):])
	if !ok || field != "manifest" || !bytes.Equal(element, []byte{0, 1, 0}) || bytes.Compare(k, from) < 0 || bytes.Compare(k, to) >= 0 {
		t.Errorf("entry key %q between %q and %q", k, from, to)
	}
}

// TestOrder checks that the order of keys is the order of what they name, and
// that one object's elements are not another's.
func TestOrder(t *testing.T) {
	longer, _ := rows.EntriesOf(wire.ObjectID{Type: "flight", Key: "BA123x"})
	_, to := rows.EntriesOf(flight)
	if bytes.Compare(longer, to) < 0 {
		t.Error("the elements of flight/BA123x are among those of flight/BA123")
	}
	if bytes.Compare(rows.TimerKey(255, 9), rows.TimerKey(256, 1)) >= 0 || bytes.Compare(rows.SeqKey(255), rows.SeqKey(256)) >= 0 {
		t.Error("numbers are not in order")
	}
}

// FuzzDecode feeds every decoder with anything: they answer or refuse.
func FuzzDecode(f *testing.F) {
	f.Add(rows.EncodeInvocation(invocation()))
	f.Add(rows.EncodeDead(deadLetter()))
	f.Add(rows.AppendSegment(nil, []*wire.Envelope{envelope()}))
	f.Add(rows.AppendSheet(nil, sheet()))
	f.Add(object(rows.Object{Modified: 1, Size: 2, Root: []byte{0xa0}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, 5*len(b), func() { // five decoders
			_, _ = rows.DecodeInvocation("x", b)
			_, _ = rows.DecodeSegment(b)
			_, _ = rows.DecodeSheet(7, b)
			_, _ = rows.DecodeDead("x", b)
			_, _ = rows.DecodeObject(b)
		})
		if v, err := rows.DecodeInvocation("x", b); err == nil {
			if _, err := rows.DecodeInvocation("x", rows.EncodeInvocation(v)); err != nil {
				t.Errorf("an invocation does not come back: %v", err)
			}
		}
		if envs, err := rows.DecodeSegment(b); err == nil {
			if again, err := rows.DecodeSegment(rows.AppendSegment(nil, envs)); err != nil || len(again) != len(envs) {
				t.Errorf("a segment does not come back: %v", err)
			}
		}
		if envs, err := rows.DecodeSheet(7, b); err == nil {
			if again, err := rows.DecodeSheet(7, rows.AppendSheet(nil, envs)); err != nil && envs[0].Seq == 7 || err == nil && len(again) != len(envs) {
				t.Errorf("a sheet does not come back: %v", err)
			}
		}
		if d, err := rows.DecodeDead("x", b); err == nil {
			if _, err := rows.DecodeDead("x", rows.EncodeDead(d)); err != nil {
				t.Errorf("a dead letter does not come back: %v", err)
			}
		}
		if o, err := rows.DecodeObject(b); err == nil {
			if again, err := rows.DecodeObject(object(o)); err != nil || !bytes.Equal(again.Root, o.Root) {
				t.Errorf("an object does not come back: %v", err)
			}
		}
		rows.SplitEntry(b)
		_, _, _ = rows.SplitTimer(b)
		_, _, _ = rows.SplitExpiry(b)
		_, _, _ = rows.SplitOutbox(b)
		_, _ = rows.SplitShard(store.Inbox, b)
		_, _ = rows.SplitSeq(store.Mail, b)
	})
}
