package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/situ-dev/situ/internal/store/chain"
	"github.com/situ-dev/situ/internal/store/far"
	"github.com/situ-dev/situ/internal/store/layout"
	"github.com/situ-dev/situ/internal/store/memtable"
	"github.com/situ-dev/situ/internal/wire"
)

// base is a database with the options of the store.
type base struct {
	t    *testing.T
	fs   vfs.FS
	opts *pebble.Options
	db   *pebble.DB
}

func newBase(t *testing.T) *base {
	t.Helper()
	b := &base{t: t, fs: vfs.NewMem()}
	b.opts = Options(1<<20, b.fs, Log{slog.New(slog.DiscardHandler), func(err error) { t.Error(err) }})
	b.opts.EnsureDefaults()
	var err error
	if b.db, err = Open("d", b.opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// take writes a table and has the database take it.
func (b *base) take(write func(*Writer)) {
	b.t.Helper()
	f, err := b.fs.Create("t.sst", vfs.WriteCategoryUnspecified)
	if err != nil {
		b.t.Fatal(err)
	}
	w := NewWriter(b.db, b.opts, f)
	write(w)
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	if w.Bytes() == 0 {
		b.t.Error("a table of no bytes")
	}
	if err := b.db.Ingest(context.Background(), []string{"t.sst"}); err != nil {
		b.t.Fatal(err)
	}
}

// rows returns a memtable: a nil value deletes, a Ref is a far value.
func rows(all map[string]any) *memtable.Table {
	m := memtable.New()
	m.Begin()
	defer m.End()
	for key, v := range all {
		full := append([]byte{byte(layout.Objects)}, key...)
		switch v := v.(type) {
		case nil:
			m.Put(memtable.Delete, full)
		case far.Ref:
			m.Put(memtable.Far, full, v.Append(nil))
		case string:
			m.Put(memtable.Set, full, []byte(v))
		}
	}
	return m
}

// TestTables has the database take two generations of two shards: the rows, the
// tips and what is known of far values are those of the newest, and a count of
// all rows says the same of far values.
func TestTables(t *testing.T) {
	b := newBase(t)
	ref := func(file uint64, size uint32) far.Ref { return far.Ref{Number: file, At: 64, Size: size, Sum: 1} }
	known := far.NewUsages()
	for n, gen := range []struct {
		of   [2]map[string]any
		tips [2]chain.Tip
		want map[uint64]uint64 // live bytes of files
		rows uint64            // with far values
	}{
		{[2]map[string]any{{"a": "one", "b": ref(1, 1000), "c": ref(1, 500)}, {"a": ref(2, 300)}},
			[2]chain.Tip{{Last: 3, Hash: 33}, {Last: 1, Hash: 11}}, map[uint64]uint64{1: 1500, 2: 300}, 3},
		{[2]map[string]any{{"a": ref(3, 70), "b": nil, "c": "small"}, {"a": ref(3, 20), "z": nil}},
			[2]chain.Tip{{Last: 9, Hash: 99}, {Last: 1, Hash: 11}}, map[uint64]uint64{3: 90}, 2},
	} {
		live := known.Clone()
		b.take(func(w *Writer) {
			for i, of := range gen.of {
				w.Tip(wire.ShardID(i), gen.tips[i])
				w.Memtable(wire.ShardID(i), rows(of), live)
			}
			w.First(uint64(n + 7))
			w.Usages(live, known)
		})
		known = live
		for i, want := range gen.tips {
			if tip, err := chain.ReadTip(b.db, wire.ShardID(i)); err != nil || tip != want {
				t.Errorf("generation %d: the tip of shard %d is %+v, %v", n, i, tip, err)
			}
		}
		if first, err := layout.ReadFirst(b.db); err != nil || first != uint64(n+7) {
			t.Errorf("generation %d: the first segment is %d, %v", n, first, err)
		}
		kept, err := far.ReadUsages(b.db)
		counted, err2 := Recount(b.db)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		for who, us := range map[string]far.Usages{"kept": kept, "counted": counted, "in memory": known} {
			got := map[uint64]uint64{}
			for number, u := range us.Files {
				if u.Live > 0 {
					got[number] = u.Live
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(gen.want) || us.Rows[layout.Objects] != gen.rows {
				t.Errorf("generation %d: %s are %v in %d rows, want %v in %d", n, who, got, us.Rows[layout.Objects], gen.want, gen.rows)
			}
		}
	}
	if r, ok := FarRow(b.db, layout.Key(0, layout.Objects, []byte("a"))); !ok || r != ref(3, 70) {
		t.Errorf("a is at %+v, %v", r, ok)
	}
	for _, key := range []string{"b", "c", "none"} {
		if _, ok := FarRow(b.db, layout.Key(0, layout.Objects, []byte(key))); ok {
			t.Errorf("%s has a far value", key)
		}
	}
}

// TestOrder: rows that are not in order are an error, and no table.
func TestOrder(t *testing.T) {
	b := newBase(t)
	f, err := b.fs.Create("t.sst", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(b.db, b.opts, f)
	w.Row([]byte("b"), memtable.Set, nil)
	w.Row([]byte("a"), memtable.Set, nil)
	w.Row([]byte("c"), memtable.Set, nil)
	if err := w.Close(); err == nil {
		t.Error("it is a table")
	}
}

// TestRecountOfDamage: a row that is none is an error, and not left out.
func TestRecountOfDamage(t *testing.T) {
	for name, value := range map[string][]byte{"no kind": {}, "a kind that is none": {9, 1}, "a place cut short": {byte(memtable.Far), 1, 2}} {
		b := newBase(t)
		if err := b.db.Set(layout.Key(0, layout.Objects, []byte("a")), value, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		if _, err := Recount(b.db); err == nil {
			t.Errorf("%s is counted", name)
		}
		if _, ok := FarRow(b.db, layout.Key(0, layout.Objects, []byte("a"))); ok {
			t.Errorf("%s is a far value", name)
		}
	}
}

// TestOpenOfDamage: a database that cannot be opened is an error, whatever
// Pebble does.
func TestOpenOfDamage(t *testing.T) {
	whole := vfs.NewMem()
	opts := func(fs vfs.FS) *pebble.Options {
		return Options(1<<20, fs, Log{slog.New(slog.DiscardHandler), func(error) {}})
	}
	db, err := Open("d", opts(whole))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := whole.List("d")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "LOCK") || strings.HasPrefix(name, "marker.format") || strings.HasSuffix(name, ".log") {
			continue
		}
		fs := vfs.NewMem()
		if _, err := vfs.Clone(whole, fs, "d", "d"); err != nil {
			t.Fatal(err)
		}
		if err := fs.Remove(fs.PathJoin("d", name)); err != nil {
			t.Fatal(err)
		}
		o := opts(fs)
		o.ErrorIfNotExists = true
		db, err := Open("d", o)
		if strings.HasPrefix(name, "OPTIONS") {
			if err != nil {
				t.Errorf("without %s: %v", name, err)
			} else if err := db.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil {
			t.Errorf("it is open without %s", name)
			_ = db.Close()
		}
	}
}

// TestLog: what Pebble calls fatal is, and its chatter is not told.
func TestLog(t *testing.T) {
	var fatal error
	var text strings.Builder
	log := Log{slog.New(slog.NewTextHandler(io.Writer(&text), nil)), func(err error) { fatal = err }}
	log.Infof("chatter %d", 1)
	log.Errorf("compaction %d failed", 2)
	log.Fatalf("sync of %s failed", "file")
	if strings.Contains(text.String(), "chatter") || !strings.Contains(text.String(), "compaction 2 failed") {
		t.Errorf("it was logged: %s", text.String())
	}
	if fatal == nil || fatal.Error() != "sync of file failed" {
		t.Errorf("fatal is %v", fatal)
	}
}
