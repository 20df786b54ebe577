package wal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/golden"
	"github.com/situ-dev/situ/internal/wire"
)

// fixture is a log of three segments. The last one has records that were
// synced one by one, and then some that waited for the same sync.
type fixture struct {
	files   map[string][]byte // by name
	records []place
	synced  []uint64 // of each record: so much of its segment was durable when it was written
}

func makeFixture(t testing.TB) *fixture {
	fs := vfs.NewMem()
	l := open(t, options(t, fs))
	fx := &fixture{files: map[string][]byte{}}
	w := writer{l: l, last: Record{Shard: 1}}
	body := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 5+i*37%90) }
	n := 0
	add := func() {
		fx.synced = append(fx.synced, uint64(l.synced))
		p, err := w.append(body(n))
		if err != nil {
			t.Fatal(err)
		}
		fx.records = append(fx.records, p)
		n++
	}
	for range 2 {
		for range 5 {
			add()
		}
		if _, err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	for range 6 {
		add()
	}
	for range 4 { // as one leader would for four that wait
		r := Record{Shard: 1, Seq: w.last.Seq + 1, Prev: w.last.Hash, Body: body(n)}
		r.Hash = Link(r.Prev, r.Shard, r.Seq, r.Body)
		fx.synced = append(fx.synced, uint64(l.synced))
		q := request{record: &r, buf: append(make([]byte, HeadSize), r.Body...)}
		if err := l.put(&q); err != nil {
			t.Fatal(err)
		}
		w.last = r
		fx.records = append(fx.records, place{q.number, q.at + HeadSize, r})
		n++
	}
	if err := errors.Join(l.sync(), l.Close()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		name := Name(uint64(i + 1))
		fx.files[name] = readFile(t, fs, "log/"+name)
	}
	return fx
}

func readFile(t testing.TB, fs vfs.FS, path string) []byte {
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	return b
}

