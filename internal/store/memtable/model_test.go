package memtable

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/seed"
)

// row is what the model knows of a key.
type row struct {
	kind  Kind
	value string
}

// model is a table beside a map that says what must be in it, and walks that
// were begun at some time and see what was there then.
type model struct {
	t     *testing.T
	r     *rand.Rand
	table *Table
	rows  map[string]row
	keys  func(m *model) string
	walks []*walk
}

// walk is an Iter beside what it must show. It stands at rows[at]; at -1 before
// the first and at len(rows) after the last one.
type walk struct {
	it   *Iter
	keys []string
	rows []row
	at   int
}

// shapes are ways to make keys: of few letters, so that many are beginnings of
// others or end in zeros; with long common parts; in ascending order; as
// those of objects.
var shapes = map[string]func(m *model) string{
	"letters": func(m *model) string {
		k := make([]byte, m.r.IntN(12))
		for i := range k {
			k[i] = "\x00\x00\x01a\xff"[m.r.IntN(5)]
		}
		return string(k)
	},
	"zeros": func(m *model) string { return "k" + strings.Repeat("\x00", m.r.IntN(300)) },
	"long": func(m *model) string {
		return strings.Repeat("long", m.r.IntN(9)) + strings.Repeat("\x00", m.r.IntN(9)) + strconv.Itoa(m.r.IntN(40))
	},
	"ascending": func(m *model) string { return "0" + strconv.Itoa(1_000_000+len(m.rows)+m.r.IntN(3)) },
	"objects":   func(m *model) string { return "account\x00customer-" + strconv.Itoa(m.r.IntN(20_000)) },
}

// TestModel runs random operations on tables with keys of many shapes against a
// map, and walks against a sorted copy of it.
func TestModel(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.New(t), 0))
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		for range 3 {
			m := newModel(t, r, shapes[name])
			batch := 1 + r.IntN(1<<r.IntN(10))
			for range 300 {
				m.step(batch)
			}
			m.finish()
		}
	}
}

// FuzzModel lets the fuzzer choose the operations: data is what the model's
// random numbers are made of.
func FuzzModel(f *testing.F) {
	f.Add(uint8(0), []byte("any"))
	f.Add(uint8(1), bytes.Repeat([]byte{7, 200, 90}, 300))
	f.Fuzz(func(t *testing.T, shape uint8, data []byte) {
		names := slices.Sorted(maps.Keys(shapes))
		src := &tape{data: data, rest: rand.NewPCG(1, 2)}
		m := newModel(t, rand.New(src), shapes[names[int(shape)%len(names)]])
		for len(src.data) > 0 {
			m.step(8)
		}
		m.finish()
	})
}

// tape is a source of random numbers that are read from data, two bytes each,
// and then come from rest.
type tape struct {
	data []byte
	rest rand.Source
}

// Uint64 returns the next number. The bytes are its top and bottom, which is
// where rand takes small numbers from.
func (s *tape) Uint64() uint64 {
	if len(s.data) < 2 {
		s.data = nil
		return s.rest.Uint64()
	}
	n := uint64(s.data[0])<<56 | uint64(s.data[1])<<24 | 0x00ff_ffff_00ff_ffff
	s.data = s.data[2:]
	return n
}

func newModel(t *testing.T, r *rand.Rand, keys func(m *model) string) *model {
	return &model{t: t, r: r, table: New(), rows: map[string]row{}, keys: keys}
}

// step does one random thing.
func (m *model) step(batch int) {
	switch n := m.r.IntN(100); {
	case n < 30:
		m.put(1 + m.r.IntN(batch))
	case n < 40:
		m.get()
	case n < 50:
		m.begin()
	default:
		if len(m.walks) > 0 {
			m.move(m.walks[m.r.IntN(len(m.walks))])
		}
	}
	if got := m.table.Rows(); got != len(m.rows) {
		m.t.Fatalf("Rows returned %d, want %d", got, len(m.rows))
	}
}

// put puts a batch. What was put in is overwritten after, so that a table that
// does not copy is found out.
func (m *model) put(n int) {
	m.table.Begin()
	defer m.table.End()
	for range n {
		key := m.keys(m)
		r := row{Kind(1 + m.r.IntN(3)), strings.Repeat(strconv.Itoa(m.r.IntN(1000)), m.r.IntN(20))}
		if m.r.IntN(500) == 0 {
			r.value = strings.Repeat(r.value, 1+m.r.IntN(1<<14)) // up to some chunks
		}
		m.rows[key] = r
		k, v := []byte(key), []byte(r.value)
		switch cut := m.r.IntN(len(v) + 1); {
		case len(v) == 0:
			m.table.Put(r.kind, k)
		case cut == 0:
			m.table.Put(r.kind, k, v)
		default:
			m.table.Put(r.kind, k, v[:cut], nil, v[cut:])
		}
		clear(k)
		clear(v)
	}
}

