package memtable

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/situ-dev/situ/internal/seed"
)

// A table that nothing was put into.
func TestEmpty(t *testing.T) {
	table := New()
	if kind, value, ok := table.Get(nil); ok || kind != 0 || value != nil {
		t.Errorf("Get returned %d %q", kind, value)
	}
	it := table.Iter(nil, nil)
	for name, move := range map[string]func() bool{"First": it.First, "Last": it.Last, "Next": it.Next, "Prev": it.Prev} {
		if move() {
			t.Errorf("%s found %q", name, it.Key())
		}
	}
	if table.Size() != 0 || table.Rows() != 0 {
		t.Errorf("it has %d rows and %d bytes", table.Rows(), table.Size())
	}
}

// What Put cannot take it says, and what it can just take it takes.
func TestLimits(t *testing.T) {
	table := New()
	table.Begin()
	for name, put := range map[string]func(){
		"kind 0":        func() { table.Put(0, nil) },
		"kind 4":        func() { table.Put(4, nil) },
		"a large key":   func() { table.Put(Set, make([]byte, maxKey)) },
		"a large value": func() { table.Put(Set, nil, slices.Repeat([][]byte{make([]byte, 1<<20)}, maxLen>>20)...) },
		"over 4 GiB": func() {
			full := New()
			full.arena.chunks = make(chunks, maxSlots-1)
			full.Put(Set, []byte("k"), make([]byte, slotSize-1000))
			full.Put(Set, []byte("k"), make([]byte, 1000))
		},
	} {
		if got := panics(put); !strings.HasPrefix(got, "memtable: ") {
			t.Errorf("%s: panic %q", name, got)
		}
	}
	table.End()

	// A word of the index for position 0 could look like a free one.
	first := filled(1)
	if at := first.fresh[0]; at == 0 {
		t.Error("the first key is at position 0")
	}

	// The last slot is a good one.
	full := New()
	full.arena.chunks = make(chunks, maxSlots-1)
	full.Begin()
	full.Put(Far, []byte("k"), bytes.Repeat([]byte("v"), slotSize-1000))
	full.Put(Set, []byte("k"), []byte("last"))
	full.End()
	it := full.Iter(nil, nil)
	if kind, value, ok := full.Get([]byte("k")); !ok || kind != Set || string(value) != "last" || !it.Next() || string(it.Value()) != "last" {
		t.Errorf("in the last slot there is %d %.20q", kind, value)
	}
}

// panics returns what f panics with.
func panics(f func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	return ""
}

// Rows of the size of chunks and slots, and around it, with keys that alone
// are larger than a slot.
func TestLargeRows(t *testing.T) {
	table, want := New(), map[string]int{}
	sizes := []int{0, 1, firstSize - 1, firstSize, slotSize - 50, slotSize - 1, slotSize, slotSize + 1, 2*slotSize - 8, 2 * slotSize, 3*slotSize + 5}
	for i, size := range sizes {
		for j, long := range sizes {
			key := fmt.Sprintf("%d %d%s", i, j, strings.Repeat("k", long))
			table.Begin()
			table.Put(Set, []byte(key), []byte("before"))
			table.Put(Set, []byte(key), bytes.Repeat([]byte{byte(i)}, size))
			table.End()
			want[key] = i
			if j == 5 && i%2 == 0 { // not all at each size: it is much
				break
			}
		}
	}
	n := 0
	for it := table.Iter(nil, nil); it.Next(); n++ {
		i, ok := want[string(it.Key())]
		if !ok || !bytes.Equal(it.Value(), bytes.Repeat([]byte{byte(i)}, sizes[i])) {
			t.Fatalf("%.20q has a value of %d bytes", it.Key(), len(it.Value()))
		}
		if _, value, ok := table.Get(it.Key()); !ok || len(value) != sizes[i] {
			t.Fatalf("Get(%.20q) returned %d bytes", it.Key(), len(value))
		}
	}
	if n != len(want) {
		t.Errorf("there are %d rows, want %d", n, len(want))
	}
	checkSize(t, table)
}

// Keys whose hashes are the same in all bits that the index has of them are
// different keys all the same.
func TestSameHash(t *testing.T) {
	table := New()
	seen := map[uint64]uint32{} // hash, as far as the index knows it, to the number of a key
	found := 0
	for n := uint32(0); found < 3; n++ {
		key := binary.BigEndian.AppendUint32(nil, n)
		h := maphash.Bytes(table.seed, key)
		same := uint64(tag(h))<<32 | h%indexParts
		other, ok := seen[same]
		if !ok {
			if len(seen) < 1<<19 {
				seen[same] = n
			}
			continue
		}
		found++
		old := binary.BigEndian.AppendUint32(nil, other)
		table.Begin()
		table.Put(Set, old, []byte("old"))
		table.End()
		if _, value, ok := table.Get(key); ok {
			t.Fatalf("Get(%x) found %q of %x", key, value, old)
		}
		table.Begin()
		table.Put(Set, key, []byte("new"))
		table.End()
		_, a, _ := table.Get(old)
		if _, b, _ := table.Get(key); string(a) != "old" || string(b) != "new" {
			t.Fatalf("%x and %x, which have the same hash, have the values %q and %q", old, key, a, b)
		}
	}
}