// with returns a file system with the log, in which some files have other bytes;
// nil is no file.
func (fx *fixture) with(t testing.TB, change map[string][]byte) vfs.FS {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("log", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range fx.files {
		if _, ok := change[name]; !ok {
			writeFile(t, fs, name, b)
		}
	}
	for name, b := range change {
		if b != nil {
			writeFile(t, fs, name, b)
		}
	}
	return fs
}

func writeFile(t testing.TB, fs vfs.FS, name string, b []byte) {
	f, err := fs.Create("log/"+name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Clone(b)); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

// expect says what Read must do when bytes [from, to) of the last segment are
// not what was written: so many records, or damage.
func (fx *fixture) expect(from, to int64) (records int, damaged bool) {
	for i, r := range fx.records {
		start := r.at - HeadSize
		end := start + int64(padded(len(r.Body)))
		if r.number < 3 || end <= from || start >= to {
			continue
		}
		for j := i + 1; j < len(fx.records); j++ {
			after := fx.records[j].at - HeadSize
			whole := after >= to || after+int64(padded(len(fx.records[j].Body))) <= from
			if whole && fx.synced[j] > uint64(start) {
				return 0, true
			}
		}
		return i, false
	}
	return len(fx.records), false
}

// check reads a log whose last segment is harmed in [from, to).
func (fx *fixture) check(t *testing.T, what string, b []byte, from, to int64) {
	t.Helper()
	got, tail, err := tryRead(fx.with(t, map[string][]byte{Name(3): b}), 1)
	want, damaged := fx.expect(from, to)
	var d *Damage
	if damaged {
		if !errors.As(err, &d) || !strings.Contains(err.Error(), Name(3)) {
			t.Fatalf("%s: %d records and no damage: %v", what, len(got), err)
		}
		return
	}
	if err != nil || len(got) != want {
		t.Fatalf("%s: %d records of %d, %v", what, len(got), want, err)
	}
	for i, p := range got {
		if !same(p, fx.records[i]) {
			t.Fatalf("%s: record %d is %v, written was %v", what, i, p, fx.records[i])
		}
	}
	// Whoever goes on there loses nothing.
	end := uint64(segmentHead)
	if last := got[len(got)-1]; last.number == 3 {
		end = uint64(last.at) - HeadSize + uint64(padded(len(last.Body)))
	}
	// The zeros behind the last body may be cut off.
	if tail.Last().Number != 3 || tail.Last().Size > end || tail.Last().Size+align < end {
		t.Fatalf("%s: the log ends at %+v, not at %d", what, tail.Last(), end)
	}
}

// TestTornEnd cuts the last segment at every byte.
func TestTornEnd(t *testing.T) {
	fx := makeFixture(t)
	whole := fx.files[Name(3)]
	for at := int64(segmentHead); at <= int64(len(whole)); at++ {
		// Zeros at the end of a record may be missing.
		from := at
		for _, r := range fx.records {
			if end := r.at + int64(len(r.Body)); r.number == 3 && at >= end && at < r.at-HeadSize+int64(padded(len(r.Body))) {
				from = end + align
			}
		}
		fx.check(t, fmt.Sprintf("cut at %d", at), bytes.Clone(whole[:at]), from, 1<<40)
		fx.checkPadded(t, fmt.Sprintf("cut at %d, with room", at), append(bytes.Clone(whole[:at]), make([]byte, 5000)...))
	}
}

// checkPadded reads a log whose last segment is cut and has zeros behind: what
// is read is what was written.
func (fx *fixture) checkPadded(t *testing.T, what string, b []byte) {
	t.Helper()
	got, _, err := tryRead(fx.with(t, map[string][]byte{Name(3): b}), 1)
	if err != nil || len(got) < 10 {
		t.Fatalf("%s: %d records, %v", what, len(got), err)
	}
	for i, p := range got {
		if !same(p, fx.records[i]) {
			t.Fatalf("%s: record %d is %v, written was %v", what, i, p, fx.records[i])
		}
	}
}

// TestHoles overwrites blocks of the last segment, and flips each byte.
func TestHoles(t *testing.T) {
	fx := makeFixture(t)
	whole := fx.files[Name(3)]
	for _, block := range []int64{1, 64, 128, 512} {
		for from := int64(segmentHead); from < int64(len(whole)); from += block {
			to := min(from+block, int64(len(whole)))
			b := bytes.Clone(whole)
			for i := from; i < to; i++ {
				b[i] ^= 0x40
			}
			fx.check(t, fmt.Sprintf("bytes %d to %d", from, to), b, from, to)
		}
	}
	// Zeros are what a block is that never reached the disk.
	for from := int64(segmentHead); from < int64(len(whole)); from += 8 {
		to := min(from+256, int64(len(whole)))
		b := bytes.Clone(whole)
		clear(b[from:to])
		first, last := from, to
		for first < to && whole[first] == 0 {
			first++
		}
		for last > first && whole[last-1] == 0 {
			last--
		}
		fx.check(t, fmt.Sprintf("zeros from %d to %d", from, to), b, first, last)
	}
}

// TestOlderSegments: those that are not the last must be whole.
func TestOlderSegments(t *testing.T) {
	fx := makeFixture(t)
	for n := uint64(1); n <= 2; n++ {
		whole := fx.files[Name(n)]
		for at := range whole {
			for kind, b := range map[string][]byte{"flipped": bytes.Clone(whole), "cut": bytes.Clone(whole[:at])} {
				if kind == "flipped" {
					b[at] ^= 1
				}
				got, _, err := tryRead(fx.with(t, map[string][]byte{Name(n): b}), 1)
				var d *Damage
				if !errors.As(err, &d) || !strings.Contains(err.Error(), Name(n)) {
					t.Fatalf("segment %d %s at %d: %d records, %v", n, kind, at, len(got), err)
				}
			}
		}
	}
}

// TestSegments has segments that are missing, too many, another's, renamed or
// not quite made.
func TestSegments(t *testing.T) {
	fx := makeFixture(t)
	one, two, three := fx.files[Name(1)], fx.files[Name(2)], fx.files[Name(3)]
	other := func(id segmentID) []byte { return encodeSegmentHead(id, 0) }
	four := encodeSegmentHead(segmentID{testID, 4}, uint64(len(three)))
	for name, c := range map[string]struct {
		from    uint64
		change  map[string][]byte
		records int    // -1: damage
		say     string // which file
	}{
		"whole":                    {1, nil, 20, ""},
		"from the second on":       {2, nil, 15, ""},
		"no older one is needed":   {2, map[string][]byte{Name(1): nil}, 15, ""},
		"an older one is rubbish":  {2, map[string][]byte{Name(1): []byte("rubbish")}, 15, ""},
		"the first is missing":     {1, map[string][]byte{Name(1): nil}, -1, Name(1)},
		"the second is missing":    {1, map[string][]byte{Name(2): nil}, -1, Name(2)},
		"all are missing":          {1, map[string][]byte{Name(1): nil, Name(2): nil, Name(3): nil}, -1, Name(1)},
		"only newer ones":          {9, nil, -1, Name(9)},
		"the last is missing":      {1, map[string][]byte{Name(3): nil}, 10, ""}, // the marks tell
		"swapped":                  {1, map[string][]byte{Name(1): two, Name(2): one}, -1, Name(2)},
		"an older one as the last": {1, map[string][]byte{Name(3): two}, 10, ""}, // so it does of others
		"one twice":                {1, map[string][]byte{Name(4): three}, 20, ""},
		"another directory's":      {1, map[string][]byte{Name(3): other(segmentID{[8]byte{9}, 3})}, 10, ""}, // it holds nothing of ours
		"one more, empty":          {1, map[string][]byte{Name(4): four}, 20, ""},
		"one more, cut short":      {1, map[string][]byte{Name(4): four[:30]}, 20, ""},
		"one more, of no length":   {1, map[string][]byte{Name(4): {}}, 20, ""},
		"one more, zeros":          {1, map[string][]byte{Name(4): make([]byte, 4096)}, 20, ""},
		"a gap, then one":          {1, map[string][]byte{Name(5): four}, -1, Name(4)},
		"two cut short":            {1, map[string][]byte{Name(4): {}, Name(5): {}}, -1, Name(4)},
		"the next knows of more":   {1, map[string][]byte{Name(4): encodeSegmentHead(segmentID{testID, 4}, uint64(len(three))+8)}, -1, Name(3)},
		"the next knows of less":   {1, map[string][]byte{Name(4): encodeSegmentHead(segmentID{testID, 4}, uint64(segmentHead))}, 10, ""},
		"other files":              {1, map[string][]byte{"x.log": {1}, "3.log": {1}, "00000004.log.tmp": {1}}, 20, ""},
	} {
		got, _, err := tryRead(fx.with(t, c.change), c.from)
		var d *Damage
		switch {
		case c.records < 0 && (!errors.As(err, &d) || !strings.Contains(err.Error(), c.say)):
			t.Errorf("%s: %d records, %v", name, len(got), err)
		case c.records >= 0 && (err != nil || len(got) != c.records):
			t.Errorf("%s: %d records of %d, %v", name, len(got), c.records, err)
		}
	}
	// A head that is damaged does not hide that there are records.
	for at := range segmentHead {
		b := bytes.Clone(three)
		b[at] ^= 4
		if got, _, err := tryRead(fx.with(t, map[string][]byte{Name(3): b}), 1); err == nil {
			t.Errorf("byte %d of the last head is damaged: %d records and no error", at, len(got))
		}
	}
}

// TestGoOn opens a log with a torn end, and writes behind it.
func TestGoOn(t *testing.T) {
	fx := makeFixture(t)
	whole := fx.files[Name(3)]
	for cut := len(whole) - 100; cut < len(whole); cut += 7 {
		fs := fx.with(t, map[string][]byte{Name(3): whole[:cut], Name(4): {0, 1, 2}})
		before, _ := read(t, fs, 1)
		l := open(t, options(t, fs))
		w := writer{l: l, last: before[len(before)-1].Record}
		p, err := w.append([]byte("more"))
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		after, tail := read(t, fs, 1)
		if len(after) != len(before)+1 || !same(after[len(before)], p) || tail.Last().Number != 4 {
			t.Fatalf("cut at %d: %d records, and %d after one more: %+v", cut, len(before), len(after), tail)
		}
	}
}

// TestLargeRecords has records that are larger than the window.
func TestLargeRecords(t *testing.T) {
	o := options(t, vfs.Default)
	o.Dir = t.TempDir()
	l := open(t, o)
	w := writer{l: l}
	var want []place
	for i, size := range []int{10, windowSize - 1, windowSize, 3*windowSize + 5, 0, 2 * windowSize, 100} {
		p, err := w.append(bytes.Repeat([]byte{byte(i), 'r', 'e', 'c', 1}, size/5))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, p)
	}
	_ = l.Close()
	n := 0
	count := func(number uint64, at int64, r Record) error {
		if n >= len(want) || want[n].number != number || want[n].at != at || !bytes.Equal(want[n].Body, r.Body) {
			t.Errorf("record %d is another one", n)
		}
		n++
		return nil
	}
	if _, err := Read(o.FS, o.Dir, testID, 1, count); err != nil || n != len(want) {
		t.Fatalf("%d records of %d, %v", n, len(want), err)
	}
	// Damage far ahead of what tells that it is some.
	path := filepath.Join(o.Dir, Name(1))
	b := readFile(t, o.FS, path)
	b[segmentHead+60] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	n = 0
	if _, err := Read(o.FS, o.Dir, testID, 1, count); err == nil || n != 0 {
		t.Errorf("%d records and no damage", n)
	}
}

// TestGolden holds the bytes of a segment.
func TestGolden(t *testing.T) {
	id := segmentID{testID, 0x0102}
	h := recordHead{size: 5, seq: 0x1112, prev: 0x2122232425262728, synced: 0x3132, shard: 0x41}
	body := []byte("body!")
	h.hash = Link(h.prev, wire.ShardID(h.shard), wire.Seq(h.seq), body)
	b := make([]byte, padded(len(body)))
	h.put(b, id, 0x60)
	copy(b[HeadSize:], body)
	got := hex.EncodeToString(encodeSegmentHead(id, 0x5152)) + "\n" + hex.EncodeToString(b) + "\n"
	lines := bytes.Fields(golden.File(t, "segment.v1.hex", []byte(got)))
	head, record := golden.Unhex(t, lines[0]), golden.Unhex(t, lines[1])
	if before, err := decodeSegmentHead(head, id); err != nil || before != 0x5152 {
		t.Errorf("the head says %x, %v", before, err)
	}
	if r, p, n, ok := recordAt(record, id, 0x60); !ok || r != h || string(p) != "body!" || n != len(record) {
		t.Errorf("the record says %+v %q %d %v", r, p, n, ok)
	}
}

// FuzzRead harms a segment of a log: Read never returns what was not written, and
// never anything but the first records.
func FuzzRead(f *testing.F) {
	fx := makeFixture(f)
	f.Add(uint8(3), uint16(100), []byte("x"), uint16(0))
	f.Add(uint8(2), uint16(0), fx.files[Name(1)], uint16(30))
	f.Add(uint8(3), uint16(segmentHead), fx.files[Name(3)][segmentHead+56:], uint16(0))
	f.Add(uint8(4), uint16(0), fx.files[Name(3)], uint16(0))
	f.Fuzz(func(t *testing.T, number uint8, at uint16, patch []byte, cut uint16) {
		name := Name(uint64(number%4) + 1)
		b := bytes.Clone(fx.files[name])
		if int(at) < len(b) {
			b = append(b[:at], append(bytes.Clone(patch), b[min(len(b), int(at)+len(patch)):]...)...)
		} else {
			b = append(b, patch...)
		}
		b = b[:max(0, len(b)-int(cut))]
		got, _, err := tryRead(fx.with(t, map[string][]byte{name: b}), 1)
		var d *Damage
		if err != nil && !errors.As(err, &d) {
			t.Fatal(err)
		}
		for i, p := range got {
			if i >= len(fx.records) || !same(p, fx.records[i]) {
				t.Fatalf("record %d is %v, which was not written", i, p)
			}
		}
	})
}

// FuzzRecord decodes a record whose checksum fits, so that the fuzzer gets
// behind it.
func FuzzRecord(f *testing.F) {
	id := segmentID{testID, 1}
	f.Add([]byte("some body"), uint32(9), uint64(1), uint64(2), uint16(3))
	f.Add([]byte{}, uint32(1<<31), uint64(1<<63), uint64(0), uint16(0xffff))
	f.Fuzz(func(t *testing.T, body []byte, size uint32, seq, prev uint64, shard uint16) {
		h := recordHead{size: size, seq: seq, prev: prev, shard: shard}
		h.hash = Link(prev, wire.ShardID(shard), wire.Seq(seq), body)
		b := append(make([]byte, HeadSize), body...)
		h.put(b, id, 64)
		got, p, n, ok := recordAt(b, id, 64)
		if ok && (got != h || !bytes.Equal(p, body[:size]) || n != padded(int(size))) {
			t.Errorf("%+v decodes to %+v, %d bytes", h, got, n)
		}
		if int(size) == len(body) && !ok {
			t.Error("what was written is not read")
		}
	})
}