func (m *model) get() {
	key := m.keys(m)
	kind, value, ok := m.table.Get([]byte(key))
	if want, has := m.rows[key]; ok != has || kind != want.kind || string(value) != want.value {
		m.t.Fatalf("Get(%q) returned %d %.40q %v, want %d %.40q %v", key, kind, value, ok, want.kind, want.value, has)
	}
	if cap(value) != len(value) {
		m.t.Fatalf("the value of %q has room after it, in which others lie", key)
	}
}

// begin begins a walk, in the place of another one if there are many.
func (m *model) begin() {
	var lo, hi []byte
	if m.r.IntN(2) == 0 {
		lo = []byte(m.keys(m))
	}
	if m.r.IntN(2) == 0 {
		hi = []byte(m.keys(m))
	}
	w := &walk{it: m.table.Iter(lo, hi), at: -1}
	for _, k := range slices.Sorted(maps.Keys(m.rows)) {
		if k >= string(lo) && (hi == nil || k < string(hi)) {
			w.keys, w.rows = append(w.keys, k), append(w.rows, m.rows[k])
		}
	}
	clear(lo)
	clear(hi)
	m.check(w, w.it.Key() != nil, "a new one")
	if len(m.walks) < 8 {
		m.walks = append(m.walks, w)
	} else {
		m.walks[m.r.IntN(len(m.walks))] = w
	}
}

// move makes a random move.
func (m *model) move(w *walk) {
	n := len(w.keys)
	for range 1 + m.r.IntN(4) {
		switch m.r.IntN(8) {
		case 0:
			w.at = 0
			m.check(w, w.it.First(), "First")
		case 1:
			w.at = n - 1
			m.check(w, w.it.Last(), "Last")
		case 2:
			k := m.keys(m)
			w.at = sort.SearchStrings(w.keys, k)
			m.check(w, w.it.SeekGE([]byte(k)), "SeekGE "+k)
		case 3, 4, 5:
			w.at = min(w.at+1, n)
			m.check(w, w.it.Next(), "Next")
		default:
			w.at = max(w.at-1, -1)
			m.check(w, w.it.Prev(), "Prev")
		}
	}
}

// check holds a walk against what it must show after a move that returned ok.
func (m *model) check(w *walk, ok bool, move string) {
	m.t.Helper()
	it := w.it
	if w.at < 0 || w.at >= len(w.keys) {
		if ok || it.Key() != nil || it.Value() != nil || it.Kind() != 0 {
			m.t.Fatalf("%.60q: it is on %.60q, want on no row: at %d of %d", move, it.Key(), w.at, len(w.keys))
		}
		return
	}
	key, want := w.keys[w.at], w.rows[w.at]
	if !ok || it.Key() == nil || string(it.Key()) != key || it.Kind() != want.kind || string(it.Value()) != want.value {
		m.t.Fatalf("%.60q: %v, it is on %.60q %d %.40q, want on row %d of %d: %.60q %d %.40q",
			move, ok, it.Key(), it.Kind(), it.Value(), w.at, len(w.keys), key, want.kind, want.value)
	}
	if cap(it.Key()) != len(it.Key()) || cap(it.Value()) != len(it.Value()) {
		m.t.Fatalf("%.60q: key or value of %.60q has room after it, in which others lie", move, key)
	}
}

// finish walks all that is to be walked, up and down, and looks at the whole.
func (m *model) finish() {
	m.begin()
	for _, w := range m.walks {
		for w.at < len(w.keys) {
			w.at++
			m.check(w, w.it.Next(), "Next to the end")
		}
		m.check(w, w.it.Next(), "Next after the end")
		for w.at >= 0 {
			w.at--
			m.check(w, w.it.Prev(), "Prev to the start")
		}
		m.check(w, w.it.Prev(), "Prev before the start")
	}
	checkOrder(m.t, m.table)
	checkSize(m.t, m.table)
}

// checkOrder checks what an order promises itself, and that its blocks have
// about the right size.
func checkOrder(t *testing.T, table *Table) {
	t.Helper()
	o, _, _ := table.inOrder()
	n := 0
	for _, b := range o.blocks {
		if n += len(b); len(b) == 0 || len(b) > maxBlock {
			t.Fatalf("a block has %d keys", len(b))
		}
	}
	if n != o.keys || n != table.Rows() {
		t.Fatalf("the order says %d keys and has %d, the table has %d", o.keys, n, table.Rows())
	}
}

// checkSize adds up the memory of the table and holds Size against it.
func checkSize(t *testing.T, table *Table) {
	t.Helper()
	n := cap(table.fresh)*posSize + cap(table.arena.chunks)*listEntry
	for i, c := range table.arena.chunks {
		// A slot that is one of a larger chunk goes on where the next begins.
		if i+1 < len(table.arena.chunks) && len(c) > slotSize {
			n += slotSize
		} else {
			n += len(c)
		}
	}
	for _, b := range table.order.blocks {
		n += len(b)*posSize + listEntry
	}
	for i := range table.index.parts {
		n += len(table.index.parts[i].words) * wordSize
	}
	if got := table.Size(); got != int64(n) {
		t.Fatalf("Size returned %d, want %d", got, n)
	}
}