// TestSort sorts keys of all shapes in groups of sizes at which the sort goes
// other ways.
func TestSort(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.New(t), 0))
	for name, shape := range shapes {
		for _, n := range []int{1, 2, fewKeys, fewKeys + 1, fewHeads, fewHeads + 1, 2000} {
			m := newModel(t, r, shape)
			m.table.Begin()
			for i := 0; i < 20*n && m.table.index.used < n; i++ {
				m.table.Put(Set, []byte(shape(m)))
				m.rows[fmt.Sprint(i)] = row{} // so that ascending keys ascend
			}
			m.table.End()
			keys, got := m.table.arena.chunks, slices.Clone(m.table.fresh)
			want := slices.Clone(got)
			slices.SortFunc(want, keys.compare)
			r.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
			keys.sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%d keys of shape %s are not in order", len(got), name)
			}
		}
	}
}

// gallop finds what a search finds.
func TestGallop(t *testing.T) {
	for n := range 40 {
		for want := range n + 1 {
			for _, parts := range []int{1, 2, 5, 100} {
				got := gallop(n, parts, func(i int) bool {
					if i < 0 || i >= n {
						t.Fatalf("it asks for %d of %d", i, n)
					}
					return i >= want
				})
				if got != want {
					t.Fatalf("of %d, in %d parts, it found %d, want %d", n, parts, got, want)
				}
			}
		}
	}
}

// An order shares the blocks that nothing fell into, so that a walk after few
// puts costs little however large the table is.
func TestOrderShares(t *testing.T) {
	const n = 50_000
	table := filled(n)
	before, _, _ := table.inOrder()
	table.Begin()
	for i := range 3 {
		table.Put(Set, newBenchKey().of(n+i))
	}
	table.End()
	after, _, _ := table.inOrder()
	old := map[*pos]bool{}
	for _, b := range before.blocks {
		old[&b[0]] = true
	}
	made := 0
	for _, b := range after.blocks {
		if !old[&b[0]] {
			made++
		}
	}
	if made == 0 || made > 6 || len(after.blocks) < n/maxBlock {
		t.Errorf("for 3 keys, %d of %d blocks were made", made, len(after.blocks))
	}
	if again, _, _ := table.inOrder(); &again.blocks[0] != &after.blocks[0] {
		t.Error("for no keys, another order was made")
	}
	checkOrder(t, table)
}

// A put allocates next to nothing, and a row takes up little more than its
// bytes.
func TestPutIsLean(t *testing.T) {
	const n = 100_000
	key := newBenchKey()
	var table *Table
	allocs := testing.AllocsPerRun(1, func() {
		table = New()
		table.Begin()
		for i := range n {
			table.Put(Set, key.of(i), benchValue[:20], benchValue[20:])
		}
		for i := range n {
			table.Put(Delete, key.of(i))
		}
		table.End()
	})
	if each := allocs / (2 * n); each > 0.01 {
		t.Errorf("%.4f allocations for each put", each)
	}
	bytes := 2*headSize + len(key) + len(benchValue) + headSize
	if each := float64(table.Size()) / n; each > float64(bytes)+35 {
		t.Errorf("%.0f bytes for each row and its deletion, which have %d", each, bytes)
	}
}

// TestConcurrent has one goroutine put while others read. Each batch sets all
// of its keys to its number, so a reader that sees two numbers saw half a
// batch, and one whose numbers fall saw the past.
func TestConcurrent(t *testing.T) {
	const batches, width = 300, 7
	table := New()
	key := func(i int) []byte { return fmt.Appendf(nil, "key %d", i) }
	batch := func(n int) {
		table.Begin()
		defer table.End()
		for i := range width {
			table.Put(Set, key(i), binary.BigEndian.AppendUint32(nil, uint32(n)))
		}
		table.Put(Set, fmt.Appendf(nil, "key %d of batch %d", n%width, n), []byte{0, 0, 0, 0})
	}
	batch(0)
	var wg sync.WaitGroup
	done := make(chan struct{})
	var read atomic.Int64
	for reader := range 3 {
		wg.Go(func() {
			last := uint32(0)
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				last = readBatch(t, table, key(i%width), last, (i+reader)%2 == 0)
				_, _ = table.Size(), table.Rows()
				read.Add(1)
			}
		})
	}
	for n := 1; n <= batches; n++ {
		batch(n)
		for read.Load() < int64(n) { // one of the readers has come round, the others are on the way
			runtime.Gosched()
		}
	}
	close(done)
	wg.Wait()
	if got := table.Rows(); got != width+batches+1 {
		t.Errorf("there are %d rows, want %d", got, width+batches+1)
	}
	checkOrder(t, table)
	checkSize(t, table)
}

// readBatch reads the table of TestConcurrent: a key, and all by a walk. It
// returns the number of the batch that it saw, which is at least last.
func readBatch(t *testing.T, table *Table, key []byte, last uint32, up bool) uint32 {
	_, value, _ := table.Get(key)
	got := binary.BigEndian.Uint32(value)
	it := table.Iter([]byte("key"), nil)
	move := it.Next
	if !up {
		it.Last()
		it.Next() // after the last
		move = it.Prev
	}
	first, long := uint32(0), 0
	for n := 0; move(); {
		if len(it.Key()) > len("key 0") {
			long++
			continue
		}
		v := binary.BigEndian.Uint32(it.Value())
		if n++; n == 1 {
			first = v
		}
		if v != first {
			t.Errorf("one walk saw batches %d and %d", first, v)
		}
	}
	if got < last || first < got || long != int(first)+1 {
		t.Errorf("batch %d was seen, then Get saw %d and a walk %d with %d rows beside", last, got, first, long)
	}
	return first
}
