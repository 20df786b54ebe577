package chain

import (
	"bytes"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/store/wal"
	"github.com/situ-dev/situ/internal/wire"
)

func TestGoldenTip(t *testing.T) {
	want := Tip{Last: 0x0102030405060708, Hash: 0x1112131415161718}
	if got, err := DecodeTip(golden.Hex(t, "tip.v1.hex", want.Append(nil))); err != nil || got != want {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

// FuzzTip reads the row of a tip: what can be read is written the same.
func FuzzTip(f *testing.F) {
	f.Add(Tip{Last: 1, Hash: 2}.Append(nil))
	f.Fuzz(func(t *testing.T, p []byte) {
		if v, err := DecodeTip(p); err == nil && !bytes.Equal(p, v.Append(nil)) {
			t.Errorf("%x decodes, and encodes to %x", p, v.Append(nil))
		}
	})
}

// TestChain: what follows is taken, and what is missing, twice or another one is told of.
func TestChain(t *testing.T) {
	r := func(seq wire.Seq, prev, hash uint64) wal.Record {
		return wal.Record{Shard: 1, Seq: seq, Prev: prev, Hash: hash}
	}
	for _, c := range []struct {
		name    string
		tables  Tip
		records []wal.Record
		fresh   int
		end     Tip
		say     string
	}{
		{"empty", Tip{}, nil, 0, Tip{}, ""},
		{"only tables", Tip{3, 33}, nil, 0, Tip{3, 33}, ""},
		{"only the log", Tip{}, []wal.Record{r(1, 0, 11), r(2, 11, 22)}, 2, Tip{2, 22}, ""},
		{"behind the tables", Tip{3, 33}, []wal.Record{r(4, 33, 44)}, 1, Tip{4, 44}, ""},
		{"also in tables", Tip{3, 33}, []wal.Record{r(2, 11, 22), r(3, 22, 33), r(4, 33, 44)}, 1, Tip{4, 44}, ""},
		{"a gap", Tip{}, []wal.Record{r(1, 0, 11), r(3, 22, 33)}, 1, Tip{1, 11}, "commits 2 to 2 are missing"},
		{"a gap behind the tables", Tip{3, 33}, []wal.Record{r(5, 44, 55)}, 0, Tip{3, 33}, "commits 4 to 4 are missing"},
		{"twice", Tip{}, []wal.Record{r(1, 0, 11), r(1, 0, 11)}, 1, Tip{1, 11}, "again"},
		{"another before", Tip{}, []wal.Record{r(1, 0, 11), r(2, 12, 22)}, 1, Tip{1, 11}, "does not follow"},
		{"another than in tables", Tip{3, 33}, []wal.Record{r(3, 22, 34)}, 0, Tip{3, 33}, "another one"},
		{"its end is lost", Tip{3, 33}, []wal.Record{r(1, 0, 11), r(2, 11, 22)}, 0, Tip{3, 33}, "commits 3 to 3 are in tables and missing in the log"},
	} {
		ch := Chain{Shard: 1, Tables: c.tables}
		fresh, say := 0, ""
		for _, rec := range c.records {
			f, p := ch.Next(rec)
			if p != nil {
				say = p.What
				break
			}
			if f {
				fresh++
			}
		}
		end, p := ch.End()
		if p != nil && say == "" {
			say = p.What
		}
		if fresh != c.fresh || end != c.end || !strings.Contains(say, c.say) || (say == "") != (c.say == "") {
			t.Errorf("%s: %d fresh, end %+v, %q; want %d, %+v, %q", c.name, fresh, end, say, c.fresh, c.end, c.say)
		}
	}
}

// TestHashOf: the hash of the commit that was asked for is known from the log or from the tip.
func TestHashOf(t *testing.T) {
	for want, hash := range map[wire.Seq]uint64{1: 11, 2: 22, 3: 0} {
		c := Chain{Want: want}
		for _, r := range []wal.Record{{Seq: 1, Hash: 11}, {Seq: 2, Prev: 11, Hash: 22}} {
			if _, p := c.Next(r); p != nil {
				t.Fatal(p)
			}
		}
		end, _ := c.End()
		if got := c.HashOf(end); (got == nil) != (hash == 0) || got != nil && *got != hash {
			t.Errorf("commit %d: %v", want, got)
		}
	}
	c := Chain{Tables: Tip{3, 33}, Want: 3}
	if got := c.HashOf(c.Tables); got == nil || *got != 33 {
		t.Errorf("the tip of the tables: %v", got)
	}
}
